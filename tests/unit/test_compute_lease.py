"""The lease engine, one rule at a time: signing, settling, releasing, crediting, transferring."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import replace

import pytest

from derrick.market import (
    DAY,
    LEASES_PER_CAPACITY,
    MAX_UINT256,
    NOBODY,
    TELEMETRY_RULES,
    Term,
)
from derrick.telemetry import Report, ReportTree, Status
from derrick.testing import isolated, reverts_with
from tests.settled import settled

PRICE = 400_000_000
FIRST = LEASES_PER_CAPACITY + 1


@pytest.fixture
def funded(bench, owner, tenant):
    """A tenant with more than enough, and an open allowance."""
    bench.coin.mint(tenant, 10**18, sender=owner)
    bench.coin.approve(bench.lease, MAX_UINT256, sender=tenant)
    return tenant


# ---- signing


def test_a_lease_takes_the_whole_rent_and_books_the_units(bench, funded, other_tenant):
    before = bench.coin.balanceOf(funded)
    request = bench.request(other_tenant)
    rent, total, missing = bench.lease.quote(request)
    assert missing == 0
    receipt = bench.lease.lease(request, sender=funded)
    lease = receipt.return_value

    assert (rent, total) == (PRICE, PRICE * 10 * 10)
    assert lease == FIRST
    assert bench.lease.ownerOf(lease) == other_tenant
    assert bench.coin.balanceOf(funded) == before - total
    assert bench.coin.balanceOf(bench.lease) == total
    assert bench.lease.leaseOf(lease) == (2, 12, 12, 2, 10, 0, 10, PRICE)
    assert bench.lease.capacityOf(lease) == 1
    assert [bench.lease.unitsLeasedAt(1, e) for e in (1, 2, 11, 12)] == [0, 10, 10, 0]
    assert bench.lease.rentDeltaAt(1, 2) == 10 * PRICE == -bench.lease.rentDeltaAt(1, 12)
    assert bench.lease.accountOf(1) == (1, total, 0)
    [event] = receipt.events.filter(bench.lease.Leased)
    assert (event.lease, event.capacity) == (lease, 1)
    assert (event.tenant, event.payer) == (other_tenant.address, funded.address)
    assert tuple(event.conditions) == (2, 12, 12, 2, 10, 0, 10, PRICE)
    assert event.paid == total


def test_ids_count_up_per_capacity(bench, funded):
    leases = [
        bench.lease.lease(bench.request(funded), sender=funded).return_value for _ in range(3)
    ]
    assert leases == [FIRST, FIRST + 1, FIRST + 2]


def test_terms_price_the_rent_rounded_up(bench, funded):
    bench.capacity.setPrice(1, 12_345, sender=bench.operator)
    request = bench.request(funded, term=1, start=0, end=30)
    rent, total, missing = bench.lease.quote(request)
    assert missing == 0
    assert rent == -(-12_345 * 8_001 // 10_000)
    assert total == rent * 10 * 30
    assert bench.lease.leaseOf(bench.lease.lease(request, sender=funded).return_value).rent == rent


def test_a_price_change_never_touches_a_signed_lease(bench, funded):
    lease = bench.lease.lease(bench.request(funded), sender=funded).return_value
    signed = bench.lease.leaseOf(lease)
    bench.capacity.setPrice(1, 2 * PRICE, sender=bench.operator)
    bench.capacity.retireTerm(1, 0, sender=bench.operator)
    bench.capacity.setOpen(1, False, sender=bench.operator)
    assert bench.lease.leaseOf(lease) == signed
    assert bench.lease.rentDeltaAt(1, 2) == 10 * PRICE


def both(bench, request, tenant, expected, missing=0):
    """`lease` and `quote` refuse with the same words, and nothing moves.

    Of units that are not free, `quote` says instead how many are missing.
    """
    before = bench.coin.balanceOf(tenant)
    if missing:
        assert bench.lease.quote(request).missing == missing
    else:
        with expected():
            bench.lease.quote(request)
    with expected():
        bench.lease.lease(request, sender=tenant)
    assert bench.coin.balanceOf(tenant) == before


def test_an_unknown_capacity_is_refused(bench, funded):
    request = bench.request(funded, capacity=7)
    both(
        bench,
        request,
        funded,
        lambda: reverts_with(bench.capacity.UnknownCapacity, capacity=7),
    )


def test_a_closed_capacity_is_refused(bench, funded):
    bench.capacity.setOpen(1, False, sender=bench.operator)
    both(
        bench,
        bench.request(funded),
        funded,
        lambda: reverts_with(bench.lease.CapacityClosed, capacity=1),
    )


@pytest.mark.parametrize("term", [2, 255, 256, 2**255])
def test_an_unknown_term_is_refused(bench, funded, term):
    request = bench.request(funded, term=term)
    both(
        bench,
        request,
        funded,
        lambda: reverts_with(bench.capacity.TermNotActive, capacity=1, term=term),
    )


@pytest.mark.parametrize("units", [0, 101, 65_536, 2**256 - 1])
def test_units_must_exist(bench, funded, units):
    request = bench.request(funded, units=units)
    both(bench, request, funded, lambda: reverts_with(bench.lease.BadUnits, units=units, max=100))


def test_an_epoch_that_has_begun_is_refused(bench, funded, lane):
    """The last second before an epoch still leases it; its first second does not."""
    start = bench.origin + 5 * DAY
    request = bench.request(funded, start=5)
    lane.set_next_time(start - 1)
    bench.lease.lease(request, sender=funded)
    lane.set_next_time(start)
    with reverts_with(bench.lease.StartPassed, start=5, earliest=6):
        bench.lease.lease(request, sender=funded)
    assert bench.lease.nextEpochToBegin(1) == 6


def test_before_the_origin_every_epoch_can_be_leased(bench, funded):
    assert bench.lease.nextEpochToBegin(1) == 0
    bench.lease.lease(bench.request(funded, start=0, end=1), sender=funded)


@pytest.mark.parametrize(
    ("start", "end"), [(5, 5), (6, 5), (999, 1_001), (1_000, 1_001), (3, 2**255)]
)
def test_a_range_must_lie_in_the_lifetime(bench, funded, start, end):
    request = bench.request(funded, start=start, end=end)
    both(
        bench,
        request,
        funded,
        lambda: reverts_with(bench.lease.BadRange, start=start, end=end, lifetime=1_000),
    )


@pytest.mark.parametrize(("term", "length", "low", "high"), [(0, 366, 1, 365), (1, 29, 30, 4_096)])
def test_a_length_must_suit_the_term(bench, funded, term, length, low, high):
    request = bench.request(funded, term=term, start=2, end=2 + length)
    both(
        bench,
        request,
        funded,
        lambda: reverts_with(bench.lease.LengthOutsideTerm, length=length, min=low, max=high),
    )


def test_nobody_pays_more_than_he_agreed_to(bench, funded):
    request = bench.request(funded, max_rent=PRICE - 1)
    both(
        bench,
        request,
        funded,
        lambda: reverts_with(bench.lease.RentAboveMax, rent=PRICE, maxRent=PRICE - 1),
    )


def test_units_are_never_sold_twice(bench, funded):
    bench.lease.lease(bench.request(funded, units=60, start=10, end=20), sender=funded)
    request = bench.request(funded, units=41, start=19, end=30)
    both(
        bench,
        request,
        funded,
        lambda: reverts_with(bench.lease.NotEnoughUnits, asked=41, free=40),
        missing=1,
    )
    bench.lease.lease(bench.request(funded, units=40, start=19, end=30), sender=funded)
    assert bench.lease.occupancyOf(1, 0, 40) == (100, 60 * 10 + 40 * 11)
    both(
        bench,
        bench.request(funded, units=1, start=19, end=20),
        funded,
        lambda: reverts_with(bench.lease.NotEnoughUnits, asked=1, free=0),
        missing=1,
    )


def test_too_little_money_leases_nothing(bench, owner, stranger):
    request = bench.request(stranger)
    bench.coin.mint(stranger, PRICE * 100 - 1, sender=owner)
    bench.coin.approve(bench.lease, MAX_UINT256, sender=stranger)
    with reverts_with("TransferFromFailed()"):
        bench.lease.lease(request, sender=stranger)
    assert bench.lease.unitsLeasedAt(1, 2) == 0
    bench.coin.mint(stranger, 1, sender=owner)
    bench.lease.lease(request, sender=stranger)
    assert bench.coin.balanceOf(stranger) == 0


def test_a_lease_needs_a_tenant(bench, funded):
    for tenant in (NOBODY, bench.lease.address):
        both(
            bench,
            bench.request(tenant),
            funded,
            lambda tenant=tenant: reverts_with(bench.lease.BadReceiver, receiver=tenant),
        )


def test_a_contract_that_refuses_nfts_gets_its_lease(bench, funded):
    """No receiver hook: nothing can be blocked, and the money is not lost."""
    bench.lease.lease(bench.request(bench.coin), sender=funded)
    assert bench.lease.ownerOf(FIRST) == bench.coin.address


# ---- settling


def test_a_healthy_epoch_is_earned_whole(bench, funded):
    bench.lease.lease(bench.request(funded, start=0, end=2), sender=funded)
    receipt = bench.settle(0)
    assert receipt.events == [
        bench.lease.EpochSettled(
            capacity=1,
            epoch=0,
            earned=10 * PRICE,
            uptimeBps=10_000,
            loadBps=8_000,
            energyWh=1_234_567,
        )
    ]
    assert bench.lease.netRevenueOf(1) == 10 * PRICE
    assert bench.lease.settledTo(1) == (1, 10 * PRICE)


@pytest.mark.parametrize(
    ("uptime", "bps"),
    [
        (10_000, 0),
        (9_990, 0),
        (9_989, 1_000),
        (9_900, 1_000),
        (9_899, 2_500),
        (9_500, 2_500),
        (9_499, 10_000),
        (0, 10_000),
    ],
)
def test_tiers_decide_the_credit(bench, funded, uptime, bps):
    bench.capacity.setPrice(1, 333, sender=bench.operator)
    bench.lease.lease(bench.request(funded, units=1, start=0, end=2), sender=funded)
    event = settled(bench.settle(0, uptime))
    credit = -(-333 * bps // 10_000)
    assert (event.credit_bps, event.credit) == (bps, credit)
    assert bench.lease.netRevenueOf(1) == 333 - credit
    assert bench.lease.creditSumBelow(1, 1) == bps
    assert bench.lease.creditOf(FIRST) == 333 * bps // 10_000


def test_a_report_settles_once_and_in_order(bench, funded):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    first, second = Report(1, 0, 10_000, 0, 0), Report(1, 1, 10_000, 0, 0)
    tree = bench.post(first)
    later = bench.post(second)
    with reverts_with(bench.lease.NotNextEpoch, capacity=1, epoch=1, expected=0):
        bench.lease.settle(second.as_tuple(), later.proof(second), sender=funded)
    bench.lease.settle(first.as_tuple(), tree.proof(first), sender=funded)
    with reverts_with(bench.lease.NotNextEpoch, capacity=1, epoch=0, expected=1):
        bench.lease.settle(first.as_tuple(), tree.proof(first), sender=funded)
    bench.lease.settle(second.as_tuple(), later.proof(second), sender=funded)
    assert bench.lease.netRevenueOf(1) == 2 * 10 * PRICE


def test_no_epoch_settles_before_its_end(bench, funded, lane):
    ends_at = bench.epoch_end(0)
    for call in (
        lambda: bench.lease.settle(Report(1, 0, 10_000, 0, 0).as_tuple(), [], sender=funded),
        lambda: bench.lease.settleMissing(1, sender=funded),
        lambda: bench.lease.passIdle(1, 1, sender=funded),
    ):
        with isolated(lane):
            lane.set_next_time(ends_at - 1)
            with reverts_with(bench.lease.EpochNotEnded, capacity=1, epoch=0, endsAt=ends_at):
                call()


def test_a_forged_report_is_refused(bench, funded):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    honest = Report(1, 0, 9_000, 0, 0)
    tree = bench.post(honest)
    forged = Report(1, 0, 10_000, 0, 0)
    with reverts_with(bench.lease.NotInRoot, ...):
        bench.lease.settle(forged.as_tuple(), tree.proof(honest), sender=funded)


def test_without_a_root_the_epoch_waits_then_settles_at_the_blackout_credit(bench, funded, lane):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    deadline = bench.epoch_end(0) + DAY // 2
    lane.set_next_time(deadline - 1)
    with reverts_with(bench.lease.ReportStillPossible, capacity=1, epoch=0, status=Status.PENDING):
        bench.lease.settleMissing(1, sender=funded)
    lane.mine(at=deadline)
    event = settled(bench.lease.settleMissing(1, sender=funded))
    assert (event.status, event.credit_bps) == (Status.BLACKOUT, 5_000)
    assert bench.lease.netRevenueOf(1) == 5 * PRICE
    assert bench.lease.creditOf(FIRST) == 5 * PRICE


def test_no_proof_no_pay(bench, funded, lane):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    held_back = Report(1, 0, 10_000, 0, 0)
    tree = bench.post(held_back)
    deadline = bench.epoch_end(0) + TELEMETRY_RULES.reveal_span
    lane.set_next_time(deadline - 1)
    with reverts_with(bench.lease.ReportStillPossible, capacity=1, epoch=0, status=Status.REPORTED):
        bench.lease.settleMissing(1, sender=funded)
    lane.mine(at=deadline)
    with reverts_with(bench.lease.RevealClosed, ...):
        bench.lease.settle(held_back.as_tuple(), tree.proof(held_back), sender=funded)
    event = settled(bench.lease.settleMissing(1, sender=funded))
    assert (event.status, event.credit_bps) == (Status.MISSING, 10_000)
    assert bench.lease.netRevenueOf(1) == 0
    assert bench.lease.creditOf(FIRST) == 10 * PRICE


def test_idle_epochs_pass_without_a_report(bench, funded, lane):
    bench.lease.lease(bench.request(funded, start=40, end=41), sender=funded)
    lane.mine(at=bench.origin + 41 * DAY)
    with reverts_with(bench.lease.EpochNotIdle, capacity=1, epoch=40):
        bench.lease.passIdle(1, 41, sender=funded)
    [event] = bench.lease.passIdle(1, 40, sender=funded).events
    assert event == bench.lease.IdleEpochsPassed(capacity=1, **{"from": 0, "to": 40})
    assert bench.lease.settledTo(1) == (40, 0)
    assert bench.lease.passIdle(1, 40, sender=funded).events == []
    assert bench.lease.passIdle(1, 3, sender=funded).events == []
    bench.settle(40)
    assert bench.lease.netRevenueOf(1) == 10 * PRICE
    assert bench.lease.settledTo(1) == (41, 10 * PRICE)
    lane.mine(at=bench.origin + 100 * DAY)
    bench.lease.passIdle(1, 100, sender=funded)
    assert bench.lease.settledTo(1) == (100, 0)


def test_the_lifetime_ends(bench, funded, lane):
    lane.mine(at=bench.origin + 1_001 * DAY)
    with reverts_with(bench.lease.BadRange, start=0, end=1_001, lifetime=1_000):
        bench.lease.passIdle(1, 1_001, sender=funded)
    bench.lease.passIdle(1, 1_000, sender=funded)
    with reverts_with(bench.lease.LifetimeSettled, capacity=1):
        bench.lease.settleMissing(1, sender=funded)
    with reverts_with(bench.lease.LifetimeSettled, capacity=1):
        bench.lease.settle(Report(1, 1_000, 0, 0, 0).as_tuple(), [], sender=funded)


def test_settling_an_unknown_capacity_is_refused(bench, funded):
    for call in (
        lambda: bench.lease.settle(Report(9, 0, 0, 0, 0).as_tuple(), [], sender=funded),
        lambda: bench.lease.settleMissing(9, sender=funded),
        lambda: bench.lease.passIdle(9, 1, sender=funded),
        lambda: bench.lease.release(9, sender=funded),
    ):
        with reverts_with(bench.capacity.UnknownCapacity, capacity=9):
            call()


# ---- paying out


def test_release_moves_what_is_earned_to_the_payee_once(bench, funded, stranger):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    bench.settle(0)
    bench.settle(1, 9_950)
    net = 10 * PRICE + 9 * PRICE
    payee = bench.config.payee
    before = bench.coin.balanceOf(payee)
    receipt = bench.lease.release(1, sender=stranger)
    assert receipt.return_value == net
    assert bench.lease.Released(capacity=1, payee=payee, amount=net) in receipt.events
    assert bench.coin.balanceOf(payee) == before + net
    assert bench.lease.revenueTotals(1) == (net, net)
    again = bench.lease.release(1, sender=stranger)
    assert (again.return_value, again.events) == (0, [])


def test_a_credit_is_paid_once_to_whom_the_holder_names(bench, funded, stranger):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    bench.settle(0)
    bench.settle(1, 9_950)
    with reverts_with(bench.lease.NotTenant, lease=FIRST, caller=stranger):
        bench.lease.claimCredit(FIRST, stranger, sender=stranger)
    for receiver in (NOBODY, bench.lease.address):
        with reverts_with(bench.lease.BadReceiver, receiver=receiver):
            bench.lease.claimCredit(FIRST, receiver, sender=funded)
    assert bench.lease.creditOf(FIRST) == PRICE
    receipt = bench.lease.claimCredit(FIRST, stranger, sender=funded)
    assert receipt.return_value == PRICE
    assert bench.coin.balanceOf(stranger) == PRICE
    assert (
        bench.lease.CreditClaimed(lease=FIRST, receiver=stranger, creditedTo=2, amount=PRICE)
        in receipt.events
    )
    assert bench.lease.leaseOf(FIRST).creditedTo == 2
    assert bench.lease.claimCredit(FIRST, stranger, sender=funded).return_value == 0
    assert bench.lease.accountOf(1) == (1, 50 * PRICE, PRICE)


def test_an_unclaimed_credit_goes_with_the_lease(bench, funded, other_tenant):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    bench.settle(0, 9_950)
    bench.lease.transferFrom(funded, other_tenant, FIRST, sender=funded)
    with reverts_with(bench.lease.NotTenant, lease=FIRST, caller=funded):
        bench.lease.claimCredit(FIRST, funded, sender=funded)
    bench.lease.claimCredit(FIRST, other_tenant, sender=other_tenant)
    assert bench.coin.balanceOf(other_tenant) == PRICE


def test_an_approved_party_may_claim(bench, funded, stranger):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    bench.settle(0, 9_950)
    bench.lease.approve(stranger, FIRST, sender=funded)
    bench.lease.claimCredit(FIRST, funded, sender=stranger)
    assert bench.lease.creditOf(FIRST) == 0


def test_a_credit_stops_at_the_end_of_the_lease(bench, funded):
    bench.lease.lease(bench.request(funded, start=0, end=1), sender=funded)
    bench.lease.lease(bench.request(funded, start=0, end=3), sender=funded)
    bench.settle(0)
    bench.settle(1, 9_000)
    assert bench.lease.creditOf(FIRST) == 0
    assert bench.lease.creditOf(FIRST + 1) == 10 * PRICE


def test_a_forward_earns_no_credit_before_it_starts(bench, funded):
    bench.lease.lease(bench.request(funded, start=0, end=3), sender=funded)
    bench.lease.lease(bench.request(funded, start=2, end=3), sender=funded)
    bench.settle(0, 9_000)
    bench.settle(1, 9_000)
    assert bench.lease.creditOf(FIRST + 1) == 0
    bench.settle(2, 9_000)
    assert bench.lease.creditOf(FIRST + 1) == 10 * PRICE


def test_a_credit_below_a_base_unit_waits(bench, funded):
    """Nothing is burnt by claiming often: what rounds to nothing stays claimable."""
    bench.capacity.setPrice(1, 3, sender=bench.operator)
    bench.lease.lease(bench.request(funded, units=1, start=0, end=5), sender=funded)
    for epoch in range(4):
        bench.settle(epoch, 9_950)  # three tenths of a base unit each
        assert bench.lease.claimCredit(FIRST, funded, sender=funded).return_value == (epoch == 3)


def test_an_unknown_lease_is_refused(bench, funded):
    for call in (
        lambda: bench.lease.leaseOf(FIRST),
        lambda: bench.lease.creditOf(FIRST),
        lambda: bench.lease.claimCredit(FIRST, funded, sender=funded),
        lambda: bench.lease.tokenURI(FIRST),
    ):
        with reverts_with(bench.lease.UnknownLease, lease=FIRST):
            call()


def test_the_constructor_needs_the_deeds_and_their_own_oracle(bench, project, owner):
    engine, capacity, telemetry = project.ComputeLease, bench.capacity, bench.telemetry
    bond, renderer = bench.bond, bench.lease.RENDERER()
    modules = (bench.lease.EDITS(), bench.lease.SETTLEMENT())
    with reverts_with(engine.BadReceiver, receiver=NOBODY):
        engine.deploy(NOBODY, telemetry, bond, *modules, renderer, sender=owner)
    with reverts_with(engine.BadReceiver, receiver=NOBODY):
        engine.deploy(capacity, telemetry, bond, *modules, NOBODY, sender=owner)
    other = project.TelemetryOracle.deploy(owner, sender=owner)
    for foreign in (NOBODY, other):
        with reverts_with(engine.ForeignOracle, telemetry=foreign, known=telemetry):
            engine.deploy(capacity, foreign, bond, *modules, renderer, sender=owner)


def test_the_constructor_takes_only_modules_and_a_bond_of_its_own_deeds(bench, project, owner):
    engine, capacity, telemetry = project.ComputeLease, bench.capacity, bench.telemetry
    edits, settlement = bench.lease.EDITS(), bench.lease.SETTLEMENT()
    renderer = bench.lease.RENDERER()
    parts = (bench.stablecoins, bench.index, telemetry, capacity.RENDERER())
    deeds = project.ComputeCapacity.deploy(*parts, sender=owner)
    foreign_bond = project.ServiceBond.deploy(deeds, sender=owner)
    with reverts_with(engine.ForeignModule, module=foreign_bond):
        engine.deploy(capacity, telemetry, foreign_bond, edits, settlement, renderer, sender=owner)
    foreign = (deeds, telemetry, foreign_bond)
    others = project.ServiceBond.deploy(capacity, sender=owner)
    for known in (foreign, (capacity, telemetry, others)):
        alien = project.LeaseEdits.deploy(*known, sender=owner)
        with reverts_with(engine.ForeignModule, module=alien):
            engine.deploy(
                capacity, telemetry, bench.bond, alien, settlement, renderer, sender=owner
            )
        alien = project.LeaseSettlement.deploy(*known, sender=owner)
        with reverts_with(engine.ForeignModule, module=alien):
            engine.deploy(capacity, telemetry, bench.bond, edits, alien, renderer, sender=owner)


# ---- reports shown before their turn


def test_a_recorded_report_never_expires(bench, funded, lane):
    """Epoch 0 stays without a root, so epoch 1 waits longer than its report could be shown."""
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    report = Report(1, 1, 9_950, 7_000, 42)
    tree = bench.post(report)
    receipt = bench.lease.record(report.as_tuple(), tree.proof(report), sender=funded)
    assert receipt.events == [
        bench.lease.ReportRecorded(
            capacity=1, epoch=1, uptimeBps=9_950, loadBps=7_000, energyWh=42, curtailed=False
        )
    ]
    assert bench.lease.isRecorded(1, 1)
    assert bench.lease.settledTo(1) == (0, 0)
    lane.mine(at=bench.epoch_end(1) + 10 * DAY)
    first = settled(bench.lease.settleMissing(1, sender=funded))
    assert (first.epoch, first.status, first.credit_bps) == (0, Status.BLACKOUT, 5_000)
    second = settled(bench.lease.settleMissing(1, sender=funded))
    assert (second.epoch, second.status, second.credit_bps) == (1, Status.REPORTED, 1_000)
    assert (second.uptime_bps, second.load_bps, second.energy_wh) == (9_950, 7_000, 42)
    assert bench.lease.netRevenueOf(1) == 5 * PRICE + 9 * PRICE


def test_one_report_left_out_costs_its_own_epoch_only(bench, funded, lane):
    """Hourly epochs, a window of a day, the sixth of 24 reports missing: 23 are paid."""
    config = bench.config._replace(epoch_length=3_600)
    bench.register(config, [Term(1, 365, 10_000)])
    engine = lane.contract(bench.lease)
    request = bench.request(funded, capacity=2, start=0, end=24)
    engine.send("lease", request, sender=funded)
    reports = [Report(2, epoch, 10_000, 0, 0) for epoch in range(24) if epoch != 5]
    tree = ReportTree.of(reports)
    day_end = bench.origin + DAY
    lane.mine(at=day_end)
    bench.post_tree(tree, TELEMETRY_RULES.window_of(day_end))
    for report in reports[:5]:
        engine.send("settle", report.as_tuple(), tree.proof(report), sender=funded)
    for report in reports[5:]:
        engine.send("record", report.as_tuple(), tree.proof(report), sender=funded)
    with reverts_with(bench.lease.ReportStillPossible, capacity=2, epoch=5, status=Status.REPORTED):
        engine.send("settleMissing", 2, sender=funded)
    lane.mine(at=TELEMETRY_RULES.reveal_ends(TELEMETRY_RULES.window_of(day_end)))
    for _ in range(19):
        engine.send("settleMissing", 2, sender=funded)
    assert tuple(engine.read("settledTo", 2)) == (24, 10 * PRICE)
    assert engine.read("netRevenueOf", 2) == 23 * 10 * PRICE


def test_a_report_is_recorded_once_in_time_and_for_an_open_epoch(bench, funded, lane):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    early = Report(1, 0, 10_000, 0, 0)
    with isolated(lane):
        lane.set_next_time(bench.epoch_end(0) - 1)
        with reverts_with(
            bench.lease.EpochNotEnded, capacity=1, epoch=0, endsAt=bench.epoch_end(0)
        ):
            bench.lease.record(early.as_tuple(), [], sender=funded)
    beyond = Report(1, 1_000, 10_000, 0, 0)
    with reverts_with(bench.lease.BadRange, start=1_000, end=1_001, lifetime=1_000):
        bench.lease.record(beyond.as_tuple(), [], sender=funded)
    tree = bench.post(early)
    forged = Report(1, 0, 9_999, 0, 0)
    with reverts_with(bench.lease.NotInRoot, ...):
        bench.lease.record(forged.as_tuple(), tree.proof(early), sender=funded)
    bench.lease.record(early.as_tuple(), tree.proof(early), sender=funded)
    with reverts_with(bench.lease.AlreadyRecorded, capacity=1, epoch=0):
        bench.lease.record(early.as_tuple(), tree.proof(early), sender=funded)
    bench.lease.settleMissing(1, sender=funded)
    with reverts_with(bench.lease.NotNextEpoch, capacity=1, epoch=0, expected=1):
        bench.lease.record(early.as_tuple(), tree.proof(early), sender=funded)
    assert bench.lease.netRevenueOf(1) == 10 * PRICE


def test_a_recorded_epoch_can_still_be_settled_by_its_report(bench, funded):
    bench.lease.lease(bench.request(funded, start=0, end=5), sender=funded)
    report = Report(1, 0, 10_000, 0, 0)
    tree = bench.post(report)
    bench.lease.record(report.as_tuple(), tree.proof(report), sender=funded)
    bench.lease.settle(report.as_tuple(), tree.proof(report), sender=funded)
    assert bench.lease.settledTo(1) == (1, 10 * PRICE)
    assert bench.lease.netRevenueOf(1) == 10 * PRICE


def test_where_nothing_ran_nothing_is_paid_whatever_the_tiers(bench, funded):
    config = bench.config._replace(tiers=())
    bench.register(config, [Term(1, 365, 10_000)])
    bench.lease.lease(bench.request(funded, capacity=2, start=0, end=5), sender=funded)
    event = settled(bench.settle(0, uptime_bps=0, capacity=2))
    assert event.credit_bps == 10_000
    event = settled(bench.settle(1, uptime_bps=1, capacity=2))
    assert event.credit_bps == 0
    assert bench.lease.netRevenueOf(2) == 10 * PRICE


def test_a_refusal_tells_the_free_units_across_calendar_words(bench, funded):
    bench.lease.lease(bench.request(funded, units=50, start=20, end=21), sender=funded)
    bench.lease.lease(bench.request(funded, units=30, start=11, end=12), sender=funded)
    both(
        bench,
        bench.request(funded, units=60, start=10, end=40),
        funded,
        lambda: reverts_with(bench.lease.NotEnoughUnits, asked=60, free=50),
        missing=10,
    )


def test_it_is_an_erc721(bench, funded):
    bench.lease.lease(bench.request(funded), sender=funded)
    for interface in ("0x01ffc9a7", "0x80ac58cd", "0x5b5e139f"):
        assert bench.lease.supportsInterface(interface)
    assert (bench.lease.name(), bench.lease.symbol()) == ("Derrick Compute Lease", "DLEASE")
    head, _, body = bench.lease.tokenURI(FIRST).partition(",")
    assert head == "data:application/json;base64"
    assert json.loads(b64decode(body))["name"].startswith("Compute lease ")


# ---- several leases, rounds and borders


def other_capacity(bench, **changes):
    """Another capacity of the bench's operator, under one term of 3 … 7 epochs; returns its id."""
    config = bench.config._replace(**changes)
    return bench.register(config, [Term(3, 7, 10_000)])


