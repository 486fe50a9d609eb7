"""The lower layers of a market, as unit tests start from them: one capacity, one attestor set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pytest

from derrick.chain import Contract, Receipt
from derrick.market import (
    DAY,
    HOUR,
    MAX_UINT256,
    TELEMETRY_RULES,
    TELEMETRY_THRESHOLD,
    CapacityConfig,
    LeaseRequest,
    Term,
    Tier,
    ascii_bytes,
)
from derrick.telemetry import CapacityUnits, Report, ReportTree, attest

PRICE = 400_000_000
"""Rent per unit and epoch under term 0: 400 dollars a day."""

UNITS = 100
LIFETIME = 1_000

PENALTY = 50_000_000
"""What an epoch in penalty costs per leased unit: 50 dollars."""
PENALTY_BELOW = 9_000
CURTAILMENTS = 2
CURTAILMENT_CREDIT = 500
BOND = 1_000 * PENALTY


@dataclass(frozen=True)
class Bench:
    """Contracts of the lower layers, and what tests do with them all the time."""

    project: Any
    lane: Any
    owner: Any
    operator: Any
    attestors: list[Any]
    coin: Any
    stablecoins: Any
    index: Any
    telemetry: Any
    capacity: Any
    bond: Any
    lease: Any
    config: CapacityConfig

    @property
    def origin(self) -> int:
        return self.config.origin

    def epoch_end(self, epoch: int) -> int:
        return self.config.origin + (epoch + 1) * self.config.epoch_length

    def go_to_epoch(self, epoch: int) -> None:
        """Let the next block be the first second of `epoch`."""
        self.lane.mine(at=self.config.origin + epoch * self.config.epoch_length)

    def request(self, tenant: Any, **changes: Any) -> LeaseRequest:
        """A request for 10 units over epochs 2 … 11 at the price."""
        request = LeaseRequest(
            capacity=1, term=0, units=10, start=2, end=12, max_rent=PRICE, tenant=tenant
        )
        return request._replace(**changes)

    def sign_lease(self, tenant: Any, **changes: Any) -> int:
        """Fund the tenant, let it sign, and return the lease's id."""
        request = self.request(tenant, **changes)
        total = self.lease.quote(request).paid
        self.coin.mint(tenant, total, sender=self.owner)
        self.coin.approve(self.lease, total, sender=tenant)
        return int(self.lease.lease(request, sender=tenant).return_value)

    def register(self, config: CapacityConfig, terms: list[Term], price: int = PRICE) -> int:
        """Register another capacity of the operator, let its units be attested; returns its id."""
        capacity = self.capacity.register(
            config, terms, price, self.operator, sender=self.operator
        ).return_value
        self.attest_units(capacity, config.units)
        return int(capacity)

    def attest_units(self, capacity: int, units: int) -> None:
        """Let the attestors say how many units of a capacity there are."""
        nonce, deadline = self.capacity.attestationNonce(capacity), self.lane.time + DAY
        set_id = self.capacity.serviceLevelOf(capacity).attestorSet
        threshold = self.telemetry.setOf(set_id).threshold
        statement = CapacityUnits(
            self.capacity.provider.chain_id,
            self.capacity.address,
            set_id,
            capacity,
            units,
            nonce,
            deadline,
        )
        quorum = attest(statement, self.attestors[:threshold])
        self.capacity.attestUnits(capacity, units, nonce, deadline, quorum, sender=self.owner)

    def post(self, *reports: Report) -> ReportTree:
        """Let the attestors sign a root over reports of one window, once that has ended."""
        tree = ReportTree.of(reports)
        end = max(self.epoch_end(report.epoch) for report in reports)
        window = TELEMETRY_RULES.window_of(end)
        ready = TELEMETRY_RULES.ends_at(window)
        if self.lane.time < ready:
            self.lane.mine(at=ready)
        self.post_tree(tree, window)
        return tree

    def post_tree(self, tree: ReportTree, window: int, penalty_below: int = 0) -> None:
        """Let the attestors sign the root of an ended window, and wait until it is final."""
        self.sign_root(tree, window, penalty_below)
        self.lane.mine(at=self.lane.time + TELEMETRY_RULES.finality_delay)

    def sign_root(
        self, tree: ReportTree, window: int, penalty_below: int = 0, attempt: int = 0
    ) -> None:
        """Let the attestors sign the root of an ended window."""
        statement = tree.statement(
            self.telemetry.provider.chain_id,
            self.telemetry.address,
            1,
            window,
            "ipfs://reports",
            penalty_below,
            attempt,
        )
        quorum = attest(statement, self.attestors[:2])
        self.telemetry.postRoot(statement.as_tuple(), quorum, sender=self.owner)

    def settle(self, epoch: int, uptime_bps: int = 10_000, capacity: int = 1) -> Any:
        """Report an epoch and settle it; returns the receipt."""
        report = Report(capacity, epoch, uptime_bps, 8_000, 1_234_567)
        tree = self.post(report)
        return self.lease.settle(report.as_tuple(), tree.proof(report), sender=self.owner)


