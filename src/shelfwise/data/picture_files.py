"""The files that a catalogue's pictures lie in, told apart by a look at each that does not open it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from shelfwise.config import CatalogConfig
from shelfwise.data.catalog import columns_of, image_root_of
from shelfwise.data.cells import pictures_of_row
from shelfwise.data.product_pictures import source_of
from shelfwise.data.tables import BadRow, open_table
from shelfwise.errors import PictureError


def files_digest(config: CatalogConfig) -> str:
    """A digest of the names, sizes and times of change of all picture files; empty where there are none.

    Pictures inside the table are the table's own content. DataError where the table cannot be read."""
    columns, root = columns_of(config), image_root_of(config)
    if config.source == "fashion-mnist" or not columns.images:
        return ""
    digest, any_file = hashlib.sha256(), False
    for raw in open_table(config, columns.images).rows:
        if isinstance(raw.cells, BadRow):
            continue
        for image in pictures_of_row(raw.cells, columns):
            try:
                source = source_of(image, root)
            except PictureError:  # an address, or damaged data in the cell: no file
                continue
            if isinstance(source, Path):
                digest.update(f"{image.path}\0{_look(source)}\n".encode("utf-8", "replace"))
                any_file = True
    return digest.hexdigest()[:16] if any_file else ""


def _look(path: Path) -> str:
    try:
        found = path.stat()
    except (OSError, ValueError):  # such as a NUL in the name
        return "missing"
    return f"{found.st_size} {found.st_mtime_ns}"
