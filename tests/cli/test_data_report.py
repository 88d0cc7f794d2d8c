"""`shelfwise data report` at the terminal: exit codes, the error budget and what is printed."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from drawn import draw_catalog
from typer.testing import CliRunner

from shelfwise.cli import app
from shelfwise.cli.data_report import _progress
from shelfwise.errors import ConfigError, DataError

CONFIG = """
[data]
source = "{table}"
target = "category"
[data.columns]
id = "id"
images = ["image"]
title = "title"
[data.columns.labels]
category = "category"
colour = "colour"
[split]
max_pixel_difference = 4.0
"""


def config_of(folder: Path, rows: int) -> Path:
    table = draw_catalog(folder, rows)
    config = folder / "shop.toml"
    config.write_text(CONFIG.format(table=table), encoding="utf-8")
    return config


def test_report_says_where_it_is_and_uses_the_configs_split(tmp_path: Path) -> None:
    config = config_of(tmp_path, 16)
    result = CliRunner().invoke(app, ["data", "report", str(config), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "16 rows in = 16 ok + 0 failed" in result.stdout
    assert str(tmp_path / "out" / "report.html") in result.stdout
    facts = json.loads((tmp_path / "out" / "report.json").read_text())
    assert facts["split"]["max_pixel_difference"] == 4.0
    assert facts["target"] == "category"


def test_failed_rows_past_the_budget_are_exit_code_1(tmp_path: Path) -> None:
    config = config_of(tmp_path, 8)
    (tmp_path / "images" / "p0003.png").write_bytes(b"")
    command = ["data", "report", str(config), "--out", str(tmp_path / "out")]
    assert CliRunner().invoke(app, command).exit_code == 1
    assert CliRunner().invoke(app, [*command, "--max-errors", "1"]).exit_code == 0


def test_another_target_can_be_asked_for(tmp_path: Path) -> None:
    config = config_of(tmp_path, 8)
    command = ["data", "report", str(config), "--out", str(tmp_path / "out"), "--target"]
    assert CliRunner().invoke(app, [*command, "colour"]).exit_code == 0
    assert json.loads((tmp_path / "out" / "report.json").read_text())["target"] == "colour"
    result = CliRunner().invoke(app, [*command, "size"])
    assert isinstance(result.exception, ConfigError)
    assert "category, colour" in str(result.exception)


def test_a_folder_of_pictures_is_a_catalogue(tmp_path: Path) -> None:
    from drawn import draw_garment

    for i, kind in enumerate(["bag", "shoe"] * 3):
        folder = tmp_path / "tree" / kind
        folder.mkdir(parents=True, exist_ok=True)
        draw_garment(kind, i).save(folder / f"{i}.png")
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["data", "report", str(tmp_path / "tree"), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert json.loads((out / "report.json").read_text())["labels"]["label"]["classes"] == 2


@pytest.mark.parametrize("argument", ["nowhere.csv", "nowhere.toml"])
def test_a_missing_source_is_named(argument: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["data", "report", argument, "--out", str(tmp_path)])
    assert result.exit_code != 0
    assert argument in str(result.exception)


def test_an_out_that_cannot_be_fails_before_the_work(tmp_path: Path) -> None:
    config = config_of(tmp_path, 4)
    result = CliRunner().invoke(app, ["data", "report", str(config), "--out", str(config)])
    assert isinstance(result.exception, FileExistsError)
    assert "reading" not in result.stderr


def test_a_catalogue_without_rows_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["data", "report", str(tmp_path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, DataError)
    assert "has no rows to report on" in str(result.exception)


def test_progress_is_a_live_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with _progress() as progress:
        progress("reading", 1_234)
    assert "reading" in terminal.getvalue()
