"""Contrastive training in little memory against the plain losses, and what its targets must say."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from shelfwise.nn.contrastive import (
    SoftTargets,
    Temperature,
    chunked_contrastive_loss,
    chunked_sigmoid_loss,
    gradient_cached,
    positives_of,
    weighted_fields,
)
from shelfwise.nn.losses import contrastive_loss, sigmoid_loss


def unit(rows: int, width: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    drawn = torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return F.normalize(drawn, dim=1).to(dtype).requires_grad_()


def keys_of(rows: int, seed: int, kinds: int = 4) -> Tensor:
    return torch.randint(-1, kinds, (rows,), generator=torch.Generator().manual_seed(seed))


def targets_of(keys: Tensor, soft: SoftTargets | None = None) -> Tensor:
    """The target of each row over a batch, row by row: its family, and a share for its category."""
    targets = torch.zeros(len(keys), len(keys))
    for row, key in enumerate(keys.tolist()):
        family = (keys == key) & (keys >= 0)
        family[row] = True
        near = torch.zeros_like(family)
        if soft is not None and soft.categories[row] >= 0:
            near = (soft.categories == soft.categories[row]) & ~family
        share = soft.weight if soft is not None and near.any() else 0.0
        targets[row, family] = (1 - share) / family.sum()
        targets[row, near] = share / near.sum().clamp(min=1)
    return targets


def with_gradients(loss: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    """The value and the gradients of all inputs."""
    value = loss(*inputs)
    return [value.detach(), *torch.autograd.grad(value, inputs)]


def assert_same(ours: list[Tensor], reference: list[Tensor]) -> None:
    for mine, other in zip(ours, reference, strict=True):
        torch.testing.assert_close(mine, other, atol=1e-5, rtol=1e-5, check_dtype=False)


def test_positives_are_families_and_an_unknown_one_is_alone() -> None:
    keys = torch.tensor([3, -1, 3, -1])
    expected = [[1, 0, 1, 0], [0, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    assert positives_of(keys).int().tolist() == expected


def test_against_other_rows_an_unknown_family_is_like_none() -> None:
    found = positives_of(torch.tensor([3, -1]), torch.tensor([-1, 3, 4]))
    assert found.int().tolist() == [[0, 1, 0], [0, 0, 0]]


def test_the_reference_gives_a_category_a_small_share_of_the_target() -> None:
    families, categories = torch.tensor([0, 0, 1, 2, -1]), torch.tensor([7, 7, 7, 8, -1])
    targets = targets_of(families, SoftTargets(categories, weight=0.2))
    expected = torch.tensor(
        [
            [0.4, 0.4, 0.2, 0.0, 0.0],
            [0.4, 0.4, 0.2, 0.0, 0.0],
            [0.1, 0.1, 0.8, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0, 0.0],
            [0.0, 0.0, 0.0, 0.0, 1.0],
        ]
    )
    torch.testing.assert_close(targets, expected)


def test_a_share_of_all_or_less_than_nothing_is_refused() -> None:
    for weight in (1.0, -0.1):
        with pytest.raises(ValueError, match="weight"):
            SoftTargets(torch.zeros(2, dtype=torch.int64), weight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "chunk"), [(37, 8), (16, 16), (5, 64), (7, 1)])
def test_the_chunked_loss_is_the_full_one(rows: int, chunk: int, dtype: torch.dtype) -> None:
    keys = keys_of(rows, rows)
    inputs = unit(rows, 12, 0, dtype), unit(rows, 12, 1, dtype), torch.tensor(14.0, requires_grad=True)
    full = with_gradients(lambda i, t, s: contrastive_loss(i, t, s, positives_of(keys)), *inputs)
    assert_same(with_gradients(lambda i, t, s: chunked_contrastive_loss(i, t, s, keys, chunk), *inputs), full)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "chunk"), [(37, 8), (5, 64)])
def test_the_chunked_sigmoid_loss_is_the_full_one(rows: int, chunk: int, dtype: torch.dtype) -> None:
    keys = keys_of(rows, rows)
    learned = torch.tensor(10.0, requires_grad=True), torch.tensor(-10.0, requires_grad=True)
    inputs = unit(rows, 12, 0, dtype), unit(rows, 12, 1, dtype), *learned
    full = with_gradients(lambda i, t, s, b: sigmoid_loss(i, t, s, b, positives_of(keys)), *inputs)
    chunked = with_gradients(lambda i, t, s, b: chunked_sigmoid_loss(i, t, s, b, keys, chunk), *inputs)
    assert_same(chunked, full)


def test_soft_targets_and_pair_weights_are_the_formula_written_out() -> None:
    keys, soft = keys_of(19, 0, 8), SoftTargets(keys_of(19, 1, 3), 0.15)
    weights = torch.rand(19, generator=torch.Generator().manual_seed(2))
    inputs = unit(19, 12, 0), unit(19, 12, 1), torch.tensor(9.0, requires_grad=True)

    def reference(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
        logits, targets = scale * image @ text.T, targets_of(keys, soft)
        losses = F.cross_entropy(logits, targets, reduction="none")
        losses = losses + F.cross_entropy(logits.T, targets, reduction="none")
        return (weights * losses).sum() / (2 * weights.sum())

    def ours(image: Tensor, text: Tensor, scale: Tensor) -> Tensor:
        return chunked_contrastive_loss(image, text, scale, keys, 4, soft=soft, pair_weights=weights)

    assert_same(with_gradients(ours, *inputs), with_gradients(reference, *inputs))


def test_equal_pair_weights_change_nothing_and_none_at_all_is_zero() -> None:
    keys, scale, bias = keys_of(9, 0), torch.tensor(5.0), torch.tensor(-5.0)
    image, text = unit(9, 6, 0), unit(9, 6, 1)
    for weight in (None, torch.full((9,), 3.0)):
        contrast = chunked_contrastive_loss(image, text, scale, keys, 4, pair_weights=weight)
        torch.testing.assert_close(contrast, contrastive_loss(image, text, scale, positives_of(keys)))
        pairs = chunked_sigmoid_loss(image, text, scale, bias, keys, 4, pair_weights=weight)
        torch.testing.assert_close(pairs, sigmoid_loss(image, text, scale, bias, positives_of(keys)))
    assert chunked_contrastive_loss(image, text, scale, keys, 4, pair_weights=torch.zeros(9)).item() == 0


def test_a_category_is_a_chance_to_match_where_each_pair_is_asked_by_itself() -> None:
    keys, soft = keys_of(19, 0, 8), SoftTargets(keys_of(19, 1, 3), 0.15)
    weights = torch.rand(19, generator=torch.Generator().manual_seed(2))
    learned = torch.tensor(9.0, requires_grad=True), torch.tensor(-4.0, requires_grad=True)
    inputs = unit(19, 12, 0), unit(19, 12, 1), *learned

    def reference(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        same = positives_of(keys)
        near = positives_of(soft.categories, soft.categories) & ~same
        logits, targets = scale * image @ text.T + bias, same + soft.weight * near
        losses = F.binary_cross_entropy_with_logits(logits, targets.float(), reduction="none")
        return (losses * (weights[:, None] + weights)).sum() / (2 * weights.sum())

    def ours(image: Tensor, text: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
        return chunked_sigmoid_loss(image, text, scale, bias, keys, 4, soft=soft, pair_weights=weights)

    assert_same(with_gradients(ours, *inputs), with_gradients(reference, *inputs))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 20), st.integers(1, 24), st.integers(0, 99), st.floats(0, 0.9))
def test_chunks_change_nothing_whatever_the_weights(rows: int, chunk: int, seed: int, share: float) -> None:
    keys, soft = keys_of(rows, seed, 6), SoftTargets(keys_of(rows, seed + 1, 3), share)
    weights = torch.rand(rows, generator=torch.Generator().manual_seed(seed)).round(decimals=1)
    learned = torch.tensor(9.0, requires_grad=True), torch.tensor(-4.0, requires_grad=True)
    sides = unit(rows, 6, seed), unit(rows, 6, seed + 1)
    both = {"soft": soft, "pair_weights": weights}
    for loss, inputs in (
        (chunked_contrastive_loss, (*sides, learned[0])),
        (chunked_sigmoid_loss, (*sides, *learned)),
    ):
        parts, whole = (
            with_gradients(lambda *some, size=size, loss=loss: loss(*some, keys, size, **both), *inputs)
            for size in (chunk, rows)
        )
        assert_same(parts, whole)


@pytest.mark.parametrize("loss", ["infonce", "sigmoid"])
def test_no_category_and_equal_weights_are_the_plain_loss(loss: str) -> None:
    keys, image, text = keys_of(9, 0), unit(9, 6, 0), unit(9, 6, 1)
    scale, bias = torch.tensor(5.0), torch.tensor(-5.0)
    plain: dict[str, object] = {"soft": None, "pair_weights": None}
    alone = SoftTargets(torch.full((9,), -1), 0.3)
    for given_ in ({"soft": alone}, {"pair_weights": torch.full((9,), 0.25)}):
        found, expected = (
            chunked_contrastive_loss(image, text, scale, keys, 4, **some)  # type: ignore[arg-type]
            if loss == "infonce"
            else chunked_sigmoid_loss(image, text, scale, bias, keys, 4, **some)  # type: ignore[arg-type]
            for some in (plain | given_, plain)
        )
        torch.testing.assert_close(found, expected)


class Largest(TorchDispatchMode):
    """Notes the most elements that any tensor had."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        for some in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(some, Tensor):
                self.elements = max(self.elements, some.numel())
        return result


