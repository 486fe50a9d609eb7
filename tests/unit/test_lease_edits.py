"""Leases after signing: paid on, lapsed, ended, evicted, split, merged, used and sold."""

import pytest

from derrick.market import DAY, LEASES_PER_CAPACITY, MAX_UINT256, NOBODY, Term
from derrick.testing import reverts_with
from tests.unit.conftest import PRICE, UNITS

FIRST = LEASES_PER_CAPACITY + 1
ROLLING, SPOT, CHEAP_SPOT = 2, 3, 4
NOTICE, DEPOSIT = 2, 3
RATE = 10 * PRICE
"""Rent per epoch of the ten units that most leases here are of."""


@pytest.fixture(scope="module")
def market(bench, tenant, other_tenant, stranger):
    """Two months' money for everybody, and terms that roll or can be taken back."""
    for term in (
        Term(1, 365, 10_000, NOTICE, DEPOSIT),
        Term(1, 365, 10_000, 0, 1, True),
        Term(1, 365, 5_000, 0, 1, True),
    ):
        bench.capacity.addTerm(1, term, sender=bench.operator)
    for account in (tenant, other_tenant, stranger):
        bench.coin.mint(account, 10_000 * RATE, sender=bench.owner)
        bench.coin.approve(bench.lease, MAX_UINT256, sender=account)
    return bench


def sign(market, who, **changes):
    """Ten units for epochs 2 … 21 under the rolling term; returns the lease's id."""
    fields = {"term": ROLLING, "end": 22, **changes}
    return market.lease.lease(market.request(who, **fields), sender=who).return_value


def state(market, lease):
    """start, end, fundedTo and deposit in epochs of a lease."""
    signed = market.lease.leaseOf(lease)
    return signed.start, signed.end, signed.fundedTo, signed.depositEpochs


# ---- paying on


def test_signing_takes_notice_and_deposit_only(market, tenant):
    request = market.request(tenant, term=ROLLING, end=22)
    quoted = market.lease.quote(request)
    assert quoted == (PRICE, (NOTICE + DEPOSIT) * RATE, 0)
    before = market.coin.balanceOf(tenant)
    lease = sign(market, tenant)
    assert before - market.coin.balanceOf(tenant) == quoted.paid
    assert state(market, lease) == (2, 22, 4, 3)
    assert market.lease.depositOf(lease) == DEPOSIT * RATE
    assert market.lease.rentDeltaAt(1, 2) == RATE == -market.lease.rentDeltaAt(1, 4)


@pytest.mark.parametrize("length", [4, 5])
def test_a_term_no_longer_than_notice_and_deposit_is_all_paid(market, tenant, length):
    lease = sign(market, tenant, end=2 + length)
    assert state(market, lease) == (2, 2 + length, 2 + length, DEPOSIT)
    assert market.lease.depositOf(lease) == 0
    with reverts_with(market.lease.BadTopUp, lease=lease, epochs=1, max=0):
        market.lease.topUp(lease, 1, sender=tenant)


def test_anyone_tops_up_until_the_deposit_pays_the_rest(market, tenant, stranger):
    lease = sign(market, tenant)
    receipt = market.lease.topUp(lease, 5, sender=stranger)
    [event] = receipt.events.filter(market.lease.ToppedUp)
    assert (event.lease, event.payer, event.fundedTo, event.paid) == (
        *(lease, stranger.address, 9, 5 * RATE),
    )
    for epochs in (0, 11):
        with reverts_with(market.lease.BadTopUp, lease=lease, epochs=epochs, max=10):
            market.lease.topUp(lease, epochs, sender=tenant)
    assert market.lease.topUp(lease, 10, sender=tenant).return_value == 10 * RATE
    assert state(market, lease) == (2, 22, 22, 3)
    assert market.lease.depositOf(lease) == 0
    assert market.lease.accountOf(1).paidIn == 20 * RATE


