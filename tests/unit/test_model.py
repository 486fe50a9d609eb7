"""The reference model against figures worked out by hand.

One capacity of 10 units, daily epochs from time 100 000, price 1 000 base units. Two tiers: below
99 % uptime a tenth of the rent goes back, below 90 % all of it. Windows are a day long, roots can
be posted for 6 hours, leaves shown for 6 hours more. It is epoch 0 that runs at first.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import pytest

from derrick.model import (
    BOND,
    CLAIM_PERIOD,
    ENGINE,
    NOBODY,
    Bond,
    Capacity,
    Lease,
    Market,
    Refused,
    Settlement,
    Splitter,
    Token,
)
from derrick.structs import LeaseRequest, Leg, Term, Tier
from derrick.telemetry import Report, ReportTree, SetRules, Status
from derrick.telemetry_model import SetModel
from derrick.units import BPS, DAY, HOUR

ORIGIN = 100_000
RULES = SetRules(DAY, 6 * HOUR, HOUR, 6 * HOUR, 10_000, 9, HOUR)
PRICE = 1_000
ALICE, BOB, OPERATOR, PROTOCOL, STRANGER = "alice", "bob", "operator", "protocol", "stranger"
SPLITTER = "splitter of 1"
FUNDS = 10**9
PREPAID, LONG, ON_DEMAND, RESERVED, SPOT = range(5)
TERMS = (
    Term(1, 30, BPS),
    Term(10, 30, 8_005),
    Term(1, 30, BPS, notice_epochs=0, deposit_epochs=1),
    Term(1, 30, BPS, notice_epochs=2, deposit_epochs=3),
    Term(1, 30, 5_000, notice_epochs=0, deposit_epochs=2, preemptible=True),
)


@pytest.fixture
def market() -> Market:
    market = Market(now=ORIGIN)
    market.sets[1] = SetModel(1, RULES, [], 0)
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
        terms=list(TERMS),
        attested=10,
    )
    market.capacities[1] = capacity
    market.bonds[1] = Bond(capacity)
    market.splitters[1] = Splitter(SPLITTER, capacity, [Leg(PROTOCOL, 333)], {OPERATOR: 3_000})
    return market


def sign(
    market: Market,
    tenant: str = ALICE,
    *,
    units: int = 4,
    start: int = 1,
    end: int = 3,
    term: int = PREPAID,
    max_rent: int = PRICE,
    capacity: int = 1,
) -> Lease:
    return market.lease(tenant, LeaseRequest(capacity, tenant, term, units, start, end, max_rent))


def ask(units: int, start: int, end: int, term: int = PREPAID) -> LeaseRequest:
    return LeaseRequest(1, BOB, term, units, start, end, PRICE)


def begin(market: Market, epoch: int) -> None:
    """The first second of an epoch."""
    market.now = market.capacities[1].starts_at(epoch)


def state(lease: Lease) -> tuple[int, int, int, int, int, int]:
    """Start, end, funded to, credited to, units, epochs of deposit."""
    epochs = (lease.start, lease.end, lease.funded_to, lease.credited_to)
    return (*epochs, lease.units, lease.deposit_epochs)


def balanced(market: Market) -> bool:
    """The engine holds what is nobody's yet and what it owes, to the base unit."""
    capacity = market.capacities[1]
    credits_due = sum(capacity.credit_of(lease) for lease in capacity.leases)
    refunds = sum(refund.amount for refund in market.refunds)
    held = capacity.escrow + capacity.owed + credits_due + refunds
    return capacity.token.balance(ENGINE) == held


def end_of(market: Market, epoch: int) -> int:
    return market.capacities[1].ends_at(epoch)


def report(market: Market, *uptimes: int, capacity: int = 1) -> None:
    """Posts and settles the next epochs, a day each, with these uptimes."""
    for uptime in uptimes:
        epoch = market.capacities[capacity].next_epoch
        window = market.window_of(market.capacities[capacity], epoch)
        market.now = max(market.now, window.ends_at)
        shown = Report(capacity, epoch, uptime, load_bps=0, energy_wh=0)
        post(market, window.window, shown)
        market.settle(shown)


def post(market: Market, window: int, *reports: Report) -> None:
    """Posts the root of a window, and lets it become final."""
    tree = ReportTree.of(reports)
    market.post_root(tree.statement(1, "0x" + 40 * "0", 1, window, ""), tree)
    market.now += RULES.finality_delay


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


