"""What the chain says happened, from its logs, balances and views, as a `DemoResult`.

Nothing here knows what a simulation meant to do. Money is followed by the token's own Transfer logs
across the market's border; what the contracts say about themselves has to agree with that.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from derrick.chain import Contract, Lane
from derrick.data import Listing
from derrick.result import (
    BPS,
    Amount,
    BondResult,
    CapacityResult,
    DemoResult,
    EpochResult,
    Incident,
    Ledger,
    LoanResult,
    Payment,
    Penalty,
    total,
)
from derrick.settlement import settled_epochs

NOBODY = "0x" + 40 * "0"

LEG_NAMES = ("operators' costs", "protocol")
"""The legs of a local market's capacities, in their order, but for the bond's."""

STAKERS = "stakers"
"""What the legs are called whose recipient is the bond."""

# Who crossed the border, by the event in the same transaction. The token's log says how much.
_OUT = {
    "CreditClaimed": "credits claimed by tenants",
    "DividendClaimed": "dividends claimed by shareholders",
    "SurplusClaimed": "rent beyond a repaid loan",
    "Borrowed": "loans paid out",
    "Withdraw": "withdrawn by lenders",
    "ReservesCollected": "reserves of the vault",
    "PenaltyPaid": "penalties claimed by tenants",
    "Withdrawn": "bonds taken out by operators",
    "StakeCancelled": "stakes taken back",
    "Claimed": "stakes taken out",
}
_IN = {
    "Leased": "rent paid by tenants",
    "Deposit": "deposited by lenders",
    "Repaid": "loans repaid by hand",
    "Deposited": "bonds deposited by operators",
    "Staked": "staked behind bonds",
}


class AuditError(Exception):
    """The chain contradicts itself: money is missing, or more is kept back than rounding can."""


@dataclass(frozen=True)
class Log:
    """One event, with where on the chain it stands."""

    block: int
    transaction: str
    name: str
    address: str
    args: Any


@dataclass(frozen=True)
class Subject:
    """A capacity that is audited."""

    id: int
    listing: Listing
    splitter: Contract


@dataclass(frozen=True)
class Loan:
    """A position that is audited: its debt after borrowing and at each epoch's end."""

    label: str
    subject: Subject
    account: str
    debt: tuple[int, ...]


