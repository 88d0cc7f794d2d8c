"""Pieces of the page as HTML: cards, bars, figures, marked words. Values in, text out, all of it escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Literal

Tone = Literal["", "good", "bad", "warn", "accent", "both", "hit", "soft"]
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#~|$!:])")
_COMMAND = re.compile(r"`([^`]+)`")
WARNINGS = {
    "unlike_training": "The picture is unlike those that the bundle learned from: the answer means little.",
    "picture_skipped": "A picture could not be used, and the answer is from the rest.",
}
"""Warnings of the API that need more than their name."""


@dataclass(frozen=True)
class Mark:
    """The characters `start` to `end` (excluded) of a text, and what they are marked as."""

    start: int
    end: int
    tone: Tone
    tag: str = ""
    """A word that is written behind it."""
    hint: str = ""


def percent(share: float) -> str:
    """A share as people read it; what is not all is never rounded to all."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{100 * share:.0f}%"


def words(name: str) -> str:
    """A column's or class's name for people: `usage_type` is `usage type`."""
    return name.replace("_", " ").strip()


def as_plain_text(text: str) -> str:
    """What somebody else wrote, for a place that reads Markdown: it stays words, and loads no pictures."""
    return _MARKDOWN.sub(r"\\\1", text)


def card(title: str, *parts: str) -> str:
    """A card with a title."""
    heading = f"<h2>{escape(title)}</h2>" if title else ""
    return f'<div class="sw card">{heading}{"".join(parts)}</div>'


def plain(*parts: str) -> str:
    """Pieces that stand on the page itself."""
    return f'<div class="sw">{"".join(parts)}</div>'


def note(text: str) -> str:
    """A soft line."""
    return f'<div class="soft">{escape(text)}</div>'


def missing(what: str, why: str) -> str:
    """Something that cannot be told, and why; a command stands between backquotes."""
    told = _COMMAND.sub(r"<code>\1</code>", escape(why))
    return f'<p class="missing"><b>{escape(what)}</b>: {told}</p>'


def chip(text: str, tone: Tone = "", hint: str = "") -> str:
    """A small label."""
    return f'<span class="chip {tone}" title="{escape(hint)}">{escape(text)}</span>'


def bar(label: str, share: float, *, value: str | None = None, tone: Tone = "") -> str:
    """A bar of a share with its label and number."""
    width = 100 * min(1.0, max(0.0, share))
    return _bar_row(
        label, f'<span class="fill {tone}" style="width:{width:.1f}%"></span>', value or percent(share)
    )


def two_bars(label: str, positive: int, negative: int, most: int) -> str:
    """How often something is praised and blamed, in one bar; `most` mentions fill it."""
    fills = "".join(
        f'<span class="fill {tone}" style="width:{100 * count / max(1, most):.1f}%"></span>'
        for tone, count in (("good", positive), ("bad", negative))
    )
    return _bar_row(label, fills, f"{positive} / {negative}")


def _bar_row(label: str, fills: str, value: str) -> str:
    return (
        f'<div class="bar"><span>{escape(label)}</span><span class="track">{fills}</span>'
        f'<span class="value">{escape(value)}</span></div>'
    )


def figures(rows: Iterable[tuple[str, str, str]]) -> str:
    """Numbers in large type: label, value and a note for each."""
    cells = "".join(
        f'<div class="figure"><div class="label">{escape(label)}</div>'
        f'<div class="value">{escape(value)}</div><div class="note">{escape(about)}</div></div>'
        for label, value, about in rows
    )
    return f'<div class="figures">{cells}</div>'


def path(labels: Sequence[str], probabilities: Sequence[float]) -> str:
    """A category from coarse to fine, each step with its probability."""
    last = len(labels) - 1
    steps = (
        f'<span class="step{"" if place == last else " coarse"}">{escape(label)}</span>'
        f'<span class="soft">{percent(probability)}{"" if place == last else " ›"}</span>'
        for place, (label, probability) in enumerate(zip(labels, probabilities, strict=True))
    )
    return f'<div class="path">{"".join(steps)}</div>'


def marked(text: str, marks: Sequence[Mark]) -> str:
    """A text with its marks, which may overlap: where tones meet, the words are marked as `both`."""
    edges = sorted({0, len(text), *(edge for mark in marks for edge in (mark.start, mark.end))})
    parts = []
    for start, end in pairwise(edges):
        inside = [mark for mark in marks if mark.start <= start and end <= mark.end]
        piece = escape(text[start:end])
        if inside:
            tones = {mark.tone for mark in inside}
            tone = tones.pop() if len(tones) == 1 else "both"
            hint = "; ".join(mark.hint for mark in inside if mark.hint)
            piece = f'<mark class="{tone}" title="{escape(hint)}">{piece}</mark>'
        parts.append(piece)
        parts += [
            f'<span class="tag {mark.tone}">{escape(mark.tag)}</span>'
            for mark in marks
            if mark.end == end and mark.tag
        ]
    return "".join(parts)


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values."""
    cells = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows)
    return f"<dl>{cells}</dl>" if cells else ""


def warning(code: str) -> str:
    """What a warning of the API means."""
    return WARNINGS.get(code, words(code).capitalize() + ".")
