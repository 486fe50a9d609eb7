"""A machine of the splitter alone: random histories with frozen accounts and pauses, against exact
fractions.

The model below knows nothing of indices, corrections or packed words: it hands every base unit that
comes in to legs and to those who hold shares at that moment, as fractions, and rounds down what has
been handed to each.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from typing import Any, ClassVar

from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from derrick.abi import Revert
from derrick.chain import Contract, Lane, Receipt
from derrick.fiat import FiatToken
from derrick.testing import ROLES, isolated
from tests.property.mutants import SLOT

CAPACITY = 7
BPS = 10_000
MAX_SUPPLY = 10**27
NOT_PAID = "90b8ec18"
"""Selector of `TransferFailed()`, Solady's word for a token that does not pay."""
PROTOCOL_BPS = 249
MOST_LEGS_BPS = 8_000

CONSERVED = "5: claimed + claimable + undistributed = received, dust < 1 base unit a holder and leg"
UNMOVED = "5: a transfer of shares moves no dividend earned before it"
KEPT = "5: a change of legs moves no revenue from before it"
UNHARMED = "8: nobody's call lowers what anybody else can take out"
ROUNDED = "10: all rounding favours the pool over the caller"
ONCE = "11: repeated calls of every transition are no-ops or clean errors"
UNBLOCKED = "12: nobody who is frozen holds up a claim of one's own money, or another's"

Trouble = str | int | None

amounts = st.one_of(st.integers(1, 12), st.integers(1, 10**9), st.integers(1, 10**30))
supplies = st.one_of(st.sampled_from([1, 2, 3, MAX_SUPPLY]), st.integers(1, MAX_SUPPLY))
own_legs = st.lists(st.tuples(st.integers(1, 1_000), st.booleans()), max_size=3)
who = st.integers(0, 4)
places = st.integers(0, 3)
troubles = st.sampled_from([None] * 6 + ["pause", "pause other", "engine", "splitter", "to", 0, 1])
"""What goes wrong during a claim: mostly nothing, or a token is paused, or one is frozen."""


@dataclass
class World:
    """What all examples share."""

    lane: Lane
    project: Any
    tokens: list[Contract]
    """Circle's USDC, and three tokens that splitters may pay in besides."""
    engine: Contract
    factory: Contract
    owner: str
    holders: list[str]
    recipients: list[str]
    fault: int = 0
    """Of `test_splitter_mutants.py`: which is switched on in splitters made from now on."""

    def make(
        self, supply: int, own: list[tuple[str, int, bool]], token: Contract | None = None
    ) -> Contract:
        """A splitter of these legs, all shares with the first holder."""
        first, token = self.holders[0], token or self.tokens[0]
        address = self.factory.read("predict", first, CAPACITY, token, supply)
        self.engine.send("setPayee", CAPACITY, address, token, sender=self.owner)
        self.factory.send("create", (CAPACITY, supply, first, own, PROTOCOL_BPS), sender=first)
        if self.fault:
            word = f"0x{self.fault:064x}"
            self.lane.node.request("anvil_setStorageAt", address, hex(SLOT), word)
        return self.lane.contract(self.project.RevenueSplitter.at(address), "splitter")

    def legs(self, parts: list[tuple[int, bool]]) -> list[tuple[str, int, bool]]:
        """Legs of these parts, for one recipient after the other."""
        named = zip(self.recipients, parts, strict=False)
        return [(recipient, bps, fixed) for recipient, (bps, fixed) in named]


