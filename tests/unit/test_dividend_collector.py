"""DividendCollector: the dividends of many splitters in one call, whatever one of them does."""

from __future__ import annotations

import pytest

from derrick.testing import reverts_with
from tests.splitter_stage import NOT_PAID, SUPPLY, USD, SplitterStage, index_of, logs


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def collector(project, stranger):
    return stranger.deploy(project.DividendCollector)


@pytest.fixture(scope="module")
def splitters(stage, operator, tenant):
    """Three capacities that have earned 1,000, 2,000 and 3,000, half of each the tenant's."""
    made = []
    for capacity in (1, 2, 3):
        splitter = stage.split(capacity=capacity)
        splitter.transfer(tenant, SUPPLY // 2, sender=operator)
        stage.earn(capacity * 1_000 * USD, capacity=capacity)
        made.append(splitter)
    return made


def test_pays_the_holder_from_all(stage, collector, splitters, tenant, stranger):
    due = [index_of(capacity * 1_000 * USD) // 2 for capacity in (1, 2, 3)]
    receipt = collector.claimMany(splitters, tenant, sender=stranger)
    assert receipt.return_value == due
    assert stage.usd.balanceOf(tenant) == sum(due)
    assert stage.usd.balanceOf(collector) == stage.usd.balanceOf(stranger) == 0
    assert collector.claimMany(splitters, tenant, sender=stranger).return_value == [0, 0, 0]


def test_pays_every_token(stage, collector, owner, operator, stranger):
    bitcoin, splitter = stage.token(), stage.split(capacity=4)
    splitter.addToken(bitcoin, sender=operator)
    bitcoin.mint(splitter, 10**8, sender=owner)
    splitter.sync(bitcoin, sender=owner)
    collector.claimMany([splitter], operator, sender=stranger)
    assert bitcoin.balanceOf(operator) == index_of(10**8)


def test_one_that_cannot_pay_holds_up_no_other(
    project, stage, collector, splitters, owner, operator, tenant, stranger
):
    frozen = owner.deploy(project.FreezableCoin, 6)
    stuck = stage.split(frozen, capacity=5)
    frozen.mint(stuck, 100 * USD, sender=owner)
    stuck.sync(frozen, sender=owner)
    stuck.transfer(tenant, SUPPLY, sender=operator)
    frozen.setFrozen(operator, True, sender=owner)
    with reverts_with(NOT_PAID):
        stuck.claimFor(operator, sender=stranger)
    receipt = collector.claimMany([stuck, splitters[0]], operator, sender=stranger)
    assert receipt.return_value == [0, index_of(1_000 * USD) // 2]
    (failed,) = logs(receipt, project.DividendCollector.ClaimFailed)
    assert (failed["splitter"], failed["holder"]) == (stuck, operator)
    assert bytes(failed["reason"]).hex() == "90b8ec18"
    assert stuck.claimable(operator) == index_of(100 * USD)


def test_what_is_no_splitter_pays_nothing(project, stage, collector, splitters, operator, stranger):
    """An account without code, a contract that answers nothing, one that reverts."""
    probe = stranger.deploy(project.Batch)
    targets = [stranger, probe, stage.usd, splitters[0]]
    receipt = collector.claimMany(targets, operator, sender=stranger)
    assert receipt.return_value == [0, 0, 0, index_of(1_000 * USD) // 2]
    failed = logs(receipt, project.DividendCollector.ClaimFailed)
    assert [each["splitter"] for each in failed] == [stranger, probe, stage.usd]


def test_of_none_is_nothing(collector, operator, stranger):
    receipt = collector.claimMany([], operator, sender=stranger)
    assert (receipt.return_value, receipt.events) == ([], [])
