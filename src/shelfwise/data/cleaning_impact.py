"""What cleaning does to a file of texts, repair by repair, in numbers and samples; bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shelfwise.config import CleanConfig
from shelfwise.data.cleaning import REPAIRS, clean

SAMPLES = 4
"""Samples kept of each repair."""
_WINDOW = 100


@dataclass
class RepairImpact:
    """What one repair, or all of them together, did to the texts it was given."""

    texts: int = 0
    changed: int = 0
    emptied: int = 0
    """Texts that had something but white space, and have nothing now."""
    before: int = 0
    """Characters that went in."""
    after: int = 0
    """Characters that came out."""
    samples: list[tuple[str, str]] = field(default_factory=list)
    """Before and after, around the first difference, of the first texts that were changed."""

    def add(self, before: str, after: str) -> None:
        """Count one text."""
        self.texts += 1
        self.before += len(before)
        self.after += len(after)
        if before == after:
            return
        self.changed += 1
        self.emptied += not after.strip() and bool(before.strip())
        if len(self.samples) < SAMPLES:
            self.samples.append(_difference(before, after))

    def as_dict(self) -> dict[str, Any]:
        """The counts for a JSON file."""
        texts = max(self.texts, 1)
        return {
            "texts": self.texts,
            "changed": self.changed,
            "emptied": self.emptied,
            "characters": {
                "before": {"total": self.before, "mean": self.before / texts},
                "after": {"total": self.after, "mean": self.after / texts},
            },
            "samples": [{"before": before, "after": after} for before, after in self.samples],
        }


@dataclass
class CleaningImpact:
    """The impact of each repair that is switched on, and of `clean` as a whole."""

    config: CleanConfig
    repairs: dict[str, RepairImpact] = field(init=False)
    overall: RepairImpact = field(default_factory=RepairImpact)

    def __post_init__(self) -> None:
        self.repairs = {name: RepairImpact() for name in REPAIRS if getattr(self.config, name)}

    def add(self, text: str) -> str:
        """Count one raw text; returns it cleaned."""
        step = text
        for name, impact in self.repairs.items():
            repaired = REPAIRS[name](step)
            impact.add(step, repaired)
            step = repaired
        cleaned = clean(step, self.config)
        self.overall.add(text, cleaned)
        return cleaned

    def as_dict(self) -> dict[str, Any]:
        """All counts for a JSON file."""
        repairs = {name: impact.as_dict() for name, impact in self.repairs.items()}
        return {"overall": self.overall.as_dict(), "repairs": repairs}


def cleaning_impact(texts: Iterable[str], config: CleanConfig) -> CleaningImpact:
    """What cleaning would do to the texts; they are read once and none is kept but a few samples."""
    impact = CleaningImpact(config)
    for text in texts:
        impact.add(text)
    return impact


def _difference(before: str, after: str) -> tuple[str, str]:
    """Both texts from a little before the place where they part."""
    same = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    start = max(0, min(len(before), len(after)) if same is None else same - _WINDOW // 3)
    if same is None:  # the end was cut off, or added to
        start = max(0, start - _WINDOW // 2)
    return _excerpt(before, start), _excerpt(after, start)


def _excerpt(text: str, start: int) -> str:
    part = text[start : start + _WINDOW]
    return ("…" if start else "") + part + ("…" if start + _WINDOW < len(text) else "")
