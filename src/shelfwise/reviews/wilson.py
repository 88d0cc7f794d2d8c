"""Intervals of shares: Wilson's of one, and Newcombe's of the difference of two."""

from __future__ import annotations

from math import sqrt

Z95 = 1.96


def wilson_interval(k: int, n: int, z: float = Z95) -> tuple[float, float]:
    """Return the score interval of a share, `k` of `n` (Wilson 1927, JASA 22(158):209-212).

    It stays within 0 and 1 and is honest for small `n`, where k/n ± z·sqrt(..) is not. ValueError where
    there is nothing to take a share of."""
    if not 0 <= k <= n or n == 0:
        raise ValueError(f"{k} of {n} is no share")
    share, slack = k / n, z * z / n
    centre = (share + slack / 2) / (1 + slack)
    half = z * sqrt(share * (1 - share) / n + slack / (4 * n)) / (1 + slack)
    # At the ends one bound is the share itself, which rounding may miss by a hair.
    return (max(0.0, centre - half) if k else 0.0), (min(1.0, centre + half) if k < n else 1.0)


def newcombe_interval(
    earlier: tuple[int, int], later: tuple[int, int], z: float = Z95
) -> tuple[float, float]:
    """Return the interval of `later` - `earlier`, each (k, n), from their Wilson intervals.

    Newcombe 1998, Statistics in Medicine 17:873-890, method 10."""
    first, second = earlier[0] / earlier[1], later[0] / later[1]
    low_1, high_1 = wilson_interval(*earlier, z)
    low_2, high_2 = wilson_interval(*later, z)
    difference = second - first
    down = sqrt((second - low_2) ** 2 + (high_1 - first) ** 2)
    up = sqrt((high_2 - second) ** 2 + (first - low_1) ** 2)
    return difference - down, difference + up
