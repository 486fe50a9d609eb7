"""The report says what the result says: page, summary and terminal tables against the input."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from rich.console import Console

from derrick import pictures, report
from derrick.pictures import money, percent
from derrick.result import (
    Amount,
    BondResult,
    CapacityResult,
    Check,
    DemoResult,
    EpochResult,
    Incident,
    Ledger,
    LoanResult,
    Payment,
    Penalty,
)

USD = 1_000_000


def epoch(number: int, units: int, uptime: int, rent: int, credit: int) -> EpochResult:
    credit_bps = 10_000 * credit // rent if rent else 0
    return EpochResult(number, units, uptime, credit_bps, rent, credit, units * 100_000)


CLUSTER = CapacityResult(
    key="cluster",
    label="H100 cluster, Iowa & more",
    hardware="H100-SXM",
    service="TRAINING",
    units=8,
    accelerators_per_unit=8,
    usd_per_gpu_hour=688_000_000,
    committed_uptime_bps=9_950,
    epochs=(
        epoch(1, 4, 10_000, 400 * USD, 0),
        epoch(2, 8, 4_000, 800 * USD, 800 * USD),
        epoch(3, 8, 9_997, 800 * USD + 1, 0),
    ),
    legs=(Amount("operator", 300 * USD), Amount("protocol", 12 * USD)),
    to_shares=488 * USD + 1,
    unreleased=400 * USD,
    paid_out=700 * USD,
)
EDGE = CapacityResult(
    key="edge",
    label="Edge nodes",
    hardware="RTX-4090",
    service="EDGE",
    units=3,
    accelerators_per_unit=1,
    usd_per_gpu_hour=40_148_100,
    committed_uptime_bps=9_950,
    epochs=(
        epoch(1, 0, 10_000, 0, 0),
        replace(epoch(2, 1, 9_920, 10 * USD, 1 * USD), curtailed=True),
        epoch(3, 3, 10_000, 30 * USD, 0),
    ),
    legs=(Amount("operator", 9 * USD),),
    to_shares=30 * USD,
    unreleased=0,
    paid_out=39 * USD,
)
LOAN = LoanResult(
    label="operator of the cluster",
    capacity="cluster",
    pledged_bps=8_000,
    borrowed=500 * USD,
    repaid_by_rent=390 * USD,
    repaid_by_hand=0,
    debt=(500 * USD, 301 * USD, 302 * USD, 112_345_678),
    rent_applied=(200 * USD, 0, 190 * USD),
)
BOND = BondResult(
    capacity="cluster",
    deposited=600 * USD,
    staked=500 * USD,
    rewards=20 * USD,
    withdrawn=0,
    unstaked=50 * USD,
    operator_part=0,
    pool=240 * USD,
    reserved=100 * USD,
    idle=30 * USD,
    penalties=(Penalty(2, 800 * USD, 600 * USD, 200 * USD),),
    payments=(Payment("bank", 150 * USD, 100 * USD), Payment("lab", 450 * USD, 0)),
)
CALM_BOND = BondResult(
    capacity="edge",
    deposited=30 * USD,
    staked=0,
    rewards=0,
    withdrawn=5 * USD,
    unstaked=0,
    operator_part=25 * USD,
    pool=0,
    reserved=0,
    idle=0,
    penalties=(),
    payments=(),
)
RESULT = DemoResult(
    epoch_seconds=86_400,
    currency="USDC",
    decimals=6,
    capacities=(CLUSTER, EDGE),
    loans=(LOAN,),
    tenants=3,
    leases=5,
    tenants_paid=2_140 * USD + 1,
    refunded=40 * USD,
    escrow=60 * USD,
    dividends_to_loans=390 * USD,
    dividends_claimed=100 * USD,
    dividends_waiting=28 * USD + 1,
    ledger=Ledger(
        money_in=(Amount("from tenants", 2_140 * USD + 1), Amount("from lenders", 1_000 * USD)),
        money_out=(Amount("to tenants", 841 * USD), Amount("loans", 500 * USD)),
        held=(Amount("lease engine", 909 * USD + 1), Amount("vault", 890 * USD)),
    ),
    incidents=(Incident("cluster", 2, 2, "cooling failure"),),
    facts=(("transactions", "123"),),
    uptime_note="Uptimes are invented here.",
    sources=("a rate card (2026)",),
    bonds=(BOND, CALM_BOND),
)


class Page(HTMLParser):
    """Collects tables by id, all text, and every attribute."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.text: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self._rows: list[list[str]] | None = None
        self._open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.attributes += [(tag, name, value) for name, value in given.items()]
        self._open.append(tag)
        if tag == "table":
            self._rows = self.tables.setdefault(given.get("id", "other"), [])
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        elif tag in ("td", "th") and self._rows is not None:
            self._rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._rows = None

    def handle_data(self, text: str) -> None:
        if self._open and self._open[-1] in ("style", "script"):
            return
        self.text.append(text)
        if self._rows and self._rows[-1]:
            self._rows[-1][-1] += text

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def source() -> str:
    return report.render_html(RESULT)


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


