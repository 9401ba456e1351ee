"""Put back what a fault changed in a server that is there after the run."""

from __future__ import annotations

from typing import Literal

from stormproof.faults.cache_eviction import MEMORY, POLICY, put_back_memory
from stormproof.faults.caches import cache_on
from stormproof.faults.database_statement import UNDO, put_back_statement
from stormproof.faults.databases import session_on
from stormproof.faults.journal import RestoreIntended
from stormproof.faults.security_role import grant, put_back_role
from stormproof.kernel.errors import FaultRefused
from stormproof.model.part import Server


def url_variable(part: str) -> str:
    """Return the environment variable in which `heal` looks for the URL of a server."""
    return "STORMPROOF_URL_" + "".join(one if one.isalnum() else "_" for one in part.upper())


async def restore(line: RestoreIntended, url: str) -> str:
    """Put back what a line of the journal names; return what was done.

    Raises:
        FaultRefused, EnvironmentFailure: the server is not there, or refuses.
    """
    match line.kind:
        case "cache-eviction":
            server = _server(line, url, "valkey")
            async with cache_on(server, changes=True) as connection:
                return await put_back_memory(connection, line.values)
        case "security-role":
            server = _server(line, url, "postgres")
            async with session_on(server, changes=True) as session:
                return await put_back_role(session, line.values)
        case "database-statement":
            server = _server(line, url, "postgres")
            async with session_on(server, changes=True) as session:
                return await put_back_statement(session, line.values)
        case unknown:
            raise FaultRefused(f"nobody knows how to put back what {unknown} changes")


def by_hand(line: RestoreIntended) -> str:
    """Say what somebody would do who puts it back without us."""
    values = line.values
    match line.kind:
        case "cache-eviction":
            return "; ".join(f"CONFIG SET {name} {values[name]}" for name in (MEMORY, POLICY))
        case "security-role":
            return grant(values)
        case "database-statement":
            return values[UNDO]
        case unknown:
            return f"see the documentation of {unknown}: {values}"


def goes_with_its_process(line: RestoreIntended) -> bool:
    """Say whether a server forgets it when its process ends."""
    return line.kind == "cache-eviction"


def _server(line: RestoreIntended, url: str, kind: Literal["postgres", "valkey"]) -> Server:
    return Server(part=line.part, kind=kind, url=url)
