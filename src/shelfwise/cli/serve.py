"""`shelfwise serve`: the HTTP API on the user's bundles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from shelfwise.cli import app
from shelfwise.errors import MissingExtraError


@app.command()
def serve(
    bundle: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]FOLDER", help="Bundle; may be repeated. The default bundles when left out."
        ),
    ] = None,
    index: Annotated[Path | None, typer.Option(help="Folder of `shelfwise index`, to search in.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="File with the table [serve]; options go before it.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; 127.0.0.1 when left out.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="8000 when left out; 0 takes a free one.")
    ] = None,
    keys: Annotated[
        Path | None, typer.Option(help="File of API keys, as `shelfwise keys` writes it.")
    ] = None,
    open_without_keys: Annotated[
        bool, typer.Option("--open-without-keys", help="Let other machines ask without a key.")
    ] = False,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Cores of one model call; all if left out.")
    ] = None,
    fp32: Annotated[bool, typer.Option("--fp32", help="Full precision instead of 8 bits.")] = False,
    log: Annotated[str | None, typer.Option(help="json or text; json when left out.")] = None,
) -> None:
    """Answer over HTTP.

    Until Ctrl-C or SIGTERM, which lets requests that have begun come to their end. The API's documentation is
    at /docs."""
    from shelfwise.config.serving import read_serving

    settings: dict[str, Any] = {
        "bundles": bundle or None,
        "index": str(index) if index else None,
        "host": host,
        "port": port,
        "keys": str(keys) if keys else None,
        "open_without_keys": open_without_keys or None,
        "threads": threads,
        "precision": "fp32" if fp32 else None,
        "log": log,
    }
    asked = read_serving(config, {name: value for name, value in settings.items() if value is not None})
    try:
        from shelfwise.api.run import run
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "fastapi", "serve") from None

    run(asked)
