"""Custom metrics are found in a journey's file by looking."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormproof.journeys.declared import authored_in
from stormproof.kernel.errors import BadInput

METRICS = """
from stormproof import Counter, Trend
from shop_metrics_beside import orders

basket = Trend("basket", unit="EUR", tags=("currency",))
same = basket
retries = Counter("retries", doc="Tried again.")
"""


def test_metrics_are_the_values_at_the_top_of_the_file(tmp_path: Path) -> None:
    """Each metric that a file names is found once, those that it imports by name included."""
    beside = 'from stormproof import Counter\n\norders = Counter("orders")\n'
    (tmp_path / "shop_metrics_beside.py").write_text(beside)
    path = tmp_path / "shop.py"
    path.write_text(METRICS)
    found = authored_in(path, {})[0].metrics
    assert [one.name for one in found] == ["basket", "orders", "retries"]
    assert (found[0].unit, found[0].tags, found[2].doc) == ("EUR", ("currency",), "Tried again.")


def test_a_file_without_metrics_declares_none(tmp_path: Path) -> None:
    """Nothing at the top of a file, no metric; a file that does not import says where."""
    path = tmp_path / "plain.py"
    path.write_text("x = 1\n")
    assert authored_in(path, {})[0].metrics == ()
    path.write_text("x = 1 +\n")
    with pytest.raises(BadInput, match=r"plain\.py:1: cannot be parsed"):
        authored_in(path, {})
