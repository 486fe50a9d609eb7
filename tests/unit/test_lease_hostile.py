"""Hostile tenants, evictors, users and feeds against the lease market; its four kinds of terms."""

import pytest

from derrick.chain import NodeError
from derrick.fiat import UNLIMITED, FiatToken
from derrick.market import DAY, MAX_UINT256, NOBODY, Term
from derrick.testing import reverts_with
from tests.unit.conftest import PRICE, UNITS

FREE, CHEAP_SPOT = 2, 3
"""A term that asks for nothing, and half the price for what can be taken back."""

RATE = 10 * PRICE
"""Rent per epoch of the ten units that most leases here are of."""

LEFT = (UNITS - 10) * PRICE // 2
"""Rent per epoch of what an eviction leaves of a spot lease of all units."""

MAX_RENT = 5 * 2**82
MAX_INDEX = 2**96 - 1
MAX_EXPIRY = 2**64 - 1
H200 = b"H200".ljust(32, b"\0")

KINDS = {
    "on-demand": Term(1, 30, 10_000, notice_epochs=0, deposit_epochs=1),
    "reserved": Term(10, 365, 8_000, notice_epochs=4, deposit_epochs=5),
    "prepaid": Term(1, 365, 7_000, notice_epochs=0, deposit_epochs=365),
    "spot": Term(1, 365, 5_000, notice_epochs=0, deposit_epochs=0, preemptible=True),
}
"""What clouds sell, as settings of the one struct."""


@pytest.fixture(scope="module")
def market(bench, tenant, other_tenant):
    for term in (Term(1, 365, 10_000, 0, 0), Term(1, 365, 5_000, 0, 0, preemptible=True)):
        bench.capacity.addTerm(1, term, sender=bench.operator)
    for account in (tenant, other_tenant):
        bench.coin.mint(account, 100_000 * RATE, sender=bench.owner)
        bench.coin.approve(bench.lease, MAX_UINT256, sender=account)
    return bench


def sign(market, who, **changes):
    """Ten units for epochs 2 … 11, where nothing is asked for; returns the lease's id."""
    request = market.request(who, **{"term": FREE, **changes})
    return market.lease.lease(request, sender=who).return_value


def evict(market, who, victims, **changes):
    request = market.request(who, **{"term": FREE, **changes})
    return market.lease.leaseEvicting(request, victims, sender=who).return_value


# ---- an evictor who does not want to pay


@pytest.fixture
def eviction(market, tenant, other_tenant):
    """A lease that runs, all paid, and one right after it that took its units from a spot lease."""
    victim = sign(market, tenant, term=CHEAP_SPOT, units=UNITS, start=6, end=22)
    running = sign(market, other_tenant, start=2, end=6)
    market.lease.topUp(running, 3, sender=other_tenant)
    market.go_to_epoch(3)
    evictor = evict(market, other_tenant, [victim], start=6, end=16)
    return running, evictor


def test_a_merger_does_not_pay_what_an_evictor_owes(market, other_tenant, eviction):
    running, evictor = eviction
    # As one lease both could be left after epoch 3, for nothing.
    with reverts_with(market.lease.NotMergeable, lease=running, part=evictor):
        market.lease.merge(running, evictor, sender=other_tenant)
    assert market.lease.hasEvicted(evictor)
    assert market.lease.terminationOf(evictor).end == 7


def test_what_an_evictor_paid_he_does_not_owe_again(market, other_tenant, eviction):
    running, evictor = eviction
    market.go_to_epoch(6)
    market.lease.merge(running, evictor, sender=other_tenant)
    merged = market.lease.leaseOf(running)
    assert (merged.start, merged.end, merged.fundedTo) == (2, 16, 7)
    assert not market.lease.hasEvicted(running)
    assert market.lease.rentDeltaAt(1, 7) == -(RATE + LEFT)


@pytest.mark.parametrize("later_first", [False, True])
def test_splitting_does_not_pay_what_an_evictor_owes(market, other_tenant, eviction, later_first):
    _, evictor = eviction
    later = market.lease.splitAt(evictor, 7, sender=other_tenant).return_value
    half = market.lease.splitUnits(evictor, 4, sender=other_tenant).return_value
    assert [market.lease.hasEvicted(i) for i in (evictor, half, later)] == [True, True, False]
    if later_first:
        market.lease.terminate(later, sender=other_tenant)
    for part in (evictor, half):
        with reverts_with(market.lease.LeaseOver, lease=part, end=7):
            market.lease.terminate(part, sender=other_tenant)
    assert market.lease.rentDeltaAt(1, 7) == -(RATE + LEFT)


# ---- a holder who wants his user out


@pytest.fixture
def lent(market, tenant, stranger):
    """A spot lease of all units over epochs 2 … 21, all paid, that a stranger may use."""
    lease = sign(market, tenant, term=CHEAP_SPOT, units=UNITS, end=22)
    market.lease.topUp(lease, 19, sender=tenant)
    market.lease.setUser(lease, stranger, market.origin + 20 * DAY, sender=tenant)
    market.go_to_epoch(2)
    return lease


