"""The market in plain Python: what the contracts must do, written the slow and obvious way.

This is the reference that property tests hold the contracts against. It keeps history only (leases
as they stand, epochs settled, shares moved, payments made) and works every figure out of it anew,
by loops over every lease, epoch and holder, in integers and fractions. None of the contracts'
running sums, lanes, deltas or checkpoints appear here, so a mistake in one of those cannot hide in
both.

A call that must revert raises `Refused` with the error's name and inputs as in `interfaces/`.
Checks stand in the contracts' order. Accounts are names; amounts are base units.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

from derrick.structs import LeaseRequest, Leg, Term, Tier
from derrick.telemetry import Penalties, Report, ReportTree, Status, TelemetryRoot
from derrick.telemetry_model import Refusal, SetModel, WindowModel
from derrick.units import (
    BPS,
    DAY,
    HOUR,
    bps_down,
    bps_up,
    div_up,
    epoch_end,
    epoch_start,
    first_unbegun,
)

Account = str

ENGINE: Account = "lease engine"
BOND: Account = "service bond"
GUARDIAN: Account = "guardian"
NOBODY: Account = "nobody"
IDS_PER_CAPACITY = 10**9
INDEX_UNIT = 10**8
MAX_PRICE = 2**82
MAX_RENT = 5 * MAX_PRICE
MAX_ACTIVE_TERMS = 8
MAX_TERMS = 255
CAUSE_EPOCHS = 10
"""A tenant may leave for cause when the credits of so many epochs sum to half their rent."""
CAUSE_BPS = CAUSE_EPOCHS * BPS // 2
BOUNTY_BPS = 100
"""Of a deposit forfeited by a lapse, to whoever says so."""
MONTH = 30 * DAY
"""Curtailment is allowed per so many seconds since a capacity's origin."""
CLAIM_PERIOD = 365 * DAY
"""After an epoch's end, what nobody claimed of its penalty may go back to the bond."""
EXIT_DELAY = 7 * DAY
"""From the operator's request until he may take his bond out."""
EVICTION_BPS = 10_500
"""What a lease must pay to take another's units, of the other's rent."""


class Refused(Exception):  # noqa: N818 - it is what the contract said, not a fault here
    """A call that changes nothing and reverts with `error(inputs)`."""

    def __init__(self, error: str, **inputs: object) -> None:
        super().__init__(error, inputs)
        self.error = error
        self.inputs = inputs

    def __str__(self) -> str:
        return f"{self.error}({', '.join(f'{k}={v}' for k, v in self.inputs.items())})"


# ------------------------------------------------------------------------------ what changes


@dataclass(slots=True)
class Token:
    """A stablecoin whose issuer can freeze accounts and pause everything."""

    decimals: int = 6
    balances: dict[Account, int] = field(default_factory=dict)
    frozen: set[Account] = field(default_factory=set)
    paused: bool = False

    def balance(self, account: Account) -> int:
        return self.balances.get(account, 0)

    def mint(self, account: Account, amount: int) -> None:
        self.balances[account] = self.balance(account) + amount

    def stops(self, sender: Account, receiver: Account) -> bool:
        return self.paused or sender in self.frozen or receiver in self.frozen

    def can_move(self, sender: Account, receiver: Account, amount: int) -> bool:
        return not self.stops(sender, receiver) and self.balance(sender) >= amount

    def move(self, sender: Account, receiver: Account, amount: int) -> None:
        if not self.can_move(sender, receiver, amount):
            raise Refused("TransferFailed")
        self.balances[sender] = self.balance(sender) - amount
        self.balances[receiver] = self.balance(receiver) + amount


class Settlement(NamedTuple):
    """What ending a lease moves: its new end and, in epochs, what is due, given back, forfeited."""

    end: int
    due: int
    refunded: int
    forfeited: int


class LeaseState(NamedTuple):
    """All of a lease that its holder could change before a sale."""

    start: int
    end: int
    funded_to: int
    credited_to: int
    units: int
    term: int
    deposit_epochs: int
    rent: int
    user: Account
    expires: int


class Refund(NamedTuple):
    """What an account's refund grew by; below zero, what was taken out of it."""

    token: Token
    account: Account
    amount: int


@dataclass(slots=True)
class Lease:
    """Units of a capacity for epochs [start, end) at a rent fixed when signed.

    It is paid up to `funded_to`. The last `deposit_epochs` were paid ahead when it was signed: they
    are held until all other epochs are paid, and `funded_to` is `end` from then on. `punished` are
    the epochs whose penalties it, or what it was split off, has claimed.
    """

    id: int
    capacity: int
    tenant: Account
    units: int
    start: int
    end: int
    funded_to: int
    deposit_epochs: int
    rent: int
    term: int
    credited_to: int
    has_evicted: bool = False
    punished: frozenset[int] = frozenset()
    user: Account = NOBODY
    expires: int = 0

    def covers(self, epoch: int) -> bool:
        return self.start <= epoch < self.end

    @property
    def rent_per_epoch(self) -> int:
        return self.rent * self.units

    @property
    def fully_funded(self) -> bool:
        return self.funded_to == self.end

    @property
    def deposit(self) -> int:
        """Base units held as deposit."""
        return 0 if self.fully_funded else self.rent_per_epoch * self.deposit_epochs

    @property
    def open_epochs(self) -> int:
        """How many epochs more can be paid for."""
        rolling = range(self.start, self.end - self.deposit_epochs)
        return 0 if self.fully_funded else sum(epoch >= self.funded_to for epoch in rolling)

    @property
    def paid(self) -> int:
        """Base units paid for what the lease is now."""
        return self.rent_per_epoch * (self.funded_to - self.start) + self.deposit

    def is_paid(self, epoch: int) -> bool:
        """Whether the rent of an epoch of the lease has come in, as part of the deposit or not."""
        return epoch < self.funded_to or epoch >= self.end - self.deposit_epochs

    def ended_by_tenant(self, stop: int) -> Settlement:
        """Epoch by epoch: those due must be paid, the deposit pays such or is forfeited."""
        deposited = range(self.end - self.deposit_epochs, self.end)
        epochs = range(self.start, self.end)
        return Settlement(
            end=stop,
            due=sum(e < stop and not self.is_paid(e) for e in epochs),
            refunded=sum(e >= stop and self.is_paid(e) and e not in deposited for e in epochs),
            forfeited=sum(e >= stop for e in deposited),
        )

    def ended_for_tenant(self, stop: int) -> Settlement:
        """Whatever was paid beyond goes back."""
        beyond = sum(e >= stop and self.is_paid(e) for e in range(self.start, self.end))
        return Settlement(end=stop, due=0, refunded=beyond, forfeited=0)


@dataclass(slots=True)
class Penalty:
    """What an epoch in penalty took from the bond, for the units leased in it."""

    units: int
    reserved: int
    freed: bool = False

    @property
    def per_unit(self) -> int:
        return self.reserved // self.units


class Performance(NamedTuple):
    """Last reading (the epoch after it, uptime, load, energy) and averages, to the fraction: bps,
    bps and watt-hours a unit; and all energy ever reported."""

    reported_to: int
    uptime_bps: int
    load_bps: int
    energy_wh: int
    mean_uptime: Fraction
    mean_load: Fraction
    mean_energy: Fraction
    lifetime_wh: int


