"""Losses against their formulas written out, and what they must do at the edges."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from shelfwise.nn.losses import contrastive_loss, mixup, sigmoid_loss, soft_cross_entropy, soft_targets


def unit(rows: int, width: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=1)


def test_soft_cross_entropy_is_torchs_with_label_smoothing() -> None:
    logits, labels = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    ours = soft_cross_entropy(logits, soft_targets(labels, 4, 0.1))
    assert ours.item() == pytest.approx(F.cross_entropy(logits, labels, label_smoothing=0.1).item(), rel=1e-5)


def test_a_missing_label_adds_nothing() -> None:
    logits = torch.randn(3, 4)
    with_missing = soft_cross_entropy(logits, soft_targets(torch.tensor([1, -1, 2]), 4, 0.0))
    without = F.cross_entropy(logits[[0, 2]], torch.tensor([1, 2]))
    assert with_missing.item() == pytest.approx(without.item(), rel=1e-5)


def test_parts_of_a_batch_add_up_to_it_whatever_labels_are_missing() -> None:
    logits, targets = torch.randn(6, 3), soft_targets(torch.tensor([1, -1, -1, 0, 2, 1]), 3, 0.1)
    parts = zip(logits.split(3), targets.split(3), strict=True)
    added = sum(soft_cross_entropy(some, few, targets).item() for some, few in parts)
    assert added == pytest.approx(soft_cross_entropy(logits, targets).item(), rel=1e-6)


def test_all_labels_missing_is_zero_and_not_nan() -> None:
    assert soft_cross_entropy(torch.randn(2, 3), soft_targets(torch.tensor([-1, -1]), 3, 0.1)).item() == 0


def test_contrastive_loss_of_random_vectors_is_about_log_b() -> None:
    loss = contrastive_loss(unit(64, 256, 0), unit(64, 256, 1), torch.tensor(1.0))
    assert loss.item() == pytest.approx(math.log(64), abs=0.1)


def test_contrastive_loss_is_clips_two_cross_entropies() -> None:
    image, text, scale = unit(8, 16, 0), unit(8, 16, 1), torch.tensor(10.0)
    logits, target = scale * image @ text.T, torch.arange(8)
    expected = (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2
    assert contrastive_loss(image, text, scale).item() == pytest.approx(expected.item(), rel=1e-5)


def test_positives_share_the_target() -> None:
    image, text = unit(4, 8, 0), unit(2, 8, 1)
    right = torch.tensor([[True, False], [False, True], [True, False], [False, True]])
    logits = 5 * image @ text.T
    to_text = F.cross_entropy(logits, torch.tensor([0, 1, 0, 1]))
    to_image = -(F.log_softmax(logits.T, 1) * right.T / 2).sum(1).mean()
    loss = contrastive_loss(image, text, torch.tensor(5.0), right)
    assert loss.item() == pytest.approx(((to_text + to_image) / 2).item(), rel=1e-5)


def test_sigmoid_loss_is_the_sum_over_all_pairs() -> None:
    image, text, scale, bias = unit(5, 8, 0), unit(5, 8, 1), torch.tensor(3.0), torch.tensor(-1.0)
    total = 0.0
    for i in range(5):
        for j in range(5):
            sign = 1.0 if i == j else -1.0
            total += -F.logsigmoid(sign * (scale * image[i] @ text[j] + bias)).item()
    assert sigmoid_loss(image, text, scale, bias).item() == pytest.approx(total / 5, rel=1e-4)


def test_unequal_sides_need_positives() -> None:
    with pytest.raises(ValueError, match="positives"):
        contrastive_loss(unit(3, 4, 0), unit(2, 4, 1), torch.tensor(1.0))


def test_mixup_keeps_type_and_the_sum_of_targets() -> None:
    pixels = torch.randint(0, 256, (8, 4, 4, 1), dtype=torch.uint8)
    targets = soft_targets(torch.arange(8) % 3, 3, 0.0)
    mixed, mixed_targets = mixup(pixels, targets, beta=0.4, generator=torch.Generator().manual_seed(1))
    assert mixed.dtype == torch.uint8
    assert mixed.shape == pixels.shape
    torch.testing.assert_close(mixed_targets.sum(1), torch.ones(8))
    again, _ = mixup(pixels, targets, beta=0.4, generator=torch.Generator().manual_seed(1))
    assert torch.equal(mixed, again)
