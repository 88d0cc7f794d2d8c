"""Lines of a text file of any usual encoding, plain or gzipped, as a stream with bounded memory."""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from shelfwise.data.text import decode_line, detect_encoding
from shelfwise.errors import DataError

_SAMPLE = 1 << 20
_LONGEST_LINE = 16 << 20


class Line(NamedTuple):
    """One line with its line end; `repaired` where bytes did not fit the file's encoding."""

    text: str
    repaired: bool


class Lines:
    """A text file to iterate over, any number of times; LF, CR LF and CR end a line.

    Iterating raises DataError where a gzip file is damaged or a line is longer than 16 MB."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path = path
        self.encoding = named(encoding) if encoding else self._detected()

    def __iter__(self) -> Iterator[Line]:
        wide = self.encoding.startswith(("utf-16", "utf-32"))
        with self._open() as binary:
            # latin-1 keeps every byte as one character, so a line's bytes can be had back
            file = io.TextIOWrapper(
                binary, encoding=self.encoding if wide else "latin-1", errors="replace", newline=""
            )
            first = True
            while text := self._next_line(file):
                repaired = "\ufffd" in text
                if not wide:
                    text, repaired = decode_line(text.encode("latin-1"), self.encoding)
                yield Line(text.removeprefix("\ufeff") if first else text, repaired)
                first = False

    def _next_line(self, file: io.TextIOBase) -> str:
        try:
            text = file.readline(_LONGEST_LINE)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"catalogue '{self.path}' is a damaged gzip file: {error}") from None
        if len(text) == _LONGEST_LINE:
            raise DataError(f"catalogue '{self.path}': a line is longer than 16 MB; is it a text file?")
        return text

    def _detected(self) -> str:
        try:
            with self._open() as file:
                return detect_encoding(file.read(_SAMPLE))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(f"catalogue '{self.path}' is a damaged gzip file: {error}") from None

    def _open(self) -> gzip.GzipFile | io.BufferedReader:
        if self.path.suffix.lower() == ".gz":
            return gzip.open(self.path)
        return self.path.open("rb")


def named(encoding: str) -> str:
    """An encoding by Python's own name for it: `utf-8` for UTF8; DataError where it is none of text."""
    try:
        "".encode(encoding)  # an encoding of bytes, such as hex, is none of text
        return codecs.lookup(encoding).name
    except (LookupError, ValueError):
        raise DataError(f"encoding '{encoding}' is not known; try utf-8, cp1252 or utf-16") from None
