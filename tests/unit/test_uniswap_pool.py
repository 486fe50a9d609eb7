"""Shares in a real Uniswap v3 pool: what happens to their dividends, and the way around it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from derrick.testing import reverts_with
from tests.splitter_stage import CAPACITY, SHARE, SUPPLY, USD, SplitterStage, index_of
from tests.uniswap import FEE, Uniswap

PART = SUPPLY // 10
"""Shares put into the pool, at a dollar each."""

RENT = 100_000 * USD


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def uniswap(owner):
    return Uniswap.deploy(owner)


@pytest.fixture(scope="module")
def splitter(stage, operator, owner, lender):
    """The lender has a tenth of all shares, and both have dollars."""
    splitter = stage.split()
    splitter.transfer(lender, PART, sender=operator)
    for account in (operator, lender):
        stage.usd.mint(account, 10 * RENT, sender=owner)
    return splitter


@pytest.fixture(scope="module")
def pooled(project, stage, splitter, owner):
    factory = owner.deploy(project.PooledSharesFactory, stage.factory)
    factory.create(splitter, sender=owner)
    return project.PooledShares.at(factory.pooledOf(splitter))


def shares_of(position: Any, token: Any) -> int:
    return int(token.balanceOf(position.pool))


class TestPlainShares:
    """The trap: a pool holds the shares, and no pool claims."""

    @pytest.fixture
    def position(self, uniswap, splitter, stage, lender):
        return uniswap.provide({splitter: PART, stage.usd: PART // 10**12}, lender)

    def test_earn_for_the_pool_which_nobody_can_claim_for(
        self, project, uniswap, splitter, stage, position, lender, stranger
    ):
        stage.earn(RENT)
        held = shares_of(position, splitter)
        earned = index_of(RENT) * held // SUPPLY
        assert splitter.claimable(position.pool) == earned
        assert splitter.claimable(lender) == index_of(RENT) * (PART - held) // SUPPLY
        uniswap.withdraw(position, lender)
        # The shares come back, what they earned does not.
        assert splitter.balanceOf(lender) == PART - shares_of(position, splitter)
        assert splitter.claimable(position.pool) == earned

    def test_lose_their_dividends_for_good_when_anyone_has_them_paid(
        self, uniswap, splitter, stage, position, lender, operator, stranger
    ):
        """Not even whoever skims gets them, in a pool of version 3: they lie there."""
        stage.earn(RENT)
        earned = splitter.claimable(position.pool)
        before = stage.usd.balanceOf(position.pool)
        splitter.claimFor(position.pool, sender=stranger)
        assert stage.usd.balanceOf(position.pool) == before + earned
        uniswap.buy(splitter, stage.usd, 1_000 * USD, operator)
        uniswap.buy(stage.usd, splitter, 1_000 * SHARE, operator)
        uniswap.withdraw(position, lender)
        left = stage.usd.balanceOf(position.pool)
        assert earned <= left <= earned + 2

    def test_give_a_flash_borrower_nothing_of_what_was_owed(
        self, project, splitter, stage, position, operator, owner, stranger
    ):
        stage.earn(RENT)
        stage.usd.mint(splitter, RENT, sender=owner)
        batch = stranger.deploy(project.Batch)
        loan = Loan.of(position, splitter)
        splitter.transfer(batch, loan.fee, sender=operator)
        due = splitter.claimable(batch)
        batch.runWithLoan(
            position.pool,
            *loan.amounts,
            [
                (splitter, splitter.sync.encode_input(stage.usd)),
                (stage.engine, stage.engine.release.encode_input(CAPACITY)),
                (splitter, splitter.claim.encode_input(batch)),
                (splitter, splitter.transfer.encode_input(position.pool, loan.due)),
            ],
            sender=stranger,
        )
        assert stage.usd.balanceOf(batch) + splitter.claimable(batch) == due

    def test_give_a_flash_borrower_the_rent_that_is_settled_meanwhile(
        self, project, splitter, stage, position, operator, stranger
    ):
        """Known: rent is whoever's who holds shares when it is settled, and anyone can settle."""
        batch = stranger.deploy(project.Batch)
        loan = Loan.of(position, splitter)
        splitter.transfer(batch, loan.fee, sender=operator)
        stage.usd.mint(stage.engine, RENT, sender=stage.owner)
        batch.runWithLoan(
            position.pool,
            *loan.amounts,
            [
                (stage.engine, stage.engine.earn.encode_input(CAPACITY, RENT)),
                (splitter, splitter.transfer.encode_input(position.pool, loan.due)),
            ],
            sender=stranger,
        )
        assert splitter.claimable(batch) == index_of(RENT) * (loan.amount + loan.fee) // SUPPLY


