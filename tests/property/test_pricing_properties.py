"""The pricing modules against exact fractions, epoch by epoch, for any occupancy, time and feed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from derrick.abi import Revert
from derrick.chain import Contract, Lane
from derrick.structs import DAY, HOUR, NOBODY, WEEK, CapacityConfig, ascii_bytes
from derrick.testing import isolated

CAPACITY = 7
BPS = 10_000
MAX_SET_PRICE = 2**80 - 1
MAX_PRICE = 2**82
MAX_UNITS = 32_767
LIFETIME = 131_071
EPOCHS = 40
"""Occupied at most; leases may reach beyond."""

Curve = tuple[int, int, int, int]

prices = st.one_of(st.integers(1, 30), st.integers(1, 10**10), st.integers(1, MAX_SET_PRICE))
epochs = st.tuples(st.integers(0, EPOCHS), st.integers(1, EPOCHS)).map(lambda t: (t[0], sum(t)))


@dataclass
class World:
    """What all examples share."""

    lane: Lane
    owner: str
    fleet: Contract
    feed: Contract
    coins: dict[int, str]
    utilization: Contract
    auction: Contract
    index: Contract

    def configure(self, **changes: Any) -> None:
        """Let the capacity be of this make."""
        config = CapacityConfig(
            hardware_class=ascii_bytes("H100-SXM-80GB", 32),
            site=ascii_bytes("OK-1", 8),
            service_kind=0,
            country=840,
            accelerators_per_unit=8,
            watts_per_unit=10_200,
            pue_bps=12_500,
            units=MAX_UNITS,
            epoch_length=DAY,
            lifetime_epochs=LIFETIME,
            origin=0,
            committed_uptime_bps=9_990,
            blackout_credit_bps=5_000,
            price_floor_bps=0,
            attestor_set=1,
            stablecoin=self.coins[6],
            payee=NOBODY,
            tiers=(),
        )
        self.fleet.send("setConfig", config._replace(**changes), sender=self.owner)

    def occupy(self, attested: int, used: Sequence[int]) -> None:
        """Let so many units be attested and, epoch by epoch, leased."""
        self.fleet.send("setUse", attested, used, sender=self.owner)

    def quotes(self, module: Contract, *asked: tuple[int, int, int]) -> list[int]:
        """Prices of (start, end, units)."""
        return self.lane.batch([module.call("quote", CAPACITY, *item) for item in asked])


@pytest.fixture(scope="module")
def world(project, lane, owner):
    fleet = owner.deploy(project.PricedFleet, owner)
    feed = owner.deploy(project.HostileFeed)
    coins = {
        places: owner.deploy(project.MockERC20, "Dollar", "USD", places).address
        for places in (2, 6, 18)
    }
    return World(
        lane=lane,
        owner=owner.address,
        fleet=lane.contract(fleet),
        feed=lane.contract(feed),
        coins=coins,
        utilization=lane.contract(owner.deploy(project.UtilizationPricing, fleet, fleet)),
        auction=lane.contract(owner.deploy(project.DutchAuctionPricing, fleet)),
        index=lane.contract(owner.deploy(project.IndexPricing, fleet)),
    )


def assert_parts_cost_the_whole(whole: int, size: int, parts: Sequence[tuple[int, int]]) -> None:
    """Each price is rounded up by less than one base unit for each of what it counts for."""
    assert sum(part for _, part in parts) == size
    assert abs(whole * size - sum(price * part for price, part in parts)) < size


# ---- By use -------------------------------------------------------------------------------------


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    idle, kink, full = sorted(draw(st.tuples(prices, prices, prices)))
    return (
        idle,
        kink,
        full,
        draw(st.one_of(st.sampled_from([1, 8_000, 9_999]), st.integers(1, 9_999))),
    )


@st.composite
def fleets(draw: st.DrawFn) -> tuple[int, list[int]]:
    """Units attested, and in use per epoch: more than attested, if some are gone since."""
    attested = draw(st.one_of(st.integers(1, 10), st.integers(1, MAX_UNITS)))
    most = min(MAX_UNITS, attested * draw(st.sampled_from([1, 1, 1, 3])))
    return attested, draw(st.lists(st.integers(0, most), max_size=EPOCHS))


def price_at(curve: Curve, use: Fraction) -> Fraction:
    """Of the next bit, at this use."""
    idle, kink_price, full, kink_bps = curve
    kink = Fraction(kink_bps, BPS)
    if use <= kink:
        return idle + (kink_price - idle) * use / kink
    return kink_price + (full - kink_price) * (min(use, Fraction(1)) - kink) / (1 - kink)


def mean_price(curve: Curve, before: Fraction, after: Fraction) -> Fraction:
    """From one use to another: a straight line's mean is that of its two ends."""
    bends = [bend for bend in (Fraction(curve[3], BPS), Fraction(1)) if before < bend < after]
    area = sum(
        (b - a) * (price_at(curve, a) + price_at(curve, b)) / 2
        for a, b in pairwise([before, *bends, after])
    )
    return Fraction(area) / (after - before)


