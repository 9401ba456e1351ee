"""From a HAR file, what a browser recorded, to a journey: its requests grouped by page.

Kept are requests to one host that a person causes; pictures, styles, scripts and fonts are not.
Values that earlier answers held are read from them, secrets are declared, pauses are those of the
recording. Source: HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from stormproof.importing.draft import Call, Code, FileDraft, JourneyDraft, Page, Value
from stormproof.importing.har_entries import Entry, kept_entries, main_host, read_entry
from stormproof.importing.naming import (
    constant,
    holds_secret,
    identifier,
    is_secret,
    refers,
    template_of,
    unused,
    words_of,
)
from stormproof.importing.origins import Origins
from stormproof.importing.reading import JsonObject, a_list, a_text, an_object, bad
from stormproof.kernel.limits import IMPORTED_CALLS_MAX

THINK_S_MIN, THINK_S_MAX = 0.2, 30.0
_SAYS_NOTHING = re.compile(r"api|rest|v[0-9]+")
_JSON_DEPTH_MAX = 20
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
    if len(kept) > IMPORTED_CALLS_MAX:
        what = f"has {len(kept)} requests to {host}"
        raise bad(where, what, f"<= {IMPORTED_CALLS_MAX}; record one task at a time")
    return _Writer(log, kept, left_out).draft()


@dataclass(slots=True)
class _Writer:
    """Write the calls of one recording; knows what earlier answers held."""

    log: JsonObject
    entries: Sequence[Entry]
    left_out: Counter[str]
    origins: Origins = field(default_factory=Origins)
    names: set[str] = field(default_factory=set)
    secrets: dict[str, str] = field(default_factory=dict)  # value -> name
    notes: list[str] = field(default_factory=list)
    ended_s: float = 0.0

    def draft(self) -> FileDraft:
        first = self.entries[0]
        titles = self._titles()
        pages: dict[str, list[Call]] = {}
        for one in self.entries:
            pages.setdefault(one.page, []).append(self._call(one))
        title = next(iter(titles.values()), "") or f"A visit to {first.host}"
        journey = JourneyDraft(
            name="visit",
            title=f"Do what was recorded at {first.host}",
            pages=tuple(
                Page(title=titles.get(page, ""), calls=tuple(calls))
                for page, calls in pages.items()
            ),
        )
        return FileDraft(
            title=f"Recorded: {title}",
            target=f"{first.url.scheme}://{first.host}",
            journeys=(journey,),
            secrets=tuple(sorted(self.secrets.values())),
            notes=self._notes(),
        )

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
            values={hole: self._id(value) for hole, value in ids.items()},
            query=self._fields(parse_qsl(one.url.query, keep_blank_values=True)),
            headers=headers,
            auth=auth,
            json=data,
            form=form,
            body=body,
            think_s=self._think_s(one),
        )
        self.origins.learn(name, one.answer)
        return call

    def _name(self, method: str, template: str) -> str:
        parts = [part for part in template.split("/") if "{" not in part]
        words = [w for part in parts for w in words_of(part) if not _SAYS_NOTHING.fullmatch(w)]
        verbs = {"GET": "", "POST": "posted", "PUT": "put", "PATCH": "patched", "DELETE": "deleted"}
        return identifier(f"{verbs[method]} {' '.join(words[-2:])}", "home")

    def _id(self, value: str) -> Value:
        if is_secret("", value):
            return self._secret("PATH_TOKEN", value)
        return self.origins.of(value) or (int(value) if _is_plain_number(value) else value)

    def _think_s(self, one: Entry) -> float:
        """Return the pause before a request, rounded; 0 where the recording had none."""
        gap_s = one.start_s - self.ended_s if self.ended_s else 0.0
        self.ended_s = max(self.ended_s, one.end_s)
        if gap_s < THINK_S_MIN:
            return 0.0
        return round(min(gap_s, THINK_S_MAX), 1 if gap_s < 10 else 0)

    def _secret(self, name: str, value: str) -> Code:
        """Return the expression of a secret: from an earlier answer, or declared."""
        origin = self.origins.of(value)
        if origin is not None:
            return origin
        if value not in self.secrets:
            self.secrets[value] = unused(constant(name), set(self.secrets.values()))
        return Code(f"{self.secrets[value]}.value")

    def _headers(self, one: Entry) -> tuple[dict[str, Value], Code | None]:
        """Keep the headers that an application made, not those that a browser makes itself."""
        kept: dict[str, Value] = {}
        auth: Code | None = None
        for name, value in one.headers.items():
            if name == "authorization" and value.lower().startswith("bearer "):
                auth = self._secret("TOKEN", value[7:].strip())
            elif name == "authorization":
                kept["Authorization"] = self._secret("AUTHORIZATION", value)
            elif name == "cookie" or not name.startswith("x-"):
                continue
            else:
                is_hidden = is_secret(name, value)
                kept[name.title()] = self._secret(name, value) if is_hidden else value
        return kept, auth

    def _fields(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Value]:
        return {name: self._value(name, value) for name, value in pairs}

    def _value(self, name: str, value: str) -> Value:
        if is_secret(name, value) and value:
            return self._secret(name, value)
        return (self.origins.of(value) if refers(name) else None) or value

    def _body(self, one: Entry) -> tuple[Value | None, dict[str, Value], str]:
        """Return the body as JSON, as a form, or as it is."""
        if not one.text and not one.params:
            return None, {}, ""
        if one.mime.endswith("json"):
            try:
                return self._json("", json.loads(one.text), _JSON_DEPTH_MAX), {}, ""
            except (ValueError, RecursionError):
                return None, {}, self._plain(one)
        if one.mime == "application/x-www-form-urlencoded":
            pairs = one.params or parse_qsl(one.text, keep_blank_values=True)
            return None, self._fields(pairs), ""
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

    def _json(self, name: str, value: object, depth: int) -> Value:
        if depth == 0:
            return None
        if isinstance(value, dict):
            return {str(key): self._json(key, each, depth - 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self._json(name, each, depth - 1) for each in value]
        if isinstance(value, str):
            return self._value(name, value)
        if isinstance(value, int) and not isinstance(value, bool):
            return (self.origins.of(str(value)) if refers(name) else None) or value
        return value if isinstance(value, bool | int | float) or value is None else str(value)


def _is_plain_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text == str(int(text[:18]))


def _short(title: str, length: int = 60) -> str:
    clean = " ".join(title.split())
    return clean if len(clean) <= length else clean[: length - 3] + "..."
