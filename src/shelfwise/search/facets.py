"""How many of the products found have which value: counts by text, and by ranges of numbers."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Bool, Float64, Int64
from numpy import ndarray

from shelfwise.schema.search import Facet, FacetRange, FacetValue
from shelfwise.search.columns import Column, NumberColumn, TextColumn
from shelfwise.search.selection import Selection

VALUES = 20
"""Values that a facet lists at most."""
RANGES = 6
"""Ranges of numbers, about."""
_SAMPLE = 100_000
"""Numbers that the ranges are chosen from."""


def facet_of(name: str, column: Column, found: Selection) -> Facet:
    """The counts of one field among the products found."""
    if isinstance(column, NumberColumn):
        return _of_numbers(name, column, found)
    return _of_texts(name, column, found)


def _of_texts(name: str, column: TextColumn, found: Selection) -> Facet:
    """The most frequent first, equal ones by name; case is left aside, as `=` does.

    Of several texts a product counts once for each."""
    group, spellings = column.spellings
    codes, owners = group[column.codes], column.owners
    if found.mask is not None:
        kept: Bool[ndarray, "M"] = found.mask[owners]
        codes, owners = codes[kept], owners[kept]
    if column.several and len(spellings) < len(column.values):  # one product may have two spellings
        pairs = np.unique(owners.astype(np.int64) * len(spellings) + codes)
        owners, codes = pairs // len(spellings), pairs % len(spellings)
    counts = np.bincount(codes, minlength=len(spellings))
    there = [(-count, spellings[code], count) for code, count in enumerate(counts.tolist()) if count]
    there.sort()
    return Facet(
        field=name,
        kind="text",
        values=tuple(FacetValue(value=value, count=count) for _, value, count in there[:VALUES]),
        other=max(0, len(there) - VALUES),
        missing=found.count - (len(np.unique(owners)) if column.several else len(owners)),
    )


def _of_numbers(name: str, column: NumberColumn, found: Selection) -> Facet:
    """Counts between edges that do not depend on what was found, so that pages and filters keep them."""
    edges = range_edges(column.numbers)
    numbers = column.numbers if found.mask is None else column.numbers[found.mask]
    numbers = numbers[~np.isnan(numbers)]
    if len(edges) < 2:
        return Facet(field=name, kind="number", missing=found.count - len(numbers))
    counts: Int64[ndarray, "R"] = np.histogram(numbers, edges)[0]
    ranges = [
        FacetRange(low=low, high=high, count=count)
        for low, high, count in zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    ]
    outside = len(numbers) - int(counts.sum())
    missing = found.count - len(numbers)
    return Facet(field=name, kind="number", ranges=tuple(ranges), other=outside, missing=missing)


def range_edges(numbers: Float64[ndarray, "N"]) -> Float64[ndarray, "E"]:
    """Round edges of about six ranges that hold nearly all numbers; the outermost ones hold the rest."""
    there = numbers[~np.isnan(numbers)]
    if not len(there):
        return np.zeros(0)
    sample = there[:: max(1, len(there) // _SAMPLE)]
    low, high = np.quantile(sample, [0.02, 0.98])
    least, most = float(there.min()), float(there.max())
    if not math.isfinite(high - low) or high <= low:
        return np.array([least, most if most > least else least + 1])
    step = _round_step((high - low) / RANGES)
    inner = np.arange(math.floor(low / step) + 1, math.ceil(high / step)) * step
    inner = inner[(inner > least) & (inner < most)]
    return np.concatenate([[least], inner, [most]])


def _round_step(step: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... that is not smaller."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= step * (1 - 1e-9))
