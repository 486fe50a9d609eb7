"""Settlement, one rule at a time: one report and many at once, silence, curtailment, meters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from types import SimpleNamespace

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from derrick.abi import Revert
from derrick.chain import Call, Receipt
from derrick.market import DAY, HOUR, MAX_UINT256, TELEMETRY_RULES
from derrick.merkle import MerkleTree, hash_pair, root_of_multiproof
from derrick.telemetry import REPORT_TYPES, Report, ReportTree, Status
from derrick.testing import isolated, reverts_with, reverts_without_data
from tests.settled import all_settled, settled
from tests.unit.conftest import (
    BOND,
    CURTAILMENT_CREDIT,
    CURTAILMENTS,
    LIFETIME,
    PENALTY,
    PENALTY_BELOW,
    PRICE,
    ROLLING,
    SPOT,
)

RATE = 10 * PRICE
"""Rent per epoch of the ten units that most leases here are of."""

NONE, UNSHOWN, RESERVED, FREED = range(4)
"""How the penalty of an epoch stands."""

YEAR = 365 * DAY


@pytest.fixture
def lease(service, tenant):
    """Ten units for epochs 0 … 9."""
    return service.sign(tenant)


def word(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


# ---- settle


def test_a_healthy_epoch_earns_its_rent_and_touches_no_bond(service, lease, tenant):
    receipt = service.settle(0)
    assert [event.name for event in receipt.events] == ["EpochSettled"]
    assert tuple(receipt.event("EpochSettled")) == (
        service.id,
        0,
        RATE,
        10_000,
        8_000,
        1_234_567,
    )
    assert service.engine.read("netRevenueOf", service.id) == RATE
    assert service.penalty(0) == (0, 0, NONE)
    assert service.bond.read("operatorPartOf", service.id) == BOND
    with reverts_with(service.bench.lease.NothingToClaim, lease=lease, epoch=0):
        service.claim(lease, 0, tenant)


@pytest.mark.parametrize(
    ("uptime", "credit", "is_penal"),
    [
        (9_990, 0, False),
        (9_989, 1_000, False),
        (9_499, 10_000, False),
        (PENALTY_BELOW, 10_000, False),
        (PENALTY_BELOW - 1, 10_000, True),
        (1, 10_000, True),
        (0, 10_000, True),
    ],
)
def test_uptime_decides_credit_and_penalty_each_by_its_own_threshold(
    service, lease, uptime, credit, is_penal
):
    receipt = service.settle(0, uptime)
    found = settled(receipt)
    assert (found.credit_bps, found.credit) == (credit, RATE * credit // 10_000)
    assert found.status == Status.REPORTED
    assert service.engine.read("creditOf", lease) == RATE * credit // 10_000
    assert service.is_barred is is_penal
    assert service.penalty(0) == ((PENALTY, 10, RESERVED) if is_penal else (0, 0, NONE))
    assert service.claimable(lease, 0) == (10 * PENALTY if is_penal else 0)
    reserved = receipt.named("PenaltyReserved")
    assert len(reserved) == is_penal
    if is_penal:
        assert tuple(reserved[0].args) == (service.id, 0, 10, 10 * PENALTY, 10 * PENALTY)


def test_a_penalty_threshold_above_all_tiers_punishes_without_credit(service, tenant):
    """What is healthy is decided by whichever threshold is highest."""
    strict = service.another(tiers=(), penalty_below_bps=9_990)
    strict.deposit(BOND)
    lease = strict.sign(tenant)
    assert settled(strict.settle(0, 9_990)).credit_bps == 0
    assert strict.penalty(0) == (0, 0, NONE)
    receipt = strict.settle(1, 9_989)
    assert settled(receipt).credit_bps == 0
    assert strict.engine.read("netRevenueOf", strict.id) == 2 * RATE
    assert strict.claim(lease, 1, tenant) == 10 * PENALTY


def test_an_epoch_without_leases_can_be_in_penalty_but_costs_nothing(service):
    receipt = service.settle(0, 0)
    assert receipt.named("PenaltyReserved") == []
    assert service.is_barred
    assert service.penalty(0) == (0, 0, NONE)
    assert service.bond.read("operatorPartOf", service.id) == BOND


def test_one_fault_is_settled_and_punished_once(service, lease):
    report = service.report(0, 0)
    tree = service.post(report)
    service.show("settle", report, tree)
    service.go_to(service.ends_at(1))
    for name in ("settle", "record"):
        with reverts_with(
            service.bench.lease.NotNextEpoch, capacity=service.id, epoch=0, expected=1
        ):
            service.show(name, report, tree)
    with reverts_with(service.bench.lease.NotUnshown, capacity=service.id, epoch=0, state=RESERVED):
        service.show("addPenalty", report, tree)
    service.settle_many(tree, report)
    assert service.next_epoch == 1
    assert service.bond.read("operatorPartOf", service.id) == BOND - 10 * PENALTY


@pytest.mark.parametrize(
    ("field", "name", "most"),
    [
        ("uptime_bps", "uptimeBps", 10_000),
        ("load_bps", "loadBps", 10_000),
        ("energy_wh", "energyWh", 2**48 - 1),
    ],
)
@pytest.mark.parametrize("uptime", [10_000, 0], ids=["healthy", "failed"])
def test_a_reading_out_of_range_is_none_whoever_signed_it(
    service, lease, field, name, most, uptime, monkeypatch
):
    """Each path refuses it: healthy and not, alone and among others, kept and late."""
    monkeypatch.setattr(Report, "check", lambda self: None)
    good = replace(service.report(0, uptime), **{field: most})
    bad = replace(service.report(1, uptime), **{field: most + 1})
    refusal = {"field": word(name), "value": most + 1}
    service.show("settle", good, service.post(good))
    tree = service.post(bad)
    for call in (
        lambda: service.show("settle", bad, tree),
        lambda: service.show("record", bad, tree),
        lambda: service.settle_many(tree, bad),
    ):
        with reverts_with(service.bench.lease.ReportOutOfRange, **refusal):
            call()
    service.go_to(service.reveal_ends(1))
    assert settled(service.miss()).status == Status.MISSING
    with reverts_with(service.bench.lease.ReportOutOfRange, **refusal):
        service.show("addPenalty", bad, tree)


class Worded(ReportTree):
    """A tree of a report whose words need not fit their fields, as only a quorum could sign it."""

    def __init__(self, *words):
        self.reports = (Report(words[0], 0, 0, 0, 0),)
        self.encoded = encode(["uint256"] * 6, words)
        self._tree = MerkleTree([keccak(keccak(self.encoded))])


@dataclass(frozen=True)
class RawCall(Call):
    """A call of these bytes."""

    data: bytes = b""

    @property
    def message(self):
        return {**super().message, "data": "0x" + self.data.hex()}


def data_of(call):
    """What the call sends, its function's selector first."""
    return bytes.fromhex(call.message["data"][2:])


def raw(call, *words):
    """The call's function with these words for inputs."""
    data = b"".join(w if isinstance(w, bytes) else w.to_bytes(32, "big") for w in words)
    return RawCall(**vars(call), data=data_of(call)[:4] + data)


def swapped(call, old, new):
    """The call with one encoding in the place of another, which stands in it once."""
    data = data_of(call)
    assert data.count(old) == 1
    return RawCall(**vars(call), data=data.replace(old, new))


