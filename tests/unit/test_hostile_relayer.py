"""What a relayer would try, who carries other people's signatures and reports to the chain."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import pytest
from eth_abi import encode
from eth_utils import keccak

from derrick.merkle import MerkleTree, hash_pair, root_of_proof
from derrick.telemetry import (
    REPORT_TYPES,
    Attestation,
    Report,
    ReportTree,
    Status,
    sort_attestations,
)
from derrick.testing import isolated, reverts_with, reverts_without_data
from tests.oracle_stage import (
    DAY,
    ENDS_AT,
    REPORTS,
    RULES,
    THRESHOLD,
    WINDOW,
    OracleStage,
    compact,
    key,
    rising,
    twin,
)

NO_ROOT = {"setId": 1, "window": WINDOW}
ROOT_TYPES = ["(uint256,uint256,bytes32,{},{},string,{})", "(address,bytes)[]"]


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
def quorum(stage, statement):
    """What he was given to carry."""
    return stage.sign(statement)


@pytest.fixture(scope="module")
def probe(project, owner):
    """Leaves and proofs as the market checks them."""
    return owner.deploy(project.ReportProbe)


# --- he changes what he carries ---


@pytest.mark.parametrize(
    "change",
    [
        # A better day for his friends.
        {"root": keccak(text="his own reports")},
        # A mass, so that penalties can be waived; or a smaller one.
        {"capacities": 8},
        {"penalized": 7},
        # Reports that nobody finds, so that nobody can show them but he.
        {"leaves_uri": "ipfs://nowhere"},
        {"leaves_uri": ""},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_he_changes_is_not_what_was_signed(stage, oracle, statement, quorum, change):
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        stage.post(replace(statement, **change), quorum, at=ENDS_AT)


def test_a_root_that_only_looks_the_same_is_another(stage, oracle, statement, quorum):
    # The oracle keeps 216 bits: hoping that only these are signed.
    alike = statement.root[:27] + bytes(5)
    assert alike != statement.root
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        stage.post(replace(statement, root=alike), quorum, at=ENDS_AT)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda a: [*a[:2], Attestation(a[2].signer, twin(a[2].signature))], id="twin"),
        pytest.param(
            lambda a: [*a[:2], Attestation(a[2].signer, a[2].signature + b"\0")], id="pad"
        ),
    ],
)
def test_a_signature_rewritten_is_none(stage, oracle, statement, quorum, spoil):
    # Hoping that his transaction differs from the honest one and yet counts.
    with reverts_with(oracle.BadSignature, signer=quorum[2].signer):
        stage.post(statement, spoil(quorum), at=ENDS_AT)


def test_what_he_may_rewrite_changes_nothing(stage, oracle, lane, statement, quorum):
    # The short form of a signature is as good, so he can choose: what stands is the same.
    seen = []
    for given in (quorum, [Attestation(a.signer, compact(a.signature)) for a in quorum]):
        with isolated(lane):
            stage.post(statement, given, at=ENDS_AT)
            seen.append(tuple(oracle.windowInfo(1, WINDOW)))
    assert seen[0] == seen[1]


# --- he carries it elsewhere ---


@pytest.mark.parametrize("change", [{"window": WINDOW - 1}, {"window": WINDOW + 1}, {"set_id": 2}])
def test_signatures_count_where_they_were_made_for(stage, oracle, statement, quorum, change):
    # A good day's root for a bad day, or for another set of the same members.
    stage.create_set(stage.members, THRESHOLD, replace(RULES, posting_period=3 * DAY))
    elsewhere = replace(statement, **change)
    at = max(RULES.ends_at(elsewhere.window), stage.lane.time + 1)
    with reverts_with(oracle.BadSignature, signer=quorum[0].signer):
        stage.post(elsewhere, quorum, at=at)


def test_an_oracle_of_his_own_feeds_on_nothing(stage, project, stranger, statement, quorum):
    # Same members, same rules, same window, and a market of his own behind it.
    own = stranger.deploy(project.TelemetryOracle, stranger)
    own.createSet(stage.members, THRESHOLD, RULES.as_tuple(), sender=stranger)
    stage.lane.mine(at=ENDS_AT)
    with reverts_with(own.BadSignature, signer=quorum[0].signer):
        own.postRoot(statement.as_tuple(), quorum, sender=stranger)


def test_the_day_before_it_is_over_and_the_day_after_it_is_too_late(stage, oracle, statement):
    with reverts_with(oracle.WindowOpen, **NO_ROOT, endsAt=ENDS_AT):
        stage.post(statement, at=ENDS_AT - 1)
    deadline = RULES.posting_ends(WINDOW)
    with reverts_with(oracle.WindowClosed, **NO_ROOT, deadline=deadline):
        stage.post(statement, at=deadline)


# --- he makes a choice of what he was given ---


def test_too_few_of_them(stage, oracle, statement, quorum):
    # Only his own transaction fails: whoever has the signatures brings them.
    with reverts_with(oracle.QuorumNotReached, given=2, needed=THRESHOLD):
        stage.post(statement, quorum[1:], at=ENDS_AT)
    stage.post(statement, quorum)


def test_one_of_them_several_times_or_out_of_order(stage, oracle, statement, quorum):
    stage.lane.mine(at=ENDS_AT)
    for given, index, signer in (
        ([quorum[0], quorum[0], quorum[1], quorum[2]], 1, quorum[0].signer),
        ([quorum[2], quorum[1], quorum[0]], 1, quorum[1].signer),
    ):
        with reverts_with(oracle.SignersNotOrdered, index=index, signer=signer):
            stage.post(statement, given)


def test_junk_between_them(stage, oracle, statement, quorum):
    junk = Attestation(key("nobody in particular").address, b"\1" * 65)
    with reverts_with(oracle.NotAttestor, setId=1, signer=junk.signer):
        stage.post(statement, sort_attestations([junk, *quorum]), at=ENDS_AT)
    stage.post(statement, quorum)


def test_the_draft_instead_of_its_correction(stage, oracle, statement):
    # A quorum signed twice, and he brings what was wrong. The guardian vetoes it; after that the
    # draft's signatures are worth nothing, nor any others made before.
    draft = stage.statement(root=keccak(text="draft"))
    by_draft, by_statement = stage.sign(draft), stage.sign(statement)
    stage.post(draft, by_draft, at=ENDS_AT)
    with reverts_with(oracle.RootExists, **NO_ROOT, root=draft.root[:27]):
        stage.post(statement, by_statement)
    stage.veto()
    for old, signed in ((draft, by_draft), (statement, by_statement)):
        with reverts_with(oracle.WrongAttempt, **NO_ROOT, attempt=0, due=1):
            stage.post(old, signed)
        with reverts_with(oracle.BadSignature, signer=signed[0].signer):
            stage.post(replace(old, attempt=1), signed)
    assert oracle.windowInfo(1, WINDOW).vetoes == 1
    corrected = replace(statement, attempt=1)
    stage.post(corrected)
    assert oracle.standingRootOf(1, WINDOW).root == statement.root[:27]


def test_the_vetoed_root_again_to_use_up_the_second_attempt(stage, oracle, statement, quorum):
    # Hoping for a second veto, which is a blackout, from signatures that lie on the chain.
    stage.post(statement, quorum, at=ENDS_AT)
    stage.veto()
    with reverts_with(oracle.WrongAttempt, **NO_ROOT, attempt=0, due=1):
        stage.post(statement, quorum)
    assert oracle.statusOf(1, ENDS_AT) == Status.PENDING


# --- he chooses the moment ---


def test_the_last_second_leaves_the_guardian_his_time(stage, oracle, statement):
    # Hoping that the time to veto runs from the window's end.
    posted_at = RULES.posting_ends(WINDOW) - 1
    stage.post(statement, at=posted_at)
    assert oracle.standingRootOf(1, WINDOW).finalAt == posted_at + RULES.finality_delay
    stage.veto(at=posted_at + RULES.finality_delay - 1)


def test_the_last_second_leaves_operators_their_time(stage, oracle, statement):
    # Hoping that reports that must be shown in time have none. After the last veto there is, and
    # after the last root.
    stage.post(statement, at=RULES.posting_ends(WINDOW) - 1)
    stage.veto(at=RULES.posting_ends(WINDOW) + RULES.finality_delay - 2)
    left = RULES.repost_ends(WINDOW) - stage.lane.time
    assert left > RULES.posting_period
    stage.post(replace(statement, attempt=1), at=RULES.repost_ends(WINDOW) - 1)
    final_at = oracle.standingRootOf(1, WINDOW).finalAt
    assert RULES.reveal_ends(WINDOW) - final_at > RULES.reveal_period


def test_too_little_gas_for_a_contract_that_signs(stage, oracle, project, owner, lane, statement):
    # Hoping that a member's contract runs out of gas and the rest of it does not matter.
    by_key = key("the key of the wallet")
    wallet = owner.deploy(project.MockERC1271, by_key.address)
    everyone = rising([wallet.address, *stage.members[:2]])
    statement = replace(statement, set_id=stage.create_set(everyone, THRESHOLD))
    own = Attestation(wallet.address, stage.sign(statement, [by_key])[0].signature)
    given = sort_attestations([own, *stage.sign(statement, stage.attestors[:2])])
    message = lane.contract(oracle).call("postRoot", statement.as_tuple(), given).message
    sender = {**message, "from": stage.stranger.address}
    lane.mine(at=ENDS_AT + 10)
    with isolated(lane):
        enough = stage.post(statement, given).gas_used
    for gas in range(45_000, enough, 4_000):
        receipt = lane.node.request("eth_sendTransactionSync", {**sender, "gas": hex(gas)})
        assert receipt["status"] == "0x0"
        assert tuple(oracle.windowInfo(statement.set_id, WINDOW))[:2] == (bytes(27), 0)
    stage.post(statement, given)


# --- he writes what no honest encoder writes ---


@pytest.mark.parametrize(
    ("widths", "change"),
    [
        (("uint256", "uint32", "uint8"), {"capacities": 2**32 + 7}),
        (("uint32", "uint256", "uint8"), {"penalized": 2**32}),
        (("uint32", "uint32", "uint256"), {"attempt": 2**8}),
    ],
)
def test_numbers_too_wide_for_their_fields(stage, lane, oracle, statement, quorum, widths, change):
    # Hoping that the upper bits are dropped where it is stored and hashed where it is signed, or
    # the other way round.
    wide = replace(statement, **change)
    types = [ROOT_TYPES[0].format(*widths), ROOT_TYPES[1]]
    selector = keccak(
        text="postRoot((uint256,uint256,bytes32,uint32,uint32,string,uint8),(address,bytes)[])"
    )[:4]
    data = selector + encode(types, [wide.as_tuple(), [tuple(a) for a in quorum]])
    lane.mine(at=ENDS_AT)
    with reverts_without_data():
        stage.stranger.transfer(oracle, "0 wei", data=data)
    narrow = selector + encode(
        [ROOT_TYPES[0].format("uint32", "uint32", "uint8"), ROOT_TYPES[1]],
        [statement.as_tuple(), [tuple(a) for a in quorum]],
    )
    stage.stranger.transfer(oracle, "0 wei", data=narrow)
    assert oracle.standingRootOf(1, WINDOW).root == statement.root[:27]


# --- he shows reports that were not signed ---

TREE = ReportTree.of(REPORTS)


@pytest.mark.parametrize(
    "change",
    [
        {"capacity": 2},
        {"epoch": 41},
        {"uptime_bps": 10_000},
        {"load_bps": 1},
        {"energy_wh": 1},
        {"curtailed": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_report_with_one_thing_changed_leads_elsewhere(probe, change):
    report = REPORTS[0]
    proof = TREE.proof(report)
    assert probe.rootOf(report.as_tuple(), proof) == TREE.root
    forged = replace(report, **change).as_tuple()
    assert probe.rootOf(forged, proof)[:27] != TREE.root[:27]
    assert not probe.verify(TREE.root, forged, proof)


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda proof: [], id="none"),
        pytest.param(lambda proof: proof[:-1], id="too short"),
        pytest.param(lambda proof: proof[1:], id="without its first"),
        pytest.param(lambda proof: [*proof, bytes(32)], id="too long"),
        pytest.param(lambda proof: [*proof, TREE.root], id="with the root"),
        pytest.param(lambda proof: proof[::-1], id="reversed"),
        pytest.param(lambda proof: [bytes([proof[0][0] ^ 1]) + proof[0][1:], *proof[1:]], id="bit"),
    ],
)
def test_a_forged_proof_leads_elsewhere(probe, forge):
    for report in REPORTS:
        forged = forge(TREE.proof(report))
        assert probe.rootOf(report.as_tuple(), forged)[:27] != TREE.root[:27]
        assert not probe.verify(TREE.root, report.as_tuple(), forged)


def test_the_proof_of_another_report_leads_elsewhere(probe):
    for report in REPORTS:
        for other in REPORTS:
            found = probe.rootOf(report.as_tuple(), TREE.proof(other))
            assert (found[:27] == TREE.root[:27]) == (report == other)


def test_a_leaf_hashed_once_is_no_leaf(probe):
    # One hash is what an inner node gets: leaves hashed so could be mistaken for nodes.
    single = {report: keccak(encode(REPORT_TYPES, report.as_tuple())) for report in REPORTS}
    evil = MerkleTree(single.values())
    for report, leaf in single.items():
        assert root_of_proof(leaf, evil.proof(leaf)) == evil.root
        assert probe.rootOf(report.as_tuple(), evil.proof(leaf)) != evil.root


def test_an_inner_node_is_no_leaf(probe):
    # The inner hash of a forged report put where a node's two children would stand.
    forged = REPORTS[0]
    inner = keccak(encode(REPORT_TYPES, forged.as_tuple()))
    for sibling in (bytes(32), inner):
        assert hash_pair(inner, sibling) != forged.leaf
    evil = MerkleTree([inner, *(report.leaf for report in REPORTS[1:])])
    assert probe.rootOf(forged.as_tuple(), evil.proof(inner)) != evil.root


def test_several_reports_of_which_one_was_not_signed_lead_elsewhere(probe):
    good = TREE.multiproof(REPORTS[1:5])
    assert probe.verifyMany(*good.as_arguments())
    for index, report in enumerate(good.reports):
        forged = [*good.reports]
        forged[index] = replace(report, uptime_bps=0)
        many = good._replace(reports=forged)
        assert probe.rootOfMany(*many.as_arguments()[1:])[:27] != TREE.root[:27]
        assert not probe.verifyMany(*many.as_arguments())


def test_reports_in_another_order_lead_elsewhere(probe):
    good = TREE.multiproof(REPORTS)
    assert good.reports == list(TREE.reports)
    swapped = [good.reports[1], good.reports[3], good.reports[0], good.reports[2]]
    many = good._replace(reports=[*swapped, *good.reports[4:]])
    assert probe.rootOfMany(*many.as_arguments()[1:]) != TREE.root
    assert not probe.verifyMany(*many.as_arguments())


def test_a_root_among_the_siblings_proves_no_report(probe):
    # Known trick: let flags drop the forged report, so that only the given root remains. The
    # libraries want every node used and as many of each as there are.
    forged = Report(1, 1, 10_000, 10_000, 0)
    for proof, flags in (
        ([TREE.root], []),
        ([TREE.root], [False]),
        ([TREE.root], [True]),
        ([TREE.root, bytes(32)], [False]),
        ([TREE.root, bytes(32)], [False, False]),
    ):
        assert not probe.verifyMany(TREE.root, [forged.as_tuple()], proof, flags)


def test_no_multiproof_of_known_nodes_proves_what_stands_not_in_the_tree(probe, lane):
    """Every proof and every flags of up to three reports, among them a forged one or one twice."""
    tree = ReportTree.of(REPORTS[:3])
    forged = replace(tree.reports[0], uptime_bps=0)
    leaves = [report.leaf for report in tree.reports]
    root = tree.root
    inner = {hash_pair(a, b) for a, b in combinations(leaves, 2)}
    nodes = [*leaves, root, forged.leaf, *(node for node in inner if node in tree_nodes(tree))]
    assert len(nodes) == 6
    probe = lane.contract(probe)
    calls, honest = [], []
    for count, siblings in product((1, 2, 3), (0, 1, 2)):
        if count + siblings > 4:
            continue
        for picked in product((*tree.reports, forged), repeat=count):
            words = [report.as_tuple() for report in picked]
            is_honest = forged not in picked and len(set(picked)) == count
            for proof in product(nodes, repeat=siblings):
                for flags in product((False, True), repeat=count + siblings - 1):
                    calls.append(probe.call("verifyMany", root, words, proof, flags))
                    honest.append(is_honest)
    answers = [
        answer for at in range(0, len(calls), 500) for answer in lane.batch(calls[at : at + 500])
    ]
    proved = [call for call, answer in zip(calls, answers, strict=True) if answer]
    assert {len(call.arguments[1]) for call in proved} == {1, 2, 3}
    assert not any(answer and not fair for answer, fair in zip(answers, honest, strict=True))


def tree_nodes(tree):
    """What an attestor's published leaves tell of the tree's inside."""
    return {node for report in tree.reports for node in tree.proof(report)}


def test_no_reports_and_the_root_itself_are_a_valid_proof_of_nothing(probe):
    # Both libraries say yes, so who reads several reports must refuse none at all.
    assert probe.verifyMany(TREE.root, [], [TREE.root], [])
    assert probe.rootOfMany([], [TREE.root], []) == TREE.root
