"""`run` and `quick` against a small real target, by the commands a user types."""

from __future__ import annotations

import json
import socketserver
import threading
from pathlib import Path

import pytest
from tests.integration.cli.conftest import Project

from stormproof.cli.main import run_commands

JOURNEYS = '''"""People look around."""

from stormproof import check, journey


@journey
async def look(user):
    answer = await user.http.get("/look", query={"at": user.env.get("at", "home")})
    check(answer, "seen", answer.status == 200)
    await user.think(0.05)


@journey
async def buy(user):
    answer = await user.http.get("/items/1")
    check(answer, "bought", answer.status == 200)
    await user.think(0.05)
'''


@pytest.fixture
def file(project: Project, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file of two journeys into the project's folder, and work there."""
    path = project.folder / "shop.py"
    path.write_text(JOURNEYS)
    monkeypatch.chdir(project.folder)
    for name in ("BASE_URL", "REGION", "TEST_PROFILE", "STORMPROOF_ENV"):
        monkeypatch.delenv(name, raising=False)
    return path


def test_journeys_without_thresholds_are_judged_by_their_checks_alone(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All checks hold: PASS, with what nobody asked for named; each journey has its users."""
    code = run_commands(["run", str(file), "--target", project.target, "--vus", "3",
                         "--duration", "2s"])  # fmt: skip
    verdict = json.loads((project.run_directory() / "verdict.json").read_bytes())
    plan = json.loads((project.run_directory() / "plan.json").read_bytes())
    assert code == {"pass": 0, "inconclusive": 2}[verdict["verdict"]]
    assert [one["name"] for one in verdict["objectives"]] == ["checks: rate==1"]
    assert verdict["scope"] == "reduced"
    assert "http_req_duration" in {one["objective"] for one in verdict["not_judged"]}
    assert {one["name"]: one["vus"] for one in plan["scenarios"]} == {"look": 2, "buy": 1}
    assert "no threshold was given" in capsys.readouterr().out


def test_a_check_that_fails_fails_the_run(project: Project, file: Path) -> None:
    """One broken check is FAIL and exit 1, without any threshold."""
    project.handler.item_status = 404
    order = ["run", str(file), "--target", project.target, "--vus", "2", "--duration", "2s"]
    assert run_commands(order) == 1


def test_settings_come_from_the_environment_and_are_told(
    project: Project,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """BASE_URL stands for --target; its use is printed and stored, a token only by name."""
    monkeypatch.setenv("BASE_URL", project.target)
    monkeypatch.setenv("ADMIN_TOKEN", "very-secret-token")
    order = ["run", str(file), "--vus", "2", "--duration", "1s", "-e", "at=door",
             "-H", "X-Api-Key: hidden-key"]  # fmt: skip
    assert run_commands(order) in (0, 2)
    manifest = json.loads((project.run_directory() / "manifest.json").read_bytes())
    assert manifest["settings"] == {"BASE_URL": project.target, "ADMIN_TOKEN": "***"}
    err = capsys.readouterr().err
    assert f"from the environment: BASE_URL={project.target}, ADMIN_TOKEN=***" in err
    kept = b"".join(one.read_bytes() for one in project.run_directory().rglob("*") if one.is_file())
    assert b"very-secret-token" not in kept
    assert b"hidden-key" not in kept
    assert b"X-Api-Key" in kept
    assert project.handler.seen_headers["X-Api-Key"] == "hidden-key"


def test_a_target_elsewhere_needs_a_cap(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A host that is not this machine is refused with one clear message, nothing sent."""
    assert run_commands(["run", str(file), "--target", "http://shop.example"]) == 64
    assert "its load has no cap (give --vus or --rate" in capsys.readouterr().err


def test_a_secret_among_the_settings_is_refused_before_it_is_recorded(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is called a secret never becomes a setting; the message names the way that keeps it."""
    order = ["run", str(file), "--target", project.target, "-e", "API_TOKEN=hidden-1"]
    assert run_commands(order) == 64
    err = capsys.readouterr().err
    assert 'API_TOKEN = secret("API_TOKEN")' in err
    assert "hidden-1" not in err
    assert not (project.folder / "runs").exists()
    assert run_commands(["run", str(file), "--duration", "5x"]) == 64
    assert "--duration: '5x' is not a duration" in capsys.readouterr().err


def test_an_environment_brings_its_own_target_and_bars(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--environment` gives URL, limits and thresholds; a load beyond the limits is refused."""
    path = project.folder / "here.json"
    bars = {"http_req_failed": ["rate<0.5"]}
    path.write_text(json.dumps({"target": project.target, "limits": {"vus": 4},
                                "thresholds": bars}))  # fmt: skip
    order = ["run", str(file), "--environment", str(path), "--duration", "2s"]
    assert run_commands([*order, "--vus", "5"]) == 64
    assert "5 users in all (vus <= 4)" in capsys.readouterr().err
    assert run_commands([*order, "--vus", "4"]) in (0, 2)
    verdict = json.loads((project.run_directory() / "verdict.json").read_bytes())
    assert "http_req_failed: rate<0.5" in {one["name"] for one in verdict["objectives"]}
    assert verdict["profile"] == "run@here"


def test_a_file_without_journeys_is_bad_input(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that declares nothing to do says what would be right."""
    empty = project.folder / "empty.py"
    empty.write_text("x = 1\n")
    assert run_commands(["run", str(empty), "--target", project.target]) == 64
    assert "decorate an async function with @journey" in capsys.readouterr().err


def test_a_trial_is_certified_in_an_environment(project: Project, file: Path) -> None:
    """`certify --environment` points the trial at its URL; its bars stand for the profile's own."""
    path = project.folder / "here.json"
    bars = {"http_req_failed{scenario:visit}": ["rate<0.35"]}
    path.write_text(json.dumps({"target": project.target, "thresholds": bars}))
    order = ["certify", project.trial, "--profile", str(project.profile)]
    assert run_commands([*order, "--environment", str(path)]) in (0, 2)
    plan = json.loads((project.run_directory() / "plan.json").read_bytes())
    assert plan["target"] == project.target
    names = [one["name"] for one in plan["objectives"]]
    assert "http_req_failed{scenario:visit}: rate<0.35" in names
    assert "http_req_failed{scenario:visit}: rate<0.2" not in names


def test_a_trial_runs_with_other_numbers(project: Project, file: Path) -> None:
    """A file with TRIAL keeps its scenarios and bars; the flags change its numbers."""
    order = ["run", project.trial, "--profile", str(project.profile), "--target", project.target]
    assert run_commands([*order, "--rate", "20", "--vus", "5", "--duration", "5s"]) in (0, 2)
    plan = json.loads((project.run_directory() / "plan.json").read_bytes())
    (scenario,) = plan["scenarios"]
    assert (scenario["rate"], scenario["vus"], scenario["max_vus"]) == (20, 5, 5)


def test_verbose_shows_what_goes_over_the_wire(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One iteration of each journey: its request and the answer are on standard error, masked."""
    order = ["run", str(file), "--target", project.target, "--verbose", "-H", "X-Api-Key: hid-1"]
    assert run_commands(order) == 0
    err = capsys.readouterr().err
    for part in ("GET /look?at=home HTTP/1.1", "GET /items/1 HTTP/1.1", "X-Api-Key: ***", "200 OK"):
        assert part in err
    assert "hid-1" not in err
    verdict = json.loads((project.run_directory() / "verdict.json").read_bytes())
    assert verdict["objectives"][0]["evidence"]["samples"] == 2


WS_JOURNEY = '''"""People listen."""

from stormproof import check, journey


@journey
async def listen(user):
    home = await user.http.get("/home")
    check(home, "home", home.status == 200)
    socket = await user.ws.connect("/live")
    check(socket, "turned away there", socket.status == 403)
'''


def test_websockets_may_be_served_elsewhere(
    project: Project, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With WS_URL sockets are opened there, requests still go to the target."""
    file.write_text(WS_JOURNEY)
    seen: list[bytes] = []

    class Doorkeeper(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            seen.append(self.rfile.readline())
            while self.rfile.readline().strip():
                pass
            self.wfile.write(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")

    with socketserver.TCPServer(("127.0.0.1", 0), Doorkeeper) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("WS_URL", f"ws://127.0.0.1:{server.server_address[1]}")
        code = run_commands(["run", str(file), "--target", project.target])
        server.shutdown()
        thread.join()
    assert seen == [b"GET /live HTTP/1.1\r\n"]
    assert project.handler.seen_path == "/home"
    assert code == 0


@pytest.mark.parametrize("mode", ["normal", "burst", "stress", "soak"])
def test_every_mode_of_quick_is_a_valid_plan(
    project: Project, file: Path, mode: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each mode's profile compiles into what E1 to E4 and E10 say."""
    assert run_commands(["quick", project.target, "--mode", mode, "--dry-run"]) == 0
    out = capsys.readouterr().out
    wanted = {
        "normal": ["load for 1m", "users 10;", "7 objectives"],
        "burst": [
            "load for 10s",
            "1,000 starts a second",
            "users 200 to 1,000",
            "10,000 iterations",
        ],
        "stress": ["users 50;", "users 100;", "users 200;", "users 500;", "afterwards"],
        "soak": ["load for 60m", "users 50;", "8 objectives"],
    }
    for part in wanted[mode]:
        assert part in out
    assert "GET /" in out


def test_a_dry_run_tells_everything_and_sends_nothing(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--dry-run` prints the timetable and each journey's requests; the target hears nothing."""
    order = ["run", str(file), "--target", project.target, "--vus", "4", "--duration", "1m30s"]
    assert run_commands([*order, "--dry-run", "-e", "at=door"]) == 0
    out = capsys.readouterr().out
    for part in ("from 0s to 90s", "0s to 90s, 2 users", "GET /look?at=door", "GET /items/1"):
        assert part in out
    assert project.handler.seen_path == ""
    assert not (project.folder / "runs").exists()


def test_quick_writes_the_figures_that_a_pipeline_reads(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """quick prints its figures and writes the same file here and into the run's directory."""
    order = [
        "quick",
        f"{project.target}/look?x=1",
        "--rate",
        "100",
        "--vus",
        "300",
        "--duration",
        "2s",
    ]
    code = run_commands([*order, "--api-key", "hidden-key"])
    out = capsys.readouterr().out
    here = json.loads(Path("load_test_results.json").read_bytes())
    assert here == json.loads((project.run_directory() / "load_test_results.json").read_bytes())
    assert here["total_requests"] == here["successful"] == 200
    assert here["error_rate"] == 0
    assert here["latency_ms"]["p95"] > 0
    assert code in (0, 2)
    assert "200 requests" in out
    assert "for context" in out
    assert project.handler.seen_headers["X-API-Key"] == "hidden-key"
    assert project.handler.seen_path == "/look?x=1"


def test_quick_counts_limited_requests_apart_from_errors(project: Project, file: Path) -> None:
    """A target that only limits has no errors, and is not passed for it either."""
    project.handler.item_status = 429
    order = [
        "quick",
        f"{project.target}/items",
        "--rate",
        "100",
        "--vus",
        "300",
        "--duration",
        "2s",
    ]
    code = run_commands(order)
    results = json.loads(Path("load_test_results.json").read_bytes())
    assert results["rate_limited"] == results["total_requests"] == 200
    assert (results["failed"], results["error_rate"]) == (0, 0)
    assert code in (1, 2)
    verdict = json.loads((project.run_directory() / "verdict.json").read_bytes())
    assert verdict["verdict"] != "pass"


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("127.0.0.1:80", "is no URL"),
        ("http://127.0.0.1:1/?api_key=abc", "its query holds a secret"),
        ("http://shop.example/", "its load has no cap"),
    ],
)
def test_quick_refuses_what_it_cannot_do(
    capsys: pytest.CaptureFixture[str], file: Path, url: str, problem: str
) -> None:
    """A URL that is none, holds a secret or leads elsewhere without a cap ends in exit 64."""
    assert run_commands(["quick", url]) == 64
    err = capsys.readouterr().err
    assert problem in err
    assert "api_key=abc" not in err


def test_k6_options_in_the_file_are_its_profile(
    project: Project, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """OPTIONS as k6 writes them say load and bars; their problems are told with where they are."""
    single = JOURNEYS.partition("\n\n@journey\nasync def buy")[0]
    options = {
        "scenarios": {
            "browse": {"executor": "shared-iterations", "vus": 2, "iterations": 9, "exec": "look"}
        },
        "thresholds": {"checks": ["rate==1"], "iterations": ["count==9"]},
        "summaryTrendStats": ["avg"],
    }
    file.write_text(f"{single}\n\nOPTIONS = {options!r}\n")
    code = run_commands(["run", str(file), "--target", project.target])
    folder = project.run_directory()
    verdict = json.loads((folder / "verdict.json").read_bytes())
    assert [one["value"] for one in verdict["objectives"]] == [1.0, 9.0]
    assert "profile: k6's option summaryTrendStats changes nothing here" in verdict["warnings"]
    assert code in (0, 2)  # undecided on a machine that is busy
    file.write_text(f"{single}\n\nOPTIONS = {options | {'rps': 5}!r}\n")
    assert run_commands(["run", str(file), "--target", project.target]) == 64
    assert "OPTIONS rps: would make another test of it" in capsys.readouterr().err


def test_a_dry_run_starts_nothing(project: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """`certify --dry-run` tells the first instants and leaves no record."""
    assert run_commands([*project.certify(), "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "visit: constant-arrival-rate, small.py:visit" in told
    assert "first starts: 0s 0.01s 0.02s " in told
    assert "in all: 500 iterations, 5 users" in told
    assert "nothing was sent" in told
    assert not (project.folder / "runs").exists()
