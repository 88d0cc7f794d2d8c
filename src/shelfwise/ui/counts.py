"""What a server counts, from Prometheus' text to a few figures for people."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
Sample = tuple[str, dict[str, str], float]


@dataclass(frozen=True)
class RouteCounts:
    """One endpoint since the server began."""

    route: str
    requests: int
    refused: int
    """Answered with a status of 4xx."""
    failed: int
    """Answered with a status of 5xx."""
    median_s: float | None
    p95_s: float | None
    """Upper bounds of the buckets that hold them; None beyond the last one, or where nothing was asked."""


def samples(page: str) -> Iterator[Sample]:
    """Name, labels and value of each line."""
    for line in page.splitlines():
        found = _LINE.match(line)
        if found and not line.startswith("#"):
            yield found[1], dict(_LABEL.findall(found[2] or "")), float(found[3])


def routes(page: str) -> tuple[RouteCounts, ...]:
    """Endpoints that were asked, the most asked first."""
    counts: dict[str, dict[str, int]] = {}
    buckets: dict[str, list[tuple[float, float]]] = {}
    for name, labels, value in samples(page):
        route = labels.get("route", "")
        if name == "shelfwise_requests_total":
            kinds = counts.setdefault(route, {})
            kind = labels.get("status", "")[:1]
            kinds[kind] = kinds.get(kind, 0) + int(value)
        elif name == "shelfwise_request_seconds_bucket":
            buckets.setdefault(route, []).append((float(labels["le"]), value))
    found = [
        RouteCounts(
            route,
            sum(kinds.values()),
            kinds.get("4", 0),
            kinds.get("5", 0),
            quantile(buckets.get(route, []), 0.5),
            quantile(buckets.get(route, []), 0.95),
        )
        for route, kinds in counts.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.requests, one.route)))


def by_model(page: str, name: str) -> dict[str, float]:
    """A figure of each bundle, such as `shelfwise_queue_items`."""
    return {labels["model"]: value for found, labels, value in samples(page) if found == name}


def quantile(buckets: list[tuple[float, float]], share: float) -> float | None:
    """The least bound below which at least `share` of a histogram lies, from its cumulative buckets."""
    ordered = sorted(buckets)
    if not ordered or not ordered[-1][1]:
        return None
    wanted = share * ordered[-1][1]
    bound = next(bound for bound, count in ordered if count >= wanted)
    return bound if bound != float("inf") else None
