"""What the tests talk to Sanctum with: one HTTP request at a time, and chat sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import psutil
from tests.sanctum.servers import DEADLINE_S, LOOPBACK, until
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PASSWORD = "sanctum-demo-password"
CHANNELS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP status, the headers by lower-case name, and the decoded body."""

    status: int
    headers: dict[str, str]
    body: Any


class Api:
    """Call one Sanctum."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._tokens: dict[int, str] = {}

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        token: str | None = None,
        key: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request with a JSON body, or with the bytes given as they are."""
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"{method} {path} HTTP/1.1", "host: sanctum", "connection: close"]
        lines.append(f"content-length: {len(payload)}")
        if token is not None:
            lines.append(f"authorization: Bearer {token}")
        if key is not None:
            lines.append(f"x-api-key: {key}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        head = "\r\n".join([*lines, "", ""]).encode()
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
            writer.write(head + payload)
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        if not answer:
            raise ConnectionResetError("the connection ended without an answer")
        raw_head, _, raw_body = answer.partition(b"\r\n\r\n")
        first, *rest = raw_head.decode().split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (r.partition(":") for r in rest)
        }
        is_json = headers.get("content-type") == "application/json"
        decoded = json.loads(raw_body) if is_json else raw_body.decode()
        return Answer(status=int(first.split()[1]), headers=headers, body=decoded)

    async def token(self, user: int = 1) -> str:
        """Log in a synthetic user."""
        if user not in self._tokens:
            credentials = {"username": f"user-{user:04d}", "password": PASSWORD}
            answer = await self.call("POST", "/api/auth/login", credentials)
            assert answer.status == 200, answer
            self._tokens[user] = answer.body["token"]
        return self._tokens[user]

    async def ticket(self, user: int = 1, channel: int = 1) -> Answer:
        """Ask for a ticket."""
        token = await self.token(user)
        return await self.call("POST", "/api/ws/ticket", {"channel": channel}, token)

    def socket_url(self, channel: int, ticket: str, after: int | None = None) -> str:
        """Give the URL of a chat socket."""
        resume = "" if after is None else f"&after={after}"
        return f"ws://{LOOPBACK}:{self.port}/ws/{channel}?ticket={ticket}{resume}"

    async def chat(self, user: int = 1, channel: int = 1, after: int | None = None) -> Chat:
        """Open a chat socket with a fresh ticket and read its welcome."""
        return await self._open(user, channel, after, None)

    async def stuck_chat(self, user: int, after: int | None = None) -> Chat:
        """Open a chat socket with a small buffer that reads nothing after its welcome."""
        small = socket.socket()
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, (LOOPBACK, self.port))
        chat = await self._open(user, 1, after, small)
        chat.connection.transport.pause_reading()
        return chat

    async def _open(
        self, user: int, channel: int, after: int | None, sock: socket.socket | None
    ) -> Chat:
        answer = await self.ticket(user, channel)
        assert answer.status == 201, answer
        url = self.socket_url(channel, answer.body["ticket"], after)
        connection = await connect(url, compression=None, ping_interval=None, sock=sock)
        return Chat(connection, json.loads(await connection.recv()))

    async def inbox_ticket(self, user: int = 1) -> str:
        """Get a ticket to a user's inbox."""
        token = await self.token(user)
        answer = await self.call("POST", "/api/ws/ticket", {"topic": "inbox"}, token)
        assert answer.status == 201, answer
        ticket: str = answer.body["ticket"]
        return ticket

    def inbox_url(self, ticket: str, after: int | None = None) -> str:
        """Give the URL of an inbox socket."""
        return self.socket_url(0, ticket, after).replace("/ws/0?", "/api/ws/inbox?")

    async def inbox(self, user: int = 1, after: int | None = None) -> InboxSocket:
        """Open a socket on a user's inbox with a fresh ticket and read its welcome."""
        url = self.inbox_url(await self.inbox_ticket(user), after)
        connection = await connect(url, compression=None, ping_interval=None)
        return InboxSocket(connection, json.loads(await connection.recv()))

    async def ready(self) -> bool:
        """Tell whether the service calls itself ready."""
        return (await self.call("GET", "/health/ready")).status == 200

    async def wait_ready(self, *, ready: bool = True) -> None:
        """Wait until the service calls itself ready, or no longer does."""
        async with asyncio.timeout(DEADLINE_S):
            while await self.ready() is not ready:
                await asyncio.sleep(0.02)

    def serves(self, client_port: int) -> bool:
        """Tell whether this process holds the server's end of a connection."""
        ends = (
            (connection.laddr, connection.raddr)
            for connection in psutil.Process().net_connections("tcp4")
            if connection.status == psutil.CONN_ESTABLISHED
        )
        return any((here.port, there.port) == (self.port, client_port) for here, there in ends)

    async def metric(self, sample: str) -> float:
        """Read one sample from the metrics, 0 when it is absent."""
        answer = await self.call("GET", "/metrics")
        lines = [line for line in answer.body.splitlines() if line.startswith(sample + " ")]
        return float(lines[0].split()[-1]) if lines else 0.0


