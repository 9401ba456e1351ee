"""The gate: which user a request comes from, and what that user may do."""

from __future__ import annotations

import math
from collections.abc import Collection

from starlette.requests import Request

from sanctum.auth.ends import Ends
from sanctum.auth.keys import ApiKeys
from sanctum.auth.tokens import InvalidToken, Tokens
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal
from sanctum.gateway.identity import Identity, Role
from sanctum.gateway.rates import RateLimit
from sanctum.telemetry.metrics import Metrics

_SCHEME = "bearer "


class CredentialGate:
    """Let requests pass that carry a valid API key or bearer token; a key has its rate."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        ends: Ends,
        keys: ApiKeys,
        rates: RateLimit,
        defects: Defects,
        metrics: Metrics,
    ) -> None:
        self._tokens = tokens
        self._ends = ends
        self._keys = keys
        self._rates = rates
        self._defects = defects
        self._metrics = metrics

    async def identify(self, request: Request) -> Identity:
        """Return the identity behind a request; a key that is given counts, whatever else is.

        Raises:
            Refusal: 401 when there is no valid key or token, 429 when the key asks too often.
            DatabaseUnavailable: when a key cannot be looked up.
        """
        key = request.headers.get("x-api-key")
        if key is not None:
            return await self._holder_of_key(key)
        return await self._holder_of_token(request)

    async def require(self, request: Request, role: Role) -> Identity:
        """Return the identity behind a request, whose role covers the one needed.

        Raises:
            Refusal: 403 when it does not; 401 and 429 as :meth:`identify` says.
            DatabaseUnavailable: when a key cannot be looked up.
        """
        who = await self.identify(request)
        if not who.role.covers(role):
            self._metrics.security_denied.labels("role").inc()
            raise Refusal(403, "role_needed", f"this is for the role {role.value}")
        return who

    def has_ended(self, identity: Identity) -> bool:
        """Tell whether the session that proved an identity has ended since; keys have none."""
        return identity.session is not None and self._ends.include(identity)

    async def ended_keys(self, keys: Collection[int]) -> Collection[int]:
        """List those API keys that are valid no more; raises DatabaseUnavailable."""
        return await self._keys.ended(keys)

    async def _holder_of_key(self, key: str) -> Identity:
        holder = await self._keys.find(key)
        if holder is None:
            raise self._refusal("invalid_key", "the API key is unknown or has expired")
        wait_s = self._rates.take(key)
        if wait_s > 0:
            if self._defects.counts_limit_hits():
                self._metrics.rate_limit_hits.labels("key").inc()
            message = "this API key asks too often; try again later"
            raise Refusal(429, "rate_limited", message, retry_after_s=math.ceil(wait_s))
        return holder

    async def _holder_of_token(self, request: Request) -> Identity:
        header = request.headers.get("authorization", "")
        if not header[: len(_SCHEME)].lower() == _SCHEME:
            raise self._refusal("missing_token", "a bearer token or an API key is needed")
        try:
            proof = self._tokens.check(header[len(_SCHEME) :])
        except InvalidToken as error:
            raise self._refusal("invalid_token", str(error)) from error
        if await self._ends.refuses(proof):
            raise self._refusal("ended_session", "the session has ended; log in again")
        return proof.identity

    def _refusal(self, error: str, message: str) -> Refusal:
        self._metrics.auth_failures.labels(error).inc()
        return Refusal(401, error, message)
