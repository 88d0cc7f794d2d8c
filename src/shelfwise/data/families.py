"""Product families: the listings of one product, which must never be split between training and test.

Three things make products a family: the same normalised title, the same picture file, or a near-identical
picture. Equal titles and files are plain equalities. Nearness is not one (a may be near b, and b near c,
and a far from c: joining all near pairs chains thousands of products into one family), so a picture is
compared with the first picture of a group only: a group's pictures all lie within the bounds of its first.
"""

from __future__ import annotations

import csv
import hashlib
import re
import tempfile
import unicodedata
from collections.abc import Hashable, Iterable
from typing import IO

import numpy as np
from jaxtyping import Int64, UInt8, UInt64
from numpy import ndarray

from shelfwise.config import SplitConfig
from shelfwise.data.duplicates import near_pairs
from shelfwise.data.hashing import THUMBNAIL, Fingerprint
from shelfwise.errors import DataError

_WORDS = re.compile(r"\w+")


def normalise_title(title: str | None) -> str:
    """The title's words in one form of case, width and spacing; empty where there are none."""
    return " ".join(_WORDS.findall(unicodedata.normalize("NFKC", title or "").casefold()))


class Fingerprints:
    """The fingerprints of a catalogue, row by row, thumbnails in a temporary file; use it with `with`.

    About 300 bytes of memory a product; the 3 kB of each thumbnail lie on disk."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.titles: list[bytes] = []
        """A digest of each normalised title; empty for none."""
        self.files: list[bytes] = []
        self._products: list[int] = []
        self._hashes = bytearray()
        self._spool: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the object

    def add(self, product: str, title: str | None, pictures: Iterable[Fingerprint]) -> None:
        """Append one product with any number of pictures."""
        words = normalise_title(title)
        self.titles.append(hashlib.sha256(words.encode()).digest()[:16] if words else b"")
        for picture in pictures:
            self._products.append(len(self.ids))
            self.files.append(picture.file[:16])
            self._hashes += picture.hash.tobytes()
            self._spool.write(picture.thumbnail.tobytes())
        self.ids.append(product)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def products(self) -> Int64[ndarray, "P"]:
        """The row of the product that each picture belongs to."""
        return np.array(self._products, dtype=np.int64)

    @property
    def hashes(self) -> UInt64[ndarray, "P 4"]:
        """The difference hash of each picture."""
        return np.frombuffer(bytes(self._hashes), dtype=np.uint64).reshape(-1, 4)

    @property
    def thumbnails(self) -> UInt8[ndarray, "P 32 32 3"]:
        """The thumbnail of each picture, mapped from disk."""
        shape = (len(self.files), THUMBNAIL, THUMBNAIL, 3)
        if not self.files:
            return np.empty(shape, dtype=np.uint8)
        self._spool.flush()
        return np.memmap(self._spool, dtype=np.uint8, mode="r", shape=shape)

    def __enter__(self) -> Fingerprints:
        return self

    def __exit__(self, *error: object) -> None:
        self._spool.close()


def near_picture_pairs(prints: Fingerprints, config: SplitConfig) -> Int64[ndarray, "Q 2"]:
    """Pictures (i, j), i < j, within the configured bounds of each other."""
    return near_pairs(
        prints.hashes,
        prints.thumbnails,
        max_distance=config.max_distance,
        max_pixel_difference=config.max_pixel_difference,
    )


def picture_groups(prints: Fingerprints, pairs: Int64[ndarray, "Q 2"]) -> list[int]:
    """For each picture, the picture that leads its group of near-identical ones (itself if none does).

    Pictures are taken in the order of their product's id; a picture joins the first leader that it is near
    to, or becomes a leader itself."""
    products = prints.products
    order = np.array(sorted(range(len(products)), key=lambda p: (prints.ids[products[p]], p)), dtype=np.int64)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    ranked = np.sort(rank[pairs], axis=1)
    ranked = ranked[np.lexsort((ranked[:, 0], ranked[:, 1]))]
    leader = np.arange(len(order))
    for earlier, later in ranked.tolist():
        if leader[later] == later and leader[earlier] == earlier:
            leader[later] = earlier
    return [int(p) for p in order[leader[rank]]]


def assign_families(
    prints: Fingerprints, config: SplitConfig, *, pairs: Int64[ndarray, "Q 2"] | None = None
) -> list[str]:
    """The family of each product, named by its first id in sorted order; the order of rows is irrelevant.

    `pairs` are those of `near_picture_pairs`, where the caller has them already."""
    groups = picture_groups(prints, near_picture_pairs(prints, config) if pairs is None else pairs)
    rows = prints.products.tolist()
    titles = _equal(prints.titles, range(len(prints)))
    parents = np.arange(len(prints))
    for a, b in [*titles, *_equal(prints.files, rows), *_equal(groups, rows)]:
        _join(parents, a, b)
    roots = [_root(parents, row) for row in range(len(prints))]
    first: dict[int, str] = {}
    for name, root in zip(prints.ids, roots, strict=True):
        first[root] = min(name, first.get(root, name))
    return [first[root] for root in roots]


def families_of(prints: Fingerprints, config: SplitConfig) -> list[str]:
    """The family of each product: as `split.families` says, else by `assign_families`.

    A product that the file lacks, or gives no family, is one of its own. DataError where the file cannot be
    read."""
    if config.families is None:
        return assign_families(prints, config)
    path = config.families
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            # A row that is cut short has None where a cell should be.
            known = {(row["id"] or "").strip(): (row["family"] or "").strip() for row in csv.DictReader(file)}
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        why = f"it has no column {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(f"families '{path}' cannot be read: {why}; expected a CSV of id and family") from None
    return [known.get(name) or name for name in prints.ids]


def _equal(values: Iterable[Hashable], rows: Iterable[int]) -> list[tuple[int, int]]:
    """Pairs of product rows that hold the same value, each with the first of its kind; empty values aside."""
    first: dict[Hashable, int] = {}
    links = []
    for row, value in zip(rows, values, strict=True):
        seen = first.setdefault(value, row) if value != b"" else row
        if seen != row:
            links.append((seen, row))
    return links


def _root(parents: Int64[ndarray, "N"], row: int) -> int:
    """The representative of a row's set, the way to it halved."""
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = int(parents[row])
    return row


def _join(parents: Int64[ndarray, "N"], a: int, b: int) -> None:
    parents[_root(parents, b)] = _root(parents, a)
