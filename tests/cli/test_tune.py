"""`shelfwise tune` through the real command: what it prints, writes, refuses, and that it goes on."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from small_products import products_config
from tune_me import shop

from shelfwise.bundle import open_bundle
from shelfwise.config import load_run

Run = Callable[..., tuple[int, str, str]]

CONFIG = """
name = "drawn-shop"
[data]
source = "products.csv"
[data.columns]
images = ["image"]
labels = { kind = "category" }
[split]
buckets = 5
test = [0]
validation = [1]
[model]
tower = "tiny"
widths = [8]
head_scale = 1.0
[train]
optimizer = "adamw"
lr = 0.005
epochs = 4
batch_size = 16
precision = "fp32"
device = "cpu"
[text]
align = false
[tune]
trials = 3
[tune.space]
train.lr = { low = 0.002, high = 0.5, log = true }
augment.flip = { choices = ["none", "random"] }
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    shop(folder)
    path = folder / "shop.toml"
    path.write_text(CONFIG)
    return path


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The command line as a process of its own."""
    code = "from shelfwise.cli import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_study_ends_with_the_best_config_and_goes_on_when_asked_for_more(
    run: Run, config: Path, tmp_path: Path
) -> None:
    code, out, err = run("tune", config, "--out", "study")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[:4] == [
        "3 trials into study:",
        "  train.lr: 0.002 to 0.5, logarithmic",
        "  augment.flip: none, random",
        "train.evaluate_every is unset: validating every epoch, for tune.pruner",
    ]
    assert "best " in lines[4]
    assert lines[4].endswith("the config as it is")
    assert lines[6].startswith("   2  0.")
    assert "train.lr 0." in lines[6]
    assert "above the config as it is (0." in out
    found = json.loads((tmp_path / "study" / "tune.json").read_text())
    best = load_run(tmp_path / "study" / "best.toml")
    assert best.train.lr == found["best"]["values"]["train.lr"] > 0.005
    assert found["gain"] == pytest.approx(found["best"]["score"] - found["own"]["score"])
    assert found["counts"] == {"complete": 3, "pruned": 0, "failed": 0, "lost": 0}
    assert sum(found["importance"].values()) == pytest.approx(1)
    for name in ("history.png", "importance.png"):
        assert (tmp_path / "study" / name).read_bytes().startswith(b"\x89PNG")
    bundle = Path(next(line for line in lines if line.startswith("bundle: ")).removeprefix("bundle: "))
    assert open_bundle(bundle).config.train.lr == best.train.lr
    assert lines[-1] == f"next:   shelfwise evaluate {bundle} study/best.toml --out study"
    code, _, err = run("evaluate", bundle, "study/best.toml", "--out", "found")
    assert code == 0, err

    code, out, err = run("tune", config, "--out", "study", "--trials", 4)
    assert (code, err) == (0, "")
    assert "going on; trials done: 3" in out
    assert len(json.loads((tmp_path / "study" / "tune.json").read_text())["trials"]) == 4
    code, out, err = run("tune", config, "--out", "study", "--trials", 5, "--set", "train.epochs=3")
    assert code == 2
    assert err.endswith("take the old value back, or tune into another --out\n")


def test_without_a_space_what_usually_matters_is_tried(run: Run, config: Path) -> None:
    code, out, err = run("tune", config, "--out", "usual", "--set", "tune.space={}", "--trials", 2)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("tune.space is empty: trying what usually matters")
    assert [line.split(":")[0] for line in lines[2:5]] == [
        "  train.lr",
        "  train.weight_decay",
        "  train.label_smoothing",
    ]
    assert " above " in out or "as it is" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--set", "tune.space={}", "--set", "train.epochs=0"), "train.epochs"),
        (("--set", "tune.space.train.rate={low=1,high=2}"), "train.rate: is no setting"),
        (("--set", "tune.pruner=hedge"), "tune.pruner"),
        (("--set", "data.source=nowhere.csv"), "nowhere.csv"),
    ],
)
def test_what_cannot_be_tuned_is_one_line(
    run: Run, config: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, _, err = run("tune", config, "--out", "none", *arguments)
    assert code == 2
    assert said in err
    assert err.count("\n") == 1


def test_a_missing_library_is_named(config: Path) -> None:
    without = "import sys; sys.modules |= {'optuna': None, 'optuna.trial': None}"
    code = f"{without}; from shelfwise.cli import main; main()"
    command = [sys.executable, "-c", code, "tune", str(config)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == 'shelfwise: optuna is not installed; run: pip install "shelfwise[tune]"\n'


def test_a_study_whose_trials_all_fail_says_why(run: Run, config: Path, tmp_path: Path) -> None:
    space = "tune.space={train.lr={choices=[1e30, 1e31]}}"
    code, out, err = run(
        "tune", config, "--out", "wild", "--trials", 2, "--set", space, "--set", "train.lr=1e30"
    )
    assert code == 2
    assert out.count("failed") == 2
    assert "no trial finished, the last one because: the loss became" in err
    assert not (tmp_path / "wild" / "best.toml").exists()
    assert json.loads((tmp_path / "wild" / "tune.json").read_text())["best"] is None


def test_one_finished_trial_has_no_importance(run: Run, config: Path, tmp_path: Path) -> None:
    code, out, _ = run("tune", config, "--out", "one", "--trials", 1, "--set", "train.epochs=1")
    assert code == 0
    assert "importance needs two finished trials" in out
    assert "nothing tried was better" in out
    assert "validating every 0.25 epochs" in out
    assert not (tmp_path / "one" / "importance.png").exists()


def test_hours_alone_are_a_budget(run: Run, config: Path) -> None:
    code, out, _ = run("tune", config, "--out", "hours", "--hours", 1e-4, "--set", "train.epochs=1")
    assert code == 0
    assert "3 trials or 0.0001 hours into hours:" in out
    assert "1 finished, in " in out


def test_products_are_tuned_and_a_json_config_gives_a_json_config(
    run: Run, products_table: Path, tmp_path: Path
) -> None:
    values = json.loads(products_config(products_table).model_dump_json())
    values["train"] |= {"epochs": 2}
    values["tune"] = {"space": {"fusion.kind": {"choices": ["late", "concat"]}}}
    (tmp_path / "shop.json").write_text(json.dumps(values))
    code, out, err = run("tune", "shop.json", "--trials", 2)
    assert (code, err) == (0, "")
    assert "2 finished, in " in out or "1 finished, 1 " in out
    best = load_run(tmp_path / "runs" / "tiny-tune" / "best.json")
    assert best.task == "products"
    assert best.train.evaluate_every is None


def stopped_at_a_trial(study: Path) -> int:
    """A worker that is stopped while it holds a trial; one between two trials has nothing to lose."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        for token in running_tokens(study):
            worker = int(token.split("-")[0])
            os.kill(worker, signal.SIGSTOP)
            if token in running_tokens(study):
                return worker
            os.kill(worker, signal.SIGCONT)
        time.sleep(0.02)
    raise AssertionError("no worker was seen at a trial")


