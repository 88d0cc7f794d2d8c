"""Searching an index: against the obvious loop, side by side, page by page, with reasons."""

from __future__ import annotations

import json
import math
import threading
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from drawn import BRANDS
from small_index import DIMENSION, LABEL, drawn_fields, drawn_stored, drawn_vectors, write_index

from shelfwise.errors import FilterError, SearchError
from shelfwise.schema.search import SearchRequest
from shelfwise.search.index import Index, OpenedIndex
from shelfwise.search.lance_table import StoredProduct
from shelfwise.search.lexical import K1, TITLE_WEIGHT, B
from shelfwise.search.words import terms_of

COUNT = 120
VECTORS = drawn_vectors(COUNT)
QUERY = drawn_vectors(1, seed=9)[0]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> OpenedIndex:
    folder = tmp_path_factory.mktemp("index") / "products"
    write_index(folder, COUNT)
    return OpenedIndex.open(folder)


def ids(index: OpenedIndex, vector: np.ndarray | None = None, **request: object) -> list[str]:
    page = index.search(SearchRequest.model_validate(request), vector)
    return [hit.id for hit in page.hits]


def bm25(words: str) -> dict[int, float]:
    """The obvious way: every product's words counted, one by one."""
    bags = []
    for number in range(COUNT):
        stored = drawn_stored(number)
        bag = Counter({term: TITLE_WEIGHT * n for term, n in Counter(terms_of(stored.title or "")).items()})
        fields = drawn_fields(number)
        for text in [stored.description, fields["brand"], fields["colour"], *fields["tags"]]:
            bag.update(terms_of(text or ""))
        bags.append(bag)
    mean = sum(bag.total() for bag in bags) / COUNT
    scores = {}
    for number, bag in enumerate(bags):
        total = 0.0
        for term in dict.fromkeys(terms_of(words)):
            frequency = sum(term in other for other in bags)
            idf = math.log1p((COUNT - frequency + 0.5) / (frequency + 0.5))
            norm = K1 * (1 - B + B * bag.total() / mean)
            total += idf * bag[term] * (K1 + 1) / (bag[term] + norm) if bag[term] else 0.0
        if total:
            scores[number] = total
    return scores


def cheap(number: int) -> bool:
    fields = drawn_fields(number)
    return fields["price"] is not None and float(fields["price"]) < 40 and fields["brand"] in BRANDS[:3]


CHEAP = f'price < 40 and brand in ("{BRANDS[0]}", "{BRANDS[1].upper()}", "{BRANDS[2]}")'


@pytest.mark.parametrize("filter_", [None, CHEAP, "exists(colour)", "price > 1000"])
def test_the_nearest_are_those_of_the_obvious_loop(index: OpenedIndex, filter_: str | None) -> None:
    kept = [n for n in range(COUNT) if filter_ != CHEAP or cheap(n)]
    if filter_ == "exists(colour)":
        kept = [n for n in range(COUNT) if drawn_fields(n)["colour"] is not None]
    if filter_ == "price > 1000":
        kept = []
    expected = sorted(kept, key=lambda n: -float(VECTORS[n] @ QUERY))[:10]
    page = index.search(SearchRequest(filter=filter_), QUERY)
    assert [hit.id for hit in page.hits] == [f"p{n:04}" for n in expected]
    assert page.total == len(kept)
    assert [hit.score for hit in page.hits] == pytest.approx([float(VECTORS[n] @ QUERY) for n in expected])
    assert page.exact
    assert page.sides == ("vector",)


@pytest.mark.parametrize("filter_", [None, CHEAP])
def test_words_are_ranked_as_the_obvious_bm25_ranks_them(index: OpenedIndex, filter_: str | None) -> None:
    words = "red Shoes of Alder, unheardof"
    scores = {n: s for n, s in bm25(words).items() if filter_ is None or cheap(n)}
    expected = sorted(scores, key=lambda n: (-round(scores[n], 5), n))[:20]
    page = index.search(SearchRequest(words=words, filter=filter_, alpha=0, limit=20))
    assert page.total == len(scores)
    assert page.sides == ("words",)
    assert [hit.score for hit in page.hits] == pytest.approx([scores[n] for n in expected], rel=1e-5)
    assert [hit.id for hit in page.hits] == [f"p{n:04}" for n in expected]


