"""The bundles that answer: found by name, exchanged while requests go on, kept where the new one fails.

A request holds the engine that it began with. A new bundle is opened and tested in a thread beside the old
one; only when it has answered a real question does it take over. The old one ends with its last request.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from shelfwise.api.engines import ENGINES, Engine, ReviewsEngine, Stages
from shelfwise.api.problems import RequestError
from shelfwise.config.section import is_plain
from shelfwise.errors import BundleError
from shelfwise.service.models import OpenModel, Task, open_model, self_test

log = logging.getLogger(__name__)
TEST_AGAIN_S = 1.0

E = TypeVar("E", bound=Engine)


class _Slot:
    """One engine and how many requests hold it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.held = 0
        self.free = asyncio.Event()
        self.free.set()


class Models:
    """The engines of a server, the first of each task being that task's own."""

    def __init__(self, stages: Stages, *, threads: int | None, precision: Literal["int8", "fp32"]) -> None:
        self._stages, self._threads, self._precision = stages, threads, precision
        self._slots: dict[str, _Slot] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._exchange = asyncio.Lock()
        self._testing = asyncio.Lock()
        self._tested, self._found = -math.inf, dict[str, str]()

    def open(self, paths: Sequence[str]) -> None:
        """Open and test bundles, each FOLDER or NAME=FOLDER; BundleError for one unfit, or a name's twin."""
        for given in paths:
            name, path = named_path(given)
            model = self._opened(path, name)
            if model.name in self._slots:
                raise BundleError(
                    f"two bundles are named '{model.name}': say another name, as in other={path}"
                )
            self._slots[model.name] = _Slot(ENGINES[model.task](model, self._stages))
            self._stages.metrics.model(model.name, model.bundle.version, model.task)

    def __iter__(self) -> Iterator[OpenModel]:
        return iter([slot.engine.model for slot in self._slots.values()])

    def name_for(self, tasks: Sequence[Task], asked: str | None = None) -> str | None:
        """The bundle that a request means: the one it names, else the first of the first task there is.

        RequestError 404 for an unknown name, 400 for a bundle of another task; None where there is none."""
        if asked:
            slot = self._slots.get(asked.partition("@")[0])
            if slot is None or ("@" in asked and slot.engine.model.bundle.label != asked):
                there = ", ".join(self._slots)
                raise RequestError(404, f"there is no model '{asked}'; there are: {there}", field="model")
            if slot.engine.model.task not in tasks:
                raise RequestError(
                    400,
                    f"model '{asked}' is of {slot.engine.model.task}; this needs {' or '.join(tasks)}",
                    field="model",
                )
            return slot.engine.model.name
        for task in tasks:
            for name, slot in self._slots.items():
                if slot.engine.model.task == task:
                    return name
        return None

    @contextmanager
    def held(self, name: str) -> Iterator[Engine]:
        """The engine of a name, which stays until the block ends, whatever takes over meanwhile."""
        slot = self._slots[name]
        slot.held += 1
        slot.free.clear()
        try:
            yield slot.engine
        finally:
            slot.held -= 1
            if slot.held == 0:
                slot.free.set()

    async def exchange(self, name: str, path: Path) -> OpenModel:
        """Let the bundle in `path` answer for `name` from now on.

        BundleError where it cannot be opened, fails its self-test or is of another task: nothing changes."""
        async with self._exchange:
            model = await asyncio.to_thread(self._opened, path, name)
            old = self._slots[name]
            if model.task != old.engine.model.task:
                raise BundleError(
                    f"'{path}' is of {model.task}: it cannot take over from '{name}', "
                    f"which is of {old.engine.model.task}"
                )
            self._slots[name] = _Slot(ENGINES[model.task](model, self._stages))
            self._stages.metrics.model(name, model.bundle.version, model.task)
            self._tested = -math.inf
            ending = asyncio.create_task(_ended(old))
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)
            log.info("%s takes over from %s", model.bundle.label, old.engine.model.bundle.label)
            return model

    async def test(self) -> dict[str, str]:
        """Ask every bundle a real question, past its queue; `ok` or what went wrong, by name.

        Whoever asks meanwhile, or within `TEST_AGAIN_S`, is told the same, since this needs no key."""
        async with self._testing:
            if time.monotonic() - self._tested > TEST_AGAIN_S:
                self._found = await self._test()
                self._tested = time.monotonic()
        return self._found

    async def _test(self) -> dict[str, str]:
        found = {}
        for model in self:
            try:
                await asyncio.to_thread(self_test, model)
            except Exception as error:
                log.exception("%s fails its self-test", model.bundle.label)
                found[model.name] = f"failed: {type(error).__name__}"
            else:
                found[model.name] = "ok"
        return found

    async def stop(self) -> None:
        """Answer what was taken, and nothing more."""
        await asyncio.gather(*(slot.engine.stop() for slot in self._slots.values()), *self._ending)

    def _opened(self, path: Path, name: str | None) -> OpenModel:
        model = open_model(
            path,
            name=name,
            threads=self._threads,
            precision=self._precision,
            max_pixels=self._stages.limits.max_pixels,
        )
        self_test(model)
        return model


def named_path(given: str) -> tuple[str | None, Path]:
    """The parts of NAME=FOLDER; a folder alone has the name that its bundle has."""
    name, sign, folder = given.partition("=")
    if sign and is_plain(name) and not Path(given).exists():
        return name, Path(folder)
    return None, Path(given)


async def _ended(slot: _Slot) -> None:
    """Wait until nobody holds the engine, then end it."""
    await slot.free.wait()
    await slot.engine.stop()


def as_reviews(engine: Engine) -> ReviewsEngine:
    """The engine of a reviews bundle."""
    assert isinstance(engine, ReviewsEngine)
    return engine