def running_tokens(study: Path) -> list[str]:
    """Who holds a running trial once another one is done; nobody while optuna's tables are locked."""
    query = (
        "select value_json from trial_user_attributes join trials using (trial_id) "
        "where key = 'worker' and state = 'RUNNING' "
        "and exists (select 1 from trials where state = 'COMPLETE')"
    )
    try:
        with closing(sqlite3.connect(f"file:{study / 'study.db'}?mode=ro", uri=True, timeout=0.5)) as tables:
            return [json.loads(value) for (value,) in tables.execute(query)]
    except sqlite3.Error:
        return []


def test_workers_share_a_study_outlive_one_another_and_ctrl_c_is_one_line(
    run: Run, config: Path, tmp_path: Path
) -> None:
    arguments = ("tune", config, "--out", tmp_path / "study", "--workers", 2, "--trials", 400)
    with started(*arguments) as process:
        os.kill(stopped_at_a_trial(tmp_path / "study"), signal.SIGKILL)
        assert process.stdout is not None
        assert any(" lost " in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert err.startswith("shelfwise: interrupted; trials done: ")
    # tqdm makes a semaphore in every worker; of a killed one's, Python's tracker says that it is left.
    assert len([line for line in err.splitlines() if "resource_tracker" not in line]) == 1
    code, out, _ = run("tune", config, "--out", tmp_path / "study", "--trials", 1)
    assert code == 0
    assert "going on; trials done: " in out
    found = json.loads((tmp_path / "study" / "tune.json").read_text())
    assert {trial["state"] for trial in found["trials"]} <= {"complete", "pruned", "lost"}
    assert any("was killed" in trial["why"] for trial in found["trials"])
    assert found["trials"][0]["own"]
