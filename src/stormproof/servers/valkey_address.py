"""Where a Valkey or Redis is, and how one signs in there."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from stormproof.servers.resp import RespConnection, RespError

CLIENT_NAME: Final = "stormproof"
_PORT: Final = 6379
_SCHEMES: Final = ("valkey", "redis")


class ValkeyAddress(NamedTuple):
    """A server with the credentials for it, and the database there; "" is the first one."""

    host: str
    port: int
    credentials: tuple[str, ...]
    database: str

    @classmethod
    def parse(cls, url: str) -> ValkeyAddress:
        """Read `valkey://[user]:[password]@host[:port][/database]` (or `redis://`).

        Raises:
            ValueError: the URL is of another kind; the text holds nothing of it.
        """
        wrong = "the address of a cache reads valkey://[:password@]host:port"
        try:
            address = urlsplit(url)
            host, port = address.hostname, address.port
        except ValueError:
            raise ValueError(wrong) from None
        database = address.path.strip("/")
        is_one = not database or (database.isascii() and database.isdigit())
        if address.scheme not in _SCHEMES or not host or not is_one:
            raise ValueError(wrong)
        named = (unquote(address.username or ""), unquote(address.password or ""))
        return cls(host, port or _PORT, tuple(word for word in named if word), database)

    async def sign_in(self) -> RespConnection:
        """Connect under our name.

        Raises:
            RespError: the server refuses; OSError, EOFError: nobody is there; ValueError: nobody
                who speaks RESP2.
        """
        connection = await RespConnection.open(self.host, self.port)
        try:
            if self.credentials:
                await self._authenticate(connection)
            await connection.call("CLIENT", "SETNAME", CLIENT_NAME)
            if self.database.lstrip("0"):
                await connection.call("SELECT", self.database)
        except BaseException:
            connection.drop()
            raise
        return connection

    async def _authenticate(self, connection: RespConnection) -> None:
        """Say who we are; a server that does not know the command repeats what it was given."""
        try:
            await connection.call("AUTH", *self.credentials)
        except RespError as error:
            text = str(error)
            for word in self.credentials:
                text = text.replace(word, "***")
            raise RespError(text) from None
