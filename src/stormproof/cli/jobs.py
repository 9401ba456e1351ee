"""From what `run` and `quick` were asked to a plan: journeys, a profile's document, environment.

file (journeys, maybe TRIAL, maybe OPTIONS)  +  profile or OPTIONS or the built-in `run`
+  environment  +  flags and variables   ->   document   ->   profile   ->   plan
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from stormproof.cli.locations import environment_folders, profile_folders, trial_folders
from stormproof.cli.own_stacks import placed
from stormproof.cli.plans import with_authored
from stormproof.importing.naming import constant
from stormproof.journeys.journey import Journey
from stormproof.journeys.loader import check_journey
from stormproof.kernel.errors import BadInput, Problem
from stormproof.model.plan import NotJudged, Plan
from stormproof.model.trial import Trial
from stormproof.planning.compiler import Choices, compile_plan
from stormproof.planning.documents import Amendments, amended, assigned
from stormproof.planning.environments import Environment, find_environment, read_environment
from stormproof.planning.fields import JsonObject, read_object
from stormproof.planning.k6 import is_k6_options, understood
from stormproof.planning.profiles import find_profile, profile_of, read_bytes
from stormproof.planning.safety import is_loopback_url
from stormproof.planning.trials import LoadedFile, LoadedTrial, load_file
from stormproof.stack.embedded import BREAKABLE

_SECRET_NAME = re.compile(r"(passw(or)?d|passphrase|secret|token|api[_-]?key)$", re.IGNORECASE)
BUILT_IN = "run"  # the profile where nothing else is said
UNASKED = ("http_req_duration", "http_req_failed")  # what the built-in objective says nothing of
NO_ENVIRONMENT = Environment(
    name="", description="", target="", ws_target="", env={}, limits={}, thresholds={}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What was asked: a file with journeys, and everything that changes its numbers."""

    file: Path
    profile: str = ""
    environment: str = ""
    target: str = ""
    stack: Path | None = None  # the file of a stack of one's own
    ws_target: str = ""  # where WebSockets are served, if not at the target
    region: str = ""
    name: str = ""  # of the run; empty: the file's
    seed: int | None = None
    scale: float = 1.0
    wish: Amendments = field(default_factory=Amendments)
    headers: Mapping[str, str] = field(default_factory=dict)  # of every request
    secrets: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """A profile's document on its way; `own_bars` says that somebody asked for thresholds."""

    document: JsonObject
    name: str
    where: str
    own_bars: bool = True


def compile_job(job: Job) -> tuple[Plan, LoadedTrial]:
    """Make the plan of a job.

    Raises:
        BadInput: with every problem found.
    """
    file = load_file(job.file, trial_folders())
    environment = _environment(job)
    job = replace(
        job,
        target=job.target or ("" if job.stack else environment.target),
        ws_target=job.ws_target or ("" if job.target or job.stack else environment.ws_target),
    )
    draft, problems = _document(job, file, environment)
    problems += _told_secrets(job.wish.env)
    wish = replace(
        job.wish,
        thresholds=environment.thresholds,
        limits=environment.limits,
        env={**environment.env, **job.wish.env},
        tags={"region": job.region} if job.region else {},
        workers=job.wish.workers or _workers(draft.document, job.target),
    )
    trial, document = file.trial, draft.document
    if trial is None:
        runs, document, unknown = assigned(document, _journeys(file), draft.where)
        problems += unknown
        trial = _trial_of(file, job.name or file.path.stem, runs)
    document, misfits = amended(document, wish, draft.where)
    problems += misfits
    profile, bad = profile_of(document, name=draft.name, where=draft.where)
    loaded, authored, wrong = with_authored(file.as_trial(trial), job.secrets)
    place = placed(loaded, job.stack, job.target)
    plan = compile_plan(
        place.loaded,
        profile,
        [*problems, *bad, *wrong, *place.problems],
        choices=Choices(
            seed=job.seed,
            scale=job.scale,
            target=place.target,
            ws_target=_as_http(job.ws_target),
            own_stack=place.own,
            capped=wish.is_cap,
        ),
        check_journey=check_journey,
        breakable=BREAKABLE,
        authored=authored,
    )
    plan = msgspec.structs.replace(plan, headers=tuple(job.headers))
    return (plan if draft.own_bars else _with_unasked(plan)), place.loaded


