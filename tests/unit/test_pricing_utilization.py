"""Pricing by use: who sets the curve, its exact figures, and leases signed at them."""

from __future__ import annotations

import pytest

from derrick.market import NOBODY, ascii_bytes
from derrick.testing import reverts_with

IDLE, KINK, FULL = 100_000_000, 200_000_000, 1_000_000_000
CURVE = (IDLE, KINK, FULL, 8_000)
"""100 dollars for the first unit, 200 at a use of 80 %, 1,000 for the last."""

MAX = 2**80 - 1
UNITS = 100


@pytest.fixture(scope="module")
def module(project, bench):
    """The module, in use by capacity 1."""
    module = bench.owner.deploy(project.UtilizationPricing, bench.capacity, bench.lease)
    module.setCurve(1, *CURVE, sender=bench.operator)
    bench.capacity.setPricing(1, module, sender=bench.operator)
    return module


@pytest.fixture
def anything(bench):
    """A request that agrees to any rent."""
    return lambda tenant, **changes: bench.request(tenant, max_rent=2**88, **changes)


@pytest.fixture
def sign(bench):
    return lambda tenant, **changes: bench.sign_lease(tenant, max_rent=2**88, **changes)


class TestDeploying:
    def test_what_it_rests_on(self, bench, module):
        assert module.CAPACITY() == bench.capacity
        assert module.LEASE() == bench.lease

    def test_no_deeds(self, project, bench):
        with reverts_with(
            project.UtilizationPricing.BadAddress,
            field=ascii_bytes("capacity", 32),
            value=NOBODY,
        ):
            bench.owner.deploy(project.UtilizationPricing, NOBODY, bench.lease)

    def test_an_engine_of_other_deeds(self, project, bench):
        fleet = bench.owner.deploy(project.PricedFleet, bench.owner)
        with reverts_with(
            project.UtilizationPricing.BadAddress, field=ascii_bytes("lease", 32), value=bench.lease
        ):
            bench.owner.deploy(project.UtilizationPricing, fleet, bench.lease)


class TestSetting:
    def test_the_curve(self, bench, module):
        receipt = module.setCurve(1, 1, 2, 3, 4, sender=bench.operator)
        (event,) = receipt.decode_logs(module.CurveSet)
        assert (event.capacity, tuple(event.curve)) == (1, (1, 2, 3, 4))
        assert tuple(module.curveOf(1)) == (1, 2, 3, 4)

    def test_deed_owner_only(self, bench, module, stranger):
        with reverts_with(module.NotDeedOwner, capacity=1, caller=stranger):
            module.setCurve(1, *CURVE, sender=stranger)

    def test_whoever_buys_the_deed_sets_it_from_then_on(self, bench, module, other_operator):
        bench.capacity.transferFrom(bench.operator, other_operator, 1, sender=bench.operator)
        assert tuple(module.curveOf(1)) == CURVE
        with reverts_with(module.NotDeedOwner, capacity=1, caller=bench.operator):
            module.setCurve(1, *CURVE, sender=bench.operator)
        module.setCurve(1, 1, 1, 1, 1, sender=other_operator)
        assert tuple(module.curveOf(1)) == (1, 1, 1, 1)

    def test_an_unknown_capacity(self, bench, module):
        with reverts_with("TokenDoesNotExist()"):
            module.setCurve(2, *CURVE, sender=bench.operator)

    @pytest.mark.parametrize(
        ("curve", "field", "value", "least", "most"),
        [
            ((0, KINK, FULL, 8_000), "idlePrice", 0, 1, MAX),
            ((MAX + 1, MAX + 1, MAX + 1, 8_000), "idlePrice", MAX + 1, 1, MAX),
            ((IDLE, IDLE - 1, FULL, 8_000), "kinkPrice", IDLE - 1, IDLE, MAX),
            ((IDLE, MAX + 1, MAX + 1, 8_000), "kinkPrice", MAX + 1, IDLE, MAX),
            ((IDLE, KINK, KINK - 1, 8_000), "fullPrice", KINK - 1, KINK, MAX),
            ((IDLE, KINK, 2**255, 8_000), "fullPrice", 2**255, KINK, MAX),
            ((IDLE, KINK, FULL, 0), "kinkBps", 0, 1, 9_999),
            ((IDLE, KINK, FULL, 10_000), "kinkBps", 10_000, 1, 9_999),
        ],
    )
    def test_out_of_range(self, bench, module, curve, field, value, least, most):
        with reverts_with(
            module.OutOfRange, field=ascii_bytes(field, 32), value=value, min=least, max=most
        ):
            module.setCurve(1, *curve, sender=bench.operator)

    @pytest.mark.parametrize("curve", [(1, 1, 1, 1), (MAX, MAX, MAX, 9_999), (1, 1, MAX, 9_999)])
    def test_the_last_in_range(self, bench, module, curve):
        module.setCurve(1, *curve, sender=bench.operator)
        assert tuple(module.curveOf(1)) == curve
        assert curve[0] <= module.quote(1, 0, 1_000, UNITS) <= curve[2]


