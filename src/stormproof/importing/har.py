"""From a HAR file, what a browser recorded, to a journey: its requests grouped by page.

Kept are requests to one host that a person causes; pictures, styles, scripts and fonts are not.
Values that earlier answers held are read from them, secrets are declared, pauses are those of the
recording. WebSockets go on between the requests.
Source: HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from stormproof.importing.draft import Call, Code, FileDraft, JourneyDraft, Page, Step, Value
from stormproof.importing.har_entries import Entry, kept_entries, main_host, read_entry
from stormproof.importing.har_messages import Turn, turns_of
from stormproof.importing.har_sockets import SocketWriter
from stormproof.importing.naming import (
    holds_secret,
    identifier,
    is_secret,
    template_of,
    unused,
    words_of,
)
from stormproof.importing.reading import JsonObject, a_list, a_text, an_object, bad
from stormproof.importing.recalled import Recalled
from stormproof.kernel.limits import IMPORTED_CALLS_MAX

THINK_S_MIN, THINK_S_MAX = 0.2, 30.0
_SAYS_NOTHING = re.compile(r"api|rest|v[0-9]+")
BODY_CHARACTERS_MAX = 4_096


def from_har(document: JsonObject, where: str, host: str = "") -> FileDraft:
    """Make the draft of a HAR file.

    Args:
        document: the file's JSON.
        where: names the file in messages.
        host: whose requests are kept, `name[:port]`; empty: that of the first page.

    Raises:
        BadInput: it is no HAR file, or nothing of it can be kept.
    """
    log = an_object(document.get("log"))
    raw = a_list(log.get("entries"))
    entries = [one for one in map(read_entry, raw) if one is not None]
    if not entries:
        raise bad(where, "has no request in log.entries", "export it anew, as HAR with content")
    host = host or main_host(entries)
    kept, left_out = kept_entries(entries, host)
    if not kept:
        hosts = ", ".join(sorted({one.host for one in entries})[:10])
        raise bad(where, f"has no request to {host} that a person causes", f"hosts: {hosts}")
    count = len(kept) + sum(message.is_sent for one in kept for message in one.messages)
    if count > IMPORTED_CALLS_MAX:
        what = f"has {count} requests and messages to {host}"
        raise bad(where, what, f"<= {IMPORTED_CALLS_MAX}; record one task at a time")
    return _Writer(log, kept, left_out).draft()


@dataclass(slots=True)
class _Writer:
    """Write the calls of one recording; knows what earlier answers held."""

    log: JsonObject
    entries: Sequence[Entry]
    left_out: Counter[str]
    recalled: Recalled = field(default_factory=Recalled)
    names: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    ended_s: float = 0.0

    def draft(self) -> FileDraft:
        first = self.entries[0]
        titles = self._titles()
        pages = self._pages()
        title = next(iter(titles.values()), "") or f"A visit to {first.host}"
        journey = JourneyDraft(
            name="visit",
            title=f"Do what was recorded at {first.host}",
            pages=tuple(
                Page(title=titles.get(page, ""), steps=tuple(steps))
                for page, steps in pages.items()
            ),
        )
        return FileDraft(
            title=f"Recorded: {title}",
            target=f"{first.scheme}://{first.host}",
            journeys=(journey,),
            secrets=tuple(sorted(self.recalled.secrets.values())),
            notes=self._notes(),
        )

    def _pages(self) -> dict[str, list[Step]]:
        """Return the steps by page, in the order of their instants.

        A message belongs to the newest page when it was sent: it may hold what an answer of that
        page gave.
        """
        sockets = SocketWriter(self.recalled, self.names, self.notes)
        pages: dict[str, list[Step]] = {}
        latest: list[Step] = []
        for at_s, one, turn in _timeline(self.entries):
            if turn is None:
                pages.setdefault(one.page, []).append(self._call(one))
            else:
                steps = latest if turn.sent else pages.setdefault(one.page, [])
                reply_s = at_s if turn.reply is None else turn.reply.at_s
                steps += sockets.steps(one, turn, self._think_s(at_s, reply_s))
            latest = pages[next(reversed(pages))]
        latest += sockets.hang_ups()
        return pages

    def _titles(self) -> dict[str, str]:
        pages = map(an_object, a_list(self.log.get("pages")))
        return {a_text(one.get("id")): _short(a_text(one.get("title"))) for one in pages}

    def _notes(self) -> tuple[str, ...]:
        told = [
            f"left out: {count} request{'s' if count > 1 else ''} {what}"
            for what, count in self.left_out.most_common(10)
        ]
        if any("cookie" in one.headers for one in self.entries):
            told.append("cookies were left out: each user keeps its own, from the answers it gets")
        return tuple(dict.fromkeys([*self.notes, *told]))

    def _call(self, one: Entry) -> Call:
        template, ids = template_of(one.url.path or "/")
        name = unused(self._name(one.method, template), self.names)
        self.names.add(name)
        headers, auth = self._headers(one)
        data, form, body = self._body(one)
        call = Call(
            method=one.method.lower(),
            path=template,
            keep_as=name,
            status=one.status,
            check=f"{name.replace('_', ' ')}: {one.status or 'answered'}",
            values={hole: self.recalled.id(value) for hole, value in ids.items()},
            query=self.recalled.fields(parse_qsl(one.url.query, keep_blank_values=True)),
            headers=headers,
            auth=auth,
            json=data,
            form=form,
            body=body,
            think_s=self._think_s(one.start_s, one.end_s),
        )
        self.recalled.origins.learn(f"{name}.json()", one.answer)
        return call

    def _name(self, method: str, template: str) -> str:
        parts = [part for part in template.split("/") if "{" not in part]
        words = [w for part in parts for w in words_of(part) if not _SAYS_NOTHING.fullmatch(w)]
        verbs = {"GET": "", "POST": "posted", "PUT": "put", "PATCH": "patched", "DELETE": "deleted"}
        return identifier(f"{verbs[method]} {' '.join(words[-2:])}", "home")

    def _think_s(self, start_s: float, end_s: float) -> float:
        """Return the pause before what lasted so long, rounded; 0 where the recording had none."""
        gap_s = start_s - self.ended_s if self.ended_s else 0.0
        self.ended_s = max(self.ended_s, end_s)
        if gap_s < THINK_S_MIN:
            return 0.0
        return round(min(gap_s, THINK_S_MAX), 1 if gap_s < 10 else 0)

    def _headers(self, one: Entry) -> tuple[dict[str, Value], Code | None]:
        """Keep the headers that an application made, not those that a browser makes itself."""
        kept: dict[str, Value] = {}
        auth: Code | None = None
        for name, value in one.headers.items():
            if name == "authorization" and value.lower().startswith("bearer "):
                auth = self.recalled.secret("TOKEN", value[7:].strip())
            elif name == "authorization":
                kept["Authorization"] = self.recalled.secret("AUTHORIZATION", value)
            elif name == "cookie" or not name.startswith("x-"):
                continue
            else:
                is_hidden = is_secret(name, value)
                kept[name.title()] = self.recalled.secret(name, value) if is_hidden else value
        return kept, auth

    def _body(self, one: Entry) -> tuple[Value | None, dict[str, Value], str]:
        """Return the body as JSON, as a form, or as it is."""
        if not one.text and not one.params:
            return None, {}, ""
        if one.mime.endswith("json"):
            try:
                return self.recalled.json(json.loads(one.text)), {}, ""
            except (ValueError, RecursionError):
                return None, {}, self._plain(one)
        if one.mime == "application/x-www-form-urlencoded":
            pairs = one.params or parse_qsl(one.text, keep_blank_values=True)
            return None, self.recalled.fields(pairs), ""
        if one.mime.startswith("multipart/"):
            self.notes.append(f"give {one.method} {one.url.path} its multipart body yourself")
            return None, {}, ""
        return None, {}, self._plain(one)

    def _plain(self, one: Entry) -> str:
        """Keep a body as it is, unless it is long or seems to hold a secret."""
        if len(one.text) <= BODY_CHARACTERS_MAX and not holds_secret(one.text):
            return one.text
        self.notes.append(f"give {one.method} {one.url.path} its body yourself")
        return ""


def _timeline(entries: Sequence[Entry]) -> Iterator[tuple[float, Entry, Turn | None]]:
    """Yield requests, and the turns of sockets, in the order of their instants (seconds)."""
    moments: list[tuple[float, Entry, Turn | None]] = []
    for one in entries:
        if not one.is_socket:
            moments.append((one.start_s, one, None))
            continue
        for turn in turns_of(one.messages, one.start_s):
            at_s = one.start_s if turn.sent is None else max(turn.sent.at_s, one.start_s)
            moments.append((at_s, one, turn))
    yield from sorted(moments, key=lambda moment: moment[0])


def _short(title: str, length: int = 60) -> str:
    clean = " ".join(title.split())
    return clean if len(clean) <= length else clean[: length - 3] + "..."
