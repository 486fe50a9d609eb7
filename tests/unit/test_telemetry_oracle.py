"""The telemetry oracle: who is heard, when, and what nobody can make it believe."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from time import sleep

import pytest
from eth_account import Account
from eth_utils import keccak

from derrick.telemetry import (
    CURVE_ORDER,
    Attestation,
    CapacityUnits,
    SetRules,
    Status,
    attest,
    sort_attestations,
)
from derrick.telemetry_model import MEMBER_DELAY
from derrick.testing import isolated, reverts_with
from tests.oracle_stage import (
    DAY,
    ENDS_AT,
    HOUR,
    MAX_UINT,
    NOBODY,
    RULES,
    THRESHOLD,
    URI,
    WINDOW,
    OracleStage,
    as_number,
    compact,
    field_name,
    key,
    key_that_signs,
    rising,
    twin,
)

EPOCH_END = ENDS_AT - 5 * HOUR
LOW, HIGH = HOUR, 30 * DAY


class Manner(IntEnum):
    """How the contract attestor answers, numbered as in MockERC1271."""

    HONEST = 0
    REVERT = 1
    GARBAGE = 2
    SHORT = 3
    EMPTY = 4
    BURN = 5
    BOMB = 6
    WRITE = 7
    REENTER = 8
    REVERT_BOMB = 9


@pytest.fixture(scope="module")
def stage(project, lane, owner, guardian, stranger, attestors):
    return OracleStage.deploy(project, lane, owner, guardian, stranger, attestors)


@pytest.fixture(scope="module")
def oracle(stage):
    return stage.oracle


@pytest.fixture(scope="module")
def members(stage):
    return stage.members


@pytest.fixture(scope="module")
def statement(stage):
    return stage.statement()


@pytest.fixture(scope="module")
def quorum(stage, statement):
    return stage.sign(statement)


@pytest.fixture
def at(lane):
    """Puts the next transaction at a time of our choice."""
    return lane.set_next_time


@pytest.fixture
def now(lane):
    """Mines a block at a time of our choice, for views."""
    return lane.mine


@pytest.fixture
def ended(at):
    """The next transaction comes in the first second after the window."""
    at(ENDS_AT)


@pytest.fixture
def posted(stage, statement, ended):
    """The root of the window stands since that second."""
    return stage.post(statement)


# --- sets ---


def test_a_set_reads_back_as_it_was_created(stage, oracle, owner, members):
    rules = SetRules(HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR, 5_000, 7, 5 * HOUR)
    receipt = oracle.createSet(members[1:3], 2, rules.as_tuple(), sender=owner)
    (event,) = receipt.decode_logs(oracle.AttestorSetCreated)
    assert event.setId == oracle.setCount() == 2
    assert list(event.members) == members[1:3]
    assert event.threshold == 2
    read_members, threshold, config = oracle.setOf(2)
    assert (list(read_members), threshold) == (members[1:3], 2)
    assert tuple(config) == tuple(event.config) == rules.as_tuple()
    assert tuple(oracle.periodsOf(2)) == (HOUR, 14 * HOUR, 4 * HOUR)


def test_a_new_set_leaves_the_others_alone(stage, oracle, members):
    stage.create_set(members[:1], 1)
    read_members, threshold, config = oracle.setOf(1)
    assert (list(read_members), threshold) == (members, THRESHOLD)
    assert tuple(config) == RULES.as_tuple()


@pytest.mark.parametrize("unknown", [0, 2, MAX_UINT])
def test_an_unknown_set_is_named(stage, oracle, owner, members, unknown):
    other = stage.statement(set_id=unknown)
    calls = (
        lambda: oracle.setOf(unknown),
        lambda: oracle.membersAt(unknown, DAY),
        lambda: oracle.periodsOf(unknown),
        lambda: oracle.windowOf(unknown, DAY),
        lambda: oracle.requireQuorum(unknown, bytes(32), []),
        lambda: oracle.scheduleMembers(unknown, members, 1, sender=owner),
        lambda: stage.post(other),
    )
    for call in calls:
        with reverts_with(oracle.UnknownSet, setId=unknown):
            call()


BAD_MEMBERS = [
    pytest.param(lambda m: [], 0, id="none"),
    pytest.param(lambda m: [NOBODY, *m], 0, id="zero first"),
    pytest.param(lambda m: [*m, NOBODY], 5, id="zero last"),
    pytest.param(lambda m: [m[0], m[2], m[1]], 2, id="not rising"),
    pytest.param(lambda m: [m[0], m[1], m[1], m[2]], 2, id="twice"),
    pytest.param(lambda m: [f"0x{i:040x}" for i in range(1, 34)], 32, id="33"),
]


@pytest.mark.parametrize(("pick", "index"), BAD_MEMBERS)
def test_bad_members_are_refused(oracle, owner, members, pick, index):
    bad = pick(members)
    with reverts_with(oracle.BadMembers, count=len(bad), index=index):
        oracle.createSet(bad, 1, RULES.as_tuple(), sender=owner)
    with reverts_with(oracle.BadMembers, count=len(bad), index=index):
        oracle.scheduleMembers(1, bad, 1, sender=owner)


@pytest.mark.parametrize("threshold", [0, 6, 2**256 - 1])
def test_a_threshold_is_one_to_all(oracle, owner, members, threshold):
    bounds = {"field": field_name("threshold"), "value": threshold, "min": 1, "max": 5}
    with reverts_with(oracle.SetOutOfRange, **bounds):
        oracle.createSet(members, threshold, RULES.as_tuple(), sender=owner)
    with reverts_with(oracle.SetOutOfRange, **bounds):
        oracle.scheduleMembers(1, members, threshold, sender=owner)


FIELDS = [
    ("window_length", "windowLength", LOW, HIGH),
    ("posting_period", "postingPeriod", LOW, HIGH),
    ("finality_delay", "finalityDelay", LOW, HIGH),
    ("reveal_period", "revealPeriod", LOW, HIGH),
    ("mass_share_bps", "massShareBps", 1, 10_000),
    ("mass_minimum", "massMinimum", 1, 65_535),
    ("mass_delay", "massDelay", LOW, HIGH),
]


@pytest.mark.parametrize(("name", "field", "low", "high"), FIELDS)
def test_rules_out_of_range_are_refused(oracle, owner, members, name, field, low, high):
    widest = 2**16 - 1 if field.startswith(("massShare", "massMin")) else 2**24 - 1
    for value in {0, low - 1, min(high + 1, widest), widest} - set(range(low, high + 1)):
        rules = replace(RULES, **{name: value})
        bounds = {"field": field_name(field), "value": value, "min": low, "max": high}
        with reverts_with(oracle.SetOutOfRange, **bounds):
            oracle.createSet(members, 1, rules.as_tuple(), sender=owner)


def test_the_ends_of_the_ranges_are_inside(stage, oracle, members):
    least = SetRules(*(low for _, _, low, _ in FIELDS))
    most = SetRules(*(high for _, _, _, high in FIELDS))
    for threshold, rules in ((1, least), (5, most)):
        set_id = stage.create_set(members, threshold, rules)
        assert tuple(oracle.setOf(set_id)[2]) == rules.as_tuple()
        assert oracle.periodsOf(set_id)[1] == rules.reveal_span
    assert most.reveal_span == 150 * DAY


# --- members ---


def test_other_members_hold_a_week_after_they_are_announced(stage, oracle, now, at, members):
    assert oracle.MEMBER_DELAY() == MEMBER_DELAY == 7 * DAY
    at(ENDS_AT)
    receipt = oracle.scheduleMembers(1, members[:2], 1, sender=stage.owner)
    (event,) = receipt.decode_logs(oracle.MembersScheduled)
    holds_from = ENDS_AT + 7 * DAY
    assert (event.setId, list(event.members), event.threshold) == (1, members[:2], 1)
    assert event.holdsFrom == holds_from
    for time in (0, ENDS_AT, holds_from - 1):
        assert tuple(oracle.membersAt(1, time)) == (members, THRESHOLD)
    for time in (holds_from, 2**96 - 1, 2**96, MAX_UINT):
        assert tuple(oracle.membersAt(1, time)) == (members[:2], 1)
    now(holds_from - 1)
    assert tuple(oracle.setOf(1))[:2] == (members, THRESHOLD)
    now(holds_from)
    assert tuple(oracle.setOf(1))[:2] == (members[:2], 1)
    assert tuple(oracle.setOf(1)[2]) == RULES.as_tuple()


def test_a_second_schedule_follows_the_first(stage, oracle, at, members):
    at(ENDS_AT)
    first = stage.schedule(members[:1], 1)
    at(ENDS_AT + 1)
    second = stage.schedule(members, 5)
    assert (first, second) == (ENDS_AT + 7 * DAY, ENDS_AT + 7 * DAY + 1)
    assert tuple(oracle.membersAt(1, first - 1)) == (members, THRESHOLD)
    assert tuple(oracle.membersAt(1, first)) == (members[:1], 1)
    assert tuple(oracle.membersAt(1, second)) == (members, 5)


@pytest.fixture
def one_block(lane):
    """Sends calls of one sender, in their order, in one block."""

    def one_block(calls):
        sender = calls[0].message["from"]
        nonce = int(lane.node.request("eth_getTransactionCount", sender, "latest"), 16)
        for index, call in enumerate(calls):
            # Each takes less than half of the block.
            own = {"nonce": hex(nonce + index), "gas": hex(1_000_000)}
            lane.node.request("eth_sendTransaction", {**call.message, **own})
        while int(lane.node.request("txpool_status")["pending"], 16) < len(calls):
            sleep(0.01)
        lane.mine()

    lane.node.request("evm_setAutomine", False)
    yield one_block
    lane.node.request("evm_setAutomine", True)


def test_of_two_schedules_in_one_block_the_later_one_holds(stage, oracle, lane, members, one_block):
    bound = lane.contract(oracle)
    one_block(
        [
            bound.call("scheduleMembers", 1, given, threshold, sender=stage.owner)
            for given, threshold in ((members[:1], 1), (members[1:4], 2))
        ]
    )
    assert tuple(oracle.membersAt(1, lane.time + 7 * DAY - 1)) == (members, THRESHOLD)
    assert tuple(oracle.membersAt(1, lane.time + 7 * DAY)) == (members[1:4], 2)
    block = lane.node.request("eth_getBlockByNumber", "latest", False)
    assert len(block["transactions"]) == 2


def test_every_version_of_many_is_found(stage, oracle, at, members):
    turns = []
    for version in range(12):
        at(ENDS_AT + version * DAY)
        turns.append((stage.schedule([key(f"version {version}")], 1), version))
    assert tuple(oracle.membersAt(1, turns[0][0] - 1)) == (members, THRESHOLD)
    for holds_from, version in turns:
        expected = ([key(f"version {version}").address], 1)
        assert tuple(oracle.membersAt(1, holds_from)) == expected
        assert tuple(oracle.membersAt(1, holds_from + DAY - 1)) == expected


def test_members_of_another_set_do_not_change_with_it(stage, oracle, at, members):
    stage.create_set(members, 2)
    at(ENDS_AT)
    stage.schedule(members[:1], 1, set_id=2)
    assert tuple(oracle.membersAt(1, MAX_UINT)) == (members, THRESHOLD)
    assert tuple(oracle.membersAt(2, MAX_UINT)) == (members[:1], 1)


@pytest.mark.parametrize(
    ("gap", "new_sign"),
    [
        pytest.param(-RULES.window_length, True, id="a window before"),
        pytest.param(-1, True, id="a second before"),
        pytest.param(0, True, id="at its end"),
        pytest.param(1, False, id="a second after"),
        pytest.param(RULES.window_length, False, id="a window after"),
    ],
)
def test_members_at_a_windows_end_sign_for_all_of_it(stage, oracle, at, gap, new_sign):
    """Others take force `gap` seconds after the window's end, before it is posted."""
    new = rising([key("new one"), key("new two")])
    window = WINDOW + 9
    ends_at = RULES.ends_at(window)
    at(ends_at + gap - 7 * DAY)
    assert stage.schedule(new, 2) == ends_at + gap
    statement = stage.statement(window=window)
    by_new, by_old = attest(statement, new), stage.sign(statement)
    good, bad = (by_new, by_old) if new_sign else (by_old, by_new)
    at(ends_at + max(gap, 0) // 3)
    if new_sign:
        with reverts_with(oracle.NotAttestor, setId=1, signer=stage.members[0]):
            stage.post(statement, bad)
    else:
        with reverts_with(oracle.QuorumNotReached, given=2, needed=3):
            stage.post(statement, bad)
    # Also once the others hold: what counts is who held at the window's end.
    stage.post(statement, good, at=ends_at + RULES.posting_period - 1)
    assert oracle.standingRootOf(1, window).root == statement.root[:27]


def test_old_and_new_members_do_not_mix(stage, oracle, at, members):
    new = key("the newcomer")
    at(ENDS_AT)
    holds_from = stage.schedule(rising([*members[1:], new.address]), THRESHOLD)
    window = RULES.window_of(holds_from)
    statement = stage.statement(window=window)
    mixed = attest(statement, [stage.attestors[0], stage.attestors[1], new])
    at(RULES.ends_at(window))
    with reverts_with(oracle.NotAttestor, setId=1, signer=members[0]):
        stage.post(statement, mixed)
    stage.post(statement, attest(statement, [*stage.attestors[1:3], new]))


def test_other_statements_are_signed_by_the_members_in_force(stage, oracle, at, now, members):
    new = rising([key("new one"), key("new two")])
    statement = CapacityUnits(stage.chain_id, oracle.address, 1, 7, 100, 0, 2**40)
    by_new, by_old = attest(statement, new), attest(statement, stage.attestors[1:4])
    at(ENDS_AT)
    holds_from = stage.schedule(new, 2)
    now(holds_from - 1)
    oracle.requireQuorum(1, statement.digest(), by_old)
    with reverts_with(oracle.QuorumNotReached, given=2, needed=3):
        oracle.requireQuorum(1, statement.digest(), by_new)
    now(holds_from)
    oracle.requireQuorum(1, statement.digest(), by_new)
    with reverts_with(oracle.NotAttestor, setId=1, signer=members[1]):
        oracle.requireQuorum(1, statement.digest(), by_old)


def test_a_quorum_is_one_of_this_digest(stage, oracle, statement, quorum):
    oracle.requireQuorum(1, statement.digest(), quorum)
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        oracle.requireQuorum(1, keccak(statement.digest()), quorum)


# --- roots ---


def test_anyone_brings_a_root_that_a_quorum_signed(stage, oracle, ended):
    statement = stage.statement(capacities=9, penalized=2)
    assert tuple(oracle.standingRootOf(1, WINDOW)) == (bytes(27), 0)
    receipt = stage.post(statement)
    (event,) = receipt.decode_logs(oracle.RootPosted)
    final_at = ENDS_AT + RULES.finality_delay
    assert (event.setId, event.window, event.root) == (1, WINDOW, statement.root)
    assert (event.capacities, event.penalized) == (9, 2)
    assert (event.finalAt, event.leavesURI) == (final_at, URI)
    assert tuple(oracle.standingRootOf(1, WINDOW)) == (statement.root[:27], final_at)
    assert tuple(oracle.windowInfo(1, WINDOW)) == (statement.root[:27], final_at, 0, 0, False)
    for other in (WINDOW - 1, WINDOW + 1):
        assert tuple(oracle.standingRootOf(1, other)) == (bytes(27), 0)
    assert oracle.statusOf(1, EPOCH_END) == Status.REPORTED


def test_any_three_of_five_are_a_quorum_and_all_five_too(stage, oracle, lane, statement):
    for picked in ((0, 1, 2), (0, 2, 4), (2, 3, 4), (0, 1, 2, 3, 4)):
        with isolated(lane):
            signers = [stage.attestors[i] for i in picked]
            stage.post(statement, attest(statement, signers), at=ENDS_AT)
            assert oracle.standingRootOf(1, WINDOW).root == statement.root[:27]


def test_a_root_costs_little(stage, statement):
    assert stage.post(statement, at=ENDS_AT).gas_used < 91_000


def test_an_account_of_eth_account_attests_like_one_of_ape(stage, oracle, ended):
    attestor = key("a key outside of ape")
    statement = stage.statement(set_id=stage.create_set([attestor], 1))
    stage.post(statement, attest(statement, [attestor]), at=ENDS_AT + 1)
    assert oracle.standingRootOf(2, WINDOW).root == statement.root[:27]


def test_thirty_two_of_thirty_two_sign(stage, oracle):
    keys = rising(key(f"one of many {i}") for i in range(32))
    statement = stage.statement(set_id=stage.create_set(keys, 32))
    assert list(oracle.setOf(2)[0]) == [k.address for k in keys]
    with reverts_with(oracle.QuorumNotReached, given=31, needed=32):
        stage.post(statement, attest(statement, keys[1:]), at=ENDS_AT)
    assert stage.post(statement, attest(statement, keys)).gas_used < 400_000


def test_no_root_before_the_window_has_ended(stage, oracle, statement):
    with reverts_with(oracle.WindowOpen, setId=1, window=WINDOW, endsAt=ENDS_AT):
        stage.post(statement, at=ENDS_AT - 1)
    stage.post(statement, at=ENDS_AT)


def test_no_root_from_the_deadline_on(stage, oracle, now, statement):
    deadline = RULES.posting_ends(WINDOW)
    now(deadline - 1)
    assert oracle.statusOf(1, EPOCH_END) == Status.PENDING
    with reverts_with(oracle.WindowClosed, setId=1, window=WINDOW, deadline=deadline):
        stage.post(statement, at=deadline)
    assert oracle.statusOf(1, EPOCH_END) == Status.BLACKOUT


def test_a_root_in_the_last_second_counts(stage, oracle, statement):
    stage.post(statement, at=RULES.posting_ends(WINDOW) - 1)
    assert oracle.statusOf(1, EPOCH_END) == Status.REPORTED


@pytest.mark.parametrize(
    "huge", [MAX_UINT, MAX_UINT - 1, MAX_UINT // DAY, MAX_UINT // DAY - 1, 2**64]
)
def test_a_window_beyond_all_time_has_not_ended(stage, oracle, huge):
    ends_at = min((huge + 1) * DAY, MAX_UINT)
    with reverts_with(oracle.WindowOpen, setId=1, window=huge, endsAt=ends_at):
        stage.post(stage.statement(window=huge))


@pytest.mark.parametrize("root", [bytes(32), bytes(27) + b"\xff" * 5])
def test_a_root_of_which_nothing_would_be_kept_is_refused(stage, oracle, ended, root):
    with reverts_with(oracle.RootZero):
        stage.post(stage.statement(root=root))


def test_a_single_bit_is_a_root(stage, oracle, ended):
    least = bytes(26) + b"\1" + bytes(5)
    stage.post(stage.statement(root=least))
    assert oracle.standingRootOf(1, WINDOW).root == least[:27]


@pytest.mark.parametrize(
    ("capacities", "penalized"), [(0, 0), (0, 1), (1, 2), (5, 6), (2**32 - 2, 2**32 - 1)]
)
def test_counts_that_cannot_be_are_refused(stage, oracle, ended, capacities, penalized):
    with reverts_with(oracle.BadCounts, capacities=capacities, penalized=penalized):
        stage.post(stage.statement(capacities=capacities, penalized=penalized))


@pytest.mark.parametrize(("capacities", "penalized"), [(1, 0), (1, 1), (2**32 - 1, 2**32 - 1)])
def test_counts_at_the_ends_of_their_ranges(stage, oracle, ended, capacities, penalized):
    receipt = stage.post(stage.statement(capacities=capacities, penalized=penalized))
    (event,) = receipt.decode_logs(oracle.RootPosted)
    assert (event.capacities, event.penalized) == (capacities, penalized)


@pytest.mark.parametrize(
    "when", [1, RULES.finality_delay, RULES.posting_period, RULES.reveal_span, 365 * DAY]
)
def test_a_root_is_never_replaced(stage, oracle, posted, statement, when):
    for other in (statement, stage.statement(root=keccak(text="another truth"), attempt=1)):
        standing = {"setId": 1, "window": WINDOW, "root": statement.root[:27]}
        with reverts_with(oracle.RootExists, **standing):
            stage.post(other, at=ENDS_AT + when + other.attempt)
    assert oracle.standingRootOf(1, WINDOW).root == statement.root[:27]


# --- quorum ---


@pytest.mark.parametrize("given", [0, 1, 2])
def test_fewer_than_the_threshold_are_no_quorum(stage, oracle, ended, statement, quorum, given):
    with reverts_with(oracle.QuorumNotReached, given=given, needed=3):
        stage.post(statement, quorum[:given])


def test_a_member_counts_once(stage, oracle, ended, statement, quorum):
    with reverts_with(oracle.SignersNotOrdered, index=1, signer=quorum[0].signer):
        stage.post(statement, [quorum[0]] * 3)


def test_signers_must_rise(stage, oracle, ended, statement, quorum):
    with reverts_with(oracle.SignersNotOrdered, index=2, signer=quorum[1].signer):
        stage.post(statement, [quorum[0], quorum[2], quorum[1]])


def test_nobody_signs_for_the_zero_address(stage, oracle, ended, statement, quorum):
    # A failed recovery yields the zero address: it must never pass for a signer of that name.
    with reverts_with(oracle.SignersNotOrdered, index=0, signer=NOBODY):
        stage.post(statement, [Attestation(NOBODY, b"\xff" * 65), *quorum])


@pytest.mark.parametrize("rank", [0, 2, 5])
def test_a_foreign_signature_is_refused_wherever_it_sorts(stage, oracle, ended, statement, rank):
    bounds = [0, *map(as_number, stage.attestors), 2**160]
    candidates = (key(f"foreigner {i}") for i in range(10_000))
    foreigner = next(c for c in candidates if bounds[rank] < as_number(c) < bounds[rank + 1])
    given = attest(statement, [*stage.attestors[:2], stage.attestors[4], foreigner])
    with reverts_with(oracle.NotAttestor, setId=1, signer=foreigner.address):
        stage.post(statement, given)


def test_members_of_another_set_are_foreign(stage, oracle, ended):
    own = key("the only member")
    other = stage.statement(set_id=stage.create_set([own], 1))
    elsewhere = key("a member elsewhere")
    with reverts_with(oracle.NotAttestor, setId=2, signer=elsewhere.address):
        stage.post(other, attest(other, [elsewhere]), at=ENDS_AT + 1)
    stage.post(other, attest(other, [own]))


def test_a_signature_under_another_name_is_refused(stage, oracle, ended, statement, quorum):
    first, second, third = quorum
    swapped = [first, Attestation(second.signer, third.signature), third]
    with reverts_with(oracle.BadSignature, signer=second.signer):
        stage.post(statement, swapped)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda s: b"", id="empty"),
        pytest.param(lambda s: s[:31], id="31 bytes"),
        pytest.param(lambda s: s[:63], id="63 bytes"),
        pytest.param(lambda s: compact(s[:64] + bytes([55 - s[64]])), id="compact, other v"),
        pytest.param(lambda s: s + b"\0", id="66 bytes"),
        pytest.param(lambda s: bytes(65), id="zeros"),
        pytest.param(lambda s: b"\xff" * 65, id="ones"),
        pytest.param(lambda s: s[:64] + bytes([s[64] - 27]), id="v 0 or 1"),
        pytest.param(lambda s: s[:64] + bytes([s[64] ^ 7]), id="other v"),
        pytest.param(lambda s: bytes(32) + s[32:], id="r zero"),
        pytest.param(lambda s: s[:32] + bytes(32) + s[64:], id="s zero"),
        pytest.param(lambda s: bytes([s[0] ^ 1]) + s[1:], id="one bit"),
        pytest.param(twin, id="the other s"),
    ],
)
def test_a_spoilt_signature_is_refused(stage, oracle, ended, statement, quorum, spoil):
    last = quorum[2]
    spoilt = [*quorum[:2], Attestation(last.signer, spoil(last.signature))]
    with reverts_with(oracle.BadSignature, signer=last.signer):
        stage.post(statement, spoilt)
    stage.post(statement, quorum)


