"""The lexicon as a finder of aspect terms, in the form of DMASTE (ACL 2023): the baseline of term taggers."""

from __future__ import annotations

from typing import NamedTuple

from shelfwise.reviews.lexicon import judgements, polarity
from shelfwise.reviews.sentences import Span
from shelfwise.reviews.words import lexicon, tokens
from shelfwise.schema import Polarity


class TermOpinion(NamedTuple):
    """A judged thing that the text names, or None for a judgement of what it does not name."""

    term: Span | None
    """Characters of the text, verbatim."""
    polarity: Polarity


def find_terms(text: str) -> tuple[TermOpinion, ...]:
    """The things that `text` judges, in order of the judgements, each with its polarity, none twice.

    Unlike `find_opinions`, the product itself ("great shoes") is a thing, and aspects are left open."""
    words = tokens(text)
    unnamed = lexicon().sets["unnamed"]
    found: dict[TermOpinion, None] = {}
    for one in judgements(text, words):
        judged = one.judgement
        term = None
        if judged.term is not None and words.words[judged.term[0]] not in unnamed:
            first, last = judged.term
            term = (words.starts[first], words.ends[last - 1])
        found[TermOpinion(term, polarity(judged.sign))] = None
    return tuple(found)
