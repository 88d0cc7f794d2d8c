"""The six shop aspects, and sentences that people labelled with them (docs/labelling.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import get_args

from pydantic import Field, ValidationError

from shelfwise.data.delimited import column_names, find_delimiter, read_records
from shelfwise.data.lines import Lines
from shelfwise.errors import DataError
from shelfwise.schema import Frozen, Polarity

ASPECTS = ("fit", "quality", "look", "comfort", "price", "shipping")
"""What a review of a shop's product can praise or blame; docs/labelling.md says what each covers."""
AspectLabel = tuple[str, Polarity]
"""An aspect and how it is judged."""
LABELS: tuple[AspectLabel, ...] = tuple((aspect, sign) for aspect in ASPECTS for sign in get_args(Polarity))
"""Every label a sentence can have."""
_SIGNS: dict[str, Polarity] = {"+": "positive", "-": "negative"}
_NAMED = 3
"""How many missing rows an error names."""


class LabelledSentence(Frozen):
    """One sentence of a review with the aspects that it judges; no label means that it judges none."""

    row: str
    """The review's key, in the first column of the source."""
    start: int
    end: int
    """Characters `start` to `end` (excluded) of the review's text are the sentence."""
    text: str
    """The sentence itself."""
    before: str
    """The review up to the sentence, which tells what "it" means."""
    labels: frozenset[AspectLabel]


class _Label(Frozen):
    """A line of a label file: where the sentence is, never the sentence."""

    row: str
    sha256: str
    start: int = Field(ge=0)
    end: int
    labels: tuple[str, ...]


def read_labelled_sentences(
    path: Path, source: Path, *, text: str = "Review Text", key: str | None = None
) -> list[LabelledSentence]:
    """The sentences of a label file, in its order, joined with the texts of the CSV file `source`.

    `text` and `key` are columns of `source`; without `key` it is the first one. DataError where a row is
    missing from `source` or its text is not the one that was labelled."""
    labels = list(_labels(path))
    texts = _texts({label.row for label in labels}, source, text, key)
    missing = [label.row for label in labels if label.row not in texts]
    if missing:
        named = ", ".join(missing[:_NAMED]) + (" ..." if len(missing) > _NAMED else "")
        raise DataError(
            f"'{source}' has no row {named} ({len(missing)} of {len(labels)} labels of '{path}'); "
            "give the file that was labelled"
        )
    return [_joined(label, texts[label.row], path, source) for label in labels]


def parse_label(text: str) -> AspectLabel:
    """The aspect and polarity of a label such as `fit+`; ValueError for any other text."""
    aspect, sign = text[:-1], text[-1:]
    if aspect not in ASPECTS or sign not in _SIGNS:
        raise ValueError(f"label '{text}' is not one of {', '.join(ASPECTS)} with + or - behind")
    return aspect, _SIGNS[sign]


def _labels(path: Path) -> Iterator[_Label]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"label file '{path}' cannot be read: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield _Label.model_validate(json.loads(line))
        except json.JSONDecodeError as error:
            raise DataError(f"'{path}' line {number} is not JSON: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "line"
            raise DataError(f"'{path}' line {number}: {field}: {first['msg']}") from None


def _texts(rows: set[str], source: Path, text: str, key: str | None) -> dict[str, str]:
    """Key to text of the wanted rows; names of columns are compared as they stand in the file."""
    try:
        lines = Lines(source)
        records = read_records(lines, find_delimiter(lines))
        header = next(records, None)
        if header is None:
            raise DataError(f"'{source}' is empty; give the reviews that were labelled")
        names = column_names(header.cells)
        places = [_place(name, names, source) for name in (key or names[0], text)]
        found = {}
        for record in records:
            if record.problem is None and len(record.cells) > max(places):
                row = record.cells[places[0]]
                if row in rows:
                    found[row] = record.cells[places[1]]
        return found
    except OSError as error:
        raise DataError(f"reviews '{source}' cannot be read: {error}") from None


def _place(name: str, names: tuple[str, ...], source: Path) -> int:
    if name not in names:
        raise DataError(f"'{source}' has no column '{name}'; it has {', '.join(names)}")
    return names.index(name)


def _joined(label: _Label, text: str, path: Path, source: Path) -> LabelledSentence:
    if sha256(text.encode()).hexdigest() != label.sha256:
        raise DataError(
            f"row {label.row} of '{source}' is not the text that '{path}' labels (another sha256); "
            "give the file that was labelled, unchanged"
        )
    if not label.start < label.end <= len(text):
        raise DataError(
            f"'{path}': row {label.row} labels characters {label.start} to {label.end} of {len(text)}"
        )
    try:
        judged = frozenset(map(parse_label, label.labels))
    except ValueError as error:
        raise DataError(f"'{path}': row {label.row}: {error}") from None
    return LabelledSentence(
        row=label.row,
        start=label.start,
        end=label.end,
        text=text[label.start : label.end],
        before=text[: label.start],
        labels=judged,
    )
