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
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import click

from derrick.chain import Lane, Node, NodeError

CHOICE = "ethereum:local:foundry"
"""Ape's name for the local node."""

HOST_VARIABLE = "APE_FOUNDRY_HOST"
"""Where ape is told to use a node at a given address; without it, it starts one on a free port."""


HARDFORK = "shanghai"
"""What the contracts are compiled for."""

MNEMONIC = "test test test test test test test test test test test junk"
"""Of ape's test accounts, which the node must fund."""


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
def plain_node() -> Iterator[None]:
    """Let ape use a node that keeps no steps of its transactions.

    The one that ape starts keeps them all, a megabyte for each lease: too much for thousands.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["anvil", "--silent", "--port", str(port), "--accounts", "20", "--hardfork", HARDFORK]
    command += ["--block-base-fee-per-gas", "0", "--mnemonic", MNEMONIC]
    try:
        node = subprocess.Popen(command)
    except OSError as error:
        raise click.ClickException(f"cannot start anvil: {error}; `source env.sh`") from error
    url = f"http://127.0.0.1:{port}"
    os.environ[HOST_VARIABLE] = url
    try:
        _wait_for(url)
        yield
    finally:
        del os.environ[HOST_VARIABLE]
        node.terminate()
        node.wait()


def _wait_for(url: str, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not _is_open(url):
        if time.monotonic() > end:
            raise click.ClickException(f"anvil did not start at {url} in {seconds:.0f} s")
        time.sleep(0.05)


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
