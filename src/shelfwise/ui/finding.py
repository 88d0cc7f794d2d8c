"""A search as the page's fields describe it: filters from choices, and marks from what was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from shelfwise.schema import FieldValue
from shelfwise.schema.search import Facet, Hit, SearchPage
from shelfwise.ui.pieces import Mark

FACETS = 6
"""Fields that are counted and offered as filters."""


def filter_of(
    choices: Mapping[str, Sequence[str]], ranges: Mapping[str, tuple[float, float]], written: str = ""
) -> str | None:
    """One filter expression: values to choose from, ranges of numbers, and what somebody wrote."""
    parts = [
        f"{_name(field)} in ({', '.join(map(_text, values))})" for field, values in choices.items() if values
    ]
    parts += [
        f"{_name(field)} >= {_number(low)} and {_name(field)} <= {_number(high)}"
        for field, (low, high) in ranges.items()
    ]
    if written.strip():
        parts.append(f"({written.strip()})" if parts else written.strip())
    return " and ".join(parts) or None


def facet_fields(hits: Sequence[Hit]) -> tuple[str, ...]:
    """Fields of some products that are likely to be worth counting: short values, or numbers."""
    found: dict[str, None] = {}
    for hit in hits:
        found |= {name: None for name, value in hit.fields.items() if _is_short(value)}
    return tuple(found)[:FACETS]


def bounds(facet: Facet) -> tuple[float, float] | None:
    """From the least to the greatest number of a facet; None where there is nothing to choose."""
    if facet.kind != "number" or not facet.ranges:
        return None
    low, high = facet.ranges[0].low, facet.ranges[-1].high
    return (low, high) if low < high else None


def title_marks(hit: Hit) -> list[Mark]:
    """Where the title has the words that were looked for."""
    return [Mark(span.start, span.end, "hit") for span in hit.highlights]


def shown_fields(hit: Hit, most: int = 6) -> list[tuple[str, str]]:
    """The first fields of a product that have a value, as texts."""
    rows = [(name, shown(value)) for name, value in hit.fields.items() if value not in (None, "", ())]
    return rows[:most]


def shown(value: FieldValue) -> str:
    """A value as people read it."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def reasons(hit: Hit) -> list[str]:
    """Why a hit is where it is, a line for each side."""
    if hit.explanation is None:
        return []
    lines = []
    for name, side, unit in (
        ("likeness", hit.explanation.vector, "cosine"),
        ("words", hit.explanation.words, "BM25"),
    ):
        if side is not None:
            rank = f"rank {side.rank}" if side.rank is not None else "beyond its window"
            lines.append(f"{name}: {rank}, {unit} {side.score:.3f}, adds {side.part:.4f}")
    lines += [f"“{term}” adds {value:.2f} to BM25" for term, value in hit.explanation.terms.items()]
    return lines


def count_line(page: SearchPage) -> str:
    """How many were found and which are shown."""
    if not page.hits:
        return "Nothing was found."
    first, last = page.offset + 1, page.offset + len(page.hits)
    how = "" if page.exact else ", the best by approximate search"
    return f"{first:,} to {last:,} of {page.total:,}{how}"


def _is_short(value: FieldValue) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= 40
    return value is not None


def _name(field: str) -> str:
    """A field's name, always in backquotes: some plain words mean something else in a filter."""
    return f"`{field.replace('`', '``')}`"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _number(value: float) -> str:
    return repr(int(value)) if value == int(value) else repr(value)