# ---------------------------------------------------------------------------- the numbers


def test_the_table_per_capacity_equals_the_result(page: Page) -> None:
    assert page.tables["capacities"] == [
        [
            "capacity",
            "units",
            "leased unit-days",
            "use",
            "uptime",
            "rent",
            "credits",
            "paid out",
            "energy, MWh",
        ],
        [
            "H100 cluster, Iowa & more",
            "8",
            "20",
            "83.3 %",
            "79.99 %",
            "$2,000.00",
            "$800.00",
            "$700.00",
            "2.000",
        ],
        [
            "Edge nodes",
            "3",
            "4",
            "44.4 %",
            "99.73 %",
            "$40.00",
            "$1.00",
            "$39.00",
            "0.400",
        ],
        [
            "all capacities",
            "11",
            "24",
            "72.7 %",
            "79.95 %",
            "$2,040.00",
            "$801.00",
            "$739.00",
            "2.400",
        ],
    ]


def test_the_table_per_loan_equals_the_result(page: Page) -> None:
    assert page.tables["loans"] == [
        ["loan", "pledged", "borrowed", "repaid by rent", "interest", "outstanding"],
        ["operator of the cluster", "80.0 %", "$500.00", "$390.00", "$2.35", "$112.35"],
    ]


def test_the_table_per_bond_equals_the_result(page: Page) -> None:
    assert page.tables["bonds"] == [
        [
            "bond",
            "penalties",
            "deposited",
            "staked",
            "rewards",
            "paid",
            "reserved",
            "taken out",
            "left",
        ],
        [
            "H100 cluster, Iowa & more",
            "1",
            "$600.00",
            "$500.00",
            "$20.00",
            "$700.00",
            "$100.00",
            "$50.00",
            "$270.00",
        ],
        ["Edge nodes", "0", "$30.00", "$0.00", "$0.00", "$0.00", "$0.00", "$5.00", "$25.00"],
        [
            "all bonds",
            "1",
            "$630.00",
            "$500.00",
            "$20.00",
            "$700.00",
            "$100.00",
            "$55.00",
            "$295.00",
        ],
    ]


def test_several_loans_are_summed() -> None:
    other = replace(
        LOAN,
        label="investor",
        borrowed=10 * USD,
        repaid_by_rent=0,
        debt=(0, 0, 10 * USD, 11 * USD),
        rent_applied=(0, 0, 0),
    )
    rows = report.loan_rows(replace(RESULT, loans=(LOAN, other)))
    assert rows[-1] == ("all loans", "", "$510.00", "$390.00", "$3.35", "$123.35")


