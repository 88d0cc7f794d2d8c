"""File names of any bytes as text that can be printed, sent and stored, and back again."""

from __future__ import annotations

import os
import re

_ESCAPED = re.compile(rb"\\x(5c|[89a-f][0-9a-f])")


def printable(name: str) -> str:
    """A name as the system gave it; where it is no UTF-8, with the odd bytes written as in `caf\\xe9.jpg`."""
    if not any("\ud800" <= letter <= "\udfff" for letter in name):
        return name
    return os.fsencode(name.replace("\\", r"\x5c")).decode("utf-8", "backslashreplace")


def names_on_disk(path: str) -> tuple[str, ...]:
    """What a path in a catalogue may be called where it is read: as it stands, written out by `printable`, or
    with the backslashes of Windows."""
    if "\\" not in path:
        return (path,)
    return tuple(dict.fromkeys((path, as_on_disk(path), path.replace("\\", "/"))))


def as_on_disk(name: str) -> str:
    """The name that `printable` wrote out."""
    written = name.encode("utf-8", "replace")
    return os.fsdecode(_ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), written))
