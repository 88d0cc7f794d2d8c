"""Classes asked for in words: vectors of prompts in a space that pictures and titles share.

N products, K classes, E dimensions of the space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from shelfwise.decide.temperature import apply_temperature


@dataclass(frozen=True)
class NamedClasses:
    """Classes that a bundle never learned, by name."""

    names: tuple[str, ...]
    vectors: Float[ndarray, "K E"]
    """Unit vectors of their prompts."""
    scale: float
    """1/temperature of the space."""

    def probabilities(self, vectors: Float[ndarray, "N E"]) -> Float[ndarray, "N K"]:
        """A softmax over the classes of scaled cosines: how they compare, not calibrated."""
        return apply_temperature(self.scale * vectors @ self.vectors.T, 1.0)


def prompt_vectors(
    embed: Callable[[list[str]], Float[ndarray, "_ E"]], texts: Sequence[Sequence[str]]
) -> Float[ndarray, "K E"]:
    """A unit vector for each class: the mean of its prompts' unit vectors, at unit length again.

    The prompt ensemble of CLIP (arXiv:2103.00020, section 3.1.4): averaging vectors, not probabilities,
    costs no more than one prompt once they are made. `embed` gives a vector for each text."""
    flat = _units(embed([text for some in texts for text in some]))
    starts = np.cumsum([0, *(len(some) for some in texts)])[:-1]
    counts = np.array([len(some) for some in texts], np.float32)
    return _units(np.add.reduceat(flat, starts, axis=0) / counts[:, None])


def _units(rows: Float[ndarray, "N E"]) -> Float[ndarray, "N E"]:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), np.float32)
