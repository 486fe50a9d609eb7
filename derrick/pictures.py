"""The report's pictures: inline SVG without colours of its own.

matplotlib draws them with stand-in colours, which are then replaced by the page's CSS variables, so
that one picture reads in light and in dark. Text stays text, in the page's font. The same
result always gives the same bytes.
"""

from __future__ import annotations

import html
import io
import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import FuncFormatter, MaxNLocator

from derrick.result import BPS, CapacityResult, DemoResult, Incident, LoanResult

WIDTH = 10.0
"""Inches; a page column of 1,000 CSS pixels makes a point of type 1.39 pixels."""

# Stand-ins: colour -> CSS variable. Never seen by a reader.
INK, MUTED, GRID, PAPER, CARD = "#010101", "#020202", "#030303", "#040404", "#0b0b0b"
RENT, CREDIT, SHARES, WAITING, OPERATOR, BAD = (
    "#050505",
    "#060606",
    "#070707",
    "#080808",
    "#090909",
    "#0a0a0a",
)
OCCUPANCY = tuple(f"#1010{i:02x}" for i in range(10, 21))
UPTIME = tuple(f"#2020{i:02x}" for i in range(10, 16))
_VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    CARD: "--card",
    RENT: "--rent",
    CREDIT: "--credit",
    SHARES: "--shares",
    WAITING: "--waiting",
    OPERATOR: "--operator",
    BAD: "--bad",
    **{colour: f"--occupancy-{i}" for i, colour in enumerate(OCCUPANCY)},
    **{colour: f"--uptime-{i}" for i, colour in enumerate(UPTIME)},
}

LOANS = (SHARES, RENT, OPERATOR, WAITING)

MINUS = "\u2212"

# Uptime classes, best first: (at least this many bps, what the legend calls it).
UPTIME_CLASSES = (
    (9_990, "99.9 % or more"),
    (9_900, "99 to 99.9 %"),
    (9_500, "95 to 99 %"),
    (8_000, "80 to 95 %"),
    (6_000, "60 to 80 %"),
    (0, "below 60 %"),
)

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "derrick",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.parse_math": False,
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A heat map's cell: its colour, what hovering says, and what stands in it."""

    colour: str
    says: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Branch:
    """A sum of money and what it splits into. Lengths in inches."""

    name: str
    amount: int
    colour: str
    scale: float
    parts: tuple[Branch, ...] = ()

    @property
    def height(self) -> float:
        """Of its band."""
        return self.amount * self.scale

    @property
    def slot(self) -> float:
        """Of the room it needs with its label and its parts."""
        return max(self.height + 0.1, 0.44, sum(part.slot for part in self.parts))


def _styled(draw: Callable[[DemoResult], str]) -> Callable[[DemoResult], str]:
    """Draws in this module's style and leaves matplotlib's own settings alone."""

    @wraps(draw)
    def styled(result: DemoResult) -> str:
        with mpl.rc_context(_STYLE):
            return draw(result)

    return styled


def money(amount: int, decimals: int = 6, places: int = 2) -> str:
    """Base units as dollars: $1,234.56, rounded half away from zero."""
    unit = 10**decimals
    cents = (abs(amount) * 10**places * 2 + unit) // (2 * unit)
    sign = MINUS if amount < 0 and cents else ""
    whole, part = divmod(cents, 10**places)
    return f"{sign}${whole:,}" + (f".{part:0{places}d}" if places else "")


def percent(bps: int, places: int = 1) -> str:
    """Basis points as a percentage, rounded down, so that only 10,000 reads 100 %."""
    if bps % BPS == 0:
        return f"{bps // 100} %"
    return f"{bps * 10**places // 100 / 10**places:.{places}f} %"


def period(result: DemoResult) -> str:
    """What an epoch is called: day, hour, or epoch."""
    return {86_400: "day", 3_600: "hour"}.get(result.epoch_seconds, "epoch")


