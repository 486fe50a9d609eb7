"""Who an operator's agent lets in: answers to challenges, good and bad, against a real engine."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from eth_account import Account
from eth_keys.constants import SECPK1_N

from derrick.access import MAX_SIGNATURE, Access, AccessDenied, Challenge, Gate, UsedNonces
from derrick.chain import NodeError
from derrick.market import DAY, MAX_UINT256, NOBODY, Term
from derrick.testing import isolated

AUDIENCE = "https://cluster.example"
SECRET = b"s" * 32

HONEST, REVERT, GARBAGE, SHORT, EMPTY, BURN, BOMB = range(7)
"""Manners of MockERC1271."""


@pytest.fixture
def start(bench):
    """The first epoch of the leases here: the one after the next, whenever the test runs."""
    return bench.lease.nextEpochToBegin(1) + 1


@pytest.fixture
def lease(bench, tenant, start):
    """A lease of 10 units over ten epochs, in its first epoch."""
    lease = bench.sign_lease(tenant, start=start, end=start + 10)
    bench.go_to_epoch(start)
    return lease


@pytest.fixture
def gate(bench):
    return gate_of(bench)


def gate_of(bench, **changes):
    """The agent's gate; its clock is the chain's."""
    options = {"secret": SECRET, "clock": lambda: bench.lane.time, **changes}
    engine = options.pop("engine", bench.lease.address)
    audience = options.pop("audience", AUDIENCE)
    rpc = options.pop("rpc", bench.lane.node)
    return Gate(rpc, engine, audience, **options)


def sign(account, challenge: Challenge) -> bytes:
    """As a wallet signs the typed data: 65 bytes."""
    return account.sign_message(challenge.message()).encode_rsv()


def denied(because: str):
    return pytest.raises(AccessDenied, match=f"^{because}$")


# ---- good answers


def test_the_holder_is_let_in(bench, gate, tenant, lease):
    challenge = gate.issue_challenge(lease, tenant.address)
    access = gate.verify(challenge, sign(tenant, challenge))
    assert access == Access(lease, tenant.address, bench.lane.block_number, bench.lane.time)
    assert gate.check(lease, tenant.address) == access


def test_a_challenge_says_what_is_signed(bench, gate, tenant, lease):
    now = bench.lane.time
    challenge = gate.issue_challenge(lease, tenant.address, ttl=60)
    data = challenge.typed_data()
    assert data["domain"] == {
        "name": "Derrick Access",
        "version": "1",
        "chainId": 31_337,
        "verifyingContract": bench.lease.address,
    }
    assert data["message"] == {
        "audience": AUDIENCE,
        "lease": str(lease),
        "user": tenant.address,
        "nonce": "0x" + challenge.nonce.hex(),
        "issuedAt": now,
        "expiresAt": now + 60,
    }
    assert [field["name"] for field in data["types"]["Access"]] == list(data["message"])
    assert len(challenge.nonce) == 32
    assert gate.issue_challenge(lease, tenant.address, ttl=60).nonce != challenge.nonce


def test_it_survives_the_way_to_the_wallet_and_back(gate, tenant, lease):
    challenge = gate.issue_challenge(lease, tenant.address.lower())
    received = Challenge.of(json.loads(json.dumps(challenge.typed_data())))
    assert received == challenge
    assert gate.verify(received, sign(tenant, received)).user == tenant.address


def test_what_a_wallet_signs_is_what_is_verified(bench):
    """eth-account signs the JSON itself, as a wallet does."""
    key = Account.create()
    gate = gate_of(bench)
    challenge = gate.issue_challenge(2**255 + 1, key.address)
    data = challenge.typed_data()
    data["message"]["lease"] = int(data["message"]["lease"])
    assert challenge.digest() == key.sign_typed_data(full_message=data).message_hash


def test_a_short_signature_will_do(gate, tenant, lease):
    """64 bytes, EIP-2098."""
    challenge = gate.issue_challenge(lease, tenant.address)
    r_s, v = sign(tenant, challenge)[:64], sign(tenant, challenge)[64]
    short = r_s[:32] + bytes([r_s[32] | (v - 27) << 7]) + r_s[33:]
    assert gate.verify(challenge, short).user == tenant.address


def test_the_user_is_let_in_and_the_holder_is_not(bench, gate, tenant, other_tenant, lease):
    bench.lease.setUser(lease, other_tenant, bench.lane.time + DAY, sender=tenant)
    challenge = gate.issue_challenge(lease, other_tenant.address)
    assert gate.verify(challenge, sign(other_tenant, challenge)).user == other_tenant.address
    challenge = gate.issue_challenge(lease, tenant.address)
    with denied(f"lease {lease} gives {tenant.address} no use now"):
        gate.verify(challenge, sign(tenant, challenge))


def test_agents_that_share_secret_and_store_act_as_one(bench, tenant, lease):
    used = UsedNonces()
    one, other = gate_of(bench, used=used), gate_of(bench, used=used)
    challenge = one.issue_challenge(lease, tenant.address)
    signature = sign(tenant, challenge)
    assert other.verify(challenge, signature).lease == lease
    with denied("this challenge was answered before"):
        one.verify(challenge, signature)


# ---- replays


def test_an_answer_opens_once(gate, tenant, lease):
    challenge = gate.issue_challenge(lease, tenant.address)
    signature = sign(tenant, challenge)
    gate.verify(challenge, signature)
    with denied("this challenge was answered before"):
        gate.verify(challenge, signature)


def test_a_refused_answer_uses_nothing_up(gate, tenant, stranger, lease):
    challenge = gate.issue_challenge(lease, tenant.address)
    with denied(f"not a signature of {tenant.address} over this challenge"):
        gate.verify(challenge, sign(stranger, challenge))
    assert gate.verify(challenge, sign(tenant, challenge)).lease == lease


def test_of_two_at_the_same_time_one_gets_in(bench, tenant, lease):
    """The other comes while the chain is still being asked."""
    gate = gate_of(bench)
    challenge = gate.issue_challenge(lease, tenant.address)
    signature = sign(tenant, challenge)
    node = bench.lane.node

    class Racing:
        """Lets another answer overtake the one that is asking the engine."""

        raced = False

        def request(self, method, *params):
            if method == "eth_call" and not self.raced:
                self.raced = True
                assert gate.verify(challenge, signature).lease == lease
            return node.request(method, *params)

    gate.rpc = Racing()
    with denied("this challenge was answered before"):
        gate.verify(challenge, signature)


def test_expired_answers_are_forgotten():
    used = UsedNonces()
    assert used.add(b"a", 10, now=5)
    assert used.add(b"b", 20, now=9)
    assert not used.add(b"a", 10, now=9)
    assert used.add(b"c", 30, now=10)
    assert [used.has(nonce) for nonce in (b"a", b"b", b"c")] == [False, True, True]


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"chain_id": 1}, "signed for chain 1, not 31337"),
        ({"engine": NOBODY}, f"signed for engine {NOBODY}, not 0x[0-9a-fA-F]+"),
        ({"audience": "https://evil.example"}, "signed for 'https://evil.example', not '.*'"),
        ({"lease": 1_000_000_002}, "not a challenge that was issued here"),
        ({"lease": -1}, "not a challenge that was issued here"),
        ({"user": NOBODY}, "not a challenge that was issued here"),
        ({"user": "nobody"}, "not a challenge that was issued here"),
        ({"nonce": b""}, "not a challenge that was issued here"),
        ({"nonce": b"n" * 32}, "not a challenge that was issued here"),
        ({"issued_at": 0}, "not a challenge that was issued here"),
        ({"expires_at": MAX_UINT256}, "not a challenge that was issued here"),
    ],
)
def test_a_challenge_is_taken_as_it_was_issued(gate, tenant, lease, changes, because):
    """Whoever changes a word of it, also one who could sign it, is sent away."""
    issued = gate.issue_challenge(lease, tenant.address)
    signature = sign(tenant, issued)
    with denied(because):
        gate.verify(replace(issued, **changes), signature)
    assert gate.verify(issued, signature).lease == lease


def test_a_changed_challenge_that_its_user_signed_is_refused_too(gate, tenant, lease):
    forged = replace(gate.issue_challenge(lease, tenant.address), expires_at=2**40)
    with denied("not a challenge that was issued here"):
        gate.verify(forged, sign(tenant, forged))


def test_an_answer_to_another_lease_opens_nothing(bench, gate, tenant, lease):
    """The signature over one challenge does not fit another, for whichever lease."""
    start = bench.lease.nextEpochToBegin(1)
    other = bench.sign_lease(tenant, start=start, end=start + 9)
    here, there = (gate.issue_challenge(each, tenant.address) for each in (lease, other))
    for challenge, signature in ((here, sign(tenant, there)), (there, sign(tenant, here))):
        with denied(f"not a signature of {tenant.address} over this challenge"):
            gate.verify(challenge, signature)


def test_another_operator_cannot_pass_an_answer_on(bench, gate, tenant, lease):
    """He can relay our challenge, but the wallet shows our name; his own does not fit here."""
    his = gate_of(bench, audience="https://evil.example", secret=b"h" * 32)
    challenge = his.issue_challenge(lease, tenant.address)
    signature = sign(tenant, challenge)
    with denied("signed for 'https://evil.example', not 'https://cluster.example'"):
        gate.verify(challenge, signature)
    with denied("not a challenge that was issued here"):
        gate.verify(replace(challenge, audience=AUDIENCE), signature)


def test_another_engine_of_the_same_chain_takes_no_answer(bench, gate, tenant, lease):
    """Also where secret and audience are the same."""
    other = gate_of(bench, engine=bench.capacity.address)
    challenge = gate.issue_challenge(lease, tenant.address)
    with denied(f"signed for engine {bench.lease.address}, not {bench.capacity.address}"):
        other.verify(challenge, sign(tenant, challenge))
    moved = replace(challenge, engine=bench.capacity.address)
    with denied("not a challenge that was issued here"):
        other.verify(moved, sign(tenant, moved))


class Chain:
    """The node, but for what a test lets it answer otherwise."""

    def __init__(self, node, **answers):
        self.node = node
        self.answers = answers

    def request(self, method, *params):
        if method in self.answers:
            answer = self.answers[method]
            if isinstance(answer, Exception):
                raise answer
            return answer
        return self.node.request(method, *params)


def test_another_chain_takes_no_answer(bench, gate, tenant, lease):
    """Same engine address, same secret: a fork, or a copy on another chain."""
    fork = gate_of(bench, rpc=Chain(bench.lane.node, eth_chainId="0x1"))
    challenge = gate.issue_challenge(lease, tenant.address)
    with denied("signed for chain 31337, not 1"):
        fork.verify(challenge, sign(tenant, challenge))
    gate.rpc = Chain(bench.lane.node, eth_chainId="0x1")
    with denied("the node is on chain 1 now, not 31337"):
        gate.verify(challenge, sign(tenant, challenge))


def test_what_was_issued_before_a_restart_counts_for_nothing(bench, tenant, lease):
    challenge = gate_of(bench, secret=None).issue_challenge(lease, tenant.address)
    with denied("not a challenge that was issued here"):
        gate_of(bench, secret=None).verify(challenge, sign(tenant, challenge))


# ---- time


def test_a_challenge_expires(bench, gate, tenant, lease):
    challenge = gate.issue_challenge(lease, tenant.address, ttl=100)
    signature = sign(tenant, challenge)
    for late in (0, 17):
        with isolated(bench.lane):
            bench.lane.mine(at=challenge.expires_at + late)
            with denied(f"the challenge expired {late} s ago"):
                gate.verify(challenge, signature)
    bench.lane.mine(at=challenge.expires_at - 1)
    assert gate.verify(challenge, signature).lease == lease


def test_a_node_that_is_behind_lets_nobody_in(bench, tenant, lease):
    drift = 0
    gate = gate_of(bench, clock=lambda: bench.lane.time + drift, max_block_age=60)
    challenge = gate.issue_challenge(lease, tenant.address)
    drift = 61
    with denied("the node is behind: its latest block is 61 s old"):
        gate.verify(challenge, sign(tenant, challenge))
    with denied("the node is behind: its latest block is 61 s old"):
        gate.check(lease, tenant.address)
    drift = 60
    assert gate.verify(challenge, sign(tenant, challenge)).lease == lease


@pytest.mark.parametrize("ttl", [-1, 0, 3_601])
def test_a_challenge_is_for_now(gate, tenant, ttl):
    with pytest.raises(ValueError, match="a challenge holds"):
        gate.issue_challenge(1, tenant.address, ttl)


@pytest.mark.parametrize(("lease", "user"), [(-1, NOBODY), (2**256, NOBODY), (1, "0x12")])
def test_what_no_wallet_could_sign_is_not_issued(gate, lease, user):
    with pytest.raises(ValueError, match=r"no lease .* or no address"):
        gate.issue_challenge(lease, user)


# ---- the lease


def refused(gate, account, lease) -> None:
    """A good answer to a fresh challenge is refused by the engine's word, and so is staying."""
    challenge = gate.issue_challenge(lease, account.address)
    for ask in (
        lambda: gate.verify(challenge, sign(account, challenge)),
        lambda: gate.check(lease, account.address),
    ):
        with denied(f"lease {lease} gives {account.address} no use now"):
            ask()


