"""What an operator's agent asks before it lets anybody in: a challenge, signed by a lease's user.

Needs no ape, only a node. The user's wallet shows what it signs (EIP-712): the operator's own name,
the lease, and until when. Once signed it opens one door once, on one chain, for one engine.

    gate = Gate(Node("http://127.0.0.1:8545"), engine, "https://cluster.example")
    challenge = gate.issue_challenge(lease, user, ttl=300)
    # to the wallet: challenge.typed_data(), by eth_signTypedData_v4; back come both
    access = gate.verify(Challenge.of(typed_data), signature)   # or AccessDenied
    gate.check(access.lease, access.user)                       # again in each epoch

The engine decides who may use a lease, and it does so by time: access given must be checked again,
at the latest when the next epoch begins. What it says is as new as the node's latest block.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from eth_abi.abi import encode
from eth_abi.exceptions import EncodingError
from eth_account.messages import SignableMessage, encode_typed_data
from eth_keys.constants import SECPK1_N
from eth_keys.datatypes import Signature
from eth_keys.exceptions import BadSignature
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from derrick.chain import NodeError

DOMAIN_NAME = "Derrick Access"
DOMAIN_VERSION = "1"
FIELDS = {
    "audience": "string",
    "lease": "uint256",
    "user": "address",
    "nonce": "bytes32",
    "issuedAt": "uint256",
    "expiresAt": "uint256",
}
"""Of the signed struct `Access`, in order."""

DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
}
MAX_TTL = 3_600
"""Seconds. A challenge is for now; nobody needs a day to sign."""

MAX_SIGNATURE = 16_384
"""Bytes. Enough for a contract with a hundred owners."""

MAX_BLOCK_AGE = 300
"""Seconds. A node that is further behind does not know who was let out since."""

ERC1271_MAGIC = bytes.fromhex("1626ba7e").ljust(32, b"\0")
ERC1271_GAS = 1_000_000
NONCE_HALF = 16
"""Bytes of a nonce that are random; as many more prove that it is ours."""


class AccessDenied(Exception):  # noqa: N818 - that is what happened
    """Nobody is let in; one line that says why."""


class Rpc(Protocol):
    """A JSON-RPC node: `derrick.chain.Node`, or anything alike that speaks TLS.

    Raises NodeError where the node answers with an error, or not at all.
    """

    def request(self, method: str, *params: Any) -> Any: ...


@dataclass(frozen=True)
class Challenge:
    """What the user signs. Times are Unix times of the operator's own clock."""

    chain_id: int
    engine: str
    audience: str
    lease: int
    user: str
    nonce: bytes
    issued_at: int
    expires_at: int

    def typed_data(self) -> dict[str, Any]:
        """EIP-712 typed data as JSON, as `eth_signTypedData_v4` takes it.

        The lease's id is a string there: JavaScript rounds numbers beyond 2^53.
        """
        return {
            "types": {"EIP712Domain": _typed(DOMAIN_FIELDS), "Access": _typed(FIELDS)},
            "primaryType": "Access",
            "domain": {
                "name": DOMAIN_NAME,
                "version": DOMAIN_VERSION,
                "chainId": self.chain_id,
                "verifyingContract": self.engine,
            },
            "message": {
                "audience": self.audience,
                "lease": str(self.lease),
                "user": self.user,
                "nonce": "0x" + self.nonce.hex(),
                "issuedAt": self.issued_at,
                "expiresAt": self.expires_at,
            },
        }

    @classmethod
    def of(cls, typed_data: Mapping[str, Any]) -> Challenge:
        """Read back what `typed_data` gave. AccessDenied where a field is missing or no such thing.

        The rest is not looked at: what counts is whether the gate issued these fields.
        """
        try:
            domain, message = typed_data["domain"], typed_data["message"]
            return cls(
                chain_id=int(domain["chainId"]),
                engine=to_checksum_address(domain["verifyingContract"]),
                audience=str(message["audience"]),
                lease=int(message["lease"]),
                user=to_checksum_address(message["user"]),
                nonce=bytes.fromhex(message["nonce"].removeprefix("0x")),
                issued_at=int(message["issuedAt"]),
                expires_at=int(message["expiresAt"]),
            )
        except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise AccessDenied(f"not a challenge: {error!r}") from None

    def message(self) -> SignableMessage:
        """As eth-account and ape accounts sign it."""
        data = self.typed_data()
        data["message"]["lease"] = self.lease
        return encode_typed_data(full_message=data)

    def digest(self) -> bytes:
        """The 32 bytes under the signature."""
        message = self.message()
        return keccak(b"\x19" + message.version + message.header + message.body)


