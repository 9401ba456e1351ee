"""Wire what servers of the target are asked by their URL: which there are, and the final reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs, urlsplit

from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.event import Event
from stormproof.model.part import Server, StackPlan
from stormproof.model.plan import Plan
from stormproof.observe.final_reads import FinalReads
from stormproof.observe.postgres_rows import PostgresRows
from stormproof.observe.rows import RowReader
from stormproof.observe.valkey_rows import ValkeyRows
from stormproof.seams import Clock, Recorder
from stormproof.servers.valkey_address import ValkeyAddress

READERS: Final[Mapping[str, Callable[[str], RowReader]]] = {
    "postgres": PostgresRows,
    "valkey": ValkeyRows,
}

PORTS: Final = 1 << 16
_PORT: Final = re.compile(r"[0-9]{1,5}")
EXAMPLES: Final = {
    "postgres": "postgresql://user:password@host:5432/database",
    "valkey": "valkey://:password@host:6379",
}


def servers_of(plan: Plan, stack: StackPlan | None, environ: Mapping[str, str]) -> Sequence[Server]:
    """Return the servers that are asked: those of our own stack, or by URLs of the environment.

    Raises:
        BadInput: a variable is not set, or holds no such URL; the message never shows it.
    """
    if stack is not None:
        return stack.servers
    servers, problems = list[Server](), list[Problem]()
    for source in plan.sources:
        if not source.url_from:
            continue
        url = environ.get(source.url_from, "")
        if what := wrong_url(source.name, url):
            where = f"sources {source.name}: {source.url_from}"
            problems.append(Problem(where=where, what=what, fix=EXAMPLES[source.name]))
        elif source.name == "postgres":
            servers.append(Server(part=source.name, kind="postgres", url=url))
        else:
            servers.append(Server(part=source.name, kind="valkey", url=url))
    if problems:
        raise BadInput(problems)
    return servers


def wrong_url(kind: str, url: str) -> str:
    """Say what is wrong with a server's URL, and nothing of it; empty where it may be one."""
    if not url:
        return "the variable is not set"
    if kind == "postgres":
        is_one = url.startswith(("postgresql://", "postgres://")) and _has_ports(url)
        return "" if is_one else "holds no URL of a PostgreSQL"
    try:
        ValkeyAddress.parse(url)
    except ValueError:
        return "holds no URL of a Valkey"
    return ""


def _has_ports(url: str) -> bool:
    """Say whether all ports that a PostgreSQL's URL names, of each of its hosts, may be one."""
    try:
        address = urlsplit(url)
    except ValueError:
        return False
    hosts = address.netloc.rpartition("@")[2].split(",")
    ports = [one.rpartition("]")[2].rpartition(":")[2] for one in hosts if ":" in one]
    ports += ",".join(parse_qs(address.query).get("port", [])).split(",")
    return all(not one or (_PORT.fullmatch(one) and 0 < int(one) < PORTS) for one in ports)


def streams_of(plan: Plan) -> tuple[str, ...]:
    """Return the streams of Valkey that a plan looks at."""
    return tuple(stream for one in plan.sources for stream in one.streams)


def final_reads_of(
    plan: Plan,
    servers: Sequence[Server],
    recorder: Recorder,
    clock: Clock,
    on_event: Callable[[Event], None],
) -> FinalReads:
    """Make what carries out the plan's final reads."""
    readers: dict[str, RowReader] = {one.kind: READERS[one.kind](one.url) for one in servers}
    return FinalReads(plan.final_reads, readers, recorder, clock, on_event)
