"""What a fault costs the bond, and who gets it: reserved once, claimed once, given back at last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from derrick.fiat import FiatToken
from derrick.market import DAY, MAX_UINT256, NOBODY, Term, Tier
from derrick.telemetry import Penalties, Report, ReportTree, Status
from derrick.testing import isolated, reverts_with
from tests.settled import settled
from tests.unit.conftest import (
    BOND,
    CURTAILMENTS,
    PENALTY,
    PENALTY_BELOW,
    PRICE,
    ROLLING,
    SPOT,
)

RATE = 10 * PRICE
SHARE = 10 * PENALTY
"""What an epoch in penalty owes to the ten units that most leases here are of."""

NONE, UNSHOWN, RESERVED, FREED = range(4)
YEAR = 365 * DAY


@pytest.fixture
def lease(service, tenant):
    """Ten units for epochs 0 … 9."""
    return service.sign(tenant)


def nothing_to_claim(service, lease, epoch, who):
    assert service.claimable(lease, epoch) == 0
    with reverts_with(service.bench.lease.NothingToClaim, lease=lease, epoch=epoch):
        service.claim(lease, epoch, who)


# ---- how much


def test_each_leased_unit_gets_the_fixed_amount(service, tenant, other_tenant):
    """Whatever the rent: one lease is at the price, one at a hundredth of it."""
    dear = service.sign(tenant)
    service.deeds.send("setPrice", service.id, PRICE // 100, sender=service.bench.operator)
    cheap = service.sign(other_tenant, units=25)
    receipt = service.settle(0, 8_999)
    assert tuple(receipt.event("PenaltyReserved")) == (
        service.id,
        *(0, 35, 35 * PENALTY, 35 * PENALTY),
    )
    assert service.bond.read("operatorPartOf", service.id) == BOND - 35 * PENALTY
    assert service.claimable(dear, 0) == 10 * PENALTY
    assert service.claim(dear, 0, tenant) == 10 * PENALTY
    assert service.claim(cheap, 0, other_tenant) == 25 * PENALTY
    assert tuple(service.bond.read("reserveOf", service.id, 0))[:2] == (0, 0)


def test_a_penalty_is_on_top_of_the_credit(service, lease, tenant):
    service.settle(0, 0)
    before = service.balance(tenant)
    service.claim(lease, 0, tenant)
    service.engine.send("claimCredit", lease, tenant, sender=tenant)
    assert service.balance(tenant) - before == SHARE + RATE


@pytest.mark.parametrize(("bond", "per_unit"), [(0, 0), (7, 0), (10, 1), (333, 33), (999, 99)])
def test_a_bond_that_is_short_is_shared_by_unit_rounded_down(
    service, tenant, other_tenant, bond, per_unit
):
    poor = service.another()
    if bond:
        poor.deposit(bond)
    leases = {poor.sign(tenant, units=4): tenant, poor.sign(other_tenant, units=6): other_tenant}
    receipt = poor.settle(0, 0)
    assert receipt.event("PenaltyReserved").reserved == bond
    assert receipt.event("PenaltyReserved").wanted == 10 * PENALTY
    assert poor.penalty(0) == (per_unit, 10, RESERVED)
    for lease, holder in leases.items():
        if per_unit == 0:
            nothing_to_claim(poor, lease, 0, holder)
        else:
            units = 4 if holder is tenant else 6
            assert poor.claim(lease, 0, holder) == per_unit * units
    assert poor.bond.read("operatorPartOf", poor.id) == 0
    # The next fault finds nothing, and settles all the same.
    assert poor.settle(1, 0).event("PenaltyReserved").reserved == 0
    assert poor.is_barred
    # What rounding left goes back in the end.
    poor.go_to(poor.ends_at(1) + YEAR)
    poor.engine.send("freePenalty", poor.id, 0, sender=tenant)
    poor.engine.send("freePenalty", poor.id, 1, sender=tenant)
    assert poor.bond.read("operatorPartOf", poor.id) == bond - 10 * per_unit


def test_money_that_comes_to_a_bond_later_pays_no_older_penalty(service, tenant):
    poor = service.another()
    lease = poor.sign(tenant)
    poor.settle(0, 0)
    poor.deposit(BOND)
    nothing_to_claim(poor, lease, 0, tenant)
    poor.settle(1, 0)
    assert poor.claim(lease, 1, tenant) == SHARE
    nothing_to_claim(poor, lease, 0, tenant)


def test_each_capacity_pays_from_its_own_bond(service, lease, tenant):
    poor = service.another()
    other = poor.sign(tenant)
    reports = [service.report(0), poor.report(0, 0)]
    service.settle_many(service.post(*reports), *reports)
    nothing_to_claim(poor, other, 0, tenant)
    nothing_to_claim(service, lease, 0, tenant)
    assert service.bond.read("operatorPartOf", service.id) == BOND


def test_the_dearest_penalty_at_the_dearest_rent_overflows_nothing(service, tenant, operator):
    """Every field at its widest: penalty, units, rent, and all of a bond."""
    units, most = 32_767, 2**80 - 1
    dear = service.another(
        (Term(1, 365, 50_000),), units=units, penalty_per_unit=most, tiers=(Tier(9_000, 3_333),)
    )
    dear.deeds.send("setPrice", dear.id, 2**82, sender=operator)
    dear.coin.send("mint", tenant, 2**110, sender=service.bench.owner)
    lease = dear.sign(tenant, units=units, max_rent=5 * 2**82, end=3)
    rate = 5 * 2**82 * units
    dear.deposit(2**104 - 1)
    earned = 0
    for epoch, uptime in enumerate((8_999, 10_000, 8_999)):
        receipt = dear.settle(epoch, uptime)
        found = settled(receipt)
        credit = -(-rate * 3_333 // 10_000) if uptime == 8_999 else 0
        assert (found.rent, found.credit) == (rate, credit)
        earned += rate - credit
        assert tuple(dear.engine.read("settledTo", dear.id)) == (epoch + 1, rate)
        assert dear.engine.read("netRevenueOf", dear.id) == earned
        assert dear.is_barred is (uptime == 8_999)
        if credit:
            assert receipt.event("PenaltyReserved").reserved == units * most
            assert dear.penalty(epoch) == (most, units, RESERVED)
    assert dear.claim(lease, 0, tenant) == dear.claim(lease, 2, tenant) == units * most
    assert dear.bond.read("operatorPartOf", dear.id) == 2**104 - 1 - 2 * units * most


# ---- who and when


def test_a_penalty_is_claimed_once_by_the_holder_to_whom_he_names(
    service, lease, tenant, other_tenant, stranger
):
    service.settle(0, 0)
    with reverts_with(service.bench.lease.NotTenant, lease=lease, caller=other_tenant):
        service.claim(lease, 0, other_tenant)
    for receiver in (NOBODY, service.engine):
        with reverts_with(service.bench.lease.BadReceiver, receiver=receiver):
            service.engine.send("claimPenalty", lease, 0, receiver, sender=tenant)
    with reverts_with(service.bench.bond.BadReceiver, receiver=service.bond):
        service.engine.send("claimPenalty", lease, 0, service.bond, sender=tenant)
    assert service.engine.read("claimPenalty", lease, 0, stranger, sender=tenant) == SHARE
    receipt = service.engine.send("claimPenalty", lease, 0, stranger, sender=tenant)
    assert tuple(receipt.event("PenaltyClaimed")) == (lease, 0, stranger.address, SHARE)
    assert tuple(receipt.event("PenaltyPaid")) == (service.id, 0, stranger.address, SHARE)
    assert service.balance(stranger) == SHARE
    nothing_to_claim(service, lease, 0, tenant)


def test_an_approved_party_may_claim(service, lease, tenant, stranger):
    service.settle(0, 0)
    service.engine.send("approve", stranger, lease, sender=tenant)
    assert service.claim(lease, 0, stranger) == SHARE


def test_unclaimed_penalties_go_with_the_lease(service, lease, tenant, other_tenant):
    service.settle(0, 0)
    service.settle(1, 0)
    service.claim(lease, 0, tenant)
    service.engine.send("transferFrom", tenant, other_tenant, lease, sender=tenant)
    with reverts_with(service.bench.lease.NotTenant, lease=lease, caller=tenant):
        service.claim(lease, 1, tenant)
    nothing_to_claim(service, lease, 0, other_tenant)
    assert service.claim(lease, 1, other_tenant) == SHARE


def test_a_lease_has_penalties_of_its_own_paid_epochs_only(service, tenant, other_tenant):
    """The epoch before its start, its end, and all that no epoch can be."""
    service.sign(other_tenant, end=6)
    lease = service.sign(tenant, start=2, end=4)
    for epoch in range(6):
        service.settle(epoch, 0)
    for epoch in (0, 1, 4, 5, 6, 2**24, 2**32 + 2, 2**256 - 1):
        nothing_to_claim(service, lease, epoch, tenant)
    assert [service.claim(lease, epoch, tenant) for epoch in (3, 2)] == [SHARE, SHARE]


def test_a_lease_nobody_signed_claims_nothing(service, tenant):
    for call in (
        lambda: service.engine.send("claimPenalty", 7, 0, tenant, sender=tenant),
        lambda: service.engine.read("claimableOf", 7, 0),
    ):
        with reverts_with(service.bench.lease.UnknownLease, lease=7):
            call()


def test_claims_across_words_of_the_record_are_kept_apart(service, tenant):
    """256 epochs share a word: neighbours on both sides of the border, and the same bit beyond."""
    lease = service.sign(tenant, start=254, end=514)
    service.skip(254)
    for epoch in range(254, 259):
        service.settle(epoch, 0)
    for epoch in (255, 256, 258):
        assert service.claim(lease, epoch, tenant) == SHARE
        nothing_to_claim(service, lease, epoch, tenant)
    for epoch in (254, 257):
        assert service.claimable(lease, epoch) == SHARE


# ---- leases that ended


def test_a_terminated_lease_claims_for_what_it_was(service, lease, tenant):
    service.settle(0, 0)
    service.engine.send("terminate", lease, sender=tenant)
    end = service.engine.read("leaseOf", lease).end
    assert end == 2
    service.settle(1, 0)
    assert [service.claim(lease, epoch, tenant) for epoch in (0, 1)] == [SHARE, SHARE]
    assert service.settle(2, 0).named("PenaltyReserved") == []
    nothing_to_claim(service, lease, 2, tenant)


def test_a_tenant_who_leaves_for_cause_keeps_his_claims(service, lease, tenant):
    for epoch in range(5):
        service.settle(epoch, 0)
    service.engine.send("exitForCause", lease, sender=tenant)
    service.settle(5, 0)
    assert sum(service.claim(lease, epoch, tenant) for epoch in range(6)) == 6 * SHARE


@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_a_lapsed_lease_claims_for_what_it_paid(service, tenant, stranger, is_closed):
    """Two epochs are paid. Units that nobody paid for stay booked while their epoch had begun:
    their penalty is set aside, nobody has it, and it goes back."""
    lease = service.sign(tenant, term=ROLLING)
    for epoch in range(2):
        service.settle(epoch, 0)
    service.go_to(service.ends_at(2) - 1)
    if is_closed:
        service.engine.send("lapse", lease, sender=stranger)
    receipt = service.settle(2, 0)
    assert receipt.event("PenaltyReserved").reserved == SHARE
    assert settled(receipt).rent == 0
    assert [service.claim(lease, epoch, tenant) for epoch in (0, 1)] == [SHARE, SHARE]
    nothing_to_claim(service, lease, 2, tenant)
    service.go_to(service.ends_at(2) + YEAR)
    service.engine.send("freePenalty", service.id, 2, sender=stranger)
    assert service.bond.read("operatorPartOf", service.id) == BOND - 2 * SHARE


def test_units_that_were_freed_are_not_punished(service, tenant):
    """A lease that lapsed and was closed in time leaves nothing behind."""
    lease = service.sign(tenant, term=ROLLING)
    service.sign(tenant, units=1)
    service.settle(0)
    service.settle(1)
    service.go_to(service.ends_at(1))
    service.engine.send("lapse", lease, sender=tenant)
    service.settle(2)
    assert service.settle(3, 0).event("PenaltyReserved").units == 1


def test_an_evicted_part_claims_as_the_whole_had(service, tenant, other_tenant):
    """60 of 90 spot units give way from epoch 3 on; both parts hold what was theirs before."""
    victim = service.sign(tenant, units=90, term=SPOT)
    service.engine.send("topUp", victim, 8, sender=tenant)
    service.settle(0, 0)
    assert service.claim(victim, 0, tenant) == 90 * PENALTY
    service.settle(1, 0)
    service.settle(2)
    service.deeds.send("setPrice", service.id, 2 * PRICE, sender=service.bench.operator)
    request = service.bench.request(
        other_tenant, capacity=service.id, units=70, start=4, end=8, max_rent=2 * PRICE
    )
    receipt = service.engine.send("leaseEvicting", request, [victim], sender=other_tenant)
    part, evictor = receipt.event("LeaseSplit").part, receipt.event("Leased").lease
    assert service.engine.read("leaseOf", part).units == 60
    service.settle(3, 0)
    service.settle(4, 0)
    for lease in (victim, part):
        nothing_to_claim(service, lease, 0, tenant)
    assert service.claim(victim, 1, tenant) + service.claim(part, 1, tenant) == 90 * PENALTY
    assert service.claim(part, 3, tenant) == 60 * PENALTY
    nothing_to_claim(service, part, 4, tenant)
    assert service.claim(victim, 4, tenant) == 30 * PENALTY
    assert service.claim(evictor, 4, other_tenant) == 70 * PENALTY
    nothing_to_claim(service, evictor, 3, other_tenant)


def test_a_preempted_tenant_keeps_his_claims(service, tenant):
    lease = service.sign(tenant, term=SPOT)
    service.engine.send("topUp", lease, 8, sender=tenant)
    service.settle(0, 0)
    service.engine.send("preempt", lease, sender=service.bench.operator)
    service.settle(1, 0)
    assert [service.claim(lease, epoch, tenant) for epoch in (0, 1)] == [SHARE, SHARE]
    nothing_to_claim(service, lease, 2, tenant)


# ---- split and merged


def split_units(service, lease, units, who):
    receipt = service.engine.send("splitUnits", lease, units, sender=who)
    return int(receipt.event("LeaseSplit").part)


def split_at(service, lease, epoch, who):
    return int(service.engine.send("splitAt", lease, epoch, sender=who).event("LeaseSplit").part)


def merge(service, lease, part, who):
    service.engine.send("merge", lease, part, sender=who)


def test_what_the_whole_has_claimed_no_part_claims_again(service, lease, tenant):
    service.settle(0, 0)
    service.settle(1, 0)
    service.claim(lease, 0, tenant)
    part = split_units(service, lease, 3, tenant)
    for each in (lease, part):
        nothing_to_claim(service, each, 0, tenant)
    assert service.claim(part, 1, tenant) == 3 * PENALTY
    again = split_units(service, part, 1, tenant)
    for epoch in (0, 1):
        nothing_to_claim(service, again, epoch, tenant)
    assert service.claim(lease, 1, tenant) == 7 * PENALTY
    assert tuple(service.bond.read("reserveOf", service.id, 1))[:2] == (0, 0)


def test_parts_that_claimed_unlike_cannot_be_merged(service, lease, tenant):
    """Or one of them would claim what the other has, or lose what it has not."""
    service.settle(0, 0)
    part = split_units(service, lease, 4, tenant)
    service.claim(part, 0, tenant)
    for one, other in ((lease, part), (part, lease)):
        with reverts_with(service.bench.lease.NotMergeable, lease=one, part=other):
            merge(service, one, other, tenant)
    service.claim(lease, 0, tenant)
    merge(service, part, lease, tenant)
    nothing_to_claim(service, part, 0, tenant)
    service.settle(1, 0)
    assert service.claim(part, 1, tenant) == SHARE


def test_parts_that_claimed_nothing_merge_and_claim_as_one(service, lease, tenant):
    service.settle(0, 0)
    part = split_units(service, lease, 4, tenant)
    merge(service, lease, part, tenant)
    assert service.claim(lease, 0, tenant) == SHARE
    with reverts_with(service.bench.lease.UnknownLease, lease=part):
        service.claim(part, 0, tenant)


def test_a_part_in_time_inherits_what_was_claimed_of_its_epochs(service, lease, tenant):
    for epoch in range(4):
        service.settle(epoch, 0)
    for epoch in (1, 3):
        service.claim(lease, epoch, tenant)
    later = split_at(service, lease, 2, tenant)
    for each, epoch in ((lease, 1), (later, 3), (lease, 2), (lease, 3), (later, 0), (later, 1)):
        nothing_to_claim(service, each, epoch, tenant)
    assert service.claim(lease, 0, tenant) == SHARE
    merge(service, lease, later, tenant)
    for epoch in (0, 1, 3):
        nothing_to_claim(service, lease, epoch, tenant)
    assert service.claim(lease, 2, tenant) == SHARE


def test_a_merger_in_time_takes_over_what_the_later_part_claimed(service, lease, tenant):
    for epoch in range(4):
        service.settle(epoch, 0)
    later = split_at(service, lease, 2, tenant)
    service.claim(later, 2, tenant)
    service.claim(lease, 1, tenant)
    merge(service, lease, later, tenant)
    for epoch in (1, 2):
        nothing_to_claim(service, lease, epoch, tenant)
    assert [service.claim(lease, epoch, tenant) for epoch in (0, 3)] == [SHARE, SHARE]


def test_what_a_sold_part_claimed_costs_its_successor_nothing(service, tenant, other_tenant):
    """A lease keeps a mark of an epoch it has split off. Merged with another lease of that epoch,
    it has that one's claims, not its own old ones, and the other way round."""
    one, two = service.sign(tenant), service.sign(tenant)
    for epoch in range(4):
        service.settle(epoch, 0)
    service.claim(one, 3, tenant)
    sold, kept = split_at(service, one, 2, tenant), split_at(service, two, 2, tenant)
    service.engine.send("transferFrom", tenant, other_tenant, sold, sender=tenant)
    merge(service, one, kept, tenant)
    assert service.claim(one, 3, tenant) == SHARE
    nothing_to_claim(service, one, 3, tenant)
    nothing_to_claim(service, sold, 3, other_tenant)
    assert service.claim(sold, 2, other_tenant) == SHARE
    # Units side by side: marks outside their own epochs do not keep `two` from merging.
    third = service.engine.read("leaseOf", two)
    assert (third.start, third.end) == (0, 2)
    part = split_units(service, two, 5, tenant)
    merge(service, two, part, tenant)
    assert [service.claim(two, epoch, tenant) for epoch in (0, 1)] == [SHARE, SHARE]
    nothing_to_claim(service, two, 3, tenant)


