"""Text alignment: teach a text tower and a projection the space of a frozen picture classifier."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from shelfwise.config import Config
from shelfwise.data.prompts import ClassPrompts
from shelfwise.data.tokens import TokenizerConfig, tokenize
from shelfwise.nn.build import build_dual
from shelfwise.nn.dual import DualEncoder
from shelfwise.nn.losses import contrastive_loss, sigmoid_loss
from shelfwise.nn.towers import PictureClassifier

PROMPTS_PER_CLASS = 4
CONTRAST = 0.02
"""Weight of the contrastive loss beside the loss that follows the classifier. At 0.3 text to picture P@10
fell from .99 to .92: it pulls a class's pictures together and so undoes their ranking."""


def align_text(
    classifier: PictureClassifier,
    features: Float[Tensor, "N D"],
    labels: Int64[Tensor, "N"],
    prompts: ClassPrompts,
    *,
    config: Config,
    tokenizer: TokenizerConfig,
    temperature: float,
    seed: int,
) -> DualEncoder:
    """A dual encoder around `classifier`, whose own weights stay as they are.

    Each step draws pictures and a few prompts of every class. A contrastive loss pairs a picture with the
    prompts of its class. Besides, the cosine of picture x and a prompt of class k must follow
    sqrt(p(k|x)) of the calibrated classifier: unit vectors with these very cosines exist while the prompts
    of different classes are orthogonal (sum of p is 1), and then asking by words gives the classifier's own
    answer and ranks pictures by its confidence."""
    torch.manual_seed(seed)
    dual = build_dual(classifier, config, tokenizer)
    known = labels >= 0
    features, labels = features[known], labels[known]
    with torch.no_grad():
        cosines = F.softmax(classifier.logits(features) / temperature, 1).sqrt()
        dual.projection.log_sharpness.fill_(-math.log(temperature))
    texts = [torch.from_numpy(tokenize(some, tokenizer)) for some in prompts.texts]
    trained = [p for name, p in dual.named_parameters() if not name.startswith("classifier.")]
    optimizer = torch.optim.AdamW(trained, lr=config.text.lr, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(seed)
    for step in range(config.text.steps):
        optimizer.param_groups[0]["lr"] = config.text.lr * (1 - step / config.text.steps)
        rows = torch.randint(len(labels), (config.text.batch_size,), generator=generator)
        ids, classes = _draw(texts, generator)
        image, text = dual.project(features[rows]), dual.text(ids)
        right = labels[rows][:, None] == classes[None, :]
        if config.text.loss == "sigmoid":
            contrast = sigmoid_loss(image, text, dual.scale, dual.bias, right)
        else:
            contrast = contrastive_loss(image, text, dual.scale, right)
        follow = (image @ text.T - cosines[rows][:, classes]).square().sum(1).mean() / PROMPTS_PER_CLASS
        loss = CONTRAST * contrast + follow
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
    return dual.eval()


def _draw(texts: list[Tensor], generator: torch.Generator) -> tuple[Int64[Tensor, "T L"], Int64[Tensor, "T"]]:
    """A few random prompts of each class, padded to one length, and the class of each."""
    rows = [
        some[int(torch.randint(len(some), (1,), generator=generator))]
        for some in texts
        for _ in range(PROMPTS_PER_CLASS)
    ]
    classes = torch.arange(len(texts)).repeat_interleave(PROMPTS_PER_CLASS)
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True), classes
