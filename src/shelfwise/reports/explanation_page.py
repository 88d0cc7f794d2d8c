"""The page that explains one answer: overlays of pictures, words by weight, modalities, what it is like.

`write_explanation(explained, folder)` writes `explanation.json`, `explanation.html` and a PNG a map.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from markupsafe import Markup
from matplotlib.figure import Figure
from numpy import ndarray

from shelfwise.explain.maps import adds_up
from shelfwise.explain.result import Explained, is_map_file
from shelfwise.files import replacing
from shelfwise.reports.page import percent, picture_uri, render, save_figure, write_page
from shelfwise.schema.explanation import Explanation, PictureMap

COLOURS = "BrBG"
"""Brown speaks against, teal for: even in lightness on both sides, and safe for the colour-blind."""
FADED = 0.45
"""How much of the picture stays under a map, from white."""
SIDE = 320
"""Pixels of an overlay's longer side on the page, about."""
SAID = {"class": "for {label}", "contrast": "for {label} rather than {rival}", "edges": "edges alone"}
MOST_GAZES = 12
HEADING = 42
"""Letters in a line above a map."""


def write_explanation(explained: Explained, folder: Path) -> list[Path]:
    """Write JSON, page and PNGs, each whole or not at all; return their paths, the page's first.

    PNGs of an explanation that was in the folder before, which this one has none of, are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    explanation = explained.explanation
    pages = [folder / "explanation.html", folder / "explanation.json"]
    drawn = []
    for picture, pixels in zip(explanation.pictures, explained.pixels, strict=True):
        for said in picture.maps:
            drawn.append(folder / said.file)
            draw = partial(map_figure, pixels, explained.maps[said.file], said, title(said, explanation))
            save_figure(draw, drawn[-1])
    with replacing(pages[1]) as partial_path:
        partial_path.write_text(explanation.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_page(pages[0], explanation_page(explained))
    for path in folder.glob("picture-*.png"):
        if is_map_file(path.name) and path not in drawn:
            path.unlink()
    return [*pages, *drawn]


def explanation_page(explained: Explained) -> str:
    """Return the page."""
    explanation = explained.explanation
    pictures: list[dict[str, Any]] = [
        {
            "name": picture.name,
            "original": picture_uri(pixels, scale_of(pixels)),
            "maps": _tiles(picture.maps, pixels, explained, explanation),
        }
        for picture, pixels in zip(explanation.pictures, explained.pixels, strict=True)
    ]
    return render(
        "explanation.html",
        kicker=f"Why this {explanation.target}",
        title=" > ".join(explanation.path),
        lead=_lead(explanation),
        sections=_sections(explanation),
        e=explanation,
        pictures=pictures,
        off=any(tile["adds"] is not None for picture in pictures for tile in picture["maps"]),
        photo=any(pixels.shape[2] == 3 for pixels in explained.pixels),
        text=marked_text(explanation),
        words=sorted(explanation.words, key=lambda word: -abs(word.weight)),
        steps=_steps(explanation),
        gazes=_gazes(explained),
        most_gazes=MOST_GAZES,
        colours=", ".join(_css(value) for value in np.linspace(-1, 1, 9)),
    )


def map_figure(
    pixels: UInt8[ndarray, "H W C"], values: Float[ndarray, "H W"], said: PictureMap, heading: str
) -> Figure:
    """The picture, and beside it the map over it, with its scale."""
    figure = Figure(figsize=(6.4, 0.5 + 2.5 * pixels.shape[0] / pixels.shape[1]))
    left, right = figure.subplots(1, 2)
    left.imshow(pixels if pixels.shape[2] == 3 else np.repeat(pixels, 3, axis=2))
    right.imshow(overlay(pixels, values, said))
    for axes, name in ((left, "as the network sees it"), (right, heading)):
        axes.set_title(fill(name, HEADING), fontsize=9)  # wrap=True would read `$` as mathematics
        axes.set_axis_off()
    most = _most(values)
    ends = (0, most) if said.asks == "edges" else (-most, most)
    shades = mpl.cm.ScalarMappable(mpl.colors.Normalize(*ends), "Greys" if said.asks == "edges" else COLOURS)
    figure.colorbar(shades, ax=right, label=said.unit, fraction=0.05)
    return figure


def overlay(
    pixels: UInt8[ndarray, "H W C"], values: Float[ndarray, "H W"], said: PictureMap
) -> UInt8[ndarray, "H W 3"]:
    """The picture in faded grey, with what speaks for the class in teal and against it in brown.

    A colour is the stronger the farther from 0, by the map's own largest value; edges are in black."""
    grey = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2) / 255
    shares = values / _most(values)
    if said.asks == "edges":
        return np.rint(255 * (1 - np.repeat(shares[..., None], 3, axis=2))).astype(np.uint8)
    paint = mpl.colormaps[COLOURS]((1 + shares) / 2)[..., :3]
    # Weak values let the picture through; the square root shows also what is a quarter as strong.
    strength = 0.85 * np.sqrt(np.abs(shares))[..., None]
    under = 1 - FADED * (1 - grey)
    mixed = strength * paint + (1 - strength) * under
    return np.asarray(np.rint(255 * mixed).clip(0, 255), np.uint8)


