"""Which cookies a user takes, and what it sends back where."""

from __future__ import annotations

import pytest

from stormproof.clients.cookies import CookieJar
from stormproof.kernel.limits import COOKIE_BYTES_MAX, COOKIES_PER_USER_MAX

FAR = "Wed, 01 Jan 2098 00:00:00 GMT"


def jar(*lines: str, secure: bool = False, host: str = "shop.test") -> CookieJar:
    """Make a jar that has seen a response with these Set-Cookie values."""
    made = CookieJar(host, secure=secure)
    made.take(head(*lines))
    return made


def head(*lines: str) -> bytes:
    """Write a response's head."""
    set_cookies = "".join(f"Set-Cookie: {line}\r\n" for line in lines)
    return f"HTTP/1.1 200 OK\r\n{set_cookies}\r\nSet-Cookie: body=1\r\n".encode("latin-1")


def sent(made: CookieJar, path: str = "/") -> str:
    """Return what is sent for a path."""
    line = made.line(f"GET {path} HTTP/1.1\r\nHost: shop.test\r\n".encode())
    assert not line or (line.startswith(b"Cookie: ") and line.endswith(b"\r\n"))
    return line.decode().removeprefix("Cookie: ").strip()


def test_cookies_come_back() -> None:
    """What was set is sent, the last value of a name, and nothing out of a body."""
    made = jar("a=1; Path=/; HttpOnly", "b=two words", "a=3")
    assert sent(made, "/x?y=1") == "a=3; b=two words"
    assert (made.get("a"), made.get("body")) == ("3", None)


@pytest.mark.parametrize(
    ("path", "cookies"),
    [("/", "r=1"), ("/api", "a=1; r=1"), ("/api/x", "a=1; r=1"), ("/apis", "r=1")],
)
def test_paths_are_kept_apart(path: str, cookies: str) -> None:
    """A cookie with a path is sent below it only, before those of shorter paths."""
    assert sent(jar("r=1; Path=/", "a=1; Path=/api"), path) == cookies


@pytest.mark.parametrize(
    ("line", "cookies"),
    [
        ("a=1; Domain=shop.test", "a=1"),
        ("a=1; Domain=.TEST", "a=1"),
        ("a=1; Domain=other.test", ""),
        ("a=1; Domain=op.test", ""),
        ("a=1; Secure", ""),
        ("__Host-a=1", ""),
        ("a=1; Max-Age=0", ""),
        ("a=1; Max-Age=-1", ""),
        ("a=1; Max-Age=60", "a=1"),
        ("a=1; Max-Age=99999999999999999999999", "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
        (f"a=1; Expires={FAR}", "a=1"),
        ("a=1; Expires=whenever", "a=1"),
        ("a=1; Path=relative", "a=1"),
        ("no pair", ""),
        ("=1", ""),
        ("a=\x01", ""),
        ("a=\u00e9", ""),
        ("a=", "a="),
        ("a=1=2", "a=1=2"),
        ("a=" + "x" * COOKIE_BYTES_MAX, ""),
    ],
)
def test_what_is_taken(line: str, cookies: str) -> None:
    """A cookie for us that is fit to be sent and has not ended is taken, and no other."""
    assert sent(jar(line)) == cookies


def test_secure_cookies_need_tls() -> None:
    """A secure cookie is sent over TLS."""
    assert sent(jar("a=1; Secure", "__Host-b=2", secure=True)) == "a=1; __Host-b=2"


def test_an_ended_cookie_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cookie is no longer sent once its time is over; the others are."""
    made = jar("a=1; Max-Age=60", "b=2")
    assert sent(made) == "a=1; b=2"
    monkeypatch.setattr("stormproof.clients.cookies.wall_ns", lambda: 1 << 61)
    assert sent(made) == "b=2"
    assert made.get("a") is None


def test_a_target_can_take_a_cookie_back() -> None:
    """An end in the past removes the cookie of that name and path."""
    made = jar("a=1", "b=2")
    made.take(head("a=; Max-Age=0"))
    assert sent(made) == "b=2"


def test_the_jar_is_bounded() -> None:
    """A target that sets cookies without end fills the jar and no more."""
    made = jar(*(f"n{number}={number}" for number in range(2 * COOKIES_PER_USER_MAX)))
    assert sent(made).count("=") == COOKIES_PER_USER_MAX


def test_a_journey_has_the_last_word() -> None:
    """A journey sets and clears cookies; a Cookie header of its own is not doubled."""
    made = jar("a=1")
    made.set("b", "2")
    assert sent(made) == "a=1; b=2"
    assert made.line(b"GET / HTTP/1.1\r\nCookie: own=1\r\n") == b""
    made.clear()
    assert sent(made) == ""
    with pytest.raises(ValueError, match="cannot be sent"):
        made.set("c", "1\r\nX: y")
