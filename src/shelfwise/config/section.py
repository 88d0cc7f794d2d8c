"""The base of all configuration models."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


def is_plain(name: str) -> bool:
    """Whether a name can be a folder's or a bundle's: printable, without / \\ @, and no dot first."""
    return name.isprintable() and bool(name) and name[0] != "." and not set(name) & set("/\\@")


class Section(BaseModel):
    """A frozen part of a configuration that refuses unknown keys and numbers without end."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
