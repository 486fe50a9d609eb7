"""The telemetry oracle: who is heard, when, and what nobody can make it believe."""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum

import pytest
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak

from derrick.merkle import MerkleTree, hash_pair, root_of_proof
from derrick.telemetry import (
    REPORT_TYPES,
    Attestation,
    Report,
    ReportTree,
    SetRules,
    Status,
    TelemetryRoot,
    attest,
    sort_attestations,
)
from derrick.testing import START_TIME, isolated, reverts_with

HOUR, DAY = 3_600, 86_400
MAX_UINT = 2**256 - 1
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
RULES = SetRules(threshold=3, window_length=DAY, posting_period=12 * HOUR, reveal_period=2 * DAY)
URI = "ipfs://bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi"
REPORTS = [Report(1 + i, 40 + i, 9_900 - i, 7_000, 10**6 * i, i == 3) for i in range(7)]


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


def as_number(address) -> int:
    return int(str(address), 16)


def rising(addresses):
    return sorted(map(str, addresses), key=as_number)


def key(name: str):
    return Account.from_key(keccak(text=name))


def compact(signature: bytes) -> bytes:
    """The same signature in 64 bytes (EIP-2098)."""
    parity = (signature[64] - 27) << 7
    return signature[:32] + bytes([signature[32] | parity]) + signature[33:64]


