"""How shops and buyers write whole stars, for every reader of reviews."""

from __future__ import annotations

import re

_WRITTEN = re.compile(
    r"([1-5])(?:[.,]0+)?(?:\s*(?:/|of|out of|von|sur)\s*5(?:[.,]0+)?)?(?:\s*(?:stars?|sterne?|étoiles?))?"
)
_DRAWN = re.compile(r"(★{1,5})☆*")


def whole_stars(text: str) -> int | None:
    """1 to 5 of `4`, `4.0`, `4,0`, `4/5`, `4 out of 5 stars` or `★★★★☆`; None for anything else, 4.5 too."""
    text = text.strip().lower()
    if (drawn := _DRAWN.fullmatch(text)) and len(text) in (len(drawn[1]), 5):
        return len(drawn[1])
    written = _WRITTEN.fullmatch(text)
    return int(written[1]) if written else None
