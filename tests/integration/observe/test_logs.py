"""The source "log" on real files: growing, cut, turned over, garbled, and without an end."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.observe.watched import read_value, tell, value_of

from stormproof.kernel.errors import SourceSilent
from stormproof.kernel.limits import (
    LOG_ERROR_KINDS_MAX,
    LOG_EXAMPLE_CHARACTERS_MAX,
    LOG_READ_BYTES_MAX,
)
from stormproof.observe.logs import LogSource
from stormproof.observe.parts import PartsInSight

TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n'
CHAIN = "\nDuring handling of the above exception, another exception occurred:\n\n"

HIDDEN = "swordfish"  # what a part was given as a secret


class Watched:
    """The log of one part, and the source that reads it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "api.log"
        self.log.touch()
        self.kinds: list[tuple[str, str, str]] = []
        parts = PartsInSight({"api": self.log})
        tell(parts, "api", "started", os.getpid())
        self.source = LogSource(parts, lambda *kind: self.kinds.append(kind), [HIDDEN])

    def write(self, text: str | bytes) -> None:
        """Append, as a part does."""
        with self.log.open("ab") as stream:
            stream.write(text.encode() if isinstance(text, str) else text)

    async def lines(self, level: str) -> float:
        return await read_value(self.source, "lines_total", level=level)

    async def errors(self) -> dict[str, float]:
        given = await self.source.read()
        found = {one.tags["kind"]: one.value for one in given if one.name == "errors_total"}
        return {kind: value for kind, value in found.items() if value or kind != "other"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Watched]:
    watched = Watched(tmp_path)
    await watched.source.read()
    yield watched
    await watched.source.close()


async def test_what_was_logged_at_the_start_is_counted_and_not_told(api: Watched) -> None:
    """An error of the time before the first reading is no news; the next of its kind is."""
    watched = Watched(api.log.parent)
    watched.write("ERROR: starting up\n")
    assert await watched.errors() == {"starting up": 1}
    assert watched.kinds == []
    watched.write("ERROR: starting up\n")
    assert await watched.errors() == {"starting up": 2}
    assert watched.kinds == [("api", "starting up", "starting up")]
    await watched.source.close()


async def test_lines_are_counted_by_level(api: Watched) -> None:
    """JSON and plain lines count by their level, each once however often the log is read."""
    api.write('{"level": "error", "message": "a"}\nWARNING: b\nhello\n\n')
    for _ in range(2):
        given = await api.source.read()
        counts = {one.tags["level"]: one.value for one in given if one.name == "lines_total"}
        assert counts == {
            "debug": 0, "info": 0, "warning": 1, "error": 1, "critical": 0, "other": 1,
        }  # fmt: skip
    api.write("ERROR: c\n")
    assert await api.lines("error") == 2


async def test_a_quiet_log_is_a_true_zero(api: Watched) -> None:
    """A part that has written nothing has figures of zero."""
    given = await api.source.read()
    assert value_of(given, "errors_total", part="api", kind="other") == 0
    assert value_of(given, "lines_total", part="api", level="error") == 0


async def test_a_line_counts_when_it_is_whole(api: Watched) -> None:
    """Half a line waits for its other half."""
    api.write('{"level": "err')
    assert await api.lines("error") == 0
    api.write('or", "message": "a"}\n')
    assert await api.lines("error") == 1
    assert await api.lines("other") == 0


async def test_errors_are_grouped_by_what_they_say(api: Watched) -> None:
    """Errors that differ in numbers alone are one kind, of which one example is told once."""
    api.write("ERROR: order 1 lost\nERROR: order 22 lost\nERROR: no disk\nINFO: order 3 lost\n")
    assert await api.errors() == {"order <n> lost": 2, "no disk": 1}
    api.write("ERROR: order 4 lost\n")
    assert await api.errors() == {"order <n> lost": 3, "no disk": 1}
    assert api.kinds == [
        ("api", "order <n> lost", "order 1 lost"),
        ("api", "no disk", "no disk"),
    ]


