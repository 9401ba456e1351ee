"""Templates into names and heads."""

from __future__ import annotations

import pytest

from stormproof.clients.routes import QUERIES_KEPT_MAX, Routes
from stormproof.clients.tape import Scope, Tape


def routes(verb: str = "GET") -> Routes:
    """Make the routes of one method."""
    return Routes(Scope(Tape(0), "s"), "http_req", verb, f"{verb} ", b" HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("template", "values", "query", "line"),
    [
        ("/feed", {}, None, b"GET /feed"),
        ("/feed", {}, {"limit": 20, "q": "a b&c"}, b"GET /feed?limit=20&q=a+b%26c"),
        ("/feed?x=1", {}, {"y": 2}, b"GET /feed?x=1&y=2"),
        ("/posts/{id}", {"id": 7}, None, b"GET /posts/7"),
        ("/posts/{id}/x/{id2}", {"id": "a/b", "id2": True}, None, b"GET /posts/a%2Fb/x/True"),
        ("/caf\u00e9/{n}", {"n": "\u00fc"}, None, b"GET /caf%C3%A9/%C3%BC"),
        ("/{n}", {"n": "a\r\nX-Evil: 1"}, None, b"GET /a%0D%0AX-Evil%3A%201"),
    ],
)
def test_head_is_the_request_line(
    template: str, values: dict[str, str | int], query: dict[str, str | int] | None, line: bytes
) -> None:
    """Values and query are quoted into the template, so that none breaks out of the line."""
    route = routes().add(template)
    assert route.head(values, query) == line + b" HTTP/1.1\r\n"


def test_constant_route_has_its_head_ready() -> None:
    """A template without values is one constant; one with values is not."""
    made = routes()
    assert made.add("/feed").whole == b"GET /feed HTTP/1.1\r\n"
    assert made.add("/posts/{id}").whole is None


def test_remembered_queries_are_bounded() -> None:
    """Encoded queries are remembered up to a limit, and right beyond it."""
    route = routes().add("/feed")
    for number in range(2 * QUERIES_KEPT_MAX):
        assert b"?n=%d " % number in route.head({}, {"n": number})
    assert len(route._queries) == QUERIES_KEPT_MAX


def test_secrets_stay_out_of_names() -> None:
    """A token that a journey formats into its path is masked in the operation's name."""
    scope = Scope(Tape(0), "s")
    made = Routes(scope, "ws_connect", "WS")
    ids = {made.add(f"/ws/3?ticket=secret{number}").series for number in range(3)}
    assert [scope.tape.series[one].tags["name"] for one in ids] == ["WS /ws/3?ticket=***"]


def test_same_template_of_two_methods_is_two_operations() -> None:
    """The method belongs to the operation's name."""
    scope = Scope(Tape(0), "s")
    made = [Routes(scope, "http_req", verb).add("/x") for verb in ("GET", "POST")]
    assert [scope.tape.series[one.series].tags["name"] for one in made] == ["GET /x", "POST /x"]
