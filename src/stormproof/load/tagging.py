"""Tag sets as users wear them: what they do is counted under the one they wear at the moment.

Wearing another one exchanges the routes that a user's clients work with. So an operation costs the
same with tags as without, and a user that has none pays nothing.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from stormproof.clients.http import HttpSite
from stormproof.clients.tape import Actor, Scope
from stormproof.clients.ws_site import WsSite
from stormproof.kernel.clock import monotonic_ns
from stormproof.kernel.limits import TAG_KEYS_MAX, TAG_SETS_MAX
from stormproof.model.series import SeriesKind
from stormproof.model.tag import GROUP, GROUP_MARK, tag_problem


class Outfit:
    """A tag set with the routes that belong to it, shared by all users that wear it."""

    __slots__ = ("_known", "_next", "group_series", "http", "scope", "ws")

    def __init__(
        self,
        scope: Scope,
        http: HttpSite,
        ws: WsSite,
        known: dict[Scope, Outfit] | None = None,
    ) -> None:
        self.scope = scope
        self.http = http
        self.ws = ws
        self.group_series = 0  # of `group_duration`; of no use outside of groups
        self._known = {scope: self} if known is None else known  # all of the scenario
        self._next: dict[tuple[str, str], Outfit] = {}

    def with_tag(self, key: str, value: str) -> Outfit:
        """Return the outfit in which the tag `key` is `value`.

        Raises:
            ValueError: `key` is no tag, or is stormproof's own, or there are too many.
        """
        outfit = self._next.get((key, value))
        if outfit is None:
            problem = tag_problem(key)
            if problem:
                raise ValueError(problem)
            outfit = self._remember(key, str(value))
        return outfit

    def within(self, group: str) -> Outfit:
        """Return the outfit inside of a group, which may be inside of another one.

        Raises:
            ValueError: `group` is no name of one.
        """
        outfit = self._next.get((GROUP, group))
        if outfit is None:
            if not group or GROUP_MARK in group:
                raise ValueError(f"{group!r} is no name of a group: write a text without ::")
            path = f"{self.scope.tags.get(GROUP, '')}{GROUP_MARK}{group}"
            outfit = self._remember(GROUP, path, group)
            scope = outfit.scope
            outfit.group_series = scope.tape.intern(SeriesKind.TREND, "group_duration", scope.tags)
        return outfit

    def _remember(self, key: str, value: str, name: str | None = None) -> Outfit:
        own = self.scope.tags.keys() - self.scope.root.tags.keys() - {GROUP}
        if key != GROUP and key not in self.scope.tags and len(own) >= TAG_KEYS_MAX:
            raise ValueError(f"a user carries {TAG_KEYS_MAX} tags already: {', '.join(own)}")
        scope = self.scope.with_tag(key, value)
        outfit = self._known.get(scope)
        if outfit is None:
            sites = self.http.tagged(scope), self.ws.tagged(scope)
            outfit = self._known[scope] = Outfit(scope, *sites, self._known)
        if len(self._next) < TAG_SETS_MAX:
            self._next[key, value if name is None else name] = outfit
        return outfit


class Wearer(Protocol):
    """A user, as what puts tags on it and takes them off sees it."""

    actor: Actor

    @property
    def outfit(self) -> Outfit:
        """What it wears now."""
        ...

    def wear(self, outfit: Outfit) -> None:
        """Count what it does from now on under another tag set."""
        ...


class Tagged:
    """Tags for the length of a `with` block."""

    __slots__ = ("_before", "_tags", "_user")

    def __init__(self, user: Wearer, tags: dict[str, str]) -> None:
        self._user = user
        self._tags = tags
        self._before = user.outfit

    def __enter__(self) -> None:
        self._before = outfit = self._user.outfit
        for key, value in self._tags.items():
            outfit = outfit.with_tag(key, value)
        self._user.wear(outfit)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._user.wear(self._before)


class Group:
    """A named part of a journey, for the length of a `with` block: timed, and a tag in it."""

    __slots__ = ("_before", "_inside", "_intended_ns", "_name", "_start_ns", "_user")

    def __init__(self, user: Wearer, name: str) -> None:
        self._user = user
        self._name = name
        self._before = self._inside = user.outfit
        self._intended_ns = self._start_ns = 0

    def __enter__(self) -> None:
        self._before = self._user.outfit
        self._inside = self._before.within(self._name)
        self._user.wear(self._inside)
        self._intended_ns = self._user.actor.intended_ns
        self._start_ns = monotonic_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._user.wear(self._before)
        scope, series = self._inside.scope, self._inside.group_series
        scope.row(series, kind is not None, self._intended_ns, self._start_ns, monotonic_ns())
