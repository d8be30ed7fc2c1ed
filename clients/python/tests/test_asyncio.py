"""What only asyncio has: cancelled sends, many sessions on one loop, and sockets that are given up unread."""

import asyncio
import contextlib

import pytest
from fake import FakeSidecar, error, opened
from peers import PARAMS, PATIENCE, Sidecar, speech

from deepgram_sidecar import AsyncSidecarSession, SendBlocked, SessionOptions, SidecarBusy

OPTIONS = SessionOptions(params=PARAMS)
PIECE = bytes(32_000)


def test_sessions_share_a_loop(sidecar: Sidecar) -> None:
    async def talk() -> str:
        async with AsyncSidecarSession(OPTIONS, socket_path=sidecar.socket) as session:
            await session.send(speech())
            await session.finish()
            return " ".join([message.transcript async for message in session if message.is_final])

    async def main() -> list[str]:
        async with asyncio.timeout(PATIENCE):
            return await asyncio.gather(*(talk() for _ in range(20)))

    texts = asyncio.run(main())
    assert len(texts) == 20
    assert set(texts) == {texts[0]} != {""}


async def fill(session: AsyncSidecarSession) -> None:
    with contextlib.suppress(SendBlocked):
        while True:
            await session.send(PIECE, 0)


def test_a_send_that_is_cancelled_has_sent_nothing(fake: FakeSidecar) -> None:
    async def main() -> None:
        session = AsyncSidecarSession(OPTIONS, socket_path=fake.path)
        await session.open(wait=False)
        fake.accept().say(opened())
        try:
            await fill(session)
            pending = session.pending_bytes
            sending = asyncio.create_task(session.send(PIECE))
            await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert session.pending_bytes == pending
        finally:
            await session.close()

    asyncio.run(main())


def test_the_last_words_are_heard_after_a_write_that_failed(fake: FakeSidecar) -> None:
    """The sidecar says why and closes, and the application writes before its loop has read."""

    async def main() -> None:
        session = AsyncSidecarSession(OPTIONS, socket_path=fake.path)
        await session.open(wait=False)
        fake.accept().say(error("draining"))
        fake.leave()
        await session.send(PIECE)
        await session.wait(PATIENCE)

    with pytest.raises(SidecarBusy):
        asyncio.run(main())
