"""Settings of payments."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanctum import setting_values as read
from sanctum.settings.about import about


@dataclass(frozen=True, kw_only=True)
class CommerceSettings:
    """Hold the settings of payments."""

    charging_delay_s: float = field(
        metadata=about(
            "0", "seconds that the built-in charging provider takes", read.seconds(0, 60)
        )
    )
    charging_timeout_s: float = field(
        metadata=about("2", "seconds to wait for the charging provider", read.seconds(0.05, 60))
    )
    settle_after_s: float = field(
        metadata=about(
            "30",
            "seconds after which a payment that was left open is closed",
            read.seconds(0.2, 3600),
        )
    )
