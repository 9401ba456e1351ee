"""Active users: whoever asked within five minutes counts once."""

from __future__ import annotations

from tests.sanctum.clients import Api

from sanctum.gateway import activity
from sanctum.gateway.activity import ACTIVE_S, ActiveUsers


class _Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_user_counts_until_five_minutes_after_the_last_request() -> None:
    """A user counts once however often it asks, and no more when its last request is too old."""
    clock = _Clock()
    users = ActiveUsers(clock)
    for user in (1, 2, 1, 1):
        users.note(user)
    assert users.count() == 2
    clock.now_s = ACTIVE_S - 1
    users.note(2)
    assert users.count() == 2
    clock.now_s = ACTIVE_S + 1
    assert users.count() == 1
    clock.now_s = 3 * ACTIVE_S
    assert users.count() == 0


def test_remembered_users_are_bounded() -> None:
    """Beyond the bound the user seen longest ago is forgotten."""
    users = ActiveUsers(_Clock())
    for user in range(activity.USERS_MAX + 5):
        users.note(user)
    assert users.count() == activity.USERS_MAX


async def test_only_who_proves_it_is_active(api: Api) -> None:
    """Requests by token count their user once, by whatever route; refused ones count nobody."""
    for user in (1, 2, 2):
        await api.call("GET", "/api/feed", token=await api.token(user))
    await api.call("GET", "/v1/revenue", token=await api.token(1))
    await api.call("GET", "/api/feed", token="invented")
    await api.call("GET", "/api/feed")
    assert await api.metric("business_active_users") == 2
