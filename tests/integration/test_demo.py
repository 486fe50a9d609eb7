"""A short demo from end to end: what it promises, and that the chain agrees with itself."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from derrick.audit import AuditError
from derrick.data.reliability import WEEK
from derrick.demo import BORROWERS, DemoError, DemoOptions, Run, run_demo
from derrick.report import write_report
from derrick.result import total
from derrick.telemetry import ReportTree
from derrick.testing import isolated

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


def test_every_base_unit_is_accounted_for(result):
    assert result.conservation_error == 0
    assert {check.name: check.error for check in result.checks() if check.error} == {}
    assert len(result.checks()) == 6
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


@pytest.mark.parametrize(("days", "seed"), [(9, 1), (366, 1), (30, -1)])
def test_options_have_bounds(days, seed):
    with pytest.raises(DemoError, match="not"):
        DemoOptions(days=days, seed=seed)


@pytest.mark.parametrize("days", [10, 11, 30, 365])
def test_the_bad_week_fits_in(days):
    week = DemoOptions(days=days).bad_week
    assert week.first_epoch > 1
    assert week.last_epoch <= days
