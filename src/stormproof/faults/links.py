"""TCP links of ours between two parts, on which a partition can be put.

Theory of operation. A link accepts on one port and forwards to another, one upstream connection
for each client. The two ends of a pair hand what they receive straight to the other's transport;
an end whose buffer is full stops the other from reading, so memory is bounded whatever the parts
do. An end reads exactly while it may: the pair is joined, the link is not held, the other end takes
more, and its own peer has not closed. Held, a link reads nothing and connects nowhere: bytes wait
in the kernel, senders stall as behind a dead route, and nothing is closed or reset until the link
is released and everything flows on in order. A close passes as a close, a reset as a reset, and an
upstream that refuses shows to the client as a reset.
"""

from __future__ import annotations

import array
import asyncio
import fcntl
import socket
import struct
import termios
from collections.abc import Callable
from typing import cast

import msgspec

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.part import Link

BUFFER_BYTES_MAX = 256 << 10
CONNECTIONS_MAX = 4_096
CONNECT_TIMEOUT_S = 10.0
_LISTEN_BACKLOG = 512
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s

Address = tuple[str, int]


class LinkCounters(msgspec.Struct, frozen=True, kw_only=True):
    """What a link has carried so far; bytes count once received."""

    connections: int
    connections_open: int
    connections_refused: int  # over CONNECTIONS_MAX, or refused by the upstream
    bytes_up: int
    bytes_down: int


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """What a link keeps from passing now."""

    bytes: int
    connections: int  # accepted, and without an upstream


class _End(asyncio.Protocol):
    """One end of a pair: what it receives goes out at the other end."""

    __slots__ = ("_early", "_finish_passed", "_finished", "_forward", "_is_reading",
                 "error", "full", "lost", "pair", "received", "transport")  # fmt: skip

    def __init__(self, pair: _Pair) -> None:
        self.pair = pair
        self.received = 0
        self.lost = False
        self.error: Exception | None = None
        self._early = bytearray()  # read before it could be passed on; one read at most
        self._finished = False  # its peer sends no more
        self._finish_passed = False
        self.full = False  # its peer takes no more for now
        self._is_reading = True
        self._forward: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        self.pair.add(self)

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        if self._forward is not None:
            self._forward(data)
        else:
            self._early += data
            self.update()

    def eof_received(self) -> bool:
        self._finished = True
        self.update()
        return True

    def pause_writing(self) -> None:
        self.full = True
        self.pair.update()

    def resume_writing(self) -> None:
        self.full = False
        self.pair.update()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self.error = error
        self.pair.settle()

    @property
    def is_open(self) -> bool:
        return not self.lost and not self.transport.is_closing()

    @property
    def is_done(self) -> bool:
        """Whether everything its peer sent, the close included, has been passed on."""
        return self._finish_passed

    def update(self) -> None:
        """Bring reading in line with what may flow now; pass on what had to wait."""
        if not self.is_open:
            return
        other = self.pair.other(self)
        flows = other is not None and other.is_open and not self.pair.is_held
        self._forward = None
        if flows and other is not None:
            self._catch_up(other.transport)
            self._forward = other.transport.write
        wanted = flows and not self._finished and not (other is not None and other.full)
        if wanted != self._is_reading:
            self._is_reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def _catch_up(self, outward: asyncio.Transport) -> None:
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            outward.write(early)
        if self._finished and not self._finish_passed:
            self._finish_passed = True
            outward.write_eof()
            self.pair.settle()

    def waiting_bytes(self) -> int:
        """Count what its peer has sent and the link has not passed on."""
        if not self.is_open:
            return len(self._early)
        waiting = array.array("i", [0])
        handle = self.transport.get_extra_info("socket").fileno()
        fcntl.ioctl(handle, termios.FIONREAD, waiting)
        return waiting[0] + len(self._early)

    def reset(self) -> None:
        """Close so that the peer sees a reset."""
        if self.is_open:
            handle = self.transport.get_extra_info("socket")
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()


