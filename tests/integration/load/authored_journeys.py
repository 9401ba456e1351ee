"""Journeys that use what comes once, feeds, secrets and clean-ups."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from stormproof import Feed, check, journey, secret, setup, teardown
from stormproof.journeys.interface import User

PASS_PHRASE = secret("TEST_PASS_PHRASE")
PEOPLE = Feed.of([{"name": f"person-{number}"} for number in range(6)], order="unique")
COLOURS = Feed.of([{"colour": colour} for colour in ("red", "green", "blue")], order="circular")


@setup
async def open_shop(user: User) -> dict[str, Any]:
    """Make what the run needs, as the run's settings say."""
    answer = await user.http.post("/shops/{kind}", kind=user.env["kind"])
    user.cleanup(lambda: user.http.delete("/shops/of-setup"))
    if user.env["kind"] == "broken":
        user.fail("no shop today")
    if user.env["kind"] == "odd":
        return {"shops": {answer.status}}
    return {"shop": answer.status, "names": ["Ä", "b"]}


@teardown
async def close_shop(user: User) -> None:
    """Take down what the set-up made."""
    await user.http.delete("/shops/{id}", id=user.data["shop"])


async def arrive(user: User) -> None:
    """Make something of one's own, and say how it is undone."""
    await user.http.post("/carts/{id}", id=user.id)
    user.cleanup(lambda: user.http.delete("/carts/{id}", id=user.id))
    user.cleanup(lambda: user.http.delete("/carts/{id}/items", id=user.id))
    user.cleanup(lambda: user.http.delete("/never")).forget()


@journey(prepare=arrive)
async def shop(user: User) -> None:
    """Show what the set-up handed over, then stay."""
    await user.http.get("/shop/{id}/{name}", id=user.data["shop"], name=user.data["names"][1])
    await user.think(60)


async def leave_badly(user: User) -> None:
    """Register a clean-up that the target refuses, and one that raises."""
    user.cleanup(lambda: user.http.delete("/status/{code}", code=500))
    user.cleanup(raise_error)


async def raise_error() -> None:
    """Be no good clean-up."""
    raise KeyError("gone")


@journey(prepare=leave_badly)
async def leave(user: User) -> None:
    """Stay."""
    await user.think(60)


@journey
async def meet(user: User) -> None:
    """Meet the next person, each once."""
    person = PEOPLE.next(user)
    await user.http.get("/people/{name}", name=person["name"])


@journey
async def paint(user: User) -> None:
    """Take two colours at a time."""
    first, second = COLOURS.take(user, 2)
    await user.http.get("/paint/{a}/{b}", a=first["colour"], b=second["colour"])


@journey
async def whisper(user: User) -> None:
    """Send the secret wherever it may come back from, and say it in every way there is."""
    phrase = PASS_PHRASE.value
    print(f"the phrase is {phrase}")  # noqa: T201 - of a journey, which may print
    answer = await user.http.post("/leak/{phrase}", phrase=phrase, json={"p": phrase}, auth=phrase)
    check(answer, f"heard {phrase}", answer.status == 200)
    with user.tagged(said=phrase), user.group(phrase):
        await user.http.get(f"/leak/{quote(phrase)}")
    if user.random.random() < 0.5:
        user.fail(f"it said {phrase}")
    raise KeyError(phrase)
