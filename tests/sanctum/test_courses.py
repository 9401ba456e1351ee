"""Courses: drafts, discovery, seats and enrolments."""

from __future__ import annotations

import asyncio
from collections import Counter

from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, Serve
from tests.sanctum.servers import Postgres
from tests.sanctum.shop import (
    ADMIN,
    INSTRUCTOR,
    OTHER,
    STUDENT,
    course,
    enrol,
    paid,
    read_course,
    refusal,
)


async def _discover(api: Api, query: str) -> tuple[list[int], int | None]:
    answer = await api.call("GET", f"/v1/courses?{query}", token=await api.token(OTHER))
    assert answer.status == 200, answer
    return [one["id"] for one in answer.body["courses"]], answer.body["next"]


async def test_draft_is_its_instructors_alone(api: Api) -> None:
    """Others neither see, find nor enrol in it before it is published, and never publish it."""
    token = await api.token(INSTRUCTOR)
    body = {"title": "Sailing", "price_cents": 0, "seats": 3}
    draft = (await api.call("POST", "/v1/courses", body, token)).body["id"]
    path = f"/v1/courses/{draft}"
    assert (await api.call("GET", path, token=token)).body["state"] == "draft"
    other = await api.token(ADMIN)
    assert (await api.call("GET", path, token=other)).status == 404
    assert (await api.call("POST", f"{path}/publish", token=other)).status == 404
    assert refusal(await enrol(api, draft)) == (404, "not_found")
    assert await _discover(api, "") == ([], None)
    for _ in range(2):
        published = await api.call("POST", f"{path}/publish", token=token)
        assert (published.status, published.body["state"]) == (200, "published")
    assert await _discover(api, "") == ([draft], None)
    denied = await api.call("POST", f"{path}/publish", token=other)
    assert refusal(denied) == (403, "not_the_instructor")
    assert await api.metric('sanctum_security_denied_total{what="course"}') == 1


async def test_only_instructors_teach(api: Api) -> None:
    """A user without that role neither drafts nor publishes nor schedules anything."""
    free = await course(api, price=0)
    token = await api.token(STUDENT)
    for path in ("courses", f"courses/{free}/publish", f"courses/{free}/live-sessions"):
        body = {"title": "Sailing", "price_cents": 0, "seats": 3}
        assert refusal(await api.call("POST", f"/v1/{path}", body, token)) == (403, "role_needed")


async def test_courses_are_found_by_words_and_price(api: Api) -> None:
    """All words must occur, in title or description, whatever their case; prices are inclusive."""
    knots = await course(api, title="Knots for sailors", price=0)
    stars = await course(api, title="Stars", description="SAILORS read the night sky", price=500)
    soups = await course(api, title="Soups", description="nothing with 100% fish", price=900)
    for query, found in (
        ("q=sailors", [stars, knots]),
        ("q=Sailors+night", [stars]),
        ("q=sail", []),
        ("q=%25", []),
        ("q=100%25+fish", [soups]),
        ("q=%27%3B+--+%3A*%26%7C%21%28", []),
        ("price_min=500", [soups, stars]),
        ("price_max=500", [stars, knots]),
        ("price_min=1&price_max=899&q=sailors", [stars]),
        ("price_min=10&price_max=5", []),
        ("", [soups, stars, knots]),
    ):
        assert (await _discover(api, query))[0] == found, query


async def test_discovery_pages_through_all_once(api: Api) -> None:
    """Following `next` lists each course once, newest first, also while one is added."""
    courses = [await course(api, price=0) for _ in range(5)]
    seen, following = await _discover(api, "limit=2")
    await course(api, price=0)
    while following is not None:
        found, following = await _discover(api, f"limit=2&before={following}")
        seen += found
    assert seen == courses[::-1]


async def test_free_course_takes_each_user_once(api: Api) -> None:
    """Whoever enrols again, also at once, has one enrolment and one seat."""
    free = await course(api, price=0)
    await api.token(STUDENT)
    answers = await asyncio.gather(*(enrol(api, free) for _ in range(8)))
    assert sorted(answer.status for answer in answers) == [200] * 7 + [201]
    assert {answer.body["course"] for answer in answers} == {free}
    assert (await read_course(api, free))["seats_taken"] == 1
    assert await api.metric("business_enrolments_total") == 1


