"""Follow a log file by its name, over the ways in which files of logs are turned over.

- Renamed, and a new one made: the old one is read to its end, then the new one from its beginning.
- Copied to `NAME.1` and cut to nothing: what was written after our last look is read from the copy.
- Cut to nothing: what was written after our last look is lost, and `lost` says so.

Whether a file is still the one that we have read is known by its inode and by the last bytes that
we took of it, so that one which was cut and has outgrown its old length is not mistaken either.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from stormproof.kernel.limits import LOG_LINE_BYTES_MAX, LOG_READ_BYTES_MAX, LOG_READ_LINES_MAX

_PIECE_BYTES = 64 << 10
_ANCHOR_BYTES = 64
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe by that name holds nobody up


class Lines:
    """Cut bytes into lines, however they arrive; of a line only its beginning is kept."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes; return the lines that they complete."""
        first, *others = piece.split(b"\n")
        self._partial += first[: LOG_LINE_BYTES_MAX - len(self._partial)]
        if not others:
            return []
        *whole, last = others
        lines = [self._partial, *(line[:LOG_LINE_BYTES_MAX] for line in whole)]
        self._partial = last[:LOG_LINE_BYTES_MAX]
        return lines

    def end(self) -> list[bytes]:
        """Return the line that nothing completes any more."""
        line, self._partial = self._partial, b""
        return [line] if line else []


class LogTail:
    """Read what a log has gained since the last reading.

    `lost` says why lines could not be read, for the last reading; `cuts` how often lines were lost
    for good; `is_behind` whether the log holds more than one reading takes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: _File | None = None
        self._lines = Lines()
        self.lost = ""
        self.cuts = 0
        self.is_behind = False

    def read(self) -> Iterator[bytes]:
        """Yield the new lines that are complete, without their ends; blank ones are left out.

        One reading is bounded in bytes and lines; the next one goes on where it ended.

        Raises:
            OSError: the file may not be read.
        """
        self.lost, self.is_behind = "", False
        budget = _Budget()
        while self._has_file():
            assert self._file is not None
            if not self._file.is_continued():
                yield from budget.count(self._turned_over(self._file))
            yield from budget.count(self._new_lines(self._file, budget))
            if self.is_behind or not self._file.is_replaced(self._path):
                return
            yield from self._lines.end()
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _has_file(self) -> bool:
        if self._file is None:
            try:
                self._file = _File(self._path)
            except FileNotFoundError:
                self.lost = f"{self._path.name} is not there"
                return False
        return True

    def _new_lines(self, file: _File, budget: _Budget) -> Iterator[bytes]:
        while piece := file.next_piece():
            yield from self._lines.feed(piece)
            if budget.is_spent(len(piece)):
                self.is_behind = file.has_more()
                return

    def _turned_over(self, file: _File) -> Iterator[bytes]:
        """Yield what the copy of a file that was cut still has for us; begin it anew."""
        copy = self._path.with_name(f"{self._path.name}.1")
        rest = file.rest_in(copy)
        if rest is None:
            self.lost = f"{self._path.name} was cut between two readings"
            self.cuts += 1
        for piece in rest or ():
            yield from self._lines.feed(piece)
        yield from self._lines.end()
        file.begin_anew()


class _Budget:
    """What one reading may take."""

    def __init__(self) -> None:
        self._bytes = 0
        self._lines = 0

    def count(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        """Count lines as they pass; blank ones do not."""
        for line in lines:
            text = line.strip(b"\0\r")  # a writer that goes on behind a cut leaves a hole of zeros
            self._lines += 1
            if text:
                yield text

    def is_spent(self, bytes_read: int) -> bool:
        self._bytes += bytes_read
        return self._bytes >= LOG_READ_BYTES_MAX or self._lines >= LOG_READ_LINES_MAX


class _File:
    """One open file, and how far it was read."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, _FLAGS)
        about = os.fstat(self._handle)
        if not stat.S_ISREG(about.st_mode):
            os.close(self._handle)
            raise OSError(f"{path} is no regular file")
        self._identity = (about.st_dev, about.st_ino)
        self.begin_anew()

    def begin_anew(self) -> None:
        self._offset = 0
        self._anchor = b""

    def close(self) -> None:
        os.close(self._handle)

    def is_continued(self) -> bool:
        """Say whether it still holds what was read of it."""
        return _holds(self._handle, self._offset, self._anchor)

    def has_more(self) -> bool:
        return os.fstat(self._handle).st_size > self._offset

    def is_replaced(self, path: Path) -> bool:
        """Say whether the name means another file by now."""
        try:
            about = path.stat()
        except FileNotFoundError:
            return False  # between the renaming of the old and the making of the new one
        return (about.st_dev, about.st_ino) != self._identity

    def next_piece(self) -> bytes:
        piece = os.pread(self._handle, _PIECE_BYTES, self._offset)
        self._offset += len(piece)
        self._anchor = (self._anchor + piece)[-_ANCHOR_BYTES:]
        return piece

    def rest_in(self, copy: Path) -> list[bytes] | None:
        """Return what a copy holds behind the last bytes read; None when it is no copy of this,
        or holds more than one reading takes."""
        try:
            handle = os.open(copy, _FLAGS)
        except OSError:
            return None
        try:
            if not _holds(handle, self._offset, self._anchor):
                return None
            rest = os.pread(handle, LOG_READ_BYTES_MAX + 1, self._offset)
        finally:
            os.close(handle)
        return [rest] if len(rest) <= LOG_READ_BYTES_MAX else None


def _holds(handle: int, offset: int, anchor: bytes) -> bool:
    """Say whether a file has `anchor` right before `offset`."""
    return os.pread(handle, len(anchor), offset - len(anchor)) == anchor
