"""The keeper's end of the way to its controller."""

from __future__ import annotations

import asyncio

import msgspec

from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.model.control import (
    LENGTH,
    Answer,
    Command,
    Failed,
    Told,
    message_length,
    pack_message,
)
from stormproof.model.event import Event

UNREAD_BYTES_MAX = 4 << 20


class Channel:
    """Commands in, answers and events out."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)

    async def read(self) -> Command | None:
        """Return the next command; None when the controller is gone.

        Raises:
            OwnFault, msgspec.DecodeError: what came is no command.
        """
        try:
            length = message_length(await self._reader.readexactly(LENGTH.size))
            return self._decoder.decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    def tell(self, event: Event) -> None:
        """Pass an event on; a controller that has stopped reading finds it in the record."""
        if self._writer.transport.get_write_buffer_size() < UNREAD_BYTES_MAX:
            self.answer(Told(event=event))

    def answer(self, message: Answer) -> None:
        """Send an answer, as long as there is somebody to take it."""
        if not self._writer.is_closing():
            self._writer.write(pack_message(message))

    async def close(self) -> None:
        """Send what is waiting, and close."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return  # the controller was gone first


def failed(command_id: int, error: BaseException) -> Failed:
    """Build the answer to a command that ended with `error`."""
    match error:
        case EnvironmentFailure():
            return Failed(id=command_id, kind="environment", what=error.what, fix=error.fix)
        case FaultRefused():
            return Failed(id=command_id, kind="refused", what=str(error))
        case _:
            return Failed(id=command_id, kind="own", what=f"{type(error).__name__}: {error}")
