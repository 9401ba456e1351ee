"""Plans on a stack of one's own: what goes together, and what is told before the run."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from stormproof.cli.main import run_commands
from stormproof.cli.plans import Order, compile_order, describe
from stormproof.kernel.canonical import canonical_json
from stormproof.kernel.errors import BadInput
from stormproof.model.fault import KINDS

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "pages"
SECRET = "word-of-the-cache"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the example, to change it."""
    for file in EXAMPLE.iterdir():
        if file.is_file():
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def order(folder: Path, **more: object) -> Order:
    whole = Order(plan=str(folder / "pages.py"), profile=str(folder / "pages.json"))
    return Order(**{**{name: getattr(whole, name) for name in whole.__slots__}, **more})


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")


def problems(folder: Path, **more: object) -> str:
    with pytest.raises(BadInput) as caught:
        compile_order(order(folder, **more))
    return str(caught.value)


def test_a_trial_names_the_stack_file_beside_it(folder: Path) -> None:
    """The plan holds what the file says, and the file travels with the journeys."""
    plan, loaded = compile_order(order(folder))
    assert plan.stack == "processes"
    assert plan.own_stack is not None
    assert [one.name for one in plan.own_stack.steps] == ["cache", "cache-link", "check", "web"]
    assert loaded.modules["stack.toml"] == (folder / "stack.toml").read_bytes()
    assert "stack.toml" in plan.modules
    assert "stack stack.toml: cache (breakable), cache-link (breakable), check, web" in describe(
        plan
    )


def test_the_digest_covers_the_file(folder: Path) -> None:
    """Another command in the stack file is another plan, and a plan is read back as it was."""
    before, _ = compile_order(order(folder))
    change(folder / "stack.toml", '"--save", ""', '"--save", "60 1"')
    after, _ = compile_order(order(folder))
    assert before.digest() != after.digest()
    assert msgspec.json.decode(canonical_json(after), type=type(after)) == after


def test_secrets_travel_by_name_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a secret is in no byte of the plan; one that is set nowhere is told."""
    change(folder / "stack.toml", "[servers.cache]", "[servers.cache]\n# {secrets.X} is nothing")
    change(folder / "stack.toml", 'stop = { deadline = "2s" }', 'env = { W = "{secrets.WORD}" }')
    assert "secret WORD: is set nowhere" in problems(folder)
    monkeypatch.setenv("WORD", SECRET)
    plan, loaded = compile_order(order(folder))
    assert plan.secrets == ("WORD",)
    assert SECRET.encode() not in canonical_json(plan) + b"".join(loaded.modules.values())


def test_the_url_of_a_server_is_checked_without_showing_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that holds no URL of a Valkey is told by its place, never by its value."""
    change(folder / "stack.toml", "valkey://127.0.0.1:{ports.cache}", "{secrets.CACHE_URL}")
    monkeypatch.setenv("CACHE_URL", f"http://{SECRET}")
    told = problems(folder)
    assert "stack.toml: servers cache url: holds no URL of a Valkey" in told
    assert SECRET not in told
    monkeypatch.setenv("CACHE_URL", "valkey://:a-password@127.0.0.1:6379")
    assert compile_order(order(folder))


def test_faults_on_what_is_not_breakable_are_refused_before_the_run(folder: Path) -> None:
    """A fault names a part or link that the file lets be broken; the message says which."""
    change(folder / "stack.toml", 'upstream = "cache"\nbreakable = true', 'upstream = "cache"')
    change(folder / "pages.py", 'kind="process-restart", part="cache"',
           'kind="process-restart", part="web"')  # fmt: skip
    told = problems(folder)
    assert "faults cache-restart: 'web' is nothing that a process-restart can break (known: cache)"\
        in told  # fmt: skip
    assert "faults cache-cut: 'cache-link' is nothing that a link-partition can break" in told
    assert "the stack has no breakable link" in told


def test_a_stack_file_stands_instead_of_the_embedded_stack(folder: Path) -> None:
    """With --stack, the faults of a trial for the embedded stack must name the file's parts."""
    change(folder / "pages.py", 'stack="stack.toml"', 'stack="embedded"')
    change(folder / "pages.py", 'part="cache-link"', 'part="database-link"')
    stack = folder / "stack.toml"
    told = problems(folder, stack=stack)
    assert "'database-link' is nothing that a link-partition can break (known: cache-link)" in told
    change(folder / "pages.py", 'part="database-link"', 'part="cache-link"')
    change(folder / "pages.json", '"seed": 1', '"ports": {"cache": 6379}')
    plan, _ = compile_order(order(folder, stack=stack))
    assert (plan.stack, plan.ports) == ("processes", {})
    assert "left out `ports`, which are those of the embedded stack" in plan.notes


