"""Where cells are trained and judged: data is read once for all cells that agree on it.

A bench is what a task brings: `train` as `shelfwise train` does, and `judge` on the validation part, by the
exported bundle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int8, Int64
from numpy import ndarray

from shelfwise.bundle import AnyBundle, Bundle, ProductsBundle
from shelfwise.config import AnyConfig, Config, ProductsConfig, TargetConfig
from shelfwise.data.product_labels import labels_of, paths_of
from shelfwise.data.product_rows import ROWS, ProductParts, ProductRows, load_products
from shelfwise.data.splits import learned_rows
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.errors import ConfigError
from shelfwise.evaluate.products import Asked, ask_subsets, has_all, title_ranks
from shelfwise.predict import Predictor
from shelfwise.predict.products import ProductPredictor
from shelfwise.train.fit import Watch
from shelfwise.train.inputs import Inputs, load_inputs
from shelfwise.train.product_inputs import ProductInputs, product_inputs, read_as
from shelfwise.train.products import train_products
from shelfwise.train.run import train
from shelfwise.tune.judged import Judged, Questions

Watcher = Callable[[Watch], None]


@dataclass(frozen=True)
class Judgement:
    """What a bundle answered, and to what."""

    judged: Judged
    questions: Questions
    rows: str
    """A hash of the validation rows' ids: answers to other rows cannot be paired."""


@runtime_checkable
class Bench(Protocol):
    """Trains the cells of a task and judges them."""

    def train(self, config: AnyConfig, folder: Path, watch: Watcher) -> AnyBundle:
        """The bundle of one cell; goes on with what `folder` holds."""

    def judge(self, bundle: AnyBundle) -> Judgement:
        """The validation part as that bundle answers it; the one that was trained last."""


class ProductsBench:
    """Cells of the products task; what was read last is kept."""

    def __init__(self, max_errors: int = 0) -> None:
        self._max_errors = max_errors
        self._read: tuple[str, ProductParts] | None = None
        self._inputs: tuple[str, ProductInputs] | None = None

    def train(self, config: AnyConfig, folder: Path, watch: Watcher) -> AnyBundle:
        """As `train_products`."""
        assert isinstance(config, ProductsConfig)
        return train_products(config, folder, resume=True, watch=watch, inputs=self._inputs_of(config))

    def judge(self, bundle: AnyBundle) -> Judgement:
        """Every target that has one value, from every subset; titles that look for their pictures."""
        assert isinstance(bundle, ProductsBundle)
        rows = self._parts_of(bundle.config).parts["validation"]
        predictor = ProductPredictor.load(bundle.path, threads=bundle.config.train.threads)
        return judge_products(predictor, rows)

    def _parts_of(self, config: ProductsConfig) -> ProductParts:
        """The whole catalogue, of which `split.train_rows` takes some later."""
        split = config.split.model_copy(update={"train_rows": None})
        whole = config.model_copy(update={"split": split})
        known = read_as(whole, ROWS)
        if self._read is None or self._read[0] != known:
            self._read = self._inputs = None  # before the next is read: two would not fit everywhere
            self._read = known, load_products(whole)
        return self._read[1]

    def _inputs_of(self, config: ProductsConfig) -> ProductInputs:
        found = self._parts_of(config)
        known = read_as(config)
        if self._inputs is None or self._inputs[0] != known:
            rows = found.parts["train"]
            fewer = {**found.parts, "train": rows.take(learned_rows(rows.families, config.split))}
            some = replace(found, parts=fewer)
            self._inputs = known, product_inputs(some, config, max_errors=self._max_errors)
        return self._inputs[1]


