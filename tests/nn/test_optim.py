"""Muon, parameter groups and the weight average."""

from __future__ import annotations

import pytest
import torch

from shelfwise.config import ModelConfig, TrainConfig
from shelfwise.nn.optim import Muon, WeightAverage, build_optimizers, layer_rates, orthogonalize
from shelfwise.nn.towers import PictureClassifier


def model() -> PictureClassifier:
    return PictureClassifier(ModelConfig(widths=(8, 8, 8), stem=4), classes=3, mean=(0.3,), std=(0.3,))


@pytest.mark.parametrize("shape", [(16, 40), (40, 16)])
def test_orthogonalized_singular_values_are_near_one(shape: tuple[int, int]) -> None:
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalize(matrix, steps=5).float())
    assert values.min() > 0.5
    assert values.max() < 1.5


def test_muon_resets_the_weight_norm_before_its_step() -> None:
    weight = torch.nn.Parameter(torch.randn(8, 4, 3, 3) * 100)
    weight.grad = torch.zeros_like(weight)
    weight.grad[0, 0, 0, 0] = 1.0
    Muon([weight], lr=0.0).step()
    assert weight.norm().item() == pytest.approx(8**0.5, rel=1e-4)


def test_a_weight_without_a_gradient_stays() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2, 3, 3))
    Muon([weight], lr=1.0).step()
    assert torch.equal(weight, torch.ones(2, 2, 3, 3))


@pytest.mark.parametrize("name", ["muon", "sgd", "adamw"])
def test_every_weight_has_one_optimizer_and_vectors_never_decay(name: str) -> None:
    net = model()
    optimizers = build_optimizers(net, TrainConfig.model_validate({"optimizer": name}))
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    owned = [id(p) for group in groups for p in group["params"]]
    assert sorted(owned) == sorted(id(p) for p in net.parameters())
    for group in groups:
        if group.get("weight_decay"):
            assert all(p.ndim >= 2 for p in group["params"])


def test_adamw_may_take_what_muon_leaves() -> None:
    muon, rest = build_optimizers(model(), TrainConfig(optimizer="muon", adamw_lr=3e-3))
    assert isinstance(muon, Muon)
    assert isinstance(rest, torch.optim.AdamW)
    assert {group["peak"] for group in rest.param_groups} == {3e-3}


@pytest.mark.parametrize("name", ["muon", "sgd"])
def test_a_momentum_of_zero_is_plain_descent(name: str) -> None:
    config = TrainConfig(optimizer=name, momentum=0, sgd_momentum=0)
    network = model()
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = network.head.weight.detach().clone()
    for optimizer in build_optimizers(network, config):
        optimizer.step()
    assert not torch.equal(network.head.weight, before)


def test_muon_leaves_stem_and_head_to_sgd() -> None:
    net = model()
    muon = build_optimizers(net, TrainConfig())[0]
    taken = {id(p) for group in muon.param_groups for p in group["params"]}
    assert id(net.tower.stem.weight) not in taken
    assert id(net.head.weight) not in taken
    assert id(net.tower.stages[0].convs[0].weight) in taken


def test_the_average_follows_the_weights() -> None:
    layer = torch.nn.Linear(2, 2)
    average = WeightAverage(layer, decay=0.5)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    for _ in range(60):
        average.update(layer)
    torch.testing.assert_close(average.tensors["weight"], torch.ones(2, 2))


class Layers(torch.nn.Module):
    """Embeddings, three layers and a norm, named as transformers does; a head on top."""

    def __init__(self) -> None:
        super().__init__()
        stack = torch.nn.ModuleList(torch.nn.Linear(2, 2) for _ in range(3))
        norm = {"embeddings": torch.nn.Embedding(5, 2), "layers": stack, "norm": torch.nn.LayerNorm(2)}
        self.encoder = torch.nn.ModuleDict(norm)
        self.head = torch.nn.Linear(2, 2)

    def layer_rates(self) -> dict[str, float]:
        return {f"encoder.{name}": rate for name, rate in layer_rates(self.encoder, 0.5).items()}


def test_each_layer_has_a_share_of_the_rate_of_the_one_above() -> None:
    rates = layer_rates(Layers().encoder, 0.5)
    assert rates["embeddings.weight"] == 0.5**4
    assert [rates[f"layers.{i}.weight"] for i in range(3)] == [0.125, 0.25, 0.5]
    assert rates["norm.weight"] == 1
    assert set(layer_rates(Layers().encoder, 1.0).values()) == {1.0}


def test_layers_rates_are_those_of_their_groups_and_heads_have_their_own() -> None:
    model = Layers()
    config = TrainConfig(optimizer="adamw", lr=0.1, head_lr=0.7)
    (optimizer,) = build_optimizers(model, config)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    peaks = {names[id(p)]: group["peak"] for group in optimizer.param_groups for p in group["params"]}
    assert len(peaks) == len(names) == sum(len(group["params"]) for group in optimizer.param_groups)
    assert peaks["encoder.embeddings.weight"] == pytest.approx(0.1 / 16)
    assert peaks["encoder.layers.2.bias"] == pytest.approx(0.05)
    assert peaks["encoder.norm.weight"] == pytest.approx(0.1)
    assert peaks["head.weight"] == pytest.approx(0.7)
