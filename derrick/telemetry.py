"""What attestors do off chain: collect reports, build the tree, sign its root, publish the leaves.

Needs no node and no ape: `eth-account` signs, and an operator's agent can import this module alone.
The oracle's rules stand here a second time, so that an agent learns before it pays for a
transaction whether the oracle would take it.

    tree = ReportTree.of(reports)
    statement = tree.statement(chain_id, oracle, set_id, window, uri, penalty_below)
    attestations = attest(statement, signers)
    check_quorum(statement, attestations, members, threshold)
    # oracle.postRoot(statement.as_tuple(), attestations)
    # lease.settle(report.as_tuple(), tree.proof(report))
    # lease.settleMany(*tree.multiproof(reports_of_one_capacity).as_arguments())

They also say how many units of a capacity there are, before any can be leased:

    statement = CapacityUnits(chain_id, capacities, set_id, capacity, units, nonce, deadline)
    # capacities.attestUnits(capacity, units, nonce, deadline, attest(statement, signers))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import SignableMessage, encode_typed_data
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from derrick.merkle import WORD, MerkleTree, root_of_multiproof, root_of_proof

BPS = 10_000
REPORT_TYPES = ("uint256", "uint24", "uint16", "uint16", "uint256", "bool")
DOMAIN_NAME = "Derrick Telemetry"
UNITS_DOMAIN_NAME = "Derrick Capacity"
DOMAIN_VERSION = "1"
ROOT_FIELDS = {
    "setId": "uint256",
    "window": "uint256",
    "root": "bytes32",
    "capacities": "uint32",
    "penalized": "uint32",
    "leavesURI": "string",
    "attempt": "uint8",
}
ROOT_BYTES = 27
"""So much of a root the oracle keeps, from its left."""
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
# The format of OpenZeppelin's StandardMerkleTree, which can load what `ReportTree.dump` writes.
DUMP_FORMAT = "standard-v1"


PenaltyBelow: TypeAlias = int | Mapping[int, int]
"""Uptime in bps below which a capacity is in penalty: one for all, or by capacity."""


class TelemetryError(ValueError):
    """Something that the oracle would not take."""


class Status(IntEnum):
    """How an epoch stands with its attestors, as the oracle numbers it."""

    PENDING = 0
    REPORTED = 1
    MISSING = 2
    BLACKOUT = 3


class Penalties(IntEnum):
    """How a window's penalties stand, as the oracle numbers it."""

    CLAIMABLE = 0
    HELD = 1
    WAIVED = 2


@dataclass(frozen=True, order=True)
class Report:
    """What one capacity did in one epoch; the order of the fields is the contract's."""

    capacity: int
    epoch: int
    uptime_bps: int
    load_bps: int
    energy_wh: int
    curtailed: bool = False

    def as_tuple(self) -> tuple[int, int, int, int, int, bool]:
        """As a contract call takes it."""
        return astuple(self)

    @property
    def leaf(self) -> bytes:
        """Hashed twice: a leaf hashes one word, a node two, so none passes for the other."""
        return keccak(keccak(encode(REPORT_TYPES, self.as_tuple())))

    @property
    def place(self) -> tuple[int, int]:
        """Reports stand in a tree by epoch, then capacity: the order in which they are settled."""
        return (self.epoch, self.capacity)

    def check(self) -> None:
        """Raises where the market would refuse the report, whoever signed it."""
        for name, value, limit in (
            ("capacity", self.capacity, 2**256 - 1),
            ("epoch", self.epoch, 2**24 - 1),
            ("uptime_bps", self.uptime_bps, BPS),
            ("load_bps", self.load_bps, BPS),
            ("energy_wh", self.energy_wh, 2**48 - 1),
        ):
            if not 0 <= value <= limit:
                raise TelemetryError(f"{name} is {value}, must be 0 … {limit}")


class ReportsProof(NamedTuple):
    """Several reports of one window and what proves them together."""

    root: bytes
    reports: list[Report]
    proof: list[bytes]
    flags: list[bool]

    def as_arguments(self) -> tuple[bytes, list[tuple[Any, ...]], list[bytes], list[bool]]:
        """As `settleMany` takes them."""
        reports = [report.as_tuple() for report in self.reports]
        return (self.root, reports, self.proof, self.flags)


