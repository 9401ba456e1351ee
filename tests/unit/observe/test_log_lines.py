"""One line of a log: its level, its message, and the kind of error it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormproof.kernel.limits import LOG_KIND_CHARACTERS_MAX, LOG_LINE_BYTES_MAX
from stormproof.observe.log_lines import Level, fold, read_line
from stormproof.observe.log_tail import Lines


@pytest.mark.parametrize(
    ("raw", "level", "message"),
    [
        (b'{"level": "error", "message": "no room"}', Level.ERROR, "no room"),
        (b'  {"levelname": "WARNING", "msg": "slow"}', Level.WARNING, "slow"),
        (b'{"severity": "Fatal", "event": "gone"}', Level.CRITICAL, "gone"),
        (b'{"level": 50, "msg": "pino"}', Level.ERROR, "pino"),
        (b'{"level": 31, "msg": "pino"}', Level.OTHER, "pino"),
        (b'{"level": "error", "message": "a", "exception": "T:\\n  x\\nE: b"}', Level.ERROR,
         "a: E: b"),
        (b'{"level": "error", "message": "Traceback (most recent call last):\\n  x\\nE: b"}',
         Level.ERROR, "E: b"),
        (b'{"message": "no level"}', Level.OTHER, "no level"),
        (b'{"level": "error"}', Level.ERROR, '{"level": "error"}'),
        (b'{"level": "error", "message": "cut o', Level.OTHER, None),
        (b'{"level": ' + b"[" * 5_000, Level.OTHER, None),
        (b"[1, 2]", Level.OTHER, "[1, 2]"),
        (b"INFO:     127.0.0.1 - GET /", Level.INFO, "127.0.0.1 - GET /"),
        (b"2026-11-25 21:00:00,123 ERROR [app] it broke", Level.ERROR, "[app] it broke"),
        (b"2026-11-25 21:00:00 UTC [77] FATAL:  too many clients", Level.CRITICAL,
         "too many clients"),
        (b"2026-11-25 21:00:00 UTC [77] LOG:  checkpoint", Level.INFO, "checkpoint"),
        (b"[2026-11-25] [WARN] disk", Level.WARNING, "disk"),
        (b"\x1b[31mERROR\x1b[0m red", Level.ERROR, "red"),
        (b'time=1 level=warn msg="it is \\"slow\\""', Level.WARNING, 'it is \\"slow\\"'),
        (b"level=error msg=gone", Level.ERROR, "gone"),
        (b"12:M 25 Nov 2026 21:00:00.000 # Memory is short", Level.WARNING, "Memory is short"),
        (b"12:M 25 Nov 2026 21:00:00.000 * Ready", Level.INFO, "Ready"),
        (b"GET /ERROR HTTP/1.1", Level.OTHER, "GET /ERROR HTTP/1.1"),
        (b"an error in lower case is prose", Level.OTHER, "an error in lower case is prose"),
        (b"\xff\x00\xfe", Level.OTHER, "\ufffd\x00\ufffd"),
    ],
)  # fmt: skip
def test_a_line_is_read(raw: bytes, level: Level, message: str | None) -> None:
    """A line's level and message are found in JSON, in text, and in what servers write."""
    line = read_line(raw)
    assert line.level is level
    assert message is None or line.message == message


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("order 17 took 3.5 s", "order <n> took <n> s"),
        ("from 10.0.0.1:5432", "from <n>"),
        ("id 7f9c24e8-3b12-4a7f-9f5e-0d3c1b2a4e5f gone", "id <uuid> gone"),
        ("at 0xDEADBEEF and 9f86d081884c7d65", "at <hex> and <hex>"),
        ("the facade deadbeef", "the facade deadbeef"),
        ("two\n  lines\x00", "two lines"),
        ("", "(no message)"),
        ("x" * 500, "x" * LOG_KIND_CHARACTERS_MAX),
    ],
)
def test_what_differs_each_time_is_folded(message: str, kind: str) -> None:
    """Messages that differ in numbers, hexadecimals and UUIDs are of one kind, of bounded size."""
    assert fold(message) == kind


@given(st.lists(st.binary(max_size=40)), st.data())
def test_lines_do_not_depend_on_how_they_arrive(pieces: list[bytes], data: st.DataObject) -> None:
    """However bytes are cut into pieces, the lines are the same."""
    whole = b"".join(pieces)
    at = data.draw(st.integers(0, len(whole)))
    one, many = Lines(), Lines()
    expected = [*one.feed(whole), *one.end()]
    assert [*many.feed(whole[:at]), *many.feed(whole[at:]), *many.end()] == expected
    *lines, last = whole.split(b"\n")
    assert expected == lines + [last] * bool(last)


def test_of_an_endless_line_the_beginning_is_kept() -> None:
    """A line that is longer than the bound is one line, cut, and what follows it is whole."""
    lines = Lines()
    assert lines.feed(b"a" * LOG_LINE_BYTES_MAX) == []
    assert lines.feed(b"b" * LOG_LINE_BYTES_MAX) == []
    assert lines.feed(b"c\nnext\n") == [b"a" * LOG_LINE_BYTES_MAX, b"next"]