@_styled
def occupancy(result: DemoResult) -> str:
    """Heat map: capacity by epoch, colour = units leased / units; the ends mean none and all."""

    def cell(capacity: CapacityResult, index: int) -> Cell:
        leased = capacity.epochs[index].units_leased
        step = max(leased > 0, leased * (len(OCCUPANCY) - 1) // capacity.units)
        return Cell(OCCUPANCY[step], f"{leased} of {capacity.units} units leased")

    figure, axes = _heat_map(result, cell)
    for row, capacity in enumerate(result.capacities):
        _side(axes, result, row, percent(capacity.occupancy_bps, 0))
    _side(axes, result, -1, "leased")
    _ramp(figure, OCCUPANCY, "no unit leased", "all units leased")
    return _svg(figure, "Occupancy calendar")


@_styled
def uptime(result: DemoResult) -> str:
    """Heat map: capacity by epoch, colour = uptime class; a number where it fell below 95 %."""

    def cell(capacity: CapacityResult, index: int) -> Cell:
        bps = capacity.epochs[index].uptime_bps
        place = next(i for i, (least, _) in enumerate(UPTIME_CLASSES) if bps >= least)
        grid = ", given to the grid" if capacity.epochs[index].curtailed else ""
        says = f"up {percent(bps, 2)}{grid}"
        return Cell(UPTIME[place], says, str(bps // 100) if place > 2 else "")

    figure, axes = _heat_map(result, cell)
    for row, capacity in enumerate(result.capacities):
        _side(axes, result, row, percent(capacity.uptime_bps))
    _side(axes, result, -1, "mean")
    for incident in result.incidents:
        row = [capacity.key for capacity in result.capacities].index(incident.capacity)
        width = incident.last_epoch - incident.first_epoch + 1
        frame = Rectangle((incident.first_epoch - 0.5, row - 0.5), width, 1, fill=False)
        frame.set(edgecolor=BAD, linewidth=1.8, joinstyle="round")
        axes.add_patch(frame)
    _swatches(figure, [(colour, n) for colour, (_, n) in zip(UPTIME, UPTIME_CLASSES, strict=True)])
    return _svg(figure, "Uptime per capacity")


@_styled
def rent(result: DemoResult) -> str:
    """Bars per epoch: rent earned and, on top, rent that went back as credit."""
    figure = Figure(figsize=(WIDTH, 3.5))
    axes = figure.add_axes((0.075, 0.2, 0.915, 0.78))
    epochs = result.epochs
    unit = 10**result.decimals
    credit, net = _per_epoch(result)
    axes.bar(epochs, [v / unit for v in net], color=RENT, width=0.78)
    axes.bar(
        epochs,
        [v / unit for v in credit],
        bottom=[v / unit for v in net],
        color=CREDIT,
        width=0.78,
    )
    top = max(((a + b) / unit for a, b in zip(net, credit, strict=True)), default=0) or 1.0
    for incident in result.incidents:
        _bracket(axes, result, incident, top * 1.07)
    axes.set_ylim(0, top * (1.2 if result.incidents else 1.05))
    _time_axis(axes, result)
    _money_axis(axes)
    _swatches(figure, [(RENT, "earned by running machines"), (CREDIT, "credited back to tenants")])
    return _svg(figure, "Rent and credits per epoch")


@_styled
def penalties(result: DemoResult) -> str:
    """Left, what each epoch in penalty set aside; right, what tenants were paid: whose part."""
    taken = [
        (f"{period(result)} {each.epoch}", each.of_operator, each.of_stakers, 0)
        for bond in result.bonds
        for each in bond.penalties
    ]
    paid = [(each.tenant, each.of_operator, each.of_stakers, 0) for each in result.payments]
    got = sorted(paid, key=lambda row: -sum(row[1:]))
    if result.reserved_by_bonds:
        got.append(("not claimed", 0, 0, result.reserved_by_bonds))
    rows = max(len(taken), len(got))
    longest = max((sum(row[1:]) for row in taken + got), default=0) / 10**result.decimals
    height = 0.36 * rows + 1.1
    figure = Figure(figsize=(WIDTH, height))
    panels = ((0.075, "set aside from the bond", taken), (0.575, "paid to tenants", got))
    for left, title, bars in panels:
        axes = figure.add_axes((left, 0.5 / height, 0.32, (height - 0.9) / height))
        _parts(axes, result, bars)
        axes.set(xlim=(0, longest or 1.0), ylim=(rows - 0.5, -0.5))
        _titles(axes, title)
    named = [(OPERATOR, "operator's part"), (SHARES, "stakers' part")]
    _swatches(figure, [*named, (WAITING, "reserved for tenants")])
    return _svg(figure, "Penalties and who paid them to whom")


@_styled
def loans(result: DemoResult) -> str:
    """Above, each loan's debt; below, the rent that repaid it, epoch by epoch."""
    figure = Figure(figsize=(WIDTH, 4.7))
    debt = figure.add_axes((0.075, 0.42, 0.71, 0.52))
    paid = figure.add_axes((0.075, 0.11, 0.71, 0.21))
    unit = 10**result.decimals
    start = result.epochs[0] - 1
    ends: list[tuple[float, str, str]] = []
    bottom = [0.0] * len(result.epochs)
    for index, loan in enumerate(result.loans):
        colour = LOANS[index % len(LOANS)]
        first = next((i for i, owed in enumerate(loan.debt) if owed), 0)
        last = _repaid_at(loan) or len(loan.debt) - 1
        days = [start + i for i in range(first, last + 1)]
        owed = [amount / unit for amount in loan.debt[first : last + 1]]
        debt.plot(days, owed, color=colour, linewidth=2.2, solid_capstyle="round")
        debt.plot(days[-1], owed[-1], "o", color=colour, markersize=5, clip_on=False)
        if len(result.loans) == 1:
            debt.fill_between(days, owed, color=colour, alpha=0.12, linewidth=0)
        ends.append((owed[-1], _end_label(loan, result), colour))
        height = [amount / unit for amount in loan.rent_applied]
        paid.bar(result.epochs, height, bottom=bottom, color=colour, width=0.78)
        bottom = [a + b for a, b in zip(bottom, height, strict=True)]
    top = max((max(loan.debt) for loan in result.loans), default=0) / unit or 1.0
    debt.set_ylim(0, top * 1.12)
    paid.set_ylim(0, (max(bottom) or 1.0) * 1.1)
    paid.yaxis.set_major_locator(MaxNLocator(3))
    _end_labels(debt, result, ends, top * 1.12)
    _titles(debt, "debt, interest included")
    _titles(paid, "rent that repaid it")
    for axes in (debt, paid):
        _time_axis(axes, result)
        _money_axis(axes)
        axes.set_xlim(start - 0.4, result.epochs[-1] + 0.7)
    debt.set_xlabel("")
    _shade_incidents(result, debt, paid, top * 1.03)
    return _svg(figure, "Debt per loan and the rent that repaid it")


@_styled
def flow(result: DemoResult) -> str:
    """The way of a dollar: bands as wide as the money that took each branch."""
    root = _tree(result)
    height = root.slot + 0.3
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    axes.axis("off")
    _draw(axes, root, 0, 0.15, result)
    return _svg(figure, "From the tenants' payment to everyone's share")


# ------------------------------------------------------------------------------ heat maps


def _heat_map(
    result: DemoResult, cell: Callable[[CapacityResult, int], Cell]
) -> tuple[Figure, Axes]:
    """Cells, row labels and epochs; the first capacity on top."""
    rows = len(result.capacities)
    height = 0.38 * rows + 1.05
    figure = Figure(figsize=(WIDTH, height))
    axes = figure.add_axes((0.17, 0.8 / height, 0.755, 0.38 * rows / height))
    for row, capacity in enumerate(result.capacities):
        _row_label(axes, result, row, capacity.label)
        for index, epoch in enumerate(result.epochs):
            look = cell(capacity, index)
            patch = Rectangle((epoch - 0.46, row - 0.43), 0.92, 0.86, color=look.colour, lw=0)
            patch.set_gid(f"hover:{capacity.label}, {period(result)} {epoch}: {look.says}")
            axes.add_patch(patch)
            if look.text:
                number = axes.text(epoch, row, look.text, ha="center", va="center", color=PAPER)
                number.set(fontsize=8.5, fontweight="bold")
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    _time_axis(axes, result)
    axes.set_xlim(result.epochs[0] - 0.5, result.epochs[-1] + 0.5)
    return figure, axes


def _row_label(axes: Axes, result: DemoResult, row: int, label: str) -> None:
    """The part before the first comma, and below it, muted, the place."""
    name, _, place = label.partition(", ")
    x = result.epochs[0] - 0.8
    if not place:
        axes.text(x, row, name, ha="right", va="center")
        return
    axes.text(x, row - 0.03, name, ha="right", va="bottom")
    axes.text(x, row + 0.03, place, ha="right", va="top", color=MUTED, fontsize=8)


def _side(axes: Axes, result: DemoResult, row: int, text: str) -> None:
    """A number right of a row; row -1 is the heading."""
    x = result.epochs[-1] + 2.6 * len(result.epochs) / 30
    y, colour = (row, INK) if row >= 0 else (-0.72, MUTED)
    axes.text(x, y, text, ha="right", va="center", color=colour)


def _ramp(figure: Figure, colours: Sequence[str], low: str, high: str) -> None:
    """A colour ramp with its two ends named, below the epochs."""
    height = float(figure.get_figheight())
    ramp = figure.add_axes((0.17, 0.08 / height, 0.755, 0.2 / height))
    ramp.set(xlim=(0, 7.55), ylim=(0, 0.2))
    ramp.axis("off")
    ramp.text(2.0, 0.1, low, ha="right", va="center", color=MUTED)
    for i, colour in enumerate(colours):
        ramp.add_patch(Rectangle((2.1 + 0.24 * i, 0.01), 0.22, 0.18, color=colour, lw=0))
    ramp.text(2.18 + 0.24 * len(colours), 0.1, high, ha="left", va="center", color=MUTED)


def _swatches(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    """A legend in one line at the foot of the figure."""
    height = float(figure.get_figheight())
    axes = figure.add_axes((0, 0.08 / height, 1, 0.2 / height))
    axes.set(xlim=(0, WIDTH), ylim=(0, 0.2))
    axes.axis("off")
    widths = [0.42 + 0.076 * len(name) for _, name in entries]
    x = (WIDTH - sum(widths)) / 2
    for (colour, name), width in zip(entries, widths, strict=True):
        axes.add_patch(Rectangle((x, 0.01), 0.18, 0.18, color=colour, lw=0))
        axes.text(x + 0.25, 0.1, name, ha="left", va="center", color=MUTED)
        x += width


# ------------------------------------------------------------------------- lines and bars


def _per_epoch(result: DemoResult) -> tuple[list[int], list[int]]:
    """Credits and net rent of every epoch, summed over capacities."""
    columns = list(zip(*(capacity.epochs for capacity in result.capacities), strict=True))
    credit = [sum(row.credit for row in column) for column in columns]
    net = [sum(row.rent - row.credit for row in column) for column in columns]
    return credit, net


def _time_axis(axes: Axes, result: DemoResult) -> None:
    first, last = result.epochs[0], result.epochs[-1]
    step = max(1, -(-len(result.epochs) // 15))
    ticks = [epoch for epoch in result.epochs if (epoch - first) % step == 0]
    axes.set_xticks(ticks, [str(epoch) for epoch in ticks])
    axes.set_xlim(first - 0.7, last + 0.7)
    axes.set_xlabel(period(result), labelpad=2)


def _money_axis(axes: Axes) -> None:
    def dollars(value: float, _: object) -> str:
        return f"${value:,.0f}" if value >= 10 or value == 0 else f"${value:,.2f}"

    axes.yaxis.set_major_formatter(FuncFormatter(dollars))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["left", "top", "right"]].set_visible(False)


def _parts(axes: Axes, result: DemoResult, bars: Sequence[tuple[str, int, int, int]]) -> None:
    """A bar for each row: the operator's part first, then the stakers', then what waits."""
    unit = 10**result.decimals
    for row, (_, *parts) in enumerate(bars):
        start = 0.0
        for amount, colour in zip(parts, (OPERATOR, SHARES, WAITING), strict=True):
            axes.barh(row, amount / unit, left=start, color=colour, height=0.72)
            start += amount / unit
        text = f" {money(sum(parts), result.decimals)}"
        axes.text(start, row, text, va="center", ha="left")
    axes.set_yticks(range(len(bars)), [bar[0] for bar in bars])
    axes.set_xticks([])
    axes.spines[:].set_visible(False)


def _titles(axes: Axes, text: str) -> None:
    axes.set_title(text, loc="left", fontsize=9, color=MUTED, pad=5)


def _bracket(axes: Axes, result: DemoResult, incident: Incident, y: float) -> None:
    """A bar over the incident's epochs with its cause and where it was."""
    left, right = incident.first_epoch - 0.42, incident.last_epoch + 0.42
    axes.plot([left, right], [y, y], color=BAD, linewidth=2, solid_capstyle="butt")
    name = result.capacity(incident.capacity).label
    words = f"{incident.cause}: {name}"
    middle, width = (left + right) / 2, 0.29 * len(words) * len(result.epochs) / 30
    low, high = result.epochs[0] - 0.7 + width / 2, result.epochs[-1] + 0.7 - width / 2
    x = min(max(middle, low), max(low, high))
    box = {"facecolor": CARD, "edgecolor": "none", "pad": 1.5}
    axes.text(x, y * 1.025, words, color=BAD, ha="center", va="bottom", bbox=box)


def _shade_incidents(result: DemoResult, debt: Axes, paid: Axes, y: float) -> None:
    """Marks the incidents of capacities that secure a loan."""
    pledged = {loan.capacity for loan in result.loans}
    for incident in result.incidents:
        if incident.capacity not in pledged:
            continue
        left, right = incident.first_epoch - 0.5, incident.last_epoch + 0.5
        for axes in (debt, paid):
            axes.axvspan(left, right, color=BAD, alpha=0.1, linewidth=0, zorder=0)
        debt.text((left + right) / 2, y, incident.cause, color=BAD, ha="center")


def _repaid_at(loan: LoanResult) -> int | None:
    """Index into `debt` at which a loan was fully repaid for good, or None."""
    if loan.outstanding or not any(loan.debt):
        return None
    return max(i for i, owed in enumerate(loan.debt) if owed) + 1


def _end_label(loan: LoanResult, result: DemoResult) -> str:
    at = _repaid_at(loan)
    state = f"{money(loan.outstanding, result.decimals)} owed"
    if at is not None:
        state = f"repaid on {period(result)} {result.epochs[0] - 1 + at}"
    return f"{textwrap.shorten(loan.label, 32, placeholder=' …')}\n{state}"


def _end_labels(
    axes: Axes, result: DemoResult, ends: Sequence[tuple[float, str, str]], top: float
) -> None:
    """Names at the lines' ends, pushed apart where they would touch."""
    x = result.epochs[-1] + 1.0
    half = 0.068 * top
    floor = -half
    for value, words, colour in sorted(ends):
        y = max(value, floor + half)
        floor = y + half + 0.03 * top
        axes.text(x, y, words, color=colour, va="center", ha="left", clip_on=False)


# ------------------------------------------------------------------------------- the flow


def _tree(result: DemoResult) -> Branch:
    """Who got what, from the tenants' payment on; branches without money are left out."""
    scale = 2.7 / max(1, result.tenants_paid)

    def branch(name: str, amount: int, colour: str, *parts: Branch) -> Branch:
        return Branch(name, amount, colour, scale, tuple(part for part in parts if part.amount > 0))

    shares = branch(
        "Shareholders",
        result.to_shares,
        SHARES,
        branch("Repaid their loans", result.dividends_to_loans, SHARES),
        branch("Claimed", result.dividends_claimed, SHARES),
        branch("Waiting to be claimed", result.dividends_waiting, WAITING),
    )
    legs = [
        branch(leg.name[:1].upper() + leg.name[1:], leg.amount, OPERATOR) for leg in result.legs
    ]
    earned = branch(
        "Rent earned by machines",
        result.net,
        RENT,
        shares,
        *legs,
        branch("Earned, not yet released", result.unreleased, WAITING),
    )
    return branch(
        "Tenants paid",
        result.tenants_paid,
        RENT,
        earned,
        branch("Back to tenants: downtime", result.credit, CREDIT),
        branch("Back to tenants: ended early", result.refunded, CREDIT),
        branch(f"Held for {period(result)}s to come", result.escrow, WAITING),
    )


def _draw(axes: Axes, branch: Branch, depth: int, top: float, result: DemoResult) -> float:
    """Draws a branch in the slot that begins at `top`; answers where its band begins."""
    x = 0.05 + 2.52 * depth
    band = top + (branch.slot - branch.height) / 2
    axes.add_patch(Rectangle((x, band), 0.09, branch.height, color=branch.colour, lw=0))
    slot = top + (branch.slot - sum(part.slot for part in branch.parts)) / 2
    leaves = band
    for part in branch.parts:
        lands = _draw(axes, part, depth + 1, slot, result)
        _ribbon(axes, (x + 0.09, leaves), (x + 2.52, lands), part)
        slot += part.slot
        leaves += part.height
    middle = band + branch.height / 2
    cents = f"{100 * branch.amount / max(1, result.tenants_paid):.1f}¢"
    words = f"{money(branch.amount, result.decimals)}" + (f"  ·  {cents}" if depth else "")
    if branch.parts:
        widest = max(branch.parts, key=lambda part: part.amount)
        before = branch.parts[: branch.parts.index(widest)]
        middle = band + sum(part.height for part in before) + widest.height / 2
    axes.text(x + 0.18, middle - 0.02, branch.name, va="bottom", fontweight="bold", fontsize=9.5)
    axes.text(x + 0.18, middle + 0.02, words, va="top", fontsize=9)
    return band


def _ribbon(axes: Axes, start: tuple[float, float], end: tuple[float, float], part: Branch) -> None:
    (x0, y0), (x1, y1), height = start, end, part.height
    bend = (x0 + x1) / 2
    points = [
        (x0, y0),
        (bend, y0),
        (bend, y1),
        (x1, y1),
        (x1, y1 + height),
        (bend, y1 + height),
        (bend, y0 + height),
        (x0, y0 + height),
        (x0, y0),
    ]
    curve = Path.CURVE4
    codes = [Path.MOVETO, curve, curve, curve, Path.LINETO, curve, curve, curve, Path.CLOSEPOLY]
    axes.add_patch(PathPatch(Path(points, codes), color=part.colour, alpha=0.22, lw=0))


# --------------------------------------------------------------------------------- output


def _svg(figure: Figure, title: str) -> str:
    """The figure as an <svg> element in the page's colours and font."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.S)
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    text = re.sub(r"(font: [^;\"]*?\d(?:\.\d+)?px) [^;\"]+", r"\1 var(--font)", text)
    text = re.sub(r'<g id="hover:([^"]*)">', r"<g><title>\1</title>", text)
    prefix = re.sub(r"[^a-z]+", "-", title.lower())
    text = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    text = re.sub(r'<svg ([^>]*?)height="[^"]*" ', r"<svg \1", text, count=1)
    text = re.sub(r'<svg ([^>]*?)width="[^"]*" ', r"<svg \1", text, count=1)
    label = html.escape(title, quote=True)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1).strip()
