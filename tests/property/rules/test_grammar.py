"""The grammar of thresholds reads what it writes, and refuses the rest with a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stormproof.kernel.units import SECOND_NS, parse_duration_ns
from stormproof.model.objective import Aggregation, Objective
from stormproof.rules.catalog import CATALOG, Reading
from stormproof.rules.grammar import (
    AGGREGATIONS,
    SLOPE_WINDOWS,
    STRETCH_S_MAX,
    STRETCHES,
    WINDOWS,
    format_objective,
    objective,
    parse_threshold,
    split_objective,
)
from stormproof.rules.questions import question_problems
from stormproof.rules.tags import NAME, format_metric, parse_metric

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
BETWEEN = st.floats(0, 1, exclude_min=True, exclude_max=True)  # bars that some shares meet
VALUES = st.text(min_size=1, max_size=12) | st.text(alphabet='a{},:" \\', min_size=1, max_size=8)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@st.composite
def objectives(draw: st.DrawFn) -> Objective:
    """Make any objective that the catalog allows, spelt with quotes throughout."""
    metric = draw(st.sampled_from(sorted(CATALOG)))
    known = CATALOG[metric]
    keys = draw(st.lists(st.sampled_from(sorted(known.tags)), unique=True)) if known.tags else []
    tags = {key: draw(VALUES) for key in [*keys, *sorted(known.needed - set(keys))]}
    pieces = [f"{key}:{_quoted(value)}" for key, value in tags.items()]
    aggregation = draw(st.sampled_from(sorted(known.aggregations)))
    is_slope = aggregation == "slope"
    if known.reading is not Reading.MEASURED and draw(st.booleans()):
        pieces.append(f"window:{draw(st.sampled_from(SLOPE_WINDOWS if is_slope else WINDOWS))}")
    if not is_slope and known.reading is not Reading.MEASURED and draw(st.booleans()):
        seconds = draw(st.integers(1, STRETCH_S_MAX))
        pieces.append(f"{draw(st.sampled_from(STRETCHES))}:{seconds}s")
    spelt = f"p({draw(st.floats(0, 100))!r})" if aggregation == "p" else aggregation
    operators = ["<", "<="] if is_slope else ["<", "<=", ">", ">=", "==", "===", "!="]
    operator = draw(st.sampled_from(operators))
    text = f"{metric}{{{','.join(pieces)}}}" if pieces else metric
    bars = BETWEEN if known.is_share and aggregation == "rate" else NUMBERS
    made = objective(text, f"{spelt} {operator} {draw(bars)!r}")
    assert made.tags == tags
    return made


@given(objectives())
def test_what_is_written_reads_back(made: Objective) -> None:
    """Formatting any objective and parsing the text gives the same objective."""
    assert objective(*split_objective(format_objective(made)), exact=made.exact) == made


@given(
    st.dictionaries(st.from_regex(NAME, fullmatch=True), VALUES.filter(str.strip), max_size=4),
    st.from_regex(NAME, fullmatch=True),
)
def test_any_tags_are_read_back(tags: dict[str, str], name: str) -> None:
    """Whatever a value holds, a metric with its tags is written so that it reads back the same."""
    assert parse_metric(format_metric(name, tags)) == (name, tags)


@given(st.sampled_from(STRETCHES), st.text("0123456789.smh", min_size=1, max_size=5))
def test_a_stretch_is_whole_seconds_or_refused(kind: str, duration: str) -> None:
    """Any duration is read as the whole seconds that it is, or refused with what would be right."""
    refusal, read = "", None
    try:
        read = objective(f"http_req_duration{{{kind}:{duration}}}", "p(95)<300")
    except ValueError as error:
        refusal = str(error)
    if read is None:
        assert kind in refusal
    else:
        assert read.stretch is not None
        assert read.stretch.seconds * SECOND_NS == parse_duration_ns(duration)


@given(st.text(max_size=40) | st.text(alphabet='ab_{}:,"\\ p(95)<=!3.', max_size=30))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    """No text makes the parsers fail other than by ValueError with words."""
    refusals = []
    for parse in (parse_metric, parse_threshold, split_objective):
        try:
            parse(text)
        except ValueError as error:
            refusals.append(str(error))
    assert all(" " in refusal for refusal in refusals)


@given(
    st.sampled_from(sorted(CATALOG)),
    st.from_regex(NAME, fullmatch=True),
    st.sampled_from(sorted(AGGREGATIONS)),
)
def test_what_the_catalog_does_not_know_is_refused(
    metric: str, tag: str, aggregation: Aggregation
) -> None:
    """Only the tags and aggregations that a metric has are accepted; any other is a problem."""
    known = CATALOG[metric]
    problems = question_problems(metric, [tag, *known.needed], aggregation)
    assert any(repr(tag) in one for one in problems) is (tag not in known.tags)
    refused = any(one.startswith(f"{metric} cannot be asked for") for one in problems)
    assert refused is (aggregation not in known.aggregations)


@given(st.from_regex(NAME, fullmatch=True))
def test_no_unknown_metric_is_ever_made_an_objective(name: str) -> None:
    """A name that is not in the catalog is refused, however near it is to one that is."""
    told = question_problems(name, [], "count")
    assert (not any(one.startswith("there is no metric") for one in told)) is (name in CATALOG)
