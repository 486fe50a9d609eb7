"""The market's contracts: how they are deployed, and handles on them.

Scripts, tests and the console start here: `deploy_market` puts a market on any network, and
`local_market` one with everything it needs on the embedded node.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import ape

from derrick.ape_patch import mend_ape
from derrick.chain import Lane
from derrick.data import (
    BPS,
    PRICE_DECIMALS,
    Listing,
    bond_terms,
    hardware,
    latest_index_price,
    listings,
)
from derrick.fiat import FiatToken
from derrick.structs import (
    DAY,
    HOUR,
    LEASES_PER_CAPACITY,
    MAX_UINT256,
    NOBODY,
    TELEMETRY_RULES,
    TELEMETRY_THRESHOLD,
    WAD,
    WEEK,
    CapacityConfig,
    ClassTerms,
    CollateralTerms,
    LeaseRequest,
    Leg,
    RevenueSplit,
    Term,
    Tier,
    VaultConfig,
    ascii_bytes,
)
from derrick.telemetry import CapacityUnits, Report, ReportTree, attest

__all__ = [
    "BLACKOUT_CREDIT_BPS",
    "CLASS_TERMS",
    "CONTRACTS",
    "DAY",
    "HOUR",
    "LEASES_PER_CAPACITY",
    "MAX_UINT256",
    "NOBODY",
    "ON_DEMAND",
    "PRICE_FLOOR_BPS",
    "RESERVED",
    "RUNNING_COSTS_BPS",
    "SUPPLY",
    "TELEMETRY_RULES",
    "TELEMETRY_THRESHOLD",
    "TERMS",
    "WAD",
    "WEEK",
    "CapacityConfig",
    "ClassTerms",
    "CollateralTerms",
    "LeaseRequest",
    "Leg",
    "LocalMarket",
    "Market",
    "MarketError",
    "MarketRules",
    "Registered",
    "RevenueSplit",
    "Term",
    "Tier",
    "VaultConfig",
    "ascii_bytes",
    "capacity_config",
    "deploy_market",
    "index_price",
    "local_market",
    "owner_calls",
    "penalty_per_unit",
]


# ---- Deploying ----------------------------------------------------------------------------------


class MarketError(Exception):
    """Something that has to be mended first; one line that says what."""


@dataclass(frozen=True)
class MarketRules:
    """What a market is deployed with. Rates are a year's, 1e18; all else as its name says."""

    protocol_bps: int = 250
    """Of new capacities' rent. Far below the cap of 1,000, so that nobody needs to route around."""

    base_rate_wad: int = 2 * WAD // 100
    """With nothing lent out: a lender's money is never free."""

    slope_rate_wad: int = 8 * WAD // 100
    """On the way to the kink: 10 % at the use that the vault is meant for."""

    steep_rate_wad: int = 60 * WAD // 100
    """Beyond the kink: lenders who want to leave soon find money again."""

    kink_wad: int = 80 * WAD // 100
    """A fifth stays idle, for withdrawals."""

    reserve_factor_bps: int = 1_000
    """The vault's part of the interest, which bears bad debt before the lenders do."""

    min_debt_coins: int = 100
    """Whole stablecoins. Below it, nobody would pay the gas to liquidate."""

    def vault(
        self, asset: Any, symbol: str, decimals: int, market: Mapping[str, Any]
    ) -> VaultConfig:
        """The vault of a market whose contracts so far are given by name."""
        return VaultConfig(
            asset=asset,
            owner=market["owner"],
            splitters=market["factory"],
            capacity=market["capacity"],
            base_rate_wad=self.base_rate_wad,
            slope_rate_wad=self.slope_rate_wad,
            steep_rate_wad=self.steep_rate_wad,
            kink_wad=self.kink_wad,
            reserve_factor_bps=self.reserve_factor_bps,
            min_debt=self.min_debt_coins * 10**decimals,
            name=f"Derrick {symbol} Vault",
            symbol=f"d{symbol}",
        )


CONTRACTS = {
    "stablecoins": "StablecoinRegistry",
    "index": "ComputeIndex",
    "telemetry": "TelemetryOracle",
    "deed_renderer": "DeedRenderer",
    "capacity": "ComputeCapacity",
    "bond": "ServiceBond",
    "lease_edits": "LeaseEdits",
    "lease_settlement": "LeaseSettlement",
    "lease_renderer": "LeaseRenderer",
    "lease": "ComputeLease",
    "utilization_pricing": "UtilizationPricing",
    "auction_pricing": "DutchAuctionPricing",
    "index_pricing": "IndexPricing",
    "factory": "RevenueSplitterFactory",
    "registrar": "CapacityRegistrar",
    "collector": "DividendCollector",
    "pooling": "PooledSharesFactory",
    "valuation": "CapacityValuation",
    "vault": "CollateralVault",
}
"""The market's own contracts, in the order in which they can be deployed, by their handle."""

