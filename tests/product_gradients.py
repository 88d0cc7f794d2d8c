"""The cost of a small products network on one batch and all of its gradients, without chance."""

from __future__ import annotations

import torch
from torch import Tensor

from shelfwise.config import ProductsConfig
from shelfwise.nn.product_loader import ProductLoader
from shelfwise.nn.product_net import ProductNet
from shelfwise.train.loop import Run
from shelfwise.train.product_inputs import load_product_inputs
from shelfwise.train.product_objective import LearnProducts


def gradients_of(config: ProductsConfig) -> tuple[float, dict[str, Tensor]]:
    """The cost, in as many micro-batches as configured, and gradients by name.

    There is no batch norm, whose statistics would be those of a micro-batch."""
    inputs = load_product_inputs(config)
    torch.manual_seed(0)
    net = ProductNet(config, inputs.classes, inputs.mean, inputs.std)
    for stage in net.picture.stages:
        stage.norms = torch.nn.ModuleList(torch.nn.Identity() for _ in stage.norms)
    net.picture.stem_norm = torch.nn.Identity()
    run = Run(net, config.train, torch.device("cpu"))
    batch = next(ProductLoader(inputs.train, 32, seed=0).batches(0))
    total = 0.0
    for loss in LearnProducts(config, {})(run, batch, torch.Generator()):
        loss.backward()
        total += loss.item()
    return total, {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
