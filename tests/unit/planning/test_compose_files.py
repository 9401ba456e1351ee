"""Stacks of docker compose: what their files say, held against the compose file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.planning.stack_texts import read

from stormproof.kernel.limits import COMPOSE_FILE_BYTES_MAX
from stormproof.model.own_stack import OwnService
from stormproof.planning.compose_files import look_into

SOUND = """
kind = "compose"
file = "compose.yml"
base_url = "http://127.0.0.1:{ports.web}"
env = { WEB_PORT = "{ports.web}", KEY = "{secrets.SHOP_KEY}" }
up = "2m"

[ports]
web = "any"

[[start]]
service = "cache"
breakable = true

[[start]]
service = "web"
ready = { port = "web", path = "/health", deadline = "20s" }
stop = { deadline = "5s" }
"""
COMPOSE = "services:\n  web:\n    image: web\n  cache:\n    image: cache\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "compose.yml").write_text(COMPOSE)
    return tmp_path


def test_services_are_taken_in_their_order_with_what_docker_is_given(folder: Path) -> None:
    """The plan knows services, variables and the digest of the compose file, which is not kept."""
    own, problems = read(folder, SOUND)
    assert problems == ""
    assert own.kind == "compose"
    assert own.services() == ("cache", "web")
    assert own.breakable_parts() == ("cache",)
    assert own.secrets == ("SHOP_KEY",)
    assert own.compose is not None
    assert own.compose.up_deadline_ns == 120_000_000_000
    assert len(own.compose.sha256) == 64
    cache, web = own.steps
    assert isinstance(cache, OwnService)
    assert isinstance(web, OwnService)
    assert cache.ready is None
    assert web.stop_deadline_ns == 5_000_000_000


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('kind = "compose"', 'kind = "composed"', "kind: 'composed' is unknown (did you mean"),
        ('kind = "compose"', "", "service web: is a service, and there is no compose file"),
        ('"compose.yml"', '"other.yml"', "other.yml cannot be read: No such file"),
        ('service = "cache"', 'service = "cash"', "'cash' is no service of compose.yml (did you"),
        ("WEB_PORT", "WEB_TOKEN", "compose env: WEB_TOKEN is called a secret"),
        ("{secrets.SHOP_KEY}", "{secret.SHOP_KEY}", "compose env KEY: {secret.SHOP_KEY} stands"),
        ('port = "web"', 'port = "wbe"', "service web ready port: 'wbe' is no port of this file"),
        ('stop = { deadline = "5s" }', 'stop = { signal = "INT" }', "stop signal: is unknown"),
        ("breakable = true", 'argv = ["x"]', "service cache argv: is unknown"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    folder: Path, old: str, new: str, problem: str
) -> None:
    """Each breach gives its own message."""
    assert old in SOUND
    assert problem in read(folder, SOUND.replace(old, new))[1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("services: [", "is not YAML"),
        ("- a", "has no services"),
        ("services: 5", "has no services"),
        ("", "has no services"),
        ("a: &a [*a, *a]", "has no services"),
        ("#" * (COMPOSE_FILE_BYTES_MAX + 1), f"is over {COMPOSE_FILE_BYTES_MAX} bytes"),
        ("[" * 50_000, "is not YAML"),
    ],
)
def test_what_is_no_compose_file_is_told(folder: Path, text: str, problem: str) -> None:
    """Garbage, nesting without end and files beyond bounds are problems and never a crash."""
    (folder / "compose.yml").write_text(text)
    assert problem in read(folder, SOUND)[1]


def test_services_of_files_that_are_included_are_dockers_to_know(folder: Path) -> None:
    """A compose file that includes another may have services that are not in it."""
    (folder / "compose.yml").write_text("include: [other.yml]\n")
    assert look_into(folder / "compose.yml").services is None
    assert read(folder, SOUND)[1] == ""


def test_another_compose_file_is_another_stack(folder: Path) -> None:
    """The plan's digest covers the compose file by its own."""
    before, _ = read(folder, SOUND)
    (folder / "compose.yml").write_text(COMPOSE.replace("image: web", "image: web:2"))
    after, _ = read(folder, SOUND)
    assert before != after
