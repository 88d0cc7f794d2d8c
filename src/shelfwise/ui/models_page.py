"""The page of bundles and index: what each can tell and has seen, what is searched, how the server does."""

from __future__ import annotations

from html import escape

import streamlit as st

from shelfwise.schema.search import Facet, IndexCard
from shelfwise.schema.serving import ModelCard, Ready
from shelfwise.ui import counts, pieces
from shelfwise.ui.client import ApiError, Client
from shelfwise.ui.layout import cards_beside, heading
from shelfwise.ui.session import client, connected, models, show_problem

TELLS = {
    "pictures": "what a picture shows",
    "products": "category and attributes, from pictures, title and fields, whichever are known",
    "reviews": "stars, sentiment and opinions with the very words",
}
MOST = 40
"""Classes of one target that are shown."""
MOST_VALUES = 6
"""Values of one field that are shown."""


def page() -> None:
    """Draw the page."""
    heading(
        "Models and data",
        "Which bundles answer here, what they were trained on, how well they do, and what can be searched.",
    )
    api = client()
    paths = connected(api)
    cards = models(api)
    ready = _ready(api)
    if not cards:
        st.html(pieces.card("No bundle is open", pieces.note("Start the server with `--bundle FOLDER`.")))
    cards_beside(*(model_card(one, ready.models.get(one.id) if ready else None) for one in cards))
    if "/v1/index" in paths:
        _index(api)
    _server(api)


def model_card(card: ModelCard, state: str | None) -> str:
    """One bundle."""
    if state is None:
        readiness = pieces.chip("readiness unknown")
    elif state == "ok":
        readiness = pieces.chip("ready", "good", "it has just answered a real question")
    else:
        readiness = pieces.chip(state, "bad")
    facts = [
        ("Tells", TELLS[card.task]),
        ("Trained on", card.domain + (f", {card.rows:,} rows" if card.rows else "")),
        ("Version", card.version),
        ("Precision", card.precision),
        ("Vectors", f"{card.vectors} numbers" if card.vectors else "none"),
    ]
    targets = "".join(_target(name, classes) for name, classes in card.targets.items())
    scores = _scores(card.validation)
    task = pieces.chip(card.task, "accent")
    return pieces.card(card.id, readiness, task, pieces.pairs(facts), targets, scores)


def index_card(card: IndexCard) -> str:
    """What can be searched: how much of it there is, and what each field holds."""
    figures = pieces.figures(
        [
            ("Products", f"{card.products:,}", card.index),
            ("Search", "exact" if card.exact else "approximate", _recall(card)),
            ("Pictures", "shown" if card.pictures else "none", ""),
            ("Published", card.updated[:10] or "unknown", card.updated[11:16]),
        ]
    )
    rows = "".join(
        f"<tr><td>{escape(pieces.words(one.field))}</td><td>{_known(one, card.products)}</td>"
        f"<td>{_values(one)}</td></tr>"
        for one in card.fields
    )
    table = (
        '<table class="plain"><thead><tr><th>field</th><th>known</th><th>values</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )
    return pieces.card("What can be searched", figures, table if rows else pieces.note("No fields."))


def server_card(page: str) -> str:
    """What the server has counted since it began."""
    found = counts.routes(page)
    if not found:
        return pieces.card("Since the server began", pieces.missing("Requests", "none were counted yet"))
    waiting = sum(counts.by_model(page, "shelfwise_queue_items").values())
    figures = pieces.figures(
        [
            ("Requests", f"{sum(one.requests for one in found):,}", ""),
            ("Refused", f"{sum(one.refused for one in found):,}", "status 4xx"),
            ("Failed", f"{sum(one.failed for one in found):,}", "status 5xx"),
            ("Waiting", f"{waiting:,.0f}", "items in queues"),
        ]
    )
    rows = "".join(
        f"<tr><td>{_route(one.route)}</td><td>{one.requests:,}</td>"
        f"<td>{_time(one.median_s)}</td><td>{_time(one.p95_s)}</td></tr>"
        for one in found[:12]
    )
    table = (
        '<table class="plain"><thead><tr><th>endpoint</th><th>asked</th><th>half within</th>'
        f"<th>95% within</th></tr></thead><tbody>{rows}</tbody></table>"
    )
    return pieces.card("Since the server began", figures, table)


def _ready(api: Client) -> Ready | None:
    try:
        with st.spinner("Asking each bundle a question …"):
            return api.ready()
    except ApiError as problem:
        show_problem(problem, api, "models:ready")
        return None


def _index(api: Client) -> None:
    try:
        st.html(index_card(api.index()))
    except ApiError as problem:
        if problem.code == "no_index":
            told = pieces.missing("No index", "start the server with --index FOLDER")
            st.html(pieces.card("What can be searched", told))
        else:
            show_problem(problem, api, "models:index")


def _recall(card: IndexCard) -> str:
    if card.exact or not card.recall:
        return "every product is scored" if card.exact else ""
    return f"recall@10 at least {min(card.recall.values()):.3f}"


def _known(field: Facet, products: int) -> str:
    return pieces.percent((products - field.missing) / products) if products else "–"


def _values(field: Facet) -> str:
    if field.kind == "number":
        ends = (field.ranges[0].low, field.ranges[-1].high) if field.ranges else None
        return f"{ends[0]:g} to {ends[1]:g}" if ends else "–"
    shown = ", ".join(f"{one.value} ({one.count:,})" for one in field.values[:MOST_VALUES])
    more = len(field.values) + field.other - MOST_VALUES
    return escape(shown) + (f" and {more:,} more" if more > 0 else "")


def _scores(scores: dict[str, float]) -> str:
    """On validation rows; test figures come from `shelfwise evaluate`."""
    if not scores:
        return ""
    rows = [(pieces.words(name).replace("+", " and "), f"{score:.3f}") for name, score in scores.items()]
    return f"<details><summary>On its validation rows</summary>{pieces.pairs(rows)}</details>"


def _server(api: Client) -> None:
    try:
        st.html(server_card(api.counts()))
    except ApiError as problem:
        show_problem(problem, api, "models:counts")


def _target(name: str, classes: tuple[str, ...]) -> str:
    chips = "".join(pieces.chip(one) for one in classes[:MOST])
    more = pieces.note(f"and {len(classes) - MOST:,} more") if len(classes) > MOST else ""
    summary = f"{escape(pieces.words(name))}: {len(classes):,} classes"
    return f"<details><summary>{summary}</summary>{chips}{more}</details>"


def _route(route: str) -> str:
    return "other paths" if route == "unknown" else f"<code>{escape(route)}</code>"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{1000 * seconds:g} ms" if seconds < 1 else f"{seconds:g} s"


if __name__ == "__main__":  # as streamlit runs it
    page()
