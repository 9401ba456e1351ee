"""Fields: every problem of a JSON object is found, and where it is."""

from __future__ import annotations

from pathlib import Path

from stormproof.kernel.errors import Problem
from stormproof.planning.fields import Fields, read_object
from stormproof.planning.profiles import read_profile

HALF = b'{"a": "\\ud800"}'  # of a surrogate pair


def texts(problems: list[Problem]) -> str:
    return "\n".join(str(problem) for problem in problems)


def test_a_repeated_key_is_named_with_its_lines() -> None:
    """A key that stands twice in one object is a problem that names both lines."""
    problems: list[Problem] = []
    read_object(b'{\n"rate": 1,\n"x": 2,\n"rate": 3}', "p.json", problems)
    assert "p.json:2,4: the key 'rate' is repeated" in texts(problems)


def test_broken_json_is_named_with_line_and_column() -> None:
    """JSON that cannot be parsed is named with its place."""
    problems: list[Problem] = []
    read_object(b'{\n"rate": }', "p.json", problems)
    assert "p.json:2:9: is not JSON" in texts(problems)


def test_hostile_input_is_a_problem_and_never_a_crash() -> None:
    """Bytes that are no text, no object, or nested without end are named."""
    for data in (b"\xff\xfe", b"[1]", b"[" * 100_000, b"nul", b'{"a": %s}' % (b"9" * 5_000), HALF):
        problems: list[Problem] = []
        assert read_object(data, "p.json", problems) == {}
        assert problems


def test_a_value_is_shown_short(tmp_path: Path) -> None:
    """A wrong value of any length or depth is told in one short line."""
    path = tmp_path / "deep.json"
    path.write_text('{"seed": ' + "[" * 400 + "]" * 400 + ', "description": ' + "9" * 4_000 + "}")
    _, problems = read_profile(path)
    found = [str(one) for one in problems if "must be" in str(one)]
    assert len(found) == 2
    assert all(len(one) < 400 for one in found)


def test_every_problem_is_found_at_once() -> None:
    """One reading names a wrong type, a range, a missing and an unknown field together."""
    problems: list[Problem] = []
    fields = Fields({"rate": "fast", "vus": 0, "durration": "5s"}, "p.json:", problems)
    fields.number("rate", default=None, low=0, high=10)
    fields.whole("vus", default=None, low=1, high=10)
    fields.duration_ns("duration", default=None, low="1s", high="1h")
    fields.done()
    found = texts(problems)
    assert "rate: must be a number from 0 to 10, not 'fast'" in found
    assert "vus: must be a whole number from 1 to 10, not 0" in found
    assert "duration: is missing" in found
    assert "durration: is unknown (did you mean 'duration'?)" in found


def test_true_is_no_number() -> None:
    """JSON's true is refused where a number is wanted, although Python counts it as one."""
    problems: list[Problem] = []
    Fields({"rate": True}, "p.json:", problems).number("rate", default=1, low=0, high=10)
    assert problems


def test_a_profile_names_all_its_problems(tmp_path: Path) -> None:
    """Reading a bad profile names each problem with its path in the file."""
    path = tmp_path / "bad.json"
    path.write_text(
        '{"duration": "soon", "scenarios": {"feed": {"executor": "constant-arival-rate", '
        '"rate": -1, "preAllocatedVUs": 5, "maxVUs": 2, "typo": 1}}}'
    )
    _, problems = read_profile(path)
    found = texts(problems)
    assert "duration: 'soon' is not a duration" in found
    assert "scenarios feed executor: 'constant-arival-rate' is unknown" in found
    assert "did you mean 'constant-arrival-rate'?" in found
    assert "scenarios feed typo: is unknown" in found
    assert "thresholds: is missing" in found
