"""The files that attestors and relayers pass around, from a table of readings to a signed root.

    readings (CSV)      one line per capacity and epoch, as each attestor measured it
    leaves (JSON)       the tree over them: root, counts, every report with its proof; to publish
    attestation (JSON)  what was signed, and one or more signatures under it
    call (JSON)         the statement and enough signatures, as `postRoot` takes them

Nothing in a file is believed that can be computed again: a root is built from its reports, and a
signer is who the signature says. Needs no node and no ape.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_abi.abi import encode
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from derrick.telemetry import (
    BPS,
    ROOT_FIELDS,
    Attestation,
    Report,
    ReportTree,
    TelemetryError,
    TelemetryRoot,
    recover,
    sort_attestations,
)

COLUMNS = ("capacity", "epoch", "uptime_bps", "load_bps", "energy_wh", "curtailed")
TRUTHS = {"true": True, "1": True, "false": False, "0": False}
MAX_DIGITS = 78
"""Of the largest number that a word holds."""

Document = dict[str, Any]


class ReadingsError(TelemetryError):
    """Lines of a table that are no readings; `faults` has one sentence for each."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


# ---- Readings -----------------------------------------------------------------------------------


def read_readings(text: str) -> list[Report]:
    """The reports in a CSV with the header `COLUMNS`, whose columns may stand in any order.

    Raises ReadingsError with all lines that are wrong, not only the first.
    """
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True)
    reports: list[Report] = []
    faults: list[str] = []
    lines: dict[tuple[int, int], int] = {}
    try:
        header = _header(next(rows, []))
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            try:
                report = _reading(header, row)
                first = lines.setdefault(report.place, rows.line_num)
                if first != rows.line_num:
                    place = f"capacity {report.capacity}, epoch {report.epoch}"
                    raise TelemetryError(f"{place} stands in line {first} already")
                reports.append(report)
            except TelemetryError as error:
                faults.append(f"line {rows.line_num}: {error}")
    except csv.Error as error:
        faults.append(f"line {rows.line_num}: {error}")
    if not reports and not faults:
        faults.append("there are no readings")
    if faults:
        raise ReadingsError(faults)
    return reports


def _header(row: Sequence[str]) -> list[str]:
    names = [cell.strip() for cell in row]
    if sorted(names) != sorted(COLUMNS):
        raise ReadingsError([f"line 1: the columns must be {','.join(COLUMNS)}"])
    return names


def _reading(header: Sequence[str], row: Sequence[str]) -> Report:
    if len(row) != len(header):
        raise TelemetryError(f"{len(row)} fields, must be {len(header)}")
    cells = dict(zip(header, (cell.strip() for cell in row), strict=True))
    capacity, epoch, uptime, load, energy = (_number(name, cells[name]) for name in COLUMNS[:-1])
    report = Report(capacity, epoch, uptime, load, energy, _truth(COLUMNS[-1], cells[COLUMNS[-1]]))
    report.check()
    return report


def _number(name: str, cell: str) -> int:
    if not (cell.isascii() and cell.isdigit()) or len(cell) > MAX_DIGITS:
        raise TelemetryError(f"{name} is {cell!r}, must be a whole number from 0 on")
    return int(cell)


def _truth(name: str, cell: str) -> bool:
    if cell.lower() not in TRUTHS:
        raise TelemetryError(f"{name} is {cell!r}, must be true or false, or 1 or 0")
    return TRUTHS[cell.lower()]


# ---- Leaves -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PenaltyRule:
    """Uptime in bps below which a capacity is in penalty: its own, or else the usual one."""

    usual: int
    own: Mapping[int, int]

    @classmethod
    def of(cls, texts: Iterable[str]) -> PenaltyRule:
        """From `9000` for the usual one and `7=9500` for that of capacity 7."""
        usual, own = 0, {}
        for text in texts:
            capacity, equals, bps = text.rpartition("=")
            value = _number("the uptime for a penalty", bps.strip())
            if value > BPS:
                raise TelemetryError(f"an uptime for a penalty is {value}, must be 0 … {BPS}")
            if equals:
                own[_number("a capacity", capacity.strip())] = value
            else:
                usual = value
        return cls(usual, own)

    def thresholds(self, tree: ReportTree) -> dict[int, int]:
        """By capacity, of those in a tree."""
        return {
            report.capacity: self.own.get(report.capacity, self.usual) for report in tree.reports
        }

    def dump(self) -> list[str]:
        """As `of` takes it."""
        own = sorted(self.own.items())
        return [str(self.usual), *(f"{capacity}={bps}" for capacity, bps in own)]