@pytest.mark.parametrize(
    ("place", "value", "one", "many"),
    [
        (1, 1 << 24, "NotNextEpoch", {"start": 1 << 24, "end": (1 << 24) + 1}),
        (1, MAX_UINT256, "NotNextEpoch", {"start": MAX_UINT256, "end": MAX_UINT256}),
        (2, 1 << 16 | 10_000, "uptimeBps", None),
        (3, 1 << 16, "loadBps", None),
        (4, 1 << 48 | 1, "energyWh", None),
        (4, MAX_UINT256, "energyWh", None),
        (5, 2, "curtailed", None),
        (5, 1 << 255, "curtailed", None),
    ],
)
@pytest.mark.parametrize("uptime", [10_000, 0], ids=["healthy", "failed"])
def test_a_signed_word_wider_than_its_field_is_refused_and_not_cut(
    service, lease, place, value, one, many, uptime
):
    """Fields are read as whole words; the low bits of a word alone would make another report."""
    words = [service.id, 0, uptime, 8_000, 7_500_000, 0]
    good = encode(["uint256"] * 6, words)
    tree = Worded(*words[:place], value, *words[place + 1 :])
    service.go_to(TELEMETRY_RULES.ends_at(service.window_of(0)))
    service.bench.post_tree(tree, service.window_of(0))
    report, contract = (*words[:5], False), service.bench.lease
    for name, arguments in (
        ("settle", (report, [])),
        ("record", (report, [])),
        ("settleMany", (tree.root, [report], [], [])),
    ):
        call = service.engine.call(name, *arguments, sender=service.bench.owner)
        if many is None:
            refusal = reverts_with(contract.ReportOutOfRange, field=word(one), value=value)
        elif name == "settle":
            wrong = {"capacity": service.id, "epoch": value, "expected": 0}
            refusal = reverts_with(contract.NotNextEpoch, **wrong)
        else:
            refusal = reverts_with(contract.BadRange, **many, lifetime=LIFETIME)
        with refusal:
            raise service.lane.transact(swapped(call, good, tree.encoded))
    assert service.next_epoch == 0


@pytest.mark.parametrize(
    ("place", "value", "field"),
    [
        (1, 1 << 24, None),
        (1, MAX_UINT256, None),
        (2, 1 << 16, "uptimeBps"),
        (3, 1 << 255, "loadBps"),
        (4, 1 << 48, "energyWh"),
        (5, 1 << 104, "curtailed"),
    ],
)
def test_a_signed_word_wider_than_its_field_adds_no_penalty(service, lease, place, value, field):
    words = [service.id, 0, 0, 8_000, 7_500_000, 0]
    good = encode(["uint256"] * 6, words)
    tree = Worded(*words[:place], value, *words[place + 1 :])
    service.go_to(TELEMETRY_RULES.ends_at(service.window_of(0)))
    service.bench.post_tree(tree, service.window_of(0))
    service.go_to(service.reveal_ends(0))
    assert settled(service.miss()).status == Status.MISSING
    sender, contract = service.bench.owner, service.bench.lease
    call = service.engine.call("addPenalty", (*words[:5], False), [], sender=sender)
    if field is None:
        wrong = {"capacity": service.id, "epoch": value, "state": NONE}
        refusal = reverts_with(contract.NotUnshown, **wrong)
    else:
        refusal = reverts_with(contract.ReportOutOfRange, field=word(field), value=value)
    with refusal:
        raise service.lane.transact(swapped(call, good, tree.encoded))
    assert service.penalty(0) == (0, 0, UNSHOWN)


# ---- settleMany


def test_one_proof_settles_many_capacities_and_epochs(service, hourly, tenant):
    """Two days of an hourly capacity and of two daily ones stand in one tree each."""
    other = service.another()
    other.deposit(BOND)
    leases = [service.sign(tenant), other.sign(tenant, units=7)]
    uptimes = {5: 9_950, 9: 0}
    reports = [hourly.report(epoch, uptimes.get(epoch, 10_000)) for epoch in range(24)]
    reports += [service.report(0, 9_600), other.report(0, 8_999)]
    tree = service.post(*reports, window=service.window_of(0))
    receipt = service.settle_many(tree, *reports)
    assert [(each.epoch, each.capacity) for each in all_settled(receipt)] == sorted(
        (report.epoch, report.capacity) for report in reports
    )
    assert [s.next_epoch for s in (hourly, service, other)] == [24, 1, 1]
    assert hourly.engine.read("netRevenueOf", hourly.id) == 22 * RATE + RATE * 9 // 10
    assert hourly.penalty(9) == (PENALTY, 10, RESERVED)
    assert service.engine.read("creditOf", leases[0]) == RATE // 4
    assert other.claimable(leases[1], 0) == 7 * PENALTY


def test_a_part_of_a_window_is_settled_by_its_own_multiproof(service, hourly):
    reports = [hourly.report(epoch) for epoch in range(24)]
    tree = hourly.post(*reports)
    hourly.settle_many(tree, *reports[:7])
    assert hourly.next_epoch == 7
    hourly.settle_many(tree, reports[7])
    assert hourly.next_epoch == 8
    hourly.settle_many(tree, *reports[8:])
    assert hourly.next_epoch == 24


def test_reports_whose_turn_has_not_come_are_kept(service, hourly):
    """Epoch 0 is left out: the rest waits for it, and then needs no proof any more."""
    reports = [hourly.report(epoch, 9_950 if epoch == 3 else 10_000) for epoch in range(24)]
    tree = hourly.post(*reports)
    receipt = hourly.settle_many(tree, *reports[1:5])
    assert [event.args.epoch for event in receipt.named("ReportRecorded")] == [1, 2, 3, 4]
    assert receipt.named("EpochSettled") == []
    assert hourly.engine.read("isRecorded", hourly.id, 4)
    assert hourly.next_epoch == 0
    hourly.show("settle", reports[0], tree)
    epochs = [settled(hourly.miss()) for _ in range(4)]
    assert [(each.epoch, each.credit_bps, each.status) for each in epochs] == [
        (1, 0, Status.REPORTED),
        (2, 0, Status.REPORTED),
        (3, 1_000, Status.REPORTED),
        (4, 0, Status.REPORTED),
    ]
    with reverts_with(
        service.bench.lease.ReportStillPossible,
        capacity=hourly.id,
        epoch=5,
        status=Status.REPORTED,
    ):
        hourly.miss()


def test_reports_out_of_order_are_kept_or_settled_as_they_come(service, hourly):
    """A tree in which a later epoch stands first: that one is kept, none is lost."""
    one, two = hourly.report(0), hourly.report(1)
    tree = hourly.post(one, two)
    assert root_of_multiproof([two.leaf, one.leaf], [], [True]) == tree.root
    receipt = hourly.engine.send(
        "settleMany",
        tree.root,
        [two.as_tuple(), one.as_tuple()],
        [],
        [True],
        sender=service.bench.owner,
    )
    assert [event.name for event in receipt.events] == ["ReportRecorded", "EpochSettled"]
    assert hourly.next_epoch == 1
    assert settled(hourly.miss()).epoch == 1


