"""What the house promises of itself: floors, a light command line, configs that load, pinned extras."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shelfwise.config import load_run

ROOT = Path(__file__).resolve().parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
HEAVY = (
    "torch",
    "numpy",
    "polars",
    "pyarrow",
    "PIL",
    "onnxruntime",
    "matplotlib",
    "sklearn",
    "pydantic",
    "rich",
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Import-linter on the package under `folder/src`, which comes first on the path."""
    return subprocess.run(
        [
            str(Path(sys.executable).parent / "lint-imports"),
            "--no-cache",
            "--config",
            str(ROOT / "pyproject.toml"),
        ],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_imports_only_point_down() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout


def test_an_upward_import_is_found(tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT / "src" / "shelfwise", tmp_path / "src" / "shelfwise")
    with (copy / "config" / "section.py").open("a") as file:
        file.write("\nfrom shelfwise.data import labelled\nimport torch\n")
    with (copy / "store" / "artifact.py").open("a") as file:
        file.write("\nimport torch\n")
    with (copy / "ui" / "client.py").open("a") as file:
        file.write("\nfrom shelfwise import errors\n")
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    found = " ".join(result.stdout.split())
    assert "shelfwise.config is not allowed to import shelfwise.data" in found
    assert "shelfwise.store is not allowed to import torch" in found
    assert "shelfwise.ui is not allowed to import shelfwise.errors" in found


def test_a_room_on_no_floor_is_found(tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT / "src" / "shelfwise", tmp_path / "src" / "shelfwise")
    (copy / "shed.py").write_text('"""A room that stands on no floor."""\n')
    result = lint_imports(tmp_path)
    assert result.returncode != 0
    assert "shed" in result.stdout + result.stderr


def test_the_command_line_imports_nothing_heavy() -> None:
    code = "import sys, shelfwise.cli; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "typer" in loaded
    assert not set(HEAVY) & set(loaded)


def test_torchvision_is_absent_or_importable() -> None:
    if importlib.util.find_spec("torchvision") is not None:
        importlib.import_module("torchvision")


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.*")), ids=lambda path: path.name)
def test_every_shipped_config_loads(path: Path) -> None:
    assert load_run(path).name


def test_every_extra_that_an_error_names_exists() -> None:
    extras = PROJECT["project"]["optional-dependencies"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    named = set(re.findall(r"MissingExtraError\(\s*[^,()]+,\s*\"(\w+)\"", text))
    named |= set(re.findall(r"shelfwise\[(\w+)\]", text))
    assert named <= set(extras), named - set(extras)


def test_everything_that_is_declared_is_pinned() -> None:
    pinned = {
        line.partition("==")[0]
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    extras = PROJECT["project"]["optional-dependencies"].values()
    declared = PROJECT["project"]["dependencies"] + [name for extra in extras for name in extra]
    names = {re.split(r"[<>=\[]", requirement)[0] for requirement in declared} - {"shelfwise"}
    assert names <= pinned, names - pinned


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_every_file_is_short_and_says_what_it_is_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert text.count("\n") <= 400
