"""What a batch of products costs, in every form that a configuration may ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from product_gradients import gradients_of
from small_products import products_config
from torch import Tensor

from shelfwise.bundle.modalities import subsets
from shelfwise.nn.fusion import Encoded, presence
from shelfwise.nn.product_loader import ProductLoader
from shelfwise.nn.product_net import ProductNet, only
from shelfwise.train.loop import Run
from shelfwise.train.product_inputs import ProductInputs, load_product_inputs
from shelfwise.train.product_objective import LearnProducts, dropped
from shelfwise.train.products import adjustments


@pytest.fixture(scope="module")
def inputs(products_table: Path) -> ProductInputs:
    return load_product_inputs(products_config(products_table))


def cost(table: Path, inputs: ProductInputs, **sections: Any) -> tuple[float, ProductNet]:
    """The loss of one batch, after its backward pass."""
    config = products_config(table, **sections)
    torch.manual_seed(0)
    net = ProductNet(config, inputs.classes, inputs.mean, inputs.std)
    run = Run(net, config.train, torch.device("cpu"))
    batch = next(ProductLoader(inputs.train, 32, seed=0, augment=config.augment).batches(0))
    objective = LearnProducts(config, adjustments(config, inputs))
    (loss,) = objective(run, batch, torch.Generator().manual_seed(0))
    loss.backward()
    return loss.item(), net


@pytest.mark.parametrize(
    "sections",
    [
        {"shared": {"loss": "sigmoid"}},
        {"shared": {"category": 0.2}},
        {"shared": {"loss": "none"}},
        {"shared": {"chunk": 8}},
        {"fusion": {"subsets": "dropout", "dropout": 0.5}},
        {"fusion": {"kind": "picture"}},
        {
            "targets": {
                "category": {"labels": ["category"], "adjust": 1.0},
                "colour": {"labels": ["colour"]},
            }
        },
    ],
)
def test_every_form_costs_something_finite_and_teaches_the_picture_tower(
    sections: dict[str, Any], products_table: Path, inputs: ProductInputs
) -> None:
    loss, net = cost(products_table, inputs, **sections)
    assert 0 < loss < 30
    gradient = net.picture.stem.weight.grad
    assert gradient is not None
    assert gradient.isfinite().all()
    assert gradient.abs().sum() > 0


def test_chunks_do_not_change_the_cost(products_table: Path, inputs: ProductInputs) -> None:
    whole, _ = cost(products_table, inputs, train={"precision": "fp32"}, title={"hide": 0.0})
    parts, _ = cost(
        products_table, inputs, train={"precision": "fp32"}, title={"hide": 0.0}, shared={"chunk": 7}
    )
    assert parts == pytest.approx(whole, rel=1e-4)


@pytest.mark.parametrize("subsets", ["all", "dropout"])
def test_micro_batches_have_the_gradients_of_the_whole_batch(subsets: str, products_table: Path) -> None:
    def gradients(accumulate: int) -> tuple[float, dict[str, Tensor]]:
        config = products_config(
            products_table,
            train={"precision": "fp32", "accumulate": accumulate},
            title={"hide": 0.0},
            fusion={"subsets": subsets, "dropout": 0.0},
        )
        return gradients_of(config)

    (whole, expected), (parts, found) = gradients(1), gradients(4)
    assert parts == pytest.approx(whole, abs=1e-4)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(found[name], gradient, atol=2e-5, rtol=1e-3)


def test_names_are_hidden_only_where_something_stands_beside_the_title(products_table: Path) -> None:
    hidden = {"category": {"labels": ["category"], "hide": 1 - 1e-9}}
    config = products_config(products_table, targets=hidden, title={"hide": 0.0}, train={"precision": "fp32"})
    inputs = load_product_inputs(config)
    batch = next(ProductLoader(inputs.train, 32, seed=0).batches(0))
    alone = torch.arange(len(batch)) % 4 == 0
    pictured = ~alone[batch.products.owner]
    products = replace(
        batch.products, pixels=batch.products.pixels[pictured], owner=batch.products.owner[pictured]
    )
    batch = replace(batch, products=products)
    assert batch.partial is not None
    assert (batch.partial[0] == 0).sum() > (batch.products.words == 0).sum()
    seen: list[Tensor] = []

    class Spied(ProductNet):
        def answer(self, parts: dict[str, Encoded]) -> tuple[dict[str, Tensor], Tensor | None]:
            seen.append(parts["text"].pooled)
            return super().answer(parts)

    torch.manual_seed(0)
    run = Run(Spied(config, inputs.classes, inputs.mean, inputs.std), config.train, torch.device("cpu"))
    net = run.model.eval()
    assert isinstance(net, ProductNet)
    # Asked of the picture, of the title, and of both.
    _ = [loss.item() for loss in LearnProducts(config, {})(run, batch, torch.Generator())]
    whole = net.title(batch.products.words, batch.products.pieces).pooled
    partial = net.title(*batch.partial).pooled
    assert torch.equal(seen[1], whole)
    assert torch.equal(seen[2][~alone], partial[~alone])
    assert torch.equal(seen[2][alone], whole[alone])
    assert not torch.equal(whole[alone], partial[alone])


def test_dropout_takes_modalities_but_never_a_products_last_one() -> None:
    def part(rows: list[bool]) -> Encoded:
        present = torch.tensor(rows).unsqueeze(1)
        return Encoded(torch.zeros(len(rows), 1, 4), present, torch.zeros(len(rows), 4))

    parts = {"picture": part([True] * 400), "text": part([True] * 200 + [False] * 200)}
    torch.manual_seed(0)
    found = dropped(parts, 0.5)
    assert presence(found).any(1).all()
    assert found["picture"].there[200:].all()
    assert 0.1 < (~found["picture"].there[:200]).float().mean() < 0.5


def test_subsets_are_all_but_the_empty_one() -> None:
    assert subsets(("picture", "text")) == [("picture",), ("text",), ("picture", "text")]
    assert len(subsets(("picture", "text", "table"))) == 7
    present = torch.ones(2, 1, dtype=torch.bool)
    parts = {name: Encoded(torch.zeros(2, 1, 4), present, torch.zeros(2, 4)) for name in ("a", "b")}
    assert [part.there.all().item() for part in only(parts, ("b",)).values()] == [False, True]
