"""How the page looks besides streamlit's own theme (`launch.OPTIONS`): a style sheet, colours of charts."""

from __future__ import annotations

from functools import cache
from pathlib import Path

GOOD, BAD, ACCENT, SOFT, PALE = "#2f7d3b", "#b42342", "#0f766e", "#646a75", "#c9c4b8"
SURFACE = "#ffffff"


@cache
def style() -> str:
    """The style sheet, as a piece of the page."""
    return f"<style>{Path(__file__).with_name('style.css').read_text(encoding='utf-8')}</style>"
