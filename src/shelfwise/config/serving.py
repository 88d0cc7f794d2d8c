"""What a server listens on, what it answers with, and how much it lets anybody ask."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from shelfwise.config.section import Section
from shelfwise.errors import ConfigError


class LimitsConfig(Section):
    """How much one caller, and all together, may ask; what is above is refused, not cut."""

    body_mb: float = Field(default=16.0, gt=0, le=1024)
    """Of one request, in millions of bytes."""
    bodies_mb: float = Field(default=1024.0, gt=0)
    """Of all requests that are being read and answered, in millions of bytes; more are refused with 503."""
    max_pixels: int = Field(default=40_000_000, ge=1024)
    """Of one picture, by its header: a larger one is not decoded."""
    items: int = Field(default=64, gt=0)
    """Products, texts or reviews of one request."""
    pictures: int = Field(default=8, gt=0)
    """Of one product."""
    characters: int = Field(default=20_000, gt=0)
    """Of one text."""
    rate: float | None = Field(default=None, gt=0)
    """Items a second of one key, or of one address where there are no keys; no bound when left out."""
    burst: int = Field(default=128, gt=0)
    """Items that may come at once before `rate` counts."""
    queue: int = Field(default=256, gt=0)
    """Items that wait for one model; more are refused with 503."""
    batch: int = Field(default=32, gt=0)
    """Items that one model works on together."""
    deadline_s: float = Field(default=30.0, gt=0)
    """A request that takes longer is answered with 504; a caller may ask for less by X-Deadline-S."""
    drain_s: float = Field(default=20.0, gt=0)
    """How long requests may go on after SIGTERM."""


class ServeConfig(Section):
    """`[serve]`: everything of a server but its bundles' content."""

    host: str = "127.0.0.1"
    """The address to listen on; beyond this machine it takes `keys`, or `open_without_keys`."""
    port: int = Field(default=8000, ge=0, le=65535)
    """0 takes any that is free."""
    bundles: tuple[str, ...] = ()
    """Folders, or NAME=FOLDER; the default bundles when empty."""
    index: str | None = None
    """Folder of `shelfwise index`."""
    keys: str | None = None
    """File of `shelfwise keys`; without it whoever reaches the port may ask."""
    open_without_keys: bool = False
    """Listen beyond this machine although there are no keys."""
    picture_urls: bool = False
    """Fetch pictures from public addresses that a request names."""
    cors: tuple[str, ...] = ()
    """Origins of web pages that may call from a browser; none when empty."""
    threads: int | None = Field(default=None, ge=1)
    """Cores of one model call; all when left out."""
    precision: Literal["int8", "fp32"] = "int8"
    """Of bundles that have both."""
    log: Literal["json", "text"] = "json"
    """Form of the lines on standard error."""
    limits: LimitsConfig = LimitsConfig()


def read_serving(path: Path | None, settings: Mapping[str, Any]) -> ServeConfig:
    """The table `[serve]` of a TOML or JSON file, `settings` on top; ConfigError."""
    where = "the options" if path is None else f"'{path}'"
    try:
        found: Any = {}
        if path is not None:
            text = path.read_text(encoding="utf-8")
            found = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
            found = found.get("serve", {})
        return ServeConfig.model_validate({**found, **settings})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, ("serve", *first["loc"])))
        raise ConfigError(f"{where}: {place}: {first['msg']}") from None
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ConfigError(f"{where} cannot be read: {error}") from None
