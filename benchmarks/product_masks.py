"""The words that article types are named by.

    SHELFWISE_DATA=DIR python benchmarks/product_masks.py

writes benchmarks/article_type_words.txt from the training products of configs/catalog.toml: every word
of every article type, in the singular and the plural. `products.py` takes them out of all titles: how much
does a picture add where the title does not say what it is?
"""

from __future__ import annotations

from pathlib import Path

from training_runs import ROOT, data_folder

from shelfwise.config import ProductsConfig, load_run
from shelfwise.data.class_words import class_words
from shelfwise.data.product_rows import load_products
from shelfwise.files import replacing

WORDS = Path(__file__).resolve().parent / "article_type_words.txt"


def shipped_words() -> frozenset[str]:
    """The words in the list."""
    return frozenset(WORDS.read_text(encoding="utf-8").split())


def main() -> None:
    """Write the list."""
    config = load_run(ROOT / "configs" / "catalog.toml", folders=(data_folder("catalogue-60x80"),))
    assert isinstance(config, ProductsConfig)
    train = load_products(config).parts["train"]
    names = {name for name in train.labels[config.targets["category"].labels[-1]] if isinstance(name, str)}
    with replacing(WORDS) as partial:
        partial.write_text("\n".join(sorted(class_words(names))) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