def test_two_sides_are_fused_by_reciprocal_ranks(index: OpenedIndex) -> None:
    words, alpha, k, window = "blue bag", 0.3, 10.0, 30
    near = sorted(range(COUNT), key=lambda n: -float(VECTORS[n] @ QUERY))[:window]
    scores = bm25(words)
    said = sorted(scores, key=lambda n: (-round(scores[n], 5), n))[:window]
    fused: Counter[int] = Counter()
    for weight, ranking in ((alpha, near), (1 - alpha, said)):
        for rank, number in enumerate(ranking, 1):
            fused[number] += weight / (k + rank)
    expected = sorted(fused, key=lambda n: (-fused[n], n))[:15]
    request = SearchRequest(words=words, alpha=alpha, rrf_k=k, window=window, limit=15, explain=True)
    page = index.search(request, QUERY)
    assert [hit.id for hit in page.hits] == [f"p{n:04}" for n in expected]
    assert [hit.score for hit in page.hits] == pytest.approx([fused[n] for n in expected])
    assert page.sides == ("vector", "words")
    assert page.total == COUNT
    for hit, number in zip(page.hits, expected, strict=True):
        why = hit.explanation
        assert why is not None
        assert why.vector is not None
        assert why.words is not None
        assert why.vector.part + why.words.part == pytest.approx(hit.score)
        assert why.vector.score == pytest.approx(float(VECTORS[number] @ QUERY), abs=1e-6)
        assert why.vector.rank == (near.index(number) + 1 if number in near else None)
        assert why.words.rank == (said.index(number) + 1 if number in said else None)
        assert why.words.score == pytest.approx(scores.get(number, 0.0), rel=1e-5)
        assert sum(why.terms.values()) == pytest.approx(why.words.score)


def test_alpha_one_is_vectors_alone_and_zero_words_alone(index: OpenedIndex) -> None:
    by_vector = ids(index, QUERY)
    assert ids(index, QUERY, words="shoe", alpha=1) == by_vector
    assert ids(index, QUERY, words="shoe", alpha=0) == ids(index, None, words="shoe")


def test_pages_join_without_gap_or_repetition(index: OpenedIndex) -> None:
    for vector, request in ((QUERY, {"words": "red bag"}), (None, {"words": "shirt"}), (None, {})):
        whole = ids(index, vector, limit=60, **request)
        parts: list[str] = []
        offset: int | None = 0
        while offset is not None and offset < 60:
            page = index.search(SearchRequest(limit=7, offset=offset, **request), vector)  # type: ignore[arg-type]
            parts += [hit.id for hit in page.hits]
            offset = page.next_offset
        assert parts[: len(whole)] == whole
        assert len(set(parts)) == len(parts)


def test_the_window_is_where_pages_end(index: OpenedIndex) -> None:
    assert index.search(SearchRequest(limit=10, offset=10, window=20), QUERY).next_offset is None
    whole = index.search(SearchRequest(limit=20, window=20), QUERY)
    last = index.search(SearchRequest(limit=10, offset=11, window=20), QUERY)
    assert (last.hits, last.next_offset) == (whole.hits[11:], None)
    assert len(index.search(SearchRequest(words="red bag", limit=100, window=20), QUERY).hits) == 20
    with pytest.raises(SearchError, match="no page begins at offset 20: 20 products are ranked"):
        index.search(SearchRequest(limit=10, offset=20, window=20), QUERY)


@pytest.mark.parametrize("limit", [1, 7, 12, 19, 20, 21])
@pytest.mark.parametrize(("vector", "words"), [(QUERY, None), (QUERY, "red bag"), (None, "red bag")])
def test_every_page_that_another_names_can_be_asked(
    index: OpenedIndex, limit: int, vector: np.ndarray | None, words: str | None
) -> None:
    offset: int | None = 0
    seen: list[str] = []
    while offset is not None:
        page = index.search(SearchRequest(words=words, limit=limit, offset=offset, window=20), vector)
        seen += [hit.id for hit in page.hits]
        offset = page.next_offset
    assert seen == ids(index, vector, words=words, limit=20, window=20)


def test_with_nothing_to_look_for_products_are_listed(index: OpenedIndex) -> None:
    page = index.search(SearchRequest(filter=CHEAP, limit=3))
    kept = [n for n in range(COUNT) if cheap(n)]
    assert [hit.id for hit in page.hits] == [f"p{n:04}" for n in kept[:3]]
    assert (page.total, page.next_offset, page.sides) == (len(kept), 3, ())
    assert page.hits[0].score == 0


def test_a_product_is_not_like_itself(index: OpenedIndex) -> None:
    vector = index.vector_of("p0005")
    np.testing.assert_array_equal(vector, VECTORS[5])
    page = index.search(SearchRequest(like="p0005", limit=20), vector)
    expected = [n for n in sorted(range(COUNT), key=lambda n: -float(VECTORS[n] @ VECTORS[5])) if n != 5]
    assert [hit.id for hit in page.hits] == [f"p{n:04}" for n in expected[:20]]
    assert page.total == COUNT - 1
    with pytest.raises(SearchError, match="no product 'p9999'"):
        index.vector_of("p9999")


def test_hits_say_what_the_shop_says(index: OpenedIndex) -> None:
    (hit,) = index.search(SearchRequest(like="p0005", limit=1, filter="price = 15.5"), VECTORS[10]).hits
    assert hit.id == "p0010"
    assert hit.title == drawn_stored(10).title
    assert hit.image == "images/p0010.png"
    assert hit.fields["tags"] == ("new",)
    assert hit.fields["price"] == "15.5"


