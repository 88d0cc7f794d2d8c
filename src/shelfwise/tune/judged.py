"""What one trained network answers on validation, row by row, and its figures, resampled as others' are.

N rows, T targets and subsets asked, S subsets of the modalities, R resamples. A row's answers from everything
that is read (`ALL`) are those from the fullest subset that it has, so that nobody has to keep them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Int8, Int64
from numpy import ndarray

from shelfwise.evaluate.product_scores import ALL
from shelfwise.files import replacing
from shelfwise.metrics.bootstrap import RESAMPLES, Sampled, resampled_means
from shelfwise.metrics.calibration import bin_gaps, sampled_ece
from shelfwise.metrics.macro_f1 import sampled_macro_f1
from shelfwise.metrics.retrieval import reciprocal_rank


@dataclass(frozen=True, eq=False)
class Judged:
    """Answers to validation rows; the same rows for all networks that are compared.

    Which rows count does not depend on what was learned: of a class that training never saw every answer is
    wrong."""

    right: Int8[ndarray, "T N"]
    """1 right, 0 wrong, -1 not counted: no label, or not all that the subset asks for."""
    truth: Int64[ndarray, "N"]
    """Number of the main target's class, also of one that was not learned; -1 unknown."""
    said: Int64[ndarray, "S N"]
    """The main target's most probable class, in the same numbers."""
    confidence: Float32[ndarray, "S N"]
    """Its stated probability."""
    rank: Int64[ndarray, "N"]
    """Where a title finds its own picture, from 1; 0 nowhere, -1 not asked."""
    family: Int64[ndarray, "N"]

    def save(self, path: Path) -> None:
        """Write to a `.npz`, whole or not at all."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: Path) -> Judged:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{field.name: arrays[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class Questions:
    """What the rows of `Judged`'s arrays are about."""

    asked: tuple[tuple[str, str], ...]
    """Target and subset, such as `picture+text`; T of them, a target's fullest subset last."""
    subsets: tuple[str, ...]
    """Of the main target."""
    main: str
    listens: tuple[str, ...] | None = None
    """The modalities that the network hears, where these are not all; of the others there is no figure."""

    @property
    def whole(self) -> str:
        """What everything that is read is called: `ALL`, or the only subset where there is but one."""
        return ALL if len(self.subsets) > 1 else self.subsets[0]

    def hears(self, subset: str) -> bool:
        """Whether the network can be asked a subset."""
        return self.listens is None or subset == ALL or set(subset.split("+")) <= set(self.listens)

    def as_json(self) -> dict[str, Any]:
        """Plain lists, for `from_json`."""
        asked = [list(pair) for pair in self.asked]
        return {"asked": asked, "subsets": list(self.subsets), "main": self.main}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Questions:
        """What `as_json` wrote."""
        asked = tuple((target, subset) for target, subset in value["asked"])
        listens = value.get("listens")
        return cls(asked, tuple(value["subsets"]), value["main"], None if listens is None else tuple(listens))


def key(measure: str, *about: str) -> str:
    """The name of a figure, such as `accuracy/category/picture+text`."""
    return "/".join((measure, *about))


