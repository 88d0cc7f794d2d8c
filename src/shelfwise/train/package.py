"""What becomes a bundle: weights, ONNX files checked against torch, calibration, journal and card."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from shelfwise.bundle import Bundle, BundleInfo, write_bundle
from shelfwise.config import Config
from shelfwise.data.tokens import tokenize
from shelfwise.export.onnx import check_parity, export_onnx
from shelfwise.nn.dual import DualEncoder
from shelfwise.train.card import model_card

SAMPLE_TEXTS = ("a bag", "our new pair of shoes from the shop")


def package(
    model: nn.Module,
    *,
    info: BundleInfo,
    config: Config,
    sample: Tensor,
    journal: Path | None,
    path: Path,
) -> Bundle:
    """Export `model` and write the bundle at `path`; BundleError where an export differs from torch.

    `sample` [B, H, W, C] uint8 pictures are what the parity check runs on. The differences found are kept
    in the bundle's info under `parity`."""
    with tempfile.TemporaryDirectory(prefix="shelfwise-") as scratch:
        folder = Path(scratch)
        files, parity = export_files(model, info, sample, folder)
        if journal is not None and journal.exists():
            files["journal.jsonl"] = journal
        info = info.model_copy(update={"info": {**info.info, "parity": parity}})
        return write_bundle(path, info=info, config=config, files=files, card=model_card(info, config))


def export_files(
    model: nn.Module, info: BundleInfo, sample: Tensor, folder: Path
) -> tuple[dict[str, Path], dict[str, float]]:
    """Write weights and ONNX files into `folder`; name to path, and the differences from torch."""
    model = model.cpu().float().eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    files = {"model.safetensors": folder / "model.safetensors"}
    weights = {name: value.detach().contiguous().clone() for name, value in model.state_dict().items()}
    save_file(weights, files["model.safetensors"])
    dual = isinstance(model, DualEncoder)
    picture = folder / "picture.onnx"
    export_onnx(
        model,
        sample[:2].clone(),
        picture,
        input_name="pixels",
        output_names=["logits", "embeddings"] if dual else ["logits"],
        dynamic={0: "batch"},
    )
    files["picture.onnx"] = picture
    parity = {"picture": check_parity(model, sample, picture)}
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
