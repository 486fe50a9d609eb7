"""RevenueSplitter: what it is, exact dividends, pulling, legs, and what came by plain transfer."""

from __future__ import annotations

import pytest

from derrick.testing import reverts_with
from tests.splitter_stage import (
    CAPACITY,
    OPEX,
    OPEX_BPS,
    PROTOCOL,
    PROTOCOL_BPS,
    RESERVE,
    RESERVE_BPS,
    SUPPLY,
    USD,
    ZERO,
    SplitterStage,
    index_of,
    logs,
)


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def usd(stage):
    return stage.usd


@pytest.fixture(scope="module")
def engine(stage):
    return stage.engine


@pytest.fixture(scope="module")
def factory(stage):
    return stage.factory


@pytest.fixture(scope="module")
def split(stage):
    return stage.split


@pytest.fixture(scope="module")
def earn(stage):
    return stage.earn


@pytest.fixture(scope="module")
def splitter(stage):
    return stage.split()


class TestCreation:
    def test_says_what_it_is(self, splitter, factory, engine, usd, operator, lender, treasury):
        assert splitter.name() == "Derrick Capacity 7 Revenue"
        assert splitter.symbol() == "dCAP-7"
        assert splitter.decimals() == 18
        assert splitter.totalSupply() == splitter.balanceOf(operator) == SUPPLY
        assert splitter.CAPACITY_ID() == CAPACITY
        assert splitter.STABLECOIN() == usd
        assert splitter.LEASE() == engine
        assert splitter.FACTORY() == factory
        assert tuple(splitter.legs()) == (3, OPEX_BPS + RESERVE_BPS + PROTOCOL_BPS)
        assert tuple(splitter.legOf(OPEX)) == (operator, OPEX_BPS, False)
        assert tuple(splitter.legOf(RESERVE)) == (lender, RESERVE_BPS, True)
        assert tuple(splitter.legOf(PROTOCOL)) == (treasury, PROTOCOL_BPS, True)
        assert tuple(splitter.totals()) == tuple(splitter.totalsOf(usd)) == (0, 0)
        assert splitter.dividendIndex() == splitter.dividendIndexOf(usd) == 0
        assert splitter.tokens() == [usd]
        assert splitter.tokenCount() == 1

    def test_only_the_factory_initializes(self, project, splitter, operator, stranger):
        nobodys = (ZERO, 0, True)
        for caller in (operator, stranger):
            with reverts_with(project.RevenueSplitter.NotFactory, caller=caller):
                splitter.initialize(caller, [(caller, 8_000, False)], nobodys, sender=caller)

    @pytest.mark.parametrize("bad", ["zero", "itself"])
    def test_refuses_a_holder_or_recipient_that_cannot_claim(
        self, project, engine, factory, usd, operator, owner, bad
    ):
        splitter = factory.predict(operator, 8, usd, SUPPLY)
        engine.setPayee(8, splitter, usd, sender=owner)
        receiver = ZERO if bad == "zero" else splitter
        for holder, legs in (
            (receiver, []),
            (operator, [(operator, 1, False), (receiver, 1, False)]),
        ):
            with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
                factory.create((8, SUPPLY, holder, legs, PROTOCOL_BPS), sender=operator)

    def test_money_from_before_is_the_first_holders(
        self, split, usd, engine, factory, operator, owner, stranger
    ):
        """A payee can be named, earn, be paid and be given money before its splitter is made."""
        later = factory.predict(operator, 8, usd, SUPPLY)
        engine.setPayee(8, later, usd, sender=owner)
        usd.mint(engine, 1_000 * USD, sender=owner)
        engine.earn(8, 1_000 * USD, sender=owner)
        engine.release(8, sender=stranger)
        usd.mint(later, 500 * USD, sender=owner)

        splitter = split(usd, capacity=8)
        assert splitter.address == later
        assert splitter.claimable(operator) == index_of(1_000 * USD)
        splitter.sync(usd, sender=stranger)
        assert splitter.claimable(operator) == index_of(1_500 * USD)
        splitter.claim(operator, sender=operator)
        assert usd.balanceOf(operator) == index_of(1_500 * USD)


