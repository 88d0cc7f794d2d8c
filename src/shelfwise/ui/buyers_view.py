"""What buyers say, drawn: figures, aspects with shares and quotes, reviews with the telling words marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import streamlit as st

from shelfwise.schema import AspectSummary, Contradiction, Opinion, ProductSummary, ReviewPrediction
from shelfwise.schema.serving import GivenReview
from shelfwise.ui.pieces import (
    Mark,
    bar,
    card,
    chip,
    figures,
    marked,
    missing,
    note,
    percent,
    two_bars,
    warning,
    words,
)

SENTIMENT = (("positive", "good"), ("neutral", "soft"), ("negative", "bad"))


def opinion_marks(opinions: Sequence[Opinion], part: str = "text") -> list[Mark]:
    """Where a part of a review says something of an aspect."""
    return [
        Mark(
            opinion.start,
            opinion.end,
            "good" if opinion.polarity == "positive" else "bad",
            tag=words(opinion.aspect),
            hint=f"{words(opinion.aspect)}, {opinion.polarity}, {percent(opinion.probability)}",
        )
        for opinion in opinions
        if opinion.part == part
    ]


def summary_figures(summary: ProductSummary) -> str:
    """The headline numbers of a summary."""
    rows = [
        ("Reviews", f"{summary.reviews:,}", f"{summary.failed:,} could not be read" if summary.failed else "")
    ]
    if summary.stars is not None:
        between = (
            f"{summary.stars_low:.1f} to {summary.stars_high:.1f} (95%)"
            if summary.stars_low is not None and summary.stars_high is not None
            else "expected stars, by the texts"
        )
        rows.append(("Reads like", f"{summary.stars:.2f} ★", between))
    if summary.given_mean is not None:
        rows.append(("Buyers gave", f"{summary.given_mean:.2f} ★", f"{sum(summary.given):,} with stars"))
    if summary.recommended is not None:
        rows.append(("Would recommend it", percent(summary.recommended), "mean probability"))
    if summary.contradictions:
        rows.append(("Contradictions", f"{summary.contradictions:,}", "stars against text"))
    return figures(rows)


def sentiment_bars(summary: ProductSummary) -> str:
    """Shares of positive, neutral and negative reviews."""
    return "".join(
        bar(name, summary.sentiment[name], tone=tone)  # type: ignore[arg-type]
        for name, tone in SENTIMENT
        if name in summary.sentiment
    )


def aspect_rows(aspects: Sequence[AspectSummary]) -> str:
    """Each aspect's praise and blame, on one scale."""
    if not aspects:
        return missing("None", "no review praises or blames any aspect that the bundle knows")
    most = max(aspect.mentions for aspect in aspects)
    rows = "".join(two_bars(words(one.aspect), one.positive, one.negative, most) for one in aspects)
    return rows + note("Reviews that praise an aspect / that blame it.")


def quotes_of(aspect: AspectSummary) -> str:
    """The surest quotes for and against."""
    parts = []
    for tone, name, quotes in (("good", "For", aspect.praise), ("bad", "Against", aspect.blame)):
        if quotes:
            lines = "".join(
                f'<div class="quote {tone}">{escape(quote.text)} '
                f'<span class="soft">{escape(quote.review)}, {percent(quote.probability)}</span></div>'
                for quote in quotes
            )
            parts.append(f"<h3>{name}</h3>{lines}")
    return "".join(parts)


def share_line(aspect: AspectSummary) -> str:
    """An aspect's share of praise with its interval."""
    if aspect.share_positive is None or aspect.low is None or aspect.high is None:
        return note("Too few mentions for a share.")
    return note(
        f"{percent(aspect.share_positive)} of {aspect.mentions:,} mentions praise it; "
        f"95% interval {percent(aspect.low)} to {percent(aspect.high)}."
    )


def review_block(review: GivenReview, answer: ReviewPrediction) -> str:
    """One review, its quoted words marked, and what it reads like."""
    head = []
    if answer.status == "failed":
        head.append(chip(f"no answer: {answer.error or answer.error_kind or 'unknown'}", "warn"))
    if answer.sentiment is not None:
        tone = dict(SENTIMENT)[answer.sentiment]
        head.append(chip(answer.sentiment, tone))  # type: ignore[arg-type]
    if answer.rating is not None:
        likely = answer.star_probabilities[answer.rating - 1] if answer.star_probabilities else None
        sure = f", {percent(likely)}" if likely is not None else ""
        head.append(chip(f"reads like {answer.rating} ★{sure}"))
    if review.rating is not None:
        head.append(chip(f"given {review.rating} ★"))
    head += [chip(warning(code), "warn") for code in answer.warnings]
    read_title = review.title if answer.read_title is None else answer.read_title
    read_text = review.text if answer.read_text is None else answer.read_text
    title = marked(read_title, opinion_marks(answer.opinions, "title"))
    text = marked(read_text, opinion_marks(answer.opinions))
    heading = f"<b>{title}</b> " if title else ""
    return f'<div class="review"><div class="text">{heading}{text}</div>{"".join(head)}</div>'


def contradiction_block(found: Contradiction) -> str:
    """A review whose stars do not go with its text."""
    head = chip(f"given {found.given} ★", "warn") + chip(f"reads like {found.stars:.1f} ★")
    product = chip(found.product) if found.product else ""
    text = marked(found.text, _within(opinion_marks(found.evidence), len(found.text)))
    title = (
        f"<b>{marked(found.title, _within(opinion_marks(found.evidence, 'title'), len(found.title)))}</b> "
    )
    heading = title if found.title else ""
    return f'<div class="review"><div class="text">{heading}{text}</div>{head}{product}</div>'


def draw_quotes(summary: ProductSummary, place: str) -> None:
    """Quotes about the aspect that is chosen, with its share of praise."""
    if not summary.aspects:
        return
    names = {aspect.aspect: aspect for aspect in summary.aspects}
    chosen = st.pills(
        "Quotes about", list(names), default=next(iter(names)), format_func=words, key=f"{place}:aspect"
    )
    if chosen is not None:
        aspect = names[chosen]
        st.html(card(f"Buyers on {words(chosen)}", share_line(aspect), quotes_of(aspect)))


def _within(marks: list[Mark], length: int) -> list[Mark]:
    """Marks of a text that may have been cut."""
    return [mark for mark in marks if mark.end <= length]
