"""API keys: told once, kept as hashes, replaced while the server runs."""

from __future__ import annotations

import json
import stat
import time
from pathlib import Path

import pytest

from shelfwise.api import keys as keys_module
from shelfwise.api.keys import Keys, add_key, read_keys, revoke_key
from shelfwise.errors import ConfigError


def test_a_key_is_found_by_itself_and_by_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    told = add_key(file, "shop", created="2026-01-01", rate=5.0)
    keys = Keys(file)
    found = keys.find(told)
    assert found is not None
    assert (found.name, found.rate, found.admin) == ("shop", 5.0, False)
    for wrong in (None, "", told[:-1], told + "x", found.sha256):
        assert keys.find(wrong) is None


def test_the_file_keeps_the_hash_alone_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    told = add_key(file, "shop", created="")
    assert told not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_keys_are_rotated_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys_module, "_LOOK_AGAIN_S", 0.0)
    file = tmp_path / "keys.json"
    old = add_key(file, "old", created="")
    keys = Keys(file)
    new = add_key(file, "new", created="")
    assert keys.find(new) is not None
    revoke_key(file, "old")
    assert keys.find(old) is None
    assert [key.name for key in read_keys(file)] == ["new"]


def test_a_damaged_file_changes_nothing_while_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_module, "_LOOK_AGAIN_S", 0.0)
    file = tmp_path / "keys.json"
    told = add_key(file, "shop", created="")
    keys = Keys(file)
    time.sleep(0.01)
    file.write_text("{")
    assert keys.find(told) is not None
    assert keys.find("sw_wrong") is None


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", json.dumps({"keys": [{"name": "a b", "sha256": "0" * 64}]})]
)
def test_what_is_no_file_of_keys_is_refused(content: str, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(ConfigError, match="no file of keys"):
        read_keys(file)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_rate_is_above_zero(rate: float, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--rate"):
        add_key(tmp_path / "keys.json", "shop", created="", rate=rate)
    assert not (tmp_path / "keys.json").exists()


def test_who_may_read_the_file_stays_as_its_owner_has_set_it(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    add_key(path, "shop", created="")
    path.chmod(0o640)  # for the group of a server in a container
    add_key(path, "page", created="")
    assert path.stat().st_mode & 0o777 == 0o640


def test_names_are_plain_and_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    add_key(file, "shop", created="")
    with pytest.raises(ConfigError, match="already"):
        add_key(file, "shop", created="")
    with pytest.raises(ConfigError, match="letters"):
        add_key(file, "a/b", created="")
    with pytest.raises(ConfigError, match="no key 'other'; it has: shop"):
        revoke_key(file, "other")
