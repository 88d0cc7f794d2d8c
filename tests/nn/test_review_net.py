"""The review network and the tagger: padding counts for nothing, stars are a distribution, tags are spans."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shelfwise.nn.ordinal import corn_distribution, corn_loss, corn_targets, one_hot
from shelfwise.nn.review_net import MeanPool, ReviewNet, RichPool, ServedReviewNet
from shelfwise.nn.tagger import TAGS, Tagger, best_spans, span_logits
from shelfwise.nn.words import MaskedWords, WordEncoder


def small_net() -> ReviewNet:
    torch.manual_seed(0)
    return ReviewNet(WordEncoder(50, 8, 2), RichPool(8), 0.1).eval()


IDS = torch.tensor([[3, 4, 5, 6], [7, 8, 0, 0], [0, 0, 0, 0]])


def test_padding_counts_for_nothing() -> None:
    net = small_net()
    longer = torch.cat([IDS, torch.zeros(3, 5, dtype=torch.int64)], 1)
    for short, long in zip(ServedReviewNet(net)(IDS), ServedReviewNet(net)(longer), strict=True):
        torch.testing.assert_close(short, long)
    tagger = Tagger(net.encoder, 12, 0.0).eval()
    torch.testing.assert_close(tagger(IDS)[0][:2, :2], tagger(longer)[0][:2, :2])
    torch.testing.assert_close(tagger(IDS)[2], tagger(longer)[2])


def test_a_text_without_tokens_is_answered_with_finite_numbers() -> None:
    for output in ServedReviewNet(small_net())(IDS):
        assert torch.isfinite(output).all()


def test_a_token_is_known_by_its_neighbours_within_the_layers_sight() -> None:
    encoder = WordEncoder(50, 8, 2).eval()
    ids = torch.arange(3, 13).unsqueeze(0)
    changed = ids.clone()
    changed[0, 0] = 40
    moved = (encoder(ids) - encoder(changed)).abs().amax(2)[0] > 1e-6
    assert moved.tolist() == [True] * 3 + [False] * 7


def test_stars_are_a_distribution() -> None:
    stars, _, recommended = ServedReviewNet(small_net())(IDS)
    torch.testing.assert_close(stars.exp().sum(1), torch.ones(3), atol=1e-4, rtol=0)
    assert recommended.shape == (3, 2)


@given(st.lists(st.floats(-20, 20), min_size=4, max_size=4))
def test_the_ordinal_head_is_a_distribution(logits: list[float]) -> None:
    found = corn_distribution(torch.tensor([logits]))
    assert found.min() >= -1e-6
    assert found.sum().item() == pytest.approx(1, abs=1e-5)


def test_the_ordinal_loss_is_the_plain_loop_over_conditions() -> None:
    torch.manual_seed(0)
    logits, stars = torch.randn(20, 4), torch.randint(0, 5, (20,))
    total, count = 0.0, 0
    for row, star in zip(logits, stars.tolist(), strict=True):
        for k in range(4):
            if star >= k:
                target = torch.tensor(float(star > k))
                total += torch.nn.functional.binary_cross_entropy_with_logits(row[k], target).item()
                count += 1
    loss = corn_loss(logits, one_hot(stars, 5), torch.ones(20))
    assert loss.item() == pytest.approx(total / count, rel=1e-5)


def test_a_row_without_stars_costs_nothing() -> None:
    logits = torch.randn(2, 4)
    both = corn_loss(logits, one_hot(torch.tensor([2, -1]), 5), torch.ones(2))
    alone = corn_loss(logits[:1], one_hot(torch.tensor([2]), 5), torch.ones(1))
    torch.testing.assert_close(both, alone)


def test_soft_ordinal_targets_give_back_the_distribution() -> None:
    soft = torch.tensor([[0.1, 0.2, 0.3, 0.25, 0.15]])
    targets, weights = corn_targets(soft)
    torch.testing.assert_close(corn_distribution(torch.logit(targets)), soft)
    torch.testing.assert_close(weights[0, 0], torch.tensor(1.0))


def test_mean_pool_leaves_padding_out() -> None:
    states = torch.tensor([[[2.0], [4.0], [100.0]]])
    present = torch.tensor([[[1.0], [1.0], [0.0]]])
    assert MeanPool(1)(states, present).item() == 3


def test_hidden_words_are_guessed_at_the_places_asked_for() -> None:
    model = MaskedWords(WordEncoder(50, 8, 1)).eval()
    assert model(IDS, torch.tensor([0, 5])).shape == (2, 50)


def test_a_sentence_scores_as_its_best_token() -> None:
    tokens = torch.tensor([[[0.0, 5.0], [3.0, 1.0], [9.0, 9.0]]])
    inside = torch.tensor([[1.0, 1.0, 0.0]])
    assert span_logits(tokens, torch.tensor([0]), inside).tolist() == [[3.0, 5.0]]


def test_tags_become_spans() -> None:
    names = ["O", "B-POS", "I-POS", "B-NEG", "I-NEU", "O", "I-NEG"]
    tags = torch.tensor([TAGS.index(name) for name in names])
    assert best_spans(tags) == [(1, 3, 0), (3, 5, 1), (6, 7, 1)]
    assert best_spans(torch.from_numpy(np.zeros(3, np.int64))) == []
