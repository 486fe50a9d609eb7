"""A vault with one real splitter as collateral, for unit and property tests alike.

Rent is earned by a call (`MockRevenueSource`) and the shares cost what the test says
(`MockCollateralOracle`), so that a test says what happens to the vault and nothing else. The
splitter and its factory are the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CAPACITY = 1
SUPPLY = 10**18
"""Shares of the splitter, in their smallest part."""

WAD = 10**18
YEAR = 365 * 86_400
UNIT = 10**6
"""Debt and reserves count in millionths of a base unit; virtual shares, too."""

PARTS = WAD * UNIT


@dataclass(frozen=True)
class Terms:
    """How the stage's vault and its collateral are set up."""

    borrow_ltv_bps: int = 6_000
    liquidation_ltv_bps: int = 7_500
    bonus_bps: int = 500
    base_rate_wad: int = 10**16
    slope_rate_wad: int = 7 * 10**16
    steep_rate_wad: int = 60 * 10**16
    kink_wad: int = 80 * 10**16
    reserve_factor_bps: int = 1_000
    min_debt_coins: int = 100


def vault_config(coin: Any, owner: Any, splitters: Any, capacity: Any, terms: Terms) -> dict:
    """What the vault's constructor takes."""
    return {
        "asset": coin,
        "owner": owner,
        "splitters": splitters,
        "capacity": capacity,
        "baseRateWad": terms.base_rate_wad,
        "slopeRateWad": terms.slope_rate_wad,
        "steepRateWad": terms.steep_rate_wad,
        "kinkWad": terms.kink_wad,
        "reserveFactorBps": terms.reserve_factor_bps,
        "minDebt": terms.min_debt_coins * 10 ** coin.decimals(),
        "name": "Derrick Test Dollar",
        "symbol": "dTUSD",
    }


def collateral_terms(oracle: Any, terms: Terms) -> tuple[Any, int, int, int]:
    """What `listCollateral` takes."""
    return (oracle, terms.borrow_ltv_bps, terms.liquidation_ltv_bps, terms.bonus_bps)


@dataclass(frozen=True)
class VaultStage:
    """The deployed contracts, and what a test does to the world around the vault."""

    project: Any
    owner: Any
    operator: Any
    coin: Any
    source: Any
    factory: Any
    splitter: Any
    oracle: Any
    vault: Any
    terms: Terms

    @classmethod
    def deploy(
        cls,
        project: Any,
        owner: Any,
        operator: Any,
        *,
        coin: Any = None,
        decimals: int = 6,
        terms: Terms | None = None,
        worth_coins: int = 1_000_000,
        legs: tuple[Any, ...] = (),
    ) -> VaultStage:
        """All shares start with the operator and are worth `worth_coins`."""
        terms = terms or Terms()
        coin = coin or owner.deploy(project.MockERC20, "Test Dollar", "TUSD", decimals)
        source = owner.deploy(project.MockRevenueSource)
        factory = owner.deploy(project.RevenueSplitterFactory, owner, source, source)
        splitter = project.RevenueSplitter.at(factory.predict(operator, CAPACITY, coin, SUPPLY))
        source.setPayee(CAPACITY, splitter, coin, sender=owner)
        factory.create((CAPACITY, SUPPLY, operator, list(legs), 0), sender=operator)
        oracle = owner.deploy(project.MockCollateralOracle, 0)
        config = vault_config(coin, owner, factory, source, terms)
        vault = owner.deploy(project.CollateralVault, config)
        vault.listCollateral(splitter, collateral_terms(oracle, terms), SUPPLY, sender=owner)
        stage = cls(project, owner, operator, coin, source, factory, splitter, oracle, vault, terms)
        stage.set_worth(worth_coins)
        return stage

    def coins(self, amount: int) -> int:
        """Base units of so many whole coins."""
        return amount * int(10 ** self.coin.decimals())

    def set_worth(self, coins: int) -> None:
        """Lets all shares together be worth so many coins."""
        self.oracle.setPrice(self.coins(coins) * WAD // SUPPLY, sender=self.owner)

    def fund(self, account: Any, coins: int) -> None:
        """Gives an account money, and the vault its approval."""
        self.coin.mint(account, self.coins(coins), sender=self.owner)
        self.coin.approve(self.vault, 2**256 - 1, sender=account)

    def lend(self, lender: Any, coins: int) -> None:
        """Lets a lender deposit new money."""
        self.fund(lender, coins)
        self.vault.deposit(self.coins(coins), lender, sender=lender)

    def give_shares(self, account: Any, shares: int) -> None:
        """Gives an account shares of the splitter, and the vault its approval."""
        self.splitter.transfer(account, shares, sender=self.operator)
        self.splitter.approve(self.vault, 2**256 - 1, sender=account)

    def pledge(self, borrower: Any, shares: int) -> None:
        """Lets a borrower pledge shares that the operator gave him."""
        self.give_shares(borrower, shares)
        self.vault.pledge(self.splitter, shares, sender=borrower)

    def earn(self, coins: int) -> None:
        """Lets the capacity earn rent; the money waits in the lease engine."""
        self.earn_units(self.coins(coins))

    def earn_units(self, amount: int) -> None:
        """The same in base units."""
        self.coin.mint(self.source, amount, sender=self.owner)
        self.source.earn(CAPACITY, amount, sender=self.owner)

    def debt_of(self, account: Any) -> int:
        """What an account owes now, in base units."""
        return int(self.vault.healthOf(account, self.splitter).debt)

    def dividends_of(self, account: Any) -> int:
        """What an account's position is due, in base units."""
        return int(self.vault.healthOf(account, self.splitter).dividends)
