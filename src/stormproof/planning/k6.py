"""k6's `options` as a profile: scenarios, thresholds and the shortcuts, unchanged.

What k6 knows and this does not is told: as a note where it changes nothing that is measured, as a
problem where leaving it out would make another test of it.

Source: k6, options reference; `lib/options.go`, `lib/executor/execution_config_shortcuts.go`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from stormproof.kernel.errors import Problem
from stormproof.kernel.units import MILLISECOND_NS, SECOND_NS, parse_duration_ns
from stormproof.planning.fields import JsonObject, suggest

SHORTCUTS: Final = ("iterations", "duration", "stages")
LOAD: Final = ("scenarios", "stages", "vus", "iterations")  # either of them makes it k6's
NOT_MEASURED: Final = frozenset(
    """batch batchPerHost cloud compatibilityMode consoleOutput discardResponseBodies dns ext
    httpDebug includeSystemEnvVars linger metricSamplesBufferSize name noCookiesReset noUsageReport
    setupTimeout summaryTimeUnit summaryTrendStats systemTags teardownTimeout throw
    userAgent""".split()
)
ELSEWHERE: Final[Mapping[str, str]] = {
    "blacklistIPs": "hosts that nobody named are refused anyway",
    "blockHostnames": "hosts that nobody named are refused anyway",
    "executionSegment": "the workers of one run share the load: `workers`",
    "executionSegmentSequence": "the workers of one run share the load: `workers`",
    "localIPs": "no address can be chosen",
    "maxRedirects": "say it where the request is made",
    "minIterationDuration": "let the journey think",
    "noConnectionReuse": "connections are always used again",
    "noSetup": "remove the journey's setup",
    "noTeardown": "remove the journey's teardown",
    "noVUConnectionReuse": "connections are always used again",
    "paused": "stormproof ctl RUN pause",
    "rps": "an executor with an arrival rate",
    "tlsAuth": "`tls` of a profile",
    "tlsCipherSuites": "`tls` of a profile",
    "tlsVersion": "`tls` of a profile",
}
SINGLE_MAX_DURATION: Final = "10m"  # k6's, of what is over when its iterations are done
PROFILE_ONLY: Final = frozenset(
    """description drain faults gate limits network notes population ports probes ready recovery
    reference seed tls trial warmup workers""".split()
)
_DURATIONS: Final = ("startTime", "gracefulStop", "duration", "maxDuration", "gracefulRampDown")
TAKEN: Final = (*LOAD, "duration", "hosts", "insecureSkipTLSVerify", "tags", "thresholds")
_ALL: Final = (*TAKEN, *NOT_MEASURED, *ELSEWHERE)
_DAYS = re.compile(r"([0-9]+)d")


def is_k6_options(document: JsonObject) -> bool:
    """Say whether a JSON object is k6's options rather than a profile, which has a duration."""
    if not document.keys().isdisjoint(PROFILE_ONLY):
        return False
    is_profile = "scenarios" in document and "duration" in document
    return not is_profile and not document.keys().isdisjoint(LOAD)


def as_document(options: JsonObject, where: str) -> tuple[JsonObject, list[Problem]]:
    """Return the profile's document that k6's options stand for, and what cannot be.

    Its `notes` say what was left out because it changes nothing that is measured.

    Args:
        options: the object that a k6 script exports as `options`, as JSON.
        where: names it in messages.
    """
    problems = [*_clashing(options, where), *_unknown(options, where)]
    scenarios = _scenarios(options, where, problems)
    tags = options.get("tags", {})
    if isinstance(tags, dict) and tags:
        for scenario in scenarios.values():
            own = scenario.get("tags", {})
            scenario["tags"] = {**tags, **own} if isinstance(own, dict) else own
    document: dict[str, object] = {
        "warmup": "0s",
        "duration": _whole_length(scenarios.values()),
        "scenarios": scenarios,
        "thresholds": options.get("thresholds", {}),
        "notes": _notes(options),
    }
    if not document["thresholds"]:
        document["thresholds"] = {"checks": ["rate==1"]}
    if options.get("insecureSkipTLSVerify"):
        document["tls"] = {"insecure": True}
    if options.get("hosts"):
        document["network"] = {"hosts": options["hosts"]}
    return document, problems


def understood(document: JsonObject, where: str, problems: list[Problem]) -> JsonObject:
    """Return a document as a profile's: as it is, or, where it is k6's options, translated."""
    if not is_k6_options(document):
        return document
    translated, found = as_document(document, where)
    problems += found
    return translated


