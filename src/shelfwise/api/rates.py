"""How fast one caller may ask: a bucket of tokens that fills at a rate (leaky bucket as a meter)."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_CALLERS = 10_000
"""Buckets that are kept; the one that was used longest ago is forgotten, and begins full again."""


class Rates:
    """A bucket for each caller, of `burst` items, filled with `rate` a second."""

    def __init__(
        self, rate: float | None, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, items: int = 1, *, held: int = 0, rate: float | None = None) -> float:
        """0 where the caller may have `items` now; else in how many seconds, and none are taken.

        More than `burst` at once is allowed to whoever has a full bucket, and has to be waited off. `held` of
        the items were taken before, and go back first."""
        rate = rate or self._rate
        if rate is None:
            return 0.0
        now = self._clock()
        left, then = self._buckets.pop(caller, (self._burst, now))
        left = min(self._burst, left + held + (now - then) * rate)
        needed = min(float(items), self._burst)
        allowed = left >= needed
        self._buckets[caller] = (left - items if allowed else left, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (needed - left) / rate
