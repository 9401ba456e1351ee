"""A story: what the record says about one finding or objective, in order, on one clock."""

from __future__ import annotations

import msgspec


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened at an instant.

    `about` says to what: message, session, data, fault, probe, failure, run.
    """

    at_s: float  # since the start of the load
    about: str
    what: str


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """The life of one thing: facts first, then moments in order, then what to look at next."""

    title: str
    facts: list[str] = []
    moments: list[Moment] = []
    left_out: int = 0  # moments beyond what a reader can take in
    advice: list[str] = []
