"""Stop conditions: bars on what users suffer; once one is broken, all faults are undone."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from stormproof.kernel.errors import Problem
from stormproof.model.objective import Abort, Objective
from stormproof.model.profile import Profile
from stormproof.planning.problems import repetitions
from stormproof.planning.thresholds import read_thresholds
from stormproof.rules.questions import Declared


def read_stops(
    profile: Profile, declared: Declared, objectives: Sequence[Objective]
) -> tuple[list[Objective], list[Problem]]:
    """Read the stop conditions of a profile, with all that is wrong with them.

    Args:
        profile: with its `stop` as it was written.
        declared: what the plan adds to the catalog.
        objectives: none of them may be a stop condition as well, for a name means one thing.
    """
    where = f"{profile.where}: stop"
    stops, problems = read_thresholds(profile.stops, where, exact=False, declared=declared)
    if stops and not profile.faults:
        what = "there is no fault that it could undo"
        problems.append(Problem(where=where, what=what, fix="leave it out"))
    asked = {one.name for one in objectives}
    for one in stops:
        place = f"{where} {one.name!r}"
        if one.abort is not None:
            what = "undoes the faults and ends no load"
            problems.append(Problem(where=place, what=what, fix="leave out abortOnFail"))
        if one.name in asked:
            what = "is a threshold as well"
            problems.append(Problem(where=place, what=what, fix="keep it in `stop` alone"))
    problems += repetitions(stops, where)
    return [msgspec.structs.replace(one, abort=Abort()) for one in stops], problems
