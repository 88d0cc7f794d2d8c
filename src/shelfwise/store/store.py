"""The store itself: a folder in which each artifact is a data file and the metadata that points at it.

The metadata names its data file, whose name is new at every write; replacing the metadata is the one
step that makes a write visible. A crash at any point therefore leaves the old artifact or the new one.
Writers take turns at that step by a file lock (POSIX), readers need none.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import pyarrow as pa
from jaxtyping import Shaped
from numpy import ndarray

from shelfwise.errors import StoreError
from shelfwise.files import taking_turns
from shelfwise.store import arrays
from shelfwise.store.artifact import (
    META_SUFFIX,
    Artifact,
    Kind,
    check_name,
    data_file_name,
    file_sha256,
    flush_to_disk,
    leaf,
    read_meta,
)

T = TypeVar("T")
STALE_S = 24 * 3600.0
"""Age after which a temporary file is taken for the remains of a killed writer."""


@dataclass
class _Draft:
    """An artifact that is being written."""

    file: BinaryIO
    dtype: str = ""
    shape: tuple[int, ...] = ()
    artifact: Artifact | None = None

    def written(self) -> Artifact:
        assert self.artifact is not None
        return self.artifact


class ArtifactStore:
    """Named arrays, tables and JSON in one folder, each with its provenance.

    Writing an existing name is refused unless `overwrite` is said. Reading checks size and sha256;
    `map_array` checks the size alone, `verify` everything. Nothing is ever pickled."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write_array(
        self, name: str, array: Shaped[ndarray, "..."], *, producer: str, overwrite: bool = False
    ) -> Artifact:
        """Keep an array of numbers, booleans, dates or fixed-width text."""
        with self._writing(name, "array", producer, overwrite) as draft:
            draft.dtype, draft.shape = arrays.write_array(draft.file, array, name)
        return draft.written()

    @contextmanager
    def array_writer(
        self, name: str, *, producer: str, overwrite: bool = False
    ) -> Iterator[arrays.ArrayWriter]:
        """Append batches to an array of unknown length; it is kept when the block ends without error."""
        with self._writing(name, "array", producer, overwrite) as draft:
            writer = arrays.ArrayWriter(draft.file, name)
            yield writer
            draft.dtype, draft.shape = writer.finish()

    def write_table(
        self, name: str, table: pa.Table | pa.RecordBatchReader, *, producer: str, overwrite: bool = False
    ) -> Artifact:
        """Keep a table, or a stream of record batches, as an Arrow IPC file."""
        batches = table.to_batches() if isinstance(table, pa.Table) else table
        with self._writing(name, "table", producer, overwrite) as draft:
            rows = 0
            with pa.ipc.new_file(draft.file, table.schema) as sink:
                for batch in batches:
                    sink.write_batch(batch)
                    rows += batch.num_rows
            draft.dtype = ", ".join(f"{field.name}: {field.type}" for field in table.schema)
            draft.shape = (rows, len(table.schema))
        return draft.written()

    def write_json(self, name: str, value: Any, *, producer: str, overwrite: bool = False) -> Artifact:
        """Keep a JSON value; NaN, infinities, half characters, keys that are no text and other Python objects
        are refused."""
        try:
            text = json.dumps(value, allow_nan=False, ensure_ascii=False, indent=1)
            data = text.encode()
            _check_keys(value)  # after json, which sees circles
        except (TypeError, ValueError) as error:
            raise StoreError(f"artifact '{name}': not a JSON value: {error}") from None
        with self._writing(name, "json", producer, overwrite) as draft:
            draft.file.write(data)
            draft.dtype = type(json.loads(text)).__name__
            draft.shape = (len(value),) if isinstance(value, list | tuple | dict) else ()
        return draft.written()

    def read_array(self, name: str) -> Shaped[ndarray, "..."]:
        """The array, in memory, its sha256 checked."""
        return self._reading(name, "array", lambda path: arrays.read_array(path, name))

    def map_array(self, name: str) -> Shaped[ndarray, "..."]:
        """The array, read-only and paged in as it is used; for arrays larger than memory."""
        empty = 0 in self.info(name).shape  # there is nothing to map
        load = arrays.read_array if empty else arrays.map_array
        return self._reading(name, "array", lambda path: load(path, name), checksum=False)

    def read_table(self, name: str) -> pa.Table:
        """The table, its sha256 checked."""
        return self._reading(name, "table", _read_table)

    def read_json(self, name: str) -> Any:
        """The JSON value, its sha256 checked."""
        return self._reading(name, "json", lambda path: json.loads(path.read_bytes()))

    def info(self, name: str) -> Artifact:
        """What is known of the artifact, without reading its data."""
        check_name(name)
        try:
            return read_meta(self._meta_path(name), name)
        except FileNotFoundError:
            known = ", ".join(self.names()[:8]) or "nothing"
            raise StoreError(
                f"artifact '{name}' is not in the store '{self.root}', which holds {known}"
            ) from None

    def names(self) -> list[str]:
        """All names, sorted."""
        found = self.root.rglob(f"*{META_SUFFIX}")
        return sorted(str(path.relative_to(self.root)).removesuffix(META_SUFFIX) for path in found)

    def artifacts(self) -> list[Artifact]:
        """What is known of every artifact, by name; a damaged one is a StoreError (see `damaged`)."""
        return [self.info(name) for name in self.names()]

    def __contains__(self, name: str) -> bool:
        check_name(name)
        return self._meta_path(name).exists()

    def verify(self, name: str) -> None:
        """Raise StoreError unless the artifact's data is exactly what was written."""
        self._reading(name, self.info(name).kind, lambda _: None)

    def damaged(self) -> dict[str, str]:
        """Every artifact whose data or metadata is not what was written, with the reason."""
        found = {}
        for name in self.names():
            try:
                self.verify(name)
            except StoreError as error:
                found[name] = str(error)
        return found

    def delete(self, name: str) -> None:
        """Remove the artifact, damaged or not; StoreError where there is none."""
        if name not in self:
            self.info(name)
        with taking_turns(self.root / ".lock"):
            self._meta_path(name).unlink(missing_ok=True)
            self._remove_data_but(None, name)

    def _reading(self, name: str, kind: Kind, load: Callable[[Path], T], *, checksum: bool = True) -> T:
        for attempt in range(5):
            artifact = self.info(name)
            if artifact.kind != kind:
                raise StoreError(f"artifact '{name}' is of kind {artifact.kind}, not {kind}")
            path = self._meta_path(name).with_name(artifact.file)
            try:
                _check_file(path, artifact, checksum=checksum)
                return load(path)
            except FileNotFoundError:  # overwritten since its metadata was read: read that anew
                time.sleep(0.01 * attempt)
        raise StoreError(f"artifact '{name}': its data file '{path}' is missing")

    @contextmanager
    def _writing(self, name: str, kind: Kind, producer: str, overwrite: bool) -> Iterator[_Draft]:
        """A draft to fill, which becomes the artifact when the block ends without error."""
        check_name(name)
        self._refuse_existing(name, overwrite)
        folder = self._meta_path(name).parent
        part: Path | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".part-", delete=False) as file:
                part = Path(file.name)
                draft = _Draft(file)  # type: ignore[arg-type]
                yield draft
            part.chmod(0o644)
            flush_to_disk(part)
            artifact = Artifact(
                name=name,
                kind=kind,
                producer=producer,
                created=datetime.now(UTC),
                dtype=draft.dtype,
                shape=draft.shape,
                size=part.stat().st_size,
                sha256=file_sha256(part),
                file=data_file_name(name, kind),
            )
            self._commit(part, artifact, overwrite)
            draft.artifact = artifact
        except OSError as error:
            raise StoreError(f"artifact '{name}' cannot be written: {error.strerror or error}") from error
        finally:
            if part is not None:
                part.unlink(missing_ok=True)

    def _commit(self, part: Path, artifact: Artifact, overwrite: bool) -> None:
        """Make a complete data file the artifact's data."""
        meta = self._meta_path(artifact.name)
        new_meta = part.with_suffix(".meta")
        with taking_turns(self.root / ".lock"):
            self._refuse_existing(artifact.name, overwrite)
            data = part.rename(meta.with_name(artifact.file))
            try:
                new_meta.write_text(artifact.model_dump_json(indent=1), encoding="utf-8")
                flush_to_disk(new_meta)
                new_meta.replace(meta)
            except OSError:
                data.unlink()
                new_meta.unlink(missing_ok=True)
                raise
            flush_to_disk(meta.parent)
            self._remove_data_but(artifact.file, artifact.name)

    def _remove_data_but(self, kept: str | None, name: str) -> None:
        """Remove earlier data of the artifact, and what killed writers left in its folder."""
        folder = self._meta_path(name).parent
        for path in folder.glob(f"{leaf(name)}.{'[0-9a-f]' * 16}.*"):
            if path.name != kept:
                path.unlink(missing_ok=True)
        for path in folder.glob(".part-*"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE_S:
                    path.unlink()

    def _refuse_existing(self, name: str, overwrite: bool) -> None:
        if not overwrite and name in self:
            raise StoreError(f"artifact '{name}' exists already; say overwrite=True to replace it")

    def _meta_path(self, name: str) -> Path:
        return self.root / f"{name}{META_SUFFIX}"


def _check_keys(value: Any) -> None:
    """TypeError where a key is no text: JSON would make text of it, and two may then be alike."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r} is no text")
            _check_keys(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_keys(inner)


def _check_file(path: Path, artifact: Artifact, *, checksum: bool) -> None:
    size = path.stat().st_size
    if size != artifact.size:
        raise StoreError(f"artifact '{artifact.name}' is damaged: {size} bytes, {artifact.size} were written")
    if checksum and file_sha256(path) != artifact.sha256:
        raise StoreError(f"artifact '{artifact.name}' is damaged: '{path}' differs from what was written")


def _read_table(path: Path) -> pa.Table:
    with pa.OSFile(os.fspath(path)) as source:
        return pa.ipc.open_file(source).read_all()
