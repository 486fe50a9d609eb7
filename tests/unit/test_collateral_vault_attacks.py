"""What others lost money to, tried on the vault: one named test per class of incident."""

from __future__ import annotations

from fractions import Fraction

import pytest

from derrick.testing import isolated, reverts_with
from tests.vault_stage import SUPPLY, UNIT, Terms, VaultStage

MAX = 2**256 - 1
TENTH = SUPPLY // 10


@pytest.fixture(scope="module")
def stage(project, owner, operator):
    return VaultStage.deploy(project, owner, operator)


@pytest.fixture(scope="module")
def vault(stage):
    return stage.vault


@pytest.fixture(scope="module")
def splitter(stage):
    return stage.splitter


@pytest.mark.parametrize("seed", [1, 1_000, 10**6])
def test_first_depositor_inflation(stage, vault, lender, stranger, seed):
    """A tiny first deposit and a gift of 100,000 coins: the next lender loses nothing by it."""
    stage.fund(stranger, 200_000)
    vault.deposit(seed, stranger, sender=stranger)
    stage.coin.transfer(vault, stage.coins(100_000), sender=stranger)
    stage.lend(lender, 1_000)
    assert vault.convertToAssets(vault.balanceOf(lender)) >= stage.coins(1_000) - 1
    vault.redeem(vault.balanceOf(stranger), stranger, stranger, sender=stranger)
    assert stage.coin.balanceOf(stranger) <= stage.coins(100_000)


def test_inflation_by_a_loan_of_ones_own(stage, vault, splitter, lender, stranger):
    """The price cannot be pushed through repayments either: nothing above the debt is taken."""
    stage.fund(stranger, 200_000)
    vault.deposit(stage.coins(101), stranger, sender=stranger)
    stage.pledge(stranger, TENTH)
    vault.borrow(splitter, stage.coins(100), stranger, sender=stranger)
    vault.withdraw(stage.coins(1), stranger, stranger, sender=stranger)
    vault.repay(stranger, splitter, MAX, sender=stranger)
    assert Fraction(vault.totalAssets() + 1, vault.totalSupply() + UNIT) < Fraction(
        1_000_01, 10**11
    )
    stage.lend(lender, 1_000)
    assert vault.convertToAssets(vault.balanceOf(lender)) >= stage.coins(1_000) - 1


def test_sandwich_of_a_dividend_by_a_late_pledge(
    stage, vault, splitter, lender, borrower, stranger
):
    """Pledging right before a pay-out and leaving right after gains not a unit of it."""
    stage.lend(lender, 100_000)
    stage.pledge(borrower, TENTH)
    vault.borrow(splitter, stage.coins(10_000), borrower, sender=borrower)
    stage.give_shares(stranger, TENTH * 5)
    stage.earn(10_000)
    vault.pledge(splitter, TENTH * 5, sender=stranger)
    vault.applyDividends(borrower, splitter, sender=stranger)
    vault.withdrawCollateral(splitter, TENTH * 5, stranger, sender=stranger)
    assert vault.claimSurplus(splitter, stranger, sender=stranger).return_value == 0
    # What his own shares earned before the pledge is his, from the splitter.
    splitter.claim(stranger, sender=stranger)
    assert stage.coin.balanceOf(stranger) == stage.coins(5_000)
    assert stage.coins(8_999) < stage.debt_of(borrower) < stage.coins(9_001)


def test_flash_pledge(stage, vault, splitter, lender, stranger):
    """Shares lent for a moment carry a debt only while they stay."""
    stage.lend(lender, 100_000)
    stage.pledge(stranger, TENTH)
    vault.borrow(splitter, stage.coins(60_000), stranger, sender=stranger)
    with reverts_with(vault.BeyondLtv, ...):
        vault.withdrawCollateral(splitter, TENTH, stranger, sender=stranger)
    with reverts_with(vault.BeyondLtv, ...):
        vault.withdrawCollateral(splitter, 10**9, stranger, sender=stranger)


