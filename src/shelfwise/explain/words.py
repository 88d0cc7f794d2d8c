"""Which words: the answer asked again with each word left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from jaxtyping import Float
from numpy import ndarray

from shelfwise.explain.question import Question
from shelfwise.schema.explanation import Method, WordWeight

MOST = 200
"""Words of a text that are left out one by one; those after them are not asked about."""
MOST_CHARACTERS = 1_000_000
"""Of all the versions of a text together: of a very long one fewer words are left out."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

AskTexts = Callable[[Sequence[str]], Float[ndarray, "B K"]]
"""Texts to calibrated logits; all else that is known of the product stays."""

METHOD = Method(name="words left out", source="leave-one-out; Li et al., arXiv:1612.08220, section 3")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Where words begin and end (excluded), in the text as typed; `men's` is one."""
    return [match.span() for match in _WORD.finditer(text)]


def most_words(text: str) -> int:
    """How many of a text's words, the first ones, are left out one by one."""
    return max(1, min(MOST, MOST_CHARACTERS // max(1, len(text))))


def without_spans(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """The text as if these words had never been typed; all else stays, but for the space beside a word.

    Two spaces in a row, or one at an end, are a token of their own to a byte-level tokenizer."""
    for start, end in sorted(spans, reverse=True):
        before, after = text[:start], text[end:]
        if not before.strip():
            text = after.lstrip()
        elif not after or after[0].isspace():
            text = before.rstrip() + after
        else:
            text = before + after
    return text


def words_left_out(
    ask: AskTexts, text: str, question: Question, whole: Float[ndarray, "K"]
) -> tuple[WordWeight, ...]:
    """What each of the first `most_words` does for the class; `whole` are the logits with all of them.

    A pair of words and its n-grams go with a word, so this is all that the model read of it."""
    spans = word_spans(text)[: most_words(text)]
    if not spans:
        return ()
    left = ask([without_spans(text, [span]) for span in spans])
    weights = question.value(whole[None]) - question.value(left)
    contrasts: list[float | None] = [None] * len(spans)
    if question.rival is not None:
        contrasts = (question.contrast(whole[None]) - question.contrast(left)).tolist()
    rows = zip(spans, weights.tolist(), contrasts, question.probability(left).tolist(), strict=True)
    return tuple(
        WordWeight(
            text=text[start:end], start=start, end=end, weight=weight, contrast=contrast,
            probability=probability,
        )
        for (start, end), weight, contrast, probability in rows
    )  # fmt: skip


def in_order_of_weight(words: Sequence[WordWeight]) -> list[int]:
    """Numbers of the words, those that speak for the class most first."""
    return sorted(range(len(words)), key=lambda place: -words[place].weight)
