"""The attestors' command line from a table of readings to proofs against a root on the chain."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import ape
import pytest
from click.testing import CliRunner

from derrick.telemetry import Penalties, Report, attest, verify_report
from derrick.telemetry_files import load_attestation
from derrick.testing import reverts_with
from tests.oracle_stage import ENDS_AT, RULES, THRESHOLD, WINDOW, OracleStage, key, rising

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "telemetry.py"
HEADER = "capacity,epoch,uptime_bps,load_bps,energy_wh,curtailed"
# Five capacities over two epochs, three of them in penalty below 9,000 bps, one excused.
REPORTS = [
    Report(capacity, epoch, uptime, 7_000, 10**6 + epoch, curtailed)
    for epoch in (40, 41)
    for capacity, uptime, curtailed in (
        (1, 9_990, False),
        (2, 10_000 if epoch == 40 else 8_999, False),
        (3, 0, False),
        (4, 100, True),
        (5, 8_000, False),
    )
]


@pytest.fixture(scope="module")
def cli():
    spec = importlib.util.spec_from_file_location("telemetry_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cli


@pytest.fixture
def run(cli, tmp_path, monkeypatch):
    """Runs a command in a folder of its own; returns what it said, or fails with it."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, fails: bool = False) -> str:
        outcome = CliRunner().invoke(cli, [str(argument) for argument in arguments])
        assert outcome.exit_code == (1 if fails else 0), outcome.output
        assert "Traceback" not in outcome.output
        return outcome.output

    return run


@pytest.fixture(scope="module")
def keys():
    """Three attestors with keys of their own kind; the fourth is an account of ape."""
    return [key(f"attestor {name}") for name in ("with a file", "with a variable", "with both")]


@pytest.fixture(scope="module")
def stage(project, lane, owner, guardian, stranger, attestors, keys):
    stage = OracleStage.deploy(project, lane, owner, guardian, stranger, attestors)
    stage.create_set(rising([*keys, stage.attestors[0]]), THRESHOLD)
    return stage


@pytest.fixture(scope="module")
def probe(project, owner):
    return owner.deploy(project.ReportProbe)


@pytest.fixture
def table(tmp_path):
    rows = [",".join(str(value) for value in report.as_tuple()) for report in REPORTS[::-1]]
    path = tmp_path / "readings.csv"
    path.write_text("\n".join([HEADER, *rows]))
    return path


