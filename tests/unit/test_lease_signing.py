"""Signing at once: permits on Circle's own code, several calls in one; and the kinds of terms."""

from typing import NamedTuple

import pytest

from derrick.fiat import UNLIMITED, FiatToken
from derrick.market import LEASES_PER_CAPACITY, MAX_UINT256, Term
from derrick.testing import reverts_with, reverts_without_data
from tests.unit.conftest import PRICE

FIRST = LEASES_PER_CAPACITY + 1
USDC_FIRST = 2 * LEASES_PER_CAPACITY + 1
RATE = 10 * PRICE
ROLLING = Term(1, 365, 10_000, 1, 1)


# ---- permits


@pytest.fixture(scope="module")
def usdc(bench, owner, tenant, other_tenant):
    """Circle's FiatToken, in which capacity 2 settles. Tenants have some, and allowed nothing."""
    usdc = FiatToken.deploy(owner)
    bench.stablecoins.setStablecoin(usdc.token, True, sender=owner)
    config = bench.config._replace(stablecoin=usdc.token.address)
    assert bench.register(config, [ROLLING]) == 2
    for account in (tenant, other_tenant):
        usdc.mint(account, 100 * RATE)
    return usdc


@pytest.fixture
def asked(bench, tenant):
    return bench.request(tenant, capacity=2)


def permit(usdc, bench, holder, value, deadline=UNLIMITED):
    """A `Permit` that the holder signed for the lease engine."""
    return (value, deadline, *usdc.sign_permit(holder, bench.lease, value, deadline))


def test_a_permit_signs_and_pays_in_one_call(usdc, bench, tenant, asked):
    paid = bench.lease.quote(asked).paid
    assert usdc.token.allowance(tenant, bench.lease) == 0
    lease = bench.lease.leaseWithPermit(
        asked, permit(usdc, bench, tenant, paid), sender=tenant
    ).return_value
    assert bench.lease.ownerOf(lease) == tenant
    assert usdc.token.balanceOf(bench.lease) == paid == 2 * RATE
    assert usdc.token.balanceOf(tenant) == 100 * RATE - paid
    assert usdc.token.allowance(tenant, bench.lease) == 0


def test_a_permit_that_somebody_else_brought_does_no_harm(usdc, bench, tenant, stranger, asked):
    """Whoever sees it in the queue can bring it first; the token takes it once."""
    signed = permit(usdc, bench, tenant, 2 * RATE)
    usdc.token.permit(tenant, bench.lease, *signed, sender=stranger)
    lease = bench.lease.leaseWithPermit(asked, signed, sender=tenant).return_value
    assert bench.lease.ownerOf(lease) == tenant


@pytest.mark.parametrize("fault", ["expired", "of another"])
def test_what_counts_is_the_allowance_that_stands(usdc, bench, tenant, other_tenant, asked, fault):
    """A permit that is none gives nothing, and takes nothing."""
    signer = other_tenant if fault == "of another" else tenant
    deadline = 1 if fault == "expired" else UNLIMITED
    signed = permit(usdc, bench, signer, 2 * RATE, deadline)
    with reverts_with("TransferFromFailed()"):
        bench.lease.leaseWithPermit(asked, signed, sender=tenant)
    assert usdc.token.balanceOf(signer) == 100 * RATE
    usdc.token.approve(bench.lease, 2 * RATE, sender=tenant)
    lease = bench.lease.leaseWithPermit(asked, signed, sender=tenant).return_value
    assert bench.lease.ownerOf(lease) == tenant


def test_a_permit_for_too_little_leases_nothing(usdc, bench, tenant, asked):
    signed = permit(usdc, bench, tenant, 2 * RATE - 1)
    with reverts_with("TransferFromFailed()"):
        bench.lease.leaseWithPermit(asked, signed, sender=tenant)
    assert usdc.token.allowance(tenant, bench.lease) == 0
    with reverts_with(bench.lease.UnknownLease, lease=USDC_FIRST):
        bench.lease.leaseOf(USDC_FIRST)


def test_nobody_leases_on_the_permit_of_another(usdc, bench, tenant, other_tenant, asked):
    """It is the caller's allowance that pays, whoever the lease is for."""
    signed = permit(usdc, bench, tenant, 2 * RATE)
    with reverts_with("TransferFromFailed()"):
        bench.lease.leaseWithPermit(
            asked._replace(tenant=other_tenant), signed, sender=other_tenant
        )
    lease = bench.lease.leaseWithPermit(
        asked._replace(tenant=other_tenant), signed, sender=tenant
    ).return_value
    assert bench.lease.ownerOf(lease) == other_tenant
    assert usdc.token.balanceOf(other_tenant) == 100 * RATE


# ---- several calls at once


