"""A small products configuration over a drawn catalogue, for tests of training and prediction."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from zlib import crc32

from shelfwise.config import ProductsConfig


def products_config(source: Path, **sections: Any) -> ProductsConfig:
    """Reads what `drawn.draw_catalog` writes; tables of settings are merged key by key."""
    values: dict[str, Any] = {
        "task": "products",
        "name": "tiny",
        "data": {
            "source": str(source),
            "columns": {
                "images": ["image"],
                "title": "title",
                "labels": {"category": "category", "colour": "colour"},
            },
        },
        "preprocess": {"height": 24, "width": 24, "channels": 3, "fit": "pad"},
        "picture": {"stem": 8, "widths": [16, 16], "depths": [1, 1], "downsample": ["pool", "pool"]},
        "title": {"buckets": 512, "width": 32},
        "fusion": {"width": 32},
        "shared": {"width": 16},
        "train": {
            "optimizer": "adamw",
            "lr": 1e-2,
            "epochs": 24,
            "batch_size": 32,
            "warmup": 0.1,
            "channels_last": False,
            "device": "cpu",
        },
    }
    for name, section in sections.items():
        values[name] = values[name] | section if isinstance(values.get(name), dict) else section
    return ProductsConfig.model_validate(values)


def shelved_data(table: Path, folder: Path) -> dict[str, Any]:
    """`data` of the same catalogue with one more label, `place`, which the field `shelf` alone can tell."""
    path = folder / "shelved.csv"
    with table.open(encoding="utf-8") as read, path.open("w", encoding="utf-8") as write:
        rows = list(csv.DictReader(read))
        writer = csv.DictWriter(write, [*rows[0], "place", "shelf"])
        writer.writeheader()
        for row in rows:
            place = "ABCD"[crc32(row["id"].encode()) % 4]
            writer.writerow(row | {"place": place, "shelf": f"shelf {place}"})
    labels = {"place": "place", "colour": "colour"}
    columns = {"images": ["image"], "title": "title", "labels": labels, "fields": {"shelf": "shelf"}}
    return {"source": str(path), "image_root": str(table.parent), "columns": columns}
