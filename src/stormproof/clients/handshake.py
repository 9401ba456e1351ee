"""The handshake of one WebSocket: what is asked for, how it is answered, which kind of failure."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import picows

from stormproof.clients.failures import connect_error
from stormproof.clients.headers import header_lines
from stormproof.clients.socket import Socket
from stormproof.clients.ws_site import WsSite

_READ_BUFFER_BYTES = 2048  # at first; it grows with what arrives
_OWN_HEADERS = "sec-websocket-"
# What picows would log is in the record. An adapter, because of a plain logger it makes another
# one for every connection, of more than a kilobyte.
_SILENT = logging.LoggerAdapter(
    logging.Logger("stormproof.websocket", logging.CRITICAL + 1),  # noqa: LOG001
    {},
)


class Handshake:
    """Opens one socket; `answer` is what the target said where it refused."""

    __slots__ = ("_headers", "_offered", "_resource", "_site", "_socket", "answer")

    def __init__(
        self,
        site: WsSite,
        socket: Socket,
        resource: str,
        headers: Mapping[str, str] | None,
        offered: Sequence[str],
    ) -> None:
        self._site = site
        self._socket = socket
        self._resource = resource
        self._headers = _headers(site.target.authority, headers or {}, offered)
        self._offered = offered
        self.answer = b""

    async def open(self, left_s: float) -> str:
        """Open the socket within so many seconds; return the kind of failure, if any."""
        if left_s <= 0:
            return "timeout"
        opening = asyncio.ensure_future(self._connect(left_s))
        try:
            async with asyncio.timeout(left_s):
                await asyncio.shield(opening)
        except TimeoutError:
            return "connect timeout"
        except picows.WSHandshakeError as problem:
            return self._refused(problem)
        except OSError as problem:
            return connect_error(problem, self._site.scope.tape)
        finally:
            if not opening.done():
                opening.add_done_callback(_dispose)
        return "" if self._socket.status == HTTPStatus.SWITCHING_PROTOCOLS else "closed"

    async def _connect(self, left_s: float) -> picows.WSTransport:
        target = self._site.target
        host = f"[{target.host}]" if ":" in target.host else target.host
        transport, _ = await picows.ws_connect(
            self._accept,
            f"ws://{host}:{target.port}{self._resource}",
            extra_headers=self._headers,
            websocket_handshake_timeout=left_s,
            max_redirects=0,
            max_frame_size=self._socket.bytes_max,
            read_buffer_init_size=_READ_BUFFER_BYTES,
            logger_name=_SILENT,
            enable_auto_pong=False,
            use_aiofastnet=False,
        )
        return transport

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
        self._socket.subprotocol = chosen
        self._socket.response = response
        return self._socket

    def _refused(self, problem: picows.WSHandshakeError) -> str:
        self.answer = problem.raw_body or problem.raw_header or b""
        if problem.response is None:
            return "protocol"
        status = self._socket.status = int(problem.response.status)
        return f"http {status}" if status != HTTPStatus.SWITCHING_PROTOCOLS else "protocol"


def _headers(authority: str, headers: Mapping[str, str], offered: Sequence[str]) -> dict[str, str]:
    """Return the headers of the request beside those that picows writes.

    Raises:
        ValueError: a header would break out of its line, or belongs to the handshake itself.
    """
    own = [name for name in headers if name.lower().startswith(_OWN_HEADERS)]
    if own:
        raise ValueError(f"{own[0]} belongs to the handshake: name subprotocols by `subprotocols`")
    found = {"Host": authority, **headers}
    if offered:
        found["Sec-WebSocket-Protocol"] = ", ".join(offered)
    header_lines(found)
    return found


def _dispose(opening: asyncio.Future[picows.WSTransport]) -> None:
    """Close a socket that opened after nobody waited for it any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().disconnect(False)
