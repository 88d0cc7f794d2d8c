"""One figure of several seeds, with an interval that covers both the seeds and the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shelfwise.metrics.bootstrap import Interval, Sampled

_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5% points of Student's t for 2 to 10 values."""


def over_seeds(samples: Sequence[Sampled]) -> Interval:
    """Return the mean over seeds with a 95% interval; NaN bounds where a seed has no value.

    All samples come from the same resamples of the same rows. Two things could have been otherwise: the
    seeds, and the rows. Each has an interval of its own: Student's t over the seeds' values (three are too
    few to be resampled), and the percentiles of the seeds' mean over the resampled rows. As the two are
    independent, the squares of their arms add up (MOVER: Zou & Donner 2008, Statistics in Medicine 27). Of
    paired differences this is the interval of the difference. One seed leaves the rows alone."""
    if not samples:
        raise ValueError("no seed")
    values = np.array([sample.value for sample in samples])
    rows = Sampled(float(values.mean()), np.mean([sample.drawn for sample in samples], axis=0)).interval()
    arm = 0.0
    if len(values) > 1:
        arm = _student(len(values)) * float(values.std(ddof=1)) / len(values) ** 0.5
    low, high = rows.value - rows.low, rows.high - rows.value
    below, above = (float(np.hypot(np.maximum(side, 0.0), arm)) for side in (low, high))
    return Interval(rows.value, rows.value - below, rows.value + above)


def _student(values: int) -> float:
    """The 97.5% point of Student's t for the mean of so many values; beyond ten by its first terms."""
    if values - 2 < len(_STUDENT):
        return _STUDENT[values - 2]
    # Cornish and Fisher's expansion about the normal (Abramowitz & Stegun 26.7.5), good to 1e-3 here.
    z, freedom = 1.959964, values - 1
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
