"""Two processes against one: the same losses, the same gradients, and an end when one of them fails.

The processes run this very file: `python test_ranks.py TASK FOLDER`, where TASK is a function below.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from two_ranks import TORCHRUN, environment, run_two

from shelfwise.errors import TrainingError
from shelfwise.nn import ranks as ranks_module
from shelfwise.nn.contrastive import Temperature, chunked_contrastive_loss
from shelfwise.nn.ranks import (
    Ranks,
    average_gradients,
    gather,
    gather_with_gradient,
    join,
    same_start,
)

TIMEOUT_S = 60
"""A hang fails a test; a start of two processes takes about 5 s."""
ROWS = 8


def drawn_rows(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def mine(rows: Tensor, ranks: Ranks) -> Tensor:
    return rows.chunk(ranks.world)[ranks.rank]


def net(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(5, 16), nn.Tanh(), nn.Linear(16, 3))


class Pair(nn.Module):
    """Two linear towers and a temperature, whose bias no contrastive loss uses."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.image, self.text = nn.Linear(6, 4), nn.Linear(5, 4)
        self.temperature = Temperature()
        self.register_buffer("seen", torch.tensor([seed > 0]))
        self.register_buffer("empty", torch.zeros(0))


def losses_of_sgd(ranks: Ranks) -> list[float]:
    """The whole batch's loss in 20 steps; each rank starts with other weights and sees its rows only."""
    model = net(seed=ranks.rank)
    same_start(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3, momentum=0.9)
    losses = []
    for step in range(20):
        inputs, labels = drawn_rows(ROWS, 5, seed=step), torch.arange(ROWS) % 3
        loss = F.cross_entropy(model(mine(inputs, ranks)), mine(labels, ranks))
        optimizer.zero_grad()
        loss.backward()
        average_gradients(model)
        optimizer.step()
        losses.append(gather(loss.detach().view(1)).mean().item())
    return losses


def contrastive_gradients(ranks: Ranks) -> dict[str, list[float] | None]:
    """Gradients of all parameters where each rank encodes its rows and all ranks' rows are negatives."""
    model = Pair(seed=ranks.rank)
    same_start(model)
    image = F.normalize(model.image(mine(drawn_rows(ROWS, 6, seed=1), ranks)), dim=1)
    text = F.normalize(model.text(mine(drawn_rows(ROWS, 5, seed=2), ranks)), dim=1)
    keys = gather(mine(torch.tensor([0, 1, -1, 2, 0, -1, 2, 3]), ranks))
    image, text = gather_with_gradient(image), gather_with_gradient(text)
    chunked_contrastive_loss(image, text, model.temperature(), keys, 3).backward()
    average_gradients(model)
    gradients = {name: p.grad for name, p in model.named_parameters()}
    return {name: None if g is None else g.flatten().tolist() for name, g in gradients.items()}


def both(folder: Path) -> None:
    ranks_module.BUCKET_BYTES = 100
    with join(timeout_s=TIMEOUT_S) as ranks:
        found = {"losses": losses_of_sgd(ranks), "gradients": contrastive_gradients(ranks)}
        buffers = Pair(seed=ranks.rank)
        same_start(buffers)
        assert buffers.seen.tolist() == [False]
        (folder / f"{ranks.rank}.json").write_text(json.dumps(found))
    assert not dist.is_initialized()
    # A thread of gloo's that outlives the group aborts the process's exit now and then.
    assert not [name for name in threads() if "gloo" in name]


def disagree(folder: Path) -> None:
    """Rows, models and used parameters that differ by rank."""
    with join(timeout_s=TIMEOUT_S) as ranks:
        for function in (gather, gather_with_gradient):
            with pytest.raises(ValueError, match=r"batches differ.*\[\[2, .*\[3, "):
                function(torch.zeros(2 + ranks.rank, 4))
        with pytest.raises(ValueError, match="models differ"):
            same_start(nn.Linear(2, 2 + ranks.rank))
        model = Pair(seed=0)
        (model.image if ranks.rank else model.text).bias.sum().backward()
        average_gradients(model)
        used = {name: p.grad.tolist() for name, p in model.named_parameters() if p.grad is not None}
        assert used == {"image.bias": [0.5] * 4, "text.bias": [0.5] * 4}
    (folder / f"{ranks.rank}.json").write_text("{}")


