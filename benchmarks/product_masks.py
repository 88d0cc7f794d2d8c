"""The words that article types are named by, and titles without them.

    SHELFWISE_DATA=DIR python benchmarks/product_masks.py

writes benchmarks/article_type_words.txt from the training products of configs/catalog.toml: every word
of every article type, in the singular and the plural. `products.py` takes them out of all titles: how much
does a picture add where the title does not say what it is?
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from training_runs import ROOT, data_folder

from shelfwise.config import ProductsConfig, load_run
from shelfwise.data.product_rows import load_products
from shelfwise.files import replacing

WORDS = Path(__file__).resolve().parent / "article_type_words.txt"
_WORD = re.compile(r"[^\W_]+")
"""As titles are divided for the text tower."""


def type_words(names: Iterable[str]) -> list[str]:
    """Every word of the names, lower case, with its singular and plural, sorted."""
    words = {word for name in names for word in _WORD.findall(name.casefold())}
    return sorted(words.union(*map(_numbers, words)))


def masked(title: str, words: Collection[str]) -> str:
    """The title without these words; what stood between words is a space."""
    return " ".join(word for word in _WORD.findall(title) if word.casefold() not in words)


def shipped_words() -> frozenset[str]:
    """The words in the list."""
    return frozenset(WORDS.read_text(encoding="utf-8").split())


def _numbers(word: str) -> set[str]:
    """How else the word may end, by the rules of English; what is no word does no harm."""
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return {word[:-2]}
    if word.endswith("ies"):
        return {word[:-1], f"{word[:-3]}y"}
    if word.endswith("ves"):
        return {word[:-1], f"{word[:-3]}f"}
    if word.endswith("s") and not word.endswith("ss"):
        return {word[:-1]}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return {f"{word}es"}
    return {f"{word[:-1]}ies" if word.endswith("y") and word[-2:-1] not in set("aeiou") else f"{word}s"}


def main() -> None:
    """Write the list."""
    config = load_run(ROOT / "configs" / "catalog.toml", folders=(data_folder("catalogue-60x80"),))
    assert isinstance(config, ProductsConfig)
    train = load_products(config).parts["train"]
    names = {name for name in train.labels[config.targets["category"].labels[-1]] if isinstance(name, str)}
    with replacing(WORDS) as partial:
        partial.write_text("\n".join(type_words(names)) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
