"""File names: whatever the bytes, the text can be written anywhere and leads back to the file."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data.file_names import as_on_disk, names_on_disk, printable

PIECES = st.sampled_from([b"\xe9", b"\\", b"x5c", b"xe9", "é".encode(), b"a"]) | st.binary(
    min_size=1, max_size=3
)


@given(st.lists(PIECES, max_size=12).map(b"".join))
def test_a_name_of_any_bytes_can_be_written_and_read_back(name: bytes) -> None:
    told = os.fsdecode(name)
    written = printable(told)
    assert written.encode().decode() == written
    assert written == told or as_on_disk(written) == told


def test_an_ordinary_name_stays_as_it_is() -> None:
    for name in ("a b|c.jpg", "Röcke/é.png", r"back\xe9slash.png"):
        assert printable(name) == name


def test_a_written_path_has_the_names_that_it_may_have() -> None:
    assert names_on_disk("a/b.jpg") == ("a/b.jpg",)
    assert names_on_disk(r"a\b.jpg") == (r"a\b.jpg", "a/b.jpg")
    assert names_on_disk(r"caf\xe9.jpg") == (r"caf\xe9.jpg", "caf\udce9.jpg", "caf/xe9.jpg")