def field(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


@pytest.fixture(scope="module")
def attestors(attestors):
    """Five of those who sign telemetry, rising."""
    return sorted(attestors[:5], key=lambda account: as_number(account.address))


@pytest.fixture(scope="module")
def members(attestors):
    return [attestor.address for attestor in attestors]


@pytest.fixture(scope="module")
def oracle(project, owner, members):
    """An oracle with one set, whose id is 1."""
    oracle = owner.deploy(project.TelemetryOracle, owner)
    oracle.createSet(members, RULES.as_tuple(), sender=owner)
    return oracle


@pytest.fixture(scope="module")
def set_id():
    return 1


@pytest.fixture(scope="module")
def window():
    """A window that ends a day after the first block."""
    return RULES.window_of(START_TIME) + 1


@pytest.fixture(scope="module")
def epoch_end(window):
    return RULES.ends_at(window) - 5 * HOUR


@pytest.fixture(scope="module")
def tree():
    return ReportTree.of(REPORTS)


@pytest.fixture(scope="module")
def statement(chain, oracle, set_id, window, tree):
    return TelemetryRoot(chain.chain_id, oracle.address, set_id, window, tree.root, URI)


@pytest.fixture(scope="module")
def quorum(statement, attestors):
    return attest(statement, attestors[:3])


@pytest.fixture
def at(lane):
    """Puts the next transaction at a time of our choice."""
    return lane.set_next_time


@pytest.fixture
def now(lane):
    """Mines a block at a time of our choice, for views."""
    return lane.mine


@pytest.fixture
def post(oracle, stranger):
    """Whoever brings the root does not matter."""

    def post(statement: TelemetryRoot, attestations):
        return oracle.postRoot(
            statement.set_id,
            statement.window,
            statement.root,
            statement.leaves_uri,
            attestations,
            sender=stranger,
        )

    return post


@pytest.fixture
def ended(at, window):
    at(RULES.ends_at(window))


@pytest.fixture
def posted(ended, post, statement, quorum):
    """The root of the window stands, from the window's last second on."""
    return post(statement, quorum)


# --- sets ---


def test_a_set_reads_back_as_it_was_created(oracle, owner, members):
    rules = SetRules(1, HOUR, 30 * DAY, 2 * HOUR)
    receipt = oracle.createSet(members[1:3], rules.as_tuple(), sender=owner)
    (event,) = receipt.decode_logs(oracle.AttestorSetCreated)
    assert event.setId == oracle.setCount() == 2
    assert list(event.members) == members[1:3]
    read_members, config = oracle.setOf(2)
    assert list(read_members) == members[1:3]
    assert tuple(config) == tuple(event.config) == rules.as_tuple()
    oracle.requireSet(2)


def test_a_new_set_leaves_the_others_alone(oracle, owner, members):
    oracle.createSet(members[:1], SetRules(1, HOUR, HOUR, HOUR).as_tuple(), sender=owner)
    read_members, config = oracle.setOf(1)
    assert list(read_members) == members
    assert tuple(config) == RULES.as_tuple()


@pytest.mark.parametrize("unknown", [0, 2, MAX_UINT])
def test_an_unknown_set_is_named(oracle, set_id, unknown, tree):
    report = REPORTS[0]
    calls = (
        lambda: oracle.requireSet(unknown),
        lambda: oracle.setOf(unknown),
        lambda: oracle.windowOf(unknown, DAY),
        lambda: oracle.verify(unknown, DAY, report.as_tuple(), tree.proof(report)),
    )
    for call in calls:
        with reverts_with(oracle.UnknownSet, setId=unknown):
            call()


def test_only_the_owner_creates_sets(oracle, stranger, members):
    with reverts_with(oracle.Unauthorized):
        oracle.createSet(members, RULES.as_tuple(), sender=stranger)


@pytest.mark.parametrize(
    ("pick", "index"),
    [
        pytest.param(lambda m: [], 0, id="none"),
        pytest.param(lambda m: ["0x" + "00" * 20, *m], 0, id="zero first"),
        pytest.param(lambda m: [*m, "0x" + "00" * 20], 5, id="zero last"),
        pytest.param(lambda m: [m[0], m[2], m[1]], 2, id="not rising"),
        pytest.param(lambda m: [m[0], m[1], m[1], m[2]], 2, id="twice"),
        pytest.param(lambda m: [f"0x{i:040x}" for i in range(1, 34)], 32, id="33"),
    ],
)
def test_bad_members_are_refused(oracle, owner, members, pick, index):
    bad = pick(members)
    with reverts_with(oracle.BadMembers, count=len(bad), index=index):
        oracle.createSet(bad, replace(RULES, threshold=1).as_tuple(), sender=owner)


@pytest.mark.parametrize(
    ("change", "name", "value", "low", "high"),
    [
        ({"threshold": 0}, "threshold", 0, 1, 5),
        ({"threshold": 6}, "threshold", 6, 1, 5),
        ({"window_length": 0}, "windowLength", 0, HOUR, 30 * DAY),
        ({"window_length": HOUR - 1}, "windowLength", HOUR - 1, HOUR, 30 * DAY),
        ({"window_length": 30 * DAY + 1}, "windowLength", 30 * DAY + 1, HOUR, 30 * DAY),
        ({"posting_period": HOUR - 1}, "postingPeriod", HOUR - 1, HOUR, 30 * DAY),
        ({"posting_period": 30 * DAY + 1}, "postingPeriod", 30 * DAY + 1, HOUR, 30 * DAY),
        ({"reveal_period": HOUR - 1}, "revealPeriod", HOUR - 1, HOUR, 30 * DAY),
        ({"reveal_period": 2**24 - 1}, "revealPeriod", 2**24 - 1, HOUR, 30 * DAY),
    ],
)
def test_rules_out_of_range_are_refused(oracle, owner, members, change, name, value, low, high):
    rules = replace(RULES, **change)
    with reverts_with(oracle.SetOutOfRange, field=field(name), value=value, min=low, max=high):
        oracle.createSet(members, rules.as_tuple(), sender=owner)


@pytest.mark.parametrize("rules", [SetRules(1, *3 * [HOUR]), SetRules(5, *3 * [30 * DAY])])
def test_the_ends_of_the_ranges_are_inside(oracle, owner, members, rules):
    oracle.createSet(members, rules.as_tuple(), sender=owner)
    assert tuple(oracle.setOf(2)[1]) == rules.as_tuple()


# --- roots ---


def test_anyone_brings_a_root_that_a_quorum_signed(
    oracle, ended, post, statement, quorum, set_id, window, tree, epoch_end
):
    assert oracle.rootOf(set_id, window) == bytes(32)
    receipt = post(statement, quorum)
    (event,) = receipt.decode_logs(oracle.RootPosted)
    assert (event.setId, event.window, event.root, event.leavesURI) == (
        set_id,
        window,
        tree.root,
        URI,
    )
    assert oracle.rootOf(set_id, window) == tree.root
    assert oracle.rootOf(set_id, window + 1) == bytes(32)
    assert oracle.statusOf(set_id, epoch_end) == Status.REPORTED


def test_any_three_of_five_are_a_quorum_and_all_five_too(
    oracle, lane, at, post, statement, attestors, tree
):
    for picked in ((0, 1, 2), (0, 2, 4), (2, 3, 4), (0, 1, 2, 3, 4)):
        with isolated(lane):
            at(RULES.ends_at(statement.window))
            post(statement, attest(statement, [attestors[i] for i in picked]))
            assert oracle.rootOf(statement.set_id, statement.window) == tree.root


def test_an_account_of_eth_account_attests_like_one_of_ape(
    oracle, owner, chain, at, post, tree, window
):
    attestor = key("a key outside of ape")
    oracle.createSet([attestor.address], SetRules(1, DAY, DAY, DAY).as_tuple(), sender=owner)
    statement = TelemetryRoot(chain.chain_id, oracle.address, 2, window, tree.root, URI)
    at(RULES.ends_at(window))
    post(statement, attest(statement, [attestor]))
    assert oracle.rootOf(2, window) == tree.root


def test_thirty_two_of_thirty_two_sign(oracle, owner, chain, at, post, tree, window):
    keys = sorted((key(f"one of many {i}") for i in range(32)), key=lambda a: as_number(a.address))
    everyone = [k.address for k in keys]
    oracle.createSet(everyone, replace(RULES, threshold=32).as_tuple(), sender=owner)
    assert list(oracle.setOf(2)[0]) == everyone
    statement = TelemetryRoot(chain.chain_id, oracle.address, 2, window, tree.root, URI)
    at(RULES.ends_at(window))
    with reverts_with(oracle.QuorumNotReached, given=31, needed=32):
        post(statement, attest(statement, keys[1:]))
    assert post(statement, attest(statement, keys)).gas_used < 400_000


def test_no_root_before_the_window_has_ended(oracle, at, post, statement, quorum, set_id, window):
    ends_at = RULES.ends_at(window)
    at(ends_at - 1)
    with reverts_with(oracle.WindowOpen, setId=set_id, window=window, endsAt=ends_at):
        post(statement, quorum)
    at(ends_at)
    post(statement, quorum)


def test_no_root_from_the_deadline_on(
    oracle, at, now, post, statement, quorum, set_id, window, epoch_end
):
    deadline = RULES.posting_ends_at(window)
    now(deadline - 1)
    assert oracle.statusOf(set_id, epoch_end) == Status.PENDING
    at(deadline)
    with reverts_with(oracle.WindowClosed, setId=set_id, window=window, deadline=deadline):
        post(statement, quorum)
    now(deadline + 1)
    assert oracle.statusOf(set_id, epoch_end) == Status.BLACKOUT


def test_a_root_in_the_last_second_counts(oracle, at, post, statement, quorum, set_id, epoch_end):
    at(RULES.posting_ends_at(statement.window) - 1)
    post(statement, quorum)
    assert oracle.statusOf(set_id, epoch_end) == Status.REPORTED


@pytest.mark.parametrize(
    "huge", [MAX_UINT, MAX_UINT - 1, MAX_UINT // DAY, MAX_UINT // DAY - 1, 2**64]
)
def test_a_window_beyond_all_time_has_not_ended(oracle, post, statement, attestors, set_id, huge):
    beyond = replace(statement, window=huge)
    ends_at = min((huge + 1) * DAY, MAX_UINT)
    with reverts_with(oracle.WindowOpen, setId=set_id, window=huge, endsAt=ends_at):
        post(beyond, attest(beyond, attestors[:3]))


def test_a_root_for_an_unknown_set_is_refused(oracle, ended, post, statement, attestors):
    other = replace(statement, set_id=2)
    with reverts_with(oracle.UnknownSet, setId=2):
        post(other, attest(other, attestors[:3]))


def test_the_zero_root_is_refused(oracle, ended, post, statement, attestors):
    zero = replace(statement, root=bytes(32))
    with reverts_with(oracle.RootZero):
        post(zero, attest(zero, attestors[:3]))


def test_a_root_is_never_replaced(oracle, posted, post, statement, quorum, attestors, tree):
    standing = {"setId": statement.set_id, "window": statement.window, "root": tree.root}
    with reverts_with(oracle.RootExists, **standing):
        post(statement, quorum)
    other = replace(statement, root=keccak(text="another truth"))
    with reverts_with(oracle.RootExists, **standing):
        post(other, attest(other, attestors))
    assert oracle.rootOf(statement.set_id, statement.window) == tree.root


# --- quorum ---


@pytest.mark.parametrize("given", [0, 1, 2])
def test_fewer_than_the_threshold_are_no_quorum(oracle, ended, post, statement, quorum, given):
    with reverts_with(oracle.QuorumNotReached, given=given, needed=3):
        post(statement, quorum[:given])


def test_a_member_counts_once(oracle, ended, post, statement, quorum):
    with reverts_with(oracle.SignersNotOrdered, index=1, signer=quorum[0].signer):
        post(statement, [quorum[0]] * 3)


def test_signers_must_rise(oracle, ended, post, statement, quorum):
    with reverts_with(oracle.SignersNotOrdered, index=2, signer=quorum[1].signer):
        post(statement, [quorum[0], quorum[2], quorum[1]])


def test_nobody_signs_for_the_zero_address(oracle, ended, post, statement, quorum):
    # A failed recovery yields the zero address: it must never pass for a signer of that name.
    nobody = Attestation("0x" + "00" * 20, b"\xff" * 65)
    with reverts_with(oracle.SignersNotOrdered, index=0, signer=nobody.signer):
        post(statement, [nobody, *quorum])


@pytest.mark.parametrize("rank", [0, 2, 5])
def test_a_foreign_signature_is_refused_wherever_it_sorts(
    oracle, ended, post, statement, attestors, rank
):
    bounds = [0, *(as_number(a.address) for a in attestors), 2**160]
    candidates = (key(f"foreigner {i}") for i in range(10_000))
    foreigner = next(
        c for c in candidates if bounds[rank] < as_number(c.address) < bounds[rank + 1]
    )
    given = attest(statement, [*attestors[:2], attestors[4], foreigner])
    with reverts_with(oracle.NotAttestor, setId=statement.set_id, signer=foreigner.address):
        post(statement, given)


def test_members_of_another_set_are_foreign(oracle, owner, ended, post, statement, quorum):
    own = key("the only member")
    oracle.createSet([own.address], replace(RULES, threshold=1).as_tuple(), sender=owner)
    other = replace(statement, set_id=2)
    given = attest(other, [key("a member elsewhere")])
    with reverts_with(oracle.NotAttestor, setId=2, signer=given[0].signer):
        post(other, given)
    post(other, attest(other, [own]))


def test_a_signature_under_another_name_is_refused(oracle, ended, post, statement, attestors):
    first, second, third = attest(statement, attestors[:3])
    swapped = [first, Attestation(second.signer, third.signature), third]
    with reverts_with(oracle.BadSignature, signer=second.signer):
        post(statement, swapped)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda s: b"", id="empty"),
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
    ],
)
def test_a_spoilt_signature_is_refused(oracle, ended, post, statement, quorum, spoil):
    last = quorum[2]
    spoilt = [*quorum[:2], Attestation(last.signer, spoil(last.signature))]
    with reverts_with(oracle.BadSignature, signer=last.signer):
        post(statement, spoilt)


