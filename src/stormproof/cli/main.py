"""The commands of stormproof; each imports what it needs when it runs, so that help is instant."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from stormproof import __version__
from stormproof.cli.control_commands import ctl
from stormproof.cli.drill_commands import drill, log
from stormproof.cli.load_commands import import_file, quick, run_file
from stormproof.kernel.errors import BadInput, StormproofError

BAD_INPUT = 64
OWN_FAULT = 70


_TRUST = "Run the checkers of one's own that the record's code declares: it is somebody's code."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="stormproof")
def commands() -> None:
    """Prove that a service is ready for production: load, faults, evidence, one verdict.

    Exit codes: 0 PASS, 1 FAIL, 2 INCONCLUSIVE, 64 bad input, 69 the environment, 70 our own fault,
    130 interrupted (undo done, record sealed).
    """


@commands.command()
@click.argument("plan", default="demonstration")
@click.option("--profile", help="Profile by name or file; default: the plan's own name.")
@click.option("--scale", type=click.FloatRange(0.001, 100), default=1.0, show_default=True,
              help="Multiply rates, users and durations; below 1 it is a rehearsal.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), help="Instead of the profile's.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True,
              help="Folder that gets the run's own folder.")  # fmt: skip
@click.option("--target", default="", metavar="URL",
              help="A target that runs already, instead of the plan's stack; its faults are "
                   "not judged.")  # fmt: skip
@click.option("--stack", type=click.Path(path_type=Path), metavar="FILE",
              help="A stack file: how a target of your own is started.")  # fmt: skip
@click.option("--environment", default="", help="Environment by name or file: URLs and bars.")
@click.option("--secrets", type=click.Path(path_type=Path), metavar="FILE",
              help="Lines of NAME=value; else secrets come from the environment.")  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what would start when; start nothing.")
@click.option("--only", default="", metavar="IDS", help="Of a program: only these, such as C4,C8.")
@click.option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True,
              help="Of a program: trials at a time.")  # fmt: skip
@click.option("--coverage", default="", metavar="FILE",
              help="Of a program that asks for it: a Cobertura report.")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR",
              help="Go on with a program that was interrupted.")  # fmt: skip
def certify(
    plan: str,
    environment: str,
    profile: str | None,
    scale: float,
    seed: int | None,
    out: Path,
    target: str,
    stack: Path | None,
    secrets: Path | None,
    dry_run: bool,
    only: str,
    parallel: int,
    coverage: str,
    resume: Path | None,
) -> int:
    """Run a trial (default: the two-minute demonstration) or a program of trials; one verdict."""
    from stormproof.cli.plans import Order
    from stormproof.cli.programs import (
        ProgramRequest,
        program_named,
        refuse_together,
        resume_program,
    )
    from stormproof.cli.programs import certify_program as run_program
    from stormproof.cli.running import certify as run
    from stormproof.cli.running import preview

    request = ProgramRequest(
        out=out, only=only, scale=scale, seed=seed, target=target, environment=environment,
        secrets=secrets, parallel=parallel, coverage=coverage,
    )  # fmt: skip
    if resume is not None:
        return resume_program(resume, request)
    program = program_named(plan)
    if program is not None:
        refuse_together("a program", {"--profile": profile, "--dry-run": dry_run})
        return run_program(program, request)
    asked = {"--only": only, "--parallel": parallel > 1, "--coverage": coverage}
    refuse_together("a trial", asked)
    order = Order(
        plan=plan,
        profile=profile,
        scale=scale,
        seed=seed,
        target=target,
        stack=stack,
        secrets=secrets,
    )
    return preview(order, environment) if dry_run else run(order, out, environment)


commands.add_command(run_file)
commands.add_command(quick)
commands.add_command(import_file)
commands.add_command(ctl)
commands.add_command(drill)
commands.add_command(log)


@commands.command()
@click.argument("plan")
@click.option("--profile", help="Profile by name or file; default: the plan's own name.")
@click.option("--scale", type=click.FloatRange(0.001, 100), default=1.0, show_default=True)
@click.option("--target", default="", metavar="URL")
@click.option("--stack", type=click.Path(path_type=Path), metavar="FILE",
              help="A stack file: how a target of your own is started.")  # fmt: skip
@click.option("--secrets", type=click.Path(path_type=Path), metavar="FILE",
              help="Lines of NAME=value; else secrets come from the environment.")  # fmt: skip
def validate(
    plan: str,
    profile: str | None,
    scale: float,
    target: str,
    stack: Path | None,
    secrets: Path | None,
) -> int:
    """Check a plan, a profile, a stack or a file of journeys; name every problem, run nothing."""
    from stormproof.cli.plans import Order
    from stormproof.cli.validating import validate as check

    order = Order(
        plan=plan, profile=profile, scale=scale, target=target, stack=stack, secrets=secrets
    )
    return check(order)


@commands.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--profile", help="Judge by another profile's thresholds.")
@click.option("--out", type=click.Path(path_type=Path),
              help="Write the verdict here; default: the run's verdict.json, or only standard "
                   "output with --profile.")  # fmt: skip
@click.option("--trust-checkers", is_flag=True, help=_TRUST)
def judge(run: Path, profile: str | None, out: Path | None, trust_checkers: bool) -> int:
    """Judge a run again from its record alone; the same record gives the same bytes.

    RUN may also be a program's directory: its certificate is made again from its runs' verdicts.
    """
    from stormproof.cli.judging import judge_again
    from stormproof.cli.programs import judge_program
    from stormproof.store.program_directory import ProgramDirectory

    if ProgramDirectory.is_at(run):
        return judge_program(run, trust_checkers=trust_checkers)

    return judge_again(run, profile, out, trust_checkers=trust_checkers)


@commands.command()
@click.argument("run", type=click.Path(path_type=Path))
def report(run: Path) -> int:
    """Write report.html and junit.xml of a run anew and print its verdict."""
    from stormproof.cli.judging import report_again

    return report_again(run)


@commands.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("finding")
@click.option("--all", "everything", is_flag=True, help="Tell every witness and every operation.")
@click.option("--trust-checkers", is_flag=True, help=_TRUST)
def explain(run: Path, finding: str, everything: bool, trust_checkers: bool) -> int:
    """Tell the life of one FINDING of a run, with the faults, probes and failures around it.

    FINDING is its kind (lost), a checker of the trial's file, the key of any message, any key that
    journeys told the ledger of (cart:7), or an objective: its name, or a part that only one has.
    """
    from stormproof.cli.explaining import explain_run

    return explain_run(run, finding, everything=everything, trust_checkers=trust_checkers)


@commands.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--format", "kind", type=click.Choice(["json", "csv", "hdr"]), default="json",
              show_default=True, help="Lines of JSON, a table, or a HdrHistogram log.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE",
              help="Write here; default: standard output.")  # fmt: skip
@click.option("--metric", default="", metavar="M",
              help="Only this one, such as 'http_req_duration{scenario:feed}'.")  # fmt: skip
@click.option("--every", default="1s", show_default=True, help="Length of a step.")
def export(run: Path, kind: str, out: Path | None, metric: str, every: str) -> int:
    """Export what a run measured, out of its record.

    Exits 0; 2 where the record is not whole, with what there is exported.
    """
    from stormproof.cli.exporting import export_run

    return export_run(run, kind, out, metric, every)


@commands.command()
@click.argument("run", type=click.Path(path_type=Path), required=False)
def heal(run: Path | None) -> int:
    """Undo whatever dead runs left behind: faults, processes, shared memory, folders."""
    from stormproof.cli.healing import heal_runs

    return heal_runs(run)


@commands.command()
@click.option("--listen", default="127.0.0.1:8474", show_default=True, metavar="HOST:PORT",
              help="Where clients of Toxiproxy find it; port 0: any that is free.")  # fmt: skip
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE",
              help="Proxies to begin with: a JSON list, as Toxiproxy reads it.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0, 2**63 - 1), default=0, show_default=True,
              help="Of which connections a toxicity below 1 takes, and of jitter.")  # fmt: skip
@click.option("--verbose", is_flag=True, help="Tell each change on standard error.")
def proxy(listen: str, config: Path | None, seed: int, verbose: bool) -> int:
    """Break connections by hand: serve Toxiproxy's HTTP interface, for any client of it.

    Prints its URL, then serves until Ctrl-C.
    """
    from stormproof.cli.proxying import serve_proxies

    return serve_proxies(listen, config, seed, verbose=verbose)


@commands.command("_worker", hidden=True)
def worker() -> int:
    """Drive load for a controller; started by it."""
    from stormproof.cli.compose import worker_main

    return worker_main()


@commands.command("_check", hidden=True)
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("name")
def check(run: Path, name: str) -> int:
    """Ask one checker of a record's own code; started by whoever judges it."""
    from stormproof.cli.own_checking import answer_alone

    return answer_alone(run, name)


@commands.command("_keeper", hidden=True)
def keeper() -> int:
    """Keep a stack for a controller; started by it."""
    from stormproof.cli.compose import keeper_main

    return keeper_main()


def main() -> None:
    """Run the command line and exit with its code."""
    sys.exit(run_commands(sys.argv[1:]))


def run_commands(arguments: list[str]) -> int:
    """Run one command; return its exit code, with every error told on standard error."""
    try:
        result = commands.main(arguments, prog_name="stormproof", standalone_mode=False)
    except BadInput as error:
        _tell_bad_input(error)
        return error.exit_code
    except StormproofError as error:
        click.echo(f"stormproof: {error}", err=True)
        return error.exit_code
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return BAD_INPUT
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return OWN_FAULT
    except Exception as error:
        click.echo(f"stormproof: our own fault: {type(error).__name__}: {error}", err=True)
        import traceback

        traceback.print_exc()
        return OWN_FAULT
    return result if isinstance(result, int) else 0


def _tell_bad_input(error: BadInput) -> None:
    many = len(error.problems)
    click.echo(f"stormproof: {many} problem{'s' if many != 1 else ''} in the input", err=True)
    for problem in error.problems:
        click.echo(f"  {problem}", err=True)