def test_the_summary_equals_the_result() -> None:
    data = json.loads(json.dumps(report.summary(RESULT)))
    assert data["conservation_error"] == 0
    assert data["conserved"] is True
    assert data["epochs"] == 3
    assert data["totals"] == {
        "tenants": 3,
        "leases": 5,
        "tenants_paid": 2_140 * USD + 1,
        "refunded": 40 * USD,
        "escrow": 60 * USD,
        "rent": 2_040 * USD + 1,
        "credits": 801 * USD,
        "net_rent": 1_239 * USD + 1,
        "legs": {"operator": 309 * USD, "protocol": 12 * USD},
        "to_shares": 518 * USD + 1,
        "unreleased": 400 * USD,
        "dividends_to_loans": 390 * USD,
        "dividends_claimed": 100 * USD,
        "dividends_waiting": 28 * USD + 1,
        "penalties_paid": 700 * USD,
        "penalties_reserved": 100 * USD,
        "rounding": 0,
        "energy_wh": 2_400_000,
        "uptime_bps": 7_995,
    }
    assert [row["rent"] for row in data["capacities"]] == [2_000 * USD + 1, 40 * USD]
    assert [row["paid_out"] for row in data["capacities"]] == [700 * USD, 39 * USD]
    assert data["capacities"][0]["epochs"]["units_leased"] == [4, 8, 8]
    assert data["capacities"][0]["epochs"]["credit_bps"] == [0, 10_000, 0]
    assert data["loans"][0]["interest"] == 2_345_678
    assert data["loans"][0]["outstanding"] == 112_345_678
    assert data["capacities"][1]["epochs"]["curtailed"] == [False, True, False]
    bond = data["bonds"][0]
    assert (bond["capacity"], bond["deposited"], bond["pool"]) == ("cluster", 600 * USD, 240 * USD)
    assert (bond["of_operator"], bond["of_stakers"]) == (600 * USD, 200 * USD)
    assert (bond["paid"], bond["left"]) == (700 * USD, 270 * USD)
    assert bond["penalties"] == [
        {"epoch": 2, "wanted": 800 * USD, "of_operator": 600 * USD, "of_stakers": 200 * USD}
    ]
    assert bond["payments"][0] == {
        "tenant": "bank",
        "of_operator": 150 * USD,
        "of_stakers": 100 * USD,
    }
    assert data["ledger"]["held"] == {"lease engine": 909 * USD + 1, "vault": 890 * USD}


def test_the_summary_adds_up() -> None:
    data = report.summary(RESULT)
    totals, rows = data["totals"], data["capacities"]
    for name in ("rent", "credits", "net_rent", "to_shares", "unreleased", "energy_wh"):
        assert totals[name] == sum(row[name] for row in rows), name
    for row in rows:
        assert row["rent"] - row["credits"] == row["net_rent"]
        assert row["net_rent"] == sum(row["legs"].values()) + row["to_shares"] + row["unreleased"]
        assert row["rent"] == sum(row["epochs"]["rent"])
    ledger = {side: sum(lines.values()) for side, lines in data["ledger"].items()}
    assert ledger["in"] == ledger["out"] + ledger["held"]


def test_lines_of_one_name_are_added_up() -> None:
    twice = Ledger((Amount("a", 1), Amount("a", 2)), (Amount("b", 3),), ())
    assert report.summary(replace(RESULT, ledger=twice))["ledger"]["in"] == {"a": 3}


def test_the_page_tells_the_story_in_dollars(page: Page) -> None:
    words = page.words
    assert "In 3 days, 2 fleets of AI machines earned $1,239 in rent" in words
    assert "which also paid back $390 of loans" in words
    assert "Operators put 67 AI accelerators up for lease. 3 tenants signed 5 leases" in words
    assert "$801.00 of $2,040.00 rent went back, 99 % of it in one bad week" in words
    assert "Rent alone has repaid $390.00 of loans worth $500.00" in words
    assert (
        "Penalties for 1 day took $600.00 from operators' bonds and $200.00 from stakers" in words
    )
    assert "Penalties are separate from credits" in words
    assert "Tenants have claimed $700.00; $100.00 stays reserved" in words
    assert "Edge nodes, gave day 2 to the grid, as often as it may: 10.0 % of that rent" in words
    assert "Uptimes are invented here." in words
    assert "transactions: 123" in words
    assert "a rate card (2026)" in words


def test_the_flow_shows_every_total(source: str) -> None:
    drawn = pictures.flow(RESULT)
    for amount in ("$2,140.00", "$1,239.00", "$801.00", "$40.00", "$60.00", "$518.00", "$309.00"):
        assert amount in drawn, amount
    assert "57.9¢" in source


def test_the_flow_loses_nothing() -> None:
    def check(branch: pictures.Branch) -> None:
        if branch.parts:
            assert sum(part.amount for part in branch.parts) == branch.amount, branch.name
        for part in branch.parts:
            check(part)

    check(pictures._tree(RESULT))


def test_bars_are_the_sums_of_an_epoch() -> None:
    credit, net = pictures._per_epoch(RESULT)
    assert credit == [0, 801 * USD, 0]
    assert net == [400 * USD, 9 * USD, 830 * USD + 1]


