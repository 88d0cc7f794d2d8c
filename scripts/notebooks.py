"""Run the notebooks in order and keep them with their outputs: `notebooks/NAME.py` to `notebooks/NAME.ipynb`.

python scripts/notebooks.py
"""

from __future__ import annotations

from pathlib import Path

import jupytext
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def execute(script: Path, *, timeout_s: int = 600) -> object:
    """The notebook in a percent script, executed in its folder; CellExecutionError if a cell fails."""
    notebook = jupytext.read(script)
    resources = {"metadata": {"path": str(script.parent)}}
    NotebookClient(notebook, timeout=timeout_s, resources=resources, record_timing=False).execute()
    return notebook


def main() -> None:
    """Execute all, in the order of their numbers."""
    for script in sorted(FOLDER.glob("[0-9]*.py")):
        jupytext.write(execute(script), script.with_suffix(".ipynb"))
        print(script.with_suffix(".ipynb").name)


if __name__ == "__main__":
    main()
