"""Settings of accounts: tokens, passwords, and how often a key may ask."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanctum import setting_values as read
from sanctum.settings.about import about

DEVELOPMENT_JWT_SECRET = "sanctum-development-secret-never-for-production"  # noqa: S105


@dataclass(frozen=True, kw_only=True)
class AccessSettings:
    """Hold the settings of accounts."""

    jwt_secret: str = field(
        metadata=about(
            DEVELOPMENT_JWT_SECRET,
            "key that signs tokens, at least 32 characters; must be set in production",
            read.signing_key,
            secret=True,
        )
    )
    # A run of two hours with one token in hand must not end in a refusal.
    token_ttl_s: int = field(
        metadata=about(
            "10800",
            "seconds an access token is valid; refreshing or a log-in gives the next",
            read.whole(60, 31 * 86_400),
        )
    )
    refresh_ttl_s: int = field(
        metadata=about(
            "86400",
            "seconds a refresh token is valid: so long may a session be idle",
            read.whole(60, 366 * 86_400),
        )
    )
    session_check_interval_s: float = field(
        metadata=about(
            "1",
            "seconds between two looks at which sessions ended elsewhere: so long may an access"
            " token outlive its session",
            read.seconds(0.05, 60),
        )
    )
    seed_password: str = field(
        metadata=about(
            "sanctum-demo-password", "password of the synthetic users", read.password, secret=True
        )
    )
    argon2_threads: int = field(
        metadata=about("2", "threads that verify passwords", read.whole(1, 64))
    )
    argon2_waiting_max: int = field(
        metadata=about(
            "128",
            "log-ins that may wait for such a thread; more are refused",
            read.whole(1, 10_000),
        )
    )
    rate_limit_per_s: int = field(
        metadata=about(
            "0",
            "requests a second that one API key may make; 0: any number",
            read.whole(0, 1_000_000),
        )
    )
    rate_limit_burst: int = field(
        metadata=about(
            "100",
            "requests that an API key may make at once before its rate counts",
            read.whole(1, 1_000_000),
        )
    )
