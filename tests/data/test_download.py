"""Downloads: checked, under a temporary name until whole, from the next address when one fails."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from published import Published

from shelfwise.data.download import download
from shelfwise.errors import DataError

BODY = bytes(range(256)) * 1024


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def check_body(path: Path) -> None:
    if path.read_bytes() != BODY:
        raise DataError(f"'{path.name}' has another content")


def test_a_file_appears_whole_and_alone(tmp_path: Path, serve: Callable[..., Published]) -> None:
    server = serve({"file": BODY})
    download([f"{server.url}file"], tmp_path / "deep" / "file", check=check_body)
    assert (tmp_path / "deep" / "file").read_bytes() == BODY
    assert names(tmp_path / "deep") == ["file"]


def test_the_mirror_is_asked_when_the_first_address_fails(
    tmp_path: Path, serve: Callable[..., Published]
) -> None:
    empty, mirror = serve({}), serve({"file": BODY})
    download([f"{empty.url}file", f"{mirror.url}file"], tmp_path / "file", check=check_body)
    assert (tmp_path / "file").read_bytes() == BODY
    assert empty.asked == mirror.asked == ["file"]


@pytest.mark.parametrize(
    ("sent", "promised", "why"),
    [
        (BODY[:-1] + b"x", None, "has another content"),
        (BODY[:5000], len(BODY), "the connection ended after 5000 of 262144 bytes"),
        (b"", None, "has another content"),
    ],
)
def test_a_wrong_body_leaves_nothing_behind(
    tmp_path: Path, serve: Callable[..., Published], sent: bytes, promised: int | None, why: str
) -> None:
    server = serve({"file": sent}, promised=promised)
    with pytest.raises(DataError, match=why):
        download([f"{server.url}file"], tmp_path / "file", check=check_body)
    assert names(tmp_path) == []


def test_every_address_is_named_with_its_reason(tmp_path: Path, serve: Callable[..., Published]) -> None:
    server = serve({})
    with pytest.raises(DataError) as error:
        download([f"{server.url}file", "http://127.0.0.1:9/file"], tmp_path / "file", check=check_body)
    assert "404" in str(error.value)
    assert "127.0.0.1:9/file" in str(error.value)


def test_a_wrong_body_leaves_the_old_file_as_it_was(tmp_path: Path, serve: Callable[..., Published]) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(DataError):
        download([f"{serve({'file': b'bad'}).url}file"], tmp_path / "file", check=check_body)
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, serve: Callable[..., Published]) -> None:
    (tmp_path / "occupied").write_text("a file where a folder should be")
    server = serve({"file": BODY})
    with pytest.raises(DataError, match="occupied/file' cannot be written"):
        download([f"{server.url}file"], tmp_path / "occupied" / "file", check=check_body)


def test_the_remains_of_a_killed_download_are_swept(tmp_path: Path, serve: Callable[..., Published]) -> None:
    old, fresh = tmp_path / "file.1.part", tmp_path / "file.2.part"
    for part in (old, fresh):
        part.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    download([f"{serve({'file': BODY}).url}file"], tmp_path / "file", check=check_body)
    assert names(tmp_path) == ["file", "file.2.part"]


def test_a_silent_server_is_given_up(tmp_path: Path, serve: Callable[..., Published]) -> None:
    server = serve({"file": BODY}, silence_s=1.0)
    with pytest.raises(DataError, match="timed out"):
        download([f"{server.url}file"], tmp_path / "file", check=check_body, timeout_s=0.1)


def test_two_downloads_at_once_agree(tmp_path: Path, serve: Callable[..., Published]) -> None:
    server = serve({"file": BODY}, silence_s=0.05)
    failures: list[BaseException] = []

    def fetch() -> None:
        try:
            download([f"{server.url}file"], tmp_path / "file", check=check_body)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == BODY
