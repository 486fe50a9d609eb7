"""Deploy a market: `ape run deploy --network … --account … --stablecoin 0x…`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand, account_option
from ape.exceptions import ApeException

from derrick.deployment import Plan, Record, deploy
from derrick.local import quiet
from derrick.market import MarketError


@click.command(cls=ConnectedProviderCommand, short_help="Deploy a market on any network")
@account_option(prompt=False)
@click.option("--stablecoin", required=True, help="Address of the token that rent is paid in.")
@click.option("--owner", help="Who keeps the lists: a Safe behind a timelock.  [default: account]")
@click.option("--treasury", help="Who gets the protocol's part of rents.  [default: owner]")
@click.option(
    "--out",
    type=click.Path(file_okay=False, writable=True, path_type=Path),
    default=Path("out/deployments"),
    show_default=True,
    help="Folder for the record, <ecosystem>-<network>.json; a second run resumes from it.",
)
def cli(account: Any, stablecoin: str, owner: str | None, treasury: str | None, out: Path) -> None:
    """Deploy every contract of a market, or those that an interrupted run has left out."""
    if account is None:
        raise click.UsageError("no account to deploy from; add --account (see `ape accounts list`)")
    try:
        plan = Plan.of(account, stablecoin, owner, treasury)
        record = Record(out / plan.file_name, plan)
        with quiet():
            _, left = deploy(account, plan, record, tell=click.echo)
    except (ApeException, MarketError, OSError) as error:
        raise click.ClickException(" ".join(str(error).split())) from error
    click.echo(f"The market stands; addresses in {record.path}")
    for call in left:
        click.echo(f"The owner, {plan.owner}, still has to call {call}")
