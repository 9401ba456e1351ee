"""Placeholders in texts that people write: `{ports.web}` stands for a value that is known later.

{name}, {group.name}    replaced; every one must be known
{{name}}                the text `{name}` itself
any other brace         left as it is, so JSON in a command line needs no care
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NAME = r"[A-Za-z][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)?"
_PLACEHOLDER = re.compile(rf"\{{\{{({_NAME})\}}\}}|\{{({_NAME})\}}")


def placeholders_in(text: str) -> list[str]:
    """Return the names of the placeholders of a text, each once, in their order."""
    names = [one.group(2) for one in _PLACEHOLDER.finditer(text)]
    return list(dict.fromkeys(name for name in names if name))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return a text with the values of its placeholders; each of them is among `values`."""

    def value_of(found: re.Match[str]) -> str:
        literal, name = found.groups()
        return f"{{{literal}}}" if literal else values[name]

    return _PLACEHOLDER.sub(value_of, text)
