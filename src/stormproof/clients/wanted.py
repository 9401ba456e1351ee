"""Which message a journey waits for: any, one with a text, with JSON fields, or as it decides."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import msgspec

Incoming = str | bytes
What = str | Mapping[str, object] | Callable[[Incoming], object]
Wanted = Callable[[Incoming], object]  # what the journey gets of a message, or NOT_WANTED
NOT_WANTED: Final = object()


def anything(message: Incoming) -> object:
    """Want whatever comes."""
    return message


def wanted_of(what: What) -> Wanted:
    """Return what picks out the messages that `what` describes.

    A text must be part of the message, fields must all be in its JSON object (which is then what
    the journey gets), a function must return something true of it.
    """
    if isinstance(what, str):
        return partial(_holding_text, what)
    if isinstance(what, Mapping):
        return partial(_holding_fields, what)
    return partial(_approved, what)


def _holding_text(text: str, message: Incoming) -> object:
    return message if isinstance(message, str) and text in message else NOT_WANTED


def _holding_fields(fields: Mapping[str, object], message: Incoming) -> object:
    try:
        value: object = msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return NOT_WANTED  # no JSON, or nested deeper than any answer
    return value if _holds(value, fields) else NOT_WANTED


def _holds(value: object, fields: Mapping[str, object]) -> bool:
    return isinstance(value, dict) and all(
        name in value and _equals(value[name], wanted) for name, wanted in fields.items()
    )


def _equals(value: object, wanted: object) -> bool:
    if isinstance(wanted, Mapping):
        return _holds(value, wanted)
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _approved(approves: Callable[[Incoming], object], message: Incoming) -> object:
    return message if approves(message) else NOT_WANTED