def memory_of(loss: Callable[[], Tensor]) -> tuple[int, int]:
    """The elements of the largest tensor of both passes, and of all that the graph holds between them."""
    held: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        held[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // 4
        return tensor

    with Largest() as largest:
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            value = loss()
        value.backward()
    return largest.elements, sum(held.values())


def test_no_matrix_of_all_pairs_is_ever_held() -> None:
    rows, chunk = 256, 16
    keys, scale, bias = keys_of(rows, 0), torch.tensor(5.0), torch.tensor(-5.0)
    soft = SoftTargets(keys_of(rows, 1))
    for loss in (
        lambda: chunked_contrastive_loss(unit(rows, 4, 0), unit(rows, 4, 1), scale, keys, chunk, soft=soft),
        lambda: chunked_sigmoid_loss(unit(rows, 4, 0), unit(rows, 4, 1), scale, bias, keys, chunk),
        lambda: chunked_sigmoid_loss(unit(rows, 4, 0), unit(rows, 4, 1), scale, bias, keys, chunk, soft=soft),
    ):
        largest, held = memory_of(loss)
        assert largest <= chunk * rows
        assert held <= 3 * chunk * rows
    full = lambda: contrastive_loss(unit(rows, 4, 0), unit(rows, 4, 1), scale, positives_of(keys))  # noqa: E731
    assert min(memory_of(full)) >= rows * rows


def test_logits_stay_precise_under_autocast() -> None:
    keys, scale = keys_of(16, 0), torch.tensor(100.0)
    image, text = unit(16, 32, 0), unit(16, 32, 1)
    exact = chunked_contrastive_loss(image, text, scale, keys, 5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(chunked_contrastive_loss(image, text, scale, keys, 5), exact)


def test_a_chunk_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="chunk"):
        chunked_contrastive_loss(unit(3, 4, 0), unit(3, 4, 1), torch.tensor(1.0), keys_of(3, 0), 0)


class Towers(nn.Module):
    """Two small towers with dropout, and a temperature."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 8))
        self.text = nn.Sequential(nn.Linear(5, 16), nn.GELU(), nn.Dropout(dropout), nn.Linear(16, 8))
        self.temperature = Temperature()

    def encode(self, part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        image, text = self.image(part[0]), self.text(part[1])
        own = 0.1 * (image * text).square().sum()
        return F.normalize(image, dim=1), F.normalize(text, dim=1), own

    def gradients(self) -> list[Tensor]:
        return [p.grad for p in self.parameters() if p.grad is not None]


def drawn_parts() -> list[tuple[Tensor, Tensor]]:
    draw = torch.Generator().manual_seed(3)
    pixels, words = torch.randn(13, 6, generator=draw), torch.randn(13, 5, generator=draw)
    return list(zip(pixels.split(4), words.split(4), strict=True))


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_cached_gradients_are_those_of_one_pass(dropout: float) -> None:
    parts, keys = drawn_parts(), keys_of(13, 0)
    whole, cached = Towers(dropout), Towers(dropout)

    def loss_of(towers: Towers) -> Callable[[Tensor, Tensor], Tensor]:
        return lambda image, text: chunked_contrastive_loss(image, text, towers.temperature(), keys, 5)

    # One pass over the same parts, so that both draw the same dropout.
    torch.manual_seed(1)
    vectors = [whole.encode(part) for part in parts]
    image, text = (torch.cat(side) for side in list(zip(*vectors, strict=True))[:2])
    expected = loss_of(whole)(image, text) + sum(own for _, _, own in vectors)
    expected.backward()
    after = torch.rand(3)

    torch.manual_seed(1)
    total = 0.0
    for loss in gradient_cached(cached.encode, parts, loss_of(cached)):
        loss.backward()
        total += loss.item()
    assert total == pytest.approx(expected.item(), abs=1e-6)
    assert len(cached.gradients()) == 9
    assert_same(cached.gradients(), whole.gradients())
    assert torch.equal(torch.rand(3), after)


def test_cached_gradients_survive_one_autocast_around_all() -> None:
    towers = Towers(0.0)
    with torch.autocast("cpu", torch.bfloat16):
        for loss in gradient_cached(
            towers.encode, drawn_parts(), lambda i, t: contrastive_loss(i, t, towers.temperature())
        ):
            loss.backward()
    assert len(towers.gradients()) == 9
    assert all(gradient.abs().sum() > 0 for gradient in towers.gradients())


def test_a_side_without_gradient_is_left_alone() -> None:
    towers = Towers(0.0)

    def encode(part: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        image, text, own = towers.encode(part)
        return image, text, own * 0

    for loss in gradient_cached(encode, drawn_parts(), lambda image, _: image.square().sum()):
        loss.backward()
    assert all(p.grad is not None for p in towers.image.parameters())
    assert all(not p.grad.any() for p in towers.text.parameters() if p.grad is not None)


def test_asking_on_without_a_backward_pass_is_refused() -> None:
    losses = gradient_cached(Towers(0.0).encode, drawn_parts(), lambda i, t: (i * t).sum())
    next(losses)
    with pytest.raises(ValueError, match="backward"):
        next(losses)


def test_fields_are_a_weighted_mean_of_those_there_are() -> None:
    vectors = torch.stack([unit(3, 4, 0).detach(), unit(3, 4, 1).detach()])
    there = torch.tensor([[True, True, False], [True, False, False]])
    vectors[1, 1] = float("nan")
    weights = torch.tensor([3.0, 1.0], requires_grad=True)
    mixed = weighted_fields(vectors, weights, there)
    torch.testing.assert_close(mixed[0], F.normalize(3 * vectors[0, 0] + vectors[1, 0], dim=0))
    torch.testing.assert_close(mixed[1], vectors[0, 1])
    assert not mixed[2].any()
    mixed.sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_the_scale_stops_at_100_and_can_come_back() -> None:
    assert Temperature()().item() == pytest.approx(1 / 0.07, rel=1e-5)
    temperature = Temperature(scale=500.0)
    scale = temperature()
    assert scale.item() == pytest.approx(100, rel=1e-5)
    scale.backward()
    assert temperature.log_scale.grad is not None
    torch.optim.SGD(temperature.parameters(), lr=1e-3).step()
    assert temperature().item() < 99


def test_a_scale_that_a_checkpoint_brings_is_cut_only_as_it_learns_and_siglips_never() -> None:
    clip, siglip = Temperature(scale=117.0), Temperature(scale=117.0, most=None)
    assert clip.eval()().item() == pytest.approx(117, rel=1e-5)
    assert clip.train()().item() == pytest.approx(100, rel=1e-5)
    assert siglip.train()().item() == pytest.approx(117, rel=1e-5)
