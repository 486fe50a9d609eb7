"""The deed: what can be registered, who runs it, what the lease engine reads."""

from __future__ import annotations

import json
from base64 import b64decode
from fractions import Fraction

import pytest

from derrick.market import DAY, HOUR, NOBODY, TELEMETRY_RULES, WEEK, Term, Tier, ascii_bytes
from derrick.testing import reverts_with

PRICE = 400_000_000
TERMS = [Term(1, 365, 10_000)]
YEAR = 365 * DAY


def field(name: str) -> bytes:
    return ascii_bytes(name, 32)


def register(bench, price=PRICE, terms=TERMS, to=None, **changes):
    config = bench.config._replace(**changes)
    return bench.capacity.register(
        config, terms, price, to or bench.operator, sender=bench.operator
    )


def test_registering_mints_the_deed_and_tells_everything(bench, tenant):
    receipt = register(bench, to=tenant)
    capacity = receipt.return_value
    assert capacity == 2
    assert bench.capacity.ownerOf(2) == tenant
    assert bench.capacity.nextCapacity() == 3
    [registered] = receipt.events.filter(bench.capacity.CapacityRegistered)
    assert (registered.capacity, registered.operator) == (2, tenant.address)
    assert registered.payee == bench.config.payee
    assert list(registered.config)[:15] == list(bench.config)[:15]
    names = [event.event_name for event in receipt.events]
    assert names == ["Transfer", "CapacityRegistered", "TermAdded", "PriceSet", "OpenSet"]


def test_what_is_fixed_reads_back_as_registered(bench):
    stored = bench.capacity.configOf(1)
    config = bench.config
    for got, want in zip(stored, config, strict=True):
        plain = [tuple(tier) for tier in got] if isinstance(want, tuple) else got
        assert plain == (list(want) if isinstance(want, tuple) else want)
    level = bench.capacity.serviceLevelOf(1)
    assert (level.origin, level.epochLength, level.lifetimeEpochs) == (
        config.origin,
        config.epoch_length,
        config.lifetime_epochs,
    )
    rules = TELEMETRY_RULES
    assert (level.attestorSet, level.healthyBps, level.units) == (1, 9_990, config.units)
    assert (level.windowLength, level.revealSpan, level.revealPeriod) == (
        rules.window_length,
        rules.reveal_span,
        rules.reveal_period,
    )
    faults = bench.capacity.serviceFaultsOf(1)
    packed = sum(
        (tier.credit_bps << 14 | tier.uptime_below_bps) << 28 * i
        for i, tier in enumerate(config.tiers)
    )
    assert faults.tiers == packed
    assert faults.blackoutCreditBps == config.blackout_credit_bps
    assert bench.capacity.payeeOf(1) == (config.payee, config.stablecoin)


def test_the_origin_is_in_time(bench, lane):
    """Not a second in the past, and no more than a year ahead."""
    now = lane.time + 1
    low, high = now, now + YEAR
    lane.set_next_time(now)
    with reverts_with(
        bench.capacity.OutOfRange, field=field("origin"), value=now - 1, min=low, max=high
    ):
        register(bench, origin=now - 1)


@pytest.mark.parametrize("ahead", [0, YEAR])
def test_origins_at_the_bounds_are_taken(bench, lane, ahead):
    now = lane.time + 1
    lane.set_next_time(now)
    register(bench, origin=now + ahead)
    assert bench.capacity.configOf(2).origin == now + ahead


BOUNDS = [
    ("country", 1, 999),
    ("accelerators_per_unit", 1, 4_096),
    ("watts_per_unit", 1, 10_000_000),
    ("pue_bps", 10_000, 30_000),
    ("units", 1, 32_767),
    ("epoch_length", HOUR, WEEK),
    ("lifetime_epochs", 1, 131_071),
    ("blackout_credit_bps", 0, 10_000),
    ("price_floor_bps", 0, 10_000),
    ("curtailment_epochs", 0, 720),
    ("curtailment_credit_bps", 0, 10_000),
]


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.title() for part in rest)


@pytest.mark.parametrize(("name", "low", "high"), BOUNDS)
def test_each_field_has_bounds(bench, name, low, high):
    for value in (low, high):
        register(bench, **{name: value})
    for value in ([low - 1] if low else []) + [high + 1]:
        with reverts_with(
            bench.capacity.OutOfRange,
            field=field(camel(name)),
            value=value,
            min=low,
            max=high,
        ):
            register(bench, **{name: value})


def test_the_hardware_class_has_a_name(bench):
    with reverts_with(
        bench.capacity.OutOfRange,
        field=field("hardwareClass"),
        value=0,
        min=1,
        max=2**256 - 1,
    ):
        register(bench, hardware_class=bytes(32))


