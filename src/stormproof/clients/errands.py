"""Requests that are more than one exchange, or an unusual one: streams, redirects, retries.

Every attempt and every redirect that is followed is an operation of its own, under the same name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from stormproof.clients.bodies import FORM_TYPE, Stream, encode_form, encode_multipart
from stormproof.clients.failures import INTERRUPTED, REDIRECT_LIMIT, REDIRECT_REFUSED
from stormproof.clients.options import Options
from stormproof.clients.pool import Pool
from stormproof.clients.response import Response

if TYPE_CHECKING:
    from stormproof.clients.http import HttpSite

REDIRECTS = (301, 302, 303, 307, 308)
BODYLESS = ("GET", "HEAD", "OPTIONS")  # an empty body has no length
WORTH_ANOTHER_TRY = (0, 429, 502, 503, 504)
PAUSE_S = 0.05  # before the first retry; twice as long before each further one
_LOCATION_BYTES_MAX = 8_192
_URL_SAFE = "/:@!$&'()*+,;=-._~?%[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a request carries, and the header lines that say what it is."""

    body: bytes | Stream = b""
    lines: bytes = b""

    def with_forms(self, options: Options) -> Content:
        """Return the form or files of the options as content; itself when there are none.

        Raises:
            ValueError: there are two bodies.
        """
        if options.form is None and options.files is None:
            return self
        if self.body or self.lines:
            raise ValueError("give either json, body, or form and files")
        kind, body = FORM_TYPE, encode_form(options.form or {})
        if options.files is not None:
            kind, body = encode_multipart(options.form or {}, options.files)
        return Content(body=body, lines=b"Content-Type: %b\r\n" % kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One call of a journey, however many exchanges it takes."""

    site: HttpSite
    pool: Pool
    series: int
    lines: bytes  # of the journey's own headers
    timeout: float
    expected: tuple[int, ...]
    options: Options

    async def run(self, method: str, head: bytes, content: Content) -> Response:
        """Send the request; try again and follow redirects as far as the options say.

        Raises:
            ValueError: a stream would have to be sent twice.
            Exception: whatever a stream raises.
        """
        if self.options.retries and not isinstance(content.body, bytes):
            raise ValueError("a stream cannot be sent again: give bytes, or no retries")
        answer, asked = await self._try(method, head, content), method
        for left in range(self.options.follow, -1, -1):
            location = _location(answer) if self.options.follow else ""
            if not location:
                break
            path = self._path(head, location)
            if path is None or not left:
                kind = REDIRECT_REFUSED if path is None else REDIRECT_LIMIT
                return await self.pool.refuse(self.series, kind)
            method, content = _onwards(answer.status, method, content)
            if not isinstance(content.body, bytes):
                break  # it has been sent, and there is no second one
            head = self.site.head(method, path)
            answer = await self._try(method, head, content)
            answer.redirected = method != asked
        return answer

    async def _try(self, method: str, head: bytes, content: Content) -> Response:
        """Exchange until it goes well or all retries are used up."""
        answer = await self._exchange(method, head, content)
        for number in range(self.options.retries):
            if answer.status not in WORTH_ANOTHER_TRY or answer.ok or answer.error == INTERRUPTED:
                break
            await self.pool.pause(PAUSE_S * 2**number)
            answer = await self._exchange(method, head, content)
        return answer

    async def _exchange(self, method: str, head: bytes, content: Content) -> Response:
        head += self.lines
        if self.pool.jar is not None:
            head += self.pool.jar.line(head)
        body, stream, framed = content.body, None, False
        if not isinstance(body, bytes):
            stream, framed = body, True
            data = b"%b%bTransfer-Encoding: chunked\r\n\r\n" % (head, content.lines)
        elif not body and method in BODYLESS:
            data = head + b"\r\n"
        else:
            data = b"%b%bContent-Length: %d\r\n\r\n" % (head, content.lines, len(body))
            if self.options.write_timeout is not None and body:
                stream = _cut(body)
            else:
                data += body
        return await self.pool.exchange_with(
            self.series,
            data,
            self.timeout,
            self.expected,
            self.options,
            stream=stream,
            framed=framed,
            bodyless=method == "HEAD",
        )

    def _path(self, head: bytes, location: str) -> str | None:
        """Return the path that a redirect leads to; None when that is on another host."""
        base = self.site.target.base_url
        asked = head.split(b" ", 2)[1].decode("latin-1").removeprefix(base)
        try:
            parts = urlsplit(urljoin(f"{base}{asked}", location))
            if _place(parts) != _place(urlsplit(base)):
                return None
        except ValueError:
            return None  # it leads nowhere
        path = quote(parts.path or "/", safe=_URL_SAFE)
        return f"{path}?{quote(parts.query, safe=_URL_SAFE)}" if parts.query else path


def _place(parts: SplitResult) -> tuple[str, str | None, int]:
    usual = 443 if parts.scheme == "https" else 80
    return parts.scheme, parts.hostname, parts.port or usual


def _location(answer: Response) -> str:
    """Return where a response redirects to, empty when it does not."""
    if answer.status not in REDIRECTS or answer.error:
        return ""
    return answer.headers.get("location", "")[:_LOCATION_BYTES_MAX]


def _onwards(status: int, method: str, content: Content) -> tuple[str, Content]:
    """Return the method and content to go on with: as browsers do, a POST becomes a GET.

    Source: RFC 9110, section 15.4.
    """
    if status == 303 and method != "HEAD":
        return "GET", Content()
    if status in (301, 302) and method == "POST":
        return "GET", Content()
    return method, content


def _cut(body: bytes, size: int = 64 << 10) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]
