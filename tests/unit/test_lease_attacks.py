"""What hostile parties would try against the lease engine, and that nothing comes of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from derrick.abi import Revert
from derrick.chain import Receipt
from derrick.fiat import FiatToken
from derrick.market import (
    DAY,
    HOUR,
    LEASES_PER_CAPACITY,
    MAX_UINT256,
    TELEMETRY_RULES,
    Term,
    Tier,
)
from derrick.telemetry import Report, ReportTree, SetRules, Status
from derrick.testing import reverts_with, reverts_without_data
from tests.settled import settled

PRICE = 400_000_000
FIRST = LEASES_PER_CAPACITY + 1
MAX_UNITS = 32_767
MAX_LIFETIME = 131_071
MAX_RENT = 5 * 2**82
TERMS = (Term(1, 365, 10_000),)


@pytest.fixture
def funded(bench, owner, tenant):
    """A tenant with more than enough, and an open allowance."""
    bench.coin.mint(tenant, 2**200, sender=owner)
    bench.coin.approve(bench.lease, MAX_UINT256, sender=tenant)
    return tenant


@pytest.fixture
def engine(bench, lane):
    """The lease engine on the lane."""
    return lane.contract(bench.lease)


def register(bench, terms=TERMS, price=PRICE, **changes):
    """Another capacity, otherwise as the bench's own; returns its id."""
    config = bench.config._replace(**changes)
    return bench.register(config, list(terms), price)


def first_lease(capacity):
    return capacity * LEASES_PER_CAPACITY + 1


# ---- a hostile operator: extremes of every field