def test_a_stack_and_a_target_are_one_too_many(folder: Path) -> None:
    """Both say where the target runs; a target alone stands instead of the trial's stack."""
    told = problems(folder, stack=folder / "stack.toml", target="http://127.0.0.1:1")
    assert "both say where the target runs (give one of them)" in told
    plan, _ = compile_order(order(folder, target="http://127.0.0.1:1"))
    assert (plan.stack, plan.own_stack, plan.faults) == ("none", None, ())
    (note,) = plan.notes
    assert note.startswith("left out the faults cache-restart (process-restart), cache-cut")


def test_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    """Trial, profile and stack file are checked together."""
    change(folder / "stack.toml", 'web = "any"', "web = 0")
    change(folder / "pages.json", '"drain": "5s"', '"drain": "5"')
    change(folder / "pages.py", 'part="cache-link"', 'part="cash-link"')
    told = problems(folder)
    for word in ("ports web: 0 is no port", "'5' is not a duration", "'cash-link' is nothing"):
        assert word in told


@pytest.mark.parametrize("stack", ["stak", 5, "no.toml"])
def test_a_trial_names_a_stack_that_there_is(folder: Path, stack: object) -> None:
    """A word that is none, a value that is no text, a file that is not there: bad input."""
    change(folder / "pages.py", 'stack="stack.toml"', f"stack={stack!r}")
    assert any(word in problems(folder) for word in ("is unknown", "declared type", "cannot be"))


def test_validate_checks_a_stack_file_alone(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sound one is told part by part; of another every problem."""
    assert run_commands(["validate", str(folder / "stack.toml")]) == 0
    assert "cache (breakable), cache-link (breakable), check, web" in capsys.readouterr().out
    change(folder / "stack.toml", "{ports.web}", "{ports.wep}")
    assert run_commands(["validate", str(folder / "stack.toml")]) == 64
    assert capsys.readouterr().err.count("{ports.wep} stands for nothing") == 2


def test_journeys_alone_run_on_a_stack_as_well(folder: Path) -> None:
    """`validate FILE.py --stack` needs no target and no trial."""
    file = folder / "alone.py"
    source = (EXAMPLE / "pages.py").read_text(encoding="utf-8")
    file.write_text(source[: source.index("TRIAL =")] + source[source.index("@journey") :])
    profile = json.loads((folder / "pages.json").read_bytes())
    kept = {key: profile[key] for key in ("duration", "warmup", "scenarios")}
    kept["thresholds"] = {"checks{scenario:readers}": ["rate>0.99"]}
    (folder / "alone.json").write_text(json.dumps(kept))
    more = ["--profile", str(folder / "alone.json"), "--stack", str(folder / "stack.toml")]
    assert run_commands(["validate", str(file), *more]) == 0


def test_services_of_compose_suffer_the_faults_that_docker_can_do(folder: Path) -> None:
    """A fault that only a process of ours can suffer is refused before the run, and a stack of
    services alone has no processes whose figures are read."""
    (folder / "compose.yml").write_text("services: {web: {image: x}, cache: {image: y}}")
    stack = folder / "compose.toml"
    stack.write_text(
        'kind = "compose"\nfile = "compose.yml"\nbase_url = "http://127.0.0.1:8080"\n'
        '[ports]\nweb = 8080\ncache = 6379\nlink = "any"\n'
        '[[start]]\nservice = "cache"\nbreakable = true\n'
        '[[start]]\nlink = "cache-link"\nlisten = "link"\nupstream = "cache"\nbreakable = true\n'
    )
    plan, _ = compile_order(order(folder, stack=stack))
    assert plan.stack == "compose"
    assert {one.name for one in plan.sources}.isdisjoint({"process", "cgroup", "log", "valkey"})
    change(folder / "pages.py", "process-restart", "process-crash-loop")
    if "process-crash-loop" in KINDS:
        told = problems(folder, stack=stack)
        assert "process-crash-loop is no fault of a service of docker compose (known:" in told
