"""Source "valkey": memory, clients and keys, from the server's own INFO.

    memory_bytes, memory_rss_bytes    what it uses, and what of it is resident
    connected_clients, blocked_clients    ours not counted
    evicted_keys_total, expired_keys_total, rejected_connections_total
    keyspace_hits_total, keyspace_misses_total, commands_total

All have the tag `part`; of streams see `observe.valkey_streams`. Works with Valkey and Redis. What
it costs the server: one connection (named stormproof) and one INFO a reading, which
`commands_total` counts like anybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

from stormproof.kernel.errors import SourceSilent
from stormproof.model.observed import Observed, ObservedKind
from stormproof.observe.valkey_streams import StreamStats
from stormproof.servers.resp import Reply, RespConnection, RespError
from stormproof.servers.valkey_address import ValkeyAddress

_GAUGES: Final = {
    "memory_bytes": "used_memory",
    "memory_rss_bytes": "used_memory_rss",
    "blocked_clients": "blocked_clients",
}
_COUNTERS: Final = {
    "evicted_keys_total": "evicted_keys",
    "expired_keys_total": "expired_keys",
    "rejected_connections_total": "rejected_connections",
    "keyspace_hits_total": "keyspace_hits",
    "keyspace_misses_total": "keyspace_misses",
    "commands_total": "total_commands_processed",
}


class ValkeySource:
    """Read the statistics of one Valkey or Redis (`stormproof.seams.Source`).

    Args:
        part: the part's name.
        url: `valkey://[user]:[password]@host[:port][/database]` (or `redis://`).
        streams: the keys of those that are looked at, too.

    Raises:
        ValueError: the URL is of another kind.
    """

    name = "valkey"

    def __init__(self, part: str, url: str, streams: Sequence[str] = ()) -> None:
        self._part = part
        self._address = ValkeyAddress.parse(url)
        self._connection: RespConnection | None = None
        self._streams = StreamStats(part, streams)

    async def read(self) -> Sequence[Observed]:
        """Ask once, on a connection that is kept between readings.

        Raises:
            SourceSilent: it cannot be asked.
        """
        try:
            connection = await self._connected()
            given = list(self._of_server(await connection.call("INFO")))
            return given + await self._streams.read(connection)
        except (OSError, EOFError, ValueError, RespError) as error:
            self._drop()
            raise SourceSilent(f"{self._part}: {_reason(error)}") from error
        except asyncio.CancelledError:
            self._drop()
            raise

    async def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _connected(self) -> RespConnection:
        if self._connection is not None and self._connection.is_lost:
            self._drop()  # the server was started again between two readings
        if self._connection is None:
            self._connection = await self._address.sign_in()
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.drop()
            self._connection = None

    def _of_server(self, reply: Reply) -> Iterator[Observed]:
        """Yield what INFO says of what we look for; an older server may not say all of it."""
        fields = _fields(reply)
        for name, field in _GAUGES.items():
            if field in fields:
                yield self._observed(ObservedKind.GAUGE, name, fields[field])
        for name, field in _COUNTERS.items():
            if field in fields:
                yield self._observed(ObservedKind.COUNTER, name, fields[field])
        clients = fields.get("connected_clients", "1")
        yield self._observed(ObservedKind.GAUGE, "connected_clients", int(clients) - 1)

    def _observed(self, kind: ObservedKind, name: str, value: str | int) -> Observed:
        return Observed(name=name, tags={"part": self._part}, kind=kind, value=float(value))


def _fields(reply: Reply) -> dict[str, str]:
    """Read the lines `name:value` of INFO."""
    if not isinstance(reply, str):
        raise ValueError("INFO answers no text")
    lines = (line.partition(":") for line in reply.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
