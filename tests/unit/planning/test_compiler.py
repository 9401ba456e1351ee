"""Compiling: the shipped plans are sound, scaling keeps the floors, and bad input is told whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput
from stormproof.kernel.units import SECOND_NS
from stormproof.model.authored import Authored
from stormproof.model.plan import FeedFile, Plan, Source
from stormproof.planning.compiler import Choices, compile_plan
from stormproof.planning.problems import tag_problems
from stormproof.planning.profiles import find_profile, read_profile
from stormproof.planning.trials import find_trial, load_trial
from stormproof.stack.embedded import BREAKABLE
from stormproof.workload.population import indices_of

ROOT = Path(__file__).resolve().parents[3]
TRIAL = ROOT / "trials" / "demonstration.py"
NEIGHBOUR = "sanctum_journeys"
PROFILES = ROOT / "load" / "profiles"


@pytest.fixture(autouse=True)
def forgotten_neighbour() -> Iterator[None]:
    """Have each test import the neighbour of the trial that it loads, not another test's."""
    sys.modules.pop(NEIGHBOUR, None)
    yield
    sys.modules.pop(NEIGHBOUR, None)


def demonstration(folder: Path, source: str, neighbour: str = "") -> Path:
    """Write a changed demonstration, with the neighbour that it imports, as it is or changed."""
    shared = neighbour or (TRIAL.parent / f"{NEIGHBOUR}.py").read_text(encoding="utf-8")
    (folder / f"{NEIGHBOUR}.py").write_text(shared, encoding="utf-8")
    path = folder / "demonstration.py"
    path.write_text(source, encoding="utf-8")
    return path


def compiled(profile: Path, *, trial: Path = TRIAL, **choices: Any) -> Plan:
    read, problems = read_profile(profile)
    return compile_plan(
        load_trial(trial),
        read,
        problems,
        choices=Choices(**choices),
        check_journey=lambda path, function, env: [],
        breakable=BREAKABLE,
    )


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[Callable[[dict[str, Any]], object]], str]:
    """Compile a changed copy of the demonstration's profile; return its problems as text."""

    def compile_changed(change: Callable[[dict[str, Any]], object]) -> str:
        value = json.loads((PROFILES / "demonstration.json").read_bytes())
        change(value)
        path = tmp_path / "changed.json"
        path.write_text(json.dumps(value))
        with pytest.raises(BadInput) as caught:
            compiled(path)
        return str(caught.value)

    return compile_changed


@pytest.mark.parametrize("name", ["demonstration", "ci", "ci-strict"])
def test_every_shipped_profile_compiles_whole(name: str) -> None:
    """Each shipped profile gives a full plan that judges everything it names."""
    plan = compiled(PROFILES / f"{name}.json")
    assert plan.scope == "full"
    assert plan.not_judged == ()
    assert len(plan.faults) == 2


@pytest.mark.parametrize("name", ["demonstration", "ci", "ci-strict"])
def test_every_channel_has_members_in_every_worker(name: str) -> None:
    """What is joined across workers when judging is shown by the main job itself."""
    plan = compiled(PROFILES / f"{name}.json")
    chat = next(one for one in plan.scenarios if one.name == "chat")
    channels = int(chat.env["channels"])
    assert channels == plan.population.channels
    for worker in range(plan.workers):
        own = indices_of(chat.vus, worker, plan.workers)
        assert {index % channels for index in own} == set(range(channels))


def test_equal_inputs_give_equal_digests_and_a_seed_another() -> None:
    """The digest of a plan depends on its content alone."""
    profile = PROFILES / "demonstration.json"
    assert compiled(profile).digest() == compiled(profile).digest()
    assert compiled(profile).digest() != compiled(profile, seed=2).digest()


def test_scaling_keeps_the_floors_and_the_order_of_the_timeline() -> None:
    """A small scale shrinks load and time down to the floors, and its faults stay within."""
    plan = compiled(PROFILES / "demonstration.json", scale=0.01)
    assert plan.duration_ns == 60 * SECOND_NS
    feed, chat = plan.scenarios
    assert feed.rate == 30
    assert chat.vus == 48
    assert plan.faults[0].for_ns == 4 * SECOND_NS
    assert all(one.at_ns + one.for_ns < plan.duration_ns for one in plan.faults)
    assert plan.scope == "reduced"


