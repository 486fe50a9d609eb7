"""Trees, statements and signatures as attestors make them; two libraries check the proofs."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations

import pytest
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak

from derrick.merkle import MerkleTree, hash_pair, root_of_multiproof, root_of_proof
from derrick.telemetry import (
    CURVE_ORDER,
    Attestation,
    Report,
    ReportsProof,
    ReportTree,
    SetRules,
    TelemetryError,
    TelemetryRoot,
    attest,
    check_quorum,
    recover,
    sort_attestations,
    verify_report,
    verify_reports,
)
from derrick.telemetry_model import WindowModel
from tests.oracle_stage import compact, key_that_signs, twin

ORACLE = "0x" + "0a" * 20
KEYS = sorted(
    (Account.from_key(keccak(text=f"key {i}")) for i in range(5)), key=lambda k: int(k.address, 16)
)
MEMBERS = [k.address for k in KEYS]
STATEMENT = TelemetryRoot(31337, ORACLE, 3, 20_000, keccak(text="root"), 9, 2, "ipfs://leaves")
# The root over the first n reports of `reports`, and the proof of the last of them, as
# OpenZeppelin's merkle-tree 1.0.8 computes them with `sortLeaves: false`.
OPENZEPPELIN = {
    1: ("060fc379a12ab0aae9e56bff0a040f69323001ef1934ab4710b47c33330761c8", []),
    2: (
        "3ab0863caa9779b4fb3a04e981e990d3636692cab972807b4802e70bad7652ae",
        ["060fc379a12ab0aae9e56bff0a040f69323001ef1934ab4710b47c33330761c8"],
    ),
    3: (
        "aff342981b72562636f213ab4a47751d54a61364904497937c32c179c3fb6d34",
        ["3ab0863caa9779b4fb3a04e981e990d3636692cab972807b4802e70bad7652ae"],
    ),
    8: (
        "f74552783aa63b3e724617a10fe434c35d5d70e4b2100101ed871f15f5b9fd78",
        [
            "3cb79c8944d17050ca722584ac407c6ceb8f252836febe3799d1239478b2d476",
            "d23aff3f661fbbf7595581d247850ac0d87326eb09ddd79c8d4341050da57b77",
            "f5eed4ffbf694ae66f241bf06c69880baa2b488f3d9e8d2c4e733ebb4817509a",
        ],
    ),
    13: (
        "c02f044a9a73d89a86d662d35b05f36d2bcb5ce3fa9511fb18da7af5b433a393",
        [
            "3ab0863caa9779b4fb3a04e981e990d3636692cab972807b4802e70bad7652ae",
            "d143fc5540a239612738109dfe7c1295dfb9015a29703a29c1586850c9930ae0",
            "038f0c917d2d59c6afe39b7b3c42990f2dca40e872120c45e22707a0fe225814",
        ],
    ),
}
# The same library's `getMultiProof` of some of the first n reports: n, which, proof, flags.
OPENZEPPELIN_MANY = [
    (1, [0], [], ""),
    (2, [1], ["060fc379a12ab0aae9e56bff0a040f69323001ef1934ab4710b47c33330761c8"], "0"),
    (3, [0, 2], ["1ab9d046d2d8c37a1b7c40fd2d73d9b0f6d79e1a311ea06889d2dc77122aaadb"], "01"),
    (
        8,
        [1, 2, 6],
        [
            "060fc379a12ab0aae9e56bff0a040f69323001ef1934ab4710b47c33330761c8",
            "d912dc75872403576f3689ea1686166e49089a0c71f79e9fe60c3c32b67c14e2",
            "8aa49690bd4722f22d77a8555a26fb3f42474f55cc093b64033db16119869a65",
            "d23aff3f661fbbf7595581d247850ac0d87326eb09ddd79c8d4341050da57b77",
        ],
        "000101",
    ),
    (
        13,
        [12, 5, 6, 0],
        [
            "1ab9d046d2d8c37a1b7c40fd2d73d9b0f6d79e1a311ea06889d2dc77122aaadb",
            "6891680fb4f18d2ff366ffc041a627cbe38966ee407023a2b6a82eb98b16b0f8",
            "8aa49690bd4722f22d77a8555a26fb3f42474f55cc093b64033db16119869a65",
            "2a8ea47efd65b7756449b90eabde34cc87947e8614245429f958c5d8764c86d2",
            "d3f60aa10edaddad48fece43b1a2188ddb50483397c4134d1cbfb5e67712b90e",
            "d143fc5540a239612738109dfe7c1295dfb9015a29703a29c1586850c9930ae0",
        ],
        "000100011",
    ),
    (13, list(range(13)), [], "1" * 12),
]


def reports(count: int) -> list[Report]:
    """In the order of a tree: three capacities an epoch."""
    return [
        Report(1 + i % 3, 7 + i // 3, 9_000 + i, 100 * i, 10**12 + i, i % 3 == 0)
        for i in range(count)
    ]


# --- trees ---


@pytest.mark.parametrize("count", OPENZEPPELIN)
def test_trees_are_those_of_openzeppelin(count):
    root, proof = OPENZEPPELIN[count]
    tree = ReportTree.of(reports(count))
    assert tree.root.hex() == root
    assert [sibling.hex() for sibling in tree.proof(reports(count)[-1])] == proof


@pytest.mark.parametrize(("count", "picked", "proof", "flags"), OPENZEPPELIN_MANY)
def test_multiproofs_are_those_of_openzeppelin(count, picked, proof, flags):
    many = ReportTree.of(reports(count)).multiproof(reports(count)[i] for i in picked)
    assert [sibling.hex() for sibling in many.proof] == proof
    assert many.flags == [flag == "1" for flag in flags]
    assert many.reports == [reports(count)[i] for i in sorted(picked)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 100])
def test_every_report_is_proved_and_no_other(count):
    tree = ReportTree.of(reports(count))
    stranger = Report(999, 1, 10_000, 0, 0)
    for report in reports(count):
        assert verify_report(tree.root, report, tree.proof(report))
        assert verify_report(tree.root[:27], report, tree.proof(report))
        assert not verify_report(tree.root[:26], report, tree.proof(report))
        assert not verify_report(tree.root, stranger, tree.proof(report))
        assert not verify_report(tree.root, replace(report, uptime_bps=1), tree.proof(report))


@pytest.mark.parametrize("count", range(1, 8))
def test_every_set_of_reports_is_proved_together(count):
    tree = ReportTree.of(reports(count))
    for size in range(1, count + 1):
        for picked in combinations(reports(count), size):
            proved = tree.multiproof(reversed(picked))
            assert proved.reports == list(picked)
            assert verify_reports(tree.root, proved)
            assert verify_reports(tree.root[:27], proved)
            forged = [replace(picked[0], uptime_bps=1), *picked[1:]]
            assert not verify_reports(tree.root, proved._replace(reports=forged))
            assert not verify_reports(tree.root, proved._replace(reports=list(picked)[:-1]))


def test_both_libraries_of_the_contracts_agree(project, owner):
    probe = owner.deploy(project.ReportProbe)
    for count in (1, 2, 5, 8, 13):
        tree = ReportTree.of(reports(count))
        for report in reports(count):
            proof = tree.proof(report)
            assert probe.leafOf(report.as_tuple()) == report.leaf
            assert probe.rootOf(report.as_tuple(), proof) == tree.root
            assert probe.verify(tree.root, report.as_tuple(), proof)
            assert not probe.verify(keccak(tree.root), report.as_tuple(), proof)
        for picked in (slice(None), slice(0, 1), slice(None, None, 2), slice(1, None, 3)):
            if not reports(count)[picked]:
                continue
            many = tree.multiproof(reports(count)[picked]).as_arguments()
            assert probe.rootOfMany(*many[1:]) == tree.root
            assert probe.verifyMany(*many)
            assert not probe.verifyMany(keccak(tree.root), *many[1:])


def test_no_reports_are_proved_by_nothing():
    tree = ReportTree.of(reports(3))
    assert not verify_reports(tree.root, ReportsProof(tree.root, [], [tree.root], []))
    with pytest.raises(TelemetryError, match="at least one leaf"):
        tree.multiproof([])


def test_reports_stand_by_epoch_then_capacity():
    scattered = [Report(2, 1, 1, 0, 0), Report(1, 2, 1, 0, 0), Report(9, 0, 1, 0, 0)]
    scattered += [Report(1, 1, 1, 0, 0), Report(3, 0, 1, 0, 0)]
    tree = ReportTree.of(scattered)
    places = [(report.epoch, report.capacity) for report in tree.reports]
    assert places == [(0, 3), (0, 9), (1, 1), (1, 2), (2, 1)]


def test_the_order_in_which_reports_come_does_not_matter():
    assert ReportTree.of(reports(9)).root == ReportTree.of(reversed(reports(9))).root


def test_a_leaf_is_hashed_twice_over_six_words():
    report = Report(1, 2, 3, 4, 5, True)
    words = b"".join(number.to_bytes(32, "big") for number in (1, 2, 3, 4, 5, 1))
    assert report.leaf == keccak(keccak(words))


def test_pairs_are_hashed_sorted():
    low, high = b"\x01" * 32, b"\x02" * 32
    assert hash_pair(low, high) == hash_pair(high, low) == keccak(low + high)


def test_a_proof_leads_to_the_root():
    leaves = [keccak(bytes([i])) for i in range(5)]
    tree = MerkleTree(leaves)
    assert tree.leaves == tuple(leaves)
    assert all(root_of_proof(leaf, tree.proof(leaf)) == tree.root for leaf in leaves)
    with pytest.raises(KeyError, match="no such leaf"):
        tree.proof(bytes(32))


@pytest.mark.parametrize(
    ("leaves", "proof", "flags", "words"),
    [
        (1, 1, [], "1 leaves, 1 siblings and 0 flags"),
        (2, 0, [True, True], "2 leaves, 0 siblings and 2 flags"),
        (0, 0, [], "0 leaves, 0 siblings and 0 flags"),
        (1, 1, [True], "not there"),
        (2, 0, [False], "not there"),
        (0, 3, [False, False], "not there"),
        (4, 2, [True, True, True, False, True], "not there"),
        (3, 1, [True, True, True], "not there"),
    ],
)
def test_a_multiproof_of_parts_that_do_not_fit_leads_nowhere(leaves, proof, flags, words):
    words_of = [keccak(bytes([i])) for i in range(leaves + proof)]
    with pytest.raises(ValueError, match=words):
        root_of_multiproof(words_of[:leaves], words_of[leaves:], flags)
    empty = [Report(1, i, 0, 0, 0) for i in range(leaves)]
    assert not verify_reports(bytes(32), ReportsProof(bytes(32), empty, words_of[leaves:], flags))


def test_nothing_but_a_root_is_proved_by_that_root():
    root = keccak(text="root")
    assert root_of_multiproof([], [root], []) == root


@pytest.mark.parametrize("leaves", [[], [b"short"], [bytes(32), bytes(64)], [bytes(32), bytes(32)]])
def test_a_tree_refuses_what_is_no_leaf(leaves):
    with pytest.raises(ValueError, match="leaf"):
        MerkleTree(leaves)


def test_a_window_without_reports_has_no_tree():
    with pytest.raises(TelemetryError, match="without reports"):
        ReportTree.of([])


def test_two_reports_on_one_epoch_are_refused():
    one = Report(4, 9, 10_000, 0, 0)
    with pytest.raises(TelemetryError, match="two reports on capacity 4, epoch 9"):
        ReportTree.of([one, *reports(3), replace(one, uptime_bps=0)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"capacity": 2**256}, "capacity is 1157"),
        ({"capacity": -1}, "capacity is -1"),
        ({"epoch": 2**24}, "epoch is 16777216, must be 0 … 16777215"),
        ({"uptime_bps": 10_001}, "uptime_bps is 10001"),
        ({"uptime_bps": -1}, "uptime_bps is -1"),
        ({"load_bps": 10_001}, "load_bps is 10001"),
        ({"energy_wh": 2**48}, "energy_wh is 281474976710656"),
    ],
)
def test_a_report_that_the_market_would_refuse_gets_no_tree(change, words):
    with pytest.raises(TelemetryError, match=words):
        ReportTree.of([replace(reports(1)[0], **change)])


def test_the_proof_of_an_unknown_report_is_refused():
    tree = ReportTree.of(reports(3))
    for report in (reports(4)[3], replace(reports(3)[0], uptime_bps=0)):
        with pytest.raises(TelemetryError, match="not in this tree"):
            tree.proof(report)
        with pytest.raises(TelemetryError, match="not in this tree"):
            tree.multiproof([reports(3)[1], report])
    with pytest.raises(TelemetryError, match="asked for twice"):
        tree.multiproof(2 * reports(1))


# --- counts ---


def test_capacities_and_those_in_penalty_are_counted_once():
    tree = ReportTree.of(
        [
            Report(1, 5, 8_999, 0, 0),
            Report(1, 6, 0, 0, 0),
            Report(2, 5, 9_000, 0, 0),
            Report(2, 6, 10_000, 0, 0),
            Report(3, 5, 0, 0, 0, True),
            Report(4, 5, 4_000, 0, 0),
        ]
    )
    assert tree.capacities == 4
    assert tree.penalized(0) == 0
    assert tree.penalized(9_000) == 2
    assert tree.penalized(10_001) == 3
    assert tree.penalized({1: 9_000, 2: 9_001, 3: 10_000, 4: 4_000}) == 2
    with pytest.raises(TelemetryError, match="no penalty is known of capacity 4"):
        tree.penalized({1: 9_000, 2: 9_001, 3: 10_000})
    statement = tree.statement(1, ORACLE, 2, 3, "u", {1: 1, 2: 0, 3: 0, 4: 0}, 1)
    assert statement == TelemetryRoot(1, ORACLE, 2, 3, tree.root, 4, 1, "u", 1)
    assert statement.as_tuple() == (2, 3, tree.root, 4, 1, "u", 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"root": bytes(32)}, "not a root"),
        ({"root": bytes(27) + b"\1" * 5}, "not a root"),
        ({"root": b"\1" * 27}, "not a root"),
        ({"capacities": 0, "penalized": 0}, "0 capacities"),
        ({"capacities": 2**32}, "4294967296 capacities"),
        ({"penalized": 10}, "10 of 9 capacities in penalty"),
        ({"penalized": -1}, "-1 of 9 capacities in penalty"),
        ({"attempt": 2}, "attempt 2"),
    ],
)
def test_a_statement_that_the_oracle_would_refuse_is_named(change, words):
    STATEMENT.check()
    with pytest.raises(TelemetryError, match=words):
        replace(STATEMENT, **change).check()


# --- publishing ---


def test_a_published_tree_is_read_back():
    tree = ReportTree.of([*reports(6), Report(2**256 - 1, 2**24 - 1, 10_000, 0, 2**48 - 1, True)])
    published = json.loads(json.dumps(tree.dump()))
    again = ReportTree.load(published, tree.root)
    assert again.root == tree.root
    assert again.reports == tree.reports
    assert published["format"] == "standard-v1"
    for entry in published["values"]:
        numbers = [int(number) for number in entry["value"][:-1]]
        report = Report(*numbers, entry["value"][-1])
        assert published["tree"][entry["treeIndex"]] == "0x" + report.leaf.hex()


def test_a_published_tree_with_a_changed_report_is_refused():
    tree = ReportTree.of(reports(5))
    published = tree.dump()
    published["values"][2]["value"][2] = "10000"
    with pytest.raises(TelemetryError, match="not 0x" + tree.root.hex()):
        ReportTree.load(published, tree.root)


def test_nodes_of_a_published_tree_are_not_believed():
    tree = ReportTree.of(reports(5))
    published = tree.dump()
    published["tree"] = ["0x" + "00" * 32] * 9
    assert ReportTree.load(published).root == tree.root


@pytest.mark.parametrize(
    "spoil",
    [
        {"format": "simple-v1"},
        {"leafEncoding": ["uint256"]},
        {"values": [{"value": ["1", "2", "3", "4", "5", "true"]}]},
        {"values": [{"value": ["1", "2", "3", "4", False]}]},
    ],
)
def test_another_format_is_refused(spoil):
    with pytest.raises(TelemetryError, match="not a"):
        ReportTree.load({**ReportTree.of(reports(2)).dump(), **spoil})


# --- statements and signatures ---


def test_the_digest_is_that_of_eip_712():
    domain = keccak(
        encode(
            ["bytes32", "bytes32", "bytes32", "uint256", "address"],
            [
                keccak(
                    text="EIP712Domain(string name,string version,"
                    "uint256 chainId,address verifyingContract)"
                ),
                keccak(text="Derrick Telemetry"),
                keccak(text="1"),
                31337,
                ORACLE,
            ],
        )
    )
    kind = keccak(
        text="TelemetryRoot(uint256 setId,uint256 window,bytes32 root,uint32 capacities,"
        "uint32 penalized,string leavesURI,uint8 attempt)"
    )
    message = keccak(
        encode(
            ["bytes32", "uint256", "uint256", "bytes32", "uint32", "uint32", "bytes32", "uint8"],
            [kind, 3, 20_000, STATEMENT.root, 9, 2, keccak(text="ipfs://leaves"), 0],
        )
    )
    assert STATEMENT.digest() == keccak(b"\x19\x01" + domain + message)


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 1},
        {"oracle": "0x" + "0b" * 20},
        {"set_id": 4},
        {"window": 20_001},
        {"root": bytes(32)},
        {"capacities": 10},
        {"penalized": 3},
        {"leaves_uri": ""},
        {"attempt": 1},
    ],
)
def test_everything_stands_under_the_signature(change):
    assert replace(STATEMENT, **change).digest() != STATEMENT.digest()


def test_attestations_come_sorted_and_recover():
    given = attest(STATEMENT, reversed(KEYS))
    assert [attestation.signer for attestation in given] == MEMBERS
    for signer, signature in given:
        assert len(signature) == 65
        assert recover(STATEMENT, signature) == signer
    assert sort_attestations(reversed(given)) == given


def test_a_compact_signature_recovers_too():
    for signer, signature in attest(STATEMENT, KEYS):
        assert recover(STATEMENT, compact(signature)) == signer


def test_of_two_signatures_the_lower_one_counts():
    for _, signature in attest(STATEMENT, KEYS):
        with pytest.raises(TelemetryError, match="not the lower"):
            recover(STATEMENT, twin(signature))


@pytest.mark.parametrize(
    ("s", "fine"),
    [(1, True), (CURVE_ORDER // 2, True), (CURVE_ORDER // 2 + 1, False), (2**255 - 1, False)],
)
def test_the_lower_half_ends_where_it_ends(s, fine):
    account, signature = key_that_signs(STATEMENT.digest(), s)
    for written in (signature, compact(signature)):
        if fine:
            assert recover(STATEMENT, written) == account.address
        else:
            with pytest.raises(TelemetryError, match="not the lower"):
                recover(STATEMENT, written)


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), b"\xff" * 65, bytes(64)])
def test_what_is_no_signature_is_named(signature):
    with pytest.raises(TelemetryError, match="not a signature"):
        recover(STATEMENT, signature)


def test_a_signer_that_refuses_is_named():
    class Refusing:
        address = MEMBERS[0]

        def sign_message(self, message, /):
            return None

    with pytest.raises(TelemetryError, match=f"{MEMBERS[0]} refused"):
        attest(STATEMENT, [Refusing()])


def test_a_quorum_is_checked_before_it_is_paid_for():
    given = attest(STATEMENT, KEYS)
    check_quorum(STATEMENT, given[1:4], MEMBERS, 3)
    check_quorum(STATEMENT, given, [member.lower() for member in MEMBERS], 5)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda a: a[:2], "2 signatures, 3 needed"),
        (lambda a: [a[0], a[0], a[1]], "signers must rise"),
        (lambda a: a[::-1], "signers must rise"),
        (lambda a: [*a[:2], Attestation(a[2].signer, a[1].signature)], "not a signature of"),
        (lambda a: [*a[:2], Attestation(a[2].signer, twin(a[2].signature))], "not the lower"),
        (lambda a: sort_attestations([*a, *attest(STATEMENT, [Account.create()])]), "no member"),
        (lambda a: attest(replace(STATEMENT, window=1), KEYS[:3]), "not a signature of"),
        (lambda a: attest(replace(STATEMENT, attempt=1), KEYS[:3]), "not a signature of"),
    ],
)
def test_a_broken_quorum_is_named(spoil, words):
    with pytest.raises(TelemetryError, match=words):
        check_quorum(STATEMENT, spoil(attest(STATEMENT, KEYS[:3])), MEMBERS, 3)


# --- time ---

RULES = SetRules(
    window_length=100,
    posting_period=30,
    finality_delay=7,
    reveal_period=50,
    mass_share_bps=2_500,
    mass_minimum=2,
    mass_delay=11,
)


def test_windows_hold_their_end():
    assert [RULES.window_of(end) for end in (1, 100, 101, 200, 201)] == [0, 0, 1, 1, 2]
    with pytest.raises(TelemetryError, match="time 0"):
        RULES.window_of(0)


def test_the_times_of_a_window_follow_one_another():
    assert RULES.reveal_span == 2 * 30 + 2 * 7 + 50
    times = [RULES.ends_at(1), RULES.posting_ends(1), RULES.repost_ends(1)]
    times += [RULES.final_at(RULES.repost_ends(1)), RULES.reveal_ends(1), RULES.late_ends(1)]
    assert times == [200, 230, 267, 274, 324, 374]
    assert RULES.as_tuple() == (100, 30, 7, 50, 2_500, 2, 11)


@pytest.mark.parametrize(
    ("capacities", "penalized", "mass"),
    [(1, 0, False), (1, 1, False), (2, 2, True), (7, 2, True), (8, 2, False), (8, 3, True)],
)
def test_a_mass_is_a_share_and_a_number(capacities, penalized, mass):
    assert RULES.is_mass(capacities, penalized) == mass
    assert RULES.held_until(1_000, capacities, penalized) == (1_011 if mass else 1_000)


def test_the_model_takes_nothing_that_it_refuses():
    window = WindowModel(3, RULES, 1)
    statement = replace(STATEMENT, window=1)
    with pytest.raises(ValueError, match="WindowOpen"):
        window.post(199, statement)
    window.post(200, statement)
    with pytest.raises(ValueError, match="RootFinal"):
        window.veto(207)
    window.veto(206)
    with pytest.raises(ValueError, match="NoRoot"):
        window.waive(206)