def test_the_price_floor_is_rounded_up_and_lifts_the_rent(market: Market) -> None:
    capacity = market.capacities[1]
    capacity.price_floor_bps, capacity.index_price = 1, 3_333  # 0.00003333 USD, 8 GPUs, 24 hours
    # 3 333e-8 * 8 * 24 * 1e-4 * 1e6 base units = 0.639936
    assert capacity.price_floor() == 1
    assert sign(market).rent == 1_000
    capacity.price_floor_bps, capacity.index_price = 5_000, 1_050  # 1 008 base units
    assert sign(market, max_rent=1_008).rent == 1_008
    refused(lambda: sign(market), "RentAboveMax", rent=1_008, maxRent=1_000)
    capacity.index_price = None
    refused(lambda: sign(market), "IndexInvalid", hardwareClass="")


def test_only_attested_units_can_be_leased(market: Market) -> None:
    statement = {"capacity_id": 1, "nonce": 0, "deadline": ORIGIN}
    refused(
        lambda: market.attest_units(**{**statement, "capacity_id": 2}, units=5),
        "UnknownCapacity",
        capacity=2,
    )
    refused(
        lambda: market.attest_units(**statement, units=11),
        "OutOfRange",
        field="units",
        value=11,
        min=0,
        max=10,
    )
    refused(
        lambda: market.attest_units(**{**statement, "nonce": 1}, units=5),
        "WrongNonce",
        capacity=1,
        nonce=1,
        expected=0,
    )
    market.now += 1
    refused(
        lambda: market.attest_units(**statement, units=5),
        "StatementExpired",
        capacity=1,
        deadline=ORIGIN,
    )
    market.now -= 1
    sign(market, units=7)
    market.attest_units(**statement, units=5)
    assert market.capacities[1].statements == 1
    refused(lambda: sign(market, units=6), "BadUnits", units=6, max=5)
    refused(lambda: sign(market, units=1), "NotEnoughUnits", asked=1, free=0)
    assert market.quote(ask(4, 1, 3)) == (1_000, 8_000, 4)  # not 6: it asks for 4
    sign(market, units=5, start=3, end=4)


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
    refused(lambda: sign(market, term=5), "TermNotActive", capacity=1, term=5)
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
    window = market.window_of(capacity, 1)
    ends, late, closed = window.ends_at, window.posting_ends, RULES.reveal_ends(3)
    assert (ends, late - ends) == (259_200 + DAY, 6 * HOUR)
    assert closed - ends == 2 * (6 + 1) * HOUR + 6 * HOUR
    report(market, 10_000)
    where = {"setId": 1, "window": 3}

    market.now = ends - 1
    shown = leaf(1, 9_950)
    refused(lambda: post(market, 3, shown), "WindowOpen", **where, endsAt=ends)
    market.now = late - 1
    assert market.status_of(capacity, 1) is Status.PENDING
    refused(lambda: market.settle(leaf(1, BPS)), "NoRoot", **where)
    refused(lambda: market.settle_missing(1), "ReportStillPossible", capacity=1, epoch=1, status=0)
    post(market, 3, shown)
    root = ReportTree.of([shown]).root[:27]
    refused(lambda: post(market, 3, shown), "RootExists", **where, root=root)
    other = leaf(1, 9_951)
    refused(lambda: market.settle(other), "NotInRoot", **where, leaf=other.leaf)
    market.now -= 1
    final = market.now + 1
    refused(lambda: market.settle(shown), "RootNotFinal", **where, finalAt=final)
    market.now = closed - 1
    assert market.status_of(capacity, 1) is Status.REPORTED
    refused(lambda: market.settle_missing(1), "ReportStillPossible", capacity=1, epoch=1, status=1)
    market.now = closed
    assert market.status_of(capacity, 1) is Status.MISSING
    refused(lambda: market.settle(leaf(1, 9_950)), "RevealClosed", **where, deadline=closed)
    market.settle_missing(1)
    assert capacity.credits == [0, 10_000]  # no proof, no pay

    market.now = late = market.window_of(capacity, 2).posting_ends
    where = {"setId": 1, "window": 4}
    refused(lambda: post(market, 4, leaf(2, 0)), "WindowClosed", **where, deadline=late)
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


