"""A factory of splitters over an engine that earns by a call, for unit tests."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

USD = 10**6
SHARE = 10**18
SUPPLY = 1_000_000 * SHARE
CAPACITY = 7

ZERO = "0x" + "00" * 20
FOREVER = 2**256 - 1
NOT_PAID = "TransferFailed()"
"""Solady's word for a token that does not pay, whatever its reason."""

OPEX_BPS = 1_500
RESERVE_BPS = 333
PROTOCOL_BPS = 200
LEGS_BPS = OPEX_BPS + RESERVE_BPS + PROTOCOL_BPS
SHARES_BPS = 10_000 - LEGS_BPS
OPEX, RESERVE, PROTOCOL = 0, 1, 2


def index_of(received: int, legs_bps: int = LEGS_BPS) -> int:
    """All that is due to shares: the legs' part is rounded up."""
    return received - -(-received * legs_bps // 10_000)


def logs(receipt: Any, event: Any) -> list[dict[str, Any]]:
    """The inputs of each event of a kind in a receipt."""
    return [dict(log.event_arguments) for log in receipt.decode_logs(event)]


@dataclass(frozen=True)
class SplitterStage:
    """An engine and a factory whose protocol's leg takes 2 %, and a plain stablecoin."""

    project: Any
    owner: Any
    operator: Any
    lender: Any
    engine: Any
    factory: Any
    usd: Any

    @classmethod
    def deploy(
        cls, project: Any, owner: Any, operator: Any, lender: Any, treasury: Any
    ) -> SplitterStage:
        engine = owner.deploy(project.MockRevenueSource)
        factory = owner.deploy(project.RevenueSplitterFactory, owner, engine, engine)
        factory.setProtocolLeg(PROTOCOL_BPS, treasury, sender=owner)
        usd = owner.deploy(project.MockERC20, "Dollar", "USD", 6)
        return cls(project, owner, operator, lender, engine, factory, usd)

    def legs(self) -> list[tuple[Any, int, bool]]:
        """The operator's running costs, and a reserve of the lender that is fixed."""
        return [(self.operator, OPEX_BPS, False), (self.lender, RESERVE_BPS, True)]

    def split(
        self,
        token: Any = None,
        capacity: int = CAPACITY,
        supply: int = SUPPLY,
        legs: Iterable[Any] | None = None,
    ) -> Any:
        """Make the splitter of a capacity, all shares with the operator."""
        token = token or self.usd
        predicted = self.factory.predict(self.operator, capacity, token, supply)
        self.engine.setPayee(capacity, predicted, token, sender=self.owner)
        own = self.legs() if legs is None else list(legs)
        config = (capacity, supply, self.operator, own, PROTOCOL_BPS)
        self.factory.create(config, sender=self.operator)
        return self.project.RevenueSplitter.at(predicted)

    def earn(self, amount: int, capacity: int = CAPACITY) -> None:
        """The engine settles epochs: it owes the splitter this much more, and has the money."""
        self.usd.mint(self.engine, amount, sender=self.owner)
        self.engine.earn(capacity, amount, sender=self.owner)

    def token(self, decimals: int = 8, name: str = "Wrapped Bitcoin") -> Any:
        """Another token, allowed as a dividend."""
        token = self.owner.deploy(self.project.MockERC20, name, "WBTC", decimals)
        self.factory.setDividendToken(token, True, sender=self.owner)
        return token