def make_world(project: Any, lane: Lane, accounts: Any, splitters: Any) -> World:
    """Deploy it. `splitters` is the container of the splitters' factory."""
    people = dict(zip(ROLES, accounts, strict=False))
    owner = people["owner"]
    usdc = FiatToken.deploy(owner)
    engine = owner.deploy(project.MockRevenueSource)
    factory = owner.deploy(splitters, owner, engine, engine)
    factory.setProtocolLeg(PROTOCOL_BPS, people["treasury"], sender=owner)
    usdc.mint(engine, 2**130)
    others = [owner.deploy(project.FreezableCoin, decimals) for decimals in (2, 8, 18)]
    for token in others:
        factory.setDividendToken(token, True, sender=owner)
    holders = ("operator", "tenant", "lender", "borrower", "stranger")
    return World(
        lane=lane,
        project=project,
        tokens=[lane.contract(usdc.token, "usdc"), *map(lane.contract, others)],
        engine=lane.contract(engine),
        factory=lane.contract(factory),
        owner=owner.address,
        holders=[people[role].address for role in holders],
        recipients=[people[role].address for role in ("guardian", "operator", "treasury")],
    )


# ---- The splitter in exact fractions ------------------------------------------------------------


@dataclass
class Leg:
    """A part of the revenue before the shares, with what it was handed and paid of each token."""

    recipient: str
    bps: int
    stays: bool
    handed: list[Fraction] = field(default_factory=lambda: [Fraction(0)] * 4)
    paid: list[int] = field(default_factory=lambda: [0] * 4)

    def claimable(self, token: int) -> int:
        return floor(self.handed[token]) - self.paid[token]


@dataclass
class Pot:
    """One token: what came in, and what holders were handed and paid of it."""

    handed: dict[str, Fraction]
    paid: dict[str, int]
    earned: int = 0
    released: int = 0
    direct: int = 0
    unsynced: int = 0
    to_shares: Fraction = Fraction(0)

    @property
    def received(self) -> int:
        return self.earned + self.direct

    @property
    def index(self) -> int:
        """Due to all shares in whole base units: what is handed on to holders."""
        return floor(self.to_shares)


