"""What a route promises its clients, told beside it; the OpenAPI document is made of it.

Routes read their bodies and parameters by hand, so no framework can tell what they take. A route
without a contract is not in the document, and a test refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fastapi.routing import APIRoute

from sanctum.gateway.parameters import Parameter

_KEY = "x-contract"


class Caller(Enum):
    """Say who may call a route."""

    USER = "whoever proves who they are, by token or API key"
    ANYBODY = "whoever comes, up to the limit on requests at once"
    OPERATOR = "operators: nothing is proved and no limit counts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Hold what one route promises.

    Attributes:
        answers: by status, the type of the body; None for no body, `str` for plain text.
        parameters: what it reads of its path and query.
        body: the type of the JSON body that it needs, None for none.
        refusals: the statuses of errors, each with the body that all errors have.
        caller: who may call it.
    """

    answers: Mapping[int, Any]
    parameters: tuple[Parameter, ...]
    body: Any
    refusals: frozenset[int]
    caller: Caller


def contract(
    answers: Mapping[int, Any],
    *parameters: Parameter,
    body: Any = None,
    refuses: Iterable[int] = (),
    caller: Caller = Caller.USER,
) -> dict[str, Any]:
    """Make the `openapi_extra` of a route; what follows from the rest need not be said.

    Args:
        answers: by status of success, the type of the body; None for no body, `str` for text.
        parameters: what it reads of its path and query; those refuse with 422.
        body: the type of its JSON body; one refuses with 400, 408, 413 and 422.
        refuses: further statuses of errors.
        caller: who may call it; a user is refused with 401, and everybody but operators with
            429 beyond a limit and with 503 while a dependency is away.
    """
    refusals = set(refuses)
    if parameters:
        refusals.add(422)
    if body is not None:
        refusals |= {400, 408, 413, 422}
    if caller is Caller.USER:
        refusals.add(401)
    if caller is not Caller.OPERATOR:
        refusals |= {429, 503}
    made = Contract(
        answers=answers,
        parameters=parameters,
        body=body,
        refusals=frozenset(refusals),
        caller=caller,
    )
    return {_KEY: made}


def contract_of(route: APIRoute) -> Contract | None:
    """Give the contract of a route, None where it has none."""
    found = (route.openapi_extra or {}).get(_KEY)
    return found if isinstance(found, Contract) else None
