"""CapacityRegistrar: deed, splitter and shares in one transaction, on the real lower layers."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from derrick.market import NOBODY, Term
from derrick.testing import reverts_with

PRICE = 400_000_000
SUPPLY = 1_000_000 * 10**18
TERMS = [Term(1, 365, 10_000)]


@pytest.fixture(scope="module")
def desk(project, bench, owner, treasury):
    """The registrar and what it stands on, with a protocol's leg of 200 bps."""
    factory = owner.deploy(project.RevenueSplitterFactory, owner, bench.capacity, bench.lease)
    factory.setProtocolLeg(200, treasury, sender=owner)
    return SimpleNamespace(
        registrar=owner.deploy(project.CapacityRegistrar, factory),
        factory=factory,
        config=bench.config._replace(payee=NOBODY),
    )


def split(legs: Any = (), supply: int = SUPPLY, max_bps: int = 200) -> Any:
    return (supply, list(legs), max_bps)


def register(desk: Any, operator: Any, how: Any, **changes: Any) -> Any:
    config = desk.config._replace(**changes)
    return desk.registrar.register(config, TERMS, PRICE, how, sender=operator)


def test_says_what_it_stands_on(desk, bench):
    assert desk.registrar.FACTORY() == desk.factory
    assert desk.registrar.CAPACITY() == bench.capacity


def test_deed_and_shares_go_to_the_caller_and_both_name_each_other(
    project, desk, bench, other_operator, lender, treasury
):
    capacity = bench.capacity.nextCapacity()
    receipt = register(desk, other_operator, split([(lender, 1_500, True)]))
    made, address = receipt.return_value
    assert made == capacity
    splitter = project.RevenueSplitter.at(address)

    assert bench.capacity.ownerOf(capacity) == other_operator
    assert tuple(bench.capacity.payeeOf(capacity)) == (splitter.address, bench.coin.address)
    assert bench.capacity.configOf(capacity).units == desk.config.units
    assert len(bench.capacity.configOf(capacity).tiers) == len(desk.config.tiers)
    assert bench.capacity.priceOf(capacity) == PRICE
    assert bench.capacity.termCount(capacity) == len(TERMS)
    assert desk.factory.isSplitter(splitter)
    assert splitter.CAPACITY_ID() == capacity
    assert splitter.STABLECOIN() == bench.coin
    assert splitter.LEASE() == bench.lease
    assert splitter.balanceOf(other_operator) == splitter.totalSupply() == SUPPLY
    assert tuple(splitter.legOf(0)) == (lender, 1_500, True)
    assert tuple(splitter.legOf(1)) == (treasury, 200, True)

    (registered,) = receipt.decode_logs(project.ComputeCapacity.CapacityRegistered)
    assert (registered.capacity, registered.operator, registered.payee) == (
        capacity,
        other_operator,
        splitter,
    )
    (created,) = receipt.decode_logs(project.RevenueSplitterFactory.SplitterCreated)
    assert (created.splitter, created.capacity, created.holder, created.creator) == (
        splitter,
        capacity,
        other_operator,
        desk.registrar,
    )


def test_rent_reaches_the_shares(project, desk, bench, other_operator, tenant, treasury):
    """From a lease to a dividend, over the real engine: one claim pulls what is owed."""
    receipt = register(desk, other_operator, split())
    capacity, address = receipt.return_value
    splitter = project.RevenueSplitter.at(address)
    bench.attest_units(capacity, desk.config.units)
    bench.sign_lease(tenant, capacity=capacity, units=10, start=0, end=2)
    bench.settle(0, capacity=capacity)

    rent = 10 * PRICE
    assert tuple(bench.lease.revenueTotals(capacity)) == (rent, 0)
    assert splitter.claimable(other_operator) == rent * 98 // 100
    splitter.claim(other_operator, sender=other_operator)
    assert bench.coin.balanceOf(other_operator) == rent * 98 // 100
    splitter.claimLeg(0, treasury, sender=treasury)
    assert bench.coin.balanceOf(treasury) == rent * 2 // 100
    assert bench.coin.balanceOf(splitter) == 0


def test_each_gets_its_own(project, desk, bench, operator, other_operator):
    """The same settings twice, and again by another: three capacities, three splitters."""
    made = [
        tuple(register(desk, caller, split()).return_value)
        for caller in (operator, operator, other_operator)
    ]
    assert len({capacity for capacity, _ in made}) == len({address for _, address in made}) == 3
    for capacity, address in made:
        assert project.RevenueSplitter.at(address).CAPACITY_ID() == capacity
        assert bench.capacity.payeeOf(capacity).payee == address


def test_a_registration_in_between_does_no_harm(project, desk, bench, operator, stranger):
    """Whoever comes first takes the id; nothing that was known before is relied on."""
    expected = bench.capacity.nextCapacity()
    bench.capacity.register(
        desk.config._replace(payee=stranger.address), TERMS, PRICE, stranger, sender=stranger
    )
    capacity, address = register(desk, operator, split()).return_value
    assert capacity == expected + 1
    assert bench.capacity.payeeOf(capacity).payee == address


def test_nobody_takes_the_splitter_in_advance(project, desk, bench, operator, stranger):
    """A stranger cannot make a splitter where the registrar's next one will be."""
    capacity = bench.capacity.nextCapacity()
    coming = desk.factory.predict(desk.registrar, capacity, bench.coin, SUPPLY)
    bench.capacity.register(
        desk.config._replace(payee=coming), TERMS, PRICE, stranger, sender=stranger
    )
    with reverts_with(
        project.RevenueSplitterFactory.NotPayee,
        capacity=capacity,
        splitter=desk.factory.predict(stranger, capacity, bench.coin, SUPPLY),
        payee=coming,
    ):
        desk.factory.create((capacity, SUPPLY, stranger, [], 200), sender=stranger)
    made, address = register(desk, operator, split()).return_value
    assert made == capacity + 1
    assert address != coming


def test_leaves_nothing_behind_when_it_fails(project, desk, bench, operator):
    before = bench.capacity.nextCapacity()
    with reverts_with(project.RevenueSplitter.LegsTakeTooMuch, bps=8_001, max=8_000):
        register(desk, operator, split([(operator, 8_001, False)]))
    assert bench.capacity.nextCapacity() == before


def test_a_payee_of_ones_own_is_refused(project, desk, operator, stranger):
    with reverts_with(project.CapacityRegistrar.PayeeGiven, payee=stranger):
        register(desk, operator, split(), payee=stranger.address)


def test_errors_from_below_come_through(project, desk, operator):
    with reverts_with(project.RevenueSplitterFactory.ProtocolTakesTooMuch, bps=200, max=199):
        register(desk, operator, split(max_bps=199))
    with reverts_with(project.RevenueSplitterFactory.SupplyOutOfRange, supply=0, max=10**27):
        register(desk, operator, split(supply=0))
    with reverts_with(
        project.ComputeCapacity.OutOfRange,
        field=b"units".ljust(32, b"\0"),
        value=0,
        min=1,
        max=32_767,
    ):
        register(desk, operator, split(), units=0)
    with reverts_with(project.ComputeCapacity.NoTerms):
        desk.registrar.register(desk.config, [], PRICE, split(), sender=operator)
