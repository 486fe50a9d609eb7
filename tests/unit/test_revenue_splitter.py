"""RevenueSplitter: legs, exact dividends, pulling, plain transfers, and the ERC-20 shares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_account.messages import encode_typed_data

from derrick.fiat import FiatToken
from derrick.testing import reverts_with

USD = 10**6
SHARE = 10**18
SUPPLY = 1_000_000 * SHARE
CAPACITY = 7
ZERO = "0x" + "00" * 20
PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
FOREVER = 2**256 - 1
NOT_PAID = "TransferFailed()"
"""Solady's word for a token that does not pay, whatever its reason."""
OPEX_BPS = 1_500
RESERVE_BPS = 333
PROTOCOL_BPS = 200
SHARES_BPS = 10_000 - OPEX_BPS - RESERVE_BPS - PROTOCOL_BPS
OPEX, RESERVE, PROTOCOL = 0, 1, 2


@pytest.fixture(scope="module")
def usd(project, owner):
    return owner.deploy(project.MockERC20, "Dollar", "USD", 6)


@pytest.fixture(scope="module")
def engine(project, owner):
    return owner.deploy(project.MockRevenueSource)


@pytest.fixture(scope="module")
def factory(project, owner, engine, treasury):
    factory = owner.deploy(project.RevenueSplitterFactory, owner, engine, engine)
    factory.setProtocolLeg(PROTOCOL_BPS, treasury, sender=owner)
    return factory


@pytest.fixture(scope="module")
def split(project, factory, engine, operator, owner, lender) -> Callable[..., Any]:
    """Make the splitter of a capacity, all shares with the operator."""

    def make(token: Any, capacity: int = CAPACITY, supply: int = SUPPLY) -> Any:
        predicted = factory.predict(operator, capacity, token, supply)
        engine.setPayee(capacity, predicted, token, sender=owner)
        legs = [(operator, OPEX_BPS), (lender, RESERVE_BPS)]
        factory.create((capacity, supply, operator, legs, PROTOCOL_BPS), sender=operator)
        return project.RevenueSplitter.at(predicted)

    return make


@pytest.fixture(scope="module")
def splitter(split, usd):
    return split(usd)


@pytest.fixture(scope="module")
def earn(engine, usd, owner) -> Callable[[int], None]:
    """The engine settles epochs: it owes the splitter this much more, and has the money."""

    def run(amount: int) -> None:
        usd.mint(engine, amount, sender=owner)
        engine.earn(CAPACITY, amount, sender=owner)

    return run


