"""`stormproof explain` as a user types it, on a record with a planted loss."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.builders import FEED_OPERATION, LedgerWriter, at, healthy_record
from tests.integration.cli.recorded import demo_plan, write_run

from stormproof.cli.main import run_commands
from stormproof.model.event import Failure


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Write a run in which user 2 never gets a message that was acknowledged during the cut."""
    writer = LedgerWriter(now_ns=at(11.0))
    for user in range(3):
        writer.join(user, 7)
    for at_s, number, heard_by in ((11.5, 1, [0, 1, 2]), (13.0, 2, [0, 1]), (14.0, 3, [0, 1, 2])):
        writer.now_ns = at(at_s)
        key = writer.send(0, 7, number, number)
        for user in heard_by:
            writer.receive(user, 7, key, number)
    failure = Failure(
        worker=0,
        user=1,
        series=FEED_OPERATION,
        kind="http 503",
        intended_ns=at(13.1),
        start_ns=at(13.1),
        end_ns=at(13.2),
        status=503,
    )
    record = healthy_record(demo_plan(), ledger=(writer.array,), failures=(failure,))
    return write_run(tmp_path / "run", record)


def _explain(run: Path, name: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    capsys.readouterr()
    code = run_commands(["explain", str(run), name])
    told = capsys.readouterr()
    return code, told.out, told.err


def test_a_loss_is_explained_on_one_clock(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The story of the message in order, what to look at, and what second 0 is in the logs."""
    code, out, err = _explain(run, "lost", capsys)
    assert (code, err) == (0, "")
    assert "never got it: user 2" in out
    assert "> 13.002 acknowledged as number 2 of scope 7" in out
    assert "  13.200 GET /feed failed: http 503 (1 time)" in out
    assert out.index("sends it into scope 7") < out.index("user 2 gets number 3 of scope 7")
    assert "Look at:" in out
    assert "second 0 is 1970-01-01 00:00:00.000 UTC" in out
    assert "\x1b" not in out


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_every_line_fits_the_terminal(
    run: Path, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the path, which must stay whole to be copied, may be longer than the terminal is."""
    monkeypatch.setenv("COLUMNS", columns)
    for name in ("lost", "http_req_duration", "recovery_ready_s"):
        _, out, _ = _explain(run, name, capsys)
        long = [line for line in out.splitlines() if len(line) > int(columns)]
        assert all(str(run) in line for line in long)


def test_an_unknown_name_lists_what_there_is(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 64, with every finding and objective of the run to choose from."""
    code, out, err = _explain(run, "lots", capsys)
    assert (code, out) == (64, "")
    assert "the run has no finding, key or objective 'lots'; it has" in err
    assert "\n    finding    lost\n" in err
    assert "\n    objective  delivery_lost: count==0\n" in err


def test_a_part_of_several_names_lists_these(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which of them is meant has to be written whole."""
    code, _, err = _explain(run, "health_", capsys)
    assert code == 64
    assert "2 objectives have 'health_' in their name" in err
    assert "recovery_ready_s" not in err


def test_no_run_is_bad_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds no run is named, with what would be right."""
    code, _, err = _explain(tmp_path, "lost", capsys)
    assert code == 64
    assert "is no run directory" in err


def test_a_cut_record_is_explained_as_far_as_it_goes(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was killed half-way still tells its objectives; standard error says what is missing."""
    segment = run / "record" / "worker-0.seg"
    data = segment.read_bytes()
    segment.write_bytes(data[: len(data) // 2])
    (run / "seal.json").unlink()
    code, out, err = _explain(run, "http_req_duration", capsys)
    assert code == 0
    assert "INCONCLUSIVE" in out
    assert "the record is not whole: worker-0.seg is cut at byte" in err
