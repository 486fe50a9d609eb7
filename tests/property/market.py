"""The market as a state machine: what anybody can do, rightly or wrongly, in any order.

Rules draw from what the reference says is possible now, and add wrong inputs of their own; what
must happen is always the reference's word. Time moves between calls by seconds, by epochs, or right
up to a deadline; several calls may share a second.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from derrick.model import (
    ENGINE,
    IDS_PER_CAPACITY,
    MAX_PRICE,
    NOBODY,
    Account,
    Capacity,
    Lease,
    Market,
    Refused,
    Token,
)
from derrick.structs import Term
from derrick.telemetry import Report, ReportTree, Status
from derrick.units import BPS
from tests.property.invariants import InvariantBroken, hold, same
from tests.property.stage import (
    OPERATORS,
    OWNER,
    PEOPLE,
    PLANS,
    STRANGER,
    TENANTS,
    Stage,
)
from tests.property.witness import Witness

NUMBERS = tuple(range(1, len(PLANS) + 1))
UNKNOWN = len(PLANS) + 1
UPTIMES = (BPS, 9_999, 9_949, 9_900, 9_899, 9_499, 9_000, 8_999, 1, 0, None)
"""Around every threshold of the tiers; None where no report is made."""
MAX_LENGTH = 12
"""Epochs of a lease, where its term does not ask for more."""

DEADLINES = ("window ends", "posting ends", "showing ends")
"""In the order of `Market.deadlines`."""

numbers = st.sampled_from(NUMBERS)
rarely = st.integers(0, 4).map(lambda n: n == 4)
uptimes = st.lists(st.sampled_from(UPTIMES), min_size=1, max_size=6)


@dataclass(frozen=True)
class Request:
    """What a tenant asks for."""

    payer: Account
    capacity: int
    term: int
    units: int
    start: int
    end: int
    max_rent: int
    tenant: Account


DEED = ("setPrice", "setOpen", "setOpen", "addTerm", "retireTerm")

Fault = Callable[[Request, Capacity, int], Request]

FAULTS: dict[str, Fault] = {
    "no units": lambda r, c, now: replace(r, units=0),
    "more units than there are": lambda r, c, now: replace(r, units=c.units + 1),
    "all units": lambda r, c, now: replace(r, units=c.units),
    "begun": lambda r, c, now: replace(r, start=max(0, now - 1)),
    "ends as it starts": lambda r, c, now: replace(r, end=r.start),
    "ends before it starts": lambda r, c, now: replace(r, end=max(0, r.start - 1)),
    "beyond the lifetime": lambda r, c, now: replace(r, end=c.lifetime + 1),
    "too long": lambda r, c, now: replace(r, end=r.start + 41),
    "too short": lambda r, c, now: replace(r, term=1, end=r.start + 1),
    "too dear": lambda r, c, now: replace(r, max_rent=0),
    "unknown capacity": lambda r, c, now: replace(r, capacity=UNKNOWN),
    "unknown term": lambda r, c, now: replace(r, term=len(c.terms)),
    "for nobody": lambda r, c, now: replace(r, tenant=NOBODY),
    "for the engine": lambda r, c, now: replace(r, tenant=ENGINE),
    "without money": lambda r, c, now: replace(r, payer=STRANGER),
    "at the end of time": lambda r, c, now: replace(r, start=2**256 - 2, end=2**256 - 1),
}


class MarketMachine(RuleBasedStateMachine):
    """Leasing, settling, splitting; see the module."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.witness = Witness(stage)
        self.trees: dict[tuple[int, int], ReportTree] = {}
        self.last: Callable[[], object] | None = None
        self.steps = 0
        self.broken = False

    @property
    def model(self) -> Market:
        return self.witness.model

    @property
    def now(self) -> int:
        return self.witness.now

    def capacity(self, number: int) -> Capacity:
        return self.model.capacities[number]

    def act(
        self,
        caller: Account,
        contract: Any,
        function: str,
        *arguments: Any,
        reference: Callable[[Market], Any],
        touches: int | None,
        extra: dict[str, Any] | None = None,
    ) -> Any:
        """Makes a call on both sides, and keeps it to be made again."""

        def call() -> Any:
            try:
                return self.witness.act(
                    caller,
                    contract,
                    function,
                    *arguments,
                    reference=reference,
                    touches=touches,
                    extra=extra,
                )
            except InvariantBroken:
                self.broken = True
                raise

        self.last = call
        return call()

    # ------------------------------------------------------------------------------ time

    def move_to(self, timestamp: int) -> None:
        """Later calls are in blocks of this time; the past stays past."""
        self.witness.now = max(self.now, timestamp)

    @rule(
        number=numbers,
        until=st.sampled_from(("seconds", "epoch", "next epoch", *DEADLINES)),
        off=st.sampled_from((-1, 0, 1)),
    )
    def wait(self, number: int, until: str, off: int) -> None:
        """Some seconds, or to the second around an end of an epoch or a deadline of attestors."""
        capacity = self.capacity(number)
        if until == "seconds":
            self.move_to(self.now + 2 + off)
        elif until == "epoch":
            self.move_to(capacity.ends_at(self.running(capacity)) + off)
        elif until == "next epoch":
            self.move_to(capacity.ends_at(capacity.next_epoch) + off)
        else:
            window = self.model.window_of(capacity, capacity.next_epoch)
            deadline = self.model.deadlines(capacity.attestors, window)[DEADLINES.index(until)]
            self.move_to(deadline + off)

    def running(self, capacity: Capacity) -> int:
        """The epoch now running, or the first if none is yet."""
        self.model.now = self.now
        return max(0, self.model.earliest(capacity) - 1)

    # ------------------------------------------------------------------------------ leasing

    @initialize(data=st.data(), old=st.booleans(), shares=uptimes)
    def first_leases(self, data: st.DataObject, old: bool, shares: list[int | None]) -> None:
        """Some leases of everything; in an old market, some of them have earned already."""
        for number in NUMBERS:
            self.sign(self.draw_request(data, number))
        if old:
            self.time_goes_by(2, 2, 0, [BPS, *shares])

    def draw_request(self, data: st.DataObject, number: int) -> Request:
        capacity = self.capacity(number)
        active = [i for i in range(len(capacity.terms)) if i not in capacity.retired] or [0]
        index = data.draw(st.sampled_from(active), "term")
        term = capacity.terms[index]
        self.model.now = self.now
        start = self.model.earliest(capacity) + data.draw(st.integers(0, 3), "ahead")
        longest = max(term.min_epochs, min(term.max_epochs, MAX_LENGTH))
        end = start + data.draw(st.integers(term.min_epochs, longest), "length")
        payer = data.draw(st.sampled_from(TENANTS), "payer")
        return Request(
            payer=payer,
            capacity=number,
            term=index,
            units=data.draw(st.integers(1, capacity.units), "units"),
            start=start,
            end=end,
            max_rent=capacity.rent_under(term) + data.draw(st.integers(0, 1), "slack"),
            tenant=data.draw(st.sampled_from((payer, *TENANTS)), "tenant"),
        )

    def sign(self, request: Request) -> Lease | None:
        fields = asdict(request)
        fields["capacity_id"], fields["term_index"] = fields.pop("capacity"), fields.pop("term")
        payer = fields.pop("payer")
        struct = {
            "capacity": request.capacity,
            "term": request.term,
            "units": request.units,
            "start": request.start,
            "end": request.end,
            "maxRent": request.max_rent,
            "tenant": self.stage.addresses[request.tenant],
        }
        lease: Lease | None = self.act(
            payer,
            self.stage.engine,
            "lease",
            struct,
            reference=lambda m: m.lease(payer, **fields),
            touches=request.capacity,
        )
        if lease is not None and self.witness.receipt is not None:
            event = self.witness.receipt.event("Leased")
            found = (event.lease, event.paid, event.conditions.rent, event.conditions.fundedTo)
            same(3, "lease as signed", found, (lease.id, lease.paid, lease.rent, lease.end))
        return lease

    @rule(data=st.data(), number=numbers)
    def lease(self, data: st.DataObject, number: int) -> None:
        self.sign(self.draw_request(data, number))

    @rule(data=st.data(), number=numbers, fault=st.sampled_from(sorted(FAULTS)))
    def lease_wrongly(self, data: st.DataObject, number: int, fault: str) -> None:
        request, capacity = self.draw_request(data, number), self.capacity(number)
        self.sign(FAULTS[fault](request, capacity, self.model.earliest(capacity)))

    @rule(data=st.data(), to=st.sampled_from((*TENANTS, STRANGER, NOBODY)), thief=rarely)
    def transfer_lease(self, data: st.DataObject, to: Account, thief: bool) -> None:
        leases = list(self.model.leases())
        if not leases:
            return
        lease = data.draw(st.sampled_from(leases), "lease")
        holder = lease.tenant
        caller = STRANGER if thief else holder
        self.act(
            caller,
            self.stage.engine,
            "transferFrom",
            holder,
            to,
            lease.id,
            reference=lambda m: m.transfer_lease(caller, holder, to, lease.id),
            touches=lease.capacity,
        )

    # ------------------------------------------------------------------------------ operating

    @rule(data=st.data(), number=numbers, what=st.sampled_from(DEED), thief=rarely)
    def run_capacity(self, data: st.DataObject, number: int, what: str, thief: bool) -> None:
        """What the owner of the deed may do, and nobody else."""
        capacity = self.capacity(number)
        caller = STRANGER if thief else capacity.operator
        if what == "setPrice":
            usual = PLANS[number - 1].price
            near = st.integers(usual - usual // 10, usual)
            price = data.draw(st.one_of(near, st.sampled_from((0, MAX_PRICE + 1))), "price")
            self.operate(caller, what, number, price, reference=Market.set_price)
        elif what == "setOpen":
            is_open = data.draw(st.booleans(), "open")
            self.operate(caller, what, number, is_open, reference=Market.set_open)
        elif what == "addTerm":
            term = Term(1, 3, data.draw(st.integers(1, 5 * BPS), "price bps"))
            self.operate(caller, what, number, tuple(term), term, reference=Market.add_term)
        else:
            index = data.draw(st.integers(0, len(capacity.terms)), "term")
            self.operate(caller, what, number, index, reference=Market.retire_term)

    def operate(
        self,
        caller: Account,
        function: str,
        number: int,
        *values: Any,
        reference: Callable[..., None],
    ) -> None:
        """`values`: what the contract takes, and what the reference takes if that differs."""
        self.act(
            caller,
            self.stage.capacity,
            function,
            number,
            values[0],
            reference=lambda m: reference(m, caller, number, values[-1]),
            touches=number,
        )

    # ------------------------------------------------------------------------------ reporting

    def epochs_in(self, capacity: Capacity, window: int) -> list[int]:
        """The epochs that a window holds."""
        length = self.model.sets[capacity.attestors].window_length
        first = max(0, (window * length - capacity.origin) // capacity.epoch_length - 1)
        epochs = range(first, min(capacity.lifetime, first + length // capacity.epoch_length + 3))
        return [e for e in epochs if self.model.window_of(capacity, e) == window]

    def post_root(self, set_id: int, window: int, shares: list[int | None]) -> None:
        """A root over all epochs of the window, but for those that nobody reports on."""
        each = cycle(shares)
        reports = [
            Report(capacity.id, epoch, uptime, BPS - uptime, epoch * uptime)
            for capacity in self.model.capacities.values()
            if capacity.attestors == set_id
            for epoch in self.epochs_in(capacity, window)
            if (uptime := next(each)) is not None
        ]
        # A window in which nobody has anything to report still gets a root.
        reports = reports or [Report(UNKNOWN, 0, 0, 0, 0)]
        arguments, tree = self.stage.signed_root(set_id, window, reports)
        standing = self.trees.get((set_id, window))
        self.act(
            STRANGER,
            self.stage.oracle,
            "postRoot",
            *arguments,
            reference=lambda m: m.post_root(set_id, window, reports),
            touches=None,
            extra={"root": standing.root} if standing else {},
        )
        if self.witness.receipt is not None:
            self.trees[set_id, window] = tree
        # Once more, it names the root that stands by then.
        self.last = partial(self.post_root, set_id, window, shares)

    @rule(set_id=st.integers(1, 2), ago=st.integers(-1, 4), shares=uptimes)
    def report(self, set_id: int, ago: int, shares: list[int | None]) -> None:
        """The root of a window that has just ended, or of one too old, or still open."""
        window = self.now // self.model.sets[set_id].window_length - 1 - ago
        self.post_root(set_id, window, shares)

    # ------------------------------------------------------------------------------ settling

    def settle(self, report: Report, tree: ReportTree | None, proved: Report | None = None) -> None:
        proof = tree.proof(proved or report) if tree else []
        number = report.capacity
        before = self.capacity(number).next_epoch if number in NUMBERS else 0
        self.act(
            STRANGER,
            self.stage.engine,
            "settle",
            report.as_tuple(),
            proof,
            reference=lambda m: m.settle(report),
            touches=number,
            extra={"leaf": report.leaf},
        )
        self.check_settled(number, before, Status.REPORTED)

    def settle_missing(self, number: int) -> None:
        before = self.capacity(number).next_epoch if number in NUMBERS else 0
        status = None
        if number in NUMBERS:
            self.model.now = self.now
            status = self.model.status_of(self.capacity(number), before)
        self.act(
            STRANGER,
            self.stage.engine,
            "settleMissing",
            number,
            reference=lambda m: m.settle_missing(number),
            touches=number,
        )
        self.check_settled(number, before, status)

    def check_settled(self, number: int, epoch: int, status: Status | None) -> None:
        """What the event says of the epoch, against the reference."""
        if self.witness.receipt is None:
            return
        capacity = self.capacity(number)
        event = self.witness.receipt.event("EpochSettled")
        rent, credit = capacity.rent_at(epoch), capacity.credit_at(epoch)
        share = capacity.credits[epoch] if rent else 0
        same(4, "epoch as settled", (event.epoch, event.status), (epoch, status))
        found = (event.rent, event.creditBps, event.credit)
        same(3, f"rent, share and credit of epoch {epoch}", found, (rent, share, credit))

    def pass_idle(self, number: int, to: int) -> None:
        self.act(
            STRANGER,
            self.stage.engine,
            "passIdle",
            number,
            to,
            reference=lambda m: m.pass_idle(number, to),
            touches=number,
        )

    def report_on(self, capacity: Capacity, epoch: int) -> tuple[Report | None, ReportTree | None]:
        """What stands in the tree of the epoch's window, if anything."""
        tree = self.trees.get((capacity.attestors, self.model.window_of(capacity, epoch)))
        found = (
            [r for r in tree.reports if (r.capacity, r.epoch) == (capacity.id, epoch)]
            if (tree)
            else []
        )
        return (found[0] if found else None), tree

    def settle_next(self, number: int) -> bool:
        """Settles the next epoch, or all idle ones that are next. Says whether that went."""
        capacity = self.capacity(number)
        epoch = capacity.next_epoch
        busy = epoch
        while busy < self.running(capacity) and not capacity.units_leased(busy):
            busy += 1
        if busy > epoch + 1:
            self.pass_idle(number, min(busy, capacity.lifetime))
            return capacity.next_epoch > epoch
        report, tree = self.report_on(capacity, epoch)
        if report and self.model.status_of(capacity, epoch) is Status.REPORTED:
            self.settle(report, tree)
        else:
            self.settle_missing(number)
        return capacity.next_epoch > epoch

    @rule(number=numbers, count=st.integers(1, 8))
    def settle_some(self, number: int, count: int) -> None:
        while count and self.settle_next(number):
            count -= 1

    @rule(times=st.integers(1, 4), lag=st.integers(0, 8), shares=uptimes)
    def hours_go_by(self, times: int, lag: int, shares: list[int | None]) -> None:
        self.time_goes_by(1, times, lag, shares)

    @rule(times=st.integers(1, 3), lag=st.integers(0, 4), shares=uptimes)
    def days_go_by(self, times: int, lag: int, shares: list[int | None]) -> None:
        self.time_goes_by(2, times, lag, shares)

    @rule(lag=st.integers(0, 1), shares=uptimes)
    def a_week_goes_by(self, lag: int, shares: list[int | None]) -> None:
        self.time_goes_by(3, 1, lag, shares)

    def time_goes_by(self, number: int, times: int, lag: int, shares: list[int | None]) -> None:
        """Windows that hold epochs of a capacity end and get their roots; settlement follows, but
        for the last epochs. Where that takes days, shorter windows in between get none."""
        capacity = self.capacity(number)
        for _ in range(times):
            window = self.model.window_of(capacity, self.running(capacity))
            self.move_to(self.model.deadlines(capacity.attestors, window)[0])
            for set_id, rules in self.model.sets.items():
                self.post_root(set_id, self.now // rules.window_length - 1, shares)
        for each in NUMBERS:
            behind = self.running(self.capacity(each)) - lag
            while self.capacity(each).next_epoch < behind and self.settle_next(each):
                pass

    @rule(
        number=st.sampled_from((*NUMBERS, UNKNOWN)),
        off=st.integers(-2, 2),
        forged=st.sampled_from((0, 1, BPS + 1)),
    )
    def settle_any(self, number: int, off: int, forged: int) -> None:
        """A report out of turn, or one that nobody signed: old, forged, or too early."""
        if number == UNKNOWN:
            self.settle(Report(number, 0, BPS, 0, 0), None)
            return
        capacity = self.capacity(number)
        epoch = max(0, capacity.next_epoch + off)
        report, tree = self.report_on(capacity, epoch)
        proved = report
        if report is None or forged:
            report = Report(number, epoch, forged or BPS, 0, 0)
        self.settle(report, tree if proved else None, proved)

    @rule(number=st.sampled_from((*NUMBERS, *NUMBERS, UNKNOWN)))
    def settle_without_report(self, number: int) -> None:
        self.settle_missing(number)

    @rule(number=numbers, count=st.one_of(st.integers(-1, 20), st.just(2**17)))
    def pass_idle_epochs(self, number: int, count: int) -> None:
        self.pass_idle(number, max(0, self.capacity(number).next_epoch + count))

    # ------------------------------------------------------------------------------ paying out

    @rule(number=st.sampled_from((*NUMBERS, UNKNOWN)), caller=st.sampled_from(PEOPLE))
    def release(self, number: int, caller: Account) -> None:
        self.act(
            caller,
            self.stage.engine,
            "release",
            number,
            reference=lambda m: m.release(number),
            touches=number,
        )

    @rule(
        data=st.data(),
        thief=rarely,
        to=st.sampled_from((None, None, *TENANTS, NOBODY, ENGINE)),
    )
    def claim_credit(self, data: st.DataObject, thief: bool, to: Account | None) -> None:
        leases = {lease.id: lease.tenant for lease in self.model.leases()}
        leases[UNKNOWN * IDS_PER_CAPACITY + 1] = STRANGER
        lease_id = data.draw(st.sampled_from(sorted(leases)), "lease")
        caller = STRANGER if thief else leases[lease_id]
        self.claim_credit_of(lease_id, caller, to or caller)

    def claim_credit_of(self, lease_id: int, caller: Account, to: Account) -> Any:
        return self.act(
            caller,
            self.stage.engine,
            "claimCredit",
            lease_id,
            to,
            reference=lambda m: m.claim_credit(caller, lease_id, to),
            touches=lease_id // IDS_PER_CAPACITY,
        )

    # ------------------------------------------------------------------------------ splitting

    def receivers(self, number: int) -> tuple[Account, ...]:
        return (*self.witness.holders(number), NOBODY, PLANS[number - 1].splitter)

    @rule(data=st.data(), number=numbers)
    def transfer_shares(self, data: st.DataObject, number: int) -> None:
        splitter = self.model.splitters[number]
        owners = [who for who, shares in splitter.shares.items() if shares]
        holder = data.draw(st.sampled_from((*owners, *self.witness.holders(number))), "holder")
        to = data.draw(st.sampled_from(self.receivers(number)), "to")
        has = splitter.shares.get(holder, 0)
        amounts = st.one_of(st.integers(0, has), st.sampled_from((0, has, has + 1, has // 2)))
        amount = data.draw(amounts, "amount")
        self.act(
            holder,
            self.witness.splitter(number),
            "transfer",
            to,
            amount,
            reference=lambda m: m.transfer_shares(number, holder, to, amount),
            touches=number,
        )

    @rule(data=st.data(), number=numbers, by_other=st.booleans())
    def claim_dividend(self, data: st.DataObject, number: int, by_other: bool) -> None:
        holder = data.draw(st.sampled_from(self.witness.holders(number)), "holder")
        if by_other:
            self.act(
                STRANGER,
                self.witness.splitter(number),
                "claimFor",
                holder,
                reference=lambda m: m.claim(number, holder, holder),
                touches=number,
            )
        else:
            to = data.draw(st.sampled_from((holder, *self.receivers(number))), "to")
            self.claim_dividend_of(number, holder, to)

    def claim_dividend_of(self, number: int, holder: Account, to: Account) -> Any:
        return self.act(
            holder,
            self.witness.splitter(number),
            "claim",
            to,
            reference=lambda m: m.claim(number, holder, to),
            touches=number,
        )

    @rule(data=st.data(), number=numbers, thief=rarely, move=st.booleans())
    def use_leg(self, data: st.DataObject, number: int, thief: bool, move: bool) -> None:
        """Claims what a leg is owed, or hands the leg on."""
        legs = self.model.splitters[number].legs
        leg = data.draw(st.integers(0, len(legs)), "leg")
        rightful = legs[leg].recipient if leg < len(legs) else OPERATORS[number - 1]
        caller = STRANGER if thief else rightful
        to = data.draw(st.sampled_from((caller, *self.receivers(number))), "to")
        if move:
            self.act(
                caller,
                self.witness.splitter(number),
                "moveLeg",
                leg,
                to,
                reference=lambda m: m.move_leg(number, caller, leg, to),
                touches=number,
            )
        else:
            self.claim_leg(number, caller, leg, to)

    def claim_leg(self, number: int, caller: Account, leg: int, to: Account) -> Any:
        return self.act(
            caller,
            self.witness.splitter(number),
            "claimLeg",
            leg,
            to,
            reference=lambda m: m.claim_leg(number, caller, leg, to),
            touches=number,
        )

    @rule(number=numbers, giver=st.sampled_from(TENANTS), amount=st.integers(0, 1_000))
    def give(self, number: int, giver: Account, amount: int) -> None:
        """Coins sent to a splitter without a word."""
        to = PLANS[number - 1].splitter
        token = self.capacity(number).token
        if token.can_move(giver, to, amount):
            self.act(
                giver,
                self.witness.coin_of(number),
                "transfer",
                to,
                amount,
                reference=lambda m: m.capacities[number].token.move(giver, to, amount),
                touches=number,
            )

    @rule(number=numbers)
    def sync(self, number: int) -> None:
        self.act(
            STRANGER,
            self.witness.splitter(number),
            "sync",
            reference=lambda m: m.sync(number),
            touches=number,
        )

    # ------------------------------------------------------------------------------ trouble

    @rule(times=st.integers(1, 2))
    def again(self, times: int) -> None:
        """The same call once more, in the same second."""
        for _ in range(times if self.last else 0):
            assert self.last is not None
            self.last()

    def set_frozen(self, number: int, who: Account, frozen: bool) -> None:
        def reference(market: Market) -> None:
            names = market.capacities[number].token.frozen
            (names.add if frozen else names.discard)(who)

        coin = self.witness.coin_of(number)
        self.act(OWNER, coin, "setFrozen", who, frozen, reference=reference, touches=number)

    def set_paused(self, number: int, paused: bool) -> None:
        def reference(market: Market) -> None:
            market.capacities[number].token.paused = paused

        coin = self.witness.coin_of(number)
        self.act(OWNER, coin, "setPaused", paused, reference=reference, touches=number)

    @rule(number=numbers, data=st.data(), frozen=st.booleans())
    def freeze(self, number: int, data: st.DataObject, frozen: bool) -> None:
        """The coin's issuer freezes an account, or thaws all that are frozen."""
        if frozen:
            names = (*PEOPLE, PLANS[number - 1].splitter)
            self.set_frozen(number, data.draw(st.sampled_from(names), "who"), True)
        else:
            self.thaw(number)

    def thaw(self, number: int) -> None:
        for who in sorted(self.capacity(number).token.frozen):
            self.set_frozen(number, who, False)

    @rule(number=numbers, data=st.data())
    def trouble_stops_nobody_else(self, number: int, data: st.DataObject) -> None:
        """On a snapshot: an account is frozen, or the coin paused; all others get their money."""
        names = (*PEOPLE, PLANS[number - 1].splitter, None)
        victim = data.draw(st.sampled_from(names), "victim")
        witness = self.witness
        mark, saved, readings = (
            self.stage.lane.snapshot(),
            deepcopy(self.model),
            dict(witness.readings),
        )
        if victim is None:
            self.set_paused(number, True)
        else:
            self.set_frozen(number, victim, True)
        self.everybody_claims()
        for other in NUMBERS:
            self.settle_next(other)
        self.checked(everything=True)
        self.stage.lane.revert(mark)
        witness.model, witness.readings = saved, readings
        witness.touched, witness.callers = set(), set()
        self.last = None

    def everybody_claims(self) -> None:
        """All take out what is theirs. Only a stopped payer, and no receiver, can be in the way."""
        for lease in list(self.model.leases()):
            amount = self.capacity(lease.capacity).credit_of(lease)
            claim = partial(self.claim_credit_of, lease.id, lease.tenant)
            token = self.capacity(lease.capacity).token
            self.must_pay(token, ENGINE, lease.tenant, amount, claim)
        for number, splitter in self.model.splitters.items():
            token, payer = splitter.capacity.token, splitter.account
            for who in self.witness.holders(number):
                amount = splitter.claimable(who)
                claim = partial(self.claim_dividend_of, number, who)
                self.must_pay(token, payer, who, amount, claim)
            for index, leg in enumerate(list(splitter.legs)):
                amount = splitter.leg_claimable(index)
                claim = partial(self.claim_leg, number, leg.recipient, index)
                self.must_pay(token, payer, leg.recipient, amount, claim)

    def must_pay(
        self,
        token: Token,
        payer: Account,
        who: Account,
        amount: int,
        claim: Callable[[Account], Any],
    ) -> None:
        """The claim pays in full; one whose own account is frozen names another."""
        to = OWNER if token.stops(payer, who) else who
        if amount and not token.stops(payer, to):
            paid = claim(to)
            hold(12, paid == amount, f"{who} is paid {paid} of {amount} at {to}")

    # ------------------------------------------------------------------------------ always

    def checked(self, everything: bool = False) -> None:
        try:
            self.witness.check(everything)
        except InvariantBroken:
            self.broken = True
            raise

    @invariant()
    def nothing_is_broken(self) -> None:
        self.steps += 1
        self.checked(everything=self.steps % 10 == 0)

    def teardown(self) -> None:
        """All comes to its end though every attestor falls silent: all is settled and paid out."""
        if self.broken:
            return
        for number in NUMBERS:
            self.thaw(number)
        for number in NUMBERS:
            capacity = self.capacity(number)
            last = max((lease.end for lease in capacity.leases), default=1) - 1
            window = self.model.window_of(capacity, last)
            self.move_to(self.model.deadlines(capacity.attestors, window)[2])
            while capacity.next_epoch <= last:
                stuck = not self.settle_next(number)
                hold(12, not stuck, f"capacity {number} is stuck at epoch {capacity.next_epoch}")
        self.everybody_claims()
        self.checked(everything=True)
        for number in NUMBERS:
            self.nothing_is_left(self.capacity(number))

    def nothing_is_left(self, capacity: Capacity) -> None:
        self.release_all(capacity.id)
        for lease in self.witness.leases_of(capacity.id).values():
            self.witness.check_calendar(capacity.id, lease.start, lease.end)
        held = capacity.paid_in - sum(capacity.releases) - sum(capacity.credit_claims)
        exact = sum((capacity.exact_credit(lease) for lease in capacity.leases), start=0)
        rounded = sum(
            capacity.credit_at(e) * BPS != capacity.rent_at(e) * (capacity.credits[e] or 0)
            for e in range(capacity.next_epoch)
        )
        dust = held - exact - capacity.credit_dust
        sane = 0 <= dust <= rounded
        hold(3, sane, f"capacity {capacity.id}: settling left {dust} in {rounded} roundings")

    def release_all(self, number: int) -> None:
        try:
            self.release(number, STRANGER)
        except Refused as refused:
            hold(12, False, f"rent of capacity {number} cannot be released: {refused}")