def test_marks_outside_their_epochs_do_not_keep_leases_apart(service, tenant):
    """`one` and `two` are alike for epochs 0 and 1; only `one` carries a mark for epoch 3."""
    one, two = service.sign(tenant), service.sign(tenant)
    for epoch in range(4):
        service.settle(epoch, 0)
    service.claim(one, 3, tenant)
    for lease in (one, two):
        split_at(service, lease, 2, tenant)
    merge(service, two, one, tenant)
    assert service.claim(two, 0, tenant) == 2 * SHARE


def test_a_part_that_has_not_begun_brings_no_claims(service, lease, tenant):
    """Split in the future, sold on paper, merged back: nothing is gained and nothing lost."""
    service.settle(0, 0)
    later = split_at(service, lease, 8, tenant)
    service.claim(lease, 0, tenant)
    nothing_to_claim(service, later, 0, tenant)
    merge(service, lease, later, tenant)
    nothing_to_claim(service, lease, 0, tenant)
    service.settle(1, 0)
    assert service.claim(lease, 1, tenant) == SHARE


def test_splits_and_mergers_across_words_of_the_record(service, tenant):
    """Epochs 254 … 257 lie in two words; what is claimed in each survives every way back."""
    lease = service.sign(tenant, start=254, end=300)
    service.skip(254)
    for epoch in range(254, 259):
        service.settle(epoch, 0)
    for epoch in (255, 256):
        service.claim(lease, epoch, tenant)
    beside = split_units(service, lease, 4, tenant)
    after = split_at(service, beside, 256, tenant)
    for each, epoch in ((beside, 255), (after, 256), (lease, 255), (lease, 256)):
        nothing_to_claim(service, each, epoch, tenant)
    service.claim(after, 257, tenant)
    merge(service, beside, after, tenant)
    with reverts_with(service.bench.lease.NotMergeable, lease=lease, part=beside):
        merge(service, lease, beside, tenant)
    assert service.claim(lease, 257, tenant) == 6 * PENALTY
    merge(service, lease, beside, tenant)
    claims = {epoch: service.claimable(lease, epoch) for epoch in range(254, 259)}
    assert claims == {254: SHARE, 255: 0, 256: 0, 257: 0, 258: SHARE}