def utilization_price(
    curve: Curve, attested: int, used: Sequence[int], start: int, end: int, units: int
) -> Fraction:
    """The mean use of the asked epochs, before and after; epoch by epoch."""
    taken = min(max(units, 1), attested)
    before = [
        Fraction(used[epoch] if epoch < len(used) else 0, attested) for epoch in range(start, end)
    ]
    after = [use + Fraction(taken, attested) for use in before]
    return mean_price(curve, sum(before) / len(before), sum(after) / len(after))


@given(curve=curves(), fleet=fleets(), span=epochs, units=st.integers(0, 2 * MAX_UNITS))
@example(curve=(1, 2, 3, 5_000), fleet=(1, []), span=(0, 1), units=1)
@example(curve=(1, 2, 3, 5_000), fleet=(2, [1]), span=(0, 1), units=1)
def test_utilization_is_the_mean_of_the_curve(world, curve, fleet, span, units):
    """To the base unit, rounded up; within the curve's prices; never less for more units."""
    attested, used = fleet
    with isolated(world.lane):
        world.occupy(attested, used)
        world.utilization.send("setCurve", CAPACITY, *curve, sender=world.owner)
        price, more = world.quotes(world.utilization, (*span, units), (*span, units + 1))
        assert price == ceil(utilization_price(curve, attested, used, *span, units))
        assert curve[0] <= price <= more <= curve[2]


