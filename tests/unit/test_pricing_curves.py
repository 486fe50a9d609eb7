"""The pictures of docs/pricing.md show what the contracts ask today."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from derrick.curves import FIXED_PRICE, FULL, HIGH, IDLE, LOW, SIGNED_ON, draw, read_charts
from derrick.market import local_market
from derrick.testing import isolated

DOCS = Path(__file__).parents[2] / "docs"
NAMES = ("fixed", "utilization", "auction", "index")


@pytest.fixture(scope="module")
def charts(lane):
    with isolated(lane):
        return read_charts(local_market())


def test_one_picture_for_each_way_of_pricing(charts):
    assert tuple(charts) == NAMES
    assert {path.stem for path in (DOCS / "pricing").iterdir()} == set(NAMES)
    text = (DOCS / "pricing.md").read_text(encoding="utf-8")
    assert re.findall(r"\(pricing/(\w+)\.svg\)", text) == list(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_what_the_contracts_say_now(charts, name):
    """`ape run curves` writes it anew."""
    path = DOCS / "pricing" / f"{name}.svg"
    assert path.read_text(encoding="utf-8") == draw(charts[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_stands_in_the_picture(charts, name):
    root = ET.fromstring(draw(charts[name]))
    lines = root.findall("{*}polyline")
    figures = [
        [tuple(map(int, pair.split(":"))) for pair in line.attrib["data-figures"].split()]
        for line in lines
    ]
    assert figures == [list(line.points) for line in charts[name].lines]
    for line in lines:
        for point in line.attrib["points"].split():
            x, y = map(float, point.split(","))
            assert 0 <= x <= float(root.attrib["width"])
            assert 0 <= y <= float(root.attrib["height"])


def test_the_curves_are_those_that_were_set(charts):
    """Their ends, as anybody reads them off the parameters."""
    [fixed] = charts["fixed"].lines
    assert {amount for _, amount in fixed.points} == {FIXED_PRICE}
    single, order = charts["utilization"].lines
    assert single.points[0] == (0, IDLE + 1_000_000)  # in the middle of the first percent
    assert single.points[-1] == (99, FULL - 16_000_000)  # and of the last
    assert [a < b for (_, a), (_, b) in zip(single.points, order.points, strict=False)] == [
        True
    ] * len(order.points)
    day, month = charts["auction"].lines
    assert (day.points[0], month.points[0]) == ((60, HIGH), (60, HIGH))
    assert day.points[-1] == (1, LOW + -(-(HIGH - LOW) // 45))


def test_signed_rents_stay(charts):
    """Each lease's, read after 90 days, is the price of the day that it was signed on."""
    index, quoted, *signed = charts["index"].lines
    prices = dict(quoted.points)
    assert [line.points[0] for line in signed] == [(day, prices[day]) for day in SIGNED_ON]
    for (_, bare), (_, price) in zip(index.points, quoted.points, strict=True):
        assert 0 <= price - bare * 105 / 100 < 2
