"""The notebooks run top to bottom on small data, and their two forms say the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jupytext
import pytest

from shelfwise.data import fashion_mnist
from shelfwise.errors import DataError
from shelfwise.store import ArtifactStore

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted((ROOT / "notebooks").glob("[0-9]*.py"))
CREDIT = "MIT licence, Copyright © 2017 Zalando SE"
EXECUTE = "import sys, notebooks; notebooks.execute(__import__('pathlib').Path(sys.argv[1]))"


def cells(path: Path) -> list[tuple[str, str]]:
    return [(cell.cell_type, cell.source) for cell in jupytext.read(path).cells]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_both_forms_say_the_same(script: Path) -> None:
    assert cells(script) == cells(script.with_suffix(".ipynb")), "run: python scripts/notebooks.py"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_outputs_are_kept_and_the_pictures_credited(script: Path) -> None:
    notebook = jupytext.read(script.with_suffix(".ipynb"))
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    assert CREDIT in " ".join(notebook.cells[0].source.split())


def test_the_story_runs_from_the_first_to_the_last(tmp_path: Path) -> None:
    try:
        fashion_mnist.locate(addresses=())
    except DataError:
        pytest.skip("Fashion-MNIST is not on this machine; install dataset-fashion-mnist")
    env = os.environ | {
        "SHELFWISE_NOTEBOOK_ROWS": "1500",
        "SHELFWISE_NOTEBOOK_STORE": str(tmp_path),
        "MPLBACKEND": "Agg",
        "IPYTHONDIR": str(tmp_path / "ipython"),
    }
    first, *rest = SCRIPTS
    for command in (
        [sys.executable, "-c", EXECUTE, str(first)],  # as a notebook
        *([sys.executable, str(script)] for script in rest),  # as scripts
    ):
        done = subprocess.run(
            command, cwd=ROOT / "scripts", env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    store = ArtifactStore(tmp_path)
    assert store.names() == [
        *(
            f"constructed/{name}"
            for name in ("pairs", "review-vectors", "review-vectors_recipe", "token-lengths")
        ),
        *(f"fashion-mnist/{name}" for name in ("class-means", "class-statistics", "pixels")),
    ]
    assert store.damaged() == {}