def leaves_document(tree: ReportTree, rule: PenaltyRule) -> Document:
    """The tree for publishing, each report with its proof.

    OpenZeppelin's StandardMerkleTree loads it too. Numbers that may pass 2^53 are strings.
    """
    return {
        **tree.dump(),
        "root": _hex(tree.root),
        "capacities": tree.capacities,
        "penalized": tree.penalized(rule.thresholds(tree)),
        "penaltyBelow": rule.dump(),
        "reports": [
            {
                "capacity": str(report.capacity),
                "epoch": report.epoch,
                "uptimeBps": report.uptime_bps,
                "loadBps": report.load_bps,
                "energyWh": str(report.energy_wh),
                "curtailed": report.curtailed,
                "leaf": _hex(report.leaf),
                "proof": [_hex(sibling) for sibling in tree.proof(report)],
            }
            for report in tree.reports
        ],
    }


def load_leaves(document: Document) -> tuple[ReportTree, PenaltyRule]:
    """A published tree, built anew from its reports. Raises where root or counts are not theirs."""
    with _expecting("a file of leaves"):
        tree = ReportTree.load(document, _bytes(document["root"], 32))
        rule = PenaltyRule.of(document["penaltyBelow"])
        counted = (tree.capacities, tree.penalized(rule.thresholds(tree)))
        said = (document["capacities"], document["penalized"])
    if counted != said:
        raise TelemetryError(
            f"these reports speak of {counted[0]} capacities, {counted[1]} in penalty;"
            f" the file says {said[0]} and {said[1]}"
        )
    return tree, rule


def require_same_reports(tree: ReportTree, own: ReportTree) -> None:
    """Raises TelemetryError with the first difference where two trees are not of the same reports.

    `own` are the reader's own readings.
    """
    if tree.root == own.root:
        return
    theirs = {report.place: report for report in tree.reports}
    ours = {report.place: report for report in own.reports}
    place = min(p for p in {*theirs, *ours} if theirs.get(p) != ours.get(p))
    where = f"epoch {place[0]}, capacity {place[1]}"
    if place not in theirs or place not in ours:
        raise TelemetryError(f"{where} stands only in {'ours' if place in ours else 'theirs'}")
    raise TelemetryError(f"{where}: ours is {ours[place]}, theirs {theirs[place]}")


# ---- Attestations -------------------------------------------------------------------------------


def attestation_document(statement: TelemetryRoot, attestations: Iterable[Attestation]) -> Document:
    """What was signed and by whom."""
    return {
        "statement": {
            "chainId": statement.chain_id,
            "oracle": statement.oracle,
            **dict(zip(ROOT_FIELDS, statement.as_tuple(), strict=True)),
            "root": _hex(statement.root),
        },
        "digest": _hex(statement.digest()),
        "attestations": [
            {"signer": signer, "signature": _hex(signature)} for signer, signature in attestations
        ],
    }


def load_attestation(document: Document) -> tuple[TelemetryRoot, list[Attestation]]:
    """A file's statement and signatures, neither checked against the other."""
    with _expecting("a file of attestations"):
        said = document["statement"]
        statement = TelemetryRoot(
            chain_id=_whole(said["chainId"]),
            oracle=checked_address(said["oracle"]),
            set_id=_whole(said["setId"]),
            window=_whole(said["window"]),
            root=_bytes(said["root"], 32),
            capacities=_whole(said["capacities"]),
            penalized=_whole(said["penalized"]),
            leaves_uri=str(said["leavesURI"]),
            attempt=_whole(said["attempt"]),
        )
        statement.check()
        attestations = [
            Attestation(checked_address(given["signer"]), _bytes(given["signature"]))
            for given in document["attestations"]
        ]
    return statement, attestations


