"""ServiceBond: the operator's part, the stakers' pool, penalties, rewards, and who attacks them."""

from __future__ import annotations

import pytest

from derrick.testing import isolated, reverts_with, reverts_without_data
from derrick.units import DAY, HOUR
from tests.bond_stage import (
    CAPACITY,
    COOLDOWN,
    DEPLETED,
    EXIT_DELAY,
    MAX,
    MAX_HELD,
    OPERATOR_LEG,
    RELEASE_WINDOW,
    STAKERS_BPS,
    STAKERS_LEG,
    VIRTUAL,
    BondStage,
)
from tests.splitter_stage import logs

USD = 10**6
ZERO = "0x" + "00" * 20
PAYS, REVERTS, BURNS, BOMBS = range(4)
UNPAID = "TransferFromFailed()"
"""Solady's word for a token that cannot be taken in."""


@pytest.fixture(scope="session")
def staker(lender):
    return lender


@pytest.fixture(scope="session")
def other_staker(other_lender):
    return other_lender


@pytest.fixture(scope="module")
def stage(project, lane, owner, operator):
    return BondStage.deploy(project, lane, owner, operator)


@pytest.fixture(scope="module")
def bond(stage):
    return stage.bond


@pytest.fixture(scope="module")
def errors(project):
    return project.ServiceBond


class TestBinding:
    def test_what_it_is_made_of(self, bond, stage):
        assert bond.CAPACITY() == stage.deeds
        assert bond.engine() == stage.engine
        assert bond.EXIT_DELAY() == EXIT_DELAY
        assert bond.COOLDOWN() == COOLDOWN
        assert bond.RELEASE_WINDOW() == RELEASE_WINDOW

    def test_the_deeds_must_be_set(self, project, owner, errors):
        with reverts_with(errors.BadReceiver, receiver=ZERO):
            owner.deploy(project.ServiceBond, ZERO)

    def test_binds_once_and_for_good(self, project, stage, owner, errors):
        bond = owner.deploy(project.ServiceBond, stage.deeds)
        engine = owner.deploy(project.MockBondEngine, stage.deeds, bond)
        assert bond.engine() == ZERO
        receipt = bond.bind(engine, sender=owner)
        assert logs(receipt, bond.Bound) == [{"engine": engine}]
        assert bond.engine() == engine
        for again in (engine, stage.engine):
            with reverts_with(errors.AlreadyBound, engine=engine):
                bond.bind(again, sender=owner)

    def test_only_who_deployed_it_binds(self, project, stage, owner, operator, errors):
        bond = owner.deploy(project.ServiceBond, stage.deeds)
        engine = owner.deploy(project.MockBondEngine, stage.deeds, bond)
        with reverts_with(errors.NotDeployer, caller=operator):
            bond.bind(engine, sender=operator)

    def test_engine_and_bond_must_name_each_other(self, project, stage, owner, errors):
        bond = owner.deploy(project.ServiceBond, stage.deeds)
        other_deeds = owner.deploy(project.MockDeeds)
        for engine in (stage.engine, owner.deploy(project.MockBondEngine, other_deeds, bond)):
            with reverts_with(errors.ForeignEngine, engine=engine):
                bond.bind(engine, sender=owner)

    def test_without_an_engine_money_comes_in_and_waiting_stake_goes_out(
        self, project, stage, owner, operator, staker, errors
    ):
        bond = owner.deploy(project.ServiceBond, stage.deeds)
        for account in (operator, staker):
            stage.coin.mint(account, USD, sender=owner)
            stage.coin.approve(bond, USD, sender=account)
        bond.deposit(CAPACITY, USD, sender=operator)
        bond.stake(CAPACITY, USD, sender=staker)
        bond.requestExit(CAPACITY, sender=operator)
        stage.at(stage.lane.time + EXIT_DELAY)
        with reverts_with(errors.NotBound):
            bond.withdraw(CAPACITY, USD, operator, sender=operator)
        with reverts_with(errors.NotBound):
            bond.join(CAPACITY, staker, sender=staker)
        bond.cancelStake(CAPACITY, staker, sender=staker)
        assert stage.held(staker) == USD

    def test_only_the_engine_draws_on_it(self, bond, owner, operator, errors):
        for caller in (owner, operator):
            with reverts_with(errors.NotEngine, caller=caller):
                bond.reserve(CAPACITY, 0, 1, sender=caller)
            with reverts_with(errors.NotEngine, caller=caller):
                bond.pay(CAPACITY, 0, caller, 1, sender=caller)
            with reverts_with(errors.NotEngine, caller=caller):
                bond.free(CAPACITY, 0, sender=caller)

    def test_an_unknown_capacity_has_nothing(self, bond, stage, staker):
        unknown = stage.deeds.UnknownCapacity
        for function in (bond.deposit, bond.stake, bond.collect):
            with reverts_with(unknown, capacity=2):
                function(2, 1, sender=staker)
        assert bond.bondOf(2) == bond.heldOf(2) == bond.claim(2, staker, sender=staker).return_value


