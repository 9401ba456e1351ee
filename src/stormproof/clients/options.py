"""What a request may be asked for besides the usual: told apart from the values of its template.

The methods of the client take these names with the template's values, because a keyword of its own
would cost every request, also those that ask for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from stormproof.clients.bodies import Files, Form
from stormproof.kernel.limits import REDIRECTS_MAX, RETRIES_MAX


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How one request is sent; times are in seconds, None: only `timeout` counts."""

    follow: int = 0  # how many redirects
    retries: int = 0  # how often it is tried again
    connect_timeout: float | None = None
    write_timeout: float | None = None
    first_byte_timeout: float | None = None  # from the request written
    form: Form | None = None
    files: Files | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.follow <= REDIRECTS_MAX or not 0 <= self.retries <= RETRIES_MAX:
            raise ValueError(f"follow is 0 to {REDIRECTS_MAX}, retries are 0 to {RETRIES_MAX}")


NAMES = frozenset(Options.__struct_fields__)
NO_OPTIONS = Options()


def split(given: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
    """Return the options among what was given by keyword, and the template's values.

    Raises:
        ValueError: an option is out of its range.
    """
    values = dict(given)
    named = {name: values.pop(name) for name in NAMES & given.keys()}
    return Options(**named), values
