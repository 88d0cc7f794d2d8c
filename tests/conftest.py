"""Shared fixtures: shapes are checked in tests, and no test reaches the network."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn import KINDS, draw_garment
from filelock import FileLock
from jaxtyping import install_import_hook
from published import Published

install_import_hook("shelfwise", "beartype.beartype")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every connection that leaves the machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"the tests have no network; refused {address}")
        return connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture
def serve() -> Iterator[Callable[..., Published]]:
    """Start small HTTP servers on this machine; all are closed when the test ends."""
    servers: list[Published] = []

    def start(files: dict[str, bytes], **habits: float) -> Published:
        servers.append(Published(files, **habits))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """A folder that is made once for all processes of a run: trainings take the most of its time."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def made(name: str, make: Callable[[Path], object]) -> Path:
        folder, mark = shared / f"once-{name}", shared / f"once-{name}.made"
        with FileLock(shared / f"once-{name}.lock"):
            if not mark.exists():
                folder.mkdir()
                make(folder)
                mark.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def drawn_pictures() -> Callable[..., Any]:
    """`LabelledPictures` of drawn garments: 28x28, grey, bright on black; `count` rows from `seed` on."""
    from shelfwise.data.labelled import LabelledPictures

    def draw(count: int, seed: int = 0) -> LabelledPictures:
        seeds = range(seed, seed + count)
        images = [255 - np.asarray(draw_garment(KINDS[i % 4], i, 28).convert("L")) for i in seeds]
        labels = np.array([i % 4 for i in seeds], dtype=np.int64)
        return LabelledPictures(
            np.stack(images)[..., None], labels, KINDS, tuple(f"drawn-{i}" for i in seeds)
        )

    return draw


@pytest.fixture(scope="session")
def tiny_config() -> Any:
    """A configuration that trains in a blink."""
    from shelfwise.config import parse_config

    values = {
        "name": "tiny",
        "model": {"tower": "tiny", "widths": [16], "head_scale": 1.0},
        "train": {"optimizer": "adamw", "lr": 0.05, "epochs": 20, "batch_size": 32, "precision": "fp32"},
        "text": {"steps": 60, "batch_size": 64, "width": 16},
    }
    return parse_config(values, where="tiny")


@pytest.fixture(scope="session")
def tiny_bundle(once: Callable[..., Path], drawn_pictures: Callable[..., Any], tiny_config: Any) -> Path:
    """A bundle with a text tower, trained on drawn garments."""
    from shelfwise.train.inputs import Inputs
    from shelfwise.train.run import train

    inputs = Inputs(drawn_pictures(256), drawn_pictures(64, seed=1000), source="drawn", target="kind")
    return once("tiny", lambda folder: train(tiny_config, folder, inputs=inputs)) / "bundle"


@pytest.fixture(scope="session")
def tiny_reviews_config() -> Any:
    """A reviews configuration that trains in a blink."""
    from shelfwise.config import ReviewsConfig

    return ReviewsConfig.model_validate(
        {
            "task": "reviews",
            "name": "tiny-reviews",
            "data": {"source": "drawn.csv", "columns": {"rating": "rating"}},
            "encoder": {"width": 16, "layers": 2, "pretrain": 1, "min_count": 1, "dropout": 0.0, "mask": 0.0},
            "aspects": {"weak": 600, "weak_weight": 1.0, "epochs": 12, "lr": 1e-2},
            "train": {
                **{"optimizer": "adamw", "lr": 1e-2, "epochs": 6, "batch_size": 16, "precision": "fp32"},
                **{"channels_last": False, "clip": 1.0, "label_smoothing": 0.0},
            },
        }
    )


@pytest.fixture(scope="session")
def drawn_review_inputs() -> Any:
    """Constructed reviews as a run's inputs: 240 to learn from, 80 to validate."""
    from shelfwise.data.synthetic_reviews import synthetic_reviews
    from shelfwise.train.review_inputs import ReviewInputs

    reviews = list(synthetic_reviews(320, seed=5))
    return ReviewInputs(reviews[:240], reviews[240:], source="drawn")


@pytest.fixture(scope="session")
def tiny_reviews_bundle(
    once: Callable[..., Path], tiny_reviews_config: Any, drawn_review_inputs: Any
) -> Path:
    """A reviews bundle with our own encoder and a tagger, trained on constructed reviews."""
    from shelfwise.train.reviews import train_reviews

    def make(folder: Path) -> None:
        train_reviews(tiny_reviews_config, folder, inputs=drawn_review_inputs)

    return once("tiny-reviews", make) / "bundle"


@pytest.fixture(scope="session")
def products_table(once: Callable[..., Path]) -> Path:
    """A drawn catalogue of 240 products."""
    from drawn import draw_catalog

    return once("shop", lambda folder: draw_catalog(folder, 240, size=24)) / "products.csv"


@pytest.fixture(scope="session")
def several_bundle(once: Callable[..., Path], products_table: Path) -> Path:
    """A products bundle of several values at once, without a shared space, from titles alone."""
    import csv

    from small_products import products_config

    from shelfwise.train.products import train_products

    def make(folder: Path) -> None:
        table = products_table.with_name("tagged.csv")
        with products_table.open(encoding="utf-8") as read, table.open("w", encoding="utf-8") as write:
            rows = list(csv.DictReader(read))
            writer = csv.DictWriter(write, [*rows[0], "tags"])
            writer.writeheader()
            for row in rows:
                writer.writerow({**row, "tags": f"{row['category']}|{row['colour']}"})
        config = products_config(
            table,
            data={
                "source": str(table),
                "columns": {
                    **{"images": ["image"], "title": "title", "labels": {"tags": "tags"}},
                    "multi_valued": ["tags"],
                },
            },
            targets={"tags": {"labels": ["tags"], "several": True}},
            fusion={"kind": "text"},
            shared={"loss": "none"},
            train={"epochs": 6},
        )
        train_products(config, folder)

    return once("several", make) / "bundle"


@pytest.fixture(scope="session")
def tiny_products_bundle(once: Callable[..., Path], products_table: Path) -> Path:
    """A products bundle trained on the drawn catalogue."""
    from small_products import products_config

    from shelfwise.train.products import train_products

    config = products_config(products_table)
    return once("tiny-products", lambda folder: train_products(config, folder)) / "bundle"


@pytest.fixture(scope="session")
def alone_bundle(once: Callable[..., Path], products_table: Path) -> Path:
    """A products bundle without targets: pictures and titles of the drawn catalogue, alone."""
    from small_products import products_config

    from shelfwise.train.products import train_products

    columns = {"images": ["image"], "title": "title"}
    data = {"source": str(products_table), "columns": columns}
    config = products_config(products_table, name="alone", data=data, fusion={"kind": "late"})
    return once("alone", lambda folder: train_products(config, folder)) / "bundle"
