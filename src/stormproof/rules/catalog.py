"""Every metric that an objective can name: what it means and what it can be asked.

A journey file adds its own metrics to these (`custom_metric`). What is in neither is bad input
(`rules.questions`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Final

from stormproof.model.metric import CustomMetric, MetricKind
from stormproof.model.objective import Aggregation, Objective
from stormproof.model.observed import is_observed
from stormproof.rules.drill_metrics import DRILL_METRICS
from stormproof.rules.fault_figures import FAULT_FIGURES
from stormproof.rules.history_metrics import COUNTED, FINALLY_READ, LASTED, SEEN, SEEN_DOC, WHAT
from stormproof.rules.metric import (
    ANYTHING_ASKED,
    COUNT_ASKED,
    COUNTER_ASKED,
    FAILED_ASKED,
    GAUGE_ASKED,
    GENERATOR,
    PROBES,
    RATE_ASKED,
    SECONDS_ASKED,
    TREND_ASKED,
    Metric,
    Reading,
)

__all__ = ["GENERATOR", "PROBES", "Metric", "Reading"]  # what asks the catalog asks for these, too

_OF_OPERATIONS = frozenset({"scenario", "name", "group"})
_OF_SCENARIOS = frozenset({"scenario"})
_IN_GROUPS = frozenset({"scenario", "group"})
_OF_FAULTS = frozenset({"fault"})
_STATUS = frozenset({"status"})
_NONE: frozenset[str] = frozenset()

USERS, USERS_BUSY = "vus_max", "vus"


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
            aggregations=FAILED_ASKED,
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


def _trend(
    name: str, doc: str, *, counts_drops: bool = False, tags: frozenset[str] = _OF_SCENARIOS
) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.RESPONSE,
        unit="ms",
        aggregations=TREND_ASKED,
        tags=tags,
        base=name,
        counts_drops=counts_drops,
    )


def _level(name: str, doc: str) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.LEVEL,
        unit="",
        aggregations=GAUGE_ASKED,
        tags=_NONE,
        base=GENERATOR,
    )


def _exact(
    name: str,
    doc: str,
    *,
    aggregations: frozenset[Aggregation] = COUNT_ASKED,
    tags: frozenset[str] = _NONE,
    needed: frozenset[str] = _NONE,
) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.MEASURED,
        unit="",
        aggregations=aggregations,
        tags=tags,
        needed=needed,
        timed=False,
        exact=True,
    )


def _measured(
    name: str, doc: str, *, unit: str, tags: frozenset[str], timed: bool = True
) -> Metric:
    return Metric(
        name=name,
        doc=doc,
        reading=Reading.MEASURED,
        unit=unit,
        aggregations=SECONDS_ASKED if unit == "s" else COUNT_ASKED,
        tags=tags,
        timed=timed,
    )


_WEBSOCKETS: Final = [
    Metric(
        name="ws_connecting",
        doc="Time of WebSocket handshakes from the actual start, connecting included, as in k6.",
        reading=Reading.SERVICE,
        unit="ms",
        aggregations=TREND_ASKED,
        tags=_OF_OPERATIONS,
        base="ws_connect",
    ),
    _counter("ws_sessions", "How many WebSockets were opened."),
    _trend("ws_session_duration", "From the start of connecting to the end of a WebSocket."),
    _counter("ws_disconnects", "How many WebSockets ended without the journey closing them."),
    _counter("ws_msgs_sent", "How many messages were sent over WebSockets."),
    _counter("ws_msgs_received", "How many messages were received over WebSockets."),
    _trend("ws_ping", "Round trip of a ping, from its sending; without a pong, until given up."),
    Metric(
        name="ws_ping_failed",
        doc="Share of pings without a pong, 0 to 1.",
        reading=Reading.FAILED_SHARE,
        unit="",
        aggregations=RATE_ASKED,
        tags=_OF_SCENARIOS,
        base="ws_ping",
    ),
]

_ALL: Final = [
    *_operations("http_req", "http_reqs", "HTTP requests", counted_by=_STATUS),
    *_operations("ws_connect", "ws_connects", "WebSocket handshakes"),
    *_operations("ws_send", "ws_sends", "WebSocket exchanges"),
    *_operations("ws_receive", "ws_receives", "WebSocket messages that were waited for"),
    *_WEBSOCKETS,
    Metric(
        name="checks",
        doc="Share of checks that held, 0 to 1.",
        reading=Reading.PASSED_SHARE,
        unit="",
        aggregations=RATE_ASKED,
        tags=frozenset({"scenario", "check", "group"}),
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
    _level(USERS_BUSY, "Users inside an iteration, all workers together, once a second."),
    _level(USERS, "Users that there are, all workers together, once a second."),
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
    _measured("messages_recovered", "Unanswered messages that arrived.", unit="", tags=_NONE),
    *(_exact(name, doc) for name, doc in COUNTED.items()),
    *(_measured(name, doc, unit="s", tags=_NONE, timed=False) for name, doc in LASTED.items()),
    *(_exact(name, doc, tags=frozenset({WHAT})) for name, doc in FINALLY_READ.items()),
    _exact(SEEN, SEEN_DOC, tags=frozenset({WHAT}), needed=frozenset({WHAT})),
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
    *FAULT_FIGURES,
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

CATALOG: Final[Mapping[str, Metric]] = {one.name: one for one in (*_ALL, *DRILL_METRICS)}


_READ_AS: Final[Mapping[MetricKind, tuple[Reading, frozenset[Aggregation]]]] = {
    MetricKind.COUNTER: (Reading.SUM, COUNTER_ASKED),
    MetricKind.GAUGE: (Reading.LEVEL, GAUGE_ASKED),
    MetricKind.RATE: (Reading.PASSED_SHARE, RATE_ASKED),
    MetricKind.TREND: (Reading.RESPONSE, TREND_ASKED),
}


@lru_cache(maxsize=256)
def custom_metric(custom: CustomMetric) -> Metric:
    """Return how a journey file's own metric is read: its series carry its name.

    What a checker of the file measures has none; like our own it is a count, or seconds (`max`).
    """
    if custom.kind is MetricKind.CHECKED:
        return Metric(
            name=custom.name,
            doc=custom.doc,
            reading=Reading.MEASURED,
            unit=custom.unit,
            aggregations=SECONDS_ASKED if custom.unit == "s" else COUNT_ASKED | {"value"},
            tags=_NONE,
            timed=False,
        )
    reading, aggregations = _READ_AS[custom.kind]
    return Metric(
        name=custom.name,
        doc=custom.doc,
        reading=reading,
        unit=custom.unit,
        aggregations=aggregations,
        tags=_IN_GROUPS | set(custom.tags),
        base=custom.name,
    )


REQUESTS_FAILED: Final = "target:requests_failed"


@lru_cache(maxsize=256)
def observed_metric(name: str) -> Metric:
    """Return how a source's figure is read; what kind it is of, only the run can tell.

    `target:requests_failed` is the share of `requests_total` that the target answered with 5xx.
    """
    is_share = name == REQUESTS_FAILED
    return Metric(
        name=name,
        doc="Share of requests that the target answered with 5xx." if is_share else "",
        reading=Reading.OBSERVED_SHARE if is_share else Reading.OBSERVED,
        unit="",
        aggregations=RATE_ASKED if is_share else ANYTHING_ASKED,
        tags=_NONE,
        timed=False,
    )


def metric_of(objective: Objective) -> Metric:
    """Return the metric that an objective asks: the catalog's or a journey file's own."""
    if objective.custom is None:
        name = objective.metric
        return observed_metric(name) if is_observed(name) else CATALOG[name]
    asks_extreme = objective.aggregation in ("min", "max")
    if asks_extreme and objective.custom.kind is MetricKind.TREND:
        return _extreme(objective.custom)
    return custom_metric(objective.custom)


@lru_cache(maxsize=256)
def _extreme(custom: CustomMetric) -> Metric:
    """Return how the extremes of a journey file's trend are read: as they were, in no bucket.

    48 EUR may be a price and the bar.
    """
    return replace(custom_metric(custom), reading=Reading.LEVEL)


def is_size(metric: Metric) -> bool:
    """Return whether a metric counts bytes."""
    return metric.unit == "B" or (metric.is_observed and metric.name.endswith("_bytes"))


def unit_of(metric: Metric, aggregation: Aggregation) -> str:
    """Return the unit of a metric's value: a counter's rate is per second, a slope by the hour."""
    if aggregation == "slope":
        return f"{'B' if is_size(metric) else metric.unit}/h"
    per_second = aggregation == "rate" and not metric.is_share
    return f"{metric.unit}/s" if per_second else metric.unit
