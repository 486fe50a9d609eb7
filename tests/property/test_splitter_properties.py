"""The splitter against exact fractions, over random histories with frozen accounts and pauses.

The model below knows nothing of corrections or packed words: it hands every rise of the index to
those who hold shares at that moment, as fractions, and rounds down what has been handed to each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any, ClassVar

import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from derrick.abi import Revert
from derrick.chain import Contract, Lane, Receipt
from derrick.fiat import FiatToken
from derrick.testing import isolated

CAPACITY = 7
BPS = 10_000
MAX_SUPPLY = 10**27
MOST = 2**120 - 1
"""The most base units the engine can ever count."""
NOT_PAID = "90b8ec18"
"""Selector of `TransferFailed()`, Solady's word for a token that does not pay."""

CONSERVED = "5: claimed + claimable + undistributed = received, dust < 1 base unit a holder and leg"
UNMOVED = "5: a transfer of shares moves no dividend earned before it"
UNHARMED = "8: nobody's call lowers what anybody else can take out"
ROUNDED = "10: all rounding favours the pool over the caller"
ONCE = "11: repeated calls of every transition are no-ops or clean errors"
UNBLOCKED = "12: nobody who is frozen holds up a claim of one's own money, or another's"

Trouble = str | int | None

amounts = st.one_of(st.integers(1, 12), st.integers(1, 10**9), st.integers(1, 10**30))
supplies = st.one_of(st.sampled_from([1, 2, 3, MAX_SUPPLY]), st.integers(1, MAX_SUPPLY))
leg_parts = st.lists(st.integers(1, 1_000), max_size=4)
who = st.integers(0, 4)
troubles = st.sampled_from([None] * 5 + ["pause", "engine", "splitter", "receiver", 0, 1])
"""What goes wrong during a claim: mostly nothing, or the token is paused, or one is frozen."""


@dataclass
class World:
    """What all examples share."""

    lane: Lane
    project: Any
    usdc: Contract
    engine: Contract
    factory: Contract
    owner: str
    holders: list[str]
    recipients: list[str]

    def make(self, supply: int, parts: list[int], token: Contract | None = None) -> Contract:
        """A splitter of these legs, all shares with the first holder."""
        first, token = self.holders[0], token or self.usdc
        address = self.factory.read("predict", first, CAPACITY, token, supply)
        self.engine.send("setPayee", CAPACITY, address, token, sender=self.owner)
        legs = list(zip(self.recipients, parts, strict=False))
        self.factory.send("create", (CAPACITY, supply, first, legs, 0), sender=first)
        return self.lane.contract(self.project.RevenueSplitter.at(address), "splitter")


@pytest.fixture(scope="module", autouse=True)
def world(project, lane, owner, operator, tenant, lender, borrower, stranger, treasury, guardian):
    usdc = FiatToken.deploy(owner)
    engine = owner.deploy(project.MockRevenueSource)
    factory = owner.deploy(project.RevenueSplitterFactory, owner, engine, engine)
    usdc.mint(engine, 2**130)
    SplitterMachine.world = World(
        lane=lane,
        project=project,
        usdc=lane.contract(usdc.token, "usdc"),
        engine=lane.contract(engine),
        factory=lane.contract(factory),
        owner=owner.address,
        holders=[account.address for account in (operator, tenant, lender, borrower, stranger)],
        recipients=[account.address for account in (treasury, guardian, operator, treasury)],
    )
    return SplitterMachine.world