def marked_text(explanation: Explanation) -> Markup:
    """The text with every word shaded by its weight; what stands between them stays as typed."""
    most = max([abs(word.weight) for word in explanation.words], default=0.0) or 1.0
    parts, done, text = [], 0, explanation.text
    for word in explanation.words:
        parts.append(Markup("{}").format(text[done : word.start]))
        kind = "for" if word.weight >= 0 else "against"
        parts.append(
            Markup('<mark class="{}" style="--a:{:.2f}" title="{}">{}</mark>').format(
                kind, abs(word.weight) / most, f"{word.weight:+.2f} nats", word.text
            )
        )
        done = word.end
    return Markup("").join([*parts, Markup("{}").format(text[done:])])


def title(said: PictureMap, explanation: Explanation) -> str:
    """What a map shows, in words."""
    rival = explanation.rival.label if explanation.rival else ""
    asked = SAID[said.asks].format(label=explanation.label, rival=rival)
    return asked.capitalize() if said.asks == "edges" else f"{said.method}, {asked}"


def scale_of(pixels: UInt8[ndarray, "H W C"]) -> int:
    """How often a pixel is repeated on the page."""
    return max(1, round(SIDE / int(max(pixels.shape[:2]))))


def _tiles(
    maps: tuple[PictureMap, ...], pixels: ndarray, explained: Explained, explanation: Explanation
) -> list[dict[str, Any]]:
    return [
        {
            "uri": picture_uri(overlay(pixels, explained.maps[said.file], said), scale_of(pixels)),
            "title": title(said, explanation),
            "said": said,
            "adds": _adds(said),
        }
        for said in maps
    ]


def _adds(said: PictureMap) -> float | None:
    """What the picture adds, where the map's sum is not about that."""
    if said.total is None or said.residual is None:
        return None
    change = said.total - said.residual
    return None if adds_up(np.array(said.total), np.array(change)) else change


def _lead(explanation: Explanation) -> str:
    """Return one sentence that tells the most important thing."""
    known = " and ".join(explanation.known)
    lead = f"{percent(explanation.probability, 1)} from {known}"
    if explanation.label != explanation.answer.label:
        answer = explanation.answer
        lead += f"; not the answer, which is {answer.label} with {percent(answer.probability, 1)}"
    elif explanation.rival is not None:
        lead += f"; next is {explanation.rival.label} with {percent(explanation.rival.probability, 1)}"
    return lead + "."


def _sections(explanation: Explanation) -> list[tuple[str, str]]:
    found = []
    for there, anchor, name in (
        (explanation.modalities, "modalities", "Modalities"),
        (explanation.pictures, "pictures", "Where"),
        (explanation.words, "words", "Words"),
        (explanation.gaze, "gaze", "Gaze"),
        (explanation.neighbours, "neighbours", "Neighbours"),
        (explanation.missing, "missing", "Missing"),
    ):
        if there:
            found.append((anchor, name))
    return [*found, ("made", "How it was made")]


def _steps(explanation: Explanation) -> list[dict[str, Any]]:
    """From the prior to the probability, a bar for each modality: left edge and width in hundredths."""
    if explanation.prior is None:
        return []
    level = explanation.prior
    steps = [{"name": "nothing known", "value": level, "left": 0.0, "width": 100 * level, "kind": "prior"}]
    for name, value in explanation.modalities.items():
        left = min(level, level + value)
        kind = "for" if value >= 0 else "against"
        steps.append(
            {"name": name, "value": value, "left": 100 * left, "width": 100 * abs(value), "kind": kind}
        )
        level += value
    whole = explanation.probability
    steps.append({"name": "together", "value": whole, "left": 0.0, "width": 100 * whole, "kind": "whole"})
    return steps


def _gazes(explained: Explained) -> list[dict[str, Any]]:
    """Each picture under the attention of each of the first words."""
    gaze = explained.explanation.gaze[:MOST_GAZES]
    most = max(
        [share for word in gaze for grid in word.pictures for row in grid for share in row], default=1.0
    )
    found = []
    for word in gaze:
        elsewhere = word.elsewhere or (0.0,) * len(word.pictures)
        for pixels, grid, other in zip(explained.pixels, word.pictures, elsewhere, strict=True):
            shares = np.array(grid)
            lit = picture_uri(_lit(pixels, shares / (most or 1.0)), scale_of(pixels))
            share = float(shares.sum()) + other
            found.append({"text": word.text, "uri": lit, "share": share, "elsewhere": other})
    return found


def _lit(pixels: UInt8[ndarray, "H W C"], light: Float[ndarray, "h w"]) -> UInt8[ndarray, "H W 3"]:
    """The grey picture, bright where the light (0 to 1) is."""
    height, width = pixels.shape[:2]
    down = np.arange(height) * light.shape[0] // height
    across = np.arange(width) * light.shape[1] // width
    grey = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    lit = 40 + (grey - 40) * (0.15 + 0.85 * light[down][:, across, None])
    return np.asarray(np.rint(lit).clip(0, 255), np.uint8)


def _most(values: Float[ndarray, "H W"]) -> float:
    return float(np.abs(values).max()) or 1.0


def _css(value: float) -> str:
    return mpl.colors.to_hex(mpl.colormaps[COLOURS]((1 + value) / 2))
