"""Rooms, the games played in them, and the work that ends forgotten ones."""

from __future__ import annotations

from sanctum.domain import Domain, Shared
from sanctum.games.metrics import GameMetrics
from sanctum.games.referee import Referee
from sanctum.games.routes import build_router
from sanctum.games.service import Reaper, Rooms
from sanctum.games.storage import RoomStorage


def build(shared: Shared) -> Domain:
    """Build the domain."""
    metrics = GameMetrics(shared.metrics)
    storage = RoomStorage(shared.database)
    referee = Referee(shared.defects)
    reaper = Reaper(storage, referee, shared.defects, metrics, idle_s=shared.settings.game_idle_s)
    return Domain(
        routers=(build_router(Rooms(storage, referee, metrics), storage, shared.gate),),
        work={"reaper": reaper.run},
    )
