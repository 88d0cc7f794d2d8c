"""The loop and what consumes it: learning, early stopping, interruption, NaN, mismatched resumes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shelfwise.bundle import Bundle
from shelfwise.config import Config, parse_config
from shelfwise.errors import ConfigError, MissingExtraError, TrainingError
from shelfwise.train.allocator import keep_freed_memory
from shelfwise.train.checkpoint import checkpoints
from shelfwise.train.fit import Watch
from shelfwise.train.inputs import Inputs
from shelfwise.train.journal import Journal, read_journal
from shelfwise.train.loop import step_seed
from shelfwise.train.run import train
from shelfwise.train.start import pick_device

Draw = Callable[..., Any]


@pytest.fixture
def inputs(drawn_pictures: Draw) -> Inputs:
    return Inputs(drawn_pictures(96), drawn_pictures(32, seed=1000), source="drawn", target="kind")


def changed(config: Config, **train_settings: Any) -> Config:
    values = config.model_dump()
    values["train"].update(train_settings)
    values["text"]["align"] = False
    return parse_config(values, where="test")


def test_the_tiny_bundle_has_learned(tiny_bundle: Path) -> None:
    assert Bundle.open(tiny_bundle).info["validation"]["accuracy"] > 0.9


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "lr": 0.1},
        {"optimizer": "muon", "ema": 0.9},
        {"accumulate": 2, "clip": 1.0},
        {"balanced": True, "precision": "bf16"},
        {"gradient_checkpointing": True, "label_smoothing": 0.0},
    ],
)
def test_every_option_trains(
    settings: dict[str, Any], tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    bundle = train(changed(tiny_config, epochs=1, **settings), tmp_path, inputs=inputs)
    losses = [record["loss"] for record in bundle.journal() if "loss" in record]
    assert losses
    assert all(loss < 3 for loss in losses)


def test_a_listener_is_told_each_score_once_and_what_it_is(
    tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    moments: list[Watch] = []
    train(changed(tiny_config, epochs=4, evaluate_every=2), tmp_path, inputs=inputs, watch=moments.append)
    assert {moment.metric for moment in moments} == {"accuracy"}
    fresh = [moment for moment in moments if moment.fresh]
    assert [moment.record.epoch for moment in fresh] == [2.0, 4.0]
    scores = [r["val_accuracy"] for r in read_journal(tmp_path / "journal.jsonl") if "val_accuracy" in r]
    assert [moment.validation for moment in fresh] == scores


def test_a_stop_comes_early_and_keeps_the_best_weights(
    tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    config = changed(tiny_config, epochs=100, evaluate_every=1, patience=2)
    bundle = train(config, tmp_path, inputs=inputs)
    accuracies = [r["val_accuracy"] for r in bundle.journal() if "val_accuracy" in r]
    assert bundle.info["training"]["steps"] < 100 * 3
    assert bundle.info["validation"]["accuracy"] == pytest.approx(max(accuracies))


def test_a_run_without_validation_says_so(tiny_config: Config, inputs: Inputs, tmp_path: Path) -> None:
    config = changed(tiny_config, epochs=1, threads=100_000)
    none = replace(inputs, validation=inputs.validation.take(np.zeros(0, np.int64)))
    bundle = train(config, tmp_path, inputs=none)
    assert bundle.info["validation"] == {}
    assert bundle.temperature == 1
    assert bundle.info["training"]["threads"] <= (os.cpu_count() or 1)
    assert "the accuracy is unknown" in (bundle.path / "README.md").read_text()


def test_a_loss_that_is_not_finite_is_one_clear_error(
    tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    with pytest.raises(TrainingError, match=r"the loss became (nan|inf) at step \d+.*lower train.lr"):
        train(changed(tiny_config, optimizer="sgd", lr=1e30), tmp_path, inputs=inputs)


def test_ctrl_c_writes_a_checkpoint_and_resume_goes_on(
    tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    def interrupt(moment: Watch) -> None:
        if moment.record.step == 5:
            os.kill(os.getpid(), signal.SIGINT)

    config = changed(tiny_config, checkpoint_every=1000)
    with pytest.raises(TrainingError, match=r"interrupted after step 5 of 60, nothing lost.*--resume"):
        train(config, tmp_path, inputs=inputs, watch=interrupt)
    assert [path.name for path in checkpoints(tmp_path / "checkpoints")] == ["step-00000005"]
    assert train(config, tmp_path, inputs=inputs, resume=True).info["training"]["steps"] == 60


def test_a_second_ctrl_c_interrupts_at_once(tiny_config: Config, inputs: Inputs, tmp_path: Path) -> None:
    def interrupt(moment: Watch) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(changed(tiny_config), tmp_path, inputs=inputs, watch=interrupt)


def test_a_resume_with_another_setting_is_refused_and_names_it(
    tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    train(changed(tiny_config, epochs=1), tmp_path, inputs=inputs)
    with pytest.raises(TrainingError, match=r"train\.lr = 0\.05, the config now says 0\.5"):
        train(changed(tiny_config, epochs=1, lr=0.5), tmp_path, inputs=inputs, resume=True)


def test_a_resume_with_other_data_is_refused(
    tiny_config: Config, inputs: Inputs, drawn_pictures: Draw, tmp_path: Path
) -> None:
    config = changed(tiny_config, epochs=1)
    train(config, tmp_path, inputs=inputs)
    (tmp_path / "bundle" / "bundle.json").unlink()
    other = Inputs(drawn_pictures(96, seed=5), inputs.validation, source="drawn", target="kind")
    with pytest.raises(TrainingError, match="made with data"):
        train(config, tmp_path, inputs=other, resume=True)


def test_a_run_is_not_overwritten_by_a_slip(tiny_config: Config, inputs: Inputs, tmp_path: Path) -> None:
    train(changed(tiny_config, epochs=1), tmp_path, inputs=inputs)
    with pytest.raises(TrainingError, match=r"holds a run.*--resume"):
        train(changed(tiny_config, epochs=1), tmp_path, inputs=inputs)


def test_a_finished_run_is_not_done_twice(tiny_config: Config, inputs: Inputs, tmp_path: Path) -> None:
    config = changed(tiny_config, epochs=1)
    first = train(config, tmp_path, inputs=inputs)
    before = (first.path / "bundle.json").stat().st_mtime_ns
    again = train(config, tmp_path, inputs=inputs, resume=True)
    assert again.version == first.version
    assert (first.path / "bundle.json").stat().st_mtime_ns == before


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    def weights(seed: int, name: str) -> bytes:
        bundle = train(changed(tiny_config, epochs=1, seed=seed), tmp_path / name, inputs=inputs)
        return (bundle.path / "model.safetensors").read_bytes()

    assert weights(1, "a") == weights(1, "b")
    assert weights(1, "a2") != weights(2, "c")


def test_training_goes_on_from_a_bundle_with_a_new_class(
    tiny_bundle: Path, tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    from dataclasses import replace

    more = (*inputs.train.classes, "hat")
    grown = Inputs(
        replace(inputs.train, classes=more), replace(inputs.validation, classes=more), "drawn", "kind"
    )
    config = changed(tiny_config, epochs=1, lr=1e-4)
    bundle = train(config, tmp_path, inputs=grown, init_from=tiny_bundle)
    assert bundle.classes[-1] == "hat"
    assert bundle.info["validation"]["accuracy"] > 0.9


def test_a_bundle_of_another_shape_is_refused_as_a_start(
    tiny_bundle: Path, tiny_config: Config, inputs: Inputs, tmp_path: Path
) -> None:
    values = changed(tiny_config).model_dump()
    values["model"]["widths"] = [8]
    with pytest.raises(ConfigError, match="another shape"):
        train(parse_config(values, where="test"), tmp_path, inputs=inputs, init_from=tiny_bundle)


def test_a_gpu_that_is_not_there_is_an_error_and_auto_is_not() -> None:
    assert pick_device("cpu").type == "cpu"
    if not torch.cuda.is_available():
        assert pick_device("auto").type == "cpu"
        with pytest.raises(ConfigError, match="no GPU"):
            pick_device("cuda")


def test_the_journal_drops_a_torn_line_and_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    Journal(tmp_path, resume_step=2).close()
    assert read_journal(tmp_path / "journal.jsonl") == [{"step": 1}, {"step": 2}]


def test_a_kill_while_the_journal_is_cut_leaves_its_history(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("shelfwise.train.journal.json.dumps", killed)
        with pytest.raises(KeyboardInterrupt):
            Journal(tmp_path, resume_step=2)
    assert [record["step"] for record in read_journal(path)] == [1, 2, 3]
    log = Journal(tmp_path, resume_step=2)
    log.add({"step": 3, "loss": 0.5})
    log.close()
    assert [record["step"] for record in read_journal(path)] == [1, 2, 3]
    assert list(tmp_path.iterdir()) == [path]


def test_tensorboard_gets_the_numbers_where_it_is_installed(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    log = Journal(tmp_path, tensorboard=True)
    log.add({"step": 1, "loss": 0.5, "note": "text is left out"})
    log.close()
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_tensorboard_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtraError, match="tensorboard"):
        Journal(tmp_path, tensorboard=True)


def test_step_seeds_differ_between_steps_and_seeds() -> None:
    seeds = {step_seed(seed, step) for seed in range(20) for step in range(200)}
    assert len(seeds) == 4000


def test_the_allocator_is_asked_only_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert keep_freed_memory() is False
