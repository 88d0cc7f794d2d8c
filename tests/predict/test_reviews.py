"""The one path from reviews to answers: any text gets an answer or a reason, and no other text changes it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_reviews import MAX_TOKENS, small_bundle, untrained_reviews_bundle

from shelfwise.bundle import Bundle, ReviewsBundle, write_bundle
from shelfwise.data.review_tokens import review_text
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.decide.temperature import apply_temperature
from shelfwise.errors import BundleError, MissingExtraError
from shelfwise.predict import reviews as module
from shelfwise.predict.review_backend import Precision, batches
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review, ReviewPrediction

LONG = "The fit is great and the fabric is soft, but it came late. " * 12
ODD = [
    Review(id="plain", title="Lovely", text="The fit is great, but the fabric is thin. I sent it back!"),
    Review(id="title", title="Too small"),
    Review(id="long", text=LONG),
    Review(id="foreign", text="Größer als erwartet, 很好 🙂"),
    Review(id="marks", text="!!! ... ???"),
    Review(id="huge word", text="a" * 20_000),
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bundle(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> ReviewPredictor:
    return ReviewPredictor.load(bundle, threads=1)


@pytest.fixture(scope="module")
def drawn() -> list[Review]:
    return [*synthetic_reviews(60, seed=3), *ODD]


def close(one: ReviewPrediction, other: ReviewPrediction, within: float = 1e-5) -> None:
    """The same answer, up to the last digits of probabilities."""
    values, others = one.model_dump(), other.model_dump()
    for key in ("star_probabilities", "sentiment_probabilities", "stars", "recommended"):
        assert np.allclose(values.pop(key) or 0, others.pop(key) or 0, atol=within)
    for said in (values, others):
        said["opinions"] = [{**o, "probability": round(o["probability"], 4)} for o in said["opinions"]]
    for o, p in zip(values.pop("opinions"), others.pop("opinions"), strict=True):
        assert abs(o.pop("probability") - p.pop("probability")) <= 10 * within + 1e-4
        assert o == p
    assert values == others


def test_every_review_gets_a_whole_answer(predictor: ReviewPredictor, drawn: list[Review]) -> None:
    answers = predictor.predict(drawn)
    assert [answer.id for answer in answers] == [review.id for review in drawn]
    for review, answer in zip(drawn, answers, strict=True):
        assert ReviewPrediction.model_validate_json(answer.model_dump_json()) == answer
        assert answer.status == "ok"
        assert answer.product == review.product
        assert sum(answer.star_probabilities) == pytest.approx(1)
        assert sum(answer.sentiment_probabilities) == pytest.approx(1)
        assert answer.rating == 1 + int(np.argmax(answer.star_probabilities))
        assert answer.stars == pytest.approx(np.dot(answer.star_probabilities, [1, 2, 3, 4, 5]))
        assert answer.recommended is not None
        assert answer.bundle == predictor.bundle.label
    assert len({answer.rating for answer in answers}) > 1
    assert len({answer.sentiment for answer in answers}) > 1
    assert sum(len(answer.opinions) for answer in answers) > 20


def test_quotes_are_verbatim(predictor: ReviewPredictor, drawn: list[Review]) -> None:
    parts = set()
    for review, answer in zip(drawn, predictor.predict(drawn), strict=True):
        for opinion in answer.opinions:
            text = review.title if opinion.part == "title" else review.text
            assert text[opinion.start : opinion.end] == opinion.quote != ""
            parts.add(opinion.part)
    assert parts == {"title", "text"}


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=200))
def test_any_text_at_all_gets_an_answer_or_a_reason(
    predictor: ReviewPredictor, title: str, text: str
) -> None:
    (answer,) = predictor.predict([Review(id="x", title=title, text=text)])
    assert (answer.status == "failed") == (answer.error_kind == "empty_text") == (answer.rating is None)
    for opinion in answer.opinions:
        assert (title if opinion.part == "title" else text)[opinion.start : opinion.end] == opinion.quote


@pytest.mark.parametrize(("title", "text"), [("", ""), (" ", "\n\t"), ("\u2003", "")])
def test_a_review_without_a_word_fails_alone(predictor: ReviewPredictor, title: str, text: str) -> None:
    good = ODD[0]
    before, answer, after = predictor.predict(
        [good, Review(id="e", product="p", title=title, text=text), good]
    )
    assert (answer.id, answer.product, answer.status, answer.error_kind) == ("e", "p", "failed", "empty_text")
    assert answer.error == "it has neither title nor text"
    assert (answer.rating, answer.star_probabilities, answer.opinions) == (None, (), ())
    close(before, after)
    close(before, predictor.predict([good])[0])


def test_words_that_the_bundle_does_not_know_bring_a_warning(predictor: ReviewPredictor) -> None:
    warned = {answer.id: answer.warnings for answer in predictor.predict(ODD)}
    assert warned["foreign"] == ("unknown_words",)
    assert warned["plain"] == ()


@pytest.mark.parametrize("precision", get_args(Precision))
def test_an_answer_depends_on_its_own_review_alone(
    bundle: Path, drawn: list[Review], precision: Precision
) -> None:
    predictor = ReviewPredictor.load(bundle, threads=1, precision=precision)
    for review, together in zip(drawn[::7], predictor.predict(drawn)[::7], strict=True):
        close(together, predictor.predict([review])[0])


def test_eight_bits_answer_nearly_the_same(bundle: Path, predictor: ReviewPredictor) -> None:
    texts = [review_text(review) for review in synthetic_reviews(60, seed=3)]
    whole, small = (
        predictor.distributions(texts),
        ReviewPredictor.load(bundle, precision="int8").distributions(texts),
    )
    assert 0 < np.abs(whole.stars - small.stars).max() < 0.1
    assert np.abs(whole.recommended - small.recommended).max() < 0.1


def test_torch_agrees(bundle: Path, predictor: ReviewPredictor, drawn: list[Review]) -> None:
    reference = ReviewPredictor.load(bundle, backend="torch")
    for one, other in zip(predictor.predict(drawn), reference.predict(drawn), strict=True):
        close(one, other, 1e-4)
    texts = [review_text(review) for review in drawn]
    assert predictor.terms(texts) == reference.terms(texts)


def test_a_long_review_is_read_whole(predictor: ReviewPredictor) -> None:
    """Its probabilities are the mean of its windows', and opinions are found at its end too."""
    head, tail = "The fit is great and the fabric is soft.", " It came late and the zipper broke at once."
    filler = " It is a dress." * 40
    with_tail, without = (
        predictor.predict([Review(id="x", text=t)])[0] for t in (head + filler + tail, head + filler)
    )
    assert with_tail.star_probabilities != without.star_probabilities
    read = predictor._read([LONG])
    assert len(read.windows.ids) > 3
    logits = [predictor._backend.review(row[None])[0][0] for row in read.windows.ids]
    lengths = [len(row) for row in read.windows.ids]
    assert max(lengths) <= MAX_TOKENS
    mean = np.average(np.exp(logits), axis=0, weights=lengths)
    expected = apply_temperature(np.log(mean)[None], predictor.bundle.temperature)
    assert predictor.distributions([LONG]).stars == pytest.approx(expected, abs=1e-5)


