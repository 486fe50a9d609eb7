"""A month of a market on a local chain, from real listings, published failure rates and a seed.

Eight operators register and deposit bonds, six tenants lease, three attestors sign, two operators
borrow against their rent, two stakers stand behind their bonds; one capacity has a bad week, one
gives a day to the grid. Who does what is made up; what it comes to is read from the
chain by `derrick.audit`.

    with local_chain():
        result = run_demo(DemoOptions(days=30, seed=1))
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import ape
from eth_utils.crypto import keccak

from derrick.abi import Revert, checksum
from derrick.audit import Auditor, Loan, Subject
from derrick.chain import Contract, Lane
from derrick.data import BPS, bond_terms, listings, sources
from derrick.data.reliability import BASIS, WEEK, BadWeek, telemetry
from derrick.market import (
    DAY,
    LOAN_LTV_BPS,
    MAX_UINT256,
    ON_DEMAND,
    RESERVED,
    SUPPLY,
    TELEMETRY_THRESHOLD,
    TERMS,
    LeaseRequest,
    LocalMarket,
    Registered,
    local_market,
)
from derrick.result import DemoResult, Incident
from derrick.telemetry import Report

START_TIME = 1_999_900_800
"""Days begin at the first midnight (UTC) from here, so that every run has the same times."""

FIRST_EPOCH = 1
"""Epoch 0 is the day on which everything is set up; leases begin with the next."""

MIN_DAYS, MAX_DAYS = 10, 365

TENANTS = ("lab", "studio", "bank", "clinic", "start-up", "university")
LENDERS = ("fund", "treasury")
INVESTORS = ("family office", "trader")
STAKERS = ("underwriter", "mutual")
"""Behind the bonds of the borrowers' capacities, one each; the first leaves before the end."""

BORROWERS = ("h100-n-virginia", "h100-iowa")
"""Whose operators borrow against their rent; the second one's machines have the bad week."""

SOLD_BPS, PLEDGED_BPS = 2_000, 6_000
"""Of their shares, all operators sell a part to each investor; the borrowers pledge this much."""

REPAID_AFTER_BPS = 7_000
"""Loans are sized to be repaid by rent after this part of the run, if nothing goes wrong."""

UTILIZATION_BPS = 7_000
"""The part of the lenders' money that the two loans take."""

STAKERS_LEG = 1
"""Of the splitters of capacities with stakers."""

LEAVING_DAYS = 14
"""From when a staker begins to leave until he is out: a week, and then until no penalty can be
added any more for the last day that he insured."""

GIVES_TO_THE_GRID = "rtx4090-texas"

CLOUDY_BPS = 9_500
"""Nobody signs with a capacity whose last settled day ran less than this; where it was a penalty,
they learn it by trying."""


class DemoError(Exception):
    """The run cannot be as asked; one line that says why."""