def test_what_is_paid_at_signing(market: Market) -> None:
    # Reserved: a deposit of three epochs and two of notice.
    lease = sign(market, term=RESERVED, start=1, end=11)
    assert (lease.paid, lease.deposit, state(lease)) == (20_000, 12_000, (1, 11, 3, 1, 4, 3))
    assert lease.open_epochs == 5
    capacity = market.capacities[1]
    assert (capacity.escrow, capacity.paid_in) == (20_000, 20_000)
    assert [capacity.rent_at(e) for e in (0, 1, 2, 3)] == [0, 4_000, 4_000, 0]
    assert [capacity.units_leased(e) for e in (0, 1, 10, 11)] == [0, 4, 4, 0]
    assert state(sign(market, term=RESERVED, start=11, end=16)) == (11, 16, 16, 11, 4, 3)
    assert state(sign(market, term=RESERVED, start=16, end=22)) == (16, 22, 18, 16, 4, 3)
    # On demand, one epoch ahead; the shortest is paid by its deposit.
    assert state(sign(market, term=ON_DEMAND, units=1, start=1, end=9)) == (1, 9, 2, 1, 1, 1)
    assert state(sign(market, term=ON_DEMAND, units=1, start=1, end=2)) == (1, 2, 2, 1, 1, 1)
    assert balanced(market)


def test_paying_on(market: Market) -> None:
    lease = sign(market, term=RESERVED, start=1, end=11)
    begin(market, 2)
    refused(lambda: market.top_up(ALICE, lease.id, 0), "BadTopUp", lease=lease.id, epochs=0, max=5)
    refused(lambda: market.top_up(ALICE, lease.id, 6), "BadTopUp", lease=lease.id, epochs=6, max=5)
    refused(lambda: market.top_up(STRANGER, lease.id, 1), "TransferFromFailed")
    assert market.top_up(BOB, lease.id, 4) == 16_000
    assert (lease.funded_to, lease.open_epochs, lease.deposit) == (7, 1, 12_000)
    assert market.top_up(ALICE, lease.id, 1) == 4_000
    # The deposit pays the rest now: all ten epochs are paid.
    assert (lease.funded_to, lease.deposit, lease.paid) == (11, 0, 40_000)
    refused(lambda: market.top_up(ALICE, lease.id, 1), "BadTopUp", lease=lease.id, epochs=1, max=0)
    assert balanced(market)


def test_a_lease_that_is_not_paid_on_lapses(market: Market) -> None:
    lease = sign(market, term=RESERVED, start=1, end=11)
    capacity = market.capacities[1]
    begin(market, 3)
    market.now -= 1
    refused(lambda: market.lapse(BOB, lease.id), "NotLapsed", lease=lease.id, fundedTo=3)
    market.now += 1
    lapsed = {"lease": lease.id, "fundedTo": 3}
    refused(lambda: market.top_up(ALICE, lease.id, 1), "LeaseLapsed", **lapsed)
    refused(lambda: market.terminate(ALICE, lease.id), "LeaseLapsed", **lapsed)
    refused(lambda: market.exit_for_cause(ALICE, lease.id), "LeaseLapsed", **lapsed)
    refused(lambda: market.split_units(ALICE, lease.id, 1), "LeaseLapsed", **lapsed)
    refused(lambda: market.merge(ALICE, lease.id, lease.id), "LeaseLapsed", **lapsed)
    begin(market, 5)
    # Three epochs of deposit: 12 000, a hundredth of it to who closes it.
    assert market.lapse(BOB, lease.id) == (Settlement(3, 0, 0, 3), 120)
    assert state(lease) == (1, 3, 3, 1, 4, 0)
    assert (capacity.earned, market.refund_of(capacity.token, BOB)) == (11_880, 120)
    # Epochs 3 to 5 have begun; the units are free from 6 on.
    assert [capacity.units_leased(e) for e in range(2, 8)] == [4, 4, 4, 4, 0, 0]
    assert capacity.paid_in == 19_880
    assert balanced(market)
    refused(lambda: market.lapse(BOB, lease.id), "NotLapsed", lease=lease.id, fundedTo=3)