def _clashing(options: JsonObject, where: str) -> list[Problem]:
    """Find several ways at once to say how much load there is."""
    given = [key for key in ("scenarios", *SHORTCUTS) if options.get(key) is not None]
    if given == ["iterations", "duration"] or len(given) < 2:
        return []  # the duration is then the longest that the iterations may take
    what = f"{' and '.join(f'`{key}`' for key in given)} each say how much load there is"
    return [Problem(where=where, what=what, fix="keep one of them")]


def _unknown(options: JsonObject, where: str) -> list[Problem]:
    problems = []
    for key, value in options.items():
        if key in ELSEWHERE and value not in (None, False, [], {}):
            what = "would make another test of it and is not taken from k6's options"
            problems.append(Problem(where=f"{where} {key}", what=what, fix=ELSEWHERE[key]))
        elif key not in _ALL:
            fix = suggest(key, tuple(sorted(_ALL)))
            problems.append(Problem(where=f"{where} {key}", what="is no option of k6", fix=fix))
    return problems


def _notes(options: JsonObject) -> list[str]:
    left_out = sorted(key for key in options if key in NOT_MEASURED)
    notes = [f"k6's option {key} changes nothing here" for key in left_out]
    if not options.get("thresholds"):
        notes.append("k6's options have no thresholds: every check must hold")
    if "vus" in options and all(options.get(key) is None for key in ("scenarios", *SHORTCUTS)):
        notes.append("k6 ignores `vus` without duration, iterations or stages: one user runs once")
    return notes


def _scenarios(
    options: JsonObject, where: str, problems: list[Problem]
) -> dict[str, dict[str, object]]:
    given = options.get("scenarios")
    if given is None:
        return {"default": _timed(_shortcut(options))}
    if not isinstance(given, dict) or not given:
        problems.append(Problem(where=f"{where} scenarios", what="must be an object of scenarios"))
        return {}
    scenarios = {}
    for name, scenario in given.items():
        place = f"{where} scenarios {name}"
        if not isinstance(scenario, dict):
            problems.append(Problem(where=place, what="must be an object"))
            continue
        if scenario.get("executor") == "externally-controlled":
            what, fix = "is controlled from outside", "constant-vus with maxVUs, and stormproof ctl"
            problems.append(Problem(where=f"{place} executor", what=what, fix=fix))
            continue
        scenarios[name] = _timed(scenario)
    return scenarios


def _shortcut(options: JsonObject) -> dict[str, object]:
    """Return the scenario that k6 derives from its shortcuts."""
    vus = {} if options.get("vus") is None else {"vus": options["vus"]}
    duration = options.get("duration")
    if options.get("iterations") is not None:
        longest = {} if duration is None else {"maxDuration": duration}
        return {
            "executor": "shared-iterations",
            **vus,
            "iterations": options["iterations"],
            **longest,
        }
    if options.get("stages"):
        start = {} if options.get("vus") is None else {"startVUs": options["vus"]}
        return {"executor": "ramping-vus", **start, "stages": options["stages"]}
    if duration is not None:
        return {"executor": "constant-vus", **vus, "duration": duration}
    return {"executor": "per-vu-iterations"}


def _timed(scenario: JsonObject) -> dict[str, object]:
    """Return a scenario whose durations are written as we read them; k6 takes numbers as ms."""
    written = {
        key: _duration(value) if key in _DURATIONS else value for key, value in scenario.items()
    }
    stages = scenario.get("stages")
    if isinstance(stages, list):
        written["stages"] = [
            {**one, "duration": _duration(one.get("duration"))} if isinstance(one, dict) else one
            for one in stages
        ]
    if str(scenario.get("executor")).endswith("-iterations"):
        written.setdefault("maxDuration", SINGLE_MAX_DURATION)
    return written


def _duration(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:g}ms"
    if not isinstance(value, str):
        return value
    return _DAYS.sub(lambda days: f"{24 * int(days[1])}h", value).replace("µs", "us")


def _whole_length(scenarios: Iterable[JsonObject]) -> str:
    """Return how long all scenarios take; what is no duration is told when they are read."""
    ends_ns = [_ns(one.get("startTime")) + _length_ns(one) for one in scenarios]
    return f"{max([SECOND_NS, *ends_ns]) // MILLISECOND_NS}ms"


def _length_ns(scenario: JsonObject) -> int:
    stages = scenario.get("stages")
    if isinstance(stages, list):
        return sum(_ns(one.get("duration")) for one in stages if isinstance(one, dict))
    return _ns(scenario.get("duration", scenario.get("maxDuration")))


def _ns(value: object) -> int:
    try:
        return parse_duration_ns(str(value))
    except ValueError:
        return 0
