"""`IndexWriter`: opens or makes an index, takes products in, and publishes what searches read.

What `put` and `delete` return from is committed to the table. Searches see it from `publish` on; a run that
is stopped before leaves the former view in place, and the next one goes on from the table.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from jaxtyping import Float32
from numpy import ndarray

from shelfwise.errors import SearchError
from shelfwise.search.facts import FACTS, LOCK, UNFINISHED, IndexFacts, check_fit, read_facts, write_facts
from shelfwise.search.lance_table import LanceTable, StoredProduct
from shelfwise.search.view_build import EXACT_BELOW, build_view


class IndexWriter:
    """The one writer of an index; made by `open_writer`."""

    def __init__(self, folder: Path, facts: IndexFacts, table: LanceTable) -> None:
        self.folder = folder
        self.facts = facts
        self._table = table
        self._digests = table.digests()

    def __len__(self) -> int:
        return len(self._digests)

    @property
    def ids(self) -> Collection[str]:
        """Of the products that the table has."""
        return self._digests.keys()

    def has(self, product: StoredProduct) -> bool:
        """Whether just this is in the index already."""
        return self._digests.get(product.id) == (product.content, product.image)

    def put(self, products: Sequence[StoredProduct], vectors: Float32[ndarray, "B D"]) -> None:
        """Take products in, in the place of those with the same ids; committed on return. Ids occur once."""
        fresh = [place for place, product in enumerate(products) if product.id not in self._digests]
        known = [place for place, product in enumerate(products) if product.id in self._digests]
        self._mark()
        self._table.add([products[place] for place in fresh], vectors[fresh])
        self._table.replace([products[place] for place in known], vectors[known])
        self._digests.update({product.id: (product.content, product.image) for product in products})

    def delete(self, ids: Collection[str]) -> int:
        """Take products out; committed on return. How many there were."""
        there = [id for id in ids if id in self._digests]
        if there:
            self._mark()
            self._table.delete(there)
        for id in there:
            del self._digests[id]
        return len(there)

    def publish(self, *, image_root: str | None = None, exact_below: int = EXACT_BELOW) -> IndexFacts:
        """Compact the table, make the view that searches read, and name it in `index.json`.

        `image_root` is where the pictures of all products are, where that is known now."""
        view = self.facts.view
        if image_root is not None and image_root != self.facts.image_root:
            self.facts = self.facts.model_copy(update={"image_root": image_root})
            write_facts(self.folder, self.facts)
        if view is not None and self.facts.version == self._table.version and (self.folder / view).is_dir():
            (self.folder / UNFINISHED).unlink(missing_ok=True)
            return self.facts
        self._mark()
        self._table.compact()
        version = self._table.version
        view = f"view-{version:06}"
        built = build_view(
            self._table.batches(), self.folder / view, self.facts.dimension, exact_below=exact_below
        )
        former = self.facts.view
        self.facts = self.facts.model_copy(
            update={
                "version": version,
                "view": view,
                "products": built.products,
                "fields": built.fields,
                "exact": built.exact,
                "reach": built.reach,
                "recall": built.recall,
                "updated": datetime.now(UTC).isoformat(timespec="seconds"),
            }
        )
        write_facts(self.folder, self.facts)
        (self.folder / UNFINISHED).unlink(missing_ok=True)
        self._forget(keep={view, former})
        return self.facts

    def _mark(self) -> None:
        (self.folder / UNFINISHED).touch()

    def _forget(self, keep: set[str | None]) -> None:
        """Remove older views; the former one stays for a reader that is just opening it."""
        for path in [*self.folder.glob("view-*"), *self.folder.glob(".view-*.partial")]:
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)


@contextmanager
def open_writer(
    folder: Path,
    *,
    label: str,
    dimension: int,
    bundle_path: str | None = None,
    image_root: str | None = None,
) -> Iterator[IndexWriter]:
    """The index in the folder, made where there is none, for one process at a time.

    `label` names the bundle that makes vectors of `dimension` numbers; `image_root` is where the pictures of
    what is put are, and is forgotten where that of earlier products was another one, until `publish` is
    told. SearchError where the index is of another, where another process writes to it, or where the folder
    holds something else."""
    _check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if (folder / FACTS).exists():
            facts = read_facts(folder)
            check_fit(facts, folder, label, dimension)
        else:
            facts = IndexFacts(bundle=label, dimension=dimension, image_root=image_root)
        table = LanceTable.open(folder, dimension)
        root = image_root if facts.image_root == image_root or not len(table) else None
        facts = facts.model_copy(update={"bundle_path": bundle_path or facts.bundle_path, "image_root": root})
        write_facts(folder, facts)
        yield IndexWriter(folder, facts, table)


def _check_folder(folder: Path) -> None:
    """SearchError where the folder is a file, or holds what is no index."""
    if folder.exists() and not folder.is_dir():
        raise SearchError(f"--out '{folder}' is a file; name a folder")
    if folder.is_dir() and not (folder / FACTS).exists():
        other = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
        if other:
            raise SearchError(
                f"--out '{folder}' is no index and not empty ('{min(other)}'); name another folder"
            )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the index's lock; the system releases it if this process dies."""
    with (folder / LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SearchError(f"another process writes to index '{folder}'; wait for it") from None
        yield
