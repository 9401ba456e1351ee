"""The verdict on a terminal: complete, within its width, readable without colour."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec
import pytest
from tests.unit.report.hostile import STEERING, make_hostile
from tests.unit.report.verdicts import LOST, PASSED, make_fail, make_inconclusive, make_pass

from stormproof.model.verdict import Verdict
from stormproof.report.layout import cells, wrapped
from stormproof.report.text import WITNESSES_SHOWN, render_text

ANSI = re.compile(r"\x1b\[[0-9;]*m")
KINDS = [make_pass, make_fail, make_inconclusive]


def render(verdict: Verdict, width: int = 80, *, colour: bool = False, unicode: bool = True) -> str:
    """Render with the usual run directory."""
    return render_text(verdict, run_dir="runs/r1", width=width, colour=colour, unicode=unicode)


def body_of(text: str) -> list[str]:
    """Return all lines but the paths at the end, which stay whole however long."""
    return text.partition("WHERE TO LOOK")[0].splitlines()


def flat(text: str) -> str:
    """Return a text with its line breaks undone."""
    return " ".join(text.split())


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 200])
@pytest.mark.parametrize("unicode", [False, True])
def test_width(make: Callable[[], Verdict], width: int, unicode: bool) -> None:
    """No line is wider than the terminal, with whatever signs."""
    lines = body_of(render(make(), width, unicode=unicode))
    assert max(map(cells, lines)) <= width


@pytest.mark.parametrize(
    ("make", "first"),
    [
        (make_pass, "✓ PASS 14"),
        (make_fail, "✗ FAIL 3"),
        (make_inconclusive, "? INCONCLUSIVE"),
    ],
)
def test_verdict_first(make: Callable[[], Verdict], first: str) -> None:
    """The first line begins with a sign, the verdict's word, and what decided it."""
    assert render(make()).startswith(first)


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_objective_is_there(make: Callable[[], Verdict], width: int) -> None:
    """Each objective is named once with its status, at every width."""
    verdict = make()
    text = render(verdict, width)
    squeezed = re.sub(r"\s", "", text)
    for one in verdict.objectives:
        assert re.sub(r"\s", "", f"{one.status.upper()} {one.name}") in squeezed
    assert len(re.findall(r"^  [✓✗?] ", text.partition("RECOVERY")[0], re.MULTILINE)) == len(
        verdict.objectives
    )


def test_value_bar_and_margin() -> None:
    """An objective's line carries value, bar, margin, samples and window."""
    assert "11.8 ms, bar < 300 ms, 96 % below, 22,310 samples (calm)" in flat(render(make_pass()))


def test_columns_where_they_fit() -> None:
    """A wide terminal shows objectives as one aligned line each."""
    lines = [line for line in render(make_pass(), 160).splitlines() if " bar " in line]
    assert len(lines) == len(PASSED)
    assert len({line.index(" bar ") for line in lines}) == 1


def test_inconclusive_says_why_and_what_to_do() -> None:
    """Every INCONCLUSIVE objective says why, what to do, and which seconds to look at."""
    text = flat(render(make_inconclusive()))
    assert "why: 17 of 200 samples that this objective needs" in text
    assert "do: run longer: about 12 times the window" in text
    assert "look at: 0:10 to 1:02" in text
    assert "cannot be trusted" in text
    assert "messages_acknowledged: count>=3000: at scale 0.25" in text
    assert "worker-1: second 44 has no frame" in text
    assert "scope reduced (scale 0.25)" in text


def test_findings_with_their_first_witnesses() -> None:
    """A finding shows its first witnesses with their keys, and how many more there are."""
    witnesses = [LOST.witnesses[0]] * 50
    finding = msgspec.structs.replace(LOST, count=7_000, witnesses=witnesses)
    text = flat(render(msgspec.structs.replace(make_fail(), findings=[finding])))
    assert "! lost (7,000): 3 acknowledged messages" in text
    assert text.count("[key 00100011000000ab]") == WITNESSES_SHOWN
    assert "and 6,997 more; see report.html" in text
    assert LOST.advice in text


def test_recovery_rows() -> None:
    """Recovery shows each instant, how long after the fault came or went, and its sampling."""
    text = flat(render(make_pass()))
    assert "ready again 1:09.4 900 ms after undo ± 200 ms" in text
    assert "first failed operation 1:02.4 80 ms after injection" in text
    assert "part up not seen" in text


def test_paths_stay_whole() -> None:
    """Paths and the command to recheck are never broken, and the command is quoted."""
    folder = "runs of today/" + "long-" * 40
    text = render_text(make_pass(), run_dir=folder, width=60, colour=False)
    assert f"report  {folder}/report.html\n" in text
    assert f"stormproof judge '{folder}'" in text


@pytest.mark.parametrize("make", KINDS)
def test_colour_adds_no_meaning(make: Callable[[], Verdict]) -> None:
    """Without its colours the coloured text is the plain one."""
    coloured = render(make(), colour=True)
    assert "\x1b[" in coloured
    assert ANSI.sub("", coloured) == render(make(), colour=False)


@pytest.mark.parametrize("make", KINDS)
def test_ascii_by_default(make: Callable[[], Verdict]) -> None:
    """Unless signs beyond ASCII are allowed there are none."""
    text = render_text(make(), run_dir="runs/r1", width=80, colour=False)
    assert text.isascii()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_hostile_text_cannot_steer(width: int) -> None:
    """Nothing that a target sent reaches the terminal as a control character or too wide."""
    verdict, _ = make_hostile()
    text = render(verdict, width)
    assert not set(STEERING) & set(text) - set("[31m")
    assert max(map(cells, body_of(text))) <= width
    text.encode()


def test_warnings_are_shown() -> None:
    """What the run said of itself is shown, the first ten of it; a silent run shows nothing."""
    many = [f"names-folded: {place}" for place in range(12)]
    text = render(msgspec.structs.replace(make_pass(), warnings=many))
    assert "WARNINGS OF THE RUN" in text
    assert "names-folded: 9" in text
    assert "names-folded: 10" not in text
    assert "and 2 more; see verdict.json" in text
    assert "WARNINGS" not in render(make_pass())


def test_empty_verdict() -> None:
    """A verdict without objectives says so and still shows where to look."""
    empty = msgspec.structs.replace(
        make_inconclusive(), objectives=[], recovery=[], problems=[], not_judged=[]
    )
    text = render(empty)
    assert "none was judged" in text
    assert "RECOVERY" not in text
    assert "runs/r1/verdict.json" in text


def test_not_blocking_is_said() -> None:
    """An objective that does not block is marked as such."""
    one = msgspec.structs.replace(PASSED[0], blocking=False)
    verdict = msgspec.structs.replace(make_pass(), objectives=[one])
    assert "p(95)<300 (not blocking)" in flat(render(verdict))


def test_wrapping_breaks_names_at_punctuation() -> None:
    """A word longer than the line is broken after punctuation, anywhere at worst."""
    assert wrapped("aa metric{name:value}", 12) == ["aa metric{", "name:value}"]
    assert wrapped("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]


def test_wide_characters_count_double() -> None:
    """A character that takes two columns is counted as two."""
    assert cells("東京") == 4
    assert all(cells(line) <= 9 for line in wrapped("東京" * 8, 9))
