"""Run the checkers that a record's own code declares, each in a process of its own.

    judge --trust-checkers  ->  _check RUN NAME (a process)  ->  an answer as JSON  ->  the verdict

The code is the record's copy, held to the digests in its plan: a file that was changed, or that the
plan does not name, is not run. A process keeps a checker from reaching other checkers and the
judge, gives it one order of sets and dictionaries and none of our secrets, and can be ended: by its
time, or by Ctrl-C.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import msgspec

from stormproof.checks.own_checkers import MEND, ask, without_addresses
from stormproof.checks.own_view import view_of
from stormproof.journeys.loader import import_file
from stormproof.kernel.errors import BadInput
from stormproof.kernel.limits import OWN_CHECKER_ANSWER_BYTES_MAX, OWN_CHECKER_S_MAX
from stormproof.load.process import end_with_parent
from stormproof.model.own_checker import Checker, OwnAnswer
from stormproof.model.plan import OwnChecker, Plan
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import changed_journeys, load_record, strange_files

# What a checker's process keeps of the environment: enough to start, no secrets, and little that
# could give another answer elsewhere.
_KEPT = re.compile(r"PATH|HOME|TMPDIR|TZ|LANG|LC_\w+|LD_LIBRARY_PATH|PYTHON\w*|COVERAGE_\w+")

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
    try:
        ended = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=OWN_CHECKER_S_MAX,
            env={**kept, "PYTHONHASHSEED": "0"},
            check=False,
        )
    except subprocess.TimeoutExpired:
        return _failed(f"took more than {OWN_CHECKER_S_MAX} s, and was ended")
    if ended.returncode or len(ended.stdout) > OWN_CHECKER_ANSWER_BYTES_MAX:
        return _failed(f"ended its process (code {ended.returncode}) without an answer")
    try:
        return msgspec.json.decode(ended.stdout, type=OwnAnswer)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _failed("ended its process without an answer")


def answer_alone(path: Path, name: str) -> int:
    """Ask one checker of a record, here, and write its answer on standard output; return 0.

    What the checker prints goes to standard error.
    """
    end_with_parent()
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
