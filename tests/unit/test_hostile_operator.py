"""What a hostile operator would try against tenants, stakers and his own bond, and what he gets.

Each test says what he hopes for. Some of it he gets: that is said too, and stands in
docs/known-issues.md.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from derrick.market import DAY, HOUR, MAX_UINT256, Term
from derrick.telemetry import Status
from derrick.testing import isolated, reverts_with
from tests.settled import settled
from tests.unit.conftest import (
    BOND,
    CURTAILMENTS,
    PENALTY,
    PRICE,
    SPOT,
    UNITS,
)

RATE = 10 * PRICE
SHARE = 10 * PENALTY
MAX_PRICE = 2**82
EXIT_DELAY = 7 * DAY
STAKE = 500 * PENALTY


@pytest.fixture
def rich(service, operator):
    """The operator as a tenant of his own: any money, an open allowance."""
    service.coin.send("mint", operator, 2**200, sender=service.bench.owner)
    service.coin.send("approve", service.engine, MAX_UINT256, sender=operator)
    return operator


@pytest.fixture
def lease(service, tenant):
    """The victim's: ten units for epochs 0 … 9."""
    return service.sign(tenant)


def stake(service, who, amount=STAKE):
    """Let somebody insure the capacity, which nobody has leased yet."""
    service.coin.send("mint", who, amount, sender=service.bench.owner)
    service.coin.send("approve", service.bond, amount, sender=who)
    service.bond.send("stake", service.id, amount, sender=who)
    service.bond.send("join", service.id, who, sender=who)
    assert service.bond.read("poolOf", service.id).assets == amount


def sign_own(service, operator, price, units, **changes):
    """Let him lease his own units at a price of his, and put the old one back."""
    old = service.deeds.read("priceOf", service.id)
    service.deeds.send("setPrice", service.id, price, sender=operator)
    lease = service.sign(operator, units=units, max_rent=5 * MAX_PRICE, **changes)
    service.deeds.send("setPrice", service.id, old, sender=operator)
    return lease


def can_withdraw(service, operator):
    """What he could take out of the bond now."""
    part = service.bond.read("operatorPartOf", service.id)
    service.bond.read("withdraw", service.id, part, operator, sender=operator)
    return part


def wait_for_exit(service, operator):
    service.bond.send("requestExit", service.id, sender=operator)
    service.go_to(service.lane.time + EXIT_DELAY)


# ---- leasing to himself


@pytest.mark.parametrize("price", [1, PRICE, MAX_PRICE], ids=["minimum", "fair", "absurd"])
def test_leasing_to_himself_at_any_rent_wins_nothing_of_his_own_bond(
    service, lease, tenant, rich, price
):
    """He hopes that the penalty grows with the rent. He gets his own fixed amount back, and the
    victim hers; his rent comes back as the credit that he owes himself."""
    before = service.balance(rich)
    own = sign_own(service, rich, price, 90)
    service.settle(0, 0)
    assert service.claim(own, 0, rich) == 90 * PENALTY
    service.engine.send("claimCredit", own, rich, sender=rich)
    in_escrow = 90 * price * 9
    assert before - service.balance(rich) == in_escrow - 90 * PENALTY
    assert service.claim(lease, 0, tenant) == SHARE
    assert service.bond.read("operatorPartOf", service.id) == BOND - 100 * PENALTY
    service.engine.send("claimCredit", lease, tenant, sender=tenant)


def test_leasing_to_himself_drains_no_other_capacity(service, lease, tenant, rich, lender):
    """He hopes that one purse backs all. Another capacity's bond, stakers and escrow are apart."""
    stake_before = service.bond.read("heldOf", service.id)
    his = service.another()
    his.deposit(PENALTY)
    own = sign_own(his, rich, MAX_PRICE, UNITS)
    reports = [service.report(0), his.report(0, 0)]
    his.settle_many(his.post(*reports), *reports)
    assert his.claim(own, 0, rich) == PENALTY // UNITS * UNITS
    his.engine.send("claimCredit", own, rich, sender=rich)
    assert service.bond.read("heldOf", service.id) == stake_before
    assert service.balance(service.bond) == stake_before + his.bond.read("heldOf", his.id)
    assert service.engine.read("netRevenueOf", service.id) == RATE
    assert service.engine.read("accountOf", service.id).paidIn == 10 * RATE


