"""Turns a run's numbers into what people read: a page, a summary, tables for the terminal.

`write_report` writes `report.html` (one file, no requests to anywhere, light and dark) and
`summary.json`. `capacity_table`, `loan_table`, `bond_table` and `conservation_table` are for
`rich`.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from derrick import pictures
from derrick.pictures import MINUS, money, percent, period
from derrick.result import (
    Amount,
    BondResult,
    CapacityResult,
    Check,
    DemoResult,
    LoanResult,
    total,
)

CAPACITY_COLUMNS = (
    "capacity",
    "units",
    "leased unit-epochs",
    "use",
    "uptime",
    "rent",
    "credits",
    "paid out",
    "energy, MWh",
)
BOND_COLUMNS = (
    "bond",
    "penalties",
    "deposited",
    "staked",
    "rewards",
    "paid",
    "reserved",
    "taken out",
    "left",
)
LOAN_COLUMNS = ("loan", "pledged", "borrowed", "repaid by rent", "interest", "outstanding")


# --------------------------------------------------------------------------------- files


def write_report(result: DemoResult, folder: Path) -> tuple[Path, Path]:
    """Writes `report.html` and `summary.json` into `folder`; answers their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    page, data = folder / "report.html", folder / "summary.json"
    page.write_text(render_html(result), encoding="utf-8")
    data.write_text(json.dumps(summary(result), indent=2) + "\n", encoding="utf-8")
    return page, data


def summary(result: DemoResult) -> dict[str, Any]:
    """The run as JSON: money in base units, fractions in bps, energy in watt-hours."""
    return {
        "currency": result.currency,
        "decimals": result.decimals,
        "epoch_seconds": result.epoch_seconds,
        "epochs": len(result.epochs),
        "conservation_error": result.conservation_error,
        "conserved": result.conserved,
        "totals": {
            "tenants": result.tenants,
            "leases": result.leases,
            "tenants_paid": result.tenants_paid,
            "refunded": result.refunded,
            "escrow": result.escrow,
            "rent": result.rent,
            "credits": result.credit,
            "net_rent": result.net,
            "legs": _pairs(result.legs),
            "to_shares": result.to_shares,
            "unreleased": result.unreleased,
            "dividends_to_loans": result.dividends_to_loans,
            "dividends_claimed": result.dividends_claimed,
            "dividends_waiting": result.dividends_waiting,
            "penalties_paid": result.paid_by_bonds,
            "penalties_reserved": result.reserved_by_bonds,
            "rounding": result.rounding + sum(c.rounding for c in result.capacities),
            "energy_wh": result.energy_wh,
            "uptime_bps": result.uptime_bps,
        },
        "ledger": {
            "in": _pairs(result.ledger.money_in),
            "out": _pairs(result.ledger.money_out),
            "held": _pairs(result.ledger.held),
        },
        "checks": {check.name: check.error for check in result.checks()},
        "capacities": [_capacity_summary(capacity) for capacity in result.capacities],
        "loans": [_loan_summary(loan) for loan in result.loans],
        "bonds": [_bond_summary(bond) for bond in result.bonds],
        "facts": dict(result.facts),
    }


def _pairs(amounts: Iterable[Amount]) -> dict[str, int]:
    """Sums by name; lines of one name are added up."""
    sums: dict[str, int] = {}
    for line in amounts:
        sums[line.name] = sums.get(line.name, 0) + line.amount
    return sums


