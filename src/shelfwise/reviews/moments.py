"""Count, sum and sum of squares of a stream, and the intervals of means that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt

from shelfwise.reviews.wilson import Z95

_EXACT = (inf, 12.706, 4.303, 3.182, 2.776, 2.571)
"""97.5% quantiles of Student's t for 0 to 5 degrees of freedom."""


@dataclass(slots=True)
class Moments:
    """What is kept of a stream of small numbers such as stars; two add up to that of both streams."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        """Take one more value."""
        self.count += 1
        self.total += value
        self.squares += value * value

    def __iadd__(self, other: Moments) -> Moments:
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        return self

    @property
    def mean(self) -> float | None:
        """Return the mean; None of an empty stream."""
        return self.total / self.count if self.count else None

    @property
    def variance(self) -> float:
        """Return the variance of what the stream is a sample of; 0 for fewer than two values."""
        if self.count < 2:
            return 0.0
        return max(0.0, self.squares - self.total**2 / self.count) / (self.count - 1)


def mean_interval(values: Moments) -> tuple[float, float] | None:
    """Return the 95% interval of the mean by Student's t; None for fewer than two values."""
    if values.count < 2:
        return None
    mean = values.total / values.count
    half = student_t(values.count - 1) * sqrt(values.variance / values.count)
    return mean - half, mean + half


def difference_interval(earlier: Moments, later: Moments) -> tuple[float, float]:
    """Return the 95% interval of the difference of two means, of unequal variances (Welch 1947, Biometrika
    34:28-35). ValueError where either has fewer than two values."""
    if min(earlier.count, later.count) < 2:
        raise ValueError("a difference of means needs two values on either side")
    difference = later.total / later.count - earlier.total / earlier.count
    first, second = earlier.variance / earlier.count, later.variance / later.count
    if first + second == 0:
        return difference, difference
    freedom = (first + second) ** 2 / (first**2 / (earlier.count - 1) + second**2 / (later.count - 1))
    half = student_t(freedom) * sqrt(first + second)
    return difference - half, difference + half


def student_t(freedom: float | int) -> float:
    """Return the 97.5% quantile of Student's t, to 0.5% (Abramowitz and Stegun 1964, 26.7.5)."""
    if freedom < len(_EXACT):
        return _EXACT[int(freedom)]
    z = Z95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
