"""The classes of a target among a shop's products, and each product's labels as numbers."""

from __future__ import annotations

from collections.abc import Iterator

from numpy import ndarray

from shelfwise.config import ColumnMap, TargetConfig
from shelfwise.data.cells import list_in
from shelfwise.data.product_rows import LabelValue, ProductRows
from shelfwise.data.taxonomy import Row, Taxonomy
from shelfwise.errors import ConfigError, DataError


def classes_of(name: str, target: TargetConfig, rows: ProductRows) -> Taxonomy:
    """The classes of a target among some products; ConfigError where there are fewer than two."""
    try:
        found = Taxonomy.of(_single(target, rows), target.labels)
    except DataError as error:
        raise ConfigError(f"target '{name}': {error}") from None
    if len(found) < 2:
        raise ConfigError(f"target '{name}' has one class only: {' > '.join(found.paths[0])}")
    return found


def check_several(name: str, target: TargetConfig, rows: ProductRows, columns: ColumnMap) -> None:
    """ConfigError where a target has several values, and cells that join some are read as one value each."""
    column = columns.labels[target.labels[0]]
    if not target.several or column in columns.multi_valued or not columns.separator:
        return
    for value in rows.labels[target.labels[0]]:
        if isinstance(value, str) and (columns.separator in value or list_in(value) is not None):
            raise ConfigError(
                f"targets.{name} has several values, but '{value}' of column '{column}' is read as one: "
                f"add '{column}' to data.columns.multi_valued"
            )


def labels_of(target: TargetConfig, rows: ProductRows, classes: Taxonomy) -> ndarray:
    """Node numbers [N, levels] of a path or an attribute, or many-hot values [N, K]; -1 is unknown."""
    if target.several:
        return classes.encode_sets([_values(value) for value in rows.labels[target.labels[0]]])
    return classes.encode_rows(paths_of(target, rows))


def paths_of(target: TargetConfig, rows: ProductRows) -> list[Row]:
    """What the products' labels say of every level, coarse to fine; of several values the first."""
    columns = [[_first(value) for value in rows.labels[label]] for label in target.labels]
    return list(zip(*columns, strict=True))


def _single(target: TargetConfig, rows: ProductRows) -> Iterator[Row]:
    """Rows for `Taxonomy.of`; of several values one row each."""
    if target.several:
        for value in rows.labels[target.labels[0]]:
            yield from ((one,) for one in _values(value) or ())
    else:
        yield from paths_of(target, rows)


def _first(value: LabelValue) -> str | None:
    return (value[0] if value else None) if isinstance(value, tuple) else value


def _values(value: LabelValue) -> tuple[str, ...] | None:
    return (value,) if isinstance(value, str) else value
