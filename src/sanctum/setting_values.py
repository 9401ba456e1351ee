"""What the value of a setting may be: each reads a text or says in one line what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from urllib.parse import urlsplit

from sanctum.defects import Defect

JWT_SECRET_LENGTH_MIN = 32


class Environment(Enum):
    """Where the service runs; production refuses what is only fit for a bench."""

    DEVELOPMENT = "development"
    TEST = "test"
    PRODUCTION = "production"


def password(raw: str) -> str:
    """Check a password of the synthetic users."""
    if not 8 <= len(raw) <= 128:
        raise ValueError("must have 8 to 128 characters")
    return raw


def signing_key(raw: str) -> str:
    """Check the key that signs tokens."""
    if len(raw) < JWT_SECRET_LENGTH_MIN:
        raise ValueError(f"must have at least {JWT_SECRET_LENGTH_MIN} characters")
    return raw


def environment(raw: str) -> Environment:
    """Read the name of an environment."""
    try:
        return Environment(raw)
    except ValueError:
        known = ", ".join(environment.value for environment in Environment)
        raise ValueError(f"{raw!r} is none of {known}") from None


def defects(raw: str) -> tuple[Defect, ...]:
    """Read names of planted defects, separated by commas."""
    names = [name.strip() for name in raw.split(",") if name.strip()]
    known = {defect.value: defect for defect in Defect}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"unknown defect {', '.join(unknown)}; known are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def origins(raw: str) -> tuple[str, ...]:
    """Read origins of web pages, separated by commas."""
    names = tuple(name.strip() for name in raw.split(",") if name.strip())
    for name in names:
        parts = urlsplit(name)
        if parts.scheme not in ("http", "https") or name != f"{parts.scheme}://{parts.netloc}":
            raise ValueError(f"{name!r} is no origin of the form https://host[:port]")
    return names


def url(*schemes: str, needs_user: bool = False, optional: bool = False) -> Callable[[str], str]:
    """Read a URL of one of the schemes."""
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


def whole(low: int, high: int) -> Callable[[str], int]:
    """Read a whole number within bounds."""

    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError:
            raise ValueError(f"{raw!r} is not a whole number") from None
        if not low <= value <= high:
            raise ValueError(f"{value} is not between {low} and {high}")
        return value

    return parse


def seconds(low: float, high: float) -> Callable[[str], float]:
    """Read a number of seconds within bounds."""

    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError:
            raise ValueError(f"{raw!r} is not a number of seconds") from None
        if not low <= value <= high:
            raise ValueError(f"{value} s is not between {low} and {high}")
        return value

    return parse


def choice(*allowed: str) -> Callable[[str], str]:
    """Read one of the allowed words."""

    def parse(raw: str) -> str:
        if raw not in allowed:
            raise ValueError(f"{raw!r} is none of {', '.join(allowed)}")
        return raw

    return parse
