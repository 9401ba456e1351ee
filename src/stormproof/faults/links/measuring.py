"""Connections of our own through a link, made to see what it does to them.

Such a connection leads back to us instead of to the upstream, so that bytes can be sent both ways
and nothing of ours ever reaches the target; only the toxics that are being measured act on it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from stormproof.faults.links.pair import Pair
from stormproof.faults.links.tcp import Own, TcpLink
from stormproof.faults.links.toxics import Direction

PASSAGE_S = 1.0  # how long a connection of ours may take through a link that lets it pass

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnConnection:
    """Both ends of a connection through a link: the client's and the one behind the link."""

    near: Streams
    far: Streams
    pair: Pair

    def sender(self, direction: Direction) -> asyncio.StreamWriter:
        """Return where to write what is to go that way."""
        return (self.near if direction == "up" else self.far)[1]

    def receiver(self, direction: Direction) -> asyncio.StreamReader:
        """Return where that comes out."""
        return (self.far if direction == "up" else self.near)[0]

    def deliveries(self, direction: Direction) -> int:
        """Count the pieces in which the link has sent on what toxics let pass that way."""
        return (self.pair.up if direction == "up" else self.pair.down).deliveries


@asynccontextmanager
async def own_connection(
    link: TcpLink, toxics: Collection[str], *, within_s: float = PASSAGE_S
) -> AsyncIterator[OwnConnection]:
    """Connect through a link to ourselves, `toxics` (by name) acting.

    Raises:
        OSError: the link refused or reset it.
        TimeoutError: it did not come about in time.
    """
    loop = asyncio.get_running_loop()
    with _socket(link.host) as near, _socket(link.host) as behind:
        behind.listen(1)
        address = near.getsockname()[:2]
        link.own[address] = own = Own(behind.getsockname()[:2], toxics)
        writers: list[asyncio.StreamWriter] = []
        try:
            async with asyncio.timeout(within_s):
                await loop.sock_connect(near, (link.host, link.listen_port))
                near_streams = await asyncio.open_connection(sock=near.dup())
                writers.append(near_streams[1])
                far_socket, _ = await loop.sock_accept(behind)
                far_streams = await asyncio.open_connection(sock=far_socket)
                writers.append(far_streams[1])
            yield OwnConnection(near=near_streams, far=far_streams, pair=own.arrival.result())
        finally:
            for writer in writers:
                writer.transport.abort()
            del link.own[address]


async def how_cut(link: TcpLink, toxics: Collection[str], *, within_s: float) -> OSError | None:
    """Connect through a link to ourselves and wait; return what ended that, None when nothing."""
    loop = asyncio.get_running_loop()
    with _socket(link.host) as near, _socket(link.host) as behind:
        behind.listen(1)
        address = near.getsockname()[:2]
        link.own[address] = Own(behind.getsockname()[:2], toxics)
        try:
            async with asyncio.timeout(within_s):
                await loop.sock_connect(near, (link.host, link.listen_port))
                await loop.sock_recv(near, 1)
        except TimeoutError:
            return None
        except OSError as error:
            return error
        finally:
            del link.own[address]
    return None


async def reaches_upstream(link: TcpLink, toxics: Collection[str], *, timeout_s: float) -> bool:
    """Open a connection of our own to the upstream; say whether it got there in time.

    Nothing is sent on it, so that nothing of ours arrives later.
    """
    loop = asyncio.get_running_loop()
    with _socket(link.host) as near:
        address = near.getsockname()[:2]
        own = Own(None, toxics)
        link.own[address] = own
        try:
            async with asyncio.timeout(timeout_s):
                await loop.sock_connect(near, (link.host, link.listen_port))
                pair = await own.arrival
                await _joined_or_cut(pair, near)
                return pair.joined.done()
        except (OSError, TimeoutError):
            return False
        finally:
            del link.own[address]


async def _joined_or_cut(pair: Pair, near: socket.socket) -> None:
    reading = asyncio.get_running_loop().create_task(_readable(near))
    try:
        await asyncio.wait({pair.joined, reading}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        reading.cancel()
        await asyncio.wait({reading})


async def _readable(near: socket.socket) -> None:
    """Return when there is anything to read, an end or a reset too."""
    with suppress(OSError):
        await asyncio.get_running_loop().sock_recv(near, 1)


async def serves_directly(link: TcpLink, *, timeout_s: float) -> bool:
    """Say whether the upstream accepts a connection that goes past the link; nothing is sent."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(*link.upstream)
    except (OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


async def received(reader: asyncio.StreamReader, count: int, *, within_s: float) -> bytes:
    """Read up to `count` bytes, fewer when the stream ends or the time does.

    Raises:
        ConnectionError: it was reset.
    """
    taken = b""
    try:
        async with asyncio.timeout(within_s):
            while len(taken) < count:
                part = await reader.read(count - len(taken))
                if not part:
                    break
                taken += part
    except TimeoutError:
        return taken
    return taken


def _socket(host: str) -> socket.socket:
    """Return a socket with a port of its own."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setblocking(False)
    made.bind((host, 0))
    return made
