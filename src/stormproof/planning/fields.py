"""Read a JSON object field by field, collecting every problem instead of stopping at the first."""

from __future__ import annotations

import difflib
import json
import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import duration_text, parse_duration_ns
from stormproof.model.profile import RawThreshold

JsonObject = Mapping[str, object]
_SHORT = reprlib.Repr()
_SHORT.maxlevel = 2
_SHORT.maxstring = 80


def read_object(data: bytes, where: str, problems: list[Problem]) -> JsonObject:
    """Parse JSON that must be an object; a repeated key is a problem, never silently the last."""
    repeated: list[str] = []

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        seen: dict[str, object] = {}
        for key, value in items:
            if key in seen:
                repeated.append(key)
            seen[key] = value
        return seen

    try:
        text = data.decode()
        value = json.loads(text, object_pairs_hook=pairs)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be told
    except UnicodeDecodeError as error:
        problems.append(Problem(where=where, what=f"is not UTF-8 at byte {error.start}"))
        return {}
    except json.JSONDecodeError as error:
        place = f"{where}:{error.lineno}:{error.colno}"
        problems.append(Problem(where=place, what=f"is not JSON: {error.msg}"))
        return {}
    except UnicodeEncodeError:
        problems.append(Problem(where=where, what="holds half of a surrogate pair"))
        return {}
    except RecursionError:
        problems.append(Problem(where=where, what="is nested too deeply"))
        return {}
    except ValueError as error:  # a number of thousands of digits
        problems.append(Problem(where=where, what=f"cannot be read: {error}"))
        return {}
    problems += [
        Problem(
            where=f"{where}:{_lines_of(text, key)}",
            what=f"the key {key!r} is repeated",
            fix="keep one of them",
        )
        for key in repeated
    ]
    if not isinstance(value, dict):
        problems.append(Problem(where=where, what="must be a JSON object", fix='such as {"a": 1}'))
        return {}
    return value


def _lines_of(text: str, key: str) -> str:
    """Return the numbers of the lines that hold `key` as a JSON string."""
    quoted = json.dumps(key, ensure_ascii=False)
    return ",".join(str(n) for n, line in enumerate(text.splitlines(), 1) if quoted in line)


