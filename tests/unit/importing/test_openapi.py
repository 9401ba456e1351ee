"""An OpenAPI document becomes one journey a tag."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stormproof.importing.files import journeys_of, source_of
from stormproof.kernel.errors import BadInput

HERE = Path(__file__).parent


def made_of(paths: dict[str, Any], **more: Any) -> str:
    return source_of({"openapi": "3.0.0", "paths": paths, **more}, "api.json")


def with_body(schema: dict[str, Any]) -> str:
    """Return the source of one operation that sends what a schema describes."""
    content = {"application/json": {"schema": schema}}
    return made_of({"/x": {"post": {"requestBody": {"content": content}, "responses": {}}}})


def test_a_pet_shop_reads_like_written_by_hand() -> None:
    """What makes comes before what needs; ids from answers; examples that fit; secrets declared."""
    expected = (HERE / "petshop_journeys.txt").read_text()
    assert journeys_of(HERE / "petshop.yaml") == expected


def test_a_document_of_the_version_before_becomes_journeys_too() -> None:
    """OpenAPI 2.0: host and base path, bodies and forms, lists in one text, keys in headers, in the
    query and as names with passwords; answers by reference."""
    expected = (HERE / "depot_journeys.txt").read_text()
    assert journeys_of(HERE / "depot.yaml") == expected


@pytest.mark.parametrize(
    ("said", "target"),
    [
        ({"host": "a.example"}, "http://a.example"),
        ({"host": "a.example", "schemes": ["wss", "https"]}, "https://a.example"),
        ({}, "http://127.0.0.1:8000"),
        ({"host": 5, "basePath": ["x"], "schemes": {}}, "http://127.0.0.1:8000"),
    ],
)
def test_the_server_of_the_version_before(said: dict[str, Any], target: str) -> None:
    """The first scheme that is HTTP and the host; where nobody says, this machine."""
    paths = {"/x": {"get": {"parameters": [5, {"in": "query"}], "responses": []}}}
    source = source_of({"swagger": "2.0", "paths": paths, **said}, "api.json")
    assert f"--target {target}\n" in source
    assert 'user.http.get("/x")' in source


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "integer", "minimum": 5}, "json=5"),
        ({"type": "integer", "exclusiveMinimum": 5}, "json=6"),
        ({"type": "number", "maximum": 0.5}, "json=0.5"),
        ({"type": "boolean"}, "json=True"),
        ({"type": "string", "maxLength": 3}, 'json="exa"'),
        ({"type": "string", "minLength": 9}, 'json="exampleex"'),
        ({"type": ["null", "string"], "enum": ["red", "blue"]}, 'json="red"'),
        ({"type": "array", "items": {"type": "string", "const": "k"}}, 'json=["k"]'),
        ({"oneOf": [{"type": "integer"}, {"type": "string"}]}, "json=1"),
        ({"properties": {"message": {"type": "string"}}}, '"message": user.fake.sentence()'),
        ({"properties": {"token": {"type": "string"}}}, '"token": TOKEN.value'),
        ({"properties": {"id": {"readOnly": True}, "n": {"type": "integer"}}}, 'json={"n": 1}'),
        ({"$ref": "#/nowhere"}, 'json="example"'),
        ({"$ref": "other.yaml#/x"}, 'json="example"'),
    ],
)
def test_an_example_fits_its_schema(schema: dict[str, Any], written: str) -> None:
    """Bounds, choices, kinds and names of a schema decide what is sent."""
    assert written in with_body(schema)


def test_a_schema_that_holds_itself_ends() -> None:
    """A tree of nodes is written a few levels deep, and no further."""
    node = {"type": "object", "properties": {"next": {"$ref": "#/n"}, "all": {"$ref": "#/l"}}}
    listed = {"type": "array", "items": {"$ref": "#/n"}}
    content = {"application/json": {"schema": {"$ref": "#/n"}}}
    post = {"post": {"requestBody": {"content": content}, "responses": {}}}
    assert made_of({"/x": post}, n=node, l=listed).count('"next"') < 40
    chain = {"$ref": "#/a"}
    assert made_of({"/x": {"$ref": "#/a"}, "/y": {"get": {"responses": {}}}}, a=chain)


def test_names_that_python_or_we_have_taken_are_changed() -> None:
    """A tag named like a keyword, and operations of the same name, become usable names."""
    get = {"tags": ["class"], "operationId": "user", "responses": {}}
    source = made_of({"/a": {"get": get}, "/b": {"get": get}})
    for part in ("async def class_(user", "user_ = await", "user__2 = await"):
        assert part in source


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"swagger": "1.2"}, "is of the version 1.2 .convert it"),
        ({"swagger": "2.0"}, "has no operation"),
        ({"openapi": 3}, "is of the version 3 .convert it"),
        ({"openapi": "3.0.0", "paths": []}, "has no operation"),
        ({"openapi": "3.0.0", "paths": {"/a": {"get": []}}}, "has no operation"),
    ],
)
def test_what_cannot_be_used_is_refused(document: dict[str, Any], problem: str) -> None:
    """Another version, or nothing to call, is named with what is wrong."""
    with pytest.raises(BadInput, match=problem):
        source_of(document, "api.json")


def test_a_get_with_a_body_is_a_request_that_takes_one() -> None:
    """The function `get` takes no body: what has one is written with its method's name."""
    body = {"content": {"application/json": {"schema": {"type": "integer", "minimum": 5}}}}
    paths = {"/x": {"get": {"requestBody": body, "responses": {}}}}
    source = source_of({"openapi": "3.0.0", "paths": paths}, "api.json")
    assert 'user.http.request("GET", "/x", json=5)' in source
