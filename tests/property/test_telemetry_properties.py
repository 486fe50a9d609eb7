"""The telemetry oracle against its plain Python counterpart: random trees, quorums and times."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace

import pytest
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
    sort_attestations,
)
from derrick.telemetry_model import Refusal, SetModel, Version, WindowModel
from derrick.testing import START_TIME, isolated
from tests.oracle_stage import DAY, HOUR, MAX_UINT, compact, key, rising, twin

URI = "ipfs://reports"
KEYS = rising(key(f"attestor {i}") for i in range(7))
BY_ADDRESS = {k.address: k for k in KEYS}
FOREIGN = [key(f"foreigner {i}") for i in range(3)]
MEMBERS = [k.address for k in KEYS[:5]]
# Set 1 has short deadlines, set 2 ones that outlast several windows, set 3 the widest windows.
RULES = {
    1: SetRules(DAY, 12 * HOUR, 6 * HOUR, 12 * HOUR, 2_500, 2, DAY),
    2: SetRules(6 * HOUR, 2 * DAY, DAY, DAY, 5_000, 3, HOUR),
    3: SetRules(30 * DAY, 20 * DAY, HOUR, HOUR, 10_000, 1, 30 * DAY),
}
THRESHOLDS = {1: 1, 2: 3, 3: 5}
WINDOW = RULES[1].window_of(START_TIME) + 1

bps = st.integers(0, 10_000)
report_values = st.builds(
    Report,
    capacity=st.integers(0, 12) | st.integers(0, MAX_UINT),
    epoch=st.integers(0, 12) | st.integers(0, 2**24 - 1),
    uptime_bps=bps,
    load_bps=bps,
    energy_wh=st.integers(0, 2**48 - 1),
    curtailed=st.booleans(),
)
report_lists = st.integers(1, 100).flatmap(
    lambda size: st.lists(
        report_values,
        min_size=size,
        max_size=size,
        unique_by=lambda report: (report.capacity, report.epoch),
    )
)
roots = st.binary(min_size=32, max_size=32)
counts = st.integers(0, 2**32 - 1)
counts_of_few = st.tuples(st.integers(0, 12), st.integers(0, 12))


@pytest.fixture(scope="module")
def oracle(project, lane, owner, guardian) -> Contract:
    """An oracle with the sets of RULES, all of the same members."""
    oracle = lane.contract(owner.deploy(project.TelemetryOracle, owner))
    for set_id, rules in RULES.items():
        oracle.send("createSet", MEMBERS, THRESHOLDS[set_id], rules.as_tuple(), sender=owner)
    oracle.send("setGuardian", guardian, sender=owner)
    return oracle


@pytest.fixture(scope="module")
def probe(project, lane, owner) -> Contract:
    return lane.contract(owner.deploy(project.ReportProbe))


@pytest.fixture(scope="module")
def chain_id(chain) -> int:
    return chain.chain_id


def post(oracle: Contract, statement: TelemetryRoot, attestations, at: int):
    """The receipt, or the revert."""
    return oracle.try_send("postRoot", statement.as_tuple(), attestations, sender=MEMBERS[0], at=at)


def seen(outcome) -> Refusal | None:
    """What an outcome says, as the model says it."""
    if not isinstance(outcome, Revert):
        return None
    return (outcome.name, dict(outcome.inputs))


# --- trees ---


@given(reports=report_lists, data=st.data())
def test_every_proof_leads_to_the_root_and_no_tampered_one(probe, lane, reports, data):
    tree = ReportTree.of(reports)
    picked = data.draw(st.sampled_from(reports))
    proof = tree.proof(picked)
    found = lane.batch(
        probe.call("rootOf", report.as_tuple(), tree.proof(report)) for report in reports
    )
    assert set(found) == {tree.root}
    assert probe.read("leafOf", picked.as_tuple()) == picked.leaf

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
    for report, path in forgeries:
        # The probe's root is cut to what the oracle keeps, and still another.
        assert probe.read("rootOf", report.as_tuple(), path)[:27] != tree.root[:27]
        assert not probe.read("verify", tree.root, report.as_tuple(), path)


@given(reports=report_lists, data=st.data())
def test_any_reports_are_proved_together_and_in_the_order_of_settlement(probe, reports, data):
    tree = ReportTree.of(reports)
    picked = data.draw(st.lists(st.sampled_from(reports), min_size=1, unique=True))
    many = tree.multiproof(picked)
    assert many.reports == sorted(picked, key=lambda report: (report.epoch, report.capacity))
    assert probe.read("rootOfMany", *many.as_arguments()[1:]) == tree.root
    assert probe.read("verifyMany", *many.as_arguments())

    at = data.draw(st.integers(0, len(picked) - 1))
    forged = list(many.reports)
    forged[at] = replace(forged[at], energy_wh=forged[at].energy_wh ^ 1)
    assert not probe.read("verifyMany", *many._replace(reports=forged).as_arguments())
    if many.flags:
        flip = data.draw(st.integers(0, len(many.flags) - 1))
        flags = [flag != (index == flip) for index, flag in enumerate(many.flags)]
        arguments = many._replace(flags=flags).as_arguments()
        assert not probe.read("verifyMany", *arguments)


@given(
    set_id=st.integers(0, MAX_UINT),
    window=st.integers(0, MAX_UINT),
    root=roots,
    uri=st.text(max_size=200),
    capacities=counts,
    penalized=counts,
    attempt=st.integers(0, 255),
)
def test_the_contract_and_wallets_hash_the_same_words(
    oracle, chain_id, set_id, window, root, uri, capacities, penalized, attempt
):
    statement = TelemetryRoot(
        chain_id, oracle.address, set_id, window, root, capacities, penalized, uri, attempt
    )
    assert oracle.read("digestOf", statement.as_tuple()) == statement.digest()


period = st.integers(HOUR, 30 * DAY)


@given(
    rules=st.builds(
        SetRules,
        window_length=period,
        posting_period=period,
        finality_delay=period,
        reveal_period=period,
        mass_share_bps=st.integers(1, 10_000),
        mass_minimum=st.integers(1, 65_535),
        mass_delay=period,
    ),
    count=st.integers(1, 5),
    data=st.data(),
)
def test_an_end_has_one_window(oracle, lane, owner, rules, count, data):
    length = rules.window_length
    threshold = data.draw(st.integers(1, count))
    near = st.builds(lambda k, d: max(1, k * length + d), st.integers(0, 10**6), st.integers(-2, 2))
    ends = data.draw(st.lists(near | st.integers(1, MAX_UINT), min_size=1, max_size=10))
    with isolated(lane):
        oracle.send("createSet", MEMBERS[:count], threshold, rules.as_tuple(), sender=owner)
        members, read_threshold, config = oracle.read("setOf", 4)
        assert (list(members), read_threshold) == (MEMBERS[:count], threshold)
        assert tuple(config) == rules.as_tuple()
        periods = tuple(oracle.read("periodsOf", 4))
        assert periods == (length, rules.reveal_span, rules.reveal_period)
        windows = lane.batch(oracle.call("windowOf", 4, end) for end in ends)
    for end, window in zip(ends, windows, strict=True):
        assert window * length < end <= (window + 1) * length
        assert window == rules.window_of(end)


# --- quorums ---


def forgeries(statement: TelemetryRoot, signer) -> list[bytes]:
    """What might pass for a signature of a member and is none."""
    good = attest(statement, [signer])[0].signature
    return [
        b"",
        bytes(65),
        good[:64],
        twin(good),
        attest(statement, FOREIGN[:1])[0].signature,
        attest(replace(statement, set_id=9), [signer])[0].signature,
        attest(replace(statement, attempt=1 - statement.attempt), [signer])[0].signature,
    ]


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
        signers = rising(signers)
    attestations = [attest(statement, [signer])[0] for signer in signers]
    if draw(st.integers(0, 4)) == 0:
        victim = draw(st.integers(0, len(attestations) - 1))
        forged = draw(st.sampled_from(forgeries(statement, signers[victim])))
        attestations[victim] = Attestation(attestations[victim].signer, forged)
    if draw(st.booleans()):
        short = draw(st.integers(0, len(attestations) - 1))
        if len(attestations[short].signature) == 65:
            signer, signature = attestations[short]
            attestations[short] = Attestation(signer, compact(signature))
    return attestations


def verdict(
    statement: TelemetryRoot, attestations: list[Attestation], version: Version
) -> Refusal | None:
    """What the oracle must say of signatures, in plain words."""
    if len(attestations) < version.threshold:
        given = len(attestations)
        return ("QuorumNotReached", {"given": given, "needed": version.threshold})
    last = 0
    for index, (signer, signature) in enumerate(attestations):
        if int(signer, 16) <= last:
            return ("SignersNotOrdered", {"index": index, "signer": signer})
        if signer not in version.members:
            return ("NotAttestor", {"setId": statement.set_id, "signer": signer})
        good = attest(statement, [BY_ADDRESS[signer]])[0].signature
        if signature not in (good, compact(good)):
            return ("BadSignature", {"signer": signer})
        last = int(signer, 16)
    return None


@given(data=st.data(), set_id=st.sampled_from([1, 2, 3]), root=roots)
def test_a_quorum_is_judged_as_the_model_does(oracle, lane, chain_id, data, set_id, root):
    rules = RULES[set_id]
    window = rules.window_of(START_TIME) + 1
    # Of a root of zeros nothing would stand.
    root = root if any(root[:27]) else b"\1" * 32
    statement = TelemetryRoot(chain_id, oracle.address, set_id, window, root, 5, 1, URI)
    attestations = data.draw(quorums(statement, THRESHOLDS[set_id]))
    expected = verdict(statement, attestations, Version(0, tuple(MEMBERS), THRESHOLDS[set_id]))
    with isolated(lane):
        outcome = post(oracle, statement, attestations, at=rules.ends_at(window))
        of_digest = oracle.call("requireQuorum", set_id, statement.digest(), attestations)
        (viewed,) = lane.try_batch([of_digest])
        standing, final_at = oracle.read("standingRootOf", set_id, window)
    assert seen(outcome) == seen(viewed) == expected
    if expected is None:
        assert (standing, final_at) == (root[:27], rules.final_at(rules.ends_at(window)))
        check_quorum(statement, attestations, MEMBERS, THRESHOLDS[set_id])
        return
    assert (standing, final_at) == (bytes(27), 0)
    with pytest.raises(TelemetryError):
        check_quorum(statement, attestations, MEMBERS, THRESHOLDS[set_id])


# --- time ---


class OracleInTime(RuleBasedStateMachine):
    """Roots come early, in time, late and twice, are vetoed and waived, and members change, while
    time runs, often to the very second."""

    def __init__(self, oracle: Contract, chain_id: int, owner, guardian) -> None:
        super().__init__()
        self.oracle = oracle
        self.lane = oracle.lane
        self.chain_id = chain_id
        self.owner, self.guardian = owner, guardian
        self.scope = ExitStack()
        self.scope.enter_context(isolated(self.lane))
        self.sets = {
            set_id: SetModel(set_id, rules, MEMBERS, THRESHOLDS[set_id])
            for set_id, rules in RULES.items()
        }
        self.watched: list[WindowModel] = []
        self.settled: dict[tuple[int, int], Status] = {}
        self.now = 0

    def teardown(self) -> None:
        self.scope.close()

    @initialize()
    def begin(self) -> None:
        self.now = self.lane.time
        self.watch_what_comes()

    # ---- Time -----------------------------------------------------------------------------------

    def move(self, to: int) -> None:
        """To that time, or to the next second if it has passed."""
        self.now = max(self.now + 1, to)

    def turns(self, window: WindowModel) -> list[int]:
        """When something about a window changes by itself."""
        rules, number = window.rules, window.window
        turns = [rules.ends_at(number), rules.posting_ends(number), rules.repost_ends(number)]
        turns += [rules.reveal_ends(number), rules.late_ends(number)]
        return turns + ([window.final_at, window.held_until] if window.root else [])

    @rule(data=st.data(), early=st.sampled_from([-1, 0, 0, 1]))
    def wait_for_a_turn(self, data, early: int) -> None:
        turns = {turn + early for window in self.watched for turn in self.turns(window)}
        turns |= {
            version.holds_from + early
            for attestors in self.sets.values()
            for version in attestors.versions
        }
        coming = sorted(turn for turn in turns if turn > self.now)
        if coming:
            self.move(data.draw(st.sampled_from(coming[:2])))
            self.lane.mine(at=self.now)

    @rule(seconds=st.integers(1, 3 * HOUR) | st.integers(1, 3 * DAY))
    def wait(self, seconds: int) -> None:
        self.move(self.now + seconds)
        self.lane.mine(at=self.now)

    def draw_moment(self, data, window: WindowModel) -> None:
        """Now, or as soon as a turn of the window, or a second before it; once it has ended."""
        coming = sorted(turn for turn in self.turns(window) if turn > self.now)[:2]
        moments = [turn + early for turn in coming for early in (-1, 0)]
        soon = [self.now + 1] * 8 if self.now >= window.ends_at else [window.ends_at] * 3
        self.move(data.draw(st.sampled_from([*soon, *moments])))

    def watch_what_comes(self) -> None:
        """The window of each set that ended last and the one that runs, while there is room."""
        for attestors in self.sets.values():
            running = attestors.rules.window_of(self.now + 1)
            for number in (running - 1, running):
                window = attestors.window(number)
                if window not in self.watched and len(self.watched) < 18:
                    self.watched.append(window)

    def draw_window(self, data, fit) -> WindowModel:
        """One that fits what is to be done, most often, if there is one."""
        fitting = sorted(filter(fit, self.watched), key=lambda window: window.ends_at)[:5]
        return data.draw(st.sampled_from([*fitting * 8, *self.watched]))

    # ---- What is done ---------------------------------------------------------------------------

    def is_open(self, window: WindowModel) -> bool:
        return window.root is None and self.now + 1 < window.posting_ends

    @rule(data=st.data(), seed=st.integers(0, 10_000), counts=counts_of_few)
    def post_a_root(self, data, seed: int, counts: tuple[int, int]) -> None:
        self.watch_what_comes()
        window = self.draw_window(data, self.is_open)
        self.bring(data, window, keccak(text=str(seed)), (max(*counts, 1), min(counts)), True)

    @precondition(lambda self: any(self.is_open(w) and w.vetoes for w in self.watched))
    @rule(data=st.data(), seed=st.integers(0, 10_000), counts=counts_of_few)
    def post_after_a_veto(self, data, seed: int, counts: tuple[int, int]) -> None:
        window = next(w for w in self.watched if self.is_open(w) and w.vetoes)
        self.bring(data, window, keccak(text=str(seed)), (max(*counts, 1), min(counts)), True)

    @rule(data=st.data(), seed=st.integers(0, 9), counts=counts_of_few)
    def post_something_odd(self, data, seed: int, counts: tuple[int, int]) -> None:
        root = keccak(text=str(seed)) if seed else bytes(27) + b"\1" * 5
        self.bring(data, self.draw_window(data, self.is_open), root, counts, False)

    def bring(
        self, data, window: WindowModel, root: bytes, counts: tuple[int, int], in_order: bool
    ) -> None:
        """In order: counts, attempt and signers are those that are due; the time may not be."""
        self.draw_moment(data, window)
        attestors = self.sets[window.set_id]
        attempt = min(window.vetoes, 1) if in_order else data.draw(st.integers(0, 2))
        statement = TelemetryRoot(
            self.chain_id,
            self.oracle.address,
            window.set_id,
            window.window,
            root,
            *counts,
            URI,
            attempt,
        )
        at_end = attestors.in_force(window.ends_at)
        signing = at_end if in_order else data.draw(st.sampled_from(attestors.versions))
        signers = [BY_ADDRESS[member] for member in signing.members][: signing.threshold]
        attestations = sort_attestations(attest(statement, signers))
        outcome = post(self.oracle, statement, attestations, at=self.now)
        expected = window.refusal_of_post(self.now, statement)
        expected = expected or verdict(statement, attestations, at_end)
        assert seen(outcome) == expected
        if expected is None:
            window.post(self.now, statement)
            final_at = window.rules.final_at(self.now)
            event = outcome.event("RootPosted")
            assert (event.root, event.finalAt) == (root, final_at)
            assert (event.capacities, event.penalized) == counts

    @precondition(lambda self: any(window.root for window in self.watched))
    @rule(data=st.data())
    def veto(self, data) -> None:
        window = self.draw_window(data, lambda w: self.now + 1 < w.final_at)
        self.draw_moment(data, window)
        root, expected = window.standing()[0], window.refusal_of_veto(self.now)
        outcome = self.oracle.try_send(
            "veto", window.set_id, window.window, sender=self.guardian, at=self.now
        )
        assert seen(outcome) == expected
        if expected is None:
            window.veto(self.now)
            event = outcome.event("RootVetoed")
            assert (event.root, event.repostEnds) == (root, window.posting_ends)

    @precondition(lambda self: any(window.root for window in self.watched))
    @rule(data=st.data())
    def waive(self, data) -> None:
        window = self.draw_window(data, lambda w: w.is_mass)
        self.draw_moment(data, window)
        expected = window.refusal_of_waiver(self.now)
        outcome = self.oracle.try_send(
            "waivePenalties", window.set_id, window.window, sender=self.guardian, at=self.now
        )
        assert seen(outcome) == expected
        if expected is None:
            window.waive(self.now)

    @precondition(lambda self: any(window.root for window in self.watched))
    @rule(data=st.data())
    def dispute(self, data) -> None:
        window = self.draw_window(data, lambda w: self.now + 1 < w.final_at)
        self.draw_moment(data, window)
        outcome = self.oracle.try_send(
            "dispute", window.set_id, window.window, URI, sender=MEMBERS[0], at=self.now
        )
        # What can be vetoed can be disputed, and nothing else.
        assert seen(outcome) == window.refusal_of_veto(self.now)

    @rule(data=st.data(), function=st.sampled_from(["veto", "waivePenalties"]))
    def act_as_guardian_without_being_it(self, data, function: str) -> None:
        window = self.draw_window(data, lambda w: w.root)
        caller = data.draw(st.sampled_from([self.owner.address, MEMBERS[1]]))
        self.move(0)
        outcome = self.oracle.try_send(
            function, window.set_id, window.window, sender=caller, at=self.now
        )
        assert seen(outcome) == ("NotGuardian", {"caller": caller})

    @precondition(lambda self: sum(len(s.versions) for s in self.sets.values()) < 12)
    @rule(data=st.data(), set_id=st.sampled_from([1, 2, 3]))
    def change_members(self, data, set_id: int) -> None:
        members = data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=7, unique=True))
        addresses = [member.address for member in rising(members)]
        threshold = data.draw(st.integers(1, len(addresses)))
        self.move(0)
        self.oracle.send(
            "scheduleMembers", set_id, addresses, threshold, sender=self.owner, at=self.now
        )
        self.sets[set_id].schedule(self.now, addresses, threshold)

    # ---- What holds -----------------------------------------------------------------------------

    @invariant()
    def every_window_stands_as_in_the_model(self) -> None:
        calls = []
        for window in self.watched:
            place = (window.set_id, window.window)
            begin = window.rules.ends_at(window.window - 1)
            calls += [
                self.oracle.call("standingRootOf", *place),
                self.oracle.call("windowInfo", *place),
                self.oracle.call("penaltiesOf", *place),
                self.oracle.call("statusOf", window.set_id, begin + 1),
                self.oracle.call("statusOf", window.set_id, window.ends_at),
            ]
        answers = iter(self.lane.try_batch(calls))
        for window in self.watched:
            standing, info, penalties, first, last = (next(answers) for _ in range(5))
            assert tuple(standing) == window.standing()
            assert tuple(info) == window.info()
            state = window.penalties(self.now)
            if state is None:
                assert penalties.name == "NoRoot"
            else:
                assert tuple(penalties) == (state, window.held_until)
            attestors = self.sets[window.set_id]
            begin = window.rules.ends_at(window.window - 1)
            assert first == attestors.status(self.now, begin + 1)
            assert last == attestors.status(self.now, window.ends_at) == window.status(self.now)

    @invariant()
    def what_is_decided_is_for_good(self) -> None:
        for window in self.watched:
            place, status = (window.set_id, window.window), window.status(self.now)
            # What can be settled without a report can never be settled with one again.
            if place in self.settled:
                assert status == self.settled[place]
            if status in (Status.MISSING, Status.BLACKOUT):
                self.settled[place] = status
            # Reports can be shown for the reveal period at least, however late the root.
            if window.root:
                assert window.final_at + window.rules.reveal_period <= window.rules.reveal_ends(
                    window.window
                )

    @invariant()
    def members_are_those_of_the_time(self) -> None:
        times = [
            (attestors, version.holds_from + shift)
            for attestors in self.sets.values()
            for version in attestors.versions
            for shift in (-1, 0)
            if version.holds_from + shift >= 0
        ]
        answers = self.lane.batch(
            self.oracle.call("membersAt", attestors.set_id, time) for attestors, time in times
        )
        for (attestors, time), (members, threshold) in zip(times, answers, strict=True):
            version = attestors.in_force(time)
            assert (tuple(members), threshold) == (version.members, version.threshold)


def test_the_oracle_keeps_its_word_through_time(oracle, chain_id, owner, guardian):
    run_state_machine_as_test(lambda: OracleInTime(oracle, chain_id, owner, guardian))
