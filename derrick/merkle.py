"""Merkle trees as OpenZeppelin's merkle-tree package builds them, in an order of our choice.

A complete binary tree of 2n - 1 nodes in one list, the root first: node i has the children 2i + 1
and 2i + 2, and the leaves fill the end of the list backwards. A pair is hashed in sorted order, so
a proof is a plain list of siblings without left or right. Leaves keep the order in which they are
given (the package's `sortLeaves: false`), and a multiproof lists them in that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from eth_utils.crypto import keccak

WORD = 32


class MultiProof(NamedTuple):
    """Proof of several leaves at once, as OpenZeppelin's `processMultiProof` takes it."""

    leaves: list[bytes]
    proof: list[bytes]
    flags: list[bool]


def hash_pair(one: bytes, other: bytes) -> bytes:
    """The parent of two nodes, whichever way round they are given."""
    return keccak(min(one, other) + max(one, other))


def root_of_proof(leaf: bytes, proof: Iterable[bytes]) -> bytes:
    """Where a leaf and its siblings, bottom up, lead."""
    node = leaf
    for sibling in proof:
        node = hash_pair(node, sibling)
    return node


def root_of_multiproof(
    leaves: Sequence[bytes], proof: Sequence[bytes], flags: Sequence[bool]
) -> bytes:
    """Where several leaves, their common siblings and the flags lead.

    Each flag makes one parent, of the two oldest nodes where it is set, else of the oldest node and
    the next sibling. Raises ValueError where the three do not fit together.
    """
    if len(leaves) + len(proof) != len(flags) + 1:
        raise ValueError(f"{len(leaves)} leaves, {len(proof)} siblings and {len(flags)} flags")
    nodes, siblings = list(leaves), list(proof)
    for flag in flags:
        if len(nodes) < (2 if flag else 1) or not (flag or siblings):
            raise ValueError("a flag asks for a node that is not there")
        node = nodes.pop(0)
        nodes.append(hash_pair(node, nodes.pop(0) if flag else siblings.pop(0)))
    if siblings and nodes:
        raise ValueError("a sibling is left over")
    (root,) = nodes or siblings
    return root


class MerkleTree:
    """The tree over some leaves, in the order given. Takes them as they are: hash them before."""

    def __init__(self, leaves: Iterable[bytes]) -> None:
        self.leaves: tuple[bytes, ...] = tuple(leaves)
        if not self.leaves:
            raise ValueError("a tree needs at least one leaf")
        if any(len(leaf) != WORD for leaf in self.leaves):
            raise ValueError(f"a leaf is a hash of {WORD} bytes")
        inner = len(self.leaves) - 1
        nodes = [b""] * inner + list(reversed(self.leaves))
        for index in reversed(range(inner)):
            nodes[index] = hash_pair(nodes[2 * index + 1], nodes[2 * index + 2])
        self.nodes: Sequence[bytes] = tuple(nodes)
        self._index = {leaf: len(nodes) - 1 - rank for rank, leaf in enumerate(self.leaves)}
        if len(self._index) != len(self.leaves):
            raise ValueError("a leaf stands twice")

    @property
    def root(self) -> bytes:
        """What attestors sign."""
        return self.nodes[0]

    def index_of(self, leaf: bytes) -> int:
        """Where in `nodes` a leaf stands."""
        if leaf not in self._index:
            raise KeyError(f"no such leaf: 0x{leaf.hex()}")
        return self._index[leaf]

    def proof(self, leaf: bytes) -> list[bytes]:
        """The siblings that lead from a leaf to the root, bottom up."""
        index = self.index_of(leaf)
        siblings = []
        while index > 0:
            siblings.append(self.nodes[_sibling_of(index)])
            index = _parent_of(index)
        return siblings

    def multiproof(self, leaves: Iterable[bytes]) -> MultiProof:
        """Proof of any of the leaves together, in the order of the tree whichever way they come."""
        indices = sorted((self.index_of(leaf) for leaf in leaves), reverse=True)
        if not indices:
            raise ValueError("a multiproof is of at least one leaf")
        if len(set(indices)) != len(indices):
            raise ValueError("a leaf is asked for twice")
        proof: list[bytes] = []
        flags: list[bool] = []
        queue = list(indices)
        while queue[0] > 0:
            index = queue.pop(0)
            sibling = _sibling_of(index)
            both = bool(queue) and queue[0] == sibling
            if both:
                queue.pop(0)
            else:
                proof.append(self.nodes[sibling])
            flags.append(both)
            queue.append(_parent_of(index))
        return MultiProof([self.nodes[index] for index in indices], proof, flags)


def _sibling_of(index: int) -> int:
    return index - 1 if index % 2 == 0 else index + 1


def _parent_of(index: int) -> int:
    return (index - 1) // 2
