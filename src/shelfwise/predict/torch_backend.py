"""The torch backend: the very modules that were trained, in float32; the reference for the export."""

from __future__ import annotations

import torch
from jaxtyping import Float32, Int64, UInt8
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from shelfwise.bundle import Bundle
from shelfwise.errors import BundleError
from shelfwise.nn.build import build_classifier, build_dual
from shelfwise.nn.dual import DualEncoder, ServedPictures
from shelfwise.predict.onnx_backend import PictureOutputs


def load_model(bundle: Bundle) -> nn.Module:
    """The bundle's network with its weights, in evaluation mode: a DualEncoder, or a PictureClassifier
    where there is no text tower. BundleError where the weights are another network's."""
    meta, weights = bundle.meta, bundle.weights
    model: nn.Module = build_classifier(
        bundle.config, classes=len(meta.classes), mean=meta.mean, std=meta.std
    )
    if meta.tokenizer is not None:
        model = build_dual(model, bundle.config, meta.tokenizer)  # type: ignore[arg-type]
    try:
        model.load_state_dict(load_file(weights))
    except (RuntimeError, SafetensorError) as error:
        why = str(error).splitlines()[0]
        raise BundleError(
            f"bundle '{bundle.path}': model.safetensors does not fit its description ({why}); "
            "copy or train it again"
        ) from None
    return model.eval()


class TorchBackend:
    """The bundle's weights in torch."""

    def __init__(self, bundle: Bundle) -> None:
        self.model = load_model(bundle)
        self._served = ServedPictures(self.model)  # type: ignore[arg-type]

    @torch.inference_mode()
    def picture(self, pixels: UInt8[ndarray, "B H W C"], *, vectors: bool = True) -> PictureOutputs:
        """Logits and what else the bundle has learned."""
        values = self._served(torch.from_numpy(pixels))
        found = dict(zip(self._served.outputs, (value.numpy() for value in values), strict=True))
        return PictureOutputs(found["logits"], found.get("embeddings"), found.get("unlike"))

    @torch.inference_mode()
    def text(self, ids: Int64[ndarray, "T L"]) -> Float32[ndarray, "T E"]:
        """Unit vectors of tokenised texts."""
        if not isinstance(self.model, DualEncoder):
            raise ValueError("this bundle has no text tower")
        vectors: ndarray = self.model.text(torch.from_numpy(ids)).numpy()
        return vectors
