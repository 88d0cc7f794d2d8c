"""A whole catalogue through a predictor, streamed to Parquet or CSV, a status per row."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

from shelfwise.config import CatalogConfig
from shelfwise.data import fashion_mnist
from shelfwise.data.catalog import image_root_of, read_catalog, resolve
from shelfwise.data.datasets import FASHION_MNIST
from shelfwise.errors import DataError
from shelfwise.files import replacing
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


@dataclass
class Counts:
    """Rows in = rows ok + rows failed; `kinds` counts failures and warnings by kind."""

    ok: int = 0
    failed: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def rows(self) -> int:
        """Rows read."""
        return self.ok + self.failed


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
    if out.suffix not in WRITERS:
        raise DataError(f"--out '{out}': expected a .parquet or .csv file")
    config = resolve(argument)
    _check_out(out, argument, config.source)
    counts = Counts()
    root = image_root_of(config)
    with replacing(out) as partial, WRITERS[out.suffix](partial) as write:
        for rows in _chunks(_rows(config)):
            write(_answer(predictor, rows, counts, top=top, root=root))
            watch(counts)
    return counts


def _check_out(out: Path, *inputs: str) -> None:
    """DataError where `out` is a folder, has no folder to be in, or is the catalogue itself."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"--out '{out}': its folder cannot be made: {error.strerror}") from None
    if out.is_dir():
        raise DataError(f"--out '{out}' is a folder; name a file in it")
    if out.exists() and any(Path(name).exists() and out.samefile(name) for name in inputs):
        raise DataError(f"--out '{out}' is the catalogue itself; name another file")


def _rows(config: CatalogConfig) -> Iterator[Product | RowError | RowWarning]:
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
        counts.ok += answer.status == "ok"
        counts.failed += answer.status == "failed"
        counts.kinds.update(answer.warnings)
        counts.kinds.update([answer.error_kind] if answer.error_kind else [])
        answers.append(answer)
    return answers


def _chunks(
    rows: Iterator[Product | RowError | RowWarning],
) -> Iterator[list[Product | RowError]]:
    """Products and errors in lists of `CHUNK`; warnings of the reader are left to `data report`."""
    chunk: list[Product | RowError] = []
    for row in rows:
        if isinstance(row, RowWarning):
            continue
        chunk.append(row)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


Write = Callable[[list[Prediction]], None]


@contextmanager
def _parquet(path: Path) -> Iterator[Write]:
    """Writes one row group a chunk."""
    import pyarrow as pa
    from pyarrow import parquet

    score = pa.struct([("label", pa.string()), ("probability", pa.float64())])
    kinds = {"probability": pa.float64(), "top": pa.list_(score), "warnings": pa.list_(pa.string())}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    with parquet.ParquetWriter(path, schema) as writer:

        def write(answers: list[Prediction]) -> None:
            rows = [answer.model_dump() for answer in answers]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))

        yield write


@contextmanager
def _csv(path: Path) -> Iterator[Write]:
    """Writes UTF-8 with a header; `top` as `label:probability` joined by `|`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()

        def write(answers: list[Prediction]) -> None:
            for answer in answers:
                row = answer.model_dump()
                row["top"] = "|".join(f"{s.label}:{s.probability:.6g}" for s in answer.top)
                row["warnings"] = "|".join(answer.warnings)
                writer.writerow(row)

        yield write
        file.flush()
        os.fsync(file.fileno())


WRITERS = {".parquet": _parquet, ".csv": _csv}
