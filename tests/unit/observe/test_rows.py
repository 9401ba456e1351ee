"""How many rows are asked for at once follows from how large they are."""

from __future__ import annotations

import pytest

from stormproof.kernel.limits import FINAL_READ_PAGE_BYTES, FINAL_READ_ROW_BYTES_MAX
from stormproof.observe.rows import FIRST_ROWS, Paging, RowsRefused


def _turned(paging: Paging, *rows: object) -> int:
    for row in rows:
        paging.take(row)
    paging.turn()
    return paging.rows


def test_pages_of_small_rows_grow_to_the_most() -> None:
    """A million ids take a thousand questions, and not a hundred thousand."""
    paging = Paging(1_000)
    sizes = [paging.rows, *(_turned(paging, [7, "seven"]) for _ in range(4))]
    assert sizes == [FIRST_ROWS, 64, 256, 1_000, 1_000]


def test_pages_of_large_rows_are_short() -> None:
    """However many rows there are, those asked for at once take little room."""
    paging = Paging(1_000)
    assert _turned(paging, ["x" * FINAL_READ_ROW_BYTES_MAX]) == (
        FINAL_READ_PAGE_BYTES // FINAL_READ_ROW_BYTES_MAX
    )
    assert _turned(paging, "small") == FINAL_READ_PAGE_BYTES // FINAL_READ_ROW_BYTES_MAX


@pytest.mark.parametrize("row", ["x" * (FINAL_READ_ROW_BYTES_MAX + 1), [b"x" * 600_000] * 2])
def test_a_row_that_is_too_large_is_refused(row: object) -> None:
    """It says what to do; rows are for what identifies something."""
    with pytest.raises(RowsRefused, match="select what identifies it"):
        Paging(1_000).take(row)
