"""Leasing, settling and splitting over random histories, against the reference."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from derrick.chain import Lane
from derrick.testing import isolated
from tests.property.market import MarketMachine
from tests.property.stage import Stage, project_artifacts


def test_market(lane: Lane) -> None:
    with isolated(lane):
        stage = Stage(lane, project_artifacts())
        run_state_machine_as_test(lambda: MarketMachine(stage))
        print("".join(f"{count:6} {call}\n" for call, count in sorted(stage.tally.items())))
