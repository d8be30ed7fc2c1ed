"""Plays cases against a server that echoes, and writes what came of each as JSON: play.py PORT|SOCKET [PREFIX ...]."""

import asyncio
import json
import sys

import suite
from client import Client

# Most cases wait for the server or for time, so many run at once.
AT_ONCE = 8


async def play(case: type, address: str, turn: asyncio.Semaphore) -> dict[str, object]:
    async with turn:
        loop = asyncio.get_running_loop()
        if address.isdecimal():
            _, client = await loop.create_connection(lambda: Client(case), "127.0.0.1", int(address))
        else:
            _, client = await loop.create_unix_connection(lambda: Client(case), address)
        await client.over
    played = client.case
    return {
        "case": number(case),
        "behavior": played.behavior,
        "close": played.behaviorClose,
        "result": f"{played.result} {played.resultClose}",
        "code": client.remoteCloseCode,
        "failed_by_server": not client.closedByMe,
        "close_frame": client.wasClean,
    }


def number(case: type) -> str:
    return case.__name__.removeprefix("Case").replace("_", ".")


async def main(address: str, prefixes: list[str]) -> None:
    cases = suite.load()
    chosen = [it for it in cases.Cases if not prefixes or number(it).startswith(tuple(prefixes))]
    turn = asyncio.Semaphore(AT_ONCE)
    played = await asyncio.gather(*(play(case, address, turn) for case in chosen))
    json.dump({"groups": cases.CaseCategories | cases.CaseSubCategories, "cases": played}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
