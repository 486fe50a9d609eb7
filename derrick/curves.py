"""What each way of pricing asks, read from the contracts on the embedded node and drawn as SVG.

`read_charts` puts capacities of one make on a local market, each priced in its own way, lets
tenants lease and time pass, and asks the lease engine for the rent at every step. `draw` makes the
picture: colours for light and dark pages stand in it, and so do all figures in base units, in the
lines' `data-figures`. The same contracts always give the same bytes.
"""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import ape

from derrick.data import BPS, PRICE_DECIMALS, listings
from derrick.market import DAY, MAX_UINT256, ON_DEMAND, LeaseRequest, LocalMarket

UNITS, ACCELERATORS = 100, 8
"""Nodes in each capacity, so that one is one percent of its use, and accelerators in a node."""

DOLLAR = 10**6
"""Base units of the local stablecoin."""

CENT = 10**6
"""Of the feed: its answers have 8 decimals."""

FIXED_PRICE = 480 * DOLLAR
IDLE, KINK, FULL, KINK_BPS = 400 * DOLLAR, 560 * DOLLAR, 1_200 * DOLLAR, 8_000
HIGH, LOW, LEAD_DAYS = 800 * DOLLAR, 400 * DOLLAR, 45
MARKUP_BPS, HEARTBEAT = 10_500, 2 * DAY

ORDER = 25
"""Units of the order that is compared with single units."""

LONG = 30
"""Days of the leases that are compared with single days."""

HORIZON = 60
"""Days ahead that the auction is drawn for."""

FEED = ((0, 240), (20, 295), (45, 210), (60, 230), (90, 195))
"""A made-up path of an index: day, and cents per accelerator-hour; straight between."""

SIGNED_ON = (5, 35, 59)
"""Days on which leases are signed at the index of the day."""


@dataclass(frozen=True)
class Line:
    """Points (x, base units) of one thing, what it is called, and how it is drawn."""

    label: str
    style: str
    points: Sequence[tuple[int, int]]
    dotted_at: Sequence[int] = ()
    """Indices of points that get a dot."""


@dataclass(frozen=True)
class Note:
    """Words below a point, to its right."""

    x: int
    amount: int
    text: str


@dataclass(frozen=True)
class Chart:
    """What is drawn; x runs from the first tick to the last, falling or rising."""

    title: str
    x_label: str
    x_ticks: Sequence[int]
    lines: Sequence[Line]
    notes: Sequence[Note] = ()
    x_unit: str = ""


# ---- Reading ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Shop:
    """A capacity of the local market, and what tenants do with it."""

    market: LocalMarket
    id: int
    origin: int

    def request(self, units: int, start: int, days: int) -> LeaseRequest:
        tenant = self.market.tenant.address
        return LeaseRequest(self.id, tenant, ON_DEMAND, units, start, start + days, MAX_UINT256)

    def rents(self, *requests: LeaseRequest) -> list[int]:
        """What the engine would sign these at, now."""
        engine = self.market.lane.contract(self.market.lease)
        quotes = self.market.lane.batch(engine.call("quote", request) for request in requests)
        return [quote.rent for quote in quotes]

    def sign(self, request: LeaseRequest) -> int:
        """The id of the lease that this becomes."""
        engine = self.market.lane.contract(self.market.lease)
        receipt = engine.send("lease", request, sender=self.market.tenant)
        return int(receipt.event("Leased").lease)


def read_charts(market: LocalMarket) -> dict[str, Chart]:
    """Every picture's chart, by name. Takes the market some 90 days on."""
    market.usdc.mint(market.tenant, 10**9 * DOLLAR)
    market.stablecoin.approve(market.lease, MAX_UINT256, sender=market.tenant)
    fixed, used, timed, linked = (_open(market) for _ in range(4))

    market.capacity.setPrice(fixed.id, FIXED_PRICE, sender=market.operator)
    utilization = _module(market, "UtilizationPricing", market.capacity, market.lease)
    utilization.setCurve(used.id, IDLE, KINK, FULL, KINK_BPS, sender=market.operator)
    market.capacity.setPricing(used.id, utilization, sender=market.operator)
    auction = _module(market, "DutchAuctionPricing", market.capacity)
    auction.setAuction(timed.id, HIGH, LOW, LEAD_DAYS * DAY, sender=market.operator)
    market.capacity.setPricing(timed.id, auction, sender=market.operator)

    # Whole days ahead of an epoch, to the second: every transaction takes some time.
    market.lane.mine(at=timed.origin)
    falling = _read_auction(timed)
    return {
        "fixed": _read_fixed(fixed),
        "utilization": _read_utilization(used),
        "auction": falling,
        "index": _read_index(linked),
    }


