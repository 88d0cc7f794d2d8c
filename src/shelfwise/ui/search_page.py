"""The page that searches the index: words, a picture, filters from what is there, more like this."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from shelfwise.schema.search import Facet, SearchPage
from shelfwise.schema.serving import GivenSearch
from shelfwise.ui import pieces
from shelfwise.ui.analyse_page import PICTURES, SEARCH
from shelfwise.ui.client import ApiError, Client
from shelfwise.ui.finding import bounds, facet_fields, filter_of
from shelfwise.ui.given import picture_of
from shelfwise.ui.hits_view import draw_hits
from shelfwise.ui.layout import heading
from shelfwise.ui.session import ask, client, connected, kept_question, show_problem, told

PER_PAGE = 12


def page() -> None:
    """Draw the page."""
    heading(
        "Search", "Find products by words, by a picture, by both, or by what they are like, within filters."
    )
    api = client()
    paths = connected(api)
    if SEARCH not in paths:
        _no_index("This server cannot search: it is of a version without it.")
        return
    try:
        facets = _offered(api)
    except ApiError as problem:
        if problem.code == "no_index":
            _no_index("The server answers, but it was started without an index.")
        else:
            show_problem(problem, api, "search:facets")
        return
    _form(facets)
    found = told("search", api.search, api, waiting="Searching …")
    if found is not None:
        draw_hits(found, api, paths)
    _pages(found)
    if found is not None:
        _more(found)


def _no_index(why: str) -> None:
    st.html(
        pieces.card(
            "Nothing to search in yet",
            pieces.note(why),
            "<h3>What to do</h3>",
            "<p>Make an index of the catalogue, and give it to the server:</p>"
            "<p><code>shelfwise index BUNDLE CATALOG --out shop.index</code></p>"
            "<p><code>shelfwise serve --bundle BUNDLE --index shop.index</code></p>",
        )
    )


def _offered(api: Client) -> tuple[Facet, ...]:
    """The fields that can be filtered by, with their values; asked once a visit, ApiError."""
    kept: tuple[Facet, ...] | None = st.session_state.get("search:facets:found")
    if kept is None:
        some = api.search(GivenSearch(limit=30))
        fields = facet_fields(some.hits)
        kept = api.search(GivenSearch(limit=1, facets=fields)).facets if fields else ()
        st.session_state["search:facets:found"] = kept
    return kept


def _form(facets: Sequence[Facet]) -> None:
    """The form; what it sends is kept, and asked by `page`."""
    with st.form("search:form"):
        left, right = st.columns([3, 2], gap="medium")
        with left:
            words = st.text_input("Words", placeholder="red leather shoes", key="search:words")
            like = st.text_input("Like the product with this id", key="search:like")
        with right:
            picture = st.file_uploader("Picture", type=PICTURES, key="search:picture")
        with st.expander("Filters", icon=":material/filter_alt:"):
            choices, ranges = _filters(facets)
            written = st.text_input(
                "Further filter", placeholder='price < 50 and not brand = "Puma"', key="search:filter"
            )
        with st.expander("How words and likeness are weighed", icon=":material/tune:"):
            alpha = st.slider(
                "0 is words alone, 1 likeness alone", 0.0, 1.0, 0.5, step=0.05, key="search:alpha"
            )
            explain = st.checkbox("Say for each product why it is where it is", key="search:explain")
        sent = st.form_submit_button("Search", type="primary", icon=":material/search:")
    if sent or kept_question("search") is None:
        ask(
            "search",
            GivenSearch(
                words=words.strip() or None,
                like=like.strip() or None,
                picture=picture_of(picture.getvalue()) if picture else None,
                filter=filter_of(choices, ranges, written),
                alpha=alpha,
                explain=explain,
                limit=PER_PAGE,
            ),
        )


def _filters(facets: Sequence[Facet]) -> tuple[dict[str, list[str]], dict[str, tuple[float, float]]]:
    """A field for each facet; a range that is left as wide as it was filters nothing."""
    choices: dict[str, list[str]] = {}
    ranges: dict[str, tuple[float, float]] = {}
    for facet in facets:
        label, key = pieces.words(facet.field), f"search:facet:{facet.field}"
        limits = bounds(facet)
        if facet.kind == "text" and facet.values:
            counts = {value.value: value.count for value in facet.values}
            choices[facet.field] = st.multiselect(
                label,
                list(counts),
                format_func=_counted(counts),
                key=key,
            )
        elif limits is not None:
            chosen = st.slider(label, *limits, value=limits, key=key)
            if chosen != limits:
                ranges[facet.field] = chosen
    return choices, ranges


def _counted(counts: dict[str, int]) -> Callable[[str], str]:
    return lambda value: f"{value} ({counts[value]:,})"


def _pages(found: SearchPage | None) -> None:
    """The pages beside this one; the way back also where this one is an error."""
    asked: GivenSearch = kept_question("search")
    before, after = st.columns(2)
    if asked.offset and before.button("Previous page", key="search:before", width="stretch"):
        ask("search", asked.model_copy(update={"offset": max(0, asked.offset - PER_PAGE)}))
        st.rerun()
    further = None if found is None else found.next_offset
    if further is not None and after.button("Next page", key="search:after", width="stretch"):
        ask("search", asked.model_copy(update={"offset": further}))
        st.rerun()


def _more(found: SearchPage) -> None:
    """What one of these products is like."""
    asked: GivenSearch = kept_question("search")
    titles = {hit.id: hit.title or hit.id for hit in found.hits}
    if not titles:
        return
    chosen = st.selectbox(
        "More like",
        list(titles),
        index=None,
        format_func=lambda id: titles[id],
        placeholder="Choose one of these products",
        key=f"search:more:{asked.offset}:{found.index}",
    )
    if chosen is not None and st.button("Find what is like it", key="search:go"):
        ask("search", GivenSearch(like=chosen, alpha=1.0, limit=PER_PAGE, explain=asked.explain))
        st.rerun()


if __name__ == "__main__":  # as streamlit runs it
    page()
