"""The lower layers of a market, as unit tests start from them: one capacity, one attestor set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from derrick.market import (
    DAY,
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
        statement = tree.statement(
            self.telemetry.provider.chain_id,
            self.telemetry.address,
            1,
            window,
            "ipfs://reports",
            penalty_below,
        )
        quorum = attest(statement, self.attestors[:2])
        self.telemetry.postRoot(statement.as_tuple(), quorum, sender=self.owner)
        self.lane.mine(at=self.lane.time + TELEMETRY_RULES.finality_delay)

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
