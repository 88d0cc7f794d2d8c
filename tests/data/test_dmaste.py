"""Rated texts and opinion triplets as published: every character is kept, and damage is named by its line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shelfwise.data.dmaste import RatedText, read_rated_texts, read_term_reviews
from shelfwise.errors import DataError

TRIPLETS = "The café dress is not great .####[([1, 2], [4, 5], 'NEG'), ([-1], [5], 'POS')]####Shoes\n"


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "reviews.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_a_rated_line_is_its_stars_and_its_text(tmp_path: Path) -> None:
    path = write(tmp_path, "5 #### I love it .\n\n2.0 ####  Too #### small 赤 . \n")
    assert read_rated_texts(path) == [RatedText("I love it .", 5), RatedText("Too #### small 赤 .", 2)]


@pytest.mark.parametrize(
    "line", ["I love it .", "6 #### x", "4.5 #### x", "five #### x", "nan #### x", "5 x"]
)
def test_a_damaged_rated_line_names_file_and_line(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, f"5 #### Good .\n\n{line}\n")
    with pytest.raises(DataError, match="line 3: expected RATING #### TEXT") as raised:
        read_rated_texts(path)
    assert str(path) in str(raised.value)


def test_spans_are_the_words_verbatim(tmp_path: Path) -> None:
    (review,) = read_term_reviews(write(tmp_path, TRIPLETS))
    first, second = review.opinions
    assert review.text == "The café dress is not great ."
    assert first.aspect is not None
    assert first.opinion is not None
    assert second.opinion is not None
    assert review.text[slice(*first.aspect)] == "café dress"
    assert review.text[slice(*first.opinion)] == "not great"
    assert review.text[slice(*second.opinion)] == "great"
    assert second.aspect is None
    assert (first.polarity, second.polarity) == ("NEG", "POS")


def test_a_review_may_have_no_opinion(tmp_path: Path) -> None:
    (review,) = read_term_reviews(write(tmp_path, "It arrived .####[]####Shoes\n"))
    assert review.opinions == ()


@pytest.mark.parametrize(
    "line",
    [
        "no marks at all",
        "A shoe .####[([0], [1], 'POS')",
        "A shoe .####[([0], [1], 'GOOD')]####Shoes",
        "A shoe .####[([0], [9], 'POS')]####Shoes",
        "A shoe .####[([-2], [1], 'POS')]####Shoes",
        "A shoe .####[([0], [1])]####Shoes",
        "A shoe .####[([], [1], 'POS')]####Shoes",
        "A shoe .####[(['a'], [1], 'POS')]####Shoes",
        "A shoe .####7####Shoes",
        "A shoe .####__import__('os')####Shoes",
    ],
)
def test_a_damaged_triplets_line_names_file_and_line(tmp_path: Path, line: str) -> None:
    path = write(tmp_path, f"{TRIPLETS}\n{line}\n")
    with pytest.raises(DataError, match="line 3: expected TEXT####") as raised:
        read_term_reviews(path)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt' cannot be read: No such file"):
        read_rated_texts(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot be read: it is no UTF-8 text"):
        read_term_reviews(write(tmp_path, b"caf\xe9 ####[]####Shoes\n"))


def test_an_empty_file_has_nothing(tmp_path: Path) -> None:
    assert read_rated_texts(write(tmp_path, "")) == []
    assert read_term_reviews(write(tmp_path, "\n \n")) == []


@pytest.mark.skipif("SHELFWISE_DATA" not in os.environ, reason="SHELFWISE_DATA names no folder of real data")
def test_the_published_files_are_read_to_their_end() -> None:
    folder = Path(os.environ["SHELFWISE_DATA"]) / "reviews"
    if not folder.is_dir():
        pytest.skip(f"SHELFWISE_DATA has no folder '{folder}'")
    sizes = {
        part: len(read_term_reviews(folder / f"aspects-fashion-{part}.txt")) for part in ("train", "dev")
    }
    assert sizes == {"train": 851, "dev": 121}
    for review in read_term_reviews(folder / "aspects-fashion-dev.txt"):
        spans = [span for each in review.opinions for span in (each.aspect, each.opinion) if span]
        tokens = review.text.split(" ")
        assert all(review.text[start:end].split(" ")[0] in tokens for start, end in spans)
    assert len(read_rated_texts(folder / "amazon-home.txt")) == 10_000
