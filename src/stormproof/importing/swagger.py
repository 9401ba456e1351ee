"""Say in OpenAPI 3's words what a document of OpenAPI 2.0 (Swagger) says.

Only what a journey is made of is said anew: the server, parameters, bodies, good answers and
security schemes. Schemas stay where they are, and references to them lead there as before.
Source: OpenAPI 2.0, https://spec.openapis.org/oas/v2.0.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stormproof.importing.reading import JsonObject, a_list, a_text, an_object
from stormproof.importing.references import followed

METHODS = ("get", "put", "post", "delete", "patch")
JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"
MULTIPART_TYPE = "multipart/form-data"
_NO_SCHEMA = ("name", "in", "required", "description", "collectionFormat", "allowEmptyValue")


def as_openapi_3(document: JsonObject) -> JsonObject:
    """Return a document of OpenAPI 2.0 as one of OpenAPI 3."""
    paths = an_object(document.get("paths"))
    schemes = an_object(document.get("securityDefinitions"))
    return {
        **document,
        "openapi": "3.0.0",
        "servers": _servers(document),
        "components": {
            "securitySchemes": {name: _security(scheme) for name, scheme in schemes.items()}
        },
        "paths": {path: _path(document, item) for path, item in paths.items()},
    }


def _servers(document: JsonObject) -> list[JsonObject]:
    """Return the only server; without a host it is told by its path alone."""
    host, base = a_text(document.get("host")), a_text(document.get("basePath"))
    named = [one for one in a_list(document.get("schemes")) if one in ("http", "https")]
    path = f"/{base.strip('/')}"
    return [{"url": f"{named[0] if named else 'http'}://{host}{path}" if host else path}]


def _security(scheme: object) -> JsonObject:
    found = an_object(scheme)
    return {"type": "http", "scheme": "basic"} if found.get("type") == "basic" else found


def _path(document: JsonObject, item: object) -> JsonObject:
    found = followed(document, item)
    shared = a_list(found.get("parameters"))
    return {
        method: _operation(document, operation, shared)
        for method in METHODS
        if (operation := an_object(found.get(method)))
    }


def _operation(document: JsonObject, raw: JsonObject, shared: Sequence[object]) -> JsonObject:
    """Return an operation whose parameters are all its own."""
    listed = (followed(document, one) for one in (*shared, *a_list(raw.get("parameters"))))
    named = {(one.get("in"), one.get("name")): one for one in listed}
    body = [one for (place, _), one in named.items() if place == "body"]
    form = [one for (place, _), one in named.items() if place == "formData"]
    others = [one for (place, _), one in named.items() if place not in ("body", "formData")]
    said: dict[str, object] = {**raw, "parameters": [_parameter(one) for one in others]}
    consumed = raw.get("consumes", document.get("consumes"))
    kinds = [one for one in a_list(consumed) if isinstance(one, str)]
    if form:
        said["requestBody"] = {"content": {_form_type(form, kinds): {"schema": _form(form)}}}
    elif body:
        media = {"schema": body[-1].get("schema"), **_example(body[-1])}
        said["requestBody"] = {"content": dict.fromkeys(kinds or [JSON_TYPE], media)}
    answers = an_object(raw.get("responses"))
    said["responses"] = {code: _answer(document, one) for code, one in answers.items()}
    return said


def _parameter(one: JsonObject) -> JsonObject:
    """Return a parameter of the path, the query or a header."""
    said = {key: one[key] for key in ("name", "in", "required") if key in one}
    return {**said, "schema": _schema(one), **_example(one)}


def _schema(one: JsonObject) -> JsonObject:
    """Return the schema that a parameter is itself; of a list in one text, that of one item."""
    if one.get("type") == "array" and one.get("collectionFormat") != "multi":
        return an_object(one.get("items"))
    return {key: value for key, value in one.items() if key not in _NO_SCHEMA}


def _example(one: JsonObject) -> Mapping[str, object]:
    """Return the example that a parameter names in one of the usual ways, which are extensions."""
    for key in ("x-example", "example"):
        if one.get(key) is not None:
            return {"example": one[key]}
    for value in an_object(one.get("x-examples")).values():
        return {"example": value}
    return {}


def _form_type(form: Sequence[JsonObject], kinds: Sequence[str]) -> str:
    """Return how a form is sent: in parts where it holds a file, or where nothing else is taken."""
    in_parts = any(one.get("type") == "file" for one in form)
    only_parts = MULTIPART_TYPE in kinds and FORM_TYPE not in kinds
    return MULTIPART_TYPE if in_parts or only_parts else FORM_TYPE


def _form(form: Sequence[JsonObject]) -> JsonObject:
    fields = {a_text(one.get("name")): {**_schema(one), **_example(one)} for one in form}
    required = [one.get("name") for one in form if one.get("required") is True]
    return {"type": "object", "properties": fields, "required": required}


def _answer(document: JsonObject, raw: object) -> JsonObject:
    found = followed(document, raw)
    if "schema" not in found:
        return found
    return {**found, "content": {JSON_TYPE: {"schema": found["schema"]}}}
