"""What is asked of the products recipe, and whether its figures reach it: a line each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

AHEAD = 0.02
"""Of the linear peers, as an aim."""
PEER = ", beyond its linear peer"
"""How a comparison's line ends."""


@dataclass(frozen=True)
class Bar:
    """A figure's place in the result, and what it should be."""

    what: str
    place: str
    least: float
    """At least this, or at most where `most` is set."""
    aim: float
    form: str = ".1%"
    most: bool = False
    beyond_chance: bool = False
    """The interval must leave 0 below as well."""

    def verdict(self, found: dict[str, Any]) -> dict[str, Any] | None:
        """What was asked and reached, as JSON; None where it was not measured."""
        figure = _look_up(found, self.place)
        if figure is None or figure["value"] is None:
            return None
        value, sign = figure["value"], -1 if self.most else 1
        good = sign * value >= sign * self.least
        if self.beyond_chance:
            good = good and figure["ci95"] is not None and figure["ci95"][0] > 0
        word = "missed" if not good else "aim" if sign * value >= sign * self.aim else "ok"
        kind = "at most" if self.most else "at least"
        asked = f"{kind} {self.least:{self.form}}, aim {self.aim:{self.form}}"
        if self.beyond_chance:
            asked += ", interval above 0"
        return {"what": self.what, "asked": asked, "reached": _shown(figure, self.form), "verdict": word}


BARS = (
    Bar("article type from the picture", "figures.category.picture.accuracy", 0.87, 0.90),
    Bar("  macro-F1", "figures.category.picture.macro_f1", 0.62, 0.72, ".3f"),
    Bar("from the title, beyond TF-IDF", "minus_peers.category.text.accuracy", 0.010, 0.020, "+.2%"),
    Bar("  macro-F1", "minus_peers.category.text.macro_f1", 0.01, 0.03, "+.3f"),
    Bar("from both", "figures.category.both.accuracy", 0.973, 0.983),
    Bar(
        "  beyond the title alone",
        "differences.category.both_minus_text.accuracy",
        *(0.0, 0.0, "+.2%"),
        beyond_chance=True,
    ),
    Bar("from both, type words masked from the titles", "figures.category.masked_both.accuracy", 0.89, 0.92),
    Bar(
        "  beyond the picture alone",
        "differences.category.masked_both_minus_picture.accuracy",
        *(0.0, 0.0, "+.2%"),
        beyond_chance=True,
    ),
    Bar("base colour from the picture", "figures.colour.picture.accuracy", 0.71, 0.78),
    Bar("gender from the picture", "figures.gender.picture.accuracy", 0.88, 0.92),
    Bar("title to picture, recall@10", "retrieval.recall_at_10", 0.58, 0.72, ".3f"),
    Bar("  MRR", "retrieval.mrr", 0.30, 0.42, ".3f"),
    Bar("category name to picture, P@1", "retrieval.name_p_at_1", 0.75, 0.92, ".3f"),
    Bar("  P@10", "retrieval.name_p_at_10", 0.66, 0.85, ".3f"),
    Bar("CPU-seconds of training", "cost.cpu_seconds", 2400, 1200, ",.0f", most=True),
    Bar("peak memory of training, MiB", "cost.peak_memory_mb", 2048, 1024, ",.0f", most=True),
)


def verdicts(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every bar that was measured, then how every target stands to its linear peers."""
    bars = [bar.verdict(found) for bar in BARS]
    return [*(one for one in bars if one is not None), *_against_peers(found)]


def told(verdict: dict[str, Any]) -> str:
    """One line."""
    return f"{verdict['what']:46s} {verdict['reached']:28s} {verdict['asked']:44s} {verdict['verdict']}"


def peers_counted(said: Sequence[dict[str, Any]]) -> dict[str, int]:
    """How many comparisons with a linear peer there are, and how many of these came out which way."""
    words = [line["verdict"] for line in said if line["what"].endswith(PEER)]
    ahead = words.count("ahead") + words.count("aim")
    return {"all": len(words), "ahead": ahead, "ties": words.count("tie"), "behind": words.count("behind")}


def _against_peers(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Ahead or behind where the paired interval leaves 0 out, else a tie."""
    lines = []
    for target, by_place in found["minus_peers"].items():
        for place, figures in by_place.items():
            figure = figures["accuracy"]
            low, high = figure["ci95"] or (0.0, 0.0)
            word = "behind" if high < 0 else "tie" if low <= 0 else "ahead"
            if word == "ahead" and figure["value"] >= AHEAD:
                word = "aim"
            asked = f"ahead, aim {AHEAD:+.2%}"
            what = f"{target} from {place}{PEER}"
            lines.append({"what": what, "asked": asked, "reached": _shown(figure, "+.2%"), "verdict": word})
    return lines


def _look_up(found: Any, place: str) -> dict[str, Any] | None:
    for key in place.split("."):
        if key not in found:
            return None
        found = found[key]
    return dict(found)


def _shown(figure: dict[str, Any], form: str) -> str:
    bounds = figure.get("ci95")
    interval = f" ({bounds[0]:{form}} to {bounds[1]:{form}})" if bounds else ""
    return f"{figure['value']:{form}}{interval}"