def test_a_running_target_has_its_faults_not_judged() -> None:
    """With a target of the user's own nothing is broken, and what needs faults is listed."""
    plan = compiled(PROFILES / "demonstration.json", target="http://127.0.0.1:8000")
    assert plan.faults == ()
    assert plan.stack == "none"
    assert plan.scope == "reduced"
    listed = " ".join(one.objective for one in plan.not_judged)
    assert "recovery_ready_s" in listed
    assert "fault_effective" in listed
    assert "delivery_lost" in " ".join(one.name for one in plan.objectives)


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("ftp://127.0.0.1", "is no http URL"),
        ("https://example.com", "is not this machine, and its load has no cap .give --vus"),
        ("http://127.0.0.1:99999", "has no valid port"),
        ("http://127.0.0.1:80/x?y", "is more than scheme, host and port"),
    ],
)
def test_a_target_that_is_not_ours_to_load_is_refused(target: str, problem: str) -> None:
    """Load without a cap goes only to this machine, and the message says so."""
    with pytest.raises(BadInput, match=problem):
        compiled(PROFILES / "demonstration.json", target=target)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda p: p["thresholds"].update({"http_reqz": ["count>1"]}), "did you mean 'http_reqs'"),
        (
            lambda p: p["thresholds"].update({"http_reqs{scenaro:feed}": ["count>1"]}),
            "did you mean 'scenario'",
        ),
        (
            lambda p: p["thresholds"].update({"http_reqs{scenario:fed}": ["count>1"]}),
            "did you mean 'feed'",
        ),
        (lambda p: p["thresholds"].update({"http_reqs": ["count>>1"]}), "count>>1"),
        (lambda p: p["thresholds"].update({"delivery_lost": ["count==1"]}), "which owns it"),
        (lambda p: p["scenarios"].pop("feed"), "scenarios feed: is missing"),
        (lambda p: p["faults"].update({"x": {"at": "20s"}}), "faults x: is not in the trial"),
        (lambda p: p["faults"]["cache-cut"].pop("for"), "needs `for`"),
        (lambda p: p["faults"]["cache-cut"].update({"at": "200s"}), "within 10s to 1m55s"),
        (
            lambda p: p["faults"]["cache-restart"].update({"after": "cache-cuts"}),
            "faults cache-restart after: there is no 'cache-cuts' (did you mean 'cache-cut'?)",
        ),
        (lambda p: p.update({"warmup": "3m"}), "leaves nothing to judge"),
        (lambda p: p.update({"trial": "other"}), "is for the trial 'other'"),
        (lambda p: p["scenarios"]["chat"].update({"vus": 49_999}), "users in all"),
        (lambda p: p["scenarios"]["chat"].update({"vus": 130}), "only 120 are seeded"),
        (lambda p: p["scenarios"]["chat"].update({"startTime": "200s"}), "starts after the load"),
        (lambda p: p.update({"thresholds": {}}), "so nothing could fail"),
        (
            lambda p: p["gate"].update({"http_req_failed{window:steady}": ["rate<0.1"]}),
            "the window steady has not begun",
        ),
        (
            lambda p: p["gate"].update({"messages_acknowledged": ["count>1"]}),
            "messages_acknowledged is known after the run only",
        ),
        (
            lambda p: p["thresholds"].update({"http_reqs": ["count>1", "count > 1"]}),
            "'http_reqs: count>1': is there twice",
        ),
        (lambda p: p.update({"ports": {"api": 5000, "cache": 5000}}), "the port 5000 is the one"),
        (lambda p: p.update({"ports": {"apy": 5000}}), "did you mean 'api'?"),
        (
            lambda p: p.update({"stop": {"probe_failed{probe:ready}": "rate<0.5"}}),
            "stop sees the load alone, and probe_failed is no metric of it",
        ),
        (
            lambda p: p.update({"stop": {"http_req_failed{window:fault}": "rate<0.5"}}),
            "stop cannot know window:fault beforehand",
        ),
        (
            lambda p: p.update(
                {"stop": {"http_reqs": {"threshold": "rate>1", "abortOnFail": True}}}
            ),
            "undoes the faults and ends no load (leave out abortOnFail)",
        ),
    ],
)
def test_a_problem_is_told_with_what_would_be_right(
    changed: Callable[[Callable[[dict[str, Any]], object]], str],
    change: Callable[[dict[str, Any]], object],
    problem: str,
) -> None:
    """Each way to get a profile wrong is named, with the remedy."""
    assert problem in changed(change)


