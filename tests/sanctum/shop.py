"""What the tests of commerce do again and again: courses, payments, enrolments."""

from __future__ import annotations

from typing import Any

from tests.sanctum.clients import Answer, Api
from tests.sanctum.conftest import DATABASE
from tests.sanctum.servers import Postgres

ADMIN, STUDENT, OTHER, INSTRUCTOR = 1, 3, 4, 10  # as the seed gives roles
CARD = "4242424242424242"
DECLINED = "4000000000000002"
PRICE = 2500


async def course(api: Api, *, price: int = PRICE, seats: int = 10, **said: object) -> int:
    """Publish a course."""
    token = await api.token(INSTRUCTOR)
    body = {"title": "Sailing", "price_cents": price, "seats": seats, **said}
    made = await api.call("POST", "/v1/courses", body, token)
    assert made.status == 201, made
    course_id: int = made.body["id"]
    assert (await api.call("POST", f"/v1/courses/{course_id}/publish", token=token)).status == 200
    return course_id


async def read_course(api: Api, course_id: int) -> dict[str, Any]:
    """Read a course."""
    answer = await api.call("GET", f"/v1/courses/{course_id}", token=await api.token(OTHER))
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def pay(api: Api, course_id: int, key: str, user: int = STUDENT, card: str = CARD) -> Answer:
    """Ask for a payment."""
    body = {"course": course_id, "card": card, "key": key}
    return await api.call("POST", "/v1/payments", body, await api.token(user))


async def paid(api: Api, course_id: int, user: int = STUDENT) -> int:
    """Pay for a course."""
    answer = await pay(api, course_id, f"{course_id}-{user}", user)
    assert answer.status == 201, answer
    payment: int = answer.body["id"]
    return payment


async def enrol(api: Api, course_id: int, user: int = STUDENT) -> Answer:
    """Ask for an enrolment."""
    path = f"/v1/courses/{course_id}/enrolments"
    return await api.call("POST", path, token=await api.token(user))


async def refund(api: Api, payment: int, user: int = ADMIN) -> Answer:
    """Ask for a refund."""
    return await api.call("POST", f"/v1/payments/{payment}/refund", token=await api.token(user))


async def revenue(api: Api) -> dict[str, Any]:
    """Read what the ledger sums up to."""
    answer = await api.call("GET", "/v1/revenue", token=await api.token(ADMIN))
    assert answer.status == 200, answer
    body: dict[str, Any] = answer.body
    return body


async def charges(postgres: Postgres) -> list[tuple[int, str, int]]:
    """List what the charging provider did: for which payment, what, and how much it moved."""
    query = "SELECT payment_id, outcome, amount_cents FROM provider_charges ORDER BY id"
    return [tuple(row) for row in await postgres.fetch(query, DATABASE)]


def refusal(answer: Answer) -> tuple[int, str]:
    """Give the status and code of a refusal."""
    return answer.status, answer.body["error"]
