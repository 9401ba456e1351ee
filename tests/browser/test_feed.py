"""The feed in a real browser."""

from __future__ import annotations

from playwright.async_api import expect
from tests.browser.conftest import Visit


async def test_post_reaches_other_reader(visit: Visit) -> None:
    """What one visitor posts, another one reads."""
    ada, bob = await visit(1), await visit(2)
    await ada.write("Good morning from the first page")
    await bob.button("Refresh").click()
    await expect(bob.post("Good morning from the first page")).to_be_visible()


async def test_markup_in_a_post_stays_text(visit: Visit) -> None:
    """A post that looks like a script is shown as it was written, and nothing of it runs."""
    ada = await visit(1)
    hostile = (
        "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
    )
    post = await ada.write(hostile)
    await expect(post.locator("p.text")).to_have_text(hostile)
    assert await post.locator("img, script").count() == 0
    assert "broken" not in await ada.page.title()


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
