"""What the vault owes and is owed, naively and exactly: the reference for its property tests.

Debts and dividends are fractions and are never rounded; every rule is one loop over everybody. The
borrow index alone is an integer here, too, since it is the contract's own unit; its rounding is
written out step by step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

from tests.vault_stage import SUPPLY, UNIT, WAD, YEAR, Terms

BPS = 10_000


def _up(amount: Fraction) -> Fraction:
    return Fraction(ceil(amount))


def rate_wad(terms: Terms, lent: Fraction, idle: int) -> int:
    """Interest per year, 1e18, of two slopes that meet at the kink. Each part is rounded up."""
    if lent == 0:
        return terms.base_rate_wad
    use = _up(WAD * lent / (lent + idle))
    if use <= terms.kink_wad:
        return terms.base_rate_wad + ceil(terms.slope_rate_wad * use / terms.kink_wad)
    beyond = min(use, WAD) - terms.kink_wad
    steep = ceil(terms.steep_rate_wad * beyond / (WAD - terms.kink_wad))
    return terms.base_rate_wad + terms.slope_rate_wad + steep


def growth_wad(rate: int, seconds: int) -> int:
    """x + x²/2 + x³/6, the first terms of eˣ − 1, each rounded up; 1e18."""
    x = _up(Fraction(rate * seconds, YEAR))
    square = _up(x * x / (2 * WAD))
    return int(x + square + _up(square * x / (3 * WAD)))


@dataclass
class ModelPosition:
    """One borrower's loan."""

    shares: int = 0
    debt: Fraction = Fraction(0)
    """At `VaultModel.index`."""
    dividends: Fraction = Fraction(0)
    """Earned and not yet applied to the debt or paid out."""
    roundings: int = 0
    """How often the vault may have rounded this position's dividends down, or its debt up."""


@dataclass
class VaultModel:
    """A vault with one collateral."""

    terms: Terms
    now: int
    min_debt: int
    idle: int = 0
    index: int = WAD
    dividend_index: int = 0
    price: Fraction = Fraction(0)
    """Base units a share."""
    parts: int = 0
    """All debt as the vault counts it: interest goes by it, and `books_balance` checks it."""
    positions: dict[str, ModelPosition] = field(default_factory=dict)

    def position(self, account: str) -> ModelPosition:
        return self.positions.setdefault(account, ModelPosition())

    def index_at(self, now: int) -> int:
        """The borrow index if somebody accrued at `now`."""
        if self.parts == 0 or now == self.now:
            return self.index
        lent = Fraction(self.parts * self.index // WAD, UNIT)
        grown = growth_wad(rate_wad(self.terms, lent, self.idle), now - self.now)
        return self.index + ceil(Fraction(self.index * grown, WAD))

    def debt_at(self, account: str, now: int) -> Fraction:
        """What an account owes at `now`."""
        return self.position(account).debt * Fraction(self.index_at(now), self.index)

    def accrue(self, now: int) -> None:
        """Interest up to `now`, on every debt alike."""
        index = self.index_at(now)
        for loan in self.positions.values():
            loan.debt *= Fraction(index, self.index)
        self.index, self.now = index, now

    def earn(self, amount: int) -> None:
        """A dividend to all shares alike, whoever holds them."""
        self.dividend_index += amount
        for loan in self.positions.values():
            loan.dividends += Fraction(loan.shares * amount, SUPPLY)

    def limit(self, shares: int, ltv_bps: int) -> Fraction:
        """The debt that so many shares carry."""
        return shares * self.price * ltv_bps / BPS


def price_of(assets: int, shares: int) -> Fraction:
    """Share price with the virtual share and asset."""
    return Fraction(assets + 1, shares + UNIT)