def one_fails(_folder: Path) -> None:
    """Rank 1 raises where rank 0 waits for it."""
    with join(timeout_s=10 * TIMEOUT_S) as ranks:
        gather(torch.zeros(1))
        if ranks.rank == 1:
            raise ValueError("the shelf fell down")
        gather(torch.zeros(1))


def fails_at_the_end(_folder: Path) -> None:
    """Rank 1 raises after the last meeting."""
    with join(timeout_s=10 * TIMEOUT_S) as ranks:
        gather(torch.zeros(1))
        if ranks.rank == 1:
            raise ValueError("the shelf fell down")


def first_works_on(folder: Path) -> None:
    """Rank 0 is busy for longer than a meeting may take, after the last one."""
    with join(timeout_s=2) as ranks:
        gather(torch.zeros(1))
        if ranks.first:
            time.sleep(4)
    (folder / f"{ranks.rank}.json").write_text("{}")


TASKS = {task.__name__: task for task in (both, disagree, one_fails, fails_at_the_end, first_works_on)}


def threads() -> list[str]:
    """Names of this process's threads, those of C++ too; none where there is no /proc."""
    return [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]


def assert_as_one_process(folder: Path) -> None:
    with join() as ranks:
        losses, gradients = losses_of_sgd(ranks), contrastive_gradients(ranks)
    assert losses[-1] != losses[0]
    for rank in range(2):
        found = json.loads((folder / f"{rank}.json").read_text())
        assert found["losses"] == pytest.approx(losses, abs=1e-4)
        assert found["gradients"].keys() == gradients.keys()
        for name, gradient in gradients.items():
            assert found["gradients"][name] == (gradient and pytest.approx(gradient, abs=1e-5)), name


def test_two_ranks_train_as_one_process(tmp_path: Path) -> None:
    assert [code for code, _ in run_two(__file__, "both", tmp_path, timeout_s=TIMEOUT_S)] == [0, 0]
    assert_as_one_process(tmp_path)


def test_two_ranks_train_under_torchrun(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, __file__, "both", str(tmp_path)],
        env=environment(),
        timeout=TIMEOUT_S,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert_as_one_process(tmp_path)


def test_ranks_that_disagree_all_raise_and_go_on(tmp_path: Path) -> None:
    results = run_two(__file__, "disagree", tmp_path, timeout_s=TIMEOUT_S)
    assert [code for code, _ in results] == [0, 0], results
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.json", "1.json"]


def test_the_others_wait_for_a_first_rank_that_works_on_after_the_last_meeting(tmp_path: Path) -> None:
    results = run_two(__file__, "first_works_on", tmp_path, timeout_s=TIMEOUT_S)
    assert [code for code, _ in results] == [0, 0], results
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.json", "1.json"]


@pytest.mark.parametrize("task", ["one_fails", "fails_at_the_end"])
def test_a_rank_that_raises_ends_the_other_with_an_error(task: str, tmp_path: Path) -> None:
    (waiting, why), (failed, error) = run_two(__file__, task, tmp_path, timeout_s=TIMEOUT_S)
    assert failed == 1
    assert "the shelf fell down" in error
    assert waiting == 1
    assert "RuntimeError" in why


def test_without_torchrun_there_is_one_rank_and_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    model, rows = net(0), drawn_rows(3, 2, seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with join() as ranks:
        assert ranks == Ranks(rank=0, world=1)
        assert not dist.is_initialized()
        same_start(model)
        average_gradients(model)
        assert gather(rows) is rows
        assert gather_with_gradient(rows) is rows
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_half_of_torchruns_variables_are_an_error_that_names_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="MASTER_ADDR, MASTER_PORT not"), join():
        pass


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "4", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}
    for name, value in {"RANK": "3", "LOCAL_RANK": "3", **values}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(TrainingError, match="--nproc-per-node 1"), join("cuda"):
        pass


if __name__ == "__main__":
    TASKS[sys.argv[1]](Path(sys.argv[2]))
