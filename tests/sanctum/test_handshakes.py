"""The handshake queue on its own: few at once, each in its turn, and nobody keeps a place."""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from sanctum.gateway.handshakes import AT_ONCE_MAX, HandshakeQueue

STORM = 100


class Handshakes:
    """An application whose handshakes take a while, and whose sockets then stay open."""

    def __init__(self) -> None:
        self.working = 0
        self.working_most = 0
        self.answered = 0
        self.fails = False
        self.stay = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Work on one scope."""
        self.working += 1
        self.working_most = max(self.working_most, self.working)
        await asyncio.sleep(0)
        self.working -= 1
        if self.fails:
            raise RuntimeError("asked to fail")
        await send({"type": "websocket.accept"})
        self.answered += 1
        await self.stay.wait()


async def _receive() -> Message:
    return {"type": "websocket.connect"}


async def _send(message: Message) -> None:
    assert message["type"] == "websocket.accept"


def _storm(queue: HandshakeQueue, kind: str = "websocket") -> list[asyncio.Task[None]]:
    async def one() -> None:
        await queue({"type": kind}, _receive, _send)

    return [asyncio.ensure_future(one()) for _ in range(STORM)]


async def _settle() -> None:
    for _ in range(STORM * 5):
        await asyncio.sleep(0)


async def test_storm_of_handshakes_is_worked_off_a_few_at_a_time() -> None:
    """All are answered, never more than the bound are worked on, and open sockets hold no place."""
    app = Handshakes()
    storm = _storm(HandshakeQueue(app))
    await _settle()
    assert (app.answered, app.working_most) == (STORM, AT_ONCE_MAX)
    app.stay.set()
    await asyncio.gather(*storm)


async def test_failed_and_abandoned_handshakes_give_their_places_back() -> None:
    """After handshakes that failed or were cancelled in the queue others have their turn."""
    app = Handshakes()
    app.fails = True
    queue = HandshakeQueue(app)
    failed = await asyncio.gather(*_storm(queue), return_exceptions=True)
    assert [type(error) for error in failed] == [RuntimeError] * STORM
    for task in (abandoned := _storm(queue)):
        task.cancel()
    await asyncio.gather(*abandoned, return_exceptions=True)
    app.fails = False
    storm = _storm(queue)
    await _settle()
    assert app.answered == STORM
    app.stay.set()
    await asyncio.gather(*storm)


async def test_requests_do_not_wait_for_handshakes() -> None:
    """Other scopes pass at once, however many."""
    app = Handshakes()
    requests = _storm(HandshakeQueue(app), "http")
    await asyncio.sleep(0)
    assert app.working == STORM
    app.stay.set()
    await asyncio.gather(*requests)
