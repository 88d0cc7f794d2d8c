"""What the review benchmarks are tried on: constructed files, and a run that learned from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def review_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as SHELFWISE_DATA names it: a shop's reviews, and small files of other shops."""
    from shelfwise.data.synthetic_files import write_reviews_csv
    from shelfwise.data.synthetic_reviews import synthetic_reviews

    folder = tmp_path_factory.mktemp("data")
    (folder / "reviews").mkdir()
    write_reviews_csv(synthetic_reviews(400, seed=5, noise=0.1), folder / "reviews" / "drawn.csv")
    for seed, shop in enumerate(("home", "toy", "pet", "electronics")):
        lines = (
            f"{review.rating}.0 #### {' '.join(review.text.split())}\n"
            for review in synthetic_reviews(40, seed=seed)
        )
        (folder / "reviews" / f"amazon-{shop}.txt").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def run(review_files: Path, tiny_reviews_config: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on that shop's reviews; its bundle is `run / "bundle"`."""
    from shelfwise.config import ReviewsConfig
    from shelfwise.train.reviews import train_reviews

    values = tiny_reviews_config.model_dump()
    values["data"]["source"] = str(review_files / "reviews" / "drawn.csv")
    values["data"]["columns"] |= {name: name for name in ("id", "product", "title", "text", "recommended")}
    values["aspects"] |= {"epochs": 1, "weak": 50}
    values["train"]["checkpoint_every"] = 20
    folder = tmp_path_factory.mktemp("runs") / "drawn-0"
    train_reviews(ReviewsConfig.model_validate(values), folder)
    return folder
