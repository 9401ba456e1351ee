"""The handshake of one WebSocket: what is asked for, how it is answered, which kind of failure."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Protocol

import picows

from stormproof.clients.cookies import CookieJar
from stormproof.clients.dialing import Opening
from stormproof.clients.failures import DialFailure, connect_error, tls_error
from stormproof.clients.headers import header_lines
from stormproof.clients.socket import Socket
from stormproof.clients.ws_site import WsSite
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import WS_RECEIVE_BYTES

_READ_BUFFER_BYTES = 2048  # at first; it grows with what arrives
_OWN_HEADERS = "sec-websocket-"
_ANSWER = "answer"  # the stage after connecting: TLS, where it is spoken, and the handshake
# What picows would log is in the record. An adapter, because of a plain logger it makes another
# one for every connection, of more than a kilobyte.
_SILENT = logging.LoggerAdapter(
    logging.Logger("stormproof.websocket", logging.CRITICAL + 1),  # noqa: LOG001
    {},
)


class CookieHolder(Protocol):
    """Whoever keeps the cookies of a user."""

    @property
    def jar(self) -> CookieJar | None:
        """The cookies, where there have been any."""
        ...

    @property
    def cookies(self) -> CookieJar:
        """The cookies."""
        ...


class Handshake:
    """Opens one socket; `answer` is what the target said where it refused."""

    __slots__ = ("_headers", "_offered", "_resource", "_site", "_socket", "answer", "cookies")

    def __init__(
        self,
        site: WsSite,
        socket: Socket,
        resource: bytes,
        headers: Mapping[str, str],
        offered: Sequence[str],
    ) -> None:
        self._site = site
        self._socket = socket
        self._resource = resource
        self._headers = _request_headers(site, headers, offered)
        self._offered = offered
        self.answer = b""
        self.cookies: CookieHolder | None = None

    async def open(self, left_s: float) -> str:
        """Open the socket within so many seconds; return the kind of failure, if any."""
        if left_s <= 0:
            return "timeout"
        opening = Opening(monotonic_ns())
        connecting = asyncio.ensure_future(self._connect(opening, left_s))
        try:
            async with asyncio.timeout(left_s):
                await asyncio.shield(connecting)
        except TimeoutError:
            return "timeout" if opening.stage == _ANSWER else f"{opening.stage} timeout"
        except DialFailure as problem:
            return str(problem)
        except picows.WSHandshakeError as problem:
            return self._refused(problem)
        except OSError as problem:
            return self._lost(problem, opening)
        finally:
            if not connecting.done():
                connecting.add_done_callback(_dispose)
        return "" if self._socket.status == HTTPStatus.SWITCHING_PROTOCOLS else "closed"

    async def _connect(self, opening: Opening, left_s: float) -> picows.WSTransport:
        site, target = self._site, self._site.target

        async def reach(_url: object) -> socket.socket:
            plain = await site.dialer.reach(opening, site.scope.tape)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WS_RECEIVE_BYTES)
            opening.stage = _ANSWER
            return plain

        scheme = "wss" if target.is_secure else "ws"
        transport, _ = await picows.ws_connect(
            self._accept,
            f"{scheme}://{target.authority}{self._resource.decode()}",
            ssl_context=site.dialer.tls_context,
            socket_factory=reach,
            extra_headers=self._with_cookies(),
            websocket_handshake_timeout=left_s,
            max_redirects=0,
            max_frame_size=self._socket.bytes_max,
            read_buffer_init_size=_READ_BUFFER_BYTES,
            logger_name=_SILENT,
            enable_auto_pong=False,
            use_aiofastnet=False,
            server_hostname=site.dialer.server_name if target.is_secure else None,
        )
        return transport

    def _with_cookies(self) -> dict[str, str]:
        """Return the headers with those cookies that the user has for this path."""
        jar = None if self.cookies is None else self.cookies.jar
        if jar is None or any(name.lower() == "cookie" for name in self._headers):
            return self._headers
        line = jar.line(b"GET %b HTTP/1.1\r\n" % self._resource).decode("latin-1")
        value = line.removeprefix("Cookie: ").rstrip()
        return {**self._headers, "Cookie": value} if value else self._headers

    def _accept(
        self, _request: picows.WSUpgradeRequest, response: picows.WSUpgradeResponse
    ) -> Socket:
        """Look at what the target chose; it may choose only what was offered.

        Raises:
            WSHandshakeError: it chose something else, or is late.
        """
        if self._socket.is_given_up:
            raise picows.WSHandshakeError("nobody waits for it any more", response=response)
        headers = response.headers
        chosen = headers.get("Sec-WebSocket-Protocol", "")
        if "Sec-WebSocket-Extensions" in headers or (chosen and chosen not in self._offered):
            raise picows.WSHandshakeError("it chose what was not offered", response=response)
        if self.cookies is not None:
            for value in headers.getall("Set-Cookie", ()):
                self.cookies.cookies.take(b"\r\nSet-Cookie: " + value.encode("latin-1", "replace"))
        self._socket.subprotocol = chosen
        self._socket.response = response
        return self._socket

    def _refused(self, problem: picows.WSHandshakeError) -> str:
        self.answer = problem.raw_body or problem.raw_header or b""
        if problem.response is None:
            return "protocol"
        status = self._socket.status = int(problem.response.status)
        return f"http {status}" if status != HTTPStatus.SWITCHING_PROTOCOLS else "protocol"

    def _lost(self, problem: OSError, opening: Opening) -> str:
        """Return the kind of failure of a connection that broke before there was an answer."""
        if opening.stage == _ANSWER and self._site.target.is_secure:
            return tls_error(problem)
        return connect_error(problem, self._site.scope.tape)


def _request_headers(
    site: WsSite, headers: Mapping[str, str], offered: Sequence[str]
) -> dict[str, str]:
    """Return the headers of the request beside those that picows writes.

    Raises:
        ValueError: a header would break out of its line, or belongs to the handshake itself.
    """
    own = [name for name in headers if name.lower().startswith(_OWN_HEADERS)]
    if own:
        raise ValueError(f"{own[0]} belongs to the handshake: name subprotocols by `subprotocols`")
    found = {"Host": site.target.authority, **site.headers, **headers}
    if offered:
        found["Sec-WebSocket-Protocol"] = ", ".join(offered)
    header_lines(found)
    return found


def _dispose(connecting: asyncio.Future[picows.WSTransport]) -> None:
    """Close a socket that opened after nobody waited for it any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().disconnect(False)
