"""The frames of an inbox socket: entries, as they are stored, published and sent."""

from __future__ import annotations

import msgspec

from sanctum.gateway.topics import Place

TOPIC = "sanctum:inbox"
NOTIFICATION = "notification"


class Welcome(msgspec.Struct, frozen=True, tag_field="type", tag="welcome"):
    """Greet an accepted socket with the last number of its inbox."""

    topic: str
    user: int
    last: int


class _EntryPlace(msgspec.Struct, frozen=True):
    """Read only where an entry belongs, skipping the rest of it."""

    user: int
    number: int


_place_decoder = msgspec.json.Decoder(_EntryPlace)
_KIND_WITHIN_BYTES = 80  # kind comes after user and number, before all that may be long


def entry_frame(user_id: int, number: int, body: bytes) -> bytes:
    """Make the frame of an entry.

    Args:
        user_id: whose inbox.
        number: the entry's number in it.
        body: the stored body: a JSON object that is not empty and names neither of these.
    """
    return b'{"user":%d,"number":%d,%s' % (user_id, number, body[1:])


def locate(frame: bytes) -> Place:
    """Read where a published entry belongs; raises msgspec.DecodeError."""
    place = _place_decoder.decode(frame)
    return Place(key=place.user, number=place.number)


def is_notification(frame: bytes) -> bool:
    """Tell whether an entry is a notification."""
    return b'"kind":"notification"' in frame[:_KIND_WITHIN_BYTES]
