"""The vault as it is built, owned and lent to: constructor, listing, ERC-4626, interest."""

from __future__ import annotations

import dataclasses

import pytest

from derrick.testing import isolated, reverts_with
from tests.vault_stage import (
    CAPACITY,
    SUPPLY,
    UNIT,
    WAD,
    YEAR,
    Terms,
    VaultStage,
    collateral_terms,
    vault_config,
)

ZERO = "0x0000000000000000000000000000000000000000"
MAX = 2**256 - 1
MAX_ASSETS = 2**104 - 1


@pytest.fixture(scope="module")
def stage(project, owner, operator):
    return VaultStage.deploy(project, owner, operator)


@pytest.fixture(scope="module")
def vault(stage):
    return stage.vault


@pytest.fixture
def lent(stage, lender, borrower):
    """400,000 coins deposited, half of them borrowed against half of the shares."""
    stage.lend(lender, 400_000)
    stage.pledge(borrower, SUPPLY // 2)
    stage.vault.borrow(stage.splitter, stage.coins(200_000), borrower, sender=borrower)
    return stage


class TestConstruction:
    @pytest.fixture
    def build(self, project, stage, owner):
        def run(**changes):
            config = vault_config(stage.coin, owner, stage.factory, stage.source, stage.terms)
            return owner.deploy(project.CollateralVault, {**config, **changes})

        return run

    def test_what_it_is_made_of(self, vault, stage, owner):
        assert vault.asset() == stage.coin
        assert vault.owner() == owner
        assert vault.SPLITTERS() == stage.factory
        assert vault.CAPACITY() == stage.source
        assert vault.MIN_DEBT() == stage.coins(100)
        assert vault.RESERVE_FACTOR_BPS() == 1_000
        assert (vault.name(), vault.symbol()) == ("Derrick Test Dollar", "dTUSD")
        assert vault.decimals() == 12
        assert vault.borrowIndex() == WAD
        assert vault.borrowRate() == stage.terms.base_rate_wad

    def test_permit2_has_no_standing_approval(self, vault, lender):
        permit2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
        assert vault.allowance(lender, permit2) == 0

    @pytest.mark.parametrize("field", ["owner", "splitters", "capacity", "asset"])
    def test_every_address_must_be_set(self, project, build, field):
        with reverts_with(project.CollateralVault.BadAddress, field=word(field), value=ZERO):
            build(**{field: ZERO})

    def test_the_asset_must_be_a_token(self, project, build, stage):
        with reverts_with(
            project.CollateralVault.BadAddress, field=word("asset"), value=stage.source
        ):
            build(asset=stage.source)

    def test_more_than_18_decimals(self, project, build, owner):
        coin = owner.deploy(project.MockERC20, "Odd", "ODD", 19)
        with reverts_with(
            project.CollateralVault.OutOfRange, field=word("decimals"), value=19, min=0, max=18
        ):
            build(asset=coin)

    @pytest.mark.parametrize(
        ("changes", "field", "value", "low", "high"),
        [
            (
                {"baseRateWad": WAD, "slopeRateWad": WAD, "steepRateWad": WAD + 1},
                "rate",
                3 * WAD + 1,
                0,
                3 * WAD,
            ),
            ({"kinkWad": 10**16 - 1}, "kinkWad", 10**16 - 1, 10**16, 99 * 10**16),
            ({"kinkWad": 99 * 10**16 + 1}, "kinkWad", 99 * 10**16 + 1, 10**16, 99 * 10**16),
            ({"reserveFactorBps": 5_001}, "reserveFactorBps", 5_001, 0, 5_000),
            ({"minDebt": 0}, "minDebt", 0, 1, MAX_ASSETS),
        ],
    )
    def test_parameters_out_of_range(self, project, build, changes, field, value, low, high):
        with reverts_with(
            project.CollateralVault.OutOfRange, field=word(field), value=value, min=low, max=high
        ):
            build(**changes)


class TestListing:
    @pytest.fixture
    def fresh(self, project, stage, owner):
        """A vault without collateral."""
        config = vault_config(stage.coin, owner, stage.factory, stage.source, stage.terms)
        return owner.deploy(project.CollateralVault, config)

    def test_what_is_kept(self, stage, vault):
        listed = vault.collateralOf(stage.splitter)
        assert listed.oracle == stage.oracle
        assert (listed.supply, listed.cap) == (SUPPLY, SUPPLY)
        assert (listed.borrowLtvBps, listed.liquidationLtvBps) == (6_000, 7_500)
        assert (listed.bonusBps, listed.borrowable) == (500, True)

    def test_events(self, fresh, stage, owner):
        terms = collateral_terms(stage.oracle, stage.terms)
        receipt = fresh.listCollateral(stage.splitter, terms, 77, sender=owner)
        first, second = receipt.events
        assert first.collateral == stage.splitter
        assert first.terms == [stage.oracle.address.lower(), 6_000, 7_500, 500]
        assert (second.collateral, second.cap, second.borrowable) == (stage.splitter, 77, True)

    def test_owner_only(self, fresh, stage, stranger):
        terms = collateral_terms(stage.oracle, stage.terms)
        with reverts_with("Unauthorized()"):
            fresh.listCollateral(stage.splitter, terms, 1, sender=stranger)
        with reverts_with("Unauthorized()"):
            fresh.limitCollateral(stage.splitter, 1, True, sender=stranger)
        with reverts_with("Unauthorized()"):
            fresh.collectReserves(stranger, sender=stranger)

    def test_terms_never_change(self, vault, stage, owner):
        terms = collateral_terms(stage.oracle, stage.terms)
        with reverts_with(vault.AlreadyListed, collateral=stage.splitter):
            vault.listCollateral(stage.splitter, terms, SUPPLY, sender=owner)

    def test_the_oracle_must_be_a_contract(self, fresh, stage, owner, stranger):
        terms = collateral_terms(stranger, stage.terms)
        with reverts_with(fresh.BadAddress, field=word("oracle"), value=stranger):
            fresh.listCollateral(stage.splitter, terms, SUPPLY, sender=owner)

    @pytest.mark.parametrize(
        ("changes", "field", "value", "low", "high"),
        [
            ({"bonus_bps": 10_001}, "bonusBps", 10_001, 0, 10_000),
            # 1.05 x 95.24 % is the first to reach 100 %; without a bonus 100 % itself is.
            ({"liquidation_ltv_bps": 9_524}, "liquidationLtvBps", 9_524, 500, 9_523),
            (
                {"bonus_bps": 0, "liquidation_ltv_bps": 10_000},
                "liquidationLtvBps",
                10_000,
                500,
                9_999,
            ),
            # 1.25 x 80 % is exactly 100 %.
            (
                {"bonus_bps": 2_500, "liquidation_ltv_bps": 8_000},
                "liquidationLtvBps",
                8_000,
                500,
                7_999,
            ),
            ({"liquidation_ltv_bps": 499}, "liquidationLtvBps", 499, 500, 9_523),
            ({"borrow_ltv_bps": 7_001}, "borrowLtvBps", 7_001, 0, 7_000),
        ],
    )
    def test_terms_out_of_range(self, fresh, stage, owner, changes, field, value, low, high):
        terms = collateral_terms(stage.oracle, dataclasses.replace(stage.terms, **changes))
        with reverts_with(fresh.OutOfRange, field=word(field), value=value, min=low, max=high):
            fresh.listCollateral(stage.splitter, terms, SUPPLY, sender=owner)

    def test_the_last_terms_in_range(self, fresh, stage, owner):
        terms = Terms(borrow_ltv_bps=9_023, liquidation_ltv_bps=9_523, bonus_bps=500)
        fresh.listCollateral(stage.splitter, collateral_terms(stage.oracle, terms), 1, sender=owner)
        assert fresh.collateralOf(stage.splitter).liquidationLtvBps == 9_523

    def test_limits(self, vault, stage, owner):
        receipt = vault.limitCollateral(stage.splitter, 5, False, sender=owner)
        (event,) = receipt.decode_logs(vault.CollateralLimited)
        assert (event.collateral, event.cap, event.borrowable) == (stage.splitter, 5, False)
        listed = vault.collateralOf(stage.splitter)
        assert (listed.cap, listed.borrowable) == (5, False)

    def test_limits_of_an_unlisted(self, fresh, stage, owner):
        with reverts_with(fresh.NotListed, collateral=stage.splitter):
            fresh.limitCollateral(stage.splitter, 5, False, sender=owner)

    def test_a_cap_that_no_supply_reaches(self, vault, stage, owner):
        with reverts_with("Overflow()"):
            vault.limitCollateral(stage.splitter, 2**96, True, sender=owner)


class TestPair:
    """Splitter, factory and deed must agree before shares are lent against."""

    @pytest.fixture
    def world(self, project, stage, owner, operator):
        """A vault whose factory and deed are the mock splitter itself."""
        shares = owner.deploy(project.MockSplitter, stage.coin, operator, SUPPLY)
        config = vault_config(stage.coin, owner, shares, shares, stage.terms)
        vault = owner.deploy(project.CollateralVault, config)
        return vault, shares

    def _list(self, world, stage, owner):
        vault, shares = world
        vault.listCollateral(
            shares, collateral_terms(stage.oracle, stage.terms), SUPPLY, sender=owner
        )

    def test_a_pair_that_agrees(self, world, stage, owner):
        self._list(world, stage, owner)
        assert world[0].collateralOf(world[1]).supply == SUPPLY

    def test_a_strange_factory(self, world, stage, owner):
        vault, shares = world
        shares.setPair(False, stage.coin, shares, stage.coin, sender=owner)
        with reverts_with(vault.NotSplitter, token=shares):
            self._list(world, stage, owner)

    def test_another_stablecoin(self, world, stage, owner):
        vault, shares = world
        shares.setPair(True, stage.source, shares, stage.coin, sender=owner)
        with reverts_with(vault.WrongStablecoin, collateral=shares, stablecoin=stage.source):
            self._list(world, stage, owner)

    def test_rent_in_another_stablecoin(self, world, stage, owner):
        vault, shares = world
        shares.setPair(True, stage.coin, shares, stage.source, sender=owner)
        with reverts_with(vault.WrongStablecoin, collateral=shares, stablecoin=stage.source):
            self._list(world, stage, owner)

    def test_another_payee(self, world, stage, owner, stranger):
        vault, shares = world
        shares.setPair(True, stage.coin, stranger, stage.coin, sender=owner)
        with reverts_with(vault.NotPayee, collateral=shares, payee=stranger):
            self._list(world, stage, owner)

    def test_more_shares_than_a_splitter_has(self, project, stage, owner, operator):
        shares = owner.deploy(project.MockSplitter, stage.coin, operator, 2**96)
        config = vault_config(stage.coin, owner, shares, shares, stage.terms)
        vault = owner.deploy(project.CollateralVault, config)
        with reverts_with("Overflow()"):
            self._list((vault, shares), stage, owner)


class TestLending:
    def test_deposit_and_redeem(self, stage, vault, lender):
        stage.fund(lender, 1_000)
        receipt = vault.deposit(stage.coins(1_000), lender, sender=lender)
        (event,) = receipt.decode_logs(vault.Deposit)
        assert (event.by, event.owner) == (lender, lender)
        assert (event.assets, event.shares) == (stage.coins(1_000), stage.coins(1_000) * UNIT)
        assert vault.idle() == vault.totalAssets() == stage.coins(1_000)

        shares = vault.balanceOf(lender)
        assert vault.maxRedeem(lender) == shares
        vault.redeem(shares, lender, lender, sender=lender)
        assert stage.coin.balanceOf(lender) == stage.coins(1_000)
        assert (vault.totalSupply(), vault.totalAssets(), vault.idle()) == (0, 0, 0)

    def test_mint_and_withdraw(self, stage, vault, lender, treasury):
        stage.fund(lender, 1_000)
        vault.mint(stage.coins(10) * UNIT, lender, sender=lender)
        assert stage.coin.balanceOf(lender) == stage.coins(990)
        vault.withdraw(stage.coins(4), treasury, lender, sender=lender)
        assert stage.coin.balanceOf(treasury) == stage.coins(4)
        assert vault.balanceOf(lender) == stage.coins(6) * UNIT

    def test_another_needs_an_allowance(self, stage, vault, lender, stranger):
        stage.lend(lender, 10)
        with reverts_with("InsufficientAllowance()"):
            vault.withdraw(1, stranger, lender, sender=stranger)
        vault.approve(stranger, UNIT, sender=lender)
        vault.withdraw(1, stranger, lender, sender=stranger)
        assert stage.coin.balanceOf(stranger) == 1

    def test_zero_shares(self, stage, vault, lender):
        stage.fund(lender, 10)
        with reverts_with(vault.ZeroShares, assets=0):
            vault.deposit(0, lender, sender=lender)
        with reverts_with(vault.ZeroShares, assets=0):
            vault.mint(0, lender, sender=lender)

    def test_receivers(self, stage, vault, lender):
        stage.lend(lender, 10)
        stage.fund(lender, 10)
        for bad in (ZERO, vault):
            with reverts_with(vault.BadAddress, field=word("receiver"), value=bad):
                vault.deposit(1, bad, sender=lender)
            with reverts_with(vault.BadAddress, field=word("receiver"), value=bad):
                vault.withdraw(1, bad, lender, sender=lender)

    def test_donations_do_not_count(self, stage, vault, lender, stranger):
        stage.lend(lender, 100)
        stage.fund(stranger, 50)
        stage.coin.transfer(vault, stage.coins(50), sender=stranger)
        assert vault.totalAssets() == vault.idle() == stage.coins(100)
        assert vault.convertToAssets(UNIT) == 1

    def test_only_what_is_idle_can_leave(self, lent, lender):
        vault = lent.vault
        idle = lent.coins(200_000)
        assert vault.maxWithdraw(lender) == idle
        assert vault.maxRedeem(lender) == vault.convertToShares(idle)
        with reverts_with("WithdrawMoreThanMax()"):
            vault.withdraw(idle + 1, lender, lender, sender=lender)
        with reverts_with("RedeemMoreThanMax()"):
            vault.redeem(vault.balanceOf(lender), lender, lender, sender=lender)
        vault.withdraw(idle, lender, lender, sender=lender)
        assert (vault.idle(), vault.maxWithdraw(lender), vault.maxRedeem(lender)) == (0, 0, 0)

    def test_the_most_shares_can_indeed_be_redeemed(self, lent, lane, lender):
        vault = lane.contract(lent.vault)
        now = lane.time + 4_321
        with isolated(lane):
            lane.mine(at=now)
            most = vault.read("maxRedeem", lender)
        with isolated(lane), reverts_with("RedeemMoreThanMax()"):
            vault.send("redeem", most + 1, lender, lender, sender=lender, at=now)
        vault.send("redeem", most, lender, lender, sender=lender, at=now)
        assert vault.read("idle") <= 1

    def test_the_most_that_can_be_deposited(self, stage, vault, owner, lender):
        stage.coin.mint(lender, 2**105, sender=owner)
        stage.coin.approve(vault, MAX, sender=lender)
        assert vault.maxDeposit(lender) == MAX_ASSETS
        assert vault.maxMint(lender) == MAX_ASSETS * UNIT
        with reverts_with("DepositMoreThanMax()"):
            vault.deposit(MAX_ASSETS + 1, lender, sender=lender)
        with reverts_with("MintMoreThanMax()"):
            vault.mint(MAX_ASSETS * UNIT + 1, lender, sender=lender)
        vault.deposit(MAX_ASSETS, lender, sender=lender)
        assert vault.maxDeposit(lender) == 0
        vault.redeem(vault.balanceOf(lender), lender, lender, sender=lender)
        assert stage.coin.balanceOf(lender) == 2**105

    def test_previews_are_what_happens(self, lent, lane, other_lender):
        vault, coin = lane.contract(lent.vault), lane.contract(lent.coin)
        lent.fund(other_lender, 10_000)
        now = lane.time + 12_345
        for action, preview, amount, unit in (
            ("deposit", "previewDeposit", 1_234_567, vault),
            ("mint", "previewMint", 7_654_321_000_001, coin),
            ("withdraw", "previewWithdraw", 333_333, vault),
            ("redeem", "previewRedeem", 1_000_000_000_001, coin),
        ):
            who = [other_lender] * (1 if action in ("deposit", "mint") else 2)
            now += 10
            with isolated(lane):
                lane.mine(at=now)
                told = vault.read(preview, amount)
            before = unit.read("balanceOf", other_lender)
            vault.send(action, amount, *who, sender=other_lender, at=now)
            assert abs(unit.read("balanceOf", other_lender) - before) == told > 0


class TestInterest:
    def test_two_slopes(self, stage, vault, lender, borrower):
        terms = stage.terms
        stage.lend(lender, 100_000)
        stage.pledge(borrower, SUPPLY // 2)
        for coins, rate in (
            (40_000, terms.base_rate_wad + terms.slope_rate_wad // 2),
            (80_000, terms.base_rate_wad + terms.slope_rate_wad),
            (90_000, terms.base_rate_wad + terms.slope_rate_wad + terms.steep_rate_wad // 2),
            (100_000, terms.base_rate_wad + terms.slope_rate_wad + terms.steep_rate_wad),
        ):
            more = stage.coins(coins) - vault.totalBorrows()
            vault.borrow(stage.splitter, more, borrower, sender=borrower)
            # The few seconds between the steps have cost some hundredths of a coin.
            assert vault.borrowRate() == pytest.approx(rate, rel=10**-5)

    def test_a_year_at_half_use(self, lent, lane, lender, borrower):
        vault = lent.vault
        x = vault.borrowRate() / WAD
        debt, index = lent.debt_of(borrower), vault.borrowIndex()
        lane.mine(at=lane.time + YEAR)
        grown = vault.borrowIndex() / index
        assert grown == pytest.approx(1 + x + x**2 / 2 + x**3 / 6, rel=10**-9)
        interest = lent.debt_of(borrower) - debt
        assert interest == pytest.approx(debt * (grown - 1), rel=10**-9)
        assert vault.reserves() == pytest.approx(interest / 10, abs=2)
        assert vault.totalAssets() - lent.coins(400_000) == pytest.approx(interest * 9 / 10, abs=2)
        assert vault.maxWithdraw(lender) == vault.idle()

    def test_views_and_writing_agree(self, lent, lane, borrower, stranger):
        vault = lane.contract(lent.vault)
        reads = [
            vault.call(name) for name in ("borrowIndex", "totalAssets", "reserves", "totalBorrows")
        ]
        reads.append(vault.call("healthOf", borrower, lent.splitter))
        now = lane.time + 98_765
        with isolated(lane):
            lane.mine(at=now)
            seen = lane.batch(reads)
        receipt = vault.send("accrue", sender=stranger, at=now)
        assert receipt.event("Accrued").index == seen[0] > WAD
        assert seen == lane.batch(reads)

    def test_without_debt_nothing_grows(self, stage, vault, chain, lender):
        stage.lend(lender, 100)
        chain.mine(deltatime=YEAR)
        vault.accrue(sender=lender)
        assert (vault.borrowIndex(), vault.reserves()) == (WAD, 0)
        assert vault.totalAssets() == stage.coins(100)

    def test_the_owner_collects_the_reserves(self, lent, chain, owner, lender, treasury):
        vault = lent.vault
        chain.mine(deltatime=YEAR)
        vault.accrue(sender=lender)
        before = vault.totalAssets()
        receipt = vault.collectReserves(treasury, sender=owner)
        (event,) = receipt.decode_logs(vault.ReservesCollected)
        assert event.receiver == treasury
        assert event.assets == receipt.return_value == lent.coin.balanceOf(treasury)
        assert event.assets > lent.coins(900)
        assert vault.reserves() == 0
        assert 0 <= vault.totalAssets() - before < lent.coins(1)

    def test_reserves_wait_for_idle_money(self, lent, chain, owner, lender, treasury):
        vault = lent.vault
        chain.mine(deltatime=YEAR)
        vault.withdraw(vault.idle() - 5, lender, lender, sender=lender)
        vault.collectReserves(treasury, sender=owner)
        assert lent.coin.balanceOf(treasury) == 5
        assert vault.idle() == 0
        assert vault.reserves() > lent.coins(900)

    def test_reserves_go_to_somebody(self, vault, owner):
        for bad in (ZERO, vault):
            with reverts_with(vault.BadAddress, field=word("receiver"), value=bad):
                vault.collectReserves(bad, sender=owner)

    @pytest.mark.parametrize("decimals", [2, 6])
    def test_poked_every_second(self, project, lane, owner, operator, lender, borrower, decimals):
        """A hundred pokes a second apart cost a small loan what one after a hundred costs it."""
        stage = VaultStage.deploy(project, owner, operator, decimals=decimals)
        stage.lend(lender, 2_000)
        stage.pledge(borrower, SUPPLY // 2)
        stage.vault.borrow(stage.splitter, stage.coins(1_000), borrower, sender=borrower)
        vault = lane.contract(stage.vault)
        mark, since = lane.snapshot(), lane.time
        vault.send("accrue", sender=lender, at=since + 100)
        at_once = vault.read("borrowIndex")
        lane.revert(mark)
        for second in range(100):
            vault.send("accrue", sender=lender, at=since + 1 + second)
        poked = vault.read("borrowIndex")
        growth = at_once - WAD
        assert growth > 10**11
        assert 0 <= poked - at_once <= growth // 10**6 + 100

    def test_a_loan_nobody_touches_for_a_century(self, lent, chain, lender, borrower):
        """Index and reserves stop at their width; repaying and leaving still work."""
        vault, splitter = lent.vault, lent.splitter
        vault.borrow(splitter, lent.coins(99_000), borrower, sender=borrower)
        for _ in range(8):
            chain.mine(deltatime=50 * YEAR)
            vault.accrue(sender=lender)
        assert vault.borrowIndex() == 2**104 - 1
        debt = lent.debt_of(borrower)
        lent.coin.mint(borrower, debt, sender=lent.owner)
        lent.coin.approve(vault, MAX, sender=borrower)
        vault.repay(borrower, splitter, MAX, sender=borrower)
        vault.withdrawCollateral(splitter, SUPPLY // 2, borrower, sender=borrower)
        vault.redeem(vault.balanceOf(lender), lender, lender, sender=lender)
        assert lent.debt_of(borrower) == 0
        assert vault.totalSupply() == 0


def test_capacity_of_the_stage(stage):
    """The stage's splitter is the real one, for the capacity the mock source knows."""
    assert stage.splitter.CAPACITY_ID() == CAPACITY
    assert stage.source.payeeOf(CAPACITY) == (stage.splitter, stage.coin)


def word(text):
    """A name as Solidity keeps it in 32 bytes."""
    return text.encode().ljust(32, b"\0")