# ---- a window in which very many failed


@pytest.fixture
def fleet(service, tenant):
    """Two more capacities with bonds and leases; with the service's own, all fail at once."""
    fleet = [service, service.another(), service.another()]
    for each in fleet[1:]:
        each.deposit(BOND)
    return {each: each.sign(tenant) for each in fleet}


def fail_together(service, fleet, epoch=0):
    """A root by which all of the fleet are in penalty. Its tree, and until when they wait."""
    tree = service.post(*(each.report(epoch, 0) for each in fleet))
    state, held_until = service.telemetry.read("penaltiesOf", 1, service.window_of(epoch))
    assert state == Penalties.HELD
    return tree, held_until


def test_penalties_of_a_mass_failure_wait(service, fleet, tenant):
    """Credits do not, and the money is set aside at once."""
    tree, held_until = fail_together(service, fleet)
    service.settle_many(tree, *tree.reports)
    lease = fleet[service]
    assert service.bond.read("operatorPartOf", service.id) == BOND - SHARE
    assert service.engine.send("claimCredit", lease, tenant, sender=tenant).events
    assert service.is_barred
    for at in (None, held_until - 1):
        if at is not None:
            service.go_to(at - 1)
        assert service.claimable(lease, 0) == 0
        with reverts_with(
            service.bench.lease.PenaltyNotClaimable,
            capacity=service.id,
            epoch=0,
            state=Penalties.HELD,
            heldUntil=held_until,
        ):
            service.claim(lease, 0, tenant)
        with reverts_with(
            service.bench.lease.StillClaimable,
            capacity=service.id,
            epoch=0,
            claimableUntil=service.ends_at(0) + YEAR,
        ):
            service.engine.send("freePenalty", service.id, 0, sender=tenant)
    service.lane.set_next_time(held_until)
    assert service.claim(lease, 0, tenant) == SHARE


