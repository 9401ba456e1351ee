"""The books agree whatever happens: payments at once, repeated and cut short by outages."""

from __future__ import annotations

import asyncio
import subprocess
from random import Random
from typing import Any

from tests.sanctum.clients import Answer, Api
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.links import Link
from tests.sanctum.servers import (
    DEADLINE_S,
    ROLE,
    ROLE_PASSWORD,
    Postgres,
    Valkey,
    free_port,
    until,
)
from tests.sanctum.shop import ADMIN, CARD, DECLINED, course, enrol, pay, refund
from tests.sanctum.test_process import environment, start, until_ready

SEED = 20_261_128
BUYERS = range(2, 10)
ROUNDS = 12
OUTAGES = 3
PAYMENTS_BEFORE_KILL = 6
UNSETTLED = "SELECT id FROM payments WHERE state IN ('pending', 'refunding')"
CHARGED_AND_OPEN = """
    SELECT p.id FROM payments p JOIN provider_charges c ON c.payment_id = p.id
    WHERE p.state = 'pending' AND c.outcome = 'charged'
"""

# Each finds what contradicts another book; all are empty where everything is right.
CONTRADICTIONS = {
    "paid without one charge": """
        SELECT p.id FROM payments p WHERE (
            SELECT count(*) FROM provider_charges c
            WHERE c.payment_id = p.id AND c.outcome = 'charged'
        ) <> CASE WHEN p.state IN ('paid', 'refunded') THEN 1 ELSE 0 END
    """,
    "refunded without one refund": """
        SELECT p.id FROM payments p WHERE (
            SELECT count(*) FROM provider_charges c
            WHERE c.payment_id = p.id AND c.outcome = 'refunded'
        ) <> CASE WHEN p.state = 'refunded' THEN 1 ELSE 0 END
    """,
    "ledger apart from the provider": """
        SELECT p.id FROM payments p
        WHERE (SELECT coalesce(sum(amount_cents), 0) FROM ledger_entries WHERE payment_id = p.id)
            <> (SELECT coalesce(sum(amount_cents), 0) FROM provider_charges
                WHERE payment_id = p.id)
    """,
    "seats apart from who holds them": """
        SELECT c.id FROM courses c WHERE c.seats_taken > c.seats OR c.seats_taken <> (
            SELECT count(*) FROM payments p WHERE p.course_id = c.id AND p.state = 'paid'
        ) + (
            SELECT count(*) FROM enrolments e WHERE e.course_id = c.id AND e.payment_id IS NULL
        )
    """,
    "enrolled without a payment": """
        SELECT e.user_id FROM enrolments e JOIN courses c ON c.id = e.course_id
        LEFT JOIN payments p ON p.id = e.payment_id
        WHERE c.price_cents > 0 AND p.state IS DISTINCT FROM 'paid'
    """,
}


class _Buyer:
    """Somebody who pays, repeats, enrols and is given money back, as a seed decides."""

    def __init__(self, api: Api, user: int, courses: list[int]) -> None:
        self._api = api
        self._user = user
        self._courses = courses
        self._random = Random(SEED + user)  # noqa: S311 - no secret is made of it
        self.answers: list[Answer] = []

    async def shop(self) -> None:
        for number in range(ROUNDS):
            chosen = self._random.choice(self._courses)
            card = DECLINED if self._random.random() < 0.2 else CARD
            key = f"{chosen}-{number}"
            times = self._random.choice((1, 1, 3))
            asked = [pay(self._api, chosen, key, self._user, card) for _ in range(times)]
            answers = await asyncio.gather(*asked)
            self.answers += answers
            await self._go_on(chosen, answers[0])

    async def _go_on(self, chosen: int, answer: Answer) -> None:
        self.answers.append(await enrol(self._api, chosen, self._user))
        if answer.status == 201 and self._random.random() < 0.5:
            payment = answer.body["id"]
            both = (refund(self._api, payment), enrol(self._api, chosen, self._user))
            self.answers += await asyncio.gather(*both)


def _answered(buyers: list[_Buyer]) -> int:
    return sum(len(buyer.answers) for buyer in buyers)


