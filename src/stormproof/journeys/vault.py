"""Where the values of secrets come from; the first that has one wins.

    1. the file given by --secrets, lines of NAME=value
    2. the environment's variable NAME
    3. the file whose path is the environment's variable NAME_FILE, as containers mount it

Workers inherit the environment and read the same places, so no value is ever passed on to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import SECRET_CHARACTERS_MIN, SECRETS_BYTES_MAX

SECRETS_FILE: Final = "STORMPROOF_SECRETS"  # names the file of --secrets to the workers
# Known by name: hidden wherever they are set, whether a journey asks for them or not.
WELL_KNOWN: Final = (
    "ADMIN_TOKEN",
    "DISCORD_WEBHOOK",
    "INSTRUCTOR_TOKEN",
    "SLACK_WEBHOOK",
    "USER_TOKEN",
)


def find_secrets(
    names: Iterable[str], environ: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """Return the values of secrets by name, with a problem for each that has none.

    Raises:
        BadInput: the file of --secrets cannot be read, or has lines that are none.
    """
    given = environ.get(SECRETS_FILE, "")
    listed = read_secrets(Path(given)) if given else {}
    found: dict[str, str] = {}
    problems: list[Problem] = []
    for name in dict.fromkeys(names):
        value, problem = _find(name, listed, environ)
        if problem is None:
            found[name] = value
        else:
            problems.append(problem)
    return found, problems


def known_values(names: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """Return every value that has to be kept out of the record: of `names` and the well-known."""
    found, _ = find_secrets([*names, *WELL_KNOWN], environ)
    return list(found.values())


def read_secrets(path: Path) -> dict[str, str]:
    """Read a file of `NAME=value` lines; `#` begins a comment, quotes around a value are taken off.

    Raises:
        BadInput: it cannot be read, or has lines that are none; values are never told.
    """
    text, problem = _read(path, f"secrets {path}")
    if problem is not None:
        raise BadInput([problem])
    found: dict[str, str] = {}
    bad: list[Problem] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip().removeprefix("export ").lstrip()
        if not line or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals or not name.strip().replace("_", "a").isalnum():
            place = f"secrets {path}:{number}"
            bad.append(Problem(where=place, what="is no NAME=value", fix="API_TOKEN=..."))
            continue
        found[name.strip()] = _unquoted(value.strip())
    if bad:
        raise BadInput(bad)
    return found


def _find(
    name: str, listed: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[str, Problem | None]:
    where = f"secret {name}"
    value = listed.get(name) or environ.get(name, "")
    if not value and environ.get(f"{name}_FILE"):
        text, problem = _read(Path(environ[f"{name}_FILE"]), where)
        if problem is not None:
            return "", problem
        value = text.rstrip("\r\n")
    if not value:
        fix = f"set {name} or {name}_FILE in the environment, or give --secrets FILE"
        return "", Problem(where=where, what="is set nowhere", fix=fix)
    if len(value) < SECRET_CHARACTERS_MIN:
        what = f"has fewer than {SECRET_CHARACTERS_MIN} characters"
        return "", Problem(where=where, what=what, fix="too short to be kept out of the record")
    return value, None


def _read(path: Path, where: str) -> tuple[str, Problem | None]:
    try:
        with path.open("rb") as stream:
            data = stream.read(SECRETS_BYTES_MAX + 1)
        if len(data) > SECRETS_BYTES_MAX:
            return "", Problem(where=where, what=f"{path} is over {SECRETS_BYTES_MAX} bytes")
        return data.decode(), None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return "", Problem(where=where, what=f"{path} cannot be read: {reason}")
    except UnicodeDecodeError:
        return "", Problem(where=where, what=f"{path} is not UTF-8")


def _unquoted(value: str) -> str:
    is_quoted = len(value) >= 2 and value[0] == value[-1] and value[0] in "'\""
    return value[1:-1] if is_quoted else value