def test_a_permit_and_a_payment_in_one_transaction(usdc, bench, tenant, asked):
    engine = bench.lease
    engine.leaseWithPermit(asked, permit(usdc, bench, tenant, 2 * RATE), sender=tenant)
    engine.multicall(
        [
            engine.permitStablecoin.encode_input(2, permit(usdc, bench, tenant, 3 * RATE)),
            engine.topUp.encode_input(USDC_FIRST, 3),
        ],
        sender=tenant,
    )
    assert engine.leaseOf(USDC_FIRST).fundedTo == 2 + 1 + 3
    assert usdc.token.allowance(tenant, engine) == 0


@pytest.fixture
def lapsed(bench, owner, tenant, other_tenant):
    """A lease of all units that was not paid on, and another tenant who wants them."""
    bench.capacity.addTerm(1, ROLLING, sender=bench.operator)
    lease = bench.sign_lease(tenant, term=2, units=100)
    bench.coin.mint(other_tenant, 100 * RATE, sender=owner)
    bench.coin.approve(bench.lease, MAX_UINT256, sender=other_tenant)
    bench.go_to_epoch(3)
    return lease


def test_what_lapsed_is_closed_and_leased_anew_at_once(bench, other_tenant, lapsed):
    engine = bench.lease
    request = bench.request(other_tenant, term=2, units=100, start=4)
    with reverts_with(engine.NotEnoughUnits, asked=100, free=0):
        engine.lease(request, sender=other_tenant)
    close = engine.lapse.encode_input(lapsed)
    receipt = engine.multicall([close, engine.lease.encode_input(request)], sender=other_tenant)
    bounty, lease = (int.from_bytes(answer, "big") for answer in receipt.return_value)
    assert (bounty, lease) == (10 * RATE // 100, lapsed + 1)
    assert engine.ownerOf(lease) == other_tenant
    assert engine.refundOf(bench.coin, other_tenant) == bounty


def test_of_several_calls_all_or_none_happen(bench, other_tenant, lapsed):
    engine = bench.lease
    request = bench.request(other_tenant, term=2, units=101, start=4)
    close = engine.lapse.encode_input(lapsed)
    with reverts_with(engine.BadUnits, units=101, max=100):
        engine.multicall([close, engine.lease.encode_input(request)], sender=other_tenant)
    assert engine.refundOf(bench.coin, other_tenant) == 0
    assert engine.leaseOf(lapsed).end == 12


def test_no_call_among_several_takes_ether(bench, other_tenant, lapsed):
    close = bench.lease.lapse.encode_input(lapsed)
    with reverts_without_data():
        bench.lease.multicall([close], sender=other_tenant, value=1)


# ---- kinds of terms: settings of one struct


class Kind(NamedTuple):
    """A term, and what a lease of ten units for epochs 0 … 29 under it means.

    signing: epochs paid when it is signed. ended: what notice in epoch 9, paid up to there, moves:
    the new end, then epochs still due, given back and forfeited.
    """

    term: Term
    rent: int
    signing: int
    ended: tuple[int, int, int, int]


KINDS = {
    "on demand": Kind(Term(1, 30, 10_000, 1, 1), PRICE, 2, (11, 1, 0, 1)),
    "reserved": Kind(Term(30, 365, 8_500, 7, 10), PRICE * 85 // 100, 17, (17, 7, 0, 10)),
    "prepaid": Kind(Term(30, 365, 7_500, 0, 4_096), PRICE * 3 // 4, 30, (10, 0, 0, 20)),
    "spot": Kind(Term(1, 365, 4_000, 0, 0, True), PRICE * 2 // 5, 1, (10, 0, 0, 0)),
}
"""The table in docs/pricing.md shows the same."""


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


def test_what_a_term_asks_at_signing_and_when_left(bench, owner, tenant, kind):
    term = bench.capacity.addTerm(1, kind.term, sender=bench.operator).return_value
    request = bench.request(tenant, term=term, start=0, end=30)
    rent, paid, _ = bench.lease.quote(request)
    assert (rent, paid) == (kind.rent, kind.signing * 10 * kind.rent)
    lease = bench.sign_lease(tenant, term=term, start=0, end=30)
    funded = bench.lease.leaseOf(lease).fundedTo
    bench.coin.mint(tenant, 100 * RATE, sender=owner)
    bench.coin.approve(bench.lease, MAX_UINT256, sender=tenant)
    if funded < 10:
        bench.lease.topUp(lease, 10 - funded, sender=tenant)
    bench.go_to_epoch(9)
    assert tuple(bench.lease.terminate(lease, sender=tenant).return_value) == kind.ended


def test_who_can_be_sent_away(bench, tenant, kind):
    term = bench.capacity.addTerm(1, kind.term, sender=bench.operator).return_value
    lease = bench.sign_lease(tenant, term=term, start=0, end=30)
    if kind.term.preemptible:
        bench.lease.preempt(lease, sender=bench.operator)
        assert bench.lease.refundOf(bench.coin, tenant) == kind.signing * 10 * kind.rent
    else:
        with reverts_with(bench.lease.NotPreemptible, lease=lease):
            bench.lease.preempt(lease, sender=bench.operator)
