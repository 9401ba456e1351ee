"""The URLs of a target's servers are held to their form before anything is asked."""

from __future__ import annotations

import msgspec
import pytest
from tests.builders import healthy_record

from stormproof.cli.asked_servers import servers_of
from stormproof.kernel.errors import BadInput
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import PlannedSource

POSTGRES = PlannedSource(
    name="postgres", interval_ns=SECOND_NS, timeout_ns=SECOND_NS, url_from="DATABASE_URL"
)
PLAN = msgspec.structs.replace(healthy_record().plan, sources=(POSTGRES,))
HOST = "postgresql://owner:hunter22@db"


@pytest.mark.parametrize(
    "url",
    [
        f"{HOST}:65536/x",
        f"{HOST}:70000/x",
        f"{HOST}:0/x",
        f"{HOST}:-1/x",
        f"{HOST}:5432,other:99999/x",
        f"{HOST}:five/x",
        "postgresql://owner:hunter22@[::1]:65536/x",
        "postgresql://owner:hunter22@[::1/x",
        f"{HOST}/x?port=65536",
        f"{HOST}/x?port=5432,70000",
    ],
)
def test_a_port_that_there_cannot_be_is_bad_input(url: str) -> None:
    """Whoever wrote the variable is told, by its name and without what it holds."""
    with pytest.raises(BadInput) as told:
        servers_of(PLAN, None, {"DATABASE_URL": url})
    (problem,) = told.value.problems
    assert problem.where == "sources postgres: DATABASE_URL"
    assert problem.what == "holds no URL of a PostgreSQL"
    assert "hunter22" not in str(problem)


@pytest.mark.parametrize(
    "url",
    [
        f"{HOST}/x",
        f"{HOST}:5432/x",
        f"{HOST}:65535/x",
        f"{HOST}:1,other:5433,third/x",
        "postgresql://[::1]:5432/x",
        "postgresql://[::1]/x",
        f"{HOST}/x?port=5433&sslmode=disable",
        "postgres:///x?host=/run/postgresql",
    ],
)
def test_urls_as_postgresql_has_them_are_taken(url: str) -> None:
    """One host or several, with ports or without, or a socket."""
    (server,) = servers_of(PLAN, None, {"DATABASE_URL": url})
    assert server.url == url