@pytest.mark.parametrize("price", [1, MAX_PRICE], ids=["minimum", "absurd"])
def test_leasing_to_himself_takes_from_stakers_what_the_fixed_penalty_says(
    service, tenant, rich, lender, price
):
    """He hopes for their whole stake at once. Per epoch he gets the fixed penalty of the units that
    he holds, after his own part is gone, whatever he pays himself. Insurance of somebody who can
    cause the loss is trust in him: stakers see the penalty, and risk their stake, no more."""
    naked = service.another()
    stake(naked, lender)
    own = sign_own(naked, rich, price, UNITS, end=3)
    naked.settle(0, 0)
    assert naked.claim(own, 0, rich) == UNITS * PENALTY
    assert naked.bond.read("poolOf", naked.id).assets == STAKE - UNITS * PENALTY
    # His own part goes first, and while he fails he signs no more.
    naked.deposit(UNITS * PENALTY)
    naked.settle(1, 0)
    assert naked.bond.read("poolOf", naked.id).assets == STAKE - UNITS * PENALTY
    with reverts_with(service.bench.lease.InPenalty, capacity=naked.id):
        naked.sign(rich, start=5, end=9)


def test_leasing_to_himself_thins_out_a_bond_that_is_short(service, tenant, rich):
    """He hopes to keep a bond that is too small out of the victim's hands. He does: what is there
    is shared by leased unit. With a bond for all units, which anyone can read, he cannot."""
    short = service.another()
    short.deposit(SHARE)  # enough for the victim alone
    lease = short.sign(tenant)
    own = short.sign(rich, units=90)
    short.settle(0, 0)
    assert short.claim(lease, 0, tenant) == SHARE // 10
    assert short.claim(own, 0, rich) == SHARE * 9 // 10
    short.deposit(UNITS * PENALTY)
    short.settle(1, 0)
    assert short.claim(lease, 1, tenant) == SHARE


def test_units_he_never_pays_for_hold_stakers_money_and_win_none(service, tenant, rich, lender):
    """He hopes that a lease left to lapse claims on. It claims for its paid epochs only. What was
    set aside for its booked units goes back to those who paid it; anyone frees the units before."""
    naked = service.another()
    stake(naked, lender)
    own = naked.sign(rich, units=90, term=SPOT)  # one epoch is paid
    naked.settle(0)
    naked.go_to(naked.ends_at(1) - 1)
    naked.settle(1, 0)
    assert naked.penalty(1) == (PENALTY, 90, 2)
    assert naked.claimable(own, 1) == 0
    naked.engine.send("lapse", own, sender=lender)
    assert naked.settle(2, 0).event("PenaltyReserved").units == 90  # it had begun
    assert naked.settle(3, 0).named("PenaltyReserved") == []
    naked.go_to(naked.ends_at(2) + 365 * DAY)
    for epoch in (1, 2):
        naked.engine.send("freePenalty", naked.id, epoch, sender=lender)
        naked.bond.send("recover", naked.id, epoch, lender, sender=lender)
    assert naked.bond.read("claimableOf", naked.id, lender) == 180 * PENALTY


# ---- telling nothing


def test_holding_his_report_back_costs_more_than_showing_it(service, lease, tenant, stranger):
    """He hopes that no penalty comes. Rent is gone at once; any stranger brings the penalty."""
    report = service.report(0, 0)
    tree = service.post(report)
    with isolated(service.lane):
        service.show("settle", report, tree)  # anyone can
        assert service.claim(lease, 0, tenant) == SHARE
    service.go_to(service.reveal_ends(0))
    service.miss()
    assert service.engine.read("netRevenueOf", service.id) == 0
    proof = tree.proof(report)
    service.engine.send("addPenalty", report.as_tuple(), proof, sender=stranger)
    assert service.claim(lease, 0, tenant) == SHARE


