"""The cashier: takes payments and gives them back, each exactly once whatever is repeated."""

from __future__ import annotations

import asyncio
import logging
import secrets

from sanctum.backing.errors import DatabaseUnavailable
from sanctum.commerce.charging import ChargingProvider, Order, Outcome
from sanctum.commerce.metrics import CommerceMetrics
from sanctum.commerce.payments import Begun, Intent, Payment, PaymentStorage, State
from sanctum.defects import Defects
from sanctum.gateway.answers import Refusal

logger = logging.getLogger(__name__)

SETTLED_AT_ONCE_MAX = 50
SETTLE_INTERVAL_MAX_S = 5.0
RETRY_AFTER_S = 1
_BECOMES: dict[Outcome, State] = {
    "charged": "paid",
    "declined": "declined",
    "voided": "cancelled",
}


class Cashier:
    """Take payments; every method raises Refusal and DatabaseUnavailable."""

    def __init__(
        self,
        payments: PaymentStorage,
        provider: ChargingProvider,
        defects: Defects,
        metrics: CommerceMetrics,
        *,
        timeout_s: float,
    ) -> None:
        self._payments = payments
        self._provider = provider
        self._defects = defects
        self._metrics = metrics
        self._timeout_s = timeout_s

    async def pay(self, intent: Intent, card: str) -> Begun:
        """Charge a card for a course, or tell what the payment under the same key came to.

        Raises:
            Refusal: 402 when the card is declined, 503 when the provider takes too long (asked
                again under the same key, the payment goes on), and as `PaymentStorage.begin` does.
        """
        with self._metrics.payment_latency.time():
            try:
                begun = await self._payments.begin(intent)
                payment = await self._go_on(begun, card)
                _check_paid(payment)
            except Refusal:
                self._metrics.payments["refused"].inc()
                raise
        return Begun(payment=payment, new=begun.new)

    async def _go_on(self, begun: Begun, card: str) -> Payment:
        payment = begun.payment
        if not begun.new:
            self._metrics.payments["repeated"].inc()
            if self._defects.charges_again():
                again = _order(payment, f"payment-{payment.id}-{secrets.token_hex(8)}")
                await self._provider.charge(again, card)
        if payment.state != "pending":
            return payment
        try:
            async with asyncio.timeout(self._timeout_s):
                outcome = await self._provider.charge(_charge_of(payment), card)
        except TimeoutError:
            message = "the provider does not answer; ask again under the same key"
            raise Refusal(
                503, "charging_unavailable", message, retry_after_s=RETRY_AFTER_S
            ) from None
        return await self._close(payment, outcome)

    async def _close(self, payment: Payment, outcome: Outcome) -> Payment:
        state = _BECOMES[outcome]
        closed = await self._payments.close(payment, state)
        if closed is not None:
            self._metrics.payments[state].inc()
            if state == "paid":
                self._metrics.revenue.inc(closed.amount_cents)
            return closed
        return await self._as_it_is(payment)

    async def refund(self, payment_id: int) -> Payment:
        """Give a payment back, with its seat and enrolment; one given back already stays so.

        Raises:
            Refusal: 404 without such a payment, 409 when it was never paid.
        """
        payment = await self._payments.begin_refund(payment_id)
        if payment is None:
            payment = await self._payments.find(payment_id)
        if payment is None:
            raise Refusal(404, "not_found", f"there is no payment {payment_id}")
        if payment.state == "refunded":
            return payment
        if payment.state != "refunding":
            raise Refusal(409, "not_paid", f"the payment is {payment.state}")
        return await self._finish_refund(payment)

    async def _finish_refund(self, payment: Payment) -> Payment:
        await self._provider.refund(_order(payment, f"refund-{payment.id}"))
        closed = await self._payments.close_refund(payment)
        if closed is not None:
            self._metrics.payments["refunded"].inc()
            self._metrics.refunded.inc(closed.amount_cents)
            return closed
        return await self._as_it_is(payment)

    async def _as_it_is(self, payment: Payment) -> Payment:
        """Read a payment that somebody else has moved on."""
        found = await self._payments.find(payment.id)
        assert found is not None, "a payment is never deleted"
        return found

    async def settle(self, age_s: float) -> None:
        """Close what was begun some seconds ago and left: what is not charged is voided."""
        for payment in await self._payments.unsettled(age_s, SETTLED_AT_ONCE_MAX):
            if payment.state == "refunding":
                await self._finish_refund(payment)
            else:
                await self._close(payment, await self._provider.void(_charge_of(payment)))


class Settlement:
    """Close payments whose process died, or whose payer went away, before they were closed."""

    def __init__(self, cashier: Cashier, *, age_s: float) -> None:
        self._cashier = cashier
        self._age_s = age_s
        self._interval_s = min(age_s / 4, SETTLE_INTERVAL_MAX_S)

    async def run(self) -> None:
        """Look for them until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self._cashier.settle(self._age_s)
            except DatabaseUnavailable as error:
                logger.info("settlement skipped", extra={"fields": {"reason": str(error)}})


def _charge_of(payment: Payment) -> Order:
    return _order(payment, f"payment-{payment.id}")


def _order(payment: Payment, reference: str) -> Order:
    return Order(reference=reference, payment_id=payment.id, amount_cents=payment.amount_cents)


def _check_paid(payment: Payment) -> None:
    if payment.state == "declined":
        raise Refusal(402, "card_declined", f"the card is declined (payment {payment.id})")
    if payment.state == "cancelled":
        message = f"payment {payment.id} was cancelled before it was charged; use another key"
        raise Refusal(409, "payment_cancelled", message)
