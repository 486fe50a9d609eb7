"""ServiceBond in Circle's FiatToken: frozen accounts, frozen bond, paused coin, real permits."""

from __future__ import annotations

from contextlib import contextmanager

import ape
import pytest

from derrick.fiat import UNLIMITED, FiatToken
from derrick.testing import reverts_with
from tests.bond_stage import CAPACITY, STAKERS_LEG, BondStage

USD = 10**6
NOT_PAID = "TransferFailed()"
"""Solady's word for a token that does not pay, whatever its reason."""
NOT_TAKEN = "TransferFromFailed()"

stateless = ape.fixture(chain_isolation=False, scope="session")


@stateless
def staker(lender):
    return lender


@stateless
def other_staker(other_lender):
    return other_lender


@pytest.fixture(scope="module")
def usdc(owner):
    return FiatToken.deploy(owner)


@pytest.fixture(scope="module")
def stage(project, lane, owner, operator, usdc):
    return BondStage.deploy(project, lane, owner, operator, coin=usdc.token)


@pytest.fixture(scope="module")
def bond(stage):
    return stage.bond


@contextmanager
def stopped(usdc, bond, how):
    """The coin lets nothing into the bond or out of it."""
    if how == "paused":
        usdc.pause()
    else:
        usdc.blacklist(bond)
    yield
    if how == "paused":
        usdc.unpause()
    else:
        usdc.unblacklist(bond)