class ReportTree:
    """The tree over a window's reports, which at most once speak of a capacity's epoch."""

    def __init__(self, reports: Iterable[Report]) -> None:
        self.reports: tuple[Report, ...] = tuple(sorted(reports, key=lambda report: report.place))
        if not self.reports:
            raise TelemetryError("a window without reports needs no root")
        seen: set[tuple[int, int]] = set()
        for report in self.reports:
            report.check()
            key = (report.capacity, report.epoch)
            if key in seen:
                raise TelemetryError(f"two reports on capacity {key[0]}, epoch {key[1]}")
            seen.add(key)
        self._tree = MerkleTree(report.leaf for report in self.reports)

    @classmethod
    def of(cls, reports: Iterable[Report]) -> ReportTree:
        """The tree over these reports, in whichever order they come."""
        return cls(reports)

    @property
    def root(self) -> bytes:
        """What attestors sign."""
        return self._tree.root

    @property
    def capacities(self) -> int:
        """How many distinct capacities the reports speak of."""
        return len({report.capacity for report in self.reports})

    def penalized(self, penalty_below: PenaltyBelow) -> int:
        """How many capacities are in penalty in at least one epoch.

        `penalty_below`: uptime below which a capacity is, in bps; one for all, or by capacity.
        A curtailed epoch counts as excused: attestors need not know what is left of an allowance.
        """
        below = (
            dict.fromkeys((report.capacity for report in self.reports), penalty_below)
            if isinstance(penalty_below, int)
            else penalty_below
        )
        try:
            return len(
                {
                    report.capacity
                    for report in self.reports
                    if report.uptime_bps < below[report.capacity] and not report.curtailed
                }
            )
        except KeyError as error:
            raise TelemetryError(f"no penalty is known of capacity {error.args[0]}") from None

    def statement(
        self,
        chain_id: int,
        oracle: str,
        set_id: int,
        window: int,
        leaves_uri: str,
        penalty_below: PenaltyBelow = 0,
        attempt: int = 0,
    ) -> TelemetryRoot:
        """What attestors sign for these reports. See `penalized` for `penalty_below`."""
        return TelemetryRoot(
            chain_id,
            oracle,
            set_id,
            window,
            self.root,
            self.capacities,
            self.penalized(penalty_below),
            leaves_uri,
            attempt,
        )

    def proof(self, report: Report) -> list[bytes]:
        """Siblings of the report, bottom up, as `settle` takes them."""
        try:
            return self._tree.proof(report.leaf)
        except KeyError:
            raise TelemetryError(f"not in this tree: {report}") from None

    def multiproof(self, reports: Iterable[Report]) -> ReportsProof:
        """What proves these reports together; they come back in the order of the tree."""
        wanted = sorted(reports, key=lambda report: report.place)
        try:
            _, proof, flags = self._tree.multiproof(report.leaf for report in wanted)
        except KeyError as error:
            raise TelemetryError(f"not in this tree: {error.args[0]}") from None
        except ValueError as error:
            raise TelemetryError(str(error)) from None
        return ReportsProof(self.root, wanted, proof, flags)

    def dump(self) -> dict[str, Any]:
        """What an attestor publishes: all leaves, as JSON. Numbers are strings: some pass 2^53."""
        return {
            "format": DUMP_FORMAT,
            "leafEncoding": list(REPORT_TYPES),
            "tree": ["0x" + node.hex() for node in self._tree.nodes],
            "values": [
                {
                    "value": [*map(str, report.as_tuple()[:-1]), report.curtailed],
                    "treeIndex": self._tree.index_of(report.leaf),
                }
                for report in self.reports
            ],
        }

    @classmethod
    def load(cls, dump: Mapping[str, Any], root: bytes | None = None) -> ReportTree:
        """Rebuilds a published tree from its reports alone; give the `root` that was signed."""
        if dump.get("format") != DUMP_FORMAT or dump.get("leafEncoding") != list(REPORT_TYPES):
            raise TelemetryError(f"not a {DUMP_FORMAT} tree of reports")
        tree = cls(_report_of(entry["value"]) for entry in dump["values"])
        if root is not None and tree.root != root:
            raise TelemetryError(f"these reports have root 0x{tree.root.hex()}, not 0x{root.hex()}")
        return tree


def _report_of(value: Sequence[Any]) -> Report:
    *numbers, curtailed = value
    if len(value) != len(REPORT_TYPES) or not isinstance(curtailed, bool):
        raise TelemetryError(f"not a report: {value}")
    capacity, epoch, uptime, load, energy = map(int, numbers)
    return Report(capacity, epoch, uptime, load, energy, curtailed)


def verify_report(root: bytes, report: Report, proof: Iterable[bytes]) -> bool:
    """Whether the report is in the tree of that root, be it only the part that the oracle keeps."""
    return _agrees(root, root_of_proof(report.leaf, proof))


def verify_reports(root: bytes, proved: ReportsProof) -> bool:
    """Whether all the reports are in the tree of that root; see `verify_report`."""
    leaves = [report.leaf for report in proved.reports]
    try:
        return bool(leaves) and _agrees(
            root, root_of_multiproof(leaves, proved.proof, proved.flags)
        )
    except ValueError:
        return False


