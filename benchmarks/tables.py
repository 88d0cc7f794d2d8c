"""The README's tables, made from `results/bench/*.json`; `--check` fails when they are stale.

    python benchmarks/tables.py [--check]

A table stands between `<!-- table:NAME -->` and `<!-- /table -->`. A row whose file or figure is not
there yet is left out, so that no number is ever typed by hand.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "results" / "bench"
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- table:(?P<name>[\w-]+) -->\n).*?(<!-- /table -->)", re.DOTALL)


@dataclass(frozen=True)
class Figure:
    """One row: what it is, the dotted path of its number (`FILE.key.key`), and how to print it."""

    what: str
    path: str
    form: str = "{:.2f}"
    scale: float = 1.0
    beside: str = ""
    """The figure that it is to be compared with, in words or as a further dotted path."""


FIGURES: dict[str, tuple[Figure, ...]] = {
    "accuracy": (),
    "speed": (
        Figure("`shelfwise --help`, wall time", "help.seconds.median", "{:.2f} s", beside="at most 0.3 s"),
    ),
}


def render(name: str, folder: Path = BENCH) -> str:
    """The Markdown of one table; KeyError for a name that there is no table for."""
    rows = [row for figure in FIGURES[name] if (row := _row(figure, folder)) is not None]
    if not rows:
        return "*Not measured yet: run `make bench`.*\n"
    return _markdown(("what", "measured", "to compare", "from"), rows)


def fill(text: str, folder: Path = BENCH) -> str:
    """`text` with every marked table made anew."""

    def replaced(found: re.Match[str]) -> str:
        return f"{found[1]}\n{render(found['name'], folder)}\n{found[3]}"

    return MARKED.sub(replaced, text)


def look_up(path: str, folder: Path = BENCH) -> Any:
    """The value at `FILE.key.key` in the results, or None where there is none."""
    file, *keys = path.split(".")
    try:
        value = json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))
        for key in keys:
            value = value[int(key)] if isinstance(value, list) else value[key]
    except (FileNotFoundError, KeyError, IndexError, ValueError):
        return None
    return value


def _row(figure: Figure, folder: Path) -> tuple[str, ...] | None:
    value = look_up(figure.path, folder)
    if value is None:
        return None
    beside = figure.beside
    if re.fullmatch(r"\w+(\.\w+)+", beside):
        other = look_up(beside, folder)
        beside = "" if other is None else figure.form.format(other * figure.scale)
    source = f"`{figure.path.split('.')[0]}.json`"
    return figure.what, figure.form.format(value * figure.scale), beside, source


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def main() -> None:
    """Fill the README's tables, or check them."""
    text = README.read_text(encoding="utf-8")
    filled = fill(text)
    if "--check" not in sys.argv:
        README.write_text(filled, encoding="utf-8")
    elif filled != text:
        sys.exit("the tables in README.md are stale; run: make fix")


if __name__ == "__main__":
    main()