def test_settling_many_passes_over_what_is_settled_or_kept(service, hourly):
    """Whoever is faster with a part, or with all of it, stops nobody and changes nothing."""
    reports = [hourly.report(epoch) for epoch in range(6)]
    tree = hourly.post(*reports)
    hourly.show("settle", reports[0], tree)
    hourly.show("record", reports[3], tree)
    receipt = hourly.settle_many(tree, *reports)
    assert [(event.name, event.args.epoch) for event in receipt.events] == [
        ("EpochSettled", epoch) for epoch in range(1, 6)
    ]
    assert hourly.settle_many(tree, *reports).events == []
    assert hourly.engine.read("netRevenueOf", hourly.id) == 6 * RATE


def test_settling_many_kept_reports_again_keeps_the_first(service, hourly):
    reports = [hourly.report(epoch) for epoch in range(1, 4)]
    tree = hourly.post(*reports)
    assert len(hourly.settle_many(tree, *reports).named("ReportRecorded")) == 3
    assert hourly.settle_many(tree, *reports).events == []


def test_settling_many_of_nothing_does_nothing(service, hourly):
    tree = hourly.post(hourly.report(0))
    for proof in ([], [b"\1" * 32]):
        receipt = hourly.engine.send(
            "settleMany", tree.root, [], proof, [], sender=service.bench.owner
        )
        assert receipt.events == []
    assert hourly.next_epoch == 0


def test_many_reports_are_of_one_window_of_one_set(service, hourly):
    """The first report says of which."""
    members = service.telemetry.read("setOf", 1).members
    rules = TELEMETRY_RULES.as_tuple()
    service.telemetry.send("createSet", members, 2, rules, sender=service.bench.owner)
    foreign = service.another(attestor_set=2, epoch_length=HOUR)
    yesterday, today, elsewhere = hourly.report(23), hourly.report(24), foreign.report(24)
    tomorrow, window = hourly.report(48), hourly.window_of(24)
    tree = hourly.post(yesterday, today, elsewhere, tomorrow, window=window)
    with reverts_with(service.bench.lease.OtherWindow, index=1, setId=1, window=window + 1):
        hourly.settle_many(tree, today, tomorrow)
    with reverts_with(service.bench.lease.OtherWindow, index=1, setId=2, window=window):
        hourly.settle_many(tree, today, elsewhere)
    for first, set_id, other in ((yesterday, 1, window - 1), (elsewhere, 2, window)):
        with reverts_with(service.bench.lease.NoRoot, setId=set_id, window=other):
            hourly.settle_many(tree, first)
    assert len(hourly.settle_many(tree, today).named("ReportRecorded")) == 1


def test_a_report_of_the_far_future_settles_nothing(service, hourly, lease):
    """Signed today, shown today: its window has no root; beyond the lifetime it has no epoch."""
    now, ahead = service.report(0), service.report(LIFETIME - 1)
    beyond, last = service.report(LIFETIME), service.report(2**24 - 1)
    tree = service.post(now, ahead, beyond, last)
    late = service.window_of(LIFETIME - 1)
    with reverts_with(service.bench.lease.NoRoot, setId=1, window=late):
        service.settle_many(tree, ahead)
    with reverts_with(service.bench.lease.OtherWindow, index=1, setId=1, window=late):
        service.settle_many(tree, now, ahead)
    assert service.next_epoch == 0
    with reverts_with(
        service.bench.lease.EpochNotEnded,
        capacity=service.id,
        epoch=LIFETIME - 1,
        endsAt=service.ends_at(LIFETIME - 1),
    ):
        service.show("record", ahead, tree)
    for report in (beyond, last):
        outside = {"start": report.epoch, "end": report.epoch + 1, "lifetime": LIFETIME}
        with reverts_with(service.bench.lease.BadRange, **outside):
            service.settle_many(tree, report)
        with reverts_with(service.bench.lease.BadRange, **outside):
            service.show("record", report, tree)
        with reverts_with(
            service.bench.lease.NotNextEpoch, capacity=service.id, epoch=report.epoch, expected=0
        ):
            service.show("settle", report, tree)


def test_an_epoch_has_the_window_in_which_it_ends(service, tenant):
    """One that ends with a window is of it; one that ends a second later is of the next."""
    later = service.another(origin=service.config.origin + 1)
    later.sign(tenant)
    window = service.window_of(0)
    assert later.window_of(0) == window + 1
    reports = [service.report(0), later.report(0)]
    tree = service.post(*reports, window=window)
    with reverts_with(service.bench.lease.NoRoot, setId=1, window=window + 1):
        later.show("settle", reports[1], tree)
    with reverts_with(service.bench.lease.OtherWindow, index=1, setId=1, window=window + 1):
        service.settle_many(tree, *reports)
    service.show("settle", reports[0], tree)
    service.go_to(TELEMETRY_RULES.posting_ends(window))
    with reverts_with(
        service.bench.lease.ReportStillPossible,
        capacity=later.id,
        epoch=0,
        status=Status.PENDING,
    ):
        later.miss()
    later.settle(0)
    assert later.engine.read("netRevenueOf", later.id) == RATE


class Doubled(ReportTree):
    """A tree that no honest attestor builds: two reports of one epoch."""

    def __init__(self, reports):
        self.reports = tuple(reports)
        self._tree = MerkleTree(report.leaf for report in self.reports)


def test_of_two_reports_of_one_epoch_the_first_that_is_shown_counts(service, lease):
    good, bad = service.report(0), service.report(0, 0)
    tree = Doubled([good, bad])
    service.go_to(TELEMETRY_RULES.ends_at(service.window_of(0)))
    service.bench.post_tree(tree, service.window_of(0))
    for first, second, owed in ((good, bad, RATE), (bad, good, 0)):
        with isolated(service.lane):
            service.show("record", first, tree)
            with reverts_with(service.bench.lease.AlreadyRecorded, capacity=service.id, epoch=0):
                service.show("record", second, tree)
            assert settled(service.miss()).uptime_bps == first.uptime_bps
            assert service.engine.read("netRevenueOf", service.id) == owed
            proof = (tree.root, [first.as_tuple(), second.as_tuple()], [], [True])
            assert service.engine.send("settleMany", *proof, sender=service.guardian).events == []


class Twice(ReportTree):
    """A tree that no honest attestor builds: one report stands twice."""

    def __init__(self, report):
        self.reports = (report, report)
        self._tree = SimpleNamespace(root=hash_pair(report.leaf, report.leaf))


def test_a_report_that_stands_twice_in_a_batch_settles_one_epoch(service, lease):
    report = service.report(0, 0)
    tree = Twice(report)
    service.go_to(TELEMETRY_RULES.ends_at(service.window_of(0)))
    service.bench.post_tree(tree, service.window_of(0))
    both = (tree.root, [report.as_tuple()] * 2, [], [True])
    receipt = service.engine.send("settleMany", *both, sender=service.bench.owner)
    assert settled(receipt).epoch == 0
    assert service.next_epoch == 1
    assert service.bond.read("operatorPartOf", service.id) == BOND - 10 * PENALTY
    assert service.engine.read("performanceOf", service.id).lifetimeWh == report.energy_wh


WAYS = {
    "one by one": lambda hourly, tree, reports: [
        hourly.show("settle", report, tree) for report in reports
    ],
    "all at once": lambda hourly, tree, reports: [hourly.settle_many(tree, *reports)],
    "kept before their turn": lambda hourly, tree, reports: [
        hourly.settle_many(tree, *reports[1:]),
        hourly.show("settle", reports[0], tree),
        *(hourly.miss() for _ in reports[1:]),
    ],
}


