"""The harness itself: every way to fail is told apart, on both lanes, and quickly."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import ape
import pytest
from ape.exceptions import ContractLogicError, CustomError
from ape_solidity.exceptions import SolidityRuntimeError
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from derrick.abi import Revert
from derrick.chain import Contract, Lane, Node, NodeError
from derrick.local import HOST_VARIABLE, check_node
from derrick.testing import (
    START_TIME,
    isolated,
    reverts_with,
    reverts_with_panic,
    reverts_with_reason,
    reverts_without_data,
)

STEP_MILLISECONDS = 10
"""What a stateful step of one transaction and five reads may take."""


@pytest.fixture(scope="module")
def probe(project, owner):
    return owner.deploy(project.HarnessProbe, False)


@pytest.fixture(scope="module")
def bound(lane, probe):
    return lane.contract(probe)


@pytest.fixture(scope="module", params=["ape transaction", "ape call", "transaction", "read"])
def fail(request, probe, bound, stranger):
    """Call a failing function of the probe in each of the four ways; calls have `...View` twins."""

    def run(function: str, *arguments):
        if request.param == "ape transaction":
            getattr(probe, function)(*arguments, sender=stranger)
        elif request.param == "ape call":
            getattr(probe, f"{function}View")(*arguments, sender=stranger)
        elif request.param == "transaction":
            bound.send(function, *arguments, sender=stranger)
        else:
            bound.read(f"{function}View", *arguments, sender=stranger)

    return run


class TestReverts:
    def test_custom_error_with_its_inputs(self, project, fail, stranger):
        with reverts_with(project.HarnessProbe.Refused, caller=stranger, wanted=5, available=7):
            fail("refuse", 5)

    def test_custom_error_by_signature(self, fail, stranger):
        signature = "Refused(address caller, uint256 wanted, uint256 available)"
        with reverts_with(signature, caller=stranger.address, wanted=5, available=7):
            fail("refuse", 5)

    def test_inputs_can_be_left_open(self, project, fail):
        with reverts_with(project.HarnessProbe.Refused, ...) as caught:
            fail("refuse", 5)
        assert caught.revert.inputs["wanted"] == 5

    def test_panic(self, fail):
        with reverts_with_panic(0x11):
            fail("overflow", 1)

    def test_require_string(self, fail):
        with reverts_with_reason("not fine"):
            fail("insist", False)

    def test_no_data(self, fail):
        with reverts_without_data():
            fail("silent")

    def test_ape_raises_its_own_classes(self, probe, stranger):
        with pytest.raises(CustomError, match="wanted=5"):
            probe.refuse(5, sender=stranger)
        with pytest.raises(CustomError, match="wanted=5"):
            probe.refuseView(5)
        with pytest.raises(SolidityRuntimeError, match="overflow"):
            probe.overflow(1, sender=stranger)
        with pytest.raises(SolidityRuntimeError, match="overflow"):
            probe.overflowView(1)
        with pytest.raises(ContractLogicError, match="not fine"):
            probe.insist(False, sender=stranger)

    def test_constructor(self, project, owner):
        with reverts_with(project.HarnessProbe.Refused, caller=owner, wanted=1, available=0):
            owner.deploy(project.HarnessProbe, True)

    def test_error_of_a_contract_below(self, project, probe, bound, owner, stranger):
        relay = owner.deploy(project.HarnessProbe, False)
        data = probe.refuse.encode_input(3)
        with reverts_with(project.HarnessProbe.Refused, caller=relay, wanted=3, available=7):
            relay.relay(probe, data, sender=stranger)

    def test_halt_is_named(self, bound, stranger):
        assert bound.try_send("halt", sender=stranger).kind == "halt"
        assert bound.lane.try_batch([bound.call("haltView")])[0].kind == "halt"


class TestStrictness:
    """Each of these passes with ape's own `reverts`, or would with a careless helper."""

    def test_another_error_fails(self, project, fail):
        with (
            pytest.raises(AssertionError, match=r"expected Denied\(\.\.\.\), got Refused"),
            reverts_with(project.HarnessProbe.Denied, ...),
        ):
            fail("refuse", 5)

    def test_another_input_fails(self, project, fail, stranger):
        with (
            pytest.raises(AssertionError, match="expected Refused"),
            reverts_with(project.HarnessProbe.Refused, caller=stranger, wanted=5, available=8),
        ):
            fail("refuse", 5)

    @pytest.mark.parametrize("inputs", [{}, {"wanted": 5}, {"wanted": 5, "unheard_of": 1}])
    def test_inputs_must_be_named_one_by_one(self, project, fail, inputs):
        with (
            pytest.raises(TypeError, match="Refused has the inputs"),
            reverts_with(project.HarnessProbe.Refused, **inputs),
        ):
            fail("refuse", 5)

    def test_a_require_string_is_no_custom_error(self, project, fail):
        with (
            pytest.raises(AssertionError, match="got reason 'not fine'"),
            reverts_with(project.HarnessProbe.Bare),
        ):
            fail("insist", False)

    def test_a_panic_is_no_custom_error(self, project, fail):
        with (
            pytest.raises(AssertionError, match="got panic 0x11"),
            reverts_with(project.HarnessProbe.Bare),
        ):
            fail("overflow", 1)

    def test_another_panic_fails(self, fail):
        with pytest.raises(AssertionError, match="expected panic 0x12"), reverts_with_panic(0x12):
            fail("overflow", 1)

    def test_another_reason_fails(self, fail):
        with pytest.raises(AssertionError, match="'not'"), reverts_with_reason("not"):
            fail("insist", False)

    def test_success_fails(self, project, bound, stranger):
        with (
            pytest.raises(AssertionError, match="nothing reverted"),
            reverts_with(project.HarnessProbe.Bare),
        ):
            bound.send("count", 1, sender=stranger)

    def test_a_failing_assertion_inside_stays_one(self, project):
        with pytest.raises(AssertionError, match="canary"), reverts_with(project.HarnessProbe.Bare):
            raise AssertionError("canary")


