"""Answers and refusals: JSON in, JSON out, one form for every error."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from sanctum.backing.errors import CacheUnavailable, Unavailable

BODY_BYTES_MAX = 64 * 1024
BODY_BYTES_READ_MAX = 1024 * 1024
BODY_TIMEOUT_S = 10.0  # a request that never ends would else be served for ever

T = TypeVar("T")
_encoder = msgspec.json.Encoder()


class Refusal(Exception):
    """Refuse a request with a status, a stable code and a message for people.

    Args:
        retry_after_s: whole seconds after which the client may ask again, None for no advice.
    """

    def __init__(
        self, status: int, error: str, message: str, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.message = message
        self.retry_after_s = retry_after_s


class Failure(msgspec.Struct, frozen=True):
    """Hold an error as clients see it: a stable code, and a message for people."""

    error: str
    message: str


def json_response(body: object, status: int = 200) -> Response:
    """Encode a body as a JSON response."""
    return Response(_encoder.encode(body), status, media_type="application/json")


def error_response(status: int, error: str, message: str) -> Response:
    """Encode an error in the one form that all errors have."""
    return json_response(Failure(error, message), status)


def refusal_response(refusal: Refusal) -> Response:
    """Encode a refusal, with its Retry-After where it has one."""
    response = error_response(refusal.status, refusal.error, refusal.message)
    if refusal.status == 408:
        response.headers["connection"] = "close"  # the rest of the body may never come
    if refusal.retry_after_s is not None:
        response.headers["retry-after"] = str(refusal.retry_after_s)
    return response


async def read_body(
    request: Request, decoder: msgspec.json.Decoder[T], *, bytes_max: int = BODY_BYTES_MAX
) -> T:
    """Read and decode a JSON body of at most `bytes_max` bytes.

    Raises:
        Refusal: 408 when the body does not come in time, 413 when it is too large, 422 when it is
            not what the decoder expects.
    """
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            received = await _receive_body(request, bytes_max)
    except TimeoutError:
        message = f"the body did not come within {BODY_TIMEOUT_S:g} s"
        raise Refusal(408, "body_too_slow", message) from None
    try:
        return decoder.decode(received)
    except msgspec.ValidationError as error:
        raise Refusal(422, "invalid_body", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "malformed_body", f"the body is not JSON: {error}") from error


async def _receive_body(request: Request, bytes_max: int) -> bytearray:
    received = bytearray()
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= bytes_max:
            received += chunk
        elif size > BODY_BYTES_READ_MAX:
            break  # until then it is read on: who is still sending may not hear the refusal
    if size > bytes_max:
        raise Refusal(413, "body_too_large", f"the body exceeds {bytes_max} bytes")
    return received


def check_storable(text: str, what: str) -> str:
    """Return text that PostgreSQL can hold.

    Raises:
        Refusal: 422 for a NUL character or an unpaired surrogate.
    """
    if not is_storable(text):
        raise Refusal(422, "invalid_body", f"{what} holds a character that cannot be stored")
    return text


def is_storable(text: str) -> bool:
    """Tell whether text is free of NUL characters and unpaired surrogates."""
    return "\x00" not in text and not any("\ud800" <= char <= "\udfff" for char in text)


def refusal_of(error: Unavailable) -> Refusal:
    """Say to a client which backing service does not answer."""
    what = "cache" if isinstance(error, CacheUnavailable) else "database"
    return Refusal(503, f"{what}_unavailable", f"the {what} does not answer; try again")


def install_error_answers(app: FastAPI) -> None:
    """Answer every known error in the one form."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Unavailable, _unavailable)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(ClientDisconnect, _client_gone)


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return refusal_response(error)


async def _unavailable(request: Request, error: Exception) -> Response:
    assert isinstance(error, Unavailable)
    return await _refused(request, refusal_of(error))


async def _client_gone(_request: Request, _error: Exception) -> Response:
    return error_response(400, "incomplete_body", "the body ended early")


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = error.detail.lower().replace(" ", "_")
    response = error_response(error.status_code, code, error.detail)
    response.headers.update(error.headers or {})
    return response
