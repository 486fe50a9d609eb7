"""The telemetry oracle in plain Python: what was posted, vetoed and scheduled, and what follows.

Nothing is kept but the history, and every answer goes through it anew, so that it can be read
against the rules in `interfaces/ITelemetryOracle.sol`. A refusal is the name of the contract's
error and its inputs.

    attestors = SetModel(1, rules, members, threshold)
    window = attestors.window(20_000)
    window.refusal_of_post(now, statement)      # None, or ("WindowOpen", {...})
    window.post(now, statement)
    window.status(now), window.penalties(now), window.standing()
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from derrick.telemetry import (
    ROOT_BYTES,
    Penalties,
    SetRules,
    Status,
    TelemetryRoot,
)

MEMBER_DELAY = 7 * 24 * 3_600
MAX_VETOES = 2
MAX_UINT256 = 2**256 - 1

Refusal: TypeAlias = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Posted:
    """A root was posted at this time."""

    at: int
    statement: TelemetryRoot


@dataclass(frozen=True)
class Vetoed:
    """The root that stood was vetoed at this time."""

    at: int


@dataclass(frozen=True)
class Waived:
    """The penalties of the root that stands were waived at this time."""

    at: int


@dataclass
class WindowModel:
    """One window of one set and all that ever happened to it."""

    set_id: int
    rules: SetRules
    window: int
    history: list[Posted | Vetoed | Waived] = field(default_factory=list)

    # ---- What there is --------------------------------------------------------------------------

    @property
    def vetoes(self) -> int:
        """How many roots were vetoed."""
        return sum(isinstance(event, Vetoed) for event in self.history)

    @property
    def root(self) -> Posted | None:
        """The root that stands: the last one, unless it was vetoed."""
        last = None
        for event in self.history:
            if isinstance(event, Posted):
                last = event
            elif isinstance(event, Vetoed):
                last = None
        return last

    @property
    def waived(self) -> bool:
        """Whether its penalties were waived."""
        return bool(self.history) and isinstance(self.history[-1], Waived)

    @property
    def ends_at(self) -> int:
        """When it ends; at most the last second that a word can count."""
        return min(self.rules.ends_at(self.window), MAX_UINT256)

    @property
    def posting_ends(self) -> int:
        """Until when a root is taken, as things stand; zero where never again."""
        if self.vetoes == 0:
            return self.rules.posting_ends(self.window)
        return self.rules.repost_ends(self.window) if self.vetoes < MAX_VETOES else 0

    @property
    def final_at(self) -> int:
        """From when on the root that stands is final; zero without one."""
        return self.rules.final_at(self.root.at) if self.root else 0

    @property
    def is_mass(self) -> bool:
        """Whether a root stands that says that a mass of capacities is in penalty."""
        if self.root is None:
            return False
        said = self.root.statement
        return self.rules.is_mass(said.capacities, said.penalized)

    @property
    def held_until(self) -> int:
        """From when on its penalties can be claimed, unless waived; zero without a root."""
        return self.final_at + (self.rules.mass_delay if self.is_mass else 0)

    # ---- What it answers ------------------------------------------------------------------------

    def standing(self) -> tuple[bytes, int]:
        """What `standingRootOf` answers."""
        root = self.root.statement.root[:ROOT_BYTES] if self.root else bytes(ROOT_BYTES)
        return (root, self.final_at)

    def info(self) -> tuple[bytes, int, int, int, bool]:
        """What `windowInfo` answers."""
        return (
            *self.standing(),
            self.held_until if self.is_mass else 0,
            self.vetoes,
            self.waived,
        )

    def status(self, now: int) -> Status:
        """How its epochs stand."""
        if self.root is not None:
            return Status.REPORTED if now < self.rules.reveal_ends(self.window) else Status.MISSING
        if now < self.ends_at or now < self.posting_ends:
            return Status.PENDING
        return Status.BLACKOUT

    def takes_reports(self, now: int) -> bool:
        """Whether reports can be shown."""
        return self.root is not None and self.final_at <= now < self.rules.reveal_ends(self.window)

    def takes_late_penalties(self, now: int) -> bool:
        """Whether penalties of reports that were not shown can be added."""
        ended, late = self.rules.reveal_ends(self.window), self.rules.late_ends(self.window)
        return self.root is not None and ended <= now < late

    def penalties(self, now: int) -> Penalties | None:
        """How its penalties stand; None without a root."""
        if self.root is None:
            return None
        if self.waived:
            return Penalties.WAIVED
        return Penalties.HELD if now < self.held_until else Penalties.CLAIMABLE

    # ---- What it refuses ------------------------------------------------------------------------

    def refusal_of_post(self, now: int, statement: TelemetryRoot) -> Refusal | None:
        """Why a root would be refused whoever signed it."""
        if now < self.ends_at:
            return self._refuse("WindowOpen", endsAt=self.ends_at)
        return _unsound(statement) or self._not_due(now, statement)

    def _not_due(self, now: int, statement: TelemetryRoot) -> Refusal | None:
        if self.root is not None:
            return self._refuse("RootExists", root=self.standing()[0])
        if self.vetoes == MAX_VETOES:
            return self._refuse("WindowVetoed")
        if statement.attempt != self.vetoes:
            return self._refuse("WrongAttempt", attempt=statement.attempt, due=self.vetoes)
        if now >= self.posting_ends:
            return self._refuse("WindowClosed", deadline=self.posting_ends)
        return None

    def refusal_of_veto(self, now: int) -> Refusal | None:
        """Why the guardian's veto, or anyone's dispute, would be refused."""
        if self.root is None:
            return self._refuse("NoRoot")
        if now >= self.final_at:
            return self._refuse("RootFinal", finalAt=self.final_at)
        return None

    def refusal_of_waiver(self, now: int) -> Refusal | None:
        """Why the guardian's waiver would be refused."""
        if self.root is None:
            return self._refuse("NoRoot")
        if not self.is_mass:
            return self._refuse("NotMass")
        if now >= self.held_until:
            return self._refuse("HoldEnded", heldUntil=self.held_until)
        return self._refuse("AlreadyWaived") if self.waived else None

    def _refuse(self, name: str, **inputs: Any) -> Refusal:
        return (name, {"setId": self.set_id, "window": self.window, **inputs})

    # ---- What happens to it ---------------------------------------------------------------------

    def post(self, now: int, statement: TelemetryRoot) -> None:
        """A root that a quorum signed."""
        self._happen(self.refusal_of_post(now, statement), Posted(now, statement))

    def veto(self, now: int) -> None:
        """The guardian deletes the root."""
        self._happen(self.refusal_of_veto(now), Vetoed(now))

    def waive(self, now: int) -> None:
        """The guardian waives the penalties."""
        self._happen(self.refusal_of_waiver(now), Waived(now))

    def _happen(self, refusal: Refusal | None, event: Posted | Vetoed | Waived) -> None:
        if refusal is not None:
            raise ValueError(f"{event} is refused: {refusal}")
        self.history.append(event)


