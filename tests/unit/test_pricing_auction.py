"""Pricing that falls as epochs come near: setting it, exact figures, and leases signed at them."""

from __future__ import annotations

import pytest

from derrick.market import DAY, HOUR, NOBODY, ascii_bytes
from derrick.testing import reverts_with

HIGH, LOW, LEAD = 600_000_000, 200_000_000, 40 * DAY
AUCTION = (HIGH, LOW, LEAD)
"""600 dollars until 40 days before, then 10 dollars less a day, down to 200."""

MAX = 2**80 - 1


@pytest.fixture(scope="module")
def module(project, bench):
    """The module, in use by capacity 1."""
    module = bench.owner.deploy(project.DutchAuctionPricing, bench.capacity)
    module.setAuction(1, *AUCTION, sender=bench.operator)
    bench.capacity.setPricing(1, module, sender=bench.operator)
    return module


class TestDeploying:
    def test_what_it_rests_on(self, bench, module):
        assert module.CAPACITY() == bench.capacity

    def test_no_deeds(self, project, bench):
        with reverts_with(
            project.DutchAuctionPricing.BadAddress,
            field=ascii_bytes("capacity", 32),
            value=NOBODY,
        ):
            bench.owner.deploy(project.DutchAuctionPricing, NOBODY)


class TestSetting:
    def test_the_auction(self, bench, module):
        receipt = module.setAuction(1, 3, 2, HOUR, sender=bench.operator)
        (event,) = receipt.decode_logs(module.AuctionSet)
        auction = (3, 2, HOUR, bench.config.origin, DAY)
        assert (event.capacity, tuple(event.auction)) == (1, auction)
        assert tuple(module.auctionOf(1)) == auction

    def test_deed_owner_only(self, bench, module, stranger):
        with reverts_with(module.NotDeedOwner, capacity=1, caller=stranger):
            module.setAuction(1, *AUCTION, sender=stranger)

    def test_whoever_buys_the_deed_sets_it_from_then_on(self, bench, module, other_operator):
        bench.capacity.transferFrom(bench.operator, other_operator, 1, sender=bench.operator)
        assert tuple(module.auctionOf(1))[:3] == AUCTION
        with reverts_with(module.NotDeedOwner, capacity=1, caller=bench.operator):
            module.setAuction(1, *AUCTION, sender=bench.operator)
        module.setAuction(1, 1, 1, HOUR, sender=other_operator)
        assert tuple(module.auctionOf(1))[:3] == (1, 1, HOUR)

    def test_an_unknown_capacity(self, bench, module):
        with reverts_with("TokenDoesNotExist()"):
            module.setAuction(2, *AUCTION, sender=bench.operator)

    @pytest.mark.parametrize(
        ("auction", "field", "value", "least", "most"),
        [
            ((HIGH, 0, LEAD), "lowPrice", 0, 1, MAX),
            ((MAX + 1, MAX + 1, LEAD), "lowPrice", MAX + 1, 1, MAX),
            ((LOW - 1, LOW, LEAD), "highPrice", LOW - 1, LOW, MAX),
            ((2**255, LOW, LEAD), "highPrice", 2**255, LOW, MAX),
            ((HIGH, LOW, HOUR - 1), "leadTime", HOUR - 1, HOUR, 365 * DAY),
            ((HIGH, LOW, 365 * DAY + 1), "leadTime", 365 * DAY + 1, HOUR, 365 * DAY),
        ],
    )
    def test_out_of_range(self, bench, module, auction, field, value, least, most):
        with reverts_with(
            module.OutOfRange, field=ascii_bytes(field, 32), value=value, min=least, max=most
        ):
            module.setAuction(1, *auction, sender=bench.operator)

    @pytest.mark.parametrize("auction", [(1, 1, HOUR), (MAX, MAX, 365 * DAY), (MAX, 1, HOUR)])
    def test_the_last_in_range(self, bench, module, auction):
        module.setAuction(1, *auction, sender=bench.operator)
        assert tuple(module.auctionOf(1))[:3] == auction
        assert auction[1] <= module.quote(1, 0, 1_000, 1) <= auction[0]


