"""Contract ABIs, ready to encode and decode quickly.

eth_abi does the bytes. This module adds what a test wants around them: tuples, dicts and
dataclasses as structs, named tuples as results, checksummed addresses, and errors and events found
by selector over all contracts at once. Every type is parsed once and kept.
"""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property, lru_cache
from typing import Any

from eth_abi.decoding import ContextFramesBytesIO
from eth_abi.exceptions import DecodingError
from eth_abi.registry import registry
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

PANICS: dict[int, str] = {
    0x00: "compiler check",
    0x01: "assert failed",
    0x11: "arithmetic overflow or underflow",
    0x12: "division by zero",
    0x21: "value outside an enum",
    0x22: "broken storage array",
    0x31: "pop of an empty array",
    0x32: "index outside an array",
    0x41: "too much memory",
    0x51: "call of an uninitialised function",
}
"""Solidity's panic codes."""

PANIC_SELECTOR = bytes.fromhex("4e487b71")
REASON_SELECTOR = bytes.fromhex("08c379a0")

checksum = lru_cache(maxsize=4096)(to_checksum_address)


@dataclass(frozen=True)
class Parameter:
    """One input, output or struct field; a struct has its own fields below it."""

    name: str
    type: str
    components: tuple[Parameter, ...] = ()
    indexed: bool = False
    struct_name: str = ""

    @classmethod
    def parse(cls, item: Mapping[str, Any]) -> Parameter:
        """From its entry in a JSON ABI."""
        internal = str(item.get("internalType") or "")
        return cls(
            name=item.get("name") or "",
            type=item["type"],
            components=tuple(cls.parse(part) for part in item.get("components") or ()),
            indexed=bool(item.get("indexed")),
            struct_name=re.sub(r"^struct |\[.*$", "", internal).rpartition(".")[2],
        )

    @cached_property
    def canonical(self) -> str:
        """The type as a signature has it: `(uint256,address)[]` for an array of structs."""
        if not self.components:
            return self.type
        return f"({','.join(part.canonical for part in self.components)}){self.type[5:]}"

    @cached_property
    def element(self) -> Parameter | None:
        """What one element of this array is, or None when this is no array."""
        match = re.fullmatch(r"(.*)\[\d*\]", self.type)
        if match is None:
            return None
        return Parameter(self.name, match[1], self.components, struct_name=self.struct_name)

    @cached_property
    def to_abi(self) -> Callable[[Any], Any]:
        """Turn what a test writes into what eth_abi encodes."""
        if self.element is not None:
            convert = self.element.to_abi
            return lambda value: [convert(item) for item in value]
        if self.components:
            return self._struct_to_abi
        if self.type == "address":
            return lambda value: getattr(value, "address", value)
        if self.type.startswith("bytes"):
            return lambda value: (
                bytes.fromhex(value[2:]) if isinstance(value, str) else bytes(value)
            )
        return lambda value: value

    def _struct_to_abi(self, value: Any) -> tuple[Any, ...]:
        names = [part.name for part in self.components]
        if isinstance(value, Mapping):
            if set(value) != set(names):
                raise ValueError(f"{self.struct_name}: fields {sorted(value)}, wanted {names}")
            value = [value[name] for name in names]
        elif is_dataclass(value):
            value = [getattr(value, name) for name in names]
        if len(value) != len(names):
            raise ValueError(f"{self.struct_name}: {len(value)} values for the fields {names}")
        return tuple(part.to_abi(item) for part, item in zip(self.components, value, strict=True))

    @cached_property
    def from_abi(self) -> Callable[[Any], Any]:
        """Turn what eth_abi decodes into what a test reads."""
        if self.element is not None:
            convert = self.element.from_abi
            return lambda value: [convert(item) for item in value]
        if self.components:
            record = _record(self.struct_name or self.name, self.components)
            converts = [part.from_abi for part in self.components]
            return lambda value: record(
                *(convert(item) for convert, item in zip(converts, value, strict=True))
            )
        if self.type == "address":
            return checksum
        return lambda value: value


def _to_bytes(value: str | bytes) -> bytes:
    return bytes.fromhex(value[2:]) if isinstance(value, str) else bytes(value)


def _record(name: str, parameters: Sequence[Parameter]) -> Callable[..., Any]:
    """The named-tuple class of these values; nameless ones become _0, _1, ..."""
    name = name if name.isidentifier() else "Result"
    return namedtuple(name, [part.name for part in parameters], rename=True)


