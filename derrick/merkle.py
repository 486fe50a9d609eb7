"""Merkle trees as OpenZeppelin's merkle-tree package builds them: sorted leaves, sorted pairs.

A complete binary tree of 2n - 1 nodes in one list, the root first: node i has the children 2i + 1
and 2i + 2, and the leaves fill the end of the list backwards. A pair is hashed in sorted order, so
a proof is a plain list of siblings without left or right.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from eth_utils.crypto import keccak

WORD = 32


def hash_pair(one: bytes, other: bytes) -> bytes:
    """The parent of two nodes, whichever way round they are given."""
    return keccak(min(one, other) + max(one, other))


def root_of_proof(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """Where a leaf and its siblings, bottom up, lead."""
    node = leaf
    for sibling in proof:
        node = hash_pair(node, sibling)
    return node


class MerkleTree:
    """The tree over some leaves. Takes them in any order and as they are: hash them before."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        self.leaves: tuple[bytes, ...] = tuple(sorted(leaves))
        if not self.leaves:
            raise ValueError("a tree needs at least one leaf")
        if any(len(leaf) != WORD for leaf in self.leaves):
            raise ValueError(f"a leaf is a hash of {WORD} bytes")
        inner = len(self.leaves) - 1
        nodes = [b""] * inner + list(reversed(self.leaves))
        for index in reversed(range(inner)):
            nodes[index] = hash_pair(nodes[2 * index + 1], nodes[2 * index + 2])
        self.nodes: Sequence[bytes] = tuple(nodes)

    @property
    def root(self) -> bytes:
        """What attestors sign."""
        return self.nodes[0]

    def index_of(self, leaf: bytes) -> int:
        """Where in `nodes` a leaf stands."""
        rank = bisect_left(self.leaves, leaf)
        if rank == len(self.leaves) or self.leaves[rank] != leaf:
            raise KeyError(f"no such leaf: 0x{leaf.hex()}")
        return len(self.nodes) - 1 - rank

    def proof(self, leaf: bytes) -> list[bytes]:
        """The siblings that lead from a leaf to the root, bottom up."""
        index = self.index_of(leaf)
        siblings = []
        while index > 0:
            siblings.append(self.nodes[index - 1 if index % 2 == 0 else index + 1])
            index = (index - 1) // 2
        return siblings
