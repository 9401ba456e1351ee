"""What every setting says of itself, in the metadata of its field."""

from __future__ import annotations

from collections.abc import Callable


def about(
    default: str, doc: str, parse: Callable[[str], object], *, secret: bool = False
) -> dict[str, object]:
    """Describe a setting.

    Args:
        default: its raw value where the environment has none.
        doc: one line for who sets it.
        parse: reads the raw value, or raises ValueError with what would be right.
        secret: whether its value is masked wherever settings are shown.
    """
    return {"default": default, "doc": doc, "parse": parse, "secret": secret}
