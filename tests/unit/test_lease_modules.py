"""The lease engine and its modules are one contract in three pieces: one storage, one interface."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from derrick.chain import abi_of
from derrick.testing import reverts_with
from tests.unit.conftest import PENALTY, PRICE, ROLLING

ROOT = Path(__file__).parents[2]
ENGINE, EDITS, SETTLEMENT = "ComputeLease", "LeaseEdits", "LeaseSettlement"
RATE = 10 * PRICE


@pytest.fixture(scope="module")
def layouts():
    """What solc says of each contract's storage, by name."""
    project = yaml.safe_load((ROOT / "ape-config.yaml").read_text())["solidity"]
    sources = {f"contracts/lease/{name}.sol": name for name in (ENGINE, EDITS, SETTLEMENT)}
    request = {
        "language": "Solidity",
        "sources": {path: {"content": (ROOT / path).read_text()} for path in sources},
        "settings": {
            "evmVersion": project["evm_version"],
            "remappings": project["import_remapping"],
            "outputSelection": {path: {name: ["storageLayout"]} for path, name in sources.items()},
        },
    }
    answer = subprocess.run(
        [
            ROOT / "tools" / "solc" / f"solc-v{project['version']}",
            "--base-path",
            ROOT,
            "--standard-json",
        ],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        check=True,
    )
    output = json.loads(answer.stdout)
    assert not [each for each in output.get("errors", ()) if each["severity"] == "error"]
    return {
        name: output["contracts"][path][name]["storageLayout"] for path, name in sources.items()
    }


def places_of(fields):
    return [(each["label"], each["slot"], each["offset"], each["type"]) for each in fields]


def structs_of(layout):
    """Every type, and where the fields of each struct lie."""
    return {
        name: (kind["numberOfBytes"], places_of(kind.get("members", ())))
        for name, kind in layout["types"].items()
    }


def test_all_three_agree_on_every_slot(layouts):
    """They run on one storage: a variable more or less in one would be another's money."""
    places = {name: places_of(layout["storage"]) for name, layout in layouts.items()}
    assert places[ENGINE] == places[EDITS] == places[SETTLEMENT]
    structs = {name: structs_of(layout) for name, layout in layouts.items()}
    assert structs[ENGINE] == structs[EDITS] == structs[SETTLEMENT]
    labels = [label for label, _, _, _ in places[ENGINE]]
    assert {"_services", "_penalties", "_penaltyClaims"} <= set(labels)
    assert len(set(labels)) == len(labels)


def selectors(project, name):
    """Signatures of a contract's functions by selector."""
    abi = abi_of(getattr(project, name).contract_type)
    return {function.selector: signature for signature, function in abi.functions.items()}


def test_no_selector_means_two_things(project):
    """Of the three together; and the engine has every function of both modules but `evict`, which
    only its own code may call."""
    found = {name: selectors(project, name) for name in (ENGINE, EDITS, SETTLEMENT)}
    meaning: dict[bytes, str] = {}
    for each in found.values():
        for selector, signature in each.items():
            assert meaning.setdefault(selector, signature) == signature
    engine = set(found[ENGINE].values())
    assert set(found[SETTLEMENT].values()) <= engine
    assert [s.partition("(")[0] for s in set(found[EDITS].values()) - engine] == ["evict"]


SETTLEMENT_CALLS = {
    "settle": ((2, 0, 0, 0, 0, False), []),
    "settleMany": (bytes(32), [], [], []),
    "record": ((2, 0, 0, 0, 0, False), []),
    "settleMissing": (2,),
    "passIdle": (2, 1),
    "addPenalty": ((2, 0, 0, 0, 0, False), []),
    "claimPenalty": (1, 0, "0x" + 39 * "0" + "1"),
    "freePenalty": (2, 0),
    "trim": (2, 0),
}


@pytest.mark.parametrize("name", SETTLEMENT_CALLS)
def test_the_settlement_module_answers_nobody_but_the_engine(service, project, stranger, name):
    module = service.lane.contract(project.LeaseSettlement.at(service.bench.lease.SETTLEMENT()))
    with reverts_with("UnauthorizedCallContext()"):
        module.send(name, *SETTLEMENT_CALLS[name], sender=stranger)


def test_every_function_of_the_settlement_module_was_tried(project):
    own = selectors(project, SETTLEMENT)
    inherited = set(selectors(project, EDITS).values())
    names = {signature.partition("(")[0] for signature in set(own.values()) - inherited}
    assert names == set(SETTLEMENT_CALLS)


def test_the_modules_hold_no_token_and_draw_none(service, project):
    for name, address in (
        ("LeaseSettlement", service.bench.lease.SETTLEMENT()),
        ("LeaseEdits", service.bench.lease.EDITS()),
    ):
        module = service.lane.contract(getattr(project, name).at(address))
        with reverts_with(service.bench.lease.UnknownLease, lease=7):
            module.read("tokenURI", 7)


def test_a_multicall_goes_on_after_a_module_has_answered(service, tenant):
    """A module's answer ends its own call, not the ones that follow, and comes back as it is."""
    lease = service.sign(tenant, term=ROLLING)
    service.settle(0, 0)
    report = service.report(1)
    tree = service.post(report)
    calls = [
        ("claimPenalty", lease, 0, tenant.address),
        ("freePenalty", service.id, 5),
        ("claimCredit", lease, tenant.address),
        ("settle", report.as_tuple(), tree.proof(report)),
    ]
    data = [service.engine.call(*call).message["data"] for call in calls]
    answers = service.engine.read("multicall", data, sender=tenant)
    amounts = [int.from_bytes(answer, "big") for answer in answers[:3]]
    assert amounts == [10 * PENALTY, 0, RATE]
    assert answers[3] == b""
    service.engine.send("multicall", data, sender=tenant)
    assert service.next_epoch == 2
    assert service.claimable(lease, 0) == 0
    with reverts_with(service.bench.lease.NothingToClaim, lease=lease, epoch=0):
        service.engine.send("multicall", data[1:3] + data[:1], sender=tenant)
