"""A month of a market on a chain of its own, with a report: `ape run demo`."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import ape
import click
from ape.exceptions import ApeException
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from derrick import report
from derrick.abi import Revert
from derrick.audit import AuditError
from derrick.chain import NodeError
from derrick.demo import MAX_DAYS, MIN_DAYS, DemoError, DemoOptions, run_demo
from derrick.fiat import MissingArtifactsError
from derrick.local import local_chain, quiet
from derrick.market import MarketError
from derrick.result import DemoResult, total

FAILURES = (
    *(ApeException, AuditError, DemoError, MarketError, MissingArtifactsError, NodeError, OSError),
    Revert,
)
"""What ends a run with one line instead of a traceback."""


TABLES = (
    report.capacity_table,
    report.loan_table,
    report.bond_table,
    report.conservation_table,
)


@click.command(short_help="A month of a market on a local chain, with a report in out/demo")
@click.option(
    "--days",
    type=click.IntRange(MIN_DAYS, MAX_DAYS),
    default=30,
    show_default=True,
    help="How many days to run.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    help="Who leases what, and which machines fail: the same seed gives the same run.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    default=Path("out/demo"),
    show_default=True,
    help="Folder for report.html, summary.json and the attestors' reports.",
)
def cli(days: int, seed: int, out: Path) -> None:
    """Run a market for some days on a local chain, and write what became of every dollar."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=150)
    started = time.monotonic()
    try:
        (out / "reports").mkdir(parents=True, exist_ok=True)
        result = _run(DemoOptions(days, seed), out, console)
        seconds = time.monotonic() - started
        facts = (*result.facts, ("run time", f"{seconds:.0f} s"))
        result = dataclasses.replace(result, facts=facts)
        page, data = report.write_report(result, out)
    except FAILURES as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    for table in TABLES:
        console.print(table(result))
    console.print(f"Report:  {page}\nSummary: {data}\n", highlight=False)
    _conclude(result, console)


def _run(options: DemoOptions, out: Path, console: Console) -> DemoResult:
    def publish(name: str, reports: dict[str, Any]) -> None:
        (out / name).write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")

    columns = (
        TextColumn("{task.fields[doing]}"),
        BarColumn(),
        TextColumn("day {task.completed} of {task.total}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        first = "compiling the contracts (a minute, the first time)"
        task = bar.add_task("", total=options.days, doing=first)
        shown = ""

        def progress(day: int, doing: str) -> None:
            nonlocal shown
            bar.update(task, completed=day, doing=doing)
            if not console.is_terminal and (doing != shown or day % 10 == 0):
                console.print(f"{doing}: day {day} of {options.days}", highlight=False)
            shown = doing

        progress(0, first)
        with quiet():
            ape.project.load_contracts()
        progress(0, "starting the local node")
        with local_chain():
            return run_demo(options, progress, publish)


def _conclude(result: DemoResult, console: Console) -> None:
    """The last line: that all is accounted for, or what is not, and then a failing exit."""
    if not result.conserved:
        wrong = {check.name: check.error for check in result.checks() if check.error}
        raise click.ClickException(f"the books do not balance, base units off: {wrong}")
    ledger, places = result.ledger, result.decimals
    came, went, held = (
        report.exact(total(side), places)
        for side in (ledger.money_in, ledger.money_out, ledger.held)
    )
    console.print(
        f"Every base unit is accounted for: {came} came in, {went} went out,"
        f" {held} is held by the contracts, and nothing is missing.",
        highlight=False,
        soft_wrap=True,
    )
