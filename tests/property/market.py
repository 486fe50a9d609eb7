"""The market as a state machine: what anybody can do, rightly or wrongly, in any order.

Rules draw from what the reference says is possible now, and add wrong inputs of their own; what
must happen is always the reference's word. Time moves between calls by seconds, by epochs, or right
up to a deadline; several calls may share a second. The rules on leases are in `leasing`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from derrick.model import BOND, ENGINE, MAX_PRICE, NOBODY, Account, Capacity, Lease, Market, Token
from derrick.structs import Term
from derrick.telemetry import Report
from derrick.telemetry_model import WindowModel
from derrick.units import BPS
from tests.property.acting import (
    DAILY,
    HOURLY,
    NUMBERS,
    UNKNOWN,
    WEEKLY,
    numbers,
    rarely,
    uptimes,
)
from tests.property.invariants import InvariantBroken, hold, same
from tests.property.leasing import POOR
from tests.property.serving import Serving
from tests.property.stage import OPERATORS, OWNER, PEOPLE, PLANS, STRANGER, TENANTS, Stage

DEADLINES: dict[str, Callable[[WindowModel], int]] = {
    "window ends": lambda w: w.ends_at,
    "posting ends": lambda w: w.posting_ends,
    "root is final": lambda w: w.final_at,
    "penalties are held": lambda w: w.held_until,
    "showing ends": lambda w: w.rules.reveal_ends(w.window),
    "penalties end": lambda w: w.rules.late_ends(w.window),
}
"""Seconds at which something else becomes possible in the window of the next epoch to settle."""

DEED = ("setPrice", "setOpen", "addTerm", "retireTerm", "editTerm", "editTerm")


class MarketMachine(Serving):
    """Leasing, settling, splitting; see the module."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.steps = 0

    @initialize(data=st.data(), old=st.booleans(), shares=uptimes)
    def first_leases(self, data: st.DataObject, old: bool, shares: list[int | None]) -> None:
        """Some leases of everything; in an old market, some of them have earned already."""
        for number in NUMBERS:
            self.sign(self.draw_request(data, number))
            self.sign_spot(data, number)
        if old:
            self.time_goes_by(DAILY, 2, 0, [POOR, *shares])

    # ------------------------------------------------------------------------------ time

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
            self.move_to(DEADLINES[until](window) + off)

    # ------------------------------------------------------------------------------ operating

    @rule(data=st.data(), number=numbers, what=st.sampled_from(DEED), thief=rarely)
    def run_capacity(self, data: st.DataObject, number: int, what: str, thief: bool) -> None:
        """What the owner of the deed may do, and nobody else."""
        capacity = self.capacity(number)
        caller = STRANGER if thief else capacity.operator
        active = [i for i in range(len(capacity.terms)) if i not in capacity.retired]
        if what == "setPrice":
            usual = PLANS[number - 1].price
            near = st.integers(usual - usual // 10, usual)
            odd = data.draw(rarely, "odd price")
            price = data.draw(st.sampled_from((0, MAX_PRICE + 1)) if odd else near, "price")
            self.operate(caller, what, number, price, reference=Market.set_price)
        elif what == "setOpen":
            is_open = not (capacity.is_open and data.draw(rarely, "close"))
            self.operate(caller, what, number, is_open, reference=Market.set_open)
        elif what == "addTerm":
            term = self.draw_term(data)
            self.operate(caller, what, number, term, reference=Market.add_term)
        elif what == "retireTerm" and len(active) < 3:
            self.operate(caller, what, number, len(capacity.terms), reference=Market.retire_term)
        else:
            index = self.pick(data, active, range(len(capacity.terms) + 1), "term")
            if what == "retireTerm":
                self.operate(caller, what, number, index, reference=Market.retire_term)
            else:
                term = self.draw_term(data)
                self.operate(caller, what, number, index, term, reference=Market.edit_term)

    def draw_term(self, data: st.DataObject) -> Term:
        """Any kind: on demand, reserved, prepaid, spot."""
        return Term(
            min_epochs=data.draw(st.integers(1, 3), "min"),
            max_epochs=data.draw(st.integers(3, 12), "max"),
            price_bps=data.draw(st.integers(1, 5 * BPS), "price bps"),
            notice_epochs=data.draw(st.integers(0, 3), "notice"),
            deposit_epochs=data.draw(st.sampled_from((0, 1, 2, 5, 4_096)), "deposit"),
            preemptible=data.draw(st.booleans(), "spot"),
        )

    def operate(
        self,
        caller: Account,
        function: str,
        number: int,
        *values: Any,
        reference: Callable[..., None],
    ) -> None:
        self.act(
            caller,
            self.stage.capacity,
            function,
            number,
            *values,
            reference=lambda m: reference(m, caller, number, *values),
            touches=number,
        )

    @rule(
        data=st.data(),
        number=st.sampled_from((*NUMBERS, *NUMBERS, UNKNOWN)),
        wrong=st.sampled_from((None,) * 6 + ("nonce", "late", "too many")),
        caller=st.sampled_from(PEOPLE),
    )
    def attest_units(
        self, data: st.DataObject, number: int, wrong: str | None, caller: Account
    ) -> None:
        """The attestors count anew: less, as a rule after all there are, and all after less."""
        capacity = self.model.capacities.get(number)
        most = capacity.units if capacity else 1
        fewer = capacity is not None and capacity.attested == most
        units = data.draw(st.integers(0, most), "units") if fewer else most
        nonce = capacity.statements if capacity else 0
        if wrong == "nonce":
            nonce = data.draw(st.sampled_from((0, nonce + 1)), "nonce")
        deadline = self.now - 1 if wrong == "late" else self.now + data.draw(st.integers(0, 1))
        units = most + 1 if wrong == "too many" else units
        self.act(
            caller,
            self.stage.capacity,
            "attestUnits",
            *self.stage.signed_units(number, units, nonce, deadline),
            reference=lambda m: m.attest_units(number, units, nonce, deadline),
            touches=number,
        )

    # ------------------------------------------------------------------------------ reporting

    @rule(set_id=st.integers(1, 2), ago=st.integers(-1, 4), shares=uptimes)
    def report(self, set_id: int, ago: int, shares: list[int | None]) -> None:
        """The root of a window that has just ended, or of one too old, or still open."""
        window = self.now // self.model.sets[set_id].rules.window_length - 1 - ago
        self.post_root(set_id, window, shares)

    @rule(data=st.data(), number=numbers, off=st.integers(-2, 2))
    def record_one(self, data: st.DataObject, number: int, off: int) -> None:
        """A report whose turn has not come; or one that is too early, too late, or known."""
        capacity = self.capacity(number)
        due = range(capacity.next_epoch, min(self.running(capacity), capacity.lifetime))
        good = [e for e in due if e not in capacity.records and self.can_show(capacity, e)]
        other = [max(0, capacity.next_epoch + off), capacity.lifetime, *capacity.records]
        epoch = self.pick(data, good, other, "epoch")
        assert epoch is not None
        report, tree = self.report_on(capacity, epoch)
        self.record(report or Report(number, epoch, BPS, 0, 0), tree)

    # ------------------------------------------------------------------------------ settling

    @rule(number=numbers, count=st.integers(1, 8))
    def settle_some(self, number: int, count: int) -> None:
        while count and self.settle_next(number):
            count -= 1

    @rule(
        number=st.sampled_from((HOURLY, HOURLY, HOURLY + 1)),
        times=st.integers(1, 3),
        lag=st.integers(0, 8),
        shares=uptimes,
        kept=st.booleans(),
    )
    def windows_pass(
        self, number: int, times: int, lag: int, shares: list[int | None], kept: bool
    ) -> None:
        self.time_goes_by(number, times, lag, shares, kept)

    @rule(lag=st.integers(0, 1), shares=uptimes, kept=st.booleans())
    def a_week_passes(self, lag: int, shares: list[int | None], kept: bool) -> None:
        self.time_goes_by(WEEKLY, 1, lag, shares, kept)

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

    # ------------------------------------------------------------------------------ sharing revenue

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
            self.witness.coin_of(number),
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
        if frozen and not self.capacity(number).token.frozen:
            names = (*PEOPLE, PLANS[number - 1].splitter)
            self.set_frozen(number, data.draw(st.sampled_from(names), "who"), True)
        else:
            self.thaw(number)

    def thaw(self, number: int) -> None:
        for who in sorted(self.capacity(number).token.frozen):
            self.set_frozen(number, who, False)

    @rule(number=numbers, data=st.data(), of_tenant=st.booleans())
    def trouble_stops_nobody_else(self, number: int, data: st.DataObject, of_tenant: bool) -> None:
        """On a snapshot: an account is frozen, or the coin paused; all others get their money. Half
        of the time it is somebody whose lease others can end."""
        if of_tenant and not self.spots(number):
            self.sign_spot(data, number)
        everybody = (*PEOPLE, PLANS[number - 1].splitter, None)
        tenants = [lease.tenant for lease in self.endable(number)] if of_tenant else []
        victim = data.draw(st.sampled_from(tenants or everybody), "victim")
        mark, memory = self.stage.lane.snapshot(), self.witness.remember()
        self.witness.trouble = True
        if victim is None:
            self.set_paused(number, True)
        else:
            self.set_frozen(number, victim, True)
        self.end_whatever_can_be()
        self.everybody_claims()
        for other in NUMBERS:
            self.settle_next(other)
        self.checked(everything=True)
        self.stage.lane.revert(mark)
        self.witness.restore(memory)
        self.witness.trouble = False
        self.last = None

    def endable(self, number: int) -> list[Lease]:
        """Leases of a capacity that others than their tenants can end now."""
        return self.spots(number) or [i for i in self.lapsed() if i.capacity == number]

    def end_whatever_can_be(self) -> None:
        """Leases are closed and taken back, whoever cannot move his coins."""
        for lease in self.lapsed():
            self.lapse_one(lease.id, STRANGER)
            hold(12, self.passed, f"lease {lease.id} cannot be closed")
        for number in NUMBERS:
            for lease in self.spots(number):
                self.preempt_one(lease.id, PLANS[number - 1].operator)
                hold(12, self.passed, f"lease {lease.id} cannot be taken back")

    def everybody_claims(self) -> None:
        """All take out what is theirs. Only a stopped payer, and no receiver, can be in the way."""
        for lease in list(self.model.leases()):
            amount = self.capacity(lease.capacity).credit_of(lease)
            claim = partial(self.claim_credit_of, lease.id, lease.tenant)
            token = self.capacity(lease.capacity).token
            self.must_pay(token, ENGINE, lease.tenant, amount, claim)
        for lease, epoch in self.punished():
            token = self.capacity(lease.capacity).token
            amount = self.model.claimable_of(lease, epoch)
            penalty = partial(self.claim_penalty_of, lease.id, epoch, lease.tenant)
            self.must_pay(token, BOND, lease.tenant, amount, penalty)
        for coin, who in self.owed_refunds():
            number = next(n for n in NUMBERS if PLANS[n - 1].coin == coin)
            token = self.capacity(number).token
            amount = self.model.refund_of(token, who)
            self.must_pay(token, ENGINE, who, amount, partial(self.withdraw, coin, who))
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
        self.witness.trouble = True
        for number in NUMBERS:
            capacity = self.capacity(number)
            last = max((lease.end for lease in capacity.leases), default=1) - 1
            self.move_to(self.model.penalty_deadline_of(capacity, last))
            while capacity.next_epoch <= last:
                stuck = not self.settle_next(number)
                hold(12, not stuck, f"capacity {number} is stuck at epoch {capacity.next_epoch}")
        for lease in self.lapsed():
            self.lapse_one(lease.id, STRANGER)
        self.everybody_claims()
        self.checked(everything=True)
        for number in NUMBERS:
            self.nothing_is_left(self.capacity(number))
            self.take_bond_out(number)
        self.checked()

    def nothing_is_left(self, capacity: Capacity) -> None:
        self.release_all(capacity.id)
        for lease in self.witness.leases_of(capacity.id).values():
            self.witness.check_lanes(capacity.id, lease.start, lease.end)
        same(3, f"capacity {capacity.id}: escrow of what is over", capacity.escrow, 0)
        held = capacity.paid_in - sum(capacity.releases) - sum(capacity.credit_claims)
        exact = sum((capacity.exact_credit(lease) for lease in capacity.leases), start=0)
        rents = capacity.rents().items()
        rounded = sum(rent * (capacity.credits[epoch] or 0) % BPS != 0 for epoch, rent in rents)
        dust = held - exact - capacity.credit_dust
        sane = 0 <= dust <= rounded
        hold(3, sane, f"capacity {capacity.id}: settling left {dust} in {rounded} roundings")

    def take_bond_out(self, number: int) -> None:
        """Once nothing is leased any more, the operator's bond is his: not at once, but in time."""
        operator, bond = OPERATORS[number - 1], self.model.bonds[number]
        if bond.part:
            self.request_exit(number, operator)
            self.withdraw_bond(number, operator, bond.part, operator)
        if bond.part and bond.exit:
            self.trim(number, 0)  # leases that ended before their time
            # What lapsed late stays booked in the epochs that had begun by then.
            capacity = self.capacity(number)
            last = max(0, capacity.leased_to - 1)
            self.move_to(max(bond.exit[1], self.model.penalty_deadline_of(capacity, last)))
            self.settle_up_to(number, capacity.leased_to)
            self.withdraw_bond(number, operator, bond.part, operator)
            hold(12, self.passed, f"the bond of capacity {number} cannot be taken out")

    def release_all(self, number: int) -> None:
        self.release(number, STRANGER)
        hold(12, self.passed, f"rent of capacity {number} cannot be released")
