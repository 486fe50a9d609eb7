"""The real figures behind the demo: small tables, every row with its source.

Prices, powers, efficiencies and service levels as published; nothing measured by us. Each table is
a CSV beside this file, read and checked on first use. `figures()` lists every number with its
unit and its source; `sources()` says where each source is.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from pathlib import Path

HERE = Path(__file__).parent

BPS = 10_000
PRICE_DECIMALS = 8
"""Index prices are USD per accelerator-hour with 8 decimals, the AggregatorV3 convention."""

SERVICE_KINDS = ("TRAINING", "INFERENCE", "EDGE")
"""In the order of the contracts' `ServiceKind`."""

MAX_UNITS = 32_767
MAX_SITE_BYTES = 8

Row = dict[str, str]


class DataError(ValueError):
    """A table breaks one of its own rules; the message names table, row and column."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where figures come from. `as_of` is the date or period they speak of."""

    key: str
    citation: str
    licence: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One number: where it stands, what it is, and who says so.

    `source` is a key of `sources()`; `where` finds the figure inside that source.
    """

    table: str
    row: str
    column: str
    value: Decimal
    unit: str
    source: str
    where: str

    @property
    def kind(self) -> str:
        """`published`, `derived` (from published ones) or `assumption`."""
        return self.source if self.source in ("derived", "assumption") else "published"


@dataclass(frozen=True, slots=True)
class Hardware:
    """A class of accelerator. `node_watts`: an 8-GPU system at its maximum, 0 if none is known."""

    key: str
    name: str
    watts: int
    memory_gb: int
    node_watts: int

    def unit_watts(self, accelerators: int) -> int:
        """Watts of a unit at full load, before PUE: the whole system for 8 GPUs where published,
        the accelerators' board power otherwise."""
        if accelerators == 8 and self.node_watts:
            return self.node_watts
        return self.watts * accelerators


@dataclass(frozen=True, slots=True)
class ServiceLevel:
    """A published SLA. `tiers` are (uptime below, credit), both in bps, thresholds falling.

    The clouds measure a month; the market applies the same schedule to each epoch.
    """

    key: str
    committed_uptime_bps: int
    tiers: tuple[tuple[int, int], ...]

    def credit_bps(self, uptime_bps: int) -> int:
        """Share of an epoch's rent, in bps, that goes back at this uptime."""
        return max((credit for below, credit in self.tiers if uptime_bps < below), default=0)


@dataclass(frozen=True, slots=True)
class Listing:
    """One capacity of the demo, from a real listing or rate card.

    `usd_per_gpu_hour` has 8 decimals; `site` is ASCII of at most 8 bytes; `country` is ISO 3166-1
    numeric; `reliability_bps` is what the marketplace states of the host, None for rate cards;
    `sla_basis` is `own` (the operator's SLA) or `adopted` (he publishes none).
    """

    key: str
    label: str
    hardware: Hardware
    service: str
    accelerators_per_unit: int
    units: int
    usd_per_gpu_hour: int
    pue_bps: int
    country: int
    country_code: str
    site: str
    reliability_bps: int | None
    sla: ServiceLevel
    sla_basis: str
    sources: tuple[str, ...]

    @property
    def watts_per_unit(self) -> int:
        """Watts of one unit at full load, before PUE."""
        return self.hardware.unit_watts(self.accelerators_per_unit)

    @property
    def accelerators(self) -> int:
        """Accelerators of the whole capacity."""
        return self.accelerators_per_unit * self.units

    @property
    def service_kind(self) -> int:
        """Index into `SERVICE_KINDS`, as the contracts count it."""
        return SERVICE_KINDS.index(self.service)

    def rent_per_unit(self, hours: int = 24, decimals: int = 6) -> int:
        """Rent of one unit for `hours`, in a stablecoin's base units, rounded up."""
        usd = Decimal(self.usd_per_gpu_hour * self.accelerators_per_unit * hours)
        scaled = usd.scaleb(decimals - PRICE_DECIMALS)
        return int(scaled.to_integral_value(rounding=ROUND_CEILING))


