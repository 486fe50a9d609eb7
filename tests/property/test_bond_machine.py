"""The service bond against its model over random histories: invariants 2, 3, 8, 10, 11, 12.

Operators pay in and leave, deeds change hands, stakers come, cool and go, epochs are leased and
settled, some of them in penalty, some penalties come late, are paid, or freed; payees pay rewards
or do their worst. Three capacities: two in one coin, one in another; one has a payee that is no
splitter. After each step the contract is compared with `BondModel`, and every invariant is checked;
the one that breaks says its sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Any, ClassVar

import pytest
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from derrick.abi import Revert
from derrick.chain import Contract, Lane, Receipt
from derrick.testing import isolated
from derrick.units import DAY, HOUR
from tests.bond_stage import EXIT_DELAY, MAX, RELEASE_WINDOW, SUPPLY, VIRTUAL
from tests.property.bond_model import BondModel, Payee, pool_after

SENTENCES = {
    "2": "solvency: the bond's balance covers all that it owes, per token",
    "3": "conservation: money in = money out + what is owed, to the base unit",
    "8": "nobody's call lowers what anybody else can take out, but a penalty",
    "10": "all rounding favours the pool over the caller",
    "11": "repeated calls of every transition are no-ops or clean errors",
    "12": "no hostile payee and no frozen account blocks a claim of one's own money",
    "past": "no stake pays for an epoch that had begun before it was staked",
    "escape": "nobody leaves while an epoch that he has to answer for can bring a penalty",
    "fair": "the pool is its owners' in proportion to what they put in, slashed and earned alike",
    "model": "every view says what the naive model says",
}


def hold(condition: bool, name: str, details: object = "") -> None:
    """Asserts an invariant by its sentence."""
    assert condition, f"invariant {name}: {SENTENCES[name]}. {details}"


STAKERS = ("lender", "other_lender", "borrower")
OPERATORS = ("operator", "other_operator")
PAYS, REVERTS, BURNS, BOMBS, REENTERS = range(5)
HOSTILE = 2
"""The capacity whose payee is no splitter."""

CLEAN = {
    "AlreadyReserved",
    "NoExitRequest",
    "NothingCooling",
    "NothingPending",
    "NotEnough",
    "NotSettled",
    "PenaltyPossible",
}

numbers = st.integers(1, 3)
stakers = st.sampled_from(STAKERS)
operators = st.sampled_from(OPERATORS)
amounts = st.one_of(
    st.integers(1, 12),
    st.integers(1, 10**9),
    st.integers(10**6, 10**12),
    st.integers(1, 10**24),
)
parts = st.integers(1, 1_000)
"""Thousandths of what there is; 1,000 is all."""
penalties = st.one_of(parts, amounts)
"""Parts of the whole bond, or any amount."""
days = st.sampled_from([0, 1, 12])
"""For how many days a lease is signed."""
indices = st.integers(0, 99)
"""Of whom or what a rule is about, among those that come into question."""


@dataclass
class World:
    """What all examples share."""

    lane: Lane
    actors: dict[str, str]
    coins: dict[str, Contract]
    bond: Contract
    engine: Contract
    deeds: Contract
    payees: dict[int, Contract]
    plans: dict[int, dict[str, Any]]


class BondMachine(RuleBasedStateMachine):
    """Anybody does anything, in any order; the model says what must come of it."""

    world: ClassVar[World]

    @initialize(
        spans=st.lists(st.sampled_from([0, HOUR, 5 * DAY]), min_size=3, max_size=3),
        first=st.integers(10**3, 10**12),
        days=st.sampled_from([0, 4, 4, 30]),
    )
    def start(self, spans, first, days):
        """Somebody has staked and paid in everywhere before the first epoch, some days ago."""
        world = self.world
        self._isolation = isolated(world.lane)
        self._isolation.__enter__()
        self.models = {
            number: BondModel(span=span, **plan)
            for (number, plan), span in zip(world.plans.items(), spans, strict=True)
        }
        for model in self.models.values():
            model.payee = Payee(dict(model.payee.legs))
        self.mood = PAYS
        self.strays = dict.fromkeys(world.coins, 0)
        self.paid_in = dict.fromkeys(world.coins, 0)
        self.paid_out = dict.fromkeys(world.coins, 0)
        for number in self.models:
            self._tell(number)
            self.deposit(number, "operator", first)
            self.stake(number, "lender", first)
            self.join(number, "lender", "lender")
        self.time_passes(days * DAY)

    def teardown(self):
        if hasattr(self, "_isolation"):
            self._isolation.__exit__(None, None, None)

    # ---- Reading --------------------------------------------------------------------------------

    def _state(self) -> dict:
        """All that the bond's views say, in one request."""
        bond, calls = self.world.bond, {}
        for number, model in self.models.items():
            for view in (
                "bondOf",
                "operatorPartOf",
                "poolOf",
                "heldOf",
                "exitRequestOf",
                "knownLegsOf",
            ):
                calls[view, number] = bond.call(view, number)
            for name in STAKERS:
                account = self.world.actors[name]
                for view in ("pendingOf", "sharesOf", "stakeOf", "coolingOf", "claimableOf"):
                    calls[view, number, name] = bond.call(view, number, account)
                for epoch in model.reserves:
                    calls["recoverableOf", number, name, epoch] = bond.call(
                        "recoverableOf", number, epoch, account
                    )
            for epoch in model.reserves:
                calls["reserveOf", number, epoch] = bond.call("reserveOf", number, epoch)
        for coin, contract in self.world.coins.items():
            calls["cash", coin] = contract.call("balanceOf", bond)
        return dict(zip(calls, self.world.lane.batch(calls.values()), strict=True))

    def _takeable(self, state: dict) -> dict:
        """What everybody can take out of each capacity, at exact prices, sooner or later."""
        found = {}
        for number, model in self.models.items():
            assets, shares, _ = state["poolOf", number]
            price = Fraction(assets + model.uncollected() + 1, shares + VIRTUAL)
            found["operator", number] = Fraction(state["operatorPartOf", number])
            for name in STAKERS:
                back = sum(
                    state["recoverableOf", number, name, epoch]
                    for epoch in model.reserves
                    if ("recoverableOf", number, name, epoch) in state
                )
                found[name, number] = (
                    state["sharesOf", number, name] * price
                    + state["pendingOf", number, name].amount
                    + state["claimableOf", number, name]
                    + back
                )
        return found

    # ---- Acting ---------------------------------------------------------------------------------

    @property
    def now(self) -> int:
        """When the next transaction happens."""
        return self.world.lane.time + 1

    def _act(self, contract, function, *arguments, sender, why_not=None, effect=None, harms=()):
        """One transaction, which fails just as the model says, or does to it what `effect` does.

        It harms only whom it may: pairs of name and capacity. Returns what `effect` does, or else
        the receipt; None if it failed.
        """
        before = self._takeable(self._state())
        prices = {n: (model.pool.generation, model.pool.price) for n, model in self.models.items()}
        sender = self.world.actors.get(sender, sender)
        outcome = contract.try_send(function, *arguments, sender=sender)
        name = outcome.name if isinstance(outcome, Revert) else None
        hold(name == why_not, "model", f"{function}{arguments}: {outcome}, expected {why_not}")
        if why_not:
            return None
        result = effect() if effect else None
        after = self._takeable(self._state())
        for who, amount in before.items():
            if who not in harms:
                hold(after[who] >= amount, "8", f"{function}{arguments}: {who} {amount} {after}")
        for number, (generation, price) in prices.items():
            pool = self.models[number].pool
            if function != "reserve" and pool.generation == generation and pool.shares:
                hold(pool.price >= price or not any(pool.shares.values()), "10", function)
        return outcome if result is None else result

    def _again(self, contract, function, *arguments, sender):
        """On a snapshot: the same call once more changes nothing, or says why not."""
        with isolated(self.world.lane):
            sender = self.world.actors.get(sender, sender)
            outcome = contract.try_send(function, *arguments, sender=sender)
            if isinstance(outcome, Revert):
                hold(outcome.name in CLEAN, "11", f"{function}: {outcome}")
            else:
                hold(outcome.events == [], "11", f"{function}: {outcome.events}")

    def _pay_in(self, number, name, amount):
        """The money that somebody is about to pay in."""
        coin = self.models[number].coin
        account = self.world.actors[name]
        self.world.coins[coin].send("mint", account, amount, sender=self.world.actors["owner"])

    def _tell(self, number):
        """Lets the engine say how far things are."""
        model = self.models[number]
        self.world.engine.send(
            "set",
            number,
            model.settled_to,
            model.leased_to,
            model.span,
            sender=self.world.actors["owner"],
        )

    def _hold_balance(self, name, number, receive):
        """What comes of a call that pays: the receiver has so much more."""
        coin = self.world.coins[self.models[number].coin]
        account = self.world.actors[name]
        before = coin.read("balanceOf", account)
        amount = receive()
        if amount is not None:
            hold(coin.read("balanceOf", account) - before == amount, "3", (name, amount))
            self.paid_out[self.models[number].coin] += amount

    def _why_not_in(self, number, amount):
        return None if self.models[number].room_for(amount) else "TooMuch"

    # ---- Rules: few, so that each history has most of them, and each of many kinds --------------

    @rule(
        number=numbers,
        name=operators,
        amount=amounts,
        part=st.integers(0, 1_100),
        what=st.sampled_from(["deposit", "deposit", "ask", "cancel", "sell", "withdraw", "leave"]),
    )
    def operators_act(self, number, name, amount, part, what):
        if what == "deposit":
            self.deposit(number, name, amount)
        elif what == "ask":
            self.ask_to_leave(number, name)
        elif what == "cancel":
            self.cancel_exit(number, name)
        elif what == "sell":
            self.sell(number)
        elif what == "withdraw":
            self.withdraw(number, name, part)
        else:
            self.ask_to_leave(number, self.models[number].deed_owner)
            self.time_passes(EXIT_DELAY)
            self.leases_end_early(number, True)
            self.withdraw(number, self.models[number].deed_owner, part)

    @rule(
        number=numbers,
        name=stakers,
        index=indices,
        by=stakers,
        amount=amounts,
        leased=days,
        early=st.integers(0, 1),
        what=st.sampled_from(["stake", "stake and join", "join", "join", "cancel"]),
    )
    def stakers_come(self, number, name, index, by, amount, leased, early, what):
        if what == "stake":
            self.stake(number, name, amount)
        elif what == "stake and join":
            self.stakes_and_joins(number, name, amount, leased, early)
        elif what == "join":
            self.one_joins(index, by)
        else:
            self.cancel_stake(index)

    @rule(
        index=indices,
        name=stakers,
        by=stakers,
        part=st.integers(0, 1_200),
        withdraws=st.booleans(),
        leased=days,
        edge=st.integers(0, 2),
        late=st.integers(-1, 0),
        what=st.sampled_from(
            ["unstake", "cancel", "leave", "in time", "all of it", "all of it", "claim", "recover"]
        ),
    )
    def stakers_go(self, index, name, by, part, withdraws, leased, edge, late, what):
        if what in ("unstake", "all of it"):
            self.unstake(index, part)
        if what in ("in time", "all of it"):
            self.a_lease_is_signed(self._who_cools(index)[0], leased)
            self.one_leaves_in_its_time(index, by, withdraws, edge, late)
        if what == "cancel":
            self.cancel_unstake(index)
        elif what == "leave":
            self.one_leaves(index, by, withdraws)
        elif what == "claim":
            self.claim(index)
        elif what == "recover":
            self.recover(index, name, by)

    @rule(
        number=numbers,
        epochs=st.integers(1, 12),
        ahead=st.integers(0, 20),
        lag=st.sampled_from([0, 0, 0, 1, 2, 5]),
        fines=st.lists(penalties, max_size=3),
        late=st.one_of(st.none(), penalties),
    )
    def epochs_pass(self, number, epochs, ahead, lag, fines, late):
        self.epochs_go_by(number, epochs, ahead, lag, fines)
        if late is not None:
            self.a_penalty_comes_late(number, epochs, late)

    @rule(number=numbers, settled=st.booleans())
    def leases_stop(self, number, settled):
        self.leases_end_early(number, settled)

    @rule(
        index=indices,
        name=stakers,
        by=operators,
        part=parts,
        excess=st.integers(0, 2**200),
        amount=amounts,
        what=st.sampled_from(["pay", "pay and free", "waive", "come and waive", "go and waive"]),
    )
    def reserves_are_used(self, index, name, by, part, excess, amount, what):
        if what in ("pay", "pay and free"):
            self.a_reserve_is_used(index, part, excess, what == "pay and free")
        else:
            if what == "come and waive":
                self.stakes_and_joins(self._whose_pool_paid(index), name, amount)
            elif what == "go and waive":
                self.one_leaves_in_its_time(index, name, False, 1, 0)
            self.a_reserve_is_waived(index)
            self.recover(index, name, by)

    @rule(
        number=numbers,
        amount=amounts,
        leg=st.integers(0, 1),
        by=stakers,
        late=st.booleans(),
        mood=st.sampled_from([None, None, PAYS, REVERTS, BURNS, BOMBS, REENTERS, REENTERS]),
    )
    def payees_act(self, number, amount, leg, by, late, mood):
        """Rent comes in and its share is collected, or not yet; one payee may change its mood."""
        if mood is not None:
            self.the_hostile_payee_changes_its_mood(mood, amount)
        self.rent_is_earned(number, amount, leg, by, late)

    @rule(
        seconds=st.one_of(st.integers(1, 2 * HOUR), st.integers(1, 9 * DAY)),
        coin=st.sampled_from(["dollar", "euro"]),
        gift=st.one_of(st.none(), amounts),
    )
    def meanwhile(self, seconds, coin, gift):
        self.time_passes(seconds)
        if gift:
            self.a_gift_is_nobodys(coin, gift)

    # ---- Operators ------------------------------------------------------------------------------

    def deposit(self, number, name, amount):
        model = self.models[number]
        self._pay_in(number, name, amount)

        def effect():
            model.deposited += amount
            self.paid_in[model.coin] += amount

        self._act(
            self.world.bond,
            "deposit",
            number,
            amount,
            sender=name,
            why_not=self._why_not_in(number, amount),
            effect=effect,
        )

    def ask_to_leave(self, number, name):
        model, now = self.models[number], self.now
        self._act(
            self.world.bond,
            "requestExit",
            number,
            sender=name,
            why_not=None if name == model.deed_owner else "NotDeedOwner",
            effect=lambda: model.ask_exit(name, now),
        )

    def cancel_exit(self, number, name):
        model = self.models[number]

        def effect():
            model.request = None

        self._act(
            self.world.bond,
            "cancelExit",
            number,
            sender=name,
            why_not=None if model.request and model.request[0] == name else "NoExitRequest",
            effect=effect,
        )

    def sell(self, number):
        model, actors = self.models[number], self.world.actors
        buyer = OPERATORS[1 - OPERATORS.index(model.deed_owner)]
        seller = actors[model.deed_owner]
        self.world.deeds.send("transferFrom", seller, actors[buyer], number, sender=seller)
        model.deed_owner = buyer

    def withdraw(self, number, name, part):
        model = self.models[number]
        amount = model.operator_part * part // 1_000

        def effect():
            event("an operator withdraws")
            model.withdrawn += amount
            model.left.append((name, model.leased_to))
            return amount

        self._hold_balance(
            name,
            number,
            lambda: self._act(
                self.world.bond,
                "withdraw",
                number,
                amount,
                self.world.actors[name],
                sender=name,
                why_not=model.cannot_withdraw(name, amount, self.now),
                effect=effect,
                harms={("operator", number)},
            ),
        )

    # ---- Stakers --------------------------------------------------------------------------------

    def _somebody(self, index, likely):
        """A capacity and a staker: one of those to whom `likely` applies, or if none, of all."""
        everybody = [(number, name) for number in self.models for name in STAKERS]
        some = [(n, name) for n, name in everybody if likely(self.models[n], name)] or everybody
        return some[index % len(some)]

    def _who_cools(self, index):
        return self._somebody(index, lambda model, name: model.cooling(name))

    def stake(self, number, name, amount):
        model = self.models[number]
        self._pay_in(number, name, amount)
        now = self.now

        def effect():
            model.stake(name, amount, now)
            self.paid_in[model.coin] += amount

        self._act(
            self.world.bond,
            "stake",
            number,
            amount,
            sender=name,
            why_not=self._why_not_in(number, amount),
            effect=effect,
        )

    def cancel_stake(self, index):
        number, name = self._somebody(index, lambda model, name: name in model.tickets)
        model, account = self.models[number], self.world.actors[name]
        self._hold_balance(
            name,
            number,
            lambda: self._act(
                self.world.bond,
                "cancelStake",
                number,
                account,
                sender=name,
                why_not=None if name in model.tickets else "NothingPending",
                effect=lambda: model.tickets.pop(name)[0],
                harms={(name, number)},
            ),
        )
        self._again(self.world.bond, "cancelStake", number, account, sender=name)

    def stakes_and_joins(self, number, name, amount, leased=0, early=0):
        self.stake(number, name, amount)
        self.a_lease_is_signed(number, leased)
        if name in self.models[number].tickets:
            joins = self.models[number].tickets[name][1]
            self.everything_before_is_settled(number, joins, early)
            self.join(number, name, name)

    def one_joins(self, index, by):
        """One of those who may, or if there is none, somebody else."""

        def may(model, name):
            return model.cannot_join(name, self.now) is None

        self.join(*self._somebody(index, may), by)

    def join(self, number, name, by):
        model = self.models[number]
        why_not = model.cannot_join(name, self.now)
        call = (self.world.bond, "join", number, self.world.actors[name])
        before = self._takeable(self._state())[name, number]
        self._act(
            *call,
            sender=by,
            why_not=why_not,
            effect=lambda: model.join(name),
            harms={(name, number)},
        )
        if why_not is None:
            event("a stake joins")
            after = self._takeable(self._state())[name, number]
            # Nothing is gained, and a share at most is lost, to the pool.
            hold(0 <= before - after <= model.pool.price, "10", (before, after))
            self._again(*call, sender=by)

    def unstake(self, index, part):
        """Of the shares that do not cool yet, some, all, none or more."""
        number, name = self._somebody(index, lambda model, name: model.pool.shares.get(name))
        model, now = self.models[number], self.now
        cooling = model.cooling(name)
        free = model.pool.shares.get(name, 0) - (cooling.shares if cooling else 0)
        shares = max(free, 1) * part // 1_000
        self._act(
            self.world.bond,
            "unstake",
            number,
            shares,
            sender=name,
            why_not="ZeroAmount" if shares == 0 else "NotEnough" if shares > free else None,
            effect=lambda: model.unstake(name, shares, now),
        )

    def cancel_unstake(self, index):
        number, name = self._who_cools(index)
        model = self.models[number]
        self._act(
            self.world.bond,
            "cancelUnstake",
            number,
            sender=name,
            why_not=None if model.cooling(name) else "NothingCooling",
            effect=lambda: model.coolings.pop(name),
        )
        self._again(self.world.bond, "cancelUnstake", number, sender=name)

    def one_leaves(self, index, by, withdraws):
        """Somebody who cools, too early, in time or too late."""
        self._release(*self._who_cools(index), by, withdraws)

    def one_leaves_in_its_time(self, index, by, withdraws, edge, late):
        """All that it waits for is settled, and time goes on to an edge of the way out.

        That is the second in which something changes, or the one before.
        """
        number, name = self._who_cools(index)
        model = self.models[number]
        if cooling := model.cooling(name):
            epoch = min(cooling.epoch, model.leased_to)
            since = max(cooling.release_at, model.deadline_of(epoch - 1) if epoch else 0)
            edges = (cooling.release_at, since, since + RELEASE_WINDOW)
            self._settle_by(number, epoch, edges[edge] + late)
        self._release(number, name, by, withdraws)

    def _fair(self, model, name):
        """What the shares that cool should bring, but for rounding, and how much that may be."""
        after = pool_after(model.history + model.collected())
        part = Fraction(model.coolings[name].shares, after.shares[name])
        return after.money[name] * part, after.error + 1

    def _release(self, number, name, by, withdraws):
        """By anyone, or by a staker for itself with all that is there to claim."""
        model = self.models[number]
        why_not = model.cannot_release(name, self.now)
        fair, error = (0, 0) if why_not else self._fair(model, name)
        account = self.world.actors[name]
        got: list[int] = []

        def effect():
            event("a staker leaves")
            got.append(model.release(name))
            return model.claim(name) if withdraws else None

        call = ("withdrawStake" if withdraws else "releaseStake", number, account)
        by = name if withdraws else by
        harms = {(name, number)}

        def act():
            done = self._act(
                self.world.bond, *call, sender=by, why_not=why_not, effect=effect, harms=harms
            )
            return done if withdraws else None

        self._hold_balance(name, number, act)
        if why_not is None:
            hold(abs(got[0] - fair) <= error, "fair", (got, fair, error))
            self._again(self.world.bond, *call, sender=by)

    def claim(self, index):
        number, name = self._somebody(index, lambda model, name: model.claimable(name))
        model, account = self.models[number], self.world.actors[name]
        self._hold_balance(
            name,
            number,
            lambda: self._act(
                self.world.bond,
                "claim",
                number,
                account,
                sender=name,
                effect=lambda: model.claim(name),
                harms={(name, number)},
            ),
        )
        self._again(self.world.bond, "claim", number, account, sender=name)

    # ---- The lease engine -----------------------------------------------------------------------

    def a_lease_is_signed(self, number, days):
        model = self.models[number]
        if days:
            epochs = days * DAY // model.epoch_length
            model.lease(model.first_unbegun(self.world.lane.time), epochs)
            self._tell(number)

    def epochs_go_by(self, number, epochs, ahead, lag, fines):
        """They are leased, pass, and are settled but for the last ones, some of them in penalty."""
        model = self.models[number]
        begins = model.first_unbegun(self.world.lane.time)
        model.lease(begins, epochs + ahead)
        self._tell(number)
        self._go_to(model.end_of(begins + epochs - 1))
        self._settle(number, begins, None)
        last = begins + epochs - lag
        for fine in fines:
            self._settle(number, min(model.settled_to + 1, last), fine)
        self._settle(number, last, None)

    def leases_end_early(self, number, settled):
        """None of the epochs that have not begun is leased any more; those that have, pass."""
        model = self.models[number]
        model.end_leases(self.world.lane.time)
        self._tell(number)
        if settled:
            self.everything_before_is_settled(number, model.leased_to)

    def a_penalty_comes_late(self, number, back, penalty):
        """As long as there is time for it, for one of the epochs that were settled."""
        model = self.models[number]
        possible = [
            epoch
            for epoch in sorted(model.leased - set(model.reserves))
            if epoch < model.settled_to and self.now < model.deadline_of(epoch)
        ]
        if not possible:
            return
        epoch = possible[-1 - back % len(possible)]
        event("a late penalty")
        self._reserve(number, epoch, penalty)

    def _settle(self, number, to, penalty):
        """Epochs that are over, the last of them in penalty if it was leased and there is one."""
        model = self.models[number]
        ended = max(model.first_unbegun(self.world.lane.time) - 1, 0)
        to = min(to, ended)
        if to <= model.settled_to:
            return
        model.settled_to = to
        self._tell(number)
        if penalty is not None and to - 1 in model.leased:
            self._reserve(number, to - 1, penalty)

    def _reserve(self, number, epoch, penalty):
        model = self.models[number]
        there = model.operator_part + model.pool.assets
        wanted = there * penalty // 1_000 if penalty <= 1_000 else penalty
        payers = [name for name, shares in model.pool.shares.items() if shares]
        generation = model.pool.generation

        def effect():
            model.reserve(epoch, wanted)

        receipt = self._act(
            self.world.engine,
            "reserve",
            number,
            epoch,
            wanted,
            sender="stranger",
            effect=effect,
            harms={("operator", number)} | {(name, number) for name in STAKERS},
        )
        made = model.reserves[epoch]
        log = receipt.event("Reserved")
        hold((log.ofOperator, log.ofPool) == (made.of_operator, made.of_pool), "model", log)
        hold(made.of_operator + made.of_pool == min(wanted, there), "model", log)
        if made.of_pool:
            event("the pool is slashed")
            young = [since for name, since in model.joined if name in payers]
            hold(all(since <= epoch for since in young), "past", (epoch, model.joined))
        if model.pool.generation != generation:
            event("a pool ends")
            model.joined.clear()
        hold(all(to <= epoch for _, to in model.left), "escape", (epoch, model.left))
        self._again(self.world.engine, "reserve", number, epoch, wanted, sender="stranger")

    def _some_reserve(self, index, likely):
        """Capacity and epoch of a reserve: one to which `likely` applies, or if none, of all."""
        everywhere = [(n, epoch) for n, model in self.models.items() for epoch in model.reserves]
        some = [(n, e) for n, e in everywhere if likely(self.models[n], e)] or everywhere
        return some[index % len(some)] if some else None

    def a_reserve_is_used(self, index, part, excess, free):
        """A tenant is paid from it, but no more than there is, and what is left may be freed."""
        found = self._some_reserve(index, lambda model, epoch: model.reserves[epoch].left)
        if found is None:
            return
        number, epoch = found
        reserve = self.models[number].reserves[epoch]
        tenant = self.world.actors["tenant"]
        amount = reserve.left * part // 1_000
        if excess % 3 == 0:
            amount = reserve.left + 1 + excess

        def pay():
            reserve.paid += amount
            return amount

        call = ("pay", number, epoch, tenant, amount)
        why_not = "NotEnough" if amount > reserve.left else None
        self._hold_balance(
            "tenant",
            number,
            lambda: self._act(
                self.world.engine, *call, sender="stranger", why_not=why_not, effect=pay
            ),
        )
        if free:
            self._free(number, epoch)

    def a_reserve_is_waived(self, index):
        found = self._which_can_be_waived(index)
        if found is not None:
            self._free(*found)

    def _which_can_be_waived(self, index):
        return self._some_reserve(index, lambda model, epoch: model.reserves[epoch].pool_left)

    def _whose_pool_paid(self, index):
        """The capacity of the reserve that is waived next, or any."""
        found = self._which_can_be_waived(index)
        return found[0] if found else 1 + index % len(self.models)

    def _free(self, number, epoch):
        reserve = self.models[number].reserves[epoch]
        if reserve.pool_left:
            event("stakers get something back")

        def effect():
            reserve.freed = True

        self._act(self.world.engine, "free", number, epoch, sender="stranger", effect=effect)
        self._again(self.world.engine, "free", number, epoch, sender="stranger")

    def recover(self, index, name, by):
        found = self._some_reserve(index, lambda model, epoch: model.recoverable(epoch, name))
        if found is None:
            return
        number, epoch = found
        model, account = self.models[number], self.world.actors[name]
        amount = model.recoverable(epoch, name)

        def effect():
            recovered = model.reserves[epoch].recovered
            recovered[name] = recovered.get(name, 0) + amount
            if amount:
                event("something is recovered")

        self._act(self.world.bond, "recover", number, epoch, account, sender=by, effect=effect)
        self._again(self.world.bond, "recover", number, epoch, account, sender=by)

    # ---- Rewards --------------------------------------------------------------------------------

    def rent_is_earned(self, number, amount, leg, by, late):
        """And its share collected by anyone, or not yet."""
        model, world = self.models[number], self.world
        owner = world.actors["owner"]
        if number == HOSTILE:
            payee = world.payees[number]
            world.coins[model.coin].send("mint", payee, amount, sender=owner)
            payee.send("setDue", model.payee.due(0) + amount, 0, sender=owner)
        else:
            world.coins[model.coin].send("mint", world.engine, amount, sender=owner)
            world.engine.send("earn", number, amount, sender=owner)
        model.payee.received += amount
        if not late:
            self._collect(number, list(model.payee.legs)[leg % len(model.payee.legs)], by)

    def _collect(self, number, leg, by):
        model, bond = self.models[number], self.world.bond
        if not model.payee.works:
            outcome = bond.try_send("collect", number, leg, sender=self.world.actors[by])
            hold(isinstance(outcome, Revert), "model", outcome)
            return

        def effect():
            model.known.add(leg)
            model.collect(leg)

        self._act(bond, "collect", number, leg, sender=by, effect=effect)
        if number != HOSTILE or self.mood != REENTERS:
            self._again(bond, "collect", number, leg, sender=by)

    def the_hostile_payee_changes_its_mood(self, mood, amount):
        """One that reenters pays in as an operator, while the bond waits for its rewards."""
        world, model = self.world, self.models[HOSTILE]
        payee, owner = world.payees[HOSTILE], world.actors["owner"]
        if mood == REENTERS:
            world.coins[model.coin].send("mint", payee, amount, sender=owner)
            inside = world.bond.call("deposit", HOSTILE, amount).message["data"]
            payee.send("setReentry", world.bond, bytes.fromhex(inside[2:]), sender=owner)
        else:
            payee.send("setMood", mood, sender=owner)
        self.mood = mood
        model.payee.works = mood not in (REVERTS, BURNS)

    def a_gift_is_nobodys(self, coin, amount):
        bond, owner = self.world.bond, self.world.actors["owner"]
        self.world.coins[coin].send("mint", bond, amount, sender=owner)
        self.strays[coin] += amount

    # ---- Time -----------------------------------------------------------------------------------

    def _go_to(self, second):
        if second > self.world.lane.time:
            self.world.lane.mine(at=second)

    def everything_before_is_settled(self, number, epoch, early=0):
        """Time goes on to the second from which no penalty can be added, or one before."""
        model = self.models[number]
        epoch = min(epoch, model.leased_to)
        if epoch:
            self._settle_by(number, epoch, model.deadline_of(epoch - 1) - early)

    def _settle_by(self, number, epoch, second):
        """Whatever of it has ended some seconds before, so that the next call falls in this one."""
        self._go_to(second - 10)
        self._settle(number, epoch, None)
        self._go_to(second - 1)

    def time_passes(self, seconds):
        self._go_to(self.world.lane.time + seconds)

    # ---- Invariants -----------------------------------------------------------------------------

    @invariant()
    def says_what_the_model_says(self):
        if not hasattr(self, "models"):
            return
        state = self._state()
        for number, model in self.models.items():
            self._hold_capacity(state, number, model)
            for name in STAKERS:
                self._hold_staker(state, number, model, name)
        for coin in self.world.coins:
            those = {n: model for n, model in self.models.items() if model.coin == coin}
            owed, cash = sum(state["heldOf", n] for n in those), state["cash", coin]
            hold(cash >= owed, "2", (coin, cash, owed))
            hold(cash == owed + self.strays[coin], "3", (coin, cash, owed, self.strays))
            rewards = sum(sum(model.payee.paid.values()) for model in those.values())
            came = self.paid_in[coin] + rewards
            hold(owed == came - self.paid_out[coin], "3", (coin, owed, came, self.paid_out))

    def _hold_capacity(self, state, number, model):
        pool = model.pool
        seen = state["poolOf", number]
        expected = (pool.assets, sum(pool.shares.values()), pool.generation)
        hold(tuple(seen) == expected, "model", (number, seen, expected))
        hold(state["operatorPartOf", number] == model.operator_part, "model", number)
        hold(state["bondOf", number] == model.operator_part + pool.assets, "model", number)
        hold(state["heldOf", number] == model.held, "3", (number, state["heldOf", number]))
        hold(seen.shares != 0 or seen.assets == 0, "model", seen)
        known = sum(1 << leg for leg in model.known)
        hold(state["knownLegsOf", number] == known, "model", number)
        owner, exitable_at = model.request or (None, 0)
        asked = self.world.actors[owner] if owner else "0x" + "00" * 20
        hold(tuple(state["exitRequestOf", number]) == (asked, exitable_at), "model", number)
        for epoch, reserve in model.reserves.items():
            left = (reserve.operator_left, reserve.pool_left, reserve.number)
            hold(tuple(state["reserveOf", number, epoch]) == left, "model", (number, epoch))
            back = sum(state["recoverableOf", number, name, epoch] for name in STAKERS)
            back += sum(reserve.recovered.values())
            dust = model.back(epoch) - back
            hold(0 <= dust < len(STAKERS), "3", (number, epoch, dust))

    def _hold_staker(self, state, number, model, name):
        pool, who = model.pool, (number, name)

        def same(view, expected):
            seen = state[view, number, name]
            hold(seen == expected, "model", (view, who, seen, expected))

        same("pendingOf", model.tickets.get(name, (0, 0)))
        same("sharesOf", pool.shares.get(name, 0))
        same("stakeOf", floor(pool.worth(name)))
        same("claimableOf", model.claimable(name))
        cooling = model.cooling(name)
        cool = (cooling.shares, cooling.release_at, cooling.epoch) if cooling else (0, 0, 0)
        same("coolingOf", cool)
        if name in pool.money:
            worth = state["stakeOf", number, name]
            hold(abs(worth - pool.money[name]) <= pool.error + 1, "fair", (who, worth))
        for epoch in model.reserves:
            back = state["recoverableOf", number, name, epoch]
            hold(back == model.recoverable(epoch, name), "model", (who, epoch, back))

    @precondition(lambda self: self.world.lane.block_number % 4 == 0)
    @rule(mood=st.sampled_from([REVERTS, BURNS, BOMBS]), frozen=stakers)
    def everybody_can_leave(self, mood, frozen):
        """Trial on a snapshot, with a payee that breaks, another and one staker frozen.

        All the money in the bond comes out, but for what rounding left.
        """
        world = self.world
        owner = world.actors["owner"]
        with isolated(world.lane):
            world.payees[HOSTILE].send("setMood", mood, sender=owner)
            for coin in world.coins.values():
                coin.send("setFrozen", world.actors[frozen], True, sender=owner)
            world.coins["euro"].send("setFrozen", world.payees[3].address, True, sender=owner)
            for number, model in self.models.items():
                self._leave(number, model)

    def _leave(self, number, model):
        """Everything is settled, freed and released, and everyone takes what is his."""
        world = self.world
        treasury = world.actors["treasury"]
        asked = [model.deed_owner, *STAKERS]
        self._must("requestExit", number, sender=model.deed_owner)
        for name in STAKERS:
            if name in model.tickets:
                self._must("cancelStake", number, treasury, sender=name)
            cooling = model.cooling(name)
            if cooling:
                self._must("cancelUnstake", number, sender=name)
            if shares := model.pool.shares.get(name, 0):
                self._must("unstake", number, shares, sender=name)
        for epoch in model.reserves:
            world.engine.send("free", number, epoch, sender=world.actors["stranger"])
        settled = max(model.leased_to, model.settled_to)
        arguments = (number, settled, 0, model.span)
        world.engine.send("set", *arguments, sender=world.actors["owner"])
        world.lane.mine(at=world.lane.time + 7 * DAY)
        for name in STAKERS:
            for epoch in model.reserves:
                self._must("recover", number, epoch, world.actors[name], sender="stranger")
            if model.pool.shares.get(name, 0):
                self._must("withdrawStake", number, treasury, sender=name)
            self._must("claim", number, treasury, sender=name)
        part = world.bond.read("operatorPartOf", number)
        if part:
            self._must("withdraw", number, part, treasury, sender=model.deed_owner)
        dust = world.bond.read("heldOf", number)
        hold(dust <= len(asked) * len(model.reserves), "12", (number, dust))

    def _must(self, function, *arguments, sender):
        sender = self.world.actors[sender]
        outcome = self.world.bond.try_send(function, *arguments, sender=sender)
        hold(isinstance(outcome, Receipt), "12", f"{function}{arguments}: {outcome}")


