"""What the machine's rules are made of: calls made on both sides, time, reports and settlement."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine

from derrick.model import Account, Capacity, Market
from derrick.settlement import settled_epochs
from derrick.telemetry import Report, ReportTree, Status
from derrick.units import BPS
from tests.property.invariants import InvariantBroken, same
from tests.property.stage import PLANS, STRANGER, Stage
from tests.property.witness import Witness

T = TypeVar("T")

NUMBERS = tuple(range(1, len(PLANS) + 1))
UNKNOWN = len(PLANS) + 1
UPTIMES = (BPS, 9_999, 9_949, 9_900, 9_899, 9_499, 9_000, 8_999, 1, 0, None)
"""Around every threshold of the tiers; None where no report is made."""

HOURLY, DAILY, WEEKLY = NUMBERS

numbers = st.sampled_from(NUMBERS)
rarely = st.integers(0, 7).map(lambda n: n == 7)
uptimes = st.lists(st.sampled_from(UPTIMES), min_size=1, max_size=6)


class Acting(RuleBasedStateMachine):
    """One run of the market, and how to act in it."""

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.stage = stage
        self.witness = Witness(stage)
        self.trees: dict[tuple[int, int], ReportTree] = {}
        self.last: Callable[[], object] | None = None
        self.broken = False

    @property
    def now(self) -> int:
        """The time of the block that the next call is in."""
        return self.witness.now

    @property
    def model(self) -> Market:
        """The reference, as it stands now."""
        self.witness.model.now = self.now
        return self.witness.model

    def capacity(self, number: int) -> Capacity:
        return self.model.capacities[number]

    def pick(
        self, data: st.DataObject, likely: Sequence[T], others: Sequence[T], label: str
    ) -> T | None:
        """Mostly one of those with which a call can pass; else any, or None of none at all."""
        odd = not likely or data.draw(rarely, f"odd {label}")
        pool = [*likely, *others] if odd else likely
        return data.draw(st.sampled_from(pool), label) if pool else None

    def act(
        self,
        caller: Account,
        contract: Any,
        function: str,
        *arguments: Any,
        reference: Callable[[Market], Any],
        touches: int | None,
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
                )
            except InvariantBroken:
                self.broken = True
                raise

        self.last = call
        return call()

    @property
    def passed(self) -> bool:
        """Whether the last call did."""
        return self.witness.receipt is not None

    def event(self, name: str) -> Any:
        """The one event of this name in the last call, which passed."""
        assert self.witness.receipt is not None
        return self.witness.receipt.event(name)

    def foresee(
        self, function: str, *arguments: Any, reference: Callable[[Market], object]
    ) -> None:
        """A view of the engine says what the reference does."""
        try:
            self.witness.foresee(self.stage.engine, function, *arguments, reference=reference)
        except InvariantBroken:
            self.broken = True
            raise

    # Time

    def move_to(self, timestamp: int) -> None:
        """Later calls are in blocks of this time; the past stays past."""
        self.witness.now = max(self.now, timestamp)

    def running(self, capacity: Capacity) -> int:
        """The epoch now running, or the first if none is yet."""
        return max(0, self.model.earliest(capacity) - 1)

    # Reports

    def epochs_in(self, capacity: Capacity, window: int) -> list[int]:
        """The epochs that a window holds."""
        length = self.model.sets[capacity.attestors].rules.window_length
        first = max(0, (window * length - capacity.origin) // capacity.epoch_length - 1)
        epochs = range(first, min(capacity.lifetime, first + length // capacity.epoch_length + 3))
        return [e for e in epochs if self.model.window_of(capacity, e).window == window]

    def post_root(self, set_id: int, window: int, shares: list[int | None]) -> None:
        """A root over all epochs of the window, but for those that nobody reports on. Every fourth
        report says that the epoch was given to the grid."""
        each = cycle(shares)
        reports = [
            Report(capacity.id, epoch, uptime, BPS - uptime, epoch * uptime, curtailed)
            for capacity in self.model.capacities.values()
            if capacity.attestors == set_id
            for epoch in self.epochs_in(capacity, window)
            if (uptime := next(each)) is not None
            for curtailed in [(epoch + len(shares)) % 4 == 0]
        ]
        # A window in which nobody has anything to report still gets a root.
        reports = reports or [Report(UNKNOWN, 0, 0, 0, 0)]
        attempt = self.model.sets[set_id].window(window).vetoes % 2
        statement, quorum, tree = self.stage.signed_root(set_id, window, reports, attempt)
        self.act(
            STRANGER,
            self.stage.oracle,
            "postRoot",
            statement.as_tuple(),
            quorum,
            reference=lambda m: m.post_root(statement, tree),
            touches=None,
        )
        if self.passed:
            self.trees[set_id, window] = tree

    def report_on(self, capacity: Capacity, epoch: int) -> tuple[Report | None, ReportTree | None]:
        """What stands in the tree of the epoch's window, if anything."""
        tree = self.trees.get((capacity.attestors, self.model.window_of(capacity, epoch).window))
        reports = tree.reports if tree else ()
        found = [r for r in reports if (r.capacity, r.epoch) == (capacity.id, epoch)]
        return (found[0] if found else None), tree

    def can_show(self, capacity: Capacity, epoch: int) -> bool:
        """Whether there is a report of the epoch, and time to show it."""
        window = self.model.window_of(capacity, epoch)
        return window.takes_reports(self.now) and self.report_on(capacity, epoch)[0] is not None

    # Settling

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
        )
        self.check_settled(number, before, Status.REPORTED)

    def record(self, report: Report, tree: ReportTree | None) -> None:
        proof = tree.proof(report) if tree and report in tree.reports else []
        self.act(
            STRANGER,
            self.stage.engine,
            "record",
            report.as_tuple(),
            proof,
            reference=lambda m: m.record(report),
            touches=report.capacity,
        )

    def settle_missing(self, number: int) -> None:
        before, status = 0, None
        if number in NUMBERS:
            capacity = self.capacity(number)
            before = capacity.next_epoch
            kept = before in capacity.records
            status = Status.REPORTED if kept else self.model.status_of(capacity, before)
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
        if not self.passed:
            return
        capacity = self.capacity(number)
        assert self.witness.receipt is not None
        [event] = settled_epochs(self.witness.receipt.events)
        rent, credit = capacity.rent_at(epoch), capacity.credit_at(epoch)
        share = capacity.credits[epoch] if rent else 0
        same(4, "epoch as settled", (event.epoch, event.status), (epoch, status))
        found = (event.rent, event.credit_bps, event.credit)
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
        if report and epoch not in capacity.records and self.can_show(capacity, epoch):
            self.settle(report, tree)
        else:
            self.settle_missing(number)
        return capacity.next_epoch > epoch

    def settle_up_to(self, number: int, epoch: int) -> None:
        """Settles as far as it goes, but not that epoch."""
        while self.capacity(number).next_epoch < epoch and self.settle_next(number):
            pass

    def record_up_to(self, number: int, epoch: int) -> None:
        """Shows all reports that are due and can be shown, but not that epoch's."""
        capacity = self.capacity(number)
        for each in range(capacity.next_epoch, min(epoch, capacity.lifetime)):
            if each not in capacity.records and self.can_show(capacity, each):
                report, tree = self.report_on(capacity, each)
                assert report is not None
                self.record(report, tree)

    def windows_go_by(self, set_id: int, times: int, shares: list[int | None]) -> None:
        """So many windows of a set end and get their roots, and so do those of the others."""
        length = self.model.sets[set_id].rules.window_length
        until = (self.now // length + times) * length
        steps = {
            (end, each)
            for each, attestors in self.model.sets.items()
            for end in range(
                (self.now // attestors.rules.window_length + 1) * attestors.rules.window_length,
                until + 1,
                attestors.rules.window_length,
            )
        }
        for end, each in sorted(steps):
            self.move_to(end)
            self.post_root(each, end // self.model.sets[each].rules.window_length - 1, shares)
        self.wait_for_finality()

    def wait_for_finality(self) -> None:
        """Until no root that was just posted can be vetoed any more."""
        delays = [each.rules.finality_delay for each in self.model.sets.values()]
        self.move_to(self.now + max(delays))

    def time_goes_by(
        self, number: int, times: int, lag: int, shares: list[int | None], kept: bool = False
    ) -> None:
        """Windows that hold epochs of a capacity end and get their roots; settlement follows, but
        for the last epochs, whose reports are kept if wanted."""
        capacity = self.capacity(number)
        if number == WEEKLY:
            # One window at the end of each week; those of the days and hours before get none.
            for _ in range(times):
                self.move_to(self.model.window_of(capacity, self.running(capacity)).ends_at)
                for set_id, attestors in self.model.sets.items():
                    self.post_root(set_id, self.now // attestors.rules.window_length - 1, shares)
                self.wait_for_finality()
        else:
            self.windows_go_by(capacity.attestors, times, shares)
        for each in NUMBERS:
            running = self.running(self.capacity(each))
            self.settle_up_to(each, running - lag)
            if kept:
                self.record_up_to(each, running)
