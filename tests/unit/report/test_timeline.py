"""The timeline puts everything that was seen on one clock."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from tests.unit.report.synthetic import (
    CUT_BACK_S,
    CUT_END_S,
    CUT_S,
    RESTART_S,
    at_ns,
    make_record,
    truncated,
)
from tests.unit.report.verdicts import make_inconclusive, make_pass

from stormproof.model.event import ControlEvent
from stormproof.model.record import Record
from stormproof.report.digest import ROWS_MAX, digest_of
from stormproof.report.failures import BODY_CHARACTERS_MAX, GROUPS_MAX, failures_of
from stormproof.report.strip import NOT_OK, SILENT, SPANS_MAX, strips_of
from stormproof.report.tally import tally_of
from stormproof.report.timeline import Timeline, letter_of, timeline_of
from stormproof.rules.fold import merge_cells, per_second
from stormproof.rules.windows import windows_of


@pytest.fixture(scope="module")
def record() -> Record:
    """Return the made-up run."""
    return make_record(detail=6)


def timeline(record: Record) -> Timeline:
    """Return the timeline of a record under a passing verdict."""
    return timeline_of(record, make_pass(), windows_of(record), tally_of(record))


def test_tally_agrees_with_the_fold(record: Record) -> None:
    """Counts of the report are those that the rules fold for the verdict."""
    tally = tally_of(record)
    whole = merge_cells(per_second(record, "http_req", {}).values())
    assert sum(one.count for one in tally.of("http_req").values()) == whole.count
    assert sum(one.failed for one in tally.of("http_req").values()) == whole.failed
    operations = [one for one in tally.sorted_operations() if one.metric == "http_req"]
    assert sum(one.cell.count for one in operations) == whole.count
    assert operations[0].name == "GET /api/feed"


def test_faults_and_recoveries_are_bands(record: Record) -> None:
    """Each fault is shown from its intent to its undo, and its recovery until ready again."""
    bands = timeline(record).bands
    assert [(band.letter, band.kind) for band in bands] == [
        ("A", "fault"),
        ("A", "recovery"),
        ("B", "fault"),
        ("B", "recovery"),
    ]
    assert (bands[0].from_s, bands[0].to_s) == pytest.approx((CUT_S, CUT_END_S))
    assert bands[1].to_s == pytest.approx(CUT_BACK_S, abs=0.3)


def test_phases_follow_each_other(record: Record) -> None:
    """Phases cover the clock without a hole, under their usual names."""
    drawn = timeline(record)
    assert [phase.name for phase in drawn.phases] == [
        "prepare",
        "warm-up",
        "load",
        "drain",
        "stop",
    ]
    assert all(a.to_s == b.from_s for a, b in zip(drawn.phases, drawn.phases[1:], strict=False))


def test_charts_of_a_run(record: Record) -> None:
    """A run with HTTP and chat has all charts, with the bars of its objectives."""
    panels = {panel.key: panel for panel in timeline(record).panels}
    assert list(panels) == ["rate", "errors", "response", "exchange", "delivery", "users"]
    assert [one.text for one in panels["response"].references] == ["bar p95 < 300"]
    assert [one.text for one in panels["delivery"].references] == ["bar p95 < 500"]
    assert not any(panel.empty for panel in panels.values())


def test_charts_without_chat() -> None:
    """A run that spoke HTTP only has no charts of messages."""
    record = make_record(20, detail=4)
    frames = [
        msgspec.structs.replace(one, counts=[c for c in one.counts if c.series in (0, 1)])
        for one in record.frames
    ]
    panels = timeline(replace(record, frames=tuple(frames))).panels
    assert [panel.key for panel in panels] == ["rate", "errors", "response", "users"]


def test_a_missing_frame_is_a_gap() -> None:
    """Seconds without a frame are unknown, seconds without a sample are zero."""
    record = make_record(20, detail=4)
    frames = tuple(one for one in record.frames if one.second not in (5, 6))
    rate = timeline(replace(record, frames=frames)).panels[0].strokes[0]
    assert rate.path.count("M") == 2
    assert rate.buckets[0] is not None
    assert rate.buckets[0].low == 0


def test_a_truncated_fault_lasts_to_the_end(record: Record) -> None:
    """A fault that the record never sees undone is shown until the record ends."""
    drawn = timeline(truncated(record, 64.0))
    assert [band.kind for band in drawn.bands] == ["fault"]
    assert drawn.bands[0].to_s > 63


def test_near_faults_get_rows_of_their_own(record: Record) -> None:
    """Signs of faults too near to each other stand in different rows."""
    near = [
        msgspec.structs.replace(one, at_ns=one.at_ns - round((RESTART_S - CUT_S - 3) * 1e9))
        if getattr(one, "fault", "") == "cache restarted"
        else one
        for one in record.events
    ]
    drawn = timeline(replace(record, events=tuple(near)))
    assert {band.letter: band.row for band in drawn.bands} == {"A": 0, "B": 1}
    assert drawn.rows == 2


def test_letters_do_not_run_out() -> None:
    """Every fault has a sign of its own."""
    assert len({letter_of(place) for place in range(100)}) == 100


def test_invalid_seconds_are_spans(record: Record) -> None:
    """Seconds in which the generator failed are shaded as whole stretches."""
    drawn = timeline_of(record, make_inconclusive(), windows_of(record), tally_of(record))
    assert [(span.from_s, span.to_s) for span in drawn.invalid] == [(20, 61)]


def test_a_record_before_its_origin() -> None:
    """A record that ends before the load has a timeline, if an empty one."""
    drawn = timeline(truncated(make_record(20, detail=4), -9.0))
    assert (drawn.from_s, drawn.to_s) == (0, 1)
    assert all(panel.empty for panel in drawn.panels)


def test_strips_tell_yes_from_no(record: Record) -> None:
    """A probe's strip says not-ok exactly while its answers were."""
    strips = strips_of(record, windows_of(record), -8, 156)
    assert [strip.probe for strip in strips] == ["ready", "canary"]
    down = [one for one in strips[0].stretches if one.state == NOT_OK]
    assert len(down) == 2
    assert down[0].to_s == pytest.approx(CUT_BACK_S, abs=0.25)
    assert strips[0].not_ok < strips[0].samples