def test_holding_a_report_back_until_nobody_can_bring_it_earns_nothing(service, lease, tenant):
    """He hopes that everybody sleeps for all that time. Then there is no penalty, and no rent."""
    report = service.report(0, 8_999)
    tree = service.withhold(report)
    service.go_to(service.late_ends(0))
    with reverts_with(
        service.bench.lease.PenaltyTooLate,
        capacity=service.id,
        epoch=0,
        deadline=service.late_ends(0),
    ):
        service.show("addPenalty", report, tree)
    assert service.engine.read("netRevenueOf", service.id) == 0
    assert service.engine.read("creditOf", lease) == RATE


def test_his_bond_does_not_leave_while_a_hidden_penalty_can_come(
    service, tenant, operator, stranger
):
    """He hopes to hide the last epoch's report and to be gone before it is found."""
    service.bond.send("requestExit", service.id, sender=operator)
    service.sign(tenant, start=2, end=3)
    service.skip(2)
    report = service.report(2, 0)
    tree = service.withhold(report)
    deadline = service.late_ends(2)
    service.go_to(deadline - 3)
    assert service.bond.read("exitRequestOf", service.id).exitableAt < service.lane.time
    with reverts_with(
        service.bench.bond.PenaltyPossible, capacity=service.id, epoch=2, deadline=deadline
    ):
        service.bond.send("withdraw", service.id, BOND, operator, sender=operator)
    with isolated(service.lane):
        proof = tree.proof(report)
        service.engine.send(
            "addPenalty", report.as_tuple(), proof, sender=stranger, at=deadline - 1
        )
        service.go_to(deadline)
        assert can_withdraw(service, operator) == BOND - SHARE
    service.go_to(deadline)
    assert can_withdraw(service, operator) == BOND


# ---- stopping


def test_stopping_the_machine_earns_nothing_and_costs_every_epoch(service, lease, tenant, operator):
    """He hopes that rent paid ahead is his. Each epoch gives it back, and takes from the bond."""
    before = service.balance(tenant)
    for epoch in range(10):
        service.settle(epoch, 0)
        service.claim(lease, epoch, tenant)
    service.engine.send("claimCredit", lease, tenant, sender=tenant)
    assert service.balance(tenant) - before == 10 * (RATE + SHARE)
    assert service.engine.read("release", service.id) == 0
    assert service.bond.read("operatorPartOf", service.id) == BOND - 10 * SHARE


def test_curtailing_every_epoch_is_downtime_past_what_was_declared(service, lease, tenant):
    """He hopes to sell his power to the grid all month and to call it demand response."""
    credits = [settled(service.settle(epoch, 0, curtailed=True)).credit_bps for epoch in range(10)]
    assert credits == [500] * CURTAILMENTS + [10_000] * (10 - CURTAILMENTS)
    paid = sum(service.claim(lease, epoch, tenant) for epoch in range(CURTAILMENTS, 10))
    assert paid == (10 - CURTAILMENTS) * SHARE


def test_hiding_curtailed_reports_saves_no_penalty_past_the_allowance(service, tenant, stranger):
    """He hopes that one excuse that he never uses excuses all that he hides."""
    hourly = service.another(epoch_length=HOUR)
    hourly.deposit(BOND)
    lease = hourly.sign(tenant, end=24)
    reports = [hourly.report(epoch, 0, curtailed=True) for epoch in range(24)]
    tree = hourly.post(*reports)
    hourly.go_to(hourly.reveal_ends(0))
    for _ in reports:
        hourly.miss()
    for report in reports:
        proof = tree.proof(report)
        hourly.engine.send("addPenalty", report.as_tuple(), proof, sender=stranger)
    paid = sum(hourly.claim(lease, epoch, tenant) for epoch in range(CURTAILMENTS, 24))
    assert paid == (24 - CURTAILMENTS) * SHARE


# ---- taking the bond out


