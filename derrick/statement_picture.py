"""A statement as a picture: what was earned, what was claimed, and what waits in between.

The same statement always gives the same picture.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from derrick.statement import Coin, Entry, Statement, iso

WIDTH, PANEL = 10.0, 3.1
"""Inches."""

INK, MUTED, GRID, PAPER = "#1c2430", "#5b6675", "#e3e1da", "#ffffff"
EARNED, CLAIMED = "#1f8a70", "#2b6cb0"
CAPACITIES = ("#1f8a70", "#2b6cb0", "#7a5ea8", "#dd7a1f", "#98a2b0")

_STYLE: dict[Any, Any] = {
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.parse_math": False,
}


def draw(statement: Statement, path: Path) -> None:
    """Write the picture as a PNG: a panel for each token, the stablecoins first."""
    coins = statement.coins()
    with mpl.rc_context(_STYLE):
        height = 0.6 + PANEL * max(1, len(coins))
        figure = Figure(figsize=(WIDTH, height), facecolor=PAPER)
        _heading(figure, statement, height)
        for row, coin in enumerate(coins):
            bottom = (PANEL * (len(coins) - 1 - row) + 0.42) / height
            size = (PANEL - 0.95) / height
            _panel(figure.add_axes((0.085, bottom, 0.71, size)), statement, coin)
        figure.savefig(path, dpi=160, metadata={"Software": None})


def _heading(figure: Figure, statement: Statement, height: float) -> None:
    title = f"Shares of {len({line.capacity for line in statement.lines})} capacities"
    figure.text(0.085, 1 - 0.3 / height, title, fontsize=13, fontweight="bold")
    words = f"{statement.holder}, {iso(statement.start)[:10]} to {iso(statement.end)[:10]}"
    figure.text(0.085, 1 - 0.52 / height, words, color=MUTED)


def _panel(axes: Axes, statement: Statement, coin: Coin) -> None:
    """Lines that only rise: the gap between them is what can be claimed."""
    unit = float(10**coin.decimals)
    total = statement.sum_of(coin)
    entries = [entry for entry in statement.entries if entry.coin == coin]
    times = [_date(statement.start), *(_date(e.time) for e in entries), _date(statement.end)]
    earned, claimed = [total.opening], [0]
    for entry in entries:
        earned.append(earned[-1] + (entry.amount if entry.is_earning else 0))
        claimed.append(claimed[-1] + (0 if entry.is_earning else entry.amount))
    upper = [amount / unit for amount in [*earned, earned[-1]]]
    lower = [amount / unit for amount in [*claimed, claimed[-1]]]
    dates: Any = times
    axes.fill_between(dates, lower, upper, step="post", color=EARNED, alpha=0.13, linewidth=0)
    axes.step(dates, upper, where="post", color=EARNED, linewidth=2.2)
    axes.step(dates, lower, where="post", color=CLAIMED, linewidth=2.2)
    _moves(axes, statement, coin)
    top = max(upper[-1], 1 / unit)
    axes.set_ylim(0, top * 1.14)
    axes.set_xlim(dates[0], dates[-1])
    locator: Any = AutoDateLocator(maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_title(coin.symbol, loc="left", fontsize=9, color=MUTED, pad=5)
    _labels(axes, statement, coin, upper[-1], lower[-1], top)


def _moves(axes: Axes, statement: Statement, coin: Coin) -> None:
    """Where shares came and went, of splitters that pay in this token."""
    splitters = {line.splitter for line in statement.lines if line.coin == coin}
    moves: list[Entry] = [e for e in statement.entries if e.is_move and e.splitter in splitters]
    for entry in moves:
        at: Any = _date(entry.time)
        axes.axvline(at, color=MUTED, linewidth=0.9, linestyle=(0, (2, 3)), zorder=0)
        axes.annotate(
            f"{entry.what.removeprefix('shares ')} {_short(entry)}",
            (at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4, -9),
            textcoords="offset points",
            fontsize=7.5,
            color=MUTED,
        )


def _short(entry: Entry) -> str:
    """How many shares moved, of which capacity."""
    return f"{abs(entry.amount) / 10**entry.coin.decimals:,.6g} {entry.coin.symbol}"


def _labels(
    axes: Axes, statement: Statement, coin: Coin, earned: float, claimed: float, top: float
) -> None:
    """The lines' names and amounts at their ends, pushed apart where they would touch."""
    total = statement.sum_of(coin)
    plus = f"\nand {_amount(coin, total.opening)} before" if total.opening else ""
    words = [
        (claimed, f"claimed {_amount(coin, total.claimed)}", CLAIMED),
        (
            (earned + claimed) / 2,
            f"can be claimed\n{_amount(coin, total.closing)}",
            MUTED,
        ),
        (earned, f"earned {_amount(coin, total.earned)}{plus}", EARNED),
    ]
    floor = 0.0
    for value, text, colour in words:
        lines = text.count("\n") + 1
        y = max(value / (top * 1.14), floor)
        floor = y + 0.09 * lines + 0.02
        axes.annotate(
            text,
            (1.0, y),
            xycoords="axes fraction",
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
        )


def _amount(coin: Coin, amount: int) -> str:
    """Rounded down to what is worth reading; the table has every digit."""
    places = min(coin.decimals, 2 if coin.decimals <= 6 else 8)
    whole, part = divmod(amount, 10**coin.decimals)
    digits = str(part).rjust(coin.decimals, "0")[:places] if coin.decimals else ""
    return f"{whole:,}" + (f".{digits}" if digits else "")


def _date(time: int) -> datetime:
    return datetime.fromtimestamp(time, timezone.utc).replace(tzinfo=None)
