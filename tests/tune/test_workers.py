"""Workers that share a study: a Ctrl-C while one is started is not lost, and they may not die for ever."""

from __future__ import annotations

import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from shelfwise.errors import TrainingError
from shelfwise.tune import workers
from shelfwise.tune.study import Study
from shelfwise.tune.tried import Budget, State, Tried
from shelfwise.tune.workers import MOST_DEATHS, _interrupts_held_back, _parted, work_together

ENOUGH = MOST_DEATHS + 2


def _killed(_config: Any, out: Path, *_: object) -> None:
    """A worker that is killed at its trial, unless enough were killed before it."""
    place = len(list(out.iterdir()))
    if place < ENOUGH:
        (out / str(place)).touch()
        os.kill(os.getpid(), signal.SIGKILL)


class _Study(Study):
    """A study in which every trial ended in one way."""

    def __init__(self, out: Path, state: State) -> None:
        self.config, self.out, self.state = None, out, state  # type: ignore[assignment]

    def tried(self) -> list[Tried]:
        return [
            Tried(number, self.state, {}, None, (), None, None)
            for number in range(len(list(self.out.iterdir())))
        ]


@pytest.mark.parametrize("state", ["lost", "failed"])
def test_workers_that_are_killed_again_and_again_end_the_search(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_worker", _killed)
    study = _Study(tmp_path, state)
    with pytest.raises(TrainingError, match=f"{MOST_DEATHS + 1} workers were killed one after another"):
        list(work_together(study, Budget(10, None), workers=1))


def test_trials_that_are_finished_meanwhile_excuse_the_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_worker", _killed)
    study = _Study(tmp_path, "complete")
    assert len(list(work_together(study, Budget(10, None), workers=1))) == ENOUGH


class _Ending(BaseProcess):
    """A process that ends right after it was first asked."""

    def __init__(self) -> None:
        self._codes = iter([None, -9, -9])

    @property
    def exitcode(self) -> int | None:
        return next(self._codes)


def test_a_worker_that_ends_while_it_is_asked_is_not_lost() -> None:
    one = _Ending()
    assert _parted([one]) == ([], [one])
    assert _parted([one]) == ([one], [])


def test_an_interrupt_that_comes_meanwhile_is_raised_at_the_end() -> None:
    before, reached = signal.getsignal(signal.SIGINT), []

    def interrupted() -> None:
        with _interrupts_held_back():
            os.kill(os.getpid(), signal.SIGINT)
            reached.append("the end")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reached == ["the end"]
    assert signal.getsignal(signal.SIGINT) is before
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_without_one_nothing_is_raised() -> None:
    with _interrupts_held_back():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())