def test_a_forward_opens_nothing_yet(bench, gate, tenant, start):
    lease = bench.sign_lease(tenant, start=start, end=start + 10)
    bench.lane.mine(at=bench.origin + start * DAY - 1)
    refused(gate, tenant, lease)
    bench.go_to_epoch(start)
    assert gate.check(lease, tenant.address).lease == lease


def test_a_lease_that_ended_opens_nothing(bench, gate, tenant, start, lease):
    challenge = gate.issue_challenge(lease, tenant.address, ttl=3_600)
    bench.lane.mine(at=bench.origin + (start + 10) * DAY - 1)
    assert gate.check(lease, tenant.address).lease == lease
    bench.go_to_epoch(start + 10)
    refused(gate, tenant, lease)
    with denied("the challenge expired [0-9]+ s ago"):
        gate.verify(challenge, sign(tenant, challenge))


def test_a_terminated_lease_opens_until_its_new_end(bench, gate, tenant, start, lease):
    bench.lease.terminate(lease, sender=tenant)
    assert gate.check(lease, tenant.address).lease == lease
    bench.go_to_epoch(start + 1)
    refused(gate, tenant, lease)


def test_a_lease_that_is_not_paid_on_opens_nothing(bench, gate, tenant, start):
    term = bench.capacity.termCount(1)
    bench.capacity.addTerm(1, Term(1, 365, 10_000, 1, 1), sender=bench.operator)
    lease = bench.sign_lease(tenant, term=term, start=start, end=start + 10)
    bench.go_to_epoch(start)
    assert gate.check(lease, tenant.address).lease == lease
    bench.go_to_epoch(start + 1)
    refused(gate, tenant, lease)


