"""`make serve`: both processes answer, both end, and what went wrong is in the exit code."""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_index import LABEL, write_index

from shelfwise.data import fashion_mnist
from shelfwise.errors import DataError
from shelfwise.search.facts import read_facts

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "serve_demo.py"
STAND_IN = """
import http.server, subprocess, sys, time
name, port, lives_s = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(name, "w").write(str(child.pid))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *_): pass
server = http.server.HTTPServer(("127.0.0.1", port), Handler)
server.timeout = 0.1
ends = time.monotonic() + lives_s
while time.monotonic() < ends:
    server.handle_request()
print("the stand-in had enough")
sys.exit(7)
"""
DRIVER = """
import sys
from pathlib import Path
import serve_demo
stand_in, folder, lives = sys.argv[1], Path(sys.argv[2]), sys.argv[5:]
parts = [
    serve_demo.Part(name, [sys.executable, "-c", stand_in, str(folder / name), port, life],
                    f"http://127.0.0.1:{port}/", f"http://127.0.0.1:{port}", folder / f"{name}.log")
    for name, port, life in zip(("API", "page"), sys.argv[3:5], lives)
]
sys.exit(serve_demo.serve_until_end(parts, patience_s=60))
"""
Begin = Callable[..., "subprocess.Popen[str]"]


def free_ports(count: int) -> list[str]:
    found = [socket.socket() for _ in range(count)]
    for one in found:
        one.bind(("127.0.0.1", 0))
    ports = [str(one.getsockname()[1]) for one in found]
    for one in found:
        one.close()
    return ports


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start two stand-ins that live for so many seconds, as the script starts API and page."""
    processes: list[subprocess.Popen[str]] = []

    def start(*lives_s: float) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", DRIVER, STAND_IN, str(tmp_path), *free_ports(2), *map(str, lives_s)]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(SCRIPT.parent), os.environ.get("PYTHONPATH", "")]),
        }
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def wait_until_up(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline().startswith("API   http://127.0.0.1:")
    assert process.stdout.readline().startswith("page  http://127.0.0.1:")


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def nothing_is_left(folder: Path) -> bool:
    """Also not what the two have started themselves."""
    pids = [int((folder / name).read_text()) for name in ("API", "page")]
    for _ in range(50):
        if not any(map(is_alive, pids)):
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_both(begin: Begin, tmp_path: Path, number: signal.Signals) -> None:
    process = begin(300, 300)
    wait_until_up(process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "ending both" in out
    assert nothing_is_left(tmp_path)


def test_one_that_dies_takes_the_other_along(begin: Begin, tmp_path: Path) -> None:
    process = begin(300, 6)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 7
    assert "the stand-in had enough" in err
    assert "the page ended with exit code 7" in err
    assert nothing_is_left(tmp_path)


def test_one_that_never_answers_is_not_waited_for_in_vain(begin: Begin, tmp_path: Path) -> None:
    process = begin(0, 300)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 7
    assert "http://" not in out
    assert "the API ended with exit code 7" in err
    assert nothing_is_left(tmp_path)


def test_a_taken_port_is_told_with_its_variable(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for option, variable in (("--port", "PORT"), ("--ui-port", "UI_PORT")):
            other = "--ui-port" if option == "--port" else "--port"
            done = subprocess.run(
                [sys.executable, SCRIPT, option, port, other, *free_ports(1), "--shop", tmp_path / "shop"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 2
            assert f"port {port} is taken" in done.stderr
            assert f"make serve {variable}=" in done.stderr
    assert not (tmp_path / "shop").exists()


def test_without_a_bundle_nothing_is_begun(tmp_path: Path, tiny_reviews_bundle: Path) -> None:
    port, ui_port = free_ports(2)
    for bundle, why in ((tmp_path / "none", "none"), (tiny_reviews_bundle, "makes vectors of products")):
        options = ["--port", port, "--ui-port", ui_port, "--shop", tmp_path / "shop", "--bundle", bundle]
        done = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert why in done.stderr
        assert "Traceback" not in done.stderr
    assert not (tmp_path / "shop").exists()


def test_shop_and_index_are_made_once_and_the_index_anew_for_another_bundle(
    tmp_path: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        fashion_mnist.locate(addresses=())
    except DataError:
        pytest.skip("Fashion-MNIST is not on this machine; install dataset-fashion-mnist")
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import serve_demo

    ran: list[str] = []
    run = serve_demo.run

    def told(*words: str) -> int:
        ran.append(words[0])
        return int(run(*words))

    monkeypatch.setattr(serve_demo, "run", told)
    options = argparse.Namespace(shop=tmp_path / "shop", products=12, bundle=[f"own={tiny_bundle}"])
    facts = tmp_path / "shop.index" / "index.json"
    assert serve_demo.prepare(options) == 0
    made = read_facts(facts.parent)
    assert (made.products, made.image_root) == (12, str(tmp_path / "shop"))
    assert serve_demo.prepare(options) == 0
    assert ran == ["data", "index", "data"]
    facts.write_text(facts.read_text().replace(made.bundle, LABEL))
    assert serve_demo.prepare(options) == 0
    assert read_facts(facts.parent).bundle == made.bundle


def test_an_index_is_current_only_for_its_own_bundle_and_table(
    tmp_path: Path, tiny_reviews_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(SCRIPT.parent)
    import serve_demo

    from shelfwise.bundle import open_bundle

    table = tmp_path / "products.csv"
    table.write_text("id\n")
    index = tmp_path / "shop.index"
    assert not serve_demo.is_current(index, tiny_reviews_bundle, table)
    write_index(index, 5)
    assert not serve_demo.is_current(index, tiny_reviews_bundle, table)
    facts = index / "index.json"
    facts.write_text(facts.read_text().replace(LABEL, open_bundle(tiny_reviews_bundle).label))
    assert serve_demo.is_current(index, tiny_reviews_bundle, table)
    later = facts.stat().st_mtime + 5
    os.utime(table, (later, later))
    assert not serve_demo.is_current(index, tiny_reviews_bundle, table)
