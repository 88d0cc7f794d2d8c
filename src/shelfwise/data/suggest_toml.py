"""A suggestion as a TOML file to read and correct: every guess is marked with its reason."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from shelfwise.config import ColumnMap, ReviewColumns, toml_key, toml_value
from shelfwise.data.suggest import Suggestion
from shelfwise.data.suggest_products import ProductsSuggestion
from shelfwise.data.suggest_reviews import ReviewSuggestion

_STEPS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (500, ("epochs = 100", "batch_size = 64", "checkpoint_every = 100")),
    (2_000, ("epochs = 60", "batch_size = 128", "checkpoint_every = 100")),
    (math.inf, ("epochs = 16  # for some 40,000 products; 30 for 5,000", "batch_size = 256")),
)
"""Most products, and settings of `train`."""


def written_toml(suggestion: Suggestion | ReviewSuggestion, *, folder: Path) -> str:
    """As `suggestion_toml` or `reviews_toml`."""
    if isinstance(suggestion, ReviewSuggestion):
        return reviews_toml(suggestion, folder=folder)
    return suggestion_toml(suggestion, folder=folder)


def suggestion_toml(suggestion: Suggestion, *, folder: Path) -> str:
    """The text of a configuration file that will lie in `folder`; paths below it are written relative."""
    lines = _heading(suggestion)
    if isinstance(suggestion, ProductsSuggestion):
        lines += ["", 'task = "products"', f"name = {toml_value(_plain_name(suggestion.inspection.path))}"]
    lines += _data_lines(suggestion, folder)
    if isinstance(suggestion, ProductsSuggestion):
        return "\n".join([*lines, *_preprocess_lines(suggestion), *_products_lines(suggestion)]) + "\n"
    return "\n".join([*lines, *_preprocess_lines(suggestion)]) + "\n"


def _heading(suggestion: Suggestion | ReviewSuggestion) -> list[str]:
    found = suggestion.inspection
    rows = f"all {found.rows:,}" if found.complete else f"the first {found.rows:,}"
    used = "REVIEWS" if isinstance(suggestion, ReviewSuggestion) else "CATALOG"
    return [
        _comment(f"Written by `shelfwise data inspect` after a look at {rows} rows of {found.path.name}."),
        _comment(
            f'Lines marked "guess" are guesses: check, correct, then use this file as CONFIG or {used}.'
        ),
        *(_comment(f"Note: {note}.") for note in suggestion.notes),
    ]


def _data_lines(suggestion: Suggestion, folder: Path) -> list[str]:
    """`[data]` and the column map."""
    found, data = suggestion.inspection, suggestion.data
    lines = ["", "[data]", f"source = {toml_value(_near(found.path, folder))}"]
    if data.image_root is not None:
        lines.append(_set(suggestion, "data", "image_root", _near(data.image_root, folder)))
    if data.target is not None:
        lines.append(_set(suggestion, "data", "target", data.target))
    elif not isinstance(suggestion, ProductsSuggestion):
        lines.append('# target = "..."  # no column looks like a class to learn')
    columns, plain = data.columns, ColumnMap()
    lines += ["", "[data.columns]"]
    for key in ("id", "images", "title", "description", "multi_valued", "separator"):
        value = getattr(columns, key)
        if key == "id" or value != getattr(plain, key):
            lines.append(_set(suggestion, "data.columns", key, value))
    for part in ("labels", "fields"):
        if getattr(columns, part):
            lines += ["", f"[data.columns.{part}]"]
            lines += [
                _set(suggestion, f"data.columns.{part}", key, column)
                for key, column in getattr(columns, part).items()
            ]
    return lines


def _preprocess_lines(suggestion: Suggestion) -> list[str]:
    keys = ("height", "width", "channels", "fit")
    return [
        "",
        "[preprocess]",
        *(_set(suggestion, "preprocess", key, getattr(suggestion.preprocess, key)) for key in keys),
    ]


def _products_lines(suggestion: ProductsSuggestion) -> list[str]:
    """Targets, what the table could add, and how to train; all that is not used is said."""
    if not suggestion.targets:
        return _alone_lines(suggestion)
    lines = ["", "[targets]"]
    for name, target in suggestion.targets.items():
        several = ", several = true" if target.several else ""
        table = f"{{ labels = {toml_value(target.labels)}{several} }}"
        lines.append(f"{toml_key(name)} = {table}{_guess(suggestion, f'targets.{name}')}")
    lines += ["", "[table]"]
    fields = tuple(suggestion.data.columns.fields)
    if fields:
        lines += [
            "# The shop's own columns as input. Name only what is known before the answer is: a column that",
            "# was filled in from a target, or after it, makes figures too good to be true.",
            f"# fields = {toml_value(fields)}",
        ]
    else:
        lines.append("# No further column is fit to be an input.")
    lines += [_comment(f"Not used: {name}: {why}.") for name, why in suggestion.unused.items()]
    if suggestion.fusion:
        lines += [
            *("", "[fusion]", f'kind = "{suggestion.fusion}"  # the only input; "gated" for fields besides'),
            *(
                "",
                "[shared]",
                'loss = "none"  # pictures and titles have a space of their own where both are',
            ),
        ]
    return [*lines, *_recipe_lines(suggestion)]


def _alone_lines(suggestion: ProductsSuggestion) -> list[str]:
    """A run without targets: pictures and titles learn from each other."""
    columns = suggestion.data.columns
    lines = [
        *(
            "",
            "# No column looks like a label: pictures and titles learn from each other, for search. Labels,",
        ),
        "# named in [data.columns.labels], would be learned besides.",
        *(
            "",
            "[fusion]",
            f'kind = "{suggestion.fusion}"  # of a product with both, the mean of what each says',
        ),
        *("", "[shared]", 'loss = "infonce"'),
    ]
    if columns.title and columns.description:
        lines.append("# fields = { title = 0.7, description = 0.3 }  # weights, instead of one text of both")
    numbers = [name for name, column in columns.fields.items() if _is_number(suggestion, column)]
    if numbers:
        lines.append(f"# pairs = {toml_value(numbers[0])}  # count products by one of: {', '.join(numbers)}")
    lines += [_comment(f"Not used: {name}: {why}.") for name, why in suggestion.unused.items()]
    return [*lines, *_recipe_lines(suggestion)]


def _is_number(suggestion: ProductsSuggestion, column: str) -> bool:
    return suggestion.inspection.column(column).kind == "number"


def _recipe_lines(suggestion: ProductsSuggestion) -> list[str]:
    """How to train."""
    lines = []
    if suggestion.preprocess.channels == 3 and suggestion.data.columns.images:
        lines = ["", "[augment]", 'level = "light"', 'flip = "random"', "fill = 255"]
    return [*lines, "", "[train]", *_train_lines(suggestion)]


def _train_lines(suggestion: ProductsSuggestion) -> list[str]:
    """As many steps as were found to be enough for so many products; docs/ablations.md, learning curve."""
    found = suggestion.inspection
    rows = found.rows if found.complete else math.inf
    steps = next(steps for most, steps in _STEPS if rows <= most)
    return [*steps, "adamw_lr = 3e-3", "warmup = 0.1", "weight_decay = 0.02", "clip = 1.0", "ema = 0.998"]


def _set(suggestion: Suggestion, section: str, key: str, value: Any) -> str:
    """A line of the file, with the reason where it is a guess."""
    return f"{toml_key(key)} = {toml_value(value)}{_guess(suggestion, f'{section}.{key}')}"


def _guess(suggestion: Suggestion | ReviewSuggestion, key: str) -> str:
    """The reason of a guess, to stand behind its value; nothing where there is none."""
    why = suggestion.reasons.get(key)
    return f"  {_comment(f'guess: {why}')}" if why else ""


def _comment(text: str) -> str:
    """A comment of one line, whatever a column is called: all text of the shop's goes through here."""
    return f"# {one_line(text)}"


def reviews_toml(suggestion: ReviewSuggestion, *, folder: Path) -> str:
    """The text of a reviews configuration that will lie in `folder`; as `suggestion_toml`."""
    found, columns = suggestion.inspection, suggestion.data.columns
    lines = [
        *_heading(suggestion),
        *("", 'task = "reviews"', f"name = {toml_value(_plain_name(found.path))}"),
        *("", "[data]", f"source = {toml_value(_near(found.path, folder))}", "", "[data.columns]"),
    ]
    for key in ReviewColumns.model_fields:
        column = getattr(columns, key)
        if isinstance(column, str):
            lines.append(f"{key} = {toml_value(column)}{_guess(suggestion, f'data.columns.{key}')}")
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


def one_line(text: str) -> str:
    """The text without line breaks and without control and other characters that are not seen."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
