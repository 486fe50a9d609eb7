"""What a receipt says of the epochs that it settled, by either lane."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from derrick.chain import Receipt
from derrick.settlement import SettledEpoch, settled_epochs


def settled(receipt: Any) -> SettledEpoch:
    """The one epoch that it settled."""
    [epoch] = all_settled(receipt)
    return epoch


def all_settled(receipt: Any) -> list[SettledEpoch]:
    """The epochs that it settled, in their order."""
    if isinstance(receipt, Receipt):
        return settled_epochs(receipt.events)
    logs = [(log.event_name, log.event_arguments) for log in receipt.events]
    return settled_epochs(SimpleNamespace(name=n, args=SimpleNamespace(**a)) for n, a in logs)
