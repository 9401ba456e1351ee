"""The desk where a run takes orders: a socket in its directory that only its owner can open.

One order a connection, as a line of JSON; the answer is a line of JSON too. Whoever may write in
the run's directory may steer it, and nobody else: the socket is made with mode 0600.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.errors import StormproofError
from stormproof.model.control_order import ControlAnswer, ControlOrder
from stormproof.model.event import Event, WarningEvent
from stormproof.seams import Steering

LINE_BYTES_MAX: Final = 4_096
PATIENCE_S: Final = 5.0  # for a line to come
CLIENTS_MAX: Final = 8  # at once


class ControlDesk:
    """Take orders on a socket and have them carried out, until cancelled.

    Args:
        steering: who carries them out.
        path: of the socket.
        on_event: called with what is to be recorded: that no socket could be made.
    """

    def __init__(self, steering: Steering, path: Path, on_event: Callable[[Event], None]) -> None:
        self._steering = steering
        self._path = path
        self._on_event = on_event
        self._clients = 0

    async def serve(self) -> None:
        """Serve until cancelled; nobody is served where no socket can be made."""
        try:
            listening = listen_at(self._path)
        except OSError as error:
            text = f"the run cannot be steered: no socket at {self._path}: {error.strerror}"
            self._on_event(WarningEvent(at_ns=monotonic_ns(), code="no-control", text=text))
            return
        server = await asyncio.start_unix_server(
            self._serve_one, sock=listening, limit=LINE_BYTES_MAX
        )
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            self._path.unlink(missing_ok=True)

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            answer = await self._answer(reader)
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
        except ConnectionError:
            return  # it did not wait for the answer; what it asked is done and recorded
        finally:
            self._clients -= 1
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> ControlAnswer:
        if self._clients > CLIENTS_MAX:
            return ControlAnswer(text=f"{CLIENTS_MAX} others are being served")
        try:
            async with asyncio.timeout(PATIENCE_S):
                line = await reader.readuntil(b"\n")
            order = msgspec.json.decode(line, type=ControlOrder)
        except TimeoutError:
            return ControlAnswer(text=f"no order came within {PATIENCE_S:g} s")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return ControlAnswer(text=f"an order is a line of at most {LINE_BYTES_MAX} bytes")
        except msgspec.DecodeError as error:
            return ControlAnswer(text=f"that is no order: {error}")
        try:
            await self._steering.steer(order)
        except StormproofError as error:
            return ControlAnswer(text=str(error))
        return ControlAnswer(is_done=True, text=f"done: {order}")


def listen_at(path: Path) -> socket.socket:
    """Make a listening unix socket that only its owner can open, whatever the path's length.

    Raises:
        OSError: it cannot be made there.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    before = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listening.bind(short_path(folder, path.name))
        listening.listen(CLIENTS_MAX)
    except BaseException:
        listening.close()
        raise
    finally:
        os.umask(before)
        os.close(folder)
    return listening


def short_path(folder_fd: int, name: str) -> str:
    """Return a path below an open folder that fits into a socket's address (108 bytes)."""
    return f"/proc/self/fd/{folder_fd}/{name}"
