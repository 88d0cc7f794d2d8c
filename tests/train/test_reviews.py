"""Training on reviews: it learns, resumes to the same weights, follows a teacher, tunes other encoders."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file
from small_checkpoints import save_small_checkpoint

from shelfwise.bundle import ReviewsBundle
from shelfwise.config import AspectsConfig, ReviewsConfig, ReviewTrainConfig
from shelfwise.errors import ConfigError, TrainingError
from shelfwise.train.aspect_rows import AspectRow, Sentence
from shelfwise.train.aspects import fingerprint
from shelfwise.train.fit import Watch
from shelfwise.train.review_inputs import ReviewInputs, pieces
from shelfwise.train.reviews import train_reviews


def changed(config: ReviewsConfig, **tables: dict[str, Any]) -> ReviewsConfig:
    values = config.model_dump()
    for table, settings in tables.items():
        values[table].update(settings)
    return ReviewsConfig.model_validate(values)


def quick(config: ReviewsConfig, **tables: dict[str, Any]) -> ReviewsConfig:
    """Stars alone, for one epoch."""
    values: dict[str, dict[str, Any]] = {"aspects": {"epochs": 0}, "train": {"epochs": 1}}
    values["encoder"] = {"pretrain": 0}
    for table, settings in tables.items():
        values.setdefault(table, {}).update(settings)
    return changed(config, **values)


def weights(bundle: ReviewsBundle) -> dict[str, np.ndarray]:
    return load_file(bundle.path / "model.safetensors")


def test_the_tiny_bundle_has_learned_stars(tiny_reviews_bundle: Path) -> None:
    bundle = ReviewsBundle.open(tiny_reviews_bundle)
    assert bundle.info["validation"]["qwk"] > 0.5
    assert bundle.classes == ("1", "2", "3", "4", "5")
    assert bundle.reading.aspects is not None
    assert {"val_qwk", "loss"} <= {key for record in bundle.journal() for key in record}


def test_a_run_resumes_to_the_same_weights(
    tiny_reviews_config: ReviewsConfig, drawn_review_inputs: ReviewInputs, tmp_path: Path
) -> None:
    config = changed(tiny_reviews_config, train={"epochs": 2, "checkpoint_every": 3}, aspects={"epochs": 1})
    whole = train_reviews(config, tmp_path / "whole", inputs=drawn_review_inputs)

    for stage in range(3):  # hidden words, stars, aspects: each is interrupted once
        steps = iter(range(10_000))

        def interrupt(_moment: Watch, steps: Any = steps) -> None:
            if next(steps) == 4:
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(TrainingError, match="interrupted"):
            train_reviews(
                config, tmp_path / "cut", inputs=drawn_review_inputs, resume=stage > 0, watch=interrupt
            )
    cut = train_reviews(config, tmp_path / "cut", inputs=drawn_review_inputs, resume=True)
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(value, weights(cut)[name])
    assert whole.version == cut.version or whole.meta.files["review.onnx"] == cut.meta.files["review.onnx"]


@pytest.mark.parametrize("setting", [{"batch_size": 48}, {"seed": 7}, {"weight_decay": 0.5}])
def test_hidden_words_do_not_go_on_with_other_settings(
    tiny_reviews_config: ReviewsConfig,
    drawn_review_inputs: ReviewInputs,
    tmp_path: Path,
    setting: dict[str, Any],
) -> None:
    def interrupt(moment: Watch) -> None:
        if moment.record.step == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(TrainingError, match="interrupted"):
        train_reviews(tiny_reviews_config, tmp_path, inputs=drawn_review_inputs, watch=interrupt)
    other = changed(tiny_reviews_config, train=setting)
    with pytest.raises(
        TrainingError, match="holds a run at step-00000002 of hidden-words: go on with --resume"
    ):
        train_reviews(other, tmp_path, inputs=drawn_review_inputs)
    with pytest.raises(TrainingError, match=f"train.{next(iter(setting))}"):
        train_reviews(other, tmp_path, inputs=drawn_review_inputs, resume=True)


def test_aspects_do_not_go_on_with_other_labels_or_settings() -> None:
    settings, loop = AspectsConfig(), ReviewTrainConfig()
    ids, tags = np.arange(4, dtype=np.int64), np.zeros(4, np.int64)
    span = Sentence(0, 3, np.zeros(2, np.float32))
    one = AspectRow(ids, (span,))
    others = [
        [],
        [one, one],
        [replace(one, ids=ids + 1)],
        [replace(one, sentences=(replace(span, labels=np.ones(2, np.float32)),))],
        [replace(one, sentences=(replace(span, weight=0.3),))],
        [replace(one, sentences=(replace(span, first=1),))],
        [replace(one, tags=tags)],
        [replace(one, implied=np.ones(3, np.float32))],
    ]
    known = fingerprint(settings, loop, [one])
    assert known == fingerprint(settings, loop.model_copy(update={"threads": 3}), [AspectRow(ids, (span,))])
    found = [known, *(fingerprint(settings, loop, rows) for rows in others)]
    found.append(fingerprint(settings.model_copy(update={"lr": 1.0}), loop, [one]))
    found.append(fingerprint(settings, loop.model_copy(update={"seed": 9}), [one]))
    assert len({str(each) for each in found}) == len(others) + 3


def test_an_unfinished_run_is_not_overwritten_and_a_finished_one_is_returned(
    tiny_reviews_config: ReviewsConfig, drawn_review_inputs: ReviewInputs, tmp_path: Path
) -> None:
    config = quick(tiny_reviews_config)
    first = train_reviews(config, tmp_path, inputs=drawn_review_inputs)
    with pytest.raises(TrainingError, match="--resume"):
        train_reviews(config, tmp_path, inputs=drawn_review_inputs)
    assert train_reviews(config, tmp_path, inputs=drawn_review_inputs, resume=True).version == first.version


def test_a_student_follows_its_teacher(
    tiny_reviews_config: ReviewsConfig,
    drawn_review_inputs: ReviewInputs,
    tiny_reviews_bundle: Path,
    tmp_path: Path,
) -> None:
    """Without a label of its own the student still learns, from the teacher alone."""
    blind = [review.model_copy(update={"rating": 3}) for review in drawn_review_inputs.train]
    inputs = replace(drawn_review_inputs, train=blind)
    config = quick(
        tiny_reviews_config,
        distill={"teachers": [tiny_reviews_bundle], "weight": 1.0, "pieces": 1},
        train={"epochs": 6},
    )
    student = train_reviews(config, tmp_path, inputs=inputs)
    assert student.info["validation"]["qwk"] > 0.4


def test_pieces_are_runs_of_sentences_of_the_same_text() -> None:
    text = "Too small. I sent it back! The color was nice, though."
    found = pieces([text, "One sentence only"], 5, seed=0)
    assert len(found) == 5
    assert all(piece in text and piece != text for piece in found)
    assert found == pieces([text, "One sentence only"], 5, seed=0)


@pytest.mark.parametrize("tuning", ["frozen", "lora", "full"])
def test_a_pretrained_encoder_trains_in_every_tuning(
    tuning: str,
    tiny_reviews_config: ReviewsConfig,
    drawn_review_inputs: ReviewInputs,
    tmp_path: Path,
) -> None:
    texts = [review.text for review in drawn_review_inputs.train]
    checkpoint = save_small_checkpoint(tmp_path / "checkpoint", "roberta", texts)
    config = quick(
        tiny_reviews_config,
        encoder={"kind": "transformer", "checkpoint": str(checkpoint), "tuning": tuning, "max_tokens": 32},
        train={"head_lr": 1e-2, "lr": 1e-3},
        aspects={"epochs": 1, "weak": 50},
    )
    bundle = train_reviews(config, tmp_path / "run", inputs=drawn_review_inputs)
    assert bundle.reading.architecture is not None
    assert str(tmp_path) not in (bundle.path / "bundle.json").read_text()
    assert not any("lora" in name for name in weights(bundle))


def test_a_bundle_is_learned_on_from(
    tiny_reviews_config: ReviewsConfig,
    drawn_review_inputs: ReviewInputs,
    tiny_reviews_bundle: Path,
    tmp_path: Path,
) -> None:
    config = quick(tiny_reviews_config, train={"epochs": 0.1, "lr": 1e-5})
    bundle = train_reviews(config, tmp_path / "a", inputs=drawn_review_inputs, init_from=tiny_reviews_bundle)
    assert bundle.info["validation"]["qwk"] > 0.5
    wide = quick(tiny_reviews_config, encoder={"width": 24})
    with pytest.raises(ConfigError, match=r"another shape than \[encoder\] says"):
        train_reviews(wide, tmp_path / "b", inputs=drawn_review_inputs, init_from=tiny_reviews_bundle)


@pytest.mark.parametrize(
    "settings", [{"accumulate": 2}, {"balanced": True}, {"ema": 0.9, "evaluate_every": 1, "patience": 1}]
)
def test_every_loop_option_trains(
    settings: dict[str, Any],
    tiny_reviews_config: ReviewsConfig,
    drawn_review_inputs: ReviewInputs,
    tmp_path: Path,
) -> None:
    config = quick(tiny_reviews_config, train=settings, heads={"balance": 1.0}, encoder={"mask": 0.2})
    bundle = train_reviews(config, tmp_path, inputs=drawn_review_inputs)
    losses = [record["loss"] for record in bundle.journal() if "loss" in record]
    assert all(np.isfinite(losses))


def test_a_run_without_validation_says_so(
    tiny_reviews_config: ReviewsConfig, drawn_review_inputs: ReviewInputs, tmp_path: Path
) -> None:
    inputs = replace(drawn_review_inputs, validation=[])
    bundle = train_reviews(quick(tiny_reviews_config), tmp_path, inputs=inputs)
    assert bundle.info["validation"] == {}
    assert bundle.temperature == 1