def test_a_lease_not_paid_on_lapses(market, tenant, stranger):
    lease = sign(market, tenant)
    market.go_to_epoch(3)
    with reverts_with(market.lease.NotLapsed, lease=lease, fundedTo=4):
        market.lease.lapse(lease, sender=stranger)
    market.go_to_epoch(4)
    for call in (
        lambda: market.lease.topUp(lease, 1, sender=tenant),
        lambda: market.lease.terminate(lease, sender=tenant),
        lambda: market.lease.exitForCause(lease, sender=tenant),
        lambda: market.lease.splitUnits(lease, 1, sender=tenant),
        lambda: market.lease.splitAt(lease, 3, sender=tenant),
        lambda: market.lease.terminationOf(lease),
    ):
        with reverts_with(market.lease.LeaseLapsed, lease=lease, fundedTo=4):
            call()
    assert not market.lease.isActive(lease, tenant)
    bounty = DEPOSIT * RATE // 100
    assert market.lease.lapse(lease, sender=stranger).return_value == bounty
    assert state(market, lease) == (2, 4, 4, 0)
    assert market.lease.refundOf(market.coin, stranger) == bounty
    assert market.lease.netRevenueOf(1) == DEPOSIT * RATE - bounty
    # Epoch 4 has begun; the units are free from the next one on.
    assert [market.lease.unitsLeasedAt(1, e) for e in (3, 4, 5, 21)] == [10, 10, 0, 0]
    with reverts_with(market.lease.NotLapsed, lease=lease, fundedTo=4):
        market.lease.lapse(lease, sender=stranger)


# ---- ending


def test_notice_refunds_what_is_paid_beyond_it(market, tenant, stranger):
    lease = sign(market, tenant)
    market.lease.topUp(lease, 10, sender=tenant)
    market.go_to_epoch(5)
    # Rent is due for epochs up to 7; paid are those up to 13, and three of deposit.
    expected = (6 + NOTICE, 0, 14 - 8, DEPOSIT)
    assert tuple(market.lease.terminationOf(lease)) == expected
    with reverts_with(market.lease.NotTenant, lease=lease, caller=stranger):
        market.lease.terminate(lease, sender=stranger)
    receipt = market.lease.terminate(lease, sender=tenant)
    [event] = receipt.events.filter(market.lease.LeaseEnded)
    assert (event.end, event.collected, event.refunded, event.forfeited) == (
        *(8, 0, 6 * RATE, DEPOSIT * RATE),
    )
    assert state(market, lease) == (2, 8, 8, 0)
    assert market.lease.unitsLeasedAt(1, 8) == 0
    before = market.coin.balanceOf(stranger)
    assert (
        market.lease.withdrawRefund(market.coin, stranger, sender=tenant).return_value == 6 * RATE
    )
    assert market.coin.balanceOf(stranger) - before == 6 * RATE
    assert market.lease.withdrawRefund(market.coin, stranger, sender=tenant).return_value == 0
    with reverts_with(market.lease.LeaseOver, lease=lease, end=8):
        market.lease.terminate(lease, sender=tenant)


def test_notice_collects_what_is_due_and_not_paid(market, tenant):
    lease = sign(market, tenant)
    market.go_to_epoch(3)
    before = market.coin.balanceOf(tenant)
    assert tuple(market.lease.terminate(lease, sender=tenant).return_value) == (6, 2, 0, DEPOSIT)
    assert before - market.coin.balanceOf(tenant) == 2 * RATE
    assert state(market, lease) == (2, 6, 6, 0)


def test_notice_before_the_start_owes_the_notice(market, tenant):
    lease = sign(market, tenant)
    assert tuple(market.lease.terminate(lease, sender=tenant).return_value) == (4, 0, 0, DEPOSIT)


def test_a_lease_without_notice_is_cancelled_and_burned(market, tenant):
    lease = sign(market, tenant, term=SPOT)
    assert tuple(market.lease.terminate(lease, sender=tenant).return_value) == (2, 0, 1, 1)
    with reverts_with(market.lease.UnknownLease, lease=lease):
        market.lease.leaseOf(lease)
    assert market.lease.balanceOf(tenant) == 0
    assert market.lease.refundOf(market.coin, tenant) == RATE
    assert market.lease.netRevenueOf(1) == RATE


