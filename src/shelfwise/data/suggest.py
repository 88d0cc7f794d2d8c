"""From an inspection to a ready configuration: what each column probably means, and why we think so."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from shelfwise.config import TAKEN_TARGETS, CatalogConfig, ColumnMap, PreprocessConfig
from shelfwise.data.cells import product_of
from shelfwise.data.inspect import ColumnSummary, Inspection, inspect_file
from shelfwise.data.pictures import DecodedPicture
from shelfwise.data.product_pictures import PicturedProduct, decode_product
from shelfwise.data.tables import TREE_MAP
from shelfwise.schema import Product

IDS = ("id", "sku", "productid", "itemid", "articleid", "articlenumber", "asin", "uniqid", "gtin", "ean")
TITLES = ("title", "producttitle", "productdisplayname", "productname", "name", "itemname", "displayname")
DESCRIPTIONS = ("description", "productdescription", "desc", "body", "reviewtext", "text", "details", "about")
TARGETS = (
    *("category", "class", "label", "target", "producttype", "articletype", "type", "classname"),
    *("subcategory", "department", "departmentname", "mastercategory"),
)
_FOLDERS = ("", "images", "image", "pictures", "photos", "img")
_NEARLY_UNIQUE = 0.9
"""Least share of different values in a column that is taken for the id by its name."""
_LARGEST_SIDE = 64
"""Longest side of the suggested model input: what trains on a laptop."""
MOST_CLASSES = 200
"""Values from which a column's are taken for names rather than classes."""


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
    """Roles are given one after the other; a column that has one is out for the next."""
    free = {column.name: column for column in found.columns}
    identity = _guess_id(list(free.values()), reasons, notes)
    free.pop(identity)
    images = tuple(name for name, column in free.items() if column.kind == "picture")
    if images:
        what = "bytes" if free[images[0]].encoded else "paths"
        reasons["data.columns.images"] = f"the values are {what} of pictures"
    # One separator is read: paths of pictures that were not taken apart would not be found.
    separators = sorted(
        (column for column in free.values() if column.separator), key=lambda column: column.name not in images
    )
    separator = separators[0].separator if separators else None
    for name in images:
        free.pop(name)
    addresses = [name for name, column in free.items() if column.kind == "address"]
    if addresses:
        notes.append(f"{', '.join(addresses)}: addresses; pictures are not fetched, download them first")
    title = _guess_title(list(free.values()), reasons)
    free.pop(title or "", None)
    description = _guess_description(list(free.values()), reasons)
    free.pop(description or "", None)
    keys = keys_of(found)
    labels = _guess_labels(free, keys, reasons)
    fields = {
        keys[name]: name
        for name, column in free.items()
        if name not in labels.values() and column.kind in ("number", "date", "list", "text")
    }
    for key, name in fields.items():
        reasons[f"data.columns.fields.{key}"] = f"a column of kind {free[name].kind}, kept as it is"
    columns = ColumnMap(
        id=identity,
        images=images,
        title=title,
        description=description,
        labels=labels,
        fields=fields,
        multi_valued=tuple(
            name
            for name in free
            if separator and free[name].separator == separator and name not in (title, description)
        ),
        separator=separator or "|",
    )
    if separator:
        reasons["data.columns.separator"] = "joins several values in a cell"
    if columns.multi_valued:
        reasons["data.columns.multi_valued"] = f"cells hold several values joined by {columns.separator!r}"
    return columns, _guess_target(found, labels, reasons)


