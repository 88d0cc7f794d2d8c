"""Reviews from files: rows in are rows ok plus rows failed, and what is odd is said, never dropped."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.config import ReviewColumns, ReviewData, ReviewsConfig
from shelfwise.data.catalog import ReadCount
from shelfwise.data.review_cells import CellError, stars_of, time_of, yes_or_no
from shelfwise.data.review_flags import FLAGS, contradicts, is_cut, is_english
from shelfwise.data.reviews import load_reviews, read_reviews
from shelfwise.errors import DataError
from shelfwise.schema import Review, RowError, RowWarning

COLUMNS = ReviewColumns(product="product", title="title", text="text", rating="stars", recommended="liked")
HEAD = "product,title,text,stars,liked\n"
GOOD = "p1,Nice,It fits well and I love it.,5,1\n"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., ReviewData]:
    def file(content: str | bytes, name: str = "reviews.csv", **columns: Any) -> ReviewData:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return ReviewData(source=str(path), columns=COLUMNS.model_copy(update=columns))

    return file


def read(config: ReviewData) -> tuple[list[Review], list[RowError], list[RowWarning], ReadCount]:
    count = ReadCount()
    items = list(count.watch(read_reviews(config)))
    kinds = (Review, RowError, RowWarning)
    reviews, errors, warnings = ([item for item in items if isinstance(item, kind)] for kind in kinds)
    assert count.rows == len(reviews) + len(errors)
    return reviews, errors, warnings, count


def test_a_row_becomes_a_review(write: Callable[..., ReviewData]) -> None:
    reviews, errors, warnings, _ = read(write(HEAD + GOOD))
    assert not errors
    assert not warnings
    assert reviews == [
        Review(
            id="2", product="p1", title="Nice", text="It fits well and I love it.", rating=5, recommended=True
        )
    ]


def test_the_same_reviews_come_from_every_format(tmp_path: Path, write: Callable[..., ReviewData]) -> None:
    rows = [
        {"product": "p1", "title": "Nice", "text": "It fits well.", "stars": 5, "liked": 1},
        {"product": "p2", "title": None, "text": "Too small for me.", "stars": None, "liked": 0},
    ]
    lines = "\n".join(json.dumps(row) for row in rows)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "reviews.parquet")
    csv = HEAD + "p1,Nice,It fits well.,5,1\np2,,Too small for me.,,0\n"
    sources = [
        write(csv),
        write(gzip.compress(csv.encode()), "zipped.csv.gz"),
        write(lines, "reviews.jsonl"),
        write(gzip.compress(lines.encode()), "zipped.jsonl.gz"),
        ReviewData(source=str(tmp_path / "reviews.parquet"), columns=COLUMNS),
    ]
    found = [[(r.product, r.title, r.text, r.rating, r.recommended) for r in read(s)[0]] for s in sources]
    assert found[0] == [
        ("p1", "Nice", "It fits well.", 5, True),
        ("p2", "", "Too small for me.", None, False),
    ]
    assert all(other == found[0] for other in found)


@pytest.mark.parametrize(
    ("row", "kind", "said"),
    [
        ("p1,,text,6,1\n", "bad_rating", "row 3: stars '6': expected whole stars, 1 to 5"),
        ("p1,,text,4.5,1\n", "bad_rating", "4.5"),
        ("p1,,text,good,1\n", "bad_rating", "good"),
        ("p1,,text,4,maybe\n", "bad_flag", "liked 'maybe'"),
        ("p1,,text\n", "column_count", "expected 5 columns, got 3"),
    ],
)
def test_a_bad_row_is_named_and_reading_goes_on(
    row: str, kind: str, said: str, write: Callable[..., ReviewData]
) -> None:
    reviews, errors, _, count = read(write(HEAD + GOOD + row + GOOD.replace("p1", "p3")))
    assert [review.product for review in reviews] == ["p1", "p3"]
    assert errors[0].kind == kind
    assert said in str(errors[0])
    assert (count.ok, count.failed) == (2, 1)


def test_ids_are_kept_and_a_second_one_is_refused(write: Callable[..., ReviewData]) -> None:
    csv = "id,product,title,text,stars,liked\na,p,,One.,5,1\na,p,,Two.,5,1\n,p,,Three.,5,1\n"
    reviews, errors, _, _ = read(write(csv, id="id"))
    assert [review.id for review in reviews] == ["a"]
    assert [error.kind for error in errors] == ["duplicate_id", "missing_id"]


def test_what_is_odd_is_flagged_and_kept(write: Callable[..., ReviewData]) -> None:
    cut = "This dress is what I wanted. " * 17 + "it is soft"
    rows = [
        "p1,,,3,1",
        f"p1,,{cut[:500]},3,1",
        "p1,,Das Kleid ist leider viel zu klein und kratzt,1,0",
        "p1,,It fits.,5,1",
        "p1,,It fits.,5,1",
        "p1,,It is bad in every way.,1,1",
    ]
    reviews, errors, warnings, _ = read(write(HEAD + "\n".join(rows) + "\n"))
    assert len(reviews) == 6
    assert not errors
    assert [(warning.row, warning.kind) for warning in warnings] == [
        *((2, "empty_text"), (3, "cut_text"), (4, "not_english"), (6, "duplicate_text")),
        (7, "contradictory"),
    ]
    assert {warning.kind for warning in warnings} == set(FLAGS)


def test_a_wrong_column_is_one_clear_error_with_the_likely_name(write: Callable[..., ReviewData]) -> None:
    with pytest.raises(DataError, match=r"no column 'texts' \(did you mean 'text'\?\)"):
        read(write(HEAD + GOOD, text="texts"))


def test_an_empty_file_is_one_clear_error(write: Callable[..., ReviewData]) -> None:
    with pytest.raises(DataError, match="is empty"):
        read(write(""))


def test_a_binary_file_is_one_clear_error(write: Callable[..., ReviewData]) -> None:
    with pytest.raises(DataError, match="is a binary file"):
        read(write(bytes(range(256)) * 40))
    with pytest.raises(DataError, match="is a binary file"):  # no zero byte before the first line's end
        read(write(b"\x97k\x08M-yw, \x8c\nstars\x00"))


def test_a_folder_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is a folder; reviews are read from a CSV, Parquet or JSONL file"):
        list(read_reviews(ReviewData(source=str(tmp_path))))


def test_a_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not found"):
        read(ReviewData(source=str(tmp_path / "none.csv"), columns=COLUMNS))


def test_a_review_of_ten_megabytes_fails_alone(write: Callable[..., ReviewData]) -> None:
    huge = "very good " * 1_000_000
    reviews, errors, _, _ = read(write(HEAD + f"p1,,{huge},5,1\n" + GOOD))
    assert len(reviews) == 1
    assert "a cell is longer than 131,072 characters" in str(errors[0])
    assert len(str(errors[0])) < 300


def test_a_text_over_the_limit_is_named_with_the_limit(write: Callable[..., ReviewData]) -> None:
    config = write(HEAD + f"p1,,{'very good ' * 100},5,1\n" + GOOD).model_copy(update={"max_characters": 500})
    reviews, errors, _, _ = read(config)
    assert len(reviews) == 1
    assert errors[0].kind == "text_too_long"
    assert "data.max_characters = 500" in str(errors[0])


def test_texts_are_cleaned_on_the_way_in(write: Callable[..., ReviewData]) -> None:
    csv = HEAD + "p1,So  nice!!!!!!,<b>Soft</b> &amp; warm. See http://x.example/a?b=1 CafÃ© NOT itchy,5,1\n"
    review = read(write(csv))[0][0]
    assert review.title == "So nice!!!"
    assert review.text == "Soft & warm. See [link] Café NOT itchy"


def test_times_are_read_as_utc(write: Callable[..., ReviewData]) -> None:
    moment = datetime(2024, 5, 31, 12, tzinfo=UTC)
    for written in ("2024-05-31T12:00:00Z", "2024-05-31 14:00:00+02:00", "1717156800", "1717156800000"):
        assert time_of(written, "t") == moment
    assert time_of("20240531", "t") == datetime(2024, 5, 31, tzinfo=UTC)
    assert time_of("", "t") is None
    with pytest.raises(CellError, match="expected a date"):
        time_of("yesterday", "t")


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("31.05.2024", 31),
        ("5.5.2024", 5),
        ("31/05/2024", 31),
        ("5/31/2024", 31),
        ("05/05/2024", 5),
        ("31.05.2024 9:30", 31),
        ("31/5/2024, 09:30:00", 31),
    ],
)
def test_days_are_read_as_people_write_them(written: str, day: int) -> None:
    clock = (9, 30) if ":" in written else (0, 0)
    assert time_of(written, "t") == datetime(2024, 5, day, *clock, tzinfo=UTC)


@pytest.mark.parametrize("text", ["05/06/2024", "05.31.2024", "31/31/2024", "30.02.2024", "31.05/2024"])
def test_days_that_are_none_or_could_be_two_are_refused(text: str) -> None:
    with pytest.raises(CellError, match=r"expected a date such as 2024-05-31 or 31\.05\.2024"):
        time_of(text, "t")


def test_a_time_that_cannot_be_read_costs_no_review(write: Callable[..., ReviewData]) -> None:
    csv = (
        "id,product,title,text,stars,liked,day\na,p,,It fits me well.,5,1,05/06/2024\nb,p,,It is soft.,5,1,\n"
    )
    reviews, errors, warnings, _ = read(write(csv, id="id", time="day"))
    assert [(review.id, review.time) for review in reviews] == [("a", None), ("b", None)]
    assert not errors
    assert [(w.row, w.column, w.kind, w.id) for w in warnings] == [(2, "day", "bad_time", "a")]


@pytest.mark.parametrize("text", ["2024", "2024.0", "45443", "45443.5", "0", "-1", "99999999", "nan", "inf"])
def test_years_and_days_of_spreadsheets_are_no_unix_times(text: str) -> None:
    with pytest.raises(CellError, match="Unix seconds or milliseconds since 1973"):
        time_of(text, "t")


@given(st.text())
def test_no_cell_raises_anything_but_a_cell_error(text: str) -> None:
    for function in (stars_of, yes_or_no, time_of):
        with suppress(CellError):
            function(text, "column")


def test_stars_and_recommendation_can_contradict_each_other() -> None:
    def review(rating: int | None, recommended: bool | None) -> Review:
        return Review(id="1", text="x", rating=rating, recommended=recommended)

    assert contradicts(review(1, True))
    assert contradicts(review(5, False))
    assert not any(contradicts(review(r, b)) for r, b in ((3, False), (1, False), (5, True), (None, True)))


def test_only_a_text_at_a_limit_without_an_end_is_cut() -> None:
    assert is_cut("x" * 500)
    assert not is_cut("x" * 499 + ".")
    assert not is_cut("x" * 450)


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("I love this dress and it fits me well", True),
        ("Este vestido es muy bonito pero me queda pequeño", False),
        ("Cette robe est trop petite pour moi malheureusement", False),
        ("とても かわいい ドレス です ありがとう", False),
        ("这件衣服很漂亮，但是太小了", False),
        ("Très chic, à porter", True),
        ("Love it", True),
    ],
)
def test_languages_are_told_apart_in_longer_texts(text: str, english: bool) -> None:
    assert is_english(text) is english


def test_reviews_of_one_product_stay_together(tmp_path: Path) -> None:
    rows = [f"p{i % 40},,Text number {i}.,{i % 5 + 1},1" for i in range(400)]
    path = tmp_path / "reviews.csv"
    path.write_text(HEAD + "\n".join(rows) + "\n")
    config = ReviewsConfig.model_validate(
        {"data": {"source": str(path), "columns": COLUMNS.model_dump()}, "task": "reviews"}
    )
    parts = load_reviews(config).parts
    products = {part: {review.product for review in reviews} for part, reviews in parts.items()}
    assert sum(map(len, products.values())) == 40
    assert sum(map(len, parts.values())) == 400
    assert all(parts.values())


@pytest.mark.parametrize(
    "text",
    [
        "4",
        "4.0",
        "4,0",
        " 4 ",
        "4/5",
        "4 / 5",
        "4 out of 5",
        "4.0 out of 5 stars",
        "4 Sterne",
        "★★★★☆",
        "★★★★",
    ],
)
def test_whole_stars_are_read_as_shops_write_them(text: str) -> None:
    assert stars_of(text, "stars") == 4


@pytest.mark.parametrize("text", ["4.5", "4/10", "40", "0", "★★★★☆☆", "five", "-4"])
def test_what_is_no_whole_star_is_refused(text: str) -> None:
    with pytest.raises(CellError, match="whole stars"):
        stars_of(text, "stars")
