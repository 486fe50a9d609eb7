"""PooledShares: a share and all that it has gathered, for whoever holds it in the end."""

from __future__ import annotations

from typing import Any

import pytest

from derrick.fiat import FiatToken
from derrick.testing import reverts_with
from tests.splitter_stage import (
    NOT_PAID,
    SHARE,
    SUPPLY,
    USD,
    ZERO,
    SplitterStage,
    index_of,
    logs,
)

TENTH = SUPPLY // 10
RENT = 1_000 * USD
UNLIMITED = 2**256 - 1


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def usd(stage):
    return stage.usd


@pytest.fixture(scope="module")
def factory(project, stage, owner):
    return owner.deploy(project.PooledSharesFactory, stage.factory)


@pytest.fixture(scope="module")
def splitter(stage, operator, tenant, lender):
    """Tenant and lender have a tenth of the shares each, the operator the rest."""
    splitter = stage.split()
    for holder in (tenant, lender):
        splitter.transfer(holder, TENTH, sender=operator)
    return splitter


@pytest.fixture(scope="module")
def pooled(project, factory, splitter, stage, owner, operator, tenant, lender):
    """The splitter's pooled shares; all have dollars and have approved them."""
    factory.create(splitter, sender=owner)
    pooled = project.PooledShares.at(factory.pooledOf(splitter))
    for holder in (operator, tenant, lender):
        stage.usd.mint(holder, RENT, sender=owner)
        for token in (splitter, stage.usd):
            token.approve(pooled, UNLIMITED, sender=holder)
    return pooled


