"""Settings of the process as a whole: where it runs, how it is watched, how much it takes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanctum import setting_values as read
from sanctum.defects import Defect
from sanctum.setting_values import Environment
from sanctum.settings.about import about


@dataclass(frozen=True, kw_only=True)
class ServiceSettings:
    """Hold the settings of the process as a whole."""

    env: Environment = field(
        metadata=about("development", "development, test or production", read.environment)
    )
    defects: tuple[Defect, ...] = field(
        metadata=about(
            "", "planted defects, separated by commas; refused in production", read.defects
        )
    )
    log_level: str = field(
        metadata=about(
            "info",
            "debug, info, warning or error",
            read.choice("debug", "info", "warning", "error"),
        )
    )
    health_interval_s: float = field(
        metadata=about(
            "0.25", "seconds between two checks of a dependency", read.seconds(0.05, 0.5)
        )
    )
    health_deadline_s: float = field(
        metadata=about("0.5", "seconds such a check may take", read.seconds(0.05, 0.5))
    )
    connections_max: int = field(
        metadata=about(
            "4096", "open connections at most; more are answered 503", read.whole(8, 1_000_000)
        )
    )
    concurrency_max: int = field(
        metadata=about(
            "200", "requests served at once; one more is answered 429", read.whole(1, 100_000)
        )
    )
