"""Names for what has none: variables, holes of templates, secrets; and what looks like an id."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection

_ID = re.compile(
    r"[0-9]+"
    r"|[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # UUID
    r"|[0-9a-fA-F]{16,}"
    r"|(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[0-9A-Za-z_-]{20,}"  # ULID, Firebase and their like
)
_SECRET = re.compile(
    r"pass(word|wd|phrase)?$|secret|token|credential|api[_-]?key|authorization|cookie|session"
    r"|signature|csrf|xsrf|^pin$|^otp$|^auth$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"(?:pass(?:word|wd)?|secret|token|ticket|api[_-]?key)[\"']?\s*[:=]|eyJ[\w-]{8,}\.",
    re.IGNORECASE,
)
_REFERS = re.compile(r"(^|_|-)ids?$|Ids?$|token|ticket|cursor|slug|uuid|code$|key$|hash|nonce")
_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?")
RESERVED = {"user", "check", "journey", "secret", "query", "headers", "auth", "json", "form"}
NAME_CHARACTERS_MAX = 40


def is_id(segment: str) -> bool:
    """Say whether a segment of a path is a value rather than a word."""
    return _ID.fullmatch(segment) is not None or _JWT.fullmatch(segment) is not None


def refers(name: str) -> bool:
    """Say whether a field of this name holds what identifies something, such as `order_id`."""
    return _REFERS.search(name) is not None


def holds_secret(text: str) -> bool:
    """Say whether a text of any form seems to hold a secret."""
    return _SECRET_TEXT.search(text) is not None


def is_secret(name: str, value: object = "") -> bool:
    """Say whether a name, or the look of its value, gives away a secret."""
    return _SECRET.search(name) is not None or (
        isinstance(value, str) and _JWT.fullmatch(value.removeprefix("Bearer ")) is not None
    )


def words_of(text: str) -> list[str]:
    """Split text into lower-case words, camelCase and everything that is no letter or digit."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.findall(r"[a-z0-9]+", spaced.lower())


def identifier(text: str, fallback: str) -> str:
    """Return a Python name made of a text's words."""
    name = "_".join(words_of(text))[:NAME_CHARACTERS_MAX].strip("_") or fallback
    if name[0].isdigit():
        name = f"{fallback}_{name}"
    return f"{name}_" if keyword.iskeyword(name) or name in RESERVED else name


def constant(text: str, fallback: str = "SECRET") -> str:
    """Return the name of a secret, in capitals."""
    name = "_".join(words_of(text)).upper()[:NAME_CHARACTERS_MAX].strip("_") or fallback
    return f"{fallback}_{name}" if name[0].isdigit() else name


def unused(name: str, taken: Collection[str]) -> str:
    """Return a name, with a number behind it where it is taken."""
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def singular(word: str) -> str:
    """Return the singular of a plural noun, as far as that can be told from its end."""
    for ending, instead in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch")):
        if word.endswith(ending) and len(word) > len(ending) + 1:
            return word[: -len(ending)] + instead
    is_plural = word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if is_plural and len(word) > 2 else word


def template_of(path: str) -> tuple[str, dict[str, str]]:
    """Replace ids in a path by holes: `/posts/42/likes` is `/posts/{post_id}/likes`.

    Returns:
        The template, and the value of each hole.
    """
    pieces: list[str] = []
    values: dict[str, str] = {}
    before = ""
    for segment in path.replace("{", "%7B").replace("}", "%7D").split("/"):
        if segment and is_id(segment):
            name = unused(identifier(f"{singular(before)} id", "item"), values)
            values[name] = segment
            pieces.append(f"{{{name}}}")
        else:
            pieces.append(segment)
            before = segment or before
    return "/".join(pieces), values
