"""Figures of several seeds as one: mean, values, and a 95% interval of the mean by Student's t."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}
"""97.5% points of Student's t by the number of values."""


def over_seeds(values: Sequence[float]) -> dict[str, Any]:
    """Return {"mean": .., "ci95": [low, high], "values": [..]}; no interval of a single value."""
    mean, half = float(np.mean(values)), None
    if len(values) > 1:
        half = STUDENT.get(len(values), 2.0) * float(np.std(values, ddof=1)) / len(values) ** 0.5
    interval = None if half is None else [round(mean - half, 5), round(mean + half, 5)]
    return {"mean": round(mean, 5), "ci95": interval, "values": [round(float(value), 5) for value in values]}
