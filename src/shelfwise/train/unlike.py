"""When a picture is unlike the training pictures: the threshold, and how often it is right."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from shelfwise.bundle import UnlikeInfo
from shelfwise.config import UnlikeConfig
from shelfwise.data.labelled import LabelledPictures
from shelfwise.nn.towers import PictureClassifier
from shelfwise.nn.unlike import KINDS, make_unlike
from shelfwise.train.loop import batched


def fit_unlike(
    model: PictureClassifier, validation: LabelledPictures, config: UnlikeConfig, device: torch.device
) -> UnlikeInfo:
    """The threshold that warns of `config.false_alarms` of the validation pictures, and what it finds.

    Without a validation picture it is even odds. Kinds that were not trained with are measured too."""
    if not len(validation):
        return UnlikeInfo(threshold=0.0)
    pixels, labels = torch.from_numpy(validation.images), torch.from_numpy(validation.labels)

    def unlikeness(pictures: Tensor) -> Float[Tensor, "N 1"]:
        return model.unlikeness(model.features(pictures))[:, None]

    scores = batched(unlikeness, pixels, device)[:, 0].numpy()
    threshold = float(np.quantile(scores, 1 - config.false_alarms))
    flagged = {"validation": float((scores >= threshold).mean())}
    generator = torch.Generator().manual_seed(0)
    for kind in KINDS:
        made, unlike = make_unlike(kind, pixels, labels, generator)
        found = batched(unlikeness, made, device)[:, 0].numpy()[unlike.numpy()]
        if len(found):
            flagged[kind] = float((found >= threshold).mean())
    return UnlikeInfo(threshold=threshold, flagged=flagged)