def test_one_bad_signature_above_the_threshold_is_refused_too(
    oracle, ended, post, statement, quorum, attestors
):
    spare = Attestation(attestors[4].address, quorum[0].signature)
    with reverts_with(oracle.BadSignature, signer=spare.signer):
        post(statement, [*quorum, spare])


def test_a_malleated_twin_is_no_second_vote(oracle, ended, post, statement, quorum):
    first = quorum[0]
    r, s, v = first.signature[:32], int.from_bytes(first.signature[32:64], "big"), first[1][64]
    twin = Attestation(first.signer, r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v]))
    with reverts_with(oracle.SignersNotOrdered, index=1, signer=first.signer):
        post(statement, [first, twin, quorum[1]])
    # It is the same vote, and stays one.
    with reverts_with(oracle.QuorumNotReached, given=2, needed=3):
        post(statement, [twin, quorum[1]])
    post(statement, [twin, *quorum[1:]])


def test_a_compact_signature_is_as_good(oracle, ended, post, statement, quorum, tree):
    post(statement, [Attestation(signer, compact(signature)) for signer, signature in quorum])
    assert oracle.rootOf(statement.set_id, statement.window) == tree.root


# --- replays ---


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"oracle": "0x" + "11" * 20},
        {"set_id": 2},
        {"window": 1},
        {"root": keccak(text="another tree")},
        {"leaves_uri": "ipfs://elsewhere"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_signature_over_anything_else_is_refused(
    oracle, ended, post, statement, attestors, change
):
    elsewhere = replace(statement, **change)
    with reverts_with(oracle.BadSignature, signer=attestors[0].address):
        post(statement, attest(elsewhere, attestors[:3]))


def test_a_root_is_not_replayed_on_the_same_members_other_set_window_or_oracle(
    oracle, project, owner, stranger, posted, at, post, statement, quorum, members
):
    oracle.createSet(members, RULES.as_tuple(), sender=owner)
    twin = owner.deploy(project.TelemetryOracle, owner)
    twin.createSet(members, RULES.as_tuple(), sender=owner)
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        post(replace(statement, set_id=2), quorum)
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        twin.postRoot(1, statement.window, statement.root, URI, quorum, sender=stranger)
    at(RULES.ends_at(statement.window + 1))
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        post(replace(statement, window=statement.window + 1), quorum)


# --- contracts that attest ---


@pytest.fixture(scope="module")
def wallet_key():
    return key("the key of the wallet")


@pytest.fixture(scope="module")
def wallet(project, owner, wallet_key):
    return owner.deploy(project.MockERC1271, wallet_key.address)


@pytest.fixture
def mixed(oracle, owner, wallet, attestors, statement):
    """A statement for a 2-of-3 set of two keys and a contract, whose id is 2."""
    keys = attestors[:2]
    everyone = rising([wallet.address, *(k.address for k in keys)])
    oracle.createSet(
        everyone, replace(RULES, threshold=2, posting_period=2 * DAY).as_tuple(), sender=owner
    )
    return replace(statement, set_id=2)


@pytest.fixture
def with_wallet(mixed, wallet, wallet_key, attestors):
    """The contract's attestation and one key's."""
    (by_key,) = attest(mixed, [wallet_key])
    own = Attestation(wallet.address, by_key.signature)
    return sort_attestations([own, *attest(mixed, attestors[:1])])


def test_a_contract_attests_by_erc_1271(oracle, ended, post, mixed, with_wallet):
    post(mixed, with_wallet)
    assert oracle.rootOf(2, mixed.window) == mixed.root


@pytest.mark.parametrize(
    "manner",
    [
        Manner.REVERT,
        Manner.GARBAGE,
        Manner.SHORT,
        Manner.EMPTY,
        Manner.BURN,
        Manner.WRITE,
    ],
    ids=lambda manner: manner.name.lower(),
)
def test_a_contract_that_fails_or_lies_is_one_bad_signature(
    oracle, owner, ended, post, mixed, with_wallet, wallet, attestors, manner
):
    wallet.setManner(manner, sender=owner)
    with reverts_with(oracle.BadSignature, signer=wallet.address):
        post(mixed, with_wallet)
    assert wallet.calls() == 0
    post(mixed, attest(mixed, attestors[:2]))
    assert oracle.rootOf(2, mixed.window) == mixed.root


def test_a_contract_refuses_a_signature_of_another_key(
    oracle, ended, post, mixed, wallet, attestors
):
    by_key = attest(mixed, attestors[:1])
    forged = Attestation(wallet.address, by_key[0].signature)
    with reverts_with(oracle.BadSignature, signer=wallet.address):
        post(mixed, sort_attestations([forged, *by_key]))


def test_a_bloated_answer_costs_only_what_it_costs(
    oracle, owner, ended, post, mixed, with_wallet, wallet
):
    wallet.setManner(Manner.BOMB, sender=owner)
    assert post(mixed, with_wallet).gas_used < 250_000
    assert oracle.rootOf(2, mixed.window) == mixed.root


@pytest.mark.parametrize("where", ["the same window", "the next window"])
def test_a_contract_cannot_reenter(
    oracle, owner, lane, at, post, mixed, with_wallet, wallet, attestors, where
):
    same = where == "the same window"
    smuggled = (
        replace(mixed, root=keccak(text=where)) if same else replace(mixed, window=mixed.window + 1)
    )
    attestations = attest(smuggled, attestors[:2])
    with isolated(lane):
        at(RULES.ends_at(mixed.window + 1))
        post(smuggled, attestations)  # made from outside it would be taken
    arguments = (smuggled.set_id, smuggled.window, smuggled.root, URI, attestations)
    wallet.setReentry(oracle.address, oracle.postRoot.encode_input(*arguments), sender=owner)
    wallet.setManner(Manner.REENTER, sender=owner)
    at(RULES.ends_at(mixed.window + 1))
    post(mixed, with_wallet)
    assert oracle.rootOf(2, mixed.window) == mixed.root
    assert oracle.rootOf(2, mixed.window + 1) == bytes(32)


def test_a_key_still_speaks_where_its_account_delegates_to_code(
    oracle, chain, owner, ended, post, statement, quorum, wallet
):
    wallet.setManner(Manner.REVERT, sender=owner)
    code = chain.provider.make_request("eth_getCode", [wallet.address, "latest"])
    chain.provider.make_request("anvil_setCode", [quorum[0].signer, code])
    post(statement, quorum)
    assert oracle.rootOf(statement.set_id, statement.window) == statement.root


# --- reports ---


def test_every_report_of_the_tree_verifies(oracle, posted, set_id, epoch_end, tree):
    for report in REPORTS:
        assert oracle.leafOf(report.as_tuple()) == report.leaf
        oracle.verify(set_id, epoch_end, report.as_tuple(), tree.proof(report))


@pytest.mark.parametrize(
    "change",
    [
        {"capacity": 2},
        {"epoch": 41},
        {"uptime_bps": 10_000},
        {"load_bps": 1},
        {"energy_wh": 1},
        {"curtailed": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_report_with_one_thing_changed_is_not_in_the_root(
    oracle, posted, set_id, window, epoch_end, tree, change
):
    forged = replace(REPORTS[0], **change)
    with reverts_with(oracle.NotInRoot, setId=set_id, window=window, leaf=forged.leaf):
        oracle.verify(set_id, epoch_end, forged.as_tuple(), tree.proof(REPORTS[0]))


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda proof: [], id="none"),
        pytest.param(lambda proof: proof[:-1], id="too short"),
        pytest.param(lambda proof: proof[1:], id="without its first"),
        pytest.param(lambda proof: [*proof, bytes(32)], id="too long"),
        pytest.param(lambda proof: proof[::-1], id="reversed"),
        pytest.param(lambda proof: [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]], id="bit"),
    ],
)
def test_a_forged_proof_fails(oracle, posted, set_id, window, epoch_end, tree, forge):
    report = REPORTS[0]
    proof = forge(tree.proof(report))
    with reverts_with(oracle.NotInRoot, setId=set_id, window=window, leaf=report.leaf):
        oracle.verify(set_id, epoch_end, report.as_tuple(), proof)


