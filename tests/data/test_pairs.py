"""Constructed pairs: by category, even, distinct, marked as constructed wherever they go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.data.fashion_mnist import CLASSES
from shelfwise.data.labelled import LabelledPictures
from shelfwise.data.pair_tables import pairs_table, read_pairs, store_pairs, stored_pairs, write_pairs
from shelfwise.data.pairs import (
    PairDataset,
    Pairs,
    _deal,
    constructed_pairs,
    join_pairs,
)
from shelfwise.data.synthetic_reviews import synthetic_reviews
from shelfwise.errors import DataError
from shelfwise.schema import Review
from shelfwise.store import ArtifactStore

REVIEWS = list(synthetic_reviews(100))


@pytest.fixture(scope="module")
def pictures(drawn_pictures: Callable[[int], LabelledPictures]) -> LabelledPictures:
    """Eighty drawn pictures under the names of Fashion-MNIST's classes."""
    drawn = drawn_pictures(80)
    return replace(drawn, labels=np.arange(80, dtype=np.int64) % 10, classes=CLASSES)


@pytest.fixture(scope="module")
def pairs(pictures: LabelledPictures) -> Pairs:
    return constructed_pairs(pictures, REVIEWS, 400)


def reviews_of(pairs: Pairs) -> list[Review]:
    return [pairs.reviews[row] for row in pairs.review_rows]


def test_a_pair_shares_the_category_and_no_pair_occurs_twice(
    pictures: LabelledPictures, pairs: Pairs
) -> None:
    label = dict(zip(pictures.ids, pictures.labels, strict=True))
    categories = [CLASSES[label[name]] for name in pairs.picture_ids]
    assert categories == [review.fields["category"] for review in reviews_of(pairs)]
    assert Counter(categories) == dict.fromkeys(CLASSES, 40)
    assert len({*zip(pairs.picture_ids, pairs.review_rows.tolist(), strict=True)}) == 400


def test_pictures_are_used_equally_often_and_so_are_reviews(pairs: Pairs) -> None:
    assert set(Counter(pairs.picture_ids).values()) == {5}
    assert set(Counter(pairs.review_rows.tolist()).values()) == {4}


