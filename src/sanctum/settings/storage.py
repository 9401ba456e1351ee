"""Settings of PostgreSQL and the cache."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanctum import setting_values as read
from sanctum.settings.about import about

POSTGRES = read.url("postgresql", "postgres", needs_user=True)


@dataclass(frozen=True, kw_only=True)
class StorageSettings:
    """Hold the settings of PostgreSQL and the cache."""

    database_url: str = field(
        metadata=about(
            "postgresql://sanctum_app:sanctum-app@127.0.0.1:5432/sanctum",
            "PostgreSQL as the application's role, which neither owns the tables nor is superuser",
            POSTGRES,
            secret=True,
        )
    )
    database_owner_url: str = field(
        metadata=about(
            "",
            "PostgreSQL as the owner of the tables; needed by migrate and seed only",
            read.url("postgresql", "postgres", needs_user=True, optional=True),
            secret=True,
        )
    )
    database_pool_max: int = field(
        metadata=about("10", "connections to PostgreSQL at most", read.whole(1, 500))
    )
    database_acquire_timeout_s: float = field(
        metadata=about("1.0", "seconds to wait for a free connection", read.seconds(0.05, 60))
    )
    database_command_timeout_s: float = field(
        metadata=about("3.0", "seconds a statement may take", read.seconds(0.05, 600))
    )
    database_waiting_max: int = field(
        metadata=about(
            "256",
            "operations that may wait for a free connection; more are answered 503",
            read.whole(1, 100_000),
        )
    )
    database_idle_max_s: float = field(
        metadata=about(
            "30", "seconds after which an unused connection is closed", read.seconds(0.1, 3600)
        )
    )
    cache_url: str = field(
        metadata=about(
            "valkey://127.0.0.1:6379/0",
            "Valkey or Redis: tickets and fan-out",
            read.url("valkey", "redis"),
            secret=True,
        )
    )
    cache_pool_max: int = field(
        metadata=about("16", "connections to the cache at most", read.whole(1, 500))
    )
    cache_timeout_s: float = field(
        metadata=about(
            "0.4",
            "seconds a cache operation may take before it counts as failed",
            read.seconds(0.05, 0.5),
        )
    )
