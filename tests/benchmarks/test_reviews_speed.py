"""The speed benchmark on a tiny bundle: both sides do the same work, and every row of the table is filled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import reviews_speed
import tables

from shelfwise.bundle import ReviewsBundle
from shelfwise.data.review_tokens import review_text
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.predict.reviews import ReviewPredictor

TEXTS = [review_text(review) for review in synthetic_reviews(30, seed=9)]


@pytest.fixture
def bundle(run: Path) -> ReviewsBundle:
    return ReviewsBundle.open(run / "bundle")


def test_texts_are_cut_to_exactly_so_many_tokens(bundle: ReviewsBundle) -> None:
    reader = reviews_speed.TextReader(reviews_speed.reader_of(bundle).tokenizer, 16)
    found = reviews_speed.texts_of_length([*TEXTS, "short"], reader)
    assert found
    assert {len(reader.tokenizer.encode(text).ids) for text in found} == {16}


def test_only_texts_that_need_no_division_are_compared(bundle: ReviewsBundle) -> None:
    long = " ".join(TEXTS)
    assert reviews_speed.read_whole(bundle, ["", "soft and warm", long]) == ["soft and warm"]


@pytest.mark.parametrize("tokens", [0, 512])
def test_the_bare_model_gets_the_rows_of_the_predictor(bundle: ReviewsBundle, tokens: int) -> None:
    seen: list[np.ndarray] = []

    class Spy(reviews_speed.OnnxReviewBackend):
        def review(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
            seen.append(ids)
            return super().review(ids)

    spy = Spy(bundle, 1, "fp32" if tokens else "int8")
    assert spy.batch_tokens == tokens
    texts = [*TEXTS, ""]
    ReviewPredictor(bundle, spy).distributions(texts)
    ready = reviews_speed.id_batches(bundle, texts, tokens=tokens)
    assert [ids.tolist() for ids in ready] == [ids.tolist() for ids in seen]


def test_eager_torch_gives_the_same_answers(bundle: ReviewsBundle) -> None:
    ask = reviews_speed.eager(bundle)
    ours = ReviewPredictor(bundle, reviews_speed.OnnxReviewBackend(bundle, 1, "fp32"))
    for text in reviews_speed.read_whole(bundle, TEXTS)[:5]:
        stars = np.log(ask(text)[0].numpy()) / bundle.temperature  # type: ignore[index]
        stars = np.exp(stars) / np.exp(stars).sum()
        np.testing.assert_allclose(stars, ours.distributions([text]).stars, atol=1e-4)


def test_every_row_of_the_table_finds_its_numbers(
    bundle: ReviewsBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reviews_speed, "FILE_ROWS", 40)
    latency = reviews_speed.latency(bundle, reviews_speed.read_whole(bundle, TEXTS)[:3], 2)
    whole = reviews_speed.whole_file(bundle, bundle.config.data, "fp32", 2)
    assert whole["reviews"] == 40
    assert 0 < whole["over_bare"] < 1
    rates = {"pipeline_fp32": 1.0, "shelfwise_fp32": 2.0, "shelfwise_int8": 3.0}
    values = {
        "latency": {"own": latency, "minilm": latency},
        "summarize": {"fp32": whole, "int8": whole},
        "pipeline": {
            **{"per_second": rates, "batch_size": 8, "fp32_over_pipeline": 2.0, "int8_over_pipeline": 3.0}
        },
    }
    (tmp_path / "reviews_speed.json").write_text(json.dumps(values, allow_nan=False))
    table = tables.render("reviews-speed", tmp_path)
    assert table.count("\n") == 2 + len(tables.FIGURES["reviews-speed"])
    reviews_speed.show(values)


def test_the_pipeline_has_the_batch_size_that_is_best_for_it(
    bundle: ReviewsBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("transformers", reason="needs the extra 'text' (transformers)")
    from small_checkpoints import save_small_checkpoint

    monkeypatch.setattr(reviews_speed, "BATCH_SIZES", (1, 4))
    checkpoint = str(save_small_checkpoint(tmp_path, "bert", TEXTS, longest=512))
    encoder = bundle.config.encoder.model_copy(update={"checkpoint": checkpoint})
    started = ReviewsBundle(bundle.path, bundle.meta, bundle.config.model_copy(update={"encoder": encoder}))
    found = reviews_speed.against_pipeline(started, reviews_speed.read_whole(bundle, TEXTS)[:6], 1)
    assert set(found["per_second"]) == {"pipeline_fp32", "shelfwise_fp32", "shelfwise_int8"}
    tried = found["batch_sizes_per_second"]
    assert tried[str(found["batch_size"])] > 0
    assert set(tried) == {"1", "4"}