def _unsound(statement: TelemetryRoot) -> Refusal | None:
    if not any(statement.root[:ROOT_BYTES]):
        return ("RootZero", {})
    if statement.capacities == 0 or statement.penalized > statement.capacities:
        counts = {"capacities": statement.capacities, "penalized": statement.penalized}
        return ("BadCounts", counts)
    return None


@dataclass(frozen=True)
class Version:
    """Members of a set and what they need, from a time on."""

    holds_from: int
    members: tuple[str, ...]
    threshold: int


class SetModel:
    """An attestor set: its rules, every version of its members, and its windows."""

    def __init__(
        self, set_id: int, rules: SetRules, members: Sequence[str], threshold: int
    ) -> None:
        self.set_id = set_id
        self.rules = rules
        self.versions = [Version(0, tuple(members), threshold)]
        self.windows: dict[int, WindowModel] = {}

    def schedule(self, now: int, members: Sequence[str], threshold: int) -> None:
        """The owner announces other members."""
        self.versions.append(Version(now + MEMBER_DELAY, tuple(members), threshold))

    def in_force(self, time: int) -> Version:
        """Who signs at a time: of the versions that hold by then the one announced last."""
        return [version for version in self.versions if version.holds_from <= time][-1]

    def window(self, number: int) -> WindowModel:
        """One of its windows, whether or not anything happened to it."""
        fresh = WindowModel(self.set_id, self.rules, number)
        return self.windows.setdefault(number, fresh)

    def status(self, now: int, epoch_end: int) -> Status:
        """How the epoch that ended then stands."""
        if epoch_end == 0:
            return Status.BLACKOUT
        if now < epoch_end:
            return Status.PENDING
        return self.window(self.rules.window_of(epoch_end)).status(now)