def test_the_proof_of_another_report_fails(oracle, posted, set_id, window, epoch_end, tree):
    report = REPORTS[0]
    for other in REPORTS[1:]:
        with reverts_with(oracle.NotInRoot, setId=set_id, window=window, leaf=report.leaf):
            oracle.verify(set_id, epoch_end, report.as_tuple(), tree.proof(other))


def post_tree(post, statement, attestors, root):
    signed = replace(statement, root=root)
    post(signed, attest(signed, attestors[:3]))


def test_a_tree_of_one_leaf_needs_no_proof(
    oracle, ended, post, statement, attestors, set_id, window, epoch_end
):
    only, other = REPORTS[:2]
    post_tree(post, statement, attestors, ReportTree.of([only]).root)
    oracle.verify(set_id, epoch_end, only.as_tuple(), [])
    with reverts_with(oracle.NotInRoot, setId=set_id, window=window, leaf=other.leaf):
        oracle.verify(set_id, epoch_end, other.as_tuple(), [])


def test_a_leaf_hashed_once_is_no_leaf(
    oracle, ended, post, statement, attestors, set_id, window, epoch_end
):
    # One hash is what an inner node gets: leaves hashed so could be mistaken for nodes.
    single = {report: keccak(encode(REPORT_TYPES, report.as_tuple())) for report in REPORTS}
    evil = MerkleTree(single.values())
    post_tree(post, statement, attestors, evil.root)
    for report, leaf in single.items():
        assert root_of_proof(leaf, evil.proof(leaf)) == evil.root
        with reverts_with(oracle.NotInRoot, setId=set_id, window=window, leaf=report.leaf):
            oracle.verify(set_id, epoch_end, report.as_tuple(), evil.proof(leaf))