@pytest.mark.parametrize(
    ("running", "paid_on", "moved"),
    [
        # Notice is two epochs, the deposit of 8, 9 and 10 pays [8, 11).
        (0, 0, Settlement(end=3, due=0, refunded=0, forfeited=3)),
        (0, 2, Settlement(end=3, due=0, refunded=2, forfeited=3)),
        (2, 0, Settlement(end=5, due=2, refunded=0, forfeited=3)),
        (2, 5, Settlement(end=5, due=0, refunded=3, forfeited=3)),
        (6, 4, Settlement(end=9, due=1, refunded=0, forfeited=2)),
        (6, 5, Settlement(end=9, due=0, refunded=0, forfeited=2)),
    ],
)
def test_notice(market: Market, running: int, paid_on: int, moved: Settlement) -> None:
    lease = sign(market, term=RESERVED, start=1, end=11)
    capacity = market.capacities[1]
    if paid_on:
        market.top_up(ALICE, lease.id, paid_on)
    begin(market, running)
    before = capacity.token.balance(ALICE)
    refused(lambda: market.terminate(BOB, lease.id), "NotTenant", lease=lease.id, caller=BOB)
    assert market.termination_of(lease.id) == market.terminate(ALICE, lease.id) == moved
    assert before - capacity.token.balance(ALICE) == moved.due * 4_000
    assert market.refund_of(capacity.token, ALICE) == moved.refunded * 4_000
    assert capacity.earned == moved.forfeited * 4_000
    assert state(lease) == (1, moved.end, moved.end, 1, 4, 0)
    assert capacity.units_leased(moved.end) == 0
    assert balanced(market)
    over = {"lease": lease.id, "end": moved.end}
    begin(market, moved.end - 2)
    refused(lambda: market.terminate(ALICE, lease.id), "LeaseOver", **over)


def test_notice_without_money_changes_nothing(market: Market) -> None:
    lease = sign(market, term=RESERVED, start=1, end=11)
    market.transfer_lease(ALICE, ALICE, STRANGER, lease.id)
    begin(market, 2)
    refused(lambda: market.terminate(STRANGER, lease.id), "TransferFromFailed")
    assert state(lease) == (1, 11, 3, 1, 4, 3)


def test_a_lease_that_has_not_begun_ends_without_a_trace(market: Market) -> None:
    lease = sign(market, term=ON_DEMAND, start=4, end=9)
    assert market.terminate(ALICE, lease.id) == Settlement(4, 0, 1, 1)
    refused(lambda: market.lease_of(lease.id), "UnknownLease", lease=lease.id)
    refused(lambda: market.transfer_lease(ALICE, ALICE, BOB, lease.id), "TokenDoesNotExist")
    capacity = market.capacities[1]
    assert (capacity.earned, market.refund_of(capacity.token, ALICE)) == (4_000, 4_000)
    assert (capacity.ids, capacity.units_leased(4)) == (1, 0)
    assert sign(market).id == 1_000_000_002


def test_a_bad_service_can_be_left(market: Market) -> None:
    lease = sign(market, term=RESERVED, start=1, end=21)
    capacity = market.capacities[1]
    market.top_up(ALICE, lease.id, 10)
    report(market, 0, 8_999, 10_000, 0, 0, 8_000)
    no_cause = {"lease": lease.id, "creditBps": 40_000}
    refused(lambda: market.exit_for_cause(ALICE, lease.id), "NoCause", **no_cause)
    report(market, 9_899, 8_999)  # 11 000 more, in the last ten
    earliest = market.earliest(capacity)
    paid = lease.funded_to - earliest + 3  # and the deposit
    assert market.exit_for_cause(ALICE, lease.id) == Settlement(earliest, 0, paid, 0)
    assert market.refund_of(capacity.token, ALICE) == paid * 4_000
    assert balanced(market)
    over = {"lease": lease.id, "end": earliest}
    refused(lambda: market.exit_for_cause(ALICE, lease.id), "LeaseOver", **over)


def test_only_the_last_ten_epochs_are_a_cause(market: Market) -> None:
    lease = sign(market, start=1, end=30)
    report(market, 0, 0, 0, 0, 0, 0, *[10_000] * 6)
    assert market.capacities[1].recent_credit_bps(lease) == 40_000  # epochs 2 to 11


