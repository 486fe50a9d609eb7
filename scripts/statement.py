"""`ape run statement --holder 0x…`: what somebody's shares earned and paid."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand
from ape.exceptions import ApeException
from rich.console import Console
from rich.table import Table

from derrick.local import quiet

DATE = click.DateTime(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@click.command(cls=ConnectedProviderCommand, short_help="What somebody's shares earned and paid")
@click.option("--holder", help="Address whose shares these are.  [default: the sample's investor]")
@click.option(
    "--record",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Record of the deployed market, as `ape run deploy` writes it; without one a sample"
    " market is played on the embedded node.",
)
@click.option("--first-block", default=0, help="Where the market begins; nothing before is read.")
@click.option("--from", "start", type=DATE, help="First moment, UTC.  [default: the beginning]")
@click.option("--to", "end", type=DATE, help="First moment that is not in it, UTC.  [default: now]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    default=Path("out/statement"),
    show_default=True,
    help="Folder for statement.csv and statement.png.",
)
def cli(
    holder: str | None,
    record: Path | None,
    first_block: int,
    start: datetime | None,
    end: datetime | None,
    out: Path,
) -> None:
    """Print what a holder's shares earned and paid over a period, and write it as CSV and PNG.

    It is counted from the contracts' events alone and must agree with their state, to the base
    unit.
    """
    from eth_utils.address import is_address  # noqa: PLC0415 - slow, and only a run needs it

    from derrick.chain import NodeError  # noqa: PLC0415
    from derrick.market import MarketError  # noqa: PLC0415
    from derrick.statement import StatementError, read_statement  # noqa: PLC0415
    from derrick.statement_picture import draw  # noqa: PLC0415

    if holder is not None and not is_address(holder):
        raise click.BadParameter(f"{holder!r} is no address", param_hint="--holder")
    if record is not None and holder is None:
        raise click.UsageError("whose statement? name the --holder")
    try:
        with quiet():
            reader, factory, lease, found = _market(record, first_block)
            begin = _unix(start, reader.time(reader.first_block))
            until = _unix(end, reader.time(reader.newest()) + 1)
            statement = read_statement(reader, holder or found, factory, lease, begin, until)
            out.mkdir(parents=True, exist_ok=True)
            (out / "statement.csv").write_text(statement.csv(), encoding="utf-8")
            draw(statement, out / "statement.png")
    except (ApeException, MarketError, NodeError, StatementError, OSError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    _print(statement)
    click.echo(
        f"Wrote statement.csv ({len(statement.entries)} entries) and statement.png to {out}."
    )


def _market(record: Path | None, first_block: int) -> tuple[Any, str, str, str]:
    """How to read the market, its factory and lease engine, and an account with shares."""
    import ape  # noqa: PLC0415

    from derrick.chain import NodeError, project_book  # noqa: PLC0415
    from derrick.market import local_market  # noqa: PLC0415
    from derrick.reader import Reader  # noqa: PLC0415
    from derrick.sample import play  # noqa: PLC0415

    def request(method: str, *params: Any) -> Any:
        try:
            return ape.chain.provider.make_request(method, list(params))
        except Exception as error:
            raise NodeError(f"{method}: {error}") from error

    reader = Reader(request, project_book(), first_block)
    if record is not None:
        contracts = json.loads(record.read_text(encoding="utf-8"))["contracts"]
        return reader, contracts["factory"]["address"], contracts["lease"]["address"], ""
    market = local_market()
    investor = play(market)
    return reader, market.factory.address, market.lease.address, investor.address


def _unix(moment: datetime | None, otherwise: int) -> int:
    if moment is None:
        return otherwise
    return int(moment.replace(tzinfo=timezone.utc).timestamp())


def _print(statement: Any) -> None:
    """A row for each splitter and token, and a sum for each token with several."""
    from derrick.statement import iso  # noqa: PLC0415
    from derrick.units import format_amount  # noqa: PLC0415

    table = Table(title=f"{statement.holder}\n{iso(statement.start)} to {iso(statement.end)} UTC")
    for name in ("capacity", "shares", "token", "before", "earned", "claimed", "to claim"):
        table.add_column(name, justify="left" if name == "token" else "right")
    for line in statement.lines:
        before, after = (
            format_amount(shares, 18) for shares in (line.shares_before, line.shares_after)
        )
        shares = after if before == after else f"{before} → {after}"
        table.add_row(str(line.capacity), shares, line.coin.symbol, *_amounts(line))
    for coin in statement.coins():
        if sum(line.coin == coin for line in statement.lines) > 1:
            table.add_section()
            table.add_row("all", "", coin.symbol, *_amounts(statement.sum_of(coin)))
    console = Console()
    # A terminal that is too narrow breaks lines; no digit is ever left out.
    needed = console.measure(table, options=console.options.update(max_width=1_000)).maximum
    console = Console(width=max(console.width, needed))
    console.print(table)
    blocks = " and ".join(f"block {number}" for number in statement.checked)
    console.print(
        f"By events alone; agrees with the contracts' state at {blocks}, to the base unit."
        if blocks
        else "By events alone; the node has no state to check it against."
    )


def _amounts(line: Any) -> list[str]:
    amounts = (line.opening, line.earned, line.claimed, line.closing)
    return [line.coin.words(amount) for amount in amounts]
