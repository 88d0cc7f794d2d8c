"""A trained model's folder, and nothing else on disk is one.

    bundle.json          name, version, classes, calibration, how it was trained, sha256 of every other file
    config.json          the configuration it was trained with
    model.safetensors    the weights, for the torch backend and for training on
    picture.onnx         raw uint8 pixels [B, H, W, C] -> logits [B, K] and (with texts) embeddings [B, E]
    text.onnx            token ids [T, L] -> embeddings [T, E]; where there is a text tower
    tokenizer.json       reviews, and pretrained title towers: text to ids (the `tokenizers` library's form)
    title.onnx           products: ids of words and pieces, or of tokens -> tokens, and a vector
    table.onnx           products: ids of values and numbers -> tokens, and a vector
    fuse.onnx            products: tokens and vectors of each modality -> logits of each target, unit vectors
    review.onnx          reviews: token ids [B, L] -> stars [B, 5], sentiment [B, 3], recommended [B, 2]
    aspects.onnx         reviews: token ids [B, L] -> scores of each token for each aspect
    *.int8.onnx          the same in 8 bits, of what gains by it
    picture.ranges.json  the ranges of activations on training pictures, by which picture.int8.onnx is made
    neighbours.safetensors   products: titles and vectors of the training products; may be absent
    journal.jsonl        the training journal
    README.md            the model card

It loads with sockets blocked, holds no pickle, and refuses files that were changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shelfwise.bundle.info import FORMAT, BundleInfo, ProductsInfo, ReviewsInfo
from shelfwise.config import Config, ProductsConfig, ReviewsConfig, parse_run
from shelfwise.errors import BundleError, ConfigError
from shelfwise.files import replacing

WEIGHTS = "model.safetensors"
NEEDED = {
    "pictures": ("config.json", "model.safetensors", "picture.onnx"),
    "reviews": ("config.json", "model.safetensors", "tokenizer.json", "review.onnx"),
    "products": ("config.json", "model.safetensors", "picture.onnx", "title.onnx", "fuse.onnx"),
}
"""Files that no bundle of a task is without; a copy made for serving may lack the weights."""
RANGES = "picture.ranges.json"
EXPORTS = (
    "picture.onnx",
    "picture.int8.onnx",
    "text.onnx",
    "review.onnx",
    "review.int8.onnx",
    "aspects.onnx",
    "aspects.int8.onnx",
    "title.onnx",
    "title.int8.onnx",
    "table.onnx",
    "fuse.onnx",
)
"""Files that follow from the others, and that `shelfwise export` writes afresh."""


_LARGEST_JSON = 64 << 20


class AnyBundle:
    """What every opened bundle has: its metadata and the paths of its files."""

    def __init__(self, path: Path, info: BundleInfo) -> None:
        self.path = path
        self.meta = info

    @property
    def name(self) -> str:
        """The bundle's name."""
        return self.meta.name

    @property
    def version(self) -> str:
        """A hash of the bundle's content."""
        return self.meta.version

    @property
    def label(self) -> str:
        """Name and version, as answers quote it."""
        return f"{self.name}@{self.version}"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the logits."""
        return self.meta.classes

    @property
    def temperature(self) -> float:
        """What logits are divided by before the softmax (fitted on validation)."""
        return self.meta.temperature

    @property
    def has_weights(self) -> bool:
        """Whether it is more than a copy made for serving."""
        return WEIGHTS not in self.meta.left_out

    @property
    def weights(self) -> Path:
        """The file of weights; BundleError where the bundle is a copy made for serving, without them."""
        if not self.has_weights:
            raise BundleError(
                f"bundle '{self.path}' was made for serving, without {WEIGHTS}: for training on, exporting "
                f"and torch use the whole one, {self.meta.info.get('slim_of', 'which it was made from')}"
            )
        return self.path / WEIGHTS

    @property
    def info(self) -> dict[str, Any]:
        """How it was trained; the journal's records are under `journal`, the source under `source`."""
        return {**self.meta.info, "source": self.meta.source, "journal": self.journal()}

    def journal(self) -> list[dict[str, Any]]:
        """The training journal's records."""
        path = self.path / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


