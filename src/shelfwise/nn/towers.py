"""Picture towers: from normalised pixels to a feature vector, and the classifier around one.

Shapes: B pictures, C channels, H x W pixels, D features, K classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from shelfwise.config import ModelConfig
from shelfwise.nn.conv import Conv3x3


class Normalize(nn.Module):
    """Raw uint8 pixels to floats of mean 0 and deviation 1; the only place that normalises."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean) * 255)
        self.register_buffer("std", torch.tensor(std) * 255)

    def forward(self, pixels: UInt8[Tensor, "B H W C"]) -> Float[Tensor, "B C H W"]:
        """Channels move to the front; the memory stays channels-last, which convolutions prefer.

        They move first: onnxruntime is many times slower at a constant of C values beside H W C than at one
        beside C H W."""
        front = pixels.permute(0, 3, 1, 2).float()
        return (front - self.mean[:, None, None]) / self.std[:, None, None]


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that takes its running statistics where a batch has one value a channel.

    Torch refuses that in training: the deviation of one value is 0."""

    def forward(self, x: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C h w"]:
        """Normalised maps."""
        if self.training and x.shape[0] * x.shape[2] * x.shape[3] == 1:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


class Stage(nn.Module):
    """Halve the resolution, then refine: each convolution is followed by batch norm and ReLU.

    The first one halves by its stride or by a maximum right after it, before the norm (airbench94,
    arXiv:2404.00498, figure 5). With `residual` each later one adds to what it was given (He et al.,
    arXiv:1512.03385, without their second convolution)."""

    def __init__(
        self, channels: int, width: int, *, depth: int, stride: bool, residual: bool = False
    ) -> None:
        super().__init__()
        self.residual = residual
        inputs = [channels] + [width] * (depth - 1)
        steps = [2 if stride else 1] + [1] * (depth - 1)
        self.convs = nn.ModuleList(Conv3x3(i, width, step) for i, step in zip(inputs, steps, strict=True))
        self.norms = nn.ModuleList(BatchNorm(width, momentum=0.4) for _ in inputs)
        self.pool = not stride

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """One stage: `h` is about H / 2."""
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = conv(x)
            if i == 0 and self.pool:
                y = F.max_pool2d(y, 2)
            y = F.relu(norm(y), inplace=True)
            x = x + y if i and self.residual else y
        return x


class ConvTower(nn.Module):
    """A full-resolution stem, stages that halve the resolution, and a global maximum."""

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.stem = Conv3x3(channels, config.stem)
        inputs = (config.stem, *config.widths[:-1])
        shapes = zip(inputs, config.widths, config.depths, config.downsample, strict=True)
        self.stages = nn.ModuleList(
            Stage(i, o, depth=depth, stride=down == "stride") for i, o, depth, down in shapes
        )
        self.width = config.widths[-1]
        self.gradient_checkpointing = False

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Features of normalised pictures."""
        x = F.relu(self.stem(x), inplace=True)
        for stage in self.stages:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(stage, x, use_reentrant=False)
            else:
                x = stage(x)
        # max_pool2d, not amax: the latter's gradient took 5 ms of a 100 ms step.
        return F.max_pool2d(x, (x.shape[2], x.shape[3])).flatten(1)


class TinyTower(nn.Module):
    """One strided convolution and a mean: trains in a blink, for tests and smoke runs."""

    def __init__(self, config: ModelConfig, channels: int) -> None:
        super().__init__()
        self.width = config.widths[-1]
        self.conv = nn.Conv2d(channels, self.width, 5, stride=3)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D"]:
        """Features of normalised pictures."""
        return F.relu(self.conv(x)).mean((2, 3))


PICTURE_TOWERS: dict[str, Callable[[ModelConfig, int], nn.Module]] = {
    "conv": ConvTower,
    "tiny": TinyTower,
}


class PictureClassifier(nn.Module):
    """Normalise, tower, linear head: raw uint8 pixels to K logits."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        unlike: bool = False,
    ) -> None:
        super().__init__()
        self.normalize = Normalize(mean, std)
        self.tower = PICTURE_TOWERS[config.tower](config, len(mean))
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(self.width, classes, bias=False)
        self.unlike = nn.Linear(self.width, 1) if unlike else None
        """Scores "none of these", where that is learned."""
        self.head_scale = config.head_scale

    @property
    def width(self) -> int:
        """Dimensions of the features."""
        width = self.tower.width
        assert isinstance(width, int)
        return width

    def features(self, pixels: UInt8[Tensor, "B H W C"]) -> Float[Tensor, "B D"]:
        """What the head sees."""
        features: Tensor = self.tower(self.normalize(pixels))
        return features

    def logits(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """The head alone."""
        logits: Tensor = self.head(self.dropout(features)) * self.head_scale
        return logits

    def open_logits(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B _"]:
        """Logits of the classes and, last, of none of them."""
        return torch.cat([self.logits(features), self._none(features)], 1)

    def unlikeness(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B"]:
        """Log-odds that a picture is none of the classes."""
        return self._none(features).squeeze(1) - self.logits(features).logsumexp(1)

    def _none(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B 1"]:
        assert self.unlike is not None
        none: Tensor = self.unlike(self.dropout(features)) * self.head_scale
        return none

    def forward(self, pixels: UInt8[Tensor, "B H W C"]) -> Float[Tensor, "B K"]:
        """Logits, before temperature scaling."""
        return self.logits(self.features(pixels))
