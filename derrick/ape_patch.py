"""Ape's revert decoding, mended for anvil.

ape 0.8 drops the `data` of a node's error, so that errors of calls arrive undecoded, and does not
take anvil's panics for reverts at all. It also asks for a trace of every failed transaction, which
takes longer than the test around it. Here the data is kept and read instead. Check this again at
every upgrade of ape: tests/unit/test_harness.py does.
"""

from __future__ import annotations

from typing import Any

from ape.exceptions import ContractLogicError
from ape_foundry.provider import FoundryProvider

from derrick.chain import project_book

_make_request = FoundryProvider._make_request
_get_virtual_machine_error = FoundryProvider.get_virtual_machine_error


def mend_ape() -> None:
    """Give every revert that ape raises its decoded data, as the attribute `revert`."""
    provider: Any = FoundryProvider
    provider._make_request = _request_keeping_data
    provider.get_virtual_machine_error = _decoded_error


class _CallRevertedError(Exception):
    """An `eth_call` that reverted, with the data that ape would drop."""

    def __init__(self, message: str, data: str) -> None:
        super().__init__(message)
        self.data = data


def _request_keeping_data(provider: Any, rpc: str, parameters: Any = None) -> Any:
    if rpc == "eth_call":
        response = provider.web3.provider.make_request(rpc, list(parameters or []))
        error = response.get("error")
        if error is None:
            return response["result"]
        if isinstance(error.get("data"), str):
            raise _CallRevertedError(error["message"], error["data"])
    return _make_request(provider, rpc, parameters)


def _decoded_error(provider: Any, exception: Exception, **context: Any) -> Any:
    data = getattr(exception, "data", None)
    if not isinstance(data, str) or not data.startswith("0x"):
        return _get_virtual_machine_error(provider, exception, **context)
    revert = project_book().revert(bytes.fromhex(data[2:]))
    transaction = context.get("txn")
    # Ape's own classes of custom errors and panics, where the called contract declares them. The
    # transaction is added afterwards, else they would ask for its trace.
    message = {"reason": revert.name, "empty": str(revert)}.get(revert.kind, data)
    plain = ContractLogicError(
        revert_message=message,
        contract_address=context.get("contract_address") or getattr(transaction, "receiver", None),
        base_err=exception,
        set_ape_traceback=False,
    )
    error: Any = provider.compiler_manager.enrich_error(plain)
    if error is plain and message == data:
        error.message = str(revert)
        error.args = (str(revert),)
    error.txn = transaction
    error.revert = revert
    return error
