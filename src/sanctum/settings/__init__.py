"""Settings: every one is an environment variable with a default and a documentation.

Each domain has a module with its own; together they are what every part of a process is built from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from sanctum.setting_values import Environment
from sanctum.settings.access import DEVELOPMENT_JWT_SECRET, AccessSettings
from sanctum.settings.commerce import CommerceSettings
from sanctum.settings.games import GameSettings
from sanctum.settings.messaging import MessagingSettings
from sanctum.settings.service import ServiceSettings
from sanctum.settings.sockets import SocketSettings
from sanctum.settings.storage import StorageSettings

PREFIX = "SANCTUM_"


class SettingsError(Exception):
    """Report every problem of the settings at once."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# Fields come in the reverse order of the bases. Slots would not do: only one base could have some.
@dataclass(frozen=True, kw_only=True)
class Settings(
    CommerceSettings,
    GameSettings,
    MessagingSettings,
    SocketSettings,
    AccessSettings,
    StorageSettings,
    ServiceSettings,
):
    """Hold every setting, already checked; read from the environment by :func:`read_settings`."""


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
