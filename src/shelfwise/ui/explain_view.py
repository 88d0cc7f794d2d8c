"""Why an answer is what it is, drawn: a heat map over the picture, words with weights, modalities' shares."""

from __future__ import annotations

import io
from collections.abc import Mapping
from html import escape

from PIL import Image

from shelfwise.schema.explanation import Explanation, Grid, PictureMap, WordWeight
from shelfwise.ui import pieces

SIDE = 320
"""Of a heat map's picture, in pixels, at most."""
_FOR, _AGAINST = (15, 118, 110), (180, 35, 66)
_STRONGEST = 0.72
"""How much of the picture the strongest cell covers."""


def heat_map(picture: bytes, grid: Grid) -> bytes:
    """The picture as PNG under a map: teal speaks for the class, red against it, each by its size.

    ValueError for a picture that cannot be read, or an empty map."""
    try:
        under = Image.open(io.BytesIO(picture)).convert("RGB")
    except OSError as error:
        raise ValueError(f"the picture cannot be drawn: {error}") from None
    under.thumbnail((SIDE, SIDE))
    if max(under.size) < SIDE:
        scale = SIDE // max(under.size)
        under = under.resize((under.width * scale, under.height * scale), Image.Resampling.NEAREST)
    strongest = max((abs(value) for row in grid for value in row), default=0.0)
    if not grid or not grid[0]:
        raise ValueError("the map has no cells")
    for colour, sign in ((_FOR, 1), (_AGAINST, -1)):
        cover = Image.new("L", (len(grid[0]), len(grid)))
        cover.putdata(
            [round(255 * _STRONGEST * max(0.0, sign * v) / (strongest or 1.0)) for row in grid for v in row]
        )
        under.paste(colour, (0, 0), cover.resize(under.size, Image.Resampling.BICUBIC))
    file = io.BytesIO()
    under.save(file, "PNG")
    return file.getvalue()


def best_map(found: Explanation) -> PictureMap | None:
    """The first picture's map of the class itself, else any that is not of mere edges."""
    maps = [one for one in (found.pictures[0].maps if found.pictures else ()) if one.asks != "edges"]
    return next((one for one in maps if one.asks == "class"), maps[0] if maps else None)


def words_html(text: str, weights: tuple[WordWeight, ...]) -> str:
    """The text with the words marked that speak for the class or against it."""
    strongest = max((abs(word.weight) for word in weights), default=0.0)
    marks = [
        pieces.Mark(
            word.start,
            word.end,
            "good" if word.weight > 0 else "bad",
            hint=f"{word.weight:+.2f} nats",
        )
        for word in weights
        if strongest and abs(word.weight) >= 0.1 * strongest
    ]
    return f'<div class="text">{pieces.marked(text, marks)}</div>'


def reasons_card(found: Explanation) -> str:
    """What the answer is from: modalities, words, and what could not be explained."""
    rival = f", rather than {found.rival.label}" if found.rival else ""
    parts = [pieces.note(f"Why {found.label} ({pieces.percent(found.probability)}){rival}.")]
    if found.modalities:
        parts.append("<h3>What each part adds to the probability</h3>")
        parts += [
            pieces.bar(
                pieces.words(name),
                abs(value),
                value=f"{100 * value:+.0f}",
                tone="good" if value >= 0 else "bad",
            )
            for name, value in found.modalities.items()
        ]
    if found.words:
        parts.append("<h3>Words</h3>" + words_html(found.text, found.words))
        parts.append(
            pieces.note("Green words speak for it, red ones against it; point at one for its weight.")
        )
    if found.neighbours:
        names = "".join(
            f'<div class="quote">{escape(one.title)} <span class="soft">{one.similarity:.2f}</span></div>'
            for one in found.neighbours[:5]
        )
        parts.append(f"<h3>Like these products that it has learned from</h3>{names}")
    parts += [pieces.missing(what, why) for why, what in _by_reason(found.missing).items()]
    return pieces.card("Why", *parts)


def _by_reason(missing: Mapping[str, str]) -> dict[str, str]:
    """Each reason once, with all that it is the reason for."""
    parts: dict[str, list[str]] = {}
    for part, why in missing.items():
        parts.setdefault(why, []).append(pieces.words(part))
    return {why: ", ".join(names).capitalize() for why, names in parts.items()}
