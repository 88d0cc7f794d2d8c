"""The weights that a products run takes over from an earlier bundle, class by class."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from shelfwise.bundle import ProductsBundle, open_bundle
from shelfwise.errors import ConfigError
from shelfwise.nn.heads import target_of
from shelfwise.nn.product_net import ProductNet
from shelfwise.predict.torch_products import load_product_net

Paths = tuple[tuple[str, ...], ...]
OF_FINEST = "shared.classes.weight"
"""What the classes of the main target add to a vector in the shared space."""


def start_from(net: ProductNet, path: Path, classes: Mapping[str, Paths]) -> None:
    """Take over a products bundle's weights; heads follow the class names, and new classes start afresh.

    `classes` are the paths of `net`'s targets; a target that the bundle has not starts afresh as well.
    ConfigError where the bundle is of another task or its network has another shape."""
    bundle = open_bundle(path)
    if not isinstance(bundle, ProductsBundle):
        raise ConfigError(
            f"--init-from '{path}' is a {bundle.meta.task} bundle; this run needs one of products"
        )
    donor, own = load_product_net(bundle).state_dict(), net.state_dict()
    old = {name: target.paths for name, target in bundle.reading.targets.items()}
    taken = {}
    for name, value in own.items():
        axis, target = _classes_of(name, net.finest)
        if target not in (None, *old) or name not in donor:
            continue
        if name == OF_FINEST and bundle.meta.target != net.finest:
            continue  # the donor's columns are another target's classes
        taken[name] = (
            donor[name]
            if target is None
            else _by_class(value, donor[name], classes[target], old[target], axis)
        )
    wrong = [name for name, value in taken.items() if value.shape != own[name].shape]
    towers = [name for name in own if name.startswith("picture.") and name not in taken]
    if wrong or towers:
        raise ConfigError(
            f"--init-from '{path}': its network has another shape than the config says "
            f"({(wrong + towers)[0]}); use the bundle's own sections (see {path / 'config.json'})"
        )
    net.load_state_dict(own | taken)


def _classes_of(name: str, finest: str) -> tuple[int, str | None]:
    """Along which axis a tensor has a target's classes, and which target's."""
    if name.startswith("heads."):
        return 0, target_of(name.split(".")[1])
    return (1, finest) if name == OF_FINEST else (0, None)


def _by_class(own: Tensor, donor: Tensor, classes: Paths, old: Paths, axis: int) -> Tensor:
    """`own` with the donor's values at every class that both know; the donor's where their widths differ."""
    if own.ndim > 1 and own.shape[1 - axis] != donor.shape[1 - axis]:
        return donor
    places = {name: place for place, name in enumerate(old)}
    both = [(k, places[name]) for k, name in enumerate(classes) if name in places]
    if not both:
        return own
    mine, theirs = (torch.tensor(some) for some in zip(*both, strict=True))
    return own.index_copy(axis, mine, donor.index_select(axis, theirs))