def _capacity_summary(capacity: CapacityResult) -> dict[str, Any]:
    return {
        "key": capacity.key,
        "label": capacity.label,
        "hardware": capacity.hardware,
        "service": capacity.service,
        "units": capacity.units,
        "accelerators_per_unit": capacity.accelerators_per_unit,
        "usd_per_gpu_hour": capacity.usd_per_gpu_hour,
        "committed_uptime_bps": capacity.committed_uptime_bps,
        "leased_unit_epochs": capacity.leased_unit_epochs,
        "occupancy_bps": capacity.occupancy_bps,
        "uptime_bps": capacity.uptime_bps,
        "rent": capacity.rent,
        "credits": capacity.credit,
        "net_rent": capacity.net,
        "legs": _pairs(capacity.legs),
        "to_shares": capacity.to_shares,
        "unreleased": capacity.unreleased,
        "paid_out": capacity.paid_out,
        "energy_wh": capacity.energy_wh,
        "epochs": {
            "epoch": [row.epoch for row in capacity.epochs],
            "units_leased": [row.units_leased for row in capacity.epochs],
            "uptime_bps": [row.uptime_bps for row in capacity.epochs],
            "credit_bps": [row.credit_bps for row in capacity.epochs],
            "rent": [row.rent for row in capacity.epochs],
            "credit": [row.credit for row in capacity.epochs],
            "energy_wh": [row.energy_wh for row in capacity.epochs],
            "curtailed": [row.curtailed for row in capacity.epochs],
        },
    }


def _bond_summary(bond: BondResult) -> dict[str, Any]:
    return {
        **asdict(bond),
        "penalties": [asdict(penalty) for penalty in bond.penalties],
        "payments": [asdict(payment) for payment in bond.payments],
        "of_operator": bond.of_operator,
        "of_stakers": bond.of_stakers,
        "paid": bond.paid,
        "left": bond.left,
    }


def _loan_summary(loan: LoanResult) -> dict[str, Any]:
    return {
        "label": loan.label,
        "capacity": loan.capacity,
        "pledged_bps": loan.pledged_bps,
        "borrowed": loan.borrowed,
        "repaid_by_rent": loan.repaid_by_rent,
        "repaid_by_hand": loan.repaid_by_hand,
        "interest": loan.interest,
        "outstanding": loan.outstanding,
        "debt": list(loan.debt),
    }


# ---------------------------------------------------------------------------------- rows


