"""The command line as a whole: its version, and how errors become one line and an exit code."""

from __future__ import annotations

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


def test_a_bug_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def app() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sys.argv", ["shelfwise"])
    monkeypatch.setattr(cli, "app", app)
    with pytest.raises(ZeroDivisionError):
        cli.main()
