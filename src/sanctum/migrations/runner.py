"""Bring a database to the newest revision and let the application's role in."""

from __future__ import annotations

import asyncio
from importlib.resources import as_file, files
from urllib.parse import unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]
from alembic import command
from alembic.config import Config
from sqlalchemy import make_url

CONNECT_TIMEOUT_S = 5


def migrate(owner_url: str, app_url: str) -> str:
    """Make the application's role where it is missing and run every open revision.

    Args:
        owner_url: PostgreSQL as the owner of the tables.
        app_url: PostgreSQL as the application; its user and password become the role.

    Returns:
        the name of the application's role.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError, sqlalchemy.exc.SQLAlchemyError: when the
            database cannot be reached or refuses.
    """
    parts = urlsplit(app_url)
    role, password = unquote(parts.username or ""), unquote(parts.password or "")
    asyncio.run(_ensure_role(owner_url, role, password))
    url = make_url(owner_url).set(drivername="postgresql+asyncpg")
    with as_file(files(__package__)) as location:
        config = Config(attributes={"url": url, "role": role})
        config.set_main_option("script_location", str(location).replace("%", "%%"))
        command.upgrade(config, "head")
    return role


async def _ensure_role(owner_url: str, role: str, password: str) -> None:
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_TIMEOUT_S)
    try:
        known = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
        if known is None:
            statement = await connection.fetchval(
                "SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER PASSWORD %L', $1::text, $2::text)",
                role,
                password,
            )
            await connection.execute(statement)
    finally:
        await connection.close()
