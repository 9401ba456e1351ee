"""TCP links of ours between two parts, on which faults can be put.

Theory of operation. A link accepts on one port and forwards to another, one upstream connection
for each client. Undisturbed, the two ends of a pair hand what they receive straight to the other's
transport; an end whose buffer is full stops the other from reading, so memory is bounded whatever
the parts do. A close passes as a close, half of one as half of one, a reset as a reset, and an
upstream that refuses shows to the client as a reset.

A toxic on a stream stands between its ends as a stage (see `stages`): what it keeps back it counts,
and beyond `kept_bytes_max` the sender is not read, so that it stalls as behind a slow network.
Putting on, changing and taking off are plain calls that return when all connections have it: no
stage is waited for, so nothing can hang under load.

Held, a stream is not read and no connection comes about: bytes wait in the kernel, senders stall
as behind a dead route, and nothing is closed or reset until all flows on in order.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Collection

import msgspec

from stormproof.faults.links.pair import Address, End, Pair
from stormproof.faults.links.stream import Stream
from stormproof.faults.links.toxics import Applied, Direction, Tally
from stormproof.kernel.errors import EnvironmentFailure
from stormproof.kernel.seeds import derive
from stormproof.model.part import Link

CONNECTIONS_MAX = 8_192
KEPT_BYTES_MAX = 256 << 20  # of one link, about, that its toxics keep back
STREAM_KEPT_BYTES_MAX = 4 << 20
STREAM_KEPT_BYTES_MIN = 16 << 10
_LISTEN_BACKLOG = 4_096
_FILES_MIN = 2 * CONNECTIONS_MAX + 1_024
_DRAWN_OF = 2.0**64


class LinkCounters(msgspec.Struct, frozen=True, kw_only=True):
    """What a link has carried so far; bytes count once received."""

    connections: int
    connections_open: int
    connections_refused: int  # beyond CONNECTIONS_MAX, too late, or refused by the upstream
    bytes_up: int
    bytes_down: int


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """What a link keeps from passing now."""

    bytes: int
    connections: int  # accepted, and without an upstream


class Own:
    """A connection that we make to measure a link: where it leads, what acts on it, and its pair
    once it is accepted."""

    def __init__(self, upstream: Address | None, toxics: Collection[str]) -> None:
        self.upstream = upstream  # None: the link's own
        self.toxics = toxics  # that act on it, by name
        self.arrival: asyncio.Future[Pair] = asyncio.get_running_loop().create_future()


class TcpLink:
    """Forward TCP between two ports, and suffer toxics on demand.

    Args:
        link: from where to where.
        seed: of what is drawn: which connections a toxic acts on, jitter, sizes of slices.
    """

    def __init__(self, link: Link, *, seed: int = 0) -> None:
        self.name = link.name
        self.host = link.host
        self.listen_port = link.listen_port
        self.upstream: Address = (link.upstream_host or link.host, link.upstream_port)
        self.seed = seed
        self.diverted: Address | None = None  # where new connections lead instead
        self.is_refusing = False
        self.connections_refused = 0
        self.own: dict[Address, Own] = {}  # by the address they come from
        self._connections = 0
        self._bytes_ended = (0, 0)
        self._pairs: dict[Pair, Address] = {}  # with the client's address
        self._toxics: dict[str, Applied] = {}  # in the order they were put on
        self._tallies: dict[str, Tally] = {}
        self._server: asyncio.Server | None = None
        self._is_accepting = False  # what was accepted just before a close still arrives after it
        self._reserved: socket.socket | None = None  # keeps the port while the link refuses

    @property
    def toxics(self) -> tuple[Applied, ...]:
        """Everything that is on the link now."""
        return tuple(self._toxics.values())

    @property
    def kept_bytes_max(self) -> int:
        """How much the toxics of one stream may keep back."""
        fair = KEPT_BYTES_MAX // max(1, 2 * len(self._pairs))
        return max(STREAM_KEPT_BYTES_MIN, min(STREAM_KEPT_BYTES_MAX, fair))

    async def open(self) -> None:
        """Listen; a port of 0 becomes one that is free.

        Raises:
            EnvironmentFailure: the port is taken.
        """
        allow_files()
        address = (self.host, self.listen_port)
        try:
            # Our own socket: given a host to look up, uvloop starts threads (see `keeper`).
            listening = bound(address)
            listening.listen(_LISTEN_BACKLOG)
        except OSError as error:
            raise self._cannot_listen(error) from error
        self.listen_port = listening.getsockname()[1]
        await self._serve(listening)

    async def close(self) -> None:
        """Cut all connections and listen no more; safe to call twice."""
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None
        self._is_accepting = False
        server, self._server = self._server, None
        if server is not None:
            server.close()
        self._cut_all()
        if server is not None:
            await server.wait_closed()

    def refuse(self) -> int:
        """Cut all connections and let nobody connect; return how many were cut of those
        that clients still used, our own apart. The port stays reserved."""
        if self._server is None:
            return 0
        self._is_accepting = False
        self._server.close()
        self._server = None
        self.is_refusing = True
        self._reserved = _reserve((self.host, self.listen_port))
        return self._cut_all()

    async def accept_again(self) -> None:
        """Let clients connect again; safe to call twice.

        Raises:
            EnvironmentFailure: somebody else has taken the port.
        """
        if not self.is_refusing:
            return
        reserved, self._reserved = self._reserved, None
        if reserved is None:
            await self.open()
        else:
            try:
                reserved.listen(_LISTEN_BACKLOG)
            except OSError as error:
                reserved.close()
                raise self._cannot_listen(error) from error
            await self._serve(reserved)
        self.is_refusing = False

    def cut(self) -> int:
        """Cut all connections; return how many clients still used, our own apart. New ones come
        about."""
        return self._cut_all()

    def put(self, applied: Applied) -> None:
        """Put a toxic on; when this returns it acts on every connection that it was drawn for."""
        assert applied.name not in self._toxics
        self._toxics[applied.name] = applied
        self._tallies[applied.name] = Tally()
        for pair in tuple(self._pairs):
            self._put_on(pair, applied)
            pair.update()

    def change(self, applied: Applied) -> None:
        """Change settings or share of the toxic of that name; its stream stays as it is."""
        self._toxics[applied.name] = applied
        for pair in tuple(self._pairs):
            stream = _stream(pair, applied.direction)
            if not stream.has(applied.name):
                self._put_on(pair, applied)
            elif self._is_drawn(pair, applied):
                stream.change(applied)
            else:
                stream.take_off(applied.name)
            pair.update()

    def take_off(self, name: str) -> None:
        """Take a toxic off; what it kept back flows on; one that is not there is fine."""
        applied = self._toxics.pop(name, None)
        if applied is None:
            return
        del self._tallies[name]
        for pair in tuple(self._pairs):
            stream = _stream(pair, applied.direction)
            if stream.has(name):
                stream.take_off(name)
                pair.update()

    def tally(self, name: str) -> Tally:
        """Return what a toxic has done since it was put on; nothing when it is not on."""
        return self._tallies.get(name, Tally())

    @property
    def has_clients(self) -> bool:
        """Whether anybody uses it, our own connections apart."""
        return any(pair.has_client for pair in self._pairs)

    def held_back(self, toxics: Collection[str]) -> HeldBack:
        """Measure what waits now on the connections that a toxic of these names acts on, our own
        apart: what undisturbed ones have on its way is nobody's doing."""
        pairs = [pair for pair in self._pairs if not pair.is_own and pair.suffers(toxics)]
        return HeldBack(
            bytes=sum(pair.waiting_bytes(toxics) for pair in pairs),
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

    def accepted(self, pair: Pair, end: End) -> None:
        """Take a client's connection in."""
        self._connections += 1
        if not self._is_accepting or len(self._pairs) >= CONNECTIONS_MAX:
            self.connections_refused += 1
            end.reset()
            return
        pair.number = self._connections
        # A client that was reset before it was accepted has no address any more.
        self._pairs[pair] = (end.transport.get_extra_info("peername") or ("", 0))[:2]
        own = self.own.get(self._pairs[pair])
        pair.is_own = own is not None
        for applied in self._toxics.values():
            self._put_on(pair, applied)
        if own is not None and not own.arrival.done():
            own.arrival.set_result(pair)
        pair.update()

    def upstream_of(self, pair: Pair) -> Address:
        """Return where a pair leads to."""
        own = self.own.get(self._pairs[pair])
        if own is not None and own.upstream is not None:
            return own.upstream
        return self.diverted or self.upstream

    def refused(self) -> None:
        """Count a connection for which there was no upstream."""
        self.connections_refused += 1

    def ended(self, pair: Pair) -> None:
        """Forget a pair whose ends have both gone."""
        if self._pairs.pop(pair, None) is not None:
            up, down = self._bytes_ended
            pair_up, pair_down = pair.received
            self._bytes_ended = (up + pair_up, down + pair_down)

    async def _serve(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._is_accepting = True
        self._server = await loop.create_server(lambda: End(Pair(self)), sock=listening)

    def _cannot_listen(self, error: OSError) -> EnvironmentFailure:
        return EnvironmentFailure(
            f"the link {self.name} cannot listen on port {self.listen_port}: {error.strerror}",
            "name another port in the plan",
        )

    def _put_on(self, pair: Pair, applied: Applied) -> None:
        if self._is_drawn(pair, applied):
            tally = self._tallies[applied.name] if pair.has_client else Tally()
            _stream(pair, applied.direction).put(applied, tally)

    def _is_drawn(self, pair: Pair, applied: Applied) -> bool:
        """Say whether a toxic acts on a connection; our own may measure it, whatever the share."""
        own = self.own.get(self._pairs[pair]) if pair.is_own else None
        if own is not None:
            return applied.name in own.toxics
        if applied.share >= 1:
            return True
        return derive(self.seed, applied.name, pair.number) / _DRAWN_OF < applied.share

    def _cut_all(self) -> int:
        pairs = tuple(self._pairs)
        count = sum(pair.has_client for pair in pairs)
        for pair in pairs:
            pair.abort()
        return count


def _stream(pair: Pair, direction: Direction) -> Stream:
    return pair.up if direction == "up" else pair.down


def bound(address: Address) -> socket.socket:
    """Bind a socket to an address; `::` is every interface's, of IPv4 too.

    Raises:
        OSError: it is taken, or none of this machine.
    """
    is_v6 = ":" in address[0]
    made = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_v6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _reserve(address: Address) -> socket.socket | None:
    """Bind a port without listening: who connects is refused, and nobody is given it who asks for
    any; somebody who asks for this very one may still take it."""
    try:
        return bound(address)
    except OSError:
        return None  # somebody was quicker; to listen again will say so


def allow_files() -> None:
    """Let this process open what a full link needs, as far as the machine lets it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES_MIN if hard == resource.RLIM_INFINITY else min(hard, _FILES_MIN)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
