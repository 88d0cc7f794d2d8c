"""Do our families agree with the reference grouping, and how fast are they found?

    SHELFWISE_DATA=DIR python benchmarks/families.py

Reads DIR/catalogue-60x80: 37,411 products and `families.csv`, which joins equal titles, files and 256-bit
difference hashes. Agreement is by pairs of products: precision, recall and the adjusted Rand index. Beside
it: what joining all near hashes by connected components does, and the full distance matrix, timed on the
same hashes, in CPU-seconds.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import record
from PIL import Image, ImageEnhance

from shelfwise.config import CatalogConfig, ColumnMap, SplitConfig
from shelfwise.data.catalog import read_pictures
from shelfwise.data.duplicates import near_hashes
from shelfwise.data.families import Fingerprints, assign_families, near_picture_pairs
from shelfwise.data.hashing import difference_hashes, fingerprint, thumbnail_difference, thumbnails
from shelfwise.data.product_pictures import PicturedProduct
from shelfwise.data.splits import part_of

Labels = np.ndarray[Any, np.dtype[np.int64]]
VARIED = 1_000
"""Pictures that are varied to see which variants are recognised."""


def read(table: Path, prints: Fingerprints) -> float:
    """Fingerprint every product; the CPU-seconds that took."""
    columns = ColumnMap(id="id", images=("image",), title="productDisplayName")
    start = time.process_time()
    for item in read_pictures(CatalogConfig(source=str(table), columns=columns)):
        if isinstance(item, PicturedProduct):
            one = fingerprint(item.picture.pixels, item.picture.digest)
            prints.add(item.product.id, item.product.title, [one])
    return time.process_time() - start


def agreement(ours: Labels, reference: Labels) -> dict[str, float]:
    """Precision and recall over pairs of products in one family, and the adjusted Rand index."""

    def pairs(labels: Labels) -> int:
        sizes = np.unique(labels, return_counts=True)[1].astype(np.int64)
        return int((sizes * (sizes - 1) // 2).sum())

    both = pairs(ours * (int(reference.max()) + 1) + reference)
    mine, theirs, every = pairs(ours), pairs(reference), len(ours) * (len(ours) - 1) // 2
    chance = mine * theirs / every
    return {
        "precision": both / mine,
        "recall": both / theirs,
        "adjusted_rand": (both - chance) / ((mine + theirs) / 2 - chance),
    }


def chained(count: int, pairs: Labels) -> int:
    """The largest family when all near pairs are joined by connected components."""
    parents = list(range(count))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for a, b in pairs.tolist():
        parents[root(b)] = root(a)
    return int(np.bincount([root(row) for row in range(count)]).max())


def full_matrix(hashes: np.ndarray[Any, np.dtype[np.uint64]], distance: int) -> int:
    """Near pairs found the obvious way, a block of rows against all later ones."""
    found = 0
    for start in range(0, len(hashes), 256):
        block = hashes[start : start + 256]
        rest = hashes[start:]
        bits = np.zeros((len(block), len(rest)), dtype=np.uint16)
        for word in range(4):
            bits += np.bitwise_count(block[:, None, word] ^ rest[None, :, word])
        row, column = np.nonzero(bits <= distance)
        found += int((column > row).sum())
    return found


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result and its CPU-seconds: the machine may be busy with other things."""
    start = time.process_time()
    return work(), time.process_time() - start