def test_one_bad_signature_above_the_threshold_is_refused_too(
    stage, oracle, ended, statement, quorum
):
    spare = Attestation(stage.members[4], quorum[0].signature)
    with reverts_with(oracle.BadSignature, signer=spare.signer):
        stage.post(statement, [*quorum, spare])


def test_a_compact_signature_is_as_good(stage, oracle, ended, statement, quorum):
    stage.post(statement, [Attestation(a.signer, compact(a.signature)) for a in quorum])
    assert oracle.standingRootOf(1, WINDOW).root == statement.root[:27]


@pytest.mark.parametrize(
    ("s", "fine"),
    [(1, True), (CURVE_ORDER // 2, True), (CURVE_ORDER // 2 + 1, False), (2**255 - 1, False)],
)
@pytest.mark.parametrize("write", [bytes, compact], ids=["65 bytes", "64 bytes"])
def test_the_lower_half_ends_where_it_ends(stage, oracle, s, fine, write):
    # The only signatures of 64 bytes with an upper s: nobody can aim there but who picks his key.
    statement = stage.statement(set_id=2)
    account, signature = key_that_signs(statement.digest(), s)
    stage.create_set([account], 1)
    given = [Attestation(account.address, write(signature))]
    if fine:
        stage.post(statement, given, at=ENDS_AT)
    else:
        with reverts_with(oracle.BadSignature, signer=account.address):
            stage.post(statement, given, at=ENDS_AT)


# --- replays ---


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"oracle": "0x" + "11" * 20},
        {"set_id": 2},
        {"window": WINDOW - 1},
        {"root": keccak(text="another tree")},
        {"capacities": 8},
        {"penalized": 1},
        {"leaves_uri": "ipfs://elsewhere"},
        {"attempt": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_over_anything_else_is_refused(stage, oracle, ended, statement, change):
    elsewhere = stage.sign(replace(statement, **change))
    with reverts_with(oracle.BadSignature, signer=stage.members[0]):
        stage.post(statement, elsewhere)


def test_a_root_is_not_replayed_on_the_same_members_other_set_window_or_oracle(
    stage, project, owner, stranger, posted, statement, quorum
):
    oracle = stage.oracle
    stage.create_set(stage.members, THRESHOLD)
    twin_oracle = owner.deploy(project.TelemetryOracle, owner)
    twin_oracle.createSet(stage.members, THRESHOLD, RULES.as_tuple(), sender=owner)
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        stage.post(replace(statement, set_id=2), quorum)
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        twin_oracle.postRoot(statement.as_tuple(), quorum, sender=stranger)
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        stage.post(replace(statement, window=WINDOW + 1), quorum, at=RULES.ends_at(WINDOW + 1))


def test_signatures_of_another_chain_are_worth_nothing(
    stage, oracle, lane, ended, statement, quorum
):
    # The same contract at the same address after a fork: the domain follows the chain.
    lane.node.request("anvil_setChainId", 1)
    try:
        digest = oracle.digestOf(statement.as_tuple())
        assert digest == replace(statement, chain_id=1).digest() != statement.digest()
        with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
            oracle.requireQuorum(1, digest, quorum)
    finally:
        lane.node.request("anvil_setChainId", stage.chain_id)


# --- contracts that attest ---


@pytest.fixture(scope="module")
def wallet_key():
    return key("the key of the wallet")


@pytest.fixture(scope="module")
def wallet(project, owner, wallet_key):
    return owner.deploy(project.MockERC1271, wallet_key.address)


@pytest.fixture
def mixed(stage, wallet):
    """A statement for a 2-of-3 set of two keys and a contract, whose id is 2."""
    everyone = rising([wallet.address, *stage.members[:2]])
    return stage.statement(
        set_id=stage.create_set(everyone, 2, replace(RULES, posting_period=2 * DAY))
    )


@pytest.fixture
def with_wallet(stage, mixed, wallet, wallet_key):
    """The contract's attestation and one key's."""
    (by_key,) = attest(mixed, [wallet_key])
    own = Attestation(wallet.address, by_key.signature)
    return sort_attestations([own, *attest(mixed, stage.attestors[:1])])


def test_a_contract_attests_by_erc_1271(stage, oracle, mixed, with_wallet):
    stage.post(mixed, with_wallet, at=ENDS_AT)
    assert oracle.standingRootOf(2, WINDOW).root == mixed.root[:27]


FAILING = [
    Manner.REVERT,
    Manner.GARBAGE,
    Manner.SHORT,
    Manner.EMPTY,
    Manner.BURN,
    Manner.WRITE,
    Manner.REVERT_BOMB,
]


@pytest.mark.parametrize("manner", FAILING, ids=lambda manner: manner.name.lower())
def test_a_contract_that_fails_or_lies_is_one_bad_signature(
    stage, oracle, owner, mixed, with_wallet, wallet, manner
):
    wallet.setManner(manner, sender=owner)
    with reverts_with(oracle.BadSignature, signer=wallet.address):
        stage.post(mixed, with_wallet, at=ENDS_AT)
    with reverts_with(oracle.BadSignature, signer=wallet.address):
        oracle.requireQuorum(2, mixed.digest(), with_wallet)
    assert wallet.calls() == 0
    # The others do without it, at the usual price.
    receipt = stage.post(mixed, attest(mixed, stage.attestors[:2]))
    assert receipt.gas_used < 91_000
    assert oracle.standingRootOf(2, WINDOW).root == mixed.root[:27]


def test_a_contract_refuses_a_signature_of_another_key(stage, oracle, mixed, wallet):
    by_key = attest(mixed, stage.attestors[:1])
    forged = Attestation(wallet.address, by_key[0].signature)
    with reverts_with(oracle.BadSignature, signer=wallet.address):
        stage.post(mixed, sort_attestations([forged, *by_key]), at=ENDS_AT)


def test_a_bloated_answer_costs_only_what_it_costs(
    stage, oracle, owner, mixed, with_wallet, wallet
):
    wallet.setManner(Manner.BOMB, sender=owner)
    assert stage.post(mixed, with_wallet, at=ENDS_AT).gas_used < 250_000
    assert oracle.standingRootOf(2, WINDOW).root == mixed.root[:27]


@pytest.mark.parametrize("where", ["the same window", "the next window"])
def test_a_contract_cannot_reenter(stage, oracle, owner, lane, mixed, with_wallet, wallet, where):
    same = where == "the same window"
    smuggled = (
        replace(mixed, root=keccak(text=where)) if same else replace(mixed, window=WINDOW + 1)
    )
    attestations = attest(smuggled, stage.attestors[:2])
    later = RULES.ends_at(WINDOW + 1)
    with isolated(lane):
        stage.post(smuggled, attestations, at=later)  # made from outside it would be taken
    payload = oracle.postRoot.encode_input(smuggled.as_tuple(), attestations)
    wallet.setReentry(oracle.address, payload, sender=owner)
    wallet.setManner(Manner.REENTER, sender=owner)
    stage.post(mixed, with_wallet, at=later)
    assert oracle.standingRootOf(2, WINDOW).root == mixed.root[:27]
    assert oracle.standingRootOf(2, WINDOW + 1).root == bytes(27)


def test_a_key_still_speaks_where_its_account_delegates_to_code(
    stage, oracle, chain, owner, ended, statement, quorum, wallet
):
    wallet.setManner(Manner.REVERT, sender=owner)
    code = chain.provider.make_request("eth_getCode", [wallet.address, "latest"])
    chain.provider.make_request("anvil_setCode", [quorum[0].signer, code])
    stage.post(statement, quorum, at=ENDS_AT + 1)
    assert oracle.standingRootOf(1, WINDOW).root == statement.root[:27]


# --- status ---


@pytest.mark.parametrize(
    ("turn", "seconds", "status"),
    [
        ("ends_at", -5 * HOUR - 1, Status.PENDING),
        ("ends_at", -5 * HOUR, Status.PENDING),
        ("ends_at", -1, Status.PENDING),
        ("ends_at", 0, Status.PENDING),
        ("posting_ends", -1, Status.PENDING),
        ("posting_ends", 0, Status.BLACKOUT),
        ("repost_ends", 0, Status.BLACKOUT),
        ("reveal_ends", 0, Status.BLACKOUT),
        ("reveal_ends", 365 * DAY, Status.BLACKOUT),
    ],
)
def test_status_of_a_silent_window(oracle, now, turn, seconds, status):
    now(getattr(RULES, turn)(WINDOW) + seconds)
    assert oracle.statusOf(1, EPOCH_END) == status


@pytest.mark.parametrize(
    ("turn", "seconds", "status"),
    [
        ("ends_at", 1, Status.REPORTED),
        ("posting_ends", 0, Status.REPORTED),
        ("repost_ends", 0, Status.REPORTED),
        ("reveal_ends", -1, Status.REPORTED),
        ("reveal_ends", 0, Status.MISSING),
        ("late_ends", 0, Status.MISSING),
        ("late_ends", 365 * DAY, Status.MISSING),
    ],
)
def test_status_of_a_window_with_a_root(oracle, posted, now, turn, seconds, status):
    now(getattr(RULES, turn)(WINDOW) + seconds)
    assert oracle.statusOf(1, EPOCH_END) == status


def test_a_status_is_that_of_the_epochs_own_window(stage, oracle, posted, now):
    now(RULES.posting_ends(WINDOW) + DAY)
    begin = RULES.ends_at(WINDOW - 1)
    for end, status in (
        (begin, Status.BLACKOUT),
        (begin + 1, Status.REPORTED),
        (ENDS_AT, Status.REPORTED),
        (ENDS_AT + 1, Status.BLACKOUT),
    ):
        assert oracle.statusOf(1, end) == status
    stage.create_set(stage.members, THRESHOLD)
    assert oracle.statusOf(2, ENDS_AT) == Status.BLACKOUT


@pytest.mark.parametrize("end", [0, 1, DAY, 2**40, MAX_UINT])
def test_an_unknown_set_is_a_blackout_at_any_time(oracle, end):
    for unknown in (0, 2, 2**24, MAX_UINT):
        assert oracle.statusOf(unknown, end) == Status.BLACKOUT


def test_time_zero_is_a_blackout_and_the_far_future_is_pending(oracle, chain):
    assert oracle.statusOf(1, 0) == Status.BLACKOUT
    assert oracle.statusOf(1, 1) == Status.BLACKOUT
    for future in (chain.blocks.head.timestamp + 1, 2**64, MAX_UINT - DAY, MAX_UINT):
        assert oracle.statusOf(1, future) == Status.PENDING


# --- views ---


@pytest.mark.parametrize(
    ("end", "window"),
    [(1, 0), (DAY, 0), (DAY + 1, 1), (2 * DAY, 1), (MAX_UINT, (MAX_UINT - 1) // DAY)],
)
def test_a_window_holds_its_end_and_not_its_begin(oracle, end, window):
    assert oracle.windowOf(1, end) == window == RULES.window_of(end)


def test_time_zero_has_no_window(oracle):
    with reverts_with(oracle.NoWindow):
        oracle.windowOf(1, 0)


def test_what_stands_is_one_word(chain, oracle, posted):
    def reads(function, *arguments):
        data = "0x" + function.encode_input(*arguments).hex()
        call = [{"to": oracle.address, "data": data}, "latest", {}]
        trace = chain.provider.make_request("debug_traceCall", call)
        return [step["op"] for step in trace["structLogs"]].count("SLOAD")

    assert reads(oracle.standingRootOf, 1, WINDOW) == 1
    assert reads(oracle.standingRootOf, 1, WINDOW + 1) == 1


@pytest.mark.parametrize("uri", ["", "ipfs://x", "https://example.org/" + "ü" * 300])
def test_the_digest_is_the_one_that_wallets_sign(stage, oracle, uri):
    other = stage.statement(leaves_uri=uri, window=MAX_UINT, capacities=2**32 - 1, attempt=255)
    digest = oracle.digestOf(other.as_tuple())
    assert digest == other.digest()
    signed = attest(other, [key("wallet")])[0]
    hashed = Account._recover_hash(digest, signature=signed.signature)
    assert hashed == signed.signer


def test_the_domain_is_readable(oracle, chain):
    _, name, version, chain_id, contract, _, _ = oracle.eip712Domain()
    assert (name, version) == ("Derrick Telemetry", "1")
    assert (chain_id, contract) == (chain.chain_id, oracle.address)
