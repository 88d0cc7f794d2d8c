"""A server as a process of its own: clients over sockets, signals, and callers that misbehave."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from serve_requests import bomb
from served import CLI

Started = tuple[subprocess.Popen[str], int]


def ask(
    port: int, method: str, path: str, body: Any = None, kind: str = "application/json"
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    connection.request(method, path, content, {"content-type": kind} if content is not None else {})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, json.loads(data) if data[:1] in (b"{", b"[") else data


def encoded(form: str, size: tuple[int, int], mode: str = "RGB", **how: Any) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, form, **how)
    return file.getvalue()


def test_hostile_pictures_are_refused_and_the_server_goes_on(
    start: Callable[..., Started], png: bytes
) -> None:
    _, port = start("pictures")
    jpeg = encoded("JPEG", (64, 64))
    hostile = {
        "truncated": (jpeg[: len(jpeg) // 2], 422),
        "1x1": (encoded("PNG", (1, 1)), 422),
        "20,000 x 20,000": (bomb(20_000), 422),
        "zip bomb": (bomb(6_000), 422),
        "html": (b"<html><script>", 422),
        "zip": (b"PK\x03\x04" + bytes(100), 422),
        "noise": (np.random.default_rng(0).bytes(5000), 422),
        "cmyk": (encoded("JPEG", (64, 64), "CMYK"), 200),
        "animated": (
            encoded("GIF", (64, 64), "P", save_all=True, append_images=[Image.new("P", (64, 64), 1)]),
            200,
        ),
    }
    for name, (data, status) in hostile.items():
        found, answer = ask(port, "POST", "/v1/classify", data, "image/png")
        assert found == status, (name, answer)
        assert ask(port, "POST", "/v1/classify", png, "image/png")[0] == 200
    assert ask(port, "GET", "/health/ready")[0] == 200


def test_sigterm_lets_requests_come_to_their_end(start: Callable[..., Started]) -> None:
    process, port = start("reviews")
    body = {"items": [{"text": "It fits well and looks good. " * 300}] * 64}
    answers: list[int] = []

    def long_request() -> None:
        answers.append(ask(port, "POST", "/v1/reviews/analyze", body)[0])

    thread = threading.Thread(target=long_request)
    thread.start()
    time.sleep(0.15)
    process.send_signal(signal.SIGTERM)
    thread.join(60)
    assert answers == [200]
    assert process.wait(30) in (0, -signal.SIGTERM)


def test_many_at_once_are_all_answered(start: Callable[..., Started], png: bytes) -> None:
    _, port = start("pictures")
    statuses: list[int] = []

    def several() -> None:
        for _ in range(10):
            statuses.append(ask(port, "POST", "/v1/classify", png, "image/png")[0])

    threads = [threading.Thread(target=several) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [200] * 80
    page = ask(port, "GET", "/metrics")[1].decode()
    assert 'shelfwise_requests_total{method="POST",route="/v1/classify",status="200"} 80.0' in page


def test_broken_requests_and_callers_that_leave_do_no_harm(start: Callable[..., Started], png: bytes) -> None:
    _, port = start("pictures")
    head = b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-type: image/png\r\ncontent-length: %d\r\n\r\n"
    for raw in (
        b"\x00\xff garbage\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        head % len(png) + png[:20],
        head % 10**12,
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
            caller.sendall(raw)
    assert ask(port, "POST", "/v1/classify", png, "image/png")[0] == 200
    assert ask(port, "GET", "/health/ready")[0] == 200


def test_a_flood_is_answered_or_refused_item_by_item(start: Callable[..., Started], tmp_path: Path) -> None:
    settings = tmp_path / "serve.toml"
    settings.write_text("[serve.limits]\nqueue = 8\nbatch = 2\n", encoding="utf-8")
    _, port = start("reviews", options=("--config", str(settings)))
    body = {"items": [{"text": "It fits well and looks good. " * 100}] * 4}
    found: list[tuple[int, set[str | None]]] = []

    def one() -> None:
        status, answer = ask(port, "POST", "/v1/reviews/analyze", body)
        found.append((status, {item["error_kind"] for item in answer["items"]}))

    threads = [threading.Thread(target=one) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [status for status, _ in found] == [200] * 24
    assert set.union(*(kinds for _, kinds in found)) == {None, "queue_full"}
    assert ask(port, "GET", "/health/ready")[0] == 200


def test_a_killed_server_is_started_again_where_it_was(start: Callable[..., Started], png: bytes) -> None:
    process, port = start("pictures")
    before = ask(port, "POST", "/v1/classify", png, "image/png")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as caller:
        caller.sendall(b"POST /v1/classify HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf")
        process.kill()
        process.wait(10)
        assert start("pictures", options=("--port", str(port)))[1] == port
    assert ask(port, "POST", "/v1/classify", png, "image/png") == before


def test_a_head_that_does_not_come_is_not_waited_for(start: Callable[..., Started], tmp_path: Path) -> None:
    settings = tmp_path / "serve.toml"
    settings.write_text("[serve.limits]\ndeadline_s = 1.0\n", encoding="utf-8")
    _, port = start("pictures", options=("--config", str(settings)))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
        assert b"200 OK" in connection.recv(4096)
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHo")
        with contextlib.suppress(ConnectionResetError):
            while connection.recv(4096):
                pass
    with (
        contextlib.suppress(ConnectionResetError),
        socket.create_connection(("127.0.0.1", port), timeout=30) as silent,
    ):
        assert silent.recv(1) == b""
    assert ask(port, "GET", "/health/live")[0] == 200


def test_a_port_that_is_taken_is_told_with_the_remedy(bundles: dict[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        bundle = f"pictures={bundles['pictures']}"
        asked = [*CLI, "serve", "--bundle", bundle, "--port", port]
        done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "address already in use" in done.stderr
    assert "take another --port" in done.stderr
    assert "Traceback" not in done.stderr
