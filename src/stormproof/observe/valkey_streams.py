"""What a Valkey says of streams that the plan names, and of the groups that consume them.

    stream_length{stream}                  entries that it holds
    stream_consumers{stream,group}         of the group
    stream_pending{stream,group}           delivered to it, and not acknowledged
    stream_oldest_pending_idle_seconds{stream,group}
                                           since the oldest of these was delivered last; 0 for none
    stream_lag{stream,group}               not delivered to it yet
    stream_lag_unknown{stream,group}       1 where the server does not know its lag, else 0

The server knows no lag after entries were deleted or trimmed that the group had not read, and one
before version 7 none at all. A stream that was never there gives no figures, so that a misspelt
one is not taken for an empty one; one that was there and is gone is empty. What it costs the
server: two commands a stream and one more a group, none of which reads an entry.

Source: https://valkey.io/commands/xinfo-groups/ and https://valkey.io/commands/xpending/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from stormproof.kernel.limits import STREAM_GROUPS_MAX
from stormproof.model.observed import STREAM_LAG, STREAM_LAG_UNKNOWN, Observed, ObservedKind
from stormproof.servers.resp import Reply, RespConnection, RespError

_MILLISECONDS: Final = 1_000
_NO_KEY: Final = "no such key"


class StreamStats:
    """Ask for the figures of some streams, over whatever connection there is.

    Args:
        part: the server's name.
        streams: their keys.
    """

    def __init__(self, part: str, streams: Sequence[str]) -> None:
        self._part = part
        self._streams = streams
        self._seen: set[str] = set()

    async def read(self, connection: RespConnection) -> list[Observed]:
        """Return the figures of all streams.

        Raises:
            RespError: a key is no stream, or may not be asked for.
            ValueError: a stream has more groups than are looked at, or an answer is none.
            OSError, EOFError: the connection is lost.
        """
        given: list[Observed] = []
        for stream in self._streams:
            given += await self._of_stream(connection, stream)
        return given

    async def _of_stream(self, connection: RespConnection, stream: str) -> list[Observed]:
        try:
            groups = _groups(stream, await connection.call("XINFO", "GROUPS", stream))
        except RespError as error:
            if _NO_KEY not in str(error):
                raise RespError(f"{stream}: {error}") from error
            is_gone = stream in self._seen
            return [self._observed("stream_length", 0.0, stream=stream)] if is_gone else []
        self._seen.add(stream)
        length = _whole(await connection.call("XLEN", stream))
        given = [self._observed("stream_length", length, stream=stream)]
        for group in groups:
            name = str(group.get("name"))
            oldest = await connection.call("XPENDING", stream, name, "-", "+", "1")
            given += self._of_group(stream, name, group, _idle_s(oldest))
        return given

    def _of_group(
        self, stream: str, name: str, group: Mapping[str, Reply], idle_s: float
    ) -> Iterator[Observed]:
        lag = group.get("lag")
        figures = {
            "stream_consumers": _whole(group.get("consumers")),
            "stream_pending": _whole(group.get("pending")),
            "stream_oldest_pending_idle_seconds": idle_s,
            STREAM_LAG_UNKNOWN: 0.0 if isinstance(lag, int) else 1.0,
        }
        if isinstance(lag, int):
            figures[STREAM_LAG] = float(lag)
        for figure, value in figures.items():
            yield self._observed(figure, value, stream=stream, group=name)

    def _observed(self, name: str, value: float, **tags: str) -> Observed:
        return Observed(
            name=name, tags={"part": self._part, **tags}, kind=ObservedKind.GAUGE, value=value
        )


def _groups(stream: str, reply: Reply) -> list[dict[str, Reply]]:
    """Read the groups that XINFO lists, each a list of names and values in turn."""
    if not isinstance(reply, list):
        raise ValueError("XINFO GROUPS answers no list")
    if len(reply) > STREAM_GROUPS_MAX:
        raise ValueError(f"{stream} has {len(reply)} groups, over {STREAM_GROUPS_MAX}")
    return [_fields(one) for one in reply]


def _fields(reply: Reply) -> dict[str, Reply]:
    if not isinstance(reply, list) or len(reply) % 2:
        raise ValueError("XINFO answers no pairs")
    return {str(name): value for name, value in zip(reply[::2], reply[1::2], strict=True)}


def _whole(reply: Reply) -> float:
    if not isinstance(reply, int):
        raise ValueError(f"the server counts {reply!r}")
    return float(reply)


def _idle_s(reply: Reply) -> float:
    """Return how long the entry that XPENDING lists has been idle; 0 where it lists none."""
    if reply == []:
        return 0.0
    match reply:
        case [[str(), str(), int(idle_ms), int()]]:
            return max(0, idle_ms) / _MILLISECONDS
        case _:
            raise ValueError("XPENDING lists no entry")
