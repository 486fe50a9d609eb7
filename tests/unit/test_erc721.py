"""Deeds and leases as tokens: EIP-721, EIP-165 and EIP-4906 for both; EIP-4907 for leases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import pytest
from eth_utils.crypto import keccak

from derrick.market import BPS, DAY, MAX_UINT256, NOBODY, Term
from derrick.telemetry import Report
from derrick.testing import isolated, reverts_with, reverts_with_panic

ERC165, ERC721, METADATA = 0x01FFC9A7, 0x80AC58CD, 0x5B5E139F
ERC4906, ERC4907 = 0x49064906, 0xAD092B5C
ENUMERABLE, RECEIVER, ERC20, ERC1155 = 0x780E9D63, 0x150B7A02, 0x36372B07, 0xD9B67A26

DOES_NOT_EXIST = "TokenDoesNotExist()"
NOT_APPROVED = "NotOwnerNorApproved()"
WRONG_OWNER = "TransferFromIncorrectOwner()"
TO_NOBODY = "TransferToZeroAddress()"
NO_RECEIVER = "TransferToNonERC721ReceiverImplementer()"


class Manner(IntEnum):
    """How NftReceiver answers."""

    ACCEPT = 0
    WRONG_WORD = 1
    SHORT_WORD = 2
    SILENT = 3
    REVERT = 4
    REVERT_EMPTY = 5
    PANIC = 6
    PASS_ON = 7


@dataclass(frozen=True)
class Token:
    """One of the two kinds of token, and how to get one."""

    contract: Any
    mint: Callable[[Any], int]
    name: str
    symbol: str
    to_itself: Callable[[], Any]
    """Expects the revert of a transfer to the token's own contract."""


@pytest.fixture
def lease_token(bench, tenant):
    def mint(to: Any) -> int:
        request = bench.request(to, units=1)
        paid = bench.lease.quote(request).paid
        bench.coin.mint(tenant, paid, sender=bench.owner)
        bench.coin.approve(bench.lease, paid, sender=tenant)
        return int(bench.lease.lease(request, sender=tenant).return_value)

    def to_itself() -> Any:
        return reverts_with(bench.lease.BadReceiver, receiver=bench.lease)

    return Token(bench.lease, mint, "Derrick Compute Lease", "DLEASE", to_itself)


@pytest.fixture
def deed_token(bench):
    def mint(to: Any) -> int:
        terms = [Term(1, 365, BPS)]
        receipt = bench.capacity.register(bench.config, terms, 1, to, sender=bench.operator)
        return int(receipt.return_value)

    def to_itself() -> Any:
        field = b"to".ljust(32, b"\0")
        return reverts_with(bench.capacity.BadAddress, field=field, value=bench.capacity)

    return Token(bench.capacity, mint, "Derrick Compute Capacity", "DCAP", to_itself)


@pytest.fixture(params=["deed", "lease"])
def token(request, deed_token, lease_token):
    return {"deed": deed_token, "lease": lease_token}[request.param]


@pytest.fixture
def holder(lender):
    """Somebody without any token so far."""
    return lender


@pytest.fixture
def buyer(other_lender):
    return other_lender


@pytest.fixture
def receiver(bench):
    return bench.project.NftReceiver.deploy(sender=bench.owner)


def transfer(token, sender, *arguments):
    return token.contract.transferFrom(*arguments, sender=sender)


def safe_transfer(token, sender, *arguments):
    return token.contract.safeTransferFrom(*arguments, sender=sender)


def safe_transfer_with_data(token, sender, *arguments):
    return token.contract.safeTransferFrom(*arguments, b"data", sender=sender)


TRANSFERS = pytest.mark.parametrize("move", [transfer, safe_transfer, safe_transfer_with_data])


# ---- EIP-165


def supports(contract, interface: int) -> bool:
    return contract.supportsInterface(interface.to_bytes(4, "big"))


@pytest.mark.parametrize("interface", [ERC165, ERC721, METADATA])
def test_it_says_what_it_is(token, interface):
    assert supports(token.contract, interface)


