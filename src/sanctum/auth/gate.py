"""The gate: which user a request comes from."""

from __future__ import annotations

from starlette.requests import Request

from sanctum.auth.tokens import Identity, InvalidToken, Tokens
from sanctum.gateway.answers import Refusal
from sanctum.telemetry.metrics import Metrics

_SCHEME = "bearer "


class Gate:
    """Let requests pass that carry a valid bearer token."""

    def __init__(self, tokens: Tokens, metrics: Metrics) -> None:
        self._tokens = tokens
        self._metrics = metrics

    def identify(self, request: Request) -> Identity:
        """Return the identity behind a request.

        Raises:
            Refusal: 401 when there is no valid bearer token.
        """
        header = request.headers.get("authorization", "")
        if not header[: len(_SCHEME)].lower() == _SCHEME:
            raise self._refusal("missing_token", "a bearer token is needed")
        try:
            return self._tokens.check(header[len(_SCHEME) :])
        except InvalidToken as error:
            raise self._refusal("invalid_token", str(error)) from error

    def _refusal(self, error: str, message: str) -> Refusal:
        self._metrics.auth_failures.labels(error).inc()
        return Refusal(401, error, message)