def test_whichever_way_reports_are_settled_comes_to_the_same(service, hourly, tenant):
    """The engine's path and its module's, from the first settlement on, faults among them."""
    faults = {0: 9_950, 3: 0, 4: 0, 5: 9_000, 9: 9_989, 10: 9_990, 17: 0, 18: 9_989, 22: 0}
    reports = [
        hourly.report(
            epoch,
            faults.get(epoch, 10_000),
            load_bps=10_000 - epoch,
            energy_wh=2**48 - 1 - epoch,
            curtailed=epoch in (2, 4, 17, 20),
        )
        for epoch in range(24)
    ]
    tree = hourly.post(*reports)
    engine, number = hourly.engine, hourly.id
    found = {}
    for way, settle in WAYS.items():
        with isolated(service.lane):
            receipts = settle(hourly, tree, reports)
            assert hourly.next_epoch == 24
            found[way] = (
                [each for receipt in receipts for each in all_settled(receipt)],
                engine.read("performanceOf", number),
                engine.read("netRevenueOf", number),
                engine.read("curtailedIn", number, 0),
                [engine.read("creditSumBelow", number, epoch) for epoch in range(26)],
                [hourly.penalty(epoch) for epoch in range(24)],
                hourly.bond.read("operatorPartOf", number),
                hourly.is_barred,
            )
    first = found["one by one"]
    assert [each.uptime_bps for each in first[0]] == [report.uptime_bps for report in reports]
    assert [epoch for epoch in range(24) if first[5][epoch][2] == RESERVED] == [3, 17, 22]
    assert first[3] == CURTAILMENTS
    for way in WAYS:
        assert found[way] == first, way


def test_one_transaction_keeps_settles_and_passes_over(service, hourly):
    """Each call of a multicall starts from what the one before it left, in the module and not."""
    reports = [hourly.report(epoch, 0 if epoch in (0, 2) else 10_000) for epoch in range(6)]
    tree = hourly.post(*reports)
    some, every = tree.multiproof(reports[2:4]), tree.multiproof(reports)
    calls = [
        ("settleMany", *some.as_arguments()),
        ("settle", reports[0].as_tuple(), tree.proof(reports[0])),
        ("settle", reports[1].as_tuple(), tree.proof(reports[1])),
        ("settleMissing", hourly.id),
        ("settleMany", *every.as_arguments()),
        ("settleMany", *every.as_arguments()),
    ]
    data = [hourly.engine.call(*call).message["data"] for call in calls]
    receipt = hourly.engine.send("multicall", data, sender=service.bench.owner)
    assert [each.epoch for each in all_settled(receipt)] == list(range(6))
    assert hourly.next_epoch == 6
    assert hourly.engine.read("netRevenueOf", hourly.id) == 4 * RATE
    assert hourly.bond.read("operatorPartOf", hourly.id) == BOND - 2 * 10 * PENALTY
    assert hourly.engine.read("performanceOf", hourly.id).lifetimeWh == 6 * 1_234_567


def test_the_last_epoch_there_is_can_be_settled_among_others(service, tenant):
    short = service.another(epoch_length=HOUR, lifetime_epochs=24)
    short.sign(tenant, end=24)
    reports = [short.report(epoch) for epoch in range(24)]
    tree = short.post(*reports)
    short.settle_many(tree, *reports[:23])
    short.settle_many(tree, *reports)
    assert short.next_epoch == short.engine.read("performanceOf", short.id).reportedTo == 24
    assert short.settle_many(tree, *reports).events == []
    for call in (short.miss, lambda: short.show("settle", reports[23], tree)):
        with reverts_with(service.bench.lease.LifetimeSettled, capacity=short.id):
            call()
    assert short.engine.read("netRevenueOf", short.id) == 24 * RATE


def test_sums_of_credits_are_those_of_all_epochs_below(service, hourly):
    """From the first epoch on, at each credited epoch, beside it, and beyond all epochs."""
    credits = {0: 1_000, 5: 2_500, 6: 10_000, 23: 1_000}
    uptimes = {1_000: 9_950, 2_500: 9_600, 10_000: 9_200}
    reports = [
        hourly.report(epoch, uptimes.get(credits.get(epoch, 0), 10_000)) for epoch in range(24)
    ]
    engine, number = hourly.engine, hourly.id
    assert engine.read("creditSumBelow", number, 2**32 - 1) == 0
    hourly.settle_many(hourly.post(*reports), *reports)
    for epoch in (*range(26), LIFETIME, 2**24 - 1, 2**24, 2**32 - 1):
        below = sum(credit for at, credit in credits.items() if at < epoch)
        assert engine.read("creditSumBelow", number, epoch) == below


def test_a_wrong_proof_of_many_settles_none(service, hourly):
    reports = [hourly.report(epoch) for epoch in range(8)]
    tree = hourly.post(*reports)
    [root, leaves, proof, flags] = tree.multiproof(reports[:3]).as_arguments()
    forged = [*leaves[:2], replace(reports[2], uptime_bps=9_999).as_tuple()]
    forgery = ReportTree.of([*reports[:2], replace(reports[2], uptime_bps=9_999)])
    engine, owner = hourly.engine, service.bench.owner
    window = hourly.window_of(0)
    for bad in (
        (root, forged, proof, flags),
        (root, list(reversed(leaves)), proof, flags),
        (root, leaves, list(reversed(proof)), flags),
        (root, [reports[3].as_tuple()], [], []),
        # What the oracle keeps of the root is not enough, and another tree's is no help.
        (root[:27] + b"other", leaves, proof, flags),
        forgery.multiproof(forgery.reports).as_arguments(),
        # Too few, too many, none.
        (root, leaves[:2], proof, flags),
        (root, leaves, proof[:-1], flags),
        (root, leaves, proof, []),
        (root, leaves, [*proof, root], flags),
        (root, leaves, proof, [*flags, True]),
        (root, leaves[:1], [root], [False]),
    ):
        with reverts_with(service.bench.lease.NotAllInRoot, setId=1, window=window):
            engine.send("settleMany", *bad, sender=owner)
    assert hourly.next_epoch == 0
    assert not engine.read("isRecorded", hourly.id, 1)


def test_many_reports_of_an_unknown_capacity_are_refused(service, hourly):
    stray = replace(hourly.report(1), capacity=99)
    tree = hourly.post(hourly.report(0), stray)
    with reverts_with(service.bench.capacity.UnknownCapacity, capacity=99):
        hourly.settle_many(tree, hourly.report(0), stray)


def test_an_inner_node_passes_for_no_report(service, hourly):
    """A leaf is hashed twice, so the pair of two leaves is none, and no report has its hash."""
    reports = [hourly.report(epoch) for epoch in range(4)]
    tree = hourly.post(*reports)
    shorter = tree.proof(reports[0])[1:]
    node = {"setId": 1, "window": hourly.window_of(0), "leaf": reports[0].leaf}
    with reverts_with(service.bench.lease.NotInRoot, **node):
        hourly.engine.send("settle", reports[0].as_tuple(), shorter, sender=service.bench.owner)


# ---- a caller who writes his own calldata


def batch_of(service, *arguments):
    """A call of `settleMany`, from whoever."""
    return service.engine.call("settleMany", *arguments, sender=service.bench.owner)


