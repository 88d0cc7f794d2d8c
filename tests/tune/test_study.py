"""Studies: the first trial is the config itself, kills and Ctrl-C lose nothing, one seed tries one thing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tune_me
from tune_me import SPACE, done, study_config

from shelfwise.bundle import Bundle
from shelfwise.config import load_run
from shelfwise.errors import ConfigError, InterruptedRunError, TrainingError
from shelfwise.train.fit import Watch
from shelfwise.train.start import finished
from shelfwise.tune.objective import work
from shelfwise.tune.outcome import outcome_of, write_best
from shelfwise.tune.study import Study
from shelfwise.tune.tried import Budget, Tried, best_of

SCRIPT = Path(tune_me.__file__)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tune_me.shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def whole(table: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Tried]]:
    """A study that was never stopped, and its trials."""
    out = tmp_path_factory.mktemp("whole")
    return out, done(study_config(table), out)


def found(tried: list[Tried]) -> list[tuple[Any, ...]]:
    """What must be the same however often a study was stopped."""
    return [(t.state, t.score, t.scores, t.values, t.own) for t in tried if t.state != "lost"]


def test_the_first_trial_is_the_config_as_it_is(whole: tuple[Path, list[Tried]]) -> None:
    first, *others = whole[1]
    assert first.own
    assert first.values == {"train.lr": 0.005, "model.widths": [8]}
    assert not any(trial.own for trial in others)
    assert {trial.state for trial in whole[1]} <= {"complete", "pruned"}
    assert all(1e-4 <= trial.values["train.lr"] <= 0.5 for trial in others)
    assert len({trial.values["train.lr"] for trial in whole[1]}) == tune_me.TRIALS


def test_only_the_best_keeps_its_bundle_and_nobody_keeps_checkpoints(
    whole: tuple[Path, list[Tried]], table: Path
) -> None:
    out, tried = whole
    best = best_of(tried)
    assert best is not None
    left = sorted(path.relative_to(out).as_posix() for path in out.glob("trials/*/*"))
    assert left == sorted(
        [f"trials/{trial.number:03d}/journal.jsonl" for trial in tried] + [f"trials/{best.number:03d}/bundle"]
    )
    folder = out / "trials" / f"{best.number:03d}"
    bundle = Bundle.open(folder / "bundle")
    assert bundle.info["validation"]["accuracy"] == pytest.approx(best.score)
    assert bundle.config.train.lr == best.values["train.lr"]
    tuned = bundle.config.model_copy(update={"tune": study_config(table).tune})
    assert finished(tuned, folder) is not None


def test_another_seed_tries_other_values(table: Path, tmp_path: Path) -> None:
    drawn = []
    for seed in (0, 0, 1):
        out = tmp_path / str(len(drawn))
        with Study(study_config(table, seed=seed), out) as study:
            claims = [study.claim(Budget(3, None)) for _ in range(3)]
            drawn.append([claim.values for claim in claims if claim])
    assert drawn[0] == drawn[1]
    assert drawn[0][0] == drawn[2][0]
    assert drawn[0][1] != drawn[2][1]


def test_the_best_config_is_ready_to_train_and_has_no_space(
    whole: tuple[Path, list[Tried]], table: Path, tmp_path: Path
) -> None:
    with Study(study_config(table), whole[0]) as study:
        outcome = outcome_of(study)
        assert outcome.best is not None
        assert outcome.gain is not None
        assert outcome.gain > 0
        assert outcome.importance is not None
        assert sum(outcome.importance.values()) == pytest.approx(1)
        write_best(study, outcome.best, tmp_path / "best.toml")
    best = load_run(tmp_path / "best.toml")
    assert best.train.lr == outcome.best.values["train.lr"]
    assert best.data.source == str(table)
    assert best.tune.space == {}
    assert best.split == study.config.split


def test_a_killed_worker_loses_nothing(whole: tuple[Path, list[Tried]], table: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), str(table), str(tmp_path / "out"), "2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(command, env=environment, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    with Study(study_config(table), tmp_path / "out") as study:
        assert [trial.state for trial in study.tried()][2] == "running"
    tried = done(study_config(table), tmp_path / "out")
    assert tried[2].state == "lost"
    assert tried[3].values == tried[2].values
    assert found(tried) == found(whole[1])
    assert not (tmp_path / "out" / "trials" / "002").exists()
    assert list((tmp_path / "out" / ".workers").iterdir()) == []


def test_values_that_kill_every_process_are_failed_in_the_end(table: Path, tmp_path: Path) -> None:
    config, budget = study_config(table), Budget(1, None)
    for _ in range(3):
        with Study(config, tmp_path) as study:
            assert study.claim(budget) is not None  # and its process ends without a word
    with Study(config, tmp_path) as study:
        assert study.claim(budget) is None
        assert [trial.state for trial in study.tried()] == ["lost", "lost", "failed"]
        assert "memory" in study.tried()[2].why


def test_a_living_worker_is_left_alone(table: Path, tmp_path: Path) -> None:
    config = study_config(table)
    with Study(config, tmp_path) as one, Study(config, tmp_path) as two:
        first, second = one.claim(Budget(3, None)), two.claim(Budget(3, None))
        assert first is not None
        assert second is not None
        assert (first.number, second.number) == (0, 1)
        assert first.values != second.values
        assert one.claim(Budget(2, None)) is None


def test_of_equal_scores_the_first_to_end_is_the_best_and_keeps_its_bundle(
    table: Path, tmp_path: Path
) -> None:
    config = study_config(table)
    with Study(config, tmp_path) as one, Study(config, tmp_path) as two:
        slow, fast = one.claim(Budget(2, None)), two.claim(Budget(2, None))
        assert slow is not None
        assert fast is not None
        assert two.leads(0.5)
        (fast.folder / "bundle").mkdir(parents=True)
        two.complete(fast, 0.5)
        assert not one.leads(0.5)
        one.complete(slow, 0.5)
        best = best_of(one.tried())
        assert best is not None
        assert best.number == fast.number
        assert (fast.folder / "bundle").is_dir()


def test_ctrl_c_gives_the_trial_back(whole: tuple[Path, list[Tried]], table: Path, tmp_path: Path) -> None:
    def watch(number: int, moment: Watch) -> None:
        if number == 1 and moment.record.step == 3:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedRunError):
        done(study_config(table), tmp_path, watch=watch)
    assert not (tmp_path / "trials" / "001").exists()
    tried = done(study_config(table), tmp_path)
    assert [trial.state for trial in tried][:2] == ["complete", "lost"]
    assert found(tried) == found(whole[1])


@pytest.mark.parametrize(("warmup", "seen"), [(1, 2), (2, 3), (3, 4)])
def test_a_trial_is_pruned_after_its_warmup_but_not_at_its_last_validation(
    table: Path, tmp_path: Path, warmup: int, seen: int
) -> None:
    with Study(study_config(table, warmup=warmup), tmp_path) as study:
        for _ in range(5):  # trials that nothing can beat
            claim = study.claim(Budget(5, None))
            assert claim is not None
            for number in range(1, 5):
                study.report(claim, number, 1.0)
            study.complete(claim, 1.0)
        (trial,) = work(study, Budget(6, None))
    assert (trial.state, len(trial.scores)) == ("pruned" if seen < 4 else "complete", seen)
    assert [path.name for path in (tmp_path / "trials" / "005").iterdir()] == ["journal.jsonl"]


def test_a_loss_that_diverges_fails_the_trial_alone(table: Path, tmp_path: Path) -> None:
    space = {"train.lr": {"choices": [0.05, 1e30]}}
    config = study_config(table, space=space)
    config = config.model_copy(update={"train": config.train.model_copy(update={"lr": 1e30})})
    tried = done(config, tmp_path, trials=4)
    assert tried[0].state == "failed"
    assert "the loss became" in tried[0].why
    assert "complete" in {trial.state for trial in tried}
    assert not (tmp_path / "trials" / "000" / "checkpoints").exists()


def test_a_study_refuses_other_settings_and_takes_another_budget(
    whole: tuple[Path, list[Tried]], table: Path
) -> None:
    out, tried = whole
    space = SPACE | {"train.lr": {"low": 1e-4, "high": 0.4, "log": True}}
    with pytest.raises(TrainingError, match=r"tune\.space\.train\.lr = .*0\.5.* another --out"):
        Study(study_config(table, space=space), out)
    config = study_config(table)
    longer = config.train.model_copy(update={"epochs": 5.0})
    with pytest.raises(TrainingError, match=r"train\.epochs = 4\.0, the config now says 5\.0"):
        Study(config.model_copy(update={"train": longer}), out)
    again = done(study_config(table, trials=3, hours=1), out, trials=3)
    assert found(again) == found(tried)


def test_a_study_refuses_a_table_that_has_changed(tmp_path: Path) -> None:
    table = tune_me.shop(tmp_path / "shop")
    done(study_config(table), tmp_path / "out", trials=1)
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join(lines[:-20]))
    with pytest.raises(ConfigError, match=r"rows to train on .* take the old data back"):
        done(study_config(table), tmp_path / "out", trials=2)


def test_a_file_that_is_no_study_is_named(table: Path, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("groceries")
    with pytest.raises(TrainingError, match=r"study\.db' is no study that can be read"):
        Study(study_config(table), tmp_path)


def test_own_values_outside_the_space_are_tried_all_the_same(table: Path, tmp_path: Path) -> None:
    config = study_config(table, space={"train.lr": {"low": 0.1, "high": 0.3}})
    first, second = done(config, tmp_path, trials=2)
    assert (first.own, first.values) == (True, {"train.lr": 0.005})
    assert second.values["train.lr"] >= 0.1


def test_data_without_a_labelled_validation_row_cannot_be_tuned_on(table: Path, tmp_path: Path) -> None:
    config = study_config(table)
    config = config.model_copy(update={"split": config.split.model_copy(update={"validation": ()})})
    for _ in range(4):  # what the user is to mend is no fault of the trial
        with Study(config, tmp_path) as study, pytest.raises(ConfigError, match="no labelled validation row"):
            next(work(study, Budget(2, None)))
    assert [trial.state for trial in study.tried()] == ["lost"] * 4


def test_values_that_do_not_fit_together_fail_their_trial_alone(table: Path, tmp_path: Path) -> None:
    space = {
        "train.batch_size": {"choices": [16, 15, 13, 11]},
        "train.accumulate": {"choices": [1, 2, 4, 8]},
    }
    tried = done(study_config(table, space=space), tmp_path)
    assert tried[0].state == "complete"
    assert {trial.state for trial in tried} >= {"complete", "failed"}
    why = next(trial.why for trial in tried if trial.state == "failed")
    assert "train.batch_size must be a multiple of train.accumulate" in why


def test_values_that_end_in_an_error_three_times_are_failed_and_others_go_on(
    table: Path, tmp_path: Path
) -> None:
    def watch(number: int, moment: Watch) -> None:
        if number in (1, 2, 3):
            raise ZeroDivisionError("a slip of ours")

    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            done(study_config(table), tmp_path, trials=3, watch=watch)
    tried = done(study_config(table), tmp_path, trials=3, watch=watch)
    assert [trial.state for trial in tried[:4]] == ["complete", "lost", "lost", "failed"]
    assert tried[3].why == "an error ended it 3 times: ZeroDivisionError: a slip of ours"
    assert tried[1].values == tried[3].values != tried[4].values
    assert len(tried) == 5
