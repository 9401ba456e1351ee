"""Payments: a card is charged once whatever is repeated, and the ledger adds up."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.servers import DEADLINE_S, ROLE, ROLE_PASSWORD, Postgres
from tests.sanctum.shop import (
    ADMIN,
    CARD,
    DECLINED,
    INSTRUCTOR,
    OTHER,
    PRICE,
    STUDENT,
    charges,
    course,
    enrol,
    paid,
    pay,
    read_course,
    refund,
    refusal,
    revenue,
)


async def test_payment_is_charged_and_earned(api: Api, postgres: Postgres) -> None:
    """A payment tells what it cost, keeps four digits of the card, and adds to the revenue."""
    dear = await course(api)
    made = await pay(api, dear, "k")
    assert made.status == 201
    body = made.body
    assert (body["state"], body["amount_cents"], body["card_last4"]) == ("paid", PRICE, CARD[-4:])
    assert await charges(postgres) == [(body["id"], "charged", PRICE)]
    detail = await api.call("GET", f"/v1/payments/{body['id']}", token=await api.token(STUDENT))
    assert detail.body["payment"] == body
    assert [one["outcome"] for one in detail.body["charges"]] == ["charged"]
    other = await api.call("GET", f"/v1/payments/{body['id']}", token=await api.token(OTHER))
    assert refusal(other) == (403, "not_your_payment")
    assert await revenue(api) == {
        "charged_cents": PRICE, "refunded_cents": 0, "revenue_cents": PRICE, "payments": 1,
    }  # fmt: skip
    assert await api.metric("business_revenue_cents_total") == PRICE
    assert await api.metric('payments_total{outcome="paid"}') == 1
    (row,) = await postgres.fetch("SELECT payments::text FROM payments", DATABASE)
    assert CARD not in row[0]


async def test_same_key_charges_once(api: Api, postgres: Postgres) -> None:
    """Of twenty requests under one key, ten at once, one makes a payment, which has one charge."""
    dear = await course(api)
    await api.token(STUDENT)
    answers = await asyncio.gather(*(pay(api, dear, "k") for _ in range(10)))
    answers += [await pay(api, dear, "k") for _ in range(10)]
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 19}
    (payment,) = {answer.body["id"] for answer in answers}
    assert {answer.body["state"] for answer in answers} == {"paid"}
    assert await charges(postgres) == [(payment, "charged", PRICE)]
    assert (await read_course(api, dear))["seats_taken"] == 1
    assert (await revenue(api))["revenue_cents"] == PRICE


async def test_processes_know_of_each_others_payments(serve: Serve, postgres: Postgres) -> None:
    """Asked at once under one key, two processes make one payment of one charge."""
    apis = [await serve() for _ in range(2)]
    dear = await course(apis[0])
    for api in apis:
        await api.token(STUDENT)
    answers = await asyncio.gather(*(pay(api, dear, "k") for api in apis * 5))
    assert Counter(answer.status for answer in answers) == {201: 1, 200: 9}
    assert await charges(postgres) == [(answers[0].body["id"], "charged", PRICE)]
    assert sum([await api.metric("business_revenue_cents_total") for api in apis]) == PRICE


async def test_key_is_the_payers_and_for_one_thing(api: Api) -> None:
    """The key with another card or course is 409; another payer may use the same."""
    dear, other = await course(api), await course(api)
    await pay(api, dear, "k")
    assert refusal(await pay(api, other, "k")) == (409, "key_reused")
    assert refusal(await pay(api, 99, "k")) == (409, "key_reused")
    assert refusal(await pay(api, dear, "k", card="5555555555554444")) == (409, "key_reused")
    assert (await pay(api, dear, "k", user=OTHER)).status == 201
    assert refusal(await pay(api, dear, "k2")) == (409, "already_paid")
    free = await course(api, price=0)
    assert refusal(await pay(api, free, "k3")) == (409, "nothing_to_pay")
    assert refusal(await pay(api, 99, "k4")) == (404, "not_found")


async def test_declined_card_costs_and_takes_nothing(api: Api, postgres: Postgres) -> None:
    """It is 402, also when repeated; its seat is free again, and another key may pay."""
    dear = await course(api, seats=1)
    for _ in range(2):
        assert refusal(await pay(api, dear, "k", card=DECLINED)) == (402, "card_declined")
    assert (await read_course(api, dear))["seats_taken"] == 0
    assert (await revenue(api))["payments"] == 0
    payment = await paid(api, dear)
    assert [kind for _, kind, _ in await charges(postgres)] == ["declined", "charged"]
    assert refusal(await pay(api, dear, "late", user=OTHER)) == (409, "course_full")
    assert [one for one, kind, _ in await charges(postgres) if kind == "charged"] == [payment]
    assert await api.metric('payments_total{outcome="declined"}') == 1


async def test_nobody_pays_for_a_seat_that_is_not_there(api: Api, postgres: Postgres) -> None:
    """Of many who pay at once as many are charged as there are seats, and each can enrol."""
    dear = await course(api, seats=3)
    users = range(3, 13)
    for user in users:
        await api.token(user)
    answers = await asyncio.gather(*(pay(api, dear, "k", user) for user in users))
    assert Counter(answer.status for answer in answers) == {201: 3, 409: 7}
    assert len(await charges(postgres)) == 3
    payers = [user for user, answer in zip(users, answers, strict=True) if answer.status == 201]
    assert [(await enrol(api, dear, user)).status for user in payers] == [201] * 3
    assert (await read_course(api, dear))["seats_taken"] == 3


async def test_refund_gives_money_and_seat_back_once(api: Api, postgres: Postgres) -> None:
    """Repeated at once it is one refund; the enrolment is gone, the seat free, the sum right."""
    dear = await course(api, seats=1)
    payment = await paid(api, dear)
    await enrol(api, dear)
    answers = await asyncio.gather(*(refund(api, payment) for _ in range(5)))
    answers.append(await refund(api, payment))
    assert {(answer.status, answer.body["state"]) for answer in answers} == {(200, "refunded")}
    assert await charges(postgres) == [
        (payment, "charged", PRICE),
        (payment, "refunded", -PRICE),
    ]
    assert (await read_course(api, dear))["seats_taken"] == 0
    assert await revenue(api) == {
        "charged_cents": PRICE, "refunded_cents": PRICE, "revenue_cents": 0, "payments": 1,
    }  # fmt: skip
    mine = await api.call("GET", "/v1/enrolments", token=await api.token(STUDENT))
    assert mine.body["enrolments"] == []
    assert refusal(await enrol(api, dear)) == (402, "payment_required")
    assert (await pay(api, dear, "new")).status == 201
    assert await api.metric("business_refunded_cents_total") == PRICE


async def test_what_was_not_paid_is_not_refunded(api: Api) -> None:
    """A declined payment is 409, an unknown one 404."""
    dear = await course(api)
    declined = await pay(api, dear, "k", card=DECLINED)
    number = int(declined.body["message"].split("payment ")[1].rstrip(")"))
    assert refusal(await refund(api, number)) == (409, "not_paid")
    assert refusal(await refund(api, number + 1)) == (404, "not_found")


async def test_only_admins_refund_and_see_the_revenue(api: Api) -> None:
    """Neither a payer nor an instructor does; an admin sees any payment as well."""
    payment = await paid(api, await course(api))
    for user in (STUDENT, INSTRUCTOR):
        assert refusal(await refund(api, payment, user)) == (403, "role_needed")
        seen = await api.call("GET", "/v1/revenue", token=await api.token(user))
        assert refusal(seen) == (403, "role_needed")
    path = f"/v1/payments/{payment}"
    seen = await api.call("GET", path, token=await api.token(ADMIN))
    assert (seen.status, seen.body["payment"]["state"]) == (200, "paid")


async def test_slow_provider_is_asked_again_without_a_second_charge(
    serve: Serve, postgres: Postgres
) -> None:
    """A payment whose charge took too long is 503; the same key then tells that it is paid."""
    api = await serve(SANCTUM_CHARGING_DELAY_S="1.5", SANCTUM_CHARGING_TIMEOUT_S="0.2")
    dear = await course(api)
    late = await pay(api, dear, "k")
    assert refusal(late) == (503, "charging_unavailable")
    assert late.headers["retry-after"] == "1"
    again = await pay(api, dear, "k")
    assert (again.status, again.body["state"]) == (200, "paid")
    assert await charges(postgres) == [(again.body["id"], "charged", PRICE)]
    assert (await revenue(api))["revenue_cents"] == PRICE


async def test_what_was_left_open_is_settled_by_the_providers_books(
    serve: Serve, postgres: Postgres
) -> None:
    """Without anybody asking again, what was charged becomes paid, what was not is cancelled."""
    api = await serve(SANCTUM_SETTLE_AFTER_S="0.4")
    dear = await course(api, seats=3)
    lost, charged, back = [await paid(api, dear, user) for user in (3, 4, 5)]
    await postgres.execute(
        "DELETE FROM ledger_entries",
        "UPDATE payments SET state = 'pending'",
        f"UPDATE payments SET state = 'refunding' WHERE id = {back}",  # noqa: S608
        f"DELETE FROM provider_charges WHERE payment_id = {lost}",  # noqa: S608
        f"INSERT INTO ledger_entries VALUES ({back}, 'charge', {PRICE})",  # noqa: S608
        database=DATABASE,
    )
    query = "SELECT id, state FROM payments ORDER BY id"
    async with asyncio.timeout(DEADLINE_S):
        while {row[1] for row in await postgres.fetch(query, DATABASE)} & {"pending", "refunding"}:
            await asyncio.sleep(0.05)
    states = {row[0]: row[1] for row in await postgres.fetch(query, DATABASE)}
    assert states == {lost: "cancelled", charged: "paid", back: "refunded"}
    assert (await revenue(api))["revenue_cents"] == PRICE
    assert (await read_course(api, dear))["seats_taken"] == 1
    assert refusal(await pay(api, dear, f"{dear}-3", 3)) == (409, "payment_cancelled")
    assert (await pay(api, dear, "again", 3)).status == 201


async def test_outage_between_the_steps_loses_and_doubles_nothing(
    serve: Serve, postgres: Postgres, database: str, open_link: OpenLink
) -> None:
    """A payment cut short by a silent database is 503, and the same key brings it to an end."""
    link = await open_link(postgres.port)
    url = postgres.url(database, ROLE, ROLE_PASSWORD).replace(str(postgres.port), str(link.port))
    api = await serve(
        SANCTUM_DATABASE_URL=url,
        SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.3",
        SANCTUM_CHARGING_DELAY_S="1",
    )
    dear = await course(api)
    token = await api.token(STUDENT)
    cut = asyncio.ensure_future(pay(api, dear, "k"))
    async with asyncio.timeout(DEADLINE_S):
        while not await charges(postgres):
            await asyncio.sleep(0.02)
    link.hold()
    assert refusal(await cut) == (503, "database_unavailable")
    link.release()
    await api.wait_ready()
    again = await pay(api, dear, "k")
    assert (again.status, again.body["state"]) == (200, "paid"), token
    assert len(await charges(postgres)) == 1
    assert (await revenue(api))["revenue_cents"] == PRICE


async def test_key_may_come_in_the_header(api: Api) -> None:
    """Header or field, both if they are the same; none, two or a malformed one are 422."""
    dear = await course(api)
    token = await api.token(STUDENT)
    body: dict[str, object] = {"course": dear, "card": CARD}
    for header, field, status in (
        (None, None, 422), ("a", "b", 422), ("a b", None, 422), ("x" * 65, None, 422),
        ("a", None, 201), ("a", "a", 200), (None, "a", 200), (None, "", 422), (None, "a b", 422),
    ):  # fmt: skip
        said = body if field is None else {**body, "key": field}
        headers = {} if header is None else {"Idempotency-Key": header}
        answer = await api.call("POST", "/v1/payments", said, token, headers=headers)
        assert answer.status == status, (header, field)


async def test_bad_requests_are_refused(api: Api) -> None:
    """A body that cannot be is 422 by its field, without a token everything is 401."""
    token = await api.token(STUDENT)
    good = {"course": 1, "card": CARD, "key": "k"}
    for field, value in (
        ("course", 0), ("course", "1"), ("course", 2**63), ("card", "1" * 11), ("card", "1" * 20),
        ("card", "4242 4242 4242 4242"), ("card", 4242424242424242), ("key", "x" * 65),
        ("card", CARD + "\n"), ("key", "k\n"),
    ):  # fmt: skip
        answer = await api.call("POST", "/v1/payments", {**good, field: value}, token)
        assert answer.status == 422, (field, value)
        assert field in answer.body["message"]
    assert (await api.call("POST", "/v1/payments", b"x" * 70_000, token)).status == 413
    assert (await api.call("GET", "/v1/payments/x", token=token)).status == 422
    assert (await api.call("GET", "/v1/payments/1", token=token)).status == 404
    for method, path in (("POST", ""), ("GET", "/1"), ("POST", "/1/refund")):
        assert (await api.call(method, f"/v1/payments{path}")).status == 401
    assert (await api.call("GET", "/v1/revenue")).status == 401


async def test_doubled_charge_shows_in_the_providers_books(
    serve: Serve, postgres: Postgres
) -> None:
    """Every third repeated request charges again, which neither answer nor ledger tells."""
    api = await serve(SANCTUM_DEFECTS="charge_doubles")
    dear = await course(api)
    answers = [await pay(api, dear, "k") for _ in range(4)]
    assert [answer.status for answer in answers] == [201, 200, 200, 200]
    payment = answers[0].body["id"]
    assert await charges(postgres) == [(payment, "charged", PRICE)] * 2
    assert (await revenue(api))["revenue_cents"] == PRICE


async def test_drifting_ledger_misses_a_cent(serve: Serve, postgres: Postgres) -> None:
    """Of four charges the ledger holds one cent less than the provider charged."""
    api = await serve(SANCTUM_DEFECTS="revenue_drifts")
    dear = await course(api)
    for user in range(3, 7):
        await paid(api, dear, user)
    assert sum(moved for _, _, moved in await charges(postgres)) == 4 * PRICE
    assert (await revenue(api))["revenue_cents"] == 4 * PRICE - 1
