"""The linear peers of a catalogue's products: fitted once, their answers kept in runs/bench.

They lie in baselines-DIGEST, a digest of the products themselves and of how the peers are made, so that all
seeds and processes share what was fitted. Each target and subset has a file of its own: a process that was
cut goes on with the next.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
import training_runs
from jaxtyping import Shaped
from numpy import ndarray

from shelfwise.config import TargetConfig
from shelfwise.data.product_labels import paths_of
from shelfwise.data.product_rows import ProductRows
from shelfwise.data.splits import Part
from shelfwise.evaluate import hog, linear_svm, product_baselines
from shelfwise.evaluate.product_baselines import SUBSETS, Peer, Reader, fit_peer
from shelfwise.files import replacing

CHUNK = 1024
"""Pictures that are hashed at once."""
UNSEEN: tuple[Part, Part] = ("validation", "test")
"""What is answered; settings are chosen on the first."""


@dataclass(frozen=True)
class Said:
    """What one peer says of one part."""

    classes: Shaped[ndarray, "N"]
    """By name."""
    chosen: dict[str, Any]
    """Its settings, their accuracy on validation, whether the solver came to its end, and CPU-seconds of all
    settings together; the first one's hold the reading of pictures and titles."""


def peers(
    parts: dict[Part, ProductRows], targets: dict[str, TargetConfig], part: Part
) -> dict[str, dict[str, Said]]:
    """Subset and target to what the peer says of `part`, fitted now unless that is kept."""
    folder = training_runs.RUNS / f"baselines-{digest(parts, targets)}"
    missing = [(t, s) for t in targets for s in SUBSETS if not _file(folder, t, s).exists()]
    began = time.process_time()
    for (target, subset), peer in zip(missing, _fitted(parts, targets, missing), strict=True):
        folder.mkdir(parents=True, exist_ok=True)
        seconds, began = time.process_time() - began, time.process_time()
        chosen = {
            **peer.chosen,
            "validation_accuracy": peer.accuracy,
            "converged": peer.converged,
            "cpu_seconds": round(seconds, 1),
        }
        answers = dict(zip(UNSEEN, peer.said, strict=True))
        with replacing(_file(folder, target, subset)) as partial, partial.open("wb") as file:
            np.savez_compressed(file, chosen=np.array(json.dumps(chosen)), **answers)
        print(f"  peer {target} from {subset}: {chosen}", flush=True)
    return {
        subset: {target: _read(_file(folder, target, subset), part) for target in targets}
        for subset in SUBSETS
    }


def class_names(target: TargetConfig, rows: ProductRows) -> Shaped[ndarray, "N"]:
    """The finest label of each product by name, empty where it lacks any level."""
    return np.array([path[-1] if None not in path else "" for path in paths_of(target, rows)], np.str_)


def digest(parts: dict[Part, ProductRows], targets: dict[str, TargetConfig]) -> str:
    """Of the products, with their pictures, and of everything that the peers are made by."""
    found = hashlib.sha256(f"scikit-learn {sklearn.__version__}".encode())
    for module in (hog, linear_svm, product_baselines):
        found.update(Path(module.__file__).read_bytes())
    for name in ("train", *UNSEEN):
        rows = parts[name]
        labels = [class_names(target, rows).tolist() for target in targets.values()]
        found.update(json.dumps([name, list(targets), rows.ids, rows.titles, labels]).encode())
        found.update(np.ascontiguousarray(rows.places))
    pool = parts["train"].pool
    for start in range(0, len(pool), CHUNK):
        found.update(pool[np.arange(start, min(start + CHUNK, len(pool)))])
    return found.hexdigest()[:12]


def _fitted(
    parts: dict[Part, ProductRows], targets: dict[str, TargetConfig], asked: list[tuple[str, str]]
) -> Iterator[Peer]:
    """One peer after the other; pictures and titles are read once."""
    if not asked:
        return
    reader = Reader(parts["train"])
    unseen = tuple(reader.columns(parts[part]) for part in UNSEEN)
    for name, subset in asked:
        labels, validation = (class_names(targets[name], parts[part]) for part in ("train", "validation"))
        yield fit_peer(subset, reader.train, labels, unseen, validation)


def _file(folder: Path, target: str, subset: str) -> Path:
    return folder / f"{target}-{subset}.npz"


def _read(path: Path, part: Part) -> Said:
    with np.load(path, allow_pickle=False) as arrays:
        return Said(arrays[part], json.loads(str(arrays["chosen"])))
