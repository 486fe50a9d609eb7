"""A loan's life in the vault: pledge, borrow, repay, dividends that repay it, taking shares out."""

from __future__ import annotations

import pytest

from derrick.testing import isolated, reverts_with
from tests.vault_stage import SUPPLY, VaultStage, collateral_terms, vault_config

ZERO = "0x0000000000000000000000000000000000000000"
MAX = 2**256 - 1
HONEST, INVALID, REVERTS, REENTERS, BURNS_GAS = range(5)
INDEX_REVERTS, CLAIM_REVERTS, CLAIM_PAYS_NOTHING = range(1, 4)


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender):
    """A vault with 500,000 coins to lend; all shares are worth 1,000,000."""
    stage = VaultStage.deploy(project, owner, operator)
    stage.lend(lender, 500_000)
    return stage


@pytest.fixture(scope="module")
def vault(stage):
    return stage.vault


@pytest.fixture(scope="module")
def splitter(stage):
    return stage.splitter


@pytest.fixture
def pledged(stage, borrower):
    """The borrower has pledged a tenth, worth 100,000."""
    stage.pledge(borrower, SUPPLY // 10)
    return stage


@pytest.fixture
def indebted(pledged, borrower):
    """And owes 50,000."""
    pledged.vault.borrow(pledged.splitter, pledged.coins(50_000), borrower, sender=borrower)
    pledged.fund(borrower, 0)
    return pledged


class TestPledging:
    def test_shares_move_into_the_position(self, stage, vault, splitter, borrower):
        stage.give_shares(borrower, 1_000)
        receipt = vault.pledge(splitter, 400, sender=borrower)
        (event,) = receipt.decode_logs(vault.Pledged)
        assert (event.account, event.collateral, event.shares) == (borrower, splitter, 400)
        vault.pledge(splitter, 600, sender=borrower)
        assert vault.positionOf(borrower, splitter).shares == 1_000
        assert splitter.balanceOf(vault) == 1_000

    def test_nothing(self, vault, splitter, borrower):
        with reverts_with(vault.ZeroAmount):
            vault.pledge(splitter, 0, sender=borrower)

    def test_an_unlisted_token(self, vault, stage, borrower):
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.pledge(stage.coin, 1, sender=borrower)

    def test_up_to_the_cap(self, stage, vault, splitter, owner, borrower):
        stage.give_shares(borrower, 1_000)
        vault.limitCollateral(splitter, 999, True, sender=owner)
        with reverts_with(vault.CapExceeded, collateral=splitter, held=1_000, cap=999):
            vault.pledge(splitter, 1_000, sender=borrower)
        vault.pledge(splitter, 999, sender=borrower)

    def test_a_lower_cap_touches_nobody(self, indebted, vault, splitter, owner, borrower):
        vault.limitCollateral(splitter, 0, True, sender=owner)
        vault.borrow(splitter, 1, borrower, sender=borrower)
        vault.withdrawCollateral(splitter, 1, borrower, sender=borrower)

    def test_shares_that_pay_in_another_token(
        self, project, stage, vault, splitter, owner, operator, borrower
    ):
        """Positions do not count it; and while shares lie here nobody can add one."""
        bitcoin = owner.deploy(project.MockERC20, "Bitcoin", "BTC", 8)
        stage.factory.setDividendToken(bitcoin, True, sender=owner)
        splitter.approve(vault, SUPPLY, sender=operator)
        vault.pledge(splitter, 1, sender=operator)
        error, held = project.RevenueSplitter.NotSoleHolder, SUPPLY - 1
        with reverts_with(error, caller=operator, shares=held, supply=SUPPLY):
            splitter.addToken(bitcoin, sender=operator)
        vault.withdrawCollateral(splitter, 1, operator, sender=operator)
        vault.provider.mine()
        splitter.addToken(bitcoin, sender=operator)
        with reverts_with(vault.OtherDividends, collateral=splitter):
            vault.pledge(splitter, 1, sender=operator)

    def test_shares_one_does_not_have(self, vault, splitter, stranger):
        with reverts_with("TransferFromFailed()"):
            vault.pledge(splitter, 1, sender=stranger)


class TestBorrowing:
    def test_up_to_the_ltv(self, pledged, vault, splitter, borrower, treasury):
        limit = pledged.coins(60_000)
        with reverts_with(vault.BeyondLtv, debt=limit + 1, limit=limit):
            vault.borrow(splitter, limit + 1, borrower, sender=borrower)
        receipt = vault.borrow(splitter, limit, treasury, sender=borrower)
        (event,) = receipt.decode_logs(vault.Borrowed)
        assert (event.account, event.collateral) == (borrower, splitter)
        assert (event.receiver, event.assets) == (treasury, limit)
        assert pledged.coin.balanceOf(treasury) == limit
        assert vault.idle() == pledged.coins(440_000)
        assert vault.totalBorrows() == limit
        health = vault.healthOf(borrower, splitter)
        assert (health.debt, health.value, health.valid) == (limit, pledged.coins(100_000), True)
        assert vault.positionOf(borrower, splitter).riskBlock == receipt.block_number

    def test_an_index_read_later_counts(self, indebted, lane, borrower):
        """The debt in the check has the interest of this very second."""
        stage, vault = indebted, lane.contract(indebted.vault)
        now = lane.time + 86_400
        with isolated(lane):
            lane.mine(at=now)
            debt = vault.read("healthOf", borrower, stage.splitter).debt
        assert debt > stage.coins(50_000)
        room = stage.coins(60_000) - debt
        with (
            isolated(lane),
            reverts_with(
                stage.vault.BeyondLtv, debt=stage.coins(60_000) + 1, limit=stage.coins(60_000)
            ),
        ):
            vault.send("borrow", stage.splitter, room + 1, borrower, sender=borrower, at=now)
        vault.send("borrow", stage.splitter, room, borrower, sender=borrower, at=now)

    def test_nothing_or_to_nobody(self, pledged, vault, splitter, borrower):
        with reverts_with(vault.ZeroAmount):
            vault.borrow(splitter, 0, borrower, sender=borrower)
        for bad in (ZERO, vault):
            with reverts_with(vault.BadAddress, field=word("receiver"), value=bad):
                vault.borrow(splitter, pledged.coins(100), bad, sender=borrower)

    def test_without_shares(self, stage, vault, splitter, stranger):
        with reverts_with(vault.BeyondLtv, debt=stage.coins(100), limit=0):
            vault.borrow(splitter, stage.coins(100), stranger, sender=stranger)

    def test_an_unlisted_token(self, vault, stage, borrower):
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.borrow(stage.coin, 1, borrower, sender=borrower)

    def test_less_than_the_minimum(self, pledged, vault, splitter, borrower):
        least = pledged.coins(100)
        with reverts_with(vault.DebtTooSmall, debt=least - 1, min=least):
            vault.borrow(splitter, least - 1, borrower, sender=borrower)
        vault.borrow(splitter, least, borrower, sender=borrower)
        vault.borrow(splitter, 1, borrower, sender=borrower)

    def test_more_than_is_idle(self, stage, vault, splitter, borrower):
        stage.pledge(borrower, SUPPLY)
        idle = stage.coins(500_000)
        with reverts_with(vault.NotEnoughLiquidity, asked=idle + 1, idle=idle):
            vault.borrow(splitter, idle + 1, borrower, sender=borrower)
        vault.borrow(splitter, idle, borrower, sender=borrower)
        assert vault.idle() == 0

    def test_when_the_owner_has_closed_it(self, indebted, vault, splitter, owner, borrower):
        vault.limitCollateral(splitter, SUPPLY, False, sender=owner)
        with reverts_with(vault.BorrowingClosed, collateral=splitter):
            vault.borrow(splitter, 1, borrower, sender=borrower)
        indebted.fund(borrower, 1_000)
        vault.repay(borrower, splitter, MAX, sender=borrower)
        vault.withdrawCollateral(splitter, SUPPLY // 10, borrower, sender=borrower)


class TestRepaying:
    def test_a_part(self, indebted, lane, borrower):
        stage, vault = indebted, lane.contract(indebted.vault)
        stage.fund(borrower, 0)
        now = lane.time + 3_600
        with isolated(lane):
            lane.mine(at=now)
            debt = vault.read("healthOf", borrower, stage.splitter).debt
        paid = stage.coins(20_000)
        receipt = vault.send("repay", borrower, stage.splitter, paid, sender=borrower, at=now)
        event = receipt.event("Repaid")
        assert (event.account, event.payer, event.assets) == (borrower, borrower, paid)
        assert stage.debt_of(borrower) in (debt - paid, debt - paid + 1)
        assert stage.coin.balanceOf(borrower) == stage.coins(30_000)

    def test_all_of_it_never_takes_more(self, indebted, vault, splitter, borrower):
        indebted.fund(borrower, 1_000)
        before = indebted.coin.balanceOf(borrower)
        receipt = vault.repay(borrower, splitter, MAX, sender=borrower)
        assert receipt.return_value == before - indebted.coin.balanceOf(borrower)
        assert indebted.coins(50_000) < receipt.return_value < indebted.coins(50_001)
        assert indebted.debt_of(borrower) == 0
        assert (vault.totalDebtParts(), vault.totalBorrows()) == (0, 0)

    def test_anyone_for_anyone(self, indebted, vault, splitter, borrower, stranger):
        indebted.fund(stranger, 60_000)
        receipt = vault.repay(borrower, splitter, MAX, sender=stranger)
        (event,) = receipt.decode_logs(vault.Repaid)
        assert (event.account, event.payer) == (borrower, stranger)
        assert indebted.debt_of(borrower) == 0

    def test_down_to_any_rest(self, indebted, lane, borrower):
        """Repaying is never refused, however little is left."""
        stage, vault = indebted, lane.contract(indebted.vault)
        stage.fund(borrower, 1_000)
        now = lane.time + 60
        with isolated(lane):
            lane.mine(at=now)
            debt = vault.read("healthOf", borrower, stage.splitter).debt
        vault.send("repay", borrower, stage.splitter, debt - 1, sender=borrower, at=now)
        assert stage.debt_of(borrower) in (1, 2)

    def test_a_debt_of_nothing(self, pledged, vault, splitter, borrower):
        receipt = vault.repay(borrower, splitter, MAX, sender=borrower)
        assert receipt.return_value == 0
        assert receipt.decode_logs(vault.Repaid) == []

    def test_with_nothing(self, vault, splitter, borrower):
        with reverts_with(vault.ZeroAmount):
            vault.repay(borrower, splitter, 0, sender=borrower)

    def test_money_one_does_not_have(self, indebted, vault, splitter, borrower, stranger):
        with reverts_with("TransferFromFailed()"):
            vault.repay(borrower, splitter, 1, sender=stranger)

    def test_an_unlisted_token(self, vault, stage, borrower):
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.repay(borrower, stage.coin, 1, sender=borrower)


class TestTakingSharesOut:
    def test_all_without_a_debt(self, pledged, vault, splitter, borrower, treasury):
        receipt = vault.withdrawCollateral(splitter, SUPPLY // 10, treasury, sender=borrower)
        (event,) = receipt.decode_logs(vault.CollateralWithdrawn)
        assert (event.account, event.collateral) == (borrower, splitter)
        assert (event.receiver, event.shares) == (treasury, SUPPLY // 10)
        assert splitter.balanceOf(treasury) == SUPPLY // 10
        assert vault.positionOf(borrower, splitter).riskBlock == 0

    def test_with_a_debt_down_to_the_ltv(self, indebted, lane, borrower):
        stage, vault = indebted, lane.contract(indebted.vault)
        now = lane.time + 100
        with isolated(lane):
            lane.mine(at=now)
            debt = vault.read("healthOf", borrower, stage.splitter).debt
        need = -(-debt * 10_000 // 6_000)  # value that carries the debt
        keep = -(-need * SUPPLY // stage.coins(1_000_000))
        out = SUPPLY // 10 - keep
        with (
            isolated(lane),
            reverts_with(stage.vault.BeyondLtv, debt=debt, limit=(need - 1) * 6_000 // 10_000),
        ):
            vault.send(
                "withdrawCollateral", stage.splitter, out + 1, borrower, sender=borrower, at=now
            )
        receipt = vault.send(
            "withdrawCollateral", stage.splitter, out, borrower, sender=borrower, at=now
        )
        position = vault.read("positionOf", borrower, stage.splitter)
        assert (position.shares, position.riskBlock) == (keep, receipt.block_number)

    def test_not_from_under_a_rest_of_debt(self, indebted, vault, splitter, borrower):
        """A debt too small to be worth a liquidation keeps its shares where they are."""
        vault.repay(borrower, splitter, indebted.coins(49_950), sender=borrower)
        with reverts_with(vault.DebtTooSmall, ...) as caught:
            vault.withdrawCollateral(splitter, 1, borrower, sender=borrower)
        assert caught.revert.inputs["min"] == indebted.coins(100)
        assert indebted.coins(50) < caught.revert.inputs["debt"] < indebted.coins(51)

    def test_more_than_there_is(self, pledged, vault, splitter, borrower):
        have = SUPPLY // 10
        with reverts_with(vault.NotEnoughShares, asked=have + 1, shares=have):
            vault.withdrawCollateral(splitter, have + 1, borrower, sender=borrower)

    def test_anothers(self, pledged, vault, splitter, stranger):
        with reverts_with(vault.NotEnoughShares, asked=1, shares=0):
            vault.withdrawCollateral(splitter, 1, stranger, sender=stranger)

    def test_nothing_or_to_nobody(self, pledged, vault, splitter, borrower):
        with reverts_with(vault.ZeroAmount):
            vault.withdrawCollateral(splitter, 0, borrower, sender=borrower)
        for bad in (ZERO, vault):
            with reverts_with(vault.BadAddress, field=word("receiver"), value=bad):
                vault.withdrawCollateral(splitter, 1, bad, sender=borrower)

    def test_an_unlisted_token(self, vault, stage, borrower):
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.withdrawCollateral(stage.coin, 1, borrower, sender=borrower)


class TestDividends:
    def test_rent_lowers_the_debt(self, indebted, lane, borrower, stranger):
        """From the lease engine to a lower debt in one transaction of anybody's."""
        stage, vault = indebted, lane.contract(indebted.vault)
        stage.earn(10_000)
        now = lane.time + 60
        with isolated(lane):
            lane.mine(at=now)
            before = vault.read("healthOf", borrower, stage.splitter)
        assert before.dividends == stage.coins(1_000)
        receipt = vault.send("applyDividends", borrower, stage.splitter, sender=stranger, at=now)
        event = receipt.event("DividendsApplied")
        assert (event.account, event.collateral) == (borrower, stage.splitter)
        assert event.dividendIndex == stage.coins(10_000)
        assert (event.earned, event.applied) == (stage.coins(1_000), stage.coins(1_000))
        after = vault.read("healthOf", borrower, stage.splitter)
        assert (after.debt - (before.debt - stage.coins(1_000))) in (0, 1)
        assert after.dividends == 0
        assert vault.read("idle") == stage.coins(451_000)
        assert stage.coin.balanceOf(vault.address) == stage.coins(451_000)

    def test_twice_is_nothing(self, indebted, vault, splitter, borrower, stranger):
        indebted.earn(10_000)
        vault.applyDividends(borrower, splitter, sender=stranger)
        receipt = vault.applyDividends(borrower, splitter, sender=stranger)
        assert receipt.return_value == 0
        assert receipt.decode_logs(vault.DividendsApplied) == []

    def test_what_was_earned_before_the_pledge_stays_with_the_pledger(
        self, stage, vault, splitter, lane, borrower
    ):
        stage.give_shares(borrower, SUPPLY // 10)
        stage.earn(10_000)
        vault.pledge(splitter, SUPPLY // 10, sender=borrower)
        assert stage.dividends_of(borrower) == 0
        assert splitter.claimable(borrower) == stage.coins(1_000)
        stage.earn(10_000)
        assert stage.dividends_of(borrower) == stage.coins(1_000)

    def test_shares_pledged_later_earn_from_then_on(self, pledged, vault, splitter, borrower):
        pledged.earn(10_000)
        pledged.pledge(borrower, SUPPLY // 10)
        assert pledged.dividends_of(borrower) == pledged.coins(1_000)
        pledged.earn(10_000)
        assert pledged.dividends_of(borrower) == pledged.coins(3_000)

    def test_shares_taken_out_leave_their_dividends(self, indebted, vault, splitter, borrower):
        indebted.earn(10_000)
        vault.withdrawCollateral(splitter, SUPPLY // 100, borrower, sender=borrower)
        assert indebted.coins(48_999) < indebted.debt_of(borrower) < indebted.coins(49_001)

    def test_every_touch_applies_them(self, indebted, vault, splitter, borrower):
        for touch in (
            lambda: vault.borrow(splitter, 1, borrower, sender=borrower),
            lambda: vault.repay(borrower, splitter, 1, sender=borrower),
            lambda: indebted.pledge(borrower, 1),
            lambda: vault.withdrawCollateral(splitter, 1, borrower, sender=borrower),
        ):
            indebted.earn(1_000)
            debt = indebted.debt_of(borrower)
            touch()
            assert indebted.debt_of(borrower) < debt - indebted.coins(99)
            assert vault.positionOf(borrower, splitter).dividends == 0

    def test_they_are_no_assets_of_the_lenders(self, indebted, vault, splitter, borrower):
        debt = indebted.debt_of(borrower)
        assets = vault.totalAssets()
        indebted.earn(10_000)
        splitter.claimFor(vault, sender=borrower)
        assert indebted.coin.balanceOf(vault) == vault.idle() + indebted.coins(1_000)
        # Interest of a few seconds on 50,000 coins.
        assert 0 <= vault.totalAssets() - assets < indebted.coins(1)
        assert indebted.debt_of(borrower) - debt < indebted.coins(1)

    def test_paid_in_by_a_stranger_they_still_count(
        self, indebted, vault, splitter, borrower, stranger
    ):
        """`claimFor` moves the money without the vault's knowing; the index knows."""
        indebted.earn(10_000)
        splitter.claimFor(vault, sender=stranger)
        assert splitter.claimable(vault) == 0
        receipt = vault.applyDividends(borrower, splitter, sender=stranger)
        assert receipt.return_value == indebted.coins(1_000)

    def test_they_count_for_health_before_they_are_applied(
        self, indebted, vault, splitter, borrower
    ):
        indebted.earn(200_000)
        vault.borrow(splitter, indebted.coins(29_000), borrower, sender=borrower)
        assert indebted.coins(58_999) < indebted.debt_of(borrower) < indebted.coins(59_001)


class TestSurplus:
    def test_what_exceeds_the_debt_is_the_borrowers(
        self, indebted, vault, splitter, borrower, treasury, stranger
    ):
        indebted.earn(600_000)
        vault.applyDividends(borrower, splitter, sender=stranger)
        assert indebted.debt_of(borrower) == 0
        left = indebted.dividends_of(borrower)
        assert indebted.coins(9_999) < left < indebted.coins(10_000)
        receipt = vault.claimSurplus(splitter, treasury, sender=borrower)
        (event,) = receipt.decode_logs(vault.SurplusClaimed)
        assert (event.account, event.collateral) == (borrower, splitter)
        assert (event.receiver, event.assets) == (treasury, left)
        assert indebted.coin.balanceOf(treasury) == left
        assert indebted.dividends_of(borrower) == 0
        assert indebted.coin.balanceOf(vault) == vault.idle()

    def test_repaid_and_paid_out_at_once(self, indebted, vault, splitter, borrower, treasury):
        indebted.earn(600_000)
        vault.claimSurplus(splitter, treasury, sender=borrower)
        assert indebted.debt_of(borrower) == 0
        assert indebted.coin.balanceOf(treasury) > indebted.coins(9_999)

    def test_without_a_debt_all_is_surplus(self, pledged, vault, splitter, borrower):
        pledged.earn(10_000)
        vault.claimSurplus(splitter, borrower, sender=borrower)
        assert pledged.coin.balanceOf(borrower) == pledged.coins(1_000)

    def test_not_past_a_debt(self, indebted, vault, splitter, borrower):
        indebted.earn(10_000)
        with reverts_with(vault.DebtOutstanding, ...) as caught:
            vault.claimSurplus(splitter, borrower, sender=borrower)
        assert indebted.coins(49_000) < caught.revert.inputs["debt"] < indebted.coins(49_001)

    def test_nothing(self, pledged, vault, splitter, borrower):
        assert vault.claimSurplus(splitter, borrower, sender=borrower).return_value == 0

    def test_to_nobody(self, vault, splitter, borrower):
        for bad in (ZERO, vault):
            with reverts_with(vault.BadAddress, field=word("receiver"), value=bad):
                vault.claimSurplus(splitter, bad, sender=borrower)

    def test_an_unlisted_token(self, vault, stage, borrower):
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.claimSurplus(stage.coin, borrower, sender=borrower)
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.applyDividends(borrower, stage.coin, sender=borrower)
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.healthOf(borrower, stage.coin)

    def test_it_serves_a_later_debt(self, pledged, vault, splitter, borrower, stranger):
        pledged.earn(10_000)
        vault.borrow(splitter, pledged.coins(5_000), borrower, sender=borrower)
        vault.applyDividends(borrower, splitter, sender=stranger)
        assert pledged.coins(3_999) < pledged.debt_of(borrower) < pledged.coins(4_001)


class TestBrokenOracle:
    @pytest.mark.parametrize("mood", [INVALID, REVERTS])
    def test_what_needs_a_price_waits(
        self, indebted, vault, splitter, owner, borrower, liquidator, mood
    ):
        indebted.oracle.setMood(mood, sender=owner)
        health = vault.healthOf(borrower, splitter)
        assert (health.value, health.valid) == (0, False)
        with reverts_with(vault.ValueUnknown, collateral=splitter):
            vault.borrow(splitter, 1, borrower, sender=borrower)
        with reverts_with(vault.ValueUnknown, collateral=splitter):
            vault.withdrawCollateral(splitter, 1, borrower, sender=borrower)
        with reverts_with(vault.ValueUnknown, collateral=splitter):
            vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)

    @pytest.mark.parametrize("mood", [INVALID, REVERTS, BURNS_GAS])
    def test_what_needs_none_goes_on(
        self, indebted, vault, splitter, owner, lender, borrower, stranger, mood
    ):
        indebted.oracle.setMood(mood, sender=owner)
        indebted.earn(10_000)
        vault.applyDividends(borrower, splitter, sender=stranger)
        indebted.pledge(borrower, 1)
        indebted.fund(borrower, 1_000)
        vault.repay(borrower, splitter, MAX, sender=borrower)
        vault.withdrawCollateral(splitter, SUPPLY // 10 + 1, borrower, sender=borrower)
        vault.claimSurplus(splitter, borrower, sender=borrower)
        vault.redeem(vault.balanceOf(lender), lender, lender, sender=lender)
        assert splitter.balanceOf(borrower) == SUPPLY // 10 + 1

    def test_one_that_tries_to_write_cannot(self, pledged, vault, splitter, owner, borrower):
        """Prices are read by static calls: a hostile oracle can look, not touch."""
        pledged.oracle.setMood(REENTERS, sender=owner)
        vault.borrow(splitter, pledged.coins(100), borrower, sender=borrower)
        assert pledged.debt_of(borrower) == pledged.coins(100)


class TestBrokenSplitter:
    """A collateral whose payments or whose index fail; the lease engine behind it broke, say."""

    @pytest.fixture
    def world(self, project, stage, owner, operator, lender, borrower):
        """A stage around the mock splitter: 50,000 owed against a tenth, 1,000 due."""
        shares = owner.deploy(project.MockSplitter, stage.coin, operator, SUPPLY)
        vault = owner.deploy(
            project.CollateralVault,
            vault_config(stage.coin, owner, shares, shares, stage.terms),
        )
        vault.listCollateral(
            shares, collateral_terms(stage.oracle, stage.terms), SUPPLY, sender=owner
        )
        world = VaultStage(
            project=project,
            owner=owner,
            operator=operator,
            coin=stage.coin,
            source=shares,
            factory=shares,
            splitter=shares,
            oracle=stage.oracle,
            vault=vault,
            terms=stage.terms,
        )
        world.lend(lender, 500_000)
        world.pledge(borrower, SUPPLY // 10)
        vault.borrow(shares, world.coins(50_000), borrower, sender=borrower)
        world.fund(borrower, 10_000)
        stage.coin.mint(shares, world.coins(1_000), sender=owner)
        shares.earn(world.coins(10_000), vault, world.coins(1_000), sender=owner)
        return world

    def test_an_honest_one_pays(self, world, borrower, stranger):
        receipt = world.vault.applyDividends(borrower, world.splitter, sender=stranger)
        assert receipt.return_value == world.coins(1_000)

    @pytest.mark.parametrize("mood", [CLAIM_REVERTS, CLAIM_PAYS_NOTHING])
    def test_unpaid_dividends_stay_due(self, world, owner, borrower, stranger, mood):
        vault, splitter = world.vault, world.splitter
        splitter.setMood(mood, sender=owner)
        receipt = vault.applyDividends(borrower, splitter, sender=stranger)
        assert receipt.return_value == 0
        (event,) = receipt.decode_logs(vault.DividendsApplied)
        assert (event.earned, event.applied) == (world.coins(1_000), 0)
        assert vault.positionOf(borrower, splitter).dividends == world.coins(1_000)
        assert world.dividends_of(borrower) == world.coins(1_000)

        splitter.setMood(HONEST, sender=owner)
        receipt = vault.applyDividends(borrower, splitter, sender=stranger)
        assert receipt.return_value == world.coins(1_000)
        assert world.dividends_of(borrower) == 0

    @pytest.mark.parametrize("mood", [INDEX_REVERTS, CLAIM_REVERTS, CLAIM_PAYS_NOTHING])
    def test_repaying_and_leaving_still_work(self, world, owner, borrower, mood):
        vault, splitter = world.vault, world.splitter
        splitter.setMood(mood, sender=owner)
        vault.repay(borrower, splitter, world.coins(10), sender=borrower)
        vault.repay(borrower, splitter, MAX, sender=borrower)
        assert world.debt_of(borrower) == 0
        vault.withdrawCollateral(splitter, SUPPLY // 10, borrower, sender=borrower)
        assert splitter.balanceOf(borrower) == SUPPLY // 10

    def test_unpaid_dividends_still_count_for_health(self, world, owner, borrower):
        vault, splitter = world.vault, world.splitter
        splitter.setMood(CLAIM_REVERTS, sender=owner)
        vault.borrow(splitter, world.coins(10_999), borrower, sender=borrower)
        with reverts_with(vault.BeyondLtv, ...):
            vault.borrow(splitter, world.coins(2), borrower, sender=borrower)

    def test_an_unreadable_index_counts_as_no_gain(self, world, owner, borrower):
        vault, splitter = world.vault, world.splitter
        splitter.setMood(INDEX_REVERTS, sender=owner)
        assert world.dividends_of(borrower) == 0
        with reverts_with(vault.BeyondLtv, ...):
            vault.borrow(splitter, world.coins(10_001), borrower, sender=borrower)
        vault.borrow(splitter, world.coins(9_999), borrower, sender=borrower)
        splitter.setMood(HONEST, sender=owner)
        assert world.dividends_of(borrower) == world.coins(1_000)

    def test_no_pledge_without_an_index(self, world, owner, borrower):
        """Else the new shares would collect what they earned before."""
        vault, splitter = world.vault, world.splitter
        world.give_shares(borrower, 5)
        splitter.setMood(INDEX_REVERTS, sender=owner)
        with reverts_with(vault.DividendsUnknown, collateral=splitter):
            vault.pledge(splitter, 5, sender=borrower)

    @pytest.mark.parametrize(
        ("mood", "error"),
        [
            (INDEX_REVERTS, "DividendsUnknown"),
            (CLAIM_REVERTS, "DividendsStuck"),
            (CLAIM_PAYS_NOTHING, "DividendsStuck"),
        ],
    )
    def test_no_liquidation_past_unpaid_dividends(
        self, world, owner, borrower, liquidator, mood, error
    ):
        vault, splitter = world.vault, world.splitter
        world.set_worth(600_000)
        splitter.setMood(mood, sender=owner)
        with reverts_with(getattr(vault, error), collateral=splitter):
            vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)

    def test_surplus_never_comes_out_of_the_lenders_money(self, world, owner, borrower):
        vault, splitter = world.vault, world.splitter
        vault.repay(borrower, splitter, MAX, sender=borrower)
        splitter.earn(world.coins(10_000), vault, 0, sender=owner)
        left = world.dividends_of(borrower)
        assert left > world.coins(900)
        splitter.setMood(CLAIM_PAYS_NOTHING, sender=owner)
        with reverts_with(vault.DividendsStuck, collateral=splitter):
            vault.claimSurplus(splitter, borrower, sender=borrower)
        splitter.setMood(CLAIM_REVERTS, sender=owner)
        with reverts_with(splitter.Broken):
            vault.claimSurplus(splitter, borrower, sender=borrower)
        assert world.dividends_of(borrower) == left


class TestFrozenMoney:
    """A stablecoin whose issuer freezes somebody reaches nobody else."""

    @pytest.fixture
    def stage(self, project, owner, operator, lender):
        coin = owner.deploy(project.FreezableCoin, 6)
        stage = VaultStage.deploy(project, owner, operator, coin=coin)
        stage.lend(lender, 500_000)
        return stage

    @pytest.fixture
    def owed(self, stage, borrower):
        stage.pledge(borrower, SUPPLY // 10)
        stage.vault.borrow(stage.splitter, stage.coins(50_000), borrower, sender=borrower)
        stage.fund(borrower, 10_000)
        stage.earn(10_000)
        return stage

    @pytest.mark.parametrize("who", ["source", "splitter"])
    def test_engine_or_splitter_frozen(self, owed, owner, lender, borrower, stranger, who):
        vault, splitter = owed.vault, owed.splitter
        owed.coin.setFrozen(getattr(owed, who), True, sender=owner)
        assert vault.applyDividends(borrower, splitter, sender=stranger).return_value == 0
        vault.repay(borrower, splitter, MAX, sender=borrower)
        vault.withdrawCollateral(splitter, SUPPLY // 10, borrower, sender=borrower)
        vault.redeem(vault.balanceOf(lender), lender, lender, sender=lender)
        assert owed.dividends_of(borrower) == owed.coins(1_000)
        owed.coin.setFrozen(getattr(owed, who), False, sender=owner)
        vault.claimSurplus(splitter, stranger, sender=borrower)
        assert owed.coin.balanceOf(stranger) == owed.coins(1_000)

    def test_a_frozen_borrower_holds_up_nobody(
        self, owed, owner, lender, borrower, stranger, liquidator
    ):
        vault, splitter = owed.vault, owed.splitter
        owed.coin.setFrozen(borrower, True, sender=owner)
        vault.applyDividends(borrower, splitter, sender=stranger)
        owed.fund(stranger, 1_000)
        vault.repay(borrower, splitter, owed.coins(1_000), sender=stranger)
        owed.set_worth(600_000)
        owed.fund(liquidator, 50_000)
        vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)
        vault.withdraw(owed.coins(100), lender, lender, sender=lender)
        assert owed.debt_of(borrower) < owed.coins(48_000)

    def test_everything_paused(self, owed, owner, borrower):
        """Shares without a debt can be taken out even then."""
        vault, splitter = owed.vault, owed.splitter
        vault.repay(borrower, splitter, MAX, sender=borrower)
        owed.earn(10_000)
        owed.coin.setPaused(True, sender=owner)
        vault.withdrawCollateral(splitter, SUPPLY // 10, borrower, sender=borrower)
        owed.coin.setPaused(False, sender=owner)
        vault.claimSurplus(splitter, borrower, sender=borrower)
        assert owed.dividends_of(borrower) == 0


def word(text):
    """A name as Solidity keeps it in 32 bytes."""
    return text.encode().ljust(32, b"\0")
