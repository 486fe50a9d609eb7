"""docs/invariants.md and the tests speak of the same invariants in the same words."""

from __future__ import annotations

import re
from pathlib import Path

from tests.property.invariants import INVARIANTS

DOC = Path(__file__).parents[2] / "docs" / "invariants.md"


def test_the_page_lists_every_invariant_in_its_own_words() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+?) \|", DOC.read_text(), flags=re.MULTILINE)
    assert {int(number): sentence for number, sentence in rows} == INVARIANTS