def test_the_epoch_that_begins_at_the_origin_is_leased_until_the_second_before(bench, funded, lane):
    request = bench.request(funded, start=0, end=1)
    lane.set_next_time(bench.origin - 1)
    bench.lease.lease(request, sender=funded)
    lane.set_next_time(bench.origin)
    with reverts_with(bench.lease.StartPassed, start=0, earliest=1):
        bench.lease.lease(request, sender=funded)
    assert bench.lease.nextEpochToBegin(1) == 1


def test_the_whole_capacity_up_to_its_last_epoch_is_one_lease(bench, funded):
    request = bench.request(funded, units=100, start=999, end=1_000)
    assert bench.lease.quote(request) == (PRICE, 100 * PRICE, 0)
    bench.lease.lease(request, sender=funded)
    assert bench.lease.unitsLeasedAt(1, 999) == 100
    assert bench.lease.unitsLeasedAt(1, 1_000) == 0


def test_a_term_takes_its_shortest_and_its_longest_length(bench, funded):
    capacity = other_capacity(bench)
    for length in (3, 7):
        request = bench.request(funded, capacity=capacity, start=2, end=2 + length)
        bench.lease.lease(request, sender=funded)
    for length in (2, 8):
        request = bench.request(funded, capacity=capacity, start=2, end=2 + length)
        with reverts_with(bench.lease.LengthOutsideTerm, length=length, min=3, max=7):
            bench.lease.lease(request, sender=funded)


