"""The page's files, and the route that tells it who is who."""

from __future__ import annotations

import re

import pytest
from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, OpenLink, Serve
from tests.sanctum.servers import LOOPBACK, ROLE, ROLE_PASSWORD, Postgres

from sanctum.web.files import INDEX, read_page


async def test_page_is_served_with_everything_that_it_names(api: Api) -> None:
    """The page and each file that it or one of its modules loads are there, with their types."""
    answer = await api.call("GET", "/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    named = re.findall(r'/assets/([\w.]+)"', answer.body)
    for name, file in read_page().items():
        if name.endswith(".js"):
            named += re.findall(r'from "\./([\w.]+)"', file.content.decode())
    assert "style.css" in named
    statuses = {name: (await api.call("GET", f"/assets/{name}")).status for name in set(named)}
    assert set(statuses.values()) == {200}, statuses


async def test_policy_admits_the_own_files_only(api: Api) -> None:
    """The page may load nothing from elsewhere and run no script that is written into it."""
    answer = await api.call("GET", "/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    markup = read_page()[INDEX].content.decode()
    assert re.findall(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=", markup) == []


async def test_browser_asks_again_and_loads_nothing_twice(api: Api) -> None:
    """A browser that has the present file is answered 304; one with an older one gets it."""
    first = await api.call("GET", "/assets/main.js")
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "no-cache"
    known = await api.call("GET", "/assets/main.js", headers={"if-none-match": f'"old", W/{etag}'})
    assert (known.status, known.body, known.headers["etag"]) == (304, "", etag)
    older = await api.call("GET", "/assets/main.js", headers={"if-none-match": '"old"'})
    assert (older.status, older.body) == (200, first.body)


@pytest.mark.parametrize("name", ["nothing.js", "..%2Ffiles.py", "%00", "index.html.bak"])
async def test_other_files_are_not_there(api: Api, name: str) -> None:
    """Nothing but the page's own files can be asked for."""
    answer = await api.call("GET", f"/assets/{name}")
    assert (answer.status, answer.body["error"]) == (404, "not_found")


async def test_people_are_found_by_id_and_by_name(api: Api) -> None:
    """Who exists is told once, by id and by exact name; who does not is left out."""
    path = "/api/people?ids=2,3,999999&names=user-0003,user-0004,User-0005,nobody"
    answer = await api.call("GET", path, token=await api.token())
    assert answer.status == 200
    assert answer.body["people"] == [
        {"id": number, "username": f"user-{number:04d}"} for number in (2, 3, 4)
    ]
    nobody = await api.call("GET", "/api/people", token=await api.token())
    assert (nobody.status, nobody.body) == (200, {"people": []})


@pytest.mark.parametrize(
    "query",
    ["ids=x", "ids=0", "ids=1,,2", "ids=" + ",".join(["1"] * 101), "names=%00", "ids=" + "9" * 40],
)
async def test_people_asked_for_wrongly_are_refused(api: Api, query: str) -> None:
    """A parameter that is no list of ids or names, or too long a one, is refused by its name."""
    answer = await api.call("GET", f"/api/people?{query}", token=await api.token())
    assert answer.status == 422
    assert query.partition("=")[0] in answer.body["message"]


async def test_people_are_told_to_users_only(api: Api) -> None:
    """Whoever proves nothing learns no name."""
    assert (await api.call("GET", "/api/people?ids=1")).status == 401


async def test_own_likes_are_told(api: Api) -> None:
    """A reader learns which of the posts asked for the reader likes, and no other's likes."""
    for user, post in ((1, 2), (1, 4), (2, 3)):
        answer = await api.call("PUT", f"/api/posts/{post}/like", token=await api.token(user))
        assert answer.status == 200, answer
    answer = await api.call("GET", "/api/likes?posts=1,2,3", token=await api.token())
    assert (answer.status, answer.body) == (200, {"liked": [2]})
    assert (await api.call("GET", "/api/likes?posts=1")).status == 401
    refused = await api.call("GET", "/api/likes?posts=x", token=await api.token())
    assert (refused.status, "posts" in refused.body["message"]) == (422, True)


async def test_absent_database_is_told(
    serve: Serve, postgres: Postgres, open_link: OpenLink
) -> None:
    """While the database does not answer, so is said; the page itself is served all the same."""
    link = await open_link(postgres.port)
    url = f"postgresql://{ROLE}:{ROLE_PASSWORD}@{LOOPBACK}:{link.port}/{DATABASE}"
    api = await serve(SANCTUM_DATABASE_URL=url, SANCTUM_DATABASE_COMMAND_TIMEOUT_S="0.3")
    token = await api.token()
    link.hold()
    for path in ("/api/people?ids=1", "/api/likes?posts=1"):
        answer = await api.call("GET", path, token=token)
        assert (answer.status, answer.body["error"]) == (503, "database_unavailable")
    assert (await api.call("GET", "/")).status == 200
    link.release()
