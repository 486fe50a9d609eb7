"""From a table of readings to a root that the oracle takes: `ape run telemetry --help`.

Works offline, and as `python scripts/telemetry.py` without ape's start-up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from eth_account import Account

from derrick import telemetry_files as files
from derrick.telemetry import ReportTree, TelemetryError, attest

EXISTING = click.Path(exists=True, dir_okay=False, path_type=Path)
WRITABLE = click.Path(dir_okay=False, writable=True, path_type=Path)
OTHERS_MAY = 0o077
"""Bits of a file's mode by which others than its owner may use it."""


@contextmanager
def _plain_errors(name: object = None) -> Iterator[None]:
    """One line per fault instead of a traceback."""
    try:
        yield
    except (TelemetryError, OSError) as error:
        faults = getattr(error, "faults", (str(error),))
        text = "\n".join(f"{name}: {fault}" if name else fault for fault in faults)
        raise click.ClickException(text) from error


def _address(_context: Any, _option: Any, value: Any) -> Any:
    try:
        if value is None or isinstance(value, str):
            return value and files.checked_address(value)
        return tuple(files.checked_address(each) for each in value)
    except TelemetryError as error:
        raise click.BadParameter(str(error)) from error


def _out(what: str) -> Callable[[Any], Any]:
    return click.option("--out", type=WRITABLE, help=f"Where to write {what}.  [default: shown]")


@click.group(short_help="From a table of readings to a root that the oracle takes")
def cli() -> None:
    """Turn readings into a tree, sign its root, and merge what several attestors signed.

    \b
      tree    readings.csv            -> leaves.json, to be published
      sign    leaves.json, a key      -> attestation.json
      merge   attestation.json ...    -> the call of postRoot, for whoever brings it
    """


@cli.command(short_help="A CSV of readings becomes a tree: root, counts, leaves and proofs")
@click.argument("readings", type=EXISTING)
@click.option(
    "--penalty-below",
    multiple=True,
    metavar="BPS|CAPACITY=BPS",
    help="Uptime below which a capacity is in penalty; of all, or of one.  [default: none is]",
)
@_out("the tree")
def tree(readings: Path, penalty_below: tuple[str, ...], out: Path | None) -> None:
    """Read lines of capacity,epoch,uptime_bps,load_bps,energy_wh,curtailed, and build the tree.

    The file has the root, how many capacities there are and how many of them in penalty, all
    reports in order of epoch and capacity, and each one's proof. Publish it before you sign.
    """
    with _plain_errors():
        rule = files.PenaltyRule.of(penalty_below)
    with _plain_errors(readings):
        made = ReportTree.of(files.read_readings(_text(readings)))
        document = files.leaves_document(made, rule)
    _write(document, out)
    counts = f"{document['capacities']} capacities, {document['penalized']} in penalty"
    click.echo(f"root {document['root']}: {len(made.reports)} reports, {counts}", err=True)


