"""`shelfwise data get NAME`: find or download a published data set, check it, say where it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from shelfwise.cli import data_app
from shelfwise.errors import DataError

KNOWN = ("fashion-mnist",)


@data_app.command("get")
def get(
    name: Annotated[str, typer.Argument(help=f"The data set: {', '.join(KNOWN)}.")],
    folder: Annotated[
        Path | None, typer.Option(help="Look here first, and download to here if it is nowhere else.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Find or download a published data set.

    It is checked, and its folder is printed."""
    if name not in KNOWN:
        raise DataError(f"data set '{name}' is not known; known are: {', '.join(KNOWN)}")

    from shelfwise.data import fashion_mnist

    place = fashion_mnist.locate(folder)
    files = [
        {"file": path.name, "rows": len(fashion_mnist.read_checked(path, file)), "sha256": file.sha256}
        for file in fashion_mnist.all_files()
        for path in [fashion_mnist.find_file(place, file)]
    ]
    if as_json:
        print(json.dumps({"name": name, "folder": str(place), "files": files}, indent=2))
        return
    print(f"{name} is in {place}")
    for row in files:
        print(f"  {row['file']:<26} {row['rows']:>6,} rows  sha256 of content {row['sha256']}")
