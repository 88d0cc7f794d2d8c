"""`shelfwise data report CATALOG --out DIR`: the exploratory and quality report of a catalogue."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from shelfwise.cli import data_app


@data_app.command("report")
def report(
    catalog: Annotated[
        str, typer.Argument(help="A config, a table, a folder of pictures, or fashion-mnist.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.json and the plots.")],
    target: Annotated[
        str | None, typer.Option(help="The label to look at most closely; the config's own when unset.")
    ] = None,
    max_errors: Annotated[int, typer.Option(help="Exit with 1 when more rows than this fail.", min=0)] = 0,
) -> None:
    """Look through a catalogue and report on it.

    Classes, pictures, texts, duplicates, splits and likely label errors, as a page and as JSON."""
    from shelfwise.config import SplitConfig, load_config
    from shelfwise.data.catalog import columns_of, resolve
    from shelfwise.errors import ConfigError
    from shelfwise.reports.data_page import summary
    from shelfwise.reports.data_report import write_data_report

    logging.basicConfig(format="%(message)s", stream=sys.stderr)
    config = resolve(catalog)
    if target is not None:
        known = columns_of(config).labels
        if config.source != "fashion-mnist" and target not in known:
            names = ", ".join(known) or "none"
            raise ConfigError(f"--target {target!r} is not a label of '{catalog}'; it has: {names}")
        config = config.model_copy(update={"target": target})
    is_config = Path(catalog).suffix in (".toml", ".json")
    split = load_config(Path(catalog)).split if is_config else SplitConfig()
    out.mkdir(parents=True, exist_ok=True)  # or fail now, and not after the work
    with _progress() as progress:
        facts = write_data_report(config, out, split=split, progress=progress)
    print(summary(facts))
    print(f"report: {out / 'report.html'} (every number: {out / 'report.json'})")
    if facts["rows"]["failed"] > max_errors:
        print(
            f"{facts['rows']['failed']:,} rows failed, more than --max-errors {max_errors}", file=sys.stderr
        )
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str, int], None]]:
    """A line that counts rows by stage: live on a terminal, else one line per stage."""
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status("reading") as status:
            yield lambda stage, rows: status.update(f"{stage}: {rows:,} rows")
        return
    stages: set[str] = set()

    def say(stage: str, rows: int) -> None:
        if stage not in stages:
            stages.add(stage)
            print(f"{stage} ...", file=sys.stderr, flush=True)

    yield say