@pytest.mark.parametrize("interface", [0xFFFFFFFF, 0, ENUMERABLE, RECEIVER, ERC20, ERC1155])
def test_it_does_not_say_what_it_is_not(token, interface):
    assert not supports(token.contract, interface)


@pytest.mark.parametrize(
    ("interface", "functions"),
    [
        (ERC165, ["supportsInterface(bytes4)"]),
        (METADATA, ["name()", "symbol()", "tokenURI(uint256)"]),
        (
            ERC4907,
            ["setUser(uint256,address,uint64)", "userOf(uint256)", "userExpires(uint256)"],
        ),
    ],
)
def test_an_interface_is_its_functions(bench, interface, functions):
    """The exclusive or of their selectors, and the lease has them all."""
    selectors = [keccak(text=function)[:4] for function in functions]
    number = 0
    for selector in selectors:
        number ^= int.from_bytes(selector, "big")
    assert number == interface
    code = bench.lane.node.request("eth_getCode", bench.lease.address, "latest")
    assert all(selector.hex().lstrip("0") in code for selector in selectors)


def test_both_say_when_they_change_and_only_leases_have_users(bench):
    assert supports(bench.lease, ERC4906)
    assert supports(bench.capacity, ERC4906)
    assert supports(bench.lease, ERC4907)
    assert not supports(bench.capacity, ERC4907)


def test_the_question_costs_less_than_30000_gas(token):
    """As EIP-165 asks; a transaction's own 21,000 come on top."""
    data = token.contract.supportsInterface.encode_input(ERC721.to_bytes(4, "big"))
    message = {"to": token.contract.address, "data": data.hex(), "gas": hex(21_000 + 30_000)}
    node = token.contract.provider
    assert int(node.make_request("eth_call", [message, "latest"]), 16) == 1


def test_name_and_symbol(token):
    assert (token.contract.name(), token.contract.symbol()) == (token.name, token.symbol)


# ---- owners and balances


def test_minting_is_a_transfer_from_nobody(token, holder):
    assert token.contract.balanceOf(holder) == 0
    first = token.mint(holder)
    second = token.mint(holder)
    assert token.contract.balanceOf(holder) == 2
    assert token.contract.ownerOf(first) == token.contract.ownerOf(second) == holder
    assert token.contract.getApproved(first) == NOBODY


def test_the_events_of_minting(bench, token, holder):
    number = token.mint(holder)
    height = bench.lane.block_number
    logs = token.contract.provider.make_request(
        "eth_getLogs",
        [{"address": token.contract.address, "fromBlock": hex(height), "toBlock": hex(height)}],
    )
    transfer_topic = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    found = [log["topics"][1:] for log in logs if log["topics"][0] == transfer_topic]
    assert [[int(topic, 16) for topic in topics] for topics in found] == [
        [0, int(holder.address, 16), number]
    ]


@pytest.mark.parametrize("unknown", [0, 10**6, MAX_UINT256])
def test_what_does_not_exist_has_no_owner(token, holder, buyer, unknown):
    for call in (
        lambda: token.contract.ownerOf(unknown),
        lambda: token.contract.getApproved(unknown),
        lambda: token.contract.approve(buyer, unknown, sender=holder),
        lambda: transfer(token, holder, holder, buyer, unknown),
        lambda: safe_transfer(token, holder, holder, buyer, unknown),
    ):
        with reverts_with(DOES_NOT_EXIST):
            call()


def test_nobody_has_no_balance(token):
    with reverts_with("BalanceQueryForZeroAddress()"):
        token.contract.balanceOf(NOBODY)


# ---- transfers


@TRANSFERS
def test_a_holder_transfers(token, holder, buyer, move):
    number = token.mint(holder)
    kept = token.mint(holder)
    receipt = move(token, holder, holder, buyer, number)
    assert receipt.events == [
        token.contract.Transfer(**{"from": holder.address, "to": buyer.address, "id": number})
    ]
    assert token.contract.ownerOf(number) == buyer
    assert token.contract.ownerOf(kept) == holder
    assert [token.contract.balanceOf(each) for each in (holder, buyer)] == [1, 1]


