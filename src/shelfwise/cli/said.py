"""What a bundle says of one target, in a line for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelfwise.schema import TargetAnswer


def said(answer: TargetAnswer) -> str:
    """Labels with their probabilities, a path or several values, and what else it may be."""
    stated = (", " if answer.several else " > ").join(
        f"{label} {probability:.1%}"
        for label, probability in zip(answer.labels, answer.probabilities, strict=True)
    )
    others = ", ".join(
        f"{score.label} {score.probability:.1%}" for score in answer.top if score.label not in answer.labels
    )
    return (stated or "none likely") + (f"; else {others}" if others else "")
