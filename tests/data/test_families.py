"""Families: planted variants stay together, nothing chains, and the order of rows does not matter."""

from __future__ import annotations

import hashlib
import io
import itertools
import os
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drawn import KINDS, draw_garment
from PIL import Image, ImageEnhance

from shelfwise.config import SplitConfig
from shelfwise.data.families import (
    Fingerprints,
    assign_families,
    near_picture_pairs,
    normalise_title,
    picture_groups,
)
from shelfwise.data.hashing import Fingerprint, fingerprint
from shelfwise.data.pictures import decode
from shelfwise.data.splits import part_of

SPLIT = SplitConfig()
Row = tuple[str, str | None, list[Fingerprint]]


def encoded(picture: Image.Image, form: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def printed(data: bytes) -> Fingerprint:
    picture = decode(data)
    return fingerprint(picture.pixels, picture.digest)


def families_of(rows: list[Row], split: SplitConfig = SPLIT) -> dict[str, str]:
    with Fingerprints() as prints:
        for row in rows:
            prints.add(*row)
        return dict(zip(prints.ids, assign_families(prints, split), strict=True))


def planted(count: int) -> list[list[Row]]:
    """For each of `count` garments: the listing and five variants of it, under ids of their own."""
    groups = []
    for i in range(count):
        picture = draw_garment(KINDS[i % 4], 1000 + i, 224)
        other = draw_garment(KINDS[(i + 1) % 4], 5000 + i, 224)
        data = encoded(picture)
        brighter = ImageEnhance.Brightness(picture).enhance(1.03)
        cropped = picture.crop((1, 1, 223, 223))
        versions: list[tuple[str | None, bytes]] = [
            (f"Garment number {i}", data),
            (f"garment  NUMBER, {i}!", encoded(other)),
            (f"another title {i}", data),
            (f"re-encoded {i}", encoded(picture, "JPEG", quality=80)),
            (None, encoded(brighter, "JPEG", quality=90)),
            ("", encoded(cropped)),
        ]
        ids = [f"{random.Random(f'{i} {k}').getrandbits(40):010x}" for k in range(len(versions))]
        groups.append([(ids[k], title, [printed(file)]) for k, (title, file) in enumerate(versions)])
    return groups


def test_planted_variants_never_straddle_the_split() -> None:
    groups = planted(40)
    families = families_of([row for group in groups for row in group])
    for group in groups:
        assert len({families[row[0]] for row in group}) == 1
        assert len({part_of(families[row[0]], SPLIT) for row in group}) == 1
    assert len(set(families.values())) == 40
    assert {part_of(f, SPLIT) for f in families.values()} == {"train", "validation", "test"}


def test_families_do_not_depend_on_the_order_of_rows() -> None:
    rows = [row for group in planted(12) for row in group]
    expected = families_of(rows)
    for seed in range(3):
        shuffled = random.Random(seed).sample(rows, len(rows))
        assert families_of(shuffled) == expected
    assert all(family == min(i for i, f in expected.items() if f == family) for family in expected.values())


def fading(steps: int) -> list[Fingerprint]:
    """Pictures that turn from dark to light grey in steps that are near, from end to end far apart."""
    prints = []
    for step in range(steps):
        pixels = np.full((64, 64, 3), 255, dtype=np.uint8)
        pixels[12:52, 12:52] = 20 + 4 * step
        prints.append(fingerprint(pixels, hashlib.sha256(pixels.tobytes()).digest()))
    return prints


def test_near_pictures_do_not_chain_into_one_family() -> None:
    with Fingerprints() as prints:
        for step, one in enumerate(fading(30)):
            prints.add(f"{step:02}", None, [one])
        pairs = near_picture_pairs(prints, SPLIT)
        groups = picture_groups(prints, pairs)
        families = assign_families(prints, SPLIT)
    near = {tuple(pair) for pair in pairs.tolist()}
    assert all((i, i + 1) in near for i in range(29)), "each step is near the next one"
    assert all((leader, i) in near or leader == i for i, leader in enumerate(groups))
    sizes = np.unique(families, return_counts=True)[1]
    assert len(sizes) > 5
    assert sizes.max() <= 3


def test_a_product_with_several_pictures_joins_the_families_of_all() -> None:
    a, b, c = (printed(encoded(draw_garment(kind, 7))) for kind in KINDS[:3])
    families = families_of([("1", None, [a]), ("2", None, [b]), ("3", None, [c, b]), ("4", None, [c, a])])
    assert set(families.values()) == {"1"}


def test_products_without_title_or_picture_stand_alone() -> None:
    assert families_of([("b", None, []), ("a", " - ", []), ("c", "", [])]) == {"a": "a", "b": "b", "c": "c"}
    assert families_of([]) == {}


@pytest.mark.parametrize(
    ("title", "normal"),
    [
        ("Nike  MEN T-Shirt", "nike men t shirt"),
        ("Ｎｉｋｅ", "nike"),
        ("Straße", "strasse"),
        (" !? ", ""),
        (None, ""),
    ],
)
def test_titles_are_compared_by_their_words(title: str | None, normal: str) -> None:
    assert normalise_title(title) == normal


def test_families_agree_with_the_reference_grouping_of_a_real_catalogue() -> None:
    """A tenth of the families; `benchmarks/families.py` measures all of them."""
    root = os.environ.get("SHELFWISE_DATA")
    if root is None or not (Path(root) / "catalogue-60x80").is_dir():
        pytest.skip("SHELFWISE_DATA does not name a folder with catalogue-60x80")
    folder = Path(root) / "catalogue-60x80"
    columns = ["id", "productDisplayName", "image"]
    table = pl.read_parquet(folder / "products.parquet", columns=columns)
    known = dict(pl.read_csv(folder / "families.csv", infer_schema=False).iter_rows())
    rows = [
        (name, title, [printed(data)])
        for name, title, data in table.iter_rows()
        if int(known[name]) % 10 == 0
    ]
    ours = families_of(rows)
    pairs: list[set[tuple[str, str]]] = []
    for families in (ours, known):
        groups: dict[str, list[str]] = {}
        for name, *_ in rows:
            groups.setdefault(families[name], []).append(name)
        pairs.append({pair for group in groups.values() for pair in itertools.combinations(group, 2)})
    mine, reference = pairs
    assert len(mine & reference) / len(mine) > 0.9
    assert len(mine & reference) / len(reference) > 0.99
