"""What a trial may declare of final reads, and what its profile adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.builders import plan

from stormproof.cli.asked_servers import servers_of, streams_of
from stormproof.kernel.errors import BadInput
from stormproof.kernel.units import SECOND_NS
from stormproof.model.plan import Plan, PlannedRead, PlannedSource
from stormproof.planning.compiler import Choices, compile_plan
from stormproof.planning.profiles import read_profile
from stormproof.planning.trials import load_trial
from stormproof.rules.grammar import objective
from stormproof.rules.questions import problems_of
from stormproof.stack.embedded import BREAKABLE

TRIAL = """
from stormproof import FinalRead, Trial, TrialProbe
TRIAL = Trial(
    name="chat", title="t", stack="none", scenarios={{"talk": "talk"}},
    probes={{"ready": TrialProbe(path="/ready")}},
    final_reads={reads},
    objectives={objectives},
)
"""
PROFILE: dict[str, Any] = {
    "duration": "30s",
    "scenarios": {"talk": {"executor": "constant-vus", "vus": 1}},
    "thresholds": {"http_reqs": ["count>1"]},
    "sources": {"postgres": {"urlFrom": "DB"}, "valkey": {"urlFrom": "CACHE"}},
}
GOOD = """{
    "rows": FinalRead(statement="SELECT id FROM messages", of="chat"),
    "events": FinalRead(stream="chat", field="id", numbers=True, same_as="rows"),
    "left": FinalRead(keys="ticket:*", empty=True),
}"""


def compiled(folder: Path, reads: str, objectives: str = "{}", **profile: Any) -> Plan:
    trial, numbers = folder / "chat.py", folder / "chat.json"
    trial.write_text(TRIAL.format(reads=reads, objectives=objectives))
    numbers.write_text(json.dumps({**PROFILE, **profile}))
    read, problems = read_profile(numbers)
    return compile_plan(
        load_trial(trial),
        read,
        problems,
        choices=Choices(target="http://127.0.0.1:1"),
        check_journey=lambda path, function, env: [],
        breakable=BREAKABLE,
    )


def test_the_plan_has_what_trial_and_profile_say(tmp_path: Path) -> None:
    """The trial says what is read, the profile when; what must be empty gets a while by itself."""
    times = {"rows": {"wait": "2s", "timeout": "1m"}}
    rows, events, left = compiled(tmp_path, GOOD, finalReads=times).final_reads
    assert (rows.source, events.source, left.source) == ("postgres", "valkey", "valkey")
    assert (rows.wait_ns, rows.timeout_ns) == (2 * SECOND_NS, 60 * SECOND_NS)
    assert (events.wait_ns, left.wait_ns) == (0, 5 * SECOND_NS)
    assert rows == PlannedRead(
        name="rows",
        statement="SELECT id FROM messages",
        of="chat",
        wait_ns=2 * SECOND_NS,
        timeout_ns=60 * SECOND_NS,
    )


@pytest.mark.parametrize(
    ("read", "problem"),
    [
        ("FinalRead(of='chat')", "asks for one thing (give it a statement, a stream or keys)"),
        ("FinalRead(statement='S', keys='a', empty=True)", "asks for one thing"),
        ("FinalRead(statement='SELECT 1')", "nothing, or too much, is expected of it"),
        ("FinalRead(statement='SELECT 1', of='a', empty=True)", "nothing, or too much"),
        ("FinalRead(stream='s', of='a')", "of a stream one thing is read"),
        ("FinalRead(stream='s', group='g', of='a')", "pending entries are no elements"),
        ("FinalRead(statement='S', field='f', of='a')", "a field or a group is a stream's"),
        ("FinalRead(statement='S', same_as='x')", "same_as 'x' is no other read of elements"),
        ("FinalRead(statement='S' * 10001, of='a')", "its statement has 10001 characters"),
        ("FinalRead(keys='k' * 201, empty=True)", "a name is too long (at most 200"),
        ("FinalRead(statement=7, of='a')", "final_reads: is not of its declared type"),
        (
            "FinalRead(statement='S', of='a', without='b')",
            "nothing, or too much, is expected of it",
        ),
        ("FinalRead(statement='S', empty=True, without='b')", "nothing, or too much, is expected"),
        ("FinalRead(statement='S', without=7)", "final_reads: is not of its declared type"),
        ("'SELECT 1'", "final_reads: is not of its declared type"),
    ],
)
def test_what_cannot_be_read_or_held_against_anything_is_told(
    tmp_path: Path, read: str, problem: str
) -> None:
    """Each problem says which read, and what would be right."""
    with pytest.raises(BadInput) as raised:
        compiled(tmp_path, f"{{'odd': {read}}}")
    assert problem in str(raised.value)


def test_a_read_without_what_was_removed_is_made_before_clean_ups(tmp_path: Path) -> None:
    """It is expected of it that nothing of a key is there, so it waits for nothing to be empty."""
    reads = "{'left': FinalRead(statement='SELECT id FROM parts', without='chat')}"
    (left,) = compiled(tmp_path, reads, "{'orphaned{what:left}': ('count==0',)}").final_reads
    assert (left.without, left.empty, left.wait_ns) == ("chat", False, 0)


def test_a_server_that_nobody_named_is_told(tmp_path: Path) -> None:
    """Of a target that runs already somebody has to say where its database is."""
    with pytest.raises(BadInput, match="the postgres of a target that runs already is not known"):
        compiled(tmp_path, GOOD, sources={"valkey": {"urlFrom": "CACHE"}})


def test_times_of_a_read_that_is_not_there_are_told(tmp_path: Path) -> None:
    """A misspelt name in the profile would leave the real read without its wait."""
    with pytest.raises(BadInput, match="finalReads row: is not in the trial chat"):
        compiled(tmp_path, GOOD, finalReads={"row": {"wait": "2s"}})


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ("stored_lost{what:left}", "no final read 'left' with of=KEY"),
        ("stored_apart{what:rows}", "no final read 'rows' with same_as=READ"),
        (
            "orphaned{what:lefd}",
            "no final read 'lefd' with empty=True or without=KEY: did you mean",
        ),
        ("stored_lost{fault:x}", "stored_lost has no tag 'fault'"),
    ],
)
def test_an_objective_on_no_read_is_told(tmp_path: Path, metric: str, problem: str) -> None:
    """A misspelt read must not pass because it found nothing."""
    with pytest.raises(BadInput) as raised:
        compiled(tmp_path, GOOD, objectives=f"{{{metric!r}: ('count==0',)}}")
    assert problem in str(raised.value)


def test_objectives_on_reads_that_are_made_are_sound(tmp_path: Path) -> None:
    """Of one read or of all; without any final read there is nothing to ask."""
    bars = "{'stored_lost': ('count==0',), 'stored_lost{what:rows}': ('count==0',), "
    bars += "'stored_apart{what:events}': ('count==0',), 'orphaned': ('count==0',)}"
    assert len(compiled(tmp_path, GOOD, bars).objectives) == 5
    (problem,) = problems_of(objective("orphaned", "count==0"), plan())
    assert "the trial has no final read with empty=True" in problem


def test_servers_of_a_running_target_are_named_by_the_environment(tmp_path: Path) -> None:
    """Their URLs are in no plan, and a message about one shows nothing of it."""
    made = compiled(tmp_path, GOOD)
    given = {"DB": "postgresql://me:hunter22@h/d", "CACHE": "valkey://:hunter22@h:1/2"}
    assert [one.kind for one in servers_of(made, None, given)] == ["postgres", "valkey"]
    assert b"hunter22" not in json.dumps(made.digest()).encode()
    wrong = {"DB": "mysql://me:hunter22@h/d", "CACHE": "valkey://:hunter22@h:port"}
    for environ, told in (({}, "is not set"), (wrong, "holds no URL of a")):
        with pytest.raises(BadInput) as raised:
            servers_of(made, None, environ)
        assert str(raised.value).count(told) == 2
        assert "hunter22" not in str(raised.value)


def test_streams_are_named_by_profile_or_objective(tmp_path: Path) -> None:
    """Each once, and no more than are looked at."""
    sources = {**PROFILE["sources"], "valkey": {"urlFrom": "CACHE", "streams": ["orders"]}}
    bars = {
        "valkey:stream_length{stream:orders}": ["max<9"],
        "valkey:stream_lag{stream:mail:out,group:g}": ["value<9"],
    }
    made = compiled(tmp_path, GOOD, sources=sources, thresholds=bars)
    assert streams_of(made) == ("orders", "mail:out")
    assert [one for one in made.sources if one.name == "postgres"] == [
        PlannedSource(
            name="postgres", interval_ns=5 * SECOND_NS, timeout_ns=3 * SECOND_NS, url_from="DB"
        )
    ]
    many = {"urlFrom": "CACHE", "streams": [f"s{number}" for number in range(21)]}
    with pytest.raises(BadInput, match="names 21 streams of valkey"):
        compiled(tmp_path, GOOD, sources={**sources, "valkey": many})
    for odd in ({"urlFrom": "a b"}, {"streams": "orders"}, {"streams": [""], "urlFrom": "X"}):
        with pytest.raises(BadInput, match=r"valkey (urlFrom|streams):|'' is no stream"):
            compiled(tmp_path, GOOD, sources={**sources, "valkey": odd})