def recognised(table: Path, split: SplitConfig) -> dict[str, float]:
    """The share of pictures whose variant is still near-identical to them, by kind of variant."""
    cells = pl.read_parquet(table, columns=["image"])["image"]
    chosen = cells.gather(list(range(0, len(cells), max(1, len(cells) // VARIED))))
    originals = [Image.open(io.BytesIO(data)).convert("RGB") for data in chosen]
    originals = [picture for picture in originals if picture.size == (60, 80)]

    def jpeg(picture: Image.Image, quality: int) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer)

    variants: dict[str, Callable[[Image.Image], Image.Image]] = {
        "jpeg_quality_75": lambda p: jpeg(p, 75),
        "half_size": lambda p: jpeg(p.resize((30, 40), Image.Resampling.LANCZOS), 90).resize((60, 80)),
        "brightness_1.03": lambda p: jpeg(ImageEnhance.Brightness(p).enhance(1.03), 90),
        "crop_1_pixel_right": lambda p: p.crop((0, 0, 59, 80)).resize((60, 80)),
    }

    def stack(pictures: list[Image.Image]) -> np.ndarray[Any, np.dtype[np.uint8]]:
        return np.stack([np.asarray(picture.convert("RGB")) for picture in pictures])

    base = stack(originals)
    hashes, small = difference_hashes(base), thumbnails(base)
    shares = {}
    for name, vary in variants.items():
        other = stack([vary(picture) for picture in originals])
        bits = np.bitwise_count(hashes ^ difference_hashes(other)).sum(axis=1)
        same = thumbnail_difference(small, thumbnails(other)) <= split.max_pixel_difference
        shares[name] = float((same & (bits <= split.max_distance)).mean())
    return shares


def straddling(ours: list[str], reference: Labels, split: SplitConfig) -> int:
    """Reference families with products in more than one part of our split."""
    parts: dict[int, set[str]] = {}
    for family, group in zip(ours, reference.tolist(), strict=True):
        parts.setdefault(group, set()).add(part_of(family, split))
    return sum(len(found) > 1 for found in parts.values())


def main() -> None:
    """Measure, print and keep."""
    root = os.environ.get("SHELFWISE_DATA")
    if root is None or not (Path(root) / "catalogue-60x80").is_dir():
        sys.exit("SHELFWISE_DATA must name a folder with catalogue-60x80/; not measured")
    folder = Path(root) / "catalogue-60x80"
    split = SplitConfig()
    with Fingerprints() as prints:
        read_seconds = read(folder / "products.parquet", prints)
        pairs, pair_seconds = timed(lambda: near_picture_pairs(prints, split))
        families, join_seconds = timed(lambda: assign_families(prints, split, pairs=pairs))
        banded, banded_seconds = timed(lambda: near_hashes(prints.hashes, None, split.max_distance))
        every, matrix_seconds = timed(lambda: full_matrix(prints.hashes, split.max_distance))
        if every != len(banded):
            sys.exit(f"the banded search found {len(banded)} pairs, the full matrix {every}")
        chain = {str(d): chained(len(prints), near_hashes(prints.hashes, None, d)) for d in (3, 4, 6)}
        table = pl.read_csv(folder / "families.csv", schema_overrides={"id": pl.String, "family": pl.Int64})
        known = dict(table.iter_rows())
        reference = np.array([known[name] for name in prints.ids])
    ours = np.unique(np.array(families), return_inverse=True)[1].astype(np.int64)
    values = {
        "products": len(families),
        "max_distance": split.max_distance,
        "max_pixel_difference": split.max_pixel_difference,
        **agreement(ours, reference),
        "families": int(ours.max()) + 1,
        "reference_families": len(np.unique(reference)),
        "largest": int(np.bincount(ours).max()),
        "reference_largest": int(np.unique(reference, return_counts=True)[1].max()),
        "near_pairs": len(pairs),
        "reference_families_that_straddle": straddling(families, reference, split),
        "largest_if_near_hashes_were_chained": chain,
        "variants_recognised": recognised(folder / "products.parquet", split),
        "cpu_seconds": {"read_and_fingerprint": read_seconds, "group": pair_seconds + join_seconds},
        "search_cpu_seconds": {"banded": banded_seconds, "full_matrix": matrix_seconds},
        "search_speedup": matrix_seconds / banded_seconds,
    }
    record.write("families", values)
    print(f"pairs: precision {values['precision']:.4f}, recall {values['recall']:.4f}")
    print(f"adjusted Rand index {values['adjusted_rand']:.4f}")
    print(f"{values['families']:,} families, the largest of {values['largest']} products")
    print(f"read {read_seconds:.1f} s, group {pair_seconds + join_seconds:.1f} s of CPU time")
    print(f"banded search against the full matrix: {values['search_speedup']:.1f} times as fast")


if __name__ == "__main__":
    main()
