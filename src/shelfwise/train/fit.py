"""Consume the loop's records: validate, stop early, write checkpoints and the journal, show progress."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shelfwise.data.labelled import LabelledPictures
from shelfwise.errors import InterruptedRunError, TrainingError
from shelfwise.evaluate.cost import peak_memory_mb
from shelfwise.nn.ranks import of_ranks, same_start
from shelfwise.train.checkpoint import Tree, checkpoints, load_checkpoint, save_checkpoint
from shelfwise.train.journal import Journal
from shelfwise.train.loop import (
    Loader,
    Objective,
    Run,
    StepRecord,
    autocast,
    batched,
    total_steps,
    train_steps,
)

LOG_EVERY = 20


@dataclass
class Progress:
    """Where a run stands, for checkpoints and early stopping."""

    best_score: float = -1.0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    validations_without_gain: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Time spent so far, over all resumes; CPU time is that of all threads."""


@dataclass(frozen=True)
class Fitted:
    """A finished run: the weights to keep, and what they cost over all resumes."""

    weights: dict[str, Tensor]
    seconds: float
    cpu_seconds: float


def training_cost(run: Run, fitted: Fitted, began: float) -> dict[str, Any]:
    """What a bundle tells of its training; `began` is when this process began, by `time.perf_counter`."""
    return {
        "seconds_train": fitted.seconds,
        "seconds_total": time.perf_counter() - began,
        "cpu_seconds": fitted.cpu_seconds,
        "peak_memory_mb": peak_memory_mb(),
        "steps": run.step,
        "device": run.device.type,
        "threads": torch.get_num_threads(),
        "processes": run.ranks.world,
        "torch": torch.__version__,
    }


@dataclass(frozen=True)
class Watch:
    """One moment of a run, for a progress bar."""

    record: StepRecord
    steps: int
    validation: float | None = None
    """The latest score on validation; see `Validation`."""
    metric: str | None = None
    """What the score is."""
    fresh: bool = False
    """Whether the score is of this very step."""


@dataclass(frozen=True)
class Validation:
    """How a run is judged as it goes; more is better."""

    name: str
    """What the score is: the journal has it as `val_NAME`."""
    score: Callable[[Run], float]


def fit(
    run: Run,
    loader: Loader,
    objective: Objective,
    validation: Validation | None,
    *,
    folder: Path,
    fingerprint: Tree,
    resume: bool,
    watch: Callable[[Watch], None] = lambda _: None,
) -> Fitted:
    """Train to the end or to an early stop.

    Checkpoints go to `folder/checkpoints`, the journal to `folder/journal.jsonl`. Without `validation`
    nothing is scored. `fingerprint` is what must not change between start and resume. Ctrl-C writes a
    checkpoint and raises an InterruptedRunError. Of several ranks the first scores and writes."""
    config = run.config
    progress = Progress()
    if resume:
        _resume(run, progress, folder, fingerprint)
    same_start(run.model)
    first = run.ranks.first
    steps = total_steps(config, len(loader))
    journal = Journal(folder, resume_step=run.step, tensorboard=config.tensorboard) if first else None
    save_every = config.checkpoint_every or len(loader)
    evaluate_every = round(config.evaluate_every * len(loader)) if config.evaluate_every else steps

    before = (progress.seconds - time.perf_counter(), progress.cpu_seconds - time.process_time())

    def count_time() -> None:
        progress.seconds = before[0] + time.perf_counter()
        progress.cpu_seconds = before[1] + time.process_time()

    def save() -> None:
        count_time()
        if not first:
            return
        tree = {"run": run.state(), "progress": asdict(progress), "fingerprint": fingerprint}
        save_checkpoint(folder / "checkpoints", run.step, tree, keep=config.keep)

    score: float | None = None
    metric = validation.name if validation else None
    try:
        with interrupt_flag() as interrupted, closing(train_steps(run, loader, objective)) as records:
            stopped = _out_of_patience(progress, config.patience)
            for record in () if stopped else records:
                done = record.step >= steps
                if journal and (record.step % LOG_EVERY == 0 or done):
                    journal.add(asdict(record))
                fresh = record.step % max(1, evaluate_every) == 0 or done
                if validation and fresh:
                    (score,) = of_ranks(validation.score(run) if first else 0.0)[0]
                    if journal:
                        said = {"step": record.step, "epoch": record.epoch}
                        journal.add({**said, f"val_{validation.name}": score})
                    _note(progress, score, run, keep_weights=config.patience is not None)
                watch(Watch(record, steps, score, metric, fresh=fresh and score is not None))
                stop = _out_of_patience(progress, config.patience)
                halt = any(flag for (flag,) in of_ranks(float(interrupted.is_set())))
                if record.step % save_every == 0 or done or stop or halt:
                    save()
                if halt and not done:
                    raise InterruptedRunError(
                        f"interrupted after step {record.step} of {steps}, nothing lost; go on with --resume"
                    )
                if stop:
                    break
    finally:
        if journal:
            journal.close()
    count_time()
    return Fitted(progress.best_weights or run.weights(), progress.seconds, progress.cpu_seconds)


@contextmanager
def evaluating(run: Run) -> Iterator[nn.Module]:
    """The model with the weights that would be kept, in evaluation mode; the present ones come back."""
    present = {name: tensor.detach().clone() for name, tensor in run.model.state_dict().items()}
    run.model.load_state_dict(run.weights())
    run.model.eval()
    try:
        with torch.no_grad(), autocast(run.config, run.device):
            yield run.model
    finally:
        run.model.load_state_dict(present)


def picture_accuracy(data: LabelledPictures) -> Validation | None:
    """Accuracy on the rows that have a label; None without any row."""
    if not len(data):
        return None
    labels = torch.from_numpy(data.labels)
    known = labels >= 0

    def score(run: Run) -> float:
        with evaluating(run) as model:
            predicted = batched(model, torch.from_numpy(data.images), run.device).argmax(1)
        return float((predicted == labels)[known].float().mean()) if known.any() else 0.0

    return Validation("accuracy", score)


@contextmanager
def interrupt_flag() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that a step is never torn; a second Ctrl-C interrupts at once."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = signal.getsignal(signal.SIGINT)

    def on_interrupt(_signal: int, _frame: object) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)


def _resume(run: Run, progress: Progress, folder: Path, fingerprint: Tree) -> None:
    """Restore the newest checkpoint, if there is one; refuse one of another configuration."""
    found = checkpoints(folder / "checkpoints")
    if not found:
        return
    tree = load_checkpoint(found[-1])
    for key, value in fingerprint.items():
        saved = tree["fingerprint"].get(key)
        if saved != value:
            raise TrainingError(
                f"{found[-1]} was made with {key} = {saved!r}, the config now says {value!r}: "
                "take the old value back, or train into another --out"
            )
    run.restore(tree["run"])
    for name, value in tree["progress"].items():
        setattr(progress, name, value)


def _note(progress: Progress, score: float, run: Run, *, keep_weights: bool) -> None:
    """Remember the best validation so far."""
    if score > progress.best_score:
        progress.best_score = score
        progress.validations_without_gain = 0
        if keep_weights:
            progress.best_weights = run.weights()
    else:
        progress.validations_without_gain += 1


def _out_of_patience(progress: Progress, patience: int | None) -> bool:
    return patience is not None and progress.validations_without_gain >= patience


def load_weights(model: nn.Module, weights: dict[str, Tensor]) -> None:
    """Put `weights` into `model` and set it to evaluation."""
    model.load_state_dict(weights)
    model.eval()
