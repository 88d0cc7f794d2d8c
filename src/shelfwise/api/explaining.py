"""Explanations in threads of their own: each asks a bundle a hundred times, and nobody else has to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Semaphore
from typing import TypeVar

from shelfwise.api.problems import RequestError

WAITING = 8
"""Explanations that may be made or wait at once."""
_THREADS = 2

T = TypeVar("T")


class Explaining:
    """The explanations of a server."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="explain")
        self._places = Semaphore(WAITING)

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives; RequestError 503 in a crowd.

        A place is taken until the thread is done: no deadline and no caller who leaves ends a thread."""
        if not self._places.acquire(blocking=False):
            raise RequestError(503, "too many explanations wait", code="queue_full", retry_after_s=5.0)
        made = self._threads.submit(work)
        made.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(made)
