"""What can be put on a link, as data: each toxic says how one stream of a connection is treated.

Names and meanings are Toxiproxy's, where it has one of the kind. A link carries any set of them;
on a stream they act one after the other, the one that was put on first nearest to the sender.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

import msgspec

Direction = Literal["up", "down"]  # from the client to the upstream, and back


class Noop(msgspec.Struct, frozen=True, kw_only=True):
    """Change nothing."""


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Delay everything by `latency_ns`, give or take up to `jitter_ns`; order is kept."""

    latency_ns: int
    jitter_ns: int = 0


class Bandwidth(msgspec.Struct, frozen=True, kw_only=True):
    """Pass at most so many bytes a second on each connection; 0: none."""

    bytes_per_s: int


class SlowClose(msgspec.Struct, frozen=True, kw_only=True):
    """Pass a close on only after `delay_ns`; data is not delayed."""

    delay_ns: int


class Timeout(msgspec.Struct, frozen=True, kw_only=True):
    """Lose all data and close the connection after `after_ns`; 0: when the toxic is taken off."""

    after_ns: int


class ResetPeer(msgspec.Struct, frozen=True, kw_only=True):
    """Reset the connection at both ends after `after_ns`; what the stream carries by then is
    lost."""

    after_ns: int


class Slicer(msgspec.Struct, frozen=True, kw_only=True):
    """Pass data in pieces of `average_bytes`, give or take `variation_bytes`, `delay_ns` apart."""

    average_bytes: int
    variation_bytes: int = 0
    delay_ns: int = 0


class LimitData(msgspec.Struct, frozen=True, kw_only=True):
    """Pass so many bytes on each connection, then close it."""

    bytes: int


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Pass nothing and lose nothing: all of it flows on, in order, once the toxic is off."""


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """Lose everything, closes too; a connection that lost something is reset once the toxic is
    off, since its stream has a hole."""


Toxic = (
    Noop | Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData | Hold | Drop
)


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """A toxic as it is on a link: on one stream, and on a share of the connections.

    Which ones is drawn per connection out of the link's seed and the toxic's name; a share of 0
    is nobody.
    """

    name: str
    toxic: Toxic
    direction: Direction
    share: float = 1.0


@dataclass(slots=True)
class Tally:
    """What a toxic has done since it was put on a link, to connections not of our own."""

    connections: int = 0  # that it acts or acted on
    bytes: int = 0  # that it delayed, sliced, counted or lost
    cut: int = 0  # connections that it ended, closes that it delayed, or cuts that it made in data


class Ending(Enum):
    """How a stream ends; it travels behind the stream's data."""

    FINISH = "the sender sends no more"
    CLOSE = "the connection is closed"
    RESET = "the connection is reset"
