"""The command line: one grammar, one file per verb, every heavy import inside the verb.

Exit codes: 0 well, 1 the error budget (`--max-errors`) was exceeded, 2 the user can mend it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from shelfwise import __version__
from shelfwise.errors import ErrorBudgetError, ShelfwiseError

app = typer.Typer(
    name="shelfwise",
    help="Product intelligence for shops: learn a catalogue, ask it, and know which answers to trust.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _print_version(asked: bool) -> bool:
    if asked:
        print(f"shelfwise {__version__}")
        raise typer.Exit
    return asked


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    pass


data_app = typer.Typer(help="Get, look at and report on data.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
reviews_app = typer.Typer(help="Work with reviews.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(reviews_app, name="reviews")
keys_app = typer.Typer(help="Make and revoke API keys.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(keys_app, name="keys")


def data_folders() -> tuple[Path, ...]:
    """Where a configuration's files are looked for besides its own folder: what SHELFWISE_DATA names."""
    named = os.environ.get("SHELFWISE_DATA")
    return (Path(named),) if named else ()


def main() -> None:
    """Run the command line; an error that the user can mend is one line and exit code 2.

    What the system refuses (a full disk, a folder that may not be written) is taken for one of these."""
    try:
        app()
    except ShelfwiseError as error:
        print(f"shelfwise: {error}", file=sys.stderr)
        sys.exit(1 if isinstance(error, ErrorBudgetError) else 2)
    except BrokenPipeError:  # whoever read our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        what = f"'{error.filename}': " if error.filename else ""
        print(f"shelfwise: {what}{error.strerror}", file=sys.stderr)
        sys.exit(2)
    except SystemExit as end:
        if end.code == 130:  # typer has caught Ctrl-C, and says nothing
            print("shelfwise: interrupted", file=sys.stderr)
        raise
    except KeyboardInterrupt:
        print("shelfwise: interrupted", file=sys.stderr)
        sys.exit(130)


# The verbs, each in its file; importing one adds it. They stand last because they need `app`.
from shelfwise.cli import (  # noqa: E402, F401
    ablate,
    analyze,
    data_augment,
    data_demo,
    data_get,
    data_inspect,
    data_report,
    data_synthesize,
    evaluate,
    explain,
    export,
    index,
    keys,
    predict,
    reviews_embed,
    reviews_summarize,
    search,
    serve,
    train,
    tune,
    ui,
)