@cli.command(short_help="Sign the root of a tree, with an ape account or a key")
@click.argument("leaves", type=EXISTING)
@click.option("--chain-id", type=click.IntRange(min=1), required=True, help="The oracle's chain.")
@click.option("--oracle", required=True, callback=_address, help="Address of the TelemetryOracle.")
@click.option("--set", "set_id", type=click.IntRange(min=1), required=True, help="The set's id.")
@click.option("--window", type=click.IntRange(min=0), required=True, help="Which window.")
@click.option("--uri", required=True, help="Where the leaves are published, content-addressed.")
@click.option(
    "--attempt",
    type=click.IntRange(0, 1),
    default=0,
    show_default=True,
    help="1 once a root of this window was vetoed.",
)
@click.option("--readings", type=EXISTING, help="Your own readings: sign only if they agree.")
@click.option("--account", "accounts", multiple=True, help="Alias of an ape account. May repeat.")
@click.option("--keyfile", "keyfiles", type=EXISTING, multiple=True, help="File with a hex key.")
@click.option("--key-env", "variables", multiple=True, help="Environment variable with a hex key.")
@_out("the attestation")
def sign(
    leaves: Path,
    chain_id: int,
    oracle: str,
    set_id: int,
    window: int,
    uri: str,
    attempt: int,
    readings: Path | None,
    accounts: Sequence[str],
    keyfiles: Sequence[Path],
    variables: Sequence[str],
    out: Path | None,
) -> None:
    """Sign what a tree of reports says of a window, by one key or several.

    The root is built from the reports again, and counted again; nothing that the file says of them
    is believed. A file with a key must be its owner's alone (chmod 600).
    """
    with _plain_errors(leaves):
        made, rule = files.load_leaves(files.from_json(_text(leaves)))
        statement = made.statement(
            chain_id, oracle, set_id, window, uri, rule.thresholds(made), attempt
        )
        statement.check()
    if readings is not None:
        with _plain_errors(readings):
            files.require_same_reports(made, ReportTree.of(files.read_readings(_text(readings))))
    signers = [
        *(_account_of(alias) for alias in accounts),
        *(_key_of(_text(path), path) for path in map(_private, keyfiles)),
        *(_key_of(os.environ.get(name, ""), name) for name in variables),
    ]
    if not signers:
        raise click.UsageError("nobody to sign: add --account, --keyfile or --key-env")
    with _plain_errors():
        attestations = attest(statement, signers)
    _write(files.attestation_document(statement, attestations), out)
    names = ", ".join(attestation.signer for attestation in attestations)
    click.echo(f"signed by {names}: digest 0x{statement.digest().hex()}", err=True)


@cli.command(short_help="Several attestors' signatures become one call of postRoot")
@click.argument("attestations", type=EXISTING, nargs=-1, required=True)
@click.option(
    "--member", "members", multiple=True, callback=_address, help="Who may sign. May repeat."
)
@click.option("--threshold", type=click.IntRange(min=1), help="Signatures that the set needs.")
@click.option(
    "--contract",
    "contracts",
    multiple=True,
    callback=_address,
    help="A member that is a contract: only the chain can check what it signed. May repeat.",
)
@_out("the call")
def merge(
    attestations: Sequence[Path],
    members: Sequence[str],
    threshold: int | None,
    contracts: Sequence[str],
    out: Path | None,
) -> None:
    """Merge attestations of one statement, sorted as the oracle takes them, and check them.

    With --member and --threshold it is checked too that they are a quorum. The file has the
    statement and the signatures, and the same as `to` and `data` of a transaction that anyone can
    send.
    """
    documents = {}
    for path in attestations:
        with _plain_errors(path):
            documents[str(path)] = files.from_json(_text(path))
    with _plain_errors():
        statement, merged = files.merge(documents, contracts)
        files.require_quorum(merged, members or [a.signer for a in merged], threshold or 1)
    _write(files.call_document(statement, merged), out)
    click.echo(f"{len(merged)} signatures for window {statement.window}", err=True)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TelemetryError(f"not UTF-8 at byte {error.start}") from error


def _write(document: dict[str, Any], out: Path | None) -> None:
    text = files.to_json(document)
    if out is None:
        click.echo(text, nl=False)
        return
    with _plain_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")


def _private(path: Path) -> Path:
    if path.stat().st_mode & OTHERS_MAY:
        raise click.ClickException(f"{path}: others may read this key; chmod 600 it")
    return path


def _key_of(text: str, where: object) -> Any:
    # The key itself never stands in a message.
    try:
        return Account.from_key(text.strip())
    except ValueError:
        raise click.ClickException(f"{where}: not a private key of 32 bytes in hex") from None


def _account_of(alias: str) -> Any:
    from ape import accounts  # noqa: PLC0415 - slow, and only an account of ape needs it

    if alias not in accounts.aliases:
        raise click.ClickException(f"{alias}: no such account (see `ape accounts list`)")
    return accounts.load(alias)


if __name__ == "__main__":
    cli()
