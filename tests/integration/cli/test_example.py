"""The example shops in a real shop, from the command that a person types to the verdict."""

from __future__ import annotations

import base64
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.cli.shop_server import Shop, open_shop

from stormproof.cli.main import run_commands
from stormproof.model.event import WarningEvent
from stormproof.model.plan import Plan
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record

EXAMPLE = Path(__file__).parents[3] / "examples" / "shop"
ADMIN_KEY, PASSWORD = 'k/ey+of the "admin"', "pass&word=of%shoppers"


@pytest.fixture
def shop() -> Iterator[Shop]:
    """Serve the shop of one test."""
    with open_shop(admin_key=ADMIN_KEY, password=PASSWORD) as one:
        yield one


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the example, shortened, with its secrets in a file beside it."""
    shutil.copytree(EXAMPLE, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    profile = tmp_path / "shop" / "shop.json"
    value = json.loads(profile.read_bytes())
    profile.write_text(json.dumps({**value, "duration": "5s"}))
    secrets = f"# of the shop\nSHOP_ADMIN_KEY={ADMIN_KEY}\nexport SHOPPERS_PASSWORD='{PASSWORD}'\n"
    (tmp_path / "secrets.env").write_text(secrets)
    monkeypatch.setenv("STORMPROOF_SECRETS", "")  # the command sets it
    return tmp_path


def order(folder: Path, shop: Shop, *more: str) -> list[str]:
    """Return the command that a person types."""
    example = folder / "shop"
    return [
        "run",
        str(example / "shop.py"),
        "--profile",
        str(example / "shop.json"),
        "--target",
        shop.url,
        "--out",
        str(folder / "runs"),
        *more,
    ]


def run_directory(folder: Path) -> RunDirectory:
    """Return the only run's directory."""
    (only,) = (folder / "runs").iterdir()
    return RunDirectory.open(only)


def secret_spellings() -> list[bytes]:
    """Return pieces of both secrets, as they stand in a text and in base 64 wherever they begin."""
    pieces = (b"y+of the ", b"s&word=of")
    shifted = [base64.b64encode(bytes(ahead) + one) for ahead in range(3) for one in pieces]
    return [*pieces, b"y%2Bof", b"s%26word", *(one[4:-4] for one in shifted)]


