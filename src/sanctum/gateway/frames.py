"""The frames that sockets of every topic know: pings, their answers, and refusals."""

from __future__ import annotations

from typing import Annotated

import msgspec

CLIENT_ID_LENGTH_MAX = 64
FRAME_BYTES_MAX = 32 * 1024  # of what clients send

ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=CLIENT_ID_LENGTH_MAX)]


class Ping(msgspec.Struct, frozen=True, tag_field="type", tag="ping"):
    """Ask whether anybody is there; browsers cannot send a ping of the protocol."""

    id: ClientId


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    """Answer a ping under its id."""

    id: str


class Error(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """Refuse a frame; ``id`` is None where the frame had no readable one."""

    id: str | None
    error: str
    message: str


class InvalidFrame(Exception):
    """Say why a client's frame was refused."""

    def __init__(self, client_id: str | None, error: str, message: str) -> None:
        super().__init__(message)
        self.client_id = client_id
        self.error = error
        self.message = message


_encoder = msgspec.json.Encoder()
_ping_decoder = msgspec.json.Decoder(Ping)


def encode(frame: msgspec.Struct) -> bytes:
    """Encode a frame as JSON."""
    return _encoder.encode(frame)


def decode_ping(text: str) -> Ping:
    """Decode what a client of a topic sent that takes nothing but pings; raises InvalidFrame."""
    try:
        return _ping_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise InvalidFrame(None, "invalid_frame", str(error)) from error