def test_a_waiver_before_settlement_reserves_nothing(service, fleet, tenant):
    tree, held_until = fail_together(service, fleet)
    window = service.window_of(0)
    service.telemetry.send("waivePenalties", 1, window, sender=service.guardian)
    receipt = service.settle_many(tree, *tree.reports)
    assert receipt.named("PenaltyReserved") == []
    for each, lease in fleet.items():
        assert each.bond.read("operatorPartOf", each.id) == BOND
        assert each.penalty(0) == (0, 0, NONE)
        assert each.engine.read("creditOf", lease) == RATE
        assert each.is_barred
    service.go_to(held_until)
    nothing_to_claim(service, fleet[service], 0, tenant)
    assert service.engine.send("freePenalty", service.id, 0, sender=tenant).events == []


def test_a_waiver_after_settlement_gives_the_money_back(service, fleet, tenant, stranger):
    tree, held_until = fail_together(service, fleet)
    service.settle_many(tree, *tree.reports)
    window, lease = service.window_of(0), fleet[service]
    service.telemetry.send("waivePenalties", 1, window, sender=service.guardian)
    with reverts_with(
        service.bench.lease.PenaltyNotClaimable,
        capacity=service.id,
        epoch=0,
        state=Penalties.WAIVED,
        heldUntil=held_until,
    ):
        service.claim(lease, 0, tenant)
    receipt = service.engine.send("freePenalty", service.id, 0, sender=stranger)
    assert tuple(receipt.event("PenaltyFreed")) == (service.id, 0, SHARE)
    assert service.bond.read("operatorPartOf", service.id) == BOND
    assert service.penalty(0) == (PENALTY, 10, FREED)
    # Another window is not touched by it.
    service.settle(1, 0)
    assert service.claim(lease, 1, tenant) == SHARE
    service.go_to(held_until)
    nothing_to_claim(service, lease, 0, tenant)
    assert service.engine.send("freePenalty", service.id, 0, sender=stranger).events == []


