"""A root before and after it is final, and the little that owner and guardian can do."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils import keccak

from derrick.telemetry import Penalties, Status
from derrick.testing import reverts_with
from tests.oracle_stage import (
    DAY,
    ENDS_AT,
    HOUR,
    MAX_UINT,
    NOBODY,
    RULES,
    THRESHOLD,
    WINDOW,
    OracleStage,
)

POSTING, FINALITY, REVEAL = RULES.posting_period, RULES.finality_delay, RULES.reveal_period
LAST_POST = RULES.posting_ends(WINDOW) - 1
LAST_REPOST = RULES.repost_ends(WINDOW) - 1
EPOCH_END = ENDS_AT - 5 * HOUR
NO_ROOT = {"setId": 1, "window": WINDOW}
ROLES = ("owner", "guardian", "operator", "tenant", "treasury", "attestor", "stranger")


@pytest.fixture(scope="module")
def stage(project, lane, owner, guardian, stranger, attestors):
    return OracleStage.deploy(project, lane, owner, guardian, stranger, attestors)


@pytest.fixture(scope="module")
def oracle(stage):
    return stage.oracle


@pytest.fixture(scope="module")
def statement(stage):
    return stage.statement()


@pytest.fixture(scope="module")
def again(stage):
    """What the attestors sign after a veto."""
    return stage.statement(root=keccak(text="the better root"), attempt=1)


@pytest.fixture(scope="module")
def mass(stage):
    """A statement by which seven of nine capacities are in penalty."""
    return stage.statement(capacities=9, penalized=7)


@pytest.fixture(scope="module")
def actors(owner, guardian, operator, tenant, treasury, stranger, stage):
    return {
        "owner": owner,
        "guardian": guardian,
        "operator": operator,
        "tenant": tenant,
        "treasury": treasury,
        "attestor": stage.attestors[0],
        "stranger": stranger,
    }


@pytest.fixture
def now(lane):
    """Mines a block at a time of our choice, for views."""
    return lane.mine


# --- finality and veto ---


@pytest.mark.parametrize("posted_at", [ENDS_AT, ENDS_AT + 1, LAST_POST])
def test_a_root_can_be_vetoed_up_to_the_last_second_before_it_is_final(
    stage, oracle, statement, posted_at
):
    stage.post(statement, at=posted_at)
    receipt = stage.veto(at=posted_at + FINALITY - 1)
    (event,) = receipt.decode_logs(oracle.RootVetoed)
    assert (event.setId, event.window, event.root) == (1, WINDOW, statement.root[:27])
    assert event.repostEnds == ENDS_AT + 2 * POSTING + FINALITY
    assert tuple(oracle.standingRootOf(1, WINDOW)) == (bytes(27), 0)
    assert tuple(oracle.windowInfo(1, WINDOW)) == (bytes(27), 0, 0, 1, False)
    assert oracle.statusOf(1, EPOCH_END) == Status.PENDING


@pytest.mark.parametrize("late", [0, 1, POSTING, RULES.reveal_span, 365 * DAY])
def test_a_final_root_stands_for_good(stage, oracle, statement, late):
    stage.post(statement, at=LAST_POST)
    final_at = LAST_POST + FINALITY
    with reverts_with(oracle.RootFinal, **NO_ROOT, finalAt=final_at):
        stage.veto(at=final_at + late)
    with reverts_with(oracle.RootFinal, **NO_ROOT, finalAt=final_at):
        oracle.dispute(1, WINDOW, "ipfs://proof", sender=stage.stranger)
    assert tuple(oracle.standingRootOf(1, WINDOW)) == (statement.root[:27], final_at)


def test_what_does_not_stand_cannot_be_vetoed(stage, oracle, statement, again):
    other = stage.create_set(stage.members, THRESHOLD)
    stage.post(statement, at=ENDS_AT)
    for set_id, window in ((1, WINDOW - 1), (1, WINDOW + 1), (other, WINDOW), (0, 0), (9, WINDOW)):
        with reverts_with(oracle.NoRoot, setId=set_id, window=window):
            stage.veto(set_id, window)
    stage.veto()
    with reverts_with(oracle.NoRoot, **NO_ROOT):
        stage.veto()
    stage.post(again)
    stage.veto()
    with reverts_with(oracle.NoRoot, **NO_ROOT):
        stage.veto()


def test_a_veto_of_one_window_leaves_the_others(stage, oracle):
    """Windows on both sides, and the same one of another set, all open to a veto."""
    wide = replace(RULES, posting_period=3 * DAY)
    one, other = (stage.create_set(stage.members, THRESHOLD, wide) for _ in range(2))
    vetoed, *rest = ((one, WINDOW), (one, WINDOW - 1), (one, WINDOW + 1), (other, WINDOW))
    stage.lane.mine(at=RULES.ends_at(WINDOW + 1))
    for set_id, window in (vetoed, *rest):
        stage.post(stage.statement(set_id=set_id, window=window))
    before = [tuple(oracle.windowInfo(*each)) for each in rest]
    assert all(root != bytes(27) for root, *_ in before)
    stage.veto(*vetoed)
    assert [tuple(oracle.windowInfo(*each)) for each in rest] == before
    assert oracle.standingRootOf(*vetoed).root == bytes(27)


@pytest.mark.parametrize("vetoed_at", [ENDS_AT + 1, LAST_POST + FINALITY - 1])
@pytest.mark.parametrize("reposted_at", [LAST_POST + FINALITY, LAST_REPOST])
def test_one_more_root_may_follow_a_veto(
    stage, oracle, now, statement, again, vetoed_at, reposted_at
):
    """Also where the first deadline is long over, up to the last second of the second one."""
    stage.post(statement, at=max(ENDS_AT, vetoed_at - FINALITY + 1))
    stage.veto(at=vetoed_at)
    now(reposted_at - 1)
    assert oracle.statusOf(1, EPOCH_END) == Status.PENDING
    stage.post(again, at=reposted_at)
    final_at = reposted_at + FINALITY
    assert tuple(oracle.standingRootOf(1, WINDOW)) == (again.root[:27], final_at)
    assert tuple(oracle.windowInfo(1, WINDOW)) == (again.root[:27], final_at, 0, 1, False)
    assert oracle.statusOf(1, EPOCH_END) == Status.REPORTED
    with reverts_with(oracle.RootExists, **NO_ROOT, root=again.root[:27]):
        stage.post(again)
    # However late, reports can be shown for the reveal period at least.
    assert final_at + REVEAL <= RULES.reveal_ends(WINDOW)
    now(RULES.reveal_ends(WINDOW) - 1)
    assert oracle.statusOf(1, EPOCH_END) == Status.REPORTED
    now(RULES.reveal_ends(WINDOW))
    assert oracle.statusOf(1, EPOCH_END) == Status.MISSING


def test_no_second_root_from_its_deadline_on(stage, oracle, now, statement, again):
    stage.post(statement, at=ENDS_AT)
    stage.veto()
    now(LAST_REPOST)
    assert oracle.statusOf(1, EPOCH_END) == Status.PENDING
    with reverts_with(oracle.WindowClosed, **NO_ROOT, deadline=LAST_REPOST + 1):
        stage.post(again, at=LAST_REPOST + 1)
    assert oracle.statusOf(1, EPOCH_END) == Status.BLACKOUT


def test_the_last_possible_root_can_be_shown_for_the_whole_reveal_period(
    stage, oracle, now, statement, again
):
    stage.post(statement, at=LAST_POST)
    stage.veto(at=LAST_POST + FINALITY - 1)
    stage.post(again, at=LAST_REPOST)
    final_at = oracle.standingRootOf(1, WINDOW).finalAt
    assert RULES.reveal_ends(WINDOW) - final_at == REVEAL + 1
    now(final_at + REVEAL)
    assert oracle.statusOf(1, EPOCH_END) == Status.REPORTED


@pytest.mark.parametrize("reposted_at", [ENDS_AT + 2, LAST_REPOST])
def test_a_second_veto_is_a_blackout_at_once(stage, oracle, statement, again, reposted_at):
    stage.post(statement, at=ENDS_AT)
    stage.veto()
    stage.post(again, at=reposted_at)
    receipt = stage.veto(at=reposted_at + FINALITY - 1)
    (event,) = receipt.decode_logs(oracle.RootVetoed)
    assert (event.root, event.repostEnds) == (again.root[:27], 0)
    assert tuple(oracle.windowInfo(1, WINDOW)) == (bytes(27), 0, 0, 2, False)
    assert oracle.statusOf(1, EPOCH_END) == Status.BLACKOUT
    for attempt in range(4):
        third = stage.statement(root=keccak(text="a third"), attempt=attempt)
        with reverts_with(oracle.WindowVetoed, **NO_ROOT):
            stage.post(third)


def test_a_second_root_is_final_as_the_first_one_would_be(stage, oracle, statement, again):
    stage.post(statement, at=ENDS_AT)
    stage.veto()
    stage.post(again, at=LAST_POST)
    with reverts_with(oracle.RootFinal, **NO_ROOT, finalAt=LAST_POST + FINALITY):
        stage.veto(at=LAST_POST + FINALITY)


@pytest.mark.parametrize("attempt", [1, 2, 255])
def test_no_second_attempt_before_a_veto(stage, oracle, attempt):
    with reverts_with(oracle.WrongAttempt, **NO_ROOT, attempt=attempt, due=0):
        stage.post(stage.statement(attempt=attempt), at=ENDS_AT)


@pytest.mark.parametrize("attempt", [0, 2, 255])
def test_after_a_veto_only_the_second_attempt(stage, oracle, statement, attempt):
    stage.post(statement, at=ENDS_AT)
    stage.veto()
    other = stage.statement(root=keccak(text="another"), attempt=attempt)
    with reverts_with(oracle.WrongAttempt, **NO_ROOT, attempt=attempt, due=1):
        stage.post(other)


def test_what_was_vetoed_stands_again_only_if_it_is_signed_again(stage, oracle, statement):
    stage.post(statement, at=ENDS_AT)
    stage.veto()
    second = replace(statement, attempt=1)
    with reverts_with(oracle.WrongAttempt, **NO_ROOT, attempt=0, due=1):
        stage.post(statement)
    with reverts_with(oracle.BadSignature, signer=stage.members[0]):
        stage.post(second, stage.sign(statement))
    stage.post(second)
    assert oracle.standingRootOf(1, WINDOW).root == statement.root[:27]


def test_a_blackout_is_for_good(stage, oracle, statement, now):
    now(RULES.posting_ends(WINDOW))
    assert oracle.statusOf(1, EPOCH_END) == Status.BLACKOUT
    with reverts_with(oracle.NoRoot, **NO_ROOT):
        stage.veto()
    for attempt, error in ((0, "WindowClosed"), (1, "WrongAttempt")):
        with reverts_with(getattr(oracle, error), ...):
            stage.post(replace(statement, attempt=attempt))
    assert oracle.statusOf(1, EPOCH_END) == Status.BLACKOUT


def test_without_a_guardian_a_root_is_final_all_the_same(stage, oracle, statement):
    oracle.setGuardian(NOBODY, sender=stage.owner)
    stage.post(statement, at=ENDS_AT)
    for caller in (stage.guardian, stage.owner):
        with reverts_with(oracle.NotGuardian, caller=caller):
            oracle.veto(1, WINDOW, sender=caller)
    assert oracle.standingRootOf(1, WINDOW).finalAt == ENDS_AT + FINALITY


# --- disputes ---


@pytest.mark.parametrize("when", [ENDS_AT + 1, ENDS_AT + FINALITY - 1])
@pytest.mark.parametrize("who", ["stranger", "operator", "guardian"])
def test_anyone_disputes_a_root_that_is_not_final(
    stage, oracle, lane, statement, actors, who, when
):
    stage.post(statement, at=ENDS_AT)
    before = tuple(oracle.windowInfo(1, WINDOW))
    lane.set_next_time(when)
    receipt = oracle.dispute(1, WINDOW, "ipfs://evidence", sender=actors[who])
    (event,) = receipt.decode_logs(oracle.RootDisputed)
    assert (event.setId, event.window, event.disputer) == (1, WINDOW, actors[who])
    assert (event.root, event.evidenceURI) == (statement.root[:27], "ipfs://evidence")
    assert len(receipt.logs) == 1
    assert tuple(oracle.windowInfo(1, WINDOW)) == before


def test_nothing_to_dispute_without_a_root(stage, oracle, statement):
    with reverts_with(oracle.NoRoot, **NO_ROOT):
        oracle.dispute(1, WINDOW, "", sender=stage.stranger)
    with reverts_with(oracle.NoRoot, setId=7, window=WINDOW):
        oracle.dispute(7, WINDOW, "", sender=stage.stranger)
    stage.post(statement, at=ENDS_AT)
    stage.veto()
    with reverts_with(oracle.NoRoot, **NO_ROOT):
        oracle.dispute(1, WINDOW, "", sender=stage.stranger)


# --- mass penalties ---


def penalties(oracle, set_id: int = 1, window: int = WINDOW):
    state, held_until = oracle.penaltiesOf(set_id, window)
    return Penalties(state), held_until


@pytest.mark.parametrize(
    ("capacities", "penalized", "held"),
    [
        pytest.param(11, 3, True, id="just above a quarter"),
        pytest.param(12, 3, False, id="a quarter"),
        pytest.param(13, 3, False, id="below a quarter"),
        pytest.param(2, 2, False, id="all, but below the number"),
        pytest.param(3, 3, True, id="all, at the number"),
        pytest.param(1, 1, False, id="the only one"),
        pytest.param(9, 0, False, id="none"),
        pytest.param(2**32 - 1, 2**30, True, id="the smallest mass of all there can be"),
        pytest.param(2**32 - 1, 2**30 - 1, False, id="one less"),
        pytest.param(2**32 - 1, 2**32 - 1, True, id="all there can be"),
    ],
)
def test_a_mass_is_more_than_a_share_and_no_less_than_a_number(
    stage, oracle, capacities, penalized, held
):
    stage.post(stage.statement(capacities=capacities, penalized=penalized), at=ENDS_AT)
    final_at = ENDS_AT + FINALITY
    assert RULES.is_mass(capacities, penalized) == held
    until = final_at + RULES.mass_delay if held else final_at
    assert penalties(oracle) == (Penalties.HELD, until)
    assert oracle.windowInfo(1, WINDOW).heldUntil == (until if held else 0)
    if held:
        stage.waive()
    else:
        with reverts_with(oracle.NotMass, **NO_ROOT):
            stage.waive()


@pytest.mark.parametrize(
    ("rules", "capacities", "penalized", "held"),
    [
        ({"mass_share_bps": 10_000, "mass_minimum": 1}, 5, 5, False),
        ({"mass_share_bps": 9_999, "mass_minimum": 1}, 5, 5, True),
        ({"mass_share_bps": 9_999, "mass_minimum": 1}, 10_000, 9_999, False),
        ({"mass_share_bps": 1, "mass_minimum": 1}, 9_999, 1, True),
        ({"mass_share_bps": 1, "mass_minimum": 1}, 10_000, 1, False),
        ({"mass_share_bps": 1, "mass_minimum": 65_535}, 70_000, 65_534, False),
        ({"mass_share_bps": 1, "mass_minimum": 65_535}, 70_000, 65_535, True),
    ],
)
def test_share_and_number_are_the_sets_own(stage, oracle, rules, capacities, penalized, held):
    set_id = stage.create_set(stage.members, THRESHOLD, replace(RULES, **rules))
    said = stage.statement(set_id=set_id, capacities=capacities, penalized=penalized)
    stage.post(said, at=ENDS_AT)
    assert (oracle.windowInfo(set_id, WINDOW).heldUntil != 0) == held


def test_penalties_are_claimable_once_the_root_is_final(stage, oracle, now, statement):
    stage.post(statement, at=LAST_POST)
    until = LAST_POST + FINALITY
    for time, state in (
        (until - 1, Penalties.HELD),
        (until, Penalties.CLAIMABLE),
        (until + 365 * DAY, Penalties.CLAIMABLE),
    ):
        now(time)
        assert penalties(oracle) == (state, until)


def test_a_mass_of_penalties_is_claimable_once_the_delay_is_over(stage, oracle, now, mass):
    stage.post(mass, at=LAST_POST)
    final_at = LAST_POST + FINALITY
    until = final_at + RULES.mass_delay
    for time, state in (
        (final_at - 1, Penalties.HELD),
        (final_at, Penalties.HELD),
        (until - 1, Penalties.HELD),
        (until, Penalties.CLAIMABLE),
        (until + 365 * DAY, Penalties.CLAIMABLE),
    ):
        now(time)
        assert penalties(oracle) == (state, until)


@pytest.mark.parametrize(
    "when",
    [
        ENDS_AT + 1,
        ENDS_AT + FINALITY - 1,
        ENDS_AT + FINALITY,
        ENDS_AT + FINALITY + RULES.mass_delay - 1,
    ],
)
def test_the_guardian_waives_a_mass_from_posting_to_the_end_of_the_delay(
    stage, oracle, now, mass, when
):
    stage.post(mass, at=ENDS_AT)
    status = oracle.statusOf(1, EPOCH_END)
    standing = tuple(oracle.standingRootOf(1, WINDOW))
    receipt = stage.waive(at=when)
    (event,) = receipt.decode_logs(oracle.PenaltiesWaived)
    assert (event.setId, event.window) == (1, WINDOW)
    until = ENDS_AT + FINALITY + RULES.mass_delay
    assert penalties(oracle) == (Penalties.WAIVED, until)
    # Nothing else changes: reports count, and so do credits.
    assert tuple(oracle.standingRootOf(1, WINDOW)) == standing
    assert oracle.statusOf(1, EPOCH_END) == status
    now(until + 365 * DAY)
    assert penalties(oracle) == (Penalties.WAIVED, until)


def test_a_mass_is_waived_once(stage, oracle, mass):
    stage.post(mass, at=ENDS_AT)
    stage.waive()
    for when in (ENDS_AT + 10, ENDS_AT + FINALITY + RULES.mass_delay - 1):
        with reverts_with(oracle.AlreadyWaived, **NO_ROOT):
            stage.waive(at=when)


@pytest.mark.parametrize("late", [0, 1, 365 * DAY])
def test_after_the_delay_nobody_waives_a_mass(stage, oracle, mass, late):
    stage.post(mass, at=ENDS_AT)
    until = ENDS_AT + FINALITY + RULES.mass_delay
    with reverts_with(oracle.HoldEnded, **NO_ROOT, heldUntil=until):
        stage.waive(at=until + late)
    assert penalties(oracle) == (Penalties.CLAIMABLE, until)


def test_a_waiver_goes_with_the_root_that_it_was_for(stage, oracle, mass):
    stage.post(mass, at=ENDS_AT)
    stage.waive()
    stage.veto()
    assert tuple(oracle.windowInfo(1, WINDOW)) == (bytes(27), 0, 0, 1, False)
    with reverts_with(oracle.NoRoot, **NO_ROOT):
        oracle.penaltiesOf(1, WINDOW)
    stage.post(replace(mass, attempt=1), at=ENDS_AT + 10)
    until = ENDS_AT + 10 + FINALITY + RULES.mass_delay
    assert penalties(oracle) == (Penalties.HELD, until)
    stage.waive()
    assert penalties(oracle) == (Penalties.WAIVED, until)


def test_a_mass_goes_with_the_root_that_said_so(stage, oracle, mass, again):
    stage.post(mass, at=ENDS_AT)
    stage.veto()
    stage.post(again, at=ENDS_AT + 10)
    assert penalties(oracle) == (Penalties.HELD, ENDS_AT + 10 + FINALITY)
    with reverts_with(oracle.NotMass, **NO_ROOT):
        stage.waive()


@pytest.mark.parametrize(("set_id", "window"), [(1, WINDOW), (1, MAX_UINT), (2, WINDOW), (0, 0)])
def test_no_root_no_penalties(stage, oracle, set_id, window):
    with reverts_with(oracle.NoRoot, setId=set_id, window=window):
        oracle.penaltiesOf(set_id, window)
    with reverts_with(oracle.NoRoot, setId=set_id, window=window):
        stage.waive(set_id, window)


# --- who may what ---

OWNERS = {
    "createSet": lambda stage: (stage.members, THRESHOLD, RULES.as_tuple()),
    "scheduleMembers": lambda stage: (1, stage.members, THRESHOLD),
    "setGuardian": lambda stage: (stage.stranger,),
    "transferOwnership": lambda stage: (stage.stranger,),
    "renounceOwnership": lambda stage: (),
    "completeOwnershipHandover": lambda stage: (stage.stranger,),
}
GUARDIANS = {
    "veto": lambda stage: (1, WINDOW),
    "waivePenalties": lambda stage: (1, WINDOW),
}
ANYONES = {
    "postRoot",
    "dispute",
    # Asking for the ownership, and asking no more, changes nothing until the owner agrees.
    "requestOwnershipHandover",
    "cancelOwnershipHandover",
}


def test_there_are_no_other_functions_that_change_anything(oracle):
    changing = {item.name for item in oracle.contract_type.mutable_methods}
    assert changing == {*OWNERS, *GUARDIANS, *ANYONES}


@pytest.mark.parametrize("function", OWNERS)
@pytest.mark.parametrize("who", [role for role in ROLES if role != "owner"])
def test_what_is_the_owners_is_refused_to_everybody_else(stage, oracle, actors, function, who):
    with reverts_with(oracle.Unauthorized):
        getattr(oracle, function)(*OWNERS[function](stage), sender=actors[who])


@pytest.mark.parametrize("function", GUARDIANS)
@pytest.mark.parametrize("who", [role for role in ROLES if role != "guardian"])
def test_what_is_the_guardians_is_refused_to_everybody_else(
    stage, oracle, actors, mass, function, who
):
    stage.post(mass, at=ENDS_AT)
    with reverts_with(oracle.NotGuardian, caller=actors[who]):
        getattr(oracle, function)(*GUARDIANS[function](stage), sender=actors[who])
    getattr(oracle, function)(*GUARDIANS[function](stage), sender=stage.guardian)


def test_the_owner_names_another_guardian(stage, oracle, mass, stranger):
    assert oracle.guardian() == stage.guardian
    receipt = oracle.setGuardian(stranger, sender=stage.owner)
    (event,) = receipt.decode_logs(oracle.GuardianSet)
    assert event.guardian == oracle.guardian() == stranger
    stage.post(mass, at=ENDS_AT)
    for function, arguments in GUARDIANS.items():
        with reverts_with(oracle.NotGuardian, caller=stage.guardian):
            getattr(oracle, function)(*arguments(stage), sender=stage.guardian)
    oracle.waivePenalties(1, WINDOW, sender=stranger)
    oracle.veto(1, WINDOW, sender=stranger)


@pytest.mark.parametrize("function", OWNERS)
@pytest.mark.parametrize("final", [False, True])
def test_nothing_that_the_owner_does_moves_a_root_that_stands(
    stage, oracle, now, mass, stranger, function, final
):
    stage.post(mass, at=ENDS_AT)
    if final:
        now(ENDS_AT + FINALITY)
    if function == "completeOwnershipHandover":
        oracle.requestOwnershipHandover(sender=stranger)

    def seen():
        return (
            tuple(oracle.windowInfo(1, WINDOW)),
            tuple(oracle.penaltiesOf(1, WINDOW)),
            oracle.statusOf(1, EPOCH_END),
            tuple(oracle.periodsOf(1)),
            tuple(oracle.setOf(1)),
            tuple(oracle.membersAt(1, ENDS_AT)),
        )

    before = seen()
    getattr(oracle, function)(*OWNERS[function](stage), sender=stage.owner)
    assert seen() == before


def test_the_guardian_makes_no_root_nor_attests_to_one(stage, oracle, statement):
    signers = [*stage.attestors[:2], stage.guardian]
    with reverts_with(oracle.NotAttestor, setId=1, signer=stage.guardian):
        stage.post(statement, stage.sign(statement, signers), at=ENDS_AT, sender=stage.guardian)


def test_an_oracle_without_an_owner_goes_on(stage, oracle, statement):
    oracle.renounceOwnership(sender=stage.owner)
    assert oracle.owner() == NOBODY
    stage.post(statement, at=ENDS_AT)
    stage.veto()
    stage.post(replace(statement, attempt=1))
    with reverts_with(oracle.Unauthorized):
        oracle.createSet(stage.members, THRESHOLD, RULES.as_tuple(), sender=stage.owner)
