"""Every metric that an objective can name: what it means and what it can be asked.

A name that is not here is bad input, with the nearest name as a suggestion: a misspelt metric or
tag must never pass because it saw nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Final

from stormproof.model.objective import Aggregation, Objective
from stormproof.model.plan import Plan


class Reading(Enum):
    """Which part of a cell a metric reads, or that a checker measures it."""

    COUNT = "count"
    FAILED_SHARE = "failed share"
    PASSED_SHARE = "passed share"
    RESPONSE = "response"
    SERVICE = "service"
    MEASURED = "measured"


TREND_ASKED: Final[frozenset[Aggregation]] = frozenset({"avg", "min", "med", "max", "p"})
COUNTER_ASKED: Final[frozenset[Aggregation]] = frozenset({"count", "rate"})
RATE_ASKED: Final[frozenset[Aggregation]] = frozenset({"rate"})
COUNT_ASKED: Final[frozenset[Aggregation]] = frozenset({"count"})
SECONDS_ASKED: Final[frozenset[Aggregation]] = frozenset({"max", "value"})

_OF_OPERATIONS = frozenset({"scenario", "name"})
_OF_SCENARIOS = frozenset({"scenario"})
_OF_FAULTS = frozenset({"fault"})
_STATUS = frozenset({"status"})
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric: `base` is what its series carry, `exact` ones need no validity to fail.

    `counts_drops` adds the scenario's dropped iterations as +infinity; `timed` ones mean
    something only when the load generator kept its schedule.
    """

    name: str
    doc: str
    reading: Reading
    unit: str
    aggregations: frozenset[Aggregation]
    tags: frozenset[str]
    base: str = ""
    counts_drops: bool = False
    timed: bool = True
    exact: bool = False
    needed: frozenset[str] = frozenset()  # the tags that it cannot be asked without


PROBES: Final = "probe"  # the base of what the plan's probes saw: no series, but their answers


def _operations(
    base: str, plural: str, what: str, *, counted_by: frozenset[str] = _NONE
) -> list[Metric]:
    response = (
        f"Response time of {what}, from the intended start; a dropped iteration is +infinity."
    )
    return [
        Metric(
            name=plural,
            doc=f"How many {what} ended; `rate` is per second.",
            reading=Reading.COUNT,
            unit="",
            aggregations=COUNTER_ASKED,
            tags=_OF_OPERATIONS | counted_by,
            base=base,
        ),
        Metric(
            name=f"{base}_failed",
            doc=f"Share of {what} that failed, 0 to 1.",
            reading=Reading.FAILED_SHARE,
            unit="",
            aggregations=RATE_ASKED,
            tags=_OF_OPERATIONS,
            base=base,
        ),
        Metric(
            name=f"{base}_duration",
            doc=response,
            reading=Reading.RESPONSE,
            unit="ms",
            aggregations=TREND_ASKED,
            tags=_OF_OPERATIONS,
            base=base,
            counts_drops=True,
        ),
        Metric(
            name=f"{base}_service",
            doc=f"Service time of {what}, from the actual start; hides what we sent late.",
            reading=Reading.SERVICE,
            unit="ms",
            aggregations=TREND_ASKED,
            tags=_OF_OPERATIONS,
            base=base,
        ),
    ]


def _counter(name: str, doc: str, unit: str = "") -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.COUNT,
        unit=unit,
        aggregations=COUNTER_ASKED,
        tags=_OF_SCENARIOS,
        base=name,
    )


def _trend(name: str, doc: str, *, counts_drops: bool = False) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.RESPONSE,
        unit="ms",
        aggregations=TREND_ASKED,
        tags=_OF_SCENARIOS,
        base=name,
        counts_drops=counts_drops,
    )


def _exact(
    name: str,
    doc: str,
    *,
    aggregations: frozenset[Aggregation] = COUNT_ASKED,
    tags: frozenset[str] = _NONE,
) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.MEASURED,
        unit="",
        aggregations=aggregations,
        tags=tags,
        timed=False,
        exact=True,
    )


def _measured(name: str, doc: str, *, unit: str, tags: frozenset[str]) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.MEASURED,
        unit=unit,
        aggregations=SECONDS_ASKED if unit == "s" else COUNT_ASKED,
        tags=tags,
    )