class TestIsolation:
    def test_a_failing_assertion_inside_fails(self, lane):
        with pytest.raises(AssertionError, match="canary"), isolated(lane):
            raise AssertionError("canary")

    def test_both_lanes_forget(self, lane, probe, bound, tenant):
        before = (bound.read("total"), lane.time, lane.block_number, tenant.nonce)
        known = len(ape.chain.history[tenant].sessional)
        with isolated(lane):
            probe.count(1, sender=tenant)
            bound.send("count", 2, sender=tenant, at=lane.time + 1000)
            with isolated(lane):
                probe.count(4, sender=tenant)
            assert probe.total() == bound.read("total") == before[0] + 3
            assert lane.time == before[1] + 1001
        assert (bound.read("total"), lane.time, lane.block_number, tenant.nonce) == before
        assert len(ape.chain.history[tenant].sessional) == known
        assert ape.chain.blocks.head.timestamp == before[1]
        assert not probe.count(1, sender=tenant).failed

    def test_after_a_failure_too(self, lane, bound, tenant):
        before = bound.read("total")
        with reverts_with("Bare()"), isolated(lane):
            bound.send("count", 1, sender=tenant)
            bound.send("bare", sender=tenant)
        assert bound.read("total") == before

    @pytest.mark.parametrize("turn", ["one test", "the next test"])
    def test_ape_undoes_every_test(self, bound, probe, tenant, turn):
        assert bound.read("total") == 0, turn
        bound.send("count", 1, sender=tenant)
        probe.count(1, sender=tenant)

    @given(step=st.integers(1, 100))
    def test_examples_do_not_see_each_other(self, lane, bound, tenant, step):
        with isolated(lane):
            bound.send("count", step, sender=tenant)
            assert bound.read("countOf", tenant) == step


