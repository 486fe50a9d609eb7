"""A month of a local market in which an investor earns, buys, sells and claims shares.

For pictures and examples: `play(local_market())` leaves all of it on the embedded node.
"""

from __future__ import annotations

from typing import Any

import ape

from derrick.data import BPS
from derrick.market import SUPPLY, LocalMarket, Registered
from derrick.telemetry import Report

DAYS = 30
SHARE = 10**18
BITCOIN = 10**8


def play(market: LocalMarket) -> Any:
    """Thirty days of two capacities, one of which mines bitcoin too. Answers the investor."""
    investor, buyer = market.lender, market.tenant
    bitcoin = market.owner.deploy(ape.project.MockERC20, "Wrapped Bitcoin", "WBTC", 8)
    market.factory.setDividendToken(bitcoin, True, sender=market.owner)
    iowa, virginia = market.register("h100-iowa"), market.register("h100-n-virginia")
    virginia.splitter.addToken(bitcoin, sender=market.operator)
    for capacity, part in ((iowa, 8), (virginia, 5)):
        capacity.splitter.transfer(investor, SUPPLY // part, sender=market.operator)
        market.sign_lease(capacity, units=4, days=DAYS)
    for day in range(DAYS):
        _settle(market, day, {iowa: 9_300 if day in (17, 18) else BPS, virginia: BPS})
        _events_of(day, market, investor, buyer, bitcoin, (iowa, virginia))
    return investor


def _settle(market: LocalMarket, day: int, uptimes: dict[Registered, int]) -> None:
    """Let a day pass, one root for all capacities be posted, and each of them settled."""
    ends = max(capacity.ends_at(day) for capacity in uptimes)
    market.lane.mine(at=ends)
    market.refresh_feeds()
    reports = [Report(capacity.id, day, bps, 8_000, 1) for capacity, bps in uptimes.items()]
    tree = market.post_reports(reports, ends, f"day-{day}.json")
    lease = market.lane.contract(market.lease)
    for report in reports:
        arguments = report.as_tuple(), tree.proof(report)
        lease.send("settle", *arguments, sender=market.owner)


def _events_of(
    day: int,
    market: LocalMarket,
    investor: Any,
    buyer: Any,
    bitcoin: Any,
    capacities: tuple[Registered, Registered],
) -> None:
    """What else happens on a day."""
    iowa, virginia = (capacity.splitter for capacity in capacities)
    if day % 6 == 4:
        bitcoin.mint(virginia, BITCOIN // 40, sender=market.owner)
        virginia.sync(bitcoin, sender=buyer)
    if day == 8:
        market.collector.claimMany([iowa, virginia], investor, sender=buyer)
    if day == 13:
        iowa.transfer(investor, SUPPLY // 8, sender=market.operator)
    if day == 20:
        virginia.claim(investor, sender=investor)
    if day == 24:
        virginia.transfer(buyer, SUPPLY // 20, sender=investor)
