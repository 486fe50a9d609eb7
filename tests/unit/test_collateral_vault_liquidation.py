"""Liquidation: who may, how much, for what, and who bears what nothing stands behind."""

from __future__ import annotations

from fractions import Fraction

import pytest

from derrick.testing import isolated, reverts_with
from tests.property.vault_model import growth_wad, rate_wad
from tests.vault_stage import PARTS, SUPPLY, UNIT, WAD, YEAR, Terms, VaultStage

ZERO = "0x0000000000000000000000000000000000000000"
MAX = 2**256 - 1
TENTH = SUPPLY // 10


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, borrower, liquidator):
    """500,000 lent; 60,000 owed against a tenth of the shares, worth 100,000."""
    stage = VaultStage.deploy(project, owner, operator)
    stage.lend(lender, 500_000)
    stage.pledge(borrower, TENTH)
    stage.vault.borrow(stage.splitter, stage.coins(60_000), borrower, sender=borrower)
    stage.fund(borrower, 0)
    stage.fund(liquidator, 200_000)
    return stage


@pytest.fixture(scope="module")
def vault(stage):
    return stage.vault


@pytest.fixture(scope="module")
def splitter(stage):
    return stage.splitter


@pytest.fixture
def bound(stage, lane):
    return lane.contract(stage.vault)


@pytest.fixture
def now(lane):
    """The time of the liquidation: a second from now, so that a test can look at it before."""
    return lane.time + 10


@pytest.fixture
def look(stage, lane, bound, borrower, now):
    """The position at that time."""

    def run():
        with isolated(lane):
            lane.mine(at=now)
            return bound.read("healthOf", borrower, stage.splitter)

    return run