def test_grinding_by_single_units(project, lane, owner, operator, lender, borrower):
    """Two hundred loans of one unit, then as many repayments: rounding never pays the borrower."""
    stage = VaultStage.deploy(project, owner, operator, decimals=2, terms=Terms(min_debt_coins=1))
    stage.lend(lender, 1_000)
    stage.pledge(borrower, TENTH)
    stage.fund(borrower, 10)
    vault, token = lane.contract(stage.vault), stage.splitter
    vault.send("borrow", token, 100, borrower, sender=borrower)
    lane.mine(at=lane.time + 300 * 86_400)

    def price():
        assets, supply = lane.batch([vault.call("totalAssets"), vault.call("totalSupply")])
        return Fraction(assets + 1, supply + UNIT)

    start, last = lane.time, price()
    balance = stage.coin.balanceOf(borrower)
    for turn in range(200):
        vault.send("borrow", token, 1, borrower, sender=borrower, at=start + 1 + turn)
        assert price() >= last
        last = price()
    for turn in range(200):
        vault.send("repay", borrower, token, 1, sender=borrower, at=start + 201 + turn)
        assert price() >= last
        last = price()
    assert stage.coin.balanceOf(borrower) == balance
    # 100 units and the interest of 300 days on them.
    assert vault.read("healthOf", borrower, token).debt == 101


