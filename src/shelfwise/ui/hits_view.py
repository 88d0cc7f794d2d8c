"""Products that were found, drawn: a tile for each, with its fields, marked words and reasons."""

from __future__ import annotations

from html import escape

import streamlit as st

from shelfwise.schema.search import Hit, SearchPage
from shelfwise.ui import pieces
from shelfwise.ui.finding import count_line, reasons, shown_fields, title_marks

NO_PICTURES = "Pictures stay where the index was made: the API tells their paths only."


def tile(hit: Hit) -> str:
    """One product."""
    name = pieces.marked(hit.title, title_marks(hit)) if hit.title else f"<i>{escape(hit.id)}</i>"
    score = f" score {hit.score:.3f}" if hit.score else ""  # products that are only listed have none
    why = "".join(f'<div class="soft">{escape(line)}</div>' for line in reasons(hit))
    return (
        f'<div class="sw card hit"><div class="name">{name}</div>'
        f'<div class="soft"><code>{escape(hit.id)}</code>{score}</div>'
        f"{pieces.pairs(shown_fields(hit))}{why}</div>"
    )


def draw_hits(page: SearchPage) -> None:
    """All of a page's products, and how many there are."""
    st.html(pieces.plain(pieces.note(count_line(page))))
    if page.hits:
        st.html(f'<div class="sw tiles">{"".join(map(tile, page.hits))}</div>')
        st.caption(NO_PICTURES)
