"""The vault against its model over random histories, invariants 6, 7, 8, 10 and 12 of the protocol.

Lenders come and go, borrowers pledge, borrow, repay and leave, rent comes in, prices move, time
passes, anybody applies dividends, liquidators do their work. After each step the contract is
compared with `VaultModel` and every invariant is checked; the one that breaks says its sentence.
"""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from derrick.abi import Revert
from derrick.chain import Contract, Lane
from derrick.testing import isolated
from tests.property.vault_model import BPS, VaultModel, price_of
from tests.vault_stage import CAPACITY, SUPPLY, UNIT, WAD, Terms, VaultStage

MAX = 2**256 - 1
INVALID = 1

SENTENCES = {
    "6a": "share price never falls but by bad debt",
    "6b": "no sequence of own actions leaves a position past its borrow LTV",
    "6c": "sum of position debts = total borrows within rounding in the vault's favour",
    "7a": "liquidation never takes more than the discount allows",
    "7b": "liquidation never leaves a position that it does not close less healthy",
    "8": "nobody's call lowers what anybody else can take out, except as written",
    "10": "all rounding favours the protocol's pool over the caller",
    "12": "no stale feed, frozen or stuck payment blocks a repayment or a claim of one's own money",
    "money": "what is in the vault and due to it covers lenders' idle money and all dividends due",
    "model": "debts, dividends and the index are what the naive model says",
}


def hold(condition: bool, name: str, details: object = "") -> None:
    """Asserts an invariant by its sentence."""
    assert condition, f"invariant {name}: {SENTENCES[name]}. {details}"


lenders = st.sampled_from(["lender", "other_lender"])
borrowers = st.sampled_from(["borrower", "operator"])
parts = st.integers(min_value=1, max_value=1_000)
"""Amounts are drawn as thousandths of what there is."""
small = st.integers(min_value=1, max_value=3)