@given(st.integers(1, 12), st.integers(1, 12), st.randoms())
def test_all_that_can_be_paired_is_paired_once(pictures: int, reviews: int, dice: object) -> None:
    random = np.random.default_rng(dice.randrange(99))  # type: ignore[attr-defined]
    dealt = _deal(np.arange(pictures), np.arange(reviews), pictures * reviews, random)
    assert len({*map(tuple, dealt.tolist())}) == pictures * reviews
    part = dealt[: pictures * reviews // 2]
    for column, size in ((0, pictures), (1, reviews)):
        counts = np.bincount(part[:, column], minlength=size)
        assert counts.max() - counts.min() <= 1 + column


def test_a_seed_is_one_choice_of_pairs(pictures: LabelledPictures, pairs: Pairs) -> None:
    again, other = (constructed_pairs(pictures, REVIEWS, 400, seed=seed) for seed in (0, 1))
    assert again.picture_ids == pairs.picture_ids
    assert (again.review_rows == pairs.review_rows).all()
    assert other.picture_ids != pairs.picture_ids


def test_categories_without_pictures_or_reviews_are_left_out_and_named(
    pictures: LabelledPictures, caplog: pytest.LogCaptureFixture
) -> None:
    some = [review for review in REVIEWS if review.fields["category"] in ("Bag", "Coat")]
    found = constructed_pairs(pictures, some, 11)
    assert Counter(r.fields["category"] for r in reviews_of(found)) == {"Coat": 6, "Bag": 5}
    assert "no pairs of Ankle boot, Dress" in caplog.text


def test_what_cannot_be_paired_is_refused_by_name(pictures: LabelledPictures) -> None:
    with pytest.raises(DataError, match="800 pairs cannot be made of 8 pictures and 10 reviews"):
        constructed_pairs(pictures, REVIEWS, 8_000)
    with pytest.raises(DataError, match=r"no category has both: .* reviews of Hut"):
        constructed_pairs(pictures, [Review(id="1", fields={"category": "Hut"})])
    with pytest.raises(DataError, match="reviews of none"):
        constructed_pairs(pictures, [])
    with pytest.raises(DataError, match="review '1' has no category"):
        constructed_pairs(pictures, [Review(id="1")])
    with pytest.raises(DataError, match="'1' stands for two different reviews"):
        join_pairs(["a", "b"], [Review(id="1", text=text) for text in "xy"])
    with pytest.raises(ValueError, match="differ in length"):
        join_pairs(["a"], [])


def same(one: Pairs, other: Pairs) -> bool:
    return (
        one.picture_ids == other.picture_ids
        and one.reviews == other.reviews
        and bool((one.review_rows == other.review_rows).all())
    )


def test_pairs_come_back_from_parquet_and_every_row_says_constructed(pairs: Pairs, tmp_path: Path) -> None:
    path = tmp_path / "pairs.parquet"
    write_pairs(pairs, path)
    write_pairs(pairs, path)
    assert same(read_pairs(path), pairs)
    table = pq.read_table(path)
    assert table.column("constructed").to_pylist() == [True] * 400
    assert b"constructed pairs" in table.schema.metadata[b"note"]
    assert [file.name for file in tmp_path.iterdir()] == ["pairs.parquet"]


def test_pairs_come_back_from_the_store_whose_metadata_says_constructed(pairs: Pairs, tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    artifact = store_pairs(store, "pairs/small", pairs, producer="a test")
    assert artifact.producer == "a test (constructed pairs, not of products)"
    assert "constructed: bool" in artifact.dtype
    assert same(stored_pairs(store, "pairs/small"), pairs)


def test_no_pairs_are_pairs_too(tmp_path: Path, pictures: LabelledPictures) -> None:
    none = constructed_pairs(pictures, REVIEWS, 0)
    write_pairs(none, tmp_path / "none.parquet")
    assert same(read_pairs(tmp_path / "none.parquet"), none)
    assert len(PairDataset(none, pictures)) == 0


def test_a_file_that_holds_no_constructed_pairs_is_refused(pairs: Pairs, tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    with pytest.raises(DataError, match="not found; make them with"):
        read_pairs(path)
    path.write_text("id,text")
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(path)
    with pytest.raises(DataError, match="cannot be written"):
        write_pairs(pairs, path / "below-a-file.parquet")
    table = pairs_table(pairs)
    pq.write_table(table.drop_columns(["constructed"]), path)
    with pytest.raises(DataError, match="no column constructed"):
        read_pairs(path)
    column = pa.array([True, False] + [True] * 398)
    pq.write_table(table.set_column(table.column_names.index("constructed"), "constructed", column), path)
    with pytest.raises(DataError, match="row 2 is not marked as constructed"):
        read_pairs(path)
    column = pa.array(["many"] * 400)
    pq.write_table(table.set_column(table.column_names.index("rating"), "rating", column), path)
    with pytest.raises(DataError, match="no table of constructed pairs"):
        read_pairs(path)


def test_the_data_set_gives_picture_text_embedding_and_metadata(
    pictures: LabelledPictures, pairs: Pairs, tmp_path: Path
) -> None:
    store = ArtifactStore(tmp_path)
    vectors = np.arange(2.0 * len(pairs.reviews), dtype=np.float32).reshape(-1, 2)
    store.write_array("vectors", vectors, producer="a test")
    data = PairDataset(pairs, pictures, store.map_array("vectors"))
    assert len(data) == 400
    assert isinstance(data.embeddings, np.memmap)
    for index in (0, 17, -1):
        item = data[index]
        assert item.index == index % 400
        assert item.picture_id == pairs.picture_ids[index]
        assert (item.pixels == pictures.images[pictures.ids.index(item.picture_id)]).all()
        assert item.pixels.dtype == np.uint8
        assert item.text == pairs.texts[pairs.review_rows[index]]
        assert item.text.endswith(item.review.text)
        assert item.category == item.review.fields["category"]
        assert item.constructed
        assert item.embedding is not None
        assert item.embedding.tolist() == vectors[pairs.review_rows[index]].tolist()
    assert data.categories == tuple(sorted(CLASSES))
    assert PairDataset(pairs, pictures)[3].embedding is None
    with pytest.raises(IndexError):
        data[400]


def test_pictures_or_embeddings_of_something_else_are_refused(
    pictures: LabelledPictures, pairs: Pairs
) -> None:
    with pytest.raises(DataError, match="is not among the 3 pictures given"):
        PairDataset(pairs, pictures.take(np.arange(3)))
    with pytest.raises(DataError, match="5 embeddings for 100 reviews"):
        PairDataset(pairs, pictures, np.zeros((5, 2), np.float32))
