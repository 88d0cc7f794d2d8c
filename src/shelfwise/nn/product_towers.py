"""Towers of a products network: pictures, title and table fields, each to tokens and one vector a product.

Shapes: B products, P pictures of all of them, T tokens, L words, S pieces, F table fields, D features.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from shelfwise.config import PictureTowerConfig, TableConfig, TitleTowerConfig
from shelfwise.nn.conv import Conv3x3
from shelfwise.nn.fusion import Encoded, masked_mean
from shelfwise.nn.towers import BatchNorm, Normalize, Stage


class PictureTower(nn.Module):
    """Convolutions over one picture: a token for each place of the last map, and maps' maxima and means."""

    def __init__(
        self, config: PictureTowerConfig, width: int, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.normalize = Normalize(mean, std)
        self.stem = Conv3x3(len(mean), config.stem, config.stem_stride)
        self.stem_norm = BatchNorm(config.stem, momentum=0.4)
        inputs = (config.stem, *config.widths[:-1])
        shapes = zip(inputs, config.widths, config.depths, config.downsample, strict=True)
        self.stages = nn.ModuleList(
            Stage(i, o, depth=depth, stride=down == "stride", residual=config.residual)
            for i, o, depth, down in shapes
        )
        self.dropout = nn.Dropout(config.dropout)
        self.pooled = len(config.widths) if config.pool == "all" else 1
        self.out = nn.Linear(2 * sum(config.widths[-self.pooled :]), width)
        self.token = nn.Linear(config.widths[-1], width)

    def maps(self, pixels: UInt8[Tensor, "P H W C"]) -> list[Float[Tensor, "P _ h w"]]:
        """Every stage's feature map of raw pictures, the last one last."""
        x = F.relu(self.stem_norm(self.stem(self.normalize(pixels))), inplace=True)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found

    def forward(
        self, pixels: UInt8[Tensor, "P H W C"]
    ) -> tuple[Float[Tensor, "P D"], Float[Tensor, "P T D"]]:
        """Each picture's vector and tokens."""
        maps = self.maps(pixels)
        ends = [pool(x) for x in maps[-self.pooled :] for pool in (_maximum, _mean)]
        return self.out(self.dropout(torch.cat(ends, 1))), self.token(maps[-1].flatten(2).transpose(1, 2))


class TitleTower(nn.Module):
    """A bag of hashed words, pairs and n-grams through a residual MLP (fastText's bag, arXiv:1607.04606).

    Tokens are the words, each with its place."""

    def __init__(self, config: TitleTowerConfig, width: int) -> None:
        super().__init__()
        self.hide = config.hide
        self.embedding = nn.Embedding(config.buckets, config.width, padding_idx=0)
        # Small, so that ids never trained on hardly move a text.
        nn.init.normal_(self.embedding.weight, std=0.02)
        with torch.no_grad():
            self.embedding.weight[0] = 0
        self.mlp = nn.Sequential(
            nn.Linear(config.width, 2 * config.width), nn.GELU(), nn.Linear(2 * config.width, config.width)
        )
        self.out = nn.Linear(config.width, width)
        self.token = nn.Linear(config.width, width)
        self.place = nn.Parameter(torch.zeros(config.words, width))

    def forward(self, words: Int64[Tensor, "B L"], pieces: Int64[Tensor, "B S"]) -> Encoded:
        """Vectors and tokens of texts."""
        vectors = self.embedding(words)
        ids = torch.cat([words, pieces], 1)
        if self.training and self.hide:
            ids = ids * (torch.rand(ids.shape, device=ids.device) >= self.hide)
        count = (ids > 0).sum(1, keepdim=True).clamp(min=1)
        bag = self._sums(ids) * count.to(vectors.dtype).rsqrt()
        bag = bag + self.mlp(bag)
        tokens = self.token(vectors) + self.place[: words.shape[1]]
        return Encoded(tokens, words > 0, self.out(bag))

    def _sums(self, ids: Int64[Tensor, "B N"]) -> Float[Tensor, "B D"]:
        if torch.compiler.is_exporting():  # ONNX has no such operator
            sums: Tensor = self.embedding(ids).sum(1)
        else:  # without a vector for every id: half the time
            sums = F.embedding_bag(ids, self.embedding.weight, mode="sum", padding_idx=0)
        return sums


class TableTower(nn.Module):
    """A token for each field of the shop's table; numbers move along a direction of their field's own."""

    def __init__(self, config: TableConfig, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.buckets, width, padding_idx=0)
        self.slope = nn.Parameter(torch.zeros(len(config.fields), width))

    def forward(self, values: Int64[Tensor, "B F"], numbers: Float[Tensor, "B F"]) -> Encoded:
        """Vectors and tokens of table rows."""
        tokens = self.embedding(values) + numbers.unsqueeze(2) * self.slope
        present = values > 0
        return Encoded(tokens, present, masked_mean(tokens, present))


def _maximum(maps: Float[Tensor, "P D h w"]) -> Float[Tensor, "P D"]:
    return F.max_pool2d(maps, maps.shape[2:]).flatten(1)


def _mean(maps: Float[Tensor, "P D h w"]) -> Float[Tensor, "P D"]:
    return maps.mean((2, 3))


def gather_pictures(
    pooled: Float[Tensor, "P D"], tokens: Float[Tensor, "P T D"], owner: Int64[Tensor, "P"], products: int
) -> Encoded:
    """Pictures' vectors and tokens put together by product: the mean, and all tokens side by side."""
    if len(owner) == products and bool((owner == torch.arange(products, device=owner.device)).all()):
        present = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device)
        return Encoded(tokens, present, pooled)
    counts = torch.bincount(owner, minlength=products)
    most = max(1, int(counts.max())) if len(owner) else 1
    first = counts.cumsum(0) - counts
    slot = torch.arange(len(owner), device=owner.device) - first[owner]
    width, length = pooled.shape[1], tokens.shape[1]
    side_by_side = tokens.new_zeros(products, most, length, width)
    side_by_side[owner, slot] = tokens
    there = torch.arange(most, device=owner.device) < counts.unsqueeze(1)
    mean = pooled.new_zeros(products, width).index_add(0, owner, pooled)
    mean = mean / counts.clamp(min=1).unsqueeze(1)
    present = there.repeat_interleave(length, 1)
    return Encoded(side_by_side.flatten(1, 2), present, mean.to(pooled.dtype))