def test_a_buyer_takes_the_sellers_place(bench, gate, tenant, other_tenant, lease):
    challenge = gate.issue_challenge(lease, tenant.address)
    signature = sign(tenant, challenge)
    bench.lease.transferFrom(tenant, other_tenant, lease, sender=tenant)
    with denied(f"lease {lease} gives {tenant.address} no use now"):
        gate.verify(challenge, signature)
    assert gate.check(lease, other_tenant.address).user == other_tenant.address


def test_a_user_whose_time_is_over_is_out(bench, gate, tenant, other_tenant, lease):
    expires = bench.lane.time + 1_000
    bench.lease.setUser(lease, other_tenant, expires, sender=tenant)
    bench.lane.mine(at=expires)
    assert gate.check(lease, other_tenant.address).user == other_tenant.address
    bench.lane.mine(at=expires + 1)
    refused(gate, other_tenant, lease)
    assert gate.check(lease, tenant.address).user == tenant.address


def test_the_use_given_to_another_shuts_the_first_out(
    bench, gate, tenant, other_tenant, stranger, lease
):
    bench.lease.setUser(lease, other_tenant, bench.lane.time + DAY, sender=tenant)
    challenge = gate.issue_challenge(lease, other_tenant.address)
    signature = sign(other_tenant, challenge)
    bench.lease.renounceUser(lease, sender=other_tenant)
    bench.lease.setUser(lease, stranger, bench.lane.time + DAY, sender=tenant)
    with denied(f"lease {lease} gives {other_tenant.address} no use now"):
        gate.verify(challenge, signature)
    assert gate.check(lease, stranger.address).user == stranger.address


