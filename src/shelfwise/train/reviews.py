"""One reviews run from a configuration to a bundle: hidden words, stars, aspects, calibration, export."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int64
from numpy import ndarray
from safetensors.torch import load_file

from shelfwise.bundle import BundleInfo, ReviewsBundle, ReviewsInfo, now
from shelfwise.config import ReviewsConfig
from shelfwise.data.review_tokens import TextReader, load_tokenizer, padded, review_text
from shelfwise.decide.temperature import fit_temperature
from shelfwise.errors import ConfigError
from shelfwise.metrics.ordinal import quadratic_weighted_kappa
from shelfwise.nn.encoders import build_review_net
from shelfwise.nn.review_net import STARS, ReviewNet, ServedReviewNet
from shelfwise.nn.text_loader import TextLoader, TextRows
from shelfwise.nn.words import WordEncoder
from shelfwise.schema import Review
from shelfwise.train.allocator import keep_freed_memory
from shelfwise.train.aspects import train_tagger
from shelfwise.train.fit import Validation, Watch, evaluating, fit, load_weights, training_cost
from shelfwise.train.hidden_words import learn_hidden_words
from shelfwise.train.loop import Run
from shelfwise.train.package_reviews import package_reviews
from shelfwise.train.precision import compare_reviews
from shelfwise.train.review_inputs import (
    Reading,
    ReviewInputs,
    fingerprint,
    load_inputs,
    make_reading,
    text_rows,
    with_teacher,
)
from shelfwise.train.review_objective import ReadReviews, class_weights
from shelfwise.train.start import ASPECTS, HIDDEN_WORDS, finished, pick_device, run_folder, set_threads

log = logging.getLogger(__name__)

BATCH = 64


def train_reviews(
    config: ReviewsConfig,
    out: Path,
    *,
    resume: bool = False,
    init_from: Path | None = None,
    watch: Callable[[Watch], None] = lambda _: None,
    inputs: ReviewInputs | None = None,
    max_errors: int = 0,
) -> ReviewsBundle:
    """Train as `config` says and write `out/bundle`; journal and checkpoints go to `out` as well.

    As `train.run.train` does for pictures: a finished run is returned as it is when `resume` is set, and
    an unfinished one is not overwritten without it."""
    began = time.perf_counter()
    done = finished(config, out) if resume else None
    if isinstance(done, ReviewsBundle):
        return done
    with run_folder(out, resume=resume):
        set_threads(config.train.threads)
        keep_freed_memory()
        data = inputs or load_inputs(config, max_errors=max_errors)
        return _train(config, data, out, began, resume=resume, init_from=init_from, watch=watch)


def _train(
    config: ReviewsConfig,
    data: ReviewInputs,
    out: Path,
    began: float,
    *,
    resume: bool,
    init_from: Path | None,
    watch: Callable[[Watch], None],
) -> ReviewsBundle:
    """The run itself, in a folder of its own."""
    log.info("%d reviews to train on, %d to validate", len(data.train), len(data.validation))
    reading = make_reading(config, [review_text(review) for review in data.train])
    if init_from is not None:
        reading = reading_of(ReviewsBundle.open(init_from))
    rows = text_rows(data.train, reading.reader)
    torch.manual_seed(config.train.seed)
    net, architecture = _new_net(config, reading, init_from)
    if isinstance(net.encoder, WordEncoder) and config.encoder.pretrain and init_from is None:
        learn_hidden_words(net.encoder, rows, config, out / HIDDEN_WORDS, resume=resume, watch=watch)
    if config.distill.teachers:
        rows = with_teacher(rows, data.train, reading.reader, config.distill, seed=config.train.seed)
    run = Run(net, config.train, pick_device(config.train.device))
    fitted = fit(
        run,
        TextLoader(rows, config.train.batch_size, seed=config.train.seed, balanced=config.train.balanced),
        _objective(config, rows),
        _star_kappa(data.validation, reading.reader, rows.pad),
        folder=out,
        fingerprint=fingerprint(config, rows),
        resume=resume,
        watch=watch,
    )
    load_weights(net.cpu(), fitted.weights)
    if config.encoder.tuning == "lora" and config.encoder.kind == "transformer":
        from shelfwise.nn.lora import merge_lora

        merge_lora(net.encoder)
    tagger, aspects = train_tagger(
        config,
        net,
        reading.reader,
        data.train,
        pad=rows.pad,
        out=out / ASPECTS,
        resume=resume,
        watch=watch,
    )
    info = _info(config, data, reading, net, rows.pad)
    reviews = info.reviews
    assert reviews is not None
    info = info.model_copy(
        update={
            "reviews": reviews.model_copy(update={"aspects": aspects, "architecture": architecture}),
            "info": {**info.info, "training": training_cost(run, fitted, began)},
        }
    )
    bundle = package_reviews(
        net,
        tagger,
        reading.tokenizer,
        info=info,
        config=config,
        sample_ids=torch.from_numpy(padded(list(rows.ids[:8]), rows.pad)),
        journal=out / "journal.jsonl",
        path=out / "bundle",
    )
    compare_reviews(bundle, data.validation)
    return bundle


def reading_of(bundle: ReviewsBundle) -> Reading:
    """A bundle's own way of reading."""
    tokenizer = load_tokenizer(bundle.path / "tokenizer.json")
    return Reading(tokenizer, TextReader(tokenizer, bundle.reading.max_tokens), bundle.reading.tokens)