class Chat:
    """One chat socket that keeps every frame it received.

    Attributes:
        welcome: the first frame.
        frames: all later ones.
        numbers: the numbers of the messages among them, in the order they came.
    """

    def __init__(self, connection: ClientConnection, welcome: dict[str, Any]) -> None:
        self.connection = connection
        self.welcome = welcome
        self.frames: list[dict[str, Any]] = []
        self.numbers: list[int] = []
        self._acks: dict[str, int] = {}
        self._reading = asyncio.ensure_future(self._read())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            async for frame in self.connection:
                self._keep(json.loads(frame))
        except ConnectionClosed:
            return

    def _keep(self, frame: dict[str, Any]) -> None:
        self.frames.append(frame)
        if frame["type"] == "message":
            self.numbers.append(frame["number"])
        elif frame["type"] == "ack":
            self._acks[frame["id"]] = frame["number"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """List the frames of a type."""
        return [frame for frame in self.frames if frame["type"] == kind]

    async def send(self, client_id: str, body: str = "hello") -> None:
        """Send a message without waiting for its ack."""
        frame = {"type": "send", "id": client_id, "body": body}
        await self.connection.send(json.dumps(frame))

    async def say(self, client_id: str, body: str = "hello") -> int:
        """Send a message and return the number it was acknowledged with."""
        await self.send(client_id, body)
        await self.acknowledged(client_id)
        number: int = self._acks[client_id]
        return number

    async def acknowledged(self, client_id: str) -> None:
        """Wait for a message's ack."""
        await until(lambda: client_id in self._acks, f"ack of {client_id}")

    async def received(self, count: int) -> None:
        """Wait until that many messages came."""
        await until(lambda: len(self.numbers) >= count, f"{count} messages")

    async def closed(self) -> int | None:
        """Wait for the end of the socket and return its close code."""
        async with asyncio.timeout(DEADLINE_S):
            await self._reading
        return self.connection.close_code

    async def abandon(self) -> None:
        """Drop the connection without a word."""
        self.connection.transport.abort()
        await self._reading

    async def close(self) -> None:
        """Close the socket."""
        await self.connection.close()
        await self._reading


class InboxSocket:
    """One socket on an inbox that keeps every entry it received.

    Attributes:
        welcome: the first frame.
        entries: all later ones.
    """

    def __init__(self, connection: ClientConnection, welcome: dict[str, Any]) -> None:
        self.connection = connection
        self.welcome = welcome
        self.entries: list[dict[str, Any]] = []
        self._reading = asyncio.ensure_future(self._read())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            async for frame in self.connection:
                self.entries.append(json.loads(frame))
        except ConnectionClosed:
            return

    @property
    def numbers(self) -> list[int]:
        """List the numbers of the entries, in the order they came."""
        return [entry["number"] for entry in self.entries if "number" in entry]

    async def received(self, count: int) -> None:
        """Wait until that many frames came."""
        await until(lambda: len(self.entries) >= count, f"{count} entries")

    async def ended(self) -> None:
        """Wait for the end of the socket, however long it serves."""
        await self._reading

    async def closed(self) -> int | None:
        """Wait for the end of the socket and return its close code."""
        async with asyncio.timeout(DEADLINE_S):
            await self._reading
        return self.connection.close_code

    async def close(self) -> None:
        """Close the socket."""
        await self.connection.close()
        await self._reading