@TRANSFERS
def test_a_transfer_to_oneself_changes_nothing(token, holder, move):
    number = token.mint(holder)
    receipt = move(token, holder, holder, holder, number)
    assert receipt.events == [
        token.contract.Transfer(**{"from": holder.address, "to": holder.address, "id": number})
    ]
    assert token.contract.ownerOf(number) == holder
    assert token.contract.balanceOf(holder) == 1


@TRANSFERS
def test_who_may_not_transfer(token, holder, buyer, stranger, move):
    number = token.mint(holder)
    for sender in (stranger, buyer):
        with reverts_with(NOT_APPROVED):
            move(token, sender, holder, buyer, number)
    token.contract.approve(stranger, token.mint(holder), sender=holder)
    with reverts_with(NOT_APPROVED):
        move(token, stranger, holder, buyer, number)
    assert token.contract.ownerOf(number) == holder


@TRANSFERS
def test_a_transfer_names_the_owner(token, holder, buyer, stranger, move):
    number = token.mint(holder)
    for wrong in (buyer, stranger, NOBODY):
        with reverts_with(WRONG_OWNER):
            move(token, holder, wrong, buyer, number)
    token.contract.setApprovalForAll(stranger, True, sender=buyer)
    with reverts_with(WRONG_OWNER):
        move(token, stranger, buyer, stranger, number)


@TRANSFERS
def test_a_transfer_goes_to_somebody(token, holder, move):
    number = token.mint(holder)
    with reverts_with(TO_NOBODY):
        move(token, holder, holder, NOBODY, number)
    with token.to_itself():
        move(token, holder, holder, token.contract, number)


def test_a_sold_token_is_no_longer_the_sellers(token, holder, buyer):
    number = token.mint(holder)
    transfer(token, holder, holder, buyer, number)
    with reverts_with(WRONG_OWNER):
        transfer(token, holder, holder, buyer, number)
    with reverts_with(NOT_APPROVED):
        transfer(token, holder, buyer, holder, number)


# ---- approvals


def test_one_token_is_approved_and_taken(token, holder, buyer, stranger):
    number = token.mint(holder)
    receipt = token.contract.approve(stranger, number, sender=holder)
    assert receipt.events == [
        token.contract.Approval(owner=holder.address, account=stranger.address, id=number)
    ]
    assert token.contract.getApproved(number) == stranger
    transfer(token, stranger, holder, buyer, number)
    assert token.contract.ownerOf(number) == buyer
    assert token.contract.getApproved(number) == NOBODY
    with reverts_with(NOT_APPROVED):
        transfer(token, stranger, buyer, stranger, number)


@TRANSFERS
def test_any_transfer_ends_an_approval(token, holder, buyer, stranger, move):
    number = token.mint(holder)
    token.contract.approve(stranger, number, sender=holder)
    move(token, holder, holder, buyer, number)
    assert token.contract.getApproved(number) == NOBODY
    move(token, buyer, buyer, holder, number)
    with reverts_with(NOT_APPROVED):
        move(token, stranger, holder, stranger, number)


def test_an_approval_is_replaced_and_taken_back(token, holder, buyer, stranger):
    number = token.mint(holder)
    token.contract.approve(stranger, number, sender=holder)
    token.contract.approve(buyer, number, sender=holder)
    with reverts_with(NOT_APPROVED):
        transfer(token, stranger, holder, stranger, number)
    receipt = token.contract.approve(NOBODY, number, sender=holder)
    assert receipt.events == [
        token.contract.Approval(owner=holder.address, account=NOBODY, id=number)
    ]
    assert token.contract.getApproved(number) == NOBODY
    with reverts_with(NOT_APPROVED):
        transfer(token, buyer, holder, buyer, number)