def test_rents_of_leases_that_start_and_end_together_add_up(bench, funded):
    total = 0
    for units, start, end in ((10, 0, 2), (20, 0, 2), (5, 1, 3), (1, 2, 3)):
        request = bench.request(funded, units=units, start=start, end=end)
        receipt = bench.lease.lease(request, sender=funded)
        [signed] = receipt.events.filter(bench.lease.Leased)
        total += signed.paid
    assert total == (20 + 40 + 10 + 1) * PRICE
    assert bench.lease.accountOf(1) == (4, total, 0)
    assert [bench.lease.rentDeltaAt(1, epoch) // PRICE for epoch in range(4)] == [30, 5, -29, -6]
    for epoch, units in enumerate((30, 35, 6, 0)):
        receipt = bench.settle(epoch)
        assert settled(receipt).rent == units * PRICE
        assert bench.lease.settledTo(1) == (epoch + 1, units * PRICE)
    assert bench.lease.netRevenueOf(1) == total


def test_releases_and_claims_of_several_rounds_add_up(bench, funded, stranger):
    bench.lease.lease(bench.request(funded, start=0, end=3), sender=funded)
    for done, uptime in enumerate((9_950, 9_600, 9_950)):
        bench.settle(done, uptime)
        bench.lease.release(1, sender=stranger)
        receipt = bench.lease.claimCredit(FIRST, stranger, sender=funded)
        [event] = receipt.events.filter(bench.lease.CreditClaimed)
        credit = 10 * PRICE * (2_500 if uptime == 9_600 else 1_000) // 10_000
        assert (event.creditedTo, event.amount) == (done + 1, credit)
    credits = (1_000 + 2_500 + 1_000) * PRICE // 1_000
    assert bench.lease.creditSumBelow(1, 3) == 4_500
    assert bench.lease.accountOf(1) == (1, 30 * PRICE, credits)
    assert bench.lease.revenueTotals(1) == (30 * PRICE - credits,) * 2
    assert bench.coin.balanceOf(bench.lease) == 0
    assert bench.coin.balanceOf(stranger) == credits


def test_an_epoch_without_rent_has_no_credit(bench, funded, lane):
    """Nothing is written for it, whichever way it settles."""
    lane.mine(at=bench.epoch_end(0) + DAY // 2)
    assert bench.lease.settleMissing(1, sender=funded).events == [
        bench.lease.EpochSettled(
            capacity=1,
            epoch=0,
            earned=0,
            uptimeBps=0,
            loadBps=0,
            energyWh=0,
        ),
        bench.lease.EpochUnreported(capacity=1, epoch=0, status=Status.BLACKOUT),
    ]
    event = settled(bench.settle(1, uptime_bps=0))
    assert (event.rent, event.credit_bps, event.credit) == (0, 0, 0)
    assert bench.lease.creditSumBelow(1, 2) == 0


def test_a_missing_report_tells_the_whole_credit(bench, funded, lane):
    bench.lease.lease(bench.request(funded, start=0, end=2), sender=funded)
    lane.mine(at=bench.epoch_end(0) + DAY // 2)
    event = settled(bench.lease.settleMissing(1, sender=funded))
    assert (event.rent, event.credit_bps, event.credit) == (10 * PRICE, 5_000, 5 * PRICE)


def test_epochs_are_over_in_the_second_they_end(bench, funded, lane):
    """An idle one passes then; a leased one settles then, if its report is there."""
    with isolated(lane):
        lane.set_next_time(bench.epoch_end(0))
        bench.lease.passIdle(1, 1, sender=funded)
        assert bench.lease.settledTo(1) == (1, 0)
    lane.set_next_time(bench.epoch_end(0))
    with reverts_with(bench.lease.ReportStillPossible, capacity=1, epoch=0, status=Status.PENDING):
        bench.lease.settleMissing(1, sender=funded)


def test_each_capacity_listens_to_its_own_attestors(bench, funded, owner, lane):
    """A second set with the same members and a longer time to post: only its word counts here."""
    members = sorted((a.address for a in bench.attestors[:3]), key=lambda a: int(a, 16))
    rules = replace(TELEMETRY_RULES, posting_period=DAY)
    bench.telemetry.createSet(members, 2, rules.as_tuple(), sender=owner)
    capacity = other_capacity(bench, attestor_set=2)
    bench.lease.lease(bench.request(funded, capacity=capacity, start=0, end=3), sender=funded)
    report = Report(capacity, 0, 10_000, 0, 0)
    tree = bench.post(report)  # signed for set 1
    window = bench.telemetry.windowOf(2, bench.epoch_end(0))
    with reverts_with(bench.lease.NoRoot, setId=2, window=window):
        bench.lease.settle(report.as_tuple(), tree.proof(report), sender=funded)
    lane.set_next_time(bench.epoch_end(0) + DAY - 1)
    with reverts_with(
        bench.lease.ReportStillPossible, capacity=capacity, epoch=0, status=Status.PENDING
    ):
        bench.lease.settleMissing(capacity, sender=funded)
    lane.set_next_time(bench.epoch_end(0) + DAY)
    event = settled(bench.lease.settleMissing(capacity, sender=funded))
    assert event.status == Status.BLACKOUT
