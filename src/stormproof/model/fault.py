"""Every kind of fault as data: what it breaks, and the settings that a plan may give it.

A trial says what is broken how, in words (`TrialFault`); its profile says when, for how long and
how hard, in numbers. `planning.faults` holds both against the shapes here, `faults.catalog` builds
the fault that carries a kind out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from stormproof.kernel.units import SECOND_NS

Hits = Literal["link", "part", "postgres", "valkey", "host"]
SettingKind = Literal["duration", "number", "whole", "word", "text"]
SettingValue = float | int | str

HOST_PART: Final = "host"  # what a fault breaks that breaks the machine below the stack


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultSetting:
    """One setting of a fault; without a default it has to be given.

    Durations are written as "250ms" and are whole nanoseconds in the plan, their bounds too. A
    word is one of `words`, a text any of `low` to `high` characters.
    """

    kind: SettingKind
    default: SettingValue | None = None
    low: float = 0.0
    high: float = 0.0
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultShape:
    """What a kind of fault breaks and how it may be set.

    Args:
        hits: what its `part` names: a link, a part that is a process, a database, a cache, or the
            machine.
        lasts: it has to be given a length (`for`); else it ends by itself.
        takes_down: its part does not run meanwhile, and is up again when it is ready.
        composes: it may be on one thing together with others that do too.
        settings: by name, as written in a profile.
    """

    hits: Hits
    lasts: bool = True
    takes_down: bool = False
    composes: bool = False
    settings: Mapping[str, FaultSetting] = field(default_factory=dict)


_NAME: Final = FaultSetting(kind="text", low=1, high=128)  # of a table, a role, a stream
_SQL: Final = FaultSetting(kind="text", low=1, high=4_000)
_UP_TO_A_MINUTE: Final = FaultSetting(kind="duration", default=0, high=60e9)
_SHARE: Final = FaultSetting(kind="number", default=1.0, low=0.001, high=1.0)  # of connections
_BOTH_WAYS: Final = FaultSetting(kind="word", default="both", words=("both", "up", "down"))
_ANSWERS: Final = FaultSetting(kind="word", default="down", words=("both", "up", "down"))


def _on_link(**settings: FaultSetting) -> FaultShape:
    """Shape a fault on a link; any of them may be on one link together."""
    return FaultShape(hits="link", composes=True, settings={**settings, "share": _SHARE})


KINDS: Final[Mapping[str, FaultShape]] = {
    "link-bandwidth": _on_link(
        rate=FaultSetting(kind="whole", low=1, high=1e10),  # bytes a second
        direction=_BOTH_WAYS,
    ),
    "link-certificate": FaultShape(
        hits="link",
        settings={
            "flaw": FaultSetting(kind="word", words=("expired", "wrong-name", "unknown-issuer")),
            "sessions": FaultSetting(kind="word", default="end", words=("end", "keep")),
            "authority": FaultSetting(kind="text", default="", low=0, high=4_000),
        },
    ),
    "link-latency": _on_link(
        latency=FaultSetting(kind="duration", low=1e3, high=60e9),
        jitter=_UP_TO_A_MINUTE,
        direction=_ANSWERS,
    ),
    "link-limit": _on_link(bytes=FaultSetting(kind="whole", high=1e12), direction=_ANSWERS),
    "link-partition": _on_link(
        direction=_BOTH_WAYS,
        mode=FaultSetting(kind="word", default="hold", words=("hold", "drop")),
    ),
    "link-refusal": _on_link(),
    "link-reset": _on_link(after=_UP_TO_A_MINUTE),
    "link-slice": _on_link(
        bytes=FaultSetting(kind="whole", low=1, high=1e6),
        variation=FaultSetting(kind="whole", default=0, high=1e6),
        pause=FaultSetting(kind="duration", default=0, high=10e9),
        direction=_BOTH_WAYS,
    ),
    "link-slow-close": _on_link(
        delay=FaultSetting(kind="duration", low=1e6, high=60e9), direction=_BOTH_WAYS
    ),
    "cache-eviction": FaultShape(
        hits="valkey",
        settings={
            "memory": FaultSetting(kind="number", default=0.5, low=0, high=1),
            "policy": FaultSetting(
                kind="word",
                default="allkeys-lru",
                words=(
                    "noeviction",
                    "allkeys-lru",
                    "allkeys-lfu",
                    "allkeys-random",
                    "volatile-lru",
                    "volatile-lfu",
                    "volatile-random",
                    "volatile-ttl",
                ),
            ),
        },
    ),
    "cache-flush": FaultShape(
        hits="valkey",
        lasts=False,
        composes=True,
        settings={"keys": FaultSetting(kind="text", default="*", low=1, high=512)},
    ),
    "database-exhaustion": FaultShape(
        hits="postgres",
        settings={
            "left": FaultSetting(kind="whole", default=0, low=0, high=10_000),
            "sessions": FaultSetting(kind="word", default="keep", words=("keep", "end")),
        },
    ),
    "database-load": FaultShape(
        hits="postgres",
        composes=True,
        settings={
            "connections": FaultSetting(kind="whole", default=8, low=1, high=200),
            "work": FaultSetting(kind="word", default="cpu", words=("cpu", "disk")),
        },
    ),
    "database-lock": FaultShape(
        hits="postgres",
        composes=True,
        settings={
            "table": _NAME,
            "mode": FaultSetting(
                kind="word", default="access-exclusive", words=("access-exclusive", "share")
            ),
        },
    ),
    "database-statement": FaultShape(
        hits="postgres",
        lasts=False,
        composes=True,
        settings={
            "do": _SQL,
            "undo": FaultSetting(kind="text", default="", low=0, high=4_000),
            "witness": _SQL,
        },
    ),
    "process-restart": FaultShape(hits="part", lasts=False, takes_down=True),
    "security-role": FaultShape(
        hits="postgres",
        composes=True,
        settings={
            "role": _NAME,
            "table": _NAME,
            "privilege": FaultSetting(kind="word", words=("select", "insert", "update", "delete")),
        },
    ),
    "stream-trim": FaultShape(
        hits="valkey",
        lasts=False,
        composes=True,
        settings={
            "stream": FaultSetting(kind="text", low=1, high=512),
            "keep": FaultSetting(kind="whole", default=0, low=0, high=1e9),
        },
    ),
    "process-kill": FaultShape(
        hits="part",
        lasts=False,
        takes_down=True,
        settings={"signal": FaultSetting(kind="word", default="KILL", words=("KILL", "TERM"))},
    ),
    "process-pause": FaultShape(hits="part"),
    "process-slow-start": FaultShape(hits="part", takes_down=True),
    "process-crash-loop": FaultShape(
        hits="part",
        takes_down=True,
        settings={
            "every": FaultSetting(kind="duration", default=SECOND_NS, low=1e8, high=1e10),
            "times": FaultSetting(kind="whole", default=0, high=1_000),
        },
    ),
    "host-cpu": FaultShape(
        hits="host",
        composes=True,
        settings={
            "burners": FaultSetting(kind="whole", default=1, low=1, high=64),
            "share": FaultSetting(kind="number", default=1.0, low=0.05, high=1.0),
        },
    ),
    "host-memory": FaultShape(
        hits="host",
        composes=True,
        settings={"mib": FaultSetting(kind="whole", low=1, high=1 << 20)},
    ),
    "host-disk": FaultShape(
        hits="host",
        composes=True,
        settings={
            "mib": FaultSetting(kind="whole", low=1, high=1 << 20),
            "leave_mib": FaultSetting(kind="whole", default=1024, low=256, high=1 << 20),
            "mode": FaultSetting(kind="word", default="fill", words=("fill", "write")),
        },
    ),
    "host-descriptors": FaultShape(
        hits="part",
        settings={"spare": FaultSetting(kind="whole", default=0, high=10_000)},
    ),
}


def may_bite_late(kind: str) -> bool:
    """Return whether faults of a kind may first touch the target at any time while they last:
    those on links wait for traffic, which may be asked for what it suffered again and again."""
    shape = KINDS.get(kind)
    return shape is not None and shape.hits == "link"


def may_share(one: str, other: str) -> bool:
    """Return whether faults of two kinds may be on the same link or part at the same time."""
    shapes = KINDS.get(one), KINDS.get(other)
    return all(shape is not None and shape.composes for shape in shapes)