def test_a_spot_lease_can_be_taken_back(market: Market) -> None:
    lease = sign(market, term=SPOT, start=1, end=9)
    other = sign(market, start=1, end=9)
    capacity = market.capacities[1]
    refused(lambda: market.preempt(ALICE, lease.id), "NotDeedOwner", capacity=1, caller=ALICE)
    refused(lambda: market.preempt(OPERATOR, other.id), "NotPreemptible", lease=other.id)
    market.top_up(ALICE, lease.id, 3)  # 500 × 4: three of ahead, and one, and two of deposit
    market.set_user(ALICE, lease.id, BOB, 10**9)
    begin(market, 2)
    assert market.preempt(OPERATOR, lease.id) == Settlement(3, 0, 4, 0)
    assert market.refund_of(capacity.token, ALICE) == 8_000
    assert (capacity.units_leased(2), capacity.units_leased(3)) == (8, 4)
    # Its user stays until it ends.
    assert (market.user_of(lease), balanced(market)) == ((BOB, capacity.starts_at(3) - 1), True)
    refused(lambda: market.preempt(OPERATOR, lease.id), "LeaseOver", lease=lease.id, end=3)
    begin(market, 3)
    assert market.user_of(lease) == (NOBODY, 0)


def test_a_dearer_lease_takes_what_it_misses(market: Market) -> None:
    capacity = market.capacities[1]
    first = sign(market, term=SPOT, units=4, start=1, end=9)
    second = sign(market, term=SPOT, units=5, start=2, end=5)
    third = sign(market, term=SPOT, units=5, start=6, end=9)
    market.top_up(ALICE, first.id, 4)
    # 9 of 10 are used in epochs 2 to 4 and 6 to 8: 5 of 6 units are missing over [3, 8).
    request, victims = ask(6, 3, 8), [first.id, second.id, third.id]
    assert market.quote(request) == (1_000, 30_000, 5)
    refused(lambda: market.lease(BOB, request), "NotEnoughUnits", asked=6, free=1)
    refused(
        lambda: market.lease_evicting(BOB, request, victims[:1]), "NotEnoughUnits", asked=6, free=5
    )
    assert state(first) == (1, 9, 6, 1, 4, 2)  # as it was
    lease, ended = market.lease_evicting(BOB, request, victims)
    # The first gives all of its 4 units from epoch 3 on: 3 epochs and 2 of deposit go back. One is
    # missing then: of the second 1 unit, unpaid from 3 on; of the third 1, before it began.
    assert [(part.id % 10**9, moved) for part, moved in ended] == [
        (1, Settlement(3, 0, 5, 0)),
        (4, Settlement(3, 0, 2, 0)),
        (5, Settlement(6, 0, 3, 0)),
    ]
    assert (lease.id % 10**9, lease.has_evicted) == (6, True)
    assert market.refund_of(capacity.token, ALICE) == (5 * 4 + 2 + 3) * 500
    assert [capacity.units_leased(e) for e in range(1, 10)] == [4, 9, 10, 10, 6, 10, 10, 4, 0]
    assert state(market.lease_of(1_000_000_004)) == (2, 3, 3, 2, 1, 0)
    refused(lambda: market.lease_of(1_000_000_005), "UnknownLease", lease=1_000_000_005)
    assert balanced(market)


def test_who_need_not_give(market: Market) -> None:
    capacity = market.capacities[1]
    spot = sign(market, term=SPOT, units=10, start=1, end=9)
    firm = sign(market, units=1, start=9, end=10)
    capacity.price = 524
    request = ask(5, 2, 4)._replace(tenant=ALICE)

    def take(victim: int) -> object:
        return market.lease_evicting(ALICE, request, [victim])

    refused(lambda: take(7), "UnknownLease", lease=7)
    refused(lambda: take(firm.id), "NotPreemptible", lease=firm.id)
    refused(lambda: take(spot.id), "BidTooLow", victim=spot.id, rent=524, min=525)
    capacity.price = 525
    begin(market, 3)
    refused(lambda: take(spot.id), "StartPassed", start=2, earliest=4)
    request = request._replace(start=5, end=7)
    refused(lambda: take(spot.id), "LeaseLapsed", lease=spot.id, fundedTo=2)


def test_a_lease_that_evicted_pays_its_first_epoch(market: Market) -> None:
    sign(market, term=SPOT, units=10, start=3, end=9)
    lease, _ = market.lease_evicting(BOB, ask(10, 3, 9, ON_DEMAND), [1_000_000_001])
    assert market.termination_of(lease.id).end == 4
    lease, ended = market.lease_evicting(BOB, ask(10, 9, 12, ON_DEMAND), [])
    assert (lease.has_evicted, ended, market.termination_of(lease.id).end) == (False, [], 9)