def capacity_rows(result: DemoResult) -> list[tuple[str, ...]]:
    """One row per capacity and one for the sum, in the order of `CAPACITY_COLUMNS`."""
    places = result.decimals
    rows = [
        (
            capacity.label,
            f"{capacity.units:,}",
            f"{capacity.leased_unit_epochs:,}",
            percent(capacity.occupancy_bps),
            percent(capacity.uptime_bps, 2),
            money(capacity.rent, places),
            money(capacity.credit, places),
            money(capacity.paid_out, places),
            energy(capacity.energy_wh),
        )
        for capacity in result.capacities
    ]
    every = result.capacities
    offered = len(result.epochs) * sum(capacity.units for capacity in every)
    leased = sum(capacity.leased_unit_epochs for capacity in every)
    return [
        *rows,
        (
            "all capacities",
            f"{sum(capacity.units for capacity in every):,}",
            f"{leased:,}",
            percent(10_000 * leased // offered),
            percent(result.uptime_bps, 2),
            money(result.rent, places),
            money(result.credit, places),
            money(sum(capacity.paid_out for capacity in every), places),
            energy(result.energy_wh),
        ),
    ]


def loan_rows(result: DemoResult) -> list[tuple[str, ...]]:
    """One row per loan and, if there are several, the sum, in the order of `LOAN_COLUMNS`."""
    places = result.decimals
    rows: list[tuple[str, ...]] = [
        (
            loan.label,
            percent(loan.pledged_bps),
            money(loan.borrowed, places),
            money(loan.repaid_by_rent, places),
            money(loan.interest, places),
            money(loan.outstanding, places),
        )
        for loan in result.loans
    ]
    if len(rows) < 2:
        return rows
    sums = (
        sum(loan.borrowed for loan in result.loans),
        sum(loan.repaid_by_rent for loan in result.loans),
        sum(loan.interest for loan in result.loans),
        sum(loan.outstanding for loan in result.loans),
    )
    return [*rows, ("all loans", "", *(money(amount, places) for amount in sums))]


def bond_rows(result: DemoResult) -> list[tuple[str, ...]]:
    """One row per bond and one for the sum, in the order of `BOND_COLUMNS`."""

    def row(name: str, bonds: Sequence[BondResult]) -> tuple[str, ...]:
        sums = (
            sum(bond.deposited for bond in bonds),
            sum(bond.staked for bond in bonds),
            sum(bond.rewards for bond in bonds),
            sum(bond.paid for bond in bonds),
            sum(bond.reserved for bond in bonds),
            sum(bond.withdrawn + bond.unstaked for bond in bonds),
            sum(bond.left for bond in bonds),
        )
        epochs = sum(len(bond.penalties) for bond in bonds)
        return (name, f"{epochs:,}", *(money(amount, result.decimals) for amount in sums))

    rows = [row(result.capacity(bond.capacity).label, [bond]) for bond in result.bonds]
    return [*rows, row("all bonds", result.bonds)]


def energy(watt_hours: int, places: int = 3) -> str:
    """Watt-hours as MWh: 12.345."""
    return f"{watt_hours / 1_000_000:,.{places}f}"


def exact(amount: int, decimals: int) -> str:
    """Base units as dollars with every decimal: $1,234.567890."""
    return money(amount, decimals, decimals)


# ------------------------------------------------------------------------------ terminal


def capacity_table(result: DemoResult) -> Table:
    """Per capacity: leased, rent, credits, paid out, energy; the sum last."""
    return _table("Capacities", CAPACITY_COLUMNS, capacity_rows(result), summed=True)


def loan_table(result: DemoResult) -> Table:
    """Per loan: borrowed, repaid by rent, interest, outstanding."""
    return _table("Loans", LOAN_COLUMNS, loan_rows(result), summed=len(result.loans) > 1)


def bond_table(result: DemoResult) -> Table:
    """Per bond: what came in, who was paid, what is left; the sum last."""
    return _table("Bonds", BOND_COLUMNS, bond_rows(result), summed=True)


def conservation_table(result: DemoResult) -> Table:
    """Every equation with its two sides and its error."""
    rows = [
        (
            check.name,
            exact(total(check.left), result.decimals),
            exact(total(check.right), result.decimals),
            f"{check.error:,}",
        )
        for check in result.checks()
    ]
    columns = ("equation", "left side", "right side", "error (base units)")
    title = "Every base unit accounted for" if result.conserved else "The books do not balance"
    return _table(title, columns, rows, summed=False)


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], summed: bool
) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index else "left", overflow="fold")
    for index, row in enumerate(rows):
        if summed and index == len(rows) - 1:
            table.add_section()
        table.add_row(*row)
    return table


# ---------------------------------------------------------------------------------- page


def headline(result: DemoResult) -> str:
    """What happened, in one sentence."""
    count = len(result.epochs)
    span = f"{count} {period(result)}{'s' if count != 1 else ''}"
    repaid = sum(loan.repaid_by_rent for loan in result.loans)
    start = (
        f"In {span}, {len(result.capacities)} fleets of AI machines earned "
        f"{money(result.net, result.decimals, 0)} in rent"
    )
    if repaid:
        return f"{start}, which also paid back {money(repaid, result.decimals, 0)} of loans"
    return start


def lede(result: DemoResult) -> str:
    """The headline's explanation for somebody who knows none of this."""
    places = result.decimals
    accelerators = sum(c.units * c.accelerators_per_unit for c in result.capacities)
    parts = [
        f"Operators put {accelerators:,} AI accelerators up for lease. {result.tenants} tenants "
        f"signed {result.leases} leases and paid {money(result.tenants_paid, places)} into escrow. "
        f"For every {period(result)}, independent attestors signed how long the machines really "
        f"ran, and only then was that {period(result)}'s rent released."
    ]
    if result.credit:
        parts.append(
            f"Where machines stood still, {money(result.credit, places)} went straight back to the "
            f"tenants, without a claim form."
        )
    if _penalties(result):
        parts.append(f"{_penalty_title(result)}, on top of that.")
    if result.loans:
        borrowed = sum(loan.borrowed for loan in result.loans)
        repaid = sum(loan.repaid_by_rent for loan in result.loans)
        parts.append(
            f"Owners of that revenue borrowed {money(borrowed, places)} against it; the rent has "
            f"repaid {money(repaid, places)} so far, and nobody had to send a payment."
        )
    return " ".join(parts)