class VaultMachine(RuleBasedStateMachine):
    """Rules draw only what the chain's own views say can be done."""

    lane: Lane
    stage: VaultStage
    actors: dict[str, str]
    vault: Contract
    coin: Contract
    splitter: Contract
    source: Contract
    oracle: Contract

    @initialize(price=st.integers(min_value=50, max_value=5_000))
    def start(self, price):
        self._isolation = isolated(self.lane)
        self._isolation.__enter__()
        self.loans = ("borrower", "operator")
        self.model = VaultModel(
            terms=self.stage.terms,
            now=self.lane.time,
            min_debt=self.stage.coins(self.stage.terms.min_debt_coins),
        )
        self._set_price(price)

    def teardown(self):
        if hasattr(self, "_isolation"):
            self._isolation.__exit__(None, None, None)

    # ---- Reading --------------------------------------------------------------------------------

    def _state(self) -> dict:
        """All that the invariants speak of, at the latest block's time."""
        vault, token = self.vault, self.splitter.address
        calls = {
            name: vault.call(name)
            for name in (
                "totalAssets",
                "totalSupply",
                "idle",
                "totalBorrows",
                "totalDebtParts",
                "reserves",
                "borrowIndex",
            )
        }
        calls["cash"] = self.coin.call("balanceOf", vault.address)
        calls["claimable"] = self.splitter.call("claimable", vault.address)
        for name in ("lender", "other_lender"):
            calls["shares", name] = vault.call("balanceOf", self.actors[name])
            calls["max", name] = vault.call("maxWithdraw", self.actors[name])
        for name in self.loans:
            calls["health", name] = vault.call("healthOf", self.actors[name], token)
            calls["position", name] = vault.call("positionOf", self.actors[name], token)
        return dict(zip(calls, self.lane.batch(calls.values()), strict=True))

    def _seen_at(self, now: int) -> dict:
        with isolated(self.lane):
            self.lane.mine(at=now)
            return self._state()

    # ---- Acting ---------------------------------------------------------------------------------

    def _act(self, function, *arguments, sender, loan=None, lossy=False):
        """One transaction a second on. Compares all others' claims before and after it."""
        now = self.lane.time + 1
        before = self._seen_at(now)
        receipt = self.vault.send(
            function, *arguments, sender=self.actors.get(sender, sender), at=now
        )
        after = self._state()
        self.model.accrue(now)
        self.model.parts = after["totalDebtParts"]
        if not lossy:
            hold(
                price_of(after["totalAssets"], after["totalSupply"])
                >= price_of(before["totalAssets"], before["totalSupply"]),
                "6a" if function in ("borrow", "repay", "applyDividends") else "10",
                function,
            )
        self._others_keep(before, after, sender, loan, lossy)
        return receipt, before, after

    def _others_keep(self, before, after, sender, loan, lossy):
        for name in ("lender", "other_lender"):
            if name == sender or lossy:
                continue
            worth = [
                state["shares", name] * price_of(state["totalAssets"], state["totalSupply"])
                for state in (before, after)
            ]
            hold(worth[1] >= worth[0], "8", f"{name}: {worth}")
        for name in self.loans:
            if name in (sender, loan):
                continue
            old, new = before["health", name], after["health", name]
            hold(
                (new.debt - new.dividends) <= (old.debt - old.dividends)
                and before["position", name].shares == after["position", name].shares,
                "8",
                f"{name}: {old} {new}",
            )

    def _set_price(self, price: int) -> None:
        """Base units for a millionth of all shares."""
        self.oracle.send("setPrice", price * 10**8, sender=self.actors["owner"])
        self.model.price = Fraction(price * 10**8, WAD)

    def _touched(self, receipt, name, state):
        """Lets the model apply what the vault applied, once it agrees about how much."""
        loan = self.model.position(name)
        loan.roundings += 3
        for event in receipt.named("DividendsApplied"):
            applied = event.args.applied
            expected = min(loan.dividends, loan.debt)
            hold(abs(expected - applied) <= self._dust(loan), "model", (expected, event.args))
            # A debt that they cover goes with the fraction of a unit that rounding collected.
            loan.debt = Fraction(0) if expected == loan.debt else loan.debt - applied
            loan.dividends -= applied
            self.model.idle += applied
        self._close(name, state)

    def _dust(self, loan):
        """What rounding may have cost a position so far: a unit of debt, parts, and dividends."""
        return 1 + loan.roundings + Fraction(self.model.index, WAD) * loan.roundings / UNIT

    def _close(self, name, state):
        """The fraction of a unit that rounding collected goes with the last of a debt."""
        loan = self.model.position(name)
        if state["position", name].debtParts == 0:
            hold(abs(loan.debt) <= self._dust(loan), "model", (loan, state["health", name]))
            loan.debt = Fraction(0)

    # ---- Lenders --------------------------------------------------------------------------------

    @rule(name=lenders, coins=st.integers(min_value=1, max_value=10**12))
    def deposit(self, name, coins):
        self.coin.send("mint", self.actors[name], coins, sender=self.actors["owner"])
        self._act("deposit", coins, self.actors[name], sender=name)
        self.model.idle += coins

    @rule(name=lenders, shares=st.integers(min_value=1, max_value=10**18))
    def mint(self, name, shares):
        self.coin.send("mint", self.actors[name], 10**14, sender=self.actors["owner"])
        _, before, after = self._act("mint", shares, self.actors[name], sender=name)
        self.model.idle += after["idle"] - before["idle"]

    @rule(name=lenders, part=parts)
    def withdraw(self, name, part):
        now = self.lane.time + 1
        most = self._seen_at(now)["max", name]
        assets = most * part // 1_000
        account = self.actors[name]
        self._act("withdraw", assets, account, account, sender=name)
        self.model.idle -= assets

    @rule(name=lenders, part=parts)
    def redeem(self, name, part):
        account = self.actors[name]
        with isolated(self.lane):
            self.lane.mine(at=self.lane.time + 1)
            most = self.vault.read("maxRedeem", account)
        _, before, after = self._act("redeem", most * part // 1_000, account, account, sender=name)
        self.model.idle -= before["idle"] - after["idle"]

    # ---- Borrowers ------------------------------------------------------------------------------

    @rule(name=borrowers, part=parts)
    def pledge(self, name, part):
        account, token = self.actors[name], self.splitter.address
        shares = self.splitter.read("balanceOf", account) * part // 1_000
        if shares == 0:
            return
        receipt, _, after = self._act("pledge", token, shares, sender=name)
        self._touched(receipt, name, after)
        self.model.position(name).shares += shares

    @rule(name=borrowers, part=parts, grind=small)
    def borrow(self, name, part, grind):
        """Once for a part of what is left to borrow, then again by single units."""
        account, token = self.actors[name], self.splitter.address
        for turn in range(grind):
            seen = self._seen_at(self.lane.time + 1)
            health = seen["health", name]
            room = health.value * self.stage.terms.borrow_ltv_bps // BPS
            room = min(room - health.debt + health.dividends, seen["idle"])
            amount = 1 if turn else room * part // 1_000
            if amount <= 0 or amount > room - 2 or health.debt + amount < self.model.min_debt:
                return
            receipt, _, after = self._act("borrow", token, amount, account, sender=name)
            self._touched(receipt, name, after)
            self.model.position(name).debt += amount
            self.model.idle -= amount
            self._within_ltv(name, after)

    @rule(name=borrowers, part=parts)
    def borrow_beyond(self, name, part):
        """What the model says is too much, the vault refuses."""
        account, token = self.actors[name], self.splitter.address
        seen = self._seen_at(self.lane.time + 1)
        loan = self.model.position(name)
        room = self.model.limit(loan.shares, self.stage.terms.borrow_ltv_bps)
        debt = self.model.debt_at(name, self.lane.time)
        amount = int(room - debt + loan.dividends) + loan.roundings + 2 + part
        if amount <= 0 or amount > seen["idle"]:
            return
        outcome = self.vault.try_send("borrow", token, amount, account, sender=account)
        hold(
            isinstance(outcome, Revert) and outcome.name in ("BeyondLtv", "DebtTooSmall"),
            "6b",
            outcome,
        )

    @rule(name=borrowers, payer=st.sampled_from(["borrower", "stranger"]), part=parts)
    def repay(self, name, payer, part):
        account, token = self.actors[name], self.splitter.address
        debt = self.vault.read("healthOf", account, token).debt
        amount = MAX if part > 900 else debt * part // 1_000
        if amount == 0:
            return
        self.coin.send("mint", self.actors[payer], debt * 2 + 10, sender=self.actors["owner"])
        receipt, _, after = self._act("repay", account, token, amount, sender=payer, loan=name)
        loan = self.model.position(name)
        for event in receipt.named("Repaid"):
            loan.debt -= event.args.assets
            self.model.idle += event.args.assets
        self._touched(receipt, name, after)

    @rule(name=borrowers, part=parts)
    def withdraw_collateral(self, name, part):
        account, token = self.actors[name], self.splitter.address
        seen = self._seen_at(self.lane.time + 1)
        health, held = seen["health", name], seen["position", name].shares
        free = held
        net = health.debt - health.dividends
        if seen["position", name].debtParts:
            if health.debt < self.model.min_debt + health.dividends + 2:
                return
            if health.value == 0:
                return
            need = Fraction(max(net, 0) + 3, self.stage.terms.borrow_ltv_bps) * BPS
            free = held - int(need * held / health.value) - 1
        shares = free * part // 1_000
        if shares <= 0:
            return
        receipt, _, after = self._act("withdrawCollateral", token, shares, account, sender=name)
        self._touched(receipt, name, after)
        self.model.position(name).shares -= shares
        self._within_ltv(name, after)

    @rule(name=borrowers)
    def claim_surplus(self, name):
        seen = self._seen_at(self.lane.time + 1)
        health = seen["health", name]
        if health.debt > health.dividends:
            return
        account = self.actors[name]
        receipt, _, after = self._act("claimSurplus", self.splitter.address, account, sender=name)
        self._touched(receipt, name, after)
        for event in receipt.named("SurplusClaimed"):
            loan = self.model.position(name)
            loan.dividends -= event.args.assets
            hold(-1 <= loan.dividends <= loan.roundings, "model", loan)

    # ---- The world ------------------------------------------------------------------------------

    @rule(amount=st.integers(min_value=1, max_value=10**11))
    def earn(self, amount):
        """Rent arrives at the lease engine."""
        owner = self.actors["owner"]
        self.coin.send("mint", self.source.address, amount, sender=owner)
        self.source.send("earn", CAPACITY, amount, sender=owner)
        self.model.earn(amount)

    @rule()
    def pay_in_unasked(self):
        """Anybody can have the splitter pay the vault, behind its back."""
        self.splitter.send("claimFor", self.vault.address, sender=self.actors["stranger"])

    @rule(amount=st.integers(min_value=1, max_value=10**10))
    def donate(self, amount):
        """A gift of coins is nobody's."""
        assets = self.vault.read("totalAssets")
        self.coin.send("mint", self.vault.address, amount, sender=self.actors["owner"])
        # A second's interest at most: 300 % a year is below 10^-7 a second.
        interest = self.vault.read("totalBorrows") // 10**7 + 1
        hold(self.vault.read("totalAssets") - assets <= interest, "money", amount)

    @rule(name=borrowers)
    def apply(self, name):
        receipt, _, after = self._act(
            "applyDividends",
            self.actors[name],
            self.splitter.address,
            sender="stranger",
            loan=name,
        )
        self._touched(receipt, name, after)

    @rule(price=st.integers(min_value=0, max_value=5_000))
    def move_price(self, price):
        self._set_price(price)

    @rule(seconds=st.integers(min_value=1, max_value=200 * 86_400))
    def pass_time(self, seconds):
        self.lane.mine(at=self.lane.time + seconds)
        self._act("accrue", sender="stranger")

    # ---- Liquidation ----------------------------------------------------------------------------

    @rule(name=borrowers, part=parts)
    def liquidate(self, name, part):
        terms = self.stage.terms
        account, token = self.actors[name], self.splitter.address
        seen = self._seen_at(self.lane.time + 1)
        health, old = seen["health", name], seen["position", name]
        debt = max(health.debt - health.dividends, 0)
        limit = health.value * terms.liquidation_ltv_bps // BPS
        if debt <= limit + 2:
            return
        liquidator = self.actors["liquidator"]
        self.coin.send("mint", liquidator, 2 * debt + 10, sender=self.actors["owner"])
        bonus = Fraction(BPS + terms.bonus_bps, BPS)
        full = debt * bonus >= health.value
        offer = MAX if full or part > 700 else debt * part // 1_000 + 1
        seen = self._seen_at(self.lane.time + 1)
        now = self.lane.time + 1
        arguments = (account, token, offer, 0, liquidator)
        outcome = self.vault.try_send("liquidate", *arguments, sender=liquidator, at=now)
        if isinstance(outcome, Revert):
            # A part that leaves too little, that rounding would harm, or at the very border.
            hold(
                outcome.name
                in ("DebtTooSmall", "WorseByRounding", "PositionHealthy", "OnlyFullClose"),
                "7b",
                outcome,
            )
            return
        after = self._state()
        self.model.accrue(now)
        self.model.parts = after["totalDebtParts"]
        event = outcome.event("Liquidated")
        loan = self.model.position(name)
        value = Fraction(seen["health", name].value)
        hold(event.seized * value <= event.repaid * bonus * old.shares, "7a", event)
        left, kept = after["health", name].debt, old.shares - event.seized
        debt = seen["health", name].debt - seen["health", name].dividends
        if left:
            hold(left * old.shares <= (debt + 1) * kept, "7b", (debt, left, event))
            hold(event.badDebt == 0, "7b", event)
        if event.badDebt:
            hold(kept == 0 and left == 0, "7b", event)
        else:
            self._others_keep(seen, after, "liquidator", name, False)
            hold(
                price_of(after["totalAssets"], after["totalSupply"])
                >= price_of(seen["totalAssets"], seen["totalSupply"]),
                "6a",
                event,
            )
        lost = seen["totalAssets"] - after["totalAssets"]
        hold(lost <= max(0, event.badDebt - seen["reserves"]) + 2, "6a", (lost, event))
        loan.shares -= event.seized
        loan.debt -= event.repaid
        self.model.idle += event.repaid
        if event.badDebt:
            loan.debt -= min(loan.debt, event.badDebt)
        self._touched(outcome, name, after)

    def _within_ltv(self, name, state):
        health = state["health", name]
        limit = health.value * self.stage.terms.borrow_ltv_bps // BPS
        if state["position", name].debtParts:
            hold(health.debt - health.dividends <= limit, "6b", health)
            hold(health.debt >= self.model.min_debt, "6b", health)

    # ---- Invariants -----------------------------------------------------------------------------

    @invariant()
    def books_balance(self):
        if not hasattr(self, "model"):
            return
        now = self.lane.time
        state = self._state()
        index = self.model.index_at(now)
        hold(state["borrowIndex"] == index, "model", (state["borrowIndex"], index))
        hold(state["idle"] == self.model.idle, "model", (state["idle"], self.model.idle))
        healths = [state["health", name] for name in self.loans]
        held = [state["position", name] for name in self.loans]
        debts = sum(health.debt for health in healths)
        hold(sum(position.debtParts for position in held) == state["totalDebtParts"], "6c")
        hold(0 <= debts - state["totalBorrows"] <= len(healths), "6c", debts)
        due = sum(health.dividends for health in healths)
        hold(state["cash"] + state["claimable"] >= state["idle"] + due, "money", state)
        for name, health, position in zip(self.loans, healths, held, strict=True):
            loan = self.model.position(name)
            hold(position.shares == loan.shares, "model", name)
            debt, dust = self.model.debt_at(name, now), self._dust(loan)
            hold(health.debt >= debt, "10", (name, health.debt, debt))
            hold(health.debt - debt <= dust, "model", (name, health.debt, debt))
            hold(health.dividends <= loan.dividends, "10", (name, health, loan))
            hold(loan.dividends - health.dividends <= dust, "model", (name, health, loan))

    @precondition(lambda self: self.lane.block_number % 4 == 0)
    @rule(mood=st.sampled_from(["oracle", "source", "splitter"]))
    def everybody_can_leave(self, mood):
        """Trial on a snapshot: with something broken, debts are repaid and all shares come out."""
        owner = self.actors["owner"]
        with isolated(self.lane):
            if mood == "oracle":
                self.oracle.send("setMood", INVALID, sender=owner)
            else:
                self.coin.send("setFrozen", getattr(self, mood).address, True, sender=owner)
            self._leave()

    def _leave(self):
        token = self.splitter.address
        for name in self.loans:
            account = self.actors[name]
            debt = self.vault.read("healthOf", account, token).debt
            self.coin.send("mint", account, 2 * debt + 10, sender=self.actors["owner"])
            outcome = self.vault.try_send("repay", account, token, MAX, sender=account)
            hold(not isinstance(outcome, Revert), "12", outcome)
            shares = self.vault.read("positionOf", account, token).shares
            if shares:
                outcome = self.vault.try_send(
                    "withdrawCollateral", token, shares, account, sender=account
                )
                hold(not isinstance(outcome, Revert), "12", outcome)
        for name in ("lender", "other_lender"):
            account = self.actors[name]
            shares = self.vault.read("balanceOf", account)
            outcome = self.vault.try_send("redeem", shares, account, account, sender=account)
            hold(not isinstance(outcome, Revert), "12", outcome)


@pytest.mark.parametrize("decimals", [6, 2])
def test_random_histories(
    project,
    lane,
    owner,
    operator,
    borrower,
    lender,
    other_lender,
    liquidator,
    stranger,
    decimals,
):
    coin = owner.deploy(project.FreezableCoin, decimals)
    terms = Terms(base_rate_wad=5 * 10**16, min_debt_coins=1)
    stage = VaultStage.deploy(project, owner, operator, coin=coin, terms=terms)
    stage.splitter.transfer(borrower, SUPPLY // 3, sender=operator)
    people = {
        "owner": owner,
        "operator": operator,
        "borrower": borrower,
        "lender": lender,
        "other_lender": other_lender,
        "liquidator": liquidator,
        "stranger": stranger,
    }
    for account in people.values():
        coin.approve(stage.vault, MAX, sender=account)
    for account in (operator, borrower):
        stage.splitter.approve(stage.vault, MAX, sender=account)

    class Machine(VaultMachine):
        pass

    Machine.lane, Machine.stage = lane, stage
    Machine.actors = {name: account.address for name, account in people.items()}
    for name in ("vault", "coin", "splitter", "source", "oracle"):
        setattr(Machine, name, lane.contract(getattr(stage, name)))
    Machine.TestCase().runTest()
