"""No cut, sale or merger of leases claims a penalty twice, or loses one.

The reference knows no leases' records: only cells, one unit in one epoch each, and which of them
have been paid for.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from derrick.abi import Revert
from derrick.testing import isolated
from tests.unit.conftest import BOND, PENALTY

FROM, TO, SETTLED = 252, 262, 259
"""Epochs leased, and settled: they lie on both sides of the border of two words of claims."""

FAILED = (253, 255, 256, 258)


@pytest.fixture(scope="module")
def failed(service, tenant):
    """Three leases of one tenant at one rent: two side by side, one that follows on the first."""
    leases = {
        service.sign(tenant, units=units, start=start, end=end): (units, start, end)
        for units, start, end in ((10, FROM, TO), (7, FROM, TO), (10, TO, TO + 4))
    }
    service.skip(FROM)
    for epoch in range(FROM, SETTLED):
        service.settle(epoch, 0 if epoch in FAILED else 10_000)
    return leases


class Ledger:
    """Which cells each lease has, by epoch, and which are paid."""

    def __init__(self, leases):
        names = iter(range(10_000))
        self.cells = {
            lease: {
                epoch: frozenset((unit, epoch) for unit in units) for epoch in range(start, end)
            }
            for lease, (count, start, end) in leases.items()
            for units in [[next(names) for _ in range(count)]]
        }
        self.paid = set()

    def owed(self, lease, epoch):
        """Unpaid cells of a lease in an epoch: all of them, or none."""
        cells = self.cells[lease].get(epoch, frozenset())
        unpaid = cells - self.paid
        assert len(unpaid) in (0, len(cells))
        return unpaid if epoch in FAILED else frozenset()

    def split_units(self, lease, part, count):
        whole = self.cells[lease]
        self.cells[part] = {e: frozenset(sorted(cells)[:count]) for e, cells in whole.items()}
        self.cells[lease] = {e: cells - self.cells[part][e] for e, cells in whole.items()}

    def split_at(self, lease, part, epoch):
        whole = self.cells[lease]
        self.cells[part] = {e: cells for e, cells in whole.items() if e >= epoch}
        self.cells[lease] = {e: cells for e, cells in whole.items() if e < epoch}

    def merge(self, lease, part):
        whole, other = self.cells[lease], self.cells.pop(part)
        self.cells[lease] = {
            e: whole.get(e, frozenset()) | other.get(e, frozenset())
            for e in sorted(whole.keys() | other.keys())
        }

    def may_merge(self, one, other):
        """Whether claims stand in the way: side by side they must be alike."""
        shared = self.cells[one].keys() & self.cells[other].keys() & set(FAILED)
        return all(bool(self.owed(one, e)) == bool(self.owed(other, e)) for e in shared)


def try_merge(service, ledger, lease, part, who):
    one, other = (service.engine.read("leaseOf", each) for each in (lease, part))
    beside = (one.start, one.end, one.depositEpochs) == (
        other.start,
        other.end,
        other.depositEpochs,
    )
    fit = beside and ledger.may_merge(lease, part)
    fit = fit or (one.end == other.start and one.units == other.units)
    outcome = service.engine.try_send("merge", lease, part, sender=who)
    if fit:
        assert not isinstance(outcome, Revert), outcome
        ledger.merge(lease, part)
    else:
        assert isinstance(outcome, Revert)
        assert (outcome.name, outcome.inputs) == ("NotMergeable", {"lease": lease, "part": part})


def try_claim(service, ledger, lease, epoch, who):
    owed = ledger.owed(lease, epoch)
    assert service.claimable(lease, epoch) == len(owed) * PENALTY
    outcome = service.engine.try_send("claimPenalty", lease, epoch, who, sender=who)
    if owed:
        assert not isinstance(outcome, Revert), outcome
        assert outcome.event("PenaltyClaimed").amount == len(owed) * PENALTY
        ledger.paid |= owed
    else:
        assert isinstance(outcome, Revert)
        assert (outcome.name, outcome.inputs) == (
            "NothingToClaim",
            {"lease": lease, "epoch": epoch},
        )


def act(service, ledger, step, who):
    kind, first, second, number = step
    leases = sorted(ledger.cells)
    lease, part = leases[first % len(leases)], leases[second % len(leases)]
    state = service.engine.read("leaseOf", lease)
    if kind == "units" and state.units > 1:
        count = 1 + number % (state.units - 1)
        receipt = service.engine.send("splitUnits", lease, count, sender=who)
        ledger.split_units(lease, int(receipt.event("LeaseSplit").part), count)
    elif kind == "time" and state.end - state.start > 1:
        epoch = state.start + 1 + number % (state.end - state.start - 1)
        receipt = service.engine.send("splitAt", lease, epoch, sender=who)
        ledger.split_at(lease, int(receipt.event("LeaseSplit").part), epoch)
    elif kind == "merge" and lease != part:
        try_merge(service, ledger, lease, part, who)
    elif kind == "claim":
        try_claim(service, ledger, lease, FAILED[number % len(FAILED)], who)


def claim_all(service, ledger, who):
    for lease in sorted(ledger.cells):
        for epoch in FAILED:
            try_claim(service, ledger, lease, epoch, who)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("units", "time", "merge", "merge", "claim", "claim")),
        st.integers(0, 11),
        st.integers(0, 11),
        st.integers(0, 30),
    ),
    max_size=25,
)


@given(STEPS)
def test_every_cell_is_paid_once_whatever_is_cut_and_joined(service, failed, tenant, steps):
    with isolated(service.lane):
        ledger = Ledger(failed)
        for step in steps:
            act(service, ledger, step, tenant)
        claim_all(service, ledger, tenant)
        claim_all(service, ledger, tenant)
        for epoch in FAILED:
            assert tuple(service.bond.read("reserveOf", service.id, epoch))[:2] == (0, 0)
        part = service.bond.read("operatorPartOf", service.id)
        assert part == BOND - 17 * PENALTY * len(FAILED)
        assert service.balance(service.bond) == part == service.bond.read("heldOf", service.id)


def test_cut_into_single_cells_and_joined_again(service, failed, tenant):
    """The longest way there and back: every epoch its own lease, every unit too."""
    with isolated(service.lane):
        ledger = Ledger(failed)
        [first, *_] = sorted(ledger.cells)
        try_claim(service, ledger, first, 255, tenant)
        parts = [first]
        for epoch in range(FROM + 1, TO):
            act(service, ledger, ("time", sorted(ledger.cells).index(parts[-1]), 0, 0), tenant)
            parts.append(max(ledger.cells))
            assert min(ledger.cells[parts[-1]]) == epoch
        try_claim(service, ledger, parts[4], 256, tenant)
        for one, other in reversed(list(pairwise(parts))):
            try_merge(service, ledger, one, other, tenant)
        assert sorted(ledger.cells[first]) == list(range(FROM, TO))
        claims = {epoch: service.claimable(first, epoch) for epoch in FAILED}
        assert claims == {253: 10 * PENALTY, 255: 0, 256: 0, 258: 10 * PENALTY}
        claim_all(service, ledger, tenant)