def _new_net(
    config: ReviewsConfig, reading: Reading, init_from: Path | None
) -> tuple[ReviewNet, dict[str, Any] | None]:
    """The network at the start of a run, and a pretrained encoder's architecture."""
    net = build_review_net(config.encoder, reading.tokenizer)
    architecture = None
    if config.encoder.kind == "transformer":
        from shelfwise.nn.pretrained import PretrainedEncoder

        assert isinstance(net.encoder, PretrainedEncoder)
        architecture = net.encoder.architecture
    if init_from is not None:
        _start_from(net, init_from)
    if config.encoder.kind == "transformer":
        from shelfwise.nn.pretrained import prepare_tuning

        prepare_tuning(net.encoder, config.encoder)  # type: ignore[arg-type]
        if pick_device(config.train.device).type == "cpu":
            net.encoder.plain_attention()  # type: ignore[operator]
    return net, architecture


def _start_from(net: ReviewNet, path: Path) -> None:
    """Take over a bundle's weights."""
    try:
        net.load_state_dict(load_file(path / "model.safetensors"))
    except RuntimeError:
        raise ConfigError(
            f"--init-from '{path}': its network has another shape than [encoder] says; "
            f"use the bundle's own [encoder] (see {path / 'config.json'})"
        ) from None


def _objective(config: ReviewsConfig, rows: TextRows) -> ReadReviews:
    weights = class_weights(torch.from_numpy(rows.stars), config.heads.balance)
    taught = config.distill if config.distill.teachers else None
    mask = config.encoder.mask if config.encoder.kind == "words" else 0.0
    return ReadReviews(config.heads, weights, taught, mask=mask)


def _star_kappa(reviews: Sequence[Review], reader: TextReader, pad: int) -> Validation | None:
    """Quadratic weighted kappa of the most probable stars; None without a rated validation review."""
    rated = [review for review in reviews if review.rating is not None]
    if not rated:
        return None
    truth = np.array([review.rating for review in rated], dtype=np.int64)

    def score(run: Run) -> float:
        with evaluating(run) as model:
            assert isinstance(model, ReviewNet)
            outputs = served(model, rated, reader, pad, run.device)
        return float(quadratic_weighted_kappa(outputs[0].argmax(1) + 1, truth, STARS))

    return Validation("qwk", score)


@torch.no_grad()
def served(
    net: ReviewNet, reviews: Sequence[Review], reader: TextReader, pad: int, device: torch.device
) -> tuple[Float[ndarray, "N 5"], Float[ndarray, "N 3"], Float[ndarray, "N 2"]]:
    """What the exported network would say of each review: log-probabilities, pooled over windows."""
    windows = reader.windows([review_text(review) for review in reviews])
    order = np.argsort([len(row) for row in windows.ids], kind="stable")
    model = ServedReviewNet(net)
    parts: list[list[ndarray]] = [[], [], []]
    for i in range(0, len(order), BATCH):
        ids = torch.from_numpy(padded([windows.ids[j] for j in order[i : i + BATCH]], pad)).to(device)
        for part, values in zip(parts, model(ids), strict=True):
            part.append(values.float().softmax(1).cpu().numpy())
    pooled = []
    for part in parts:
        rows = np.empty((len(order), part[0].shape[1]), np.float32)
        rows[order] = np.concatenate(part)
        pooled.append(np.log(windows.pool(rows).clip(min=1e-7)))
    return pooled[0], pooled[1], pooled[2]


def _info(
    config: ReviewsConfig, data: ReviewInputs, reading: Reading, net: ReviewNet, pad: int
) -> BundleInfo:
    """Calibration on validation, and what the bundle says of itself."""
    stars = _ratings(data.validation)
    liked = np.array([-1 if r.recommended is None else int(r.recommended) for r in data.validation], np.int64)
    temperatures, validation = (1.0, 1.0, 1.0), {}
    if (stars >= 0).any():
        outputs = served(net, data.validation, reading.reader, pad, torch.device("cpu"))
        feelings = np.where(stars < 0, -1, (stars > 1).astype(np.int64) + (stars > 2))
        labels = (stars, feelings, liked)
        pairs = zip(outputs, labels, strict=True)
        first, second, third = (fit_temperature(logits, truth) for logits, truth in pairs)
        temperatures = (first, second, third)
        known = stars >= 0
        said = outputs[0].argmax(1)[known]
        validation = {
            "accuracy": float((said == stars[known]).mean()),
            "qwk": float(quadratic_weighted_kappa(said + 1, stars[known] + 1, STARS)),
        }
    return BundleInfo(
        task="reviews",
        name=config.name,
        version="",
        created=now(),
        target="stars",
        classes=tuple(str(k + 1) for k in range(STARS)),
        source=data.source,
        temperature=temperatures[0],
        reviews=ReviewsInfo(
            max_tokens=reading.reader.max_tokens,
            tokens=reading.statistics,
            sentiment_temperature=temperatures[1],
            recommended_temperature=temperatures[2],
            recommends=any(review.recommended is not None for review in data.train),
        ),
        info={
            "validation": validation,
            "rows": {"train": len(data.train), "validation": len(data.validation)},
        },
    )


def _ratings(reviews: Sequence[Review]) -> Int64[ndarray, "N"]:
    return np.array([-1 if r.rating is None else r.rating - 1 for r in reviews], dtype=np.int64)
