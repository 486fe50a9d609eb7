"""Acts on the contracts and the reference alike, and checks after each act that nothing broke.

What the contracts hold is read back in batches. Each invariant is first checked on those readings,
and on what the engine's events told, alone; then the readings are held against the reference,
figure by figure.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from copy import deepcopy
from fractions import Fraction
from functools import lru_cache
from typing import Any, TypeVar

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from derrick.abi import Revert
from derrick.chain import Call, Contract, Receipt
from derrick.model import (
    BOND,
    ENGINE,
    Account,
    Capacity,
    Lease,
    LeaseState,
    Market,
    Refused,
)
from derrick.units import BPS
from tests.property.books import Books
from tests.property.gas import ceiling
from tests.property.invariants import hold, same
from tests.property.stage import COINS, INVESTORS, PEOPLE, PLANS, TENANTS, Stage

T = TypeVar("T")
Key = tuple[Hashable, ...]

STATE_TYPES = ("(uint32,uint32,uint32,uint32,uint16,uint8,uint16,uint88)", "address", "uint256")


@lru_cache(maxsize=4096)
def state_hash(conditions: tuple[int, ...], user: str, expires: int) -> bytes:
    """`stateOf` of a lease that stands like this."""
    return keccak(encode(STATE_TYPES, (conditions, user, expires)))


def calldata(call: Call) -> bytes:
    """A call as one of several within another. The same ones are asked all the time."""
    key = (call.function.name, call.arguments)
    if key not in _CALLDATA:
        _CALLDATA[key] = bytes.fromhex(call.function.calldata(call.arguments)[2:])
    return _CALLDATA[key]


_CALLDATA: dict[tuple[str, tuple[Any, ...]], bytes] = {}


class Witness:
    """One run of the market, twice: on the node and in the reference."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.lane = stage.lane
        stage.reset()
        self.model: Market = stage.model()
        self.now: int = stage.now
        self.block_time: int = stage.now
        self.receipt: Receipt | None = None
        self.callers: set[Account] = set()
        self.touched: set[int] = set()
        self.trouble = False
        self.readings: dict[Key, Any] = {}
        self.books = Books(stage.engine.address)
        self.look(self.model.capacities)
        self.purses = self.count_purses()

    def remember(self) -> tuple[Any, ...]:
        """All that is kept here, for `restore` once the node is put back too."""
        kept = (self.model, self.books, self.touched, self.callers)
        return (*deepcopy(kept), dict(self.readings), self.purses, self.block_time)

    def restore(self, memory: tuple[Any, ...]) -> None:
        self.model, self.books, self.touched, self.callers, *rest = memory
        self.readings, self.purses, self.block_time = rest

    # Acting

    def address(self, who: Account) -> str:
        return self.stage.addresses[who]

    def splitter(self, number: int) -> Contract:
        return self.stage.splitters[number]

    def coin_of(self, number: int) -> Contract:
        return self.stage.coins[PLANS[number - 1].coin]

    def act(
        self,
        caller: Account,
        contract: Contract,
        function: str,
        *arguments: Any,
        reference: Callable[[Market], T],
        touches: int | None,
    ) -> T | None:
        """Makes one call on both sides, in a block at `now`, and compares how it ends.

        Returns what the reference returns, or None where both refuse. `touches` is the capacity
        whose figures may have changed.
        """
        call = contract.call(function, *map(self.wire, arguments), sender=self.address(caller))
        self.model.now = self.now
        outcome = self.lane.transact(call, at=self.now)
        self.block_time = self.now
        self.stage.tally[function, outcome.name if isinstance(outcome, Revert) else "passed"] += 1
        self.receipt = None if isinstance(outcome, Revert) else outcome
        if self.receipt is not None:
            self._note(function, arguments, self.receipt, touches)
        if touches in self.model.capacities:
            self.touched.add(touches)
        self.callers.add(caller)
        try:
            result = reference(self.model)
        except Refused as refused:
            self._compare_refusal(call, outcome, refused)
            return None
        if isinstance(outcome, Revert):
            self.check_laws(self.model.capacities)
            invariant = 12 if self.in_trouble(function, touches) else 0
            hold(invariant, False, f"{call} must pass at {self.now}, but: {outcome}")
        return result

    def in_trouble(self, function: str, touches: int | None) -> bool:
        """Whether somebody's failure may be what stops a call: the attestors', or a coin's issuer
        who froze or paused it. `trouble` is set by who makes such trouble on purpose."""
        capacity = self.model.capacities.get(touches or 0)
        stopped = capacity is not None and (capacity.token.paused or bool(capacity.token.frozen))
        return self.trouble or stopped or function == "settleMissing"

    def _note(
        self, function: str, arguments: tuple[Any, ...], receipt: Receipt, number: int | None
    ) -> None:
        used, most = receipt.gas_used, ceiling(function, arguments)
        self.stage.gas[function] = max(self.stage.gas[function], used)
        hold(9, used <= most, f"{function}{arguments} used {used} gas, more than {most}")
        self.books.note(receipt.events, self.now, number)
        for event in receipt.named("Leased"):
            self.check_attested(event.args)

    def view(self, contract: Contract, function: str, *arguments: Any) -> Any:
        """What a view answers in a block at `now`: its result, or the Revert."""
        self.lane.mine(at=self.now)
        self.block_time = self.now
        return self.lane.try_batch([contract.call(function, *map(self.wire, arguments))])[0]

    def foresee(
        self, contract: Contract, function: str, *arguments: Any, reference: Callable[[Market], T]
    ) -> None:
        """A view says what the reference does, refusals included."""
        found = self.view(contract, function, *arguments)
        self.model.now = self.now
        what = f"{function}{arguments} at {self.now}"
        try:
            wanted = reference(self.model)
        except Refused as refused:
            inputs = {name: self.wire(value, name) for name, value in refused.inputs.items()}
            clean = isinstance(found, Revert) and (found.name, found.inputs)
            same(0, what, clean, (refused.error, inputs))
        else:
            same(0, what, found, wanted)

    def _compare_refusal(self, call: Call, outcome: Receipt | Revert, refused: Refused) -> None:
        if not isinstance(outcome, Revert):
            # Say first which of the market's own laws that breaks, if any.
            self.check_laws(self.model.capacities)
            hold(0, False, f"{call} passed at {self.now}, must be refused: {refused}")
            return
        hold(11, outcome.kind == "error", f"{call} is no clean error: {outcome}")
        inputs = {name: self.wire(value, name) for name, value in refused.inputs.items()}
        found = (outcome.name, outcome.inputs)
        same(0, f"error of {call} at {self.now}", found, (refused.error, inputs))

    def wire(self, value: Any, name: str = "") -> Any:
        """A value as the node has it: accounts as addresses, names of fields as bytes32, states of
        leases as their hash."""
        if name == "field":
            return value.encode().ljust(32, b"\0")
        if isinstance(value, LeaseState):
            return state_hash(value[:-2], self.address(value.user), value.expires)
        return self.stage.addresses.get(value, value) if isinstance(value, str) else value

    # Reading

    def holders(self, number: int) -> tuple[Account, ...]:
        """Who may come to hold shares of a capacity here."""
        return (PLANS[number - 1].operator, *INVESTORS, TENANTS[0])

    def wallets(self, number: int) -> tuple[Account, ...]:
        return (*PEOPLE, ENGINE, BOND, PLANS[number - 1].splitter)

    def _calls(self, number: int) -> Iterator[tuple[Key, Call]]:
        engine, splitter, coin = self.stage.engine, self.splitter(number), self.coin_of(number)
        yield ("revenue", number), engine.call("revenueTotals", number)
        yield ("account", number), engine.call("accountOf", number)
        yield ("settled", number), engine.call("settledTo", number)
        epoch = self.model.capacities[number].next_epoch
        yield ("credit sum", number), engine.call("creditSumBelow", number, epoch)
        yield ("performance", number), engine.call("performanceOf", number)
        yield ("leased to", number), engine.call("leasedTo", number)
        yield ("barred", number), engine.call("isBarred", number)
        yield ("bond", number), self.stage.bond.call("operatorPartOf", number)
        yield ("bond held", number), self.stage.bond.call("heldOf", number)
        penalties = self.model.capacities[number].penalties
        for epoch in penalties:
            yield ("penalty", number, epoch), engine.call("penaltyOf", number, epoch)
            yield ("reserve", number, epoch), self.stage.bond.call("reserveOf", number, epoch)
        for lease_id in self.leases_of(number):
            yield ("credit", lease_id), engine.call("creditOf", lease_id)
            yield ("tenant", lease_id), engine.call("ownerOf", lease_id)
            yield ("state", lease_id), engine.call("stateOf", lease_id)
            for epoch in penalties:
                call = engine.call("claimableOf", lease_id, epoch)
                yield ("claimable", lease_id, epoch), call
        lifetime = PLANS[number - 1].lifetime
        yield ("occupancy", number), engine.call("occupancyOf", number, 0, lifetime)
        yield ("totals", number), splitter.call("totals")
        yield ("index", number), splitter.call("dividendIndex")
        for leg in range(len(self.model.splitters[number].legs)):
            yield ("leg", number, leg), splitter.call("legClaimable", leg)
        for who in self.holders(number):
            account = self.address(who)
            yield ("dividend", number, who), splitter.call("claimable", account)
            yield ("shares", number, who), splitter.call("balanceOf", account)
        for who in self.wallets(number):
            key = ("wallet", PLANS[number - 1].coin, who)
            yield key, coin.call("balanceOf", self.address(who))
        for who in PEOPLE:
            key = ("refund", PLANS[number - 1].coin, who)
            yield key, engine.call("refundOf", coin.address, self.address(who))

    def look(self, numbers: Any) -> None:
        """Reads what the contracts say of these capacities now."""
        wanted = dict(pair for number in sorted(numbers) for pair in self._calls(number))
        of_engine = {k: call for k, call in wanted.items() if call.contract is self.stage.engine}
        others = {k: call for k, call in wanted.items() if k not in of_engine}
        # The engine answers all of its own in one call, which is a third of the work.
        together = self.stage.engine.call("multicall", list(map(calldata, of_engine.values())))
        found = self.lane.batch((together, *others.values()))
        for (key, call), data in zip(of_engine.items(), found[0], strict=True):
            self.readings[key] = call.function.result(data)
        self.readings.update(zip(others, found[1:], strict=True))

    def read(self, *key: Hashable) -> Any:
        return self.readings[key]

    # Checking

    def check(self, everything: bool = False) -> None:
        """After an act: reads again what it touched, and holds all that must hold."""
        numbers = set(self.model.capacities) if everything else self.touched
        if numbers:
            settled = {n: self.read("settled", n)[0] for n in numbers}
            self.check_laws(numbers)
            for number in sorted(numbers):
                same_order = settled[number] <= self.read("settled", number)[0]
                hold(4, same_order, f"capacity {number} went back from epoch {settled[number]}")
            self.check_purses()
            for number in sorted(numbers):
                self.check_reference(self.model.capacities[number])
                if everything:
                    self.check_views(self.model.capacities[number])
        self.touched = set()
        self.callers = set()

    def check_purses(self) -> None:
        """Who made none of the calls since last time can take out no less than then."""
        before, self.purses = self.purses, self.count_purses()
        for (who, coin), amount in before.items():
            after = self.purses[who, coin]
            innocent = who not in self.callers
            detail = f"{who} could take out {amount} {coin}s, now {after}"
            hold(8, not innocent or after >= amount, f"{detail}; by {self.callers}")

    def check_laws(self, numbers: Any) -> None:
        """What can be said without the reference's figures: of readings, and leases as signed."""
        self.look(numbers)
        for number in sorted(numbers):
            self._check_calendar(number)
            self._check_order(number)
            self._check_conservation(number)
            self._check_splitter(number)
        for coin in {PLANS[number - 1].coin for number in numbers}:
            self._check_solvency(coin)

    def leases_of(self, number: int) -> dict[int, Any]:
        """The leases of a capacity by id, as the engine's events say that they stand."""
        return self.books.leases_of(number)

    def deposits(self, number: int) -> int:
        """Rent paid ahead by leases that are not fully funded."""
        leases = self.leases_of(number).values()
        open_leases = (lease for lease in leases if lease.fundedTo < lease.end)
        return sum(lease.rent * lease.units * lease.depositEpochs for lease in open_leases)

    def escrow(self, number: int) -> int:
        """Rent paid for epochs that the engine says are not settled, and deposits."""
        settled = self.read("settled", number)[0]
        rolling = sum(
            lease.rent * lease.units * max(0, lease.fundedTo - max(lease.start, settled))
            for lease in self.leases_of(number).values()
        )
        return rolling + self.deposits(number)

    def unclaimed(self, number: int) -> int:
        """What the tenants of a capacity could claim now."""
        return sum(self.read("credit", lease_id) for lease_id in self.leases_of(number))

    def check_attested(self, event: Any) -> None:
        """No lease is signed beyond what the attestors say is there."""
        attested = self.model.capacities[event.capacity].attested
        for epoch in range(event.conditions.start, event.conditions.end):
            units = self.books.units_leased(event.capacity, epoch)
            where = f"capacity {event.capacity}, epoch {epoch}"
            hold(1, units <= attested, f"{where}: {units} units are leased of {attested}")

    def check_lanes(self, number: int, start: int, end: int) -> None:
        """Lane by lane over a range of epochs, and its two neighbours."""
        epochs = range(max(0, start - 1), end + 1)
        engine = self.stage.engine
        found = self.lane.batch(engine.call("unitsLeasedAt", number, e) for e in epochs)
        for epoch, units in zip(epochs, found, strict=True):
            where = f"capacity {number}, epoch {epoch}"
            same(1, where, units, self.books.units_leased(number, epoch))

    def _check_calendar(self, number: int) -> None:
        for start, end in self.books.changed.pop(number, ()):
            self.check_lanes(number, start, end)
        total = self.read("occupancy", number).unitEpochs
        same(1, f"capacity {number}: units × epochs", total, self.books.unit_epochs(number))

    def _check_order(self, number: int) -> None:
        settled = self.read("settled", number)[0]
        capacity = self.model.capacities[number]
        over = not settled or capacity.ends_at(settled - 1) <= self.now
        hold(4, over, f"capacity {number}: epoch {settled - 1} is settled before its end")

    def _check_conservation(self, number: int) -> None:
        earned, released = self.read("revenue", number)
        _, paid_in, claimed = self.read("account", number)
        settled = self.read("settled", number)[0]
        leases = self.leases_of(number).values()
        same(3, f"capacity {number}: paid in", paid_in, self.books.paid_in[number])
        hold(3, released <= earned, f"capacity {number}: {released} released of {earned}")
        dust = paid_in - earned - claimed - self.escrow(number) - self.unclaimed(number)
        # Below one for each epoch, each payment made, and each that is waiting to be made.
        payments = len(self.model.capacities[number].credit_claims)
        payments += sum(settled > lease.start for lease in leases)
        sane = 0 <= dust <= settled + payments
        hold(3, sane, f"capacity {number}: {dust} base units are nobody's")

    def _check_solvency(self, coin: str) -> None:
        held = self.read("wallet", coin, ENGINE)
        refunds = sum(self.read("refund", coin, who) for who in PEOPLE)
        told = self.books.refunds[self.stage.coins[coin].address]
        same(3, f"{coin}s of refunds, against those told of", refunds, told)
        needed = books = refunds
        for number in (n for n, plan in enumerate(PLANS, start=1) if plan.coin == coin):
            earned, released = self.read("revenue", number)
            _, paid_in, claimed = self.read("account", number)
            needed += self.escrow(number) + earned - released + self.unclaimed(number)
            books += paid_in - released - claimed
        hold(2, held >= needed, f"{held} {coin}s are held for {needed}")
        same(3, f"{coin}s held, against paid in less paid out", held, books)
        self._check_bond(coin)

    def _check_bond(self, coin: str) -> None:
        """What the bond holds covers all that it owes, to the base unit."""
        held = self.read("wallet", coin, BOND)
        owed = parts = 0
        for number in (n for n, plan in enumerate(PLANS, start=1) if plan.coin == coin):
            owed += self.read("bond held", number)
            reserves = [v for k, v in self.readings.items() if k[:2] == ("reserve", number)]
            parts += self.read("bond", number) + sum(sum(each[:2]) for each in reserves)
        hold(2, held >= owed, f"{held} {coin}s are held in the bond for {owed}")
        same(3, f"{coin}s in the bond: operators' parts and reserves", parts, owed)

    def _check_splitter(self, number: int) -> None:
        received, paid = self.read("totals", number)
        holders = self.holders(number)
        legs = len(self.model.splitters[number].legs)
        claimable = sum(self.read("dividend", number, who) for who in holders)
        claimable += sum(self.read("leg", number, leg) for leg in range(legs))
        dust = received - paid - claimable
        sane = 0 <= dust < len(holders) + legs + 1
        hold(5, sane, f"splitter {number}: {dust} of {received} received are nobody's")
        earned, released = self.read("revenue", number)
        plan = PLANS[number - 1]
        backed = self.read("wallet", plan.coin, plan.splitter) + earned - released
        hold(5, claimable <= backed, f"splitter {number}: {claimable} claimable of {backed}")
        supply = sum(self.read("shares", number, who) for who in holders)
        same(5, f"splitter {number}: supply", supply, plan.supply)

    def check_reference(self, capacity: Capacity) -> None:
        """Figure by figure against the reference."""
        number, epoch = capacity.id, capacity.next_epoch
        where = f"capacity {number}"
        earned = capacity.earned
        rate = capacity.rent_at(epoch - 1) if epoch else 0
        same(4, f"{where}: next epoch and rent", self.read("settled", number), (epoch, rate))
        released = sum(capacity.releases)
        same(3, f"{where}: earned, released", self.read("revenue", number), (earned, released))
        account = (capacity.ids, capacity.paid_in, sum(capacity.credit_claims))
        same(3, f"{where}: leases, paid in, credits", self.read("account", number), account)
        credited = capacity.credit_sum
        same(3, f"{where}: sum of credits, bps", self.read("credit sum", number), credited)
        self._check_service(capacity)
        known = {lease.id for lease in capacity.leases}
        same(0, f"{where}: leases that exist", set(self.leases_of(number)), known)
        self.model.now = self.block_time
        for lease in capacity.leases:
            self._check_lease(capacity, lease)
        self._check_shares(number)
        for who in self.wallets(number):
            found = self.read("wallet", PLANS[number - 1].coin, who)
            same(0, f"{who}'s {PLANS[number - 1].coin}s", found, capacity.token.balance(who))
        for who in PEOPLE:
            found = self.read("refund", PLANS[number - 1].coin, who)
            wanted = self.model.refund_of(capacity.token, who)
            same(3, f"{who}'s refund of {PLANS[number - 1].coin}s", found, wanted)

    def _check_service(self, capacity: Capacity) -> None:
        """What was measured, what it cost, and what the bond holds."""
        number, bond = capacity.id, self.model.bonds[capacity.id]
        where = f"capacity {number}"
        self.model.now = self.block_time
        same(0, f"{where}: barred", self.read("barred", number), capacity.is_barred)
        same(0, f"{where}: leased to", self.read("leased to", number), capacity.leased_to)
        same(2, f"{where}: operator's part of the bond", self.read("bond", number), bond.part)
        same(2, f"{where}: held in the bond", self.read("bond held", number), bond.held)
        self._check_performance(capacity)
        for epoch, penalty in capacity.penalties.items():
            found = self.read("penalty", number, epoch)
            wanted = (penalty.per_unit, penalty.units, 3 if penalty.freed else 2)
            same(3, f"{where}: penalty of epoch {epoch}", tuple(found), wanted)
            left = sum(self.read("reserve", number, epoch)[:2])
            same(2, f"{where}: reserve of epoch {epoch}", left, bond.reserves[epoch].left)
            claims = [capacity.penalty_of(lease, epoch) for lease in capacity.leases]
            hold(2, sum(claims) <= left, f"{where}, epoch {epoch}: {claims} of {left}")
            for lease in capacity.leases:
                claimable = self.read("claimable", lease.id, epoch)
                due = self.model.claimable_of(lease, epoch)
                same(3, f"penalty of lease {lease.id} in epoch {epoch}", claimable, due)

    def _check_performance(self, capacity: Capacity) -> None:
        """The last reading as it was; averages rounded down by less than thirty parts."""
        found, exact = self.read("performance", capacity.id), capacity.performance
        where = f"capacity {capacity.id}"
        same(0, f"{where}: last reading", tuple(found)[:4], exact[:4])
        same(0, f"{where}: lifetime energy", found.lifetimeWh, exact.lifetime_wh)
        for name, parts, mean, value in (
            ("uptime", 1024, found.meanUptime, exact.mean_uptime),
            ("load", 1024, found.meanLoad, exact.mean_load),
            ("energy", 64, found.meanEnergy, exact.mean_energy),
        ):
            near = 0 <= value * parts - mean < 30
            hold(10, near, f"{where}: mean {name} is {mean}/{parts}, must be {float(value)}")

    def _check_lease(self, capacity: Capacity, lease: Lease) -> None:
        found = self.read("credit", lease.id)
        exact = capacity.exact_credit(lease)
        same(3, f"credit of lease {lease.id}", found, int(exact))
        hold(10, found <= exact, f"lease {lease.id}: {found} of {exact} credit")
        tenant = self.address(lease.tenant)
        same(0, f"tenant of {lease.id}", self.read("tenant", lease.id), tenant)
        state = self.model.state_of(lease)
        same(0, f"lease {lease.id} by events", tuple(self.books.leases[lease.id]), state[:-2])
        same(0, f"state of {lease.id}, {state}", self.read("state", lease.id), self.wire(state))

    def check_views(self, capacity: Capacity) -> None:
        """What else can be asked of a capacity and its leases, as at the last block."""
        number, engine, market = capacity.id, self.stage.engine, self.model
        market.now = self.block_time
        wanted: list[tuple[Call, Any]] = [
            (self.stage.capacity.call("attestedUnits", number), capacity.attested),
            (self.stage.capacity.call("attestationNonce", number), capacity.statements),
            (engine.call("nextEpochToBegin", number), market.earliest(capacity)),
        ]
        for epoch in capacity.records:
            wanted.append((engine.call("isRecorded", number, epoch), True))
        rents = capacity.rents()
        for epoch in {e for lease in capacity.leases for e in (lease.start, lease.funded_to)}:
            change = rents[epoch] - (rents[epoch - 1] if epoch else 0)
            wanted.append((engine.call("rentDeltaAt", number, epoch), change))
        for lease in capacity.leases:
            user, _ = market.user_of(lease)
            wanted += [
                (engine.call("userOf", lease.id), self.address(user)),
                (engine.call("userExpires", lease.id), lease.expires),
                (engine.call("hasEvicted", lease.id), lease.has_evicted),
                (engine.call("depositOf", lease.id), lease.deposit),
            ]
            for who in {lease.tenant, lease.user}:
                active = engine.call("isActive", lease.id, self.address(who))
                wanted.append((active, market.is_active(lease, who)))
        found = self.lane.batch(call for call, _ in wanted)
        for (call, value), answer in zip(wanted, found, strict=True):
            same(0, f"{call} at {self.block_time}", answer, value)

    def _check_shares(self, number: int) -> None:
        splitter = self.model.splitters[number]
        where = f"splitter {number}"
        same(5, f"{where}: totals", self.read("totals", number), (splitter.received, splitter.paid))
        same(5, f"{where}: due to shares", self.read("index", number), splitter.index)
        for leg, terms in enumerate(splitter.legs):
            found = self.read("leg", number, leg)
            same(5, f"{where}: leg {leg}", found, splitter.leg_claimable(leg))
            exact = Fraction(splitter.received * terms.bps, BPS) - splitter.leg_paid[leg]
            hold(10, found <= exact, f"{where}: leg {leg} gets {found} of {exact}")
        for who in self.holders(number):
            shares = self.read("shares", number, who)
            same(5, f"{where}: shares of {who}", shares, splitter.shares.get(who, 0))
            found = self.read("dividend", number, who)
            exact = splitter.exact_dividend(who) - splitter.paid_to.get(who, 0)
            same(5, f"{where}: dividend of {who}", found, int(exact))
            hold(10, found <= exact, f"{where}: {who} gets {found} of {exact}")

    def count_purses(self) -> dict[tuple[Account, str], int]:
        """What everybody could take out, by account and coin."""
        return {(who, coin): self.takes_out(who, coin) for coin in COINS for who in PEOPLE}

    def takes_out(self, who: Account, coin: str) -> int:
        """All the coins that somebody has or could claim now, as last read."""
        total: int = self.read("wallet", coin, who) + self.read("refund", coin, who)
        for number, plan in enumerate(PLANS, start=1):
            if plan.coin != coin:
                continue
            for lease_id in self.leases_of(number):
                if self.readings.get(("tenant", lease_id)) == self.address(who):
                    total += self.read("credit", lease_id)
                    for epoch in self.model.capacities[number].penalties:
                        total += self.readings.get(("claimable", lease_id, epoch), 0)
            for leg, terms in enumerate(self.model.splitters[number].legs):
                total += self.read("leg", number, leg) if terms.recipient == who else 0
            total += self.readings.get(("dividend", number, who), 0)
        return total
