"""The documentation of catalogues names every kind of row error and warning that the code can give."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
CALLS = r"PictureError\(|BadRow\(|kind=|found\.append\(|notes\.append\(|problem = \(|warnings = \("
GIVEN = re.compile(rf'(?:{CALLS})\s*"([0-9a-z_]+)"')


def kinds() -> set[str]:
    """The kinds that occur as literals in the rooms that read catalogues and pictures."""
    rooms = ("tables", "delimited", "catalog", "cells", "pictures", "product_pictures")
    texts = [(ROOT / f"src/shelfwise/data/{room}.py").read_text(encoding="utf-8") for room in rooms]
    return {kind for text in texts for kind in GIVEN.findall(text)}


def test_every_kind_is_documented() -> None:
    found = kinds()
    assert {"missing_id", "unclosed_quote", "picture_truncated", "palette", "mixed_encoding"} <= found
    documented = set(re.findall(r"`([0-9a-z_]+)`", (ROOT / "docs/catalogues.md").read_text(encoding="utf-8")))
    assert found - documented == set()