async def test_seats_are_never_oversold(api: Api, postgres: Postgres) -> None:
    """Of many who come at once as many get in as there are seats; the others are told."""
    free = await course(api, price=0, seats=4)
    users = range(3, 15)
    for user in users:
        await api.token(user)
    answers = await asyncio.gather(*(enrol(api, free, user) for user in users))
    assert Counter(answer.status for answer in answers) == {201: 4, 409: 8}
    assert {refusal(a) for a in answers if a.status == 409} == {(409, "course_full")}
    (row,) = await postgres.fetch("SELECT count(*) FROM enrolments", DATABASE)
    assert row[0] == (await read_course(api, free))["seats_taken"] == 4


async def test_enrolment_needs_a_payment_of_ones_own(api: Api) -> None:
    """A course with a price lets nobody in but who has paid for it; the payment is its proof."""
    dear, other = await course(api), await course(api)
    assert refusal(await enrol(api, dear)) == (402, "payment_required")
    payment = await paid(api, dear)
    assert refusal(await enrol(api, dear, OTHER)) == (402, "payment_required")
    assert refusal(await enrol(api, other)) == (402, "payment_required")
    enrolled = await enrol(api, dear)
    assert (enrolled.status, enrolled.body["payment"]) == (201, payment)
    assert (await read_course(api, dear))["seats_taken"] == 1
    token = await api.token(STUDENT)
    listed = (await api.call("GET", "/v1/enrolments", token=token)).body
    assert listed == {"enrolments": [enrolled.body], "next": None}


async def test_enrolments_page_through_all_once(api: Api) -> None:
    """Following `next` lists every enrolment of one's own once."""
    courses = [await course(api, price=0) for _ in range(3)]
    for one in courses:
        await enrol(api, one)
        await enrol(api, one, OTHER)
    token = await api.token(STUDENT)
    first = (await api.call("GET", "/v1/enrolments?limit=2", token=token)).body
    path = f"/v1/enrolments?limit=2&before={first['next']}"
    second = (await api.call("GET", path, token=token)).body
    seen = [(one["course"], one["user"]) for one in first["enrolments"] + second["enrolments"]]
    assert seen == [(one, STUDENT) for one in courses[::-1]]
    assert second["next"] is None


async def test_bad_requests_are_refused(api: Api) -> None:
    """A body or parameter that cannot be is 422 by its name, without a token everything is 401."""
    token = await api.token(INSTRUCTOR)
    good = {"title": "a", "price_cents": 0, "seats": 1}
    for field, value in (
        ("title", ""), ("title", "x" * 201), ("title", "\x00"), ("title", None),
        ("price_cents", -1), ("price_cents", 1_000_001), ("price_cents", 1.5),
        ("seats", 0), ("seats", 100_001), ("description", "x" * 4001),
    ):  # fmt: skip
        answer = await api.call("POST", "/v1/courses", {**good, field: value}, token)
        assert answer.status == 422, (field, value)
        assert field in answer.body["message"]
    assert (await api.call("POST", "/v1/courses", b"{", token)).status == 400
    assert (await api.call("POST", "/v1/courses", b"x" * 70_000, token)).status == 413
    for query in ("limit=0", "before=x", "price_min=-1", f"q={'x' * 101}", "q=%00"):
        assert (await api.call("GET", f"/v1/courses?{query}", token=token)).status == 422, query
    assert (await api.call("GET", "/v1/courses/x", token=token)).status == 422
    for method, path in (
        ("POST", "courses"), ("GET", "courses"), ("GET", "courses/1"), ("GET", "enrolments"),
        ("POST", "courses/1/publish"), ("POST", "courses/1/enrolments"),
    ):  # fmt: skip
        assert (await api.call(method, f"/v1/{path}")).status == 401, path


async def test_oversold_seat_lets_one_too_many_in(serve: Serve) -> None:
    """Every third who comes for a full course gets in, so that more are enrolled than it seats."""
    api = await serve(SANCTUM_DEFECTS="seat_oversold")
    free = await course(api, price=0, seats=1)
    statuses = [(await enrol(api, free, user)).status for user in range(3, 7)]
    assert statuses == [201, 409, 409, 201]
    after = await read_course(api, free)
    assert (after["seats"], after["seats_taken"]) == (1, 2)
