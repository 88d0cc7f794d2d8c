"""Heads for class trees and multi-valued attributes: sums over levels, masks, and losses written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from shelfwise.data.taxonomy import Taxonomy
from shelfwise.export.onnx import check_parity, export_onnx
from shelfwise.nn.heads import (
    HEADS,
    LevelSums,
    MultiHead,
    PathHead,
    TargetHeads,
    logit_adjustment,
    module_key,
    multi_loss,
    path_loss,
    target_of,
)

TREE = Taxonomy(
    ("master", "sub", "article"),
    (
        ("a", "a1", "p"),
        ("a", "a1", "q"),
        ("a", "a1", "r"),
        ("a", "a2", "s"),
        ("b", "b1", "t"),
        ("b", "b2", "s"),
        ("b", "b2", "u"),
    ),
)
FLAT = Taxonomy(("colour",), (("blue",), ("green",), ("red",), ("white",)))
EXTREMES = [1.0, 1e2, 1e4, 1e30]
seeds = st.integers(0, 2**31)


def drawn(*shape: int, seed: int = 0, scale: float = 3.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def drawn_known(rows: int, seed: int, tree: Taxonomy = TREE) -> Tensor:
    """Node numbers of random leaves, each known down to a random depth, some to none."""
    rng = np.random.default_rng(seed)
    known = tree.ancestors[rng.integers(0, len(tree), rows)].copy()
    known[np.arange(len(tree.levels)) >= rng.integers(0, len(tree.levels) + 1, rows)[:, None]] = -1
    return torch.from_numpy(known)


def loss_by_hand(
    logits: Tensor, known: Tensor, coarse: tuple[float, float], smoothing: float, adjustment: Tensor
) -> float:
    """Row by row, node by node, in probabilities."""
    costs = []
    for row, nodes in zip((logits + adjustment).double().softmax(1), known.tolist(), strict=True):
        depth = sum(number >= 0 for number in nodes)
        if not depth:
            continue
        nll = [-row[TREE.parents(level)[nodes[level]]].sum().log() for level in range(depth)]
        above = sum(weight * cost for weight, cost in zip(coarse, nll[:-1], strict=False))
        costs.append((1 - smoothing) * nll[-1] + smoothing * -row.log().mean() + above)
    return float(sum(costs) / max(len(costs), 1))


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from(EXTREMES))
def test_levels_sum_to_one_and_a_parent_is_the_sum_of_its_children(seed: int, scale: float) -> None:
    levels = [part.double().exp() for part in LevelSums(TREE)(drawn(5, len(TREE), seed=seed, scale=scale))]
    for level, nodes in enumerate(levels):
        torch.testing.assert_close(nodes.sum(1), torch.ones(5).double(), rtol=0, atol=1e-5)
        members = torch.from_numpy(TREE.parents(level))
        torch.testing.assert_close(nodes, levels[-1] @ members.T.double(), rtol=1e-4, atol=1e-6)
    for child, (parent, middle, leaf) in enumerate(TREE.ancestors.tolist()):
        assert leaf == child
        assert (levels[0][:, parent] >= levels[1][:, middle] - 1e-6).all()
        assert (levels[1][:, middle] >= levels[2][:, child] - 1e-6).all()


def test_the_head_gives_the_nodes_of_each_level_and_its_state_is_the_linear_layer() -> None:
    head = HEADS["path"](8, TREE)
    assert isinstance(head, PathHead)
    logits = head(drawn(2, 8))
    shapes = [tuple(nodes.shape) for nodes in head.sums(logits)]
    assert shapes == [(2, 2), (2, 4), (2, 7)]
    assert set(head.state_dict()) == {"linear.weight", "linear.bias"}


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 9), st.tuples(st.floats(0, 2), st.floats(0, 2)), st.floats(0, 0.5))
def test_path_loss_is_the_obvious_loop(
    seed: int, rows: int, coarse: tuple[float, float], smoothing: float
) -> None:
    logits, known, adjustment = drawn(rows, 7, seed=seed), drawn_known(rows, seed), drawn(7, seed=seed + 1)
    loss = path_loss(
        logits, known, LevelSums(TREE), coarse=coarse, smoothing=smoothing, adjustment=adjustment
    )
    expected = loss_by_hand(logits, known, coarse, smoothing, adjustment)
    assert loss.item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0, 0.5))
def test_one_level_is_torchs_cross_entropy(seed: int, smoothing: float) -> None:
    logits, known = drawn(6, 4, seed=seed), drawn_known(6, seed, FLAT)
    known[0, 0] = 2  # torch divides by zero where no row is known
    ours = path_loss(logits, known, LevelSums(FLAT), smoothing=smoothing)
    expected = F.cross_entropy(logits, known[:, 0], ignore_index=-1, label_smoothing=smoothing)
    assert ours.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_row_that_knows_nothing_costs_nothing_and_pulls_nothing() -> None:
    logits = drawn(3, 7).requires_grad_()
    known = torch.tensor([[0, 0, 1], [-1, -1, -1], [1, 3, -1]])
    loss = path_loss(logits, known, LevelSums(TREE), coarse=(0.5, 0.5), smoothing=0.1)
    loss.backward()
    assert logits.grad is not None
    assert (logits.grad[1] == 0).all()
    alone = path_loss(logits[[0, 2]], known[[0, 2]], LevelSums(TREE), coarse=(0.5, 0.5), smoothing=0.1)
    assert loss.item() == pytest.approx(alone.item(), rel=1e-6)


def test_no_known_row_is_zero_and_can_be_learned_from() -> None:
    logits = drawn(2, 7).requires_grad_()
    loss = path_loss(logits, torch.full((2, 3), -1), LevelSums(TREE), smoothing=0.1)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_a_row_of_an_inner_node_leaves_the_order_of_its_leaves_alone() -> None:
    logits = torch.zeros(1, 7, requires_grad=True)
    path_loss(logits, torch.tensor([[0, 0, -1]]), LevelSums(TREE)).backward()
    assert logits.grad is not None
    inside, outside = logits.grad[0, :3], logits.grad[0, 3:]
    assert (inside < 0).all()
    assert (outside > 0).all()
    torch.testing.assert_close(inside, inside[:1].expand(3))


@pytest.mark.parametrize("scale", EXTREMES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_gradients_are_finite_for_logits_of_any_size(scale: float, dtype: torch.dtype) -> None:
    for seed in range(8):
        logits = drawn(6, 7, seed=seed, scale=scale).to(dtype).requires_grad_()
        known = drawn_known(6, seed)
        loss = path_loss(logits, known, LevelSums(TREE), coarse=(0.3, 0.3), smoothing=0.1)
        loss.backward()
        assert logits.grad is not None
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()


def test_a_wrong_number_of_coarse_weights_is_found() -> None:
    with pytest.raises(ValueError, match="1 weights for the 2 levels"):
        path_loss(drawn(1, 7), torch.tensor([[0, 0, 0]]), LevelSums(TREE), coarse=(1.0,))


def test_logit_adjustment_is_tau_log_prior_and_makes_rare_classes_dearer() -> None:
    counts = torch.tensor([98, 1, 1, 0])
    adjustment = logit_adjustment(counts, 0.5)
    torch.testing.assert_close(adjustment, 0.5 * (torch.tensor([98.0, 1, 1, 1]) / 101).log())
    rare, even = torch.tensor([[1]]), torch.zeros(1, 4)
    assert path_loss(even, rare, LevelSums(FLAT), adjustment=adjustment) > path_loss(
        even, rare, LevelSums(FLAT)
    )


def test_adjusted_training_finds_the_balanced_answer() -> None:
    """With one input the best plain logits are the log prior, the best adjusted ones all alike."""
    labels = torch.tensor([[0]] * 80 + [[1]] * 10 + [[2]] * 6 + [[3]] * 4)
    adjustment = logit_adjustment(torch.bincount(labels[:, 0], minlength=4))
    logits = torch.zeros(4, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        path_loss(logits.expand(100, 4), labels, LevelSums(FLAT), adjustment=adjustment).backward()
        optimizer.step()
    torch.testing.assert_close(logits.softmax(0), torch.full((4,), 0.25), atol=1e-2, rtol=0)


def test_multi_loss_is_torchs_over_known_rows() -> None:
    logits = drawn(4, 4)
    labels = torch.tensor([[1, 0, 0, 1], [-1, -1, -1, -1], [0, 0, 0, 0], [0, 1, 1, 0]])
    rows = [0, 2, 3]
    expected = F.binary_cross_entropy_with_logits(logits[rows], labels[rows].float())
    assert multi_loss(logits, labels).item() == pytest.approx(expected.item(), rel=1e-5)
    assert multi_loss(logits, torch.full((4, 4), -1)).item() == 0


def test_a_missing_row_of_a_multi_valued_target_pulls_nothing() -> None:
    logits = drawn(2, 4, scale=1e30).requires_grad_()
    loss = multi_loss(logits, torch.tensor([[-1, -1, -1, -1], [1, 0, 1, -1]]))
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    assert (logits.grad[0] == 0).all()
    assert logits.grad[1, 3] == 0


def test_a_multi_valued_head_has_one_level() -> None:
    assert HEADS["multi"](8, FLAT)(drawn(2, 8)).shape == (2, 4)
    with pytest.raises(ValueError, match="one level"):
        MultiHead(8, TREE)


class Levels(nn.Module):
    """Probabilities of every level, as a bundle's file would give them."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = PathHead(8, TREE)
        self.scale = scale

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.scale * self.head(features)
        first, second, third = self.head.sums(logits)
        return first, second, third


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_the_onnx_file_gives_the_same_levels_as_torch(tmp_path: Path, scale: float) -> None:
    module, path, names = Levels(scale), tmp_path / "levels.onnx", ["master", "sub", "article"]
    export_onnx(module, drawn(2, 8), path, input_name="features", output_names=names, dynamic={0: "batch"})
    assert check_parity(module, drawn(17, 8), path, links=[np.exp] * 3) <= 1e-6


