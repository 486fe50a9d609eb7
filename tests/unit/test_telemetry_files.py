"""The files between a table of readings and a signed root: what is read, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from eth_utils import keccak

from derrick import telemetry_files as files
from derrick.telemetry import (
    Attestation,
    Report,
    ReportTree,
    TelemetryError,
    TelemetryRoot,
    attest,
)
from tests.oracle_stage import compact, key, rising, twin

HEADER = "capacity,epoch,uptime_bps,load_bps,energy_wh,curtailed"
TABLE = f"""{HEADER}
3,40,9990,7000,123456,false
1,40,10000,7100,123,0
1,41,8000,7200,124,TRUE
2,40,0,0,0,1
"""
REPORTS = [
    Report(3, 40, 9_990, 7_000, 123_456, False),
    Report(1, 40, 10_000, 7_100, 123, False),
    Report(1, 41, 8_000, 7_200, 124, True),
    Report(2, 40, 0, 0, 0, True),
]
TREE = ReportTree.of(REPORTS)
KEYS = rising(key(f"key {i}") for i in range(5))
MEMBERS = [k.address for k in KEYS]
STATEMENT = TREE.statement(
    31337, "0x0A0A0a0a0a0a0a0A0a0a0A0a0A0A0A0a0a0a0a0a", 3, 20_000, "ipfs://x"
)


# --- readings ---


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(TABLE, id="plain"),
        pytest.param(TABLE.replace("\n", "\r\n"), id="CRLF"),
        pytest.param("\ufeff" + TABLE, id="with a byte order mark"),
        pytest.param(TABLE.replace(",", " , "), id="spaced"),
        pytest.param(TABLE.replace("\n1", "\n\n  ,,,,,\n1"), id="with blank lines"),
        pytest.param(TABLE.rstrip(), id="without a last newline"),
        pytest.param(TABLE.replace("9990", '"9990"'), id="quoted"),
    ],
)
def test_readings_are_read(text):
    assert files.read_readings(text) == REPORTS


def test_columns_may_stand_in_any_order():
    lines = [line.split(",")[::-1] for line in TABLE.splitlines()]
    assert files.read_readings("\n".join(",".join(line) for line in lines)) == REPORTS


def test_the_largest_readings():
    line = f"{2**256 - 1},{2**24 - 1},10000,10000,{2**48 - 1},true"
    report = Report(2**256 - 1, 2**24 - 1, 10_000, 10_000, 2**48 - 1, True)
    assert files.read_readings(f"{HEADER}\n{line}") == [report]


WHOLE = "must be a whole number from 0 on"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("1,2,3,4,5", "5 fields, must be 6"),
        ("1,2,3,4,5,1,7", "7 fields, must be 6"),
        (",2,3,4,5,1", f"capacity is '', {WHOLE}"),
        ("one,2,3,4,5,1", f"capacity is 'one', {WHOLE}"),
        ("1,-2,3,4,5,1", f"epoch is '-2', {WHOLE}"),
        ("1,2,99.9,4,5,1", f"uptime_bps is '99.9', {WHOLE}"),
        ("1,2,1e3,4,5,1", f"uptime_bps is '1e3', {WHOLE}"),
        ("1,2,1_000,4,5,1", f"uptime_bps is '1_000', {WHOLE}"),
        ("1,2,٣,4,5,1", f"uptime_bps is '٣', {WHOLE}"),
        ("1,2,³,4,5,1", f"uptime_bps is '³', {WHOLE}"),
        ("1,2,3,0x10,5,1", f"load_bps is '0x10', {WHOLE}"),
        (f"{'9' * 79},2,3,4,5,1", f"capacity is '{'9' * 79}', {WHOLE}"),
        (f"{2**256},2,3,4,5,1", f"capacity is {2**256}, must be 0 … {2**256 - 1}"),
        (f"1,{2**24},3,4,5,1", f"epoch is {2**24}, must be 0 … {2**24 - 1}"),
        ("1,2,10001,4,5,1", "uptime_bps is 10001, must be 0 … 10000"),
        ("1,2,3,10001,5,1", "load_bps is 10001, must be 0 … 10000"),
        (f"1,2,3,4,{2**48},1", f"energy_wh is {2**48}, must be 0 … {2**48 - 1}"),
        ("1,2,3,4,5,", "curtailed is '', must be true or false, or 1 or 0"),
        ("1,2,3,4,5,2", "curtailed is '2', must be true or false, or 1 or 0"),
        ("3,40,1,1,1,1", "capacity 3, epoch 40 stands in line 2 already"),
    ],
)
def test_a_faulty_line_is_named(line, fault):
    with pytest.raises(files.ReadingsError) as caught:
        files.read_readings(f"{TABLE}{line}\n")
    assert caught.value.faults == (f"line 6: {fault}",)


def test_all_faulty_lines_are_named_at_once():
    table = f"{HEADER}\nx,2,3,4,5,1\n1,2,3,4,5,1\n\n1,2,3,4,5,1\n1,3\n"
    with pytest.raises(files.ReadingsError) as caught:
        files.read_readings(table)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "line 2",
        "line 5",
        "line 6",
    ]
    assert str(caught.value) == "\n".join(caught.value.faults)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "line 1: the columns must be"),
        ("3,40,9990,7000,123456,false\n", "line 1: the columns must be"),
        (HEADER + ",note\n", "line 1: the columns must be"),
        (HEADER.replace("epoch", "day") + "\n", "line 1: the columns must be"),
        (HEADER, "there are no readings"),
        (HEADER + "\n\n\n", "there are no readings"),
        (HEADER + '\n"1,2,3,4,5,1\n', "line 2: unexpected end of data"),
        (HEADER + '\n"1"2,2,3,4,5,1\n', "line 2: ',' expected after"),
    ],
)
def test_what_is_no_table_is_refused(text, fault):
    with pytest.raises(files.ReadingsError, match=fault) as caught:
        files.read_readings(text)
    assert len(caught.value.faults) == 1


# --- penalties ---


def test_penalties_are_usual_or_a_capacitys_own():
    rule = files.PenaltyRule.of(["9000", "3=9991", " 1 = 1 "])
    assert rule.thresholds(TREE) == {1: 1, 2: 9_000, 3: 9_991}
    assert rule.dump() == ["9000", "1=1", "3=9991"]
    assert files.PenaltyRule.of(rule.dump()) == rule
    assert files.PenaltyRule.of([]).thresholds(TREE) == {1: 0, 2: 0, 3: 0}


@pytest.mark.parametrize("text", ["", "x", "10001", "1=", "=", "=5", "a=5", "1=2=3", "-1"])
def test_what_is_no_penalty_is_refused(text):
    with pytest.raises(TelemetryError, match=r"must be (a whole|0)"):
        files.PenaltyRule.of([text])


# --- leaves ---


def leaves(*penalties: str):
    document = files.leaves_document(TREE, files.PenaltyRule.of(penalties))
    return json.loads(files.to_json(document))


def test_a_tree_is_published_with_counts_and_proofs():
    document = leaves("9000", "3=9991")
    assert document["root"] == "0x" + TREE.root.hex()
    # Capacity 3 is; 1 and 2 are curtailed.
    assert (document["capacities"], document["penalized"]) == (3, 1)
    assert len(document["reports"]) == len(REPORTS)
    for entry, report in zip(document["reports"], TREE.reports, strict=True):
        assert (int(entry["capacity"]), entry["epoch"]) == (report.capacity, report.epoch)
        assert (entry["uptimeBps"], entry["loadBps"]) == (report.uptime_bps, report.load_bps)
        assert (int(entry["energyWh"]), entry["curtailed"]) == (report.energy_wh, report.curtailed)
        assert entry["leaf"] == "0x" + report.leaf.hex()
        assert entry["proof"] == ["0x" + sibling.hex() for sibling in TREE.proof(report)]
    tree, rule = files.load_leaves(document)
    assert (tree.root, tree.reports) == (TREE.root, TREE.reports)
    assert rule.thresholds(tree) == {1: 9_000, 2: 9_000, 3: 9_991}


def test_proofs_and_leaves_of_a_file_are_not_believed():
    document = leaves()
    document["tree"] = []
    document["reports"] = "gone"
    assert files.load_leaves(document)[0].root == TREE.root


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"root": "0x" + "11" * 32}, "these reports have root"),
        ({"root": "0x11"}, "has 1 bytes, must have 32"),
        ({"root": "0xzz"}, "not a file of leaves"),
        ({"root": 5}, "not a file of leaves"),
        ({"capacities": 4}, "speak of 3 capacities, 1 in penalty; the file says 4 and 1"),
        ({"penalized": 0}, "speak of 3 capacities, 1 in penalty; the file says 3 and 0"),
        ({"penaltyBelow": ["9000"]}, "speak of 3 capacities, 0 in penalty; the file says 3 and 1"),
        ({"penaltyBelow": 9000}, "not a file of leaves"),
        ({"values": [{"value": ["1", "x", "3", "4", "5", True]}]}, "not a file of leaves"),
        ({"values": [{}]}, "not a file of leaves"),
        ({"values": None}, "not a file of leaves"),
        ({"values": []}, "a window without reports"),
        ({"format": "other"}, "not a standard-v1 tree"),
    ],
)
def test_a_changed_file_of_leaves_is_refused(change, words):
    with pytest.raises(TelemetryError, match=words):
        files.load_leaves({**leaves("9000", "3=9991"), **change})


@pytest.mark.parametrize("missing", ["root", "capacities", "penalized", "penaltyBelow", "values"])
def test_a_file_of_leaves_without_something_is_refused(missing):
    document = leaves()
    del document[missing]
    with pytest.raises(TelemetryError, match=f"not a file of leaves: KeyError.*{missing}"):
        files.load_leaves(document)


def test_own_readings_agree_or_the_first_difference_is_named():
    files.require_same_reports(TREE, ReportTree.of(REPORTS[::-1]))
    for own, words in (
        (REPORTS[:3], "epoch 40, capacity 2 stands only in theirs"),
        ([*REPORTS, Report(9, 1, 0, 0, 0)], "epoch 1, capacity 9 stands only in ours"),
        ([replace(REPORTS[0], load_bps=1), *REPORTS[1:]], "epoch 40, capacity 3: ours is"),
    ):
        with pytest.raises(TelemetryError, match=words):
            files.require_same_reports(TREE, ReportTree.of(own))


# --- attestations ---


def signed(*keys, statement: TelemetryRoot = STATEMENT):
    document = files.attestation_document(statement, attest(statement, keys))
    return json.loads(files.to_json(document))


def test_an_attestation_is_read_back():
    statement, attestations = files.load_attestation(signed(*KEYS[:2]))
    assert statement == STATEMENT
    assert attestations == attest(STATEMENT, KEYS[:2])
    assert signed(KEYS[0])["digest"] == "0x" + STATEMENT.digest().hex()


def test_signatures_of_several_files_are_merged_and_sorted():
    documents = {"b": signed(KEYS[4], KEYS[1]), "a": signed(KEYS[0]), "c": signed(KEYS[2])}
    statement, merged = files.merge(documents)
    assert statement == STATEMENT
    assert merged == attest(STATEMENT, [KEYS[i] for i in (0, 1, 2, 4)])
    files.require_quorum(merged, [member.lower() for member in MEMBERS], 4)


def test_a_signer_counts_once():
    again = signed(KEYS[0])
    short = attest(STATEMENT, KEYS[:1])[0].signature
    again["attestations"][0]["signature"] = "0x" + compact(short).hex()
    _, merged = files.merge({"a": signed(KEYS[0]), "b": signed(KEYS[0]), "c": again})
    assert merged == attest(STATEMENT, KEYS[:1])
    with pytest.raises(TelemetryError, match="1 signatures, 2 needed"):
        files.require_quorum(merged, MEMBERS, 2)


def test_who_is_no_member_is_named():
    with pytest.raises(TelemetryError, match=f"{MEMBERS[1]} is no member"):
        files.require_quorum(attest(STATEMENT, KEYS[:2]), MEMBERS[:1], 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"chain_id": 1}, "chain_id is 1, not 31337"),
        ({"oracle": "0x" + "11" * 20}, "oracle is 0x1111"),
        ({"set_id": 4}, "set_id is 4, not 3"),
        ({"window": 20_001}, "window is 20001, not 20000"),
        ({"root": keccak(text="other")}, "root is 0x"),
        ({"capacities": 5}, "capacities is 5, not 3"),
        ({"penalized": 1}, "penalized is 1, not 0"),
        ({"leaves_uri": "ipfs://y"}, "leaves_uri is ipfs://y, not ipfs://x"),
        ({"attempt": 1}, "attempt is 1, not 0"),
    ],
)
def test_another_statement_is_not_merged(change, words):
    other = signed(KEYS[1], statement=replace(STATEMENT, **change))
    with pytest.raises(TelemetryError, match=f"b.json: another statement.*{words}"):
        files.merge({"a.json": signed(KEYS[0]), "b.json": other})


@pytest.mark.parametrize(
    ("signature", "words"),
    [
        (attest(STATEMENT, KEYS[1:2])[0].signature, "not a signature of"),
        (attest(replace(STATEMENT, window=1), KEYS[:1])[0].signature, "not a signature of"),
        (twin(attest(STATEMENT, KEYS[:1])[0].signature), "not the lower"),
        (b"", "not a signature"),
    ],
)
def test_a_bad_signature_is_not_merged(signature, words):
    document = files.attestation_document(STATEMENT, [Attestation(MEMBERS[0], signature)])
    with pytest.raises(TelemetryError, match=f"a.json: {words}"):
        files.merge({"a.json": document})


def test_what_a_contract_signed_is_taken_as_it_is():
    contract = "0x" + "cC" * 20
    document = files.attestation_document(STATEMENT, [Attestation(contract, b"any bytes")])
    with pytest.raises(TelemetryError, match="not a signature"):
        files.merge({"a.json": document})
    _, merged = files.merge({"a.json": document, "b.json": signed(KEYS[0])}, [contract.lower()])
    assert {a.signer.lower() for a in merged} == {contract.lower(), MEMBERS[0].lower()}
    assert b"any bytes" in [a.signature for a in merged]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("chainId", "1", "'1' is no whole number"),
        ("chainId", True, "True is no whole number"),
        ("setId", -1, "-1 is no whole number"),
        ("window", 1.5, "1.5 is no whole number"),
        ("oracle", "0x12", "'0x12' is no address"),
        ("oracle", 12, "12 is no address"),
        ("root", "0x" + "00" * 32, "not a root"),
        ("root", None, "not a file of attestations"),
        ("capacities", 0, "0 capacities"),
        ("penalized", 4, "4 of 3 capacities in penalty"),
        ("attempt", 2, "attempt 2"),
    ],
)
def test_a_statement_that_cannot_be_is_refused(field, value, words):
    document = signed(KEYS[0])
    document["statement"][field] = value
    with pytest.raises(TelemetryError, match=f"a.json: .*{words}"):
        files.merge({"a.json": document})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("statement"),
        lambda d: d.pop("attestations"),
        lambda d: d["statement"].pop("leavesURI"),
        lambda d: d["attestations"][0].pop("signer"),
        lambda d: d["attestations"][0].update(signature=7),
        lambda d: d["attestations"].append("0x"),
        lambda d: d["attestations"][0].update(signature="0xabc"),
    ],
)
def test_a_file_of_attestations_without_something_is_refused(spoil):
    document = signed(KEYS[0])
    spoil(document)
    with pytest.raises(TelemetryError, match=r"a.json: not a file of attestations"):
        files.merge({"a.json": document})


def test_nothing_to_merge():
    with pytest.raises(TelemetryError, match="no attestations"):
        files.merge({})


@pytest.mark.parametrize(("text", "words"), [("{", "not JSON"), ("[1]", "not a JSON object")])
def test_what_is_no_json_object_is_refused(text, words):
    with pytest.raises(TelemetryError, match=words):
        files.from_json(text)


def test_a_call_has_the_statement_and_the_same_as_data():
    attestations = attest(STATEMENT, KEYS[:3])
    document = files.call_document(STATEMENT, attestations)
    assert document["to"] == STATEMENT.oracle
    assert document["data"] == "0x" + files.post_root_data(STATEMENT, attestations).hex()
    assert files.load_attestation(document) == (STATEMENT, attestations)