def test_arrays_that_overlap_settle_what_was_signed_and_nothing_else(service, hourly):
    """Proof and flags stand inside the reports: none of it changes what they say."""
    reports = [hourly.report(epoch, 9_950 if epoch == 1 else 10_000) for epoch in range(3)]
    tree = hourly.post(*reports)
    call = batch_of(hourly, *tree.multiproof(reports).as_arguments())
    encoded = [encode(REPORT_TYPES, report.as_tuple()) for report in reports]
    at = 4 * 32
    no_proof = at + 32 + 32  # the epoch of the first report: a length of zero
    flags = at + 32 + 2 * 192 + 32  # that of the third: two flags, its uptime and its load
    overlapping = raw(call, tree.root, at, no_proof, flags, 3, *encoded)
    found = []
    for each in (call, overlapping):
        with isolated(service.lane):
            receipt = hourly.lane.transact(each)
            assert isinstance(receipt, Receipt)
            found.append(all_settled(receipt))
    assert found[0] == found[1]
    assert [each.uptime_bps for each in found[1]] == [10_000, 9_950, 10_000]
    short = raw(call, tree.root, at, no_proof, flags, 3, *encoded[:2])
    with reverts_without_data():
        raise hourly.lane.transact(short)
    assert hourly.next_epoch == 0


@pytest.mark.parametrize("flag", [2, 1 << 8, 1 << 255, MAX_UINT256])
def test_a_flag_is_set_by_any_bit(service, hourly, flag):
    """As the library reads it; no bit makes another tree of the same nodes."""
    reports = [hourly.report(epoch) for epoch in range(2)]
    tree = hourly.post(*reports)
    call = batch_of(hourly, *tree.multiproof(reports).as_arguments())
    words = bytearray(data_of(call)[4:])
    assert words[-32:] == (1).to_bytes(32, "big")
    receipt = hourly.lane.transact(raw(call, bytes(words[:-32]), flag))
    assert [each.epoch for each in all_settled(receipt)] == [0, 1]


@pytest.mark.parametrize("length", [4, 2**27, 2**58, 2**63, 2**64 - 1, 2**64, MAX_UINT256])
@pytest.mark.parametrize("array", range(3), ids=["reports", "proof", "flags"])
def test_a_length_that_the_call_has_no_room_for_is_refused_at_once(service, hourly, array, length):
    reports = [hourly.report(epoch) for epoch in range(3)]
    tree = hourly.post(*reports)
    call = batch_of(hourly, *tree.multiproof(reports[:2]).as_arguments())
    words = bytearray(data_of(call)[4:])
    at = int.from_bytes(words[32 * (array + 1) : 32 * (array + 2)], "big")
    words[at : at + 32] = length.to_bytes(32, "big")
    if (array, length) == (1, 4):  # flags follow it: there is room, but not for the right proof
        refusal = reverts_with(service.bench.lease.NotAllInRoot, ...)
    else:
        refusal = reverts_without_data()
    with refusal:
        raise hourly.lane.transact(raw(call, bytes(words)))
    assert hourly.next_epoch == 0


def test_no_change_to_a_batchs_bytes_settles_what_was_not_signed(service, hourly):
    """Words changed, moved and repeated, bytes cut and added: what is settled was signed, and what
    is refused is refused by name, if it is a batch at all.
    """
    reports = [hourly.report(epoch, 10_000 - 40 * (epoch % 3)) for epoch in range(8)]
    tree = hourly.post(*reports)
    random = Random(20330518)
    told = {(r.epoch, r.uptime_bps, r.load_bps, r.energy_wh) for r in reports}
    accepted = 0
    for picked in (reports[:4], reports[1:6], reports, reports[2:3]):
        call = batch_of(hourly, *tree.multiproof(picked).as_arguments())
        data = data_of(call)[4:]
        calls = [raw(call, changed(random, data)) for _ in range(200)]
        for changed_call, outcome in zip(calls, hourly.lane.try_batch(calls), strict=True):
            if isinstance(outcome, Revert):
                assert outcome.kind == ("error" if fits(changed_call.data[4:]) else "empty")
                continue
            with isolated(service.lane):
                for event in hourly.lane.transact(changed_call).events:
                    accepted += 1
                    args = event.args
                    assert event.name in ("EpochSettled", "EpochCredited", "ReportRecorded")
                    assert args.capacity == hourly.id
                    if event.name != "EpochCredited":
                        reading = args.epoch, args.uptimeBps, args.loadBps, args.energyWh
                        assert reading in told
    assert accepted


def fits(data):
    """Whether the arrays of a batch lie within its bytes, so that nothing is silently refused."""

    def number(at):
        return int.from_bytes(data[at : at + 32], "big")

    def holds(array, size):
        at = number(32 * array)
        return at + 32 <= len(data) and at + 32 + number(at) * size <= len(data)

    return len(data) >= 4 * 32 and holds(1, 192) and holds(2, 32) and holds(3, 32)


def changed(random, data):
    words = [data[at : at + 32] for at in range(0, len(data), 32)]
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(words))
        words[at] = random.choice(
            (
                random.choice(words),
                random.choice((0, 1, 2, 3, 32, MAX_UINT256, 1 << 63)).to_bytes(32, "big"),
                (32 * random.randrange(len(words) + 2)).to_bytes(32, "big"),
                (int.from_bytes(words[at], "big") ^ 1 << random.randrange(256)).to_bytes(32, "big"),
            )
        )
    if random.random() < 0.2:
        other = random.randrange(len(words))
        words[other], words[-1] = words[-1], words[other]
    joined = b"".join(words)
    if random.random() < 0.2:
        return joined[: -random.randrange(1, 64)]
    return joined + random.randbytes(random.randrange(3) * 20)


# ---- when a report can be shown


def each_way(service, report, tree):
    """All calls that show a report, as functions of the time of their block."""
    proved = tree.multiproof([report]).as_arguments()
    owner = service.bench.owner
    return [
        lambda at: service.show("settle", report, tree, at),
        lambda at: service.show("record", report, tree, at),
        lambda at: service.engine.send("settleMany", *proved, sender=owner, at=at),
    ]


@pytest.mark.parametrize("uptime", [10_000, 0], ids=["healthy", "failed"])
def test_a_root_counts_from_the_second_it_is_final(service, lease, uptime):
    report = service.report(0, uptime)
    tree = service.post(report, is_final=False)
    window = service.window_of(0)
    final_at = service.telemetry.read("windowInfo", 1, window).finalAt
    for show in each_way(service, report, tree):
        with isolated(service.lane):
            with reverts_with(
                service.bench.lease.RootNotFinal, setId=1, window=window, finalAt=final_at
            ):
                show(final_at - 1)
            assert show(final_at).events


@pytest.mark.parametrize("uptime", [10_000, 0], ids=["healthy", "failed"])
def test_a_report_can_be_shown_until_the_second_before_its_deadline(service, lease, uptime):
    report = service.report(0, uptime)
    tree = service.post(report)
    window, deadline = service.window_of(0), service.reveal_ends(0)
    for show in each_way(service, report, tree):
        with isolated(service.lane):
            assert show(deadline - 1).events
        with (
            isolated(service.lane),
            reverts_with(
                service.bench.lease.RevealClosed, setId=1, window=window, deadline=deadline
            ),
        ):
            show(deadline)


