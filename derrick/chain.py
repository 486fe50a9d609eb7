"""A thin JSON-RPC lane to the node that ape started.

Ape takes 20 to 200 ms for what a property test does a thousand times. This lane takes 1 to 2 ms:
one kept-alive connection, the node's own unlocked senders, no gas estimate, reads in batches.
Nothing is guessed: a transaction's receipt is always read, and one that failed raises its `Revert`.

    lane = Lane.of_ape()
    vault = lane.contract(ape_contract)             # or lane.contract((abi, address))
    vault.send("deposit", 10**6, lender, sender=lender)
    vault.read("balanceOf", lender)
    assets, shares = lane.batch([vault.call("totalAssets"), vault.call("totalSupply")])
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any
from urllib.parse import urlsplit

from derrick.abi import Abi, AbiBook, Event, Function, Revert, checksum

GAS_LIMIT = 30_000_000
"""Gas of every transaction: the block's limit, so that nothing has to be estimated."""

POOL_DELAY = 0.005
"""Seconds that the node's pool needs to forget what has been mined."""


class NodeError(Exception):
    """The node refused a request, or cannot be reached. One line that says which and why."""

    def __init__(self, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.data = data


class _Connection(http.client.HTTPConnection):
    """One that sends small requests at once, instead of waiting 40 ms for more."""

    def connect(self) -> None:
        super().connect()
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Node:
    """One kept-alive HTTP connection to a JSON-RPC node. Not for use by several threads."""

    def __init__(self, url: str, timeout: float = 60.0) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname is None:
            raise NodeError(f"the node's address must be http://host:port, not {url}")
        self.url = url
        self._connection = _Connection(parts.hostname, parts.port, timeout=timeout)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def _post(self, payload: Any) -> Any:
        connection = self._connection
        try:
            connection.request(
                "POST", "/", json.dumps(payload), {"Content-Type": "application/json"}
            )
            return json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise NodeError(f"no answer from the node at {self.url}: {error}") from error

    def request(self, method: str, *params: Any) -> Any:
        """The result of one request. Raises NodeError when the node answers with an error."""
        answer = self._post({"jsonrpc": "2.0", "id": 0, "method": method, "params": params})
        if "error" in answer:
            raise _node_error(method, answer["error"])
        return answer["result"]

    def batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Results in the order of the requests; a failed one is its NodeError, not raised.

        The node may work on them in any order: for reads only.
        """
        if not requests:
            return []
        answers = self._post(
            [
                {"jsonrpc": "2.0", "id": index, "method": method, "params": params}
                for index, (method, params) in enumerate(requests)
            ]
        )
        results: list[Any] = [NodeError("the node left this request unanswered")] * len(requests)
        for answer in answers:
            index = answer["id"]
            failed = "error" in answer
            results[index] = (
                _node_error(requests[index][0], answer["error"]) if failed else answer["result"]
            )
        return results


def _node_error(method: str, error: Mapping[str, Any]) -> NodeError:
    data = error.get("data")
    message = f"{method}: {error.get('message', error)}"
    return NodeError(message, data if isinstance(data, str) and data.startswith("0x") else None)


@dataclass(frozen=True)
class Receipt:
    """A transaction that succeeded."""

    raw: Mapping[str, Any]
    book: AbiBook

    @property
    def block_number(self) -> int:
        return int(self.raw["blockNumber"], 16)

    @property
    def gas_used(self) -> int:
        return int(self.raw["gasUsed"], 16)

    @property
    def transaction_hash(self) -> str:
        return str(self.raw["transactionHash"])

    @cached_property
    def events(self) -> list[Event]:
        """Every event, in order, from whichever contract it came."""
        return [self.book.event(log) for log in self.raw["logs"]]

    def named(self, name: str) -> list[Event]:
        """The events of this name."""
        return [event for event in self.events if event.name == name]

    def event(self, name: str) -> Any:
        """The inputs of the one event of this name. Raises LookupError for none or several."""
        found = self.named(name)
        if len(found) != 1:
            names = [event.name for event in self.events]
            raise LookupError(f"{len(found)} events {name} among {names}")
        return found[0].args


@dataclass(frozen=True)
class Call:
    """A read that is ready to be sent, alone or in a batch."""

    contract: Contract
    function: Function
    arguments: tuple[Any, ...]
    sender: str | None = None
    value: int = 0

    @property
    def message(self) -> dict[str, str]:
        """The call or transaction as the node wants it."""
        message = {
            "to": self.contract.address,
            "data": self.function.calldata(self.arguments),
            "gas": hex(GAS_LIMIT),
            "gasPrice": "0x0",
        }
        if self.sender is not None:
            message["from"] = self.sender
        if self.value:
            message["value"] = hex(self.value)
        return message

    def __str__(self) -> str:
        shown = ", ".join(repr(item) for item in self.arguments)
        sender = f" from {self.sender}" if self.sender else ""
        return f"{self.contract.name}.{self.function.name}({shown}){sender}"


class Contract:
    """A contract at an address, bound to a lane."""

    def __init__(self, lane: Lane, abi: Abi, address: str, name: str = "") -> None:
        self.lane = lane
        self.abi = abi
        self.address = address
        self.name = name or address

    def call(self, function: str, *arguments: Any, sender: Any = None, value: int = 0) -> Call:
        """A read for `lane.batch`; nothing is sent yet."""
        found = self.abi.function(function, len(arguments))
        return Call(self, found, arguments, _address(sender), value)

    def read(self, function: str, *arguments: Any, sender: Any = None, value: int = 0) -> Any:
        """Call without a transaction. Also what a transaction would return, if given its sender."""
        return self.lane.batch([self.call(function, *arguments, sender=sender, value=value)])[0]

    def send(
        self, function: str, *arguments: Any, sender: Any, value: int = 0, at: int | None = None
    ) -> Receipt:
        """Send a transaction and wait for its receipt. Raises Revert when it fails.

        value is in wei; at, a timestamp in seconds, is the time of its block.
        """
        outcome = self.try_send(function, *arguments, sender=sender, value=value, at=at)
        if isinstance(outcome, Revert):
            raise outcome
        return outcome

    def try_send(
        self, function: str, *arguments: Any, sender: Any, value: int = 0, at: int | None = None
    ) -> Receipt | Revert:
        """Like `send`, but a failed transaction's Revert is returned."""
        call = self.call(function, *arguments, sender=sender, value=value)
        return self.lane.transact(call, at=at)

    def __repr__(self) -> str:
        return f"<{self.name} at {self.address}>"


class Lane:
    """Transactions, reads and time on a development node (anvil)."""

    def __init__(self, node: Node, book: AbiBook | None = None) -> None:
        self.node = node
        self.book = AbiBook() if book is None else book
        node.request("anvil_autoImpersonateAccount", True)

    @classmethod
    def of_ape(cls) -> Lane:
        """A lane to the node ape is connected to, knowing the project's errors and events."""
        import ape  # noqa: PLC0415 - slow, and only this needs it

        return cls(Node(ape.networks.provider.http_uri), project_book())

    def contract(self, target: Any, name: str = "") -> Contract:
        """Bind an ape contract instance, or a pair (JSON ABI, address)."""
        if isinstance(target, tuple):
            items, address = target
            abi = Abi(items)
        else:
            abi, address = abi_of(target.contract_type), target.address
            name = name or target.contract_type.name or ""
        self.book.add(abi)
        return Contract(self, abi, checksum(_address(address)), name)

    def batch(self, calls: Iterable[Call]) -> list[Any]:
        """The results of many reads of one state, in one request. Raises the first Revert."""
        results = self.try_batch(calls)
        for result in results:
            if isinstance(result, Revert):
                raise result
        return results

    def try_batch(self, calls: Iterable[Call]) -> list[Any]:
        """Like `batch`, but a failed read's Revert stands in the place of its result."""
        calls = list(calls)
        answers = self.node.batch([("eth_call", (call.message, "latest")) for call in calls])
        return [self._result(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _result(self, call: Call, answer: str | NodeError) -> Any:
        if isinstance(answer, NodeError):
            return self._revert_of(answer).at(str(call))
        data = bytes.fromhex(answer[2:])
        if not data and call.function.outputs.parameters:
            raise NodeError(f"{call}: no contract at {call.contract.address}")
        return call.function.result(data)

    def _revert_of(self, error: NodeError) -> Revert:
        """The revert in a node's error. Raises the error itself when it is another one."""
        if error.data is not None:
            return self.book.revert(bytes.fromhex(error.data[2:]))
        if "EVM error" in str(error):
            return self.book.revert(b"", halt=str(error).rpartition("EVM error ")[2])
        if "revert" in str(error):
            return self.book.revert(b"")
        raise error

    def transact(self, call: Call, at: int | None = None) -> Receipt | Revert:
        """Send `call` as a transaction, in a block of its own, at the time `at` if given."""
        if at is not None:
            self.set_next_time(at)
        raw = self._receipt_of(call)
        if raw["status"] == "0x1":
            return Receipt(raw, self.book)
        trace = self.node.request(
            "debug_traceTransaction",
            raw["transactionHash"],
            {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}},
        )
        reason = str(trace.get("error", ""))
        halt = "" if "revert" in reason.lower() else reason
        revert = self.book.revert(bytes.fromhex(trace.get("output", "0x")[2:]), halt)
        return revert.at(str(call))

    def _receipt_of(self, call: Call) -> Any:
        """Sends a call and waits for its receipt.

        On a busy machine the node may miss its own news of a transaction, and either leave it
        unmined or not tell of it. Then it is mined now, in a block of its own as always, or its
        receipt stands in the latest block already.
        """
        try:
            return self.node.request("eth_sendTransactionSync", call.message)
        except NodeError as error:
            if "confirmation timeout" not in str(error):
                raise
            if int(self.node.request("txpool_status")["pending"], 16):
                self.node.request("evm_mine")
            receipts = self.node.request("eth_getBlockReceipts", "latest")
            sender = call.message["from"].lower()
            if len(receipts) != 1 or receipts[0]["from"].lower() != sender:
                raise
            return receipts[0]

    @property
    def time(self) -> int:
        """Timestamp of the latest block, in seconds: the time that reads see."""
        return int(self.node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    @property
    def block_number(self) -> int:
        return int(self.node.request("eth_blockNumber"), 16)

    def set_next_time(self, timestamp: int) -> None:
        """Let the next block have this timestamp. Raises NodeError when it lies in the past."""
        self.node.request("evm_setNextBlockTimestamp", timestamp)

    def mine(self, at: int | None = None) -> None:
        """Mine an empty block, at the timestamp `at` if given; reads then see that time."""
        if at is not None:
            self.set_next_time(at)
        self.node.request("evm_mine")

    def step_time(self, seconds: int) -> None:
        """Let every block be this many seconds after the one before, whatever the clock says."""
        self.node.request("anvil_setBlockTimestampInterval", seconds)

    def balance(self, account: Any) -> int:
        """Native balance in wei."""
        return int(self.node.request("eth_getBalance", _address(account), "latest"), 16)

    def set_balance(self, account: Any, wei: int) -> None:
        self.node.request("anvil_setBalance", _address(account), hex(wei))

    def snapshot(self) -> str:
        """A mark to `revert` to, once."""
        return str(self.node.request("evm_snapshot"))

    def revert(self, mark: str) -> None:
        """Undo everything since the mark. Raises NodeError when the mark was used up."""
        # The node's pool forgets a mined transaction a moment after its receipt. The next one has
        # the same nonce once that is undone, and would be forgotten with it.
        time.sleep(POOL_DELAY)
        if self.node.request("evm_revert", mark) is not True:
            raise NodeError(f"the node has no snapshot {mark}")
        # The pool may still hold the last transaction, which could now be mined a second time, and
        # keep the next one waiting.
        self.node.request("anvil_dropAllTransactions")


def _address(account: Any) -> Any:
    """The address of an ape account, an ape contract, a bound contract, or of itself."""
    return getattr(account, "address", account)


@lru_cache(maxsize=512)
def _abi(text: str) -> Abi:
    return Abi(json.loads(text))


def abi_of(contract_type: Any) -> Abi:
    """The ABI in an ape contract type."""
    return _abi(contract_type.model_dump_json(include={"abi"}, by_alias=True)[7:-1])


@lru_cache(maxsize=1)
def project_book() -> AbiBook:
    """Errors and events of all contracts of this project."""
    import ape  # noqa: PLC0415 - slow, and only this needs it

    book = AbiBook()
    for container in ape.project.load_contracts().values():
        book.add(abi_of(container.contract_type))
    return book