def render_html(result: DemoResult) -> str:
    """The whole page."""
    sections = [
        _section(
            "The life of one dollar",
            _flow_title(result),
            pictures.flow(result),
            "Each band is as wide as the money in it. Cents are per dollar that tenants paid. All "
            "of it is computed from what the contracts recorded and held at the end.",
        ),
        _section(
            "Who used the machines",
            _occupancy_title(result),
            pictures.occupancy(result),
            f"One row per capacity, one cell per {period(result)}. The darker the cell (in dark "
            f"mode: the brighter), the more of its units were leased. Nothing is ever sold twice: "
            f"the calendar on chain refuses it.",
        ),
        _section(
            "Did they run?",
            _uptime_title(result),
            pictures.uptime(result),
            " ".join(
                [
                    result.uptime_note,
                    "Numbers in cells are uptime in per cent, where it fell below 95.",
                    _incident_note(result),
                    _curtailment_note(result),
                ]
            ).strip(),
        ),
        _section(
            "What they earned",
            _rent_title(result),
            pictures.rent(result),
            "The whole bar is the rent agreed; the upper part is what the service level sent back "
            "because machines were down.",
        ),
    ]
    if _penalties(result):
        sections.append(
            _section(
                "What a broken promise costs",
                _penalty_title(result),
                pictures.penalties(result),
                _penalty_caption(result),
            )
        )
    if result.loans:
        sections.append(
            _section(
                "How rent repays a loan",
                _loan_title(result),
                pictures.loans(result),
                "The borrower pledged shares of a cluster's revenue. Whatever those shares earn "
                "goes to the debt first; nobody has to send a payment. A flat stretch "
                "is time in which no rent arrived.",
            )
        )
    sections.append(_tables(result))
    sections.append(_conservation(result))
    sections.append(_words(result))
    body = "\n".join(sections)
    return (
        _PAGE.replace("{{style}}", _STYLE)
        .replace("{{title}}", _escape(headline(result)))
        .replace("{{lede}}", _escape(lede(result)))
        .replace("{{tiles}}", _tiles(result))
        .replace("{{body}}", body)
        .replace("{{foot}}", _foot(result))
    )


def _escape(text: str) -> str:
    return html.escape(text, quote=True)


def _section(kicker: str, title: str, picture: str, caption: str) -> str:
    return (
        f'<section><p class="kicker">{_escape(kicker)}</p><h2>{_escape(title)}</h2>'
        f'<figure><div class="picture">{picture}</div>'
        f"<figcaption>{_escape(caption)}</figcaption></figure></section>"
    )


def _share(part: int, whole: int) -> str:
    """A part in cents of a dollar."""
    return f"{100 * part / whole:.1f}¢" if whole else "0¢"


def _flow_title(result: DemoResult) -> str:
    earned = _share(result.net, result.tenants_paid)
    title = f"Of each dollar tenants paid, {earned} was earned by running machines"
    back = result.credit + result.refunded
    return f"{title} and {_share(back, result.tenants_paid)} came back to them" if back else title


def _occupancy_title(result: DemoResult) -> str:
    best = max(result.capacities, key=lambda capacity: capacity.occupancy_bps)
    offered = len(result.epochs) * sum(capacity.units for capacity in result.capacities)
    leased = sum(capacity.leased_unit_epochs for capacity in result.capacities)
    return (
        f"{percent(10_000 * leased // offered, 0)} of the machine time on offer was leased; "
        f"busiest: {best.label}, {percent(best.occupancy_bps, 0)}"
    )


