"""Rows of a PostgreSQL, by a statement that can only read.

A row is the value of its one column, or the list of its columns. Numbers are numbers, whatever
their type; times, UUIDs and all else are texts. What it costs the server: one connection a read,
a transaction that is read-only, and no more time than the read may take. Rows that row security
hides are an error (`row_security` off), for what is hidden would seem to be lost, and so are
sessions of others in pg_stat_activity, for what is hidden of them would seem to be fine.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.units import MILLISECOND_NS
from stormproof.model.final_read import Moment
from stormproof.model.plan import PlannedRead
from stormproof.observe.rows import Left, Page, Paging, RowsRefused, spelling
from stormproof.servers.postgres import (
    APPLICATION,
    NOTHING_LOGGED,
    asyncpg_library,
    failures_of,
    without_password,
)

if TYPE_CHECKING:
    import asyncpg  # type: ignore[import-untyped]

PAGE_ROWS: Final = 1_000
_SETTINGS: Final = {
    "application_name": APPLICATION,
    "default_transaction_read_only": "on",
    "row_security": "off",
    "lock_timeout": "5s",
}


_SESSIONS: Final = "pg_stat_activity"
# Sessions of other roles, which this one may not look into: their state is NULL.
_HIDDEN: Final = """
SELECT count(*) FROM pg_stat_activity
 WHERE datname = current_database() AND usesysid IS NOT NULL
   AND NOT pg_has_role(usesysid, 'usage')
   AND NOT pg_has_role('pg_read_all_stats', 'usage')
"""


class PostgresRows:
    """Read rows of one PostgreSQL (`stormproof.observe.rows.RowReader`).

    Args:
        url: `postgresql://user:password@host:port/database`.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    async def read(
        self, planned: PlannedRead, _moment: Moment, _left: Left, /
    ) -> AsyncGenerator[Page, None]:
        """Yield the rows of the read's statement.

        Raises:
            RowsRefused: the server cannot be asked, refuses the statement, or it gives no rows.
        """
        try:
            library = asyncpg_library()
        except SourceSilent as absent:
            raise RowsRefused(absent.why) from absent
        settings = {
            **_SETTINGS,
            "statement_timeout": f"{planned.timeout_ns // MILLISECOND_NS}ms",
        }
        try:
            connection = await library.connect(
                self._url, server_settings=settings, statement_cache_size=0
            )
            try:
                await connection.execute(NOTHING_LOGGED)
                await connection.transaction(isolation="repeatable_read", readonly=True).start()
                await _refuse_hidden_sessions(connection, planned)
                statement = await connection.prepare(planned.statement)
                if not statement.get_attributes():
                    raise RowsRefused("the statement gives no columns: write a SELECT")
                async for page in _pages(statement, planned):
                    yield page
            finally:
                connection.terminate()  # and with it the transaction, without waiting for anybody
        except failures_of(library) as error:
            text = without_password(f"{type(error).__name__}: {error}", self._url)
            raise RowsRefused(text) from error
        except (ValueError, OverflowError) as error:  # of a URL that is none
            raise RowsRefused("the address of the database cannot be read") from error


async def _refuse_hidden_sessions(connection: asyncpg.Connection, planned: PlannedRead) -> None:
    """Refuse to look among sessions of which some are hidden, for they would seem to be fine."""
    if _SESSIONS in planned.statement.lower() and await connection.fetchval(_HIDDEN):
        role = await connection.fetchval("SELECT current_user")
        raise RowsRefused(f"{role} may not see all sessions: GRANT pg_monitor TO {role}")


async def _pages(
    statement: asyncpg.prepared_stmt.PreparedStatement, planned: PlannedRead
) -> AsyncGenerator[Page, None]:
    """Yield what a prepared statement gives."""
    spell, paging = spelling(planned), Paging(PAGE_ROWS)
    cursor = await statement.cursor()
    while given := await cursor.fetch(paging.rows):
        page: Page = []
        for row in given:
            columns = list(row)
            paging.take(columns)
            page.append(_element([_plain(value, spell) for value in columns]))
        yield page
        paging.turn()


def _element(columns: Sequence[object]) -> object:
    return columns[0] if len(columns) == 1 else list(columns)


def _plain(value: object, spell: Callable[[str], object]) -> object:
    """Return a column's value as a journey would tell it, who has it from JSON."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return spell(value)
        case Decimal():
            is_whole = value.is_finite() and value == value.to_integral_value()
            return int(value) if is_whole else float(value)
        case bytes() | bytearray() | memoryview():
            return bytes(value).hex()
        case list() | tuple():
            return [_plain(one, spell) for one in value]
        case _:
            return str(value)