def test_only_holder_and_operator_approve(token, holder, buyer, stranger):
    number = token.mint(holder)
    with reverts_with(NOT_APPROVED):
        token.contract.approve(stranger, number, sender=stranger)
    token.contract.approve(stranger, number, sender=holder)
    with reverts_with(NOT_APPROVED):
        token.contract.approve(buyer, number, sender=stranger)
    token.contract.setApprovalForAll(buyer, True, sender=holder)
    token.contract.approve(buyer, number, sender=buyer)
    assert token.contract.getApproved(number) == buyer


def test_an_operator_takes_all_tokens_also_later_ones(token, holder, buyer, stranger):
    first = token.mint(holder)
    receipt = token.contract.setApprovalForAll(stranger, True, sender=holder)
    assert receipt.events == [
        token.contract.ApprovalForAll(
            owner=holder.address, operator=stranger.address, isApproved=True
        )
    ]
    assert token.contract.isApprovedForAll(holder, stranger)
    assert not token.contract.isApprovedForAll(stranger, holder)
    assert not token.contract.isApprovedForAll(holder, buyer)
    second = token.mint(holder)
    for number in (first, second):
        safe_transfer(token, stranger, holder, buyer, number)
    assert token.contract.balanceOf(buyer) == 2
    with reverts_with(NOT_APPROVED):
        transfer(token, stranger, buyer, holder, first)


def test_an_operator_is_dismissed(token, holder, buyer, stranger):
    number = token.mint(holder)
    token.contract.setApprovalForAll(stranger, True, sender=holder)
    token.contract.setApprovalForAll(buyer, True, sender=holder)
    receipt = token.contract.setApprovalForAll(stranger, False, sender=holder)
    assert receipt.events == [
        token.contract.ApprovalForAll(
            owner=holder.address, operator=stranger.address, isApproved=False
        )
    ]
    assert not token.contract.isApprovedForAll(holder, stranger)
    with reverts_with(NOT_APPROVED):
        transfer(token, stranger, holder, buyer, number)
    transfer(token, buyer, holder, buyer, number)


# ---- receivers


SAFE = pytest.mark.parametrize(
    ("move", "data"), [(safe_transfer, b""), (safe_transfer_with_data, b"data")]
)


@SAFE
def test_a_contract_accepts(token, holder, stranger, receiver, move, data):
    """And hears who sent it, whose it was, which it is, and what was said."""
    number = token.mint(holder)
    token.contract.approve(stranger, number, sender=holder)
    move(token, stranger, holder, receiver, number)
    assert token.contract.ownerOf(number) == receiver
    assert receiver.calls() == 1
    assert receiver.heard() == (stranger, holder, number, data)


@SAFE
@pytest.mark.parametrize("manner", [Manner.WRONG_WORD, Manner.SHORT_WORD, Manner.SILENT])
def test_a_contract_must_say_the_word(bench, token, holder, receiver, move, data, manner):
    number = token.mint(holder)
    receiver.setManner(manner, NOBODY, sender=bench.owner)
    with reverts_with(NO_RECEIVER):
        move(token, holder, holder, receiver, number)
    assert token.contract.ownerOf(number) == holder
    assert (token.contract.balanceOf(holder), token.contract.balanceOf(receiver)) == (1, 0)


@SAFE
def test_a_contract_refuses_in_its_own_words(bench, token, holder, receiver, move, data):
    number = token.mint(holder)
    receiver.setManner(Manner.REVERT, NOBODY, sender=bench.owner)
    with reverts_with(receiver.Refused, token=token.contract, id=number):
        move(token, holder, holder, receiver, number)
    receiver.setManner(Manner.PANIC, NOBODY, sender=bench.owner)
    with reverts_with_panic(0x01):
        move(token, holder, holder, receiver, number)
    receiver.setManner(Manner.REVERT_EMPTY, NOBODY, sender=bench.owner)
    with reverts_with(NO_RECEIVER):
        move(token, holder, holder, receiver, number)
    assert token.contract.ownerOf(number) == holder


