"""One worker: claims trials and trains each through the very functions of `shelfwise train`."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from shelfwise.config import AnyConfig, changed
from shelfwise.errors import ConfigError, InterruptedRunError, ShelfwiseError, TrainingError
from shelfwise.train import inputs as picture_inputs
from shelfwise.train import review_inputs
from shelfwise.train.allocator import give_back_memory
from shelfwise.train.fit import Watch
from shelfwise.train.product_inputs import load_product_inputs, read_as
from shelfwise.train.product_validation import main_figure, main_is_labelled
from shelfwise.train.products import train_products
from shelfwise.train.reviews import train_reviews
from shelfwise.train.run import train as train_pictures
from shelfwise.tune.study import Claim, Study
from shelfwise.tune.tried import Budget, Tried

KEPT = ("journal.jsonl", "bundle")
"""What stays of a trial's folder; `Study.complete` removes bundles that do not lead."""


@dataclass(frozen=True)
class Task:
    """How runs of one task are read, trained and judged."""

    load: Callable[..., Any]
    train: Callable[..., Any]
    metric: Callable[[Any], str]
    """The name of a configuration's score in the journal."""
    judged: Callable[[Any], bool]
    """Whether loaded data has validation rows to judge by."""
    read_as: Callable[[Any], str]
    """The same for configurations that read the same data in the same way."""


def _but(*unread: str) -> Callable[[AnyConfig], str]:
    """All settings but those of some tables, which reading the data does not depend on."""
    return lambda config: json.dumps(config.model_dump(mode="json", exclude=set(unread)))


TASKS = {
    "pictures": Task(
        load=lambda config, max_errors: picture_inputs.load_inputs(config, Path(), max_errors=max_errors),
        train=train_pictures,
        metric=lambda _: "accuracy",
        judged=lambda inputs: bool((inputs.validation.labels >= 0).any()),
        read_as=_but("name", "model", "augment", "text", "train"),
    ),
    "reviews": Task(
        load=lambda config, max_errors: review_inputs.load_inputs(config, max_errors=max_errors),
        train=train_reviews,
        metric=lambda _: "qwk",
        judged=lambda inputs: any(review.rating is not None for review in inputs.validation),
        read_as=_but("name", "encoder", "heads", "distill", "aspects", "train"),
    ),
    "products": Task(
        load=lambda config, max_errors: load_product_inputs(config, max_errors=max_errors),
        train=train_products,
        metric=main_figure,
        judged=lambda inputs: main_is_labelled(inputs.validation),
        read_as=read_as,
    ),
}


class PrunedError(Exception):
    """Others have left this trial behind."""


class OutrunError(Exception):
    """A trial has its final score, and it is not the best: packing a bundle would be for nothing."""

    def __init__(self, score: float) -> None:
        super().__init__(score)
        self.score = score


def work(
    study: Study,
    budget: Budget,
    *,
    max_errors: int = 0,
    threads: int | None = None,
    watch: Callable[[int, Watch], None] = lambda _number, _moment: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Tried, None, None]:
    """Run trials until the budget is spent, and yield each when it is done.

    Ctrl-C, or `stopped`, raises an InterruptedRunError; the trial at hand is given back, as it is when an
    error ends all, which the same values may do three times. A loss that diverges, values that do not fit
    together, or too little memory only fail the trial."""
    trainer = Trainer(study, max_errors, threads, watch, stopped)
    while (claim := study.claim(budget)) is not None:
        try:
            study.complete(claim, trainer.score(claim))
        except PrunedError:
            study.prune(claim)
        except Exception as error:
            if (why := _own_fault(error)) is None:
                _give_back(study, claim, error)
                raise
            study.fail(claim, why)
        except KeyboardInterrupt:
            _give_back(study, claim)
            raise InterruptedRunError("interrupted") from None
        _tidy(claim.folder)
        give_back_memory()
        yield next(tried for tried in study.tried() if tried.number == claim.number)


