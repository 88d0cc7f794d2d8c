"""A products network that begins as its checkpoint's zero-shot classifier, and may end half way back to it.

K classes, E dimensions of the space that the checkpoint's pictures and texts share.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor, nn

from shelfwise.config import ProductsConfig
from shelfwise.data.product_input import text_input
from shelfwise.data.prompts import Templates, read_templates, target_prompts
from shelfwise.nn.product_net import ProductNet
from shelfwise.predict.zero_shot import prompt_vectors
from shelfwise.train.fit import load_weights
from shelfwise.train.product_inputs import ProductInputs

log = logging.getLogger(__name__)

Weights = dict[str, Tensor]
ALPHAS = tuple(tenth / 10 for tenth in range(11))
UNKNOWN = 0.5
"""What the paper advises where there is nothing to choose by (WiSE-FT, arXiv:2109.01903, section 4)."""
BATCH = 128


def prompt_templates(config: ProductsConfig) -> Templates:
    """The templates that a bundle keeps; none where its space learned from titles and none were given."""
    if config.fusion.kind != "dual" and config.zero_shot.templates is None:
        return {}
    return read_templates(config.zero_shot.templates)


@torch.no_grad()
def begin_zero_shot(net: ProductNet, config: ProductsConfig, data: ProductInputs) -> None:
    """Make every head the zero-shot classifier: each class's weights are its prompts' vector.

    Logits are then 1/temperature times the cosine, as the checkpoint compares pictures with texts. Of several
    values at once a checkpoint without a bias, such as CLIP, says only which is likelier: those heads begin
    with nothing."""
    from shelfwise.nn.pretrained_halves import pair_scale

    assert config.picture.checkpoint is not None
    scale, bias = pair_scale(config.picture.checkpoint)
    templates = prompt_templates(config)
    net.eval()

    def embed(texts: list[str]) -> Float[ndarray, "N E"]:
        words, _ = text_input(texts, config.title, data.reader)
        return np.concatenate(
            [net.title(part).pooled.numpy() for part in torch.from_numpy(words).split(BATCH)]
        )

    for name, tree in data.classes.items():
        vectors = torch.from_numpy(prompt_vectors(embed, target_prompts(name, tree.paths, templates).texts))
        several = config.effective_targets[name].several
        linear = net.heads[name].get_submodule("linear")
        assert isinstance(linear, nn.Linear)
        linear.weight.copy_(vectors * (scale if bias or not several else 0.0))
        if bias or not several:
            linear.bias.fill_(bias if several else 0.0)
    if net.temperature is not None:
        net.temperature.log_scale.fill_(math.log(scale))
        net.temperature.bias.fill_(bias)


def interpolated(start: Weights, end: Weights, alpha: float) -> Weights:
    """(1 - alpha) * start + alpha * end, weight by weight; the ends exactly (WiSE-FT, equation 1)."""
    if start.keys() != end.keys():
        raise ValueError("the two ends have other weights")
    if alpha in (0.0, 1.0):
        return dict(end if alpha else start)
    return {
        name: torch.lerp(start[name], value, alpha) if value.is_floating_point() else value
        for name, value in end.items()
    }


def mix(
    net: ProductNet, config: ProductsConfig, data: ProductInputs, score: Callable[[], float | None]
) -> dict[str, Any]:
    """Move a trained network towards its zero-shot start as `zero_shot.wise` says; what a bundle tells of it.

    All of the network is mixed, heads included: the zero-shot classifier is theirs (section 3 of the paper).
    `auto` takes the best of `ALPHAS` by `score`, of equals the nearest to zero-shot, and `UNKNOWN` where
    there is nothing to score by. `score` judges the network as it is at that moment."""
    wise = config.zero_shot.wise
    if wise is None or not config.train.epochs:
        return {}
    first = ProductNet(config, data.classes, data.mean, data.std)
    begin_zero_shot(first, config, data)
    start, end = first.state_dict(), {name: value.cpu().clone() for name, value in net.state_dict().items()}
    scores: dict[float, float] = {}
    for alpha in ALPHAS if wise == "auto" else ():
        load_weights(net, interpolated(start, end, alpha))
        if (found := score()) is None:
            log.warning("zero_shot.wise is 'auto', but no validation product has a label")
            break
        scores[alpha] = found
    chosen = wise if wise != "auto" else max(scores, key=lambda alpha: scores[alpha], default=UNKNOWN)
    load_weights(net, interpolated(start, end, chosen))
    log.info("zero_shot.wise: kept %g of the way from zero-shot to trained", chosen)
    return {"wise": {"alpha": chosen, "validation": {f"{alpha:g}": scores[alpha] for alpha in scores}}}