class _Pair:
    """A client's connection and the upstream one that belongs to it."""

    __slots__ = ("_ends", "_joining", "_link", "_refused", "joined")

    def __init__(self, link: TcpLink) -> None:
        self._link = link
        self._ends: list[_End] = []  # the client's, then the upstream one
        self._joining: asyncio.Task[None] | None = None
        self._refused = False
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_held(self) -> bool:
        return self._link.is_held

    @property
    def received(self) -> tuple[int, int]:
        """Bytes from the client and from the upstream."""
        counts = [end.received for end in self._ends]
        return counts[0], sum(counts[1:])

    def add(self, end: _End) -> None:
        self._ends.append(end)
        if len(self._ends) == 1:
            self._link.accepted(self, end)
        else:
            self.joined.set_result(None)
            self.update()

    def other(self, end: _End) -> _End | None:
        if len(self._ends) < 2:
            return None
        return self._ends[1] if end is self._ends[0] else self._ends[0]

    def update(self) -> None:
        """Let flow what may flow now; connect to the upstream if that has not been done."""
        if self._joining is None and not self.is_held:
            self._joining = asyncio.get_running_loop().create_task(self._join())
        for end in self._ends:
            end.update()
        self.settle()

    def settle(self) -> None:
        """Pass on how one end closed; while held the other end must not learn of it."""
        if self.is_held:
            return
        if self._refused or any(end.error is not None for end in self._ends):
            for end in self._ends:
                end.reset()
        elif any(end.lost for end in self._ends) or self._is_done():
            for end in self._ends:
                if not end.lost:
                    end.transport.close()
        if all(end.lost for end in self._ends) and (self.joined.done() or self._refused):
            self._link.ended(self)

    def _is_done(self) -> bool:
        return self.joined.done() and all(end.is_done for end in self._ends)

    async def _join(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: _End(self), self._link.host, self._link.upstream_port
                )
        except (OSError, TimeoutError):
            self._refused = True
            self._link.connections_refused += 1
            self.settle()

    def waiting_bytes(self) -> int:
        return sum(end.waiting_bytes() for end in self._ends)

    def abort(self) -> None:
        """Cut both ends at once."""
        if self._joining is not None:
            self._joining.cancel()
        for end in self._ends:
            if end.is_open:
                end.transport.abort()


class TcpLink:
    """Forward TCP between two loopback ports, and hold it on demand."""

    def __init__(self, link: Link) -> None:
        self.name = link.name
        self.host = link.host
        self.listen_port = link.listen_port
        self.upstream_port = link.upstream_port
        self.is_held = False
        self.connections_refused = 0
        self._connections = 0
        self._bytes_ended = (0, 0)
        self._pairs: dict[_Pair, Address] = {}  # with the client's address
        self._own: dict[Address, asyncio.Future[_Pair]] = {}  # made by `reaches_upstream`
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen.

        Raises:
            EnvironmentFailure: the port is taken.
        """
        address = (self.host, self.listen_port)
        try:
            # Our own socket: given a host to look up, uvloop starts threads (see `keeper`).
            listening = socket.create_server(address, backlog=_LISTEN_BACKLOG)
        except OSError as error:
            raise EnvironmentFailure(
                f"the link {self.name} cannot listen on port {self.listen_port}: {error.strerror}",
                "name another port in the plan",
            ) from error
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _End(_Pair(self)), sock=listening)

    async def close(self) -> None:
        """Cut all connections and listen no more; safe to call twice."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        self.is_held = False
        for pair in tuple(self._pairs):
            pair.abort()
        await server.wait_closed()

    def hold(self) -> None:
        """Let nothing pass from now on, and reset nothing."""
        self.is_held = True
        self._update()

    def release(self) -> None:
        """Let everything pass that waited, in order."""
        self.is_held = False
        self._update()

    def held_back(self) -> HeldBack:
        """Measure what waits now, our own connections apart."""
        pairs = [pair for pair, address in self._pairs.items() if address not in self._own]
        return HeldBack(
            bytes=sum(pair.waiting_bytes() for pair in pairs),
            connections=sum(not pair.joined.done() for pair in pairs),
        )

    def counters(self) -> LinkCounters:
        """Count what the link has carried so far."""
        up, down = self._bytes_ended
        for pair in self._pairs:
            pair_up, pair_down = pair.received
            up, down = up + pair_up, down + pair_down
        return LinkCounters(
            connections=self._connections,
            connections_open=len(self._pairs),
            connections_refused=self.connections_refused,
            bytes_up=up,
            bytes_down=down,
        )

    async def reaches_upstream(self, *, timeout_s: float) -> bool:
        """Open a connection of our own; say whether it reached the upstream in time.

        Nothing is sent on it, so that nothing of ours arrives later.
        """
        with socket.socket() as own:
            own.setblocking(False)
            own.bind((self.host, 0))
            address = own.getsockname()
            arrival: asyncio.Future[_Pair] = asyncio.get_running_loop().create_future()
            self._own[address] = arrival
            try:
                async with asyncio.timeout(timeout_s):
                    target = (self.host, self.listen_port)
                    await asyncio.get_running_loop().sock_connect(own, target)
                    pair = await arrival
                    await asyncio.shield(pair.joined)
            except (OSError, TimeoutError):
                return False
            finally:
                del self._own[address]
        return True

    def accepted(self, pair: _Pair, end: _End) -> None:
        """Take a client's connection in."""
        self._connections += 1
        if len(self._pairs) >= CONNECTIONS_MAX:
            self.connections_refused += 1
            end.reset()
            return
        self._pairs[pair] = end.transport.get_extra_info("peername")
        arrival = self._own.get(self._pairs[pair])
        if arrival is not None and not arrival.done():
            arrival.set_result(pair)
        pair.update()

    def ended(self, pair: _Pair) -> None:
        """Forget a pair whose ends have both gone."""
        if self._pairs.pop(pair, None) is not None:
            up, down = self._bytes_ended
            pair_up, pair_down = pair.received
            self._bytes_ended = (up + pair_up, down + pair_down)

    def _update(self) -> None:
        for pair in tuple(self._pairs):
            pair.update()
