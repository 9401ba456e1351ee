"""A WebSocket whose messages the worker's tracer is told: for `--verbose`."""

from __future__ import annotations

from collections.abc import Awaitable

import picows

from stormproof.clients.socket import Socket
from stormproof.clients.wanted import Incoming
from stormproof.clients.ws_site import TIMEOUT_S, Reply


class TracedSocket(Socket):
    """Tell each message that goes out or comes in, then do as any socket does."""

    __slots__ = ()

    def send(self, message: Incoming) -> bool:
        """Send a message, telling it."""
        self._tell_trace(">", "message", message)
        return super().send(message)

    def exchange(
        self, name: str, message: Incoming, key: object = None, timeout: float = TIMEOUT_S
    ) -> Awaitable[Reply]:
        """Send a message and wait for what answers it, telling it."""
        self._tell_trace(">", name, message)
        return super().exchange(name, message, key, timeout)

    def on_ws_frame(self, transport: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Tell a frame and take it."""
        kind = frame.msg_type.name.lower()
        self._tell_trace("<", f"{kind} frame", frame.get_payload_as_bytes())
        super().on_ws_frame(transport, frame)

    def _tell_trace(self, mark: str, what: str, message: Incoming) -> None:
        tracer = self._scope.tape.tracer
        if tracer is not None:
            data = message.encode() if isinstance(message, str) else bytes(message)
            tracer.message(self._actor.id, mark, what, data)
