"""The frames of a chat socket, besides those that every socket knows."""

from __future__ import annotations

import msgspec

from sanctum.gateway.frames import ClientId, InvalidFrame, Ping
from sanctum.gateway.topics import Place

BODY_BYTES_MAX = 4096


class Send(msgspec.Struct, frozen=True, tag_field="type", tag="send"):
    """Ask for a message to be stored and delivered."""

    id: ClientId
    body: str


class Welcome(msgspec.Struct, frozen=True, tag_field="type", tag="welcome"):
    """Greet an accepted socket with the channel's last number."""

    channel: int
    user: int
    last: int


class Ack(msgspec.Struct, frozen=True, tag_field="type", tag="ack"):
    """Confirm a commit with the number the message got."""

    id: str
    number: int


class Message(msgspec.Struct, frozen=True, tag_field="type", tag="message"):
    """Deliver a message."""

    channel: int
    number: int
    id: str
    from_: int = msgspec.field(name="from")
    body: str


class _MessagePlace(msgspec.Struct, frozen=True):
    """Read only where a message frame belongs, skipping the rest of it."""

    channel: int
    number: int


_received_decoder = msgspec.json.Decoder(Send | Ping)
_place_decoder = msgspec.json.Decoder(_MessagePlace)


def locate(frame: bytes) -> Place:
    """Read where an encoded message belongs; raises msgspec.DecodeError."""
    place = _place_decoder.decode(frame)
    return Place(key=place.channel, number=place.number)


def decode_received(text: str) -> Send | Ping:
    """Decode what a client sent.

    Raises:
        InvalidFrame: when it is neither a ``send`` nor a ``ping``, or a body to be sent is too
            large or not storable.
    """
    try:
        frame = _received_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
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
