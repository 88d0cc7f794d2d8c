"""The spool: what goes in comes out by position, and the memory that it takes is its offsets."""

from __future__ import annotations

import pytest

from shelfwise.data.spool import Spool


def test_strings_come_back_by_position_while_more_are_added() -> None:
    with Spool() as spool:
        strings = [b"", b"one", b"\x00" * 5_000, b"four"]
        assert [spool.append(data) for data in strings] == [0, 1, 2, 3]
        assert spool[2] == strings[2]
        spool.append(b"five")
        assert [spool[k] for k in range(5)] == [*strings, b"five"]
        assert len(spool) == 5


def test_a_position_that_is_not_there_is_refused() -> None:
    with Spool() as spool, pytest.raises(IndexError, match="position 0"):
        spool[0]