TOKEN_ABI = [
    {
        "type": "function",
        "name": name,
        "inputs": [],
        "outputs": [{"name": "", "type": kind}],
        "stateMutability": "view",
    }
    for name, kind in (("symbol", "string"), ("decimals", "uint8"))
]
"""All that deploying asks a stablecoin."""


@dataclass(frozen=True)
class Market:
    """A deployed market: ape's contracts, all but the stablecoin the market's own."""

    stablecoin: Any
    stablecoins: Any
    index: Any
    telemetry: Any
    deed_renderer: Any
    capacity: Any
    bond: Any
    lease_edits: Any
    lease_settlement: Any
    lease_renderer: Any
    lease: Any
    utilization_pricing: Any
    auction_pricing: Any
    index_pricing: Any
    factory: Any
    registrar: Any
    collector: Any
    pooling: Any
    valuation: Any
    vault: Any

    def splitter(self, capacity: int) -> Any:
        """The contract that splits the revenue of a capacity registered by the registrar."""
        payee, _ = self.capacity.payeeOf(capacity)
        if not self.factory.isSplitter(payee):
            raise MarketError(f"capacity {capacity} is paid to {payee}, which is no splitter")
        return _at(ape.project.RevenueSplitter, payee)


def deploy_market(
    owner: Any,
    stablecoin: Any,
    *,
    deployer: Any = None,
    treasury: Any = None,
    rules: MarketRules | None = None,
    deployed: Mapping[str, str] | None = None,
    on_deployed: Callable[[str, Any], None] | None = None,
) -> Market:
    """Deploy every contract of a market, and set it up as far as the deployer may.

    owner: who keeps the lists; an account, or an address if there is a `deployer`. stablecoin: an
    address or contract. treasury: who gets the protocol's part of rents; the owner by default.
    deployed: addresses by handle of what an earlier, interrupted run has left; taken over, not
    deployed again. on_deployed is told each handle and its contract.
    """
    rules = rules or MarketRules()
    deployer = deployer or owner
    coin = token_at(_address(stablecoin))
    symbol, decimals = coin.symbol(), coin.decimals()
    made: dict[str, Any] = {"owner": _address(owner)}
    arguments: dict[str, Callable[[], Sequence[Any]]] = {
        "stablecoins": lambda: [owner],
        "index": lambda: [owner],
        "telemetry": lambda: [owner],
        "deed_renderer": list,
        "capacity": lambda: [
            *(made["stablecoins"], made["index"], made["telemetry"], made["deed_renderer"])
        ],
        "bond": lambda: [made["capacity"]],
        "lease_edits": lambda: [made["capacity"], made["telemetry"], made["bond"]],
        "lease_settlement": lambda: [made["capacity"], made["telemetry"], made["bond"]],
        "lease_renderer": list,
        "lease": lambda: [
            *(made["capacity"], made["telemetry"], made["bond"]),
            *(made["lease_edits"], made["lease_settlement"], made["lease_renderer"]),
        ],
        "utilization_pricing": lambda: [made["capacity"], made["lease"]],
        "auction_pricing": lambda: [made["capacity"]],
        "index_pricing": lambda: [made["capacity"]],
        "factory": lambda: [owner, made["capacity"], made["lease"]],
        "registrar": lambda: [made["factory"]],
        "collector": list,
        "pooling": lambda: [made["factory"]],
        "valuation": lambda: [
            *(owner, made["capacity"], made["lease"], made["index"], made["factory"])
        ],
        "vault": lambda: [rules.vault(coin.address, symbol, decimals, made)],
    }
    for handle, name in CONTRACTS.items():
        container = getattr(ape.project, name)
        address = (deployed or {}).get(handle)
        if address is not None:
            made[handle] = _at(container, address)
            continue
        made[handle] = deployer.deploy(container, *arguments[handle]())
        if on_deployed is not None:
            on_deployed(handle, made[handle])
    del made["owner"]
    market = Market(stablecoin=stablecoin, **made)
    if market.bond.engine() == NOBODY:
        market.bond.bind(market.lease, sender=deployer)
    if _address(deployer) == _address(owner):
        for _, call in owner_calls(market, treasury or owner, rules):
            call(deployer)
    return market


def token_at(address: str) -> Any:
    """A stablecoin, as far as deploying asks it."""
    return ape.Contract(address, abi=TOKEN_ABI, fetch_from_explorer=False, detect_proxy=False)


