"""What a model takes in of products: pixels, hashed words and pieces of their text, and table values.

B products, P pictures of all of them, L words, S pieces, F table fields; ids of 0 are padding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import numpy as np
from jaxtyping import Float32, Float64, Int64, UInt8
from numpy import ndarray

from shelfwise.config import Section, TableConfig, TitleTowerConfig
from shelfwise.data.class_words import WORD
from shelfwise.data.numbers import number_in
from shelfwise.data.product_rows import ProductRows
from shelfwise.data.review_tokens import TextReader, padded
from shelfwise.data.tokens import hashed
from shelfwise.schema import FieldValue

GRAMS = (3, 4, 5)
"""Lengths of character n-grams."""
ABSURD = 1e9
"""Distance from the median, in widths of the middle half, that no measure of a product has."""


@dataclass(frozen=True)
class ProductInput:
    """Raw input for B products; the networks normalise and embed, so no other place can."""

    pixels: UInt8[ndarray, "P H W C"]
    owner: Int64[ndarray, "P"]
    """Which product each picture is of; ascending."""
    words: Int64[ndarray, "B L"]
    """In their order; for a pretrained tower its tokens, their ids plus one."""
    pieces: Int64[ndarray, "B S"]
    """Pairs of words, then character n-grams; nothing for a pretrained tower."""
    values: Int64[ndarray, "B F"]
    """Each field's hashed value; of a number that of its field."""
    numbers: Float32[ndarray, "B F"]
    """Standardised; 0 where the field is no number."""

    def __len__(self) -> int:
        return len(self.words)


class FieldScale(Section):
    """Mean and deviation of a field's numbers among the training products."""

    mean: float = 0.0
    std: float = 1.0


def words_and_pieces(text: str, config: TitleTowerConfig) -> tuple[list[int], list[int]]:
    """Hashed words of a text, and its pairs of words and character n-grams, cut to what is read.

    Pairs come first, so that a cut loses n-grams first; an n-gram that is a whole word is left out."""
    words = WORD.findall(text.casefold())
    pairs = (f"p:{a} {b}" for a, b in pairwise(words))
    marked = (f"<{word}>" for word in words)
    grams = (f"c:{word[i : i + n]}" for word in marked for n in GRAMS for i in range(len(word) - n + 1))
    return (
        [hashed(f"w:{word}", config.buckets) for word in words[: config.words]],
        [hashed(piece, config.buckets) for piece in islice(chain(pairs, grams), config.pieces)],
    )


def piece_words(text: str, config: TitleTowerConfig) -> list[tuple[int, int]]:
    """Of each piece that `words_and_pieces` makes, the first and the last word that it is of."""
    lengths = [len(word) + 2 for word in WORD.findall(text.casefold())]
    pairs = list(pairwise(range(len(lengths))))
    grams = [
        (place, place) for place, length in enumerate(lengths) for n in GRAMS for _ in range(length - n + 1)
    ]
    return (pairs + grams)[: config.pieces]


def text_input(
    texts: Sequence[str], config: TitleTowerConfig, reader: TextReader | None = None
) -> tuple[Int64[ndarray, "B L"], Int64[ndarray, "B S"]]:
    """Word and piece ids of texts, as wide as the longest.

    `reader` is a pretrained tower's: its token ids are moved up by one, since 0 is padding here."""
    if config.tower == "pretrained":
        if reader is None:
            raise ValueError("a pretrained title tower reads by its tokenizer; none was given")
        ids = [[token + 1 for token in tokens] for tokens in reader.first(texts)]
        return padded(ids), np.zeros((len(texts), 1), np.int64)
    found = [words_and_pieces(text, config) for text in texts]
    return padded([words for words, _ in found]), padded([pieces for _, pieces in found])


def table_input(
    fields: dict[str, tuple[FieldValue, ...]], rows: int, config: TableConfig, scales: dict[str, FieldScale]
) -> tuple[Int64[ndarray, "B F"], Float32[ndarray, "B F"]]:
    """Value ids and standardised numbers of each of `config.fields`; 0 where a product has none."""
    values = np.zeros((rows, len(config.fields)), np.int64)
    numbers = np.zeros((rows, len(config.fields)), np.float32)
    for place, name in enumerate(config.fields):
        scale = scales.get(name, FieldScale())
        for row, value in enumerate(fields[name]):
            if value is None or value == ():
                continue
            number = number_of(value)
            if number is not None:
                if math.isfinite(number):
                    values[row, place] = hashed(f"{name}#", config.buckets)
                    numbers[row, place] = np.clip((number - scale.mean) / scale.std, -10, 10)
                continue
            said = "|".join(sorted(value)) if isinstance(value, tuple) else str(value)
            values[row, place] = hashed(f"{name}={said.casefold()}", config.buckets)
    return values, numbers


def input_of(
    rows: ProductRows,
    places: Int64[ndarray, "B"],
    title: TitleTowerConfig,
    table: TableConfig,
    scales: dict[str, FieldScale],
    reader: TextReader | None = None,
) -> ProductInput:
    """Model input of some of the rows; `reader` as for `text_input`."""
    some = rows.take(places)
    words, pieces = text_input(some.titles, title, reader)
    values, numbers = table_input(some.fields, len(some), table, scales)
    owner = np.repeat(np.arange(len(some)), some.counts)
    return ProductInput(rows.pool[some.places], owner, words, pieces, values, numbers)


def field_scales(rows: ProductRows) -> dict[str, FieldScale]:
    """The scale of each field that holds numbers."""
    found = {}
    for name, values in rows.fields.items():
        found_numbers = (number_of(value) for value in values)
        numbers = np.array([v for v in found_numbers if v is not None and math.isfinite(v)])
        if len(numbers):
            found[name] = scale_of(numbers)
    return found


def scale_of(numbers: Float64[ndarray, "N"]) -> FieldScale:
    """Mean and deviation, without what lies absurdly far from the rest: one code such as 123e45 is read as a
    number, and would make all others the same."""
    low, middle, high = np.percentile(numbers, [25, 50, 75], method="lower")
    with np.errstate(over="ignore"):
        if high > low:
            numbers = numbers[np.abs(numbers - middle) <= ABSURD * (high - low)]
    return FieldScale(mean=float(numbers.mean()), std=float(numbers.std()) or 1.0)


def number_of(value: FieldValue) -> float | None:
    """A field's number. A CSV file and a command line have numbers as text, a Parquet file as numbers; to a
    model they are the same."""
    if isinstance(value, str):
        return number_in(value)
    return value if isinstance(value, float) else None
