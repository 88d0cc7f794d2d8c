"""How good are the shipped Fashion-MNIST recipes, and what do they cost? Mean of three seeds, test set.

    python benchmarks/train.py [demo fashion-mnist fashion-mnist-long] [--seeds 0 1 2] [--jobs 2]

Trains each configuration once a seed with one thread, two runs side by side, into runs/bench (resumable: what
is finished is not done again), evaluates on the test set and writes results/bench/train-NAME.json.
Cost is the training process's CPU time, augmentation included. Networks and rates were chosen on
validation; what was chosen after a look at test is listed in benchmarks/LOG.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import record
from seeds import over_seeds

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "runs" / "bench"
NAMES = ("demo", "fashion-mnist", "fashion-mnist-long")
FIGURES = {
    "accuracy": ("test", "accuracy"),
    "accuracy_tta": ("test", "accuracy_tta"),
    "macro_f1": ("test", "macro_f1"),
    "ece": ("test", "ece"),
    "text_aligned": ("text_aligned", "accuracy"),
    "p_at_10": ("retrieval", "p_at_10"),
}


def main() -> None:
    """Train, evaluate and record each of the named configurations."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    for name in options.names:
        with ThreadPoolExecutor(options.jobs) as pool:
            runs = list(pool.map(lambda seed, name=name: train_and_evaluate(name, seed), options.seeds))
        values = summarise(runs)
        record.write(f"train-{name}", {"config": f"configs/{name}.toml", "seeds": options.seeds, **values})
        accuracy, cost = values["accuracy"], values["cpu_seconds"]
        print(f"{name}: test accuracy {accuracy['mean']:.4f} {accuracy['ci95']}, {cost['mean']:.0f} CPU-s")


def train_and_evaluate(name: str, seed: int) -> dict[str, Any]:
    """One seed's metrics.json, trained and evaluated by the command line in processes of their own."""
    out = RUNS / f"{name}-{seed}"
    shelfwise = [sys.executable, "-c", "from shelfwise.cli import main; main()"]
    settings = ["--set", f"train.seed={seed}", "--set", "train.threads=1"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    train = [*shelfwise, "train", str(ROOT / "configs" / f"{name}.toml"), *settings, "--resume"]
    subprocess.run([*train, "--out", str(out)], check=True, env=environment, stdout=subprocess.DEVNULL)
    written = out / "metrics.json"
    if not written.exists() or written.stat().st_mtime < (out / "bundle" / "bundle.json").stat().st_mtime:
        evaluate = [*shelfwise, "evaluate", str(out / "bundle"), "fashion-mnist", "--threads", "1"]
        subprocess.run([*evaluate, "--out", str(out)], check=True, env=environment, stdout=subprocess.DEVNULL)
    metrics: dict[str, Any] = json.loads(written.read_text(encoding="utf-8"))
    return metrics


def summarise(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over seeds of every figure, its values, and a 95% interval of the mean by Student's t."""
    values = {name: [_at(run, path) for run in runs if _has(run, path)] for name, path in FIGURES.items()}
    values["cpu_seconds"] = [run["seconds"]["train_cpu"] for run in runs]
    values["text_gap"] = [
        _at(run, FIGURES["accuracy"]) - _at(run, FIGURES["text_aligned"])
        for run in runs
        if _has(run, FIGURES["text_aligned"])
    ]
    return {name: over_seeds(some) for name, some in values.items() if some}


def _has(run: dict[str, Any], path: tuple[str, str]) -> bool:
    return path[1] in run.get(path[0], {})


def _at(run: dict[str, Any], path: tuple[str, str]) -> float:
    value = run[path[0]][path[1]]
    return float(value["value"] if isinstance(value, dict) else value)


if __name__ == "__main__":
    main()
