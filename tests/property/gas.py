"""How much gas a call may use: a figure of its own for each, whatever others have done before."""

from __future__ import annotations

from typing import Any

MOST = 600_000
PER_WORD = 3_000
PER_VICTIM = 500_000


def ceiling(function: str, arguments: tuple[Any, ...]) -> int:
    """The most that this call may use."""
    match function:
        case "passIdle":
            return MOST + PER_WORD * (arguments[1] // 16 + 1)
        case "leaseEvicting":
            return MOST + PER_VICTIM * len(arguments[1])
    return MOST
