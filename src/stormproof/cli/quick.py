"""`stormproof quick`: a URL, a mode, one verdict, one file of figures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import click
import msgspec

from stormproof.cli.dry_run import dry_run
from stormproof.cli.execution import Manner, Outcome, carry_out
from stormproof.cli.first_look import with_served
from stormproof.cli.jobs import Job, compile_job
from stormproof.cli.locations import profile_folders
from stormproof.cli.variables import read_variables
from stormproof.kernel.canonical import readable_json
from stormproof.kernel.errors import BadInput, EnvironmentFailure, Problem
from stormproof.kernel.masking import mask_secrets
from stormproof.model.observed import TARGET
from stormproof.model.plan import Plan
from stormproof.planning.documents import Amendments
from stormproof.planning.profiles import find_profile, read_profile
from stormproof.report.quick import breaking_point, lines_of, results_of
from stormproof.store.reader import load_record

JOURNEY = Path(__file__).with_name("quick_journey.py")
RESULTS = "load_test_results.json"
MEMORY = f"{TARGET}:process_resident_memory_bytes"


def quick(
    url: str,
    mode: str,
    *,
    wish: Amendments,
    headers: Mapping[str, str],
    seed: int | None,
    out: Path,
    verbose: bool,
    dry: bool,
) -> int:
    """Load one URL, print the figures beside the verdict, and return the exit code.

    Raises:
        BadInput: with every problem of the URL and the options.
    """
    target, path = split_url(url)
    profile = f"quick-{mode}"
    job = Job(
        file=JOURNEY,
        profile=profile,
        name=profile,
        target=target,
        seed=seed,
        wish=replace(wish, env={"path": path, **({"pace_s": "0"} if wish.rate else {})}),
        headers=headers,
    )
    plan, loaded = compile_job(job)
    if dry:
        return dry_run(plan, loaded, headers)
    plan = with_served(plan, headers, lambda text: click.echo(text, err=True))
    if mode == "soak":
        plan = within_its_sight(plan)
    variables = read_variables(os.environ, flags={})
    manner = Manner(variables=variables, headers=headers, verbose=verbose)
    outcome = carry_out(plan, loaded, out, manner)
    _report(outcome, profile)
    return outcome.exit_code()


def split_url(url: str) -> tuple[str, str]:
    """Split a URL into the target and the path with its query, ready to be a template.

    Raises:
        BadInput: it is none, or its query holds what looks like a secret.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise BadInput([Problem(where=url, what="is no URL", fix="such as http://127.0.0.1:8000/")])
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if mask_secrets(path) != path:
        what, fix = "its query holds a secret, and paths are recorded", "use --api-key or -H"
        raise BadInput([Problem(where="URL", what=what, fix=fix)])
    return f"{parts.scheme}://{parts.netloc}", path.replace("{", "%7B").replace("}", "%7D")


def within_its_sight(plan: Plan) -> Plan:
    """Return the plan of a soak; one that does not see its target's memory is a reduced one.

    Why not is among what is not judged: nothing serves it, or the time is too short for a slope.
    """
    if any(one.metric == MEMORY for one in plan.objectives):
        return plan
    return msgspec.structs.replace(plan, scope="reduced")


def _report(outcome: Outcome, profile: str) -> None:
    """Print the figures, and write them into the working and the run's directory."""
    record = load_record(outcome.directory)
    results = results_of(record)
    reference = read_profile(find_profile(profile, profile_folders()))[0].reference
    point = breaking_point(record, outcome.verdict)
    for line in lines_of(results, point=point, reference=reference):
        click.echo(line)
    data = readable_json(results)
    outcome.directory.save(outcome.directory.path / RESULTS, data)
    try:
        Path(RESULTS).write_bytes(data)
    except OSError as error:
        what = f"{RESULTS} cannot be written here: {error.strerror}"
        raise EnvironmentFailure(what, f"it is in {outcome.directory.path}") from error
