"""Heads for what a product is: one path of a class tree, or any number of values, missing labels masked.

B: rows, D: features, K: leaf classes or values, L: levels of the tree, coarsest first. -1 is unknown.
A single-valued attribute is a tree of one level (see `data.taxonomy`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from urllib.parse import unquote

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Int64
from torch import Tensor, nn

from shelfwise.data.taxonomy import Taxonomy

_RARE = -3.0
"""First bias of a multi-valued head: most products have few of the values."""
_ESCAPE = "target:"


class LevelSums(nn.Module):
    """Log-probabilities of the nodes of each level: a node's probability is the sum of its leaves'."""

    def __init__(self, taxonomy: Taxonomy) -> None:
        super().__init__()
        self.levels = len(taxonomy.levels)
        for level in range(self.levels - 1):
            # Padded lists of leaves, not a table of nodes x leaves for every row of a batch.
            members = [torch.from_numpy(row.nonzero()[0]) for row in taxonomy.parents(level)]
            leaves = nn.utils.rnn.pad_sequence(members, batch_first=True, padding_value=-1)
            self.register_buffer(f"leaves_{level}", leaves.clamp(min=0), persistent=False)
            self.register_buffer(f"absent_{level}", leaves < 0, persistent=False)

    def forward(self, logits: Float[Tensor, "B K"]) -> list[Float[Tensor, "B _"]]:
        """Log-probabilities of every level's nodes, the leaves last; float32 and finite for finite logits."""
        leaves = F.log_softmax(logits.float(), 1)
        return [*(self._sums(leaves, level) for level in range(self.levels - 1)), leaves]

    def _sums(self, log_probabilities: Float[Tensor, "B K"], level: int) -> Float[Tensor, "B nodes"]:
        leaves, absent = self.get_buffer(f"leaves_{level}"), self.get_buffer(f"absent_{level}")
        of_nodes = log_probabilities.index_select(1, leaves.flatten()).unflatten(1, leaves.shape)
        # The lowest number, not -inf: no difference of infinities arises, here or in an ONNX runtime.
        lowest = torch.finfo(of_nodes.dtype).min
        sums: Tensor = of_nodes.masked_fill(absent, lowest).logsumexp(2)
        return sums


