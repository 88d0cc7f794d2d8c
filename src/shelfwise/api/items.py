"""Many items in one request: each has its own status, and one that fails leaves the others alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import nullcontext
from typing import TypeVar

from shelfwise.api.batching import OverloadedError, StoppedError
from shelfwise.api.problems import RequestError, of_error
from shelfwise.errors import ShelfwiseError

T = TypeVar("T")
In = TypeVar("In")


def as_problem(error: Exception) -> RequestError:
    """What the caller is told of an error: a full queue, a bundle that leaves, unusable data."""
    if isinstance(error, RequestError):
        return error
    if isinstance(error, OverloadedError):
        return RequestError(503, str(error), code="queue_full", retry_after_s=error.retry_after_s)
    if isinstance(error, StoppedError):
        return RequestError(503, "the server is going down", code="draining", retry_after_s=1.0)
    if isinstance(error, ShelfwiseError):
        return of_error(error)
    raise error


async def each(
    ask: Callable[[In], Awaitable[T]], items: Iterable[In], turns: asyncio.Semaphore | None = None
) -> list[T | RequestError]:
    """The answer of each item, or what went wrong with it; a fault of ours is raised once all are done.

    With `turns`, as many are asked at a time as these allow: `Server.turns` keep a request from filling a
    queue by itself."""

    async def one(item: In) -> T:
        async with turns or nullcontext():
            return await ask(item)

    found = await asyncio.gather(*map(one, items), return_exceptions=True)
    told: list[T | RequestError] = []
    for answer in found:
        if isinstance(answer, Exception):
            told.append(as_problem(answer))
        elif isinstance(answer, BaseException):
            raise answer
        else:
            told.append(answer)
    return told
