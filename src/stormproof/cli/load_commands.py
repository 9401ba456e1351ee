"""The commands that drive load without a certificate's ceremony: `run` and `quick`.

What they do is imported when they run, so that help is instant.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from stormproof.kernel.errors import BadInput, Problem
from stormproof.kernel.limits import RATE_PER_S_MAX, REQUESTS_MAX, USERS_MAX, WORKERS_MAX
from stormproof.kernel.units import parse_duration_ns

Command = TypeVar("Command", bound=Callable[..., Any])
MODES = ("normal", "burst", "stress", "soak")

_LOAD = (
    click.option("--vus", type=click.IntRange(1, USERS_MAX), help="Users, all scenarios together."),
    click.option("--duration", metavar="T", help="How long, such as 90s or 1m30s."),
    click.option("--rate", type=click.FloatRange(0.01, RATE_PER_S_MAX),
                 help="Iterations started a second, whatever the answers."),
    click.option("--insecure", is_flag=True, help="Believe any certificate of the target."),
    click.option("--dry-run", is_flag=True, help="Print what would be sent when; send nothing."),
    click.option("--verbose", is_flag=True, help="Show the first requests and their answers."),
    click.option("--workers", type=click.IntRange(1, WORKERS_MAX), help="Worker processes."),
    click.option("-H", "--header", "headers", multiple=True, metavar="'NAME: VALUE'",
                 help="A header of every request; its value is stored nowhere."),
    click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the profile's."),
    click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
                 help="Folder that gets the run's own folder."),
)  # fmt: skip


def _with_load(command: Command) -> Command:
    for option in reversed(_LOAD):
        command = option(command)
    return command


@click.command("run")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--profile", default="", help="Profile by name or file.")
@click.option("--environment", default="", help="Environment by name or file: URLs and bars.")
@click.option("--target", default="", metavar="URL", help="Where the service runs.")
@click.option("--stack", type=click.Path(path_type=Path), metavar="FILE",
              help="A stack file: how a target of your own is started.")  # fmt: skip
@click.option("--iterations", type=click.IntRange(1, REQUESTS_MAX),
              help="How often the journeys are run, all users together.")  # fmt: skip
@click.option("-e", "--env", "settings", multiple=True, metavar="KEY=VALUE",
              help="A setting that journeys read as user.env[KEY].")  # fmt: skip
@click.option("--secrets", type=click.Path(path_type=Path), metavar="FILE",
              help="Lines of NAME=value; else secrets come from the environment.")  # fmt: skip
@_with_load
def run_file(
    file: Path,
    profile: str,
    environment: str,
    target: str,
    stack: Path | None,
    settings: tuple[str, ...],
    secrets: Path | None,
    seed: int | None,
    out: Path,
    verbose: bool,
    dry_run: bool,
    **load: Any,
) -> int:
    """Run a file of journeys (or a trial) against a target and judge it.

    Users, rate and times come from the flags, else the profile, else the file's OPTIONS. Without
    any threshold every check of the journeys must hold, and nothing else is judged.
    """
    from stormproof.cli.jobs import Job
    from stormproof.cli.running import run

    headers = read_headers(load.pop("headers"))
    wish = _wish(load, read_settings(settings))
    job = Job(
        file=file,
        profile=profile,
        environment=environment,
        target=target,
        stack=stack,
        seed=seed,
        wish=wish,
        headers=headers,
        secrets=secrets,
    )
    return run(job, out, verbose=verbose, dry=dry_run)


@click.command()
@click.argument("url")
@click.option("--mode", type=click.Choice(MODES), default="normal", show_default=True)
@click.option(
    "--api-key",
    envvar="STORMPROOF_API_KEY",
    show_envvar=True,
    help="Sent as X-API-Key, stored nowhere.",
)
@_with_load
def quick(
    url: str,
    mode: str,
    api_key: str | None,
    seed: int | None,
    out: Path,
    verbose: bool,
    dry_run: bool,
    **load: Any,
) -> int:
    """Load one URL without a script; print the figures, write load_test_results.json."""
    from stormproof.cli.quick import quick as run

    headers = read_headers(load.pop("headers"))
    if api_key:
        headers = {**headers, "X-API-Key": api_key}
    wish = _wish(load, {})
    return run(
        url, mode, wish=wish, headers=headers, seed=seed, out=out, verbose=verbose, dry=dry_run
    )


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--host", default="", help="Whose requests of a HAR file are kept, name[:port].")
@click.option("--out", type=click.Path(path_type=Path), metavar="JOURNEY.py",
              help="The file to write; default: standard output.")  # fmt: skip
def import_file(file: Path, host: str, out: Path | None) -> int:
    """Turn a HAR file or an OpenAPI document into a file of journeys to keep."""
    from stormproof.cli.importing import import_journeys

    return import_journeys(file, host, out)


def _wish(load: dict[str, Any], env: dict[str, str]) -> Any:
    from stormproof.planning.documents import Amendments

    if load["duration"] is not None:
        try:
            parse_duration_ns(load["duration"])
        except ValueError as error:
            raise BadInput([Problem(where="--duration", what=str(error))]) from error
    return Amendments(env=env, **load)


def read_settings(texts: tuple[str, ...]) -> dict[str, str]:
    """Read settings written as KEY=VALUE.

    Raises:
        BadInput: one is not written so, or is there twice.
    """
    return _pairs(texts, "=", "-e", "KEY=VALUE")


def read_headers(texts: tuple[str, ...]) -> dict[str, str]:
    """Read headers written as `Name: value`.

    Raises:
        BadInput: one is not written so, or is there twice.
    """
    return _pairs(texts, ":", "-H", "'Name: value'")


def _pairs(texts: tuple[str, ...], mark: str, option: str, form: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    problems = []
    for text in texts:
        name, found, value = text.partition(mark)
        name = name.strip()
        if not found or not name or any(ord(one) < 0x20 for one in text):
            problems.append(Problem(where=option, what="cannot be read", fix=f"write it as {form}"))
        elif name in pairs:
            problems.append(Problem(where=f"{option} {name}", what="is there twice"))
        pairs[name] = value.strip()
    if problems:
        raise BadInput(problems)
    return pairs
