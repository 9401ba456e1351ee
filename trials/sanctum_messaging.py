"""Conversations as Sanctum's users hold them: posted to over HTTP, read in an open inbox.

A message is posted to its conversation and arrives in the inbox of everybody who takes part, its
author included. People are grouped: the first `group_size` of them share one conversation, the next
ones another. Trials of messaging import what they need from here.
"""

from __future__ import annotations

from typing import Any

from sanctum_journeys import LOGIN, PACE_S, PASSWORD, Frame, Held, name_of, pause, sign_in
from stormproof import Counter, FinalRead, Setting, User, check, journey, setup

PEOPLE = Setting("people", low=2, whole=True)
GROUP_SIZE = Setting("group_size", low=2, whole=True)
PAYLOAD_BYTES = Setting("payload_bytes", low=64, high=65_536, whole=True)
REFUSED = range(400, 500)  # certain: nothing was stored
# Channels of the chat are numbered from 1, too; in the ledger each scope has a number of its own.
CONVERSATIONS_FROM = 1_000_000
# What the pipeline holds when all is over: nothing that waits, nothing set aside, nobody without
# an entry of what was posted to their conversation.
PIPELINE_EMPTY = {
    "outbox": FinalRead(statement="SELECT conversation_id, number FROM outbox", empty=True),
    "outbox_dead": FinalRead(
        statement="SELECT conversation_id, number FROM outbox_dead", empty=True
    ),
    "undelivered": FinalRead(
        statement="""
            SELECT m.conversation_id, m.number, p.user_id
            FROM conversation_messages m
            JOIN participants p ON p.conversation_id = m.conversation_id
                AND p.joined_number < m.number
            LEFT JOIN inbox_entries e ON e.user_id = p.user_id
                AND e.conversation_id = m.conversation_id AND e.message_number = m.number
            WHERE e.user_id IS NULL
        """,
        empty=True,
    ),
    "pending": FinalRead(stream="sanctum:messages", group="sanctum", empty=True),
}
DENIALS = Counter("denials_seen", doc="Outsiders who were refused (403).")
LEAKS = Counter("denials_missed", doc="Outsiders who were let into a conversation of others.")


@setup
async def gather(user: User) -> dict[str, Any]:
    """Make one conversation a group, each by the first of its people."""
    people, size = int(PEOPLE.of(user)), int(GROUP_SIZE.of(user))
    conversations = []
    for first in range(0, people, size):
        members = range(first, min(first + size, people))
        conversations.append(await _converse(user, [*members]))
    return {"conversations": conversations}


async def _converse(user: User, members: list[int]) -> int:
    credentials = {"username": name_of(members[0]), "password": PASSWORD}
    session = await user.http.post("/api/auth/login", json=credentials)
    others = [index + 1 for index in members[1:]]
    made = await user.http.post(
        "/v1/conversations",
        json={"kind": "group", "title": "people of a trial", "participants": others},
        auth=session.json()["token"],
    )
    if made.status != 201:
        user.fail(f"no conversation: {made.status} {made.error}")
    return int(made.json()["id"])


class Mailbox(Held):
    """One user's open inbox."""

    __slots__ = ("_heard", "conversation", "scope")

    def __init__(self, user: User) -> None:
        super().__init__(
            user,
            {"topic": "inbox"},
            lambda query, take: user.ws.connect("/api/ws/inbox", query=query, on_message=take),
        )
        size = int(GROUP_SIZE.of(user))
        self.conversation: int = user.data["conversations"][user.index // size]
        self.scope = CONVERSATIONS_FROM + self.conversation
        self._heard = 0  # the number of the conversation's last message

    def welcomed(self) -> None:
        """Tell the ledger that the conversation's messages are owed from here on."""
        self.user.ledger.joined(self.scope, self._heard)

    def take_frame(self, frame: Frame) -> None:
        """Take an entry of the inbox."""
        self.seen = frame["number"]
        if frame["kind"] == "message":
            if frame["conversation"] == self.conversation:
                self._heard = frame["message"]
            scope = CONVERSATIONS_FROM + frame["conversation"]
            self.user.ledger.received(frame["payload"], scope, frame["message"])


async def open_mailbox(user: User) -> None:
    """Have the inbox open; after a broken socket resume where it ended."""
    if not hasattr(user.state, "mailbox"):
        user.state.mailbox = Mailbox(user)
    await user.state.mailbox.take()


async def post_message(user: User) -> None:
    """Post one message to one's conversation; its outcome is what the answer makes certain."""
    mailbox = user.state.mailbox
    text = user.fake.text(int(PAYLOAD_BYTES.of(user)))
    message = user.ledger.sent(mailbox.scope, text)
    reply = await user.http.post(
        "/v1/messages",
        json={
            "conversation": mailbox.conversation,
            "id": f"{message.key:x}",
            "payload": message.body,
        },
        auth=await LOGIN.token(user),
    )
    if reply.status in (200, 201):
        message.ok(reply.json()["number"])
    elif reply.status in REFUSED:
        message.refused()
    else:
        message.unknown()
    check(reply, "message accepted", reply.status in (200, 201))


@journey(
    prepare=open_mailbox,
    settle=open_mailbox,
    settings=(PEOPLE, GROUP_SIZE, PAYLOAD_BYTES),
)
async def exchange(user: User) -> None:
    """Post one message to the conversation of one's group, the inbox being open."""
    await open_mailbox(user)
    await post_message(user)


@journey(prepare=sign_in, settings=(PEOPLE, GROUP_SIZE, PACE_S))
async def trespass(user: User) -> None:
    """Try to read a conversation of others, and to post to it; be refused both times."""
    conversations: list[int] = user.data["conversations"]
    own = user.index // int(GROUP_SIZE.of(user))
    others = [one for place, one in enumerate(conversations) if place != own]
    token, foreign = await LOGIN.token(user), user.random.choice(others)
    read = await user.http.get(
        "/v1/conversations/{id}/messages", id=foreign, auth=token, expected=(403,)
    )
    body = {"conversation": foreign, "id": user.fake.uuid4(), "payload": "from nobody"}
    posted = await user.http.post("/v1/messages", json=body, auth=token, expected=(403,))
    for answer in (read, posted):
        check(answer, "outsider refused", answer.status == 403)
        DENIALS.add(user, int(answer.status == 403))
        LEAKS.add(user, int(answer.status < 300))
    await pause(user)


@journey(prepare=sign_in, settings=(PEOPLE, GROUP_SIZE))
async def look_in(user: User) -> None:
    """Read the head of the own conversation: who takes part is found at hand."""
    own = user.data["conversations"][user.index // int(GROUP_SIZE.of(user))]
    answer = await user.http.get("/v1/conversations/{id}", id=own, auth=await LOGIN.token(user))
    check(answer, "conversation read", answer.status == 200)