@dataclass(frozen=True)
class Access:
    """Who is let in, for which lease, and at which block the engine said so."""

    lease: int
    user: str
    block: int
    checked_at: int
    """Unix time of that block."""


class Gate:
    """Issues challenges for one engine on one chain, and takes each answer once.

    engine: the lease contract. audience: whom the answer is for, an origin such as
    "https://cluster.example"; wallets show it. secret: 32 bytes or more, by which a challenge is
    known as one of ours without being stored; its own by default, so that what was issued
    before a restart counts for nothing after it. Agents that share a secret must share `used` too,
    or each would take an answer once. clock: Unix time, to the second.
    """

    def __init__(
        self,
        rpc: Rpc,
        engine: str,
        audience: str,
        *,
        secret: bytes | None = None,
        used: UsedNonces | None = None,
        clock: Callable[[], float] = time.time,
        max_block_age: int = MAX_BLOCK_AGE,
    ) -> None:
        if secret is not None and len(secret) < 32:
            raise ValueError("the secret must have 32 bytes or more")
        if not audience:
            raise ValueError("the audience must not be empty")
        self.rpc = rpc
        self.engine = to_checksum_address(engine)
        self.audience = audience
        self.max_block_age = max_block_age
        self.chain_id = int(rpc.request("eth_chainId"), 16)
        self._secret = secret or secrets.token_bytes(32)
        self._used = UsedNonces() if used is None else used
        self._clock = clock

    def issue_challenge(self, lease: int, user: str, ttl: int = 300) -> Challenge:
        """What `user` has to sign within `ttl` seconds, 1 … 3,600. Says nothing about the lease.

        Raises ValueError on anything that no wallet could sign.
        """
        if not 0 < ttl <= MAX_TTL:
            raise ValueError(f"a challenge holds 1 … {MAX_TTL} seconds, not {ttl}")
        if not 0 <= lease < 2**256 or not is_address(user):
            raise ValueError(f"no lease {lease} or no address {user!r}")
        now = int(self._clock())
        random = secrets.token_bytes(NONCE_HALF)
        draft = Challenge(
            self.chain_id,
            self.engine,
            self.audience,
            lease,
            to_checksum_address(user),
            random,
            now,
            now + ttl,
        )
        return Challenge(**{**vars(draft), "nonce": random + self._seal(draft, random)})

    def verify(self, challenge: Challenge, signature: bytes) -> Access:
        """Let the signer in, or raise AccessDenied. An answer that was refused is not used up."""
        self._require_ours(challenge)
        block = self._latest_block()
        self._require_signed(challenge, signature, block)
        access = self._require_active(challenge.lease, challenge.user, block)
        if not self._used.add(challenge.nonce, challenge.expires_at, int(self._clock())):
            raise AccessDenied("this challenge was answered before")
        return access

    def check(self, lease: int, user: str) -> Access:
        """Whether somebody who was let in may stay: AccessDenied if not."""
        return self._require_active(lease, to_checksum_address(user), self._latest_block())

    def _seal(self, challenge: Challenge, random: bytes) -> bytes:
        """Proves, by the secret, that we issued a challenge of exactly these fields."""
        fields = encode(
            ["uint256", "address", "string", "uint256", "address", "bytes", "uint256", "uint256"],
            [
                challenge.chain_id,
                challenge.engine,
                challenge.audience,
                challenge.lease,
                challenge.user,
                random,
                challenge.issued_at,
                challenge.expires_at,
            ],
        )
        return hmac.new(self._secret, fields, hashlib.sha256).digest()[:NONCE_HALF]

    def _require_ours(self, challenge: Challenge) -> None:
        if challenge.chain_id != self.chain_id:
            raise AccessDenied(f"signed for chain {challenge.chain_id}, not {self.chain_id}")
        if challenge.engine != self.engine:
            raise AccessDenied(f"signed for engine {challenge.engine}, not {self.engine}")
        if challenge.audience != self.audience:
            raise AccessDenied(f"signed for {challenge.audience!r}, not {self.audience!r}")
        random, seal = challenge.nonce[:NONCE_HALF], challenge.nonce[NONCE_HALF:]
        try:
            ours = hmac.compare_digest(seal, self._seal(challenge, random))
        except EncodingError:
            ours = False
        if not ours:
            raise AccessDenied("not a challenge that was issued here")
        now = int(self._clock())
        if now >= challenge.expires_at:
            raise AccessDenied(f"the challenge expired {now - challenge.expires_at} s ago")
        if self._used.has(challenge.nonce):
            raise AccessDenied("this challenge was answered before")

    def _require_signed(self, challenge: Challenge, signature: bytes, block: _Block) -> None:
        """By the user's key or, where the user is a contract, as the contract says (ERC-1271).

        The key comes first, since an account that runs a contract's code (EIP-7702) keeps its key;
        no contract's address has one.
        """
        if len(signature) > MAX_SIGNATURE:
            raise AccessDenied(f"a signature has at most {MAX_SIGNATURE} bytes")
        digest = challenge.digest()
        if _recover(digest, signature) == challenge.user:
            return
        if not self._ask("eth_getCode", challenge.user, block.tag):
            raise AccessDenied(f"not a signature of {challenge.user} over this challenge")
        data = keccak(text="isValidSignature(bytes32,bytes)")[:4]
        data += encode(["bytes32", "bytes"], [digest, signature])
        try:
            answer = self._call(challenge.user, data, block, ERC1271_GAS)
        except AccessDenied as error:
            raise AccessDenied(f"{challenge.user} takes no such signature: {error}") from error
        if answer[:32] != ERC1271_MAGIC:
            raise AccessDenied(f"the contract {challenge.user} refuses this signature")

    def _require_active(self, lease: int, user: str, block: _Block) -> Access:
        data = keccak(text="isActive(uint256,address)")[:4]
        answer = self._call(
            self.engine, data + encode(["uint256", "address"], [lease, user]), block
        )
        if len(answer) != 32:
            raise AccessDenied(f"there is no lease engine at {self.engine}")
        if int.from_bytes(answer, "big") != 1:
            raise AccessDenied(f"lease {lease} gives {user} no use now")
        return Access(lease, user, block.number, block.timestamp)

    def _latest_block(self) -> _Block:
        """All that one decision asks is asked of one block."""
        try:
            chain_id = int(self._raw("eth_chainId"), 16)
            raw = self._raw("eth_getBlockByNumber", "latest", False)
            block = _Block(int(raw["number"], 16), int(raw["timestamp"], 16))
        except (KeyError, TypeError, ValueError) as error:
            raise AccessDenied(f"the node makes no sense: {error!r}") from error
        if chain_id != self.chain_id:
            raise AccessDenied(f"the node is on chain {chain_id} now, not {self.chain_id}")
        age = int(self._clock()) - block.timestamp
        if age > self.max_block_age:
            raise AccessDenied(f"the node is behind: its latest block is {age} s old")
        return block

    def _call(self, to: str, data: bytes, block: _Block, gas: int | None = None) -> bytes:
        message = {"to": to, "data": "0x" + data.hex()}
        if gas is not None:
            message["gas"] = hex(gas)
        return self._ask("eth_call", message, block.tag)

    def _ask(self, method: str, *params: Any) -> bytes:
        answer = str(self._raw(method, *params))
        try:
            return bytes.fromhex(answer.removeprefix("0x"))
        except ValueError:
            raise AccessDenied(f"the chain answers {answer!r} to {method}") from None

    def _raw(self, method: str, *params: Any) -> Any:
        """Whoever cannot be checked is not let in."""
        try:
            return self.rpc.request(method, *params)
        except NodeError as error:
            raise AccessDenied(f"the chain gives no answer: {error}") from error


