"""The runs of the review benchmarks: which recipe is taught by which, and how each is trained."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from training_runs import ROOT, attempt, run_folder, training

from shelfwise.bundle import ReviewsBundle

TEACHERS = {"reviews-distilled": "reviews-minilm", "reviews-minilm-taught": "reviews-minilm"}
"""Whose bundles teach a configuration: that of its own seed, unless `TEACHER_SEEDS` says otherwise."""
TEACHER_SEEDS = {"reviews-minilm-taught": (0, 1, 2)}


def trained(name: str, seed: int, teacher_seeds: Sequence[int] | None = None) -> ReviewsBundle:
    """The bundle of one configuration and seed, trained now unless it is there.

    Where others teach it, they are those of `teacher_seeds`, or else of `TEACHER_SEEDS` or its own seed."""
    out, settings = run_folder(name, seed), []
    if name in TEACHERS:
        seeds = TEACHER_SEEDS.get(name, (seed,)) if teacher_seeds is None else teacher_seeds
        settings.append(f"distill.teachers={json.dumps(teacher_bundles(TEACHERS[name], seeds))}")
    attempt(training(name, out, seed, settings), out)
    return ReviewsBundle.open(out / "bundle")


def teacher_bundles(name: str, seeds: Sequence[int]) -> list[str]:
    """The teachers' bundles, or which command trains them."""
    paths = [run_folder(name, seed) / "bundle" for seed in seeds]
    for path, seed in zip(paths, seeds, strict=True):
        if not (path / "bundle.json").exists():
            sys.exit(f"there is no {path}; run first: benchmarks/reviews.py {name} --seeds {seed}")
    return [str(path.relative_to(ROOT)) for path in paths]
