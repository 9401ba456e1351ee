"""A small HTTP/1.1 server for an interface: bounded in heads, bodies, connections and patience."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import httptools

from stormproof.faults.proxy.api import Request, Response, refused
from stormproof.faults.proxy.refusal import Refusal

HEAD_BYTES_MAX = 64 << 10
BODY_BYTES_MAX = 1 << 20
CONNECTIONS_MAX = 256
IDLE_S = 60.0  # between two reads of a connection
_READ_BYTES = 64 << 10
_LET_GO_S = 2.0
_LET_GO_BYTES_MAX = 16 << 20
_BACKLOG = 128

Answer = Callable[[Request], Awaitable[Response]]


class ApiServer:
    """Serve an interface on a socket that is bound already."""

    def __init__(self, listening: socket.socket, answer: Answer) -> None:
        self._listening = listening
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(
            self._accept, sock=self._listening, backlog=_BACKLOG
        )

    async def close(self) -> None:
        """End all connections and accept no more."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= CONNECTIONS_MAX:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = _Conversation(writer)
        try:
            while True:
                async with asyncio.timeout(IDLE_S):
                    data = await reader.read(_READ_BYTES)
                if not data:
                    break
                conversation.feed(data)
                while conversation.requests:
                    request, is_last = conversation.requests.pop(0)
                    answer = _written(await self._answer(request), is_last=is_last)
                    if request.method == "HEAD":
                        answer = answer[: answer.index(b"\r\n\r\n") + 4]
                    writer.write(answer)
                    await writer.drain()
                    if is_last:
                        return
                if conversation.refusal is not None:
                    writer.write(_written(refused(conversation.refusal), is_last=True))
                    await _let_go(reader, writer)
                    return
        except (ConnectionError, TimeoutError):
            return  # the client went, or said nothing for too long
        finally:
            writer.close()


async def _let_go(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read on for a while after the last answer: a client that is still sending, on a connection
    that was closed, would get a reset before it has read why (RFC 9112, section 9.6)."""
    writer.write_eof()
    left = _LET_GO_BYTES_MAX
    async with asyncio.timeout(_LET_GO_S):
        while left > 0 and (data := await reader.read(_READ_BYTES)):
            left -= len(data)


class _Conversation:
    """What httptools finds in the bytes of one connection."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._parser = httptools.HttpRequestParser(self)
        self.requests: list[tuple[Request, bool]] = []  # whole, and whether it is the last
        self.refusal: Refusal | None = None  # after which nothing more can be read
        self.on_message_begin()

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.refusal = Refusal(400, "upgrades are not spoken here")
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, Refusal):
                raise
            self.refusal = error.__context__
        except httptools.HttpParserError as error:
            self.refusal = Refusal(400, f"this is not HTTP: {error}")
        else:
            if self._is_in_head:
                self._head_bytes += len(data)
                self._check_head()

    def on_message_begin(self) -> None:
        self._path = b""
        self._user_agent = ""
        self._body = b""
        self._head_bytes = 0
        self._is_in_head = True

    def on_url(self, part: bytes) -> None:
        self._path += part

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"user-agent":
                self._user_agent = value.decode("latin-1")
            case b"expect" if value.lower() == b"100-continue":
                self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_headers_complete(self) -> None:
        self._is_in_head = False

    def on_body(self, part: bytes) -> None:
        self._body += part
        if len(self._body) > BODY_BYTES_MAX:
            raise Refusal(413, f"request body too large: at most {BODY_BYTES_MAX} bytes")

    def on_message_complete(self) -> None:
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            path=self._path.decode("latin-1"),
            user_agent=self._user_agent,
            body=self._body,
        )
        self.requests.append((request, not self._parser.should_keep_alive()))

    def _check_head(self) -> None:
        if self._head_bytes > HEAD_BYTES_MAX:
            self.refusal = Refusal(431, f"request head too large: at most {HEAD_BYTES_MAX} bytes")


def _written(response: Response, *, is_last: bool) -> bytes:
    status = HTTPStatus(response.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}"]
    if status is not HTTPStatus.NO_CONTENT:
        lines += [
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
        ]
    if is_last:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("ascii") + response.body
