"""Trees, statements and signatures as attestors make them, without a chain."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from eth_abi import encode
from eth_account import Account
from eth_utils import keccak

from derrick.merkle import MerkleTree, hash_pair, root_of_proof
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
    recover,
    sort_attestations,
    verify_report,
)

ORACLE = "0x" + "0a" * 20
KEYS = sorted(
    (Account.from_key(keccak(text=f"key {i}")) for i in range(5)), key=lambda k: int(k.address, 16)
)
MEMBERS = [k.address for k in KEYS]
STATEMENT = TelemetryRoot(31337, ORACLE, 3, 20_000, keccak(text="root"), "ipfs://leaves")
# The root over the first n reports of `reports`, and the proof of the last of them, as
# OpenZeppelin's merkle-tree 1.0.8 computes them.
OPENZEPPELIN = {
    1: ("060fc379a12ab0aae9e56bff0a040f69323001ef1934ab4710b47c33330761c8", []),
    2: (
        "2bb44464f1fd4dee3fd5620a917fcdd1788541bd33de85d20f1283839dcafc5b",
        ["060fc379a12ab0aae9e56bff0a040f69323001ef1934ab4710b47c33330761c8"],
    ),
    3: (
        "d6a961dcd8548c33ec9779a4251840231785b72ae5ad7299bddd833cdc2de14a",
        [
            "060fc379a12ab0aae9e56bff0a040f69323001ef1934ab4710b47c33330761c8",
            "18c49306b53229505cf6cd3cb8d53a9c6ebeb37c1a77c760d94ff6ef5c83eed7",
        ],
    ),
    8: (
        "7ba077a656808d262805c556a21772911baddabc8f94546e831153019435f575",
        [
            "a360856a0929a0eb4be1c22808fdce7d9e17329622ea87c0dbe214f2de720eff",
            "a1f322c63c18275f06ca32353962abe233ba6548c3d7198ad1afa96251920919",
            "a85101eefd84d696f6858aa2b999177be4964a56896e92a673ddf6e51d63020a",
        ],
    ),
    13: (
        "b7cc173e136675156222d57885b53a9c500020c80a5eb4067fc6e7b3f74075a4",
        [
            "d56b8075a21f9a5c79984af3a2fa81c40fa0fb6bf24a9052e2eba21f6124a232",
            "b787c38b2f9c866e6494507d3c67030123703e26dabad81c6658c8242b2be6d7",
            "a08667d73019fb0074c8feab9efb2dff65bb2eac85647c522fac6570af2cae01",
        ],
    ),
}


def reports(count: int) -> list[Report]:
    return [Report(1 + i, 7 + i, 9_000 + i, 100 * i, 10**12 + i, i % 3 == 0) for i in range(count)]


# --- trees ---


@pytest.mark.parametrize("count", OPENZEPPELIN)
def test_trees_are_those_of_openzeppelin(count):
    root, proof = OPENZEPPELIN[count]
    tree = ReportTree.of(reports(count))
    assert tree.root.hex() == root
    assert [sibling.hex() for sibling in tree.proof(reports(count)[-1])] == proof


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8, 9, 31, 100])
def test_every_report_is_proved_and_no_other(count):
    tree = ReportTree.of(reports(count))
    stranger = Report(999, 1, 10_000, 0, 0)
    for report in reports(count):
        assert verify_report(tree.root, report, tree.proof(report))
        assert not verify_report(tree.root, stranger, tree.proof(report))
        assert not verify_report(tree.root, replace(report, uptime_bps=1), tree.proof(report))


def test_the_order_of_reports_does_not_matter():
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
    assert all(root_of_proof(leaf, tree.proof(leaf)) == tree.root for leaf in leaves)
    with pytest.raises(KeyError, match="no such leaf"):
        tree.proof(bytes(32))


@pytest.mark.parametrize("leaves", [[], [b"short"], [bytes(32), bytes(64)]])
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
        ({"uptime_bps": 10_001}, "uptime_bps is 10001"),
        ({"uptime_bps": -1}, "uptime_bps is -1"),
        ({"load_bps": 10_001}, "load_bps is 10001"),
    ],
)
def test_a_report_that_the_oracle_would_refuse_gets_no_tree(change, words):
    with pytest.raises(TelemetryError, match=words):
        ReportTree.of([replace(reports(1)[0], **change)])


def test_the_proof_of_an_unknown_report_is_refused():
    with pytest.raises(TelemetryError, match="not in this tree"):
        ReportTree.of(reports(3)).proof(reports(4)[3])


# --- publishing ---


def test_a_published_tree_is_read_back():
    tree = ReportTree.of([*reports(6), Report(2**256 - 1, 2**32 - 1, 10_000, 0, 2**64 - 1, True)])
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
    kind = keccak(text="TelemetryRoot(uint256 setId,uint256 window,bytes32 root,string leavesURI)")
    message = keccak(
        encode(
            ["bytes32", "uint256", "uint256", "bytes32", "bytes32"],
            [kind, 3, 20_000, STATEMENT.root, keccak(text="ipfs://leaves")],
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
        {"leaves_uri": ""},
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
        parity = (signature[64] - 27) << 7
        compact = signature[:32] + bytes([signature[32] | parity]) + signature[33:64]
        assert recover(STATEMENT, compact) == signer


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(65), b"\xff" * 65, b"\xff" * 64])
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
        (lambda a: sort_attestations([*a, *attest(STATEMENT, [Account.create()])]), "no member"),
        (lambda a: attest(replace(STATEMENT, window=1), KEYS[:3]), "not a signature of"),
    ],
)
def test_a_broken_quorum_is_named(spoil, words):
    with pytest.raises(TelemetryError, match=words):
        check_quorum(STATEMENT, spoil(attest(STATEMENT, KEYS[:3])), MEMBERS, 3)


# --- time ---


def test_windows_hold_their_end():
    rules = SetRules(1, 100, 30, 50)
    assert [rules.window_of(end) for end in (1, 100, 101, 200, 201)] == [0, 0, 1, 1, 2]
    assert (rules.ends_at(1), rules.posting_ends_at(1), rules.reveal_ends_at(1)) == (200, 230, 280)
    with pytest.raises(TelemetryError, match="time 0"):
        rules.window_of(0)


@pytest.mark.parametrize(
    ("now", "has_root", "status"),
    [
        (0, False, Status.PENDING),
        (229, False, Status.PENDING),
        (230, False, Status.BLACKOUT),
        (200, True, Status.REPORTED),
        (279, True, Status.REPORTED),
        (280, True, Status.MISSING),
    ],
)
def test_status_turns_at_the_deadlines(now, has_root, status):
    assert SetRules(1, 100, 30, 50).status(now, 150, has_root) == status
