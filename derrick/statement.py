"""What a holder of shares earned and claimed over any period, from the contracts' events alone.

    reader = Reader(lane.node.request, project_book())
    statement = read_statement(reader, holder, factory, lease, start, end)
    statement.lines[0].earned

Everything is replayed in integers, as the splitter counts it: revenue by settlement and by what was
found, legs, shares and claims. What comes out at the period's two ends must be what the splitters
themselves say there, to the base unit; else `StatementError`.

Shares that lie in a vault, in a pool or in a wrapper are theirs, not their owner's: a statement can
be had for each of these addresses.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from derrick.abi import checksum
from derrick.chain import NodeError
from derrick.dividends import (
    CLAIMED,
    LEASE_EVENTS,
    SHARES,
    SHARES_IN,
    SHARES_OUT,
    SPLITTER_EVENTS,
    Book,
    Change,
)
from derrick.reader import Log, Reader, topic, topic_of
from derrick.structs import LEASES_PER_CAPACITY
from derrick.units import format_amount

SHARE_DECIMALS = 18
CREATED = "SplitterCreated(address,uint256,address,address,address,uint256,(address,uint16,bool)[])"
COLUMNS = (
    "time",
    "block",
    "transaction",
    "capacity",
    "splitter",
    "what",
    "token",
    "symbol",
    "amount",
    "base_units",
    "shares_held",
    "claimable_base_units",
)


class StatementError(Exception):
    """The events and the state of a splitter do not agree, or the period is none."""


@dataclass(frozen=True)
class Coin:
    """A token as people write it."""

    address: str
    symbol: str
    decimals: int

    def words(self, amount: int) -> str:
        return format_amount(amount, self.decimals)

    def plain(self, amount: int) -> str:
        """As machines read it: no groups of digits."""
        return self.words(amount).replace(",", "")


@dataclass(frozen=True)
class Entry:
    """Something that happened to the holder. Amounts in base units; shares come and go signed."""

    time: int
    block: int
    transaction: str
    capacity: int
    splitter: str
    what: str
    coin: Coin
    amount: int
    shares: int
    """Held afterwards."""

    claimable: int
    """Afterwards, in this token; of a move of shares 0."""

    @property
    def is_earning(self) -> bool:
        return not self.is_move and self.what != CLAIMED

    @property
    def is_move(self) -> bool:
        return self.what in (SHARES_IN, SHARES_OUT)


@dataclass(frozen=True)
class Line:
    """One splitter and one of its tokens over the period, base units."""

    capacity: int
    splitter: str
    coin: Coin
    supply: int
    shares_before: int
    shares_after: int
    opening: int
    earned: int
    claimed: int
    closing: int


@dataclass(frozen=True)
class Statement:
    """A holder's statement over [start, end), Unix times."""

    holder: str
    start: int
    end: int
    lines: tuple[Line, ...]
    entries: tuple[Entry, ...]
    checked: tuple[int, ...] = field(default=())
    """Blocks whose state agrees with it."""

    def coins(self) -> list[Coin]:
        return list(dict.fromkeys(line.coin for line in self.lines))

    def sum_of(self, coin: Coin) -> Line:
        """All lines of one token together."""
        lines = [line for line in self.lines if line.coin == coin]
        sums = (
            sum(getattr(line, name) for line in lines)
            for name in ("opening", "earned", "claimed", "closing")
        )
        return Line(0, "", coin, 0, 0, 0, *sums)

    def csv(self) -> str:
        """Every entry, between what was claimable before and what is after it: for each splitter
        and token opening + earned − claimed = closing."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for line in self.lines:
            writer.writerow(self._edge(line, self.start, "opening", line.opening))
        for entry in self.entries:
            claimable = "" if entry.is_move else entry.claimable
            writer.writerow(
                [
                    *(iso(entry.time), entry.block, entry.transaction, entry.capacity),
                    *(entry.splitter, entry.what, entry.coin.address, entry.coin.symbol),
                    *(entry.coin.plain(entry.amount), entry.amount, entry.shares, claimable),
                ]
            )
        for line in self.lines:
            writer.writerow(self._edge(line, self.end, "closing", line.closing))
        return text.getvalue()

    @staticmethod
    def _edge(line: Line, time: int, what: str, amount: int) -> list[Any]:
        shares = line.shares_before if what == "opening" else line.shares_after
        return [
            *(iso(time), "", "", line.capacity, line.splitter, what),
            *(line.coin.address, line.coin.symbol, line.coin.plain(amount), amount),
            *(shares, amount),
        ]


def iso(time: int) -> str:
    """A Unix time in UTC: 2026-11-24 18:46:00."""
    return datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")


def read_statement(
    reader: Reader,
    holder: str,
    factory: str,
    lease: str,
    start: int,
    end: int,
    progress: Callable[[str], None] = lambda _words: None,
) -> Statement:
    """The statement of a holder over [start, end), checked against the splitters' own views."""
    if start >= end:
        raise StatementError(f"a period from {iso(start)} to {iso(end)} has no time in it")
    holder, last = checksum(holder), reader.last_before(end)
    if last is None:
        return Statement(holder, start, end, (), ())
    first = reader.last_before(start)
    progress("splitters")
    books = _books(reader, holder, factory, last)
    progress("events")
    history = _History(reader, books, start)
    for log in _logs(reader, books, lease, last):
        history.take(log)
    lines, entries = history.close()
    statement = Statement(holder, start, end, lines, entries)
    progress("state")
    return _checked(reader, statement, first, last)


