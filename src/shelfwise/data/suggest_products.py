"""From a suggestion to a products one: a category path, attributes, several values at once, table fields."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from shelfwise.config import ColumnMap, TargetConfig
from shelfwise.config.products import FusionName
from shelfwise.data.inspect_columns import ColumnSummary
from shelfwise.data.inspect_kinds import parts_of
from shelfwise.data.label_paths import FIRM, determination, longest_path
from shelfwise.data.suggest import Suggestion, several_reason
from shelfwise.data.suggest_lacks import no_products
from shelfwise.data.suggest_roles import MOST_CLASSES, keys_of
from shelfwise.errors import DataError

CATEGORY = "category"
"""What the target of a category path is called."""
_REPLACED = ("data.target", "data.columns.labels.", "data.columns.fields.", "data.columns.multi_valued")


@dataclass(frozen=True)
class ProductsSuggestion(Suggestion):
    """A products configuration with the reason for each guessed key, such as `targets.category`."""

    targets: dict[str, TargetConfig] = field(default_factory=dict)
    """The main one first."""
    unused: dict[str, str] = field(default_factory=dict)
    """Columns that no part of the configuration reads, and why; the fields may be read, see `TableConfig`."""
    fusion: FusionName | None = None
    """The one modality that there is, or what suits a run without targets; else None."""


def is_products(plain: Suggestion) -> bool:
    """Whether a table holds more than pictures and one label: texts beside either, or several labels."""
    if plain.inspection.format == "tree":
        return False
    columns = plain.data.columns
    labels = len(_learned(plain))
    texts = bool(columns.title or columns.description)
    return labels > 0 or bool(columns.images) if texts else labels > 1 and bool(columns.images)


def products_lack(plain: Suggestion) -> str | None:
    """Why no products run can learn from a table; None where one can."""
    return no_products(plain, labels=bool(_learned(plain)))


def suggest_products(plain: Suggestion) -> ProductsSuggestion:
    """The likeliest targets and inputs; DataError where there is nothing to learn or to learn from.

    Pictures and texts without any label have no targets: they learn from each other."""
    columns = plain.data.columns
    path, attributes, several = _path(plain), _attributes(plain), _several(plain)
    pictures, texts = bool(columns.images), bool(columns.title or columns.description)
    if (lack := products_lack(plain)) is not None:
        raise DataError(lack)
    keys = keys_of(plain.inspection)
    labels = {keys[name]: name for name in path} | attributes | several
    targets = _targets(plain, path, attributes, several)
    main = next(iter(targets.values()), None)
    told = None if main is None or main.several else labels[main.labels[-1]]
    fields, unused = _fields(plain, set(labels.values()), told)
    chosen = columns.model_copy(
        update={
            "labels": labels,
            "fields": fields,
            "multi_valued": tuple(name for name in columns.multi_valued if name in several.values()),
        }
    )
    return ProductsSuggestion(
        plain.inspection,
        plain.data.model_copy(update={"target": None, "columns": chosen}),
        plain.preprocess,
        _reasons(plain, targets, chosen, path),
        plain.notes,
        targets,
        unused,
        _fusion(pictures, texts, targets),
    )


def _fusion(pictures: bool, texts: bool, targets: dict[str, TargetConfig]) -> FusionName | None:
    if not targets:
        return "late"
    return None if pictures and texts else "picture" if pictures else "text"


def _path(plain: Suggestion) -> tuple[str, ...]:
    """Columns of the category path, coarse to fine; empty where there is none."""
    names = plain.data.columns.labels.values()
    return longest_path({name: plain.inspection.column(name).cells for name in names})


def _learned(plain: Suggestion) -> set[str]:
    """The columns that a products run learns to tell."""
    return {*_path(plain), *_attributes(plain).values(), *_several(plain).values()}


def _attributes(plain: Suggestion) -> dict[str, str]:
    """Labels that are no level of the path, by key."""
    path, labels = _path(plain), plain.data.columns.labels
    return {
        key: name
        for key, name in labels.items()
        if name not in path and plain.inspection.column(name).distinct <= MOST_CLASSES
    }


def _several(plain: Suggestion) -> dict[str, str]:
    """Columns whose cells hold several of a few values, in a form that the catalogue's reader takes apart."""
    columns = plain.data.columns
    found = {}
    for key, name in columns.fields.items():
        summary = plain.inspection.column(name)
        parts = _parts(summary, columns.separator)
        listed = summary.holds_lists or name in columns.multi_valued
        if listed and 2 <= len(parts) <= min(MOST_CLASSES, 0.5 * parts.total()):
            found[key] = name
    return found