def test_the_dearest_capacity_overflows_nothing(bench, funded, engine, lane):
    """Every unit at the highest rent, up to the last epoch there can be, for the longest term."""
    capacity = register(
        bench,
        terms=[Term(1, 4_096, 50_000)],
        price=2**82,
        units=MAX_UNITS,
        lifetime_epochs=MAX_LIFETIME,
        epoch_length=HOUR,
        blackout_credit_bps=1,
        origin=lane.time + 100,
    )
    start = MAX_LIFETIME - 4_096
    request = bench.request(
        funded,
        capacity=capacity,
        units=MAX_UNITS,
        start=start,
        end=MAX_LIFETIME,
        max_rent=MAX_RENT,
    )
    rate = MAX_RENT * MAX_UNITS
    assert engine.send("lease", request, sender=funded).event("Leased").paid == rate * 4_096
    again = engine.try_send("lease", request._replace(units=1), sender=funded)
    assert isinstance(again, Revert)
    assert (again.name, again.inputs) == ("NotEnoughUnits", {"asked": 1, "free": 0})

    lane.mine(at=bench.capacity.configOf(capacity).origin + MAX_LIFETIME * HOUR + 30 * DAY)
    engine.send("passIdle", capacity, start, sender=funded)
    epochs = 30
    for _ in range(epochs):
        engine.send("settleMissing", capacity, sender=funded)
    credit = -(-rate // 10_000)
    assert engine.read("netRevenueOf", capacity) == epochs * (rate - credit) > 2**104
    assert engine.read("settledTo", capacity) == (start + epochs, rate)
    assert engine.read("creditOf", first_lease(capacity)) == rate * epochs // 10_000
    engine.send("release", capacity, sender=funded)
    engine.send("claimCredit", first_lease(capacity), funded, sender=funded)
    assert engine.read("revenueTotals", capacity) == (epochs * (rate - credit),) * 2


def test_a_capacity_of_one_epoch_and_one_unit_runs_and_ends(bench, funded, engine, lane):
    origin = bench.origin
    capacity = register(bench, units=1, lifetime_epochs=1, epoch_length=HOUR, price=1, tiers=())
    request = bench.request(funded, capacity=capacity, units=1, start=0, end=1, max_rent=1)
    engine.send("lease", request, sender=funded)
    lane.mine(at=origin + 10 * DAY)
    engine.send("settleMissing", capacity, sender=funded)
    with reverts_with(bench.lease.LifetimeSettled, capacity=capacity):
        engine.send("settleMissing", capacity, sender=funded)
    with reverts_with(bench.lease.StartPassed, ...):
        engine.send("lease", request, sender=funded)
    assert (
        engine.read("netRevenueOf", capacity) + engine.read("creditOf", first_lease(capacity)) <= 1
    )


@pytest.mark.parametrize(
    "rules",
    [
        SetRules(HOUR, HOUR, HOUR, HOUR, 1, 1, HOUR),
        SetRules(HOUR + 1, 30 * DAY, HOUR, HOUR, 1, 1, HOUR),
        SetRules(30 * DAY, 30 * DAY, 30 * DAY, 30 * DAY, 10_000, 9, 30 * DAY),
        SetRules(30 * DAY - 1, HOUR, 30 * DAY, 30 * DAY, 10_000, 9, HOUR),
    ],
)
@pytest.mark.parametrize("epoch_length", [HOUR, 7 * DAY])
def test_no_rules_of_attestors_can_stick_a_capacity(bench, funded, engine, rules, epoch_length):
    """Whatever grid and periods a set has, its silence is over a known time after the epoch."""
    members = sorted((a.address for a in bench.attestors[:3]), key=lambda a: int(a, 16))
    bench.telemetry.createSet(members, 2, rules.as_tuple(), sender=bench.owner)
    capacity = register(
        bench, attestor_set=2, epoch_length=epoch_length, origin=bench.origin + 1_234_567
    )
    engine.send("lease", bench.request(funded, capacity=capacity, start=0, end=3), sender=funded)
    window, posting = rules.window_length, rules.posting_period
    for epoch in range(3):
        end = bench.origin + 1_234_567 + (epoch + 1) * epoch_length
        deadline = -(-end // window) * window + posting
        if engine.lane.time < deadline - 1:
            early = engine.try_send("settleMissing", capacity, sender=funded, at=deadline - 1)
            assert isinstance(early, Revert)
            assert early.name == "ReportStillPossible"
            engine.lane.mine(at=deadline)
        event = settled(engine.send("settleMissing", capacity, sender=funded))
        assert (event.epoch, event.status) == (epoch, Status.BLACKOUT)


def test_a_dealer_who_leases_to_himself_touches_nobody_elses_escrow(
    bench, funded, engine, operator
):
    """All that his capacity can ever pay out is what he paid in; the victim's money stays whole."""
    engine.send("lease", bench.request(funded, start=0, end=4), sender=funded)
    victim = 10 * PRICE * 4
    dealt = register(bench, terms=[Term(1, 4_096, 50_000)], price=2**82, tiers=(Tier(1, 10_000),))
    bench.coin.mint(operator, 2**200, sender=bench.owner)
    bench.coin.approve(bench.lease, MAX_UINT256, sender=operator)
    request = bench.request(operator, capacity=dealt, units=100, start=0, end=4, max_rent=MAX_RENT)
    before = bench.coin.balanceOf(operator)
    engine.send("lease", request, sender=operator)

    reports = [Report(dealt, epoch, uptime, 0, 0) for epoch, uptime in enumerate((0, 1, 0, 1))]
    for report in reports:
        tree = bench.post(report)
        engine.send("settle", report.as_tuple(), tree.proof(report), sender=operator)
        for _ in range(2):
            engine.send("release", dealt, sender=operator)
            engine.send("claimCredit", first_lease(dealt), operator, sender=operator)
    assert bench.coin.balanceOf(operator) == before
    assert bench.coin.balanceOf(bench.lease) == victim == engine.read("accountOf", 1).paidIn


def test_a_payee_that_is_the_engine_itself_costs_only_its_operator(bench, funded, engine):
    lost = register(bench, payee=bench.lease.address)
    for capacity in (1, lost):
        engine.send(
            "lease", bench.request(funded, capacity=capacity, start=0, end=1), sender=funded
        )
    bench.settle(0, capacity=lost)
    engine.send("release", lost, sender=funded)
    engine.send("release", lost, sender=funded)
    assert engine.read("revenueTotals", lost) == (10 * PRICE, 10 * PRICE)
    assert bench.coin.balanceOf(bench.lease) == 20 * PRICE
    assert engine.read("creditOf", FIRST) == 0


def test_a_term_taken_off_and_put_back_dearer_does_not_catch_a_tenant(bench, funded):
    """Indices are never used twice, so that a request in flight fails rather than changes."""
    request = bench.request(funded)
    bench.capacity.retireTerm(1, 0, sender=bench.operator)
    new = bench.capacity.addTerm(1, Term(1, 365, 50_000), sender=bench.operator).return_value
    assert new == 2
    with reverts_with(bench.capacity.TermNotActive, capacity=1, term=0):
        bench.lease.lease(request, sender=funded)


# ---- a hostile tenant


def test_claiming_every_epoch_never_pays_more_than_claiming_once(bench, funded, engine):
    """Twins, seven base units of rent: each claim rounds down, and pauses lose nothing."""
    capacity = register(bench, price=7)
    request = bench.request(funded, capacity=capacity, units=1, start=0, end=6, max_rent=7)
    often, once = first_lease(capacity), first_lease(capacity) + 1
    for _ in (often, once):
        engine.send("lease", request, sender=funded)
    paid = 0
    for epoch, uptime in enumerate((9_980, 9_800, 10_000, 9_980, 9_000, 9_980)):
        bench.settle(epoch, uptime, capacity=capacity)
        receipt = engine.send("claimCredit", often, funded, sender=funded)
        paid += sum(event.args.amount for event in receipt.named("CreditClaimed"))
    full = 7 * (1_000 + 2_500 + 1_000 + 10_000 + 1_000) // 10_000
    assert engine.read("creditOf", once) == full
    assert full - 4 <= paid <= full
    assert engine.read("creditOf", often) == 0


def test_crumbs_of_many_leases_never_overdraw_the_capacity(bench, funded, engine):
    """Each lease's credit is rounded down, their sum is covered by what the payee did not get."""
    capacity = register(bench, price=1, tiers=(Tier(9_000, 3_333), Tier(5_000, 6_667)))
    spans = [(start, end) for start in range(3) for end in range(start + 1, 5)]
    for units, (start, end) in enumerate(spans, start=1):
        request = bench.request(
            funded, capacity=capacity, units=units, start=start, end=end, max_rent=1
        )
        engine.send("lease", request, sender=funded)
    for epoch, uptime in enumerate((8_000, 4_000, 0, 9_000)):
        bench.settle(epoch, uptime, capacity=capacity)
    credits = 0
    for count in range(len(spans)):
        lease = capacity * LEASES_PER_CAPACITY + 1 + count
        credits += engine.read("creditOf", lease)
        engine.send("claimCredit", lease, funded, sender=funded)
    engine.send("release", capacity, sender=funded)
    account = engine.read("accountOf", capacity)
    earned, released = engine.read("revenueTotals", capacity)
    dust = account.paidIn - account.creditsPaid - released
    assert (account.creditsPaid, released) == (credits, earned)
    assert 0 <= dust <= len(spans) + 4
    assert bench.coin.balanceOf(bench.lease) == dust


def test_a_sold_lease_is_out_of_its_sellers_reach(bench, funded, engine, other_tenant, stranger):
    """Approvals end with the sale; only who is approved for all by the new holder may claim."""
    engine.send("lease", bench.request(funded, start=0, end=3), sender=funded)
    bench.settle(0, 0)
    engine.send("approve", stranger, FIRST, sender=funded)
    engine.send("setApprovalForAll", stranger, True, sender=funded)
    engine.send("transferFrom", funded, other_tenant, FIRST, sender=funded)
    for party in (funded, stranger):
        with reverts_with(bench.lease.NotTenant, lease=FIRST, caller=party):
            engine.send("claimCredit", FIRST, party, sender=party)
        with reverts_with("NotOwnerNorApproved()"):
            engine.send("transferFrom", other_tenant, party, FIRST, sender=party)
    engine.send("setApprovalForAll", stranger, True, sender=other_tenant)
    receipt = engine.send("claimCredit", FIRST, other_tenant, sender=stranger)
    assert receipt.event("CreditClaimed").amount == 10 * PRICE


def test_a_transfer_to_oneself_repeats_no_credit(bench, funded, engine):
    engine.send("lease", bench.request(funded, start=0, end=3), sender=funded)
    bench.settle(0, 0)
    engine.send("claimCredit", FIRST, funded, sender=funded)
    engine.send("transferFrom", funded, funded, FIRST, sender=funded)
    assert (engine.read("ownerOf", FIRST), engine.read("balanceOf", funded)) == (funded.address, 1)
    assert engine.read("creditOf", FIRST) == 0
    assert engine.send("claimCredit", FIRST, funded, sender=funded).events == []


def test_leasing_after_the_bad_news_earns_none_of_its_credit(bench, funded, engine, lane):
    """While settlement lags behind, a new lease starts after all that is known to be bad."""
    engine.send("lease", bench.request(funded, start=0, end=5), sender=funded)
    bad = Report(1, 0, 0, 0, 0)
    tree = bench.post(bad)
    receipt = engine.send("lease", bench.request(funded, start=2, end=5), sender=funded)
    late = receipt.event("Leased").lease
    engine.send("settle", bad.as_tuple(), tree.proof(bad), sender=funded)
    bench.settle(1, 0)
    assert (engine.read("creditOf", FIRST), engine.read("creditOf", late)) == (20 * PRICE, 0)


# ---- a hostile attestor or relayer


def test_a_neighbours_report_settles_nothing(bench, funded, engine):
    """Same set, same window, same epoch number: the leaf names its capacity."""
    neighbour = register(bench)
    engine.send("lease", bench.request(funded, start=0, end=2), sender=funded)
    theirs = Report(neighbour, 0, 10_000, 0, 0)
    tree = bench.post(theirs)
    mine = replace(theirs, capacity=1)
    with reverts_with(bench.lease.NotInRoot, ...):
        engine.send("settle", mine.as_tuple(), tree.proof(theirs), sender=funded)
    assert engine.read("settledTo", 1) == (0, 0)


def test_a_report_signed_before_its_epoch_ran_settles_nothing(bench, funded, engine, lane):
    """Attestors put the next day's report into today's root: it stands in the wrong window."""
    engine.send("lease", bench.request(funded, start=0, end=3), sender=funded)
    now, ahead = Report(1, 0, 10_000, 0, 0), Report(1, 1, 10_000, 0, 0)
    tree = ReportTree.of([now, ahead])
    window = TELEMETRY_RULES.window_of(bench.epoch_end(0))
    lane.mine(at=bench.epoch_end(0))
    bench.post_tree(tree, window)
    engine.send("settle", now.as_tuple(), tree.proof(now), sender=funded)
    lane.mine(at=bench.epoch_end(1))
    with reverts_with(bench.lease.NoRoot, setId=1, window=window + 1):
        engine.send("settle", ahead.as_tuple(), tree.proof(ahead), sender=funded)
    bench.post(Report(1, 1, 0, 0, 0))
    with reverts_with(bench.lease.NotInRoot, setId=1, window=window + 1, leaf=ahead.leaf):
        engine.send("settle", ahead.as_tuple(), tree.proof(ahead), sender=funded)


def test_a_curtailed_epoch_hides_no_downtime(bench, funded, engine):
    """The flag is part of the leaf and as yet excuses nothing."""
    engine.send("lease", bench.request(funded, start=0, end=2), sender=funded)
    report = Report(1, 0, 0, 0, 0, curtailed=True)
    tree = bench.post(report)
    plain = replace(report, curtailed=False)
    with reverts_with(bench.lease.NotInRoot, ...):
        engine.send("settle", plain.as_tuple(), tree.proof(report), sender=funded)
    receipt = engine.send("settle", report.as_tuple(), tree.proof(report), sender=funded)
    assert settled(receipt).credit_bps == 10_000


@pytest.mark.parametrize(("word", "bits"), [(1, 32), (2, 16), (3, 16), (4, 64), (5, 1)])
def test_dirty_words_in_a_report_are_refused(bench, funded, engine, word, bits):
    """A value wider than its field is an error, not another report with the same low bits."""
    engine.send("lease", bench.request(funded, start=0, end=2), sender=funded)
    report = Report(1, 0, 9_000, 1, 1)
    tree = bench.post(report)
    call = engine.call("settle", report.as_tuple(), tree.proof(report), sender=funded)
    data = bytearray.fromhex(call.message["data"][2:])
    at = 4 + 32 * word
    dirty = int.from_bytes(data[at : at + 32], "big") | 1 << bits
    data[at : at + 32] = dirty.to_bytes(32, "big")
    raw = {**call.message, "data": "0x" + data.hex()}
    receipt = engine.lane.node.request("eth_sendTransactionSync", raw)
    assert receipt["status"] == "0x0"
    assert engine.read("settledTo", 1) == (0, 0)
    assert isinstance(engine.lane.transact(call), Receipt)


def test_a_tenants_address_with_dirty_bits_is_refused(bench, funded, lane, engine):
    call = engine.call("lease", bench.request(funded), sender=funded)
    data = bytearray.fromhex(call.message["data"][2:])
    data[4 + 32 * 1] = 1
    raw = {**call.message, "data": "0x" + data.hex()}
    assert lane.node.request("eth_sendTransactionSync", raw)["status"] == "0x0"
    assert engine.read("accountOf", 1).leases == 0


# ---- a griefing stranger


@pytest.mark.parametrize("to", [1_001, 2**32, 2**64, MAX_UINT256])
def test_nobody_passes_epochs_that_do_not_exist(bench, funded, engine, lane, to):
    lane.mine(at=bench.origin + 1_001 * DAY)
    with reverts_with(bench.lease.BadRange, start=0, end=to, lifetime=1_000):
        engine.send("passIdle", 1, to, sender=funded)


def test_passing_idle_epochs_at_the_worst_moment_skips_no_rent(bench, funded, engine, stranger):
    """Between leases that end and begin at the very borders of what is passed, across words."""
    for start, end in ((0, 1), (15, 17), (32, 33)):
        engine.send("lease", bench.request(funded, start=start, end=end), sender=funded)
    bench.lane.mine(at=bench.origin + 33 * DAY + 10 * DAY)
    for first, used in ((0, 1), (15, 17), (32, 33)):
        engine.send("passIdle", 1, first, sender=stranger)
        for wrong in (first + 1, 40):
            with reverts_with(bench.lease.EpochNotIdle, capacity=1, epoch=first):
                engine.send("passIdle", 1, wrong, sender=stranger)
        for epoch in range(first, used):
            event = settled(engine.send("settleMissing", 1, sender=stranger))
            assert (event.epoch, event.rent) == (epoch, 10 * PRICE)
    engine.send("passIdle", 1, 40, sender=stranger)
    assert engine.read("settledTo", 1) == (40, 0)
    # Four leased epochs of ten units, half of it the attestors' outage.
    assert engine.read("netRevenueOf", 1) == 4 * 10 * PRICE // 2


def test_a_lease_of_the_last_second_cannot_be_passed_over(bench, funded, engine, stranger, lane):
    """Signed one second before it starts, right after everything else was passed."""
    start = bench.origin + 16 * DAY
    engine.send("passIdle", 1, 15, sender=stranger, at=start - 2)
    engine.send("lease", bench.request(funded, start=16, end=17), sender=funded, at=start - 1)
    engine.send("passIdle", 1, 16, sender=stranger, at=start)
    with reverts_with(bench.lease.EpochNotIdle, capacity=1, epoch=16):
        engine.send("passIdle", 1, 17, sender=stranger, at=start + DAY)
    bench.settle(16)
    assert engine.read("netRevenueOf", 1) == 10 * PRICE


def test_a_stranger_who_settles_and_releases_moves_money_only_where_it_belongs(
    bench, funded, engine, stranger
):
    engine.send("lease", bench.request(funded, start=0, end=2), sender=funded)
    report = Report(1, 0, 9_950, 0, 0)
    tree = bench.post(report)
    payee = bench.coin.balanceOf(bench.config.payee)
    for name, arguments in (
        ("release", (1,)),
        ("settle", (report.as_tuple(), tree.proof(report))),
        ("release", (1,)),
        ("release", (1,)),
    ):
        engine.send(name, *arguments, sender=stranger)
    assert bench.coin.balanceOf(stranger) == 0
    assert bench.coin.balanceOf(bench.config.payee) == payee + 9 * PRICE
    assert bench.coin.balanceOf(bench.lease) == 11 * PRICE


def test_a_gift_to_the_engine_is_nobodys_rent(bench, funded, engine, stranger, owner):
    """Balances are no truth of what is owed: a donation neither breaks nor feeds any account."""
    engine.send("lease", bench.request(funded, start=0, end=1), sender=funded)
    bench.coin.mint(bench.lease, 10**12, sender=owner)
    bench.settle(0, 0)
    engine.send("release", 1, sender=stranger)
    engine.send("claimCredit", FIRST, funded, sender=funded)
    assert bench.coin.balanceOf(bench.lease) == 10**12
    assert engine.read("accountOf", 1) == (1, 10 * PRICE, 10 * PRICE)


# ---- a stablecoin's issuer


def test_a_frozen_party_or_a_paused_token_holds_up_nobody_else(
    bench, funded, engine, treasury, other_tenant
):
    """On Circle's own code: settlement goes on, others are paid, the frozen name a receiver."""
    owner = bench.owner
    usdc = FiatToken.deploy(owner)
    bench.stablecoins.setStablecoin(usdc.token, True, sender=owner)
    capacity = register(bench, stablecoin=usdc.token.address, payee=treasury.address)
    for party in (funded, other_tenant):
        usdc.mint(party, 10 * PRICE)
        usdc.token.approve(bench.lease, MAX_UINT256, sender=party)
        request = bench.request(party, capacity=capacity, start=0, end=1)
        engine.send("lease", request, sender=party)
    usdc.pause()
    usdc.blacklist(treasury)
    usdc.blacklist(funded)
    bench.settle(0, 9_950, capacity=capacity)
    lease = first_lease(capacity)
    for name, arguments in (("release", (capacity,)), ("claimCredit", (lease + 1, other_tenant))):
        with reverts_with("TransferFailed()"):
            engine.send(name, *arguments, sender=other_tenant)
    usdc.unpause()
    with reverts_with("TransferFailed()"):
        engine.send("release", capacity, sender=owner)
    engine.send("claimCredit", lease + 1, other_tenant, sender=other_tenant)
    with reverts_with("TransferFailed()"):
        engine.send("claimCredit", lease, funded, sender=funded)
    engine.send("claimCredit", lease, other_tenant, sender=funded)
    assert usdc.token.balanceOf(other_tenant) == 2 * PRICE
    usdc.unblacklist(treasury)
    engine.send("release", capacity, sender=owner)
    assert usdc.token.balanceOf(treasury) == 18 * PRICE
    assert usdc.token.balanceOf(bench.lease) == 0


def test_a_delisted_stablecoin_still_settles_and_pays(bench, funded, engine, owner):
    engine.send("lease", bench.request(funded, start=0, end=1), sender=funded)
    bench.stablecoins.setStablecoin(bench.coin, False, sender=owner)
    bench.settle(0, 9_950)
    engine.send("release", 1, sender=funded)
    engine.send("claimCredit", FIRST, funded, sender=funded)
    assert bench.coin.balanceOf(bench.lease) == 0


# ---- ABI


def test_a_service_kind_that_does_not_exist_is_refused(bench):
    """An enum out of range reverts in the decoder, before anything is written."""
    with reverts_without_data():
        register(bench, service_kind=3)
    assert bench.capacity.nextCapacity() == 2


# ---- a tenant who merges

SHORT = 2
"""Three epochs at most, all prepaid."""


def test_short_leases_are_not_merged_out_of_their_deposits(bench, funded, engine):
    """All of three epochs is forfeited; of six, as one lease, only half would be."""
    bench.capacity.addTerm(1, Term(1, 3, 10_000, 0, 3), sender=bench.operator)
    request = bench.request(funded, term=SHORT, start=2, end=5)
    leases = [
        engine.send("lease", each, sender=funded).event("Leased").lease
        for each in (request, request._replace(start=5, end=8))
    ]
    with reverts_with(bench.lease.NotMergeable, lease=leases[0], part=leases[1]):
        engine.send("merge", *leases, sender=funded)
    # One that its term allows is merged back from its parts.
    part = engine.send("splitAt", leases[0], 4, sender=funded).event("LeaseSplit").part
    engine.send("merge", leases[0], part, sender=funded)
    assert tuple(bench.lease.terminationOf(leases[0])) == (2, 0, 0, 3)


# ---- a hostile coin, which the registry would not admit


@pytest.fixture
def coin(bench, project, owner):
    """A capacity, number 2, that settles in a coin which calls back; it leases for itself."""
    coin = project.ReenteringCoin.deploy(sender=owner)
    bench.stablecoins.setStablecoin(coin, True, sender=owner)
    terms = [Term(1, 365, 10_000, 0, 0), Term(1, 365, 5_000, 0, 0, True)]
    register(bench, terms, stablecoin=coin.address, payee=coin.address)
    coin.mint(coin, 10**15, sender=owner)
    approve = coin.approve.encode_input(bench.lease, MAX_UINT256)
    coin.run(coin, approve, sender=owner)
    return coin


def test_an_evictor_cannot_leave_before_he_has_paid(bench, owner, coin):
    """In the middle of his own payment he already owes the first epoch."""
    lease, first = bench.lease, 2 * LEASES_PER_CAPACITY + 1
    victim = bench.request(coin, capacity=2, term=1, units=100)
    coin.run(lease, lease.lease.encode_input(victim), sender=owner)
    coin.arm(lease, lease.terminate.encode_input(first + 1), sender=owner)
    request = bench.request(coin, capacity=2, units=100)
    coin.run(lease, lease.leaseEvicting.encode_input(request, [first]), sender=owner)
    assert coin.passed()
    assert lease.hasEvicted(first + 1)
    signed = lease.leaseOf(first + 1)
    assert (signed.start, signed.end, signed.fundedTo) == (2, 3, 3)
    # What came back is what the victim had paid, half of the price.
    assert lease.refundOf(coin, coin) == 100 * PRICE // 2


@pytest.mark.parametrize("payment", ["release", "claimCredit", "withdrawRefund"])
def test_nothing_is_paid_twice_in_one_call(bench, owner, coin, payment):
    lease, first = bench.lease, 2 * LEASES_PER_CAPACITY + 1
    request = bench.request(coin, capacity=2, start=0, end=4)
    coin.run(lease, lease.lease.encode_input(request), sender=owner)
    coin.run(lease, lease.topUp.encode_input(first, 3), sender=owner)
    bench.settle(0, 9_950, capacity=2)
    coin.run(lease, lease.terminate.encode_input(first), sender=owner)
    calls = {
        "release": (lease.release.encode_input(2), 9 * PRICE),
        "claimCredit": (lease.claimCredit.encode_input(first, owner), PRICE),
        "withdrawRefund": (lease.withdrawRefund.encode_input(coin, owner), 20 * PRICE),
    }
    data, due = calls[payment]
    coin.arm(lease, data, sender=owner)
    held = coin.balanceOf(lease)
    coin.run(lease, data, sender=owner)
    assert coin.passed()
    assert held - coin.balanceOf(lease) == due


# ---- an evictor where too much is leased already


def test_where_fewer_units_are_attested_since_nobody_is_evicted(bench, tenant, other_tenant):
    """An epoch with more leased than there is takes nobody in, for however many he throws out."""
    for term in (Term(1, 365, 10_000, 0, 0), Term(1, 365, 5_000, 0, 0, preemptible=True)):
        bench.capacity.addTerm(1, term, sender=bench.operator)
    for account in (tenant, other_tenant):
        bench.coin.mint(account, 10**15, sender=bench.owner)
        bench.coin.approve(bench.lease, MAX_UINT256, sender=account)
    spot = bench.request(tenant, term=3, units=100, start=2, end=300)
    victim = bench.lease.lease(spot, sender=tenant).return_value
    bench.attest_units(1, 40)

    one = bench.request(other_tenant, term=2, units=1, start=2, end=3)
    quoted = bench.lease.quote(one)
    assert (quoted.missing, quoted.paid) == (1, PRICE)
    with reverts_with(bench.lease.NotEnoughUnits, asked=1, free=0):
        bench.lease.leaseEvicting(one, [victim], sender=other_tenant)
    assert bench.lease.leaseOf(victim).units == 100
