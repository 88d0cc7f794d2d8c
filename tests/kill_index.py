"""Writes to an index and is killed; `tests/search/test_writer.py` looks at what is left."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

from small_index import DIMENSION, LABEL, drawn_stored, drawn_vectors

from shelfwise.search import writer as writer_room
from shelfwise.search.writer import open_writer

BATCH = 50


def main(folder: Path, moment: str) -> None:
    """Say how many products were committed after the first 8, then die `between` commits, `during` one, or
    when the view is `publishing`."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with open_writer(folder, label=LABEL, dimension=DIMENSION) as writer:
        for turn in range(4):
            numbers = range(8 + turn * BATCH, 8 + (turn + 1) * BATCH)
            if moment == "during" and turn == 2:
                # Somewhere within the commit, if the machine is quick enough; else right after it.
                threading.Thread(target=lambda: (time.sleep(0.002), die())).start()
            writer.put([drawn_stored(n) for n in numbers], drawn_vectors(BATCH, seed=turn))
            print((turn + 1) * BATCH, flush=True)
            if moment == "between" and turn == 1:
                die()
        writer_room.write_facts = lambda *_: die()  # type: ignore[assignment]
        writer.publish()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
