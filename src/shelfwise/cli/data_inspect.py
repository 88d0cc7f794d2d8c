"""`shelfwise data inspect FILE`: what is in a user's file, and a ready config with its guesses marked."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import data_app
from shelfwise.errors import ConfigError, DataError

if TYPE_CHECKING:
    from shelfwise.data.inspect import Inspection
    from shelfwise.data.suggest import Suggestion
    from shelfwise.data.suggest_reviews import ReviewSuggestion


class Task(StrEnum):
    """What a file holds."""

    pictures = "pictures"
    products = "products"
    reviews = "reviews"


@data_app.command("inspect")
def data_inspect(
    file: Annotated[Path, typer.Argument(help="A CSV, Parquet or JSONL file, or a folder of pictures.")],
    out: Annotated[
        Path | None, typer.Option(help="The config to write; FILE's name with .toml, here, when left out.")
    ] = None,
    task: Annotated[
        Task | None, typer.Option(help="What the file holds; told from its columns when left out.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing config.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, not a table.")] = False,
) -> None:
    """Look at a file of products or reviews and write its config.

    The config is ready to use, with every guess marked as a guess."""
    from shelfwise.data.inspect import inspect_file
    from shelfwise.data.suggest_toml import written_toml

    name = file.name.removesuffix(".gz") or file.resolve().name
    target = out or Path(Path(name).stem + ".toml")
    if target.suffix != ".toml":
        raise ConfigError(f"--out '{target}': expected a name that ends in .toml")
    suggestion, lack = _suggested(inspect_file(file), task)
    if as_json:
        typer.echo(json.dumps(_as_dict(suggestion), ensure_ascii=False, indent=1))
    else:
        _print_table(suggestion)
    if lack is not None:
        raise DataError(lack)
    text = written_toml(suggestion, folder=target.parent)
    if target.exists() and not force:
        raise ConfigError(f"'{target}' exists; choose another --out, or --force to overwrite it")
    _write(target, text)
    typer.echo(f"wrote {target}; check the lines marked 'guess'", err=as_json)
    typer.echo(_choice(_task_of(suggestion), told=task is not None), err=as_json)


def _suggested(found: Inspection, task: Task | None) -> tuple[Suggestion | ReviewSuggestion, str | None]:
    """The suggestion for a task, without one for what the file seems to hold, and why none could train."""
    from shelfwise.data.suggest import suggest
    from shelfwise.data.suggest_lacks import no_pictures_run
    from shelfwise.data.suggest_products import is_products, products_lack, suggest_products
    from shelfwise.data.suggest_reviews import is_reviews
    from shelfwise.data.suggest_reviews import suggest as suggest_reviews

    if task is Task.reviews or (task is None and is_reviews(found)):
        return suggest_reviews(found), None
    plain = suggest(found)
    lack = no_pictures_run(plain)
    if task is Task.pictures or (task is None and lack is None and not is_products(plain)):
        other = "; --task products writes a config" if lack and products_lack(plain) is None else ""
        return plain, lack and lack + other
    lack = products_lack(plain)
    return (plain, lack) if lack else (suggest_products(plain), None)


def _task_of(suggestion: Suggestion | ReviewSuggestion) -> Task:
    """The task that a suggestion is for."""
    from shelfwise.data.suggest import Suggestion
    from shelfwise.data.suggest_products import ProductsSuggestion

    if not isinstance(suggestion, Suggestion):
        return Task.reviews
    return Task.products if isinstance(suggestion, ProductsSuggestion) else Task.pictures


_HOLDS = {
    Task.pictures: "pictures and one label",
    Task.products: "products: labels to be told from texts, pictures or both, or pictures with titles",
    Task.reviews: "reviews",
}


def _choice(task: Task, *, told: bool) -> str:
    """What the config is for, and how to get another."""
    others = " or ".join(f"--task {other}" for other in Task if other is not task)
    looks = "as asked for" if told else f"the file looks like {_HOLDS[task]}"
    return f"task:  {task} ({looks}); {others} writes another"


def _as_dict(suggestion: Suggestion | ReviewSuggestion) -> dict[str, object]:
    from shelfwise.data.suggest import Suggestion
    from shelfwise.data.suggest_products import ProductsSuggestion

    found, prepare = suggestion.inspection, {}
    if isinstance(suggestion, Suggestion):
        prepare = {"preprocess": suggestion.preprocess.model_dump(mode="json")}
    if isinstance(suggestion, ProductsSuggestion):
        targets = {name: target.model_dump(mode="json") for name, target in suggestion.targets.items()}
        prepare |= {"targets": targets, "unused": suggestion.unused}
    return {
        "task": _task_of(suggestion).value,
        "file": str(found.path),
        "format": found.format,
        "rows_looked_at": found.rows,
        "whole_file": found.complete,
        "bad_rows": found.bad_rows,
        "columns": [column.as_dict() for column in found.columns],
        "data": suggestion.data.model_dump(mode="json"),
        **prepare,
        "guesses": suggestion.reasons,
        "notes": list(suggestion.notes),
    }


def _print_table(suggestion: Suggestion | ReviewSuggestion) -> None:
    from rich.console import Console
    from rich.table import Table

    from shelfwise.data.suggest_toml import one_line

    found = suggestion.inspection
    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    rows = f"all {found.rows:,} rows" if found.complete else f"the first {found.rows:,} rows"
    bad = f", {found.bad_rows:,} of them bad" if found.bad_rows else ""
    console.print(f"{found.path} ({found.format}): {rows}{bad}", markup=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("column", "kind", "filled", "distinct", "used as", "examples"):
        table.add_column(heading, justify="right" if heading in ("filled", "distinct") else "left")
    roles = _roles(suggestion)
    for column in found.columns:
        table.add_row(
            *(one_line(column.name), column.kind, f"{column.fill_rate:.1%}", f"{column.distinct:,}"),
            *(roles.get(column.name, ""), one_line(" | ".join(column.examples()))),
        )
    with console.capture() as capture:
        console.print(table, markup=False)
    typer.echo(capture.get().rstrip("\n"))
    for note in suggestion.notes:
        typer.echo(one_line(f"note: {note}"))


def _roles(suggestion: Suggestion | ReviewSuggestion) -> dict[str, str]:
    """What each column is taken for."""
    from shelfwise.data.suggest import Suggestion
    from shelfwise.data.suggest_products import ProductsSuggestion

    if not isinstance(suggestion, Suggestion):
        parts = suggestion.data.columns.model_dump(exclude={"fields"})
        return {column: part for part, column in parts.items() if column is not None}
    columns, target = suggestion.data.columns, suggestion.data.target
    roles = dict.fromkeys(columns.fields.values(), "field")
    for key, name in columns.labels.items():
        roles[name] = "target" if key == target else "label"
    if isinstance(suggestion, ProductsSuggestion):
        roles |= {
            columns.labels[label]: f"{name}, level {place}" if len(chosen.labels) > 1 else "target"
            for name, chosen in suggestion.targets.items()
            for place, label in enumerate(chosen.labels, 1)
        }
    several = (("picture", columns.images), ("id", (columns.id,)))
    texts = (("title", (columns.title,)), ("description", (columns.description,)))
    for role, names in (*several, *texts):
        for name in filter(None, names):
            roles[name] = f"{roles[name]}, {role}" if name in roles else role
    return roles


def _write(path: Path, text: str) -> None:
    """Whole or not at all; what the system refuses is a ConfigError."""
    from shelfwise.files import replacing

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.write_text(text, encoding="utf-8")
    except (OSError, UnicodeEncodeError) as error:  # JSON may name a column by what is no text
        raise ConfigError(f"'{path}' cannot be written: {error}") from None
