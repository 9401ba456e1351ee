"""From an OpenAPI document to journeys: one a tag, what makes things before what needs them.

A parameter of a path is read from the answer of the call that made or listed the thing, where names
match; else an example stands there, with a comment that says what is needed.
Source: OpenAPI 3.1, https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from stormproof.importing.draft import Call, Code, FileDraft, JourneyDraft, Page, Value
from stormproof.importing.examples import Examples, plain
from stormproof.importing.naming import constant, identifier, singular, unused
from stormproof.importing.reading import JsonObject, a_list, a_text, an_object, bad
from stormproof.importing.swagger import as_openapi_3
from stormproof.kernel.limits import IMPORTED_CALLS_MAX

METHODS = ("post", "get", "put", "patch", "delete")  # in the order in which they make sense
_HOLE = re.compile(r"\{([^{}]+)\}")
_JSON = re.compile(r"application/(?:[\w.+-]+\+)?json")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Operation:
    """One operation of the document, references of its parameters followed."""

    method: str
    path: str
    tag: str
    raw: JsonObject
    parameters: tuple[JsonObject, ...]

    @property
    def holes(self) -> list[str]:
        return _HOLE.findall(self.path)

    @property
    def title(self) -> str:
        return a_text(self.raw.get("summary")) or f"{self.method.upper()} {self.path}"

    @property
    def parent(self) -> str:
        """The path of the collection, for a path that ends in one thing of it."""
        return self.path.rpartition("/{")[0] if self.path.endswith("}") else self.path


def from_openapi(document: JsonObject, where: str) -> FileDraft:
    """Make the draft of an OpenAPI document, of the version 3 or 2.0.

    Raises:
        BadInput: it is of another version, or has no operation that can be called.
    """
    version = str(document.get("openapi") or document.get("swagger") or "none")
    if version == "2.0":
        document = as_openapi_3(document)
    elif not version.startswith("3."):
        raise bad(where, f"is of the version {version}", "convert it to OpenAPI 3")
    writer = _Writer(document)
    operations = list(writer.operations())
    if not operations:
        raise bad(where, "has no operation under `paths`")
    if len(operations) > IMPORTED_CALLS_MAX:
        raise bad(where, f"has {len(operations)} operations", f"<= {IMPORTED_CALLS_MAX}")
    return writer.draft(operations)


def server_of(document: JsonObject) -> tuple[str, str]:
    """Return the target of the first server, and the path that comes before every other."""
    server = an_object(next(iter(a_list(document.get("servers"))), None))
    url = a_text(server.get("url"))
    for name, variable in an_object(server.get("variables")).items():
        url = url.replace(f"{{{name}}}", str(an_object(variable).get("default", "")))
    try:
        parts = urlsplit(url)
    except ValueError:
        return "http://127.0.0.1:8000", ""
    base = f"{parts.scheme}://{parts.netloc}" if parts.netloc else "http://127.0.0.1:8000"
    path = parts.path.rstrip("/")
    return base, f"/{path.strip('/')}" if path else ""


class _Writer:
    """Write the calls of one document."""

    def __init__(self, document: JsonObject) -> None:
        self._document = document
        self._examples = Examples(document, self._secret)
        self._secrets: set[str] = set()
        self._notes: list[str] = []
        self._target, self._prefix = server_of(document)

    def operations(self) -> Iterable[_Operation]:
        """Yield every operation that is not deprecated, in the document's order."""
        for path, item in an_object(self._document.get("paths")).items():
            found = self._examples.resolve(item)
            for method in METHODS:
                raw = an_object(found.get(method))
                if not raw:
                    continue
                if raw.get("deprecated") is True:
                    self._notes.append(f"left out as deprecated: {method.upper()} {path}")
                    continue
                tags = [one for one in a_list(raw.get("tags")) if isinstance(one, str)]
                yield _Operation(
                    method=method,
                    path=str(path) if str(path).startswith("/") else f"/{path}",
                    tag=tags[0] if tags else "everything",
                    raw=raw,
                    parameters=self._parameters(found, raw),
                )

    def _parameters(self, item: JsonObject, raw: JsonObject) -> tuple[JsonObject, ...]:
        """Return the parameters, those of the operation over those of its path."""
        listed = [*a_list(item.get("parameters")), *a_list(raw.get("parameters"))]
        found = [self._examples.resolve(one) for one in listed]
        named = {(a_text(one.get("in")), a_text(one.get("name"))): one for one in found}
        return tuple(one for (_, name), one in named.items() if name)

    def draft(self, operations: Sequence[_Operation]) -> FileDraft:
        """Return the file of some operations, one journey a tag."""
        by_tag: dict[str, list[_Operation]] = {}
        for one in operations:
            by_tag.setdefault(one.tag, []).append(one)
        journeys: list[JourneyDraft] = []
        for tag, its in by_tag.items():
            name = unused(identifier(tag, "journey"), {one.name for one in journeys})
            calls = _Journey(self, its).calls()
            title = f"Use what the service offers under {tag}"
            pages = (Page(title="", steps=calls),)
            journeys.append(JourneyDraft(name=name, title=title, pages=pages))
        info = an_object(self._document.get("info"))
        return FileDraft(
            title=f"{a_text(info.get('title')) or 'A service'}, from its OpenAPI document",
            target=self._target,
            journeys=tuple(journeys),
            secrets=tuple(sorted(self._secrets)),
            notes=tuple(dict.fromkeys(self._notes))[:20],
        )

    def full_path(self, path: str) -> str:
        """Return a path below the server's own."""
        return self._prefix + path

    def example(self, parameter: JsonObject) -> Value:
        """Return an example of a parameter."""
        if parameter.get("example") is not None:
            return plain(parameter["example"])
        for one in an_object(parameter.get("examples")).values():
            return plain(self._examples.resolve(one).get("value"))
        return self._examples.of(parameter.get("schema"), a_text(parameter.get("name")))

    def body(self, operation: _Operation) -> tuple[Value | None, dict[str, Value]]:
        """Return the example body of an operation, as JSON or as a form."""
        found = self._examples.resolve(operation.raw.get("requestBody"))
        for mime, media in an_object(found.get("content")).items():
            is_form = mime == "application/x-www-form-urlencoded"
            if not is_form and not _JSON.match(mime):
                continue
            value = self.example({**an_object(media), "name": ""})
            if is_form:
                return None, value if isinstance(value, dict) else {}
            return value, {}
        if an_object(found.get("content")):
            where = f"{operation.method.upper()} {operation.path}"
            self._notes.append(f"give {where} its body yourself")
        return None, {}

    def answer_fields(self, operation: _Operation) -> tuple[JsonObject, bool]:
        """Return the fields of a good answer's object, and whether it is a list of them."""
        answers = an_object(operation.raw.get("responses"))
        good = next((answers[one] for one in sorted(answers) if one.startswith("2")), None)
        content = an_object(self._examples.resolve(good).get("content"))
        media = next((one for mime, one in content.items() if _JSON.match(mime)), None)
        schema = self._examples.merged(an_object(media).get("schema"))
        if schema.get("type") == "array":
            items = self._examples.merged(schema.get("items"))
            return an_object(items.get("properties")), True
        return an_object(schema.get("properties")), False

    def credentials(self, operation: _Operation) -> _Credentials:
        """Return what an operation's security asks for."""
        asked = operation.raw.get("security", self._document.get("security"))
        wanted = next((an_object(one) for one in a_list(asked)), {})
        schemes = an_object(an_object(self._document.get("components")).get("securitySchemes"))
        found = _Credentials()
        for name in wanted:
            scheme = self._examples.resolve(schemes.get(name))
            kind, place = a_text(scheme.get("type")), scheme.get("in")
            if kind in ("oauth2", "openIdConnect") or _is_bearer(scheme):
                token = constant(f"{name} token" if "token" not in name else name)
                found.auth = self._secret(token)
            elif kind == "apiKey" and place in ("header", "query"):
                fields = found.headers if place == "header" else found.query
                fields[a_text(scheme.get("name"))] = self._secret(constant(name))
            elif kind == "http":
                found.headers["Authorization"] = self._secret(constant(f"{name} authorization"))
            else:
                self._notes.append(f"the security scheme {name} is not written: do so yourself")
        return found

    def _secret(self, name: str) -> Code:
        self._secrets.add(name)
        return Code(f"{name}.value")


