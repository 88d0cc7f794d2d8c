"""`shelfwise ui`: the page as a process, by name; and what it says where it cannot be started."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
import urllib.request
from typing import Any

import pytest
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.errors import ConfigError, MissingExtraError
from shelfwise.ui.launch import API, DEFAULT_API, command


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["ui", *arguments])


def test_an_address_that_is_none_is_refused() -> None:
    assert isinstance(run("--api", "localhost:8000").exception, ConfigError)


def test_a_missing_streamlit_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    found = run().exception
    assert isinstance(found, MissingExtraError)
    assert "shelfwise[ui]" in str(found)


def test_the_process_learns_where_the_api_is(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Any] = []
    monkeypatch.setattr(os, "execve", lambda *given: begun.append(given))
    monkeypatch.setattr(subprocess, "call", lambda *_, **__: 0)
    run("--api", "http://shop.example/api/", "--port", "8600")
    (_, given, environment), *_ = begun
    assert given == command(8600)
    assert environment[API] == "http://shop.example/api"


def test_the_command_line_and_the_page_agree_on_the_api() -> None:
    assert DEFAULT_API in CliRunner().invoke(app, ["ui", "--help"]).output


def test_the_page_answers_on_this_machine(tmp_path: Any) -> None:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    code = "from shelfwise.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "ui", "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                    assert answer.read() == b"ok"
                    break
            except OSError:
                assert process.poll() is None
                time.sleep(0.25)
        else:
            pytest.fail("the page did not answer within a minute")
    finally:
        process.terminate()
        process.wait(30)
