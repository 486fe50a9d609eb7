"""The splitter's machine finds faults: each of them, built into the real contracts, breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from ape.contracts import ContractContainer
from ethpm_types import ContractType
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from derrick.abi import Revert
from tests.property.mutants import FACTORY, SPLITTER, compile_contract, switched
from tests.property.splitter import SplitterMachine, World, make_world

SHARES = "contracts/revenue/DividendShares.sol"

SETTINGS = settings(
    # The same histories in every run: a mutant that is found once is found always.
    derandomize=True,
    database=None,
    max_examples=250,
    stateful_step_count=25,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    print_blob=False,
)

MUTANTS = {
    "shares take along what nobody has found": (
        SPLITTER,
        "amount = cameIn.zeroFloorSub(released + books.direct()).min(books.room());",
        "amount = MUTANT && msg.sig == 0xa9059cbb"
        " ? 0 : cameIn.zeroFloorSub(released + books.direct()).min(books.room());",
    ),
    "what was paid out is found again": (
        SPLITTER,
        "account.balanceOf(address(this)) + books.paid();",
        "account.balanceOf(address(this)) + (MUTANT ? 0 : books.paid());",
    ),
    "shares take dividends along": (
        SHARES,
        "_write(to, shares, _partsDue(to, account, index), index);",
        "_write(to, shares, _partsDue(to, MUTANT ? account + amount : account, index), index);",
    ),
    "a seller loses its dividends": (
        SHARES,
        "_write(from, shares - amount, _partsDue(from, account, index), index);",
        "_write(from, shares - amount, MUTANT ? 0 : _partsDue(from, account, index), index);",
    ),
    "a fraction is lost in the word": (
        SHARES,
        "uint256 rest = parts - back * shares;",
        "uint256 rest = MUTANT ? 0 : parts - back * shares;",
    ),
    "a word is taken for wide enough": (
        SHARES,
        "if ((since << SINCE_AT) >> SINCE_AT == since && rest <= MASK) {",
        "if (MUTANT || ((since << SINCE_AT) >> SINCE_AT == since && rest <= MASK)) {",
    ),
    "dues beside the word are doubled": (
        SHARES,
        "_corrections[0][holder] = int256(parts) - int256(shares * index);",
        "_corrections[0][holder] = int256(MUTANT ? 2 * parts : parts) - int256(shares * index);",
    ),
    "another token's dividends go along": (
        SHARES,
        "_corrections[token][to] -= earlier;",
        "if (!MUTANT) _corrections[token][to] -= earlier;",
    ),
    "another token's dividends can be claimed again": (
        SPLITTER,
        "_corrections[token][holder] -= int256(amountDown * SUPPLY);",
        "if (!MUTANT) _corrections[token][holder] -= int256(amountDown * SUPPLY);",
    ),
    "a claim forgets the fraction": (
        SPLITTER,
        "_write(holder, account & MASK, parts - amountDown * SUPPLY, index);",
        "_write(holder, account & MASK, MUTANT ? 0 : parts - amountDown * SUPPLY, index);",
    ),
    "a leg is rounded up": (
        SPLITTER,
        "return ((_received(token) - books.base) * account.bps) / BPS - books.paid;",
        "return ((_received(token) - books.base) * account.bps"
        " + (MUTANT ? BPS - 1 : 0)) / BPS - books.paid;",
    ),
    "a leg that ends loses what it is owed": (
        SPLITTER,
        "books.base = (_legDueDown(token, leg, account) + books.paid).toUint128();",
        "books.base = ((MUTANT ? 0 : _legDueDown(token, leg, account)) + books.paid).toUint128();",
    ),
    "a new leg has a part in the past": (
        SPLITTER,
        "_legBooks[leg][token].base = received.toUint128();",
        "if (!MUTANT) _legBooks[leg][token].base = received.toUint128();",
    ),
    "a change of legs reaches back": (
        SPLITTER,
        "_carried[token] += int256(received) * change;",
        "if (!MUTANT) _carried[token] += int256(received) * change;",
    ),
    "a fixed leg ends": (
        SPLITTER,
        "if (_legs[leg].kind == Kind.OWN) {",
        "if (_legs[leg].kind == Kind.OWN || (MUTANT && _legs[leg].kind == Kind.FIXED)) {",
    ),
    "anybody changes legs": (
        SPLITTER,
        "require(shares == SUPPLY, NotSoleHolder(msg.sender, shares, SUPPLY));",
        "require(MUTANT || shares == SUPPLY, NotSoleHolder(msg.sender, shares, SUPPLY));",
    ),
    "a claim does not pull": (
        SPLITTER,
        "if (STABLECOIN.balanceOf(address(this)) < amount) LEASE.release(CAPACITY_ID);",
        "if (STABLECOIN.balanceOf(address(this)) < amount && !MUTANT) LEASE.release(CAPACITY_ID);",
    ),
    "a claim pulls without need": (
        SPLITTER,
        "STABLECOIN.safeTransfer(to, amount);",
        "if (MUTANT) LEASE.release(CAPACITY_ID);STABLECOIN.safeTransfer(to, amount);",
    ),
}


@pytest.fixture(scope="module")
def world(project: Any, lane: Any, accounts: Any) -> World:
    artifact = compile_contract(FACTORY, switched(MUTANTS.values()))
    mutable = ContractContainer(
        ContractType.model_validate(
            {
                "contractName": "RevenueSplitterFactory",
                "abi": artifact.abi,
                "deploymentBytecode": {"bytecode": artifact.bytecode},
            }
        )
    )
    SplitterMachine.world = make_world(project, lane, accounts, mutable)
    return SplitterMachine.world


@pytest.mark.parametrize("name", MUTANTS)
def test_a_fault_is_found(world: World, name: str) -> None:
    world.fault = list(MUTANTS).index(name) + 1
    with pytest.raises((AssertionError, Revert)):
        run_state_machine_as_test(SplitterMachine, settings=SETTINGS)


def test_nothing_is_found_where_no_fault_is(world: World) -> None:
    """What is found above is the fault, not its switch."""
    world.fault = 0
    run_state_machine_as_test(SplitterMachine, settings=settings(SETTINGS, max_examples=5))