@dataclass(frozen=True)
class Auditor:
    """Reads one market from `first_block` on. `closings[i]` is the last block of the i-th epoch.

    `people` are names by address, for those who are named in a result.
    """

    lane: Lane
    token: Contract
    lease: Contract
    vault: Contract
    bond: Contract
    subjects: tuple[Subject, ...]
    loans: tuple[Loan, ...]
    epochs: tuple[int, ...]
    closings: tuple[int, ...]
    first_block: int
    people: Mapping[str, str]

    # ---- reading -------------------------------------------------------------------------------

    @cached_property
    def logs(self) -> list[Log]:
        """Every log of the market's contracts and of its stablecoin, in order."""
        query = {
            "fromBlock": hex(self.first_block),
            "toBlock": "latest",
            "address": [self.token.address, *self.border],
        }
        logs = []
        for raw in self.lane.node.request("eth_getLogs", query):
            event = self.lane.book.event(raw)
            where = int(raw["blockNumber"], 16), str(raw["transactionHash"])
            logs.append(Log(*where, event.name, event.address, event.args))
        return logs

    @cached_property
    def border(self) -> tuple[str, ...]:
        """The contracts that hold the market's money."""
        splitters = (subject.splitter.address for subject in self.subjects)
        return (self.lease.address, self.vault.address, self.bond.address, *splitters)

    @cached_property
    def balances(self) -> dict[str, int]:
        """What each of them holds."""
        calls = [self.token.call("balanceOf", address) for address in self.border]
        return dict(zip(self.border, self.lane.batch(calls), strict=True))

    def named(self, name: str, address: str) -> list[Log]:
        """The logs of one name from one contract."""
        return [log for log in self.logs if log.name == name and log.address == address]

    def transfers(self) -> list[Log]:
        """The stablecoin's own word on what moved."""
        return self.named("Transfer", self.token.address)

    @cached_property
    def holders(self) -> dict[int, list[str]]:
        """Everybody who ever held shares of each capacity."""
        found: dict[int, list[str]] = {}
        for subject in self.subjects:
            seen = (log.args.to for log in self.named("Transfer", subject.splitter.address))
            found[subject.id] = list(dict.fromkeys(seen))
        return found

    def work(self) -> tuple[int, int]:
        """How many transactions there were, and what gas they took."""
        numbers = range(self.first_block, self.lane.block_number + 1)
        blocks = self.lane.node.batch(
            [("eth_getBlockByNumber", (hex(number), False)) for number in numbers]
        )
        transactions = sum(len(block["transactions"]) for block in blocks)
        return transactions, sum(int(block["gasUsed"], 16) for block in blocks)

    # ---- the border ----------------------------------------------------------------------------

    @cached_property
    def crossings(self) -> list[tuple[str, str, str, int]]:
        """Every transfer over the border: from, to, what it was, base units."""
        causes: dict[str, list[Log]] = {}
        for log in self.logs:
            if log.address in self.border:
                causes.setdefault(log.transaction, []).append(log)
        found = []
        for log in self.transfers():
            source, target, amount = log.args
            inward, outward = target in self.border, source in self.border
            if inward != outward:
                said = [
                    other
                    for other in causes.get(log.transaction, [])
                    if other.address == (target if inward else source)
                ]
                name = self._cause(said, _IN if inward else _OUT)
                found.append((source, target, name, amount))
        return found

    @cached_property
    def ledger(self) -> Ledger:
        """All that came in, all that went out, and what is held now."""
        lease, vault, bond, *splitters = self.balances.values()
        return Ledger(
            money_in=_amounts((name, n) for _, to, name, n in self.crossings if to in self.border),
            money_out=_amounts((name, n) for by, _, name, n in self.crossings if by in self.border),
            held=(
                Amount("lease engine", lease),
                Amount("revenue splitters", sum(splitters)),
                Amount("vault", vault),
                Amount("bonds", bond),
            ),
        )

    def _cause(self, logs: Iterable[Log], names: Mapping[str, str]) -> str:
        """What a transaction was about, by its logs."""
        for log in logs:
            if log.name == "LegClaimed" and names is _OUT:
                return f"legs: {self.leg_names[log.address][log.args.leg]}"
            if log.name in names:
                return names[log.name]
        return "other"

    @cached_property
    def leg_names(self) -> dict[str, tuple[str, ...]]:
        """What the legs of each splitter are called."""
        found = {}
        for splitter in (subject.splitter for subject in self.subjects):
            count = splitter.read("legs").count
            legs = self.lane.batch(splitter.call("legOf", leg) for leg in range(count))
            others = iter(LEG_NAMES)
            found[splitter.address] = tuple(
                STAKERS if leg.recipient == self.bond.address else next(others) for leg in legs
            )
        return found

    def moved(self, source: str = "", target: str = "") -> int:
        """What the token says went from or to one contract over the border."""
        return sum(n for by, to, _, n in self.crossings if source == by or target == to)

    # ---- capacities ----------------------------------------------------------------------------

    def capacity(self, subject: Subject) -> CapacityResult:
        """One capacity: its epochs as settled, and where its net rent went."""
        listing, splitter = subject.listing, subject.splitter
        names = self.leg_names[splitter.address]
        count = len(names)
        reads = self.lane.batch(
            [
                splitter.call("totals"),
                splitter.call("dividendIndex"),
                self.lease.call("revenueTotals", subject.id),
                *(splitter.call("legClaimable", leg) for leg in range(count)),
            ]
        )
        (received, _), to_shares, (earned, released), *waiting = reads
        claimed = [0] * count
        for log in self.named("LegClaimed", splitter.address):
            claimed[log.args.leg] += log.args.amount
        legs = tuple(Amount(name, claimed[leg] + waiting[leg]) for leg, name in enumerate(names))
        rounding = received - total(legs) - to_shares
        _bounded(f"{listing.key}: legs and shares", rounding, count + 1)
        return CapacityResult(
            key=listing.key,
            label=listing.label,
            hardware=listing.hardware.key,
            service=listing.service,
            units=listing.units,
            accelerators_per_unit=listing.accelerators_per_unit,
            usd_per_gpu_hour=listing.usd_per_gpu_hour,
            committed_uptime_bps=listing.sla.committed_uptime_bps,
            epochs=self._epochs_of(subject),
            legs=legs,
            to_shares=to_shares,
            unreleased=earned - released,
            paid_out=sum(
                log.args[2] for log in self.transfers() if log.args[0] == splitter.address
            ),
            rounding=rounding,
        )

    def _epochs_of(self, subject: Subject) -> tuple[EpochResult, ...]:
        settled = {
            each.epoch: each for each in settled_epochs(self.logs) if each.capacity == subject.id
        }
        units = self.lane.batch(
            [self.lease.call("unitsLeasedAt", subject.id, epoch) for epoch in self.epochs]
        )
        curtailed = {
            log.args.epoch
            for log in self.named("Curtailed", self.lease.address)
            if log.args.capacity == subject.id
        }
        missing = [epoch for epoch in self.epochs if epoch not in settled]
        if missing:
            raise AuditError(f"{subject.listing.key}: epochs {missing} were never settled")
        return tuple(
            EpochResult(
                epoch=epoch,
                units_leased=leased,
                uptime_bps=settled[epoch].uptime_bps,
                credit_bps=settled[epoch].credit_bps,
                rent=settled[epoch].rent,
                credit=settled[epoch].credit,
                energy_wh=settled[epoch].energy_wh,
                curtailed=epoch in curtailed,
            )
            for epoch, leased in zip(self.epochs, units, strict=True)
        )

    # ---- loans ---------------------------------------------------------------------------------

    def loan(self, loan: Loan) -> LoanResult:
        """One position: what it borrowed, and what repaid it when."""
        key = (loan.account, loan.subject.splitter.address)

        def of(name: str) -> list[Log]:
            return [log for log in self.named(name, self.vault.address) if log.args[:2] == key]

        applied = [0] * len(self.epochs)
        for log in of("DividendsApplied"):
            applied[self._epoch_index(log.block)] += log.args.applied
        pledged = sum(log.args.shares for log in of("Pledged"))
        return LoanResult(
            label=loan.label,
            capacity=loan.subject.listing.key,
            pledged_bps=BPS * pledged // loan.subject.splitter.read("totalSupply"),
            borrowed=sum(log.args.assets for log in of("Borrowed")),
            repaid_by_rent=sum(applied),
            repaid_by_hand=sum(log.args.assets for log in of("Repaid")),
            debt=loan.debt,
            rent_applied=tuple(applied),
        )

    def _epoch_index(self, block: int) -> int:
        """In which of the shown epochs a block was mined; after the last one counts to it."""
        later = (index for index, closing in enumerate(self.closings) if block <= closing)
        return next(later, len(self.closings) - 1)

    # ---- bonds ---------------------------------------------------------------------------------

    def bond_of(self, subject: Subject) -> BondResult:
        """One capacity's bond: what came and went by its logs, what is there by its views."""

        def of(*names: str) -> list[Log]:
            return [
                log
                for name in names
                for log in self.named(name, self.bond.address)
                if log.args.capacity == subject.id
            ]

        def sum_of(*names: str) -> int:
            return sum(log.args.amount for log in of(*names))

        penalties = tuple(
            Penalty(log.args.epoch, log.args.wanted, log.args.ofOperator, log.args.ofPool)
            for log in of("Reserved")
        )
        reads = self.lane.batch(
            [
                *(
                    self.bond.call(name, subject.id)
                    for name in ("operatorPartOf", "poolOf", "heldOf")
                ),
                *(self.bond.call("reserveOf", subject.id, each.epoch) for each in penalties),
            ]
        )
        operator_part, pool, held, *reserves = reads
        left = {
            penalty.epoch: (reserve.ofOperator, reserve.ofPool)
            for penalty, reserve in zip(penalties, reserves, strict=True)
        }
        reserved = sum(map(sum, left.values()))
        return BondResult(
            capacity=subject.listing.key,
            deposited=sum_of("Deposited"),
            staked=sum_of("Staked"),
            rewards=sum_of("Collected"),
            withdrawn=sum_of("Withdrawn"),
            unstaked=sum_of("StakeCancelled", "Claimed"),
            operator_part=operator_part,
            pool=pool.assets,
            reserved=reserved,
            idle=held - operator_part - pool.assets - reserved,
            penalties=penalties,
            payments=self._payments(subject, penalties, of("PenaltyPaid"), left),
        )

    def _payments(
        self,
        subject: Subject,
        penalties: Sequence[Penalty],
        logs: Sequence[Log],
        left: Mapping[int, tuple[int, int]],
    ) -> tuple[Payment, ...]:
        """Who was paid from whose part: the operator's is used up first, epoch by epoch. What then
        is left has to be what the bond says, which `left` holds."""
        rest = {each.epoch: (each.of_operator, each.of_stakers) for each in penalties}
        paid: dict[str, Payment] = {}
        for log in logs:
            of_operator, of_stakers = rest[log.args.epoch]
            first = min(log.args.amount, of_operator)
            then = log.args.amount - first
            rest[log.args.epoch] = of_operator - first, of_stakers - then
            name = self.people.get(log.args.receiver, log.args.receiver)
            before = paid.get(name, Payment(name, 0, 0))
            paid[name] = Payment(name, before.of_operator + first, before.of_stakers + then)
        if rest != left:
            raise AuditError(f"{subject.listing.key}: {left} is reserved, by payments {rest}")
        return tuple(paid.values())

    def _bonds(self) -> tuple[BondResult, ...]:
        """The bonds of all capacities; together they hold what the contract has."""
        bonds = tuple(self.bond_of(subject) for subject in self.subjects)
        over = self.balances[self.bond.address] - sum(bond.left + bond.reserved for bond in bonds)
        if over:
            raise AuditError(f"bonds: {over} base units lie over that are nobody's")
        return bonds

    # ---- the whole -----------------------------------------------------------------------------

    def result(
        self,
        *,
        currency: str,
        decimals: int,
        epoch_seconds: int,
        incidents: tuple[Incident, ...],
        facts: tuple[tuple[str, str], ...],
        uptime_note: str,
        sources: tuple[str, ...],
    ) -> DemoResult:
        """Everything, for the report. Raises AuditError where the chain contradicts itself."""
        capacities = tuple(self.capacity(subject) for subject in self.subjects)
        loans = tuple(self.loan(loan) for loan in self.loans)
        leased = self.named("Leased", self.lease.address)
        escrow = self._escrow(leased)
        unreleased = sum(capacity.unreleased for capacity in capacities)
        idle, claimed, waiting, rounding = self._dividends(capacities)
        credit_lines = self._credits(leased, escrow + unreleased)
        lent = self.moved(target=self.vault.address) - self.moved(source=self.vault.address)
        surplus = sum(log.args.assets for log in self.named("SurplusClaimed", self.vault.address))
        return DemoResult(
            epoch_seconds=epoch_seconds,
            currency=currency,
            decimals=decimals,
            capacities=capacities,
            loans=loans,
            tenants=len({log.args.tenant for log in leased}),
            leases=len(leased),
            tenants_paid=self.moved(target=self.lease.address),
            refunded=0,
            escrow=escrow,
            # Lenders' money at hand beyond what they brought and borrowers took: rent put it there.
            dividends_to_loans=idle - lent - surplus,
            dividends_claimed=claimed,
            dividends_waiting=waiting,
            ledger=self.ledger,
            incidents=incidents,
            facts=facts,
            uptime_note=uptime_note,
            sources=sources,
            rounding=rounding,
            credits=credit_lines,
            bonds=self._bonds(),
        )

    def _escrow(self, leased: Sequence[Log]) -> int:
        """Rent of signed leases for epochs that are not settled."""
        settled = self.lane.batch(
            [self.lease.call("settledTo", subject.id) for subject in self.subjects]
        )
        next_epoch = {
            subject.id: at.nextEpoch for subject, at in zip(self.subjects, settled, strict=True)
        }
        signed = [(log.args.capacity, log.args.conditions) for log in leased]
        return sum(
            lease.rent * lease.units * max(0, lease.end - max(lease.start, next_epoch[capacity]))
            for capacity, lease in signed
        )

    def _credits(self, leased: Sequence[Log], not_credit: int) -> tuple[Amount, ...]:
        """What became of the credits; what rounding left is what the engine holds beyond that."""
        claims = self.named("CreditClaimed", self.lease.address)
        open_claims = self.lane.batch(
            [self.lease.call("creditOf", log.args.lease) for log in leased]
        )
        rounding = self.balances[self.lease.address] - not_credit - sum(open_claims)
        credited = self.named("EpochCredited", self.lease.address)
        _bounded("credits", rounding, len(credited) + len(claims) + len(leased))
        return (
            Amount("claimed by tenants", sum(log.args.amount for log in claims)),
            Amount("not claimed yet", sum(open_claims)),
            Amount("left by rounding", rounding),
        )

    def _dividends(self, capacities: Sequence[CapacityResult]) -> tuple[int, int, int, int]:
        """The vault's idle money; dividends claimed, waiting, and left by rounding.

        What rounding left is what splitters and vault hold, or are owed by the engine, beyond all
        that anybody can claim.
        """
        vault, held = self.vault.address, self.balances
        owed = [
            subject.splitter.call("claimable", holder)
            for subject in self.subjects
            for holder in self.holders[subject.id]
        ]
        owners = [h for subject in self.subjects for h in self.holders[subject.id]]
        claimable = self.lane.batch(owed)
        positions = self.lane.batch(
            self.vault.call("healthOf", loan.account, loan.subject.splitter.address)
            for loan in self.loans
        )
        idle = self.vault.read("idle")
        due_to_loans = sum(position.dividends for position in positions)
        due_to_vault = sum(n for n, who in zip(claimable, owners, strict=True) if who == vault)
        waiting = sum(claimable) - due_to_vault + due_to_loans

        claims = [
            log
            for subject in self.subjects
            for log in self.named("DividendClaimed", subject.splitter.address)
        ]
        surplus = self.named("SurplusClaimed", vault)
        claimed = sum(log.args.amount for log in claims if log.args.holder != vault)
        claimed += sum(log.args.assets for log in surplus)

        legs_paid = sum(
            log.args.amount
            for subject in self.subjects
            for log in self.named("LegClaimed", subject.splitter.address)
        )
        legs_waiting = sum(capacity.to_legs for capacity in capacities) - legs_paid
        splitters = sum(held[subject.splitter.address] for subject in self.subjects)
        splitters += sum(capacity.unreleased for capacity in capacities)
        kept = sum(capacity.rounding for capacity in capacities)
        rounding = splitters - legs_waiting - kept + held[vault] - idle - waiting
        touches = len(self.named("DividendsApplied", vault)) + len(claims) + len(owners)
        _bounded("dividends", rounding, touches)
        return idle, claimed, waiting, rounding


def _amounts(lines: Iterable[tuple[str, int]]) -> tuple[Amount, ...]:
    sums: dict[str, int] = {}
    for name, amount in lines:
        sums[name] = sums.get(name, 0) + amount
    return tuple(Amount(name, amount) for name, amount in sums.items())


def _bounded(what: str, rounding: int, most: int) -> None:
    """Rounding leaves less than a base unit each time, and never takes one."""
    if not 0 <= rounding <= most:
        raise AuditError(f"{what}: {rounding} base units lie over, rounding explains 0 to {most}")
