"""What a product is, drawn: the category's path, attributes, who answered, what is missing and why."""

from __future__ import annotations

from html import escape

from shelfwise.schema import TargetAnswer
from shelfwise.schema.serving import Analysis
from shelfwise.ui import pieces

NO_REASON = "the server gives no reason"


def category_card(found: Analysis) -> str:
    """The category from coarse to fine, and the classes that are likely besides."""
    if found.category is None:
        return pieces.card("Category", pieces.missing("No category", _why(found, "category")))
    known = ", ".join(found.known)
    return pieces.card(
        "Category",
        pieces.path(found.category.labels, found.category.probabilities),
        _likeliest(found.category),
        "".join(pieces.chip(pieces.warning(code), "warn") for code in found.warnings),
        pieces.note(f"Calibrated probabilities, from {known}.") if known else "",
    )


def attributes_card(found: Analysis) -> str:
    """Every other target with its value and probability."""
    if not found.attributes:
        return pieces.card("Attributes", pieces.missing("No attributes", _why(found, "attributes")))
    return pieces.card(
        "Attributes", "".join(_attribute(name, answer) for name, answer in found.attributes.items())
    )


def by_line(found: Analysis) -> str:
    """Which bundles answered, and what they were trained on."""
    lines = "".join(
        f'<div class="by">{escape(pieces.words(part).capitalize())}: <code>{escape(who.bundle)}</code>, '
        f"trained on {escape(who.domain)}. Answers on anything else may be worth nothing.</div>"
        for part, who in found.by.items()
    )
    return pieces.plain(lines)


def no_buyers_card(found: Analysis) -> str:
    """Why nothing is told of what buyers say."""
    return pieces.card("What buyers say", pieces.missing("No reviews", _why(found, "reviews")))


def _attribute(name: str, answer: TargetAnswer) -> str:
    label = pieces.words(name)
    if not answer.labels:
        return f"<h3>{escape(label)}</h3>" + pieces.missing(label, "no value is likelier than not")
    rows = zip(answer.labels, answer.probabilities, strict=True)
    bars = "".join(pieces.bar(value, probability) for value, probability in rows)
    unstated = [score for score in answer.top if score.label not in answer.labels]
    others = (unstated if answer.several else answer.top[1:])[:2]
    besides = ", ".join(f"{score.label} {pieces.percent(score.probability)}" for score in others)
    return f"<h3>{escape(label)}</h3>{bars}" + (pieces.note(f"Or {besides}.") if besides else "")


def _likeliest(answer: TargetAnswer) -> str:
    return "".join(pieces.bar(score.label, score.probability) for score in answer.top)


def _why(found: Analysis, part: str) -> str:
    return found.missing.get(part) or found.error or NO_REASON
