"""Sources of figures, as profiles name them: `"sources": {"target": {"path": "/metrics"}}`.

A target's own figures are read whatever it runs on; the others are of a stack of our own, of which
some parts (`dispatcher`, `consumer`) serve figures of their own, too. Of a
target that runs already its servers are asked as well where an environment variable has their URL:
`"postgres": {"urlFrom": "SHOP_DATABASE_URL"}`. Streams of Valkey are looked at that the profile
names (`"valkey": {"streams": ["orders"]}`) or an objective, by its tag `stream`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from stormproof.kernel.errors import Problem
from stormproof.kernel.limits import STREAM_NAME_CHARACTERS_MAX, STREAMS_MAX
from stormproof.model.objective import Objective
from stormproof.model.observed import SERVING_PARTS, SOURCES, TARGET
from stormproof.model.own_stack import OwnPart, OwnStack
from stormproof.model.plan import PlannedSource, StackKind
from stormproof.model.profile import Profile, SourceNumbers
from stormproof.planning.fields import Fields, suggest

SERVED: Final = (TARGET, *SERVING_PARTS)  # by HTTP, at a path
OF_STACK: Final = tuple(name for name in SOURCES if name not in SERVED)
SERVERS: Final = ("postgres", "valkey")  # that are asked by a URL
VALKEY: Final = "valkey"
_PATH = re.compile(r"(/[!-~]*)?")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)?")


def read_sources(fields: Fields) -> dict[str, SourceNumbers]:
    """Take the sources of a profile, by name."""
    numbers: dict[str, SourceNumbers] = {}
    for name, one in fields.objects():
        if name in SOURCES:
            numbers[name] = _numbers(one, name)
        else:
            fields.problem(name, "is no source", suggest(name, SOURCES))
    return numbers


def _numbers(fields: Fields, name: str) -> SourceNumbers:
    numbers = SourceNumbers(
        path=fields.text("path", "/metrics") if name in SERVED else "",
        interval_ns=fields.duration_ns("interval", default="5s", low="1s", high="5m"),
        timeout_ns=fields.duration_ns("timeout", default="3s", low="100ms", high="1m"),
        url_from=fields.text("urlFrom", "") if name in SERVERS else "",
        streams=fields.lines("streams") if name == VALKEY else (),
    )
    if not _VARIABLE.fullmatch(numbers.url_from):
        fix = "the name of an environment variable, such as SHOP_DATABASE_URL"
        fields.problem("urlFrom", "is no name of a variable", fix)
    if not _PATH.fullmatch(numbers.path):
        fields.problem("path", f"{numbers.path!r} is none", 'such as "/metrics", or "" for none')
    fields.done()
    return numbers


def planned_sources(
    profile: Profile, stack: StackKind, own: OwnStack | None = None
) -> tuple[PlannedSource, ...]:
    """Return what is read; a target's own figures always are, unless its path is empty."""
    numbers = {TARGET: SourceNumbers()}
    if stack == "embedded":
        numbers |= dict.fromkeys(SERVING_PARTS, SourceNumbers())
    is_ours = stack != "none"
    if is_ours:
        numbers |= dict.fromkeys(_of_stack(own), SourceNumbers(path=""))
    numbers |= {
        name: one for name, one in profile.sources.items() if name in numbers or one.url_from
    }
    return tuple(
        PlannedSource(
            name=name,
            path=one.path,
            interval_ns=one.interval_ns,
            timeout_ns=one.timeout_ns,
            url_from="" if is_ours else one.url_from,
            streams=one.streams,
        )
        for name, one in numbers.items()
        if one.path or name not in SERVED
    )


def _of_stack(own: OwnStack | None) -> list[str]:
    """Return the sources that a stack of ours has: its processes, and the servers it tells of."""
    if own is None:
        return list(OF_STACK)
    kinds = {one.kind for one in own.servers}
    has_processes = any(isinstance(step, OwnPart) for step in own.steps)
    return [name for name in OF_STACK if name in kinds or (has_processes and name not in SERVERS)]


def with_streams(
    sources: Iterable[PlannedSource], objectives: Iterable[Objective]
) -> tuple[PlannedSource, ...]:
    """Return the sources, those of Valkey with every stream that an objective asks for."""
    asked = {
        one.tags["stream"]: None
        for one in objectives
        if one.metric.startswith(f"{VALKEY}:stream_") and "stream" in one.tags
    }
    return tuple(
        msgspec.structs.replace(one, streams=tuple(dict.fromkeys([*one.streams, *asked])))
        if one.name == VALKEY
        else one
        for one in sources
    )


def stream_problems(sources: Iterable[PlannedSource], where: str) -> Iterator[Problem]:
    """Find more streams than are looked at, and names that are none."""
    for source in sources:
        if len(source.streams) > STREAMS_MAX:
            what = f"names {len(source.streams)} streams of {source.name}"
            yield Problem(where=where, what=what, fix=f"at most {STREAMS_MAX}")
        for stream in source.streams:
            if not 0 < len(stream) <= STREAM_NAME_CHARACTERS_MAX:
                fix = f"a key of 1 to {STREAM_NAME_CHARACTERS_MAX} characters"
                yield Problem(where=where, what=f"{stream[:20]!r} is no stream", fix=fix)
