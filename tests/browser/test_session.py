"""Staying logged in, logging out, and what the page says when the service is away."""

from __future__ import annotations

import re

from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor
from tests.sanctum.clients import Api
from tests.sanctum.conftest import OpenLink

# The vault's session, read or with changes written; what all parts of the page see is changed too.
VAULT = """(changes) => new Promise((resolve, reject) => {
    const opened = indexedDB.open("sanctum");
    opened.onerror = () => reject(opened.error);
    opened.onsuccess = () => {
        const store = opened.result.transaction("vault", "readwrite").objectStore("vault");
        store.get("session").onsuccess = ({target}) => {
            const changed = {...target.result, ...changes};
            const {user_id, username, token, expires_at} = changed;
            const seen = {user_id, username, token, expires_at};
            localStorage.setItem("sanctum.session", JSON.stringify(seen));
            store.put(changed, "session").onsuccess = () => {
                opened.result.close();
                resolve(changed.refresh_token);
            };
        };
    };
})"""
WORN = {"token": "worn.out.token"}


async def change_session(visitor: Visitor, **changes: object) -> str:
    """Change the session that the page holds, and return its refresh token."""
    token: str = await visitor.page.evaluate(VAULT, changes)
    return token


async def test_page_left_open_goes_on_after_its_token_has_expired(visit: Visit) -> None:
    """A token known to be old is renewed before it is used, one refused by the service after it."""
    ada = await visit(1)
    first = await change_session(ada)
    await change_session(ada, **WORN, expires_at=0)
    await ada.write("Still here by the clock")
    second = await change_session(ada)
    await change_session(ada, **WORN)
    await ada.write("Still here by the refusal")
    third = await change_session(ada)
    assert len({first, second, third}) == 3


async def test_two_tabs_renew_once(visit: Visit) -> None:
    """Two tabs whose token expires at once do not void each other's refresh token."""
    ada = await visit(1)
    twin = Visitor(await ada.page.context.new_page(), ada.url)
    await twin.arrive()
    await expect(twin.heading("Feed")).to_be_visible()
    await change_session(ada, **WORN, expires_at=0)
    for tab in (ada, twin):
        await tab.page.evaluate("document.querySelector('.heading button').click()")
    for tab in (ada, twin):
        await expect(tab.page.get_by_role("article")).to_have_count(20)
        await tab.open("Notifications")
        await expect(tab.page.get_by_text("Nothing yet.")).to_be_visible()


async def test_ended_session_asks_to_log_in(visit: Visit) -> None:
    """When the session is over everywhere, the page says so and goes on after a log-in."""
    ada = await visit(1)
    await change_session(ada, **WORN, expires_at=0, refresh_token="void")
    await ada.page.reload()
    await expect(ada.heading("Welcome back")).to_be_visible()
    await ada.log_in(1)


async def test_log_out_ends_every_tab(visit: Visit) -> None:
    """Who logs out in one tab is logged out in the others, and a reload brings nobody back."""
    ada = await visit(1)
    twin = Visitor(await ada.page.context.new_page(), ada.url)
    await twin.arrive()
    await expect(twin.heading("Feed")).to_be_visible()
    await ada.button("Log out").click()
    await expect(twin.heading("Welcome back")).to_be_visible()
    await twin.page.reload()
    await expect(twin.heading("Welcome back")).to_be_visible()


async def test_next_user_of_a_browser_sees_the_own_names(visit: Visit) -> None:
    """Who logs in after another begins at the feed, and sees conversations from the own side."""
    ada = await visit(1)
    await ada.start_conversation("user-0002")
    await ada.send("for you")
    await expect(ada.page.get_by_text("Sending…")).to_have_count(0)
    await ada.button("Log out").click()
    await ada.log_in(2)
    await ada.expect_unread("Messages", 1)
    await ada.open("Messages")
    await ada.page.get_by_role("link", name="user-0001 1 unread").click()
    await expect(ada.page.get_by_role("list", name="Messages").get_by_text("New")).to_be_visible()
    await ada.expect_unread("Messages", 0)


async def test_sign_up_leads_to_the_feed(visit: Visit) -> None:
    """Who makes an account is logged in; a taken name and a short password are told in words."""
    new = await visit()
    await new.button("Make an account").click()
    name, password = new.page.get_by_label("Name"), new.page.get_by_label("Password")
    await name.fill("user-0001")
    await password.fill("short")
    await new.button("Sign up").click()
    await expect(new.page.get_by_text("Use at least 8 characters.")).to_be_visible()
    await password.fill("long enough by far")
    await new.button("Sign up").click()
    await expect(new.page.get_by_text("That name is taken. Choose another one.")).to_be_visible()
    await name.fill("grace")
    await new.button("Sign up").click()
    await expect(new.heading("Feed")).to_be_visible()