def test_poking_does_not_change_what_is_owed(project, lane, owner, operator, lender, borrower):
    """At a flat 38 % a year, accruing daily or once a month is the same to a hundred-thousandth."""
    terms = Terms(base_rate_wad=38 * 10**16, slope_rate_wad=0, steep_rate_wad=0)
    stage = VaultStage.deploy(project, owner, operator, terms=terms)
    stage.lend(lender, 100_000)
    stage.pledge(borrower, SUPPLY // 2)
    stage.vault.borrow(stage.splitter, stage.coins(90_000), borrower, sender=borrower)
    vault, since = lane.contract(stage.vault), lane.time
    with isolated(lane):
        lane.mine(at=since + 30 * 86_400)
        once = vault.read("healthOf", borrower, stage.splitter).debt
    for day in range(30):
        vault.send("accrue", sender=lender, at=since + (day + 1) * 86_400)
    daily = vault.read("healthOf", borrower, stage.splitter).debt
    interest = once - stage.coins(90_000)
    assert 0 <= daily - once < interest // 10**5


def test_utilization_made_up_in_one_block(stage, vault, lane, splitter, lender, borrower, stranger):
    """A flash deposit leaves the rate of the time before it as it was."""
    stage.lend(lender, 100_000)
    stage.pledge(borrower, SUPPLY // 2)
    vault.borrow(splitter, stage.coins(90_000), borrower, sender=borrower)
    stage.fund(stranger, 10_000_000)
    bound = lane.contract(vault)
    later = lane.time + 30 * 86_400
    with isolated(lane):
        bound.send("accrue", sender=stranger, at=later)
        plain = bound.read("borrowIndex")
    bound.send("deposit", stage.coins(10_000_000), stranger, sender=stranger, at=later)
    assert bound.read("borrowIndex") == plain


def test_self_liquidation_by_another_account_gains_nothing(
    stage, vault, splitter, lender, borrower, stranger
):
    """A borrower's second account gets the bonus from the first's own shares, nobody else's."""
    stage.lend(lender, 100_000)
    stage.pledge(borrower, TENTH)
    vault.borrow(splitter, stage.coins(60_000), borrower, sender=borrower)
    stage.set_worth(700_000)
    stage.fund(stranger, 100_000)
    assets = vault.totalAssets()
    vault.liquidate(borrower, splitter, MAX, 0, stranger, sender=stranger)
    left = vault.positionOf(borrower, splitter).shares
    assert left + splitter.balanceOf(stranger) == TENTH
    assert vault.totalAssets() >= assets


def test_leaving_before_a_loss(stage, vault, splitter, lender, other_lender, borrower, liquidator):
    """A lender who sees a loss coming can leave at par with what is idle (a known issue): the loss
    is written when the position is liquidated, which anybody can do first, at once."""
    stage.lend(lender, 50_000)
    stage.lend(other_lender, 50_000)
    stage.pledge(borrower, TENTH)
    vault.borrow(splitter, stage.coins(60_000), borrower, sender=borrower)
    stage.fund(liquidator, 100_000)
    stage.set_worth(300_000)
    early = stage.coins(40_000)
    vault.withdraw(early, lender, lender, sender=lender)
    assert vault.idle() == 0
    with reverts_with("WithdrawMoreThanMax()"):
        vault.withdraw(stage.coins(1), lender, lender, sender=lender)
    vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)
    # Who stays bears the loss by shares: 31,429 of the 60,000 that were left.
    kept = vault.convertToAssets(vault.balanceOf(other_lender))
    assert kept == pytest.approx(stage.coins(50_000) * (60_000 - 31_428.57) / 60_000, rel=1e-6)


def test_starving_the_pull_of_gas(stage, vault, splitter, lane, lender, borrower, stranger):
    """With too little gas for the splitter a call may do less, but dividends are never lost."""
    stage.lend(lender, 100_000)
    stage.pledge(borrower, TENTH)
    vault.borrow(splitter, stage.coins(50_000), borrower, sender=borrower)
    stage.earn(10_000)
    call = lane.contract(vault).call("applyDividends", borrower, splitter, sender=stranger)
    outcomes = set()
    for gas in range(60_000, 220_000, 2_500):
        with isolated(lane):
            sent = lane.node.request("eth_sendTransactionSync", {**call.message, "gas": hex(gas)})
            debt, dividends, _, _ = vault.healthOf(borrower, splitter)
            net = debt - dividends
            assert stage.coins(48_999) < net < stage.coins(49_001)
            outcomes.add((sent["status"], dividends))
    assert ("0x1", 0) in outcomes


def test_gifts_of_shares_and_coins_are_nobodys(stage, vault, splitter, lender, borrower, stranger):
    """Shares sent to the vault earn for nobody; the pledged ones are not diluted."""
    stage.lend(lender, 100_000)
    stage.pledge(borrower, TENTH)
    stage.give_shares(stranger, TENTH)
    splitter.transfer(vault, TENTH, sender=stranger)
    stage.earn(10_000)
    assert stage.dividends_of(borrower) == stage.coins(1_000)
    vault.claimSurplus(splitter, borrower, sender=borrower)
    assert stage.coin.balanceOf(borrower) == stage.coins(1_000)
    assert vault.totalAssets() == vault.idle() == stage.coins(100_000)
    assert stage.coin.balanceOf(vault) == stage.coins(101_000)


def test_dividends_of_odd_shares_are_always_paid_in(
    project, lane, owner, operator, lender, borrower, stranger
):
    """Rounded down per position, they never add up to more than the splitter pays the vault."""
    stage = VaultStage.deploy(project, owner, operator)
    stage.lend(lender, 500_000)
    vault, token = lane.contract(stage.vault), stage.splitter
    people = (borrower, stranger)
    for account, shares in zip(people, (SUPPLY // 3, SUPPLY // 7), strict=True):
        stage.pledge(account, shares)
    for amount in (1, 2, 3, 5, 7, 11, 1_000_003):
        stage.earn_units(amount)
        for account in people:
            vault.send("applyDividends", account, token, sender=lender)
        # Nothing is owed to both together that is not here, or to be had for the asking.
        due = sum(stage.dividends_of(account) for account in people)
        here = stage.coin.balanceOf(stage.vault) - stage.vault.idle()
        assert due <= here + token.claimable(stage.vault) <= due + 7 * len(people)
    for account in people:
        vault.send("claimSurplus", token, account, sender=account)