@dataclass
class Model:
    supply: int
    legs: list[Leg]
    shares: dict[str, int]
    pots: list[Pot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.add_token()

    @property
    def legs_bps(self) -> int:
        return sum(leg.bps for leg in self.legs)

    def add_token(self) -> None:
        nobody = dict.fromkeys(self.shares, 0)
        self.pots.append(Pot(dict.fromkeys(self.shares, Fraction(0)), nobody))

    def receive(self, token: int, earned: int = 0, direct: int = 0) -> None:
        """Revenue: the legs' parts, then the shares', for those who hold them now."""
        pot = self.pots[token]
        before, amount = pot.index, earned + direct
        pot.earned += earned
        pot.direct += direct
        for leg in self.legs:
            leg.handed[token] += Fraction(amount * leg.bps, BPS)
        pot.to_shares += Fraction(amount * (BPS - self.legs_bps), BPS)
        for holder, shares in self.shares.items():
            pot.handed[holder] += Fraction((pot.index - before) * shares, self.supply)

    def find(self, token: int) -> int:
        """What came by plain transfer is revenue from now on."""
        found = self.pots[token].unsynced
        self.pots[token].unsynced = 0
        self.receive(token, direct=found)
        return found

    def find_all(self) -> list[int]:
        return [self.find(token) for token in range(len(self.pots))]

    def claimable(self, token: int, holder: str) -> int:
        pot = self.pots[token]
        return floor(pot.handed[holder]) - pot.paid[holder]

    def paid(self, token: int) -> int:
        legs = sum(leg.paid[token] for leg in self.legs)
        return sum(self.pots[token].paid.values()) + legs

    def cash(self, token: int) -> int:
        pot = self.pots[token]
        return pot.released + pot.direct + pot.unsynced - self.paid(token)

    def sole_holder(self) -> str | None:
        return next((who for who, held in self.shares.items() if held == self.supply), None)


# ---- Anybody does anything ----------------------------------------------------------------------


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
        parts=own_legs,
        others=st.integers(0, 3),
        sold=st.lists(st.integers(1, 3), max_size=4),
        rent=amounts,
    )
    def start(
        self,
        supply: int,
        parts: list[tuple[int, bool]],
        others: int,
        sold: list[int],
        rent: int,
    ) -> None:
        """The first holder adds tokens and sells some quarters of what it has to the next ones."""
        world = self.world
        own = world.legs(parts)
        self.splitter = world.make(supply, own)
        self.model = Model(
            supply=supply,
            legs=[Leg(*leg) for leg in [*own, (world.recipients[2], PROTOCOL_BPS, True)]],
            shares=dict.fromkeys(world.holders, 0) | {world.holders[0]: supply},
        )
        for place in range(1, others + 1):
            self.add_token(world.holders[0], place)
        for receiver, quarters in enumerate(sold, 1):
            self.move(0, receiver, self.model.shares[world.holders[0]] * quarters // 4)
        self.the_engine_settles(rent)

    def token(self, place: int) -> int:
        """One of the splitter's tokens."""
        return place % len(self.model.pots)

    # ---- revenue comes in

    @rule(amount=amounts)
    def the_engine_settles(self, amount: int) -> None:
        self.world.engine.send("earn", CAPACITY, amount, sender=self.world.owner)
        self.model.receive(0, earned=amount)

    @rule(by=who)
    def anyone_releases(self, by: int) -> None:
        self.world.engine.send("release", CAPACITY, sender=self.world.holders[by])
        self.model.pots[0].released = self.model.pots[0].earned

    @rule(amount=amounts, place=places, synced=st.booleans())
    def a_gift_arrives(self, amount: int, place: int, synced: bool) -> None:
        token = self.token(place)
        mint = (self.splitter.address, amount)
        self.world.tokens[token].send("mint", *mint, sender=self.world.owner)
        self.model.pots[token].unsynced += amount
        if synced:
            self.anyone_syncs(0, token)

    @rule(by=who, place=places)
    def anyone_syncs(self, by: int, place: int) -> None:
        token = self.token(place)
        contract = self.world.tokens[token]
        receipt = self.splitter.send("sync", contract, sender=self.world.holders[by])
        self.found(receipt, {token: self.model.find(token)})

    def found(self, receipt: Receipt, wanted: dict[int, int]) -> None:
        """What a call says that it found in each token."""
        said = [(log.args.token, log.args.amount) for log in receipt.named("Synced")]
        tokens = self.world.tokens
        assert said == [(tokens[k].address, amount) for k, amount in wanted.items() if amount]

    # ---- shares move

    @rule(sender=who, receiver=who, amount=st.integers(0, MAX_SUPPLY), everything=st.booleans())
    def shares_move(self, sender: int, receiver: int, amount: int, everything: bool) -> None:
        held = self.model.shares[self.world.holders[sender]]
        self.move(sender, receiver, held if everything else amount % (held + 1))

    def move(self, sender: int, receiver: int, amount: int) -> None:
        source, target = self.world.holders[sender], self.world.holders[receiver]
        moved = amount != 0 and source != target
        if moved:
            # What came in before is counted first: for those who hold shares until now.
            wanted = self.model.find_all()
        before = self.expected()
        receipt = self.splitter.send("transfer", target, amount, sender=source)
        self.found(receipt, dict(enumerate(wanted)) if moved else {})
        self.model.shares[source] -= amount
        self.model.shares[target] += amount
        assert self.all_claimable() == before, UNMOVED

    @rule(sender=who, receiver=who, excess=st.integers(1, 2**255))
    def more_shares_than_held_do_not_move(self, sender: int, receiver: int, excess: int) -> None:
        source, target = self.world.holders[sender], self.world.holders[receiver]
        amount = self.model.shares[source] + excess
        outcome = self.splitter.try_send("transfer", target, amount, sender=source)
        assert isinstance(outcome, Revert)
        assert outcome.name == "InsufficientBalance"

    @rule(buyer=who)
    def one_buys_all_shares(self, buyer: int) -> None:
        for seller, holder in enumerate(self.world.holders):
            if seller != buyer and self.model.shares[holder]:
                self.move(seller, buyer, self.model.shares[holder])
        self.world.lane.mine()

    # ---- money goes out

    @rule(holder=who, to=who, trouble=troubles)
    def a_holder_claims(self, holder: int, to: int, trouble: Trouble) -> None:
        caller, receiver = self.one_due(holder), self.world.holders[to]
        self.claims(caller, receiver, trouble, "claim", receiver, sender=caller)

    @rule(holder=who, by=who, trouble=troubles)
    def anyone_claims_for_a_holder(self, holder: int, by: int, trouble: Trouble) -> None:
        receiver, caller = self.one_due(holder), self.world.holders[by]
        self.claims(receiver, receiver, trouble, "claimFor", receiver, sender=caller)

    @rule(holder=who, to=who, place=places, trouble=troubles, by_other=st.booleans())
    def one_token_is_claimed(
        self, holder: int, to: int, place: int, trouble: Trouble, by_other: bool
    ) -> None:
        token = self.token(place)
        caller, receiver = self.one_due(holder, token), self.world.holders[to]
        arguments: tuple[Any, ...] = (self.world.tokens[token], receiver)
        if by_other:
            arguments = (self.world.tokens[token], caller)
            function, receiver, sender = "claimTokenFor", caller, self.world.holders[to]
        else:
            function, sender = "claimToken", caller
        self.claims(caller, receiver, trouble, function, *arguments, sender=sender, only=token)

    def claims(
        self,
        holder: str,
        receiver: str,
        trouble: Trouble,
        function: str,
        *arguments: Any,
        sender: str,
        only: int | None = None,
    ) -> None:
        """A claim of a holder's dividends, in all tokens or in one."""
        tokens = range(len(self.model.pots)) if only is None else [only]
        due = {token: self.model.claimable(token, holder) for token in tokens}
        if self.pays(due, receiver, trouble, function, *arguments, sender=sender):
            for token, amount in due.items():
                self.model.pots[token].paid[holder] += amount

    @rule(leg=st.integers(0, 99), to=who, place=st.one_of(st.none(), places), trouble=troubles)
    def a_leg_claims(self, leg: int, to: int, place: int | None, trouble: Trouble) -> None:
        leg %= len(self.model.legs)
        account, receiver = self.model.legs[leg], self.world.holders[to]
        if place is None:
            tokens = list(range(len(self.model.pots)))
            call: tuple[Any, ...] = ("claimLeg", leg, receiver)
        else:
            tokens = [self.token(place)]
            call = ("claimLegToken", self.world.tokens[tokens[0]], leg, receiver)
        due = {token: account.claimable(token) for token in tokens}
        if self.pays(due, receiver, trouble, *call, sender=account.recipient):
            for token, amount in due.items():
                account.paid[token] += amount

    def one_due(self, holder: int, token: int = 0) -> str:
        """One of those who are due something, or where nobody is, any."""
        everybody = self.world.holders
        due = [account for account in everybody if self.model.claimable(token, account)]
        some = due or everybody
        return some[holder % len(some)]

    def pays(
        self,
        due: dict[int, int],
        receiver: str,
        trouble: Trouble,
        function: str,
        *arguments: Any,
        sender: str,
    ) -> bool:
        """Try a claim amid the trouble. Asserts what must come of it; whether it paid."""
        model = self.model
        pulls = model.cash(0) < due.get(0, 0)
        with self.amid(trouble, receiver) as stopped:
            outcome = self.splitter.try_send(function, *arguments, sender=sender)
        parties = {self.splitter.address, receiver} | (
            {self.world.engine.address} if pulls else set()
        )
        if any(amount and stopped[token] & parties for token, amount in due.items()):
            event("a claim is stopped")
            assert isinstance(outcome, Revert), UNBLOCKED
            assert outcome.data.hex() == NOT_PAID, outcome
            return False
        assert isinstance(outcome, Receipt), f"{UNBLOCKED}: {outcome}"
        if not any(due.values()):
            assert outcome.events == []
            return False
        event("a claim pulls and pays" if pulls else "a claim pays")
        self.moved(outcome, due, receiver)
        assert self.splitter.read(function, *arguments, sender=sender) == 0, ONCE
        if pulls:
            model.pots[0].released = model.pots[0].earned
        return True

    def moved(self, receipt: Receipt, due: dict[int, int], receiver: str) -> None:
        """The tokens' own word on what left the splitter in a call."""
        for token, amount in due.items():
            contract = self.world.tokens[token]
            logs = [log for log in receipt.named("Transfer") if log.address == contract.address]
            left = [log.args[1:] for log in logs if log.args[0] == self.splitter.address]
            assert [tuple(entry) for entry in left] == [(receiver, amount)] * bool(amount)

    @contextmanager
    def amid(self, trouble: Trouble, receiver: str) -> Iterator[list[set[str]]]:
        """Let it go wrong for a while; by token, who of those in this claim cannot move it."""
        world = self.world
        usdc, owner = world.tokens[0], world.owner
        parties = {
            "engine": world.engine.address,
            "splitter": self.splitter.address,
            "to": receiver,
        }
        none: list[set[str]] = [set() for _ in world.tokens]
        if trouble is None:
            yield none
        elif trouble == "pause":
            usdc.send("pause", sender=owner)
            yield [set(parties.values()), *none[1:]]
            usdc.send("unpause", sender=owner)
        elif trouble == "pause other":
            world.tokens[1].send("setPaused", True, sender=owner)
            yield [set(), set(parties.values()), *none[2:]]
            world.tokens[1].send("setPaused", False, sender=owner)
        else:
            account = world.holders[trouble] if isinstance(trouble, int) else parties[trouble]
            usdc.send("blacklist", account, sender=owner)
            yield [{account}, *none[1:]]
            usdc.send("unBlacklist", account, sender=owner)

    # ---- what only some may do

    @rule(leg=st.integers(0, 99), to=who)
    def a_leg_moves(self, leg: int, to: int) -> None:
        account = self.model.legs[leg % len(self.model.legs)]
        recipient, target = account.recipient, self.world.holders[to]
        number = leg % len(self.model.legs)
        self.splitter.send("moveLeg", number, target, sender=recipient)
        account.recipient = target

    @rule(by=who, parts=own_legs, buys=st.booleans())
    def legs_change(self, by: int, parts: list[tuple[int, bool]], buys: bool) -> None:
        """By the holder of all shares; anybody else is refused."""
        if buys:
            self.one_buys_all_shares(by)
        caller = self.model.sole_holder() or self.world.holders[by]
        kept = [leg for leg in self.model.legs if leg.bps and leg.stays]
        added = self.world.legs(parts)
        outcome = self.splitter.try_send("changeLegs", added, sender=caller)
        bps = sum(leg.bps for leg in kept) - PROTOCOL_BPS + sum(bps for _, bps, _ in added)
        if self.model.sole_holder() is None:
            assert isinstance(outcome, Revert)
            assert outcome.name == "NotSoleHolder"
        elif len(kept) + len(added) > 8 or bps > MOST_LEGS_BPS:
            assert isinstance(outcome, Revert)
            assert outcome.name in ("TooManyLegs", "LegsTakeTooMuch")
        else:
            event("legs change")
            assert isinstance(outcome, Receipt), outcome
            self.found(outcome, dict(enumerate(self.model.find_all())))
            before = self.expected()
            for leg in self.model.legs:
                leg.bps = leg.bps if leg.stays else 0
            self.model.legs += [Leg(*leg) for leg in added]
            assert self.all_claimable()[: len(before)] == before, KEPT

    @rule(by=who)
    def a_token_is_added(self, by: int) -> None:
        """By the holder of all shares, as long as there is room; anybody else is refused."""
        place = len(self.model.pots)
        caller = self.model.sole_holder()
        if caller is not None and place <= 3:
            self.add_token(caller, place)
            return
        token = self.world.tokens[min(place, 3)]
        outcome = self.splitter.try_send("addToken", token, sender=caller or self.world.holders[by])
        assert isinstance(outcome, Revert)
        assert outcome.name == ("NotSoleHolder" if caller is None else "TooManyTokens")

    def add_token(self, caller: str, place: int) -> None:
        self.splitter.send("addToken", self.world.tokens[place], sender=caller)
        self.model.add_token()

    # ---- what always holds

    def expected(self) -> list[int]:
        """What `all_claimable` must answer; legs last, so that new ones come at the end."""
        model = self.model
        tokens = range(len(model.pots))
        holders = [model.claimable(k, holder) for k in tokens for holder in self.world.holders]
        return holders + [leg.claimable(token) for leg in model.legs for token in tokens]

    def all_claimable(self) -> list[int]:
        tokens = self.world.tokens[: len(self.model.pots)]
        call = self.splitter.call
        calls = [
            call("claimableOf", token, holder) for token in tokens for holder in self.world.holders
        ]
        legs = range(len(self.model.legs))
        calls += [call("claimableByLeg", token, leg) for leg in legs for token in tokens]
        result: list[int] = self.world.lane.batch(calls)
        return result

    @invariant()
    def says_what_the_model_says(self) -> None:
        model, splitter, world = self.model, self.splitter, self.world
        due = self.all_claimable()
        assert due == self.expected(), UNHARMED
        balances = [splitter.call("balanceOf", holder) for holder in world.holders]
        balances = world.lane.batch([*balances, splitter.call("legs"), splitter.call("tokens")])
        *balances, legs, tokens = balances
        assert balances == [model.shares[holder] for holder in world.holders]
        assert sum(balances) == model.supply
        assert tuple(legs) == (len(model.legs), model.legs_bps)
        assert tokens == [token.address for token in world.tokens[: len(model.pots)]]
        for token in range(len(model.pots)):
            self.conserves(token)

    def conserves(self, token: int) -> None:
        model, splitter, contract = self.model, self.splitter, self.world.tokens[token]
        pot = model.pots[token]
        totals, index, cash = self.world.lane.batch(
            [
                splitter.call("totalsOf", contract),
                splitter.call("dividendIndexOf", contract),
                contract.call("balanceOf", splitter),
            ]
        )
        assert tuple(totals) == (pot.received, model.paid(token))
        assert index == pot.index
        assert cash == model.cash(token)
        due = sum(model.claimable(token, holder) for holder in self.world.holders)
        due += sum(leg.claimable(token) for leg in model.legs)
        undistributed = totals.received - totals.paid - due
        assert 0 <= undistributed < len(self.world.holders) + len(model.legs), CONSERVED
        assert cash + pot.earned - pot.released >= due, CONSERVED
        exact = pot.to_shares + sum(leg.handed[token] for leg in model.legs)
        assert exact == pot.received, CONSERVED
        assert sum(pot.handed.values()) <= pot.to_shares, ROUNDED

    @rule(data=st.data())
    def everyone_can_cash_out_in_any_order(self, data: st.DataObject) -> None:
        """By trial, on a copy of the chain: each gets what he was told, whoever comes first."""
        world, model = self.world, self.model
        turns: list[tuple[int, Any]] = [
            (token, party)
            for token in range(len(model.pots))
            for party in (*world.holders, *range(len(model.legs)))
        ]
        order = data.draw(st.permutations(turns))
        with isolated(world.lane):
            for token, party in order:
                self.cash_out(token, party)
            for token, pot in enumerate(model.pots):
                due = sum(model.claimable(token, holder) for holder in world.holders)
                due += sum(leg.claimable(token) for leg in model.legs)
                dust = pot.received - model.paid(token) - due
                left = world.tokens[token].read("balanceOf", self.splitter)
                released = (
                    world.engine.read("revenueTotals", CAPACITY).released if token == 0 else 0
                )
                assert left == dust + pot.unsynced + released - pot.earned, CONSERVED

    def cash_out(self, token: int, party: Any) -> None:
        """A holder, or a leg by its index, takes out what it is due of one token."""
        contract, to = self.world.tokens[token], self.world.owner
        before = contract.read("balanceOf", to)
        if isinstance(party, int):
            leg = self.model.legs[party]
            due = leg.claimable(token)
            self.splitter.send("claimLegToken", contract, party, to, sender=leg.recipient)
        else:
            due = self.model.claimable(token, party)
            self.splitter.send("claimToken", contract, to, sender=party)
        assert contract.read("balanceOf", to) - before == due, UNHARMED
