"""kill -9 at any step and --resume gives the weights of a run that was never stopped, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import kill_me
import pytest
from safetensors.numpy import load_file

SCRIPT = Path(kill_me.__file__)


def run(out: Path, die_at: int, mode: str) -> int:
    environment = {**os.environ, "PYTHONPATH": str(SCRIPT.parent)}
    command = [sys.executable, str(SCRIPT), str(out), str(die_at), mode]
    return subprocess.run(command, env=environment, check=False, capture_output=True).returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("whole")
    assert run(out, 0, "start") == 0
    return out


def validations(folder: Path) -> list[tuple[int, float]]:
    records = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    return [(r["step"], r["val_accuracy"]) for r in records if "val_accuracy" in r]


@pytest.mark.parametrize("die_at", [2, 10])
def test_a_killed_and_resumed_run_has_the_same_weights(whole: Path, tmp_path: Path, die_at: int) -> None:
    assert run(tmp_path, die_at, "start") == -signal.SIGKILL
    assert not (tmp_path / "weights.safetensors").exists()
    assert run(tmp_path, 0, "resume") == 0
    expected = load_file(whole / "weights.safetensors")
    got = load_file(tmp_path / "weights.safetensors")
    assert expected.keys() == got.keys()
    for name in expected:
        assert expected[name].tobytes() == got[name].tobytes(), name
    assert validations(tmp_path) == validations(whole)
