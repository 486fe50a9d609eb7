"""The contracts' structs as tuples, field by field, and the constants that go with them.

Both ape and the JSON-RPC lane take the tuples as they are; units are those of `interfaces/`. Import
them from `derrick.market`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from derrick.telemetry import SetRules

HOUR = 3_600
DAY = 24 * HOUR
WEEK = 7 * DAY
WAD = 10**18

MAX_UINT256 = 2**256 - 1
NOBODY = "0x" + 40 * "0"

LEASES_PER_CAPACITY = 10**9
"""A lease's id is its capacity's times this plus a count from 1."""

TELEMETRY_THRESHOLD = 2
TELEMETRY_RULES = SetRules(
    window_length=DAY,
    posting_period=DAY // 2,
    finality_delay=6 * HOUR,
    reveal_period=2 * DAY,
    mass_share_bps=2_500,
    mass_minimum=3,
    mass_delay=2 * DAY,
)
"""Rules of an attestor set that suit daily windows: half a day to post, six hours to veto, two days
to show; where more than a quarter of the capacities fail at once, two days to find out why."""


def ascii_bytes(text: str, size: int) -> bytes:
    """`text` as the contracts keep names: ASCII, left-aligned. ValueError if it is too long."""
    data = text.encode("ascii")
    if not 0 < len(data) <= size:
        raise ValueError(f"{text!r} must have 1 to {size} characters")
    return data.ljust(size, b"\0")


class Tier(NamedTuple):
    """One step of a service-level schedule, in bps."""

    uptime_below_bps: int
    credit_bps: int


class Term(NamedTuple):
    """Predefined conditions of a lease; see `IComputeCapacity`. Epochs, and bps of the price.

    As it is by default, a lease under it is prepaid: the deposit covers any term.
    """

    min_epochs: int
    max_epochs: int
    price_bps: int
    notice_epochs: int = 0
    deposit_epochs: int = 4_096
    preemptible: bool = False


class Leg(NamedTuple):
    """A part of a capacity's revenue before its shares; a fixed one stays whoever holds those."""

    recipient: Any
    bps: int
    is_fixed: bool = False


class CapacityConfig(NamedTuple):
    """All that is fixed for good when a capacity is registered; see `IComputeCapacity`."""

    hardware_class: bytes
    site: bytes
    service_kind: int
    country: int
    accelerators_per_unit: int
    watts_per_unit: int
    pue_bps: int
    units: int
    epoch_length: int
    lifetime_epochs: int
    origin: int
    committed_uptime_bps: int
    blackout_credit_bps: int
    price_floor_bps: int
    attestor_set: int
    stablecoin: Any
    payee: Any
    tiers: tuple[Tier, ...]
    penalty_below_bps: int = 0
    penalty_per_unit: int = 0
    curtailment_epochs: int = 0
    curtailment_credit_bps: int = 0


class LeaseRequest(NamedTuple):
    """What to lease, and the most to pay per unit and epoch; see `IComputeLease`."""

    capacity: int
    tenant: Any
    term: int
    units: int
    start: int
    end: int
    max_rent: int


class RevenueSplit(NamedTuple):
    """How a capacity's revenue is split: shares in their smallest part, the owner's own legs, and
    the most that the protocol may take; see `ICapacityRegistrar`."""

    supply: int
    legs: tuple[Leg, ...]
    max_protocol_bps: int


class VaultConfig(NamedTuple):
    """What a vault is made of; see `ICollateralVault`."""

    asset: Any
    owner: Any
    splitters: Any
    capacity: Any
    base_rate_wad: int
    slope_rate_wad: int
    steep_rate_wad: int
    kink_wad: int
    reserve_factor_bps: int
    min_debt: int
    name: str
    symbol: str


class CollateralTerms(NamedTuple):
    """How a collateral is lent against, in bps; see `ICollateralVault`."""

    oracle: Any
    borrow_ltv_bps: int
    liquidation_ltv_bps: int
    bonus_bps: int


class ClassTerms(NamedTuple):
    """What a hardware class is worth in the long run; see `ICapacityValuation`."""

    expected_use_bps: int
    monthly_decline_bps: int
    annual_discount_bps: int
    haircut_bps: int
    power_price: int