def test_every_head_has_its_own_temperature(bundle: Path, tmp_path: Path, predictor: ReviewPredictor) -> None:
    texts = [review_text(review) for review in synthetic_reviews(20, seed=4)]
    before = predictor.distributions(texts)
    for key, name in (
        ("temperature", "stars"),
        ("sentiment_temperature", "sentiment"),
        ("recommended_temperature", "recommended"),
    ):
        copy = shutil.copytree(bundle, tmp_path / key)
        value = json.loads((copy / "bundle.json").read_text())
        (value if key == "temperature" else value["reviews"])[key] = 5.0
        (copy / "bundle.json").write_text(json.dumps(value))
        after = ReviewPredictor.load(copy, threads=1).distributions(texts)
        for field in ("stars", "sentiment", "recommended"):
            same = np.allclose(getattr(before, field), getattr(after, field))
            assert same == (field != name)


def test_nothing_in_nothing_out(predictor: ReviewPredictor) -> None:
    assert predictor.predict([]) == []
    assert list(predictor.stream(iter(()))) == []
    assert predictor.terms([]) == []
    none = predictor.distributions([])
    assert (none.stars.shape, none.sentiment.shape, none.recommended.shape) == ((0, 5), (0, 3), (0,))


def test_a_text_without_a_word_has_even_odds(predictor: ReviewPredictor) -> None:
    odds = predictor.distributions(["", "fine"])
    assert odds.stars[0] == pytest.approx(0.2)
    assert odds.recommended[0] == pytest.approx(0.5)
    assert odds.stars[1] != pytest.approx(0.2)


def test_chunks_are_bounded_by_reviews_and_by_characters(
    predictor: ReviewPredictor, drawn: list[Review], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = predictor.predict(drawn)
    seen: list[int] = []
    read = ReviewPredictor._read
    monkeypatch.setattr(
        ReviewPredictor, "_read", lambda self, texts: seen.append(len(texts)) or read(self, texts)
    )
    monkeypatch.setattr(module, "CHUNK", 10)
    monkeypatch.setattr(module, "CHUNK_CHARACTERS", 2000)
    for one, other in zip(whole, predictor.stream(iter(drawn)), strict=True):
        close(one, other)
    assert sum(seen) == len(drawn)
    assert max(seen) <= 10
    assert len(seen) > len(drawn) / 10


def test_many_threads_may_share_one(predictor: ReviewPredictor, drawn: list[Review]) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(predictor.predict, [drawn] * 8))
    assert all(answer == answers[0] for answer in answers)


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(0, 100))
def test_batches_hold_every_row_once_and_as_many_tokens_as_may_be(lengths: list[int], tokens: int) -> None:
    found = list(batches(np.array(lengths, np.int64), tokens))
    assert sorted(i for rows in found for i in rows) == list(range(len(lengths)))
    for rows in found:
        assert len(rows) == 1 or len(rows) * max(lengths[i] for i in rows) <= tokens


