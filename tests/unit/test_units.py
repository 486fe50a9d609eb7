"""Amounts, roundings and epochs, by hand-computed cases."""

from __future__ import annotations

import pytest

from derrick import units


@pytest.mark.parametrize(
    ("text", "decimals", "base_units"),
    [
        ("1", 6, 1_000_000),
        ("0.000001", 6, 1),
        ("1,250.50", 6, 1_250_500_000),
        ("12_345_678.9", 2, 1_234_567_890),
        (" 7 ", 0, 7),
        ("3.10000000", 1, 31),
    ],
)
def test_parse_amount(text: str, decimals: int, base_units: int) -> None:
    assert units.parse_amount(text, decimals) == base_units


@pytest.mark.parametrize(
    "text", ["", "-1", "1e6", "1.", ".5", "1,25", "1.2.3", "\u0661", "0x10", "1 000"]
)
def test_parse_amount_rejects_what_is_no_amount(text: str) -> None:
    with pytest.raises(units.AmountError, match="is no amount"):
        units.parse_amount(text, 6)


def test_parse_amount_never_rounds() -> None:
    with pytest.raises(units.AmountError, match="more than the token's 6 decimals"):
        units.parse_amount("0.0000001", 6)


@pytest.mark.parametrize(
    ("base_units", "decimals", "places", "text"),
    [
        (1_250_500_000, 6, None, "1,250.5"),
        (1_000_000, 6, None, "1"),
        (1, 6, None, "0.000001"),
        (-1_500_000, 6, None, "-1.5"),
        (1_999_999, 6, 2, "1.99"),
        (-1_999_999, 6, 2, "-1.99"),
        (-1, 6, 2, "0.00"),
        (1_000_000, 6, 2, "1.00"),
        (7, 0, 3, "7.000"),
        (999_999_999, 6, 0, "999"),
    ],
)
def test_format_amount(base_units: int, decimals: int, places: int | None, text: str) -> None:
    assert units.format_amount(base_units, decimals, places=places) == text


@pytest.mark.parametrize("base_units", [0, 1, 999_999, 1_000_000, 123_456_789_012])
def test_format_and_parse_are_inverse(base_units: int) -> None:
    assert units.parse_amount(units.format_amount(base_units, 6), 6) == base_units


def test_rounding_says_its_direction() -> None:
    assert units.bps_up(10_001, 1) == 2
    assert units.bps_down(10_001, 1) == 1
    assert units.bps_up(20_000, 1) == units.bps_down(20_000, 1) == 2
    assert units.div_up(0, 3) == 0
    for call in (
        lambda: units.div_up(1, 0),
        lambda: units.div_up(-1, 2),
        lambda: units.bps_down(-1, 1),
    ):
        with pytest.raises(ValueError, match="is not a share"):
            call()


def test_an_epoch_that_begins_right_now_has_begun() -> None:
    origin, length = 1_000, 3_600
    assert units.first_unbegun(origin, length, 999) == 0
    assert units.first_unbegun(origin, length, 1_000) == 1
    assert units.first_unbegun(origin, length, 4_599) == 1
    assert units.first_unbegun(origin, length, 4_600) == 2
    assert units.epoch_start(origin, length, 1) == units.epoch_end(origin, length, 0) == 4_600


def test_a_window_holds_the_epochs_that_end_after_it_begins_and_by_its_end() -> None:
    assert units.window_of(100, 100) == 0
    assert units.window_of(100, 101) == 1
    assert units.window_of(100, 200) == 1
    with pytest.raises(ValueError, match="no epoch ends at 0"):
        units.window_of(100, 0)