@SAFE
def test_a_contract_without_the_hook_refuses(bench, token, holder, move, data):
    number = token.mint(holder)
    with reverts_with(NO_RECEIVER):
        move(token, holder, holder, bench.coin, number)


def test_a_plain_transfer_asks_nobody(bench, token, holder, receiver):
    number = token.mint(holder)
    receiver.setManner(Manner.REVERT, NOBODY, sender=bench.owner)
    transfer(token, holder, holder, receiver, number)
    assert token.contract.ownerOf(number) == receiver
    assert receiver.calls() == 0


@SAFE
def test_a_contract_may_pass_it_on_at_once(bench, token, holder, buyer, receiver, move, data):
    """It owns the token by the time it is asked: nothing is written after the hook."""
    number = token.mint(holder)
    receiver.setManner(Manner.PASS_ON, buyer, sender=bench.owner)
    receipt = move(token, holder, holder, receiver, number)
    assert receipt.events == [
        token.contract.Transfer(**{"from": a.address, "to": b.address, "id": number})
        for a, b in ((holder, receiver), (receiver, buyer))
    ]
    assert token.contract.ownerOf(number) == buyer
    assert token.contract.balanceOf(receiver) == 0


def test_a_deed_can_be_registered_to_who_refuses_nfts(bench, deed_token, receiver):
    receiver.setManner(Manner.REVERT, NOBODY, sender=bench.owner)
    number = deed_token.mint(receiver)
    assert bench.capacity.ownerOf(number) == receiver
    assert receiver.calls() == 0
    data = bench.capacity.setOpen.encode_input(number, False)
    receiver.run(bench.capacity, data, sender=bench.owner)
    assert not bench.capacity.isOpen(number)


def test_a_lease_to_who_refuses_nfts_blocks_nothing_and_loses_nothing(
    bench, owner, tenant, stranger, receiver
):
    """No hook at signing; what is due to the holder is kept, not pushed."""
    receiver.setManner(Manner.REVERT, NOBODY, sender=owner)
    bench.capacity.addTerm(1, Term(1, 365, BPS, preemptible=True), sender=bench.operator)
    request = bench.request(receiver, term=2, start=0, end=4)
    rent, paid, _ = bench.lease.quote(request)
    bench.coin.mint(tenant, paid, sender=owner)
    bench.coin.approve(bench.lease, paid, sender=tenant)
    lease = bench.lease.lease(request, sender=tenant).return_value
    assert bench.lease.ownerOf(lease) == receiver
    assert receiver.calls() == 0
    assert bench.coin.balanceOf(bench.lease) == paid

    # The epochs settle, the payee is paid, and spot leases can be taken back from it.
    bench.settle(0, 9_900)
    bench.settle(1)
    before = bench.coin.balanceOf(bench.operator)
    bench.lease.release(1, sender=stranger)
    credit = 10 * rent * 1_000 // BPS
    assert bench.coin.balanceOf(bench.operator) == before + 2 * 10 * rent - credit
    bench.lease.preempt(lease, sender=bench.operator)
    assert bench.lease.refundOf(bench.coin, receiver) == 10 * rent

    # All that is its own it can fetch.
    for data in (
        bench.lease.withdrawRefund.encode_input(bench.coin, stranger),
        bench.lease.claimCredit.encode_input(lease, stranger),
    ):
        receiver.run(bench.lease, data, sender=owner)
    assert bench.coin.balanceOf(stranger) == 10 * rent + credit
    bench.settle(2)
    bench.lease.release(1, sender=stranger)
    assert bench.coin.balanceOf(bench.lease) == 0


# ---- burning