@pytest.fixture(scope="module")
def bench(project, lane, owner, operator, attestors):
    """A market's lower layers, with one open capacity of 100 units in epochs of a day."""
    coin = project.MockERC20.deploy("Dollar", "USD", 6, sender=owner)
    stablecoins = project.StablecoinRegistry.deploy(owner, sender=owner)
    stablecoins.setStablecoin(coin, True, sender=owner)
    index = project.ComputeIndex.deploy(owner, sender=owner)
    telemetry = project.TelemetryOracle.deploy(owner, sender=owner)
    members = sorted((a.address for a in attestors[:3]), key=lambda a: int(a, 16))
    telemetry.createSet(members, TELEMETRY_THRESHOLD, TELEMETRY_RULES.as_tuple(), sender=owner)
    deed_renderer = project.DeedRenderer.deploy(sender=owner)
    capacity = project.ComputeCapacity.deploy(
        stablecoins, index, telemetry, deed_renderer, sender=owner
    )
    bond = project.ServiceBond.deploy(capacity, sender=owner)
    known = (capacity, telemetry, bond)
    edits = project.LeaseEdits.deploy(*known, sender=owner)
    settlement = project.LeaseSettlement.deploy(*known, sender=owner)
    renderer = project.LeaseRenderer.deploy(sender=owner)
    lease = project.ComputeLease.deploy(*known, edits, settlement, renderer, sender=owner)
    bond.bind(lease, sender=owner)
    config = CapacityConfig(
        hardware_class=ascii_bytes("H100-SXM-80GB", 32),
        site=ascii_bytes("OK-1", 8),
        service_kind=0,
        country=840,
        accelerators_per_unit=8,
        watts_per_unit=10_200,
        pue_bps=12_500,
        units=UNITS,
        epoch_length=DAY,
        lifetime_epochs=LIFETIME,
        origin=(lane.time // DAY + 1) * DAY,
        committed_uptime_bps=9_990,
        blackout_credit_bps=5_000,
        price_floor_bps=0,
        attestor_set=1,
        stablecoin=coin.address,
        payee=operator.address,
        tiers=(Tier(9_990, 1_000), Tier(9_900, 2_500), Tier(9_500, 10_000)),
    )
    terms = [Term(1, 365, 10_000), Term(30, 4_096, 8_001)]
    capacity.register(config, terms, PRICE, operator, sender=operator)
    bench = Bench(
        project,
        lane,
        owner,
        operator,
        attestors,
        coin,
        stablecoins,
        index,
        telemetry,
        capacity,
        bond,
        lease,
        config,
    )
    bench.attest_units(1, UNITS)
    return bench


@dataclass(frozen=True, eq=False)
class Service:
    """A capacity that answers for its service: penalties, curtailment, a bond, on the lane.

    Two tenants have more than enough and an open allowance. `engine` and the rest are the bench's
    contracts, for short and quick.
    """

    bench: Bench
    guardian: Any
    id: int
    config: CapacityConfig

    @cached_property
    def engine(self) -> Contract:
        return self.bench.lane.contract(self.bench.lease)

    @cached_property
    def bond(self) -> Contract:
        return self.bench.lane.contract(self.bench.bond)

    @cached_property
    def telemetry(self) -> Contract:
        return self.bench.lane.contract(self.bench.telemetry)

    @cached_property
    def deeds(self) -> Contract:
        return self.bench.lane.contract(self.bench.capacity)

    @cached_property
    def coin(self) -> Contract:
        return self.bench.lane.contract(self.bench.coin)

    @property
    def lane(self) -> Any:
        return self.bench.lane

    def another(self, terms: tuple[Term, ...] = (), **changes: Any) -> Service:
        """A further capacity, as this one but for what is named."""
        config = self.config._replace(**changes)
        number = self.bench.register(config, list(terms or SERVICE_TERMS))
        return replace(self, id=number, config=config)

    def balance(self, account: Any) -> int:
        return int(self.coin.read("balanceOf", account))

    def deposit(self, amount: int, payer: Any = None) -> None:
        """Let the operator, or whoever, add to the bond."""
        payer = payer or self.bench.operator
        self.coin.send("mint", payer, amount, sender=self.bench.owner)
        self.coin.send("approve", self.bond, amount, sender=payer)
        self.bond.send("deposit", self.id, amount, sender=payer)

    def sign(self, who: Any, **changes: Any) -> int:
        """Ten units for epochs 0 … 9, prepaid, unless said otherwise; returns the lease's id."""
        fields = {"capacity": self.id, "start": 0, "end": 10, **changes}
        request = self.bench.request(who, **fields)
        return int(self.engine.send("lease", request, sender=who).event("Leased").lease)

    def report(self, epoch: int, uptime_bps: int = 10_000, **changes: Any) -> Report:
        return replace(Report(self.id, epoch, uptime_bps, 8_000, 1_234_567), **changes)

    # Time

    def ends_at(self, epoch: int) -> int:
        return self.config.origin + (epoch + 1) * self.config.epoch_length

    def window_of(self, epoch: int) -> int:
        return TELEMETRY_RULES.window_of(self.ends_at(epoch))

    def reveal_ends(self, epoch: int) -> int:
        return TELEMETRY_RULES.reveal_ends(self.window_of(epoch))

    def late_ends(self, epoch: int) -> int:
        return TELEMETRY_RULES.late_ends(self.window_of(epoch))

    def go_to(self, time: int) -> None:
        """Let reads see that time, unless it is past."""
        if self.lane.time < time:
            self.lane.mine(at=time)

    # Reporting and settling

    def post(
        self,
        *reports: Report,
        window: int | None = None,
        is_final: bool = True,
        attempt: int = 0,
    ) -> ReportTree:
        """Let the attestors sign a root over reports of one window; by this capacity's clock the
        first report's, if it is not said."""
        tree = ReportTree.of(reports)
        window = self.window_of(reports[0].epoch) if window is None else window
        self.go_to(TELEMETRY_RULES.ends_at(window))
        self.bench.sign_root(tree, window, PENALTY_BELOW, attempt)
        if is_final:
            self.lane.mine(at=self.lane.time + TELEMETRY_RULES.finality_delay)
        return tree

    def show(self, name: str, report: Report, tree: ReportTree, at: int | None = None) -> Receipt:
        """`settle`, `record` or `addPenalty` by a report, from whoever."""
        proof = tree.proof(report)
        return self.engine.send(name, report.as_tuple(), proof, sender=self.bench.owner, at=at)

    def settle(self, epoch: int, uptime_bps: int = 10_000, **changes: Any) -> Receipt:
        """Report an epoch and settle it."""
        report = self.report(epoch, uptime_bps, **changes)
        return self.show("settle", report, self.post(report))

    def settle_many(self, tree: ReportTree, *reports: Report) -> Receipt:
        """Settle these reports by one proof, from whoever."""
        proved = tree.multiproof(reports).as_arguments()
        return self.engine.send("settleMany", *proved, sender=self.bench.owner)

    def miss(self, at: int | None = None) -> Receipt:
        """Settle the next epoch without a report in hand, from whoever."""
        return self.engine.send("settleMissing", self.id, sender=self.bench.owner, at=at)

    def withhold(self, report: Report) -> ReportTree:
        """Let a report be signed, and its epoch settled without anyone showing it."""
        tree = self.post(report)
        self.go_to(self.reveal_ends(report.epoch))
        self.miss()
        return tree

    def skip(self, to: int) -> None:
        """Let idle epochs below `to` end, and pass them."""
        self.go_to(self.ends_at(to - 1))
        self.engine.send("passIdle", self.id, to, sender=self.bench.owner)

    # Reading

    @property
    def next_epoch(self) -> int:
        return int(self.engine.read("settledTo", self.id).nextEpoch)

    @property
    def is_barred(self) -> bool:
        return bool(self.engine.read("isBarred", self.id))

    def penalty(self, epoch: int) -> tuple[int, int, int]:
        """Per unit, units and state of an epoch's penalty."""
        return tuple(self.engine.read("penaltyOf", self.id, epoch))

    def claimable(self, lease: int, epoch: int) -> int:
        return int(self.engine.read("claimableOf", lease, epoch))

    def claim(self, lease: int, epoch: int, who: Any, receiver: Any = None) -> int:
        """Claim a penalty; returns what the event says and the receiver got."""
        receiver = receiver or who
        before = self.balance(receiver)
        receipt = self.engine.send("claimPenalty", lease, epoch, receiver, sender=who)
        amount = int(receipt.event("PenaltyClaimed").amount)
        assert self.balance(receiver) - before == amount
        return amount


PREPAID, ROLLING, SPOT = range(3)
SERVICE_TERMS = (
    Term(1, 365, 10_000),
    Term(1, 365, 10_000, 2, 3),
    Term(1, 365, 10_000, 0, 1, True),
)


@pytest.fixture(scope="module")
def service(bench, guardian, tenant, other_tenant):
    """A capacity with penalties and a bond that lasts, two tenants with money, a guardian."""
    config = bench.config._replace(
        penalty_below_bps=PENALTY_BELOW,
        penalty_per_unit=PENALTY,
        curtailment_epochs=CURTAILMENTS,
        curtailment_credit_bps=CURTAILMENT_CREDIT,
    )
    bench.telemetry.setGuardian(guardian, sender=bench.owner)
    number = bench.register(config, list(SERVICE_TERMS))
    for account in (tenant, other_tenant):
        bench.coin.mint(account, 10**18, sender=bench.owner)
        bench.coin.approve(bench.lease, MAX_UINT256, sender=account)
    service = Service(bench, guardian, number, config)
    service.deposit(BOND)
    return service


@pytest.fixture
def hourly(service, tenant):
    """A capacity with epochs of an hour: 24 to a window. Ten units leased for the first 48."""
    hourly = service.another(epoch_length=HOUR)
    hourly.deposit(BOND)
    hourly.sign(tenant, end=48)
    return hourly
