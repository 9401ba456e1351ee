"""The WebSockets of a journey's `user`, as types (see `journeys.interface`).

socket = await user.ws.connect("/ws/{room}", room=3, subprotocols=["chat.v1"])
socket.send("hello")
reply = await socket.expect("acknowledged", {"type": "ack"}, timeout=2)
check(reply, "acknowledged", reply.ok)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

Scalar = str | int | float | bool
Query = Mapping[str, Scalar]


class Reply(Protocol):
    """How waiting on a Socket ended; without success `ok` is False and `error` says why."""

    @property
    def ok(self) -> bool:
        """Whether what was waited for came in time."""
        ...

    @property
    def value(self) -> Any:
        """What came: of an exchange what `Socket.resolve` was given, of `receive` and `expect` the
        message (of expected fields the JSON object), of a ping the round trip in seconds."""
        ...

    @property
    def error(self) -> str:
        """Empty, or the kind of failure: `timeout`, `closed`, `protocol`, `write blocked`, ..."""
        ...

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(reply, ...)` instead."""
        ...


class Socket(Protocol):
    """A WebSocket; when it could not be opened `is_open` is False and `status`, `error` say why.

    Its messages go to the callbacks it was opened with; without any they wait, up to a limit, for
    `receive` and `expect`, which take them in turn. Pings of the target are answered by themselves.
    """

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        ...

    @property
    def status(self) -> int:
        """The status that the handshake was answered with; 0 without an answer."""
        ...

    @property
    def subprotocol(self) -> str:
        """The subprotocol that the target chose; empty where it chose none."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the handshake's answer, by lower-case name."""
        ...

    @property
    def error(self) -> str:
        """Empty, or the kind of failure of the handshake or of the connection: `http 403`,
        `closed`, `protocol`, `message too large`, `ping timeout`, ..."""
        ...

    @property
    def close_code(self) -> int:
        """The code it was closed with, by the target where it gave one, else by us; 0 while it is
        open, 1005 for a close without a code, 1006 for an end without a close."""
        ...

    @property
    def close_reason(self) -> str:
        """The reason that came with the code."""
        ...

    def send(self, message: str | bytes) -> bool:
        """Send a text or binary message; return whether the socket could take it."""
        ...

    def exchange(
        self, name: str, message: str | bytes, key: object = None, *, timeout: float = ...
    ) -> Awaitable[Reply]:
        """Send a message and wait for its answer; an operation `name`.

        The answer is whatever a callback resolves `key` with; on a socket without callbacks, and
        without a key, it is the next message.
        """
        ...

    def resolve(self, key: object, value: object) -> bool:
        """Answer the exchange that waits for `key`; return whether one did."""
        ...

    def receive(self, *, name: str = "receive", timeout: float = ...) -> Awaitable[Reply]:
        """Wait for the next message; an operation `name`."""
        ...

    def expect(
        self,
        name: str,
        what: str | Mapping[str, object] | Callable[[str | bytes], object],
        *,
        timeout: float = ...,
    ) -> Awaitable[Reply]:
        """Wait for the message that `what` describes; an operation `name`.

        `what` is a text the message holds, fields that its JSON object has (`{"type": "ack"}`), or
        a function that is true of it. Messages before it are passed over.
        """
        ...

    def ping(self, *, timeout: float = ...) -> Awaitable[Reply]:
        """Measure a round trip by a ping and its pong: the metric `ws_ping`."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close it, and wait until it is closed."""
        ...

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(socket, ...)` instead."""
        ...


class WebSockets(Protocol):
    """Opens WebSockets, as many as a user wants; they stay open until the journey closes them or
    the run ends."""

    def connect(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        on_message: Callable[[str], None] | None = None,
        on_binary: Callable[[bytes], None] | None = None,
        ping_every: float = 0.0,
        bytes_max: int = ...,
        timeout: float = ...,
        **values: Scalar,
    ) -> Awaitable[Socket]:
        """Open a WebSocket.

        Args:
            path: a template, as for requests.
            query: what follows the path.
            headers: beside those of the handshake itself.
            subprotocols: what is offered, the preferred one first.
            on_message: called with the text of each message.
            on_binary: called with the bytes of each binary message.
            ping_every: seconds between pings that keep it alive; a target that answers none before
                the next is due is given up. 0 sends none.
            bytes_max: of a message; a longer one closes the socket with 1009.
            timeout: seconds from the intended start.
            values: of the template.
        """
        ...
