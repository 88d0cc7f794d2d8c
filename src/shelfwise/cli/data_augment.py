"""`shelfwise data augment CATALOG --out DIR`: each augmentation level on the user's own pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shelfwise.cli import data_app, data_folders
from shelfwise.errors import DataError

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from numpy import ndarray

    from shelfwise.config import AugmentConfig, CatalogConfig, PreprocessConfig

SCANNED = 5_000  # products among which the pictures are chosen
SHEET_SIDE = 112  # pixels, for a catalogue without a config of its own


@data_app.command("augment")
def data_augment(
    catalog: Annotated[str, typer.Argument(help="fashion-mnist, a config, a table or a folder of pictures.")],
    out: Annotated[Path, typer.Option(help="Folder for the contact sheets.")],
    pictures: Annotated[int, typer.Option(min=1, max=40, help="How many pictures.")] = 10,
    variants: Annotated[int, typer.Option(min=1, max=40, help="How many changed copies of each.")] = 6,
    seed: Annotated[int, typer.Option(help="Seed of the random changes.")] = 0,
) -> None:
    """Draw each augmentation level.

    Writes a contact sheet of each: the originals on top, changed copies below."""
    data, prepare, chosen = _settings(catalog)
    originals = _originals(data, prepare, pictures)
    fill = chosen.fill if chosen is not None else (0 if data.source == "fashion-mnist" else 255)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, (config, note) in _levels(fill, chosen).items():
            path = out / f"{name}.png"
            _write_sheet(path, name, note, originals, config, variants, seed)
            print(path)
    except OSError as error:
        raise DataError(f"'{out}' cannot be written: {error}") from None


def _settings(catalog: str) -> tuple[CatalogConfig, PreprocessConfig, AugmentConfig | None]:
    """Where the pictures are, how they are prepared, and the config's own augmentation if there is one."""
    from shelfwise.config import PreprocessConfig, ReviewsConfig, load_run
    from shelfwise.data.catalog import resolve

    data = resolve(catalog, folders=data_folders())  # refuses reviews
    if Path(catalog).suffix in (".toml", ".json"):
        config = load_run(Path(catalog), folders=data_folders())
        assert not isinstance(config, ReviewsConfig)
        return data, config.preprocess, config.augment
    if data.source == "fashion-mnist":
        return data, PreprocessConfig(), None
    return data, PreprocessConfig(height=SHEET_SIDE, width=SHEET_SIDE, channels=3, fit="pad"), None


def _levels(fill: int, chosen: AugmentConfig | None) -> dict[str, tuple[AugmentConfig, str]]:
    """Sheet name to what is done on it, and that in words."""
    from shelfwise.config import AugmentConfig
    from shelfwise.nn.augment import LEVELS

    sheets: dict[str, tuple[AugmentConfig, str]] = {}
    for name, level in LEVELS.items():
        words = []
        if level.rotation:
            words.append(f"rotation up to {level.rotation:g} degrees")
        if level.translation:
            words.append(f"translation up to {level.translation:g}")
        if level.scale != (1.0, 1.0):
            words.append(f"scale {level.scale[0]:g} to {level.scale[1]:g}")
        words += [f"erasing p={level.erase:g}"] if level.erase else []
        words += [f"blur p={level.blur:g}"] if level.blur else []
        sheets[name] = (AugmentConfig(level=name, fill=fill), ", ".join(words) or "pictures as they are")
    flip = AugmentConfig(flip="random", pad=2, erase=0.3, fill=fill)
    sheets["flip-crop-erase"] = (flip, "random flip, pad by 2 and crop, erasing p=0.3")
    if chosen is not None:
        stated = chosen.model_dump(exclude_defaults=True, exclude={"kernel", "mixup"})
        words = [f"{key} {value}" for key, value in stated.items()]
        sheets["config"] = (chosen, ", ".join(words) or "this config asks for no augmentation")
    return sheets


def _originals(data: CatalogConfig, prepare: PreprocessConfig, count: int) -> UInt8[ndarray, "P H W C"]:
    """Some prepared pictures, of as many classes as possible."""
    import numpy as np

    if data.source == "fashion-mnist":
        from shelfwise.data.fashion_mnist import load

        labelled = load("train", data.folder)
        rank = np.empty(len(labelled), np.int64)  # how many of the same class come before
        for k in range(len(labelled.classes)):
            rows = np.flatnonzero(labelled.labels == k)
            rank[rows] = np.arange(len(rows))
        return labelled.images[np.lexsort((labelled.labels, rank))[:count]]
    return _of_catalog(data, prepare, count)


def _of_catalog(data: CatalogConfig, prepare: PreprocessConfig, count: int) -> UInt8[ndarray, "P H W C"]:
    from collections import Counter
    from itertools import islice

    from shelfwise.data.catalog import image_root_of, read_catalog
    from shelfwise.data.preprocess import Preprocessor
    from shelfwise.schema import Product

    target = data.target or next(iter(data.columns.labels), None)
    seen: Counter[str] = Counter()
    ranked: list[tuple[int, int, Product]] = []
    for item in islice(read_catalog(data), SCANNED):
        if isinstance(item, Product) and item.images:
            label = str(item.labels.get(target, "")) if target else ""
            ranked.append((seen[label], len(ranked), item))
            seen[label] += 1
    ranked.sort(key=lambda place: place[:2])
    products = [item for _, _, item in ranked[: 2 * count]]  # some may be broken
    batch, _, _ = Preprocessor(prepare, max_pixels=data.max_pixels).batch(products, image_root_of(data))
    if not len(batch.pixels):
        raise DataError(f"'{data.source}': no usable picture among the first {SCANNED:,} rows")
    return batch.pixels[:count]


def _write_sheet(
    path: Path,
    name: str,
    note: str,
    originals: UInt8[ndarray, "P H W C"],
    config: AugmentConfig,
    variants: int,
    seed: int,
) -> None:
    """Draw one sheet and put it in place."""
    import torch

    from shelfwise.files import replacing
    from shelfwise.nn.augment import augment
    from shelfwise.reports.contact_sheet import contact_sheet

    pixels, rows = torch.from_numpy(originals.copy()), torch.arange(len(originals))
    generator = torch.Generator().manual_seed(seed)
    lines = [("original", originals)]
    for epoch in range(variants):
        changed = augment(pixels, config, generator=generator, epoch=epoch, rows=rows)
        lines.append((f"variant {epoch + 1}", changed.numpy()))
    with replacing(path) as partial:
        contact_sheet(f"augmentation: {name}", lines, note=note).save(partial, format="PNG")