def test_a_merger_makes_nothing_that_could_not_be_signed(market: Market) -> None:
    capacity = market.capacities[1]
    capacity.terms.append(Term(1, 3, BPS))
    number = len(capacity.terms) - 1
    one, two = (sign(market, start=start, end=start + 2, term=number) for start in (1, 3))
    alike = {"lease": one.id, "part": two.id}
    refused(lambda: market.merge(ALICE, one.id, two.id), "NotMergeable", **alike)
    three = sign(market, start=5, end=6, term=number)
    market.merge(ALICE, two.id, three.id)
    assert (two.start, two.end, two.deposit_epochs) == (3, 6, 3)


def test_a_merger_does_not_pay_what_an_evictor_owes(market: Market) -> None:
    sign(market, term=SPOT, units=10, start=3, end=9)
    before = sign(market, term=ON_DEMAND, units=10, start=2, end=3)
    request = ask(10, 3, 9, ON_DEMAND)._replace(tenant=ALICE)
    lease, _ = market.lease_evicting(ALICE, request, [1_000_000_001])
    assert before.fully_funded
    assert not market.fit(before, lease)
    refused(
        lambda: market.merge(ALICE, before.id, lease.id),
        "NotMergeable",
        lease=before.id,
        part=lease.id,
    )
    begin(market, 3)
    market.merge(ALICE, before.id, lease.id)
    assert (before.start, before.end, before.has_evicted) == (2, 9, False)
    assert balanced(market)


def test_units_can_be_split_off(market: Market) -> None:
    lease = sign(market, term=RESERVED, start=1, end=11)
    market.set_user(ALICE, lease.id, BOB, 10**9)
    report(market, 0, 9_500)
    capacity = market.capacities[1]
    refused(lambda: market.split_units(BOB, lease.id, 1), "NotTenant", lease=lease.id, caller=BOB)
    for units in (0, 4):
        refused(
            lambda units=units: market.split_units(ALICE, lease.id, units),
            "BadUnits",
            units=units,
            max=3,
        )
    part = market.split_units(ALICE, lease.id, 1)
    assert market.refund_of(capacity.token, ALICE) == 400  # a tenth of epoch 1
    assert (state(lease), state(part)) == ((1, 11, 3, 2, 3, 3), (1, 11, 3, 2, 1, 3))
    assert (part.id, part.tenant, part.user, part.expires) == (1_000_000_002, ALICE, BOB, 10**9)
    assert (lease.deposit, part.deposit) == (9_000, 3_000)
    assert capacity.units_leased(5) == 4
    assert balanced(market)
    market.merge(ALICE, lease.id, part.id)
    assert state(lease) == (1, 11, 3, 2, 4, 3)
    assert [each.id for each in capacity.leases] == [lease.id]
    assert balanced(market)


def test_a_lease_can_be_split_in_time(market: Market) -> None:
    lease = sign(market, term=RESERVED, start=1, end=11)
    market.top_up(ALICE, lease.id, 3)
    where = {"lease": lease.id, "min": 2, "max": 6}
    for epoch in (1, 7):
        refused(
            lambda epoch=epoch: market.split_at(ALICE, lease.id, epoch),
            "BadSplit",
            **where,
            epoch=epoch,
        )
    part = market.split_at(ALICE, lease.id, 3)
    # All of the first part is paid: the last two of its epochs, all it has, are its deposit.
    assert (state(lease), state(part)) == ((1, 3, 3, 1, 4, 2), (3, 11, 6, 3, 4, 3))
    assert (lease.deposit, part.deposit, balanced(market)) == (0, 12_000, True)
    refused(
        lambda: market.merge(ALICE, part.id, lease.id),
        "NotMergeable",
        lease=part.id,
        part=lease.id,
    )
    last = market.split_at(ALICE, part.id, 6)
    assert (state(part), state(last)) == ((3, 6, 6, 3, 4, 3), (6, 11, 6, 6, 4, 3))
    market.merge(ALICE, lease.id, part.id)
    assert state(lease) == (1, 6, 6, 1, 4, 3)  # not 5: the term asks for no more
    market.merge(ALICE, lease.id, last.id)
    assert state(lease) == (1, 11, 6, 1, 4, 3)
    assert balanced(market)