class Loan(SimpleNamespace):
    """All but a unit of a pool's side, lent at the pool's fee."""

    @classmethod
    def of(cls, position: Any, token: Any) -> Loan:
        amount = shares_of(position, token) - 1
        fee = -(-amount * FEE // 10**6)
        first = position.pool.token0() == token.address
        amounts = (amount, 0) if first else (0, amount)
        return cls(amount=amount, fee=fee, due=amount + fee, amounts=amounts)


class TestPooledShares:
    """The way around: shares that gather their dividends, wherever they lie."""

    @pytest.fixture
    def position(self, uniswap, splitter, pooled, stage, lender):
        splitter.approve(pooled, PART, sender=lender)
        pooled.deposit(PART, lender, [0], sender=lender)
        return uniswap.provide({pooled: PART, stage.usd: PART // 10**12}, lender)

    def test_bring_the_provider_all_that_they_earned(
        self, uniswap, splitter, pooled, stage, position, lender
    ):
        stage.earn(RENT)
        assert splitter.claimable(position.pool) == 0
        uniswap.withdraw(position, lender)
        mine = pooled.balanceOf(lender)
        assert mine >= PART - 2
        before = stage.usd.balanceOf(lender)
        pooled.redeem(mine, lender, sender=lender)
        assert splitter.balanceOf(lender) == mine
        earned = index_of(RENT) * mine // SUPPLY
        assert pooled.withdraw(stage.usd, lender, sender=lender).return_value == earned
        assert stage.usd.balanceOf(lender) == before + earned

    def test_bring_a_buyer_what_they_gathered(
        self, uniswap, splitter, pooled, stage, position, operator
    ):
        stage.earn(RENT)
        bought = uniswap.buy(pooled, stage.usd, 1_000 * USD, operator)
        before = splitter.balanceOf(operator)
        pooled.redeem(bought, operator, sender=operator)
        assert splitter.balanceOf(operator) == before + bought
        assert pooled.creditOf(stage.usd, operator) == index_of(RENT) * bought // SUPPLY

    def test_give_a_flash_borrower_nothing_whatever_is_settled(
        self, project, splitter, pooled, stage, position, lender, stranger
    ):
        """He redeems, lets rent be settled, claims it, and has to bring it along to get back."""
        batch = stranger.deploy(project.Batch)
        loan = Loan.of(position, pooled)
        fee = pooled.balanceOf(lender)
        assert fee < loan.fee
        splitter.approve(pooled, 2**256 - 1, sender=stage.operator)
        pooled.deposit(loan.fee, batch, [0], sender=stage.operator)
        stage.usd.mint(stage.engine, RENT, sender=stage.owner)
        due = -(-index_of(RENT) * loan.due // SUPPLY)
        stage.usd.mint(batch, 1, sender=stage.owner)  # what rounding up may cost
        batch.runWithLoan(
            position.pool,
            *loan.amounts,
            [
                (pooled, pooled.redeem.encode_input(loan.due, batch)),
                (stage.engine, stage.engine.earn.encode_input(CAPACITY, RENT)),
                (splitter, splitter.claim.encode_input(batch)),
                (stage.usd, stage.usd.approve.encode_input(pooled, 2**256 - 1)),
                (splitter, splitter.approve.encode_input(pooled, loan.due)),
                (pooled, pooled.deposit.encode_input(loan.due, batch, [due])),
                (pooled, pooled.transfer.encode_input(position.pool, loan.due)),
            ],
            sender=stranger,
        )
        assert stage.usd.balanceOf(batch) <= 1
        assert splitter.claimable(batch) == pooled.creditOf(stage.usd, batch) == 0
        assert pooled.balanceOf(batch) == splitter.balanceOf(batch) == 0

    def test_cost_a_newcomer_what_the_others_have_gathered(
        self, project, splitter, pooled, stage, position, operator
    ):
        stage.earn(RENT)
        due = -(-index_of(RENT) * SHARE // SUPPLY)
        assert pooled.dueOn(SHARE) == [due]
        splitter.approve(pooled, SHARE, sender=operator)
        error = project.PooledShares.TooMuchDue
        with reverts_with(error, token=stage.usd, due=due, max=due - 1):
            pooled.deposit(SHARE, operator, [due - 1], sender=operator)
        stage.usd.approve(pooled, due, sender=operator)
        pooled.deposit(SHARE, operator, [due], sender=operator)
        assert pooled.balanceOf(operator) == SHARE