def test_a_holder_who_evicts_himself_later_keeps_his_user_until_then(
    market, tenant, stranger, lent
):
    evict(market, tenant, [lent], units=UNITS, start=15, end=16)
    assert market.lease.leaseOf(lent).end == 15
    last = market.origin + 15 * DAY - 1
    held = (stranger, last)
    assert (market.lease.userOf(lent), market.lease.userExpires(lent)) == held
    with reverts_with(market.lease.UserHolds, lease=lent, user=stranger, expires=last):
        market.lease.setUser(lent, tenant, MAX_EXPIRY, sender=tenant)
    market.lane.mine(at=last)
    assert market.lease.isActive(lent, stranger)
    assert not market.lease.isActive(lent, tenant)
    market.go_to_epoch(15)
    assert market.lease.userOf(lent) == NOBODY
    assert not market.lease.isActive(lent, stranger)


def test_units_taken_take_their_user_along_and_no_others(market, other_tenant, stranger, lent):
    evict(market, other_tenant, [lent], units=30, start=5, end=6)
    part = lent + 1
    assert market.lease.leaseOf(part).units == 30
    expires = [market.lease.userExpires(i) - market.origin for i in (lent, part)]
    assert expires == [20 * DAY, 5 * DAY - 1]
    assert all(market.lease.isActive(i, stranger) for i in (lent, part))


def test_a_user_stays_for_the_epoch_that_runs_when_spot_is_taken_back(
    market, tenant, stranger, lent
):
    market.lease.preempt(lent, sender=market.operator)
    assert market.lease.isActive(lent, stranger)
    assert not market.lease.isActive(lent, tenant)
    assert market.lease.userExpires(lent) == market.origin + 3 * DAY - 1


def test_a_use_that_ends_before_the_lease_stays_as_it_is(market, tenant, stranger):
    lease = sign(market, tenant, term=CHEAP_SPOT)
    expires = market.origin + 2 * DAY + 5
    market.lease.setUser(lease, stranger, expires, sender=tenant)
    market.go_to_epoch(2)
    receipt = market.lease.preempt(lease, sender=market.operator)
    assert receipt.events.filter(market.lease.UpdateUser) == []
    assert market.lease.userExpires(lease) == expires


def test_a_lapse_and_a_lease_that_never_began_have_no_user(market, tenant, stranger):
    lapsed = sign(market, tenant)
    unbegun = sign(market, tenant, term=CHEAP_SPOT, start=8, end=10)
    for lease in (lapsed, unbegun):
        market.lease.setUser(lease, stranger, market.origin + 30 * DAY, sender=tenant)
    market.lease.preempt(unbegun, sender=market.operator)
    market.go_to_epoch(3)
    market.lease.lapse(lapsed, sender=stranger)
    for lease in (lapsed, unbegun):
        assert (market.lease.userOf(lease), market.lease.userExpires(lease)) == (NOBODY, 0)


# ---- an index that says anything


@pytest.fixture
def floored(market, project, owner):
    """A capacity whose floor is all of the index, and the feed of that."""
    feed = owner.deploy(project.HostileFeed)
    feed.setRound(1, market.lane.time, sender=owner)
    market.index.setFeed(H200, feed, 90 * DAY, sender=owner)
    config = market.config._replace(hardware_class=H200, price_floor_bps=10_000)
    return market.register(config, [Term(1, 365, 10_000)]), feed


