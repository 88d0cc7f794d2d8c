"""A trained model's folder: what it says of itself (`info`), and how it is opened and written (`folder`)."""

from shelfwise.bundle.folder import (
    EXPORTS,
    NEEDED,
    RANGES,
    AnyBundle,
    Bundle,
    ProductsBundle,
    ReviewsBundle,
    annotate,
    now,
    open_bundle,
    read_task,
    write_bundle,
    write_card,
)
from shelfwise.bundle.info import (
    FORMAT,
    AspectsInfo,
    BundleInfo,
    ProductsInfo,
    ReviewsInfo,
    TargetInfo,
    UnlikeInfo,
)
from shelfwise.bundle.serving import DEFAULTS, default_bundle, slim

__all__ = [
    "DEFAULTS",
    "EXPORTS",
    "FORMAT",
    "NEEDED",
    "RANGES",
    "AnyBundle",
    "AspectsInfo",
    "Bundle",
    "BundleInfo",
    "ProductsBundle",
    "ProductsInfo",
    "ReviewsBundle",
    "ReviewsInfo",
    "TargetInfo",
    "UnlikeInfo",
    "annotate",
    "default_bundle",
    "now",
    "open_bundle",
    "read_task",
    "slim",
    "write_bundle",
    "write_card",
]
