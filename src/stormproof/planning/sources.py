"""Sources of figures, as profiles name them: `"sources": {"target": {"path": "/metrics"}}`.

A target's own figures are read whatever it runs on; the others are of a stack of our own.
"""

from __future__ import annotations

import re
from typing import Final

from stormproof.model.observed import SOURCES, TARGET
from stormproof.model.plan import PlannedSource, StackKind
from stormproof.model.profile import Profile, SourceNumbers
from stormproof.planning.fields import Fields, suggest

OF_STACK: Final = tuple(name for name in SOURCES if name != TARGET)
_PATH = re.compile(r"(/[!-~]*)?")


def read_sources(fields: Fields) -> dict[str, SourceNumbers]:
    """Take the sources of a profile, by name."""
    numbers: dict[str, SourceNumbers] = {}
    for name, one in fields.objects():
        if name in SOURCES:
            numbers[name] = _numbers(one, has_path=name == TARGET)
        else:
            fields.problem(name, "is no source", suggest(name, SOURCES))
    return numbers


def _numbers(fields: Fields, *, has_path: bool) -> SourceNumbers:
    numbers = SourceNumbers(
        path=fields.text("path", "/metrics") if has_path else "",
        interval_ns=fields.duration_ns("interval", default="5s", low="1s", high="5m"),
        timeout_ns=fields.duration_ns("timeout", default="3s", low="100ms", high="1m"),
    )
    if not _PATH.fullmatch(numbers.path):
        fields.problem("path", f"{numbers.path!r} is none", 'such as "/metrics", or "" for none')
    fields.done()
    return numbers


def planned_sources(profile: Profile, stack: StackKind) -> tuple[PlannedSource, ...]:
    """Return what is read; a target's own figures always are, unless its path is empty."""
    numbers = {TARGET: SourceNumbers()}
    if stack == "embedded":
        numbers |= dict.fromkeys(OF_STACK, SourceNumbers(path=""))
    numbers |= {name: one for name, one in profile.sources.items() if name in numbers}
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