def test_a_late_penalty_of_a_waived_window_costs_nothing(service, fleet, tenant):
    """Two of three are shown; the third is held back, the guardian waives, and it comes late."""
    tree, _ = fail_together(service, fleet)
    report = service.report(0, 0)
    service.settle_many(tree, *(r for r in tree.reports if r != report))
    service.telemetry.send("waivePenalties", 1, service.window_of(0), sender=service.guardian)
    service.go_to(service.reveal_ends(0))
    service.miss()
    receipt = service.show("addPenalty", report, tree)
    assert [event.name for event in receipt.events] == ["PenaltyAdded"]
    assert service.is_barred
    assert service.bond.read("operatorPartOf", service.id) == BOND
    assert service.penalty(0) == (0, 0, NONE)
    with reverts_with(service.bench.lease.NotUnshown, capacity=service.id, epoch=0, state=NONE):
        service.show("addPenalty", report, tree)


# ---- given back at last


def test_what_nobody_claims_goes_back_after_a_year(service, tenant, other_tenant, stranger):
    """Claims stand until somebody says so, and then no more."""
    one, two = service.sign(tenant), service.sign(other_tenant, units=5)
    service.settle(0, 0)
    service.claim(one, 0, tenant)
    until = service.ends_at(0) + YEAR
    service.go_to(until - 2)
    with reverts_with(
        service.bench.lease.StillClaimable, capacity=service.id, epoch=0, claimableUntil=until
    ):
        service.engine.send("freePenalty", service.id, 0, sender=stranger)
    assert service.claimable(two, 0) == 5 * PENALTY
    service.lane.mine(at=until)
    with isolated(service.lane):
        assert service.claim(two, 0, other_tenant) == 5 * PENALTY
        receipt = service.engine.send("freePenalty", service.id, 0, sender=stranger)
        assert receipt.event("PenaltyFreed").amount == 0
    assert service.engine.read("freePenalty", service.id, 0) == 5 * PENALTY
    receipt = service.engine.send("freePenalty", service.id, 0, sender=stranger)
    assert tuple(receipt.event("PenaltyFreed")) == (service.id, 0, 5 * PENALTY)
    nothing_to_claim(service, two, 0, other_tenant)
    assert service.bond.read("operatorPartOf", service.id) == BOND - SHARE


