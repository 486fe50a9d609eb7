"""The guardian over a capacity: a bounded pause of new leases, and nothing else."""

from __future__ import annotations

import pytest

from derrick.market import DAY, NOBODY
from derrick.testing import reverts_with
from tests.unit.conftest import BOND, PENALTY, PRICE, ROLLING, SPOT

RATE = 10 * PRICE
PAUSE_DAYS = 7
DAYS_BETWEEN = 30


@pytest.fixture
def deeds(service):
    return service.deeds


def day_of(time):
    return time // DAY


def refuses_leases(service, who):
    """No way in, and the quote says so too."""
    start = service.engine.read("nextEpochToBegin", service.id)
    request = service.bench.request(who, capacity=service.id, start=start, end=start + 3)
    permit = (0, 0, 0, b"", b"")
    for call in (
        ("lease", request),
        ("leaseEvicting", request, []),
        ("leaseWithPermit", request, permit),
    ):
        with reverts_with(service.bench.lease.CapacityClosed, capacity=service.id):
            service.engine.send(*call, sender=who)
    with reverts_with(service.bench.lease.CapacityClosed, capacity=service.id):
        service.engine.read("quote", request)


def test_a_pause_lasts_to_the_end_of_its_seventh_day(service, deeds, tenant):
    """From the moment it is called, so that it never lasts eight days, nor less than seven."""
    receipt = deeds.send("pause", service.id, sender=service.guardian)
    until = (day_of(service.lane.time) + 1 + PAUSE_DAYS) * DAY
    assert tuple(receipt.event("PauseSet")) == (service.id, until)
    assert deeds.read("pausedUntil", service.id) == until
    assert PAUSE_DAYS * DAY < until - service.lane.time <= (PAUSE_DAYS + 1) * DAY
    assert deeds.read("isOpen", service.id)  # what the deed owner says is not touched
    refuses_leases(service, tenant)
    request = service.bench.request(tenant, capacity=service.id, start=20, end=23)
    service.lane.set_next_time(until - 1)
    with reverts_with(service.bench.lease.CapacityClosed, capacity=service.id):
        service.engine.send("lease", request, sender=tenant)
    service.lane.set_next_time(until)
    service.engine.send("lease", request, sender=tenant)


