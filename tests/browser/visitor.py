"""What a person does with the page, told in the words of the page."""

from __future__ import annotations

from playwright.async_api import Locator, Page, expect
from tests.sanctum.clients import PASSWORD

DEADLINE_MS = 20_000

expect.set_options(timeout=DEADLINE_MS)


class Visitor:
    """Use the page as one person in one browser."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        page.set_default_timeout(DEADLINE_MS)

    async def arrive(self) -> None:
        """Open the page."""
        await self.page.goto(self.url)

    async def log_in(self, user: int) -> None:
        """Log in as a synthetic user."""
        await self.page.get_by_label("Name").fill(f"user-{user:04d}")
        await self.page.get_by_label("Password").fill(PASSWORD)
        await self.page.get_by_role("button", name="Log in").click()
        await expect(self.heading("Feed")).to_be_visible()

    def heading(self, name: str) -> Locator:
        """Find a heading by its text."""
        return self.page.get_by_role("heading", name=name, exact=True)

    def button(self, name: str) -> Locator:
        """Find a button by its name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def post(self, text: str) -> Locator:
        """Find a post by its text."""
        return self.page.get_by_role("article").filter(has_text=text)

    async def write(self, text: str) -> Locator:
        """Publish a post and return it as it stands in the feed."""
        await self.page.get_by_label("What is new?").fill(text)
        await self.button("Post").click()
        await expect(self.post(text)).to_be_visible()
        return self.post(text)
