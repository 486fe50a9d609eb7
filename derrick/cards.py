"""The pictures that deeds and leases draw of themselves, read back.

card = Card.of(lease.tokenURI(lease_id))
card.traits["State"], card.figures["Paid until"], card.svg
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"
WIDTH, HEIGHT, GAP = 300, 360, 20
"""Of a card, and between two on a sheet, in pixels."""

JSON_PREFIX = "data:application/json;base64,"
SVG_PREFIX = "data:image/svg+xml;base64,"


@dataclass(frozen=True)
class Card:
    """A token's metadata and picture. Traits are as they stand in the JSON: words or numbers."""

    name: str
    description: str
    traits: dict[str, str | int]
    svg: str
    tree: ElementTree.Element

    @classmethod
    def of(cls, uri: str) -> Card:
        """From a `tokenURI`. ValueError, KeyError or the XML's ParseError where it is no card."""
        data = json.loads(_decoded(uri, JSON_PREFIX))
        svg = _decoded(data["image"], SVG_PREFIX)
        attributes: list[dict[str, Any]] = data["attributes"]
        traits = {each["trait_type"]: each["value"] for each in attributes}
        if len(traits) != len(attributes):
            raise ValueError(f"a trait stands twice: {attributes}")
        # Only ever a picture of our own contracts; it declares no entities.
        return cls(data["name"], data["description"], traits, svg, ElementTree.fromstring(svg))

    @property
    def texts(self) -> list[ElementTree.Element]:
        """All its text elements, from top to bottom."""
        return list(self.tree.iter(SVG + "text"))

    @property
    def badges(self) -> list[str]:
        """The words beside its state."""
        return [text.text or "" for text in self.texts if text.get("class") == "badge"]

    @property
    def figures(self) -> dict[str, str]:
        """Its rows: what each is, and the figure."""
        rows = {
            kind: [text.text or "" for text in self.texts if text.get("class") == kind]
            for kind in ("what", "figure")
        }
        return dict(zip(rows["what"], rows["figure"], strict=True))

    def text(self, name: str) -> str:
        """The text of this id: title, size, place, state, left, right or dates. Or KeyError."""
        return self._element(name).text or ""

    def share_bps(self, name: str) -> int:
        """How much of the bar is `run`, or `paid`, in bps. Or KeyError."""
        return int(self._element(name).get("width", "0"))

    def _element(self, name: str) -> ElementTree.Element:
        for element in self.tree.iter():
            if element.get("id") == name:
                return element
        raise KeyError(name)


def sheet(cards: Sequence[Card], columns: int = 3) -> str:
    """An SVG of all the cards in rows, above on a light page and below on a dark one."""
    width = GAP + columns * (WIDTH + GAP)
    height = GAP + -(-len(cards) // columns) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="{SVG.strip("{}")}" width="{width}" height="{2 * height}">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<rect width="{width}" height="{height}" y="{height}" fill="#000000"/>',
    ]
    for page in range(2):
        for index, card in enumerate(cards):
            row, column = divmod(index, columns)
            x, y = GAP + column * (WIDTH + GAP), GAP + row * (HEIGHT + GAP) + page * height
            parts.append(card.svg.replace("<svg ", f'<svg x="{x}" y="{y}" ', 1))
    return "\n".join([*parts, "</svg>\n"])


def _decoded(uri: str, prefix: str) -> str:
    if not uri.startswith(prefix):
        raise ValueError(f"not a data URI of {prefix}: {uri[:60]}")
    return base64.b64decode(uri[len(prefix) :], validate=True).decode("utf-8")