def test_a_burnt_lease_is_gone(bench, lease_token, holder, stranger):
    """One that is ended before it starts; its approval and user go with it."""
    bench.capacity.addTerm(1, Term(1, 365, BPS, 0, 0), sender=bench.operator)
    lease = bench.sign_lease(holder, term=2)
    kept = lease_token.mint(holder)
    bench.lease.approve(stranger, lease, sender=holder)
    bench.lease.setUser(lease, holder, bench.origin + DAY, sender=holder)
    receipt = bench.lease.terminate(lease, sender=stranger)
    [event] = receipt.events.filter(bench.lease.Transfer)
    assert event.event_arguments == {"from": holder.address, "to": NOBODY, "id": lease}
    [event] = receipt.events.filter(bench.lease.UpdateUser)
    assert event.event_arguments == {"tokenId": lease, "user": NOBODY, "expires": 0}
    assert receipt.events.filter(bench.lease.MetadataUpdate) == []
    assert bench.lease.balanceOf(holder) == 1
    for call in (bench.lease.ownerOf, bench.lease.getApproved):
        with reverts_with(DOES_NOT_EXIST):
            call(lease)
    assert bench.lease.userOf(lease) == NOBODY
    assert bench.lease.ownerOf(kept) == holder


# ---- EIP-4906: both say when their metadata changes


def test_deeds_say_that_the_metadata_changed(bench, guardian):
    deeds, operator = bench.capacity, bench.operator
    bench.telemetry.setGuardian(guardian, sender=bench.owner)
    module = bench.project.UtilizationPricing.deploy(deeds, bench.lease, sender=bench.owner)
    before = deeds.tokenURI(1)
    for change in (
        lambda: deeds.setPrice(1, deeds.priceOf(1) + 10**6, sender=operator),
        lambda: deeds.setPricing(1, module, sender=operator),
        lambda: deeds.setOpen(1, False, sender=operator),
        lambda: deeds.pause(1, sender=guardian),
    ):
        with isolated(bench.lane):
            receipt = change()
            assert [log._tokenId for log in receipt.events.filter(deeds.MetadataUpdate)] == [1]
            assert deeds.tokenURI(1) != before
    deeds.pause(1, sender=guardian)
    receipt = deeds.unpause(1, sender=guardian)
    assert [log._tokenId for log in receipt.events.filter(deeds.MetadataUpdate)] == [1]
    bench.attest_units(1, 7)
    [*_, event] = deeds.MetadataUpdate.range(bench.lane.block_number, bench.lane.block_number + 1)
    assert event._tokenId == 1
    assert deeds.tokenURI(1) != before


@pytest.fixture
def rolling(bench, owner, holder):
    """A lease of 10 units over epochs 2 … 11, paid to epoch 5, with a deposit of three epochs."""
    bench.capacity.addTerm(1, Term(1, 365, BPS, 1, 3), sender=bench.operator)
    lease = bench.sign_lease(holder, term=2)
    bench.coin.mint(holder, 10**15, sender=owner)
    bench.coin.approve(bench.lease, MAX_UINT256, sender=holder)
    bench.lease.topUp(lease, 2, sender=holder)
    return lease


def updated(bench, receipt) -> list[int]:
    """The tokens whose metadata are said to have changed."""
    events = receipt.events.filter(bench.lease.MetadataUpdate)
    return [event.event_arguments["_tokenId"] for event in events]


def test_edits_say_that_the_metadata_changed(bench, rolling, holder, stranger):
    lease = bench.lease
    for edit in (
        lambda: lease.topUp(rolling, 1, sender=stranger),
        lambda: lease.splitUnits(rolling, 4, sender=holder),
        lambda: lease.splitAt(rolling, 4, sender=holder),
        lambda: lease.setUser(rolling, stranger, bench.origin + DAY, sender=holder),
        lambda: lease.terminate(rolling, sender=holder),
    ):
        with isolated(bench.lane):
            bench.coin.mint(stranger, 10**12, sender=bench.owner)
            bench.coin.approve(lease, MAX_UINT256, sender=stranger)
            assert updated(bench, edit()) == [rolling]