@dataclass(frozen=True)
class Layout:
    """A list of parameters that are encoded together."""

    parameters: tuple[Parameter, ...]
    name: str = ""

    @cached_property
    def canonical(self) -> str:
        return f"({','.join(item.canonical for item in self.parameters)})"

    @cached_property
    def _encoder(self) -> Callable[[Any], bytes]:
        return registry.get_encoder(self.canonical) if self.parameters else (lambda _: b"")

    @cached_property
    def _decoder(self) -> Callable[[ContextFramesBytesIO], Any]:
        return registry.get_decoder(self.canonical) if self.parameters else (lambda _: ())

    @cached_property
    def record(self) -> Callable[..., Any]:
        """The named-tuple class of these values."""
        return _record(self.name, self.parameters)

    def convert(self, values: Sequence[Any]) -> list[Any]:
        """The values as eth_abi wants them. Raises TypeError when their number is wrong."""
        if len(values) != len(self.parameters):
            wanted = ", ".join(f"{item.canonical} {item.name}" for item in self.parameters)
            raise TypeError(f"{self.name}({wanted}) was given {len(values)} arguments")
        return [item.to_abi(value) for item, value in zip(self.parameters, values, strict=True)]

    def encode(self, values: Sequence[Any]) -> bytes:
        return self._encoder(self.convert(values))

    def decode(self, data: bytes) -> Any:
        """A named tuple of the values. Raises ValueError when the data is something else."""
        try:
            raw = self._decoder(ContextFramesBytesIO(data))  # type: ignore[no-untyped-call]
        except (DecodingError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.name}{self.canonical}: undecodable 0x{data.hex()}") from error
        return self.record(
            *(item.from_abi(value) for item, value in zip(self.parameters, raw, strict=True))
        )


def _layout(items: Iterable[Mapping[str, Any]], name: str) -> Layout:
    return Layout(tuple(Parameter.parse(item) for item in items), name)


@dataclass(frozen=True)
class Function:
    """A function of a contract."""

    name: str
    inputs: Layout
    outputs: Layout

    @cached_property
    def signature(self) -> str:
        return self.name + self.inputs.canonical

    @cached_property
    def selector(self) -> bytes:
        return keccak(text=self.signature)[:4]

    def calldata(self, arguments: Sequence[Any]) -> str:
        """Selector and arguments as 0x-hex."""
        return "0x" + (self.selector + self.inputs.encode(arguments)).hex()

    def result(self, data: bytes) -> Any:
        """What the function returned: one value bare, several as a named tuple, none as None."""
        values = self.outputs.decode(data)
        if not self.outputs.parameters:
            return None
        return values[0] if len(values) == 1 else values


@dataclass(frozen=True)
class ErrorType:
    """A custom error."""

    name: str
    inputs: Layout

    @cached_property
    def signature(self) -> str:
        return self.name + self.inputs.canonical

    @cached_property
    def selector(self) -> bytes:
        return keccak(text=self.signature)[:4]

    @classmethod
    def parse(cls, text: str) -> ErrorType:
        """From `Name(type name, type name)`. Structs are not supported here."""
        match = re.fullmatch(r"\s*(\w+)\((.*)\)\s*", text)
        if match is None:
            raise ValueError(f"not an error's signature: {text}")
        words = [item.split() for item in match[2].split(",") if item.strip()]
        fields = tuple(Parameter(item[1] if len(item) > 1 else "", item[0]) for item in words)
        return cls(match[1], Layout(fields, match[1]))


@dataclass(frozen=True)
class EventType:
    """An event."""

    name: str
    inputs: Layout

    @cached_property
    def topic(self) -> str:
        return "0x" + keccak(text=self.name + self.inputs.canonical).hex()

    @cached_property
    def key(self) -> tuple[str, int]:
        """Topic and number of indexed inputs: the latter tells ERC-721's Transfer from ERC-20's."""
        return self.topic, sum(item.indexed for item in self.inputs.parameters)

    @cached_property
    def _parts(self) -> tuple[Layout, list[Layout]]:
        plain = tuple(item for item in self.inputs.parameters if not item.indexed)
        indexed = [Layout((item,)) for item in self.inputs.parameters if item.indexed]
        return Layout(plain, self.name), indexed

    def decode(self, topics: Sequence[str], data: bytes) -> Any:
        """A named tuple of the event's inputs; indexed strings and arrays stay their hash."""
        plain, indexed = self._parts
        unindexed = iter(plain.decode(data))
        topic = iter(zip(indexed, topics[1:], strict=True))
        values = []
        for item in self.inputs.parameters:
            if not item.indexed:
                values.append(next(unindexed))
                continue
            layout, word = next(topic)
            raw = bytes.fromhex(word[2:])
            dynamic = item.components or item.element or item.type in ("string", "bytes")
            values.append(raw if dynamic else layout.decode(raw)[0])
        return self.inputs.record(*values)