def judged_samples(
    judged: Judged, questions: Questions, *, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Sampled]:
    """Every figure by `key`, with its value in the same R resamples of whole families.

    `accuracy` of each target and subset, and from everything (`Questions.whole`); of the main target also
    `macro_f1` (over the classes that validation has) and `ece`; `recall@10` and `mrr` of titles that look
    for their pictures. What the network does not hear has no figure."""
    judged, questions = _with_all(judged, questions)
    columns: dict[str, tuple[ndarray, ndarray]] = {}
    for (target, subset), right in zip(questions.asked, judged.right, strict=True):
        if questions.hears(subset):
            columns[key("accuracy", target, subset)] = right[:, None] == 1, right >= 0
    asked = judged.rank >= 0
    if asked.any() and questions.hears("picture+text"):
        found = (judged.rank > 0) & (judged.rank <= 10)
        columns["recall@10"] = found[:, None], asked
        columns["mrr"] = reciprocal_rank(judged.rank)[:, None], asked
    counted = {}
    heard = [(place, subset) for place, subset in enumerate(questions.subsets) if questions.hears(subset)]
    for place, subset in heard:
        counted[subset] = columns[key("accuracy", questions.main, subset)][1] & (judged.truth >= 0)
        confidence = judged.confidence[place].astype(np.float64)
        gaps = bin_gaps(confidence, judged.said[place] == judged.truth)
        columns[key("ece", questions.main, subset)] = gaps, counted[subset]
    drawn = _means(columns, judged.family, seed=seed, resamples=resamples)
    samples = {name: _summed(name, *values) for name, values in drawn.items()}
    for place, subset in heard:
        some = counted[subset]
        samples[key("macro_f1", questions.main, subset)] = sampled_macro_f1(
            judged.truth[some],
            judged.said[place][some],
            seed=seed,
            resamples=resamples,
            groups=judged.family[some],
        )
    return samples


def _with_all(judged: Judged, questions: Questions) -> tuple[Judged, Questions]:
    """The same with `ALL` as one more subset of every target; as they are where there is but one subset."""
    if questions.whole != ALL:
        return judged, questions
    rows = np.arange(len(judged.truth))
    of_target: dict[str, list[int]] = {}
    for number, (target, _) in enumerate(questions.asked):
        of_target.setdefault(target, []).append(number)
    marks = {target: judged.right[numbers] for target, numbers in of_target.items()}
    place = _fullest(marks[questions.main])
    everything = replace(
        judged,
        right=np.stack([*judged.right, *(some[_fullest(some), rows] for some in marks.values())]),
        said=np.concatenate([judged.said, judged.said[place, rows][None]]),
        confidence=np.concatenate([judged.confidence, judged.confidence[place, rows][None]]),
    )
    asked = (*questions.asked, *((target, ALL) for target in marks))
    return everything, replace(questions, asked=asked, subsets=(*questions.subsets, ALL))


def _fullest(marks: Int8[ndarray, "S N"]) -> Int64[ndarray, "N"]:
    """The last subset that counts for each row; 0 where none does."""
    places = np.arange(len(marks))[:, None]
    return np.asarray(np.where(marks >= 0, places, 0).max(axis=0))


def _means(
    columns: dict[str, tuple[ndarray, ndarray]], family: Int64[ndarray, "N"], *, seed: int, resamples: int
) -> dict[str, tuple[ndarray, ndarray]]:
    """Means of columns over the rows that count, and in every resample; those that count alike together."""
    alike: dict[bytes, list[str]] = {}
    for name, (_, counted) in columns.items():
        alike.setdefault(counted.tobytes(), []).append(name)
    found: dict[str, tuple[ndarray, ndarray]] = {}
    for names in alike.values():
        some = columns[names[0]][1]
        values = np.concatenate([columns[name][0][some] for name in names], axis=1).astype(np.float64)
        ends = np.cumsum([columns[name][0].shape[1] for name in names])[:-1]
        if not len(values):
            nothing = np.full((resamples + 1, values.shape[1]), np.nan)
            means, drawn = nothing[0], nothing[1:]
        else:
            means = values.mean(axis=0)
            drawn = resampled_means(values, seed=seed, resamples=resamples, groups=family[some])
        pairs = zip(names, np.split(means, ends), np.split(drawn, ends, axis=1), strict=True)
        found |= {name: (mean, part) for name, mean, part in pairs}
    return found


def _summed(name: str, means: ndarray, drawn: ndarray) -> Sampled:
    """One column's mean; of an ECE's bins the sum of what they are off by."""
    if name.startswith("ece/"):
        return sampled_ece(means, drawn)
    return Sampled(float(means[0]), drawn[:, 0])
