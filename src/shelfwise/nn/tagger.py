"""Token scores for opinions: shop aspects with polarity, spelled-out aspect terms, implied aspects.

B: texts, L: tokens, D: channels of the encoder, A: labels (each shop aspect praised, each blamed).
A sentence's score for a label is the largest of its tokens': the tokens that decide are the evidence.
"""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

TAGS = ("O", "B-POS", "I-POS", "B-NEG", "I-NEG", "B-NEU", "I-NEU")
"""Begin and inside of an aspect term, by polarity (as in DMASTE, ACL 2023)."""
IMPLIED = ("POS", "NEG", "NEU")
"""Polarities of opinions whose aspect no word names."""
_FAR = -1e4


class Tagger(nn.Module):
    """An encoder with `width` and `pad_id`, and one linear layer a question."""

    def __init__(self, encoder: nn.Module, labels: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(dropout)
        width: int = encoder.width  # type: ignore[assignment]
        self.aspects = nn.Linear(width, labels)
        self.terms = nn.Linear(width, len(TAGS))
        self.implied = nn.Linear(width, len(IMPLIED))
        nn.init.constant_(self.aspects.bias, -3.0)  # most tokens say nothing of most aspects

    def forward(
        self, ids: Int64[Tensor, "B L"]
    ) -> tuple[Float[Tensor, "B L A"], Float[Tensor, "B L 7"], Float[Tensor, "B 3"]]:
        """Logits of each token for each label, of each token's tag, and of implied opinions in the text."""
        states = self.dropout(self.encoder(ids))
        pad: int = self.encoder.pad_id  # type: ignore[assignment]
        absent = ids.eq(pad).unsqueeze(2).to(states.dtype) * _FAR
        return self.aspects(states), self.terms(states), (self.implied(states) + absent).amax(1)


def span_logits(
    tokens: Float[Tensor, "B L A"], owner: Int64[Tensor, "S"], inside: Float[Tensor, "S L"]
) -> Float[Tensor, "S A"]:
    """The largest logit of each span's tokens; `inside` is 1 on them, `owner` the span's text."""
    return (tokens[owner] + (1 - inside).unsqueeze(2) * _FAR).amax(1)


def best_spans(tags: Int64[Tensor, "L"]) -> list[tuple[int, int, int]]:
    """(first token, last excluded, polarity as in IMPLIED) of each term in a row of tags.

    A term goes on over inside tags of any polarity, and a lone inside tag begins one."""
    found: list[tuple[int, int, int]] = []
    for i, tag in enumerate(tags.tolist()):
        if tag == 0:
            continue
        begins = tag % 2 == 1
        if begins or not found or found[-1][1] != i:
            found.append((i, i + 1, (tag - 1) // 2))
        else:
            found[-1] = (found[-1][0], i + 1, found[-1][2])
    return found
