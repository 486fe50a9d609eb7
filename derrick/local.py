"""The local node: what must hold before ape starts it, and a way for scripts to run on it.

with local_chain() as lane:
    owner = ape.accounts.test_accounts[0]
    ...
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click

from derrick.chain import Lane, Node, NodeError

CHOICE = "ethereum:local:foundry"
"""Ape's name for the local node."""

HOST_VARIABLE = "APE_FOUNDRY_HOST"
"""Where ape is told to use a node at a given address; without it, it starts one on a free port."""


def check_node() -> None:
    """Raise NodeError, one line that says what to do, where ape could not reach or start a node."""
    host = os.environ.get(HOST_VARIABLE)
    if host and _is_open(host):
        try:
            version = Node(host, timeout=3.0).request("web3_clientVersion")
        except NodeError:
            version = "something else"
        if "anvil" not in str(version).lower():
            raise NodeError(
                f"the port of {host} is taken by {version}, not anvil;"
                f" stop that, or unset {HOST_VARIABLE} to let a node start on a free port"
            )
    elif shutil.which("anvil") is None:
        raise NodeError("no anvil (the local node) on the PATH; `make setup`, then `source env.sh`")


def _is_open(url: str) -> bool:
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname or url, parts.port or 80), timeout=3.0):
            return True
    except OSError:
        return False


@contextmanager
def local_chain() -> Iterator[Lane]:
    """A lane to a fresh local node that ends with the block; ape is connected to it too.

    Ape keeps quiet about single transactions, and its reverts are decoded. A command ends with one
    line when there can be no node.
    """
    import ape  # noqa: PLC0415 - slow, and only this needs it

    from derrick.ape_patch import mend_ape  # noqa: PLC0415

    try:
        check_node()
    except NodeError as error:
        raise click.ClickException(str(error)) from error
    mend_ape()
    with quiet(), ape.networks.parse_network_choice(CHOICE, disconnect_after=True):
        lane = Lane.of_ape()
        try:
            yield lane
        finally:
            lane.node.close()


@contextmanager
def quiet() -> Iterator[None]:
    """Keep ape from logging anything but errors."""
    ape_log = logging.getLogger("ape")
    level = ape_log.level
    ape_log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        ape_log.setLevel(level)
