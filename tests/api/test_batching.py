"""Batches: everybody gets their own answer, whatever happens to the others."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from shelfwise.api.batching import Batcher, Limits, OverloadedError, StoppedError


@pytest.fixture
def thread() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def slow(seconds: float, sizes: list[int]) -> object:
    def run(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        time.sleep(seconds)
        return [2 * item for item in items]

    return run


def test_what_waits_while_the_model_works_is_one_batch(thread: ThreadPoolExecutor) -> None:
    sizes: list[int] = []
    batcher: Batcher[int, int] = Batcher(slow(0.02, sizes), thread)  # type: ignore[arg-type]

    async def ask() -> list[int]:
        first = asyncio.create_task(batcher.submit(0))
        await asyncio.sleep(0.005)
        rest = await asyncio.gather(*(batcher.submit(item) for item in range(1, 9)))
        return [await first, *rest]

    assert asyncio.run(ask()) == [2 * item for item in range(9)]
    assert sizes == [1, 8]
    assert (batcher.seen.items, batcher.seen.batches) == (9, 2)


def test_long_items_do_not_hold_up_the_loop_after_short_ones(thread: ThreadPoolExecutor) -> None:
    """What a batch may take is told by the weight of its items, not by their number."""
    where: list[str] = []

    def run(items: Sequence[int]) -> list[int]:
        where.append(threading.current_thread().name)
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, thread, weight=float)

    async def ask() -> None:
        for item in (1, 1, 1_000_000):
            await batcher.submit(item)

    asyncio.run(ask())
    assert [name == "MainThread" for name in where] == [False, True, False]


def test_a_batch_is_bounded(thread: ThreadPoolExecutor) -> None:
    sizes: list[int] = []
    batcher: Batcher[int, int] = Batcher(slow(0.001, sizes), thread, Limits(batch=3))  # type: ignore[arg-type]

    async def ask() -> None:
        await asyncio.gather(*(batcher.submit(0) for _ in range(7)))

    asyncio.run(ask())
    assert sizes == [3, 3, 1]


def test_one_hostile_item_fails_alone(thread: ThreadPoolExecutor) -> None:
    def run(items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("thirteen")
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, thread)

    async def ask() -> list[object]:
        asked = (batcher.submit(item) for item in (11, 12, 13, 14))
        return await asyncio.gather(*asked, return_exceptions=True)

    found = asyncio.run(ask())
    assert [found[0], found[1], found[3]] == [11, 12, 14]
    assert isinstance(found[2], ValueError)


def test_an_exception_among_the_answers_is_raised_to_its_caller(thread: ThreadPoolExecutor) -> None:
    def run(items: Sequence[int]) -> list[int | Exception]:
        return [KeyError(item) if item < 0 else item for item in items]

    batcher: Batcher[int, int] = Batcher(run, thread)

    async def ask() -> list[object]:
        return await asyncio.gather(batcher.submit(1), batcher.submit(-1), return_exceptions=True)

    found = asyncio.run(ask())
    assert found[0] == 1
    assert isinstance(found[1], KeyError)


def test_a_full_queue_refuses_and_says_when_to_come_again(thread: ThreadPoolExecutor) -> None:
    sizes: list[int] = []
    batcher: Batcher[int, int] = Batcher(slow(0.02, sizes), thread, Limits(batch=1, queue=2))  # type: ignore[arg-type]

    async def ask() -> list[object]:
        first = asyncio.create_task(batcher.submit(0))
        await asyncio.sleep(0.005)  # it is worked on, and waits no longer
        asked = (batcher.submit(item) for item in range(1, 5))
        return [await first, *await asyncio.gather(*asked, return_exceptions=True)]

    found = asyncio.run(ask())
    assert found[:3] == [0, 2, 4]
    assert all(isinstance(error, OverloadedError) and error.retry_after_s >= 1 for error in found[3:])
    assert batcher.seen.refused == 2


def test_a_cancelled_caller_leaves_its_batch(thread: ThreadPoolExecutor) -> None:
    sizes: list[int] = []
    batcher: Batcher[int, int] = Batcher(slow(0.02, sizes), thread)  # type: ignore[arg-type]

    async def ask() -> int:
        first = asyncio.create_task(batcher.submit(0))
        await asyncio.sleep(0.005)
        gone, stays = (asyncio.create_task(batcher.submit(item)) for item in (1, 2))
        await asyncio.sleep(0)
        gone.cancel()
        await first
        return await stays

    assert asyncio.run(ask()) == 4
    assert sizes == [1, 1]
    assert batcher.seen.left == 1


def test_stopping_answers_what_was_taken_and_refuses_the_rest(thread: ThreadPoolExecutor) -> None:
    sizes: list[int] = []
    batcher: Batcher[int, int] = Batcher(slow(0.01, sizes), thread, Limits(batch=1))  # type: ignore[arg-type]

    async def ask() -> list[int]:
        taken = [asyncio.create_task(batcher.submit(item)) for item in range(3)]
        await asyncio.sleep(0)
        stopping = asyncio.create_task(batcher.stop())
        await asyncio.sleep(0)
        with pytest.raises(StoppedError):
            await batcher.submit(9)
        await stopping
        assert not batcher.busy
        return [task.result() for task in taken]

    assert asyncio.run(ask()) == [0, 2, 4]


def test_a_fast_model_is_run_where_the_requests_are(thread: ThreadPoolExecutor) -> None:
    threads: list[int] = []

    def run(items: Sequence[int]) -> list[int]:
        threads.append(threading.get_ident())
        return list(items)

    batcher: Batcher[int, int] = Batcher(run, thread)

    async def ask() -> int:
        for item in range(20):
            await batcher.submit(item)
        return threading.get_ident()

    here = asyncio.run(ask())
    assert threads[0] != here  # how fast it is shows at the first batch
    assert threads[-1] == here