async def test_wrong_password_is_told_in_words(visit: Visit) -> None:
    """A wrong password is told where it was typed, and the name stays."""
    ada = await visit()
    await ada.page.get_by_label("Name").fill("user-0001")
    await ada.page.get_by_label("Password").fill("wrong")
    await ada.button("Log in").click()
    words = "Name or password is wrong. Check both and try again."
    await expect(ada.page.get_by_role("alert")).to_have_text(words)
    await expect(ada.page.get_by_label("Name")).to_have_value("user-0001")


async def test_what_was_missed_offline_arrives_afterwards(
    visit: Visit, sanctum: Api, open_link: OpenLink
) -> None:
    """Messages that came while the live connection was away are there when it is back, once."""
    link = await open_link(sanctum.port)
    ada, bob = await visit(1), await visit(2, port=link.port)
    await ada.start_conversation("user-0002")
    await ada.send("before")
    await bob.open("Messages")
    await bob.page.get_by_role("link", name="user-0001").click()
    await expect(bob.said("before")).to_be_visible()
    link.cut()
    connection = bob.page.locator("#connection")
    await expect(connection).to_contain_text("Trying to connect again.")
    await ada.send("meanwhile")
    await expect(ada.page.get_by_text("Sending…")).to_have_count(0)
    link.mend()
    await expect(bob.said("meanwhile")).to_have_count(1)
    await expect(connection).to_be_hidden()
    await ada.send("after")
    texts = bob.page.get_by_role("list", name="Messages").locator("p.text")
    await expect(texts).to_have_text(["before", "meanwhile", "after"])


async def test_unsent_message_is_kept_and_sent_again(visit: Visit) -> None:
    """A message that could not be sent says so, and is sent once when asked for again."""
    ada = await visit(1)
    await ada.start_conversation("user-0002")
    await ada.page.context.set_offline(True)
    await ada.send("over the wire")
    await expect(ada.page.get_by_text("Not sent. The service cannot be reached.")).to_be_visible()
    await ada.page.context.set_offline(False)
    await ada.button("Send again").click()
    await expect(ada.button("Send again")).to_have_count(0)
    await expect(ada.said("over the wire")).to_have_count(1)


async def test_failed_part_offers_to_try_again(visit: Visit) -> None:
    """A feed that cannot be loaded says what to do, and loads when it is tried again."""
    ada = await visit(1)
    await ada.page.route("**/api/feed*", lambda route: route.fulfill(status=503, body="<html>"))
    await ada.button("Refresh").click()
    words = "A part of the service is away. Try again in a moment."
    await expect(ada.page.get_by_role("alert")).to_contain_text(words)
    await ada.page.unroute("**/api/feed*")
    await ada.button("Try again").click()
    await expect(ada.page.get_by_role("article")).to_have_count(20)


async def test_lost_connection_is_not_tried_for_ever(visit: Visit) -> None:
    """After a bounded number of tries the page stops, says so, and connects when asked to."""
    ada = await visit(1)
    await ada.page.clock.install()
    asked: list[str] = []
    ada.page.on("request", lambda request: asked.append(request.url))
    await ada.page.route("**/api/ws/ticket", lambda route: route.fulfill(status=503, body="{}"))
    await ada.page.reload()
    await expect(ada.heading("Feed")).to_be_visible()
    connection = ada.page.locator("#connection")
    for _ in range(200):
        if "Nothing new arrives" in await connection.inner_text():
            break
        await ada.page.clock.run_for(5_000)
    await expect(connection).to_contain_text("Nothing new arrives by itself.")
    tries = sum(url.endswith("/api/ws/ticket") for url in asked)
    assert tries == 8
    await ada.page.clock.run_for(600_000)
    assert sum(url.endswith("/api/ws/ticket") for url in asked) == tries
    await ada.page.unroute("**/api/ws/ticket")
    await ada.button("Connect").click()
    await expect(connection).to_be_hidden()


async def test_address_that_leads_nowhere_is_told(visit: Visit) -> None:
    """An address of what is not there says so in words, and the rest of the page works."""
    ada = await visit(1)
    for place in ("messages/999", "games/999", "games/x", "feed/999", "feed/%00"):
        await ada.page.goto(f"{ada.url}/#/{place}")
        await expect(ada.page.get_by_role("alert")).to_contain_text(
            re.compile("not there|accepted")
        )
        await ada.open("Notifications")
        await expect(ada.page.get_by_text("Nothing yet.")).to_be_visible()
    for place in ("nothing/of/that/name", "constructor"):
        await ada.page.goto(f"{ada.url}/#/{place}")
        await expect(ada.heading("Feed")).to_be_visible()


async def test_broken_storage_asks_to_log_in(visit: Visit) -> None:
    """Whatever lies in the browser's storage, one can log in."""
    ada = await visit()
    for stored in ("{", "5", "{}", "null", '{"token": "x", "expires_at": 9e15}'):
        await ada.page.evaluate("stored => localStorage.setItem('sanctum.session', stored)", stored)
        await ada.page.reload()
        await ada.log_in(1)
        await expect(ada.page.get_by_role("article")).to_have_count(20)
        await ada.button("Log out").click()