class Abi:
    """One contract's functions, errors and events."""

    def __init__(self, items: Iterable[Mapping[str, Any]]) -> None:
        self.functions: dict[str, Function] = {}
        self.errors: list[ErrorType] = []
        self.events: list[EventType] = []
        self._by_name: dict[str, list[Function]] = {}
        for item in items:
            kind, name = item.get("type"), item.get("name") or ""
            inputs = _layout(item.get("inputs") or (), name)
            if kind == "function":
                function = Function(name, inputs, _layout(item.get("outputs") or (), name))
                self.functions[function.signature] = function
                self._by_name.setdefault(name, []).append(function)
            elif kind == "error":
                self.errors.append(ErrorType(name, inputs))
            elif kind == "event":
                self.events.append(EventType(name, inputs))

    def function(self, name: str, arguments: int) -> Function:
        """By its name, or by its signature where the name and argument count fit several."""
        if name in self.functions:
            return self.functions[name]
        candidates = self._by_name.get(name, [])
        fitting = [f for f in candidates if len(f.inputs.parameters) == arguments] or candidates
        if len(fitting) != 1:
            known = [f.signature for f in candidates] or sorted(self._by_name)
            raise AttributeError(f"{name} with {arguments} arguments: known are {', '.join(known)}")
        return fitting[0]


@dataclass(frozen=True)
class Event:
    """An event that a transaction emitted."""

    name: str
    address: str
    args: Any
    """Named tuple of the inputs: `event.args.amount`."""


@dataclass
class AbiBook:
    """Errors and events of many contracts, found by selector and topic."""

    errors: dict[bytes, ErrorType] = field(default_factory=dict)
    events: dict[tuple[str, int], EventType] = field(default_factory=dict)

    def add(self, abi: Abi) -> None:
        """Know this contract's errors and events too; what is known already stays."""
        for error in abi.errors:
            self.errors.setdefault(error.selector, error)
        for event in abi.events:
            self.events.setdefault(event.key, event)

    def event(self, log: Mapping[str, Any]) -> Event:
        """Decode a receipt's log. An unknown one has its topic as its name and raw data."""
        topics, address = log["topics"], checksum(log["address"])
        kind = self.events.get((topics[0], len(topics) - 1)) if topics else None
        if kind is None:
            return Event(topics[0] if topics else "", address, log["data"])
        return Event(kind.name, address, kind.decode(topics, bytes.fromhex(log["data"][2:])))

    def revert(self, data: bytes, halt: str = "") -> Revert:
        """Decode the data of a revert; `halt` is the node's word where execution did not revert."""
        selector, rest = data[:4], data[4:]
        if halt:
            return Revert("halt", halt, {}, data)
        if not data:
            return Revert("empty", "", {}, data)
        try:
            if selector == REASON_SELECTOR:
                return Revert("reason", _REASON.inputs.decode(rest)[0], {}, data)
            if selector == PANIC_SELECTOR:
                code = _PANIC.inputs.decode(rest)[0]
                return Revert("panic", PANICS.get(code, "unknown"), {"code": code}, data)
            if error := self.errors.get(selector):
                return Revert("error", error.name, error.inputs.decode(rest)._asdict(), data)
        except ValueError:
            pass
        return Revert("unknown", f"0x{data.hex()}", {}, data)


_REASON = ErrorType.parse("Error(string reason)")
_PANIC = ErrorType.parse("Panic(uint256 code)")


class Revert(Exception):  # noqa: N818 - reads better in tests: `isinstance(outcome, Revert)`
    """A call or transaction that failed on chain.

    kind: `error` (custom error), `panic`, `reason` (require with a string), `empty` (no data),
    `halt` (out of gas, invalid opcode) or `unknown` (data that no known contract declares).
    name: the error's name, the panic in words, the reason, or the node's word for a halt.
    inputs: the custom error's inputs by name; for a panic, `code`.
    data: the raw bytes. where: what was called, if known.
    """

    def __init__(self, kind: str, name: str, inputs: Mapping[str, Any], data: bytes) -> None:
        super().__init__(kind, name)
        self.kind = kind
        self.name = name
        self.inputs = dict(inputs)
        self.data = data
        self.where = ""

    def at(self, where: str) -> Revert:
        """This revert, with a note of what was called."""
        self.where = where
        return self

    def __str__(self) -> str:
        shown = {
            "error": f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.inputs.items())})",
            "panic": f"panic 0x{self.inputs.get('code', 0):02x}: {self.name}",
            "reason": f"reason {self.name!r}",
            "empty": "reverted without data",
            "halt": f"halted: {self.name}",
        }.get(self.kind, f"undeclared error {self.name}")
        return f"{shown} in {self.where}" if self.where else shown
