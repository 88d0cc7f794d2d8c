"""`shelfwise export`: the ONNX files of a bundle, written afresh from its weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shelfwise.cli import app, data_folders
from shelfwise.errors import ConfigError, DataError, MissingExtraError

if TYPE_CHECKING:
    from shelfwise.bundle import AnyBundle, Bundle, ProductsBundle


@app.command()
def export(
    bundle: Annotated[Path, typer.Argument(help="Bundle folder.")],
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="CATALOG",
            help="Take the ranges of the 8-bit picture tower from these pictures, not from the bundle.",
        ),
    ] = None,
    slim: Annotated[
        Path | None,
        typer.Option(
            metavar="OUT", help="Write a small copy for serving to this folder; the bundle stays as it is."
        ),
    ] = None,
) -> None:
    """Write a bundle's ONNX files afresh, or a small copy.

    In float and in 8 bits, made from its weights and checked against torch; the copy is for serving."""
    if slim is not None:
        if calibrate is not None:
            raise ConfigError("--slim copies what there is; run export --calibrate first, by itself")
        _slim(bundle, slim)
        return
    from shelfwise.bundle import EXPORTS, Bundle, ReviewsBundle, open_bundle

    found = open_bundle(bundle, unchecked=EXPORTS)
    found.weights  # noqa: B018 - a copy without weights is told before anything is imported
    try:
        import onnxscript  # noqa: F401

        from shelfwise.train.package import reexport
        from shelfwise.train.package_products import reexport_products
        from shelfwise.train.package_reviews import reexport_reviews
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train") from None

    written: AnyBundle
    if isinstance(found, ReviewsBundle):
        if calibrate is not None:
            raise ConfigError(f"'{bundle}' is a reviews bundle: --calibrate is for pictures")
        written = reexport_reviews(bundle)
    else:
        pixels = None if calibrate is None else _pictures(found, calibrate)
        written = (reexport if isinstance(found, Bundle) else reexport_products)(bundle, pixels)
    print(f"{written.label}: {written.path}")
    for name, difference in written.meta.info["parity"].items():
        print(f"  {name}.onnx differs from torch by at most {difference:.1e}")


def _slim(bundle: Path, out: Path) -> None:
    """Write the copy and say what it weighs."""
    from shelfwise.bundle import open_bundle, slim

    copy = slim(bundle, out)
    whole, small = (sum(f.stat().st_size for f in path.iterdir()) for path in (bundle, out))
    print(f"{copy.label}: {out}, {small / 1e6:.2f} MB of {whole / 1e6:.2f}")
    left = [name for name in copy.meta.left_out if name in open_bundle(bundle).meta.files]
    print(f"  left out: {', '.join(left) or 'nothing'}")


def _pictures(bundle: Bundle | ProductsBundle, catalog: str) -> Any:
    """Up to a thousand prepared pictures [N, H, W, C] of a catalogue; DataError where none can be used."""
    from itertools import islice

    import numpy as np

    from shelfwise.data.catalog import image_root_of, resolve
    from shelfwise.data.preprocess import Preprocessor
    from shelfwise.export.static import CALIBRATION
    from shelfwise.predict.stream import rows_of
    from shelfwise.schema import Product

    config = resolve(catalog, folders=data_folders())
    preprocessor = Preprocessor(bundle.config.preprocess, max_pixels=bundle.config.data.max_pixels)
    products = (row for row in rows_of(config) if isinstance(row, Product) and row.images)
    batch, _, _ = preprocessor.batch(list(islice(products, CALIBRATION)), image_root_of(config))
    if not len(batch.pixels):
        raise DataError(f"--calibrate '{catalog}': it has no picture that can be used")
    return np.ascontiguousarray(batch.pixels)