def test_an_inner_node_is_no_leaf(
    oracle, ended, post, statement, attestors, set_id, window, epoch_end
):
    # The inner hash of a forged report put where a node's two children would stand.
    forged = REPORTS[0]
    inner = keccak(encode(REPORT_TYPES, forged.as_tuple()))
    for sibling in (bytes(32), inner):
        node = hash_pair(inner, sibling)
        assert node != forged.leaf
    evil = MerkleTree([inner, *(report.leaf for report in REPORTS[1:])])
    post_tree(post, statement, attestors, evil.root)
    with reverts_with(oracle.NotInRoot, setId=set_id, window=window, leaf=forged.leaf):
        oracle.verify(set_id, epoch_end, forged.as_tuple(), evil.proof(inner))


@pytest.mark.parametrize(
    ("name", "change"),
    [("uptimeBps", {"uptime_bps": 10_001}), ("loadBps", {"load_bps": 65_535})],
)
def test_a_share_above_one_is_refused_even_if_signed(
    oracle, ended, post, statement, attestors, set_id, epoch_end, name, change
):
    absurd = replace(REPORTS[0], **change)
    evil = MerkleTree([absurd.leaf, REPORTS[1].leaf])
    post_tree(post, statement, attestors, evil.root)
    value = next(iter(change.values()))
    with reverts_with(oracle.ReportOutOfRange, field=field(name), value=value):
        oracle.verify(set_id, epoch_end, absurd.as_tuple(), evil.proof(absurd.leaf))
    oracle.verify(set_id, epoch_end, REPORTS[1].as_tuple(), evil.proof(REPORTS[1].leaf))


