"""Conversations as their people manage them: made, listed, renamed, deleted, and closed to others.

Each user makes conversations with its neighbour and keeps what it has made, so that what it does
next has something to be done to. Trials of conversations import what they need from here.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from sanctum_journeys import LOGIN, PASSWORD, TOKEN_USED_S, name_of, sign_in
from stormproof import Counter, PasswordLogin, Setting, Trend, User, check, journey

PEOPLE = Setting("people", low=3, whole=True)
KEPT_MAX = 20  # of its own conversations that a user remembers
# What is done, as a share of all visits: the rest of 1 is for knocking at the door of others.
CREATE, LIST, UPDATE, DELETE = 0.4, 0.7, 0.9, 0.98  # each up to here
STALE_SHARE = 0.3  # of the updates that come from a version that has passed
CONFLICTS = Counter("conflicts_seen", doc="Updates of a passed version that were refused (409).")
PROPAGATION = Trend(
    "participants_propagation",
    unit="ms",
    doc="From an acknowledged change of participants until whom it concerns sees it.",
)
STALE = Counter("participants_stale", doc="Reads that saw a removed participant in once more.")
SEEN_WITHIN_S, SEEN_EVERY_S = 5.0, 0.005
DENIALS = Counter("denials_seen", doc="Outsiders who were refused (403).")


@journey(prepare=sign_in, settings=(PEOPLE,))
async def manage(user: User) -> None:
    """Do one thing to one conversation: what, is drawn at random."""
    token = await LOGIN.token(user)
    mine = _own(user)
    drawn = user.random.random()
    if drawn < CREATE or not mine:
        await _create(user, token, mine)
    elif drawn < LIST:
        await _list(user, token, mine)
    elif drawn < UPDATE:
        await _rename(user, token, mine)
    elif drawn < DELETE:
        await _delete(user, token, mine)
    else:
        await _knock(user, mine)


def _own(user: User) -> list[dict[str, Any]]:
    """Give the conversations that the user has made and not deleted, the oldest first."""
    if not hasattr(user.state, "mine"):
        user.state.mine = []
    mine: list[dict[str, Any]] = user.state.mine
    return mine


def outsider_of(user: User) -> str:
    """Name somebody who is neither the user nor its neighbour."""
    return name_of((user.index + 2) % int(PEOPLE.of(user)))


OUTSIDER = PasswordLogin(
    "/api/auth/login", name=outsider_of, password=PASSWORD, lifetime_s=TOKEN_USED_S
)


async def _create(user: User, token: str, mine: list[dict[str, Any]]) -> None:
    people = int(PEOPLE.of(user))
    neighbour = (user.index + 1) % people + 1  # people are numbered from 1
    made = await user.http.post(
        "/v1/conversations",
        json={"kind": "group", "title": user.fake.sentence(), "participants": [neighbour]},
        auth=token,
    )
    if check(made, "conversation created", made.status == 201):
        mine.append(made.json())
        del mine[:-KEPT_MAX]


async def _list(user: User, token: str, mine: list[dict[str, Any]]) -> None:
    listed = await user.http.get("/v1/conversations", query={"limit": 100}, auth=token)
    if check(listed, "conversations listed", listed.status == 200):
        found = {one["id"] for one in listed.json()["conversations"]}
        check(listed, "newest is listed", mine[-1]["id"] in found)


async def _rename(user: User, token: str, mine: list[dict[str, Any]]) -> None:
    """Rename a conversation; from a version that has passed the service must refuse."""
    chosen = user.random.choice(mine)
    stale = chosen["version"] > 1 and user.random.random() < STALE_SHARE
    version = chosen["version"] - 1 if stale else chosen["version"]
    answer = await user.http.patch(
        "/v1/conversations/{id}",
        id=chosen["id"],
        json={"version": version, "title": user.fake.sentence()},
        auth=token,
        expected=(200, 409),
    )
    if stale:
        check(answer, "passed version refused", answer.status == 409)
        CONFLICTS.add(user, int(answer.status == 409))
    elif check(answer, "conversation renamed", answer.status == 200):
        chosen["version"] = answer.json()["version"]


async def _delete(user: User, token: str, mine: list[dict[str, Any]]) -> None:
    chosen = mine.pop(0)
    gone = await user.http.delete("/v1/conversations/{id}", id=chosen["id"], auth=token)
    check(gone, "conversation deleted", gone.status == 204)
    again = await user.http.get(
        "/v1/conversations/{id}", id=chosen["id"], auth=token, expected=(404,)
    )
    check(again, "deleted is gone", again.status == 404)


async def _knock(user: User, mine: list[dict[str, Any]]) -> None:
    """Ask as somebody who takes no part for a conversation, and be refused."""
    token = await OUTSIDER.token(user)
    answer = await user.http.get(
        "/v1/conversations/{id}", id=user.random.choice(mine)["id"], auth=token, expected=(403,)
    )
    check(answer, "outsider refused", answer.status == 403)
    DENIALS.add(user, int(answer.status == 403))


@journey(prepare=sign_in, settings=(PEOPLE,))
async def come_and_leave(user: User) -> None:
    """Let somebody into a conversation and out again, and see when that holds."""
    token = await LOGIN.token(user)
    mine = _own(user)
    if not mine:
        await _create(user, token, mine)
        return
    guest = (user.index + 2) % int(PEOPLE.of(user)) + 1
    path = "/v1/conversations/{id}/participants"
    added = await user.http.post(path, id=mine[0]["id"], json={"user": guest}, auth=token)
    if not check(added, "participant added", added.status == 201):
        return
    await _until(user, mine[0]["id"], 200)
    removed = await user.http.delete(path + "/{user}", id=mine[0]["id"], user=guest, auth=token)
    if not check(removed, "participant removed", removed.status == 204):
        return
    await _until(user, mine[0]["id"], 403)
    late = await _read_as_guest(user, mine[0]["id"])
    STALE.add(user, int(late == 200))


async def _until(user: User, conversation: int, status: int) -> None:
    """Read as the guest until the change is seen, and record how long that took."""
    began_s = time.monotonic()
    while (seen := await _read_as_guest(user, conversation)) != status:
        if time.monotonic() - began_s > SEEN_WITHIN_S:
            user.fail(f"a change of participants was not seen: {seen}, not {status}")
        await asyncio.sleep(SEEN_EVERY_S)
    PROPAGATION.add(user, 1000 * (time.monotonic() - began_s))


async def _read_as_guest(user: User, conversation: int) -> int:
    answer = await user.http.get(
        "/v1/conversations/{id}",
        id=conversation,
        auth=await OUTSIDER.token(user),
        expected=(403,),
    )
    return answer.status
