"""`shelfwise export`: the ONNX files of a bundle, written afresh from its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from shelfwise.cli import app
from shelfwise.errors import MissingExtraError


@app.command()
def export(bundle: Annotated[Path, typer.Argument(help="Bundle folder.")]) -> None:
    """Write a bundle's ONNX files afresh.

    They are made from its weights and checked against torch."""
    from shelfwise.bundle import EXPORTS, ReviewsBundle, open_bundle

    found = open_bundle(bundle, unchecked=EXPORTS)
    try:
        import onnxscript  # noqa: F401

        from shelfwise.train.package import reexport
        from shelfwise.train.package_reviews import reexport_reviews
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", "train") from None

    written = (reexport_reviews if isinstance(found, ReviewsBundle) else reexport)(bundle)
    print(f"{written.label}: {written.path}")
    for name, difference in written.meta.info["parity"].items():
        print(f"  {name}.onnx differs from torch by at most {difference:.1e}")
