"""Rules of the machine: everything that can be done with leases, rightly or wrongly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from derrick.model import (
    CAUSE_BPS,
    ENGINE,
    EVICTION_BPS,
    IDS_PER_CAPACITY,
    NOBODY,
    Account,
    Capacity,
    Lease,
    LeaseState,
    Market,
    Refused,
    Settlement,
)
from derrick.structs import LeaseRequest
from derrick.units import bps_up
from tests.property.acting import DAILY, HOURLY, NUMBERS, UNKNOWN, Acting, numbers, rarely
from tests.property.invariants import same
from tests.property.stage import COINS, PEOPLE, PLANS, STRANGER, TENANTS

MAX_LENGTH = 14
"""Epochs of a lease, where its term does not ask for more."""
MANY = 14
"""Leases of a capacity; from so many on none is split."""

UNKNOWN_LEASE = UNKNOWN * IDS_PER_CAPACITY + 1
TERMINATED, EXITED, PREEMPTED, EVICTED, LAPSED = range(5)
"""`Ending`."""

POOR = 9_499
"""An uptime that brings credit, but no penalty, from every capacity with tiers."""

offs = st.sampled_from((-1, 0, 1))
seldom = st.integers(0, 3).map(lambda n: n == 3)


@dataclass(frozen=True)
class Request:
    """What somebody asks for, for himself or another, and pays."""

    payer: Account
    capacity: int
    term: int
    units: int
    start: int
    end: int
    max_rent: int
    tenant: Account

    @property
    def asked(self) -> LeaseRequest:
        """As the reference takes it."""
        terms = (self.term, self.units, self.start, self.end, self.max_rent)
        return LeaseRequest(self.capacity, self.tenant, *terms)


Fault = Callable[[Request, Capacity, int], Request]

FAULTS: dict[str, Fault] = {
    "no units": lambda r, c, now: replace(r, units=0),
    "more units than there are": lambda r, c, now: replace(r, units=c.attested + 1),
    "all units": lambda r, c, now: replace(r, units=c.attested),
    "begun": lambda r, c, now: replace(r, start=max(0, now - 1)),
    "ends as it starts": lambda r, c, now: replace(r, end=r.start),
    "ends before it starts": lambda r, c, now: replace(r, end=max(0, r.start - 1)),
    "beyond the lifetime": lambda r, c, now: replace(r, end=c.lifetime + 1),
    "too long": lambda r, c, now: replace(r, end=r.start + 41),
    "too short": lambda r, c, now: replace(r, term=1, end=r.start + 1),
    "too dear": lambda r, c, now: replace(r, max_rent=0),
    "unknown capacity": lambda r, c, now: replace(r, capacity=UNKNOWN),
    "unknown term": lambda r, c, now: replace(r, term=len(c.terms)),
    "for nobody": lambda r, c, now: replace(r, tenant=NOBODY),
    "for the engine": lambda r, c, now: replace(r, tenant=ENGINE),
    "without money": lambda r, c, now: replace(r, payer=STRANGER),
    "at the end of time": lambda r, c, now: replace(r, start=2**256 - 2, end=2**256 - 1),
}


class Leasing(Acting):
    """Signing, paying on, ending, splitting, merging, using and selling leases."""

    # ------------------------------------------------------------------------------ choosing

    def leases(self) -> list[Lease]:
        return list(self.model.leases())

    def funded(self) -> list[Lease]:
        """Those that have not lapsed."""
        return [lease for lease in self.leases() if not self.model.is_lapsed(lease)]

    def credited(self) -> list[Lease]:
        """Those that have credit to claim."""
        return [i for i in self.leases() if self.capacity(i.capacity).credit_of(i)]

    def alive(self) -> list[Lease]:
        """Those that have epochs to come, and can be ended."""
        return [
            lease
            for lease in self.funded()
            if self.model.earliest(self.capacity(lease.capacity)) < lease.end
        ]

    def term_of(self, lease: Lease) -> Any:
        return self.capacity(lease.capacity).terms[lease.term]

    def active(self, number: int) -> list[int]:
        """Terms of a capacity that leases can be signed under."""
        capacity = self.capacity(number)
        return [i for i in range(len(capacity.terms)) if i not in capacity.retired]

    def spots(self, number: int) -> list[Lease]:
        """Those of a capacity that can be taken back."""
        own = [lease for lease in self.alive() if lease.capacity == number]
        return [lease for lease in own if self.term_of(lease).preemptible]

    def can_end(self, lease: Lease) -> bool:
        """Whether its tenant can give notice."""
        try:
            self.model.termination_of(lease.id)
        except Refused:
            return False
        return True

    def fresh(self, data: st.DataObject, likely: Callable[[], list[Lease]]) -> list[Lease]:
        """Leases with which a call can pass; where there are none, one is signed first."""
        if not likely():
            self.sign(self.draw_request(data, data.draw(numbers, "fresh")))
        return likely()

    def rather(self, data: st.DataObject, likely: list[Lease], special: list[Lease]) -> list[Lease]:
        """Half of the time only those that are special, if any are."""
        both = [lease for lease in likely if lease in special]
        return both if both and data.draw(st.booleans(), "special") else likely

    def pick_lease(
        self, data: st.DataObject, likely: Sequence[Lease], label: str = "lease"
    ) -> Lease | None:
        return self.pick(data, likely, self.leases(), label)

    def pick_id(
        self, data: st.DataObject, likely: Sequence[Lease], label: str = "lease"
    ) -> tuple[int, Account]:
        """A lease's id and holder; if need be one that there is not."""
        lease = self.pick_lease(data, likely, label)
        if lease is None or data.draw(rarely, "unknown"):
            return UNKNOWN_LEASE, STRANGER
        return lease.id, lease.tenant

    # ------------------------------------------------------------------------------ signing

    def draw_request(
        self,
        data: st.DataObject,
        number: int,
        terms: Sequence[int] | None = None,
        ahead: int = 3,
    ) -> Request:
        """One that mostly can be signed."""
        capacity = self.capacity(number)
        index = data.draw(st.sampled_from(list(terms or self.active(number) or (0,))), "term")
        term = capacity.terms[index]
        start = self.model.earliest(capacity) + data.draw(st.integers(0, ahead), "ahead")
        longest = max(term.min_epochs, min(term.max_epochs, MAX_LENGTH))
        end = start + data.draw(st.integers(term.min_epochs, longest), "length")
        free = capacity.attested - max(map(capacity.units_leased, range(start, end)))
        most = capacity.attested if free < 1 or data.draw(rarely, "odd units") else free
        payer = data.draw(st.sampled_from(TENANTS), "payer")
        return Request(
            payer=payer,
            capacity=number,
            term=index,
            units=data.draw(st.integers(1, max(1, most)), "units"),
            start=start,
            end=end,
            max_rent=capacity.rent_under(term) + data.draw(st.integers(0, 1), "slack"),
            tenant=data.draw(st.sampled_from((payer, *TENANTS)), "tenant"),
        )

    def struct(self, request: Request) -> dict[str, Any]:
        return {
            "capacity": request.capacity,
            "term": request.term,
            "units": request.units,
            "start": request.start,
            "end": request.end,
            "maxRent": request.max_rent,
            "tenant": self.stage.addresses[request.tenant],
        }

    def sign(self, request: Request) -> Lease | None:
        struct = self.struct(request)
        self.foresee("quote", struct, reference=lambda m: m.quote(request.asked))
        lease: Lease | None = self.act(
            request.payer,
            self.stage.engine,
            "lease",
            struct,
            reference=lambda m: m.lease(request.payer, request.asked),
            touches=request.capacity,
        )
        if lease is not None:
            self.check_signed(lease)
        return lease

    def check_signed(self, lease: Lease) -> None:
        event = self.event("Leased")
        wanted = (lease.id, lease.paid, *self.model.state_of(lease)[:-2])
        same(3, "lease as signed", (event.lease, event.paid, *event.conditions), wanted)

    @rule(data=st.data(), number=numbers)
    def lease(self, data: st.DataObject, number: int) -> None:
        self.sign(self.draw_request(data, number))

    @rule(data=st.data(), number=numbers, fault=st.sampled_from(sorted(FAULTS)))
    def lease_wrongly(self, data: st.DataObject, number: int, fault: str) -> None:
        request, capacity = self.draw_request(data, number), self.capacity(number)
        self.sign(FAULTS[fault](request, capacity, self.model.earliest(capacity)))

    def sign_spot(self, data: st.DataObject, number: int) -> None:
        """A spot lease, if the operator offers any."""
        terms = self.capacity(number).terms
        spot = [i for i in self.active(number) if terms[i].preemptible]
        if spot:
            self.sign(self.draw_request(data, number, spot, ahead=0))

    def sign_long(self, data: st.DataObject, number: int, terms: Sequence[int]) -> None:
        """A lease from the next epoch on that is paid in full, of one of these terms."""
        request, capacity = self.draw_request(data, number, terms, ahead=0), self.capacity(number)
        most = capacity.terms[request.term].max_epochs
        end = request.start + min(most, 2 * MAX_LENGTH if number == HOURLY else MAX_LENGTH)
        free = capacity.attested - max(map(capacity.units_leased, range(request.start, end)))
        units = max(1, min(request.units, free))
        lease = self.sign(replace(request, end=end, units=units))
        if lease and lease.open_epochs:
            self.top_up_by(request.payer, lease.id, lease.open_epochs)

    def long_terms(self, number: int) -> list[int]:
        """Terms of a capacity under which a lease can run for some time."""
        return [i for i in self.active(number) if self.capacity(number).terms[i].max_epochs > 9]

    def earn(self, data: st.DataObject, number: int, terms: Sequence[int]) -> None:
        """A lease comes to credit: its service is not what was promised, but no failure either."""
        if terms:
            self.sign_long(data, number, terms)
            self.time_goes_by(number, 2, 0, [POOR])

    def draw_eviction(self, data: st.DataObject, number: int) -> tuple[Request, list[int]]:
        """A lease that pays more, misses units, and asks for them from those who have them."""
        capacity = self.capacity(number)
        spots = self.spots(number)
        least = max((bps_up(lease.rent, EVICTION_BPS) for lease in spots), default=0)
        active = self.active(number)
        dear = [i for i in active if capacity.rent_under(capacity.terms[i]) >= least]
        terms = active if not dear or data.draw(rarely, "cheap") else dear
        request = self.draw_request(data, number, terms, ahead=2)
        # Over the epochs of a victim, and more units than are free.
        if spots:
            victim = data.draw(st.sampled_from(self.rather(data, spots, self.credited())), "victim")
            first = max(victim.start - 1, self.model.earliest(capacity))
            start = data.draw(st.integers(first, victim.end - 1), "start")
            shortest = capacity.terms[request.term].min_epochs
            length = max(shortest, min(request.end - request.start, victim.end - start))
            request = replace(request, start=start, end=start + length)
        epochs = range(request.start, request.end)
        free = max(0, capacity.attested - max(map(capacity.units_leased, epochs)))
        within = [s for s in spots if s.start < request.end and s.end > request.start]
        given = sum(lease.units for lease in within)
        most = min(capacity.attested, free + given)
        if most > free:
            request = replace(request, units=data.draw(st.integers(free + 1, most), "units"))
        victims = data.draw(st.permutations([lease.id for lease in within or spots]), "victims")
        return request, victims

    @rule(data=st.data(), number=numbers, odd=rarely)
    def lease_evicting(self, data: st.DataObject, number: int, odd: bool) -> None:
        if not self.spots(number):
            self.sign_spot(data, number)
        self.lend_ahead(data, next(iter(self.spots(number)), None))
        request, victims = self.draw_eviction(data, number)
        if odd:
            stranger = self.pick_id(data, (), "no victim")[0]
            victims.insert(data.draw(st.integers(0, len(victims)), "place"), stranger)
        signed = self.act(
            request.payer,
            self.stage.engine,
            "leaseEvicting",
            self.struct(request),
            victims,
            reference=lambda m: m.lease_evicting(request.payer, request.asked, victims),
            touches=number,
        )
        if signed is None:
            return
        lease, ended = signed
        self.check_signed(lease)
        assert self.witness.receipt is not None
        found = [event.args for event in self.witness.receipt.named("LeaseEnded")]
        wanted = [self.ended(stood, EVICTED, moved) for stood, moved in ended]
        same(0, "what the victims gave", [tuple(args) for args in found], wanted)

    # ------------------------------------------------------------------------------ paying on

    @rule(data=st.data(), payer=st.sampled_from((*TENANTS, STRANGER)))
    def top_up(self, data: st.DataObject, payer: Account) -> None:
        lease_id, _ = self.pick_id(data, self.fresh(data, self.payable))
        most = next((i.open_epochs for i in self.leases() if i.id == lease_id), 0)
        wrong = st.sampled_from((0, most + 1, 2**256 - 1))
        right = st.one_of(st.just(most), st.just(1), st.integers(1, max(1, most)))
        odd = data.draw(rarely, "odd epochs")
        epochs = data.draw(wrong if odd else right, "epochs")
        self.top_up_by(payer, lease_id, epochs)

    def payable(self) -> list[Lease]:
        return [lease for lease in self.funded() if lease.open_epochs]

    def top_up_by(self, payer: Account, lease_id: int, epochs: int) -> None:
        paid = self.act(
            payer,
            self.stage.engine,
            "topUp",
            lease_id,
            epochs,
            reference=lambda m: m.top_up(payer, lease_id, epochs),
            touches=lease_id // IDS_PER_CAPACITY,
        )
        if paid is not None:
            lease, event = self.model.lease_of(lease_id), self.event("ToppedUp")
            same(3, "as topped up", (event.fundedTo, event.paid), (lease.funded_to, paid))

    def lapsed(self) -> list[Lease]:
        return [lease for lease in self.leases() if self.model.is_lapsed(lease)]

    @rule(data=st.data(), caller=st.sampled_from(PEOPLE), off=offs)
    def lapse(self, data: st.DataObject, caller: Account, off: int) -> None:
        """One that was not paid on; if there is none, around the second when one becomes it."""
        unpaid = [lease for lease in self.leases() if not lease.fully_funded]
        if unpaid and not self.lapsed():
            lease = data.draw(st.sampled_from(unpaid), "soon")
            self.move_to(self.capacity(lease.capacity).starts_at(lease.funded_to) + off)
        lease_id, _ = self.pick_id(data, self.lapsed())
        self.lapse_one(lease_id, caller)

    def lapse_one(self, lease_id: int, caller: Account) -> None:
        rents = {lease.id: lease.rent_per_epoch for lease in self.leases()}
        closed = self.act(
            caller,
            self.stage.engine,
            "lapse",
            lease_id,
            reference=lambda m: m.lapse(caller, lease_id),
            touches=lease_id // IDS_PER_CAPACITY,
        )
        if closed is not None:
            moved, bounty = closed
            forfeited = moved.forfeited * rents[lease_id]
            found = tuple(self.event("LeaseEnded"))
            same(3, "as lapsed", found, (lease_id, LAPSED, moved.end, 0, 0, forfeited))
            assert self.witness.receipt is not None
            credited = [e.args.amount for e in self.witness.receipt.named("RefundCredited")]
            same(3, "bounty", credited, [bounty] if bounty else [])

    # ------------------------------------------------------------------------------ ending

    @staticmethod
    def ended(lease: Lease, ending: int, moved: Settlement) -> tuple[int, ...]:
        """`LeaseEnded` of a lease as it stood."""
        rent = lease.rent_per_epoch
        figures = (moved.due * rent, moved.refunded * rent, moved.forfeited * rent)
        return (lease.id, ending, moved.end, *figures)

    def end_by(
        self,
        caller: Account,
        lease_id: int,
        function: str,
        ending: int,
        reference: Callable[[Market], Settlement],
    ) -> None:
        """Ends a lease, and holds what the event says against the reference."""
        stood = {lease.id: replace(lease) for lease in self.leases()}
        moved = self.act(
            caller,
            self.stage.engine,
            function,
            lease_id,
            reference=reference,
            touches=lease_id // IDS_PER_CAPACITY,
        )
        if moved is not None:
            wanted = self.ended(stood[lease_id], ending, moved)
            same(3, f"as ended by {function}", tuple(self.event("LeaseEnded")), wanted)

    def lend(self, lease_id: int, holder: Account, off: int | None) -> None:
        """Somebody may use the lease until around the second when notice would end it."""
        lease = next((lease for lease in self.unused() if lease.id == lease_id), None)
        if lease is not None and off is not None and self.can_end(lease):
            stop = self.model.termination_of(lease_id).end
            expires = self.capacity(lease.capacity).starts_at(stop) + off
            self.grant(holder, lease_id, STRANGER, expires)

    def lend_ahead(self, data: st.DataObject, lease: Lease | None) -> None:
        """Somebody may use a lease that is about to be taken back, at times beyond its end."""
        if lease in self.unused() and data.draw(st.booleans(), "lent"):
            capacity = self.capacity(lease.capacity)
            epoch = self.model.earliest(capacity) + data.draw(st.integers(0, MAX_LENGTH), "until")
            expires = max(self.now + 1, capacity.starts_at(epoch) + data.draw(offs, "off"))
            self.grant(lease.tenant, lease.id, STRANGER, expires)

    @rule(data=st.data(), thief=rarely, off=st.sampled_from((None, None, -1, 0, 1)))
    def terminate(self, data: st.DataObject, thief: bool, off: int | None) -> None:
        likely = self.fresh(data, lambda: [i for i in self.alive() if self.can_end(i)])
        likely = self.rather(data, likely, self.used())
        lease_id, holder = self.pick_id(data, likely)
        caller = STRANGER if thief else holder
        self.lend(lease_id, holder, off)
        self.foresee("terminationOf", lease_id, reference=lambda m: m.termination_of(lease_id))
        self.end_by(
            caller, lease_id, "terminate", TERMINATED, lambda m: m.terminate(caller, lease_id)
        )

    def has_cause(self, lease: Lease) -> bool:
        return self.capacity(lease.capacity).recent_credit_bps(lease) >= CAUSE_BPS

    @rule(data=st.data(), thief=rarely, lag=st.integers(0, 2))
    def exit_for_cause(self, data: st.DataObject, thief: bool, lag: int) -> None:
        """From a bad service; if there is none so bad, it becomes that first."""
        if not any(map(self.has_cause, self.alive())):
            number = data.draw(st.sampled_from((HOURLY, DAILY)), "bad")
            self.sign_long(data, number, self.long_terms(number))
            # Two windows of hours, or six of a day: at least five epochs of the lease.
            self.time_goes_by(number, 2 if number == HOURLY else 6, lag, [0, 0, 0, 0, 0, 8_999])
        likely = [lease for lease in self.alive() if self.has_cause(lease)]
        lease_id, holder = self.pick_id(data, likely)
        caller = STRANGER if thief else holder
        self.end_by(
            caller, lease_id, "exitForCause", EXITED, lambda m: m.exit_for_cause(caller, lease_id)
        )

    @rule(data=st.data(), thief=rarely)
    def preempt(self, data: st.DataObject, thief: bool) -> None:
        if not any(map(self.spots, NUMBERS)):
            self.sign_spot(data, data.draw(numbers, "fresh"))
        likely = [lease for number in NUMBERS for lease in self.spots(number)]
        lease_id, _ = self.pick_id(data, likely)
        self.lend_ahead(data, next((i for i in likely if i.id == lease_id), None))
        number = lease_id // IDS_PER_CAPACITY
        caller = STRANGER if thief or number == UNKNOWN else PLANS[number - 1].operator
        self.preempt_one(lease_id, caller)

    def preempt_one(self, lease_id: int, caller: Account) -> None:
        self.end_by(caller, lease_id, "preempt", PREEMPTED, lambda m: m.preempt(caller, lease_id))

    # ------------------------------------------------------------------------------ splitting

    def few(self, lease: Lease) -> bool:
        return len(self.capacity(lease.capacity).leases) < MANY

    def split(self, data: st.DataObject, in_time: bool, thief: bool = False) -> list[int]:
        """Splits some lease; returns the two parts' ids, if it went."""

        def likely() -> list[Lease]:
            few = [lease for lease in self.alive() if self.few(lease)]
            return [i for i in few if (self.splits_at(i) if in_time else i.units > 1)]

        if not any(i in self.credited() for i in likely()) and data.draw(seldom, "poor"):
            number = data.draw(st.sampled_from((HOURLY, DAILY)), "of")
            self.earn(data, number, self.long_terms(number))
        found = self.rather(data, self.fresh(data, likely), self.credited())
        lease_id, holder = self.pick_id(data, found)
        caller = STRANGER if thief else holder
        lease = next((lease for lease in self.leases() if lease.id == lease_id), None)
        if in_time:
            at = self.draw_split(data, lease)
            part = self.act(
                caller,
                self.stage.engine,
                "splitAt",
                lease_id,
                at,
                reference=lambda m: m.split_at(caller, lease_id, at),
                touches=lease_id // IDS_PER_CAPACITY,
            )
        else:
            units = lease.units if lease else 1
            odd = data.draw(rarely, "odd units")
            wrong = st.sampled_from((0, units, 2**16 + 1))
            some = wrong if odd else st.integers(1, max(1, units - 1))
            taken = data.draw(some, "units")
            part = self.act(
                caller,
                self.stage.engine,
                "splitUnits",
                lease_id,
                taken,
                reference=lambda m: m.split_units(caller, lease_id, taken),
                touches=lease_id // IDS_PER_CAPACITY,
            )
        if part is None:
            return []
        event = self.event("LeaseSplit")
        whole = self.model.lease_of(lease_id)
        wanted = [self.model.state_of(each)[:-2] for each in (whole, part)]
        same(3, "parts", [tuple(event.kept), tuple(event.split)], wanted)
        same(0, "ids of the parts", (event.lease, event.part), (lease_id, part.id))
        return [lease_id, part.id]

    @staticmethod
    def splits_at(lease: Lease) -> range:
        return range(lease.start + 1, min(lease.funded_to, lease.end - 1) + 1)

    def draw_split(self, data: st.DataObject, lease: Lease | None) -> int:
        epochs = self.splits_at(lease) if lease else range(1, 3)
        if not epochs or data.draw(rarely, "odd epoch"):
            return data.draw(st.sampled_from((0, max(0, epochs.start - 1), epochs.stop)), "epoch")
        ends = st.sampled_from((epochs[0], epochs[-1]))
        return data.draw(st.one_of(st.sampled_from(epochs), ends), "epoch")

    @rule(data=st.data(), in_time=st.booleans(), thief=rarely)
    def split_lease(self, data: st.DataObject, in_time: bool, thief: bool) -> None:
        self.split(data, in_time, thief)

    @rule(data=st.data(), in_time=st.booleans(), thief=rarely, back=rarely, anew=st.booleans())
    def merge(
        self, data: st.DataObject, in_time: bool, thief: bool, back: bool, anew: bool
    ) -> None:
        """Two that fit, or that were one until now."""
        fitting = self.fitting()
        if anew or not fitting:
            self.split(data, in_time)
            fitting = self.fitting()
        if fitting and not data.draw(rarely, "odd pair"):
            ends = {lease.id: lease.end for lease in self.leases()}
            after = [pair for pair in fitting if ends[pair[0]] != ends[pair[1]]]
            pairs = after if in_time and after else fitting
            lease_id, part_id = data.draw(st.sampled_from(pairs), "pair")
        else:
            lease_id, part_id = (self.pick_id(data, (), each)[0] for each in ("lease", "part"))
        if back:
            lease_id, part_id = part_id, lease_id
        holders = {lease.id: lease.tenant for lease in self.leases()}
        caller = STRANGER if thief else holders.get(lease_id, STRANGER)
        self.act(
            caller,
            self.stage.engine,
            "merge",
            lease_id,
            part_id,
            reference=lambda m: m.merge(caller, lease_id, part_id),
            touches=lease_id // IDS_PER_CAPACITY,
        )
        if self.passed:
            event = self.event("LeasesMerged")
            wanted = self.model.state_of(self.model.lease_of(lease_id))[:-2]
            same(3, "as merged", tuple(event.merged), wanted)

    def fitting(self) -> list[tuple[int, int]]:
        """Pairs that can be merged."""
        funded = self.funded()
        return [(a.id, b.id) for a in funded for b in funded if self.model.fit(a, b)]

    # ------------------------------------------------------------------------------ using

    @rule(data=st.data(), thief=rarely, off=offs, far=st.integers(0, 3))
    def set_user(self, data: st.DataObject, thief: bool, off: int, far: int) -> None:
        """Until around the second when an epoch of the lease begins, or just now."""
        lease_id, holder = self.pick_id(data, self.fresh(data, self.unused))
        caller = STRANGER if thief else holder
        users = (*TENANTS, *TENANTS, STRANGER, NOBODY, ENGINE)
        user = data.draw(st.sampled_from(users), "user")
        number = lease_id // IDS_PER_CAPACITY
        expires = self.now + off
        if far and number in NUMBERS:
            capacity = self.capacity(number)
            expires = capacity.starts_at(self.model.earliest(capacity) + far) + off
        self.grant(caller, lease_id, user, expires)

    def used(self) -> list[Lease]:
        return [lease for lease in self.leases() if self.model.user_of(lease)[0] != NOBODY]

    def unused(self) -> list[Lease]:
        return [lease for lease in self.alive() if self.model.user_of(lease)[0] == NOBODY]

    def grant(self, caller: Account, lease_id: int, user: Account, expires: int) -> None:
        self.act(
            caller,
            self.stage.engine,
            "setUser",
            lease_id,
            user,
            expires,
            reference=lambda m: m.set_user(caller, lease_id, user, expires),
            touches=lease_id // IDS_PER_CAPACITY,
        )

    @rule(data=st.data(), thief=rarely)
    def renounce_user(self, data: st.DataObject, thief: bool) -> None:
        if not self.used():
            for lease in self.fresh(data, self.unused)[:1]:
                self.grant(lease.tenant, lease.id, STRANGER, self.now + 1)
        lease = self.pick_lease(data, self.used())
        lease_id = lease.id if lease else UNKNOWN_LEASE
        user = self.model.user_of(lease)[0] if lease else NOBODY
        caller = STRANGER if thief or user == NOBODY else user
        self.act(
            caller,
            self.stage.engine,
            "renounceUser",
            lease_id,
            reference=lambda m: m.renounce_user(caller, lease_id),
            touches=lease_id // IDS_PER_CAPACITY,
        )

    # ------------------------------------------------------------------------------ selling

    @rule(
        data=st.data(),
        to=st.sampled_from((*TENANTS, *TENANTS, *TENANTS, STRANGER, NOBODY, ENGINE)),
        thief=rarely,
        how=st.sampled_from(("plainly", "as it is", "as it is", "as it was")),
    )
    def transfer_lease(self, data: st.DataObject, to: Account, thief: bool, how: str) -> None:
        lease = self.pick_lease(data, self.fresh(data, self.alive))
        if lease is None:
            return
        lease_id, holder = lease.id, lease.tenant
        caller = STRANGER if thief else holder
        expected: LeaseState | None = None
        if how != "plainly":
            expected = self.model.state_of(lease)
        if how == "as it was" and expected is not None:
            expected = data.draw(st.sampled_from(self.other_states(expected)), "expected")
        self.act(
            caller,
            self.stage.engine,
            "transferFrom",
            holder,
            to,
            lease_id,
            *((expected,) if expected else ()),
            reference=lambda m: m.transfer_lease(caller, holder, to, lease_id, expected),
            touches=lease.capacity,
        )

    @staticmethod
    def other_states(state: LeaseState) -> list[LeaseState]:
        """What a buyer may have been told, or seen a moment ago."""
        return [
            state._replace(funded_to=state.funded_to + 1),
            state._replace(credited_to=state.credited_to + 1),
            state._replace(units=state.units + 1),
            state._replace(deposit_epochs=state.deposit_epochs + 1),
            state._replace(user=STRANGER, expires=2**40),
        ]

    # ------------------------------------------------------------------------------ paying out

    @rule(data=st.data(), thief=rarely, to=st.sampled_from((None, None, *TENANTS, NOBODY, ENGINE)))
    def claim_credit(self, data: st.DataObject, thief: bool, to: Account | None) -> None:
        lease_id, holder = self.pick_id(data, self.credited())
        caller = STRANGER if thief else holder
        self.claim_credit_of(lease_id, caller, to or caller)

    def claim_credit_of(self, lease_id: int, caller: Account, to: Account) -> Any:
        return self.act(
            caller,
            self.stage.engine,
            "claimCredit",
            lease_id,
            to,
            reference=lambda m: m.claim_credit(caller, lease_id, to),
            touches=lease_id // IDS_PER_CAPACITY,
        )

    def owed_refunds(self) -> list[tuple[str, Account]]:
        """Who has a refund of which coin."""
        tokens = {plan.coin: self.capacity(n).token for n, plan in enumerate(PLANS, start=1)}
        return [
            (coin, who)
            for coin, token in tokens.items()
            for who in PEOPLE
            if self.model.refund_of(token, who)
        ]

    @rule(data=st.data(), to=st.sampled_from((None, None, *PEOPLE, NOBODY, ENGINE)))
    def withdraw_refund(self, data: st.DataObject, to: Account | None) -> None:
        others = [(coin, who) for coin in COINS for who in PEOPLE]
        purse = self.pick(data, self.owed_refunds(), others, "refund")
        assert purse is not None
        coin, who = purse
        self.withdraw(coin, who, to or who)

    def withdraw(self, coin: str, who: Account, to: Account) -> Any:
        number = next(n for n, plan in enumerate(PLANS, start=1) if plan.coin == coin)
        return self.act(
            who,
            self.stage.engine,
            "withdrawRefund",
            self.stage.coins[coin].address,
            to,
            reference=lambda m: m.withdraw_refund(who, m.capacities[number].token, to),
            touches=number,
        )
