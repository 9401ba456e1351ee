"""Live sessions: their states, who gets in, and their chat."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.sanctum.clients import Answer, Api
from tests.sanctum.conftest import Serve
from tests.sanctum.servers import until
from tests.sanctum.shop import (
    ADMIN,
    INSTRUCTOR,
    OTHER,
    STUDENT,
    course,
    enrol,
    paid,
    refund,
    refusal,
)

FAR = ("9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00")  # in UTC no date at all
SOON = (datetime.now(UTC) + timedelta(hours=1)).isoformat()


async def _schedule(api: Api, course_id: int, user: int = INSTRUCTOR, at: str = SOON) -> Answer:
    body = {"title": "First lesson", "starts_at": at}
    path = f"/v1/courses/{course_id}/live-sessions"
    return await api.call("POST", path, body, await api.token(user))


async def _act(api: Api, session: int, action: str, user: int = INSTRUCTOR) -> Answer:
    path = f"/v1/live-sessions/{session}/{action}"
    return await api.call("POST", path, token=await api.token(user))


async def test_session_goes_from_scheduled_to_live_to_ended(api: Api) -> None:
    """Each state has one way on, only its instructor takes it, and every other one is 409."""
    free = await course(api, price=0)
    made = await _schedule(api, free)
    assert (made.status, made.body["state"], made.body["channel"]) == (201, "scheduled", None)
    session = made.body["id"]
    assert refusal(await _act(api, session, "end")) == (409, "wrong_state")
    assert refusal(await _act(api, session, "join")) == (409, "wrong_state")
    for action in ("start", "end"):
        assert refusal(await _act(api, session, action, OTHER)) == (403, "not_the_instructor")
    assert (await _act(api, session, "start")).body["state"] == "live"
    assert refusal(await _act(api, session, "start")) == (409, "wrong_state")
    assert (await _act(api, session, "end")).body["state"] == "ended"
    for action in ("start", "end", "join"):
        assert refusal(await _act(api, session, action)) == (409, "wrong_state")
    path = f"/v1/courses/{free}/live-sessions"
    listed = (await api.call("GET", path, token=await api.token(OTHER))).body
    assert [(one["id"], one["state"]) for one in listed["sessions"]] == [(session, "ended")]
    assert await api.metric('sanctum_security_denied_total{what="live_session"}') == 2


async def test_enrolled_users_chat_while_it_is_live(serve: Serve) -> None:
    """Who is enrolled joins and talks with the instructor over WebSocket; nobody after the end."""
    api = await serve(SANCTUM_SESSION_CHECK_INTERVAL_S="60")
    free = await course(api, price=0)
    await enrol(api, free)
    session = (await _schedule(api, free)).body["id"]
    channel = (await _act(api, session, "start")).body["channel"]
    assert refusal(await _act(api, session, "join", OTHER)) == (403, "not_enrolled")
    assert (await api.ticket(OTHER, channel)).status == 403
    assert (await api.ticket(STUDENT, channel)).status == 403
    for _ in range(2):
        joined = await _act(api, session, "join", STUDENT)
        assert (joined.status, joined.body["channel"]) == (200, channel)
    student = await api.chat(STUDENT, channel)
    instructor = await api.chat(INSTRUCTOR, channel)
    async with student, instructor:
        await student.say("q", "why is the sea salt?")
        await instructor.received(1)
        assert instructor.of("message")[0]["from"] == STUDENT
        await _act(api, session, "end")
        await student.send("late", "is anybody there?")
        await until(lambda: bool(student.of("error")), "the refusal")
        assert student.of("error")[0]["error"] == "not_a_member"
        assert instructor.numbers == [1]
    for user in (STUDENT, INSTRUCTOR):
        assert (await api.ticket(user, channel)).status == 403


async def test_refund_ends_the_part_in_a_live_chat(serve: Serve) -> None:
    """Who has the payment back is let go from the chat of the session that is live, gets in no
    more, and hears nothing further; others stay."""
    api = await serve(SANCTUM_SESSION_CHECK_INTERVAL_S="0.1")
    sold = await course(api)
    payment = await paid(api, sold)
    await paid(api, sold, OTHER)
    for user in (STUDENT, OTHER):
        await enrol(api, sold, user)
    session = (await _schedule(api, sold)).body["id"]
    channel = (await _act(api, session, "start")).body["channel"]
    for user in (STUDENT, OTHER):
        assert (await _act(api, session, "join", user)).status == 200
    async with await api.chat(STUDENT, channel) as refunded, await api.chat(OTHER, channel) as kept:
        assert (await refund(api, payment)).body["state"] == "refunded"
        assert await refunded.closed() == 1008
        await kept.say("still", "here")
        assert refunded.numbers == []
    assert (await api.ticket(STUDENT, channel)).status == 403
    assert refusal(await _act(api, session, "join", STUDENT)) == (403, "not_enrolled")


async def test_bad_requests_are_refused(api: Api) -> None:
    """Others than the instructor schedule nothing; what is no instant or session is refused."""
    free = await course(api, price=0)
    assert refusal(await _schedule(api, free, ADMIN)) == (403, "not_the_instructor")
    assert refusal(await _schedule(api, free + 1)) == (404, "not_found")
    for at in ("", "tomorrow", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z", *FAR):
        assert (await _schedule(api, free, at=at)).status == 422, at
    token = await api.token(INSTRUCTOR)
    assert (await api.call("GET", "/v1/live-sessions/1", token=token)).status == 404
    for action in ("start", "end", "join"):
        assert refusal(await _act(api, 1, action)) == (404, "not_found")
        assert (await api.call("POST", f"/v1/live-sessions/1/{action}")).status == 401
    path = f"/v1/courses/{free}/live-sessions"
    for method, where in (("POST", path), ("GET", path), ("GET", "/v1/live-sessions/1")):
        assert (await api.call(method, where)).status == 401