@pytest.mark.parametrize("epoch", [0, 2**32, 2**256 - 1])
@pytest.mark.parametrize("capacity", [0, 2, 99])
def test_freeing_what_is_not_there_does_nothing(service, stranger, capacity, epoch):
    assert service.engine.send("freePenalty", capacity, epoch, sender=stranger).events == []
    assert service.engine.read("freePenalty", capacity, epoch) == 0


# ---- late


def test_a_penalty_that_was_held_back_comes_late(service, lease, tenant):
    """On top of the whole rent, which went back for want of a report."""
    report = service.report(0, 8_999)
    tree = service.withhold(report)
    assert service.penalty(0) == (0, 0, UNSHOWN)
    nothing_to_claim(service, lease, 0, tenant)
    receipt = service.show("addPenalty", report, tree)
    assert tuple(receipt.event("PenaltyAdded")) == (service.id, 0, 8_999)
    assert tuple(receipt.event("PenaltyReserved")) == (service.id, 0, 10, SHARE, SHARE)
    assert receipt.named("EpochSettled") == []
    assert service.is_barred
    assert service.engine.read("creditOf", lease) == RATE
    assert service.claim(lease, 0, tenant) == SHARE
    assert tuple(service.engine.read("settledTo", service.id)) == (1, RATE)


def test_a_late_penalty_needs_its_time(service, lease):
    """Not before the epoch is settled for want of a report, and not from the deadline on."""
    report = service.report(0, 0)
    tree = service.post(report)
    unsettled = {"capacity": service.id, "epoch": 0, "state": NONE}
    for time in (None, service.reveal_ends(0)):
        service.go_to(time or 0)
        with reverts_with(service.bench.lease.NotUnshown, **unsettled):
            service.show("addPenalty", report, tree)
    service.miss()
    deadline = service.late_ends(0)
    assert service.engine.read("penaltyDeadlineOf", service.id, 0) == deadline
    with isolated(service.lane):
        service.show("addPenalty", report, tree)
    with isolated(service.lane):
        service.show("addPenalty", report, tree, at=deadline - 1)
    with reverts_with(
        service.bench.lease.PenaltyTooLate, capacity=service.id, epoch=0, deadline=deadline
    ):
        service.show("addPenalty", report, tree, at=deadline)


def test_an_epoch_settled_late_can_have_no_late_penalty(service, lease):
    """The deadline is the window's: settling later gives nobody more time."""
    report = service.report(0, 0)
    tree = service.post(report)
    deadline = service.late_ends(0)
    service.go_to(deadline)
    service.miss()
    with reverts_with(
        service.bench.lease.PenaltyTooLate, capacity=service.id, epoch=0, deadline=deadline
    ):
        service.show("addPenalty", report, tree)


def test_a_late_penalty_comes_once(service, lease):
    report = service.report(0, 0)
    tree = service.withhold(report)
    service.show("addPenalty", report, tree)
    for state in (RESERVED, FREED):
        with reverts_with(
            service.bench.lease.NotUnshown, capacity=service.id, epoch=0, state=state
        ):
            service.show("addPenalty", report, tree)
        service.go_to(service.ends_at(0) + YEAR)
        service.engine.send("freePenalty", service.id, 0, sender=service.guardian)


