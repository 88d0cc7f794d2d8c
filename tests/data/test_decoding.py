"""Decoding in worker processes: order, bounded memory, and no process left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from shelfwise.config import PreprocessConfig
from shelfwise.data.decoding import decode_batches
from shelfwise.data.preprocess import Preprocessor
from shelfwise.errors import DataError

PREPROCESSOR = Preprocessor(PreprocessConfig(height=200, width=200, channels=3, fit="stretch"))
PLAN = [np.arange(4, dtype=np.int64)] * 40  # a batch is 480,000 bytes, more than a pipe holds


@dataclass(frozen=True)
class Logged:
    """A source that notes every read in a file, and kills its process at the row `deadly`."""

    picture: Path
    log: Path
    deadly: int = -1

    def __len__(self) -> int:
        return 4

    def __getitem__(self, row: int) -> Path:
        if row == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        with self.log.open("a") as file:
            file.write("x")
        return self.picture


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    Image.new("RGB", (20, 20), (10, 20, 30)).save(tmp_path / "a.png")
    (tmp_path / "log").touch()
    return Logged(tmp_path / "a.png", tmp_path / "log")


def settled(log: Path) -> int:
    """The size of a file that has stopped growing for half a second."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < 0.5:
        if log.stat().st_size != size:
            size, since = log.stat().st_size, time.monotonic()
        time.sleep(0.02)
    return size


def test_workers_decode_no_more_than_one_batch_ahead_and_end_with_the_iterator(logged: Logged) -> None:
    batches = decode_batches(logged, PLAN, PREPROCESSOR, workers=2)
    next(batches)
    assert settled(logged.log) <= (1 + 2) * 4  # the batch in hand, and one ready in each worker
    assert len(multiprocessing.active_children()) == 2
    batches.close()  # type: ignore[attr-defined]
    assert multiprocessing.active_children() == []


def test_a_dead_worker_is_an_error_and_no_hang(logged: Logged) -> None:
    source = Logged(logged.picture, logged.log, deadly=2)
    with pytest.raises(DataError, match="exit code -9"):
        list(decode_batches(source, PLAN, PREPROCESSOR, workers=1))
    assert multiprocessing.active_children() == []


PARENT = """
import sys, time
from pathlib import Path
import numpy as np
from shelfwise.config import PreprocessConfig
from shelfwise.data.decoding import decode_batches
from shelfwise.data.preprocess import Preprocessor

if __name__ == "__main__":
    files = (Path(sys.argv[1]),)
    preprocessor = Preprocessor(PreprocessConfig(height=200, width=200, channels=3, fit="stretch"))
    plan = [np.zeros(4, np.int64)] * 40
    batches = decode_batches(files, plan, preprocessor, workers=2)
    next(batches)
    print("ready", flush=True)
    time.sleep(60)
"""


def test_workers_end_when_their_parent_is_killed(logged: Logged, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    command = [sys.executable, str(script), str(logged.picture)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
        assert len(workers) == 2
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=10)
    assert alive == []


def test_no_batches_and_empty_batches_are_no_work(logged: Logged) -> None:
    assert list(decode_batches(logged, [], PREPROCESSOR, workers=2)) == []
    empty = [np.zeros(0, np.int64)]
    for workers in (0, 1):
        (batch,) = decode_batches(logged, empty, PREPROCESSOR, workers=workers)
        assert batch.pixels.shape == (0, 200, 200, 3)


def test_a_picture_that_cannot_be_used_is_named_and_the_others_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.effect_mandelbrot((64, 48), (-3, -2.5, 2, 2.5), 50).convert("RGB").save(path)
    (one,) = decode_batches((b"no picture", path.read_bytes()), [np.arange(2)], PREPROCESSOR, workers=0)
    (other,) = decode_batches((path,), [np.arange(1)], PREPROCESSOR, workers=0)
    assert (one.pixels == other.pixels).all()
    assert one.kept.tolist() == [1]
    assert [(bad.row, bad.kind, bad.value) for bad in one.bad] == [(0, "not_a_picture", "10 bytes")]