@dataclass(slots=True)
class Fields:
    """Take typed fields out of one JSON object; what is not taken is unknown."""

    value: JsonObject
    where: str
    problems: list[Problem]
    _taken: set[str] = field(default_factory=set)

    def problem(self, key: str, what: str, fix: str = "") -> None:
        """Note a problem with the field `key`."""
        place = f"{self.where} {key}" if key else self.where
        self.problems.append(Problem(where=place, what=what, fix=fix))

    def has(self, key: str) -> bool:
        """Tell whether the field is there; from now on it is a known one."""
        self._taken.add(key)
        return key in self.value

    def _take(self, key: str, *, required: bool) -> object:
        self._taken.add(key)
        if key not in self.value and required:
            self.problem(key, "is missing")
        return self.value.get(key)

    def text(self, key: str, default: str) -> str:
        """Take a string."""
        value = self._take(key, required=False)
        if value is None or isinstance(value, str):
            return default if value is None else value
        self.problem(key, f"must be a string, not {_shown(value)}")
        return default

    def flag(self, key: str, *, default: bool) -> bool:
        """Take true or false."""
        value = self._take(key, required=False)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.problem(key, f"must be true or false, not {_shown(value)}")
        return default

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """Take one of `choices`; required."""
        value = self._take(key, required=True)
        if isinstance(value, str) and value in choices:
            return value
        if key in self.value:
            self.problem(key, f"{value!r} is unknown", suggest(str(value), choices))
        return choices[0]

    def number(
        self, key: str, *, default: float | None, low: float, high: float, unit: str = ""
    ) -> float:
        """Take a number in [low, high]; required when `default` is None."""
        value = self._take(key, required=default is None)
        fallback = low if default is None else default
        if value is None:
            return fallback
        in_range = isinstance(value, int | float) and not isinstance(value, bool)
        if in_range and low <= float(str(value)) <= high:
            return float(str(value))
        span = f"a number from {low:g} to {high:g} {unit}".rstrip()
        self.problem(key, f"must be {span}, not {_shown(value)}")
        return fallback

    def whole(self, key: str, *, default: int | None, low: int, high: int) -> int:
        """Take a whole number in [low, high]; required when `default` is None."""
        value = self._take(key, required=default is None)
        fallback = low if default is None else default
        if value is None:
            return fallback
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        self.problem(key, f"must be a whole number from {low} to {high}, not {_shown(value)}")
        return fallback

    def duration_ns(self, key: str, *, default: str | None, low: str, high: str) -> int:
        """Take a duration such as "90s" in [low, high]; required when `default` is None."""
        value = self._take(key, required=default is None)
        low_ns, high_ns = parse_duration_ns(low), parse_duration_ns(high)
        fallback = low_ns if default is None else parse_duration_ns(default)
        if value is None:
            return fallback
        if not isinstance(value, str):
            self.problem(
                key, f"must be a duration, not {_shown(value)}", 'write it like "90s" or "1m30s"'
            )
            return fallback
        try:
            duration_ns = parse_duration_ns(value)
        except ValueError as error:
            self.problem(key, str(error))
            return fallback
        if low_ns <= duration_ns <= high_ns:
            return duration_ns
        span = f"{duration_text(low_ns)} to {duration_text(high_ns)}"
        self.problem(key, f"{value!r} is out of range", f"from {span}")
        return fallback

    def inner(self, key: str, *, required: bool = False) -> Fields:
        """Take an object."""
        value = self._take(key, required=required)
        place = f"{self.where} {key}"
        if value is not None and not isinstance(value, dict):
            self.problem(key, f"must be an object, not {_shown(value)}")
        return Fields(value if isinstance(value, dict) else {}, place, self.problems)

    def objects(self) -> Iterator[tuple[str, Fields]]:
        """Take every field as an object, by name."""
        for key in self.value:
            yield key, self.inner(key)

    def listed(self, key: str, most: int) -> list[Fields]:
        """Take a list of at least one and at most `most` objects; required."""
        value = self._take(key, required=True)
        if not isinstance(value, list) or not value or len(value) > most:
            if key in self.value:
                self.problem(key, f"must be a list of 1 to {most} objects, not {_shown(value)}")
            return []
        for number, one in enumerate(value):
            if not isinstance(one, dict):
                self.problem(f"{key}[{number}]", f"must be an object, not {_shown(one)}")
        return [
            Fields(one, f"{self.where} {key}[{number}]", self.problems)
            for number, one in enumerate(value)
            if isinstance(one, dict)
        ]

    def texts(self) -> dict[str, str]:
        """Take every field as a string."""
        return {key: self.text(key, "") for key in self.value}

    def lines(self, key: str) -> tuple[str, ...]:
        """Take a list of strings; none where the field is missing."""
        value = self._take(key, required=False)
        listed = [] if value is None else value
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            self.problem(key, f"must be a list of strings, not {_shown(value)}")
            return ()
        return tuple(listed)

    def thresholds(self) -> dict[str, tuple[RawThreshold, ...]]:
        """Take every field as a list of thresholds (one alone counts as a list of one).

        Each is text or, in k6's long form, an object; what is in them is read elsewhere.
        """
        found: dict[str, tuple[RawThreshold, ...]] = {}
        for key in self.value:
            value = self._take(key, required=False)
            listed = value if isinstance(value, list) else [value]
            raw = tuple(one for one in listed if isinstance(one, str | dict))
            if raw and len(raw) == len(listed):
                found[key] = raw
            else:
                self.problem(key, "must be a list of thresholds", 'such as ["p(95)<300"]')
        return found

    def done(self) -> None:
        """Note every field that nobody took."""
        for key in self.value:
            if key not in self._taken:
                self.problem(key, "is unknown", suggest(key, tuple(sorted(self._taken))))


def _shown(value: object) -> str:
    """Write a value of any depth and length in a line."""
    return _SHORT.repr(value)


def suggest(word: str, known: tuple[str, ...]) -> str:
    """Say which known word was probably meant, or list all of them."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