@pytest.mark.parametrize("seconds", [0, 1, DAY // 2, DAY - 1])
def test_the_length_of_a_pause_depends_little_on_the_hour(service, deeds, seconds):
    today = (day_of(service.lane.time) + 1) * DAY
    service.lane.set_next_time(today + seconds)
    deeds.send("pause", service.id, sender=service.guardian)
    assert deeds.read("pausedUntil", service.id) == today + 8 * DAY


def test_a_pause_does_not_follow_on_another(service, deeds):
    """Thirty days lie between the end of one and the beginning of the next."""
    deeds.send("pause", service.id, sender=service.guardian)
    earliest = deeds.read("pausedUntil", service.id) + DAYS_BETWEEN * DAY
    for time in (None, deeds.read("pausedUntil", service.id), earliest - 1):
        if time is not None:
            service.lane.set_next_time(time)
        with reverts_with(
            service.bench.capacity.PausedTooOften, capacity=service.id, earliest=earliest
        ):
            deeds.send("pause", service.id, sender=service.guardian)
    service.lane.set_next_time(earliest)
    deeds.send("pause", service.id, sender=service.guardian)
    assert deeds.read("pausedUntil", service.id) == earliest + 8 * DAY


def test_ending_a_pause_early_gives_no_second_one(service, deeds, tenant):
    deeds.send("pause", service.id, sender=service.guardian)
    service.go_to(service.lane.time + 2 * DAY)
    receipt = deeds.send("unpause", service.id, sender=service.guardian)
    today = day_of(service.lane.time) * DAY
    assert tuple(receipt.event("PauseSet")) == (service.id, today)
    service.sign(tenant, start=5, end=6)
    with reverts_with(service.bench.capacity.NotPaused, capacity=service.id):
        deeds.send("unpause", service.id, sender=service.guardian)
    earliest = today + DAYS_BETWEEN * DAY
    with reverts_with(
        service.bench.capacity.PausedTooOften, capacity=service.id, earliest=earliest
    ):
        deeds.send("pause", service.id, sender=service.guardian)
    service.lane.set_next_time(earliest)
    deeds.send("pause", service.id, sender=service.guardian)


def test_a_pause_that_is_over_cannot_be_ended(service, deeds):
    with reverts_with(service.bench.capacity.NotPaused, capacity=service.id):
        deeds.send("unpause", service.id, sender=service.guardian)
    deeds.send("pause", service.id, sender=service.guardian)
    service.lane.set_next_time(deeds.read("pausedUntil", service.id))
    with reverts_with(service.bench.capacity.NotPaused, capacity=service.id):
        deeds.send("unpause", service.id, sender=service.guardian)


def test_nobody_else_pauses_or_ends_a_pause(service, deeds, owner, operator, stranger, attestors):
    others = (owner, operator, stranger, attestors[0])
    for who in others:
        with reverts_with(service.bench.capacity.NotGuardian, caller=who):
            deeds.send("pause", service.id, sender=who)
    deeds.send("pause", service.id, sender=service.guardian)
    for who in others:
        with reverts_with(service.bench.capacity.NotGuardian, caller=who):
            deeds.send("unpause", service.id, sender=who)


def test_a_guardian_who_was_replaced_pauses_nothing(service, deeds, owner, stranger):
    service.telemetry.send("setGuardian", stranger, sender=owner)
    with reverts_with(service.bench.capacity.NotGuardian, caller=service.guardian):
        deeds.send("pause", service.id, sender=service.guardian)
    deeds.send("pause", service.id, sender=stranger)
    service.telemetry.send("setGuardian", NOBODY, sender=owner)
    with reverts_with(service.bench.capacity.NotGuardian, caller=stranger):
        deeds.send("unpause", service.id, sender=stranger)


def test_a_capacity_nobody_registered_is_not_paused(service, deeds):
    for name in ("pause", "unpause"):
        with reverts_with(service.bench.capacity.UnknownCapacity, capacity=99):
            deeds.send(name, 99, sender=service.guardian)
    with reverts_with(service.bench.capacity.UnknownCapacity, capacity=99):
        deeds.read("pausedUntil", 99)


def test_a_pause_is_of_one_capacity(service, deeds, tenant):
    other = service.another()
    deeds.send("pause", service.id, sender=service.guardian)
    assert deeds.read("pausedUntil", other.id) == 0
    other.sign(tenant)
    refuses_leases(service, tenant)


def test_the_deed_owner_cannot_open_what_is_paused(service, deeds, tenant, operator):
    deeds.send("pause", service.id, sender=service.guardian)
    deeds.send("setOpen", service.id, True, sender=operator)
    refuses_leases(service, tenant)
    deeds.send("setOpen", service.id, False, sender=operator)
    deeds.send("unpause", service.id, sender=service.guardian)
    refuses_leases(service, tenant)  # nor the guardian what its owner closed


def test_a_pause_touches_nothing_but_new_leases(service, deeds, tenant, other_tenant, operator):
    """Paying on, ending, splitting, settling, punishing, claiming and running it all go on."""
    prepaid = service.sign(tenant)
    rolling = service.sign(tenant, term=ROLLING)
    spot = service.sign(tenant, term=SPOT, start=3)
    deeds.send("pause", service.id, sender=service.guardian)
    until = deeds.read("pausedUntil", service.id)

    def send(name, *arguments, sender=tenant):
        assert service.engine.send(name, *arguments, sender=sender).events

    send("topUp", rolling, 1, sender=other_tenant)
    service.settle(0, 0)
    assert service.claim(prepaid, 0, tenant) == 10 * PENALTY
    send("claimCredit", prepaid, tenant)
    report = service.report(1, 0)
    tree = service.post(report)
    service.show("record", report, tree)
    service.miss()
    part = service.engine.send("splitUnits", prepaid, 4, sender=tenant).event("LeaseSplit").part
    send("merge", prepaid, part)
    send("setUser", prepaid, other_tenant, until)
    send("transferFrom", tenant, other_tenant, prepaid)
    send("claimPenalty", prepaid, 1, other_tenant, sender=other_tenant)
    send("preempt", spot, sender=operator)
    send("terminate", rolling)
    send("withdrawRefund", service.coin, tenant)
    service.deposit(BOND)
    deeds.send("setPrice", service.id, PRICE + 1, sender=operator)
    deeds.send("transferFrom", operator, other_tenant, service.id, sender=operator)
    service.settle(2)
    send("release", service.id, sender=other_tenant)
    assert service.lane.time < until
    refuses_leases(service, tenant)
