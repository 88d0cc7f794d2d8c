"""Small untrained reviews bundles: right in all but their answers, and made in seconds."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from shelfwise.bundle import AspectsInfo, BundleInfo, ReviewsInfo, now
from shelfwise.config import ReviewsConfig
from shelfwise.data.review_tokens import TextReader, padded, review_text, train_word_tokenizer
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.reviews.aspects import ASPECTS, LABELS

THRESHOLD = 0.6
MAX_TOKENS = 24


def untrained_reviews_bundle(folder: Path, *, aspects: bool = True, seed: int = 0, **changes: Any) -> Path:
    """A reviews bundle at `folder / "bundle"` with random weights; `changes` are fields of its ReviewsInfo.

    The weights are large, so that texts differ in their answers and some tokens pass the threshold."""
    import torch

    from shelfwise.nn.encoders import build_review_net
    from shelfwise.nn.tagger import Tagger
    from shelfwise.train.package_reviews import package_reviews

    torch.manual_seed(seed)
    texts = [review_text(review) for review in synthetic_reviews(80, seed=seed)]
    tokenizer = train_word_tokenizer(texts, vocabulary=600, min_count=1)
    config = ReviewsConfig.model_validate(
        {
            "name": "untrained",
            "data": {"source": "drawn.csv", "columns": {"rating": "rating"}},
            "encoder": {"width": 16, "layers": 2},
        }
    )
    net = build_review_net(config.encoder, tokenizer).eval()
    tagger = Tagger(net.encoder, len(LABELS), 0.0).eval() if aspects else None
    with torch.no_grad():
        net.heads.weight.mul_(3)
        if tagger is not None:
            tagger.aspects.weight.mul_(4)
            tagger.terms.weight.mul_(8)
    thresholds = (THRESHOLD,) * len(ASPECTS)
    reading = ReviewsInfo(
        max_tokens=MAX_TOKENS,
        sentiment_temperature=1.2,
        recommended_temperature=0.9,
        aspects=AspectsInfo(aspects=ASPECTS, thresholds=thresholds, terms=True) if aspects else None,
    ).model_copy(update=changes)
    rows = TextReader(tokenizer, MAX_TOKENS).windows(texts[:8]).ids
    info = BundleInfo(
        task="reviews",
        name="untrained",
        version="",
        created=now(),
        target="stars",
        classes=("1", "2", "3", "4", "5"),
        source="drawn",
        temperature=1.1,
        reviews=reading,
        info={"rows": {"train": 80, "validation": 0}},
    )
    bundle = package_reviews(
        net,
        tagger,
        tokenizer,
        info=info,
        config=config,
        sample_ids=torch.from_numpy(padded(rows)),
        journal=None,
        path=folder / "bundle",
    )
    return bundle.path


@cache
def small_bundle(session: Path) -> Path:
    """One untrained bundle with aspects for all tests of a session (its folder), which leave it as it is."""
    return untrained_reviews_bundle(session / "untrained")
