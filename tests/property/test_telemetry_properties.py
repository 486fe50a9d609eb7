"""The telemetry oracle against its plain Python counterpart: random trees, quorums and times."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest
from eth_account import Account
from eth_utils import keccak
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from derrick.abi import Revert
from derrick.chain import Contract
from derrick.telemetry import (
    Attestation,
    Report,
    ReportTree,
    SetRules,
    Status,
    TelemetryError,
    TelemetryRoot,
    attest,
    check_quorum,
)
from derrick.testing import START_TIME, isolated

HOUR, DAY = 3_600, 86_400
MAX_UINT = 2**256 - 1
URI = "ipfs://reports"
KEYS = sorted(
    (Account.from_key(keccak(text=f"attestor {i}")) for i in range(5)),
    key=lambda key: int(key.address, 16),
)
FOREIGN = [Account.from_key(keccak(text=f"foreigner {i}")) for i in range(3)]
MEMBERS = [key.address for key in KEYS]
# Set 1 has short deadlines, set 2 ones that outlast several windows, set 3 the widest windows.
RULES = {
    1: SetRules(1, DAY, 6 * HOUR, 12 * HOUR),
    2: SetRules(3, 6 * HOUR, 2 * DAY, DAY),
    3: SetRules(5, 30 * DAY, HOUR, HOUR),
}
WINDOW = RULES[1].window_of(START_TIME) + 1

bps = st.integers(0, 10_000)
report_values = st.builds(
    Report,
    capacity=st.integers(0, 12) | st.integers(0, MAX_UINT),
    epoch=st.integers(0, 12) | st.integers(0, 2**32 - 1),
    uptime_bps=bps,
    load_bps=bps,
    energy_wh=st.integers(0, 2**64 - 1),
    curtailed=st.booleans(),
)
report_lists = st.integers(1, 200).flatmap(
    lambda size: st.lists(
        report_values,
        min_size=size,
        max_size=size,
        unique_by=lambda report: (report.capacity, report.epoch),
    )
)


@pytest.fixture(scope="module")
def oracle(project, lane, owner) -> Contract:
    """An oracle with the sets of RULES, all of the same members."""
    oracle = lane.contract(owner.deploy(project.TelemetryOracle, owner))
    for rules in RULES.values():
        oracle.send("createSet", MEMBERS, rules.as_tuple(), sender=owner)
    return oracle


@pytest.fixture(scope="module")
def chain_id(chain) -> int:
    return chain.chain_id


def post(oracle: Contract, statement: TelemetryRoot, attestations, at: int):
    """The receipt, or the revert."""
    return oracle.try_send(
        "postRoot",
        statement.set_id,
        statement.window,
        statement.root,
        statement.leaves_uri,
        attestations,
        sender=MEMBERS[0],
        at=at,
    )


# --- trees ---


@given(reports=report_lists, data=st.data())
def test_every_proof_verifies_and_no_tampered_one(oracle, lane, chain_id, reports, data):
    tree = ReportTree.of(reports)
    statement = TelemetryRoot(chain_id, oracle.address, 1, WINDOW, tree.root, URI)
    end = RULES[1].ends_at(WINDOW)
    picked = data.draw(st.sampled_from(reports))
    proof = tree.proof(picked)
    with isolated(lane):
        post(oracle, statement, attest(statement, KEYS[:1]), at=end)
        assert oracle.read("rootOf", 1, WINDOW) == tree.root
        lane.batch(
            oracle.call("verify", 1, end, report.as_tuple(), tree.proof(report))
            for report in reports
        )
        assert oracle.read("leafOf", picked.as_tuple()) == picked.leaf

        changes = [
            {"uptime_bps": (picked.uptime_bps + 1) % 10_001},
            {"load_bps": (picked.load_bps + 1) % 10_001},
            {"energy_wh": picked.energy_wh ^ 1},
            {"curtailed": not picked.curtailed},
            {"capacity": picked.capacity ^ 1},
            {"epoch": picked.epoch ^ 1},
        ]
        forgeries = [(replace(picked, **change), proof) for change in changes]
        paths = [[*proof, data.draw(st.binary(min_size=32, max_size=32))], [*proof, picked.leaf]]
        if proof:
            at = data.draw(st.integers(0, len(proof) - 1))
            bit = 1 << data.draw(st.integers(0, 255))
            changed = (int.from_bytes(proof[at], "big") ^ bit).to_bytes(32, "big")
            paths += [[*proof[:at], *proof[at + 1 :]], [*proof[:at], changed, *proof[at + 1 :]]]
        forgeries += [(picked, path) for path in paths]
        outcomes = lane.try_batch(
            oracle.call("verify", 1, end, report.as_tuple(), path) for report, path in forgeries
        )
        for (report, _), outcome in zip(forgeries, outcomes, strict=True):
            assert isinstance(outcome, Revert)
            assert (outcome.name, outcome.inputs["leaf"]) == ("NotInRoot", report.leaf)


@given(
    set_id=st.integers(0, MAX_UINT),
    window=st.integers(0, MAX_UINT),
    root=st.binary(min_size=32, max_size=32),
    uri=st.text(max_size=200),
)
def test_the_contract_and_wallets_hash_the_same_words(oracle, chain_id, set_id, window, root, uri):
    statement = TelemetryRoot(chain_id, oracle.address, set_id, window, root, uri)
    assert oracle.read("digestOf", set_id, window, root, uri) == statement.digest()


@given(
    length=st.integers(HOUR, 30 * DAY),
    posting=st.integers(HOUR, 30 * DAY),
    reveal=st.integers(HOUR, 30 * DAY),
    count=st.integers(1, 5),
    data=st.data(),
)
def test_an_end_has_one_window(oracle, lane, owner, length, posting, reveal, count, data):
    rules = SetRules(data.draw(st.integers(1, count)), length, posting, reveal)
    near = st.builds(lambda k, d: max(1, k * length + d), st.integers(0, 10**6), st.integers(-2, 2))
    ends = data.draw(st.lists(near | st.integers(1, MAX_UINT), min_size=1, max_size=10))
    with isolated(lane):
        oracle.send("createSet", MEMBERS[:count], rules.as_tuple(), sender=owner)
        members, config = oracle.read("setOf", 4)
        assert (list(members), tuple(config)) == (MEMBERS[:count], rules.as_tuple())
        windows = lane.batch(oracle.call("windowOf", 4, end) for end in ends)
    for end, window in zip(ends, windows, strict=True):
        assert window * length < end <= (window + 1) * length
        assert window == rules.window_of(end)


# --- quorums ---


@st.composite
def quorums(draw, statement: TelemetryRoot, threshold: int):
    """Attestations, most of them good: some too few, foreign, forged, twice, or out of order."""
    unique = draw(st.integers(0, 3)) > 0
    signers = draw(
        st.lists(st.sampled_from(KEYS), min_size=max(1, threshold - 1), max_size=6, unique=unique)
    )
    if draw(st.integers(0, 4)) == 0:
        signers.append(draw(st.sampled_from(FOREIGN)))
    if draw(st.integers(0, 4)) > 0:
        signers.sort(key=lambda key: int(key.address, 16))
    attestations = [attest(statement, [signer])[0] for signer in signers]
    if draw(st.integers(0, 4)) == 0:
        victim = draw(st.integers(0, len(attestations) - 1))
        forged = [
            b"",
            bytes(65),
            attest(statement, FOREIGN[:1])[0].signature,
            attest(replace(statement, set_id=9), [signers[victim]])[0].signature,
        ]
        attestations[victim] = Attestation(
            attestations[victim].signer, draw(st.sampled_from(forged))
        )
    return attestations


def verdict(statement: TelemetryRoot, attestations, threshold: int):
    """What the oracle must say, in plain words: an error and its subject, or None."""
    if len(attestations) < threshold:
        return ("QuorumNotReached", {"given": len(attestations), "needed": threshold})
    last = 0
    for index, (signer, signature) in enumerate(attestations):
        if int(signer, 16) <= last:
            return ("SignersNotOrdered", {"index": index, "signer": signer})
        if signer not in MEMBERS:
            return ("NotAttestor", {"setId": statement.set_id, "signer": signer})
        key = next(key for key in KEYS if key.address == signer)
        if signature != attest(statement, [key])[0].signature:
            return ("BadSignature", {"signer": signer})
        last = int(signer, 16)
    return None


@given(data=st.data(), set_id=st.sampled_from([1, 2, 3]), root=st.binary(min_size=32, max_size=32))
def test_a_quorum_is_judged_as_the_model_does(oracle, lane, chain_id, data, set_id, root):
    rules = RULES[set_id]
    window = rules.window_of(START_TIME) + 1
    # A root of zero means none.
    root = root if any(root) else b"\1" * 32
    statement = TelemetryRoot(chain_id, oracle.address, set_id, window, root, URI)
    attestations = data.draw(quorums(statement, rules.threshold))
    expected = verdict(statement, attestations, rules.threshold)
    with isolated(lane):
        outcome = post(oracle, statement, attestations, at=rules.ends_at(window))
        standing = oracle.read("rootOf", set_id, window)
    if expected is None:
        assert not isinstance(outcome, Revert), outcome
        assert standing == root
        check_quorum(statement, attestations, MEMBERS, rules.threshold)
        return
    assert isinstance(outcome, Revert)
    assert (outcome.name, outcome.inputs) == expected
    assert standing == bytes(32)
    with pytest.raises(TelemetryError):
        check_quorum(statement, attestations, MEMBERS, rules.threshold)


# --- time ---


class OracleInTime(RuleBasedStateMachine):
    """Roots come early, in time, late and twice, while time runs, often to the very second."""

    def __init__(self, oracle: Contract, chain_id: int) -> None:
        super().__init__()
        self.oracle = oracle
        self.lane = oracle.lane
        self.chain_id = chain_id
        self.scope = ExitStack()
        self.scope.enter_context(isolated(self.lane))
        self.roots: dict[tuple[int, int], ReportTree] = {}
        self.final: dict[tuple[int, int], Status] = {}
        self.ends: list[tuple[int, int]] = []
        self.now = 0

    def teardown(self) -> None:
        self.scope.close()

    @initialize()
    def begin(self) -> None:
        self.now = self.lane.time
        for set_id, rules in RULES.items():
            first = rules.window_of(self.now)
            for window in range(first, first + 3):
                self.ends += [
                    (set_id, rules.ends_at(window - 1) + 1),
                    (set_id, rules.ends_at(window)),
                ]

    def move(self, to: int) -> None:
        """To that time, or to the next second if it has passed."""
        self.now = max(self.now + 1, to)

    @rule(data=st.data(), early=st.sampled_from([-1, 0, 0, 1]))
    def wait_for_a_deadline(self, data, early: int) -> None:
        deadlines = sorted(
            moment + early
            for set_id, end in self.ends
            for rules in [RULES[set_id]]
            for window in [rules.window_of(end)]
            for moment in (
                rules.ends_at(window),
                rules.posting_ends_at(window),
                rules.reveal_ends_at(window),
            )
            if moment + early > self.now
        )
        if deadlines:
            self.move(data.draw(st.sampled_from(deadlines[:3])))
            self.lane.mine(at=self.now)

    @rule(seconds=st.integers(1, 3 * DAY))
    def wait(self, seconds: int) -> None:
        self.move(self.now + seconds)
        self.lane.mine(at=self.now)

    @rule(
        data=st.data(),
        seed=st.integers(0, 10_000),
        shift=st.sampled_from([-1, 0, 0, 0, 1]),
        moment=st.sampled_from(["now", "ends_at", "posting_ends_at"]),
        early=st.sampled_from([-1, 0]),
    )
    def post_a_root(self, data, seed: int, shift: int, moment: str, early: int) -> None:
        set_id, end = data.draw(st.sampled_from(self.ends))
        rules = RULES[set_id]
        window = rules.window_of(end) + shift
        tree = ReportTree.of(Report(i + 1, seed, 10_000 - i, seed, i) for i in range(3))
        statement = TelemetryRoot(
            self.chain_id, self.oracle.address, set_id, window, tree.root, URI
        )
        self.move(0 if moment == "now" else getattr(rules, moment)(window) + early)
        outcome = post(
            self.oracle, statement, attest(statement, KEYS[: rules.threshold]), at=self.now
        )
        if self.now < rules.ends_at(window):
            expected = "WindowOpen"
        elif self.now >= rules.posting_ends_at(window):
            expected = "WindowClosed"
        else:
            expected = "RootExists" if (set_id, window) in self.roots else None
        if expected is None:
            assert not isinstance(outcome, Revert), outcome
            self.roots[set_id, window] = tree
        else:
            assert isinstance(outcome, Revert)
            assert outcome.name == expected

    @precondition(lambda self: self.roots)
    @rule(data=st.data())
    def replace_a_root(self, data) -> None:
        set_id, window = data.draw(st.sampled_from(sorted(self.roots)))
        statement = TelemetryRoot(
            self.chain_id, self.oracle.address, set_id, window, keccak(text="other"), URI
        )
        self.move(0)
        outcome = post(self.oracle, statement, attest(statement, KEYS), at=self.now)
        closed = self.now >= RULES[set_id].posting_ends_at(window)
        assert isinstance(outcome, Revert)
        assert outcome.name == ("WindowClosed" if closed else "RootExists")

    @invariant()
    def every_end_stands_as_in_the_model(self) -> None:
        statuses = self.lane.batch(
            self.oracle.call("statusOf", set_id, end) for set_id, end in self.ends
        )
        for (set_id, end), status in zip(self.ends, statuses, strict=True):
            rules = RULES[set_id]
            has_root = (set_id, rules.window_of(end)) in self.roots
            assert status == rules.status(self.now, end, has_root)
            # What can be settled without a report can never be settled with one again.
            if (set_id, end) in self.final:
                assert status == self.final[set_id, end]
            if status in (Status.MISSING, Status.BLACKOUT):
                self.final[set_id, end] = Status(status)

    @invariant()
    def reports_verify_exactly_where_the_status_says_so(self) -> None:
        calls = []
        for set_id, end in self.ends:
            tree = self.roots.get((set_id, RULES[set_id].window_of(end)))
            report = tree.reports[0] if tree else Report(1, 1, 1, 1, 1)
            proof = tree.proof(report) if tree else []
            calls += [
                self.oracle.call("statusOf", set_id, end),
                self.oracle.call("verify", set_id, end, report.as_tuple(), proof),
            ]
        answers = self.lane.try_batch(calls)
        refusals = {
            Status.PENDING: "NoRoot",
            Status.BLACKOUT: "NoRoot",
            Status.MISSING: "RevealClosed",
        }
        for status, shown in zip(answers[::2], answers[1::2], strict=True):
            if status == Status.REPORTED:
                assert shown is None
            else:
                assert isinstance(shown, Revert)
                assert shown.name == refusals[Status(status)]


def test_the_oracle_keeps_its_word_through_time(oracle, chain_id):
    run_state_machine_as_test(lambda: OracleInTime(oracle, chain_id))
