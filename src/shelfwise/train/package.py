"""What becomes a bundle: weights, ONNX files checked against torch, calibration, journal and card."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy import ndarray
from safetensors.torch import save_file
from torch import Tensor, nn

from shelfwise.bundle import EXPORTS, RANGES, AnyBundle, Bundle, BundleInfo, write_bundle
from shelfwise.config import Config, PreprocessConfig
from shelfwise.data.tokens import tokenize
from shelfwise.errors import BundleError
from shelfwise.export.onnx import Link, check_parity, export_onnx, largest_difference, sigmoid, softmax
from shelfwise.export.static import measure_ranges, quantize_static_int8, read_ranges, write_ranges
from shelfwise.nn.dual import DualEncoder, ServedPictures
from shelfwise.predict.torch_backend import load_model
from shelfwise.train.card import INT8_LINE, model_card

SAMPLE_TEXTS = ("a bag", "our new pair of shoes from the shop")


def package(
    model: nn.Module,
    *,
    info: BundleInfo,
    config: Config,
    sample: Tensor,
    calibration: ndarray,
    journal: Path | None,
    path: Path,
) -> Bundle:
    """Export `model` and write the bundle at `path`; BundleError where an export differs from torch.

    `sample` [B, H, W, C] uint8 pictures are what the parity check runs on; on `calibration`, training
    pictures, activations take the ranges that 8 bits stand for. The differences found are kept in the
    bundle's info under `parity`."""
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        folder = Path(scratch)
        files, parity = export_files(model, info, sample, folder)
        ranges = folder / RANGES
        write_ranges(measure_ranges(files["picture.onnx"], calibration), ranges)
        files[RANGES] = ranges
        parity |= export_int8(model, sample, ranges, files, folder)
        if journal is not None and journal.exists():
            files["journal.jsonl"] = journal
        info = info.model_copy(update={"info": {**info.info, "parity": parity}})
        return _written(path, info=info, config=config, files=files, card=model_card(info, config))


def reexport(path: Path, calibration: ndarray | None = None) -> Bundle:
    """Write the ONNX files of the bundle at `path` afresh from its weights; all else stays as it is.

    `calibration` [N, H, W, C] are pictures to take the ranges of activations from, for the 8-bit form;
    without, the bundle's own ranges stay, and a bundle that has none gets no 8-bit form.
    The ONNX files that are there may be damaged or missing; any other damage is a BundleError, and so is
    an export that differs from torch. The parity check runs on drawn pictures, since a bundle keeps none
    of its training data. The same ONNX bytes give the same version."""
    bundle = Bundle.open(path, unchecked=EXPORTS)
    refuse_strangers(bundle)
    info = bundle.meta
    kept = [name for name in info.files if name not in (*EXPORTS, "config.json")]
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        model, drawn = load_model(bundle), drawn_pictures(bundle.config.preprocess)
        files, parity = export_files(model, info, drawn, Path(scratch))
        files |= {name: path / name for name in kept}
        if calibration is not None:
            files[RANGES] = Path(scratch) / RANGES
            write_ranges(measure_ranges(files["picture.onnx"], calibration), files[RANGES])
        if RANGES in files:
            parity |= export_int8(model, drawn, files[RANGES], files, Path(scratch))
        info = info.model_copy(update={"info": {**still_true(bundle, files), "parity": parity}})
        return _written(
            path,
            info=info,
            config=bundle.config,
            files=files,
            card=kept_card(bundle, info, model_card(info, bundle.config)),
        )


def _written(path: Path, *, info: BundleInfo, config: Config, files: dict[str, Path], card: str) -> Bundle:
    bundle = write_bundle(path, info=info, config=config, files=files, card=card)
    assert isinstance(bundle, Bundle)
    return bundle


def still_true(bundle: AnyBundle, files: dict[str, Path]) -> dict[str, Any]:
    """What a bundle says under `info`, without what was measured of 8-bit files that are others now."""
    small = [name for name in files if name.endswith(".int8.onnx")]
    digests = {name: hashlib.sha256(files[name].read_bytes()).hexdigest() for name in small}
    same = all(bundle.meta.files.get(name) == digest for name, digest in digests.items())
    return {key: value for key, value in bundle.meta.info.items() if same or key != "int8"}


