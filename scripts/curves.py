"""`ape run curves`: the pictures of docs/pricing.md, from what the contracts ask."""

from __future__ import annotations

from pathlib import Path

import click

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs" / "pricing"


@click.command(short_help="Draw docs/pricing/*.svg from what the contracts ask")
def cli() -> None:
    """Ask the contracts on the embedded node for their prices, and draw docs/pricing/*.svg."""
    from derrick.curves import draw, read_charts  # noqa: PLC0415 - slow, and only a run needs it
    from derrick.local import local_chain  # noqa: PLC0415
    from derrick.market import local_market  # noqa: PLC0415

    with local_chain():
        charts = read_charts(local_market())
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, chart in charts.items():
        path = FOLDER / f"{name}.svg"
        path.write_text(draw(chart), encoding="utf-8")
        click.echo(f"Wrote {path.relative_to(ROOT)}.")
