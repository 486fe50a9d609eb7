"""`ape run gas`: what each operation costs, into docs/gas.md and out/gas.json, or compared."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress

from derrick import gas

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "gas.md"
JSON = ROOT / "out" / "gas.json"


@click.command()
@click.option("--check", is_flag=True, help="Fail if a figure grew by over 1 % since docs/gas.md.")
def cli(check: bool) -> None:
    """Measure the gas of every operation on the embedded node."""
    plain, fiat = _measure()
    if not check:
        gas.write(DOCUMENT, JSON, plain, fiat)
        click.echo(f"Wrote {DOCUMENT.relative_to(ROOT)} and {JSON.relative_to(ROOT)}.")
        return
    gas.write_json(JSON, plain, fiat)
    try:
        gas.check(DOCUMENT.read_text(encoding="utf-8"), plain, fiat)
    except gas.GasGrew as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Gas: {len(plain)} operations, none grew by over 1 %.")


def _measure() -> tuple[dict[str, int], dict[str, int]]:
    import ape  # noqa: PLC0415 - slow, and only a run needs it

    from derrick.fiat import FiatToken  # noqa: PLC0415
    from derrick.gas_scenarios import Coin, measure  # noqa: PLC0415
    from derrick.local import local_chain, plain_node  # noqa: PLC0415

    with plain_node(), local_chain() as lane, Progress(transient=True) as bar:
        task = bar.add_task("gas", total=2 * len(gas.OPERATIONS))

        def progress(key: str) -> None:
            bar.update(task, advance=1, description=key)

        owner = ape.accounts.test_accounts[0]
        plain = owner.deploy(ape.project.MockERC20, "Plain Dollar", "PUSD", 6)

        def mint(to: object, amount: int) -> None:
            plain.mint(to, amount, sender=owner)

        with_plain = measure(lane, Coin(plain, mint), progress)
        usdc = FiatToken.deploy(owner)
        with_fiat = measure(lane, Coin(usdc.token, usdc.mint), progress)
    return with_plain, with_fiat
