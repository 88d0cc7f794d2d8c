"""Rates: a burst, then so many a second, for each caller by itself."""

from __future__ import annotations

import pytest

from shelfwise.api import rates
from shelfwise.api.rates import Rates


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_free_and_then_the_rate_counts() -> None:
    clock = Clock()
    found = Rates(2.0, 4, clock=clock)
    assert [found.take("a") for _ in range(4)] == [0.0] * 4
    assert found.take("a") == pytest.approx(0.5)
    assert found.take("b") == 0.0
    clock.now = 0.5
    assert found.take("a") == 0.0
    assert found.take("a") > 0


def test_a_request_above_the_burst_is_waited_off() -> None:
    clock = Clock()
    found = Rates(10.0, 5, clock=clock)
    assert found.take("a", 20) == 0.0
    assert found.take("a", 1) == pytest.approx(1.6)
    clock.now = 1.7
    assert found.take("a", 1) == 0.0


def test_what_was_taken_before_is_part_of_a_large_request_and_is_not_lost_where_it_is_refused() -> None:
    clock = Clock()
    found = Rates(5.0, 10, clock=clock)

    def ask(items: int) -> float:
        return found.take("a") or found.take("a", items, held=1)

    assert ask(20) == 0.0
    clock.now = 4.0  # -10 at first: full after 4 s
    assert ask(20) == 0.0
    clock.now = 6.0
    waits = [ask(20)]
    while waits[-1]:  # whoever comes again when told to is answered
        clock.now += waits[-1]
        waits.append(ask(20))
    assert len(waits) <= 3
    assert clock.now == pytest.approx(8.0)


def test_without_a_rate_nothing_is_counted_and_a_keys_own_goes_before() -> None:
    clock = Clock()
    found = Rates(None, 1, clock=clock)
    assert all(found.take("a") == 0.0 for _ in range(100))
    assert found.take("a", rate=1.0) == 0.0
    assert found.take("a", rate=1.0) == pytest.approx(1.0)


def test_callers_are_forgotten_so_that_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_CALLERS", 3)
    found = Rates(1.0, 1, clock=Clock())
    for caller in "abcd":
        found.take(caller)
    assert len(found._buckets) == 3
