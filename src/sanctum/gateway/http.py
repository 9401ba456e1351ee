"""HTTP transport: uvicorn's protocol with bounds on what a client may send before its request.

A connection that says nothing, or never ends its head, would count among the open connections for
ever, and enough of them would lock everybody else out.
"""

from __future__ import annotations

from asyncio import TimerHandle, Transport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SILENCE_TIMEOUT_S = 75.0  # as between two requests: browsers connect before they need to
HEAD_TIMEOUT_S = 10.0
HEAD_BYTES_MAX = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Serve HTTP/1.1; drop a connection whose next head is late or too large."""

    _head_timer: TimerHandle | None = None
    _head_bytes = 0

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take over a connection; its first head is waited for from now on."""
        super().connection_made(transport)
        self._await_head(SILENCE_TIMEOUT_S)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless a head has become too large."""
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
                self._stop_awaiting_head()
                self.send_400_response(f"The head of a request exceeds {HEAD_BYTES_MAX} bytes.")

    def on_message_begin(self) -> None:
        """Begin to take the head of a request."""
        super().on_message_begin()
        self._await_head(HEAD_TIMEOUT_S)

    def on_headers_complete(self) -> None:
        """Begin to serve a request."""
        self._stop_awaiting_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up a connection."""
        self._stop_awaiting_head()
        super().connection_lost(exc)

    def _await_head(self, timeout_s: float) -> None:
        self._stop_awaiting_head()
        self._head_timer = self.loop.call_later(timeout_s, self.transport.abort)
        self._head_bytes = 0

    def _stop_awaiting_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
