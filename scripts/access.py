"""`ape run access`: somebody is let into a leased machine, and nobody else is."""

from __future__ import annotations

from typing import Any

import click

from derrick.access import AccessDenied, Challenge, Gate

AUDIENCE = "https://cluster.example"


@click.command(short_help="Who is let into a leased machine, and who is not")
def cli() -> None:
    """Show on the embedded node how an operator's agent lets in who may use a lease."""
    from derrick.local import local_chain  # noqa: PLC0415 - slow, and only a run needs it

    with local_chain():
        _run()


def _run() -> None:
    from derrick.market import DAY, local_market  # noqa: PLC0415

    market = local_market()
    holder, user, stranger = market.tenant, market.lender, market.owner
    h100 = market.register("h100-n-virginia")
    lease = market.sign_lease(h100, units=2, days=7)
    click.echo(f"Holder {holder} leased 2 units of capacity {h100.id} for 7 days: lease {lease}.")
    # The agent needs a node and the engine's address; here its clock is the local chain's.
    gate = Gate(
        market.lane.node, market.lease.address, AUDIENCE, clock=lambda: float(market.lane.time)
    )

    _answer(gate, lease, holder, "the holder, before the lease begins")
    market.lane.mine(at=h100.origin)
    _answer(gate, lease, holder, "the holder, in its first second")

    until = market.lane.time + 2 * DAY
    market.lease.setUser(lease, user, until, sender=holder)
    click.echo(f"Holder gives the use to {user} for 2 days.")
    challenge, signature = _answer(gate, lease, user, "the user")
    _verify(gate, challenge, signature, "the same answer again")
    _answer(gate, lease, holder, "the holder, who gave the use away")
    _answer(gate, lease, user, "a stranger in the user's name", signer=stranger)
    market.lease.transferFrom(holder, stranger, lease, sender=holder)
    click.echo(f"Holder sells the lease to {stranger}.")
    _answer(gate, lease, user, "the user, whose right survives the sale")
    late = gate.issue_challenge(lease, user.address, ttl=60)
    market.lane.mine(at=late.expires_at + 60)
    _verify(gate, late, _sign(user, late), "the user, a minute late")
    market.lane.mine(at=until + 1)
    _answer(gate, lease, user, "the user, after his 2 days")
    _answer(gate, lease, stranger, "the buyer")
    market.lane.mine(at=h100.ends_at(6))
    _answer(gate, lease, stranger, "the buyer, after the lease")


def _answer(
    gate: Gate, lease: int, user: Any, who: str, signer: Any = None
) -> tuple[Challenge, bytes]:
    """A fresh challenge, and an answer that is verified."""
    challenge = gate.issue_challenge(lease, user.address)
    signature = _sign(signer or user, challenge)
    _verify(gate, challenge, signature, who)
    return challenge, signature


def _sign(account: Any, challenge: Challenge) -> bytes:
    return bytes(account.sign_message(challenge.message()).encode_rsv())


def _verify(gate: Gate, challenge: Challenge, signature: bytes, who: str) -> None:
    try:
        access = gate.verify(challenge, signature)
    except AccessDenied as error:
        click.echo(f"  no   {who}: {error}")
    else:
        click.echo(f"  yes  {who}: let in for lease {access.lease} at block {access.block}")
