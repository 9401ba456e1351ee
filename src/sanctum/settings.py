"""Settings: every one is an environment variable with a default and a documentation."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from sanctum.defects import Defect

PREFIX = "SANCTUM_"
DEVELOPMENT_JWT_SECRET = "sanctum-development-secret-never-for-production"  # noqa: S105
JWT_SECRET_LENGTH_MIN = 32


class Environment(Enum):
    """Where the service runs; production refuses what is only fit for a bench."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


class SettingsError(Exception):
    """Report every problem of the settings at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def _about(
    default: str, doc: str, parse: Callable[[str], object], *, secret: bool = False
) -> dict[str, object]:
    return {"default": default, "doc": doc, "parse": parse, "secret": secret}


def _password(raw: str) -> str:
    if not 8 <= len(raw) <= 128:
        raise ValueError("must have 8 to 128 characters")
    return raw


def _signing_key(raw: str) -> str:
    if len(raw) < JWT_SECRET_LENGTH_MIN:
        raise ValueError(f"must have at least {JWT_SECRET_LENGTH_MIN} characters")
    return raw


def _environment(raw: str) -> Environment:
    try:
        return Environment(raw)
    except ValueError:
        known = ", ".join(environment.value for environment in Environment)
        raise ValueError(f"{raw!r} is none of {known}") from None


def _defects(raw: str) -> tuple[Defect, ...]:
    names = [name.strip() for name in raw.split(",") if name.strip()]
    known = {defect.value: defect for defect in Defect}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown defect {', '.join(unknown)}; known are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def _url(*schemes: str, needs_user: bool = False, optional: bool = False) -> Callable[[str], str]:
    user = "user[:password]@" if needs_user else "[user:password@]"

    def parse(raw: str) -> str:
        if optional and not raw:
            return raw
        try:
            parts = urlsplit(raw)
            complete = bool(parts.hostname) and (parts.port is None or parts.port > 0)
            complete = complete and (bool(parts.username) or not needs_user)
        except ValueError:
            complete = False
            parts = urlsplit("")
        if not complete or parts.scheme not in schemes:
            raise ValueError(f"not a URL of the form {schemes[0]}://{user}host[:port]/name")
        return raw

    return parse


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            raise ValueError(f"{raw!r} is not a whole number") from None
        if not low <= value <= high:
            raise ValueError(f"{value} is not between {low} and {high}")
        return value

    return parse


def _seconds(low: float, high: float) -> Callable[[str], float]:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            raise ValueError(f"{raw!r} is not a number of seconds") from None
        if not low <= value <= high:
            raise ValueError(f"{value} s is not between {low} and {high}")
        return value

    return parse


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is none of {', '.join(allowed)}")
        return raw

    return parse


_POSTGRES = _url("postgresql", "postgres", needs_user=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Hold every setting, already checked; read from the environment by :func:`read_settings`."""

    env: Environment = field(
        metadata=_about("development", "development, test or production", _environment)
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
            _url("postgresql", "postgres", needs_user=True, optional=True),
            secret=True,
        )
    )
    cache_url: str = field(
        metadata=_about(
            "valkey://127.0.0.1:6379/0",
            "Valkey or Redis: tickets and fan-out",
            _url("valkey", "redis"),
            secret=True,
        )
    )
    jwt_secret: str = field(
        metadata=_about(
            DEVELOPMENT_JWT_SECRET,
            "key that signs tokens, at least 32 characters; must be set in production",
            _signing_key,
            secret=True,
        )
    )
    token_ttl_s: int = field(
        metadata=_about("43200", "seconds a token is valid", _whole(60, 31 * 86_400))
    )
    defects: tuple[Defect, ...] = field(
        metadata=_about("", "planted defects, separated by commas; refused in production", _defects)
    )
    seed_password: str = field(
        metadata=_about(
            "sanctum-demo-password", "password of the synthetic users", _password, secret=True
        )
    )
    database_pool_max: int = field(
        metadata=_about("10", "connections to PostgreSQL at most", _whole(1, 500))
    )
    database_acquire_timeout_s: float = field(
        metadata=_about("1.0", "seconds to wait for a free connection", _seconds(0.05, 60))
    )
    database_command_timeout_s: float = field(
        metadata=_about("3.0", "seconds a statement may take", _seconds(0.05, 600))
    )
    cache_pool_max: int = field(
        metadata=_about("16", "connections to the cache at most", _whole(1, 500))
    )
    cache_timeout_s: float = field(
        metadata=_about(
            "0.4",
            "seconds a cache operation may take before it counts as failed",
            _seconds(0.05, 0.5),
        )
    )
    argon2_threads: int = field(
        metadata=_about("2", "threads that verify passwords", _whole(1, 64))
    )
    argon2_waiting_max: int = field(
        metadata=_about(
            "128", "log-ins that may wait for such a thread; more are refused", _whole(1, 10_000)
        )
    )
    ticket_ttl_s: int = field(
        metadata=_about("30", "seconds a WebSocket ticket is valid", _whole(1, 600))
    )
    socket_queue_max: int = field(
        metadata=_about(
            "256", "frames that may wait for one socket before it is closed", _whole(1, 65_536)
        )
    )
    socket_send_timeout_s: float = field(
        metadata=_about(
            "10",
            "seconds one frame may take to leave before its socket is closed",
            _seconds(0.1, 120),
        )
    )
    heartbeat_interval_s: float = field(
        metadata=_about("20", "seconds between two WebSocket pings", _seconds(0.1, 600))
    )
    heartbeat_timeout_s: float = field(
        metadata=_about(
            "20", "seconds a pong may take before the socket is closed", _seconds(0.1, 600)
        )
    )
    fanout_queue_max: int = field(
        metadata=_about(
            "4096", "committed messages that may wait for publication", _whole(1, 1_000_000)
        )
    )
    sweep_interval_s: float = field(
        metadata=_about(
            "2", "seconds between two sweeps for undelivered messages", _seconds(0.1, 60)
        )
    )
    health_interval_s: float = field(
        metadata=_about("0.25", "seconds between two checks of a dependency", _seconds(0.05, 0.5))
    )
    health_deadline_s: float = field(
        metadata=_about("0.5", "seconds such a check may take", _seconds(0.05, 0.5))
    )
    connections_max: int = field(
        metadata=_about(
            "4096", "open connections at most; more are answered 503", _whole(8, 1_000_000)
        )
    )
    concurrency_max: int = field(
        metadata=_about(
            "200", "requests served at once; one more is answered 429", _whole(1, 100_000)
        )
    )
    rate_limit_per_s: int = field(
        metadata=_about(
            "0", "requests a second that one API key may make; 0: any number", _whole(0, 1_000_000)
        )
    )
    rate_limit_burst: int = field(
        metadata=_about(
            "100",
            "requests that an API key may make at once before its rate counts",
            _whole(1, 1_000_000),
        )
    )
    log_level: str = field(
        metadata=_about(
            "info", "debug, info, warning or error", _choice("debug", "info", "warning", "error")
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