class TestOperatorPart:
    def test_anyone_pays_in(self, bond, stage, operator, stranger):
        assert logs(stage.deposit(5 * USD), bond.Deposited) == [
            {"capacity": CAPACITY, "by": operator, "amount": 5 * USD}
        ]
        stage.fund(stranger, USD)
        bond.deposit(CAPACITY, USD, sender=stranger)
        assert bond.operatorPartOf(CAPACITY) == bond.bondOf(CAPACITY) == 6 * USD
        assert bond.heldOf(CAPACITY) == stage.held(bond) == 6 * USD
        assert stage.held(stranger) == 0

    def test_nothing_is_not_paid_in(self, bond, operator, errors):
        with reverts_with(errors.ZeroAmount):
            bond.deposit(CAPACITY, 0, sender=operator)

    def test_what_is_not_allowed_is_not_paid_in(self, bond, stage, stranger):
        stage.coin.mint(stranger, USD, sender=stage.owner)
        with reverts_with(UNPAID):
            bond.deposit(CAPACITY, USD, sender=stranger)
        assert bond.heldOf(CAPACITY) == 0

    def test_holds_as_much_as_its_fields_take(self, bond, stage, staker, operator, errors):
        stage.deposit(MAX_HELD - 1)
        stage.fund(staker, 2)
        for function in (bond.deposit, bond.stake):
            with reverts_with(errors.TooMuch, capacity=CAPACITY, amount=2, room=1):
                function(CAPACITY, 2, sender=staker)
        bond.stake(CAPACITY, 1, sender=staker)
        with reverts_with(errors.TooMuch, capacity=CAPACITY, amount=MAX, room=0):
            bond.deposit(CAPACITY, MAX, sender=staker)
        assert bond.heldOf(CAPACITY) == MAX_HELD

    def test_only_the_deed_owner_asks_to_leave(self, bond, operator, stranger, errors):
        for call in (
            lambda: bond.requestExit(CAPACITY, sender=stranger),
            lambda: bond.withdraw(CAPACITY, 1, stranger, sender=stranger),
        ):
            with reverts_with(errors.NotDeedOwner, capacity=CAPACITY, caller=stranger):
                call()
        with reverts_with("TokenDoesNotExist()"):
            bond.requestExit(2, sender=operator)

    def test_an_approval_for_the_deed_is_not_ownership(
        self, bond, stage, operator, stranger, errors
    ):
        stage.deeds.approve(stranger, CAPACITY, sender=operator)
        with reverts_with(errors.NotDeedOwner, capacity=CAPACITY, caller=stranger):
            bond.requestExit(CAPACITY, sender=stranger)

    def test_asking_again_changes_nothing(self, bond, stage, operator):
        stage.at(stage.origin)
        receipt = bond.requestExit(CAPACITY, sender=operator)
        exitable_at = stage.origin + EXIT_DELAY
        assert logs(receipt, bond.ExitRequested) == [
            {"capacity": CAPACITY, "owner": operator, "exitableAt": exitable_at}
        ]
        again = bond.requestExit(CAPACITY, sender=operator)
        assert again.events == []
        assert tuple(bond.exitRequestOf(CAPACITY)) == (operator, exitable_at)

    def test_leaves_from_the_seventh_day_on(self, bond, stage, operator, treasury, errors):
        stage.deposit(5 * USD)
        with reverts_with(errors.NoExitRequest, capacity=CAPACITY, caller=operator):
            bond.withdraw(CAPACITY, USD, operator, sender=operator)
        stage.at(stage.origin)
        bond.requestExit(CAPACITY, sender=operator)
        ready = stage.origin + EXIT_DELAY
        stage.at(ready - 1)
        with reverts_with(errors.ExitNotReady, capacity=CAPACITY, exitableAt=ready):
            bond.withdraw(CAPACITY, USD, treasury, sender=operator)
        stage.at(ready)
        receipt = bond.withdraw(CAPACITY, 2 * USD, treasury, sender=operator)
        assert logs(receipt, bond.Withdrawn) == [
            {"capacity": CAPACITY, "owner": operator, "receiver": treasury, "amount": 2 * USD}
        ]
        assert stage.held(treasury) == 2 * USD
        assert bond.operatorPartOf(CAPACITY) == bond.heldOf(CAPACITY) == 3 * USD
        # The request stays open.
        bond.withdraw(CAPACITY, 3 * USD, treasury, sender=operator)
        with reverts_with(errors.NotEnough, asked=1, available=0):
            bond.withdraw(CAPACITY, 1, treasury, sender=operator)

    @pytest.fixture
    def leaving(self, bond, stage, operator):
        """The operator may go, as far as the delay is concerned."""
        stage.deposit(5 * USD)
        bond.requestExit(CAPACITY, sender=operator)
        stage.lane.mine(at=stage.lane.time + EXIT_DELAY)

    def test_not_while_anything_leased_is_unsettled(self, bond, stage, operator, errors, leaving):
        stage.settle(20, 21)
        stage.at(stage.deadline_of(20))
        with reverts_with(errors.NotSettled, capacity=CAPACITY, settledTo=20, needed=21):
            bond.withdraw(CAPACITY, USD, operator, sender=operator)
        stage.settle(21, 21)
        bond.withdraw(CAPACITY, USD, operator, sender=operator)

    def test_not_while_a_penalty_can_be_added(self, bond, stage, operator, errors, leaving):
        stage.settle(21, 21)
        deadline = stage.deadline_of(20)
        stage.at(deadline - 1)
        with reverts_with(errors.PenaltyPossible, capacity=CAPACITY, epoch=20, deadline=deadline):
            bond.withdraw(CAPACITY, USD, operator, sender=operator)
        stage.at(deadline)
        bond.withdraw(CAPACITY, USD, operator, sender=operator)

    def test_nothing_more_than_there_is(self, bond, operator, errors, leaving):
        with reverts_with(errors.NotEnough, asked=5 * USD + 1, available=5 * USD):
            bond.withdraw(CAPACITY, 5 * USD + 1, operator, sender=operator)
        with reverts_with(errors.ZeroAmount):
            bond.withdraw(CAPACITY, 0, operator, sender=operator)

    def test_not_to_nobody(self, bond, operator, errors, leaving):
        for receiver in (ZERO, bond):
            with reverts_with(errors.BadReceiver, receiver=receiver):
                bond.withdraw(CAPACITY, USD, receiver, sender=operator)

    def test_not_what_stakers_put_in(self, bond, stage, operator, staker, errors, leaving):
        stage.join(staker, 100 * USD)
        stage.stake(staker, 100 * USD)
        stage.settle(0, 0)
        with reverts_with(errors.NotEnough, asked=5 * USD + 1, available=5 * USD):
            bond.withdraw(CAPACITY, 5 * USD + 1, operator, sender=operator)

    def test_cancelling(self, bond, operator, stranger, errors, leaving):
        with reverts_with(errors.NoExitRequest, capacity=CAPACITY, caller=stranger):
            bond.cancelExit(CAPACITY, sender=stranger)
        receipt = bond.cancelExit(CAPACITY, sender=operator)
        assert logs(receipt, bond.ExitCancelled) == [{"capacity": CAPACITY, "owner": operator}]
        assert tuple(bond.exitRequestOf(CAPACITY)) == (ZERO, 0)
        for call in (
            lambda: bond.cancelExit(CAPACITY, sender=operator),
            lambda: bond.withdraw(CAPACITY, USD, operator, sender=operator),
        ):
            with reverts_with(errors.NoExitRequest, capacity=CAPACITY, caller=operator):
                call()

    def test_moves_with_the_deed_but_the_request_does_not(
        self, bond, stage, operator, other_operator, errors, leaving
    ):
        stage.deeds.transferFrom(operator, other_operator, CAPACITY, sender=operator)
        with reverts_with(errors.NotDeedOwner, capacity=CAPACITY, caller=operator):
            bond.withdraw(CAPACITY, USD, operator, sender=operator)
        with reverts_with(errors.NoExitRequest, capacity=CAPACITY, caller=other_operator):
            bond.withdraw(CAPACITY, USD, other_operator, sender=other_operator)
        bond.requestExit(CAPACITY, sender=other_operator)
        owner, exitable_at = bond.exitRequestOf(CAPACITY)
        assert owner == other_operator
        stage.at(exitable_at - 1)
        with reverts_with(errors.ExitNotReady, capacity=CAPACITY, exitableAt=exitable_at):
            bond.withdraw(CAPACITY, USD, other_operator, sender=other_operator)
        bond.withdraw(CAPACITY, 5 * USD, other_operator, sender=other_operator)
        assert stage.held(other_operator) == 5 * USD
        # Who has sold it and bought it back asks anew, since another has asked meanwhile.
        stage.deeds.transferFrom(other_operator, operator, CAPACITY, sender=other_operator)
        with reverts_with(errors.NoExitRequest, capacity=CAPACITY, caller=operator):
            bond.withdraw(CAPACITY, USD, operator, sender=operator)


