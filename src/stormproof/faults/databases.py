"""How faults speak to a database: as its owner, past every link, and known by name there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from stormproof.kernel.errors import EnvironmentFailure, FaultRefused
from stormproof.model.part import Server
from stormproof.servers.postgres import APPLICATION, Session, SqlRefused

Promise = Callable[[Mapping[str, str]], None]
"""Forces to disk what undoing a fault puts back; called before the fault takes it away.

Raises EnvironmentFailure when the disk refuses; nothing may be broken then.
"""

PATIENCE_S: Final = 3.0  # for a connection, and for each statement
GONE_WITHIN_S: Final = 1.5  # the server has to have ended what a fault held
LOOK_EVERY_S: Final = 0.02
TOO_MANY: Final = "53300"  # too_many_connections
NOT_AT_ONCE: Final = "55P03"  # lock_not_available
FORBIDDEN: Final = "42501"  # insufficient_privilege
_NAME_BYTES_MAX: Final = 63  # the server cuts the rest off

# What a user's configuration may end sessions by; a fault stays until it is undone. The server
# sees within a tenth of a second that we are gone, in the middle of a statement too.
_STAYING: Final = {
    "client_connection_check_interval": "100ms",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    "lock_timeout": "0",
    "statement_timeout": "0",
    "transaction_timeout": "0",
}
_OURS: Final = "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1"
_TABLE: Final = "SELECT to_regclass($1)::oid::int8, to_regclass($1)::text"


def application_of(fault: str) -> str:
    """Return what the server's list of sessions calls those of a fault."""
    return f"{APPLICATION} fault {fault}".encode()[:_NAME_BYTES_MAX].decode(errors="ignore")


async def open_session(server: Server, fault: str, *, statement_s: float = PATIENCE_S) -> Session:
    """Open a session that a fault keeps; each statement may take `statement_s`.

    Raises:
        FaultRefused: the server does not let us in, or asyncpg is not installed.
    """
    try:
        return await Session.open(
            server.url,
            application=application_of(fault),
            timeout_s=PATIENCE_S,
            statement_s=statement_s,
            settings=_STAYING,
        )
    except SqlRefused as refusal:
        raise refused(server, refusal) from refusal


@asynccontextmanager
async def session_on(server: Server, *, changes: bool = False) -> AsyncIterator[Session]:
    """Give a session for some questions; or for changes, which are in doubt when it is lost.

    Raises:
        FaultRefused: the server does not let us in, or refuses a statement.
        EnvironmentFailure: it has gone, and nobody knows what it has still carried out.
    """
    try:
        session = await Session.open(server.url, application=APPLICATION, timeout_s=PATIENCE_S)
    except SqlRefused as refusal:
        raise refused(server, refusal) from refusal
    try:
        yield session
    except SqlRefused as refusal:
        if changes and not refusal.sqlstate:
            what = f"{server.part} went away, and may have done what it was told: {refusal}"
            raise EnvironmentFailure(what) from refusal
        raise refused(server, refusal) from refusal
    finally:
        session.drop()


async def table_of(session: Session, name: str, server: Server) -> tuple[int, str]:
    """Return a table's oid, and its name as it can stand in a statement.

    Raises:
        FaultRefused: there is none.
    """
    ((oid, quoted),) = await session.rows(_TABLE, name)
    if oid is None:
        raise FaultRefused(f"{server.part} has no table {name}")
    return int(str(oid)), str(quoted)


async def sessions_left(server: Server, fault: str) -> str | None:
    """Return what sessions of a fault are left once they had time to end; None for none.

    Raises:
        FaultRefused: the server cannot be asked.
    """
    deadline = asyncio.get_running_loop().time() + GONE_WITHIN_S
    async with session_on(server) as session:
        while left := await session.whole(_OURS, application_of(fault)):
            if asyncio.get_running_loop().time() >= deadline:
                return f"{server.part} still has {left} sessions of the fault"
            await asyncio.sleep(LOOK_EVERY_S)
    return None


def refused(server: Server, refusal: SqlRefused | FaultRefused) -> FaultRefused:
    """Say that a server refused."""
    if isinstance(refusal, FaultRefused):
        return refusal
    code = f" ({refusal.sqlstate})" if refusal.sqlstate else ""
    return FaultRefused(f"{server.part}: {refusal}{code}")
