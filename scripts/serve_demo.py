"""The API and the page on the default bundles and a demo shop, until Ctrl-C: what `make serve` runs.

    python scripts/serve_demo.py [--port 8000] [--ui-port 8501] [--bundle [NAME=]FOLDER ...]

The demo shop is generated (`shelfwise data demo`) in results/demo-shop and indexed (`shelfwise index`) beside
it, where that is missing or another bundle made the index. What API and page say goes to api.log and page.log
there. Exit codes: 0 ended by Ctrl-C or SIGTERM, 2 something that you can mend, else that of the one that
ended by itself.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHOP = ROOT / "results" / "demo-shop"
SHELFWISE = (sys.executable, "-c", "from shelfwise.cli import main; main()")
PATIENCE_S = 300.0
"""Until both answer; a busy machine takes a while to import what they need."""
GRACE_S = 25.0
"""Between being told to end and being killed; the API lets requests end for 20 s."""
LOG_LINES = 15


@dataclass(frozen=True)
class Part:
    """One of the processes: its command, where it answers once it is up, and where its words go."""

    name: str
    command: Sequence[str]
    health: str
    shown: str
    log: Path


def main() -> int:
    """Set up what is missing, then serve."""
    options = _options()
    taken = next(
        (one for one in (("PORT", options.port), ("UI_PORT", options.ui_port)) if is_taken(one[1])), None
    )
    if taken is not None:
        return _refuse(f"port {taken[1]} is taken; name another one: make serve {taken[0]}={taken[1] + 1}")
    from shelfwise.errors import ShelfwiseError

    try:
        code = prepare(options)
    except ShelfwiseError as error:
        return _refuse(str(error))
    return code or serve_until_end(parts_of(options))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, default=8000, help="of the API")
    parser.add_argument("--ui-port", type=int, default=8501, help="of the page")
    parser.add_argument("--shop", type=Path, default=SHOP, help="folder of the demo shop and its index")
    parser.add_argument("--products", type=int, default=600, help="listings of the demo shop")
    parser.add_argument(
        "--bundle", action="append", default=[], metavar="[NAME=]FOLDER", help="instead of the default ones"
    )
    return parser.parse_args()


def prepare(options: argparse.Namespace) -> int:
    """Make the shop and its index where they are missing; the exit code of what failed, else 0."""
    shop, index = options.shop, options.shop.with_name(f"{options.shop.name}.index")
    bundle = indexing_bundle(options.bundle)  # first, since nothing is of use without one
    made = run("data", "demo", "--out", str(shop), "--products", str(options.products))
    if made:
        return made
    if is_current(index, bundle, shop / "products.csv"):
        return 0
    if (index / "index.json").exists() and not fits(index, bundle):
        print(f"the index was made by another bundle; {index} is made anew", flush=True)
        shutil.rmtree(index)
    return run("index", str(bundle), str(shop / "products.csv"), "--out", str(index), "--delete-missing")


def indexing_bundle(given: Sequence[str]) -> Path:
    """The bundle of the index's vectors: the first given one, or default one, that is not of reviews.

    BundleError where one that is to be served is missing."""
    from shelfwise.bundle import DEFAULTS, default_bundle, open_bundle
    from shelfwise.errors import BundleError

    named = [Path(one.partition("=")[2] or one) for one in given]
    folders = named or [default_bundle(name) for name in DEFAULTS]
    tasks = {path: open_bundle(path).meta.task for path in folders}
    found = next((path for path, task in tasks.items() if task != "reviews"), None)
    if found is None:
        raise BundleError("none of the bundles makes vectors of products; add one of pictures or products")
    return found


def fits(index: Path, bundle: Path) -> bool:
    """Whether the bundle made the index."""
    from shelfwise.bundle import open_bundle
    from shelfwise.errors import SearchError
    from shelfwise.search.facts import read_facts

    try:
        return read_facts(index).bundle == open_bundle(bundle).label
    except SearchError:
        return False


def is_current(index: Path, bundle: Path, table: Path) -> bool:
    """Whether the index is whole, the bundle's, and no older than the table."""
    from shelfwise.search.facts import FACTS, UNFINISHED

    facts = index / FACTS
    if not facts.is_file() or (index / UNFINISHED).exists() or not fits(index, bundle):
        return False
    return facts.stat().st_mtime >= table.stat().st_mtime


