"""What a service bond holds and who owns it, naively: the reference for its property tests.

Nothing here is kept up to date by deltas. A capacity's pool is a list of what happened to it, and
who owns which part of it is worked out anew from the whole list whenever somebody asks. It is
worked out twice: by shares, at exact prices, rounded where IServiceBond says so, to compare with
the contract to the base unit; and in money alone, as fractions that are never rounded, to see that
the shares are fair. `Pool.error` bounds what all roundings so far may have made of the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor

from tests.bond_stage import (
    COOLDOWN,
    DEPLETED,
    EXIT_DELAY,
    MAX_HELD,
    RELEASE_WINDOW,
    VIRTUAL,
)

BPS = 10_000
NOBODY = ""
"""Owner of the virtual base unit that every pool has besides."""


@dataclass(frozen=True)
class Join:
    account: str
    amount: int


@dataclass(frozen=True)
class Leave:
    account: str
    shares: int


@dataclass(frozen=True)
class Earn:
    amount: int


@dataclass(frozen=True)
class Slash:
    """Also stands for reserves that took nothing from the pool."""

    epoch: int
    amount: int


Entry = Join | Leave | Earn | Slash


@dataclass
class Pool:
    """The state that a list of entries leads to."""

    assets: int = 0
    shares: dict[str, int] = field(default_factory=dict)
    money: dict[str, Fraction] = field(default_factory=lambda: {NOBODY: Fraction(1)})
    error: Fraction = Fraction(0)
    generation: int = 0
    reserves: int = 0
    swept: int = 0
    """Base units that the last to leave left behind, in all generations."""

    paid: int = 0
    """What the entry just read paid out."""

    payers: dict[int, dict[str, int]] = field(default_factory=dict)
    """Who held which shares when an epoch's penalty was set aside."""

    residues: dict[int, int] = field(default_factory=dict)

    @property
    def price(self) -> Fraction:
        """Base units a share."""
        return Fraction(self.assets + 1, sum(self.shares.values()) + VIRTUAL)

    def worth(self, account: str) -> Fraction:
        return self.shares.get(account, 0) * self.price

    def read(self, entry: Entry) -> None:
        if isinstance(entry, Join):
            made = floor(entry.amount / self.price)
            self.shares[entry.account] = self.shares.get(entry.account, 0) + made
            self.assets += entry.amount
            self.money[entry.account] = self.money.get(entry.account, Fraction(0)) + entry.amount
            self.error += self.price
        elif isinstance(entry, Leave):
            part = Fraction(entry.shares, self.shares[entry.account])
            self.paid = floor(entry.shares * self.price)
            self.shares[entry.account] -= entry.shares
            self.assets -= self.paid
            self.money[entry.account] *= 1 - part
            self.error += 1
            if not any(self.shares.values()):
                self.swept += self.assets
                self._begin(self.generation)
        elif isinstance(entry, Earn):
            self._scale(entry.amount)
        else:
            self._slash(entry)

    def _slash(self, entry: Slash) -> None:
        self.reserves += 1
        if entry.amount == 0:
            return
        self.payers[entry.epoch] = dict(self.shares)
        self._scale(-entry.amount)
        if self.assets == 0 or self.price * VIRTUAL * DEPLETED < 1:
            self.residues[entry.epoch] = self.assets
            self._begin(self.reserves)

    def _scale(self, amount: int) -> None:
        """More money, or less, for all alike."""
        factor = Fraction(self.assets + amount + 1, self.assets + 1)
        self.money = {account: factor * part for account, part in self.money.items()}
        self.error *= factor
        self.assets += amount

    def _begin(self, generation: int) -> None:
        self.assets, self.shares, self.error = 0, {}, Fraction(0)
        self.money = {NOBODY: Fraction(1)}
        self.generation = generation


def pool_after(history: list[Entry]) -> Pool:
    pool = Pool()
    for entry in history:
        pool.read(entry)
    return pool


@dataclass
class Cooling:
    shares: int
    release_at: int
    epoch: int
    generation: int


@dataclass
class Reserve:
    """What was set aside for an epoch, and what became of it."""

    number: int
    of_operator: int
    of_pool: int
    paid: int = 0
    freed: bool = False
    recovered: dict[str, int] = field(default_factory=dict)

    @property
    def operator_left(self) -> int:
        return 0 if self.freed else max(self.of_operator - self.paid, 0)

    @property
    def pool_left(self) -> int:
        """Of what the pool gave; what was paid counts against the operator first."""
        return 0 if self.freed else self.pool_unpaid

    @property
    def pool_unpaid(self) -> int:
        return self.of_pool - max(self.paid - self.of_operator, 0)

    @property
    def left(self) -> int:
        return self.operator_left + self.pool_left


