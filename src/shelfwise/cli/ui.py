"""`shelfwise ui`: the web page, over a running API."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Annotated

import typer

from shelfwise.cli import app
from shelfwise.errors import ConfigError, MissingExtraError


@app.command()
def ui(
    api: Annotated[
        str, typer.Option(metavar="URL", help="Where `shelfwise serve` answers.")
    ] = "http://127.0.0.1:8000",
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where the page is to be found on this machine.")
    ] = 8501,
) -> None:
    """Show a web page that asks the API.

    One product, search, the reviews of a catalogue, the bundles. It answers this machine only. Where the API
    wants a key, the page asks its visitor for one."""
    if not api.startswith(("http://", "https://")):
        raise ConfigError(f"--api {api} is no address; it begins with http:// or https://")
    for library in ("streamlit", "httpx2"):
        if importlib.util.find_spec(library) is None:
            raise MissingExtraError(library, "ui")
    from shelfwise.ui.launch import API, command

    environment = {**os.environ, API: api.rstrip("/")}
    if os.name == "posix":  # the page takes this process's place, and its signals
        os.execve(sys.executable, command(port), environment)
    sys.exit(subprocess.call(command(port), env=environment))