def test_no_index_lifts_a_rent_beyond_what_a_lease_can_hold(market, owner, tenant, floored):
    capacity, feed = floored
    request = market.request(tenant, capacity=capacity, max_rent=MAX_UINT256)
    # 8 accelerators, 24 hours, 6 decimals for 8: 1.92 base units for each of the index.
    highest = MAX_RENT * 100 // 192
    feed.setRound(highest, market.lane.time, sender=owner)
    assert market.lease.quote(request).rent == -(-highest * 192 // 100) <= MAX_RENT
    for index in (highest + 1, MAX_INDEX):
        feed.setRound(index, market.lane.time, sender=owner)
        rent = -(-index * 192 // 100)
        wrong = {"field": b"rent".ljust(32, b"\0"), "value": rent, "min": 1, "max": MAX_RENT}
        with reverts_with(market.capacity.OutOfRange, **wrong):
            market.lease.quote(request)


# ---- permits of the real coin


@pytest.fixture(scope="module")
def usdc(market, tenant, other_tenant):
    """Circle's coin, of which nobody has approved anything, and a capacity that settles in it."""
    usdc = FiatToken.deploy(market.owner)
    market.stablecoins.setStablecoin(usdc.token, True, sender=market.owner)
    for account in (tenant, other_tenant):
        usdc.mint(account, 100 * RATE)
    return usdc


@pytest.fixture
def asked(market, usdc, tenant):
    config = market.config._replace(stablecoin=usdc.token.address)
    config = config._replace(origin=(market.lane.time // DAY + 1) * DAY)
    capacity = market.register(config, [Term(1, 365, 10_000, 2, 3)])
    return market.request(tenant, capacity=capacity)


def permit(market, usdc, holder, value):
    """The struct, for the holder's next nonce."""
    return (value, UNLIMITED, *usdc.sign_permit(holder, market.lease, value))


def test_a_lease_is_paid_by_permit(market, usdc, tenant, asked):
    paid = market.lease.quote(asked).paid
    assert paid == 5 * RATE
    signed = permit(market, usdc, tenant, paid)
    lease = market.lease.leaseWithPermit(asked, signed, sender=tenant).return_value
    assert market.lease.ownerOf(lease) == tenant
    assert usdc.token.balanceOf(market.lease) == paid
    assert usdc.token.allowance(tenant, market.lease) == 0
    # Once used it is worth nothing.
    with reverts_with("TransferFromFailed()"):
        market.lease.leaseWithPermit(asked, signed, sender=tenant)


def test_a_permit_that_somebody_brought_before_does_no_harm(market, usdc, tenant, stranger, asked):
    signed = permit(market, usdc, tenant, 5 * RATE)
    value, deadline, v, r, s = signed
    usdc.token.permit(tenant, market.lease, value, deadline, v, r, s, sender=stranger)
    market.lease.leaseWithPermit(asked, signed, sender=tenant)
    assert usdc.token.balanceOf(market.lease) == 5 * RATE


def test_nobody_leases_by_anothers_permit(market, usdc, tenant, other_tenant, asked):
    signed = permit(market, usdc, tenant, 5 * RATE)
    with reverts_with("TransferFromFailed()"):
        market.lease.leaseWithPermit(asked, signed, sender=other_tenant)
    assert usdc.token.allowance(tenant, market.lease) == 0


def test_a_permit_goes_before_anything_in_one_call(market, usdc, tenant, other_tenant, asked):
    signed = permit(market, usdc, tenant, 5 * RATE)
    lease = market.lease.leaseWithPermit(asked, signed, sender=tenant).return_value
    value, *rest = permit(market, usdc, other_tenant, 2 * RATE)
    calls = [
        market.lease.permitStablecoin.encode_input(asked.capacity, (value, *rest)),
        market.lease.topUp.encode_input(lease, 2),
    ]
    market.lease.multicall(calls, sender=other_tenant)
    assert market.lease.leaseOf(lease).fundedTo == 6
    assert usdc.token.balanceOf(market.lease) == 7 * RATE


# ---- the engine's own doors


def test_the_engine_has_every_function_of_its_modules_but_the_inner_one(market, project, tenant):
    engine = market.lease.contract_type
    assert (engine.fallback, engine.receive) == (None, None)
    doors = {method.selector for method in engine.mutable_methods}
    for module in (project.LeaseEdits, project.LeaseSettlement):
        inner = {m.selector for m in module.contract_type.mutable_methods} - doors
        evict_ = "evict((uint256,address,uint256,uint256,uint256,uint256,uint256),"
        evict_ += "uint256,uint256,uint256[])"
        assert inner == ({evict_} if module.contract_type.name == "LeaseEdits" else set())
    edits = project.LeaseEdits.at(market.lease.EDITS())
    data = edits.evict.encode_input(market.request(tenant), MAX_UINT256, 0, [1])
    call = {"from": tenant.address, "to": market.lease.address, "data": f"0x{bytes(data).hex()}"}
    with pytest.raises(NodeError):
        market.lane.node.request("eth_call", call, "latest")


# ---- four kinds of terms


@pytest.mark.parametrize(
    ("kind", "paid", "moved"),
    [
        # Epochs of twenty paid at signing; and what notice in the first of them moves: the lease's
        # end, and epochs due, refunded and forfeited.
        ("on-demand", 2, (3, 0, 0, 1)),
        ("reserved", 9, (7, 1, 0, 5)),
        ("prepaid", 20, (3, 0, 0, 19)),
        ("spot", 1, (3, 0, 0, 0)),
    ],
)
def test_the_kinds_of_leases_are_settings_of_one_struct(market, tenant, kind, paid, moved):
    term = KINDS[kind]
    index = market.capacity.addTerm(1, term, sender=market.operator).return_value
    request = market.request(tenant, term=index, end=22)
    rent = PRICE * term.price_bps // 10_000
    assert market.lease.quote(request) == (rent, paid * 10 * rent, 0)
    lease = market.lease.lease(request, sender=tenant).return_value
    market.go_to_epoch(2)
    assert tuple(market.lease.terminationOf(lease)) == moved
    if term.preemptible:
        receipt = market.lease.preempt(lease, sender=market.operator)
        assert tuple(receipt.return_value) == moved
    else:
        with reverts_with(market.lease.NotPreemptible, lease=lease):
            market.lease.preempt(lease, sender=market.operator)