class TestJoining:
    @pytest.mark.parametrize(
        ("second", "joins"),
        [(-1, 0), (0, 1), (DAY - 1, 1), (DAY, 2), (41 * DAY + HOUR, 42)],
    )
    def test_waits_for_the_epochs_that_have_begun(self, bond, stage, staker, second, joins):
        stage.fund(staker, 7 * USD)
        stage.at(stage.origin + second)
        receipt = bond.stake(CAPACITY, 7 * USD, sender=staker)
        assert logs(receipt, bond.Staked) == [
            {"capacity": CAPACITY, "account": staker, "amount": 7 * USD, "joins": joins}
        ]
        assert tuple(bond.pendingOf(CAPACITY, staker)) == (7 * USD, joins)
        assert bond.heldOf(CAPACITY) == stage.held(bond) == 7 * USD
        assert bond.bondOf(CAPACITY) == bond.sharesOf(CAPACITY, staker) == 0

    def test_nothing_is_no_stake(self, bond, staker, errors):
        with reverts_with(errors.ZeroAmount):
            bond.stake(CAPACITY, 0, sender=staker)
        for call in (
            lambda: bond.join(CAPACITY, staker, sender=staker),
            lambda: bond.cancelStake(CAPACITY, staker, sender=staker),
        ):
            with reverts_with(errors.NothingPending, capacity=CAPACITY, account=staker):
                call()

    def test_more_stake_makes_all_of_it_wait_anew(self, bond, stage, staker, other_staker):
        stage.at(stage.start_of(3))
        stage.stake(staker, USD)
        stage.stake(other_staker, USD)
        stage.lane.mine(at=stage.start_of(8))
        stage.stake(staker, 2 * USD)
        assert tuple(bond.pendingOf(CAPACITY, staker)) == (3 * USD, 9)
        assert tuple(bond.pendingOf(CAPACITY, other_staker)) == (USD, 4)

    def test_what_waits_can_be_taken_back(self, bond, stage, staker, treasury, errors):
        stage.stake(staker, 3 * USD)
        for receiver in (ZERO, bond):
            with reverts_with(errors.BadReceiver, receiver=receiver):
                bond.cancelStake(CAPACITY, receiver, sender=staker)
        receipt = bond.cancelStake(CAPACITY, treasury, sender=staker)
        assert logs(receipt, bond.StakeCancelled) == [
            {"capacity": CAPACITY, "account": staker, "receiver": treasury, "amount": 3 * USD}
        ]
        assert receipt.return_value == stage.held(treasury) == 3 * USD
        assert bond.heldOf(CAPACITY) == 0
        assert tuple(bond.pendingOf(CAPACITY, staker)) == (0, 0)
        with reverts_with(errors.NothingPending, capacity=CAPACITY, account=staker):
            bond.cancelStake(CAPACITY, treasury, sender=staker)

    def test_joins_once_those_epochs_are_settled(self, bond, stage, staker, stranger, errors):
        stage.lane.mine(at=stage.start_of(3))
        stage.stake(staker, 3 * USD)
        stage.settle(3, 30)
        stage.lane.mine(at=stage.deadline_of(3))
        with reverts_with(errors.NotSettled, capacity=CAPACITY, settledTo=3, needed=4):
            bond.join(CAPACITY, staker, sender=staker)
        stage.settle(4, 30)
        receipt = bond.join(CAPACITY, staker, sender=stranger)
        shares = 3 * USD * VIRTUAL
        assert receipt.return_value == shares
        assert logs(receipt, bond.Joined) == [
            {"capacity": CAPACITY, "account": staker, "amount": 3 * USD, "shares": shares}
        ]
        assert stage.pool() == (3 * USD, shares, 0)
        assert bond.sharesOf(CAPACITY, staker) == shares
        assert bond.stakeOf(CAPACITY, staker) == bond.bondOf(CAPACITY) == 3 * USD
        assert bond.operatorPartOf(CAPACITY) == 0
        with reverts_with(errors.NothingPending, capacity=CAPACITY, account=staker):
            bond.join(CAPACITY, staker, sender=stranger)

    def test_joins_once_no_penalty_can_be_added_for_them(self, bond, stage, staker, errors):
        stage.lane.mine(at=stage.start_of(3))
        stage.stake(staker, 3 * USD)
        stage.settle(30, 40)
        deadline = stage.deadline_of(3)
        stage.at(deadline - 1)
        with reverts_with(errors.PenaltyPossible, capacity=CAPACITY, epoch=3, deadline=deadline):
            bond.join(CAPACITY, staker, sender=staker)
        stage.at(deadline)
        bond.join(CAPACITY, staker, sender=staker)

    def test_epochs_that_nobody_leased_are_not_waited_for(self, bond, stage, staker, errors):
        stage.lane.mine(at=stage.start_of(30))
        stage.stake(staker, 3 * USD)
        stage.settle(4, 5)
        with reverts_with(errors.NotSettled, capacity=CAPACITY, settledTo=4, needed=5):
            bond.join(CAPACITY, staker, sender=staker)
        stage.settle(5, 5)
        assert tuple(bond.pendingOf(CAPACITY, staker)) == (3 * USD, 31)
        bond.join(CAPACITY, staker, sender=staker)

    def test_shares_cost_what_the_pool_is_worth(self, bond, stage, staker, other_staker):
        first = stage.join(staker, 1_000 * USD)
        stage.reserve(0, 250 * USD)
        assets, shares = 750 * USD, first
        made = stage.join(other_staker, 333 * USD)
        assert made == 333 * USD * (shares + VIRTUAL) // (assets + 1)
        assert stage.pool() == (1_083 * USD, shares + made, 0)
        assert bond.stakeOf(CAPACITY, staker) == 750 * USD
        assert bond.stakeOf(CAPACITY, other_staker) in (333 * USD, 333 * USD - 1)

    def test_joins_what_it_has_already(self, bond, stage, staker):
        first = stage.join(staker, 10 * USD)
        second = stage.join(staker, 30 * USD)
        assert bond.sharesOf(CAPACITY, staker) == first + second
        assert bond.stakeOf(CAPACITY, staker) == 40 * USD


