"""Both kinds of session behind one face, so that a test is a test of each."""

import asyncio
import inspect
import threading
from collections.abc import Coroutine, Iterator
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from peers import PATIENCE

from deepgram_sidecar import AsyncSidecarSession, SidecarSession

_T = TypeVar("_T")


class Loop:
    """An event loop on a thread of its own, as an application's."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()


class Asyncio:
    """An asyncio session whose methods wait, as those of `SidecarSession` do."""

    def __init__(self, loop: Loop, *arguments: Any, **keywords: Any) -> None:
        self._loop = loop
        self._session = AsyncSidecarSession(*arguments, **keywords)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._session, name)
        if not inspect.iscoroutinefunction(member):
            return member
        return lambda *arguments, **keywords: self._loop.run(member(*arguments, **keywords))

    def __iter__(self) -> Iterator[Any]:
        return self._steps(aiter(self._session))

    def received(self) -> Iterator[Any]:
        return self._steps(self._session.received())

    def __enter__(self) -> Self:
        self._loop.run(self._session.__aenter__())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._loop.run(self._session.__aexit__(kind, error, at))

    def _steps(self, items: Any) -> Iterator[Any]:
        async def step() -> Any:
            return await anext(items, None)

        while (item := self._loop.run(step())) is not None:
            yield item


class Shells:
    """Makes sessions of one kind, and closes them after the test."""

    def __init__(self, kind: str) -> None:
        self.loop = Loop() if kind == "asyncio" else None
        self._made: list[SidecarSession] = []

    def __call__(self, *arguments: Any, **keywords: Any) -> SidecarSession:
        if self.loop is None:
            session = SidecarSession(*arguments, **keywords)
        else:
            session = cast(SidecarSession, Asyncio(self.loop, *arguments, **keywords))
        self._made.append(session)
        return session

    def close(self) -> None:
        for session in self._made:
            session.close()
        if self.loop is not None:
            self.loop.close()
