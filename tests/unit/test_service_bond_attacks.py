"""What an audit of the bond found: rewards out of reach, and a way out that others could close."""

from __future__ import annotations

import pytest

from derrick.market import DAY, MAX_UINT256, Term
from derrick.testing import isolated, reverts_with
from tests.bond_stage import CAPACITY, STAKERS_LEG, BondStage
from tests.splitter_stage import logs

USD = 10**6
BTC = 10**8
FREE = 2


# ---- stakers' rewards


def test_a_stakers_leg_of_a_high_index_pays(project, lane, owner, operator, lender):
    """A splitter's indices are never used again, so they pass 7. Legs that ended make room."""
    stage = BondStage.deploy(project, lane, owner, operator, legs_bps=(1_000,))
    splitter, bond = stage.splitter, stage.bond
    for _ in range(7):
        splitter.changeLegs([(operator, 1_000, False)], sender=operator)
    splitter.changeLegs([(bond, 2_000, True)], sender=operator)
    assert tuple(splitter.legOf(8)) == (bond, 2_000, True)
    stage.join(lender, 100 * USD)
    stage.earn(1_000 * USD)
    assert splitter.legClaimable(8) == 200 * USD
    receipt = bond.collect(CAPACITY, 8, sender=lender)
    assert logs(receipt, bond.KnownLegSet) == [{"capacity": CAPACITY, "leg": 8, "known": True}]
    assert bond.knownLegsOf(CAPACITY) == 1 << 8
    assert bond.stakeOf(CAPACITY, lender) == 300 * USD - 2


def test_of_nine_legs_that_were_the_bonds_eight_are_known(project, lane, owner, operator, lender):
    """Each is collected from; what comes first is known, until it has ended and is paid."""
    stage = BondStage.deploy(project, lane, owner, operator, legs_bps=(1_000,))
    splitter, bond = stage.splitter, stage.bond
    stage.join(lender, 100 * USD)
    for leg in range(1, 10):
        splitter.changeLegs([(bond, 100, False)], sender=operator)
        stage.earn(100 * USD)
        assert bond.collect(CAPACITY, leg, sender=lender).return_value == USD
    assert bond.knownLegsOf(CAPACITY) == 0x1FE
    receipt = bond.collect(CAPACITY, 9, sender=lender)
    assert logs(receipt, bond.KnownLegSet) == []
    # All but the last have ended by now.
    receipt = bond.collect(CAPACITY, 1, sender=lender)
    assert logs(receipt, bond.KnownLegSet) == [{"capacity": CAPACITY, "leg": 1, "known": False}]
    bond.collect(CAPACITY, 9, sender=lender)
    assert bond.knownLegsOf(CAPACITY) == 0x3FC


def test_a_leg_beyond_all_bits_pays_too(project, lane, owner, operator, lender):
    """Nobody can push a stakers' leg out of reach by changing legs again and again."""
    stage = BondStage.deploy(project, lane, owner, operator, legs_bps=(1_000,))
    splitter, bond = stage.splitter, stage.bond
    count = 1
    while count < 256:
        some = min(7, 256 - count)
        splitter.changeLegs([(operator, 1, False)] * some, sender=operator)
        count += some
    splitter.changeLegs([(bond, 2_000, True)], sender=operator)
    assert tuple(splitter.legOf(256)) == (bond, 2_000, True)
    stage.join(lender, 100 * USD)
    stage.earn(1_000 * USD)
    assert bond.collect(CAPACITY, 256, sender=lender).return_value == 200 * USD
    assert bond.knownLegsOf(CAPACITY) == 0


@pytest.fixture
def mining(project, lane, owner, operator, lender):
    """A staked capacity whose splitter pays in bitcoin too, and the bitcoin."""
    stage = BondStage.deploy(project, lane, owner, operator)
    bitcoin = owner.deploy(project.FreezableCoin, 8)
    stage.factory.setDividendToken(bitcoin, True, sender=owner)
    stage.splitter.addToken(bitcoin, sender=operator)
    stage.join(lender, 100 * USD)
    bitcoin.mint(stage.splitter, 10 * BTC, sender=owner)
    stage.splitter.sync(bitcoin, sender=owner)
    stage.earn(1_000 * USD)
    return stage, bitcoin


