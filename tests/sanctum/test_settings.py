"""Settings: documented, checked all at once, strict in production, secrets masked."""

from __future__ import annotations

import pytest

from sanctum.defects import Defect
from sanctum.setting_values import Environment
from sanctum.settings import (
    SettingsError,
    describe_settings,
    read_settings,
    unknown_variables,
)

PRODUCTION = {
    "SANCTUM_ENV": "production",
    "SANCTUM_JWT_SECRET": "a secret of its own, long enough to sign with",
}


def _problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read_settings(environ)
    return caught.value.problems


def test_defaults_are_valid() -> None:
    """With no environment at all the settings are those of a development machine."""
    settings = read_settings({})
    assert settings.env is Environment.DEVELOPMENT
    assert settings.defects == ()


def test_every_problem_is_named_at_once() -> None:
    """Several bad settings are reported together, each under its variable's name."""
    problems = _problems(
        SANCTUM_ENV="staging",
        SANCTUM_DATABASE_URL="mysql://x@y/z",
        SANCTUM_CACHE_URL="valkey://:notaport",
        SANCTUM_TICKET_TTL_S="soon",
        SANCTUM_CACHE_TIMEOUT_S="60",
        SANCTUM_HEALTH_INTERVAL_S="nan",
        SANCTUM_DEFECTS="slow_feed,typo",
        SANCTUM_LOG_LEVEL="loud",
        SANCTUM_JWT_SECRET="short",
        SANCTUM_SEED_PASSWORD="short",
    )
    names = [problem.split(":")[0] for problem in problems]
    assert names == [
        "SANCTUM_ENV",
        "SANCTUM_DEFECTS",
        "SANCTUM_LOG_LEVEL",
        "SANCTUM_HEALTH_INTERVAL_S",
        "SANCTUM_DATABASE_URL",
        "SANCTUM_CACHE_URL",
        "SANCTUM_CACHE_TIMEOUT_S",
        "SANCTUM_JWT_SECRET",
        "SANCTUM_SEED_PASSWORD",
        "SANCTUM_TICKET_TTL_S",
    ]


def test_database_url_needs_a_user() -> None:
    """A database URL without a user is refused: it names the role that migrations make."""
    assert "user" in _problems(SANCTUM_DATABASE_URL="postgresql://127.0.0.1/sanctum")[0]


def test_variables_that_are_no_settings_are_listed() -> None:
    """A misspelt variable is found, and foreign variables are left alone."""
    environ = {"SANCTUM_DEFECT": "slow_feed", "SANCTUM_DEFECTS": "", "PATH": "/bin"}
    assert unknown_variables(environ) == ["SANCTUM_DEFECT"]


def test_problem_does_not_show_a_secret() -> None:
    """The message about a bad database URL does not repeat the password in it."""
    problems = _problems(SANCTUM_DATABASE_URL="mysql://user:hunter2@host/db")
    assert "hunter2" not in " ".join(problems)


def test_defects_are_read_by_name() -> None:
    """A list of defects, spaces and repetition allowed, becomes the defects it names."""
    settings = read_settings({"SANCTUM_DEFECTS": "slow_feed, lose_message,slow_feed"})
    assert settings.defects == (Defect.SLOW_FEED, Defect.LOSE_MESSAGE)


def test_production_refuses_what_is_for_the_bench() -> None:
    """In production the known secret, planted defects and the owner's role are all refused."""
    problems = _problems(
        SANCTUM_ENV="production",
        SANCTUM_DEFECTS="slow_feed",
        SANCTUM_DATABASE_OWNER_URL="postgresql://sanctum_app@127.0.0.1/sanctum",
    )
    names = {problem.split(":")[0] for problem in problems}
    assert names == {"SANCTUM_JWT_SECRET", "SANCTUM_DEFECTS", "SANCTUM_DATABASE_URL"}
    assert read_settings(PRODUCTION).env is Environment.PRODUCTION


def test_every_setting_is_described_and_secrets_are_masked() -> None:
    """Each setting shows name, value, default and documentation; no secret is shown."""
    environ = {
        **PRODUCTION,
        "SANCTUM_DATABASE_URL": "postgresql://app:hunter2@db.example:5433/sanctum",
        "SANCTUM_SEED_PASSWORD": "hunter2-hunter2",
    }
    lines = describe_settings(environ)
    text = "\n".join(f"{line.name}={line.value} {line.default}" for line in lines)
    assert "hunter2" not in text
    assert PRODUCTION["SANCTUM_JWT_SECRET"] not in text
    assert "SANCTUM_DATABASE_URL=postgresql://app:***@db.example:5433/sanctum" in text
    assert all(line.doc for line in lines)
    assert len({line.name for line in lines}) == len(lines)
