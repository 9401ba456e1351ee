"""A server of TLS that stands in for the one behind a link, with a certificate of its own.

It ends the client's TLS, counts who refuses the certificate and why, and passes on what those send
who believe it, over a TLS of its own: a client that does not look must not seem to have looked.
Neither side is read while the other's buffer is full.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from typing import Final, cast

from stormproof.faults.links.certificates import trusting_all

HANDSHAKE_S: Final = 5.0
CONNECT_S: Final = 5.0
BUFFER_BYTES_MAX: Final = 256 << 10
CHUNK_BYTES: Final = 64 << 10
REASONS_MAX: Final = 20
_BACKLOG: Final = 512


class Impostor:
    """Listen on a free loopback port with a certificate, and pass on to an address."""

    def __init__(self, context: ssl.SSLContext, upstream: tuple[str, int]) -> None:
        self.context = context
        self.upstream = upstream
        self.believed = 0
        self.refusals: Counter[str] = Counter()  # by what the client said
        self.open: set[Victim] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> tuple[str, int]:
        """Listen; return where."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: Victim(self), "127.0.0.1", 0, backlog=_BACKLOG
        )
        host, port = self._server.sockets[0].getsockname()[:2]
        return str(host), int(port)

    def refused(self, why: str) -> None:
        """Count a client that refused the certificate; beyond some reasons they are one."""
        if why not in self.refusals and len(self.refusals) >= REASONS_MAX:
            why = "other"
        self.refusals[why] += 1

    @property
    def is_listening(self) -> bool:
        """Whether somebody could still be led here."""
        return self._server is not None

    async def close(self) -> None:
        """Listen no more and cut all connections; safe to call twice."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for victim in tuple(self.open):
            victim.abort()
        if server is not None:
            await server.wait_closed()


class Victim(asyncio.Protocol):
    """A client's connection, whose TLS ends here."""

    def __init__(self, impostor: Impostor) -> None:
        self._impostor = impostor
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = impostor.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._has_begun = self._is_greeted = self._is_refused = False
        self._behind: asyncio.Transport | None = None
        self._joining: asyncio.Task[None] | None = None
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the client to begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        self._impostor.open.add(self)
        loop = asyncio.get_running_loop()
        self._patience = loop.call_later(HANDSHAKE_S, self._transport.abort)

    def data_received(self, data: bytes) -> None:
        """Go on with the handshake, or pass on."""
        self._has_begun = True
        self._incoming.write(data)
        if self._is_greeted:
            self._pass_on()
        else:
            self._greet()

    def eof_received(self) -> bool:
        """Close: half a TLS connection is none."""
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """Close what is behind."""
        self._impostor.open.discard(self)
        if self._patience is not None:
            self._patience.cancel()
        if self._has_begun and not self._is_greeted:
            self._refuse("closed without a word")
        if self._joining is not None:
            self._joining.cancel()
        if self._behind is not None:
            self._behind.close()

    def pause_writing(self) -> None:
        """Read no more from behind."""
        if self._behind is not None:
            self._behind.pause_reading()

    def resume_writing(self) -> None:
        """Read on from behind."""
        if self._behind is not None:
            self._behind.resume_reading()

    def send(self, data: bytes) -> None:
        """Pass on what came from behind."""
        self._tls.write(data)
        self._flush()

    def joined(self, behind: asyncio.Transport) -> None:
        """Pass on what has come meanwhile."""
        self._behind = behind
        self._transport.resume_reading()
        self._pass_on()

    def hold(self, is_full: bool) -> None:
        """Read no more from the client while what is behind takes no more."""
        if self._transport.is_closing():
            return
        if is_full:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close, having sent what there is."""
        self._transport.close()

    def abort(self) -> None:
        """Cut."""
        self._transport.abort()

    def _greet(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._refuse((error.reason or "no TLS").lower().replace("_", " "))
            self._flush()
            self._transport.close()
            return
        self._is_greeted = True
        self._impostor.believed += 1
        if self._patience is not None:
            self._patience.cancel()
        self._flush()
        self._transport.pause_reading()
        self._joining = asyncio.get_running_loop().create_task(self._join())

    async def _join(self) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                await asyncio.get_running_loop().create_connection(
                    lambda: _Behind(self), *self._impostor.upstream, ssl=trusting_all()
                )
        except (OSError, TimeoutError):
            self._transport.abort()

    def _pass_on(self) -> None:
        """Decrypt what there is; a client that says good-bye or talks nonsense is closed."""
        while self._behind is not None:
            try:
                data = self._tls.read(CHUNK_BYTES)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:
                data = b""
            if not data:
                self._transport.close()
                break
            self._behind.write(data)
        self._flush()

    def _refuse(self, why: str) -> None:
        if not self._is_refused:
            self._is_refused = True
            self._impostor.refused(why)

    def _flush(self) -> None:
        if data := self._outgoing.read():
            self._transport.write(data)


class _Behind(asyncio.Protocol):
    """The connection to the server that the impostor stands in for."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        behind = cast(asyncio.Transport, transport)
        behind.set_write_buffer_limits(high=BUFFER_BYTES_MAX)
        self._victim.joined(behind)

    def data_received(self, data: bytes) -> None:
        self._victim.send(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._victim.close()

    def pause_writing(self) -> None:
        self._victim.hold(is_full=True)

    def resume_writing(self) -> None:
        self._victim.hold(is_full=False)
