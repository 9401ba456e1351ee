"""A small target on loopback, in a thread of its own, that can misbehave in every way we count."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HTTP = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n%b\r\n%b"
TEXT, CONTINUATION, BINARY, CLOSE, PING, PONG = 1, 0, 2, 8, 9, 10

# What a path answers, byte for byte; the connection is closed afterwards where `closes` says so.
RAW: dict[str, tuple[bytes, bool]] = {
    "/garbage": (b"this is no HTTP at all\r\n\r\n", True),
    "/early": (b"", True),
    "/half": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this", True),
    "/until-close": (b"HTTP/1.1 200 OK\r\n\r\nall of it", True),
    "/chunked": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n",
        False,
    ),
    "/continue": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        False,
    ),
    "/surplus": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" * 2,
        False,
    ),
    "/upgrade": (b"HTTP/1.1 101 X\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", True),
    "/empty": (b"HTTP/1.1 204 No Content\r\n\r\n", False),
    "/closing": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", True),
    "/hang-up": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", True),
    "/no-json": (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", False),
    "/redirect": (
        b"HTTP/1.1 302 Found\r\nLocation: http://example.invalid/\r\nContent-Length: 0\r\n\r\n",
        False,
    ),
}


class TargetServer:
    """Serve until the context ends; `seen` counts requests by method and path."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.connections = 0
        self.heads: list[bytes] = []
        self.port = 0
        self.channels: dict[str, list[asyncio.StreamWriter]] = {}
        self.numbers: Counter[str] = Counter()
        self.said: dict[str, list[bytes]] = {}  # what a channel's members were sent
        self.hidden: set[int] = set()  # numbers of chat messages that are never delivered
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()  # of all connections ever
        self._tasks: set[asyncio.Task[None]] = set()  # of the connections that are being served
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="target")

    @property
    def url(self) -> str:
        """Return the base URL."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stop = self._stop
        assert stop is not None
        self._loop.call_soon_threadsafe(stop.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        self._loop.remove_reader(server.sockets[0].fileno())
        await _turns()  # whoever has just been accepted gets a writer
        server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await _turns()  # the transports close their sockets

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._answer(reader, writer):
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        method, target, _ = head.split(b" ", 2)
        path = target.decode().partition("?")[0]
        self.seen[f"{method.decode()} {target.decode()}"] += 1
        body = await reader.readexactly(_length_of(head))
        if path.startswith("/ws/"):
            return await self._websocket(target.decode(), head, reader, writer)
        fixed = RAW.get(path) or _leak(path, head, body)
        if fixed is not None:
            data, closes = fixed
            writer.write(data)
            return not closes
        match path.split("/")[1:]:
            case ["status", code]:
                text = b'{"token": "abc"}'
                writer.write(_HTTP % (int(code), len(text), b"X-Seen: yes\r\n", text))
            case ["silent"]:
                await asyncio.sleep(3600)
            case ["slow", milliseconds]:
                await asyncio.sleep(int(milliseconds) / 1000)
                writer.write(_HTTP % (200, 2, b"", b"ok"))
            case ["reset"]:
                linger = struct.pack("ii", 1, 0)
                plain = writer.get_extra_info("socket")
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return False
            case ["bytes", count]:
                writer.write(_HTTP % (200, int(count), b"", b"x" * int(count)))
            case ["endless-head"]:
                writer.write(b"HTTP/1.1 200 OK\r\n" + b"X-Pad: " + b"y" * 200_000)
            case ["echo"]:
                writer.write(_HTTP % (200, len(body), b"", body))
            case _:
                text = json.dumps({"path": target.decode()}).encode()
                writer.write(_HTTP % (200, len(text), b"X-Seen: yes\r\nX-Seen: twice\r\n", text))
        return True

    async def _websocket(
        self,
        target: str,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        path, _, query = target.partition("?")
        if path == "/ws/refuse":
            writer.write(_HTTP % (403, 0, b"", b""))
            return False
        if path == "/ws/early":
            return False
        if path == "/ws/nonsense":
            writer.write(b"HTTP/1.1 101 X\r\n\r\n")
            return False
        if path == "/ws/silent-handshake":
            await asyncio.sleep(3600)
        _accept(head, writer)
        if path.startswith("/ws/chat/"):
            await self._chat(path, query, reader, writer)
        else:
            async for text in _messages(reader, writer):
                if not _misbehave(path, text, writer):
                    return False
        return False

    async def _chat(
        self, path: str, query: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Number each message, acknowledge it, send it to everyone in the channel.

        Whoever comes `after` a number gets what was said since.
        """
        members = self.channels.setdefault(path, [])
        said = self.said.setdefault(path, [])
        members.append(writer)
        _send(writer, json.dumps({"type": "welcome", "last": self.numbers[path]}).encode())
        for missed in said[int(query.removeprefix("after=")) :] if query else ():
            _send(writer, missed)
        try:
            async for text in _messages(reader, writer):
                order = json.loads(text)
                self.numbers[path] += 1
                number = self.numbers[path]
                message = {"type": "message", "number": number, "body": order["body"]}
                said.append(json.dumps(message).encode())
                if number not in self.hidden:
                    for member in members:
                        _send(member, said[-1])
                _send(
                    writer,
                    json.dumps({"type": "ack", "id": order["id"], "number": number}).encode(),
                )
        finally:
            members.remove(writer)


