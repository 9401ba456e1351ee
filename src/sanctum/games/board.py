"""The board of noughts and crosses, as pure functions.

A board is nine characters, row by row: ``.`` where a place is free, ``X`` where the host has
marked it, ``O`` where the guest has.
"""

from __future__ import annotations

PLACES = 9
FREE = "."
EMPTY = FREE * PLACES
HOST_MARK = "X"
GUEST_MARK = "O"
_ROWS = ((0, 1, 2), (3, 4, 5), (6, 7, 8))
_COLUMNS = ((0, 3, 6), (1, 4, 7), (2, 5, 8))
_DIAGONALS = ((0, 4, 8), (2, 4, 6))


def is_free(board: str, place: int) -> bool:
    """Tell whether a place, 0 to 8, is not marked yet."""
    return board[place] == FREE


def marked(board: str, place: int, mark: str) -> str:
    """Return the board with one more mark."""
    return board[:place] + mark + board[place + 1 :]


def is_won_by(board: str, mark: str) -> bool:
    """Tell whether a mark fills a row, a column or a diagonal."""
    lines = (*_ROWS, *_COLUMNS, *_DIAGONALS)
    return any(all(board[place] == mark for place in line) for line in lines)


def is_full(board: str) -> bool:
    """Tell whether no place is free."""
    return FREE not in board
