"""Secrets: named in a journey file, known only while journeys run, never printed nor stored.

    API_TOKEN = secret("API_TOKEN")

    answer = await user.http.get("/orders", auth=API_TOKEN)

A secret is declared at the top of the file, so that the plan can name it and whoever starts the run
hears at once which ones are missing. Its value comes from the environment or a file (see
`journeys.vault`).
"""

from __future__ import annotations

import re

_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,63}")


class Secret:
    """A value that stays out of the plan, the record, logs and reports."""

    __slots__ = ("_value", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._value: str | None = None

    @property
    def value(self) -> str:
        """The value, while journeys run.

        Raises:
            LookupError: it is asked for while the file is imported, or was not declared at its top.
        """
        if self._value is None:
            raise LookupError(
                f"the value of {self.name} is known only while journeys run, and only when the "
                f'journey file says {self.name} = secret("{self.name}") at its top'
            )
        return self._value

    @property
    def headers(self) -> dict[str, str]:
        """What makes it a bearer token, as `auth=API_TOKEN`."""
        return {"Authorization": f"Bearer {self.value}"}

    def bind(self, value: str) -> None:
        """Give it its value; done by the worker before any user exists."""
        self._value = value

    def __repr__(self) -> str:
        return f"secret({self.name!r})"


def secret(name: str) -> Secret:
    """Declare a secret.

    Args:
        name: of the environment's variable, in capitals: `API_TOKEN`.

    Raises:
        ValueError: it is no such name.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a secret: write it like API_TOKEN")
    return Secret(name)


def text_of(value: str | Secret) -> str:
    """Return a text, or the value of a secret."""
    return value.value if isinstance(value, Secret) else value
