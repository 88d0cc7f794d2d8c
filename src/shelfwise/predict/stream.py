"""A whole catalogue through a predictor, streamed to Parquet or CSV, a status per row."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from PIL import Image

from shelfwise.config import CatalogConfig
from shelfwise.data import fashion_mnist
from shelfwise.data.catalog import image_root_of, read_catalog, resolve
from shelfwise.data.datasets import FASHION_MNIST
from shelfwise.files import replacing
from shelfwise.predict.answer_files import (
    Counts,
    Row,
    Write,
    Writer,
    check_out,
    check_suffix,
    csv_file,
    parquet_file,
    product_chunks,
)
from shelfwise.predict.predictor import CHUNK, Predictor
from shelfwise.schema import Picture, Prediction, Product, RowError, RowWarning

COLUMNS = (
    "id",
    "status",
    "target",
    "label",
    "probability",
    "top",
    "warnings",
    "error",
    "error_kind",
    "bundle",
)


def predict_catalog(
    predictor: Predictor,
    argument: str,
    out: Path,
    *,
    top: int = 3,
    watch: Callable[[Counts], None] = lambda _: None,
) -> Counts:
    """Answer for every row of a catalogue in bounded memory; `out` appears only when it is whole.

    A row that cannot be read is written with status `failed` and the reason. `watch` sees the counts
    after every chunk."""
    check_suffix(out)
    config = resolve(argument)
    check_out(out, "the catalogue", argument, config.source)
    counts = Counts()
    root = image_root_of(config)
    with replacing(out) as partial, WRITERS[out.suffix](partial) as write:
        for rows in product_chunks(rows_of(config), CHUNK):
            answers = _answer(predictor, rows, counts, top=top, root=root)
            write([answer.model_dump() for answer in answers])
            watch(counts)
    return counts


def rows_of(config: CatalogConfig) -> Iterator[Product | RowError | RowWarning]:
    """The catalogue's rows; of Fashion-MNIST the test pictures, as PNG, which loses nothing."""
    if config.source != FASHION_MNIST:
        yield from read_catalog(config)
        return
    data = fashion_mnist.load("test", config.folder)
    for identity, pixels in zip(data.ids, data.images, strict=True):
        file = io.BytesIO()
        Image.fromarray(pixels[:, :, 0]).save(file, "PNG")
        yield Product(id=identity, images=(Picture(data=file.getvalue()),))


def _answer(
    predictor: Predictor, rows: list[Product | RowError], counts: Counts, *, top: int, root: Path
) -> list[Prediction]:
    """Predictions for one chunk, in row order."""
    products = [row for row in rows if isinstance(row, Product)]
    answered = iter(predictor.predict(products, top=top, image_root=root))
    answers = []
    for row in rows:
        if isinstance(row, Product):
            answer = next(answered)
        else:
            answer = Prediction(
                id=row.id or f"row {row.row}",
                status="failed",
                error=str(row),
                error_kind=row.kind,
                bundle=predictor.bundle.label,
            )
        counts.add(answer)
        answers.append(answer)
    return answers


def _parquet(path: Path) -> AbstractContextManager[Write]:
    """A Parquet file of answers."""
    import pyarrow as pa

    score = pa.struct([("label", pa.string()), ("probability", pa.float64())])
    kinds = {"probability": pa.float64(), "top": pa.list_(score), "warnings": pa.list_(pa.string())}
    return parquet_file(path, pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS]))


def _csv(path: Path) -> AbstractContextManager[Write]:
    """A CSV file of answers; `top` as `label:probability` joined by `|`."""
    return csv_file(path, COLUMNS, _cells)


def _cells(row: Row) -> Row:
    top = "|".join(f"{score['label']}:{score['probability']:.6g}" for score in row["top"])
    return {**row, "top": top, "warnings": "|".join(row["warnings"])}


WRITERS: dict[str, Writer] = {".parquet": _parquet, ".csv": _csv}