async def test_secrets_are_masked(api: Watched) -> None:
    """Neither kind nor example holds a password or a token."""
    api.write("ERROR: cannot reach postgresql://sanctum:hunter22@db/x with token=abcdef\n")
    kinds = await api.errors()
    assert "hunter" not in str(kinds) + str(api.kinds)
    assert "abcdef" not in str(kinds) + str(api.kinds)
    assert api.kinds[0][2] == "cannot reach postgresql://sanctum:***@db/x with token=***"


async def test_a_secret_that_a_part_was_given_is_hidden_wherever_it_stands(api: Watched) -> None:
    """A value that only its being known gives away is in no kind and in no example."""
    api.write(f"ERROR: the word is {HIDDEN}, in plain\n")
    kinds = await api.errors()
    assert HIDDEN not in str(kinds) + str(api.kinds)
    assert api.kinds[0][2] == "the word is ***, in plain"


async def test_kinds_are_bounded(api: Watched) -> None:
    """Errors of more kinds than the limit count as `other`; those of known kinds as before."""
    words = [f"{chr(97 + n // 26)}{chr(97 + n % 26)}" for n in range(LOG_ERROR_KINDS_MAX + 5)]
    api.write("".join(f"ERROR: {word}\n" for word in words))
    api.write(f"ERROR: {words[0]}\n")
    kinds = await api.errors()
    assert len(kinds) == LOG_ERROR_KINDS_MAX + 1
    assert kinds["other"] == 5
    assert kinds[words[0]] == 2


async def test_an_example_is_bounded(api: Watched) -> None:
    """Of a long message the beginning is told."""
    api.write(f"ERROR: {'x y ' * 1_000}\n")
    await api.source.read()
    assert len(api.kinds[0][2]) == LOG_EXAMPLE_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"{TRACEBACK}ValueError: 7\n", {"ValueError: <n>": 1}),
        (f"{TRACEBACK}KeyError: 'a'\n{CHAIN}{TRACEBACK}ValueError: 7\n", {"KeyError: 'a'": 1}),
        (f"{TRACEBACK}KeyError: 1\n{TRACEBACK}KeyError: 2\n", {"KeyError: <n>": 2}),
        (f"ERROR: it broke\n{TRACEBACK}ValueError: 7\n", {"it broke": 1}),
        (f"ERROR: it broke\nINFO: well\n{TRACEBACK}OSError\n", {"it broke": 1, "OSError": 1}),
        (f'{TRACEBACK}{{"level": "info"}}\n', {"a traceback without its end": 1}),
        (f"  + Exception Group {TRACEBACK}  | ExceptionGroup: x\n", {"a group of exceptions": 1}),
    ],
)
async def test_a_traceback_is_one_error(api: Watched, text: str, kinds: dict[str, int]) -> None:
    """A traceback is an error of its last line; one that belongs to an error is not another."""
    api.write(text)
    assert await api.errors() == kinds


async def test_a_log_that_is_copied_and_cut_loses_nothing(api: Watched) -> None:
    """What was written between our last look and the cut is read from the copy."""
    api.write("ERROR: one\n")
    assert await api.lines("error") == 1
    api.write("ERROR: two\n")
    shutil.copyfile(api.log, api.log.with_name("api.log.1"))
    os.truncate(api.log, 0)
    api.write("ERROR: three\n")
    assert await api.lines("error") == 3


async def test_a_log_that_is_cut_is_a_gap(api: Watched) -> None:
    """A cut without a copy may have taken lines with it: one reading is silent, then it goes on,
    and from then on the loss is counted."""
    api.write("ERROR: one\n" * 3)
    assert await api.lines("error") == 3
    assert await read_value(api.source, "lines_lost_total", part="api") == 0
    os.truncate(api.log, 0)
    api.write("ERROR: two\n")
    with pytest.raises(SourceSilent, match=r"api: api\.log was cut between two readings"):
        await api.source.read()
    assert await api.lines("error") == 4
    assert await read_value(api.source, "lines_lost_total", part="api") == 1


async def test_a_copy_of_something_else_is_not_taken(api: Watched) -> None:
    """An older copy does not stand for the lines that a cut has taken."""
    api.log.with_name("api.log.1").write_text("ERROR: of an earlier day\n" * 9)
    api.write("ERROR: one\n" * 3)
    await api.source.read()
    os.truncate(api.log, 0)
    with pytest.raises(SourceSilent, match="was cut"):
        await api.source.read()
    assert await api.lines("error") == 3


