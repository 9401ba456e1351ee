"""Parameters of paths and queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import HTTPConnection

from sanctum.gateway.answers import Refusal, check_storable


class Parameter(Protocol):
    """Read one parameter of a request, and say what may be in it."""

    def describe(self) -> dict[str, Any]:
        """Give the parameter as the OpenAPI document has it."""
        ...


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """Read a whole number, from the query where it has a default, else from the path.

    Attributes:
        name: the parameter.
        low: the smallest value allowed.
        high: the largest value allowed.
        default: the value of a parameter that is absent.
    """

    name: str
    low: int
    high: int
    default: int | None = None

    def read(self, request: HTTPConnection) -> int:
        """Read it from a request; raises Refusal, 422, when it is no number or out of range."""
        if self.default is None:
            raw = request.path_params[self.name]
        else:
            raw = request.query_params.get(self.name)
        return whole_number(raw, self.name, self.default or 0, self.low, self.high)

    def describe(self) -> dict[str, Any]:
        """Give the parameter as the OpenAPI document has it."""
        schema = {"type": "integer", "minimum": self.low, "maximum": self.high}
        if self.default is None:
            return {"name": self.name, "in": "path", "required": True, "schema": schema}
        return {"name": self.name, "in": "query", "schema": {**schema, "default": self.default}}


@dataclass(frozen=True, slots=True)
class Text:
    """Read a text from the query, empty where it is absent.

    Attributes:
        name: the parameter.
        length_max: its characters at most.
    """

    name: str
    length_max: int

    def read(self, request: HTTPConnection) -> str:
        """Read it from a request; raises Refusal, 422, when it is too long or not storable."""
        text = request.query_params.get(self.name, "")
        if len(text) > self.length_max:
            message = f"{self.name} must have at most {self.length_max} characters"
            raise Refusal(422, "invalid_parameter", message)
        return check_storable(text, self.name)

    def describe(self) -> dict[str, Any]:
        """Give the parameter as the OpenAPI document has it."""
        schema = {"type": "string", "maxLength": self.length_max, "default": ""}
        return {"name": self.name, "in": "query", "schema": schema}


def whole_number(raw: str | None, name: str, default: int, low: int, high: int) -> int:
    """Read a whole number from a path or query.

    Args:
        raw: the text, None where the parameter is absent.
        name: the parameter, for the message.
        default: the value of an absent parameter.
        low: the smallest value allowed.
        high: the largest value allowed.

    Raises:
        Refusal: 422 when it is no number or out of range.
    """
    if raw is None:
        return default
    # The length is bounded before int() sees it; isdecimal alone admits the digits of any script.
    if len(raw) > len(str(high)) or not (raw.isascii() and raw.isdecimal()):
        raise Refusal(422, "invalid_parameter", f"{name} must be a whole number")
    value = int(raw)
    if not low <= value <= high:
        raise Refusal(422, "invalid_parameter", f"{name} must be between {low} and {high}")
    return value