def test_a_merger_changes_what_is_left(bench, rolling, holder):
    part = bench.lease.splitUnits(rolling, 4, sender=holder).return_value
    receipt = bench.lease.merge(rolling, part, sender=holder)
    assert updated(bench, receipt) == [rolling]
    [event] = receipt.events.filter(bench.lease.Transfer)
    assert event.event_arguments == {"from": holder.address, "to": NOBODY, "id": part}


def test_giving_the_use_up_changes_a_lease(bench, rolling, holder, stranger):
    bench.lease.setUser(rolling, stranger, bench.origin + DAY, sender=holder)
    receipt = bench.lease.renounceUser(rolling, sender=stranger)
    assert updated(bench, receipt) == [rolling]


def test_a_lapse_changes_a_lease(bench, rolling, stranger):
    bench.go_to_epoch(5)
    receipt = bench.lease.lapse(rolling, sender=stranger)
    assert updated(bench, receipt) == [rolling]


def test_leaving_for_cause_changes_a_lease(bench, rolling, holder):
    bench.lease.topUp(rolling, 4, sender=holder)
    for epoch in (0, 1):
        bench.settle(epoch)
    for epoch in range(2, 7):
        bench.settle(epoch, 0)
    receipt = bench.lease.exitForCause(rolling, sender=holder)
    assert updated(bench, receipt) == [rolling]


def spot(bench, holder, **changes) -> int:
    bench.capacity.addTerm(1, Term(1, 365, 5_000, preemptible=True), sender=bench.operator)
    term = bench.capacity.termCount(1) - 1
    return bench.sign_lease(holder, term=term, **changes)


def test_taking_a_spot_lease_back_changes_it(bench, holder):
    lease = spot(bench, holder)
    bench.go_to_epoch(3)
    receipt = bench.lease.preempt(lease, sender=bench.operator)
    assert updated(bench, receipt) == [lease]


def test_an_eviction_changes_the_victims(bench, holder, tenant, owner):
    """One loses its last epochs whole. Of the other some units are left, and what is taken is
    split off and shortened."""
    whole = spot(bench, holder, units=60)
    partly = spot(bench, holder, units=40)
    request = bench.request(tenant, units=70, start=5)
    _, paid, missing = bench.lease.quote(request)
    assert missing == 70
    bench.coin.mint(tenant, paid, sender=owner)
    bench.coin.approve(bench.lease, paid, sender=tenant)
    receipt = bench.lease.leaseEvicting(request, [whole, partly], sender=tenant)
    part = receipt.return_value - 1
    assert updated(bench, receipt) == [whole, partly, part]
    assert [bench.lease.leaseOf(each).end for each in (whole, partly, part)] == [5, 12, 5]


def test_what_changes_no_metadata_says_nothing(bench, rolling, holder, buyer, stranger):
    """Nor do time and settlement."""
    report = Report(1, 0, BPS, 0, 0)
    lease = bench.lease
    calls = [
        lambda: lease.approve(stranger, rolling, sender=holder),
        lambda: lease.setApprovalForAll(stranger, True, sender=holder),
        lambda: lease.transferFrom(holder, buyer, rolling, sender=holder),
        lambda: lease.settle(report.as_tuple(), bench.post(report).proof(report), sender=holder),
        lambda: lease.release(1, sender=holder),
        lambda: lease.claimCredit(rolling, buyer, sender=buyer),
        lambda: lease.lease(bench.request(buyer, units=1, start=20, end=21), sender=holder),
    ]
    assert [updated(bench, call()) for call in calls] == [[]] * len(calls)


# ---- EIP-4907: the user of a lease


def test_a_user_is_set(bench, rolling, holder, stranger):
    until = bench.origin + 3 * DAY
    assert (bench.lease.userOf(rolling), bench.lease.userExpires(rolling)) == (NOBODY, 0)
    receipt = bench.lease.setUser(rolling, stranger, until, sender=holder)
    [event] = receipt.events.filter(bench.lease.UpdateUser)
    assert event.event_arguments == {
        "tokenId": rolling,
        "user": stranger.address,
        "expires": until,
    }
    assert bench.lease.userOf(rolling) == stranger
    assert bench.lease.userExpires(rolling) == until
    assert bench.lease.ownerOf(rolling) == holder


