"""One splitter as one of its holders sees it, counted event by event as the splitter counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from derrick.abi import Event
from derrick.model import BOUNTY_BPS
from derrick.structs import NOBODY
from derrick.units import BPS, bps_down

LAPSED = 4
"""Of the ways that a lease can end: the one whose bounty is taken from the forfeited deposit."""

SPLITTER_EVENTS = (
    "Synced(address,uint256)",
    "TokenAdded(address,uint256)",
    "LegsChanged(uint256[],uint256,(address,uint16,bool)[],uint256)",
    "DividendClaimed(address,address,uint256)",
    "TokenDividendClaimed(address,address,address,uint256)",
    "Transfer(address,address,uint256)",
)
LEASE_EVENTS = (
    "EpochSettled(uint256,uint256,uint256,uint256,uint256,uint256)",
    "LeaseEnded(uint256,uint8,uint256,uint256,uint256,uint256)",
)

CLAIMED, SHARES_IN, SHARES_OUT = "claimed", "shares in", "shares out"
SHARES = -1
"""In the place of a token: the shares themselves."""


@dataclass(frozen=True)
class Change:
    """What an event meant to the holder. Anything but the three words above is an earning."""

    what: str
    place: int
    amount: int


@dataclass
class Pot:
    """One token of a splitter, and the holder's part in it."""

    token: str
    to_shares: int = 0
    """Ever due to all shares, in bps of base units."""

    parts: int = 0
    """Ever due to the holder; the supply's number of them is a base unit."""

    paid: int = 0


@dataclass
class Book:
    """All that a splitter's events say of one holder."""

    splitter: str
    capacity: int
    supply: int
    holder: str
    shares_bps: int
    shares: int
    pots: list[Pot]
    made: bool = False

    @classmethod
    def of(cls, created: Any, holder: str) -> Book:
        """From its creation. Whoever has all shares then has all revenue from before."""
        return cls(
            splitter=created.splitter,
            capacity=created.capacity,
            supply=created.supply,
            holder=holder,
            shares_bps=BPS - sum(leg.bps for leg in created.legs),
            shares=created.supply if created.holder == holder else 0,
            pots=[Pot(created.stablecoin)],
        )

    @property
    def held(self) -> int:
        """Shares that the holder has; none before the splitter is made."""
        return self.shares if self.made else 0

    def due(self, place: int) -> int:
        """Base units ever due to the holder, rounded down."""
        return self.pots[place].parts // self.supply

    def claimable(self, place: int) -> int:
        return self.due(place) - self.pots[place].paid

    def apply(self, event: Event) -> Change | None:
        """Takes an event of the splitter or of its capacity's leases in."""
        name, args = event.name, event.args
        if name in ("DividendClaimed", "TokenDividendClaimed"):
            return self._pay(args)
        if name == "Transfer":
            return self._move(*args)
        if name == "LegsChanged":
            self.shares_bps = args.sharesBps
            return None
        if name == "TokenAdded":
            self.pots.append(Pot(args.token))
            return None
        return self._receive(*self._revenue(name, args))

    def _revenue(self, name: str, args: Any) -> tuple[int, int, str]:
        """Which token came in, how much of it, and what it is called."""
        if name == "EpochSettled":
            return 0, args.earned, f"rent of epoch {args.epoch}"
        if name == "LeaseEnded":
            bounty = bps_down(args.forfeited, BOUNTY_BPS) if args.ending == LAPSED else 0
            return 0, args.forfeited - bounty, "forfeited deposit"
        return self._place(args.token), args.amount, "plain transfer"

    def _receive(self, place: int, amount: int, what: str) -> Change | None:
        pot, before = self.pots[place], self.due(place)
        index = pot.to_shares // BPS
        pot.to_shares += amount * self.shares_bps
        pot.parts += self.shares * (pot.to_shares // BPS - index)
        earned = self.due(place) - before
        return Change(what, place, earned) if earned else None

    def _pay(self, args: Any) -> Change | None:
        if args.holder != self.holder:
            return None
        place = self._place(args.token) if hasattr(args, "token") else 0
        self.pots[place].paid += args.amount
        return Change(CLAIMED, place, args.amount)

    def _move(self, source: str, target: str, amount: int) -> Change | None:
        if source == NOBODY:
            self.made = True
            return Change(SHARES_IN, SHARES, amount) if target == self.holder else None
        if source == target or self.holder not in (source, target) or not amount:
            return None
        if target == self.holder:
            self.shares += amount
            return Change(SHARES_IN, SHARES, amount)
        self.shares -= amount
        return Change(SHARES_OUT, SHARES, -amount)

    def _place(self, token: str) -> int:
        return next(place for place, pot in enumerate(self.pots) if pot.token == token)