def test_other_tokens_of_a_stakers_leg_are_the_deed_owners(
    mining, project, operator, stranger, lender, treasury
):
    """Stakers are paid in the stablecoin. What else their leg earns waits in the splitter."""
    stage, bitcoin = mining
    assert stage.splitter.claimableByLeg(bitcoin, STAKERS_LEG) == 2 * BTC
    bond, errors = stage.bond, project.ServiceBond
    bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
    assert stage.splitter.claimableByLeg(bitcoin, STAKERS_LEG) == 2 * BTC
    assert bitcoin.balanceOf(bond) == 0
    ask = (CAPACITY, STAKERS_LEG, bitcoin, treasury)
    with reverts_with(errors.NotDeedOwner, capacity=CAPACITY, caller=stranger):
        bond.passOn(*ask, sender=stranger)
    with reverts_with(errors.StakersToken, capacity=CAPACITY, token=stage.coin):
        bond.passOn(CAPACITY, STAKERS_LEG, stage.coin, treasury, sender=operator)
    for receiver in (bond, "0x" + 40 * "0"):
        with reverts_with(errors.BadReceiver, receiver=receiver):
            bond.passOn(CAPACITY, STAKERS_LEG, bitcoin, receiver, sender=operator)
    receipt = bond.passOn(*ask, sender=operator)
    [event] = logs(receipt, bond.PassedOn)
    assert tuple(event.values()) == (*ask[:2], bitcoin, treasury, 2 * BTC)
    assert bitcoin.balanceOf(treasury) == 2 * BTC
    assert bond.passOn(*ask, sender=operator).return_value == 0


def test_another_token_that_stands_still_holds_up_no_rewards(mining, owner, stranger):
    stage, bitcoin = mining
    bitcoin.setFrozen(stage.bond, True, sender=owner)
    receipt = stage.bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
    assert receipt.return_value == 200 * USD


# ---- stakers who are kept in


def test_nobody_can_close_the_way_out_after_the_fact(bench, lender, stranger):
    """A forward that costs nothing keeps `leasedTo` up, so that stakers wait for the penalties of
    epochs without leases; then it is cancelled and trimmed. Their two days begin with that
    deadline all the same."""
    lane, lease, bond, coin = bench.lane, bench.lease, bench.bond, bench.coin
    bench.capacity.addTerm(1, Term(1, 365, 10_000, 0, 0), sender=bench.operator)
    for account, spender in ((lender, bond), (stranger, lease)):
        coin.mint(account, 10_000 * USD, sender=bench.owner)
        coin.approve(spender, MAX_UINT256, sender=account)
    before = coin.balanceOf(stranger)
    bond.stake(1, 1_000 * USD, sender=lender)
    bond.join(1, lender, sender=lender)
    bench.go_to_epoch(1)
    bond.unstake(1, bond.sharesOf(1, lender), sender=lender)
    _, release_at, epoch = bond.coolingOf(1, lender)
    request = bench.request(stranger, term=FREE, units=1, start=400, end=401)
    forward = lease.lease(request, sender=stranger).return_value

    lane.mine(at=max(release_at, bench.epoch_end(epoch - 1)))
    lease.passIdle(1, epoch, sender=lender)
    deadline = lease.penaltyDeadlineOf(1, epoch - 1)
    with reverts_with(bond.PenaltyPossible, capacity=1, epoch=epoch - 1, deadline=deadline):
        bond.withdrawStake(1, lender, sender=lender)
    assert release_at + 2 * DAY < deadline

    lane.mine(at=release_at + 2 * DAY)
    calls = [lease.terminate.encode_input(forward), lease.trim.encode_input(1, 0)]
    lease.multicall(calls, sender=stranger)
    for moment in (lane.time + 1, deadline + 2 * DAY - 1):
        with isolated(lane):
            lane.set_next_time(moment)
            bond.withdrawStake(1, lender, sender=lender)
            assert bond.poolOf(1).shares == 0
    lane.set_next_time(deadline + 2 * DAY)
    with reverts_with(bond.UnstakeLapsed, capacity=1, lapsedAt=deadline + 2 * DAY):
        bond.withdrawStake(1, lender, sender=lender)
    lease.withdrawRefund(coin, stranger, sender=stranger)
    assert coin.balanceOf(stranger) == before
