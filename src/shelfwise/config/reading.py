"""Configuration files: TOML or JSON read into validated models, with `--set a.b=value` on top."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from shelfwise.config.ablation import AblateConfig
from shelfwise.config.pictures import Config
from shelfwise.config.products import ProductsConfig
from shelfwise.config.reviews import ReviewsConfig
from shelfwise.config.section import Section
from shelfwise.errors import ConfigError

AnyConfig = Config | ReviewsConfig | ProductsConfig
C = TypeVar("C", Config, ReviewsConfig, ProductsConfig)
S = TypeVar("S", bound=Section)

TASKS: dict[str, type[Config] | type[ReviewsConfig] | type[ProductsConfig]] = {
    "pictures": Config,
    "reviews": ReviewsConfig,
    "products": ProductsConfig,
}
PATHS = {
    "data": ("source", "image_root", "folder"),
    "split": ("families",),
    "zero_shot": ("templates",),
    "aspects": ("terms", "labels", "validation_labels"),
    "distill": ("teachers",),
    **dict.fromkeys(("picture", "title", "encoder"), ("checkpoint",)),
}
"""Settings that are, or may be, paths, by table."""
NO_PATHS = ("fashion-mnist", "minilm")
"""Names that stand in a path's place and mean none, whatever lies there."""


def read_mapping(path: Path) -> dict[str, Any]:
    """The content of a TOML or JSON file as a dict; a missing or malformed file is a ConfigError."""
    if path.suffix not in (".toml", ".json"):
        is_table = path.suffix in (".csv", ".tsv", ".parquet", ".jsonl", ".gz")
        hint = f"; a table needs one: shelfwise data inspect {path}" if is_table else ""
        raise ConfigError(f"config '{path}': expected a .toml or .json file{hint}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"config '{path}' not found") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config '{path}' cannot be read: {error}") from None
    try:
        value = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"config '{path}': {error}") from None
    except RecursionError:
        raise ConfigError(f"config '{path}' is nested too deeply") from None
    if not isinstance(value, dict):
        raise ConfigError(f"config '{path}': expected a table at the top")
    return value


def load_run(path: Path, overrides: tuple[str, ...] = (), *, folders: tuple[Path, ...] = ()) -> AnyConfig:
    """The configuration in `path`, of whatever task it names, with each `a.b=value` of `overrides` on top.

    Relative paths in it are taken from the file's own folder when they exist there, else from the first of
    `folders` where they do."""
    values = read_mapping(path)
    for table, keys in PATHS.items():
        if isinstance(found := values.get(table), dict):
            _place(found, keys, (path.parent, *folders))
    for override in overrides:
        _set(values, override)
    return parse_run(values, where=str(path))


def load_config(path: Path, overrides: tuple[str, ...] = ()) -> Config:
    """As `load_run`, for verbs that want pictures; ConfigError where the task is another."""
    return _wanted(load_run(path, overrides), Config, str(path))


def load_reviews_config(
    path: Path, overrides: tuple[str, ...] = (), *, folders: tuple[Path, ...] = ()
) -> ReviewsConfig:
    """As `load_run`, for verbs that want reviews; ConfigError where the task is another."""
    return _wanted(load_run(path, overrides, folders=folders), ReviewsConfig, str(path))


def parse_config(values: dict[str, Any], *, where: str) -> Config:
    """A validated pictures configuration; see `parse_run`."""
    return _wanted(parse_run(values, where=where), Config, where)


def _wanted(config: AnyConfig, kind: type[C], where: str) -> C:
    if isinstance(config, kind):
        return config
    wanted = kind.model_fields["task"].default
    raise ConfigError(f"config '{where}' has task = {config.task!r}; this needs one of task {wanted!r}")


def _place(table: dict[str, Any], keys: tuple[str, ...], folders: tuple[Path, ...]) -> None:
    """Put the first folder before each of the table's relative paths that exists there."""
    for key in keys:
        value = table.get(key)
        if isinstance(value, list):
            table[key] = [_placed(name, folders) for name in value]
        elif value is not None and value not in NO_PATHS:
            table[key] = _placed(value, folders)


def _placed(name: Any, folders: tuple[Path, ...]) -> Any:
    if not isinstance(name, str):
        return name
    found = next((folder for folder in folders if (folder / name).exists()), None)
    return name if found is None else str(found / name)


def parse_run(values: dict[str, Any], *, where: str) -> AnyConfig:
    """A validated configuration; a ConfigError names the first wrong value, with `where` before it."""
    task = values.get("task", "pictures")
    if task not in TASKS:
        raise ConfigError(f"config '{where}': task: {task!r} is none of: {', '.join(TASKS)}")
    return _validated(TASKS[task], values, where)


def changed(config: AnyConfig, settings: Mapping[str, Any], *, where: str) -> AnyConfig:
    """`config` with settings on top, named as after `--set` or in tables; a ConfigError names `where`."""
    values = config.model_dump(mode="json")
    for key, value in _flat(settings):
        try:
            _put(values, key, value)
        except ConfigError as error:
            raise ConfigError(f"config '{where}': {key}: {error}") from None
    return parse_run(values, where=where)


def load_ablation(path: Path) -> AblateConfig:
    """The `[ablate]` of a file that holds nothing else; ConfigError for any other."""
    values = read_mapping(path)
    if set(values) != {"ablate"} or not isinstance(values["ablate"], dict):
        found = ", ".join(values) or "nothing"
        raise ConfigError(f"config '{path}': expected the table [ablate] alone, found: {found}")
    return _validated(AblateConfig, values["ablate"], str(path))


def _validated(kind: type[S], values: dict[str, Any], where: str) -> S:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            why = "is no setting" + _near(kind, first["loc"])
        elif first["type"] == "value_error":
            why = str(first["ctx"]["error"])
        else:
            why = first["msg"] + ("" if first["type"] == "missing" else f" (got {first['input']!r})")
        raise ConfigError(f"config '{where}': {key or 'config'}: {why}") from None


def _near(root: type[Section], place: tuple[str | int, ...]) -> str:
    """The setting beside `place` that was likely meant, as a question, if there is one."""
    section: Any = root
    for part in place[:-1]:
        fields = getattr(section, "model_fields", None)
        # Below a table of names of the user's own, such as `targets`, stands what each name has.
        section = fields[part].annotation if fields else get_args(section)[-1]
    near = get_close_matches(str(place[-1]), section.model_fields, n=1)
    return f"; did you mean '{near[0]}'?" if near else f"; there are: {', '.join(section.model_fields)}"


def _set(values: dict[str, Any], override: str) -> None:
    """Write one `a.b=value` into `values`; the value is read as TOML, else taken as a string."""
    key, equals, raw = override.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {override!r}: expected key=value, for example train.lr=0.05")
    try:
        value = tomllib.loads(f"value = {raw}")["value"]
    except tomllib.TOMLDecodeError:
        value = raw
    try:
        _put(values, key.strip(), value)
    except ConfigError as error:
        raise ConfigError(f"--set {override!r}: {error}") from None


def _put(values: dict[str, Any], key: str, value: Any) -> None:
    """Write a value at `a.b` into tables of tables."""
    *path, last = key.split(".")
    for part in path:
        values = values.setdefault(part, {})
        if not isinstance(values, dict):
            raise ConfigError(f"'{part}' is not a table")
    values[last] = value


def _flat(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings of tables in tables by their whole names."""
    for key, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
