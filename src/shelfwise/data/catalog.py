"""Products from a shop's own files, streaming: every row becomes a Product or a RowError, never an exception.

Kinds of row error: `missing_id`, `duplicate_id`, `column_count`, `unclosed_quote`, `unreadable_row`,
`not_json`, `not_an_object`, `damaged_file`, and those of `data.pictures` once pictures are decoded.
Kinds of warning: `html`, `mixed_encoding`, and those of `data.pictures` and `data.product_pictures`.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from shelfwise.config import CatalogConfig, ColumnMap, ProductsConfig, ReviewsConfig, load_run
from shelfwise.data.cells import Row, product_of
from shelfwise.data.product_pictures import PicturedProduct, decode_product
from shelfwise.data.suggest import suggest_catalog
from shelfwise.data.tables import TREE_MAP, BadRow, RawRow, format_of, open_table
from shelfwise.errors import ConfigError, DataError
from shelfwise.schema import Product, RowError, RowWarning

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class ReadCount:
    """A tally of rows: `rows == ok + failed`, with errors and warnings by kind."""

    ok: int = 0
    failed: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """Rows in."""
        return self.ok + self.failed

    def watch(self, items: Iterable[T]) -> Iterator[T]:
        """The same items, counted as they pass; what is neither error nor warning is a row that is ok."""
        for item in items:
            if isinstance(item, RowError):
                self.failed += 1
                self.errors[item.kind] += 1
            elif isinstance(item, RowWarning):
                self.warnings[item.kind] += 1
            else:
                self.ok += 1
            yield item

    def as_dict(self) -> dict[str, Any]:
        """The tally for a JSON file."""
        return {
            "rows": self.rows,
            "ok": self.ok,
            "failed": self.failed,
            "errors": dict(self.errors.most_common()),
            "warnings": dict(self.warnings.most_common()),
        }

    def __str__(self) -> str:
        text = f"{self.rows:,} rows in = {self.ok:,} ok + {self.failed:,} failed"
        for what, counts in (("errors", self.errors), ("warnings", self.warnings)):
            if counts:
                text += f"; {what}: " + ", ".join(f"{kind} {n:,}" for kind, n in counts.most_common())
        return text


def read_catalog(config: CatalogConfig) -> Iterator[Product | RowError | RowWarning]:
    """The catalogue's rows in order: a row's warnings first, then its Product or its RowError.

    Pictures are not opened; see `read_pictures`. Raises DataError where the source as a whole cannot be
    read or lacks a mapped column."""
    for row in read_rows(config):
        yield from row.warnings
        yield row.outcome


def read_pictures(
    config: CatalogConfig, *, target_side: int | None = None
) -> Iterator[PicturedProduct | RowError | RowWarning]:
    """As `read_catalog`, with each product's picture decoded; a row without a usable one is a RowError.

    `target_side` lets JPEGs be decoded at reduced size; see `pictures.decode`."""
    root = image_root_of(config)
    column = "|".join(columns_of(config).images) or "image"
    for row in read_rows(config):
        yield from row.warnings
        if isinstance(row.outcome, RowError):
            yield row.outcome
            continue
        outcome, found = decode_product(
            row.outcome,
            root,
            row=row.number,
            max_pixels=config.max_pixels,
            target_side=target_side,
            column=column,
        )
        yield from found
        yield outcome


def read_rows(config: CatalogConfig) -> Iterator[Row]:
    """As `read_catalog`, one Row for each row of the file, with its number.

    Of the ids seen so far 8-byte hashes are kept, about 100 bytes of memory a row."""
    if config.source == "fashion-mnist":
        raise DataError("'fashion-mnist' is for task = 'pictures'; name a catalogue in data.source")
    columns = columns_of(config)
    table = open_table(config, mapped_columns(columns))
    check_columns(mapped_columns(columns), table.columns, config.source)
    seen: set[bytes] = set()
    for raw in table.rows:
        yield _judged(raw, columns, seen)


def columns_of(config: CatalogConfig) -> ColumnMap:
    """The column map in force: a folder without one of its own has `TREE_MAP`."""
    if config.columns == ColumnMap() and Path(config.source).is_dir():
        return TREE_MAP
    return config.columns


def image_root_of(config: CatalogConfig) -> Path:
    """The folder that picture paths are relative to."""
    if config.image_root is not None:
        return config.image_root
    source = Path(config.source)
    return source if source.is_dir() else source.parent


def resolve(
    argument: str,
    *,
    folders: tuple[Path, ...] = (),
    known: Callable[[CatalogConfig], CatalogConfig | None] = lambda _: None,
) -> CatalogConfig:
    """What a CATALOG on the command line means.

    `fashion-mnist`; a .toml or .json config, of which the `[data]` table counts (its paths are looked for in
    `folders`, too; the target of a products run is its first one's finest label); a picture tree; or a table,
    whose columns, unless they are `known`, are guessed as `data inspect` does, and the guess is logged."""
    if argument == "fashion-mnist":
        return CatalogConfig()
    path = Path(argument)
    if path.suffix in (".toml", ".json"):
        run = load_run(path, folders=folders)
        if isinstance(run, ReviewsConfig):
            raise ConfigError(f"config '{path}' has task = 'reviews'; this needs a catalogue of products")
        if isinstance(run, ProductsConfig) and run.data.target is None and run.effective_targets:
            main = next(iter(run.effective_targets.values()))
            return run.data.model_copy(update={"target": main.labels[-1]})
        return run.data
    if format_of(path) == "tree":
        return CatalogConfig(source=argument, columns=TREE_MAP, target="label")
    config = suggest_catalog(path).data
    if (own := known(config)) is not None:
        return own
    logger.warning(
        "columns of '%s' are guessed (id=%s, images=%s, title=%s, target=%s); "
        "`shelfwise data inspect` writes a config to correct",
        *(path, config.columns.id, ",".join(config.columns.images) or None),
        *(config.columns.title, config.target),
    )
    return config


def _judged(raw: RawRow, columns: ColumnMap, seen: set[bytes]) -> Row:
    """The row as a product, unless it could not be read, or its id is missing or known already."""
    number = raw.number
    noted = tuple(RowWarning(row=number, column="row", kind=kind) for kind in raw.warnings)
    if isinstance(raw.cells, BadRow):
        bad = raw.cells
        error = RowError(row=number, column=bad.column, value=bad.value, kind=bad.kind, why=bad.why)
        return Row(number, error, noted)
    row = product_of(number, raw.cells, columns)
    outcome = row.outcome
    if isinstance(outcome, Product) and _known(outcome.id, seen):
        why, twice = "an earlier row has the same id", outcome.id
        outcome = RowError(row=number, column=columns.id, value=twice, kind="duplicate_id", why=why, id=twice)
    return Row(number, outcome, noted + row.warnings)


def _known(identity: str, seen: set[bytes]) -> bool:
    """Whether the id was seen before; it is from now on."""
    key = hashlib.blake2b(identity.encode(), digest_size=8).digest()
    if key in seen:
        return True
    seen.add(key)
    return False


def mapped_columns(columns: ColumnMap) -> tuple[str, ...]:
    """Every column that the map mentions."""
    optional = [name for name in (columns.title, columns.description) if name is not None]
    named = [columns.id, *columns.images, *optional, *columns.labels.values(), *columns.fields.values()]
    return tuple(dict.fromkeys([*named, *columns.multi_valued]))


def check_columns(mapped: tuple[str, ...], present: tuple[str, ...], source: str) -> None:
    """Raise a DataError that lists the mapped columns the table lacks, each with the likeliest it has."""
    twice = [name for name in mapped if present.count(name) > 1]
    if twice:
        raise DataError(f"catalogue '{source}' has more than one column named '{twice[0]}'; rename one")
    missing = [name for name in mapped if name not in present]
    if not missing:
        return
    lower = {name.lower(): name for name in present}
    named = []
    for name in missing:
        near = get_close_matches(name.lower(), lower, n=1, cutoff=0.5)
        named.append(f"'{name}'" + (f" (did you mean '{lower[near[0]]}'?)" if near else ""))
    raise DataError(
        f"catalogue '{source}' has no column {', '.join(named)}; it has: {', '.join(present) or 'none'}"
    )