def owner_calls(
    market: Market, treasury: Any, rules: MarketRules
) -> list[tuple[str, Callable[[Any], None]]]:
    """What the owner still has to call before the market can be used: in words, and to send."""
    token, factory = _address(market.stablecoin), market.factory
    calls: list[tuple[str, Callable[[Any], None]]] = []

    def allow(sender: Any) -> None:
        market.stablecoins.setStablecoin(token, True, sender=sender)

    def take_part(sender: Any) -> None:
        factory.setProtocolLeg(rules.protocol_bps, _address(treasury), sender=sender)

    if not market.stablecoins.isAllowed(token):
        name = f"StablecoinRegistry {market.stablecoins.address}: setStablecoin({token}, true)"
        calls.append((name, allow))
    leg = factory.protocolLeg()
    if (leg.bps, leg.recipient) != (rules.protocol_bps, _address(treasury)):
        words = f"setProtocolLeg({rules.protocol_bps}, {_address(treasury)})"
        calls.append((f"RevenueSplitterFactory {factory.address}: {words}", take_part))
    return calls


def _at(container: Any, address: str) -> Any:
    """Known code at an address: nothing to look up, no proxy to see through."""
    return container.at(address, fetch_from_explorer=False, detect_proxy=False)


def _address(account: Any) -> str:
    return str(getattr(account, "address", account))


# ---- A market on a local chain ------------------------------------------------------------------


ON_DEMAND, RESERVED = 0, 1
"""Indices of `TERMS`."""

TERMS = (Term(1, 30, BPS), Term(30, 365, 8_500))
"""What local capacities offer: up to a month at the price, from a month on 15 % off."""

RUNNING_COSTS_BPS = 3_000
"""The operator's leg: power, space and people come before shares."""

SUPPLY = 1_000_000 * 10**18
"""Shares of a capacity: a million, with 18 decimals."""

PRICE_FLOOR_BPS = 4_000
"""Of the class's index. Every listing's rent lies above it, the reserved ones too, and what shares
are worth as collateral goes by it."""

LIFETIME_DAYS = 3 * 365
"""How long a local capacity can be leased."""

BLACKOUT_CREDIT_BPS = 5_000
"""Attestors that fail cost tenant and operator half a day each."""

FEED_HEARTBEAT = 2 * DAY
"""Local feeds are written once a day."""

CLASS_TERMS = ClassTerms(
    expected_use_bps=6_500,
    monthly_decline_bps=200,
    annual_discount_bps=1_200,
    haircut_bps=2_500,
    power_price=8 * 10**6,
)
"""Assumptions of the local market for every class: two thirds let in the long run, a fifth cheaper
every year, 12 % discount, a quarter off for what cannot be known, 0.08 USD a kilowatt-hour."""

LOAN_LTV_BPS, LIQUIDATION_LTV_BPS, BONUS_BPS = 5_000, 6_500, 500
"""Half of what shares are worth can be borrowed; 15 % of room before anybody can sell them."""


@dataclass(frozen=True)
class Registered:
    """A capacity of the local market, its operator and its splitter."""

    id: int
    listing: Listing
    operator: Any
    splitter: Any
    origin: int

    def ends_at(self, epoch: int) -> int:
        """Unix time at which an epoch (a day) is over."""
        return self.origin + (epoch + 1) * DAY


