"""A shop's catalogue into a search index: what changed is embedded, what did not is left as it is.

A product has changed when anything that it says has: title, description, fields, labels, the bytes of its
pictures. Rows in = rows ok + rows failed; a row that fails leaves what the index had of that product.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from shelfwise.bundle import AnyBundle, Bundle, ProductsBundle
from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.data.catalog import image_root_of, mapped_columns, read_catalog
from shelfwise.data.product_pictures import source_of
from shelfwise.data.tables import open_table
from shelfwise.errors import PictureError
from shelfwise.predict.answer_files import product_chunks
from shelfwise.predict.embedder import Embedder, NoVector
from shelfwise.schema import FieldValue, Picture, Product, RowError, RowWarning
from shelfwise.search.facts import IndexFacts
from shelfwise.search.lance_table import StoredProduct
from shelfwise.search.writer import IndexWriter, open_writer

log = logging.getLogger(__name__)
CHUNK = 128
"""Products embedded at once."""
COMMIT = 4_096
"""Products that are committed together, at most: what a kill can lose."""
ENCODED_LIMIT = 64 << 20
"""Bytes of a picture that count for its digest."""


@dataclass
class IndexCounts:
    """Rows in = rows ok + rows failed; of the ok ones some were embedded, the others unchanged."""

    embedded: int = 0
    unchanged: int = 0
    failed: int = 0
    deleted: int = 0
    kept: int = 0
    """Products that the catalogue has no more and that were not deleted."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Failures by kind."""
    errors: list[RowError] = field(default_factory=list)
    """The first of them."""

    @property
    def ok(self) -> int:
        """Rows that are in the index as the catalogue has them."""
        return self.embedded + self.unchanged

    @property
    def rows(self) -> int:
        """Rows read."""
        return self.ok + self.failed


KEPT_ERRORS = 20
Watch = Callable[[IndexCounts], None]


def index_catalog(
    embedder: Embedder,
    config: CatalogConfig,
    out: Path,
    *,
    delete_missing: bool = False,
    watch: Watch = lambda _: None,
) -> tuple[IndexCounts, IndexFacts]:
    """Bring the index in `out` up to the catalogue, in bounded memory; made where there is none.

    With `delete_missing`, products that the catalogue has no more are taken out, unless a row could not be
    read and has no id to tell which product it is. `watch` sees the counts after every chunk."""
    bundle = embedder.bundle
    root = image_root_of(config)
    with open_writer(
        out,
        label=bundle.label,
        dimension=embedder.dimension,
        bundle_path=str(bundle.path.absolute()),
        image_root=str(root.absolute()),
    ) as writer:
        run = _Run(embedder, writer, root, watch)
        run.take(read_catalog(config))
        run.delete(delete_missing)
        watch(run.counts)
        facts = writer.publish(image_root=str(root.absolute()) if run.whole else None)
    return run.counts, facts


