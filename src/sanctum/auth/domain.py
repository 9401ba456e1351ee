"""Accounts: sign-up and log-in."""

from __future__ import annotations

from sanctum.auth.passwords import Passwords
from sanctum.auth.routes import build_router
from sanctum.auth.service import AuthService
from sanctum.auth.storage import AccountStorage
from sanctum.auth.tokens import Tokens
from sanctum.domain import Domain, Shared


def build(shared: Shared, tokens: Tokens) -> Domain:
    """Build the domain; it mints the tokens that the gate checks."""
    settings = shared.settings
    passwords = Passwords(threads=settings.argon2_threads, waiting_max=settings.argon2_waiting_max)
    accounts = AccountStorage(shared.database)
    service = AuthService(accounts, passwords, tokens, shared.metrics)
    return Domain(routers=(build_router(service),), close=passwords.close)
