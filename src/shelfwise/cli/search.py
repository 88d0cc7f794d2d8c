"""`shelfwise search INDEX "words"`: find products by words, a picture, a product, and filters."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import app
from shelfwise.cli.printed import print_table
from shelfwise.errors import SearchError

if TYPE_CHECKING:
    from rich.text import Text

    from shelfwise.schema.search import Facet, Hit, SearchPage
    from shelfwise.service.search import Searcher


@app.command()
def search(
    index: Annotated[Path, typer.Argument(help="Folder that `shelfwise index` wrote.")],
    words: Annotated[str | None, typer.Argument(help="What to look for.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture of what to look for.")] = None,
    like: Annotated[str | None, typer.Option(help="Id of a product; find others like it.")] = None,
    filter_: Annotated[
        str | None, typer.Option("--filter", help='Such as \'price < 50 and brand in ("Puma", "Nike")\'.')
    ] = None,
    facets: Annotated[str | None, typer.Option(help="Fields to count the values of, with commas.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="Products on a page.")] = 10,
    offset: Annotated[int, typer.Option(min=0, help="Products to pass over.")] = 0,
    alpha: Annotated[
        float, typer.Option(min=0, max=1, help="Weight of the vectors; the words have the rest.")
    ] = 0.5,
    rrf_k: Annotated[
        float, typer.Option(min=0.001, max=100_000, help="A side gives 1 / (rrf_k + rank).")
    ] = 60,
    window: Annotated[int, typer.Option(min=1, max=10_000, help="Products that each side ranks.")] = 200,
    explain: Annotated[bool, typer.Option("--explain", help="Say why each product is where it is.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="Print the page as JSON.")] = False,
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle of the index, where it is not where it was.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use; all when left out.")] = None,
) -> None:
    """Find products in an index.

    By words, a picture, another product, or several of them. Words are compared as words and by meaning, and
    the two orders are fused. With nothing to look for, the products that the filter leaves are listed."""
    from shelfwise.schema import Picture
    from shelfwise.schema.search import SearchRequest
    from shelfwise.service.search import Searcher

    if words is not None and len(words) > 2_000:
        raise SearchError(f"the words have {len(words):,} characters; at most 2,000 are read")
    searcher = Searcher.open(index, bundle, threads=threads)
    if image is not None and not searcher.embeds:
        raise SearchError(f"a picture needs its bundle: {_where(searcher)}")
    names = tuple(name.strip() for name in (facets or "").split(",") if name.strip())
    request = SearchRequest(
        words=words and words.encode("utf-8", "replace").decode(),
        image=None if image is None else Picture(path=str(image.absolute())),
        like=like,
        filter=filter_,
        facets=names,
        limit=limit,
        offset=offset,
        alpha=alpha,
        rrf_k=rrf_k,
        window=window,
        explain=explain,
    )
    page = searcher.search(request)
    _warn(searcher, request.words, alpha)
    if json_:
        print(page.model_dump_json())
    else:
        _tell(page)
    end = page.offset + len(page.hits)
    if page.sides and end == window < page.total:
        print(f"the ranking ends at {window:,} products; --window ranks more", file=sys.stderr)


def _warn(searcher: Searcher, words: str | None, alpha: float) -> None:
    """What a person should know who reads the page."""
    if not searcher.embeds and words and alpha > 0:
        print(f"words alone: {_where(searcher)}", file=sys.stderr)
    if searcher.index.unfinished:
        print(
            "a later `shelfwise index` has not ended: run it again to find what it took in", file=sys.stderr
        )


def _where(searcher: Searcher) -> str:
    """What is missing where there is no bundle, and how to mend it."""
    facts = searcher.facts
    return f"bundle {facts.bundle} is not at '{facts.bundle_path}'; name it with --bundle"


def _tell(page: SearchPage) -> None:
    """The page on a terminal."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("", "id", "title", "score", "fields"):
        table.add_column(heading, overflow="fold", justify="right" if heading in ("", "score") else "left")
    for place, hit in enumerate(page.hits, page.offset + 1):
        table.add_row(str(place), _plain(hit.id), _title(hit), f"{hit.score:.4f}", _plain(_fields(hit)))
        if hit.explanation is not None:
            table.add_row("", "", _plain(_why(hit)), "", "")
    if page.hits:
        print_table(table)
    sides = " and ".join(page.sides)
    how = f", by {sides}{'' if page.exact else ' (approximate)'}" if sides else ""
    print(f"{page.total:,} products{how}")
    for facet in page.facets:
        print(f"{facet.field}: {_counts(facet)}")
    if page.next_offset is not None:
        print(f"more: --offset {page.next_offset}")


def _title(hit: Hit) -> Text:
    """The title, with the words that were found in bold."""
    text = _plain(hit.title or "")
    for span in hit.highlights:
        text.stylize("bold", span.start, span.end)
    return text


def _plain(text: str) -> Text:
    """A text that is no markup, whatever a shop wrote into it."""
    from rich.text import Text

    return Text(text)


def _fields(hit: Hit) -> str:
    """The fields in short."""
    shown = []
    for name, value in hit.fields.items():
        if value is None or value == ():
            continue
        said = (
            f"{value:g}"
            if isinstance(value, float)
            else value
            if isinstance(value, str)
            else ", ".join(value)
        )
        shown.append(f"{name}={said}")
    return "  ".join(shown)


def _why(hit: Hit) -> str:
    """Each side's rank, score and part."""
    assert hit.explanation is not None
    said = []
    for name, side in (("vector", hit.explanation.vector), ("words", hit.explanation.words)):
        if side is not None:
            rank = "beyond the window" if side.rank is None else f"rank {side.rank}"
            said.append(f"{name}: {rank}, score {side.score:.4f}, part {side.part:.5f}")
    if hit.explanation.terms:
        said.append(", ".join(f"{term} {score:.2f}" for term, score in hit.explanation.terms.items()))
    return "; ".join(said)


def _counts(facet: Facet) -> str:
    """Values or ranges with how many products have them."""
    said = [f"{value.value} {value.count:,}" for value in facet.values]
    said += [f"{part.low:g} to {part.high:g} {part.count:,}" for part in facet.ranges if part.count]
    said += [f"{facet.other:,} more"] if facet.other else []
    said += [f"none {facet.missing:,}"] if facet.missing else []
    return ", ".join(said)