def index_of(received: int) -> int:
    """All that is due to shares: the legs' part is rounded up."""
    legs_up = -(-received * (10_000 - SHARES_BPS) // 10_000)
    return received - legs_up


def logs(receipt: Any, event: Any) -> list[dict[str, Any]]:
    return [dict(log.event_arguments) for log in receipt.decode_logs(event)]


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
        assert tuple(splitter.legOf(OPEX)) == (operator, OPEX_BPS)
        assert tuple(splitter.legOf(RESERVE)) == (lender, RESERVE_BPS)
        assert tuple(splitter.legOf(PROTOCOL)) == (treasury, PROTOCOL_BPS)
        assert tuple(splitter.totals()) == (0, 0)
        assert splitter.dividendIndex() == 0

    def test_only_the_factory_initializes(self, project, splitter, operator, stranger):
        for caller in (operator, stranger):
            with reverts_with(project.RevenueSplitter.NotFactory, caller=caller):
                splitter.initialize(caller, [(caller, 9_000)], sender=caller)

    def test_nobody_owns_the_code_that_splitters_share(self, project, factory, stranger):
        shared = project.RevenueSplitter.at(factory.IMPLEMENTATION())
        assert shared.FACTORY() == factory
        assert shared.totalSupply() == 0
        with reverts_with(project.RevenueSplitter.NotFactory, caller=stranger):
            shared.initialize(stranger, [], sender=stranger)

    @pytest.mark.parametrize("bad", ["zero", "itself"])
    def test_refuses_a_holder_or_recipient_that_cannot_claim(
        self, project, engine, factory, usd, operator, owner, bad
    ):
        splitter = factory.predict(operator, 8, usd, SUPPLY)
        engine.setPayee(8, splitter, usd, sender=owner)
        receiver = ZERO if bad == "zero" else splitter
        for holder, legs in ((receiver, []), (operator, [(operator, 1), (receiver, 1)])):
            with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
                factory.create((8, SUPPLY, holder, legs, PROTOCOL_BPS), sender=operator)

    def test_money_from_before_is_the_first_holders(
        self, project, split, usd, engine, factory, operator, owner, stranger
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
        splitter.sync(sender=stranger)
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
        assert tuple(engine.revenueOf(CAPACITY)) == (1_000 * USD, 1_000 * USD)
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
        assert tuple(engine.revenueOf(CAPACITY)) == (1_000 * USD + 1, 1_000 * USD)

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
        assert tuple(splitter.legOf(PROTOCOL)) == (stranger, PROTOCOL_BPS)
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
        receipt = splitter.sync(sender=stranger)
        assert receipt.return_value == 100 * USD
        assert logs(receipt, project.RevenueSplitter.Synced) == [{"amount": 100 * USD}]
        assert splitter.claimable(operator) == index_of(100 * USD)
        assert splitter.legClaimable(PROTOCOL) == 2 * USD
        again = splitter.sync(sender=stranger)
        assert (again.return_value, again.events) == (0, [])

    def test_does_not_take_rent_for_a_gift(self, splitter, engine, earn, operator, stranger):
        for step in (lambda: None, lambda: engine.release(CAPACITY, sender=stranger)):
            earn(100 * USD)
            step()
            assert splitter.sync(sender=stranger).return_value == 0
        splitter.claim(operator, sender=operator)
        assert splitter.sync(sender=stranger).return_value == 0
        assert splitter.totals().received == 200 * USD

    def test_finds_a_gift_that_a_claim_was_paid_from(
        self, splitter, usd, engine, earn, owner, operator, stranger
    ):
        """The claim needed no pulling, so more was paid than had been counted as come in."""
        usd.mint(splitter, 1_000 * USD, sender=owner)
        earn(1_000 * USD)
        splitter.claim(operator, sender=operator)
        assert tuple(engine.revenueOf(CAPACITY)) == (1_000 * USD, 0)
        assert splitter.sync(sender=stranger).return_value == 1_000 * USD
        engine.release(CAPACITY, sender=stranger)
        assert splitter.sync(sender=stranger).return_value == 0
        assert tuple(splitter.totals()) == (2_000 * USD, index_of(1_000 * USD))
        assert splitter.claimable(operator) == index_of(2_000 * USD) - index_of(1_000 * USD)

    def test_money_lost_from_outside_is_no_revenue(self, splitter, usd, engine, earn, owner):
        """Should an issuer seize the balance, sync does nothing, and nothing is counted twice."""
        earn(100 * USD)
        engine.release(CAPACITY, sender=owner)
        usd.burn(splitter, 40 * USD, sender=owner)
        assert splitter.sync(sender=owner).return_value == 0
        usd.mint(splitter, 40 * USD, sender=owner)
        assert splitter.sync(sender=owner).return_value == 0
        assert tuple(splitter.totals()) == (100 * USD, 0)

    def test_a_gift_beyond_all_money_is_refused(self, splitter, usd, earn, owner, operator):
        """The books have 120 bits an amount; the refusal holds up nothing else."""
        earn(1_000 * USD)
        usd.mint(splitter, 2**120, sender=owner)
        with reverts_with("Overflow()"):
            splitter.sync(sender=operator)
        assert splitter.claim(operator, sender=operator).return_value == index_of(1_000 * USD)

    def test_another_token_is_not_revenue(self, project, splitter, owner, stranger):
        other = owner.deploy(project.MockERC20, "Other", "OTH", 6)
        other.mint(splitter, USD, sender=owner)
        assert splitter.sync(sender=stranger).return_value == 0


class TestTransfer:
    def test_moves_shares_and_no_past_dividend(self, splitter, usd, earn, operator, tenant):
        earn(1_000 * USD)
        due = splitter.claimable(operator)
        splitter.transfer(tenant, SUPPLY // 2, sender=operator)
        assert (splitter.claimable(operator), splitter.claimable(tenant)) == (due, 0)
        earn(1_000 * USD)
        new = index_of(2_000 * USD) - due
        assert (splitter.claimable(operator), splitter.claimable(tenant)) == (
            due + new // 2,
            new // 2,
        )
        splitter.transfer(operator, SUPPLY // 2, sender=tenant)
        assert splitter.balanceOf(tenant) == 0
        splitter.claim(tenant, sender=tenant)
        assert usd.balanceOf(tenant) == new // 2

    def test_says_so(self, project, splitter, operator, tenant):
        receipt = splitter.transfer(tenant, 5, sender=operator)
        assert receipt.return_value is True
        assert logs(receipt, project.RevenueSplitter.Transfer) == [
            {"from": operator, "to": tenant, "amount": 5}
        ]
        assert (splitter.balanceOf(operator), splitter.balanceOf(tenant)) == (SUPPLY - 5, 5)

    @pytest.mark.parametrize("amount", [0, 1, SUPPLY])
    def test_to_oneself_changes_nothing(self, splitter, earn, operator, amount):
        earn(1_000 * USD)
        due = splitter.claimable(operator)
        splitter.transfer(operator, amount, sender=operator)
        assert splitter.balanceOf(operator) == SUPPLY
        assert splitter.claimable(operator) == due
        earn(1_000 * USD)
        assert splitter.claimable(operator) == index_of(2_000 * USD)

    def test_of_nothing_changes_nothing(self, splitter, earn, operator, tenant):
        earn(1_000 * USD)
        due = splitter.claimable(operator)
        splitter.transfer(tenant, 0, sender=operator)
        splitter.transfer(operator, 0, sender=tenant)
        assert (splitter.claimable(operator), splitter.claimable(tenant)) == (due, 0)

    @pytest.mark.parametrize("amount", [SUPPLY + 1, 2**90, 2**255, FOREVER])
    def test_of_more_than_held_is_refused(self, project, splitter, earn, operator, tenant, amount):
        earn(1_000 * USD)
        with reverts_with(project.RevenueSplitter.InsufficientBalance):
            splitter.transfer(tenant, amount, sender=operator)
        splitter.approve(tenant, FOREVER, sender=operator)
        with reverts_with(project.RevenueSplitter.InsufficientBalance):
            splitter.transferFrom(operator, tenant, amount, sender=tenant)

    @pytest.mark.parametrize("bad", ["zero", "itself"])
    def test_where_dividends_would_be_lost_is_refused(self, project, splitter, operator, bad):
        receiver = ZERO if bad == "zero" else splitter.address
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.transfer(receiver, 1, sender=operator)
        splitter.approve(operator, 1, sender=operator)
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.transferFrom(operator, receiver, 1, sender=operator)

    def test_from_spends_the_allowance(self, project, splitter, earn, operator, tenant, stranger):
        earn(1_000 * USD)
        due = splitter.claimable(operator)
        splitter.approve(stranger, 10, sender=operator)
        splitter.transferFrom(operator, tenant, 7, sender=stranger)
        assert splitter.allowance(operator, stranger) == 3
        assert splitter.balanceOf(tenant) == 7
        assert (splitter.claimable(operator), splitter.claimable(tenant)) == (due, 0)
        with reverts_with(project.RevenueSplitter.InsufficientAllowance):
            splitter.transferFrom(operator, tenant, 4, sender=stranger)

    def test_from_leaves_an_unlimited_allowance(self, splitter, operator, tenant, stranger):
        splitter.approve(stranger, FOREVER, sender=operator)
        splitter.transferFrom(operator, tenant, 7, sender=stranger)
        assert splitter.allowance(operator, stranger) == FOREVER

    def test_from_nobody_moves_nothing(self, project, splitter, stranger):
        with reverts_with(project.RevenueSplitter.InsufficientAllowance):
            splitter.transferFrom(ZERO, stranger, 1, sender=stranger)

    def test_permit2_has_no_allowance_of_its_own(self, project, splitter, operator, lane):
        assert splitter.allowance(operator, PERMIT2) == 0
        with reverts_with(project.RevenueSplitter.InsufficientAllowance):
            lane.contract(splitter).send("transferFrom", operator, PERMIT2, 1, sender=PERMIT2)


class TestPermit:
    @pytest.fixture
    def sign(self, splitter, chain) -> Callable[..., tuple[int, bytes, bytes]]:
        fields = {
            "owner": "address",
            "spender": "address",
            "value": "uint256",
            "nonce": "uint256",
            "deadline": "uint256",
        }

        def run(holder: Any, spender: Any, value: int, deadline: int) -> tuple[int, bytes, bytes]:
            message = encode_typed_data(
                domain_data={
                    "name": splitter.name(),
                    "version": "1",
                    "chainId": chain.chain_id,
                    "verifyingContract": splitter.address,
                },
                message_types={"Permit": [{"name": n, "type": t} for n, t in fields.items()]},
                message_data={
                    "owner": holder.address,
                    "spender": spender.address,
                    "value": value,
                    "nonce": splitter.nonces(holder),
                    "deadline": deadline,
                },
            )
            signature = holder.sign_message(message)
            return signature.v, bytes(signature.r), bytes(signature.s)

        return run

    def test_lets_shares_be_pledged_in_one_transaction(
        self, project, splitter, sign, operator, tenant, stranger
    ):
        v, r, s = sign(operator, tenant, 50, FOREVER)
        with reverts_with(project.RevenueSplitter.InvalidPermit):
            splitter.permit(operator, tenant, 51, FOREVER, v, r, s, sender=stranger)
        splitter.permit(operator, tenant, 50, FOREVER, v, r, s, sender=stranger)
        assert splitter.allowance(operator, tenant) == 50
        with reverts_with(project.RevenueSplitter.InvalidPermit):
            splitter.permit(operator, tenant, 50, FOREVER, v, r, s, sender=stranger)
        splitter.transferFrom(operator, tenant, 50, sender=tenant)

    def test_expires(self, project, splitter, sign, chain, operator, tenant, stranger):
        deadline = chain.blocks.head.timestamp - 1
        v, r, s = sign(operator, tenant, 50, deadline)
        with reverts_with(project.RevenueSplitter.PermitExpired):
            splitter.permit(operator, tenant, 50, deadline, v, r, s, sender=stranger)

    def test_nobody_signs_for_nobody(self, project, splitter, tenant, stranger):
        with reverts_with(project.RevenueSplitter.InvalidPermit):
            splitter.permit(ZERO, tenant, 1, FOREVER, 27, b"\1" * 32, b"\1" * 32, sender=stranger)


class TestFrozen:
    """Invariant 12, with Circle's own code: whoever is frozen holds up nobody else."""

    @pytest.fixture(scope="class")
    def usdc(self, owner):
        return FiatToken.deploy(owner)

    @pytest.fixture(scope="class")
    def paid(self, split, usdc, engine, owner, operator, tenant):
        """A splitter in USDC that is owed 1,000, half its shares the tenant's."""
        splitter = split(usdc.token, capacity=11)
        splitter.transfer(tenant, SUPPLY // 2, sender=operator)
        usdc.mint(engine, 1_000 * USD)
        engine.earn(11, 1_000 * USD, sender=owner)
        return splitter

    def test_a_frozen_holder_claims_to_another_address(
        self, paid, usdc, operator, tenant, stranger
    ):
        usdc.blacklist(tenant)
        half = index_of(1_000 * USD) // 2
        with reverts_with(NOT_PAID):
            paid.claimFor(tenant, sender=stranger)
        assert paid.claimFor(operator, sender=stranger).return_value == half
        assert paid.claim(stranger, sender=tenant).return_value == half
        assert usdc.token.balanceOf(stranger) == half

    def test_a_frozen_holder_can_sell(self, paid, usdc, tenant, stranger):
        usdc.blacklist(tenant)
        due = paid.claimable(tenant)
        paid.transfer(stranger, SUPPLY // 2, sender=tenant)
        assert (paid.claimable(tenant), paid.claimable(stranger)) == (due, 0)

    def test_a_frozen_leg_claims_elsewhere_or_moves(self, paid, usdc, treasury, stranger):
        usdc.blacklist(treasury)
        with reverts_with(NOT_PAID):
            paid.claimLeg(PROTOCOL, treasury, sender=treasury)
        assert paid.claimLeg(PROTOCOL, stranger, sender=treasury).return_value == 20 * USD
        paid.moveLeg(PROTOCOL, stranger, sender=treasury)

    def test_a_frozen_engine_does_not_hold_up_what_is_here(
        self, paid, usdc, engine, owner, operator, tenant, stranger
    ):
        engine.release(11, sender=stranger)
        usdc.mint(engine, 100 * USD)
        engine.earn(11, 1, sender=owner)
        usdc.blacklist(engine)
        assert paid.claim(operator, sender=operator).return_value > 0
        assert paid.claim(tenant, sender=tenant).return_value > 0

    def test_a_paused_token_delays_payment_only(self, paid, usdc, operator, tenant, stranger):
        usdc.pause()
        due = paid.claimable(operator)
        with reverts_with(NOT_PAID):
            paid.claim(operator, sender=operator)
        assert paid.sync(sender=stranger).return_value == 0
        paid.transfer(tenant, SUPPLY // 2, sender=operator)
        usdc.unpause()
        assert paid.claim(operator, sender=operator).return_value == due
