"""A bond with deeds, a lease engine that does what it is told, and one real splitter.

Every step of a test says how far the capacity is settled and leased (`MockBondEngine`), so that it
shows what the bond does and nothing else. Splitter and factory are the real ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from derrick.units import DAY

CAPACITY = 1
SUPPLY = 10**18
OPERATOR_LEG, STAKERS_LEG = 0, 1
STAKERS_BPS = 2_000
LEGS_BPS = (1_000, STAKERS_BPS)

VIRTUAL = 10**6
DEPLETED = 10**8
EXIT_DELAY = COOLDOWN = 7 * DAY
RELEASE_WINDOW = 2 * DAY
MAX_HELD = 2**104 - 1
MAX = 2**256 - 1

SPAN = 3 * DAY
"""After an epoch's end, the time until which a penalty can be added for it."""


@dataclass(frozen=True)
class BondStage:
    """The deployed contracts, and what a test does to the world around the bond.

    Epochs of capacity 1 are a day long; the first begins at `origin`.
    """

    project: Any
    lane: Any
    owner: Any
    operator: Any
    coin: Any
    deeds: Any
    bond: Any
    engine: Any
    factory: Any
    splitter: Any
    origin: int
    epoch_length: int = DAY

    @classmethod
    def deploy(
        cls,
        project: Any,
        lane: Any,
        owner: Any,
        operator: Any,
        *,
        coin: Any = None,
        legs_bps: tuple[int, ...] = LEGS_BPS,
    ) -> BondStage:
        """Capacity 1, its deed and all its shares with the operator; nothing leased or settled.

        The first leg is the operator's, all others are the bond's.
        """
        coin = coin or owner.deploy(project.MockERC20, "Dollar", "USD", 6)
        deeds = owner.deploy(project.MockDeeds)
        bond = owner.deploy(project.ServiceBond, deeds)
        engine = owner.deploy(project.MockBondEngine, deeds, bond)
        bond.bind(engine, sender=owner)
        factory = owner.deploy(project.RevenueSplitterFactory, owner, deeds, engine)
        origin = (lane.time // DAY + 2) * DAY
        splitter = factory.predict(operator, CAPACITY, coin, SUPPLY)
        deed = (splitter, coin, origin, DAY)
        deeds.register(CAPACITY, operator, deed, sender=owner)
        recipients = [operator, *[bond] * (len(legs_bps) - 1)]
        legs = [(who, bps, who is bond) for who, bps in zip(recipients, legs_bps, strict=True)]
        factory.create((CAPACITY, SUPPLY, operator, legs, 0), sender=operator)
        splitter = project.RevenueSplitter.at(splitter)
        stage = cls(
            project, lane, owner, operator, coin, deeds, bond, engine, factory, splitter, origin
        )
        stage.settle(0, 0)
        return stage

    # Time

    def start_of(self, epoch: int) -> int:
        """The first second of an epoch."""
        return self.origin + epoch * self.epoch_length

    def deadline_of(self, epoch: int) -> int:
        """Since when no penalty can be added for an epoch."""
        return self.start_of(epoch + 1) + SPAN

    def at(self, second: int) -> None:
        """Let the next transaction happen in this second."""
        self.lane.set_next_time(second)

    # What the engine says

    def settle(self, settled_to: int, leased_to: int, capacity: int = CAPACITY) -> None:
        """Epochs below these are settled, and leased."""
        self.engine.set(capacity, settled_to, leased_to, SPAN, sender=self.owner)

    def reserve(self, epoch: int, amount: int, capacity: int = CAPACITY) -> Any:
        """The engine sets a penalty aside."""
        return self.engine.reserve(capacity, epoch, amount, sender=self.owner)

    def earn(self, amount: int) -> None:
        """The engine owes the splitter rent, and has the money."""
        self.coin.mint(self.engine, amount, sender=self.owner)
        self.engine.earn(CAPACITY, amount, sender=self.owner)

    # What people do

    def fund(self, account: Any, amount: int) -> None:
        """Money, and the bond's allowance over it."""
        self.coin.mint(account, amount, sender=self.owner)
        self.coin.approve(self.bond, MAX, sender=account)

    def deposit(self, amount: int) -> Any:
        """The operator pays into its own part."""
        self.fund(self.operator, amount)
        return self.bond.deposit(CAPACITY, amount, sender=self.operator)

    def stake(self, account: Any, amount: int) -> Any:
        """New money that waits to join."""
        self.fund(account, amount)
        return self.bond.stake(CAPACITY, amount, sender=account)

    def join(self, account: Any, amount: int) -> int:
        """New money that joins at once, nothing being leased meanwhile. Returns its shares."""
        self.stake(account, amount)
        settled_to = self.engine.settledTo(CAPACITY).nextEpoch
        leased_to = self.engine.leasedTo(CAPACITY)
        self.settle(0, 0)
        receipt = self.bond.join(CAPACITY, account, sender=account)
        self.settle(settled_to, leased_to)
        return int(receipt.return_value)

    def cool(self, account: Any, shares: int | None = None) -> int:
        """Unstakes shares, or all. Returns when they can be released at the earliest."""
        shares = self.bond.sharesOf(CAPACITY, account) if shares is None else shares
        self.bond.unstake(CAPACITY, shares, sender=account)
        return int(self.bond.coolingOf(CAPACITY, account).releaseAt)

    def leave(self, account: Any) -> int:
        """Unstakes all, waits and withdraws, nothing being leased. Returns what came."""
        release_at = self.cool(account)
        self.settle(0, 0)
        self.at(release_at)
        receipt = self.bond.withdrawStake(CAPACITY, account, sender=account)
        return int(receipt.return_value)

    # What there is

    def held(self, account: Any) -> int:
        """An account's coins."""
        return int(self.coin.balanceOf(account))

    def operator_part(self) -> int:
        return int(self.bond.operatorPartOf(CAPACITY))

    def pool(self) -> tuple[int, int, int]:
        """Assets, shares, generation."""
        return tuple(self.bond.poolOf(CAPACITY))
