"""The receiving side of one WebSocket: frames to messages, breaches refused, its end noticed once.

Theory of operation. picows reads frames and calls `on_ws_frame`; a whole text message for the
journey's callback takes the short path, everything else (control frames, fragments, binary
messages) goes through `_take_special`. What picows does not look at is checked here: reserved
bits, fragments that fit together, UTF-8, close codes. After a breach that is noticed here, or once
the end has begun, nothing is taken any more, whatever the peer goes on sending; picows ends a
connection ten milliseconds after what it refuses. A peer that does not take our last bytes is cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import NoReturn

import picows

from stormproof.clients.closing import (
    CLOSE_PATIENCE_S,
    breach_of,
    close_info,
    code_of,
    is_valid,
)
from stormproof.clients.failures import INTERRUPTED
from stormproof.clients.guard import JourneyGuard
from stormproof.clients.headers import Headers
from stormproof.clients.inbox import Inbox
from stormproof.clients.tape import Actor
from stormproof.clients.wanted import Incoming
from stormproof.clients.ws_site import Sessions, WsSite
from stormproof.kernel.clock import monotonic_ns

OnText = Callable[[str], None]
OnBinary = Callable[[bytes], None]

_TEXT, _BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
_CONTINUATION, _CLOSE = picows.WSMsgType.CONTINUATION, picows.WSMsgType.CLOSE
_PING, _PONG = picows.WSMsgType.PING, picows.WSMsgType.PONG


class Line(picows.WSListener):
    """What a Socket is to picows; the journey's side of it is the subclass."""

    __slots__ = (
        "_actor",
        "_closed",
        "_guard",
        "_inbox",
        "_is_closing",
        "_is_ending",
        "_is_paused",
        "_is_plain",
        "_on_binary",
        "_on_text",
        "_parts",
        "_parts_are_text",
        "_scope",
        "_send",
        "_sessions",
        "_site",
        "_transport",
        "bytes_max",
        "close_code",
        "close_reason",
        "error",
        "is_open",
        "opened_ns",
        "response",
        "start_ns",
        "status",
        "subprotocol",
    )

    _send: Callable[[picows.WSMsgType, Incoming], None]
    _sessions: Sessions  # once it is open

    def __init__(
        self,
        site: WsSite,
        actor: Actor,
        on_text: OnText | None,
        on_binary: OnBinary | None,
        bytes_max: int,
    ) -> None:
        self._site = site
        self._actor = actor
        self._scope = site.scope.root
        self._guard = JourneyGuard(actor)
        self._on_text = on_text
        self._on_binary = on_binary
        self.bytes_max = bytes_max
        self._inbox = Inbox() if on_text is None and on_binary is None else None
        self._transport: picows.WSTransport | None = None
        self._parts: bytearray | None = None
        self._parts_are_text = False
        self._send = cannot_send  # until it is open, and while the peer does not read
        self._is_plain = True  # a whole text message may come next
        self._is_ending = False  # nothing is taken any more
        self._is_closing = False  # by ourselves
        self._is_paused = False
        self._closed: asyncio.Future[None] | None = None
        self.is_open = False
        self.status = 0
        self.error = ""
        self.subprotocol = ""
        self.response: picows.WSUpgradeResponse | None = None
        self.close_code = 0
        self.close_reason = ""
        self.start_ns = 0
        self.opened_ns = 0

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the handshake's answer."""
        found = Headers()
        for name, value in self.response.headers.items() if self.response is not None else ():
            key = name.lower()
            found[key] = f"{found[key]}, {value}" if key in found else value
        return found

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Take the open connection."""
        self._transport = transport
        self._send = transport.send
        self.is_open = True
        self.status = 101
        self._scope.tape.sockets += 1
        self._sessions = self._site.count_session()

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Hand a message to the journey; answer pings and closes."""
        scope, size = self._scope, frame.payload_size
        scope.bytes_received += size
        if not (
            self._is_plain
            and size <= self.bytes_max
            and frame.msg_type is _TEXT
            and frame.fin
            and not (frame.rsv1 or frame.rsv2 or frame.rsv3)
        ):
            self._take_special(transport, frame)
            return
        try:
            text = frame.get_payload_as_utf8_text()
        except UnicodeDecodeError:
            self._refuse_text()
        scope.messages_received += 1
        on_text = self._on_text
        if on_text is None:
            if not self.resolve(None, text):
                self._keep(text)
            return
        try:
            on_text(text)
        except BaseException as error:
            if not self._is_kept(error):
                raise

    def on_ws_disconnected(self, transport: picows.WSTransport) -> None:
        """End what waits for answers; an end that we did not ask for is counted."""
        self.is_open = self._is_paused = False
        self._transport = None  # its buffers go, even if the journey keeps the socket
        self._stop_taking()
        self._scope.tape.sockets -= 1
        self.close_code, self.close_reason = close_info(transport)
        self._sessions.end(self.start_ns, unasked=not self._is_closing)
        breach = breach_of(transport)
        if not self._is_closing:
            self.error = self.error or breach or "closed"
        self._end_all(self.error or "closed")
        if self._closed is not None and not self._closed.done():
            self._closed.set_result(None)
        if breach or self.error:
            closing = self._site.closing
            ending = self._site.loop.create_task(_take_error(transport))
            closing.add(ending)
            ending.add_done_callback(closing.discard)

    def pause_writing(self) -> None:
        """Send nothing more: the peer does not read."""
        self._send = cannot_send

    def resume_writing(self) -> None:
        """Send again: the peer reads."""
        if self._transport is not None and not (self._is_ending or self._is_closing):
            self._send = self._transport.send

    @property
    def is_given_up(self) -> bool:
        """Whether nobody wants it to open any more."""
        return self._is_closing

    def abort(self) -> None:
        """Close it at once; what is under way ends as interrupted."""
        self._is_closing = True
        self._end_all(INTERRUPTED)
        self._cut()

    def resolve(self, key: object, value: object) -> bool:
        """Answer the exchange that waits for `key`, None where it waits for the next message."""
        raise NotImplementedError

    def _end_all(self, error: str) -> None:
        """End what the journey waits for."""
        raise NotImplementedError

    def _take_pong(self, payload: bytes) -> None:
        """Take an answer to a ping."""
        raise NotImplementedError

    def _take_special(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Take what is not a whole text message."""
        if self._is_ending:
            return
        if frame.rsv1 or frame.rsv2 or frame.rsv3:
            self._refuse("a reserved bit is set")
        if (
            frame.payload_size > self.bytes_max
        ):  # picows refuses it, and may hand it on all the same
            self._breach(picows.WSCloseCode.MESSAGE_TOO_BIG, "a message is too big")
        kind = frame.msg_type
        if kind is _PING:
            if self._send is not cannot_send:  # a peer that does not read gets no pongs piled up
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind is _PONG:
            self._take_pong(frame.get_payload_as_bytes())
        elif kind is _CLOSE:
            self._answer_close(transport, frame.get_payload_as_bytes())
        elif kind is _BINARY and frame.fin and self._parts is None:
            self._take_binary(frame.get_payload_as_bytes())
        else:
            self._assemble(frame)

    def _assemble(self, frame: picows.WSFrame) -> None:
        """Put a fragmented message together."""
        begins = frame.msg_type is not _CONTINUATION
        if begins == (self._parts is not None):
            self._refuse("fragments do not fit together")
        if self._parts is None:
            self._parts, self._parts_are_text = bytearray(), frame.msg_type is _TEXT
            self._is_plain = False
        self._parts += frame.get_payload_as_memoryview()
        if len(self._parts) > self.bytes_max:
            self._breach(picows.WSCloseCode.MESSAGE_TOO_BIG, "a message is too big")
        if frame.fin:
            data, self._parts, self._is_plain = bytes(self._parts), None, True
            self._take_whole(data)

    def _take_whole(self, data: bytes) -> None:
        """Take a message that came in fragments."""
        if not self._parts_are_text:
            self._take_binary(data)
            return
        try:
            text = data.decode()
        except UnicodeDecodeError:
            self._refuse_text()
        self._scope.messages_received += 1
        if self._on_text is not None:
            with self._guard:
                self._on_text(text)
        elif not self.resolve(None, text):
            self._keep(text)

    def _take_binary(self, data: bytes) -> None:
        self._scope.messages_received += 1
        if self._on_binary is not None:
            with self._guard:
                self._on_binary(data)
        elif not self.resolve(None, data):
            self._keep(data)

    def _keep(self, message: str | bytes) -> None:
        """Put a message into the inbox, where there is one; reading pauses when that is full."""
        inbox = self._inbox
        if inbox is None or (inbox.is_full and self._is_closing):
            return
        inbox.put(message, monotonic_ns())
        if inbox.is_full and not self._is_paused and not self._is_closing:
            self._pause_reading(True)
            self._scope.tape.warn(
                "inbox-full",
                f"scenario {self._scope.scenario}: a WebSocket's inbox is full, and its reading "
                "pauses until the journey receives; give it on_message if messages do not matter",
            )

    def _pause_reading(self, paused: bool) -> None:
        """Let the peer wait, or go on."""
        assert self._transport is not None
        self._is_paused = paused
        stream = self._transport.underlying_transport
        if not stream.is_closing():
            (stream.pause_reading if paused else stream.resume_reading)()

    def _answer_close(self, transport: picows.WSTransport, payload: bytes) -> None:
        """Say goodbye as the peer did."""
        if not is_valid(payload):
            self._refuse("no close may say this")
        self.is_open = False
        self._stop_taking()
        if payload:
            transport.send_close(code_of(int.from_bytes(payload[:2], "big")))
        else:
            transport.send(_CLOSE, None)  # a close without a code is answered by one without
        transport.disconnect()
        self._cut_later()

    def _refuse_text(self) -> NoReturn:
        self._breach(picows.WSCloseCode.INVALID_TEXT, "a message is not UTF-8")

    def _refuse(self, what: str) -> NoReturn:
        self._breach(picows.WSCloseCode.PROTOCOL_ERROR, what)

    def _breach(self, code: picows.WSCloseCode, what: str) -> NoReturn:
        """Refuse what the peer does: picows closes with this code, and the socket ends."""
        too_big = code is picows.WSCloseCode.MESSAGE_TOO_BIG
        self.error = "message too large" if too_big else "protocol"
        self._stop_taking()
        self._cut_later()
        raise picows.WSProtocolError(code, what) from None

    def _stop_taking(self) -> None:
        self._is_plain, self._is_ending = False, True
        self._parts = None
        self._send = cannot_send

    def _cut_later(self) -> None:
        self._site.loop.call_later(CLOSE_PATIENCE_S, self._cut)

    def _cut(self) -> None:
        self._stop_taking()
        if self._transport is not None:
            self._transport.disconnect(False)

    def _is_kept(self, error: BaseException) -> bool:
        """Keep what a callback raised as a failure of the journey; return whether it was one."""
        return self._guard.__exit__(type(error), error, error.__traceback__)


def cannot_send(_kind: picows.WSMsgType, _data: Incoming) -> None:
    """Stand in for sending on a socket that is closed or blocked: asked for, never called."""
    raise AssertionError("nothing is sent on a socket that is closed or blocked")


async def _take_error(transport: picows.WSTransport) -> None:
    """Take what picows raised, so that nobody misses it; a fault of our own goes on its way."""
    with suppress(picows.WSError):
        await transport.wait_disconnected()
