"""The frames of a game's socket, besides those that every socket knows."""

from __future__ import annotations

import msgspec

from sanctum.gateway.topics import Place


class Welcome(msgspec.Struct, frozen=True, tag_field="type", tag="welcome"):
    """Greet an accepted socket with the number of the room's last event."""

    room: int
    user: int
    last: int


class Happened(msgspec.Struct, frozen=True, tag_field="type", tag="event"):
    """Deliver an event, as the JSON that was stored of it."""

    room: int
    number: int
    event: msgspec.Raw


class _EventPlace(msgspec.Struct, frozen=True):
    """Read only where an event's frame belongs, skipping the rest of it."""

    room: int
    number: int


_place_decoder = msgspec.json.Decoder(_EventPlace)


def locate(frame: bytes) -> Place:
    """Read where an encoded event belongs; raises msgspec.DecodeError."""
    place = _place_decoder.decode(frame)
    return Place(key=place.room, number=place.number)
