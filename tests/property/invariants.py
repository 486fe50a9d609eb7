"""The invariants that the machine holds the market to, and how it says that one broke.

Ids are the protocol's; docs/invariants.md lists the same sentences with what proves them.
"""

from __future__ import annotations

INVARIANTS: dict[int, str] = {
    0: "Every call does what the reference does: same outcome, same error with the same inputs, "
    "same figures; and views say before what calls do.",
    1: "Calendar: in every epoch the units leased are at most those attested when they last rose, "
    "and equal the sum over its leases not yet freed.",
    2: "Solvency: per token, the engine holds at least all escrow and deposits, all rent owed, all "
    "unclaimed credits and all refunds; the bond at least all operators' parts and all that is "
    "set aside.",
    3: "Conservation: all that was paid in has been released, paid back as credit or refund, or is "
    "held, to the base unit; rounding leaves less than one base unit per settlement and per "
    "payment, never less than none.",
    4: "Order: each epoch of a capacity is settled once, in order, after its end.",
    5: "Splitter: claimed and claimable are all that was received but for dust of less than one "
    "base unit per holder and leg; a transfer of shares moves no dividend earned before it.",
    8: "Nobody's call lowers what anybody else can take out.",
    9: "Every call's gas is bounded, however many leases, holders and reports there are.",
    10: "Rounding favours the pool over the caller.",
    11: "Repeated, zero-length, last-second and same-block calls are no-ops or clean errors.",
    12: "No silent attestor, frozen payee or paused token blocks a claim of one's own money, "
    "another's claim, settlement, or the end of a lease.",
}


class InvariantBroken(AssertionError):  # noqa: N818 - reads as the sentence it is
    """A market that is not as it must be. Says which invariant broke, its sentence, and how."""

    def __init__(self, invariant: int, detail: str) -> None:
        super().__init__(f"invariant {invariant} broken: {INVARIANTS[invariant]}\n  {detail}")
        self.invariant = invariant


def hold(invariant: int, condition: bool, detail: str) -> None:
    """Raises unless the condition holds."""
    if not condition:
        raise InvariantBroken(invariant, detail)


def same(invariant: int, what: object, found: object, wanted: object) -> None:
    """Raises unless both are equal."""
    if found != wanted:
        raise InvariantBroken(invariant, f"{what}: found {found}, must be {wanted}")