class _Run:
    """What grows while the rows stream by."""

    def __init__(self, embedder: Embedder, writer: IndexWriter, root: Path, watch: Watch) -> None:
        self.counts = IndexCounts()
        self._embedder, self._writer, self._root, self._watch = embedder, writer, root, watch
        self._seen: set[str] = set()
        self._failed: set[str] = set()
        self._nameless = 0
        self._products: list[StoredProduct] = []
        self._vectors: list[np.ndarray] = []

    def take(self, rows: Iterable[Product | RowError | RowWarning]) -> None:
        """Every row of the catalogue."""
        for chunk in product_chunks(rows, CHUNK):
            for row in chunk:
                if isinstance(row, RowError):
                    self._fail(row)
            self._embed([row for row in chunk if isinstance(row, Product)])
            self._watch(self.counts)
            if len(self._products) >= COMMIT:
                self._commit()
        self._commit()

    def delete(self, missing: bool) -> None:
        """Take out what was not seen, where that is wanted and certain."""
        gone = [id for id in self._writer.ids if id not in self._seen]
        if missing and self._nameless and gone:
            log.warning(
                "nothing was deleted: %d rows could not be read, and may be of the %d products missing",
                *(self._nameless, len(gone)),
            )
        if missing and not self._nameless:
            self.counts.deleted = self._writer.delete(gone)
        self.counts.kept = len(gone) - self.counts.deleted

    @property
    def whole(self) -> bool:
        """Whether every product of the index is as this catalogue has it, its picture's place too."""
        return self.counts.kept == 0 and self._failed.isdisjoint(self._writer.ids)

    def _embed(self, products: Sequence[Product]) -> None:
        """Embed those that have changed."""
        changed = []
        for product in products:
            self._seen.add(product.id)
            stored = stored_product(product, self._root)
            if self._writer.has(stored):
                self.counts.unchanged += 1
            else:
                changed.append((product, stored))
        vectors = self._embedder.embed([product for product, _ in changed], self._root)
        for (product, stored), vector in zip(changed, vectors, strict=True):
            if isinstance(vector, NoVector):
                self._fail(_error(product.id, vector))
            else:
                self._products.append(stored)
                self._vectors.append(vector)
                self.counts.embedded += 1

    def _fail(self, error: RowError) -> None:
        self.counts.failed += 1
        self.counts.kinds[error.kind] += 1
        if len(self.counts.errors) < KEPT_ERRORS:
            self.counts.errors.append(error)
        if error.id is None:
            self._nameless += 1
        else:
            self._seen.add(error.id)
            self._failed.add(error.id)

    def _commit(self) -> None:
        if self._products:
            self._writer.put(self._products, np.stack(self._vectors).astype(np.float32))
            self._products, self._vectors = [], []


def stored_product(product: Product, image_root: Path) -> StoredProduct:
    """What the index keeps of a product, with a digest of all that it says."""
    fields: dict[str, FieldValue] = {**product.labels, **product.fields}
    said = json.dumps([product.title, product.description, fields], ensure_ascii=False, sort_keys=True)
    digest = hashlib.blake2b(said.encode("utf-8", "replace"), digest_size=16)
    for image in product.images:
        digest.update(b"\0" + _picture_digest(image, image_root))
    return StoredProduct(
        id=product.id,
        content=digest.digest(),
        image=next((image.path for image in product.images if image.path is not None), None),
        title=product.title,
        description=product.description,
        fields=json.dumps(fields, ensure_ascii=False, sort_keys=True),
    )


def _picture_digest(image: Picture, image_root: Path) -> bytes:
    """Of the encoded bytes; of a file that cannot be read, of its name."""
    try:
        data = source_of(image, image_root)
        if isinstance(data, Path):
            with data.open("rb") as file:
                data = file.read(ENCODED_LIMIT)
    except (OSError, PictureError):
        data = (image.path or "").encode("utf-8", "replace")
    return hashlib.blake2b(data, digest_size=16).digest()


def _error(id: str, why: NoVector) -> RowError:
    """As the reader of catalogues tells errors; the row's number is not known any more."""
    return RowError(row=0, column="id", value=id, kind=why.kind, why=why.why, id=id)


def index_columns(bundle: AnyBundle, config: CatalogConfig) -> CatalogConfig:
    """A bare table read as the bundle's own catalogue was, with every other column as a field to filter by.

    The guessed map stays as it is without the bundle's id column, and where the table has neither a picture
    nor a title by the bundle's map: one of Fashion-MNIST names none."""
    if not isinstance(bundle, ProductsBundle | Bundle):
        return config
    own = bundle.config.data.columns
    there = open_table(config, mapped_columns(own)).columns
    if own.id not in there or len(set(there)) < len(there):
        return config
    named = {name: column for name, column in {**own.labels, **own.fields}.items() if column in there}
    images = tuple(name for name in own.images if name in there)
    title, description = (name if name in there else None for name in (own.title, own.description))
    if not images and title is None:
        return config
    taken = {own.id, *images, title, description, *named.values()}
    fields = {name: column for name, column in own.fields.items() if column in there}
    fields |= {name: name for name in there if name not in taken and name not in named}
    columns = ColumnMap(
        id=own.id,
        images=images,
        title=title,
        description=description,
        labels={name: column for name, column in own.labels.items() if column in there},
        fields=fields,
        multi_valued=tuple(name for name in own.multi_valued if name in there),
        separator=own.separator,
    )
    return config.model_copy(update={"columns": columns})
