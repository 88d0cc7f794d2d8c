"""Change over time: reviews by month, quarter or year, and the later half against the earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from shelfwise.reviews.moments import difference_interval
from shelfwise.reviews.tally import Month
from shelfwise.reviews.wilson import newcombe_interval
from shelfwise.schema import Change, PeriodSummary

MOST_MONTHS = 24
"""Reviews that span up to so many months are told by month ..."""
MOST_QUARTERS = 24
"""... and up to so many quarters by quarter; beyond, by year."""

Halves = tuple[Month, Month]


def periods(months: Mapping[int, Month], *, min_mentions: int) -> tuple[PeriodSummary, ...]:
    """Return the periods that have reviews, in order; shares of too few mentions are None."""
    if not months:
        return ()
    span = max(months) - min(months) + 1
    width = 1 if span <= MOST_MONTHS else 3 if span <= 3 * MOST_QUARTERS else 12
    together = months if width == 1 else _together(months, width)
    return tuple(_summary(_name(n * width, width), together[n], min_mentions) for n in sorted(together))


def halves(months: Mapping[int, Month]) -> tuple[Halves, str] | None:
    """Return the earlier and later half of the reviews, and the month that the later one begins with.

    A half is whole months, so the two are as equal as months allow; None where all are of one month."""
    if len(months) < 2:
        return None
    order = sorted(months)
    total, before = sum(month.reviews for month in months.values()), 0
    imbalance = {}
    for number, following in pairwise(order):
        before += months[number].reviews
        imbalance[following] = abs(total - 2 * before)
    cut = min(imbalance, key=lambda number: imbalance[number])
    earlier, later = Month(), Month()
    for number in order:
        (earlier if number < cut else later).merge(months[number])
    return (earlier, later), _name(cut, 1)


def star_change(parts: Halves, *, fewest: int) -> Change | None:
    """Return the change of the mean expected stars; None where a half has fewer than `fewest` reviews."""
    earlier, later = (half.stars for half in parts)
    if min(earlier.count, later.count) < max(fewest, 2):
        return None
    first, second = earlier.total / earlier.count, later.total / later.count
    return _change(first, second, difference_interval(earlier, later))


def aspect_change(parts: Halves, aspect: str, *, fewest: int) -> Change | None:
    """Return the change of an aspect's share of praise; None where a half has under `fewest` mentions."""
    earlier, later = (half.praise_of(aspect) for half in parts)
    if min(earlier[1], later[1]) < max(fewest, 1):
        return None
    return _change(earlier[0] / earlier[1], later[0] / later[1], newcombe_interval(earlier, later))


def _change(earlier: float, later: float, interval: tuple[float, float]) -> Change:
    low, high = interval
    return Change(
        earlier=earlier,
        later=later,
        difference=later - earlier,
        low=low,
        high=high,
        flagged=low > 0 or high < 0,
    )


def _together(months: Mapping[int, Month], width: int) -> dict[int, Month]:
    """`width` months each merged into one."""
    found: dict[int, Month] = {}
    for number, month in months.items():
        found.setdefault(number // width, Month()).merge(month)
    return found


def _summary(name: str, month: Month, min_mentions: int) -> PeriodSummary:
    praise = {aspect: month.praise_of(aspect) for aspect in sorted({aspect for aspect, _ in month.mentions})}
    return PeriodSummary(
        period=name,
        reviews=month.reviews,
        stars=month.stars.mean,
        mentions={aspect: n for aspect, (_, n) in praise.items()},
        share_positive={aspect: k / n if n >= min_mentions else None for aspect, (k, n) in praise.items()},
    )


def _name(number: int, width: int) -> str:
    year, month = divmod(number, 12)
    if width == 12:
        return f"{year:04}"
    return f"{year:04}-Q{month // 3 + 1}" if width == 3 else f"{year:04}-{month + 1:02}"
