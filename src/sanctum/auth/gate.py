"""The gate: which user a request comes from."""

from __future__ import annotations

import math

from starlette.requests import Request

from sanctum.auth.keys import ApiKeys
from sanctum.auth.tokens import InvalidToken, Tokens
from sanctum.gateway.answers import Refusal
from sanctum.gateway.identity import Identity
from sanctum.gateway.rates import RateLimit
from sanctum.telemetry.metrics import Metrics

_SCHEME = "bearer "


class CredentialGate:
    """Let requests pass that carry a valid API key or bearer token; a key has its rate."""

    def __init__(self, tokens: Tokens, keys: ApiKeys, rates: RateLimit, metrics: Metrics) -> None:
        self._tokens = tokens
        self._keys = keys
        self._rates = rates
        self._metrics = metrics

    async def identify(self, request: Request) -> Identity:
        """Return the identity behind a request; a key that is given counts, whatever else is.

        Raises:
            Refusal: 401 when there is no valid key or token, 429 when the key asks too often.
            DatabaseUnavailable: when a key cannot be looked up.
        """
        key = request.headers.get("x-api-key")
        return self._holder_of_token(request) if key is None else await self._holder_of_key(key)

    async def _holder_of_key(self, key: str) -> Identity:
        holder = await self._keys.find(key)
        if holder is None:
            raise self._refusal("invalid_key", "the API key is unknown or has expired")
        wait_s = self._rates.take(key)
        if wait_s > 0:
            self._metrics.rate_limit_hits.labels("key").inc()
            message = "this API key asks too often; try again later"
            raise Refusal(429, "rate_limited", message, retry_after_s=math.ceil(wait_s))
        return holder

    def _holder_of_token(self, request: Request) -> Identity:
        header = request.headers.get("authorization", "")
        if not header[: len(_SCHEME)].lower() == _SCHEME:
            raise self._refusal("missing_token", "a bearer token or an API key is needed")
        try:
            return self._tokens.check(header[len(_SCHEME) :])
        except InvalidToken as error:
            raise self._refusal("invalid_token", str(error)) from error

    def _refusal(self, error: str, message: str) -> Refusal:
        self._metrics.auth_failures.labels(error).inc()
        return Refusal(401, error, message)
