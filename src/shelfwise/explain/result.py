"""An explanation with the arrays that its pictures are drawn from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from shelfwise.explain.maps import grid_of
from shelfwise.schema.explanation import Asks, Explanation, PictureMap

FILE_NAMES = {"integrated gradients": "gradients", "Grad-CAM": "grad-cam", "occlusion": "occlusion"}
_FILE = re.compile(rf"picture-[1-9][0-9]*-(edges|(class|contrast)-({'|'.join(FILE_NAMES.values())}))\.png")


@dataclass(frozen=True, eq=False)
class Explained:
    """What is said of one thing, and what is drawn of it."""

    explanation: Explanation
    pixels: tuple[UInt8[ndarray, "_ _ _"], ...] = ()
    """Each picture as the network sees it."""
    maps: Mapping[str, Float[ndarray, "_ _"]] = field(default_factory=dict)
    """By the name of the PNG."""


def is_map_file(name: str) -> bool:
    """Whether a map's PNG may have this name."""
    return _FILE.fullmatch(name) is not None


class MapCollector:
    """Takes down the maps of one picture, by number from 0."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.said: list[PictureMap] = []
        self.drawn: dict[str, Float[ndarray, "_ _"]] = {}

    def add(
        self,
        method: str,
        asks: Asks,
        values: Float[ndarray, "H W"],
        unit: str,
        *,
        change: float | None = None,
    ) -> None:
        """One map; `change` is what its sum stands for, where it means something."""
        stem = "edges" if asks == "edges" else f"{asks}-{FILE_NAMES[method]}"
        file = f"picture-{self._number + 1}-{stem}.png"
        values = np.asarray(values, np.float64)
        self.drawn[file] = values
        total = float(values.sum())
        self.said.append(
            PictureMap(
                method=method,
                asks=asks,
                file=file,
                unit=unit,
                low=float(values.min()),
                high=float(values.max()),
                total=None if change is None else total,
                residual=None if change is None else total - change,
                grid=grid_of(values),
            )
        )
