"""ArtifactStore between processes: killed in the middle of a write, and writing all at once."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from shelfwise.store import ArtifactStore

WRITE_FOREVER = """
import sys
from pathlib import Path
import numpy as np
from shelfwise.store import ArtifactStore
store = ArtifactStore(Path(sys.argv[1]))
turn = 0
while True:
    turn += 1
    store.write_array("x", np.full(200_000, turn), producer=f"turn {turn}", overwrite=True)
    print(turn, flush=True)
"""

WRITE_SOME = """
import sys
from pathlib import Path
import numpy as np
from shelfwise.errors import StoreError
from shelfwise.store import ArtifactStore
store, who = ArtifactStore(Path(sys.argv[1])), sys.argv[2]
try:
    store.write_json("first", who, producer=who)
    print("first")
except StoreError:
    pass
for turn in range(10):
    store.write_array("shared", np.full(1000, int(who)), producer=who, overwrite=True)
    store.write_json(f"own/{who}-{turn}", turn, producer=who)
    assert len(set(store.read_array("shared").tolist())) == 1
"""


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_a_writer_killed_at_any_moment_leaves_one_whole_artifact(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    for delay in (0.0, 0.004, 0.012):
        with start(WRITE_FOREVER, str(tmp_path)) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(delay)
            writer.send_signal(signal.SIGKILL)
        found = store.read_array("x")
        assert found.shape == (200_000,)
        assert store.info("x").producer == f"turn {found[0]}"
        assert (found == found[0]).all()
        assert store.damaged() == {}
    store.write_array("x", np.zeros(1), producer="afterwards", overwrite=True)
    assert len(list(tmp_path.glob("x.*"))) == 2


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [start(WRITE_SOME, str(tmp_path), str(who)) for who in range(3)]
    firsts = [writer.communicate(timeout=60)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert "".join(firsts) == "first\n"  # exactly one of them was
    store = ArtifactStore(tmp_path)
    assert len([name for name in store.names() if name.startswith("own/")]) == 30
    assert store.damaged() == {}
    assert len(list(tmp_path.glob("shared.*"))) == 2
