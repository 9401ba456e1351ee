"""A metric with its tags as text, `metric{tag:value,tag2:value2}`; `rules.grammar` has the grammar.

Stricter than k6: a repeated tag, an unclosed brace, a tag without a value are errors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
METRIC = re.compile(rf"{NAME.pattern}(?::[A-Za-z_:][A-Za-z0-9_:]*)?")  # a source before its figure


def parse_metric(text: str) -> tuple[str, dict[str, str]]:
    """Split `metric{tag:value,tag2:value2}` into its name and tags.

    Raises:
        ValueError: it is no metric; the message says what would be right.
    """
    text = text.strip()
    match = METRIC.match(text)
    if match is None:
        raise ValueError(f"{text!r} does not start with a metric's name, like http_req_duration")
    rest = text[match.end() :].strip()
    if not rest:
        return match.group(), {}
    if not rest.startswith("{") or not rest.endswith("}"):
        raise ValueError(f"{text!r}: tags are written as {match.group()}{{tag:value}}")
    tags: dict[str, str] = {}
    for piece in _split_tags(rest[1:-1], text):
        key, colon, value = piece.partition(":")
        key = key.strip()
        if not colon or not NAME.fullmatch(key):
            raise ValueError(f"{text!r}: {piece.strip()!r} is no tag, write it as tag:value")
        if key in tags:
            raise ValueError(f"{text!r}: the tag {key!r} is there twice, keep one")
        tags[key] = _read_value(value, text)
    return match.group(), tags


def format_metric(name: str, tags: Mapping[str, str]) -> str:
    """Write a metric and its tags so that `parse_metric` reads them back."""
    inside = ",".join(f"{key}:{_write_value(value)}" for key, value in tags.items())
    return f"{name}{{{inside}}}" if inside else name


def _split_tags(inside: str, text: str) -> list[str]:
    """Split at commas that are neither in quotes nor in braces."""
    pieces, depth, start, quoted, position = [], 0, 0, False, 0
    while position < len(inside):
        letter = inside[position]
        if quoted:
            if letter == "\\":
                position += 1
            quoted = letter != '"'
        elif letter == '"' and _opens_value(inside, start, position):
            quoted = True
        elif letter == "{":
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth < 0:
                raise ValueError(f"{text!r}: a brace closes that was never opened")
        elif letter == "," and depth == 0:
            pieces.append(inside[start:position])
            start = position + 1
        position += 1
    if depth or quoted:
        raise ValueError(f"{text!r}: a {'quote' if quoted else 'brace'} is never closed")
    return [*pieces, inside[start:]]


def _opens_value(inside: str, start: int, position: int) -> bool:
    key, colon, before = inside[start:position].partition(":")
    return bool(key.strip() and colon and not before.strip())


def _read_value(value: str, text: str) -> str:
    value = value.strip()
    if not value.startswith('"'):
        if not value:
            raise ValueError(f"{text!r}: a tag has no value, write it as tag:value")
        return value
    match = re.fullmatch(r'"((?:[^"\\]|\\["\\])*)"', value)
    if match is None:
        raise ValueError(f'{text!r}: {value} is no quoted value, write it as "value"')
    return re.sub(r"\\(.)", r"\1", match.group(1))


def _write_value(value: str) -> str:
    try:
        plain = _split_tags(f"k:{value}", value) == [f"k:{value}"]
    except ValueError:
        plain = False
    if plain and value and value == value.strip() and not value.startswith('"'):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
