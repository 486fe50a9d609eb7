"""Proves tests/symbolic by symbolic execution, and that each proof can fail. `make proof` runs it.

halmos executes each `check_…` with symbolic arguments, and yices looks for values that make an
assertion fail; where there are none, it holds for all. Then each of `FAULTS` is built into the
calendar in turn, and a proof must find it. Exit status 1 where a proof fails, was cut short, or
does not see its fault; a run of the executor that takes too long is ended and counts as failed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "tools" / "proof"
BIN = ROOT / ".venv-proof" / "bin"
OUT = ROOT / ".build" / "proof"
PROOF = "tests/symbolic/CalendarProof.sol"
CALENDAR = "contracts/lease/Calendar.sol"
OPTIONS = (
    "--solver-command=yices-smt2",
    "--loop=64",  # the proofs themselves loop over 32 lanes
    "--solver-timeout-assertion=60s",
    "--early-exit",
    "--no-status",
)
LONGEST = 300  # seconds, for one run of halmos
ANSWER = re.compile(r"^\[(\w+)\] check_(\w+)\(", re.MULTILINE)
VERDICTS = {"PASS": "proved", "FAIL": "refuted", "TIMEOUT": "undecided"}
WANTED = ("abi", "metadata", "storageLayout", "evm.bytecode", "evm.deployedBytecode")


@dataclass(frozen=True)
class Fault:
    """In the calendar the text `real` becomes `faulty`: `check` must find arguments to show it."""

    check: str
    real: str
    faulty: str


FAULTS = (
    Fault("mask", "(from - base) * LANE_BITS", "(from - base) * 15"),
    Fault("mask", "(base + LANES - to)", "(base + LANES - to - 1)"),
    Fault("reserve", "& mask)) & TOP_BITS != 0", "& mask)) & TOP_BITS == TOP_BITS"),
    Fault("reserve", "_inAll(units + MAX_UNITS - limit)", "_inAll(MAX_UNITS - limit)"),
    Fault("reserve", "lanes + (added & mask)", "lanes + added"),
    Fault("reserve", "(tested & mask)", "(tested & maskOf(last, from, to) & mask)"),
    Fault("refusal", "(tested & mask)", "tested"),
    Fault("refusal", "used < limit ? limit - used : 0", "limit - used"),
    Fault("refusal", "peak(self, from, done) - units", "peak(self, from, done)"),
    Fault("release", "removed & maskOf(word, from, to)", "removed"),
    Fault("release", "removed & maskOf(word, from, to)", "removed & maskOf(last, from, to)"),
    Fault("thereAndBack", "removed & maskOf(word, from, to)", "removed >> LANE_BITS"),
    Fault("at", "(epoch % LANES)", "(epoch % (LANES - 1))"),
    Fault("peak", "b ^ ((a ^ b) & kept)", "a ^ ((a ^ b) & kept)"),
    Fault("peak", "peaks = _higher(peaks, lanes)", "peaks = lanes"),
    Fault("peak", "half >= LANE_BITS", "half > LANE_BITS"),
    Fault("sum", "& EVEN_PAIRS) +", "& EVEN_LANES) +"),
    Fault("firstUsed", "epoch = word * LANES;", "epoch = word * LANES + 1;"),
    Fault("firstUsed", "maskOf(word, from, to);\n            if (lanes", "ONES; if (lanes"),
)


def main() -> int:
    """Proofs first, then faults; says how long each took."""
    begun = time.monotonic()
    wanted = set(re.findall(r"function check_(\w+)\(", (ROOT / PROOF).read_text()))
    unknown = {fault.check for fault in FAULTS} ^ wanted
    if unknown:
        return complain(f"a proof without a fault, or a fault without a proof: {sorted(unknown)}")
    build({})
    found = prove("^check_")
    for name, result in sorted(found.items()):
        print(f"{result:>9}  {name}", flush=True)
    missing = sorted(name for name in wanted if found.get(name) != "proved")
    if missing:
        return complain(f"not proved: {missing}")
    taken = time.monotonic() - begun
    print(
        f"{len(found)} properties hold for all words, units and limits ({taken:.0f} s).", flush=True
    )
    for fault in FAULTS:
        build({CALENDAR: with_fault(fault)})
        result = prove(rf"^check_{fault.check}\(")[fault.check]
        print(f"{result:>9}  {fault.check} with {fault.faulty!r}", flush=True)
        if result != "refuted":
            return complain(f"{fault.check} does not see {fault.faulty!r}")
    print(f"Each of {len(FAULTS)} faults is found ({time.monotonic() - begun:.0f} s).")
    return 0


def complain(what: str) -> int:
    print(f"make proof: {what}", file=sys.stderr)
    return 1


def with_fault(fault: Fault) -> str:
    """The calendar's source with the fault in it."""
    text = (ROOT / CALENDAR).read_text()
    # A source that has moved on needs its faults to be looked at again.
    if text.count(fault.real) != 1:
        raise SystemExit(f"make proof: not once in {CALENDAR}: {fault.real!r}")
    return text.replace(fault.real, fault.faulty)