def test_committed_uptime_is_a_share(bench):
    with reverts_with(
        bench.capacity.OutOfRange,
        field=field("committedUptimeBps"),
        value=10_001,
        min=0,
        max=10_000,
    ):
        register(bench, committed_uptime_bps=10_001)


@pytest.mark.parametrize(
    ("tiers", "index"),
    [
        ((Tier(9_991, 1_000),), 0),  # a credit above the committed uptime
        ((Tier(0, 1_000),), 0),
        ((Tier(9_000, 0),), 0),
        ((Tier(9_000, 1_000), Tier(9_000, 2_000)), 1),
        ((Tier(9_000, 1_000), Tier(8_000, 1_000)), 1),
        ((Tier(9_000, 1_000), Tier(8_000, 2_000), Tier(8_500, 3_000)), 2),
    ],
)
def test_tiers_must_fall_in_uptime_and_rise_in_credit(bench, tiers, index):
    with reverts_with(bench.capacity.TiersNotOrdered, index=index):
        register(bench, tiers=tiers)


def test_there_are_at_most_four_tiers(bench):
    four = tuple(Tier(9_000 - 1_000 * i, 1_000 + i) for i in range(4))
    register(bench, tiers=four)
    assert [tuple(tier) for tier in bench.capacity.configOf(2).tiers] == list(four)
    with reverts_with(bench.capacity.TooManyTiers, count=5):
        register(bench, tiers=(*four, Tier(1_000, 9_000)))


def test_no_tier_gives_back_more_than_the_rent(bench):
    register(bench, tiers=(Tier(9_000, 10_000),))
    with reverts_with(
        bench.capacity.OutOfRange, field=field("creditBps"), value=10_001, min=0, max=10_000
    ):
        register(bench, tiers=(Tier(9_000, 10_001),))


def test_addresses_must_be_somebody(bench):
    capacity = bench.capacity
    for payee in (NOBODY, capacity.address):
        with reverts_with(capacity.BadAddress, field=field("payee"), value=payee):
            register(bench, payee=payee)
    for to in (NOBODY, capacity.address):
        with reverts_with(capacity.BadAddress, field=field("to"), value=to):
            register(bench, to=to)


def test_the_stablecoin_must_be_listed(bench, project, owner):
    other = project.MockERC20.deploy("Other", "OTH", 6, sender=owner)
    with reverts_with(bench.stablecoins.StablecoinNotAllowed, token=other):
        register(bench, stablecoin=other.address)


def test_the_attestor_set_must_exist(bench):
    with reverts_with(bench.telemetry.UnknownSet, setId=2):
        register(bench, attestor_set=2)


def test_terms_have_bounds(bench):
    capacity = bench.capacity
    with reverts_with(capacity.NoTerms):
        register(bench, terms=[])
    for term, name, value, low, high in [
        (Term(0, 1, 1), "minEpochs", 0, 1, 4_096),
        (Term(4_097, 4_097, 1), "minEpochs", 4_097, 1, 4_096),
        (Term(2, 1, 1), "maxEpochs", 1, 2, 4_096),
        (Term(1, 4_097, 1), "maxEpochs", 4_097, 1, 4_096),
        (Term(1, 1, 0), "priceBps", 0, 1, 50_000),
        (Term(1, 1, 50_001), "priceBps", 50_001, 1, 50_000),
    ]:
        with reverts_with(capacity.OutOfRange, field=field(name), value=value, min=low, max=high):
            capacity.addTerm(1, term, sender=bench.operator)
    register(bench, terms=[Term(1, 4_096, 50_000), Term(4_096, 4_096, 1)])


def test_at_most_eight_terms_are_active(bench):
    capacity = bench.capacity
    for count in range(2, 8):
        assert capacity.addTerm(1, TERMS[0], sender=bench.operator).return_value == count
    with reverts_with(capacity.TooManyTerms, capacity=1, active=8, ever=8):
        capacity.addTerm(1, TERMS[0], sender=bench.operator)
    receipt = capacity.retireTerm(1, 3, sender=bench.operator)
    assert receipt.events == [capacity.TermRetired(capacity=1, term=3)]
    assert capacity.termOf(1, 3) == (tuple(TERMS[0]), False)
    with reverts_with(capacity.TermNotActive, capacity=1, term=3):
        capacity.retireTerm(1, 3, sender=bench.operator)
    assert capacity.addTerm(1, Term(3, 5, 7), sender=bench.operator).return_value == 8
    assert capacity.termCount(1) == 9
    assert capacity.termOf(1, 8) == (Term(3, 5, 7), True)