class TestLeaving:
    @pytest.fixture
    def shares(self, stage, staker):
        """Of 100 dollars staked."""
        return stage.join(staker, 100 * USD)

    def test_cools_for_seven_days_and_the_epochs_begun_by_then(self, bond, stage, staker, shares):
        stage.at(stage.start_of(3))
        receipt = bond.unstake(CAPACITY, shares // 4, sender=staker)
        release_at = stage.start_of(3) + COOLDOWN
        assert logs(receipt, bond.Unstaked) == [
            {
                "capacity": CAPACITY,
                "account": staker,
                "shares": shares // 4,
                "releaseAt": release_at,
                "epoch": 11,
            }
        ]
        assert tuple(bond.coolingOf(CAPACITY, staker)) == (shares // 4, release_at, 11)
        assert bond.sharesOf(CAPACITY, staker) == shares

    def test_no_more_than_there_is(self, bond, staker, other_staker, shares, errors):
        with reverts_with(errors.ZeroAmount):
            bond.unstake(CAPACITY, 0, sender=staker)
        with reverts_with(errors.NotEnough, asked=shares + 1, available=shares):
            bond.unstake(CAPACITY, shares + 1, sender=staker)
        with reverts_with(errors.NotEnough, asked=1, available=0):
            bond.unstake(CAPACITY, 1, sender=other_staker)
        bond.unstake(CAPACITY, shares - 1, sender=staker)
        with reverts_with(errors.NotEnough, asked=2, available=1):
            bond.unstake(CAPACITY, 2, sender=staker)

    def test_more_of_them_make_all_cool_anew(self, bond, stage, staker, shares):
        stage.at(stage.start_of(3))
        bond.unstake(CAPACITY, shares // 4, sender=staker)
        stage.at(stage.start_of(9))
        bond.unstake(CAPACITY, shares // 2, sender=staker)
        later = (shares // 4 + shares // 2, stage.start_of(9) + COOLDOWN, 17)
        assert tuple(bond.coolingOf(CAPACITY, staker)) == later

    def test_cancelling(self, bond, stage, staker, stranger, shares, errors):
        stage.cool(staker)
        with reverts_with(errors.NothingCooling, capacity=CAPACITY, account=stranger):
            bond.cancelUnstake(CAPACITY, sender=stranger)
        receipt = bond.cancelUnstake(CAPACITY, sender=staker)
        assert logs(receipt, bond.UnstakeCancelled) == [{"capacity": CAPACITY, "account": staker}]
        assert tuple(bond.coolingOf(CAPACITY, staker)) == (0, 0, 0)
        assert bond.sharesOf(CAPACITY, staker) == shares
        for call in (
            lambda: bond.cancelUnstake(CAPACITY, sender=staker),
            lambda: bond.releaseStake(CAPACITY, staker, sender=stranger),
            lambda: bond.withdrawStake(CAPACITY, staker, sender=staker),
        ):
            with reverts_with(errors.NothingCooling, capacity=CAPACITY, account=staker):
                call()

    def test_is_paid_out_to_the_second(self, bond, stage, staker, treasury, shares, errors):
        release_at = stage.cool(staker, shares // 4)
        stage.at(release_at - 1)
        with reverts_with(errors.StillCooling, capacity=CAPACITY, releaseAt=release_at):
            bond.withdrawStake(CAPACITY, treasury, sender=staker)
        stage.at(release_at)
        receipt = bond.withdrawStake(CAPACITY, treasury, sender=staker)
        amount = 25 * USD
        assert logs(receipt, bond.StakeReleased) == [
            {"capacity": CAPACITY, "account": staker, "shares": shares // 4, "amount": amount}
        ]
        assert logs(receipt, bond.Claimed) == [
            {"capacity": CAPACITY, "account": staker, "receiver": treasury, "amount": amount}
        ]
        assert receipt.return_value == stage.held(treasury) == amount
        assert stage.pool() == (75 * USD, shares - shares // 4, 0)
        assert bond.heldOf(CAPACITY) == stage.held(bond) == 75 * USD
        assert bond.sharesOf(CAPACITY, staker) == shares - shares // 4
        with reverts_with(errors.NothingCooling, capacity=CAPACITY, account=staker):
            bond.withdrawStake(CAPACITY, treasury, sender=staker)

    def test_not_to_nobody(self, bond, stage, staker, shares, errors):
        stage.at(stage.cool(staker))
        for receiver in (ZERO, bond):
            with reverts_with(errors.BadReceiver, receiver=receiver):
                bond.withdrawStake(CAPACITY, receiver, sender=staker)

    def test_waits_for_the_epochs_begun_before_its_release(
        self, bond, stage, staker, shares, errors
    ):
        stage.lane.mine(at=stage.start_of(3) - 1)
        stage.at(stage.start_of(3))
        bond.unstake(CAPACITY, shares, sender=staker)
        stage.settle(10, 40)
        stage.at(stage.deadline_of(10))
        with reverts_with(errors.NotSettled, capacity=CAPACITY, settledTo=10, needed=11):
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        stage.settle(11, 40)
        bond.withdrawStake(CAPACITY, staker, sender=staker)

    def test_waits_until_no_penalty_can_be_added(self, bond, stage, staker, shares, errors):
        stage.lane.mine(at=stage.start_of(3) - 1)
        stage.at(stage.start_of(3))
        bond.unstake(CAPACITY, shares, sender=staker)
        stage.settle(40, 40)
        deadline = stage.deadline_of(10)
        stage.at(deadline - 1)
        with reverts_with(errors.PenaltyPossible, capacity=CAPACITY, epoch=10, deadline=deadline):
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        stage.at(deadline)
        bond.withdrawStake(CAPACITY, staker, sender=staker)

    def test_epochs_that_nobody_leased_are_not_waited_for(
        self, bond, stage, staker, shares, errors
    ):
        stage.lane.mine(at=stage.start_of(12))
        release_at = stage.cool(staker)
        stage.settle(4, 5)
        stage.at(release_at)
        with reverts_with(errors.NotSettled, capacity=CAPACITY, settledTo=4, needed=5):
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        stage.settle(5, 5)
        bond.withdrawStake(CAPACITY, staker, sender=staker)

    def test_the_way_out_closes_again(self, bond, stage, staker, shares, errors):
        """Else cooled shares could stay, earn, and leave at the first sign of trouble."""
        stage.at(stage.start_of(3))
        bond.unstake(CAPACITY, shares, sender=staker)
        stage.settle(40, 40)
        lapsed = stage.deadline_of(10) + RELEASE_WINDOW
        with isolated(stage.lane):
            stage.at(lapsed - 1)
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        stage.at(lapsed)
        with reverts_with(errors.UnstakeLapsed, capacity=CAPACITY, lapsedAt=lapsed):
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        with reverts_with(errors.UnstakeLapsed, capacity=CAPACITY, lapsedAt=lapsed):
            bond.releaseStake(CAPACITY, staker, sender=staker)
        bond.cancelUnstake(CAPACITY, sender=staker)
        assert stage.leave(staker) == 100 * USD

    def test_the_way_out_closes_two_days_after_the_penalties_where_nothing_is_leased(
        self, bond, stage, staker, shares, errors
    ):
        """Open from the end of the cooling on; closed by its epoch, as if that had been leased."""
        released = stage.cool(staker)
        with isolated(stage.lane):
            stage.at(released)
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        epoch = bond.coolingOf(CAPACITY, staker).epoch
        deadline = stage.engine.penaltyDeadlineOf(CAPACITY, epoch - 1)
        lapsed = max(released, deadline) + RELEASE_WINDOW
        with isolated(stage.lane):
            stage.at(lapsed - 1)
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        stage.at(lapsed)
        with reverts_with(errors.UnstakeLapsed, capacity=CAPACITY, lapsedAt=lapsed):
            bond.withdrawStake(CAPACITY, staker, sender=staker)

    def test_anyone_sends_out_what_has_cooled(
        self, bond, stage, staker, treasury, stranger, shares, errors
    ):
        release_at = stage.cool(staker, shares // 2)
        stage.at(release_at - 1)
        with reverts_with(errors.StillCooling, capacity=CAPACITY, releaseAt=release_at):
            bond.releaseStake(CAPACITY, staker, sender=stranger)
        receipt = bond.releaseStake(CAPACITY, staker, sender=stranger)
        assert receipt.return_value == bond.claimableOf(CAPACITY, staker) == 50 * USD
        assert stage.held(staker) == stage.held(stranger) == 0
        assert stage.pool()[0] == 50 * USD
        assert bond.heldOf(CAPACITY) == 100 * USD
        # It earns no more, and insures no more.
        stage.earn(50 * USD)
        bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
        stage.reserve(0, MAX)
        assert bond.claim(CAPACITY, treasury, sender=stranger).return_value == 0
        receipt = bond.claim(CAPACITY, treasury, sender=staker)
        assert receipt.return_value == stage.held(treasury) == 50 * USD
        assert bond.claim(CAPACITY, treasury, sender=staker).events == []

    def test_a_release_and_what_there_was_to_claim_come_together(
        self, bond, stage, staker, stranger, shares
    ):
        stage.at(stage.cool(staker, shares // 2))
        bond.releaseStake(CAPACITY, staker, sender=stranger)
        stage.at(stage.cool(staker))
        receipt = bond.withdrawStake(CAPACITY, staker, sender=staker)
        assert receipt.return_value == stage.held(staker) == 100 * USD
        assert bond.claimableOf(CAPACITY, staker) == bond.heldOf(CAPACITY) == 0

    def test_claims_go_to_somebody(self, bond, stage, staker, shares, errors):
        stage.at(stage.cool(staker))
        bond.releaseStake(CAPACITY, staker, sender=staker)
        for receiver in (ZERO, bond):
            with reverts_with(errors.BadReceiver, receiver=receiver):
                bond.claim(CAPACITY, receiver, sender=staker)

    def test_the_last_one_leaves_an_empty_pool(self, bond, stage, staker, other_staker, shares):
        stage.join(other_staker, 33 * USD)
        stage.earn(10_000_001)
        bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        got = stage.leave(staker) + stage.leave(other_staker)
        dust = 133 * USD + 10_000_001 * STAKERS_BPS // 10_000 - got
        assert 0 < dust <= 3
        assert stage.pool() == (0, 0, 0)
        assert stage.operator_part() == bond.heldOf(CAPACITY) == stage.held(bond) == dust
        assert stage.join(staker, USD) == USD * VIRTUAL


class TestPenalties:
    def test_the_operator_pays_first(self, bond, stage, staker, owner):
        stage.deposit(100 * USD)
        stage.join(staker, 50 * USD)
        receipt = stage.reserve(7, 60 * USD)
        assert receipt.return_value == 60 * USD
        assert logs(receipt, bond.Reserved) == [
            {
                "capacity": CAPACITY,
                "epoch": 7,
                "number": 1,
                "wanted": 60 * USD,
                "ofOperator": 60 * USD,
                "ofPool": 0,
            }
        ]
        assert stage.operator_part() == 40 * USD
        assert stage.pool()[0] == 50 * USD
        assert stage.reserve(8, 60 * USD).return_value == 60 * USD
        assert tuple(bond.reserveOf(CAPACITY, 7)) == (60 * USD, 0, 1)
        assert tuple(bond.reserveOf(CAPACITY, 8)) == (40 * USD, 20 * USD, 2)
        assert stage.operator_part() == 0
        assert stage.pool()[0] == bond.stakeOf(CAPACITY, staker) == 30 * USD
        assert bond.bondOf(CAPACITY) == 30 * USD
        assert bond.heldOf(CAPACITY) == 150 * USD

    def test_takes_what_there_is(self, bond, stage, staker):
        stage.deposit(100 * USD)
        stage.join(staker, 50 * USD)
        assert stage.reserve(7, MAX).return_value == 150 * USD
        assert stage.reserve(8, MAX).return_value == 0
        assert tuple(bond.reserveOf(CAPACITY, 8)) == (0, 0, 2)
        assert bond.bondOf(CAPACITY) == 0
        assert bond.heldOf(CAPACITY) == 150 * USD

    def test_never_what_waits_or_has_left(self, bond, stage, staker, other_staker):
        shares = stage.join(staker, 50 * USD)
        stage.at(stage.cool(staker, shares // 2))
        bond.releaseStake(CAPACITY, staker, sender=other_staker)
        stage.stake(other_staker, 70 * USD)
        assert stage.reserve(7, MAX).return_value == 25 * USD
        assert stage.held(staker) == 0
        assert bond.claim(CAPACITY, staker, sender=staker).return_value == 25 * USD
        bond.cancelStake(CAPACITY, other_staker, sender=other_staker)
        assert stage.held(other_staker) == 70 * USD

    def test_once_an_epoch(self, stage, errors):
        stage.deposit(10 * USD)
        for epoch, wanted in ((7, USD), (8, 0), (9, MAX), (10, USD)):
            stage.reserve(epoch, wanted)
            with reverts_with(errors.AlreadyReserved, capacity=CAPACITY, epoch=epoch):
                stage.reserve(epoch, wanted)

    def test_pays_tenants(self, bond, stage, staker, tenant, owner, errors):
        stage.deposit(10 * USD)
        stage.join(staker, 50 * USD)
        stage.reserve(7, 30 * USD)
        receipt = stage.engine.pay(CAPACITY, 7, tenant, 4 * USD, sender=owner)
        assert logs(receipt, bond.PenaltyPaid) == [
            {"capacity": CAPACITY, "epoch": 7, "receiver": tenant, "amount": 4 * USD}
        ]
        assert tuple(bond.reserveOf(CAPACITY, 7)) == (6 * USD, 20 * USD, 1)
        stage.engine.pay(CAPACITY, 7, tenant, 9 * USD, sender=owner)
        assert tuple(bond.reserveOf(CAPACITY, 7)) == (0, 17 * USD, 1)
        with reverts_with(errors.NotEnough, asked=17 * USD + 1, available=17 * USD):
            stage.engine.pay(CAPACITY, 7, tenant, 17 * USD + 1, sender=owner)
        with reverts_with(errors.NotEnough, asked=MAX, available=17 * USD):
            stage.engine.pay(CAPACITY, 7, tenant, MAX, sender=owner)
        assert stage.held(tenant) == 13 * USD
        assert bond.heldOf(CAPACITY) == stage.held(bond) == 47 * USD

    def test_pays_nobody_nothing(self, bond, stage, tenant, owner, errors):
        stage.deposit(10 * USD)
        stage.reserve(7, 3 * USD)
        assert stage.engine.pay(CAPACITY, 7, tenant, 0, sender=owner).events == []
        for receiver in (ZERO, bond):
            with reverts_with(errors.BadReceiver, receiver=receiver):
                stage.engine.pay(CAPACITY, 7, receiver, 1, sender=owner)
        for amount in (0, 1):
            with reverts_with(errors.NotReserved, capacity=CAPACITY, epoch=8):
                stage.engine.pay(CAPACITY, 8, tenant, amount, sender=owner)

    def test_gives_back_what_was_not_paid(self, bond, stage, staker, tenant, owner, errors):
        stage.deposit(10 * USD)
        stage.join(staker, 50 * USD)
        stage.reserve(7, 30 * USD)
        stage.engine.pay(CAPACITY, 7, tenant, 4 * USD, sender=owner)
        receipt = stage.engine.free(CAPACITY, 7, sender=owner)
        assert receipt.return_value == 26 * USD
        assert logs(receipt, bond.Freed) == [
            {"capacity": CAPACITY, "epoch": 7, "toOperator": 6 * USD, "toStakers": 20 * USD}
        ]
        assert stage.operator_part() == 6 * USD
        assert stage.pool()[0] == 30 * USD
        assert tuple(bond.reserveOf(CAPACITY, 7)) == (0, 0, 1)
        again = stage.engine.free(CAPACITY, 7, sender=owner)
        assert (again.return_value, again.events) == (0, [])
        with reverts_with(errors.NotEnough, asked=1, available=0):
            stage.engine.pay(CAPACITY, 7, tenant, 1, sender=owner)
        with reverts_with(errors.NotReserved, capacity=CAPACITY, epoch=8):
            stage.engine.free(CAPACITY, 8, sender=owner)

    def test_what_was_paid_counts_against_the_operator_first(
        self, bond, stage, staker, tenant, owner
    ):
        stage.deposit(10 * USD)
        stage.join(staker, 50 * USD)
        stage.reserve(7, 30 * USD)
        stage.engine.pay(CAPACITY, 7, tenant, 12 * USD, sender=owner)
        receipt = stage.engine.free(CAPACITY, 7, sender=owner)
        assert logs(receipt, bond.Freed)[0]["toOperator"] == 0
        assert logs(receipt, bond.Freed)[0]["toStakers"] == 18 * USD

    def test_capacities_are_compartments(self, bond, stage, operator, tenant, owner, errors):
        deed = (operator, stage.coin, stage.origin, DAY)
        stage.deeds.register(2, operator, deed, sender=owner)
        stage.fund(operator, 10 * USD)
        bond.deposit(2, 10 * USD, sender=operator)
        assert stage.reserve(7, MAX).return_value == 0
        with reverts_with(errors.NotEnough, asked=1, available=0):
            stage.engine.pay(CAPACITY, 7, tenant, 1, sender=owner)
        assert stage.reserve(7, MAX, capacity=2).return_value == 10 * USD


class TestRecovery:
    def test_goes_to_those_whose_shares_paid(
        self, bond, stage, staker, other_staker, owner, stranger
    ):
        stage.join(staker, 300 * USD)
        stage.join(other_staker, 100 * USD)
        stage.reserve(7, 80 * USD)
        assert bond.recoverableOf(CAPACITY, 7, staker) == 0
        assert bond.recover(CAPACITY, 7, staker, sender=stranger).events == []
        stage.engine.free(CAPACITY, 7, sender=owner)
        assert bond.recoverableOf(CAPACITY, 7, staker) == 60 * USD
        assert bond.recoverableOf(CAPACITY, 7, other_staker) == 20 * USD
        assert bond.recoverableOf(CAPACITY, 7, stranger) == 0
        receipt = bond.recover(CAPACITY, 7, staker, sender=stranger)
        assert receipt.return_value == bond.claimableOf(CAPACITY, staker) == 60 * USD
        assert logs(receipt, bond.Recovered) == [
            {"capacity": CAPACITY, "epoch": 7, "account": staker, "amount": 60 * USD}
        ]
        assert bond.recover(CAPACITY, 7, staker, sender=stranger).return_value == 0
        bond.claim(CAPACITY, staker, sender=staker)
        assert stage.held(staker) == 60 * USD
        assert stage.pool()[0] == 320 * USD

    def test_whoever_left_or_came_since(self, bond, stage, staker, other_staker, borrower, owner):
        """Neither does a newcomer share in it, nor does a leaver lose it to those who stay."""
        stage.join(staker, 300 * USD)
        stage.join(other_staker, 100 * USD)
        stage.reserve(7, 80 * USD)
        stage.join(borrower, 10_000 * USD)
        stage.join(other_staker, 900 * USD)
        got = stage.leave(staker)
        assert got == 240 * USD
        stage.engine.free(CAPACITY, 7, sender=owner)
        recoverable = [
            bond.recoverableOf(CAPACITY, 7, account) for account in (staker, other_staker, borrower)
        ]
        assert recoverable == [60 * USD, 20 * USD, 0]
        before = stage.pool()
        for account in (staker, other_staker, borrower):
            bond.recover(CAPACITY, 7, account, sender=owner)
        assert stage.pool() == before
        assert bond.heldOf(CAPACITY) == stage.held(bond)

    def test_each_reserve_by_the_shares_of_its_own_time(self, bond, stage, staker, owner):
        """Several changes between two reserves, and several reserves between two changes."""
        for amount, epochs in ((100, (1, 2)), (50, ()), (50, (3,)), (800, (4, 5))):
            stage.join(staker, amount * USD)
            for epoch in epochs:
                stage.reserve(epoch, 10 * USD)
        stage.join(owner, 1_000 * USD)
        stage.reserve(6, 10 * USD)
        for epoch in range(1, 7):
            stage.engine.free(CAPACITY, epoch, sender=owner)
        ours = [bond.recoverableOf(CAPACITY, epoch, staker) for epoch in range(1, 7)]
        theirs = [bond.recoverableOf(CAPACITY, epoch, owner) for epoch in range(1, 7)]
        assert ours[:5] == [10 * USD] * 5
        assert theirs[:5] == [0] * 5
        assert 10 * USD - 1 <= ours[5] + theirs[5] <= 10 * USD
        assert 0 < ours[5] < theirs[5]

    def test_rounds_down(self, bond, stage, staker, other_staker, borrower, owner):
        accounts = (staker, other_staker, borrower)
        for account in accounts:
            stage.join(account, USD)
        stage.reserve(7, 100)
        stage.engine.free(CAPACITY, 7, sender=owner)
        assert [bond.recoverableOf(CAPACITY, 7, account) for account in accounts] == [33] * 3
        for account in accounts:
            assert bond.recover(CAPACITY, 7, account, sender=owner).return_value == 33
        assert bond.heldOf(CAPACITY) == 3 * USD


class TestTheEndOfAPool:
    def test_shares_are_void_and_the_next_stake_starts_anew(
        self, bond, stage, staker, other_staker, errors
    ):
        shares = stage.join(staker, 100 * USD)
        stage.cool(staker, shares // 2)
        stage.stake(staker, 5 * USD)
        receipt = stage.reserve(7, MAX)
        assert logs(receipt, bond.PoolEnded) == [{"capacity": CAPACITY, "number": 1, "residue": 0}]
        assert stage.pool() == (0, 0, 1)
        assert bond.sharesOf(CAPACITY, staker) == bond.stakeOf(CAPACITY, staker) == 0
        assert tuple(bond.coolingOf(CAPACITY, staker)) == (0, 0, 0)
        with reverts_with(errors.NothingCooling, capacity=CAPACITY, account=staker):
            bond.cancelUnstake(CAPACITY, sender=staker)
        with reverts_with(errors.NotEnough, asked=1, available=0):
            bond.unstake(CAPACITY, 1, sender=staker)

        made = stage.join(other_staker, 7 * USD)
        assert made == 7 * USD * VIRTUAL
        assert stage.pool() == (7 * USD, made, 1)
        stage.settle(0, 0)
        assert bond.join(CAPACITY, staker, sender=staker).return_value == 5 * USD * VIRTUAL
        assert bond.sharesOf(CAPACITY, staker) == 5 * USD * VIRTUAL
        assert tuple(bond.coolingOf(CAPACITY, staker)) == (0, 0, 0)
        assert stage.leave(other_staker) == 7 * USD
        assert stage.leave(staker) == 5 * USD

    def test_what_is_freed_goes_to_those_it_ended_for(
        self, bond, stage, staker, other_staker, owner
    ):
        stage.join(staker, 75 * USD)
        stage.join(other_staker, 25 * USD)
        stage.reserve(7, 40 * USD)
        stage.reserve(8, MAX)
        stage.join(other_staker, 500 * USD)
        stage.reserve(9, 10 * USD)
        for epoch in (7, 8, 9):
            stage.engine.free(CAPACITY, epoch, sender=owner)
        mine = [bond.recoverableOf(CAPACITY, epoch, staker) for epoch in (7, 8, 9)]
        theirs = [bond.recoverableOf(CAPACITY, epoch, other_staker) for epoch in (7, 8, 9)]
        assert mine == [30 * USD, 45 * USD, 0]
        assert theirs == [10 * USD, 15 * USD, 10 * USD]
        assert stage.pool()[0] == 490 * USD

    def test_a_pool_worth_next_to_nothing_ends_too(self, bond, stage, staker, owner):
        """Else a pool refilled again and again would outgrow every field of its shares."""
        amount = 10**12
        least = -(-(amount + 1) * VIRTUAL // (VIRTUAL * DEPLETED)) - 1
        shares = stage.join(staker, amount)
        with isolated(stage.lane):
            assert logs(stage.reserve(7, amount - least), bond.PoolEnded) == []
            assert stage.pool() == (least, shares, 0)
        receipt = stage.reserve(7, amount - least + 1)
        assert logs(receipt, bond.PoolEnded) == [
            {"capacity": CAPACITY, "number": 1, "residue": least - 1}
        ]
        assert stage.pool() == (0, 0, 1)
        # What it left is its owners', at once, and what is freed later as well.
        assert bond.recoverableOf(CAPACITY, 7, staker) == least - 1
        bond.recover(CAPACITY, 7, staker, sender=owner)
        assert stage.reserve(8, MAX).return_value == 0
        stage.engine.free(CAPACITY, 7, sender=owner)
        assert bond.recoverableOf(CAPACITY, 7, staker) == amount - least + 1
        bond.recover(CAPACITY, 7, staker, sender=owner)
        bond.claim(CAPACITY, staker, sender=staker)
        assert stage.held(staker) == amount
        assert bond.heldOf(CAPACITY) == 0

    def test_no_history_makes_shares_outgrow_their_field(self, bond, stage, staker, other_staker):
        """The dearest pool there can be, brought down to the lowest price, and filled up again."""
        stage.join(staker, 10**20)
        least = -(-(10**20 + 1) * VIRTUAL // (VIRTUAL * DEPLETED)) - 1
        stage.reserve(7, 10**20 - least)
        room = MAX_HELD - bond.heldOf(CAPACITY)
        stage.join(other_staker, room)
        assert stage.pool()[1] < 2**152
        assert bond.stakeOf(CAPACITY, other_staker) in (room, room - 1)
        # So dear a pool ends before it gets as cheap again.
        assert stage.reserve(8, room).return_value == room
        assert stage.pool() == (0, 0, 2)


class TestRewards:
    def test_are_the_pools(self, bond, stage, staker, other_staker, stranger):
        stage.join(staker, 300 * USD)
        stage.join(other_staker, 100 * USD)
        stage.earn(1_000 * USD)
        receipt = bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
        assert receipt.return_value == 200 * USD
        assert logs(receipt, bond.Collected) == [
            {"capacity": CAPACITY, "leg": STAKERS_LEG, "amount": 200 * USD, "toPool": True}
        ]
        assert stage.pool()[0] == 600 * USD
        assert bond.stakeOf(CAPACITY, staker) in (450 * USD, 450 * USD - 1)
        assert stage.operator_part() == 0
        assert bond.heldOf(CAPACITY) == stage.held(bond) == 600 * USD
        again = bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
        assert (again.return_value, again.events) == (0, [])

    def test_are_the_operators_while_the_pool_is_empty(self, bond, stage, staker, stranger):
        stage.stake(staker, 300 * USD)
        stage.earn(1_000 * USD)
        receipt = bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
        assert logs(receipt, bond.Collected) == [
            {"capacity": CAPACITY, "leg": STAKERS_LEG, "amount": 200 * USD, "toPool": False}
        ]
        assert stage.operator_part() == 200 * USD
        assert stage.pool() == (0, 0, 0)

    def test_come_from_legs_that_are_the_bonds(self, project, bond, stage, stranger, errors):
        splitter = project.RevenueSplitter
        with reverts_with(splitter.NotLegRecipient, leg=OPERATOR_LEG, caller=bond):
            bond.collect(CAPACITY, OPERATOR_LEG, sender=stranger)
        with reverts_with(splitter.UnknownLeg, leg=2, count=2):
            bond.collect(CAPACITY, 2, sender=stranger)
        with reverts_with(splitter.UnknownLeg, leg=MAX, count=2):
            bond.collect(CAPACITY, MAX, sender=stranger)
        assert bond.knownLegsOf(CAPACITY) == 0
        bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
        assert bond.knownLegsOf(CAPACITY) == 1 << STAKERS_LEG

    def test_are_collected_before_anyone_joins(self, bond, stage, staker, other_staker):
        stage.join(staker, 100 * USD)
        bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        stage.earn(1_000 * USD)
        stage.join(other_staker, 10_000 * USD)
        # The virtual base unit earns, too: two more.
        assert bond.stakeOf(CAPACITY, staker) == 300 * USD - 2
        assert 10_000 * USD - 1 <= bond.stakeOf(CAPACITY, other_staker) <= 10_000 * USD

    @pytest.mark.parametrize("way", ["withdraws", "is sent out"])
    def test_are_collected_before_anyone_leaves(self, bond, stage, staker, other_staker, way):
        stage.join(staker, 100 * USD)
        stage.join(other_staker, 100 * USD)
        bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        stage.at(stage.cool(staker) + HOUR)
        stage.earn(1_000 * USD)
        if way == "withdraws":
            receipt = bond.withdrawStake(CAPACITY, staker, sender=staker)
        else:
            receipt = bond.releaseStake(CAPACITY, staker, sender=other_staker)
        assert 200 * USD - 1 <= receipt.return_value <= 200 * USD
        assert 200 * USD - 1 <= bond.stakeOf(CAPACITY, other_staker) <= 200 * USD + 1

    def test_of_several_legs(self, project, lane, owner, operator, staker, other_staker):
        stage = BondStage.deploy(project, lane, owner, operator, legs_bps=(1_000, 500, 300, 200))
        bond = stage.bond
        stage.join(staker, 100 * USD)
        for leg in (3, 1, 2):
            bond.collect(CAPACITY, leg, sender=staker)
        assert bond.knownLegsOf(CAPACITY) == 0b1110
        stage.earn(1_000 * USD)
        stage.stake(other_staker, USD)
        receipt = bond.join(CAPACITY, other_staker, sender=staker)
        collected = [(log["leg"], log["amount"]) for log in logs(receipt, bond.Collected)]
        assert collected == [(1, 50 * USD), (2, 30 * USD), (3, 20 * USD)]

    def test_what_comes_by_plain_transfer_is_nobodys(self, bond, stage, staker, owner):
        stage.join(staker, 100 * USD)
        stage.coin.mint(bond, 50 * USD, sender=owner)
        stage.earn(1_000 * USD)
        assert bond.collect(CAPACITY, STAKERS_LEG, sender=staker).return_value == 200 * USD
        assert bond.heldOf(CAPACITY) == 300 * USD

    def test_beyond_what_fits_are_nobodys(self, bond, stage, staker):
        stage.join(staker, MAX_HELD - 10)
        stage.earn(1_000 * USD)
        assert bond.collect(CAPACITY, STAKERS_LEG, sender=staker).return_value == 10
        assert bond.heldOf(CAPACITY) == MAX_HELD
        assert bond.collect(CAPACITY, STAKERS_LEG, sender=staker).return_value == 0


class TestHostilePayees:
    CAPACITY = 2

    @pytest.fixture
    def payee(self, project, stage, bond, owner, operator, staker):
        """Of a capacity with 100 dollars staked; a leg of it is known."""
        payee = owner.deploy(project.HostileSplitter, stage.coin, self.CAPACITY)
        deed = (payee, stage.coin, stage.origin, DAY)
        stage.deeds.register(self.CAPACITY, operator, deed, sender=owner)
        stage.fund(staker, 1_000 * USD)
        stage.coin.mint(payee, 1_000 * USD, sender=owner)
        bond.stake(self.CAPACITY, 100 * USD, sender=staker)
        bond.join(self.CAPACITY, staker, sender=staker)
        bond.collect(self.CAPACITY, 0, sender=staker)
        assert bond.knownLegsOf(self.CAPACITY) == 1
        return payee

    def test_only_what_comes_counts(self, bond, stage, payee, owner):
        for due, said in ((0, 50 * USD), (3 * USD, 0), (2 * USD, MAX)):
            payee.setDue(due, said, sender=owner)
            assert bond.collect(self.CAPACITY, 0, sender=owner).return_value == due
        assert bond.poolOf(self.CAPACITY).assets == 105 * USD
        assert bond.heldOf(self.CAPACITY) == stage.held(bond) == 105 * USD

    def test_one_that_is_no_contract(self, bond, stage, operator, owner, errors):
        stage.deeds.register(3, operator, (operator, stage.coin, stage.origin, DAY), sender=owner)
        with reverts_with(errors.NotSplitter, capacity=3, payee=operator):
            bond.collect(3, 0, sender=operator)

    @pytest.mark.parametrize(("claims", "size"), [(1, 32), (2, 31), (2, 0)])
    def test_one_that_does_not_say_it_splits_for_this_capacity(
        self, bond, payee, owner, errors, claims, size
    ):
        payee.setId(claims, size, sender=owner)
        with reverts_with(errors.NotSplitter, capacity=self.CAPACITY, payee=payee):
            bond.collect(self.CAPACITY, 0, sender=owner)

    def test_another_capacitys_splitter(self, bond, stage, operator, owner, staker, errors):
        """Who names it as his payee would collect what its own stakers earned."""
        deed = (stage.splitter, stage.coin, stage.origin, DAY)
        stage.deeds.register(3, operator, deed, sender=owner)
        stage.join(staker, 100 * USD)
        stage.earn(1_000 * USD)
        with reverts_with(errors.NotSplitter, capacity=3, payee=stage.splitter):
            bond.collect(3, STAKERS_LEG, sender=operator)
        assert bond.collect(CAPACITY, STAKERS_LEG, sender=owner).return_value == 200 * USD

    def test_one_that_reverts_is_heard_by_who_asks(self, project, bond, payee, owner):
        payee.setMood(REVERTS, sender=owner)
        with reverts_with(project.HostileSplitter.Broken):
            bond.collect(self.CAPACITY, 0, sender=owner)

    @pytest.mark.parametrize("mood", [REVERTS, BURNS, BOMBS])
    def test_none_keeps_anybody_in_or_out(
        self, bond, stage, payee, owner, staker, other_staker, mood
    ):
        payee.setMood(mood, sender=owner)
        payee.setDue(7 * USD, 0, sender=owner)
        came = 7 * USD if mood == BOMBS else 0
        stage.fund(other_staker, 50 * USD)
        bond.stake(self.CAPACITY, 50 * USD, sender=other_staker)
        receipt = bond.join(self.CAPACITY, other_staker, sender=other_staker)
        assert receipt.gas_used < 700_000
        assert bond.poolOf(self.CAPACITY).assets == 150 * USD + came
        bond.unstake(self.CAPACITY, bond.sharesOf(self.CAPACITY, staker), sender=staker)
        stage.at(bond.coolingOf(self.CAPACITY, staker).releaseAt)
        receipt = bond.withdrawStake(self.CAPACITY, staker, sender=staker)
        assert receipt.gas_used < 700_000
        assert 100 * USD + came - 1 <= receipt.return_value <= 100 * USD + came

    REENTRIES = (
        ("deposit", (2, 1)),
        ("depositWithPermit", (2, 1, (1, MAX, 27, b"\0" * 32, b"\0" * 32))),
        ("stake", (2, 1)),
        ("stakeWithPermit", (2, 1, (1, MAX, 27, b"\0" * 32, b"\0" * 32))),
        ("cancelStake", (2, "stranger")),
        ("join", (2, "payee")),
        ("unstake", (2, 1)),
        ("cancelUnstake", (2,)),
        ("releaseStake", (2, "payee")),
        ("withdrawStake", (2, "stranger")),
        ("claim", (2, "stranger")),
        ("recover", (2, 7, "payee")),
        ("collect", (1, 1)),
        ("collect", (2, 0)),
        ("requestExit", (2,)),
        ("cancelExit", (2,)),
        ("withdraw", (2, 1, "stranger")),
        ("passOn", (2, 1, "payee", "stranger")),
    )

    @pytest.fixture
    def busy(self, bond, stage, payee, owner, operator, staker):
        """The payee owns the deed, and has money in every state that the bond knows."""

        def act(function, *arguments):
            payload = getattr(bond, function).encode_input(*arguments)
            payee.act(bond, payload, sender=owner)

        payee.act(stage.coin, stage.coin.approve.encode_input(bond, MAX), sender=owner)
        stage.deeds.transferFrom(operator, payee, self.CAPACITY, sender=operator)
        act("stake", self.CAPACITY, 50 * USD)
        act("join", self.CAPACITY, payee)
        stage.reserve(7, 15 * USD, capacity=self.CAPACITY)
        stage.engine.free(self.CAPACITY, 7, sender=owner)
        shares = bond.sharesOf(self.CAPACITY, payee)
        act("unstake", self.CAPACITY, shares // 2)
        stage.at(bond.coolingOf(self.CAPACITY, payee).releaseAt)
        bond.releaseStake(self.CAPACITY, payee, sender=staker)
        act("deposit", self.CAPACITY, 10 * USD)
        act("stake", self.CAPACITY, 30 * USD)
        act("requestExit", self.CAPACITY)
        act("unstake", self.CAPACITY, shares // 4)
        stage.lane.mine(at=bond.coolingOf(self.CAPACITY, payee).releaseAt)
        return payee

    @pytest.mark.parametrize(("function", "arguments"), REENTRIES)
    def test_nothing_can_be_done_from_within(
        self, bond, stage, busy, owner, staker, stranger, function, arguments
    ):
        """Not what could be done before and after: so the lock alone stands in the way."""
        people = {"payee": busy, "stranger": stranger}
        arguments = [people.get(a, a) if isinstance(a, str) else a for a in arguments]
        payload = getattr(bond, function).encode_input(*arguments)
        if function != "cancelExit":
            with isolated(stage.lane):
                busy.act(bond, payload, sender=owner)
        busy.setDue(4 * USD, 0, sender=owner)
        busy.setReentry(bond, payload, sender=owner)
        before = bond.heldOf(self.CAPACITY)
        assert bond.collect(self.CAPACITY, 0, sender=staker).return_value == 4 * USD
        assert busy.entered() is False
        assert bytes(busy.answer()).hex() == "ab143c06"  # Reentrancy()
        assert bond.heldOf(self.CAPACITY) == before + 4 * USD

    def test_the_engine_cannot_be_used_from_within(self, bond, stage, busy, owner, staker, tenant):
        stage.reserve(8, 5 * USD, capacity=self.CAPACITY)
        engine = stage.engine
        for payload in (
            engine.reserve.encode_input(self.CAPACITY, 9, 5 * USD),
            engine.pay.encode_input(self.CAPACITY, 8, tenant, 5 * USD),
            engine.free.encode_input(self.CAPACITY, 8),
        ):
            busy.setReentry(engine, payload, sender=owner)
            bond.collect(self.CAPACITY, 0, sender=staker)
            assert busy.entered() is False
            assert bytes(busy.answer()).hex() == "ab143c06"
        engine.pay(self.CAPACITY, 8, tenant, 5 * USD, sender=owner)

    def test_what_it_sends_besides_counts_once(self, bond, stage, busy, owner, staker):
        """Its gift, from within, is a reward like any other."""
        payload = stage.coin.transfer.encode_input(bond, 6 * USD)
        busy.setReentry(stage.coin, payload, sender=owner)
        busy.setDue(4 * USD, 0, sender=owner)
        assert bond.collect(self.CAPACITY, 0, sender=staker).return_value == 10 * USD
        assert busy.entered() is True
        assert bond.heldOf(self.CAPACITY) == stage.held(bond)


class TestAttacks:
    def test_the_first_share_cannot_be_made_dear_for_those_who_follow(
        self, bond, stage, staker, stranger
    ):
        """A million dollars given to a pool of one base unit.

        Half of it is lost to the pool, and the next one loses less than half a dollar.
        """
        stage.join(stranger, 1)
        stage.earn(1_000_000 * USD * 10_000 // STAKERS_BPS)
        bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
        assert bond.stakeOf(CAPACITY, stranger) <= 500_001 * USD
        stage.join(staker, 999 * USD)
        assert bond.stakeOf(CAPACITY, staker) > 998 * USD + USD // 2

    def test_a_stake_below_one_share_is_not_taken(self, bond, stage, staker, stranger, errors):
        stage.join(stranger, 1)
        stage.earn(4_000_000 * USD * 10_000 // STAKERS_BPS)
        bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
        stage.stake(staker, USD)
        with reverts_with(errors.ZeroShares, capacity=CAPACITY, amount=USD):
            bond.join(CAPACITY, staker, sender=staker)
        bond.cancelStake(CAPACITY, staker, sender=staker)
        assert stage.held(staker) == USD

    def test_in_and_out_in_one_block_brings_nothing(self, bond, stage, staker, stranger, errors):
        stage.join(staker, 100 * USD)
        bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        stage.earn(1_000 * USD)
        stage.join(stranger, 1_000_000 * USD)
        assert bond.stakeOf(CAPACITY, stranger) <= 1_000_000 * USD
        release_at = stage.cool(stranger)
        with reverts_with(errors.StillCooling, capacity=CAPACITY, releaseAt=release_at):
            bond.withdrawStake(CAPACITY, stranger, sender=stranger)

    def test_who_sees_a_penalty_coming_cannot_leave_ahead_of_it(
        self, bond, stage, staker, other_staker, errors
    ):
        """Epoch 3 goes wrong; it is settled late, on day 12. Who leaves on day 3 pays his part."""
        stage.join(staker, 100 * USD)
        stage.join(other_staker, 100 * USD)
        stage.settle(3, 30)
        stage.lane.mine(at=stage.start_of(3))
        release_at = stage.cool(staker)
        stage.at(release_at)
        with reverts_with(errors.NotSettled, capacity=CAPACITY, settledTo=3, needed=11):
            bond.withdrawStake(CAPACITY, staker, sender=staker)
        stage.reserve(3, 50 * USD)
        stage.settle(11, 30)
        stage.at(stage.deadline_of(10))
        assert bond.withdrawStake(CAPACITY, staker, sender=staker).return_value == 75 * USD
        assert bond.stakeOf(CAPACITY, other_staker) == 75 * USD

    def test_who_comes_after_a_penalty_was_earned_does_not_pay_it(
        self, bond, stage, staker, other_staker, errors
    ):
        """Epoch 3 goes wrong, its report is held back and its penalty added late."""
        stage.join(staker, 100 * USD)
        stage.settle(3, 30)
        stage.lane.mine(at=stage.start_of(3) + HOUR)
        stage.stake(other_staker, 100 * USD)
        stage.settle(4, 30)
        deadline = stage.deadline_of(3)
        stage.at(deadline - 2)
        with reverts_with(errors.PenaltyPossible, capacity=CAPACITY, epoch=3, deadline=deadline):
            bond.join(CAPACITY, other_staker, sender=other_staker)
        stage.reserve(3, 60 * USD)
        bond.join(CAPACITY, other_staker, sender=other_staker)
        assert bond.stakeOf(CAPACITY, staker) == 40 * USD
        assert bond.stakeOf(CAPACITY, other_staker) == 100 * USD - 1

    def test_a_slash_while_cooling_counts(self, bond, stage, staker, other_staker):
        shares = stage.join(staker, 100 * USD)
        stage.join(other_staker, 100 * USD)
        release_at = stage.cool(staker, shares // 2)
        stage.reserve(7, 100 * USD)
        stage.at(release_at)
        assert bond.withdrawStake(CAPACITY, staker, sender=staker).return_value == 25 * USD
        assert stage.leave(staker) == 25 * USD
        assert stage.leave(other_staker) == 50 * USD

    def test_others_cannot_make_a_stake_wait_longer(self, bond, stage, staker, stranger):
        stage.lane.mine(at=stage.start_of(3))
        stage.stake(staker, USD)
        stage.lane.mine(at=stage.start_of(9))
        stage.stake(stranger, USD)
        assert bond.pendingOf(CAPACITY, staker).joins == 4

    def test_with_too_little_gas_nobody_joins_past_the_rewards(
        self, bond, stage, staker, other_staker, stranger
    ):
        """Starving the call to the splitter starves the rest of it first, at any limit."""
        stage.join(staker, 100 * USD)
        bond.collect(CAPACITY, STAKERS_LEG, sender=staker)
        stage.earn(1_000 * USD)
        stage.stake(other_staker, 10_000 * USD)
        joining = stage.lane.contract(bond).call(
            "join", CAPACITY, other_staker.address, sender=stranger.address
        )
        passed = 0
        for limit in range(60_000, 500_000, 5_000):
            with isolated(stage.lane):
                message = joining.message | {"gas": hex(limit)}
                receipt = stage.lane.node.request("eth_sendTransactionSync", message)
                if receipt["status"] == "0x1":
                    passed += 1
                    assert bond.stakeOf(CAPACITY, staker) == 300 * USD - 2
        assert passed > 10

    def test_sends_no_money_to_a_contract_that_is_none(self, bond, stage, owner, operator):
        """A coin without code cannot be paid in: there is nothing to take from."""
        stage.deeds.register(5, operator, (operator, owner, stage.origin, DAY), sender=owner)
        with reverts_with(UNPAID):
            bond.deposit(5, 1, sender=operator)
        with reverts_without_data():
            bond.depositWithPermit(5, 1, (1, MAX, 27, b"\0" * 32, b"\0" * 32), sender=operator)
