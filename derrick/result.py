"""What a run of the market left behind, as plain numbers: the input of `derrick.report`.

Money is in the stablecoin's base units (`int`), fractions in bps, energy in watt-hours, uptime in
bps of an epoch. Nothing here reads a chain; whoever ran the market fills it in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

BPS = 10_000


@dataclass(frozen=True, slots=True)
class Amount:
    """A named sum of money in base units: a fixed leg, or a line of the ledger."""

    name: str
    amount: int


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One settled epoch of one capacity.

    `rent` is the gross rent of all its leases, `credit` the part of it that went back to tenants
    (base units). `credit_bps` is the SLA credit that applied. `curtailed`: the operator gave the
    epoch to the grid, within what was declared.
    """

    epoch: int
    units_leased: int
    uptime_bps: int
    credit_bps: int
    rent: int
    credit: int
    energy_wh: int
    curtailed: bool = False


@dataclass(frozen=True, slots=True)
class CapacityResult:
    """One capacity over the whole run.

    `usd_per_gpu_hour` has 8 decimals. `epochs` are consecutive and the same for all capacities.
    Net rent (rent less credit) ends in `legs` (accrued to each fixed leg), `to_shares` (accrued to
    the shares) or `unreleased` (still owed by the lease engine); what rounding every part down
    leaves over is `rounding`. `paid_out` is what has left the splitter: claims of legs and of
    holders, loans repaid included.
    """

    key: str
    label: str
    hardware: str
    service: str
    units: int
    accelerators_per_unit: int
    usd_per_gpu_hour: int
    committed_uptime_bps: int
    epochs: tuple[EpochResult, ...]
    legs: tuple[Amount, ...]
    to_shares: int
    unreleased: int
    paid_out: int
    rounding: int = 0

    @property
    def leased_unit_epochs(self) -> int:
        """Units leased, summed over the epochs."""
        return sum(row.units_leased for row in self.epochs)

    @property
    def occupancy_bps(self) -> int:
        """Leased unit-epochs per offered unit-epoch."""
        return BPS * self.leased_unit_epochs // (self.units * len(self.epochs))

    @property
    def rent(self) -> int:
        """Gross rent of the settled epochs, base units."""
        return sum(row.rent for row in self.epochs)

    @property
    def credit(self) -> int:
        """SLA credits of the settled epochs, base units."""
        return sum(row.credit for row in self.epochs)

    @property
    def net(self) -> int:
        """Rent the machines earned: gross less credits, base units."""
        return self.rent - self.credit

    @property
    def to_legs(self) -> int:
        """Accrued to all fixed legs, base units."""
        return sum(leg.amount for leg in self.legs)

    @property
    def energy_wh(self) -> int:
        """Watt-hours over all epochs."""
        return sum(row.energy_wh for row in self.epochs)

    @property
    def uptime_bps(self) -> int:
        """Mean uptime over the epochs, rounded down."""
        return sum(row.uptime_bps for row in self.epochs) // len(self.epochs)


@dataclass(frozen=True, slots=True)
class LoanResult:
    """One loan against shares of a capacity, base units.

    `debt[0]` is the debt right after borrowing and `debt[i]` that at the end of the i-th shown
    epoch, interest included; `rent_applied[i - 1]` is the rent that repaid it in that epoch. A loan
    taken later shows zeros before. `pledged_bps` is the pledged part of all shares.
    """

    label: str
    capacity: str
    pledged_bps: int
    borrowed: int
    repaid_by_rent: int
    repaid_by_hand: int
    debt: tuple[int, ...]
    rent_applied: tuple[int, ...]

    @property
    def outstanding(self) -> int:
        """What is still owed at the end."""
        return self.debt[-1]

    @property
    def interest(self) -> int:
        """What the loan cost so far: all that was repaid or is still owed, less what was lent."""
        return self.outstanding + self.repaid_by_rent + self.repaid_by_hand - self.borrowed


@dataclass(frozen=True, slots=True)
class Penalty:
    """What one epoch in penalty set aside from a bond: from whom, base units."""

    epoch: int
    wanted: int
    of_operator: int
    of_stakers: int


@dataclass(frozen=True, slots=True)
class Payment:
    """What one tenant was paid from what a bond had set aside: from whose part, base units."""

    tenant: str
    of_operator: int
    of_stakers: int

    @property
    def amount(self) -> int:
        """All of it."""
        return self.of_operator + self.of_stakers