@dataclass(slots=True, kw_only=True)
class _Credentials:
    """What says who is asking: a bearer token, headers, fields of the query."""

    auth: Code | None = None
    headers: dict[str, Value] = field(default_factory=dict)
    query: dict[str, Value] = field(default_factory=dict)


def _is_bearer(scheme: JsonObject) -> bool:
    return scheme.get("type") == "http" and a_text(scheme.get("scheme")).lower() == "bearer"


@dataclass(slots=True)
class _Journey:
    """Write the calls of one tag; knows which answer holds which thing."""

    writer: _Writer
    operations: Sequence[_Operation]
    names: set[str] = field(default_factory=set)
    made: dict[str, Code] = field(default_factory=dict)  # collection -> the id of a thing in it

    def calls(self) -> tuple[Call, ...]:
        """Return the calls: making and listing first, deleting last, the deepest thing first."""
        first = [one for one in self.operations if one.method != "delete"]
        last = [one for one in self.operations if one.method == "delete"]
        first.sort(key=lambda one: (len(one.holes), METHODS.index(one.method)))
        last.sort(key=lambda one: -len(one.holes))
        return tuple(self._call(one) for one in (*first, *last))

    def _call(self, one: _Operation) -> Call:
        asked = a_text(one.raw.get("operationId")) or f"{one.method} {_HOLE.sub('', one.path)}"
        name = unused(identifier(asked, "answer"), self.names)
        self.names.add(name)
        values, comment = self._values(one)
        credentials = self.writer.credentials(one)
        data, form = self.writer.body(one)
        call = Call(
            method=one.method,
            path=self.writer.full_path(self._template(one)),
            keep_as=name,
            status=_good_status(one),
            check=one.title[:80],
            values=values,
            query={**credentials.query, **dict(self._given(one, "query"))},
            headers={**credentials.headers, **dict(self._given(one, "header"))},
            auth=credentials.auth,
            json=data,
            form=form,
            comment=comment,
        )
        self._learn(one, name)
        return call

    def _template(self, one: _Operation) -> str:
        return _HOLE.sub(lambda hole: f"{{{_keyword(hole.group(1))}}}", one.path)

    def _given(self, one: _Operation, place: str) -> Iterable[tuple[str, Value]]:
        """Yield the parameters that are required, or that have an example of their own."""
        for parameter in one.parameters:
            if parameter.get("in") == place and (
                parameter.get("required") is True or parameter.get("example") is not None
            ):
                yield a_text(parameter.get("name")), self.writer.example(parameter)

    def _values(self, one: _Operation) -> tuple[dict[str, Value], str]:
        """Fill the holes of a path, from earlier answers where they hold the thing."""
        known = {a_text(p.get("name")): p for p in one.parameters if p.get("in") == "path"}
        values: dict[str, Value] = {}
        missing = []
        for hole in one.holes:
            collection = one.path.partition(f"/{{{hole}}}")[0]
            origin = self.made.get(collection)
            if origin is None:
                values[_keyword(hole)] = self.writer.example(known.get(hole, {"name": hole}))
                missing.append(hole)
            else:
                values[_keyword(hole)] = origin
        return values, f"needs data of yours: {', '.join(missing)}" if missing else ""

    def _learn(self, one: _Operation, name: str) -> None:
        """Note which field of the answer identifies a thing of its collection."""
        if one.method not in ("post", "get") or one.path.endswith("}"):
            return
        fields, is_list = self.writer.answer_fields(one)
        thing = singular(one.path.rpartition("/")[2])
        for key in ("id", f"{thing}Id", f"{thing}_id", "uuid", "slug"):
            if key in fields and (one.method == "post" or one.path not in self.made):
                place = "[0]" if is_list else ""
                self.made[one.path] = Code(f'{name}.json(){place}["{key}"]')
                return


def _keyword(hole: str) -> str:
    return identifier(hole, "value")


def _good_status(one: _Operation) -> int:
    codes: Mapping[str, object] = an_object(one.raw.get("responses"))
    good = sorted(str(code) for code in codes if re.fullmatch(r"2\d\d", str(code)))
    return int(good[0]) if good else 0