class PicturesBench:
    """Cells of the pictures task; each reads its own data."""

    def __init__(self, max_errors: int = 0) -> None:
        self._max_errors = max_errors
        self._inputs: Inputs | None = None

    def train(self, config: AnyConfig, folder: Path, watch: Watcher) -> AnyBundle:
        """As `train.run.train`."""
        assert isinstance(config, Config)
        folder.mkdir(parents=True, exist_ok=True)
        self._inputs = load_inputs(config, folder, max_errors=self._max_errors)
        return train(config, folder, resume=True, watch=watch, inputs=self._inputs)

    def judge(self, bundle: AnyBundle) -> Judgement:
        """The target from the picture; every row is a family of its own."""
        assert isinstance(bundle, Bundle)
        assert self._inputs is not None
        rows, target = self._inputs.validation, bundle.meta.target
        predictor = Predictor.load(bundle.path, threads=bundle.config.train.threads)
        said = predictor.probabilities(rows.images)
        truth = rows.labels
        answered = said.argmax(axis=1)[None]
        judged = Judged(
            right=_marks(truth, answered[0], truth >= 0)[None],
            truth=truth,
            said=answered,
            confidence=said.max(axis=1)[None],
            rank=np.full(len(rows), -1, np.int64),
            family=np.arange(len(rows), dtype=np.int64),
        )
        questions = Questions(((target, "picture"),), ("picture",), target)
        return Judgement(judged, questions, _hash_of(rows.ids))


BENCHES: dict[str, Callable[[int], Bench]] = {"products": ProductsBench, "pictures": PicturesBench}
"""What trains and judges a task's cells, given how many rows may be unusable."""


def judge_products(predictor: ProductPredictor, rows: ProductRows) -> Judgement:
    """What a products bundle answers to `rows`; ConfigError where no target has one value a product."""
    config, reading = predictor.bundle.config, predictor.bundle.reading
    single = [name for name, target in reading.targets.items() if not target.several]
    if not single or not len(rows):
        what = "validation product" if single else "target of one value a product"
        raise ConfigError(f"'{config.data.source}' has no {what}, so that nothing can be compared")
    said = ask_subsets(predictor, rows)
    subsets = tuple(said.probabilities)
    asked, right = [], []
    truths: dict[str, Int64[ndarray, "N"]] = {}
    for name in single:
        target = reading.targets[name]
        tree = Taxonomy(target.levels, target.paths, dict(target.strays))
        truths[name] = numbered(config.effective_targets[name], rows, tree)
        for subset in subsets:
            asked.append((name, subset))
            answered = said.probabilities[subset][name].argmax(axis=1)
            right.append(_marks(truths[name], answered, has_all(rows, subset)))
    main = single[0]
    scores = [said.probabilities[subset][main] for subset in subsets]
    judged = Judged(
        right=np.stack(right),
        truth=truths[main],
        said=np.stack([some.argmax(axis=1) for some in scores]),
        confidence=np.stack([some.max(axis=1) for some in scores]).astype(np.float32),
        rank=_ranks(rows, said),
        family=np.unique(np.array(rows.families, np.str_), return_inverse=True)[1].astype(np.int64),
    )
    return Judgement(judged, Questions(tuple(asked), subsets, main), _hash_of(rows.ids))


def numbered(target: TargetConfig, rows: ProductRows, tree: Taxonomy) -> Int64[ndarray, "N"]:
    """The finest class of each product; one that `tree` lacks has a number beyond its classes.

    -1 where the product does not name every level, whatever training knew of it."""
    known = labels_of(target, rows, tree)[:, -1]
    beyond: dict[tuple[str | None, ...], int] = {}
    found = np.full(len(rows), -1, np.int64)
    for place, path in enumerate(paths_of(target, rows)):
        if None in path:
            continue
        unseen = known[place] < 0
        found[place] = beyond.setdefault(path, len(tree) + len(beyond)) if unseen else known[place]
    return found


def _ranks(rows: ProductRows, said: Asked) -> Int64[ndarray, "N"]:
    """Where each title finds its picture; -1 where it was not asked."""
    ranks = np.full(len(rows), -1, np.int64)
    if said.vectors:
        titled, found = title_ranks(rows, said)
        ranks[titled] = found
    return ranks


def _marks(truth: ndarray, answered: ndarray, counted: ndarray) -> Int8[ndarray, "N"]:
    """1 right, 0 wrong, -1 not counted."""
    return np.where((truth >= 0) & counted, truth == answered, -1).astype(np.int8)


def _hash_of(ids: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(ids).encode()).hexdigest()[:16]
