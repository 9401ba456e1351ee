"""Whatever is imported ends in Python or in a refusal."""

from __future__ import annotations

import ast
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.importing.shop_har import shop

from stormproof.importing.draft import Value
from stormproof.importing.files import source_of
from stormproof.importing.naming import constant, identifier, is_id, template_of
from stormproof.importing.reading import parse_import
from stormproof.importing.source import WIDTH, literal
from stormproof.kernel.errors import BadInput

TEXTS = st.text(max_size=30)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
JSON = st.recursive(
    SCALARS, lambda one: st.lists(one, max_size=4) | st.dictionaries(TEXTS, one, max_size=4)
)
KEYS = st.sampled_from(
    "get post parameters requestBody content application/json schema type properties required enum"
    " responses 200 $ref in name path items allOf example tags security".split()
)
API = st.recursive(
    SCALARS | st.sampled_from(["object", "array", "string", "integer", "#/paths"]),
    lambda one: st.lists(one, max_size=3) | st.dictionaries(KEYS, one, max_size=5),
    max_leaves=30,
)


def is_python_or_refused(document: dict[str, Any]) -> bool:
    """Import a document; say whether Python came of it, or a refusal that names problems."""
    try:
        return bool(ast.parse(source_of(document, "f")).body)
    except BadInput as refusal:
        return bool(refusal.problems)


@given(JSON)
def test_a_value_is_written_so_that_python_reads_it_back(value: Value) -> None:
    """The source of a value, on one line or on many, is that value."""
    for indent in (0, 8, WIDTH):
        assert ast.literal_eval(literal(value, indent)) == value


@given(st.dictionaries(st.sampled_from(["/a", "/a/{b}", "x{"]), API, max_size=4), API)
def test_an_openapi_document_of_any_shape(paths: dict[str, Any], rest: Any) -> None:
    """A document whose parts have any type gives Python or a refusal, never another error."""
    components = {"schemas": rest, "securitySchemes": rest}
    document = {"openapi": "3.1.0", "paths": paths, "servers": rest, "components": components}
    assert is_python_or_refused(document)


@given(st.lists(JSON, max_size=3), st.data())
def test_a_recording_of_any_shape(entries: list[Any], data: st.DataObject) -> None:
    """A recording in which any field has any type gives Python or a refusal."""
    good = shop()["log"]["entries"]
    broken = data.draw(st.sampled_from(good))
    part = data.draw(st.sampled_from(["request", "response"]))
    broken[part][data.draw(st.sampled_from(list(broken[part])))] = data.draw(JSON)
    assert is_python_or_refused({"log": {"entries": [*good, *entries], "pages": entries}})


@given(st.binary(max_size=200))
def test_bytes_of_any_kind(data: bytes) -> None:
    """Random bytes are an object or a refusal."""
    with suppress(BadInput):
        assert isinstance(parse_import(data, "f"), dict)


@given(TEXTS)
def test_names_are_names(text: str) -> None:
    """Any text becomes an identifier, and a constant."""
    assert identifier(text, "thing").isidentifier()
    assert constant(text).isidentifier()


@given(st.lists(st.sampled_from(["", "api", "posts", "42", "{x}", "0" * 32, "a-b"])))
def test_a_template_filled_in_is_the_path(parts: list[str]) -> None:
    """Holes stand exactly where ids were, and their values give the path back."""
    path = "/" + "/".join(parts)
    template, values = template_of(path)
    assert all(is_id(value) for value in values.values())
    filled = template
    for name, value in values.items():
        filled = filled.replace(f"{{{name}}}", value)
    assert filled == path.replace("{", "%7B").replace("}", "%7D")