async def test_a_cut_is_seen_when_the_log_has_outgrown_it(api: Watched) -> None:
    """A log that was cut and is longer than before already is not taken for the old one."""
    api.write("ERROR: one\n")
    await api.source.read()
    os.truncate(api.log, 0)
    api.write("ERROR: two, which is longer\nERROR: three\n")
    with pytest.raises(SourceSilent, match="was cut"):
        await api.source.read()
    assert await api.lines("error") == 3


async def test_a_log_that_is_renamed_is_read_to_its_end(api: Watched) -> None:
    """Lines of the old file, the last without its end, and of the new one all count."""
    api.write("ERROR: one\n")
    await api.source.read()
    api.write("ERROR: two\nERROR: three")
    api.log.rename(api.log.with_name("api.log.2"))
    assert await api.lines("error") == 2  # nothing new by that name yet
    api.write("ERROR: four\n")
    assert await api.lines("error") == 4


async def test_a_hole_of_zeros_is_no_part_of_a_line(api: Watched) -> None:
    """A writer that goes on at its old place behind a cut leaves zeros, which are skipped."""
    api.write("x\n" * 20)
    await api.source.read()
    with api.log.open("r+b") as stream:
        stream.seek(1_000)
        os.truncate(api.log, 0)
        stream.write(b"ERROR: behind the hole\n")
    with pytest.raises(SourceSilent, match="was cut"):
        await api.source.read()
    assert await api.errors() == {"behind the hole": 1}


async def test_garbage_is_counted_and_no_more(api: Watched) -> None:
    """Bytes that are no text are lines like any other, and those behind them are read."""
    api.write(bytes(range(256)) * 1_000 + b"\nERROR: after it\n")
    assert await api.errors() == {"after it": 1}


async def test_a_line_of_100_megabytes_is_read_in_steps(api: Watched) -> None:
    """A reading takes its bound and says that it is behind; when the end is reached the line has
    counted once, and what follows it is read."""
    size = 100 << 20
    with api.log.open("ab") as stream:
        stream.write(b"ERROR: ")
        for _ in range(size >> 20):
            stream.write(b"x" * (1 << 20))
        stream.write(b"\nERROR: after it\n")
    readings = 0
    for _ in range(size // LOG_READ_BYTES_MAX):
        with pytest.raises(SourceSilent, match="grows faster than it is read"):
            await api.source.read()
        readings += 1
    assert await api.lines("error") == 2
    assert readings == size // LOG_READ_BYTES_MAX
    assert all(len(example) <= LOG_EXAMPLE_CHARACTERS_MAX for _, _, example in api.kinds)


async def test_many_lines_are_read_in_steps(api: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading takes no more lines than its bound, and nothing is lost over the steps."""
    monkeypatch.setattr("stormproof.observe.log_tail.LOG_READ_LINES_MAX", 1_000)
    api.write("ERROR: x\n" * 20_000)
    behind = 0
    while True:
        try:
            assert await api.lines("error") == 20_000
        except SourceSilent:
            behind += 1
        else:
            break
    assert behind


async def test_a_log_that_is_missing_is_a_gap(api: Watched) -> None:
    """A part that runs without a log has no zeros."""
    fresh = Watched(api.log.parent)
    fresh.log.unlink()
    with pytest.raises(SourceSilent, match=r"api\.log is not there"):
        await fresh.source.read()


async def test_a_pipe_in_the_place_of_a_log_holds_nobody_up(api: Watched) -> None:
    """What is no regular file is told as such, at once."""
    api.log.unlink()
    os.mkfifo(api.log)
    with pytest.raises(SourceSilent, match="is no regular file"):
        await api.source.read()


async def test_before_any_part_there_are_no_figures(tmp_path: Path) -> None:
    """A stack of which nothing was started says so."""
    source = LogSource(PartsInSight({"api": tmp_path / "api.log"}))
    with pytest.raises(SourceSilent, match="no part was started"):
        await source.read()
