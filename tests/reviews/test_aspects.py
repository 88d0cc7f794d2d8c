"""Labelled sentences: joined with the texts they label, or refused with the row and both files named."""

from __future__ import annotations

import csv
import json
import os
from hashlib import sha256
from pathlib import Path

import pytest

from shelfwise.errors import DataError
from shelfwise.reviews.aspects import ASPECTS, LABELS, parse_label, read_labelled_sentences

TEXTS = {"7": 'Größe passt. "So soft",\nbut itchy.', "12": "It runs small. Lovely!"}


def _source(folder: Path, texts: dict[str, str] = TEXTS) -> Path:
    path = folder / "reviews.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["", "Title", "Review Text"])
        rows.writerows([key, "t", text] for key, text in texts.items())
    return path


def _label(row: str, start: int, end: int, *labels: str, **changes: object) -> dict[str, object]:
    digest = sha256(TEXTS.get(row, "").encode()).hexdigest()
    return {"row": row, "sha256": digest, "start": start, "end": end, "labels": list(labels), **changes}


def _labels(folder: Path, *lines: object) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_labels_are_joined_with_their_texts_in_the_order_of_the_label_file(tmp_path: Path) -> None:
    labels = _labels(tmp_path, _label("12", 15, 22, "look+"), _label("7", 13, 34, "comfort+", "comfort-"))
    first, second = read_labelled_sentences(labels, _source(tmp_path))
    assert (first.row, first.text, first.before) == ("12", "Lovely!", "It runs small. ")
    assert first.labels == {("look", "positive")}
    assert second.text == '"So soft",\nbut itchy.'
    assert second.labels == {("comfort", "positive"), ("comfort", "negative")}


def test_no_label_is_a_sentence_that_judges_nothing(tmp_path: Path) -> None:
    (only,) = read_labelled_sentences(_labels(tmp_path, _label("7", 0, 12)), _source(tmp_path))
    assert only.labels == frozenset()
    assert only.before == ""


def test_an_empty_label_file_has_no_sentences(tmp_path: Path) -> None:
    assert read_labelled_sentences(_labels(tmp_path), _source(tmp_path)) == []


def test_another_text_is_refused(tmp_path: Path) -> None:
    source = _source(tmp_path, {**TEXTS, "12": "It runs large. Lovely!"})
    with pytest.raises(DataError, match=r"row 12 of '.*reviews\.csv' is not .* '.*labels\.jsonl'"):
        read_labelled_sentences(_labels(tmp_path, _label("12", 0, 14)), source)


def test_missing_rows_are_named(tmp_path: Path) -> None:
    labels = _labels(tmp_path, *(_label(row, 0, 5) for row in ("7", "901", "902", "903", "904")))
    with pytest.raises(
        DataError, match=r"no row 901, 902, 903 \.\.\. \(4 of 5 labels of '.*labels\.jsonl'\)"
    ):
        read_labelled_sentences(labels, _source(tmp_path))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (_label("7", 0, 5, "fit"), "label 'fit' is not one of fit, quality"),
        (_label("7", 0, 5, "smell+"), r"row 7: label 'smell\+'"),
        (_label("7", 5, 5), "row 7 labels characters 5 to 5"),
        (_label("7", 0, 999), "characters 0 to 999"),
        (_label("7", -1, 5), "line 1: start"),
        (_label("7", 0, 5, extra=1), "line 1: extra"),
        ({"row": "7"}, "line 1: sha256"),
        ([], "line 1"),
    ],
)
def test_a_broken_label_is_named(tmp_path: Path, line: object, why: str) -> None:
    with pytest.raises(DataError, match=why):
        read_labelled_sentences(_labels(tmp_path, line), _source(tmp_path))


def test_broken_files_are_named(tmp_path: Path) -> None:
    good = _labels(tmp_path, _label("7", 0, 5))
    with pytest.raises(DataError, match=r"'.*none\.csv' cannot be read"):
        read_labelled_sentences(good, tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"label file '.*none\.jsonl' cannot be read"):
        read_labelled_sentences(tmp_path / "none.jsonl", _source(tmp_path))
    with pytest.raises(DataError, match=r"no column 'text'; it has column_1, Title, Review Text"):
        read_labelled_sentences(good, _source(tmp_path), text="text")
    empty = tmp_path / "empty.csv"
    empty.touch()
    with pytest.raises(DataError, match="is empty"):
        read_labelled_sentences(good, empty)
    good.write_text("{row\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 1 is not JSON"):
        read_labelled_sentences(good, _source(tmp_path))


def test_every_aspect_can_be_praised_and_blamed() -> None:
    assert len(LABELS) == 2 * len(ASPECTS) == len(set(LABELS))
    assert parse_label("fit-") == ("fit", "negative")
    for text in ("", "+", "fit", "Fit+", "fit+-"):
        with pytest.raises(ValueError, match="is not one of"):
            parse_label(text)


@pytest.mark.skipif("SHELFWISE_DATA" not in os.environ, reason="SHELFWISE_DATA names no folder of real data")
def test_the_committed_labels_fit_their_source() -> None:
    source = Path(os.environ["SHELFWISE_DATA"]) / "reviews/womens-clothing.csv"
    folder = Path(__file__).parents[2] / "benchmarks/labels"
    assert len(read_labelled_sentences(folder / "shop-aspects-train.jsonl", source)) == 1_200
    assert len(read_labelled_sentences(folder / "shop-aspects-validation.jsonl", source)) == 240
