"""What a journey file declares at its top, as data for the plan."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from stormproof.journeys.declared import authored_in
from stormproof.kernel.canonical import sha256_hex
from stormproof.kernel.errors import BadInput

WHOLE = """
from stormproof import Feed, journey, secret, setup, teardown
from shop_data import PEOPLE

TOKEN = secret("API_TOKEN")
KEYS = Feed.csv("keys.csv", private=True)
MADE = Feed.of([{"n": 1}])

@setup
async def open_shop(user):
    return {}

@teardown
async def close_shop(user): ...

@journey(tags=("plan", "step"))
async def shop(user): ...
"""
ENVIRON = {"API_TOKEN": "a-long-token"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Lay out a journey file with a module and two feeds beside it."""
    (tmp_path / "shop.py").write_text(WHOLE)
    (tmp_path / "shop_data.py").write_text(
        'from stormproof import Feed\nPEOPLE = Feed.jsonl("people.jsonl", columns=("name",))\n'
    )
    (tmp_path / "people.jsonl").write_text('{"name": "Ada"}\n{"name": "Bela"}\n')
    (tmp_path / "keys.csv").write_text("key\nopen-sesame\n")
    return tmp_path


@pytest.fixture(autouse=True)
def forget_neighbours() -> None:
    """Let no test see the module of another one's folder."""
    sys.modules.pop("shop_data", None)


def test_all_that_a_file_declares_is_found(folder: Path) -> None:
    """Set-up, teardown, secrets by name, tags, feeds with their digests: also what is imported."""
    authored, problems = authored_in(folder / "shop.py", ENVIRON)
    assert problems == []
    assert (authored.setup, authored.teardown) == ("open_shop", "close_shop")
    assert (authored.secrets, authored.tags) == (("API_TOKEN",), ("plan", "step"))
    keys, people = authored.feeds
    assert (people.file, people.rows, people.place) == ("people.jsonl", 2, "")
    assert people.sha256 == sha256_hex((folder / "people.jsonl").read_bytes())
    assert (keys.file, keys.rows, keys.place) == ("keys.csv", 1, str(folder / "keys.csv"))


def test_checkers_are_found_by_what_the_file_calls_them(folder: Path) -> None:
    """Each once with its metrics in the file's order, imported ones too; seconds have a unit."""
    declare = '@checker(metrics=({!r}, "late_s"), needs=("write",))\ndef {}(history): ...\n'
    head = "from stormproof import checker\n"
    (folder / "shop_data.py").write_text(f"{head}PEOPLE = None\n{declare.format('told', 'shared')}")
    with (folder / "shop.py").open("a") as file:
        file.write(
            f"{head}from shop_data import shared\n{declare.format('mine', 'own')}same = own\n"
        )
    authored, problems = authored_in(folder / "shop.py", ENVIRON)
    assert problems == []
    found = {name: [one.name for one in metrics] for name, metrics in authored.checkers.items()}
    assert found == {"shared": ["told", "late_s"], "own": ["mine", "late_s"]}
    assert [one.unit for one in authored.checkers["own"]] == ["", "s"]


def test_private_feeds_do_not_travel(folder: Path) -> None:
    """Only what is not private is copied into the record."""
    authored, _ = authored_in(folder / "shop.py", ENVIRON)
    assert list(authored.files) == ["people.jsonl"]


def test_every_problem_is_told_at_once(folder: Path) -> None:
    """Missing secrets, bad feeds, two set-ups and bad tags come in one go."""
    (folder / "keys.csv").write_text("key\n1,2\n")
    (folder / "people.jsonl").unlink()
    more = (
        'OTHER = secret("OTHER_TOKEN")\n@setup\nasync def again(user): ...\n'
        '@journey(tags=("name",))\nasync def other(user): ...\n'
    )
    (folder / "shop.py").write_text(WHOLE + more)
    _, problems = authored_in(folder / "shop.py", {})
    told = "\n".join(str(problem) for problem in problems)
    for part in (
        "has 2 functions decorated with @setup: open_shop, again",
        "the tag 'name' is set by stormproof itself",
        "secret API_TOKEN: is set nowhere",
        "secret OTHER_TOKEN: is set nowhere",
        "feed keys.csv:2: has 2 values",
        "feed people.jsonl: cannot be read",
    ):
        assert part in told
    assert len(problems) == 6


def test_a_file_that_does_not_load_is_told(tmp_path: Path) -> None:
    """A secret asked for while the file loads is told with its line."""
    (tmp_path / "early.py").write_text(
        'from stormproof import secret\nTOKEN = secret("API_TOKEN").value\n'
    )
    with pytest.raises(BadInput, match=r"early\.py:2: fails to import: LookupError"):
        authored_in(tmp_path / "early.py", ENVIRON)


def test_steps_that_come_once_take_the_user() -> None:
    """What is no `async def f(user)` can be neither set-up nor teardown."""
    from stormproof import setup, teardown

    async def alone() -> None: ...

    for decorate in (setup, teardown):
        with pytest.raises(TypeError, match="one argument, the user"):
            decorate(alone)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="must be an `async def`"):
            decorate(lambda user: None)  # type: ignore[arg-type,return-value]
