"""Telling: how other domains make notifications, in the transaction that stores their cause.

A domain takes a part of SQL from here into the statement that stores the cause, so that there is
never one without the other, and hands what was made to the teller: the one place where
notifications go on from, within the transaction and after its commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from time import time
from typing import cast

from sanctum.backing.database import Transaction
from sanctum.inbox.frames import NOTIFICATION
from sanctum.inbox.inbox import Entries, Inbox
from sanctum.telemetry.metrics import Metrics

READERS_MAX = 100

# Parts of another domain's statement. Each makes `told (user_id, id)`: who was told, and the
# notification; `TOLD` gives both as two columns of arrays.
# After `post (id, author_id)`. The third parameter is how many readers are passed over, none but
# by a planted defect.
TELL_OF_POST = f"""
    told AS (
        INSERT INTO notifications (user_id, kind, actor_id, post_id)
        SELECT reader.user_id, 'post', post.author_id, post.id
        FROM post CROSS JOIN LATERAL (
            SELECT DISTINCT theirs.user_id
            FROM memberships own JOIN memberships theirs USING (channel_id)
            WHERE own.user_id = post.author_id AND theirs.user_id <> post.author_id
            ORDER BY theirs.user_id LIMIT {READERS_MAX} OFFSET $3
        ) reader
        RETURNING user_id, id
    )
"""  # noqa: S608 - only constants are interpolated
# After `post (id, author_id)` and `comment (id, author_id)`.
TELL_OF_COMMENT = """
    told AS (
        INSERT INTO notifications (user_id, kind, actor_id, post_id, comment_id)
        SELECT post.author_id, 'comment', comment.author_id, post.id, comment.id
        FROM post CROSS JOIN comment WHERE post.author_id <> comment.author_id
        RETURNING user_id, id
    )
"""
# After `post (id, author_id)` and `liked (user_id)`.
TELL_OF_LIKE = """
    told AS (
        INSERT INTO notifications (user_id, kind, actor_id, post_id)
        SELECT post.author_id, 'like', liked.user_id, post.id
        FROM post CROSS JOIN liked WHERE post.author_id <> liked.user_id
        RETURNING user_id, id
    )
"""
# After `post (id, author_id)` and `unliked (user_id)`: who takes a like back takes back the word.
UNTELL_OF_LIKE = """
    untold AS (
        DELETE FROM notifications n USING post, unliked
        WHERE n.post_id = post.id AND n.kind = 'like' AND n.actor_id = unliked.user_id
    )
"""
TOLD = """
    ARRAY(SELECT user_id FROM told ORDER BY user_id),
    ARRAY(SELECT id FROM told ORDER BY user_id)
"""
# Locked in the order of their ids, as by who marks them read: neither waits for the other in turn.
LOCK_OF_POST = "SELECT FROM notifications WHERE post_id = $1 ORDER BY id FOR UPDATE"
LOCK_OF_COMMENT = "SELECT FROM notifications WHERE comment_id = $1 ORDER BY id FOR UPDATE"


class Kind(Enum):
    """Name what a notification is about."""

    POST = "post"
    COMMENT = "comment"
    LIKE = "like"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Hold the notifications that one cause made.

    Attributes:
        kind: what they are about.
        actor: the name of who did it.
        post: the post that was made, commented or liked.
        comment: the comment, where it is one.
        readers: who was told, by user id, with the id of each one's notification.
    """

    kind: Kind
    actor: str
    post: int
    comment: int | None = None
    readers: Sequence[tuple[int, int]] = ()


def pairs(users: object, notifications: object) -> Sequence[tuple[int, int]]:
    """Join the two columns of `TOLD` to readers."""
    return list(zip(cast(list[int], users), cast(list[int], notifications), strict=True))


class Teller:
    """Take what was made by the parts above on to the readers' inboxes and open sockets."""

    def __init__(self, inbox: Inbox, metrics: Metrics) -> None:
        self._inbox = inbox
        self._made = metrics.notifications

    async def carry(self, transaction: Transaction, told: Told) -> Entries:
        """Append to the readers' inboxes, as the last statement of the cause's transaction."""
        created = time()
        bodies = {
            user_id: {
                "notification": notification_id,
                "event": told.kind.value,
                "actor": told.actor,
                "post": told.post,
                "comment": told.comment,
                "created": created,
            }
            for user_id, notification_id in told.readers
        }
        return await self._inbox.append_each(transaction, NOTIFICATION, bodies)

    def committed(self, entries: Entries) -> None:
        """Count what is stored for good, and send it to open sockets without waiting."""
        self._made.inc(len(entries))
        self._inbox.publish(entries)
