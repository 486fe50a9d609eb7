"""RevenueSplitter: legs that a holder of all shares changes, and those that stay anyway."""

from __future__ import annotations

import pytest

from derrick.testing import isolated, reverts_with
from tests.splitter_stage import (
    LEGS_BPS,
    OPEX,
    OPEX_BPS,
    PROTOCOL,
    PROTOCOL_BPS,
    RESERVE,
    RESERVE_BPS,
    SHARES_BPS,
    SUPPLY,
    USD,
    ZERO,
    SplitterStage,
    index_of,
    logs,
)

BTC = 10**8
LEG_LIST = 10
"""The slot of the splitter's list of legs."""


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def splitter(stage):
    """Its legs: the operator's costs, a reserve that is fixed, the protocol."""
    return stage.split()


class TestChange:
    def test_ends_those_that_are_not_fixed_and_says_so(
        self, project, splitter, operator, tenant, lender, treasury
    ):
        added = [(tenant, 1_000, False), (operator, 77, True)]
        receipt = splitter.changeLegs(added, sender=operator)
        (event,) = logs(receipt, project.RevenueSplitter.LegsChanged)
        left = 10_000 - RESERVE_BPS - PROTOCOL_BPS - 1_077
        assert (event["ended"], event["first"], event["sharesBps"]) == ([OPEX], 3, left)
        assert [tuple(leg) for leg in event["added"]] == [
            (tenant.address.lower(), 1_000, False),
            (operator.address.lower(), 77, True),
        ]
        assert tuple(splitter.legs()) == (5, 10_000 - left)
        assert [tuple(splitter.legOf(leg)) for leg in range(5)] == [
            (operator, 0, False),
            (lender, RESERVE_BPS, True),
            (treasury, PROTOCOL_BPS, True),
            (tenant, 1_000, False),
            (operator, 77, True),
        ]

    def test_leaves_what_was_earned_with_who_earned_it(
        self, splitter, stage, operator, tenant, lender, treasury
    ):
        stage.earn(1_000 * USD)
        splitter.claimLeg(RESERVE, lender, sender=lender)
        splitter.changeLegs([(tenant, 5_000, False)], sender=operator)
        assert splitter.dividendIndex() == index_of(1_000 * USD)
        assert splitter.claimable(operator) == index_of(1_000 * USD)
        assert splitter.legClaimable(OPEX) == 150 * USD
        assert splitter.legClaimable(3) == 0

        stage.earn(1_000 * USD)
        assert splitter.legClaimable(OPEX) == 150 * USD
        assert splitter.legClaimable(RESERVE) == 33_300_000
        assert splitter.legClaimable(PROTOCOL) == 40 * USD
        assert splitter.legClaimable(3) == 500 * USD
        new = 1_000 * USD * (10_000 - 5_000 - RESERVE_BPS - PROTOCOL_BPS) // 10_000
        assert splitter.claimable(operator) == index_of(1_000 * USD) + new
        for leg, recipient in ((OPEX, operator), (RESERVE, lender), (PROTOCOL, treasury)):
            splitter.claimLeg(leg, recipient, sender=recipient)
        splitter.claimLeg(3, tenant, sender=tenant)
        splitter.claim(operator, sender=operator)
        assert stage.usd.balanceOf(splitter) == 0

    def test_is_exact_though_nothing_divides(self, splitter, stage, operator, tenant):
        """A base unit at a time, other legs each time: shares get their part to the fraction."""
        due = 0
        for step in range(1, 40):
            bps = 100 * step + 1
            before = sum(splitter.legOf(leg).bps for leg in range(splitter.legs().count))
            due += 10_000 - before
            stage.earn(1)
            assert splitter.dividendIndex() == due // 10_000
            splitter.changeLegs([(tenant, bps, False)], sender=operator)
            assert splitter.dividendIndex() == due // 10_000

    def test_counts_what_has_come_in_first(self, project, splitter, stage, owner, operator):
        """Old legs have their part of what nobody had found yet."""
        stage.usd.mint(splitter, 1_000 * USD, sender=owner)
        receipt = splitter.changeLegs([], sender=operator)
        assert len(logs(receipt, project.RevenueSplitter.Synced)) == 1
        assert splitter.legClaimable(OPEX) == 150 * USD
        assert splitter.claimable(operator) == index_of(1_000 * USD)

    def test_settles_every_token(self, splitter, stage, owner, operator, tenant):
        bitcoin = stage.token()
        splitter.addToken(bitcoin, sender=operator)
        bitcoin.mint(splitter, 10 * BTC, sender=owner)
        splitter.changeLegs([(tenant, 5_000, False)], sender=operator)
        later = stage.token()
        splitter.addToken(later, sender=operator)
        for token in (bitcoin, later):
            token.mint(splitter, 10 * BTC, sender=owner)
            splitter.sync(token, sender=owner)
        assert splitter.claimableByLeg(bitcoin, OPEX) == 150_000_000
        assert splitter.claimableByLeg(bitcoin, 3) == 5 * BTC
        assert splitter.claimableByLeg(bitcoin, PROTOCOL) == 40_000_000
        left = 10_000 - 5_000 - RESERVE_BPS - PROTOCOL_BPS
        assert splitter.dividendIndexOf(bitcoin) == index_of(10 * BTC) + BTC * left // 1_000
        # Whoever ended before a token came has no part in it.
        assert splitter.claimableByLeg(later, OPEX) == 0
        assert splitter.claimableByLeg(later, 3) == 5 * BTC
        assert splitter.dividendIndexOf(later) == BTC * left // 1_000
        splitter.claimLeg(OPEX, operator, sender=operator)
        assert bitcoin.balanceOf(operator) == 150_000_000

    def test_a_leg_that_ended_can_move_and_be_claimed(
        self, splitter, stage, operator, tenant, stranger
    ):
        stage.earn(1_000 * USD)
        splitter.changeLegs([], sender=operator)
        splitter.moveLeg(OPEX, tenant, sender=operator)
        assert splitter.claimLeg(OPEX, stranger, sender=tenant).return_value == 150 * USD
        assert splitter.claimLeg(OPEX, stranger, sender=tenant).return_value == 0
        stage.earn(1_000 * USD)
        assert splitter.legClaimable(OPEX) == 0

    def test_a_leg_that_had_claimed_ends_with_the_rest(self, splitter, stage, operator):
        stage.earn(1_000 * USD)
        splitter.claimLeg(OPEX, operator, sender=operator)
        stage.earn(100 * USD)
        splitter.changeLegs([], sender=operator)
        assert splitter.legClaimable(OPEX) == 15 * USD

    def test_takes_as_many_as_there_is_room_for(self, splitter, operator, tenant):
        splitter.changeLegs([(tenant, 1, False)] * 6, sender=operator)
        assert tuple(splitter.legs()) == (9, RESERVE_BPS + PROTOCOL_BPS + 6)
        splitter.changeLegs([(tenant, 2, False)] * 6, sender=operator)
        assert tuple(splitter.legs()) == (15, RESERVE_BPS + PROTOCOL_BPS + 12)

    def test_ends_when_no_index_is_left(self, project, splitter, lane, operator, tenant):
        """After sixteen million legs, which nobody pays for; put into the books by hand."""
        most, shift = 2**24 - 1, 8 + 8 * 24
        word = int(
            lane.node.request("eth_getStorageAt", splitter.address, hex(LEG_LIST), "latest"), 16
        )
        assert word >> shift == splitter.legs().count == 3
        for ever, fits in ((most - 1, True), (most, False)):
            full = (word & (2**shift - 1)) | ever << shift
            request = splitter.address, hex(LEG_LIST), f"0x{full:064x}"
            with isolated(lane):
                lane.node.request("anvil_setStorageAt", *request)
                if fits:
                    splitter.changeLegs([(tenant, 1, False)], sender=operator)
                    assert tuple(splitter.legOf(most - 1)) == (tenant, 1, False)
                else:
                    with reverts_with("LegsExhausted()"):
                        splitter.changeLegs([(tenant, 1, False)], sender=operator)

    def test_costs_no_more_the_tenth_time(self, splitter, operator, tenant):
        """Legs that have ended are not looked at again."""
        legs = [(tenant, 1, False)] * 6
        gas = [splitter.changeLegs(legs, sender=operator).gas_used for _ in range(10)]
        assert gas[9] <= gas[2]


