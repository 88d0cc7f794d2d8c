"""The words of constructed reviews: clauses of praise and blame made into a text, and what each of them says.

The sentences are data: `synthetic_reviews.toml` and `synthetic_categories.toml`.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from shelfwise.schema import Opinion, Polarity

ASPECT_WEIGHTS = {"fit": 5, "quality": 4, "look": 4, "comfort": 3, "price": 2, "shipping": 1}
"""How often an aspect is spoken of, against the others."""

_CLAUSES: dict[int, tuple[tuple[int, int], ...]] = {
    1: ((0, 1), (0, 2), (0, 2), (0, 3)),
    2: ((0, 1), (0, 2), (1, 2), (1, 1)),
    3: ((1, 1), (1, 1), (2, 1), (1, 2)),
    4: ((1, 0), (2, 0), (1, 1), (2, 1), (3, 0)),
    5: ((0, 0), (1, 0), (2, 0), (2, 0), (3, 0)),
}
"""Clauses of praise and of blame by stars; each pair is as likely as the others."""
_TALKATIVE = 0.2  # share of buyers who say about twice as much
_LOWER = 0.12  # share of buyers who never press shift
_AGREEMENT = {
    False: {"this": "this", "it": "it", "them": "it", "is": "is", "was": "was", "s": "s", "es": "es"},
    True: {"this": "these", "it": "they", "them": "them", "is": "are", "was": "were", "s": "", "es": ""},
}
_TERM = re.compile(r"\*(.+?)\*")
_SLOT = re.compile(r"\{(\w+)\}")
_WORD = re.compile(r"[A-Za-z]{4,}")
_TYPO_SHARE = 0.12  # of the longer words


@dataclass(frozen=True)
class Written:
    """A constructed title and text, and every opinion in the text, in order."""

    title: str
    text: str
    opinions: tuple[Opinion, ...]


@dataclass(frozen=True)
class _Clause:
    text: str
    aspect: str
    polarity: Polarity
    term: tuple[int, int] | None
    """Where the words that name the aspect stand in the clause; None where it is implied."""


@dataclass
class _Writer:
    """One buyer: a category, the name given to the product, a hand that slips or not."""

    category: str
    words: dict[str, str]
    dice: random.Random
    typos: bool

    def say(self, templates: Sequence[str]) -> str:
        """One of the templates, filled."""
        text = self.dice.choice(templates).format_map(self.words)
        return _slip(text, self.dice) if self.typos else text

    def judge(self, aspect: str, polarity: Polarity) -> _Clause:
        """A clause that praises or blames the aspect."""
        marked = self.say(_clauses(self.category, aspect, polarity))
        found = _TERM.search(marked)
        term = (found.start(), found.start() + len(found[1])) if found else None
        return _Clause(_TERM.sub(r"\1", marked), aspect, polarity, term)

    def frame(self, name: str, **clauses: _Clause) -> list[str | _Clause]:
        """A sentence with the clauses in their places."""
        pieces = _SLOT.split(self.dice.choice(_data()["frames"][name]))
        return [clauses[piece] if i % 2 else piece for i, piece in enumerate(pieces)]


def write_review(
    category: str, stars: int, dice: random.Random, *, lead: str | None = None, typos: bool = False
) -> Written:
    """A review as a buyer who gives so many stars might write it.

    `lead` is an aspect that is spoken of whenever any is: blamed up to three stars, praised above. The
    opinions' offsets hold with typos too."""
    entry = _categories()[category]
    words = _AGREEMENT[entry["plural"]] | {"noun": dice.choice(entry["nouns"])}
    writer = _Writer(category, words, dice, typos)
    tone = _data()["stars"][str(stars)]
    title = writer.say(tone["titles"]) if dice.random() < 0.85 else ""
    talkative = dice.random() < _TALKATIVE
    judged = _judgements(writer, stars, lead, 2 if talkative else 1)
    facts = dice.sample(
        entry["facts"] + _data()["frames"]["facts"], dice.choice((0, 0, 1, 1, 2)) + 2 * talkative
    )
    sentences: list[list[str | _Clause]] = [[writer.say([fact])] for fact in facts]
    sentences += judged
    if not judged or dice.random() < 0.6:
        sentences.insert(0, [writer.say(tone["openings"])])
    if dice.random() < 0.45:
        sentences.append([writer.say(tone["closings"])])
    end = "!" if stars in (1, 5) and dice.random() < 0.3 else "."
    return _joined(title, sentences, end, lower=dice.random() < _LOWER)


