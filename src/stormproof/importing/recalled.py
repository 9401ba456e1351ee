"""What a recorded value is written as: read from an earlier answer, a secret, or as it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from stormproof.importing.draft import Code, Value
from stormproof.importing.naming import constant, is_secret, refers, unused
from stormproof.importing.origins import Origins

JSON_DEPTH_MAX = 20
TICKET_CHARACTERS_MIN = 16


@dataclass(slots=True)
class Recalled:
    """Knows what the answers of one recording held, and which secrets it sent."""

    origins: Origins = field(default_factory=Origins)
    secrets: dict[str, str] = field(default_factory=dict)  # value -> name

    def secret(self, name: str, value: str) -> Code:
        """Return the expression of a secret: from an earlier answer, or declared."""
        origin = self.origins.of(value)
        if origin is not None:
            return origin
        if value not in self.secrets:
            self.secrets[value] = unused(constant(name), set(self.secrets.values()))
        return Code(f"{self.secrets[value]}.value")

    def id(self, value: str) -> Value:
        """Return what fills a hole of a path."""
        if is_secret("", value):
            return self.secret("PATH_TOKEN", value)
        return self.origins.of(value) or (int(value) if _is_plain_number(value) else value)

    def text(self, name: str, value: str) -> Value:
        """Return the value of a field."""
        if value and (is_secret(name, value) or _is_ticket(name, value)):
            return self.secret(name, value)
        return (self.origins.of(value) if refers(name) else None) or value

    def fields(self, pairs: Iterable[tuple[str, str]]) -> dict[str, Value]:
        """Return the fields of a query or a form."""
        return {name: self.text(name, value) for name, value in pairs}

    def json(self, value: object, name: str = "", depth: int = JSON_DEPTH_MAX) -> Value:
        """Return what JSON holds; `name` is that of the field that holds it."""
        if depth == 0:
            return None
        if isinstance(value, dict):
            return {str(key): self.json(each, key, depth - 1) for key, each in value.items()}
        if isinstance(value, list):
            return [self.json(each, name, depth - 1) for each in value]
        if isinstance(value, str):
            return self.text(name, value)
        if isinstance(value, int) and not isinstance(value, bool):
            return (self.origins.of(str(value)) if refers(name) else None) or value
        return value if isinstance(value, bool | int | float) or value is None else str(value)


def _is_ticket(name: str, value: str) -> bool:
    """Say whether a value lets its bearer in once; a short one is a number of something."""
    return name.lower().endswith("ticket") and len(value) >= TICKET_CHARACTERS_MIN


def _is_plain_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and text == str(int(text[:18]))
