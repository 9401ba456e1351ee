"""What one line of a log says: its level, its message, and the kind of error it is.

A line is JSON with a level (`level`, `levelname`, `severity`; words, or pino's and bunyan's
numbers), or plain text: with a level in capitals, logfmt's `level=`, PostgreSQL's `ERROR:`, or
Valkey's and Redis's mark. Everything else is of the level `other`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from stormproof.kernel.canonical import UNREADABLE
from stormproof.kernel.limits import LOG_KIND_CHARACTERS_MAX


class Level(StrEnum):
    """How serious a line is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    CRITICAL = "critical"
    OTHER = "other"


FAILING = frozenset({Level.ERROR, Level.CRITICAL})

_WORDS = {
    "trace": Level.DEBUG, "debug": Level.DEBUG, "verbose": Level.DEBUG,
    "info": Level.INFO, "information": Level.INFO, "notice": Level.INFO, "log": Level.INFO,
    "warn": Level.WARNING, "warning": Level.WARNING,
    "err": Level.ERROR, "error": Level.ERROR, "severe": Level.ERROR,
    "critical": Level.CRITICAL, "fatal": Level.CRITICAL, "panic": Level.CRITICAL,
    "alert": Level.CRITICAL, "emerg": Level.CRITICAL, "emergency": Level.CRITICAL,
}  # fmt: skip
_NUMBERS = {
    10: Level.DEBUG,
    20: Level.DEBUG,
    30: Level.INFO,
    40: Level.WARNING,
    50: Level.ERROR,
    60: Level.CRITICAL,
}
_VALKEY_MARKS = {".": Level.DEBUG, "-": Level.DEBUG, "*": Level.INFO, "#": Level.WARNING}
_LEVEL_WITHIN_CHARACTERS = 200  # a word further behind belongs to the message
_TEXT_BYTES_MAX = 4_096  # of a plain line; patterns may take their time on more

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LOGFMT = re.compile(r'\b(?:level|lvl|severity)="?(\w+)"?')
_LOGFMT_MESSAGE = re.compile(r'\b(?:msg|message)=(?:"((?:[^"\\]|\\.)*+)"|(\S++))')
_VALKEY = re.compile(r"^\d+:[XCSM] .{8,40}? ([.\-*#]) (.*)$")
_CAPITALS = re.compile(
    r"(?<![\w/.-])(TRACE|DEBUG|INFO|NOTICE|LOG(?=:)|WARN|WARNING|ERROR|SEVERE|CRITICAL|FATAL|PANIC)"
    r"(?![\w/.-])[\])>|:]*\s*"
)

_UUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)
_HEXADECIMAL = re.compile(r"\b(?:0x[0-9a-f]+|(?=[a-f]*\d)[0-9a-f]{8,})\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:[.:,]\d+)*")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line, read."""

    level: Level
    message: str


class _Json(msgspec.Struct, frozen=True):
    level: object = None
    levelname: object = None
    severity: object = None
    message: object = None
    msg: object = None
    event: object = None
    error: object = None
    exception: object = None


_JSON = msgspec.json.Decoder(_Json)


def read_line(raw: bytes) -> Line:
    """Read one line, whatever is in it."""
    if raw.lstrip()[:1] == b"{":
        try:
            return _from_json(_JSON.decode(raw), raw)
        except UNREADABLE:
            pass  # text that only begins like JSON, or was cut off
    text = raw[:_TEXT_BYTES_MAX].decode("utf-8", errors="replace")
    return _from_text(_COLOURS.sub("", text))


def fold(message: str) -> str:
    """Return the kind of a message: what differs from one occurrence to the next is folded."""
    text = _UUID.sub("<uuid>", message[: 4 * LOG_KIND_CHARACTERS_MAX])
    text = _NUMBER.sub("<n>", _HEXADECIMAL.sub("<hex>", text))
    return _BLANK.sub(" ", text).strip()[:LOG_KIND_CHARACTERS_MAX] or "(no message)"


def _from_json(line: _Json, raw: bytes) -> Line:
    level = next((one for one in (line.level, line.levelname, line.severity) if one), None)
    texts = (line.message, line.msg, line.event, line.error)
    message = next((text for text in texts if isinstance(text, str) and text), None)
    if message is None:
        message = raw.decode("utf-8", errors="replace")
    if message.startswith("Traceback (most recent call last):"):
        message = message.strip().splitlines()[-1]
    if isinstance(line.exception, str) and line.exception.strip():
        message = f"{message}: {line.exception.strip().splitlines()[-1]}"
    return Line(level=_level(level), message=message)


def _level(value: object) -> Level:
    match value:
        case str():
            return _WORDS.get(value.lower(), Level.OTHER)
        case int():
            return _NUMBERS.get(value, Level.OTHER)
        case _:
            return Level.OTHER


def _from_text(text: str) -> Line:
    beginning = text[:_LEVEL_WITHIN_CHARACTERS]
    if valkey := _VALKEY.match(text):
        return Line(level=_VALKEY_MARKS[valkey[1]], message=valkey[2])
    if logfmt := _LOGFMT.search(beginning):
        said = _LOGFMT_MESSAGE.search(text)
        return Line(level=_level(logfmt[1]), message=(said[1] or said[2] or "") if said else text)
    if capitals := _CAPITALS.search(beginning):
        return Line(level=_level(capitals[1]), message=text[capitals.end() :])
    return Line(level=Level.OTHER, message=text)
