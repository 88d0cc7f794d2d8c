"""A catalogue whose training pictures stay encoded on disk, for those that do not fit into memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8
from numpy import ndarray

from shelfwise.config import Config
from shelfwise.data.catalog import ReadCount
from shelfwise.data.collect import Reading
from shelfwise.data.decoding import decode_batches
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.preprocess import Preprocessor
from shelfwise.data.splits import Part, split_products
from shelfwise.errors import DataError
from shelfwise.files import replacing
from shelfwise.schema import RowError

CHUNK = 256


@dataclass(frozen=True, eq=False)
class EncodedPictures:
    """Pictures as the catalogue has them: files where they are, bytes copied end to end into one file."""

    places: tuple[Path | tuple[int, int], ...]
    """A file, or start and length in `packed`."""
    packed: Path

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> bytes | Path:
        place = self.places[row]
        if isinstance(place, Path):
            return place
        with self.packed.open("rb") as file:
            file.seek(place[0])
            return file.read(place[1])


@dataclass(frozen=True, eq=False)
class StreamedPictures:
    """Labelled pictures that are decoded when they are asked for; the counterpart of `LabelledPictures`."""

    source: EncodedPictures
    labels: Int64[ndarray, "N"]
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    preprocessor: Preprocessor
    digest: str
    """A hash of the encoded pictures of all rows of the catalogue, in their order, whichever part this is."""
    workers: int

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: Int64[ndarray, "M"]) -> LabelledPictures:
        """The given rows in memory; DataError where a picture can no longer be decoded."""
        pixels = np.concatenate(list(self._decoded(rows))) if len(rows) else self._nothing()
        return LabelledPictures(pixels, self.labels[rows], self.classes, tuple(self.ids[i] for i in rows))

    def chunks(self) -> Iterator[UInt8[ndarray, "_ _ _ _"]]:
        """All pictures in order, `CHUNK` at a time."""
        yield from self._decoded(np.arange(len(self), dtype=np.int64))

    def _decoded(self, rows: Int64[ndarray, "M"]) -> Iterator[UInt8[ndarray, "_ _ _ _"]]:
        batches = [rows[i : i + CHUNK] for i in range(0, len(rows), CHUNK)]
        for batch in decode_batches(self.source, batches, self.preprocessor, workers=self.workers):
            if batch.bad:
                bad = batch.bad[0]
                raise DataError(f"picture of '{self.ids[bad.row]}' changed while training: {bad.why}")
            yield batch.pixels

    def _nothing(self) -> UInt8[ndarray, "0 H W C"]:
        config = self.preprocessor.config
        return np.zeros((0, config.height, config.width, config.channels), np.uint8)


@dataclass
class StreamedCatalog:
    """Training rows on disk, validation rows in memory, and what could not be read."""

    train: StreamedPictures
    validation: LabelledPictures
    count: ReadCount
    errors: list[RowError]


def stream_catalog(config: Config, packed: Path) -> StreamedCatalog:
    """As `collect.load_catalog`, with the same rows in the same parts, and no picture kept in memory but
    the validation part's. Pictures that the table holds as bytes are copied into the file `packed`."""
    preprocessor = Preprocessor(config.preprocess, max_pixels=config.data.max_pixels)
    places: list[Path | tuple[int, int]] = []
    digest, end = hashlib.sha256(), 0
    with Reading(config, preprocessor) as reading:
        with replacing(packed) as partial, partial.open("wb") as file:
            for row in reading.rows():
                digest.update(row.picture.digest)
                if isinstance(row.source, Path):
                    places.append(row.source)
                else:
                    places.append((end, len(row.source)))
                    end += file.write(row.source)
        families, labels, classes, ids = reading.finish()
    rows = split_products(families, config.split)

    def part(name: Part) -> StreamedPictures:
        some = rows[name]
        source = EncodedPictures(tuple(places[i] for i in some), packed)
        names = tuple(ids[i] for i in some)
        return StreamedPictures(
            source, labels[some], classes, names, preprocessor, digest.hexdigest(), config.train.workers
        )

    held_out = part("validation")
    validation = held_out.take(np.arange(len(held_out), dtype=np.int64))
    return StreamedCatalog(part("train"), validation, reading.count, reading.errors)