class PathHead(nn.Module):
    """One logit for each leaf of a tree; what they say of the coarser levels follows by sums."""

    def __init__(self, width: int, taxonomy: Taxonomy) -> None:
        super().__init__()
        self.linear = nn.Linear(width, len(taxonomy))
        self.sums = LevelSums(taxonomy)

    def forward(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Logits of the leaves."""
        logits: Tensor = self.linear(features)
        return logits


class MultiHead(nn.Module):
    """One logit for each value of a multi-valued attribute; `taxonomy` has one level, the values."""

    def __init__(self, width: int, taxonomy: Taxonomy) -> None:
        super().__init__()
        if len(taxonomy.levels) != 1:
            raise ValueError(f"a multi-valued target has one level, not {taxonomy.levels}")
        self.linear = nn.Linear(width, len(taxonomy))
        nn.init.constant_(self.linear.bias, _RARE)

    def forward(self, features: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Logits of the values, each there or not."""
        logits: Tensor = self.linear(features)
        return logits


HEADS: dict[str, Callable[[int, Taxonomy], PathHead | MultiHead]] = {"path": PathHead, "multi": MultiHead}


class TargetHeads(nn.Module):
    """A head for each target, whatever the target is called."""

    def __init__(self, width: int, classes: Mapping[str, Taxonomy], several: Collection[str]) -> None:
        """`several` are the targets with several values at once."""
        super().__init__()
        for name, taxonomy in classes.items():
            kind = "multi" if name in several else "path"
            self.add_module(module_key(name), HEADS[kind](width, taxonomy))

    def __iter__(self) -> Iterator[str]:
        """The targets, in order."""
        return map(target_of, self._modules)

    def __len__(self) -> int:
        """The number of targets."""
        return len(self._modules)

    def __getitem__(self, name: str) -> PathHead | MultiHead:
        """The head of a target."""
        head = self.get_submodule(module_key(name))
        assert isinstance(head, PathHead | MultiHead)
        return head

    def forward(self, features: Float[Tensor, "B D"]) -> dict[str, Float[Tensor, "B _"]]:
        """Logits of every target, in float32."""
        return {name: self[name](features).float() for name in self}


def module_key(target: str) -> str:
    """What a target's head is called among the modules, and so in a state dict.

    Its own name, but that torch takes no dot, no empty name and none that modules use themselves."""
    plain = target and "." not in target and not target.startswith(_ESCAPE)
    if plain and not hasattr(nn.ModuleDict(), target):
        return target
    return _ESCAPE + target.replace("%", "%25").replace(".", "%2E")


def target_of(key: str) -> str:
    """The target whose `module_key` it is."""
    return unquote(key.removeprefix(_ESCAPE)) if key.startswith(_ESCAPE) else key


def path_loss(
    logits: Float[Tensor, "B K"],
    known: Int64[Tensor, "B L"],
    sums: LevelSums,
    *,
    coarse: Sequence[float] = (),
    smoothing: float = 0.0,
    adjustment: Float[Tensor, "K"] | None = None,
) -> Float[Tensor, ""]:
    """-log p(deepest known node), in nats, averaged over the rows that know any; 0 if none does.

    `known` holds node numbers as of `Taxonomy.encode`. `coarse` are the weights of -log p of the known
    nodes above the deepest, one for each level but the last (default: none, since the leaf's own term
    already holds theirs). `smoothing` mixes the target with the uniform distribution over the leaves,
    whatever the depth of the row. `adjustment`, see `logit_adjustment`, is added here and nowhere else.
    With one level this is `F.cross_entropy(..., ignore_index=-1)`."""
    coarse = tuple(coarse) or (0.0,) * (sums.levels - 1)
    if len(coarse) != sums.levels - 1:
        raise ValueError(f"{len(coarse)} weights for the {sums.levels - 1} levels above the leaves")
    logits = logits.float() if adjustment is None else logits.float() + adjustment
    at_all = known >= 0
    above = at_all.flip(1).cumsum(1).flip(1) > 1
    weights = torch.where(above, logits.new_tensor((*coarse, 0.0)), 1 - smoothing) * at_all
    by_level = sums(logits)
    own = [part.gather(1, nodes[:, None]) for part, nodes in zip(by_level, known.clamp(min=0).T, strict=True)]
    uniform = by_level[-1].mean(1) * at_all.any(1)
    total = (torch.cat(own, 1) * weights).sum() + smoothing * uniform.sum()
    loss: Tensor = -total / at_all.any(1).sum().clamp(min=1)
    return loss


def logit_adjustment(counts: Int64[Tensor, "K"], tau: float = 1.0) -> Float[Tensor, "K"]:
    """tau * log prior of each class, for `path_loss` to add to the logits (Menon et al., arXiv:2007.07314).

    The model's own logits then rank by p(x | class), as the balanced error wants; its plain probabilities
    are no longer those of the shop's mix. A class without rows counts one."""
    rows = counts.clamp(min=1).double()
    return (tau * (rows / rows.sum()).log()).float()


def multi_loss(logits: Float[Tensor, "B K"], labels: Int[Tensor, "B K"]) -> Float[Tensor, ""]:
    """Binary cross-entropy in nats, averaged over the known labels; 0 if none is known.

    Labels are 1, 0, or -1 where unknown, as of `Taxonomy.encode_sets`."""
    known = labels >= 0
    targets = labels.clamp(min=0).float()
    losses = F.binary_cross_entropy_with_logits(logits.float(), targets, reduction="none")
    return (losses * known).sum() / known.sum().clamp(min=1)