def test_the_bond_waits_for_notice_for_settlement_and_for_penalties(
    service, tenant, operator, stranger
):
    """He hopes to find a moment at which it is free. There is none while a lease is open."""
    bond = service.bench.bond

    def withdraw(at=None):
        service.bond.send("withdraw", service.id, BOND, operator, sender=operator, at=at)

    with reverts_with(bond.NotDeedOwner, capacity=service.id, caller=stranger):
        service.bond.send("withdraw", service.id, BOND, stranger, sender=stranger)
    with reverts_with(bond.NoExitRequest, capacity=service.id, caller=operator):
        withdraw()
    service.bond.send("requestExit", service.id, sender=operator)
    exitable_at = service.bond.read("exitRequestOf", service.id).exitableAt
    with reverts_with(bond.ExitNotReady, capacity=service.id, exitableAt=exitable_at):
        withdraw(at=exitable_at - 1)
    lease = service.sign(tenant, start=9, end=11)
    service.skip(9)
    with reverts_with(bond.NotSettled, capacity=service.id, settledTo=9, needed=11):
        withdraw()
    service.settle(9, 0)
    with reverts_with(bond.NotSettled, capacity=service.id, settledTo=10, needed=11):
        withdraw()
    service.settle(10)
    deadline = service.late_ends(10)
    with reverts_with(bond.PenaltyPossible, capacity=service.id, epoch=10, deadline=deadline):
        withdraw(at=deadline - 1)
    service.go_to(deadline)
    with reverts_with(bond.NotEnough, asked=BOND, available=BOND - SHARE):
        withdraw()
    service.bond.send("withdraw", service.id, BOND - SHARE, operator, sender=operator)
    assert service.claim(lease, 9, tenant) == SHARE


def test_the_bond_does_not_leave_in_the_block_before_a_penalty(service, tenant, operator):
    """He hopes to run ahead of the transaction that settles his fault: his notice is long given,
    and the lease is over. The epoch is not settled, not idle, and not to be trimmed away."""
    service.bond.send("requestExit", service.id, sender=operator)
    lease = service.sign(tenant, start=9, end=10)
    service.skip(9)
    report = service.report(9, 0)
    tree = service.post(report)
    contract, number = service.bench.lease, service.id
    with reverts_with(service.bench.bond.NotSettled, capacity=number, settledTo=9, needed=10):
        service.bond.send("withdraw", number, 1, operator, sender=operator)
    with reverts_with(contract.EpochNotIdle, capacity=number, epoch=9):
        service.engine.send("passIdle", number, 10, sender=operator)
    with reverts_with(contract.NotTrimmable, capacity=number, to=9, leasedTo=10, used=9):
        service.engine.send("trim", number, 9, sender=operator)
    with reverts_with(
        contract.ReportStillPossible, capacity=number, epoch=9, status=Status.REPORTED
    ):
        service.engine.send("settleMissing", number, sender=operator)
    service.show("settle", report, tree)
    assert service.claim(lease, 9, tenant) == SHARE


def test_what_is_set_aside_cannot_be_taken_out_or_freed_before_it_is_claimed(
    service, lease, tenant, operator
):
    """He hopes to call his own penalty back. It is not part of the bond any more."""
    service.settle(0, 0)
    with reverts_with(
        service.bench.lease.StillClaimable,
        capacity=service.id,
        epoch=0,
        claimableUntil=service.ends_at(0) + 365 * DAY,
    ):
        service.engine.send("freePenalty", service.id, 0, sender=operator)
    for call in (
        ("free", service.id, 0),
        ("pay", service.id, 0, operator, SHARE),
        ("reserve", service.id, 1, SHARE),
    ):
        with reverts_with(service.bench.bond.NotEngine, caller=operator):
            service.bond.send(*call, sender=operator)
    assert service.claim(lease, 0, tenant) == SHARE