def test_an_unknown_lease_opens_nothing(gate, stranger, lease):
    refused(gate, stranger, lease + 1)
    refused(gate, stranger, 0)
    refused(gate, stranger, MAX_UINT256)


# ---- signatures


def test_the_other_form_of_a_signature_is_refused(gate, tenant, lease):
    challenge = gate.issue_challenge(lease, tenant.address)
    signature = sign(tenant, challenge)
    s, v = int.from_bytes(signature[32:64], "big"), signature[64]
    twin = signature[:32] + (SECPK1_N - s).to_bytes(32, "big") + bytes([55 - v])
    assert Account.recover_message(challenge.message(), signature=twin) == tenant.address
    with denied(f"not a signature of {tenant.address} over this challenge"):
        gate.verify(challenge, twin)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda s: b"",
        lambda s: s[:63],
        lambda s: s + b"\0",
        lambda s: s[:64] + b"\0",
        lambda s: s[:64] + bytes([s[64] + 4]),
        lambda s: bytes(32) + s[32:],
        lambda s: s[:32] + bytes(32) + s[64:],
        lambda s: b"\xff" * 32 + s[32:],
        lambda s: bytes(65),
        lambda s: s[:64] + bytes([55 - s[64]]),
        lambda s: s[:10] + bytes([s[10] ^ 1]) + s[11:],
        lambda s: b"\x55" * MAX_SIGNATURE,
    ],
)
def test_what_is_no_signature_is_refused(gate, tenant, lease, spoil):
    challenge = gate.issue_challenge(lease, tenant.address)
    with denied(f"not a signature of {tenant.address} over this challenge"):
        gate.verify(challenge, spoil(sign(tenant, challenge)))


