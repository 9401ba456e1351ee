"""How faults speak to a cache: past every link, and with the rights of who runs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.model.part import Server
from stormproof.servers.resp import Reply, RespConnection, RespError
from stormproof.servers.valkey_address import ValkeyAddress

PATIENCE_S: Final = 5.0  # for all that is asked on one connection
LOOK_EVERY_S: Final = 0.02


@asynccontextmanager
async def cache_on(
    server: Server, *, changes: bool = False, patience_s: float = PATIENCE_S
) -> AsyncIterator[RespConnection]:
    """Give a connection for some questions; or for changes, which are in doubt when it is lost.

    Raises:
        FaultRefused: the server does not let us in, or refuses a command.
        EnvironmentFailure: it has gone, and nobody knows what it has still carried out.
    """
    connection: RespConnection | None = None
    try:
        async with asyncio.timeout(patience_s):
            connection = await ValkeyAddress.parse(server.url).sign_in()
            yield connection
    except RespError as error:
        raise FaultRefused(f"{server.part}: {error}") from error
    except (OSError, EOFError, ValueError) as error:
        what = f"{server.part}: {str(error) or type(error).__name__}"
        if changes and connection is not None:
            raise EnvironmentFailure(f"{what}; it may have done what it was told") from error
        raise FaultRefused(what) from error
    finally:
        if connection is not None:
            connection.drop()


async def statistics(connection: RespConnection) -> dict[str, int]:
    """Return the whole numbers that the server keeps of itself."""
    told = await connection.call("INFO")
    lines = (line.partition(":") for line in str(told).splitlines())
    return {name: int(value) for name, _, value in lines if value.isascii() and value.isdigit()}


def whole(reply: Reply) -> int:
    """Return a number that the server counts."""
    if not isinstance(reply, int):
        raise ValueError(f"the server counts {reply!r}")
    return reply
