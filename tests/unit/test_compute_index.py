"""The price index: which feeds it takes, and that none of them can harm who asks."""

from __future__ import annotations

import pytest

from derrick.testing import reverts_with

ZERO = "0x0000000000000000000000000000000000000000"
H100 = b"H100-SXM".ljust(32, b"\0")
PRICE = 2_35000000
HOUR, DAY = 3_600, 86_400
HONEST, REVERTS, PANICS, BURNS_GAS, ANSWERS_SHORT, ANSWERS_LONG, REVERTS_LONG = range(7)


@pytest.fixture(scope="module")
def index(project, owner):
    return owner.deploy(project.ComputeIndex, owner)


@pytest.fixture(scope="module")
def feed(project, owner, index, chain):
    """A feed that is set, and answered a moment ago."""
    feed = owner.deploy(project.HostileFeed)
    feed.setRound(PRICE, chain.pending_timestamp, sender=owner)
    index.setFeed(H100, feed, DAY, sender=owner)
    return feed


def price(index, name=H100):
    answer = index.priceOf(name)
    return answer.price, answer.valid


class TestSetting:
    def test_a_feed(self, project, index, feed, owner):
        receipt = index.setFeed(H100, feed, 2 * HOUR, sender=owner)
        (event,) = receipt.decode_logs(index.FeedSet)
        assert (event.hardwareClass, event.feed, event.heartbeat) == (H100, feed, 2 * HOUR)
        source = index.sourceOf(H100)
        assert (source.feed, source.heartbeat) == (feed, 2 * HOUR)

    def test_none_any_more(self, index, feed, owner):
        index.setFeed(H100, ZERO, 0, sender=owner)
        assert price(index) == (0, False)

    def test_owner_only(self, index, feed, stranger):
        with reverts_with("Unauthorized()"):
            index.setFeed(H100, feed, DAY, sender=stranger)

    @pytest.mark.parametrize("heartbeat", [HOUR - 1, 90 * DAY + 1])
    def test_a_heartbeat_out_of_range(self, index, feed, owner, heartbeat):
        with reverts_with(index.BadFeed, feed=feed, decimals=8, heartbeat=heartbeat):
            index.setFeed(H100, feed, heartbeat, sender=owner)

    @pytest.mark.parametrize("heartbeat", [HOUR, 90 * DAY])
    def test_the_last_heartbeat_in_range(self, index, feed, owner, heartbeat):
        index.setFeed(H100, feed, heartbeat, sender=owner)
        assert price(index) == (PRICE, True)

    def test_other_decimals(self, index, feed, owner):
        feed.setDecimals(18, sender=owner)
        with reverts_with(index.BadFeed, feed=feed, decimals=18, heartbeat=DAY):
            index.setFeed(H100, feed, DAY, sender=owner)

    def test_no_contract(self, index, owner, stranger):
        with reverts_with(index.BadFeed, feed=stranger, decimals=2**256 - 1, heartbeat=DAY):
            index.setFeed(H100, stranger, DAY, sender=owner)

    def test_a_contract_without_decimals(self, index, owner):
        with reverts_with(index.BadFeed, feed=index, decimals=2**256 - 1, heartbeat=DAY):
            index.setFeed(H100, index, DAY, sender=owner)

    @pytest.mark.parametrize(
        ("code", "decimals"), [("0x6101085f5260205ff3", 264), ("0x5b5f56", 2**256 - 1)]
    )
    def test_decimals_that_are_none(self, index, feed, lane, owner, code, decimals):
        """Code that answers 264, more than a byte can hold, and code that never answers."""
        lane.node.request("anvil_setCode", feed.address, code)
        with reverts_with(index.BadFeed, feed=feed, decimals=decimals, heartbeat=DAY):
            index.setFeed(H100, feed, DAY, sender=owner)


class TestAnswers:
    def test_the_price(self, index, feed):
        assert price(index) == (PRICE, True)

    def test_an_unknown_class(self, index, feed):
        assert price(index, b"RTX-5090".ljust(32, b"\0")) == (0, False)

    @pytest.mark.parametrize(
        ("answer", "valid"),
        [
            (1, True),
            (0, False),
            (-1, False),
            (-(2**255), False),
            (2**96 - 1, True),
            (2**96, False),
            (2**255 - 1, False),
        ],
    )
    def test_which_answers_are_prices(self, index, feed, owner, answer, valid):
        feed.setRound(answer, feed.updatedAt(), sender=owner)
        assert price(index) == (answer if valid else 0, valid)

    def test_stale_a_second_after_the_heartbeat(self, index, feed, lane):
        answered = feed.updatedAt()
        lane.mine(at=answered + DAY)
        assert price(index) == (PRICE, True)
        lane.mine(at=answered + DAY + 1)
        assert price(index) == (0, False)

    def test_from_the_future(self, index, feed, lane, owner):
        feed.setRound(PRICE, lane.time + 1_000, sender=owner)
        assert price(index) == (0, False)

    def test_never_answered(self, index, feed, owner):
        feed.setRound(PRICE, 0, sender=owner)
        assert price(index) == (0, False)

    def test_an_age_that_would_overflow(self, index, feed, owner):
        feed.setRound(PRICE, 2**256 - 1, sender=owner)
        assert price(index) == (0, False)


class TestHostileFeeds:
    @pytest.mark.parametrize("mood", [REVERTS, PANICS, BURNS_GAS, ANSWERS_SHORT, REVERTS_LONG])
    def test_a_failing_feed_is_no_price(self, index, feed, owner, mood):
        feed.setMood(mood, sender=owner)
        assert price(index) == (0, False)

    def test_a_long_answer_is_read_as_far_as_it_matters(self, index, feed, owner):
        feed.setMood(ANSWERS_LONG, sender=owner)
        assert price(index) == (PRICE, True)

    @pytest.mark.parametrize("mood", [PANICS, BURNS_GAS, ANSWERS_LONG, REVERTS_LONG])
    def test_what_it_can_cost_is_bounded(self, index, feed, lane, owner, mood):
        feed.setMood(mood, sender=owner)
        bound = lane.contract(index)
        gas = bound.send("priceOf", H100, sender=owner).gas_used
        assert gas < 21_000 + 150_000 + 15_000

    def test_a_feed_that_is_gone(self, index, feed, lane):
        lane.node.request("anvil_setCode", feed.address, "0x")
        assert price(index) == (0, False)

    def test_chainlinks_own_test_feed(self, project, index, owner):
        feed = owner.deploy(project.PriceFeed, 8, 1_23000000)
        index.setFeed(H100, feed, DAY, sender=owner)
        assert price(index) == (1_23000000, True)
