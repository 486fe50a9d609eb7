"""Telemetry of a demo: seeded, the same on every machine and every Python version.

Interruptions follow the published rate of the Llama 3 training run (419 unexpected ones on 16,384
H100s in 54 days: one per 50,677 GPU-hours). How long a unit then stays away, and how busy it is,
are the tables' figures and, where they say so, assumptions.

Each (seed, capacity, epoch) draws from its own stream, so the order of calls does not matter. Only
`Random.random()` with a text seed is used, which Python promises not to change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from derrick.data import BPS, Listing, reliability_figures

WEEK = 7

BASIS = (
    "Failures follow the published record of a training run on 16,384 H100s, 419 unexpected "
    "interruptions in 54 days; an interrupted unit is assumed to be back after 4 hours on average."
)
"""What `telemetry` rests on, for readers. The tests compare its numbers with the tables."""


@dataclass(frozen=True, slots=True)
class BadWeek:
    """Seven epochs in a row in which one capacity runs at the given uptimes (bps).

    A scenario, not a measurement. The documented cooling failure closest to it kept one cloud zone
    impaired for 38.8 hours; here the repair waits a week for its parts.
    """

    capacity: str
    first_epoch: int
    cause: str = "cooling failure"
    uptimes_bps: tuple[int, ...] = (9_700, 7_400, 4_000, 4_600, 6_100, 8_300, 9_600)

    def __post_init__(self) -> None:
        if len(self.uptimes_bps) != WEEK or not all(0 <= u <= BPS for u in self.uptimes_bps):
            raise ValueError(f"a bad week is {WEEK} uptimes in bps, not {self.uptimes_bps}")

    @property
    def last_epoch(self) -> int:
        """The last bad epoch."""
        return self.first_epoch + WEEK - 1

    def uptime_bps(self, capacity: str, epoch: int) -> int | None:
        """The uptime it forces, in bps, or None where it has no say."""
        if capacity == self.capacity and self.first_epoch <= epoch <= self.last_epoch:
            return self.uptimes_bps[epoch - self.first_epoch]
        return None


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a capacity's machines did in one epoch. Uptime and load in bps."""

    capacity: str
    epoch: int
    interruptions: int
    uptime_bps: int
    load_bps: int

    def energy_wh(self, listing: Listing, units_leased: int, hours: int = 24) -> int:
        """Watt-hours at the meter, rounded down: power by PUE, load, uptime, hours, units."""
        if not 0 <= units_leased <= listing.units:
            raise ValueError(f"{listing.key} has {listing.units} units, not {units_leased}")
        watt_hours = listing.watts_per_unit * hours * units_leased
        return watt_hours * listing.pue_bps * self.load_bps * self.uptime_bps // BPS**3


def _figure(key: str) -> int:
    return int(reliability_figures()[key].value)


def interruptions_per_gpu_hour() -> float:
    """The published rate, from its primary figures."""
    gpu_hours = _figure("llama3_days") * 24 * _figure("llama3_gpus")
    return _figure("llama3_unexpected") / gpu_hours


def poisson(random: Random, mean: float) -> int:
    """A Poisson draw by inversion, for means up to some hundreds."""
    if not 0 <= mean < 700:
        raise ValueError(f"mean {mean} is outside 0 … 700")
    term = math.exp(-mean)
    total, count, target = term, 0, random.random()
    while total < target and term > 0:
        count += 1
        term *= mean / count
        total += term
    return count


def _load_bps(random: Random, service: str) -> int:
    mean = _figure(f"{service.lower()}_load_bps")
    spread = _figure("load_spread_bps")
    return min(BPS, round(mean + spread * (2 * random.random() - 1)))


def telemetry(
    listing: Listing, epoch: int, *, seed: int, hours: int = 24, bad_week: BadWeek | None = None
) -> Telemetry:
    """One capacity's epoch of `hours` hours.

    An interruption takes one unit away for an exponential time with the table's mean, never longer
    than the epoch; uptime is the rest of the capacity's unit-hours.
    """
    if epoch < 0 or not 1 <= hours <= 24 * WEEK:
        raise ValueError(f"no epoch {epoch} of {hours} hours")
    random = Random(f"derrick/{seed}/{listing.key}/{epoch}")
    load_bps = _load_bps(random, listing.service)
    mean = listing.accelerators * hours * interruptions_per_gpu_hour()
    interruptions = poisson(random, mean)
    mean_hours = _figure("outage_minutes") / 60
    lost = sum(
        min(float(hours), -mean_hours * math.log(1 - random.random())) for _ in range(interruptions)
    )
    uptime_bps = max(0, math.floor(BPS * (1 - lost / (listing.units * hours))))
    forced = bad_week.uptime_bps(listing.key, epoch) if bad_week else None
    if forced is not None:
        uptime_bps = min(uptime_bps, forced)
    return Telemetry(listing.key, epoch, interruptions, uptime_bps, load_bps)
