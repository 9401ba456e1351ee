"""A real Valkey for the tests of a file, and a client of it that finds it empty."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from tests.integration.observe.watched import connected
from tests.sanctum.servers import Valkey

from stormproof.servers.resp import RespConnection


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    server = Valkey()
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[RespConnection]:
    connection = await connected(valkey)
    await connection.call("FLUSHALL")
    yield connection
    await connection.close()