def test_the_ends_of_a_reports_ranges_are_inside(
    oracle, ended, post, statement, attestors, set_id, epoch_end
):
    low = Report(0, 0, 0, 0, 0, False)
    high = Report(MAX_UINT, 2**32 - 1, 10_000, 10_000, 2**64 - 1, True)
    tree = ReportTree.of([low, high])
    post_tree(post, statement, attestors, tree.root)
    for report in (low, high):
        oracle.verify(set_id, epoch_end, report.as_tuple(), tree.proof(report))


def test_reports_are_shown_until_the_last_second(
    oracle, posted, now, set_id, window, epoch_end, tree
):
    report, end = REPORTS[0], RULES.reveal_ends_at(window)
    now(end - 1)
    assert oracle.statusOf(set_id, epoch_end) == Status.REPORTED
    oracle.verify(set_id, epoch_end, report.as_tuple(), tree.proof(report))
    now(end)
    assert oracle.statusOf(set_id, epoch_end) == Status.MISSING
    with reverts_with(oracle.RevealClosed, setId=set_id, window=window, deadline=end):
        oracle.verify(set_id, epoch_end, report.as_tuple(), tree.proof(report))


def test_a_report_counts_in_its_own_window_only(oracle, posted, set_id, window, tree):
    args = (REPORTS[0].as_tuple(), tree.proof(REPORTS[0]))
    begin, end = RULES.ends_at(window - 1), RULES.ends_at(window)
    for inside in (begin + 1, end):
        oracle.verify(set_id, inside, *args)
    for outside, its_window in ((begin, window - 1), (end + 1, window + 1)):
        with reverts_with(oracle.NoRoot, setId=set_id, window=its_window):
            oracle.verify(set_id, outside, *args)