class TestBounds:
    def test_are_those_of_creation(self, project, splitter, operator, tenant):
        errors = project.RevenueSplitter
        with reverts_with(errors.TooManyLegs, count=8, max=7):
            splitter.changeLegs([(tenant, 1, False)] * 7, sender=operator)
        with reverts_with(errors.EmptyLeg, leg=4):
            splitter.changeLegs([(tenant, 1, False), (tenant, 0, False)], sender=operator)
        most = 8_000 - RESERVE_BPS
        with reverts_with(errors.LegsTakeTooMuch, bps=8_001, max=8_000):
            splitter.changeLegs([(tenant, most + 1, False)], sender=operator)
        with reverts_with(errors.LegsTakeTooMuch, bps=65_535 + RESERVE_BPS, max=8_000):
            splitter.changeLegs([(tenant, 65_535, False)], sender=operator)
        splitter.changeLegs([(tenant, most, False)], sender=operator)
        assert splitter.legs().bps == 8_000 + PROTOCOL_BPS

    @pytest.mark.parametrize("bad", ["zero", "itself"])
    def test_keep_out_a_recipient_that_cannot_claim(self, project, splitter, operator, bad):
        receiver = ZERO if bad == "zero" else splitter.address
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.changeLegs([(receiver, 1, False)], sender=operator)

    def test_a_refused_change_changes_nothing(self, project, splitter, stage, operator, tenant):
        stage.earn(1_000 * USD)
        with reverts_with(project.RevenueSplitter.EmptyLeg, leg=3):
            splitter.changeLegs([(tenant, 0, False)], sender=operator)
        assert tuple(splitter.legs()) == (3, LEGS_BPS)
        assert tuple(splitter.legOf(OPEX)) == (operator, OPEX_BPS, False)
        assert splitter.dividendIndex() == 1_000 * USD * SHARES_BPS // 10_000


