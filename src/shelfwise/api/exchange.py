"""The two ends of one request: its body, up to a size, and its answer; and an ear for who hangs up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from starlette.types import Message, Receive, Send

from shelfwise.api.problems import RequestError

WATCH_AFTER_S = 0.02
"""A request that is not answered by then is watched for its caller hanging up: watching costs a task."""
NOBODY = 499
"""The status, in logs and counts, of an answer that nobody was there to take."""


class Answer:
    """Sends a response on, with the request's id, and remembers its status."""

    def __init__(self, send: Send, id: str) -> None:
        self._send = send
        self._id = (b"x-request-id", id.encode())
        self.status = NOBODY
        self.left = False
        """Whether the caller hung up before the body was whole: whatever is answered, nobody takes it."""
        self.begun = False
        self.ended = False

    async def send(self, message: Message) -> None:
        """As ASGI has it."""
        if message["type"] == "http.response.start":
            self.begun = True
            self.status = NOBODY if self.left else message["status"]
            message["headers"] = [*message.get("headers", ()), self._id]
        elif message["type"] == "http.response.body":
            self.ended = not message.get("more_body", False)
        await self._send(message)


class Bodies:
    """How much the bodies of all requests may hold at once, and hold."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.held = 0


class Body:
    """What a caller sends; RequestError 413 above `most` bytes, 503 where `bodies` have no room for it."""

    def __init__(self, receive: Receive, most: int, answer: Answer, bodies: Bodies) -> None:
        self._receive, self._most, self._answer, self._bodies = receive, most, answer, bodies
        self._size = 0
        self.whole = False
        self.left = False
        """Whether the caller hung up before the answer was there."""
        self.late = False
        """Whether the deadline passed before it was there."""

    async def receive(self) -> Message:
        """As ASGI has it."""
        message = await self._receive()
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self._size += size
            self._bodies.held += size
            if self._size > self._most:
                raise too_large(self._most)
            if self._bodies.held > self._bodies.most:
                raise RequestError(503, "too many requests at once", code="bodies_full", retry_after_s=1.0)
            self.whole = not message.get("more_body", False)
        elif not self.whole:
            self._answer.left = True
        return message

    def forget(self) -> None:
        """Its bytes count no more."""
        self._bodies.held -= self._size

    async def watched(self, work: Awaitable[None], deadline_s: float) -> None:
        """Wait for `work`, the rest of this task; where the caller hangs up, cancel it and set `left`.

        After `deadline_s` it is cancelled, too, and `late` is set. Most requests are answered before the one
        timer that they cost has run."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        ends = loop.time() + deadline_s
        ear: asyncio.Task[None] | None = None
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal ear, timer
            if loop.time() >= ends:
                self.late = True
                task.cancel()
                return
            if self.whole and ear is None:
                ear = loop.create_task(self._hear(task))
            timer = loop.call_at(ends if self.whole else min(ends, loop.time() + WATCH_AFTER_S), look)

        timer = loop.call_later(min(WATCH_AFTER_S, deadline_s), look)
        try:
            await work
        except asyncio.CancelledError:
            if not (self.left or self.late):
                raise
            task.uncancel()
        finally:
            timer.cancel()
            if ear is not None:
                ear.cancel()

    async def _hear(self, task: asyncio.Task[None]) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self._answer.ended:
            self.left = True
            task.cancel()


def too_large(most: int) -> RequestError:
    """What the sender of too large a body is told."""
    return RequestError(413, f"the request's body is larger than {most / 1e6:g} MB", code="body_too_large")