def test_log_probabilities_of_the_onnx_file_are_finite(tmp_path: Path) -> None:
    module, path = Levels(1e4), tmp_path / "levels.onnx"
    export_onnx(module, drawn(2, 8), path, input_name="x", output_names=["a", "b", "c"], dynamic={0: "batch"})
    relative = [lambda rows: rows / 1e5] * 3
    assert check_parity(module, drawn(9, 8), path, links=relative) <= 1e-5


NAMES = (
    *("colour", "base colour", "größe", "0", "a", "a.b", "a%2Eb", "", "target:type", "keys", "_modules"),
    *("type", "items", "values", "half", "train", "training", "forward"),
)


def test_a_target_may_have_any_name_and_plain_ones_are_the_keys_of_the_weights() -> None:
    heads = TargetHeads(8, dict.fromkeys(NAMES, FLAT), several=("a.b",))
    assert [*heads] == [*NAMES]
    assert len(heads) == len(NAMES) == len({module_key(name) for name in NAMES})
    assert [target_of(module_key(name)) for name in NAMES] == [*NAMES]
    logits = heads(drawn(3, 8))
    assert all(torch.equal(logits[name], heads[name](drawn(3, 8))) for name in NAMES)
    assert isinstance(heads["a.b"], MultiHead)
    state = heads.state_dict()
    for name in ("colour", "base colour", "größe", "a", "0"):
        assert f"{name}.linear.weight" in state
    again = TargetHeads(8, dict.fromkeys(NAMES, FLAT), several=("a.b",))
    again.load_state_dict(state)
    assert torch.equal(again["type"](drawn(3, 8)), logits["type"])
