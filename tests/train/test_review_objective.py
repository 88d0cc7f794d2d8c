"""What a batch of reviews costs: its micro-batches add up to it, whatever labels are missing."""

from __future__ import annotations

import pytest
import torch

from shelfwise.config import DistillConfig, HeadsConfig, ReviewTrainConfig
from shelfwise.nn.review_net import ReviewNet, RichPool
from shelfwise.nn.text_loader import TextBatch
from shelfwise.nn.words import WordEncoder
from shelfwise.train.loop import Run
from shelfwise.train.review_objective import ReadReviews, class_weights

STARS = torch.tensor([0, -1, -1, -1, 4, 3, 4, 4])


@pytest.mark.parametrize("taught", [False, True])
def test_parts_of_a_batch_add_up_to_it(taught: bool) -> None:
    answers = torch.rand(8, 5).softmax(1), torch.rand(8)
    batch = TextBatch(
        torch.arange(1, 33).reshape(8, 4),
        STARS,
        torch.tensor([1, 0, -1, -1, -1, 1, 1, 0]),
        *(answers if taught else (None, None)),
        torch.arange(8),
    )
    objective = ReadReviews(
        HeadsConfig(), class_weights(STARS, 0.5), DistillConfig(temperature=2.0) if taught else None
    )

    def cost(accumulate: int) -> tuple[float, dict[str, torch.Tensor]]:
        torch.manual_seed(0)
        net = ReviewNet(WordEncoder(50, 8, 2), RichPool(8), 0.0)
        config = ReviewTrainConfig(batch_size=8, accumulate=accumulate, precision="fp32")
        run, total = Run(net, config, torch.device("cpu")), 0.0
        for loss in objective(run, batch, torch.Generator()):
            loss.backward()
            total += loss.item()
        named = net.named_parameters()
        return total, {name: weight.grad for name, weight in named if weight.grad is not None}

    whole, gradients = cost(1)
    for accumulate in (2, 8):
        parts, others = cost(accumulate)
        assert parts == pytest.approx(whole, rel=1e-5)
        for name, gradient in gradients.items():
            torch.testing.assert_close(others[name], gradient, rtol=1e-4, atol=1e-6)
