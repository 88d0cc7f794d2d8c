"""From an inspection to a ready configuration: what each column probably means, and why we think so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from shelfwise.config import CatalogConfig, ColumnMap, PreprocessConfig
from shelfwise.data.cells import product_of
from shelfwise.data.inspect import Inspection, inspect_file
from shelfwise.data.inspect_columns import ColumnSummary
from shelfwise.data.inspect_kinds import ambiguous_number
from shelfwise.data.pictures import DecodedPicture
from shelfwise.data.product_pictures import PicturedProduct, decode_product
from shelfwise.data.suggest_roles import (
    guess_description,
    guess_id,
    guess_labels,
    guess_target,
    guess_title,
    keys_of,
    reads_like_text,
)
from shelfwise.data.tables import TREE_MAP
from shelfwise.schema import Product

_FOLDERS = ("", "images", "image", "pictures", "photos", "img")
_LARGEST_SIDE = 64
"""Longest side of the suggested model input: what trains on a laptop."""


@dataclass(frozen=True)
class Suggestion:
    """A configuration with the reason for each guessed key, such as `data.columns.id`."""

    inspection: Inspection
    data: CatalogConfig
    preprocess: PreprocessConfig
    reasons: dict[str, str]
    notes: tuple[str, ...] = ()
    """What a person should know before using it."""


def suggest_catalog(path: Path) -> Suggestion:
    """The suggestion for a file or folder; see `suggest`."""
    return suggest(inspect_file(path))


def suggest(found: Inspection) -> Suggestion:
    """The likeliest column map, target and picture size, from names and values of the sampled rows."""
    reasons: dict[str, str] = {}
    notes: list[str] = []
    if found.bad_rows > 0.2 * found.rows:
        notes.append(f"{found.bad_rows:,} of the first {found.rows:,} rows cannot be read: is it a table?")
    if found.format == "tree":
        columns, target = _tree_map(found, reasons, notes)
    else:
        columns, target = _table_map(found, reasons, notes)
    root, decoded = _look_at_pictures(found, columns, notes)
    data = CatalogConfig(source=str(found.path), columns=columns, target=target, image_root=root)
    if root is not None:
        reasons["data.image_root"] = "the pictures are found there"
    return Suggestion(found, data, _preprocess(decoded, reasons), reasons, tuple(notes))


def _tree_map(found: Inspection, reasons: dict[str, str], notes: list[str]) -> tuple[ColumnMap, str | None]:
    """Paths are ids and folders are labels, where there are several folders."""
    reasons["data.columns.id"] = reasons["data.columns.images"] = "the path under the folder"
    folders = found.column("folder").distinct
    if folders == 0 or (folders == 1 and found.complete):
        notes.append("all pictures lie in one folder: there is no label to learn")
        return TREE_MAP.model_copy(update={"labels": {}}), None
    reasons["data.columns.labels.label"] = "the name of the folder that holds the picture"
    reasons["data.target"] = "the only label"
    return TREE_MAP, "label"


def _table_map(found: Inspection, reasons: dict[str, str], notes: list[str]) -> tuple[ColumnMap, str | None]:
    """Roles are given one after the other; a column that has one is out for the next.

    The id alone may have another: where only titles or pictures tell the rows apart, they are still read."""
    identity = guess_id(list(found.columns), reasons, notes)
    free = {column.name: column for column in found.columns if column.name != identity}
    images = tuple(column.name for column in found.columns if column.kind == "picture")
    if images:
        what = "bytes" if found.column(images[0]).encoded else "paths"
        reasons["data.columns.images"] = f"the values are {what} of pictures"
    for name in images:
        free.pop(name, None)
    addresses = [name for name, column in free.items() if column.kind == "address"]
    if addresses:
        notes.append(f"{', '.join(addresses)}: addresses; pictures are not fetched, download them first")
    title = guess_title(_texts(found, free, identity), reasons)
    free.pop(title or "", None)
    twice = title == identity
    description = guess_description(_texts(found, free, None if twice else identity), reasons)
    free.pop(description or "", None)
    # One separator is read: paths of pictures that were not taken apart would not be found.
    joined = [found.column(name).separator for name in (*images, *free)]
    separator = next(filter(None, joined), None)
    keys = keys_of(found)
    labels = guess_labels(free, keys, reasons)
    fields = {
        keys[name]: name
        for name, column in free.items()
        if name not in labels.values() and column.kind in ("number", "date", "list", "text")
    }
    for key, name in fields.items():
        reasons[f"data.columns.fields.{key}"] = f"a column of kind {free[name].kind}, kept as it is"
    notes += [_ambiguous(name, odd) for name, column in free.items() if (odd := ambiguous_number(column))]
    columns = ColumnMap(
        id=identity,
        images=images,
        title=title,
        description=description,
        labels=labels,
        fields=fields,
        multi_valued=tuple(name for name, column in free.items() if _is_multi_valued(column, separator)),
        separator=separator or "|",
    )
    if separator:
        reasons["data.columns.separator"] = "joins several values in a cell"
    if columns.multi_valued:
        reasons["data.columns.multi_valued"] = several_reason(found, columns)
    return columns, guess_target(found, labels, reasons)


def _texts(found: Inspection, free: dict[str, ColumnSummary], identity: str | None) -> list[ColumnSummary]:
    """The free columns, and the id where it reads like a text, in the order of the file."""
    return [
        column
        for column in found.columns
        if column.name in free or (column.name == identity and reads_like_text(column))
    ]


def _is_multi_valued(column: ColumnSummary, separator: str | None) -> bool:
    """Whether the reader takes the cells apart: they are joined by its separator, or lists written out."""
    joined = separator is not None and column.separator == separator
    return joined or (column.holds_lists and column.written > 0)


def several_reason(found: Inspection, columns: ColumnMap) -> str:
    """How the cells of the multi-valued columns hold several values."""
    forms = {found.column(name).separator is None for name in columns.multi_valued}
    joined = f"joined by {columns.separator!r}"
    how = {False: joined, True: "as lists written out"}
    return f"cells hold several values {' or '.join(how[form] for form in sorted(forms))}"


def _ambiguous(name: str, text: str) -> str:
    plain = text.replace(",", "")
    point = text.replace(",", ".")
    return f"'{name}': '{text}' may be {plain} or {point}, and is read as a word; write it as one of them"


def _look_at_pictures(
    found: Inspection, columns: ColumnMap, notes: list[str]
) -> tuple[Path | None, list[DecodedPicture]]:
    """The image root (None: the table's own folder) and the first rows' pictures, decoded."""
    if not columns.images:
        return None, []
    rows = [product_of(2, cells, columns).outcome for cells in found.cells]
    products = [product for product in rows if isinstance(product, Product) and product.images]
    home = found.path if found.path.is_dir() else found.path.parent
    for folder in _FOLDERS:
        outcomes = [decode_product(product, home / folder, row=2)[0] for product in products]
        decoded = [done.picture for done in outcomes if isinstance(done, PicturedProduct)]
        if decoded:
            if len(decoded) < len(products):
                notes.append(f"{len(products) - len(decoded)} of the first {len(products)} pictures failed")
            return (home / folder if folder else None), decoded
    notes.append(f"none of the first pictures was found under '{home}': set data.image_root")
    return None, []


def _preprocess(decoded: list[DecodedPicture], reasons: dict[str, str]) -> PreprocessConfig:
    """Model input near the pictures' own shape; ready 28x28 grey pictures stay as they are."""
    if not decoded:
        reasons["preprocess.height"] = "no picture could be looked at"
        reasons["preprocess.channels"] = "as most product photos"
        return PreprocessConfig(height=_LARGEST_SIDE, width=_LARGEST_SIDE, channels=3, fit="pad")
    grey = all(picture.pixels.shape[2] == 1 for picture in decoded)
    width = median(picture.pixels.shape[1] for picture in decoded)
    height = median(picture.pixels.shape[0] for picture in decoded)
    reasons["preprocess.height"] = (
        f"the first {len(decoded)} pictures are {width:.0f}x{height:.0f} at the median"
    )
    reasons["preprocess.channels"] = "all of them are grey" if grey else "they have colour"
    reasons["preprocess.fit"] = "keeps the whole product at its own aspect"
    if grey and width == height == 28:
        reasons["preprocess.fit"] = "ready pictures of that data set's form"
        return PreprocessConfig()
    scale = min(1.0, _LARGEST_SIDE / max(width, height))
    return PreprocessConfig(
        height=max(16, round(height * scale / 8) * 8),
        width=max(16, round(width * scale / 8) * 8),
        channels=1 if grey else 3,
        fit="pad",
    )
