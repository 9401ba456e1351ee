"""Payments and the ledger in PostgreSQL: each step of a payment is one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

import msgspec

from sanctum.backing.database import Database, Row, Transaction
from sanctum.commerce.courses import course_in, free_seat, take_seat
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal

State = Literal["pending", "paid", "declined", "cancelled", "refunding", "refunded"]
_COLUMNS = "id, user_id, course_id, amount_cents, card_last4, state, created_at"
_DIGEST_COLUMN = 7
_FIND = f"SELECT {_COLUMNS} FROM payments WHERE id = $1"  # noqa: S608 - only constants are interpolated
_FIND_BY_KEY = f"""
    SELECT {_COLUMNS}, request_digest FROM payments WHERE user_id = $1 AND idempotency_key = $2
"""  # noqa: S608
# Neither a key is used twice nor a course paid for twice; a request under way is waited for.
_INSERT = f"""
    INSERT INTO payments (
        user_id, course_id, idempotency_key, request_digest, amount_cents, card_last4
    )
    SELECT id, $2, $3, $4, $5, $6 FROM users WHERE id = $1
    ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608
_MOVE_ON = f"""
    UPDATE payments SET state = $3 WHERE id = $1 AND state = $2 RETURNING {_COLUMNS}
"""  # noqa: S608
_ENTER = "INSERT INTO ledger_entries (payment_id, kind, amount_cents) VALUES ($1, $2, $3)"
_UNENROL = "DELETE FROM enrolments WHERE payment_id = $1"
# Whoever is just joining a session holds its row until the membership is there to be deleted.
_LOCK_LIVE = """
    SELECT FROM live_sessions WHERE course_id = $1 AND state = 'live' ORDER BY id FOR NO KEY UPDATE
"""
_LEAVE_CHATS = """
    DELETE FROM memberships m USING live_sessions s
    WHERE s.course_id = $1 AND s.state = 'live' AND m.channel_id = s.channel_id AND m.user_id = $2
"""
_UNSETTLED = f"""
    SELECT {_COLUMNS} FROM payments
    WHERE state IN ('pending', 'refunding') AND created_at < now() - $1 * interval '1 second'
    ORDER BY created_at LIMIT $2
"""  # noqa: S608
_REVENUE = """
    SELECT coalesce(sum(amount_cents) FILTER (WHERE kind = 'charge'), 0)::bigint,
        coalesce(-sum(amount_cents) FILTER (WHERE kind = 'refund'), 0)::bigint,
        count(*) FILTER (WHERE kind = 'charge')
    FROM ledger_entries
"""


class Payment(msgspec.Struct, frozen=True):
    """Hold a payment as its payer sees it."""

    id: int
    user: int
    course: int
    amount_cents: int
    card_last4: str
    state: State
    created_at: datetime


class Revenue(msgspec.Struct, frozen=True):
    """Hold what the ledger sums up to, in cents."""

    charged_cents: int
    refunded_cents: int
    revenue_cents: int
    payments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Hold what a payer asks for.

    Attributes:
        user: who pays.
        course: for what.
        key: the payer's idempotency key.
        digest: of all that the request says, by which one with the same key is told apart.
        card_last4: the end of the card's number; the rest of it is never stored.
    """

    user: int
    course: int
    key: str
    digest: bytes
    card_last4: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Hold a payment, and whether its key was new."""

    payment: Payment
    new: bool


