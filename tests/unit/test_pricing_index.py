"""Pricing by a feed: linking it, exact figures, feeds that do harm, and leases that keep theirs."""

from __future__ import annotations

import pytest

from derrick.market import DAY, HOUR, NOBODY, WEEK, ascii_bytes
from derrick.testing import reverts_with

ANSWER = 2_35000000
MARKUP = 11_000
PRICE = 496_320_000
"""2.35 dollars × 8 accelerators × 24 hours × 110 %."""

REVERTS, PANICS, BURNS_GAS, ANSWERS_SHORT, ANSWERS_LONG, REVERTS_LONG = range(1, 7)
MAX_PRICE = 2**82
NO_DECIMALS = 2**256 - 1

EIGHT_AND_256 = "0x6101085f5260205ff3"
"""Code that answers any call with 264, of which a byte is 8."""

FOREVER = "0x5b5f56"
"""Code that burns all gas."""


@pytest.fixture(scope="module")
def feed(project, bench):
    feed = bench.owner.deploy(project.HostileFeed)
    feed.setRound(ANSWER, bench.lane.time, sender=bench.owner)
    return feed


@pytest.fixture(scope="module")
def module(project, bench, feed):
    """The module, in use by capacity 1."""
    module = bench.owner.deploy(project.IndexPricing, bench.capacity)
    module.setLink(1, feed, DAY, MARKUP, sender=bench.operator)
    bench.capacity.setPricing(1, module, sender=bench.operator)
    return module


class TestDeploying:
    def test_what_it_rests_on(self, bench, module):
        assert module.CAPACITY() == bench.capacity

    def test_no_deeds(self, project, bench):
        with reverts_with(
            project.IndexPricing.BadAddress, field=ascii_bytes("capacity", 32), value=NOBODY
        ):
            bench.owner.deploy(project.IndexPricing, NOBODY)


class TestSetting:
    def test_the_link(self, bench, module, feed):
        receipt = module.setLink(1, feed, HOUR, 1, sender=bench.operator)
        (event,) = receipt.decode_logs(module.LinkSet)
        link = (HOUR, 1, 8, DAY, 6)
        assert (event.capacity, tuple(event.link)[1:]) == (1, link)
        assert event.link[0].lower() == feed.address.lower()
        assert (module.linkOf(1).feed, tuple(module.linkOf(1))[1:]) == (feed, link)

    def test_deed_owner_only(self, bench, module, feed, stranger):
        with reverts_with(module.NotDeedOwner, capacity=1, caller=stranger):
            module.setLink(1, feed, DAY, MARKUP, sender=stranger)

    def test_whoever_buys_the_deed_sets_it_from_then_on(self, bench, module, feed, other_operator):
        bench.capacity.transferFrom(bench.operator, other_operator, 1, sender=bench.operator)
        assert module.linkOf(1).markupBps == MARKUP
        with reverts_with(module.NotDeedOwner, capacity=1, caller=bench.operator):
            module.setLink(1, feed, DAY, MARKUP, sender=bench.operator)
        module.setLink(1, feed, DAY, 5, sender=other_operator)
        assert module.linkOf(1).markupBps == 5

    def test_an_unknown_capacity(self, bench, module, feed):
        with reverts_with("TokenDoesNotExist()"):
            module.setLink(2, feed, DAY, MARKUP, sender=bench.operator)

    @pytest.mark.parametrize(
        ("heartbeat", "markup", "field", "value", "least", "most"),
        [
            (HOUR - 1, MARKUP, "heartbeat", HOUR - 1, HOUR, 90 * DAY),
            (90 * DAY + 1, MARKUP, "heartbeat", 90 * DAY + 1, HOUR, 90 * DAY),
            (DAY, 0, "markupBps", 0, 1, 50_000),
            (DAY, 50_001, "markupBps", 50_001, 1, 50_000),
        ],
    )
    def test_out_of_range(self, bench, module, feed, heartbeat, markup, field, value, least, most):
        with reverts_with(
            module.OutOfRange, field=ascii_bytes(field, 32), value=value, min=least, max=most
        ):
            module.setLink(1, feed, heartbeat, markup, sender=bench.operator)

    @pytest.mark.parametrize(("heartbeat", "markup"), [(HOUR, 1), (90 * DAY, 50_000)])
    def test_the_last_in_range(self, bench, module, feed, heartbeat, markup):
        module.setLink(1, feed, heartbeat, markup, sender=bench.operator)
        feed.setRound(10**8, bench.lane.time, sender=bench.owner)
        assert module.quote(1, 2, 3, 1) == 8 * 24 * 100 * markup


