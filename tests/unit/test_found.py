"""Faults found by an audit. Each test passes while its fault is there, and says what should be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from derrick.access import AccessDenied, Challenge, UsedNonces
from derrick.market import DAY, MAX_UINT256, TELEMETRY_RULES, Term
from derrick.merkle import MerkleTree
from derrick.telemetry import ReportTree
from derrick.testing import isolated, reverts_with
from tests.bond_stage import CAPACITY, STAKERS_LEG, BondStage
from tests.unit.conftest import PRICE, UNITS

USD = 10**6
BTC = 10**8
FREE, CHEAP_SPOT = 2, 3


# ---- stakers' rewards that nobody can ever have


def test_a_stakers_leg_of_a_high_index_never_pays(project, lane, owner, operator, lender):
    """A splitter's indices are never used again, so they pass 7; the bond refuses those."""
    stage = BondStage.deploy(project, lane, owner, operator, legs_bps=(1_000,))
    splitter, bond = stage.splitter, stage.bond
    for _ in range(7):
        splitter.changeLegs([(operator, 1_000, False)], sender=operator)
    splitter.changeLegs([(bond, 2_000, True)], sender=operator)
    assert tuple(splitter.legOf(8)) == (bond, 2_000, True)
    stage.join(lender, 100 * USD)
    stage.earn(1_000 * USD)
    assert splitter.legClaimable(8) == 200 * USD
    with reverts_with(project.ServiceBond.UnknownLeg, leg=8):
        bond.collect(CAPACITY, 8, sender=lender)
    # It is fixed: a holder of all shares cannot end it, and the bond can hand it to nobody.
    splitter.changeLegs([], sender=operator)
    assert tuple(splitter.legOf(8)) == (bond, 2_000, True)


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


def test_stakers_bitcoin_is_lost_in_the_bond(mining, stranger, lender):
    """Anyone makes the bond claim its leg in every token; it counts and pays out one only."""
    stage, bitcoin = mining
    assert stage.splitter.claimableByLeg(bitcoin, STAKERS_LEG) == 2 * BTC
    stage.bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
    assert stage.splitter.claimableByLeg(bitcoin, STAKERS_LEG) == 0
    assert bitcoin.balanceOf(stage.bond) == 2 * BTC
    stage.leave(lender)
    assert bitcoin.balanceOf(lender) == 0
    assert bitcoin.balanceOf(stage.bond) == 2 * BTC


def test_another_token_that_stands_still_holds_up_the_stablecoins_rewards(
    mining, owner, stranger, lender, other_lender
):
    stage, bitcoin = mining
    bitcoin.setFrozen(stage.bond, True, sender=owner)
    with reverts_with("TransferFailed()"):
        stage.bond.collect(CAPACITY, STAKERS_LEG, sender=stranger)
    assert stage.splitter.legClaimable(STAKERS_LEG) == 200 * USD


# ---- stakers who are kept in


def test_an_idle_capacitys_stakers_are_kept_in_for_nothing(bench, lender, stranger):
    """A forward that costs nothing keeps `leasedTo` up until two days have passed, so that nobody
    can leave before; then it is cancelled and trimmed, and the way out has been over all along."""
    lane, lease, bond, coin = bench.lane, bench.lease, bench.bond, bench.coin
    bench.capacity.addTerm(1, Term(1, 365, 10_000, 0, 0), sender=bench.operator)
    for account, spender in ((lender, bond), (stranger, lease)):
        coin.mint(account, 10_000 * USD, sender=bench.owner)
        coin.approve(spender, MAX_UINT256, sender=account)
    before = coin.balanceOf(stranger)
    bond.stake(1, 1_000 * USD, sender=lender)
    bond.join(1, lender, sender=lender)
    bench.go_to_epoch(1)
    for _ in range(2):
        if bond.coolingOf(1, lender).shares:
            bond.cancelUnstake(1, sender=lender)
        bond.unstake(1, bond.sharesOf(1, lender), sender=lender)
        _, release_at, epoch = bond.coolingOf(1, lender)
        request = bench.request(stranger, term=FREE, units=1, start=400, end=401)
        forward = lease.lease(request, sender=stranger).return_value

        lane.mine(at=max(release_at, bench.epoch_end(epoch - 1)))
        lease.passIdle(1, epoch, sender=lender)
        with reverts_with(lease.NotTrimmable, capacity=1, to=0, leasedTo=401, used=400):
            lease.trim(1, 0, sender=lender)
        deadline = lease.penaltyDeadlineOf(1, epoch - 1)
        with reverts_with(bond.PenaltyPossible, capacity=1, epoch=epoch - 1, deadline=deadline):
            bond.withdrawStake(1, lender, sender=lender)
        over = release_at + 2 * DAY
        assert over < deadline
        with isolated(lane):  # had the forward stayed, waiting would have let him go
            lane.mine(at=deadline)
            bond.withdrawStake(1, lender, sender=lender)

        lane.mine(at=over)
        calls = [lease.terminate.encode_input(forward), lease.trim.encode_input(1, 0)]
        lease.multicall(calls, sender=stranger)
        for moment in (lane.time + 1, deadline):
            lane.mine(at=moment)
            with reverts_with(bond.UnstakeLapsed, capacity=1, lapsedAt=over):
                bond.withdrawStake(1, lender, sender=lender)
    lease.withdrawRefund(coin, stranger, sender=stranger)
    assert coin.balanceOf(stranger) == before


