"""What a visitor pastes or drops, read: lines of reviews and fields, CSV and JSONL files, pictures."""

from __future__ import annotations

import base64
import codecs
import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from shelfwise.schema.serving import GivenField, GivenPicture, GivenReview
from shelfwise.schema.stars import whole_stars

ROWS = 50_000
"""Rows of one file that are read."""
NAMES: dict[str, tuple[str, ...]] = {
    "text": ("text", "review", "review text", "reviewtext", "body", "content", "comment"),
    "title": ("title", "headline", "review title", "summary", "subject"),
    "rating": ("rating", "stars", "score", "overall"),
    "product": ("product", "product id", "sku", "asin", "parent asin", "item", "clothing id", "style"),
    "id": ("id", "review id", "key"),
}
"""Parts of a review to the columns that are taken for them, the likeliest first."""
_QUOTED = re.compile(r'"[^"]*"')
_STARS = re.compile(r"^\s*([1-5])\s*(?:stars?)?\s*[:|]\s*")


@dataclass(frozen=True)
class BadRow:
    """A row or line that cannot be used; the header is row 1."""

    row: int
    why: str


@dataclass(frozen=True)
class Table:
    """A file as rows of texts by column."""

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    """Each with its number in the file."""
    bad: tuple[BadRow, ...] = ()
    cut: bool = False
    """Whether the file has more rows than are read."""


def reviews_of_text(text: str) -> tuple[GivenReview, ...]:
    """A review for each line; `4: ...` in front are its stars."""
    found = []
    for line in text.splitlines():
        stars = _STARS.match(line)
        said = line[stars.end() :].strip() if stars else line.strip()
        if said:
            found.append(GivenReview(text=said, rating=int(stars[1]) if stars else None))
    return tuple(found)


def fields_of_text(text: str) -> tuple[dict[str, GivenField], tuple[BadRow, ...]]:
    """The values of lines such as `price: 79.9`, numbers as numbers, and the lines that are not so."""
    fields: dict[str, GivenField] = {}
    bad = []
    for row, line in enumerate(text.splitlines(), 1):
        name, colon, value = line.partition(":")
        if colon and name.strip() and value.strip():
            fields[name.strip()] = _number(value.strip())
        elif line.strip():
            bad.append(BadRow(row, f"'{line.strip()}' is not written as name: value"))
    return fields, tuple(bad)


def picture_of(data: bytes) -> GivenPicture:
    """A dropped file as the API takes it."""
    return GivenPicture(data=base64.b64encode(data).decode())


def read_table(data: bytes, name: str) -> Table:
    """A CSV file, or JSON where the name or the first character says so; ValueError where it is no text."""
    text = _text_of(data)
    if "\0" in text[:4096]:
        raise ValueError(f"'{name}' is no text file; a CSV, JSONL or JSON file is wanted")
    as_json = name.lower().endswith((".jsonl", ".ndjson", ".json")) or text.lstrip().startswith("{")
    table = _of_json(text) if as_json else _of_csv(text)
    if not table.rows:
        raise ValueError(f"'{name}' has no rows")
    return table


def guess_columns(columns: tuple[str, ...]) -> dict[str, str | None]:
    """For each part of a review the column that is likely to have it."""
    plain = {re.sub(r"[\W_]+", " ", column).strip().lower(): column for column in columns}
    return {
        part: next((plain[name] for name in names if name in plain), None) for part, names in NAMES.items()
    }


def reviews_of_table(
    table: Table, columns: dict[str, str | None]
) -> tuple[tuple[GivenReview, ...], tuple[BadRow, ...]]:
    """The reviews of a file, and the rows that have none: rows = reviews + bad rows."""
    found, bad = [], list(table.bad)
    for row, cells in table.rows:
        values = {part: cells.get(column, "").strip() if column else "" for part, column in columns.items()}
        if not values.get("text") and not values.get("title"):
            bad.append(BadRow(row, "it has neither text nor title"))
            continue
        found.append(
            GivenReview(
                id=values.get("id") or f"row {row}",
                product=values.get("product") or None,
                title=values.get("title", ""),
                text=values.get("text", ""),
                rating=whole_stars(values.get("rating", "")),
            )
        )
    return tuple(found), tuple(sorted(bad, key=lambda one: one.row))


def _text_of(data: bytes) -> str:
    """UTF-16 by its mark, UTF-8 where it is that, else as Excel writes in Western Europe."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _of_csv(text: str) -> Table:
    head = _QUOTED.sub("", text.partition("\n")[0])
    delimiter = max((",", ";", "\t", "|"), key=head.count)
    rows: list[tuple[int, dict[str, str]]] = []
    bad: list[BadRow] = []
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns = tuple(name.strip() for name in next(reader, []))
    row, limit = 1, csv.field_size_limit(10_000_000)
    try:
        for row, cells in enumerate(reader, 2):
            if len(rows) + len(bad) >= ROWS:
                return Table(columns, tuple(rows), tuple(bad), cut=True)
            while len(cells) > len(columns) and not cells[-1]:  # a delimiter at the end of the line
                cells.pop()
            if len(cells) == len(columns):
                rows.append((row, dict(zip(columns, cells, strict=True))))
            elif cells:
                bad.append(BadRow(row, f"it has {len(cells)} cells, and the header {len(columns)}"))
    except csv.Error as error:
        bad.append(BadRow(row + 1, f"the file cannot be read on from here: {error}"))
    finally:
        csv.field_size_limit(limit)  # it is the whole process's
    return Table(columns, tuple(rows), tuple(bad))


def _of_json(text: str) -> Table:
    rows: list[tuple[int, dict[str, str]]] = []
    bad: list[BadRow] = []
    columns: dict[str, None] = {}
    for row, value in _values(text):
        if len(rows) + len(bad) >= ROWS:
            return Table(tuple(columns), tuple(rows), tuple(bad), cut=True)
        if isinstance(value, dict):
            cells = {str(key): "" if cell is None else str(cell) for key, cell in value.items()}
            columns |= dict.fromkeys(cells)
            rows.append((row, cells))
        else:
            bad.append(BadRow(row, "it is no JSON object"))
    return Table(tuple(columns), tuple(rows), tuple(bad))


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """The values of a JSON list, or else of each line, with their numbers; None where a line is no JSON."""
    whole = _json_in(text) if text.lstrip().startswith("[") else None
    if isinstance(whole, list) and any(isinstance(value, dict) for value in whole):
        yield from enumerate(whole, 1)
        return
    for row, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield row, _json_in(line)


def _json_in(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> str | float:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if abs(value) < 1e300 else text  # "nan" and "inf" are words here
