"""Prompts that ask for a class in words; the templates are data (`prompts.toml`)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal


@dataclass(frozen=True)
class ClassPrompts:
    """The prompts of each class: `texts[k]` are those of `classes[k]`, at least one each."""

    classes: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]


def class_prompts(
    classes: tuple[str, ...],
    *,
    use: Literal["train", "evaluate"],
    source: str | None = None,
    describe: bool = False,
) -> ClassPrompts:
    """Every template filled with every name of every class.

    Training and evaluation have no template in common. `source` names a data set whose classes have
    other names too (`fashion-mnist`): training sees them all, evaluation asks for the first one only.
    With `describe`, what the class looks like follows its name, where that is known."""
    data = _data()
    names = data["classes"].get(source, {})
    descriptions = data["descriptions"].get(source, {}) if describe else {}
    texts = []
    for label in classes:
        called = names.get(label, [label.lower()])
        if use == "evaluate":
            called = called[:1]
        suffix = f", {descriptions[label]}" if label in descriptions else ""
        texts.append(tuple(template.format(name) + suffix for name in called for template in data[use]))
    return ClassPrompts(classes, tuple(texts))


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads((files("shelfwise.data") / "prompts.toml").read_text(encoding="utf-8"))
