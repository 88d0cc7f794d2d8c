"""The README and the CLI reference say what is so: fresh tables, commands that exist, links that lead."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tables
import typer.main

from shelfwise.cli import app

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".parquet"}


def verbs(command: object, name: str = "shelfwise") -> set[str]:
    found = {name}
    for sub, child in getattr(command, "commands", {}).items():
        found |= verbs(child, f"{name} {sub}")
    return found


def test_the_tables_are_fresh() -> None:
    assert tables.fill(README) == README, "run: make fix"
    ablations = tables.ABLATIONS.read_text(encoding="utf-8")
    assert tables.fill(ablations) == ablations, "run: make fix"


@pytest.mark.parametrize("script", ["cli_reference.py", "config_reference.py"])
def test_a_generated_reference_is_fresh(script: str) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / script, "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_stale_table_is_found(tmp_path: Path) -> None:
    (tmp_path / "help.json").write_text(
        json.dumps({"help": {"seconds": {"median": 0.123}}, "python_alone": {"seconds": {"median": 0.02}}})
    )
    text = "before\n<!-- table:speed -->\nold\n<!-- /table -->\nafter"
    filled = tables.fill(text, tmp_path)
    assert filled != text
    assert "| 0.12 s |" in filled
    assert filled.startswith("before\n<!-- table:speed -->\n")
    assert filled.endswith("<!-- /table -->\nafter")
    assert tables.fill(filled, tmp_path) == filled


def test_a_stale_readme_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stale = tmp_path / "README.md"
    stale.write_text("<!-- table:speed -->\nold\n<!-- /table -->\n")
    monkeypatch.setattr(tables, "README", stale)
    monkeypatch.setattr("sys.argv", ["tables.py", "--check"])
    with pytest.raises(SystemExit, match="stale"):
        tables.main()
    monkeypatch.setattr("sys.argv", ["tables.py"])
    tables.main()
    monkeypatch.setattr("sys.argv", ["tables.py", "--check"])
    tables.main()


def test_a_figure_that_was_not_measured_has_no_row(tmp_path: Path) -> None:
    assert "Not measured yet" in tables.render("speed", tmp_path)
    assert tables.look_up("help.help.seconds.median", tmp_path) is None


def test_an_ablation_that_was_recorded_fills_its_page(tmp_path: Path) -> None:
    text = "<!-- table:ablation-tiny -->\n<!-- /table -->"
    assert "Not measured yet" in tables.fill(text, tmp_path)
    (tmp_path / "ablation-tiny.json").write_text(json.dumps({"questions": None}))
    assert "No cell is done yet" in tables.fill(text, tmp_path)


def test_figures_find_the_places_that_the_benchmarks_write(tmp_path: Path) -> None:
    mean = {"mean": 0.94, "ci95": [0.938, 0.942], "values": [0.94]}
    run = dict.fromkeys(("accuracy", "accuracy_tta", "ece", "text_aligned", "p_at_10", "cpu_seconds"), mean)
    (tmp_path / "train-demo.json").write_text(json.dumps(run | {"seeds": [0, 1]}))
    table = tables.render("accuracy", tmp_path)
    assert "94.00% (93.80% to 94.20%, seeds [0, 1])" in table
    assert "fashion-mnist-long" not in table
    assert "P@10 | 0.940 |" in table


def test_every_command_that_is_shown_exists() -> None:
    known = verbs(typer.main.get_command(app))
    shown = set(re.findall(r"^shelfwise (?:data )?[a-z]+", README, re.MULTILINE))
    assert shown, "the README shows no command"
    assert shown <= known, shown - known


def test_the_python_that_is_shown_compiles() -> None:
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec")


def test_no_picture_in_the_project_is_without_credit() -> None:
    pictures = {path.parent for kind in ("*.png", "*.jpg") for path in (ROOT / "examples").rglob(kind)}
    for folder in pictures:
        assert "Copyright © 2017 Zalando SE" in (folder / "README.md").read_text(encoding="utf-8")
    strays = [
        path for path in [*(ROOT / "src").rglob("*"), *(ROOT / "tests").rglob("*")] if path.suffix in PICTURES
    ]
    assert strays == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_project_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_a_row_with_a_missing_number_gives_way_to_its_other_form(tmp_path: Path) -> None:
    row = {"cpu_seconds": 10, "accuracy": 0.92, "ratio": 4.0, "baseline_cpu_seconds": None}
    longest = {"baseline_longest_cpu_seconds": 400, "baseline_best_accuracy": 0.91}
    results = {"targets": {"92": row | longest}}
    (tmp_path / "cost_to_accuracy.json").write_text(json.dumps(results))
    assert "a plain network never in 400, its best is 91.00%; more than 4.0x" in tables.render(
        "speed", tmp_path
    )