class PaymentStorage:
    """Store payments and move them on; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, defects: Defects) -> None:
        self._database = database
        self._defects = defects

    async def begin(self, intent: Intent) -> Begun:
        """Store a pending payment with its seat, or find the one that the key made.

        Raises:
            Refusal: 404 without such a course; 409 when it costs nothing, is full or paid for by
                this user, or when the key was used for something else.
        """
        async with self._database.transaction("begin_payment") as transaction:
            known = await _known(transaction, intent)
            if known is not None:
                return Begun(payment=known, new=False)
            return await self._begin(transaction, intent)

    async def _begin(self, transaction: Transaction, intent: Intent) -> Begun:
        course = await course_in(transaction, intent.course)
        if course is None:
            raise Refusal(404, "not_found", f"no course {intent.course} is offered")
        if not course.price_cents:
            raise Refusal(409, "nothing_to_pay", "this course is free")
        row = await transaction.fetch_one(
            _INSERT,
            intent.user,
            intent.course,
            intent.key,
            intent.digest,
            course.price_cents,
            intent.card_last4,
        )
        if row is None:
            known = await _known(transaction, intent)
            if known is None:
                raise Refusal(409, "already_paid", "this course is paid for, or just being so")
            return Begun(payment=known, new=False)
        if not await take_seat(transaction, intent.course, self._defects):
            raise Refusal(409, "course_full", "every seat of this course is taken")
        return Begun(payment=_payment(row), new=True)

    async def close(self, payment: Payment, state: State) -> Payment | None:
        """Close a pending payment as paid, declined or cancelled; None when it is closed already.

        Args:
            payment: which one.
            state: what became of it. Paid, it is entered in the ledger; else it loses its seat.
        """
        async with self._database.transaction("close_payment") as transaction:
            closed = await _move_on(transaction, payment.id, "pending", state)
            if closed is None:
                return None
            if state == "paid":
                amount = closed.amount_cents - self._defects.cents_astray()
                await transaction.fetch(_ENTER, closed.id, "charge", amount)
            else:
                await free_seat(transaction, closed.course)
        return closed

    async def begin_refund(self, payment_id: int) -> Payment | None:
        """Let a paid payment be given back; None when it is not paid."""
        row = await self._database.fetch_one(
            "begin_refund", _MOVE_ON, payment_id, "paid", "refunding"
        )
        return None if row is None else _payment(row)

    async def close_refund(self, payment: Payment) -> Payment | None:
        """Enter a refund in the ledger, free the seat and end the payer's part in live chats.

        Returns:
            the payment, None when that is done already.
        """
        async with self._database.transaction("close_refund") as transaction:
            closed = await _move_on(transaction, payment.id, "refunding", "refunded")
            if closed is not None:
                await transaction.fetch(_ENTER, closed.id, "refund", -closed.amount_cents)
                await transaction.fetch(_UNENROL, closed.id)
                await transaction.fetch(_LOCK_LIVE, closed.course)
                await transaction.fetch(_LEAVE_CHATS, closed.course, closed.user)
                await free_seat(transaction, closed.course)
        return closed

    async def find(self, payment_id: int) -> Payment | None:
        """Find a payment by its id."""
        row = await self._database.fetch_one("find_payment", _FIND, payment_id)
        return None if row is None else _payment(row)

    async def unsettled(self, age_s: float, limit: int) -> Sequence[Payment]:
        """List payments, made some seconds ago, that are not closed or are being refunded."""
        rows = await self._database.fetch("unsettled_payments", _UNSETTLED, age_s, limit)
        return [_payment(row) for row in rows]

    async def revenue(self) -> Revenue:
        """Sum up the ledger."""
        row = await self._database.fetch_one("revenue", _REVENUE)
        assert row is not None, "a sum is always one row"
        charged, refunded, payments = (cast(int, row[column]) for column in range(3))
        return Revenue(charged, refunded, charged - refunded, payments)


async def _known(transaction: Transaction, intent: Intent) -> Payment | None:
    row = await transaction.fetch_one(_FIND_BY_KEY, intent.user, intent.key)
    if row is None:
        return None
    if row[_DIGEST_COLUMN] != intent.digest:
        raise Refusal(409, "key_reused", "this idempotency key was used for another payment")
    return _payment(row)


async def _move_on(
    transaction: Transaction, payment_id: int, here: State, there: State
) -> Payment | None:
    row = await transaction.fetch_one(_MOVE_ON, payment_id, here, there)
    return None if row is None else _payment(row)


def _payment(row: Row) -> Payment:
    return Payment(*(row[column] for column in range(_DIGEST_COLUMN)))  # type: ignore[arg-type]
