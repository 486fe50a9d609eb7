"""What a minority of attestors would try: two of five, where three decide. Nothing of it works."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_utils import keccak

from derrick.telemetry import (
    Attestation,
    CapacityUnits,
    Report,
    ReportTree,
    Status,
    attest,
    sort_attestations,
)
from derrick.testing import reverts_with
from tests.oracle_stage import (
    DAY,
    ENDS_AT,
    HOUR,
    RULES,
    THRESHOLD,
    URI,
    WINDOW,
    OracleStage,
    compact,
    key,
    rising,
    twin,
)

REENTER = 8
BOMB = 6
BURN = 5


@pytest.fixture(scope="module")
def stage(project, lane, owner, guardian, stranger, attestors):
    return OracleStage.deploy(project, lane, owner, guardian, stranger, attestors)


@pytest.fixture(scope="module")
def oracle(stage):
    return stage.oracle


@pytest.fixture(scope="module")
def hostile(stage):
    """The second and the fourth member."""
    return [stage.attestors[1], stage.attestors[3]]


@pytest.fixture(scope="module")
def honest(stage):
    return [stage.attestors[i] for i in (0, 2, 4)]


@pytest.fixture(scope="module")
def truth(stage):
    """What the honest members sign of the window: nobody is in penalty."""
    return stage.statement()


@pytest.fixture(scope="module")
def lie(stage):
    """What the others want to stand instead: a competitor's machines were down all day."""
    tree = ReportTree.of([Report(1, 40, 0, 0, 0)])
    return tree.statement(stage.chain_id, stage.oracle.address, 1, WINDOW, URI, 9_000)


@pytest.fixture
def ended(lane):
    lane.set_next_time(ENDS_AT)


@pytest.fixture
def nothing_stands(oracle):
    """Whatever was tried, no root stands after it."""
    yield
    assert tuple(oracle.windowInfo(1, WINDOW)) == (bytes(27), 0, 0, 0, False)


pytestmark = pytest.mark.usefixtures("ended")


@pytest.mark.usefixtures("nothing_stands")
class TestToBeThree:
    """Two want to count as three."""

    def test_by_their_own_signatures_alone(self, stage, oracle, hostile, lie):
        # Hoping that a majority of those who came is enough.
        with reverts_with(oracle.QuorumNotReached, given=2, needed=THRESHOLD):
            stage.post(lie, attest(lie, hostile))

    def test_by_signing_twice(self, stage, oracle, hostile, lie):
        # Hoping that signatures are counted, not signers.
        first, second = attest(lie, hostile)
        with reverts_with(oracle.SignersNotOrdered, index=1, signer=first.signer):
            stage.post(lie, [first, first, second])

    @pytest.mark.parametrize("write", [compact, twin])
    def test_by_writing_a_signature_in_two_ways(self, stage, oracle, hostile, lie, write):
        # Hoping that duplicates are found by comparing signatures.
        first, second = attest(lie, hostile)
        other = Attestation(first.signer, write(first.signature))
        with reverts_with(oracle.SignersNotOrdered, index=1, signer=first.signer):
            stage.post(lie, [first, other, second])

    def test_by_standing_apart_in_the_list(self, stage, oracle, hostile, lie):
        # Hoping that only neighbours are compared.
        first, second = attest(lie, hostile)
        with reverts_with(oracle.SignersNotOrdered, index=2, signer=first.signer):
            stage.post(lie, [first, second, first])

    def test_by_an_honest_members_name(self, stage, oracle, hostile, honest, lie):
        # Hoping that membership is looked up by name and the signature by whoever made it.
        own = attest(lie, hostile)
        forged = Attestation(honest[2].address, own[0].signature)
        with reverts_with(oracle.BadSignature, signer=honest[2].address):
            stage.post(lie, [*own, forged])

    def test_by_a_friend(self, stage, oracle, hostile, lie):
        # Hoping that any key will do as long as members sign too.
        friend = key("a friend")
        with reverts_with(oracle.NotAttestor, setId=1, signer=friend.address):
            stage.post(lie, attest(lie, [*hostile, friend]))

    def test_by_a_contract_of_theirs_that_agrees_to_all(
        self, stage, oracle, project, owner, hostile, lie
    ):
        # Hoping that whoever answers as ERC-1271 wants is asked.
        friend = owner.deploy(project.MockERC1271, hostile[0].address)
        friend.setManner(BOMB, sender=owner)
        given = sort_attestations([*attest(lie, hostile), Attestation(friend.address, b"")])
        with reverts_with(oracle.NotAttestor, setId=1, signer=friend.address):
            stage.post(lie, given, at=ENDS_AT + 5)

    def test_by_nobody(self, stage, oracle, hostile, lie):
        # Hoping that a signature that recovers to zero passes for a member zero.
        nobody = Attestation("0x" + "00" * 20, bytes(65))
        with reverts_with(oracle.SignersNotOrdered, index=0, signer=nobody.signer):
            stage.post(lie, [nobody, *attest(lie, hostile)])

    def test_by_a_failing_recovery_for_an_honest_member(self, stage, oracle, hostile, honest, lie):
        # Hoping that a failed recovery leaves something behind that looks like him.
        for junk in (b"", bytes(65), b"\xff" * 64, b"\xff" * 65, bytes(64) + b"\x1b"):
            forged = Attestation(honest[2].address, junk)
            with reverts_with(oracle.BadSignature, signer=honest[2].address):
                stage.post(lie, [*attest(lie, hostile), forged])