def test_a_deed_handed_on_while_leaving_takes_no_bond_along(
    service, tenant, operator, other_operator
):
    """He hopes that the buyer, himself under another name, need not wait."""
    wait_for_exit(service, operator)
    service.deeds.send("transferFrom", operator, other_operator, service.id, sender=operator)
    bond = service.bench.bond
    with reverts_with(bond.NotDeedOwner, capacity=service.id, caller=operator):
        service.bond.send("withdraw", service.id, BOND, operator, sender=operator)
    with reverts_with(bond.NoExitRequest, capacity=service.id, caller=other_operator):
        service.bond.send("withdraw", service.id, BOND, other_operator, sender=other_operator)
    service.bond.send("requestExit", service.id, sender=other_operator)
    exitable_at = service.lane.time + EXIT_DELAY
    with reverts_with(bond.ExitNotReady, capacity=service.id, exitableAt=exitable_at):
        service.bond.send("withdraw", service.id, BOND, other_operator, sender=other_operator)
    assert service.lane.time < exitable_at
    # Nor does his own request help him while somebody leases.
    service.deeds.send("transferFrom", other_operator, operator, service.id, sender=other_operator)
    start = service.engine.read("nextEpochToBegin", service.id)
    service.sign(tenant, start=start, end=start + 1)
    service.bond.send("requestExit", service.id, sender=operator)
    service.go_to(service.lane.time + EXIT_DELAY)
    with reverts_with(bond.NotSettled, capacity=service.id, settledTo=0, needed=start + 1):
        service.bond.send("withdraw", service.id, BOND, operator, sender=operator)


def test_registering_the_same_machine_again_leaves_the_old_bond_bound(
    service, lease, tenant, operator
):
    """He hopes that a fresh deed without a bond lets him run from the old one's tenants."""
    fresh = service.another()
    fresh.sign(tenant, start=5, end=9)
    service.settle(0, 0)
    assert service.claim(lease, 0, tenant) == SHARE
    wait_for_exit(service, operator)
    with reverts_with(service.bench.bond.NotSettled, capacity=service.id, settledTo=1, needed=10):
        service.bond.send("withdraw", service.id, 1, operator, sender=operator)
    assert fresh.bond.read("bondOf", fresh.id) == 0  # whoever leases there can see it


def test_trimming_lets_him_out_only_of_what_is_not_leased(service, tenant, operator):
    """He hopes to make his horizon short. A cancelled lease he may trim, a leased epoch never."""
    short = service.sign(tenant, end=2)
    long = service.sign(tenant, term=SPOT, start=2, end=300)
    service.engine.send("preempt", long, sender=operator)
    with reverts_with(
        service.bench.lease.NotTrimmable, capacity=service.id, to=1, leasedTo=300, used=1
    ):
        service.engine.send("trim", service.id, 1, sender=operator)
    service.engine.send("trim", service.id, 2, sender=operator)
    service.bond.send("requestExit", service.id, sender=operator)
    for epoch in range(2):
        service.settle(epoch, 0)
    service.go_to(service.late_ends(1) + EXIT_DELAY)
    assert can_withdraw(service, operator) == BOND - 2 * SHARE
    assert service.claim(short, 1, tenant) == SHARE


# ---- running the deed against its tenants


def test_closing_pricing_and_retiring_touch_nobody_who_has_signed(service, lease, tenant, operator):
    """He hopes to shut the door on claims. Only new leases go through it."""
    service.deeds.send("setOpen", service.id, False, sender=operator)
    service.deeds.send("setPrice", service.id, MAX_PRICE, sender=operator)
    for term in range(3):
        service.deeds.send("retireTerm", service.id, term, sender=operator)
    with reverts_with(service.bench.capacity.NotGuardian, caller=operator):
        service.deeds.send("pause", service.id, sender=operator)
    with reverts_with(service.bench.lease.NotPreemptible, lease=lease):
        service.engine.send("preempt", lease, sender=operator)
    service.settle(0, 0)
    assert service.claim(lease, 0, tenant) == SHARE
    assert service.engine.send("claimCredit", lease, tenant, sender=tenant).events
    service.settle(1)
    assert service.engine.read("netRevenueOf", service.id) == RATE


def test_taking_a_spot_lease_back_ahead_of_a_fault_saves_no_epoch_that_has_begun(
    service, tenant, operator
):
    """He hopes to be rid of the tenant before the fault is settled. It is settled as it was."""
    spot = service.sign(tenant, term=SPOT)
    service.engine.send("topUp", spot, 8, sender=tenant)
    service.go_to(service.ends_at(0) - HOUR)
    service.engine.send("preempt", spot, sender=operator)
    assert service.settle(0, 0).event("PenaltyReserved").units == 10
    assert service.claim(spot, 0, tenant) == SHARE