@dataclass(frozen=True)
class DemoOptions:
    """How many days to run, and from which seed."""

    days: int = 30
    seed: int = 1

    def __post_init__(self) -> None:
        if not MIN_DAYS <= self.days <= MAX_DAYS:
            raise DemoError(f"a run takes {MIN_DAYS} to {MAX_DAYS} days, not {self.days}")
        if self.seed < 0:
            raise DemoError(f"a seed is a whole number from 0 on, not {self.seed}")

    @property
    def epochs(self) -> range:
        """The epochs that are shown."""
        return range(FIRST_EPOCH, FIRST_EPOCH + self.days)

    @property
    def bad_week(self) -> BadWeek:
        """A third into the run, and over before it ends."""
        return BadWeek(BORROWERS[1], FIRST_EPOCH + min(self.days // 3, self.days - WEEK))

    @property
    def curtailed_epoch(self) -> int:
        """Half-way: the day that one capacity gives to the grid."""
        return FIRST_EPOCH + self.days // 2

    @property
    def leaving_epoch(self) -> int:
        """When the first staker begins to leave, to be out a day before the end; before the first
        day, and so never, where the run is too short for it."""
        return FIRST_EPOCH + self.days - 2 - LEAVING_DAYS


@dataclass(frozen=True)
class Demand:
    """How a capacity is asked for: parts of its units in bps, lengths in days.

    reserved_bps is let from the first day to beyond the last, most_bps never exceeded;
    arrivals_bps is the chance that somebody comes, twice a day.
    """

    reserved_bps: int
    most_bps: int
    arrivals_bps: int
    shortest: int
    longest: int
    weekdays: bool = False


DEMAND = {
    "h100-n-virginia": Demand(5_000, 10_000, 3_000, 4, 12),
    "h100-iowa": Demand(4_000, 9_400, 5_500, 3, 10),
    "b200-us": Demand(5_000, 10_000, 1_800, 6, 14),
    "a100-n-virginia": Demand(2_500, 8_500, 3_500, 2, 12),
    "h100-nebraska": Demand(0, 10_000, 2_500, 3, 9),
    "h200-us": Demand(2_800, 9_000, 3_000, 3, 12),
    "l40s-virginia": Demand(0, 10_000, 3_500, 2, 5, weekdays=True),
    "rtx4090-texas": Demand(1_000, 8_000, 4_500, 2, 5, weekdays=True),
}
"""Assumptions, not measurements: rate cards and listings name no customers."""

Progress = Callable[[int, str], None]
"""Told how many days are over and what is being done."""

Publish = Callable[[str, dict[str, Any]], None]
"""Takes what attestors publish: the reports of a day, by name."""


def run_demo(
    options: DemoOptions,
    progress: Progress = lambda _days, _doing: None,
    publish: Publish = lambda _name, _reports: None,
) -> DemoResult:
    """Run a market on the local chain that ape is connected to, and audit what became of it."""
    progress(0, "deploying the market")
    run = Run(options, publish)
    progress(0, "registering eight capacities")
    run.prepare()
    for done, epoch in enumerate(options.epochs, start=1):
        run.day(epoch)
        progress(done, "leasing, signing, settling")
    progress(options.days, "claiming")
    run.claim()
    progress(options.days, "auditing")
    return run.audit()


def person(role: str, name: str) -> str:
    """The address of somebody who only ever sends transactions: the local node signs for it."""
    return checksum("0x" + keccak(text=f"derrick/{role}/{name}")[-20:].hex())


def draw(random: Random, low: int, high: int) -> int:
    """A whole number from low to high. Only `random()` is the same on every Python."""
    return low + int(random.random() * (high - low + 1))


@dataclass
class Loaned:
    """A borrower's position while the run lasts."""

    capacity: Registered
    debt: list[int] = field(default_factory=list)
    open: bool = True


class Run:
    """One run: the people, what they do every day, and the marks by which it is audited."""

    def __init__(
        self, options: DemoOptions, publish: Publish = lambda _name, _reports: None
    ) -> None:
        self.options = options
        self.publish = publish
        self.first_block = Lane.of_ape().block_number + 1
        self.market: LocalMarket = local_market()
        self.lane = self.market.lane
        self.lane.step_time(1)
        self.coin = self.lane.contract(self.market.usdc.token, "USDC")
        self.lease = self.lane.contract(self.market.lease)
        self.vault = self.lane.contract(self.market.vault)
        self.bond = self.lane.contract(self.market.bond)
        self.tenants = [person("tenant", name) for name in TENANTS]
        self.lenders = [person("lender", name) for name in LENDERS]
        self.investors = [person("investor", name) for name in INVESTORS]
        self.stakers = [person("staker", name) for name in STAKERS]
        self.keeper = person("keeper", "anyone")
        self.capacities: list[Registered] = []
        self.splitters: dict[int, Contract] = {}
        self.holders: dict[int, str] = {}
        self.loans: list[Loaned] = []
        self.uptime: dict[int, int] = {}
        self.turned_away = 0
        self.settle_gas: list[int] = []
        self.closings: list[int] = []

    # ---- the day of set-up -----------------------------------------------------------------

    def prepare(self) -> None:
        """Everything that has to be there when the first day begins."""
        self.register()
        self.sign_first_leases()
        self.lend_and_borrow()

    def register(self) -> None:
        """Every listing becomes a capacity; its operator deposits a bond, behind some of which
        others stake, and sells some of the shares."""
        terms, stakers = bond_terms(), dict(zip(BORROWERS, self.stakers, strict=True))
        midnight = (max(self.lane.time, START_TIME) // DAY + 1) * DAY
        self.lane.mine(at=midnight - DAY // 2)
        taken = len(("owner", "operator", "tenant", "lender"))
        for index, listing in enumerate(listings()):
            operator = ape.accounts.test_accounts[taken + index]
            staker = stakers.get(listing.key)
            stakers_bps = terms["stakers_bps"] if staker else 0
            capacity = self.market.register(listing, operator, stakers_bps)
            self.market.deposit_bond(capacity, terms["bond_days"])
            if staker:
                self.market.stake(capacity, terms["stake_days"], staker)
            self.capacities.append(capacity)
            splitter = self.lane.contract(capacity.splitter)
            self.splitters[capacity.id] = splitter
            self.uptime[capacity.id] = BPS
            for investor in self.investors:
                part = SUPPLY * SOLD_BPS // BPS // len(self.investors)
                splitter.send("transfer", investor, part, sender=operator)

    def sign_first_leases(self) -> None:
        """What is let from the first day on: reservations beyond the last one, and shorter ones."""
        for tenant in self.tenants:
            self.coin.send("approve", self.lease.address, MAX_UINT256, sender=tenant)
        self.market.refresh_feeds()
        longest = TERMS[RESERVED].max_epochs
        reserved_days = min(longest, max(TERMS[RESERVED].min_epochs, self.options.days + WEEK))
        for capacity in self.capacities:
            demand = DEMAND[capacity.listing.key]
            random = self._random(capacity, 0)
            units = capacity.listing.units * demand.reserved_bps // BPS
            if units:
                end = FIRST_EPOCH + reserved_days
                self._sign(capacity, random, units, range(FIRST_EPOCH, end), RESERVED)
            for _ in range(4):
                self._ask(capacity, random, FIRST_EPOCH)

    def lend_and_borrow(self) -> None:
        """The morning of the first day: nothing has been earned yet, much has been signed."""
        first = self.capacities[0]
        self.lane.mine(at=first.ends_at(FIRST_EPOCH - 1) + 60)
        self.market.refresh_feeds()
        for capacity in self.capacities:
            self.lease.send("passIdle", capacity.id, FIRST_EPOCH, sender=self.keeper)
        amounts = []
        for key in BORROWERS:
            capacity = self._capacity(key)
            self.loans.append(Loaned(capacity))
            amounts.append(self._pledge(capacity))
        thousand = 1_000 * 10**6
        money_to_lend = -(-sum(amounts) * BPS // UTILIZATION_BPS // thousand) * thousand
        for index, lender in enumerate(self.lenders):
            part = money_to_lend * (3 - 2 * index) // 4
            self.market.usdc.mint(lender, part)
            self.coin.send("approve", self.vault.address, part, sender=lender)
            self.vault.send("deposit", part, lender, sender=lender)
        for loan, amount in zip(self.loans, amounts, strict=True):
            operator = loan.capacity.operator
            self.vault.send("borrow", loan.capacity.splitter, amount, operator, sender=operator)
            loan.debt.append(self._debt(loan))

    def _pledge(self, capacity: Registered) -> int:
        """Pledge the operator's shares; answers what the signed rent will repay in time."""
        operator, splitter = capacity.operator, self.splitters[capacity.id]
        shares = SUPPLY * PLEDGED_BPS // BPS
        self.market.list_collateral(capacity)
        splitter.send("approve", self.vault.address, shares, sender=operator)
        self.vault.send("pledge", splitter.address, shares, sender=operator)
        rent_a_day = self.lease.read("rentDeltaAt", capacity.id, FIRST_EPOCH)
        kept_bps = BPS - splitter.read("legs").bps
        dividends = rent_a_day * kept_bps * PLEDGED_BPS * self.options.days // BPS**2
        health = self.vault.read("healthOf", operator, splitter.address)
        limit = health.value * LOAN_LTV_BPS // BPS
        hundred = 100 * 10**6
        return int(min(dividends * REPAID_AFTER_BPS // BPS, limit)) // hundred * hundred

    # ---- every day -------------------------------------------------------------------------

    def day(self, epoch: int) -> None:
        """One day: tenants sign in the morning, the keeper settles after midnight."""
        begins = self.capacities[0].ends_at(epoch - 1)
        self.lane.mine(at=begins + DAY // 3)
        for capacity in self.capacities:
            random = self._random(capacity, epoch)
            for _ in range(2):
                if random.random() * BPS < DEMAND[capacity.listing.key].arrivals_bps:
                    self._ask(capacity, random, epoch + 1 + self._lead(random))
        if epoch == self.options.bad_week.first_epoch + 2:
            self._assign_a_lease(epoch)
        if epoch == FIRST_EPOCH + self.options.days // 2:
            for splitter in self.splitters.values():
                splitter.send("claim", self.investors[0], sender=self.investors[0])
        self.lane.mine(at=begins + DAY + 60)
        self._settle(epoch)
        self._let_a_staker_leave(epoch)
        for loan in self.loans:
            self._apply(loan)
        if epoch % WEEK == 0:
            self._claim_costs()
        self.closings.append(self.lane.block_number)

    def _settle(self, epoch: int) -> None:
        """One quorum signature for all capacities, then each is settled with its proof."""
        self.market.refresh_feeds()
        leased = self.lane.batch(
            [self.lease.call("unitsLeasedAt", c.id, epoch) for c in self.capacities]
        )
        reports = []
        for capacity, units in zip(self.capacities, leased, strict=True):
            seen = telemetry(
                capacity.listing,
                epoch,
                seed=self.options.seed,
                bad_week=self.options.bad_week,
            )
            self.uptime[capacity.id] = seen.uptime_bps
            place = capacity.listing.key, epoch
            curtailed = place == (GIVES_TO_THE_GRID, self.options.curtailed_epoch)
            if curtailed:
                seen = replace(seen, uptime_bps=BPS - bond_terms()["curtailment_credit_bps"])
            energy = seen.energy_wh(capacity.listing, units)
            reading = seen.uptime_bps, seen.load_bps, energy
            reports.append(Report(capacity.id, epoch, *reading, curtailed))
        name = f"reports/day-{epoch:03d}.json"
        tree = self.market.post_reports(reports, self.capacities[0].ends_at(epoch), name)
        self.publish(name, tree.dump())
        for report in reports:
            proof = tree.proof(report)
            receipt = self.lease.send("settle", report.as_tuple(), proof, sender=self.keeper)
            self.settle_gas.append(receipt.gas_used)

    def _let_a_staker_leave(self, epoch: int) -> None:
        """In one night the first staker begins to leave, in a later one he is out."""
        insured, staker = self._capacity(BORROWERS[0]).id, self.stakers[0]
        begins = self.options.leaving_epoch
        if epoch == begins:
            shares = self.bond.read("sharesOf", insured, staker)
            self.bond.send("unstake", insured, shares, sender=staker)
        elif FIRST_EPOCH <= begins == epoch - LEAVING_DAYS:
            self.bond.send("withdrawStake", insured, staker, sender=staker)

    def _apply(self, loan: Loaned) -> None:
        """Anyone may let the rent repay; once it has, the borrower takes what is his."""
        operator, collateral = loan.capacity.operator, loan.capacity.splitter
        if loan.open:
            self.vault.send("applyDividends", operator, collateral, sender=self.keeper)
        loan.debt.append(self._debt(loan))
        if loan.open and loan.debt[-1] == 0:
            shares = SUPPLY * PLEDGED_BPS // BPS
            self.vault.send("claimSurplus", collateral, operator, sender=operator)
            self.vault.send("withdrawCollateral", collateral, shares, operator, sender=operator)
            loan.open = False

    def _debt(self, loan: Loaned) -> int:
        position = (loan.capacity.operator, loan.capacity.splitter)
        return int(self.vault.read("healthOf", *position).debt)

    def _claim_costs(self) -> None:
        for capacity in self.capacities:
            operator = capacity.operator
            self.splitters[capacity.id].send("claimLeg", 0, operator, sender=operator)
        for key in BORROWERS:
            self.bond.send("collect", self._capacity(key).id, STAKERS_LEG, sender=self.keeper)

    def _capacity(self, key: str) -> Registered:
        return next(capacity for capacity in self.capacities if capacity.listing.key == key)

    # ---- leasing ---------------------------------------------------------------------------

    def _random(self, capacity: Registered, epoch: int) -> Random:
        """A stream of its own for each capacity and day, so that no other day depends on it."""
        return Random(f"derrick/demo/{self.options.seed}/{capacity.listing.key}/{epoch}")

    def _lead(self, random: Random) -> int:
        """Most lease for tomorrow, one in four some days ahead."""
        return draw(random, 2, 6) if random.random() < 0.25 else 0

    def _ask(self, capacity: Registered, random: Random, start: int) -> None:
        """Somebody looks for units from `start` on, and signs if there are some."""
        demand = DEMAND[capacity.listing.key]
        units = draw(random, 1, max(1, capacity.listing.units // 4))
        end = start + draw(random, demand.shortest, demand.longest)
        if demand.weekdays:
            # Epoch 1 is a Monday.
            start += max(0, (WEEK - (start - FIRST_EPOCH) % WEEK) * ((start - 1) % WEEK >= 5))
            end = min(end, start + 5 - (start - FIRST_EPOCH) % WEEK)
        cloudy = self.uptime[capacity.id] < CLOUDY_BPS
        if end <= start or (cloudy and not self.lease.read("isBarred", capacity.id)):
            return
        used = self.lease.read("occupancyOf", capacity.id, start, end).peak
        free = capacity.listing.units * demand.most_bps // BPS - used
        if free > 0:
            self._sign(capacity, random, min(units, free), range(start, end), ON_DEMAND)

    def _sign(
        self, capacity: Registered, random: Random, units: int, epochs: range, term: int
    ) -> None:
        """A tenant agrees to the rent that it was quoted, and pays the whole term into escrow; or
        is turned away, since the capacity is in penalty."""
        tenant = self.tenants[draw(random, 0, len(self.tenants) - 1)]
        start, end = epochs.start, epochs.stop
        request = LeaseRequest(capacity.id, tenant, term, units, start, end, MAX_UINT256)
        try:
            rent, price, _ = self.lease.read("quote", request)
        except Revert as refusal:
            if refusal.name != "InPenalty":
                raise
            self.turned_away += 1
            return
        self.coin.send("mint", tenant, price, sender=self.market.owner)
        receipt = self.lease.send("lease", request._replace(max_rent=rent), sender=tenant)
        self.holders[receipt.event("Leased").lease] = tenant

    def _assign_a_lease(self, epoch: int) -> None:
        """In the bad week, a tenant hands a running lease with its credits to another."""
        bad = self._capacity(BORROWERS[1])
        for lease, tenant in self.holders.items():
            signed = self.lease.read("leaseOf", lease)
            if lease // 10**9 == bad.id and signed.start < epoch and signed.end > epoch + 2:
                other = next(t for t in self.tenants if t != tenant)
                self.lease.send("transferFrom", tenant, other, lease, sender=tenant)
                self.holders[lease] = other
                return

    # ---- the end ---------------------------------------------------------------------------

    def claim(self) -> None:
        """Tenants, operators and some of the others take what is theirs; the rest can wait."""
        for capacity in self.capacities:
            self.lease.send("release", capacity.id, sender=self.keeper)
        due = self.lane.batch([self.lease.call("creditOf", lease) for lease in self.holders])
        for (lease, tenant), credit in zip(self.holders.items(), due, strict=True):
            if credit:
                self.lease.send("claimCredit", lease, tenant, sender=tenant)
        self._claim_penalties()
        self._claim_costs()
        for capacity in self.capacities[: len(self.capacities) // 2]:
            splitter = self.splitters[capacity.id]
            owner = self.market.owner
            splitter.send("claimLeg", splitter.read("legs").count - 1, owner, sender=owner)
            splitter.send("claimFor", capacity.operator, sender=self.keeper)
            splitter.send("claim", self.investors[0], sender=self.investors[0])
        small = self.lenders[-1]
        shares = self.vault.read("maxRedeem", small)
        self.vault.send("redeem", shares, small, small, sender=small)

    def _claim_penalties(self) -> None:
        """Whoever holds a lease claims its penalties; only the last of them has not come yet."""
        week = self.options.bad_week
        days = range(week.first_epoch, week.last_epoch + 1)
        places = [(lease, epoch) for lease in self.holders for epoch in days]
        amounts = self.lane.batch(self.lease.call("claimableOf", *place) for place in places)
        due = [place for place, amount in zip(places, amounts, strict=True) if amount]
        for lease, epoch in due:
            if lease != due[-1][0]:
                tenant = self.holders[lease]
                self.lease.send("claimPenalty", lease, epoch, tenant, sender=tenant)

    def audit(self, epochs: range | None = None) -> DemoResult:
        """What the chain says about all of it, or about the epochs so far."""
        subjects = {c.id: Subject(c.id, c.listing, self.splitters[c.id]) for c in self.capacities}
        auditor = Auditor(
            lane=self.lane,
            token=self.coin,
            lease=self.lease,
            vault=self.vault,
            bond=self.bond,
            subjects=tuple(subjects.values()),
            loans=tuple(
                Loan(
                    label=f"Operator in {loan.capacity.listing.label.partition(', ')[2]}",
                    subject=subjects[loan.capacity.id],
                    account=loan.capacity.operator.address,
                    debt=tuple(loan.debt),
                )
                for loan in self.loans
            ),
            epochs=tuple(epochs or self.options.epochs),
            closings=tuple(self.closings),
            first_block=self.first_block,
            people=dict(zip(self.tenants, TENANTS, strict=True)),
        )
        week = self.options.bad_week
        return auditor.result(
            currency="USDC",
            decimals=6,
            epoch_seconds=DAY,
            incidents=(Incident(week.capacity, week.first_epoch, week.last_epoch, week.cause),),
            facts=self._facts(auditor),
            uptime_note=BASIS,
            sources=tuple(s.citation for s in sources().values() if s.licence != "-"),
        )

    def _facts(self, auditor: Auditor) -> tuple[tuple[str, str], ...]:
        transactions, gas = auditor.work()
        gas_to_settle = int(statistics.median(self.settle_gas))
        quorum = f"{TELEMETRY_THRESHOLD} of {len(self.market.attestors)}"
        return (
            ("who leases what", f"made up, from seed {self.options.seed}"),
            ("transactions", f"{transactions:,}"),
            ("gas", f"{gas:,}"),
            ("to settle a capacity's day", f"{gas_to_settle:,} gas in the median"),
            ("turned away while a capacity was in penalty", f"{self.turned_away} times"),
            ("telemetry", f"{len(self.closings)} roots, each signed by {quorum} attestors"),
        )
