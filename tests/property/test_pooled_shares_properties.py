"""Pooled shares against exact fractions: whoever holds one is as well off as with a share.

The model is one sentence: a base unit that is due to all shares makes everybody richer by its part
of it in shares and pooled shares together, and nothing else that anybody does changes what anybody
owns, but for less than a base unit of rounding at each call of one's own.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from derrick.chain import Contract, Lane
from derrick.testing import ROLES, isolated

CAPACITY = 7
BPS = 10_000
MAX_SUPPLY = 10**27
UNLIMITED = 2**256 - 1
PURSE = 10**40
"""What everybody has of each token to begin with."""

SOLVENT = "2: what is here and due covers all credits and all that pooled shares have gathered"
EQUAL = "5: a pooled share earns what a share does"
ROUNDED = "10: all rounding favours the pool over the caller"

amounts = st.one_of(st.integers(1, 12), st.integers(1, 10**9), st.integers(1, 10**24))
supplies = st.one_of(st.sampled_from([1, 3, MAX_SUPPLY]), st.integers(1, MAX_SUPPLY))
who = st.integers(0, 2)
parts = st.integers(1, 1_000)


@dataclass
class World:
    """What all examples share."""

    lane: Lane
    project: Any
    tokens: list[Contract]
    engine: Contract
    factory: Contract
    pooling: Contract
    owner: str
    holders: list[str]


@pytest.fixture(scope="module", autouse=True)
def world(project, lane, accounts):
    people = dict(zip(ROLES, accounts, strict=False))
    owner = people["owner"]
    engine = owner.deploy(project.MockRevenueSource)
    factory = owner.deploy(project.RevenueSplitterFactory, owner, engine, engine)
    tokens = [owner.deploy(project.MockERC20, "Token", "TKN", decimals) for decimals in (6, 8)]
    factory.setDividendToken(tokens[1], True, sender=owner)
    tokens[0].mint(engine, PURSE, sender=owner)
    PooledMachine.world = World(
        lane=lane,
        project=project,
        tokens=[lane.contract(token) for token in tokens],
        engine=lane.contract(engine),
        factory=lane.contract(factory),
        pooling=lane.contract(owner.deploy(project.PooledSharesFactory, factory)),
        owner=owner.address,
        holders=[people[role].address for role in ("operator", "tenant", "lender")],
    )
    return PooledMachine.world


class PooledMachine(RuleBasedStateMachine):
    """Three holders deposit, redeem, withdraw and move both kinds of shares as rent comes in."""

    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.stack.enter_context(isolated(self.world.lane))

    def teardown(self) -> None:
        self.stack.close()

    @initialize(supply=supplies, second=st.booleans(), sold=st.tuples(parts, parts))
    def start(self, supply: int, second: bool, sold: tuple[int, int]) -> None:
        world, first = self.world, self.world.holders[0]
        address = world.factory.read("predict", first, CAPACITY, world.tokens[0], supply)
        world.engine.send("setPayee", CAPACITY, address, world.tokens[0], sender=world.owner)
        world.factory.send("create", (CAPACITY, supply, first, [], 0), sender=first)
        self.splitter = world.lane.contract(world.project.RevenueSplitter.at(address))
        if second:
            self.splitter.send("addToken", world.tokens[1], sender=first)
        self.tokens = world.tokens[: 1 + second]
        world.pooling.send("create", address, sender=first)
        pooled = world.pooling.read("pooledOf", address)
        self.pooled = world.lane.contract(world.project.PooledShares.at(pooled))
        self.supply = supply
        for holder in world.holders:
            for token in self.tokens:
                token.send("mint", holder, PURSE, sender=world.owner)
                token.send("approve", pooled, UNLIMITED, sender=holder)
            self.splitter.send("approve", pooled, UNLIMITED, sender=holder)
        for receiver, part in zip(world.holders[1:], sold, strict=True):
            self.splitter.send("transfer", receiver, supply * part // 3_000, sender=first)
        shape = [[Fraction(0)] * len(self.tokens) for _ in world.holders]
        self.exact = dict(zip(world.holders, shape, strict=True))
        self.calls = dict.fromkeys(world.holders, 0)
        self.unsynced = False

    # ---- revenue

    @rule(amount=amounts)
    def the_engine_settles(self, amount: int) -> None:
        self.grow(0, amount)
        self.world.engine.send("earn", CAPACITY, amount, sender=self.world.owner)

    @rule(amount=amounts, place=st.integers(0, 1), synced=st.booleans())
    def a_gift_arrives(self, amount: int, place: int, synced: bool) -> None:
        """Those who hold shares until some move have their part, whether or not anybody syncs."""
        token = place % len(self.tokens)
        self.grow(token, amount)
        self.tokens[token].send("mint", self.splitter, amount, sender=self.world.owner)
        self.unsynced = True
        if synced:
            self.sync_all()

    def grow(self, token: int, amount: int) -> None:
        """Everybody's part of what comes in, in both kinds of shares."""
        for holder in self.world.holders:
            held = sum(
                contract.read("balanceOf", holder) for contract in (self.splitter, self.pooled)
            )
            self.exact[holder][token] += Fraction(amount * held, self.supply)

    # ---- what holders do

    def part(self, contract: Contract, holder: str, thousandths: int) -> int:
        """A part of what somebody has, at least one if there is any."""
        held: int = contract.read("balanceOf", holder)
        return min(held, held * thousandths // 1_000 + 1)

    @rule(holder=who, to=who, part=parts)
    def somebody_deposits(self, holder: int, to: int, part: int) -> None:
        account, receiver = self.world.holders[holder], self.world.holders[to]
        shares = self.part(self.splitter, account, part)
        if not shares:
            return
        self.sync_all()
        due = self.pooled.read("dueOn", shares)
        self.pooled.send("deposit", shares, receiver, due, sender=account)
        self.gives(account, receiver, shares, self.gathered(shares))

    @rule(holder=who, to=who, part=parts)
    def somebody_redeems(self, holder: int, to: int, part: int) -> None:
        """The shares go to the receiver, what they gathered is credited to the caller."""
        account, receiver = self.world.holders[holder], self.world.holders[to]
        shares = self.part(self.pooled, account, part)
        if not shares:
            return
        receipt = self.pooled.send("redeem", shares, receiver, sender=account)
        self.unsynced = self.unsynced and not receipt.named("Synced")
        self.gives(account, receiver, shares, [Fraction(0)] * len(self.tokens))

    @rule(holder=who, to=who, part=parts, pooled=st.booleans())
    def shares_move(self, holder: int, to: int, part: int, pooled: bool) -> None:
        account, receiver = self.world.holders[holder], self.world.holders[to]
        contract = self.pooled if pooled else self.splitter
        shares = self.part(contract, account, part)
        self.sync_all()
        worth = self.gathered(shares) if pooled else [Fraction(0)] * len(self.tokens)
        contract.send("transfer", receiver, shares, sender=account)
        self.gives(account, receiver, shares, worth)

    @rule(holder=who, place=st.integers(0, 1))
    def somebody_withdraws(self, holder: int, place: int) -> None:
        account, token = self.world.holders[holder], self.tokens[place % len(self.tokens)]
        credit = self.pooled.read("creditOf", token, account)
        receipt = self.pooled.send("withdraw", token, account, sender=account)
        assert [log.args.amount for log in receipt.named("Withdrawn")] == [credit] * bool(credit)
        assert self.pooled.read("creditOf", token, account) == 0

    @rule(holder=who)
    def somebody_claims(self, holder: int) -> None:
        account = self.world.holders[holder]
        self.splitter.send("claim", account, sender=account)

    @rule()
    def anyone_has_the_pool_paid(self) -> None:
        self.splitter.send("claimFor", self.pooled, sender=self.world.owner)

    def sync_all(self) -> None:
        for token in self.tokens:
            self.splitter.send("sync", token, sender=self.world.owner)
        self.unsynced = False

    def gathered(self, shares: int) -> list[Fraction]:
        """What pooled shares stand for besides the shares, to the fraction."""
        if not self.pooled.read("totalSupply"):
            return [Fraction(0)] * len(self.tokens)
        whole = self.pooled.read("gatheredBy", self.supply)
        return [Fraction(amount * shares, self.supply) for amount in whole]

    def gives(self, giver: str, taker: str, shares: int, worth: list[Fraction]) -> None:
        """What the shares gathered goes along; each call rounds once a token, against its maker."""
        self.calls[giver] += 1
        if giver == taker:
            return
        for token, amount in enumerate(worth):
            self.exact[giver][token] -= amount
            self.exact[taker][token] += amount

    # ---- what always holds

    @invariant()
    def everybody_owns_what_is_his(self) -> None:
        if self.unsynced:
            return
        for holder in self.world.holders:
            mine = self.pooled.read("gatheredBy", self.pooled.read("balanceOf", holder))
            for place, token in enumerate(self.tokens):
                owns = token.read("balanceOf", holder) - PURSE
                owns += self.splitter.read("claimableOf", token, holder)
                owns += self.pooled.read("creditOf", token, holder) + mine[place]
                exact = self.exact[holder][place]
                assert owns <= exact, ROUNDED
                # A claim and a view may each cut off a fraction, besides one a call.
                assert exact - owns < self.calls[holder] + 2, EQUAL

    @invariant()
    def the_pool_can_pay(self) -> None:
        gathered = self.pooled.read("gatheredBy", self.pooled.read("totalSupply"))
        for place, token in enumerate(self.tokens):
            here = token.read("balanceOf", self.pooled)
            here += self.splitter.read("claimableOf", token, self.pooled)
            credits = sum(self.pooled.read("creditOf", token, h) for h in self.world.holders)
            assert here >= credits + gathered[place], SOLVENT
            assert here - credits - gathered[place] <= sum(self.calls.values()) + 1, SOLVENT

    @precondition(lambda self: not self.unsynced)
    @rule()
    def everybody_can_leave(self) -> None:
        """By trial, on a copy of the chain: all redeem and withdraw, and nobody lacks anything."""
        with isolated(self.world.lane):
            for holder in self.world.holders:
                shares = self.pooled.read("balanceOf", holder)
                if shares:
                    self.pooled.send("redeem", shares, holder, sender=holder)
            for holder in self.world.holders:
                for token in self.tokens:
                    self.pooled.send("withdraw", token, holder, sender=holder)
            held = sum(self.splitter.read("balanceOf", h) for h in self.world.holders)
            assert held == self.supply


TestPooledShares = PooledMachine.TestCase