def test_a_part_without_a_paid_epoch_lapses_to_nothing(market: Market) -> None:
    lease = sign(market, term=ON_DEMAND, start=1, end=11)
    part = market.split_at(ALICE, lease.id, 2)
    begin(market, 2)
    assert market.lapse(BOB, part.id) == (Settlement(2, 0, 0, 1), 40)
    refused(lambda: market.lease_of(part.id), "UnknownLease", lease=part.id)
    assert [market.capacities[1].units_leased(e) for e in (1, 2, 3)] == [4, 4, 0]
    assert balanced(market)


def test_credit_is_kept_apart_where_a_lease_is_cut(market: Market) -> None:
    lease = sign(market, units=1, start=1, end=9)
    report(market, 0, 0, 9_500)
    part = market.split_at(ALICE, lease.id, 2)
    capacity = market.capacities[1]
    assert market.refund_of(capacity.token, ALICE) == 1_100
    assert (state(lease), state(part)) == ((1, 2, 2, 2, 1, 1), (2, 9, 9, 3, 1, 7))
    assert (capacity.credit_of(lease), capacity.credit_of(part)) == (0, 0)
    report(market, 0)
    assert capacity.credit_of(part) == 1_000
    market.merge(ALICE, lease.id, part.id)
    assert (state(lease), capacity.credit_of(lease)) == ((1, 9, 9, 4, 1, 8), 0)
    assert market.refund_of(capacity.token, ALICE) == 2_100
    assert balanced(market)


def test_the_right_to_use(market: Market) -> None:
    lease = sign(market, term=ON_DEMAND, start=1, end=9)
    capacity = market.capacities[1]
    until = capacity.starts_at(2)
    for user in (NOBODY, ENGINE):
        refused(
            lambda user=user: market.set_user(ALICE, lease.id, user, until),
            "BadReceiver",
            receiver=user,
        )
    refused(lambda: market.set_user(ALICE, lease.id, BOB, market.now), "BadExpiry", expires=ORIGIN)
    market.set_user(ALICE, lease.id, BOB, until)
    holds = {"lease": lease.id, "user": BOB, "expires": until}
    refused(lambda: market.set_user(ALICE, lease.id, STRANGER, until), "UserHolds", **holds)
    assert not market.is_active(lease, BOB)
    market.top_up(ALICE, lease.id, 3)
    begin(market, 1)
    assert (market.is_active(lease, BOB), market.is_active(lease, ALICE)) == (True, False)
    # It would end right when epoch 2 begins, and his right with that second.
    refused(lambda: market.terminate(ALICE, lease.id), "UserHolds", **holds)
    market.transfer_lease(ALICE, ALICE, BOB, lease.id)
    assert market.terminate(BOB, lease.id).end == 2  # his own
    refused(lambda: market.renounce_user(ALICE, lease.id), "NotUser", lease=lease.id, caller=ALICE)
    market.renounce_user(BOB, lease.id)
    assert market.user_of(lease) == (NOBODY, 0)
    market.set_user(BOB, lease.id, ALICE, until)
    begin(market, 2)
    assert market.user_of(lease) == (ALICE, until)
    assert not market.is_active(lease, ALICE)  # the lease is over
    market.now += 1
    assert market.user_of(lease) == (NOBODY, 0)


def test_a_lease_is_bought_as_it_is(market: Market) -> None:
    lease = sign(market, units=1)
    seen = market.state_of(lease)
    market.set_user(ALICE, lease.id, STRANGER, 10**9)
    found = market.state_of(lease)
    refused(
        lambda: market.transfer_lease(ALICE, ALICE, BOB, lease.id, seen),
        "StateChanged",
        lease=lease.id,
        state=found,
        expected=seen,
    )
    refused(
        lambda: market.transfer_lease(ALICE, ALICE, ENGINE, lease.id),
        "BadReceiver",
        receiver=ENGINE,
    )
    market.transfer_lease(ALICE, ALICE, BOB, lease.id, found)
    assert lease.tenant == BOB


def test_a_refund_goes_where_its_owner_wants(market: Market) -> None:
    lease = sign(market, term=ON_DEMAND, start=4, end=9)
    market.terminate(ALICE, lease.id)
    token = market.capacities[1].token
    token.frozen.add(ALICE)
    refused(lambda: market.withdraw_refund(ALICE, token, ALICE), "TransferFailed")
    for receiver in (NOBODY, ENGINE):
        refused(
            lambda receiver=receiver: market.withdraw_refund(ALICE, token, receiver),
            "BadReceiver",
            receiver=receiver,
        )
    assert market.withdraw_refund(ALICE, token, STRANGER) == 4_000
    assert market.withdraw_refund(ALICE, token, STRANGER) == 0
    assert token.balance(STRANGER) == 4_000
    assert balanced(market)


