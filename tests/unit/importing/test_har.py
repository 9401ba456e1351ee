"""A recording becomes a journey file that a person would keep."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from tests.unit.importing.shop_har import HOST, entry, shop

from stormproof.importing.files import source_of
from stormproof.kernel.errors import BadInput
from stormproof.kernel.limits import IMPORTED_CALLS_MAX

SHOP = '''"""Recorded: Shop.

Run it: stormproof run THIS_FILE --target https://shop.example:8443

Secrets come from the environment: CSRF_TOKEN, PASSWORD, X_API_KEY.

- left out: 2 requests for static files
- left out: 1 request to tracker.example
- left out: 1 request with OPTIONS as their method
- cookies were left out: each user keeps its own, from the answers it gets
"""

from stormproof import User, check, journey, secret

CSRF_TOKEN = secret("CSRF_TOKEN")
PASSWORD = secret("PASSWORD")
X_API_KEY = secret("X_API_KEY")


@journey
async def visit(user: User) -> None:
    """Do what was recorded at shop.example:8443."""
    # Shop
    home = await user.http.get("/")
    check(home, "home: 200", home.status == 200)
    await user.think(4.4)
    posted_login = await user.http.post(
        "/api/login",
        json={"username": "ada", "password": PASSWORD.value, "remember": True},
    )
    check(posted_login, "posted login: 200", posted_login.status == 200)
    users_basket = await user.http.get(
        "/api/users/{user_id}/basket",
        user_id=posted_login.json()["user"]["id"],
        query={"limit": "20"},
        headers={"X-Tenant": "blue"},
        auth=posted_login.json()["token"],
    )
    check(users_basket, "users basket: 200", users_basket.status == 200)

    # Order placed
    await user.think(5.2)
    posted_orders = await user.http.post(
        "/api/orders",
        headers={"X-Tenant": "blue"},
        auth=posted_login.json()["token"],
        json={
            "lines": [
                {"article": 'A "quoted" name that is rather long', "count": 2},
                {"article": "another", "count": 1},
            ],
            "note": None,
        },
    )
    check(posted_orders, "posted orders: 201", posted_orders.status == 201)
    await user.think(1.9)
    orders = await user.http.get(
        "/api/orders/{order_id}",
        order_id=posted_orders.json()["id"],
        headers={"X-Tenant": "blue"},
        auth=posted_login.json()["token"],
    )
    check(orders, "orders: 200", orders.status == 200)
    await user.think(0.9)
    receipts = await user.http.get(
        "/api/receipts/{receipt_id}",
        receipt_id=posted_orders.json()["uuid"],
        headers={"X-Tenant": "blue", "X-Api-Key": X_API_KEY.value},
        auth=posted_login.json()["token"],
    )
    check(receipts, "receipts: 200", receipts.status == 200)
    await user.think(0.9)
    posted_survey = await user.http.post(
        "/api/survey",
        form={"stars": "5", "csrf_token": CSRF_TOKEN.value, "text": "all good"},
    )
    check(posted_survey, "posted survey: 200", posted_survey.status == 200)
    await user.think(1.9)
    live = await user.ws.connect("/live")
    check(live, "live: open", live.is_open)
    await user.think(30)
    deleted_orders = await user.http.delete(
        "/api/orders/{order_id}",
        order_id=99,
        headers={"X-Tenant": "blue"},
        auth=posted_login.json()["token"],
    )
    check(deleted_orders, "deleted orders: 204", deleted_orders.status == 204)
    await live.close()
'''


def har(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"log": {"entries": list(entries)}}


def test_the_recording_of_a_shop_reads_like_written_by_hand() -> None:
    """Pages, templates, pauses, checks; ids and tokens from earlier answers; no noise."""
    assert source_of(shop(), "shop.har") == SHOP


def test_no_secret_of_the_recording_is_in_the_file() -> None:
    """Passwords, keys, cookies and tokens are declared or read from answers, never written."""
    source = source_of(shop(), "shop.har")
    assert "hidden" not in source
    assert "eyJ" not in source


def test_a_token_that_no_answer_gave_is_a_secret() -> None:
    """A bearer token from before the recording is declared."""
    source = source_of(har(entry(0, "GET", "/a", headers={"authorization": "Bearer abc"})), "h")
    assert 'TOKEN = secret("TOKEN")' in source
    assert "auth=TOKEN.value" in source


def test_the_named_host_is_the_only_one() -> None:
    """`--host` picks whose requests are kept; a host that nobody asked is told with those there."""
    entries = [entry(0, "GET", "/a"), entry(1, "GET", "/b", host="api.example")]
    assert '"/b"' in source_of(har(*entries), "h", "api.example")
    assert '"/a"' not in source_of(har(*entries), "h", "api.example")
    with pytest.raises(BadInput, match=f"hosts: api.example, {HOST}"):
        source_of(har(*entries), "h", "other.example")


def test_the_same_number_elsewhere_is_no_reference() -> None:
    """Only a field that identifies something is read from an earlier answer."""
    entries = [
        entry(0, "POST", "/orders", answer={"id": 12, "count": 55}),
        entry(1, "POST", "/pay", body={"order_id": 12, "amount": 12, "count": 55}),
        entry(2, "GET", "/pay?size=12&order_id=12"),
    ]
    source = source_of(har(*entries), "h")
    assert '{"size": "12", "order_id": posted_orders.json()["id"]}' in source
    assert '"order_id": posted_orders.json()["id"], "amount": 12, "count": 55' in source


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"log": 3}, "has no request"),
        ({"log": {"entries": [1, None, {"request": {"url": "http://["}}]}}, "has no request"),
        (har(entry(0, "GET", "/a.css", kind="")), "has no request to"),
        (har(*[entry(0, "GET", "/a")] * (IMPORTED_CALLS_MAX + 1)), "record one task at a time"),
        ({"lag": {}}, "is neither a HAR file nor an OpenAPI document"),
    ],
)
def test_what_cannot_be_used_is_refused(document: dict[str, Any], problem: str) -> None:
    """A file without anything to keep, or with too much, is named with what is wrong."""
    with pytest.raises(BadInput, match=problem):
        source_of(document, "h.har")


@pytest.mark.parametrize(
    "raw",
    [
        {"request": {"url": "http://a.example/x", "method": "GET", "headers": 5}},
        {"request": {"url": "http://a.example/é{x}\u202e", "method": "get"}, "time": "x"},
        {"request": {"url": "http://a.example/", "method": "POST",
                     "postData": {"mimeType": "application/json", "text": "{"}}},
        {"request": {"url": "http://a.example/", "method": "POST",
                     "postData": {"mimeType": "application/json", "text": "[" * 50_000}}},
        {"request": {"url": "http://a.example/" + "1" * 5_000, "method": "GET"}},
        {"request": {"url": "http://a.example/", "method": "PUT",
                     "postData": {"mimeType": "text/plain", "text": "password=1"}}},
        {"startedDateTime": "9999-99-99", "pageref": '"""', "request":
            {"url": "http://a.example/", "method": "GET"}, "response": None},
    ],
)  # fmt: skip
def test_whatever_an_entry_holds_the_file_is_python(raw: dict[str, Any]) -> None:
    """Fields of other types, broken bodies and steering characters give a file that parses."""
    page = {"id": '"""', "title": 'a """ \\ \x1b[2J \n title'}
    source = source_of({"log": {"entries": [raw], "pages": [page]}}, "h")
    ast.parse(source)
    assert source.isprintable() or "\n" in source
    assert not any(ord(one) < 32 for one in source.replace("\n", ""))
    assert "\u202e" not in source