_ALL: Final = [
    *_operations("http_req", "http_reqs", "HTTP requests", counted_by=_STATUS),
    *_operations("ws_connect", "ws_connects", "WebSocket handshakes"),
    *_operations("ws_send", "ws_sends", "WebSocket exchanges"),
    Metric(
        name="checks",
        doc="Share of checks that held, 0 to 1.",
        reading=Reading.PASSED_SHARE,
        unit="",
        aggregations=RATE_ASKED,
        tags=frozenset({"scenario", "check"}),
        base="checks",
    ),
    Metric(
        name="probe_failed",
        doc="Share of a probe's answers that were not ok, 0 to 1.",
        reading=Reading.FAILED_SHARE,
        unit="",
        aggregations=RATE_ASKED,
        tags=frozenset({"probe"}),
        base=PROBES,
        needed=frozenset({"probe"}),
    ),
    _trend(
        "http_req_blocked", "From an HTTP request's start until a connection was tried or free."
    ),
    _trend("http_req_connecting", "Connecting for an HTTP request; 0 where one was open."),
    _trend(
        "http_req_tls_handshaking", "TLS handshake for an HTTP request; 0 where there was none."
    ),
    _trend("http_req_sending", "Writing an HTTP request; 0 where it was taken at once."),
    _trend("http_req_waiting", "From an HTTP request written to the first byte of its answer."),
    _trend("http_req_receiving", "From the first to the last byte of an answer over HTTP."),
    _counter("iterations", "How many iterations ended; `rate` is per second."),
    _counter("dropped_iterations", "How many iterations were due and found no free user."),
    _counter("data_sent", "Bytes sent.", "B"),
    _counter("data_received", "Bytes received.", "B"),
    _trend("iteration_duration", "Length of an iteration from its schedule.", counts_drops=True),
    Metric(
        name="group_duration",
        doc="Length of a group of a journey, from when its user was able to begin it.",
        reading=Reading.RESPONSE,
        unit="ms",
        aggregations=TREND_ASKED,
        tags=frozenset({"scenario", "group"}),
        base="group_duration",
    ),
    _trend("message_delivery", "From the intended send of a message to its receipt by a member."),
    _exact("delivery_lost", "Acknowledged messages that a member of their scope never got."),
    _exact("delivery_duplicated", "Deliveries of a message to a user who had it already."),
    _exact("delivery_foreign", "Deliveries to a user who is not a member of the message's scope."),
    _exact("delivery_corrupted", "Deliveries whose body is not what was sent."),
    _exact("delivery_unexpected", "Deliveries of messages that nobody sent."),
    _exact(
        "delivery_misnumbered",
        "Deliveries under another number than acknowledged, and numbers acknowledged twice.",
    ),
    _exact("delivery_reordered", "Deliveries after a higher number of the same session."),
    _measured(
        "messages_acknowledged", "Messages that the target acknowledged.", unit="", tags=_NONE
    ),
    _measured("messages_delivered", "Messages received, each once a user.", unit="", tags=_NONE),
    _exact(
        "fault_effective",
        "Share of planned faults that were seen to bite.",
        aggregations=RATE_ASKED,
        tags=_OF_FAULTS,
    ),
    _exact(
        "fault_undone",
        "Share of injected faults that were undone.",
        aggregations=RATE_ASKED,
        tags=_OF_FAULTS,
    ),
    _exact("fault_residue", "Faults of which something was left after the undo.", tags=_OF_FAULTS),
    _measured(
        "recovery_ready_s",
        "Longest time from a fault's undo to readiness for good.",
        unit="s",
        tags=_OF_FAULTS,
    ),
    _measured(
        "recovery_service_s",
        "Longest time from a fault's undo to the end of the last operation it made fail.",
        unit="s",
        tags=_OF_FAULTS,
    ),
    _measured(
        "health_unready_lag_s",
        "Longest time from a fault's first failed operation to the first not-ready answer.",
        unit="s",
        tags=_OF_FAULTS,
    ),
    _measured(
        "health_false_ready",
        "How often the target said ready while operations kept failing.",
        unit="",
        tags=_NONE,
    ),
]

CATALOG: Final[Mapping[str, Metric]] = {metric.name: metric for metric in _ALL}


def unit_of(metric: str, aggregation: Aggregation) -> str:
    """Return the unit of a metric's value; the rate of a counter is per second."""
    known = CATALOG[metric]
    if known.reading is Reading.COUNT and aggregation == "rate":
        return f"{known.unit}/s"
    return known.unit


def suggestion(word: str, known: Collection[str]) -> str:
    """Say which known word was probably meant, or list all of them."""
    near = get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known)) or 'none'}"


def question_problems(metric: str, tags: Iterable[str], aggregation: Aggregation) -> list[str]:
    """Return everything that is wrong with asking `aggregation` of `metric` with tag keys `tags`.

    Each text says what would be right; no text, no problem.
    """
    known = CATALOG.get(metric)
    if known is None:
        return [f"there is no metric {metric!r}: {suggestion(metric, CATALOG.keys())}"]
    given = list(tags)
    problems = [
        f"{metric} has no tag {tag!r}: {suggestion(tag, known.tags | {'window'})}"
        for tag in given
        if tag not in known.tags
    ]
    problems += [
        f"{metric} needs its tag {tag!r}: write it as {metric}{{{tag}:name}}"
        for tag in sorted(known.needed - set(given))
    ]
    if aggregation not in known.aggregations:
        askable = ", ".join(sorted("p(N)" if a == "p" else a for a in known.aggregations))
        problems.append(f"{metric} cannot be asked for {aggregation!r}: use {askable}")
    return problems


def problems_of(objective: Objective, plan: Plan) -> list[str]:
    """Return what is wrong with an objective under a plan: unknown scenarios, faults, probes.

    Each text says what would be right; no text, no problem.
    """
    problems = question_problems(objective.metric, objective.tags, objective.aggregation)
    there = {
        "scenario": [one.name for one in plan.scenarios],
        "fault": [one.name for one in plan.faults],
        "probe": [one.name for one in plan.probes],
    }
    for key, known in there.items():
        value = objective.tags.get(key)
        if value is not None and value not in known:
            problems.append(
                f"{objective.name}: the plan has no {key} {value!r}: {suggestion(value, known)}"
            )
    problems += _status_problems(objective)
    known_metric = CATALOG.get(objective.metric)
    if known_metric is not None and known_metric.base == PROBES and objective in plan.gate:
        problems.append(f"{objective.name}: the gate sees the load alone, not the probes")
    if objective.metric.startswith(("delivery_", "messages_")) and "delivery" not in plan.checkers:
        problems.append(f"{objective.name}: the trial has no checker 'delivery' to measure it")
    return problems


def _status_problems(objective: Objective) -> list[str]:
    status = objective.tags.get("status")
    if status is None or status == "0" or (len(status) == 3 and status.isdecimal()):
        return []
    return [f"{objective.name}: {status!r} is no status: three digits, or 0 for no answer at all"]
