"""What the texts of a stack file may say: placeholders that are known, and no secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from stormproof.kernel.errors import Problem
from stormproof.kernel.placeholders import filled, placeholders_in
from stormproof.model.own_stack import (
    OwnLink,
    OwnPart,
    OwnService,
    OwnStack,
    OwnStep,
    OwnTask,
)
from stormproof.planning.fields import suggest
from stormproof.planning.safety import is_loopback_url, target_problems

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
PLACES: Final = ("folder", "private", "python", "valkey-server")
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CALLED_SECRET: Final = re.compile(
    r"(passw(or)?d|passphrase|secret|token|api[_-]?key)$", re.IGNORECASE
)
_PASSWORD_OF_URL: Final = re.compile(r"://[^:/@\s]*:(?!\{secrets\.)[^@/\s]+@")
_SCHEMES: Final = {
    "postgres": ("postgresql://", "postgres://"),
    "valkey": ("valkey://", "valkeys://", "redis://", "rediss://"),
}
_PORT = "1"  # any, to look at a URL before its port is chosen


def secrets_of(stack: OwnStack) -> tuple[str, ...]:
    """Return the names of the secrets that the texts of a stack ask for."""
    asked = {name for _, text in _texts(stack) for name in placeholders_in(text)}
    found = {name.partition(".")[2] for name in asked if name.startswith("secrets.")}
    return tuple(sorted(found))


def text_problems(stack: OwnStack, where: str) -> Iterator[Problem]:
    """Find unknown placeholders, secrets where everybody reads them, and URLs that are none."""
    known = (*(f"ports.{name}" for name in (*stack.ports, *stack.outside)), *PLACES)
    for place, text in _texts(stack):
        if "\0" in text:
            yield Problem(where=f"{where}: {place}", what="holds a zero byte")
        hidden = " env " in place or place.startswith("servers ")
        for name in placeholders_in(text):
            yield from _bad_placeholder(name, f"{where}: {place}", known, hidden=hidden)
        if _PASSWORD_OF_URL.search(text):
            what, fix = "holds a password, and the file is recorded", "://user:{secrets.NAME}@"
            yield Problem(where=f"{where}: {place}", what=what, fix=fix)
    yield from _bad_variables(stack, where)
    yield from _base_url_problems(stack, f"{where}: base_url")
    for server in stack.servers:
        allowed = (*_SCHEMES[server.kind], "{secrets.")
        if not server.url.startswith(allowed):
            fix = f"{_SCHEMES[server.kind][0]}127.0.0.1:{{ports.{server.part}}}"
            place = f"{where}: servers {server.part} url"
            yield Problem(where=place, what=f"is no URL of a {server.kind}", fix=f"such as {fix}")


def _texts(stack: OwnStack) -> Iterator[tuple[str, str]]:
    """Yield every text that may hold placeholders, with its place."""
    yield "base_url", stack.base_url
    for step in stack.steps:
        place = f"{word_of(step)} {step.name}"
        if isinstance(step, OwnPart | OwnTask):
            yield from ((f"{place} argv", word) for word in step.argv)
            yield f"{place} cwd", step.cwd
        if isinstance(step, OwnPart | OwnService) and step.ready is not None:
            yield f"{place} ready path", step.ready.path
    for place, env in _environments(stack):
        yield from ((f"{place} env {name}", text) for name, text in env.items())
    for server in stack.servers:
        yield f"servers {server.part} url", server.url


def _environments(stack: OwnStack) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield every set of environment variables, with whose it is."""
    for step in stack.steps:
        if isinstance(step, OwnPart | OwnTask):
            yield f"{word_of(step)} {step.name}", step.env
    if stack.compose is not None:
        yield "compose", stack.compose.env


def word_of(step: OwnStep) -> str:
    """Return the word by which the file names a step."""
    match step:
        case OwnPart():
            return "part"
        case OwnTask():
            return "task"
        case OwnLink():
            return "link"
        case OwnService():
            return "service"


def _bad_placeholder(
    name: str, place: str, known: tuple[str, ...], *, hidden: bool
) -> Iterator[Problem]:
    """Find a placeholder that stands for nothing, or for a secret in a text not `hidden`."""
    group, _, secret = name.partition(".")
    if group == "secrets" and _VARIABLE.fullmatch(secret):
        if not hidden:
            what = f"shows the secret {secret} to everybody on the machine"
            yield Problem(where=place, what=what, fix="hand it over in `env`")
    elif name not in known:
        fix = f"{suggest(name, known)}; the text itself is written {{{{{name}}}}}"
        yield Problem(where=place, what=f"{{{name}}} stands for nothing", fix=fix)


def _bad_variables(stack: OwnStack, where: str) -> Iterator[Problem]:
    """Find environment variables that cannot be, and secrets written down."""
    for owner, env in _environments(stack):
        place = f"{where}: {owner} env"
        for name, text in env.items():
            if not _VARIABLE.fullmatch(name):
                yield Problem(where=place, what=f"{name!r:.60} is no name of a variable")
            elif text and _CALLED_SECRET.search(name) and "{secrets." not in text:
                what = f"{name} is called a secret, and the file is recorded"
                fix = f'{name} = "{{secrets.{name.upper()}}}", and set it beforehand'
                yield Problem(where=place, what=what, fix=fix)


def _base_url_problems(stack: OwnStack, where: str) -> Iterator[Problem]:
    if any(name.startswith("secrets.") for name in placeholders_in(stack.base_url)):
        yield Problem(where=where, what="holds a secret, and is shown everywhere")
        return
    named = placeholders_in(stack.base_url)
    url = filled(stack.base_url, dict.fromkeys(named, _PORT))
    example = "such as http://127.0.0.1:{ports.web}"
    if not url:
        yield Problem(where=where, what="is missing: where does the load go?", fix=example)
        return
    bad = [Problem(where=where, what=one.what, fix=one.fix) for one in _target_problems(url)]
    yield from bad
    if not bad and not is_loopback_url(url):
        what = f"{stack.base_url!r:.80} is not this machine"
        yield Problem(where=where, what=what, fix=f"{example}; --target loads another one")


def _target_problems(url: str) -> list[Problem]:
    if url.startswith("unix:"):
        return [Problem(where="", what="is a socket's path", fix="name a port")]
    return target_problems(url, capped=True)