@dataclass
class Payee:
    """What a payee holds ready for the bond, leg by leg."""

    legs: dict[int, int]
    """The bond's own: bps of each."""

    received: int = 0
    paid: dict[int, int] = field(default_factory=dict)
    works: bool = True

    def due(self, leg: int) -> int:
        return floor(Fraction(self.received * self.legs[leg], BPS)) - self.paid.get(leg, 0)


@dataclass
class BondModel:
    """All that the bond knows of one capacity."""

    number: int
    coin: str
    deed_owner: str
    origin: int
    epoch_length: int
    span: int
    payee: Payee
    settled_to: int = 0
    leased_to: int = 0
    leased: set[int] = field(default_factory=set)
    """The epochs that are, or were, leased: below `leased_to`, but not all of those."""

    request: tuple[str, int] | None = None
    deposited: int = 0
    withdrawn: int = 0
    to_operator: int = 0
    """Rewards that came while the pool was empty."""

    history: list[Entry] = field(default_factory=list)
    tickets: dict[str, tuple[int, int]] = field(default_factory=dict)
    coolings: dict[str, Cooling] = field(default_factory=dict)
    released: dict[str, int] = field(default_factory=dict)
    claimed: dict[str, int] = field(default_factory=dict)
    reserves: dict[int, Reserve] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    joined: list[tuple[str, int]] = field(default_factory=list)
    """Whose stake joined, and the epoch from which on it insures."""

    left: list[tuple[str, int]] = field(default_factory=list)
    """Who has left, and the epoch up to which he had to stay."""

    _known_pool: tuple[int, Pool] = field(default_factory=lambda: (0, Pool()))

    # ---- Time

    def end_of(self, epoch: int) -> int:
        return self.origin + (epoch + 1) * self.epoch_length

    def first_unbegun(self, now: int) -> int:
        epoch = 0
        while self.origin + epoch * self.epoch_length <= now:
            epoch += 1
        return epoch

    def deadline_of(self, epoch: int) -> int:
        return self.end_of(epoch) + self.span

    def not_over(self, epoch: int, now: int) -> str | None:
        """Why not all that matters before an epoch is over and done with."""
        epoch = min(epoch, self.leased_to)
        if epoch == 0:
            return None
        if self.settled_to < epoch:
            return "NotSettled"
        return "PenaltyPossible" if now < self.deadline_of(epoch - 1) else None

    # ---- What there is

    @property
    def pool(self) -> Pool:
        """Worked out anew, from the beginning, once something has happened."""
        length, pool = self._known_pool
        if length != len(self.history):
            pool = pool_after(self.history)
            self._known_pool = (len(self.history), pool)
        return pool

    @property
    def operator_part(self) -> int:
        reserved = sum(reserve.of_operator for reserve in self.reserves.values())
        back = sum(max(r.of_operator - r.paid, 0) for r in self.reserves.values() if r.freed)
        came = self.deposited + self.to_operator + self.pool.swept + back
        return came - reserved - self.withdrawn

    def cooling(self, account: str) -> Cooling | None:
        found = self.coolings.get(account)
        return found if found and found.generation == self.pool.generation else None

    def back(self, epoch: int) -> int:
        """What the stakers of an epoch's penalty have back, all together."""
        reserve = self.reserves[epoch]
        return self.pool.residues.get(epoch, 0) + (reserve.pool_unpaid if reserve.freed else 0)

    def recoverable(self, epoch: int, account: str) -> int:
        payers = self.pool.payers.get(epoch, {})
        if not payers.get(account):
            return 0
        part = Fraction(payers[account], sum(payers.values()))
        return floor(part * self.back(epoch)) - self.reserves[epoch].recovered.get(account, 0)

    def claimable(self, account: str) -> int:
        recovered = sum(r.recovered.get(account, 0) for r in self.reserves.values())
        return self.released.get(account, 0) + recovered - self.claimed.get(account, 0)

    @property
    def held(self) -> int:
        accounts = {*self.released, *self._payers()}
        parts = [self.operator_part, self.pool.assets]
        parts += [amount for amount, _ in self.tickets.values()]
        parts += [reserve.left for reserve in self.reserves.values()]
        parts += [self.back(epoch) for epoch in self.reserves]
        parts += [self.claimable(account) for account in accounts]
        return sum(parts) - sum(sum(r.recovered.values()) for r in self.reserves.values())

    def _payers(self) -> Iterator[str]:
        for payers in self.pool.payers.values():
            yield from payers

    # ---- What happens

    def lease(self, first: int, epochs: int) -> None:
        """From an epoch on that has not begun."""
        self.leased.update(range(first, first + epochs))
        self.leased_to = max(self.leased_to, first + epochs)

    def end_leases(self, now: int) -> None:
        """None of the epochs that have not begun is leased any more."""
        self.leased_to = min(self.leased_to, self.first_unbegun(now))
        self.leased = {epoch for epoch in self.leased if epoch < self.leased_to}

    def room_for(self, amount: int) -> bool:
        return amount <= MAX_HELD - self.held

    def stake(self, account: str, amount: int, now: int) -> None:
        waiting, _ = self.tickets.get(account, (0, 0))
        self.tickets[account] = (waiting + amount, self.first_unbegun(now))

    def cannot_join(self, account: str, now: int) -> str | None:
        if account not in self.tickets:
            return "NothingPending"
        amount, joins = self.tickets[account]
        if reason := self.not_over(joins, now):
            return reason
        after = pool_after(self.history + self.collected())
        return "ZeroShares" if floor(amount / after.price) == 0 else None

    def join(self, account: str) -> None:
        self.collect_known()
        amount, joins = self.tickets.pop(account)
        self.history.append(Join(account, amount))
        self.joined.append((account, joins))

    def unstake(self, account: str, shares: int, now: int) -> None:
        found = self.cooling(account)
        release_at = now + COOLDOWN
        self.coolings[account] = Cooling(
            shares=shares + (found.shares if found else 0),
            release_at=release_at,
            epoch=self.first_unbegun(release_at),
            generation=self.pool.generation,
        )

    def cannot_release(self, account: str, now: int) -> str | None:
        found = self.cooling(account)
        if not found:
            return "NothingCooling"
        if now < found.release_at:
            return "StillCooling"
        if reason := self.not_over(found.epoch, now):
            return reason
        since = max(found.release_at, self.deadline_of(found.epoch - 1) if found.epoch else 0)
        return "UnstakeLapsed" if now >= since + RELEASE_WINDOW else None

    def release(self, account: str) -> int:
        """Base units."""
        self.collect_known()
        found = self.coolings.pop(account)
        self.history.append(Leave(account, found.shares))
        self.left.append((account, found.epoch))
        amount = self.pool.paid
        self.released[account] = self.released.get(account, 0) + amount
        return amount

    def claim(self, account: str) -> int:
        amount = self.claimable(account)
        self.claimed[account] = self.claimed.get(account, 0) + amount
        return amount

    def collected(self) -> list[Entry]:
        """What collecting from all known legs would add to the pool."""
        if not self.payee.works or not any(self.pool.shares.values()):
            return []
        return [Earn(self.payee.due(leg)) for leg in sorted(self.known)]

    def collect_known(self) -> None:
        for leg in sorted(self.known):
            self.collect(leg)

    def collect(self, leg: int) -> int:
        if not self.payee.works:
            return 0
        amount = self.payee.due(leg)
        self.payee.paid[leg] = self.payee.paid.get(leg, 0) + amount
        if any(self.pool.shares.values()):
            self.history.append(Earn(amount))
        else:
            self.to_operator += amount
        return amount

    def uncollected(self) -> int:
        """What all known legs would bring the pool now."""
        return sum(entry.amount for entry in self.collected())

    def reserve(self, epoch: int, wanted: int) -> Reserve:
        of_operator = min(wanted, self.operator_part)
        of_pool = min(wanted - of_operator, self.pool.assets)
        number = len(self.reserves) + 1
        self.reserves[epoch] = Reserve(number, of_operator, of_pool)
        self.history.append(Slash(epoch, of_pool))
        return self.reserves[epoch]

    def ask_exit(self, account: str, now: int) -> None:
        if not self.request or self.request[0] != account:
            self.request = (account, now + EXIT_DELAY)

    def cannot_withdraw(self, account: str, amount: int, now: int) -> str | None:
        if account != self.deed_owner:
            return "NotDeedOwner"
        if amount == 0:
            return "ZeroAmount"
        if not self.request or self.request[0] != account:
            return "NoExitRequest"
        if now < self.request[1]:
            return "ExitNotReady"
        if reason := self.not_over(self.leased_to, now):
            return reason
        return "NotEnough" if amount > self.operator_part else None
