"""The page's grid: a heading, and cards beside each other where there is room."""

from __future__ import annotations

from html import escape

import streamlit as st

from shelfwise.ui.pieces import plain


def heading(title: str, lead: str) -> None:
    """A page's title, and one sentence on what it is for."""
    st.html(plain(f'<h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>'))


def cards_beside(*cards: str) -> None:
    """Cards in a row; under each other on a phone."""
    st.html(f'<div class="sw beside">{"".join(cards)}</div>')
