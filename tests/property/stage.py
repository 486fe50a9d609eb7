"""A market on the node for property tests: contracts, accounts by role, three capacities.

The capacities differ in all that matters to settlement: epochs of an hour, a day and a week; a coin
of 6 and one of 18 decimals; small prices that no share divides evenly and the highest there can
be; none, two and four tiers.
The contracts come as artifacts, so that a broken one can be put in place of a real one.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from eth_account import Account as Keys
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from derrick.abi import Abi
from derrick.chain import GAS_LIMIT, Contract, Lane
from derrick.model import (
    BOND,
    ENGINE,
    GUARDIAN,
    MAX_PRICE,
    NOBODY,
    Account,
    Bond,
    Capacity,
    Market,
    Splitter,
    Token,
)
from derrick.structs import Leg, Term, Tier
from derrick.telemetry import (
    Attestation,
    CapacityUnits,
    Report,
    ReportTree,
    SetRules,
    TelemetryRoot,
    attest,
)
from derrick.telemetry_model import SetModel
from derrick.testing import START_TIME
from derrick.units import DAY, HOUR, WEEK

CONTRACTS = (
    "ComputeCapacity",
    "ComputeLease",
    "FreezableCoin",
    "LeaseEdits",
    "LeaseSettlement",
    "RevenueSplitter",
    "RevenueSplitterFactory",
    "ServiceBond",
    "StablecoinRegistry",
    "TelemetryOracle",
)

START = START_TIME + DAY + 2 * HOUR + HOUR // 2
"""Hourly epochs, from half an hour later, end with a window; daily and weekly ones within one."""

OWNER, PROTOCOL, STRANGER = "owner", "protocol", "stranger"
OPERATORS = ("hourly operator", "daily operator", "weekly operator")
TENANTS = ("tenant", "subtenant", "speculator")
INVESTORS = ("investor", "fund")
PEOPLE = (PROTOCOL, STRANGER, GUARDIAN, *OPERATORS, *TENANTS, *INVESTORS)

LIBRARY_ERRORS = ("TransferFailed", "TransferFromFailed")
"""Errors of the libraries that stand in no contract's ABI."""

THRESHOLD = 2
URI = "ipfs://leaves"


@dataclass(frozen=True)
class Artifact:
    """A compiled contract."""

    abi: list[dict[str, Any]]
    bytecode: str


@dataclass(frozen=True)
class Plan:
    """A capacity to register, with its shares."""

    name: str
    coin: str
    attestors: int
    units: int
    delay: int
    epoch_length: int
    lifetime: int
    price: int
    blackout_credit_bps: int
    tiers: tuple[Tier, ...]
    terms: tuple[Term, ...]
    legs: tuple[Leg, ...]
    supply: int
    penalty_below_bps: int = 0
    penalty_per_unit: int = 0
    curtailment_epochs: int = 0
    curtailment_credit_bps: int = 0

    @property
    def origin(self) -> int:
        return START + self.delay

    @property
    def operator(self) -> Account:
        return f"{self.name} operator"

    @property
    def splitter(self) -> Account:
        return f"{self.name} splitter"