class CounterMachine(RuleBasedStateMachine):
    """The probe's counters against a dictionary, to show how machines use the lane."""

    bound: Contract
    actors: list[Any]

    def __init__(self):
        super().__init__()
        self.mark = self.bound.lane.snapshot()
        self.counts = dict.fromkeys(range(len(self.actors)), 0)

    def teardown(self):
        self.bound.lane.revert(self.mark)

    @rule(actor=st.integers(0, 2), step=st.integers(0, 9), wait=st.integers(1, 10**6))
    def count(self, actor, step, wait):
        later = self.bound.lane.time + wait
        self.bound.send("count", step, sender=self.actors[actor], at=later)
        self.counts[actor] += step
        assert self.bound.lane.time == later

    @invariant()
    def counts_agree(self):
        reads = [self.bound.call("countOf", actor) for actor in self.actors]
        total, *counts = self.bound.lane.batch([self.bound.call("total"), *reads])
        assert counts == list(self.counts.values())
        assert total == sum(counts)


class ForgetfulMachine(CounterMachine):
    """One with a planted fault: its model forgets every nine."""

    @rule(actor=st.integers(0, 2))
    def count_nine(self, actor):
        self.bound.send("count", 9, sender=self.actors[actor])


class TestMachines:
    @pytest.fixture
    def machine(self, bound, tenant, lender, operator):
        """The machine class given, bound to this module's probe."""
        actors = [tenant, lender, operator]

        def bind(kind):
            return type(kind.__name__, (kind,), {"bound": bound, "actors": actors})

        return bind

    def test_model_and_chain_agree(self, machine, bound):
        run_state_machine_as_test(machine(CounterMachine))
        assert bound.read("total") == 0

    def test_a_planted_fault_is_found(self, machine):
        with pytest.raises(AssertionError):
            run_state_machine_as_test(machine(ForgetfulMachine))


@dataclass
class Inner:
    who: str
    amount: int


