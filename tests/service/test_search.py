"""A searcher: words, pictures, likeness; the bundle it needs, and an index that changes under it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from drawn import KINDS, draw_catalog, draw_garment, title_of

from shelfwise.config import CatalogConfig, ColumnMap
from shelfwise.enrich.index import index_catalog
from shelfwise.errors import SearchError
from shelfwise.predict.embedder import open_embedder
from shelfwise.schema import Picture
from shelfwise.schema.search import SearchRequest
from shelfwise.search.writer import open_writer
from shelfwise.service.search import Searcher

COLUMNS = ColumnMap(images=("image",), title="title", fields={"category": "category", "colour": "colour"})


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_catalog(tmp_path_factory.mktemp("shop"), 80, seed=0, size=24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, shop: Path, tiny_products_bundle: Path) -> Path:
    out = tmp_path_factory.mktemp("searcher") / "index"
    index_catalog(open_embedder(tiny_products_bundle), CatalogConfig(source=str(shop), columns=COLUMNS), out)
    return out


@pytest.fixture(scope="module")
def searcher(folder: Path) -> Searcher:
    return Searcher.open(folder)


def test_a_product_is_found_by_its_title_and_by_its_picture(searcher: Searcher, shop: Path) -> None:
    title = title_of(KINDS[1], 1)
    assert searcher.search(SearchRequest(words=title)).hits[0].id == "p0001"
    picture = Picture(path=str(shop.parent / "images" / "p0001.png"))
    both = searcher.search(SearchRequest(words=title, image=picture, alpha=1))
    assert both.hits[0].id == "p0001"
    assert both.hits[0].score == pytest.approx(1, abs=1e-4)


def test_pictures_find_their_kind(searcher: Searcher, tmp_path: Path) -> None:
    draw_garment("bag", 5_000, 24).save(tmp_path / "bag.png")
    page = searcher.search(SearchRequest(image=Picture(path="bag.png")), tmp_path)
    assert page.sides == ("vector",)
    assert [hit.fields["category"] for hit in page.hits].count("bag") >= 7
    data = Picture(data=(tmp_path / "bag.png").read_bytes())
    assert searcher.search(SearchRequest(image=data)) == page


def test_likeness_can_be_turned_by_words(searcher: Searcher) -> None:
    alike = searcher.search(SearchRequest(like="p0002"))
    assert "p0002" not in [hit.id for hit in alike.hits]
    assert alike.total == 79
    turned = searcher.search(SearchRequest(like="p0002", words="bag", limit=5))
    assert turned.sides == ("vector", "words")
    assert all(hit.id != "p0002" for hit in turned.hits)


def test_filters_hold_for_every_kind_of_search(searcher: Searcher) -> None:
    for request in (
        SearchRequest(words="red", filter='category = "bag"'),
        SearchRequest(like="p0002", filter='category = "bag"'),
        SearchRequest(filter='category = "bag"'),
    ):
        page = searcher.search(request)
        assert page.hits
        assert {hit.fields["category"] for hit in page.hits} == {"bag"}


def test_a_picture_that_is_none_is_refused(searcher: Searcher, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(SearchError, match="the picture cannot be used"):
        searcher.search(SearchRequest(words="bag", image=Picture(path="bad.png")), tmp_path)


def test_without_its_bundle_words_still_find(folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(folder, tmp_path / "moved")
    facts = moved / "index.json"
    text = facts.read_text().replace("bundle_path", "bundle_path").replace("tiny-products", "gone-products")
    facts.write_text(text)
    searcher = Searcher.open(moved)
    assert not searcher.embeds
    page = searcher.search(SearchRequest(words=title_of(KINDS[1], 1)))
    assert page.sides == ("words",)
    assert page.hits[0].id == "p0001"
    assert searcher.search(SearchRequest(like="p0001")).sides == ("vector",)
    with pytest.raises(SearchError, match="a picture needs bundle tiny@") as error:
        searcher.search(SearchRequest(image=Picture(path="x.png")))
    assert "gone-products" not in str(error.value)
    assert "--" not in str(error.value)


def test_another_bundle_is_refused_with_both_names(folder: Path, tiny_bundle: Path) -> None:
    with pytest.raises(SearchError) as error:
        Searcher.open(folder, tiny_bundle)
    own, other = Searcher.open(folder).facts.bundle, open_embedder(tiny_bundle).bundle.label
    assert own in str(error.value)
    assert other in str(error.value)
    assert "shelfwise index" in str(error.value)


def test_what_is_published_is_taken_up(folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "copy")
    searcher = Searcher.open(copy)
    assert not searcher.refresh()
    facts = searcher.facts
    with open_writer(copy, label=facts.bundle, dimension=facts.dimension) as writer:
        writer.delete(["p0000"])
        writer.publish()
    assert searcher.search(SearchRequest()).total == 80
    assert searcher.refresh()
    assert searcher.search(SearchRequest()).total == 79
    assert not searcher.refresh()


@pytest.mark.parametrize("words", ["", "  ", "\n"])
def test_empty_words_are_nothing_to_look_for(searcher: Searcher, words: str) -> None:
    for others in ({}, {"filter": 'category = "bag"'}, {"like": "p0002"}, {"alpha": 0.0}):
        asked = SearchRequest.model_validate({"words": words, **others})
        assert searcher.search(asked) == searcher.search(SearchRequest.model_validate(others))


def test_words_without_a_letter_have_numbers_for_scores(searcher: Searcher) -> None:
    assert np.isfinite([hit.score for hit in searcher.search(SearchRequest(words="?!")).hits]).all()
