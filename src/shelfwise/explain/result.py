"""An explanation with the arrays that its pictures are drawn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.explain.maps import grid_of
from shelfwise.schema.explanation import Explanation, PictureMap

FOLDER_NAMES = {"integrated gradients": "gradients", "Grad-CAM": "grad-cam", "occlusion": "occlusion"}


@dataclass(frozen=True, eq=False)
class Explained:
    """What is said of one thing, and what is drawn of it."""

    explanation: Explanation
    pixels: tuple[UInt8[ndarray, "_ _ _"], ...] = ()
    """Each picture as the network sees it."""
    maps: Mapping[str, Float[ndarray, "_ _"]] = field(default_factory=dict)
    """By the name of the PNG."""


class MapCollector:
    """Takes down the maps of one picture, by number from 0."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.said: list[PictureMap] = []
        self.drawn: dict[str, Float[ndarray, "_ _"]] = {}

    def add(
        self, method: str, asks: str, values: Float[ndarray, "H W"], unit: str, *, adds_up: bool = False
    ) -> None:
        """One map; `asks` is `class`, `contrast` or `edges`, `adds_up` says that its sum means something."""
        stem = "edges" if asks == "edges" else f"{asks}-{FOLDER_NAMES[method]}"
        file = f"picture-{self._number + 1}-{stem}.png"
        values = np.asarray(values, np.float64)
        self.drawn[file] = values
        self.said.append(
            PictureMap(
                method=method,
                asks=asks,  # type: ignore[arg-type]
                file=file,
                unit=unit,
                low=float(values.min()),
                high=float(values.max()),
                total=float(values.sum()) if adds_up else None,
                grid=grid_of(values),
            )
        )
