"""The charging provider: a stand-in for one that takes money, with a table of its own.

It keeps the promise that such providers make: under one reference something happens once, and
whoever asks again under it is told what happened. All that Sanctum knows of it goes through this
class; no transaction spans both sides, as none would with a provider elsewhere.

Any card is charged, but for these numbers: ``4000000000000002`` and ``4000000000009995`` are
declined.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import msgspec

from sanctum.backing.database import Database

DECLINED_CARDS = frozenset({"4000000000000002", "4000000000009995"})
Outcome = Literal["charged", "declined", "voided", "refunded"]
_RECORD = """
    INSERT INTO provider_charges (reference, payment_id, amount_cents, outcome)
    VALUES ($1, $2, $3, $4) ON CONFLICT (reference) DO NOTHING RETURNING outcome
"""
_KNOWN = "SELECT outcome FROM provider_charges WHERE reference = $1"
_OF_PAYMENT = """
    SELECT id, amount_cents, outcome FROM provider_charges WHERE payment_id = $1
    ORDER BY id LIMIT $2
"""
CHARGES_LISTED_MAX = 100


class Charge(msgspec.Struct, frozen=True):
    """Hold one thing that the provider did; what it gave back has a negative amount."""

    id: int
    amount_cents: int
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Say what is to be charged: under which reference, for which payment, how much."""

    reference: str
    payment_id: int
    amount_cents: int


class ChargingProvider:
    """Charge cards and give money back; every method raises DatabaseUnavailable."""

    def __init__(self, database: Database, *, delay_s: float) -> None:
        """Make the provider.

        Args:
            database: where it keeps its books.
            delay_s: how long its answer takes once something new is done.
        """
        self._database = database
        self._delay_s = delay_s

    async def charge(self, order: Order, card: str) -> Outcome:
        """Charge a card and return ``charged`` or ``declined``, or what is known already."""
        outcome: Outcome = "declined" if card in DECLINED_CARDS else "charged"
        return await self._do(order, outcome)

    async def void(self, order: Order) -> Outcome:
        """Forbid that a reference is charged any more, or return what it was charged before."""
        return await self._do(order, "voided")

    async def refund(self, order: Order) -> Outcome:
        """Give an amount back."""
        return await self._do(order, "refunded")

    async def charges(self, payment_id: int) -> Sequence[Charge]:
        """List what was done for a payment, in order, at most `CHARGES_LISTED_MAX`."""
        rows = await self._database.fetch(
            "provider_charges", _OF_PAYMENT, payment_id, CHARGES_LISTED_MAX
        )
        return [Charge(*row) for row in rows]  # type: ignore[misc]

    async def _do(self, order: Order, outcome: Outcome) -> Outcome:
        moved = {"charged": order.amount_cents, "refunded": -order.amount_cents}.get(outcome, 0)
        done = await self._database.fetch_one(
            "provider_record", _RECORD, order.reference, order.payment_id, moved, outcome
        )
        if done is not None:
            await asyncio.sleep(self._delay_s)
            return outcome
        known = await self._database.fetch_one("provider_known", _KNOWN, order.reference)
        assert known is not None, "a charge is never deleted"
        return cast(Outcome, known[0])