@dataclass(slots=True)
class Capacity:
    """A deed: what was registered, and what has happened since.

    `credits` has one entry per settled epoch, in order: the share of its rent, in bps, that went
    back to the tenants (None if the epoch was passed idle). `stale` are epochs, and the units in
    them, that nobody paid for and that had begun when the lease was closed: they stay in the
    calendar.

    `readings` are the reports that it was settled by, in order, with one of zeros for each epoch
    whose report nobody showed (`unshown`, until its penalty is added). `curtailed` and `in_penalty`
    are epochs that were settled as such. `pauses` are the days on which the guardian's pauses
    ended.
    """

    id: int
    operator: Account
    payee: Account
    token: Token
    units: int
    origin: int
    epoch_length: int
    lifetime: int
    attestors: int
    tiers: tuple[Tier, ...]
    blackout_credit_bps: int
    price: int
    terms: list[Term]
    hardware_class: str = ""
    accelerators: int = 8
    price_floor_bps: int = 0
    index_price: int | None = None
    is_open: bool = True
    attested: int = 0
    statements: int = 0
    retired: set[int] = field(default_factory=set)
    leases: list[Lease] = field(default_factory=list)
    ids: int = 0
    stale: list[tuple[range, int]] = field(default_factory=list)
    records: dict[int, Report] = field(default_factory=dict)
    credits: list[int | None] = field(default_factory=list)
    payments: list[int] = field(default_factory=list)
    refunds: list[int] = field(default_factory=list)
    forfeits: list[int] = field(default_factory=list)
    releases: list[int] = field(default_factory=list)
    credit_claims: list[int] = field(default_factory=list)
    credit_dust: Fraction = Fraction(0)
    penalty_below_bps: int = 0
    penalty_per_unit: int = 0
    curtailment_epochs: int = 0
    curtailment_credit_bps: int = 0
    readings: list[Report] = field(default_factory=list)
    curtailed: list[int] = field(default_factory=list)
    in_penalty: set[int] = field(default_factory=set)
    unshown: set[int] = field(default_factory=set)
    penalties: dict[int, Penalty] = field(default_factory=dict)
    leased_to: int = 0
    pauses: list[int] = field(default_factory=list)

    # Time

    def starts_at(self, epoch: int) -> int:
        return epoch_start(self.origin, self.epoch_length, epoch)

    def ends_at(self, epoch: int) -> int:
        return epoch_end(self.origin, self.epoch_length, epoch)

    @property
    def next_epoch(self) -> int:
        """The next epoch to settle."""
        return len(self.credits)

    # Calendar and rent, looked up lease by lease

    def units_leased(self, epoch: int) -> int:
        leased = sum(lease.units for lease in self.leases if lease.covers(epoch))
        return leased + sum(units for epochs, units in self.stale if epoch in epochs)

    def excess(self, units: int, epochs: range) -> int:
        """How many units more than are attested would be used, in the epoch where most are."""
        return max((self.units_leased(e) + units - self.attested for e in epochs), default=0)

    def rents(self) -> Counter[int]:
        """The rent of every epoch for which anybody has paid."""
        rents: Counter[int] = Counter()
        for lease in self.leases:
            for epoch in range(lease.start, lease.funded_to):
                rents[epoch] += lease.rent_per_epoch
        return rents

    def rent_at(self, epoch: int) -> int:
        return self.rents()[epoch]

    def rent_delta(self, epoch: int) -> int:
        return self.rent_at(epoch) - (self.rent_at(epoch - 1) if epoch else 0)

    # Money, added up epoch by epoch

    @property
    def paid_in(self) -> int:
        """What tenants paid, less what they got back otherwise than as credit."""
        return sum(self.payments) - sum(self.refunds)

    def credit_at(self, epoch: int) -> int:
        """What all tenants together get back of a settled epoch's rent, rounded up."""
        return bps_up(self.rent_at(epoch), self.credits[epoch] or 0)

    @property
    def earned(self) -> int:
        """Rent of all settled epochs less their credits, and deposits forfeited to the payee."""
        settled = {e: rent for e, rent in self.rents().items() if e < self.next_epoch}
        credit = sum(bps_up(rent, self.credits[epoch] or 0) for epoch, rent in settled.items())
        return sum(settled.values()) - credit + sum(self.forfeits)

    @property
    def credit_sum(self) -> int:
        """Sum of the credits, in bps, of all settled epochs that had a rent."""
        rents = self.rents()
        return sum(bps for epoch, bps in enumerate(self.credits) if bps and rents[epoch])

    @property
    def owed(self) -> int:
        return self.earned - sum(self.releases)

    @property
    def escrow(self) -> int:
        """Rent paid for epochs that are not settled, and deposits."""
        unsettled = sum(
            lease.rent_per_epoch
            for lease in self.leases
            for _ in range(max(lease.start, self.next_epoch), lease.funded_to)
        )
        return unsettled + sum(lease.deposit for lease in self.leases)

    def settled_epochs(self, lease: Lease) -> range:
        """Epochs of a lease that are paid for and settled."""
        return range(lease.start, max(lease.start, min(lease.funded_to, self.next_epoch)))

    def exact_credit(self, lease: Lease) -> Fraction:
        """The lease's share, to the fraction, of all credits that it has not claimed."""
        unclaimed = [e for e in self.settled_epochs(lease) if e >= lease.credited_to]
        bps = sum(self.credits[epoch] or 0 for epoch in unclaimed)
        return Fraction(lease.rent_per_epoch * bps, BPS)

    def credit_of(self, lease: Lease) -> int:
        """What its holder would be paid now, rounded down."""
        return int(self.exact_credit(lease))

    def recent_credit_bps(self, lease: Lease) -> int:
        """Sum of the credits of its last ten settled epochs."""
        settled_to = min(self.next_epoch, lease.funded_to)
        recent = [e for e in self.settled_epochs(lease) if e >= settled_to - CAUSE_EPOCHS]
        return sum(self.credits[epoch] or 0 for epoch in recent)

    # Service

    @property
    def is_barred(self) -> bool:
        """Whether the newest settled epoch is in penalty."""
        return self.next_epoch - 1 in self.in_penalty

    def month_of(self, epoch: int) -> int:
        return epoch * self.epoch_length // MONTH

    def curtailed_in(self, month: int) -> int:
        return sum(self.month_of(epoch) == month for epoch in self.curtailed)

    def may_curtail(self, epoch: int) -> bool:
        """Whether the operator may give one more epoch of that month to the grid."""
        return self.curtailed_in(self.month_of(epoch)) < self.curtailment_epochs

    def penalty_of(self, lease: Lease, epoch: int) -> int:
        """What the lease has not claimed of the epoch's penalty."""
        penalty = self.penalties.get(epoch)
        paid = lease.start <= epoch < lease.funded_to
        if penalty is None or penalty.freed or not paid or epoch in lease.punished:
            return 0
        return penalty.per_unit * lease.units

    @property
    def performance(self) -> Performance:
        """Worked out from the first reading on."""
        past = Performance(0, 0, 0, 0, Fraction(0), Fraction(0), Fraction(0), 0)
        for count, report in enumerate(self.readings):
            weight = Fraction(1, 30) if count else Fraction(1)
            energy = Fraction(report.energy_wh, self.units)
            past = Performance(
                report.epoch + 1,
                report.uptime_bps,
                report.load_bps,
                report.energy_wh,
                past.mean_uptime + weight * (report.uptime_bps - past.mean_uptime),
                past.mean_load + weight * (report.load_bps - past.mean_load),
                past.mean_energy + weight * (energy - past.mean_energy),
                past.lifetime_wh + report.energy_wh,
            )
        return past

    # Terms of business

    def rent_under(self, term: Term) -> int:
        """Rent per unit and epoch of a lease signed now."""
        rent = max(bps_up(self.price, term.price_bps), self.price_floor())
        if rent > MAX_RENT:
            raise Refused("OutOfRange", field="rent", value=rent, min=1, max=MAX_RENT)
        return rent

    def price_floor(self) -> int:
        """The lowest rent per unit and epoch, from the price of an accelerator-hour."""
        if not self.price_floor_bps:
            return 0
        if self.index_price is None:
            raise Refused("IndexInvalid", hardwareClass=self.hardware_class)
        accelerator_seconds = self.accelerators * self.epoch_length
        worth = self.index_price * accelerator_seconds * self.price_floor_bps
        return div_up(worth * 10**self.token.decimals, INDEX_UNIT * HOUR * BPS)

    def credit_for(self, uptime_bps: int) -> int:
        """The highest credit among the tiers that the uptime falls below; all where nothing ran."""
        if uptime_bps == 0:
            return BPS
        return max((t.credit_bps for t in self.tiers if uptime_bps < t.uptime_below_bps), default=0)


