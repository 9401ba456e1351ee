"""Read an environment: the JSON file that says where a target runs and what holds there.

    {"description": "...", "target": "https://staging.example", "ws": "wss://staging.example",
     "limits": {"vus": 200, "rate": 500}, "thresholds": {"http_req_duration": ["p(95)<800"]},
     "env": {"PLACE": "eu"}}

Its thresholds stand instead of the profile's on the same metric, its limits beside the profile's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.paths import is_file
from stormproof.planning.fields import Fields, JsonObject, read_object
from stormproof.planning.profiles import read_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """One environment file; thresholds and limits are still as written."""

    name: str
    description: str
    target: str
    ws_target: str
    env: Mapping[str, str]
    limits: JsonObject
    thresholds: JsonObject


def find_environment(name: str, folders: list[Path]) -> Path:
    """Find an environment by its name in `folders`, or take it as a path.

    Raises:
        BadInput: there is none; the message names those there are.
    """
    if name.endswith(".json") or "/" in name:
        if is_file(Path(name)):
            return Path(name)
        raise BadInput([Problem(where=name, what="is no file", fix="name an environment")])
    for folder in folders:
        if is_file(folder / f"{name}.json"):
            return folder / f"{name}.json"
    known = ", ".join(sorted({file.stem for folder in folders for file in folder.glob("*.json")}))
    fix = f"known: {known or 'none'}"
    raise BadInput([Problem(where=f"environment {name!r}", what="is unknown", fix=fix)])


def read_environment(path: Path) -> Environment:
    """Read an environment.

    Raises:
        BadInput: with everything that is wrong with it.
    """
    problems: list[Problem] = []
    fields = Fields(read_object(read_bytes(path), str(path), problems), f"{path}:", problems)
    environment = Environment(
        name=path.stem,
        description=fields.text("description", ""),
        target=fields.text("target", ""),
        ws_target=fields.text("ws", ""),
        env=fields.inner("env").texts(),
        limits=fields.inner("limits").value,
        thresholds=fields.inner("thresholds").value,
    )
    fields.done()
    if problems:
        raise BadInput(problems)
    return environment
