"""Access: who may reach a conversation, and what everybody else is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sanctum.backing.database import Database, Transaction
from sanctum.gateway.answers import Refusal
from sanctum.messaging.memberships import Memberships
from sanctum.messaging.metrics import MessagingMetrics


class Hidden(Exception):
    """Say that row-level security shows no such conversation to whom a transaction runs for."""


class Access:
    """Let participants pass; tell others apart from those who ask for what does not exist."""

    def __init__(
        self, database: Database, memberships: Memberships, metrics: MessagingMetrics
    ) -> None:
        self._database = database
        self._memberships = memberships
        self._metrics = metrics

    async def require(self, conversation: int, user_id: int) -> None:
        """Let a participant pass, without a transaction where the participants are at hand.

        Raises:
            Refusal: 403 for anybody else, 404 when there is no such conversation.
            DatabaseUnavailable: when only the database could tell.
        """
        takes_part = await self._memberships.includes(conversation, user_id)
        if not takes_part:
            raise self._refusal(conversation, exists=takes_part is not None)

    @asynccontextmanager
    async def on_behalf(
        self, operation: str, user_id: int, conversation: int
    ) -> AsyncIterator[Transaction]:
        """Run a transaction for a user, in which Hidden is raised when nothing is to be seen.

        Raises:
            Refusal: 403 or 404 instead of Hidden.
            DatabaseUnavailable: as every transaction does.
        """
        try:
            async with self._database.transaction(operation, user_id) as transaction:
                yield transaction
        except Hidden:
            exists = await self._memberships.exist(conversation)
            raise self._refusal(conversation, exists=exists) from None

    def deny(self, message: str) -> Refusal:
        """Count a denial and make its refusal."""
        self._metrics.denied.inc()
        return Refusal(403, "forbidden", message)

    def _refusal(self, conversation: int, *, exists: bool) -> Refusal:
        if exists:
            return self.deny(f"you take no part in conversation {conversation}")
        return Refusal(404, "not_found", f"there is no conversation {conversation}")