class TestLane:
    def test_events(self, bound, tenant):
        receipt = bound.send("count", 3, sender=tenant)
        counted = receipt.event("Counted")
        assert (counted.caller, counted.step) == (tenant.address, 3)
        assert counted.inner.amount == counted.total == bound.read("total")
        assert [event.address for event in receipt.events] == [bound.address]
        with pytest.raises(LookupError, match="0 events Refunded"):
            receipt.event("Refunded")

    def test_structs_go_in_as_dicts_dataclasses_and_tuples(self, bound, tenant, lender):
        first, rest = Inner(tenant.address, 1), [(lender, 2), {"who": tenant, "amount": 3}]
        outer = {"id": b"\x01" * 32, "first": first, "rest": rest, "note": "a note"}
        echoed = bound.read("echo", outer)
        assert echoed.id == b"\x01" * 32
        assert echoed.first == (tenant.address, 1)
        assert [inner.amount for inner in echoed.rest] == [2, 3]
        assert echoed.rest[0].who == lender.address
        assert bound.read("echo", echoed) == echoed
        with pytest.raises(ValueError, match="Outer: fields"):
            bound.read("echo", {**outer, "misspelt": 1})

    def test_several_results_have_names(self, bound):
        assert bound.read("pair", [5, 6])._asdict() == {"low": 5, "high": 6}

    def test_overloads_are_told_apart_by_signature(self, bound):
        assert bound.read("twice(uint256)", 4) == 8
        assert bound.read("twice(string)", "ab") == "abab"
        with pytest.raises(AttributeError, match=r"twice\(uint256\), twice\(string\)"):
            bound.read("twice", 4)

    def test_wrong_calls_are_refused(self, bound, lane, stranger):
        with pytest.raises(AttributeError, match="known are"):
            bound.read("no_such_function")
        with pytest.raises(TypeError, match="was given 2 arguments"):
            bound.read("refuseView", 1, 2)
        nowhere = lane.contract(([{"type": "function", "name": "total", "outputs": [
            {"type": "uint256", "name": ""}]}], stranger.address))  # fmt: skip
        with pytest.raises(NodeError, match="no contract at"):
            nowhere.read("total")

    def test_batches_keep_order_and_failures(self, lane, bound, tenant):
        bound.send("count", 2, sender=tenant)
        calls = [bound.call("twice(uint256)", n) for n in range(30)]
        assert lane.batch(calls) == [2 * n for n in range(30)]
        assert lane.batch([]) == []
        outcomes = lane.try_batch([bound.call("total"), bound.call("overflowView", 1)])
        assert outcomes[0] == bound.read("total")
        assert outcomes[1].inputs == {"code": 0x11}
        with reverts_with_panic(0x11):
            lane.batch([bound.call("total"), bound.call("overflowView", 1)])

    def test_a_failed_transaction_changes_nothing(self, bound, tenant):
        before = bound.read("total")
        outcome = bound.try_send("refuse", 9, sender=tenant)
        assert isinstance(outcome, Revert)
        assert str(outcome).startswith(f"Refused(caller='{tenant.address}', wanted=9, available=7)")
        assert "HarnessProbe.refuse(9)" in outcome.where
        assert bound.read("total") == before

    def test_value_and_any_sender(self, lane, bound):
        somebody = "0x00000000000000000000000000000000C0FfEE00"
        lane.set_balance(somebody, 10**18)
        bound.send("count", 1, sender=somebody, value=10**17)
        assert lane.balance(somebody) == 9 * 10**17
        assert lane.balance(bound) == 10**17
        assert bound.read("countOf", somebody) == 1

    def test_time_is_absolute_and_steady(self, lane, bound, probe, tenant):
        start = lane.time
        assert start >= START_TIME
        bound.send("count", 1, sender=tenant)
        probe.count(1, sender=tenant)
        assert lane.time == bound.read("time") == start + 2
        bound.send("count", 1, sender=tenant, at=start + 500)
        assert lane.time == start + 500
        lane.mine(at=start + 900)
        assert bound.read("time") == start + 900
        with pytest.raises(NodeError, match="evm_setNextBlockTimestamp: Timestamp error"):
            lane.set_next_time(start)

    def test_no_node_is_said_in_one_line(self):
        with pytest.raises(NodeError, match="no answer from the node"):
            Lane(Node("http://127.0.0.1:1"))
        with pytest.raises(NodeError, match="must be http://host:port"):
            Node("127.0.0.1:8545")

    def test_a_taken_port_is_said_in_one_line(self, lane, monkeypatch):
        with socket.create_server(("127.0.0.1", 0)) as server:
            monkeypatch.setenv(HOST_VARIABLE, f"http://127.0.0.1:{server.getsockname()[1]}")
            with pytest.raises(NodeError, match="taken by something else, not anvil"):
                check_node()
        monkeypatch.setenv(HOST_VARIABLE, lane.node.url)
        check_node()

    def test_a_missing_anvil_is_said_in_one_line(self, monkeypatch):
        monkeypatch.setenv("PATH", "")
        with pytest.raises(NodeError, match="no anvil"):
            check_node()

    def test_a_step_is_quick(self, lane, bound, tenant, lender):
        """The best of a few rounds: other load on the machine says nothing about the harness."""

        def step() -> float:
            start = time.perf_counter()
            bound.send("count", 1, sender=tenant)
            lane.batch(
                [
                    bound.call("total"),
                    bound.call("countOf", tenant),
                    bound.call("countOf", lender),
                    bound.call("pair", [1, 2]),
                    bound.call("time"),
                ]
            )
            return 1000 * (time.perf_counter() - start)

        best = min(median(step() for _ in range(20)) for _ in range(5))
        assert best <= STEP_MILLISECONDS