def _books(reader: Reader, holder: str, factory: str, last: int) -> dict[str, Book]:
    """The splitters whose shares the holder ever had, as they began."""
    created = [log.event.args for log in reader.logs([factory], [topic(CREATED)], last)]
    splitters = [args.splitter for args in created]
    if not splitters:
        return {}
    transfer, word = topic("Transfer(address,address,uint256)"), topic_of(holder)
    mine = {log.event.address for log in reader.logs(splitters, [transfer, None, word], last)} | {
        args.splitter for args in created if args.holder == holder
    }
    return {args.splitter: Book.of(args, holder) for args in created if args.splitter in mine}


def _logs(reader: Reader, books: dict[str, Book], lease: str, last: int) -> list[Log]:
    """All that the books are made of, in order."""
    if not books:
        return []
    splitters = reader.logs(list(books), [list(map(topic, SPLITTER_EVENTS))], last)
    engine = reader.logs([lease], [list(map(topic, LEASE_EVENTS))], last)
    return sorted([*splitters, *engine], key=lambda log: (log.block, log.index))


class _History:
    """Replays events and keeps what happened from `start` on."""

    def __init__(self, reader: Reader, books: dict[str, Book], start: int) -> None:
        self.reader = reader
        self.start = start
        self.books = books
        self.by_capacity = {book.capacity: book for book in books.values()}
        self.coins: dict[str, Coin] = {}
        self.times: dict[int, int] = {}
        self.entries: list[Entry] = []
        self.begun = False
        self.before: dict[tuple[str, int], tuple[int, int]] = {}

    def take(self, log: Log) -> None:
        book = self._book(log)
        if book is None:
            return
        time = self._time(log.block)
        if not self.begun and time >= self.start:
            self._begin()
        meant = book.apply(log.event)
        if meant is not None and time >= self.start:
            self.entries.append(self._entry(log, time, book, meant))

    def _book(self, log: Log) -> Book | None:
        name, args = log.event.name, log.event.args
        if name == "EpochSettled":
            return self.by_capacity.get(args.capacity)
        if name == "LeaseEnded":
            return self.by_capacity.get(args.lease // LEASES_PER_CAPACITY)
        return self.books.get(log.event.address)

    def _begin(self) -> None:
        """The period starts: what is claimable, and what shares are held."""
        self.begun = True
        self.before = {
            (book.splitter, place): (book.claimable(place), book.held)
            for book in self.books.values()
            for place in range(len(book.pots))
        }

    def _entry(self, log: Log, time: int, book: Book, change: Change) -> Entry:
        moved = change.place == SHARES
        coin = self._shares(book) if moved else self._coin(book.pots[change.place].token)
        return Entry(
            time=time,
            block=log.block,
            transaction=log.transaction,
            capacity=book.capacity,
            splitter=book.splitter,
            what=change.what,
            coin=coin,
            amount=change.amount,
            shares=book.held,
            claimable=0 if moved else book.claimable(change.place),
        )

    def close(self) -> tuple[tuple[Line, ...], tuple[Entry, ...]]:
        if not self.begun:
            self._begin()
        lines = tuple(self._lines())
        return lines, tuple(self.entries)

    def _lines(self) -> Iterator[Line]:
        for book in sorted(self.books.values(), key=lambda book: book.capacity):
            first_shares = self.before[book.splitter, 0][1]
            for place, pot in enumerate(book.pots):
                opening, _ = self.before.get((book.splitter, place), (0, 0))
                coin = self._coin(pot.token)
                mine = [e for e in self.entries if (e.splitter, e.coin) == (book.splitter, coin)]
                yield Line(
                    capacity=book.capacity,
                    splitter=book.splitter,
                    coin=coin,
                    supply=book.supply,
                    shares_before=first_shares,
                    shares_after=book.held,
                    opening=opening,
                    earned=sum(entry.amount for entry in mine if entry.is_earning),
                    claimed=sum(entry.amount for entry in mine if entry.what == CLAIMED),
                    closing=book.claimable(place),
                )

    def _time(self, block: int) -> int:
        if block not in self.times:
            self.times[block] = self.reader.time(block)
        return self.times[block]

    def _coin(self, token: str) -> Coin:
        if token not in self.coins:
            symbol = self.reader.call(token, "symbol() string")
            decimals = self.reader.call(token, "decimals() uint8")
            self.coins[token] = Coin(token, symbol, decimals)
        return self.coins[token]

    @staticmethod
    def _shares(book: Book) -> Coin:
        return Coin(book.splitter, f"dCAP-{book.capacity}", SHARE_DECIMALS)


def _checked(reader: Reader, statement: Statement, first: int | None, last: int) -> Statement:
    """The same, once it agrees with what the splitters say at its two ends.

    A node may have forgotten the state of old blocks: then that end stays unchecked.
    """
    checked = []
    newest = reader.newest()
    for block, name in ((first, "opening"), (last, "closing")):
        if block is None:
            continue
        try:
            for line in statement.lines:
                _compare(reader, statement.holder, line, block, name)
        except NodeError:
            if block == newest:
                raise
        else:
            checked.append(block)
    return replace(statement, checked=tuple(checked))


def _compare(reader: Reader, holder: str, line: Line, block: int, name: str) -> None:
    """What the splitter says at a block; before it is made there is nobody to ask."""
    if reader.request("eth_getCode", line.splitter, hex(block)) == "0x":
        return
    tokens = reader.call(line.splitter, "tokens() address[]", block=block)
    claimable = 0
    if line.coin.address in tokens:
        view = "claimableOf(address,address) uint256"
        claimable = reader.call(line.splitter, view, line.coin.address, holder, block=block)
    shares = reader.call(line.splitter, "balanceOf(address) uint256", holder, block=block)
    opening = name == "opening"
    wanted = (
        line.opening if opening else line.closing,
        line.shares_before if opening else line.shares_after,
    )
    if (claimable, shares) != wanted:
        raise StatementError(
            f"capacity {line.capacity} at block {block}: by its events {wanted[0]} base units of"
            f" {line.coin.symbol} can be claimed on {wanted[1]} shares, by its state {claimable}"
            f" on {shares}"
        )
