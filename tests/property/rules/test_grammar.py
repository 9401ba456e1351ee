"""The grammar of thresholds reads what it writes, and refuses the rest with a message."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stormproof.model.objective import Objective
from stormproof.rules.catalog import CATALOG, Reading
from stormproof.rules.grammar import (
    WINDOWS,
    format_objective,
    objective,
    parse_metric,
    parse_threshold,
    split_objective,
)

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
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
    if known.reading is not Reading.MEASURED and draw(st.booleans()):
        pieces.append(f"window:{draw(st.sampled_from(WINDOWS))}")
    aggregation = draw(st.sampled_from(sorted(known.aggregations)))
    spelt = f"p({draw(st.floats(0, 100))!r})" if aggregation == "p" else aggregation
    operator = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "===", "!="]))
    text = f"{metric}{{{','.join(pieces)}}}" if pieces else metric
    made = objective(text, f"{spelt} {operator} {draw(NUMBERS)!r}")
    assert made.tags == tags
    return made


@given(objectives())
def test_what_is_written_reads_back(made: Objective) -> None:
    """Formatting any objective and parsing the text gives the same objective."""
    assert objective(*split_objective(format_objective(made)), exact=made.exact) == made


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
