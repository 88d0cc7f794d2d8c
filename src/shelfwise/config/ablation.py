"""What an ablation compares: named switches in groups, each a few settings changed, over some seeds."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from shelfwise.config.section import Section, is_plain

BASELINE = "baseline"
"""Where the results of the configuration as it is are kept; no group may have this name."""


class AblateConfig(Section):
    """Of `shelfwise ablate`: what to change, one switch at a time, and with which seeds."""

    seeds: tuple[int, ...] = Field(default=(0, 1, 2), min_length=1)
    """Every switch, and the configuration as it is, is trained once with each."""
    set: dict[str, Any] = {}
    """Settings of all trainings, named as after `--set`: `"train.epochs" = 4` makes a cheap ablation."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    """Switches by group, each with its settings: `late = { "fusion.kind" = "late" }`."""

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"a seed stands twice in {list(seeds)}")
        return seeds

    @field_validator("groups")
    @classmethod
    def _named(cls, groups: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, dict[str, Any]]]:
        for group, switches in groups.items():
            if group == BASELINE:
                raise ValueError(f"'{BASELINE}' is the configuration as it is; name the group otherwise")
            for name in (group, *switches):
                if not is_plain(name):
                    raise ValueError(
                        f"'{name}' is a folder's name too: printable, without / \\ @, no dot first"
                    )
        return groups
