"""How much gas a call may use: a figure of its own for each, whatever others have done before.

Leases here span few words of the calendar. The figures leave a quarter or more of room above what
histories of the machine came to; what each call costs is in docs/gas.md.
"""

from __future__ import annotations

from typing import Any

MOST = 250_000
MOST_TO_SIGN = 350_000
MOST_TO_SETTLE = 350_000
"""The first epoch of a capacity, in penalty: a dozen fresh words."""
PER_VICTIM = 300_000
PER_WORD = 3_000
"""Of sixteen idle epochs passed."""


def ceiling(function: str, arguments: tuple[Any, ...]) -> int:
    """The most that this call may use."""
    match function:
        case "lease":
            return MOST_TO_SIGN
        case "leaseEvicting":
            return MOST_TO_SIGN + PER_VICTIM * len(arguments[1])
        case "settle" | "settleMissing" | "addPenalty":
            return MOST_TO_SETTLE
        case "settleMany":
            return MOST_TO_SETTLE * max(1, len(arguments[1]))
        case "passIdle":
            return MOST + PER_WORD * (arguments[1] // 16 + 1)
    return MOST
