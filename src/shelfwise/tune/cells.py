"""The cells of an ablation: a switch and a seed each, its configuration, and where its results are kept.

OUT/cells/GROUP/SWITCH/seed-0.json   figures; its being there means that the cell is done
                       seed-0.npz    answers row by row, for paired differences
                       seed-0/       the run while it lasts: checkpoints, journal, bundle
                       seed-0.lock   held by the process that trains it
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, reduce
from pathlib import Path
from typing import Any

from shelfwise.config import AblateConfig, AnyConfig, ProductsConfig, ReviewsConfig, changed
from shelfwise.config.ablation import BASELINE
from shelfwise.config.training import NO_EFFECT, without_later
from shelfwise.data.picture_files import files_digest
from shelfwise.errors import ConfigError, DataError

AS_IS = "as configured"
"""The switch of the baseline."""
FORMAT = 1
"""Raised when a cell's files change their meaning: older ones are then trained afresh."""
_FIXED = {
    "task": "an ablation is of one task",
    "ablate": "a switch has no switches",
    "train.seed": "ablate.seeds has the seeds",
}
"""What no switch may set, and why."""


@dataclass(frozen=True)
class Cell:
    """One training of an ablation."""

    group: str
    switch: str
    seed: int
    settings: Mapping[str, Any]
    """What the switch changes."""
    config: AnyConfig
    fingerprint: str
    """Of all that its figures depend on: the configuration and the data's files."""

    def __str__(self) -> str:
        name = self.switch if self.group == BASELINE else f"{self.group}: {self.switch}"
        return f"{name}, seed {self.seed}"

    def path(self, out: Path, suffix: str = "") -> Path:
        """Its folder under the ablation's, or the file beside it."""
        return out / "cells" / self.group / self.switch / f"seed-{self.seed}{suffix}"


@dataclass(frozen=True)
class Plan:
    """All cells of an ablation."""

    config: AnyConfig
    """The baseline: the configuration with `ablate.set` on top, without its ablation."""
    settings: Mapping[str, Any]
    """`ablate.set`."""
    seeds: tuple[int, ...]
    places: dict[tuple[str, str], tuple[Cell, ...]] = field(default_factory=dict)
    """Group and switch to the cells of all seeds; switches that come to the same share theirs."""

    @property
    def baseline(self) -> tuple[Cell, ...]:
        """The configuration as it is, with every seed."""
        return self.places[BASELINE, AS_IS]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell once, one seed after the other, so that a table of fewer seeds is there early."""
        by_seed = zip(*self.places.values(), strict=True)
        return tuple({cell.fingerprint: cell for some in by_seed for cell in some}.values())

    @property
    def groups(self) -> dict[str, list[str]]:
        """Switches by group, the baseline apart."""
        found: dict[str, list[str]] = {}
        for group, switch in self.places:
            if group != BASELINE:
                found.setdefault(group, []).append(switch)
        return found


def plan(config: AnyConfig, ablation: AblateConfig, *, where: str, only: Sequence[str] = ()) -> Plan:
    """The cells of `ablation` on `config`; with `only`, those of some groups and the baseline.

    Every switch is checked before anything is trained: a ConfigError begins with `where` and names group
    and switch. DataError where the data's files are not there."""
    if isinstance(config, ReviewsConfig):
        raise ConfigError(f"config '{where}': reviews cannot be ablated; pictures and products can")
    if isinstance(config, ProductsConfig) and all(
        target.several for target in config.effective_targets.values()
    ):
        raise ConfigError(
            f"config '{where}': no target has one value a product, so that nothing can be compared"
        )
    if not ablation.groups:
        raise ConfigError(
            f"config '{where}': there is no [ablate.groups] with switches; see docs/ablations.md"
        )
    for name in only:
        if name not in ablation.groups:
            near = get_close_matches(name, ablation.groups, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(ablation.groups)}"
            raise ConfigError(f"--only {name}: no such group; {hint}")
    base = _switched(
        config.model_copy(update={"ablate": AblateConfig()}), ablation.set, f"{where}, ablate.set"
    )
    switches: dict[tuple[str, str], Mapping[str, Any]] = {(BASELINE, AS_IS): {}}
    for group, named in ablation.groups.items():
        switches |= {(group, switch): settings for switch, settings in named.items()}
    places: dict[tuple[str, str], tuple[Cell, ...]] = {}
    known: dict[str, Cell] = {}
    looked: dict[str, str] = {}
    for (group, switch), settings in switches.items():
        there = f"{where}, ablate.groups.{group}.{switch}"
        switched = _switched(base, settings, there) if settings else base
        cells = []
        for seed in ablation.seeds:
            seeded = changed(switched, {"train.seed": seed}, where=there)
            cell = Cell(group, switch, seed, settings, seeded, fingerprint(seeded, looked))
            # What comes to the same as an earlier switch is that one's cell, whichever groups are asked for.
            cells.append(known.setdefault(cell.fingerprint, cell))
        places[group, switch] = tuple(cells)
    chosen = {place: cells for place, cells in places.items() if not only or place[0] in (BASELINE, *only)}
    return Plan(base, ablation.set, ablation.seeds, chosen)