def test_highlights_are_where_the_words_stand(index: OpenedIndex) -> None:
    for hit in index.search(SearchRequest(words="SHOES, red")).hits:
        assert hit.title is not None
        marked = [hit.title[span.start : span.end].lower() for span in hit.highlights]
        assert marked == [word.lower() for word in hit.title.split() if word.lower() in ("red", "shoe")]
        assert marked


def test_facets_count_what_was_found(index: OpenedIndex) -> None:
    request = SearchRequest(filter=CHEAP, facets=("brand", "price", "tags", "colour"), limit=1)
    for vector in (None, QUERY):
        brand, price, tags, colour = index.search(request, vector).facets
        kept = [drawn_fields(n) for n in range(COUNT) if cheap(n)]
        counts = Counter(fields["brand"] for fields in kept)
        assert {value.value: value.count for value in brand.values} == counts
        assert [value.count for value in brand.values] == sorted(counts.values(), reverse=True)
        assert sum(part.count for part in price.ranges) == len(kept)
        for part in price.ranges[:-1]:
            inside = sum(part.low <= float(fields["price"]) < part.high for fields in kept)
            assert part.count == inside
        tagged = Counter(tag for fields in kept for tag in fields["tags"])
        assert {value.value: value.count for value in tags.values} == tagged
        assert tags.missing == sum(not fields["tags"] for fields in kept)
        assert colour.missing == sum(fields["colour"] is None for fields in kept)


def test_a_facet_leaves_case_aside_as_filters_do(tmp_path: Path) -> None:
    said = (("Red", ["New", "new"]), ("red", ["new"]), ("Red", ["sale"]), ("blue", []))
    products = [
        StoredProduct(
            f"p{n}", bytes([n]) * 16, None, "shoe", None, json.dumps({"colour": colour, "tags": tags})
        )
        for n, (colour, tags) in enumerate(said)
    ]
    write_index(tmp_path, products=products)
    opened = OpenedIndex.open(tmp_path)
    colour, tags = opened.search(SearchRequest(facets=("colour", "tags"))).facets
    assert [(value.value, value.count) for value in colour.values] == [("Red", 3), ("blue", 1)]
    assert [(value.value, value.count) for value in tags.values] == [("new", 2), ("sale", 1)]
    assert tags.missing == 1
    assert opened.search(SearchRequest(filter='colour = "red"')).total == 3


def test_facets_of_words_alone_count_what_holds_a_word(index: OpenedIndex) -> None:
    page = index.search(SearchRequest(words="denim", facets=("brand",)))
    assert sum(value.count for value in page.facets[0].values) == page.total < COUNT


def test_what_does_not_fit_is_refused(index: OpenedIndex) -> None:
    with pytest.raises(SearchError, match="facets: no field 'brandt'; did you mean brand"):
        index.search(SearchRequest(facets=("brandt",)))
    with pytest.raises(FilterError, match="no field 'prise'"):
        index.search(SearchRequest(filter="prise < 5"), QUERY)
    with pytest.raises(SearchError, match="the vector has 3 numbers"):
        index.search(SearchRequest(), np.zeros(3, np.float32))


def test_words_that_nobody_says_find_nothing_alone_and_do_no_harm_beside_vectors(index: OpenedIndex) -> None:
    page = index.search(SearchRequest(words="zzz qqq", facets=("brand",)))
    assert (page.total, page.hits, page.next_offset) == (0, (), None)
    assert ids(index, QUERY, words="zzz") == ids(index, QUERY)


def test_many_threads_get_the_same_answers(index: OpenedIndex) -> None:
    requests = [SearchRequest(words=w, filter=f) for w in ("red", "bag", "linen") for f in (None, CHEAP)]
    expected = [index.search(request, QUERY) for request in requests]
    wrong: list[int] = []

    def ask(start: int) -> None:
        for turn in range(30):
            place = (start + turn) % len(requests)
            if index.search(requests[place], QUERY) != expected[place]:
                wrong.append(place)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_an_opened_index_is_an_index(index: OpenedIndex) -> None:
    assert isinstance(index, Index)
    assert index.facts.bundle == LABEL
    assert index.facts.dimension == DIMENSION
    assert index.facts.fields == {"brand": "text", "colour": "text", "price": "number", "tags": "texts"}
    assert len(index) == COUNT


def test_an_empty_index_answers(tmp_path: Path) -> None:
    write_index(tmp_path / "none", products=[], vectors=np.zeros((0, DIMENSION), np.float32))
    index = OpenedIndex.open(tmp_path / "none")
    for vector in (None, QUERY):
        assert index.search(SearchRequest(words="red"), vector).hits == ()