@dataclass(frozen=True)
class LocalMarket(Market):
    """A market on the embedded node with all it needs: USDC, price feeds, attestors, people.

    m = local_market()
    h100 = m.register("h100-iowa")
    lease = m.sign_lease(h100, units=4, days=7)
    m.settle_day(h100, uptime_bps=9_400)
    m.lease.creditOf(lease)
    m.deposit_bond(h100, days=2)
    m.settle_day(h100, uptime_bps=4_000)
    m.lease.claimPenalty(lease, 1, m.tenant, sender=m.tenant)
    """

    usdc: FiatToken
    lane: Lane
    feeds: Mapping[str, Any]
    attestor_set: int
    attestors: tuple[Any, ...]
    owner: Any
    operator: Any
    tenant: Any
    lender: Any

    def register(
        self, listing: Listing | str, operator: Any = None, stakers_bps: int = 0
    ) -> Registered:
        """Register a listing, or its key, as a capacity: days from next midnight on.

        stakers_bps: the part of its rent that goes, for good, to those who stake behind its bond.
        """
        if isinstance(listing, str):
            listing = _listing(listing)
        operator = operator or self.operator
        origin = (self.lane.time // DAY + 1) * DAY
        config = capacity_config(listing, origin, self.attestor_set, self.stablecoin.address)
        legs: tuple[Leg, ...] = (Leg(operator.address, RUNNING_COSTS_BPS),)
        if stakers_bps:
            legs += (Leg(self.bond.address, stakers_bps, is_fixed=True),)
        split = RevenueSplit(SUPPLY, legs, self.factory.protocolLeg().bps)
        receipt = self.registrar.register(
            config, list(TERMS), listing.rent_per_unit(), split, sender=operator
        )
        capacity = self.capacity.CapacityRegistered.from_receipt(receipt)[0].capacity
        self.attest_units(capacity, listing.units)
        return Registered(capacity, listing, operator, self.splitter(capacity), origin)

    def attest_units(self, capacity: int, units: int) -> None:
        """Let a quorum sign how many units there are, and bring it; none can be leased before."""
        nonce, deadline = self.capacity.attestationNonce(capacity), self.lane.time + DAY
        address, set_id = self.capacity.address, self.attestor_set
        statement = CapacityUnits(
            ape.chain.chain_id, address, set_id, capacity, units, nonce, deadline
        )
        quorum = attest(statement, self.attestors[:TELEMETRY_THRESHOLD])
        self.capacity.attestUnits(capacity, units, nonce, deadline, quorum, sender=self.owner)

    def deposit_bond(self, capacity: Registered, days: int) -> int:
        """Let the operator add to the bond what so many days in penalty cost, with every unit
        leased; its USDC is minted. Answers the amount."""
        return self._to_bond("deposit", capacity, days, capacity.operator)

    def stake(self, capacity: Registered, days: int, staker: Any = None) -> int:
        """Let somebody stake as much behind the bond. Where nothing is leased yet the stake joins
        the pool at once, otherwise by `bond.join` once the days that have begun are over."""
        staker = staker or self.lender
        amount = self._to_bond("stake", capacity, days, staker)
        if self.lease.leasedTo(capacity.id) == 0:
            self.lane.contract(self.bond).send("join", capacity.id, staker, sender=staker)
        return amount

    def _to_bond(self, function: str, capacity: Registered, days: int, payer: Any) -> int:
        amount = days * penalty_per_unit(capacity.listing) * capacity.listing.units
        coin, bond = self.lane.contract(self.stablecoin), self.lane.contract(self.bond)
        coin.send("mint", payer, amount, sender=self.owner)
        coin.send("approve", bond, amount, sender=payer)
        bond.send(function, capacity.id, amount, sender=payer)
        return amount

    def list_collateral(self, capacity: Registered) -> None:
        """Let shares of the capacity be pledged for loans."""
        terms = CollateralTerms(self.valuation, LOAN_LTV_BPS, LIQUIDATION_LTV_BPS, BONUS_BPS)
        self.vault.listCollateral(capacity.splitter, terms, SUPPLY, sender=self.owner)

    def sign_lease(
        self, capacity: Registered, units: int, days: int, tenant: Any = None, term: int = ON_DEMAND
    ) -> int:
        """Lease from the next midnight on; the tenant's USDC is minted. Answers the lease's id."""
        tenant = tenant or self.tenant
        start = self.lease.nextEpochToBegin(capacity.id)
        request = LeaseRequest(
            capacity.id, tenant.address, term, units, start, start + days, MAX_UINT256
        )
        total = self.lease.quote(request).paid
        self.usdc.mint(tenant, total)
        self.stablecoin.approve(self.lease, total, sender=tenant)
        receipt = self.lease.lease(request, sender=tenant)
        return int(self.lease.Leased.from_receipt(receipt)[0].lease)

    def settle_day(self, capacity: Registered, uptime_bps: int = BPS, load_bps: int = 8_000) -> int:
        """Let the next epoch to settle pass, report it, and settle it once final. Answers the
        epoch."""
        epoch, _ = self.lease.settledTo(capacity.id)
        if self.lane.time < capacity.ends_at(epoch):
            self.lane.mine(at=capacity.ends_at(epoch))
        self.refresh_feeds()
        power = capacity.listing.watts_per_unit * self.lease.unitsLeasedAt(capacity.id, epoch)
        report = Report(capacity.id, epoch, uptime_bps, load_bps, 24 * power * uptime_bps // BPS)
        tree = self.post_reports([report], capacity.ends_at(epoch), f"day-{epoch}.json")
        self.lease.settle(report.as_tuple(), tree.proof(report), sender=self.owner)
        return int(epoch)

    def refresh_feeds(self) -> None:
        """Let every feed say again what it said; an answer older than its heartbeat is stale."""
        for key, feed in self.feeds.items():
            contract = self.lane.contract(feed)
            contract.send("updateAnswer", index_price(key), sender=self.owner)

    def post_reports(self, reports: Sequence[Report], ended_at: int, uri: str) -> ReportTree:
        """Let a quorum sign the reports of the window that ended, post their root, and wait until
        it is final."""
        tree = ReportTree.of(reports)
        window = TELEMETRY_RULES.window_of(ended_at)
        statement = tree.statement(
            ape.chain.chain_id,
            self.telemetry.address,
            self.attestor_set,
            window,
            uri,
            bond_terms()["penalty_below_bps"],
        )
        quorum = attest(statement, self.attestors[:TELEMETRY_THRESHOLD])
        telemetry = self.lane.contract(self.telemetry)
        telemetry.send("postRoot", statement.as_tuple(), quorum, sender=self.owner)
        self.lane.mine(at=self.lane.time + TELEMETRY_RULES.finality_delay)
        return tree


def local_market(rules: MarketRules | None = None) -> LocalMarket:
    """Deploy a market with Circle's FiatToken on the local chain that ape is connected to."""
    if not ape.chain.provider.network.is_local:
        raise MarketError(
            f"a local market needs a local chain, not {ape.chain.provider.network.name};"
            " leave --network away"
        )
    mend_ape()
    lane = Lane.of_ape()
    accounts = ape.accounts.test_accounts
    owner = accounts[0]
    usdc = FiatToken.deploy(owner)
    market = deploy_market(owner, usdc.token, rules=rules)
    attestors = tuple(accounts[len(accounts) - 3 : len(accounts)])
    market.telemetry.createSet(
        sorted((a.address for a in attestors), key=lambda address: int(address, 16)),
        TELEMETRY_THRESHOLD,
        TELEMETRY_RULES.as_tuple(),
        sender=owner,
    )
    feeds = {}
    for key in hardware():
        feeds[key] = owner.deploy(ape.project.PriceFeed, PRICE_DECIMALS, index_price(key))
        name = ascii_bytes(key, 32)
        market.index.setFeed(name, feeds[key], FEED_HEARTBEAT, sender=owner)
        market.valuation.setClass(name, CLASS_TERMS, sender=owner)
    return LocalMarket(
        **{field.name: getattr(market, field.name) for field in fields(market)},
        usdc=usdc,
        lane=lane,
        feeds=feeds,
        attestor_set=market.telemetry.setCount(),
        attestors=attestors,
        owner=owner,
        operator=accounts[1],
        tenant=accounts[2],
        lender=accounts[3],
    )


def index_price(hardware_key: str) -> int:
    """A class's price of an accelerator-hour: its newest in the index, else its listing's own."""
    try:
        return latest_index_price(hardware_key).usd_per_gpu_hour
    except KeyError:
        return min(i.usd_per_gpu_hour for i in listings() if i.hardware.key == hardware_key)


def capacity_config(
    listing: Listing, origin: int, attestor_set: int, stablecoin: str
) -> CapacityConfig:
    """A listing as the registrar takes it: epochs are days, the payee is left open."""
    terms = bond_terms()
    return CapacityConfig(
        hardware_class=ascii_bytes(listing.hardware.key, 32),
        site=ascii_bytes(listing.site, 8),
        service_kind=listing.service_kind,
        country=listing.country,
        accelerators_per_unit=listing.accelerators_per_unit,
        watts_per_unit=listing.watts_per_unit,
        pue_bps=listing.pue_bps,
        units=listing.units,
        epoch_length=DAY,
        lifetime_epochs=LIFETIME_DAYS,
        origin=origin,
        committed_uptime_bps=listing.sla.committed_uptime_bps,
        blackout_credit_bps=BLACKOUT_CREDIT_BPS,
        price_floor_bps=PRICE_FLOOR_BPS,
        attestor_set=attestor_set,
        stablecoin=stablecoin,
        payee=NOBODY,
        tiers=tuple(Tier(*tier) for tier in listing.sla.tiers),
        penalty_below_bps=terms["penalty_below_bps"],
        penalty_per_unit=penalty_per_unit(listing),
        curtailment_epochs=terms["curtailment_epochs"],
        curtailment_credit_bps=terms["curtailment_credit_bps"],
    )


def penalty_per_unit(listing: Listing) -> int:
    """What a day in penalty costs the bond for each leased unit: a day's rent, by assumption."""
    return listing.rent_per_unit() * bond_terms()["penalty_rent_bps"] // BPS


def _listing(key: str) -> Listing:
    found = {listing.key: listing for listing in listings()}
    if key not in found:
        raise MarketError(f"no listing {key!r}; there are {', '.join(found)}")
    return found[key]
