"""Courses on the page: found, paid for, and the chat of their live sessions."""

from __future__ import annotations

from playwright.async_api import expect
from tests.browser.conftest import Visit
from tests.browser.test_access import PHONE, check
from tests.browser.visitor import Visitor
from tests.sanctum.shop import CARD, DECLINED, INSTRUCTOR, STUDENT


async def _offer(instructor: Visitor) -> None:
    """Offer a course with one seat, and schedule a live session of it."""
    await instructor.open("Courses")
    await instructor.button("Offer a course").click()
    dialog = instructor.page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Offer").click()
    await expect(dialog.get_by_text("Give the course a title.")).to_be_visible()
    for label, said in (("Title", "Sailing at night"), ("Price", "25.50"), ("Seats", "1")):
        await dialog.get_by_label(label).fill(said)
    await dialog.get_by_role("button", name="Offer").click()
    await expect(instructor.page.get_by_text("This is your course.")).to_be_visible()
    await instructor.button("Schedule one").click()
    await dialog.get_by_label("Title").fill("First night")
    await dialog.get_by_label("Begins").fill("2030-05-01T21:00")
    await dialog.get_by_role("button", name="Schedule").click()
    await expect(instructor.page.get_by_text("Not begun yet")).to_be_visible()


async def test_course_is_found_paid_and_attended(visit: Visit) -> None:
    """A student on a phone finds a course by its words, is told that one card is declined, pays
    with another, and talks in the live session that its instructor starts and ends."""
    instructor, student = await visit(INSTRUCTOR), await visit(STUDENT, width=PHONE)
    await _offer(instructor)
    await student.open("Courses")
    await student.page.get_by_label("Words").fill("flying")
    await student.button("Search").click()
    await expect(student.page.get_by_text("No course has all of these words.")).to_be_visible()
    await student.page.get_by_label("Words").fill("night sailing")
    await student.page.keyboard.press("Enter")
    await expect(student.page.get_by_text("25.50. 1 of 1 seats left.")).to_be_visible()
    await check(student, "courses")
    await student.page.get_by_role("link", name="Open Sailing at night").click()
    await expect(student.heading("Sailing at night")).to_be_visible()
    for card, told in ((DECLINED, "The card was declined."), (CARD, "You are enrolled.")):
        await student.page.get_by_label("Card number").fill(card)
        await check(student, "course")
        await student.button("Pay 25.50 and enrol").click()
        await expect(student.page.locator("main").get_by_text(told)).to_be_visible()
    await instructor.button("Start First night").click()
    await instructor.page.get_by_role("link", name="Join First night").click()
    await instructor.send("Good evening")
    await student.page.reload()
    await student.page.get_by_role("link", name="Join First night").press("Enter")
    await expect(student.said("Good evening")).to_have_count(1)
    await student.send("Which star is that?")
    await expect(instructor.said("Which star is that?")).to_have_count(1)
    await expect(student.page.get_by_text("Sending…")).to_have_count(0)
    await expect(student.said("Which star is that?")).to_have_count(1)
    await check(student, "lesson")
    await instructor.page.get_by_role("link", name="Back to the course").click()
    await instructor.button("End First night").click()
    await expect(student.page.get_by_text("The session is over")).to_be_visible()
