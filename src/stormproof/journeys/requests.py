"""The HTTP requests of a journey's `user`, as types (see `journeys.interface`).

    feed = await user.http.get("/api/posts/{id}", id=7, auth=token)
    made = await user.http.post("/api/posts", json={"text": "hello"}, first_byte_timeout=2)
    page = await user.http.get("/old", follow=5)
    sent = await user.http.post("/files", files={"photo": ("a.png", data, "image/png")})

What the target does wrong is data: a Response whose `error` says what. Its first word is the
family: `dns`, `connect`, `tls`, `write`, `timeout`, `closed`, `reset`, `protocol`, `decode`, ...
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable, Mapping, Sequence
from typing import Any, Protocol

Scalar = str | int | float | bool
Query = Mapping[str, Scalar | Sequence[Scalar]]  # a list is the same name several times
Form = Query
File = bytes | tuple[str, bytes] | tuple[str, bytes, str]  # data; file name, data; content type
Body = bytes | AsyncIterable[bytes] | Iterable[bytes]  # what is no bytes is sent in chunks


class Credential(Protocol):
    """Who is asking, as headers: `api_key(...)`, `bearer(...)`, `basic(...)`, or a secret token."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that say it."""
        ...


Auth = str | Credential


class Response(Protocol):
    """An answer over HTTP; `status` is 0 when there was none and `error` says why."""

    @property
    def status(self) -> int:
        """The status code; 0 without an answer."""
        ...

    @property
    def error(self) -> str:
        """Empty, or the kind of failure: `timeout`, `connect refused`, `tls expired`, ..."""
        ...

    @property
    def ok(self) -> bool:
        """Whether the operation counts as successful (below 400, or an expected status)."""
        ...

    @property
    def redirected(self) -> bool:
        """Whether it answers a GET that a redirect (`follow=`) made of another request."""
        ...

    @property
    def body(self) -> bytes:
        """The whole body, decoded where a coding was asked for by an Accept-Encoding header."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, by lower-case name; repeated ones joined by a comma."""
        ...

    def json(self) -> Any:
        """Decode the body; ends the iteration as failed when it is no JSON."""
        ...

    def record_check(self, name: str, passed: bool) -> None:
        """Count a check; call `check(response, ...)` instead."""
        ...


class Fetch(Protocol):
    """Send a request without a body; method and template name the operation.

    Args:
        path: a template, `/api/posts/{id}`; or an absolute URL of the target.
        query: name -> value, or a list of values.
        headers: further header lines.
        auth: a bearer token, or a credential.
        timeout: for the whole operation, in seconds from its intended start.
        expected: statuses of 400 and more that are no failure.
        follow: how many redirects to follow, on the same host; each is an operation of its own.
        retries: how often to try again after no answer, 429, 502, 503 or 504; so is each of these.
        connect_timeout: until there is a connection, TLS included, in seconds.
        first_byte_timeout: from the request written to the first byte of its answer.
        values: those of the template.
    """

    def __call__(
        self,
        path: str,
        *,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = ...,
        expected: tuple[int, ...] = (),
        follow: int = 0,
        retries: int = 0,
        connect_timeout: float | None = None,
        first_byte_timeout: float | None = None,
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send it."""
        ...


class Send(Protocol):
    """Send a request with a body; see `Fetch` for what is not said here.

    Args:
        json: what to send as JSON.
        body: bytes, or pieces of them that are sent in chunks as they come.
        form: name -> value, or a list of values.
        files: name -> data, or (file name, data), or (file name, data, content type); with `form`
            they are one multipart form.
        write_timeout: until the body is written, in seconds.
    """

    def __call__(
        self,
        path: str,
        *,
        json: object = ...,
        body: Body = b"",
        form: Form | None = None,
        files: Mapping[str, File] | None = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = ...,
        expected: tuple[int, ...] = (),
        follow: int = 0,
        retries: int = 0,
        connect_timeout: float | None = None,
        write_timeout: float | None = None,
        first_byte_timeout: float | None = None,
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send it."""
        ...


class Request(Protocol):
    """Send a request of any method, by its name in capital letters; see `Send`."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        json: object = ...,
        body: Body = b"",
        form: Form | None = None,
        files: Mapping[str, File] | None = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        auth: Auth | None = None,
        timeout: float = ...,
        expected: tuple[int, ...] = (),
        follow: int = 0,
        retries: int = 0,
        connect_timeout: float | None = None,
        write_timeout: float | None = None,
        first_byte_timeout: float | None = None,
        **values: Scalar,
    ) -> Awaitable[Response]:
        """Send it."""
        ...


class Cookies(Protocol):
    """What the target asked this user to send back; kept from one iteration to the next."""

    def get(self, name: str) -> str | None:
        """Return the value of a cookie, None when there is none."""
        ...

    def set(self, name: str, value: str) -> None:
        """Send a cookie from now on."""
        ...

    def clear(self) -> None:
        """Forget all of them."""
        ...


class Http(Protocol):
    """Requests over HTTP/1.1 on connections that stay open, to the target and nowhere else."""

    @property
    def get(self) -> Fetch:
        """Send a GET request."""
        ...

    @property
    def head(self) -> Fetch:
        """Send a HEAD request."""
        ...

    @property
    def options(self) -> Fetch:
        """Send an OPTIONS request."""
        ...

    @property
    def post(self) -> Send:
        """Send a POST request."""
        ...

    @property
    def put(self) -> Send:
        """Send a PUT request."""
        ...

    @property
    def patch(self) -> Send:
        """Send a PATCH request."""
        ...

    @property
    def delete(self) -> Send:
        """Send a DELETE request."""
        ...

    @property
    def request(self) -> Request:
        """Send a request of any method."""
        ...

    @property
    def cookies(self) -> Cookies:
        """The user's cookies."""
        ...
