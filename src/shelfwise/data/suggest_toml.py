"""A suggestion as a TOML file to read and correct: every guess is marked with its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shelfwise.config import ColumnMap, ReviewColumns, toml_key, toml_value
from shelfwise.data.suggest import Suggestion
from shelfwise.data.suggest_reviews import ReviewSuggestion


def suggestion_toml(suggestion: Suggestion, *, folder: Path) -> str:
    """The text of a configuration file that will lie in `folder`; paths below it are written relative."""
    found, data = suggestion.inspection, suggestion.data
    rows = f"all {found.rows:,}" if found.complete else f"the first {found.rows:,}"
    lines = [
        f"# Written by `shelfwise data inspect` after a look at {rows} rows of {found.path.name}.",
        '# Lines marked "guess" are guesses: check, correct, then use this file as CONFIG or CATALOG.',
        *(f"# Note: {note}." for note in suggestion.notes),
    ]

    def add(section: str, key: str, value: Any, default: Any = None) -> None:
        if value == default and (section, key) != ("data.columns", "id"):
            return
        why = suggestion.reasons.get(f"{section}.{key}")
        lines.append(
            f"{toml_key(key)} = {toml_value(value)}" + (f"  # guess: {_one_line(why)}" if why else "")
        )

    lines += ["", "[data]"]
    add("data", "source", _near(found.path, folder))
    add("data", "image_root", None if data.image_root is None else _near(data.image_root, folder))
    add("data", "target", data.target)
    if data.target is None:
        lines.append('# target = "..."  # no column looks like a class to learn')
    columns, plain = data.columns, ColumnMap()
    lines += ["", "[data.columns]"]
    for key in ("id", "images", "title", "description", "multi_valued", "separator"):
        add("data.columns", key, getattr(columns, key), getattr(plain, key))
    for part in ("labels", "fields"):
        if getattr(columns, part):
            lines += ["", f"[data.columns.{part}]"]
            for key, column in getattr(columns, part).items():
                add(f"data.columns.{part}", key, column)
    lines += ["", "[preprocess]"]
    for key in ("height", "width", "channels", "fit"):
        add("preprocess", key, getattr(suggestion.preprocess, key))
    return "\n".join(lines) + "\n"


def reviews_toml(suggestion: ReviewSuggestion, *, folder: Path) -> str:
    """The text of a reviews configuration that will lie in `folder`; as `suggestion_toml`."""
    found, columns = suggestion.inspection, suggestion.data.columns
    rows = f"all {found.rows:,}" if found.complete else f"the first {found.rows:,}"
    lines = [
        f"# Written by `shelfwise data inspect` after a look at {rows} rows of {found.path.name}.",
        '# Lines marked "guess" are guesses: check, correct, then use this file as CONFIG or REVIEWS.',
        *(f"# Note: {note}." for note in suggestion.notes),
        *("", 'task = "reviews"', f"name = {toml_value(_plain_name(found.path))}"),
        *("", "[data]", f"source = {toml_value(_near(found.path, folder))}", "", "[data.columns]"),
    ]
    for key in ReviewColumns.model_fields:
        column = getattr(columns, key)
        if isinstance(column, str):
            why = suggestion.reasons.get(f"data.columns.{key}")
            lines.append(f"{key} = {toml_value(column)}" + (f"  # guess: {_one_line(why)}" if why else ""))
    if columns.rating is None:
        lines.append('# rating = "..."  # no column looks like stars from 1 to 5')
    return "\n".join(lines) + "\n"


def _plain_name(path: Path) -> str:
    """A bundle's name from a file's."""
    kept = "".join(letter if letter.isalnum() else "-" for letter in path.name.split(".")[0])
    return kept.strip("-") or "reviews"


def _near(path: Path, folder: Path) -> str:
    """Relative to `folder` where the path lies below it, else absolute."""
    path, folder = path.resolve(), folder.resolve()
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix()


def _one_line(text: str) -> str:
    return " ".join(text.split())
