"""The page's frame, which streamlit runs for every visitor: style, navigation, the server's state."""

from __future__ import annotations

from html import escape
from pathlib import Path

import streamlit as st

from shelfwise.ui.client import ApiError
from shelfwise.ui.pieces import plain
from shelfwise.ui.session import client, has_key, server_state, use_key
from shelfwise.ui.theme import style

HERE = Path(__file__).resolve().parent
PAGES = (
    ("analyse", "Analyse a product", "inventory_2"),
    ("search", "Search", "search"),
    ("reviews", "Reviews of a catalogue", "reviews"),
    ("models", "Models and data", "model_training"),
)
# A file, because a named icon would be fetched from Google by every visitor's browser.
st.set_page_config(page_title="shelfwise", page_icon=HERE / "icon.svg", layout="wide")
st.html(style())
st.logo(HERE / "logo.svg", size="large")


def _connection() -> None:
    """Which server answers, and with which key it is asked."""
    api = client()
    tone, state = "good", "connected"
    try:
        server_state(api)
    except ApiError as problem:
        tone, state = "bad", "wants a key" if problem.status == 401 else "not reached"
    st.html(plain(f'<span class="dot {tone}"></span>API {state}<div class="soft">{escape(api.base)}</div>'))
    with st.expander("API key", icon=":material/key:"):
        key = st.text_input(
            "Key", type="password", label_visibility="collapsed", placeholder="sw_…", key="sidebar:key"
        )
        st.button("Use", key="sidebar:use", on_click=lambda: use_key(st.session_state["sidebar:key"]))
        if has_key() and not key:
            st.caption("A key is in use. It stays in the memory of this visit.")


page = st.navigation(
    [
        st.Page(
            HERE / f"{name}_page.py", title=title, icon=f":material/{icon}:", url_path=name, default=not place
        )
        for place, (name, title, icon) in enumerate(PAGES)
    ]
)
with st.sidebar:
    _connection()
page.run()
