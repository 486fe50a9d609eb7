"""The machine finds faults: each of them, built into the real contracts, breaks its invariant."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RULE_MARKER, run_state_machine_as_test

from derrick.chain import Lane
from derrick.testing import isolated
from tests.property.invariants import InvariantBroken
from tests.property.leasing import Leasing
from tests.property.market import MarketMachine
from tests.property.mutants import CREDITING, LEASING, MUTANTS, SERVING, SLOT, Mutant, with_mutants
from tests.property.serving import Serving
from tests.property.stage import Stage, project_artifacts

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


@pytest.fixture(scope="module")
def stage(lane: Lane) -> Iterator[Stage]:
    with isolated(lane):
        yield Stage(lane, with_mutants(project_artifacts()))


def machine_for(mutant: Mutant | None) -> type[MarketMachine]:
    """The machine without those rules that have nothing to do with the fault: what is left of a
    history is the denser."""
    focus = mutant.focus if mutant else None
    away = {
        LEASING: rules_of(Serving),
        SERVING: rules_of(Leasing) - {"lease"},
        CREDITING: rules_of(*MarketMachine.__mro__) - EDITS_AND_CREDITS,
    }
    return type("Machine", (MarketMachine,), dict.fromkeys(away.get(focus, ())))


def rules_of(*machines: type) -> set[str]:
    """The rules that stand in these classes themselves."""
    members = (member for machine in machines for member in vars(machine).items())
    return {name for name, each in members if hasattr(each, RULE_MARKER)}


EDITS_AND_CREDITS = {
    "lease",
    "lease_evicting",
    "split_lease",
    "merge",
    "preempt",
    "transfer_lease",
    "claim_credit",
    "windows_pass",
    "report",
    "settle_some",
    # What every history ends with.
    "release",
    "trim",
}


def run(stage: Stage, mutant: int, config: settings = SETTINGS) -> None:
    """The machine, with one fault switched on."""
    word = f"0x{mutant:064x}"
    with isolated(stage.lane):
        for contract in (stage.engine, stage.bond, *stage.splitters.values()):
            stage.lane.node.request("anvil_setStorageAt", contract.address, hex(SLOT), word)
        stage.mark()
        machine = machine_for(MUTANTS[mutant - 1] if mutant else None)
        run_state_machine_as_test(lambda: machine(stage), settings=config)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_fault_is_found(stage: Stage, mutant: Mutant) -> None:
    with pytest.raises(InvariantBroken) as caught:
        run(stage, MUTANTS.index(mutant) + 1)
    assert caught.value.invariant in mutant.breaks, str(caught.value)


def test_nothing_is_found_where_no_fault_is(stage: Stage) -> None:
    """What is found above is the fault, not its switch."""
    run(stage, 0, settings(SETTINGS, max_examples=5))
