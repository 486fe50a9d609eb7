"""`ape run cards`: leases in each of their states, and a deed, as they draw themselves."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import click

from derrick.cards import Card, sheet

ROOT = Path(__file__).parent.parent
OUT = ROOT / "out" / "cards"
PICTURE = ROOT / "docs" / "leases.png"


@click.command()
@click.option(
    "--png", is_flag=True, help="Put the leases into docs/leases.png too; needs rsvg-convert."
)
def cli(png: bool) -> None:
    """Draw leases in each of their states, and a deed, into out/cards."""
    from derrick.local import local_chain  # noqa: PLC0415 - slow, and only a run needs it

    if png and shutil.which("rsvg-convert") is None:
        raise click.ClickException("no rsvg-convert on the PATH (Debian: librsvg2-bin)")
    with local_chain():
        leases, deed = _draw()
    OUT.mkdir(parents=True, exist_ok=True)
    for name, card in [*leases.items(), ("deed", deed)]:
        (OUT / f"{name}.svg").write_text(card.svg, encoding="utf-8")
    everything = OUT / "leases.svg"
    everything.write_text(sheet(list(leases.values())), encoding="utf-8")
    click.echo(f"Wrote {len(leases)} leases, a deed and leases.svg into {OUT.relative_to(ROOT)}.")
    if png:
        subprocess.run(["rsvg-convert", str(everything), "-o", str(PICTURE)], check=True)
        click.echo(f"Wrote {PICTURE.relative_to(ROOT)}.")


def _draw() -> tuple[dict[str, Card], Card]:
    """One lease per state, all at noon of the same day, and their capacity's deed."""
    from derrick.data import BPS  # noqa: PLC0415
    from derrick.market import HOUR, Term, local_market  # noqa: PLC0415

    market = local_market()
    h100 = market.register("h100-n-virginia")
    rolling, spot = (
        int(market.capacity.addTerm(h100.id, term, sender=market.operator).return_value)
        for term in (Term(1, 365, BPS, 2, 3), Term(1, 365, 6_000, preemptible=True))
    )

    def sign(start: int, end: int, units: int = 1, term: int = 0) -> int:
        return _sign(market, (h100.id, term, units, start, end))

    leases = {
        "forward": sign(14, 44, 2),
        "running": sign(2, 22, 2, rolling),
        "payment-due": sign(9, 23, 1, rolling),
        "lapsed": sign(3, 19, 1, rolling),
        "ended": sign(0, 7),
        "spot": sign(5, 17, 2, spot),
    }
    funds = market.lease.leaseOf(leases["running"]).rent * 2 * 9
    market.usdc.mint(market.tenant, funds)
    market.stablecoin.approve(market.lease, funds, sender=market.tenant)
    market.lease.topUp(leases["running"], 9, sender=market.tenant)
    user, until = market.lender, h100.ends_at(14)
    market.lease.setUser(leases["spot"], user, until, sender=market.tenant)
    for uptime in (BPS, BPS, 9_850, BPS, BPS, 9_300, BPS, BPS, 9_960, BPS):
        market.settle_day(h100, uptime)
    market.lane.mine(at=h100.ends_at(9) + 12 * HOUR)
    cards = {name: Card.of(market.lease.tokenURI(lease)) for name, lease in leases.items()}
    return cards, Card.of(market.capacity.tokenURI(h100.id))


def _sign(market: Any, conditions: tuple[int, int, int, int, int]) -> int:
    """Sign a lease for (capacity, term, units, start, end); the tenant's USDC is minted."""
    from derrick.market import MAX_UINT256, LeaseRequest  # noqa: PLC0415

    capacity, *rest = conditions
    request = LeaseRequest(capacity, market.tenant.address, *rest, MAX_UINT256)
    paid = market.lease.quote(request).paid
    market.usdc.mint(market.tenant, paid)
    market.stablecoin.approve(market.lease, paid, sender=market.tenant)
    receipt = market.lease.lease(request, sender=market.tenant)
    return int(market.lease.Leased.from_receipt(receipt)[0].lease)
