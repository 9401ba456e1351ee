"""The cookies of one user, made when the first one arrives.

A user talks to one host, so a cookie is its name, value, path and end. One without a path is sent
everywhere; one for another domain, over a limit or not fit to be sent is not taken.

Source: RFC 6265, sections 5.2 to 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time_ns as wall_ns

from stormproof.kernel.limits import COOKIE_BYTES_MAX, COOKIES_PER_USER_MAX
from stormproof.kernel.units import SECOND_NS

_FOREVER_NS = 1 << 62


@dataclass(frozen=True, slots=True, kw_only=True)
class Cookie:
    """A cookie as it is kept; `ends_ns` is on the wall clock."""

    value: str
    path: str
    ends_ns: int = _FOREVER_NS


class CookieJar:
    """What the target asked this user to send back."""

    __slots__ = ("_cookies", "_ends_ns", "_host", "_line", "_secure")

    def __init__(self, host: str, *, secure: bool) -> None:
        self._host = host.lower()
        self._secure = secure
        self._cookies: dict[tuple[str, str], Cookie] = {}  # by name and path
        self._line: bytes | None = b""  # for every path; None: it depends, or is not made yet
        self._ends_ns = _FOREVER_NS  # when the first one does

    def get(self, name: str) -> str | None:
        """Return the value of a cookie, None when there is none of that name."""
        self._expire()
        for (known, _), cookie in self._cookies.items():
            if known == name:
                return cookie.value
        return None

    def set(self, name: str, value: str) -> None:
        """Send a cookie from now on.

        Raises:
            ValueError: it cannot be written in a header.
        """
        if not _is_fit(name, value):
            raise ValueError(f"the cookie {name!r} cannot be sent: characters or length")
        self._keep(name, Cookie(value=value, path="/"))

    def clear(self) -> None:
        """Forget all cookies."""
        self._cookies.clear()
        self._changed()

    def take(self, head: bytes) -> None:
        """Take what a response's head asks for."""
        for line in head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            if name.strip().lower() == "set-cookie":
                self._take_one(value)

    def line(self, head: bytes) -> bytes:
        """Return the Cookie line for a request's head, empty where nothing is to be sent."""
        if self._ends_ns != _FOREVER_NS:
            self._expire()
        if b"\r\nCookie:" in head:
            return b""  # the journey sends its own
        if self._line is not None:
            return self._line
        path = head.split(b" ", 2)[1].partition(b"?")[0].decode("latin-1")
        line = _line_of(
            {key: one for key, one in self._cookies.items() if _matches(one.path, path)}
        )
        if all(one.path == "/" for one in self._cookies.values()):
            self._line = line
        return line

    def _take_one(self, text: str) -> None:
        """Take the value of a Set-Cookie header."""
        pair, *rest = text.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        attributes = {
            key.strip().lower(): value.strip()
            for key, _, value in (one.partition("=") for one in rest)
        }
        if not equals or not _is_fit(name, value) or not self._is_for_us(name, attributes):
            return
        path = attributes.get("path", "/")
        ends_ns = _end_ns(attributes)
        cookie = Cookie(value=value, path=path if path.startswith("/") else "/", ends_ns=ends_ns)
        if ends_ns <= wall_ns():
            self._cookies.pop((name, cookie.path), None)
            self._changed()
        else:
            self._keep(name, cookie)

    def _is_for_us(self, name: str, attributes: dict[str, str]) -> bool:
        domain = attributes.get("domain", "").lstrip(".").lower()
        ours = not domain or domain == self._host or self._host.endswith(f".{domain}")
        must_be_secure = "secure" in attributes or name.startswith(("__Secure-", "__Host-"))
        return ours and (self._secure or not must_be_secure)

    def _keep(self, name: str, cookie: Cookie) -> None:
        key = (name, cookie.path)
        if key in self._cookies or len(self._cookies) < COOKIES_PER_USER_MAX:
            self._cookies[key] = cookie
            self._changed()

    def _expire(self) -> None:
        now_ns = wall_ns()
        if self._ends_ns <= now_ns:
            self._cookies = {key: one for key, one in self._cookies.items() if one.ends_ns > now_ns}
            self._changed()

    def _changed(self) -> None:
        self._line = None if self._cookies else b""
        self._ends_ns = min((one.ends_ns for one in self._cookies.values()), default=_FOREVER_NS)


def _line_of(cookies: dict[tuple[str, str], Cookie]) -> bytes:
    """Write a Cookie line, longer paths first."""
    ordered = sorted(cookies.items(), key=lambda item: -len(item[1].path))
    text = "; ".join(f"{name}={one.value}" for (name, _), one in ordered)
    return f"Cookie: {text}\r\n".encode("latin-1") if text else b""


def _matches(prefix: str, path: str) -> bool:
    if prefix == path or prefix == "/":
        return True
    return path.startswith(prefix if prefix.endswith("/") else f"{prefix}/")


def _is_fit(name: str, value: str) -> bool:
    text = f"{name}={value}"
    return bool(name) and len(text) <= COOKIE_BYTES_MAX and text.isprintable() and text.isascii()


def _end_ns(attributes: dict[str, str]) -> int:
    """Return when a cookie ends, on the wall clock; 0 when it has ended already."""
    age = attributes.get("max-age", "")
    if age.lstrip("-").isdecimal() and len(age) < 20:
        return wall_ns() + int(age) * SECOND_NS if int(age) > 0 else 0
    if "expires" in attributes:
        try:
            return int(parsedate_to_datetime(attributes["expires"]).timestamp()) * SECOND_NS
        except (ValueError, OverflowError):
            return _FOREVER_NS  # unreadable dates are ignored, as browsers do
    return _FOREVER_NS
