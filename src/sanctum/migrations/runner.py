"""Bring a database to a revision and let the application's role in."""

from __future__ import annotations

import asyncio
import time
from importlib.resources import as_file, files
from urllib.parse import unquote, urlsplit

import asyncpg  # type: ignore[import-untyped]
from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

CONNECT_TIMEOUT_S = 5
HEAD = "head"
BUSY_TRIES_MAX = 20
BUSY_PAUSE_S = 0.5


# Row-level security holds for none of these, and who owns a table may change it at will.
_UNFIT = """
    SELECT CASE
        WHEN r.rolname = current_user THEN 'it is the owner of the tables'
        WHEN r.rolsuper THEN 'it is a superuser'
        WHEN r.rolbypassrls THEN 'it bypasses row-level security'
        WHEN pg_has_role(r.oid, current_user, 'MEMBER') THEN 'it may act as the owner of the tables'
        WHEN EXISTS (
            SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = current_schema() AND c.relkind = 'r' AND c.relowner = r.oid
        ) THEN 'it owns tables'
    END
    FROM pg_roles r WHERE r.rolname = $1
"""


class UnfitRole(Exception):
    """Say why a role must not be the application's."""


class UnknownRevision(Exception):
    """Say that there is no such revision, or no way to it in this direction."""


def migrate(owner_url: str, app_url: str, to: str = HEAD, *, undo: bool = False) -> str:
    """Make the application's role where it is missing and run the revisions up to one.

    While tables are in use it waits for them in short turns, so that their users do not wait for
    it; nothing is changed before everything can be.

    Args:
        owner_url: PostgreSQL as the owner of the tables.
        app_url: PostgreSQL as the application; its user and password become the role.
        to: the revision.
        undo: whether later revisions are undone, which loses what only they can hold.

    Returns:
        the name of the application's role.

    Raises:
        UnknownRevision: when the revision cannot be come to.
        UnfitRole: when the application's role could pass by row-level security; nothing is changed.
        OSError, TimeoutError, asyncpg.PostgresError, sqlalchemy.exc.SQLAlchemyError: when the
            database cannot be reached or refuses, or its tables stay in use.
    """
    parts = urlsplit(app_url)
    role, password = unquote(parts.username or ""), unquote(parts.password or "")
    asyncio.run(_ensure_role(owner_url, role, password))
    url = make_url(owner_url).set(drivername="postgresql+asyncpg")
    with as_file(files(__package__)) as location:
        config = Config(attributes={"url": url, "role": role})
        config.set_main_option("script_location", str(location).replace("%", "%%"))
        _run(config, to, undo=undo)
    return role


def _run(config: Config, to: str, *, undo: bool) -> None:
    move = command.downgrade if undo else command.upgrade
    tries_left = BUSY_TRIES_MAX
    while True:
        tries_left -= 1
        try:
            return move(config, to)
        except CommandError as error:
            raise UnknownRevision(str(error)) from error
        except DBAPIError as error:
            if not tries_left or not _in_use(error):
                raise
        time.sleep(BUSY_PAUSE_S)


def _in_use(error: DBAPIError) -> bool:
    state: object = getattr(error.orig, "sqlstate", None)
    return bool(state == asyncpg.LockNotAvailableError.sqlstate)


async def _ensure_role(owner_url: str, role: str, password: str) -> None:
    connection = await asyncpg.connect(owner_url, timeout=CONNECT_TIMEOUT_S)
    try:
        known = await connection.fetchrow(_UNFIT, role)
        if known is not None and known[0] is not None:
            raise UnfitRole(f"{role} cannot be the application's role: {known[0]}")
        if known is None:
            statement = await connection.fetchval(
                "SELECT format('CREATE ROLE %I LOGIN NOSUPERUSER PASSWORD %L', $1::text, $2::text)",
                role,
                password,
            )
            await connection.execute(statement)
    finally:
        await connection.close()
