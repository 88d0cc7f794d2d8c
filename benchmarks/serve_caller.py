"""Sends planned requests when they are due, whether or not the server keeps up; for `serve_mixed.py`."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from serve_requests import Planned, Wanted

PATIENCE_S = 60.0
"""After which an answer is given up."""
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Seen:
    """What came of the requests: statuses by kind, and the milliseconds of good ones that got a 200."""

    good: dict[str, Counter[str]] = field(default_factory=dict)
    hostile: dict[str, Counter[str]] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)

    def add(self, request: Wanted, status: str, seconds: float) -> None:
        """Count one."""
        some = self.hostile if request.hostile else self.good
        some.setdefault(request.kind, Counter())[status] += 1
        if not request.hostile and status == "200":
            self.times.setdefault(request.kind, []).append(1000 * seconds)


class Caller:
    """Sends requests when they are due, over connections that are kept where the server keeps them."""

    def __init__(self, port: int) -> None:
        self.seen = Seen()
        self._port = port
        self._free: list[Connection] = []

    async def send(self, planned: Iterable[Planned]) -> None:
        """All of them; returns when the last one has come to an end."""
        began, asked = time.perf_counter(), set[asyncio.Task[None]]()
        for one in planned:
            await asyncio.sleep(max(0.0, began + one.at - time.perf_counter()))
            task = asyncio.create_task(self._one(one.request, began + one.at))
            asked.add(task)
            task.add_done_callback(asked.discard)
        await asyncio.gather(*asked)
        for _, writer in self._free:
            writer.close()

    async def _one(self, request: Wanted, due: float) -> None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                status = await self._status(request)
        except (OSError, asyncio.IncompleteReadError):
            status = "closed"
        except TimeoutError:
            status = "no answer"
        self.seen.add(request, status, time.perf_counter() - due)

    async def _status(self, request: Wanted) -> str:
        """The status of the answer; a connection is used again where that is whole and says nothing else."""
        # Hostile ones have connections of their own, so that no good one meets a closed one.
        kept = None if request.hostile else self._kept()
        reader, writer = kept or await asyncio.open_connection("127.0.0.1", self._port)
        keep = False
        try:
            writer.write(request.data)
            if request.hangs_up:
                await writer.drain()
                return "left"
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            start = head.index(b"content-length:") + 15
            await reader.readexactly(int(head[start : head.index(b"\r", start)]))
            keep = not request.hostile and b"connection: close" not in head
            return head.split(b" ", 2)[1].decode()
        finally:
            if keep:
                self._free.append((reader, writer))
            else:
                writer.close()

    def _kept(self) -> Connection | None:
        """A free connection that the server has not closed meanwhile."""
        while self._free:
            reader, writer = self._free.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
            writer.close()
        return None
