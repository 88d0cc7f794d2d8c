"""A row of the tables that `tables.py` makes: three texts with places for numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row: what it is, what was measured and what to compare it with.

    In all texts `{FILE.key.key:FORM}` is the number at that place in `FILE.json`, printed by FORM."""

    what: str
    measured: str
    beside: str = ""
    otherwise: Figure | None = None
    """The row to show where a number of this one is missing."""