@dataclass(slots=True)
class Splitter:
    """Shares of one capacity's revenue.

    `periods` is the history of ownership: who held how many shares, while all that was ever due to
    the shares grew from the one figure to the other.
    """

    account: Account
    capacity: Capacity
    legs: list[Leg]
    shares: dict[Account, int]
    periods: list[tuple[int, int, dict[Account, int]]] = field(default_factory=list)
    direct: int = 0
    paid_to: dict[Account, int] = field(default_factory=dict)
    leg_paid: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.leg_paid = [0] * len(self.legs)

    @property
    def supply(self) -> int:
        return sum(self.shares.values())

    @property
    def legs_bps(self) -> int:
        return sum(leg.bps for leg in self.legs)

    @property
    def received(self) -> int:
        """All revenue: earned rent, released or not, and what came by plain transfer."""
        return self.capacity.earned + self.direct

    @property
    def paid(self) -> int:
        return sum(self.leg_paid) + sum(self.paid_to.values())

    @property
    def index(self) -> int:
        """All that was ever due to the shares together."""
        return self.received - bps_up(self.received, self.legs_bps)

    @property
    def unsynced(self) -> int:
        """Base units that came by plain transfer and are not counted yet."""
        came = sum(self.capacity.releases) + self.direct - self.paid
        return self.capacity.token.balance(self.account) - came

    def exact_dividend(self, holder: Account) -> Fraction:
        """All that was ever due to a holder: period by period, the part of the shares he held."""
        begun = self.periods[-1][1] if self.periods else 0
        return sum(
            (
                Fraction((to - since) * shares.get(holder, 0), sum(shares.values()))
                for since, to, shares in [*self.periods, (begun, self.index, self.shares)]
            ),
            Fraction(0),
        )

    def claimable(self, holder: Account) -> int:
        """What the holder would be paid now: due to the fraction, less paid, rounded down."""
        return int(self.exact_dividend(holder) - self.paid_to.get(holder, 0))

    def leg_claimable(self, leg: int) -> int:
        return bps_down(self.received, self.legs[leg].bps) - self.leg_paid[leg]

    def holders(self) -> set[Account]:
        """Everyone who ever held a share."""
        return set(self.shares).union(*(shares for _, _, shares in self.periods))


@dataclass(slots=True)
class Reserve:
    """What the bond set aside for an epoch in penalty, and what became of it."""

    amount: int
    paid: int = 0
    freed: int = 0

    @property
    def left(self) -> int:
        return self.amount - self.paid - self.freed


@dataclass(slots=True)
class Bond:
    """What stands behind the promise of one capacity, as far as its operator put it up. Stakers
    have a model of their own, in the tests of the bond.

    `exit` is who asked to take it out and from when on he may.
    """

    capacity: Capacity
    deposits: list[int] = field(default_factory=list)
    withdrawals: list[int] = field(default_factory=list)
    reserves: dict[int, Reserve] = field(default_factory=dict)
    exit: tuple[Account, int] | None = None

    @property
    def part(self) -> int:
        """What a new penalty can draw on."""
        set_aside = sum(each.amount - each.freed for each in self.reserves.values())
        return sum(self.deposits) - sum(self.withdrawals) - set_aside

    @property
    def held(self) -> int:
        """All of the capacity's money in the bond."""
        return self.part + sum(each.left for each in self.reserves.values())

    def reserve(self, epoch: int, wanted: int) -> int:
        """All that is wanted, or all there is."""
        reserved = min(wanted, self.part)
        self.reserves[epoch] = Reserve(reserved)
        return reserved

    def pay(self, epoch: int, receiver: Account, amount: int) -> None:
        """Out of an epoch's reserve."""
        if receiver in (NOBODY, BOND):
            raise Refused("BadReceiver", receiver=receiver)
        self.capacity.token.move(BOND, receiver, amount)
        self.reserves[epoch].paid += amount

    def free(self, epoch: int) -> int:
        """What is left of an epoch's reserve can be drawn on again."""
        left = self.reserves[epoch].left
        self.reserves[epoch].freed += left
        return left


# ------------------------------------------------------------------------------ what can be done