def _parts(column: ColumnSummary, separator: str) -> Counter[str]:
    """How often each value stands in a column of several."""
    if column.holds_lists:
        return column.parts
    parts = Counter[str]()
    for text, count in column.values.items():
        for part in parts_of(text, separator):
            parts[part] += count
    return parts


def _targets(
    plain: Suggestion, path: tuple[str, ...], attributes: dict[str, str], several: dict[str, str]
) -> dict[str, TargetConfig]:
    """The path, else the likeliest label, comes first."""
    targets = {}
    keys = keys_of(plain.inspection)
    if path:
        finest = keys[path[-1]]
        taken = CATEGORY in {*attributes, *several}
        targets[finest if taken else CATEGORY] = TargetConfig(labels=tuple(keys[name] for name in path))
    elif plain.data.target in attributes:
        targets[plain.data.target] = TargetConfig(labels=(plain.data.target,))
    targets |= {key: TargetConfig(labels=(key,)) for key in attributes if key not in targets}
    return targets | {key: TargetConfig(labels=(key,), several=True) for key in several}


def _fields(plain: Suggestion, labels: set[str], main: str | None) -> tuple[dict[str, str], dict[str, str]]:
    """Columns that a model may read, by key, and why the others are of no use."""
    found = plain.inspection
    columns = plain.data.columns
    roles = {columns.id, columns.title, columns.description, *columns.images, *labels}
    fields, unused = {}, {}
    keys = keys_of(found)
    for column in found.columns:
        if column.name in roles:
            continue
        why = _no_field(column)
        if why is None and main and determination(column.cells, found.column(main).cells) >= FIRM:
            why = f"tells {main}: as an input it would give the answer away"
        if why is None:
            fields[keys[column.name]] = column.name
        else:
            unused[column.name] = why
    return fields, unused


def _no_field(column: ColumnSummary) -> str | None:
    """Why a column is no input, whatever the target."""
    if column.kind in ("empty", "picture", "address"):
        return {"empty": "empty", "picture": "pictures", "address": "addresses"}[column.kind]
    if len(column.values) < 2:
        return f"one value only, {next(iter(column.values))!r}"
    if column.kind == "list":
        return "several values in a form or number that is not learned"
    whole = all(value.isdigit() for value in column.values)
    if (column.kind != "number" or whole) and column.distinct > 0.5 * column.filled:
        return f"{column.distinct:,} different values, too many to recur"
    return None


def _reasons(
    plain: Suggestion, targets: dict[str, TargetConfig], columns: ColumnMap, path: tuple[str, ...]
) -> dict[str, str]:
    """Why each key is what it is."""
    found = plain.inspection
    reasons = {key: why for key, why in plain.reasons.items() if not key.startswith(_REPLACED)}
    several = {target.labels[0] for target in targets.values() if target.several}
    for key, name in columns.labels.items():
        column = found.column(name)
        count = len(_parts(column, columns.separator)) if key in several else column.distinct
        reasons[f"data.columns.labels.{key}"] = f"{count} values that recur"
    for key, name in columns.fields.items():
        reasons[f"data.columns.fields.{key}"] = f"a column of kind {found.column(name).kind}; see [table]"
    if columns.multi_valued:
        reasons["data.columns.multi_valued"] = several_reason(found, columns)
    for place, (name, target) in enumerate(targets.items()):
        why = "an attribute"
        if target.several:
            why = "its cells hold several values"
        elif len(target.labels) > 1:
            pairs = zip(path[1:], path, strict=False)
            told = min(determination(found.column(f).cells, found.column(c).cells) for f, c in pairs)
            why = f"each level tells the one before, {told:.0%} of the way at least"
        elif not place:
            why = "the main one by its name or its number of values"
        reasons[f"targets.{name}"] = why
    return reasons
