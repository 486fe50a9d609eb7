"""The demo's figures: sourced, in range, and derived ones follow from primary ones."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from derrick import data
from derrick.data import reliability
from derrick.data.reliability import BadWeek, Telemetry, telemetry

BPS = 10_000


def value(key: str) -> Decimal:
    return data.reliability_figures()[key].value


# ------------------------------------------------------------------------------ sources


def test_there_are_about_120_published_figures() -> None:
    counts = data.count_figures()
    assert counts == {"published": 114, "derived": 5, "assumption": 21}
    assert sum(counts.values()) == len(data.figures())


def test_every_figure_names_its_source_and_unit() -> None:
    for figure in data.figures():
        assert figure.source in data.sources(), figure
        assert figure.where, figure
        assert figure.unit, figure


def test_every_source_is_used_and_says_licence_and_date() -> None:
    used = {figure.source for figure in data.figures()}
    assert used == set(data.sources())
    for source in data.sources().values():
        assert source.citation, source
        assert source.licence, source
        assert source.as_of, source


def test_no_figure_is_counted_twice() -> None:
    places = Counter((figure.table, figure.row, figure.column) for figure in data.figures())
    assert [place for place, count in places.items() if count > 1] == []


@pytest.mark.parametrize(
    "table", ["listings", "hardware", "pue", "sla", "index", "reliability", "bond"]
)
def test_a_row_without_source_is_refused(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.sources()
    text = (data.HERE / f"{table}.csv").read_text(encoding="utf-8")
    for source in data.sources():
        text = text.replace(f",{source},", ",nobody,")
    (tmp_path / f"{table}.csv").write_text(text, encoding="utf-8")
    monkeypatch.setattr(data, "HERE", tmp_path)
    with pytest.raises(data.DataError, match="no known"):
        data._read(table)


# ------------------------------------------------------------------------------ listings


def test_eight_capacities_of_distinct_keys_and_every_service() -> None:
    listings = data.listings()
    assert len({listing.key for listing in listings}) == len(listings) == 8
    assert len({listing.label for listing in listings}) == 8
    assert {listing.service for listing in listings} == set(data.SERVICE_KINDS)


@pytest.mark.parametrize("listing", data.listings(), ids=lambda listing: listing.key)
def test_a_listing_fits_the_contracts(listing: data.Listing) -> None:
    assert listing.units in range(1, 32_767 + 1)
    assert listing.accelerators_per_unit in range(1, 4_096 + 1)
    assert listing.watts_per_unit in range(1, 10_000_000 + 1)
    assert 10_000 <= listing.pue_bps <= 30_000
    assert listing.country in range(1, 999 + 1)
    assert len(listing.site.encode("ascii")) in range(1, 8 + 1)
    assert 0 < len(listing.hardware.key.encode("ascii")) <= 32
    assert listing.usd_per_gpu_hour > 0
    assert listing.reliability_bps is None or 0 < listing.reliability_bps <= BPS
    assert listing.service_kind == ("TRAINING", "INFERENCE", "EDGE").index(listing.service)
    tiers = listing.sla.tiers
    assert len(tiers) <= 4
    assert listing.sla.committed_uptime_bps >= tiers[0][0]
    assert [below for below, _ in tiers] == sorted((b for b, _ in tiers), reverse=True)
    assert [credit for _, credit in tiers] == sorted(credit for _, credit in tiers)
    assert tiers[-1][1] <= BPS


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("units", "0"),
        ("units", "32768"),
        ("accelerators_per_unit", "0"),
        ("accelerators_per_unit", "4097"),
        ("country_code", "0"),
        ("country_code", "1000"),
        ("site", ""),
        ("site", "NINEBYTES"),
        ("site", "Zürich"),
        ("reliability_bps", "0"),
        ("reliability_bps", "10001"),
    ],
)
def test_a_listing_that_would_not_fit_is_refused(column: str, value: str) -> None:
    row = data._read("listings")[0]
    assert data._listing(row) == data.listings()[0]
    with pytest.raises(data.DataError, match=column):
        data._listing({**row, column: value})


@pytest.mark.parametrize("listing", data.listings(), ids=lambda listing: listing.key)
def test_a_listing_costs_within_a_factor_of_four_of_its_class(listing: data.Listing) -> None:
    index = data.latest_index_price(listing.hardware.key).usd_per_gpu_hour
    assert index / 4 < listing.usd_per_gpu_hour < index * 4


def test_rent_follows_from_the_rate_card() -> None:
    # p5.48xlarge: 55.04 USD an hour for 8 GPUs.
    cluster = next(row for row in data.listings() if row.key == "h100-n-virginia")
    assert cluster.rent_per_unit(hours=1) == 55_040_000
    assert cluster.rent_per_unit() == 24 * 55_040_000


def test_rent_is_rounded_up_to_the_base_unit() -> None:
    edge = next(row for row in data.listings() if row.key == "rtx4090-texas")
    assert edge.usd_per_gpu_hour == 40_148_100
    assert edge.rent_per_unit(hours=1, decimals=2) == 41  # 0.401481 USD
    assert edge.rent_per_unit(hours=1, decimals=6) == 401_481


def test_power_of_a_node_exceeds_that_of_its_boards() -> None:
    for hardware in data.hardware().values():
        if hardware.node_watts:
            assert 8 * hardware.watts < hardware.node_watts < 2 * 8 * hardware.watts
            assert hardware.unit_watts(8) == hardware.node_watts
        assert hardware.unit_watts(2) == 2 * hardware.watts


def test_the_class_of_every_listing_has_an_index_price() -> None:
    for listing in data.listings():
        assert data.latest_index_price(listing.hardware.key).quotes >= 3
    assert data.latest_index_price("H100-SXM").period == "2025-12"
    with pytest.raises(KeyError):
        data.latest_index_price("V100")


@pytest.mark.parametrize(
    ("sla", "uptime", "credit"),
    [
        ("aws", 10_000, 0),
        ("aws", 9_950, 0),
        ("aws", 9_949, 1_000),
        ("aws", 9_899, 3_000),
        ("aws", 9_499, 10_000),
        ("gcp", 9_990, 0),
        ("gcp", 9_989, 1_000),
        ("gcp", 9_899, 2_500),
        ("azure", 0, 10_000),
    ],
)
def test_credits_follow_the_published_tiers(sla: str, uptime: int, credit: int) -> None:
    assert data.service_levels()[sla].credit_bps(uptime) == credit


# --------------------------------------------------------------------------- reliability


def test_derived_figures_follow_from_primary_ones() -> None:
    gpu_hours = value("llama3_days") * 24 * value("llama3_gpus")
    per_interruption = gpu_hours / value("llama3_unexpected")
    assert round(per_interruption) == value("gpu_hours_per_interruption")
    assert round(per_interruption / 8) == value("node_hours_per_interruption")
    assert round(per_interruption / 8 / 24) == value("node_days_per_interruption")
    faulty = value("llama3_faulty_gpu") / value("llama3_gpus") * 365 / value("llama3_days")
    assert round(faulty * BPS) == value("faulty_gpu_per_year_bps")
    terms = data.bond_terms()
    assert terms["curtailment_credit_bps"] == -(-terms["curtailment_hours"] * BPS // 24)


def test_derived_figures_are_exactly_those_tested() -> None:
    derived = {figure.row for figure in data.figures() if figure.kind == "derived"}
    assert derived == {
        "gpu_hours_per_interruption",
        "node_hours_per_interruption",
        "node_days_per_interruption",
        "faulty_gpu_per_year_bps",
        "curtailment_credit_bps",
    }


def test_the_failure_counts_add_up() -> None:
    assert value("llama3_planned") + value("llama3_unexpected") == value("llama3_interruptions")
    causes = ("faulty_gpu", "gpu_memory", "network", "gpu_sram", "gpu_processor")
    assert sum(value(f"llama3_{cause}") for cause in causes) <= value("llama3_unexpected")


def test_every_share_in_bps_is_at_most_one() -> None:
    for figure in data.figures():
        if figure.column != "pue_bps" and "bps" in figure.unit:
            assert 0 < figure.value <= BPS, figure


def test_readers_are_told_the_figures_in_use() -> None:
    for text in ("16,384", "419", "54 days", "4 hours"):
        assert text in reliability.BASIS
    keys = ("llama3_gpus", "llama3_unexpected", "llama3_days", "outage_minutes")
    assert [int(value(key)) for key in keys] == [16_384, 419, 54, 240]


# ------------------------------------------------------------------------------ the bond


def test_the_bond_lasts_for_the_worst_of_the_bad_week() -> None:
    terms = data.bond_terms()
    bad = [u for u in BadWeek("h100-iowa", 0).uptimes_bps if u < terms["penalty_below_bps"]]
    assert len(bad) == terms["bond_days"] + terms["stake_days"]


def test_a_unit_of_four_away_all_day_is_no_penalty() -> None:
    fewest = min(listing.units for listing in data.listings())
    assert BPS * (fewest - 1) // fewest >= data.bond_terms()["penalty_below_bps"]


def test_stakers_earn_what_the_table_says() -> None:
    terms = data.bond_terms()
    stake_bps = terms["penalty_rent_bps"] * terms["stake_days"]  # of a day's rent
    earned_bps = BPS * 30 * terms["stakers_bps"] // stake_bps
    [row] = [figure for figure in data.figures() if figure.row == "stakers_bps"]
    assert f"{earned_bps // 100} % of the stake" in row.where


def test_a_day_given_to_the_grid_would_be_a_penalty_otherwise() -> None:
    terms = data.bond_terms()
    assert BPS - terms["curtailment_credit_bps"] < terms["penalty_below_bps"]


# ----------------------------------------------------------------------------- telemetry


def month(seed: int) -> list[Telemetry]:
    return [telemetry(row, epoch, seed=seed) for row in data.listings() for epoch in range(30)]


def test_telemetry_is_the_same_everywhere() -> None:
    rows = month(seed=7)
    assert rows == month(seed=7)
    assert rows != month(seed=8)
    # Fixed by the seed, whatever the machine or the Python version.
    hit = [(r.capacity, r.epoch, r.interruptions, r.uptime_bps) for r in rows if r.interruptions]
    assert hit == FROZEN_INTERRUPTIONS
    assert [row.load_bps for row in rows[:3]] == FROZEN_LOADS


def test_an_epoch_does_not_depend_on_the_order_of_calls() -> None:
    cluster = data.listings()[0]
    forward = [telemetry(cluster, epoch, seed=3) for epoch in range(10)]
    backward = [telemetry(cluster, epoch, seed=3) for epoch in reversed(range(10))]
    assert forward == backward[::-1]


def test_interruptions_come_at_the_published_rate() -> None:
    listings, epochs = data.listings(), 1_000
    seen = sum(telemetry(r, e, seed=1).interruptions for r in listings for e in range(epochs))
    gpu_hours = sum(row.accelerators for row in listings) * 24 * epochs
    expected = gpu_hours / 50_677
    assert abs(seen - expected) < 4 * expected**0.5  # four standard deviations


def test_outages_last_as_long_as_assumed() -> None:
    cluster, epochs = data.listings()[0], 8_000
    rows = [telemetry(cluster, epoch, seed=2) for epoch in range(epochs)]
    hours = sum((BPS - row.uptime_bps) / BPS * cluster.units * 24 for row in rows)
    mean = hours / sum(row.interruptions for row in rows)
    assert 3.2 < mean < 4.6  # four standard deviations of about 240 outages, cut at a day


def test_telemetry_is_in_range() -> None:
    for row in month(seed=7):
        assert 0 <= row.uptime_bps <= BPS, row
        assert 0 < row.load_bps <= BPS, row
        assert (row.uptime_bps < BPS) == (row.interruptions > 0), row


def test_energy_is_watts_pue_load_uptime_hours_units() -> None:
    cluster = data.listings()[0]
    row = Telemetry(cluster.key, 0, interruptions=0, uptime_bps=5_000, load_bps=8_000)
    # 10,200 W * 1.135 * 0.8 * 0.5 * 24 h * 3 units = 333,417.6 Wh
    assert row.energy_wh(cluster, 3) == 333_417
    assert row.energy_wh(cluster, 0) == 0
    with pytest.raises(ValueError, match="8 units"):
        row.energy_wh(cluster, 9)


def test_a_bad_week_hits_one_capacity_for_seven_epochs() -> None:
    bad = BadWeek("h100-iowa", first_epoch=12)
    assert bad.last_epoch == 18
    for listing in data.listings():
        for epoch in range(30):
            usual = telemetry(listing, epoch, seed=7)
            hit = telemetry(listing, epoch, seed=7, bad_week=bad)
            if listing.key == "h100-iowa" and 12 <= epoch <= 18:
                assert 4_000 <= hit.uptime_bps <= 9_700
            else:
                assert hit == usual


@pytest.mark.parametrize("uptimes", [(5_000,) * 6, (5_000,) * 8, (5_000,) * 6 + (10_001,)])
def test_a_bad_week_has_seven_uptimes(uptimes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="bad week"):
        BadWeek("h100-iowa", 0, uptimes_bps=uptimes)


@pytest.mark.parametrize(("epoch", "hours"), [(-1, 24), (0, 0), (0, 169)])
def test_telemetry_refuses_epochs_that_cannot_be(epoch: int, hours: int) -> None:
    with pytest.raises(ValueError, match="no epoch"):
        telemetry(data.listings()[0], epoch, seed=1, hours=hours)


FROZEN_INTERRUPTIONS = [
    ("h100-n-virginia", 25, 1, 9985),
    ("b200-us", 7, 1, 8997),
    ("b200-us", 25, 1, 9992),
]
FROZEN_LOADS = [8387, 8384, 8701]