class TestQuotes:
    @pytest.mark.parametrize(
        ("start", "end", "price"),
        [
            (10, 11, 200_000_000),  # begins this second
            (11, 12, 210_000_000),
            (49, 50, 590_000_000),
            (50, 51, HIGH),
            (51, 52, HIGH),
            (900, 1_000, HIGH),
            (10, 50, 395_000_000),  # 200, 210, … 590
            (20, 30, 345_000_000),  # 300, 310, … 390
            (45, 55, 585_000_000),  # 550, … 590, then five at 600
            (0, 10, LOW),  # all have begun
            (5, 15, 210_000_000),  # five have begun, then 200, … 240
            (5, 105, 498_000_000),  # 5 at 200, 40 up to 590, 55 at 600
        ],
    )
    def test_the_mean_of_each_epochs_own_price(self, bench, module, start, end, price):
        bench.go_to_epoch(10)
        assert module.quote(1, start, end, 1) == price
        assert module.quote(1, start, end, 2**256 - 1) == price

    def test_within_an_epoch(self, bench, module):
        bench.lane.mine(at=bench.config.origin + 10 * DAY + DAY // 4)
        assert module.quote(1, 10, 11, 1) == LOW
        assert module.quote(1, 11, 12, 1) == 207_500_000
        assert module.quote(1, 50, 51, 1) == 597_500_000
        assert module.quote(1, 51, 52, 1) == HIGH

    def test_before_the_first_epoch(self, bench, module):
        ahead = bench.config.origin - bench.lane.time
        assert 0 < ahead < DAY
        fall = (HIGH - LOW) * ahead
        assert module.quote(1, 0, 1, 1) == LOW + -(-fall // LEAD)

    def test_rounded_up(self, bench, module):
        module.setAuction(1, 2, 1, 365 * DAY, sender=bench.operator)
        bench.go_to_epoch(10)
        assert module.quote(1, 10, 11, 1) == 1
        assert module.quote(1, 11, 12, 1) == 2

    def test_no_auction(self, bench, module, tenant):
        bench.capacity.register(
            bench.config, [(1, 365, 10_000, 0, 0, False)], 1, bench.operator, sender=bench.operator
        )
        with reverts_with(module.NotSet, capacity=2):
            module.auctionOf(2)
        with reverts_with(module.NotSet, capacity=2):
            module.quote(2, 2, 3, 1)
        bench.capacity.setPricing(2, module, sender=bench.operator)
        with reverts_with(module.NotSet, capacity=2):
            bench.lease.quote(bench.request(tenant, capacity=2))


class TestLeases:
    def test_a_lease_pays_what_was_quoted(self, bench, module, tenant):
        """At the time of its own block, a few seconds after the quote."""
        bench.go_to_epoch(10)
        request = bench.request(tenant, start=20, end=30, max_rent=345_000_000)
        bench.coin.mint(tenant, 345_000_000 * 100, sender=bench.owner)
        bench.coin.approve(bench.lease, 2**256 - 1, sender=tenant)
        before = bench.coin.balanceOf(bench.lease)
        lease = bench.lease.lease(request, sender=tenant).return_value
        late = bench.lane.time - bench.config.origin - 10 * DAY
        rent = 345_000_000 - (HIGH - LOW) * late // LEAD
        assert late > 0
        assert bench.lease.leaseOf(lease).rent == rent
        assert bench.coin.balanceOf(bench.lease) - before == rent * 10 * 10

    def test_the_term_applies_to_it(self, bench, module, tenant):
        bench.go_to_epoch(10)
        request = bench.request(tenant, term=1, start=60, end=90, max_rent=HIGH)
        assert bench.lease.quote(request).rent == HIGH * 8_001 // 10_000

    def test_nobody_pays_more_than_agreed(self, bench, module, tenant):
        request = bench.request(tenant, start=60, end=70, max_rent=HIGH)
        assert bench.lease.quote(request).rent == HIGH
        module.setAuction(1, HIGH + 1, LOW, LEAD, sender=bench.operator)
        with reverts_with(bench.lease.RentAboveMax, rent=HIGH + 1, maxRent=HIGH):
            bench.lease.lease(request, sender=tenant)
