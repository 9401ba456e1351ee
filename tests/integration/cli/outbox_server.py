"""A small server that keeps messages in PostgreSQL and passes them on in a stream of Valkey; what
it does wrong on purpose is planted."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import asyncpg  # type: ignore[import-untyped]
from tests.integration.cli.conftest import Handler
from tests.sanctum.servers import DEADLINE_S, LOOPBACK

from stormproof.servers.resp import RespConnection

THERE_BEFORE = (990, 991)


@dataclass(kw_only=True)
class Outbox:
    """What the server keeps where; each planted fault is the number of the message it befalls."""

    postgres_url: str
    valkey_port: int
    loses: int = 0  # acknowledged, and not stored
    keeps_quiet: int = 0  # stored, and not in the stream
    invents: int = 0  # another row is stored beside it
    takes_all: bool = False  # what is refused is stored all the same
    leaves: int = 0  # its ticket is left
    count: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def start(self) -> None:
        """Connect to both, and put something there from before."""
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self._do(self._connect())

    def stop(self) -> None:
        """Let go of both."""
        self._do(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def post(self, number: int) -> int:
        """Take a message and return the status of the answer."""
        return int(self._do(self._post(number)))

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE_S)

    async def _connect(self) -> None:
        self.database = await asyncpg.connect(self.postgres_url)
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    self.valkey = await RespConnection.open(LOOPBACK, self.valkey_port)
                    break
                except OSError:
                    await asyncio.sleep(0.01)
        await self.valkey.call("FLUSHALL")
        await self.database.execute("DROP TABLE IF EXISTS messages")
        await self.database.execute("CREATE TABLE messages (id bigint)")
        for number in THERE_BEFORE:
            await self._store(number)
            await self._pass_on(number)
        await self.valkey.call("SET", "ticket:old", "x")

    async def _close(self) -> None:
        await self.database.close()
        await self.valkey.close()

    async def _post(self, number: int) -> int:
        async with self.lock:
            if number % 10 == 0:
                if self.takes_all:
                    await self._store(number)
                return 409
            self.count += 1
            await self.valkey.call("SET", f"ticket:{number}", "x")
            if self.count != self.loses:
                await self._store(number)
            if self.count == self.invents:
                await self._store(-1)
            if self.count != self.keeps_quiet:
                await self._pass_on(number)
            if self.count != self.leaves:
                await self.valkey.call("DEL", f"ticket:{number}")
            return 201

    async def _store(self, number: int) -> None:
        await self.database.execute("INSERT INTO messages VALUES ($1)", number)

    async def _pass_on(self, number: int) -> None:
        await self.valkey.call("XADD", "outbox", "*", "id", str(number))


def serve(outbox: Outbox, handler: type[Handler]) -> None:
    """Have a handler take messages for an outbox."""

    def respond(self: Handler) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        given = json.loads(self.rfile.read(size) or b"null")
        self.send_response(200 if given is None else outbox.post(given["id"]))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    handler.do_GET = respond  # type: ignore[method-assign]
    handler.do_POST = respond  # type: ignore[attr-defined]
