"""Templates of requests: the name of an operation and the bytes of its head, made once.

`GET /api/posts/{id}` is one operation whatever the id. A journey that formats the id into the path
itself would make a new operation of every request, so one line of a journey makes at most
`NAMES_PER_CALL_SITE_MAX` names; what comes after is one folded operation, and a warning says so.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from stormproof.clients.tape import Scope
from stormproof.kernel.limits import NAMES_PER_CALL_SITE_MAX, SERIES_MAX

Scalar = str | int | float | bool
Query = Mapping[str, Scalar | Sequence[Scalar]]  # a list is the same name several times

QUERIES_KEPT_MAX = 64
_CLIENTS = "stormproof.clients."
_PATH_SAFE = "/:@!$&'()*+,;=-._~?%"
_HOLE = re.compile(r"\{([^{}]*)\}")
_BAD_PATH = re.compile(r"[\x00-\x20\x7f]")


class Route:
    """One operation of one scenario: its series, and the bytes around its path."""

    __slots__ = ("_fixed", "_names", "_queries", "_start", "_tail", "series", "template", "whole")

    def __init__(self, series: int, start: str, template: str, tail: bytes) -> None:
        if not template.startswith("/") or template.startswith("//") or _BAD_PATH.search(template):
            raise ValueError(f"{template!r} is no path: it starts with one / and holds no blanks")
        pieces = _HOLE.split(template)  # fixed, name, fixed, name, ..., fixed
        fixed = [quote(piece, safe=_PATH_SAFE).encode() for piece in pieces[::2]]
        self.series = series
        self.template = template
        self._start = start.encode() + fixed[0]
        self._names = pieces[1::2]
        self._fixed = fixed[1:]
        self._tail = tail
        self._queries: dict[tuple[tuple[str, object], ...], bytes] = {}
        self.whole = None if self._names else self._start + tail

    def head(self, values: Mapping[str, Scalar], query: Query | None) -> bytes:
        """Return the head up to its last constant header, for one request.

        Raises:
            ValueError: a value of the template is missing or unknown.
        """
        if values.keys() != set(self._names):
            names = ", ".join(self._names) or "none"
            raise ValueError(f"{self.template} needs the values: {names}; got: {list(values)}")
        path = self._start
        for name, fixed in zip(self._names, self._fixed, strict=True):
            value = values[name]
            path += (b"%d" % value) if type(value) is int else quote(str(value), safe="").encode()
            path += fixed
        return path + (self._encoded(query) if query else b"") + self._tail

    def _encoded(self, query: Query) -> bytes:
        key = tuple(query.items())
        try:
            encoded = self._queries.get(key)
        except TypeError:  # a list in it
            return self._encode(query)
        if encoded is None:
            encoded = self._encode(query)
            if len(self._queries) < QUERIES_KEPT_MAX:
                self._queries[key] = encoded
        return encoded

    def _encode(self, query: Query) -> bytes:
        mark = "&" if "?" in self.template else "?"
        return f"{mark}{urlencode(query, doseq=True)}".encode()


class Routes:
    """The routes of one metric and method in one scenario, by template."""

    __slots__ = ("_by_template", "_metric", "_scope", "_sites", "_start", "_tail", "_verb", "get")

    def __init__(
        self, scope: Scope, metric: str, verb: str, start: str = "", tail: bytes = b""
    ) -> None:
        self._scope = scope
        self._metric = metric
        self._verb = verb  # as in the operation's name
        self._start = start
        self._tail = tail
        self._sites: dict[tuple[str, int], int] = {}
        self._by_template: dict[str, Route] = {}
        self.get = self._by_template.get

    def add(self, template: str) -> Route:
        """Make the route of a template."""
        site = _call_site()
        names = self._sites.get(site, 0)
        if names >= NAMES_PER_CALL_SITE_MAX or len(self._by_template) >= SERIES_MAX:
            return self._make(self._folded(site), template)
        self._sites[site] = names + 1
        route = self._make(f"{self._verb} {template}", template)
        self._by_template[template] = route
        return route

    def _folded(self, site: tuple[str, int]) -> str:
        where = f"{site[0].rpartition('/')[2]}:{site[1]}"
        self._scope.tape.warn(
            "names-folded",
            f"{where} made more than {NAMES_PER_CALL_SITE_MAX} names; write its path as a "
            "template, such as /posts/{id} with id=...",
        )
        return f"{self._verb} * ({where})"

    def _make(self, name: str, template: str) -> Route:
        series = self._scope.operation(self._metric, self._scope.tape.masking.mask(name))
        return Route(series, self._start, template, self._tail)


def _call_site() -> tuple[str, int]:
    """Return file and line of the journey: the first caller that is none of the clients."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").startswith(_CLIENTS):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame is not None else ("", 0)