@pytest.mark.usefixtures("nothing_stands")
class TestBorrowedSignatures:
    """An honest member did sign something, elsewhere or of something else."""

    @pytest.mark.parametrize(
        "change",
        [
            # Of what he saw, as they would like it counted: a mass, so that penalties wait; or no
            # mass, so that they do not.
            {"capacities": 8},
            {"penalized": 7},
            # The same reports, but nobody can find them.
            {"leaves_uri": ""},
            # Yesterday's, tomorrow's, another set's, another chain's, a test oracle's.
            {"window": WINDOW - 1},
            {"window": WINDOW + 1},
            {"set_id": 2},
            {"chain_id": 1},
            {"oracle": "0x" + "22" * 20},
            # A second attempt, signed for the case that the first one is vetoed.
            {"attempt": 1},
            # A draft.
            {"root": keccak(text="draft")},
        ],
    )
    def test_over_something_close_to_it(self, stage, oracle, hostile, honest, truth, change):
        # Hoping that what they changed is not under the signature.
        signed = replace(truth, **change)
        borrowed = attest(signed, honest[:1])
        with reverts_with(oracle.BadSignature, signer=honest[0].address):
            stage.post(truth, sort_attestations([*borrowed, *attest(truth, hostile)]))

    def test_over_the_units_of_a_capacity(self, stage, oracle, hostile, honest, lie):
        # Hoping that one kind of statement passes for another.
        units = CapacityUnits(stage.chain_id, oracle.address, 1, 1, 100, 0, 2**40)
        borrowed = attest(units, honest[:1])
        with reverts_with(oracle.BadSignature, signer=honest[0].address):
            stage.post(lie, sort_attestations([*borrowed, *attest(lie, hostile)]))
        # Nor the other way round.
        signed = attest(lie, stage.attestors[:3])
        with reverts_with(oracle.BadSignature, signer=signed[0].signer):
            oracle.requireQuorum(1, units.digest(), signed)


class TestTime:
    """They have more friends at another time."""

    def test_members_who_left_sign_for_a_later_window(self, stage, oracle, honest, hostile, lie):
        # They leaked their keys when they left: hoping that who once was a member stays one.
        stage.lane.set_next_time(ENDS_AT)
        others = [key("new one"), key("new two")]
        holds_from = stage.schedule(rising([*honest, *others]), THRESHOLD)
        window = RULES.window_of(holds_from)
        later = replace(lie, window=window)
        with reverts_with(oracle.NotAttestor, setId=1, signer=hostile[0].address):
            stage.post(later, attest(later, [*hostile, others[0]]), at=RULES.ends_at(window))
        stage.post(later, attest(later, honest))

    def test_members_to_come_sign_for_an_earlier_window(self, stage, oracle, hostile, lie):
        # Announced but not yet in force: hoping that the newest list counts.
        friends = [key(f"friend {i}") for i in range(3)]
        stage.lane.set_next_time(ENDS_AT + HOUR)
        holds_from = stage.schedule(rising([*hostile, *friends]), THRESHOLD)
        last = RULES.window_of(holds_from) - 1
        earlier = replace(lie, window=last)
        signed = attest(earlier, friends)
        for at in (RULES.ends_at(last), RULES.posting_ends(last) - 1):
            with reverts_with(oracle.NotAttestor, setId=1, signer=signed[0].signer):
                stage.post(earlier, signed, at=at)
        assert holds_from < RULES.posting_ends(last) - 1

    def test_a_lower_threshold_to_come(self, stage, oracle, hostile, lie):
        # Hoping that the threshold of today goes with the members of then.
        stage.lane.set_next_time(ENDS_AT + HOUR)
        holds_from = stage.schedule(stage.members, 2)
        last = RULES.window_of(holds_from) - 1
        earlier = replace(lie, window=last)
        with reverts_with(oracle.QuorumNotReached, given=2, needed=THRESHOLD):
            stage.post(earlier, attest(earlier, hostile), at=holds_from + 1)

    def test_before_the_day_is_over(self, stage, oracle, lie, honest, hostile):
        # The honest ones were talked into signing tomorrow's report ahead: still it waits.
        tomorrow = replace(lie, window=WINDOW + 1)
        ends_at = RULES.ends_at(WINDOW + 1)
        with reverts_with(oracle.WindowOpen, setId=1, window=WINDOW + 1, endsAt=ends_at):
            stage.post(tomorrow, attest(tomorrow, [*hostile, honest[0]]), at=ends_at - 1)