def parts_of(options: argparse.Namespace) -> list[Part]:
    """The API and the page."""
    shop, api = options.shop, f"http://127.0.0.1:{options.port}"
    page = f"http://127.0.0.1:{options.ui_port}"
    index = shop.with_name(f"{shop.name}.index")
    bundles = [word for one in options.bundle for word in ("--bundle", one)]
    serve = [
        *SHELFWISE,
        "serve",
        "--port",
        str(options.port),
        "--index",
        str(index),
        "--log",
        "text",
        *bundles,
    ]
    ui = [*SHELFWISE, "ui", "--api", api, "--port", str(options.ui_port)]
    return [
        Part("API", serve, f"{api}/health/live", f"{api}/docs", shop / "api.log"),
        Part("page", ui, f"{page}/_stcore/health", page, shop / "page.log"),
    ]


def serve_until_end(parts: Sequence[Part], *, patience_s: float = PATIENCE_S) -> int:
    """Start all parts, say where they answer, and end all when one ends or somebody wants it; the exit code.

    Each has a process group of its own, so that a Ctrl-C of the terminal reaches this process alone. A signal
    sets a flag and raises nothing: it must not come between a start and its being written down."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    running: list[tuple[Part, subprocess.Popen[bytes]]] = []
    try:
        for part in parts:
            running.append((part, _begin(part)))
        problem = _wait_until_up(running, ended, time.monotonic() + patience_s)
        if problem is None and not ended.is_set():
            for part in parts:
                print(f"{part.name:<5} {part.shown}", flush=True)
            print("All products and reviews there are generated. Ctrl-C ends both.", flush=True)
        while problem is None and not ended.wait(0.2):
            problem = _gone(running)
        if problem is None:
            print("\nending both", flush=True)
    finally:
        end_all([process for _, process in running])
    return problem or 0


def end_all(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """End all processes with all that they have started; whoever does not end in time is killed."""
    for process in processes:
        _signal(process, signal.SIGTERM)
    ends = time.monotonic() + GRACE_S
    for process in processes:
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, ends - time.monotonic()))
        _signal(process, signal.SIGKILL)  # and what it has started and left behind
        process.wait()


def is_taken(port: int) -> bool:
    """Whether something listens at the port of this machine."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def run(*words: str) -> int:
    """Run the command; its exit code."""
    return subprocess.run([*SHELFWISE, *words], cwd=ROOT, check=False).returncode


def _begin(part: Part) -> subprocess.Popen[bytes]:
    part.log.parent.mkdir(parents=True, exist_ok=True)
    with part.log.open("wb") as log:
        return subprocess.Popen(
            part.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


Running = Sequence[tuple[Part, "subprocess.Popen[bytes]"]]


def _wait_until_up(running: Running, ended: threading.Event, ends: float) -> int | None:
    """Wait until all answer, or somebody wants an end; the exit code of a part that does not come up."""
    for part, _ in running:
        while not ended.is_set() and not _answers(part.health):
            problem = _gone(running)
            if problem is not None:
                return problem
            if time.monotonic() > ends:
                return _refuse(f"the {part.name} does not answer at {part.health}; see {part.log}")
            ended.wait(0.2)
    return None


def _answers(address: str) -> bool:
    try:
        with _DIRECT.open(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""No proxy leads to this machine."""


def _gone(running: Running) -> int | None:
    """The exit code, never 0, of a part that has ended, once that is told with the end of its log."""
    for part, process in running:
        code = process.poll()
        if code is not None:
            lines = part.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
            print("\n".join(lines), file=sys.stderr)
            why = f"the {part.name} ended with exit code {code}, and so the other is ended, too"
            print(f"serve: {why}; see {part.log}", file=sys.stderr)
            return code if code > 0 else 1
    return None


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the process and all of its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _refuse(why: str) -> int:
    print(f"serve: {why}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # while shop and index were made; both go on where they were
        sys.exit(130)