def test_problems_of_every_kind_are_told_together(
    changed: Callable[[Callable[[dict[str, Any]], object]], str],
) -> None:
    """One attempt names a bad number, a bad threshold and a missing scenario at once."""

    def change(profile: dict[str, Any]) -> None:
        profile["workers"] = 0
        profile["thresholds"]["http_reqs"] = ["sum>1"]
        del profile["scenarios"]["chat"]
        profile["thresholds"]["iterations{scenario:fed}"] = ["count>1"]

    found = changed(change)
    assert "workers" in found
    assert "sum" in found
    assert "did you mean 'feed'" in found
    assert "scenarios chat: is missing" in found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('kind="link-partition"', 'kind="link-cut"', "the kind 'link-cut' is unknown"),
        ('stack="embedded"', 'stack="docker"', "the stack 'docker' is unknown"),
        ('stack="embedded"', 'stack="none"', "give --target URL"),
        ('path="/health"', 'path="he alth"', "the path 'he alth' is none"),
        ('path="/api/auth/login",', 'path="login",', "the path 'login' is none"),
        ('method="POST"', 'method="post"', "the method 'post' is unknown"),
        ('"ready": READY', '"rdy": READY', "has no probe 'ready'"),
        ('part="cache-link"', 'part="cash-link"', "known: database-link, cache-link, api-link"),
        ('part="cache")', 'part="host")', "'host' is nothing that a process-restart"),
        ('name="demonstration"', 'name="../demo"', "the name '../demo' is none"),
        ('"cache-cut": TrialFault', '"../cut": TrialFault', "the name '../cut' is none"),
        ('rates={"feed": 30}', 'rates={"fed": 30}', "there is no scenario 'fed'"),
        ('rates={"feed": 30}', 'rates={"feed": "30"}', "floors: is not of its declared type"),
        ('checkers=("delivery",)', 'checkers=("delivry",)', "the checker 'delivry' is unknown"),
        ('checkers=("delivery",)', 'checkers="delivery"', "checkers: is not of its declared"),
        ('scenarios={"feed": "read_and_post", "chat": "talk"}', "scenarios={}", "has no scenario"),
        ('duration="60s"', 'duration="sixty"', "'sixty' is not a duration"),
        ('duration="60s"', "duration=60", "floors: is not of its declared type"),
        ('duration="60s"', f'duration="{"9" * 400}s"', "longer than any clock runs"),
        ('"fault_undone": ("rate==1",)', '"fault_undone": "rate==1"', "must be a tuple"),
        ('body=json.dumps({"channel": 1})', "body=5", "holds a value that no plan can: Expected"),
        ('body=json.dumps({"channel": 1})', 'body="\\ud800"', "surrogates not allowed"),
        (
            "READY = TrialProbe(",
            'READY = TrialProbe(sign_in="me", ',
            "probes: is not of its declared",
        ),
    ],
)
def test_a_wrong_value_in_a_trial_is_named(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    """What a trial declares is checked before anything is made of it, with what would be right."""
    source = TRIAL.read_text(encoding="utf-8")
    neighbour = (TRIAL.parent / f"{NEIGHBOUR}.py").read_text(encoding="utf-8")
    assert old in source or old in neighbour
    path = demonstration(tmp_path, source.replace(old, new), neighbour.replace(old, new))
    with pytest.raises(BadInput) as caught:
        compiled(PROFILES / "demonstration.json", trial=path)
    assert problem in str(caught.value)


def test_problems_of_trial_and_profile_are_told_together(tmp_path: Path) -> None:
    """One attempt names what is wrong in the trial, in the profile and between them."""
    source = TRIAL.read_text(encoding="utf-8").replace('duration="60s"', 'duration="sixty"')
    path = demonstration(tmp_path, source.replace('stack="embedded"', 'stack="docker"'))
    value = json.loads((PROFILES / "demonstration.json").read_bytes())
    value["warmup"] = "3m"
    value["faults"]["nothing"] = {"at": "20s"}
    (tmp_path / "p.json").write_text(json.dumps(value))
    with pytest.raises(BadInput) as caught:
        compiled(tmp_path / "p.json", trial=path)
    for part in ("'sixty'", "'docker'", "leaves nothing to judge", "faults nothing: is not in"):
        assert part in str(caught.value)


def test_an_objective_of_a_fault_is_set_aside_where_nothing_is_broken(tmp_path: Path) -> None:
    """With a target of the user's own, what asks about a fault by name is not judged, not wrong."""
    value = json.loads((PROFILES / "demonstration.json").read_bytes())
    value["thresholds"]["recovery_ready_s{fault:cache-cut}"] = ["max<10"]
    (tmp_path / "p.json").write_text(json.dumps(value))
    plan = compiled(tmp_path / "p.json", target="http://127.0.0.1:8000")
    assert "recovery_ready_s{fault:cache-cut}" in " ".join(one.objective for one in plan.not_judged)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def x(:\n", "t.py:1: is not Python"),
        ("\nimport no_such_module_here\n", "t.py:2: fails to import: ModuleNotFoundError"),
        ("x = 1\n", "declares no TRIAL"),
        ("raise SystemExit(3)\n", "fails to import: SystemExit"),
        (
            "import asyncio\nraise asyncio.CancelledError\n",
            "t.py:2: fails to import: CancelledError",
        ),
    ],
)
def test_a_trial_that_cannot_be_loaded_is_named_with_its_line(
    tmp_path: Path, source: str, problem: str
) -> None:
    """A trial file that cannot be used is bad input, whatever it does when imported."""
    path = tmp_path / "t.py"
    path.write_text(source)
    with pytest.raises(BadInput) as caught:
        load_trial(path)
    assert problem in str(caught.value)


