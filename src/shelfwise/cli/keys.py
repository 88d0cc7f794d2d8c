"""`shelfwise keys`: make, list and revoke the keys that a server asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelfwise.cli import keys_app

File = Annotated[Path, typer.Option(help="File of keys, that `shelfwise serve --keys` reads.")]
DEFAULT = Path("keys.json")


@keys_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Whom the key is for.")],
    file: File = DEFAULT,
    rate: Annotated[float | None, typer.Option(help="Items a second that it may ask for.")] = None,
    admin: Annotated[bool, typer.Option("--admin", help="It may exchange bundles, too.")] = False,
) -> None:
    """Make a key and print it, this once: the file keeps its hash. A running server takes it at once."""
    from shelfwise.api.keys import add_key
    from shelfwise.bundle import now

    print(add_key(file, name, created=now(), rate=rate, admin=admin))


@keys_app.command("revoke")
def revoke(
    name: Annotated[str, typer.Argument(help="Whose key.")],
    file: File = DEFAULT,
) -> None:
    """Take a key back; a running server refuses it within a second."""
    from shelfwise.api.keys import revoke_key

    revoke_key(file, name)
    print(f"'{name}' is revoked")


@keys_app.command("list")
def list_(file: File = DEFAULT) -> None:
    """Whose keys there are."""
    from shelfwise.api.keys import read_keys

    for key in read_keys(file):
        rights = ("admin",) if key.admin else ()
        limits = (f"{key.rate:g} items/s",) if key.rate else ()
        print("  ".join((key.name, key.created, *rights, *limits)).rstrip())