def test_the_example_shops_and_leaves_nothing(
    shop: Shop, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Set-up, feeds, sign-in, groups, clean-ups and teardown work together under one command."""
    code = run_commands(order(folder, shop, "--secrets", str(folder / "secrets.env")))
    told = capsys.readouterr()
    verdict = json.loads(run_directory(folder).verdict.read_bytes())
    assert code == {"pass": 0, "inconclusive": 2}[verdict["verdict"]], told.out
    assert "basket_value{scenario:shop}: max<=48" in {one["name"] for one in verdict["objectives"]}
    assert shop.paid > 20
    assert shop.expired > 0  # tokens were refused, and taken anew
    assert set(shop.logins) == {
        "ada.aspen",
        "bela.birch",
        "cleo.cedar",
        "dario.dune",
        "edda.ember",
        "falk.fjord",
    }
    assert len(shop.vouchers) == len(set(shop.vouchers)) > 0
    assert (shop.seasons, shop.baskets) == (set(), set())
    record = load_record(run_directory(folder))
    tags = [series.tags for known in record.series.values() for series in known.values()]
    assert {one.get("region") for one in tags if one["scenario"] == "shop"} == {"eu"}
    assert {one.get("plan") for one in tags} == {"free", "paid", None}
    assert {one.get("group") for one in tags} >= {"::browse", "::checkout::payment"}


def test_no_file_of_a_run_holds_a_secret(
    shop: Shop, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shop that fails and echoes all it was told puts no secret into a file or the terminal."""
    shop.is_broken = True
    run_commands(order(folder, shop, "--secrets", str(folder / "secrets.env")))
    told = capsys.readouterr()
    run = run_directory(folder)
    record = load_record(run)
    for kind in ("http 403", "http 500", "http 503"):
        bodies = [failure.body for failure in record.failures if failure.kind == kind]
        assert any("you_said" in body and "***" in body for body in bodies), kind
    texts = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    texts[Path("terminal")] = (told.out + told.err).encode()
    for spelling in secret_spellings():
        assert [str(path) for path, data in texts.items() if spelling in data] == [], spelling
    plan = json.loads(run.plan.read_bytes(), object_hook=dict)
    assert plan["secrets"] == ["SHOPPERS_PASSWORD", "SHOP_ADMIN_KEY"]
    assert shop.baskets == set()  # unpaid ones were thrown away, and every error of it is told
    warnings = [event.text for event in record.events if isinstance(event, WarningEvent)]
    assert any("clean-ups of users failed; most often: DELETE" in text for text in warnings)


def test_feeds_travel_in_the_record(shop: Shop, folder: Path) -> None:
    """The rows that were used lie in the record, and the plan holds their digests."""
    run_commands(order(folder, shop, "--secrets", str(folder / "secrets.env")))
    run = run_directory(folder)
    plan = load_record(run).plan
    assert isinstance(plan, Plan)
    assert [(feed.file, feed.rows) for feed in plan.feeds] == [
        ("people.csv", 6),
        ("products.jsonl", 4),
    ]
    for feed in plan.feeds:
        copied = (run.journeys / feed.file).read_bytes()
        assert copied == (EXAMPLE / feed.file).read_bytes()
        assert plan.modules[feed.file] == feed.sha256


def test_ctrl_c_leaves_nothing_behind(shop: Shop, folder: Path) -> None:
    """Interrupted under load, a run throws unpaid baskets away and closes its season; exit 130."""
    profile = folder / "shop" / "shop.json"
    profile.write_text(profile.read_text().replace('"5s"', '"60s"'))
    shop.is_broken = True  # nobody can pay, so every basket has to be thrown away
    secrets = ["--secrets", str(folder / "secrets.env")]
    command = [sys.executable, "-u", "-m", "stormproof", *order(folder, shop, *secrets)]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("phase load"):
                break
        deadline_s = time.monotonic() + 30
        while not shop.baskets and time.monotonic() < deadline_s:
            time.sleep(0.05)
        assert shop.baskets
        assert shop.seasons
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert (shop.baskets, shop.seasons) == (set(), set())


def test_a_dry_run_shows_what_comes_once_and_the_sign_in(
    shop: Shop, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A dry run goes through set-up, sign-in and journey, hides secrets, and sends nothing."""
    secrets = ["--secrets", str(folder / "secrets.env")]
    assert run_commands(order(folder, shop, "--dry-run", *secrets)) == 0
    told = capsys.readouterr().out
    order_of_parts = [
        told.index(part)
        for part in (
            "WHAT open_season SENDS, once in the run",
            "POST /api/seasons",
            "WHAT close_season SENDS, once in the run",
            "DELETE /api/seasons/<season>",
            "WHAT shop SENDS",
            "POST /api/login",
            "think between(0.02, 0.06)",
            "POST /api/baskets/<id>/payment",
        )
    ]
    assert order_of_parts == sorted(order_of_parts)
    assert told.count("POST /api/login") == 1
    assert "feeds: people.csv (6 rows), products.jsonl (4 rows)" in told
    assert "secrets: SHOPPERS_PASSWORD, SHOP_ADMIN_KEY" in told
    assert "once: shop.py:open_season, shop.py:close_season" in told
    assert PASSWORD not in told
    assert shop.logins == []


def test_all_that_is_wrong_is_told_before_the_run(
    shop: Shop, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing secrets and bad feeds are told in one go, and nothing is made."""
    (folder / "shop" / "people.csv").write_text("name\nada\nbela,free\n")
    code = run_commands(order(folder, shop))
    told = capsys.readouterr().err
    assert code == 64
    for part in (
        "secret SHOP_ADMIN_KEY: is set nowhere",
        "secret SHOPPERS_PASSWORD: is set nowhere",
        "feed people.csv:1: has no column plan (it has name)",
        "feed people.csv:3: has 2 values, but there are 1 columns",
    ):
        assert part in told
    assert not (folder / "runs").exists()
