"""What users do in rooms, and the work that ends the rooms which they forget."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.defects import Defects
from sanctum.games.metrics import GameMetrics
from sanctum.games.referee import Event, Move, Referee, Room
from sanctum.games.storage import RoomStorage
from sanctum.games.stream import Crier
from sanctum.gateway.answers import Refusal

logger = logging.getLogger(__name__)

REAPED_AT_ONCE_MAX = 50
REAP_INTERVAL_MAX_S = 5.0


class Rooms:
    """Carry out actions; each raises Refusal, and DatabaseUnavailable."""

    def __init__(
        self, storage: RoomStorage, referee: Referee, crier: Crier, metrics: GameMetrics
    ) -> None:
        self._storage = storage
        self._referee = referee
        self._crier = crier
        self._metrics = metrics

    async def create(self, host: int, name: str) -> Room:
        """Open a room that waits for a second player."""
        with self._metrics.latency["create"].time():
            event = await self._storage.create(host, name)
        if event is None:
            raise Refusal(401, "invalid_token", "the account does not exist any more")
        self._crier.tell(event)
        return event.room

    async def join(self, room_id: int, user: int) -> Room:
        """Become a room's second player; whoever is it already stays it."""
        return await self._act("join", room_id, lambda room: self._referee.joined(room, user))

    async def move(self, room_id: int, user: int, move: Move) -> Room:
        """Mark a place when it is the player's turn."""
        return await self._act("move", room_id, lambda room: self._referee.moved(room, user, move))

    async def leave(self, room_id: int, user: int) -> Room:
        """Leave a room, which ends it; one that has ended stays as it is."""
        return await self._act("leave", room_id, lambda room: self._referee.left(room, user))

    async def close(self, room_id: int, user: int) -> Room:
        """Close one's own room; one that has ended stays as it is."""
        return await self._act("close", room_id, lambda room: self._referee.closed(room, user))

    async def _act(self, action: str, room_id: int, decide: Callable[[Room], Event | None]) -> Room:
        try:
            with self._metrics.latency[action].time():
                changed = await self._storage.change(room_id, decide)
        except Refusal as refusal:
            if refusal.status == 403:
                self._metrics.denied.inc()
            raise
        if changed is None:
            raise Refusal(404, "not_found", f"there is no room {room_id}")
        if changed.event is not None:
            self._metrics.observe_end(changed.room)
            self._crier.tell(changed.event)
        return changed.room


class Reaper:
    """End rooms in which nothing happens any more, and count those that are open."""

    def __init__(
        self,
        storage: RoomStorage,
        referee: Referee,
        crier: Crier,
        defects: Defects,
        metrics: GameMetrics,
        *,
        idle_s: float,
    ) -> None:
        self._storage = storage
        self._referee = referee
        self._crier = crier
        self._defects = defects
        self._metrics = metrics
        self._idle_s = idle_s
        self._interval_s = min(idle_s / 4, REAP_INTERVAL_MAX_S)

    async def run(self) -> None:
        """Look for idle rooms until cancelled."""
        while True:
            try:
                await self._reap()
                self._metrics.show_open(await self._storage.count_open())
            except DatabaseUnavailable as error:
                logger.info("reaping skipped", extra={"fields": {"reason": str(error)}})
            await asyncio.sleep(self._interval_s)

    async def _reap(self) -> None:
        if self._defects.keeps_idle_rooms():
            return
        full = True
        while full:
            ended = await self._storage.change_idle(
                self._idle_s, REAPED_AT_ONCE_MAX, self._referee.expired
            )
            for event in ended:
                self._metrics.observe_end(event.room)
                self._crier.tell(event)
            full = len(ended) == REAPED_AT_ONCE_MAX
