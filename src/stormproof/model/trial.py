"""A trial: what a test is made of, without a single number; those are its profile's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stormproof.model.fault import SettingValue
from stormproof.model.plan import SignIn


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFault:
    """A fault of a trial: what is done (`kind`) to which link or part of the stack.

    `settings` are the words of the kind (`model.fault.KINDS`); its numbers are the profile's.
    """

    kind: str
    part: str
    settings: Mapping[str, SettingValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialProbe:
    """A question asked again and again, with a JSON `body` and a bearer token where needed."""

    path: str
    method: str = "GET"
    body: str = ""
    sign_in: SignIn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalRead:
    """What is read from a server of the target itself, before the load and when all is over.

    Args:
        statement: one SELECT for PostgreSQL, read-only. A row is an element: the value of its one
            column, or the list of its columns.
        stream: of Valkey, whose entries are read that came since the load began.
        field: of these entries, whose value is the element.
        group: of the stream, whose pending entries are read instead.
        keys: a pattern of Valkey's keys, which are read instead.
        numbers: texts that are whole numbers are these, for the journeys that tell numbers.
        of: the ledger's key whose elements must be the rows.
        same_as: the final read that must have the same rows.
        empty: there must be no row, but those that were there before the load.
        without: the ledger's key of whose elements none may be a row that journeys removed.
    """

    statement: str = ""
    stream: str = ""
    field: str = ""
    group: str = ""
    keys: str = ""
    numbers: bool = False
    of: str = ""
    same_as: str = ""
    empty: bool = False
    without: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Floors:
    """Below these a trial does not shrink, whatever the scale."""

    duration: str = "10s"
    rates: Mapping[str, float] = field(default_factory=dict)  # scenario -> iterations a time unit
    vus: Mapping[str, int] = field(default_factory=dict)  # scenario -> users
    fault: str = "1s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Declare a trial as `TRIAL` in a file of its own, beside the journeys it names.

    Args:
        title: what it proves, in one line.
        stack: where the target runs when neither `--target` nor `--stack` is given: "embedded",
            "none", or a stack file beside the trial's, such as "stack.toml".
        scenarios: scenario -> the journey's name in the trial's file.
        faults: fault -> what is broken how; their times are the profile's.
        probes: probe -> what is asked; "ready" is the target's readiness, "canary" an operation
            that needs what the faults break.
        final_reads: read -> what is asked of a server itself when all is over.
        checkers: what reads the ledger, e.g. "delivery".
        objectives: exact objectives, metric -> thresholds; one witness fails them.
        floors: below which it does not shrink.
    """

    name: str
    title: str
    stack: str
    scenarios: Mapping[str, str]
    faults: Mapping[str, TrialFault] = field(default_factory=dict)
    probes: Mapping[str, TrialProbe] = field(default_factory=dict)
    final_reads: Mapping[str, FinalRead] = field(default_factory=dict)
    checkers: tuple[str, ...] = ()
    objectives: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    floors: Floors = field(default_factory=Floors)