def _switched(config: AnyConfig, settings: Mapping[str, Any], where: str) -> AnyConfig:
    """`config` with a switch's settings; ConfigError for one that no switch may have."""
    found = changed(config, settings, where=where)
    for name, why in _FIXED.items():
        before, after = (reduce(getattr, name.split("."), some) for some in (config, found))
        if before != after:
            raise ConfigError(f"config '{where}': {name}: {why}; take it out")
    return found


def fingerprint(config: AnyConfig, looked: dict[str, str]) -> str:
    """A hash of the settings that figures depend on, and of the data's files.

    A table counts by its content, wherever it lies; picture files by name, size and time of change; a folder
    and a checkpoint by name. `looked` keeps what was found of picture files, by catalogue."""
    values = config.model_dump(mode="json", exclude={"name", "ablate"})
    for name in NO_EFFECT:
        values["train"].pop(name, None)
    without_later(values)
    data, split = values["data"], values.get("split", {})
    if pictures := _pictures(config, looked):
        data["pictures"] = pictures
    data["source"] = _identity(data["source"])
    for name in ("folder", "image_root"):
        data.pop(name, None)
    if split.get("families"):
        split["families"] = _identity(split["families"])
    if values.get("zero_shot", {}).get("templates"):
        values["zero_shot"]["templates"] = _identity(values["zero_shot"]["templates"])
    for tower in ("picture", "title"):
        checkpoint = values.get(tower, {}).get("checkpoint")
        if checkpoint and Path(checkpoint).is_dir():
            values[tower]["checkpoint"] = Path(checkpoint).name
    text = json.dumps([FORMAT, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _pictures(config: AnyConfig, looked: dict[str, str]) -> str:
    """What stands for a catalogue's picture files; empty where it has none."""
    if isinstance(config, ReviewsConfig):
        return ""
    key = config.data.model_dump_json()
    if key not in looked:
        looked[key] = files_digest(config.data)
    return looked[key]


def _identity(source: str) -> str:
    """What stands for a data source in a fingerprint; DataError where it is not there."""
    path = Path(source)
    if path.is_file():
        found = path.stat()
        return _digest(path, found.st_size, found.st_mtime_ns)
    if source != "fashion-mnist" and not path.is_dir():
        raise DataError(f"'{source}' not found")
    return path.name


@cache
def _digest(path: Path, _size: int, _changed: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def result_of(cell: Cell, out: Path) -> dict[str, Any] | None:
    """What a finished cell found; None where it is not done, or was done with other settings.

    Of a fusion that hears one modality alone, `questions` say which (`listens`)."""
    if not cell.path(out, ".npz").exists():
        return None
    try:
        found: dict[str, Any] = json.loads(cell.path(out, ".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if found.get("fingerprint") != cell.fingerprint:
        return None
    kind = cell.config.fusion.kind if isinstance(cell.config, ProductsConfig) else None
    if kind in ("picture", "text"):
        found["questions"]["listens"] = [kind]
    return found