def test_at_most_255_terms_are_ever_written(bench, lane):
    capacity = lane.contract(bench.capacity)
    for term in range(2, 255):
        capacity.send("addTerm", 1, Term(1, 1, 1), sender=bench.operator)
        capacity.send("retireTerm", 1, term, sender=bench.operator)
    with reverts_with(bench.capacity.TooManyTerms, capacity=1, active=2, ever=255):
        capacity.send("addTerm", 1, Term(1, 1, 1), sender=bench.operator)


def test_price_has_bounds(bench):
    capacity = bench.capacity
    for price in (1, 2**82):
        receipt = capacity.setPrice(1, price, sender=bench.operator)
        assert receipt.events == [
            capacity.PriceSet(capacity=1, price=price),
            capacity.MetadataUpdate(_tokenId=1),
        ]
        assert capacity.priceOf(1) == price
    for price in (0, 2**82 + 1):
        with reverts_with(capacity.OutOfRange, field=field("price"), value=price, min=1, max=2**82):
            capacity.setPrice(1, price, sender=bench.operator)


def test_the_deed_owner_runs_it_and_nobody_else(bench, tenant, owner):
    capacity = bench.capacity
    capacity.transferFrom(bench.operator, tenant, 1, sender=bench.operator)
    for nobody in (bench.operator, owner):
        for call in (
            lambda who: capacity.setPrice(1, 1, sender=who),
            lambda who: capacity.setOpen(1, False, sender=who),
            lambda who: capacity.addTerm(1, TERMS[0], sender=who),
            lambda who: capacity.retireTerm(1, 0, sender=who),
        ):
            with reverts_with(capacity.NotDeedOwner, capacity=1, caller=nobody):
                call(nobody)
    assert capacity.isOpen(1)
    receipt = capacity.setOpen(1, False, sender=tenant)
    assert receipt.events == [
        capacity.OpenSet(capacity=1, open=False),
        capacity.MetadataUpdate(_tokenId=1),
    ]
    assert not capacity.isOpen(1)


def test_a_capacity_that_nobody_registered_is_unknown(bench):
    capacity = bench.capacity
    for call in (
        lambda: capacity.configOf(9),
        lambda: capacity.serviceLevelOf(9),
        lambda: capacity.offerOf(9, 0, 0, 1, 1),
        lambda: capacity.payeeOf(9),
        lambda: capacity.priceOf(9),
        lambda: capacity.priceFloorOf(9),
        lambda: capacity.isOpen(9),
        lambda: capacity.termOf(9, 0),
        lambda: capacity.termCount(9),
        lambda: capacity.tokenURI(9),
        lambda: capacity.setPrice(9, 1, sender=bench.operator),
    ):
        with reverts_with(capacity.UnknownCapacity, capacity=9):
            call()