@pytest.mark.parametrize("kind", ["engine", "bond", "coin", "oracle", "deeds"])
def test_a_payee_that_is_one_of_the_markets_own_contracts_harms_himself(
    service, tenant, operator, kind
):
    """He hopes that rent paid into the market's books is counted twice. It is lost to him: what
    comes by plain transfer is nobody's, and every other claim stays whole."""
    bench = service.bench
    payee = {
        "engine": bench.lease,
        "bond": bench.bond,
        "coin": bench.coin,
        "oracle": bench.telemetry,
        "deeds": bench.capacity,
    }[kind]
    if kind == "deeds":
        with reverts_with(bench.capacity.BadAddress, field=b"payee".ljust(32, b"\0"), value=payee):
            service.another(payee=payee.address)
        return
    his = service.another(payee=payee.address)
    his.deposit(BOND)
    lease = his.sign(tenant)
    his.settle(0)
    his.settle(1, 0)
    held = his.bond.read("heldOf", his.id)
    his.engine.send("release", his.id, sender=operator)
    assert his.bond.read("heldOf", his.id) == held
    with reverts_with(bench.bond.NotSplitter, capacity=his.id, payee=payee):
        his.bond.send("collect", his.id, 0, sender=operator)
    assert his.claim(lease, 1, tenant) == SHARE
    assert his.engine.send("claimCredit", lease, tenant, sender=tenant).events


@pytest.fixture
def hostile(service, project, owner, tenant):
    """A capacity whose payee is a splitter in name only; the payee and the tenant's lease."""
    number = service.deeds.read("nextCapacity")
    payee = project.HostileSplitter.deploy(service.coin.address, number, sender=owner)
    his = service.another(payee=payee.address)
    his.deposit(BOND)
    return his, service.lane.contract(payee), his.sign(tenant)


@pytest.mark.parametrize("mood", range(5))
def test_a_payee_in_any_mood_stops_no_settlement_and_no_claim(hostile, tenant, stranger, mood):
    """He hopes that a payee that reverts, burns gas or re-enters holds up his faults."""
    his, payee, lease = hostile
    payee.send("setMood", mood, sender=stranger)
    his.settle(0)
    his.settle(1, 0)
    his.engine.send("release", his.id, sender=stranger)
    assert his.balance(payee) == RATE
    assert his.claim(lease, 1, tenant) == SHARE
    his.engine.send("claimCredit", lease, tenant, sender=tenant)
    his.withhold(his.report(2, 0))
    his.miss()


def test_a_payee_that_reenters_while_the_bond_is_locked_settles_no_fault(hostile, tenant, stranger):
    """He hopes to settle, or to claim, in the middle of the bond's count. What is healthy settles,
    since that asks nothing of the bond; what draws on it is refused, and is there afterwards."""
    his, payee, lease = hostile
    healthy, failed = his.report(0), his.report(1, 0)
    tree = his.post(healthy)
    arguments = (healthy.as_tuple(), tree.proof(healthy))
    data = his.engine.call("settle", *arguments).message["data"]
    payee.send("setReentry", his.engine.address, data, sender=stranger)
    his.bond.send("collect", his.id, 0, sender=stranger)
    assert payee.read("entered")
    assert his.next_epoch == 1
    tree = his.post(failed)
    arguments = (failed.as_tuple(), tree.proof(failed))
    data = his.engine.call("settle", *arguments).message["data"]
    payee.send("setReentry", his.engine.address, data, sender=stranger)
    his.bond.send("collect", his.id, 0, sender=stranger)
    assert not payee.read("entered")
    assert payee.read("answer") == bytes.fromhex("ab143c06")  # Reentrancy()
    assert his.next_epoch == 1
    his.show("settle", failed, tree)
    his.engine.send("transferFrom", tenant, payee, lease, sender=tenant)
    data = his.engine.call("claimPenalty", lease, 1, stranger.address).message["data"]
    payee.send("setReentry", his.engine.address, data, sender=stranger)
    his.bond.send("collect", his.id, 0, sender=stranger)
    assert not payee.read("entered")
    assert his.claimable(lease, 1) == SHARE
    payee.send("act", his.engine.address, data, sender=stranger)
    assert his.balance(stranger) == SHARE