SETS = (
    # Any capacity of the first set that fails is a mass of failures.
    SetRules(6 * HOUR, 6 * HOUR, HOUR, DAY, mass_share_bps=1, mass_minimum=1, mass_delay=5 * HOUR),
    SetRules(DAY, 12 * HOUR, 2 * HOUR, DAY, mass_share_bps=5_000, mass_minimum=2, mass_delay=DAY),
)
COINS = {"dollar": 6, "euro": 18}
PROTOCOL_BPS = 249
PLANS = (
    Plan(
        name="hourly",
        coin="dollar",
        attestors=1,
        units=5,
        delay=HOUR // 2,
        epoch_length=HOUR,
        lifetime=2_000,
        price=7,
        blackout_credit_bps=2_500,
        tiers=(Tier(9_900, 1_111), Tier(9_000, 10_000)),
        terms=(
            Term(1, 40, 10_000, notice_epochs=0, deposit_epochs=0),
            Term(4, 40, 8_005, notice_epochs=2, deposit_epochs=3),
            Term(1, 40, 5_000, notice_epochs=0, deposit_epochs=2, preemptible=True),
            Term(1, 40, 9_000),
        ),
        legs=(Leg("hourly operator", 1_234), Leg("fund", 1)),
        supply=3,
        penalty_below_bps=9_000,
        penalty_per_unit=11,
        curtailment_epochs=3,
        curtailment_credit_bps=777,
    ),
    Plan(
        name="daily",
        coin="dollar",
        attestors=2,
        units=3,
        delay=0,
        epoch_length=DAY,
        lifetime=60,
        price=1_000_003,
        blackout_credit_bps=0,
        tiers=(Tier(9_950, 1), Tier(9_500, 3_333), Tier(9_000, 6_667), Tier(1, 9_999)),
        terms=(
            Term(1, 30, 10_000, notice_epochs=1, deposit_epochs=1),
            Term(3, 30, 9_999),
            Term(1, 30, 4_001, notice_epochs=0, deposit_epochs=0, preemptible=True),
            Term(3, 30, 9_000, notice_epochs=3, deposit_epochs=2),
        ),
        legs=(),
        supply=10**12 + 39,
        penalty_below_bps=9_900,
        penalty_per_unit=700_001,
        curtailment_epochs=1,
    ),
    Plan(
        name="weekly",
        coin="euro",
        attestors=2,
        units=32_767,
        delay=3 * DAY,
        epoch_length=WEEK,
        lifetime=30,
        price=MAX_PRICE,
        blackout_credit_bps=10_000,
        tiers=(),
        terms=(
            Term(1, 6, 10_000, notice_epochs=1, deposit_epochs=1),
            Term(1, 4, 50_000),
            Term(1, 6, 20_000, notice_epochs=0, deposit_epochs=1, preemptible=True),
        ),
        legs=(Leg("weekly operator", 8_000),),
        supply=10**18,
    ),
)


