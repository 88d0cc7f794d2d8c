"""Before the labels: our own encoder learns its words by guessing hidden ones of the training texts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from shelfwise.config import ReviewsConfig
from shelfwise.data.review_tokens import UNKNOWN_ID
from shelfwise.nn.text_loader import TextBatch, TextLoader, TextRows
from shelfwise.nn.words import MaskedWords, WordEncoder
from shelfwise.train.checkpoint import Tree
from shelfwise.train.fit import Watch, fit
from shelfwise.train.loop import Run, autocast
from shelfwise.train.review_inputs import fingerprint
from shelfwise.train.start import pick_device

SHARE, MASKED, RANDOM = 0.2, 0.85, 0.1
"""Of the words a share is to be guessed; of these most are hidden, some are changed, the rest stays."""


@dataclass(frozen=True)
class GuessWords:
    """The objective of masked words (BERT, arXiv:1810.04805, section 3.1)."""

    vocabulary: int

    def __call__(self, run: Run, batch: TextBatch, generator: torch.Generator) -> Iterator[Float[Tensor, ""]]:
        """One loss; the batch is not divided."""
        ids, places, targets = self.hide(batch.ids, generator)
        with autocast(run.config, run.device):
            logits = run.model(ids.to(run.device), places.to(run.device))
        yield F.cross_entropy(logits.float(), targets.to(run.device), reduction="sum") / max(1, len(targets))

    def hide(
        self, ids: Int64[Tensor, "B L"], generator: torch.Generator
    ) -> tuple[Int64[Tensor, "B L"], Int64[Tensor, "P"], Int64[Tensor, "P"]]:
        """The changed ids, the flat places to guess, and the words that stood there."""
        chosen = (torch.rand(ids.shape, generator=generator) < SHARE) & (ids > UNKNOWN_ID)
        how = torch.rand(ids.shape, generator=generator)
        others = torch.randint(UNKNOWN_ID + 1, self.vocabulary, ids.shape, generator=generator)
        changed = torch.where(chosen & (how < MASKED), UNKNOWN_ID, ids)
        changed = torch.where(chosen & (how > 1 - RANDOM), others, changed)
        places = chosen.flatten().nonzero().squeeze(1)
        return changed, places, ids.flatten()[places]


def learn_hidden_words(
    encoder: WordEncoder,
    rows: TextRows,
    config: ReviewsConfig,
    folder: Path,
    *,
    resume: bool,
    watch: Callable[[Watch], None],
) -> None:
    """Train `encoder` in place for `encoder.pretrain` epochs, with checkpoints and a journal of its own.

    The training texts are all it sees: no label, no other text."""
    settings = config.encoder
    train = config.train.model_copy(
        update={
            "epochs": settings.pretrain,
            "lr": settings.pretrain_lr,
            "ema": 0.0,
            "evaluate_every": None,
            "patience": None,
        }
    )
    model = MaskedWords(encoder)
    run = Run(model, train, pick_device(train.device))
    fitted = fit(
        run,
        TextLoader(rows, train.batch_size, seed=train.seed),
        GuessWords(encoder.embedding.num_embeddings),
        None,
        folder=folder,
        fingerprint=_fingerprint(config.model_copy(update={"train": train}), rows),
        resume=resume,
        watch=watch,
    )
    model.load_state_dict(fitted.weights)


def _fingerprint(config: ReviewsConfig, rows: TextRows) -> Tree:
    """What must be the same when it goes on: the encoder, the loop and the texts."""
    whole = fingerprint(config, rows)
    return {key: value for key, value in whole.items() if key.startswith(("encoder.", "train.", "data"))}
