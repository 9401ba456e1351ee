"""Sessions that a fault was opening when it was cancelled."""

from __future__ import annotations

import asyncio

import pytest

from stormproof.faults import database_exhaustion
from stormproof.faults.database_exhaustion import DatabaseExhaustion
from stormproof.model.part import Server
from stormproof.model.plan import PlannedFault
from stormproof.servers.postgres import Session

PLANNED = PlannedFault(
    name="full",
    kind="database-exhaustion",
    part="db",
    at_ns=0,
    for_ns=1,
    settings={"left": 0, "sessions": "keep"},
)


class Opened(Session):
    """A session to nowhere that says whether it was dropped."""

    def __init__(self) -> None:
        self.is_dropped = False

    def drop(self) -> None:
        self.is_dropped = True


async def test_sessions_that_were_opened_when_others_were_given_up_are_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of two that are being opened one is there when the fault is cancelled: it is dropped."""
    there, hanging = Opened(), asyncio.Event()
    answers = iter([True, False])

    async def open_session(server: Server, fault: str) -> Session:
        if not next(answers):
            hanging.set()
            await asyncio.Event().wait()
        return there

    monkeypatch.setattr(database_exhaustion, "open_session", open_session)
    server = Server(part="db", kind="postgres", url="postgresql://nowhere")
    opening = asyncio.ensure_future(DatabaseExhaustion(server, PLANNED)._open(2))
    await hanging.wait()
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert there.is_dropped
