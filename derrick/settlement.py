"""What is known of a settled epoch, put together from the engine's events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from derrick.telemetry import Status


class Named(Protocol):
    """An event, wherever it was read: its name and its inputs by their names."""

    @property
    def name(self) -> str: ...

    @property
    def args(self) -> Any: ...


@dataclass(frozen=True)
class SettledEpoch:
    """An epoch of a capacity; rent and credit of all its leases, in base units."""

    capacity: int
    epoch: int
    rent: int
    credit_bps: int
    credit: int
    status: Status
    uptime_bps: int
    load_bps: int
    energy_wh: int


def settled_epochs(events: Iterable[Named]) -> list[SettledEpoch]:
    """The epochs that these events of one engine settle, in their order.

    An epoch's rent is what was earned and what was credited; it was reported where no event says
    that it was not.
    """
    events = list(events)
    credits = {_place(event): event.args for event in events if event.name == "EpochCredited"}
    silent = {_place(event): event.args for event in events if event.name == "EpochUnreported"}
    found = []
    for event in events:
        if event.name != "EpochSettled":
            continue
        args, place = event.args, _place(event)
        credited = credits.get(place)
        share, credit = (credited.creditBps, credited.credit) if credited else (0, 0)
        status = Status(silent[place].status) if place in silent else Status.REPORTED
        reading = args.uptimeBps, args.loadBps, args.energyWh
        found.append(SettledEpoch(*place, args.earned + credit, share, credit, status, *reading))
    return found


def _place(event: Named) -> tuple[int, int]:
    return event.args.capacity, event.args.epoch
