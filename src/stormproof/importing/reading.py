"""Read what a person wants imported: JSON or YAML of a bounded size, with every refusal told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import yaml

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import IMPORT_BYTES_MAX

VALUES_MAX = 2_000_000
JsonObject = Mapping[str, object]


def read_import(path: Path) -> JsonObject:
    """Read a file that holds one JSON or YAML object.

    Raises:
        BadInput: it cannot be read, is too large, or is something else.
    """
    where = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(IMPORT_BYTES_MAX + 1)
    except OSError as error:
        raise bad(where, f"cannot be read: {error.strerror}", "name a file") from error
    if len(data) > IMPORT_BYTES_MAX:
        fix = f"the limit is {IMPORT_BYTES_MAX >> 20} MiB; leave out bodies and static files"
        raise bad(where, "is too large", fix)
    return parse_import(data, where)


def parse_import(data: bytes, where: str) -> JsonObject:
    """Parse one JSON or YAML object; `where` names it in messages.

    Raises:
        BadInput: it is something else.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise bad(where, f"is not UTF-8 at byte {error.start}") from error
    try:
        value = _Unfolding().of(_parse(text, where))
    except RecursionError:
        raise bad(where, "is nested too deeply, or holds itself") from None
    except ValueError as error:
        raise bad(where, f"cannot be read: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise bad(where, "is no object", "give a HAR file or an OpenAPI document")
    return value


def _parse(text: str, where: str) -> object:
    if text.lstrip().startswith(("{", "[")):
        try:
            return json.loads(text, parse_constant=_no_number)
        except json.JSONDecodeError as error:
            place = f"{where}:{error.lineno}:{error.colno}"
            raise bad(place, f"is not JSON: {error.msg}") from error
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where}:{mark.line + 1}:{mark.column + 1}" if mark else where
        told = getattr(error, "problem", None) or "cannot be parsed"
        raise bad(place, f"is neither JSON nor YAML: {told}") from error


class _Unfolding:
    """Copy what was parsed, with every key a text, and measure what its aliases unfold to.

    YAML's aliases make one value stand in many places: small files can mean endless ones.
    """

    def __init__(self) -> None:
        self._done: dict[int, tuple[object, object, int]] = {}  # id -> value, copy, size

    def of(self, value: object) -> object:
        """Return the copy.

        Raises:
            ValueError: it means too much.
        """
        return self._copied(value)[0]

    def _copied(self, value: object) -> tuple[object, int]:
        if not isinstance(value, dict | list):
            return value, 1
        known = self._done.get(id(value))
        if known is not None:
            return known[1], known[2]
        copy: dict[str, object] | list[object]
        if isinstance(value, dict):
            fields = {_key(key): self._copied(one) for key, one in value.items()}
            copy = {key: one for key, (one, _) in fields.items()}
            size = 1 + sum(one for _, one in fields.values())
        else:
            items = [self._copied(one) for one in value]
            copy, size = [one for one, _ in items], 1 + sum(one for _, one in items)
        if size > VALUES_MAX:
            raise ValueError(f"it holds more than {VALUES_MAX:,} values")
        self._done[id(value)] = (value, copy, size)
        return copy, size


def _key(key: object) -> str:
    return str(key).lower() if isinstance(key, bool) else str(key)


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number in JSON")


def bad(where: str, what: str, fix: str = "") -> BadInput:
    """Return the refusal of one problem."""
    return BadInput([Problem(where=where, what=what, fix=fix)])


def an_object(value: object) -> JsonObject:
    """Return an object, an empty one where there is none."""
    return value if isinstance(value, dict) else {}


def a_list(value: object) -> list[object]:
    """Return a list, an empty one where there is none."""
    return value if isinstance(value, list) else []


def a_text(value: object) -> str:
    """Return a text, an empty one where there is none."""
    return value if isinstance(value, str) else ""