class Bundle(AnyBundle):
    """An opened pictures bundle."""

    def __init__(self, path: Path, info: BundleInfo, config: Config) -> None:
        super().__init__(path, info)
        self.config = config

    @classmethod
    def open(cls, path: Path, *, unchecked: Collection[str] = ()) -> Bundle:
        """The pictures bundle in the folder `path`; see `open_bundle`."""
        bundle = open_bundle(path, unchecked=unchecked)
        if not isinstance(bundle, cls):
            raise BundleError(f"'{path}' is a {bundle.meta.task} bundle; this needs one of pictures")
        return bundle

    @property
    def has_text(self) -> bool:
        """Whether the bundle can embed texts."""
        return self.meta.tokenizer is not None


class ReviewsBundle(AnyBundle):
    """An opened reviews bundle."""

    def __init__(self, path: Path, info: BundleInfo, config: ReviewsConfig) -> None:
        super().__init__(path, info)
        self.config = config

    @classmethod
    def open(cls, path: Path, *, unchecked: Collection[str] = ()) -> ReviewsBundle:
        """The reviews bundle in the folder `path`; see `open_bundle`."""
        bundle = open_bundle(path, unchecked=unchecked)
        if not isinstance(bundle, cls):
            raise BundleError(f"'{path}' is a {bundle.meta.task} bundle; this needs one of reviews")
        return bundle

    @property
    def reading(self) -> ReviewsInfo:
        """How texts are read and answers calibrated."""
        assert self.meta.reviews is not None
        return self.meta.reviews


class ProductsBundle(AnyBundle):
    """An opened products bundle."""

    def __init__(self, path: Path, info: BundleInfo, config: ProductsConfig) -> None:
        super().__init__(path, info)
        self.config = config

    @classmethod
    def open(cls, path: Path, *, unchecked: Collection[str] = ()) -> ProductsBundle:
        """The products bundle in the folder `path`; see `open_bundle`."""
        bundle = open_bundle(path, unchecked=unchecked)
        if not isinstance(bundle, cls):
            raise BundleError(f"'{path}' is a {bundle.meta.task} bundle; this needs one of products")
        return bundle

    @property
    def reading(self) -> ProductsInfo:
        """Targets, modalities and calibration."""
        assert self.meta.products is not None
        return self.meta.products

    @property
    def modalities_used(self) -> tuple[str, ...]:
        """The modalities that the fusion takes in, one alone or all, but for those that it never saw."""
        kind, reading = self.config.fusion.kind, self.reading
        heard = (kind,) if kind in ("picture", "text") else reading.modalities
        return tuple(name for name in heard if name not in reading.unlearned)