def _open(market: LocalMarket) -> _Shop:
    listing = dataclasses.replace(listings()[0], units=UNITS, accelerators_per_unit=ACCELERATORS)
    registered = market.register(listing)
    return _Shop(market, registered.id, registered.origin)


def _module(market: LocalMarket, name: str, *arguments: Any) -> Any:
    return market.owner.deploy(getattr(ape.project, name), *arguments)


def _read_fixed(shop: _Shop) -> Chart:
    points: list[tuple[int, int]] = []
    for leased in range(0, UNITS, 10):
        points += zip([leased], shop.rents(shop.request(1, 2, 1)), strict=True)
        shop.sign(shop.request(10, 2, 1))
    points += zip([UNITS], shop.rents(shop.request(1, 2, 1)), strict=True)
    line = Line("any order", "a", points)
    return Chart("Fixed price", "units leased in the asked epochs", _percents(), [line], (), " %")


def _read_utilization(shop: _Shop) -> Chart:
    """The price of the next unit and of a large order, at every use."""
    single: list[tuple[int, int]] = []
    order: list[tuple[int, int]] = []
    for leased in range(UNITS):
        one, many = shop.rents(shop.request(1, 2, 1), shop.request(ORDER, 2, 1))
        single.append((leased, one))
        if leased + ORDER <= UNITS:
            order.append((leased, many))
        shop.sign(shop.request(1, 2, 1))
    kink = KINK_BPS * UNITS // BPS
    return Chart(
        title="Price by use",
        x_label="units leased in the asked epochs before the order",
        x_ticks=_percents(),
        lines=[
            Line("1 unit", "a", single, dotted_at=[kink]),
            Line(f"{ORDER} units at once", "b", order),
        ],
        notes=[Note(kink, single[kink][1], f"kink at {kink} %")],
        x_unit=" %",
    )


def _percents() -> list[int]:
    return list(range(0, UNITS + 1, 20))


def _read_auction(shop: _Shop) -> Chart:
    """The price of a lease that begins in so many days, in the first second of an epoch."""
    ahead = range(HORIZON, 0, -1)
    lines = [
        Line(label, style, list(zip(ahead, rents, strict=True)))
        for label, style, rents in (
            ("1 day", "a", shop.rents(*(shop.request(1, start, 1) for start in ahead))),
            (f"{LONG} days", "b", shop.rents(*(shop.request(1, start, LONG) for start in ahead))),
        )
    ]
    ticks = [*range(HORIZON, 0, -15), 0]
    return Chart("Falling as the time comes near", "days until the lease begins", ticks, lines)


def _read_index(shop: _Shop) -> Chart:
    """The price of the day, and the rents of leases that were signed at it; read at the end."""
    market = shop.market
    feed = market.owner.deploy(ape.project.PriceFeed, PRICE_DECIMALS, _answer(0))
    module = _module(market, "IndexPricing", market.capacity)
    module.setLink(shop.id, feed, HEARTBEAT, MARKUP_BPS, sender=market.operator)
    market.capacity.setPricing(shop.id, module, sender=market.operator)
    answers = market.lane.contract(feed)

    days, leases = range(FEED[-1][0] + 1), []
    quoted: list[tuple[int, int]] = []
    index: list[tuple[int, int]] = []
    for day in days:
        if day:
            market.lane.mine(at=shop.origin + day * DAY)
        market.refresh_feeds()
        answers.send("updateAnswer", _answer(day), sender=market.owner)
        index.append((day, _unit_day(answers.read("latestAnswer"))))
        quoted += zip([day], shop.rents(shop.request(1, day + 1, 1)), strict=True)
        if day in SIGNED_ON:
            leases.append((day, shop.sign(shop.request(10, day + 1, LONG))))

    lines = [Line("the index", "c", index), Line("a lease of the day", "a", quoted)]
    for day, lease in leases:
        rent = int(market.lease.leaseOf(lease).rent)
        label = "signed leases" if day == SIGNED_ON[-1] else ""
        lines.append(Line(label, "b", [(day, rent), (day + 1 + LONG, rent)], dotted_at=[0]))
    ticks = list(range(0, days[-1] + 1, 15))
    return Chart("Linked to an index", "day", ticks, lines)


def _unit_day(answer: int) -> int:
    """What the feed's answer comes to for a unit and a day, in base units, rounded down."""
    return ACCELERATORS * 24 * answer * DOLLAR // (100 * CENT)


def _answer(day: int) -> int:
    """The feed's answer of a day, USD per accelerator-hour with 8 decimals."""
    for (first, low), (last, high) in pairwise(FEED):
        if first <= day <= last:
            cents = low * (last - day) + high * (day - first)
            return cents * CENT // (last - first)
    raise ValueError(f"the path has no day {day}")