class TestInTheWay:
    """They cannot make a lie stand, so they want that nothing does."""

    def test_by_silence(self, stage, oracle, honest, truth):
        # Hoping for a blackout, which settles at a flat credit. It takes three of them.
        stage.post(truth, attest(truth, honest), at=RULES.posting_ends(WINDOW) - 1)
        assert oracle.standingRootOf(1, WINDOW).root == truth.root[:27]

    def test_by_a_bad_signature_of_their_own(self, stage, oracle, honest, hostile, truth):
        # Hoping that one bad signature spoils the honest ones: it is left out.
        bad = Attestation(hostile[0].address, b"\xff" * 65)
        with reverts_with(oracle.BadSignature, signer=bad.signer):
            stage.post(truth, sort_attestations([bad, *attest(truth, honest)]))
        stage.post(truth, attest(truth, honest))
        assert oracle.standingRootOf(1, WINDOW).root == truth.root[:27]

    @pytest.mark.parametrize("manner", [BURN, BOMB, REENTER])
    def test_by_a_member_that_is_a_contract(
        self, stage, oracle, project, owner, honest, hostile, truth, lie, manner
    ):
        # Hoping to burn what the poster pays for gas, or to post a root of their own from inside,
        # be it one for which they have a quorum.
        theirs = owner.deploy(project.MockERC1271, hostile[0].address)
        set_id = stage.create_set(rising([theirs.address, *honest, *hostile[:1]]), THRESHOLD)
        truth, lie = replace(truth, set_id=set_id), replace(lie, set_id=set_id)
        payload = oracle.postRoot.encode_input(lie.as_tuple(), attest(lie, honest))
        theirs.setReentry(oracle.address, payload, sender=owner)
        theirs.setManner(manner, sender=owner)
        stage.lane.mine(at=ENDS_AT + 10)
        by_key = Attestation(theirs.address, attest(truth, hostile[:1])[0].signature)
        given = sort_attestations([by_key, *attest(truth, honest)])
        if manner == BURN:
            with reverts_with(oracle.BadSignature, signer=theirs.address):
                stage.post(truth, given)
            stage.post(truth, attest(truth, honest))
        else:
            stage.post(truth, given)
        assert oracle.standingRootOf(set_id, WINDOW).root == truth.root[:27]

    def test_by_a_contract_that_changes_its_mind(
        self, stage, oracle, project, owner, honest, hostile, truth
    ):
        # It says yes when asked off chain, and no in the transaction: the next one is without it.
        theirs = owner.deploy(project.MockERC1271, hostile[0].address)
        set_id = stage.create_set(rising([theirs.address, *honest]), THRESHOLD)
        truth = replace(truth, set_id=set_id)
        by_key = Attestation(theirs.address, attest(truth, hostile[:1])[0].signature)
        given = sort_attestations([by_key, *attest(truth, honest[:2])])
        oracle.requireQuorum(set_id, truth.digest(), given)
        theirs.setManner(1, sender=owner)
        with reverts_with(oracle.BadSignature, signer=theirs.address):
            stage.post(truth, given, at=ENDS_AT + 10)
        stage.post(truth, attest(truth, honest))

    def test_by_a_dispute(self, stage, oracle, honest, hostile, truth):
        # Hoping that a dispute delays or removes what stands.
        stage.post(truth, attest(truth, honest))
        before = tuple(oracle.windowInfo(1, WINDOW))
        for _ in range(3):
            oracle.dispute(1, WINDOW, "ipfs://made-up", sender=hostile[0])
        assert tuple(oracle.windowInfo(1, WINDOW)) == before

    def test_by_the_guardians_means(self, stage, oracle, honest, hostile, truth):
        stage.post(truth, attest(truth, honest))
        with reverts_with(oracle.NotGuardian, caller=hostile[0]):
            oracle.veto(1, WINDOW, sender=hostile[0])
        with reverts_with(oracle.NotGuardian, caller=hostile[0]):
            oracle.waivePenalties(1, WINDOW, sender=hostile[0])

    def test_by_a_root_of_their_own_after_a_veto(self, stage, oracle, honest, hostile, truth, lie):
        # Hoping that the second attempt needs less, or that votes of the first count on.
        stage.post(truth, attest(truth, honest))
        stage.veto()
        second = replace(lie, attempt=1)
        with reverts_with(oracle.QuorumNotReached, given=2, needed=THRESHOLD):
            stage.post(second, attest(second, hostile))
        borrowed = sort_attestations([*attest(second, hostile), *attest(lie, honest[:1])])
        with reverts_with(oracle.BadSignature, signer=honest[0].address):
            stage.post(second, borrowed)
        assert oracle.statusOf(1, ENDS_AT) == Status.PENDING

    def test_after_the_honest_root_is_final(self, stage, oracle, honest, truth, lie):
        # Later one more member is theirs: hoping to rewrite what stands.
        stage.post(truth, attest(truth, honest))
        for later in (RULES.finality_delay, RULES.posting_period, 30 * DAY):
            with reverts_with(oracle.RootExists, setId=1, window=WINDOW, root=truth.root[:27]):
                stage.post(lie, at=ENDS_AT + later)
