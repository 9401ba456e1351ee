"""A story as plain text: what is known, what happened in order, what to look at next."""

from __future__ import annotations

from collections.abc import Sequence

from stormproof.model.story import Moment, Story
from stormproof.report.layout import WIDTH_MIN, Sheet, cells


def render_stories(
    stories: Sequence[Story], *, clock: str, run_dir: str, width: int, unicode: bool = False
) -> str:
    """Render stories as text, each within `width` columns.

    Args:
        stories: what to tell, in order.
        clock: says what second 0 is.
        run_dir: where the record lies, as the reader would type it.
        width: columns of the terminal; below 40 it is taken as 40.
        unicode: use signs beyond ASCII.
    """
    sheet = Sheet(width=max(width, WIDTH_MIN), colour=False, unicode=unicode)
    for story in stories:
        _write_story(sheet, story)
    sheet.heading("Where to look")
    sheet.write(clock)
    for text in ("logs/ has what the parts wrote", "report.html has all of it on one timeline"):
        sheet.write(text, lead="-")
    sheet.verbatim(f"in {run_dir.rstrip('/') or run_dir}")
    return sheet.text()


def _write_story(sheet: Sheet, story: Story) -> None:
    sheet.blank()
    sheet.write(story.title, indent=0, hang=2)
    for fact in story.facts:
        sheet.write(fact, lead="-")
    if story.moments:
        sheet.blank()
        own = any(one.about == "message" for one in story.moments)
        legend = " (> the message itself)" if own else ""
        sheet.write(f"In order, in seconds since the load's start{legend}:", indent=2)
        _write_moments(sheet, story.moments)
    if story.left_out:
        sheet.write(f"and {story.left_out:,} more of what was around", indent=4)
    if story.advice:
        sheet.blank()
        sheet.write("Look at:", indent=2)
        for text in story.advice:
            sheet.write(text, lead="-", indent=4)


def _write_moments(sheet: Sheet, moments: Sequence[Moment]) -> None:
    """Write one line a moment; what is about the message itself carries a sign."""
    texts = [f"{one.at_s:.3f}" for one in moments]
    room = max(map(cells, texts))
    for one, text in zip(moments, texts, strict=True):
        sign = ">" if one.about == "message" else " "
        sheet.write(one.what, lead=f"{sign} {text:>{room}}", indent=2, hang=room + 5)
