"""The splitter against exact fractions; the machine is in `splitter.py`."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derrick.testing import isolated
from tests.property.splitter import (
    CAPACITY,
    CONSERVED,
    MAX_SUPPLY,
    PROTOCOL_BPS,
    Leg,
    Model,
    SplitterMachine,
    make_world,
    own_legs,
    who,
)

MOST = 2**128 - 1
"""The most base units the engine can ever count."""


@pytest.fixture(scope="module", autouse=True)
def world(project, lane, accounts):
    SplitterMachine.world = make_world(project, lane, accounts, project.RevenueSplitterFactory)
    return SplitterMachine.world


TestSplitter = SplitterMachine.TestCase


class TestDust:
    @pytest.mark.parametrize("decimals", [2, 6, 8, 18])
    def test_ten_thousand_syncs_of_one_base_unit(self, world, project, owner, decimals):
        """Each holder loses less than one base unit over all of them, not at each.

        In one call, not transactions, of which the node would keep every step.
        """
        with isolated(world.lane):
            coin = owner.deploy(project.MockERC20, "Dollar", "USD", decimals)
            dollar = world.lane.contract(coin)
            dollar.send("mint", world.engine, 10_000, sender=owner)
            supply, parts = 1_000_003, [(333, True), (77, False), (1, False)]
            splitter = world.make(supply, world.legs(parts), dollar)
            shares = {holder: 1 + 10 * 7**n for n, holder in enumerate(world.holders[1:])}
            for holder, amount in shares.items():
                splitter.send("transfer", holder, amount, sender=world.holders[0])
            shares[world.holders[0]] = supply - sum(shares.values())

            call = world.engine.call("drip", splitter, 10_000, list(shares), sender=owner)
            request = call.message | {"gas": hex(10**9)}
            answer = world.lane.node.request("eth_call", request, "latest")
            index, got = call.function.result(bytes.fromhex(answer[2:]))
            assert index == 10_000 - PROTOCOL_BPS - sum(bps for bps, _ in parts)
            for amount, received in zip(shares.values(), got, strict=True):
                assert 0 <= Fraction(index * amount, supply) - received < 1, CONSERVED


class TestExtremes:
    @given(
        supply=st.sampled_from([1, 2, MAX_SUPPLY - 1, MAX_SUPPLY]),
        parts=own_legs,
        earned=st.one_of(st.just(MOST), st.integers(1, MOST)),
        moves=st.lists(st.tuples(who, who, st.integers(0, MAX_SUPPLY)), max_size=6),
    )
    def test_no_amount_is_too_large_to_be_exact(self, world, supply, parts, earned, moves):
        """The largest supply times the largest revenue that can be counted, moved to and fro.

        Nothing of it fits a word with the shares; the same must come of it.
        """
        with isolated(world.lane):
            own = world.legs(parts)
            splitter = world.make(supply, own)
            legs = [Leg(*leg) for leg in [*own, (world.recipients[2], PROTOCOL_BPS, True)]]
            shares = dict.fromkeys(world.holders, 0) | {world.holders[0]: supply}
            model = Model(supply, legs, shares)
            pot = model.pots[0]
            for step, (sender, receiver, amount) in enumerate(moves, 1):
                source, target = world.holders[sender], world.holders[receiver]
                amount = amount % (model.shares[source] + 1)
                part = earned * step // len(moves) - pot.earned
                world.engine.send("earn", CAPACITY, part, sender=world.owner)
                model.receive(0, earned=part)
                splitter.send("transfer", target, amount, sender=source)
                model.shares[source] -= amount
                model.shares[target] += amount
            for holder in world.holders:
                due = model.claimable(0, holder)
                assert splitter.read("claimable", holder) == due
                splitter.send("claimFor", holder, sender=world.owner)
                assert splitter.read("claimable", holder) == 0
                pot.paid[holder] = due
            for number, leg in enumerate(legs):
                due = leg.claimable(0)
                splitter.send("claimLeg", number, world.owner, sender=leg.recipient)
                leg.paid[0] = due
            assert tuple(splitter.read("totals")) == (pot.received, model.paid(0))
