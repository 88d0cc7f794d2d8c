"""Rows of the table of docs/explain.md, from `benchmarks/explanations.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from figure import Figure

_ASKS = {"class": "", "contrast": ", against the runner-up"}
"""What is asked, and how its rows say so."""
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


def _pictures(asks: str, more: str) -> Iterator[Figure]:
    """Of one kind of map: each method, and the two orders that it is compared with."""
    pictures = f"explanations.pictures.{asks}"
    for name, what in _METHODS.items():
        place = f"{pictures}.{name}"
        yield Figure(
            f"{what}{more}, on {{explanations.pictures.count:d}} pictures",
            _areas(place),
            f"minus a random order: {_beyond(place, 'random')}",
        )
        yield Figure(f"{what}{more}, minus edges", _beyond(place, "edges"))
    yield Figure(f"a random order{more}", _areas(f"{pictures}.random"))
    yield Figure(f"Sobel's edges, which know nothing of the model{more}", _areas(f"{pictures}.edges"))


def _words() -> Figure:
    place = "explanations.words.methods.words left out"
    return Figure(
        "words left out, on {explanations.words.count:d} titles",
        _areas(place, _OF_WORDS),
        f"minus a random order: {_beyond(place, 'random', _OF_WORDS)}",
    )


EXPLANATIONS = (
    *(row for asks, more in _ASKS.items() for row in _pictures(asks, more)),
    _words(),
)
