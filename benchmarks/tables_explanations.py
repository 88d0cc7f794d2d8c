"""Rows of the table of docs/explain.md, from `benchmarks/explanations.py`."""

from __future__ import annotations

from figure import Figure

_PICTURES = "explanations.pictures.methods"
_METHODS = {
    "integrated gradients": "integrated gradients",
    "Grad-CAM": "Grad-CAM",
    "occlusion": "occlusion by windows",
}
_CURVES = {
    "deletion": "deletion {place}",
    "insertion": "insertion {place}",
    "insertion_from_blurred": "from blurred {place}",
}


def _areas(place: str) -> str:
    """The area under each curve of one order of pixels."""
    return ", ".join(words.format(place=f"{{{place}.{curve}.value:.3f}}") for curve, words in _CURVES.items())


def _beyond(place: str, other: str) -> str:
    """How far each curve's area lies from another order's, with its interval."""
    found = []
    for curve, words in _CURVES.items():
        minus = f"{place}.{curve}.minus_{other}"
        difference = f"{{{minus}.value:+.3f}} ({{{minus}.ci95.0:+.3f}} to {{{minus}.ci95.1:+.3f}})"
        found.append(words.format(place=difference))
    return ", ".join(found)


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
    place, curves = "explanations.words.methods.words left out", ("deletion", "insertion")
    areas = ", ".join(f"{curve} {{{place}.{curve}.value:.3f}}" for curve in curves)
    minus = ", ".join(
        f"{{{place}.{curve}.minus_random.value:+.3f}} ({{{place}.{curve}.minus_random.ci95.0:+.3f}} to "
        f"{{{place}.{curve}.minus_random.ci95.1:+.3f}})"
        for curve in curves
    )
    return Figure(
        "words left out, on {explanations.words.count:d} titles", areas, f"minus a random order: {minus}"
    )


EXPLANATIONS = (
    *(row for name, what in _METHODS.items() for row in _method(name, what)),
    Figure("a random order", _areas(f"{_PICTURES}.random")),
    Figure("Sobel's edges, which know nothing of the model", _areas(f"{_PICTURES}.edges")),
    _words(),
)
