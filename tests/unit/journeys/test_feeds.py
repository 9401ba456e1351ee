"""Feeds: how their files are read, and what is wrong with one is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stormproof.journeys.feed import Feed
from stormproof.journeys.feed_rows import feed_bytes, read_rows
from stormproof.kernel.errors import BadInput
from stormproof.kernel.limits import FEED_BYTES_MAX


def problems_of(feed: Feed, data: bytes) -> list[str]:
    """Return what is wrong with a feed's file."""
    with pytest.raises(BadInput) as caught:
        read_rows(feed, data)
    return [str(problem) for problem in caught.value.problems]


def test_csv_rows_are_mappings_that_nobody_can_change() -> None:
    """A CSV file gives rows by column, quotes and line breaks in values kept, blank lines left."""
    data = '\ufeffname,motto\nAda,"one, two"\n\nBela,"a\nb"\n'.encode()
    first, second = read_rows(Feed.csv("people.csv", columns=("name",)), data)
    assert dict(first) == {"name": "Ada", "motto": "one, two"}
    assert (second["motto"], len(second), "name" in second) == ("a\nb", 2, True)
    with pytest.raises(TypeError):
        first["name"] = "Eve"  # type: ignore[index]
    with pytest.raises(KeyError, match="no column 'nmae'; it has name, motto"):
        first["nmae"]


def test_json_lines_keep_their_types() -> None:
    """A file of JSON lines gives rows whose values are what JSON has."""
    rows = read_rows(Feed.jsonl("a.jsonl"), b'{"n": 1, "tags": ["a"]}\n\n{"n": null}\n')
    assert [dict(row) for row in rows] == [{"n": 1, "tags": ["a"]}, {"n": None}]


def test_a_row_does_not_print_its_values() -> None:
    """A row in a log shows its columns alone: its values may be passwords."""
    (row,) = read_rows(Feed.csv("a.csv"), b"name,password\nAda,opensesame\n")
    assert repr(row) == "Row(name, password)"


@pytest.mark.parametrize(
    ("feed", "data", "told"),
    [
        (Feed.csv("a.csv"), b"", ["feed a.csv:1: names no columns"]),
        (Feed.csv("a.csv"), b"a,b\n", ["feed a.csv: has no row"]),
        (
            Feed.csv("a.csv"),
            b"a,b\n1\n1,2\n1,2,3\n",
            ["feed a.csv:2: has 1", "feed a.csv:4: has 3"],
        ),
        (Feed.csv("a.csv"), b"a,a\n1,2\n", ["feed a.csv:1: names a column twice: a"]),
        (Feed.csv("a.csv"), b"a,\n1,2\n", ["feed a.csv:1: has a column without a name"]),
        (Feed.csv("a.csv"), b'a\n"1\n', ["feed a.csv:2: is no CSV"]),
        (Feed.csv("a.csv"), b"a\n\xff\n", ["feed a.csv: is not UTF-8 at byte 2"]),
        (Feed.csv("a.csv", delimiter=";;"), b"a\n1\n", ["feed a.csv: the delimiter ';;'"]),
        (
            Feed.csv("a.csv", columns=("name", "age")),
            b"name,nick\nAda,A\n",
            ["feed a.csv:1: has no column age (it has name, nick)"],
        ),
        (
            Feed.jsonl("a.jsonl"),
            b'{"a": 1}\n[1]\n{',
            ["feed a.jsonl:2: is no", "feed a.jsonl:3: is"],
        ),
        (
            Feed.jsonl("a.jsonl", columns=("a",)),
            b'{"a": 1}\n{"b": 1}\n',
            ["feed a.jsonl:2: has no column a (it has b)"],
        ),
    ],
)
def test_bad_files_are_told_with_their_lines(feed: Feed, data: bytes, told: list[str]) -> None:
    """Every bad row of a file is named at once, with its line."""
    problems = problems_of(feed, data)
    assert len(problems) == len(told)
    for problem, beginning in zip(problems, told, strict=True):
        assert problem.startswith(beginning)


def test_many_bad_rows_are_counted() -> None:
    """Of a file that is bad throughout the first few lines are named and the rest is counted."""
    problems = problems_of(Feed.csv("a.csv"), b"a,b\n" + b"1\n" * 1_000)
    assert len(problems) == 6
    assert problems[-1] == "feed a.csv: 995 more such lines"


@pytest.mark.parametrize("path", ["../a.csv", "/etc/passwd", "", "b/../../a.csv"])
def test_feeds_lie_beside_their_journey(path: str, tmp_path: Path) -> None:
    """A file outside of the journey's folder is refused: it could not travel in the record."""
    with pytest.raises(BadInput, match="is not in the journey file's folder"):
        feed_bytes(Feed.csv(path), tmp_path)


def test_missing_and_huge_files_are_told(tmp_path: Path) -> None:
    """A file that is not there, or is over the limit, is named with what would be right."""
    with pytest.raises(BadInput, match=r"feed a\.csv: cannot be read: no such file .* looked for"):
        feed_bytes(Feed.csv("a.csv"), tmp_path)
    with (tmp_path / "a.csv").open("wb") as huge:
        huge.truncate(FEED_BYTES_MAX + 1)
    with pytest.raises(BadInput, match=r"feed a\.csv: is over 64 MiB"):
        feed_bytes(Feed.csv("a.csv"), tmp_path)


@pytest.mark.parametrize("rows", [[], [1], ["ab"]])
def test_rows_that_are_none_are_refused(rows: Any) -> None:
    """A feed of an iterable needs at least one row, and mappings only."""
    with pytest.raises(ValueError, match="feed"):
        Feed.of(rows)


def test_an_unknown_order_is_refused() -> None:
    """A misspelt order is told with those there are."""
    order: Any = "uniqe"
    with pytest.raises(ValueError, match="sequential, random, circular, unique"):
        Feed.csv("a.csv", order=order)
