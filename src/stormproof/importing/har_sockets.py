"""From the WebSockets of a recording to the steps of a journey.

A socket is opened where it was, what was sent is sent in its place between the requests, and where
something came back for it, that is expected. What came by itself is passed over: it differs from
run to run. Sockets are closed at the end, since the next iteration opens its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from stormproof.importing.draft import Dial, Expect, HangUp, Send, Step, Value
from stormproof.importing.har_entries import Entry
from stormproof.importing.har_messages import Message, Turn
from stormproof.importing.naming import holds_secret, identifier, template_of, unused, words_of
from stormproof.importing.reading import JsonObject
from stormproof.importing.recalled import Recalled

MESSAGE_CHARACTERS_MAX = 4_096
WORD_CHARACTERS_MAX = 40  # of a text that is told by being itself
_OFFERS = "sec-websocket-protocol"


@dataclass(slots=True)
class SocketWriter:
    """Write the sockets of one recording.

    Args:
        recalled: what earlier answers held; learns from replies.
        names: variables of the journey; takes those of sockets and replies.
        notes: takes what a person must know.
    """

    recalled: Recalled
    names: set[str]
    notes: list[str]
    opened: dict[int, str] = field(default_factory=dict)  # id of an entry -> its variable

    def steps(self, entry: Entry, turn: Turn, think_s: float) -> Iterator[Step]:
        """Yield what one turn of a socket becomes."""
        if turn.sent is None:
            yield self._dial(entry, think_s)
        else:
            message = self._message(entry, turn.sent)
            if message is None:
                return
            yield Send(socket=self.opened[id(entry)], message=message, think_s=think_s)
        if turn.reply is not None:
            yield self._expect(self.opened[id(entry)], turn, turn.reply)

    def hang_ups(self) -> Iterator[HangUp]:
        """Yield the closing of every socket, in the order in which they were opened."""
        yield from (HangUp(socket=name) for name in self.opened.values())

    def _dial(self, entry: Entry, think_s: float) -> Dial:
        template, ids = template_of(entry.url.path or "/")
        words = [w for part in template.split("/") if "{" not in part for w in words_of(part)]
        name = self.opened[id(entry)] = self._name(" ".join(words[-2:]), "socket")
        pairs = parse_qsl(entry.url.query, keep_blank_values=True)
        query = self.recalled.fields(pairs)
        for field_name, value in pairs:
            is_spent = "ticket" in field_name.lower() and not self.recalled.origins.of(value)
            if value and is_spent:
                told = f"{entry.url.path} was opened with a {field_name} that no answer gave"
                self.notes.append(f"{told}: a ticket is good once, so take it where it is given")
        offered = [one.strip() for one in entry.headers.get(_OFFERS, "").split(",")]
        return Dial(
            path=template,
            keep_as=name,
            values={hole: self.recalled.id(value) for hole, value in ids.items()},
            query=query,
            subprotocols=tuple(self.recalled.text("subprotocol", one) for one in offered if one),
            think_s=think_s,
        )

    def _message(self, entry: Entry, sent: Message) -> Value:
        """Return what is sent; None, with a note, where a person has to write it."""
        data = sent.json
        if isinstance(data, dict | list):
            return self.recalled.json(data)
        path = entry.url.path
        if not sent.is_text:
            self.notes.append(f"send {path} its binary messages yourself")
        elif len(sent.data) > MESSAGE_CHARACTERS_MAX or holds_secret(sent.data):
            self.notes.append(f"send {path} its long or secret messages yourself")
        else:
            return sent.data
        return None

    def _expect(self, socket: str, turn: Turn, reply: Message) -> Expect:
        told = next((one for one in turn.wanted.values() if isinstance(one, str)), "")
        word = reply.data if _is_word(reply) else ""
        kind = " ".join(words_of(told or word)[:3]) or "answer"
        name = self._name(f"{socket} {kind}", "reply")
        wanted = self.recalled.json(turn.wanted) if turn.wanted else word
        if turn.wanted:
            self.recalled.origins.learn(f"{name}.value", json.dumps(_own(reply.fields, turn)))
        return Expect(socket=socket, keep_as=name, name=f"{socket} {kind}", wanted=wanted)

    def _name(self, text: str, fallback: str) -> str:
        name = unused(identifier(text, fallback), self.names)
        self.names.add(name)
        return name


def _own(answered: JsonObject, turn: Turn) -> JsonObject:
    """Return what a reply holds beside what it was recognised by, which came from us."""
    return {name: value for name, value in answered.items() if name not in turn.wanted}


def _is_word(message: Message) -> bool:
    """Say whether a message is a text that will be the same another time, such as `pong`."""
    text = message.data
    is_short = 0 < len(text) <= WORD_CHARACTERS_MAX and text.isprintable()
    return is_short and not any(one.isdigit() for one in text) and not holds_secret(text)
