"""Show requests and their answers as they go over the wire, secrets masked: for `--verbose`.

A worker that shows nothing makes plain connections; showing costs nobody who did not ask for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from functools import partial

from stormproof.clients.connection import HttpConnection
from stormproof.clients.masking import Masking
from stormproof.clients.response import Response
from stormproof.kernel.limits import TRACE_BODY_BYTES_MAX, TRACED_EXCHANGES_MAX
from stormproof.kernel.masking import MASK

_END = b"\r\n\r\n"
_SECRET_HEADER = re.compile(
    r"(authorization|cookie|token|secret|api-?key|password|session|signature)", re.IGNORECASE
)


class Tracer:
    """Tell the first exchanges of a worker, as text of a bounded length each.

    Args:
        tell: takes the text of one message.
        masking: hides the secrets that are known.
    """

    def __init__(self, tell: Callable[[str], None], masking: Masking) -> None:
        self._tell = tell
        self._masking = masking
        self._seen = 0

    def sent(self, user: int, data: bytes) -> int:
        """Tell a request; return its number, 0 when no more are told."""
        if self._seen >= TRACED_EXCHANGES_MAX:
            return 0
        self._seen += 1
        head, _, body = data.partition(_END)
        more = "; the rest is not shown" if self._seen == TRACED_EXCHANGES_MAX else ""
        self._tell(self._text(f"> {self._seen} user {user}{more}", head, body))
        return self._seen

    def message(self, user: int, mark: str, what: str, payload: bytes) -> None:
        """Tell a message of a WebSocket, or that one is opened; `mark` is its direction."""
        if self._seen < TRACED_EXCHANGES_MAX:
            self._seen += 1
            self._tell(self._text(f"{mark} {self._seen} user {user} {what}", b"", payload))

    def answered(self, number: int, start_ns: int, answer: Response) -> None:
        """Tell the answer to a request."""
        took_ms = (answer.end_ns - start_ns) / 1e6
        what = answer.error or f"{len(answer.body):,} bytes"
        head = answer.head.partition(_END)[0]
        self._tell(self._text(f"< {number} {took_ms:.3g} ms {what}", head, answer.body))

    def _text(self, title: str, head: bytes, body: bytes) -> str:
        lines = [shown_header(line) for line in head.decode("latin-1").split("\r\n") if line]
        text = self._masking.mask("\n".join(lines))
        if body:
            scanned = body[: 2 * TRACE_BODY_BYTES_MAX].decode("utf-8", "replace")
            shown = self._masking.mask_body(scanned)[:TRACE_BODY_BYTES_MAX]
            left = len(body) - TRACE_BODY_BYTES_MAX
            text += ("\n\n" if text else "") + shown
            text += f" ... and {left:,} bytes" if left > 0 else ""
        return "\n".join([title, *(f"  {line}".rstrip() for line in text.splitlines())])


def shown_header(line: str) -> str:
    """Mask the value of a header whose name says that it is a secret."""
    name, colon, _ = line.partition(":")
    return f"{name}: {MASK}" if colon and _SECRET_HEADER.search(name) else line


class TracedConnection(HttpConnection):
    """A connection whose exchanges the worker's tracer is told."""

    __slots__ = ()

    def send(
        self,
        series: int,
        data: bytes,
        intended_ns: int,
        start_ns: int,
        deadline_ns: int,
        expected: tuple[int, ...],
    ) -> asyncio.Future[Response]:
        """Send a request, telling it and its answer."""
        sent = super().send(series, data, intended_ns, start_ns, deadline_ns, expected)
        tracer = self._tape.tracer
        number = tracer.sent(self._actor.id, data) if tracer is not None else 0
        if number and tracer is not None:
            sent.add_done_callback(partial(_answered, tracer, number, start_ns))
        return sent


def _answered(tracer: Tracer, number: int, start_ns: int, done: asyncio.Future[Response]) -> None:
    if not done.cancelled():
        tracer.answered(number, start_ns, done.result())
