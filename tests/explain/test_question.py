"""Questions: log odds are exact where probabilities are saturated, and classes are found by name."""

from __future__ import annotations

import numpy as np
import pytest

from shelfwise.errors import DataError
from shelfwise.explain.question import Question, class_number, question_about

PATHS = (("Apparel", "Shirts"), ("Footwear", "Sports Shoes"), ("Accessories", "Shoes"), ("Bags", "Shoes"))


def test_log_odds_and_contrast_follow_the_logits_also_of_a_sure_answer() -> None:
    logits = np.array([[30.0, 2.0, 1.0], [0.5, 0.2, -0.3]])
    question = Question(0, 1)
    others = np.log(np.exp(logits[:, 1:]).sum(1))
    assert question.value(logits) == pytest.approx(logits[:, 0] - others)
    assert question.contrast(logits) == pytest.approx(logits[:, 0] - logits[:, 1])
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert question.probability(logits) == pytest.approx(p[:, 0])
    sure = np.array([[5000.0, 10.0, 0.0]], np.float32)
    assert question.value(sure) == pytest.approx(4990, abs=1e-3)
    assert question.probability(sure) == 1


def test_of_several_values_each_has_odds_of_its_own_and_no_rival() -> None:
    question = question_about([("a",), ("b",)], np.array([0.8, 0.9]), "a", several=True)
    assert (question.number, question.rival) == (0, None)
    assert question.value(np.array([[0.8, 0.9]])) == pytest.approx(0.8)
    assert question.probability(np.array([[0.0, 0.9]])) == 0.5
    with pytest.raises(ValueError, match="no rival"):
        question.contrast(np.array([[0.8, 0.9]]))


def test_where_there_is_one_class_nothing_is_asked() -> None:
    assert Question(0, None).value(np.array([[3.0]])) == 0
    assert Question(0, None).probability(np.array([[3.0]])) == 1


def test_the_rival_is_the_likeliest_other_class() -> None:
    p = np.array([0.2, 0.5, 0.3, 0.0])
    assert question_about(PATHS, p, None) == Question(1, 2)
    assert question_about(PATHS, p, "shirts") == Question(0, 1)
    assert question_about([("only",)], np.array([1.0]), None).rival is None


def test_a_class_is_found_by_its_name_or_path_whatever_the_case() -> None:
    assert class_number(PATHS, " SPORTS shoes ") == 1
    assert class_number(PATHS, "bags > shoes") == 3


def test_a_class_is_found_by_the_end_of_its_path_that_is_its_own() -> None:
    paths = (
        ("Sale", "Men", "Other"),
        ("Sale", "Women", "Other"),
        ("New", "Men", "Other"),
        ("New", "Men", "Hat"),
    )
    for number, name in enumerate(("Sale > Men > Other", "Women > Other", "new > men > other", "Men > Hat")):
        assert class_number(paths, name) == number
    assert class_number((("Other",), ("Men", "Other")), "other") == 0
    with pytest.raises(DataError, match="did you mean 'Women > Other'"):
        class_number(paths, "Woman > Other")


def test_a_name_that_is_not_there_or_not_one_is_mended_by_the_message() -> None:
    with pytest.raises(DataError, match="did you mean 'Shirts'"):
        class_number(PATHS, "Shirt")
    with pytest.raises(DataError, match="'Accessories > Shoes', 'Bags > Shoes'"):
        class_number(PATHS, "Shoes")
    deep = (("Sale", "Men", "Other"), ("Sale", "Women", "Other"))
    with pytest.raises(DataError, match="name one of 'Men > Other', 'Women > Other'"):
        class_number(deep, "Other")
    with pytest.raises(DataError, match="such as 'Shirts' or 'Sports Shoes'"):
        class_number(PATHS, "zzzz")