def merge(
    documents: Mapping[str, Document], contracts: Iterable[str] = ()
) -> tuple[TelemetryRoot, list[Attestation]]:
    """One statement and everybody's signatures under it, sorted, each signer once.

    `documents` by name of their file. Signatures of `contracts` (ERC-1271) are taken as they are:
    only the chain can check them. Raises TelemetryError with the file's name where a statement is
    another one, or a signature is not its signer's.
    """
    unchecked = {to_checksum_address(contract) for contract in contracts}
    merged: dict[str, bytes] = {}
    common: TelemetryRoot | None = None
    for name, document in documents.items():
        try:
            statement, attestations = load_attestation(document)
            common = common or statement
            if statement != common:
                raise TelemetryError(_difference(common, statement))
            for signer, signature in attestations:
                if signer not in unchecked and recover(statement, signature) != signer:
                    raise TelemetryError(f"not a signature of {signer} over this statement")
                merged.setdefault(signer, signature)
        except TelemetryError as error:
            raise TelemetryError(f"{name}: {error}") from error
    if common is None:
        raise TelemetryError("there are no attestations to merge")
    return common, sort_attestations(Attestation(*each) for each in merged.items())


def _difference(one: TelemetryRoot, other: TelemetryRoot) -> str:
    names = ("chain_id", "oracle", *vars(one))
    field = next(name for name in names if getattr(one, name) != getattr(other, name))
    pair = [getattr(statement, field) for statement in (other, one)]
    said, first = (_hex(value) if isinstance(value, bytes) else value for value in pair)
    return f"another statement than in the first file: {field} is {said}, not {first}"


def require_quorum(
    attestations: Sequence[Attestation], members: Iterable[str], threshold: int
) -> None:
    """Raises TelemetryError where the merged signatures are not enough, or not of members."""
    known = {to_checksum_address(member) for member in members}
    for signer, _ in attestations:
        if signer not in known:
            raise TelemetryError(f"{signer} is no member of the set")
    if len(attestations) < threshold:
        raise TelemetryError(f"{len(attestations)} signatures, {threshold} needed")


def call_document(statement: TelemetryRoot, attestations: Sequence[Attestation]) -> Document:
    """The transaction that brings the root, for any wallet or relayer, and what it says."""
    return {
        "to": statement.oracle,
        "data": _hex(post_root_data(statement, attestations)),
        **attestation_document(statement, attestations),
    }


def post_root_data(statement: TelemetryRoot, attestations: Sequence[Attestation]) -> bytes:
    """The input of a call of `postRoot`."""
    types = (f"({','.join(ROOT_FIELDS.values())})", "(address,bytes)[]")
    selector = keccak(text=f"postRoot({','.join(types)})")[:4]
    return selector + encode(types, (statement.as_tuple(), [tuple(a) for a in attestations]))


# ---- Text ---------------------------------------------------------------------------------------


def to_json(document: Document) -> str:
    """As files have it."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str) -> Document:
    """Raises TelemetryError where the text is no JSON object."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise TelemetryError(f"not JSON: {error}") from error
    if not isinstance(document, dict):
        raise TelemetryError("not a JSON object")
    return document


@contextmanager
def _expecting(what: str) -> Iterator[None]:
    """Says of what is missing or of another kind in a file what it was to be."""
    try:
        yield
    except TelemetryError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TelemetryError(f"not {what}: {error!r}") from error


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: str, size: int | None = None) -> bytes:
    data = bytes.fromhex(text.removeprefix("0x"))
    if size is not None and len(data) != size:
        raise TelemetryError(f"{text} has {len(data)} bytes, must have {size}")
    return data


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TelemetryError(f"{value!r} is no whole number from 0 on")
    return value


def checked_address(text: str) -> str:
    """The address with its checksum. Raises TelemetryError where it is none."""
    if not is_address(text):
        raise TelemetryError(f"{text!r} is no address")
    return str(to_checksum_address(text))
