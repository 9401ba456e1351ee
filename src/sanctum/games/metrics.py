"""Instruments of games."""

from __future__ import annotations

from collections.abc import Mapping

from prometheus_client import Counter, Gauge, Histogram

from sanctum.games.referee import END_REASONS, OPEN_STATES, Room
from sanctum.gateway.topics import TopicMetrics
from sanctum.telemetry.metrics import Metrics

ACTIONS = ("create", "join", "move", "leave", "close")
_ACTION_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)


class GameMetrics:
    """Count rooms and time what is done in them."""

    def __init__(self, metrics: Metrics) -> None:
        self._registry = registry = metrics.registry
        latency = Histogram(
            "game_action_latency_seconds",
            "Time of an action in a room, refused ones too",
            ("action",),
            buckets=_ACTION_S,
            registry=registry,
        )
        self.latency = {action: latency.labels(action) for action in ACTIONS}
        ended = Counter("game_rooms_ended_total", "Rooms ended", ("reason",), registry=registry)
        self._ended = {reason: ended.labels(reason) for reason in END_REASONS}
        rooms = Gauge(
            "game_rooms_open",
            "Rooms of the whole service that have not ended, when last counted",
            ("state",),
            registry=registry,
        )
        self._open = {state: rooms.labels(state) for state in OPEN_STATES}
        self.topic = TopicMetrics(
            published=self._counter("published", "Events published"),
            unpublished=self._counter("unpublished", "Events left to catch-up"),
            delivered=self._counter("sent", "Events sent to a socket"),
            pages=self._counter("pages", "Pages of events read from the database"),
        )
        self.denied = metrics.security_denied.labels("room")

    def _counter(self, what: str, documentation: str) -> Counter:
        return Counter(f"game_events_{what}_total", documentation, registry=self._registry)

    def observe_end(self, room: Room) -> None:
        """Count a room that this process has just ended."""
        if room.end_reason is not None:
            self._ended[room.end_reason].inc()

    def show_open(self, counts: Mapping[str, int]) -> None:
        """Expose how many rooms there are of each state."""
        for state, gauge in self._open.items():
            gauge.set(counts.get(state, 0))
