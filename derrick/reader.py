"""Events and views of any node, in whatever way it is reached.

    reader = Reader(lane.node.request, project_book())
    reader.logs([splitter], [topic("Synced(address,uint256)")])
    reader.call(token, "balanceOf(address) uint256", holder, block=1_234)

Only reads: `derrick.chain` is the lane for development nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from eth_utils.crypto import keccak

from derrick.abi import Abi, AbiBook, Event, Function

CHUNK = 10_000
"""Blocks asked for at once: nodes limit it."""


@dataclass(frozen=True)
class Log:
    """One event, with where on the chain it stands."""

    block: int
    index: int
    transaction: str
    event: Event


@dataclass(frozen=True)
class Reader:
    """Events and views of any node. `request` makes a JSON-RPC request: method, parameters."""

    request: Callable[..., Any]
    book: AbiBook
    first_block: int = 0
    """Where the market begins; nothing before is looked at."""

    def newest(self) -> int:
        return int(self.request("eth_blockNumber"), 16)

    def logs(
        self, addresses: Sequence[str], topics: Sequence[Any], last: int | None = None
    ) -> list[Log]:
        """Logs up to a block, in order."""
        found = []
        last = self.newest() if last is None else last
        for start in range(self.first_block, last + 1, CHUNK):
            query = {
                "fromBlock": hex(start),
                "toBlock": hex(min(start + CHUNK - 1, last)),
                "address": list(addresses),
                "topics": list(topics),
            }
            for raw in self.request("eth_getLogs", query):
                block, index = int(raw["blockNumber"], 16), int(raw["logIndex"], 16)
                event = self.book.event(raw)
                found.append(Log(block, index, str(raw["transactionHash"]), event))
        return sorted(found, key=lambda log: (log.block, log.index))

    def call(self, address: str, signature: str, *arguments: Any, block: int | None = None) -> Any:
        """A view at a block: `call(token, "balanceOf(address) uint256", holder)`."""
        function = _function(signature)
        message = {"to": address, "data": function.calldata(arguments)}
        tag = "latest" if block is None else hex(block)
        return function.result(bytes.fromhex(self.request("eth_call", message, tag)[2:]))

    def time(self, block: int) -> int:
        """Unix time of a block."""
        return int(self.request("eth_getBlockByNumber", hex(block), False)["timestamp"], 16)

    def last_before(self, moment: int) -> int | None:
        """The last block before a moment, or None where there is none."""
        low, high = self.first_block, self.newest()
        if self.time(low) >= moment:
            return None
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.time(middle) < moment else (low, middle - 1)
        return low


@lru_cache(maxsize=32)
def _function(signature: str) -> Function:
    name, _, rest = signature.partition("(")
    inputs, _, output = rest.partition(")")
    items = [{"name": "", "type": kind} for kind in inputs.split(",") if kind]
    abi = {"type": "function", "name": name, "inputs": items}
    outputs = [{"name": "", "type": output.strip()}]
    return next(iter(Abi([abi | {"outputs": outputs}]).functions.values()))


def topic(signature: str) -> str:
    """What an event of this signature has first."""
    return "0x" + keccak(text=signature).hex()


def topic_of(account: str) -> str:
    """An address as an indexed input stands in a log."""
    return "0x" + account[2:].lower().rjust(64, "0")
