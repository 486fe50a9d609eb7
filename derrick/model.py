"""The market in plain Python: what the contracts must do, written the slow and obvious way.

This is the reference that property tests hold the contracts against. It keeps history only (leases
signed, epochs settled, shares moved, payments made) and works every figure out of it anew, by loops
over every lease, epoch and holder, in integers and fractions. None of the contracts' running sums,
lanes or checkpoints appear here, so a mistake in one of those cannot hide in both.

A call that must revert raises `Refused` with the error's name and inputs as in `interfaces/`.
Checks stand in the contracts' order. Accounts are names; amounts are base units.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from derrick.structs import Leg, Term, Tier
from derrick.telemetry import Report, Status
from derrick.units import BPS, HOUR, bps_down, bps_up, div_up, epoch_end, first_unbegun, window_of

Account = str

ENGINE: Account = "lease engine"
NOBODY: Account = "nobody"
IDS_PER_CAPACITY = 10**9
INDEX_UNIT = 10**8
MAX_PRICE = 2**85
MAX_ACTIVE_TERMS = 8
MAX_TERMS = 255


class Refused(Exception):  # noqa: N818 - it is what the contract said, not a fault here
    """A call that changes nothing and reverts with `error(inputs)`."""

    def __init__(self, error: str, **inputs: object) -> None:
        super().__init__(error, inputs)
        self.error = error
        self.inputs = inputs

    def __str__(self) -> str:
        return f"{self.error}({', '.join(f'{k}={v}' for k, v in self.inputs.items())})"


# ------------------------------------------------------------------------------ what is fixed


@dataclass(frozen=True, slots=True)
class AttestorSet:
    """By when its members must have spoken. Seconds."""

    window_length: int
    posting_period: int
    reveal_period: int


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


@dataclass(slots=True)
class Lease:
    """Units of a capacity for epochs [start, end) at a rent fixed when signed."""

    id: int
    capacity: int
    tenant: Account
    units: int
    start: int
    end: int
    rent: int
    term: int
    credited_to: int

    def covers(self, epoch: int) -> bool:
        return self.start <= epoch < self.end

    @property
    def rent_per_epoch(self) -> int:
        return self.rent * self.units

    @property
    def paid(self) -> int:
        return self.rent_per_epoch * (self.end - self.start)


@dataclass(slots=True)
class Capacity:
    """A deed: what was registered, and what has happened since.

    `credits` has one entry per settled epoch, in order: the share of its rent, in bps, that went
    back to the tenants (None if the epoch was passed idle).
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
    retired: set[int] = field(default_factory=set)
    leases: list[Lease] = field(default_factory=list)
    credits: list[int | None] = field(default_factory=list)
    releases: list[int] = field(default_factory=list)
    credit_claims: list[int] = field(default_factory=list)
    credit_dust: Fraction = Fraction(0)

    # Time

    def ends_at(self, epoch: int) -> int:
        return epoch_end(self.origin, self.epoch_length, epoch)

    @property
    def next_epoch(self) -> int:
        """The next epoch to settle."""
        return len(self.credits)

    # Calendar and rent, looked up lease by lease

    def units_leased(self, epoch: int) -> int:
        return sum(lease.units for lease in self.leases if lease.covers(epoch))

    def rent_at(self, epoch: int) -> int:
        return sum(lease.rent_per_epoch for lease in self.leases if lease.covers(epoch))

    def rent_delta(self, epoch: int) -> int:
        return self.rent_at(epoch) - (self.rent_at(epoch - 1) if epoch else 0)

    # Money, added up epoch by epoch

    @property
    def paid_in(self) -> int:
        return sum(lease.paid for lease in self.leases)

    def credit_at(self, epoch: int) -> int:
        """What all tenants together get back of a settled epoch's rent, rounded up."""
        return bps_up(self.rent_at(epoch), self.credits[epoch] or 0)

    @property
    def earned(self) -> int:
        """Rent of all settled epochs less their credits: what the payee has earned."""
        settled = [epoch for epoch, credit in enumerate(self.credits) if credit is not None]
        return sum(self.rent_at(epoch) - self.credit_at(epoch) for epoch in settled)

    @property
    def owed(self) -> int:
        return self.earned - sum(self.releases)

    @property
    def escrow(self) -> int:
        """Rent paid for epochs that are not settled."""
        return sum(
            lease.rent_per_epoch
            for lease in self.leases
            for _ in range(max(lease.start, self.next_epoch), lease.end)
        )

    def exact_credit(self, lease: Lease) -> Fraction:
        """The lease's share, to the fraction, of all credits that it has not claimed."""
        settled = range(lease.credited_to, min(lease.end, self.next_epoch))
        bps = sum(self.credits[epoch] or 0 for epoch in settled)
        return Fraction(lease.rent_per_epoch * bps, BPS)

    def credit_of(self, lease: Lease) -> int:
        """What its holder would be paid now, rounded down."""
        return int(self.exact_credit(lease))

    # Terms of business

    def rent_under(self, term: Term) -> int:
        return bps_up(self.price, term.price_bps)

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


