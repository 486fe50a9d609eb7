"""What the lease engine's events alone say: every lease as it stands, and the money that moved.

An indexer sees no more than this. The witness adds up from it what the engine must hold, and holds
the engine's own views against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from derrick.abi import Event
from derrick.model import IDS_PER_CAPACITY
from derrick.units import first_unbegun
from tests.property.stage import PLANS

LAPSED = 4
"""`Ending.LAPSED`."""


@dataclass
class Books:
    """Kept by `note`, receipt by receipt.

    leases: as last told, by id. holders: of the leases that exist. paid_in: by capacity, less what
    went into refunds without being credit. refunds: by coin's address, credited and not withdrawn.
    stale: by capacity, epochs of lapsed leases that had begun when these were closed, with their
    units. changed: by capacity, ranges of epochs whose calendar was written since last asked.
    """

    engine: str
    leases: dict[int, Any] = field(default_factory=dict)
    holders: dict[int, str] = field(default_factory=dict)
    paid_in: Counter[int] = field(default_factory=Counter)
    refunds: Counter[str] = field(default_factory=Counter)
    stale: dict[int, list[tuple[range, int]]] = field(default_factory=dict)
    changed: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def leases_of(self, number: int) -> dict[int, Any]:
        """The leases of a capacity that exist, by id."""
        return {i: self.leases[i] for i in self.holders if i // IDS_PER_CAPACITY == number}

    def units_leased(self, number: int, epoch: int) -> int:
        """Units that the calendar must have in an epoch."""
        leases = self.leases_of(number).values()
        leased = sum(lease.units for lease in leases if lease.start <= epoch < lease.end)
        stale = self.stale.get(number, ())
        return leased + sum(units for epochs, units in stale if epoch in epochs)

    def unit_epochs(self, number: int) -> int:
        """The same, summed over all epochs."""
        leases = self.leases_of(number).values()
        leased = sum(lease.units * (lease.end - lease.start) for lease in leases)
        return leased + sum(units * len(epochs) for epochs, units in self.stale.get(number, ()))

    def note(self, events: Iterable[Event], now: int, number: int | None) -> None:
        """Takes in a receipt's events, in their order. `now` is the time of its block, `number` the
        capacity that the call was about."""
        for event in events:
            if event.address == self.engine:
                self._note(event.name, event.args, now, number or 0)

    def _note(self, name: str, args: Any, now: int, number: int) -> None:
        match name:
            case "Transfer":
                _, to, lease_id = args
                self.holders[lease_id] = to
                if int(to, 16) == 0:
                    del self.holders[lease_id]
            case "Leased":
                self.leases[args.lease] = args.conditions
                self.paid_in[number] += args.paid
                self._mark(number, args.conditions.start, args.conditions.end)
            case "ToppedUp":
                self._update(args.lease, fundedTo=args.fundedTo)
                self.paid_in[number] += args.paid
            case "LeaseEnded":
                self._end(args, now, number)
            case "LeaseSplit":
                self.leases[args.lease], self.leases[args.part] = args.kept, args.split
            case "LeasesMerged":
                self.leases[args.lease] = args.merged
                self._mark(number, args.merged.start, args.merged.end)
            case "CreditClaimed":
                self._update(args.lease, creditedTo=args.creditedTo)
                if args.receiver == self.engine:
                    # It is told of as a refund too; what tenants paid in stays the same.
                    self.paid_in[number] += args.amount
            case "RefundCredited":
                self.refunds[args.stablecoin] += args.amount
                self.paid_in[number] -= args.amount
            case "RefundWithdrawn":
                self.refunds[args.stablecoin] -= args.amount

    def _end(self, args: Any, now: int, number: int) -> None:
        stood = self.leases[args.lease]
        if args.ending == LAPSED:
            plan = PLANS[number - 1]
            earliest = first_unbegun(plan.origin, plan.epoch_length, now)
            begun = range(args.end, min(earliest, stood.end))
            self.stale.setdefault(number, []).append((begun, stood.units))
        self.paid_in[number] += args.collected
        self._update(args.lease, end=args.end, fundedTo=args.end, depositEpochs=0)
        self._mark(number, args.end, stood.end)

    def _update(self, lease_id: int, **changes: int) -> None:
        self.leases[lease_id] = self.leases[lease_id]._replace(**changes)

    def _mark(self, number: int, start: int, end: int) -> None:
        self.changed.setdefault(number, []).append((start, end))