class Stage:
    """The contracts and who is who. Put up once; `reset` takes everything back to the start."""

    def __init__(self, lane: Lane, artifacts: Mapping[str, Artifact]) -> None:
        self.lane = lane
        self.artifacts = artifacts
        for name in LIBRARY_ERRORS:
            lane.book.add(Abi([{"type": "error", "name": name, "inputs": []}]))
        self.tally: Counter[tuple[str, str]] = Counter()
        self.gas: Counter[str] = Counter()
        self.keys = [Keys.from_key(keccak(text=f"attestor {i}")) for i in range(3)]
        self.keys.sort(key=lambda key: int(key.address, 16))
        people = (OWNER, *PEOPLE)
        self.addresses = {who: to_checksum_address(keccak(text=who)[-20:]) for who in people}
        self.addresses[NOBODY] = to_checksum_address(b"\0" * 20)
        self.splitters: dict[int, Contract] = {}
        lane.mine(START - HOUR)
        self._deploy()
        self._admit()
        for number, plan in enumerate(PLANS, start=1):
            self._register(number, plan)
        self._fund()
        self.mark()

    def mark(self) -> None:
        """Takes the state as it is now for the one that `reset` leads to."""
        self.now = self.lane.time
        self._mark = self.lane.snapshot()

    def reset(self) -> None:
        """Back to the mark, and a new mark for the next time."""
        self.lane.revert(self._mark)
        self._mark = self.lane.snapshot()

    # Putting up

    def deploy(self, name: str, *arguments: Any) -> Contract:
        """A contract from its artifact, sent by the owner."""
        artifact = self.artifacts[name]
        types = next((i["inputs"] for i in artifact.abi if i["type"] == "constructor"), [])
        # The constructor's inputs are encoded as those of a function without a selector.
        as_function = {"type": "function", "name": "create", "inputs": types, "outputs": []}
        encoder = self.lane.contract(([as_function], self.addresses[OWNER]))
        data = encoder.call("create", *arguments).message["data"][10:]
        message = {
            "from": self.addresses[OWNER],
            "data": artifact.bytecode + data,
            "gas": hex(GAS_LIMIT),
            "gasPrice": "0x0",
        }
        raw = self.lane.node.request("eth_sendTransactionSync", message)
        assert raw["status"] == "0x1", f"{name} was not deployed"
        return self.lane.contract((artifact.abi, raw["contractAddress"]), name)

    def _deploy(self) -> None:
        owner = self.addresses[OWNER]
        self.coins = {coin: self.deploy("FreezableCoin", COINS[coin]) for coin in COINS}
        self.registry = self.deploy("StablecoinRegistry", owner)
        self.oracle = self.deploy("TelemetryOracle", owner)
        # No capacity here has a price floor, so no index is ever asked; and none is ever drawn.
        known = (self.registry, owner, self.oracle, owner)
        self.capacity = self.deploy("ComputeCapacity", *known)
        self.bond = self.deploy("ServiceBond", self.capacity)
        parts = (self.capacity, self.oracle, self.bond)
        modules = [self.deploy(name, *parts) for name in ("LeaseEdits", "LeaseSettlement")]
        self.engine = self.deploy("ComputeLease", *parts, *modules, owner)
        self.bond.send("bind", self.engine, sender=owner)
        self.oracle.send("setGuardian", self.addresses[GUARDIAN], sender=owner)
        self.factory = self.deploy("RevenueSplitterFactory", owner, self.capacity, self.engine)
        self.addresses[ENGINE] = self.engine.address
        self.addresses[BOND] = self.bond.address

    def _admit(self) -> None:
        owner = self.addresses[OWNER]
        for coin in self.coins.values():
            self.registry.send("setStablecoin", coin, True, sender=owner)
        for rules in SETS:
            members = [key.address for key in self.keys]
            self.oracle.send("createSet", members, THRESHOLD, rules.as_tuple(), sender=owner)
        self.factory.send("setProtocolLeg", PROTOCOL_BPS, self.addresses[PROTOCOL], sender=owner)

    def _register(self, number: int, plan: Plan) -> None:
        operator, coin = self.addresses[plan.operator], self.coins[plan.coin]
        payee = self.factory.read("predict", operator, number, coin, plan.supply)
        config = {
            "hardwareClass": b"H100".ljust(32, b"\0"),
            "site": b"SITE".ljust(8, b"\0"),
            "serviceKind": 0,
            "country": 756,
            "acceleratorsPerUnit": 8,
            "wattsPerUnit": 10_200,
            "pueBps": 11_500,
            "units": plan.units,
            "epochLength": plan.epoch_length,
            "lifetimeEpochs": plan.lifetime,
            "origin": plan.origin,
            "committedUptimeBps": 10_000,
            "blackoutCreditBps": plan.blackout_credit_bps,
            "priceFloorBps": 0,
            "attestorSet": plan.attestors,
            "stablecoin": coin,
            "payee": payee,
            "tiers": [(tier.uptime_below_bps, tier.credit_bps) for tier in plan.tiers],
            "penaltyBelowBps": plan.penalty_below_bps,
            "penaltyPerUnit": plan.penalty_per_unit,
            "curtailmentEpochs": plan.curtailment_epochs,
            "curtailmentCreditBps": plan.curtailment_credit_bps,
        }
        terms = [tuple(term) for term in plan.terms]
        self.capacity.send("register", config, terms, plan.price, operator, sender=operator)
        attested = self.signed_units(number, plan.units, 0, self.lane.time + DAY)
        self.capacity.send("attestUnits", *attested, sender=operator)
        splitter = {
            "capacity": number,
            "supply": plan.supply,
            "holder": operator,
            "legs": [(self.addresses[leg.recipient], leg.bps, False) for leg in plan.legs],
            "maxProtocolBps": PROTOCOL_BPS,
        }
        self.factory.send("create", splitter, sender=operator)
        abi = self.artifacts["RevenueSplitter"].abi
        self.splitters[number] = self.lane.contract((abi, payee), plan.splitter)
        self.addresses[plan.splitter] = payee

    def _fund(self) -> None:
        for plan in PLANS:
            coin = self.coins[plan.coin]
            for tenant in TENANTS:
                account = self.addresses[tenant]
                coin.send("mint", account, self._budget(plan), sender=account)
            # The reference knows of no allowances: all who may pay have given theirs.
            for payer in (*TENANTS, STRANGER):
                for spender in (self.engine, self.bond):
                    coin.send("approve", spender, 2**256 - 1, sender=self.addresses[payer])

    @staticmethod
    def _budget(plan: Plan) -> int:
        """Enough for a tenant to lease everything all the time, at five times the price."""
        return plan.units * plan.price * plan.lifetime * 5

    # The same in the reference

    def model(self) -> Market:
        """The reference in the state that `reset` leads to."""
        market = Market(now=self.now)
        members = [key.address for key in self.keys]
        market.sets = {
            number: SetModel(number, rules, members, THRESHOLD)
            for number, rules in enumerate(SETS, start=1)
        }
        tokens = {coin: Token(COINS[coin]) for coin in COINS}
        for number, plan in enumerate(PLANS, start=1):
            token = tokens[plan.coin]
            for tenant in TENANTS:
                token.mint(tenant, self._budget(plan))
            capacity = Capacity(
                id=number,
                operator=plan.operator,
                payee=plan.splitter,
                token=token,
                units=plan.units,
                origin=plan.origin,
                epoch_length=plan.epoch_length,
                lifetime=plan.lifetime,
                attestors=plan.attestors,
                tiers=plan.tiers,
                blackout_credit_bps=plan.blackout_credit_bps,
                price=plan.price,
                terms=list(plan.terms),
                attested=plan.units,
                statements=1,
                penalty_below_bps=plan.penalty_below_bps,
                penalty_per_unit=plan.penalty_per_unit,
                curtailment_epochs=plan.curtailment_epochs,
                curtailment_credit_bps=plan.curtailment_credit_bps,
            )
            market.capacities[number] = capacity
            market.bonds[number] = Bond(capacity)
            market.splitters[number] = Splitter(
                account=plan.splitter,
                capacity=capacity,
                legs=[*plan.legs, Leg(PROTOCOL, PROTOCOL_BPS)],
                shares={plan.operator: plan.supply},
            )
        return market

    # What attestors do

    def signed_root(
        self, set_id: int, window: int, reports: list[Report], attempt: int
    ) -> tuple[TelemetryRoot, list[Attestation], ReportTree]:
        """The statement on these reports, signed by a quorum, and their tree."""
        tree = ReportTree.of(reports)
        below = {number: plan.penalty_below_bps for number, plan in enumerate(PLANS, start=1)}
        below[len(PLANS) + 1] = 0
        oracle = self.oracle.address
        statement = tree.statement(self.chain_id, oracle, set_id, window, URI, below, attempt)
        return statement, attest(statement, self.keys[:THRESHOLD]), tree

    def signed_units(
        self, number: int, units: int, nonce: int, deadline: int
    ) -> tuple[int, int, int, int, list[Attestation]]:
        """What `attestUnits` takes, signed by a quorum of the capacity's set."""
        set_id = PLANS[number - 1].attestors if number <= len(PLANS) else 0
        capacities = self.capacity.address
        statement = CapacityUnits(self.chain_id, capacities, set_id, number, units, nonce, deadline)
        attestations = attest(statement, self.keys[:THRESHOLD])
        return number, units, nonce, deadline, attestations

    @cached_property
    def chain_id(self) -> int:
        return int(self.lane.node.request("eth_chainId"), 16)


def project_artifacts() -> dict[str, Artifact]:
    """The contracts as ape compiled them."""
    import ape  # noqa: PLC0415 - slow

    found = {}
    for name in CONTRACTS:
        contract = getattr(ape.project, name).contract_type
        abi = json.loads(contract.model_dump_json(include={"abi"}, by_alias=True))["abi"]
        found[name] = Artifact(abi, contract.deployment_bytecode.bytecode)
    return found
