"""The messages of a recorded WebSocket, each that was sent with what came back for it.

Browsers built on Chromium write them beside the handshake's entry: `_webSocketMessages`, each with
`type` ("send" or "receive"), `time` (seconds since the epoch), `opcode` (1 text, 2 binary) and
`data`. Source: https://chromium.googlesource.com/devtools/devtools-frontend, `front_end/models/har`
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from stormproof.importing.naming import refers
from stormproof.importing.reading import JsonObject, a_list, a_text, an_object

TEXT, BINARY = 1, 2
REPLY_S_MAX = 10.0  # what came later came by itself
REPLIES_LOOKED_AT = 100  # of those that came before the next was sent
KINDS = ("type", "event", "kind", "op", "action", "method", "cmd", "command")
_JSON_CHARACTERS_MAX = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a socket, at an instant in seconds."""

    at_s: float
    is_sent: bool
    is_text: bool
    data: str

    @property
    def json(self) -> object:
        """The JSON that it holds; None where it is none, or too long to be looked at."""
        if not self.is_text or len(self.data) > _JSON_CHARACTERS_MAX:
            return None
        try:
            return json.loads(self.data)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> JsonObject:
        """The fields of the JSON object that it is; empty where it is none."""
        return an_object(self.json)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What was sent, None for the handshake, and what came back for it, if anything did."""

    sent: Message | None
    reply: Message | None
    wanted: Mapping[
        str, object
    ]  # fields that tell the reply from other messages; empty: it is next


def read_messages(raw: object) -> tuple[Message, ...]:
    """Read the text and binary messages of an entry, in the order of their instants."""
    found = (_read(an_object(one)) for one in a_list(raw))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: one.at_s))


def _read(raw: JsonObject) -> Message | None:
    kind, at_s, opcode = raw.get("type"), raw.get("time"), raw.get("opcode")
    if kind not in ("send", "receive") or opcode not in (TEXT, BINARY):
        return None
    return Message(
        at_s=float(at_s) if isinstance(at_s, int | float) else 0.0,
        is_sent=kind == "send",
        is_text=opcode == TEXT,
        data=a_text(raw.get("data")),
    )


def turns_of(messages: Sequence[Message], opened_s: float) -> Iterator[Turn]:
    """Yield the handshake's turn, then one for each message that was sent."""
    yield _turn(None, _came(messages), opened_s)
    for place, one in enumerate(messages, 1):
        if one.is_sent:
            yield _turn(one, _came(messages[place : place + REPLIES_LOOKED_AT]), one.at_s)


def _came(messages: Iterable[Message]) -> list[Message]:
    """Return the messages that came before the next one was sent."""
    return list(takewhile(lambda one: not one.is_sent, messages))[:REPLIES_LOOKED_AT]


def _turn(sent: Message | None, came: Sequence[Message], at_s: float) -> Turn:
    """Pick the message that answers: one with an id of what was sent, or else the first."""
    soon = [one for one in came if one.is_text and one.at_s - at_s <= REPLY_S_MAX]
    asked = {} if sent is None else sent.fields
    for one in soon:
        if shared := _shared(asked, one.fields):
            return Turn(sent=sent, reply=one, wanted={**_kind(one.fields), **shared})
    reply = soon[0] if soon else None
    return Turn(sent=sent, reply=reply, wanted={} if reply is None else _kind(reply.fields))


def _shared(asked: JsonObject, answered: JsonObject) -> Mapping[str, object]:
    """Return the ids that an answer repeats from what was asked."""
    return {
        name: value
        for name, value in asked.items()
        if isinstance(value, str | int)
        and not isinstance(value, bool)
        and refers(name)
        and answered.get(name) == value
    }


def _kind(fields: JsonObject) -> Mapping[str, object]:
    """Return the field that says what a message is."""
    named = ((name, fields.get(name)) for name in KINDS)
    return next(({name: value} for name, value in named if value and isinstance(value, str)), {})