@pytest.mark.parametrize(
    ("draw", "says"),
    [
        (pictures.occupancy, ("day 1: 4 of 8 units leased", "day 3: 3 of 3 units leased")),
        (
            pictures.uptime,
            ("day 2: up 40.00 %", "day 2: up 99.20 %, given to the grid", "day 3: up 99.97 %"),
        ),
    ],
)
def test_every_cell_of_a_heat_map_says_its_number(
    draw: Callable[[DemoResult], str], says: tuple[str, ...]
) -> None:
    titles = re.findall(r"<title>(.*?)</title>", draw(RESULT))
    assert len(titles) == 6
    for text in says:
        assert any(title.endswith(text) for title in titles), text


def test_the_penalties_show_whom_they_paid(source: str) -> None:
    drawn = pictures.penalties(RESULT)
    for text in ("day 2", "$800.00", "lab", "$450.00", "bank", "$250.00", "not claimed", "$100.00"):
        assert f"{text}<" in drawn, text
    assert "Penalties and who paid them to whom" in source


def test_the_operators_part_of_a_penalty_is_drawn_first() -> None:
    axes = Figure().add_axes((0, 0, 1, 1))
    pictures._parts(axes, RESULT, [("day 1", 2 * USD, USD, 0), ("day 2", 0, 0, 3 * USD)])
    drawn = [(bar.get_x(), bar.get_width()) for bar in axes.patches]
    assert drawn == [(0, 2), (2, 1), (3, 0), (0, 0), (0, 0), (0, 3)]


def test_penalties_that_were_all_claimed_leave_nothing_waiting() -> None:
    paid = (*BOND.payments, Payment("lab", 0, 100 * USD))
    result = replace(RESULT, bonds=(replace(BOND, reserved=0, payments=paid),))
    assert result.conserved
    assert [(each.tenant, each.amount) for each in result.payments] == [
        ("bank", 250 * USD),
        ("lab", 550 * USD),
    ]
    assert "not claimed" not in pictures.penalties(result)


@pytest.mark.parametrize(
    ("units", "leased", "shade"), [(8, 0, 0), (8, 8, 10), (32, 31, 9), (32, 1, 1), (32, 16, 5)]
)
def test_the_ends_of_the_ramp_mean_none_and_all(units: int, leased: int, shade: int) -> None:
    only = replace(EDGE, units=units, epochs=(epoch(1, leased, 10_000, 0, 0),))
    loan = replace(LOAN, debt=LOAN.debt[:2], rent_applied=LOAN.rent_applied[:1])
    loan = replace(loan, capacity="edge", repaid_by_rent=200 * USD)
    result = replace(RESULT, capacities=(only,), loans=(loan,), incidents=(), bonds=())
    drawn = pictures.occupancy(result)
    counts = [drawn.count(f"--occupancy-{i})") for i in range(11)]
    assert counts.index(2) == shade  # once in the legend, once in the cell
    assert sum(counts) == 12


# --------------------------------------------------------------------------- conservation


def test_a_missing_base_unit_is_reported() -> None:
    held = (Amount("lease engine", 909 * USD), Amount("vault", 890 * USD))
    broken = replace(RESULT, ledger=replace(RESULT.ledger, held=held))
    assert report.summary(broken)["conservation_error"] == 1
    assert report.summary(broken)["conserved"] is False
    text = report.render_html(broken)
    assert "The books do not balance" in text
    assert "$0.000001" in Page(text).words
    assert "Every base unit is accounted for" not in text


@pytest.mark.parametrize(
    ("field", "equation"),
    [
        ("escrow", "what tenants paid"),
        ("refunded", "what tenants paid"),
        ("dividends_claimed", "what shareholders earned"),
        ("dividends_to_loans", "what repaid the loans"),
    ],
)
def test_each_equation_can_break(field: str, equation: str) -> None:
    broken = replace(RESULT, **{field: getattr(RESULT, field) + 1})
    errors = report.summary(broken)["checks"]
    assert errors[equation] in (1, -1)
    assert not broken.conserved
    assert "off by" in report.render_html(broken)


@pytest.mark.parametrize(
    ("field", "equation"),
    [
        ("deposited", "what came into bonds"),
        ("staked", "what came into bonds"),
        ("rewards", "what came into bonds"),
        ("withdrawn", "what came into bonds"),
        ("unstaked", "what came into bonds"),
        ("operator_part", "what came into bonds"),
        ("pool", "what came into bonds"),
        ("idle", "what came into bonds"),
        ("reserved", "what became of penalties"),
    ],
)
def test_a_bond_can_break_the_books(field: str, equation: str) -> None:
    bond = replace(BOND, **{field: getattr(BOND, field) + 1})
    broken = replace(RESULT, bonds=(bond, CALM_BOND))
    assert report.summary(broken)["checks"][equation] in (1, -1)
    assert not broken.conserved