def _acknowledged(buyers: list[_Buyer]) -> list[int]:
    answers = [answer for buyer in buyers for answer in buyer.answers]
    return [a.body["id"] for a in answers if a.status == 201 and "card_last4" in a.body]


def _refused(buyers: list[_Buyer]) -> int:
    return sum(answer.status == 503 for buyer in buyers for answer in buyer.answers)


async def _break(link: Link, buyers: list[_Buyer]) -> None:
    """Hold the database's bytes, while they buy, until they feel it."""
    answered, refused = _answered(buyers) + len(buyers), _refused(buyers)
    await until(lambda: _answered(buyers) > answered, "buyers buy")
    link.hold()
    await until(lambda: _refused(buyers) > refused, "an outage is felt")
    link.release()


async def _break_again_and_again(link: Link, buyers: list[_Buyer]) -> None:
    for _ in range(OUTAGES):
        await _break(link, buyers)


async def _buyers(api: Api) -> list[_Buyer]:
    courses = [await course(api, seats=5) for _ in range(3)] + [await course(api, seats=200)]
    for user in (ADMIN, *BUYERS):
        await api.token(user)
    return [_Buyer(api, user, courses) for user in BUYERS]


async def _until_charging(postgres: Postgres) -> None:
    """Wait until a card is charged whose payment does not know it yet: that takes half a second."""
    async with asyncio.timeout(DEADLINE_S):
        while not await postgres.fetch(CHARGED_AND_OPEN, DATABASE):
            await asyncio.sleep(0.01)


async def _check_books(postgres: Postgres, buyers: list[_Buyer]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await postgres.fetch(UNSETTLED, DATABASE):
            await asyncio.sleep(0.1)
    for what, query in CONTRADICTIONS.items():
        assert await postgres.fetch(query, DATABASE) == [], what
    answers = [answer for buyer in buyers for answer in buyer.answers]
    assert {answer.status for answer in answers} <= {200, 201, 402, 404, 409, 503}
    rows = await postgres.fetch("SELECT id, state FROM payments", DATABASE)
    states: dict[Any, Any] = {row[0]: row[1] for row in rows}
    acknowledged = {states[payment] for payment in _acknowledged(buyers)}
    assert acknowledged
    assert acknowledged <= {"paid", "refunded"}


async def test_books_agree_after_outages_and_repetitions(
    serve: Serve, postgres: Postgres, database: str, open_link: OpenLink
) -> None:
    """No card is charged twice, no cent and no seat is lost, and what was acknowledged lasts."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    api = await serve(
        SANCTUM_DATABASE_URL=url,
        SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.3",
        SANCTUM_SETTLE_AFTER_S="1",
    )
    buyers = await _buyers(api)
    await asyncio.gather(_break_again_and_again(link, buyers), *(buyer.shop() for buyer in buyers))
    await api.wait_ready()
    await _check_books(postgres, buyers)


async def test_books_agree_after_a_kill(postgres: Postgres, database: str, valkey: Valkey) -> None:
    """A process that is killed while it charges costs nothing: the next one settles the rest."""
    environ = {
        **environment(postgres, database, valkey.url),
        "SANCTUM_SETTLE_AFTER_S": "1",
        "SANCTUM_CHARGING_DELAY_S": "0.5",
        "SANCTUM_LOG_LEVEL": "error",
    }
    api = Api(free_port())
    process = start(environ, api.port, subprocess.DEVNULL)
    try:
        await until_ready(api)
        buyers = await _buyers(api)
        buying = asyncio.gather(*(buyer.shop() for buyer in buyers), return_exceptions=True)
        await until(lambda: len(_acknowledged(buyers)) >= PAYMENTS_BEFORE_KILL, "buyers buy")
        await _until_charging(postgres)
        process.kill()
        process.wait(DEADLINE_S)
        await buying
        assert await postgres.fetch(CHARGED_AND_OPEN, DATABASE)
        process = start(environ, api.port, subprocess.DEVNULL)
        await until_ready(api)
        await _check_books(postgres, buyers)
    finally:
        process.kill()
        process.wait(DEADLINE_S)