# ------------------------------------------------------------------------------ what can be done


class Market:
    """Capacities, leases, reports and splitters, and the transitions between their states.

    `now` is the time of the block that the next call is in.
    """

    def __init__(self, now: int = 0) -> None:
        self.now = now
        self.capacities: dict[int, Capacity] = {}
        self.sets: dict[int, AttestorSet] = {}
        self.roots: dict[tuple[int, int], frozenset[Report]] = {}
        self.splitters: dict[int, Splitter] = {}

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

    def deadlines(self, set_id: int, window: int) -> tuple[int, int, int]:
        """When a window ends, when it is too late for its root, and too late for a leaf."""
        attestors = self.sets[set_id]
        ends = (window + 1) * attestors.window_length
        posted = ends + attestors.posting_period
        return ends, posted, posted + attestors.reveal_period

    def window_of(self, capacity: Capacity, epoch: int) -> int:
        set_ = self.sets[capacity.attestors]
        return window_of(set_.window_length, capacity.ends_at(epoch))

    def status_of(self, capacity: Capacity, epoch: int) -> Status:
        window = self.window_of(capacity, epoch)
        _, posting_ends, reveal_ends = self.deadlines(capacity.attestors, window)
        if (capacity.attestors, window) in self.roots:
            return Status.REPORTED if self.now < reveal_ends else Status.MISSING
        return Status.PENDING if self.now < posting_ends else Status.BLACKOUT

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

    # Leasing

    def lease(
        self,
        payer: Account,
        *,
        capacity_id: int,
        term_index: int,
        units: int,
        start: int,
        end: int,
        max_rent: int,
        tenant: Account,
    ) -> Lease:
        if tenant in (NOBODY, ENGINE):
            raise Refused("BadReceiver", receiver=tenant)
        capacity = self.capacity(capacity_id)
        term = self._active_term(capacity, term_index)
        rent = capacity.rent_under(term)
        floor = capacity.price_floor()
        if rent < floor:
            raise Refused("BelowPriceFloor", capacity=capacity.id, rent=rent, floor=floor)
        if not capacity.is_open:
            raise Refused("CapacityClosed", capacity=capacity.id)
        if not 1 <= units <= capacity.units:
            raise Refused("BadUnits", units=units, max=capacity.units)
        earliest = self.earliest(capacity)
        if start < earliest:
            raise Refused("StartPassed", start=start, earliest=earliest)
        if not start < end <= capacity.lifetime:
            raise Refused("BadRange", start=start, end=end, lifetime=capacity.lifetime)
        if not term.min_epochs <= end - start <= term.max_epochs:
            raise Refused(
                "LengthOutsideTerm", length=end - start, min=term.min_epochs, max=term.max_epochs
            )
        if rent > max_rent:
            raise Refused("RentAboveMax", rent=rent, maxRent=max_rent)
        free = capacity.units - max(capacity.units_leased(epoch) for epoch in range(start, end))
        if units > free:
            raise Refused("NotEnoughUnits", asked=units, free=free)
        lease = Lease(
            id=capacity.id * IDS_PER_CAPACITY + len(capacity.leases) + 1,
            capacity=capacity.id,
            tenant=tenant,
            units=units,
            start=start,
            end=end,
            rent=rent,
            term=term_index,
            credited_to=start,
        )
        if not capacity.token.can_move(payer, ENGINE, lease.paid):
            raise Refused("TransferFromFailed")
        capacity.token.move(payer, ENGINE, lease.paid)
        capacity.leases.append(lease)
        return lease

    def _active_term(self, capacity: Capacity, index: int) -> Term:
        if not 0 <= index < len(capacity.terms) or index in capacity.retired:
            raise Refused("TermNotActive", capacity=capacity.id, term=index)
        return capacity.terms[index]

    # Settling

    def post_root(self, set_id: int, window: int, leaves: Iterable[Report]) -> None:
        ends, posting_ends, _ = self.deadlines(set_id, window)
        if self.now < ends:
            raise Refused("WindowOpen", setId=set_id, window=window, endsAt=ends)
        if self.now >= posting_ends:
            raise Refused("WindowClosed", setId=set_id, window=window, deadline=posting_ends)
        if (set_id, window) in self.roots:
            raise Refused("RootExists", setId=set_id, window=window)
        self.roots[set_id, window] = frozenset(leaves)

    def settle(self, report: Report) -> None:
        """Closes the next epoch by its report: rent less the credit that its uptime calls for."""
        capacity = self.capacity(report.capacity)
        epoch = self._next_ended(capacity)
        if report.epoch != epoch:
            raise Refused("NotNextEpoch", capacity=capacity.id, epoch=report.epoch, expected=epoch)
        self._verify(capacity, report)
        capacity.credits.append(capacity.credit_for(report.uptime_bps))

    def settle_missing(self, capacity_id: int) -> None:
        """Closes the next epoch without a report: no proof, no pay."""
        capacity = self.capacity(capacity_id)
        epoch = self._next_ended(capacity)
        status = self.status_of(capacity, epoch)
        if status in (Status.PENDING, Status.REPORTED):
            raise Refused(
                "ReportStillPossible", capacity=capacity.id, epoch=epoch, status=int(status)
            )
        missing = status is Status.MISSING
        capacity.credits.append(BPS if missing else capacity.blackout_credit_bps)

    def pass_idle(self, capacity_id: int, to: int) -> None:
        """Closes epochs that nobody leased, without a word from anyone."""
        capacity = self.capacity(capacity_id)
        since = capacity.next_epoch
        if to <= since:
            return
        if to > capacity.lifetime:
            raise Refused("BadRange", start=since, end=to, lifetime=capacity.lifetime)
        if self.now < capacity.ends_at(to - 1):
            raise Refused(
                "EpochNotEnded",
                capacity=capacity.id,
                epoch=to - 1,
                endsAt=capacity.ends_at(to - 1),
            )
        for epoch in range(since, to):
            if capacity.units_leased(epoch):
                raise Refused("EpochNotIdle", capacity=capacity.id, epoch=epoch)
        capacity.credits.extend([None] * (to - since))

    def _next_ended(self, capacity: Capacity) -> int:
        epoch = capacity.next_epoch
        if epoch >= capacity.lifetime:
            raise Refused("LifetimeSettled", capacity=capacity.id)
        ends_at = capacity.ends_at(epoch)
        if self.now < ends_at:
            raise Refused("EpochNotEnded", capacity=capacity.id, epoch=epoch, endsAt=ends_at)
        return epoch

    def _verify(self, capacity: Capacity, report: Report) -> None:
        for name, bps in (("uptimeBps", report.uptime_bps), ("loadBps", report.load_bps)):
            if bps > BPS:
                raise Refused("ReportOutOfRange", field=name, value=bps)
        window = self.window_of(capacity, report.epoch)
        where: dict[str, object] = {"setId": capacity.attestors, "window": window}
        leaves = self.roots.get((capacity.attestors, window))
        if leaves is None:
            raise Refused("NoRoot", **where)
        _, _, reveal_ends = self.deadlines(capacity.attestors, window)
        if self.now >= reveal_ends:
            raise Refused("RevealClosed", **where, deadline=reveal_ends)
        if report not in leaves:
            raise Refused("NotInRoot", **where)

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
        if caller != lease.tenant:
            raise Refused("NotTenant", lease=lease_id, caller=caller)
        if receiver in (NOBODY, ENGINE):
            raise Refused("BadReceiver", receiver=receiver)
        amount = capacity.credit_of(lease)
        if amount:
            capacity.token.move(ENGINE, receiver, amount)
            capacity.credit_claims.append(amount)
            capacity.credit_dust += capacity.exact_credit(lease) - amount
            lease.credited_to = min(lease.end, capacity.next_epoch)
        return amount

    def transfer_lease(self, caller: Account, holder: Account, to: Account, lease_id: int) -> None:
        """The lease, and with it all credit that is not claimed, changes hands."""
        lease = self.lease_of(lease_id)
        if holder != lease.tenant:
            raise Refused("TransferFromIncorrectOwner")
        if caller != holder:
            raise Refused("NotOwnerNorApproved")
        if to == NOBODY:
            raise Refused("TransferToZeroAddress")
        lease.tenant = to

    # Splitting

    def transfer_shares(self, capacity_id: int, holder: Account, to: Account, amount: int) -> None:
        """Shares change hands; what they earned until now stays with who held them."""
        splitter = self.splitters[capacity_id]
        if to in (NOBODY, splitter.account):
            raise Refused("BadReceiver", receiver=to)
        if splitter.shares.get(holder, 0) < amount:
            raise Refused("InsufficientBalance")
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
