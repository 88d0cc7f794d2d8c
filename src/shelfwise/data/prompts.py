"""Prompts that ask for a class in words; the templates are data (`prompts.toml`, `product_prompts.toml`)."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from shelfwise.data.taxonomy import distinct_ends
from shelfwise.errors import ConfigError

Templates = dict[str, tuple[str, ...]]
"""Prompt templates by target, and those of all others under `default`; each has one `{}`."""


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


def read_templates(path: Path | None = None) -> Templates:
    """The templates in a TOML file, or our own; ConfigError names what is wrong with the file."""
    if path is None:
        text = (files("shelfwise.data") / "product_prompts.toml").read_text(encoding="utf-8")
    else:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise ConfigError(f"zero_shot.templates '{path}' cannot be read: {why}") from None
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"zero_shot.templates '{path}': {error}") from None
    for name, some in found.items():
        if not isinstance(some, list) or not some:
            raise ConfigError(f"zero_shot.templates '{path}': {name} is no list of templates")
        for template in some:
            if not isinstance(template, str) or template.count("{}") != 1:
                raise ConfigError(
                    f"zero_shot.templates '{path}': {name}: {template!r} must hold {{}} once, for a name"
                )
    return {name: tuple(some) for name, some in found.items()}


def target_prompts(target: str, paths: Sequence[tuple[str, ...]], templates: Templates) -> ClassPrompts:
    """Every template of a target filled with the name of every class; ConfigError where it has none.

    A class is called by its last label; where two classes share that, by what is above it too."""
    some = templates.get(target) or templates.get("default")
    if some is None:
        raise ConfigError(f"zero_shot.templates has neither '{target}' nor 'default'")
    names = tuple(_called(end) for end in distinct_ends(paths))
    # `replace`, since a name may hold braces.
    texts = tuple(tuple(template.replace("{}", name) for template in some) for name in names)
    return ClassPrompts(names, texts)


def _called(end: tuple[str, ...]) -> str:
    """`Belt`, `Belt (Men)`, or `Other (Shoes, Men)`."""
    *above, name = end
    return f"{name} ({', '.join(reversed(above))})" if above else name
