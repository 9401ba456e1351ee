"""Source "valkey": memory, clients, keys and streams, from the server's own INFO.

    memory_bytes, memory_rss_bytes    what it uses, and what of it is resident
    connected_clients, blocked_clients    ours not counted
    evicted_keys_total, expired_keys_total, rejected_connections_total
    keyspace_hits_total, keyspace_misses_total, commands_total
    stream_length{stream}             of the streams that were named
    stream_pending{stream,group}      delivered to a consumer and not yet acknowledged
    stream_lag{stream,group}          not yet delivered; not told where the server does not know

All have the tag `part`. Works with Valkey and Redis. What it costs the server: one connection
(named stormproof), one INFO a reading, and two commands for each named stream, which its own
hits and misses count like anybody's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final
from urllib.parse import unquote, urlsplit

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import STREAMS_WATCHED_MAX
from stormproof.model.observed import Observed, ObservedKind
from stormproof.observe.resp import Reply, RespConnection, RespError

CLIENT_NAME: Final = "stormproof"
_PORT = 6379
_SCHEMES = ("valkey", "redis")
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
        url: `valkey://[user]:[password]@host[:port]` (or `redis://`).
        streams: the keys of streams to look at.

    Raises:
        ValueError: the URL is of another kind, or there are too many streams.
    """

    name = "valkey"

    def __init__(self, part: str, url: str, streams: Sequence[str] = ()) -> None:
        address = urlsplit(url)
        if address.scheme not in _SCHEMES or not address.hostname:
            raise ValueError("the address of a cache reads valkey://[:password@]host:port")
        if len(streams) > STREAMS_WATCHED_MAX:
            raise ValueError(f"at most {STREAMS_WATCHED_MAX} streams are looked at")
        self._part = part
        self._host = address.hostname
        self._port = address.port or _PORT
        credentials = (unquote(address.username or ""), unquote(address.password or ""))
        self._credentials = [word for word in credentials if word]
        self._streams = tuple(streams)
        self._connection: RespConnection | None = None

    async def read(self) -> Sequence[Observed]:
        """Ask once, on a connection that is kept between readings.

        Raises:
            SourceSilent: it cannot be asked.
        """
        try:
            connection = await self._connected()
            found = list(self._of_server(await connection.call("INFO")))
            for stream in self._streams:
                found += await self._of_stream(connection, stream)
            return found
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
            self._connection = await RespConnection.open(self._host, self._port)
            if self._credentials:
                await self._connection.call("AUTH", *self._credentials)
            await self._connection.call("CLIENT", "SETNAME", CLIENT_NAME)
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

    async def _of_stream(self, connection: RespConnection, stream: str) -> list[Observed]:
        length = await connection.call("XLEN", stream)
        found = [self._observed(ObservedKind.GAUGE, "stream_length", length, stream=stream)]
        for group in await _groups(connection, stream):
            tags = {"stream": stream, "group": str(group.get("name"))}
            found += [
                self._observed(ObservedKind.GAUGE, f"stream_{name}", value, **tags)
                for name in ("pending", "lag")
                if isinstance(value := group.get(name), int)
            ]
        return found

    def _observed(self, kind: ObservedKind, name: str, value: Reply, **tags: str) -> Observed:
        if not isinstance(value, str | int):
            raise ValueError(f"{name} is no number")
        tags = {"part": self._part, **tags}
        return Observed(name=name, tags=tags, kind=kind, value=float(value))


def _fields(reply: Reply) -> dict[str, str]:
    """Read the lines `name:value` of INFO."""
    if not isinstance(reply, str):
        raise ValueError("INFO answers no text")
    lines = (line.partition(":") for line in reply.splitlines() if not line.startswith("#"))
    return {name: value for name, colon, value in lines if colon}


async def _groups(connection: RespConnection, stream: str) -> list[dict[str, Reply]]:
    """Return the groups of a stream, by the names that XINFO gives; none of a stream that is not
    there."""
    try:
        reply = await connection.call("XINFO", "GROUPS", stream)
    except RespError as error:
        if "no such key" in str(error):
            return []
        raise
    if not isinstance(reply, list):
        raise ValueError("XINFO GROUPS answers no list")
    return [_pairs(group) for group in reply]


def _pairs(reply: Reply) -> dict[str, Reply]:
    if not isinstance(reply, list):
        raise ValueError("XINFO GROUPS answers no list of groups")
    return dict(zip(map(str, reply[::2]), reply[1::2], strict=True))


def _reason(error: BaseException) -> str:
    return str(error) or type(error).__name__
