"""Numbers as shops write them in text cells: what is one, and what could be two and so is none.

Inspection, models and filters read by this one function: what is called a number is read as one.
"""

from __future__ import annotations

import math
import re

_EXPONENT = r"(?:e[-+]?\d+)?"
_PLAIN = re.compile(rf"[-+]?(?:\d+\.?\d*|\.\d+){_EXPONENT}", re.I | re.A)
_DECIMAL_COMMA = re.compile(rf"[-+]?\d*,\d+{_EXPONENT}", re.I | re.A)
_EITHER = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}", re.A)
_GROUPED = re.compile(
    r"([-+]?[1-9]\d{0,2}(?P<group>[.,'’ \u00a0\u2009\u202f])\d{3}(?:(?P=group)\d{3})*)"
    r"(?:(?!(?P=group))[.,](\d+))?",
    re.A,
)
"""Thousands in groups of three, then decimals behind another sign."""
_FIRST = frozenset("+-.,0123456789")
_NO_DIGITS = re.compile(r"[^-+\d]", re.A)


def number_in(text: str) -> float | None:
    """The number that a text is, with a decimal point or comma, and thousands in groups; else None.

    `1,234` is None: it is 1234 in one shop and 1.234 in another. A point alone is always a decimal one, as
    programs write it: `1.234` is 1.234. A text with a currency or a unit is no number, nor is one that no
    float can hold, such as the code `12e400`."""
    text = text.strip().replace("\u2212", "-")
    if text[:1] not in _FIRST:  # soon done with words, of which there are most
        return None
    if _PLAIN.fullmatch(text):
        return _finite(text)
    if _EITHER.fullmatch(text):
        return None
    if _DECIMAL_COMMA.fullmatch(text):
        return _finite(text.replace(",", "."))
    if found := _GROUPED.fullmatch(text):
        return _finite(f"{_NO_DIGITS.sub('', found[1])}.{found[3] or 0}")
    return None


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def could_be_two(text: str) -> bool:
    """Whether a text is a number whose comma may stand before decimals or before thousands."""
    return _EITHER.fullmatch(text.strip().replace("\u2212", "-")) is not None
