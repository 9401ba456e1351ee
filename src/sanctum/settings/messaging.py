"""Settings of conversations, of how their messages travel, and of the inboxes they arrive in."""

from __future__ import annotations

from dataclasses import dataclass, field

from sanctum import setting_values as read
from sanctum.settings.about import about


@dataclass(frozen=True, kw_only=True)
class MessagingSettings:
    """Hold the settings of conversations, and of how their messages travel."""

    participants_kept_max: int = field(
        metadata=about(
            "4096",
            "conversations whose participants a process keeps at hand",
            read.whole(1, 1_000_000),
        )
    )
    participants_trusted_s: float = field(
        metadata=about(
            "5",
            "seconds that kept participants are trusted after the database agreed with them; no"
            " change of them that was not heard of is missed for longer",
            read.seconds(0.1, 60),
        )
    )
    dispatch_interval_s: float = field(
        metadata=about(
            "0.02", "seconds the dispatcher waits when the outbox is empty", read.seconds(0.001, 10)
        )
    )
    dispatch_retry_s: float = field(
        metadata=about(
            "0.25", "seconds the dispatcher waits after a vain attempt", read.seconds(0.01, 60)
        )
    )
    dispatch_attempts_max: int = field(
        metadata=about(
            "8", "vain attempts before a message is set aside as a dead letter", read.whole(1, 1000)
        )
    )
    dispatch_vanished_after_s: float = field(
        metadata=about(
            "3",
            "seconds after which an undelivered message is looked for in the stream",
            read.seconds(0.1, 600),
        )
    )
    stream_entries_max: int = field(
        metadata=about(
            "100000",
            "undelivered messages in the stream at most; more wait in the outbox",
            read.whole(100, 10_000_000),
        )
    )
    reclaim_interval_s: float = field(
        metadata=about(
            "1",
            "seconds between two looks for messages left by dead consumers",
            read.seconds(0.1, 60),
        )
    )
    reclaim_idle_s: float = field(
        metadata=about(
            "3",
            "seconds without work on a message after which its consumer counts as dead",
            read.seconds(0.5, 600),
        )
    )
    inbox_kept_s: int = field(
        metadata=about(
            "2592000",
            "seconds that an entry of an inbox is kept at least: so long may a client be away and"
            " resume without loss",
            read.whole(60, 3660 * 86_400),
        )
    )
