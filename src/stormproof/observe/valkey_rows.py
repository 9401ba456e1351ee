"""Rows of a Valkey: a field of a stream's entries, a group's pending entries, keys of a pattern.

Of a stream only entries count that came since the load began: before it the stream's last id is
noted, and how many entries were ever added. When all is over, entries are read from that id up to
the last one there is; where their number is not that of those added meanwhile, some were deleted or
trimmed, and nobody knows what they held, so that the read gives nothing at all. What it costs the
server: a connection a read, and commands over at most PAGE_ENTRIES entries each.

Source: https://valkey.io/commands/xinfo-stream/ (last-generated-id, entries-added)
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Final, NamedTuple

from stormproof.kernel.limits import FINAL_READ_KEYS_MAX
from stormproof.model.final_read import BEFORE, Moment
from stormproof.model.plan import PlannedRead
from stormproof.observe.rows import Left, Page, Paging, RowsRefused, spelling
from stormproof.servers.resp import Reply, RespConnection, RespError
from stormproof.servers.valkey_address import ValkeyAddress

PAGE_ENTRIES: Final = 500
_NO_KEY: Final = "no such key"
_NO_GROUP: Final = "NOGROUP"


class _Mark(NamedTuple):
    """Where a stream was: its last id, and how many entries had ever been added to it."""

    last_id: str
    added: int


_START: Final = _Mark("0-0", 0)


class ValkeyRows:
    """Read rows of one Valkey or Redis (`stormproof.observe.rows.RowReader`).

    Args:
        url: `valkey://[user]:[password]@host[:port][/database]` (or `redis://`).

    Raises:
        ValueError: the URL is of another kind.
    """

    def __init__(self, url: str) -> None:
        self._address = ValkeyAddress.parse(url)
        self._marks: dict[str, _Mark] = {}  # final read -> where its stream was before the load

    async def read(
        self, planned: PlannedRead, moment: Moment, left: Left, /
    ) -> AsyncGenerator[Page, None]:
        """Yield the rows of the read.

        Raises:
            RowsRefused: the server cannot be asked, or what it gives is not all there was.
        """
        try:
            connection = await self._address.sign_in()
            try:
                async for page in self._pages(connection, planned, moment, left):
                    yield page
            finally:
                connection.drop()
        except (OSError, EOFError, ValueError, RespError) as error:
            raise RowsRefused(str(error) or type(error).__name__) from error

    async def _pages(
        self, connection: RespConnection, planned: PlannedRead, moment: Moment, left: Left
    ) -> AsyncGenerator[Page, None]:
        if planned.keys:
            async for page in _keys(connection, planned):
                yield page
        elif planned.group:
            async for page in _pending(connection, planned, moment):
                yield page
        elif moment == BEFORE:
            self._marks[planned.name] = await _mark(connection, planned.stream)
        else:
            mark = self._marks.get(planned.name)
            if mark is None:
                raise RowsRefused(f"where {planned.stream} was before the load is not known")
            async for page in _entries(connection, planned, mark, left):
                yield page


async def _mark(connection: RespConnection, stream: str) -> _Mark:
    """Return where a stream is; one that is not there is at its start."""
    try:
        reply = await connection.call("XINFO", "STREAM", stream)
    except RespError as error:
        if _NO_KEY in str(error):
            return _START
        raise
    if not isinstance(reply, list):
        raise ValueError("XINFO STREAM answers no list")
    told = dict(zip(map(str, reply[::2]), reply[1::2], strict=False))
    last_id, added = told.get("last-generated-id"), told.get("entries-added")
    if not isinstance(last_id, str) or not isinstance(added, int):
        raise RowsRefused(f"the server does not say how many entries were added to {stream}")
    return _Mark(last_id, added)


async def _entries(
    connection: RespConnection, planned: PlannedRead, mark: _Mark, left: Left
) -> AsyncGenerator[Page, None]:
    """Yield the field of all entries since a mark, having counted that none is missing."""
    stream, spell, paging = planned.stream, spelling(planned), Paging(PAGE_ENTRIES)
    now = await _mark(connection, stream)
    after, count = mark.last_id, 0
    while True:
        given = await connection.call(
            "XRANGE", stream, f"({after}", now.last_id, "COUNT", str(paging.rows)
        )
        entries = given if isinstance(given, list) else []
        if not entries:
            break
        page: Page = []
        for entry in entries:
            after, fields = _entry(entry)
            paging.take([*fields, *fields.values()])
            value = fields.get(planned.field)
            if value is None:
                left.out += 1
            else:
                page.append(spell(value))
        count += len(entries)
        yield page
        paging.turn()
    if now == mark == _START and not planned.empty:
        raise RowsRefused(f"there is no stream {stream}, nor was there one before the load")
    if count != now.added - mark.added:
        what = f"{stream} has {count} entries since the load began, and {now.added - mark.added}"
        raise RowsRefused(f"{what} were added: some were deleted, or trimmed")


def _entry(reply: Reply) -> tuple[str, dict[str, str]]:
    """Return an entry's id and fields."""
    match reply:
        case [str(id_), list(words)] if all(isinstance(one, str) for one in words):
            texts = [str(one) for one in words]
            return id_, dict(zip(texts[::2], texts[1::2], strict=True))
        case _:
            raise ValueError("XRANGE gives no entries")


async def _pending(
    connection: RespConnection, planned: PlannedRead, moment: Moment
) -> AsyncGenerator[Page, None]:
    """Yield the ids of a group's pending entries; before the load it need not be there."""
    after = "-"
    while True:
        try:
            given = await connection.call(
                "XPENDING", planned.stream, planned.group, after, "+", str(PAGE_ENTRIES)
            )
        except RespError as error:
            if moment == BEFORE and str(error).startswith(_NO_GROUP):
                return
            raise
        entries = given if isinstance(given, list) else []
        ids = [str(one[0]) for one in entries if isinstance(one, list) and one]
        if len(ids) != len(entries):
            raise ValueError("XPENDING gives no entries")
        if not ids:
            return
        yield list(ids)
        after = f"({ids[-1]}"


async def _keys(connection: RespConnection, planned: PlannedRead) -> AsyncGenerator[Page, None]:
    """Yield all keys of a pattern, each once, of a database that is not too large to look through.

    A key that is there all the time is given at least once.
    """
    size = await connection.call("DBSIZE")
    if not isinstance(size, int) or size > FINAL_READ_KEYS_MAX:
        raise RowsRefused(f"the database holds {size} keys, over {FINAL_READ_KEYS_MAX}")
    spell = spelling(planned)
    seen: set[str] = set()
    cursor = "0"
    while True:
        reply = await connection.call(
            "SCAN", cursor, "MATCH", planned.keys, "COUNT", str(PAGE_ENTRIES)
        )
        match reply:
            case [str(cursor), list(found)]:
                new = {str(one) for one in found} - seen
                seen |= new
                yield [spell(one) for one in sorted(new)]
            case _:
                raise ValueError("SCAN gives no keys")
        if cursor == "0":
            return
