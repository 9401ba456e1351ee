"""Participants of conversations: added, removed and told to every process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import msgspec

from sanctum.backing.database import Row, Transaction
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal
from sanctum.messaging.access import Access, Hidden
from sanctum.messaging.conversations import PARTICIPANTS_MAX, Kind
from sanctum.messaging.memberships import Membership, Memberships

# The lock on the conversation's row puts changes and messages in one order: who is added sees
# exactly the messages that are numbered afterwards.
_RAISE_VERSION = """
    UPDATE conversations SET participants_version = participants_version + $2::bigint
    WHERE id = $1
    RETURNING kind, created_by, last_number, participants_version
"""
_ADD = """
    INSERT INTO participants (conversation_id, user_id, joined_number, read_number)
    SELECT $1, id, $3, $3 FROM users WHERE id = $2
    ON CONFLICT DO NOTHING
    RETURNING user_id
"""
_REMOVE = """
    DELETE FROM participants WHERE conversation_id = $1 AND user_id = $2 RETURNING user_id
"""
_USERS = "SELECT user_id FROM participants WHERE conversation_id = $1"


class Participants(msgspec.Struct, frozen=True):
    """List the users who take part in a conversation."""

    participants: Sequence[int]


class ParticipantStorage:
    """Change who takes part; every method raises DatabaseUnavailable and Refusal."""

    def __init__(self, access: Access, memberships: Memberships, defects: Defects) -> None:
        self._access = access
        self._memberships = memberships
        self._defects = defects

    async def list(self, conversation: int, user_id: int) -> Participants:
        """List who takes part, as the database has it; raises Refusal for whoever does not."""
        if self._defects.lists_what_is_kept():
            return Participants(await self._memberships.users(conversation))
        async with self._access.on_behalf("list_participants", user_id, conversation) as t:
            users = await _users(t, conversation)
            if user_id not in users:
                raise Hidden
        return Participants(users)

    async def add(self, conversation: int, user_id: int, added: int) -> Participants:
        """Let somebody take part in a group, from its next message on.

        Raises:
            Refusal: 403, 404 when the user takes no part or there is no such conversation; 409
                when it is no group, is full, or they take part already; 422 for an unknown user.
        """
        async with self._access.on_behalf("add_participant", user_id, conversation) as t:
            locked = await _lock(t, conversation)
            if locked[0] != Kind.GROUP.value:
                raise Refusal(409, "not_a_group", "a direct conversation has two participants")
            users = await _users(t, conversation)
            # Read after the lock: who was removed while waiting for it adds nobody any more.
            if user_id not in users:
                raise Hidden
            if added in users:
                raise Refusal(409, "already_participant", f"user {added} takes part already")
            if len(users) >= PARTICIPANTS_MAX:
                message = f"a conversation has at most {PARTICIPANTS_MAX} participants"
                raise Refusal(409, "conversation_full", message)
            if await t.fetch_one(_ADD, conversation, added, locked[2]) is None:
                raise Refusal(422, "unknown_user", f"user: there is no user {added}")
        return await self._tell(conversation, locked, (*users, added))

    async def remove(self, conversation: int, user_id: int, removed: int) -> None:
        """Take somebody's part away: anybody may leave, only the creator may remove others.

        Raises:
            Refusal: 403 when the user may not, 404 when either does not exist or `removed` takes
                no part; 409 for the creator, who can only delete the conversation.
        """
        step = 0 if self._defects.hushes_removal() else 1
        async with self._access.on_behalf("remove_participant", user_id, conversation) as t:
            locked = await _lock(t, conversation, step)
            creator = cast(int, locked[1])
            if user_id not in (removed, creator):
                raise self._access.deny("only its creator may remove others from a conversation")
            if removed == creator or locked[0] != Kind.GROUP.value:
                message = "the creator, and who is in a direct conversation, cannot be removed"
                raise Refusal(409, "not_removable", message)
            if await t.fetch_one(_REMOVE, conversation, removed) is None:
                raise Refusal(404, "not_found", f"user {removed} takes no part")
            users = await _users(t, conversation)
        await self._tell(conversation, locked, users)

    async def _tell(self, conversation: int, locked: Row, users: tuple[int, ...]) -> Participants:
        version = cast(int, locked[3])
        await self._memberships.announce(
            Membership(conversation=conversation, version=version, users=users)
        )
        return Participants(users)


async def _lock(transaction: Transaction, conversation: int, step: int = 1) -> Row:
    """Raise the version of a conversation's participants; raises Hidden."""
    locked = await transaction.fetch_one(_RAISE_VERSION, conversation, step)
    if locked is None:
        raise Hidden
    return locked


async def _users(transaction: Transaction, conversation: int) -> tuple[int, ...]:
    return tuple(cast(int, row[0]) for row in await transaction.fetch(_USERS, conversation))
