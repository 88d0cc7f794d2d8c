"""`shelfwise analyze`: everything that can be said of one product, from whatever is known of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import app, data_folders
from shelfwise.cli.answer_line import answer_line
from shelfwise.errors import DataError

if TYPE_CHECKING:
    from shelfwise.schema import Review
    from shelfwise.schema.serving import Analysis
    from shelfwise.service.models import OpenModel

MOST_REVIEWS = 10_000
"""Of one product; a catalogue's are for `shelfwise reviews summarize`."""
QUOTED = 3


@app.command()
def analyze(
    files: Annotated[list[str] | None, typer.Argument(help="Pictures of the product.")] = None,
    title: Annotated[str | None, typer.Option(help="The product's title.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="One of the shop's own columns, e.g. price=9.5."),
    ] = None,
    reviews: Annotated[
        str | None, typer.Option(help="Its buyers' reviews: a CSV, Parquet or JSONL file.")
    ] = None,
    bundle: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FOLDER", help="Bundle to ask; may be repeated. The default bundles when left out."
        ),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")] = False,
    top: Annotated[int, typer.Option(min=1, help="How many labels to show.")] = 3,
    fp32: Annotated[bool, typer.Option("--fp32", help="Full precision instead of 8 bits.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
) -> None:
    """Say what a product is and what its buyers say of it.

    What cannot be told is said with the reason; answers name their bundle and what it has learned from."""
    from shelfwise.data.cells import given_product
    from shelfwise.schema import Picture
    from shelfwise.service.analysis import analyze as analyzed

    if not (files or title or reviews or field):
        raise DataError("name a picture, a --title, --reviews, or several of these")
    product_model, review_model = _models(bundle or [], threads, fp32=fp32)
    product = given_product(
        files[0] if files else "product",
        images=tuple(Picture(path=str(Path(file).absolute())) for file in files or []),
        title=title,
        fields=_fields(field or []),
    )
    found = analyzed(
        product,
        _reviews(reviews) if reviews else [],
        product_model=product_model,
        review_model=review_model,
        top=top,
    )
    if json_:
        print(found.model_dump_json())
    else:
        _tell(found)
    if found.status == "failed":
        raise typer.Exit(1)


def _models(
    paths: list[str], threads: int | None, *, fp32: bool
) -> tuple[OpenModel | None, OpenModel | None]:
    """The bundle of products or pictures and that of reviews; DataError for two of one kind."""
    from shelfwise.service.models import default_paths, open_model

    found: dict[bool, OpenModel] = {}
    for path in paths or default_paths():
        model = open_model(Path(path), threads=threads, precision="fp32" if fp32 else "int8")
        of_reviews = model.task == "reviews"
        if of_reviews in found:
            raise DataError(
                f"'{path}' and '{found[of_reviews].bundle.path}' answer the same questions: name one of them"
            )
        found[of_reviews] = model
    return found.get(False), found.get(True)


def _fields(given: list[str]) -> dict[str, str]:
    found = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise DataError(f"--field {word}: expected NAME=VALUE")
        found[name] = value
    return found


def _reviews(source: str) -> list[Review]:
    """The reviews of a file; a row that cannot be used is left out with a word. DataError for too many."""
    import sys

    from shelfwise.data.reviews import read_reviews
    from shelfwise.data.suggest_reviews import resolve_reviews
    from shelfwise.schema import Review, RowError

    found: list[Review] = []
    for item in read_reviews(resolve_reviews(source, folders=data_folders())):
        if isinstance(item, RowError):
            print(f"left out: {item}", file=sys.stderr)
        elif isinstance(item, Review):
            found.append(item)
        if len(found) > MOST_REVIEWS:
            raise DataError(
                f"'{source}' has more than {MOST_REVIEWS:,} reviews; for those of a whole catalogue: "
                "shelfwise reviews summarize"
            )
    return found


def _tell(found: Analysis) -> None:
    """What there is to say, on a terminal."""
    lines: list[tuple[str, str]] = []
    if found.category is not None:
        lines.append(("category", answer_line(found.category)))
    lines += [(name, answer_line(answer)) for name, answer in (found.attributes or {}).items()]
    if found.reviews is not None:
        lines += _of_reviews(found)
    lines += [("not told", f"{part}: {why}") for part, why in found.missing.items()]
    lines += [("warning", warning) for warning in found.warnings]
    lines += [("by", f"{by.bundle}, which has learned from {by.domain}") for by in found.by.values()]
    width = max((len(name) for name, _ in lines), default=0)
    for name, line in lines:
        print(f"{name:<{width}}  {line}")


def _of_reviews(found: Analysis) -> list[tuple[str, str]]:
    """Stars, then what buyers praise and blame, in their own words."""
    summary = found.reviews
    assert summary is not None
    lines = []
    if summary.stars is not None:
        lines.append(("reviews", f"{summary.reviews:,}, which read like {summary.stars:.1f} stars"))
    for aspect in summary.aspects:
        quotes = [*aspect.praise[:QUOTED], *aspect.blame[:QUOTED]]
        words = "; ".join(f'"{quote.text}"' for quote in quotes)
        lines.append((aspect.aspect, f"{aspect.positive} for, {aspect.negative} against: {words}"))
    return lines
