"""Bundles: what is written opens again without network or pickle, and what was damaged is refused."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from shelfwise.bundle import FORMAT, Bundle, write_bundle
from shelfwise.bundle import folder as bundle_room
from shelfwise.errors import BundleError


@pytest.fixture
def copy(tiny_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle, tmp_path / "bundle"))


def edited(path: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def written_again(source: Bundle, path: Path, **changes: bytes) -> Bundle:
    """The same bundle at `path`, some of its files replaced."""
    files = {name: source.path / name for name in source.meta.files if name != "config.json"}
    for name, content in changes.items():
        files[name] = path.parent / f"new-{name}"
        files[name].write_bytes(content)
    return write_bundle(path, info=source.meta, config=source.config, files=files, card="# {version}\n")


def test_a_bundle_opens_with_sockets_blocked(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    bundle = Bundle.open(tiny_bundle)
    assert bundle.label == f"tiny@{bundle.version}"
    assert bundle.has_text
    assert len(bundle.classes) == 4
    assert bundle.info["source"] == "drawn"
    assert bundle.info["journal"]


def test_no_file_of_a_bundle_is_a_pickle(tiny_bundle: Path) -> None:
    names = {path.name for path in tiny_bundle.iterdir()}
    assert names == {
        *("README.md", "bundle.json", "config.json", "journal.jsonl"),
        *("model.safetensors", "picture.onnx", "picture.int8.onnx", "picture.ranges.json", "text.onnx"),
    }
    for path in tiny_bundle.iterdir():
        start = path.read_bytes()[:4]
        assert not start.startswith((b"\x80", b"PK\x03\x04")), path.name


def test_the_card_names_the_version_and_the_classes(tiny_bundle: Path) -> None:
    card = (tiny_bundle / "README.md").read_text(encoding="utf-8")
    assert card.startswith(f"# {Bundle.open(tiny_bundle).label}\n")
    assert "trousers" in card


@pytest.mark.parametrize(
    "name", ["config.json", "journal.jsonl", "model.safetensors", "picture.onnx", "text.onnx"]
)
@pytest.mark.parametrize("damage", ["changed", "truncated", "missing"])
def test_a_damaged_file_is_named(copy: Path, name: str, damage: str) -> None:
    content = (copy / name).read_bytes()
    if damage == "missing":
        (copy / name).unlink()
    else:
        spoilt = content[:-1] if damage == "truncated" else content[:-1] + bytes([content[-1] ^ 1])
        (copy / name).write_bytes(spoilt)
    words = "is missing" if damage == "missing" else "was changed or damaged"
    remedy = "run: shelfwise export" if name.endswith(".onnx") else "copy or train it again"
    with pytest.raises(BundleError, match=f"{name} {words}; {remedy}"):
        Bundle.open(copy)


def test_a_file_that_needs_no_check_may_be_damaged(copy: Path) -> None:
    (copy / "picture.onnx").write_bytes(b"")
    (copy / "text.onnx").unlink()
    assert Bundle.open(copy, unchecked=("picture.onnx", "text.onnx")).name == "tiny"
    (copy / "model.safetensors").write_bytes(b"")
    with pytest.raises(BundleError, match=r"model\.safetensors was changed"):
        Bundle.open(copy, unchecked=("picture.onnx", "text.onnx"))


def test_a_bundle_that_no_longer_lists_its_weights_is_refused(copy: Path) -> None:
    edited(copy / "bundle.json", lambda value: value.update(files={}))
    with pytest.raises(BundleError, match="was changed or damaged"):
        Bundle.open(copy)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b'{"format": 1', "is damaged"),
        (b"[]", "is damaged"),
        (b"{}", "is damaged"),
        (b'{"format": "two"}', "is damaged"),
        (b"\xff\xfe", "is damaged"),
        (f'{{"format": {FORMAT + 1}, "news": 1}}'.encode(), "update shelfwise"),
    ],
)
def test_a_bundle_json_that_cannot_be_read_is_one_line(copy: Path, content: bytes, words: str) -> None:
    (copy / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=words) as caught:
        Bundle.open(copy)
    assert len(str(caught.value).splitlines()) == 1
    assert str(copy) in str(caught.value)


def test_a_config_of_another_time_is_a_bundle_error(tiny_bundle: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(shutil.copytree(tiny_bundle, tmp_path / "bundle"))
    edited(bundle.path / "config.json", lambda value: value.update(invented_later=1))
    digest = bundle_room._sha256(bundle.path / "config.json")
    edited(bundle.path / "bundle.json", lambda v: v["files"].update({"config.json": digest}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="invented_later"):
        Bundle.open(bundle.path)


def test_what_is_no_bundle_is_said_with_a_hint(tiny_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="not found"):
        Bundle.open(tmp_path / "nothing")
    with pytest.raises(BundleError, match="not found"):
        Bundle.open(tiny_bundle / "bundle.json")
    with pytest.raises(BundleError, match=r"has no bundle\.json$"):
        Bundle.open(tmp_path)
    with pytest.raises(BundleError, match=f"did you mean '{tiny_bundle}'"):
        Bundle.open(tiny_bundle.parent)


def test_the_version_is_a_hash_of_the_content(tiny_bundle: Path, tmp_path: Path) -> None:
    source = Bundle.open(tiny_bundle)
    assert written_again(source, tmp_path / "a").version == source.version
    other = written_again(source, tmp_path / "b", **{"journal.jsonl": b'{"step": 1}\n'})
    assert other.version != source.version
    assert Bundle.open(tmp_path / "b").version == other.version
    assert (tmp_path / "b" / "README.md").read_text() == f"# {other.version}\n"


def test_writing_replaces_a_bundle_whole(copy: Path) -> None:
    source = Bundle.open(copy)
    (copy / "left.over").write_text("x")
    new = written_again(source, copy, **{"journal.jsonl": b'{"step": 2}\n'})
    assert Bundle.open(copy).version == new.version != source.version
    assert new.journal() == [{"step": 2}]
    assert not (copy / "left.over").exists()
    assert [path.name for path in copy.parent.iterdir() if path.name.startswith(".")] == []


def test_writing_that_fails_leaves_the_old_bundle(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Bundle.open(copy)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bundle_room.shutil, "copyfile", full)
    with pytest.raises(BundleError, match=r"No space left.*--resume"):
        written_again(source, copy)
    assert Bundle.open(copy).version == source.version
    assert [path.name for path in copy.parent.iterdir()] == ["bundle"]


def test_a_swap_that_fails_half_way_puts_the_old_bundle_back(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = Bundle.open(copy)
    replace, calls = Path.replace, []

    def second_fails(self: Path, target: Path) -> Path:
        calls.append(self)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", second_fails)
    with pytest.raises(BundleError, match="Input/output"):
        written_again(source, copy)
    assert Bundle.open(copy).version == source.version
    assert [path.name for path in copy.parent.iterdir()] == ["bundle"]


def test_a_place_that_cannot_be_written_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundleError, match="could not be written"):
        written_again(Bundle.open(tiny_bundle), tmp_path / "file" / "bundle")


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc/hostname", ".", "a/b", "..", ".hidden", ""])
def test_a_file_name_that_leaves_the_folder_is_refused(copy: Path, name: str) -> None:
    edited(copy / "bundle.json", lambda value: value["files"].update({name: "0" * 64}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="is damaged: files"):
        Bundle.open(copy)


@pytest.mark.parametrize("temperature", [0, -1, float("nan"), float("inf")])
def test_a_temperature_that_cannot_be_is_refused(copy: Path, temperature: float) -> None:
    edited(copy / "bundle.json", lambda value: value.update(temperature=temperature))
    with pytest.raises(BundleError, match="is damaged: temperature"):
        Bundle.open(copy)


def test_json_that_is_absurdly_deep_or_large_is_refused(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundle_room, "_LARGEST_JSON", 1000)
    with pytest.raises(BundleError, match=r"bundle\.json is larger than 1,000 bytes"):
        Bundle.open(copy)
    monkeypatch.undo()
    (copy / "bundle.json").write_text("[" * 100_000)
    with pytest.raises(BundleError, match=r"bundle\.json is nested too deeply"):
        Bundle.open(copy)


def test_a_file_in_a_bundles_place_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("id\n")
    with pytest.raises(BundleError, match="it is a file; the folder of `shelfwise train` comes first"):
        Bundle.open(file)