@pytest.mark.parametrize("uptime", [10_000, 9_950, PENALTY_BELOW])
def test_a_report_without_a_fault_adds_no_penalty(service, lease, uptime):
    report = service.report(0, uptime)
    tree = service.withhold(report)
    with reverts_with(service.bench.lease.NoPenalty, capacity=service.id, epoch=0):
        service.show("addPenalty", report, tree)
    assert service.penalty(0) == (0, 0, UNSHOWN)
    assert not service.is_barred


def test_reports_held_back_are_excused_no_more_often_than_was_declared(service, hourly):
    """Each excuse is used up, late as in time: of three held back two are within the allowance."""
    reports = [hourly.report(epoch, 0, curtailed=True) for epoch in range(3)]
    tree = hourly.post(*reports)
    hourly.go_to(hourly.reveal_ends(0))
    for _ in reports:
        hourly.miss()
    for used, report in enumerate(reports[:CURTAILMENTS], 1):
        receipt = hourly.show("addPenalty", report, tree)
        assert [(event.name, tuple(event.args)) for event in receipt.events] == [
            ("Curtailed", (hourly.id, report.epoch, 0, used))
        ]
        assert hourly.penalty(report.epoch) == (0, 0, NONE)
        with reverts_with(
            service.bench.lease.NotUnshown, capacity=hourly.id, epoch=report.epoch, state=NONE
        ):
            hourly.show("addPenalty", report, tree)
    assert not hourly.is_barred
    receipt = hourly.show("addPenalty", reports[CURTAILMENTS], tree)
    assert [event.name for event in receipt.events][:1] == ["PenaltyAdded"]
    assert receipt.event("PenaltyReserved").reserved == SHARE
    assert hourly.is_barred
    assert hourly.engine.read("curtailedIn", hourly.id, 0) == CURTAILMENTS


def test_an_excuse_given_late_is_missing_in_time(service, hourly):
    """And the other way round: an epoch settled as curtailed leaves one fewer for the hidden."""
    reports = [hourly.report(epoch, 0, curtailed=True) for epoch in range(2)]
    tree = hourly.post(*reports)
    later = [hourly.report(epoch, 0, curtailed=True) for epoch in range(24, 27)]
    kept = hourly.post(*later, window=hourly.window_of(24))
    hourly.settle_many(kept, *later)
    hourly.go_to(hourly.reveal_ends(0))
    while hourly.next_epoch < 24:
        hourly.miss()
    assert hourly.show("addPenalty", reports[0], tree).named("Curtailed")
    assert hourly.miss().named("Curtailed")
    assert hourly.show("addPenalty", reports[1], tree).named("PenaltyReserved")
    assert hourly.miss().named("PenaltyReserved")


def test_a_late_penalty_bars_only_if_it_is_the_newest_epochs(service, hourly):
    reports = [hourly.report(epoch, 0) for epoch in range(2)]
    tree = hourly.post(*reports)
    hourly.go_to(hourly.reveal_ends(0))
    hourly.miss()
    hourly.miss()
    hourly.show("addPenalty", reports[0], tree)
    assert not hourly.is_barred
    hourly.show("addPenalty", reports[1], tree)
    assert hourly.is_barred
    ledger = (2, RATE)
    assert tuple(hourly.engine.read("settledTo", hourly.id)) == ledger
    hourly.miss()  # epoch 2, of which the root has no report
    assert not hourly.is_barred


def test_a_late_report_must_stand_in_the_root_of_its_own_window(service, lease):
    report = service.report(0, 0)
    tree = service.withhold(report)
    worse = replace(report, load_bps=1)
    with reverts_with(
        service.bench.lease.NotInRoot, setId=1, window=service.window_of(0), leaf=worse.leaf
    ):
        proof = tree.proof(report)
        service.engine.send("addPenalty", worse.as_tuple(), proof, sender=service.guardian)


def test_a_report_of_a_vetoed_root_adds_no_penalty(service, lease):
    """Neither while another root stands in its place, nor where the window was lost."""
    wrong, right = service.report(0, 0), service.report(0)
    window = service.window_of(0)
    vetoed = service.post(wrong, is_final=False)
    service.telemetry.send("veto", 1, window, sender=service.guardian)
    service.post(right, is_final=False, attempt=1)
    with isolated(service.lane):
        service.go_to(service.reveal_ends(0))
        service.miss()
        with reverts_with(service.bench.lease.NotInRoot, setId=1, window=window, leaf=wrong.leaf):
            service.show("addPenalty", wrong, vetoed)
    service.telemetry.send("veto", 1, window, sender=service.guardian)
    assert settled(service.miss()).status == Status.BLACKOUT
    with reverts_with(service.bench.lease.NotUnshown, capacity=service.id, epoch=0, state=NONE):
        service.show("addPenalty", wrong, vetoed)


@pytest.mark.parametrize(("capacity", "epoch"), [(99, 0), (0, 0), (1, 5), (2, 2**24 - 1)])
def test_epochs_that_were_never_settled_have_no_late_penalty(service, capacity, epoch):
    report = Report(capacity, epoch, 0, 0, 0)
    with reverts_with(service.bench.lease.NotUnshown, capacity=capacity, epoch=epoch, state=NONE):
        service.show("addPenalty", report, ReportTree.of([report]))