def test_a_user_is_user_up_to_his_last_second(bench, rolling, holder, stranger):
    until = bench.origin + 3 * DAY
    bench.lease.setUser(rolling, stranger, until, sender=holder)
    bench.lane.mine(at=until)
    assert bench.lease.userOf(rolling) == stranger
    bench.lane.mine(at=until + 1)
    assert bench.lease.userOf(rolling) == NOBODY
    assert bench.lease.userExpires(rolling) == until
    bench.lease.setUser(rolling, holder, until + DAY, sender=holder)
    assert bench.lease.userOf(rolling) == holder


@TRANSFERS
def test_a_user_outlives_a_transfer(bench, lease_token, rolling, holder, buyer, stranger, move):
    until = bench.origin + 3 * DAY
    bench.lease.setUser(rolling, stranger, until, sender=holder)
    receipt = move(lease_token, holder, holder, buyer, rolling)
    assert receipt.events.filter(bench.lease.UpdateUser) == []
    assert bench.lease.userOf(rolling) == stranger
    assert bench.lease.userExpires(rolling) == until
    with reverts_with(bench.lease.UserHolds, lease=rolling, user=stranger, expires=until):
        bench.lease.setUser(rolling, buyer, until, sender=buyer)


def test_who_may_set_a_user(bench, rolling, holder, buyer, stranger):
    """Holder, approved and operator, as EIP-4907 has it."""
    until = bench.origin + 3 * DAY
    with reverts_with(bench.lease.NotTenant, lease=rolling, caller=stranger):
        bench.lease.setUser(rolling, stranger, until, sender=stranger)
    with isolated(bench.lane):
        bench.lease.approve(stranger, rolling, sender=holder)
        bench.lease.setUser(rolling, buyer, until, sender=stranger)
        assert bench.lease.userOf(rolling) == buyer
    bench.lease.setApprovalForAll(stranger, True, sender=holder)
    bench.lease.setUser(rolling, buyer, until, sender=stranger)
    assert bench.lease.userOf(rolling) == buyer


def test_a_user_moves_nothing(bench, rolling, holder, stranger):
    """The use of a lease is not the lease."""
    bench.lease.setUser(rolling, stranger, bench.origin + 3 * DAY, sender=holder)
    with reverts_with(NOT_APPROVED):
        bench.lease.transferFrom(holder, stranger, rolling, sender=stranger)
    with reverts_with(bench.lease.NotTenant, lease=rolling, caller=stranger):
        bench.lease.terminate(rolling, sender=stranger)
    with reverts_with(bench.lease.NotTenant, lease=rolling, caller=stranger):
        bench.lease.setUser(rolling, stranger, bench.origin + 9 * DAY, sender=stranger)


def test_a_lease_that_does_not_exist_has_no_user(bench, holder):
    assert (bench.lease.userOf(7), bench.lease.userExpires(7)) == (NOBODY, 0)
    with reverts_with(bench.lease.UnknownLease, lease=7):
        bench.lease.setUser(7, holder, bench.origin + DAY, sender=holder)
    with reverts_with(bench.lease.UnknownLease, lease=7):
        bench.lease.renounceUser(7, sender=holder)


def test_the_user_of_a_lease_is_that_of_what_is_split_off(bench, rolling, holder, stranger):
    until = bench.origin + 3 * DAY
    bench.lease.setUser(rolling, stranger, until, sender=holder)
    for split in (
        lambda: bench.lease.splitUnits(rolling, 4, sender=holder),
        lambda: bench.lease.splitAt(rolling, 4, sender=holder),
    ):
        receipt = split()
        part = receipt.return_value
        [event] = receipt.events.filter(bench.lease.UpdateUser)
        assert event.event_arguments == {
            "tokenId": part,
            "user": stranger.address,
            "expires": until,
        }
        assert bench.lease.userOf(part) == bench.lease.userOf(rolling) == stranger
