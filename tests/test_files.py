"""A file is whole or absent, whoever else writes it at the same time."""

from __future__ import annotations

import json
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shelfwise.files import claimed, replacing, taking_turns, write_json


def test_the_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as partial:
        partial.write_text("new")
        assert not path.exists()
        assert partial.parent == tmp_path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as partial:
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_two_writers_do_not_share_a_partial_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with replacing(path) as first, replacing(path) as second:
        first.write_text("first, and longer")
        second.write_text("second")
    assert path.read_text() == "first, and longer"


def test_json_of_half_a_character_comes_back_as_it_was(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"title": "cut \ud83d", "ä\udc00": "赤 🙂"})
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found == {"title": "cut \ud83d", "ä\udc00": "赤 🙂"}
    assert "赤 🙂" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_writers_take_turns_also_as_threads_of_one_process(tmp_path: Path) -> None:
    seen: list[int] = []

    def work(number: int) -> None:
        with taking_turns(tmp_path / ".lock"):
            seen.append(number)
            time.sleep(0.01)
            seen.append(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert seen[::2] == seen[1::2]


def test_a_lock_says_who_has_it_and_is_gone_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "run" / ".lock"
    with claimed(path) as first, claimed(path) as second:
        assert first is None
        assert second is not None
        assert re.fullmatch(rf"process {os.getpid()} on .+", second)
    assert not path.exists()
    path.write_text("process 1 on a host that was switched off")
    with claimed(path) as again:
        assert again is None
