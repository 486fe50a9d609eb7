"""ERC-20 and EIP-2612, as the standards say, of shares and of pooled shares alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_abi import encode
from eth_account.messages import encode_typed_data
from eth_utils import keccak

from derrick.testing import reverts_with
from tests.splitter_stage import FOREVER, SUPPLY, USD, ZERO, SplitterStage, logs

PERMIT2 = "0x000000000022D473030F116dDEE9F6B43aC78BA3"
HALF = SUPPLY // 2


@pytest.fixture(scope="module")
def stage(project, owner, operator, lender, treasury):
    return SplitterStage.deploy(project, owner, operator, lender, treasury)


@pytest.fixture(scope="module")
def splitter(stage):
    return stage.split()


@pytest.fixture(scope="module")
def pooled(project, stage, splitter, owner, operator):
    """Half of all shares, pooled before any dividend: they cost nothing besides."""
    factory = owner.deploy(project.PooledSharesFactory, stage.factory)
    factory.create(splitter, sender=owner)
    pooled = project.PooledShares.at(factory.pooledOf(splitter))
    splitter.approve(pooled, HALF, sender=operator)
    pooled.deposit(HALF, operator, [0], sender=operator)
    return pooled


@pytest.fixture(scope="module", params=["shares", "pooled shares"])
def token(request, splitter, pooled, stage):
    """Either token, half of all with the operator, dividends due besides."""
    stage.earn(1_000 * USD)
    return splitter if request.param == "shares" else pooled


class TestMetadata:
    def test_names_the_capacity(self, splitter, pooled):
        assert (splitter.name(), splitter.symbol()) == ("Derrick Capacity 7 Revenue", "dCAP-7")
        assert (pooled.name(), pooled.symbol()) == ("Pooled Derrick Capacity 7 Revenue", "pdCAP-7")

    def test_has_18_decimals_and_a_supply(self, splitter, pooled, operator):
        assert splitter.decimals() == pooled.decimals() == 18
        assert splitter.totalSupply() == SUPPLY
        assert pooled.totalSupply() == pooled.balanceOf(operator) == splitter.balanceOf(pooled)
        assert pooled.totalSupply() + splitter.balanceOf(operator) == SUPPLY


class TestTransfer:
    @pytest.mark.parametrize("amount", [0, 1, HALF])
    def test_moves_the_amount_and_says_so(self, token, operator, tenant, amount):
        supply = token.totalSupply()
        receipt = token.transfer(tenant, amount, sender=operator)
        assert receipt.return_value is True
        assert logs(receipt, token.Transfer) == [{"from": operator, "to": tenant, "amount": amount}]
        assert (token.balanceOf(operator), token.balanceOf(tenant)) == (HALF - amount, amount)
        assert token.totalSupply() == supply

    @pytest.mark.parametrize("amount", [0, 1, HALF])
    def test_to_oneself_changes_nothing_and_says_so(self, token, operator, amount):
        receipt = token.transfer(operator, amount, sender=operator)
        assert receipt.return_value is True
        assert logs(receipt, token.Transfer) == [
            {"from": operator, "to": operator, "amount": amount}
        ]
        assert token.balanceOf(operator) == HALF

    def test_of_nothing_by_somebody_with_nothing(self, token, tenant, stranger):
        receipt = token.transfer(tenant, 0, sender=stranger)
        assert logs(receipt, token.Transfer) == [{"from": stranger, "to": tenant, "amount": 0}]
        assert token.balanceOf(tenant) == token.balanceOf(stranger) == 0

    @pytest.mark.parametrize("amount", [HALF + 1, 2**90, 2**255, FOREVER])
    def test_of_more_than_held_is_refused(self, token, operator, tenant, amount):
        for receiver in (tenant, operator):
            with reverts_with(token.InsufficientBalance):
                token.transfer(receiver, amount, sender=operator)
        assert token.balanceOf(operator) == HALF

    def test_to_the_token_itself_is_refused(self, token, operator):
        with reverts_with(token.BadReceiver, receiver=token):
            token.transfer(token, 1, sender=operator)

    def test_to_nobody_is_refused_where_dividends_go_on(self, splitter, operator):
        with reverts_with(splitter.BadReceiver, receiver=ZERO):
            splitter.transfer(ZERO, 1, sender=operator)


class TestAllowance:
    @pytest.mark.parametrize("amount", [0, 1, FOREVER])
    def test_is_what_was_approved_last(self, token, operator, tenant, amount):
        token.approve(tenant, 77, sender=operator)
        receipt = token.approve(tenant, amount, sender=operator)
        assert receipt.return_value is True
        assert logs(receipt, token.Approval) == [
            {"owner": operator, "spender": tenant, "amount": amount}
        ]
        assert token.allowance(operator, tenant) == amount
        assert token.allowance(tenant, operator) == 0

    def test_is_spent(self, token, operator, tenant, stranger):
        token.approve(stranger, 10, sender=operator)
        receipt = token.transferFrom(operator, tenant, 7, sender=stranger)
        assert receipt.return_value is True
        assert logs(receipt, token.Transfer) == [{"from": operator, "to": tenant, "amount": 7}]
        assert token.allowance(operator, stranger) == 3
        assert token.balanceOf(tenant) == 7
        with reverts_with(token.InsufficientAllowance):
            token.transferFrom(operator, tenant, 4, sender=stranger)

    def test_without_end_stays(self, token, operator, tenant, stranger):
        token.approve(stranger, FOREVER, sender=operator)
        token.transferFrom(operator, tenant, HALF, sender=stranger)
        assert token.allowance(operator, stranger) == FOREVER

    def test_beyond_the_balance_moves_nothing(self, token, operator, tenant, stranger):
        token.approve(stranger, FOREVER, sender=operator)
        with reverts_with(token.InsufficientBalance):
            token.transferFrom(operator, tenant, HALF + 1, sender=stranger)

    def test_is_spent_where_holder_and_receiver_are_one(self, token, operator, stranger):
        token.approve(stranger, 10, sender=operator)
        token.transferFrom(operator, operator, 10, sender=stranger)
        assert token.allowance(operator, stranger) == 0
        assert token.balanceOf(operator) == HALF
        with reverts_with(token.InsufficientAllowance):
            token.transferFrom(operator, operator, 1, sender=stranger)

    def test_is_needed_by_the_holder_too(self, token, operator, tenant):
        with reverts_with(token.InsufficientAllowance):
            token.transferFrom(operator, tenant, 1, sender=operator)

    def test_is_not_needed_for_nothing(self, token, operator, tenant, stranger):
        token.transferFrom(operator, tenant, 0, sender=stranger)
        assert token.balanceOf(tenant) == 0

    def test_of_nobody_there_is_none(self, token, stranger):
        with reverts_with(token.InsufficientAllowance):
            token.transferFrom(ZERO, stranger, 1, sender=stranger)

    def test_of_permit2_there_is_none(self, token, operator, lane):
        assert token.allowance(operator, PERMIT2) == 0
        with reverts_with(token.InsufficientAllowance):
            lane.contract(token).send("transferFrom", operator, PERMIT2, 1, sender=PERMIT2)


Sign = Callable[..., tuple[int, bytes, bytes]]


class TestPermit:
    @pytest.fixture
    def sign(self, token, chain) -> Sign:
        fields = {
            "owner": "address",
            "spender": "address",
            "value": "uint256",
            "nonce": "uint256",
            "deadline": "uint256",
        }

        def run(
            holder: Any, spender: Any, value: int, deadline: int = FOREVER, **domain: Any
        ) -> tuple[int, bytes, bytes]:
            message = encode_typed_data(
                domain_data={
                    "name": token.name(),
                    "version": "1",
                    "chainId": chain.chain_id,
                    "verifyingContract": token.address,
                    **domain,
                },
                message_types={"Permit": [{"name": n, "type": t} for n, t in fields.items()]},
                message_data={
                    "owner": holder.address,
                    "spender": spender.address,
                    "value": value,
                    "nonce": token.nonces(holder),
                    "deadline": deadline,
                },
            )
            signature = holder.sign_message(message)
            return signature.v, bytes(signature.r), bytes(signature.s)

        return run

    def test_is_signed_for_this_token_on_this_chain(self, token, chain):
        kind = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
        parts = (keccak(text=kind), keccak(text=token.name()), keccak(text="1"))
        wanted = keccak(
            encode(
                ["bytes32", "bytes32", "bytes32", "uint256", "address"],
                [*parts, chain.chain_id, token.address],
            )
        )
        assert token.DOMAIN_SEPARATOR() == wanted

    @pytest.mark.parametrize("value", [0, 50, FOREVER])
    def test_is_brought_by_anyone_and_counts_up(
        self, token, sign, operator, tenant, stranger, value
    ):
        token.approve(tenant, 77, sender=operator)
        receipt = token.permit(
            operator, tenant, value, FOREVER, *sign(operator, tenant, value), sender=stranger
        )
        assert logs(receipt, token.Approval) == [
            {"owner": operator, "spender": tenant, "amount": value}
        ]
        assert token.allowance(operator, tenant) == value
        assert token.nonces(operator) == 1

    def test_lets_the_spender_spend(self, token, sign, operator, tenant):
        token.permit(operator, tenant, 50, FOREVER, *sign(operator, tenant, 50), sender=tenant)
        token.transferFrom(operator, tenant, 50, sender=tenant)
        assert (token.allowance(operator, tenant), token.balanceOf(tenant)) == (0, 50)

    def test_is_used_once(self, token, sign, operator, tenant, stranger):
        signature = sign(operator, tenant, 50)
        token.permit(operator, tenant, 50, FOREVER, *signature, sender=stranger)
        with reverts_with(token.InvalidPermit):
            token.permit(operator, tenant, 50, FOREVER, *signature, sender=stranger)

    def test_says_what_it_says(self, token, sign, operator, tenant, stranger):
        signature = sign(operator, tenant, 50, 2**40)
        for changed in (
            (tenant, tenant, 50, 2**40),
            (operator, stranger, 50, 2**40),
            (operator, tenant, 51, 2**40),
            (operator, tenant, 50, 2**41),
        ):
            with reverts_with(token.InvalidPermit):
                token.permit(*changed, *signature, sender=stranger)
        assert token.nonces(operator) == 0

    def test_of_another_token_or_chain_is_invalid(self, token, sign, operator, tenant, stranger):
        for domain in (
            {"name": "Derrick Capacity 8 Revenue"},
            {"version": "2"},
            {"chainId": 1},
            {"verifyingContract": stranger.address},
        ):
            with reverts_with(token.InvalidPermit):
                signature = sign(operator, tenant, 50, **domain)
                token.permit(operator, tenant, 50, FOREVER, *signature, sender=stranger)

    def test_lasts_to_the_last_second(self, token, sign, lane, operator, tenant, stranger):
        bound, deadline = lane.contract(token), lane.time + 100
        signature = sign(operator, tenant, 50, deadline)
        call = (operator, tenant, 50, deadline, *signature)
        late = bound.try_send("permit", *call, sender=stranger, at=deadline + 1)
        with reverts_with(token.PermitExpired):
            raise late
        bound.send("permit", *sign_again(sign, operator, tenant, lane), sender=stranger)
        assert token.allowance(operator, tenant) == 50

    def test_nobody_signs_for_nobody(self, token, tenant, stranger):
        with reverts_with(token.InvalidPermit):
            token.permit(ZERO, tenant, 1, FOREVER, 27, b"\1" * 32, b"\1" * 32, sender=stranger)


def sign_again(sign: Sign, holder: Any, spender: Any, lane: Any) -> tuple[Any, ...]:
    """A permit that expires with the next block, whose time is the second after this one."""
    deadline = lane.time + 1
    return (holder, spender, 50, deadline, *sign(holder, spender, 50, deadline))