def test_an_offer_rounds_the_rent_up(bench):
    bench.capacity.setPrice(1, 333, sender=bench.operator)
    offer = bench.capacity.offerOf(1, 1, 0, 1, 1)
    assert offer.rent == -(-333 * 8_001 // 10_000) == 267
    assert (offer.minEpochs, offer.maxEpochs, offer.units) == (30, 4_096, bench.config.units)
    assert offer.stablecoin == bench.config.stablecoin
    with reverts_with(bench.capacity.TermNotActive, capacity=1, term=2):
        bench.capacity.offerOf(1, 2, 0, 1, 1)


@pytest.fixture
def feed(bench, project, owner):
    """A live index of 2.73 dollars an accelerator-hour."""
    feed = project.PriceFeed.deploy(8, 273_000_000, sender=owner)
    bench.index.setFeed(bench.config.hardware_class, feed, DAY, sender=owner)
    return feed


@pytest.mark.parametrize("decimals", [2, 6, 18])
def test_the_floor_is_a_share_of_the_index_rounded_up(bench, feed, project, owner, decimals):
    coin = project.MockERC20.deploy("Coin", "COIN", decimals, sender=owner)
    bench.stablecoins.setStablecoin(coin, True, sender=owner)
    register(bench, price=2**80, price_floor_bps=7_001, stablecoin=coin.address)
    exact = Fraction(273, 100) * 8 * 24 * Fraction(7_001, 10_000) * 10**decimals
    floor = -(-exact.numerator // exact.denominator)
    assert bench.capacity.priceFloorOf(2) == floor
    bench.capacity.setPrice(2, floor, sender=bench.operator)
    assert bench.capacity.offerOf(2, 0, 0, 1, 1).rent == floor
    bench.capacity.setPrice(2, floor - 1, sender=bench.operator)
    assert bench.capacity.offerOf(2, 0, 0, 1, 1).rent == floor
    bench.capacity.setPrice(2, floor + 1, sender=bench.operator)
    assert bench.capacity.offerOf(2, 0, 0, 1, 1).rent == floor + 1


def test_without_an_index_nothing_is_leased_above_a_floor(bench, feed, lane):
    register(bench, price_floor_bps=1)
    bench.capacity.offerOf(2, 0, 0, 1, 1)
    lane.mine(at=lane.time + 2 * DAY)
    with reverts_with(bench.capacity.IndexInvalid, hardwareClass=bench.config.hardware_class):
        bench.capacity.offerOf(2, 0, 0, 1, 1)
    assert bench.capacity.offerOf(1, 0, 0, 1, 1).rent == PRICE


def test_constructor_needs_all_it_stands_on(bench, project, owner):
    parts = [bench.stablecoins, bench.index, bench.telemetry, bench.capacity.RENDERER()]
    for missing, name in enumerate(["stablecoins", "index", "telemetry", "renderer"]):
        arguments = [*parts]
        arguments[missing] = NOBODY
        with reverts_with(project.ComputeCapacity.BadAddress, field=field(name), value=NOBODY):
            project.ComputeCapacity.deploy(*arguments, sender=owner)


def test_it_is_an_erc721(bench):
    for interface in ("0x01ffc9a7", "0x80ac58cd", "0x5b5e139f"):
        assert bench.capacity.supportsInterface(interface)
    assert not bench.capacity.supportsInterface("0xffffffff")
    assert (bench.capacity.name(), bench.capacity.symbol()) == ("Derrick Compute Capacity", "DCAP")
    head, _, body = bench.capacity.tokenURI(1).partition(",")
    assert head == "data:application/json;base64"
    assert json.loads(b64decode(body))["name"].startswith("Compute capacity 1")


def test_registering_tells_terms_price_and_tiers_as_they_are(bench):
    """All that an indexer needs is in the events of the one transaction."""
    capacity = bench.capacity
    terms = [Term(1, 365, 10_000), Term(30, 4_096, 8_001)]
    tiers = (Tier(10_000, 1), Tier(9_000, 10_000))
    receipt = register(bench, price=77, terms=terms, committed_uptime_bps=10_000, tiers=tiers)
    [registered] = receipt.events.filter(capacity.CapacityRegistered)
    assert [tuple(tier) for tier in registered.config[17]] == list(tiers)
    added = receipt.events.filter(capacity.TermAdded)
    assert [(event.term, tuple(event.conditions)) for event in added] == [
        (index, tuple(term)) for index, term in enumerate(terms)
    ]
    assert capacity.PriceSet(capacity=2, price=77) in receipt.events
    assert capacity.OpenSet(capacity=2, open=True) in receipt.events
    assert (capacity.isOpen(2), capacity.priceOf(2)) == (True, 77)
    assert capacity.configOf(2).committedUptimeBps == 10_000


def test_who_may_move_the_deed_does_not_run_the_capacity(bench, tenant, stranger):
    """A marketplace that is approved to sell the deed cannot reprice or close it."""
    capacity = bench.capacity
    capacity.approve(tenant, 1, sender=bench.operator)
    capacity.setApprovalForAll(stranger, True, sender=bench.operator)
    for approved in (tenant, stranger):
        with reverts_with(capacity.NotDeedOwner, capacity=1, caller=approved):
            capacity.setPrice(1, 1, sender=approved)


def test_each_capacity_offers_its_own_stablecoin(bench, project, owner):
    other = project.MockERC20.deploy("Other", "OTH", 18, sender=owner)
    bench.stablecoins.setStablecoin(other, True, sender=owner)
    register(bench, stablecoin=other.address)
    assert bench.capacity.offerOf(2, 0, 0, 1, 1).stablecoin == other.address
    assert bench.capacity.payeeOf(2).stablecoin == other.address
    assert bench.capacity.offerOf(1, 0, 0, 1, 1).stablecoin == bench.config.stablecoin


def test_a_retired_term_offers_nothing(bench):
    bench.capacity.retireTerm(1, 0, sender=bench.operator)
    with reverts_with(bench.capacity.TermNotActive, capacity=1, term=0):
        bench.capacity.offerOf(1, 0, 0, 1, 1)
    bench.capacity.offerOf(1, 1, 0, 1, 1)


def test_the_smallest_floor_is_a_floor(bench, feed):
    """One basis point of the index: 5.2416 cents of a day's 524.16 dollars."""
    register(bench, price=52_415, price_floor_bps=1)
    assert bench.capacity.priceFloorOf(2) == 52_416
    assert bench.capacity.offerOf(2, 0, 0, 1, 1).rent == 52_416