@dataclass(frozen=True, slots=True)
class IndexPrice:
    """A class's price in one month: USD per GPU-hour, 8 decimals, over `quotes` quotes."""

    hardware: str
    period: str
    usd_per_gpu_hour: int
    quotes: int


def _read(table: str) -> list[Row]:
    with (HERE / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    known = {row["key"] for row in rows} if table == "sources" else set(sources())
    for row in rows:
        for column, cell in row.items():
            if column == "source" or column.endswith("_source"):
                where = row["where" if column == "source" else column[:-6] + "where"]
                named = cell in known and bool(where)
                if not named and not (cell == "" and where == ""):
                    raise DataError(f"{table}.csv: {_name(row)} has no known {column}: {cell!r}")
    return rows


def _name(row: Row) -> str:
    return next(iter(row.values()))


def _number(row: Row, column: str, low: int, high: int) -> int:
    """A whole number within [low, high], or an error that names the cell."""
    try:
        value = int(row[column])
    except ValueError:
        raise DataError(f"{_name(row)}: {column} is no whole number: {row[column]!r}") from None
    if not low <= value <= high:
        raise DataError(f"{_name(row)}: {column} = {value} is outside {low} … {high}")
    return value


def _price(row: Row) -> int:
    """USD per GPU-hour with 8 decimals, exact."""
    value = Decimal(row["usd_per_gpu_hour"]).scaleb(PRICE_DECIMALS)
    if value <= 0 or value != value.to_integral_value():
        raise DataError(f"{_name(row)}: no price with {PRICE_DECIMALS} decimals")
    return int(value)


@lru_cache(maxsize=1)
def sources() -> dict[str, Source]:
    """Every source by key."""
    return {
        row["key"]: Source(row["key"], row["citation"], row["licence"], row["as_of"])
        for row in _read("sources")
    }


@lru_cache(maxsize=1)
def hardware() -> dict[str, Hardware]:
    """Accelerator classes by key, which is also the contracts' `hardwareClass`."""
    return {
        row["hardware"]: Hardware(
            row["hardware"],
            row["name"],
            _number(row, "watts", 1, 5_000),
            _number(row, "memory_gb", 1, 1_000),
            _number(row, "node_watts", 1, 100_000) if row["node_watts"] else 0,
        )
        for row in _read("hardware")
    }


@lru_cache(maxsize=1)
def service_levels() -> dict[str, ServiceLevel]:
    """Published SLAs by key."""
    levels = {}
    for row in _read("sla"):
        tiers = tuple(
            (_number(row, f"below_{i}_bps", 1, BPS), _number(row, f"credit_{i}_bps", 1, BPS))
            for i in (1, 2, 3)
        )
        committed = _number(row, "committed_uptime_bps", 1, BPS)
        below, credit = zip(*tiers, strict=True)
        falling = list(below) == sorted(set(below), reverse=True) and below[0] <= committed
        if not falling or list(credit) != sorted(set(credit)):
            raise DataError(f"{row['key']}: thresholds must fall and credits rise")
        levels[row["key"]] = ServiceLevel(row["key"], committed, tiers)
    return levels


@lru_cache(maxsize=1)
def pue() -> dict[str, int]:
    """Power usage effectiveness by key, in bps (1.135 is 11350)."""
    return {row["key"]: _number(row, "pue_bps", BPS, 3 * BPS) for row in _read("pue")}


@lru_cache(maxsize=1)
def listings() -> tuple[Listing, ...]:
    """The eight capacities of the demo, in the order of the table."""
    return tuple(_listing(row) for row in _read("listings"))


def _listing(row: Row) -> Listing:
    if row["service"] not in SERVICE_KINDS or row["sla_basis"] not in ("own", "adopted"):
        raise DataError(f"{row['key']}: unknown service {row['service']!r} or SLA basis")
    if not (row["site"].isascii() and 0 < len(row["site"]) <= MAX_SITE_BYTES):
        raise DataError(f"{row['key']}: site {row['site']!r} is not 1 … {MAX_SITE_BYTES} of ASCII")
    stated = row["reliability_bps"]
    parts = (row["units_source"], row["price_source"])
    return Listing(
        key=row["key"],
        label=row["label"],
        hardware=hardware()[row["hardware"]],
        service=row["service"],
        accelerators_per_unit=_number(row, "accelerators_per_unit", 1, 4_096),
        units=_number(row, "units", 1, MAX_UNITS),
        usd_per_gpu_hour=_price(row),
        pue_bps=pue()[row["pue"]],
        country=_number(row, "country_code", 1, 999),
        country_code=row["country"],
        site=row["site"],
        reliability_bps=_number(row, "reliability_bps", 1, BPS) if stated else None,
        sla=service_levels()[row["sla"]],
        sla_basis=row["sla_basis"],
        sources=tuple(dict.fromkeys(parts)),
    )


@lru_cache(maxsize=1)
def index_prices() -> tuple[IndexPrice, ...]:
    """Class prices by month, oldest first within a class."""
    return tuple(
        IndexPrice(row["hardware"], row["period"], _price(row), _number(row, "quotes", 1, 10_000))
        for row in _read("index")
    )


def latest_index_price(hardware_key: str) -> IndexPrice:
    """The newest index price of a class; `KeyError` if it has none."""
    rows = [price for price in index_prices() if price.hardware == hardware_key]
    if not rows:
        raise KeyError(hardware_key)
    return max(rows, key=lambda price: price.period)


@lru_cache(maxsize=1)
def reliability_figures() -> dict[str, Figure]:
    """Failure counts, loads and outage durations by key."""
    return {figure.row: figure for figure in figures() if figure.table == "reliability"}


@lru_cache(maxsize=1)
def bond_terms() -> dict[str, int]:
    """What stands behind a promise of service, by key: what is a penalty, and who pays it."""
    return {figure.row: int(figure.value) for figure in figures() if figure.table == "bond"}


# What each numeric column counts in. Its source stands in the column named second.
_COLUMNS: dict[str, dict[str, tuple[str, str]]] = {
    "listings": {
        "accelerators_per_unit": ("accelerators", "price"),
        "units": ("units", "units"),
        "usd_per_gpu_hour": ("USD per GPU-hour", "price"),
        "reliability_bps": ("bps", "price"),
        "country_code": ("ISO 3166-1 numeric", "iso3166"),
    },
    "hardware": {
        "watts": ("W per accelerator", "watts"),
        "memory_gb": ("GB per accelerator", "memory"),
        "node_watts": ("W per 8-GPU system", "node"),
    },
    "pue": {"pue_bps": ("bps", "")},
    "sla": {
        "committed_uptime_bps": ("bps", ""),
        "below_1_bps": ("bps of uptime", ""),
        **{f"below_{i}_bps": ("bps of uptime", "assumption") for i in (2, 3)},
        **{f"credit_{i}_bps": ("bps of rent", "") for i in (1, 2, 3)},
    },
    "index": {"usd_per_gpu_hour": ("USD per GPU-hour", ""), "quotes": ("quotes", "")},
}


def _origin(row: Row, prefix: str) -> tuple[str, str]:
    if prefix in sources():
        return prefix, sources()[prefix].citation
    stem = f"{prefix}_" if prefix else ""
    return row[f"{stem}source"], row[f"{stem}where"]


def _figures() -> Iterator[Figure]:
    for table, columns in _COLUMNS.items():
        for row in _read(table):
            name = f"{row['hardware']} {row['period']}" if table == "index" else _name(row)
            for column, (unit, prefix) in columns.items():
                if row[column]:
                    source, where = _origin(row, prefix)
                    yield Figure(table, name, column, Decimal(row[column]), unit, source, where)
    for table in ("reliability", "bond"):
        for row in _read(table):
            value, origin = Decimal(row["value"]), (row["source"], row["where"])
            yield Figure(table, row["key"], "value", value, row["unit"], *origin)


@lru_cache(maxsize=1)
def figures() -> tuple[Figure, ...]:
    """Every number of every table, each with its unit and its source."""
    return tuple(_figures())


def count_figures() -> dict[str, int]:
    """How many figures there are of each kind: published, derived, assumption."""
    counts = {"published": 0, "derived": 0, "assumption": 0}
    for figure in figures():
        counts[figure.kind] += 1
    return counts
