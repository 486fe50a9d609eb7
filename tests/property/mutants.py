"""Contracts with faults built in, one of which at a time is switched on by a storage slot.

All mutants of a contract are compiled at once: each replaces a piece of the real source by a choice
between it and the fault. With the slot at 0 the contract is the real one.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.property.stage import Artifact

ROOT = Path(__file__).parents[2]
SLOT = 0x6D7574616E74
SWITCH = f"""
function isMutant(uint256 id) view returns (bool on) {{
    assembly {{
        on := eq(sload({SLOT}), id)
    }}
}}
"""

CALENDAR = "contracts/lease/Calendar.sol"
LEASE = "contracts/lease/ComputeLease.sol"
SPLITTER = "contracts/revenue/RevenueSplitter.sol"
FACTORY = "contracts/revenue/RevenueSplitterFactory.sol"


@dataclass(frozen=True)
class Mutant:
    """A fault: in `source` the text `real` becomes `faulty`, in which MUTANT says if it is on.

    `breaks` are the invariants of which the first found broken must be one.
    """

    name: str
    source: str
    real: str
    faulty: str
    breaks: frozenset[int]


def _mutant(name: str, source: str, real: str, faulty: str, *breaks: int) -> Mutant:
    return Mutant(name, source, real, faulty, frozenset(breaks))


MUTANTS = (
    _mutant(
        "the calendar is not checked",
        CALENDAR,
        "& TOP_BITS & mask != 0)",
        "& TOP_BITS & mask != 0 && !MUTANT)",
        1,
    ),
    _mutant(
        "the calendar forgets the last epoch of a lease",
        LEASE,
        ".reserve(request.start, request.end, ",
        ".reserve(request.start, request.end - (MUTANT && paid > offer.rent * request.units "
        "? 1 : 0), ",
        1,
    ),
    _mutant(
        "the payee earns the credit too",
        LEASE,
        "creditUp = rent.mulDivUp(bps, BPS);",
        "creditUp = MUTANT ? 0 : rent.mulDivUp(bps, BPS);",
        2,
        3,
    ),
    _mutant(
        "the tenants' credit is dropped",
        LEASE,
        "uint224(sums.latest() + bps)",
        "uint224(sums.latest() + (MUTANT ? 0 : bps))",
        3,
    ),
    _mutant(
        "credit is rounded down",
        LEASE,
        "Checkpoints.Trace224 storage sums = _creditSums[capacity];",
        "if (MUTANT) creditUp = rent.mulDiv(bps, BPS);"
        "Checkpoints.Trace224 storage sums = _creditSums[capacity];",
        3,
    ),
    _mutant(
        "claimed credit can be claimed again",
        LEASE,
        "_leases[leaseId].creditedTo = uint32(creditedTo);",
        "if (!MUTANT) _leases[leaseId].creditedTo = uint32(creditedTo);",
        2,
        3,
    ),
    _mutant(
        "an epoch can be settled again",
        LEASE,
        "nextEpoch: uint32(epoch + 1)",
        "nextEpoch: uint32(MUTANT ? epoch : epoch + 1)",
        3,
        4,
    ),
    _mutant(
        "a leg gets a hundredth of a percent more",
        SPLITTER,
        "received.mulDiv(account.bps, BPS) - account.paid",
        "received.mulDiv(account.bps + (MUTANT ? 1 : 0), BPS) - account.paid",
        5,
    ),
    _mutant(
        "a claimed dividend can be claimed again",
        SPLITTER,
        "_corrections[holder] -= int256(amountDown * self.supply);",
        "if (!MUTANT) _corrections[holder] -= int256(amountDown * self.supply);",
        5,
    ),
)


def mutated_sources() -> dict[str, str]:
    """Every mutated file, all faults in it, each behind its own number: its index plus 1."""
    sources: dict[str, str] = {}
    for number, mutant in enumerate(MUTANTS, start=1):
        text = sources.get(mutant.source) or (ROOT / mutant.source).read_text() + SWITCH
        found = text.count(mutant.real)
        # A source that has moved on needs its mutants to be looked at again.
        assert found == 1, f"{mutant.name}: found {found} times in {mutant.source}: {mutant.real}"
        switched = mutant.faulty.replace("MUTANT", f"isMutant({number})")
        sources[mutant.source] = text.replace(mutant.real, switched)
    return sources


def compile_contract(path: str, sources: Mapping[str, str]) -> Artifact:
    """The contract named as its file, compiled as ape does but with these sources."""
    project = yaml.safe_load((ROOT / "ape-config.yaml").read_text())["solidity"]
    name = Path(path).stem
    request = {
        "language": "Solidity",
        "sources": {
            each: {"content": sources.get(each) or (ROOT / each).read_text()}
            for each in {path, *sources}
        },
        "settings": {
            "evmVersion": project["evm_version"],
            "viaIR": project["via_ir"],
            "optimizer": {"enabled": project["optimize"], "runs": project["optimization_runs"]},
            "remappings": project["import_remapping"],
            "outputSelection": {path: {name: ["abi", "evm.bytecode.object"]}},
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
    assert not errors, "".join(errors)
    contract = output["contracts"][path][name]
    return Artifact(contract["abi"], "0x" + contract["evm"]["bytecode"]["object"])


def with_mutants(artifacts: Mapping[str, Artifact]) -> dict[str, Artifact]:
    """The project's contracts, with those that can be faulty in place of the real ones."""
    sources = mutated_sources()
    paths = {LEASE, FACTORY}
    with ThreadPoolExecutor(len(paths)) as pool:
        compiled = pool.map(lambda path: compile_contract(path, sources), sorted(paths))
    names = [Path(path).stem for path in sorted(paths)]
    return {**artifacts, **dict(zip(names, compiled, strict=True))}
