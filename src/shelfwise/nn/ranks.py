"""Several processes train one model, each on its share of every batch; torchrun starts them.

    torchrun --standalone --nproc-per-node 2 SCRIPT

gloo carries tensors between CPUs, nccl between GPUs. In a script, in every process:

    with join() as ranks:
        same_start(model)
        vectors = gather_with_gradient(encode(my_rows))
        loss_of(vectors).backward()
        average_gradients(model)

In one process without torchrun all of these do nothing, so that a script needs no second path. Each call is a
meeting of all ranks: none may skip one. Where ranks disagree, all of them raise; where one dies, the others
get a RuntimeError from the next meeting.

Shapes: B rows of one rank, W ranks, D dimensions.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

# Its functions keep the group that exists at their import as a default argument. An optimizer imports it, so
# inside of `join` that would outlive its end, and gloo's threads then abort one exit of Python in four.
import torch.distributed.nn.functional
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from shelfwise.errors import TrainingError

BUCKET_BYTES = 25 * 2**20
"""Gradients travel in buckets of about this size, as in DistributedDataParallel (arXiv:2006.15704)."""
NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together."""

    rank: int = 0
    """From 0; rank 0 writes files and talks."""
    world: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def first(self) -> bool:
        """Whether this is the rank that writes and talks."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """This rank's part of so many rows; all parts are of one size, so that a rest is left out."""
        each = rows // self.world
        return slice(self.rank * each, (self.rank + 1) * each)


@contextmanager
def join(kind: str = "cpu", *, timeout_s: float = 1800, end_s: float = 86_400) -> Iterator[Ranks]:
    """This process's place, and the group of all processes while inside.

    `kind` is a device, "cpu" or "cuda". Reads torchrun's variables (torchrun speaks only through the
    environment); without them there is one rank and no group. A meeting that takes longer than `timeout_s`
    is an error. At the end the ranks wait for each other, for `end_s`, so that none takes the group away from
    one that still works, such as the first one while it writes a bundle; after an error they do not, and a
    group of nccl is left for the end of the process, because its end waits for the other ranks
    (pytorch/torchtitan pull request 1342)."""
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        yield Ranks(device=torch.device(kind))
        return
    missing = [name for name in NEEDED if name not in os.environ]
    if missing:
        raise TrainingError(f"RANK is set, but {', '.join(missing)} not: start the processes with torchrun")
    ranks = _place(kind)
    if kind == "cpu":
        _prefer_loopback()
    dist.init_process_group(
        "nccl" if kind == "cuda" else "gloo",
        timeout=timedelta(seconds=timeout_s),
        device_id=ranks.device if kind == "cuda" else None,
    )
    try:
        ending = dist.new_group(backend="gloo", timeout=timedelta(seconds=end_s))
        yield ranks
        dist.barrier(group=ending)
    except BaseException:
        if kind == "cpu":
            dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def of_ranks(*numbers: float) -> list[list[float]]:
    """Every rank's numbers, in the order of ranks, in double precision: losses, scores, flags."""
    if _world() == 1:
        return [list(numbers)]
    gpu = dist.get_backend() == "nccl"
    device = torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")
    found: list[list[float]] = _all_gather(
        torch.tensor([numbers], dtype=torch.float64, device=device)
    ).tolist()
    return found


def gather(x: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "WB ..."]:
    """The rows of all ranks, in the order of ranks, without gradient: for keys and labels.

    Raises ValueError on every rank where their numbers of rows differ."""
    if _world() == 1:
        return x
    _must_agree("batches", x.device, len(x), x.numel())
    return _all_gather(x.detach())


def gather_with_gradient(x: Float[Tensor, "B D"]) -> Float[Tensor, "WB D"]:
    """As `gather`; each rank gets back the gradients that all ranks' losses have for its rows, summed.

    So each rank's pictures meet all ranks' texts. Let every rank compute the same loss of all rows, or its
    own rows' mean loss: with `average_gradients` either gives the whole batch's gradients."""
    if _world() == 1:
        return x
    _must_agree("batches", x.device, *x.shape)
    rows: Tensor = _Gather.apply(x)
    return rows


