"""What tests share: strict expectations of reverts, isolation, Hypothesis profiles, roles.

Nothing here swallows a failure: ape's own `reverts` passes on the wrong error and its `isolate` in
some versions drops exceptions, so tests use the helpers below instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import EllipsisType
from typing import Any

import ape
from ape.exceptions import CustomError, TransactionError
from eth_utils.address import is_address
from hypothesis import HealthCheck, settings

from derrick.abi import PANICS, Abi, ErrorType, Revert, checksum
from derrick.chain import Lane

ROLES = (
    "owner",
    "guardian",
    "operator",
    "other_operator",
    "tenant",
    "other_tenant",
    "lender",
    "other_lender",
    "borrower",
    "liquidator",
    "treasury",
    "stranger",
    "attestors",
)
"""Who takes part in a test, in the order of the node's accounts; all that remain are attestors."""

START_TIME = 1_999_987_200
"""Timestamp of the first block of a test run: midnight UTC, 18 May 2033, always the same."""


# ---- Reverts ------------------------------------------------------------------------------------


@dataclass
class Caught:
    """What a `reverts_with...` block caught, for a closer look after it."""

    revert: Revert | None = None


@contextmanager
def reverts_with(
    error: Any, any_inputs: EllipsisType | None = None, /, **inputs: Any
) -> Iterator[Caught]:
    """Expect this custom error with exactly these inputs, from a call or transaction of any lane.

    error: a contract's error (`project.ComputeLease.NotOperator`) or a signature in words
    (`"TransferFromFailed()"`). Every input must be given by its name; to leave them open, say so:
    `reverts_with(project.ComputeLease.NotOperator, ...)`. Accounts and contracts stand for their
    addresses. Raises AssertionError on another failure or none, TypeError on a wrong input name.
    """
    wanted = _error_type(error)
    expected = None if any_inputs is ... and not inputs else _expected_inputs(wanted, inputs)

    def check(revert: Revert) -> bool:
        if revert.data[:4] != wanted.selector:
            return False
        found = wanted.inputs.decode(revert.data[4:])
        return expected is None or [_plain(value) for value in found] == expected

    shown = "..." if expected is None else ", ".join(f"{k}={v!r}" for k, v in inputs.items())
    with _expect(f"{wanted.name}({shown})", check) as caught:
        yield caught


@contextmanager
def reverts_with_panic(code: int) -> Iterator[Caught]:
    """Expect Solidity's panic of this code: 0x11 overflow, 0x12 division by zero, 0x32 index."""
    wanted = f"panic 0x{code:02x} ({PANICS[code]})"
    with _expect(wanted, lambda r: r.kind == "panic" and r.inputs["code"] == code) as caught:
        yield caught


@contextmanager
def reverts_with_reason(reason: str) -> Iterator[Caught]:
    """Expect `require(false, reason)` with exactly this string."""
    with _expect(f"reason {reason!r}", lambda r: (r.kind, r.name) == ("reason", reason)) as caught:
        yield caught


@contextmanager
def reverts_without_data() -> Iterator[Caught]:
    """Expect a revert that says nothing."""
    with _expect("a revert without data", lambda r: r.kind == "empty") as caught:
        yield caught


@contextmanager
def _expect(wanted: str, check: Callable[[Revert], bool]) -> Iterator[Caught]:
    caught = Caught()
    try:
        yield caught
    except (Revert, TransactionError) as error:
        revert = _revert_of(error)
        caught.revert = revert
        if not check(revert):
            raise AssertionError(f"expected {wanted}, got {revert}") from error
    else:
        raise AssertionError(f"expected {wanted}, but nothing reverted")


def _revert_of(error: Revert | TransactionError) -> Revert:
    """The revert in either lane's exception. Raises the exception itself where it holds none."""
    if isinstance(error, Revert):
        return error
    revert = getattr(error, "revert", None)
    if not isinstance(revert, Revert):
        raise error
    return revert


def _error_type(error: Any) -> ErrorType:
    if isinstance(error, str):
        return ErrorType.parse(error)
    if isinstance(error, type) and issubclass(error, CustomError):
        declared: Any = error
        return Abi([declared.abi.model_dump(by_alias=True)]).errors[0]
    raise TypeError(f"not a custom error: {error!r}")


def _expected_inputs(wanted: ErrorType, inputs: Mapping[str, Any]) -> list[Any]:
    parameters = wanted.inputs.parameters
    names = [item.name or f"_{index}" for index, item in enumerate(parameters)]
    if set(inputs) != set(names):
        raise TypeError(
            f"{wanted.name} has the inputs {names}, given are {list(inputs)};"
            " to leave them open say reverts_with(error, ...)"
        )
    return [_plain(item.to_abi(inputs[name])) for name, item in zip(names, parameters, strict=True)]


def _plain(value: Any) -> Any:
    """A value in the one form in which two of them can be compared."""
    if isinstance(value, str) and is_address(value):
        return checksum(value)
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


# ---- Isolation ----------------------------------------------------------------------------------


@contextmanager
def isolated(lane: Lane) -> Iterator[None]:
    """Undo on leaving whatever happened inside: on the chain, in its time, in ape's memory of it.

    For the examples of property tests, between which nothing else is reset. May be nested.
    """
    mark = lane.snapshot()
    try:
        yield
    finally:
        lane.revert(mark)
        ape.chain.history.revert_to_block(lane.block_number)


# ---- Hypothesis ---------------------------------------------------------------------------------


def load_hypothesis_profile() -> None:
    """Choose how hard property tests try, by HYPOTHESIS_PROFILE: `dev`, `ci` or `deep`.

    Without it, `ci` where CI is set, else `dev`. No deadline: a node's answer may take its time.
    """
    for name, examples, steps in (("dev", 10, 15), ("ci", 50, 30), ("deep", 1000, 50)):
        settings.register_profile(
            name,
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow],
        )
    default = "ci" if os.environ.get("CI") else "dev"
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", default))
