"""The reference model against figures worked out by hand.

One capacity of 10 units, daily epochs from time 100 000, price 1 000 base units. Two tiers: below
99 % uptime a tenth of the rent goes back, below 90 % all of it. Windows are a day long, roots can
be posted for 6 hours, leaves shown for 6 hours more.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from derrick.model import (
    ENGINE,
    NOBODY,
    AttestorSet,
    Capacity,
    Lease,
    Market,
    Refused,
    Splitter,
    Token,
)
from derrick.structs import Leg, Term, Tier
from derrick.telemetry import Report, Status
from derrick.units import BPS, DAY, HOUR

ORIGIN = 100_000
PRICE = 1_000
ALICE, BOB, OPERATOR, PROTOCOL, STRANGER = "alice", "bob", "operator", "protocol", "stranger"
SPLITTER = "splitter of 1"
FUNDS = 10**9


@pytest.fixture
def market() -> Market:
    market = Market(now=ORIGIN)
    market.sets[1] = AttestorSet(DAY, 6 * HOUR, 6 * HOUR)
    token = Token()
    for tenant in (ALICE, BOB):
        token.mint(tenant, FUNDS)
    capacity = Capacity(
        id=1,
        operator=OPERATOR,
        payee=SPLITTER,
        token=token,
        units=10,
        origin=ORIGIN,
        epoch_length=DAY,
        lifetime=100,
        attestors=1,
        tiers=(Tier(9_900, 1_000), Tier(9_000, 10_000)),
        blackout_credit_bps=2_500,
        price=PRICE,
        terms=[Term(1, 30, BPS), Term(10, 30, 8_005)],
    )
    market.capacities[1] = capacity
    market.splitters[1] = Splitter(SPLITTER, capacity, [Leg(PROTOCOL, 333)], {OPERATOR: 3_000})
    return market


def sign(
    market: Market,
    tenant: str = ALICE,
    *,
    units: int = 4,
    start: int = 1,
    end: int = 3,
    term: int = 0,
    max_rent: int = PRICE,
    capacity: int = 1,
) -> Lease:
    return market.lease(
        tenant,
        capacity_id=capacity,
        term_index=term,
        units=units,
        start=start,
        end=end,
        max_rent=max_rent,
        tenant=tenant,
    )


def end_of(market: Market, epoch: int) -> int:
    return market.capacities[1].ends_at(epoch)


def report(market: Market, *uptimes: int, capacity: int = 1) -> None:
    """Posts and settles the next epochs, a day each, with these uptimes."""
    for uptime in uptimes:
        epoch = market.capacities[capacity].next_epoch
        window = market.window_of(market.capacities[capacity], epoch)
        market.now = (window + 1) * DAY
        shown = Report(capacity, epoch, uptime, load_bps=0, energy_wh=0)
        market.post_root(1, window, [shown])
        market.settle(shown)


def leaf(epoch: int, uptime: int) -> Report:
    return Report(1, epoch, uptime, load_bps=0, energy_wh=0)


def refused(call: Callable[[], object], error: str, **inputs: object) -> None:
    with pytest.raises(Refused) as caught:
        call()
    assert (caught.value.error, caught.value.inputs) == (error, inputs)


def test_a_lease_is_paid_in_full_when_signed(market: Market) -> None:
    lease = sign(market)
    capacity = market.capacities[1]
    assert (lease.id, lease.rent, lease.paid) == (1_000_000_001, 1_000, 8_000)
    assert capacity.token.balance(ALICE) == FUNDS - 8_000
    assert capacity.token.balance(ENGINE) == capacity.escrow == capacity.paid_in == 8_000
    assert [capacity.units_leased(e) for e in range(4)] == [0, 4, 4, 0]
    assert [capacity.rent_at(e) for e in range(4)] == [0, 4_000, 4_000, 0]
    assert [capacity.rent_delta(e) for e in range(4)] == [0, 4_000, 0, -4_000]


def test_a_terms_share_of_the_price_is_rounded_up(market: Market) -> None:
    assert sign(market, term=1, end=11).rent == 801  # 800.5


def test_the_price_floor_is_rounded_up(market: Market) -> None:
    capacity = market.capacities[1]
    capacity.price_floor_bps, capacity.index_price = 1, 3_333  # 0.00003333 USD, 8 GPUs, 24 hours
    # 3 333e-8 * 8 * 24 * 1e-4 * 1e6 base units = 0.639936
    assert capacity.price_floor() == 1
    capacity.price_floor_bps, capacity.index_price = 5_000, 1_050  # 1 008 base units
    refused(lambda: sign(market), "BelowPriceFloor", capacity=1, rent=1_000, floor=1_008)
    capacity.index_price = None
    refused(lambda: sign(market), "IndexInvalid", hardwareClass="")


def test_only_what_is_free_in_every_epoch_can_be_leased(market: Market) -> None:
    sign(market, units=4, start=1, end=3)
    sign(market, BOB, units=5, start=2, end=6)
    refused(lambda: sign(market, units=2, start=1, end=4), "NotEnoughUnits", asked=2, free=1)
    sign(market, units=1, start=1, end=4)
    refused(lambda: sign(market, units=1, start=2, end=3), "NotEnoughUnits", asked=1, free=0)
    sign(market, units=5, start=6, end=7)
    assert [market.capacities[1].units_leased(e) for e in range(8)] == [0, 5, 10, 6, 5, 5, 5, 0]


def test_what_cannot_be_signed(market: Market) -> None:
    capacity = market.capacities[1]
    refused(lambda: sign(market, capacity=2), "UnknownCapacity", capacity=2)
    refused(lambda: sign(market, term=2), "TermNotActive", capacity=1, term=2)
    refused(lambda: sign(market, units=0), "BadUnits", units=0, max=10)
    refused(lambda: sign(market, units=11), "BadUnits", units=11, max=10)
    refused(lambda: sign(market, start=0), "StartPassed", start=0, earliest=1)
    refused(lambda: sign(market, end=1), "BadRange", start=1, end=1, lifetime=100)
    refused(lambda: sign(market, start=99, end=101), "BadRange", start=99, end=101, lifetime=100)
    refused(lambda: sign(market, end=32), "LengthOutsideTerm", length=31, min=1, max=30)
    refused(lambda: sign(market, max_rent=999), "RentAboveMax", rent=1_000, maxRent=999)
    refused(lambda: sign(market, NOBODY), "BadReceiver", receiver=NOBODY)
    refused(lambda: sign(market, STRANGER), "TransferFromFailed")
    capacity.retired.add(0)
    refused(lambda: sign(market), "TermNotActive", capacity=1, term=0)
    capacity.retired.clear()
    capacity.is_open = False
    refused(lambda: sign(market), "CapacityClosed", capacity=1)
    assert not capacity.leases
    assert capacity.token.balance(ENGINE) == 0


def test_uptime_decides_what_is_earned_and_what_goes_back(market: Market) -> None:
    lease = sign(market, units=3, start=0 + 1, end=5)
    capacity = market.capacities[1]
    report(market, 0, 10_000, 9_899, 8_999, 9_900)
    assert capacity.credits == [10_000, 0, 1_000, 10_000, 0]
    # Epoch 0 has no rent; then 3 000, 3 000 - 300, 0, 3 000.
    assert capacity.earned == 8_700
    assert capacity.credit_of(lease) == 3_300
    assert capacity.escrow == 0
    assert capacity.token.balance(ENGINE) == 12_000 == capacity.owed + capacity.credit_of(lease)


def test_credit_is_rounded_up_for_all_and_down_for_each(market: Market) -> None:
    capacity = market.capacities[1]
    capacity.price, capacity.tiers = 7, (Tier(9_900, 1_111),)
    first = sign(market, units=1, start=1, end=2)
    second = sign(market, BOB, units=2, start=1, end=2)
    report(market, 0, 1)
    # 21 * 0.1111 = 2.3331 goes back, 3 are set aside; 0.7777 and 1.5554 are paid as 0 and 1.
    assert capacity.credit_at(1) == 3
    assert capacity.earned == 18
    assert (capacity.credit_of(first), capacity.credit_of(second)) == (0, 1)
    assert market.claim_credit(ALICE, first.id, ALICE) == 0
    assert first.credited_to == 1  # nothing was paid, so nothing is lost
    assert market.claim_credit(BOB, second.id, BOB) == 1
    assert second.credited_to == 2
    assert capacity.credit_dust == Fraction(5_554, 10_000)
    assert market.release(1) == 18
    assert capacity.token.balance(ENGINE) == 2


def test_credit_is_claimed_once_and_goes_with_the_lease(market: Market) -> None:
    lease = sign(market, units=1, start=1, end=4)
    report(market, 0, 0)
    assert market.claim_credit(ALICE, lease.id, ALICE) == 1_000
    assert market.claim_credit(ALICE, lease.id, ALICE) == 0
    report(market, 0)
    refused(lambda: market.transfer_lease(BOB, ALICE, BOB, lease.id), "NotOwnerNorApproved")
    market.transfer_lease(ALICE, ALICE, BOB, lease.id)
    refused(
        lambda: market.transfer_lease(ALICE, ALICE, BOB, lease.id), "TransferFromIncorrectOwner"
    )
    refused(lambda: market.transfer_lease(BOB, BOB, NOBODY, lease.id), "TransferToZeroAddress")
    refused(
        lambda: market.claim_credit(ALICE, lease.id, ALICE),
        "NotTenant",
        lease=lease.id,
        caller=ALICE,
    )
    report(market, 9_500, 0)
    assert market.claim_credit(BOB, lease.id, STRANGER) == 1_100  # epoch 4 is not his
    assert market.capacities[1].token.balance(STRANGER) == 1_100
    refused(lambda: market.lease_of(1_000_000_002), "UnknownLease", lease=1_000_000_002)
    refused(lambda: market.lease_of(7), "UnknownLease", lease=7)


def test_epochs_settle_in_order_once_and_not_before_their_end(market: Market) -> None:
    sign(market)
    market.now = end_of(market, 0) - 1
    refused(
        lambda: market.settle(leaf(0, BPS)),
        "EpochNotEnded",
        capacity=1,
        epoch=0,
        endsAt=end_of(market, 0),
    )
    report(market, 10_000)
    market.now += DAY
    for epoch in (0, 2):
        refused(
            lambda epoch=epoch: market.settle(leaf(epoch, BPS)),
            "NotNextEpoch",
            capacity=1,
            epoch=epoch,
            expected=1,
        )


def test_how_an_epoch_stands_with_its_attestors(market: Market) -> None:
    sign(market, units=1, start=1, end=4)
    capacity = market.capacities[1]
    ends, late, closed = market.deadlines(1, market.window_of(capacity, 1))
    assert (ends, late - ends, closed - late) == (259_200 + DAY, 6 * HOUR, 6 * HOUR)
    report(market, 10_000)
    where = {"setId": 1, "window": 3}

    market.now = ends - 1
    refused(lambda: market.post_root(1, 3, []), "WindowOpen", **where, endsAt=ends)
    market.now = late - 1
    assert market.status_of(capacity, 1) is Status.PENDING
    refused(lambda: market.settle(leaf(1, BPS)), "NoRoot", **where)
    refused(lambda: market.settle_missing(1), "ReportStillPossible", capacity=1, epoch=1, status=0)
    market.post_root(1, 3, [leaf(1, 9_950)])
    refused(lambda: market.post_root(1, 3, []), "RootExists", **where)
    refused(lambda: market.settle(leaf(1, 9_951)), "NotInRoot", **where)
    market.now = closed - 1
    assert market.status_of(capacity, 1) is Status.REPORTED
    refused(lambda: market.settle_missing(1), "ReportStillPossible", capacity=1, epoch=1, status=1)
    market.now = closed
    assert market.status_of(capacity, 1) is Status.MISSING
    refused(lambda: market.settle(leaf(1, 9_950)), "RevealClosed", **where, deadline=closed)
    market.settle_missing(1)
    assert capacity.credits == [0, 10_000]  # no proof, no pay

    _, late, _ = market.deadlines(1, 4)
    market.now = late
    refused(lambda: market.post_root(1, 4, []), "WindowClosed", setId=1, window=4, deadline=late)
    assert market.status_of(capacity, 2) is Status.BLACKOUT
    market.settle_missing(1)
    assert capacity.credits == [0, 10_000, 2_500]
    assert capacity.earned == 750


def test_idle_epochs_pass_without_a_word(market: Market) -> None:
    sign(market, start=5, end=6)
    capacity = market.capacities[1]
    market.now = end_of(market, 6)
    refused(lambda: market.pass_idle(1, 6), "EpochNotIdle", capacity=1, epoch=5)
    market.pass_idle(1, 5)
    market.pass_idle(1, 5)
    market.pass_idle(1, 0)
    assert capacity.credits == [None] * 5
    refused(lambda: market.pass_idle(1, 101), "BadRange", start=5, end=101, lifetime=100)
    market.now = end_of(market, 4)
    refused(
        lambda: market.pass_idle(1, 7),
        "EpochNotEnded",
        capacity=1,
        epoch=6,
        endsAt=end_of(market, 6),
    )


def test_a_capacity_ends(market: Market) -> None:
    market.now = end_of(market, 99)
    market.pass_idle(1, 100)
    refused(lambda: market.settle_missing(1), "LifetimeSettled", capacity=1)
    refused(lambda: sign(market, start=100, end=101), "StartPassed", start=100, earliest=101)


def test_release_moves_what_is_owed_once(market: Market) -> None:
    sign(market, units=1, start=1, end=4)
    report(market, 0, 10_000, 9_500)
    capacity = market.capacities[1]
    assert capacity.owed == 1_900
    assert market.release(1) == 1_900
    assert market.release(1) == 0
    assert capacity.token.balance(SPLITTER) == 1_900
    assert (capacity.earned, capacity.owed, capacity.escrow) == (1_900, 0, 1_000)
    refused(lambda: market.release(9), "UnknownCapacity", capacity=9)


def test_a_stopped_token_stops_only_its_own_payee(market: Market) -> None:
    lease = sign(market, units=1, start=1, end=3)
    report(market, 0, 10_000, 0)
    token = market.capacities[1].token
    token.frozen.add(SPLITTER)
    refused(lambda: market.release(1), "TransferFailed")
    refused(lambda: market.claim(1, OPERATOR, OPERATOR), "TransferFailed")
    assert market.claim_credit(ALICE, lease.id, ALICE) == 1_000
    token.frozen.clear()
    token.paused = True
    refused(lambda: market.release(1), "TransferFailed")


def test_legs_come_first_and_shares_get_the_rest(market: Market) -> None:
    sign(market, units=1, start=1, end=2)
    report(market, 0, 10_000)
    splitter = market.splitters[1]
    # 1 000 received: 33.3 to the leg, which is paid 33; 966 to the shares.
    assert splitter.received == 1_000
    assert splitter.leg_claimable(0) == 33
    assert splitter.index == splitter.claimable(OPERATOR) == 966
    assert market.claim(1, OPERATOR, BOB) == 966
    assert market.claim(1, OPERATOR, BOB) == 0
    assert splitter.capacity.token.balance(SPLITTER) == 34
    refused(
        lambda: market.claim_leg(1, STRANGER, 0, STRANGER),
        "NotLegRecipient",
        leg=0,
        caller=STRANGER,
    )
    refused(lambda: market.claim_leg(1, PROTOCOL, 1, PROTOCOL), "UnknownLeg", leg=1, count=1)
    refused(lambda: market.claim(1, OPERATOR, NOBODY), "BadReceiver", receiver=NOBODY)
    market.move_leg(1, PROTOCOL, 0, STRANGER)
    assert market.claim_leg(1, STRANGER, 0, STRANGER) == 33
    assert splitter.paid == 999


def test_a_transfer_of_shares_moves_no_dividend_earned_before_it(market: Market) -> None:
    splitter = market.splitters[1]
    token = splitter.capacity.token
    token.mint(SPLITTER, 1_000)
    assert splitter.claimable(OPERATOR) == 0  # not counted yet
    assert (market.sync(1), market.sync(1)) == (1_000, 0)
    market.transfer_shares(1, OPERATOR, ALICE, 1_000)
    assert (splitter.claimable(OPERATOR), splitter.claimable(ALICE)) == (966, 0)
    token.mint(SPLITTER, 1_000)
    market.sync(1)
    # All due is 2 000 - 66.6 up = 1 933: the second 967 go 2 : 1.
    assert splitter.exact_dividend(OPERATOR) == 966 + Fraction(967 * 2, 3)
    assert splitter.exact_dividend(ALICE) == Fraction(967, 3)
    assert (splitter.claimable(OPERATOR), splitter.claimable(ALICE)) == (1_610, 322)
    assert market.claim(1, ALICE, ALICE) == 322
    token.mint(SPLITTER, 3_000)
    market.sync(1)
    # 5 000 - 166.5 up = 4 833: (4 833 - 966) / 3 = 1 289, less 322.
    assert market.claim(1, ALICE, ALICE) == 967
    refused(lambda: market.transfer_shares(1, ALICE, BOB, 1_001), "InsufficientBalance")
    assert splitter.holders() == {OPERATOR, ALICE}


def test_a_claim_calls_in_what_the_engine_owes(market: Market) -> None:
    sign(market, units=1, start=1, end=2)
    report(market, 0, 10_000)
    token = market.capacities[1].token
    assert market.claim(1, OPERATOR, OPERATOR) == 966
    assert market.capacities[1].releases == [1_000]
    assert token.balance(ENGINE) == 0
    assert token.balance(SPLITTER) == 34


def test_refused_says_what_and_why() -> None:
    assert str(Refused("BadUnits", units=0, max=4)) == "BadUnits(units=0, max=4)"