def test_a_bundle_that_learned_no_recommendation_or_aspects_says_none(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = untrained_reviews_bundle(tmp_path_factory.mktemp("plain"), aspects=False, recommends=False)
    predictor = ReviewPredictor.load(path, threads=1)
    (answer,) = predictor.predict(ODD[:1])
    assert (answer.status, answer.recommended, answer.opinions) == ("ok", None, ())
    with pytest.raises(BundleError, match=r"no aspect terms; train it with aspects\.terms"):
        predictor.terms(["The fit is great."])


def test_terms_are_characters_of_the_text(predictor: ReviewPredictor) -> None:
    texts = ["The fit is great, but the fabric is thin.", "", LONG]
    found = predictor.terms(texts)
    assert found[0].terms
    assert found[1] == ((), ())
    for text, said in zip(texts, found, strict=True):
        assert all(0 <= start < end <= len(text) for start, end, _ in said.terms)


@pytest.fixture
def changed(bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """A whole copy of the bundle with other files, or without one."""

    def make(files: dict[str, bytes | None], **changes: Any) -> Path:
        whole = ReviewsBundle.open(bundle)
        paths = {name: bundle / name for name in whole.meta.files if name != "config.json"}
        for name, content in files.items():
            paths.pop(name)
            if content is not None:
                paths[name] = tmp_path / name
                paths[name].write_bytes(content)
        info = whole.meta.model_copy(update=changes)
        return write_bundle(tmp_path / "bundle", info=info, config=whole.config, files=paths, card="").path

    return make


def test_a_network_that_is_missing_damaged_or_another_is_one_line(
    bundle: Path, changed: Callable[..., Path]
) -> None:
    review = (bundle / "review.onnx").read_bytes()
    for files, precision, words in (
        ({"review.int8.onnx": None}, "int8", r"has no review\.int8\.onnx; run: shelfwise export"),
        ({"aspects.onnx": None}, "fp32", r"has no aspects\.onnx; run: shelfwise export"),
        ({"review.onnx": b"noise" * 9}, "fp32", r"review\.onnx does not load"),
        ({"aspects.onnx": review}, "fp32", r"aspects\.onnx gives .* do not fit"),
    ):
        path = changed(files)
        with pytest.raises(BundleError, match=words) as caught:
            ReviewPredictor.load(path, precision=precision)  # type: ignore[arg-type]
        assert len(str(caught.value).splitlines()) == 1


def test_weights_of_another_network_are_refused(changed: Callable[..., Path]) -> None:
    path = changed({"aspects.safetensors": b"short"})
    with pytest.raises(BundleError, match=r"aspects\.safetensors does not fit its description"):
        ReviewPredictor.load(path, backend="torch")


def test_a_bundle_of_the_other_task_is_named(bundle: Path, tiny_bundle: Path) -> None:
    with pytest.raises(BundleError, match="is a pictures bundle; this needs one of reviews"):
        ReviewPredictor.load(tiny_bundle)
    with pytest.raises(BundleError, match="is a reviews bundle; this needs one of pictures"):
        Bundle.open(bundle)


def test_torch_that_is_missing_is_named(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "shelfwise.predict.torch_reviews", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match="torch is not installed"):
        ReviewPredictor.load(bundle, backend="torch")


ALONE = """
import socket, sys

class Refused(socket.socket):
    def __init__(self, *_, **__):
        raise AssertionError("a socket was opened")

socket.socket = Refused
for name in ("torch", "onnx", "onnxscript", "transformers", "matplotlib", "sklearn"):
    sys.modules[name] = None
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Review

predictor = ReviewPredictor.load(sys.argv[1], threads=1)
(answer,) = predictor.predict([Review.model_validate_json(sys.argv[2])])
assert len(predictor.terms(["The fit is great."])) == 1
print(answer.model_dump_json())
"""


def test_a_bundle_answers_without_torch_and_without_a_network(
    bundle: Path, predictor: ReviewPredictor
) -> None:
    command = [sys.executable, "-c", ALONE, str(bundle), ODD[0].model_dump_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    close(ReviewPrediction.model_validate_json(done.stdout), predictor.predict(ODD[:1])[0])
