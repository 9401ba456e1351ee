"""Registers by the thousand: what is planted is found wherever it lies, and crowds are decided."""

from __future__ import annotations

from random import Random

import pytest
from tests.builders import ORIGIN_NS
from tests.histories import Op, run_check, value_of

from stormproof.checks import register_blocks, registers
from stormproof.checks.registers import check_registers
from stormproof.checks.sessions import check_monotonic, check_staleness
from stormproof.model.history import Function, Step

ASKED = "register_nonlinearizable: count==0"
METRIC = "register_nonlinearizable"
KEYS = 12


def _played(keys: int, each: int, late: int) -> list[Op]:
    """Return writes of values of their own, and reads, that took effect one after the other."""
    draw = Random(7)  # noqa: S311
    held, ops = dict[int, int](), list[Op]()
    for place in range(keys * each):
        key, at = draw.randrange(keys), 10 * place + 10 * late
        is_write = key not in held or draw.random() < 0.5
        held[key] = place if is_write else held[key]
        ops.append(
            Op(
                function=Function.WRITE if is_write else Function.READ,
                key=f"key:{key}",
                value=held[key],
                began=at - draw.randrange(1, 10 * late),
                ended=at + draw.randrange(1, 10 * late),
                user=draw.randrange(1, 9),
            )
        )
    return ops


def _with_read(ops: list[Op], key: str, value: int) -> list[Op]:
    """Return operations with a read behind them all."""
    last = max(op.ended for op in ops)
    read = Op(function=Function.READ, key=key, value=value, began=last + 1, ended=last + 2)
    return [*ops, read]


@pytest.mark.parametrize("together", [1, 20, 1 << 18])
@pytest.mark.parametrize("late", [1, 60], ids=["one by one", "at once"])
def test_a_wrong_read_of_any_key_is_found_at_every_edge_of_a_block(
    monkeypatch: pytest.MonkeyPatch, together: int, late: int
) -> None:
    """Whichever key it is, and however many share a block, that key alone is told."""
    monkeypatch.setattr(register_blocks, "TOGETHER", together)
    ops = _played(KEYS, 8, late)
    assert value_of(run_check(check_registers, ops, ASKED), METRIC) == 0.0
    for key in sorted({op.key for op in ops}):
        outcome = run_check(check_registers, _with_read(ops, key, -1), ASKED)
        assert value_of(outcome, METRIC) == 1.0
        (finding,) = outcome.findings
        (witness,) = finding.witnesses
        assert witness.at_ns == max(op.ended for op in ops) + 1 + ORIGIN_NS


def test_a_crowd_on_one_key_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty at once on one key, values of their own: no search is needed for an answer."""
    monkeypatch.setattr(registers, "LINEARIZED_STEPS_MAX", 0)
    ops = _played(1, 3_000, 30)
    assert value_of(run_check(check_registers, ops, ASKED), METRIC) == 0.0
    broken = run_check(check_registers, _with_read(ops, "key:0", 0), ASKED)
    assert value_of(broken, METRIC) == 1.0
    assert "read as 0 by user 1" in broken.findings[0].witnesses[0].what


def test_broken_keys_are_all_counted_and_some_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where more are broken than are searched for a witness, the count is that of all."""
    monkeypatch.setattr(registers, "NAMED_MAX", 3)
    ops = list[Op]()
    for key in range(12):
        mine = [(Function.WRITE, 1, 1, 9), (Function.READ, 1, 2, 3), (Function.READ, 0, 4, 5)]
        ops += [
            Op(function=one, key=f"key:{key}", value=value, began=began + key, ended=ended + key)
            for one, value, began, ended in mine
        ]
    (finding,) = run_check(check_registers, ops, ASKED).findings
    assert (finding.count, len(finding.witnesses)) == (12, 3)
    assert finding.witnesses[0].what.startswith("#")


def test_an_unknown_write_that_lands_late_is_part_of_a_crowd() -> None:
    """It may take effect at any time after it began, once, and never before."""
    lost = Op(function=Function.WRITE, key="k", value=5, began=10, step=Step.UNKNOWN)
    ops = [Op(function=Function.WRITE, key="k", value=1, began=1, ended=2), lost]
    ops += [Op(function=Function.READ, key="k", value=1, began=at, ended=at + 1) for at in (20, 30)]
    late = [Op(function=Function.READ, key="k", value=5, began=at, ended=at + 1) for at in (40, 50)]
    again = Op(function=Function.READ, key="k", value=1, began=60, ended=61)
    early = Op(function=Function.READ, key="k", value=5, began=5, ended=6)
    assert value_of(run_check(check_registers, [*ops, *late], ASKED), METRIC) == 0.0
    assert value_of(run_check(check_registers, [*ops, *late, again], ASKED), METRIC) == 1.0
    assert value_of(run_check(check_registers, [*ops, early], ASKED), METRIC) == 1.0