def _leak(path: str, head: bytes, body: bytes) -> tuple[bytes, bool] | None:
    """Answer what lies below `/leak/` with all that was sent, the body in base 64 too."""
    if not path.startswith("/leak/"):
        return None
    echo = head + body + b"\r\n" + base64.b64encode(body)
    return _HTTP % (500, len(echo), b"", echo), False


async def _turns() -> None:
    """Let the loop finish what it has begun."""
    for _ in range(5):
        await asyncio.sleep(0)


def _length_of(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _accept(head: bytes, writer: asyncio.StreamWriter) -> None:
    key = next(
        line.split(b":", 1)[1].strip()
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324
    writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )


async def _messages(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> AsyncIterator[bytes]:
    """Yield text messages; a pong comes as `pong:` and its payload; a close is answered."""
    while True:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", await reader.readexactly(2))
        mask = await reader.readexactly(4)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(await reader.readexactly(size)))
        if first & 0xF == CLOSE:
            _send(writer, data, CLOSE)
            return
        yield b"pong:" + data if first & 0xF == PONG else data


def _send(
    writer: asyncio.StreamWriter, data: bytes, opcode: int = TEXT, *, fin: bool = True
) -> None:
    size = len(data)
    length = bytes([size]) if size < 126 else struct.pack(">BH", 126, size)
    writer.write(bytes([(fin << 7) | opcode]) + length + data)


_NOT_UTF8 = b"\x81\x02\xff\xfe"
_HUGE = b"\x81\x7f" + struct.pack(">Q", 1 << 40)
_RESERVED_OPCODE = b"\x83\x00"
_BREACHES = {"/ws/not-utf8": _NOT_UTF8, "/ws/huge": _HUGE, "/ws/reserved": _RESERVED_OPCODE}
_CLOSES = {"/ws/close": struct.pack(">H", 4001) + b"enough", "/ws/close-bare": b""}


def _misbehave(path: str, text: bytes, writer: asyncio.StreamWriter) -> bool:
    """Answer a message as the path says; return whether the connection goes on."""
    if path in _BREACHES:
        writer.write(_BREACHES[path])
    elif path in _CLOSES:
        _send(writer, _CLOSES[path], CLOSE)
    elif path == "/ws/fragments":
        _send(writer, text[:2], TEXT, fin=False)
        _send(writer, b"between", PING)
        _send(writer, text[2:], CONTINUATION)
    elif path == "/ws/ping":
        _send(writer, text, TEXT if text.startswith(b"pong:") else PING)
    else:
        if path == "/ws/binary":
            _send(writer, b"\x00\xff", BINARY)
        _send(writer, text)
    return path != "/ws/drop"