def _guess_id(columns: list[ColumnSummary], reasons: dict[str, str], notes: list[str]) -> str:
    """A unique column, the one with an id's name first; else the one with the most different values.

    A column with an id's name may have a few rows that repeat or lack it: those rows are in error, and
    another column that happens to be unique is not the id."""
    named = by_name([column for column in columns if column.is_unique], IDS)
    nearly = by_name([c for c in columns if c.distinct >= _NEARLY_UNIQUE * c.rows], IDS)
    if named is None and nearly is not None:
        reasons["data.columns.id"] = "named like an id, and nearly every value differs"
        notes.append(f"rows that repeat or lack an id in '{nearly.name}' will be refused")
        return nearly.name
    short = [column for column in columns if column.is_unique and column.mean_characters <= 40]
    whole = [column for column in short if column.kind != "picture"]
    if named or whole:
        best = named or whole[0]
        reasons["data.columns.id"] = (
            "named like an id, and every value differs" if named else "every value differs"
        )
        return best.name
    best = max(columns, key=lambda column: (len(column.values), column.fill_rate))
    reasons["data.columns.id"] = "NOT unique, only the column with the most different values"
    notes.append(f"no column is unique: rows that repeat an id in '{best.name}' will be refused")
    return best.name


def _guess_title(columns: list[ColumnSummary], reasons: dict[str, str]) -> str | None:
    texts = [column for column in columns if column.kind in ("text", "category", "list")]
    named = by_name(texts, TITLES)
    if named:
        reasons["data.columns.title"] = "its name"
        return named.name
    short = [column for column in texts if column.kind == "text" and 8 <= column.mean_characters <= 120]
    if not short:
        return None
    best = max(short, key=lambda column: column.distinct * column.fill_rate)
    reasons["data.columns.title"] = f"short texts, {best.mean_characters:.0f} characters on average"
    return best.name


def _guess_description(columns: list[ColumnSummary], reasons: dict[str, str]) -> str | None:
    texts = [column for column in columns if column.kind in ("text", "list") and not column.lists]
    named = by_name(texts, DESCRIPTIONS)
    long = [column for column in texts if column.mean_characters > 60]
    best = named or max(long, key=lambda column: column.mean_characters, default=None)
    if best is None:
        return None
    reasons["data.columns.description"] = (
        "its name" if named else f"the longest texts, {best.mean_characters:.0f} characters on average"
    )
    return best.name


def _guess_labels(
    free: dict[str, ColumnSummary], keys: dict[str, str], reasons: dict[str, str]
) -> dict[str, str]:
    labels: dict[str, str] = {}
    for name, column in free.items():
        if column.kind != "category" or column.distinct < 2:
            continue
        label = keys[name]
        labels[label] = name
        reasons[f"data.columns.labels.{label}"] = f"{column.distinct} values that recur"
    return labels


def _guess_target(found: Inspection, labels: dict[str, str], reasons: dict[str, str]) -> str | None:
    usable = [found.column(name) for name in labels.values() if found.column(name).distinct <= MOST_CLASSES]
    named = by_name(usable, TARGETS)
    best = named or max(usable, key=lambda column: column.distinct, default=None)
    if best is None:
        return None
    why = "its name" if named else "the label with the most values"
    reasons["data.target"] = f"{why}; any key of [data.columns.labels] will do"
    return keys_of(found)[best.name]


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


def by_name(columns: list[ColumnSummary], names: tuple[str, ...]) -> ColumnSummary | None:
    """The column whose name, without case and punctuation, comes first among `names`."""
    ranked = [(names.index(_bare(column.name)), column) for column in columns if _bare(column.name) in names]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _bare(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def keys_of(found: Inspection) -> dict[str, str]:
    """Column to key: its name in snake case, with a number where that is taken."""
    keys: dict[str, str] = {}
    for column in found.columns:
        key = name = snake(column.name)
        number = 1
        while key in keys.values() or key in TAKEN_TARGETS:
            number += 1
            key = f"{name}_{number}"
        keys[column.name] = key
    return keys


def snake(name: str) -> str:
    """`baseColour` and `Base Colour` as `base_colour`."""
    spaced = "".join(
        f"_{letter}" if letter.isupper() and i and name[i - 1].islower() else letter
        for i, letter in enumerate(name)
    )
    kept = "".join(letter.lower() if letter.isalnum() else "_" for letter in spaced)
    return "_".join(part for part in kept.split("_") if part) or "field"
