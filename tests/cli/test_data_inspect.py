"""`shelfwise data inspect`: prints the columns, writes the config, overwrites nothing unasked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from drawn import draw_catalog
from typer.testing import CliRunner, Result

from shelfwise.cli import app
from shelfwise.config import ProductsConfig, load_config, load_run
from shelfwise.errors import ConfigError, DataError


def inspect(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", "inspect", *map(str, arguments)])


def test_columns_are_printed_and_a_config_is_written(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 12)
    with table.open("a") as file:
        file.write("one,cell too few\n")
    out = tmp_path / "new" / "shop.toml"
    result = inspect(table, "--out", out, "--task", "pictures")
    assert result.exit_code == 0, result.output
    assert "task:  pictures (as asked for); --task products or --task reviews writes another" in result.stdout
    assert "all 13 rows, 1 of them bad" in result.stdout
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert "target" in rows["category"]
    assert "picture" in rows["image"]
    assert "100.0%" in rows["id"]
    assert f"wrote {out}" in result.stdout
    assert load_config(out).data.source == str(table.resolve())


def test_json_on_stdout_is_only_json(tmp_path: Path) -> None:
    table = draw_catalog(tmp_path, 12)
    (tmp_path / "images" / "p0003.png").unlink()
    result = inspect(table, "--out", tmp_path / "shop.toml", "--json", "--task", "pictures")
    content = json.loads(result.stdout)
    assert content["rows_looked_at"] == 12
    assert content["columns"][0]["name"] == "id"
    assert content["data"]["target"] == "category"
    assert content["notes"] == ["1 of the first 12 pictures failed"]


def test_an_existing_config_is_kept_without_force(tmp_path: Path) -> None:
    table, out = draw_catalog(tmp_path, 12), tmp_path / "shop.toml"
    out.write_text("mine")
    result = inspect(table, "--out", out)
    assert isinstance(result.exception, ConfigError)
    assert "--force" in str(result.exception)
    assert out.read_text() == "mine"
    assert inspect(table, "--out", out, "--force").exit_code == 0
    assert out.read_text() != "mine"


def test_the_config_is_named_after_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images" / "p0000.png").parent.mkdir()
    table = draw_catalog(tmp_path, 12)
    (tmp_path / "images" / "p0000.png").unlink()
    monkeypatch.chdir(tmp_path)
    result = inspect(table)
    assert "note: 1 of the first 12 pictures failed" in result.stdout
    config = load_run(Path("products.toml"))
    assert isinstance(config, ProductsConfig)
    assert list(config.effective_targets) == ["category", "colour"]


def test_what_a_file_is_taken_for_is_said_and_can_be_told(tmp_path: Path) -> None:
    table, out = draw_catalog(tmp_path, 40), tmp_path / "shop.toml"
    result = inspect(table, "--out", out)
    assert "task:  products (the file looks like products:" in result.stdout
    assert "--task pictures or --task reviews writes another" in result.stdout
    found = json.loads(inspect(table, "--out", out, "--force", "--json").stdout)
    assert found["task"] == "products"
    assert found["targets"]["category"]["labels"] == ["category"]
    table.write_text("id,title\n1,Red shoe\n2,Blue shoe\n")
    assert "no column that looks like labels" in str(
        inspect(table, "--out", out, "--task", "products", "--force").exception
    )


def test_what_a_user_can_mend_is_said(tmp_path: Path) -> None:
    assert isinstance(inspect(tmp_path / "none.csv").exception, DataError)
    table = draw_catalog(tmp_path, 4)
    assert "ends in .toml" in str(inspect(table, "--out", tmp_path / "x.json").exception)
    (tmp_path / "file").touch()
    assert "cannot be written" in str(inspect(table, "--out", tmp_path / "file" / "x.toml").exception)


def test_a_products_config_is_good_for_a_report_and_for_contact_sheets(tmp_path: Path) -> None:
    out = tmp_path / "shop.toml"
    inspect(draw_catalog(tmp_path, 40, size=24), "--out", out)
    runner = CliRunner()
    result = runner.invoke(app, ["data", "report", str(out), "--out", str(tmp_path / "report")])
    assert result.exit_code == 0, result.output
    facts = json.loads((tmp_path / "report" / "report.json").read_text())
    assert facts["target"] == "category"
    result = runner.invoke(app, ["data", "augment", str(out), "--out", str(tmp_path / "sheets")])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "sheets" / "config.png").exists()
