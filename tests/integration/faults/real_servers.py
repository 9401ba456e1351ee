"""A PostgreSQL and a Valkey on which faults are tried, with an application's role and a table."""

from __future__ import annotations

from collections.abc import Mapping

from tests.sanctum.servers import OWNER, Postgres, Valkey

from stormproof.kernel.errors import EnvironmentFailure
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault

DATABASE, APPLICATION, TABLE = "postgres", "app", "things"
PLACES, RESERVED = 16, 3
MADE = (
    f"CREATE ROLE {APPLICATION} LOGIN",
    f"CREATE TABLE {TABLE} (id int PRIMARY KEY, held text)",
    f"GRANT SELECT, INSERT ON {TABLE} TO {APPLICATION}",
    f"GRANT UPDATE, DELETE ON {TABLE} TO {APPLICATION} WITH GRANT OPTION",
)
WITHOUT_DISK = "the disk is full"


def database(postgres: Postgres, *, is_kept: bool = True) -> Server:
    """Name the database as a stack does, with a password that no message may show."""
    url = postgres.url(DATABASE, OWNER, "hidden-word")
    return Server(part="postgres", kind="postgres", url=url, is_kept=is_kept)


def cache(valkey: Valkey) -> Server:
    return Server(part="cache", kind="valkey", url=valkey.url, is_kept=True)


def fault(kind: str, part: str = "postgres", **settings: float | str) -> PlannedFault:
    return PlannedFault(
        name="broken", kind=kind, part=part, at_ns=0, for_ns=1, settings=dict(settings)
    )


def refusing(values: Mapping[str, str]) -> None:
    """Be a disk that takes no promise."""
    raise EnvironmentFailure(WITHOUT_DISK)