def test_a_report_of_a_vetoed_root_is_none(service, lease):
    """Between the veto and the next root there is nothing to show; then the next root counts."""
    wrong, right = service.report(0, 0), service.report(0)
    window = service.window_of(0)
    vetoed = service.post(wrong, is_final=False)
    service.telemetry.send("veto", 1, window, sender=service.guardian)
    service.lane.mine(at=service.lane.time + TELEMETRY_RULES.finality_delay)
    for show in each_way(service, wrong, vetoed):
        with reverts_with(service.bench.lease.NoRoot, setId=1, window=window):
            show(None)
    tree = service.post(right, attempt=1)
    with reverts_with(service.bench.lease.NotInRoot, setId=1, window=window, leaf=wrong.leaf):
        service.show("settle", wrong, vetoed)
    service.show("settle", right, tree)
    assert service.engine.read("netRevenueOf", service.id) == RATE
    assert service.bond.read("operatorPartOf", service.id) == BOND


# ---- settleMissing


def test_silence_before_the_deadline_settles_nothing(service, lease):
    """Not ended, no root yet, a root that is not final, one that is: a report is still possible."""

    def refused(status):
        with reverts_with(
            service.bench.lease.ReportStillPossible, capacity=service.id, epoch=0, status=status
        ):
            service.miss()

    ends_at = service.ends_at(0)
    with reverts_with(
        service.bench.lease.EpochNotEnded, capacity=service.id, epoch=0, endsAt=ends_at
    ):
        service.miss(at=ends_at - 1)
    refused(Status.PENDING)
    service.post(service.report(0), is_final=False)
    refused(Status.REPORTED)
    service.telemetry.send("veto", 1, service.window_of(0), sender=service.guardian)
    refused(Status.PENDING)
    service.post(service.report(0), attempt=1)
    refused(Status.REPORTED)
    service.go_to(service.reveal_ends(0) - 2)
    refused(Status.REPORTED)
    assert settled(service.miss(at=service.reveal_ends(0))).status == Status.MISSING


def test_an_epoch_whose_report_nobody_shows_gives_all_back(service, lease):
    service.post(service.report(0))
    found = settled(service.miss(at=service.reveal_ends(0)))
    assert (found.rent, found.credit_bps, found.credit) == (RATE, 10_000, RATE)
    assert (found.uptime_bps, found.load_bps, found.energy_wh) == (0, 0, 0)
    assert service.engine.read("creditOf", lease) == RATE
    assert service.engine.read("netRevenueOf", service.id) == 0
    assert service.penalty(0) == (0, 0, UNSHOWN)
    assert not service.is_barred
    assert service.bond.read("operatorPartOf", service.id) == BOND


@pytest.mark.parametrize("vetoes", [0, 1, 2])
def test_an_outage_of_the_attestors_settles_at_the_declared_credit(service, lease, vetoes):
    """No root by its deadline; none again after a veto; or a second veto, which ends it at once."""
    window = service.window_of(0)
    deadline = TELEMETRY_RULES.posting_ends(window)
    for attempt in range(vetoes):
        service.post(service.report(0, attempt), is_final=False, attempt=attempt)
        service.telemetry.send("veto", 1, window, sender=service.guardian)
        deadline = TELEMETRY_RULES.repost_ends(window)
    if vetoes == 2:
        found = settled(service.miss())
    else:
        with reverts_with(
            service.bench.lease.ReportStillPossible,
            capacity=service.id,
            epoch=0,
            status=Status.PENDING,
        ):
            service.miss(at=deadline - 1)
        found = settled(service.miss(at=deadline))
    assert (found.status, found.credit_bps) == (Status.BLACKOUT, 5_000)
    assert service.penalty(0) == (0, 0, NONE)
    report = service.report(0, 0)
    with reverts_with(service.bench.lease.NotUnshown, capacity=service.id, epoch=0, state=NONE):
        service.show("addPenalty", report, ReportTree.of([report]))
    assert service.engine.read("performanceOf", service.id).reportedTo == 0


def test_a_kept_report_settles_whatever_the_time(service, lease, tenant):
    """It is punished like any other, also long after it could be shown."""
    report = service.report(1, 0)
    tree = service.post(report)
    assert service.show("record", report, tree).event("ReportRecorded").uptimeBps == 0
    service.go_to(service.late_ends(1) + 30 * DAY)
    assert settled(service.miss()).status == Status.BLACKOUT
    found = settled(service.miss())
    assert (found.epoch, found.status, found.credit_bps) == (1, Status.REPORTED, 10_000)
    assert (found.load_bps, found.energy_wh) == (8_000, 1_234_567)
    assert service.is_barred
    assert service.claim(lease, 1, tenant) == 10 * PENALTY


def test_every_path_ends_with_the_lifetime(service, lease):
    short = service.another(lifetime_epochs=1)
    report = short.report(1)
    tree = short.post(report)
    short.miss()
    with reverts_with(service.bench.lease.LifetimeSettled, capacity=short.id):
        short.show("settle", report, tree)
    with reverts_with(service.bench.lease.LifetimeSettled, capacity=short.id):
        short.miss()
    outside = {"start": 1, "end": 2, "lifetime": 1}
    with reverts_with(service.bench.lease.BadRange, **outside):
        short.settle_many(tree, report)


# ---- curtailment


def test_within_the_allowance_a_curtailed_epoch_is_no_fault(service, lease):
    """The declared credit whatever the uptime, which is read all the same; and no penalty."""
    for epoch, uptime in enumerate((0, 10_000)):
        receipt = service.settle(epoch, uptime, curtailed=True)
        found = settled(receipt)
        assert found.credit_bps == CURTAILMENT_CREDIT
        assert (found.status, found.uptime_bps) == (Status.REPORTED, uptime)
        assert tuple(receipt.event("Curtailed")) == (service.id, epoch, 0, epoch + 1)
        assert service.penalty(epoch) == (0, 0, NONE)
        assert not service.is_barred
    assert service.engine.read("curtailedIn", service.id, 0) == CURTAILMENTS
    assert service.engine.read("performanceOf", service.id).lifetimeWh == 2 * 1_234_567
    assert service.bond.read("operatorPartOf", service.id) == BOND


def test_past_the_allowance_a_curtailed_epoch_counts_by_its_uptime(service, lease, tenant):
    for epoch in range(CURTAILMENTS):
        service.settle(epoch, 0, curtailed=True)
    for epoch, uptime, credit in ((2, 0, 10_000), (3, 10_000, 0), (4, 9_950, 1_000)):
        receipt = service.settle(epoch, uptime, curtailed=True)
        assert settled(receipt).credit_bps == credit
        assert receipt.named("Curtailed") == []
        assert service.is_barred is (epoch == 2)
    assert service.engine.read("curtailedIn", service.id, 0) == CURTAILMENTS
    assert service.claim(lease, 2, tenant) == 10 * PENALTY


def test_every_thirty_days_the_allowance_is_new(service, tenant):
    """Blocks are fixed from the origin on: epochs 28 and 29 use up one, 30 and 31 the next."""
    service.sign(tenant, start=28, end=33)
    service.skip(28)
    found = [service.settle(e, 0, curtailed=True).named("Curtailed") for e in range(28, 33)]
    assert [[tuple(event.args)[1:] for event in events] for events in found] == [
        [(28, 0, 1)],
        [(29, 0, 2)],
        [(30, 1, 1)],
        [(31, 1, 2)],
        [],
    ]
    assert [service.engine.read("curtailedIn", service.id, month) for month in range(3)] == [
        2,
        2,
        0,
    ]


