"""What an interface says no to."""

from __future__ import annotations


class Refusal(Exception):
    """A request that cannot be done, with the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)
