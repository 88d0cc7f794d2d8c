"""The page of the bundles that answer: what each can tell, what it has seen, and how the server does."""

from __future__ import annotations

from html import escape

import streamlit as st

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


def page() -> None:
    """Draw the page."""
    heading("Models", "Which bundles answer here, what they can tell, and what they were trained on.")
    api = client()
    connected(api)
    cards = models(api)
    ready = _ready(api)
    if not cards:
        st.html(pieces.card("No bundle is open", pieces.note("Start the server with `--bundle FOLDER`.")))
    cards_beside(*(model_card(one, ready.models.get(one.id) if ready else None) for one in cards))
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
        ("Trained on", card.domain),
        ("Version", card.version),
        ("Precision", card.precision),
        ("Vectors", f"{card.vectors} numbers" if card.vectors else "none"),
    ]
    targets = "".join(_target(name, classes) for name, classes in card.targets.items())
    return pieces.card(card.id, readiness, pieces.chip(card.task, "accent"), pieces.pairs(facts), targets)


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