def test_a_report_counts_in_its_own_set_only(
    oracle, owner, posted, members, window, epoch_end, tree
):
    oracle.createSet(members, RULES.as_tuple(), sender=owner)
    with reverts_with(oracle.NoRoot, setId=2, window=window):
        oracle.verify(2, epoch_end, REPORTS[0].as_tuple(), tree.proof(REPORTS[0]))


def test_times_outside_every_window(oracle, posted, set_id, tree):
    args = (REPORTS[0].as_tuple(), tree.proof(REPORTS[0]))
    with reverts_with(oracle.NoWindow):
        oracle.verify(set_id, 0, *args)
    with reverts_with(oracle.NoWindow):
        oracle.windowOf(set_id, 0)
    with reverts_with(oracle.NoRoot, setId=set_id, window=(MAX_UINT - 1) // DAY):
        oracle.verify(set_id, MAX_UINT, *args)


# --- status ---


@pytest.mark.parametrize(
    ("turn", "seconds", "status"),
    [
        ("ends_at", -5 * HOUR - 1, Status.PENDING),
        ("ends_at", -5 * HOUR, Status.PENDING),
        ("ends_at", 0, Status.PENDING),
        ("posting_ends_at", -1, Status.PENDING),
        ("posting_ends_at", 0, Status.BLACKOUT),
        ("reveal_ends_at", 0, Status.BLACKOUT),
        ("reveal_ends_at", 365 * DAY, Status.BLACKOUT),
    ],
)
def test_status_of_a_silent_window(oracle, now, set_id, window, epoch_end, turn, seconds, status):
    now(getattr(RULES, turn)(window) + seconds)
    assert oracle.statusOf(set_id, epoch_end) == status


@pytest.mark.parametrize(
    ("turn", "seconds", "status"),
    [
        ("ends_at", 1, Status.REPORTED),
        ("posting_ends_at", 0, Status.REPORTED),
        ("reveal_ends_at", -1, Status.REPORTED),
        ("reveal_ends_at", 0, Status.MISSING),
        ("reveal_ends_at", 365 * DAY, Status.MISSING),
    ],
)
def test_status_of_a_window_with_a_root(
    oracle, posted, now, set_id, window, epoch_end, turn, seconds, status
):
    now(getattr(RULES, turn)(window) + seconds)
    assert oracle.statusOf(set_id, epoch_end) == status


@pytest.mark.parametrize("end", [0, 1, DAY, 2**40, MAX_UINT])
def test_an_unknown_set_is_a_blackout_at_any_time(oracle, set_id, end):
    for unknown in (0, 2, 2**24, MAX_UINT):
        assert oracle.statusOf(unknown, end) == Status.BLACKOUT


def test_time_zero_is_a_blackout_and_the_far_future_is_pending(oracle, chain, set_id):
    assert oracle.statusOf(set_id, 0) == Status.BLACKOUT
    assert oracle.statusOf(set_id, 1) == Status.BLACKOUT
    for future in (chain.blocks.head.timestamp + 1, 2**64, MAX_UINT - DAY, MAX_UINT):
        assert oracle.statusOf(set_id, future) == Status.PENDING


# --- views ---


@pytest.mark.parametrize(
    ("end", "window"),
    [(1, 0), (DAY, 0), (DAY + 1, 1), (2 * DAY, 1), (MAX_UINT, (MAX_UINT - 1) // DAY)],
)
def test_a_window_holds_its_end_and_not_its_begin(oracle, set_id, end, window):
    assert oracle.windowOf(set_id, end) == window == RULES.window_of(end)


@pytest.mark.parametrize("uri", ["", "ipfs://x", "https://example.org/" + "ü" * 300])
def test_the_digest_is_the_one_that_wallets_sign(oracle, statement, uri):
    other = replace(statement, leaves_uri=uri, window=MAX_UINT)
    digest = oracle.digestOf(other.set_id, other.window, other.root, uri)
    assert digest == other.digest()
    signed = attest(other, [key("wallet")])[0]
    hashed = Account._recover_hash(digest, signature=signed.signature)
    assert hashed == signed.signer


def test_the_domain_is_readable(oracle, chain):
    _, name, version, chain_id, contract, _, _ = oracle.eip712Domain()
    assert (name, version) == ("Derrick Telemetry", "1")
    assert (chain_id, contract) == (chain.chain_id, oracle.address)
