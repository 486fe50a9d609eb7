"""Rules of the machine on faults: the guardian, many reports at once, penalties, the bond."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from derrick.model import (
    BOND,
    CLAIM_PERIOD,
    ENGINE,
    GUARDIAN,
    IDS_PER_CAPACITY,
    NOBODY,
    Account,
    Capacity,
    Lease,
)
from derrick.telemetry import Penalties, Report
from tests.property.acting import HOURLY, NUMBERS, UNKNOWN, numbers, rarely, uptimes
from tests.property.invariants import same
from tests.property.leasing import Leasing, offs
from tests.property.stage import OPERATORS, PEOPLE, PLANS, STRANGER, TENANTS

sets = st.integers(1, 2)


class Serving(Leasing):
    """Attesting wrongly, settling at once, punishing, and putting up a bond."""

    # ------------------------------------------------------------------------------ the guardian

    def fresh_root(self, set_id: int, shares: list[int | None]) -> int:
        """The next window of a set ends and gets its root, which is not final."""
        length = self.model.sets[set_id].rules.window_length
        window = self.now // length
        self.move_to((window + 1) * length)
        self.post_root(set_id, window, shares)
        return window

    def settle_too_early(self, set_id: int) -> None:
        """By a root that can still be vetoed."""
        for number in NUMBERS:
            capacity = self.capacity(number)
            report, tree = self.report_on(capacity, capacity.next_epoch)
            if capacity.attestors == set_id and report is not None:
                self.settle(report, tree)

    @rule(set_id=sets, ago=st.integers(0, 2), off=offs, thief=rarely, waive=st.booleans())
    def overrule(self, set_id: int, ago: int, off: int, thief: bool, waive: bool) -> None:
        """A veto, or a waiver of a window's penalties; in time, at the last second, or too late."""
        window = self.fresh_root(set_id, [0]) - ago
        model = self.model.sets[set_id].window(window)
        caller = STRANGER if thief else GUARDIAN
        self.settle_too_early(set_id)
        if off:
            self.move_to((model.held_until if waive else model.final_at) + off)
        if waive:
            self.act(
                caller,
                self.stage.oracle,
                "waivePenalties",
                set_id,
                window,
                reference=lambda m: m.waive_penalties(caller, set_id, window),
                touches=None,
            )
        else:
            self.act(
                caller,
                self.stage.oracle,
                "veto",
                set_id,
                window,
                reference=lambda m: m.veto(caller, set_id, window),
                touches=None,
            )

    @rule(number=st.sampled_from((*NUMBERS, UNKNOWN)), thief=rarely, on=rarely)
    def pause(self, number: int, thief: bool, on: bool) -> None:
        caller = STRANGER if thief else GUARDIAN
        if on:
            self.act(
                caller,
                self.stage.capacity,
                "pause",
                number,
                reference=lambda m: m.pause(caller, number),
                touches=number,
            )
        else:
            self.act(
                caller,
                self.stage.capacity,
                "unpause",
                number,
                reference=lambda m: m.unpause(caller, number),
                touches=number,
            )

    # ------------------------------------------------------------------------------ settling

    @rule(data=st.data(), set_id=sets, shares=uptimes, forged=rarely, old=rarely)
    def settle_many(
        self, data: st.DataObject, set_id: int, shares: list[int | None], forged: bool, old: bool
    ) -> None:
        """Some reports of one window, in the order of the tree, by one proof."""
        attestors = self.model.sets[set_id]
        shown = [w for w in attestors.windows.values() if old or w.takes_reports(self.now)]
        if not shown:
            self.windows_go_by(set_id, 1, shares)
            shown = [w for w in attestors.windows.values() if w.takes_reports(self.now)]
        known = [w.window for w in shown if (set_id, w.window) in self.trees]
        if not known:
            return
        tree = self.trees[set_id, data.draw(st.sampled_from(known), "window")]
        chosen = data.draw(
            st.lists(st.sampled_from(tree.reports), max_size=8, unique=True), "reports"
        )
        root, reports, proof, flags = (
            tree.multiproof(chosen).as_arguments() if chosen else (tree.root, [], [], [])
        )
        if forged and reports:
            capacity_id, at, uptime, *rest = reports[0]
            reports[0] = (capacity_id, at, uptime ^ 1, *rest)
        asked = [Report(*each) for each in reports]
        touched = {each.capacity for each in asked if each.capacity in NUMBERS}
        self.act(
            STRANGER,
            self.stage.engine,
            "settleMany",
            root,
            reports,
            proof,
            flags,
            reference=lambda m: m.settle_many(asked, proved=not forged),
            touches=min(touched, default=None),
        )
        self.witness.touched |= touched

    # ------------------------------------------------------------------------------ punishing

    def unshown(self) -> list[tuple[Capacity, int]]:
        """Epochs that were settled for want of a report, and whose report is known."""
        return [
            (capacity, epoch)
            for capacity in self.model.capacities.values()
            for epoch in capacity.unshown
            if self.report_on(capacity, epoch)[0]
        ]

    @rule(data=st.data(), number=st.sampled_from((*NUMBERS, UNKNOWN)), off=st.integers(-2, 1))
    def add_penalty(self, data: st.DataObject, number: int, off: int) -> None:
        """Of an epoch whose report was held back; or of any other."""
        likely = self.unshown()
        if likely and not data.draw(rarely, "odd"):
            capacity, epoch = data.draw(st.sampled_from(likely), "unshown")
        elif number == UNKNOWN:
            self.add_penalty_by(Report(UNKNOWN, 0, 0, 0, 0), [])
            return
        else:
            capacity = self.capacity(number)
            epoch = max(0, capacity.next_epoch + off)
        report, tree = self.report_on(capacity, epoch)
        if report is None or tree is None:
            self.add_penalty_by(Report(capacity.id, epoch, 0, 0, 0), [])
        else:
            self.add_penalty_by(report, tree.proof(report))

    def add_penalty_by(self, report: Report, proof: list[bytes]) -> None:
        self.act(
            STRANGER,
            self.stage.engine,
            "addPenalty",
            report.as_tuple(),
            proof,
            reference=lambda m: m.add_penalty(report),
            touches=report.capacity,
        )

    @rule(data=st.data(), number=st.sampled_from((HOURLY, HOURLY, HOURLY + 1)), lag=rarely)
    def hold_back(self, data: st.DataObject, number: int, lag: bool) -> None:
        """Time goes by until a window's reports can no longer be shown; then they are."""
        capacity = self.capacity(number)
        window = self.model.window_of(capacity, capacity.next_epoch)
        if window.root is None:
            self.windows_go_by(capacity.attestors, 1, [0])
            window = self.model.window_of(capacity, capacity.next_epoch)
        self.move_to(window.rules.reveal_ends(window.window) - lag)
        for _ in range(3):
            self.settle_missing(number)
        for _, epoch in [each for each in self.unshown() if each[0].id == number][:2]:
            report, tree = self.report_on(capacity, epoch)
            assert report is not None
            assert tree is not None
            self.add_penalty_by(report, tree.proof(report))

    def punished(self) -> list[tuple[Lease, int]]:
        """Leases and epochs of which something can be claimed."""
        return [
            (lease, epoch)
            for lease in self.model.leases()
            for epoch in self.capacity(lease.capacity).penalties
            if self.model.claimable_of(lease, epoch)
        ]

    def fail(self, data: st.DataObject, number: int) -> None:
        """A capacity that is leased, and has a bond, is down until its penalties can be claimed."""
        if not any(lease.capacity == number for lease in self.alive()):
            self.sign(self.draw_request(data, number, ahead=0))
        amount = data.draw(st.integers(1, 20 * PLANS[number - 1].penalty_per_unit), "bond")
        self.deposit_by(TENANTS[0], number, amount)
        self.time_goes_by(number, 1, 0, [0])
        capacity = self.capacity(number)
        if capacity.penalties:
            held = [self.model.window_of(capacity, e).held_until for e in capacity.penalties]
            self.move_to(max(held) - data.draw(st.integers(0, 1), "early"))

    @rule(data=st.data(), thief=rarely, off=st.integers(-1, 1))
    def claim_penalty(self, data: st.DataObject, thief: bool, off: int) -> None:
        if not self.punished():
            self.fail(data, data.draw(st.sampled_from((HOURLY, HOURLY + 1)), "failing"))
        likely = self.punished()
        if likely and not data.draw(rarely, "odd"):
            lease, epoch = data.draw(st.sampled_from(likely), "punished")
            lease_id, tenant = lease.id, lease.tenant
        else:
            lease_id, tenant = self.pick_id(data, self.leases())
            capacity = self.model.capacities.get(lease_id // IDS_PER_CAPACITY)
            known = sorted(capacity.penalties) if capacity else []
            epoch = max(0, data.draw(st.sampled_from([*known, 0]), "epoch") + off)
        caller = STRANGER if thief else tenant
        to = data.draw(st.sampled_from((tenant, tenant, STRANGER, NOBODY, ENGINE, BOND)), "to")
        self.claim_penalty_of(lease_id, epoch, caller, to)

    def claim_penalty_of(self, lease_id: int, epoch: int, caller: Account, to: Account) -> Any:
        amount = self.act(
            caller,
            self.stage.engine,
            "claimPenalty",
            lease_id,
            epoch,
            to,
            reference=lambda m: m.claim_penalty(caller, lease_id, epoch, to),
            touches=lease_id // IDS_PER_CAPACITY,
        )
        if amount is not None:
            told = self.event("PenaltyClaimed").amount
            same(3, f"penalty of lease {lease_id} in epoch {epoch}", told, amount)
        return amount

    @rule(data=st.data(), number=st.sampled_from((*NUMBERS, UNKNOWN)), late=rarely)
    def free_penalty(self, data: st.DataObject, number: int, late: bool) -> None:
        """One that was waived, or long ago; or any other."""
        capacity = self.model.capacities.get(number)
        known = sorted(capacity.penalties) if capacity else []
        waived = [
            epoch
            for epoch in known
            if capacity and self.model.penalties_of(capacity, epoch)[0] is Penalties.WAIVED
        ]
        epoch = data.draw(st.sampled_from([*waived, *waived, *known, 0]), "epoch")
        if capacity and late and known and not list(self.model.leases()):
            self.move_to(capacity.ends_at(epoch) + CLAIM_PERIOD)
        freed = self.act(
            STRANGER,
            self.stage.engine,
            "freePenalty",
            number,
            epoch,
            reference=lambda m: m.free_penalty(number, epoch),
            touches=number,
        )
        if freed:
            same(3, f"freed of epoch {epoch}", self.event("PenaltyFreed").amount, freed)

    @rule(number=st.sampled_from((*NUMBERS, UNKNOWN)), off=st.integers(-2, 1))
    def trim(self, number: int, off: int) -> None:
        """To where the last lease ends now, or nearly."""
        capacity = self.model.capacities.get(number)
        ends = [lease.end for lease in capacity.leases] if capacity else []
        to = max(0, max(ends, default=0) + off)
        self.act(
            STRANGER,
            self.stage.engine,
            "trim",
            number,
            to,
            reference=lambda m: m.trim(number, to),
            touches=number,
        )

    # ------------------------------------------------------------------------------ the bond

    @rule(
        number=st.sampled_from((*NUMBERS, UNKNOWN)),
        payer=st.sampled_from((*TENANTS, STRANGER)),
        units=st.integers(0, 8),
        more=st.integers(0, 12),
    )
    def deposit_bond(self, number: int, payer: Account, units: int, more: int) -> None:
        """Enough for a few units' penalty, and a little that no number of units divides."""
        per_unit = PLANS[number - 1].penalty_per_unit if number in NUMBERS else 1
        self.deposit_by(payer, number, units * per_unit + more)

    def deposit_by(self, payer: Account, number: int, amount: int) -> None:
        self.act(
            payer,
            self.stage.bond,
            "deposit",
            number,
            amount,
            reference=lambda m: m.deposit_bond(payer, number, amount),
            touches=number,
        )

    @rule(data=st.data(), number=numbers, thief=rarely, cancel=rarely, wait=st.booleans())
    def leave(
        self, data: st.DataObject, number: int, thief: bool, cancel: bool, wait: bool
    ) -> None:
        """The operator announces that he takes his bond out, and tries to."""
        caller = STRANGER if thief else OPERATORS[number - 1]
        if cancel:
            self.act(
                caller,
                self.stage.bond,
                "cancelExit",
                number,
                reference=lambda m: m.cancel_exit(caller, number),
                touches=number,
            )
            return
        self.request_exit(number, caller)
        exit_ = self.model.bonds[number].exit
        if not self.model.bonds[number].part:
            self.deposit_by(TENANTS[0], number, data.draw(st.integers(1, 1_000), "bond"))
        patient = wait and (not self.capacity(number).leases or data.draw(rarely, "patient"))
        if patient and exit_:
            self.move_to(exit_[1] - data.draw(st.integers(0, 1), "early"))
        part = self.model.bonds[number].part
        amount = data.draw(st.sampled_from((part, part, 1, 0, part + 1)), "amount")
        to = data.draw(st.sampled_from((caller, caller, *PEOPLE, NOBODY, BOND)), "to")
        self.withdraw_bond(number, caller, amount, to)

    def request_exit(self, number: int, caller: Account) -> None:
        self.act(
            caller,
            self.stage.bond,
            "requestExit",
            number,
            reference=lambda m: m.request_exit(caller, number),
            touches=number,
        )

    def withdraw_bond(self, number: int, caller: Account, amount: int, to: Account) -> None:
        self.act(
            caller,
            self.stage.bond,
            "withdraw",
            number,
            amount,
            to,
            reference=lambda m: m.withdraw_bond(caller, number, amount, to),
            touches=number,
        )
