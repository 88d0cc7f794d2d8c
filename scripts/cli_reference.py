"""Write `docs/cli.md` from the command line's own help; `--check` fails when the file is stale.

python scripts/cli_reference.py [--check]
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from shelfwise.cli import app

FILE = Path(__file__).resolve().parent.parent / "docs" / "cli.md"
INTRODUCTION = """# Command line

One grammar: `shelfwise VERB ...`. CONFIG is a TOML or JSON file; CATALOG is a config, a table file, a
folder of pictures or the word `fashion-mnist`. Exit codes: 0 well, 1 more rows failed than `--max-errors`
allows, 2 something that you can mend, told in one line.

This page is made from the help texts by `make fix`; don't edit it.
"""


def reference() -> str:
    """The whole page."""
    sections = [f"## `{name}`\n\n```text\n{text}\n```\n" for name, text in helps(typer.main.get_command(app))]
    return "\n".join([INTRODUCTION, *sections])


def helps(command: Any, parent: Any = None, name: str = "shelfwise") -> Iterator[tuple[str, str]]:
    """Full name and help text of `command` and of everything below it."""
    context = command.make_context(
        name.rsplit(" ", 1)[-1],
        [],
        parent=parent,
        resilient_parsing=True,
        max_content_width=100,
        terminal_width=100,
    )
    yield name, "\n".join(line.rstrip() for line in command.get_help(context).strip().splitlines())
    for sub, child in sorted(getattr(command, "commands", {}).items()):
        yield from helps(child, context, f"{name} {sub}")


def main() -> None:
    """Write the page, or check it."""
    page = reference()
    if "--check" not in sys.argv:
        FILE.parent.mkdir(exist_ok=True)
        FILE.write_text(page, encoding="utf-8")
    elif not FILE.exists() or FILE.read_text(encoding="utf-8") != page:
        sys.exit(f"{FILE.name} is stale; run: make fix")


if __name__ == "__main__":
    main()
