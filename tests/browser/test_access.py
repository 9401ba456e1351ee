"""The page for everybody: names for what can be used, contrast, the keyboard alone, a phone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.visitor import Visitor

CONTRAST_MIN = 4.5  # of text to what is behind it (WCAG 2.2, 1.4.3)
PHONE = 390
TARGET_PX_MIN = 24  # of what is pressed, each way (WCAG 2.2, 2.5.8)

# Every element that holds text of its own, with the contrast of its colour to the nearest painted
# background below it.
CONTRASTS = """() => {
    const channels = (colour) => {
        const canvas = new OffscreenCanvas(1, 1).getContext("2d");
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (rgb) => rgb.slice(0, 3)
        .map((c) => c / 255)
        .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
    const behind = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = channels(getComputedStyle(at).backgroundColor);
            if (colour[3] === 255) return colour;
        }
        return [255, 255, 255, 255];
    };
    const ownText = (element) => [...element.childNodes]
        .filter((node) => node.nodeType === Node.TEXT_NODE)
        .map((node) => node.textContent.trim()).join(" ").trim();
    return [...document.body.querySelectorAll("*")]
        .filter((element) => ownText(element) && element.checkVisibility())
        .map((element) => {
            const pair = [channels(getComputedStyle(element).color), behind(element)];
            const [dark, light] = pair.map(luminance).sort((a, b) => a - b);
            return [ownText(element), (light + 0.05) / (dark + 0.05)];
        });
}"""
# What can be pressed or filled in, with its size; a line of text is as high as it is.
CONTROLS = """() => [...document.body.querySelectorAll("a, button, input, textarea, ol[tabindex]")]
    .filter((element) => element.checkVisibility())
    .map((element) => {
        const { width, height } = element.getBoundingClientRect();
        return [element.outerHTML, Math.min(width, height)];
    })"""
SHIFTED_MAX = 0.1  # share of the screen times distance, summed up: good by Web Vitals' CLS
SHIFTED = """() => new Promise((resolve) => new PerformanceObserver((list) => resolve(
    list.getEntries().reduce((sum, entry) => sum + (entry.value ?? 0), 0)
)).observe({type: "layout-shift", buffered: true}) || setTimeout(resolve, 500, 0))"""
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"

Place = Callable[[Visitor], Awaitable[None]]


async def feed(visitor: Visitor) -> None:
    """Open the comments of a post."""
    await visitor.write("W" * 300 + " a word without end, and one with")
    await visitor.post("a word without end").get_by_role("button", name="Comments").click()
    await expect(visitor.page.get_by_text("No comments yet.")).to_be_visible()


async def talk(visitor: Visitor) -> None:
    """Open a conversation and say something."""
    await visitor.start_conversation("user-0002")
    await visitor.send("M" * 300)
    await expect(visitor.said("M" * 300)).to_be_visible()


async def game(visitor: Visitor) -> None:
    """Open a game that waits."""
    await visitor.open("Games")
    await visitor.page.get_by_label("Name of a new game").fill("G" * 100)
    await visitor.button("Start a game").click()
    await visitor.expect_status("Waiting for somebody to join.")


async def notices(visitor: Visitor) -> None:
    """Open the notifications, none so far."""
    await visitor.open("Notifications")
    await expect(visitor.page.get_by_text("Nothing yet.")).to_be_visible()


async def question(visitor: Visitor) -> None:
    """Open a dialog with a mistake in its form."""
    await visitor.open("Messages")
    await visitor.button("New conversation").click()
    await visitor.button("Start").click()
    await expect(visitor.page.get_by_text("Name somebody else.")).to_be_visible()


PLACES: tuple[Place, ...] = (feed, talk, game, notices, question)


async def check(visitor: Visitor, where: str) -> None:
    """Check what is on the screen, whatever it is."""
    low = [
        f"{text} {ratio:.2f}"
        for text, ratio in await visitor.page.evaluate(CONTRASTS)
        if ratio < CONTRAST_MIN
    ]
    assert low == [], f"too little contrast: {where}"
    small = [html for html, size in await visitor.page.evaluate(CONTROLS) if size < TARGET_PX_MIN]
    assert [html for html in small if 'class="skip"' not in html] == [], f"hard to hit: {where}"
    assert await visitor.page.evaluate(OVERFLOW) == 0, f"wider than the screen: {where}"
    await check_names(visitor, where)


async def check_names(visitor: Visitor, where: str) -> None:
    """Check that whatever can be used has a name, as a screen reader is told it."""
    session = await visitor.page.context.new_cdp_session(visitor.page)
    tree = await session.send("Accessibility.getFullAXTree")
    used = {"button", "link", "textbox", "navigation", "dialog", "heading", "list"}
    nameless = [
        node["role"]["value"]
        for node in tree["nodes"]
        if not node["ignored"]
        and node["role"]["value"] in used - {"list"}
        and not node.get("name", {}).get("value", "").strip()
    ]
    assert nameless == [], f"without a name: {where}"
    await session.detach()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_everything_can_be_seen_hit_and_named_on_a_phone(visit: Visit, dark: bool) -> None:
    """On 390 px nothing is cut off or too pale, and what can be used has size and name."""
    stranger = await visit(width=PHONE, dark=dark)
    await check(stranger, "log-in")
    ada = await visit(1, width=PHONE, dark=dark)
    for place in PLACES:
        await place(ada)
        await check(ada, place.__name__)


async def test_page_has_landmarks_and_one_main_heading(visit: Visit) -> None:
    """Every part has one heading of the first level, and landmarks to move by."""
    ada = await visit(1)
    for tab in ("Feed", "Messages", "Courses", "Games", "Notifications"):
        await ada.open(tab)
        await expect(ada.page.get_by_role("heading", level=1)).to_have_count(1)
        for landmark in ("banner", "navigation", "main"):
            await expect(ada.page.get_by_role(landmark)).to_have_count(1)
        assert await ada.page.title() == f"{tab} · Sanctum"


async def press(visitor: Visitor, *keys: str) -> None:
    """Press keys one after the other."""
    for key in keys:
        await visitor.page.keyboard.press(key)


async def tab_to(visitor: Visitor, name: str, presses_max: int = 40) -> None:
    """Move on by Tab until something of that name has the focus, and its outline is seen."""
    for _ in range(presses_max):
        await press(visitor, "Tab")
        focused = visitor.page.locator(":focus")
        if await focused.count() and await is_called(visitor, name):
            width = await focused.evaluate("e => parseFloat(getComputedStyle(e).outlineWidth)")
            style = await focused.evaluate("e => getComputedStyle(e).outlineStyle")
            assert (width >= 2, style) == (True, "solid"), f"{name} has the focus unseen"
            return
    raise AssertionError(f"Tab never came to {name}")


async def is_called(visitor: Visitor, name: str) -> bool:
    """Tell whether what has the focus goes by a name."""
    words: str = await visitor.page.evaluate(
        "() => { const e = document.activeElement; return e.getAttribute('aria-label')"
        " ?? e.labels?.[0]?.textContent ?? e.textContent; }"
    )
    return words.strip() == name


async def test_main_journey_by_keyboard_alone(visit: Visit) -> None:
    """Without a mouse one logs in, posts, likes, comments, deletes and logs out."""
    ada = await visit()
    await ada.page.keyboard.type("user-0001")
    await press(ada, "Tab")
    await ada.page.keyboard.type("sanctum-demo-password")
    await press(ada, "Enter")
    await expect(ada.heading("Feed")).to_be_focused()
    await tab_to(ada, "What is new?")
    await ada.page.keyboard.type("Written without a mouse")
    await tab_to(ada, "Post")
    await press(ada, "Enter")
    post = ada.post("Written without a mouse")
    await expect(post).to_be_visible()
    await tab_to(ada, "Like")
    await press(ada, "Space")
    await expect(post.get_by_role("button", name="Like 1", pressed=True)).to_be_focused()
    await tab_to(ada, "Comments")
    await press(ada, "Enter")
    await tab_to(ada, "Your comment")
    await ada.page.keyboard.type("Nor was this")
    await press(ada, "Enter")
    await expect(post.get_by_text("Nor was this")).to_be_visible()
    await delete_by_keyboard(ada)
    await expect(post).to_have_count(0)
    await ada.page.locator(".skip").focus()
    await tab_to(ada, "Log out")
    await press(ada, "Enter")
    await expect(ada.heading("Welcome back")).to_be_visible()


async def delete_by_keyboard(ada: Visitor) -> None:
    """Delete the first post: the dialog keeps the focus, and gives it back when it is closed."""
    await ada.heading("Feed").focus()
    await tab_to(ada, "Delete")
    await press(ada, "Enter")
    dialog = ada.page.get_by_role("dialog", name="Delete this post?")
    await expect(dialog).to_be_visible()
    for _ in range(4):
        await press(ada, "Tab")
        outside = await ada.page.evaluate(
            "document.activeElement.closest('article, header') !== null"
        )
        assert not outside, "the focus left the dialog"
    await press(ada, "Escape")
    await expect(dialog).to_have_count(0)
    assert await is_called(ada, "Delete")
    await press(ada, "Enter")
    await tab_to(ada, "Delete")
    await press(ada, "Enter")


async def test_game_is_played_with_the_arrows(visit: Visit) -> None:
    """On the board the arrows move the focus, Enter marks, and what happens is said aloud."""
    ada, bob = await visit(1), await visit(2)
    await ada.open("Games")
    await ada.page.get_by_label("Name of a new game").fill("Quiet")
    await press(ada, "Enter")
    await ada.expect_status("Waiting for somebody to join.")
    await bob.open("Games")
    await bob.button("Join Quiet").click()
    await ada.expect_status("Your turn.")
    await ada.page.get_by_role("button", name="Row 1, column 1: free").focus()
    await press(ada, "ArrowRight", "ArrowDown", "Enter")
    await ada.expect_status("user-0002 is to move.")
    await expect(ada.page.get_by_role("button", name="Row 2, column 2: cross")).to_be_focused()
    await bob.expect_status("Your turn.")
    await expect(bob.page.get_by_role("status").filter(has_text="Your turn.")).to_have_count(1)


async def test_arrivals_are_said_aloud(visit: Visit) -> None:
    """A message and a notification are told in a live region wherever one is, and own ones not."""
    ada, bob = await visit(1), await visit(2)
    told = ada.page.get_by_role("status")
    await ada.write("Is anybody up?")
    await bob.button("Refresh").click()
    await bob.post("Is anybody up?").get_by_role("button", name="Like").click()
    await expect(told.filter(has_text="New notification.")).to_have_count(1)
    await bob.start_conversation("user-0001")
    await bob.send("I am")
    await expect(told.filter(has_text="New message from user-0002.")).to_have_count(1)
    await expect(bob.page.get_by_role("status").filter(has_text="New message")).to_have_count(0)
    await ada.open("Messages")
    await ada.page.get_by_role("link", name="user-0002").click()
    await expect(ada.said("I am")).to_be_visible()
    await bob.send("And you?")
    await expect(told.filter(has_text="user-0002: And you?")).to_have_count(1)


@pytest.mark.parametrize("width", [PHONE, 1100])
async def test_nothing_jumps_while_a_part_loads(visit: Visit, width: int) -> None:
    """What is on the screen stays where it is while the rest of a part arrives."""
    ada = await visit(1, width=width)
    await ada.start_conversation("user-0002")
    for line in range(20):
        await ada.send(f"line {line}")
    await expect(ada.said("line 19")).to_be_visible()
    places = {"feed": "Post 50 of the seed", "messages/1": "line 19", "games": "Nobody is waiting."}
    for place, text in places.items():
        await ada.page.goto("about:blank")
        await ada.page.goto(f"{ada.url}/#/{place}")
        await expect(ada.page.get_by_text(text)).to_be_visible()
        assert await ada.page.evaluate(SHIFTED) < SHIFTED_MAX, place
    await ada.page.evaluate("document.querySelector('main').style.marginTop = '20rem'")
    assert await ada.page.evaluate(SHIFTED) > SHIFTED_MAX, "a jump is seen where there is one"