def open_bundle(path: Path, *, unchecked: Collection[str] = ()) -> Bundle | ReviewsBundle | ProductsBundle:
    """The bundle in the folder `path`, of whatever task; every file is checked against its recorded sha256.

    Files named in `unchecked` may be damaged or missing: `shelfwise export` writes them afresh."""
    if path.is_file():
        raise BundleError(
            f"bundle '{path}' not found: it is a file; the folder of `shelfwise train` comes first"
        )
    if not path.is_dir():
        raise BundleError(f"bundle '{path}' not found: expected the folder that `shelfwise train` wrote")
    if not (path / "bundle.json").exists():
        inner = path / "bundle"
        hint = f"; did you mean '{inner}'?" if (inner / "bundle.json").exists() else ""
        raise BundleError(f"'{path}' is not a bundle: it has no bundle.json{hint}")
    try:
        raw = _read_json(path / "bundle.json")
        found = raw.get("format") if isinstance(raw, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise BundleError(
                f"bundle '{path}' has format {found}, this shelfwise reads up to {FORMAT}: update shelfwise"
            )
        info = BundleInfo.model_validate(raw)
        needed = [name for name in NEEDED[info.task] if name not in (WEIGHTS, *info.files)]
        needed += [WEIGHTS] * (WEIGHTS not in (*info.left_out, *info.files))
        for name in {*needed, *info.files} - set(unchecked):
            _check_file(path, name, info.files.get(name))
        config = parse_run(_read_json(path / "config.json"), where=str(path / "config.json"))
        told = {"reviews": info.reviews, "products": info.products}
        if config.task != info.task or any(
            (info.task == task) != (it is not None) for task, it in told.items()
        ):
            raise ValueError(f"bundle.json is of task {info.task!r}, config.json of {config.task!r}")
    except (OSError, ValueError, ConfigError) as error:
        raise BundleError(f"bundle '{path}' is damaged: {_first_line(error)}") from None
    return _opened(path, info, config)


def write_bundle(
    path: Path,
    *,
    info: BundleInfo,
    config: Config | ReviewsConfig | ProductsConfig,
    files: dict[str, Path],
    card: str,
) -> Bundle | ReviewsBundle | ProductsBundle:
    """Write a whole bundle beside `path`, then put it there in one rename; an older bundle is replaced.

    `files` maps names within the bundle to files that are copied; version and file hashes are filled in.
    Where that fails, a BundleError, and the older bundle stays."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise BundleError(f"bundle '{path}' could not be written: {error}") from error
    try:
        for name, source in files.items():
            shutil.copyfile(source, partial / name)
        (partial / "config.json").write_text(config.model_dump_json(indent=2), encoding="utf-8")
        hashes = {file.name: _sha256(file) for file in sorted(partial.iterdir())}
        version = hashlib.sha256(json.dumps(hashes).encode()).hexdigest()[:12]
        info = info.model_copy(update={"version": version, "files": hashes})
        (partial / "README.md").write_text(card.replace("{version}", version), encoding="utf-8")
        (partial / "bundle.json").write_text(info.model_dump_json(indent=2), encoding="utf-8")
        partial.chmod(0o755)
        if path.exists():
            old = path.with_name(f".{path.name}-old")
            shutil.rmtree(old, ignore_errors=True)
            path.replace(old)
            try:
                partial.replace(path)
            except OSError:
                old.replace(path)
                raise
            shutil.rmtree(old, ignore_errors=True)
        else:
            partial.replace(path)
    except OSError as error:
        raise BundleError(
            f"bundle '{path}' could not be written: {error}; make room and run the command again "
            "(a training with --resume)"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _opened(path, info, config)


def annotate(bundle: AnyBundle, **said: Any) -> None:
    """Add to what an opened bundle says of itself under `info`; its files, and so its version, stay."""
    info = bundle.meta.model_copy(update={"info": {**bundle.meta.info, **said}})
    with replacing(bundle.path / "bundle.json") as partial:
        partial.write_text(info.model_dump_json(indent=2), encoding="utf-8")
    bundle.meta = info


def write_card(bundle: AnyBundle, card: str) -> None:
    """Replace the model card of an opened bundle; `{version}` in it is filled in."""
    with replacing(bundle.path / "README.md") as partial:
        partial.write_text(card.replace("{version}", bundle.version), encoding="utf-8")


def read_task(path: Path) -> str:
    """What a bundle was trained for, from its description alone; `pictures` where that cannot be read."""
    try:
        raw = _read_json(path / "bundle.json")
    except (OSError, ValueError):
        return "pictures"
    return str(raw.get("task", "pictures")) if isinstance(raw, dict) else "pictures"


def _opened(
    path: Path, info: BundleInfo, config: Config | ReviewsConfig | ProductsConfig
) -> Bundle | ReviewsBundle | ProductsBundle:
    if isinstance(config, ReviewsConfig):
        return ReviewsBundle(path, info, config)
    if isinstance(config, ProductsConfig):
        return ProductsBundle(path, info, config)
    return Bundle(path, info, config)


def now() -> str:
    """The present time as bundles record it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _check_file(folder: Path, name: str, digest: str | None) -> None:
    """BundleError where a file of the bundle is missing or is not the one that was written."""
    remedy = f"run: shelfwise export {folder}" if name in EXPORTS else "copy or train it again"
    if not (folder / name).is_file():
        raise BundleError(f"bundle '{folder}': {name} is missing; {remedy}")
    if _sha256(folder / name) != digest:
        raise BundleError(f"bundle '{folder}': {name} was changed or damaged; {remedy}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> Any:
    """The value in a JSON file; ValueError where it is none, or absurdly large or deep."""
    if path.stat().st_size > _LARGEST_JSON:
        raise ValueError(f"{path.name} is larger than {_LARGEST_JSON:,} bytes")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path.name} is nested too deeply") from None


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc'])) or 'bundle.json'}: {first['msg']}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
