"""What came while the page could not be told of it: all of it is shown, and each once."""

from __future__ import annotations

from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.sanctum.clients import Api
from tests.sanctum.conftest import DATABASE, OpenLink
from tests.sanctum.servers import Postgres
from tests.sanctum.talks import ARRIVAL

MESSAGES = 540  # more than a socket that comes back tells of one by one
NOTICES = 45  # more than two pages of them
COMMENTS = 55  # more than a page of them
_COMMENTS = f"""
    INSERT INTO comments (post_id, author_id, text)
    SELECT max(id), 2, 'comment ' || n FROM posts, generate_series(1, {COMMENTS}) AS n GROUP BY n
    ORDER BY n
"""  # noqa: S608 - only constants are interpolated
_NOTICES = f"""
    INSERT INTO notifications (user_id, kind, actor_id, post_id)
    SELECT 1, 'like', 2, max(id) FROM posts, generate_series(1, {NOTICES}) AS n GROUP BY n
"""  # noqa: S608
_NOTICE = """
    INSERT INTO notifications (user_id, kind, actor_id, post_id)
    SELECT 1, 'post', 2, max(id) FROM posts
"""
_MESSAGES = f"""
    WITH said AS (
        INSERT INTO conversation_messages (conversation_id, number, author_id, client_id, payload)
        SELECT 1, 1 + n, 2, 'missed-' || n, convert_to('missed ' || n, 'UTF8')
        FROM generate_series(1, {MESSAGES}) AS n
    )
    UPDATE conversations SET last_number = last_number + {MESSAGES} WHERE id = 1
"""  # noqa: S608
# As the consumer would have stored them.
_BODIES = """
    UPDATE inbox_entries SET body = convert_to(json_build_object(
        'kind', 'message', 'conversation', 1, 'message', message_number, 'from', 2,
        'id', 'missed-' || message_number, 'payload', 'missed ' || message_number - 1, 'created', 0
    )::text, 'UTF8') WHERE body = ''
"""
_INBOX = """
    INSERT INTO inboxes (user_id, last_number)
    SELECT user_id, max(number) FROM inbox_entries GROUP BY user_id
    ON CONFLICT (user_id) DO UPDATE SET last_number = excluded.last_number
"""


async def test_what_was_missed_leaves_no_gap(
    visit: Visit, sanctum: Api, open_link: OpenLink, postgres: Postgres
) -> None:
    """However many messages came meanwhile, all are shown and those not seen stay unread; so with
    notifications, without a request for each; a comment of one's own is shown once."""
    link = await open_link(sanctum.port)
    ada, asked = await visit(1, port=link.port), list[str]()
    ada.page.on("request", lambda request: asked.append(request.url))
    await ada.start_conversation("user-0002")
    await ada.send("before")
    await expect(ada.page.get_by_text("Sending…")).to_have_count(0)
    link.cut()
    await expect(ada.page.locator("#connection")).to_contain_text("Trying to connect again.")
    arrival = ARRIVAL.format(conversation=1)
    await postgres.execute(_MESSAGES, arrival, _BODIES, _INBOX, database=DATABASE)
    link.mend()
    await expect(ada.said(f"missed {MESSAGES}")).to_have_count(1)
    await expect(ada.page.get_by_role("list", name="Messages").locator(".said")).to_have_count(
        MESSAGES + 1
    )
    await ada.expect_unread("Messages", MESSAGES)

    await postgres.execute(_NOTICE, database=DATABASE)
    await ada.open("Notifications")
    await expect(ada.page.locator(".notice")).to_have_count(1)
    link.cut()
    await expect(ada.page.locator("#connection")).to_contain_text("Trying to connect again.")
    await postgres.execute(_NOTICES, _COMMENTS, database=DATABASE)
    asked.clear()
    link.mend()
    await expect(ada.page.locator(".notice")).to_have_count(NOTICES + 1)
    assert len([url for url in asked if "/api/notifications?" in url]) <= 5

    await ada.page.get_by_role("link", name="user-0002 likes your post").first.click()
    await expect(ada.page.locator(".comment")).to_have_count(50)
    await ada.page.get_by_label("Your comment").fill("my own")
    await ada.page.get_by_role("button", name="Comment", exact=True).click()
    await expect(ada.page.locator(".comment")).to_have_count(51)
    await ada.button("Show later comments").click()
    await expect(ada.page.locator(".comment")).to_have_count(COMMENTS + 1)
    await expect(ada.page.locator(".comment .text").last).to_have_text("my own")
