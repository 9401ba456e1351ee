"""The frames of a chat socket."""

from __future__ import annotations

from typing import Annotated

import msgspec

CLIENT_ID_LENGTH_MAX = 64
BODY_BYTES_MAX = 4096
FRAME_BYTES_MAX = 32 * 1024

ClientId = Annotated[str, msgspec.Meta(min_length=1, max_length=CLIENT_ID_LENGTH_MAX)]


class Send(msgspec.Struct, frozen=True, tag_field="type", tag="send"):
    """Ask for a message to be stored and delivered."""

    id: ClientId
    body: str


class Ping(msgspec.Struct, frozen=True, tag_field="type", tag="ping"):
    """Ask whether anybody is there; browsers cannot send a ping of the protocol."""

    id: ClientId


class Pong(msgspec.Struct, frozen=True, tag_field="type", tag="pong"):
    """Answer a ping under its id."""

    id: str


class Welcome(msgspec.Struct, frozen=True, tag_field="type", tag="welcome"):
    """Greet an accepted socket with the channel's last number."""

    channel: int
    user: int
    last: int


class Ack(msgspec.Struct, frozen=True, tag_field="type", tag="ack"):
    """Confirm a commit with the number the message got."""

    id: str
    number: int


class Error(msgspec.Struct, frozen=True, tag_field="type", tag="error"):
    """Refuse a frame; ``id`` is None where the frame had no readable one."""

    id: str | None
    error: str
    message: str


class Message(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """Deliver a message."""

    channel: int
    number: int
    id: str
    from_: int = msgspec.field(name="from")
    body: str


class Place(msgspec.Struct, frozen=True):
    """Read only where a message frame belongs, skipping the rest of it."""

    channel: int
    number: int


class InvalidFrame(Exception):
    """Say why a client's frame was refused."""

    def __init__(self, client_id: str | None, error: str, message: str) -> None:
        super().__init__(message)
        self.client_id = client_id
        self.error = error
        self.message = message


_encoder = msgspec.json.Encoder()
_received_decoder = msgspec.json.Decoder(Send | Ping)
_place_decoder = msgspec.json.Decoder(Place)


def encode(frame: Welcome | Ack | Error | Message | Pong) -> bytes:
    """Encode a frame as JSON."""
    return _encoder.encode(frame)


def decode_place(frame: bytes) -> Place:
    """Read where an encoded message belongs; raises msgspec.DecodeError."""
    return _place_decoder.decode(frame)


def decode_received(text: str) -> Send | Ping:
    """Decode what a client sent.

    Raises:
        InvalidFrame: when it is neither a ``send`` nor a ``ping``, or a body to be sent is too
            large or not storable.
    """
    try:
        frame = _received_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise InvalidFrame(None, "invalid_frame", str(error)) from error
    return frame if isinstance(frame, Ping) else _storable(frame)


def _storable(frame: Send) -> Send:
    size = _utf8_size(frame.body)
    if size is None or "\x00" in frame.body or "\x00" in frame.id or _utf8_size(frame.id) is None:
        raise InvalidFrame(frame.id, "invalid_text", "a character cannot be stored")
    if size > BODY_BYTES_MAX:
        message = f"the body has {size} bytes, more than {BODY_BYTES_MAX}"
        raise InvalidFrame(frame.id, "body_too_large", message)
    return frame


def _utf8_size(text: str) -> int | None:
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None