def test_a_late_penalty_of_an_idle_epoch_reserves_nothing(service):
    report = service.report(0, 0)
    tree = service.withhold(report)
    receipt = service.show("addPenalty", report, tree)
    assert [event.name for event in receipt.events] == ["PenaltyAdded"]
    assert service.is_barred


def test_deadlines_of_capacities_nobody_settled_are_known_too(service):
    fresh = service.another()
    assert fresh.engine.read("penaltyDeadlineOf", fresh.id, 3) == fresh.late_ends(3)
    with reverts_with(service.bench.capacity.UnknownCapacity, capacity=99):
        service.engine.read("penaltyDeadlineOf", 99, 0)
    with reverts_with("Overflow()"):
        fresh.engine.read("penaltyDeadlineOf", fresh.id, 2**32)


# ---- a stablecoin's issuer, by Circle's own code


@pytest.fixture
def circle(service, owner, tenant, other_tenant, operator):
    """A capacity that settles in the real FiatToken; the coin, the capacity, two leases."""
    usdc = FiatToken.deploy(owner)
    service.bench.stablecoins.setStablecoin(usdc.token, True, sender=owner)
    paid = service.another(stablecoin=usdc.token.address)
    for party in (tenant, other_tenant):
        usdc.mint(party, 10 * RATE)
        usdc.token.approve(service.engine.address, MAX_UINT256, sender=party)
    usdc.mint(operator, BOND)
    usdc.token.approve(service.bond.address, BOND, sender=operator)
    paid.bond.send("deposit", paid.id, BOND, sender=operator)
    return usdc, paid, (paid.sign(tenant, end=5), paid.sign(other_tenant, end=5))


def test_a_frozen_tenant_claims_his_penalty_to_another_address(
    circle, tenant, other_tenant, stranger
):
    """Nobody else waits for him, and what was frozen stays his."""
    usdc, paid, (lease, other) = circle
    paid.settle(0, 0)
    usdc.blacklist(tenant)
    with reverts_with("TransferFailed()"):
        paid.engine.send("claimPenalty", lease, 0, tenant, sender=tenant)
    assert paid.claimable(lease, 0) == SHARE
    paid.engine.send("claimPenalty", other, 0, other_tenant, sender=other_tenant)
    paid.engine.send("claimPenalty", lease, 0, stranger, sender=tenant)
    assert usdc.token.balanceOf(stranger) == SHARE
    assert usdc.token.balanceOf(other_tenant) == 5 * RATE + SHARE
    usdc.unblacklist(tenant)
    paid.settle(1, 0)
    paid.engine.send("claimPenalty", lease, 1, tenant, sender=tenant)
    assert usdc.token.balanceOf(tenant) == 5 * RATE + SHARE


def test_a_frozen_bond_stops_nothing_but_its_own_payments(circle, tenant, other_tenant, operator):
    """Faults are settled and reserved, credits, rent and refunds flow; penalties wait for it."""
    usdc, paid, (lease, other) = circle
    usdc.blacklist(paid.bond.address)
    receipt = paid.settle(0, 0)
    assert receipt.event("PenaltyReserved").reserved == 2 * SHARE
    with reverts_with("TransferFailed()"):
        paid.engine.send("claimPenalty", lease, 0, tenant, sender=tenant)
    assert paid.claimable(lease, 0) == SHARE
    paid.settle(1)
    before = usdc.token.balanceOf(operator)
    paid.engine.send("release", paid.id, sender=tenant)
    assert usdc.token.balanceOf(operator) - before == 2 * RATE
    before = usdc.token.balanceOf(tenant)
    paid.engine.send("splitUnits", lease, 4, sender=tenant)
    paid.engine.send("withdrawRefund", usdc.token, tenant, sender=tenant)
    assert usdc.token.balanceOf(tenant) - before == RATE
    paid.engine.send("claimCredit", other, other_tenant, sender=other_tenant)
    paid.sign(other_tenant, start=4, end=5)
    paid.settle(2, 0)
    paid.withhold(paid.report(3, 0))
    usdc.unblacklist(paid.bond.address)
    before = usdc.token.balanceOf(tenant)
    paid.engine.send("claimPenalty", lease, 0, tenant, sender=tenant)
    assert usdc.token.balanceOf(tenant) - before == 6 * PENALTY
    paid.engine.send("claimPenalty", other, 2, other_tenant, sender=other_tenant)


def test_a_paused_token_stops_no_settlement_and_loses_no_penalty(circle, tenant):
    usdc, paid, (lease, _) = circle
    usdc.pause()
    paid.settle(0, 0)
    paid.go_to(paid.ends_at(0) + YEAR - 10)
    with reverts_with("TransferFailed()"):
        paid.engine.send("claimPenalty", lease, 0, tenant, sender=tenant)
    usdc.unpause()
    before = usdc.token.balanceOf(tenant)
    paid.engine.send("claimPenalty", lease, 0, tenant, sender=tenant)
    assert usdc.token.balanceOf(tenant) - before == SHARE
