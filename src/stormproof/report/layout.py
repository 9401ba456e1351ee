"""Lay text out for a terminal: widths in cells, wrapping, colour."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stormproof.model.objective import Status
from stormproof.report.printable import ascii_only, breakable, printable

WIDTH_MIN = 40
ROOM_MIN = 12  # columns that a text needs beside its lead
_ANSI = {"bold": "1", "dim": "2", "pass": "32", "fail": "31", "inconclusive": "33"}
_UNICODE_MARKS = {Status.PASS: "✓", Status.FAIL: "✗", Status.INCONCLUSIVE: "?"}
_ASCII_MARKS = {Status.PASS: "+", Status.FAIL: "x", Status.INCONCLUSIVE: "?"}


def cells(text: str) -> int:
    """Return how many columns `text` takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_cells_of(character) for character in text)


def _cells_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrapped(text: str, width: int, first: int | None = None) -> list[str]:
    """Break `text` into lines of at most `width` columns (`first`: of the first line).

    Breaks at spaces; a word longer than a line also after punctuation, at worst anywhere.
    """
    lines = [""]
    room = width if first is None else first
    for word in text.split():
        for position, piece in enumerate(_pieces(word, min(room, width))):
            gap = " " if position == 0 and lines[-1] else ""
            if cells(lines[-1] + gap + piece) <= room:
                lines[-1] += gap + piece
            else:
                lines.append(piece)
                room = width
    return lines


def _pieces(word: str, width: int) -> Iterator[str]:
    """Yield a word whole when it fits a line, else in the parts at which it may break."""
    if cells(word) <= width:
        yield word
        return
    for piece in breakable(word):
        rest = piece
        while cells(rest) > width:
            cut = _fitting(rest, width)
            yield rest[:cut]
            rest = rest[cut:]
        yield rest


def _fitting(text: str, width: int) -> int:
    """Return how many characters of `text` fit into `width` columns, at least one."""
    taken = 0
    for count, character in enumerate(text):
        taken += _cells_of(character)
        if taken > width:
            return max(1, count)
    return len(text)


@dataclass(slots=True, kw_only=True)
class Sheet:
    """Collect the lines of a text, each within `width` columns.

    `unicode` allows signs beyond ASCII; `colour` adds ANSI colours, never meaning.
    """

    width: int
    colour: bool
    unicode: bool
    lines: list[str] = field(default_factory=list)

    def mark(self, status: Status) -> str:
        """Return the sign of a status."""
        return (_UNICODE_MARKS if self.unicode else _ASCII_MARKS)[status]

    def paint(self, text: str, *styles: str) -> str:
        """Return `text` in `styles` where colour is allowed."""
        if not self.colour or not text or not styles:
            return text
        return f"\x1b[{';'.join(_ANSI[style] for style in styles)}m{text}\x1b[0m"

    def clean(self, text: str) -> str:
        """Return `text` as this sheet may show it."""
        return printable(text) if self.unicode else ascii_only(printable(text))

    def blank(self) -> None:
        """Leave a line free, never two."""
        if self.lines and self.lines[-1]:
            self.lines.append("")

    def heading(self, text: str) -> None:
        """Begin a section."""
        self.blank()
        self.lines.append(self.paint(self.clean(text).upper(), "bold"))

    def write(
        self,
        text: str,
        *,
        lead: str = "",
        indent: int = 2,
        hang: int | None = None,
        styles: Sequence[str] = (),
    ) -> None:
        """Write wrapped text behind `lead`.

        Args:
            text: what to say, of any length.
            lead: begins the first line, painted in `styles` when given; a long one stands above.
            indent: columns before the lead.
            hang: columns before later lines; below the text's beginning when not given.
            styles: names of styles; they paint the lead, or the text where there is no lead.
        """
        lead = self.clean(lead)
        start = indent + (cells(lead) + 1 if lead else 0)
        if hang is None:
            hang = start if start <= self.width // 3 else indent + 2
        if lead and self.width - start < ROOM_MIN:
            for line in wrapped(lead, self.width - indent):
                self.lines.append(" " * indent + self.paint(line, *styles))
            if text:
                self.write(text, indent=indent + 2)
            return
        first = max(8, self.width - start)
        for number, line in enumerate(wrapped(self.clean(text), max(8, self.width - hang), first)):
            if number == 0 and lead:
                head = " " * indent + self.paint(lead, *styles)
                self.lines.append(f"{head} {line}".rstrip())
            else:
                margin = " " * (hang if number else indent)
                self.lines.append((margin + (line if lead else self.paint(line, *styles))).rstrip())

    def verbatim(self, text: str, indent: int = 2) -> None:
        """Write a line that must stay whole, such as a path or a command, however long."""
        self.lines.append(" " * indent + self.clean(text))

    def text(self) -> str:
        """Return all lines, each ended by a newline."""
        return "\n".join(self.lines) + "\n"
