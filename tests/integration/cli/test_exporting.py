"""`export` by the commands a user types, on records of real runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader
from tests.integration.cli.conftest import Project

from stormproof.cli.main import run_commands
from stormproof.store.directory import RunDirectory
from stormproof.store.reader import load_record


@pytest.fixture
def run(project: Project) -> Path:
    """Carry out a short run."""
    assert run_commands(project.certify()) in (0, 2)
    return project.run_directory()


def _requests(run: Path) -> int:
    """Count the HTTP requests of a record, preparation included."""
    record = load_record(RunDirectory.open(run))
    return sum(
        counts.count
        for one in record.frames
        for counts in one.counts
        if record.series[one.worker][counts.series].metric == "http_req"
    )


def test_a_run_is_exported_in_every_form(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON to standard output, a table and a log to files, all with the verdict's requests."""
    capsys.readouterr()
    assert run_commands(["export", str(run), "--metric", "http_req_duration"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    total = sum(one["data"]["count"] for one in told if one["type"] == "Point")
    assert total == _requests(run) > 0
    table, log = tmp_path / "a.csv", tmp_path / "a.hlog"
    order = ["export", str(run), "--metric", "http_req", "--every", "5s"]
    assert run_commands([*order, "--format", "csv", "--out", str(table)]) == 0
    assert table.read_text().splitlines()[0].startswith("time,second,seconds,metric,tags")
    assert run_commands(["export", str(run), "--format", "hdr", "--out", str(log)]) == 0
    assert {one.name for one in tmp_path.iterdir()} >= {"a.csv", "a.hlog"}
    assert not list(tmp_path.glob(".a.*"))
    whole = HdrHistogram(1, 3_600_000_000, 3)
    reader = HistogramLogReader(str(log), whole)
    counted = 0
    while (one := reader.get_next_interval_histogram()) is not None:
        counted += one.get_total_count() if one.get_tag().startswith("http_req_duration") else 0
    reader.close()
    assert counted == total


def test_a_record_that_was_cut_is_exported_as_far_as_it_goes(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is there comes out; standard error says what is not, and the exit code is 2."""
    segment = run / "record" / "worker-0.seg"
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) // 2])
    (run / "seal.json").unlink()  # as if we had been killed half-way
    capsys.readouterr()
    assert run_commands(["export", str(run), "--metric", "iterations"]) == 2
    told = capsys.readouterr()
    assert len(told.out.splitlines()) > 1
    assert "exported what there is; the record is not whole" in told.err
    assert "worker-0.seg is cut at byte" in told.err


def test_wrong_orders_are_told_at_once(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A metric that the record has not and a step that is none are bad input, both named."""
    order = ["export", str(run), "--metric", "http_req_durations", "--every", "500ms"]
    assert run_commands(order) == 64
    err = capsys.readouterr().err
    assert "did you mean 'http_req_duration'?" in err
    assert "500ms is no step (whole seconds, 1s to 24h)" in err
    assert run_commands(["export", str(run / "nowhere")]) == 64
    assert run_commands(["export", str(run), "--out", str(run / "no" / "file.json")]) == 69
