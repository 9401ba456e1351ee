"""Fixtures: a Sanctum that serves the page, and a browser whose visitors do not know each other."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, Page, async_playwright
from tests.browser.visitor import Visitor
from tests.sanctum.clients import Api
from tests.sanctum.conftest import (  # noqa: F401 - fixtures
    Serve,
    database,
    open_link,
    postgres,
    serve,
    valkey,
)
from tests.sanctum.servers import LOOPBACK

WIDTH, HEIGHT = 1100, 800
TAGS = ("smoke", "preprod")
CHROMIUM = shutil.which("chromium")

Visit = Callable[..., Awaitable[Visitor]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let `--tag smoke` or `--tag preprod` select the journeys that carry the tag."""
    parser.addoption("--tag", choices=TAGS, help="run only the browser journeys with this tag")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what does not carry the tag asked for."""
    tag = config.getoption("--tag", default=None)
    if tag is not None:
        others = [item for item in items if item.get_closest_marker(tag) is None]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if item.get_closest_marker(tag) is not None]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Start the machine's own Chromium; nothing is downloaded."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium on the PATH (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        await browser.close()


@pytest.fixture
async def sanctum(serve: Serve) -> Api:  # noqa: F811
    """Serve a whole Sanctum: the api, and the two processes that messages pass."""
    api = await serve()
    await serve(role="dispatcher")
    await serve(role="consumer")
    return api


@pytest.fixture
async def visit(browser: Browser, sanctum: Api) -> AsyncIterator[Visit]:
    """Open the page for visitors, each in a browser context of its own.

    What goes wrong in a page fails the test: a script's error, and a breach of the page's policy.
    """
    errors: list[str] = []

    async def open_one(
        user: int | None = None,
        *,
        width: int = WIDTH,
        dark: bool = False,
        port: int = sanctum.port,
    ) -> Visitor:
        context = await browser.new_context(
            viewport={"width": width, "height": HEIGHT}, color_scheme="dark" if dark else "light"
        )
        page: Page = await context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: errors.append(m.text) if "Security Policy" in m.text else None)
        visitor = Visitor(page, f"http://{LOOPBACK}:{port}")
        await visitor.arrive()
        if user is not None:
            await visitor.log_in(user)
        return visitor

    yield open_one
    assert errors == []
