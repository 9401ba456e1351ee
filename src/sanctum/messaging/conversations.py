"""Conversations in PostgreSQL, each read and written on behalf of a user."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import cast

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal
from sanctum.messaging.access import Access, Hidden
from sanctum.messaging.memberships import Membership, Memberships
from sanctum.messaging.metrics import MessagingMetrics

PARTICIPANTS_MAX = 100  # each message makes an inbox entry for every one of them
# Somebody who takes no part has no marks; row-level security alone decides that they see nothing.
_COLUMNS = """
    c.id, c.kind, c.title, c.version, c.last_number, c.created_by, c.updated_at,
    coalesce(p.read_number, 0), coalesce(p.unread, 0)
"""
_INSERT = """
    INSERT INTO conversations (kind, title, created_by)
    SELECT $2, $3, id FROM users WHERE id = $1
    RETURNING id, kind, title, version, last_number, created_by, updated_at, 0, 0
"""
_INSERT_PARTICIPANTS = """
    INSERT INTO participants (conversation_id, user_id)
    SELECT $1, id FROM users WHERE id = ANY($2::bigint[])
    RETURNING user_id
"""
_FIND = f"""
    SELECT {_COLUMNS} FROM conversations c
    LEFT JOIN participants p ON p.conversation_id = c.id AND p.user_id = $2
    WHERE c.id = $1
"""  # noqa: S608 - only constants are interpolated
_LIST = f"""
    SELECT {_COLUMNS} FROM participants p JOIN conversations c ON c.id = p.conversation_id
    WHERE p.user_id = $1 AND (c.updated_at, c.id) < ($2::timestamptz, $3::bigint)
    ORDER BY c.updated_at DESC, c.id DESC LIMIT $4
"""  # noqa: S608
_UPDATE = """
    UPDATE conversations SET title = $3, version = version + 1, updated_at = now()
    WHERE id = $1 AND version = $2
    RETURNING id
"""
# Whoever delivers messages locks inboxes in this order, and then the marks of their participants.
# The marks go with their conversation: locked in any other order, each would wait for the other.
# An inbox that is not there yet cannot be locked, so it is made.
_MAKE_INBOXES = """
    INSERT INTO inboxes (user_id)
    SELECT p.user_id FROM conversations c JOIN participants p ON p.conversation_id = c.id
    WHERE c.id = $1 AND c.created_by = $2
    ORDER BY p.user_id ON CONFLICT DO NOTHING
"""
_LOCK_INBOXES = """
    SELECT FROM conversations c
    JOIN participants p ON p.conversation_id = c.id JOIN inboxes i ON i.user_id = p.user_id
    WHERE c.id = $1 AND c.created_by = $2
    ORDER BY i.user_id FOR UPDATE OF i
"""
_DELETE = """
    DELETE FROM conversations WHERE id = $1 AND created_by = $2 RETURNING participants_version
"""
_ANY_PARTICIPANT = "SELECT user_id FROM participants WHERE conversation_id = $1 LIMIT 1"


class Kind(Enum):
    """Say whether a conversation is between two users, or a group's."""

    DIRECT = "direct"
    GROUP = "group"


