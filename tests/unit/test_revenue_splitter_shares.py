"""Dividends of shares that move: they stay with whoever earned them, to the last fraction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from derrick.testing import reverts_with
from tests.splitter_stage import CAPACITY, SUPPLY, USD, SplitterStage, index_of


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def splitter(stage):
    return stage.split()


def due(splitter: Any, *holders: Any) -> list[int]:
    return [splitter.claimable(holder) for holder in holders]


class TestTransfer:
    def test_moves_shares_and_no_past_dividend(self, splitter, stage, operator, tenant):
        stage.earn(1_000 * USD)
        before = splitter.claimable(operator)
        splitter.transfer(tenant, SUPPLY // 2, sender=operator)
        assert due(splitter, operator, tenant) == [before, 0]
        stage.earn(1_000 * USD)
        new = index_of(2_000 * USD) - before
        assert due(splitter, operator, tenant) == [before + new // 2, new // 2]
        splitter.transfer(operator, SUPPLY // 2, sender=tenant)
        assert splitter.balanceOf(tenant) == 0
        splitter.claim(tenant, sender=tenant)
        assert stage.usd.balanceOf(tenant) == new // 2

    @pytest.mark.parametrize("amount", [0, 1, SUPPLY])
    def test_to_oneself_moves_no_dividend(self, splitter, stage, operator, amount):
        stage.earn(1_000 * USD)
        before = splitter.claimable(operator)
        splitter.transfer(operator, amount, sender=operator)
        assert splitter.claimable(operator) == before
        stage.earn(1_000 * USD)
        assert splitter.claimable(operator) == index_of(2_000 * USD)

    def test_of_nothing_moves_no_dividend(self, splitter, stage, operator, tenant):
        stage.earn(1_000 * USD)
        before = splitter.claimable(operator)
        splitter.transfer(tenant, 0, sender=operator)
        splitter.transfer(operator, 0, sender=tenant)
        assert due(splitter, operator, tenant) == [before, 0]

    def test_by_another_moves_no_dividend(self, splitter, stage, operator, tenant, stranger):
        stage.earn(1_000 * USD)
        before = splitter.claimable(operator)
        splitter.approve(stranger, 10, sender=operator)
        splitter.transferFrom(operator, tenant, 10, sender=stranger)
        assert due(splitter, operator, tenant) == [before, 0]

    def test_of_all_shares_leaves_what_they_earned(self, splitter, stage, operator, tenant):
        """The seller's word has no share to go by: its dues need another, and come back from it."""
        stage.earn(1_000 * USD)
        before = splitter.claimable(operator)
        splitter.transfer(tenant, SUPPLY, sender=operator)
        stage.earn(500 * USD)
        assert due(splitter, operator, tenant) == [before, index_of(1_500 * USD) - before]
        splitter.transfer(operator, SUPPLY // 4, sender=tenant)
        assert due(splitter, operator, tenant) == [before, index_of(1_500 * USD) - before]
        stage.earn(500 * USD)
        new = index_of(2_000 * USD) - index_of(1_500 * USD)
        assert splitter.claimable(operator) == before + new // 4
        assert splitter.claim(operator, sender=operator).return_value == before + new // 4
        assert splitter.claimable(operator) == 0

    def test_of_all_but_one_leaves_what_they_earned(self, splitter, stage, operator, tenant):
        stage.earn(10**24)
        before = splitter.claimable(operator)
        splitter.transfer(tenant, SUPPLY - 1, sender=operator)
        assert due(splitter, operator, tenant) == [before, 0]
        stage.earn(10**24)
        one = index_of(2 * 10**24) - index_of(10**24)
        assert splitter.claimable(operator) == before + one // SUPPLY
        splitter.claim(operator, sender=operator)
        splitter.claim(tenant, sender=tenant)
        assert due(splitter, operator, tenant) == [0, 0]


class TestHolderForAMoment:
    """Whoever holds shares within one transaction only gets nothing of what came in before."""

    @pytest.fixture
    def batch(self, project, stranger):
        return stranger.deploy(project.Batch)

    @pytest.fixture
    def run(self, batch, stranger) -> Callable[..., Any]:
        def run(*calls: tuple[Any, bytes]) -> Any:
            return batch.run([(target, data) for target, data in calls], sender=stranger)

        return run

    @pytest.fixture(params=[SUPPLY // 10, SUPPLY])
    def lent(self, request, splitter, operator, batch) -> int:
        """So many shares, which the operator lends for nothing."""
        splitter.approve(batch, 2**256 - 1, sender=operator)
        return int(request.param)

    def test_gets_none_of_the_rent_that_is_owed(self, splitter, stage, batch, run, lent, operator):
        stage.earn(1_000 * USD)
        self.try_everything(splitter, stage, batch, run, lent, operator, index_of(1_000 * USD))

    def test_gets_none_of_the_rent_that_is_here(self, splitter, stage, batch, run, lent, operator):
        stage.earn(1_000 * USD)
        stage.engine.release(CAPACITY, sender=operator)
        self.try_everything(splitter, stage, batch, run, lent, operator, index_of(1_000 * USD))

    def test_gets_none_of_what_nobody_has_found(
        self, splitter, stage, batch, run, lent, operator, owner
    ):
        stage.usd.mint(splitter, 1_000 * USD, sender=owner)
        self.try_everything(splitter, stage, batch, run, lent, operator, index_of(1_000 * USD))

    def test_gets_none_of_it_in_another_token(
        self, splitter, stage, batch, run, lent, operator, owner
    ):
        bitcoin = stage.token()
        splitter.addToken(bitcoin, sender=operator)
        bitcoin.mint(splitter, 10**8, sender=owner)
        self.try_everything(splitter, stage, batch, run, lent, operator, 0)
        assert bitcoin.balanceOf(batch) == 0
        assert splitter.claimableOf(bitcoin, operator) == index_of(10**8)

    def test_cannot_change_what_all_holders_rely_on(
        self, project, splitter, stage, batch, run, lent, operator
    ):
        bitcoin = stage.token()
        take = (splitter, splitter.transferFrom.encode_input(operator, batch, SUPPLY))
        for call in (
            splitter.changeLegs.encode_input([(batch, 8_000, True)]),
            splitter.addToken.encode_input(bitcoin),
        ):
            with reverts_with(project.RevenueSplitter.SoleHolderTooNew, ...):
                run(take, (splitter, call))

    def try_everything(self, splitter, stage, batch, run, lent, operator, due):
        """Borrow, release, find, claim in every way, move to and fro, and give back."""
        run(
            (splitter, splitter.transferFrom.encode_input(operator, batch, lent)),
            (stage.engine, stage.engine.release.encode_input(CAPACITY)),
            (splitter, splitter.sync.encode_input(stage.usd)),
            (splitter, splitter.claim.encode_input(batch)),
            (splitter, splitter.transfer.encode_input(batch, lent)),
            (splitter, splitter.claimFor.encode_input(batch)),
            (splitter, splitter.transfer.encode_input(operator, lent)),
            (splitter, splitter.claim.encode_input(batch)),
        )
        assert stage.usd.balanceOf(batch) == splitter.claimable(batch) == 0
        assert splitter.balanceOf(operator) == SUPPLY
        assert splitter.claimable(operator) == due