def test_modules_beside_a_trial_are_taken_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a trial imports from its own folder is in the plan by digest; the rest is not."""
    (tmp_path / "beside_demo").mkdir()
    files = {"beside_demo/__init__.py": b"", "beside_demo/inner.py": b"X = 1\n"}
    for name, source in {**files, "beside_unused.py": b""}.items():
        (tmp_path / name).write_bytes(source)
    text = TRIAL.read_text(encoding="utf-8").replace(
        "from stormproof import", "from beside_demo.inner import X\nfrom stormproof import"
    )
    path = demonstration(tmp_path, text)
    files["sanctum_journeys.py"] = (tmp_path / "sanctum_journeys.py").read_bytes()
    try:
        loaded = load_trial(path)
        plan = compiled(PROFILES / "demonstration.json", trial=path)
    finally:
        for name in ("beside_demo", "beside_demo.inner"):
            monkeypatch.delitem(sys.modules, name)
    assert loaded.modules == files
    assert plan.modules == {name: sha256_hex(source) for name, source in files.items()}


def test_modules_of_the_folder_that_a_trial_is_grouped_in_are_taken_along(tmp_path: Path) -> None:
    """A trial deeper below a folder of trials imports what is shared there; others may not."""
    group, other = tmp_path / "trials" / "group", tmp_path / "other"
    for folder in (group, other):
        folder.mkdir(parents=True)
    demonstration(tmp_path / "trials", "")
    path, stranger = group / "inner.py", other / "stranger.py"
    for one in (path, stranger):
        one.write_bytes(TRIAL.read_bytes())
    loaded = load_trial(path, [other, tmp_path / "trials"])
    shared = (tmp_path / "trials" / "sanctum_journeys.py").read_bytes()
    assert loaded.modules == {"sanctum_journeys.py": shared}
    sys.modules.pop(NEIGHBOUR)
    with pytest.raises(BadInput, match="No module named 'sanctum_journeys'"):
        load_trial(stranger, [tmp_path / "trials"])


def test_unknown_names_list_the_known_ones() -> None:
    """A trial or profile that does not exist is answered with those that do."""
    with pytest.raises(BadInput, match="demonstration") as caught:
        find_trial("nope", [ROOT / "trials"])
    assert NEIGHBOUR not in str(caught.value)
    with pytest.raises(BadInput, match=r"write load/profiles/nope\.json.*ci-strict"):
        find_profile("nope", [PROFILES])
    with pytest.raises(BadInput, match="is no file"):
        find_profile("./nope.json", [PROFILES])


def test_each_worker_keeps_a_user_however_small_the_scale(tmp_path: Path) -> None:
    """A worker without a user would drop its share of a schedule."""
    value = json.loads((PROFILES / "demonstration.json").read_bytes())
    value["workers"] = 7
    (tmp_path / "p.json").write_text(json.dumps(value))
    feed, _ = compiled(tmp_path / "p.json", scale=0.01).scenarios
    assert (feed.vus, feed.max_vus) == (7, 7)


@pytest.mark.parametrize("scale", [1.0, 0.37])
def test_every_executor_is_planned_and_scaled(
    scale: float, tmp_path: Path, changed: Callable[..., str]
) -> None:
    """Ramps keep their shape at any scale and fit into the load; shares stay one a user."""
    stages = [{"duration": "31s", "target": 60}, {"duration": "31s", "target": 10}]
    value = json.loads((PROFILES / "demonstration.json").read_bytes())
    value["scenarios"]["feed"] = {
        "executor": "ramping-arrival-rate",
        "startRate": 20,
        "stages": stages,
        "preAllocatedVUs": 10,
        "tags": {"kind": "read"},
    }
    value["scenarios"]["chat"] = {"executor": "ramping-vus", "startVUs": 4, "stages": stages}
    path = tmp_path / "ramps.json"
    path.write_text(json.dumps(value))
    feed, chat = compiled(path, scale=scale).scenarios
    assert [one.duration_ns for one in feed.stages] == [int(31 * SECOND_NS * _stretch(scale))] * 2
    assert feed.duration_ns == sum(one.duration_ns for one in feed.stages)
    assert feed.start_rate == pytest.approx(max(20 * scale, 20.0))  # the trial's floor is 30
    assert feed.tags == {"kind": "read"}
    assert chat.vus == max(int(one.target) for one in chat.stages)


def _stretch(scale: float) -> float:
    profile, _ = read_profile(PROFILES / "demonstration.json")
    return max(scale, 60 * SECOND_NS / profile.duration_ns)


def test_another_journey_than_the_trials_is_a_clash(changed: Callable[..., str]) -> None:
    """The trial owns which journey a scenario runs; `exec` may say the same and nothing else."""
    told = changed(lambda value: value["scenarios"]["feed"].update(exec="elsewhere"))
    assert "scenarios feed exec: the trial demonstration runs" in told


def test_a_ramp_above_the_highest_rate_is_refused(changed: Callable[..., str]) -> None:
    """The peak of a ramp counts, in its own time unit."""

    def ramp(value: dict[str, Any]) -> None:
        value["scenarios"]["feed"] = {
            "executor": "ramping-arrival-rate",
            "timeUnit": "1ms",
            "stages": [{"duration": "10s", "target": 200}],
            "preAllocatedVUs": 10,
        }

    assert "scenarios feed: is over 100000 a second" in changed(ramp)


def test_a_tag_that_is_none_is_told() -> None:
    """A tag that stormproof sets itself, or that no threshold could name, is bad input."""
    plan = compiled(PROFILES / "demonstration.json")
    feed = msgspec.structs.replace(plan.scenarios[0], tags={"name": "x", "a b": "y", "region": "z"})
    problems = tag_problems(msgspec.structs.replace(plan, scenarios=(feed,)), "p.json")
    assert {problem.where for problem in problems} == {"p.json: scenarios feed tags"}
    assert [problem.what.partition(":")[0] for problem in problems] == [
        "the tag 'name' is set by stormproof itself",
        "'a b' is no tag",
    ]


def test_what_a_file_declares_is_in_the_plan() -> None:
    """Set-up and teardown by function and digest, secrets by name, feeds by digest, tag keys."""
    feed = FeedFile(file="a.csv", sha256="0" * 64, rows=3)
    authored = Authored(
        setup="begin", teardown="end", secrets=("API_TOKEN",), tags=("plan",), feeds=(feed,)
    )
    profile, problems = read_profile(PROFILES / "demonstration.json")
    plan = compile_plan(
        load_trial(TRIAL),
        profile,
        problems,
        choices=Choices(),
        check_journey=lambda path, function, env: [],
        breakable=BREAKABLE,
        authored=authored,
    )
    digest = sha256_hex(TRIAL.read_bytes())
    assert plan.setup == Source(file="demonstration.py", function="begin", sha256=digest)
    assert str(plan.teardown) == "demonstration.py:end"
    assert (plan.secrets, plan.tags, plan.feeds) == (("API_TOKEN",), ("plan",), (feed,))


def test_a_secret_among_the_settings_is_refused() -> None:
    """A setting that a journey file calls a secret would be stored: it is bad input."""
    profile, problems = read_profile(PROFILES / "demonstration.json")
    with pytest.raises(BadInput, match="env channels: is a secret, and a plan is stored"):
        compile_plan(
            load_trial(TRIAL),
            profile,
            problems,
            choices=Choices(),
            check_journey=lambda path, function, env: [],
            breakable=BREAKABLE,
            authored=Authored(secrets=("channels",)),
        )


@pytest.mark.parametrize("scale", ["nan", "inf"])
def test_a_scale_that_is_no_number_is_told_with_the_rest(tmp_path: Path, scale: str) -> None:
    """Nothing can be multiplied by it, and what else is wrong is named all the same."""
    value = json.loads((PROFILES / "demonstration.json").read_bytes())
    (tmp_path / "p.json").write_text(json.dumps({**value, "workers": 0}))
    with pytest.raises(BadInput) as caught:
        compiled(tmp_path / "p.json", scale=float(scale))
    assert f"--scale {scale}: is none" in str(caught.value)
    assert "workers" in str(caught.value)


@pytest.mark.parametrize("name", ["x" * 300, "x" * 300 + ".py", "x" * 300 + ".json", "/" * 5_000])
def test_a_name_that_no_file_can_have_names_none(name: str) -> None:
    """A name that the file system refuses is unknown like any other."""
    for find in (find_trial, find_profile):
        with pytest.raises(BadInput, match=r"is unknown|is no file"):
            find(name, [PROFILES])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"blast": {"users": 2}}, "blast users: must be a number from 0 to 1"),
        ({"blast": {"scenarios": ["fed"]}}, "there is no scenario 'fed' (did you mean 'feed'?)"),
        ({"blast": {"parts": ["api"]}}, "which is outside of it"),
        ({"hypotheses": {"x": "http_req_failed"}}, "is no objective"),
        ({"hypotheses": {"x": "recovery_ready_s: max<3"}}, "not known second by second"),
        ({"hypotheses": {"x": "http_reqs{over:5s}: rate>3"}}, "in every second of the load"),
        ({"slos": {"x": "http_req_duration: p(95)<300"}}, "is no share of failures"),
        ({"slos": {"x": "http_req_failed: rate<=0"}}, "there is no budget to burn"),
        ({"backlogs": ["pending"]}, "is no figure of a source that is read"),
    ],
)
def test_what_is_wrong_with_a_drill_as_a_whole_is_told(
    changed: Callable[[Callable[[dict[str, Any]], object]], str],
    given: dict[str, Any],
    told: str,
) -> None:
    """Blast radius, hypotheses and service levels, each with what would be right."""
    assert told in changed(lambda profile: profile.update(given))


def test_an_objective_on_an_unknown_hypothesis_is_told(
    changed: Callable[[Callable[[dict[str, Any]], object]], str],
) -> None:
    """A name that the profile does not give would be undecided for ever."""
    asked = {"hypothesis_broken_s{hypothesis:y}": ["max<1"]}
    assert "the plan has no hypothesis 'y'" in changed(lambda p: p["thresholds"].update(asked))
