"""What a connection asks of the client that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from stormproof.clients.connection import HttpConnection


class Owner(Protocol):
    """The client that a connection goes back to when it is free, or is taken from when it ends."""

    def release(self, connection: HttpConnection) -> None:
        """Take the connection back; it can carry another request."""
        ...

    def discard(self, connection: HttpConnection) -> None:
        """Forget the connection; it is closed."""
        ...

    def take_cookies(self, head: bytes) -> None:
        """Take the cookies of a response's head."""
        ...
