"""The feed in a real browser."""

from __future__ import annotations

from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor


async def test_post_reaches_other_reader(visit: Visit) -> None:
    """What one visitor posts, another one reads."""
    ada, bob = await visit(1), await visit(2)
    await ada.write("Good morning from the first page")
    await bob.button("Refresh").click()
    await expect(bob.post("Good morning from the first page")).to_be_visible()


async def test_markup_stays_text_wherever_it_is_shown(visit: Visit) -> None:
    """What looks like a script is shown as it was written in every place, and none of it runs."""
    hostile = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
    ada = await visit(1)
    post = await ada.write(hostile)
    await post.get_by_role("button", name="Comments").click()
    await post.get_by_label("Your comment").fill(hostile)
    await post.get_by_role("button", name="Comment", exact=True).click()
    await expect(post.locator("p.text")).to_have_text([hostile, hostile])
    await ada.open("Games")
    await ada.page.get_by_label("Name of a new game").fill(hostile)
    await ada.button("Start a game").click()
    await expect(ada.heading(hostile)).to_be_visible()
    await ada.start_conversation("user-0002", title=hostile)
    await ada.send(hostile)
    await expect(ada.said(hostile)).to_be_visible()
    assert await ada.page.locator("main img, main script").count() == 0
    assert await ada.page.title() == f"{hostile} · Sanctum"


async def test_author_edits_and_deletes(visit: Visit) -> None:
    """An author changes and deletes a post and keeps the place; a reader of it cannot."""
    ada, bob = await visit(1), await visit(2)
    await ada.write("Frist")
    post = ada.post("Frist")
    await post.get_by_role("button", name="Edit").click()
    await ada.page.get_by_label("Your post").fill("First")
    await ada.button("Save").click()
    await expect(ada.post("First")).to_contain_text("edited")
    await expect(ada.post("First")).to_be_focused()
    await bob.button("Refresh").click()
    await expect(bob.post("First").get_by_role("button", name="Like")).to_be_visible()
    await expect(bob.post("First").get_by_role("button", name="Edit")).to_have_count(0)
    await ada.post("First").get_by_role("button", name="Delete").click()
    await ada.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await expect(ada.post("First")).to_have_count(0)
    await expect(ada.page.get_by_role("article").first).to_be_focused()


async def test_older_version_is_not_saved_over_a_newer(visit: Visit) -> None:
    """Who edits a post in two tabs is told that it changed, and loses neither text."""
    ada = await visit(1)
    await ada.write("One")
    twin = Visitor(await ada.page.context.new_page(), ada.url)
    await twin.arrive()
    for tab in (ada, twin):
        await tab.post("One").get_by_role("button", name="Edit").click()
    await ada.page.get_by_label("Your post").fill("Two")
    await ada.button("Save").click()
    await expect(ada.post("Two")).to_be_visible()
    await twin.page.get_by_label("Your post").fill("Three")
    await twin.button("Save").click()
    words = "Somebody changed this meanwhile. Load it again."
    await expect(twin.page.get_by_role("status").filter(has_text=words)).to_be_visible()
    await expect(twin.page.get_by_label("Your post")).to_have_value("Three")


async def test_older_posts_follow(visit: Visit) -> None:
    """A page of the feed ends with a way to the older posts, which neither repeats nor skips."""
    ada = await visit(1)
    articles = ada.page.get_by_role("article")
    await expect(articles).to_have_count(20)
    await ada.button("Show older posts").click()
    await expect(articles).to_have_count(40)
    await ada.button("Show older posts").click()
    await expect(articles).to_have_count(50)
    await expect(ada.button("Show older posts")).to_have_count(0)
