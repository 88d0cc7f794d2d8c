"""A small products bundle whose classes share their finest names: every colour has a shoe."""

from __future__ import annotations

from pathlib import Path

from small_products import products_config

from shelfwise.train.products import train_products


def train_named_alike(products_table: Path, folder: Path) -> None:
    """Train it on what `drawn.draw_catalog` wrote; the bundle is in `folder / "bundle"`."""
    targets = {"kind": {"labels": ["colour", "category"]}}
    train_products(products_config(products_table, targets=targets, train={"epochs": 4}), folder)
