"""Copies of bundles for serving alone, and the ones that come with the package.

A slim copy answers as the whole bundle does. It lacks what no answer needs: the journal, and weights that no
graph refers to; so it cannot be trained on, exported afresh, or run by torch, and it says so. Of the places
that its data had on one machine it keeps the files' names alone.
"""

from __future__ import annotations

import json
import tempfile
from importlib.resources import files as resources
from pathlib import Path

from shelfwise.bundle.folder import EXPORTS, RANGES, AnyBundle, open_bundle, write_bundle
from shelfwise.errors import BundleError
from shelfwise.files import without_folders, write_json

DEFAULTS = ("pictures", "reviews")
"""Names of the bundles that a whole installation has."""
NO_TEST_FIGURES = "- Test figures come from `shelfwise evaluate`, which does not write into the bundle."
"""A line of model cards, until a copy has these figures."""
_UNNEEDED = ("journal.jsonl", RANGES)


def slim(
    path: Path, out: Path, *, metrics: Path | None = None, appendix: str = "", source: str | None = None
) -> AnyBundle:
    """Write the slim copy of the bundle at `path` to `out`.

    `metrics` is what `shelfwise evaluate` wrote and is kept along; `appendix` is Markdown for the end of the
    model card; `source` says what the bundle was trained on, where the name of the data's file does not.
    BundleError where `out` is the bundle itself, or holds something else."""
    bundle = open_bundle(path)
    if out.exists() and not (out / "bundle.json").exists():
        raise BundleError(f"--slim '{out}' exists and is no bundle: name another folder")
    if out.exists() and out.samefile(path):
        raise BundleError(f"--slim '{out}' is the bundle itself: name another folder")
    left = [name for name in _UNNEEDED if name in bundle.meta.files]
    left += [
        name for name in ("model.safetensors",) if name in bundle.meta.files and not _shared(bundle, name)
    ]
    kept = [name for name in bundle.meta.files if name not in (*left, "config.json")]
    copied = {name: path / name for name in kept}
    said = {**bundle.meta.info, "slim_of": bundle.meta.info.get("slim_of", bundle.label)}
    left_out = tuple(dict.fromkeys((*bundle.meta.left_out, *left)))
    info = bundle.meta.model_copy(
        update={"info": said, "left_out": left_out, "source": source or bundle.meta.source}
    )
    card = (
        (path / "README.md").read_text(encoding="utf-8") if (path / "README.md").exists() else "# {version}\n"
    )
    if metrics:
        card = card.replace(f"{NO_TEST_FIGURES}\n", "")
    card = card.replace(bundle.version, "{version}") + (f"\n{appendix}" if appendix else "")
    config = type(bundle.config).model_validate(without_folders(bundle.config.model_dump(mode="json")))
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        if metrics:
            copied["metrics.json"] = Path(scratch) / "metrics.json"
            write_json(copied["metrics.json"], without_folders(json.loads(metrics.read_text("utf-8"))))
        return write_bundle(out, info=info, config=config, files=copied, card=card)


def default_bundle(name: str) -> Path:
    """The folder of a bundle that comes with the package: one of `DEFAULTS`.

    BundleError where this installation has none."""
    folder = Path(str(resources("shelfwise"))) / "bundles" / name
    if name not in DEFAULTS:
        raise BundleError(f"there is no default bundle '{name}': the package has {' and '.join(DEFAULTS)}")
    if not (folder / "bundle.json").is_file():
        raise BundleError(
            f"this installation has no default bundle '{name}'; make it by scripts/default_bundles.py, "
            "or name a bundle of your own"
        )
    return folder


def _shared(bundle: AnyBundle, weights: str) -> bool:
    """Whether a graph of the bundle names places in the file `weights` instead of holding its own."""
    graphs = (bundle.path / name for name in bundle.meta.files if name in EXPORTS)
    return any(weights.encode() in graph.read_bytes() for graph in graphs)