def build(changed: dict[str, str]) -> None:
    """Compiles the proof, with these sources changed, into what halmos reads from forge."""
    project = yaml.safe_load((ROOT / "ape-config.yaml").read_text())["solidity"]
    request = {
        "language": "Solidity",
        "sources": {
            name: {"content": changed.get(name) or (ROOT / name).read_text()}
            for name in (PROOF, *changed)
        },
        "settings": {
            "evmVersion": project["evm_version"],
            "viaIR": project["via_ir"],
            "optimizer": {
                "enabled": project["optimize"],
                "runs": project["optimization_runs"],
            },
            "remappings": project["import_remapping"],
            "outputSelection": {PROOF: {"*": [*WANTED, "evm.methodIdentifiers"], "": ["ast"]}},
        },
    }
    solc = ROOT / "tools" / "solc" / f"solc-v{project['version']}"
    answer = subprocess.run(
        [solc, "--base-path", ROOT, "--standard-json"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    output: dict[str, Any] = json.loads(answer.stdout)
    errors = [e["formattedMessage"] for e in output.get("errors", ()) if e["severity"] == "error"]
    if errors:
        raise SystemExit("".join(errors))
    for name, made in output["contracts"][PROOF].items():
        code = {kind: made["evm"][kind] for kind in ("bytecode", "deployedBytecode")}
        artifact = {
            **{kind: {**each, "object": "0x" + each["object"]} for kind, each in code.items()},
            "abi": made["abi"],
            "methodIdentifiers": made["evm"]["methodIdentifiers"],
            "storageLayout": made["storageLayout"],
            "metadata": json.loads(made["metadata"]),
            "ast": output["sources"][PROOF]["ast"],
            "id": output["sources"][PROOF]["id"],
        }
        path = OUT / Path(PROOF).name / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(artifact))


def prove(pattern: str) -> dict[str, str]:
    """What became of each property of this name: a word of `VERDICTS`."""
    with TemporaryDirectory() as scratch:
        text = re.sub(r"\x1b\[[0-9;]*m", "", run_halmos(pattern, scratch))
    found = {name: VERDICTS.get(word, word) for word, name in ANSWER.findall(text)}
    # With loops left out, or nothing found at all, nothing is proved.
    if not found or "not been fully explored" in text:
        raise SystemExit(f"make proof: halmos did not finish\n{text[-4_000:]}")
    return found


def run_halmos(pattern: str, scratch: str) -> str:
    """All that it prints. Its queries and their answers stay behind in `scratch`."""
    environment = {
        **os.environ,
        "PATH": f"{TOOLS}:{BIN}:{os.environ['PATH']}",
        "HOME": str(OUT),  # it keeps a folder of solvers there
        "TMPDIR": scratch,
    }
    halmos = subprocess.Popen(
        [
            BIN / "halmos",
            f"--root={ROOT}",
            f"--forge-build-out={OUT.relative_to(ROOT)}",
            f"--match-contract=^{Path(PROOF).stem}$",
            f"--match-test={pattern}",
            *OPTIONS,
        ],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = halmos.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        os.killpg(halmos.pid, signal.SIGKILL)  # the solvers that it started, too
        raise SystemExit(f"make proof: {pattern} takes over {LONGEST} s") from None
    return output


if __name__ == "__main__":
    sys.exit(main())