def test_a_payment_out_of_nowhere_breaks_the_books() -> None:
    bond = replace(BOND, payments=(*BOND.payments, Payment("lab", 0, 1)))
    errors = report.summary(replace(RESULT, bonds=(bond, CALM_BOND)))["checks"]
    assert errors["what came into bonds"] == errors["what became of penalties"] == -1


def test_rent_that_reaches_nobody_breaks_the_books() -> None:
    skewed = replace(CLUSTER, to_shares=CLUSTER.to_shares - 1)
    broken = replace(RESULT, capacities=(skewed, EDGE))
    assert report.summary(broken)["checks"]["where the rent went"] == 1


def test_sound_books_are_said_to_be_sound(page: Page) -> None:
    assert "Every base unit is accounted for" in page.words
    assert "off by" not in page.words
    for amount in ("$3,140.000001", "$1,341.000000", "$1,799.000001", "$0.000000"):
        assert amount in page.words


def test_an_equation_is_left_less_right() -> None:
    assert Check("x", (Amount("a", 5),), (Amount("b", 2), Amount("c", 4))).error == -1


# --------------------------------------------------------------------------------- the page


def test_the_page_asks_nobody_for_anything(source: str, page: Page) -> None:
    for tag, name, value in page.attributes:
        if name in ("href", "xlink:href", "src", "srcset", "data", "action"):
            assert value.startswith("#"), (tag, name, value)
        assert tag not in ("script", "link", "iframe", "img", "object", "embed"), tag
    urls = re.findall(r"url\(([^)]*)\)", source)
    assert all(url.startswith("#") for url in urls)
    assert "@import" not in source


def test_ids_are_unique_and_references_lead_somewhere(page: Page, source: str) -> None:
    ids = Counter(value for _, name, value in page.attributes if name == "id")
    assert [name for name, count in ids.items() if count > 1] == []
    used = {value[1:] for _, name, value in page.attributes if name == "xlink:href"}
    used |= {url[1:] for url in re.findall(r"url\((#[^)]*)\)", source)}
    assert used <= set(ids)


def test_pictures_take_their_colours_from_the_page(source: str) -> None:
    defined = set(re.findall(r"(--[a-z0-9-]+):", source))
    used = set(re.findall(r"var\((--[a-z0-9-]+)\)", source))
    assert used <= defined
    pictured = "".join(re.findall(r"<svg.*?</svg>", source, flags=re.S))
    assert not re.search(r"#[0-9a-f]{6}\b", pictured)
    assert source.count("<svg") == 6


def test_light_and_dark_define_the_same_colours(source: str) -> None:
    light, dark = re.findall(r":root\{(.*?)\}", source, flags=re.S)
    names = [set(re.findall(r"(--[a-z0-9-]+):", block)) for block in (light, dark)]
    assert names[0] - {"--font"} == names[1]


def test_the_page_is_the_same_every_time(source: str) -> None:
    assert report.render_html(RESULT) == source


def test_names_are_escaped() -> None:
    nasty = replace(EDGE, label='<script>alert("x")</script>')
    text = report.render_html(replace(RESULT, capacities=(CLUSTER, nasty)))
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_a_run_without_loans_or_credits_reads_well() -> None:
    calm = replace(EDGE, epochs=tuple(replace(e, credit=0, credit_bps=0) for e in EDGE.epochs))
    result = replace(
        RESULT, capacities=(calm,), loans=(), incidents=(), refunded=0, bonds=(CALM_BOND,)
    )
    words = Page(report.render_html(result)).words
    assert "no day needed a credit" in words
    assert "loans" not in report.headline(result)
    assert "How rent repays a loan" not in words
    assert "What a broken promise costs" not in words
    assert "Penalties for" not in words


def test_operators_who_pay_alone_are_named_alone() -> None:
    alone = replace(BOND, penalties=(Penalty(2, 600 * USD, 600 * USD, 0),))
    words = Page(report.render_html(replace(RESULT, bonds=(alone,)))).words
    assert "Penalties for 1 day took $600.00 from operators' bonds, on top of that." in words


