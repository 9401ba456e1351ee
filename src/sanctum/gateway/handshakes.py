"""The handshake queue: a few WebSocket handshakes are worked on at once, the others wait.

A thousand clients that come back together would else keep the event loop so busy that answers of
the cache are read too late, and the cache is taken for away. Who waits costs next to nothing, and
how many can is bounded by the open connections.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

AT_ONCE_MAX = 8


class HandshakeQueue:
    """Wrap an application and let its handshakes through one by one; requests just pass."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._places = asyncio.Semaphore(AT_ONCE_MAX)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; a handshake has its place until it is answered."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        await self._places.acquire()
        held = True

        def give_back() -> None:
            nonlocal held
            if held:
                held = False
                self._places.release()

        async def answer(message: Message) -> None:
            give_back()
            await send(message)

        try:
            await self._app(scope, receive, answer)
        finally:
            give_back()