class Conversation(msgspec.Struct, frozen=True):
    """Hold a conversation as one of its participants sees it.

    Attributes:
        version: the version of its title, which an update must name.
        last_number: the number of its last message, 0 for none.
        updated_at: when a message was posted or the title changed last.
        read_number: up to which number the participant has read.
        unread: messages of others that arrived after it.
    """

    id: int
    kind: str
    title: str
    version: int
    last_number: int
    created_by: int
    updated_at: datetime
    read_number: int
    unread: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Say after which conversation a page begins, in order of activity."""

    updated_at: datetime
    conversation: int


class ConversationStorage:
    """Keep conversations; every method raises DatabaseUnavailable, and Refusal where it says so."""

    def __init__(
        self,
        database: Database,
        access: Access,
        memberships: Memberships,
        defects: Defects,
        metrics: MessagingMetrics,
    ) -> None:
        self._database = database
        self._access = access
        self._memberships = memberships
        self._defects = defects
        self._metrics = metrics

    async def create(
        self, creator: int, kind: Kind, title: str, others: Collection[int]
    ) -> Conversation:
        """Make a conversation of its creator and others.

        Raises:
            Refusal: 401 when the creator has no account any more, 422 when one of the others has
                none.
        """
        users = {creator, *others}
        async with self._database.transaction("create_conversation", creator) as transaction:
            row = await transaction.fetch_one(_INSERT, creator, kind.value, title)
            if row is None:
                raise Refusal(401, "invalid_token", "the account does not exist any more")
            made = _conversation(row)
            rows = await transaction.fetch(_INSERT_PARTICIPANTS, made.id, list(users))
            unknown = users - {cast(int, row[0]) for row in rows}
            if unknown:
                message = f"participants: there is no user {min(unknown)}"
                raise Refusal(422, "unknown_user", message)
        self._memberships.remember(Membership(conversation=made.id, version=1, users=tuple(users)))
        return made

    async def find(self, conversation: int, reader: int) -> Conversation:
        """Read a conversation; row-level security alone decides whether the reader may.

        Raises:
            Refusal: 403 for who takes no part, 404 when there is no such conversation.
        """
        on_behalf_of = reader
        if self._defects.reads_for_a_participant():
            row = await self._database.fetch_one("find", _ANY_PARTICIPANT, conversation)
            on_behalf_of = reader if row is None else cast(int, row[0])
        async with self._access.on_behalf("find_conversation", on_behalf_of, conversation) as t:
            return await _visible(t, conversation, reader)

    async def newest(self, reader: int, before: Place, limit: int) -> Sequence[Conversation]:
        """List a reader's conversations with less recent activity, the latest first."""
        async with self._database.transaction("list_conversations", reader) as transaction:
            rows = await transaction.fetch(
                _LIST, reader, before.updated_at, before.conversation, limit
            )
        return [_conversation(row) for row in rows]

    async def update(
        self, conversation: int, user_id: int, version: int, title: str
    ) -> Conversation:
        """Change the title of the version that is named.

        Raises:
            Refusal: 403, 404 as `find` does; 409 when it has another version by now.
        """
        async with self._access.on_behalf("update_conversation", user_id, conversation) as t:
            changed = await t.fetch_one(_UPDATE, conversation, version, title)
            found = await _visible(t, conversation, user_id)
            if changed is None:
                self._metrics.version_conflicts.inc()
                message = f"version: it is {found.version} by now, not {version}"
                raise Refusal(409, "version_conflict", message)
        return found

    async def delete(self, conversation: int, user_id: int) -> None:
        """Delete a conversation with its messages; what was delivered stays in the inboxes.

        Raises:
            Refusal: 403 for everybody but its creator, 404 when there is no such conversation.
        """
        async with self._access.on_behalf("delete_conversation", user_id, conversation) as t:
            await t.fetch(_MAKE_INBOXES, conversation, user_id)
            await t.fetch(_LOCK_INBOXES, conversation, user_id)
            deleted = await t.fetch_one(_DELETE, conversation, user_id)
            if deleted is None:
                await _visible(t, conversation, user_id)
                raise self._access.deny("only its creator may delete a conversation")
        version = cast(int, deleted[0]) + 1
        await self._memberships.announce(
            Membership(conversation=conversation, version=version, users=())
        )


async def _visible(transaction: Transaction, conversation: int, user_id: int) -> Conversation:
    """Read a conversation as far as row-level security shows it; raises Hidden."""
    row = await transaction.fetch_one(_FIND, conversation, user_id)
    if row is None:
        raise Hidden
    return _conversation(row)


def _conversation(row: Row) -> Conversation:
    return Conversation(*row)  # type: ignore[misc]
