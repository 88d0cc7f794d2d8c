"""Checkpoints: what goes in comes out, damage is named, and no half-written one is ever seen."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shelfwise.errors import TrainingError
from shelfwise.train import checkpoint
from shelfwise.train.checkpoint import checkpoints, load_checkpoint, save_checkpoint


def test_a_tree_comes_back_as_it_was(tmp_path: Path) -> None:
    last = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    tree = {"step": 3, "none": None, "list": [1.5, {"x": last}], "state": {0: torch.tensor(2)}}
    path = save_checkpoint(tmp_path, 3, tree, keep=1)
    back = load_checkpoint(path)
    assert back["step"] == 3
    assert back["none"] is None
    assert torch.equal(back["list"][1]["x"], last)
    assert back["list"][1]["x"].stride() == last.stride()
    assert back["state"][0].item() == 2


def test_only_the_last_are_kept(tmp_path: Path) -> None:
    for step in range(1, 6):
        save_checkpoint(tmp_path, step, {"step": step}, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["step-00000004", "step-00000005"]


def test_what_a_killed_process_was_writing_goes(tmp_path: Path) -> None:
    (tmp_path / ".partial-1").mkdir()
    save_checkpoint(tmp_path, 1, {"value": 1}, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_a_checkpoint_is_written_twice_without_harm(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"value": 1}, keep=2)
    path = save_checkpoint(tmp_path, 1, {"value": 2}, keep=2)
    assert load_checkpoint(path)["value"] == 2


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, name: str) -> None:
    path = save_checkpoint(tmp_path, 1, {"x": torch.ones(3)}, keep=1)
    (path / name).write_bytes((path / name).read_bytes()[:-3])
    with pytest.raises(TrainingError, match=r"step-00000001 is damaged"):
        load_checkpoint(path)


def test_a_checkpoint_that_is_no_tree_is_damaged(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, {}, keep=1)
    (path / "state.json").write_text("[]")
    with pytest.raises(TrainingError, match="damaged"):
        load_checkpoint(path)


def test_a_full_disk_leaves_the_earlier_checkpoints_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = save_checkpoint(tmp_path, 1, {"x": torch.ones(3)}, keep=2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(TrainingError, match=r"No space left.*--resume"):
        save_checkpoint(tmp_path, 2, {"x": torch.ones(3)}, keep=2)
    assert checkpoints(tmp_path) == [first]
    assert not list(tmp_path.glob(".partial*"))
    assert torch.equal(load_checkpoint(first)["x"], torch.ones(3))
