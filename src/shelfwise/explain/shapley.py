"""How much each modality says: exact Shapley values over the modalities that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import factorial

from shelfwise.bundle.modalities import subsets


def subsets_of(players: Sequence[str]) -> list[tuple[str, ...]]:
    """All subsets in the players' order, the empty one first: 2^n of them, 8 of three modalities."""
    return [(), *subsets(tuple(players))]


def shapley_values(values: Mapping[tuple[str, ...], float], players: Sequence[str]) -> dict[str, float]:
    """What each player adds, as the mean over all orders of joining (Shapley 1953; arXiv:1705.07874, eq. 4).

    `values` has one for each of `subsets_of(players)`. The sum of what is returned is the value of all
    minus that of none."""
    n = len(players)
    found = {}
    for player in players:
        others = [name for name in players if name != player]
        found[player] = sum(
            factorial(len(some)) * factorial(n - len(some) - 1) / factorial(n)
            * (values[tuple(name for name in players if name in some or name == player)] - values[some])
            for some in subsets_of(others)
        )  # fmt: skip
    return found
