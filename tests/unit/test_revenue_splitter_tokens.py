"""RevenueSplitter: dividends in up to three tokens besides the stablecoin, each for itself."""

from __future__ import annotations

import pytest

from derrick.testing import reverts_with
from tests.splitter_stage import (
    NOT_PAID,
    OPEX,
    PROTOCOL,
    SUPPLY,
    USD,
    ZERO,
    SplitterStage,
    index_of,
    logs,
)

BTC = 10**8
HALF = SUPPLY // 2


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def bitcoin(stage):
    return stage.token()


@pytest.fixture(scope="module")
def splitter(stage, bitcoin, operator, tenant):
    """One that pays in bitcoin too, half its shares the tenant's."""
    splitter = stage.split()
    splitter.addToken(bitcoin, sender=operator)
    splitter.transfer(tenant, HALF, sender=operator)
    return splitter


@pytest.fixture
def mined(splitter, bitcoin, owner):
    """What the splitter has to pay to shares, of 10 bitcoin that came by plain transfer."""
    bitcoin.mint(splitter, 10 * BTC, sender=owner)
    assert splitter.sync(bitcoin, sender=owner).return_value == 10 * BTC
    return index_of(10 * BTC)


class TestAdding:
    def test_says_so(self, project, stage, bitcoin, operator):
        splitter = stage.split(capacity=8)
        receipt = splitter.addToken(bitcoin, sender=operator)
        assert logs(receipt, project.RevenueSplitter.TokenAdded) == [
            {"token": bitcoin, "position": 1}
        ]
        assert splitter.tokens() == [stage.usd, bitcoin]
        assert splitter.tokenCount() == 2
        assert splitter.dividendIndexOf(bitcoin) == 0

    def test_takes_three(self, project, stage, operator):
        splitter = stage.split(capacity=8)
        tokens = [stage.token(decimals) for decimals in (2, 8, 18, 6)]
        for token in tokens[:3]:
            splitter.addToken(token, sender=operator)
        assert splitter.tokens() == [stage.usd, *tokens[:3]]
        with reverts_with(project.RevenueSplitter.TooManyTokens, max=3):
            splitter.addToken(tokens[3], sender=operator)

    def test_takes_none_twice(self, project, stage, bitcoin, owner, operator):
        splitter = stage.split(capacity=8)
        splitter.addToken(bitcoin, sender=operator)
        stage.factory.setDividendToken(stage.usd, True, sender=owner)
        for token in (bitcoin, stage.usd):
            with reverts_with(project.RevenueSplitter.TokenKnown, token=token):
                splitter.addToken(token, sender=operator)

    def test_takes_only_what_the_factorys_owner_allows(self, project, stage, owner, operator):
        splitter = stage.split(capacity=8)
        other = owner.deploy(project.MockERC20, "Other", "OTH", 6)
        for token in (other, ZERO):
            with reverts_with(project.RevenueSplitter.TokenNotAllowed, token=token):
                splitter.addToken(token, sender=operator)

    def test_is_for_a_holder_of_all_shares(self, project, stage, bitcoin, operator, tenant, lane):
        splitter = stage.split(capacity=8)
        splitter.transfer(tenant, 1, sender=operator)
        for caller, shares in ((operator, SUPPLY - 1), (tenant, 1)):
            error = project.RevenueSplitter.NotSoleHolder
            with reverts_with(error, caller=caller, shares=shares, supply=SUPPLY):
                splitter.addToken(bitcoin, sender=caller)
        splitter.transfer(operator, 1, sender=tenant)
        lane.mine()
        splitter.addToken(bitcoin, sender=operator)

    def test_finds_what_is_here_already(self, project, stage, bitcoin, owner, operator, tenant):
        splitter = stage.split(capacity=8)
        bitcoin.mint(splitter, BTC, sender=owner)
        receipt = splitter.addToken(bitcoin, sender=operator)
        assert logs(receipt, project.RevenueSplitter.Synced) == [{"token": bitcoin, "amount": BTC}]
        splitter.transfer(tenant, SUPPLY, sender=operator)
        assert splitter.claimableOf(bitcoin, operator) == index_of(BTC)

    def test_what_was_added_stays_whatever_is_allowed_later(self, stage, splitter, bitcoin, owner):
        stage.factory.setDividendToken(bitcoin, False, sender=owner)
        bitcoin.mint(splitter, BTC, sender=owner)
        assert splitter.sync(bitcoin, sender=owner).return_value == BTC