@dataclass
class Model:
    """The splitter in exact fractions."""

    supply: int
    legs: list[tuple[str, int]]
    shares: dict[str, int]
    handed: dict[str, Fraction] = field(default_factory=dict)
    paid: dict[str, int] = field(default_factory=dict)
    leg_paid: list[int] = field(default_factory=list)
    earned: int = 0
    released: int = 0
    direct: int = 0
    unsynced: int = 0

    def __post_init__(self) -> None:
        self.handed = dict.fromkeys(self.shares, Fraction(0))
        self.paid = dict.fromkeys(self.shares, 0)
        self.leg_paid = [0] * len(self.legs)

    @property
    def received(self) -> int:
        return self.earned + self.direct

    @property
    def paid_out(self) -> int:
        return sum(self.paid.values()) + sum(self.leg_paid)

    @property
    def cash(self) -> int:
        return self.released + self.direct + self.unsynced - self.paid_out

    @property
    def index(self) -> int:
        """Due to all shares: what the legs leave, the legs' part rounded up."""
        legs = sum(bps for _, bps in self.legs)
        return self.received - -(-self.received * legs // BPS)

    def receive(self, earned: int = 0, direct: int = 0) -> None:
        """Revenue: its rise belongs to those who hold shares now."""
        before = self.index
        self.earned += earned
        self.direct += direct
        for holder, shares in self.shares.items():
            self.handed[holder] += Fraction((self.index - before) * shares, self.supply)

    def claimable(self, holder: str) -> int:
        return floor(self.handed[holder]) - self.paid[holder]

    def leg_claimable(self, leg: int) -> int:
        return floor(Fraction(self.received * self.legs[leg][1], BPS)) - self.leg_paid[leg]


class SplitterMachine(RuleBasedStateMachine):
    """Anybody does anything, in any order; the model says what must come of it."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(isolated(self.world.lane))

    def teardown(self) -> None:
        self.stack.close()

    @initialize(
        supply=supplies,
        parts=leg_parts,
        sold=st.lists(st.integers(1, 3), max_size=4),
        rent=amounts,
    )
    def start(self, supply: int, parts: list[int], sold: list[int], rent: int) -> None:
        """The first holder sells some quarters of what it has to the next ones."""
        world = self.world
        self.splitter = world.make(supply, parts)
        self.model = Model(
            supply=supply,
            legs=list(zip(world.recipients, parts, strict=False)),
            shares=dict.fromkeys(world.holders, 0) | {world.holders[0]: supply},
        )
        for receiver, quarters in enumerate(sold, 1):
            self.move(0, receiver, self.model.shares[world.holders[0]] * quarters // 4)
        self.the_engine_settles(rent)

    # ---- revenue comes in

    @rule(amount=amounts)
    def the_engine_settles(self, amount: int) -> None:
        self.world.engine.send("earn", CAPACITY, amount, sender=self.world.owner)
        self.model.receive(earned=amount)

    @rule(by=who)
    def anyone_releases(self, by: int) -> None:
        self.world.engine.send("release", CAPACITY, sender=self.world.holders[by])
        self.model.released = self.model.earned

    @rule(amount=amounts, synced=st.booleans())
    def a_gift_arrives(self, amount: int, synced: bool) -> None:
        self.world.usdc.send("mint", self.splitter.address, amount, sender=self.world.owner)
        self.model.unsynced += amount
        if synced:
            self.anyone_syncs(0)

    @rule(by=who)
    def anyone_syncs(self, by: int) -> None:
        receipt = self.splitter.send("sync", sender=self.world.holders[by])
        found = self.model.unsynced
        assert [log.args.amount for log in receipt.named("Synced")] == [found] * bool(found)
        self.model.receive(direct=found)
        self.model.unsynced = 0

    # ---- shares move

    @rule(sender=who, receiver=who, amount=st.integers(0, MAX_SUPPLY), everything=st.booleans())
    def shares_move(self, sender: int, receiver: int, amount: int, everything: bool) -> None:
        held = self.model.shares[self.world.holders[sender]]
        self.move(sender, receiver, held if everything else amount % (held + 1))

    def move(self, sender: int, receiver: int, amount: int) -> None:
        source, target = self.world.holders[sender], self.world.holders[receiver]
        before = self.all_claimable()
        self.splitter.send("transfer", target, amount, sender=source)
        assert self.all_claimable() == before, UNMOVED
        self.model.shares[source] -= amount
        self.model.shares[target] += amount

    @rule(sender=who, receiver=who, excess=st.integers(1, 2**255))
    def more_shares_than_held_do_not_move(self, sender: int, receiver: int, excess: int) -> None:
        source, target = self.world.holders[sender], self.world.holders[receiver]
        amount = self.model.shares[source] + excess
        outcome = self.splitter.try_send("transfer", target, amount, sender=source)
        assert isinstance(outcome, Revert)
        assert outcome.name == "InsufficientBalance"

    # ---- money goes out

    @rule(holder=who, to=who, trouble=troubles)
    def a_holder_claims(self, holder: int, to: int, trouble: Trouble) -> None:
        caller, receiver = self.one_due(holder), self.world.holders[to]
        due = self.model.claimable(caller)
        if self.pays(due, receiver, trouble, "claim", receiver, sender=caller):
            self.model.paid[caller] += due

    @rule(holder=who, by=who, trouble=troubles)
    def anyone_claims_for_a_holder(self, holder: int, by: int, trouble: Trouble) -> None:
        receiver, caller = self.one_due(holder), self.world.holders[by]
        due = self.model.claimable(receiver)
        if self.pays(due, receiver, trouble, "claimFor", receiver, sender=caller):
            self.model.paid[receiver] += due

    @precondition(lambda self: self.model.legs)
    @rule(leg=who, to=who, trouble=troubles)
    def a_leg_claims(self, leg: int, to: int, trouble: Trouble) -> None:
        leg %= len(self.model.legs)
        recipient, receiver = self.model.legs[leg][0], self.world.holders[to]
        due = self.model.leg_claimable(leg)
        if self.pays(due, receiver, trouble, "claimLeg", leg, receiver, sender=recipient):
            self.model.leg_paid[leg] += due

    @precondition(lambda self: self.model.legs)
    @rule(leg=who, to=who)
    def a_leg_moves(self, leg: int, to: int) -> None:
        leg %= len(self.model.legs)
        recipient, bps = self.model.legs[leg]
        self.splitter.send("moveLeg", leg, self.world.holders[to], sender=recipient)
        self.model.legs[leg] = (self.world.holders[to], bps)

    def one_due(self, holder: int) -> str:
        """One of those who are due something, or where nobody is, any."""
        due = [account for account in self.world.holders if self.model.claimable(account)]
        some = due or self.world.holders
        return some[holder % len(some)]

    def pays(
        self, due: int, receiver: str, trouble: Trouble, function: str, *arguments: Any, sender: str
    ) -> bool:
        """Try a claim amid the trouble. Asserts what must come of it; whether it paid."""
        model = self.model
        pulls = model.cash < due
        with self.amid(trouble, receiver) as stopped:
            outcome = self.splitter.try_send(function, *arguments, sender=sender)
        if due and (stopped & {self.splitter.address, receiver} or (pulls and stopped)):
            event("a claim is stopped")
            assert isinstance(outcome, Revert), UNBLOCKED
            assert outcome.data.hex() == NOT_PAID, outcome
            return False
        assert isinstance(outcome, Receipt), f"{UNBLOCKED}: {outcome}"
        if due == 0:
            assert outcome.events == []
            return False
        event("a claim pulls and pays" if pulls else "a claim pays")
        transfers = [log.args for log in outcome.named("Transfer")]
        assert [amount for _, to, amount in transfers if to == receiver] == [due]
        assert self.splitter.read(function, *arguments, sender=sender) == 0, ONCE
        if pulls:
            model.released = model.earned
        return True

    @contextmanager
    def amid(self, trouble: Trouble, receiver: str) -> Iterator[set[str]]:
        """Let it go wrong for a while; the parties to this claim that cannot move the token."""
        world = self.world
        parties = {
            "engine": world.engine.address,
            "splitter": self.splitter.address,
            "receiver": receiver,
        }
        if trouble is None:
            yield set()
        elif trouble == "pause":
            world.usdc.send("pause", sender=world.owner)
            yield set(parties.values())
            world.usdc.send("unpause", sender=world.owner)
        else:
            account = world.holders[trouble] if isinstance(trouble, int) else parties[trouble]
            world.usdc.send("blacklist", account, sender=world.owner)
            yield {account} & set(parties.values())
            world.usdc.send("unBlacklist", account, sender=world.owner)

    # ---- what always holds

    def all_claimable(self) -> list[int]:
        calls = [self.splitter.call("claimable", holder) for holder in self.world.holders]
        calls += [self.splitter.call("legClaimable", leg) for leg in range(len(self.model.legs))]
        result: list[int] = self.world.lane.batch(calls)
        return result

    @invariant()
    def says_what_the_model_says(self) -> None:
        model, splitter, world = self.model, self.splitter, self.world
        due = self.all_claimable()
        totals, index, cash, *balances = world.lane.batch(
            [
                splitter.call("totals"),
                splitter.call("dividendIndex"),
                world.usdc.call("balanceOf", splitter),
                *(splitter.call("balanceOf", holder) for holder in world.holders),
            ]
        )
        assert balances == [model.shares[holder] for holder in world.holders]
        assert sum(balances) == model.supply
        assert tuple(totals) == (model.received, model.paid_out)
        assert index == model.index
        assert cash == model.cash
        holders = [model.claimable(holder) for holder in world.holders]
        legs = [model.leg_claimable(leg) for leg in range(len(model.legs))]
        assert due == holders + legs, UNHARMED

        undistributed = totals.received - totals.paid - sum(due)
        assert 0 <= undistributed < len(world.holders) + len(model.legs), CONSERVED
        assert cash + model.earned - model.released >= sum(due), CONSERVED
        of_shares = Fraction(BPS - sum(bps for _, bps in model.legs), BPS) * model.received
        assert sum(model.handed.values()) <= of_shares, ROUNDED

    @rule(data=st.data())
    def everyone_can_cash_out_in_any_order(self, data: st.DataObject) -> None:
        """By trial, on a copy of the chain: each gets what he was told, whoever comes first."""
        world, model = self.world, self.model
        due = self.all_claimable()
        order = data.draw(st.permutations(range(len(due))))
        with isolated(world.lane):
            for turn in order:
                before = world.usdc.read("balanceOf", world.owner)
                if turn < len(world.holders):
                    self.splitter.send("claim", world.owner, sender=world.holders[turn])
                else:
                    leg = turn - len(world.holders)
                    recipient = model.legs[leg][0]
                    self.splitter.send("claimLeg", leg, world.owner, sender=recipient)
                assert world.usdc.read("balanceOf", world.owner) - before == due[turn], UNHARMED
            dust = model.received - model.paid_out - sum(due)
            left = world.usdc.read("balanceOf", self.splitter)
            released = world.engine.read("revenueOf", CAPACITY).released
            assert left == dust + model.unsynced + released - model.earned, CONSERVED


TestSplitter = SplitterMachine.TestCase


class TestDust:
    def test_ten_thousand_syncs_of_one_base_unit(self, world, project, owner):
        """Each holder loses less than one base unit over all of them, not at each.

        In one call, not transactions, of which the node would keep every step.
        """
        with isolated(world.lane):
            dollar = world.lane.contract(owner.deploy(project.MockERC20, "Dollar", "USD", 6))
            dollar.send("mint", world.engine, 10_000, sender=owner)
            supply, parts = 1_000_003, [333, 77, 1]
            splitter = world.make(supply, parts, dollar)
            shares = {holder: 1 + 10 * 7**n for n, holder in enumerate(world.holders[1:])}
            for holder, amount in shares.items():
                splitter.send("transfer", holder, amount, sender=world.holders[0])
            shares[world.holders[0]] = supply - sum(shares.values())

            call = world.engine.call("drip", splitter, 10_000, list(shares), sender=owner)
            request = call.message | {"gas": hex(10**9)}
            answer = world.lane.node.request("eth_call", request, "latest")
            index, got = call.function.result(bytes.fromhex(answer[2:]))
            assert index == 10_000 - sum(parts)
            for amount, received in zip(shares.values(), got, strict=True):
                assert 0 <= Fraction(index * amount, supply) - received < 1, CONSERVED


class TestExtremes:
    @given(
        supply=st.sampled_from([1, 2, MAX_SUPPLY - 1, MAX_SUPPLY]),
        parts=leg_parts,
        earned=st.one_of(st.just(MOST), st.integers(1, MOST)),
        moves=st.lists(st.tuples(who, who, st.integers(0, MAX_SUPPLY)), max_size=6),
    )
    def test_no_amount_is_too_large_to_be_exact(self, world, supply, parts, earned, moves):
        """The largest supply times the largest revenue that can be counted, moved to and fro."""
        with isolated(world.lane):
            splitter = world.make(supply, parts)
            legs = list(zip(world.recipients, parts, strict=False))
            shares = dict.fromkeys(world.holders, 0) | {world.holders[0]: supply}
            model = Model(supply, legs, shares)
            for step, (sender, receiver, amount) in enumerate(moves, 1):
                source, target = world.holders[sender], world.holders[receiver]
                amount = amount % (model.shares[source] + 1)
                part = earned * step // len(moves) - model.earned
                world.engine.send("earn", CAPACITY, part, sender=world.owner)
                model.receive(earned=part)
                splitter.send("transfer", target, amount, sender=source)
                model.shares[source] -= amount
                model.shares[target] += amount
            for holder in world.holders:
                due = model.claimable(holder)
                assert splitter.read("claimable", holder) == due
                splitter.send("claimFor", holder, sender=world.owner)
                assert splitter.read("claimable", holder) == 0
                model.paid[holder] = due
            assert tuple(splitter.read("totals")) == (model.received, model.paid_out)
