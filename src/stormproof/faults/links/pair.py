"""A connection through a link: the client's end, the upstream one, and a stream each way."""

from __future__ import annotations

import array
import asyncio
import fcntl
import random
import socket
import struct
import termios
from collections.abc import Callable, Collection
from typing import Protocol, cast

from stormproof.faults.links.stream import Stream
from stormproof.faults.links.toxics import Ending
from stormproof.kernel.seeds import derive

BUFFER_BYTES_MAX = 256 << 10
CONNECT_TIMEOUT_S = 10.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s

Address = tuple[str, int]


class Home(Protocol):
    """What a pair needs of its link."""

    seed: int

    @property
    def kept_bytes_max(self) -> int:
        """How much the toxics of one stream may keep back."""
        ...

    def upstream_of(self, pair: Pair) -> Address:
        """Return where a pair leads to."""
        ...

    def accepted(self, pair: Pair, end: End) -> None:
        """Take a client's connection in."""
        ...

    def refused(self) -> None:
        """Count a connection for which there was no upstream."""
        ...

    def ended(self, pair: Pair) -> None:
        """Forget a pair whose ends have both gone."""
        ...


class End(asyncio.Protocol):
    """One end of a pair: what it receives goes into the stream to the other end."""

    __slots__ = ("_early", "_has_finished", "_is_reading", "forward", "full", "lost", "pair",
                 "received", "transport")  # fmt: skip

    def __init__(self, pair: Pair) -> None:
        self.pair = pair
        self.received = 0
        self.lost = False
        self.full = False  # its peer takes no more for now
        self.forward: Callable[[bytes], None] | None = None  # None: there is nowhere to yet
        self._early = bytearray()  # read before there was; one read at most
        self._has_finished = False  # its peer sends no more
        self._is_reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the pair."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        self.pair.add(self)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on, or keep them until there is somebody to pass them to."""
        self.received += len(data)
        if self.forward is not None:
            self.forward(data)
        else:
            self._early += data
            self.update()

    def eof_received(self) -> bool:
        """Pass on that no more comes; the other direction stays open."""
        self._has_finished = True
        if self.forward is not None:
            self.pair.stream_from(self).entry.end(Ending.FINISH)
        self.update()
        return True

    def pause_writing(self) -> None:
        """Let the other end not be read: ours takes no more."""
        self.full = True
        self.pair.update()

    def resume_writing(self) -> None:
        """Let the other end be read again."""
        self.full = False
        self.pair.update()

    def connection_lost(self, error: Exception | None) -> None:
        """Leave the pair."""
        self.lost = True
        self.pair.lost(self, error)

    @property
    def is_live(self) -> bool:
        """Whether its peer is there and has not said that it sends no more."""
        return self.is_open and not self._has_finished

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be given to its peer."""
        return not self.lost and not self.transport.is_closing()

    def join(self) -> None:
        """Pass on what has waited for the other end."""
        stream = self.pair.stream_from(self)
        self.forward = stream.entry.take
        if self._early:
            early, self._early = bytes(self._early), bytearray()
            self.forward(early)
        if self._has_finished:
            stream.entry.end(Ending.FINISH)

    def update(self) -> None:
        """Bring where bytes go, and whether they are read, in line with what may flow now."""
        if not self.is_open:
            return
        stream, other = self.pair.stream_from(self), self.pair.other(self)
        if self.forward is not None and other is not None:
            direct = stream.is_direct and other.is_open
            self.forward = other.transport.write if direct else stream.entry.take
        wanted = (
            self.forward is not None
            and not self._has_finished
            and not (other is not None and other.full)
            and stream.may_be_read
        )
        if wanted != self._is_reading:
            self._is_reading = wanted
            if wanted:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def waiting_bytes(self) -> int:
        """Count what its peer has sent and no stage has seen."""
        if not self.is_open:
            return len(self._early)
        waiting = array.array("i", [0])
        handle = self.transport.get_extra_info("socket").fileno()
        fcntl.ioctl(handle, termios.FIONREAD, waiting)
        return waiting[0] + len(self._early)

    def reset(self) -> None:
        """Close so that the peer sees a reset."""
        if not self.lost:
            handle = self.transport.get_extra_info("socket")
            if handle is not None and handle.fileno() >= 0:
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.transport.abort()


class Pair:
    """A client's connection, and the upstream one that belongs to it once it is joined."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._client: End | None = None
        self._upstream: End | None = None
        self._joining: asyncio.Task[None] | None = None
        self._random: random.Random | None = None
        self._is_cut = False  # whether its ends are to be reset
        self._is_closing = False
        self.number = 0  # of the connection, counted by the link from 1
        self.is_own = False  # whether it was made to measure the link
        self.up = Stream(self)
        self.down = Stream(self)
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def received(self) -> tuple[int, int]:
        """Bytes from the client and from the upstream."""
        up, down = self._client, self._upstream
        return up.received if up else 0, down.received if down else 0

    @property
    def kept_bytes_max(self) -> int:
        """How much the toxics of one stream may keep back."""
        return self._home.kept_bytes_max

    def add(self, end: End) -> None:
        """Take in an end that has been connected."""
        if self._client is None:
            self._client = end
            self._home.accepted(self, end)
            return
        self._upstream = end
        if self._is_cut or self._is_closing:
            end.reset()
            return
        self.joined.set_result(None)
        self._client.join()
        end.join()
        self.update()

    def stream_from(self, end: End) -> Stream:
        """Return the stream that an end sends into."""
        return self.up if end is self._client else self.down

    def other(self, end: End) -> End | None:
        """Return the end opposite, if there is one yet."""
        return self._upstream if end is self._client else self._client

    def update(self) -> None:
        """Let flow what may flow now; connect to the upstream if that has not been done."""
        may_join = not (self._is_cut or self._is_closing or self.is_blocked)
        if self._joining is None and may_join:
            self._joining = asyncio.get_running_loop().create_task(self._join())
            self._joining.add_done_callback(self._has_joined)
        for end in (self._client, self._upstream):
            if end is not None:
                end.update()

    @property
    def is_blocked(self) -> bool:
        """Whether a stream of it is held, so that no connection comes about."""
        return self.up.is_blocked or self.down.is_blocked

    def deliver(self, stream: Stream, data: bytes) -> None:
        """Send bytes to the end that a stream leads to."""
        end = self._receiver(stream)
        if end is not None and end.is_open:
            end.transport.write(data)

    def finish(self, stream: Stream) -> None:
        """Tell the end that a stream leads to that no more comes; when both know, it is over."""
        end = self._receiver(stream)
        if self.up.is_finished and self.down.is_finished:
            self.close()
        elif end is not None and end.is_open:
            end.transport.write_eof()

    def close(self) -> None:
        """Close both ends, once what was passed to them has been sent."""
        self._is_closing = True
        for end in self._leave():
            if end.is_open:
                end.transport.close()
        self._settle()

    def reset(self) -> None:
        """Reset both ends."""
        self._is_cut = True
        for end in self._leave():
            end.reset()
        self._settle()

    def abort(self) -> None:
        """Cut both ends at once."""
        self._is_cut = True
        for end in self._leave():
            if not end.lost:
                end.transport.abort()

    def lost(self, end: End, error: Exception | None) -> None:
        """Note that an end is gone: what was on its way to it is void, what it had sent is not."""
        stream = self.stream_from(end)
        (self.down if stream is self.up else self.up).discard()
        if self.other(end) is None:
            self.reset()  # before there was an upstream: none is needed any more
        elif not (self._is_cut or self._is_closing):
            self.update()  # nothing goes straight to it any more
            stream.entry.end(Ending.CLOSE if error is None else Ending.RESET)
        self._settle()

    def random(self) -> float:
        """Draw a number in [0, 1) out of the connection's own stream of them."""
        if self._random is None:
            self._random = random.Random(derive(self._home.seed, "connection", self.number))  # noqa: S311 - delays and sizes, no secrets
        return self._random.random()

    @property
    def has_client(self) -> bool:
        """Whether somebody is connected who may still send, and it is not us."""
        client = self._client
        return client is not None and client.is_live and not self.is_own

    def suffers(self, toxics: Collection[str]) -> bool:
        """Say whether a toxic of these names acts on either stream."""
        return any(_suffers(stream, toxics) for stream in (self.up, self.down))

    def waiting_bytes(self, toxics: Collection[str]) -> int:
        """Count what was sent into the streams that a toxic of these names acts on, and not passed
        on; one of them keeps both waiting before there is an upstream."""
        ways = ((self.up, self._client), (self.down, self._upstream))
        return sum(
            stream.kept_bytes + (0 if sender is None else sender.waiting_bytes())
            for stream, sender in ways
            if _suffers(stream, toxics) or not self.joined.done()
        )

    def _receiver(self, stream: Stream) -> End | None:
        return self._upstream if stream is self.up else self._client

    def _leave(self) -> list[End]:
        """Stop all that is under way; return the ends there are."""
        if self._joining is not None and not self.joined.done():
            self._joining.cancel()
        for stream in (self.up, self.down):
            stream.discard()
        return [end for end in (self._client, self._upstream) if end is not None]

    async def _join(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: End(self), *self._home.upstream_of(self)
                )
        except (OSError, TimeoutError):
            self._home.refused()
            self.reset()

    def _has_joined(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
        self._settle()

    def _settle(self) -> None:
        ends = [end for end in (self._client, self._upstream) if end is not None]
        is_joining = self._joining is not None and not self._joining.done()
        if all(end.lost for end in ends) and not is_joining:
            self._home.ended(self)


def _suffers(stream: Stream, toxics: Collection[str]) -> bool:
    return any(stream.has(name) for name in toxics)
