"""Invariant 12, with Circle's own code: whoever USDC has frozen holds up nobody else, nothing is
lost, and all recovers.

Each case says who is held up, who is not, and that afterwards everybody has been paid in full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from derrick.fiat import FiatToken
from derrick.testing import reverts_with
from tests.splitter_stage import (
    NOT_PAID,
    OPEX,
    OPEX_BPS,
    PROTOCOL,
    RESERVE,
    SUPPLY,
    USD,
    SplitterStage,
    index_of,
)

CAPACITY = 11
RENT = 1_000 * USD
HALF = index_of(RENT) // 2
OPEX_PART, RESERVE_PART, PROTOCOL_PART = 150 * USD, 33_300_000, 20 * USD


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def usdc(owner):
    return FiatToken.deploy(owner)


@pytest.fixture(scope="module")
def splitter(stage, usdc, owner, operator, tenant):
    """A splitter in USDC that is owed 1,000, half its shares the tenant's."""
    splitter = stage.split(usdc.token, capacity=CAPACITY)
    splitter.transfer(tenant, SUPPLY // 2, sender=operator)
    usdc.mint(stage.engine, RENT)
    stage.engine.earn(CAPACITY, RENT, sender=owner)
    return splitter


@pytest.fixture
def all_recover(splitter, usdc, stage, operator, tenant, lender, treasury) -> Callable[[], None]:
    """Everybody takes out what is left; the splitter is empty but for what rounding leaves."""

    def run() -> None:
        for holder in (operator, tenant):
            splitter.claimFor(holder, sender=stage.owner)
        for leg, recipient in ((OPEX, operator), (RESERVE, lender), (PROTOCOL, treasury)):
            splitter.claimLeg(leg, recipient, sender=recipient)
        received, paid = splitter.totals()
        assert (received, paid) == (RENT, 2 * HALF + OPEX_PART + RESERVE_PART + PROTOCOL_PART)
        assert usdc.token.balanceOf(splitter) == received - paid

    return run


def paid(usdc: FiatToken, *accounts: Any) -> list[int]:
    return [usdc.token.balanceOf(account) for account in accounts]


class TestHolder:
    def test_claims_to_another_address(self, splitter, usdc, operator, tenant, stranger):
        usdc.blacklist(tenant)
        with reverts_with(NOT_PAID):
            splitter.claimFor(tenant, sender=stranger)
        with reverts_with(NOT_PAID):
            splitter.claim(tenant, sender=tenant)
        assert splitter.claimFor(operator, sender=stranger).return_value == HALF
        assert splitter.claim(stranger, sender=tenant).return_value == HALF
        assert paid(usdc, operator, stranger, tenant) == [HALF, HALF, 0]

    def test_sells_and_keeps_what_it_earned(self, splitter, usdc, tenant, stranger, all_recover):
        usdc.blacklist(tenant)
        splitter.transfer(stranger, SUPPLY // 2, sender=tenant)
        assert (splitter.claimable(tenant), splitter.claimable(stranger)) == (HALF, 0)
        usdc.unblacklist(tenant)
        all_recover()
        assert paid(usdc, tenant) == [HALF]

    def test_holds_up_no_other(
        self, splitter, usdc, operator, tenant, lender, treasury, owner, all_recover
    ):
        usdc.blacklist(tenant)
        usdc.mint(splitter, USD)
        assert splitter.sync(usdc.token, sender=owner).return_value == USD
        splitter.claim(operator, sender=operator)
        splitter.claimLeg(PROTOCOL, treasury, sender=treasury)
        splitter.claimLeg(RESERVE, lender, sender=lender)
        usdc.unblacklist(tenant)
        assert splitter.claimFor(tenant, sender=owner).return_value == index_of(RENT + USD) // 2


class TestLeg:
    def test_is_claimed_elsewhere_or_moved(self, splitter, usdc, treasury, stranger):
        usdc.blacklist(treasury)
        with reverts_with(NOT_PAID):
            splitter.claimLeg(PROTOCOL, treasury, sender=treasury)
        assert splitter.claimLeg(PROTOCOL, stranger, sender=treasury).return_value == PROTOCOL_PART
        splitter.moveLeg(PROTOCOL, stranger, sender=treasury)
        assert splitter.legOf(PROTOCOL).recipient == stranger

    def test_holds_up_no_other(
        self, splitter, usdc, operator, tenant, lender, treasury, all_recover
    ):
        usdc.blacklist(treasury)
        usdc.blacklist(lender)
        assert splitter.claim(operator, sender=operator).return_value == HALF
        assert splitter.claim(tenant, sender=tenant).return_value == HALF
        assert splitter.claimLeg(OPEX, operator, sender=operator).return_value == OPEX_PART
        usdc.unblacklist(treasury)
        usdc.unblacklist(lender)
        all_recover()

    def test_ends_and_is_paid_later(self, splitter, usdc, stage, operator, tenant, lane):
        """All shares in one hand: the frozen recipient's leg ends, what it earned waits."""
        splitter.transfer(operator, SUPPLY // 2, sender=tenant)
        lane.mine()
        usdc.blacklist(operator)
        splitter.changeLegs([], sender=operator)
        assert splitter.legClaimable(OPEX) == RENT * OPEX_BPS // 10_000
        with reverts_with(NOT_PAID):
            splitter.claimLeg(OPEX, operator, sender=operator)
        usdc.unblacklist(operator)
        assert splitter.claimLeg(OPEX, operator, sender=operator).return_value == OPEX_PART


class TestSplitter:
    """Frozen itself: its coin stands still, in every direction; shares do not."""

    @pytest.mark.parametrize("released", [False, True])
    def test_holds_up_payments_only(
        self, splitter, usdc, stage, operator, tenant, treasury, stranger, all_recover, released
    ):
        if released:
            stage.engine.release(CAPACITY, sender=stranger)
        usdc.blacklist(splitter)
        for call in (
            lambda: splitter.claim(tenant, sender=tenant),
            lambda: splitter.claim(stranger, sender=tenant),
            lambda: splitter.claimLeg(PROTOCOL, treasury, sender=treasury),
        ):
            with reverts_with(NOT_PAID):
                call()
        assert splitter.sync(usdc.token, sender=stranger).return_value == 0
        splitter.transfer(stranger, SUPPLY // 4, sender=tenant)
        splitter.moveLeg(PROTOCOL, treasury, sender=treasury)
        assert splitter.claimable(tenant) == HALF
        usdc.unblacklist(splitter)
        all_recover()
        assert paid(usdc, tenant, stranger) == [HALF, 0]


class TestEngine:
    def test_holds_up_what_it_has_not_released_only(
        self, splitter, usdc, stage, operator, tenant, stranger, all_recover
    ):
        usdc.blacklist(stage.engine)
        with reverts_with(NOT_PAID):
            splitter.claim(operator, sender=operator)
        usdc.unblacklist(stage.engine)
        stage.engine.release(CAPACITY, sender=stranger)
        usdc.blacklist(stage.engine)
        assert splitter.claim(operator, sender=operator).return_value == HALF
        assert splitter.claim(tenant, sender=tenant).return_value == HALF
        usdc.unblacklist(stage.engine)
        all_recover()

    def test_does_not_hold_up_what_is_here_though_it_owes_more(
        self, splitter, usdc, stage, owner, operator, tenant, stranger
    ):
        stage.engine.release(CAPACITY, sender=stranger)
        usdc.mint(stage.engine, 100 * USD)
        stage.engine.earn(CAPACITY, 1, sender=owner)
        usdc.blacklist(stage.engine)
        assert splitter.claim(operator, sender=operator).return_value > 0
        assert splitter.claim(tenant, sender=tenant).return_value > 0


class TestPause:
    def test_delays_payment_only(
        self, splitter, usdc, operator, tenant, treasury, stranger, all_recover
    ):
        usdc.pause()
        for call in (
            lambda: splitter.claim(operator, sender=operator),
            lambda: splitter.claimFor(tenant, sender=stranger),
            lambda: splitter.claimLeg(PROTOCOL, treasury, sender=treasury),
        ):
            with reverts_with(NOT_PAID):
                call()
        assert splitter.sync(usdc.token, sender=stranger).return_value == 0
        splitter.transfer(tenant, SUPPLY // 2, sender=operator)
        splitter.approve(tenant, 1, sender=operator)
        splitter.moveLeg(PROTOCOL, treasury, sender=treasury)
        assert (splitter.claimable(operator), splitter.claimable(tenant)) == (HALF, HALF)
        usdc.unpause()
        all_recover()
        assert paid(usdc, tenant) == [HALF]

    def test_of_one_coin_leaves_other_capacities_alone(
        self, splitter, usdc, stage, project, operator, tenant, stranger
    ):
        other = stage.split(capacity=12)
        stage.earn(RENT, capacity=12)
        usdc.pause()
        collector = stranger.deploy(project.DividendCollector)
        receipt = collector.claimMany([splitter, other], operator, sender=stranger)
        assert receipt.return_value == [0, index_of(RENT)]
        assert stage.usd.balanceOf(operator) == index_of(RENT)
        assert splitter.claimable(operator) == HALF