def test_a_lease_that_never_runs_can_be_left(market, tenant):
    lease = sign(market, tenant, start=0, end=100, term=0)
    for epoch in range(4):
        market.settle(epoch, uptime_bps=0)
    with reverts_with(market.lease.NoCause, lease=lease, creditBps=40_000):
        market.lease.exitForCause(lease, sender=tenant)
    market.settle(4, uptime_bps=0)
    # Epoch 5 runs; all beyond it comes back, though the term is prepaid.
    assert tuple(market.lease.exitForCause(lease, sender=tenant).return_value) == (6, 0, 94, 0)
    assert market.lease.refundOf(market.coin, tenant) == 94 * RATE
    assert market.lease.creditOf(lease) == 5 * RATE


def test_the_deed_owner_takes_spot_back_and_nothing_else(market, tenant, stranger):
    spot, firm = sign(market, tenant, term=SPOT), sign(market, tenant)
    with reverts_with(market.lease.NotDeedOwner, capacity=1, caller=stranger):
        market.lease.preempt(spot, sender=stranger)
    with reverts_with(market.lease.NotPreemptible, lease=firm):
        market.lease.preempt(firm, sender=market.operator)
    market.go_to_epoch(2)
    assert tuple(market.lease.preempt(spot, sender=market.operator).return_value) == (3, 0, 1, 0)
    assert market.lease.refundOf(market.coin, tenant) == RATE
    with reverts_with(market.lease.LeaseOver, lease=spot, end=3):
        market.lease.preempt(spot, sender=market.operator)


# ---- eviction


def test_a_dearer_lease_takes_only_the_missing_units(market, tenant, other_tenant):
    victim = sign(market, tenant, term=CHEAP_SPOT, units=90)
    request = market.request(other_tenant, units=30, start=4, end=10)
    assert market.lease.quote(request).missing == 20
    receipt = market.lease.leaseEvicting(request, [victim], sender=other_tenant)
    part, lease = victim + 1, receipt.return_value
    assert lease == victim + 2
    assert market.lease.hasEvicted(lease)
    assert market.lease.leaseOf(victim).units == 70
    # Its rent was paid up to epoch 3, so it ends there; the deposit comes back.
    assert (market.lease.leaseOf(part).units, state(market, part)) == (20, (2, 3, 3, 0))
    assert market.lease.refundOf(market.coin, tenant) == 20 * PRICE // 2
    assert [market.lease.unitsLeasedAt(1, e) for e in (2, 3, 4, 10)] == [90, 70, 100, 70]


def test_an_evictor_owes_one_epoch_at_least(market, tenant, other_tenant):
    victim = sign(market, tenant, term=CHEAP_SPOT, units=UNITS)
    request = market.request(other_tenant, term=SPOT, units=1, start=2, end=22)
    lease = market.lease.leaseEvicting(request, [victim], sender=other_tenant).return_value
    moved = market.lease.terminate(lease, sender=other_tenant).return_value
    assert tuple(moved) == (3, 0, 0, 1)


