"""Example values out of JSON schemas: given examples first, else something that fits the schema."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping

from stormproof.importing.draft import Code, Value
from stormproof.importing.naming import constant, is_secret, words_of
from stormproof.importing.reading import JsonObject, a_list, a_text, an_object
from stormproof.importing.references import followed

DEPTH_MAX = 6
FIELDS_MAX = 40
_FORMATS: Mapping[str, Value] = {
    "date": "2030-01-31",
    "date-time": "2030-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": Code("user.fake.email()"),
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "byte": "ZXhhbXBsZQ==",
}
_SENTENCE = Code("user.fake.sentence()")
_MADE_UP: Mapping[str, Code] = {
    "name": Code("user.fake.name()"),
    "username": Code("user.fake.username()"),
    "email": Code("user.fake.email()"),
    "phone": Code("user.fake.phone()"),
    "address": Code("user.fake.address()"),
    **dict.fromkeys(("text", "body", "title", "description", "message", "comment"), _SENTENCE),
}
_LONGEST = 80  # characters that made-up text may take


class Examples:
    """Make values for the schemas of one document.

    Args:
        document: where references lead.
        secret: called with a secret's name, returns the expression of its value.
    """

    def __init__(self, document: JsonObject, secret: Callable[[str], Code]) -> None:
        self._document = document
        self._secret = secret

    def resolve(self, value: object) -> JsonObject:
        """Return an object, with a local reference followed; empty where it leads nowhere."""
        return followed(self._document, value)

    def of(self, schema: object, name: str = "", depth: int = DEPTH_MAX) -> Value:
        """Return a value that fits a schema; `name` is that of the field that holds it."""
        found = self.merged(schema)
        is_text = found.get("type", "string") in ("string", ["string", "null"])
        if is_text and name and is_secret(name):
            return self._secret(constant(name))
        given = _given(found)
        if given is not None:
            return plain(given)
        kind = self._kind(found)
        if kind == "object":
            return self._object(found, depth)
        if kind == "array":
            return [self.of(found.get("items"), _one_of(name), depth - 1)] if depth > 1 else []
        if kind in ("integer", "number"):
            return _number(found, whole=kind == "integer")
        if kind == "boolean":
            return True
        return None if kind == "null" else _text(found, name)

    def merged(self, schema: object, depth: int = DEPTH_MAX) -> JsonObject:
        """Return a schema with its references followed and its parts (allOf, oneOf) put in."""
        found = self.resolve(schema)
        parts = [*a_list(found.get("allOf"))]
        for choice in ("oneOf", "anyOf"):
            parts += a_list(found.get(choice))[:1]
        if not parts or depth == 0:
            return found
        whole: dict[str, object] = {}
        for one in (*(self.merged(part, depth - 1) for part in parts), found):
            fields = {**an_object(whole.get("properties")), **an_object(one.get("properties"))}
            needed = [*a_list(whole.get("required")), *a_list(one.get("required"))]
            whole |= {**one, "properties": fields, "required": needed}
        return whole

    def _kind(self, schema: JsonObject) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = next((one for one in kind if one != "null"), "null")
        if isinstance(kind, str):
            return kind
        return "object" if an_object(schema.get("properties")) else "string"

    def _object(self, schema: JsonObject, depth: int) -> Value:
        """Fill in what is required, or everything where nothing is."""
        fields = an_object(schema.get("properties"))
        needed = [name for name in a_list(schema.get("required")) if name in fields]
        names = [str(name) for name in dict.fromkeys(needed or fields)]
        if depth <= 1:
            return {}
        return {
            name: self.of(fields[name], name, depth - 1)
            for name in names[:FIELDS_MAX]
            if not an_object(fields[name]).get("readOnly")
        }


def _given(schema: JsonObject) -> object:
    """Return the value that a schema names itself."""
    for key in ("example", "const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    for key in ("examples", "enum"):
        if a_list(schema.get(key)):
            return a_list(schema[key])[0]
    return None


def plain(value: object, depth: int = 3 * DEPTH_MAX) -> Value:
    """Return a value of a document as one that can be written; a date becomes its text."""
    if depth == 0:
        return None
    if isinstance(value, dict):
        return {str(key): plain(one, depth - 1) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one, depth - 1) for one in value]
    if isinstance(value, dt.date):
        return value.isoformat()
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)


def _one_of(name: str) -> str:
    return name.removesuffix("s")


def _number(schema: JsonObject, *, whole: bool) -> Value:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    number = 1.0
    if isinstance(low, int | float) and not isinstance(low, bool) and low >= number:
        number = low + ("minimum" not in schema)
    if isinstance(high, int | float) and not isinstance(high, bool) and high < number:
        number = high - ("maximum" not in schema)
    return round(number) if whole or float(number).is_integer() else number


def _text(schema: JsonObject, name: str) -> Value:
    form = a_text(schema.get("format"))
    if form in _FORMATS:
        return _FORMATS[form]
    least, most = schema.get("minLength"), schema.get("maxLength")
    shortest = least if isinstance(least, int) else 0
    longest = most if isinstance(most, int) else _LONGEST
    if schema.get("pattern") is None and shortest <= 1 and longest >= _LONGEST:
        for word in reversed(words_of(name)):
            if word in _MADE_UP:
                return _MADE_UP[word]
    text = "example"
    return (text * (1 + min(shortest, 1_000) // len(text)))[: max(shortest, 0) or None][
        : max(longest, 0)
    ]