class TestFrozenAccounts:
    def test_a_frozen_tenant_names_another_receiver(
        self, bond, stage, usdc, tenant, other_tenant, treasury, owner
    ):
        stage.deposit(30 * USD)
        stage.reserve(7, 30 * USD)
        usdc.blacklist(tenant)
        with reverts_with(NOT_PAID):
            stage.engine.pay(CAPACITY, 7, tenant, 10 * USD, sender=owner)
        assert tuple(bond.reserveOf(CAPACITY, 7)) == (30 * USD, 0, 1)
        stage.engine.pay(CAPACITY, 7, other_tenant, 10 * USD, sender=owner)
        stage.engine.pay(CAPACITY, 7, treasury, 10 * USD, sender=owner)
        assert stage.held(other_tenant) == stage.held(treasury) == 10 * USD

    def test_a_frozen_staker_leaves_through_another(
        self, bond, stage, usdc, staker, other_staker, treasury
    ):
        shares = stage.join(staker, 100 * USD)
        stage.join(other_staker, 100 * USD)
        stage.stake(staker, 7 * USD)
        usdc.blacklist(staker)
        with reverts_with(NOT_PAID):
            bond.cancelStake(CAPACITY, staker, sender=staker)
        bond.cancelStake(CAPACITY, treasury, sender=staker)
        stage.at(stage.cool(staker, shares // 2))
        with reverts_with(NOT_PAID):
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        bond.withdrawStake(CAPACITY, treasury, sender=staker)
        stage.at(stage.cool(staker))
        bond.releaseStake(CAPACITY, staker, sender=other_staker)
        with reverts_with(NOT_PAID):
            bond.claim(CAPACITY, staker, sender=staker)
        bond.claim(CAPACITY, treasury, sender=staker)
        assert stage.held(treasury) == 107 * USD
        assert stage.leave(other_staker) == 100 * USD

    def test_a_frozen_operator_leaves_through_another(self, bond, stage, usdc, operator, treasury):
        stage.deposit(30 * USD)
        usdc.blacklist(operator)
        bond.requestExit(CAPACITY, sender=operator)
        stage.at(bond.exitRequestOf(CAPACITY).exitableAt)
        with reverts_with(NOT_PAID):
            bond.withdraw(CAPACITY, 30 * USD, operator, sender=operator)
        bond.withdraw(CAPACITY, 30 * USD, treasury, sender=operator)
        assert stage.held(treasury) == 30 * USD

    def test_a_frozen_payee_keeps_nobody_in_or_out(self, bond, stage, usdc, staker, other_staker):
        stage.join(staker, 100 * USD)
        bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        stage.earn(1_000 * USD)
        usdc.blacklist(stage.splitter)
        with reverts_with(NOT_PAID):
            bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        stage.join(other_staker, 100 * USD)
        assert stage.leave(staker) == 100 * USD
        usdc.unblacklist(stage.splitter)
        # What it held back belongs to those who insure when it comes.
        assert bond.collect(CAPACITY, STAKERS_LEG, sender=staker).return_value == 200 * USD
        assert 300 * USD - 3 <= bond.stakeOf(CAPACITY, other_staker) <= 300 * USD


@pytest.mark.parametrize("how", ["paused", "frozen"])
class TestStoppedCoins:
    def test_nothing_moves_and_nothing_is_lost(
        self, bond, stage, usdc, staker, other_staker, operator, tenant, owner, how
    ):
        """Money stands still; all that is only counted goes on, and everyone gets his own later."""
        shares = stage.join(staker, 100 * USD)
        bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        stage.deposit(20 * USD)
        stage.stake(other_staker, 50 * USD)
        stage.earn(1_000 * USD)
        stage.cool(staker, shares // 2)
        stage.fund(other_staker, USD)
        with stopped(usdc, bond, how):
            for function in (bond.stake, bond.deposit):
                with reverts_with(NOT_TAKEN):
                    function(CAPACITY, USD, sender=other_staker)
            with reverts_with(NOT_PAID):
                bond.cancelStake(CAPACITY, other_staker, sender=other_staker)
            with reverts_with(NOT_PAID):
                bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
            # Penalties are set aside and given back, stake joins, leaves the pool, is recovered.
            assert stage.reserve(7, 30 * USD).return_value == 30 * USD
            assert stage.reserve(8, 9 * USD).return_value == 9 * USD
            with reverts_with(NOT_PAID):
                stage.engine.pay(CAPACITY, 7, tenant, 3 * USD, sender=owner)
            assert stage.engine.free(CAPACITY, 8, sender=owner).return_value == 9 * USD
            assert bond.recover(CAPACITY, 8, staker, sender=owner).return_value == 9 * USD
            bond.join(CAPACITY, other_staker, sender=owner)
            stage.at(bond.coolingOf(CAPACITY, staker).releaseAt)
            with reverts_with(NOT_PAID):
                bond.withdrawStake(CAPACITY, staker, sender=staker)
            released = bond.releaseStake(CAPACITY, staker, sender=owner).return_value
            assert 81 * USD // 2 - 1 <= released <= 81 * USD // 2
            with reverts_with(NOT_PAID):
                bond.claim(CAPACITY, staker, sender=staker)
            bond.unstake(CAPACITY, shares // 2, sender=staker)
            bond.requestExit(CAPACITY, sender=operator)
        assert bond.claim(CAPACITY, staker, sender=staker).return_value == released + 9 * USD
        stage.engine.pay(CAPACITY, 7, tenant, 30 * USD, sender=owner)
        assert stage.held(tenant) == 30 * USD
        assert bond.collect(CAPACITY, STAKERS_LEG, sender=staker).return_value == 200 * USD
        assert bond.heldOf(CAPACITY) == stage.held(bond)


class TestPermits:
    def permit(self, usdc, bond, holder, value, deadline=UNLIMITED):
        return value, deadline, *usdc.sign_permit(holder, bond, value, deadline)

    @pytest.fixture(params=["deposit", "stake"])
    def way(self, request, bond):
        """Paying in with a permit, and what then is there."""
        account = request.getfixturevalue("staker")
        if request.param == "deposit":
            return bond.depositWithPermit, lambda: bond.operatorPartOf(CAPACITY)
        return bond.stakeWithPermit, lambda: bond.pendingOf(CAPACITY, account).amount

    def test_need_no_allowance_before(self, bond, stage, usdc, staker, way):
        usdc.mint(staker, 9 * USD)
        function, there = way
        permit = self.permit(usdc, bond, staker, 5 * USD)
        function(CAPACITY, 5 * USD, permit, sender=staker)
        assert there() == bond.heldOf(CAPACITY) == 5 * USD
        assert stage.coin.allowance(staker, bond) == 0
        with reverts_with(NOT_TAKEN):
            function(CAPACITY, USD, permit, sender=staker)

    def test_one_that_somebody_else_brought_first(self, bond, stage, usdc, staker, stranger, way):
        usdc.mint(staker, 9 * USD)
        function, there = way
        permit = self.permit(usdc, bond, staker, 5 * USD)
        stage.coin.permit(staker, bond, *permit, sender=stranger)
        function(CAPACITY, 5 * USD, permit, sender=staker)
        assert there() == 5 * USD

    def test_one_that_does_not_hold_changes_nothing(
        self, bond, stage, usdc, staker, stranger, way, lane
    ):
        usdc.mint(staker, 9 * USD)
        function, there = way
        expired = self.permit(usdc, bond, staker, 5 * USD, lane.time)
        foreign = self.permit(usdc, bond, stranger, 5 * USD)
        for permit in (expired, foreign):
            with reverts_with(NOT_TAKEN):
                function(CAPACITY, 5 * USD, permit, sender=staker)
        stage.coin.approve(bond, 5 * USD, sender=staker)
        function(CAPACITY, 5 * USD, foreign, sender=staker)
        assert there() == 5 * USD

    def test_nobody_pays_in_with_another_ones(self, bond, usdc, staker, stranger, way):
        usdc.mint(staker, 9 * USD)
        function, _ = way
        permit = self.permit(usdc, bond, staker, 5 * USD)
        with reverts_with(NOT_TAKEN):
            function(CAPACITY, 5 * USD, permit, sender=stranger)
        assert bond.heldOf(CAPACITY) == 0
