"""Settings of WebSockets and of what is fanned out to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanctum import setting_values as read
from sanctum.settings.about import about


@dataclass(frozen=True, kw_only=True)
class SocketSettings:
    """Hold the settings of WebSockets and of what is fanned out to them."""

    ticket_ttl_s: int = field(
        metadata=about("30", "seconds a WebSocket ticket is valid", read.whole(1, 600))
    )
    sockets_max: int = field(
        metadata=about("2048", "open WebSockets; one more is answered 429", read.whole(1, 10**6))
    )
    socket_queue_max: int = field(
        metadata=about(
            "256", "frames that may wait for one socket before it is closed", read.whole(1, 65_536)
        )
    )
    socket_queue_bytes_max: int = field(
        metadata=about(
            "4194304",
            "bytes that may wait for one socket before it is closed",
            read.whole(1, 1_073_741_824),
        )
    )
    socket_send_timeout_s: float = field(
        metadata=about(
            "10",
            "seconds one frame may take to leave before its socket is closed",
            read.seconds(0.1, 120),
        )
    )
    origins_allowed: tuple[str, ...] = field(
        metadata=about(
            "",
            "origins whose pages may open WebSockets, separated by commas; empty: all",
            read.origins,
        )
    )
    heartbeat_interval_s: float = field(
        metadata=about("20", "seconds between two WebSocket pings", read.seconds(0.1, 600))
    )
    heartbeat_timeout_s: float = field(
        metadata=about(
            "20", "seconds a pong may take before the socket is closed", read.seconds(0.1, 600)
        )
    )
    fanout_queue_max: int = field(
        metadata=about(
            "4096", "committed messages that may wait for publication", read.whole(1, 1_000_000)
        )
    )
    sweep_interval_s: float = field(
        metadata=about(
            "2", "seconds between two sweeps for what was not heard of", read.seconds(0.1, 60)
        )
    )
