"""Uniswap v3, deployed from its published artifacts: the code of the real pools.

uniswap = Uniswap.deploy(owner)
pool = uniswap.pool(shares, dollars, {shares: 10**21, dollars: 10**9}, provider)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from pathlib import Path
from typing import Any

import ape
from ape.contracts import ContractContainer
from ethpm_types import ContractType

PACKAGES = Path(__file__).parent.parent / "node_modules" / "@uniswap"
FEE = 3_000
"""Hundredths of a basis point: 0.3 %."""

TICK_SPACING = 60
WIDEST = 887_272 // TICK_SPACING * TICK_SPACING
NEVER = 2**256 - 1
ALL = 2**128 - 1


@lru_cache(maxsize=8)
def _container(package: str, name: str) -> ContractContainer:
    path = PACKAGES / package / "artifacts" / "contracts" / f"{name}.sol" / f"{name}.json"
    artifact = json.loads(path.read_text())
    return ContractContainer(
        ContractType.model_validate(
            {
                "contractName": name,
                "abi": artifact["abi"],
                "deploymentBytecode": {"bytecode": artifact["bytecode"]},
            }
        )
    )


@dataclass(frozen=True)
class Position:
    """A provider's liquidity over the widest range of a pool."""

    pool: Any
    id: int
    liquidity: int


@dataclass(frozen=True)
class Uniswap:
    """Factory, position manager and router."""

    factory: Any
    positions: Any
    router: Any

    @classmethod
    def deploy(cls, owner: Any) -> Uniswap:
        factory = owner.deploy(_container("v3-core", "UniswapV3Factory"))
        # Nobody wraps ether here, and no position is drawn: these two are never called.
        nobody = "0x000000000000000000000000000000000000dEaD"
        manager = _container("v3-periphery", "NonfungiblePositionManager")
        router = _container("v3-periphery", "SwapRouter")
        return cls(
            factory,
            owner.deploy(manager, factory, nobody, nobody),
            owner.deploy(router, factory, nobody),
        )

    def provide(self, amounts: dict[Any, int], provider: Any) -> Position:
        """Make a pool of two tokens at the price of these amounts, and put them into it."""
        (token0, amount0), (token1, amount1) = sorted(
            amounts.items(), key=lambda item: int(item[0].address, 16)
        )
        price = isqrt((amount1 << 192) // amount0)
        self.positions.createAndInitializePoolIfNecessary(
            token0, token1, FEE, price, sender=provider
        )
        for token, amount in amounts.items():
            token.approve(self.positions, amount, sender=provider)
        receipt = self.positions.mint(
            (
                *(token0, token1, FEE, -WIDEST, WIDEST, amount0, amount1, 0, 0),
                *(provider, NEVER),
            ),
            sender=provider,
        )
        position, liquidity, *_ = receipt.return_value
        address = self.factory.getPool(token0, token1, FEE)
        artifact = _container("v3-core", "UniswapV3Pool").contract_type
        pool = ape.Contract(address, contract_type=artifact)
        return Position(pool, position, liquidity)

    def withdraw(self, position: Position, provider: Any) -> None:
        """Take all liquidity out, and all fees."""
        self.positions.decreaseLiquidity(
            (position.id, position.liquidity, 0, 0, NEVER), sender=provider
        )
        self.positions.collect((position.id, provider, ALL, ALL), sender=provider)

    def buy(self, token: Any, paid_in: Any, amount: int, buyer: Any) -> int:
        """Pay so much of one token for another; how much of it."""
        paid_in.approve(self.router, amount, sender=buyer)
        order = (paid_in, token, FEE, buyer, NEVER, amount, 0, 0)
        return int(self.router.exactInputSingle(order, sender=buyer).return_value)