def _judgements(writer: _Writer, stars: int, lead: str | None, rounds: int) -> list[list[str | _Clause]]:
    """Sentences of praise and blame; where there are both, one sentence sets them against each other."""
    drawn = [writer.dice.choice(_CLAUSES[stars]) for _ in range(rounds)]
    praised, blamed = (sum(counts) for counts in zip(*drawn, strict=True))
    if lead is not None and not praised + blamed:
        praised = 1
    polarities: list[Polarity] = ["positive" if i < praised else "negative" for i in range(praised + blamed)]
    if stars <= 3:
        polarities.reverse()  # the lead is blamed
    aspects = _drawn_aspects(len(polarities), lead, writer.dice)
    clauses = [writer.judge(*each) for each in zip(aspects, polarities, strict=True)]
    praise = [clause for clause in clauses if clause.polarity == "positive"]
    blame = [clause for clause in clauses if clause.polarity == "negative"]
    sentences: list[list[str | _Clause]] = []
    if praise and blame:
        frame = "ends_badly" if stars <= 3 else "ends_well"
        sentences.append(writer.frame(frame, praise=praise.pop(), blame=blame.pop()))
    rest = praise + blame
    if len(rest) > 1 and writer.dice.random() < 0.5:
        sentences.append(writer.frame("same", first=rest.pop(), second=rest.pop()))
    sentences += [[clause] for clause in rest]
    writer.dice.shuffle(sentences)
    return sentences


def _drawn_aspects(count: int, lead: str | None, dice: random.Random) -> list[str]:
    """Different aspects, the lead first."""
    drawn = [lead] if lead is not None else []
    while len(drawn) < count:
        left = {aspect: weight for aspect, weight in ASPECT_WEIGHTS.items() if aspect not in drawn}
        drawn += dice.choices(list(left), list(left.values()))
    return drawn[:count]


def _joined(title: str, sentences: list[list[str | _Clause]], end: str, *, lower: bool) -> Written:
    """The sentences as one text, and the opinions at their places."""
    text = ""
    spans: list[tuple[int, _Clause]] = []
    for sentence in sentences:
        said = ""
        for piece in sentence:
            if isinstance(piece, _Clause):
                spans.append((len(text) + bool(text) + len(said), piece))
            said += piece.text if isinstance(piece, _Clause) else piece
        text += (" " if text else "") + said[0].upper() + said[1:] + "."
    text = text[:-1] + end
    if lower:
        title, text = title.lower(), text.lower()
    return Written(title, text, tuple(_opinion(text, start, clause) for start, clause in spans))


def _opinion(text: str, start: int, clause: _Clause) -> Opinion:
    end = start + len(clause.text)
    quote = text[start:end]
    return Opinion(
        aspect=clause.aspect,
        polarity=clause.polarity,
        quote=quote,
        start=start,
        end=end,
        probability=1.0,
        term=quote[slice(*clause.term)] if clause.term else None,
    )


def _slip(text: str, dice: random.Random) -> str:
    """The text with a few letters swapped, lost or doubled; at least one word is hit where one is long."""
    words = list(_WORD.finditer(text))
    hit = [word for word in words if dice.random() < _TYPO_SHARE]
    for word in reversed(hit or words[:1]):
        at = dice.randrange(word.start(), word.end() - 1)
        pair = text[at : at + 2]
        text = text[:at] + dice.choice((pair[::-1], pair[0], pair[0] + pair)) + text[at + 2 :]
    return text


def _clauses(category: str, aspect: str, polarity: Polarity) -> list[str]:
    """What can be said: of this category, and of any product where that makes sense."""
    entry = _categories()[category]
    said: list[str] = entry.get(aspect, {}).get(polarity, [])
    if entry.get("worn", True) or aspect not in ("fit", "comfort"):
        said = said + _data()["aspects"][aspect][polarity]
    return said


@cache
def _data() -> dict[str, Any]:
    return _toml("synthetic_reviews.toml")


@cache
def _categories() -> dict[str, Any]:
    return _toml("synthetic_categories.toml")


def _toml(name: str) -> dict[str, Any]:
    return tomllib.loads((files("shelfwise.data") / name).read_text(encoding="utf-8"))