def test_an_epoch_counts_for_the_thirty_days_in_which_it_begins(service, tenant):
    """Epoch 4 of seven days begins on day 28 and lies in the next block for the most part."""
    weekly = service.another(epoch_length=7 * DAY, curtailment_epochs=1)
    weekly.sign(tenant, start=3, end=7)
    weekly.skip(3)
    months = [weekly.settle(e, 0, curtailed=True).named("Curtailed") for e in (3, 4, 5, 6)]
    assert [[event.args.month for event in events] for events in months] == [[0], [], [1], []]
    assert weekly.is_barred


def test_keeping_a_curtailed_report_uses_nothing_up(service, hourly):
    """What counts is the order of settlement."""
    reports = [hourly.report(epoch, 0, curtailed=True) for epoch in range(3)]
    tree = hourly.post(*reports)
    hourly.settle_many(tree, *reports[1:])
    assert hourly.engine.read("curtailedIn", hourly.id, 0) == 0
    hourly.show("settle", reports[0], tree)
    assert hourly.miss().event("Curtailed").used == 2
    assert hourly.miss().named("Curtailed") == []
    assert hourly.penalty(2) == (PENALTY, 10, RESERVED)


def test_without_an_allowance_curtailment_excuses_nothing(service, tenant):
    strict = service.another(curtailment_epochs=0)
    strict.deposit(BOND)
    lease = strict.sign(tenant)
    receipt = strict.settle(0, 0, curtailed=True)
    assert settled(receipt).credit_bps == 10_000
    assert strict.claim(lease, 0, tenant) == 10 * PENALTY


def test_a_curtailed_epoch_that_nobody_leased_counts_too(service):
    receipt = service.settle(0, 0, curtailed=True)
    assert receipt.event("Curtailed").used == 1
    assert settled(receipt).credit_bps == 0


# ---- new leases while in penalty


def test_no_new_lease_while_the_newest_epoch_is_in_penalty(service, lease, tenant, other_tenant):
    """Whatever has been signed goes on, and so does all that pays."""
    rolling = service.sign(tenant, term=ROLLING)
    spot = service.sign(tenant, term=SPOT, start=3)
    service.settle(0, 0)
    request = service.bench.request(tenant, capacity=service.id, start=5, end=9)
    permit = (0, 0, 0, b"", b"")
    for call in (
        ("lease", request),
        ("leaseEvicting", request, [spot]),
        ("leaseWithPermit", request, permit),
    ):
        with reverts_with(service.bench.lease.InPenalty, capacity=service.id):
            service.engine.send(*call, sender=tenant)
    with reverts_with(service.bench.lease.InPenalty, capacity=service.id):
        service.engine.read("quote", request)
    for call in (
        ("topUp", rolling, 1),
        ("claimPenalty", rolling, 0, tenant),
        ("claimCredit", rolling, tenant),
        ("splitUnits", rolling, 4),
        ("terminate", rolling),
        ("transferFrom", tenant, other_tenant, lease),
    ):
        assert service.engine.send(*call, sender=tenant).events
    service.engine.send("preempt", spot, sender=service.bench.operator)
    assert service.engine.send("withdrawRefund", service.coin, tenant, sender=tenant).events


CLEARING = {
    "settle": lambda service, tree, report: service.show("settle", report, tree),
    "settleMany": lambda service, tree, report: service.settle_many(tree, report),
    "a kept report": lambda service, tree, report: (
        service.show("record", report, tree),
        service.miss(),
    ),
}


@pytest.mark.parametrize("way", CLEARING)
@pytest.mark.parametrize(
    ("uptime", "curtailed"), [(10_000, False), (PENALTY_BELOW, False), (0, True), (0, False)]
)
def test_the_newest_report_bars_new_leases_or_lets_them_in(service, lease, way, uptime, curtailed):
    is_bad = uptime == 0 and not curtailed
    service.settle(0, 10_000 if is_bad else 0)
    assert service.is_barred is not is_bad
    report = service.report(1, uptime, curtailed=curtailed)
    CLEARING[way](service, service.post(report), report)
    assert service.next_epoch == 2
    assert service.is_barred is is_bad


@pytest.mark.parametrize("is_posted", [True, False], ids=["missing", "blackout"])
def test_silence_lets_new_leases_in(service, lease, is_posted):
    """What a report that nobody showed may hide bars them once it is shown."""
    service.settle(0, 0)
    if is_posted:
        service.post(service.report(1))
    service.go_to(service.reveal_ends(1))
    service.miss()
    assert not service.is_barred


def test_idle_epochs_let_new_leases_in(service, tenant):
    service.sign(tenant, end=1)
    service.settle(0, 0)
    assert service.is_barred
    service.engine.send("passIdle", service.id, 1, sender=tenant)  # none has passed
    assert service.is_barred
    service.skip(2)
    assert not service.is_barred
    service.sign(tenant, start=5, end=9)


# ---- what is leased at most


def test_leased_to_is_where_the_last_lease_ends(service, tenant):
    assert service.engine.read("leasedTo", service.id) == 0
    for end, most in ((10, 10), (7, 10), (12, 12)):
        service.sign(tenant, units=1, end=end)
        assert service.engine.read("leasedTo", service.id) == most


def test_anyone_trims_what_ended_early_and_no_more(service, tenant, stranger):
    lease = service.sign(tenant, end=40)
    service.sign(tenant, start=2, end=7)

    def refused(to, used, leased_to=40):
        with reverts_with(
            service.bench.lease.NotTrimmable,
            capacity=service.id,
            to=to,
            leasedTo=leased_to,
            used=used,
        ):
            service.engine.send("trim", service.id, to, sender=stranger)

    refused(39, 39)
    refused(0, 0)
    refused(40, 40)
    refused(2**255, 40)
    service.engine.send("terminate", lease, sender=tenant)
    refused(6, 6)
    receipt = service.engine.send("trim", service.id, 20, sender=stranger)
    assert [(event.name, tuple(event.args)) for event in receipt.events] == [
        ("Trimmed", (service.id, 20))
    ]
    refused(20, 20, leased_to=20)
    service.engine.send("trim", service.id, 7, sender=stranger)
    assert service.engine.read("leasedTo", service.id) == 7
    service.sign(tenant, start=8, end=9)
    assert service.engine.read("leasedTo", service.id) == 9


def test_nothing_is_trimmed_of_a_capacity_nobody_leased(service, stranger):
    for capacity in (service.id, 99):
        with reverts_with(
            service.bench.lease.NotTrimmable, capacity=capacity, to=0, leasedTo=0, used=0
        ):
            service.engine.send("trim", capacity, 0, sender=stranger)


# ---- readings


SHARE_PARTS = 1_024
ENERGY_PARTS = 64
SPAN = 30


def averaged(readings, parts):
    """new = old + (reading − old) / 30, to the fraction, in parts."""
    mean = Fraction(readings[0])
    for reading in readings[1:]:
        mean += (reading - mean) / SPAN
    return mean * parts


