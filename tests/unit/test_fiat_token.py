"""Circle's FiatToken behaves as the USDC that the market settles in."""

from __future__ import annotations

import pytest

from derrick import fiat
from derrick.fiat import FiatToken
from derrick.testing import reverts_with_reason

USDC = 10**6


@pytest.fixture(scope="module")
def usdc(owner):
    return FiatToken.deploy(owner)


@pytest.fixture(scope="module")
def token(usdc, lender):
    usdc.mint(lender, 1_000 * USDC)
    return usdc.token


def test_is_initialised(token):
    assert (token.name(), token.symbol(), token.decimals()) == ("USD Coin", "USDC", 6)
    assert token.version() == "2"


def test_mint_and_transfer(token, lender, tenant):
    token.transfer(tenant, 400 * USDC, sender=lender)
    assert token.balanceOf(lender) == 600 * USDC
    assert token.balanceOf(tenant) == 400 * USDC
    assert token.totalSupply() == 1_000 * USDC


def test_blacklist_stops_an_account(usdc, token, lender, tenant):
    usdc.blacklist(tenant)
    with reverts_with_reason("Blacklistable: account is blacklisted"):
        token.transfer(tenant, USDC, sender=lender)
    usdc.unblacklist(tenant)
    token.transfer(tenant, USDC, sender=lender)


def test_pause_stops_everybody(usdc, token, lender, tenant):
    usdc.pause()
    with reverts_with_reason("Pausable: paused"):
        token.transfer(tenant, USDC, sender=lender)
    usdc.unpause()
    token.transfer(tenant, USDC, sender=lender)


def test_permit_takes_a_real_signature(usdc, token, lender, borrower, stranger):
    v, r, s = usdc.sign_permit(lender, borrower, 5 * USDC)
    with reverts_with_reason("EIP2612: invalid signature"):
        token.permit(lender, borrower, 6 * USDC, fiat.UNLIMITED, v, r, s, sender=stranger)
    token.permit(lender, borrower, 5 * USDC, fiat.UNLIMITED, v, r, s, sender=stranger)
    assert token.allowance(lender, borrower) == 5 * USDC


def test_the_lane_speaks_it_too(lane, token, lender, tenant):
    bound = lane.contract(token, "USDC")
    bound.send("transfer", tenant, USDC, sender=lender)
    assert bound.read("balanceOf", tenant) == USDC
    with reverts_with_reason("ERC20: transfer amount exceeds balance"):
        bound.send("transfer", lender, 2 * USDC, sender=tenant)


def test_missing_packages_are_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(fiat, "ARTIFACTS", tmp_path)
    with pytest.raises(fiat.MissingArtifactsError, match="run `make setup`"):
        fiat._artifact("v1/FiatTokenProxy.sol")
