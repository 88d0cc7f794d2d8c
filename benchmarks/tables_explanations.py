"""Rows of the table of docs/explain.md, from `benchmarks/explanations.py`."""

from __future__ import annotations

from collections.abc import Iterable

from figure import Figure

_PICTURES = "explanations.pictures.methods"
_METHODS = {
    "integrated gradients": "integrated gradients",
    "Grad-CAM": "Grad-CAM",
    "occlusion": "occlusion by windows",
}
_CURVES = {"deletion": "deletion", "insertion": "insertion", "insertion_from_blurred": "from blurred"}
_OF_WORDS = ("deletion", "insertion")


def _areas(place: str, curves: Iterable[str] = _CURVES) -> str:
    """The area under each curve of one order of pixels or words."""
    return ", ".join(f"{_CURVES[curve]} {{{place}.{curve}.value:.3f}}" for curve in curves)


def _beyond(place: str, other: str, curves: Iterable[str] = _CURVES) -> str:
    """How far each curve's area lies from another order's, with its interval."""
    minus = {curve: f"{place}.{curve}.minus_{other}" for curve in curves}
    return ", ".join(
        f"{_CURVES[curve]} {{{at}.value:+.3f}} ({{{at}.ci95.0:+.3f}} to {{{at}.ci95.1:+.3f}})"
        for curve, at in minus.items()
    )


def _method(name: str, what: str) -> tuple[Figure, Figure]:
    place = f"{_PICTURES}.{name}"
    return (
        Figure(
            f"{what}, on {{explanations.pictures.count:d}} pictures",
            _areas(place),
            f"minus a random order: {_beyond(place, 'random')}",
        ),
        Figure(f"{what}, minus edges", _beyond(place, "edges")),
    )


def _words() -> Figure:
    place = "explanations.words.methods.words left out"
    return Figure(
        "words left out, on {explanations.words.count:d} titles",
        _areas(place, _OF_WORDS),
        f"minus a random order: {_beyond(place, 'random', _OF_WORDS)}",
    )


EXPLANATIONS = (
    *(row for name, what in _METHODS.items() for row in _method(name, what)),
    Figure("a random order", _areas(f"{_PICTURES}.random")),
    Figure("Sobel's edges, which know nothing of the model", _areas(f"{_PICTURES}.edges")),
    _words(),
)
