"""What a bundle says of one target, in a line for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shelfwise.schema import TargetAnswer


def answer_line(answer: TargetAnswer) -> str:
    """Labels with their probabilities, a path or several values, and what else it may be."""
    stated = (", " if answer.several else " > ").join(
        f"{label} {probability:.1%}"
        for label, probability in zip(answer.labels, answer.probabilities, strict=True)
    )
    unstated = [score for score in answer.top if score.label not in answer.labels]
    others = unstated if answer.several else answer.top[1:]  # the best class ends the path
    rest = ", ".join(f"{score.label} {score.probability:.1%}" for score in others)
    return (stated or "none likely") + (f"; else {rest}" if rest else "")
