"""`shelfwise train` through the real command: from a drawn catalogue to a bundle, and on from there."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from drawn import draw_catalog
from rich.console import Console

from shelfwise import cli
from shelfwise.bundle import Bundle
from shelfwise.cli.train import _train_function, training_progress
from shelfwise.train.fit import Watch
from shelfwise.train.loop import StepRecord

Run = Callable[..., tuple[int, str, str]]
FIVE = ("--set", "train.epochs=5")

CONFIG = """
name = "drawn-shop"
[data]
source = "products.csv"
[data.columns]
images = ["image"]
title = "title"
labels = { kind = "category" }
[model]
tower = "tiny"
widths = [8]
head_scale = 1.0
[train]
optimizer = "adamw"
lr = 0.05
epochs = 6
batch_size = 16
precision = "fp32"
[text]
steps = 10
width = 8
batch_size = 16
"""


def call(*arguments: object) -> int:
    """Run the command line in this process; its exit code."""
    before, sys.argv = sys.argv, ["shelfwise", *map(str, arguments)]
    try:
        with pytest.raises(SystemExit) as stop:
            cli.main()
    finally:
        sys.argv = before
    return int(stop.value.code or 0)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process; exit code, stdout and stderr."""

    def in_process(*arguments: object) -> tuple[int, str, str]:
        code = call(*arguments)
        out, err = capsys.readouterr()
        return code, out, err

    return in_process


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config over a drawn catalogue, one of whose pictures is missing."""
    folder = tmp_path_factory.mktemp("shop")
    table = draw_catalog(folder, 80, seed=3, size=28)
    with table.open("a", encoding="utf-8") as file:
        file.write("p9999,Lost shirt,shirt,red,images/lost.png\n")
    path = folder / "shop.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def trained(config: Path) -> Path:
    """The folder of a run that went to its end; what it printed is in `said.txt`."""
    out = config.parent / "run"
    with (config.parent / "said.txt").open("w") as said, redirect_stdout(said):
        assert call("train", config, "--out", out, "--max-errors", 1, *FIVE) == 0
    return out


def test_a_catalogue_becomes_a_bundle(trained: Path) -> None:
    bundle = Bundle.open(trained / "bundle")
    assert bundle.classes == ("bag", "shirt", "shoe", "trousers")
    assert (bundle.meta.target, bundle.meta.source) == ("kind", "products.csv")
    assert bundle.config.train.epochs == 5
    assert bundle.has_text
    out = (trained.parent / "said.txt").read_text()
    lines = out.splitlines()
    assert lines[0].startswith("epoch 1.0  step ")
    accuracy = bundle.info["validation"]["accuracy"]
    assert f"{bundle.label}: validation accuracy {accuracy:.4f}, " in out
    assert f"bundle: {bundle.path}" in lines
    assert lines[-1].startswith(f"next:   shelfwise evaluate {bundle.path} ")


def test_a_resume_of_a_finished_run_does_nothing(run: Run, config: Path, trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*")}
    code, out, _ = run("train", config, "--out", trained, "--max-errors", 1, "--resume", *FIVE)
    assert code == 0
    assert f"bundle: {trained / 'bundle'}" in out
    assert "epoch" not in out
    assert {path: path.stat().st_mtime_ns for path in trained.rglob("*")} == before


def test_a_run_goes_on_after_its_bundle_is_lost(
    run: Run, config: Path, trained: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(trained, tmp_path / "out")
    shutil.rmtree(out / "bundle")
    code, said, _ = run("train", config, "--out", out, "--max-errors", 1, "--resume", *FIVE)
    assert code == 0
    assert "epoch" not in said
    weights = [(folder / "bundle" / "model.safetensors").read_bytes() for folder in (out, trained)]
    assert weights[0] == weights[1]


def test_training_goes_on_from_a_bundle(run: Run, config: Path, trained: Path, tmp_path: Path) -> None:
    code, _, _ = run(
        *("train", config, "--out", tmp_path, "--max-errors", 1, "--init-from", trained / "bundle"),
        *("--set", "train.epochs=1", "--set", "train.lr=1e-6", "--set", "text.align=false"),
    )
    assert code == 0
    old, new = (Bundle.open(folder / "bundle") for folder in (trained, tmp_path))
    assert new.info["validation"]["accuracy"] == pytest.approx(old.info["validation"]["accuracy"], abs=0.13)
    assert not new.has_text


def test_rows_that_cannot_be_used_exceed_the_error_budget(run: Run, config: Path, tmp_path: Path) -> None:
    code, _, err = run("train", config, "--out", tmp_path / "out")
    assert code == 1
    assert "81 rows in = 80 ok + 1 failed" in err
    assert "lost.png" in err
    assert not (tmp_path / "out" / "bundle").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--set", "train.learning_rate=1"], "train.learning_rate"),
        (["--set", "train.lr"], "expected key=value"),
        (["--set", "data.source=nowhere.csv"], "nowhere.csv"),
        (["--set", "data.target=size"], "data.target is 'size'"),
        (["--set", "data.columns.labels={kind='id'}", "--set", "train.batch_size=0"], "train.batch_size"),
        (["--init-from", "nowhere"], "bundle 'nowhere' not found"),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_code_2(
    run: Run, config: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    code, out, err = run("train", config, "--out", tmp_path / "out", "--max-errors", 1, *arguments)
    assert code == 2
    assert err.startswith("shelfwise: ")
    assert len(err.splitlines()) == 1
    assert words in err
    assert out == ""


def test_a_second_run_into_the_same_folder_is_refused(run: Run, config: Path, trained: Path) -> None:
    code, _, err = run("train", config, "--out", trained, "--max-errors", 1)
    assert code == 2
    assert "--resume" in err


def test_an_out_that_is_a_file_is_named(run: Run, config: Path) -> None:
    code, _, err = run("train", config, "--out", config, "--max-errors", 1)
    assert code == 2
    assert f"--out '{config}' cannot be made" in err


def test_a_missing_library_is_named(run: Run, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    code, _, err = run("train", config)
    assert code == 2
    assert 'pip install "shelfwise[train]"' in err


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "terminal").open("w") as terminal:
        monkeypatch.setattr(
            "rich.console.Console", lambda **_: Console(file=terminal, force_terminal=True, width=100)
        )
        with training_progress() as watch:
            record = StepRecord(step=3, epoch=1.0, loss=0.5, lr=0.1, seconds=0.1, samples=96)
            watch(Watch(record, 10, 0.75))
    shown = (tmp_path / "terminal").read_text()
    assert "0/?" in shown
    assert "3/10" in shown
    assert "loss 0.500  960 samples/s  val 0.7500" in shown


def test_a_run_without_validation_rows_names_no_accuracy(run: Run, config: Path, tmp_path: Path) -> None:
    code, out, _ = run(
        "train", config, "--out", tmp_path / "run", *FIVE, "--set", "split.validation=[]", "--max-errors", 9
    )
    assert code == 0
    assert "validation accuracy unknown (no labelled validation row)" in out


@pytest.mark.parametrize(("wish", "policy"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_asked_otherwise(
    monkeypatch: pytest.MonkeyPatch, wish: str | None, policy: str
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", wish or "")
    if wish is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    _train_function("pictures")
    assert os.environ["OMP_WAIT_POLICY"] == policy
