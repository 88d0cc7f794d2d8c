"""Teach a copy of the trained encoder to find opinions: what is judged, how, and in which words."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from shelfwise.bundle import AspectsInfo
from shelfwise.config import AspectsConfig, ReviewsConfig, TrainConfig
from shelfwise.config.training import NO_EFFECT
from shelfwise.data.dmaste import read_term_reviews
from shelfwise.data.review_tokens import TextReader, review_text
from shelfwise.nn.review_net import ReviewNet
from shelfwise.nn.tagger import Tagger, span_logits
from shelfwise.reviews.aspects import ASPECTS, LABELS, read_labelled_sentences
from shelfwise.schema import Review
from shelfwise.train.aspect_rows import (
    AspectBatch,
    AspectLoader,
    AspectRow,
    collate,
    labelled_rows,
    rows_digest,
    term_rows,
    weak_rows,
)
from shelfwise.train.checkpoint import Tree
from shelfwise.train.fit import Validation, Watch, evaluating, fit
from shelfwise.train.loop import Run, autocast
from shelfwise.train.start import pick_device

log = logging.getLogger(__name__)

THRESHOLD = 0.5
"""Where no labelled validation sentence can say a better one."""
THRESHOLDS = np.arange(0.2, 0.81, 0.05)
BATCH = 64


@dataclass(frozen=True)
class ReadAspects:
    """The objective of a tagger."""

    terms: float = 1.0

    def __call__(
        self, run: Run, batch: AspectBatch, generator: torch.Generator
    ) -> Iterator[Float[Tensor, ""]]:
        """One loss; the batch is not divided."""
        device = run.device
        with autocast(run.config, device):
            tokens, terms, implied = (part.float() for part in run.model(batch.ids.to(device)))
        loss = torch.zeros((), device=device)
        if len(batch.owner):
            logits = span_logits(tokens, batch.owner.to(device), batch.inside.to(device))
            weights = batch.weights.to(device).unsqueeze(1)
            losses = F.binary_cross_entropy_with_logits(logits, batch.labels.to(device), reduction="none")
            loss = loss + (weights * losses).sum() / weights.sum().clamp(min=1e-6)
        if batch.tags.ge(0).any():
            tagged = F.cross_entropy(terms.flatten(0, 1), batch.tags.to(device).flatten(), ignore_index=-100)
            known = batch.knows_implied.to(device).unsqueeze(1)
            losses = F.binary_cross_entropy_with_logits(implied, batch.implied.to(device), reduction="none")
            loss = loss + self.terms * (tagged + (known * losses).sum() / (known.sum() * implied.shape[1]))
        yield loss


def train_tagger(
    config: ReviewsConfig,
    net: ReviewNet,
    reader: TextReader,
    reviews: Sequence[Review],
    *,
    pad: int,
    out: Path,
    resume: bool,
    watch: Callable[[Watch], None] = lambda _: None,
) -> tuple[Tagger | None, AspectsInfo | None]:
    """A tagger that starts from a copy of `net`'s encoder; (None, None) where none is asked for."""
    settings = config.aspects
    if not settings.epochs:
        return None, None
    rows, validation = _rows(config, reader, reviews)
    torch.manual_seed(config.train.seed)
    tagger = Tagger(copy.deepcopy(net.encoder), len(LABELS), config.encoder.dropout)
    tagger.requires_grad_(True)
    loop = config.train.model_copy(
        update={
            "epochs": settings.epochs,
            "lr": settings.lr,
            "head_lr": max(settings.lr, 1e-3),
            "batch_size": settings.batch_size,
            "accumulate": 1,
            "evaluate_every": None,
            "patience": None,
        }
    )
    run = Run(tagger, loop, pick_device(loop.device))
    fitted = fit(
        run,
        AspectLoader(rows, settings.batch_size, pad=pad, seed=loop.seed),
        ReadAspects(),
        Validation("aspect_f1", lambda run: _validation_f1(run, validation, pad)) if validation else None,
        folder=out,
        fingerprint=fingerprint(settings, loop, rows),
        resume=resume,
        watch=watch,
    )
    tagger.load_state_dict(fitted.weights)
    tagger.eval()
    threshold = _threshold(tagger, validation, pad) if validation else THRESHOLD
    info = AspectsInfo(
        aspects=ASPECTS, thresholds=(threshold,) * len(ASPECTS), terms=settings.terms is not None
    )
    return tagger, info


def _rows(
    config: ReviewsConfig, reader: TextReader, reviews: Sequence[Review]
) -> tuple[list[AspectRow], list[AspectRow]]:
    """Training rows, and labelled validation sentences if there are any."""
    settings, source, text = config.aspects, Path(config.data.source), config.data.columns.text
    order = np.random.default_rng(config.train.seed).permutation(len(reviews))
    texts = [review_text(reviews[i]) for i in order]
    rows = weak_rows(texts, reader, count=settings.weak, weight=settings.weak_weight)
    if settings.terms is not None:
        rows += term_rows(read_term_reviews(settings.terms), reader)
    validation: list[AspectRow] = []
    if settings.labels is not None:
        rows += labelled_rows(read_labelled_sentences(settings.labels, source, text=text), reader)
    if settings.validation_labels is not None:
        validation = labelled_rows(
            read_labelled_sentences(settings.validation_labels, source, text=text), reader
        )
    log.info("%d texts for aspects, %d labelled sentences to validate", len(rows), len(validation))
    return rows, validation


def fingerprint(settings: AspectsConfig, loop: TrainConfig, rows: Sequence[AspectRow]) -> Tree:
    """What must be the same when a run goes on: all settings that change its weights, texts and labels."""
    train = loop.model_dump(mode="json", exclude=set(NO_EFFECT))
    return {
        **{f"aspects.{key}": value for key, value in settings.model_dump(mode="json").items()},
        **{f"train.{key}": value for key, value in train.items()},
        "data": rows_digest(rows),
    }


def sentence_scores(
    model: nn.Module, rows: Sequence[AspectRow], pad: int, device: torch.device
) -> tuple[Float[ndarray, "S A"], Float[ndarray, "S A"]]:
    """Probabilities and labels of all sentences of the rows."""
    scores, labels = [], []
    for i in range(0, len(rows), BATCH):
        batch = collate(rows[i : i + BATCH], pad)
        tokens = model(batch.ids.to(device))[0].float().cpu()
        scores.append(torch.sigmoid(span_logits(tokens, batch.owner, batch.inside)).numpy())
        labels.append(batch.labels.numpy())
    return np.concatenate(scores), np.concatenate(labels)


def micro_f1(said: ndarray, labels: ndarray) -> float:
    """F1 over all (sentence, label) pairs; 0 where nothing is said or true."""
    hits, total = float((said * labels).sum()), float(said.sum() + labels.sum())
    return 2 * hits / total if total else 0.0


def _validation_f1(run: Run, validation: Sequence[AspectRow], pad: int) -> float:
    with evaluating(run) as model:
        scores, labels = sentence_scores(model, validation, pad, run.device)
    return micro_f1(scores >= THRESHOLD, labels)


@torch.no_grad()
def _threshold(tagger: Tagger, validation: Sequence[AspectRow], pad: int) -> float:
    """The threshold with the best F1; of equal ones the middle."""
    tagger.cpu()
    scores, labels = sentence_scores(tagger, validation, pad, torch.device("cpu"))
    found = np.array([micro_f1(scores >= threshold, labels) for threshold in THRESHOLDS])
    best = np.flatnonzero(found >= found.max() - 1e-9)
    return float(THRESHOLDS[best[len(best) // 2]])
