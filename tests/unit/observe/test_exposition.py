"""The text that a target serves as its own figures, well-formed and not."""

from __future__ import annotations

import math

import pytest

from stormproof.kernel.limits import (
    EXPOSITION_LABELS_MAX,
    EXPOSITION_LINE_CHARACTERS_MAX,
    EXPOSITION_LINES_MAX,
    EXPOSITION_SAMPLES_MAX,
)
from stormproof.model.observed import Observed, ObservedKind
from stormproof.observe.exposition import read_exposition

COUNTER, GAUGE = ObservedKind.COUNTER, ObservedKind.GAUGE

TEXT = r"""# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{method="GET",route="/a,b{c}",status="200"} 3
requests_total{method = "PUT", route="quo\"te\\ and\nline", status="500",} 1 1395066363000
# TYPE queue gauge
queue 7.5e1
# TYPE latency_ms histogram
latency_ms_bucket{le="10"} 1
latency_ms_bucket{le="+Inf"} 2
latency_ms_sum 12
latency_ms_count 2
# TYPE spread summary
spread{quantile="0.5"} NaN
spread{quantile="0.9"} 4
spread_sum 9
spread_count 3
untyped_thing -2
untyped_total 6
"""


def kinds(text: str) -> dict[str, ObservedKind]:
    return {one.name: one.kind for one in read_exposition(text).figures}


def test_every_line_becomes_a_figure_with_its_kind() -> None:
    """Counters, gauges, buckets and summaries are read with their labels, escapes undone."""
    read = read_exposition(TEXT)
    assert (read.unread, read.left_out) == (0, 0)
    assert read.figures[:3] == [
        Observed(
            "requests_total", {"method": "GET", "route": "/a,b{c}", "status": "200"}, COUNTER, 3
        ),
        Observed(
            "requests_total",
            {"method": "PUT", "route": 'quo"te\\ and\nline', "status": "500"},
            COUNTER,
            1,
        ),
        Observed("queue", {}, GAUGE, 75),
    ]
    assert kinds(TEXT) == {
        "requests_total": COUNTER,
        "queue": GAUGE,
        "latency_ms_bucket": COUNTER,
        "latency_ms_sum": COUNTER,
        "latency_ms_count": COUNTER,
        "spread": GAUGE,
        "spread_sum": COUNTER,
        "spread_count": COUNTER,
        "untyped_thing": GAUGE,
        "untyped_total": COUNTER,
    }


def test_open_metrics_is_read_with_its_suffixes_and_exemplars() -> None:
    """A family's name there lacks `_total`; exemplars and `_created` are left out."""
    text = (
        '# TYPE jobs counter\n# UNIT jobs x\njobs_total 4 # {trace_id="a b"} 0.5 12.25\n'
        'jobs_created 1.7e9\n# TYPE wait gaugehistogram\nwait_bucket{le="+Inf"} 2\n# EOF\n'
    )
    read = read_exposition(text, is_open_metrics=True)
    assert read.unread == 0
    assert [(one.name, one.kind, one.value) for one in read.figures] == [
        ("jobs_total", COUNTER, 4),
        ("wait_bucket", GAUGE, 2),
    ]


def test_when_a_series_began_is_no_figure() -> None:
    """What prometheus_client adds as gauges of its own is left out; a gauge that is merely called
    so stays."""
    text = (
        "# TYPE a_total counter\na_total 1\n# TYPE a_created gauge\na_created 1.7e9\n"
        "# TYPE b summary\nb_count 1\nb_sum 1\n# TYPE b_created gauge\nb_created 1.7e9\n"
        "# TYPE users_created gauge\nusers_created 3\n"
    )
    assert set(kinds(text)) == {"a_total", "b_count", "b_sum", "users_created"}


def test_open_metrics_without_its_end_was_cut_off() -> None:
    """A missing end mark counts as a line that could not be read, and what follows one too."""
    assert read_exposition("a 1\n", is_open_metrics=True).unread == 1
    assert read_exposition("a 1\n# EOF\nb 2\n", is_open_metrics=True).unread == 1


@pytest.mark.parametrize(
    "line",
    [
        "no_value",
        "9name 1",
        'open{a="b 1',
        "unquoted{a=b} 1",
        'twice{a="1",a="2"} 1',
        "number 1_000",
        "number zero",
        "<html><body>hello</body></html>",
        '{"ok": true}',
        "x" * EXPOSITION_LINE_CHARACTERS_MAX + " 1",
    ],
)
def test_a_line_that_is_none_is_counted_and_the_rest_is_read(line: str) -> None:
    """What cannot be read costs itself alone, before and after it everything is there."""
    read = read_exposition(f"before 1\n{line}\nafter 2\n")
    assert [one.name for one in read.figures] == ["before", "after"]
    assert read.unread == 1


def test_a_family_in_pieces_is_one() -> None:
    """Samples between those of another family keep their kind; the same series twice is not read
    twice."""
    text = (
        '# TYPE a_total counter\na_total{x="1"} 1\n# TYPE b gauge\nb 5\n'
        'a_total{x="2"} 2\na_total{x="1"} 9\n'
    )
    read = read_exposition(text)
    assert [(one.tags.get("x"), one.value) for one in read.figures if one.kind is COUNTER] == [
        ("1", 1),
        ("2", 2),
    ]
    assert read.unread == 1


def test_a_family_that_changes_its_type_is_said() -> None:
    """Of two types the first counts, and the line with the second is one that was not read."""
    read = read_exposition("# TYPE a counter\n# TYPE a gauge\na 1\n")
    assert (read.unread, read.figures[0].kind) == (1, COUNTER)


@pytest.mark.parametrize("value", ["+Inf", "-Inf", "1.9e19", "-1.9e19", "1e308"])
def test_a_number_beyond_what_is_counted_cannot_be_told(value: str) -> None:
    """Such a value is kept as infinite, for whoever writes it down to leave out, as a counter is
    that is no number; what Go says where there is no limit is a figure, and its last instant."""
    go = "process_virtual_memory_max_bytes 1.8446744073709552e+19\nmin_time 9.223372036854776e+18\n"
    read = read_exposition(f"queue {value}\nrequests_total {value}\nnone_total NaN\n{go}")
    assert read.unread == 0
    assert [one.value for one in read.figures] == [math.inf] * 3 + [2.0**64, 2.0**63]


def test_more_lines_than_are_looked_at_are_told() -> None:
    """Nothing is made of a text of more lines than the bound, comments and blanks included."""
    at_bound = "# x\n" * (EXPOSITION_LINES_MAX - 1)
    assert not read_exposition(at_bound + "a 1").beyond
    assert read_exposition(at_bound + "\na 1").beyond == f"{EXPOSITION_LINES_MAX} lines"


def test_more_labels_than_are_kept_are_told() -> None:
    """Samples of many labels each cost no more memory than the bound on labels has it."""
    tags = ",".join(f'l{place}="x"' for place in range(100))
    lines = [f'a{{{tags},n="{number}"}} 1' for number in range(EXPOSITION_LABELS_MAX // 101)]
    assert not read_exposition("\n".join(lines)).beyond
    read = read_exposition("\n".join([*lines, lines[0]]))
    assert read.beyond == f"{EXPOSITION_LABELS_MAX} labels"
    assert len(read.figures) == len(lines)


def test_too_many_samples_are_counted_and_not_kept() -> None:
    """Memory is bounded whatever a target serves."""
    read = read_exposition("a 1\n" * (EXPOSITION_SAMPLES_MAX + 5))
    assert read.left_out == 5