def _uptime_title(result: DemoResult) -> str:
    up = f"Leased machines ran {percent(result.uptime_bps, 2)} of the time"
    if not result.incidents:
        return up
    incident = result.incidents[0]
    label = result.capacity(incident.capacity).label
    return f"{up}, in spite of a {incident.cause} at the {label}"


def _incident_note(result: DemoResult) -> str:
    notes = [
        f"Framed: {incident.cause}, {period(result)}s {incident.first_epoch} to "
        f"{incident.last_epoch}, a scenario added to show what a bad week does."
        for incident in result.incidents
    ]
    return " ".join(notes)


def _curtailment_note(result: DemoResult) -> str:
    notes = [
        f"{capacity.label}, gave {period(result)} {row.epoch} to the grid, as often as it may: "
        f"{percent(row.credit_bps)} of that rent went back, whatever its uptime, and there is no "
        f"penalty."
        for capacity in result.capacities
        for row in capacity.epochs
        if row.curtailed
    ]
    return " ".join(notes)


def _penalties(result: DemoResult) -> int:
    """How many epochs of all capacities were in penalty."""
    return sum(len(bond.penalties) for bond in result.bonds)


def _penalty_title(result: DemoResult) -> str:
    places, count = result.decimals, _penalties(result)
    span = f"{count} {period(result)}{'s' if count != 1 else ''}"
    own = money(sum(bond.of_operator for bond in result.bonds), places)
    others = sum(bond.of_stakers for bond in result.bonds)
    title = f"Penalties for {span} took {own} from operators' bonds"
    return f"{title} and {money(others, places)} from stakers" if others else title


def _penalty_caption(result: DemoResult) -> str:
    places, day = result.decimals, period(result)
    return (
        f"Penalties are separate from credits: a credit gives rent back, a penalty is paid on top "
        f"of it, out of a bond. The operator's own money goes first, that of people who staked "
        f"behind it, for a part of the rent, only then. Tenants have claimed "
        f"{money(result.paid_by_bonds, places)}; {money(result.reserved_by_bonds, places)} stays "
        f"reserved for those who have not. After a {day} in penalty a capacity takes no new "
        f"leases until a better {day} is settled."
    )


def _rent_title(result: DemoResult) -> str:
    places = result.decimals
    if not result.credit:
        return f"Machines earned {money(result.net, places)}; no {period(result)} needed a credit"
    bad = 0
    for incident in result.incidents:
        rows = result.capacity(incident.capacity).epochs
        bad += sum(r.credit for r in rows if incident.first_epoch <= r.epoch <= incident.last_epoch)
    credits = f"{money(result.credit, places)} of {money(result.rent, places)} rent went back"
    if not bad:
        return credits
    return f"{credits}, {100 * bad // result.credit} % of it in one bad week"


def _loan_title(result: DemoResult) -> str:
    places = result.decimals
    repaid = sum(loan.repaid_by_rent for loan in result.loans)
    borrowed = sum(loan.borrowed for loan in result.loans)
    if any(loan.outstanding for loan in result.loans):
        lent = money(borrowed, places)
        return f"Rent alone has repaid {money(repaid, places)} of loans worth {lent}"
    interest = sum(loan.interest for loan in result.loans)
    lent = f"{money(borrowed, places)} and {money(interest, places)} interest"
    return f"Rent repaid all that was lent: {lent}"


def _tiles(result: DemoResult) -> str:
    places = result.decimals
    error = result.conservation_error
    tiles = [
        (money(result.tenants_paid, places, 0), "paid by tenants"),
        (money(result.net, places, 0), "earned by running machines"),
        (money(result.credit, places, 0), "back to tenants for downtime"),
    ]
    if result.loans:
        repaid = sum(loan.repaid_by_rent for loan in result.loans)
        tiles.append((money(repaid, places, 0), "of loans repaid by rent"))
    tiles.append(
        (
            f"{energy(result.energy_wh, 0 if result.energy_wh >= 10**8 else 1)} MWh",
            "of electricity used",
        )
    )
    tiles.append((f"{error:,}", f"base units unaccounted for (1 = $0.{1:0{places}d})"))
    return "".join(
        f'<div class="tile"><strong>{_escape(value)}</strong><span>{_escape(name)}</span></div>'
        for value, name in tiles
    )


