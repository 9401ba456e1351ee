"""The journeys of two people through the page, each in a browser of their own (B7)."""

from __future__ import annotations

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit

pytestmark = [pytest.mark.smoke, pytest.mark.preprod]


async def test_comment_is_notified_and_marked_read(visit: Visit) -> None:
    """Who posts hears of a comment without loading anything again, and marks it read."""
    ada, bob = await visit(1), await visit(2)
    await ada.write("Who knows a good bakery?")
    await bob.button("Refresh").click()
    post = bob.post("Who knows a good bakery?")
    await post.get_by_role("button", name="Comments").click()
    await post.get_by_label("Your comment").fill("The one by the bridge")
    await post.get_by_role("button", name="Comment", exact=True).click()
    await expect(post.get_by_text("The one by the bridge")).to_be_visible()

    await ada.expect_unread("Notifications", 1)
    await ada.open("Notifications")
    await expect(ada.page.get_by_role("listitem").filter(has_text="commented")).to_have_count(1)
    await ada.page.get_by_role("button", name="Mark read: user-0002").click()
    await ada.expect_unread("Notifications", 0)
    await ada.page.get_by_role("link", name="user-0002 commented on your post").click()
    await expect(ada.page.get_by_text("The one by the bridge")).to_be_visible()


async def test_messages_change_the_unread_count(visit: Visit) -> None:
    """What is said in a conversation raises the other's count at once; who reads it sees none."""
    ada, bob = await visit(1), await visit(2)
    await ada.start_conversation("user-0002")
    await ada.send("Are you there?")
    await ada.send("It is about tomorrow")
    await bob.expect_unread("Messages", 2)
    await bob.open("Messages")
    await bob.page.get_by_role("link", name="user-0001 2 unread").click()
    await expect(bob.said("It is about tomorrow")).to_be_visible()
    await bob.expect_unread("Messages", 0)
    await bob.send("I am")
    await expect(ada.said("I am")).to_be_visible()
    await ada.expect_unread("Messages", 0)


async def test_group_hears_everybody(visit: Visit) -> None:
    """What one says in a group arrives at all others in the order in which it was said."""
    ada, bob, eve = await visit(1), await visit(2), await visit(3)
    await ada.start_conversation("user-0002", "user-0003", title="Hiking")
    for friend in (bob, eve):
        await friend.open("Messages")
        await friend.page.get_by_role("link", name="Hiking").click()
        await expect(friend.heading("Hiking")).to_be_visible()
    for number in range(5):
        await ada.send(f"stop {number}")
    for friend in (bob, eve):
        texts = friend.page.get_by_role("list", name="Messages").locator("p.text")
        await expect(texts).to_have_text([f"stop {number}" for number in range(5)])


async def test_two_play_a_game_to_its_end(visit: Visit) -> None:
    """One starts a game, the other joins, both see each move, and both see who has won."""
    ada, bob = await visit(1), await visit(2)
    await ada.open("Games")
    await ada.page.get_by_label("Name of a new game").fill("Tea time")
    await ada.button("Start a game").click()
    await ada.expect_status("Waiting for somebody to join.")
    await bob.open("Games")
    await bob.button("Join Tea time").click()
    for column in (1, 2):
        await ada.expect_status("Your turn.")
        await ada.mark(1, column)
        await bob.expect_status("Your turn.")
        await bob.mark(2, column)
    await ada.expect_status("Your turn.")
    await ada.mark(1, 3)
    await ada.expect_status("You have won.")
    await bob.expect_status("user-0001 has won.")


async def test_leaving_ends_a_game(visit: Visit) -> None:
    """Who leaves a game ends it, and the other one is told so."""
    ada, bob = await visit(1), await visit(2)
    await ada.open("Games")
    await ada.page.get_by_label("Name of a new game").fill("Short")
    await ada.button("Start a game").click()
    await bob.open("Games")
    await bob.button("Join Short").click()
    await bob.button("Leave the game").click()
    await bob.page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    await ada.expect_status("A player left. You have won.")
    await bob.expect_status("A player left. user-0001 has won.")


async def test_people_of_a_group_come_and_go(visit: Visit) -> None:
    """Whoever takes part adds others, who see it at once; its maker removes them, others leave."""
    ada, bob, eve = await visit(1), await visit(2), await visit(3)
    await ada.start_conversation("user-0002", title="Hiking")
    await ada.button("People").click()
    people = ada.page.get_by_role("dialog", name="People")
    for name, told in (
        ("nobody-0", "There is nobody called nobody-0."),
        ("user-0003", "was added"),
    ):
        await people.get_by_label("Add somebody").fill(name)
        await ada.page.keyboard.press("Enter")
        await expect(people.get_by_text(told)).to_be_visible()
    await expect(people.get_by_role("listitem")).to_have_count(3)
    await eve.open("Messages")
    await eve.page.get_by_role("link", name="Hiking").click()
    await eve.button("People").click()
    await expect(eve.page.get_by_role("button", name="Remove")).to_have_count(0)
    await eve.button("Leave the group").click()
    await expect(eve.page.get_by_text("No conversations yet.")).to_be_visible()
    await people.get_by_role("button", name="Remove user-0002").click()
    await expect(people.get_by_text("user-0002 was removed.")).to_be_visible()
    await expect(people.get_by_role("listitem")).to_have_count(1)
    await ada.page.keyboard.press("Escape")
    await bob.open("Messages")
    await expect(bob.page.get_by_text("No conversations yet.")).to_be_visible()