def test_the_meter_follows_every_reading(service, tenant):
    """Three days by the hour, one of them with a report that nobody shows, which reads as zeros.

    Each average lies below the exact one, by less than thirty of its parts.
    """
    hourly = service.another(epoch_length=HOUR, units=7)
    hourly.sign(tenant, units=7, end=72)
    random = Random(20330518)
    readings = []
    for day in range(3):
        reports = [
            hourly.report(
                24 * day + hour,
                random.choice((10_000, 9_999, 9_500, random.randrange(10_001), 0)),
                load_bps=random.randrange(10_001),
                energy_wh=random.choice((0, 1, random.randrange(10**6), random.randrange(2**33))),
            )
            for hour in range(24)
        ]
        hourly.settle_many(hourly.post(*reports), *reports)
        readings += reports
        last, meter = readings[-1], hourly.engine.read("performanceOf", hourly.id)
        assert tuple(meter)[:4] == (
            last.epoch + 1,
            last.uptime_bps,
            last.load_bps,
            last.energy_wh,
        )
        assert meter.lifetimeWh == sum(report.energy_wh for report in readings)
        for found, values, parts in (
            (meter.meanUptime, [r.uptime_bps for r in readings], SHARE_PARTS),
            (meter.meanLoad, [r.load_bps for r in readings], SHARE_PARTS),
            (meter.meanEnergy, [Fraction(r.energy_wh, 7) for r in readings], ENERGY_PARTS),
        ):
            assert 0 <= averaged(values, parts) - found < SPAN
    assert len(readings) == 72


def test_the_first_reading_is_the_average(service):
    service.settle(0, 9_876, load_bps=1, energy_wh=199)
    assert tuple(service.engine.read("performanceOf", service.id)) == (
        *(1, 9_876, 1, 199),
        *(9_876 * SHARE_PARTS, SHARE_PARTS, 199 * ENERGY_PARTS // 100, 199),
    )


def test_curtailment_leaves_no_trace_in_a_meter(service, lease):
    """It stands beside the reading only until the epoch is settled."""
    for epoch in range(2):
        service.settle(epoch, 9_876, load_bps=1, energy_wh=2**48 - 1, curtailed=True)
        assert tuple(service.engine.read("performanceOf", service.id)) == (
            *(epoch + 1, 9_876, 1, 2**48 - 1),
            *(9_876 * SHARE_PARTS, SHARE_PARTS, 2**40 - 1, (epoch + 1) * (2**48 - 1)),
        )


def test_a_report_not_shown_reads_as_zeros_and_an_outage_as_nothing(service, lease):
    service.settle(0, 10_000, load_bps=6_000, energy_wh=30_000)
    service.post(service.report(1))
    service.go_to(service.reveal_ends(1))
    service.miss()
    halfway = (2, 0, 0, 0, 9_898_666, 5_939_200, 18_560, 30_000)
    assert tuple(service.engine.read("performanceOf", service.id)) == halfway
    assert settled(service.miss()).status == Status.BLACKOUT
    assert tuple(service.engine.read("performanceOf", service.id)) == halfway


def test_a_late_penalty_changes_no_reading(service, lease):
    report = service.report(0, 5_000)
    tree = service.withhold(report)
    before = service.engine.read("performanceOf", service.id)
    service.show("addPenalty", report, tree)
    assert service.engine.read("performanceOf", service.id) == before


def test_shares_and_energy_stop_at_the_bounds_of_their_fields(service):
    """One unit, and all the energy that a report can name: the average stops at 2^34 Wh."""
    small = service.another(units=1)
    most = 2**48 - 1
    for epoch in range(2):
        small.settle(epoch, 10_000, load_bps=10_000, energy_wh=most)
        assert tuple(small.engine.read("performanceOf", small.id)) == (
            *(epoch + 1, 10_000, 10_000, most),
            *(10_000 * SHARE_PARTS, 10_000 * SHARE_PARTS, 2**40 - 1, (epoch + 1) * most),
        )
    small.settle(2, 0, load_bps=0, energy_wh=0)
    meter = small.engine.read("performanceOf", small.id)
    assert meter.meanUptime == 10_000 * SHARE_PARTS * 29 // 30
    assert meter.meanEnergy == (2**40 - 1) * 29 // 30


def test_lifetime_energy_stops_at_the_bound_of_its_field(service):
    """Decades of the largest readings would get there; here its word is raised by hand."""
    service.settle(0)
    found = service.engine.read("performanceOf", service.id)
    widths = (24, 16, 16, 48, 24, 24, 40, 64)
    places = [sum(widths[:index]) for index in range(len(widths))]
    meter = sum(value << place for value, place in zip(found, places, strict=True))
    node, engine = service.lane.node, service.engine.address
    # The third word of a capacity's struct, in one of the first mappings.
    slots = [
        hex(int.from_bytes(keccak(encode(["uint256", "uint256"], [service.id, slot])), "big") + 2)
        for slot in range(20)
    ]
    words = {
        slot: int(node.request("eth_getStorageAt", engine, slot, "latest"), 16) for slot in slots
    }
    [slot] = [slot for slot, value in words.items() if value == meter]
    nearly = meter | (2**64 - 2) << 192
    node.request("anvil_setStorageAt", engine, slot, f"0x{nearly:064x}")
    service.settle(1)
    after = service.engine.read("performanceOf", service.id)
    assert after.lifetimeWh == 2**64 - 1
    assert tuple(after)[:7] == (2, *tuple(found)[1:7])


# ---- two reports of one epoch in one root


@pytest.mark.parametrize("many", [False, True])
def test_a_second_report_overrides_the_one_that_was_shown_first(service, tenant, many):
    service.sign(tenant)
    good, bad = service.report(0), service.report(0, 0)
    tree = Doubled([good, bad])
    service.go_to(TELEMETRY_RULES.ends_at(service.window_of(0)))
    service.bench.post_tree(tree, service.window_of(0))
    service.show("record", good, tree)
    assert service.engine.read("isRecorded", service.id, 0)
    if many:
        service.settle_many(tree, bad)
    else:
        service.show("settle", bad, tree)
    assert service.engine.read("netRevenueOf", service.id) == 0
    assert service.is_barred


# ---- idle epochs that somebody else settles


def test_whoever_settles_an_idle_epoch_first_spoils_the_record(service, tenant, stranger):
    """Nobody need report what nobody leases; yet it counts as an epoch in which nothing ran."""
    service.sign(tenant, end=1)
    service.settle(0)
    assert service.engine.read("performanceOf", service.id).meanUptime == 10_000 << 10
    # The set's other capacities are reported; this one is idle, and may be passed.
    other = replace(service.report(1), capacity=service.id + 1)
    service.post(other)
    service.go_to(service.reveal_ends(1))
    service.engine.send("settleMissing", service.id, sender=stranger)
    assert service.engine.read("unitsLeasedAt", service.id, 1) == 0
    assert service.engine.read("performanceOf", service.id).meanUptime == (10_000 << 10) * 29 // 30


def test_machines_that_nobody_leases_bar_new_leases_by_standing_still(service, tenant):
    service.sign(tenant, end=1)
    service.settle(0)
    off = service.report(1, 0)
    service.show("settle", off, service.post(off))
    assert service.penalty(1) == (0, 0, 0)
    with reverts_with(service.bench.lease.InPenalty, capacity=service.id):
        service.sign(tenant, start=10, end=11)