@pytest.fixture
def keyfile(tmp_path, keys):
    path = tmp_path / "attestor.key"
    path.write_text(keys[0].key.hex() + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def where(stage):
    """What every attestor of set 2 says of the window."""
    return [
        *("--chain-id", stage.chain_id, "--oracle", stage.oracle.address.lower()),
        *("--set", 2, "--window", WINDOW, "--uri", "ipfs://bafy-leaves"),
    ]


@pytest.fixture
def alias(monkeypatch, stage):
    """An account of ape; this one's key is the node's."""
    account = stage.attestors[0]
    known = SimpleNamespace(aliases=["attestor"], load={"attestor": account}.__getitem__)
    monkeypatch.setattr(ape, "accounts", known)
    return "attestor"


def send(stage, call: dict) -> None:
    """A stranger sends the transaction as it stands in the file."""
    stage.stranger.transfer(call["to"], "0 wei", data=call["data"])


def test_from_readings_to_proofs_on_the_chain(
    run, stage, probe, table, keyfile, keys, where, alias, monkeypatch, tmp_path
):
    said = run("tree", table, "--penalty-below", 9_000, "--out", "out/leaves.json")
    assert "10 reports, 5 capacities, 3 in penalty" in said

    # Each attestor signs for himself, with the key that he has, some against their own readings.
    monkeypatch.setenv("ATTESTOR_KEY", "0x" + keys[1].key.hex().removeprefix("0x"))
    run("sign", "out/leaves.json", *where, "--keyfile", keyfile, "--out", "1.json")
    run("sign", "out/leaves.json", *where, "--key-env", "ATTESTOR_KEY", "--out", "2.json")
    run(
        *("sign", "out/leaves.json", *where, "--account", alias, "--readings", table),
        *("--out", "3.json"),
    )
    members = [x for member in stage.oracle.setOf(2)[0] for x in ("--member", member)]
    files = ("3.json", "1.json", "2.json")
    said = run("merge", *files, *members, "--threshold", THRESHOLD, "--out", "call.json")
    assert f"3 signatures for window {WINDOW}" in said

    call = json.loads(Path("call.json").read_text())
    leaves = json.loads(Path("out/leaves.json").read_text())
    stage.lane.mine(at=ENDS_AT)
    send(stage, call)
    root, final_at = stage.oracle.standingRootOf(2, WINDOW)
    assert root == bytes.fromhex(leaves["root"][2:])[:27]
    # Three of five are a mass.
    state, held_until = stage.oracle.penaltiesOf(2, WINDOW)
    assert (state, held_until) == (Penalties.HELD, final_at + RULES.mass_delay)

    assert len(leaves["reports"]) == len(REPORTS)
    for entry, report in zip(leaves["reports"], REPORTS, strict=True):
        shown = (
            *(int(entry["capacity"]), entry["epoch"], entry["uptimeBps"], entry["loadBps"]),
            *(int(entry["energyWh"]), entry["curtailed"]),
        )
        assert shown == report.as_tuple()
        proof = [bytes.fromhex(sibling[2:]) for sibling in entry["proof"]]
        assert probe.rootOf(shown, proof)[:27] == root
        assert verify_report(root, report, proof)


def test_the_data_is_what_ape_encodes(run, stage, table, keyfile, where):
    run("tree", table, "--out", "leaves.json")
    run("sign", "leaves.json", *where, "--keyfile", keyfile, "--out", "1.json")
    run("merge", "1.json", "--out", "call.json")
    call = json.loads(Path("call.json").read_text())
    statement, attestations = load_attestation(call)
    encoded = stage.oracle.postRoot.encode_input(statement.as_tuple(), attestations)
    assert call["data"] == "0x" + bytes(encoded).hex()
    assert call["digest"] == "0x" + bytes(stage.oracle.digestOf(statement.as_tuple())).hex()


def test_after_a_veto_they_sign_again(run, stage, table, keyfile, keys, where, alias, monkeypatch):
    monkeypatch.setenv("ATTESTOR_KEY", keys[1].key.hex())
    everyone = ("--keyfile", keyfile, "--key-env", "ATTESTOR_KEY", "--account", alias)
    run("tree", table, "--out", "leaves.json")
    stage.lane.mine(at=ENDS_AT)
    for attempt in (0, 1):
        run(
            *("sign", "leaves.json", *where, *everyone, "--attempt", attempt),
            *("--out", f"signed-{attempt}.json"),
        )
        run("merge", f"signed-{attempt}.json", "--threshold", 3, "--out", f"call-{attempt}.json")
        call = json.loads(Path(f"call-{attempt}.json").read_text())
        send(stage, call)
        if attempt == 0:
            stage.veto(2)
            with reverts_with(stage.oracle.WrongAttempt, setId=2, window=WINDOW, attempt=0, due=1):
                send(stage, call)
    assert stage.oracle.windowInfo(2, WINDOW).vetoes == 1
    assert stage.oracle.standingRootOf(2, WINDOW).finalAt != 0


def test_a_contract_that_attests_is_merged_unchecked(
    run, stage, project, owner, table, keyfile, keys, where
):
    wallet = owner.deploy(project.MockERC1271, key("the key of the wallet").address)
    set_id = stage.create_set(rising([wallet.address, keys[0].address]), 2)
    at = [*where, "--set", set_id]
    run("tree", table, "--out", "leaves.json")
    run("sign", "leaves.json", *at, "--keyfile", keyfile, "--out", "1.json")
    theirs = json.loads(Path("1.json").read_text())
    statement, _ = load_attestation(theirs)
    (by_key,) = attest(statement, [key("the key of the wallet")])
    theirs["attestations"] = [
        {"signer": wallet.address, "signature": "0x" + by_key.signature.hex()}
    ]
    Path("2.json").write_text(json.dumps(theirs))
    said = run("merge", "1.json", "2.json", fails=True)
    assert f"2.json: not a signature of {wallet.address}" in said
    run("merge", "1.json", "2.json", "--contract", wallet.address, "--out", "call.json")
    stage.lane.mine(at=ENDS_AT)
    send(stage, json.loads(Path("call.json").read_text()))
    assert stage.oracle.standingRootOf(set_id, WINDOW).root == statement.root[:27]


# --- what is refused ---


def test_every_faulty_line_is_shown(run, table):
    table.write_text(f"{HEADER}\n1,2,10001,4,5,1\n1,2,3,4,5,1\n1,2,3,4,5,maybe\n1,2,3,4,5,0\n")
    said = run("tree", table, "--out", "leaves.json", fails=True)
    assert said.splitlines() == [
        f"Error: {table}: line 2: uptime_bps is 10001, must be 0 … 10000",
        f"{table}: line 4: curtailed is 'maybe', must be true or false, or 1 or 0",
        f"{table}: line 5: capacity 1, epoch 2 stands in line 3 already",
    ]
    assert not Path("leaves.json").exists()


def test_bytes_that_are_no_text_are_refused(run, table):
    table.write_bytes(HEADER.encode() + b"\n1,2,\xff,4,5,1\n")
    assert f"not UTF-8 at byte {len(HEADER) + 5}" in run("tree", table, fails=True)


def test_a_penalty_that_cannot_be_is_refused(run, table):
    said = run("tree", table, "--penalty-below", "10001", fails=True)
    assert "an uptime for a penalty is 10001" in said


def test_a_root_that_is_not_that_of_the_leaves_is_not_signed(run, table, keyfile, where):
    run("tree", table, "--out", "leaves.json")
    document = json.loads(Path("leaves.json").read_text())
    document["root"] = "0x" + "11" * 32
    Path("leaves.json").write_text(json.dumps(document))
    said = run("sign", "leaves.json", *where, "--keyfile", keyfile, "--out", "1.json", fails=True)
    assert "leaves.json: these reports have root" in said
    assert not Path("1.json").exists()


def test_what_own_readings_contradict_is_not_signed(run, table, keyfile, where, tmp_path):
    run("tree", table, "--out", "leaves.json")
    own = tmp_path / "own.csv"
    own.write_text(table.read_text().replace("5,41,8000", "5,41,9000"))
    said = run(
        *("sign", "leaves.json", *where, "--keyfile", keyfile, "--readings", own),
        *("--out", "1.json"),
        fails=True,
    )
    assert "own.csv: epoch 41, capacity 5: ours is" in said
    assert not Path("1.json").exists()


def test_a_key_that_others_may_read_is_not_used(run, table, keyfile, where):
    run("tree", table, "--out", "leaves.json")
    for mode in (0o640, 0o604, 0o622):
        keyfile.chmod(mode)
        said = run("sign", "leaves.json", *where, "--keyfile", keyfile, fails=True)
        assert f"{keyfile}: others may read this key; chmod 600 it" in said


@pytest.mark.parametrize("bad", ["", "0x12", "zz" * 32, "00" * 32, "11" * 33])
def test_a_bad_key_is_never_shown(run, table, keyfile, where, monkeypatch, bad):
    run("tree", table, "--out", "leaves.json")
    keyfile.write_text(bad)
    monkeypatch.setenv("ATTESTOR_KEY", bad)
    for option, name in (("--keyfile", keyfile), ("--key-env", "ATTESTOR_KEY")):
        said = run("sign", "leaves.json", *where, option, name, fails=True)
        assert said == f"Error: {name}: not a private key of 32 bytes in hex\n"


def test_an_unknown_account_is_named(run, table, where, alias):
    run("tree", table, "--out", "leaves.json")
    said = run("sign", "leaves.json", *where, "--account", "nobody", fails=True)
    assert "nobody: no such account (see `ape accounts list`)" in said


def test_a_quorum_that_is_none_is_not_merged(run, table, keyfile, where, keys):
    run("tree", table, "--out", "leaves.json")
    run("sign", "leaves.json", *where, "--keyfile", keyfile, "--out", "1.json")
    said = run("merge", "1.json", "1.json", "--threshold", 2, fails=True)
    assert "1 signatures, 2 needed" in said
    said = run("merge", "1.json", "--member", keys[1].address, fails=True)
    assert f"{keys[0].address} is no member of the set" in said


def test_files_that_do_not_fit_are_named(run, table, keyfile, where):
    run("tree", table, "--out", "leaves.json")
    run("sign", "leaves.json", *where, "--keyfile", keyfile, "--out", "1.json")
    run("sign", "leaves.json", *where, "--attempt", 1, "--keyfile", keyfile, "--out", "2.json")
    assert "2.json: another statement" in run("merge", "1.json", "2.json", fails=True)
    assert "leaves.json: not a file of attestations" in run("merge", "leaves.json", fails=True)
    assert "1.json: not a file of leaves" in run("sign", "1.json", *where, fails=True)
    Path("broken.json").write_text("{")
    assert "broken.json: not JSON" in run("merge", "1.json", "broken.json", fails=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sign", "--oracle", "0x12"], "'0x12' is no address"),
        (["sign", "--chain-id", 0], "--chain-id"),
        (["sign", "--attempt", 2], "--attempt"),
        (["sign", "--set", 0], "--set"),
        (["sign"], "nobody to sign: add --account, --keyfile or --key-env"),
    ],
)
def test_wrong_options_are_named(cli, run, table, where, tmp_path, arguments, words):
    run("tree", table, "--out", "leaves.json")
    command, *rest = [str(argument) for argument in arguments]
    given = [command, "leaves.json", *map(str, where), *rest]
    outcome = CliRunner().invoke(cli, given)
    assert outcome.exit_code == 2
    assert words in outcome.output


# --- from a shell ---


@pytest.mark.parametrize("start", [[sys.executable, SCRIPT], ["ape", "run", "telemetry"]])
def test_it_runs_from_a_shell(start, table):
    done = subprocess.run(
        [*start, "tree", table], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert json.loads(done.stdout)["capacities"] == 5
    assert "10 reports, 5 capacities, 0 in penalty" in done.stderr
