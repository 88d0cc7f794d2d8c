"""The cells of one row to one Product, by the column map; cells may be text, numbers, lists, bytes, paths."""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from shelfwise.config import ColumnMap
from shelfwise.data.numbers import number_in
from shelfwise.data.text import clean_text
from shelfwise.schema import FieldValue, Picture, Product, RowError, RowWarning

_EXACT_INT = 2**53
_STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_WITHOUT_COMMA = re.compile(rf"({_STRING})(\s+(?=['\"]))?", re.S)
"""A string, and the gap to the next where no comma stands in it, as numpy writes lists."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one row of the file."""

    number: int
    outcome: Product | RowError
    warnings: tuple[RowWarning, ...] = ()


def given_product(
    id: str,
    *,
    images: tuple[Picture, ...] = (),
    title: str | None = None,
    description: str | None = None,
    fields: Mapping[str, Any] | None = None,
) -> Product:
    """One product that is asked about by itself, its texts and fields read as the cells of a table are."""
    return Product(
        id=id,
        images=images,
        title=_plain(title)[0],
        description=_plain(description)[0],
        fields={name: field_of(value, "", many=False) for name, value in (fields or {}).items()},
    )


def product_of(number: int, cells: dict[str, Any], columns: ColumnMap) -> Row:
    """The row as a Product; without an id as a RowError."""
    identity = text_of(cells.get(columns.id))
    if identity is None:
        why = "the id is empty"
        return Row(
            number, RowError(row=number, column=columns.id, value="", kind="missing_id", why=why, id=None)
        )
    title, title_html = _plain(_cell(cells, columns.title))
    description, description_html = _plain(_cell(cells, columns.description))
    multi = set(columns.multi_valued)
    product = Product(
        id=identity,
        images=pictures_of_row(cells, columns),
        title=title,
        description=description,
        fields={
            name: field_of(cells.get(column), columns.separator, many=column in multi)
            for name, column in columns.fields.items()
        },
        labels=_labels(cells, columns, multi),
    )
    found = [
        RowWarning(row=number, column=column or "", kind="html", id=identity)
        for column, html in ((columns.title, title_html), (columns.description, description_html))
        if html
    ]
    return Row(number, product, tuple(found))


def text_of(value: Any) -> str | None:
    """A cell as trimmed text; an empty cell, an empty list and a NaN are None.

    Whole numbers lose the `.0` that a column with gaps gives them in Parquet."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, float) and value.is_integer() and abs(value) < _EXACT_INT:
        text = str(int(value))
    elif isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    elif isinstance(value, list | tuple):
        text = ", ".join(part for item in value if (part := text_of(item)) is not None)
    elif isinstance(value, dict):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    return text.encode("utf-8", "replace").decode().strip() or None


def values_of(value: Any, separator: str, *, many: bool) -> tuple[str, ...]:
    """A cell's values: those of a list, the parts of a text cell where `many`, else the one text.

    The parts are those of the list that the text writes out, or what `separator` joins."""
    if many and isinstance(value, str):
        written = list_in(value)
        if written is not None or separator:
            value = value.split(separator) if written is None else written
    parts = [text_of(item) for item in value] if isinstance(value, list | tuple) else [text_of(value)]
    return tuple(part for part in parts if part is not None)


def list_in(text: str) -> list[Any] | None:
    """The list that a text cell writes out; None for any other text.

    It stands in square brackets, as JSON, pandas or numpy write it, or as bare words between commas."""
    text = text.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _python_list(text)
    return found if isinstance(found, list) else _bare_words(text[1:-1])


def _python_list(text: str) -> Any:
    """What a Python literal says; None where the text is none. Nothing is run."""
    # Without their commas Python would join numpy's strings into one.
    text = _WITHOUT_COMMA.sub(lambda match: match[1] + (", " if match[2] else ""), text)
    try:
        with warnings.catch_warnings(action="ignore"):  # of a backslash that escapes nothing
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def _bare_words(inside: str) -> list[str] | None:
    if any(sign in inside for sign in "'\"[](){}"):
        return None
    numbers = inside.split()
    if len(numbers) > 1 and all(number_in(word) is not None for word in numbers):
        return [word.removesuffix(".") for word in numbers]
    return [word.strip() for word in inside.split(",")]


def _cell(cells: dict[str, Any], column: str | None) -> Any:
    return None if column is None else cells.get(column)


def _plain(value: Any) -> tuple[str | None, bool]:
    """A cell's text without HTML, and whether there was any."""
    text = text_of(value)
    if text is None:
        return None, False
    plain, html = clean_text(text)
    return plain or None, html


def _labels(cells: dict[str, Any], columns: ColumnMap, multi: set[str]) -> dict[str, str | tuple[str, ...]]:
    """Target to value; an empty label is absent."""
    labels: dict[str, str | tuple[str, ...]] = {}
    for target, column in columns.labels.items():
        value = cells.get(column)
        values = values_of(value, columns.separator, many=column in multi)
        if values:
            several = column in multi or isinstance(value, list | tuple)
            labels[target] = values if several else values[0]
    return labels


def field_of(value: Any, separator: str, *, many: bool) -> FieldValue:
    """A further column: numbers stay numbers, lists become tuples, anything else is text."""
    if many or isinstance(value, list | tuple):
        return values_of(value, separator, many=True)
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _EXACT_INT:
        return float(value)
    return text_of(value)


def pictures_of_row(cells: dict[str, Any], columns: ColumnMap) -> tuple[Picture, ...]:
    """The pictures that a row names or holds, in the order of the map's columns."""
    return tuple(
        picture for column in columns.images for picture in _of_cell(cells.get(column), columns.separator)
    )


def _of_cell(value: Any, separator: str) -> list[Picture]:
    """The pictures of one cell: bytes, a path or several, `{bytes, path}` as Hugging Face has it, a list,
    also one written out as text. The path of a picture tree is one, whatever signs it holds."""
    if value is None:
        return []
    if isinstance(value, PurePath):
        return [Picture(path=str(value))]
    if isinstance(value, bytes):
        return [Picture(data=value)]
    if isinstance(value, list | tuple):
        return [picture for item in value for picture in _of_cell(item, separator)]
    if isinstance(value, dict):
        inner = value.get("bytes")
        return _of_cell(inner if isinstance(inner, bytes) else value.get("path"), separator)
    text = text_of(value)
    if text is None:
        return []
    if (written := list_in(text)) is not None:
        return [picture for item in written for picture in _of_cell(item, separator)]
    parts = text.split(separator) if separator and not text.startswith("data:") else [text]
    return [Picture(path=path.strip()) for path in parts if path.strip()]
