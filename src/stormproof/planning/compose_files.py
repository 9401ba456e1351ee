"""Look into a compose file: which services it has. What else it says is docker's to judge."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import Problem
from stormproof.kernel.limits import COMPOSE_FILE_BYTES_MAX
from stormproof.model.own_stack import OwnStack
from stormproof.planning.fields import suggest

_ELSEWHERE: Final = ("include", "extends")  # services may come from other files, too


class ComposeFile(NamedTuple):
    """What was found in a compose file; `services` is None where it cannot be said."""

    sha256: str
    services: tuple[str, ...] | None
    problem: str = ""


def look_into(path: Path) -> ComposeFile:
    """Read a compose file; whatever is wrong with it is its `problem`."""
    try:
        with path.open("rb") as stream:
            data = stream.read(COMPOSE_FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        return ComposeFile("", None, f"{path} cannot be read: {why}")
    if len(data) > COMPOSE_FILE_BYTES_MAX:
        return ComposeFile("", None, f"{path} is over {COMPOSE_FILE_BYTES_MAX} bytes")
    digest = sha256_hex(data)
    try:
        value: object = yaml.safe_load(data.decode())
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        return ComposeFile(
            digest, None, f"{path} is not YAML: {' '.join(str(error).split())[:200]}"
        )
    services = value.get("services") if isinstance(value, dict) else None
    if isinstance(value, dict) and any(word in value for word in _ELSEWHERE):
        return ComposeFile(digest, None)
    if not isinstance(services, dict) or not services:
        return ComposeFile(digest, None, f"{path} has no services")
    return ComposeFile(digest, tuple(str(name) for name in services))


def service_problems(own: OwnStack, found: ComposeFile, where: str) -> Iterator[Problem]:
    """Find what a stack file says of a compose file that is not so."""
    if found.problem:
        yield Problem(where=f"{where}: file", what=found.problem)
    if found.services is None:
        return
    for name in own.services():
        if name not in found.services:
            what = f"{name!r} is no service of {own.compose.file if own.compose else ''}"
            fix = suggest(name, found.services)
            yield Problem(where=f"{where}: service {name}", what=what, fix=fix)
