"""Read one scenario of a profile, with k6's option names and defaults, executor by executor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypedDict, cast, get_args

from stormproof.kernel.limits import ITERATIONS_MAX, RATE_PER_S_MAX, STAGES_MAX, USERS_MAX
from stormproof.kernel.units import MINUTE_NS
from stormproof.model.plan import Arrivals, Executor, Stage
from stormproof.model.profile import ScenarioNumbers
from stormproof.model.setting import Setting
from stormproof.planning.fields import Fields

EXECUTORS: Final[tuple[Executor, ...]] = get_args(Executor)
ARRIVALS: Final[tuple[Arrivals, ...]] = get_args(Arrivals)
MAX_DURATION_NS: Final = 10 * MINUTE_NS  # of those with a number of iterations, where none is given
PACE_S: Final = Setting("pace_s")  # from one iteration of a user to its next


class _Own(TypedDict, total=False):
    """What an executor has of its own."""

    rate: float
    time_unit_ns: int
    vus: int
    max_vus: int
    duration_ns: int | None
    stages: tuple[Stage, ...]
    start_rate: float
    start_vus: int
    iterations: int
    graceful_ramp_down_ns: int
    arrivals: Arrivals


def read_scenario(fields: Fields) -> ScenarioNumbers:
    """Take a scenario; what is wrong with it is noted with the fields."""
    executor = cast("Executor", fields.choice("executor", EXECUTORS))
    own = _READERS[executor](fields)
    numbers = ScenarioNumbers(
        executor=executor,
        exec=fields.text("exec", ""),
        start_ns=fields.duration_ns("startTime", default="0s", low="0s", high="24h"),
        graceful_stop_ns=fields.duration_ns("gracefulStop", default="30s", low="0s", high="1h"),
        tags=fields.inner("tags").texts(),
        env=_env(fields.inner("env")),
        **own,
    )
    if fields.has("exec") and not numbers.exec:
        fields.problem("exec", "names no journey", "leave it out, or name one")
    fields.done()
    return numbers


def _env(fields: Fields) -> Mapping[str, str]:
    """Take the settings of a scenario; the one that paces it must be a number."""
    env = fields.texts()
    problem = PACE_S.problem(env) if PACE_S.name in env else None
    if problem is not None:
        fields.problem(problem.where, problem.what, problem.fix)
    return env


def _constant_arrival_rate(fields: Fields) -> _Own:
    own = _open(fields)
    own["rate"] = fields.number("rate", default=None, low=0.01, high=RATE_PER_S_MAX)
    own["duration_ns"] = _optional_duration_ns(fields, "duration")
    return own


def _ramping_arrival_rate(fields: Fields) -> _Own:
    own = _open(fields)
    own["start_rate"] = fields.number("startRate", default=0.0, low=0.0, high=RATE_PER_S_MAX)
    own["stages"] = stages = _stages(fields, float(RATE_PER_S_MAX), whole=False)
    own["duration_ns"] = sum(stage.duration_ns for stage in stages)
    if stages and not any([own["start_rate"], *(stage.target for stage in stages)]):
        fields.problem("stages", "never start anything", "a target or startRate above 0")
    return own


def _open(fields: Fields) -> _Own:
    """Take what both open executors have: k6's users, and how iterations are spread."""
    unit_ns = fields.duration_ns("timeUnit", default="1s", low="1ms", high="24h")
    vus = fields.whole("preAllocatedVUs", default=None, low=1, high=USERS_MAX)
    arrivals = fields.choice("arrivals", ARRIVALS) if fields.has("arrivals") else "even"
    return _Own(
        time_unit_ns=unit_ns,
        vus=vus,
        max_vus=_max_vus(fields, vus, "preAllocatedVUs"),
        arrivals=cast("Arrivals", arrivals),
    )


def _constant_vus(fields: Fields) -> _Own:
    vus = fields.whole("vus", default=1, low=1, high=USERS_MAX)
    return _Own(
        vus=vus,
        max_vus=_max_vus(fields, vus, "vus"),
        duration_ns=_optional_duration_ns(fields, "duration"),
        graceful_ramp_down_ns=_graceful_ramp_down_ns(fields),
    )


def _ramping_vus(fields: Fields) -> _Own:
    start = fields.whole("startVUs", default=1, low=0, high=USERS_MAX)
    stages = _stages(fields, float(USERS_MAX), whole=True)
    peak = max([start, *(int(stage.target) for stage in stages)])
    if stages and peak == 0:
        fields.problem("stages", "never have a user", "a target or startVUs above 0")
    return _Own(
        start_vus=start,
        stages=stages,
        vus=max(1, peak),
        max_vus=_max_vus(fields, max(1, peak), "the largest target"),
        duration_ns=sum(stage.duration_ns for stage in stages),
        graceful_ramp_down_ns=_graceful_ramp_down_ns(fields),
    )


def _per_vu_iterations(fields: Fields) -> _Own:
    own = _iterations(fields)
    if own["vus"] * own["iterations"] > ITERATIONS_MAX:
        fields.problem("iterations", f"are over {ITERATIONS_MAX} with all users together")
    return own


def _shared_iterations(fields: Fields) -> _Own:
    own = _iterations(fields)
    if own["iterations"] < own["vus"]:
        what = f"{own['iterations']} are fewer than its vus ({own['vus']})"
        fields.problem("iterations", what, "one for each user at least")
    return own


def _iterations(fields: Fields) -> _Own:
    vus = fields.whole("vus", default=1, low=1, high=USERS_MAX)
    return _Own(
        vus=vus,
        max_vus=vus,
        iterations=fields.whole("iterations", default=1, low=1, high=ITERATIONS_MAX),
        duration_ns=_optional_duration_ns(fields, "maxDuration"),
    )


def _max_vus(fields: Fields, vus: int, of: str) -> int:
    max_vus = fields.whole("maxVUs", default=vus, low=1, high=USERS_MAX)
    if max_vus < vus:
        fields.problem("maxVUs", f"{max_vus} is less than {of} ({vus})")
    return max_vus


def _graceful_ramp_down_ns(fields: Fields) -> int:
    return fields.duration_ns("gracefulRampDown", default="30s", low="0s", high="1h")


def _optional_duration_ns(fields: Fields, key: str) -> int | None:
    if not fields.has(key):
        return None
    return fields.duration_ns(key, default="1s", low="1s", high="24h")


def _stages(fields: Fields, target_max: float, *, whole: bool) -> tuple[Stage, ...]:
    listed = fields.listed("stages", STAGES_MAX)
    stages = tuple(_stage(one, target_max, whole=whole) for one in listed)
    if listed and not any(stage.duration_ns for stage in stages):
        fields.problem(
            "stages", "last no time at all", 'such as [{"duration": "30s", "target": 10}]'
        )
    return stages


def _stage(fields: Fields, target_max: float, *, whole: bool) -> Stage:
    length_ns = fields.duration_ns("duration", default=None, low="0s", high="24h")
    target = (
        float(fields.whole("target", default=None, low=0, high=int(target_max)))
        if whole
        else fields.number("target", default=None, low=0.0, high=target_max)
    )
    fields.done()
    return Stage(duration_ns=length_ns, target=target)


_READERS: Final[dict[Executor, Callable[[Fields], _Own]]] = {
    "constant-arrival-rate": _constant_arrival_rate,
    "ramping-arrival-rate": _ramping_arrival_rate,
    "constant-vus": _constant_vus,
    "ramping-vus": _ramping_vus,
    "per-vu-iterations": _per_vu_iterations,
    "shared-iterations": _shared_iterations,
}
