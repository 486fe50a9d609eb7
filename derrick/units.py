"""Units of the protocol: shares in bps, money in base units, time in epochs.

Everything is an exact integer. Names end in the direction they round to, where they round.
"""

from __future__ import annotations

import re

BPS = 10_000
"""A share of the whole, in basis points."""

WAD = 10**18
"""One, in rates and prices inside math."""

HOUR = 3_600
DAY = 86_400
WEEK = 604_800


class AmountError(ValueError):
    """A text that is no amount of the token; the message says why."""


def div_up(numerator: int, denominator: int) -> int:
    """numerator / denominator, rounded up."""
    if numerator < 0 or denominator <= 0:
        raise ValueError(f"{numerator} / {denominator} is not a share of an amount")
    return -(-numerator // denominator)


def bps_up(amount: int, bps: int) -> int:
    """`bps` of `amount`, rounded up."""
    return div_up(amount * bps, BPS)


def bps_down(amount: int, bps: int) -> int:
    """`bps` of `amount`, rounded down."""
    if amount < 0 or bps < 0:
        raise ValueError(f"{bps} bps of {amount} is not a share of an amount")
    return amount * bps // BPS


_AMOUNT = re.compile(r"(?P<whole>\d+|\d{1,3}(?:[,_]\d{3})+)(?:\.(?P<part>\d+))?", re.ASCII)


def parse_amount(text: str, decimals: int) -> int:
    """Base units of an amount written in whole tokens: `parse_amount("1,250.50", 6)`.

    Nothing is rounded: more digits than the token has are an error unless they are zeros.
    """
    match = _AMOUNT.fullmatch(text.strip())
    if match is None:
        raise AmountError(f"{text!r} is no amount; write it like 1250.5 or 1,250.50")
    part = (match["part"] or "").rstrip("0")
    if len(part) > decimals:
        raise AmountError(f"{text!r} has more than the token's {decimals} decimals")
    whole = int(re.sub("[,_]", "", match["whole"]))
    return whole * int(10**decimals) + int(part.ljust(decimals, "0") or "0")


def format_amount(amount: int, decimals: int, *, places: int | None = None) -> str:
    """Base units written in whole tokens, thousands grouped: `1,250.5`.

    All digits that matter are shown; with `places` exactly so many, cut off towards zero.
    """
    if places is not None and places < 0:
        raise ValueError(f"{places} places")
    sign = "-" if amount < 0 else ""
    whole, part = divmod(abs(amount), 10**decimals)
    digits = str(part).rjust(decimals, "0") if decimals else ""
    digits = digits.rstrip("0") if places is None else digits[:places].ljust(places, "0")
    if not whole and not digits.strip("0"):
        sign = ""
    return f"{sign}{whole:,}" + (f".{digits}" if digits else "")


def epoch_start(origin: int, epoch_length: int, epoch: int) -> int:
    """Unix time at which `epoch` begins."""
    return origin + epoch * epoch_length


def epoch_end(origin: int, epoch_length: int, epoch: int) -> int:
    """Unix time at which `epoch` is over, and the next begins."""
    return epoch_start(origin, epoch_length, epoch + 1)


def first_unbegun(origin: int, epoch_length: int, timestamp: int) -> int:
    """The first epoch that has not begun at `timestamp`. One that begins right then has begun."""
    if timestamp < origin:
        return 0
    return (timestamp - origin) // epoch_length + 1


def window_of(window_length: int, epoch_end_at: int) -> int:
    """The attestors' window that holds an epoch: those ending in (k·W, (k + 1)·W]."""
    if epoch_end_at <= 0:
        raise ValueError(f"no epoch ends at {epoch_end_at}")
    return (epoch_end_at - 1) // window_length
