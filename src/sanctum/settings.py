"""Settings: every one is an environment variable with a default and a documentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sanctum import setting_values as read
from sanctum.defects import Defect
from sanctum.setting_values import Environment

PREFIX = "SANCTUM_"
DEVELOPMENT_JWT_SECRET = "sanctum-development-secret-never-for-production"  # noqa: S105


class SettingsError(Exception):
    """Report every problem of the settings at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _about(
    default: str, doc: str, parse: Callable[[str], object], *, secret: bool = False
) -> dict[str, object]:
    return {"default": default, "doc": doc, "parse": parse, "secret": secret}


_POSTGRES = read.url("postgresql", "postgres", needs_user=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold every setting, already checked; read from the environment by :func:`read_settings`."""

    env: Environment = field(
        metadata=_about("development", "development, test or production", read.environment)
    )
    database_url: str = field(
        metadata=_about(
            "postgresql://sanctum_app:sanctum-app@127.0.0.1:5432/sanctum",
            "PostgreSQL as the application's role, which neither owns the tables nor is superuser",
            _POSTGRES,
            secret=True,
        )
    )
    database_owner_url: str = field(
        metadata=_about(
            "",
            "PostgreSQL as the owner of the tables; needed by migrate and seed only",
            read.url("postgresql", "postgres", needs_user=True, optional=True),
            secret=True,
        )
    )
    cache_url: str = field(
        metadata=_about(
            "valkey://127.0.0.1:6379/0",
            "Valkey or Redis: tickets and fan-out",
            read.url("valkey", "redis"),
            secret=True,
        )
    )
    jwt_secret: str = field(
        metadata=_about(
            DEVELOPMENT_JWT_SECRET,
            "key that signs tokens, at least 32 characters; must be set in production",
            read.signing_key,
            secret=True,
        )
    )
    # A run of two hours with one token in hand must not end in a refusal.
    token_ttl_s: int = field(
        metadata=_about(
            "10800",
            "seconds an access token is valid; refreshing or a log-in gives the next",
            read.whole(60, 31 * 86_400),
        )
    )
    refresh_ttl_s: int = field(
        metadata=_about(
            "86400",
            "seconds a refresh token is valid: so long may a session be idle",
            read.whole(60, 366 * 86_400),
        )
    )
    session_check_interval_s: float = field(
        metadata=_about(
            "1",
            "seconds between two looks at which sessions ended elsewhere: so long may an access"
            " token outlive its session",
            read.seconds(0.05, 60),
        )
    )
    defects: tuple[Defect, ...] = field(
        metadata=_about(
            "", "planted defects, separated by commas; refused in production", read.defects
        )
    )
    seed_password: str = field(
        metadata=_about(
            "sanctum-demo-password", "password of the synthetic users", read.password, secret=True
        )
    )
    database_pool_max: int = field(
        metadata=_about("10", "connections to PostgreSQL at most", read.whole(1, 500))
    )
    database_acquire_timeout_s: float = field(
        metadata=_about("1.0", "seconds to wait for a free connection", read.seconds(0.05, 60))
    )
    database_command_timeout_s: float = field(
        metadata=_about("3.0", "seconds a statement may take", read.seconds(0.05, 600))
    )
    database_waiting_max: int = field(
        metadata=_about(
            "256",
            "operations that may wait for a free connection; more are answered 503",
            read.whole(1, 100_000),
        )
    )
    database_idle_max_s: float = field(
        metadata=_about(
            "30", "seconds after which an unused connection is closed", read.seconds(0.1, 3600)
        )
    )
    cache_pool_max: int = field(
        metadata=_about("16", "connections to the cache at most", read.whole(1, 500))
    )
    cache_timeout_s: float = field(
        metadata=_about(
            "0.4",
            "seconds a cache operation may take before it counts as failed",
            read.seconds(0.05, 0.5),
        )
    )
    argon2_threads: int = field(
        metadata=_about("2", "threads that verify passwords", read.whole(1, 64))
    )
    argon2_waiting_max: int = field(
        metadata=_about(
            "128",
            "log-ins that may wait for such a thread; more are refused",
            read.whole(1, 10_000),
        )
    )
    ticket_ttl_s: int = field(
        metadata=_about("30", "seconds a WebSocket ticket is valid", read.whole(1, 600))
    )
    sockets_max: int = field(
        metadata=_about("2048", "open WebSockets; one more is answered 429", read.whole(1, 10**6))
    )
    socket_queue_max: int = field(
        metadata=_about(
            "256", "frames that may wait for one socket before it is closed", read.whole(1, 65_536)
        )
    )
    socket_queue_bytes_max: int = field(
        metadata=_about(
            "4194304",
            "bytes that may wait for one socket before it is closed",
            read.whole(1, 1_073_741_824),
        )
    )
    origins_allowed: tuple[str, ...] = field(
        metadata=_about(
            "",
            "origins whose pages may open WebSockets, separated by commas; empty: all",
            read.origins,
        )
    )
    socket_send_timeout_s: float = field(
        metadata=_about(
            "10",
            "seconds one frame may take to leave before its socket is closed",
            read.seconds(0.1, 120),
        )
    )
    heartbeat_interval_s: float = field(
        metadata=_about("20", "seconds between two WebSocket pings", read.seconds(0.1, 600))
    )
    heartbeat_timeout_s: float = field(
        metadata=_about(
            "20", "seconds a pong may take before the socket is closed", read.seconds(0.1, 600)
        )
    )
    fanout_queue_max: int = field(
        metadata=_about(
            "4096", "committed messages that may wait for publication", read.whole(1, 1_000_000)
        )
    )
    sweep_interval_s: float = field(
        metadata=_about(
            "2", "seconds between two sweeps for what was not heard of", read.seconds(0.1, 60)
        )
    )
    participants_kept_max: int = field(
        metadata=_about(
            "4096",
            "conversations whose participants a process keeps at hand",
            read.whole(1, 1_000_000),
        )
    )
    participants_trusted_s: float = field(
        metadata=_about(
            "5",
            "seconds that kept participants are trusted after the database agreed with them; no"
            " change of them that was not heard of is missed for longer",
            read.seconds(0.1, 60),
        )
    )
    dispatch_interval_s: float = field(
        metadata=_about(
            "0.02", "seconds the dispatcher waits when the outbox is empty", read.seconds(0.001, 10)
        )
    )
    dispatch_retry_s: float = field(
        metadata=_about(
            "0.25", "seconds the dispatcher waits after a vain attempt", read.seconds(0.01, 60)
        )
    )
    dispatch_attempts_max: int = field(
        metadata=_about(
            "8", "vain attempts before a message is set aside as a dead letter", read.whole(1, 1000)
        )
    )
    dispatch_vanished_after_s: float = field(
        metadata=_about(
            "3",
            "seconds after which an undelivered message is looked for in the stream",
            read.seconds(0.1, 600),
        )
    )
    stream_entries_max: int = field(
        metadata=_about(
            "100000",
            "undelivered messages in the stream at most; more wait in the outbox",
            read.whole(100, 10_000_000),
        )
    )
    reclaim_interval_s: float = field(
        metadata=_about(
            "1",
            "seconds between two looks for messages left by dead consumers",
            read.seconds(0.1, 60),
        )
    )
    reclaim_idle_s: float = field(
        metadata=_about(
            "3",
            "seconds without work on a message after which its consumer counts as dead",
            read.seconds(0.5, 600),
        )
    )
    health_interval_s: float = field(
        metadata=_about(
            "0.25", "seconds between two checks of a dependency", read.seconds(0.05, 0.5)
        )
    )
    health_deadline_s: float = field(
        metadata=_about("0.5", "seconds such a check may take", read.seconds(0.05, 0.5))
    )
    connections_max: int = field(
        metadata=_about(
            "4096", "open connections at most; more are answered 503", read.whole(8, 1_000_000)
        )
    )
    concurrency_max: int = field(
        metadata=_about(
            "200", "requests served at once; one more is answered 429", read.whole(1, 100_000)
        )
    )
    rate_limit_per_s: int = field(
        metadata=_about(
            "0",
            "requests a second that one API key may make; 0: any number",
            read.whole(0, 1_000_000),
        )
    )
    rate_limit_burst: int = field(
        metadata=_about(
            "100",
            "requests that an API key may make at once before its rate counts",
            read.whole(1, 1_000_000),
        )
    )
    game_idle_s: float = field(
        metadata=_about(
            "300",
            "seconds without a move after which a game room ends",
            read.seconds(0.2, 86_400),
        )
    )
    charging_delay_s: float = field(
        metadata=_about(
            "0", "seconds that the built-in charging provider takes", read.seconds(0, 60)
        )
    )
    charging_timeout_s: float = field(
        metadata=_about("2", "seconds to wait for the charging provider", read.seconds(0.05, 60))
    )
    settle_after_s: float = field(
        metadata=_about(
            "30",
            "seconds after which a payment that was left open is closed",
            read.seconds(0.2, 3600),
        )
    )
    log_level: str = field(
        metadata=_about(
            "info",
            "debug, info, warning or error",
            read.choice("debug", "info", "warning", "error"),
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingLine:
    """Describe one setting for a reader; secrets are masked."""

    name: str
    value: str
    default: str
    doc: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read all settings from environment variables.

    Raises:
        SettingsError: with every problem, when a value is malformed or not fit for production.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for item in dataclasses.fields(Settings):
        name = variable_name(item.name)
        raw = environ.get(name, item.metadata["default"])
        try:
            values[item.name] = item.metadata["parse"](raw)
        except ValueError as error:
            problems.append(f"{name}: {error}")
    problems.extend(_production_problems(values))
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _production_problems(values: Mapping[str, Any]) -> Iterator[str]:
    if values.get("env") is not Environment.PRODUCTION:
        return
    if values.get("jwt_secret") == DEVELOPMENT_JWT_SECRET:
        yield f"{PREFIX}JWT_SECRET: production needs a secret of its own"
    roles = [_user(values.get(name, "")) for name in ("database_url", "database_owner_url")]
    if roles[0] == roles[1]:
        yield f"{PREFIX}DATABASE_URL: the application must not connect as the owner of the tables"
    if values.get("defects"):
        yield f"{PREFIX}DEFECTS: planted defects are refused in production"


def _user(url: str) -> str | None:
    return urlsplit(url).username


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """List variables with the prefix that name no setting; others may put some there."""
    known = {variable_name(item.name) for item in dataclasses.fields(Settings)}
    return sorted(name for name in environ if name.startswith(PREFIX) and name not in known)


def variable_name(field_name: str) -> str:
    """Give the environment variable of a setting."""
    return PREFIX + field_name.upper()


def describe_settings(environ: Mapping[str, str]) -> list[SettingLine]:
    """List every setting with its present raw value, in the order of declaration."""
    lines = []
    for item in dataclasses.fields(Settings):
        name = variable_name(item.name)
        default = item.metadata["default"]
        value = environ.get(name, default)
        if item.metadata["secret"]:
            value, default = _masked(value), _masked(default)
        lines.append(SettingLine(name=name, value=value, default=default, doc=item.metadata["doc"]))
    return lines


def _masked(raw: str) -> str:
    if not raw:
        return raw
    if "://" not in raw:
        return "***"
    scheme, _, rest = raw.partition("://")
    credentials, at, location = rest.rpartition("@")
    user, colon, _ = credentials.partition(":")
    return f"{scheme}://{user}{colon and ':***'}{at}{location}"