def test_silence_is_not_an_answer(record: Record) -> None:
    """Where nobody asked for long the strip is silent instead of repeating the last answer."""
    gap = (at_ns(20), at_ns(40))
    probes = tuple(one for one in record.probes if not gap[0] < one.start_ns < gap[1])
    strips = strips_of(replace(record, probes=probes), windows_of(record), -8, 156)
    silent = [one for one in strips[0].stretches if one.state == SILENT]
    assert len(silent) == 1
    assert silent[0].to_s - silent[0].from_s > 15


def test_flapping_stays_bounded(record: Record) -> None:
    """A probe that flaps on every answer is joined, and its bad answers stay visible."""
    samples = [
        msgspec.structs.replace(
            record.probes[0],
            probe="ready",
            start_ns=at_ns(n / 20),
            end_ns=at_ns(n / 20),
            ok=n % 9 > 0,
        )
        for n in range(20 * 150)
    ]
    strips = strips_of(replace(record, probes=tuple(samples)), windows_of(record), 0, 150)
    stretches = strips[0].stretches
    assert len(stretches) <= SPANS_MAX + 1
    assert NOT_OK in {one.state for one in stretches}


def test_failures_are_grouped(record: Record) -> None:
    """Ten failures of a kind are one line, with first, last, and the share within faults."""
    failures = failures_of(record, windows_of(record), tally_of(record))
    first = failures.groups[0]
    assert (first.operation, first.kind, first.count) == ("POST /api/chat/ticket", "http 503", 56)
    assert first.during_faults == first.count
    assert CUT_S <= first.first_s < first.last_s
    assert "cache cannot be reached" in first.body
    assert failures.groups[1].kind == "timeout"
    assert failures.groups[1].body == ""


def test_failure_groups_are_bounded(record: Record) -> None:
    """Very many kinds and very long bodies are cut, and what is left out is counted."""
    failures = tuple(
        msgspec.structs.replace(record.failures[0], kind=f"kind {n}", body="x" * 4_000)
        for n in range(300)
    )
    grouped = failures_of(replace(record, failures=failures), windows_of(record), tally_of(record))
    assert len(grouped.groups) == GROUPS_MAX
    assert grouped.groups_left_out == 300 - GROUPS_MAX
    assert len(grouped.groups[0].body) == BODY_CHARACTERS_MAX + 1


def test_digest_covers_the_run(record: Record) -> None:
    """The table under the charts has few rows which together hold every failure."""
    tally = tally_of(record)
    rows = digest_of(tally, timeline(record))
    assert 0 < len(rows) <= ROWS_MAX
    assert sum(row.failed for row in rows) == sum(
        one.failed for one in tally.of("http_req").values()
    )
    assert any("A" in row.faults for row in rows)


@pytest.mark.parametrize("length_s", [1, 100, 7_200, 200_000])
def test_digest_is_bounded(record: Record, length_s: int) -> None:
    """The table stays short however long the run was."""
    drawn = replace(timeline(record), from_s=0, to_s=length_s)
    assert len(digest_of(tally_of(record), drawn)) <= ROWS_MAX


def test_steering_is_on_the_clock(record: Record) -> None:
    """Each order that somebody gave while the load ran stands where it took effect."""
    orders = [ControlEvent(at_ns=at_ns(20.0), kind="pause"), ControlEvent(at_ns=0, kind="stop")]
    steered = replace(record, events=(*record.events, *orders))
    assert timeline(record).orders == []
    assert timeline(steered).orders == pytest.approx([20.0])