# ---- an eviction of far more than is asked for


def test_after_fewer_units_are_attested_one_unit_evicts_many(bench, tenant, other_tenant):
    for term in (Term(1, 365, 10_000, 0, 0), Term(1, 365, 5_000, 0, 0, preemptible=True)):
        bench.capacity.addTerm(1, term, sender=bench.operator)
    for account in (tenant, other_tenant):
        bench.coin.mint(account, 10**15, sender=bench.owner)
        bench.coin.approve(bench.lease, MAX_UINT256, sender=account)
    spot = bench.request(tenant, term=CHEAP_SPOT, units=UNITS, start=2, end=300)
    victim = bench.lease.lease(spot, sender=tenant).return_value
    bench.attest_units(1, 40)

    one = bench.request(other_tenant, term=FREE, units=1, start=2, end=3)
    quoted = bench.lease.quote(one)
    assert (quoted.missing, quoted.paid) == (1, PRICE)
    bench.lease.leaseEvicting(one, [victim], sender=other_tenant)
    assert bench.lease.leaseOf(victim).units == UNITS - 61
    assert bench.lease.unitsLeasedAt(1, 2) == 40
    assert bench.lease.unitsLeasedAt(1, 3) == 39


# ---- a report that was kept, and does not count


class Doubled(ReportTree):
    """A tree that no honest attestor builds: two reports of one epoch."""

    def __init__(self, reports):
        self.reports = tuple(reports)
        self._tree = MerkleTree(report.leaf for report in self.reports)


@pytest.mark.parametrize("many", [False, True])
def test_a_second_report_overrides_the_one_that_was_shown_first(service, tenant, many):
    service.sign(tenant)
    good, bad = service.report(0), service.report(0, 0)
    tree = Doubled([good, bad])
    service.go_to(TELEMETRY_RULES.ends_at(service.window_of(0)))
    service.bench.post_tree(tree, service.window_of(0))
    service.show("record", good, tree)
    assert service.engine.read("isRecorded", service.id, 0)
    if many:
        service.settle_many(tree, bad)
    else:
        service.show("settle", bad, tree)
    assert service.engine.read("netRevenueOf", service.id) == 0
    assert service.is_barred


# ---- the operator's agent


def test_an_answer_that_straddles_its_expiry_is_taken_twice():
    used = UsedNonces()
    assert used.add(b"n", 100, 99)
    # `verify` looked at the clock before; by now it is 100.
    assert used.add(b"n", 100, 100)


@pytest.mark.parametrize("field", ["lease", "issuedAt"])
def test_a_number_beyond_all_bounds_is_no_denial_but_a_crash(field):
    message = {"audience": "", "lease": 1, "user": "0x" + 40 * "0", "nonce": "0x"}
    data = {
        "domain": {"chainId": 1, "verifyingContract": "0x" + 40 * "0"},
        "message": {**message, "issuedAt": 1, "expiresAt": 1, field: 1e999},
    }
    with pytest.raises(OverflowError):
        Challenge.of(data)
    assert not issubclass(OverflowError, AccessDenied)


# ---- an operator without tenants


def test_whoever_settles_an_idle_epoch_first_spoils_the_record(service, tenant, stranger):
    """Nobody need report what nobody leases; yet it counts as an epoch in which nothing ran."""
    service.sign(tenant, end=1)
    service.settle(0)
    assert service.engine.read("performanceOf", service.id).meanUptime == 10_000 << 10
    # The set's other capacities are reported; this one is idle, and may be passed.
    other = replace(service.report(1), capacity=service.id + 1)
    service.post(other)
    service.go_to(service.reveal_ends(1))
    service.engine.send("settleMissing", service.id, sender=stranger)
    assert service.engine.read("unitsLeasedAt", service.id, 1) == 0
    assert service.engine.read("performanceOf", service.id).meanUptime == (10_000 << 10) * 29 // 30


def test_machines_that_nobody_leases_bar_new_leases_by_standing_still(service, tenant):
    service.sign(tenant, end=1)
    service.settle(0)
    off = service.report(1, 0)
    service.show("settle", off, service.post(off))
    assert service.penalty(1) == (0, 0, 0)
    with reverts_with(service.bench.lease.InPenalty, capacity=service.id):
        service.sign(tenant, start=10, end=11)
