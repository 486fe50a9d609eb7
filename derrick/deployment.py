"""A market on a real network: checked before, written down after every step, resumed later.

The record is a JSON file; a contract that it names is never deployed again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ape
from ape.exceptions import ApeException
from eth_utils.address import is_address, to_checksum_address

from derrick.market import (
    CONTRACTS,
    Market,
    MarketError,
    MarketRules,
    deploy_market,
    owner_calls,
    token_at,
)
from derrick.structs import NOBODY

MIN_DECIMALS, MAX_DECIMALS = 2, 18
"""What the registry admits."""


@dataclass(frozen=True)
class Plan:
    """What is to be deployed where, by whom and for whom. Addresses are checksummed."""

    network: str
    chain_id: int
    owner: str
    treasury: str
    stablecoin: str

    @classmethod
    def of(cls, deployer: Any, stablecoin: str, owner: str | None, treasury: str | None) -> Plan:
        """The plan for the network that ape is connected to; raises MarketError on wrong input."""
        network = ape.chain.provider.network
        name = str(ape.chain.chain_id) if network.name == "custom" else network.name
        owner = check_address("owner", owner or deployer.address)
        return cls(
            network=f"{network.ecosystem.name}:{name}",
            chain_id=ape.chain.chain_id,
            owner=owner,
            treasury=check_address("treasury", treasury or owner),
            stablecoin=check_stablecoin(stablecoin),
        )

    @property
    def file_name(self) -> str:
        return self.network.replace(":", "-") + ".json"


def check_address(name: str, text: str) -> str:
    """The checksummed address; MarketError when it is none, or nobody's."""
    if not is_address(text) or text == NOBODY:
        raise MarketError(f"{name}: {text!r} is no address that anybody holds")
    return str(to_checksum_address(text))


def check_stablecoin(text: str) -> str:
    """The checksummed address of a token that can settle; MarketError when it is none."""
    address = check_address("stablecoin", text)
    where = f"on {ape.chain.provider.network.name} (chain {ape.chain.chain_id})"
    if not ape.chain.provider.get_code(address):
        raise MarketError(f"stablecoin: no contract at {address} {where}")
    try:
        decimals = token_at(address).decimals()
    except ApeException as error:
        raise MarketError(f"stablecoin: {address} {where} does not say its decimals") from error
    if not MIN_DECIMALS <= decimals <= MAX_DECIMALS:
        raise MarketError(
            f"stablecoin: {decimals} decimals, the registry takes {MIN_DECIMALS} to {MAX_DECIMALS}"
        )
    return address


def check_funds(deployer: Any) -> None:
    """MarketError when the account cannot pay for a single transaction."""
    if deployer.balance == 0 and ape.chain.provider.base_fee:
        network = ape.chain.provider.network.name
        raise MarketError(f"{deployer.address} has nothing to pay gas with on {network}")


class Record:
    """The file of a deployment: what it is of, and what is there already."""

    def __init__(self, path: Path, plan: Plan) -> None:
        self.path = path
        self.plan = plan
        self.contracts: dict[str, str] = {}
        if path.exists():
            self._resume()

    def _resume(self) -> None:
        try:
            old = json.loads(self.path.read_text(encoding="utf-8"))
            contracts = {handle: entry["address"] for handle, entry in old["contracts"].items()}
            known = Plan(*(old[name] for name in Plan.__dataclass_fields__))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise MarketError(f"{self.path} is no record of a deployment; move it away") from error
        gone = [h for h, at in contracts.items() if not ape.chain.provider.get_code(at)]
        if ape.chain.provider.network.is_local and gone:
            return  # a chain that no longer exists
        if known != self.plan:
            differing = [
                n for n in Plan.__dataclass_fields__ if getattr(known, n) != getattr(self.plan, n)
            ]
            raise MarketError(
                f"{self.path} is of a market with another {', '.join(differing)};"
                " move it away to deploy a new one"
            )
        if gone:
            raise MarketError(
                f"{self.path} names contracts that are not on this chain ({', '.join(gone)});"
                " move it away to deploy a new market"
            )
        self.contracts = contracts

    def add(self, handle: str, contract: Any) -> None:
        """Write down that this contract is there now."""
        self.contracts[handle] = contract.address
        self.write([])

    def write(self, left_to_owner: list[str]) -> None:
        """Write the file; what the owner still has to call goes with it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        content = {
            **{name: getattr(self.plan, name) for name in Plan.__dataclass_fields__},
            "complete": set(self.contracts) == set(CONTRACTS),
            "contracts": {
                handle: {"contract": CONTRACTS[handle], "address": address}
                for handle, address in self.contracts.items()
            },
            "left_to_owner": left_to_owner,
        }
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        new.replace(self.path)


def deploy(
    deployer: Any,
    plan: Plan,
    record: Record,
    rules: MarketRules | None = None,
    tell: Callable[[str], None] = lambda _line: None,
) -> tuple[Market, list[str]]:
    """Deploy what is missing. Answers the market, and what its owner still has to call."""
    rules = rules or MarketRules()
    check_funds(deployer)
    for handle, address in record.contracts.items():
        tell(f"{CONTRACTS[handle]} is at {address} already")

    def note(handle: str, contract: Any) -> None:
        record.add(handle, contract)
        tell(f"{CONTRACTS[handle]} deployed at {contract.address}")

    itself = plan.owner == deployer.address
    market = deploy_market(
        deployer if itself else plan.owner,
        plan.stablecoin,
        deployer=deployer,
        treasury=plan.treasury,
        rules=rules,
        deployed=record.contracts,
        on_deployed=note,
    )
    crossed = miswired(market, plan.owner)
    if crossed:
        raise MarketError(f"{record.path}: these do not fit together: {', '.join(crossed)}")
    left = [words for words, _ in owner_calls(market, plan.treasury, rules)]
    record.write(left)
    return market, left


def miswired(market: Market, owner: Any) -> list[str]:
    """Which contracts name others than the market's, as `contract.GETTER`; none in a sound one."""
    wanted: dict[str, dict[str, Any]] = {
        "stablecoins": {"owner": owner},
        "index": {"owner": owner},
        "telemetry": {"owner": owner},
        "capacity": {
            "STABLECOINS": market.stablecoins,
            "INDEX": market.index,
            "TELEMETRY": market.telemetry,
        },
        "bond": {"CAPACITY": market.capacity, "engine": market.lease},
        "lease": {
            "CAPACITY": market.capacity,
            "TELEMETRY": market.telemetry,
            "BOND": market.bond,
            "EDITS": market.lease_edits,
            "SETTLEMENT": market.lease_settlement,
        },
        "factory": {"owner": owner, "CAPACITY": market.capacity, "LEASE": market.lease},
        "registrar": {"CAPACITY": market.capacity, "FACTORY": market.factory},
        "pooling": {"SPLITTERS": market.factory},
        "valuation": {
            "owner": owner,
            "CAPACITY": market.capacity,
            "LEASE": market.lease,
            "INDEX": market.index,
            "SPLITTERS": market.factory,
        },
        "vault": {
            "owner": owner,
            "asset": market.stablecoin,
            "CAPACITY": market.capacity,
            "SPLITTERS": market.factory,
        },
    }
    return [
        f"{handle}.{getter}"
        for handle, getters in wanted.items()
        for getter, expected in getters.items()
        if getattr(getattr(market, handle), getter)() != getattr(expected, "address", expected)
    ]
