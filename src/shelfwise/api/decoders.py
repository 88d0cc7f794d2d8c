"""Where pictures are decoded: a small one at once, others in threads, the largest one by one.

A few bytes can hold many pixels, so it is the header that says where a picture belongs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar

from shelfwise.data.pictures import LargePictureError
from shelfwise.schema import Picture

SMALL = 4096
"""Bytes of a PNG or JPEG that may be decoded in the event loop: its header alone is some work."""
SMALL_PIXELS = 256 * 256
"""The same in pixels."""
SCANS = 16
"""The same in scans, each of which may go over all pixels; a progressive JPEG has about ten."""
LARGE_PIXELS = 16_000_000
"""A picture of more, which few cameras make, is decoded while no other one of that size is."""
_PLAIN = (b"\x89PNG", b"\xff\xd8\xff")
_SCAN = b"\xff\xda"

T = TypeVar("T")


class Decoders:
    """Threads that decode pictures: `pool`, and one for those that take much memory."""

    def __init__(self, pool: Executor) -> None:
        self._pool = pool
        self._large = ThreadPoolExecutor(1, thread_name_prefix="decode-large")

    async def run(self, pictures: Sequence[Picture], work: Callable[[int | None], T]) -> T:
        """What `work` makes of the encoded pictures, wherever there is room for them.

        It is given the pixels that a picture may have, and raises LargePictureError for more."""
        if _quick(pictures):
            try:
                return work(SMALL_PIXELS)
            except LargePictureError:
                pass
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, work, LARGE_PIXELS)
        except LargePictureError:
            return await loop.run_in_executor(self._large, work, None)


def _quick(pictures: Sequence[Picture]) -> bool:
    """Whether nothing but a header with too many pixels could make decoding slow."""
    if not pictures:
        return True
    data = pictures[0].data or b""
    return (
        len(pictures) == 1 and len(data) <= SMALL and data.startswith(_PLAIN) and data.count(_SCAN) <= SCANS
    )