# ---- Drawing ------------------------------------------------------------------------------------

WIDTH, HEIGHT = 760, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 150, 52, 52
"""Pixels around the plot; names stand at the right."""

STYLE = """
.paper{fill:#fff}.ink{fill:#1c2430}.muted{fill:#5b6675}.grid{stroke:#e3e1da}
.line{fill:none;stroke-width:2.4;stroke-linejoin:round;stroke-linecap:round}
.stroke-a{stroke:#2b6cb0}.stroke-b{stroke:#b8621b}.stroke-c{stroke:#8a94a2;stroke-width:1.4}
.fill-a{fill:#2b6cb0}.fill-b{fill:#b8621b}.fill-c{fill:#5b6675}
text{font:13px system-ui,"DejaVu Sans",sans-serif}.title{font-weight:600;font-size:15px}
@media (prefers-color-scheme:dark){
.paper{fill:#12161c}.ink{fill:#eceff3}.muted{fill:#a3aebc}.grid{stroke:#2e3743}
.stroke-a{stroke:#5b9fe6}.stroke-b{stroke:#f0a04b}.stroke-c{stroke:#8390a0}
.fill-a{fill:#5b9fe6}.fill-b{fill:#f0a04b}.fill-c{fill:#a3aebc}
}
""".strip()


def draw(chart: Chart) -> str:
    """The chart as an SVG file."""
    plot = _Plot(chart)
    title = html.escape(chart.title, quote=True)
    body = [*plot.axes()]
    for line in chart.lines:
        body += plot.line(line)
    body += plot.labels()
    body += [plot.note(note) for note in chart.notes]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
            f' width="{WIDTH}" height="{HEIGHT}" aria-label="{title}">',
            f"<style>\n{STYLE}\n</style>",
            f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}" rx="10"/>',
            _text(LEFT, 24, chart.title, "ink title"),
            _text(LEFT, 41, "dollars per unit and day", "muted"),
            *body,
            "</svg>\n",
        ]
    )


class _Plot:
    """Where things stand in the picture."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        highest = max(amount for line in chart.lines for _, amount in line.points)
        self.step = next(
            step for step in (100, 200, 250, 500, 1_000) if highest <= 6 * step * DOLLAR
        )
        self.top = (highest // DOLLAR // self.step + 1) * self.step

    def x(self, value: float) -> float:
        first, last = self.chart.x_ticks[0], self.chart.x_ticks[-1]
        return LEFT + (WIDTH - LEFT - RIGHT) * (value - first) / (last - first)

    def y(self, amount: int) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * amount / (self.top * DOLLAR)

    def axes(self) -> list[str]:
        parts = []
        for dollars in range(0, self.top + 1, self.step):
            y = self.y(dollars * DOLLAR)
            parts.append(f'<path class="grid" d="M{LEFT} {y:.2f}H{WIDTH - RIGHT}"/>')
            parts.append(_text(LEFT - 8, y + 4.5, f"${dollars:,}", "muted", "end"))
        for tick in self.chart.x_ticks:
            words = f"{tick}{self.chart.x_unit}"
            parts.append(_text(self.x(tick), HEIGHT - BOTTOM + 19, words, "muted", "middle"))
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(_text(middle, HEIGHT - 12, self.chart.x_label, "muted", "middle"))
        return parts

    def line(self, line: Line) -> list[str]:
        points = " ".join(f"{self.x(x):.2f},{self.y(amount):.2f}" for x, amount in line.points)
        figures = " ".join(f"{x}:{amount}" for x, amount in line.points)
        parts = [
            f'<polyline class="line stroke-{line.style}" points="{points}"'
            f' data-figures="{figures}"/>'
        ]
        for index in line.dotted_at:
            x, amount = line.points[index]
            at = f'cx="{self.x(x):.2f}" cy="{self.y(amount):.2f}"'
            parts.append(f'<circle class="fill-{line.style}" r="4.5" {at}/>')
        return parts

    def labels(self) -> list[str]:
        """Names right of the lines' ends, pushed apart where they would touch."""
        ends = sorted(
            (self.y(line.points[-1][1]), line.label, line.style)
            for line in self.chart.lines
            if line.label
        )
        parts, free = [], 0.0
        for y, label, style in ends:
            free = max(y + 4.5, free)
            parts.append(_text(WIDTH - RIGHT + 10, free, label, f"fill-{style}"))
            free += 18
        return parts

    def note(self, note: Note) -> str:
        return _text(self.x(note.x) + 6, self.y(note.amount) + 18, note.text, "muted")


def _text(x: float, y: float, words: str, style: str, anchor: str = "start") -> str:
    text = html.escape(words)
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