@dataclass(frozen=True, slots=True)
class BondResult:
    """The bond of one capacity over the whole run, base units.

    What came in: `deposited` by the operator, `staked` behind that by others, and `rewards`, the
    stakers' part of the rent as far as it was collected. What went out: `payments`, and what the
    operator (`withdrawn`) and stakers (`unstaked`) took out again. The rest is held: the parts
    that insure on, what is `reserved` for tenants who have not claimed, and what is `idle`: stake
    that waits, or what only its owner has to claim. A penalty uses up the operator's part first.
    """

    capacity: str
    deposited: int
    staked: int
    rewards: int
    withdrawn: int
    unstaked: int
    operator_part: int
    pool: int
    reserved: int
    idle: int
    penalties: tuple[Penalty, ...]
    payments: tuple[Payment, ...]

    @property
    def of_operator(self) -> int:
        """What all penalties set aside from the operator's part."""
        return sum(penalty.of_operator for penalty in self.penalties)

    @property
    def of_stakers(self) -> int:
        """What all penalties set aside from the stakers' pool."""
        return sum(penalty.of_stakers for penalty in self.penalties)

    @property
    def paid(self) -> int:
        """What tenants were paid."""
        return sum(payment.amount for payment in self.payments)

    @property
    def left(self) -> int:
        """What the bond holds for others than tenants."""
        return self.operator_part + self.pool + self.idle


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that befell a capacity in [first_epoch, last_epoch], in two or three words."""

    capacity: str
    first_epoch: int
    last_epoch: int
    cause: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """Every crossing of the market's border, by its own token transfers, base units.

    `money_in`: rent and deposits of tenants, deposits of lenders, repayments by hand …
    `money_out`: refunds and credits claimed, legs and dividends claimed, loans paid out …
    `held`: the balances of the market's contracts at the end. Repayments by rent cross no border.
    """

    money_in: tuple[Amount, ...]
    money_out: tuple[Amount, ...]
    held: tuple[Amount, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """An equation that must hold to the base unit: Σ left = Σ right."""

    name: str
    left: tuple[Amount, ...]
    right: tuple[Amount, ...]

    @property
    def error(self) -> int:
        """Left less right, base units; 0 if it holds."""
        return total(self.left) - total(self.right)


@dataclass(frozen=True, slots=True)
class DemoResult:
    """A whole run.

    `tenants_paid` is all that tenants put in (rent and deposits); it is either the rent of
    settled epochs, or `refunded` (leases ended early), or `escrow` (still held for epochs to come).
    What accrued to shares went to loans (`dividends_to_loans`), to holders (`dividends_claimed`)
    or waits for its owner (`dividends_waiting`); `rounding` is what is left over because each
    holder's part is rounded down. `credits` says what became of the credits, where that is known.
    `bonds` are those of capacities that have one; their money is no part of what tenants paid.
    `facts` are pairs of a name and a text for the foot of the report (transactions, gas, seconds);
    `uptime_note` says where uptimes come from; `sources` are citations.
    """

    epoch_seconds: int
    currency: str
    decimals: int
    capacities: tuple[CapacityResult, ...]
    loans: tuple[LoanResult, ...]
    tenants: int
    leases: int
    tenants_paid: int
    refunded: int
    escrow: int
    dividends_to_loans: int
    dividends_claimed: int
    dividends_waiting: int
    ledger: Ledger
    incidents: tuple[Incident, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    uptime_note: str = ""
    sources: tuple[str, ...] = ()
    rounding: int = 0
    credits: tuple[Amount, ...] = ()
    bonds: tuple[BondResult, ...] = ()

    def __post_init__(self) -> None:
        if not self.capacities:
            raise ValueError("a result needs at least one capacity")
        shown = self.epochs
        for capacity in self.capacities:
            if tuple(row.epoch for row in capacity.epochs) != shown or not shown:
                raise ValueError(f"{capacity.key}: its epochs are not those of the run")
            for row in capacity.epochs:
                if not 0 <= row.units_leased <= capacity.units or not 0 <= row.uptime_bps <= BPS:
                    raise ValueError(f"{capacity.key}: epoch {row.epoch} is out of range")
        keys = {capacity.key for capacity in self.capacities}
        if len(keys) != len(self.capacities):
            raise ValueError("two capacities of one key")
        for loan in self.loans:
            if len(loan.debt) != len(shown) + 1 or len(loan.rent_applied) != len(shown):
                raise ValueError(f"{loan.label}: one debt more than epochs, one repayment for each")
            if sum(loan.rent_applied) != loan.repaid_by_rent:
                raise ValueError(f"{loan.label}: its repayments do not add up")
        named = {loan.capacity for loan in self.loans} | {bond.capacity for bond in self.bonds}
        for key in named | {incident.capacity for incident in self.incidents}:
            if key not in keys:
                raise ValueError(f"no capacity {key!r}")

    @property
    def epochs(self) -> tuple[int, ...]:
        """The epochs shown, as the first capacity has them."""
        return tuple(row.epoch for row in self.capacities[0].epochs)

    @property
    def rent(self) -> int:
        """Gross rent of all settled epochs, base units."""
        return sum(capacity.rent for capacity in self.capacities)

    @property
    def credit(self) -> int:
        """All SLA credits, base units."""
        return sum(capacity.credit for capacity in self.capacities)

    @property
    def net(self) -> int:
        """All rent the machines earned, base units."""
        return self.rent - self.credit

    @property
    def legs(self) -> tuple[Amount, ...]:
        """Fixed legs by name over all capacities, in order of first appearance."""
        sums: dict[str, int] = {}
        for capacity in self.capacities:
            for leg in capacity.legs:
                sums[leg.name] = sums.get(leg.name, 0) + leg.amount
        return tuple(Amount(name, amount) for name, amount in sums.items())

    @property
    def to_shares(self) -> int:
        """Accrued to shares of all capacities, base units."""
        return sum(capacity.to_shares for capacity in self.capacities)

    @property
    def unreleased(self) -> int:
        """Earned rent that the lease engine still owes, base units."""
        return sum(capacity.unreleased for capacity in self.capacities)

    @property
    def energy_wh(self) -> int:
        """Watt-hours of all capacities."""
        return sum(capacity.energy_wh for capacity in self.capacities)

    @property
    def uptime_bps(self) -> int:
        """Uptime of leased units: mean over all leased unit-epochs, rounded down."""
        rows = [row for capacity in self.capacities for row in capacity.epochs]
        leased = sum(row.units_leased for row in rows)
        up = sum(row.uptime_bps * row.units_leased for row in rows)
        return up // leased if leased else 0

    @property
    def payments(self) -> tuple[Payment, ...]:
        """What each tenant was paid from all bonds, in order of first appearance."""
        sums: dict[str, Payment] = {}
        for payment in (each for bond in self.bonds for each in bond.payments):
            before = sums.get(payment.tenant, Payment(payment.tenant, 0, 0))
            sums[payment.tenant] = Payment(
                payment.tenant,
                before.of_operator + payment.of_operator,
                before.of_stakers + payment.of_stakers,
            )
        return tuple(sums.values())

    @property
    def paid_by_bonds(self) -> int:
        """All penalties that tenants were paid, base units."""
        return sum(bond.paid for bond in self.bonds)

    @property
    def reserved_by_bonds(self) -> int:
        """What is set aside for tenants who have not claimed, base units."""
        return sum(bond.reserved for bond in self.bonds)

    def capacity(self, key: str) -> CapacityResult:
        """A capacity by key; `KeyError` if there is none."""
        for capacity in self.capacities:
            if capacity.key == key:
                return capacity
        raise KeyError(key)

    def checks(self) -> tuple[Check, ...]:
        """The equations that account for every base unit; the first one is the whole market's."""
        ledger = self.ledger
        credits = Check("what became of credits", (Amount("credits", self.credit),), self.credits)
        return (
            Check("the whole market", ledger.money_in, ledger.money_out + ledger.held),
            Check(
                "what tenants paid",
                (Amount("paid by tenants", self.tenants_paid),),
                (
                    Amount("rent of settled epochs", self.rent),
                    Amount("refunded", self.refunded),
                    Amount("held for epochs to come", self.escrow),
                ),
            ),
            Check(
                "where the rent went",
                (Amount("rent of settled epochs", self.rent),),
                (
                    Amount("credits to tenants", self.credit),
                    *self.legs,
                    Amount("shareholders", self.to_shares),
                    Amount("not yet released", self.unreleased),
                    Amount("left by rounding", sum(c.rounding for c in self.capacities)),
                ),
            ),
            Check(
                "what shareholders earned",
                (Amount("shareholders", self.to_shares),),
                (
                    Amount("repaid loans", self.dividends_to_loans),
                    Amount("claimed", self.dividends_claimed),
                    Amount("waiting to be claimed", self.dividends_waiting),
                    Amount("left by rounding", self.rounding),
                ),
            ),
            Check(
                "what repaid the loans",
                (Amount("shareholders' rent that repaid loans", self.dividends_to_loans),),
                tuple(Amount(loan.label, sum(loan.rent_applied)) for loan in self.loans),
            ),
            *((credits,) if self.credits else ()),
            *(self._bond_checks() if self.bonds else ()),
        )

    def _bond_checks(self) -> tuple[Check, Check]:
        bonds = self.bonds
        paid = Amount("paid to tenants", self.paid_by_bonds)
        reserved = Amount("reserved for tenants", self.reserved_by_bonds)
        return (
            Check(
                "what came into bonds",
                (
                    Amount("deposited by operators", sum(bond.deposited for bond in bonds)),
                    Amount("staked", sum(bond.staked for bond in bonds)),
                    Amount("rewards collected", sum(bond.rewards for bond in bonds)),
                ),
                (
                    paid,
                    Amount("taken out by operators", sum(bond.withdrawn for bond in bonds)),
                    Amount("taken out by stakers", sum(bond.unstaked for bond in bonds)),
                    reserved,
                    Amount("operators' parts held", sum(bond.operator_part for bond in bonds)),
                    Amount("stakers' pools held", sum(bond.pool for bond in bonds)),
                    Amount("held until claimed", sum(bond.idle for bond in bonds)),
                ),
            ),
            Check(
                "what became of penalties",
                (
                    Amount("from operators' parts", sum(bond.of_operator for bond in bonds)),
                    Amount("from stakers' pools", sum(bond.of_stakers for bond in bonds)),
                ),
                (paid, reserved),
            ),
        )

    @property
    def conservation_error(self) -> int:
        """In less out less held over the whole market, base units; 0 if all is accounted for."""
        return self.checks()[0].error

    @property
    def conserved(self) -> bool:
        """Whether every equation holds to the base unit."""
        return all(check.error == 0 for check in self.checks())


def total(amounts: Iterable[Amount]) -> int:
    """Sum of the amounts, base units."""
    return sum(line.amount for line in amounts)
