"""Two processes train a products network as one does, and `shelfwise train` under torchrun writes one bundle.

The processes run this very file: `python test_ranks.py FOLDER ROUNDS`.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from small_products import products_config
from torch import nn
from two_ranks import environment, run_two

from shelfwise.bundle import ProductsBundle
from shelfwise.config import ProductsConfig
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.nn.product_loader import ProductData, ProductLoader
from shelfwise.nn.product_net import ProductNet
from shelfwise.nn.ranks import Ranks, join, same_start
from shelfwise.train.checkpoint import checkpoints, load_checkpoint
from shelfwise.train.loop import Run, train_steps
from shelfwise.train.product_objective import LearnProducts

TIMEOUT_S = 120
ROWS = 40


def drawn_data() -> ProductData:
    """Random products: of every fourth the picture is missing, of every fifth the title."""
    random = np.random.default_rng(0)
    first = np.concatenate([[0], np.cumsum(np.arange(ROWS) % 4 > 0)])
    words = random.integers(1, 500, (ROWS, 5))
    words[::5] = 0
    return ProductData(
        pool=random.integers(0, 256, (ROWS, 16, 16, 3), dtype=np.uint8),
        places=random.permutation(ROWS)[: first[-1]],
        first=first,
        words=words,
        pieces=words.copy(),
        values=np.zeros((ROWS, 0), np.int64),
        numbers=np.zeros((ROWS, 0), np.float32),
        labels={"category": random.integers(0, 4, (ROWS, 1))},
        keys=random.integers(0, 30, ROWS),
        pair_weights=random.random(ROWS, dtype=np.float32),
    )


def configured() -> ProductsConfig:
    """In single precision, with crops and flips, and a contrastive loss that knows categories."""
    return products_config(
        Path("none.csv"),
        preprocess={"height": 16, "width": 16},
        title={"hide": 0.0},
        shared={"category": 0.1},
        targets={"category": {"labels": ["category"]}},
        augment={"flip": "random", "pad": 2},
        train={"precision": "fp32", "batch_size": 16, "epochs": 5, "clip": 1.0, "lr": 3e-3, "ema": 0.9},
    )


def norm_free(config: ProductsConfig) -> ProductNet:
    """Batch norm sees a rank's share alone; without it the ranks must agree with one process."""
    classes = {"category": Taxonomy(("category",), (("a",), ("b",), ("c",), ("d",)), {})}
    net = ProductNet(config, classes, (0.5,) * 3, (0.25,) * 3)
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(module, name, nn.Identity())
    return net


def losses_of(ranks: Ranks) -> list[float]:
    """Each rank starts with other weights, which `same_start` makes those of rank 0."""
    config, data = configured(), drawn_data()
    torch.manual_seed(ranks.rank)
    run = Run(norm_free(config), config.train, ranks.device, ranks=ranks)
    same_start(run.model)
    loader = ProductLoader(data, 16, seed=0, augment=config.augment, ranks=ranks)
    return [record.loss for record in train_steps(run, loader, LearnProducts(config, {}))]


def test_two_ranks_follow_the_losses_of_one_process_ten_times_over(tmp_path: Path) -> None:
    alone = losses_of(Ranks())
    assert len(alone) == 10
    assert alone[-1] < alone[0] - 0.1
    for _ in range(10):
        found = run_two(__file__, tmp_path, timeout_s=TIMEOUT_S)
        assert [code for code, _ in found] == [0, 0], found
        for rank in range(2):
            losses = json.loads((tmp_path / f"{rank}.json").read_text())
            assert losses == pytest.approx(alone, abs=1e-4)


def shapes(tree: Mapping[str, object]) -> dict[str, object]:
    """A checkpoint's form."""
    return {
        name: shapes(value)
        if isinstance(value, Mapping)
        else (tuple(value.shape) if isinstance(value, torch.Tensor) else type(value))
        for name, value in tree.items()
    }


def test_torchrun_trains_one_bundle_whose_checkpoint_one_process_takes_up(
    products_table: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.json"
    config.write_text(products_config(products_table, train={"epochs": 2}).model_dump_json())
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["--no-python", sys.executable, "-c", "from shelfwise.cli import main; main()"]
    done = subprocess.run(
        [*launcher, *command, "train", str(config), "--out", str(tmp_path / "two")],
        env=environment(),
        timeout=TIMEOUT_S,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("bundle: ") == 1
    two = ProductsBundle.open(tmp_path / "two" / "bundle")
    assert two.info["training"]["processes"] == 2
    from shelfwise.train.products import train_products

    one = train_products(two.config, tmp_path / "one")
    assert one.info["training"]["steps"] == two.info["training"]["steps"]
    left, right = (
        load_checkpoint(checkpoints(tmp_path / name / "checkpoints")[-1]) for name in ("one", "two")
    )
    assert shapes(left) == shapes(right)
    middle, end = checkpoints(tmp_path / "two" / "checkpoints")
    shutil.copytree(middle, tmp_path / "on" / "checkpoints" / middle.name)
    seen: list[int] = []
    on = train_products(
        two.config, tmp_path / "on", resume=True, watch=lambda moment: seen.append(moment.record.step)
    )
    assert seen == list(range(int(middle.name[5:]) + 1, int(end.name[5:]) + 1))
    assert on.info["training"]["processes"] == 1
    assert on.info["validation"].keys() == two.info["validation"].keys()


def main(folder: Path) -> None:
    with join(timeout_s=TIMEOUT_S) as ranks:
        (folder / f"{ranks.rank}.json").write_text(json.dumps(losses_of(ranks)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
