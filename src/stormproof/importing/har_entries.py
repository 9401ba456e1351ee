"""The exchanges of a HAR file, as far as a journey needs them, and which of them belong to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

from stormproof.importing.har_messages import Message, read_messages
from stormproof.importing.reading import a_list, a_text, an_object

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_STATIC_KINDS = {"image", "stylesheet", "script", "font", "media", "manifest", "texttrack"}
_STATIC_MIMES = ("image/", "font/", "audio/", "video/", "text/css", "application/font")
_STATIC_ENDS = tuple(
    ".css .js .mjs .map .png .jpg .jpeg .gif .svg .ico .webp .avif .woff .woff2 .ttf .eot .mp4"
    " .webm .mp3".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recorded exchange; `kind` is the browser's word for it, instants are in seconds."""

    url: SplitResult
    method: str
    headers: Mapping[str, str]
    mime: str  # of the request's body
    text: str
    params: tuple[tuple[str, str], ...]
    status: int
    answer_mime: str
    answer: str
    location: str
    kind: str
    page: str
    start_s: float
    end_s: float
    messages: tuple[Message, ...]  # of a WebSocket

    @property
    def host(self) -> str:
        """Whom it went to, with the port."""
        return self.url.netloc

    @property
    def scheme(self) -> str:
        """The scheme of the target that it went to."""
        return {"ws": "http", "wss": "https"}.get(self.url.scheme, self.url.scheme)

    @property
    def is_socket(self) -> bool:
        """Whether it opened a WebSocket."""
        by_scheme = self.url.scheme in ("ws", "wss") or self.kind == "websocket"
        return by_scheme or bool(self.messages) or self.status == 101

    @property
    def is_static(self) -> bool:
        """Whether it fetched what looks the same for everybody."""
        if self.kind:
            return self.kind in _STATIC_KINDS
        is_script = "javascript" in self.answer_mime
        by_mime = is_script or self.answer_mime.startswith(_STATIC_MIMES)
        return by_mime or self.url.path.lower().endswith(_STATIC_ENDS)


def read_entry(raw: object) -> Entry | None:
    """Read one entry; None when it is none that can be used."""
    one = an_object(raw)
    request, response = an_object(one.get("request")), an_object(one.get("response"))
    try:
        url = urlsplit(a_text(request.get("url")))
        _ = url.port
    except ValueError:
        return None
    if url.scheme not in ("http", "https", "ws", "wss") or not url.hostname:
        return None
    post, content = an_object(request.get("postData")), an_object(response.get("content"))
    start_s = _instant_s(a_text(one.get("startedDateTime")))
    status, took_ms = response.get("status"), one.get("time")
    return Entry(
        url=url,
        method=a_text(request.get("method")).upper(),
        headers={name.lower(): value for name, value in _pairs(request.get("headers"))},
        mime=a_text(post.get("mimeType")).partition(";")[0].strip().lower(),
        text=a_text(post.get("text")),
        params=tuple(_pairs(post.get("params"))),
        status=status if isinstance(status, int) else 0,
        answer_mime=a_text(content.get("mimeType")).partition(";")[0].strip().lower(),
        answer="" if content.get("encoding") else a_text(content.get("text")),
        location=a_text(response.get("redirectURL")),
        kind=a_text(one.get("_resourceType")).lower(),
        page=a_text(one.get("pageref")),
        start_s=start_s,
        end_s=start_s + (took_ms / 1000 if isinstance(took_ms, int | float) else 0.0),
        messages=read_messages(one.get("_webSocketMessages")),
    )


def _pairs(value: object) -> Iterable[tuple[str, str]]:
    for one in map(an_object, a_list(value)):
        if a_text(one.get("name")):
            yield a_text(one.get("name")), a_text(one.get("value"))


def _instant_s(text: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def main_host(entries: Sequence[Entry]) -> str:
    """Return the host of the first page, or else the one most asked."""
    pages = [one for one in entries if one.kind == "document" or one.answer_mime == "text/html"]
    if pages:
        return pages[0].host
    return Counter(one.host for one in entries).most_common(1)[0][0]


def kept_entries(entries: Sequence[Entry], host: str) -> tuple[list[Entry], Counter[str]]:
    """Return the requests that a person causes at one host, in time, and what was left out."""
    kept: list[Entry] = []
    left_out: Counter[str] = Counter()
    for one in sorted(entries, key=lambda entry: entry.start_s):
        if one.host != host:
            left_out[f"to {one.host}"] += 1
        elif one.is_socket and one.status not in (0, 101):
            left_out["for WebSockets that were refused"] += 1
        elif one.is_socket:
            kept.append(one)
        elif one.is_static:
            left_out["for static files"] += 1
        elif one.method not in METHODS:
            left_out[f"with {one.method or 'no'} as their method"] += 1
        else:
            kept.append(one)
    return kept, left_out
