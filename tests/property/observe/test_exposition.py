"""The parser of expositions beside prometheus_client's, and on text that is none."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from stormproof.kernel.limits import OBSERVED_VALUE_MAX
from stormproof.observe.collected import Exposition
from stormproof.observe.exposition import read_exposition

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}x", fullmatch=True)
VALUES = st.text(alphabet='ab\\"\n{},= #é', max_size=8)
LABELS = st.dictionaries(st.sampled_from(["le", "route", "status"]), VALUES, max_size=3)
NUMBERS = st.floats(min_value=-OBSERVED_VALUE_MAX, max_value=OBSERVED_VALUE_MAX)
SUFFIXES = {"gauge": [""], "counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}
Sample = tuple[str, frozenset[tuple[str, str]]]


def escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


@st.composite
def expositions(draw: st.DrawFn) -> str:
    """Draw a well-formed exposition, each series in it once."""
    lines: list[str] = []
    seen: set[Sample] = set()
    for name in draw(st.lists(NAMES, max_size=5, unique=True)):
        kind = draw(st.sampled_from(sorted(SUFFIXES)))
        typed = f"{name}_total" if kind == "counter" else name
        lines.append(f"# TYPE {typed} {kind}")
        for labels in draw(st.lists(LABELS, max_size=4)):
            sample = name + draw(st.sampled_from(SUFFIXES[kind]))
            key = (sample, frozenset(labels.items()))
            if key in seen:
                continue
            seen.add(key)
            inside = ",".join(f'{one}="{escaped(value)}"' for one, value in labels.items())
            braces = f"{{{inside}}}" if inside or draw(st.booleans()) else ""
            lines.append(f"{sample}{braces} {draw(NUMBERS)!r}")
    return "\n".join([*lines, ""])


def figures(read: Exposition) -> dict[Sample, float]:
    return {(one.name, frozenset(one.tags.items())): one.value for one in read.figures}


@given(text=expositions())
def test_well_formed_text_reads_as_it_does_for_prometheus_client(text: str) -> None:
    """Same series, same labels, same values as the library's own parser finds."""
    expected = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    read = read_exposition(text)
    assert read.unread == 0
    assert figures(read) == expected


@given(text=expositions(), broken=st.lists(st.sampled_from(["?", "a{", 'b{x="1} 2', "c d"])))
def test_broken_lines_cost_themselves_alone(text: str, broken: list[str]) -> None:
    """Lines that are none, wherever they stand, are counted, and everything else stays."""
    lines = text.split("\n")
    for place, line in enumerate(broken):
        lines.insert(place * 2 % (len(lines) + 1), line)
    read = read_exposition("\n".join(lines))
    assert read.unread == len(broken)
    assert figures(read) == figures(read_exposition(text))


@given(text=st.text(max_size=200))
def test_no_text_is_too_odd(text: str) -> None:
    """Whatever comes, it is read without an exception, and what is no number cannot be told."""
    values = [one.value for one in read_exposition(text).figures]
    assert all(abs(value) <= OBSERVED_VALUE_MAX or value == math.inf for value in values)
