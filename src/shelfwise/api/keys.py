"""API keys: kept as hashes in a JSON file, compared in constant time, replaced without a restart.

A key is 32 random bytes, so one round of SHA-256 keeps it: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import secrets
import stat
import time
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from shelfwise.errors import ConfigError
from shelfwise.files import write_json
from shelfwise.schema import Frozen

PREFIX = "sw_"
_LOOK_AGAIN_S = 1.0
log = logging.getLogger("shelfwise.api")


class Key(Frozen):
    """One key, without itself."""

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    created: str = ""
    rate: float | None = Field(default=None, gt=0)
    """Items a second, instead of the server's `limits.rate`."""
    admin: bool = False
    """Whether it may exchange bundles."""


_FILE = TypeAdapter(dict[str, tuple[Key, ...]])


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys of a file; ConfigError where it is none."""
    try:
        keys = _FILE.validate_json(path.read_bytes())["keys"]
    except (OSError, KeyError, ValidationError) as error:
        why = str(error).splitlines()[0]
        raise ConfigError(
            f"'{path}' is no file of keys ({why}); make one with: shelfwise keys add NAME"
        ) from None
    if len({key.name for key in keys}) < len(keys):
        raise ConfigError(f"'{path}' has two keys of one name; revoke one of them")
    return keys


def add_key(path: Path, name: str, *, created: str, rate: float | None = None, admin: bool = False) -> str:
    """A new key, told this once, and added to the file by its hash; ConfigError where the name is taken."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name):
        raise ConfigError(f"key name '{name}': use up to 64 letters, digits, dots, dashes and underscores")
    if rate is not None and not 0 < rate < float("inf"):
        raise ConfigError(f"--rate {rate:g}: a number of items a second above 0")
    keys = read_keys(path) if path.exists() else ()
    if any(key.name == name for key in keys):
        raise ConfigError(f"'{path}' has a key '{name}' already; revoke it first, or take another name")
    told = PREFIX + secrets.token_urlsafe(32)
    made = Key(name=name, sha256=digest(told), created=created, rate=rate, admin=admin)
    _write(path, (*keys, made))
    return told


def revoke_key(path: Path, name: str) -> None:
    """Take a key out of the file; ConfigError where there is none of that name."""
    keys = read_keys(path)
    left = tuple(key for key in keys if key.name != name)
    if len(left) == len(keys):
        raise ConfigError(f"'{path}' has no key '{name}'; it has: {', '.join(key.name for key in keys)}")
    _write(path, left)


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


def _write(path: Path, keys: tuple[Key, ...]) -> None:
    """A new file is its owner's alone; one that is there keeps who may read it."""
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
    write_json(path, {"keys": [key.model_dump() for key in keys]})
    path.chmod(mode)


class Keys:
    """The keys that are good now: the file is read again within a second of a change.

    A file that became unreadable changes nothing: the last good keys stay, so that a slip of the pen locks
    nobody out, and lets nobody in. The log says so, since a key may have been meant to be revoked."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keys = read_keys(path)
        self._stamp = self._stamped()
        self._looked = time.monotonic()

    def find(self, key: str | None) -> Key | None:
        """The one that was given, None for a wrong one; every kept key is compared, whichever fits."""
        self._look_again()
        given = digest(key or "")
        found = None
        for known in self._keys:
            if hmac.compare_digest(given, known.sha256):
                found = known
        return found

    def _look_again(self) -> None:
        now = time.monotonic()
        if now - self._looked < _LOOK_AGAIN_S:
            return
        self._looked = now
        stamp = self._stamped()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = read_keys(self._path)
        except ConfigError as error:
            log.warning("the keys of before stay good: %s", error)

    def _stamped(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
