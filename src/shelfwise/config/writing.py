"""A configuration as the text of a file that says the same wherever it lies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from shelfwise.config.reading import NO_PATHS, PATHS, AnyConfig

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def config_text(config: AnyConfig, suffix: str) -> str:
    """TOML or JSON (`suffix` .toml or .json) of all that differs from the defaults.

    Files are named by whole paths. ValueError where TOML, which has no null, cannot say it; a configuration
    that was read from TOML never holds such a value."""
    values = {"task": config.task, **config.model_dump(mode="json", exclude_defaults=True)}
    values = whole_paths(values)
    if suffix == ".json":
        return json.dumps(values, indent=2, ensure_ascii=False) + "\n"
    return "\n".join(_lines(values)).strip() + "\n"


def whole_paths(values: dict[str, Any]) -> dict[str, Any]:
    """A dumped configuration with whole paths for the files and folders that it names and that are there."""
    return {
        table: {key: _whole(value) if key in PATHS[table] else value for key, value in found.items()}
        if table in PATHS and isinstance(found, dict)
        else found
        for table, found in values.items()
    }


def toml_key(name: str) -> str:
    """A key as TOML wants it."""
    return name if _BARE.fullmatch(name) else toml_value(name)


def toml_value(value: Any) -> str:
    """A TOML value; JSON's strings are TOML's, but for DEL."""
    if value is None:
        raise ValueError("TOML has no null")
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml_key(k)} = {toml_value(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(values: dict[str, Any], above: str = "") -> list[str]:
    """One table: its values, then the tables in it. An empty one is written too: it is not the default."""
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = [f"{toml_key(key)} = {toml_value(value)}" for key, value in plain.items()]
    for key, value in values.items():
        if isinstance(value, dict):
            name = f"{above}{toml_key(key)}"
            lines += ["", f"[{name}]", *_lines(value, f"{name}.")]
    return lines


def _whole(value: Any) -> Any:
    """The whole path of a file or folder, or of several; anything else as it is."""
    if isinstance(value, list):
        return [_whole(item) for item in value]
    is_path = isinstance(value, str) and value not in NO_PATHS and Path(value).exists()
    return str(Path(value).resolve()) if is_path else value
