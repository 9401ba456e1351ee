"""What a journey tells the ledger about any data, as types (see `journeys.interface`).

    put = user.ledger.add("cart:7", 42)                 # before it is sent
    put.answered(await user.http.post("/cart/7", json={"item": 42}))

    look = user.ledger.read("cart:7")                   # before it is asked
    cart = await user.http.get("/cart/7")
    if cart.ok:
        look.ok(cart.json()["items"])

A key is any text, and names one set, counter or value of the target. An element, value or id is a
number or a text.
"""

from __future__ import annotations

from typing import Protocol

from stormproof.journeys.requests import Response


class Change(Protocol):
    """A change that was announced; say what became of it, or it stays unknown."""

    def ok(self) -> None:
        """Say that it was made."""
        ...

    def refused(self) -> None:
        """Say that it certainly was not made."""
        ...

    def unknown(self) -> None:
        """Say that it may have been made: a timeout, a lost connection, a server error."""
        ...

    def answered(self, answer: Response) -> bool:
        """Say what the answer to it says, and return whether it was made.

        2xx: made. 4xx but 408, and a connection that was never there: certainly not made. Else
        unknown, as is what the answer says to a GET that a redirect (`follow=`) made of the
        request. For requests without `retries=`, whose earlier attempts the last answer hides.
        """
        ...


class Reading(Protocol):
    """A read that is under way; one without an answer says nothing, and needs no word."""

    def ok(self, value: object) -> None:
        """Say what was read: a list of all elements, or one value."""
        ...


class Operations(Protocol):
    """Writes down what is done to the target's data."""

    def add(self, key: str, element: object) -> Change:
        """Announce that an element is added to the set `key`, before it is sent."""
        ...

    def remove(self, key: str, element: object) -> Change:
        """Announce that an element is removed; from then on it may be there or not."""
        ...

    def increment(self, key: str, by: int = 1) -> Change:
        """Announce that the counter `key` is raised, or lowered by less than nothing.

        A read that ends before its first change tells what it starts with.
        """
        ...

    def write(self, key: str, value: object) -> Change:
        """Announce that `key` is set to a value; one of its own tells the most."""
        ...

    def compare_and_set(self, key: str, expected: object, value: object) -> Change:
        """Announce that `key` is set to a value if it is what is expected (None: not there).

        Where it is something else, the change is `refused`.
        """
        ...

    def read(self, key: str) -> Reading:
        """Begin to read a key, before it is asked for."""
        ...

    def total(self, key: str) -> Reading:
        """Begin to ask how many elements the set `key` has, such as an unread count."""
        ...

    def issued(self, kind: str, id_: object) -> None:
        """Say that the target gave an id to something new; no two of a kind may be equal."""
        ...

    def effect(self, kind: str, idempotency_key: object, id_: object) -> None:
        """Say that an effect was seen, and the key that asked for it; again as often as one likes.

        Two effects of one key are one too many: two payments, two mails.
        """
        ...

    def owns(self, owner: str, value: object) -> None:
        """Say whose a value is, where it is made: a tenant's, a person's."""
        ...

    def may_see(self, owner: str) -> None:
        """Say that this user may see what is an owner's, before it sees any of it."""
        ...

    def saw(self, value: object) -> None:
        """Say that this user saw a value, or each of a list."""
        ...

    def seen(self, what: str) -> None:
        """Say that something came about which the run must see: `seen{what:a 409}: count>=1`."""
        ...
