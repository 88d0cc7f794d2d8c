"""Products that were found, drawn: a tile for each, with its picture, fields, marked words and reasons."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

import streamlit as st

from shelfwise.schema.search import Hit, SearchPage
from shelfwise.ui import pieces
from shelfwise.ui.client import Client
from shelfwise.ui.finding import count_line, reasons, shown_fields, title_marks
from shelfwise.ui.session import pictures_of

PICTURE = "/v1/products/{id}/picture"
NO_PICTURES = "No pictures: this server does not know where those of its index are."


def tile(hit: Hit, picture: bytes | None = None, *, room: bool = False) -> str:
    """One product; with `room` a missing picture leaves its place empty."""
    name = pieces.marked(hit.title, title_marks(hit)) if hit.title else f"<i>{escape(hit.id)}</i>"
    score = f" score {hit.score:.3f}" if hit.score else ""  # products that are only listed have none
    why = "".join(f'<div class="soft">{escape(line)}</div>' for line in reasons(hit))
    return (
        f'<div class="sw card hit">{_shown(picture) if room else ""}<div class="name">{name}</div>'
        f'<div class="soft"><code>{escape(hit.id)}</code>{score}</div>'
        f"{pieces.pairs(shown_fields(hit))}{why}</div>"
    )


def draw_hits(page: SearchPage, api: Client, paths: frozenset[str]) -> None:
    """All of a page's products with their pictures, and how many there are; `paths` are the server's."""
    st.html(pieces.plain(pieces.note(count_line(page))))
    if not page.hits:
        return
    pictures: Mapping[str, bytes] = {}
    if PICTURE in paths:
        pictures = pictures_of(api, page.index, [hit.id for hit in page.hits if hit.image is not None])
    tiles = (tile(hit, pictures.get(hit.id), room=bool(pictures)) for hit in page.hits)
    st.html(f'<div class="sw tiles">{"".join(tiles)}</div>')
    if not pictures:
        st.caption(NO_PICTURES)


def _shown(picture: bytes | None) -> str:
    """The picture, which its tile's title describes."""
    if picture is None:
        return '<div class="picture"></div>'
    data = base64.b64encode(picture).decode()
    return f'<div class="picture"><img alt="" src="data:image/jpeg;base64,{data}"></div>'
