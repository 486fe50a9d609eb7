"""The scenarios behind docs/gas.md: a market on the local node, in one state per operation.

Each scenario leaves the state as it found it, so that no figure depends on another's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import ape

from derrick.chain import Contract, Lane
from derrick.market import (
    DAY,
    MAX_UINT256,
    TELEMETRY_RULES,
    CapacityConfig,
    ClassTerms,
    CollateralTerms,
    LeaseRequest,
    Leg,
    Market,
    RevenueSplit,
    Term,
    Tier,
    ascii_bytes,
    deploy_market,
)
from derrick.telemetry import CapacityUnits, Report, ReportTree, attest

CLASS = ascii_bytes("H100-SXM-80GB", 32)
INDEX_PRICE = 273_000_000
"""2.73 USD an accelerator-hour, 8 decimals."""

DOLLAR = 10**6
RENT = 400 * DOLLAR
UNITS = 32_767
SUPPLY = 10**24
FLEET = 8
"""Reports in a tree: a proof has three siblings."""

FULL_CREDIT_UPTIME = 9_000
PER_BLOCK = 100
"""Leases or transfers that the crowd makes in one transaction."""

START = 16
"""First epoch of the leases measured: the first lane of a calendar word; 30 epochs are two."""


@dataclass(frozen=True)
class Coin:
    """A stablecoin for the scenarios and how it is minted."""

    token: Any
    mint: Callable[[Any, int], None]


@dataclass
class Capacity:
    """A registered capacity and its splitter."""

    id: int
    origin: int
    splitter: Contract


class Bench:
    """A market with one stablecoin, and what the scenarios need of it."""

    def __init__(self, lane: Lane, coin: Coin) -> None:
        people = list(ape.accounts.test_accounts)
        self.owner, self.operator, self.tenant, self.other = people[:4]
        self.lender, self.other_lender, self.borrower, self.liquidator = people[4:8]
        self.attestors = sorted(people[8:13], key=lambda account: int(account.address, 16))
        self.lane, self.coin = lane, coin
        self.market: Market = deploy_market(self.owner, coin.token)
        self.token = lane.contract(coin.token, "coin")
        self.lease = lane.contract(self.market.lease)
        self.capacity = lane.contract(self.market.capacity)
        self.telemetry = lane.contract(self.market.telemetry)
        self.registrar = lane.contract(self.market.registrar)
        self.bond = lane.contract(self.market.bond)
        self.vault = lane.contract(self.market.vault)
        self.collector = lane.contract(self.market.collector)
        members = [a.address for a in self.attestors]
        self.telemetry.send("createSet", members, 3, TELEMETRY_RULES.as_tuple(), sender=self.owner)
        feed = self.owner.deploy(ape.project.PriceFeed, 8, INDEX_PRICE)
        self.market.index.setFeed(CLASS, feed, 90 * DAY, sender=self.owner)
        terms = ClassTerms(6_000, 200, 1_000, 2_000, 8_000_000)
        self.market.valuation.setClass(CLASS, terms, sender=self.owner)
        self.crowd = lane.contract(self.owner.deploy(ape.project.Crowd))
        coin.mint(self.crowd.address, 10**12 * DOLLAR)
        for account in people[:8]:
            coin.mint(account, 10**9 * DOLLAR)
            for spender in (self.lease, self.vault):
                self.token.send("approve", spender, MAX_UINT256, sender=account)

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Undo what the block did."""
        mark = self.lane.snapshot()
        try:
            yield
        finally:
            self.lane.revert(mark)

    # ---- building states

    def config(self, floor_bps: int = 0, penal: bool = False) -> CapacityConfig:
        """A capacity of 32,767 units in daily epochs from the next midnight on."""
        return CapacityConfig(
            hardware_class=CLASS,
            site=ascii_bytes("OK-1", 8),
            service_kind=0,
            country=840,
            accelerators_per_unit=8,
            watts_per_unit=10_200,
            pue_bps=12_500,
            units=UNITS,
            epoch_length=DAY,
            lifetime_epochs=3 * 365,
            origin=(self.lane.time // DAY + 1) * DAY,
            committed_uptime_bps=9_990,
            blackout_credit_bps=5_000,
            price_floor_bps=floor_bps,
            attestor_set=1,
            stablecoin=self.token.address,
            payee="0x" + 40 * "0",
            tiers=(Tier(9_990, 1_000), Tier(9_900, 2_500), Tier(9_500, 10_000)),
            penalty_below_bps=9_500 if penal else 0,
            penalty_per_unit=RENT if penal else 0,
        )

    def registration(self, floor_bps: int = 0, penal: bool = False) -> tuple[Any, ...]:
        """Arguments of the registrar: one term, two legs beside the protocol's."""
        legs = (Leg(self.operator.address, 2_000), Leg(self.lender.address, 500))
        split = RevenueSplit(SUPPLY, legs, 1_000)
        return self.config(floor_bps, penal), [Term(1, 365, 10_000)], RENT, split

    def register(self, floor_bps: int = 0, penal: bool = False) -> Capacity:
        receipt = self.registrar.send(
            "register", *self.registration(floor_bps, penal), sender=self.operator
        )
        event = receipt.event("CapacityRegistered")
        splitter = self.lane.contract(ape.project.RevenueSplitter.at(event.payee))
        address, deadline = self.capacity.address, self.lane.time + DAY
        chain_id, number = ape.chain.chain_id, event.capacity
        statement = CapacityUnits(chain_id, address, 1, number, UNITS, 0, deadline)
        quorum = attest(statement, self.attestors[:3])
        self.capacity.send("attestUnits", number, UNITS, 0, deadline, quorum, sender=self.owner)
        return Capacity(event.capacity, event.config.origin, splitter)

    def request(self, capacity: Capacity, units: int, start: int, end: int) -> LeaseRequest:
        return LeaseRequest(capacity.id, self.tenant.address, 0, units, start, end, RENT)

    def sign(
        self, capacity: Capacity, units: int = 64, start: int = START, end: int = START + 30
    ) -> int:
        """Gas of a lease by the tenant for itself."""
        request = self.request(capacity, units, start, end)
        return self.lease.send("lease", request, sender=self.tenant).gas_used

    def post(self, capacity: Capacity, epoch: int, uptime_bps: int = 10_000) -> tuple[Any, ...]:
        """Post the root of the epoch's window; returns the arguments of `settle` and the gas."""
        report = Report(capacity.id, epoch, uptime_bps, 8_000, 1_958_400)
        others = [Report(10_000 + i, epoch, 10_000, 8_000, 1) for i in range(FLEET - 1)]
        tree = ReportTree.of([report, *others])
        gas = self.post_tree(tree, capacity.origin + (epoch + 1) * DAY)
        return report.as_tuple(), tree.proof(report), gas

    def post_tree(self, tree: ReportTree, end: int) -> int:
        """Post the root of the window that ends then, and wait until it is final; the gas of it."""
        window = TELEMETRY_RULES.window_of(end)
        if self.lane.time < end:
            self.lane.mine(at=end)
        uri = "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
        statement = tree.statement(ape.chain.chain_id, self.telemetry.address, 1, window, uri)
        quorum = attest(statement, self.attestors[:3])
        receipt = self.telemetry.send("postRoot", statement.as_tuple(), quorum, sender=self.owner)
        self.lane.mine(at=self.lane.time + TELEMETRY_RULES.finality_delay)
        return receipt.gas_used

    def settle(self, capacity: Capacity, epoch: int, uptime_bps: int = 10_000) -> int:
        report, proof, _ = self.post(capacity, epoch, uptime_bps)
        return self.lease.send("settle", report, proof, sender=self.owner).gas_used

    def leased(self, leases: int = 1, floor_bps: int = 0, penal: bool = False) -> Capacity:
        """A capacity with so many leases of one unit over its first 30 epochs."""
        capacity = self.register(floor_bps, penal)
        request = self.request(capacity, 1, 0, 30)
        for _ in range(min(leases, 2)):
            self.lease.send("lease", request, sender=self.tenant)
        for count in self.batches(leases - 2):
            arguments = (self.lease, self.token, request, count)
            self.crowd.send("lease", *arguments, sender=self.owner)
        return capacity

    def spread(self, capacity: Capacity, holders: int) -> None:
        """Give shares to so many: three fifths to the other person, the rest in equal parts.

        So much that what the rest leaves unclaimed cannot pay it: a claim has to pull.
        """
        splitter, share = capacity.splitter, SUPPLY * 2 // 5 // holders
        splitter.send("transfer", self.other, SUPPLY * 3 // 5, sender=self.operator)
        splitter.send("transfer", self.crowd, share * (holders - 2), sender=self.operator)
        first = 2**100
        for count in self.batches(holders - 2):
            self.crowd.send("spread", splitter, first, count, share, sender=self.owner)
            first += count

    @staticmethod
    def batches(count: int) -> Iterator[int]:
        """The count in parts that fit a block."""
        for first in range(0, count, PER_BLOCK):
            yield min(PER_BLOCK, count - first)

    # ---- scenarios

    def leasing(self) -> Iterator[tuple[str, int]]:
        with self.isolated():
            self.leased()  # so that the engine holds the coin
            self.lane.mine()
            capacity = self.register()
            request = self.request(capacity, 64, START, START + 30)
            fresh = request._replace(tenant=self.other.address)
            gas = self.lease.send("lease", fresh, sender=self.other).gas_used
            yield "lease_30_epochs_cold", gas
            self.sign(capacity)
            yield "lease_30_epochs_warm", self.sign(capacity)
            lease = capacity.id * 10**9 + 2
            gas = self.lease.send(
                "transferFrom", self.tenant, self.other, lease, sender=self.tenant
            ).gas_used
            yield "lease_transfer_existing", gas
        with self.isolated():
            self.register()
            receipt = self.registrar.send("register", *self.registration(), sender=self.operator)
            yield "register_capacity", receipt.gas_used

    def settling(self) -> Iterator[tuple[str, int]]:
        for leases, key in (
            (1, "settle_epoch_1_lease"),
            (100, "settle_epoch_100_leases"),
            (10_000, "settle_epoch_10000_leases"),
        ):
            with self.isolated():
                capacity = self.leased(leases)
                self.settle(capacity, 0)
                yield key, self.settle(capacity, 1)
        with self.isolated():
            capacity = self.leased()
            self.settle(capacity, 0)
            yield "post_root_3_of_5", self.post(capacity, 1)[2]
        with self.isolated():
            capacity = self.leased()
            self.settle(capacity, 0, FULL_CREDIT_UPTIME)
            yield "settle_epoch_credit", self.settle(capacity, 1, FULL_CREDIT_UPTIME)
            lease = capacity.id * 10**9 + 1
            receipt = self.lease.send("claimCredit", lease, self.tenant, sender=self.tenant)
            yield "claim_credit", receipt.gas_used
            self.lane.mine(at=capacity.origin + 3 * DAY + TELEMETRY_RULES.posting_period)
            receipt = self.lease.send("settleMissing", capacity.id, sender=self.owner)
            yield "settle_missing", receipt.gas_used
        with self.isolated():
            yield "settle_31_capacities", self.settle_fleet()
        with self.isolated():
            capacity = self.leased(penal=True)
            self.settle(capacity, 0)
            self.token.send("approve", self.bond, MAX_UINT256, sender=self.operator)
            deposits = [
                self.bond.send("deposit", capacity.id, 10**6 * DOLLAR, sender=self.operator)
                for _ in range(2)
            ]
            yield "bond_deposit", deposits[1].gas_used
            yield "settle_epoch_penalty", self.settle(capacity, 1, FULL_CREDIT_UPTIME)
            lease = capacity.id * 10**9 + 1
            receipt = self.lease.send("claimPenalty", lease, 1, self.tenant, sender=self.tenant)
            yield "claim_penalty", receipt.gas_used
        with self.isolated():
            capacity = self.leased()
            self.settle(capacity, 0)
            for epoch in range(1, 30):
                self.settle(capacity, epoch)
            self.lane.mine(at=capacity.origin + 48 * DAY)
            self.lease.send("passIdle", capacity.id, 32, sender=self.owner)
            receipt = self.lease.send("passIdle", capacity.id, 48, sender=self.owner)
            yield "pass_idle_16_epochs", receipt.gas_used

    def settle_fleet(self) -> int:
        """Gas of one epoch of a million accelerators: 31 capacities, each leased to its last unit,
        by one root and one proof. What a capacity's leases are many or few makes no difference."""
        fleet = [self.register() for _ in range(31)]
        self.coin.mint(self.tenant.address, 10**11 * DOLLAR)
        for capacity in fleet:
            request = self.request(capacity, UNITS, 0, 30)
            self.lease.send("lease", request, sender=self.tenant)
        for epoch in (0, 1):
            tree = ReportTree.of(
                Report(capacity.id, epoch, 10_000, 8_000, 7_500_000_000) for capacity in fleet
            )
            self.post_tree(tree, fleet[0].origin + (epoch + 1) * DAY)
            arguments = tree.multiproof(tree.reports).as_arguments()
            receipt = self.lease.send("settleMany", *arguments, sender=self.owner)
        return receipt.gas_used

    def splitting(self) -> Iterator[tuple[str, int]]:
        for holders, key in (
            (1, "release_and_claim_1_holder"),
            (1_000, "release_and_claim_1000_holders"),
            (10_000, "release_and_claim_10000_holders"),
        ):
            with self.isolated():
                yield key, self.release_and_claim(holders, emptied=False)
        with self.isolated():
            yield "release_and_claim_emptied", self.release_and_claim(1, emptied=True)
        with self.isolated():
            yield from self._splitting_steadily()
        with self.isolated():
            yield from self._splitting_two_tokens()
        with self.isolated():
            yield from self._pooling()

    def release_and_claim(self, holders: int, emptied: bool) -> int:
        """Gas of a claim that pulls a day's rent, all of the day before claimed: but the protocol's
        part, if the splitter is not to be `emptied`, and that of the holders of small parts."""
        capacity = self.leased()
        if holders > 1:
            self.spread(capacity, holders)
        claimant = self.operator if holders == 1 else self.other
        self.settle(capacity, 0)
        self.claim(capacity, claimant)
        recipients = (self.operator, self.lender, self.owner)
        for leg, recipient in enumerate(recipients if emptied else recipients[:2]):
            capacity.splitter.send("claimLeg", leg, recipient, sender=recipient)
        self.settle(capacity, 1)
        return self.claim(capacity, claimant)

    def _splitting_steadily(self) -> Iterator[tuple[str, int]]:
        capacity = self.leased()
        self.spread(capacity, 2)
        splitter = capacity.splitter
        self.settle(capacity, 0)
        self.claim(capacity, self.other)
        splitter.send("transfer", self.other, 1, sender=self.operator)
        self.settle(capacity, 1)
        yield (
            "release",
            self.lease.send("release", capacity.id, sender=self.owner).gas_used,
        )
        receipt = splitter.send("transfer", self.other, SUPPLY // 10, sender=self.operator)
        yield "splitter_transfer_both_settle", receipt.gas_used
        yield "splitter_claim", self.claim(capacity, self.other)
        splitter.send("claimLeg", 0, self.operator, sender=self.operator)
        self.settle(capacity, 2)
        self.lease.send("release", capacity.id, sender=self.owner)
        receipt = splitter.send("claimLeg", 0, self.operator, sender=self.operator)
        yield "splitter_claim_leg", receipt.gas_used
        for _ in range(2):
            self.token.send("transfer", splitter, DOLLAR, sender=self.lender)
            gas = splitter.send("sync", self.token, sender=self.owner).gas_used
        yield "splitter_sync", gas
        made = [splitter, *(self.register().splitter for _ in range(2))]
        for each in made:
            self.give_dollar(each)
        arguments = ([each.address for each in made], self.operator)
        self.collector.send("claimMany", *arguments, sender=self.owner)
        for each in made:
            self.give_dollar(each)
        receipt = self.collector.send("claimMany", *arguments, sender=self.owner)
        yield "claim_many_3", receipt.gas_used

    def give_dollar(self, splitter: Contract) -> None:
        """A dollar by plain transfer, found."""
        self.token.send("transfer", splitter, DOLLAR, sender=self.lender)
        splitter.send("sync", self.token, sender=self.owner)

    def _splitting_two_tokens(self) -> Iterator[tuple[str, int]]:
        capacity = self.leased()
        splitter = capacity.splitter
        bitcoin = self.owner.deploy(ape.project.MockERC20, "Wrapped Bitcoin", "WBTC", 8)
        self.market.factory.setDividendToken(bitcoin, True, sender=self.owner)
        splitter.send("addToken", bitcoin, sender=self.operator)
        splitter.send("transfer", self.other, SUPPLY // 2, sender=self.operator)
        for _ in range(2):
            self.give_dollar(splitter)
            bitcoin.mint(splitter.address, 10**8, sender=self.owner)
            splitter.send("sync", bitcoin, sender=self.owner)
            receipt = splitter.send("transfer", self.other, 10**18, sender=self.operator)
            gas = self.claim(capacity, self.other)
        yield "splitter_transfer_2_tokens", receipt.gas_used
        yield "splitter_claim_2_tokens", gas

    def _pooling(self) -> Iterator[tuple[str, int]]:
        splitter = self.register().splitter
        self.market.pooling.create(splitter.address, sender=self.owner)
        pooled = self.lane.contract(
            ape.project.PooledShares.at(self.market.pooling.pooledOf(splitter.address))
        )
        splitter.send("approve", pooled, MAX_UINT256, sender=self.operator)
        self.token.send("approve", pooled, MAX_UINT256, sender=self.operator)
        for _ in range(2):
            arguments = (SUPPLY // 4, self.operator, [MAX_UINT256])
            receipt = pooled.send("deposit", *arguments, sender=self.operator)
            self.give_dollar(splitter)
        yield "pooled_deposit", receipt.gas_used
        for _ in range(2):
            receipt = pooled.send("redeem", SUPPLY // 8, self.operator, sender=self.operator)
        yield "pooled_redeem", receipt.gas_used

    def claim(self, capacity: Capacity, holder: Any) -> int:
        return capacity.splitter.send("claim", holder, sender=holder).gas_used

    def lending(self) -> Iterator[tuple[str, int]]:
        for valued in (False, True):
            with self.isolated():
                yield from self._lending(valued)

    def _lending(self, valued: bool) -> Iterator[tuple[str, int]]:
        capacity = self.leased(64, floor_bps=4_000)
        splitter = capacity.splitter
        fixed = self.owner.deploy(ape.project.FixedOracle, 10**6 * DOLLAR * 10**18 // SUPPLY)
        oracle = self.market.valuation if valued else fixed
        terms = CollateralTerms(oracle.address, 5_000, 6_500, 500)
        self.vault.send("listCollateral", splitter, terms, SUPPLY, sender=self.owner)
        for lender in (self.lender, self.other_lender):
            self.vault.send("deposit", 10**6 * DOLLAR, lender, sender=lender)
        quarter = SUPPLY // 4
        for borrower in (self.borrower, self.other):
            splitter.send("transfer", borrower, quarter, sender=self.operator)
            splitter.send("approve", self.vault, MAX_UINT256, sender=borrower)
        splitter.send("transfer", self.liquidator, 1, sender=self.operator)
        self.vault.send("pledge", splitter, quarter, sender=self.other)
        self.vault.send("borrow", splitter, 10_000 * DOLLAR, self.other, sender=self.other)

        def gas(function: str, *arguments: Any, sender: Any) -> int:
            self.lane.mine(at=self.lane.time + 3_600)
            return self.vault.send(function, *arguments, sender=sender).gas_used

        me = self.borrower
        pledge = gas("pledge", splitter, quarter, sender=me)
        first = gas("borrow", splitter, 20_000 * DOLLAR, me, sender=me)
        again = gas("borrow", splitter, 20_000 * DOLLAR, me, sender=me)
        if valued:
            yield "vault_borrow_first", first
            yield "vault_borrow_again_valuation", again
        else:
            yield "vault_pledge", pledge
            yield "vault_borrow_again", again
            yield "vault_repay_part", gas("repay", me, splitter, 5_000 * DOLLAR, sender=me)
            yield (
                "vault_deposit_existing",
                gas("deposit", 1_000 * DOLLAR, self.lender, sender=self.lender),
            )
            yield (
                "vault_withdraw",
                gas("withdraw", 1_000 * DOLLAR, self.lender, self.lender, sender=self.lender),
            )
            with self.isolated():
                self.settle(capacity, 0)
                self.vault.send("applyDividends", me, splitter, sender=self.owner)
                self.settle(capacity, 1)
                yield (
                    "vault_apply_dividends",
                    gas("applyDividends", me, splitter, sender=self.owner),
                )
            with self.isolated():
                self.vault.send("repay", me, splitter, MAX_UINT256, sender=me)
                yield (
                    "vault_withdraw_collateral",
                    gas("withdrawCollateral", splitter, quarter, me, sender=me),
                )
        key = "vault_liquidate_part_valuation" if valued else "vault_liquidate_part"
        with self.isolated():
            self._devalue(capacity, fixed, valued)
            receipt = gas(
                "liquidate",
                me,
                splitter,
                1_000 * DOLLAR,
                0,
                self.liquidator,
                sender=self.liquidator,
            )
            yield key, receipt

    def _devalue(self, capacity: Capacity, fixed: Any, valued: bool) -> None:
        """Let the borrower's shares be worth a bit more than what would still cover the debt."""
        debt, _, value, _ = self.vault.read("healthOf", self.borrower, capacity.splitter)
        share = debt * 10_000 // 7_500
        if valued:
            price = INDEX_PRICE
            feed = ape.project.PriceFeed.at(self.market.index.sourceOf(CLASS).feed)
            while value * 6_500 > debt * 10_000:
                price = price * 9 // 10
                feed.updateAnswer(price, sender=self.owner)
                debt, _, value, _ = self.vault.read("healthOf", self.borrower, capacity.splitter)
            return
        cheap = self.owner.deploy(ape.project.FixedOracle, share * 10**18 // (SUPPLY // 4))
        code = ape.chain.provider.get_code(cheap.address)
        self.lane.node.request("anvil_setCode", fixed.address, "0x" + bytes(code).hex())


def measure(lane: Lane, coin: Coin, progress: Callable[[str], None]) -> dict[str, int]:
    """All scenarios with one stablecoin: key → gas."""
    bench = Bench(lane, coin)
    found: dict[str, int] = {}
    for scenarios in (bench.leasing, bench.settling, bench.splitting, bench.lending):
        for key, gas in scenarios():
            found[key] = gas
            progress(key)
    return found
