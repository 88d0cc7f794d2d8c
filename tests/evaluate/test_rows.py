"""Rows to evaluate on come as the bundle was trained: its preparation, its split, its target."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drawn import draw_catalog

from shelfwise.bundle import Bundle
from shelfwise.config import CatalogConfig, ColumnMap, SplitConfig
from shelfwise.data.labelled import LabelledPictures
from shelfwise.evaluate import rows as module
from shelfwise.evaluate.rows import load_rows


@pytest.fixture
def shop(tmp_path: Path) -> CatalogConfig:
    columns = ColumnMap(images=("image",), title="title", labels={"kind": "category", "colour": "colour"})
    return CatalogConfig(source=str(draw_catalog(tmp_path, 80)), columns=columns)


def test_a_catalogue_comes_with_families_and_its_training_rows(
    tiny_bundle: Path, shop: CatalogConfig
) -> None:
    found = load_rows(Bundle.open(tiny_bundle), shop, "test")
    assert found.families is not None
    assert len(found.families) == len(found.rows) > 0
    assert found.train is not None
    assert not set(found.train.ids) & set(found.rows.ids)
    assert set(found.rows.classes) == {"shirt", "trousers", "shoe", "bag"}
    assert (found.failed, found.source) == (0, "products.csv")
    assert load_rows(Bundle.open(tiny_bundle), shop, "train").train is None


def test_another_split_gives_other_rows(tiny_bundle: Path, shop: CatalogConfig) -> None:
    bundle = Bundle.open(tiny_bundle)
    other = load_rows(bundle, shop, "test", SplitConfig(salt="other:"))
    assert other.rows.ids != load_rows(bundle, shop, "test").rows.ids


def test_a_published_data_set_keeps_its_test_rows_and_has_no_families(
    tiny_bundle: Path, drawn_pictures: Callable[..., LabelledPictures], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(config: object, part: str) -> LabelledPictures:
        asked.append(part)
        return drawn_pictures(4)

    monkeypatch.setattr(module, "load_labelled", load)
    found = load_rows(Bundle.open(tiny_bundle), CatalogConfig(), "test")
    assert sorted(asked) == ["test", "train"]
    assert (found.families, found.read, found.failed) == (None, None, 0)