def test_a_report_can_be_kept_until_its_turn(market: Market) -> None:
    sign(market, units=1, start=1, end=4)
    capacity = market.capacities[1]
    report(market, 10_000)
    window = market.window_of(capacity, 2).window
    market.now = (window + 1) * DAY
    shown, other = leaf(2, 0), leaf(2, 1)
    post(market, window, shown)
    refused(lambda: market.record(leaf(0, 0)), "NotNextEpoch", capacity=1, epoch=0, expected=1)
    refused(lambda: market.record(leaf(100, 0)), "BadRange", start=100, end=101, lifetime=100)
    refused(
        lambda: market.record(leaf(5, 0)),
        "EpochNotEnded",
        capacity=1,
        epoch=5,
        endsAt=end_of(market, 5),
    )
    refused(lambda: market.record(other), "NotInRoot", setId=1, window=window, leaf=other.leaf)
    market.record(shown)
    refused(lambda: market.record(shown), "AlreadyRecorded", capacity=1, epoch=2)
    market.now += DAY  # too late for anything not shown
    market.settle_missing(1)
    market.settle_missing(1)
    assert capacity.credits == [0, 2_500, 10_000]


def test_an_edited_term_is_a_new_one(market: Market) -> None:
    capacity = market.capacities[1]
    lease = sign(market, term=RESERVED, start=1, end=11)
    market.edit_term(OPERATOR, 1, RESERVED, Term(1, 30, BPS, notice_epochs=9))
    assert (capacity.retired, len(capacity.terms)) == ({RESERVED}, 6)
    refused(lambda: sign(market, term=RESERVED), "TermNotActive", capacity=1, term=RESERVED)
    assert market.termination_of(lease.id).end == 3  # as signed
    refused(
        lambda: market.edit_term(OPERATOR, 1, RESERVED, TERMS[0]),
        "TermNotActive",
        capacity=1,
        term=RESERVED,
    )


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


def test_a_transfer_of_shares_counts_first_what_nobody_had_found(market: Market) -> None:
    splitter = market.splitters[1]
    splitter.capacity.token.mint(SPLITTER, 1_000)
    market.transfer_shares(1, OPERATOR, ALICE, 0)
    market.transfer_shares(1, OPERATOR, OPERATOR, 1_000)
    assert (splitter.unsynced, splitter.periods) == (1_000, [])
    market.transfer_shares(1, OPERATOR, ALICE, 3_000)
    assert (splitter.unsynced, splitter.direct) == (0, 1_000)
    assert (splitter.claimable(OPERATOR), splitter.claimable(ALICE)) == (966, 0)


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


def test_a_fault_costs_the_bond_what_it_has(market: Market) -> None:
    lease = sign(market, units=3, start=1, end=4)
    capacity, token = market.capacities[1], market.capacities[1].token
    capacity.penalty_below_bps, capacity.penalty_per_unit = 9_000, 100
    market.deposit_bond(BOB, 1, 250)
    market.now = capacity.ends_at(0)
    market.pass_idle(1, 1)
    report(market, 8_999)
    assert capacity.is_barred
    with pytest.raises(Refused, match="InPenalty"):
        sign(market, units=1, start=5, end=6)
    assert (capacity.penalties[1].reserved, capacity.penalties[1].per_unit) == (250, 83)
    part = market.split_units(ALICE, lease.id, 1)
    assert market.claim_penalty(ALICE, part.id, 1, ALICE) == 83
    assert market.claim_penalty(ALICE, lease.id, 1, ALICE) == 166
    refused(
        lambda: market.claim_penalty(ALICE, lease.id, 1, ALICE),
        "NothingToClaim",
        lease=lease.id,
        epoch=1,
    )
    assert token.balance(BOND) == market.bonds[1].held == 1
    report(market, 9_000)
    assert not capacity.is_barred
    market.now = capacity.ends_at(1) + CLAIM_PERIOD
    assert market.free_penalty(1, 1) == 1
    assert market.bonds[1].part == 1
