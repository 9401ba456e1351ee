"""Settings of games."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanctum import setting_values as read
from sanctum.settings.about import about


@dataclass(frozen=True, kw_only=True)
class GameSettings:
    """Hold the settings of games."""

    game_idle_s: float = field(
        metadata=about(
            "300",
            "seconds without a move after which a game room ends",
            read.seconds(0.2, 86_400),
        )
    )
