"""Signing in, tickets and credentials, against a scripted target."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from stormproof import PasswordLogin, Ticket, api_key, basic, bearer, secret
from stormproof.clients.headers import Auth, Credential
from stormproof.journeys.secret import Secret


@dataclass(kw_only=True)
class Answer:
    """What the scripted target answers."""

    status: int = 200
    error: str = ""
    value: Any = None

    @property
    def ok(self) -> bool:
        return 0 < self.status < 400

    def json(self) -> Any:
        return self.value


class Failed(Exception):
    """The iteration ended as failed."""


@dataclass
class User:
    """A user whose requests are answered by a script; takes part in place of the real one."""

    index: int = 0
    logins: list[Any] = field(default_factory=list)
    asked: list[tuple[str, Any, Auth | None]] = field(default_factory=list)
    good: str = ""  # the token that is accepted now
    login_answer: Answer | None = None
    kept: dict[object, Any] = field(default_factory=dict)

    @property
    def http(self) -> User:
        return self

    def keep(self, owner: object, make: Callable[[], Any]) -> Any:
        return self.kept.setdefault(owner, make()) if owner not in self.kept else self.kept[owner]

    async def post(self, path: str, *, json: Any, auth: Auth | None = None) -> Answer:
        await asyncio.sleep(0)  # others get their turn, as on a real wire
        if path == "/login":
            self.logins.append(json)
            self.good = f"token-{len(self.logins)}"
            return self.login_answer or Answer(value={"data": {"token": self.good}})
        self.asked.append((path, json, auth))
        if auth != self.good:
            return Answer(status=401)
        return Answer(status=201, value={"ticket": f"ticket-for-{json['channel']}"})

    def fail(self, why: str) -> NoReturn:
        raise Failed(why)


def login(**options: Any) -> PasswordLogin:
    """Make a log-in for users that are named by their index."""
    given: dict[str, Any] = {"name": lambda user: f"user-{user.index}", "password": "pw"}
    return PasswordLogin("/login", token="data.token", **{**given, **options})


async def ask(auth: PasswordLogin, user: Any, channel: int = 1) -> Any:
    """Send one request with the user's token."""
    return await auth.send(
        user, lambda token: user.post("/rooms", json={"channel": channel}, auth=token)
    )


async def test_a_user_logs_in_once() -> None:
    """The token is kept: many requests, side by side too, are one log-in."""
    user: Any = User(index=7)
    auth = login()
    tokens = await asyncio.gather(*(auth.token(user) for _ in range(5)))
    assert set(tokens) == {await auth.token(user)} == {"token-1"}
    assert user.logins == [{"username": "user-7", "password": "pw"}]


async def test_each_user_has_a_token_of_its_own() -> None:
    """One log-in serves all users of a journey, and keeps their tokens apart."""
    first: Any = User(index=1)
    second: Any = User(index=2)
    auth = login()
    await auth.token(first)
    await auth.token(second)
    assert [len(user.logins) for user in (first, second)] == [1, 1]


async def test_a_refused_token_is_renewed_once_for_all() -> None:
    """After a 401 the user logs in anew, once for all refused requests, and each asks again."""
    user: Any = User()
    auth = login()
    await auth.token(user)
    user.good = "another"
    answers = await asyncio.gather(*(ask(auth, user) for _ in range(4)))
    assert [answer.status for answer in answers] == [201] * 4
    assert len(user.logins) == 2
    assert [token for _, _, token in user.asked] == ["token-1"] * 4 + ["token-2"] * 4


async def test_a_request_is_sent_again_only_once() -> None:
    """A target that refuses the new token too gets no third request."""
    user: Any = User(login_answer=Answer(value={"data": {"token": "never good"}}))
    answer = await ask(login(), user)
    assert answer.status == 401
    assert (len(user.asked), len(user.logins)) == (2, 2)


async def test_an_old_token_is_renewed_before_it_is_refused() -> None:
    """With a lifetime, a token that is too old is not sent any more."""
    user: Any = User()
    auth = login(lifetime_s=0.0)
    assert [await auth.token(user), await auth.token(user)] == ["token-1", "token-2"]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(status=403), "cannot log in at /login: 403"),
        (Answer(status=0, error="timeout"), "cannot log in at /login: timeout"),
        (Answer(value={"data": {}}), "the answer has no text 'data.token'"),
        (Answer(value=[1]), "the answer has no text 'data.token'"),
    ],
)
async def test_a_user_that_is_not_let_in_fails(answer: Answer, why: str) -> None:
    """A log-in that gives no token ends the iteration, saying why; the next one tries again."""
    user: Any = User(login_answer=answer)
    auth = login()
    for _ in range(2):
        with pytest.raises(Failed, match=why):
            await auth.token(user)
    assert len(user.logins) == 2


async def test_passwords_may_be_secrets() -> None:
    """A secret password is bound through the log-in that keeps it, and sent as it is."""
    password = secret("USERS_PASSWORD")
    auth = login(password=password, fields=("email", "pass"))
    assert auth.secrets == (password,)
    password.bind("open-sesame")
    user: Any = User(index=3)
    await auth.token(user)
    assert user.logins == [{"email": "user-3", "pass": "open-sesame"}]


async def test_tickets_are_taken_anew_each_time() -> None:
    """A ticket is asked for with the user's token and never kept."""
    user: Any = User()
    tickets = Ticket("/tickets", login=login())
    taken = [await tickets.take(user, json={"channel": number}) for number in (1, 2)]
    assert taken == ["ticket-for-1", "ticket-for-2"]
    assert len(user.logins) == 1


def bound(name: str, value: str) -> Secret:
    """Make a secret that has its value."""
    one = secret(name)
    one.bind(value)
    return one


@pytest.mark.parametrize(
    ("credential", "headers"),
    [
        (api_key("X-Key", "abc"), {"X-Key": "abc"}),
        (api_key("X-Key", bound("KEY", "abcdef")), {"X-Key": "abcdef"}),
        (bearer("abc"), {"Authorization": "Bearer abc"}),
        (bound("TOKEN", "abcdef"), {"Authorization": "Bearer abcdef"}),
        (
            basic("ada", bound("PASSWORD", "öffne")),
            {"Authorization": f"Basic {b64encode('ada:öffne'.encode()).decode()}"},
        ),
    ],
)
def test_credentials_are_headers(credential: Credential, headers: dict[str, str]) -> None:
    """API keys, bearer tokens and passwords become the header that carries them."""
    assert credential.headers == headers


def test_credentials_keep_their_secrets_unread() -> None:
    """A credential can be made at the top of a file, before any secret has its value."""
    key = secret("SHOP_KEY")
    credential = api_key("X-Key", key)
    assert credential.secrets == (key,)
    assert repr(credential) == "HeaderCredential(X-Key)"
    with pytest.raises(LookupError):
        _ = credential.headers