class Market:
    """Capacities, leases, reports and splitters, and the transitions between their states.

    `now` is the time of the block that the next call is in.
    """

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.capacities: dict[int, Capacity] = {}
        self.sets: dict[int, SetModel] = {}
        self.trees: dict[bytes, ReportTree] = {}
        self.splitters: dict[int, Splitter] = {}
        self.bonds: dict[int, Bond] = {}
        self.refunds: list[Refund] = []

    # Reading

    def capacity(self, capacity: int) -> Capacity:
        if capacity not in self.capacities:
            raise Refused("UnknownCapacity", capacity=capacity)
        return self.capacities[capacity]

    def lease_of(self, lease_id: int) -> Lease:
        capacity = self.capacities.get(lease_id // IDS_PER_CAPACITY)
        for lease in capacity.leases if capacity else ():
            if lease.id == lease_id:
                return lease
        raise Refused("UnknownLease", lease=lease_id)

    def leases(self) -> Iterator[Lease]:
        for capacity in self.capacities.values():
            yield from capacity.leases

    def earliest(self, capacity: Capacity) -> int:
        """The first epoch that has not begun."""
        return first_unbegun(capacity.origin, capacity.epoch_length, self.now)

    def is_lapsed(self, lease: Lease) -> bool:
        """Whether an epoch has begun that nobody paid for in time."""
        earliest = self.earliest(self.capacities[lease.capacity])
        return not lease.fully_funded and lease.funded_to < earliest

    def user_of(self, lease: Lease) -> tuple[Account, int]:
        """Who was granted the use of it, and until when; nobody once that is over."""
        return (lease.user, lease.expires) if lease.expires >= self.now else (NOBODY, 0)

    def is_active(self, lease: Lease, who: Account) -> bool:
        """Whether he may use the leased units now."""
        running = self.earliest(self.capacities[lease.capacity]) - 1
        user, _ = self.user_of(lease)
        rightful = lease.tenant if user == NOBODY else user
        return lease.start <= running < lease.funded_to and who == rightful

    def state_of(self, lease: Lease) -> LeaseState:
        return LeaseState(
            lease.start,
            lease.end,
            lease.funded_to,
            lease.credited_to,
            lease.units,
            lease.term,
            lease.deposit_epochs,
            lease.rent,
            *self.user_of(lease),
        )

    def refund_of(self, token: Token, account: Account) -> int:
        return sum(r.amount for r in self.refunds if r.token is token and r.account == account)

    def window_of(self, capacity: Capacity, epoch: int) -> WindowModel:
        """The window of reports that an epoch belongs to."""
        attestors = self.sets[capacity.attestors]
        return attestors.window(attestors.rules.window_of(capacity.ends_at(epoch)))

    def status_of(self, capacity: Capacity, epoch: int) -> Status:
        return self.sets[capacity.attestors].status(self.now, capacity.ends_at(epoch))

    def penalties_of(self, capacity: Capacity, epoch: int) -> tuple[Penalties, int]:
        """How the penalties of the epoch's window stand, and until when they wait."""
        window = self.window_of(capacity, epoch)
        state = window.penalties(self.now)
        if state is None:
            raise Refused("NoRoot", setId=window.set_id, window=window.window)
        return state, window.held_until

    def claimable_of(self, lease: Lease, epoch: int) -> int:
        """What the holder would be paid of an epoch's penalty now."""
        capacity = self.capacities[lease.capacity]
        amount = capacity.penalty_of(lease, epoch)
        if amount and self.penalties_of(capacity, epoch)[0] is not Penalties.CLAIMABLE:
            return 0
        return amount

    def penalty_deadline_of(self, capacity: Capacity, epoch: int) -> int:
        """From this second on no penalty can be added for a settled epoch."""
        window = self.window_of(capacity, epoch)
        return window.rules.late_ends(window.window)

    def paused_until(self, capacity: Capacity) -> int:
        return capacity.pauses[-1] * DAY if capacity.pauses else 0

    # Running a capacity

    def owned(self, caller: Account, capacity_id: int) -> Capacity:
        """The capacity, for the owner of its deed alone."""
        capacity = self.capacity(capacity_id)
        if caller != capacity.operator:
            raise Refused("NotDeedOwner", capacity=capacity_id, caller=caller)
        return capacity

    def set_price(self, caller: Account, capacity_id: int, price: int) -> None:
        capacity = self.owned(caller, capacity_id)
        if not 1 <= price <= MAX_PRICE:
            raise Refused("OutOfRange", field="price", value=price, min=1, max=MAX_PRICE)
        capacity.price = price

    def set_open(self, caller: Account, capacity_id: int, is_open: bool) -> None:
        self.owned(caller, capacity_id).is_open = is_open

    def add_term(self, caller: Account, capacity_id: int, term: Term) -> None:
        capacity = self.owned(caller, capacity_id)
        ever = len(capacity.terms)
        active = ever - len(capacity.retired)
        if active == MAX_ACTIVE_TERMS or ever == MAX_TERMS:
            raise Refused("TooManyTerms", capacity=capacity_id, active=active, ever=ever)
        capacity.terms.append(term)

    def retire_term(self, caller: Account, capacity_id: int, index: int) -> None:
        capacity = self.owned(caller, capacity_id)
        self._active_term(capacity, index)
        capacity.retired.add(index)

    def edit_term(self, caller: Account, capacity_id: int, index: int, term: Term) -> None:
        """A term is retired, and its new version added."""
        capacity = self.owned(caller, capacity_id)
        self._active_term(capacity, index)
        if len(capacity.terms) == MAX_TERMS:
            active = len(capacity.terms) - len(capacity.retired) - 1
            ever = len(capacity.terms)
            raise Refused("TooManyTerms", capacity=capacity_id, active=active, ever=ever)
        capacity.retired.add(index)
        capacity.terms.append(term)

    def attest_units(self, capacity_id: int, units: int, nonce: int, deadline: int) -> None:
        """Takes a quorum's word on how many units there are."""
        capacity = self.capacity(capacity_id)
        if not 0 <= units <= capacity.units:
            raise Refused("OutOfRange", field="units", value=units, min=0, max=capacity.units)
        expected = capacity.statements
        if nonce != expected:
            raise Refused("WrongNonce", capacity=capacity_id, nonce=nonce, expected=expected)
        if self.now > deadline:
            raise Refused("StatementExpired", capacity=capacity_id, deadline=deadline)
        capacity.statements += 1
        capacity.attested = units

    # Leasing

    def lease(self, payer: Account, request: LeaseRequest) -> Lease:
        """Signs a lease; `payer` pays its first epochs and its deposit."""
        return self._sign(payer, self._draft(request))

    def quote(self, request: LeaseRequest) -> tuple[int, int, int]:
        """Rent per unit and epoch, what is paid at signing, and how many units are not free."""
        lease = self._draft(request)
        excess = self.capacities[lease.capacity].excess(lease.units, range(lease.start, lease.end))
        return lease.rent, lease.paid, min(lease.units, max(0, excess))

    def lease_evicting(
        self, payer: Account, request: LeaseRequest, victims: Sequence[int]
    ) -> tuple[Lease, list[tuple[Lease, Settlement]]]:
        """Signs a lease that first takes what it misses from spot leases. Also returns what they
        gave: a lease as it stood, with what its end moved."""
        # A call that is refused halfway changes nothing, so it is tried on a copy first.
        deepcopy(self)._sign_evicting(payer, request, victims)
        return self._sign_evicting(payer, request, victims)

    def _sign_evicting(
        self, payer: Account, request: LeaseRequest, victims: Sequence[int]
    ) -> tuple[Lease, list[tuple[Lease, Settlement]]]:
        lease = self._draft(request)
        ended = [self._evict(lease, victim) for victim in victims]
        taken = [each for each in ended if each is not None]
        lease.has_evicted = bool(taken)
        return self._sign(payer, lease), taken

    def _draft(self, request: LeaseRequest) -> Lease:
        """The lease as it would be signed, without an id. Knows nothing of money or free units."""
        capacity_id, tenant, term_index, units, start, end, max_rent = request
        if tenant in (NOBODY, ENGINE):
            raise Refused("BadReceiver", receiver=tenant)
        capacity = self.capacity(capacity_id)
        term = self._active_term(capacity, term_index)
        rent = capacity.rent_under(term)
        if not capacity.is_open or self.now < self.paused_until(capacity):
            raise Refused("CapacityClosed", capacity=capacity.id)
        if capacity.is_barred:
            raise Refused("InPenalty", capacity=capacity.id)
        if not 1 <= units <= capacity.attested:
            raise Refused("BadUnits", units=units, max=capacity.attested)
        earliest = self.earliest(capacity)
        if start < earliest:
            raise Refused("StartPassed", start=start, earliest=earliest)
        if not start < end <= capacity.lifetime:
            raise Refused("BadRange", start=start, end=end, lifetime=capacity.lifetime)
        length = end - start
        if not term.min_epochs <= length <= term.max_epochs:
            raise Refused(
                "LengthOutsideTerm", length=length, min=term.min_epochs, max=term.max_epochs
            )
        if rent > max_rent:
            raise Refused("RentAboveMax", rent=rent, maxRent=max_rent)
        deposit = min(term.deposit_epochs, length)
        ahead = max(1, term.notice_epochs)
        return Lease(
            id=0,
            capacity=capacity.id,
            tenant=tenant,
            units=units,
            start=start,
            end=end,
            funded_to=end if deposit + ahead >= length else start + ahead,
            deposit_epochs=deposit,
            rent=rent,
            term=term_index,
            credited_to=start,
        )

    def _sign(self, payer: Account, lease: Lease) -> Lease:
        capacity = self.capacities[lease.capacity]
        used = max(capacity.units_leased(epoch) for epoch in range(lease.start, lease.end))
        free = max(0, capacity.attested - used)
        if lease.units > free:
            raise Refused("NotEnoughUnits", asked=lease.units, free=free)
        self._collect(capacity, payer, lease.paid)
        capacity.leased_to = max(capacity.leased_to, lease.end)
        return self._enter(lease)

    def _collect(self, capacity: Capacity, payer: Account, amount: int) -> None:
        if not capacity.token.can_move(payer, ENGINE, amount):
            raise Refused("TransferFromFailed")
        capacity.token.move(payer, ENGINE, amount)
        capacity.payments.append(amount)

    def _enter(self, lease: Lease) -> Lease:
        """Gives the lease the next id of its capacity."""
        capacity = self.capacities[lease.capacity]
        capacity.ids += 1
        lease.id = capacity.id * IDS_PER_CAPACITY + capacity.ids
        capacity.leases.append(lease)
        return lease

    def _active_term(self, capacity: Capacity, index: int) -> Term:
        if not 0 <= index < len(capacity.terms) or index in capacity.retired:
            raise Refused("TermNotActive", capacity=capacity.id, term=index)
        return capacity.terms[index]

    # Paying on

    def top_up(self, payer: Account, lease_id: int, epochs: int) -> int:
        """Pays for more epochs; when only those of the deposit are left, it pays them."""
        lease = self.lease_of(lease_id)
        self._check_funded(lease)
        most = lease.open_epochs
        if not 1 <= epochs <= most:
            raise Refused("BadTopUp", lease=lease_id, epochs=epochs, max=most)
        paid = lease.rent_per_epoch * epochs
        self._collect(self.capacities[lease.capacity], payer, paid)
        lease.funded_to = lease.end if epochs == most else lease.funded_to + epochs
        return paid

    def lapse(self, caller: Account, lease_id: int) -> tuple[Settlement, int]:
        """Closes a lease that was not paid on. Returns what that moves, and the caller's bounty."""
        lease = self.lease_of(lease_id)
        if not self.is_lapsed(lease):
            raise Refused("NotLapsed", lease=lease_id, fundedTo=lease.funded_to)
        capacity = self.capacities[lease.capacity]
        begun = range(lease.funded_to, min(self.earliest(capacity), lease.end))
        capacity.stale.append((begun, lease.units))
        bounty = bps_down(lease.deposit, BOUNTY_BPS)
        capacity.forfeits.append(lease.deposit - bounty)
        self._refund(capacity, caller, bounty)
        moved = Settlement(lease.funded_to, 0, 0, lease.deposit_epochs)
        self._stop(lease, lease.funded_to)
        return moved, bounty

    def _check_funded(self, lease: Lease) -> None:
        if self.is_lapsed(lease):
            raise Refused("LeaseLapsed", lease=lease.id, fundedTo=lease.funded_to)

    def _check_tenant(self, caller: Account, lease: Lease) -> None:
        if caller != lease.tenant:
            raise Refused("NotTenant", lease=lease.id, caller=caller)

    def _refund(self, capacity: Capacity, account: Account, amount: int) -> None:
        """Owes the account what it, or another tenant, paid in."""
        capacity.refunds.append(amount)
        self.refunds.append(Refund(capacity.token, account, amount))

    # Ending

    def _stop(self, lease: Lease, stop: int) -> None:
        """The lease, and its use, end at `stop`; one without any epoch left is no more."""
        lease.end = lease.funded_to = stop
        lease.deposit_epochs = 0
        last = self.capacities[lease.capacity].starts_at(stop) - 1
        if lease.expires > last:
            lease.user, lease.expires = (lease.user, last) if last >= self.now else (NOBODY, 0)
        if stop == lease.start:
            self.capacities[lease.capacity].leases.remove(lease)

    def _end(self, lease: Lease, moved: Settlement) -> None:
        capacity = self.capacities[lease.capacity]
        self._refund(capacity, lease.tenant, moved.refunded * lease.rent_per_epoch)
        capacity.forfeits.append(moved.forfeited * lease.rent_per_epoch)
        self._stop(lease, moved.end)

    def _noticed(self, lease: Lease) -> Settlement:
        """What notice given now would move."""
        capacity = self.capacities[lease.capacity]
        notice = capacity.terms[lease.term].notice_epochs
        stop = max(lease.start, self.earliest(capacity)) + notice
        if lease.has_evicted:
            stop = max(stop, lease.start + 1)
        if stop >= lease.end:
            raise Refused("LeaseOver", lease=lease.id, end=lease.end)
        return lease.ended_by_tenant(stop)

    def _at_once(self, lease: Lease) -> int:
        """The end of a lease that ends after the running epoch, or before it starts."""
        self._check_funded(lease)
        stop = max(lease.start, self.earliest(self.capacities[lease.capacity]))
        if stop >= lease.end:
            raise Refused("LeaseOver", lease=lease.id, end=lease.end)
        return stop

    def _check_consent(self, caller: Account, lease: Lease, stop: int) -> None:
        user, expires = self.user_of(lease)
        holds = expires >= self.capacities[lease.capacity].starts_at(stop)
        if user not in (NOBODY, caller) and holds:
            raise Refused("UserHolds", lease=lease.id, user=user, expires=expires)

    def termination_of(self, lease_id: int) -> Settlement:
        """What `terminate` would move now."""
        lease = self.lease_of(lease_id)
        self._check_funded(lease)
        return self._noticed(lease)

    def terminate(self, caller: Account, lease_id: int) -> Settlement:
        """The tenant gives notice."""
        lease = self.lease_of(lease_id)
        self._check_tenant(caller, lease)
        moved = self.termination_of(lease_id)
        self._check_consent(caller, lease, moved.end)
        if moved.due:
            capacity = self.capacities[lease.capacity]
            self._collect(capacity, caller, moved.due * lease.rent_per_epoch)
        self._end(lease, moved)
        return moved

    def exit_for_cause(self, caller: Account, lease_id: int) -> Settlement:
        """The tenant leaves a service that was bad."""
        lease = self.lease_of(lease_id)
        self._check_tenant(caller, lease)
        stop = self._at_once(lease)
        credit_bps = self.capacities[lease.capacity].recent_credit_bps(lease)
        if credit_bps < CAUSE_BPS:
            raise Refused("NoCause", lease=lease_id, creditBps=credit_bps)
        self._check_consent(caller, lease, stop)
        moved = lease.ended_for_tenant(stop)
        self._end(lease, moved)
        return moved

    def preempt(self, caller: Account, lease_id: int) -> Settlement:
        """The operator takes a spot lease back."""
        lease = self.lease_of(lease_id)
        self.owned(caller, lease.capacity)
        self._check_preemptible(lease)
        moved = lease.ended_for_tenant(self._at_once(lease))
        self._end(lease, moved)
        return moved

    def _check_preemptible(self, lease: Lease) -> None:
        if not self.capacities[lease.capacity].terms[lease.term].preemptible:
            raise Refused("NotPreemptible", lease=lease.id)

    def _evict(self, new: Lease, victim_id: int) -> tuple[Lease, Settlement] | None:
        """Takes from a spot lease what the new one still misses in its epochs."""
        victim, capacity = self.lease_of(victim_id), self.capacities[new.capacity]
        if victim.capacity != new.capacity:
            raise Refused("OtherCapacity", lease=victim_id, capacity=new.capacity)
        self._check_preemptible(victim)
        self._check_funded(victim)
        least = bps_up(victim.rent, EVICTION_BPS)
        if new.rent < least:
            raise Refused("BidTooLow", victim=victim_id, rent=new.rent, min=least)
        common = range(max(new.start, victim.start), min(new.end, victim.end))
        if capacity.excess(0, common) > 0:
            return None
        taken = min(max(0, capacity.excess(new.units, common)), victim.units)
        stop = max(victim.start, min(new.start, victim.funded_to))
        if not taken or stop >= victim.end:
            return None
        if taken < victim.units:
            victim = self._split_units(victim, taken)
        stood, moved = replace(victim), victim.ended_for_tenant(stop)
        self._end(victim, moved)
        return stood, moved

    # Splitting and merging

    def _editable(self, caller: Account, lease_id: int) -> Lease:
        lease = self.lease_of(lease_id)
        self._check_tenant(caller, lease)
        self._check_funded(lease)
        return lease

    def _set_credit_aside(self, lease: Lease) -> None:
        """The lease's credit so far becomes its holder's refund."""
        capacity = self.capacities[lease.capacity]
        amount = capacity.credit_of(lease)
        capacity.credit_dust += capacity.exact_credit(lease) - amount
        capacity.credit_claims.append(amount)
        self.refunds.append(Refund(capacity.token, lease.tenant, amount))
        lease.credited_to = max(lease.start, min(lease.funded_to, capacity.next_epoch))

    def _split_off(self, part: Lease) -> Lease:
        """Enters a changed copy of a lease, used by whom the whole is."""
        part.user, part.expires = self.user_of(part)
        return self._enter(part)

    def _split_units(self, lease: Lease, units: int) -> Lease:
        self._set_credit_aside(lease)
        part = self._split_off(replace(lease, units=units))
        lease.units -= units
        return part

    def split_units(self, caller: Account, lease_id: int, units: int) -> Lease:
        lease = self._editable(caller, lease_id)
        if not 1 <= units < lease.units:
            raise Refused("BadUnits", units=units, max=lease.units - 1)
        return self._split_units(lease, units)

    def split_at(self, caller: Account, lease_id: int, epoch: int) -> Lease:
        """The lease keeps the epochs below `epoch`, all paid; the part has the rest."""
        lease = self._editable(caller, lease_id)
        first, last = lease.start + 1, min(lease.funded_to, lease.end - 1)
        if not first <= epoch <= last:
            raise Refused("BadSplit", lease=lease_id, epoch=epoch, min=first, max=last)
        self._set_credit_aside(lease)
        later = replace(
            lease,
            start=epoch,
            credited_to=max(epoch, lease.credited_to),
            deposit_epochs=min(lease.deposit_epochs, lease.end - epoch),
            has_evicted=False,
        )
        part = self._split_off(later)
        lease.end = lease.funded_to = epoch
        lease.credited_to = min(epoch, lease.credited_to)
        lease.deposit_epochs = min(lease.deposit_epochs, epoch - lease.start)
        return part

    def merge(self, caller: Account, lease_id: int, part_id: int) -> None:
        """Two leases side by side, or one after the other, become one."""
        lease, part = self.lease_of(lease_id), self.lease_of(part_id)
        self._check_tenant(caller, lease)
        self._check_tenant(caller, part)
        self._check_funded(lease)
        if part.capacity == lease.capacity:
            self._check_funded(part)
        if not self.fit(lease, part):
            raise Refused("NotMergeable", lease=lease_id, part=part_id)
        self._set_credit_aside(lease)
        self._set_credit_aside(part)
        if lease.start == part.start:
            lease.units += part.units
            lease.has_evicted |= part.has_evicted
        else:
            earlier = {epoch for epoch in lease.punished if epoch < part.start}
            lease.punished = frozenset(earlier.union(e for e in part.punished if part.covers(e)))
            if part.fully_funded:
                most = self.capacities[lease.capacity].terms[lease.term].deposit_epochs
                lease.deposit_epochs = min(most, lease.deposit_epochs + part.deposit_epochs)
            else:
                lease.deposit_epochs = part.deposit_epochs
            lease.end, lease.funded_to = part.end, part.funded_to
            if part.credited_to > part.start:
                lease.credited_to = part.credited_to
        self.capacities[lease.capacity].leases.remove(part)

    def fit(self, lease: Lease, part: Lease) -> bool:
        """Whether two leases of one holder can be merged."""
        one, other = self.state_of(lease), self.state_of(part)
        alike = (
            lease is not part
            and (lease.capacity, lease.tenant) == (part.capacity, part.tenant)
            and (one.term, one.rent, one.user, one.expires)
            == (other.term, other.rent, other.user, other.expires)
        )
        alike_punished = all(
            (epoch in lease.punished) == (epoch in part.punished)
            for epoch in range(lease.start, lease.end)
        )
        beside = alike_punished and (one.start, one.end, one.funded_to, one.deposit_epochs) == (
            other.start,
            other.end,
            other.funded_to,
            other.deposit_epochs,
        )
        after = (one.end, one.units) == (other.start, other.units) and lease.fully_funded
        # Two short leases do not become one that their term does not allow.
        longest = self.capacities[lease.capacity].terms[lease.term].max_epochs
        short = other.end - one.start <= longest
        owes = part.has_evicted and part.start >= self.earliest(self.capacities[part.capacity])
        return alike and (beside or (after and short and not owes))

    # Using

    def set_user(self, caller: Account, lease_id: int, user: Account, expires: int) -> None:
        """Grants the use of a lease up to and including the second `expires`."""
        lease = self.lease_of(lease_id)
        self._check_tenant(caller, lease)
        if user in (NOBODY, ENGINE):
            raise Refused("BadReceiver", receiver=user)
        if expires <= self.now:
            raise Refused("BadExpiry", expires=expires)
        holding, until = self.user_of(lease)
        if holding != NOBODY:
            raise Refused("UserHolds", lease=lease_id, user=holding, expires=until)
        lease.user, lease.expires = user, expires

    def renounce_user(self, caller: Account, lease_id: int) -> None:
        lease = self.lease_of(lease_id)
        if caller != self.user_of(lease)[0]:
            raise Refused("NotUser", lease=lease_id, caller=caller)
        lease.user, lease.expires = NOBODY, 0

    # Attesting

    def post_root(self, statement: TelemetryRoot, tree: ReportTree) -> None:
        """Takes a root that a quorum signed."""
        window = self.sets[statement.set_id].window(statement.window)
        self._accept(window.refusal_of_post(self.now, statement))
        window.post(self.now, statement)
        self.trees[tree.root] = tree

    def veto(self, caller: Account, set_id: int, window: int) -> None:
        """The guardian takes a root back that is not final."""
        self._check_guardian(caller)
        model = self.sets[set_id].window(window)
        self._accept(model.refusal_of_veto(self.now))
        model.veto(self.now)

    def waive_penalties(self, caller: Account, set_id: int, window: int) -> None:
        """The guardian lets go of the penalties of a window in which very many failed."""
        self._check_guardian(caller)
        model = self.sets[set_id].window(window)
        self._accept(model.refusal_of_waiver(self.now))
        model.waive(self.now)

    @staticmethod
    def _accept(refusal: Refusal | None) -> None:
        if refusal is not None:
            name, inputs = refusal
            raise Refused(name, **inputs)

    def pause(self, caller: Account, capacity_id: int) -> None:
        """The guardian bars new leases of a capacity for a week."""
        capacity, today = self.capacity(capacity_id), self.now // DAY
        self._check_guardian(caller)
        if capacity.pauses and today < capacity.pauses[-1] + 30:
            earliest = (capacity.pauses[-1] + 30) * DAY
            raise Refused("PausedTooOften", capacity=capacity_id, earliest=earliest)
        capacity.pauses.append(today + 8)

    def unpause(self, caller: Account, capacity_id: int) -> None:
        capacity, today = self.capacity(capacity_id), self.now // DAY
        self._check_guardian(caller)
        if self.now >= self.paused_until(capacity):
            raise Refused("NotPaused", capacity=capacity_id)
        capacity.pauses.append(today)

    def _check_guardian(self, caller: Account) -> None:
        if caller != GUARDIAN:
            raise Refused("NotGuardian", caller=caller)

    # Settling

    def settle(self, report: Report) -> None:
        """Closes the next epoch by its report: rent less the credit that its uptime calls for."""
        capacity = self.capacity(report.capacity)
        epoch = self._next_ended(capacity)
        if report.epoch != epoch:
            raise Refused("NotNextEpoch", capacity=capacity.id, epoch=report.epoch, expected=epoch)
        self._verify(capacity, report)
        self._close(capacity, report)

    def settle_many(self, reports: Sequence[Report], *, proved: bool = True) -> None:
        """All of one window, in one root: closes those whose turn it is, keeps those that come
        later, and passes over those that are known. `proved` says whether their proof is good."""
        if not reports:
            return
        window = self._window_for(reports[0])
        first = {"setId": window.set_id, "window": window.window}
        leaves = self._shown_leaves(window)
        if not proved or not set(leaves).issuperset(reports):
            raise Refused("NotAllInRoot", **first)
        for index, report in enumerate(reports):
            each = self._window_for(report)
            other = {"setId": each.set_id, "window": each.window}
            if other != first:
                raise Refused("OtherWindow", index=index, **other)
            self._check_reading(report)
        for report in reports:
            capacity = self.capacities[report.capacity]
            if report.epoch == capacity.next_epoch:
                self._close(capacity, report)
            elif report.epoch > capacity.next_epoch:
                capacity.records.setdefault(report.epoch, report)

    def _window_for(self, report: Report) -> WindowModel:
        """The window that a report is of."""
        capacity, epoch = self.capacity(report.capacity), report.epoch
        if epoch >= capacity.lifetime:
            raise Refused("BadRange", start=epoch, end=epoch + 1, lifetime=capacity.lifetime)
        return self.window_of(capacity, epoch)

    def record(self, report: Report) -> None:
        """Keeps a report until its epoch's turn."""
        capacity = self.capacity(report.capacity)
        epoch, expected = report.epoch, capacity.next_epoch
        if epoch < expected:
            raise Refused("NotNextEpoch", capacity=capacity.id, epoch=epoch, expected=expected)
        if epoch >= capacity.lifetime:
            raise Refused("BadRange", start=epoch, end=epoch + 1, lifetime=capacity.lifetime)
        if epoch in capacity.records:
            raise Refused("AlreadyRecorded", capacity=capacity.id, epoch=epoch)
        self._check_ended(capacity, epoch)
        self._verify(capacity, report)
        capacity.records[epoch] = report

    def settle_missing(self, capacity_id: int) -> None:
        """Closes the next epoch without a report in hand: no proof, no pay."""
        capacity = self.capacity(capacity_id)
        epoch = self._next_ended(capacity)
        kept = capacity.records.get(epoch)
        if kept is not None:
            self._close(capacity, kept)
            return
        status = self.status_of(capacity, epoch)
        if status in (Status.PENDING, Status.REPORTED):
            raise Refused(
                "ReportStillPossible", capacity=capacity.id, epoch=epoch, status=int(status)
            )
        if status is Status.MISSING:
            capacity.unshown.add(epoch)
            capacity.readings.append(Report(capacity.id, epoch, 0, 0, 0))
            capacity.credits.append(BPS)
        else:
            capacity.credits.append(capacity.blackout_credit_bps)

    def _close(self, capacity: Capacity, report: Report) -> None:
        """The next epoch, by its report."""
        epoch = capacity.next_epoch
        capacity.readings.append(report)
        if report.curtailed and capacity.may_curtail(epoch):
            capacity.curtailed.append(epoch)
            capacity.credits.append(capacity.curtailment_credit_bps)
            return
        if report.uptime_bps < capacity.penalty_below_bps:
            capacity.in_penalty.add(epoch)
            self._punish(capacity, epoch)
        capacity.credits.append(capacity.credit_for(report.uptime_bps))

    def pass_idle(self, capacity_id: int, to: int) -> None:
        """Closes epochs that nobody leased, without a word from anyone."""
        capacity = self.capacity(capacity_id)
        since = capacity.next_epoch
        if to <= since:
            return
        if to > capacity.lifetime:
            raise Refused("BadRange", start=since, end=to, lifetime=capacity.lifetime)
        self._check_ended(capacity, to - 1)
        for epoch in range(since, to):
            if capacity.units_leased(epoch):
                raise Refused("EpochNotIdle", capacity=capacity.id, epoch=epoch)
        capacity.credits.extend([None] * (to - since))

    def _next_ended(self, capacity: Capacity) -> int:
        epoch = capacity.next_epoch
        if epoch >= capacity.lifetime:
            raise Refused("LifetimeSettled", capacity=capacity.id)
        self._check_ended(capacity, epoch)
        return epoch

    def _check_ended(self, capacity: Capacity, epoch: int) -> None:
        ends_at = capacity.ends_at(epoch)
        if self.now < ends_at:
            raise Refused("EpochNotEnded", capacity=capacity.id, epoch=epoch, endsAt=ends_at)

    def _check_reading(self, report: Report) -> None:
        for name, value, most in (
            ("uptimeBps", report.uptime_bps, BPS),
            ("loadBps", report.load_bps, BPS),
            ("energyWh", report.energy_wh, 2**48 - 1),
        ):
            if value > most:
                raise Refused("ReportOutOfRange", field=name, value=value)

    def _shown_leaves(self, window: WindowModel, *, late: bool = False) -> tuple[Report, ...]:
        """The reports that can be shown now, or in which a penalty can still be found."""
        where = {"setId": window.set_id, "window": window.window}
        if window.root is None:
            raise Refused("NoRoot", **where)
        if self.now < window.final_at:
            raise Refused("RootNotFinal", **where, finalAt=window.final_at)
        deadline = window.rules.reveal_ends(window.window)
        if self.now >= deadline and not late:
            raise Refused("RevealClosed", **where, deadline=deadline)
        return self.trees[window.root.statement.root].reports

    def _verify(self, capacity: Capacity, report: Report, *, late: bool = False) -> None:
        self._check_reading(report)
        window = self.window_of(capacity, report.epoch)
        if report not in self._shown_leaves(window, late=late):
            where = {"setId": window.set_id, "window": window.window}
            raise Refused("NotInRoot", **where, leaf=report.leaf)

    # Punishing

    def _punish(self, capacity: Capacity, epoch: int) -> None:
        """Sets the epoch's penalty aside from the bond."""
        units = capacity.units_leased(epoch)
        if not units or self.penalties_of(capacity, epoch)[0] is Penalties.WAIVED:
            return
        reserved = self.bonds[capacity.id].reserve(epoch, units * capacity.penalty_per_unit)
        capacity.penalties[epoch] = Penalty(units, reserved)

    def add_penalty(self, report: Report) -> None:
        """Punishes an epoch whose report nobody showed in time."""
        number, epoch = report.capacity, report.epoch
        capacity = self.capacities.get(number)
        if capacity is None or epoch not in capacity.unshown:
            punished = capacity is not None and epoch in capacity.penalties
            freed = punished and capacity is not None and capacity.penalties[epoch].freed
            state = 3 if freed else 2 if punished else 0
            raise Refused("NotUnshown", capacity=number, epoch=epoch, state=state)
        self._check_reading(report)
        deadline = self.penalty_deadline_of(capacity, epoch)
        if self.now >= deadline:
            raise Refused("PenaltyTooLate", capacity=number, epoch=epoch, deadline=deadline)
        self._verify(capacity, report, late=True)
        if report.uptime_bps >= capacity.penalty_below_bps:
            raise Refused("NoPenalty", capacity=number, epoch=epoch)
        capacity.unshown.remove(epoch)
        if report.curtailed and capacity.may_curtail(epoch):
            capacity.curtailed.append(epoch)
            return
        capacity.in_penalty.add(epoch)
        self._punish(capacity, epoch)

    def claim_penalty(self, caller: Account, lease_id: int, epoch: int, receiver: Account) -> int:
        """Pays a lease's units what an epoch in penalty owes them."""
        lease = self.lease_of(lease_id)
        self._check_tenant(caller, lease)
        if receiver in (NOBODY, ENGINE):
            raise Refused("BadReceiver", receiver=receiver)
        capacity = self.capacities[lease.capacity]
        amount = capacity.penalty_of(lease, epoch)
        if not amount:
            raise Refused("NothingToClaim", lease=lease_id, epoch=epoch)
        state, until = self.penalties_of(capacity, epoch)
        if state is not Penalties.CLAIMABLE:
            raise Refused(
                "PenaltyNotClaimable",
                capacity=capacity.id,
                epoch=epoch,
                state=int(state),
                heldUntil=until,
            )
        self.bonds[capacity.id].pay(epoch, receiver, amount)
        lease.punished |= {epoch}
        return amount

    def free_penalty(self, capacity_id: int, epoch: int) -> int:
        """Gives back to the bond what is left of a penalty that nobody can claim any more."""
        capacity = self.capacities.get(capacity_id)
        penalty = capacity.penalties.get(epoch) if capacity else None
        if capacity is None or penalty is None or penalty.freed:
            return 0
        until = capacity.ends_at(epoch) + CLAIM_PERIOD
        waived = self.penalties_of(capacity, epoch)[0] is Penalties.WAIVED
        if not waived and self.now < until:
            raise Refused("StillClaimable", capacity=capacity_id, epoch=epoch, claimableUntil=until)
        penalty.freed = True
        return self.bonds[capacity_id].free(epoch)

    def trim(self, capacity_id: int, to: int) -> None:
        """Says that nothing is leased from an epoch on."""
        capacity = self.capacities.get(capacity_id)
        leased_to = capacity.leased_to if capacity else 0
        epochs = range(to, leased_to)
        used = next((e for e in epochs if capacity and capacity.units_leased(e)), None)
        if capacity is None or to >= leased_to or used is not None:
            raise Refused(
                "NotTrimmable",
                capacity=capacity_id,
                to=to,
                leasedTo=leased_to,
                used=leased_to if used is None else used,
            )
        capacity.leased_to = to

    # The bond

    def deposit_bond(self, payer: Account, capacity_id: int, amount: int) -> None:
        """Anyone may stand by a capacity; what is paid in belongs to its deed."""
        capacity = self.capacity(capacity_id)
        if not amount:
            raise Refused("ZeroAmount")
        if not capacity.token.can_move(payer, BOND, amount):
            raise Refused("TransferFromFailed")
        capacity.token.move(payer, BOND, amount)
        self.bonds[capacity_id].deposits.append(amount)

    def request_exit(self, caller: Account, capacity_id: int) -> None:
        """The operator says that he will take his part out."""
        self.owned(caller, capacity_id)
        bond = self.bonds[capacity_id]
        if bond.exit is None or bond.exit[0] != caller:
            bond.exit = caller, self.now + EXIT_DELAY

    def cancel_exit(self, caller: Account, capacity_id: int) -> None:
        bond = self.bonds.get(capacity_id)
        if bond is None or bond.exit is None or bond.exit[0] != caller:
            raise Refused("NoExitRequest", capacity=capacity_id, caller=caller)
        bond.exit = None

    def withdraw_bond(
        self, caller: Account, capacity_id: int, amount: int, receiver: Account
    ) -> None:
        """The operator takes it out, once nothing can come of what was leased."""
        capacity, bond = self.owned(caller, capacity_id), self.bonds[capacity_id]
        if not amount:
            raise Refused("ZeroAmount")
        if bond.exit is None or bond.exit[0] != caller:
            raise Refused("NoExitRequest", capacity=capacity_id, caller=caller)
        exitable_at = bond.exit[1]
        if self.now < exitable_at:
            raise Refused("ExitNotReady", capacity=capacity_id, exitableAt=exitable_at)
        self._check_over(capacity)
        if amount > bond.part:
            raise Refused("NotEnough", asked=amount, available=bond.part)
        if receiver in (NOBODY, BOND):
            raise Refused("BadReceiver", receiver=receiver)
        capacity.token.move(BOND, receiver, amount)
        bond.withdrawals.append(amount)

    def _check_over(self, capacity: Capacity) -> None:
        """All that was leased is settled, and past its penalties."""
        last = capacity.leased_to - 1
        if last < 0:
            return
        if capacity.next_epoch <= last:
            raise Refused(
                "NotSettled",
                capacity=capacity.id,
                settledTo=capacity.next_epoch,
                needed=capacity.leased_to,
            )
        deadline = self.penalty_deadline_of(capacity, last)
        if self.now < deadline:
            raise Refused("PenaltyPossible", capacity=capacity.id, epoch=last, deadline=deadline)

    # Paying out

    def release(self, capacity_id: int) -> int:
        """Moves what the payee has earned and not got to him."""
        capacity = self.capacity(capacity_id)
        amount = capacity.owed
        if amount:
            capacity.token.move(ENGINE, capacity.payee, amount)
            capacity.releases.append(amount)
        return amount

    def claim_credit(self, caller: Account, lease_id: int, receiver: Account) -> int:
        lease = self.lease_of(lease_id)
        capacity = self.capacities[lease.capacity]
        self._check_tenant(caller, lease)
        if receiver in (NOBODY, ENGINE):
            raise Refused("BadReceiver", receiver=receiver)
        amount = capacity.credit_of(lease)
        if amount:
            capacity.token.move(ENGINE, receiver, amount)
            capacity.credit_claims.append(amount)
            capacity.credit_dust += capacity.exact_credit(lease) - amount
            lease.credited_to = min(lease.funded_to, capacity.next_epoch)
        return amount

    def withdraw_refund(self, caller: Account, token: Token, receiver: Account) -> int:
        """Pays the caller's refund to whom he names."""
        if receiver in (NOBODY, ENGINE):
            raise Refused("BadReceiver", receiver=receiver)
        amount = self.refund_of(token, caller)
        if amount:
            token.move(ENGINE, receiver, amount)
            self.refunds.append(Refund(token, caller, -amount))
        return amount

    def transfer_lease(
        self,
        caller: Account,
        holder: Account,
        to: Account,
        lease_id: int,
        expected: LeaseState | None = None,
    ) -> None:
        """The lease, and with it all credit that is not claimed, changes hands; if the buyer says
        what he expects, only as he expects it."""
        if expected is not None:
            state = self.state_of(self.lease_of(lease_id))
            if state != expected:
                raise Refused("StateChanged", lease=lease_id, state=state, expected=expected)
        if to == ENGINE:
            raise Refused("BadReceiver", receiver=to)
        try:
            lease = self.lease_of(lease_id)
        except Refused:
            raise Refused("TokenDoesNotExist") from None
        if holder != lease.tenant:
            raise Refused("TransferFromIncorrectOwner")
        if caller != holder:
            raise Refused("NotOwnerNorApproved")
        if to == NOBODY:
            raise Refused("TransferToZeroAddress")
        lease.tenant = to

    # Sharing revenue

    def transfer_shares(self, capacity_id: int, holder: Account, to: Account, amount: int) -> None:
        """Shares change hands; what they earned until now stays with who held them, what nobody had
        found included."""
        splitter = self.splitters[capacity_id]
        if to in (NOBODY, splitter.account):
            raise Refused("BadReceiver", receiver=to)
        if splitter.shares.get(holder, 0) < amount:
            raise Refused("InsufficientBalance")
        if not amount or to == holder:
            return
        self.sync(capacity_id)
        since = splitter.periods[-1][1] if splitter.periods else 0
        splitter.periods.append((since, splitter.index, dict(splitter.shares)))
        splitter.shares[holder] = splitter.shares.get(holder, 0) - amount
        splitter.shares[to] = splitter.shares.get(to, 0) + amount

    def sync(self, capacity_id: int) -> int:
        """Counts what came to the splitter by plain transfer as revenue."""
        splitter = self.splitters[capacity_id]
        found = splitter.unsynced
        splitter.direct += found
        return found

    def claim(self, capacity_id: int, holder: Account, to: Account) -> int:
        splitter = self.splitters[capacity_id]
        if to in (NOBODY, splitter.account):
            raise Refused("BadReceiver", receiver=to)
        amount = splitter.claimable(holder)
        self._pay_from(splitter, to, amount)
        splitter.paid_to[holder] = splitter.paid_to.get(holder, 0) + amount
        return amount

    def claim_leg(self, capacity_id: int, caller: Account, leg: int, to: Account) -> int:
        splitter = self.splitters[capacity_id]
        self._check_leg(splitter, leg, caller)
        if to in (NOBODY, splitter.account):
            raise Refused("BadReceiver", receiver=to)
        amount = splitter.leg_claimable(leg)
        self._pay_from(splitter, to, amount)
        splitter.leg_paid[leg] += amount
        return amount

    def move_leg(self, capacity_id: int, caller: Account, leg: int, to: Account) -> None:
        """The leg, and with it all that is owed to it, changes hands."""
        splitter = self.splitters[capacity_id]
        self._check_leg(splitter, leg, caller)
        if to in (NOBODY, splitter.account):
            raise Refused("BadReceiver", receiver=to)
        splitter.legs[leg] = Leg(to, splitter.legs[leg].bps)

    def _check_leg(self, splitter: Splitter, leg: int, caller: Account) -> None:
        if leg >= len(splitter.legs):
            raise Refused("UnknownLeg", leg=leg, count=len(splitter.legs))
        if caller != splitter.legs[leg].recipient:
            raise Refused("NotLegRecipient", leg=leg, caller=caller)

    def _pay_from(self, splitter: Splitter, to: Account, amount: int) -> None:
        """Pays out of the splitter; if it has too little, it calls in what the engine owes."""
        token = splitter.capacity.token
        if not amount:
            return
        if token.stops(splitter.account, to):
            raise Refused("TransferFailed")
        if token.balance(splitter.account) < amount:
            self.release(splitter.capacity.id)
        token.move(splitter.account, to, amount)