class TestClaiming:
    def test_pays_all_tokens_at_once(
        self, project, stage, splitter, bitcoin, mined, tenant, stranger
    ):
        stage.earn(1_000 * USD)
        half = index_of(1_000 * USD) // 2
        assert splitter.claimable(tenant) == splitter.claimableOf(stage.usd, tenant) == half
        assert splitter.claimableOf(bitcoin, tenant) == mined // 2
        receipt = splitter.claim(stranger, sender=tenant)
        assert receipt.return_value == half
        assert stage.usd.balanceOf(stranger) == half
        assert bitcoin.balanceOf(stranger) == mined // 2
        assert logs(receipt, project.RevenueSplitter.DividendClaimed) == [
            {"holder": tenant, "receiver": stranger, "amount": half}
        ]
        assert logs(receipt, project.RevenueSplitter.TokenDividendClaimed) == [
            {"token": bitcoin, "holder": tenant, "receiver": stranger, "amount": mined // 2}
        ]
        assert tuple(splitter.totals()) == (1_000 * USD, half)
        assert tuple(splitter.totalsOf(bitcoin)) == (10 * BTC, mined // 2)
        again = splitter.claim(stranger, sender=tenant)
        assert (again.return_value, again.events) == (0, [])

    def test_pays_one_token(self, stage, splitter, bitcoin, mined, tenant, stranger):
        stage.earn(1_000 * USD)
        receipt = splitter.claimToken(bitcoin, stranger, sender=tenant)
        assert receipt.return_value == bitcoin.balanceOf(stranger) == mined // 2
        assert stage.usd.balanceOf(stranger) == 0
        half = index_of(1_000 * USD) // 2
        receipt = splitter.claimToken(stage.usd, stranger, sender=tenant)
        assert receipt.return_value == stage.usd.balanceOf(stranger) == half
        assert splitter.claim(stranger, sender=tenant).return_value == 0

    def test_for_a_holder_pays_the_holder(self, stage, splitter, bitcoin, mined, tenant, stranger):
        stage.earn(1_000 * USD)
        receipt = splitter.claimTokenFor(bitcoin, tenant, sender=stranger)
        assert receipt.return_value == bitcoin.balanceOf(tenant) == mined // 2
        splitter.claimFor(tenant, sender=stranger)
        assert stage.usd.balanceOf(tenant) == index_of(1_000 * USD) // 2
        assert stage.usd.balanceOf(stranger) == bitcoin.balanceOf(stranger) == 0

    def test_of_an_unknown_token_is_refused(self, project, splitter, stage, operator):
        other = stage.token()
        for call in (
            lambda: splitter.claimToken(other, operator, sender=operator),
            lambda: splitter.claimTokenFor(other, operator, sender=operator),
            lambda: splitter.claimLegToken(other, OPEX, operator, sender=operator),
            lambda: splitter.claimableOf(other, operator),
            lambda: splitter.claimableByLeg(other, OPEX),
            lambda: splitter.dividendIndexOf(other),
            lambda: splitter.totalsOf(other),
        ):
            with reverts_with(project.RevenueSplitter.UnknownToken, token=other):
                call()

    @pytest.mark.parametrize("bad", ["zero", "itself"])
    def test_refuses_a_receiver_that_would_lose_it(
        self, project, splitter, bitcoin, mined, tenant, bad
    ):
        receiver = ZERO if bad == "zero" else splitter.address
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.claimToken(bitcoin, receiver, sender=tenant)
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.claimTokenFor(bitcoin, receiver, sender=tenant)
        with reverts_with(project.RevenueSplitter.BadReceiver, receiver=receiver):
            splitter.claimLegToken(bitcoin, OPEX, receiver, sender=splitter.legOf(OPEX).recipient)

    def test_of_a_leg_pays_all_tokens_or_one(
        self, project, stage, splitter, bitcoin, mined, treasury, stranger
    ):
        stage.earn(1_000 * USD)
        assert splitter.claimableByLeg(bitcoin, PROTOCOL) == 20_000_000
        receipt = splitter.claimLegToken(bitcoin, PROTOCOL, stranger, sender=treasury)
        assert receipt.return_value == bitcoin.balanceOf(stranger) == 20_000_000
        assert logs(receipt, project.RevenueSplitter.TokenLegClaimed) == [
            {"token": bitcoin, "leg": PROTOCOL, "receiver": stranger, "amount": 20_000_000}
        ]
        bitcoin.mint(splitter, BTC, sender=stage.owner)
        splitter.sync(bitcoin, sender=stranger)
        receipt = splitter.claimLeg(PROTOCOL, stranger, sender=treasury)
        assert receipt.return_value == stage.usd.balanceOf(stranger) == 20 * USD
        assert bitcoin.balanceOf(stranger) == 22_000_000

    def test_of_a_leg_is_its_recipients(self, project, splitter, bitcoin, mined, stranger):
        error = project.RevenueSplitter.NotLegRecipient
        with reverts_with(error, leg=PROTOCOL, caller=stranger):
            splitter.claimLegToken(bitcoin, PROTOCOL, stranger, sender=stranger)


class TestMoving:
    def test_shares_leave_every_token_behind(
        self, stage, splitter, bitcoin, mined, operator, tenant, stranger
    ):
        stage.earn(1_000 * USD)
        splitter.transfer(stranger, HALF, sender=tenant)
        assert splitter.claimableOf(bitcoin, tenant) == mined // 2
        assert splitter.claimableOf(bitcoin, stranger) == 0
        bitcoin.mint(splitter, 10 * BTC, sender=stage.owner)
        splitter.sync(bitcoin, sender=stranger)
        new = index_of(20 * BTC) - mined
        assert splitter.claimableOf(bitcoin, tenant) == mined // 2
        assert splitter.claimableOf(bitcoin, stranger) == new // 2
        assert splitter.claimableOf(bitcoin, operator) == mined // 2 + new // 2


class TestTrouble:
    """A token that does not move holds up no other."""

    @pytest.fixture
    def frozen(self, project, stage, owner, operator, tenant):
        """A splitter with a second token that can be frozen, and one of each due to the tenant."""
        token = owner.deploy(project.FreezableCoin, 8)
        stage.factory.setDividendToken(token, True, sender=owner)
        splitter = stage.split(capacity=8)
        splitter.addToken(token, sender=operator)
        splitter.transfer(tenant, HALF, sender=operator)
        token.mint(splitter, BTC, sender=owner)
        splitter.sync(token, sender=owner)
        stage.earn(1_000 * USD, capacity=8)
        token.setPaused(True, sender=owner)
        return splitter, token

    def test_the_others_are_claimed_alone(self, stage, frozen, tenant, stranger, owner):
        splitter, token = frozen
        with reverts_with(NOT_PAID):
            splitter.claim(tenant, sender=tenant)
        with reverts_with(NOT_PAID):
            splitter.claimFor(tenant, sender=stranger)
        splitter.claimTokenFor(stage.usd, tenant, sender=stranger)
        assert stage.usd.balanceOf(tenant) == index_of(1_000 * USD) // 2
        token.setPaused(False, sender=owner)
        splitter.claim(tenant, sender=tenant)
        assert token.balanceOf(tenant) == index_of(BTC) // 2

    def test_legs_too(self, stage, frozen, treasury, stranger):
        splitter, _ = frozen
        with reverts_with(NOT_PAID):
            splitter.claimLeg(PROTOCOL, treasury, sender=treasury)
        splitter.claimLegToken(stage.usd, PROTOCOL, treasury, sender=treasury)
        assert stage.usd.balanceOf(treasury) == 20 * USD

    def test_shares_move(self, frozen, tenant, stranger):
        splitter, token = frozen
        splitter.transfer(stranger, HALF, sender=tenant)
        assert splitter.claimableOf(token, tenant) == index_of(BTC) // 2

    def test_shares_move_though_a_token_is_no_more(self, frozen, lane, tenant, stranger):
        """One whose code is gone answers nothing; what it owed stays in the books."""
        splitter, token = frozen
        lane.node.request("anvil_setCode", token.address, "0x")
        splitter.transfer(stranger, HALF, sender=tenant)
        assert splitter.claimableOf(token, tenant) == index_of(BTC) // 2
        splitter.claimToken(splitter.STABLECOIN(), tenant, sender=tenant)


@pytest.mark.parametrize("decimals", [2, 6, 8, 18])
@pytest.mark.parametrize("supply", [1, 3, 10**18, 10**27])
def test_any_decimals_and_any_supply(stage, project, owner, operator, tenant, decimals, supply):
    """The stablecoin's decimals, and those of the token beside it, from one base unit to 10^30."""
    usd = owner.deploy(project.MockERC20, "Dollar", "USD", decimals)
    other = stage.token(20 - decimals)
    splitter = stage.split(usd, capacity=9, supply=supply, legs=[])
    splitter.addToken(other, sender=operator)
    sold = supply // 3
    splitter.transfer(tenant, sold, sender=operator)
    came = 0
    for amount in (1, 10**decimals, 10**30):
        for token in (usd, other):
            token.mint(splitter, amount, sender=owner)
            assert splitter.sync(token, sender=owner).return_value == amount
        came += amount
        due = came - -(-came * 200 // 10_000)
        for token in (usd, other):
            assert splitter.dividendIndexOf(token) == due
            assert splitter.claimableOf(token, tenant) == due * sold // supply
            assert splitter.claimableOf(token, operator) == due * (supply - sold) // supply
    for token in (usd, other):
        splitter.claimTokenFor(token, tenant, sender=owner)
        assert token.balanceOf(tenant) == due * sold // supply