def _agrees(root: bytes, found: bytes) -> bool:
    return len(root) in (ROOT_BYTES, WORD) and found.startswith(root)


@dataclass(frozen=True)
class SetRules:
    """The rules of an attestor set, as `createSet` takes them; periods in seconds.

    The times of a window follow from them, and each is the first second of what comes after it.
    """

    window_length: int
    posting_period: int
    finality_delay: int
    reveal_period: int
    mass_share_bps: int
    mass_minimum: int
    mass_delay: int

    def as_tuple(self) -> tuple[int, ...]:
        """As `createSet` takes them."""
        return astuple(self)

    @property
    def reveal_span(self) -> int:
        """From a window's end until no report of it can be shown."""
        return 2 * (self.posting_period + self.finality_delay) + self.reveal_period

    def window_of(self, epoch_end: int) -> int:
        """The window k with k·W < epoch_end ≤ (k + 1)·W."""
        if epoch_end <= 0:
            raise TelemetryError("no window holds time 0")
        return (epoch_end - 1) // self.window_length

    def ends_at(self, window: int) -> int:
        """From this second on the window's root can be posted; its members are those of then."""
        return (window + 1) * self.window_length

    def posting_ends(self, window: int) -> int:
        """From this second on a first root cannot any more."""
        return self.ends_at(window) + self.posting_period

    def repost_ends(self, window: int) -> int:
        """From this second on a second root, after a veto, cannot any more."""
        return self.ends_at(window) + 2 * self.posting_period + self.finality_delay

    def reveal_ends(self, window: int) -> int:
        """From this second on none of its reports can be shown."""
        return self.ends_at(window) + self.reveal_span

    def late_ends(self, window: int) -> int:
        """From this second on no penalty that was held back can be added."""
        return self.reveal_ends(window) + self.reveal_period

    def final_at(self, posted_at: int) -> int:
        """From this second on a root is final; until then it can be vetoed."""
        return posted_at + self.finality_delay

    def is_mass(self, capacities: int, penalized: int) -> bool:
        """Whether so many capacities are in penalty that their penalties are held."""
        return penalized >= self.mass_minimum and penalized * BPS > self.mass_share_bps * capacities

    def held_until(self, final_at: int, capacities: int, penalized: int) -> int:
        """From this second on a window's penalties can be claimed, unless they were waived."""
        return final_at + (self.mass_delay if self.is_mass(capacities, penalized) else 0)


class Statement(Protocol):
    """What a quorum of an attestor set signs."""

    @property
    def set_id(self) -> int: ...

    def message(self) -> SignableMessage: ...


def _typed_data(
    domain: tuple[str, int, str], name: str, fields: Mapping[str, str], message: Mapping[str, Any]
) -> dict[str, Any]:
    """EIP-712 typed data; `domain` is its name, the chain and the verifying contract."""
    domain_name, chain_id, contract = domain
    return {
        "types": {
            "EIP712Domain": [
                {"name": "name", "type": "string"},
                {"name": "version", "type": "string"},
                {"name": "chainId", "type": "uint256"},
                {"name": "verifyingContract", "type": "address"},
            ],
            name: [{"name": field, "type": kind} for field, kind in fields.items()],
        },
        "primaryType": name,
        "domain": {
            "name": domain_name,
            "version": DOMAIN_VERSION,
            "chainId": chain_id,
            "verifyingContract": contract,
        },
        "message": dict(message),
    }


def _digest(message: SignableMessage) -> bytes:
    return keccak(b"\x19" + message.version + message.header + message.body)


@dataclass(frozen=True)
class TelemetryRoot:
    """What attestors sign: one root, for one window of one set, on one oracle of one chain.

    `attempt` is the number of roots of this window that were vetoed before.
    """

    chain_id: int
    oracle: str
    set_id: int
    window: int
    root: bytes
    capacities: int
    penalized: int
    leaves_uri: str
    attempt: int = 0

    def as_tuple(self) -> tuple[int, int, bytes, int, int, str, int]:
        """As `postRoot` takes it."""
        return (
            self.set_id,
            self.window,
            self.root,
            self.capacities,
            self.penalized,
            self.leaves_uri,
            self.attempt,
        )

    def check(self) -> None:
        """Raises where the oracle would refuse it, whoever signed it."""
        if not any(self.root[:ROOT_BYTES]) or len(self.root) != WORD:
            raise TelemetryError(f"not a root: 0x{self.root.hex()}")
        if not 1 <= self.capacities < 2**32:
            raise TelemetryError(f"{self.capacities} capacities, must be 1 … 2^32 − 1")
        if not 0 <= self.penalized <= self.capacities:
            raise TelemetryError(f"{self.penalized} of {self.capacities} capacities in penalty")
        if self.attempt not in (0, 1):
            raise TelemetryError(f"attempt {self.attempt}, must be 0, or 1 after a veto")

    def typed_data(self) -> dict[str, Any]:
        """EIP-712 typed data, as `eth_signTypedData_v4` and hardware wallets take it."""
        return _typed_data(
            (DOMAIN_NAME, self.chain_id, self.oracle),
            "TelemetryRoot",
            ROOT_FIELDS,
            dict(zip(ROOT_FIELDS, self.as_tuple(), strict=True)),
        )

    def message(self) -> SignableMessage:
        """As eth-account and ape accounts sign it."""
        return encode_typed_data(full_message=self.typed_data())

    def digest(self) -> bytes:
        """The 32 bytes under the signature: the contract's `digestOf`."""
        return _digest(self.message())


