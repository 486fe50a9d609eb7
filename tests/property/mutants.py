"""Contracts with faults built in, one of which at a time is switched on by a storage slot.

All mutants of a contract are compiled at once: each replaces a piece of the real source by a choice
between it and the fault. With the slot at 0 the contract is the real one.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.property.stage import Artifact

ROOT = Path(__file__).parents[2]
RUNS = 200
"""Of the optimizer: the faults of a contract must fit into the size that a contract may have."""
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
EDITS = "contracts/lease/LeaseEdits.sol"
SETTLING = "contracts/lease/Settling.sol"
SETTLEMENT = "contracts/lease/LeaseSettlement.sol"
BOND = "contracts/bond/ServiceBond.sol"
SPLITTER = "contracts/revenue/RevenueSplitter.sol"
FACTORY = "contracts/revenue/RevenueSplitterFactory.sol"


@dataclass(frozen=True)
class Mutant:
    """A fault: in `source` the text `real` becomes `faulty`, in which MUTANT says if it is on.

    `breaks` are the invariants of which the first found broken must be one. `focus` says which
    rules of the machine are about it: LEASING, SERVING or CREDITING; None for all.
    """

    name: str
    source: str
    real: str
    faulty: str
    breaks: frozenset[int]
    focus: str | None


LEASING, SERVING, CREDITING = "leasing", "serving", "crediting"
FOCUS = {
    **dict.fromkeys((CALENDAR, LEASE, EDITS), LEASING),
    **dict.fromkeys((SETTLING, SETTLEMENT, BOND), SERVING),
}


def _mutant(
    name: str, source: str, real: str, faulty: str, *breaks: int, focus: str | None = None
) -> Mutant:
    return Mutant(name, source, real, faulty, frozenset(breaks), focus or FOCUS.get(source))


MUTANTS = (
    _mutant(
        "the calendar is not checked",
        CALENDAR,
        "& mask)) & TOP_BITS != 0)",
        "& mask)) & TOP_BITS != 0 && !MUTANT)",
        1,
    ),
    _mutant(
        "the calendar forgets the last epoch of a lease",
        LEASE,
        ".reserve(signed.start, signed.end, ",
        ".reserve(signed.start, signed.end - (MUTANT && signed.end > signed.start + 1 ? 1 : 0), ",
        1,
    ),
    _mutant(
        "units that nobody attested are leased",
        LEASE,
        "signed.units, offer.units);",
        "signed.units, MUTANT ? 32767 : offer.units);",
        1,
    ),
    _mutant(
        "the payee earns the credit too",
        SETTLEMENT,
        "if (creditBps != 0) earned -= _credit(capacity, epoch, creditBps, rent);",
        "if (creditBps != 0) earned -= _credit(capacity, epoch, creditBps, rent);"
        "if (MUTANT) earned = rent;",
        2,
        3,
    ),
    _mutant(
        "the tenants' credit is dropped",
        SETTLEMENT,
        "_creditSums[capacity].add(epoch, bps);",
        "_creditSums[capacity].add(epoch, MUTANT ? 0 : bps);",
        3,
    ),
    _mutant(
        "credit is rounded down",
        SETTLEMENT,
        "creditUp = rent.mulDivUp(bps, BPS);",
        "creditUp = MUTANT ? rent.mulDiv(bps, BPS) : rent.mulDivUp(bps, BPS);",
        3,
    ),
    _mutant(
        "claimed credit can be claimed again",
        LEASE,
        "signed.creditedTo = uint32(creditedTo);",
        "if (!MUTANT) signed.creditedTo = uint32(creditedTo);",
        2,
        3,
    ),
    _mutant(
        "an epoch can be settled again",
        LEASE,
        "= ledger.closed(rent, rent, false);",
        "= Ledger.wrap(Ledger.unwrap(ledger.closed(rent, rent, false)) - (MUTANT ? 1 : 0));",
        0,
        3,
        4,
        focus=SERVING,
    ),
    _mutant(
        "a deposit is not taken",
        LEASE,
        "offer.stablecoin.safeTransferFrom(msg.sender, address(this), paid);",
        "if (MUTANT && signed.fundedTo < signed.end)"
        "paid -= _rateOf(signed) * signed.depositEpochs;"
        "offer.stablecoin.safeTransferFrom(msg.sender, address(this), paid);",
        2,
        3,
    ),
    _mutant(
        "what is paid on is not earned",
        LEASE,
        "_moveFunding(capacity, signed.fundedTo, fundedTo, rate);",
        "if (!MUTANT) _moveFunding(capacity, signed.fundedTo, fundedTo, rate);",
        0,
        3,
    ),
    _mutant(
        "paying on looks at every lease",
        LEASE,
        "// Effect\n        uint256 rate = _rateOf(signed);",
        "for (uint256 i; MUTANT && i < 200; ++i) require(_leases[i] == 0);"
        "uint256 rate = _rateOf(signed);",
        9,
    ),
    _mutant(
        "a deposit is forfeited twice",
        EDITS,
        "_forfeit(capacity, forfeited - bounty);",
        "_forfeit(capacity, MUTANT ? 2 * forfeited - bounty : forfeited - bounty);",
        2,
        3,
    ),
    _mutant(
        "a lapse frees the running epoch",
        EDITS,
        "Ending.LAPSED, moved, earliest, bounty);",
        "Ending.LAPSED, moved, MUTANT ? earliest - 1 : earliest, bounty);",
        1,
    ),
    _mutant(
        "a split loses the part's deposit",
        EDITS,
        "later.depositEpochs = _depositWithin(later);",
        "later.depositEpochs = MUTANT ? 0 : _depositWithin(later);",
        0,
        2,
        3,
    ),
    _mutant(
        "who is evicted gets nothing back",
        EDITS,
        "_refund(capacity, stablecoin, _ownerOf(leaseId), refunded);",
        "if (!MUTANT || ending != Ending.EVICTED)"
        "_refund(capacity, stablecoin, _ownerOf(leaseId), refunded);",
        3,
    ),
    _mutant(
        "a user can be given notice",
        EDITS,
        "if (user == address(0) || user == msg.sender) return;",
        "if (user == address(0) || user == msg.sender || MUTANT) return;",
        0,
    ),
    _mutant(
        "a penalty can be claimed again",
        SETTLEMENT,
        "_penaltyClaims[leaseId][epoch / CLAIMS_PER_WORD] |= 1 << (epoch % CLAIMS_PER_WORD);",
        "if (!MUTANT)"
        "_penaltyClaims[leaseId][epoch / CLAIMS_PER_WORD] |= 1 << (epoch % CLAIMS_PER_WORD);",
        2,
        3,
    ),
    _mutant(
        "a penalty is a unit's too high",
        SETTLEMENT,
        "uint256 wanted = perUnit * units;",
        "uint256 wanted = perUnit * (MUTANT ? units + 1 : units);",
        2,
        3,
    ),
    _mutant(
        "a capacity is curtailed without end",
        SETTLEMENT,
        "if (used > allowed) return false;",
        "if (used > allowed && !MUTANT) return false;",
        0,
        2,
        3,
    ),
    _mutant(
        "a failing capacity takes new leases",
        SETTLEMENT,
        "if (ledger.isInPenalty() != inPenalty)",
        "if (ledger.isInPenalty() != inPenalty && !MUTANT)",
        0,
    ),
    _mutant(
        "a root counts before it is final",
        SETTLING,
        "require(block.timestamp >= finalAt,",
        "require(block.timestamp >= finalAt || MUTANT,",
        0,
        3,
        4,
    ),
    _mutant(
        "a leg gets a hundredth of a percent more",
        SPLITTER,
        "* account.bps) / BPS - books.paid",
        "* (account.bps + (MUTANT ? 1 : 0))) / BPS - books.paid",
        5,
    ),
    _mutant(
        "a claimed dividend can be claimed again",
        SPLITTER,
        "parts - amountDown * SUPPLY, index);",
        "MUTANT ? parts : parts - amountDown * SUPPLY, index);",
        5,
    ),
    _mutant(
        "who settles a second too early meets a panic",
        SETTLING,
        "require(block.timestamp >= endsAt, ",
        "if (MUTANT) assert(block.timestamp >= endsAt);require(block.timestamp >= endsAt, ",
        11,
    ),
    _mutant(
        "the operator's bond leaves at once",
        BOND,
        "require(block.timestamp >= exitableAt,",
        "require(block.timestamp >= exitableAt || MUTANT,",
        0,
    ),
    _mutant(
        "who claims a dividend for another gets it",
        SPLITTER,
        "return _claim(holder, holder);",
        "return _claim(holder, MUTANT ? msg.sender : holder);",
        8,
    ),
    _mutant(
        "a frozen holder's coin blocks the end of his lease",
        EDITS,
        "_refunds[stablecoin][account] += amount;",
        "_refunds[stablecoin][account] += amount;if (MUTANT) stablecoin.safeTransfer(account, 0);",
        12,
    ),
    _mutant(
        "the credit of a lease that is split or merged is lost",
        EDITS,
        "_refunds[stablecoin][holder] += amount;",
        "if (!MUTANT) _refunds[stablecoin][holder] += amount;",
        2,
        3,
        focus=CREDITING,
    ),
    _mutant(
        "a merger forgets how far the later part is paid",
        EDITS,
        "signed.fundedTo = other.fundedTo;",
        "if (!MUTANT) signed.fundedTo = other.fundedTo;",
        0,
        2,
        3,
        focus=CREDITING,
    ),
)


def mutated_sources() -> dict[str, str]:
    """Every mutated file, all faults in it, each behind its own number: its index plus 1."""
    return switched((mutant.source, mutant.real, mutant.faulty) for mutant in MUTANTS)


def switched(faults: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Every file that a fault is in, each fault behind its own number: its index plus 1.

    A fault is a file, what stands in it, and what is to stand there; `MUTANT` says if it is on.
    """
    sources: dict[str, str] = {}
    for number, (source, real, faulty) in enumerate(faults, start=1):
        text = sources.get(source) or (ROOT / source).read_text() + SWITCH
        found = text.count(real)
        # A source that has moved on needs its mutants to be looked at again.
        assert found == 1, f"found {found} times in {source}: {real}"
        sources[source] = text.replace(real, faulty.replace("MUTANT", f"isMutant({number})"))
    return sources


def compile_contract(path: str, sources: Mapping[str, str]) -> Artifact:
    """The contract named as its file, compiled as ape does but with these sources, and smaller."""
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
            "optimizer": {"enabled": project["optimize"], "runs": RUNS},
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
    paths = {LEASE, EDITS, SETTLEMENT, BOND, FACTORY}
    with ThreadPoolExecutor(len(paths)) as pool:
        compiled = pool.map(lambda path: compile_contract(path, sources), sorted(paths))
    names = [Path(path).stem for path in sorted(paths)]
    return {**artifacts, **dict(zip(names, compiled, strict=True))}