class UsedNonces:
    """Which challenges were answered, kept in memory until they would have expired anyway."""

    def __init__(self) -> None:
        self._expiries: dict[bytes, int] = {}
        self._latest = 0
        self._lock = threading.Lock()

    def has(self, nonce: bytes) -> bool:
        """Whether it is used up."""
        with self._lock:
            return nonce in self._expiries

    def add(self, nonce: bytes, expires_at: int, now: int) -> bool:
        """Use it up. False where it was already, also by another thread a moment ago; and once it
        has expired, when nobody remembers whether it was."""
        with self._lock:
            # What was forgotten once stays refused, though a clock may go back.
            self._latest = max(self._latest, now)
            self._expiries = {n: end for n, end in self._expiries.items() if end > self._latest}
            if expires_at <= self._latest or nonce in self._expiries:
                return False
            self._expiries[nonce] = expires_at
            return True


@dataclass(frozen=True)
class _Block:
    number: int
    timestamp: int

    @property
    def tag(self) -> str:
        return hex(self.number)


def _typed(fields: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in fields.items()]


def _recover(digest: bytes, signature: bytes) -> str | None:
    """Whose key made a signature of 65 bytes, or of 64 (EIP-2098); None where none can have.

    Of the two forms that each signature has, only the one with the lower s is taken (EIP-2).
    """
    if len(signature) == 64:
        parity, first = divmod(signature[32], 128)
        signature = signature[:32] + bytes([first]) + signature[33:] + bytes([27 + parity])
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > SECPK1_N // 2:
        return None
    try:
        key = Signature(
            signature[:64] + bytes([signature[64] - 27])
        ).recover_public_key_from_msg_hash(digest)
    except (BadSignature, ValueError):
        return None
    return str(key.to_checksum_address())