class TestWho:
    def test_nobody_while_healthy(self, stage, vault, splitter, borrower, liquidator):
        with reverts_with(vault.PositionHealthy, ...) as caught:
            vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)
        assert caught.revert.inputs["limit"] == stage.coins(75_000)
        assert stage.coins(60_000) < caught.revert.inputs["debt"] < stage.coins(60_001)

    def test_exactly_at_the_limit_is_healthy(
        self, stage, bound, splitter, look, now, owner, borrower, liquidator, vault
    ):
        debt = look().debt
        # The least worth of all shares whose tenth still carries the debt at 75 %.
        worth = -(-debt * 10_000 // 7_500) * 10
        stage.oracle.setPrice(worth, sender=owner)
        limit = worth // 10 * 7_500 // 10_000
        assert limit == debt
        with reverts_with(vault.PositionHealthy, debt=debt, limit=limit):
            bound.send(
                "liquidate", borrower, splitter, MAX, 0, liquidator, sender=liquidator, at=now
            )

    def test_one_unit_past_the_limit_is_not(
        self, stage, bound, splitter, look, now, owner, borrower, liquidator
    ):
        debt = look().debt
        worth = (debt * 10_000 // 7_500 - 1) * 10
        stage.oracle.setPrice(worth, sender=owner)
        bound.send("liquidate", borrower, splitter, MAX, 0, liquidator, sender=liquidator, at=now)

    def test_not_oneself(self, stage, vault, splitter, borrower):
        stage.set_worth(700_000)
        with reverts_with(vault.SelfLiquidation, account=borrower):
            vault.liquidate(borrower, splitter, MAX, 0, borrower, sender=borrower)

    def test_to_nobody(self, stage, vault, splitter, borrower, liquidator):
        stage.set_worth(700_000)
        for bad in (ZERO, vault):
            with reverts_with(vault.BadAddress, field=word("receiver"), value=bad):
                vault.liquidate(borrower, splitter, MAX, 0, bad, sender=liquidator)

    def test_an_unlisted_token(self, stage, vault, borrower, liquidator):
        with reverts_with(vault.NotListed, collateral=stage.coin):
            vault.liquidate(borrower, stage.coin, MAX, 0, liquidator, sender=liquidator)

    def test_a_position_without_debt(self, vault, splitter, stranger, liquidator):
        with reverts_with(vault.PositionHealthy, debt=0, limit=0):
            vault.liquidate(stranger, splitter, MAX, 0, liquidator, sender=liquidator)

    @pytest.mark.parametrize("action", ["borrow", "withdrawCollateral"])
    def test_not_in_the_block_of_the_last_risk(
        self, stage, lane, bound, splitter, owner, borrower, liquidator, action
    ):
        """Price move and liquidation in the borrower's own block: only the next block may."""
        vault = stage.vault
        oracle = lane.contract(stage.oracle)
        low = stage.coins(650_000) * 10**18 // SUPPLY
        vault.repay(borrower, splitter, stage.coins(10_000), sender=borrower)
        lane.node.request("evm_setAutomine", False)
        try:
            hashes = [
                lane.node.request("eth_sendTransaction", {**call.message, "gas": hex(10**6)})
                for call in (
                    bound.call(action, splitter, 1, borrower, sender=borrower),
                    oracle.call("setPrice", low, sender=owner),
                    bound.call(
                        "liquidate", borrower, splitter, MAX, 0, liquidator, sender=liquidator
                    ),
                )
            ]
            lane.mine()
            receipts = [lane.node.request("eth_getTransactionReceipt", h) for h in hashes]
        finally:
            lane.node.request("evm_setAutomine", True)
        assert len({receipt["blockNumber"] for receipt in receipts}) == 1
        assert [receipt["status"] for receipt in receipts] == ["0x1", "0x1", "0x0"]
        output = lane.node.request("debug_traceTransaction", hashes[2], {"tracer": "callTracer"})[
            "output"
        ]
        revert = lane.book.revert(bytes.fromhex(output[2:]))
        assert (revert.name, revert.inputs["blockNumber"]) == (
            "RiskRaisedInBlock",
            int(receipts[2]["blockNumber"], 16),
        )
        vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)


class TestInPart:
    def test_back_to_the_borrow_ltv(
        self, stage, bound, splitter, look, now, borrower, liquidator, treasury
    ):
        stage.set_worth(750_000)
        before = look()
        receipt = bound.send(
            "liquidate", borrower, splitter, MAX, 0, treasury, sender=liquidator, at=now
        )
        event = receipt.event("Liquidated")
        assert (event.account, event.collateral) == (borrower, splitter)
        assert (event.liquidator, event.receiver, event.badDebt) == (liquidator, treasury, 0)
        # (debt - 60 % x value) / (1 - 60 % x 1.05)
        wanted = (before.debt - Fraction(6, 10) * before.value) / (1 - Fraction(63, 100))
        assert 0 <= event.repaid - wanted < 1
        assert stage.coin.balanceOf(liquidator) == stage.coins(200_000) - event.repaid
        assert splitter.balanceOf(treasury) == event.seized
        # Seized is worth what was paid and the bonus, rounded down to a share.
        share = Fraction(before.value, TENTH)
        assert 0 <= event.repaid * Fraction(105, 100) - event.seized * share < share
        after = bound.read("healthOf", borrower, splitter)
        assert Fraction(after.debt, after.value) == pytest.approx(0.6, abs=1e-9)
        assert stage.vault.positionOf(borrower, splitter).shares == TENTH - event.seized

    def test_less_if_the_liquidator_wants(
        self, stage, bound, splitter, look, now, borrower, liquidator
    ):
        stage.set_worth(750_000)
        before = look()
        paid = stage.coins(1_000)
        receipt = bound.send(
            "liquidate", borrower, splitter, paid, 0, liquidator, sender=liquidator, at=now
        )
        assert receipt.event("Liquidated").repaid == paid
        after = bound.read("healthOf", borrower, splitter)
        assert after.debt * before.value < before.debt * after.value

    def test_the_fewest_shares_he_takes(
        self, stage, bound, splitter, look, now, borrower, liquidator, vault
    ):
        stage.set_worth(750_000)
        paid = stage.coins(1_000)
        seized = TENTH * paid * 10_500 // (look().value * 10_000)
        with (
            isolated(bound.lane),
            reverts_with(vault.SeizedBelowMin, seized=seized, min=seized + 1),
        ):
            bound.send(
                "liquidate",
                borrower,
                splitter,
                paid,
                seized + 1,
                liquidator,
                sender=liquidator,
                at=now,
            )
        bound.send(
            "liquidate", borrower, splitter, paid, seized, liquidator, sender=liquidator, at=now
        )

    def test_with_nothing(self, stage, vault, splitter, borrower, liquidator):
        stage.set_worth(750_000)
        with reverts_with(vault.ZeroAmount):
            vault.liquidate(borrower, splitter, 0, 0, liquidator, sender=liquidator)

    def test_so_little_that_rounding_would_harm(
        self, project, lane, owner, operator, lender, borrower, liquidator
    ):
        """A unit that rounding swallows would leave as much debt on fewer shares."""
        terms = Terms(base_rate_wad=2 * WAD)
        stage = VaultStage.deploy(project, owner, operator, terms=terms)
        stage.lend(lender, 500_000)
        stage.pledge(borrower, TENTH)
        stage.vault.borrow(stage.splitter, stage.coins(60_000), borrower, sender=borrower)
        stage.fund(liquidator, 20_000_000)
        lane.mine(at=lane.time + 5 * YEAR)
        stage.vault.accrue(sender=lender)
        vault, splitter = lane.contract(stage.vault), stage.splitter
        since, index = lane.time, vault.read("borrowIndex")
        assert index > 200 * WAD
        parts = vault.read("positionOf", borrower, splitter).debtParts
        lent = Fraction(parts * index // WAD, UNIT)
        rate = rate_wad(terms, lent, vault.read("idle"))
        # The first second at which the debt lies a hair above a whole unit.
        for seconds in range(5, 10**6):
            then = index + -(-index * growth_wad(rate, seconds) // WAD)
            debt_up, cut = -(-parts * then // PARTS), PARTS // then
            if -(-(parts - cut) * then // PARTS) == debt_up:
                break
        stage.oracle.setPrice(debt_up * 12, sender=owner)
        arguments = (borrower, splitter, 1, 0, liquidator)
        with (
            isolated(lane),
            reverts_with(
                stage.vault.WorseByRounding, repaid=1, seized=TENTH * 105 // (debt_up * 120)
            ),
        ):
            vault.send("liquidate", *arguments, sender=liquidator, at=since + seconds)
        vault.send(
            "liquidate",
            borrower,
            splitter,
            stage.coins(1),
            0,
            liquidator,
            sender=liquidator,
            at=since + seconds,
        )

    def test_dividends_first(self, stage, vault, splitter, borrower, liquidator):
        """Rent nobody had released yet makes the position healthy."""
        stage.set_worth(750_000)
        stage.earn(40_000)
        with reverts_with(vault.PositionHealthy, ...) as caught:
            vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)
        assert stage.coins(56_000) <= caught.revert.inputs["debt"] < stage.coins(56_001)

    def test_dividends_first_then_the_sale(self, stage, vault, splitter, borrower, liquidator):
        stage.set_worth(650_000)
        stage.earn(40_000)
        receipt = vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)
        (applied,) = receipt.decode_logs(vault.DividendsApplied)
        (sale,) = receipt.decode_logs(vault.Liquidated)
        assert applied.applied == stage.coins(4_000)
        assert stage.coins(56_000 - 39_000) / 0.37 <= sale.repaid < stage.coins(17_001) / 0.37


class TestInFull:
    def test_where_too_little_would_be_left(
        self, stage, bound, splitter, look, now, borrower, liquidator, vault
    ):
        """160 owed, of which the target would leave some 63: all of it goes, and part does not."""
        vault.repay(borrower, splitter, stage.coins(59_840), sender=borrower)
        stage.set_worth(2_000)
        debt = look().debt
        assert stage.coins(160) < debt < stage.coins(161)
        with (
            isolated(bound.lane),
            reverts_with(vault.DebtTooSmall, debt=stage.coins(100) - 1, min=stage.coins(100)),
        ):
            bound.send(
                "liquidate",
                borrower,
                splitter,
                debt - stage.coins(100) + 1,
                0,
                liquidator,
                sender=liquidator,
                at=now,
            )
        receipt = bound.send(
            "liquidate", borrower, splitter, MAX, 0, liquidator, sender=liquidator, at=now
        )
        event = receipt.event("Liquidated")
        assert (event.repaid, event.badDebt) == (debt, 0)
        position = vault.positionOf(borrower, splitter)
        assert (position.debtParts, position.shares) == (0, TENTH - event.seized)

    def test_what_is_left_belongs_to_the_borrower(
        self, stage, vault, splitter, borrower, liquidator
    ):
        vault.repay(borrower, splitter, stage.coins(59_840), sender=borrower)
        stage.set_worth(2_000)
        vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)
        left = vault.positionOf(borrower, splitter).shares
        assert left > TENTH // 10
        vault.withdrawCollateral(splitter, left, borrower, sender=borrower)
        assert splitter.balanceOf(borrower) == left

    def test_where_a_part_would_make_it_worse(
        self, stage, bound, splitter, look, now, owner, borrower, liquidator, vault
    ):
        """62,000 against 60,000 at a bonus of 5 %: all shares for 59,048, the rest is lost."""
        stage.set_worth(620_000)
        before = look()
        needed = -(-before.value * 10_000 // 10_500)
        assert needed < before.debt
        with (
            isolated(bound.lane),
            reverts_with(vault.OnlyFullClose, offered=needed - 1, needed=needed),
        ):
            bound.send(
                "liquidate",
                borrower,
                splitter,
                needed - 1,
                0,
                liquidator,
                sender=liquidator,
                at=now,
            )
        receipt = bound.send(
            "liquidate", borrower, splitter, needed, TENTH, liquidator, sender=liquidator, at=now
        )
        event = receipt.event("Liquidated")
        assert (event.repaid, event.seized) == (needed, TENTH)
        assert event.badDebt - (before.debt - needed) in (0, 1)
        position = vault.positionOf(borrower, splitter)
        assert (position.debtParts, position.shares) == (0, 0)
        assert (vault.totalBorrows(), vault.totalDebtParts()) == (0, 0)
        assert splitter.balanceOf(liquidator) == TENTH

    def test_lenders_bear_what_the_reserves_do_not(
        self, stage, bound, lane, splitter, borrower, liquidator
    ):
        stage.set_worth(300_000)
        lane.mine(at=lane.time + YEAR)
        now = lane.time + 10
        with isolated(lane):
            lane.mine(at=now)
            names = ("totalAssets", "reserves")
            assets, reserves = lane.batch([bound.call(name) for name in names])
        assert reserves > stage.coins(90)
        receipt = bound.send(
            "liquidate", borrower, splitter, MAX, 0, liquidator, sender=liquidator, at=now
        )
        bad = receipt.event("Liquidated").badDebt
        assert bad > stage.coins(31_000)
        assert bound.read("reserves") == 0
        assert abs(assets - bound.read("totalAssets") - (bad - reserves)) <= 2

    def test_reserves_bear_it_alone_if_they_can(
        self, stage, bound, lane, splitter, owner, borrower, liquidator
    ):
        lane.mine(at=lane.time + 20 * YEAR)
        now = lane.time + 10
        with isolated(lane):
            lane.mine(at=now)
            names = ("totalAssets", "reserves")
            assets, reserves = lane.batch([bound.call(name) for name in names])
            debt = bound.read("healthOf", borrower, splitter).debt
        # A tenth of the shares brings in all but half of the reserves.
        worth = (debt - reserves // 2) * 105 // 100
        stage.oracle.setPrice(worth * 10, sender=owner)
        receipt = bound.send(
            "liquidate", borrower, splitter, MAX, 0, liquidator, sender=liquidator, at=now
        )
        bad = receipt.event("Liquidated").badDebt
        assert bad == pytest.approx(reserves // 2, abs=2)
        assert bound.read("totalAssets") - assets in (0, 1)
        assert abs(reserves - bad - bound.read("reserves")) <= 1

    def test_shares_worth_nothing(self, stage, vault, splitter, borrower, liquidator):
        """A known worth of nothing: the debt is lost, and not carried on as if it were money."""
        stage.set_worth(0)
        assets = vault.totalAssets()
        receipt = vault.liquidate(borrower, splitter, 0, 0, liquidator, sender=liquidator)
        (event,) = receipt.decode_logs(vault.Liquidated)
        assert (event.repaid, event.seized) == (0, TENTH)
        assert stage.coins(60_000) < event.badDebt < stage.coins(60_001)
        assert assets - vault.totalAssets() == pytest.approx(event.badDebt, abs=stage.coins(1))

    def test_the_share_price_after_a_loss(self, stage, vault, splitter, borrower, liquidator):
        stage.set_worth(300_000)
        before = vault.convertToAssets(10**9 * UNIT)
        vault.liquidate(borrower, splitter, MAX, 0, liquidator, sender=liquidator)
        after = vault.convertToAssets(10**9 * UNIT)
        assert after == pytest.approx(before * (500_000 - 31_428.57) / 500_000, rel=1e-6)


def test_two_collaterals_are_two_positions(project, owner, operator, lender, borrower, liquidator):
    """What is pledged in one position never stands in for another."""
    stage = VaultStage.deploy(project, owner, operator, terms=Terms())
    vault, first = stage.vault, stage.splitter
    other = project.RevenueSplitter.at(stage.factory.predict(operator, 2, stage.coin, SUPPLY))
    stage.source.setPayee(2, other, stage.coin, sender=owner)
    stage.factory.create((2, SUPPLY, operator, [], 0), sender=operator)
    oracle = owner.deploy(project.MockCollateralOracle, stage.coins(1_000_000))
    vault.listCollateral(other, (oracle, 6_000, 7_500, 500), SUPPLY, sender=owner)
    stage.lend(lender, 500_000)
    stage.pledge(borrower, TENTH)
    vault.borrow(first, stage.coins(60_000), borrower, sender=borrower)
    other.transfer(borrower, TENTH * 9, sender=operator)
    other.approve(vault, MAX, sender=borrower)
    vault.pledge(other, TENTH * 9, sender=borrower)

    with reverts_with(vault.BeyondLtv, ...):
        vault.borrow(first, stage.coins(1), borrower, sender=borrower)
    stage.fund(liquidator, 100_000)
    stage.set_worth(700_000)
    vault.liquidate(borrower, first, MAX, 0, liquidator, sender=liquidator)
    assert vault.positionOf(borrower, other).shares == TENTH * 9
    assert other.balanceOf(vault) == TENTH * 9


def word(text):
    """A name as Solidity keeps it in 32 bytes."""
    return text.encode().ljust(32, b"\0")
