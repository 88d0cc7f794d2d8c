"""Writing an index: upserts, deletes, what searches see when, refusals, and a kill in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import kill_index
import numpy as np
import pytest
from small_index import DIMENSION, LABEL, drawn_stored, drawn_vectors, write_index

from shelfwise.errors import MissingExtraError, SearchError
from shelfwise.schema.search import SearchRequest
from shelfwise.search.facts import FACTS, read_facts
from shelfwise.search.index import OpenedIndex
from shelfwise.search.lance_table import LanceTable
from shelfwise.search.writer import open_writer


def listed(folder: Path) -> dict[str, str | None]:
    page = OpenedIndex.open(folder).search(SearchRequest(limit=1000))
    return {hit.id: hit.title for hit in page.hits}


def test_products_are_replaced_added_and_deleted_by_id(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    first = write_index(folder, 6)
    vectors = drawn_vectors(2, seed=1)
    with open_writer(folder, label=LABEL, dimension=DIMENSION) as writer:
        assert writer.has(drawn_stored(3))
        assert not writer.has(drawn_stored(3, "Another title"))
        writer.put([drawn_stored(3, "Another title"), drawn_stored(9)], vectors)
        assert writer.delete(["p0001", "p0001' or '1' = '1", "unknown"]) == 1
        facts = writer.publish()
    assert facts.products == 6
    assert facts.version > first.version
    found = listed(folder)
    assert sorted(found) == ["p0000", "p0002", "p0003", "p0004", "p0005", "p0009"]
    assert found["p0003"] == "Another title"
    index = OpenedIndex.open(folder)
    np.testing.assert_array_equal(index.vector_of("p0003"), vectors[0])
    np.testing.assert_array_equal(index.vector_of("p0004"), drawn_vectors(6)[4])


def test_searches_see_changes_from_publish_on(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    write_index(folder, 4)
    opened = OpenedIndex.open(folder)
    with open_writer(folder, label=LABEL, dimension=DIMENSION) as writer:
        writer.delete(["p0000"])
        assert "p0000" in listed(folder)
        assert opened.unfinished
        writer.publish()
    assert not opened.unfinished
    assert opened.search(SearchRequest()).total == 4
    assert opened.current().search(SearchRequest()).total == 3
    assert opened.current().current() is not opened
    again = OpenedIndex.open(folder)
    assert again.current() is again


def test_nothing_changed_makes_no_new_view(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    facts = write_index(folder, 4)
    with open_writer(folder, label=LABEL, dimension=DIMENSION) as writer:
        assert writer.publish() == facts


def test_old_views_are_forgotten_but_the_last(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    for count in (2, 3, 4, 5):
        write_index(folder, count)
    views = sorted(path.name for path in folder.glob("view-*"))
    assert len(views) == 2
    assert views[-1] == read_facts(folder).view


def test_hostile_ids_are_only_ids(tmp_path: Path) -> None:
    hostile = ["' or '1'='1", '"; drop table products; --', "ü\u2019", "a\\'b", "%", "null"]
    products = [drawn_stored(n) for n in range(len(hostile))]
    products = [type(p)(**{**vars(p), "id": id}) for p, id in zip(products, hostile, strict=True)]
    folder = tmp_path / "index"
    write_index(folder, products=products, vectors=drawn_vectors(len(hostile)))
    with open_writer(folder, label=LABEL, dimension=DIMENSION) as writer:
        assert writer.delete(hostile[:2]) == 2
        writer.publish()
    assert sorted(listed(folder)) == sorted(hostile[2:])
    index = OpenedIndex.open(folder)
    assert index.view.row_of("ü\u2019") is not None


def test_another_bundle_is_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    write_index(folder, 2)
    with (
        pytest.raises(SearchError) as error,
        open_writer(folder, label="other@ffff", dimension=8),
    ):
        pass
    for part in (LABEL, "other@ffff", "16 numbers", "(8)", "--out NEW", "--bundle"):
        assert part in str(error.value)


def test_two_writers_at_once_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "index"
    with (
        open_writer(folder, label=LABEL, dimension=DIMENSION),
        pytest.raises(SearchError, match="another process writes"),
        open_writer(folder, label=LABEL, dimension=DIMENSION),
    ):
        pass


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with (
        pytest.raises(SearchError, match=r"no index and not empty \('notes.txt'\)"),
        open_writer(tmp_path, label=LABEL, dimension=4),
    ):
        pass
    with (
        pytest.raises(SearchError, match="is a file"),
        open_writer(tmp_path / "notes.txt", label=LABEL, dimension=4),
    ):
        pass


def test_what_is_no_index_or_damaged_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match="is no index"):
        OpenedIndex.open(tmp_path)
    folder = tmp_path / "index"
    with open_writer(folder, label=LABEL, dimension=DIMENSION):
        pass
    with pytest.raises(SearchError, match="never finished"):
        OpenedIndex.open(folder)
    facts = write_index(folder, 3)
    assert facts.view is not None
    (folder / facts.view / "terms.json").write_text("[")
    with pytest.raises(SearchError, match="is damaged"):
        OpenedIndex.open(folder)
    (folder / FACTS).write_text('{"format": 99}')
    with pytest.raises(SearchError, match="update shelfwise"):
        OpenedIndex.open(folder)
    (folder / FACTS).write_text('{"format": 1}')
    with pytest.raises(SearchError, match="of an earlier shelfwise, which compared words otherwise"):
        OpenedIndex.open(folder)
    (folder / FACTS).write_text("{}")
    with pytest.raises(SearchError, match="damaged"):
        OpenedIndex.open(folder)


def test_without_lancedb_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lancedb", None)
    monkeypatch.delitem(sys.modules, "shelfwise.search.lance_table")
    with pytest.raises(MissingExtraError, match=r'pip install "shelfwise\[search\]"'):
        __import__("shelfwise.search.lance_table")


@pytest.mark.parametrize("moment", ["between", "during", "publishing"])
def test_a_kill_loses_nothing_that_was_committed(tmp_path: Path, moment: str) -> None:
    """Killed without a word: the table has whole commits, searches go on, the next run ends."""
    folder = tmp_path / "index"
    write_index(folder, 8)
    before = listed(folder)
    script = Path(kill_index.__file__)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(script.parent), *sys.path])}
    command = [sys.executable, str(script), str(folder), moment]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    committed = int(done.stdout.split()[-1])
    assert listed(folder) == before
    assert OpenedIndex.open(folder).unfinished
    table = LanceTable.open(folder, DIMENSION)
    kept = table.digests()
    for number in range(8 + committed):
        assert kept[f"p{number:04}"] == (drawn_stored(number).content, drawn_stored(number).image)
    assert (len(kept) - 8) % kill_index.BATCH == 0  # a batch is there whole or not at all
    with open_writer(folder, label=LABEL, dimension=DIMENSION) as writer:
        writer.publish()
    assert len(listed(folder)) == len(kept)
    assert not OpenedIndex.open(folder).unfinished
