"""Who a request comes from, as headers: API keys, bearer tokens, names with passwords.

KEY = api_key("X-API-Key", secret("SHOP_API_KEY"))

await user.http.get("/orders", auth=KEY)
await user.ws.connect("/ws", headers=KEY.headers)
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping

from stormproof.journeys.secret import Secret, text_of

Text = str | Secret


class HeaderCredential:
    """A header that says who is asking; made when it is first sent, when secrets are known."""

    __slots__ = ("_headers", "_make", "name", "secrets")

    def __init__(self, name: str, make: Callable[[], str], given: tuple[Text, ...]) -> None:
        self.name = name
        self.secrets = tuple(one for one in given if isinstance(one, Secret))
        self._make = make
        self._headers: dict[str, str] | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """The header by its name."""
        if self._headers is None:
            self._headers = {self.name: self._make()}
        return self._headers

    def __repr__(self) -> str:
        return f"HeaderCredential({self.name})"


def api_key(header: str, key: Text) -> HeaderCredential:
    """Send a key in a header of its own, such as `X-API-Key`."""
    return HeaderCredential(header, lambda: text_of(key), (key,))


def bearer(token: Text) -> HeaderCredential:
    """Send `Authorization: Bearer` with a token that does not change."""
    return HeaderCredential("Authorization", lambda: f"Bearer {text_of(token)}", (token,))


def basic(name: Text, password: Text) -> HeaderCredential:
    """Send `Authorization: Basic` with a name and a password."""

    def made() -> str:
        pair = f"{text_of(name)}:{text_of(password)}"
        return f"Basic {b64encode(pair.encode()).decode()}"

    return HeaderCredential("Authorization", made, (name, password))