def test_nobody_is_evicted_without_need_or_for_less(market, tenant, other_tenant):
    victim = sign(market, tenant, term=CHEAP_SPOT, units=90)
    evict = market.lease.leaseEvicting
    request = market.request(other_tenant, units=10, start=4, end=10)
    lease = evict(request, [victim], sender=other_tenant).return_value
    assert not market.lease.hasEvicted(lease)
    assert market.lease.leaseOf(victim).units == 90

    firm = sign(market, tenant, start=30, end=40)
    with reverts_with(market.lease.NotPreemptible, lease=firm):
        evict(request, [firm], sender=other_tenant)
    with reverts_with(market.lease.OtherCapacity, lease=FIRST + LEASES_PER_CAPACITY, capacity=1):
        evict(request, [_elsewhere(market, tenant)], sender=other_tenant)
    market.capacity.setPrice(1, PRICE, sender=market.operator)
    cheap = request._replace(term=CHEAP_SPOT)
    bid = PRICE // 2
    with reverts_with(
        market.lease.BidTooLow, victim=victim, rent=bid, min=-(-bid * 10_500 // 10_000)
    ):
        evict(cheap, [victim], sender=other_tenant)
    with reverts_with(market.lease.NotEnoughUnits, asked=10, free=0):
        evict(request, [], sender=other_tenant)


def _elsewhere(market, tenant):
    capacity = market.register(market.config, [Term(1, 365, 10_000)])
    return sign(market, tenant, capacity=capacity, term=0)


# ---- splitting and merging


def test_units_split_and_merge_back(market, tenant, stranger):
    lease = sign(market, tenant)
    whole = market.lease.leaseOf(lease)
    for units in (0, 10):
        with reverts_with(market.lease.BadUnits, units=units, max=9):
            market.lease.splitUnits(lease, units, sender=tenant)
    with reverts_with(market.lease.NotTenant, lease=lease, caller=stranger):
        market.lease.splitUnits(lease, 4, sender=stranger)
    part = market.lease.splitUnits(lease, 4, sender=tenant).return_value
    assert [market.lease.leaseOf(i).units for i in (lease, part)] == [6, 4]
    assert market.lease.depositOf(lease) + market.lease.depositOf(part) == DEPOSIT * RATE
    assert market.lease.ownerOf(part) == tenant
    market.lease.topUp(part, 1, sender=tenant)
    with reverts_with(market.lease.NotMergeable, lease=lease, part=part):
        market.lease.merge(lease, part, sender=tenant)
    market.lease.topUp(lease, 1, sender=tenant)
    market.lease.merge(lease, part, sender=tenant)
    merged = market.lease.leaseOf(lease)
    assert (merged.units, merged.fundedTo) == (whole.units, whole.fundedTo + 1)
    with reverts_with(market.lease.UnknownLease, lease=part):
        market.lease.leaseOf(part)


def test_time_splits_where_it_is_paid_and_merges_back(market, tenant):
    lease = sign(market, tenant)
    market.lease.topUp(lease, 6, sender=tenant)
    whole = market.lease.leaseOf(lease)
    for epoch in (2, 11):
        with reverts_with(market.lease.BadSplit, lease=lease, epoch=epoch, min=3, max=10):
            market.lease.splitAt(lease, epoch, sender=tenant)
    part = market.lease.splitAt(lease, 4, sender=tenant).return_value
    assert state(market, lease) == (2, 4, 4, 2)
    assert state(market, part) == (4, 22, 10, DEPOSIT)
    with reverts_with(market.lease.NotMergeable, lease=part, part=lease):
        market.lease.merge(part, lease, sender=tenant)
    with reverts_with(market.lease.NotMergeable, lease=part, part=part):
        market.lease.merge(part, part, sender=tenant)
    market.lease.merge(lease, part, sender=tenant)
    assert market.lease.leaseOf(lease) == whole


def test_cutting_a_prepaid_lease_small_saves_no_deposit(market, tenant):
    lease = sign(market, tenant, term=0)
    part = market.lease.splitAt(lease, 3, sender=tenant).return_value
    market.lease.merge(lease, part, sender=tenant)
    assert tuple(market.lease.terminate(lease, sender=tenant).return_value) == (2, 0, 0, 20)


def test_a_split_puts_the_credit_so_far_aside(market, tenant):
    lease = sign(market, tenant, start=0, end=20, term=0)
    market.settle(0, uptime_bps=0)
    part = market.lease.splitUnits(lease, 5, sender=tenant).return_value
    assert market.lease.refundOf(market.coin, tenant) == RATE
    assert market.lease.creditOf(lease) == market.lease.creditOf(part) == 0
    market.settle(1, uptime_bps=0)
    assert market.lease.creditOf(lease) == market.lease.creditOf(part) == RATE // 2


# ---- using


def test_the_use_survives_a_sale_and_only_its_user_gives_it_up(market, tenant, other_tenant, lane):
    lease = sign(market, tenant, start=0)
    market.go_to_epoch(0)
    assert market.lease.isActive(lease, tenant)
    expires = lane.time + 10 * DAY
    with reverts_with(market.lease.BadReceiver, receiver=NOBODY):
        market.lease.setUser(lease, NOBODY, expires, sender=tenant)
    with reverts_with(market.lease.BadExpiry, expires=1):
        market.lease.setUser(lease, other_tenant, 1, sender=tenant)
    user = market.operator
    market.lease.setUser(lease, user, expires, sender=tenant)
    market.lease.transferFrom(tenant, other_tenant, lease, sender=tenant)
    assert (market.lease.userOf(lease), market.lease.userExpires(lease)) == (user, expires)
    assert market.lease.isActive(lease, user)
    assert not market.lease.isActive(lease, other_tenant)
    with reverts_with(market.lease.UserHolds, lease=lease, user=user, expires=expires):
        market.lease.setUser(lease, other_tenant, expires, sender=other_tenant)
    with reverts_with(market.lease.UserHolds, lease=lease, user=user, expires=expires):
        market.lease.terminate(lease, sender=other_tenant)
    with reverts_with(market.lease.NotUser, lease=lease, caller=other_tenant):
        market.lease.renounceUser(lease, sender=other_tenant)
    market.lease.renounceUser(lease, sender=user)
    assert market.lease.userOf(lease) == NOBODY
    market.lease.terminate(lease, sender=other_tenant)


def test_a_buyer_gets_the_lease_that_he_expects_or_none(market, tenant, other_tenant):
    lease = sign(market, tenant)
    expected = market.lease.stateOf(lease)
    market.lease.topUp(lease, 1, sender=tenant)
    now = market.lease.stateOf(lease)
    with reverts_with(market.lease.StateChanged, lease=lease, state=now, expected=expected):
        market.lease.transferFrom(tenant, other_tenant, lease, expected, sender=tenant)
    market.lease.transferFrom(tenant, other_tenant, lease, now, sender=tenant)
    assert market.lease.ownerOf(lease) == other_tenant


def test_a_lease_is_not_sent_to_the_engine(market, tenant):
    lease = sign(market, tenant)
    with reverts_with(market.lease.BadReceiver, receiver=market.lease):
        market.lease.transferFrom(tenant, market.lease, lease, sender=tenant)


def test_the_module_answers_nobody_but_the_engine(market, project, tenant):
    lease = sign(market, tenant)
    edits = project.LeaseEdits.at(market.lease.EDITS())
    for call in (
        lambda: edits.terminate(lease, sender=tenant),
        lambda: edits.splitUnits(lease, 1, sender=tenant),
        lambda: edits.evict(market.request(tenant), 1, 1, [], sender=tenant),
    ):
        with reverts_with("UnauthorizedCallContext()"):
            call()


# ---- attested units


def test_only_attested_units_are_leased(market, tenant, stranger):
    sign(market, tenant, units=60)
    market.attest_units(1, 50)
    assert market.capacity.attestedUnits(1) == 50
    with reverts_with(market.lease.BadUnits, units=51, max=50):
        sign(market, tenant, units=51)
    with reverts_with(market.lease.NotEnoughUnits, asked=1, free=0):
        sign(market, tenant, units=1)
    sign(market, tenant, units=50, start=22, end=30)
    with reverts_with(market.capacity.WrongNonce, capacity=1, nonce=0, expected=2):
        market.capacity.attestUnits(1, 1, 0, MAX_UINT256, [], sender=stranger)
    with reverts_with(market.capacity.StatementExpired, capacity=1, deadline=1):
        market.capacity.attestUnits(1, 1, 2, 1, [], sender=stranger)
    with reverts_with(market.telemetry.QuorumNotReached, given=0, needed=2):
        market.capacity.attestUnits(1, 1, 2, MAX_UINT256, [], sender=stranger)
    with reverts_with(
        market.capacity.OutOfRange, field=b"units".ljust(32, b"\0"), value=101, min=0, max=100
    ):
        market.capacity.attestUnits(1, 101, 2, MAX_UINT256, [], sender=stranger)
