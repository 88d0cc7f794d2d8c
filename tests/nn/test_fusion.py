"""Fusion: any subset of modalities, nothing from what is absent, and more than late fusion can say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shelfwise.export.session import open_session
from shelfwise.nn.fusion import FUSIONS, CrossAttention, Encoded, Late

MODALITIES, WIDTH = ("picture", "text", "fields"), 16
LENGTHS = {"picture": 3, "text": 5, "fields": 2}
SUBSETS = torch.tensor([[i >> m & 1 for m in range(3)] for i in range(8)], dtype=torch.bool)

every_fusion = pytest.mark.parametrize("name", FUSIONS)


def drawn(there: Tensor = SUBSETS, seed: int = 0) -> dict[str, Encoded]:
    """Random modalities, `there` as told, each of its products with a random number of tokens."""
    generator = torch.Generator().manual_seed(seed)
    parts = {}
    for name, rows in zip(MODALITIES, there.T, strict=True):
        count, length = len(rows), LENGTHS[name]
        present = torch.rand(count, length, generator=generator) < 0.5
        present[:, 0] = True
        tokens = torch.randn(count, length, WIDTH, generator=generator)
        pooled = torch.randn(count, WIDTH, generator=generator)
        parts[name] = Encoded(tokens, present, pooled).without(~rows)
    return parts


def moved(name: str, modalities: tuple[str, ...] = MODALITIES) -> Late:
    """A fusion in which nothing is zero any more, as after training."""
    torch.manual_seed(0)
    fusion = FUSIONS[name](modalities, WIDTH).eval()
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))
    return fusion


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0)


def test_a_modality_can_be_taken_away_from_some_rows() -> None:
    whole = drawn(torch.ones(3, 3, dtype=torch.bool))["text"]
    less = whole.without(torch.tensor([False, True, False]))
    assert whole.there.tolist() == [True] * 3
    assert less.there.tolist() == [True, False, True]
    assert torch.equal(less.present[[0, 2]], whole.present[[0, 2]])
    assert less.tokens is whole.tokens


def test_levelled_parts_do_not_know_the_scale_of_their_tower() -> None:
    part = drawn()["text"]
    loud = replace(part, tokens=part.tokens * 50, pooled=part.pooled * 50)
    torch.testing.assert_close(part.levelled().tokens, loud.levelled().tokens, atol=1e-3, rtol=0)
    assert part.levelled().pooled[part.there].square().mean().item() == pytest.approx(1, abs=1e-3)


@every_fusion
def test_any_subset_gives_a_finite_vector_and_finite_gradients(name: str) -> None:
    fusion = moved(name)
    vectors = fusion(drawn())
    assert vectors.shape == (len(SUBSETS), WIDTH)
    assert vectors.isfinite().all()
    vectors.square().sum().backward()
    for parameter in fusion.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()


@every_fusion
def test_a_product_of_which_nothing_is_there_gets_the_learned_vector(name: str) -> None:
    fusion = moved(name)
    unknown = ~SUBSETS[:, [MODALITIES.index(used) for used in fusion.modalities]].any(1)
    vectors = fusion(drawn())
    same(vectors[unknown], fusion.nothing.expand(int(unknown.sum()), -1))
    apart = (vectors[~unknown] - fusion.nothing).abs().amax(1)
    assert apart.min() > 0.1


@every_fusion
@pytest.mark.parametrize("filler", [1e3, float("nan")])
def test_what_is_absent_does_not_leak(name: str, filler: float) -> None:
    fusion, parts = moved(name), drawn()
    other = {
        modality: Encoded(
            part.tokens.masked_fill(~part.present.unsqueeze(2), filler),
            part.present,
            part.pooled.masked_fill(~part.there.unsqueeze(1), filler),
        )
        for modality, part in parts.items()
    }
    vectors = fusion(other)
    assert torch.equal(fusion(parts), vectors)
    vectors.sum().backward()
    assert all(p.grad.isfinite().all() for p in fusion.parameters() if p.grad is not None)


@every_fusion
def test_what_is_present_does_matter(name: str) -> None:
    fusion, parts = moved(name), drawn(torch.ones(4, 3, dtype=torch.bool))
    vectors = fusion(parts)
    for modality in fusion.modalities:
        part = parts[modality]
        pooled = parts | {modality: replace(part, pooled=part.pooled.flip(1))}
        assert (fusion(pooled) - vectors).abs().amax(1).min() > 1e-3
        tokens = parts | {modality: replace(part, tokens=part.tokens.flip(2))}
        changed = (fusion(tokens) - vectors).abs().amax(1).min() > 1e-3
        assert changed == (name in ("cross_attention", "bottleneck"))


@every_fusion
def test_rows_and_the_order_of_modalities_do_not_matter(name: str) -> None:
    fusion, parts = moved(name), drawn()
    vectors = fusion(parts)
    for row in range(len(SUBSETS)):
        one = {
            modality: Encoded(part.tokens[[row]], part.present[[row]], part.pooled[[row]])
            for modality, part in parts.items()
        }
        same(fusion(one)[0], vectors[row])
    assert torch.equal(fusion(dict(reversed(parts.items()))), vectors)


@every_fusion
def test_padding_counts_for_nothing(name: str) -> None:
    fusion, parts = moved(name), drawn()
    longer = {
        modality: replace(
            part, tokens=F.pad(part.tokens, (0, 0, 0, 7), value=3), present=F.pad(part.present, (0, 7))
        )
        for modality, part in parts.items()
    }
    same(fusion(longer), fusion(parts))


@pytest.mark.parametrize("name", ["concat", "cross_attention", "bottleneck"])
def test_training_starts_from_late_fusion(name: str) -> None:
    torch.manual_seed(0)
    fusion, late = FUSIONS[name](MODALITIES, WIDTH), Late(MODALITIES, WIDTH)
    late.load_state_dict(fusion.state_dict(), strict=False)
    same(fusion(drawn()), late(drawn()))


def test_linear_heads_on_late_fusion_average_the_logits_of_each_modality() -> None:
    fusion, parts = moved("late"), drawn(torch.ones(5, 3, dtype=torch.bool))
    head = nn.Linear(WIDTH, 4)
    everything = torch.ones(5, dtype=torch.bool)
    alone = [
        head(fusion({m: p if m == kept else p.without(everything) for m, p in parts.items()}))
        for kept in MODALITIES
    ]
    weights = fusion.scores.softmax(0).unsqueeze(2)
    same(head(fusion(parts)), (torch.stack(alone) * weights).sum(0))


@every_fusion
def test_one_modality_is_enough(name: str) -> None:
    only = "text" if name == "text" else "picture"
    assert moved(name, (only,))({only: drawn()[only]}).isfinite().all()


@every_fusion
def test_bfloat16_autocast_stays_close(name: str) -> None:
    fusion = FUSIONS[name](MODALITIES, WIDTH)
    exact = fusion(drawn())
    with torch.autocast("cpu", torch.bfloat16):
        vectors = fusion(drawn())
    torch.testing.assert_close(vectors.float(), exact, atol=0.05, rtol=0.05)
    vectors.float().square().sum().backward()
    assert all(p.grad.isfinite().all() for p in fusion.parameters() if p.grad is not None)


@every_fusion
def test_parameters_are_few(name: str) -> None:
    assert sum(p.numel() for p in FUSIONS[name](MODALITIES, 128).parameters()) < 600_000


class Flat(nn.Module):
    """A fusion of tensors, as ONNX wants it."""

    def __init__(self, fusion: Late) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(self, *tensors: Tensor) -> Tensor:
        parts = {name: Encoded(*tensors[3 * i : 3 * i + 3]) for i, name in enumerate(MODALITIES)}
        vectors: Tensor = self.fusion(parts)
        return vectors


def flat(parts: dict[str, Encoded]) -> tuple[Tensor, ...]:
    return tuple(
        t for name in MODALITIES for t in (parts[name].tokens, parts[name].present, parts[name].pooled)
    )


@every_fusion
@pytest.mark.filterwarnings("ignore")  # of onnxscript and torch, about their own internals
def test_onnx_gives_what_torch_gives_at_other_sizes(name: str, tmp_path: Path) -> None:
    fusion, dynamic = moved(name), torch.export.Dim.DYNAMIC
    shapes = ({0: dynamic, 1: dynamic}, {0: dynamic, 1: dynamic}, {0: dynamic}) * len(MODALITIES)
    inputs = [f"{name}_{what}" for name in MODALITIES for what in ("tokens", "present", "pooled")]
    program = torch.onnx.export(
        Flat(fusion),
        flat(drawn(SUBSETS[3:])),
        dynamo=True,
        input_names=inputs,
        dynamic_shapes=(shapes,),
        verbose=False,
    )
    assert program is not None
    program.save(tmp_path / "fusion.onnx")
    session = open_session(tmp_path / "fusion.onnx", 1)
    for there in (SUBSETS, SUBSETS[5:6]):
        parts = drawn(there, seed=1)
        text = parts["text"]
        parts["text"] = replace(
            text, tokens=F.pad(text.tokens, (0, 0, 0, 2)), present=F.pad(text.present, (0, 2))
        )
        given = dict(zip(inputs, (t.numpy() for t in flat(parts)), strict=True))
        (found,) = session.run(None, {i.name: given[i.name] for i in session.get_inputs()})
        same(torch.from_numpy(found), fusion(parts).detach())


def test_attention_maps_are_shares_of_the_other_modalities() -> None:
    fusion, parts = moved("cross_attention"), drawn()
    assert isinstance(fusion, CrossAttention)
    maps = fusion.attend(parts)
    assert set(maps) == {(a, b) for a in MODALITIES for b in MODALITIES if a != b}
    for (a, b), weights in maps.items():
        assert weights.shape == (len(SUBSETS), LENGTHS[a], LENGTHS[b])
        assert (weights[~parts[a].present] == 0).all()
        assert (weights.transpose(1, 2)[~parts[b].present] == 0).all()
    for a in MODALITIES:
        others = [b for b in MODALITIES if b != a]
        looks = parts[a].present & (parts[others[0]].there | parts[others[1]].there).unsqueeze(1)
        same(sum(maps[a, b].sum(2) for b in others), looks.float())


def test_with_two_modalities_every_row_of_a_map_sums_to_one() -> None:
    fusion = moved("cross_attention", ("picture", "text"))
    assert isinstance(fusion, CrossAttention)
    parts = drawn(torch.ones(4, 3, dtype=torch.bool))
    weights = fusion.attend(parts)["text", "picture"]
    same(weights.sum(2), parts["text"].present.float())


def opposites(count: int, generator: torch.Generator) -> tuple[dict[str, Encoded], Tensor]:
    """Two modalities of two kinds each; the label, whether they differ, is in neither alone."""
    kinds = torch.randint(0, 2, (2, count), generator=generator)
    parts = {}
    for name, kind in zip(("picture", "text"), kinds, strict=True):
        signal = F.one_hot(kind, WIDTH).float().unsqueeze(1)
        tokens = 3 * signal + 0.5 * torch.randn(count, 3, WIDTH, generator=generator)
        parts[name] = Encoded(tokens, torch.ones(count, 3, dtype=torch.bool), tokens.mean(1))
    return parts, (kinds[0] ^ kinds[1]).float()


@pytest.mark.parametrize("name", ["late", "concat", "gated", "cross_attention", "bottleneck"])
def test_all_but_late_learn_what_only_two_modalities_together_say(name: str) -> None:
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    fusion, head = FUSIONS[name](("picture", "text"), WIDTH), nn.Linear(WIDTH, 1)
    optimizer = torch.optim.AdamW([*fusion.parameters(), *head.parameters()], lr=0.01)
    for _ in range(100):
        parts, label = opposites(64, generator)
        loss = F.binary_cross_entropy_with_logits(head(fusion(parts)).squeeze(1), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    parts, label = opposites(1000, generator)
    accuracy = ((head(fusion(parts)).squeeze(1) > 0) == label.bool()).float().mean().item()
    if name == "late":
        assert accuracy < 0.8
    else:
        assert accuracy > 0.95