class TestWhoMay:
    def test_nobody_who_holds_less_than_all(
        self, project, splitter, operator, tenant, lender, treasury
    ):
        splitter.transfer(tenant, 1, sender=operator)
        held = {operator: SUPPLY - 1, tenant: 1, lender: 0, treasury: 0}
        for caller, shares in held.items():
            error = project.RevenueSplitter.NotSoleHolder
            with reverts_with(error, caller=caller, shares=shares, supply=SUPPLY):
                splitter.changeLegs([], sender=caller)

    def test_whoever_has_bought_all_since_an_earlier_second(
        self, project, splitter, operator, tenant, lane
    ):
        bound = lane.contract(splitter)
        now = lane.time + 10
        bound.send("transfer", tenant, SUPPLY, sender=operator, at=now)
        with reverts_with(project.RevenueSplitter.SoleHolderTooNew, caller=tenant, since=now):
            bound.read("changeLegs", [], sender=tenant)
        bound.send("changeLegs", [], sender=tenant, at=now + 1)
        assert tuple(splitter.legs()) == (3, RESERVE_BPS + PROTOCOL_BPS)

    def test_the_protocols_and_the_fixed_stay_for_any_holder(self, splitter, operator):
        for _ in range(3):
            splitter.changeLegs([], sender=operator)
        assert tuple(splitter.legOf(RESERVE))[1:] == (RESERVE_BPS, True)
        assert tuple(splitter.legOf(PROTOCOL))[1:] == (PROTOCOL_BPS, True)
        assert splitter.legs().bps == RESERVE_BPS + PROTOCOL_BPS

    def test_a_fixed_leg_moves_by_its_recipient_alone(
        self, project, splitter, operator, lender, tenant
    ):
        with reverts_with(project.RevenueSplitter.NotLegRecipient, leg=RESERVE, caller=operator):
            splitter.moveLeg(RESERVE, operator, sender=operator)
        splitter.moveLeg(RESERVE, tenant, sender=lender)
        splitter.changeLegs([], sender=operator)
        assert tuple(splitter.legOf(RESERVE)) == (tenant, RESERVE_BPS, True)