@dataclass(frozen=True)
class CapacityUnits:
    """What attestors sign on a capacity: how many units there are.

    `capacities` is the contract that keeps the deeds. `set_id`, the capacity's own attestor set, is
    not signed: a capacity has one for good. `deadline` is the last second, in Unix time, at which
    the statement can be brought.
    """

    chain_id: int
    capacities: str
    set_id: int
    capacity: int
    units: int
    nonce: int
    deadline: int

    def typed_data(self) -> dict[str, Any]:
        """EIP-712 typed data, as `eth_signTypedData_v4` and hardware wallets take it."""
        fields = ("capacity", "units", "nonce", "deadline")
        return _typed_data(
            (UNITS_DOMAIN_NAME, self.chain_id, self.capacities),
            "CapacityUnits",
            dict.fromkeys(fields, "uint256"),
            {field: getattr(self, field) for field in fields},
        )

    def message(self) -> SignableMessage:
        """As eth-account and ape accounts sign it."""
        return encode_typed_data(full_message=self.typed_data())

    def digest(self) -> bytes:
        """The 32 bytes under the signature: the contract's `unitsDigest`."""
        return _digest(self.message())


class Attestation(NamedTuple):
    """A member's signature, as `postRoot` takes it."""

    signer: str
    signature: bytes


class Signer(Protocol):
    """An account of eth-account or of ape."""

    @property
    def address(self) -> str: ...

    def sign_message(self, message: SignableMessage, /) -> Any: ...


def sort_attestations(attestations: Iterable[Attestation]) -> list[Attestation]:
    """By signer, rising: the order in which the oracle takes them."""
    return sorted(attestations, key=lambda attestation: int(attestation.signer, 16))


def attest(statement: Statement, signers: Iterable[Signer]) -> list[Attestation]:
    """Signatures of all signers, sorted."""
    message = statement.message()
    return sort_attestations(
        Attestation(signer.address, _signature_bytes(signer, message)) for signer in signers
    )


def recover(statement: Statement, signature: bytes) -> str:
    """The address of the key that made a signature of 65 bytes, or of 64 (EIP-2098).

    Raises TelemetryError where no key can have made it, or where its s is in the upper half.
    """
    if len(signature) == 64:
        parity, first = divmod(signature[32], 128)
        signature = signature[:32] + bytes([first]) + signature[33:] + bytes([27 + parity])
    if len(signature) != 65 or signature[64] not in (27, 28):
        raise TelemetryError(f"not a signature: 0x{signature.hex()}")
    if int.from_bytes(signature[32:64], "big") > CURVE_ORDER // 2:
        raise TelemetryError(f"not the lower of its two signatures: 0x{signature.hex()}")
    try:
        return str(Account.recover_message(statement.message(), signature=signature))
    except BadSignature as error:
        raise TelemetryError(f"not a signature: 0x{signature.hex()}") from error


def check_quorum(
    statement: Statement,
    attestations: Sequence[Attestation],
    members: Iterable[str],
    threshold: int,
) -> None:
    """Raises where the oracle would refuse the signatures. Knows keys only, no contract members."""
    known = {to_checksum_address(member) for member in members}
    if len(attestations) < threshold:
        raise TelemetryError(f"{len(attestations)} signatures, {threshold} needed")
    last = 0
    for index, (signer, signature) in enumerate(attestations):
        if int(signer, 16) <= last:
            raise TelemetryError(f"signers must rise: {signer} at {index} does not")
        last = int(signer, 16)
        if to_checksum_address(signer) not in known:
            raise TelemetryError(f"{signer} is no member of set {statement.set_id}")
        if recover(statement, signature) != to_checksum_address(signer):
            raise TelemetryError(f"not a signature of {signer} over this statement")


def _signature_bytes(signer: Signer, message: SignableMessage) -> bytes:
    signed = signer.sign_message(message)
    if signed is None:
        raise TelemetryError(f"{signer.address} refused to sign")
    # eth-account answers with an object that has the bytes, ape with (v, r, s).
    return bytes(signed.signature if hasattr(signed, "signature") else signed.encode_rsv())