def _plans(now: int) -> dict[int, dict[str, Any]]:
    """Three capacities: an hourly and a daily one in one coin, and a daily one in another."""
    days = (now // DAY + 2) * DAY
    shapes = (
        ("dollar", days - HOUR, HOUR, {1: 2_000, 2: 313}),
        ("dollar", days, DAY, {0: 10_000}),
        ("euro", days + 7 * HOUR, DAY, {1: 777}),
    )
    return {
        number: {
            "number": number,
            "coin": coin,
            "deed_owner": "operator",
            "origin": origin,
            "epoch_length": length,
            "payee": Payee(legs),
        }
        for number, (coin, origin, length, legs) in enumerate(shapes, start=1)
    }


@pytest.fixture(scope="module")
def world(request, project, lane):
    names = ("owner", "tenant", "treasury", "stranger", *OPERATORS, *STAKERS)
    people = {name: request.getfixturevalue(name) for name in names}
    owner, operator = people["owner"], people["operator"]
    coins = {
        "dollar": owner.deploy(project.FreezableCoin, 6),
        "euro": owner.deploy(project.FreezableCoin, 18),
    }
    deeds = owner.deploy(project.MockDeeds)
    bond = owner.deploy(project.ServiceBond, deeds)
    engine = owner.deploy(project.MockBondEngine, deeds, bond)
    bond.bind(engine, sender=owner)
    factory = owner.deploy(project.RevenueSplitterFactory, owner, deeds, engine)
    payees = {}
    plans = _plans(lane.time)
    for number, plan in plans.items():
        coin = coins[plan["coin"]]
        if number == HOSTILE:
            payee = owner.deploy(project.HostileSplitter, coin, HOSTILE)
            approve = coin.approve.encode_input(bond, MAX)
            payee.act(coin, approve, sender=owner)
        else:
            payee = factory.predict(operator, number, coin, SUPPLY)
        deed = (payee, coin, plan["origin"], plan["epoch_length"])
        deeds.register(number, operator, deed, sender=owner)
        if number != HOSTILE:
            stakers = [(bond, bps, True) for bps in plan["payee"].legs.values()]
            legs = [(operator, 1_111, False), *stakers]
            factory.create((number, SUPPLY, operator, legs, 0), sender=operator)
            payee = project.RevenueSplitter.at(payee)
        payees[number] = lane.contract(payee)
    for name in (*OPERATORS, *STAKERS):
        for coin in coins.values():
            coin.approve(bond, MAX, sender=people[name])
    return World(
        lane=lane,
        actors={name: account.address for name, account in people.items()},
        coins={name: lane.contract(coin) for name, coin in coins.items()},
        bond=lane.contract(bond),
        engine=lane.contract(engine),
        deeds=lane.contract(deeds),
        payees=payees,
        plans=plans,
    )


def test_random_histories(world):
    class Machine(BondMachine):
        pass

    Machine.world = world
    Machine.TestCase().runTest()
