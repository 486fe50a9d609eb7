"""Statements: rebuilt from events alone, equal to the contracts' state at every moment."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from derrick.chain import NodeError, project_book
from derrick.data import BPS
from derrick.market import DAY, MAX_UINT256, SUPPLY, LeaseRequest, Term, local_market
from derrick.reader import Reader
from derrick.sample import play
from derrick.statement import COLUMNS, Statement, StatementError, read_statement
from derrick.statement_picture import draw
from scripts.statement import _print, cli

USD = 10**6


@pytest.fixture(scope="module")
def market(project):
    """The sample market after its thirty days."""
    market = local_market()
    assert play(market) == market.lender
    return market


@pytest.fixture(scope="module")
def reader(market):
    return Reader(market.lane.node.request, project_book())


@pytest.fixture(scope="module")
def read(market, reader):
    """A holder's statement over a period, by default everything."""

    def run(holder: Any, start: int = 0, end: int = 0) -> Statement:
        bounds = start or reader.time(0), end or market.lane.time + 1
        addresses = market.factory.address, market.lease.address
        return read_statement(reader, holder.address, *addresses, *bounds)

    return run


def coin_of(statement: Statement, symbol: str) -> Any:
    return next(coin for coin in statement.coins() if coin.symbol == symbol)


class TestSample:
    """An investor who buys, sells and claims shares of two capacities, one of which mines."""

    def test_says_what_was_earned_and_claimed(self, market, read):
        statement = read(market.lender)
        dollar, bitcoin = (statement.sum_of(coin_of(statement, s)) for s in ("USDC", "WBTC"))
        assert dollar.claimed == market.stablecoin.balanceOf(market.lender) > 0
        splitters = {line.capacity: line.splitter for line in statement.lines}
        due = [market.splitter(capacity).claimable(market.lender) for capacity in sorted(splitters)]
        assert dollar.closing == sum(due)
        assert dollar.earned == dollar.claimed + dollar.closing
        assert bitcoin.earned == 5 * 10**8 // 40 * _share_of_bitcoin(market) // 10**6
        assert len([entry for entry in statement.entries if entry.what == "plain transfer"]) == 5

    def test_is_checked_at_both_ends(self, market, read, lane):
        statement = read(market.lender, start=market.lane.time - 10 * DAY)
        assert len(statement.checked) == 2
        assert statement.checked[1] == lane.block_number
        whole = read(market.lender)
        assert whole.checked == (lane.block_number,)

    @pytest.mark.parametrize("who", ["lender", "tenant", "operator"])
    def test_periods_add_up(self, market, read, who):
        """Each begins with what the one before has left, in shares and in money."""
        holder = getattr(market, who)
        whole, last = read(holder), market.lane.time + 1
        cuts = [last - days * DAY for days in (33, 26, 21, 16, 12, 7, 3, 0)]
        parts = [read(holder, *period) for period in itertools.pairwise(cuts)]
        for line in whole.lines:
            chain = [_line(part, line) for part in parts]
            chain = [each for each in chain if each is not None]
            assert (chain[0].opening, chain[-1].closing) == (0, line.closing)
            for before, after in itertools.pairwise(chain):
                assert before.closing == after.opening
                assert before.shares_after == after.shares_before
            assert sum(each.earned for each in chain) == line.earned
            assert sum(each.claimed for each in chain) == line.claimed
        entries = [entry for part in parts for entry in part.entries]
        assert entries == list(whole.entries)

    def test_every_line_adds_up(self, market, read):
        for holder in (market.lender, market.tenant, market.operator):
            for line in read(holder, start=market.lane.time - 12 * DAY).lines:
                assert line.opening + line.earned - line.claimed == line.closing

    def test_shares_come_and_go(self, market, read):
        statement = read(market.lender)
        moves = [
            (e.capacity, e.what, e.amount * 40 // SUPPLY) for e in statement.entries if e.is_move
        ]
        assert moves == [
            (1, "shares in", 5),
            (2, "shares in", 8),
            (1, "shares in", 5),
            (2, "shares out", -2),
        ]
        held = {line.capacity: (line.shares_before, line.shares_after) for line in statement.lines}
        assert held == {1: (0, SUPPLY // 4), 2: (0, SUPPLY * 3 // 20)}

    def test_the_first_holder_has_all_from_the_beginning(self, market, read):
        first = read(market.operator).entries[0]
        assert (first.what, first.amount, first.shares) == ("shares in", SUPPLY, SUPPLY)

    def test_of_a_stranger_is_empty(self, market, read, stranger):
        statement = read(stranger)
        assert (statement.lines, statement.entries) == ((), ())
        assert statement.csv() == ",".join(COLUMNS) + "\n"

    def test_before_the_chain_began_there_is_nothing(self, market, read, reader):
        statement = read(market.lender, start=1, end=reader.time(0))
        assert (statement.lines, statement.entries, statement.checked) == ((), (), ())

    def test_a_period_has_time_in_it(self, market, read):
        with pytest.raises(StatementError, match="has no time in it"):
            read(market.lender, start=market.lane.time, end=market.lane.time)


def _share_of_bitcoin(market: Any) -> int:
    """Millionths of all bitcoin that went to a fifth of capacity 2's shares, and after a sale to
    three twentieths: 4 of 5 gifts came before it."""
    legs = market.splitter(2).legs().bps
    return (BPS - legs) * 100 * (4 * 20 + 15) // (5 * 100)


def _line(statement: Statement, like: Any) -> Any:
    same = (like.splitter, like.coin)
    return next((each for each in statement.lines if (each.splitter, each.coin) == same), None)


class TestEverythingThatCounts:
    """Forfeited deposits, a lapse with its bounty, gifts, changed legs, a sold company."""

    @pytest.fixture
    def story(self, market, owner, operator, treasury):
        capacity = market.register("h100-n-virginia", operator)
        splitter = capacity.splitter
        rolling = market.capacity.addTerm(
            capacity.id, Term(1, 300, BPS, notice_epochs=1, deposit_epochs=3), sender=operator
        ).return_value
        for units in (1, 2):
            self.sign(market, capacity, rolling, units)
        market.usdc.mint(splitter, 777)
        splitter.changeLegs([(owner, 1_111, False)], sender=operator)
        splitter.transfer(treasury, SUPPLY // 7, sender=operator)
        return capacity

    def sign(self, market: Any, capacity: Any, term: int, units: int) -> None:
        start = market.lease.nextEpochToBegin(capacity.id)
        tenant = market.tenant
        request = LeaseRequest(
            capacity.id, tenant.address, term, units, start, start + 100, MAX_UINT256
        )
        market.usdc.mint(tenant, 10**6 * USD)
        market.stablecoin.approve(market.lease, MAX_UINT256, sender=tenant)
        market.lease.lease(request, sender=tenant)

    def test_is_counted_as_the_contracts_count_it(self, market, story, read, lane, treasury):
        capacity, tenant, splitter = story, market.tenant, story.splitter
        first, second = capacity.id * 10**9 + 1, capacity.id * 10**9 + 2
        lane.mine(at=capacity.origin + 3_600)
        market.lease.terminate(first, sender=tenant)
        market.settle_day(capacity, 9_300)
        market.lease.lapse(second, sender=market.owner)
        market.usdc.mint(splitter, 333)
        splitter.sync(market.stablecoin, sender=tenant)
        splitter.claim(treasury, sender=treasury)
        market.settle_day(capacity)
        for holder in (capacity.operator, treasury):
            statement = read(holder)
            assert statement.checked
            whats = {e.what for e in statement.entries if e.splitter == splitter.address}
            assert {"forfeited deposit", "plain transfer"} <= whats
            line = next(line for line in statement.lines if line.splitter == splitter.address)
            assert line.closing == splitter.claimable(holder)
        assert market.lease.netRevenueOf(capacity.id) == splitter.totals().received - 777 - 333


class TestCheck:
    """Were an event missed, or counted twice, it would not go unseen."""

    @pytest.mark.parametrize("kind", ["EpochSettled", "Synced", "DividendClaimed", "Transfer"])
    def test_finds_a_missing_event(self, market, reader, monkeypatch, kind):
        genuine = Reader.logs

        def logs(self: Reader, *arguments: Any) -> Any:
            found = genuine(self, *arguments)
            names = [log.event.name for log in found]
            # Not from the query that only asks whose shares they are.
            if kind in names and (kind != "Transfer" or len(set(names)) > 1):
                last = len(names) - 1 - names[::-1].index(kind)
                del found[last]
            return found

        monkeypatch.setattr(Reader, "logs", logs)
        period = reader.time(0), market.lane.time + 1
        holder = market.tenant if kind == "Transfer" else market.lender
        addresses = market.factory.address, market.lease.address
        with pytest.raises(StatementError, match=r"by its events .* by its state"):
            read_statement(reader, holder.address, *addresses, *period)

    def test_a_node_that_forgets_leaves_the_past_unchecked(self, market, lane):
        newest = hex(lane.block_number)

        def request(method: str, *params: Any) -> Any:
            if method in ("eth_call", "eth_getCode") and params[1] not in (newest, "latest"):
                raise NodeError("missing trie node")
            return lane.node.request(method, *params)

        reader = Reader(request, project_book())
        bounds = lane.time - 10 * DAY, lane.time + 1
        addresses = market.factory.address, market.lease.address
        statement = read_statement(reader, market.lender.address, *addresses, *bounds)
        assert statement.checked == (lane.block_number,)

    def test_a_node_that_fails_now_is_an_error(self, market, lane):
        def request(method: str, *params: Any) -> Any:
            if method == "eth_getCode":
                raise NodeError("gone")
            return lane.node.request(method, *params)

        reader = Reader(request, project_book())
        addresses = market.factory.address, market.lease.address
        with pytest.raises(NodeError, match="gone"):
            read_statement(reader, market.lender.address, *addresses, 1, lane.time + 1)


class TestReader:
    def test_reads_in_chunks_what_it_reads_at_once(self, market, reader, monkeypatch):
        query = [market.factory.address, market.lease.address], []
        whole = reader.logs(*query)
        monkeypatch.setattr("derrick.reader.CHUNK", 7)
        assert reader.logs(*query) == whole
        assert len(whole) > 50

    def test_begins_where_it_is_told(self, market, reader):
        query = [market.lease.address], []
        later = replace(reader, first_block=reader.logs(*query)[5].block)
        assert later.logs(*query) == [
            log for log in reader.logs(*query) if log.block >= later.first_block
        ]

    def test_finds_blocks_by_time(self, market, reader, lane):
        newest = lane.block_number
        for block in (1, newest // 2, newest):
            assert reader.last_before(reader.time(block) + 1) >= block
            assert reader.time(reader.last_before(reader.time(block))) < reader.time(block)
        assert reader.last_before(reader.time(0)) is None
        assert reader.last_before(2**40) == newest


class TestOutput:
    def test_csv_adds_up(self, market, read):
        statement = read(market.lender, start=market.lane.time - 12 * DAY)
        rows = list(csv.DictReader(io.StringIO(statement.csv())))
        assert tuple(rows[0]) == COLUMNS
        for line in statement.lines:
            mine = [
                row
                for row in rows
                if (row["splitter"], row["token"]) == (line.splitter, line.coin.address)
            ]
            amounts = {"opening": line.opening, "closing": line.closing}
            for what, amount in amounts.items():
                assert [int(r["base_units"]) for r in mine if r["what"] == what] == [amount]
            balance = line.opening
            for row in mine[1:-1]:
                sign = -1 if row["what"] == "claimed" else 1
                balance += sign * int(row["base_units"])
                assert balance == int(row["claimable_base_units"])
            assert balance == line.closing
            scaled = float(mine[0]["amount"]) * 10**line.coin.decimals
            assert scaled == pytest.approx(line.opening)

    def test_the_table_leaves_no_digit_out(self, market, read, capsys):
        """However narrow the terminal is."""
        statement = read(market.lender, start=market.lane.time - 12 * DAY)
        _print(statement)
        printed = capsys.readouterr().out
        for line in [*statement.lines, *map(statement.sum_of, statement.coins())]:
            for amount in (line.opening, line.earned, line.claimed, line.closing):
                assert line.coin.words(amount) in printed
        first, last = statement.checked
        assert f"agrees with the contracts' state at block {first} and block {last}" in printed

    def test_the_command_says_what_is_wrong(self):
        runner = CliRunner()
        for arguments, words in (
            (["--holder", "0x12"], "'0x12' is no address"),
            (["--record", __file__], "whose statement? name the --holder"),
            (["--record", "nowhere.json"], "does not exist"),
            (["--from", "yesterday"], "'yesterday' does not match the formats"),
        ):
            result = runner.invoke(cli, arguments)
            assert result.exit_code == 2
            assert words in result.output

    def test_a_picture_is_drawn_the_same_twice(self, market, read, tmp_path):
        statement = read(market.lender)
        paths = [tmp_path / name for name in ("one.png", "two.png")]
        for path in paths:
            draw(statement, path)
        one, two = (path.read_bytes() for path in paths)
        assert one.startswith(b"\x89PNG")
        assert one == two
        draw(read(market.lender, start=market.lane.time - 5 * DAY), paths[1])
        assert paths[1].read_bytes() != one

    def test_a_picture_of_nothing_is_one_too(self, market, read, stranger, tmp_path):
        draw(read(stranger), tmp_path / "nothing.png")
        assert (tmp_path / "nothing.png").read_bytes().startswith(b"\x89PNG")
