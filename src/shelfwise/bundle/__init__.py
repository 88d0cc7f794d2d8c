"""A trained model's folder: what it says of itself (`info`), and how it is opened and written (`folder`)."""

from shelfwise.bundle.folder import (
    EXPORTS,
    NEEDED,
    AnyBundle,
    Bundle,
    ProductsBundle,
    ReviewsBundle,
    now,
    open_bundle,
    read_task,
    write_bundle,
)
from shelfwise.bundle.info import (
    FORMAT,
    AspectsInfo,
    BundleInfo,
    ProductsInfo,
    ReviewsInfo,
    TargetInfo,
)

__all__ = [
    "EXPORTS",
    "FORMAT",
    "NEEDED",
    "AnyBundle",
    "AspectsInfo",
    "Bundle",
    "BundleInfo",
    "ProductsBundle",
    "ProductsInfo",
    "ReviewsBundle",
    "ReviewsInfo",
    "TargetInfo",
    "now",
    "open_bundle",
    "read_task",
    "write_bundle",
]