def test_no_node_is_asked_about_a_monster(gate, tenant, lease):
    challenge = gate.issue_challenge(lease, tenant.address)
    with denied(f"a signature has at most {MAX_SIGNATURE} bytes"):
        gate.verify(challenge, bytes(MAX_SIGNATURE + 1))


# ---- contracts that use a lease (ERC-1271)


@pytest.fixture
def wallet(bench, owner, tenant, stranger, lease):
    """A contract with the stranger's key that holds a lease."""
    wallet = bench.project.MockERC1271.deploy(stranger, sender=owner)
    bench.lease.transferFrom(tenant, wallet, lease, sender=tenant)
    return wallet


def test_a_contract_is_let_in_by_its_own_word(gate, stranger, wallet, lease):
    challenge = gate.issue_challenge(lease, wallet.address)
    signature = sign(stranger, challenge)
    assert gate.verify(challenge, signature).user == wallet.address
    with denied("this challenge was answered before"):
        gate.verify(challenge, signature)


def test_a_contract_may_answer_more_than_it_must(gate, owner, stranger, wallet, lease):
    wallet.setManner(BOMB, sender=owner)
    challenge = gate.issue_challenge(lease, wallet.address)
    assert gate.verify(challenge, sign(stranger, challenge)).user == wallet.address


@pytest.mark.parametrize("manner", [REVERT, BURN])
def test_a_contract_that_fails_is_not_let_in(gate, owner, stranger, wallet, lease, manner):
    wallet.setManner(manner, sender=owner)
    challenge = gate.issue_challenge(lease, wallet.address)
    with denied(f"{wallet.address} takes no such signature: the chain gives no answer: .*"):
        gate.verify(challenge, sign(stranger, challenge))


@pytest.mark.parametrize("manner", [GARBAGE, SHORT, EMPTY])
def test_a_contract_must_say_the_word(gate, owner, stranger, wallet, lease, manner):
    wallet.setManner(manner, sender=owner)
    challenge = gate.issue_challenge(lease, wallet.address)
    with denied(f"the contract {wallet.address} refuses this signature"):
        gate.verify(challenge, sign(stranger, challenge))


def test_a_contract_refuses_another_key(gate, tenant, wallet, lease):
    challenge = gate.issue_challenge(lease, wallet.address)
    with denied(f"the contract {wallet.address} refuses this signature"):
        gate.verify(challenge, sign(tenant, challenge))


def test_the_key_of_a_contract_is_not_the_contract(gate, stranger, wallet, lease):
    refused(gate, stranger, lease)
    challenge = gate.issue_challenge(lease, wallet.address)
    other = gate.issue_challenge(lease, stranger.address)
    with denied(f"the contract {wallet.address} refuses this signature"):
        gate.verify(challenge, sign(stranger, other))


