"""Checkpoints: safetensors and JSON, written atomically, the last K kept, never a pickle.

A checkpoint is a folder `step-00000123` with `tensors.safetensors` and `state.json`; it appears under
that name only when it is whole.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from shelfwise.errors import TrainingError

Tree = dict[str, Any]


def save_checkpoint(folder: Path, step: int, tree: Tree, *, keep: int) -> Path:
    """Write a tree of dicts, lists, numbers, strings and tensors; drop all but the last `keep`."""
    tensors: dict[str, Tensor] = {}
    skeleton = _flatten(tree, "", tensors)
    final = folder / f"step-{step:08d}"
    partial = folder / f".partial-{os.getpid()}"
    try:
        for left in folder.glob(".partial-*"):  # by a process that was killed while it saved
            shutil.rmtree(left, ignore_errors=True)
        partial.mkdir(parents=True)
        save_file(tensors, partial / "tensors.safetensors")
        (partial / "state.json").write_text(json.dumps(skeleton))
        if final.exists():
            shutil.rmtree(final)
        partial.replace(final)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise TrainingError(
            f"checkpoint {final} could not be written ({error}); the earlier ones are whole: "
            "make room and go on with --resume"
        ) from error
    for old in checkpoints(folder)[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def checkpoints(folder: Path) -> list[Path]:
    """All whole checkpoints in `folder`, the oldest first."""
    return sorted(folder.glob("step-*")) if folder.is_dir() else []


def load_checkpoint(path: Path) -> Tree:
    """The tree that `save_checkpoint` wrote; a damaged one is a TrainingError that names it."""
    try:
        tensors = load_file(path / "tensors.safetensors")
        tree = _unflatten(json.loads((path / "state.json").read_text()), tensors)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise TrainingError(
            f"checkpoint {path} is damaged ({error}); delete it to use the one before"
        ) from None
    if not isinstance(tree, dict):
        raise TrainingError(f"checkpoint {path} is damaged; delete it to use the one before")
    return tree


def _flatten(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """The tree with each tensor moved to `tensors` and replaced by a reference to its name there."""
    if isinstance(value, Tensor):
        # safetensors keeps the shape but not the strides, which channels-last weights need for bit equality.
        last = value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)
        tensors[path] = value.detach().contiguous().clone()
        return {"$tensor": path, "channels_last": last}
    if isinstance(value, dict):
        return {"$dict": [[key, _flatten(item, f"{path}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_flatten(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]
    return value


def _unflatten(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The inverse of `_flatten`; tuples come back as lists."""
    if isinstance(value, list):
        return [_unflatten(item, tensors) for item in value]
    if isinstance(value, dict) and "$tensor" in value:
        tensor = tensors[value["$tensor"]]
        return tensor.contiguous(memory_format=torch.channels_last) if value["channels_last"] else tensor
    if isinstance(value, dict):
        return {key: _unflatten(item, tensors) for key, item in value["$dict"]}
    return value