def refuse_strangers(bundle: AnyBundle) -> None:
    """BundleError where the folder holds what is not the bundle's, since replacing it would lose that."""
    known = {*bundle.meta.files, *EXPORTS, "bundle.json", "README.md"}
    strangers = sorted(entry.name for entry in bundle.path.iterdir() if entry.name not in known)
    if strangers:
        raise BundleError(
            f"'{bundle.path}' holds '{strangers[0]}', which is no part of the bundle: move it elsewhere first"
        )


def kept_card(bundle: AnyBundle, info: BundleInfo, fresh: str) -> str:
    """The model card as it is, which its owner may have edited, ready for another version; else `fresh`.

    What it says of 8 bits goes where `info` no longer has it."""
    card = bundle.path / "README.md"
    if not card.exists():
        return fresh
    lines = card.read_text(encoding="utf-8").replace(bundle.version, "{version}").splitlines(keepends=True)
    stale = "int8" in bundle.meta.info and "int8" not in info.info
    return "".join(line for line in lines if not (stale and line.startswith(INT8_LINE)))


def drawn_pictures(config: PreprocessConfig) -> Tensor:
    """Pictures [64, H, W, C] to compare on: smooth blotches at first, ever rougher, noise at last."""
    height, width, channels = config.height, config.width, config.channels
    generator = torch.Generator().manual_seed(0)
    sides = (2, 4, 8, min(height, width))
    rough = [torch.rand(16, channels, side, side, generator=generator) for side in sides]
    pictures = [nn.functional.interpolate(some, (height, width), mode="bilinear") for some in rough]
    return torch.cat(pictures).mul(255).byte().permute(0, 2, 3, 1).contiguous()


def export_files(
    model: nn.Module, info: BundleInfo, sample: Tensor, folder: Path
) -> tuple[dict[str, Path], dict[str, float]]:
    """Write weights and ONNX files into `folder`; name to path, and the differences from torch."""
    model = model.cpu().float().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    files = {"model.safetensors": folder / "model.safetensors"}
    weights = {name: value.detach().contiguous().clone() for name, value in model.state_dict().items()}
    save_file(weights, files["model.safetensors"])
    served, picture = ServedPictures(model), folder / "picture.onnx"  # type: ignore[arg-type]
    export_onnx(
        served,
        sample[:2].clone(),
        picture,
        input_name="pixels",
        output_names=served.outputs,
        dynamic={0: "batch"},
    )
    files["picture.onnx"] = picture
    parity = {"picture": check_parity(served, sample, picture, links=_links(served))}
    if isinstance(model, DualEncoder):
        assert info.tokenizer is not None
        ids = torch.from_numpy(tokenize(SAMPLE_TEXTS, info.tokenizer))
        text = folder / "text.onnx"
        export_onnx(
            model.text,
            ids,
            text,
            input_name="ids",
            output_names=["embeddings"],
            dynamic={0: "texts", 1: "tokens"},
        )
        files["text.onnx"] = text
        parity["text"] = check_parity(model.text, ids, text)
    return files, parity


def export_int8(
    model: nn.Module, sample: Tensor, ranges: Path, files: dict[str, Path], folder: Path
) -> dict[str, float]:
    """Write the 8-bit form of `picture.onnx` into `folder` and name it in `files`; its difference from torch.

    The text tower has none: see `export.worth`."""
    small = folder / "picture.int8.onnx"
    quantize_static_int8(files["picture.onnx"], small, read_ranges(ranges))
    files[small.name] = small
    served = ServedPictures(model.eval())  # type: ignore[arg-type]
    return {"picture.int8": largest_difference(served, sample, small, links=_links(served))}


def _links(served: ServedPictures) -> list[Link]:
    """How outputs are compared: as probabilities, and vectors as they are."""
    links: dict[str, Link] = {"logits": softmax, "embeddings": np.asarray, "unlike": sigmoid}
    return [links[name] for name in served.outputs]