def same_start(model: nn.Module) -> None:
    """Give every rank the weights and buffers of rank 0.

    Raises ValueError on every rank where the models differ in more than values."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    if _world() == 1 or not tensors:
        return
    form = repr([(name, tuple(tensor.shape), tensor.dtype) for name, tensor in tensors])
    digest = int.from_bytes(hashlib.sha256(form.encode()).digest()[:7])
    _must_agree("models", tensors[0][1].device, digest)
    for _, tensor in tensors:
        # As bytes, because gloo does not know every type.
        flat = tensor.detach().flatten().contiguous()
        dist.broadcast(flat.view(torch.uint8), src=0)
        tensor.data.copy_(flat.view(tensor.shape))


@torch.no_grad()
def average_gradients(model: nn.Module) -> None:
    """Replace every gradient by its mean over the ranks; after the last backward pass, before clipping.

    The gradient of the whole batch's mean loss where the ranks' losses are means over equally many rows.
    A parameter that only some ranks used counts as zero on the others; one that none used stays None.
    Sums are in float32 or better."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    if _world() == 1 or not parameters:
        return
    used = torch.tensor([p.grad is not None for p in parameters], dtype=torch.int32)
    used = used.to(parameters[0].device)
    dist.all_reduce(used)
    trained = [p for p, count in zip(parameters, used.tolist(), strict=True) if count]
    # All buckets are on their way before the first is waited for.
    sent = [(bucket, *_send(bucket)) for bucket in _buckets(trained)]
    for bucket, total, work in sent:
        work.wait()
        for p, mean in zip(bucket, total.div_(_world()).split([p.numel() for p in bucket]), strict=True):
            p.grad = mean.view(p.shape).to(p.dtype) if p.grad is None else p.grad.copy_(mean.view(p.shape))


class _Gather(torch.autograd.Function):
    """All ranks' rows; backward: the sum of all ranks' gradients for this rank's rows."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return _all_gather(x)

    @staticmethod
    def backward(_ctx: Any, *gradients: Tensor) -> Tensor:
        # Not reduce_scatter, which halves the traffic of what is small beside a model's gradients: this way
        # the tests on gloo take the very path of nccl.
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        return total.chunk(_world())[dist.get_rank()]


def _all_gather(x: Tensor) -> Tensor:
    parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(_world())]
    dist.all_gather(parts, x.contiguous())
    return torch.cat(parts)


def _must_agree(what: str, device: torch.device, *numbers: int) -> None:
    """ValueError on all ranks alike if any rank has other numbers."""
    of_ranks = _all_gather(torch.tensor([numbers], dtype=torch.int64, device=device)).tolist()
    if any(other != of_ranks[0] for other in of_ranks):
        raise ValueError(f"the ranks' {what} differ, and must not: {of_ranks} by rank")


def _buckets(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Parameters in their order, cut where a bucket is full or the type or device changes."""
    bucket: list[nn.Parameter] = []
    size = 0
    for p in parameters:
        if bucket and (size >= BUCKET_BYTES or (p.dtype, p.device) != (bucket[0].dtype, bucket[0].device)):
            yield bucket
            bucket, size = [], 0
        bucket.append(p)
        size += p.numel() * p.element_size()
    if bucket:
        yield bucket


def _send(bucket: list[nn.Parameter]) -> tuple[Tensor, Any]:
    """Start to add up a bucket's gradients; what will hold the sum, and the work to wait for."""
    dtype = torch.promote_types(bucket[0].dtype, torch.float32)
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
    total = torch.cat([gradient.flatten().to(dtype) for gradient in gradients])
    return total, dist.all_reduce(total, async_op=True)


def _world() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def _place(kind: str) -> Ranks:
    """Rank, world and device from torchrun's variables."""
    rank, world, local, here = (int(os.environ[name]) for name in NEEDED[:4])
    if kind == "cpu":
        return Ranks(rank, world)
    gpus = torch.cuda.device_count()
    if here > gpus:
        raise TrainingError(
            f"{here} processes on this machine, but torch sees {gpus} GPUs: "
            f"start torchrun with --nproc-per-node {max(1, gpus)}, or train on the CPU"
        )
    torch.cuda.set_device(local)
    return Ranks(rank, world, torch.device("cuda", local))


def _prefer_loopback() -> None:
    """Let gloo use the loopback where all ranks are on this machine: its host name may not resolve."""
    master = os.environ["MASTER_ADDR"]
    one_machine = os.environ["LOCAL_WORLD_SIZE"] == os.environ["WORLD_SIZE"]
    if one_machine or master in ("localhost", "::1") or master.startswith("127."):
        names = {name for _, name in socket.if_nameindex()}
        for loopback in ("lo", "lo0"):
            if loopback in names:
                os.environ.setdefault("GLOO_SOCKET_IFNAME", loopback)
