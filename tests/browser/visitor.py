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

    async def open(self, tab: str) -> None:
        """Go to another part of the page."""
        await self.tab(tab).click()
        await expect(self.heading(tab)).to_be_visible()

    def tab(self, name: str) -> Locator:
        """Find a tab by its name, however much in it is unread."""
        return self.page.get_by_role("navigation").get_by_role("link", name=name)

    async def expect_unread(self, tab: str, count: int) -> None:
        """Wait until a tab tells that so much in it is unread."""
        words = f"{tab} {count} unread" if count else tab
        await expect(self.tab(tab)).to_have_accessible_name(words)

    async def start_conversation(self, *names: str, title: str = "") -> None:
        """Start a conversation, and see it open."""
        await self.open("Messages")
        await self.button("New conversation").click()
        dialog = self.page.get_by_role("dialog")
        await dialog.get_by_label("With whom?").fill(", ".join(names))
        await dialog.get_by_label("Title").fill(title)
        await dialog.get_by_role("button", name="Start").click()
        await expect(self.heading(title or ", ".join(names))).to_be_visible()

    async def send(self, text: str) -> None:
        """Say something in the conversation that is open."""
        await self.page.get_by_label("Your message").fill(text)
        await self.button("Send").click()

    def said(self, text: str) -> Locator:
        """Find a message in the conversation that is open."""
        return self.page.get_by_role("list", name="Messages").get_by_text(text, exact=True)

    async def mark(self, row: int, column: int) -> None:
        """Mark a place on the board of the game that is open."""
        await self.page.get_by_role("button", name=f"Row {row}, column {column}: free").click()

    async def expect_status(self, words: str) -> None:
        """Wait until the game that is open tells how it stands."""
        await expect(self.page.locator("p.status")).to_have_text(words)

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
