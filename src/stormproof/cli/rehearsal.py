"""Go through a journey once without a target: every answer is assumed to be what it hopes for.

What a journey reads out of an answer is unknown: it is shown as `<name>` where it is sent on, and
every question about it is answered with yes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any, Self

import msgspec

from stormproof.clients.options import NAMES
from stormproof.clients.tracing import shown_header
from stormproof.journeys.fake import Fake
from stormproof.journeys.journey import Journey
from stormproof.kernel.masking import MASK, mask_secrets
from stormproof.kernel.seeds import derive

STEPS_MAX = 100
PATIENCE_S = 2.0
BODY_CHARACTERS_MAX = 300
_OWN_WORDS = {"json", "body", "query", "headers", "auth", "timeout", "expected", *NAMES}


class Enough(Exception):
    """The rehearsal has seen as many steps as it shows."""


class Unknown:
    """What only a target could tell; takes part in everything and decides nothing."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __str__(self) -> str:
        return f"<{self._name}>"

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Unknown:
        if name.startswith("__"):
            raise AttributeError(name)
        return Unknown(name)

    def __getitem__(self, key: object) -> Unknown:
        return Unknown(str(key)) if isinstance(key, str) else self

    def __call__(self, *_: object, **__: object) -> Unknown:
        """Be what it gives back, too."""
        return self

    def __await__(self) -> Generator[Any, None, Unknown]:
        yield from asyncio.sleep(0).__await__()
        return self

    def __iter__(self) -> Iterator[Unknown]:
        return iter((self,))

    def __len__(self) -> int:
        return 1

    def __bool__(self) -> bool:
        return True

    def __int__(self) -> int:
        return 1

    def __index__(self) -> int:
        return 1

    def __float__(self) -> float:
        return 1.0

    def __hash__(self) -> int:
        return hash(self._name)

    def _yes(self, _: object) -> bool:
        return True

    __eq__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = _yes

    def __ne__(self, _: object) -> bool:
        return False

    def _itself(self, *_: object) -> Unknown:
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __mod__ = __rmod__ = _itself
    __truediv__ = __rtruediv__ = __floordiv__ = __rfloordiv__ = __neg__ = __round__ = _itself
    __enter__ = _itself

    def __exit__(self, *_: object) -> None:
        return None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@dataclass(slots=True)
class Script:
    """What a rehearsal would have sent, line by line."""

    lines: list[str] = field(default_factory=list)

    def add(self, line: str) -> None:
        """Take one step.

        Raises:
            Enough: there are as many as are shown.
        """
        if len(self.lines) >= STEPS_MAX:
            raise Enough
        self.lines.append(mask_secrets(line))


class RehearsedHttp:
    """Write down requests instead of sending them; any method of the client's."""

    def __init__(self, script: Script, headers: Mapping[str, str]) -> None:
        self._script = script
        self._headers = headers

    def __getattr__(self, method: str) -> Callable[..., Awaitable[Unknown]]:
        async def send(path: str, *more: str, **given: Any) -> Unknown:
            verb, target = (path, more[0]) if more else (method.upper(), path)
            self._script.add(f"{verb} {_filled(target, given)}")
            for line in _details(self._headers, given):
                self._script.add(f"    {line}")
            await asyncio.sleep(0)
            return Unknown("answer")

        return send


def _filled(template: str, given: Mapping[str, Any]) -> str:
    path = template
    for name, value in given.items():
        if name not in _OWN_WORDS:
            path = path.replace(f"{{{name}}}", str(value))
    query = given.get("query") or {}
    pairs = "&".join(f"{name}={value}" for name, value in dict(query).items())
    return f"{path}{'&' if '?' in path else '?'}{pairs}" if pairs else path


def _details(standing: Mapping[str, str], given: Mapping[str, Any]) -> Iterator[str]:
    """Yield headers and body of a request."""
    for name in standing:
        yield f"{name}: {MASK}"
    for name, value in dict(given.get("headers") or {}).items():
        yield shown_header(f"{name}: {value}")
    if given.get("auth") is not None:
        yield f"Authorization: {MASK}"
    for kind in ("json", "form", "body", "files"):
        if given.get(kind):
            yield f"{kind} {_text(given[kind])}"


def _text(value: object) -> str:
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    else:
        text = msgspec.json.encode(value, enc_hook=str).decode()
    return text if len(text) <= BODY_CHARACTERS_MAX else f"{text[:BODY_CHARACTERS_MAX]}..."


class RehearsedUser:
    """The user of a rehearsal: it knows who it is and what it is told, the rest is unknown."""

    def __init__(
        self, scenario: str, env: Mapping[str, str], seed: int, http: RehearsedHttp, script: Script
    ) -> None:
        self.id, self.index, self.scenario, self.env = 1, 0, scenario, env
        self.random = Random(derive(seed, scenario, 0))  # noqa: S311
        self.fake = Fake(Random(derive(seed, scenario, 0, "fake")))  # noqa: S311
        self.state = SimpleNamespace()
        self.http = http
        self._script = script
        self._kept: dict[object, Any] = {}

    def __getattr__(self, name: str) -> Unknown:
        return Unknown(name)

    def keep(self, owner: object, make: Callable[[], Any]) -> Any:
        """Return what `owner` keeps for this user."""
        return self._kept.setdefault(owner, make())

    async def think(self, pause: object) -> None:
        """Write down a pause."""
        text = f"{pause:g} s" if isinstance(pause, int | float) else str(pause)
        self._script.add(f"think {text}")
        await asyncio.sleep(0)


async def rehearse(
    journey: Journey,
    scenario: str,
    env: Mapping[str, str],
    *,
    seed: int,
    headers: Mapping[str, str],
) -> list[str]:
    """Go through a journey once, its preparation first; return what would be sent, in order."""
    script = Script()
    user = RehearsedUser(scenario, env, seed, RehearsedHttp(script, headers), script)
    try:
        async with asyncio.timeout(PATIENCE_S):
            if journey.prepare is not None:
                script.add("(once, before the load)")
                await journey.prepare(user)
                script.add("(again and again)")
            await journey.run(user)
    except Enough:
        script.lines.append(f"(and more: {STEPS_MAX} steps are shown)")
    except TimeoutError:
        script.lines.append("(it waits here for what only a target can send)")
    except Exception as error:  # a journey may raise anything where nothing real answers
        script.lines.append(f"(it needs a real answer here: {type(error).__name__}: {error})")
    return script.lines
