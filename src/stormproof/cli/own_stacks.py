"""Stacks of the user's own: which file says one, and the secrets that its parts get."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stormproof.cli.asked_servers import EXAMPLES, wrong_url
from stormproof.journeys.vault import find_secrets
from stormproof.kernel.errors import Problem
from stormproof.kernel.placeholders import filled, placeholders_in
from stormproof.model.own_stack import OwnStack
from stormproof.planning.stack_files import SUFFIX, read_stack
from stormproof.planning.trials import LoadedTrial

_ANY_PORT = "1"  # to look at a URL before its port is chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """Where a trial's target runs: on a stack of one's own, at a URL, or as the trial says."""

    loaded: LoadedTrial  # with the stack's file, so that it travels in the record
    own: OwnStack | None
    target: str
    problems: tuple[Problem, ...]


def placed(loaded: LoadedTrial, stack: Path | None, target: str) -> Placed:
    """Say where a trial's target runs.

    Args:
        loaded: the trial; it may name a stack file beside its own.
        stack: the file of --stack, which stands instead of what the trial says.
        target: the URL of one that runs already, which stands instead of a stack of the trial.

    Raises:
        BadInput: the file cannot be read at all.
    """
    problems = []
    if stack is not None and target:
        what = f"and --target {target} both say where the target runs"
        problems.append(Problem(where=f"--stack {stack}", what=what, fix="give one of them"))
    named: object = loaded.trial.stack
    if stack is None and not target and isinstance(named, str) and named.endswith(SUFFIX):
        stack = loaded.path.parent / named
    if stack is None:
        return Placed(loaded=loaded, own=None, target=target, problems=())
    own, source, wrong = read_stack(stack)
    problems += [*wrong, *secret_problems(own)]
    loaded = replace(loaded, modules={**loaded.modules, own.file: source})
    return Placed(loaded=loaded, own=own, target="", problems=tuple(problems))


def secret_values(own: OwnStack) -> dict[str, str]:
    """Return the values of a stack's secrets, by name; those that are set.

    Raises:
        BadInput: the file of --secrets cannot be read.
    """
    return find_secrets(own.secrets, os.environ)[0]


def secret_problems(own: OwnStack) -> list[Problem]:
    """Find secrets that are set nowhere, and URLs that are none with them."""
    values, problems = find_secrets(own.secrets, os.environ)
    if not problems:
        problems += _url_problems(own, values)
    return problems


def _url_problems(own: OwnStack, values: Mapping[str, str]) -> list[Problem]:
    problems = []
    for server in own.servers:
        named = dict.fromkeys(placeholders_in(server.url), _ANY_PORT)
        named |= {f"secrets.{name}": value for name, value in values.items()}
        if what := wrong_url(server.kind, filled(server.url, named)):
            place = f"{own.file}: servers {server.part} url"
            problems.append(Problem(where=place, what=what, fix=EXAMPLES[server.kind]))
    return problems