def part_of(index: int, shares: int, up: bool = False) -> int:
    """So many shares' part of what is due to all of them."""
    return -(-index * shares // SUPPLY) if up else index * shares // SUPPLY


class TestFactory:
    def test_makes_one_for_each_splitter_and_says_so(self, project, factory, splitter, stranger):
        assert factory.pooledOf(splitter) == ZERO
        receipt = factory.create(splitter, sender=stranger)
        made = factory.pooledOf(splitter)
        assert receipt.return_value == made
        assert logs(receipt, project.PooledSharesFactory.PooledSharesCreated) == [
            {"splitter": splitter, "pooled": made}
        ]
        assert project.PooledShares.at(made).SPLITTER() == splitter
        with reverts_with(
            project.PooledSharesFactory.AlreadyCreated, splitter=splitter, pooled=made
        ):
            factory.create(splitter, sender=stranger)

    def test_knows_its_splitters(self, project, factory, stage, stranger):
        assert factory.SPLITTERS() == stage.factory
        for account in (stranger.address, ZERO, stage.usd.address):
            with reverts_with(project.PooledSharesFactory.NotSplitter, account=account):
                factory.create(account, sender=stranger)


class TestDeposit:
    def test_the_first_brings_nothing_along(
        self, project, splitter, stage, pooled, tenant, stranger
    ):
        stage.earn(RENT)
        assert pooled.dueOn(TENTH) == pooled.gatheredBy(TENTH) == [0]
        receipt = pooled.deposit(TENTH, stranger, [0], sender=tenant)
        assert logs(receipt, project.PooledShares.Deposited) == [
            {"account": tenant, "receiver": stranger, "shares": TENTH, "paid": [0]}
        ]
        assert pooled.balanceOf(stranger) == splitter.balanceOf(pooled) == TENTH
        # What the shares earned before stays with who held them.
        assert splitter.claimable(tenant) == part_of(index_of(RENT), TENTH)

    def test_later_ones_bring_along_what_the_others_have(
        self, splitter, stage, usd, pooled, tenant, lender
    ):
        pooled.deposit(TENTH, tenant, [0], sender=tenant)
        stage.earn(RENT + 1)
        due = part_of(index_of(RENT + 1), TENTH, up=True)
        assert pooled.dueOn(TENTH) == [due]
        before = usd.balanceOf(lender)
        receipt = pooled.deposit(TENTH, lender, [due], sender=lender)
        assert logs(receipt, pooled.Deposited)[0]["paid"] == [due]
        assert before - usd.balanceOf(lender) == usd.balanceOf(pooled) == due
        assert pooled.gatheredBy(TENTH) == [part_of(index_of(RENT + 1), TENTH)]

    def test_asks_for_no_more_than_allowed(self, project, stage, usd, pooled, tenant, lender):
        pooled.deposit(TENTH, tenant, [0], sender=tenant)
        stage.earn(RENT)
        due = pooled.dueOn(TENTH)[0]
        with reverts_with(project.PooledShares.TooMuchDue, token=usd, due=due, max=due - 1):
            pooled.deposit(TENTH, lender, [due - 1], sender=lender)

    def test_refuses_what_makes_no_sense(self, project, splitter, pooled, tenant):
        errors = project.PooledShares
        with reverts_with(errors.ZeroShares):
            pooled.deposit(0, tenant, [0], sender=tenant)
        for limits in ([], [0, 0]):
            with reverts_with(errors.WrongLimits, given=len(limits), count=1):
                pooled.deposit(1, tenant, limits, sender=tenant)
        for receiver in (ZERO, pooled.address):
            with reverts_with(errors.BadReceiver, receiver=receiver):
                pooled.deposit(1, receiver, [0], sender=tenant)
        with reverts_with("TransferFromFailed()"):
            pooled.deposit(TENTH + 1, tenant, [0], sender=tenant)


class TestRedeem:
    @pytest.fixture
    def gathered(self, stage, pooled, tenant):
        """A tenth of all shares is pooled and has earned its part of the rent."""
        pooled.deposit(TENTH, tenant, [0], sender=tenant)
        stage.earn(RENT)
        return part_of(index_of(RENT), TENTH)

    def test_gives_the_shares_and_credits_what_they_gathered(
        self, project, splitter, usd, pooled, gathered, tenant, stranger
    ):
        assert pooled.gatheredBy(TENTH) == [gathered]
        receipt = pooled.redeem(TENTH, stranger, sender=tenant)
        assert logs(receipt, project.PooledShares.Redeemed) == [
            {"account": tenant, "receiver": stranger, "shares": TENTH, "credited": [gathered]}
        ]
        assert splitter.balanceOf(stranger) == TENTH
        assert pooled.totalSupply() == pooled.balanceOf(tenant) == 0
        assert pooled.creditOf(usd, tenant) == gathered
        assert pooled.creditOf(usd, stranger) == usd.balanceOf(stranger) == 0

    def test_credits_are_withdrawn_anywhere(
        self, project, splitter, usd, pooled, gathered, tenant, stranger
    ):
        pooled.redeem(TENTH, tenant, sender=tenant)
        receipt = pooled.withdraw(usd, stranger, sender=tenant)
        assert receipt.return_value == usd.balanceOf(stranger) == gathered
        assert logs(receipt, project.PooledShares.Withdrawn) == [
            {"token": usd, "account": tenant, "receiver": stranger, "amount": gathered}
        ]
        again = pooled.withdraw(usd, stranger, sender=tenant)
        assert (again.return_value, again.events) == (0, [])
        for receiver in (ZERO, pooled.address):
            with reverts_with(project.PooledShares.BadReceiver, receiver=receiver):
                pooled.withdraw(usd, receiver, sender=tenant)

    def test_counts_what_nobody_had_found(self, usd, splitter, pooled, gathered, owner, tenant):
        """The splitter counts it before the shares leave, for those who pooled them."""
        usd.mint(splitter, RENT, sender=owner)
        pooled.redeem(TENTH, tenant, sender=tenant)
        assert pooled.creditOf(usd, tenant) == part_of(index_of(2 * RENT), TENTH)

    def test_works_though_others_had_the_splitter_pay(
        self, splitter, usd, pooled, gathered, tenant, stranger
    ):
        splitter.claimFor(pooled, sender=stranger)
        assert usd.balanceOf(pooled) == gathered
        pooled.redeem(TENTH, tenant, sender=tenant)
        assert pooled.withdraw(usd, tenant, sender=tenant).return_value == gathered

    def test_gifts_to_it_are_nobodys(
        self, usd, splitter, pooled, gathered, operator, owner, tenant
    ):
        usd.mint(pooled, RENT, sender=owner)
        splitter.transfer(pooled, TENTH, sender=operator)
        assert pooled.gatheredBy(TENTH) == [gathered]
        assert pooled.dueOn(TENTH) == [gathered]

    def test_refuses_what_makes_no_sense(self, project, pooled, gathered, tenant, stranger):
        errors = project.PooledShares
        with reverts_with(errors.ZeroShares):
            pooled.redeem(0, tenant, sender=tenant)
        for receiver in (ZERO, pooled.address):
            with reverts_with(errors.BadReceiver, receiver=receiver):
                pooled.redeem(1, receiver, sender=tenant)
        with reverts_with(errors.InsufficientBalance):
            pooled.redeem(TENTH + 1, tenant, sender=tenant)
        with reverts_with(errors.InsufficientBalance):
            pooled.redeem(1, stranger, sender=stranger)

    def test_after_the_last_the_next_begins_anew(
        self, stage, usd, pooled, gathered, tenant, lender
    ):
        pooled.redeem(TENTH, tenant, sender=tenant)
        stage.earn(RENT)
        assert pooled.dueOn(TENTH) == pooled.gatheredBy(TENTH) == [0]
        pooled.deposit(TENTH, lender, [0], sender=lender)
        stage.earn(RENT)
        new = part_of(index_of(3 * RENT) - index_of(2 * RENT), TENTH)
        assert pooled.gatheredBy(TENTH) == [new]
        # The first one's credit is still there, whatever comes after.
        assert pooled.withdraw(usd, tenant, sender=tenant).return_value == gathered
        pooled.redeem(TENTH, lender, sender=lender)
        assert pooled.withdraw(usd, lender, sender=lender).return_value == new


class TestTokens:
    def test_each_is_gathered(self, project, stage, factory, owner, operator, stranger):
        bitcoin, splitter = stage.token(), stage.split(capacity=8)
        splitter.addToken(bitcoin, sender=operator)
        factory.create(splitter, sender=owner)
        pooled = project.PooledShares.at(factory.pooledOf(splitter))
        for token in (splitter, stage.usd, bitcoin):
            token.approve(pooled, UNLIMITED, sender=operator)
        pooled.deposit(TENTH, operator, [0, 0], sender=operator)
        stage.earn(RENT, capacity=8)
        bitcoin.mint(splitter, 10**8, sender=owner)
        splitter.sync(bitcoin, sender=owner)
        gathered = [part_of(index_of(amount), TENTH) for amount in (RENT, 10**8)]
        assert pooled.gatheredBy(TENTH) == gathered
        due = [part_of(index_of(amount), TENTH, up=True) for amount in (RENT, 10**8)]
        assert pooled.dueOn(TENTH) == due
        pooled.redeem(TENTH, operator, sender=operator)
        for token, amount in zip((stage.usd, bitcoin), gathered, strict=True):
            assert pooled.withdraw(token, stranger, sender=operator).return_value == amount
            assert token.balanceOf(stranger) == amount

    def test_another_holder_of_all_shares_cannot_come_in_between(
        self, project, splitter, stage, pooled, operator, tenant
    ):
        bitcoin = stage.token()
        pooled.deposit(1, tenant, [0], sender=tenant)
        held = splitter.balanceOf(operator)
        with reverts_with(
            project.RevenueSplitter.NotSoleHolder, caller=operator, shares=held, supply=SUPPLY
        ):
            splitter.addToken(bitcoin, sender=operator)


class TestFrozen:
    @pytest.fixture
    def frozen(self, project, stage, factory, owner, operator) -> tuple[Any, Any, FiatToken]:
        """Pooled shares of a splitter in Circle's USDC that have gathered something."""
        usdc = FiatToken.deploy(owner)
        splitter = stage.split(usdc.token, capacity=9)
        factory.create(splitter, sender=owner)
        pooled = project.PooledShares.at(factory.pooledOf(splitter))
        splitter.approve(pooled, UNLIMITED, sender=operator)
        pooled.deposit(TENTH, operator, [0], sender=operator)
        usdc.mint(stage.engine, RENT)
        stage.engine.earn(9, RENT, sender=owner)
        return pooled, splitter, usdc

    @pytest.mark.parametrize("case", ["pooled", "holder", "pause"])
    def test_shares_come_out_and_the_money_waits(self, frozen, operator, case):
        pooled, splitter, usdc = frozen
        account = {"pooled": pooled, "holder": operator}.get(case)
        usdc.blacklist(account) if account else usdc.pause()
        before = splitter.balanceOf(operator)
        pooled.redeem(TENTH, operator, sender=operator)
        assert splitter.balanceOf(operator) == before + TENTH
        gathered = pooled.creditOf(usdc.token, operator)
        assert gathered == part_of(index_of(RENT), TENTH)
        with reverts_with(NOT_PAID):
            pooled.withdraw(usdc.token, operator, sender=operator)
        usdc.unblacklist(account) if account else usdc.unpause()
        assert pooled.withdraw(usdc.token, operator, sender=operator).return_value == gathered
        assert usdc.token.balanceOf(operator) == gathered

    def test_a_frozen_holder_withdraws_elsewhere(self, frozen, operator, stranger):
        pooled, _, usdc = frozen
        usdc.blacklist(operator)
        pooled.redeem(TENTH, operator, sender=operator)
        amount = pooled.withdraw(usdc.token, stranger, sender=operator).return_value
        assert amount == usdc.token.balanceOf(stranger) == part_of(index_of(RENT), TENTH)


def test_in_and_out_many_times_gains_nothing(stage, usd, pooled, splitter, tenant):
    """Rounding is for the pool: up on the way in, down on the way out."""
    pooled.deposit(SHARE + 1, tenant, [0], sender=tenant)
    stage.earn(RENT + 1)
    before = usd.balanceOf(tenant) + splitter.claimable(tenant)
    for _ in range(20):
        pooled.deposit(SHARE // 3, tenant, [UNLIMITED], sender=tenant)
        pooled.redeem(SHARE // 3, tenant, sender=tenant)
        pooled.withdraw(usd, tenant, sender=tenant)
    assert before - 20 <= usd.balanceOf(tenant) + splitter.claimable(tenant) <= before