class TestFeeds:
    def test_other_decimals(self, bench, module, feed):
        feed.setDecimals(18, sender=bench.owner)
        with reverts_with(module.BadFeed, feed=feed, decimals=18):
            module.setLink(1, feed, DAY, MARKUP, sender=bench.operator)

    def test_no_contract(self, bench, module, stranger):
        for nothing in (stranger.address, NOBODY):
            with reverts_with(module.BadFeed, feed=nothing, decimals=NO_DECIMALS):
                module.setLink(1, nothing, DAY, MARKUP, sender=bench.operator)

    def test_a_contract_without_decimals(self, bench, module):
        with reverts_with(module.BadFeed, feed=bench.lease, decimals=NO_DECIMALS):
            module.setLink(1, bench.lease, DAY, MARKUP, sender=bench.operator)

    @pytest.mark.parametrize(("code", "decimals"), [(EIGHT_AND_256, 264), (FOREVER, NO_DECIMALS)])
    def test_decimals_that_are_none(self, bench, module, feed, code, decimals):
        """More than a byte can hold, and an answer that never comes."""
        bench.lane.node.request("anvil_setCode", feed.address, code)
        with reverts_with(module.BadFeed, feed=feed, decimals=decimals):
            module.setLink(1, feed, DAY, MARKUP, sender=bench.operator)

    def test_chainlinks_own_test_feed(self, project, bench, module):
        feed = bench.owner.deploy(project.PriceFeed, 8, 10**8)
        module.setLink(1, feed, DAY, 10_000, sender=bench.operator)
        assert module.quote(1, 2, 3, 1) == 192_000_000

    @pytest.mark.parametrize("mood", [REVERTS, PANICS, BURNS_GAS, ANSWERS_SHORT, REVERTS_LONG])
    def test_one_that_fails(self, bench, module, feed, mood):
        feed.setMood(mood, sender=bench.owner)
        with reverts_with(module.FeedFailed, feed=feed):
            module.quote(1, 2, 3, 1)

    def test_one_that_is_gone(self, bench, module, feed):
        bench.lane.node.request("anvil_setCode", feed.address, "0x")
        with reverts_with(module.FeedFailed, feed=feed):
            module.quote(1, 2, 3, 1)

    def test_a_long_answer_is_read_as_far_as_it_matters(self, bench, module, feed):
        feed.setMood(ANSWERS_LONG, sender=bench.owner)
        assert module.quote(1, 2, 3, 1) == PRICE

    @pytest.mark.parametrize("mood", [PANICS, BURNS_GAS, ANSWERS_LONG, REVERTS_LONG])
    def test_what_it_can_cost_is_bounded(self, bench, module, feed, mood):
        feed.setMood(mood, sender=bench.owner)
        bound = bench.lane.contract(module)
        message = bound.call("quote", 1, 2, 3, 1, sender=bench.owner.address).message
        raw = bench.lane.node.request("eth_sendTransactionSync", message)
        assert int(raw["gasUsed"], 16) < 21_000 + 150_000 + 15_000

    @pytest.mark.parametrize("answer", [0, -1, -(2**255), 2**96, 2**255 - 1])
    def test_answers_that_are_no_price(self, bench, module, feed, answer):
        feed.setRound(answer, feed.updatedAt(), sender=bench.owner)
        with reverts_with(module.BadAnswer, feed=feed, answer=answer):
            module.quote(1, 2, 3, 1)

    def test_stale_a_second_after_the_heartbeat(self, bench, module, feed):
        answered = feed.updatedAt()
        bench.lane.mine(at=answered + DAY)
        assert module.quote(1, 2, 3, 1) == PRICE
        bench.lane.mine(at=answered + DAY + 1)
        with reverts_with(
            module.AnswerNotCurrent,
            feed=feed,
            updatedAt=answered,
            time=answered + DAY + 1,
            heartbeat=DAY,
        ):
            module.quote(1, 2, 3, 1)

    @pytest.mark.parametrize("ahead", [1_000, None])
    def test_from_the_future(self, bench, module, feed, ahead):
        at = 2**256 - 1 if ahead is None else bench.lane.time + ahead
        feed.setRound(ANSWER, at, sender=bench.owner)
        with reverts_with(
            module.AnswerNotCurrent,
            feed=feed,
            updatedAt=at,
            time=bench.lane.time,
            heartbeat=DAY,
        ):
            module.quote(1, 2, 3, 1)


