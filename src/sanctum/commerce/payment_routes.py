"""Routes for payments, refunds and the revenue."""

from __future__ import annotations

import hmac
import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request, Response

from sanctum.commerce.cashier import Cashier
from sanctum.commerce.charging import Charge, ChargingProvider
from sanctum.commerce.courses import ID_MAX
from sanctum.commerce.metrics import CommerceMetrics
from sanctum.commerce.payments import Intent, Payment, PaymentStorage, Revenue
from sanctum.gateway.answers import Refusal, json_response, read_body
from sanctum.gateway.contract import contract
from sanctum.gateway.identity import Gate, Identity, Role
from sanctum.gateway.parameters import WholeNumber

KEY_LENGTH_MAX = 64
KEY_HEADER = "Idempotency-Key"
_CARD_PATTERN = "^[0-9]{12,19}$"
_KEY_PATTERN = f"^[\\x21-\\x7e]{{1,{KEY_LENGTH_MAX}}}$"
PAYMENT_ID = WholeNumber("payment_id", 0, ID_MAX)
Key = Annotated[str, msgspec.Meta(pattern=_KEY_PATTERN)]


class NewPayment(msgspec.Struct, frozen=True):
    """Ask for a course to be paid; the key may come in the header ``Idempotency-Key`` instead."""

    course: Annotated[int, msgspec.Meta(ge=1, le=ID_MAX)]
    card: Annotated[str, msgspec.Meta(pattern=_CARD_PATTERN)]
    key: Key | None = None


class PaymentDetail(msgspec.Struct, frozen=True):
    """Hold a payment, and all that the charging provider did for it."""

    payment: Payment
    charges: Sequence[Charge]


_new_payment = msgspec.json.Decoder(NewPayment)


class _KeyHeader:
    """Read the header that may carry the key."""

    def read(self, request: Request) -> str | None:
        """Return the key, None without one; raises Refusal, 422, when it is malformed."""
        key = request.headers.get(KEY_HEADER)
        if key is not None and re.fullmatch(_KEY_PATTERN, key) is None:
            message = f"{KEY_HEADER} must have 1 to {KEY_LENGTH_MAX} printable ASCII characters"
            raise Refusal(422, "invalid_parameter", message)
        return key

    def describe(self) -> dict[str, Any]:
        """Give the parameter as the OpenAPI document has it."""
        schema = {"type": "string", "pattern": _KEY_PATTERN}
        return {"name": KEY_HEADER, "in": "header", "schema": schema}


_key_header = _KeyHeader()


class PaymentDesk:
    """Read requests for payments."""

    def __init__(self, gate: Gate, metrics: CommerceMetrics, *, secret: str) -> None:
        """Make the desk; the secret keeps digests of card numbers from being guessed back."""
        self._gate = gate
        self._metrics = metrics
        self._secret = secret.encode()

    async def read(self, request: Request) -> tuple[Intent, str]:
        """Return what is asked for and the card; raises Refusal and Unavailable."""
        user = await self._gate.identify(request)
        body = await read_body(request, _new_payment)
        _check_whole(body.card, _CARD_PATTERN, "card")
        said = f"{body.course}:{body.card}".encode()
        intent = Intent(
            user=user.user_id,
            course=body.course,
            key=_key(_key_header.read(request), body.key),
            digest=hmac.digest(self._secret, said, "sha256"),
            card_last4=body.card[-4:],
        )
        return intent, body.card

    def check_seen(self, payment: Payment, user: Identity) -> None:
        """Let a payment be seen by its payer and by admins only; raises Refusal 403."""
        if user.user_id != payment.user and not user.role.covers(Role.ADMIN):
            raise self._metrics.denial("payment", "not_your_payment", "this is another's payment")


def build_router(
    desk: PaymentDesk,
    cashier: Cashier,
    payments: PaymentStorage,
    provider: ChargingProvider,
    gate: Gate,
) -> APIRouter:
    """Build the routes over the cashier and its books."""
    router = APIRouter(prefix="/v1")

    @router.post(
        "/payments",
        openapi_extra=contract(
            {200: Payment, 201: Payment}, _key_header, body=NewPayment, refuses=[402, 404, 409]
        ),
    )
    async def pay(request: Request) -> Response:
        paid = await cashier.pay(*await desk.read(request))
        return json_response(paid.payment, 201 if paid.new else 200)

    @router.get(
        "/payments/{payment_id}",
        openapi_extra=contract({200: PaymentDetail}, PAYMENT_ID, refuses=[403, 404]),
    )
    async def read_payment(request: Request) -> Response:
        user = await gate.identify(request)
        payment_id = PAYMENT_ID.read(request)
        payment = await payments.find(payment_id)
        if payment is None:
            raise Refusal(404, "not_found", f"there is no payment {payment_id}")
        desk.check_seen(payment, user)
        return json_response(PaymentDetail(payment, await provider.charges(payment.id)))

    @router.post(
        "/payments/{payment_id}/refund",
        openapi_extra=contract({200: Payment}, PAYMENT_ID, refuses=[403, 404, 409]),
    )
    async def refund(request: Request) -> Response:
        await gate.require(request, Role.ADMIN)
        return json_response(await cashier.refund(PAYMENT_ID.read(request)))

    @router.get("/revenue", openapi_extra=contract({200: Revenue}, refuses=[403]))
    async def read_revenue(request: Request) -> Response:
        await gate.require(request, Role.ADMIN)
        return json_response(await payments.revenue())

    return router


def _key(header: str | None, field: str | None) -> str:
    if header is None and field is None:
        message = "an idempotency key is needed: the header Idempotency-Key or the field `key`"
        raise Refusal(422, "invalid_body", message)
    if header is not None and field is not None and header != field:
        raise Refusal(422, "invalid_body", "the header Idempotency-Key is not the field `key`")
    key = field or header or ""
    _check_whole(key, _KEY_PATTERN, "key")
    return key


def _check_whole(text: str, pattern: str, what: str) -> None:
    """Refuse a text with a newline at its end, which a decoder's `$` lets pass."""
    if re.fullmatch(pattern, text) is None:
        raise Refusal(422, "invalid_body", f"{what} must match {pattern} - at `$.{what}`")