# ---- noise


def test_a_crowd_of_tiny_leases_makes_settlement_no_dearer(service, lease, rich):
    """He hopes to make his epochs too dear to settle. It costs the same, healthy or not."""
    uptimes = (0, 10_000, 10_000, 0, 10_000)
    before = [service.settle(epoch, uptime).gas_used for epoch, uptime in enumerate(uptimes)]
    for index in range(60):
        service.sign(rich, units=1, start=7 + index % 3, end=14)
    service.settle(5, 0)
    after = [service.settle(epoch, up).gas_used for epoch, up in enumerate(uptimes[1:], 6)]
    for alone, crowded in zip(before[1:], after, strict=True):
        assert abs(alone - crowded) < 500


def test_settling_ahead_of_settle_many_stops_nobody(service, lease, tenant, rich):
    """He hopes that one report of his, settled or kept first, makes the whole fleet's call fail."""
    hourly = service.another(epoch_length=HOUR)
    hourly.deposit(BOND)
    other = hourly.sign(tenant, end=24)
    reports = [hourly.report(epoch, 0 if epoch == 7 else 10_000) for epoch in range(24)]
    reports.append(service.report(0, 0))
    tree = hourly.post(*reports, window=hourly.window_of(0))
    proof = tree.proof(reports[0])
    hourly.engine.send("settle", reports[0].as_tuple(), proof, sender=rich)
    hourly.engine.send("record", reports[7].as_tuple(), tree.proof(reports[7]), sender=rich)
    service.show("settle", reports[-1], tree)
    receipt = hourly.settle_many(tree, *reports)
    assert len(receipt.named("EpochSettled")) == 23
    assert (hourly.next_epoch, service.next_epoch) == (24, 1)
    assert hourly.claim(other, 7, tenant) == SHARE
    assert service.claim(lease, 0, tenant) == SHARE


def test_a_report_of_his_own_making_among_others_settles_none(service, lease, tenant, rich):
    """He hopes that one good leaf covers a better one of his."""
    reports = [service.report(0, 0), service.another().report(0)]
    tree = service.post(*reports)
    better = replace(reports[0], uptime_bps=10_000)
    proved = tree.multiproof(reports)
    forged = [better.as_tuple() if r == reports[0] else r.as_tuple() for r in proved.reports]
    with reverts_with(service.bench.lease.NotAllInRoot, setId=1, window=service.window_of(0)):
        service.engine.send(
            "settleMany", tree.root, forged, proved.proof, proved.flags, sender=rich
        )


def test_small_pieces_of_a_lease_claim_no_more_than_the_whole(service, rich):
    """He hopes that rounding, or a split between two claims, pays a base unit more."""
    odd = service.another()
    odd.deposit(UNITS * 7 + 55)  # 7 base units a unit, 55 are left over
    whole = odd.sign(rich, units=UNITS)
    odd.settle(0, 0)
    parts = [whole]
    for _ in range(4):
        receipt = odd.engine.send("splitUnits", whole, 13, sender=rich)
        parts.append(receipt.event("LeaseSplit").part)
        odd.claim(parts[-1], 0, rich)
    total = sum(odd.claim(part, 0, rich) for part in parts[:1]) + 4 * 13 * 7
    assert total == UNITS * 7
    assert tuple(odd.bond.read("reserveOf", odd.id, 0))[:2] == (55, 0)


def test_terms_without_a_deposit_dodge_no_penalty(service, tenant, operator):
    """He hopes that a term that asks for nothing promises nothing."""
    term = service.deeds.read("termCount", service.id)
    free = Term(1, 365, 1, 0, 0)
    service.deeds.send("addTerm", service.id, tuple(free), sender=operator)
    lease = service.sign(tenant, term=term)
    service.settle(0, 0)
    assert service.claim(lease, 0, tenant) == SHARE
