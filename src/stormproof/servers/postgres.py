"""What all connections of ours to a PostgreSQL have in common; asyncpg comes with an extra."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from stormproof.kernel.errors import SourceSilent

if TYPE_CHECKING:
    import asyncpg  # type: ignore[import-untyped]

APPLICATION: Final = "stormproof"
_MISSING = "the package asyncpg is not installed: pip install 'stormproof[sanctum]'"

NO_SETTINGS: Final[Mapping[str, str]] = {}

# As a setting at the start of a connection it would turn away whoever may not set it.
NOTHING_LOGGED: Final = """
SELECT set_config(name, 'panic', false)
  FROM unnest(ARRAY['log_min_messages', 'log_min_error_statement']) AS name
 WHERE (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
"""
# What a server does not know, being older, is not set.
_SET: Final = "SELECT set_config(name, $2, false) FROM pg_settings WHERE name = $1"


class SqlRefused(Exception):
    """The server, or the way there, refused; `sqlstate` is "" where there was no answer.

    The text holds no password.
    """

    def __init__(self, text: str, sqlstate: str = "") -> None:
        self.sqlstate = sqlstate
        super().__init__(text)


class Session:
    """One connection to a PostgreSQL, one statement at a time; each raises SqlRefused."""

    def __init__(self, connection: asyncpg.Connection, url: str) -> None:
        self._connection = connection
        self._url = url
        self.pid: int = connection.get_server_pid()

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        application: str,
        timeout_s: float,
        statement_s: float = 0.0,
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> Session:
        """Connect.

        Args:
            url: `postgresql://user:password@host:port/database`.
            application: what the server's list of sessions calls it.
            timeout_s: how long connecting may take.
            statement_s: how long each statement may take; 0: as long.
            settings: of the session; those that the server does not know are left out.

        Raises:
            SqlRefused: it does not let us in, or asyncpg is not installed.
        """
        try:
            library = asyncpg_library()
        except SourceSilent as absent:
            raise SqlRefused(absent.why) from absent
        try:
            connection = await library.connect(
                url,
                server_settings={"application_name": application, "jit": "off"},
                statement_cache_size=0,
                timeout=timeout_s,
                command_timeout=statement_s or timeout_s,
            )
        except failures_of(library) as error:
            raise _refusal(error, url) from error
        except (ValueError, OverflowError) as error:  # of a URL that is none
            raise SqlRefused("the address of the database cannot be read") from error
        session = cls(connection, url)
        try:
            await session.value(NOTHING_LOGGED)
            for name, value in settings.items():
                await session.value(_SET, name, value)
        except BaseException:
            session.drop()
            raise
        return session

    @property
    def is_lost(self) -> bool:
        """Whether the connection has ended, as far as we have heard."""
        return bool(self._connection.is_closed())

    async def execute(self, statements: str) -> str:
        """Run statements that give nothing; return what the server calls the last one's work."""
        try:
            return str(await self._connection.execute(statements))
        except failures_of(asyncpg_library()) as error:
            raise _refusal(error, self._url) from error

    async def value(self, statement: str, *arguments: object) -> object:
        """Return the first column of the first row; None where there is none."""
        rows = await self.rows(statement, *arguments)
        return rows[0][0] if rows else None

    async def whole(self, statement: str, *arguments: object) -> int:
        """Return a number that the server counts."""
        return int(str(await self.value(statement, *arguments)))

    async def rows(self, statement: str, *arguments: object) -> list[tuple[object, ...]]:
        """Return all rows."""
        try:
            found = await self._connection.fetch(statement, *arguments)
        except failures_of(asyncpg_library()) as error:
            raise _refusal(error, self._url) from error
        return [tuple(row) for row in found]

    def drop(self) -> None:
        """Cut the connection, and with it what it holds, without waiting for anybody."""
        self._connection.terminate()


def asyncpg_library() -> ModuleType:
    """Import asyncpg, which comes with an extra.

    Raises:
        SourceSilent: it is not installed.
    """
    try:
        import asyncpg
    except ImportError as error:
        raise SourceSilent(_MISSING, is_absent=True) from error
    library: ModuleType = asyncpg
    return library


def failures_of(library: ModuleType) -> tuple[type[Exception], ...]:
    """Return what is raised when the server, the connection or the protocol fails."""
    own = (library.PostgresError, library.InterfaceError, library.InternalClientError)
    return (OSError, EOFError, *own)


def without_password(text: str, url: str) -> str:
    """Take the password of a URL out of a text, if it is there."""
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        return "the address of the database cannot be read"
    for spelt in {password, unquote(password)} - {""}:
        text = text.replace(spelt, "***")
    return text


def _refusal(error: Exception, url: str) -> SqlRefused:
    text = str(error) or type(error).__name__
    return SqlRefused(without_password(text, url), str(getattr(error, "sqlstate", None) or ""))