def _told_secrets(settings: Mapping[str, str]) -> list[Problem]:
    """Find settings that are called secrets: settings are in the record for everybody to read."""
    return [
        Problem(
            where=f"-e {name}",
            what="is called a secret, and settings are recorded",
            fix=f'declare {constant(name)} = secret("{constant(name)}"), and set it beforehand',
        )
        for name in settings
        if _SECRET_NAME.search(name)
    ]


def _as_http(url: str) -> str:
    """Return a ws URL as the http URL that its handshake goes to."""
    return re.sub(r"^ws(s?)://", r"http\1://", url.rstrip("/"))


def _environment(job: Job) -> Environment:
    if not job.environment:
        return NO_ENVIRONMENT
    return read_environment(find_environment(job.environment, environment_folders()))


def _document(job: Job, file: LoadedFile, environment: Environment) -> tuple[_Draft, list[Problem]]:
    """Find the numbers: a profile that was named, the trial's, or our own."""
    named = job.profile or ("" if file.trial is None else file.trial.name)
    problems: list[Problem] = []
    options = getattr(file.module, "OPTIONS", None)
    if options is not None and not job.profile:
        draft = _options(options, file.path, problems)
    else:
        path = find_profile(named or BUILT_IN, profile_folders())
        read = read_object(read_bytes(path), str(path), problems)
        document = understood(read, str(path), problems)
        draft = _Draft(document=document, name=path.stem, where=str(path), own_bars=bool(named))
    if problems and not draft.document:
        raise BadInput(problems)
    if environment.name:
        name = f"{draft.name}@{environment.name}"
        own = draft.own_bars or bool(environment.thresholds)
        draft = replace(draft, name=name, own_bars=own)
    return draft, problems


def _options(options: object, path: Path, problems: list[Problem]) -> _Draft:
    """Take the numbers that a file has as OPTIONS: a profile's document, or k6's options."""
    where = f"{path} OPTIONS"
    if not isinstance(options, dict):
        problems.append(Problem(where=where, what="must be a dict", fix='{"vus": 5, ...}'))
        raise BadInput(problems)
    document = understood(options, where, problems)
    asked = not is_k6_options(options) or bool(options.get("thresholds"))
    return _Draft(document=document, name=path.stem, where=where, own_bars=asked)


def _workers(document: JsonObject, target: str) -> int | None:
    """Return how many workers there are where nobody says: the stack needs cores of its own."""
    if "workers" in document:
        return None
    cores = len(os.sched_getaffinity(0))
    return max(1, cores // 2) if not target or is_loopback_url(target) else cores


def _journeys(file: LoadedFile) -> tuple[str, ...]:
    found = tuple(name for name, one in vars(file.module).items() if isinstance(one, Journey))
    if not found:
        what, fix = "has neither a TRIAL nor a journey", "decorate an async function with @journey"
        raise BadInput([Problem(where=str(file.path), what=what, fix=fix)])
    return found


def _trial_of(file: LoadedFile, name: str, scenarios: Mapping[str, str]) -> Trial:
    """Make the trial that a file of journeys alone stands for."""
    text = getattr(file.module, "__doc__", None) or file.path.stem
    title = text.strip().partition("\n")[0].rstrip(".")
    name = re.sub(r"[^A-Za-z0-9_-]", "-", name)[:64]
    return Trial(name=name, title=title, stack="none", scenarios=scenarios)


def _with_unasked(plan: Plan) -> Plan:
    """Say which questions nobody asked, so that a PASS does not look like their answer.

    Of what is asked, that every check holds, one check that fails is proof enough.
    """
    unasked = tuple(
        NotJudged(objective=metric, why="no threshold was given for it") for metric in UNASKED
    )
    exact = tuple(msgspec.structs.replace(one, exact=True) for one in plan.objectives)
    not_judged = plan.not_judged + unasked
    return msgspec.structs.replace(plan, objectives=exact, not_judged=not_judged, scope="reduced")