class TestClaim:
    def test_counts_what_the_engine_settled_before_it_moves(self, splitter, earn, operator, tenant):
        splitter.transfer(tenant, SUPPLY // 4, sender=operator)
        earn(1_000 * USD)
        assert tuple(splitter.totals()) == (1_000 * USD, 0)
        assert splitter.dividendIndex() == index_of(1_000 * USD)
        assert splitter.claimable(tenant) == index_of(1_000 * USD) // 4
        assert splitter.claimable(operator) == index_of(1_000 * USD) * 3 // 4

    def test_pulls_pays_and_says_so(self, project, splitter, usd, engine, earn, operator, tenant):
        earn(1_000 * USD)
        due = splitter.claimable(operator)
        receipt = splitter.claim(tenant, sender=operator)

        assert receipt.return_value == due == index_of(1_000 * USD)
        assert usd.balanceOf(tenant) == due
        assert usd.balanceOf(splitter) == 1_000 * USD - due
        assert tuple(engine.revenueTotals(CAPACITY)) == (1_000 * USD, 1_000 * USD)
        assert tuple(splitter.totals()) == (1_000 * USD, due)
        assert splitter.claimable(operator) == 0
        assert logs(receipt, project.RevenueSplitter.DividendClaimed) == [
            {"holder": operator, "receiver": tenant, "amount": due}
        ]

    def test_pulls_only_in_need(self, splitter, engine, earn, operator, stranger):
        earn(1_000 * USD)
        engine.release(CAPACITY, sender=stranger)
        earn(1)
        splitter.claim(operator, sender=operator)
        assert tuple(engine.revenueTotals(CAPACITY)) == (1_000 * USD + 1, 1_000 * USD)

    def test_nothing_due_is_no_error_and_no_event(self, splitter, earn, operator, stranger):
        earn(USD)
        splitter.claim(operator, sender=operator)
        for caller in (operator, stranger):
            receipt = splitter.claim(caller, sender=caller)
            assert receipt.return_value == 0
            assert receipt.events == []

    def test_what_is_cut_off_stays_due(self, split, usd, engine, owner, operator, tenant):
        """Three shares, no leg of note: a base unit each third, never lost."""
        splitter = split(usd, capacity=9, supply=3)
        splitter.transfer(tenant, 1, sender=operator)
        paid = 0
        for step in range(1, 31):
            usd.mint(engine, 1, sender=owner)
            engine.earn(9, 1, sender=owner)
            paid += splitter.claim(tenant, sender=tenant).return_value
            assert paid == index_of(step) // 3

    def test_a_contract_claims_like_anybody(
        self, project, splitter, usd, earn, operator, tenant, stranger
    ):
        """A Safe, say; and one that cannot call is paid by anyone."""
        account = stranger.deploy(project.Batch)
        splitter.transfer(account, SUPPLY // 4, sender=operator)
        earn(1_000 * USD)
        due = index_of(1_000 * USD) // 4
        account.run([(splitter, splitter.claim.encode_input(tenant))], sender=stranger)
        assert usd.balanceOf(tenant) == due
        earn(1_000 * USD)
        splitter.claimFor(account, sender=operator)
        assert usd.balanceOf(account) == index_of(2_000 * USD) // 4 - due

    def test_claim_for_pays_the_holder_only(self, splitter, usd, earn, operator, stranger):
        earn(1_000 * USD)
        receipt = splitter.claimFor(operator, sender=stranger)
        assert receipt.return_value == usd.balanceOf(operator) == index_of(1_000 * USD)
        assert usd.balanceOf(stranger) == 0
        assert splitter.claim(stranger, sender=stranger).return_value == 0

    @pytest.mark.parametrize("bad", ["zero", "itself"])
    def test_refuses_a_receiver_that_would_lose_it(self, project, splitter, earn, operator, bad):
        earn(USD)
        receiver = ZERO if bad == "zero" else splitter.address
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.claim(receiver, sender=operator)
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.claimFor(receiver, sender=operator)
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.claimLeg(OPEX, receiver, sender=operator)


class TestLegs:
    def test_each_gets_its_part_to_its_address(
        self, project, splitter, usd, earn, lender, treasury, stranger
    ):
        earn(1_000 * USD)
        assert splitter.legClaimable(PROTOCOL) == 20 * USD
        receipt = splitter.claimLeg(PROTOCOL, stranger, sender=treasury)
        assert receipt.return_value == usd.balanceOf(stranger) == 20 * USD
        assert logs(receipt, project.RevenueSplitter.LegClaimed) == [
            {"leg": PROTOCOL, "receiver": stranger, "amount": 20 * USD}
        ]
        assert splitter.legClaimable(PROTOCOL) == 0
        assert splitter.legClaimable(RESERVE) == 33_300_000
        again = splitter.claimLeg(PROTOCOL, stranger, sender=treasury)
        assert (again.return_value, again.events) == (0, [])

    def test_rounds_down_and_the_rest_stays_due(self, splitter, usd, earn, treasury):
        paid = 0
        for received in range(10, 130, 10):
            earn(10)
            paid += splitter.claimLeg(PROTOCOL, treasury, sender=treasury).return_value
            assert paid == received * PROTOCOL_BPS // 10_000
        assert usd.balanceOf(treasury) == 2

    def test_legs_and_shares_never_take_more_than_came(self, splitter, earn, operator):
        for received in range(1, 40):
            earn(1)
            due = splitter.claimable(operator) + sum(splitter.legClaimable(leg) for leg in range(3))
            assert received - 3 <= due <= received

    def test_nobody_else_claims_or_moves_one(self, project, splitter, earn, operator, stranger):
        earn(USD)
        for caller in (operator, stranger):
            with reverts_with(project.RevenueSplitter.NotLegRecipient, leg=PROTOCOL, caller=caller):
                splitter.claimLeg(PROTOCOL, caller, sender=caller)
            with reverts_with(project.RevenueSplitter.NotLegRecipient, leg=PROTOCOL, caller=caller):
                splitter.moveLeg(PROTOCOL, caller, sender=caller)

    def test_an_unknown_one_is_refused(self, project, splitter, operator):
        with reverts_with(project.RevenueSplitter.UnknownLeg, leg=3, count=3):
            splitter.claimLeg(3, operator, sender=operator)
        with reverts_with(project.RevenueSplitter.UnknownLeg, leg=3, count=3):
            splitter.moveLeg(3, operator, sender=operator)
        with reverts_with(project.RevenueSplitter.UnknownLeg, leg=3, count=3):
            splitter.legClaimable(3)
        with reverts_with(project.RevenueSplitter.UnknownLeg, leg=4, count=3):
            splitter.legOf(4)

    def test_moves_with_all_it_is_owed(self, project, splitter, usd, earn, treasury, stranger):
        earn(500 * USD)
        receipt = splitter.moveLeg(PROTOCOL, stranger, sender=treasury)
        assert logs(receipt, project.RevenueSplitter.LegMoved) == [
            {"leg": PROTOCOL, "from": treasury, "to": stranger}
        ]
        assert tuple(splitter.legOf(PROTOCOL)) == (stranger, PROTOCOL_BPS, True)
        with reverts_with(project.RevenueSplitter.NotLegRecipient, leg=PROTOCOL, caller=treasury):
            splitter.claimLeg(PROTOCOL, treasury, sender=treasury)
        splitter.claimLeg(PROTOCOL, stranger, sender=stranger)
        assert usd.balanceOf(stranger) == 10 * USD

    @pytest.mark.parametrize("bad", ["zero", "itself"])
    def test_does_not_move_where_it_would_be_lost(self, project, splitter, treasury, bad):
        receiver = ZERO if bad == "zero" else splitter.address
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.moveLeg(PROTOCOL, receiver, sender=treasury)


class TestSync:
    def test_counts_a_plain_transfer_once(self, project, splitter, usd, owner, operator, stranger):
        usd.mint(splitter, 100 * USD, sender=owner)
        assert splitter.claimable(operator) == 0
        receipt = splitter.sync(usd, sender=stranger)
        assert receipt.return_value == 100 * USD
        assert logs(receipt, project.RevenueSplitter.Synced) == [
            {"token": usd, "amount": 100 * USD}
        ]
        assert splitter.claimable(operator) == index_of(100 * USD)
        assert splitter.legClaimable(PROTOCOL) == 2 * USD
        again = splitter.sync(usd, sender=stranger)
        assert (again.return_value, again.events) == (0, [])

    def test_does_not_take_rent_for_a_gift(self, splitter, usd, engine, earn, operator, stranger):
        for step in (lambda: None, lambda: engine.release(CAPACITY, sender=stranger)):
            earn(100 * USD)
            step()
            assert splitter.sync(usd, sender=stranger).return_value == 0
        splitter.claim(operator, sender=operator)
        assert splitter.sync(usd, sender=stranger).return_value == 0
        assert splitter.totals().received == 200 * USD

    def test_finds_a_gift_that_a_claim_was_paid_from(
        self, splitter, usd, engine, earn, owner, operator, stranger
    ):
        """The claim needed no pulling, so more was paid than had been counted as come in."""
        usd.mint(splitter, 1_000 * USD, sender=owner)
        earn(1_000 * USD)
        splitter.claim(operator, sender=operator)
        assert tuple(engine.revenueTotals(CAPACITY)) == (1_000 * USD, 0)
        assert splitter.sync(usd, sender=stranger).return_value == 1_000 * USD
        engine.release(CAPACITY, sender=stranger)
        assert splitter.sync(usd, sender=stranger).return_value == 0
        assert tuple(splitter.totals()) == (2_000 * USD, index_of(1_000 * USD))
        assert splitter.claimable(operator) == index_of(2_000 * USD) - index_of(1_000 * USD)

    def test_money_lost_from_outside_is_no_revenue(self, splitter, usd, engine, earn, owner):
        """Should an issuer seize the balance, sync does nothing, and nothing is counted twice."""
        earn(100 * USD)
        engine.release(CAPACITY, sender=owner)
        usd.burn(splitter, 40 * USD, sender=owner)
        assert splitter.sync(usd, sender=owner).return_value == 0
        usd.mint(splitter, 40 * USD, sender=owner)
        assert splitter.sync(usd, sender=owner).return_value == 0
        assert tuple(splitter.totals()) == (100 * USD, 0)

    def test_a_gift_beyond_all_money_is_counted_as_far_as_it_goes(
        self, splitter, usd, earn, owner, operator, tenant
    ):
        """The books have 110 bits for what came by plain transfer; the rest holds up nothing."""
        most = 2**110 - 1
        earn(1_000 * USD)
        usd.mint(splitter, 2**120, sender=owner)
        assert splitter.sync(usd, sender=operator).return_value == most
        assert splitter.sync(usd, sender=operator).return_value == 0
        due = index_of(1_000 * USD + most)
        assert splitter.claim(operator, sender=operator).return_value == due
        splitter.transfer(tenant, 1, sender=operator)

    def test_another_token_is_no_revenue(self, project, splitter, stage, owner, stranger):
        """Not even one that the factory's owner has allowed, before it is added."""
        other = stage.token()
        other.mint(splitter, USD, sender=owner)
        with reverts_with(project.RevenueSplitter.UnknownToken, token=other):
            splitter.sync(other, sender=stranger)
        with reverts_with(project.RevenueSplitter.UnknownToken, token=ZERO):
            splitter.sync(ZERO, sender=stranger)

    def test_happens_before_shares_move(self, project, splitter, usd, owner, operator, tenant):
        usd.mint(splitter, 100 * USD, sender=owner)
        receipt = splitter.transfer(tenant, SUPPLY, sender=operator)
        assert logs(receipt, project.RevenueSplitter.Synced) == [
            {"token": usd, "amount": 100 * USD}
        ]
        assert splitter.claimable(operator) == index_of(100 * USD)
        assert splitter.claimable(tenant) == 0
