"""Logs of a run whose keeper was killed: what `heal` takes out of them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stormproof.cli.log_secrets import scrub_logs

SECRET = "a-word-of-the-shop"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return the folder of a run whose part has written a secret of its stack to its log."""
    (tmp_path / "logs").mkdir()
    plan = {"name": "x", "own_stack": {"file": "stack.toml", "secrets": ["SHOP_KEY"]}}
    (tmp_path / "plan.json").write_bytes(msgspec.json.encode(plan))
    (tmp_path / "logs" / "web.log").write_text(f"begins with {SECRET} and goes on\n")
    return tmp_path


def _log(run: Path) -> str:
    return (run / "logs" / "web.log").read_text()


def test_secrets_that_are_set_are_taken_out(run: Path) -> None:
    """A value is found by the name that the plan tells, and no log holds it afterwards."""
    assert scrub_logs(run, {"SHOP_KEY": SECRET}) == ""
    assert SECRET not in _log(run)
    assert _log(run).endswith("and goes on\n")


def test_a_secret_that_is_not_set_is_told_with_the_logs_to_look_at(run: Path) -> None:
    """Nothing is changed, and the name, the folder and the way to do it again are told."""
    told = scrub_logs(run, {})
    assert told.startswith(f"look for SHOP_KEY in {run / 'logs'}")
    assert f"stormproof heal {run}" in told
    assert SECRET in _log(run)


@pytest.mark.parametrize("plan", [b"", b"{", b'{"own_stack": 1}'])
def test_a_plan_that_cannot_be_read_is_told(run: Path, plan: bytes) -> None:
    """Then nobody knows the names: the logs are to be looked at."""
    (run / "plan.json").write_bytes(plan)
    assert f"look for secrets in {run / 'logs'}" in scrub_logs(run, {"SHOP_KEY": SECRET})


@pytest.mark.parametrize("plan", [b"{}", b'{"own_stack": null}'])
def test_a_stack_without_secrets_has_nothing_to_take_out(run: Path, plan: bytes) -> None:
    """What was made for one run alone, as the embedded stack's words, is gone with it."""
    (run / "plan.json").write_bytes(plan)
    assert scrub_logs(run, {}) == ""


def test_a_run_without_logs_or_plan_is_fine(run: Path) -> None:
    """A run that came to nothing tells nothing."""
    (run / "plan.json").unlink()
    assert scrub_logs(run, {}) == ""
    (run / "logs" / "web.log").unlink()
    assert scrub_logs(run, {}) == ""
