"""What `shelfwise predict` does with a products bundle: pictures, a title, both, or a whole catalogue."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shelfwise.cli import data_folders
from shelfwise.cli.answer_line import answer_line
from shelfwise.cli.predict import PICTURES, progress, tell_counts
from shelfwise.errors import DataError

if TYPE_CHECKING:
    from shelfwise.bundle import ProductsBundle
    from shelfwise.predict.onnx_backend import Precision
    from shelfwise.predict.products import ProductPredictor
    from shelfwise.schema import FieldValue, Product, ProductAnswer


def answer_products(
    bundle: ProductsBundle,
    files: list[str],
    title: str | None,
    out: Path | None,
    *,
    fields: list[str],
    as_json: bool,
    threads: int | None,
    precision: Precision,
    top: int,
    labels: str | None = None,
) -> int:
    """Print the answer for one product, or stream a catalogue's answers; how many failed.

    Several pictures are pictures of one product; `fields` are NAME=VALUE; `labels` are names to choose from,
    joined by commas. DataError where it is not clear what to ask."""
    from shelfwise.predict.product_backend import OnnxProductBackend
    from shelfwise.predict.products import ProductPredictor

    names = _names(labels)
    if out is not None:
        from shelfwise.predict.answer_files import check_suffix

        check_suffix(out)
        if title is not None or fields:
            what = "--title" if title is not None else "--field"
            raise DataError(f"{what} is of one product, --out is for a catalogue: give either")
        from shelfwise.data.catalog import resolve
        from shelfwise.predict.product_stream import own_columns, predict_products

        if not bundle.reading.targets and not names:
            raise DataError(
                f"'{bundle.path}' has learned no targets to answer: compare names with --labels, or make an "
                "index of the vectors with `shelfwise index`"
            )
        config = resolve(files[0], folders=data_folders(), known=partial(own_columns, bundle))
        predictor = ProductPredictor(bundle, OnnxProductBackend(bundle, threads, precision))
        among = predictor.named(names) if names else None
        with progress("products") as watch:
            counts = predict_products(predictor, config, out, top=top, among=among, watch=watch)
        return tell_counts(counts, out)
    product = one_product(bundle, files, title, fields)
    predictor = ProductPredictor(bundle, OnnxProductBackend(bundle, threads, precision))
    among = predictor.named(names) if names else None
    (answer,) = predictor.predict([product], Path(), top=top, among=among)
    if as_json:
        print(answer.model_dump_json())
    else:
        _tell(answer, predictor.read_one(product).bad if answer.warnings else None)
        if answer.status == "ok" and not bundle.reading.targets:
            _tell_likeness(predictor, product)
    return int(answer.status == "failed")


def _names(labels: str | None) -> list[str]:
    """The names in `--labels`, each once."""
    if labels is None:
        return []
    names = list(dict.fromkeys(name.strip() for name in labels.split(",") if name.strip()))
    if len(names) < 2:
        raise DataError(f"--labels {labels!r}: name two or more, joined by commas, such as 'clog, loafer'")
    return names


def _fields(bundle: ProductsBundle, given: list[str]) -> dict[str, FieldValue]:
    """The table fields of NAME=VALUE words, as a catalogue's cells are read; DataError for unknown ones."""
    from shelfwise.data.cells import field_of

    known, columns = bundle.config.table.fields, bundle.config.data.columns
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or name not in known:
            there = ", ".join(known) or "none"
            raise DataError(f"--field {word}: expected NAME=VALUE; '{bundle.path}' reads the fields: {there}")
        many = columns.fields[name] in columns.multi_valued
        found[name] = field_of(value, columns.separator, many=many)
    return found


def one_product(
    bundle: ProductsBundle,
    files: list[str],
    title: str | None,
    given: list[str],
    *,
    catalogue: str = "add --out FILE.parquet or --out FILE.csv",
) -> Product:
    """The product that pictures, title and `given`, NAME=VALUE, are of.

    `catalogue` is what to do with a whole one. DataError where a picture is not there: a title beside
    it would be answered as if it had been alone."""
    from shelfwise.data.cells import given_product
    from shelfwise.schema import Picture

    tables = {".csv", ".parquet", ".jsonl", ".toml", ".json", ".gz"}
    other = [file for file in files if Path(file).suffix.lower() not in PICTURES]
    if any(Path(file).suffix.lower() in tables for file in other):
        raise DataError(f"'{other[0]}' is a catalogue: {catalogue}")
    if gone := [file for file in files if not Path(file).is_file()]:
        raise DataError(f"picture '{gone[0]}' not found")
    fields = _fields(bundle, given)
    if not files and not (title or "").strip() and not fields:
        raise DataError(f"'{bundle.path}' is a products bundle: name pictures, a --title, or both")
    images = tuple(Picture(path=str(Path(file).absolute())) for file in files)
    id = files[0] if files else "title" if title else "fields"
    return given_product(id, images=images, title=title).model_copy(update={"fields": fields})


def _tell(answer: ProductAnswer, bad: tuple[str, str] | None) -> None:
    """The answer on a terminal; `bad` is kind and reason of the first picture that cannot be used."""
    if answer.status == "failed":
        print(f"failed: {answer.error}")
        return
    width = max(map(len, answer.targets), default=0)
    for name, target in answer.targets.items():
        print(f"{name:<{width}}  {answer_line(target)}")
    print(f"from {' and '.join(answer.known)}, by {answer.bundle}")
    for warning in answer.warnings:
        why = f": {bad[1]}" if bad and warning == "picture_skipped" else ""
        print(f"warning: {warning}{why}")


def _tell_likeness(predictor: ProductPredictor, product: Product) -> None:
    """What a bundle without targets has to say: which training products lie nearest."""
    from shelfwise.explain.neighbours import known_products, nearest_products

    bundle = predictor.bundle
    print(f"it has learned no targets; its vectors of {bundle.reading.shared} numbers are for search")
    known = known_products(bundle)
    if isinstance(known, str):
        return
    vectors = predictor.scores(predictor.encode(predictor.read([product]))).vectors
    assert vectors is not None
    for near in nearest_products(bundle, known, vectors[0]):
        print(f"like  {near.id} {near.title} {near.similarity:.2f}")
