"""An oracle with one attestor set of five keys, three of which decide, for tests of all kinds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from eth_account import Account
from eth_keys.datatypes import PrivateKey
from eth_utils import keccak

from derrick.telemetry import (
    CURVE_ORDER,
    Attestation,
    Report,
    ReportTree,
    SetRules,
    TelemetryRoot,
    attest,
)
from derrick.testing import START_TIME

HOUR, DAY = 3_600, 86_400
MAX_UINT = 2**256 - 1
NOBODY = "0x" + 40 * "0"
THRESHOLD = 3
RULES = SetRules(
    window_length=DAY,
    posting_period=12 * HOUR,
    finality_delay=6 * HOUR,
    reveal_period=2 * DAY,
    mass_share_bps=2_500,
    mass_minimum=3,
    mass_delay=3 * DAY,
)
URI = "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
REPORTS = [Report(1 + i, 40 + i % 2, 9_900 - i, 7_000, 10**6 * i, i == 3) for i in range(7)]
WINDOW = RULES.window_of(START_TIME) + 1
"""A window that ends a day after the first block."""

ENDS_AT = RULES.ends_at(WINDOW)


def as_number(address: Any) -> int:
    return int(str(getattr(address, "address", address)), 16)


def rising(accounts: Iterable[Any]) -> list[Any]:
    """Accounts or addresses in the order in which the oracle takes them."""
    return sorted(accounts, key=as_number)


def key(name: str) -> Any:
    """A key that the name alone decides."""
    return Account.from_key(keccak(text=name))


def compact(signature: bytes) -> bytes:
    """The same signature in 64 bytes (EIP-2098)."""
    parity = (signature[64] - 27) << 7
    return signature[:32] + bytes([signature[32] | parity]) + signature[33:64]


def twin(signature: bytes) -> bytes:
    """The other signature that the same key makes of a signature, as anyone can write it."""
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])


def key_that_signs(digest: bytes, s: int) -> tuple[Any, bytes]:
    """A key whose signature over a digest has this s, whatever range it lies in."""
    nonce = int.from_bytes(keccak(digest), "big") % CURVE_ORDER
    point = PrivateKey(nonce.to_bytes(32, "big")).public_key.to_bytes()
    r, parity = int.from_bytes(point[:32], "big") % CURVE_ORDER, point[63] & 1
    secret = (s * nonce - int.from_bytes(digest, "big")) * pow(r, -1, CURVE_ORDER) % CURVE_ORDER
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + parity])
    return Account.from_key(secret.to_bytes(32, "big")), signature


def field_name(name: str) -> bytes:
    """The name of a field, as errors give it."""
    return name.encode().ljust(32, b"\0")


@dataclass(frozen=True)
class OracleStage:
    """The oracle, and what tests do with it all the time. Set 1 has `members` under RULES."""

    lane: Any
    oracle: Any
    owner: Any
    guardian: Any
    stranger: Any
    attestors: Sequence[Any]
    chain_id: int

    @classmethod
    def deploy(
        cls, project: Any, lane: Any, owner: Any, guardian: Any, stranger: Any, attestors: Any
    ) -> OracleStage:
        oracle = owner.deploy(project.TelemetryOracle, owner)
        five = rising(attestors[:5])
        oracle.createSet([a.address for a in five], THRESHOLD, RULES.as_tuple(), sender=owner)
        oracle.setGuardian(guardian, sender=owner)
        chain_id = oracle.provider.chain_id
        return cls(lane, oracle, owner, guardian, stranger, five, chain_id)

    @property
    def members(self) -> list[str]:
        return [attestor.address for attestor in self.attestors]

    def create_set(self, members: Sequence[Any], threshold: int, rules: SetRules = RULES) -> int:
        """Another set; returns its id."""
        addresses = [getattr(member, "address", member) for member in members]
        self.oracle.createSet(addresses, threshold, rules.as_tuple(), sender=self.owner)
        return int(self.oracle.setCount())

    def schedule(self, members: Sequence[Any], threshold: int, set_id: int = 1) -> int:
        """Announces members; returns the time from which they hold."""
        addresses = [getattr(member, "address", member) for member in members]
        receipt = self.oracle.scheduleMembers(set_id, addresses, threshold, sender=self.owner)
        (event,) = receipt.decode_logs(self.oracle.MembersScheduled)
        return int(event.holdsFrom)

    def statement(self, **changes: Any) -> TelemetryRoot:
        """What the attestors of set 1 say of WINDOW: REPORTS, none of them in penalty."""
        tree = ReportTree.of(REPORTS)
        plain = tree.statement(self.chain_id, self.oracle.address, 1, WINDOW, URI)
        return replace(plain, **changes)

    def sign(self, statement: TelemetryRoot, signers: Iterable[Any] | None = None) -> Any:
        """Signatures of these, else of the first three members."""
        return attest(statement, self.attestors[:THRESHOLD] if signers is None else signers)

    def post(
        self,
        statement: TelemetryRoot,
        attestations: Sequence[Attestation] | None = None,
        at: int | None = None,
        sender: Any = None,
    ) -> Any:
        """A stranger brings a root, signed by three unless others are given."""
        attestations = self.sign(statement) if attestations is None else attestations
        if at is not None:
            self.lane.set_next_time(at)
        return self.oracle.postRoot(
            statement.as_tuple(), attestations, sender=sender or self.stranger
        )

    def veto(self, set_id: int = 1, window: int = WINDOW, at: int | None = None) -> Any:
        """The guardian's."""
        if at is not None:
            self.lane.set_next_time(at)
        return self.oracle.veto(set_id, window, sender=self.guardian)

    def waive(self, set_id: int = 1, window: int = WINDOW, at: int | None = None) -> Any:
        """The guardian waives a window's penalties."""
        if at is not None:
            self.lane.set_next_time(at)
        return self.oracle.waivePenalties(set_id, window, sender=self.guardian)
