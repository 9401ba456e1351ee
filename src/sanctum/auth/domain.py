"""Accounts: sign-up, log-in, sessions, API keys, and what admins do to them."""

from __future__ import annotations

from dataclasses import dataclass

from sanctum.auth import admin_routes, key_routes
from sanctum.auth.admin import AdminStorage
from sanctum.auth.ends import Ends
from sanctum.auth.gate import CredentialGate
from sanctum.auth.key_storage import KeyStorage
from sanctum.auth.keys import ApiKeys
from sanctum.auth.metrics import SessionMetrics
from sanctum.auth.passwords import Passwords
from sanctum.auth.routes import build_router
from sanctum.auth.service import AuthService
from sanctum.auth.sessions import SessionStorage
from sanctum.auth.storage import AccountStorage
from sanctum.auth.tokens import RefreshTokens, Tokens
from sanctum.backing.database import Database
from sanctum.defects import Defects
from sanctum.domain import Domain, Shared
from sanctum.gateway.rates import RateLimit
from sanctum.settings import Settings
from sanctum.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Hold what proves who somebody is, and the gate that asks for it."""

    tokens: Tokens
    sessions: SessionStorage
    ends: Ends
    keys: ApiKeys
    gate: CredentialGate


def build_credentials(
    settings: Settings, database: Database, defects: Defects, metrics: Metrics
) -> Credentials:
    """Build the gate, which every domain shares, and what it goes by."""
    tokens = Tokens(secret=settings.jwt_secret, ttl_s=settings.token_ttl_s)
    keys = ApiKeys(database)
    sessions = SessionStorage(database)
    ends = Ends(
        sessions,
        token_ttl_s=settings.token_ttl_s,
        interval_s=settings.session_check_interval_s,
        overlap_s=settings.database_acquire_timeout_s + settings.database_command_timeout_s,
    )
    rates = RateLimit(per_s=settings.rate_limit_per_s, burst=settings.rate_limit_burst)
    gate = CredentialGate(
        tokens=tokens, ends=ends, keys=keys, rates=rates, defects=defects, metrics=metrics
    )
    return Credentials(tokens=tokens, sessions=sessions, ends=ends, keys=keys, gate=gate)


def build(shared: Shared, credentials: Credentials) -> Domain:
    """Build the domain; it mints the tokens that the gate checks."""
    settings = shared.settings
    passwords = Passwords(threads=settings.argon2_threads, waiting_max=settings.argon2_waiting_max)
    count = SessionMetrics(shared.metrics.registry)
    service = AuthService(
        accounts=AccountStorage(shared.database),
        passwords=passwords,
        sessions=credentials.sessions,
        ends=credentials.ends,
        tokens=credentials.tokens,
        refresh_tokens=RefreshTokens(secret=settings.jwt_secret, ttl_s=settings.refresh_ttl_s),
        defects=shared.defects,
        count=count,
        metrics=shared.metrics,
    )
    admin = AdminStorage(shared.database)
    keys = KeyStorage(shared.database)
    return Domain(
        routers=(
            build_router(service, shared.gate),
            key_routes.build_router(keys, credentials.keys, shared.gate),
            admin_routes.build_router(admin, shared.gate, credentials.ends, count, shared.defects),
        ),
        work={"session ends": credentials.ends.watch},
        close=passwords.close,
    )
