"""What is explained: the log odds of one class, or how far it is ahead of its rival.

The probability of a sure answer hardly moves when a word goes; its log odds do, and evidence adds up in
them. They are taken from calibrated logits (divided by the temperature), since a probability that rounds to 1
has none. B answers, K classes of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from shelfwise.data.taxonomy import distinct_names
from shelfwise.decide.temperature import sigmoid
from shelfwise.errors import DataError

_SHOWN = 3


@dataclass(frozen=True)
class Question:
    """Why this class, and why not the other one."""

    number: int
    """Of the class, in the order of the logits."""
    rival: int | None
    """Of the likeliest other class; None where several may hold at once, or there is no other."""
    several: bool = False
    """Whether each class has a probability of its own."""

    def value(self, logits: Float[ndarray, "B K"]) -> Float[ndarray, "B"]:
        """Log odds of the class, in nats: its calibrated logit against those of all others together."""
        own = logits[:, self.number].astype(np.float64)
        if self.several:
            return own
        others = np.delete(logits, self.number, axis=1).astype(np.float64)
        if not others.shape[1]:
            return np.zeros_like(own)
        peak = others.max(axis=1)
        return np.asarray(own - peak - np.log(np.exp(others - peak[:, None]).sum(axis=1)))

    def contrast(self, logits: Float[ndarray, "B K"]) -> Float[ndarray, "B"]:
        """Log of the class's probability over its rival's, in nats: the difference of their logits."""
        if self.rival is None:
            raise ValueError("this question has no rival")
        return np.asarray(logits[:, self.number].astype(np.float64) - logits[:, self.rival])

    def probability(self, logits: Float[ndarray, "B K"]) -> Float[ndarray, "B"]:
        """Of the class; 1 where there is no other."""
        if logits.shape[1] == 1 and not self.several:
            return np.ones(len(logits))
        return sigmoid(self.value(logits))


def question_about(
    paths: Sequence[tuple[str, ...]],
    logits: Float[ndarray, "K"],
    name: str | None,
    *,
    several: bool = False,
) -> Question:
    """The question about the class called `name`, or about the likeliest one; DataError for no such class."""
    order = np.argsort(-logits, kind="stable").tolist()
    number = order[0] if name is None else class_number(paths, name)
    rival = next((k for k in order if k != number), None)
    return Question(number, None if several else rival, several)


def class_number(paths: Sequence[tuple[str, ...]], name: str) -> int:
    """The class whose whole path (`A > B`), or an end of it such as its finest label, is `name`, in any case.

    DataError names the closest ones where there is none, and all of them where there are several."""
    wanted, names = name.strip().casefold(), distinct_names(paths)
    ends: dict[str, list[int]] = {}
    for number, path in enumerate(paths):
        for end in _ends(path):
            ends.setdefault(end.casefold(), []).append(number)
    found = ends.get(wanted, [])
    found = [k for k in found if " > ".join(paths[k]).casefold() == wanted] or found
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(f"'{names[k]}'" for k in found)
        raise DataError(f"class '{name}' is more than one class: name one of {listed}")
    near = get_close_matches(wanted, ends, n=_SHOWN, cutoff=0.4)
    close = list(dict.fromkeys(names[k] for end in near for k in ends[end]))[:_SHOWN]
    shown = close or names[:_SHOWN]
    some = f"{'did you mean' if close else 'such as'} " + " or ".join(f"'{one}'" for one in shown)
    raise DataError(f"class '{name}' is none of the {len(paths)} classes; {some}")


def _ends(path: tuple[str, ...]) -> list[str]:
    """The ends of a path, the shortest first."""
    return [" > ".join(path[start:]) for start in reversed(range(len(path)))]
