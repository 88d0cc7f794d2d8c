"""The torch backend of products bundles: the very modules that were trained; the reference for the export."""

from __future__ import annotations

import torch
from jaxtyping import Float, Float32, Int64, UInt8
from numpy import ndarray
from safetensors import SafetensorError
from safetensors.torch import load_file

from shelfwise.bundle import ProductsBundle, TargetInfo
from shelfwise.data.taxonomy import Taxonomy
from shelfwise.errors import BundleError
from shelfwise.nn.fusion import Encoded
from shelfwise.nn.product_net import ProductNet
from shelfwise.predict.product_backend import Known


def load_product_net(bundle: ProductsBundle) -> ProductNet:
    """The bundle's network with its weights, in evaluation mode; BundleError where they are another's."""
    classes = {name: taxonomy_of(target) for name, target in bundle.reading.targets.items()}
    weights = bundle.weights
    meta, architectures = bundle.meta, bundle.reading.architectures
    if missing := bundle.config.pretrained.keys() - architectures.keys():
        raise BundleError(
            f"bundle '{bundle.path}' does not describe its {min(missing)} tower; train it again"
        )
    net = ProductNet(bundle.config, classes, meta.mean, meta.std, architectures)
    try:
        net.load_state_dict(load_file(weights))
    except (OSError, RuntimeError, SafetensorError) as error:
        why = str(error).splitlines()[0]
        raise BundleError(
            f"bundle '{bundle.path}': model.safetensors does not fit its description ({why}); "
            "copy or train it again"
        ) from None
    return net.float().eval()


def taxonomy_of(target: TargetInfo) -> Taxonomy:
    """The classes of a target as a tree."""
    return Taxonomy(target.levels, target.paths, dict(target.strays))


class TorchProductBackend:
    """The bundle's weights in torch."""

    def __init__(self, bundle: ProductsBundle) -> None:
        self._net = load_product_net(bundle)

    @torch.inference_mode()
    def picture(self, pixels: UInt8[ndarray, "P H W C"]) -> tuple[ndarray, ndarray]:
        """Tokens and vectors."""
        pooled, tokens = self._net.picture(torch.from_numpy(pixels))
        return tokens.numpy(), pooled.numpy()

    @torch.inference_mode()
    def title(self, words: Int64[ndarray, "B L"], pieces: Int64[ndarray, "B S"]) -> tuple[ndarray, ndarray]:
        """Tokens and vectors."""
        encoded = self._net.title(torch.from_numpy(words), torch.from_numpy(pieces))
        return encoded.tokens.numpy(), encoded.pooled.numpy()

    @torch.inference_mode()
    def table(
        self, values: Int64[ndarray, "B F"], numbers: Float32[ndarray, "B F"]
    ) -> tuple[ndarray, ndarray]:
        """Tokens and vectors."""
        assert self._net.table is not None
        encoded = self._net.table(torch.from_numpy(values), torch.from_numpy(numbers))
        return encoded.tokens.numpy(), encoded.pooled.numpy()

    @torch.inference_mode()
    def fuse(self, known: dict[str, Known]) -> dict[str, Float[ndarray, "B _"]]:
        """Logits and vectors."""
        parts = {
            name: Encoded(*map(torch.from_numpy, (part.tokens, part.present, part.vector)))
            for name, part in known.items()
        }
        logits, vectors = self._net.answer(parts)
        found = logits if vectors is None else logits | {"vectors": vectors}
        return {name: values.numpy() for name, values in found.items()}