def _html_table(
    name: str, columns: Sequence[str], rows: Sequence[Sequence[str]], summed: bool
) -> str:
    head = "".join(f'<th scope="col">{_escape(column)}</th>' for column in columns)
    lines = []
    for index, row in enumerate(rows):
        last = ' class="sum"' if summed and index == len(rows) - 1 else ""
        cells = "".join(f"<td>{_escape(cell)}</td>" for cell in row[1:])
        lines.append(f'<tr{last}><th scope="row">{_escape(row[0])}</th>{cells}</tr>')
    return (
        f'<div class="scroll"><table id="{name}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _tables(result: DemoResult) -> str:
    columns = [column.replace("epoch", period(result)) for column in CAPACITY_COLUMNS]
    parts = [
        '<section><p class="kicker">In numbers</p><h2>Every capacity</h2>',
        _html_table("capacities", columns, capacity_rows(result), summed=True),
        '<p class="note">Use is the leased part of what was on offer. Paid out is what left the '
        "capacity's revenue splitter: the operator's costs, fees, dividends and repayments of "
        "loans.</p>",
    ]
    if result.loans:
        summed = len(result.loans) > 1
        parts.append("<h2>Every loan</h2>")
        parts.append(_html_table("loans", LOAN_COLUMNS, loan_rows(result), summed))
    if result.bonds:
        parts.append("<h2>Every bond</h2>")
        parts.append(_html_table("bonds", BOND_COLUMNS, bond_rows(result), summed=True))
        parts.append(
            f'<p class="note">Penalties are {period(result)}s in penalty. What was deposited and '
            "staked, with the rewards that stakers earned, was paid to tenants, is reserved for "
            "them, was taken out, or is left.</p>"
        )
    return "".join(parts) + "</section>"


def _conservation(result: DemoResult) -> str:
    holds = "Every base unit is accounted for" if result.conserved else "The books do not balance"
    ledger = result.ledger
    sums = [
        (total(ledger.money_in), "came in"),
        (total(ledger.money_out), "went out"),
        (total(ledger.held), "is still held"),
        (result.conservation_error, "is missing"),
    ]
    signs = ("", MINUS, MINUS, "=")
    terms = "".join(
        f'<span class="sign">{sign}</span><span class="term">'
        f"<strong>{_escape(exact(amount, result.decimals))}</strong><span>{name}</span></span>"
        for sign, (amount, name) in zip(signs, sums, strict=True)
    )
    columns = "".join(
        _ledger_column(title, amounts, result.decimals)
        for title, amounts in (
            ("in", ledger.money_in),
            ("out", ledger.money_out),
            ("held by the contracts", ledger.held),
        )
    )
    equations = "".join(_equation(check, result.decimals) for check in result.checks()[1:])
    state = "good" if result.conserved else "wrong"
    return (
        f'<section id="conservation" class="{state}"><p class="kicker">Conservation</p>'
        f'<h2>{holds}</h2><p class="equation">{terms}</p><div class="ledger">{columns}</div>'
        f'<p class="note">The same holds on the way from tenant to loan:</p>'
        f'<ul class="checks">{equations}</ul></section>'
    )


def _ledger_column(title: str, amounts: Sequence[Amount], decimals: int) -> str:
    rows = "".join(
        f"<tr><td>{_escape(line.name)}</td><td>{_escape(exact(line.amount, decimals))}</td></tr>"
        for line in amounts
    )
    last = f'<tr class="sum"><td>sum</td><td>{_escape(exact(total(amounts), decimals))}</td></tr>'
    return f'<table><thead><tr><th colspan="2">{title}</th></tr></thead>{rows}{last}</table>'


def _equation(check: Check, decimals: int) -> str:
    def side(amounts: Sequence[Amount]) -> str:
        shown = [line for line in amounts if line.amount] or list(amounts[:1])
        return " + ".join(
            f"{_escape(line.name)} <b>{_escape(exact(line.amount, decimals))}</b>" for line in shown
        )

    verdict = "holds" if check.error == 0 else f"off by {check.error:,} base units"
    return (
        f"<li><em>{_escape(check.name)}</em>: {side(check.left)} = {side(check.right)} "
        f'<span class="verdict">{_escape(verdict)}</span></li>'
    )


def _words(result: DemoResult) -> str:
    day = period(result)
    terms = (
        ("Capacity", "a cluster of like machines in one place, offered unit by unit"),
        ("Unit", "the smallest thing one can lease, say a node of eight accelerators"),
        (
            "Credit",
            f"the part of a {day}'s rent that goes back when machines ran less than promised",
        ),
        (
            "Penalty",
            f"what each leased unit is paid, besides the credit, after a {day} that was much worse",
        ),
        ("Bond", "money an operator, and stakers behind him, put up for penalties"),
        ("Shares", "a token per capacity; whoever holds it gets its part of the net rent"),
        ("Legs", "fixed parts of the rent paid before shares: the operator's costs, the protocol"),
        ("Base unit", f"the smallest amount of {result.currency}: $0.{1:0{result.decimals}d}"),
    )
    entries = "".join(f"<dt>{_escape(w)}</dt><dd>{_escape(d)}</dd>" for w, d in terms)
    return f'<section><p class="kicker">The words</p><dl>{entries}</dl></section>'


def _foot(result: DemoResult) -> str:
    facts = " · ".join(f"{_escape(name)}: {_escape(text)}" for name, text in result.facts)
    sources = "".join(f"<li>{_escape(source)}</li>" for source in result.sources)
    listed = f"<p>Prices, powers and failure rates from:</p><ul>{sources}</ul>" if sources else ""
    return f"{listed}<p>{facts}</p>"


_STYLE = """
:root{color-scheme:light dark;--font:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",
"DejaVu Sans",sans-serif;--paper:#fbfaf7;--card:#fff;--ink:#1c2430;--muted:#5b6675;--grid:#e3e1da;
--rent:#2b6cb0;--credit:#dd7a1f;--shares:#1f8a70;--waiting:#98a2b0;--operator:#7a5ea8;--bad:#b8321f;
--occupancy-0:#efede6;--occupancy-1:#dbe6f1;--occupancy-2:#c8dbec;--occupancy-3:#b3cfe7;
--occupancy-4:#9cc1e0;--occupancy-5:#83b1d8;--occupancy-6:#689fce;--occupancy-7:#4f8cc2;
--occupancy-8:#3878b4;--occupancy-9:#2563a2;--occupancy-10:#174e8a;
--uptime-0:#cfe3dc;--uptime-1:#f0dfb0;--uptime-2:#eec07a;--uptime-3:#c4691b;--uptime-4:#a8441a;
--uptime-5:#7a1b10}
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--card:#1a2029;--ink:#eceff3;
--muted:#a3aebc;--grid:#2e3743;--rent:#5b9fe6;--credit:#f0a04b;--shares:#3fbf9c;--waiting:#8390a0;
--operator:#a98fdb;--bad:#ff8a70;--occupancy-0:#222a34;--occupancy-1:#21344a;--occupancy-2:#224059;
--occupancy-3:#244c6b;--occupancy-4:#27597e;--occupancy-5:#2c6892;--occupancy-6:#3479a9;
--occupancy-7:#418bbf;--occupancy-8:#57a0d4;--occupancy-9:#78b8e6;--occupancy-10:#a5d4f6;
--uptime-0:#234239;--uptime-1:#6b5a24;--uptime-2:#9a7128;--uptime-3:#e0923f;--uptime-4:#f2774a;
--uptime-5:#ff9b86}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 var(--font)}
main{max-width:1080px;margin:0 auto;padding:48px 24px 80px}
.brand{margin:0 0 20px;font-weight:700;letter-spacing:.02em}
.brand span{color:var(--muted);font-weight:400}
h1{font-size:clamp(28px,4.6vw,46px);line-height:1.14;letter-spacing:-.02em;margin:0 0 18px;
max-width:22em;text-wrap:balance}
.lede{font-size:18px;color:var(--muted);max-width:46em;margin:0 0 32px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px}
.tile{background:var(--card);border:1px solid var(--grid);border-radius:12px;padding:16px}
.tile strong{display:block;font-size:22px;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.tile span{color:var(--muted);font-size:14px;line-height:1.35;display:block;margin-top:4px}
section{margin-top:56px}
.kicker{margin:0;color:var(--muted);font-size:14px}
h2{font-size:clamp(20px,2.6vw,26px);line-height:1.25;letter-spacing:-.01em;margin:2px 0 16px;
text-wrap:balance}
figure{margin:0;background:var(--card);border:1px solid var(--grid);border-radius:14px;
padding:20px 18px 16px}
.picture{overflow-x:auto}
.picture svg{display:block;width:100%;min-width:760px;height:auto}
figcaption{color:var(--muted);font-size:14.5px;margin:12px 4px 0;max-width:60em}
.scroll{overflow-x:auto;background:var(--card);border:1px solid var(--grid);border-radius:14px;
margin-bottom:12px}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:9px 10px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child{text-align:left;white-space:normal}
tbody th{font-weight:500;min-width:11em;line-height:1.35}
section h2:not(:first-of-type){margin-top:36px}
thead th{color:var(--muted);font-weight:500;font-size:13.5px}
tr:last-child>*{border-bottom:0}
.sum>*{font-weight:700}
.equation{display:flex;flex-wrap:wrap;gap:8px 18px;align-items:center;background:var(--card);
border:1px solid var(--grid);border-left:5px solid var(--shares);border-radius:14px;
padding:18px 20px;margin:0 0 18px}
.wrong .equation{border-left-color:var(--bad)}.wrong h2{color:var(--bad)}
.term strong{display:block;font-size:20px;font-variant-numeric:tabular-nums}
.term>span{color:var(--muted);font-size:14px}.sign{font-size:24px;color:var(--muted)}
.ledger{display:grid;grid-template-columns:repeat(auto-fit,minmax(290px,1fr));gap:12px;
align-items:start}
.ledger table{background:var(--card);border:1px solid var(--grid);border-radius:14px;
border-collapse:separate;border-spacing:0;font-size:13.5px}
.ledger th{text-align:left}
.ledger td,.ledger th{padding:7px 12px}
.note{color:var(--muted);font-size:14.5px;margin:14px 4px 6px}
.checks{margin:0;padding-left:20px;font-size:14.5px;color:var(--muted)}
.checks b,.checks em{color:var(--ink);font-style:normal;font-weight:500}
.checks b{font-variant-numeric:tabular-nums;white-space:nowrap}
.checks li{margin:6px 0}
.verdict{color:var(--shares);font-weight:600}.wrong .verdict{color:var(--bad)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:6px 20px;margin:10px 0 0}
dt{font-weight:600}dd{margin:0;color:var(--muted)}
footer{margin-top:64px;padding-top:20px;border-top:1px solid var(--grid);color:var(--muted);
font-size:13.5px}
footer ul{padding-left:20px}
@media (max-width:640px){main{padding:28px 16px 56px}dl{grid-template-columns:1fr;gap:0}
dd{margin-bottom:8px}}
@media print{body{background:#fff}section{break-inside:avoid}}
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Derrick: {{title}}</title>
<style>{{style}}</style>
</head>
<body>
<main>
<header>
<p class="brand">Derrick <span>a capital market for AI compute, one run on a local chain</span></p>
<h1>{{title}}</h1>
<p class="lede">{{lede}}</p>
<div class="tiles">{{tiles}}</div>
</header>
{{body}}
<footer>{{foot}}</footer>
</main>
</body>
</html>
"""