class TestQuotes:
    @pytest.mark.parametrize(
        ("units", "price"),
        [
            (1, 100_625_000),
            (10, 106_250_000),
            (80, 150_000_000),
            (90, 177_777_778),  # 80 % at a mean of 150 and 10 % at one of 400
            (100, 240_000_000),
        ],
    )
    def test_an_idle_capacity(self, module, units, price):
        """The mean of the straight line over what is taken, whatever the epochs."""
        assert module.quote(1, 2, 3, units) == price
        assert module.quote(1, 0, 1_000, units) == price

    def test_no_unit_is_priced_as_one_and_too_many_as_all(self, module):
        assert module.quote(1, 2, 3, 0) == 100_625_000
        assert module.quote(1, 2, 3, UNITS + 1) == 240_000_000
        assert module.quote(1, 2, 3, 2**256 - 1) == 240_000_000

    def test_what_is_leased_counts_in_the_asked_epochs_only(self, module, sign, tenant):
        sign(tenant, units=40, start=2, end=12)
        assert module.quote(1, 2, 12, 10) == 156_250_000  # from 40 to 50 %
        assert module.quote(1, 2, 22, 10) == 131_250_000  # half the epochs: from 20 to 30 %
        assert module.quote(1, 12, 22, 10) == 106_250_000
        assert module.quote(1, 0, 2, 10) == 106_250_000

    def test_an_order_across_the_kink(self, module, sign, tenant):
        sign(tenant, units=75)
        assert module.quote(1, 2, 12, 10) == 248_437_500  # halves at 196.875 and 300

    def test_beyond_full_use(self, module, sign, tenant):
        sign(tenant, units=95)
        assert module.quote(1, 2, 12, 10) == 950_000_000  # halves at 900 and 1,000
        sign(tenant, units=5)
        assert module.quote(1, 2, 12, 10) == FULL

    def test_rounded_up(self, bench, module):
        module.setCurve(1, 1, 2, 3, 5_000, sender=bench.operator)
        assert module.quote(1, 2, 3, 1) == 2  # 1.01
        assert module.quote(1, 2, 3, UNITS) == 2  # exactly

    def test_nothing_attested(self, bench, module):
        bench.capacity.register(
            bench.config, [(1, 365, 10_000, 0, 0, False)], 1, bench.operator, sender=bench.operator
        )
        module.setCurve(2, *CURVE, sender=bench.operator)
        assert module.quote(2, 2, 3, 1) == FULL

    def test_no_curve(self, bench, module, tenant):
        bench.capacity.register(
            bench.config, [(1, 365, 10_000, 0, 0, False)], 1, bench.operator, sender=bench.operator
        )
        with reverts_with(module.NotSet, capacity=2):
            module.curveOf(2)
        with reverts_with(module.NotSet, capacity=2):
            module.quote(2, 2, 3, 1)
        bench.capacity.setPricing(2, module, sender=bench.operator)
        with reverts_with(module.NotSet, capacity=2):
            bench.lease.quote(bench.request(tenant, capacity=2))


class TestLeases:
    def test_a_lease_pays_what_was_quoted(self, bench, module, sign, anything, tenant):
        before = bench.coin.balanceOf(bench.lease)
        lease = sign(tenant, units=10)
        assert bench.lease.leaseOf(lease).rent == 106_250_000
        assert bench.coin.balanceOf(bench.lease) - before == 106_250_000 * 10 * 10
        assert bench.lease.quote(anything(tenant, units=10)).rent == 118_750_000

    def test_the_term_applies_to_it(self, bench, module, anything, tenant):
        rent = bench.lease.quote(anything(tenant, units=10, term=1, end=32)).rent
        assert rent == -(-106_250_000 * 8_001 // 10_000)

    def test_the_next_order_costs_more(self, bench, module, sign, tenant, other_tenant):
        rents = [bench.lease.leaseOf(sign(who, units=50)).rent for who in (tenant, other_tenant)]
        assert rents == [131_250_000, 348_750_000]
        assert sum(rents) == 2 * 240_000_000  # the same as all units at once

    def test_nobody_pays_more_than_agreed(self, bench, module, tenant):
        request = bench.request(tenant, max_rent=106_250_000)
        assert bench.lease.quote(request).rent == 106_250_000
        module.setCurve(1, IDLE, KINK + 8, FULL, 8_000, sender=bench.operator)
        with reverts_with(bench.lease.RentAboveMax, rent=106_250_001, maxRent=106_250_000):
            bench.lease.lease(request, sender=tenant)
