"""Sources of figures, as profiles name them: `"sources": {"target": {"path": "/metrics"}}`."""

from __future__ import annotations

import re
from typing import Final

from stormproof.model.plan import PlannedSource
from stormproof.model.profile import Profile, SourceNumbers
from stormproof.planning.fields import Fields, suggest

TARGET: Final = "target"
_READABLE: Final = (TARGET,)
_PATH = re.compile(r"(/[!-~]*)?")


def read_sources(fields: Fields) -> dict[str, SourceNumbers]:
    """Take the sources of a profile, by name."""
    numbers: dict[str, SourceNumbers] = {}
    for name, one in fields.objects():
        if name in _READABLE:
            numbers[name] = _numbers(one)
        else:
            fields.problem(name, "is no source", suggest(name, _READABLE))
    return numbers


def _numbers(fields: Fields) -> SourceNumbers:
    numbers = SourceNumbers(
        path=fields.text("path", "/metrics"),
        interval_ns=fields.duration_ns("interval", default="5s", low="1s", high="5m"),
        timeout_ns=fields.duration_ns("timeout", default="3s", low="100ms", high="1m"),
    )
    if not _PATH.fullmatch(numbers.path):
        fields.problem("path", f"{numbers.path!r} is none", 'such as "/metrics", or "" for none')
    fields.done()
    return numbers


def planned_sources(profile: Profile) -> tuple[PlannedSource, ...]:
    """Return what is read; a target's own figures always are, unless its path is empty."""
    numbers = {TARGET: SourceNumbers(), **profile.sources}
    return tuple(
        PlannedSource(
            name=name,
            path=one.path,
            interval_ns=one.interval_ns,
            timeout_ns=one.timeout_ns,
        )
        for name, one in numbers.items()
        if one.path or name != TARGET
    )
