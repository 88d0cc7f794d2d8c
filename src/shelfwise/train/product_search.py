"""How a run without targets is judged: by how well the validation titles find their pictures.

N products, E dimensions of the shared space.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool
from numpy import ndarray

from shelfwise.metrics.retrieval import first_relevant_rank, reciprocal_rank
from shelfwise.nn.product_loader import ProductData
from shelfwise.nn.product_net import ProductNet
from shelfwise.train.fit import Validation, evaluating
from shelfwise.train.loop import Run
from shelfwise.train.product_validation import answers

FIGURE = "mrr"


def title_search(data: ProductData) -> Validation | None:
    """The score of a run as it goes; None where there are no two families to tell apart."""
    if not can_search(data):
        return None

    def score(run: Run) -> float:
        with evaluating(run) as model:
            assert isinstance(model, ProductNet)
            return search_score(model, data, run.device)

    return Validation(FIGURE, score)


def search_score(net: ProductNet, data: ProductData, device: torch.device) -> float:
    """Mean reciprocal rank of the first picture of a title's family, among those of all pairs."""
    both = _paired(data)
    said = answers(net, data, device, [("picture",), ("text",)])
    pictures, titles = (said[name,]["vectors"][both] for name in ("picture", "text"))
    keys = data.keys[both]
    return float(reciprocal_rank(first_relevant_rank(titles, pictures, keys, keys)).mean())


def can_search(data: ProductData) -> bool:
    """Whether there are two families with a picture and a text."""
    return len(np.unique(data.keys[_paired(data)])) > 1


def _paired(data: ProductData) -> Bool[ndarray, "N"]:
    """Which products have both a picture and a text."""
    return np.asarray((np.diff(data.first) > 0) & (data.words > 0).any(axis=1))