def test_a_repaid_loan_says_when() -> None:
    done = replace(
        LOAN,
        debt=(500 * USD, 301 * USD, 0, 0),
        rent_applied=(200 * USD, 301 * USD, 0),
        repaid_by_rent=501 * USD,
    )
    result = replace(RESULT, loans=(done,), dividends_to_loans=501 * USD)
    assert "repaid on day 2" in pictures.loans(result)
    assert "Rent repaid all that was lent: $500.00 and $1.00 interest" in report.render_html(result)


def test_both_files_are_written(tmp_path: Path, source: str) -> None:
    page, data = report.write_report(RESULT, tmp_path / "new" / "demo")
    assert page == tmp_path / "new" / "demo" / "report.html"
    assert page.read_text(encoding="utf-8") == source
    assert json.loads(data.read_text(encoding="utf-8")) == report.summary(RESULT)


# ------------------------------------------------------------------------------- terminal


def printed(result: DemoResult) -> str:
    console = Console(file=io.StringIO(), width=160)
    for table in (
        report.capacity_table,
        report.loan_table,
        report.bond_table,
        report.conservation_table,
    ):
        console.print(table(result))
    out = console.file
    assert isinstance(out, io.StringIO)
    return out.getvalue()


def test_the_terminal_shows_the_same_rows() -> None:
    text = printed(RESULT)
    rows = report.capacity_rows, report.loan_rows, report.bond_rows
    for row in (row for rows_of in rows for row in rows_of(RESULT)):
        for cell in row:
            assert cell in text, cell
    assert "$3,140.000001" in text


def test_the_terminal_shows_an_error() -> None:
    broken = replace(RESULT, escrow=RESULT.escrow - 1_234)
    assert re.search(r"what tenants paid.*1,234", printed(broken))


# ------------------------------------------------------------------------------ formatting


@pytest.mark.parametrize(
    ("amount", "places", "text"),
    [
        (0, 2, "$0.00"),
        (1, 2, "$0.00"),
        (4_999, 2, "$0.00"),
        (5_000, 2, "$0.01"),
        (1_234_560_000, 2, "$1,234.56"),
        (1_234_565_000, 2, "$1,234.57"),
        (-1_234_560_000, 2, "\N{MINUS SIGN}$1,234.56"),
        (-1, 2, "$0.00"),
        (1_500_000, 0, "$2"),
        (1, 6, "$0.000001"),
        (-1, 6, "\N{MINUS SIGN}$0.000001"),
    ],
)
def test_money(amount: int, places: int, text: str) -> None:
    assert money(amount, 6, places) == text


@pytest.mark.parametrize(
    ("bps", "places", "text"),
    [
        (10_000, 2, "100 %"),
        (9_999, 1, "99.9 %"),
        (9_999, 2, "99.99 %"),
        (9_999, 0, "99 %"),
        (8_000, 1, "80.0 %"),
        (0, 1, "0 %"),
        (5, 2, "0.05 %"),
    ],
)
def test_percent_never_rounds_up_to_a_hundred(bps: int, places: int, text: str) -> None:
    assert percent(bps, places) == text


# ------------------------------------------------------------------------------ wrong input


def test_a_result_refuses_what_cannot_be() -> None:
    late = replace(EDGE, epochs=EDGE.epochs[1:])
    with pytest.raises(ValueError, match="edge: its epochs"):
        replace(RESULT, capacities=(CLUSTER, late))
    oversold = replace(EDGE, units=2)
    with pytest.raises(ValueError, match="epoch 3 is out of range"):
        replace(RESULT, capacities=(CLUSTER, oversold))
    with pytest.raises(ValueError, match="at least one"):
        replace(RESULT, capacities=())
    with pytest.raises(ValueError, match="one key"):
        replace(RESULT, capacities=(CLUSTER, CLUSTER))
    with pytest.raises(ValueError, match="one debt more"):
        replace(RESULT, loans=(replace(LOAN, debt=LOAN.debt[1:]),))
    with pytest.raises(ValueError, match="do not add up"):
        replace(RESULT, loans=(replace(LOAN, repaid_by_rent=1),))
    with pytest.raises(ValueError, match="no capacity 'moon'"):
        replace(RESULT, incidents=(Incident("moon", 1, 1, "eclipse"),))
    with pytest.raises(ValueError, match="no capacity 'mars'"):
        replace(RESULT, bonds=(replace(BOND, capacity="mars"),))
    with pytest.raises(KeyError):
        RESULT.capacity("moon")
