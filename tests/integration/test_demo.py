"""A short demo from end to end: what it promises, and that the chain agrees with itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from derrick.audit import AuditError
from derrick.data import BPS, bond_terms, listings
from derrick.data.reliability import WEEK
from derrick.demo import (
    BORROWERS,
    GIVES_TO_THE_GRID,
    LEAVING_DAYS,
    TENANTS,
    DemoError,
    DemoOptions,
    Run,
    run_demo,
)
from derrick.market import penalty_per_unit
from derrick.report import write_report
from derrick.result import total
from derrick.telemetry import ReportTree
from derrick.testing import isolated, reverts_with

OPTIONS = DemoOptions(days=10, seed=7)


@pytest.fixture(scope="module")
def published():
    return {}


@pytest.fixture(scope="module")
def days():
    return []


@pytest.fixture(scope="module")
def result(lane, published, days):
    with isolated(lane):
        return run_demo(OPTIONS, lambda done, _doing: days.append(done), published.__setitem__)


def penalties_of(listing, rows):
    """What each epoch in penalty asks of a bond, by the telemetry that is shown."""
    terms = bond_terms()
    return {
        row.epoch: row.units_leased * penalty_per_unit(listing)
        for row in rows
        if row.uptime_bps < terms["penalty_below_bps"] and not row.curtailed
    }


def test_every_base_unit_is_accounted_for(result):
    assert result.conservation_error == 0
    assert {check.name: check.error for check in result.checks() if check.error} == {}
    assert len(result.checks()) == 8
    assert result.conserved


def test_money_really_moved(result):
    sums = {line.name: line.amount for line in result.ledger.money_in + result.ledger.money_out}
    for name in (
        "rent paid by tenants",
        "deposited by lenders",
        "loans paid out",
        "credits claimed by tenants",
        "legs: operators' costs",
        "legs: protocol",
        "dividends claimed by shareholders",
        "withdrawn by lenders",
        "bonds deposited by operators",
        "staked behind bonds",
        "penalties claimed by tenants",
    ):
        assert sums[name] > 0, name
    assert "other" not in sums
    assert all(line.amount > 0 for line in result.ledger.held)
    assert sums["rent paid by tenants"] == result.tenants_paid
    assert sums["loans paid out"] == sum(loan.borrowed for loan in result.loans)
    assert total(result.credits) == result.credit
    assert result.dividends_waiting > 0
    assert result.escrow > 0
    assert result.unreleased == 0
    assert sums["bonds deposited by operators"] == sum(bond.deposited for bond in result.bonds)
    assert sums["staked behind bonds"] == sum(bond.staked for bond in result.bonds)
    assert sums["penalties claimed by tenants"] == result.paid_by_bonds


def test_all_days_and_capacities_are_there(result, days):
    assert result.epochs == tuple(OPTIONS.epochs) == tuple(range(1, 11))
    assert len(result.capacities) == 8
    assert result.leases > 20
    assert all(capacity.leased_unit_epochs > 0 for capacity in result.capacities)
    assert days == sorted(days)
    assert (days[0], days[-1]) == (0, 10)


def test_the_bad_week_is_seen_and_paid_for(result):
    [incident] = result.incidents
    assert incident.last_epoch - incident.first_epoch == WEEK - 1
    assert incident.last_epoch <= result.epochs[-1]
    iowa = result.capacity(incident.capacity)
    bad = [row for row in iowa.epochs if incident.first_epoch <= row.epoch <= incident.last_epoch]
    good = [row for row in iowa.epochs if row not in bad]
    assert max(row.uptime_bps for row in bad) < min(row.uptime_bps for row in good)
    assert sum(row.credit for row in bad) > sum(row.credit for row in good)
    assert any(row.credit == row.rent > 0 for row in bad)
    assert sum(row.credit for row in bad) * 2 > result.credit


def test_every_capacity_has_a_bond_whose_money_is_all_there(result):
    terms = bond_terms()
    assert [bond.capacity for bond in result.bonds] == [each.key for each in result.capacities]
    for bond, listing in zip(result.bonds, listings(), strict=True):
        day = listing.units * penalty_per_unit(listing)
        assert bond.deposited == terms["bond_days"] * day
        assert bond.staked == (terms["stake_days"] * day if listing.key in BORROWERS else 0)
        came = bond.deposited + bond.staked + bond.rewards
        gone = bond.paid + bond.withdrawn + bond.unstaked
        assert came == gone + bond.reserved + bond.left
    [held] = [line.amount for line in result.ledger.held if line.name == "bonds"]
    assert held == sum(bond.reserved + bond.left for bond in result.bonds)


def test_stakers_are_paid_their_part_of_the_rent(result):
    for bond in result.bonds:
        capacity = result.capacity(bond.capacity)
        legs = {leg.name: leg.amount for leg in capacity.legs}
        assert ("stakers" in legs) == (bond.capacity in BORROWERS)
        part = capacity.net * bond_terms()["stakers_bps"] // BPS
        assert bond.rewards == legs.get("stakers", 0) == (part if "stakers" in legs else 0)
        assert (bond.rewards > 0) == ("stakers" in legs)


def test_days_in_penalty_are_paid_by_the_operator_first(result):
    [incident] = result.incidents
    for bond, listing in zip(result.bonds, listings(), strict=True):
        asked = penalties_of(listing, result.capacity(bond.capacity).epochs)
        assert {each.epoch: each.wanted for each in bond.penalties} == asked
        assert bool(asked) == (bond.capacity == incident.capacity)
        rest = bond.deposited
        for each in bond.penalties:
            assert each.of_operator == min(rest, each.wanted)
            assert each.of_operator + each.of_stakers == each.wanted
            rest -= each.of_operator
    [bond] = [bond for bond in result.bonds if bond.penalties]
    assert bond.of_operator == bond.deposited
    assert bond.of_stakers > 0
    assert bond.operator_part == 0
    assert bond.pool == bond.staked + bond.rewards - bond.of_stakers


def test_tenants_claim_penalties_besides_their_credits(result):
    assert {payment.tenant for payment in result.payments} <= set(TENANTS)
    assert len(result.payments) > 1
    assert result.paid_by_bonds > 0
    assert result.reserved_by_bonds > 0
    [bond] = [bond for bond in result.bonds if bond.payments]
    iowa = result.capacity(bond.capacity)
    days = {penalty.epoch for penalty in bond.penalties}
    rows = [row for row in iowa.epochs if row.epoch in days]
    assert all(row.credit == row.rent > 0 for row in rows)
    assert total(result.credits) == result.credit


def test_a_day_given_to_the_grid_is_no_penalty(result):
    given = [(c.key, row) for c in result.capacities for row in c.epochs if row.curtailed]
    [(key, row)] = given
    terms = bond_terms()
    assert (key, row.epoch) == (GIVES_TO_THE_GRID, OPTIONS.curtailed_epoch)
    assert row.uptime_bps < terms["penalty_below_bps"]
    assert row.credit_bps == terms["curtailment_credit_bps"]
    [bond] = [bond for bond in result.bonds if bond.capacity == key]
    assert bond.penalties == ()


def test_rent_repays_the_loans(result):
    assert [loan.capacity for loan in result.loans] == list(BORROWERS)
    for loan in result.loans:
        assert loan.borrowed > 0
        assert loan.pledged_bps == 6_000
        assert loan.debt[-1] < loan.debt[0] // 2
        assert loan.repaid_by_rent > 0
        assert loan.interest > 0
    first, delayed = result.loans
    assert delayed.outstanding * first.borrowed > first.outstanding * delayed.borrowed


def test_no_debt_is_repaid_while_the_machines_stand(result):
    [incident] = result.incidents
    delayed = result.loans[1]
    worst = [
        applied
        for row, applied in zip(
            result.capacity(incident.capacity).epochs, delayed.rent_applied, strict=True
        )
        if row.credit == row.rent
    ]
    assert worst
    assert set(worst) == {0}


def test_rounding_keeps_dust_and_no_more(result):
    assert 0 <= result.rounding < 200
    assert all(0 <= capacity.rounding <= 3 for capacity in result.capacities)


def test_the_same_seed_gives_the_same_run(lane, result):
    with isolated(lane):
        assert run_demo(OPTIONS) == result


def test_another_seed_gives_another_run(lane, result):
    with isolated(lane):
        other = run_demo(replace(OPTIONS, seed=8))
    assert other.conserved
    assert other.rent != result.rent


def test_the_report_is_written(result, tmp_path):
    page, data = write_report(result, tmp_path / "demo")
    assert "Every base unit is accounted for" in page.read_text()
    summary = json.loads(data.read_text())
    assert summary["conservation_error"] == 0
    assert summary["conserved"] is True
    assert set(summary["checks"].values()) == {0}
    assert summary["totals"]["penalties_paid"] == result.paid_by_bonds
    assert "What a broken promise costs" in page.read_text()


def test_attestors_published_what_they_signed(result, published):
    assert len(published) == len(result.epochs)
    tree = ReportTree.load(json.loads(json.dumps(published["reports/day-003.json"])))
    assert {report.epoch for report in tree.reports} == {3}
    uptime = {report.capacity: report.uptime_bps for report in tree.reports}
    assert list(uptime.values()) == [
        capacity.epochs[2].uptime_bps for capacity in result.capacities
    ]


def test_missing_money_is_found(lane):
    """The audit is no mirror: money that leaves a contract in silence shows at once."""
    with isolated(lane):
        run = Run(OPTIONS)
        run.prepare()
        run.day(1)
        run.coin.send("transfer", run.keeper, 1_000, sender=run.vault.address)
        with pytest.raises(AuditError, match="dividends: -"):
            run.audit(range(1, 2))


def test_money_sent_by_mistake_is_found(lane):
    with isolated(lane):
        run = Run(OPTIONS)
        run.prepare()
        run.day(1)
        run.coin.send("mint", run.lease.address, 1_000, sender=run.market.owner)
        with pytest.raises(AuditError, match="credits: 1000 base units lie over"):
            run.audit(range(1, 2))


def test_a_bond_pays_what_the_audit_says(lane, project):
    """The chain itself, in the midst of the bad week: who is barred, who is paid, what is left."""
    with isolated(lane):
        run = Run(OPTIONS)
        run.prepare()
        for epoch in range(1, OPTIONS.bad_week.first_epoch + 3):
            run.day(epoch)
        bad = run._capacity(BORROWERS[1])
        assert run.lease.read("isBarred", bad.id)
        assert not run.lease.read("isBarred", run._capacity(BORROWERS[0]).id)
        with reverts_with(project.ComputeLease.InPenalty, capacity=bad.id):
            run.market.sign_lease(bad, units=1, days=1)
        for capacity in run.capacities:
            run.lease.send("release", capacity.id, sender=run.keeper)
        before = {name: run.coin.read("balanceOf", who) for name, who in people(run)}
        run._claim_penalties()
        got = {name: run.coin.read("balanceOf", who) - before[name] for name, who in people(run)}
        result = run.audit(range(1, epoch + 1))
        paid = {payment.tenant: payment.amount for payment in result.payments}
        assert {name: amount for name, amount in got.items() if amount} == paid
        assert sum(paid.values()) > 0
        held = run.coin.read("balanceOf", run.bond.address)
        assert held == sum(bond.reserved + bond.left for bond in result.bonds)
        asked = penalties_of(bad.listing, result.capacity(bad.listing.key).epochs)
        assert len(asked) == 2
        assert sum(asked.values()) == result.paid_by_bonds + result.reserved_by_bonds
        assert {check.name: check.error for check in result.checks() if check.error} == {}
        run.coin.send("transfer", run.keeper, 1_000, sender=run.bond.address)
        with pytest.raises(AuditError, match="bonds: -1000 base units lie over"):
            run.audit(range(1, epoch + 1))


def people(run):
    return zip(TENANTS, run.tenants, strict=True)


def test_a_staker_leaves_with_what_he_earned(lane):
    options = DemoOptions(days=LEAVING_DAYS + 3, seed=7)
    with isolated(lane):
        result = run_demo(options)
    assert result.conserved
    left, stays = (bond for bond in result.bonds if bond.staked)
    assert left.unstaked > left.staked
    assert left.pool == left.idle == stays.unstaked == 0
    assert left.operator_part == left.deposited + left.staked + left.rewards - left.unstaked
    [out] = [line for line in result.ledger.money_out if line.name == "stakes taken out"]
    assert out.amount == left.unstaked


@pytest.mark.parametrize(("days", "seed"), [(9, 1), (366, 1), (30, -1)])
def test_options_have_bounds(days, seed):
    with pytest.raises(DemoError, match="not"):
        DemoOptions(days=days, seed=seed)


@pytest.mark.parametrize("days", [10, 11, 30, 365])
def test_the_bad_week_fits_in(days):
    week = DemoOptions(days=days).bad_week
    assert week.first_epoch > 1
    assert week.last_epoch <= days
