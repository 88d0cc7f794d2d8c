"""The command line as a whole: its version, and how errors become one line and an exit code."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shelfwise import __version__, cli
from shelfwise.errors import ConfigError, ErrorBudgetError


def run(monkeypatch: pytest.MonkeyPatch, app: object, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["shelfwise", *arguments])
    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return int(exit_.value.code or 0)


def test_version_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, cli.app, "--version") == 0
    assert capsys.readouterr().out == f"shelfwise {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigError("train.lr: too low"), 2, "shelfwise: train.lr: too low\n"),
        (ErrorBudgetError("3 rows failed"), 1, "shelfwise: 3 rows failed\n"),
        (KeyboardInterrupt(), 130, "shelfwise: interrupted\n"),
        (SystemExit(130), 130, "shelfwise: interrupted\n"),
        (
            OSError(28, "No space left on device", "out/a.json"),
            2,
            "shelfwise: 'out/a.json': No space left on device\n",
        ),
        (OSError(28, "No space left on device"), 2, "shelfwise: No space left on device\n"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    line: str,
) -> None:
    def app() -> None:
        raise error

    assert run(monkeypatch, app) == code
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("error", [ZeroDivisionError(), OSError("of our own making")])
def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def app() -> None:
        raise error

    monkeypatch.setattr("sys.argv", ["shelfwise"])
    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(type(error)):
        cli.main()


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = """from shelfwise import cli
cli.app = lambda: [print("x" * 80) for _ in range(10_000)]
cli.main()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_every_verb_is_told_in_a_whole_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in ([], ["data"]):
        run(monkeypatch, cli.app, *place, "--help")
        page = capsys.readouterr().out
        assert "Commands:" in page
        assert "..." not in page.split("Commands:")[1]
