"""The calendar against a plain list: invariant 1 at the level of the library."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from derrick.abi import Revert
from derrick.testing import isolated

EPOCHS = 70
MAX_UNITS = 32_767


@st.composite
def reservations(draw):
    start = draw(st.integers(0, EPOCHS - 1))
    end = draw(st.integers(start + 1, EPOCHS))
    limit = draw(st.sampled_from([1, 2, 1_000, MAX_UNITS - 1, MAX_UNITS]))
    units = draw(st.one_of(st.integers(1, limit), st.just(limit), st.just(1)))
    return start, end, units, limit


@pytest.fixture(scope="module")
def probe(project, owner, lane):
    return lane.contract(project.CalendarProbe.deploy(sender=owner))


@given(st.lists(reservations(), min_size=1, max_size=8))
@example([(0, 16, MAX_UNITS, MAX_UNITS), (15, 17, 1, MAX_UNITS)])
@example([(0, 70, 1, 1), (16, 32, 1, 2), (31, 32, MAX_UNITS, MAX_UNITS)])
@example([(15, 16, MAX_UNITS, MAX_UNITS), (0, 15, 1_000, 1_000), (14, 16, 1_000, 1_000)])
def test_calendar_is_a_list_of_numbers(probe, lane, owner, history):
    """Each reservation happens in full or not at all, and no neighbouring epoch ever changes."""
    used = [0] * EPOCHS
    with isolated(lane):
        for start, end, units, limit in history:
            peak = max(used[start:end])
            outcome = probe.try_send("reserve", start, end, units, limit, sender=owner)
            if peak + units > limit:
                assert isinstance(outcome, Revert)
                assert outcome.name == "NotEnoughUnits"
                assert outcome.inputs == {"asked": units, "free": max(0, limit - peak)}
            else:
                assert not isinstance(outcome, Revert), str(outcome)
                for epoch in range(start, end):
                    used[epoch] += units

        lanes = lane.batch([probe.call("at", epoch) for epoch in range(EPOCHS)])
        assert lanes == used
        words = lane.batch([probe.call("word", index) for index in range(EPOCHS // 16 + 2)])
        assert sum(word << (256 * index) for index, word in enumerate(words)) == sum(
            units << (16 * epoch) for epoch, units in enumerate(used)
        )
        ranges = [(start, end) for start, end, _, _ in history]
        peaks = lane.batch([probe.call("peak", *span) for span in ranges])
        assert peaks == [max(used[start:end]) for start, end in ranges]
        firsts = lane.batch([probe.call("firstUsed", *span) for span in ranges])
        assert firsts == [
            next((epoch for epoch in range(start, end) if used[epoch]), end)
            for start, end in ranges
        ]
