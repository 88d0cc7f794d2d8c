"""Explanations of single pictures and of reviews."""

from __future__ import annotations

from pathlib import Path

import pytest
from drawn import draw_garment

from shelfwise.bundle import Bundle, ReviewsBundle
from shelfwise.errors import DataError
from shelfwise.explain.picture import explain_picture
from shelfwise.explain.review import explain_review
from shelfwise.predict import Predictor
from shelfwise.predict.reviews import ReviewPredictor
from shelfwise.schema import Picture, Product, Review


def test_a_picture_is_explained_as_predict_answers(tiny_bundle: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "shoe.png")
    draw_garment("shoe", 1, (120, 90)).save(path)
    found = explain_picture(Bundle.open(tiny_bundle), Picture(path=path), threads=1)
    said = found.explanation
    (answer,) = Predictor.load(tiny_bundle).predict([Product(id=path, images=(Picture(path=path),))])
    assert (said.label, said.probability) == (answer.label, pytest.approx(answer.probability, abs=1e-4))
    assert said.rival is not None
    assert said.rival.label == answer.top[1].label
    assert [(one.asks, one.method) for one in said.pictures[0].maps] == [
        ("class", "integrated gradients"),
        ("class", "Grad-CAM"),
        ("class", "occlusion"),
        ("contrast", "integrated gradients"),
        ("contrast", "Grad-CAM"),
        ("contrast", "occlusion"),
        ("edges", "edges"),
    ]
    assert set(said.missing) == {"modalities", "words", "attention", "neighbours"}
    (tmp_path / "page.jpg").write_text("<html>")
    with pytest.raises(DataError, match="an HTML page"):
        explain_picture(Bundle.open(tiny_bundle), Picture(path=str(tmp_path / "page.jpg")))


def test_a_review_is_explained_by_its_words(tiny_reviews_bundle: Path) -> None:
    review = Review(id="r", title="Lovely", text="I love this dress, the fabric is great and it fits well.")
    said = explain_review(ReviewsBundle.open(tiny_reviews_bundle), review).explanation
    (answer,) = ReviewPredictor.load(tiny_reviews_bundle).predict([review])
    assert said.label.startswith(str(answer.rating))
    assert said.probability == pytest.approx(max(answer.star_probabilities), abs=1e-6)
    assert [said.text[word.start : word.end] for word in said.words[:2]] == ["Lovely", "I"]
    two = explain_review(ReviewsBundle.open(tiny_reviews_bundle), review, label="2").explanation
    assert two.label == "2 stars"
    with pytest.raises(DataError, match="has no word"):
        explain_review(ReviewsBundle.open(tiny_reviews_bundle), Review(id="r", text="..."))
