"""From products to model input: the one place that train, predict and explain share."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, UInt8
from numpy import ndarray


@dataclass(frozen=True)
class Batch:
    """Model input for B products. Pixels are raw uint8; the model normalises, so no other place can."""

    ids: tuple[str, ...]
    pixels: UInt8[ndarray, "B H W C"]
    has_picture: Bool[ndarray, B]
