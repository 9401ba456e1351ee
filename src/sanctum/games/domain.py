"""Rooms, the games played in them, and the work that ends forgotten ones."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.games.frames import locate
from sanctum.games.metrics import GameMetrics
from sanctum.games.referee import Referee
from sanctum.games.routes import build_router
from sanctum.games.service import Reaper, Rooms
from sanctum.games.storage import RoomStorage
from sanctum.games.stream import TOPIC, Crier, RoomHost, RoomLog
from sanctum.gateway.fanout import Publisher
from sanctum.gateway.topics import Topic


def build(shared: Shared) -> Domain:
    """Build the domain."""
    settings, metrics = shared.settings, GameMetrics(shared.metrics)
    storage = RoomStorage(shared.database)
    referee = Referee(shared.defects)
    topic = Topic("sanctum:game", RoomLog(storage), locate, metrics.topic)
    publisher = Publisher(shared.cache, topic, queue_max=settings.fanout_queue_max)
    crier = Crier(publisher)
    shared.hub.open(TOPIC, topic, RoomHost(storage))
    rooms = Rooms(storage, referee, crier, metrics)
    reaper = Reaper(storage, referee, crier, shared.defects, metrics, idle_s=settings.game_idle_s)
    return Domain(
        routers=(build_router(rooms, storage, shared.gate),),
        work={"game publisher": publisher.run, "game reaper": reaper.run},
    )
