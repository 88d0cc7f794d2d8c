"""A whole catalogue through a products bundle, streamed to Parquet or CSV, a status per row."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import AbstractContextManager
from pathlib import Path

from shelfwise.bundle import ProductsBundle
from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.data.catalog import image_root_of, mapped_columns, read_catalog
from shelfwise.data.tables import open_table
from shelfwise.files import replacing
from shelfwise.predict.answer_files import (
    Counts,
    Row,
    Write,
    check_out,
    check_suffix,
    csv_file,
    parquet_file,
    product_chunks,
)
from shelfwise.predict.products import ASKED, CHUNK, ProductPredictor
from shelfwise.predict.zero_shot import NamedClasses
from shelfwise.schema import Product, ProductAnswer, RowError

log = logging.getLogger(__name__)
ENDS = ("known", "warnings", "error", "error_kind", "bundle")


def predict_products(
    predictor: ProductPredictor,
    config: CatalogConfig,
    out: Path,
    *,
    top: int = 3,
    among: NamedClasses | None = None,
    watch: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Answer for every row of a catalogue in bounded memory; `out` appears only when it is whole.

    A row that cannot be read is written with status `failed` and the reason. `watch` sees the counts
    after every chunk; `among` as for `ProductPredictor.predict`."""
    check_suffix(out)
    check_out(out, "the catalogue", config.source)
    counts, targets = Counts(), tuple(predictor.bundle.reading.targets)
    if among is not None:
        targets = (*targets, ASKED)
    columns = columns_of(targets)
    asked = predictor.bundle.config.effective_targets
    several = frozenset(columns[name][0] for name in columns if name in asked and asked[name].several)
    with replacing(out) as partial, _writer(out.suffix, partial, columns, several) as write:
        for rows in product_chunks(read_catalog(config), CHUNK):
            answers = list(_answers(predictor, rows, image_root_of(config), top, among))
            for answer in answers:
                counts.add(answer)
            write([_row(answer, columns) for answer in answers])
            watch(counts)
    return counts


def own_columns(bundle: ProductsBundle, config: CatalogConfig) -> CatalogConfig | None:
    """A bare table read as the bundle's own catalogue was, as far as it has the same columns.

    None without the bundle's id column, or without anything else that it reads."""
    own = bundle.config.data.columns
    fields = {name: own.fields[name] for name in bundle.config.table.fields}
    reads = own.model_copy(update={"labels": {}, "multi_valued": (), "fields": fields})
    there = set(open_table(config, mapped_columns(reads)).columns)
    fields = {name: column for name, column in fields.items() if column in there}
    columns = ColumnMap(
        id=own.id,
        images=tuple(name for name in own.images if name in there),
        title=own.title if own.title in there else None,
        description=own.description if own.description in there else None,
        fields=fields,
        multi_valued=tuple(name for name in own.multi_valued if name in fields.values()),
        separator=own.separator,
    )
    if own.id not in there or not (columns.images or columns.title or columns.description or fields):
        return None
    log.info("'%s' has the columns of the bundle's own catalogue, and is read like it", config.source)
    return config.model_copy(update={"columns": columns})


def _answers(
    predictor: ProductPredictor,
    rows: list[Product | RowError],
    root: Path,
    top: int,
    among: NamedClasses | None,
) -> Iterator[ProductAnswer]:
    """Answers in the order of the rows."""
    usable = (row for row in rows if isinstance(row, Product))
    answered = predictor.predict(usable, root, top=top, among=among)
    for row in rows:
        if isinstance(row, Product):
            yield next(answered)
        else:
            yield ProductAnswer(
                id=row.id or f"row {row.row}",
                status="failed",
                error=str(row),
                error_kind=row.kind,
                bundle=predictor.bundle.label,
            )


def columns_of(targets: Sequence[str]) -> dict[str, tuple[str, str]]:
    """The columns of each target's labels and of their probabilities.

    They are called after the target; `target_NAME` where there is such a column already."""
    taken = {"id", "status", *ENDS}
    found = {}
    for target in targets:
        name = target
        while not taken.isdisjoint((name, f"{name}_probability")):
            name = f"target_{name}"
        found[target] = name, f"{name}_probability"
        taken.update(found[target])
    return found


def _row(answer: ProductAnswer, columns: dict[str, tuple[str, str]]) -> Row:
    """A flat row: of each target the labels and their probabilities."""
    row: Row = {"id": answer.id, "status": answer.status}
    for target, (labels, probabilities) in columns.items():
        said = answer.targets.get(target)
        row[labels] = None if said is None else list(said.labels)
        row[probabilities] = None if said is None else list(said.probabilities)
    dumped = answer.model_dump()
    return row | {name: dumped[name] for name in ENDS}


def _writer(
    suffix: str, path: Path, columns: dict[str, tuple[str, str]], several: frozenset[str]
) -> AbstractContextManager[Write]:
    """What writes rows to a file of that kind; `several` are columns of several values at once."""
    names = ["id", "status", *(name for both in columns.values() for name in both), *ENDS]
    if suffix == ".csv":
        paths = {labels for labels, _ in columns.values()} - several
        return csv_file(path, names, lambda row: _cells(row, paths))
    import pyarrow as pa

    kinds = dict.fromkeys(("known", "warnings"), pa.list_(pa.string()))
    for labels, probabilities in columns.values():
        kinds |= {labels: pa.list_(pa.string()), probabilities: pa.list_(pa.float64())}
    return parquet_file(path, pa.schema([(name, kinds.get(name, pa.string())) for name in names]))


def _cells(row: Row, paths: Set[str]) -> Row:
    """Paths joined by ` > `, all other lists by `|`; as JSON where a value itself holds what joins them."""
    return row | {
        name: _joined(value, " > " if name in paths else "|")
        for name, value in row.items()
        if isinstance(value, list | tuple)
    }


def _joined(values: Sequence[object], joint: str) -> str:
    if any(isinstance(item, str) and joint.strip() in item for item in values):
        return json.dumps(values, ensure_ascii=False)
    return joint.join(f"{item:.6g}" if isinstance(item, float) else str(item) for item in values)