@dataclass
class Trainer:
    """Trains what is claimed; data that two trials read alike is read once."""

    study: Study
    max_errors: int
    threads: int | None
    watch: Callable[[int, Watch], None]
    stopped: Callable[[], bool]
    _read: tuple[str, Any] = field(default=("", None), init=False)

    def score(self, claim: Claim) -> float:
        """The trial's score: its last, or with `train.patience` its best, whose weights `train` keeps."""
        config = self._config(claim)
        task, scores = TASKS[config.task], list[float]()
        metric = task.metric(config)

        def final() -> float:
            return max(scores) if config.train.patience is not None else scores[-1]

        def follow(moment: Watch) -> None:
            self.watch(claim.number, moment)
            if self.stopped():
                raise InterruptedRunError("interrupted")
            if not moment.fresh or moment.metric != metric or moment.validation is None:
                return
            scores.append(moment.validation)
            if not math.isfinite(moment.validation):
                raise TrainingError(f"its score is {moment.validation}")
            prune = self.study.report(claim, len(scores), moment.validation)
            if moment.record.step == moment.steps:
                if not self.study.leads(final()):
                    raise OutrunError(final())
            elif prune:
                raise PrunedError

        inputs = self._inputs(config)
        shutil.rmtree(claim.folder, ignore_errors=True)
        with suppress(OutrunError):
            task.train(config, claim.folder, inputs=inputs, watch=follow, max_errors=self.max_errors)
        if not scores:
            raise _unjudged(config)
        return final()

    def _config(self, claim: Claim) -> AnyConfig:
        """What is trained; validations and threads are not what is tried, and `best.toml` has neither."""
        told = ", ".join(f"{key} = {value!r}" for key, value in claim.values.items())
        values = {} if claim.own else claim.values
        try:
            config = changed(self.study.config, values, where=f"trial {claim.number}: {told}")
        except ConfigError as error:  # each fits the configuration, and not all fit each other
            raise TrainingError(str(error)) from None
        every = validation_interval(self.study.config)
        train = config.train.model_copy(
            update={"evaluate_every": config.train.evaluate_every or every}
            | ({"threads": self.threads} if self.threads else {})
        )
        return config.model_copy(update={"train": train})

    def _inputs(self, config: AnyConfig) -> Any:
        """The data, or None where it is streamed from disk: then each trial reads for itself."""
        if config.train.loader == "stream":
            return None
        task = TASKS[config.task]
        read = task.read_as(config)
        if read != self._read[0]:
            self._read = ("", None)  # before the new data needs the memory
            inputs = task.load(config, self.max_errors)
            if not task.judged(inputs):
                raise _unjudged(config)
            if read == task.read_as(self.study.config):
                self.study.check_rows(len(inputs.train), len(inputs.validation))
            self._read = (read, inputs)
        return self._read[1]


def validation_interval(config: AnyConfig) -> float | None:
    """Epochs between validations, where a pruner needs them and the configuration does not say it."""
    if config.train.evaluate_every is not None or config.tune.pruner == "none":
        return None
    return 1.0 if config.train.epochs >= 4 else config.train.epochs / 4


def _unjudged(config: AnyConfig) -> ConfigError:
    return ConfigError(
        f"'{config.data.source}' has no labelled validation row to judge trials by; see [split]"
    )


def _own_fault(error: Exception) -> str | None:
    """Why a trial's values are no good; None where the next trial would meet the same error."""
    if isinstance(error, TrainingError) and not isinstance(error, InterruptedRunError):
        return None if isinstance(error.__cause__, OSError) else str(error)  # a full disk fills no less
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "there is not memory enough for it"
    return None


def _give_back(study: Study, claim: Claim, error: Exception | None = None) -> None:
    """To be tried again, not for ever where an error may be of the values; what the user stops or is to mend
    in the configuration is not."""
    shutil.rmtree(claim.folder, ignore_errors=True)
    others = (claim.own and isinstance(error, ShelfwiseError)) or isinstance(error, InterruptedRunError)
    why = "" if error is None or others else f"{type(error).__name__}: {error}"
    study.release(claim, why.partition("\n")[0])


def _tidy(folder: Path) -> None:
    """Remove checkpoints and whatever else a run leaves."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name not in KEPT:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
