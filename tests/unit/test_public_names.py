"""The public names of the package, which are imported when they are first asked for."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

import stormproof

SOURCE = Path(stormproof.__file__)


def test_every_public_name_is_there() -> None:
    """What is listed can be imported, and nothing else can."""
    assert {name for name in stormproof.__all__ if getattr(stormproof, name) is None} == set()
    assert set(stormproof.__all__) < set(dir(stormproof))
    with pytest.raises(AttributeError, match="has no attribute 'jorney'"):
        _ = stormproof.jorney


def test_types_and_imports_name_the_same_homes() -> None:
    """The imports that type checkers see are those that happen."""
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("stormproof.")
        for alias in node.names
    }
    assert set(seen) == set(stormproof.__all__)
    for name, module in seen.items():
        assert module is not None
        assert getattr(importlib.import_module(module), name) is getattr(stormproof, name)
