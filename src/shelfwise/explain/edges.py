"""An edge detector, which knows nothing of any model: what an explanation has to differ from."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.schema.explanation import Method

METHOD = Method(name="edges", source="Sobel; as a sanity check, Adebayo et al., arXiv:1810.03292")


def sobel(pictures: UInt8[ndarray, "N H W C"]) -> Float[ndarray, "N H W"]:
    """The strength of edges in the grey picture, by Sobel's 3x3 filters; 0 at a flat place.

    A map that looks like this one may show the picture's outline and not the model's reasons (Adebayo et
    al., arXiv:1810.03292, section 5)."""
    grey = np.pad(pictures.mean(axis=3, dtype=np.float32), ((0, 0), (1, 1), (1, 1)), mode="edge")
    across = grey[:, :, 2:] - grey[:, :, :-2]
    across = across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:]
    down = grey[:, 2:] - grey[:, :-2]
    down = down[:, :, :-2] + 2 * down[:, :, 1:-1] + down[:, :, 2:]
    return np.asarray(np.hypot(across, down))
