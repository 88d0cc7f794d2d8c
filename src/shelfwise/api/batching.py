"""One item in, one answer out, worked on in batches: what waits while the model is busy is its next batch.

No request waits for others to come: an idle model takes a single item at once. The queue is bounded; a
full one refuses at once instead of letting everybody wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

In = TypeVar("In")
Out = TypeVar("Out")

HOP_S = 0.002
"""A batch that is expected to take less is run in the event loop: a thread may wait that long and longer for
Python's lock, which whoever holds it gives away after 5 ms at the latest."""
_SMOOTHING = 0.2
"""How much the last batch counts in the mean time of a unit of weight."""


class OverloadedError(Exception):
    """The queue is full; `retry_after_s` is about how long it takes to empty it."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"too many requests wait; try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class StoppedError(Exception):
    """The batcher takes nothing more: the server is going down, or another bundle has taken over."""


@dataclass(frozen=True)
class Limits:
    """How much may be worked on and wait at once."""

    batch: int = 32
    """Items of a batch."""
    queue: int = 256
    """Items that may wait."""


@dataclass
class Seen:
    """What a batcher has done since it began."""

    items: int = 0
    batches: int = 0
    refused: int = 0
    left: int = 0
    """Items whose caller had gone, or whose time was up, before they were worked on."""


@dataclass
class _Waiting(Generic[In, Out]):
    item: In
    answer: asyncio.Future[Out]


class Batcher(Generic[In, Out]):
    """Runs `run` on batches of what `submit` is given, one batch at a time.

    `run` gives one answer for each item, in their order; an answer that is an exception is raised to that
    item's caller alone. Where `run` itself raises, every item is run by itself, so that only the ones at
    fault fail. `executor` is where slow batches run; by `weight` an item is as slow as others, or slower."""

    def __init__(
        self,
        run: Callable[[Sequence[In]], Sequence[Out | Exception]],
        executor: Executor,
        limits: Limits = Limits(),
        *,
        weight: Callable[[In], float] = lambda _: 1.0,
        observe: Callable[[int, float], None] = lambda _size, _seconds: None,
    ) -> None:
        self.limits = limits
        self.seen = Seen()
        self._run, self._executor, self._weight, self._observe = run, executor, weight, observe
        self._waiting: deque[_Waiting[In, Out]] = deque()
        self._unit_s = 0.0
        self._working: asyncio.Task[None] | None = None
        self._stopped = False

    @property
    def waiting(self) -> int:
        """Items in the queue."""
        return len(self._waiting)

    @property
    def busy(self) -> bool:
        """Whether anything waits or is worked on."""
        return self._working is not None or bool(self._waiting)

    async def submit(self, item: In) -> Out:
        """The answer for one item. OverloadedError where the queue is full, StoppedError after `stop`.

        A caller that is cancelled takes its item out of the queue."""
        if self._stopped:
            raise StoppedError
        if len(self._waiting) >= self.limits.queue:
            self.seen.refused += 1
            weight = sum(self._weight(entry.item) for entry in self._waiting)
            raise OverloadedError(max(1.0, self._unit_s * weight))
        loop = asyncio.get_running_loop()
        entry = _Waiting(item, loop.create_future())
        self._waiting.append(entry)
        if self._working is None:
            self._working = loop.create_task(self._work())
        answer: Out = await entry.answer
        return answer

    async def stop(self) -> None:
        """Refuse what comes from now on, and wait until all that was taken is answered."""
        self._stopped = True
        while self._working is not None:
            await asyncio.wait([self._working])

    async def _work(self) -> None:
        """Batch after batch, until nothing waits."""
        try:
            while self._waiting:
                batch = self._next_batch()
                if batch:
                    await self._answer(batch)
        finally:
            self._working = None

    def _next_batch(self) -> list[_Waiting[In, Out]]:
        """The first items that wait, without those whose callers have gone."""
        batch: list[_Waiting[In, Out]] = []
        while self._waiting and len(batch) < self.limits.batch:
            entry = self._waiting.popleft()
            if entry.answer.done():
                self.seen.left += 1
            else:
                batch.append(entry)
        return batch

    async def _answer(self, batch: list[_Waiting[In, Out]]) -> None:
        items = [entry.item for entry in batch]
        weight = sum(map(self._weight, items))
        if self._unit_s * weight < HOP_S and self.seen.batches:
            answers, seconds = self._timed(items)
        else:
            loop = asyncio.get_running_loop()
            answers, seconds = await loop.run_in_executor(self._executor, self._timed, items)
        each = seconds / weight
        self._unit_s += _SMOOTHING * (each - self._unit_s) if self.seen.batches else each
        self.seen.batches += 1
        self.seen.items += len(items)
        self._observe(len(items), seconds)
        for entry, answer in zip(batch, answers, strict=True):
            if entry.answer.done():
                continue
            if isinstance(answer, Exception):
                entry.answer.set_exception(answer)
            else:
                entry.answer.set_result(answer)
        # Others may read and write before the next batch.
        await asyncio.sleep(0)

    def _timed(self, items: list[In]) -> tuple[Sequence[Out | Exception], float]:
        began = time.perf_counter()
        return self._safe(items), time.perf_counter() - began

    def _safe(self, items: list[In]) -> Sequence[Out | Exception]:
        """The answers; where the batch fails as a whole, each item by itself."""
        try:
            return self._run(items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            log.warning("a batch of %d failed (%s); each item is run alone", len(items), type(error).__name__)
        return [answer for item in items for answer in self._safe([item])]
