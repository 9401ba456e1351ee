"""A TCP link that can hold bytes, so that both ends hear nothing, or be cut."""

from __future__ import annotations

import asyncio

from tests.sanctum.servers import LOOPBACK

CHUNK_BYTES = 65_536


class Link:
    """Pass bytes between a local port and a server's port, or hold them."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._is_cut = False
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Give the port to connect to instead of the server's."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def open(self) -> None:
        """Begin to accept connections."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)

    def hold(self) -> None:
        """Hold all bytes of both directions, also those of new connections."""
        self._flowing.clear()

    def release(self) -> None:
        """Pass on what was held, and everything after it."""
        self._flowing.set()

    def cut(self) -> None:
        """Drop every connection, and each new one at once."""
        self._is_cut = True
        for connection in self._connections:
            connection.cancel()

    def mend(self) -> None:
        """Pass on what new connections bring."""
        self._is_cut = False

    async def close(self) -> None:
        """Drop every connection and stop accepting."""
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._connect(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)
        await asyncio.wait([connection])

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._flowing.wait()
            if self._is_cut:
                return
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
            try:
                async with asyncio.TaskGroup() as pumps:
                    pumps.create_task(self._pump(reader, far_writer))
                    pumps.create_task(self._pump(far_reader, writer))
            finally:
                far_writer.close()
        except* OSError:
            pass  # one end went away, and so does the other
        finally:
            writer.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(chunk)
            await writer.drain()
        writer.close()
