"""Write a draft as Python, laid out as a formatter would leave it.

What does not fit on a line is broken after its opening bracket, one element a line, each with a
comma behind it; such a layout stays as it is at any line length from 88 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from stormproof.importing.draft import Call, Code, FileDraft, JourneyDraft, Value

WIDTH = 88
DOC_WIDTH = 80
INDENT = "    "
_PRINTABLE = re.compile(r"[^\x20-\x7e\xa1-\uffff]|[\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069]")


def render(draft: FileDraft) -> str:
    """Return the source of a journey file."""
    imports = ["User", "check", "journey", *(["secret"] if draft.secrets else [])]
    lines = [
        *_docstring(draft),
        "",
        f"from stormproof import {', '.join(imports)}",
    ]
    if draft.secrets:
        lines += ["", *(f'{name} = secret("{name}")' for name in draft.secrets)]
    for journey in draft.journeys:
        lines += ["", "", *_journey(journey)]
    return "\n".join(lines) + "\n"


def _docstring(draft: FileDraft) -> Iterator[str]:
    yield f'"""{_prose(draft.title)}.'
    yield ""
    yield from _wrapped(f"Run it: stormproof run THIS_FILE --target {draft.target}", "")
    if draft.secrets:
        yield ""
        names = ", ".join(draft.secrets)
        yield from _wrapped(f"Secrets come from the environment: {names}.", "")
    if draft.notes:
        yield ""
        for note in draft.notes:
            yield from _wrapped(f"- {_prose(note)}", "  ")
    yield '"""'


def _prose(text: str) -> str:
    """Make text harmless within a docstring or a comment."""
    clean = _PRINTABLE.sub(" ", text).replace("\\", "/").replace('"""', "'''")
    return " ".join(clean.split()).rstrip('"').rstrip(".")


def _wrapped(text: str, hang: str) -> Iterator[str]:
    line = ""
    for word in text.split():
        if line.strip() and len(line) + 1 + len(word) > DOC_WIDTH:
            yield line
            line = hang + word
        else:
            line = f"{line} {word}" if line.strip() else line + word
    if line.strip():
        yield line


def _journey(journey: JourneyDraft) -> Iterator[str]:
    yield "@journey"
    yield f"async def {journey.name}(user: User) -> None:"
    yield f'{INDENT}"""{_prose(journey.title)}."""'
    is_first = True
    for page in journey.pages:
        if not is_first:
            yield ""
        if page.title:
            yield f"{INDENT}# {_prose(page.title)}"
        for call in page.calls:
            yield from _call(call)
            is_first = False
    if is_first:
        yield f"{INDENT}await user.think(1)"


def _call(call: Call) -> Iterator[str]:
    if call.think_s:
        yield f"{INDENT}await user.think({call.think_s:g})"
    if call.comment:
        yield f"{INDENT}# {_prose(call.comment)}"
    arguments = [literal(call.path, 2 * len(INDENT)), *_options(call)]
    yield from _invocation(f"{call.keep_as} = await user.http.{call.method}", arguments)
    passed = f"{call.keep_as}.ok" if not call.status else f"{call.keep_as}.status == {call.status}"
    yield from _invocation("check", [call.keep_as, literal(_prose(call.check), 8), passed])


def _options(call: Call) -> Iterator[str]:
    for name, value in call.values.items():
        yield _named(name, value)
    for name, mapping in (("query", call.query), ("headers", call.headers)):
        if mapping:
            yield _named(name, dict(mapping))
    if call.auth is not None:
        yield _named("auth", call.auth)
    if call.json is not None:
        yield _named("json", call.json)
    if call.form:
        yield _named("form", dict(call.form))
    if call.body:
        yield (
            f"body={_quoted(call.body, prefix='b')}"
            if call.body.isascii()
            else (f"body={_quoted(call.body)}.encode()")
        )


def _named(name: str, value: Value) -> str:
    return f"{name}={literal(value, 2 * len(INDENT), lead=len(name) + 1, tail=1)}"


def _invocation(function: str, arguments: Sequence[str]) -> Iterator[str]:
    """Write a call within a function's body: on one line where it fits, else one argument each."""
    line = f"{INDENT}{function}({', '.join(arguments)})"
    if "\n" not in line and len(line) <= WIDTH:
        yield line
        return
    yield f"{INDENT}{function}("
    for argument in arguments:
        yield f"{INDENT * 2}{argument},"
    yield f"{INDENT})"


def literal(value: Value, indent: int, *, lead: int = 0, tail: int = 1) -> str:
    """Write a value as Python.

    Args:
        value: what to write.
        indent: columns before the line that it begins on.
        lead: columns of that line before the value.
        tail: columns of its last line behind it.
    """
    flat = _flat(value)
    if indent + lead + len(flat) + tail <= WIDTH or not isinstance(value, list | dict) or not value:
        return flat
    inner = indent + len(INDENT)
    pad = " " * inner
    if isinstance(value, list):
        rows = [f"{pad}{literal(one, inner)}," for one in value]
        return "\n".join(["[", *rows, " " * indent + "]"])
    rows = [
        f"{pad}{_quoted(key)}: {literal(one, inner, lead=len(_quoted(key)) + 2)},"
        for key, one in value.items()
    ]
    return "\n".join(["{", *rows, " " * indent + "}"])


def _flat(value: Value) -> str:
    if isinstance(value, Code):
        return value.text
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_flat, value))}]"
    if isinstance(value, dict):
        return _flat_mapping(value)
    return repr(value)


def _flat_mapping(value: Mapping[str, Value]) -> str:
    return "{" + ", ".join(f"{_quoted(key)}: {_flat(one)}" for key, one in value.items()) + "}"


def _quoted(text: str, *, prefix: str = "") -> str:
    """Write a string as a formatter does: in double quotes, unless single ones spare escapes."""
    quote = "'" if text.count('"') > text.count("'") else '"'
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{prefix}{quote}{_PRINTABLE.sub(_escape, escaped)}{quote}"


def _escape(match: re.Match[str]) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
    code = ord(match.group())
    if match.group() in named:
        return named[match.group()]
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else (f"\\U{code:08x}")
    )