class TestQuotes:
    def test_the_price_of_any_epochs(self, bench, module):
        assert module.quote(1, 2, 3, 1) == PRICE
        assert module.quote(1, 0, 1_000, 2**256 - 1) == PRICE

    @pytest.mark.parametrize(
        ("answer", "price"),
        [
            (1, 3),  # 2.112 base units
            (125, 264),  # exactly
            (126, 267),  # 266.112
        ],
    )
    def test_rounded_up(self, bench, module, feed, answer, price):
        feed.setRound(answer, feed.updatedAt(), sender=bench.owner)
        assert module.quote(1, 2, 3, 1) == price

    def test_another_coin_and_another_epoch(self, project, bench, module, feed):
        """A dollar of 18 decimals, weeks, and a rack of 72."""
        coin = bench.owner.deploy(project.MockERC20, "Other Dollar", "OUSD", 18)
        bench.stablecoins.setStablecoin(coin, True, sender=bench.owner)
        config = bench.config._replace(
            stablecoin=coin.address, epoch_length=WEEK, accelerators_per_unit=72
        )
        terms = [(1, 365, 10_000, 0, 0, False)]
        bench.capacity.register(config, terms, 1, bench.operator, sender=bench.operator)
        module.setLink(2, feed, DAY, 10_000, sender=bench.operator)
        assert tuple(module.linkOf(2))[3:] == (72, WEEK, 18)
        assert module.quote(2, 2, 3, 1) == 2_35 * 10**16 * 72 * 7 * 24

    def test_more_than_a_price_can_be(self, bench, module, feed):
        feed.setRound(2**96 - 1, feed.updatedAt(), sender=bench.owner)
        price = -(-(2**96 - 1) * 2_112_000 // 10**6)
        with reverts_with(
            module.OutOfRange,
            field=ascii_bytes("price", 32),
            value=price,
            min=1,
            max=MAX_PRICE,
        ):
            module.quote(1, 2, 3, 1)

    def test_the_highest_price(self, bench, module, feed):
        answer = MAX_PRICE * 10**6 // 2_112_000
        feed.setRound(answer, feed.updatedAt(), sender=bench.owner)
        assert module.quote(1, 2, 3, 1) == -(-answer * 2_112_000 // 10**6) <= MAX_PRICE
        feed.setRound(answer + 1, feed.updatedAt(), sender=bench.owner)
        with reverts_with(module.OutOfRange, ...):
            module.quote(1, 2, 3, 1)

    def test_no_link(self, bench, module, tenant):
        bench.capacity.register(
            bench.config, [(1, 365, 10_000, 0, 0, False)], 1, bench.operator, sender=bench.operator
        )
        with reverts_with(module.NotSet, capacity=2):
            module.linkOf(2)
        with reverts_with(module.NotSet, capacity=2):
            module.quote(2, 2, 3, 1)
        bench.capacity.setPricing(2, module, sender=bench.operator)
        with reverts_with(module.NotSet, capacity=2):
            bench.lease.quote(bench.request(tenant, capacity=2))


class TestLeases:
    def test_a_lease_keeps_what_was_quoted(self, bench, module, feed, tenant):
        before = bench.coin.balanceOf(bench.lease)
        lease = bench.sign_lease(tenant, max_rent=PRICE)
        assert bench.lease.leaseOf(lease).rent == PRICE
        assert bench.coin.balanceOf(bench.lease) - before == PRICE * 10 * 10
        feed.setRound(2 * ANSWER, feed.updatedAt(), sender=bench.owner)
        assert module.quote(1, 2, 12, 10) == 2 * PRICE
        assert bench.lease.leaseOf(lease).rent == PRICE

    def test_the_term_applies_to_it(self, bench, module, tenant):
        request = bench.request(tenant, term=1, end=32, max_rent=PRICE)
        assert bench.lease.quote(request).rent == -(-PRICE * 8_001 // 10_000)

    def test_nobody_pays_more_than_agreed(self, bench, module, feed, tenant):
        request = bench.request(tenant, max_rent=PRICE)
        assert bench.lease.quote(request).rent == PRICE
        feed.setRound(ANSWER + 1, feed.updatedAt(), sender=bench.owner)
        with reverts_with(bench.lease.RentAboveMax, rent=PRICE + 3, maxRent=PRICE):
            bench.lease.lease(request, sender=tenant)

    def test_nothing_is_signed_at_a_price_that_is_not_known(self, bench, module, feed, tenant):
        feed.setMood(BURNS_GAS, sender=bench.owner)
        with reverts_with(module.FeedFailed, feed=feed):
            bench.lease.lease(bench.request(tenant, max_rent=PRICE), sender=tenant)