@given(
    curve=curves(),
    fleet=fleets(),
    span=epochs,
    parts=st.lists(st.integers(1, 99), min_size=1, max_size=4),
)
def test_utilization_does_not_care_how_an_order_is_split(world, curve, fleet, span, parts):
    """Each part is priced on what the ones before it left."""
    attested, used = fleet
    used += [0] * (2 * EPOCHS - len(used))
    shares = [part * attested // (sum(parts) + 1) for part in parts]
    parts = [share for share in shares if share] or [1]
    with isolated(world.lane):
        world.occupy(attested, used)
        world.utilization.send("setCurve", CAPACITY, *curve, sender=world.owner)
        (whole,) = world.quotes(world.utilization, (*span, sum(parts)))
        signed = []
        for part in parts:
            signed += world.quotes(world.utilization, (*span, part))
            for epoch in range(*span):
                used[epoch] += part
            world.occupy(attested, used)
        assert signed == sorted(signed)
        assert_parts_cost_the_whole(whole, sum(parts), list(zip(signed, parts, strict=True)))


@given(
    curve=curves(), used=st.lists(st.integers(0, MAX_UNITS), max_size=3), units=st.integers(0, 9)
)
def test_without_attested_units_all_is_full(world, curve, used, units):
    with isolated(world.lane):
        world.occupy(0, used)
        world.utilization.send("setCurve", CAPACITY, *curve, sender=world.owner)
        assert world.quotes(world.utilization, (0, 1, units)) == [curve[2]]


@pytest.mark.parametrize("kink_bps", [1, 5_000, 9_999])
@pytest.mark.parametrize("leased", [0, 1, MAX_UNITS * LIFETIME // 2, MAX_UNITS * LIFETIME])
@pytest.mark.parametrize("attested", [1, MAX_UNITS])
def test_utilization_of_the_largest_fleet_is_exact(world, kink_bps, leased, attested):
    """The highest prices and the longest life there can be: no intermediate figure overflows."""
    curve = (MAX_SET_PRICE - 2, MAX_SET_PRICE - 1, MAX_SET_PRICE, kink_bps)
    with isolated(world.lane):
        world.occupy(attested, [leased])
        world.utilization.send("setCurve", CAPACITY, *curve, sender=world.owner)
        (price,) = world.quotes(world.utilization, (0, LIFETIME, attested))
        before = Fraction(leased, attested * LIFETIME)
        assert price == ceil(mean_price(curve, before, before + 1))


# ---- By time ------------------------------------------------------------------------------------


@st.composite
def auctions(draw: st.DrawFn) -> tuple[int, int, int]:
    low, high = sorted(draw(st.tuples(prices, prices)))
    lead = draw(st.one_of(st.integers(HOUR, 365 * DAY), st.integers(1, 40).map(lambda n: n * DAY)))
    return high, low, lead


lengths = st.one_of(st.sampled_from([HOUR, DAY, WEEK]), st.integers(HOUR, WEEK))
origins = st.one_of(st.integers(-300 * DAY, 365 * DAY), st.integers(-30, 30).map(lambda n: n * DAY))
"""Seconds from now to the first epoch."""


def auction_price(
    auction: tuple[int, int, int], until_origin: int, length: int, start: int, end: int
) -> Fraction:
    """The mean over epochs of each one's own price."""
    high, low, lead = auction
    total = Fraction(0)
    for epoch in range(start, end):
        ahead = min(max(until_origin + epoch * length, 0), lead)
        total += low + Fraction((high - low) * ahead, lead)
    return total / (end - start)


@given(
    auction=auctions(),
    length=lengths,
    ahead=origins,
    span=st.tuples(st.integers(0, 300), st.integers(1, 60)).map(lambda t: (t[0], sum(t))),
    cut=st.integers(1, 60),
    wait=st.integers(1, 40 * DAY),
)
@example(auction=(9, 1, 8 * DAY), length=DAY, ahead=0, span=(0, 20), cut=4, wait=DAY)
def test_an_auction_is_the_mean_of_its_epochs(world, auction, length, ahead, span, cut, wait):
    """To the base unit, rounded up; within its prices; the same in parts; never more with time."""
    high, low, _ = auction
    start, end = span
    middle = min(start + cut, end)
    with isolated(world.lane):
        origin = world.lane.time + ahead
        world.configure(origin=origin, epoch_length=length)
        world.auction.send("setAuction", CAPACITY, *auction, sender=world.owner)
        asked = [(start, end, 1), (start + 1, end + 1, 1), (start, end, 2**256 - 1)]
        pieces = [(a, b, 1) for a, b in ((start, middle), (middle, end)) if a < b]
        price, next_price, many, *parts = world.quotes(world.auction, *asked, *pieces)
        exact = auction_price(auction, origin - world.lane.time, length, start, end)
        assert price == many == ceil(exact)
        assert low <= price <= next_price <= high
        counts = [b - a for a, b, _ in pieces]
        assert_parts_cost_the_whole(price, end - start, list(zip(parts, counts, strict=True)))

        world.lane.mine(at=world.lane.time + wait)
        assert world.quotes(world.auction, (start, end, 1))[0] <= price


@pytest.mark.parametrize("ahead", [-1_000 * WEEK, -30 * DAY, 365 * DAY])
def test_an_auction_of_a_whole_life_is_exact(world, ahead):
    """The highest price and the longest life: no intermediate figure overflows."""
    auction = (MAX_SET_PRICE, 1, 365 * DAY)
    with isolated(world.lane):
        origin = world.lane.time + ahead
        world.configure(origin=origin, epoch_length=HOUR)
        world.auction.send("setAuction", CAPACITY, *auction, sender=world.owner)
        (price,) = world.quotes(world.auction, (0, LIFETIME, 1))
        until = origin - world.lane.time
        ahead_of = sum(min(max(until + epoch * HOUR, 0), 365 * DAY) for epoch in range(LIFETIME))
        assert price == 1 + ceil(Fraction((MAX_SET_PRICE - 1) * ahead_of, LIFETIME * 365 * DAY))


# ---- By a feed ----------------------------------------------------------------------------------


@given(
    answer=st.one_of(st.integers(1, 10**10), st.integers(1, 2**96 - 1)),
    accelerators=st.integers(1, 4_096),
    length=lengths,
    markup=st.integers(1, 50_000),
    places=st.sampled_from([2, 6, 18]),
)
@example(answer=1, accelerators=1, length=HOUR, markup=1, places=2)
@example(answer=2**96 - 1, accelerators=4_096, length=WEEK, markup=50_000, places=18)
def test_an_index_is_its_answer_for_a_unit(world, answer, accelerators, length, markup, places):
    """To the base unit, rounded up, or refused where no price can be that high."""
    with isolated(world.lane):
        world.configure(
            epoch_length=length,
            accelerators_per_unit=accelerators,
            stablecoin=world.coins[places],
        )
        world.feed.send("setRound", answer, world.lane.time, sender=world.owner)
        world.index.send("setLink", CAPACITY, world.feed, DAY, markup, sender=world.owner)
        dollars = Fraction(answer, 10**8) * accelerators * Fraction(length, HOUR)
        exact = ceil(dollars * Fraction(markup, BPS) * 10**places)
        (quoted,) = world.lane.try_batch([world.index.call("quote", CAPACITY, 0, 1, 1)])
        if exact <= MAX_PRICE:
            assert quoted == exact
        else:
            assert isinstance(quoted, Revert)
            assert quoted.name == "OutOfRange"
            assert quoted.inputs["value"] == exact


@given(
    answer=st.one_of(st.integers(-3, 3), st.integers(-(2**255), 2**255 - 1)),
    age=st.one_of(st.integers(-3, DAY + 3), st.integers(-(2**40), 2**30)),
)
def test_an_index_takes_no_answer_but_a_current_price(world, answer, age):
    with isolated(world.lane):
        world.configure(origin=0)
        world.index.send("setLink", CAPACITY, world.feed, DAY, BPS, sender=world.owner)
        updated = world.lane.time + 1 - age
        world.feed.send("setRound", answer, updated, sender=world.owner)
        (quoted,) = world.lane.try_batch([world.index.call("quote", CAPACITY, 0, 1, 1)])
        if not 0 < answer < 2**96:
            assert isinstance(quoted, Revert)
            assert (quoted.name, quoted.inputs["answer"]) == ("BadAnswer", answer)
        elif not 0 <= age <= DAY:
            assert isinstance(quoted, Revert)
            assert (quoted.name, quoted.inputs["updatedAt"]) == ("AnswerNotCurrent", updated)
        elif isinstance(quoted, Revert):
            assert quoted.name == "OutOfRange"
        else:
            assert quoted == ceil(Fraction(answer * 192, 100))
