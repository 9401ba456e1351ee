"""Run the checkers that a record's own code declares, each in a process of its own.

    judge --trust-checkers  ->  _check RUN NAME (a process)  ->  an answer as JSON  ->  the verdict

The code is the record's copy, held to the digests in its plan: a file that was changed, or that the
plan does not name, is not run. A process keeps a checker from reaching other checkers and the
judge, gives it one order of sets and dictionaries and none of our secrets, and can be ended, with
all that it has started: by its time, which is told while it runs out, or by Ctrl-C.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click
import msgspec

from stormproof.checks.own_checkers import MEND, ask, without_addresses
from stormproof.checks.own_view import view_of
from stormproof.journeys.loader import import_file
from stormproof.kernel.errors import BadInput
from stormproof.kernel.limits import OWN_CHECKER_ANSWER_BYTES_MAX, OWN_CHECKER_S_MAX
from stormproof.kernel.units import SECOND_NS
from stormproof.load.process import end_with_parent
from stormproof.model.own_checker import Checker, OwnAnswer
from stormproof.model.plan import OwnChecker, Plan
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import changed_journeys, load_record, strange_files

# What a checker's process keeps of the environment: enough to start, no secrets, and little that
# could give another answer elsewhere.
_KEPT = re.compile(r"PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_LIBRARY_PATH|PYTHON\w*|COVERAGE_\w+")

TOLD_EVERY_S: Final = 10
FASTER: Final = (
    "have it look at each operation once, by `columns`, or give it longer: checkerTimeout of the"
    " profile"
)
RELOAD = "read variables of the environment in journeys and not on import; then run again"


def own_answers(directory: RunDirectory, plan: Plan) -> Mapping[str, OwnAnswer]:
    """Ask every checker that a plan names, and return their answers by function."""
    wrong = [*changed_journeys(directory, plan), *strange_files(directory, plan)]
    if wrong:
        why, remedy = f"its code was not run: {wrong[0]}", "judge the record as it was sealed"
        refused = OwnAnswer(why=why, remedy=remedy)
        return {own.source.function: refused for own in plan.own_checkers}
    return {own.source.function: _answer(directory, own) for own in plan.own_checkers}


def _answer(directory: RunDirectory, own: OwnChecker) -> OwnAnswer:
    """Ask one checker in a process of its own."""
    path, name = str(directory.path.absolute()), own.source.function
    command = [sys.executable, "-P", "-m", "stormproof", "_check", path, name]
    kept = {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={**kept, "PYTHONHASHSEED": "0"},
        start_new_session=True,  # so that whatever it starts can be ended with it
    )
    bound_s = min(own.timeout_ns / SECOND_NS, OWN_CHECKER_S_MAX)
    try:
        answer = _heard(process, name, bound_s)
    finally:
        _end_with_children(process)
    if answer is None:
        return _failed(f"took more than {bound_s:g} s, and was ended", FASTER)
    if process.returncode or len(answer) > OWN_CHECKER_ANSWER_BYTES_MAX:
        return _failed(f"ended its process (code {process.returncode}) without an answer")
    try:
        return msgspec.json.decode(answer, type=OwnAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _failed("ended its process without an answer")


def _heard(process: subprocess.Popen[bytes], name: str, bound_s: float) -> bytes | None:
    """Return what a checker's process writes, None where it takes too long; tell who waits."""
    began_s = time.monotonic()
    while (left_s := began_s + bound_s - time.monotonic()) > 0:
        try:
            return process.communicate(timeout=min(left_s, TOLD_EVERY_S))[0]
        except subprocess.TimeoutExpired:
            so_far_s = time.monotonic() - began_s
            if so_far_s < bound_s:
                told = f"{name} has been checking for {so_far_s:.0f} s; it may for {bound_s:g} s"
                click.echo(told, err=True)
    return None


def _end_with_children(process: subprocess.Popen[bytes]) -> None:
    """End a checker's process, and what it has started and left."""
    with contextlib.suppress(ProcessLookupError):  # nobody is left
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def answer_alone(path: Path, name: str) -> int:
    """Ask one checker of a record, here, and write its answer on standard output; return 0.

    What the checker prints goes to standard error.
    """
    end_with_parent()
    if os.getpgrp() == os.getpid():
        signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, signal.SIGKILL))
    answers = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    directory = RunDirectory.open(path)
    data = msgspec.json.encode(_ask(directory, name))
    with os.fdopen(answers, "wb") as stream:
        stream.write(data)
    return 0


def _ask(directory: RunDirectory, name: str) -> OwnAnswer:
    record = load_record(directory)
    own = next(one for one in record.plan.own_checkers if one.source.function == name)
    file = directory.journeys / own.source.file
    sys.path.insert(0, str(directory.journeys.absolute()))  # what it imports when it is called
    # Compiled files beside the sources are neither read, for they have no digest, nor written.
    sys.pycache_prefix, sys.dont_write_bytecode = os.devnull, True
    try:
        checker = getattr(import_file(file, own.source.sha256), name, None)
    except BadInput as error:
        return _failed(_movable(directory, f"cannot be loaded: {error.problems[0]}"), RELOAD)
    if not isinstance(checker, Checker) or checker.metrics != own.metrics:
        return _failed("is not what the plan names: it was another one when the run began")
    try:
        return ask(checker, view_of(record))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # user code may raise anything
        told = f"raised {type(error).__name__}{_told(error)}{_place(directory.journeys, error)}"
        return _failed(_movable(directory, told))


def _told(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())[:200]
    except Exception as unreadable:  # user code again
        text = f"its text cannot be had: {type(unreadable).__name__}"
    return f": {text}" if text else ""


def _movable(directory: RunDirectory, text: str) -> str:
    """Return a text without what is another when the record is judged again, or elsewhere."""
    for folder in (directory.path, directory.path.resolve()):
        text = text.replace(f"{folder}{os.sep}", "")
    return without_addresses(text.encode("utf-8", "replace").decode())


def _place(folder: Path, error: BaseException) -> str:
    """Return the deepest line of the record's own code in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if Path(one.filename).is_relative_to(folder)]
    return f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""


def _failed(what: str, remedy: str = MEND) -> OwnAnswer:
    return OwnAnswer(why=f"it {what}", remedy=remedy, failed=True)