def _found_before(key: str) -> list[Op]:
    """Return what a sound register tells whose first value is among those written: it is read, then
    overwritten, then written once more while the first read is still under way."""
    return [
        Op(function=Function.READ, key=key, value=0, began=1, ended=20, user=1),
        Op(function=Function.WRITE, key=key, value=1, began=2, ended=5, user=2),
        Op(function=Function.WRITE, key=key, value=0, began=15, ended=100, user=3),
        Op(function=Function.READ, key=key, value=1, began=25, ended=30, user=1),
    ]


def test_a_first_value_that_is_written_again_accuses_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without a single step of search it is undecided, with one it holds; it never breaks."""
    ops = [one for key in range(3) for one in _found_before(f"key:{key}")]
    assert value_of(run_check(check_registers, ops, ASKED), METRIC) == 0.0
    monkeypatch.setattr(registers, "NAMED_MAX", 0)
    assert value_of(run_check(check_registers, ops, ASKED), METRIC) == 0.0
    monkeypatch.setattr(registers, "LINEARIZED_STEPS_MAX", 0)
    assert value_of(run_check(check_registers, ops, ASKED), METRIC) is None


def test_a_refused_increment_hides_no_stale_read() -> None:
    """A key that somebody tried to increment in vain is judged like any other."""
    refused = Op(function=Function.INCREMENT, key="r", value=1, began=3, ended=4, step=Step.REFUSED)
    ops = [
        Op(function=Function.WRITE, key="r", value=1, began=1, ended=2),
        refused,
        Op(function=Function.WRITE, key="r", value=2, began=5, ended=6),
        Op(function=Function.READ, key="r", value=1, began=7, ended=8),
    ]
    outcome = run_check(check_staleness, ops, "reads_stale: count==0")
    assert value_of(outcome, "reads_stale") == 1.0


def test_a_first_value_that_is_written_again_takes_nobody_back() -> None:
    """Who read it before it was written may read an older value afterwards."""
    other = [Op(function=Function.WRITE, key="o", value=1, began=1, ended=2)]
    for _ in range(2):
        other = _with_read(other, "o", 1)
    ops = [*_found_before("r"), *other]
    outcome = run_check(check_monotonic, ops, "reads_not_monotonic: count==0")
    assert value_of(outcome, "reads_not_monotonic") == 0.0


def _large(key: str, step: int) -> list[Op]:
    """Return writes of values of their own, each read twice while the next ones go on."""
    ops = list[Op]()
    for one in range(60):
        at = step * one + 1
        ops.append(Op(function=Function.WRITE, key=key, value=one, began=at, ended=at + 40))
        ops += [
            Op(function=Function.READ, key=key, value=one, began=at + 30 + late, ended=at + 45)
            for late in range(2)
        ]
    return ops


@pytest.mark.parametrize(
    ("more", "off"),
    [
        pytest.param([], 0.0, id="all well"),
        pytest.param([Op(function=Function.READ, key="k", value=5, began=900, ended=910)], 1.0),
        pytest.param(
            [Op(function=Function.WRITE, key="k", value=99, began=2, step=Step.UNKNOWN)], 0.0
        ),
        pytest.param([Op(function=Function.READ, key="k", value=-1, began=1, ended=2)], 0.0),
        pytest.param([Op(function=Function.READ, key="k", value=-1, began=900, ended=910)], 1.0),
        pytest.param([Op(function=Function.WRITE, key="k", value=5, began=900, ended=910)], 0.0),
    ],
)
def test_a_key_of_millions_is_looked_at_some_values_at_a_time(
    monkeypatch: pytest.MonkeyPatch, more: list[Op], off: float
) -> None:
    """What holds by its values alone is never laid side by side; whatever else has its answer."""
    ops = [*_large("k", 12), *more]
    told = run_check(check_registers, ops, ASKED).measured[METRIC, ""]
    monkeypatch.setattr(registers, "LARGE", 10)
    if not more:
        monkeypatch.setattr(registers, "sweep", lambda _: pytest.fail("laid side by side"))
    again = run_check(check_registers, ops, ASKED).measured[METRIC, ""]
    assert (again.value, again.samples) == (told.value, told.samples)
    assert again.value == off