def test_an_account_that_runs_code_keeps_its_key(bench, gate, tenant, lease):
    """EIP-7702: its code is a pointer to a contract's, which here refuses everything."""
    code = "0xef0100" + bench.coin.address[2:]
    bench.lane.node.request("anvil_setCode", tenant.address, code)
    challenge = gate.issue_challenge(lease, tenant.address)
    assert gate.verify(challenge, sign(tenant, challenge)).user == tenant.address


# ---- a node that gives no good answer


@pytest.mark.parametrize(
    ("answers", "because"),
    [
        ({"eth_call": NodeError("down")}, "the chain gives no answer: down"),
        ({"eth_getBlockByNumber": NodeError("down")}, "the chain gives no answer: down"),
        ({"eth_getBlockByNumber": None}, "the node makes no sense: .*"),
        ({"eth_getBlockByNumber": {}}, "the node makes no sense: .*"),
        ({"eth_call": "0x"}, "there is no lease engine at 0x[0-9a-fA-F]+"),
        ({"eth_call": "0x" + 62 * "0" + "01" + 64 * "0"}, "there is no lease engine at .*"),
        ({"eth_call": "0x" + 63 * "0" + "2"}, "lease [0-9]+ gives 0x[0-9a-fA-F]+ no use now"),
    ],
)
def test_without_a_clear_yes_nobody_gets_in(bench, gate, tenant, lease, answers, because):
    challenge = gate.issue_challenge(lease, tenant.address)
    gate.rpc = Chain(bench.lane.node, **answers)
    with denied(because):
        gate.verify(challenge, sign(tenant, challenge))
    gate.rpc = bench.lane.node
    assert gate.verify(challenge, sign(tenant, challenge)).lease == lease


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("domain"),
        lambda data: data.pop("message"),
        lambda data: data["message"].pop("nonce"),
        lambda data: data["message"].update(user="0x12"),
        lambda data: data["message"].update(lease="many"),
        lambda data: data["message"].update(nonce="0xzz"),
        lambda data: data["message"].update(nonce=7),
        lambda data: data["domain"].update(chainId=None),
    ],
)
def test_what_is_no_challenge_is_refused(gate, tenant, change):
    data = gate.issue_challenge(1, tenant.address).typed_data()
    change(data)
    with denied("not a challenge: .*"):
        Challenge.of(data)


def test_a_gate_needs_a_name_and_a_good_secret(bench):
    with pytest.raises(ValueError, match="audience"):
        gate_of(bench, audience="")
    with pytest.raises(ValueError, match="secret"):
        gate_of(bench, secret=b"short")


# ---- odd numbers, odd stores


def test_an_answer_that_straddles_its_expiry_is_taken_once():
    used = UsedNonces()
    assert used.add(b"n", 100, 99)
    # `verify` looked at the clock before; by now it is 100.
    assert not used.add(b"n", 100, 100)
    assert not used.add(b"m", 100, 100)
    # Nor does it help that a clock goes back.
    assert not used.add(b"n", 100, 98)


@pytest.mark.parametrize("field", ["lease", "issuedAt"])
def test_a_number_beyond_all_bounds_is_no_challenge(field):
    message = {"audience": "", "lease": 1, "user": "0x" + 40 * "0", "nonce": "0x"}
    data = {
        "domain": {"chainId": 1, "verifyingContract": "0x" + 40 * "0"},
        "message": {**message, "issuedAt": 1, "expiresAt": 1, field: 1e999},
    }
    with pytest.raises(AccessDenied, match="not a challenge"):
        Challenge.of(data)


def test_a_store_that_is_empty_yet_is_used_all_the_same(bench):
    class Shared(UsedNonces):
        def __len__(self):
            return 0

    used = Shared()
    gate = gate_of(bench, used=used)
    assert gate._used is used


def test_a_node_that_answers_nothing_lets_nobody_in(bench, tenant, lease):
    class Silent:
        def request(self, method, *params):
            answer = bench.lane.node.request(method, *params)
            return None if method == "eth_call" else answer

    gate = gate_of(bench, rpc=Silent())
    challenge = gate.issue_challenge(lease, tenant.address)
    with denied("the chain answers 'None' to eth_call"):
        gate.verify(challenge, sign(tenant, challenge))
