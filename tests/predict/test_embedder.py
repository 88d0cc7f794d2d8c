"""Vectors for search: of products, and of what is looked for, by both kinds of bundles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn import draw_garment, title_of

from shelfwise.errors import BundleError
from shelfwise.predict.embedder import Embedder, NoVector, PictureEmbedder, ProductEmbedder, open_embedder
from shelfwise.schema import Picture, Product


def product(number: int, folder: Path, kind: str = "shoe") -> Product:
    name = f"{number}.png"
    draw_garment(kind, number, 24).save(folder / name)
    return Product(id=str(number), images=(Picture(path=name),), title=title_of(kind, number))


def test_a_product_asked_for_by_its_own_title_and_picture_is_itself(
    tiny_products_bundle: Path, tmp_path: Path
) -> None:
    embedder = open_embedder(tiny_products_bundle)
    assert isinstance(embedder, ProductEmbedder)
    assert isinstance(embedder, Embedder)
    some = [product(n, tmp_path) for n in range(3)]
    vectors = embedder.embed(some, tmp_path)
    for one, vector in zip(some, vectors, strict=True):
        assert isinstance(vector, np.ndarray)
        assert len(vector) == embedder.dimension
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-4)
        asked = embedder.ask(one.title, one.images[0], tmp_path)
        np.testing.assert_allclose(asked, vector, atol=1e-5)
    by_words = embedder.ask(some[0].title, None)
    assert isinstance(by_words, np.ndarray)
    assert not np.allclose(by_words, vectors[0], atol=1e-3)
    assert embedder.embed([]) == []


@pytest.mark.parametrize("bundle", ["tiny_products_bundle", "tiny_bundle"])
def test_what_has_no_vector_says_why_and_fails_alone(
    bundle: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    embedder = open_embedder(request.getfixturevalue(bundle))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    bad = (Picture(path="bad.png"),)
    some = [
        Product(id="nothing"),
        product(1, tmp_path),
        Product(id="bad", images=bad),
        Product(id="titled", images=bad, title="red shoe"),
        Product(id="missing", images=(Picture(path="missing.png"),)),
    ]
    found = embedder.embed(some, tmp_path)
    assert [isinstance(one, NoVector) for one in found] == [True, False, True, False, True]
    kinds = [one.kind for one in found if isinstance(one, NoVector)]
    assert kinds == ["nothing_known", "not_a_picture", "picture_missing"]
    assert isinstance(embedder.ask("red shoe", bad[0], tmp_path), NoVector)
    assert isinstance(embedder.ask(None, None), NoVector)


def test_a_pictures_bundle_asks_by_the_mean_of_words_and_picture(tiny_bundle: Path, tmp_path: Path) -> None:
    embedder = open_embedder(tiny_bundle)
    assert isinstance(embedder, PictureEmbedder)
    one = product(1, tmp_path)
    both, words, picture = (
        embedder.ask(title, image, tmp_path)
        for title, image in (("shoe", one.images[0]), ("shoe", None), (None, one.images[0]))
    )
    total = np.asarray(words) + np.asarray(picture)
    np.testing.assert_allclose(both, total / np.linalg.norm(total), atol=1e-6)


def test_a_bundle_without_a_shared_space_is_refused(several_bundle: Path, tiny_reviews_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"no shared space; train it with shared\.loss"):
        open_embedder(several_bundle)
    with pytest.raises(BundleError, match="is a reviews bundle; search needs one of products or pictures"):
        open_embedder(tiny_reviews_bundle)
