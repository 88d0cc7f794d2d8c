"""What the store knows of one artifact: its name, its provenance and the file that holds it."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shelfwise.errors import StoreError

Kind = Literal["array", "table", "json"]
SUFFIXES: dict[Kind, str] = {"array": ".npy", "table": ".arrow", "json": ".json"}
META_SUFFIX = ".meta.json"
NAME = re.compile(r"[A-Za-z0-9_-]{1,100}(/[A-Za-z0-9_-]{1,100}){0,7}")
"""Without dots, so that a name can neither leave the store nor look like one of its own files."""


class Artifact(BaseModel):
    """Provenance of one artifact, kept as JSON beside its data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    name: str
    kind: Kind
    producer: str = Field(min_length=1)
    """Which code made it, in the producer's own words: a command, a notebook, a function."""
    created: datetime
    dtype: str
    """Numpy's name of the element type, the Arrow schema, or the JSON type of the value."""
    shape: tuple[int, ...]
    """The array's shape; (rows, columns) of a table; (items,) of a JSON list or object."""
    size: int = Field(ge=0)
    """Bytes in the data file."""
    sha256: str = Field(pattern=r"[0-9a-f]{64}")
    """Of the data file's bytes."""
    file: str
    """The data file's name, in the same folder."""


def check_name(name: str) -> None:
    """Refuse a name that is not made of plain words joined by `/`."""
    if not NAME.fullmatch(name):
        raise StoreError(
            f"artifact name {name!r}: expected letters, digits, '_' and '-', with '/' between the parts"
        )


def data_file_name(name: str, kind: Kind) -> str:
    """A fresh file name for the artifact's data; no two writes share one."""
    return f"{leaf(name)}.{secrets.token_hex(8)}{SUFFIXES[kind]}"


def leaf(name: str) -> str:
    """The last part of the name."""
    return name.rsplit("/", 1)[-1]


def read_meta(path: Path, name: str) -> Artifact:
    """The artifact that the metadata file describes; FileNotFoundError where there is none.

    Raises StoreError when it is damaged, or points at a file that cannot be the artifact's own."""
    try:
        artifact = Artifact.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "content"
        raise StoreError(
            f"artifact '{name}': metadata '{path}' is damaged: {where}: {first['msg']}"
        ) from None
    expected = re.escape(leaf(name)) + r"\.[0-9a-f]{16}" + re.escape(SUFFIXES[artifact.kind])
    if artifact.name != name or not re.fullmatch(expected, artifact.file):
        raise StoreError(f"artifact '{name}': metadata '{path}' belongs to something else")
    return artifact


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush_to_disk(path: Path) -> None:
    """Return when the file's (or folder's) content would survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
